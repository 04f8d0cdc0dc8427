// SPDX-License-Identifier: MIT
//
// The calls of KQ_IOC_KEVENT.
#include "call.hpp"

#include "../errors.h"
#include "world.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <sys/ioctl.h>

namespace kq::fuzz
{

namespace
{

// Sends SIGUSR2 every two milliseconds while it lives: again, as the first may come before the
// wait.
class Alarm
{
public:
    Alarm() { set(2'000'000); }
    ~Alarm() { set(0); }
    Alarm(const Alarm &) = delete;
    Alarm &operator=(const Alarm &) = delete;

private:
    static timer_t make()
    {
        struct sigaction action {
        };
        sigevent event{};
        timer_t timer;

        action.sa_handler = [](int) {};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGUSR2;
        if (sigaction(SIGUSR2, &action, nullptr) || timer_create(CLOCK_MONOTONIC, &event, &timer))
            unusable("no timer: %s", std::strerror(errno));
        return timer;
    }

    static void set(long nanoseconds)
    {
        static const timer_t timer = make();
        const itimerspec every{{0, nanoseconds}, {0, nanoseconds}};

        timer_settime(timer, 0, &every, nullptr);
    }
};

} // namespace

int plain_kevent(int queue, std::span<const kq_event> changes, std::span<kq_event> events)
{
    kq_kevent call{};

    call.changelist = reinterpret_cast<std::uintptr_t>(changes.data());
    call.nchanges = static_cast<int>(changes.size());
    call.eventlist = reinterpret_cast<std::uintptr_t>(events.data());
    call.nevents = static_cast<int>(events.size());
    call.record_size = sizeof(kq_event);
    call.flags = KQ_KEVENT_NONBLOCK;
    return ioctl(queue, KQ_IOC_KEVENT, &call);
}

long raw_kevent(World &world, int queue, unsigned long command, void *block)
{
    long result;

    {
        Alarm alarm;
        result = ioctl(queue, command, block);
    }
    world.left.waits--;
    if (result < 0 && !is_error_of_call(errno) && errno != ENOTTY)
        defect("ioctl %#lx: %s", command, std::strerror(errno));
    return result;
}

} // namespace kq::fuzz
