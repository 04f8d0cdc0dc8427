// SPDX-License-Identifier: MIT
// Owns the proof of the module's pure arithmetic, which needs no kernel: the words of a timer.

#include <cerrno>
#include <gtest/gtest.h>

#include "../../kmod/kq_logic.h"

namespace
{

long long ns(unsigned fflags, long long data, bool oneshot = false)
{
    long long out = -1;
    EXPECT_EQ(kq_timer_ns(fflags, data, oneshot, &out), 0);
    return out;
}

int error(unsigned fflags, long long data)
{
    long long out = -1;
    const int err = kq_timer_ns(fflags, data, 0, &out);
    EXPECT_EQ(out, -1) << "a refused word must leave the result alone";
    return err;
}

TEST(TimerWords, each_unit_has_its_length)
{
    EXPECT_EQ(ns(0, 3), 3000000);
    EXPECT_EQ(ns(NOTE_SECONDS, 3), 3000000000);
    EXPECT_EQ(ns(NOTE_USECONDS, 3), 3000);
    EXPECT_EQ(ns(NOTE_NSECONDS, 3), 3);
    EXPECT_EQ(ns(NOTE_ABSOLUTE | NOTE_SECONDS, 3), 3000000000);
}

TEST(TimerWords, hints_change_nothing)
{
    EXPECT_EQ(ns(NOTE_LEEWAY | NOTE_CRITICAL | NOTE_BACKGROUND, 3), 3000000);
    EXPECT_EQ(ns(NOTE_MACH_CONTINUOUS_TIME | NOTE_USECONDS, 3), 3000);
}

TEST(TimerWords, two_units_or_an_unknown_bit_are_refused)
{
    EXPECT_EQ(error(NOTE_SECONDS | NOTE_USECONDS, 1), -EINVAL);
    EXPECT_EQ(error(NOTE_USECONDS | NOTE_NSECONDS, 1), -EINVAL);
    EXPECT_EQ(error(0x100, 1), -EINVAL);
    EXPECT_EQ(error(0x80000000u, 1), -EINVAL);
}

TEST(TimerWords, a_negative_interval_is_refused_and_a_negative_instant_is_past)
{
    EXPECT_EQ(error(0, -1), -EINVAL);
    EXPECT_EQ(error(NOTE_NSECONDS, -9223372036854775807LL - 1), -EINVAL);
    EXPECT_EQ(ns(NOTE_ABSOLUTE, -1), 0);
}

TEST(TimerWords, zero_is_one_unit_when_periodic_and_now_when_not)
{
    EXPECT_EQ(ns(0, 0, false), 1000000);
    EXPECT_EQ(ns(NOTE_NSECONDS, 0, false), 1);
    EXPECT_EQ(ns(0, 0, true), 0);
    EXPECT_EQ(ns(NOTE_ABSOLUTE, 0), 0);
}

TEST(TimerWords, overflow_means_never)
{
    EXPECT_EQ(ns(NOTE_SECONDS, 9223372036), 9223372036000000000LL);
    EXPECT_EQ(ns(NOTE_SECONDS, 9223372037), KQ_NS_NEVER);
    EXPECT_EQ(ns(0, KQ_NS_NEVER), KQ_NS_NEVER);
    EXPECT_EQ(ns(NOTE_NSECONDS, KQ_NS_NEVER - 1), KQ_NS_NEVER - 1);
}

} // namespace
