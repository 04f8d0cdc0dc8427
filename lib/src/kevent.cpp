// SPDX-License-Identifier: MIT
//
// kevent(): the argument block of the ioctl, and thread cancellation. Documented
// in <sys/event.h>. Checks no argument: that, and every errno, is the kernel's.
//
// Queries (EVFILT_LIBKQUEUE, KQ-006, KQ-007) are answered here. Looking for them
// in the changelist first would make a crash of a bad address, where EFAULT is
// due. So the kernel, to which the filter is an unknown one, is left to refuse
// them, and what it wrote or has read is safe to look at:
//
//   - With room a refusal is an entry. If the result is entries, those of queries
//     become answers. If nothing is left of them, the wait they prevented follows.
//   - With nevents == 0 a refusal ends the call with EINVAL, and nothing was
//     written over the changelist. If its first change is a query that succeeds,
//     the rest of the list follows.
//
// Calls without queries pay with a look at the first entry, or at the first change
// of a call that failed with EINVAL. What this cannot do: the kernel does not say
// which change it stopped at, so a query that follows other changes, in a list
// without room for an entry each, fails with EINVAL like any unknown filter.
//
// Cancellation (KQ-077). kevent() with nevents > 0 is a cancellation point, and
// a cancelled thread must not take an event with it. ioctl(2) is no cancellation
// point, and making one of it by asynchronous cancellation around the call loses
// events: the cancel may arrive when the kernel has already taken an EV_ONESHOT
// or EV_CLEAR event off the queue and the thread is on its way out. Therefore
// the call is taken apart, and only the part that takes nothing can be cancelled:
//
//   1. KQ_KEVENT_NONBLOCK with the changes: applies them, collects what is there.
//      Anything but "nothing ready" is the answer.
//   2. KQ_KEVENT_WAIT_ONLY, asynchronously cancellable: sleeps until the queue
//      has something, takes nothing.
//   3. KQ_KEVENT_NONBLOCK without changes: collects. If another thread was
//      faster, back to 2 with the rest of the time.
//
// A thread cancelled in 2 may already have used up a wake-up that was meant for
// one thread; its cleanup handler hands it on with KQ_KEVENT_PASS_WAKE.
//
// A cancel that was sent while 2 lasted, but arrives after it, stays pending as
// any other: it acts at the thread's next cancellation point, not in its own code.
//
// The deadline is fixed from the time before step 1, and the timeout is read
// after it: only then the kernel has found it readable and valid, so that a bad
// address is EFAULT here too and not a crash.
//
// None of this is needed where nobody can cancel: in a process with one thread
// kevent() is one system call.

// On 32-bit systems that have both, kevent() below is the one of the 32-bit time_t.
#undef _TIME_BITS

#include <cerrno>
#include <pthread.h>
#include <sys/event.h>
#include <time.h>

#if defined(__has_include)
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define KQ_HAVE_SINGLE_THREADED 1
#endif
#endif

#include "device.hpp"
#include "query.hpp"

static_assert(sizeof(struct kevent) == (sizeof(void *) == 8 ? sizeof(kq_event) : 20));
static_assert(sizeof(kq_event) == 32 && sizeof(kq_event_ilp32) == 20);

namespace
{

bool nobody_can_cancel()
{
#ifdef KQ_HAVE_SINGLE_THREADED
    return __libc_single_threaded;
#else
    return false;
#endif
}

__u64 address(const void *pointer)
{
    return reinterpret_cast<uintptr_t>(pointer);
}

// The end of a wait, in the terms of the kernel's argument block.
struct wait_end {
    __u32 state; // KQ_STATE_DEADLINE if there is an end
    __u64 deadline;
};

constexpr __u64 ns_per_sec = 1000000000;

__u64 now()
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<__u64>(time.tv_sec) * ns_per_sec + static_cast<__u64>(time.tv_nsec);
}

// timeout was accepted by the kernel, or is null. From 2^31 seconds on: for
// ever, as the kernel has it (KQ-026).
template <class Timespec> wait_end end_of_wait(const Timespec *timeout, __u64 start)
{
    if (!timeout || timeout->tv_sec > 0x7fffffff)
        return {0, 0};
    return {KQ_STATE_DEADLINE, start + static_cast<__u64>(timeout->tv_sec) * ns_per_sec +
                                   static_cast<__u64>(timeout->tv_nsec)};
}

void pass_wake(void *kq)
{
    kq_kevent call{};

    call.record_size = sizeof(struct kevent);
    call.flags = KQ_KEVENT_PASS_WAKE;
    kq::device::enter(*static_cast<const int *>(kq), call);
}

// Step 2. Own function because pthread_cleanup_push() is a setjmp() here
// (-fno-exceptions): no variable of the caller is at risk. Between the two
// changes of the cancel type stands nothing but the system call.
[[gnu::noinline]] int wait_ready(int kq, kq_kevent &call)
{
    int result, type, ignored;

    pthread_cleanup_push(pass_wake, &kq);
    // NOLINTNEXTLINE(*-canceltype-asynchronous,cert-pos47-c): see above.
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
    result = kq::device::enter(kq, call);
    pthread_setcanceltype(type, &ignored);
    pthread_cleanup_pop(0);
    return kq::device::checked(result, call);
}

template <class Timespec>
int kevent_cancellable(int kq, const kq_kevent &request, const Timespec *timeout)
{
    const __u64 start = now();
    kq_kevent call = request;
    int result;

    call.flags |= KQ_KEVENT_NONBLOCK;
    result = kq::device::kevent(kq, call);
    if (result != 0 || (timeout && timeout->tv_sec == 0 && timeout->tv_nsec == 0))
        return result;

    const wait_end end = end_of_wait(timeout, start);
    int ready;

    do {
        kq_kevent wait{};

        wait.record_size = request.record_size;
        wait.flags = KQ_KEVENT_WAIT_ONLY;
        wait.state = KQ_STATE_CHANGED | end.state;
        wait.deadline = end.deadline;
        ready = wait_ready(kq, wait);
        if (ready < 0)
            return -1;

        kq_kevent collect{};

        collect.eventlist = request.eventlist;
        collect.nevents = request.nevents;
        collect.record_size = request.record_size;
        collect.flags = KQ_KEVENT_NONBLOCK;
        result = kq::device::kevent(kq, collect);
    } while (result == 0 && ready);
    return result;
}

// kevent() but for queries.
template <class Timespec> int kevent_once(int kq, kq_kevent call, const Timespec *timeout)
{
    if (call.nevents <= 0)
        return kq::device::kevent(kq, call);
    pthread_testcancel();
    if (nobody_can_cancel())
        return kq::device::kevent(kq, call);
    return kevent_cancellable(kq, call, timeout);
}

template <class Timespec>
int kevent_any(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist,
               int nevents, const Timespec *timeout)
{
    const int errno_before = errno;
    kq_kevent call{};

    call.eventlist = address(eventlist);
    call.timeout = address(timeout);
    call.nevents = nevents;
    call.record_size = sizeof(struct kevent);
    call.flags = sizeof(timeout->tv_sec) == 4 ? KQ_KEVENT_TIMEOUT_ILP32 : 0;

    for (;;) {
        call.changelist = address(changelist);
        call.nchanges = nchanges;

        const int result = kevent_once(kq, call, timeout);

        if (result > 0 && nchanges > 0 && (eventlist->flags & EV_ERROR)) {
            const int left = kq::query::answer_all(eventlist, result);
            if (left > 0)
                return left;
            nchanges = 0;
        } else if (result < 0 && errno == EINVAL && nevents == 0 && nchanges > 0) {
            const int error = kq::query::outcome(*changelist);
            errno = error ? error : errno_before;
            if (error)
                return -1;
            changelist++;
            if (--nchanges == 0)
                return 0;
        } else {
            return result;
        }
    }
}

} // namespace

extern "C" KQ_EXPORT int kevent(int kq, const struct kevent *changelist, int nchanges,
                                struct kevent *eventlist, int nevents,
                                const struct timespec *timeout)
{
    return kevent_any(kq, changelist, nchanges, eventlist, nevents, timeout);
}

#if defined(__TIMESIZE) && __TIMESIZE == 32
namespace
{

// struct timespec of a 32-bit program with a 64-bit time_t: the nanoseconds are
// the low half of the second word.
struct timespec64 {
    int64_t tv_sec;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    int32_t padding;
    int32_t tv_nsec;
#else
    int32_t tv_nsec;
    int32_t padding;
#endif
};

} // namespace

// kevent() of programs built with _TIME_BITS=64; <sys/event.h> redirects them.
extern "C" KQ_EXPORT int __kevent_time64(int kq, const struct kevent *changelist, int nchanges,
                                         struct kevent *eventlist, int nevents, const void *timeout)
{
    return kevent_any(kq, changelist, nchanges, eventlist, nevents,
                      static_cast<const timespec64 *>(timeout));
}
#endif
