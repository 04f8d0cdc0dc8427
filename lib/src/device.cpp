// SPDX-License-Identifier: MIT
//
// Opening the device and the ioctls. Must know nothing of struct kevent,
// of timeouts or of cancellation.
#include "device.hpp"

#include <atomic>
#include <cerrno>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kq::device
{

namespace
{

constexpr unsigned needed_abi_version = 1;

// True once a module that is new enough answered. A module cannot be replaced
// by an older one without a new process noticing at worst ENOTTY from it, so
// one look per process is enough. Relaxed: the flag guards no other data.
constinit std::atomic<bool> abi_checked{false};

// kqueue() is not a cancellation point, open(2) of the C library is one, and
// so is its close(2): both are entered directly.
int open_node(int open_flags)
{
    long fd;

    do // a signal must not be visible in a call that does not wait
        fd = syscall(SYS_openat, AT_FDCWD, KQ_DEVICE, O_RDWR | O_NOCTTY | open_flags, 0);
    while (fd < 0 && errno == EINTR);
    return static_cast<int>(fd);
}

int open_errno(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return error;
    case EACCES:
    case EPERM:
        return EACCES;
    default: // ENOENT, ENXIO, ENODEV and what only a foreign node can answer
        return ENOSYS;
    }
}

bool speaks_our_abi(int fd)
{
    kq_info info{};

    return ioctl(fd, KQ_IOC_INFO, &info) >= 0 && info.stamp == KQ_STAMP &&
           info.abi_version >= needed_abi_version;
}

} // namespace

int open_queue(int open_flags)
{
    const int fd = open_node(open_flags);

    if (fd < 0) {
        errno = open_errno(errno);
        return -1;
    }
    if (abi_checked.load(std::memory_order_relaxed))
        return fd;
    if (!speaks_our_abi(fd)) {
        syscall(SYS_close, fd);
        errno = ENOSYS;
        return -1;
    }
    abi_checked.store(true, std::memory_order_relaxed);
    return fd;
}

int open_copied_queue(int open_flags)
{
    const int fd = open_queue(open_flags);
    kq_setup setup{};

    setup.flags = KQ_SETUP_CPONFORK;
    if (fd < 0 || ioctl(fd, KQ_IOC_SETUP, &setup) >= 0)
        return fd;
    syscall(SYS_close, fd);
    errno = EINVAL; // ENOTTY from a module that does not know the call
    return -1;
}

int enter(int fd, kq_kevent &call)
{
    return ioctl(fd, KQ_IOC_KEVENT, &call);
}

// Any driver may answer our ioctl number, with any errno or even with success;
// only ours leaves the stamp. KQ-015, KQ-016.
int checked(int result, const kq_kevent &call)
{
    if (call.stamp == KQ_STAMP)
        return result;
    errno = EBADF;
    return -1;
}

int kevent(int fd, kq_kevent &call)
{
    return checked(enter(fd, call), call);
}

} // namespace kq::device
