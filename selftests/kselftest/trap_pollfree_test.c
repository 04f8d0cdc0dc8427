// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the wait queue that dies before its file: a signalfd waits on the
 * process that registered it, and that process may end first.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <sys/signalfd.h>

static int make_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	return ASSERT_SYS(signalfd(-1, &set, SFD_NONBLOCK));
}

/* A process with the same descriptors but signal handlers of its own. */
static pid_t fork_sharing_files(void)
{
	return ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD,
					 NULL, NULL, NULL, NULL));
}

/* Registers the descriptor from a process that then ends. */
static void register_and_die(int kq, int fd, unsigned int flags)
{
	pid_t child = fork_sharing_files();

	if (!child) {
		ASSERT_OK(kq_add(kq, fd, EVFILT_READ, flags, 0, 0, NULL));
		_exit(0);
	}
	kq_reap(child);
}

static const struct {
	const char *name;
	unsigned int flags;
} modes[] = {
	{ "level", 0 },
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "disabled", EV_DISABLE },
};

KQ_TEST_EACH(knote_is_deleted, "KQ-136",
	     "EV_DELETE after the wait queue died, then EV_ADD works anew",
	     modes)
{
	int kq = kq_new(), fd = make_signalfd(), error;
	struct kevent event;

	register_and_die(kq, fd, variant->flags);
	kq_collect(kq, &event, 1);
	error = -kq_del(kq, fd, EVFILT_READ);
	/* What came of the death may have used up an EV_ONESHOT. */
	ASSERT_TRUE(!error || (variant->flags == EV_ONESHOT && error == ENOENT));
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, (void *)1));
	kq_fence(kq);
	raise(SIGUSR1);
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_READ, EV_ADD, 0,
		     sizeof(struct signalfd_siginfo), (void *)1);
}

KQ_TEST_EACH(descriptor_is_closed, "KQ-136 KQ-082",
	     "closing the descriptor after the wait queue died", modes)
{
	int kq = kq_new(), fd = make_signalfd();

	register_and_die(kq, fd, variant->flags);
	ASSERT_SYS(close(fd));
	fd_assert_unregistered(kq, fd);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(queue_is_closed, "KQ-136 KQ-105",
	     "closing the queue after the wait queue died", modes)
{
	int kq = kq_new(), fd = make_signalfd();

	register_and_die(kq, fd, variant->flags);
	ASSERT_SYS(close(kq));
	ASSERT_SYS(close(fd));
}

KQ_TEST(death_against_close, "KQ-136 KQ-090",
	"the wait queue dies while the descriptor or the queue is closed")
{
	volatile int *turn = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long long start = kq_now();

	ASSERT_TRUE(turn != MAP_FAILED);
	for (int round = 1; kq_more(round, 200, start); round++) {
		int kq = kq_new(), fd = make_signalfd();
		pid_t child = fork_sharing_files();

		if (!child) {
			ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, NULL));
			*turn = round;
			_exit(0);
		}
		while (*turn != round)
			sched_yield();
		for (volatile int i = 0; i < round * 200; i++)
			;
		if (round % 2)
			ASSERT_SYS(close(fd));
		else
			ASSERT_SYS(close(kq));
		kq_reap(child);
		close(round % 2 ? kq : fd);
	}
}
