// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of NOTE_TRACK: each child of a tracked process gets a notice
 * and a knote before it runs, and so do its children.
 */
#include "kq_test.h"
#include "kq_proc.h"

#define TRACK_EXIT	(NOTE_TRACK | NOTE_EXIT)

static void end_maker(int kq, pid_t maker, int turn)
{
	proc_say(turn, 0);
	PROC_NEXT_END(kq, maker, W_EXITCODE(7, 0));
	proc_assert_gone(kq, maker);
}

/* A child that was tracked and has ended: two events, in this order. */
static void assert_child_came_and_went(const struct kevent events[2], pid_t child, pid_t parent)
{
	proc_assert_child(events[0], child, parent);
	PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(3, 0));
}

KQ_TEST_EACH(child_ends_at_once, "KQ-195 KQ-196 KQ-197",
	     "NOTE_TRACK|NOTE_EXIT: the notice of a child, then its end, and no NOTE_FORK", proc_ways)
{
	int kq = kq_new(), turn;
	pid_t maker = proc_start_maker(variant, &turn);

	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	kq_fence(kq);
	for (int i = 0; i < 3; i++) {
		pid_t child = proc_make_child(turn);
		struct kevent events[2];

		proc_take(kq, events, 2);
		assert_child_came_and_went(events, child, maker);
		proc_assert_gone(kq, child);
	}
	end_maker(kq, maker, turn);
}

KQ_TEST_EACH(one_at_a_time, "KQ-196", "a queue with room for one event hands out the notice first", proc_ways)
{
	int kq = kq_new(), turn;
	pid_t maker = proc_start_maker(variant, &turn), child;
	struct kevent events[2];

	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	child = proc_make_child(turn);
	/* Both are ready by now. */
	ASSERT_EQ(kq_poll(kq, &events[0], 1), 1);
	ASSERT_EQ(kq_poll(kq, &events[1], 1), 1);
	assert_child_came_and_went(events, child, maker);
	end_maker(kq, maker, turn);
}

KQ_TEST_EACH(only_track, "KQ-195 KQ-197", "NOTE_TRACK alone reports the child and nothing it does", proc_ways)
{
	int kq = kq_new(), turn;
	pid_t maker = proc_start_maker(variant, &turn), child;

	ASSERT_OK(proc_add(kq, maker, NOTE_TRACK));
	child = proc_make_child(turn);
	proc_assert_child(kq_next(kq), child, maker);
	proc_assert_gone(kq, child);
	proc_say(turn, 0);
	proc_status(maker);
	proc_assert_gone(kq, maker);
}

KQ_TEST(before_the_child_runs, "KQ-195", "when the child runs its notice and its knote are there")
{
	struct proc_runner maker, child;
	int kq = kq_new();

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	proc_assert_child(kq_one(kq), child.pid, maker.pid);
	kq_fence(kq);
	ASSERT_OK(proc_ctl(kq, child.pid, EV_DISABLE, 0));
	ASSERT_OK(proc_ctl(kq, child.pid, EV_ENABLE, 0));
	proc_say(child.turn, 4);
	PROC_ENDED(kq_next(kq), child.pid, NOTE_EXIT, W_EXITCODE(4, 0));
	proc_end_maker(&maker);
	PROC_ENDED(kq_next(kq), maker.pid, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child.pid);
	proc_assert_gone(kq, maker.pid);
}

KQ_TEST(parent_goes_first, "KQ-197", "a child is followed beyond the end of its parent, as are its own children")
{
	struct kevent events[4];
	int kq = kq_new(), turn;
	pid_t parent, child, grandchild;

	parent = proc_fork(&turn);
	if (!parent) {
		proc_hear(turn);
		if (kq_fork())
			_exit(7);
		proc_say(turn, getpid());
		proc_hear(turn);
		grandchild = proc_by_fork(3);
		proc_status(grandchild);
		proc_say(turn, grandchild);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, parent, TRACK_EXIT));
	child = (pid_t)proc_ask(turn);
	ASSERT_EQ(proc_status(parent), W_EXITCODE(7, 0));
	proc_take(kq, events, 2);
	proc_assert_child(events[0], child, parent);
	PROC_ENDED(events[1], parent, NOTE_EXIT, W_EXITCODE(7, 0));
	grandchild = (pid_t)proc_ask(turn);
	proc_take(kq, events, 2);
	assert_child_came_and_went(events, grandchild, child);
	proc_say(turn, 9);
	PROC_ENDED(kq_next(kq), child, NOTE_EXIT, W_EXITCODE(9, 0));
	proc_assert_gone(kq, parent);
	proc_assert_gone(kq, child);
	proc_assert_gone(kq, grandchild);
}

static const struct {
	const char *name;
	unsigned int asked, fork;
} forks[] = {
	{ "not_asked", TRACK_EXIT, 0 },
	{ "asked", TRACK_EXIT | NOTE_FORK, NOTE_FORK },
};

#define DEPTH	6

/* Makes a line of children; each ends when its own child has. */
static void descend(int turn, int depth)
{
	int status;

	while (depth && !kq_fork())
		depth--;
	proc_say(turn, getpid());
	if (depth)
		ASSERT_SYS(wait(&status));
	_exit(depth);
}

/* Finds the one event of a process with those notes, and counts it off. */
static int find_event(struct kevent *events, int count, pid_t pid, unsigned int mask)
{
	int found = -1;

	for (int i = 0; i < count; i++) {
		if (events[i].ident != (uintptr_t)pid || !(events[i].fflags & mask))
			continue;
		ASSERT_EQ(found, -1);
		found = i;
	}
	if (found < 0) {
		kq_dump(events, count);
		KQ_FAIL_NOW("no event of %d with fflags %#x", pid, mask);
	}
	return found;
}

KQ_TEST(never_merged, "KQ-196", "a notice that nobody took stays apart from what the child does")
{
	struct proc_runner maker, child;
	struct kevent events[3];
	int kq = kq_new();

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	proc_say(child.turn, 4);
	/* Which of the two ends first is open. */
	proc_end_maker(&maker);
	proc_take(kq, events, 3);
	proc_assert_child(events[0], child.pid, maker.pid);
	PROC_ENDED(events[find_event(events, 3, child.pid, NOTE_EXIT)], child.pid, NOTE_EXIT,
		   W_EXITCODE(4, 0));
	PROC_ENDED(events[find_event(events, 3, maker.pid, NOTE_EXIT)], maker.pid, NOTE_EXIT,
		   W_EXITCODE(7, 0));
	kq_fence(kq);
}

KQ_TEST_EACH(generations, "KQ-197 KQ-195",
	     "children of children are followed, NOTE_FORK comes to whoever asked for it", forks)
{
	struct kevent events[4 * DEPTH];
	int kq = kq_new(), turn, count = 0, end;
	pid_t line[DEPTH + 1] = { 0 }, top, parent;

	top = proc_fork(&turn);
	if (!top) {
		proc_hear(turn);
		descend(turn, DEPTH);
	}
	ASSERT_OK(proc_add(kq, top, variant->asked));
	proc_say(turn, 0);
	for (int i = 0; i <= DEPTH; i++)
		proc_hear(turn);
	ASSERT_EQ(proc_status(top), W_EXITCODE(DEPTH, 0));
	count = kq_collect(kq, events, ARRAY_SIZE(events));
	/* Notice and end of each; its fork comes with its end, as nobody looked before. */
	ASSERT_EQ(count, 2 * DEPTH + 1);
	line[0] = top;
	for (int i = 1; i <= DEPTH; i++) {
		parent = line[i - 1];
		for (int j = 0; j < count; j++)
			if (proc_is_child_notice(&events[j]) && events[j].data == parent)
				line[i] = (pid_t)events[j].ident;
		proc_assert_child(events[find_event(events, count, line[i], NOTE_CHILD)], line[i],
				  parent);
	}
	for (int i = 0; i <= DEPTH; i++) {
		end = find_event(events, count, line[i], NOTE_EXIT);
		PROC_ENDED(events[end], line[i], NOTE_EXIT | (i < DEPTH ? variant->fork : 0),
			   W_EXITCODE(DEPTH - i, 0));
		if (i)
			ASSERT_LT(find_event(events, count, line[i], NOTE_CHILD), end);
		proc_assert_gone(kq, line[i]);
	}
}

KQ_TEST(many_children, "KQ-196 KQ-198", "a hundred children that end at once: each has its notice and its end")
{
	enum { CHILDREN = 100 };
	static struct kevent events[2 * CHILDREN];
	int kq = kq_new(), turn;
	pid_t maker, children[CHILDREN];

	maker = proc_fork(&turn);
	if (!maker) {
		proc_hear(turn);
		for (int i = 0; i < CHILDREN; i++)
			children[i] = proc_by_fork(i);
		for (int i = 0; i < CHILDREN; i++) {
			ASSERT_EQ(proc_status(children[i]), W_EXITCODE(i, 0));
			proc_say(turn, children[i]);
		}
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	proc_say(turn, 0);
	for (int i = 0; i < CHILDREN; i++)
		children[i] = (pid_t)proc_hear(turn);
	proc_take(kq, events, 2 * CHILDREN);
	for (int i = 0; i < CHILDREN; i++) {
		int notice = find_event(events, 2 * CHILDREN, children[i], NOTE_CHILD);
		int end = find_event(events, 2 * CHILDREN, children[i], NOTE_EXIT);

		ASSERT_LT(notice, end);
		proc_assert_child(events[notice], children[i], maker);
		PROC_ENDED(events[end], children[i], NOTE_EXIT, W_EXITCODE(i, 0));
	}
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, maker, W_EXITCODE(7, 0));
}

KQ_TEST(own_children, "KQ-195 KQ-196", "a process tracks itself")
{
	int kq = kq_new();

	ASSERT_OK(proc_add(kq, getpid(), TRACK_EXIT));
	for (size_t i = 0; i < ARRAY_SIZE(proc_ways); i++) {
		pid_t child = proc_ways[i].make(3);
		struct kevent events[2];

		proc_take(kq, events, 2);
		assert_child_came_and_went(events, child, getpid());
		ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
	}
	kq_fence(kq);
}

KQ_TEST(child_of_the_grandparent, "KQ-195", "a child made with CLONE_PARENT is one of the process that made it")
{
	int kq = kq_new(), turn;
	pid_t maker, child;
	struct kevent events[2];

	maker = proc_fork(&turn);
	if (!maker) {
		struct clone_args args = { .flags = CLONE_PARENT };

		proc_hear(turn);
		child = proc_clone3(&args);
		if (!child)
			_exit(3);
		proc_say(turn, child);
		proc_hear(turn);
		_exit(7);
	}
	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	child = (pid_t)proc_ask(turn);
	proc_take(kq, events, 2);
	assert_child_came_and_went(events, child, maker);
	proc_status(child);
	end_maker(kq, maker, turn);
}

KQ_TEST(earlier_children, "KQ-195", "children made before EV_ADD are not tracked")
{
	int kq = kq_new(), turn, earlier_turn;
	pid_t maker = proc_fork(&turn);

	if (!maker) {
		pid_t earlier = proc_idle(&earlier_turn);

		proc_say(turn, earlier);
		proc_hear(turn);
		proc_say(earlier_turn, 3);
		proc_status(earlier);
		_exit(7);
	}
	ASSERT_GT(proc_hear(turn), 0);
	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	kq_fence(kq);
	end_maker(kq, maker, turn);
}

KQ_TEST(two_trackers, "KQ-195 KQ-194", "each queue that tracks gets the child, one that does not gets none")
{
	int first = kq_new(), second = kq_new(), other = kq_new(), turn;
	pid_t maker = proc_start_maker(&proc_ways[0], &turn), child;
	struct kevent events[2];

	ASSERT_OK(proc_add(first, maker, TRACK_EXIT));
	ASSERT_OK(proc_add(second, maker, TRACK_EXIT));
	ASSERT_OK(proc_add(other, maker, NOTE_FORK));
	child = proc_make_child(turn);
	proc_take(first, events, 2);
	assert_child_came_and_went(events, child, maker);
	proc_take(second, events, 2);
	assert_child_came_and_went(events, child, maker);
	PROC_NOTES(kq_next(other), maker, NOTE_FORK);
	kq_fence(other);
	ASSERT_SYS(close(first));
	child = proc_make_child(turn);
	proc_take(second, events, 2);
	assert_child_came_and_went(events, child, maker);
	end_maker(second, maker, turn);
	PROC_ENDED(kq_one(other), maker, NOTE_FORK, 0);
}
