// SPDX-License-Identifier: MIT
//
// The border to the kernel: with device.cpp the only place that names the
// device and enters the kernel. It holds no state of any queue.
#ifndef KQ_DEVICE_HPP
#define KQ_DEVICE_HPP

#include <linux/kqueue.h>

#define KQ_EXPORT __attribute__((visibility("default")))

namespace kq::device
{

// Make a queue. open_flags: 0 or bits of O_CLOEXEC and O_NONBLOCK. Returns its
// descriptor or -1 with errno EMFILE, ENFILE, ENOMEM, EACCES or ENOSYS, as
// kqueue() documents them.
int open_queue(int open_flags);

// The same with KQ_SETUP_CPONFORK; errno EINVAL too, if the module cannot do that.
int open_copied_queue(int open_flags);

// KQ_IOC_KEVENT as the kernel answers it, errno included, whatever fd is. Is
// async-cancel-safe: nothing but the system call. The caller looks at the
// result through checked() before trusting it.
int enter(int fd, kq_kevent &call);

// The result of enter(), or -1 with errno EBADF if the call did not reach a
// queue. Leaves errno alone otherwise.
int checked(int result, const kq_kevent &call);

// checked(enter()).
int kevent(int fd, kq_kevent &call);

} // namespace kq::device

#endif // KQ_DEVICE_HPP
