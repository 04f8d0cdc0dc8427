// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of the limits: what one user may have, what counts, what a
 * limit that is reached leaves working, and a queue of a million knotes.
 */
#include "kq_test.h"
#include <sys/eventfd.h>
#include "kq_fd.h"
#include "kq_limit.h"
#include "kq_proc.h"
#include "kq_user.h"

#define ROOM	20

static const struct user user_a = { USER_A, USER_A, 0 };
static const struct user user_b = { USER_B, USER_B, 0 };

/* The files */

KQ_TEST(files_are_readable, "KQ-248", "anybody reads the limits, timers are at least 65536 by default")
{
	ASSERT_GE(limit_get("timers"), 65536);
	ASSERT_GE(limit_get("knotes"), limit_get("timers"));
	ASSERT_GE(limit_get("queues"), 1024);
	if (getuid())
		return;
	user_become(&user_a);
	for (size_t i = 0; i < ARRAY_SIZE(limit_names); i++) {
		ASSERT_GT(limit_get(limit_names[i]), 0);
		ASSERT_ERR(limit_write(limit_names[i], "1000000\n"), EACCES);
	}
}

static void write_bad_values(const void *name)
{
	unsigned long value = limit_get(name);

	ASSERT_ERR(limit_write(name, "many\n"), EINVAL);
	ASSERT_EQ(limit_get(name), value);
	/* Beyond what a count can be: kept out, not cut. */
	ASSERT_ERR(limit_write(name, "18446744073709551615\n"), EINVAL);
	ASSERT_EQ(limit_get(name), value);
	limit_set(name, 4321);
	ASSERT_EQ(limit_get(name), 4321);
}

KQ_TEST(files_are_set, "KQ-248", "root sets each limit, what is no number is refused")
{
	for (size_t i = 0; i < ARRAY_SIZE(limit_names); i++)
		limit_during(limit_names[i], limit_get(limit_names[i]), write_bad_values,
			     limit_names[i]);
}

/* Reaching them. One way to add for each kind of knote; returns kq_add()'s result. */

static int add_user(int kq, int i)
{
	return kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, 0, NULL);
}

static int add_timer(int kq, int i)
{
	return kq_add(kq, i, EVFILT_TIMER, 0, 0, 1000000, NULL);
}

static int add_read(int kq, int i KQ_UNUSED)
{
	int fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));

	return kq_add(kq, fd, EVFILT_READ, EV_CLEAR, 0, 0, NULL);
}

/* The second knote of a descriptor counts as the first. */
static int add_read_and_write(int kq, int i)
{
	static int fd;

	if (i % 2)
		return kq_add(kq, fd, EVFILT_WRITE, EV_CLEAR | EV_DISABLE, 0, 0, NULL);
	fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));
	return kq_add(kq, fd, EVFILT_READ, EV_CLEAR, 0, 0, NULL);
}

static int add_vnode(int kq, int i KQ_UNUSED)
{
	int fd = ASSERT_SYS(open("/", O_RDONLY | O_DIRECTORY));

	return kq_add(kq, fd, EVFILT_VNODE, EV_CLEAR, NOTE_DELETE, 0, NULL);
}

static int add_signal(int kq, int i)
{
	return kq_add(kq, i + 1, EVFILT_SIGNAL, 0, 0, 0, NULL);
}

static int add_fs(int kq, int i)
{
	return kq_add(kq, i, EVFILT_FS, 0, VQ_UNMOUNT, 0, NULL);
}

static int add_proc(int kq, int i KQ_UNUSED)
{
	pid_t child = kq_fork();

	if (!child)
		for (;;)
			pause();
	return kq_add(kq, child, EVFILT_PROC, 0, NOTE_EXIT, 0, NULL);
}

static const struct kind {
	const char *name;
	int (*add)(int kq, int i);
	const char *limit;
} kinds[] = {
	{ "user", add_user, "knotes" },
	{ "timer", add_timer, "timers" },
	{ "timer_as_knote", add_timer, "knotes" },
	{ "read", add_read, "knotes" },
	{ "read_and_write", add_read_and_write, "knotes" },
	{ "vnode", add_vnode, "knotes" },
	{ "signal", add_signal, "knotes" },
	{ "fs", add_fs, "knotes" },
	{ "proc", add_proc, "knotes" },
};

/* Everything of @kind there is room for; then nothing, and what is there works. */
static void fill(const void *argument)
{
	const struct kind *kind = argument;
	struct kevent change, event;
	int kq, other;

	user_become(&user_a);
	kq = kq_new();
	other = kq_new();
	ASSERT_EQ(limit_used(kq, "queues"), 2);
	/* One is the knote that shows that the queue works. */
	ASSERT_OK(kq_add(kq, 12345, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = !strcmp(kind->limit, "knotes"); i < ROOM; i++) {
		ASSERT_OK(kind->add(kq, i));
		ASSERT_EQ(limit_used(other, kind->limit), i + 1);
	}
	for (int i = 0; i < 3; i++) {
		ASSERT_ERR(kind->add(kq, ROOM), ENOMEM);
		ASSERT_ERR(kind->add(other, ROOM + 1), ENOMEM);
		ASSERT_EQ(limit_used(kq, kind->limit), ROOM);
	}
	/* With room it is an entry like any error. */
	if (kind->add == add_user) {
		EV_SET(&change, 99, EVFILT_USER, EV_ADD, 0, 0, &change);
		ASSERT_EQ(kevent(kq, &change, 1, &event, 1, NULL), 1);
		ASSERT_EVENT(event, 99, EVFILT_USER, EV_ADD | EV_ERROR, 0, ENOMEM, &change);
	}
	/* Changes of what exists need no room. */
	ASSERT_OK(kq_ctl(kq, 12345, EVFILT_USER, EV_ADD, 0, 7, NULL));
	ASSERT_OK(kq_trigger(kq, 12345));
	ASSERT_EQ(kq_one(kq).ident, 12345);
}

KQ_TEST_EACH(knotes_are_limited, "KQ-248", "at the limit a new knote is ENOMEM, those there work", kinds)
{
	limit_during(variant->limit, ROOM, fill, variant);
}

/* Every way a knote goes makes room for another. */

static void go_by_delete(int kq)
{
	ASSERT_OK(add_user(kq, 1));
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
}

static void go_by_oneshot(int kq)
{
	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, EV_ONESHOT, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).ident, 1);
}

static void go_by_close(int kq)
{
	int fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, NULL));
	ASSERT_SYS(close(fds[0]));
	ASSERT_SYS(close(fds[1]));
}

static void go_by_queue(int kq KQ_UNUSED)
{
	int other = kq_new();

	ASSERT_OK(add_timer(other, 1));
	ASSERT_SYS(close(other));
}

static void go_by_refusal(int kq)
{
	int fds[2];

	kq_pipe(fds);
	ASSERT_ERR(kq_add(kq, fds[0], EVFILT_VNODE, 0, NOTE_WRITE, 0, NULL), EINVAL);
	ASSERT_ERR(kq_add(kq, 1, EVFILT_TIMER, 0, 0, -1, NULL), EINVAL);
	ASSERT_ERR(kq_add(kq, 0, EVFILT_PROC, 0, NOTE_EXIT, 0, NULL), ESRCH);
	close(fds[0]);
	close(fds[1]);
}

static void go_by_exit(int kq)
{
	int turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 0);
	kq_reap(child);
	ASSERT_EQ(kq_next(kq).ident, child);
	close(turn);
}

static const struct end {
	const char *name;
	void (*go)(int kq);
} ends[] = {
	{ "delete", go_by_delete },
	{ "oneshot", go_by_oneshot },
	{ "close", go_by_close },
	{ "queue_close", go_by_queue },
	{ "refused", go_by_refusal },
	{ "exit", go_by_exit },
};

static void come_and_go(const void *argument)
{
	const struct end *end = argument;
	int kq;

	user_become(&user_a);
	kq = kq_new();
	for (int i = 0; i < 50; i++) {
		end->go(kq);
		ASSERT_EQ(limit_used(kq, "knotes"), 0);
		ASSERT_EQ(limit_used(kq, "timers"), 0);
		ASSERT_EQ(limit_used(kq, "queues"), 1);
	}
}

KQ_TEST_EACH(what_goes_makes_room, "KQ-248", "a knote that ends, however it ends, is not counted any more", ends)
{
	limit_during("knotes", 1, come_and_go, variant);
}

static void open_and_close(const void *argument KQ_UNUSED)
{
	int queues[3], copy;
	pid_t child;

	user_become(&user_a);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 3; i++)
			queues[i] = kq_new();
		ASSERT_ERRNO(kqueue(), ENOMEM);
		ASSERT_OK(add_user(queues[0], 1));
		/* Another number is no other queue. */
		copy = ASSERT_SYS(dup(queues[0]));
		ASSERT_SYS(close(queues[0]));
		ASSERT_ERRNO(kqueue(), ENOMEM);
		ASSERT_SYS(close(copy));
		queues[0] = kq_new();
		/* Other users have a limit of their own; a program of this one has not. */
		child = kq_fork();
		if (!child) {
			ASSERT_ERRNO(kqueue(), ENOMEM);
			_exit(0);
		}
		kq_reap(child);
		for (int i = 0; i < 3; i++)
			ASSERT_SYS(close(queues[i]));
	}
}

KQ_TEST(queues_are_limited, "KQ-248", "at the limit of queues kqueue() is ENOMEM, closing one makes room")
{
	limit_during("queues", 3, open_and_close, NULL);
}

static void two_users(const void *argument KQ_UNUSED)
{
	int turns[2];
	pid_t children[2];

	for (int i = 0; i < 2; i++) {
		children[i] = proc_fork(&turns[i]);
		if (!children[i]) {
			int kq;

			user_become(i ? &user_b : &user_a);
			kq = kq_new();
			for (int j = 0; j < ROOM; j++)
				ASSERT_OK(add_user(kq, j));
			ASSERT_ERR(add_user(kq, ROOM), ENOMEM);
			/* Until both have had their share. */
			proc_say(turns[i], 0);
			proc_hear(turns[i]);
			_exit(0);
		}
		proc_hear(turns[i]);
	}
	for (int i = 0; i < 2; i++) {
		proc_say(turns[i], 0);
		kq_reap(children[i]);
	}
}

KQ_TEST(users_are_apart, "KQ-248", "what one user has takes nothing from another")
{
	limit_during("knotes", ROOM, two_users, NULL);
}

static void lower_limit(const void *argument KQ_UNUSED)
{
	int kq = kq_new();

	for (int i = 0; i < ROOM; i++)
		ASSERT_OK(add_user(kq, i));
	limit_set("knotes", 2);
	ASSERT_ERR(add_user(kq, ROOM), ENOMEM);
	for (int i = 0; i < ROOM; i++)
		ASSERT_OK(kq_trigger(kq, i));
	for (int i = 0; i < ROOM - 2; i++)
		ASSERT_OK(kq_del(kq, i, EVFILT_USER));
	ASSERT_ERR(add_user(kq, 0), ENOMEM);
	ASSERT_OK(kq_del(kq, ROOM - 1, EVFILT_USER));
	ASSERT_OK(add_user(kq, 0));
}

KQ_TEST(limit_is_lowered, "KQ-248", "a limit lowered below what is there ends nothing, and lets nothing in")
{
	limit_during("knotes", ROOM + 10, lower_limit, NULL);
}

/* The children of a tracked process count for the watcher. */
static void track_at_limit(const void *argument KQ_UNUSED)
{
	struct kevent events[2];
	int turn, kq;
	pid_t maker = proc_start_maker(&proc_ways[0], &turn);

	kq = kq_new();
	ASSERT_OK(proc_add(kq, maker, NOTE_TRACK | NOTE_FORK));
	/* Two more: the notice and the knote of one child. */
	for (int i = 0; i < ROOM - 3; i++)
		ASSERT_OK(add_user(kq, i));
	proc_make_child(turn);
	ASSERT_EQ(limit_used(kq, "knotes"), ROOM);
	proc_make_child(turn);
	ASSERT_EQ(limit_used(kq, "knotes"), ROOM);
	limit_set("knotes", ROOM + 1);
	/* The notice of the first child, and what the process did. */
	ASSERT_EQ(kq_collect(kq, events, 2), 2);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(events[i].fflags, events[i].ident == (uintptr_t)maker ?
			  NOTE_FORK | NOTE_TRACKERR : NOTE_CHILD);
	proc_say(turn, 0);
	proc_status(maker);
}

KQ_TEST(tracked_children_count, "KQ-248 KQ-195", "a tracked child beyond the watcher's limit is NOTE_TRACKERR")
{
	limit_during("knotes", ROOM, track_at_limit, NULL);
}

/* What one user may do to the processes of others. */

#define FOREIGN		64

KQ_TEST(foreign_watches_are_limited, "KQ-183", "a user watches another's process 64 times, its own at will")
{
	int turns[2];
	pid_t target = proc_fork(&turns[0]), watcher;

	if (!target) {
		user_become(&user_b);
		proc_say(turns[0], 0);
		_exit((int)proc_hear(turns[0]));
	}
	if (kq_await_poll(turns[0], POLLIN) & POLLHUP)
		kq_reap(target);
	proc_hear(turns[0]);
	watcher = proc_fork(&turns[1]);
	if (!watcher) {
		user_become(&user_a);
		for (int i = 0; i < FOREIGN; i++)
			ASSERT_OK(proc_add(kq_new(), target, NOTE_TRACK));
		for (int i = 0; i < FOREIGN; i++)
			ASSERT_ERR(proc_add(kq_new(), target, NOTE_EXIT), ENOMEM);
		for (int i = 0; i < FOREIGN + 10; i++)
			ASSERT_OK(proc_add(kq_new(), getpid(), NOTE_EXIT));
		proc_say(turns[1], 0);
		_exit((int)proc_hear(turns[1]));
	}
	proc_hear(turns[1]);
	/* Others are not the worse for it. */
	ASSERT_OK(proc_add(kq_new(), target, NOTE_TRACK | NOTE_EXIT));
	proc_say(turns[1], 0);
	kq_reap(watcher);
	proc_say(turns[0], 0);
	kq_reap(target);
}

#define ASIDE		64
#define SAME_PID	31234

KQ_TEST(notices_of_one_number, "KQ-195 KQ-196", "only so many children of one number are noticed, then NOTE_TRACKERR")
{
	static struct kevent events[ASIDE + 10];
	pid_t number = SAME_PID;
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1,
	};
	int turn, kq = kq_new(), status, count, errors = 0;
	pid_t maker, child;

	if (getuid())
		KQ_SKIP("needs root, to choose numbers of processes");
	maker = proc_fork(&turn);
	if (!maker) {
		proc_hear(turn);
		for (int i = 0; i < ASIDE + 20; i++) {
			child = proc_clone3(&args);
			if (!child)
				_exit(0);
			ASSERT_EQ(child, SAME_PID);
			ASSERT_EQ(waitpid(child, &status, 0), child);
		}
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, maker, NOTE_TRACK));
	proc_ask(turn);
	/* Of each child there is the notice, and the knote that followed it. */
	count = kq_collect(kq, events, ARRAY_SIZE(events));
	ASSERT_GE(count, ASIDE / 2 + 1);
	ASSERT_LE(count, ASIDE + 1);
	for (int i = 0; i < count; i++) {
		errors += events[i].fflags == NOTE_TRACKERR;
		ASSERT_EQ(events[i].fflags, events[i].ident == SAME_PID ? NOTE_CHILD : NOTE_TRACKERR);
	}
	ASSERT_EQ(errors, 1);
	proc_say(turn, 0);
	kq_reap(maker);
}

/* Threads at the limit: never more than there is room for, and nothing is lost count of. */

#define RACERS	4

static int race_kq;

static void *race(void *argument)
{
	uintptr_t base = (uintptr_t)argument * 1000;
	long long start = kq_now();
	bool made[ROOM / 2];

	for (int round = 0; kq_more(round, 2000, start); round++) {
		for (int i = 0; i < ROOM / 2; i++) {
			int error = kq_add(race_kq, base + i, EVFILT_TIMER, 0, 0, 1000000, NULL);

			made[i] = !error;
			ASSERT_TRUE(!error || error == -ENOMEM);
		}
		for (int i = 0; i < ROOM / 2; i++)
			ASSERT_ERR(kq_del(race_kq, base + i, EVFILT_TIMER), made[i] ? 0 : ENOENT);
	}
	return NULL;
}

static void race_at_limit(const void *argument KQ_UNUSED)
{
	pthread_t threads[RACERS];

	user_become(&user_a);
	race_kq = kq_new();
	for (uintptr_t i = 0; i < RACERS; i++)
		threads[i] = kq_thread(race, (void *)i);
	for (int i = 0; i < RACERS; i++)
		kq_join(threads[i]);
	ASSERT_EQ(limit_used(race_kq, "timers"), 0);
	ASSERT_EQ(limit_used(race_kq, "knotes"), 0);
	for (int i = 0; i < ROOM; i++)
		ASSERT_OK(add_timer(race_kq, i));
	ASSERT_ERR(add_timer(race_kq, ROOM), ENOMEM);
}

KQ_TEST(threads_at_the_limit, "KQ-248 KQ-246", "threads that add and delete at the limit never lose room")
{
	limit_during("timers", ROOM, race_at_limit, NULL);
}

/* Size */

#define MILLION	1000000
#define BATCH	1000

static void a_million(const void *argument)
{
	static struct kevent changes[BATCH];
	int many = *(const int *)argument;
	int kq = kq_new();

	for (int done = 0; done < many; done += BATCH) {
		for (int i = 0; i < BATCH; i++)
			EV_SET(&changes[i], done + i, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
		ASSERT_EQ(kevent(kq, changes, BATCH, NULL, 0, NULL), 0);
	}
	ASSERT_EQ(limit_used(kq, "knotes"), many);
	ASSERT_ERR(kq_add(kq, many, EVFILT_USER, 0, 0, 0, NULL), ENOMEM);
	kq_none(kq);
	/* All of it is in reach. */
	for (int i = 0; i < many; i += many / 10 - 9) {
		ASSERT_OK(kq_trigger(kq, i));
		ASSERT_EQ(kq_one(kq).ident, i);
	}
	for (int done = 0; done < many / 2; done += BATCH) {
		for (int i = 0; i < BATCH; i++)
			EV_SET(&changes[i], done + i, EVFILT_USER, EV_DELETE, 0, 0, NULL);
		ASSERT_EQ(kevent(kq, changes, BATCH, NULL, 0, NULL), 0);
	}
	ASSERT_EQ(limit_used(kq, "knotes"), many / 2);
	ASSERT_ERR(kq_trigger(kq, many / 2 - 1), ENOENT);
	ASSERT_OK(kq_trigger(kq, many / 2));
	ASSERT_SYS(close(kq));
	kq = kq_new();
	ASSERT_EQ(limit_used(kq, "knotes"), 0);
}

KQ_TEST_LIMIT(a_million_knotes, 120, "KQ-248 KQ-105",
	      "a queue holds a million knotes, its close frees them")
{
	/* A kernel with lock debugging, or KCSAN, takes a hundred times as long for each. */
	bool slow = !access("/proc/lockdep", F_OK) || !access("/sys/kernel/debug/kcsan", F_OK);
	int many = slow ? MILLION / 50 : MILLION;

	kq_diag("%d knotes", many);
	limit_during("knotes", many, a_million, &many);
}
