// SPDX-License-Identifier: MIT
//
// Stands in for the kernel under libkq.a: the linker reroutes the library's
// ioctl() and syscall() here (--wrap). One fake per test program.
#ifndef KQ_TEST_FAKE_KERNEL_HPP
#define KQ_TEST_FAKE_KERNEL_HPP

#include <cerrno>
#include <cstdarg>
#include <functional>
#include <linux/kqueue.h>
#include <sys/syscall.h>

extern "C" int __real_ioctl(int fd, unsigned long request, ...);
extern "C" long __real_syscall(long number, ...);

struct fake_kernel {
    // Return a result, or -errno.
    std::function<long(const char *path, int flags)> open;
    std::function<long(int fd)> close;
    std::function<long(int fd, kq_info &)> info;
    std::function<long(int fd, kq_kevent &)> kevent;
    std::function<long(int fd, kq_setup &)> setup;
};

inline fake_kernel fake;

namespace fake_detail
{

inline long answer(long result)
{
    if (result >= 0)
        return result;
    errno = static_cast<int>(-result);
    return -1;
}

} // namespace fake_detail

extern "C" inline __attribute__((used)) int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);

    if (request == KQ_IOC_INFO && fake.info)
        return static_cast<int>(
            fake_detail::answer(fake.info(fd, *static_cast<kq_info *>(argument))));
    if (request == KQ_IOC_SETUP && fake.setup)
        return static_cast<int>(
            fake_detail::answer(fake.setup(fd, *static_cast<kq_setup *>(argument))));
    if (request == KQ_IOC_KEVENT && fake.kevent)
        return static_cast<int>(
            fake_detail::answer(fake.kevent(fd, *static_cast<kq_kevent *>(argument))));
    return __real_ioctl(fd, request, argument);
}

extern "C" inline __attribute__((used)) long __wrap_syscall(long number, ...)
{
    long words[6];
    va_list list;
    va_start(list, number);
    for (long &word : words)
        word = va_arg(list, long);
    va_end(list);

    if (number == SYS_openat && fake.open)
        return fake_detail::answer(
            fake.open(reinterpret_cast<const char *>(words[1]), static_cast<int>(words[2])));
    if (number == SYS_close && fake.close)
        return fake_detail::answer(fake.close(static_cast<int>(words[0])));
    return __real_syscall(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}

#endif
