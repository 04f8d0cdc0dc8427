// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what the copy of a queue in a forked child has of each
 * filter: the words, what was recorded and not yet told, and what comes later.
 */
#include "kq_test.h"
#include <sys/eventfd.h>
#include "kq_fd.h"
#include "kq_fork.h"
#include "kq_limit.h"
#include "kq_proc.h"
#include "kq_user.h"

/* What two queues that are alike tell, in the parent and in the child. */
struct sight {
	int kq, fd;
	pid_t pid;
};

/* Runs in the child, then in the parent. */
static void in_both(void (*look)(const void *argument), const struct sight *s)
{
	fork_run(look, s);
	look(s);
}

/* The event of an ident among those that were pending: a copy has them in any order. */
static struct kevent event_of(const struct kevent *events, int count, uintptr_t ident)
{
	for (int i = 0; i < count; i++)
		if (events[i].ident == ident)
			return events[i];
	KQ_FAIL_NOW("no event of %lu", (unsigned long)ident);
}

/* USER */

static void user_states(const void *argument)
{
	const struct sight *s = argument;
	struct kevent events[8];

	ASSERT_EQ(kq_collect(s->kq, events, 8), 3);
	ASSERT_EVENT(event_of(events, 3, 1), 1, EVFILT_USER, EV_ADD | EV_CLEAR, 1, 2, (void *)3);
	ASSERT_EVENT(event_of(events, 3, 2), 2, EVFILT_USER, EV_ADD, 4, 5, (void *)6);
	ASSERT_EVENT(event_of(events, 3, 3), 3, EVFILT_USER, EV_ADD | EV_ONESHOT, 0, 0, NULL);
	ASSERT_ERR(kq_del(s->kq, 3, EVFILT_USER), ENOENT);
	/* What is disabled keeps its event. */
	ASSERT_OK(kq_ctl(s->kq, 4, EVFILT_USER, EV_ENABLE, 0, 7, (void *)8));
	ASSERT_OK(kq_del(s->kq, 2, EVFILT_USER));
	ASSERT_EVENT(kq_one(s->kq), 4, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 7, (void *)8);
	ASSERT_OK(kq_trigger(s->kq, 5));
	ASSERT_EVENT(kq_one(s->kq), 5, EVFILT_USER, EV_ADD | EV_DISPATCH, 0, 0, NULL);
	kq_fence(s->kq);
	ASSERT_OK(kq_del(s->kq, 5, EVFILT_USER));
}

KQ_TEST(user, "KQ-093 KQ-221", "USER: words, triggers, and every state of a knote")
{
	struct sight s = { .kq = fork_queue() };

	ASSERT_OK(kq_add(s.kq, 1, EVFILT_USER, EV_CLEAR, NOTE_TRIGGER | 1, 2, (void *)3));
	ASSERT_OK(kq_add(s.kq, 2, EVFILT_USER, 0, NOTE_TRIGGER | 4, 5, (void *)6));
	ASSERT_OK(kq_add(s.kq, 3, EVFILT_USER, EV_FORCEONESHOT, 0, 0, NULL));
	ASSERT_OK(kq_add(s.kq, 4, EVFILT_USER, EV_CLEAR | EV_DISABLE, NOTE_TRIGGER, 0, NULL));
	ASSERT_OK(kq_add(s.kq, 5, EVFILT_USER, EV_DISPATCH, 0, 0, NULL));
	in_both(user_states, &s);
}

KQ_TEST(extension_words, "KQ-093", "ext[2] and ext[3] are copied")
{
	struct kq_event_ext event = {
		.ident = 1, .filter = EVFILT_USER, .flags = EV_ADD, .fflags = NOTE_TRIGGER,
		.ext = { 0, 0, 0x1122334455667788ull, ~0ull },
	}, got = { 0 };
	struct kq_kevent call = {
		.changelist = (uintptr_t)&event, .nchanges = 1, .record_size = sizeof(event),
	};
	int kq = fork_queue();
	pid_t child;

	ASSERT_SYS(ioctl(kq, KQ_IOC_KEVENT, &call));
	child = kq_fork();
	if (!child) {
		call = (struct kq_kevent){
			.eventlist = (uintptr_t)&got, .nevents = 1, .record_size = sizeof(got),
			.flags = KQ_KEVENT_NONBLOCK,
		};
		ASSERT_EQ(ASSERT_SYS(ioctl(kq, KQ_IOC_KEVENT, &call)), 1);
		ASSERT_EQ(got.ext[2], event.ext[2]);
		ASSERT_EQ(got.ext[3], event.ext[3]);
		_exit(0);
	}
	kq_reap(child);
}

/* TIMER */

static long long timer_start;

/* When it is due, in milliseconds, and how much of that has passed at the fork. */
#define DUE	3000
#define PASSED	2800

static void timer_goes_off(const void *argument)
{
	const struct sight *s = argument;

	ASSERT_EVENT(kq_next(s->kq), 1, EVFILT_TIMER, EV_ADD | EV_CLEAR | EV_ONESHOT, 0, 1, NULL);
	ASSERT_GE(kq_now() - timer_start, DUE * KQ_MS);
	/* A timer that began anew in the child would need as long again. */
	ASSERT_LT(kq_now() - timer_start, (DUE + PASSED) * KQ_MS);
}

KQ_TEST(timer_keeps_its_deadline, "KQ-093 KQ-205", "TIMER: goes off in the child when it does in the parent")
{
	struct sight s = { .kq = fork_queue() };

	timer_start = kq_now();
	ASSERT_OK(kq_add(s.kq, 1, EVFILT_TIMER, EV_ONESHOT, 0, DUE, NULL));
	kq_sleep_ms(PASSED);
	in_both(timer_goes_off, &s);
}

static void timer_phase(const void *argument)
{
	const struct sight *s = argument;
	struct kevent event = kq_next(s->kq);
	long long passed = kq_now() - timer_start;

	ASSERT_EQ(event.ident, 1);
	ASSERT_GE(passed, event.data * 40 * KQ_MS);
	/* Expirations before the fork count, and none is counted twice. */
	ASSERT_GE(event.data, 3);
	event.data += kq_next(s->kq).data;
	ASSERT_GE(kq_now() - timer_start, event.data * 40 * KQ_MS);
}

KQ_TEST(periodic_timer, "KQ-093 KQ-203", "TIMER: the period goes on in its phase, with what was not told yet")
{
	struct sight s = { .kq = fork_queue() };

	timer_start = kq_now();
	ASSERT_OK(kq_add(s.kq, 1, EVFILT_TIMER, 0, 0, 40, NULL));
	kq_sleep_ms(140);
	in_both(timer_phase, &s);
}

static void other_timers(const void *argument)
{
	const struct sight *s = argument;
	struct kevent events[4];

	/* The absolute one of the past is told in each; what has no end is not. */
	ASSERT_EQ(kq_collect(s->kq, events, 4), 1);
	ASSERT_EVENT(events[0], 1, EVFILT_TIMER, EV_ADD | EV_CLEAR, 0, 1, NULL);
	ASSERT_OK(kq_ctl(s->kq, 3, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_one(s->kq).ident, 3);
	ASSERT_OK(kq_add(s->kq, 2, EVFILT_TIMER, 0, 0, 1, NULL));
	ASSERT_EQ(kq_next(s->kq).ident, 2);
}

KQ_TEST(timers_of_other_kinds, "KQ-093 KQ-210 KQ-217", "TIMER: absolute, disabled, and one that never goes off")
{
	struct sight s = { .kq = fork_queue() };

	ASSERT_OK(kq_add(s.kq, 1, EVFILT_TIMER, 0, NOTE_ABSOLUTE | NOTE_SECONDS, 1, NULL));
	ASSERT_OK(kq_add(s.kq, 2, EVFILT_TIMER, 0, NOTE_SECONDS, INTPTR_MAX, NULL));
	ASSERT_OK(kq_add(s.kq, 3, EVFILT_TIMER, EV_DISABLE | EV_ONESHOT, 0, 0, NULL));
	in_both(other_timers, &s);
}

/* SIGNAL */

KQ_TEST(signal_counts_anew, "KQ-093 KQ-233", "SIGNAL: the child counts its own, the parent its own")
{
	int kq = fork_queue(), turn;
	pid_t child;

	ASSERT_TRUE(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	ASSERT_OK(kq_add(kq, SIGUSR1, EVFILT_SIGNAL, 0, 0, 0, (void *)4));
	ASSERT_SYS(raise(SIGUSR1));
	child = proc_fork(&turn);
	if (!child) {
		kq_fence(kq);
		ASSERT_SYS(raise(SIGUSR1));
		ASSERT_SYS(raise(SIGUSR1));
		ASSERT_EVENT(kq_one(kq), SIGUSR1, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 2, (void *)4);
		proc_say(turn, 0);
		/* From the parent. */
		ASSERT_EQ(kq_next(kq).data, 1);
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	proc_hear(turn);
	ASSERT_EQ(kq_one(kq).data, 1);
	ASSERT_SYS(kill(child, SIGUSR1));
	proc_hear(turn);
	kq_fence(kq);
	proc_say(turn, 0);
	kq_reap(child);
}

/* PROC and PROCDESC */

static void end_of_process(const void *argument)
{
	const struct sight *s = argument;
	struct kevent events[4];

	ASSERT_EQ(kq_collect(s->kq, events, 4), 2);
	PROC_ENDED(event_of(events, 2, s->pid), s->pid, NOTE_EXIT, W_EXITCODE(7, 0));
	ASSERT_EVENT(event_of(events, 2, s->fd), s->fd, EVFILT_PROCDESC, PROC_END, NOTE_EXIT,
		     W_EXITCODE(7, 0), NULL);
	proc_assert_gone(s->kq, s->pid);
}

static const struct moment {
	const char *name;
	bool ended, reaped;
} moments[] = {
	{ "zombie", true, false },
	{ "reaped", true, true },
};

KQ_TEST_EACH(process_has_ended, "KQ-093 KQ-181 KQ-200", "an end nobody was told of is told to both", moments)
{
	struct sight s = { .kq = fork_queue() };
	int turn;

	s.pid = proc_idle(&turn);
	s.fd = proc_pidfd(s.pid);
	ASSERT_OK(proc_add(s.kq, s.pid, NOTE_EXIT));
	ASSERT_OK(kq_add(s.kq, s.fd, EVFILT_PROCDESC, 0, NOTE_EXIT, 0, NULL));
	proc_say(turn, 7);
	proc_await_zombie(s.pid);
	if (variant->reaped)
		ASSERT_EQ(proc_status(s.pid), W_EXITCODE(7, 0));
	in_both(end_of_process, &s);
}

KQ_TEST(process_ends_later, "KQ-093 KQ-194", "PROC: the copy is told of a process that its own is no parent of")
{
	int kq = fork_queue(), turn, turns;
	pid_t target = proc_idle(&turn), child;

	ASSERT_OK(proc_add(kq, target, NOTE_EXIT | NOTE_FORK));
	child = proc_fork(&turns);
	if (!child) {
		proc_say(turns, 0);
		/* The same user: the status is shown. */
		PROC_ENDED(kq_next(kq), target, NOTE_EXIT, W_EXITCODE(3, 0));
		_exit(0);
	}
	proc_hear(turns);
	proc_say(turn, 3);
	kq_reap(child);
	PROC_NEXT_END(kq, target, W_EXITCODE(3, 0));
}

KQ_TEST(tracked_tree, "KQ-093 KQ-195 KQ-197", "PROC: NOTE_TRACK goes on in the copy, notices not yet told included")
{
	int kq = fork_queue(), turn, turns;
	pid_t maker = proc_start_maker(&proc_ways[0], &turn), first, second, child;
	struct kevent events[4];

	ASSERT_OK(proc_add(kq, maker, NOTE_TRACK));
	first = proc_make_child(turn);
	child = proc_fork(&turns);
	if (!child) {
		ASSERT_EQ(kq_collect(kq, events, 4), 1);
		proc_assert_child(events[0], first, maker);
		second = (pid_t)proc_ask(turns);
		ASSERT_EQ(kq_collect(kq, events, 4), 1);
		proc_assert_child(events[0], second, maker);
		_exit(0);
	}
	proc_hear(turns);
	second = proc_make_child(turn);
	proc_say(turns, second);
	kq_reap(child);
	ASSERT_EQ(kq_collect(kq, events, 4), 2);
	proc_say(turn, 0);
	proc_status(maker);
}

KQ_TEST(other_namespace, "KQ-093", "PROC: a child in a pid namespace of its own is told of no process of the other")
{
	int kq = fork_queue();
	pid_t child;

	ASSERT_OK(proc_add(kq, getpid(), NOTE_EXIT | NOTE_FORK));
	if (unshare(CLONE_NEWPID)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root, to make a pid namespace");
	}
	child = kq_fork();
	if (!child) {
		ASSERT_ERR(proc_del(kq, getppid() ?: getpid()), ENOENT);
		kq_fence(kq);
		_exit(0);
	}
	kq_reap(child);
	PROC_NOTES(kq_one(kq), getpid(), NOTE_FORK);
}

/* VNODE and FS */

static void notes_of_file(const void *argument)
{
	const struct sight *s = argument;

	ASSERT_EVENT(kq_one(s->kq), s->fd, EVFILT_VNODE, EV_ADD | EV_CLEAR,
		     NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND, 0, NULL);
	ASSERT_SYS(fchmod(s->fd, 0640));
	ASSERT_EQ(kq_one(s->kq).fflags, NOTE_ATTRIB);
}

KQ_TEST(vnode, "KQ-093 KQ-171", "VNODE: notes not yet told are copied, later ones come to both")
{
	char path[] = "/tmp/kq-fork-XXXXXX";
	struct sight s = { .kq = fork_queue() };

	s.fd = ASSERT_SYS(mkstemp(path));
	ASSERT_OK(kq_add(s.kq, s.fd, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE | NOTE_ATTRIB | NOTE_DELETE,
			 0, NULL));
	kq_write(s.fd, "x", 1);
	ASSERT_SYS(fchmod(s.fd, 0600));
	/* The child's change comes to the parent, too. */
	in_both(notes_of_file, &s);
	ASSERT_SYS(unlink(path));
	ASSERT_EQ(kq_one(s.kq).fflags, NOTE_DELETE);
}

static void mounts_seen(const void *argument)
{
	const struct sight *s = argument;

	ASSERT_EVENT(kq_one(s->kq), 0, EVFILT_FS, EV_ADD | EV_CLEAR, VQ_MOUNT, 0, NULL);
	kq_none(s->kq);
}

KQ_TEST(fs, "KQ-093 KQ-244", "FS: a mount not yet told is told to both")
{
	struct sight s = { .kq = fork_queue() };

	user_private_mounts();
	ASSERT_OK(kq_add(s.kq, 0, EVFILT_FS, 0, 0, 0, NULL));
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
	in_both(mounts_seen, &s);
}

/* EMPTY and EXCEPT */

static void socket_states(const void *argument)
{
	const struct sight *s = argument;
	struct kevent events[4];

	ASSERT_EQ(kq_collect(s->kq, events, 4), 2);
	ASSERT_NE(events[0].filter, events[1].filter);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(events[i].fflags, events[i].filter == EVFILT_EXCEPT ? NOTE_OOB : 0);
}

KQ_TEST(empty_and_except, "KQ-093 KQ-152 KQ-153", "EMPTY, EXCEPT: levels that hold are told to both")
{
	struct sight s = { .kq = fork_queue() };
	int fds[2];

	kq_tcp_pair(fds);
	s.fd = fds[0];
	ASSERT_EQ(send(fds[1], "!", 1, MSG_OOB), 1);
	kq_await_poll(fds[0], POLLPRI);
	ASSERT_OK(kq_add(s.kq, s.fd, EVFILT_EMPTY, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(s.kq, s.fd, EVFILT_EXCEPT, 0, NOTE_OOB, 0, NULL));
	in_both(socket_states, &s);
}

/* No room */

static void copy_at_limit(const void *name)
{
	int kq = fork_queue();
	pid_t child;

	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, 0, 1000000, NULL));
	ASSERT_OK(kq_add(kq, 2, EVFILT_TIMER, 0, 0, 1000000, NULL));
	child = kq_fork();
	if (!child) {
		ASSERT_FALSE(fork_is_open(kq));
		_exit(0);
	}
	kq_reap(child);
	/* Nothing of it is counted any more. */
	ASSERT_OK(kq_del(kq, 2, EVFILT_TIMER));
	if (strcmp(name, "queues"))
		ASSERT_OK(kq_add(kq, 2, EVFILT_TIMER, 0, 0, 1000000, NULL));
	ASSERT_EQ(limit_used(kq, "queues"), 1);
}

static const struct limited {
	const char *name;
	unsigned long value;
} limited[] = {
	{ "queues", 1 },
	{ "knotes", 3 },
	{ "timers", 3 },
};

KQ_TEST_EACH(at_the_limit, "KQ-093 KQ-248", "a copy there is no room for is none: the child has no queue", limited)
{
	limit_during(variant->name, variant->value, copy_at_limit, variant->name);
}
