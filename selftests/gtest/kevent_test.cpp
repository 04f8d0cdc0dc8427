// SPDX-License-Identifier: MIT
//
// kevent() against a fake kernel: the argument block, the stamp, and the order
// of system calls that makes it a cancellation point which loses no event.
#include "fake_kernel.hpp"

#include <atomic>
#include <condition_variable>
#include <gtest/gtest.h>
#include <mutex>
#include <pthread.h>
#include <sys/event.h>
#include <sys/single_threaded.h>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace
{

constexpr int kq = 5;

__u64 ns_now()
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<__u64>(time.tv_sec) * 1000000000 + static_cast<__u64>(time.tv_nsec);
}

class Kevent : public testing::Test
{
protected:
    void SetUp() override
    {
        single_before = __libc_single_threaded;
        fake = {};
        // Plays the script; what is not in it is a failure.
        fake.kevent = [this](int fd, kq_kevent &call) -> long {
            EXPECT_EQ(fd, kq);
            EXPECT_EQ(call.reserved, 0u);
            EXPECT_EQ(call.stamp, 0u);
            EXPECT_EQ(call.record_size, 32u);
            calls.push_back(call);
            if (calls.size() > script.size()) {
                ADD_FAILURE() << "unexpected call, flags " << call.flags;
                return -EIO;
            }
            call.stamp = stamp;
            return script[calls.size() - 1];
        };
    }
    void TearDown() override
    {
        fake = {};
        __libc_single_threaded = single_before;
    }

    void threads(bool many) { __libc_single_threaded = !many; }

    std::vector<kq_kevent> calls;
    std::vector<long> script;
    __u32 stamp = KQ_STAMP;
    char single_before;
    struct kevent list[4] = {}, room[4] = {};
};

TEST_F(Kevent, one_thread_is_one_call_with_the_arguments_as_they_are)
{
    const struct timespec limit = {3, 4};

    threads(false);
    script = {2};
    EXPECT_EQ(kevent(kq, list, 3, room, 4, &limit), 2);
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].changelist, reinterpret_cast<uintptr_t>(list));
    EXPECT_EQ(calls[0].nchanges, 3);
    EXPECT_EQ(calls[0].eventlist, reinterpret_cast<uintptr_t>(room));
    EXPECT_EQ(calls[0].nevents, 4);
    EXPECT_EQ(calls[0].timeout, reinterpret_cast<uintptr_t>(&limit));
    EXPECT_EQ(calls[0].flags, 0u);
    EXPECT_EQ(calls[0].state, 0u);
    EXPECT_EQ(calls[0].deadline, 0u);
}

TEST_F(Kevent, KQ077_no_room_is_one_call_in_threaded_programs_too)
{
    threads(true);
    script = {0};
    EXPECT_EQ(kevent(kq, list, 3, nullptr, 0, nullptr), 0);
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].flags, 0u);
}

TEST_F(Kevent, KQ017_counts_go_to_the_kernel_unchecked)
{
    for (bool many : {false, true}) {
        threads(many);
        calls.clear();
        script = {-EINVAL};
        errno = 0;
        EXPECT_EQ(kevent(kq, list, -1, room, -2, nullptr), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_EQ(calls[0].nchanges, -1);
        EXPECT_EQ(calls[0].nevents, -2);
        calls.clear();
        EXPECT_EQ(kevent(kq, list, -1, room, 1, nullptr), -1);
        EXPECT_EQ(errno, EINVAL);
        EXPECT_EQ(calls.size(), 1u);
    }
}

TEST_F(Kevent, KQ016_foreign_descriptor_is_EBADF_whatever_it_answers)
{
    stamp = 0;
    for (bool many : {false, true})
        for (long result : {0, 1, 7, -ENOTTY, -EINVAL, -EFAULT, -EINTR}) {
            threads(many);
            calls.clear();
            script = {result};
            errno = 0;
            EXPECT_EQ(kevent(kq, list, 1, room, 1, nullptr), -1) << result;
            EXPECT_EQ(errno, EBADF) << result;
            EXPECT_EQ(calls.size(), 1u);
        }
}

TEST_F(Kevent, KQ020_unreadable_timeout_is_left_to_the_kernel)
{
    const auto nowhere = reinterpret_cast<const struct timespec *>(uintptr_t{1});

    for (bool many : {false, true}) {
        threads(many);
        calls.clear();
        script = {-EFAULT};
        errno = 0;
        EXPECT_EQ(kevent(kq, list, 1, room, 1, nowhere), -1);
        EXPECT_EQ(errno, EFAULT);
        ASSERT_EQ(calls.size(), 1u);
        EXPECT_EQ(calls[0].timeout, 1u);
    }
}

TEST_F(Kevent, KQ077_ready_events_end_the_first_call)
{
    threads(true);
    script = {3};
    EXPECT_EQ(kevent(kq, list, 2, room, 4, nullptr), 3);
    ASSERT_EQ(calls.size(), 1u);
    EXPECT_EQ(calls[0].flags, KQ_KEVENT_NONBLOCK);
    EXPECT_EQ(calls[0].nchanges, 2);
    EXPECT_EQ(calls[0].nevents, 4);
}

TEST_F(Kevent, KQ024_zero_timeout_is_one_call)
{
    const struct timespec zero = {0, 0};

    threads(true);
    script = {0};
    EXPECT_EQ(kevent(kq, list, 2, room, 4, &zero), 0);
    EXPECT_EQ(calls.size(), 1u);
}

TEST_F(Kevent, KQ077_wait_takes_nothing_and_changes_are_applied_once)
{
    threads(true);
    script = {0, 1, 2};
    errno = 77;
    EXPECT_EQ(kevent(kq, list, 2, room, 4, nullptr), 2);
    EXPECT_EQ(errno, 77);
    ASSERT_EQ(calls.size(), 3u);
    EXPECT_EQ(calls[1].flags, KQ_KEVENT_WAIT_ONLY);
    EXPECT_EQ(calls[1].state, KQ_STATE_CHANGED);
    EXPECT_EQ(calls[1].timeout, 0u);
    EXPECT_EQ(calls[1].nchanges, 0);
    EXPECT_EQ(calls[1].nevents, 0);
    EXPECT_EQ(calls[2].flags, KQ_KEVENT_NONBLOCK);
    EXPECT_EQ(calls[2].nchanges, 0);
    EXPECT_EQ(calls[2].nevents, 4);
    EXPECT_EQ(calls[2].eventlist, reinterpret_cast<uintptr_t>(room));
}

TEST_F(Kevent, KQ025_one_deadline_for_all_waits)
{
    const struct timespec limit = {100, 5};
    const __u64 length = 100000000005;

    threads(true);
    script = {0, 1, 0, 1, 0, 0, 0}; // twice another thread was faster, then the time is over
    const __u64 before = ns_now();
    EXPECT_EQ(kevent(kq, nullptr, 0, room, 4, &limit), 0);
    const __u64 after = ns_now();
    ASSERT_EQ(calls.size(), 7u);
    for (int i : {1, 3, 5}) {
        EXPECT_EQ(calls[i].flags, KQ_KEVENT_WAIT_ONLY);
        EXPECT_EQ(calls[i].state, KQ_STATE_CHANGED | KQ_STATE_DEADLINE);
        EXPECT_GE(calls[i].deadline, before + length);
        EXPECT_LE(calls[i].deadline, after + length);
        EXPECT_EQ(calls[i].deadline, calls[1].deadline);
    }
}

TEST_F(Kevent, KQ025_event_at_the_last_moment_is_returned)
{
    const struct timespec limit = {0, 1};

    threads(true);
    script = {0, 0, 1};
    EXPECT_EQ(kevent(kq, nullptr, 0, room, 4, &limit), 1);
}

TEST_F(Kevent, KQ026_huge_timeout_is_for_ever)
{
    for (time_t seconds : {time_t{1} << 31, time_t{1} << 40, time_t{0x7fffffffffffffff}}) {
        const struct timespec limit = {seconds, 999999999};

        threads(true);
        calls.clear();
        script = {0, 1, 1};
        EXPECT_EQ(kevent(kq, nullptr, 0, room, 4, &limit), 1);
        EXPECT_EQ(calls[1].state, KQ_STATE_CHANGED);
    }
    const struct timespec limit = {0x7fffffff, 999999999};
    calls.clear();
    EXPECT_EQ(kevent(kq, nullptr, 0, room, 4, &limit), 1);
    EXPECT_GT(calls[1].deadline, __u64{0x7fffffff} * 1000000000);
}

TEST_F(Kevent, KQ075_EINTR_is_not_restarted)
{
    threads(true);
    script = {0, -EINTR};
    errno = 0;
    EXPECT_EQ(kevent(kq, list, 1, room, 4, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_EQ(calls.size(), 2u);
}

TEST_F(Kevent, KQ015_queue_closed_during_the_wait_is_EBADF)
{
    threads(true);
    script = {0, 1, -EBADF};
    errno = 0;
    EXPECT_EQ(kevent(kq, list, 1, room, 4, nullptr), -1);
    EXPECT_EQ(errno, EBADF);
}

// A thread in kevent(), and what became of it.
class Cancelled : public Kevent
{
protected:
    void SetUp() override
    {
        Kevent::SetUp();
        threads(true); // the C library says so only at the first thread ever
        fake.kevent = [this](int, kq_kevent &call) -> long {
            call.stamp = KQ_STAMP;
            kinds.push_back(call.flags);
            if (!(call.flags & KQ_KEVENT_WAIT_ONLY))
                return 0;
            waiting = true;
            for (;;) // the kernel's sleep; only the cancel ends it
                __real_syscall(SYS_ppoll, nullptr, 0, nullptr, nullptr, 0);
        };
    }

    struct witness {
        bool &gone;
        ~witness() { gone = true; }
    };

    static void *body(void *argument)
    {
        auto *self = static_cast<Cancelled *>(argument);
        witness mark{self->unwound};

        pthread_setcancelstate(self->state, nullptr);
        self->result = kevent(kq, nullptr, 0, self->room, self->nevents, nullptr);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
        return nullptr;
    }

    std::vector<__u32> kinds;
    std::atomic<bool> waiting = false;
    bool unwound = false;
    int state = PTHREAD_CANCEL_ENABLE, nevents = 1, result = 77;
};

TEST_F(Cancelled, KQ077_while_waiting_passes_the_wake_up_on_and_collects_nothing)
{
    pthread_t thread;
    void *end;

    ASSERT_EQ(pthread_create(&thread, nullptr, body, this), 0);
    while (!waiting)
        usleep(100);
    pthread_cancel(thread);
    pthread_join(thread, &end);
    EXPECT_EQ(end, PTHREAD_CANCELED);
    EXPECT_TRUE(unwound);
    EXPECT_EQ(kinds,
              (std::vector<__u32>{KQ_KEVENT_NONBLOCK, KQ_KEVENT_WAIT_ONLY, KQ_KEVENT_PASS_WAKE}));
}

TEST_F(Cancelled, KQ077_before_the_call_does_not_enter_the_kernel)
{
    struct start {
        static void *run(void *argument)
        {
            pthread_cancel(pthread_self());
            return body(argument);
        }
    };
    pthread_t thread;
    void *end;

    ASSERT_EQ(pthread_create(&thread, nullptr, start::run, this), 0);
    pthread_join(thread, &end);
    EXPECT_EQ(end, PTHREAD_CANCELED);
    EXPECT_TRUE(kinds.empty());
}

TEST_F(Cancelled, KQ077_without_room_is_no_cancellation_point)
{
    struct start {
        static void *run(void *argument)
        {
            pthread_cancel(pthread_self());
            return body(argument);
        }
    };
    pthread_t thread;
    void *end;

    nevents = 0;
    ASSERT_EQ(pthread_create(&thread, nullptr, start::run, this), 0);
    pthread_join(thread, &end);
    EXPECT_EQ(end, nullptr);
    EXPECT_EQ(result, 0);
    EXPECT_EQ(kinds, std::vector<__u32>{0});
}

TEST_F(Cancelled, KQ077_not_between_being_woken_and_collecting)
{
    // The cancel comes when the kernel is already handing out the event.
    fake.kevent = [this](int, kq_kevent &call) -> long {
        call.stamp = KQ_STAMP;
        kinds.push_back(call.flags);
        if (call.flags & KQ_KEVENT_WAIT_ONLY)
            return 1;
        if (kinds.size() == 1)
            return 0;
        pthread_cancel(pthread_self());
        return 1;
    };
    pthread_t thread;
    void *end;

    ASSERT_EQ(pthread_create(&thread, nullptr, body, this), 0);
    pthread_join(thread, &end);
    EXPECT_EQ(end, nullptr);
    EXPECT_EQ(result, 1);
}

TEST_F(Cancelled, KQ077_disabled_state_is_respected)
{
    fake.kevent = [this](int, kq_kevent &call) -> long {
        call.stamp = KQ_STAMP;
        kinds.push_back(call.flags);
        if (call.flags & KQ_KEVENT_WAIT_ONLY) {
            pthread_cancel(pthread_self());
            return 1;
        }
        return kinds.size() > 1;
    };
    pthread_t thread;
    void *end;

    state = PTHREAD_CANCEL_DISABLE;
    ASSERT_EQ(pthread_create(&thread, nullptr, body, this), 0);
    pthread_join(thread, &end);
    EXPECT_EQ(end, nullptr);
    EXPECT_EQ(result, 1);
}

TEST_F(Cancelled, KQ077_cancel_type_is_restored)
{
    fake.kevent = [this](int, kq_kevent &call) -> long {
        call.stamp = KQ_STAMP;
        return call.flags & KQ_KEVENT_WAIT_ONLY ? 1 : !kinds.empty() || (kinds.push_back(0), false);
    };
    threads(true);
    EXPECT_EQ(kevent(kq, nullptr, 0, room, 1, nullptr), 1);

    int type;
    pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
    EXPECT_EQ(type, PTHREAD_CANCEL_DEFERRED);
}

} // namespace
