/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns changes and waits whose words have 64 bits in 32-bit programs as well: the
 * module takes them from both, kevent() of a 32-bit program cannot say them.
 * Include after kq_test.h.
 */
#ifndef KQ_WIDE_H
#define KQ_WIDE_H

#include <linux/kqueue.h>
#include <sys/ioctl.h>

static inline int wide_ctl(int kq, uint64_t ident, int filter, unsigned int flags,
			   unsigned int fflags, int64_t data, void *udata)
{
	struct kq_event change = {
		.ident = ident, .filter = filter, .flags = flags, .fflags = fflags,
		.data = data, .udata = (uintptr_t)udata,
	};
	struct kq_kevent call = {
		.changelist = (uintptr_t)&change, .nchanges = 1, .record_size = sizeof(change),
	};

	return ioctl(kq, KQ_IOC_KEVENT, &call) < 0 ? -errno : 0;
}

static inline int wide_add(int kq, uint64_t ident, int filter, unsigned int flags,
			   unsigned int fflags, int64_t data, void *udata)
{
	return wide_ctl(kq, ident, filter, EV_ADD | flags, fflags, data, udata);
}

/* Waits for one event; the timeout is seconds and nanoseconds. */
static inline int wide_wait(int kq, struct kq_event *event, const int64_t timeout[2])
{
	struct kq_kevent call = {
		.eventlist = (uintptr_t)event, .nevents = 1, .timeout = (uintptr_t)timeout,
		.record_size = sizeof(*event),
	};
	int count = ioctl(kq, KQ_IOC_KEVENT, &call);

	return count < 0 ? -errno : count;
}

#endif /* KQ_WIDE_H */
