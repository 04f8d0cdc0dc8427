// SPDX-License-Identifier: MIT
//
// kevent() of threaded programs against the real module: cancellation, and what
// the split into three system calls must not change. Skipped without the device.
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <gtest/gtest.h>
#include <pthread.h>
#include <random>
#include <sched.h>
#include <sys/event.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

namespace
{

constexpr uintptr_t id = 1;

// Of the races; KQ_TEST_ROUNDS for more.
int rounds()
{
    const char *text = getenv("KQ_TEST_ROUNDS");

    return text ? atoi(text) : 300;
}

void spin(unsigned turns)
{
    while (turns--)
        asm volatile("" ::: "memory");
}

void *nothing(void *)
{
    return nullptr;
}

class Threads : public testing::Test
{
protected:
    void SetUp() override
    {
        kq = kqueue();
        if (kq < 0 && errno == ENOSYS)
            GTEST_SKIP() << "the module is not loaded";
        ASSERT_GE(kq, 0);
        // From here on the C library knows that the process has threads.
        pthread_t thread;
        ASSERT_EQ(pthread_create(&thread, nullptr, nothing, nullptr), 0);
        pthread_join(thread, nullptr);
    }
    void TearDown() override
    {
        if (kq >= 0)
            close(kq);
    }

    int change(unsigned flags, unsigned fflags = 0)
    {
        struct kevent ev;

        EV_SET(&ev, id, EVFILT_USER, flags, fflags, 0, nullptr);
        return kevent(kq, &ev, 1, nullptr, 0, nullptr);
    }

    int collect(struct kevent *ev, long milliseconds)
    {
        const struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};

        return kevent(kq, nullptr, 0, ev, 1, &limit);
    }

    int kq = -1;
};

// One thread in kevent() with room for one event.
struct waiter {
    explicit waiter(int queue) : kq(queue)
    {
        if (pthread_create(&thread, nullptr, body, this))
            abort();
    }

    static void *body(void *argument)
    {
        auto *self = static_cast<waiter *>(argument);

        self->running = true;
        const int result = kevent(self->kq, nullptr, 0, &self->event, 1, nullptr);
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
        self->result = result;
        return nullptr;
    }

    // True if it ended in time; then cancelled says how. What pthread_join()
    // reports does not: glibc marks a thread as cancelled even if the signal of
    // pthread_cancel() finds it on its last instructions.
    bool join(int seconds)
    {
        struct timespec limit;

        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += seconds;
        if (pthread_timedjoin_np(thread, nullptr, &limit))
            return false;
        cancelled = result == in_kevent;
        return true;
    }

    // Until the thread sleeps in the kernel, as far as one can tell.
    void settle() const
    {
        while (!running)
            sched_yield();
        usleep(20000);
    }

    static constexpr int in_kevent = -2;

    int kq, result = in_kevent;
    struct kevent event;
    std::atomic<bool> running = false;
    bool cancelled = false;
    pthread_t thread;
};

TEST_F(Threads, KQ077_cancel_ends_a_wait)
{
    waiter w(kq);

    w.settle();
    pthread_cancel(w.thread);
    ASSERT_TRUE(w.join(5));
    EXPECT_TRUE(w.cancelled);
}

TEST_F(Threads, KQ077_cancel_before_the_wait_takes_no_event)
{
    struct start {
        static void *run(void *argument)
        {
            pthread_cancel(pthread_self());
            struct kevent ev;
            kevent(*static_cast<int *>(argument), nullptr, 0, &ev, 1, nullptr);
            return nullptr;
        }
    };
    pthread_t thread;
    void *end;
    struct kevent ev;

    ASSERT_EQ(change(EV_ADD | EV_ONESHOT, NOTE_TRIGGER), 0);
    ASSERT_EQ(pthread_create(&thread, nullptr, start::run, &kq), 0);
    pthread_join(thread, &end);
    EXPECT_EQ(end, PTHREAD_CANCELED);
    EXPECT_EQ(collect(&ev, 0), 1);
}

TEST_F(Threads, KQ077_changes_alone_are_no_cancellation_point)
{
    struct start {
        static void *run(void *argument)
        {
            struct kevent ev;
            EV_SET(&ev, id, EVFILT_USER, EV_ADD, 0, 0, nullptr);
            pthread_cancel(pthread_self());
            const int result = kevent(*static_cast<int *>(argument), &ev, 1, nullptr, 0, nullptr);
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
            return reinterpret_cast<void *>(static_cast<intptr_t>(result));
        }
    };
    pthread_t thread;
    void *end;

    ASSERT_EQ(pthread_create(&thread, nullptr, start::run, &kq), 0);
    pthread_join(thread, &end);
    EXPECT_EQ(end, nullptr);
    EXPECT_EQ(change(EV_DELETE), 0);
}

// Two threads wait, one event comes, one thread is cancelled at about the same
// moment. Whatever the order, one of the two returns the event.
TEST_F(Threads, KQ077_a_cancelled_waiter_loses_no_event)
{
    std::minstd_rand random(1);
    int by_cancelled = 0, by_other = 0;

    for (int round = 0; round < rounds(); round++) {
        const unsigned kind = random() % 2 ? EV_ONESHOT : EV_CLEAR;
        ASSERT_EQ(change(EV_ADD | kind), 0);
        waiter a(kq), b(kq);

        while (!a.running || !b.running)
            sched_yield();
        spin(random() % 20000);
        if (random() % 2) {
            ASSERT_EQ(change(0, NOTE_TRIGGER), 0);
            pthread_cancel(a.thread);
        } else {
            pthread_cancel(a.thread);
            ASSERT_EQ(change(0, NOTE_TRIGGER), 0);
        }
        ASSERT_TRUE(a.join(10)) << "round " << round;
        if (a.cancelled) {
            ASSERT_TRUE(b.join(10)) << "event lost in round " << round;
            ASSERT_FALSE(b.cancelled);
            ASSERT_EQ(b.result, 1);
            by_other++;
        } else {
            ASSERT_EQ(a.result, 1);
            pthread_cancel(b.thread);
            ASSERT_TRUE(b.join(10)) << "round " << round;
            ASSERT_TRUE(b.cancelled) << "event delivered twice in round " << round;
            by_cancelled++;
        }
        if (kind == EV_CLEAR) {
            ASSERT_EQ(change(EV_DELETE), 0);
        }
    }
    RecordProperty("by_cancelled", by_cancelled);
    RecordProperty("by_other", by_other);
}

// As above with one waiter: the event stays in the queue if it did not get it.
TEST_F(Threads, KQ077_an_event_not_taken_stays)
{
    std::minstd_rand random(2);
    struct kevent ev;

    for (int round = 0; round < rounds(); round++) {
        ASSERT_EQ(change(EV_ADD | EV_ONESHOT), 0);
        waiter a(kq);

        while (!a.running)
            sched_yield();
        spin(random() % 20000);
        ASSERT_EQ(change(0, NOTE_TRIGGER), 0);
        pthread_cancel(a.thread);
        ASSERT_TRUE(a.join(10)) << "round " << round;
        ASSERT_EQ(collect(&ev, 0), a.cancelled ? 1 : 0) << "round " << round;
    }
}

TEST_F(Threads, KQ025_timeout_is_never_early)
{
    for (long milliseconds : {1, 7, 50}) {
        struct timespec before, after;
        struct kevent ev;

        clock_gettime(CLOCK_MONOTONIC, &before);
        EXPECT_EQ(collect(&ev, milliseconds), 0);
        clock_gettime(CLOCK_MONOTONIC, &after);
        EXPECT_GE((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec,
                  milliseconds * 1000000);
    }
}

TEST_F(Threads, KQ020_KQ021_bad_timeout_changes_nothing)
{
    const struct timespec bad[] = {{0, 1000000000}, {0, -1}, {-1, 0}};
    void *hole = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct kevent add, room;

    EV_SET(&add, id, EVFILT_USER, EV_ADD, 0, 0, nullptr);
    errno = 0;
    EXPECT_EQ(kevent(kq, &add, 1, &room, 1, static_cast<const struct timespec *>(hole)), -1);
    EXPECT_EQ(errno, EFAULT);
    for (const struct timespec &limit : bad) {
        errno = 0;
        EXPECT_EQ(kevent(kq, &add, 1, &room, 1, &limit), -1);
        EXPECT_EQ(errno, EINVAL);
    }
    EXPECT_EQ(change(EV_DELETE), -1);
    EXPECT_EQ(errno, ENOENT);
    munmap(hole, 4096);
}

TEST_F(Threads, KQ075_signal_ends_the_wait_and_changes_are_applied)
{
    struct sigaction action = {}, old;
    struct kevent add, room;

    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, &old);
    EV_SET(&add, id, EVFILT_USER, EV_ADD, 0, 0, nullptr);
    ualarm(30000, 0);
    errno = 0;
    EXPECT_EQ(kevent(kq, &add, 1, &room, 1, nullptr), -1);
    EXPECT_EQ(errno, EINTR);
    EXPECT_EQ(change(EV_DELETE), 0);
    sigaction(SIGALRM, &old, nullptr);
}

TEST_F(Threads, KQ080_registration_by_another_thread_wakes)
{
    waiter w(kq);

    w.settle();
    ASSERT_EQ(change(EV_ADD | EV_CLEAR, NOTE_TRIGGER | NOTE_FFCOPY | 5), 0);
    ASSERT_TRUE(w.join(5));
    EXPECT_EQ(w.result, 1);
    EXPECT_EQ(w.event.fflags, 5u);
}

TEST_F(Threads, KQ015_queue_closed_during_the_wait)
{
    waiter w(kq);

    w.settle();
    close(kq);
    kq = -1;
    ASSERT_TRUE(w.join(5));
    EXPECT_EQ(w.result, -1);
}

} // namespace
