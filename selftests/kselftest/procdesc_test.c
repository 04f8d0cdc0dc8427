// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_PROCDESC: fork, exec and end of the process that a
 * pidfd names, as long as the descriptor is open.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_proc.h"
#include "kq_user.h"

#include <sys/eventfd.h>

#define DESC_ALL	(NOTE_EXIT | NOTE_FORK | NOTE_EXEC)

static int desc_add(int kq, int fd, unsigned int asked)
{
	return kq_add(kq, fd, EVFILT_PROCDESC, 0, asked, 0, PROC_MARK);
}

static int desc_ctl(int kq, int fd, unsigned int flags, unsigned int asked)
{
	return kq_ctl(kq, fd, EVFILT_PROCDESC, flags, asked, 0, PROC_MARK);
}

#define DESC_NOTES(event, fd, set) \
	ASSERT_EVENT(event, fd, EVFILT_PROCDESC, PROC_FLAGS, set, 0, PROC_MARK)
#define DESC_ENDED(event, fd, set, status) \
	ASSERT_EVENT(event, fd, EVFILT_PROCDESC, PROC_END, set, status, PROC_MARK)

/* Nothing is left of the knote of an open descriptor. */
static void assert_gone(int kq, int fd)
{
	kq_fence(kq);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_PROCDESC), ENOENT);
}

/* A child that ends with the status it is told, and a pidfd of it. */
static pid_t idle(int *turn, int *fd)
{
	pid_t child = proc_idle(turn);

	*fd = proc_pidfd(child);
	return child;
}

KQ_TEST(exit_status, "KQ-200",
	"NOTE_EXIT: the status in data, the flags EOF, ONESHOT and CLEAR, then the knote is gone")
{
	int kq = kq_new(), turn, fd;
	pid_t child = idle(&turn, &fd);

	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	kq_fence(kq);
	proc_say(turn, 7);
	DESC_ENDED(kq_next(kq), fd, NOTE_EXIT, W_EXITCODE(7, 0));
	assert_gone(kq, fd);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	child = idle(&turn, &fd);
	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT | NOTE_EXITSTATUS));
	ASSERT_SYS(kill(child, SIGTERM));
	DESC_ENDED(kq_next(kq), fd, NOTE_EXIT | NOTE_EXITSTATUS, W_EXITCODE(0, SIGTERM));
	ASSERT_EQ(proc_status(child), W_EXITCODE(0, SIGTERM));
}

KQ_TEST(fork_and_exec, "KQ-200", "NOTE_FORK and NOTE_EXEC come without data")
{
	int kq = kq_new(), turn, fd;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		kq_reap(proc_by_fork(0));
		proc_say(turn, 0);
		proc_hear(turn);
		proc_exec(turn);
	}
	fd = proc_pidfd(child);
	ASSERT_OK(desc_add(kq, fd, DESC_ALL));
	proc_ask(turn);
	DESC_NOTES(kq_next(kq), fd, NOTE_FORK);
	kq_fence(kq);
	proc_ask(turn);
	DESC_NOTES(kq_next(kq), fd, NOTE_EXEC);
	kq_fence(kq);
	proc_say(turn, 7);
	DESC_ENDED(kq_next(kq), fd, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_status(child);
	assert_gone(kq, fd);
}

KQ_TEST(no_tracking, "KQ-200", "NOTE_TRACK follows nobody here")
{
	int kq = kq_new(), turn, fd;
	pid_t maker = proc_start_maker(&proc_ways[0], &turn);

	fd = proc_pidfd(maker);
	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT | NOTE_TRACK));
	proc_make_child(turn);
	kq_fence(kq);
	proc_say(turn, 0);
	DESC_ENDED(kq_next(kq), fd, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_status(maker);
}

KQ_TEST(zombie, "KQ-200", "of a process that has ended the event comes at once")
{
	static const struct timespec zero;
	pid_t child = proc_zombie(7);
	struct kevent change, event;
	int kq = kq_new(), fd = proc_pidfd(child);

	EV_SET(&change, fd, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT, 0, PROC_MARK);
	ASSERT_EQ(kevent(kq, &change, 1, &event, 1, &zero), 1);
	DESC_ENDED(event, fd, NOTE_EXIT, W_EXITCODE(7, 0));
	assert_gone(kq, fd);
	ASSERT_ERR(desc_add(kq, fd, NOTE_FORK), ESRCH);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
}

KQ_TEST(collected, "KQ-200", "of one that was collected, too, and nobody knows its status any more")
{
	int kq = kq_new(), turn, fd;
	pid_t child = idle(&turn, &fd);

	proc_say(turn, 7);
	proc_status(child);
	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	DESC_ENDED(kq_one(kq), fd, NOTE_EXIT, 0);
	assert_gone(kq, fd);
}

KQ_TEST(not_asked, "KQ-200 KQ-191", "an end that was not asked for gives nothing, and the knote is gone")
{
	int kq = kq_new(), turn, fd;
	pid_t child = idle(&turn, &fd);

	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	ASSERT_OK(desc_add(kq, fd, 0));
	proc_say(turn, 7);
	proc_status(child);
	assert_gone(kq, fd);
}

KQ_TEST(disabled, "KQ-200 KQ-053 KQ-193", "an end while disabled comes with EV_ENABLE, fflags 0 keep the stored ones")
{
	int kq = kq_new(), turn, fd;
	pid_t child = idle(&turn, &fd);

	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	ASSERT_OK(desc_ctl(kq, fd, EV_DISABLE, 0));
	proc_say(turn, 7);
	proc_status(child);
	kq_fence(kq);
	ASSERT_OK(desc_ctl(kq, fd, EV_ENABLE, 0));
	DESC_ENDED(kq_one(kq), fd, NOTE_EXIT, W_EXITCODE(7, 0));
	assert_gone(kq, fd);
}

KQ_TEST(missing, "KQ-031", "EV_DELETE, EV_ENABLE, EV_DISABLE and flags 0 on a missing knote fail ENOENT")
{
	static const unsigned int actions[] = { EV_DELETE, EV_ENABLE, EV_DISABLE, 0 };
	int kq = kq_new(), fd = proc_pidfd(getpid());

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		ASSERT_ERR(desc_ctl(kq, fd, actions[i], NOTE_EXIT), ENOENT);
	ASSERT_SYS(close(fd));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		ASSERT_ERR(desc_ctl(kq, fd, actions[i], NOTE_EXIT), EBADF);
}

/* Descriptors. */

static int open_file(void)
{
	return ASSERT_SYS(memfd_create("file", 0));
}

static int open_proc_directory(void)
{
	return ASSERT_SYS(open("/proc/self", O_RDONLY | O_DIRECTORY));
}

static int open_eventfd(void)
{
	return ASSERT_SYS(eventfd(0, 0));
}

static int open_pipe(void)
{
	int fds[2];

	kq_pipe(fds);
	return fds[0];
}

static int open_socket(void)
{
	int fds[2];

	kq_unix_stream(fds);
	return fds[0];
}

static int open_queue(void)
{
	return kq_new();
}

static const struct {
	const char *name;
	int (*open)(void);
} others[] = {
	{ "file", open_file },
	{ "proc_directory", open_proc_directory },
	{ "null", fd_other_file },
	{ "eventfd", open_eventfd },
	{ "pipe", open_pipe },
	{ "socket", open_socket },
	{ "queue", open_queue },
};

KQ_TEST_EACH(not_a_pidfd, "KQ-200", "any other descriptor fails EINVAL, a closed one EBADF", others)
{
	int kq = kq_new(), fd = variant->open();

	ASSERT_ERR(desc_add(kq, fd, NOTE_EXIT), EINVAL);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_PROCDESC), ENOENT);
	ASSERT_SYS(close(fd));
	ASSERT_ERR(desc_add(kq, fd, NOTE_EXIT), EBADF);
	/* A number of a process is none of a descriptor. */
	ASSERT_ERR(desc_add(kq, 1 << 20, NOTE_EXIT), EBADF);
}

KQ_TEST_EACH(closing, "KQ-200 KQ-082", "closing the pidfd removes the knote, and leaves the process alone", fd_ways)
{
	int kq = kq_new(), turn, fd, copy;
	pid_t child = idle(&turn, &fd);

	copy = ASSERT_SYS(dup(fd));
	ASSERT_OK(desc_add(kq, fd, DESC_ALL));
	variant->close(fd);
	kq_fence(kq);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_PROCDESC), fd_is_open(fd) ? ENOENT : EBADF);
	ASSERT_SYS(kill(child, 0));
	ASSERT_OK(desc_add(kq, copy, NOTE_EXIT));
	proc_say(turn, 7);
	DESC_ENDED(kq_next(kq), copy, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_status(child);
	kq_fence(kq);
	fd_assert_no_missed(kq);
}

KQ_TEST(closing_discards, "KQ-200 KQ-082", "closing the pidfd discards an end that was not delivered")
{
	int kq = kq_new(), turn, fd;
	pid_t child = idle(&turn, &fd);

	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	proc_say(turn, 7);
	proc_status(child);
	ASSERT_SYS(close(fd));
	kq_fence(kq);
}

/* The pidfd that clone3(CLONE_PIDFD) gives, unlike that of pidfd_open(2). */
KQ_TEST(made_with_its_process, "KQ-200", "the pidfd of clone(2) works as that of pidfd_open(2)")
{
	int kq = kq_new(), fd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD,
	};
	pid_t child = proc_clone3(&args);

	if (!child)
		_exit(7);
	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	DESC_ENDED(kq_next(kq), fd, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_status(child);
}

/* With others. */

KQ_TEST(besides_read, "KQ-200", "EVFILT_READ on the same pidfd says that it is readable, before and after collecting")
{
	int kq = kq_new(), turn, fd;
	struct kevent events[2];
	pid_t child = idle(&turn, &fd);

	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
	kq_fence(kq);
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_take(kq, events, 2);
	if (events[0].filter == EVFILT_READ) {
		struct kevent first = events[0];

		events[0] = events[1];
		events[1] = first;
	}
	DESC_ENDED(events[0], fd, NOTE_EXIT, W_EXITCODE(7, 0));
	ASSERT_EQ(events[1].ident, fd);
	ASSERT_EQ(events[1].filter, EVFILT_READ);
	ASSERT_OK(kq_del(kq, fd, EVFILT_READ));
	assert_gone(kq, fd);
}

KQ_TEST(besides_proc, "KQ-200 KQ-194", "number and pidfds of one process give an event each")
{
	int kq = kq_new(), turn, first, second;
	struct kevent events[3];
	pid_t child = idle(&turn, &first);
	unsigned int seen = 0;

	second = proc_pidfd(child);
	ASSERT_OK(desc_add(kq, first, NOTE_EXIT));
	ASSERT_OK(desc_add(kq, second, NOTE_EXIT));
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_take(kq, events, 3);
	for (int i = 0; i < 3; i++) {
		if (events[i].filter == EVFILT_PROC) {
			PROC_ENDED(events[i], child, NOTE_EXIT, W_EXITCODE(7, 0));
			seen |= 1;
		} else {
			DESC_ENDED(events[i], events[i].ident, NOTE_EXIT, W_EXITCODE(7, 0));
			seen |= events[i].ident == (uintptr_t)first ? 2 : 4;
		}
	}
	ASSERT_EQ(seen, 7);
	kq_fence(kq);
}

KQ_TEST(threads, "KQ-200 KQ-189", "a process whose leader ends first has ended when its last thread has")
{
	int kq = kq_new(), turn, fd;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		kq_thread(kq_idle_thread, NULL);
		syscall(SYS_exit, 3);
	}
	fd = proc_pidfd(child);
	ASSERT_OK(desc_add(kq, fd, DESC_ALL));
	proc_say(turn, 0);
	while (proc_state(child, child) != 'Z')
		sched_yield();
	kq_fence(kq);
	ASSERT_SYS(kill(child, SIGKILL));
	DESC_ENDED(kq_next(kq), fd, NOTE_EXIT, W_EXITCODE(0, SIGKILL));
	ASSERT_EQ(proc_status(child), W_EXITCODE(0, SIGKILL));
	assert_gone(kq, fd);
}

/* Who is told the status. */

static const struct {
	const char *name;
	struct user watcher;
	bool shown;
} rules[] = {
	{ "other_user", { USER_A, USER_A, 0 }, false },
	{ "same_user", { USER_B, USER_B, 0 }, true },
	{ "cap_kill", { USER_A, USER_A, USER_CAP(CAP_KILL) }, true },
	{ "cap_sys_ptrace", { USER_A, USER_A, USER_CAP(CAP_SYS_PTRACE) }, true },
};

KQ_TEST_EACH(status_rule, "KQ-200 KQ-199",
	     "a pidfd is right enough to watch, also a hidden process, and not to see its status", rules)
{
	static const struct user user = { USER_B, USER_B, 0 };
	int target_turn, turn, fd;
	pid_t target = proc_fork(&target_turn), watcher;

	if (!target) {
		user_become(&user);
		proc_say(target_turn, 0);
		_exit((int)proc_hear(target_turn));
	}
	if (kq_await_poll(target_turn, POLLIN) & POLLHUP)
		kq_reap(target);
	proc_hear(target_turn);
	fd = proc_pidfd(target);
	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq = kq_new();

		user_mount_proc("hidepid=2");
		user_become(&variant->watcher);
		ASSERT_OK(desc_add(kq, fd, NOTE_EXIT));
		proc_say(turn, 0);
		DESC_ENDED(kq_next(kq), fd, NOTE_EXIT, variant->shown ? W_EXITCODE(7, 0) : 0);
		assert_gone(kq, fd);
		_exit(0);
	}
	proc_hear(turn);
	proc_say(target_turn, 7);
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), W_EXITCODE(7, 0));
}
