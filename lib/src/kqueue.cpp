// SPDX-License-Identifier: MIT
//
// kqueue(), kqueue1() and kqueuex(): their flags. Documented in <sys/event.h>.
// How a queue is opened is the business of device.cpp.
#include <cerrno>
#include <fcntl.h>
#include <sys/event.h>

#include "device.hpp"

extern "C" KQ_EXPORT int kqueue(void)
{
    return kq::device::open_queue(0);
}

extern "C" KQ_EXPORT int kqueue1(int flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        errno = EINVAL;
        return -1;
    }
    return kq::device::open_queue(flags);
}

extern "C" KQ_EXPORT int kqueuex(unsigned int flags)
{
    const int open_flags = flags & KQUEUE_CLOEXEC ? O_CLOEXEC : 0;

    if (flags & ~unsigned{KQUEUE_CLOEXEC | KQUEUE_CPONFORK}) {
        errno = EINVAL;
        return -1;
    }
    if (flags & KQUEUE_CPONFORK)
        return kq::device::open_copied_queue(open_flags);
    return kq::device::open_queue(open_flags);
}
