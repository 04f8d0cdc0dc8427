/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of queues in forked children share: what this module can
 * do for them, and queues that are copied. Include after kq_test.h.
 */
#ifndef KQ_FORK_H
#define KQ_FORK_H

#include <linux/kqueue.h>
#include <sys/ioctl.h>

static inline bool fork_can(int kq, unsigned long long feature)
{
	struct kq_info info = { 0 };

	ASSERT_SYS(ioctl(kq, KQ_IOC_INFO, &info));
	return info.features & feature;
}

/* The rest of the case is about what this kernel gives no module a way to do. */
static inline void fork_need(unsigned long long feature)
{
	int kq = kq_new();

	if (!fork_can(kq, feature))
		KQ_SKIP("this kernel does not export task_work_add()");
	close(kq);
}

/* A queue of which forked children get a copy. */
static inline int fork_queue(void)
{
	int kq;

	fork_need(KQ_FEATURE_CPONFORK);
	kq = kqueuex(KQUEUE_CPONFORK);
	if (kq < 0)
		KQ_FAIL_NOW("kqueuex: %s", kq_errno_name(errno));
	return kq;
}

static inline bool fork_is_open(int fd)
{
	if (fcntl(fd, F_GETFD) >= 0)
		return true;
	ASSERT_EQ(errno, EBADF);
	return false;
}

/* Runs a function in a forked child, to its end. */
static inline void fork_run(void (*run)(const void *argument), const void *argument)
{
	pid_t child = kq_fork();

	if (!child) {
		run(argument);
		_exit(0);
	}
	kq_reap(child);
}

#endif /* KQ_FORK_H */
