// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a child has no queue: its numbers are closed before its
 * first instruction, however it was made, and the parent's queue goes on.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_fork.h"
#include "kq_proc.h"

/* In a child that has a table of its own: no number of the queues is open. */
static void assert_closed(const int *queues, int count)
{
	struct kevent event;

	for (int i = 0; i < count; i++) {
		ASSERT_FALSE(fork_is_open(queues[i]));
		ASSERT_ERR(kq_poll(queues[i], &event, 1), EBADF);
		ASSERT_ERRNO(close(queues[i]), EBADF);
	}
}

static pid_t by_fork(void)
{
	return kq_fork();
}

/* Without any code of a library between the kernel and the case. */
static pid_t by_clone(void)
{
	return ASSERT_SYS((pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
}

static pid_t by_clone3(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };

	return proc_clone3(&args);
}

/* Shares all but the table. */
static pid_t by_clone_fs(void)
{
	return ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FS | CLONE_IO | CLONE_SYSVSEM | SIGCHLD,
					 NULL, NULL, NULL, NULL));
}

static const struct way {
	const char *name;
	pid_t (*fork)(void);
} ways[] = {
	{ "fork", by_fork },
	{ "clone", by_clone },
	{ "clone3", by_clone3 },
	{ "clone_fs", by_clone_fs },
};

KQ_TEST_EACH(numbers_are_closed, "KQ-093 KQ-094", "all numbers of all queues are closed in a child", ways)
{
	int queues[5], fds[2];
	pid_t child;

	fork_need(KQ_FEATURE_FORK_CLOSE);
	kq_unix_stream(fds);
	queues[0] = kq_new();
	queues[1] = kqueue1(O_CLOEXEC);
	queues[2] = ASSERT_SYS(dup(queues[0]));
	queues[3] = ASSERT_SYS(fcntl(queues[0], F_DUPFD_CLOEXEC, FD_HIGH));
	queues[4] = kq_new();
	ASSERT_OK(kq_add(queues[0], fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(queues[4], queues[0], EVFILT_READ, 0, 0, 0, NULL));
	child = variant->fork();
	if (!child) {
		assert_closed(queues, ARRAY_SIZE(queues));
		/* Nothing else is. */
		ASSERT_TRUE(fork_is_open(fds[0]));
		ASSERT_TRUE(fork_is_open(fds[1]));
		_exit(0);
	}
	kq_reap(child);
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_one(queues[4]).ident, queues[0]);
	ASSERT_EQ(kq_one(queues[3]).ident, fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(queues); i++)
		ASSERT_TRUE(fork_is_open(queues[i]));
}

KQ_TEST(before_the_first_instruction, "KQ-093", "the first open in a child gets the number of the queue")
{
	long long start = kq_now();

	fork_need(KQ_FEATURE_FORK_CLOSE);
	for (int round = 0; kq_more(round, 200, start); round++) {
		int kq = kq_new();
		pid_t child = by_clone();

		if (!child)
			_exit(syscall(SYS_openat, AT_FDCWD, "/", O_RDONLY, 0) != kq);
		kq_reap(child);
		ASSERT_SYS(close(kq));
	}
}

KQ_TEST(vfork_closes_too, "KQ-093 KQ-094", "a vforked child has no queue, the parent has it when it goes on")
{
	int kq = kq_new(), status;
	volatile bool open = true;
	pid_t child;

	fork_need(KQ_FEATURE_FORK_CLOSE);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, NOTE_TRIGGER, 0, NULL));
	child = vfork();
	if (!child) {
		open = syscall(SYS_fcntl, kq, F_GETFD) >= 0;
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_FALSE(open);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST(spawned_program_has_none, "KQ-093 KQ-096", "a program started by posix_spawn has no queue of its parent")
{
	char path[64], *arguments[] = { "sh", "-c", path, NULL };
	int kq = kq_new(), status;
	pid_t child;

	fork_need(KQ_FEATURE_FORK_CLOSE);
	snprintf(path, sizeof(path), "test ! -e /proc/self/fd/%d", kq);
	ASSERT_EQ(posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ), 0);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(status, 0);
	kq_fence(kq);
}

static void *trigger_it(void *argument)
{
	ASSERT_OK(kq_trigger(*(int *)argument, 1));
	return NULL;
}

KQ_TEST(sharers_keep_it, "KQ-093", "a thread, and a process with CLONE_FILES, use the queue of its table")
{
	int kq = kq_new();
	pid_t child;

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	kq_join(kq_thread(trigger_it, &kq));
	ASSERT_EQ(kq_one(kq).ident, 1);
	child = ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL));
	if (!child) {
		ASSERT_OK(kq_trigger(kq, 1));
		_exit(0);
	}
	kq_reap(child);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST(generations, "KQ-093", "children of children have none either, and their own queues are theirs alone")
{
	int kq = kq_new();
	pid_t child;

	fork_need(KQ_FEATURE_FORK_CLOSE);
	child = kq_fork();
	if (!child) {
		int own = kq_new();

		/* The number is free again. */
		ASSERT_EQ(own, kq);
		ASSERT_OK(kq_add(own, 7, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		child = kq_fork();
		if (!child) {
			assert_closed(&own, 1);
			_exit(0);
		}
		kq_reap(child);
		ASSERT_OK(kq_trigger(own, 7));
		ASSERT_EQ(kq_one(own).ident, 7);
		_exit(0);
	}
	kq_reap(child);
	ASSERT_ERR(kq_trigger(kq, 7), ENOENT);
	kq_fence(kq);
}

KQ_TEST(path_descriptor_stays, "KQ-093", "a descriptor of the node that is no queue stays open")
{
	int kq = kq_new(), path = ASSERT_SYS(open("/dev/kqueue", O_PATH));
	pid_t child;

	fork_need(KQ_FEATURE_FORK_CLOSE);
	child = kq_fork();
	if (!child) {
		assert_closed(&kq, 1);
		ASSERT_TRUE(fork_is_open(path));
		_exit(0);
	}
	kq_reap(child);
}

/* The parent is untouched by all that a child may do. */

KQ_TEST(waiter_sleeps_on, "KQ-094", "a thread asleep in kevent does not notice children that come and end")
{
	struct kq_waiter waiter = { .kq = kq_new() };

	ASSERT_OK(kq_add(waiter.kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	kq_start_sleeper(&waiter);
	for (int i = 0; i < 20; i++)
		kq_reap(proc_by_fork(0));
	ASSERT_FALSE(waiter.done);
	ASSERT_OK(kq_trigger(waiter.kq, 1));
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
}

/* Threads that open and close queues while others fork. */

static volatile bool churn_stop;

static void *churn(void *argument KQ_UNUSED)
{
	while (!churn_stop) {
		int kq = kq_new();

		ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, 0, 1, NULL));
		ASSERT_SYS(close(kq));
	}
	return NULL;
}

KQ_TEST(forks_beside_opens, "KQ-093 KQ-246", "a child forked while queues come and go can use none")
{
	pthread_t threads[2];
	long long start = kq_now();

	fork_need(KQ_FEATURE_FORK_CLOSE);
	for (int i = 0; i < 2; i++)
		threads[i] = kq_thread(churn, NULL);
	for (int round = 0; kq_more(round, 300, start); round++) {
		pid_t child = kq_fork();

		if (!child) {
			for (int fd = 3; fd < 10; fd++) {
				struct kevent event;

				ASSERT_ERR(kq_poll(fd, &event, 1), EBADF);
				ASSERT_FALSE(fork_is_open(fd));
			}
			_exit(0);
		}
		kq_reap(child);
	}
	churn_stop = true;
	for (int i = 0; i < 2; i++)
		kq_join(threads[i]);
}

KQ_TEST(many_children_at_once, "KQ-093 KQ-094", "1000 children of a process with queues, faster than they run")
{
	enum { CHILDREN = 1000 };
	static pid_t children[CHILDREN];
	int kq = kq_new();

	fork_need(KQ_FEATURE_FORK_CLOSE);
	for (int i = 0; i < CHILDREN; i++) {
		children[i] = by_clone();
		if (!children[i])
			_exit(syscall(SYS_fcntl, kq, F_GETFD) >= 0);
	}
	for (int i = 0; i < CHILDREN; i++)
		kq_reap(children[i]);
	kq_fence(kq);
}

KQ_TEST(killed_before_it_runs, "KQ-093 KQ-094", "children killed at once leave nothing behind")
{
	int kq = fork_queue(), status;
	long long start = kq_now();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int round = 0; kq_more(round, 300, start); round++) {
		pid_t child = by_clone();

		if (!child)
			for (;;)
				pause();
		ASSERT_SYS(kill(child, SIGKILL));
		ASSERT_EQ(waitpid(child, &status, 0), child);
		ASSERT_EQ(status, SIGKILL);
	}
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
}
