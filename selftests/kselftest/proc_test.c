// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of NOTE_EXIT: who can be watched, the status that is reported,
 * zombies, and that the parent still collects the child as if nobody watched.
 */
#include "kq_test.h"
#include "kq_proc.h"
#include "kq_wide.h"

#include <sys/mount.h>

/* Ends. */

static void end_0(void)
{
	_exit(0);
}

static void end_7(void)
{
	exit(7);
}

static void end_255(void)
{
	_exit(255);
}

/* Eight bits of it are the status. */
static void end_257(void)
{
	_exit(257);
}

static void end_by_sigterm(void)
{
	raise(SIGTERM);
}

static void end_by_sigkill(void)
{
	raise(SIGKILL);
}

static void end_by_realtime_signal(void)
{
	raise(SIGRTMAX);
}

static void end_by_fault(void)
{
	struct rlimit none = { 0, 0 };

	ASSERT_SYS(setrlimit(RLIMIT_CORE, &none));
	*(volatile char *)kq_bad_page(PROT_NONE) = 1;
}

/* Where the system writes core files next to the program, the status says so. */
static void end_with_core(void)
{
	struct rlimit all;

	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root for a directory that takes a core file and goes away");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
	ASSERT_SYS(chdir("/tmp"));
	ASSERT_SYS(getrlimit(RLIMIT_CORE, &all));
	all.rlim_cur = all.rlim_max;
	ASSERT_SYS(setrlimit(RLIMIT_CORE, &all));
	abort();
}

static const struct {
	const char *name;
	void (*end)(void);
	int status;
} ends[] = {
	{ "exit_0", end_0, W_EXITCODE(0, 0) },
	{ "exit_7", end_7, W_EXITCODE(7, 0) },
	{ "exit_255", end_255, W_EXITCODE(255, 0) },
	{ "exit_257", end_257, W_EXITCODE(1, 0) },
	{ "sigterm", end_by_sigterm, W_EXITCODE(0, SIGTERM) },
	{ "sigkill", end_by_sigkill, W_EXITCODE(0, SIGKILL) },
	{ "realtime_signal", end_by_realtime_signal, W_EXITCODE(0, 64) },
	{ "fault", end_by_fault, W_EXITCODE(0, SIGSEGV) },
	{ "core", end_with_core, W_EXITCODE(0, SIGABRT) },
};

KQ_TEST_EACH(status, "KQ-181 KQ-182 KQ-184", "data is the status that wait(2) gives to the parent", ends)
{
	int kq = kq_new(), turn, status;
	struct kevent event;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		variant->end();
		_exit(KQ_FAIL);
	}
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	kq_fence(kq);
	proc_say(turn, 0);
	event = kq_next(kq);
	status = proc_status(child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == KQ_SKIPPED)
		_exit(KQ_SKIPPED);
	PROC_ENDED(event, child, NOTE_EXIT, status);
	ASSERT_EQ(status & ~0x80, variant->status);
	proc_assert_gone(kq, child);
}

KQ_TEST(decoded, "KQ-181 KQ-182", "the macros of wait(2) read data")
{
	int kq = kq_new(), turn;
	struct kevent event;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 7);
	event = kq_next(kq);
	ASSERT_TRUE(WIFEXITED(event.data));
	ASSERT_EQ(WEXITSTATUS(event.data), 7);
	ASSERT_EQ(event.flags & (EV_EOF | EV_ONESHOT | EV_CLEAR), EV_EOF | EV_ONESHOT | EV_CLEAR);
	proc_status(child);
	child = proc_idle(&turn);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	ASSERT_SYS(kill(child, SIGTERM));
	event = kq_next(kq);
	ASSERT_TRUE(WIFSIGNALED(event.data));
	ASSERT_EQ(WTERMSIG(event.data), SIGTERM);
	proc_status(child);
}

KQ_TEST(ready_when_collected, "KQ-181 KQ-184", "once the parent can collect the child the event is there")
{
	long long start = kq_now();
	int kq = kq_new();

	for (int i = 0; kq_more(i, 200, start); i++) {
		int turn;
		pid_t child = proc_idle(&turn);

		ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
		proc_say(turn, i % 100);
		ASSERT_EQ(proc_status(child), W_EXITCODE(i % 100, 0));
		PROC_ENDED(kq_one(kq), child, NOTE_EXIT, W_EXITCODE(i % 100, 0));
	}
}

KQ_TEST(wakes_a_waiter, "KQ-181", "the end of a process wakes a thread in kevent()")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(waiter.kq, child, NOTE_EXIT));
	kq_start_sleeper(&waiter);
	proc_say(turn, 3);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	PROC_ENDED(waiter.event, child, NOTE_EXIT, W_EXITCODE(3, 0));
	ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
}

KQ_TEST(exitstatus, "KQ-181", "NOTE_EXITSTATUS comes back with NOTE_EXIT, data is filled without it")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT | NOTE_EXITSTATUS));
	proc_say(turn, 9);
	PROC_ENDED(kq_next(kq), child, NOTE_EXIT | NOTE_EXITSTATUS, W_EXITCODE(9, 0));
	proc_assert_gone(kq, child);
	proc_status(child);
}

KQ_TEST(outgoing_notes_ignored, "KQ-181", "NOTE_CHILD and NOTE_TRACKERR in a change mean nothing, nor do foreign bits")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT | NOTE_CHILD | NOTE_TRACKERR | 0x01000000));
	proc_say(turn, 2);
	PROC_NEXT_END(kq, child, W_EXITCODE(2, 0));
	proc_assert_gone(kq, child);
}

/* The parent. */

static volatile sig_atomic_t children_ended;

static void count_child(int signo KQ_UNUSED)
{
	children_ended++;
}

static const struct {
	const char *name;
	void (*handler)(int signo);
	int flags;
	bool collected;		/* by the kernel */
	int handled;
} parents[] = {
	{ "default", SIG_DFL, 0, false, 0 },
	{ "ignores", SIG_IGN, 0, true, 0 },
	{ "handles", count_child, 0, false, 1 },
	{ "wants_no_zombies", count_child, SA_NOCLDWAIT, true, 1 },
};

KQ_TEST_EACH(sigchld, "KQ-184", "SIGCHLD, its disposition and collecting are the same with a knote", parents)
{
	struct sigaction action = { .sa_handler = variant->handler, .sa_flags = variant->flags };
	struct sigaction after;
	int kq = kq_new(), turn, status;
	struct kevent event;
	sigset_t set;
	pid_t child;

	ASSERT_SYS(sigaction(SIGCHLD, &action, NULL));
	/* Blocked, so that the wait for the event is not interrupted. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	child = proc_idle(&turn);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 5);
	event = kq_next(kq);
	PROC_ENDED(event, child, NOTE_EXIT, W_EXITCODE(5, 0));
	if (variant->collected)
		ASSERT_ERRNO(waitpid(child, &status, 0), ECHILD);
	else
		ASSERT_EQ(proc_status(child), W_EXITCODE(5, 0));
	ASSERT_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
	/* With a second thread the handler may run in that one. */
	while (children_ended < variant->handled)
		sched_yield();
	ASSERT_EQ(children_ended, variant->handled);
	ASSERT_SYS(sigaction(SIGCHLD, NULL, &after));
	ASSERT_TRUE(after.sa_handler == variant->handler);
}

KQ_TEST_EACH(every_kind_of_child, "KQ-181 KQ-184", "a child is reported however it was made", proc_ways)
{
	int kq = kq_new();
	pid_t child = variant->make(6);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	PROC_NEXT_END(kq, child, W_EXITCODE(6, 0));
	proc_assert_gone(kq, child);
}

/* Not a child. */

KQ_TEST(parent_is_watched, "KQ-183", "a process watches its parent")
{
	int turn, to_child, status;
	pid_t parent, child;

	parent = proc_fork(&turn);
	if (!parent) {
		child = proc_fork(&to_child);
		if (!child) {
			int kq = kq_new();
			pid_t watched = getppid();

			ASSERT_OK(proc_add(kq, watched, NOTE_EXIT));
			proc_say(to_child, 0);
			PROC_ENDED(kq_next(kq), watched, NOTE_EXIT, W_EXITCODE(4, 0));
			proc_assert_gone(kq, watched);
			proc_say(turn, watched);
			_exit(0);
		}
		proc_hear(to_child);
		_exit(4);
	}
	status = proc_status(parent);
	ASSERT_EQ(status, W_EXITCODE(4, 0));
	ASSERT_EQ(proc_hear(turn), parent);
}

KQ_TEST(grandchild_is_watched, "KQ-183", "a process watches a child of its child, whose parent collects it")
{
	int kq = kq_new(), turn;
	pid_t child, grandchild;

	child = proc_fork(&turn);
	if (!child) {
		int to_child;
		pid_t pid = proc_idle(&to_child);

		proc_say(turn, pid);
		proc_say(to_child, proc_hear(turn));
		ASSERT_EQ(proc_status(pid), W_EXITCODE(8, 0));
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	grandchild = (pid_t)proc_hear(turn);
	ASSERT_OK(proc_add(kq, grandchild, NOTE_EXIT));
	proc_say(turn, 8);
	PROC_ENDED(kq_next(kq), grandchild, NOTE_EXIT, W_EXITCODE(8, 0));
	proc_hear(turn);
	proc_assert_gone(kq, grandchild);
	proc_say(turn, 0);
	kq_reap(child);
}

KQ_TEST(sibling_is_watched, "KQ-183 KQ-184", "a process watches another child of its parent, which collects it")
{
	int watched_turn, turn;
	pid_t watched = proc_idle(&watched_turn), watcher;

	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq = kq_new();

		ASSERT_OK(proc_add(kq, watched, NOTE_EXIT));
		proc_say(turn, 0);
		PROC_ENDED(kq_next(kq), watched, NOTE_EXIT, W_EXITCODE(0, SIGTERM));
		proc_assert_gone(kq, watched);
		_exit(0);
	}
	proc_hear(turn);
	ASSERT_SYS(kill(watched, SIGTERM));
	kq_reap(watcher);
	ASSERT_EQ(proc_status(watched), W_EXITCODE(0, SIGTERM));
}

KQ_TEST(any_visible_process, "KQ-183", "this process, its parent, process 1 and kernel threads can be watched")
{
	pid_t pids[] = { getpid(), getppid(), 1, 2 };
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		/* There is no kernel thread 2 in a container. */
		if (kill(pids[i], 0) && errno == ESRCH)
			continue;
		ASSERT_OK(proc_add(kq, pids[i], NOTE_EXIT | NOTE_EXEC));
		kq_fence(kq);
		ASSERT_OK(proc_del(kq, pids[i]));
		ASSERT_ERR(proc_del(kq, pids[i]), ENOENT);
	}
}

/* Zombies. */

static const struct {
	const char *name;
	unsigned int asked, set;
} zombies[] = {
	{ "exit", NOTE_EXIT, NOTE_EXIT },
	{ "exitstatus", NOTE_EXIT | NOTE_EXITSTATUS, NOTE_EXIT | NOTE_EXITSTATUS },
	{ "all", NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK, NOTE_EXIT },
};

KQ_TEST_EACH(zombie, "KQ-185 KQ-184", "EV_ADD of a zombie gives the event at once, with the status", zombies)
{
	static const struct timespec zero;
	struct kevent change, event;
	pid_t child = proc_zombie(7);
	int kq = kq_new();

	EV_SET(&change, child, EVFILT_PROC, EV_ADD, variant->asked, 0, PROC_MARK);
	/* By the call that adds it. */
	ASSERT_EQ(kevent(kq, &change, 1, &event, 1, &zero), 1);
	PROC_ENDED(event, child, variant->set, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
	/* Once for each knote. */
	ASSERT_OK(proc_add(kq, child, variant->asked));
	PROC_ENDED(kq_one(kq), child, variant->set, W_EXITCODE(7, 0));
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(zombie_disabled, "KQ-185 KQ-193", "EV_ADD|EV_DISABLE of a zombie keeps the event for EV_ENABLE")
{
	pid_t child = proc_zombie(7);
	int kq = kq_new();

	ASSERT_OK(proc_ctl(kq, child, EV_ADD | EV_DISABLE, NOTE_EXIT));
	kq_fence(kq);
	proc_status(child);
	kq_fence(kq);
	ASSERT_OK(proc_ctl(kq, child, EV_ENABLE, 0));
	PROC_ENDED(kq_one(kq), child, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(zombie_not_asked, "KQ-185", "EV_ADD of a zombie without NOTE_EXIT fails ESRCH")
{
	static const unsigned int asked[] = {
		0, NOTE_FORK, NOTE_EXEC, NOTE_FORK | NOTE_EXEC, NOTE_TRACK, NOTE_EXITSTATUS,
	};
	pid_t child = proc_zombie(0);
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		ASSERT_ERR(proc_add(kq, child, asked[i]), ESRCH);
		proc_assert_gone(kq, child);
	}
	kq_reap(child);
}

KQ_TEST(add_races_with_exit, "KQ-185 KQ-181", "EV_ADD of a child that is ending gives its end exactly once")
{
	long long start = kq_now();
	int kq = kq_new();

	for (int i = 0; kq_more(i, 1000, start); i++) {
		pid_t child = proc_by_fork(i % 250);

		/* Somewhere between its first instruction and its end. */
		for (int spin = 0; spin < i % 16; spin++)
			sched_yield();
		ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
		PROC_NEXT_END(kq, child, W_EXITCODE(i % 250, 0));
		proc_assert_gone(kq, child);
	}
}

/* Nobody. */

KQ_TEST(nobody, "KQ-186", "a reaped or unknown process, 0, negative numbers and 2^31 fail ESRCH")
{
	static const uintptr_t idents[] = {
		0, 0x3fffffff, 0x7fffffff, 0x80000000u, 0xffffffffu, UINTPTR_MAX, UINTPTR_MAX / 2 + 1,
	};
	pid_t child = proc_zombie(0);
	int kq = kq_new();

	kq_reap(child);
	ASSERT_ERR(proc_add(kq, child, NOTE_EXIT), ESRCH);
	ASSERT_ERR(proc_del(kq, child), ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++) {
		ASSERT_ERR(kq_add(kq, idents[i], EVFILT_PROC, 0, NOTE_EXIT, 0, NULL), ESRCH);
		ASSERT_ERR(kq_add(kq, idents[i], EVFILT_PROC, 0, NOTE_FORK, 0, NULL), ESRCH);
		ASSERT_ERR(kq_del(kq, idents[i], EVFILT_PROC), ENOENT);
	}
	ASSERT_ERR(proc_add(kq, -getpid(), NOTE_EXIT), ESRCH);
	kq_fence(kq);
}

KQ_TEST(wide_number, "KQ-186", "a number is not cut to the bits of a process number")
{
	uint64_t wide = (1ull << 32) + (uint64_t)getpid();
	int kq = kq_new();

	ASSERT_ERR(wide_add(kq, wide, EVFILT_PROC, 0, NOTE_EXIT, 0, NULL), ESRCH);
	ASSERT_ERR(wide_ctl(kq, wide, EVFILT_PROC, EV_DELETE, 0, 0, NULL), ENOENT);
}

KQ_TEST(thread_id, "KQ-186", "a thread that is not the leader is no process")
{
	struct kq_waiter waiter = { .kq = kq_new() };

	kq_start_sleeper(&waiter);
	ASSERT_NE(waiter.tid, getpid());
	ASSERT_ERR(proc_add(waiter.kq, waiter.tid, NOTE_EXIT), ESRCH);
	ASSERT_OK(proc_add(waiter.kq, getpid(), NOTE_EXIT));
	ASSERT_OK(kq_add(waiter.kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	kq_join(waiter.thread);
}

KQ_TEST(missing, "KQ-031", "EV_DELETE, EV_ENABLE, EV_DISABLE and flags 0 on a missing knote fail ENOENT")
{
	static const unsigned int actions[] = { EV_DELETE, EV_ENABLE, EV_DISABLE, 0 };
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);
	pid_t pids[] = { child, getpid(), 0, INT32_MAX, -1 };

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		for (size_t j = 0; j < ARRAY_SIZE(pids); j++)
			ASSERT_ERR(proc_ctl(kq, pids[j], actions[i], NOTE_EXIT), ENOENT);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 0);
	PROC_NEXT_END(kq, child, 0);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		ASSERT_ERR(proc_ctl(kq, child, actions[i], NOTE_EXIT), ENOENT);
}
