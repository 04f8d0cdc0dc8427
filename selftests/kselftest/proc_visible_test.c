// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of who may watch a process, and who is told its status: other
 * users, capabilities, a /proc that hides processes, and no /proc at all.
 */
#include "kq_test.h"
#include "kq_proc.h"
#include "kq_user.h"

#include <sys/ptrace.h>

#define STATUS		W_EXITCODE(7, 0)

static const struct user user_a = { USER_A, USER_A, 0 };
static const struct user user_b = { USER_B, USER_B, 0 };

/* A child of another user, which ends with the status it is told. */
static pid_t idle_as(const struct user *user, int *turn)
{
	pid_t child = proc_fork(turn);

	if (!child) {
		user_become(user);
		proc_say(*turn, 0);
		_exit((int)proc_hear(*turn));
	}
	if (kq_await_poll(*turn, POLLIN) & POLLHUP)
		kq_reap(child);
	proc_hear(*turn);
	return child;
}

/* The end of a process that ends with 7, with its status or without. */
static void assert_end(int kq, pid_t pid, bool shown)
{
	PROC_ENDED(kq_next(kq), pid, NOTE_EXIT, shown ? STATUS : 0);
	proc_assert_gone(kq, pid);
}

/* The status. */

static const struct {
	const char *name;
	struct user target, watcher;
	bool shown;
} rules[] = {
	{ "other_user", { USER_B, USER_B, 0 }, { USER_A, USER_A, 0 }, false },
	{ "same_user", { USER_A, USER_A, 0 }, { USER_A, USER_A, 0 }, true },
	{ "target_real", { USER_A, USER_B, 0 }, { USER_A, USER_A, 0 }, true },
	{ "target_effective", { USER_B, USER_A, 0 }, { USER_A, USER_A, 0 }, false },
	{ "watcher_real", { USER_A, USER_A, 0 }, { USER_A, USER_B, 0 }, true },
	{ "watcher_effective", { USER_B, USER_B, 0 }, { USER_A, USER_B, 0 }, false },
	{ "process_of_root", { 0, 0, USER_CAPS_ALL }, { USER_A, USER_A, 0 }, false },
	{ "root", { USER_B, USER_B, 0 }, { 0, 0, USER_CAPS_ALL }, true },
	{ "root_without_capabilities", { USER_B, USER_B, 0 }, { 0, 0, 0 }, false },
	{ "cap_kill", { USER_B, USER_B, 0 }, { USER_A, USER_A, USER_CAP(CAP_KILL) }, true },
	{ "cap_sys_ptrace", { USER_B, USER_B, 0 },
	  { USER_A, USER_A, USER_CAP(CAP_SYS_PTRACE) }, true },
	{ "other_capabilities", { USER_B, USER_B, 0 },
	  { USER_A, USER_A, ~(USER_CAP(CAP_KILL) | USER_CAP(CAP_SYS_PTRACE)) }, false },
};

KQ_TEST_EACH(status, "KQ-199 KQ-183", "the status goes to the same real user and to CAP_KILL and CAP_SYS_PTRACE",
	     rules)
{
	int target_turn, turn;
	pid_t target = idle_as(&variant->target, &target_turn), watcher;

	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq;

		user_become(&variant->watcher);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
		proc_say(turn, 0);
		assert_end(kq, target, variant->shown);
		_exit(0);
	}
	proc_hear(turn);
	proc_say(target_turn, 7);
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), STATUS);
}

KQ_TEST_EACH(status_of_a_zombie, "KQ-199 KQ-185", "the same rule holds for a process that has ended before", rules)
{
	int target_turn;
	pid_t target = idle_as(&variant->target, &target_turn), watcher;

	proc_say(target_turn, 7);
	proc_await_zombie(target);
	watcher = kq_fork();
	if (!watcher) {
		int kq;

		user_become(&variant->watcher);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
		assert_end(kq, target, variant->shown);
		_exit(0);
	}
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), STATUS);
}

KQ_TEST(other_users_notes, "KQ-199", "fork and exec of another user's process are reported, its signal is not")
{
	int target_turn, turn;
	pid_t target = proc_fork(&target_turn), watcher;

	if (!target) {
		proc_hear(target_turn);
		user_become(&user_b);
		proc_say(target_turn, 0);
		proc_hear(target_turn);
		kq_reap(proc_by_fork(0));
		proc_exec(target_turn);
	}
	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq;

		user_become(&user_a);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, target, NOTE_EXIT | NOTE_FORK | NOTE_EXEC));
		proc_say(turn, 0);
		proc_hear(turn);
		PROC_NOTES(kq_one(kq), target, NOTE_FORK | NOTE_EXEC);
		proc_say(turn, 0);
		PROC_ENDED(kq_next(kq), target, NOTE_EXIT, 0);
		_exit(0);
	}
	if (kq_await_poll(turn, POLLIN) & POLLHUP)
		kq_reap(watcher);
	proc_hear(turn);
	proc_ask(target_turn);
	proc_ask(target_turn);
	proc_ask(turn);
	ASSERT_SYS(kill(target, SIGTERM));
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), W_EXITCODE(0, SIGTERM));
}

KQ_TEST(parent_is_told, "KQ-199 KQ-184", "a parent is told the status of a child of another user")
{
	pid_t parent = kq_fork();

	if (!parent) {
		int turn, kq;
		pid_t child = idle_as(&user_b, &turn);

		user_become(&user_a);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
		proc_say(turn, 7);
		assert_end(kq, child, true);
		ASSERT_EQ(proc_status(child), STATUS);
		_exit(0);
	}
	kq_reap(parent);
}

KQ_TEST(tracer_is_told, "KQ-199", "a tracer is told the status of another user's process")
{
	int target_turn, turn;
	pid_t target = idle_as(&user_b, &target_turn), tracer;

	tracer = proc_fork(&turn);
	if (!tracer) {
		int kq;

		ASSERT_SYS(ptrace(PTRACE_SEIZE, target, NULL, NULL));
		user_become(&user_a);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
		proc_say(turn, 0);
		assert_end(kq, target, true);
		_exit(0);
	}
	proc_hear(turn);
	proc_say(target_turn, 7);
	kq_reap(tracer);
	ASSERT_EQ(proc_status(target), STATUS);
}

/* The process changes its user while it is watched. */
static const struct {
	const char *name;
	struct user before, after;
	bool shown;
} changes[] = {
	{ "to_the_watchers", { 0, 0, USER_CAPS_ALL }, { USER_A, USER_A, 0 }, true },
	{ "to_another", { USER_A, 0, USER_CAPS_ALL }, { USER_B, USER_B, 0 }, false },
};

KQ_TEST_EACH(target_changes, "KQ-199", "the user that counts is the one the process has when it ends", changes)
{
	int target_turn, turn;
	pid_t target = proc_fork(&target_turn), watcher;

	if (!target) {
		user_become(&variant->before);
		proc_say(target_turn, 0);
		proc_hear(target_turn);
		user_become(&variant->after);
		_exit(7);
	}
	if (kq_await_poll(target_turn, POLLIN) & POLLHUP)
		kq_reap(target);
	proc_hear(target_turn);
	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq;

		user_become(&user_a);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
		proc_say(turn, 0);
		assert_end(kq, target, variant->shown);
		_exit(0);
	}
	proc_hear(turn);
	proc_say(target_turn, 0);
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), STATUS);
}

KQ_TEST(watcher_changes, "KQ-199", "the rights that count are those the watcher had at EV_ADD")
{
	int target_turn, turn;
	pid_t target = idle_as(&user_b, &target_turn), watcher;

	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq = kq_new();

		ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
		user_become(&user_a);
		proc_say(turn, 0);
		assert_end(kq, target, true);
		_exit(0);
	}
	proc_hear(turn);
	proc_say(target_turn, 7);
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), STATUS);
}

KQ_TEST(rights_of_a_user_namespace, "KQ-199", "capabilities in a user namespace of its own show a watcher nothing")
{
	int target_turn, turn;
	pid_t target = idle_as(&user_b, &target_turn), watcher;

	watcher = proc_fork(&turn);
	if (!watcher) {
		int kq;

		user_become(&user_a);
		if (unshare(CLONE_NEWUSER))
			KQ_SKIP("users may not make user namespaces here");
		kq = kq_new();
		ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
		proc_say(turn, 0);
		assert_end(kq, target, false);
		_exit(0);
	}
	if (kq_await_poll(turn, POLLIN) & POLLHUP)
		kq_reap(watcher);
	proc_hear(turn);
	proc_say(target_turn, 7);
	kq_reap(watcher);
	ASSERT_EQ(proc_status(target), STATUS);
}

KQ_TEST(tracked_children, "KQ-199 KQ-195", "children of another user's process are followed, without status")
{
	struct kevent events[2];
	int maker_turn, turn;
	pid_t maker = proc_start_maker(&proc_ways[0], &maker_turn), watcher;

	watcher = proc_fork(&turn);
	if (!watcher) {
		pid_t child;
		int kq;

		user_become(&user_a);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, maker, NOTE_TRACK | NOTE_EXIT));
		child = (pid_t)proc_ask(turn);
		proc_take(kq, events, 2);
		proc_assert_child(events[0], child, maker);
		PROC_ENDED(events[1], child, NOTE_EXIT, 0);
		proc_say(turn, 0);
		assert_end(kq, maker, false);
		_exit(0);
	}
	if (kq_await_poll(turn, POLLIN) & POLLHUP)
		kq_reap(watcher);
	proc_hear(turn);
	proc_say(turn, proc_make_child(maker_turn));
	proc_hear(turn);
	proc_say(maker_turn, 0);
	kq_reap(watcher);
	ASSERT_EQ(proc_status(maker), STATUS);
}

/* Which processes there are. */

static const struct watcher {
	struct user user;
	bool own, other;	/* sees a process of user A, of user B, with hidepid=2 */
	bool without;		/* sees that of user B without /proc */
	bool told;		/* the status of that */
} watchers[] = {
	{ { USER_A, USER_A, 0 }, true, false, false, false },
	{ { USER_A, USER_A, USER_CAP(CAP_KILL) }, true, false, false, true },
	{ { USER_A, USER_A, USER_CAP(CAP_SYS_PTRACE) }, true, true, true, true },
	{ { 0, 0, USER_CAPS_ALL }, true, true, true, true },
	{ { 0, 0, 0 }, false, false, false, false },
};

/* Watches a process of each user, and sees those it should. */
static void watch_both(const struct watcher *watcher, void (*hide)(const void *), const void *how,
		       bool own, bool other)
{
	static const unsigned int asked[] = { NOTE_FORK, NOTE_TRACK, NOTE_EXIT };
	const struct user *users[] = { &user_a, &user_b };
	const bool seen[] = { own, other };
	pid_t pids[2];
	int turns[2];

	for (int i = 0; i < 2; i++)
		pids[i] = idle_as(users[i], &turns[i]);
	/* Their parent is somebody else: being it would be a right of its own. */
	if (!kq_fork()) {
		int kq = kq_new();

		hide(how);
		user_become(&watcher->user);
		for (int i = 0; i < 2; i++)
			for (size_t j = 0; j < ARRAY_SIZE(asked); j++)
				ASSERT_ERR(proc_add(kq, pids[i], asked[j]), seen[i] ? 0 : ESRCH);
		/* Oneself is there for everybody. */
		ASSERT_OK(proc_add(kq, getpid(), NOTE_EXIT));
		ASSERT_OK(proc_del(kq, getpid()));
		for (int i = 0; i < 2; i++) {
			proc_say(turns[i], 7);
			if (seen[i])
				assert_end(kq, pids[i], watcher->told || (!i && watcher->own));
		}
		kq_fence(kq);
		_exit(0);
	}
	/* All three, in any order. */
	for (int i = 0, status; i < 3; i++) {
		pid_t ended = ASSERT_SYS(wait(&status));
		int wanted = ended == pids[0] || ended == pids[1] ? STATUS : 0;

		if (status == W_EXITCODE(KQ_SKIPPED, 0))
			_exit(KQ_SKIPPED);
		ASSERT_EQ(status, wanted);
	}
}

static void mount_proc(const void *options)
{
	user_mount_proc(options);
}

static const struct {
	const char *name;
	const char *options;
	bool hides;
} mounts[] = {
	{ "hidepid_0", "hidepid=0", false },
	/* The names are there, only what is in them is closed. */
	{ "hidepid_1", "hidepid=1", false },
	/* Group 0 would be shown all of it. */
	{ "hidepid_2", "hidepid=2,gid=4", true },
	{ "hidepid_4", "hidepid=4", true },
	{ "group_sees", "hidepid=2,gid=65501", false },
};

KQ_TEST_EACH(hidden, "KQ-183 KQ-186 KQ-199", "a process that /proc hides from the caller fails ESRCH", mounts)
{
	for (size_t i = 0; i < ARRAY_SIZE(watchers); i++) {
		const struct watcher *watcher = &watchers[i];
		bool all = !variant->hides;

		/* Root's group is another one. */
		if (!strcmp(variant->name, "group_sees"))
			all = watcher->user.real == USER_A;
		watch_both(watcher, mount_proc, variant->options, all || watcher->own,
			   all || watcher->other);
	}
}

static void unmount_proc(const void *argument KQ_UNUSED)
{
	user_private_mounts();
	ASSERT_SYS(umount2("/proc", MNT_DETACH));
}

static void cover_proc(const void *argument KQ_UNUSED)
{
	user_private_mounts();
	ASSERT_SYS(mount("kq", "/proc", "tmpfs", 0, NULL));
}

/* Looks as if all processes were there. */
static void fake_proc(const void *argument KQ_UNUSED)
{
	char path[64];

	cover_proc(NULL);
	for (pid_t pid = getpid() - 10; pid < getpid() + 10; pid++) {
		snprintf(path, sizeof(path), "/proc/%d", pid);
		ASSERT_SYS(mkdir(path, 0755));
		strcat(path, "/stat");
		ASSERT_SYS(close(ASSERT_SYS(open(path, O_CREAT | O_RDWR, 0644))));
	}
}

static void leave_proc(const void *argument KQ_UNUSED)
{
	user_private_mounts();
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, "mode=0755"));
	ASSERT_SYS(chroot("/tmp"));
	ASSERT_SYS(chdir("/"));
}

/* A /proc that hides, with something else mounted over what it shows. */
static void cover_entries(const void *argument KQ_UNUSED)
{
	char path[64];

	user_mount_proc("hidepid=2,gid=4");
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, "mode=0755"));
	ASSERT_SYS(mkdir("/tmp/entry", 0755));
	ASSERT_SYS(close(ASSERT_SYS(open("/tmp/entry/stat", O_CREAT | O_RDWR, 0644))));
	for (pid_t pid = getpid() - 10; pid < getpid() + 10; pid++) {
		snprintf(path, sizeof(path), "/proc/%d", pid);
		if (!access(path, F_OK))
			ASSERT_SYS(mount("/tmp/entry", path, NULL, MS_BIND, NULL));
	}
}

/* A directory of a /proc that has an entry for each descriptor. */
static void bind_subdirectory(const void *argument KQ_UNUSED)
{
	user_private_mounts();
	ASSERT_SYS(mount("/proc/self/fd", "/proc", NULL, MS_BIND, NULL));
}

static const struct {
	const char *name;
	void (*hide)(const void *argument);
} absences[] = {
	{ "unmounted", unmount_proc },
	{ "covered", cover_proc },
	{ "imitated", fake_proc },
	{ "left", leave_proc },
	{ "entries_covered", cover_entries },
	{ "subdirectory", bind_subdirectory },
};

KQ_TEST_EACH(no_proc, "KQ-183 KQ-186 KQ-199",
	     "without /proc the same real user and CAP_SYS_PTRACE see a process, others fail ESRCH",
	     absences)
{
	for (size_t i = 0; i < ARRAY_SIZE(watchers); i++)
		watch_both(&watchers[i], variant->hide, NULL, watchers[i].own,
			   watchers[i].without);
}
