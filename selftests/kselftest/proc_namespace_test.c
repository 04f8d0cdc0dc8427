// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that process numbers are those of the watcher's pid namespace:
 * processes in inner ones, watchers inside, and numbers that mean nothing there.
 */
#include "kq_test.h"
#include "kq_proc.h"
#include "kq_user.h"

#define TRACK_EXIT	(NOTE_TRACK | NOTE_EXIT)

/*
 * The first process of a new pid namespace, in which all later children of the
 * calling one are, too. Not by clone3(2): the C library has to know that the
 * other threads are gone.
 */
static pid_t fork_inside(int *turn)
{
	pid_t child;

	if (unshare(CLONE_NEWPID)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root for a pid namespace");
	}
	child = proc_fork(turn);
	if (!child)
		ASSERT_EQ(getpid(), 1);
	return child;
}

/* The numbers of a process that we see, from ours on inwards: how many, and the last one. */
static int inner_number(pid_t pid, int *inner)
{
	char path[64], line[256];
	int count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file)) {
		char *rest, *number;

		if (strncmp(line, "NSpid:", 6))
			continue;
		for (number = strtok_r(line + 6, " \t\n", &rest); number;
		     number = strtok_r(NULL, " \t\n", &rest)) {
			*inner = atoi(number);
			count++;
		}
	}
	fclose(file);
	return count;
}

KQ_TEST(first_process, "KQ-183 KQ-187 KQ-188", "the first process of a pid namespace is known by its outer number")
{
	int kq = kq_new(), turn;
	pid_t child;

	child = fork_inside(&turn);
	if (!child) {
		proc_hear(turn);
		kq_reap(proc_by_fork(0));
		proc_exec(turn);
	}
	ASSERT_OK(proc_add(kq, child, NOTE_FORK | NOTE_EXEC | NOTE_EXIT));
	ASSERT_EQ(proc_ask(turn), 1);
	PROC_NOTES(kq_next(kq), child, NOTE_FORK | NOTE_EXEC);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(tracked_from_outside, "KQ-195 KQ-197", "tracked children in an inner namespace have outer numbers")
{
	int kq = kq_new(), turn, inner;
	struct kevent event;
	pid_t first, child;

	first = fork_inside(&turn);
	if (!first) {
		proc_hear(turn);
		child = kq_fork();
		if (!child) {
			proc_say(turn, getpid());
			_exit((int)proc_hear(turn));
		}
		proc_status(child);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, first, TRACK_EXIT));
	ASSERT_EQ(proc_ask(turn), 2);
	event = kq_next(kq);
	child = (pid_t)event.ident;
	proc_assert_child(event, child, first);
	ASSERT_EQ(inner_number(child, &inner), 2);
	ASSERT_EQ(inner, 2);
	proc_say(turn, 4);
	PROC_ENDED(kq_next(kq), child, NOTE_EXIT, W_EXITCODE(4, 0));
	proc_say(turn, 7);
	PROC_NEXT_END(kq, first, W_EXITCODE(7, 0));
}

KQ_TEST(killed_with_its_first_process, "KQ-195 KQ-182", "all processes of a namespace that ends are reported")
{
	enum { CHILDREN = 20 };
	struct kevent events[2 * CHILDREN + 1];
	int kq = kq_new(), turn, notices = 0, ends = 0;
	pid_t first;

	first = fork_inside(&turn);
	if (!first) {
		proc_hear(turn);
		for (int i = 0; i < CHILDREN; i++) {
			if (!kq_fork())
				for (;;)
					pause();
		}
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, first, TRACK_EXIT));
	proc_ask(turn);
	proc_say(turn, 7);
	proc_take(kq, events, ARRAY_SIZE(events));
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		pid_t pid = (pid_t)events[i].ident;

		if (proc_is_child_notice(&events[i])) {
			proc_assert_child(events[i], pid, first);
			notices++;
		} else if (pid != first) {
			PROC_ENDED(events[i], pid, NOTE_EXIT, W_EXITCODE(0, SIGKILL));
			ends++;
		} else {
			PROC_ENDED(events[i], pid, NOTE_EXIT, W_EXITCODE(7, 0));
		}
	}
	ASSERT_EQ(notices, CHILDREN);
	ASSERT_EQ(ends, CHILDREN);
	proc_status(first);
	kq_fence(kq);
}

/* The watcher inside. */

/* Which /proc it has. */

static void inner_proc(void)
{
	user_mount_proc(NULL);
}

static void outer_proc(void)
{
}

static void no_proc(void)
{
	user_private_mounts();
	ASSERT_SYS(umount2("/proc", MNT_DETACH));
}

static const struct {
	const char *name;
	void (*mount)(void);
	bool as_user;
} views[] = {
	{ "inner_proc", inner_proc, false },
	{ "outer_proc", outer_proc, false },
	{ "no_proc", no_proc, false },
	{ "inner_proc_as_user", inner_proc, true },
	{ "outer_proc_as_user", outer_proc, true },
	{ "no_proc_as_user", no_proc, true },
};

static void enter_view(void (*mount_it)(void), bool as_user)
{
	static const struct user user = { USER_A, USER_A, 0 };

	mount_it();
	if (as_user)
		user_become(&user);
}

KQ_TEST_EACH(watcher_inside, "KQ-183 KQ-186 KQ-195", "inside a namespace idents and data are inner numbers", views)
{
	pid_t outer = getpid(), first;
	int turn;

	/* Where small numbers mean something on both sides nothing is proved. */
	ASSERT_GT(outer, 20);
	/* There the numbers from inside name processes that a user may not see. */
	if (variant->mount == outer_proc && variant->as_user)
		user_mount_proc("hidepid=2");
	first = fork_inside(&turn);
	if (!first) {
		struct kevent events[2];
		int kq = kq_new(), to_child;
		pid_t child;

		enter_view(variant->mount, variant->as_user);
		ASSERT_ERR(proc_add(kq, outer, NOTE_EXIT), ESRCH);
		child = proc_idle(&to_child);
		ASSERT_EQ(child, 2);
		ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
		proc_say(to_child, 4);
		PROC_NEXT_END(kq, child, W_EXITCODE(4, 0));
		proc_assert_gone(kq, child);
		ASSERT_OK(proc_add(kq, 1, TRACK_EXIT));
		child = proc_by_fork(3);
		proc_take(kq, events, 2);
		proc_assert_child(events[0], child, 1);
		PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(3, 0));
		kq_fence(kq);
		_exit(0);
	}
	kq_reap(first);
}

KQ_TEST(both_sides, "KQ-183 KQ-194", "watchers inside and outside know one process by different numbers")
{
	int kq = kq_new(), turn, inner;
	struct kevent event;
	pid_t first, child;

	first = fork_inside(&turn);
	if (!first) {
		int own = kq_new(), to_child;

		user_mount_proc(NULL);
		proc_hear(turn);
		child = proc_idle(&to_child);
		ASSERT_OK(proc_add(own, child, NOTE_EXIT));
		proc_say(turn, child);
		proc_hear(turn);
		proc_say(to_child, 4);
		PROC_NEXT_END(own, child, W_EXITCODE(4, 0));
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, first, TRACK_EXIT));
	child = (pid_t)proc_ask(turn);
	event = kq_next(kq);
	ASSERT_NE(event.ident, child);
	ASSERT_EQ(inner_number((pid_t)event.ident, &inner), 2);
	ASSERT_EQ(inner, child);
	child = (pid_t)event.ident;
	proc_assert_child(event, child, first);
	proc_say(turn, 0);
	PROC_ENDED(kq_next(kq), child, NOTE_EXIT, W_EXITCODE(4, 0));
	proc_say(turn, 7);
	PROC_NEXT_END(kq, first, W_EXITCODE(7, 0));
}

/* A child in a namespace of its own, made by a tracked process: its number for its maker. */

static pid_t make_by_clone3(void)
{
	struct clone_args args = { .flags = CLONE_NEWPID, .exit_signal = SIGCHLD };

	return proc_clone3(&args);
}

static pid_t make_by_unshare(void)
{
	ASSERT_SYS(unshare(CLONE_NEWPID));
	return kq_fork();
}

static const struct {
	const char *name;
	pid_t (*make)(void);
} makes[] = {
	{ "clone3", make_by_clone3 },
	{ "unshare", make_by_unshare },
};

KQ_TEST_EACH(further_inside, "KQ-195 KQ-196", "a tracked child that begins a namespace has the watcher's number",
	     makes)
{
	pid_t first;
	int turn;

	first = fork_inside(&turn);
	if (!first) {
		struct kevent events[2];
		int kq, to_maker;
		pid_t maker, child;

		user_mount_proc(NULL);
		kq = kq_new();
		maker = proc_fork(&to_maker);
		if (!maker) {
			proc_hear(to_maker);
			child = variant->make();
			if (!child)
				_exit(getpid() == 1 ? 3 : 1);
			proc_status(child);
			proc_say(to_maker, child);
			_exit((int)proc_hear(to_maker));
		}
		ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
		child = (pid_t)proc_ask(to_maker);
		ASSERT_EQ(child, 3);
		proc_take(kq, events, 2);
		proc_assert_child(events[0], child, maker);
		PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(3, 0));
		proc_say(to_maker, 7);
		PROC_NEXT_END(kq, maker, W_EXITCODE(7, 0));
		_exit(0);
	}
	kq_reap(first);
}
