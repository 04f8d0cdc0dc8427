// SPDX-License-Identifier: GPL-2.0
/*
 * Owns forked children under faults: an allocation of the work that a child does
 * before it runs fails. It has a whole copy of a queue, or none; a tracked child
 * is tracked, or its parent's knote says that one was not.
 */
#include "kq_test.h"
#include <sys/eventfd.h>
#include "kq_inject.h"
#include "kq_fork.h"
#include "kq_proc.h"

#define MARK	7

/* What the sweep over all amounts saw. */
struct seen {
	int whole, none;
};

/* KQUEUE_CPONFORK */

struct copy {
	int kq, again;		/* two numbers of one queue */
	int inner;		/* a queue that it watches */
	int fds[2], file, event;
	char lines[INJECT_LINES];
	struct seen seen;
};

/* Two knotes; or all kinds, of objects and of memory. */
static void open_copy(struct copy *c, bool all)
{
	static const int filters[] = { EVFILT_READ, EVFILT_VNODE };
	struct kq_event_ext change = { .flags = EV_ADD, .udata = MARK, .ext = { [2] = 1 } };

	c->inner = fork_queue();
	c->kq = fork_queue();
	c->again = ASSERT_SYS(dup(c->kq));
	kq_tcp_pair(c->fds);
	c->event = ASSERT_SYS(eventfd(1, 0));
	c->file = ASSERT_SYS(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	ASSERT_OK(kq_add(c->kq, c->inner, EVFILT_READ, 0, 0, 0, NULL));
	for (size_t i = 0; all && i < ARRAY_SIZE(filters); i++) {
		change.ident = c->file;
		change.filter = filters[i];
		change.fflags = i ? NOTE_WRITE | NOTE_OPEN : 0;
		ASSERT_EQ(inject_change(c->kq, &change), 0);
	}
	change = (struct kq_event_ext){
		.ident = 5, .filter = EVFILT_USER, .flags = EV_ADD, .ext = { [3] = 1 },
	};
	ASSERT_EQ(inject_change(c->kq, &change), 0);
	inject_lines(c->kq, c->lines);
	if (!all)
		return;
	ASSERT_OK(kq_add(c->kq, c->fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(c->kq, c->fds[0], EVFILT_EMPTY, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(c->kq, c->event, EVFILT_WRITE, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(c->kq, 1, EVFILT_TIMER, 0, NOTE_SECONDS, 1000000, NULL));
	ASSERT_OK(kq_add(c->kq, getpid(), EVFILT_PROC, 0, NOTE_EXIT, 0, NULL));
	ASSERT_OK(kq_add(c->kq, 0, EVFILT_FS, 0, 0, 0, NULL));
	inject_lines(c->kq, c->lines);
}

static void close_copy(const struct copy *c)
{
	const int fds[] = { c->kq, c->again, c->inner, c->fds[0], c->fds[1], c->file, c->event };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

/* In the child: all numbers of the queue, with all that the parent's has, or no number of it. */
static bool has_whole_copy(const struct copy *c)
{
	bool open = fork_is_open(c->kq);

	ASSERT_EQ(fork_is_open(c->again), open);
	if (!open)
		return false;
	/* What it watches may be missing by itself: a queue that has no copy. */
	if (!fork_is_open(c->inner))
		return true;
	inject_assert_lines(c->kq, c->lines);
	ASSERT_OK(kq_trigger(c->kq, 5));
	ASSERT_OK(kq_del(c->again, c->inner, EVFILT_READ));
	return true;
}

static bool copy_round(long amount, void *scene)
{
	struct inject_child *child = inject_forks.child;
	struct copy *c = scene;
	pid_t pid = inject_fork(amount);

	if (!pid) {
		child->whole = has_whole_copy(c);
		_exit(0);
	}
	if (pid < 0)
		return false;
	kq_reap(pid);
	if (!child->hit)
		ASSERT_TRUE(child->whole);
	c->seen.whole += child->whole;
	c->seen.none += !child->whole;
	/* The parent's is as it was. */
	inject_assert_lines(c->kq, c->lines);
	return true;
}

/* Amounts in steps that hit each allocation of the two knotes, and many of all the others. */
static const struct scope {
	const char *name;
	struct inject_amount amount;
	bool all;
} scopes[] = {
	{ "two", { NULL, "failslab", 24 }, false },
	{ "all", { NULL, "failslab", 128 }, true },
	{ "pages", { NULL, "fail_page_alloc", 1 }, true },
};

KQ_TEST_EACH(copy, "", "a child whose copy of a queue fails has none, neither part nor number of it",
	     scopes)
{
	struct copy c = { 0 };

	inject_fork_begin(variant->amount.kind);
	open_copy(&c, variant->all);
	inject_fork_each(&variant->amount, copy_round, &c);
	kq_diag("%d whole copies, %d children without", c.seen.whole, c.seen.none);
	ASSERT_GT(c.seen.whole, 0);
	ASSERT_GT(c.seen.none, 0);
	close_copy(&c);
	inject_fork_end();
}

/* NOTE_TRACK */

#define PAGE_ROUNDS	32

struct track {
	int turn;
	pid_t maker;
	bool spawn;	/* by inject_spawn() */
	int notes;	/* in the queue before: the next one needs more of the index */
	struct seen seen;
};

/* Makes a child for each amount it hears, and answers with its number once that has ended. */
static void run_maker(const struct track *t)
{
	long amount;

	while ((amount = proc_hear(t->turn)) >= 0) {
		pid_t child = t->spawn ? inject_spawn(amount) : inject_fork(amount);

		if (!child)
			_exit(3);
		if (child > 0)
			ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
		proc_say(t->turn, child);
	}
	_exit(0);
}

static void take_tracked(struct track *t, int kq, pid_t child)
{
	bool notice = false, end = false, error = false;
	struct kevent events[8];
	int count = kq_collect(kq, events, ARRAY_SIZE(events));

	for (int i = 0; i < count; i++) {
		if (events[i].ident == (uintptr_t)t->maker) {
			ASSERT_EQ(events[i].fflags & ~(unsigned int)NOTE_TRACKERR, 0);
			error = true;
			continue;
		}
		ASSERT_EQ(events[i].ident, child);
		ASSERT_EQ(events[i].udata == PROC_MARK, true);
		if (events[i].fflags == NOTE_CHILD) {
			ASSERT_EQ(events[i].data, t->maker);
			notice = true;
		} else {
			ASSERT_EQ(events[i].fflags, NOTE_EXIT);
			ASSERT_EQ(events[i].data, W_EXITCODE(3, 0));
			end = true;
		}
	}
	if (error)
		ASSERT_FALSE(end);
	else
		ASSERT_TRUE(notice && end);
	ASSERT_ERR(proc_del(kq, child), ENOENT);
	t->seen.whole += !error;
	t->seen.none += error;
}

static bool track_round(long amount, void *scene)
{
	struct track *t = scene;
	struct kq_event_ext change = {
		.ident = t->maker, .filter = EVFILT_PROC, .flags = EV_ADD,
		.fflags = NOTE_TRACK | NOTE_EXIT, .udata = (uintptr_t)PROC_MARK,
		.ext = { [2] = 3 },
	};
	int kq = inject_queue(t->notes);
	pid_t child;

	ASSERT_EQ(inject_change(kq, &change), 0);
	proc_say(t->turn, amount);
	child = (pid_t)proc_hear(t->turn);
	if (child > 0)
		take_tracked(t, kq, child);
	else
		kq_fence(kq);
	ASSERT_OK(proc_del(kq, t->maker));
	close(kq);
	return child > 0;
}

KQ_TEST_EACH(track, "", "a child that could not be tracked is told of, any other is tracked",
	     inject_amounts)
{
	bool pages = !strcmp(variant->name, "pages");
	struct track t = { .notes = pages ? 511 : 0, .spawn = pages };

	inject_fork_begin(variant->kind);
	t.maker = proc_fork(&t.turn);
	if (!t.maker)
		run_maker(&t);
	inject_fork_each(variant, track_round, &t);
	/* One page of each child is ours, and how many others it takes is the kernel's mood. */
	for (int i = 0; pages && i < PAGE_ROUNDS; i++)
		track_round(i % 4, &t);
	kq_diag("%d children tracked, %d not", t.seen.whole, t.seen.none);
	ASSERT_GT(t.seen.whole, 0);
	ASSERT_GT(t.seen.none, 0);
	proc_say(t.turn, -1);
	kq_reap(t.maker);
	close(t.turn);
	inject_fork_end();
}
