// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_TIMER with NOTE_ABSOLUTE: dates, in the past and
 * the future, and what setting the clock does to them.
 */
#include "kq_test.h"
#include "kq_wide.h"

#define GUARD	99	/* ident of a timer whose time is far longer */

static long long wall_ms(void)
{
	return kq_clock_ns(CLOCK_REALTIME) / KQ_MS;
}

static void set_guard(int kq)
{
	ASSERT_OK(kq_add(kq, GUARD, EVFILT_TIMER, EV_ONESHOT, NOTE_SECONDS, 10, NULL));
}

static const struct {
	const char *name;
	unsigned int fflags;
	long long ns;
} units[] = {
	{ "milliseconds", 0, KQ_MS },
	{ "seconds", NOTE_SECONDS, KQ_SEC },
	{ "microseconds", NOTE_USECONDS, 1000 },
	{ "nanoseconds", NOTE_NSECONDS, 1 },
};

KQ_TEST_EACH(future, "KQ-210", "an absolute timer fires once, not before its date", units)
{
	long long date = (kq_clock_ns(CLOCK_REALTIME) + 100 * KQ_MS) / variant->ns + 1;
	int kq = kq_new();

	set_guard(kq);
	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE | variant->fflags, date, &kq));
	ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_CLEAR, 0, 1, &kq);
	ASSERT_GE(kq_clock_ns(CLOCK_REALTIME), date * variant->ns);
	kq_sleep_ms(20);
	kq_fence(kq);
}

static const struct {
	const char *name;
	unsigned int fflags;
	long long ago;	/* in ms; 0: the date itself is 0 */
} past[] = {
	{ "a_second_ago", 0, 1000 },
	{ "a_day_ago", 0, 86400000 },
	{ "epoch", 0, 0 },
	{ "epoch_in_seconds", NOTE_SECONDS, 0 },
};

KQ_TEST_EACH(past, "KQ-210", "a date in the past fires at once, and once", past)
{
	static const unsigned int flags[] = { 0, EV_ONESHOT };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		int kq = kq_new();

		set_guard(kq);
		ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, flags[i], NOTE_ABSOLUTE | variant->fflags,
				 variant->ago ? wall_ms() - variant->ago : 0, NULL));
		ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_CLEAR | flags[i], 0, 1, NULL);
		kq_fence(kq);
	}
}

KQ_TEST(negative, "KQ-210", "a negative date is in the past")
{
	static const intptr_t dates[] = { -1, -1000000, INTPTR_MIN };
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(dates); i++) {
		set_guard(kq);
		ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, dates[i], NULL));
		ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_CLEAR, 0, 1, NULL);
		ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE | NOTE_SECONDS, dates[i], NULL));
		ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_CLEAR, 0, 1, NULL);
	}
}

KQ_TEST(fired, "KQ-211", "a fired absolute timer is silent, can be deleted, and armed again")
{
	int kq = kq_new();

	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, wall_ms() + 20, NULL));
	(void)kq_next(kq);
	kq_sleep_ms(50);
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	kq_fence(kq);
	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, wall_ms() + 20, NULL));
	ASSERT_EQ(kq_next(kq).data, 1);
	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, wall_ms() - 20, NULL));
	ASSERT_EQ(kq_next(kq).data, 1);
	ASSERT_OK(kq_del(kq, 1, EVFILT_TIMER));
	kq_fence(kq);
}

KQ_TEST(disabled, "KQ-211", "a date that passes while the timer is disabled is shown by EV_ENABLE")
{
	int kq = kq_new();

	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, EV_DISABLE, NOTE_ABSOLUTE, wall_ms() + 20, NULL));
	ASSERT_OK(kq_add(kq, 2, EVFILT_TIMER, EV_DISABLE, NOTE_ABSOLUTE, 1, NULL));
	kq_sleep_ms(50);
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).ident, 1);
	ASSERT_OK(kq_ctl(kq, 2, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).ident, 2);
	kq_fence(kq);
}

KQ_TEST(switch_kind, "KQ-214", "EV_ADD switches between relative and absolute")
{
	long long date, start;
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, NOTE_SECONDS, 1000, NULL));
	date = wall_ms() + 50;
	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, date, NULL));
	ASSERT_EQ(kq_next(kq).data, 1);
	ASSERT_GE(wall_ms(), date);
	start = kq_now();
	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, 0, 20, NULL));
	ASSERT_GE(kq_next(kq).data, 1);
	ASSERT_GE(kq_now() - start, 20 * KQ_MS);
	/* It is periodic again. */
	ASSERT_GE(kq_next(kq).data, 1);
	/* And an armed absolute one can become relative. */
	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, date + 1000000, NULL));
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, 0, 20, NULL));
	ASSERT_GE(kq_next(kq).data, 1);
}

/* Moves the wall clock by so many seconds. */
static void step_clock(long seconds)
{
	struct timespec now;

	ASSERT_SYS(clock_gettime(CLOCK_REALTIME, &now));
	now.tv_sec += seconds;
	ASSERT_SYS(clock_settime(CLOCK_REALTIME, &now));
}

/* Runs body in a child and sets the wall clock right again, whatever happens. */
static void with_own_clock(void (*body)(void))
{
	long long offset = kq_clock_ns(CLOCK_REALTIME) - kq_now(), now;
	struct timespec right;
	int status;
	pid_t pid;

	if (getenv("KQ_KEEP_CLOCK"))
		KQ_SKIP("the clock of this machine must not be set");
	clock_gettime(CLOCK_REALTIME, &right);
	if (clock_settime(CLOCK_REALTIME, &right))
		KQ_SKIP("setting the clock is not allowed here");
	pid = kq_fork();
	if (!pid) {
		body();
		_exit(0);
	}
	ASSERT_SYS(waitpid(pid, &status, 0));
	now = kq_now() + offset;
	right = (struct timespec){ now / KQ_SEC, now % KQ_SEC };
	ASSERT_SYS(clock_settime(CLOCK_REALTIME, &right));
	if (status)
		KQ_FAIL_NOW("child ended with status 0x%x", status);
}

static void step_forward(void)
{
	struct kq_waiter waiter = { .kq = kq_new() };

	ASSERT_OK(wide_add(waiter.kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, wall_ms() + 1800000, NULL));
	ASSERT_OK(wide_add(waiter.kq, 2, EVFILT_TIMER, 0, NOTE_ABSOLUTE, wall_ms() + 7200000, NULL));
	ASSERT_OK(kq_add(waiter.kq, 3, EVFILT_TIMER, 0, NOTE_SECONDS, 1800, NULL));
	ASSERT_OK(kq_add(waiter.kq, 4, EVFILT_TIMER, EV_ONESHOT, NOTE_SECONDS, 1800, NULL));
	kq_start_sleeper(&waiter);
	step_clock(3600);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EVENT(waiter.event, 1, EVFILT_TIMER, EV_ADD | EV_CLEAR, 0, 1, NULL);
	kq_fence(waiter.kq);
}

KQ_TEST(clock_set_forward, "KQ-212", "the clock set beyond its date fires an absolute timer, and no relative one")
{
	with_own_clock(step_forward);
}

static void step_backward(void)
{
	int kq = kq_new();

	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE, wall_ms() + 300, NULL));
	step_clock(-3600);
	kq_sleep_ms(600);
	kq_fence(kq);
	step_clock(3600);
	ASSERT_EQ(kq_next(kq).data, 1);
}

KQ_TEST(clock_set_back, "KQ-212", "the clock set back puts an absolute timer off")
{
	with_own_clock(step_backward);
}
