// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what a process knote does with its end: modified, disabled, deleted and
 * dispatched ones, several of them, and numbers that are used again.
 */
#include "kq_test.h"
#include "kq_proc.h"

/* Modified. */

KQ_TEST(disarmed, "KQ-191", "modified to fflags 0 the end gives nothing, and the knote is gone")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	ASSERT_OK(proc_add(kq, child, 0));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

static const struct {
	const char *name;
	unsigned int asked;
} unasked[] = {
	{ "nothing", 0 },
	{ "fork", NOTE_FORK },
	{ "exec", NOTE_EXEC },
	{ "track", NOTE_TRACK },
	{ "exitstatus", NOTE_EXITSTATUS },
};

KQ_TEST_EACH(not_asked, "KQ-191", "an end that was not asked for gives nothing, and the knote is gone", unasked)
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, variant->asked));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(not_asked_while_disabled, "KQ-191", "the same for a disabled knote, which EV_ENABLE does not find")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_ctl(kq, child, EV_ADD | EV_DISABLE, NOTE_FORK));
	proc_say(turn, 7);
	proc_status(child);
	ASSERT_ERR(proc_ctl(kq, child, EV_ENABLE, 0), ENOENT);
	proc_assert_gone(kq, child);
}

KQ_TEST(armed_late, "KQ-192", "modified from 0 to NOTE_EXIT the end is reported")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, 0));
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(words_of_a_modify, "KQ-192 KQ-053",
	"a change without EV_ADD replaces fflags only by others than 0, udata always")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(kq_add(kq, child, EVFILT_PROC, 0, 0, 0, NULL));
	ASSERT_OK(kq_ctl(kq, child, EVFILT_PROC, 0, NOTE_EXIT, 0, NULL));
	ASSERT_OK(kq_ctl(kq, child, EVFILT_PROC, 0, 0, 0, PROC_MARK));
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

KQ_TEST(end_survives_a_modify, "KQ-191 KQ-193", "an end that was recorded is not taken back by a modify")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_ctl(kq, child, EV_ADD | EV_DISABLE, NOTE_EXIT));
	proc_say(turn, 7);
	proc_await_zombie(child);
	ASSERT_OK(proc_add(kq, child, NOTE_FORK));
	ASSERT_OK(proc_ctl(kq, child, EV_ENABLE, 0));
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

/* Disabled. */

KQ_TEST(disable_and_enable, "KQ-053", "EV_DISABLE, then EV_ENABLE, both with fflags 0, keep the stored fflags")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	ASSERT_OK(proc_ctl(kq, child, EV_DISABLE, 0));
	ASSERT_OK(proc_ctl(kq, child, EV_ENABLE, 0));
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

static const struct {
	const char *name;
	bool collect;
} orders[] = {
	{ "zombie", false },
	{ "collected", true },
};

KQ_TEST_EACH(exit_while_disabled, "KQ-193 KQ-053", "an end while disabled is delivered after EV_ENABLE", orders)
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	ASSERT_OK(proc_ctl(kq, child, EV_DISABLE, 0));
	proc_say(turn, 7);
	proc_await_zombie(child);
	if (variant->collect)
		ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	kq_fence(kq);
	ASSERT_OK(proc_ctl(kq, child, EV_ENABLE, 0));
	PROC_ENDED(kq_one(kq), child, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
	if (!variant->collect)
		ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
}

KQ_TEST_EACH(delete_discards, "KQ-193", "EV_DELETE discards an end that was not collected", orders)
{
	static const unsigned int states[] = { EV_ENABLE, EV_DISABLE };

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		int kq = kq_new(), turn;
		pid_t child = proc_idle(&turn);

		ASSERT_OK(proc_ctl(kq, child, EV_ADD | states[i], NOTE_EXIT));
		proc_say(turn, 7);
		proc_await_zombie(child);
		if (variant->collect)
			proc_status(child);
		ASSERT_OK(proc_del(kq, child));
		proc_assert_gone(kq, child);
		if (!variant->collect)
			proc_status(child);
	}
}

KQ_TEST(delete_before, "KQ-184", "EV_DELETE of a process that goes on leaves it alone")
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	ASSERT_OK(proc_del(kq, child));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

static const struct {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
	{ "receipt", EV_RECEIPT },
	{ "all", EV_CLEAR | EV_ONESHOT | EV_DISPATCH | EV_RECEIPT },
};

KQ_TEST_EACH(kind_of_knote, "KQ-181", "the flags of creation come back with the end, which is the last event", kinds)
{
	int kq = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_ctl(kq, child, EV_ADD | variant->flags, NOTE_EXIT));
	proc_say(turn, 7);
	ASSERT_EVENT(kq_next(kq), child, EVFILT_PROC, PROC_END | variant->flags, NOTE_EXIT,
		     W_EXITCODE(7, 0), PROC_MARK);
	proc_assert_gone(kq, child);
	proc_status(child);
}

/* Several. */

KQ_TEST(two_queues, "KQ-194", "two queues both get the end")
{
	int first = kq_new(), second = kq_new(), turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(first, child, NOTE_EXIT));
	ASSERT_OK(proc_add(second, child, NOTE_EXIT));
	proc_say(turn, 7);
	PROC_ENDED(kq_next(first), child, NOTE_EXIT, W_EXITCODE(7, 0));
	PROC_NEXT_END(second, child, W_EXITCODE(7, 0));
	proc_assert_gone(first, child);
	proc_assert_gone(second, child);
}

KQ_TEST(queues_are_independent, "KQ-194", "of many queues those that asked get the end, after others were closed")
{
	int queues[12], turn;
	pid_t child = proc_idle(&turn);

	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		queues[i] = kq_new();
		ASSERT_OK(proc_add(queues[i], child, i % 4 == 1 ? NOTE_FORK : NOTE_EXIT));
	}
	for (size_t i = 0; i < ARRAY_SIZE(queues); i += 4) {
		ASSERT_SYS(close(queues[i]));
		ASSERT_OK(proc_del(queues[i + 2], child));
	}
	proc_say(turn, 7);
	for (size_t i = 0; i < ARRAY_SIZE(queues); i += 4) {
		PROC_ENDED(kq_next(queues[i + 3]), child, NOTE_EXIT, W_EXITCODE(7, 0));
		proc_assert_gone(queues[i + 1], child);
		proc_assert_gone(queues[i + 2], child);
		proc_assert_gone(queues[i + 3], child);
	}
	proc_status(child);
}

KQ_TEST(two_watchers, "KQ-194 KQ-183", "two processes both get the end of a third")
{
	int watched_turn, turns[2];
	pid_t watched = proc_idle(&watched_turn), watchers[2];

	for (size_t i = 0; i < ARRAY_SIZE(watchers); i++) {
		watchers[i] = proc_fork(&turns[i]);
		if (!watchers[i]) {
			int kq = kq_new();

			ASSERT_OK(proc_add(kq, watched, NOTE_EXIT));
			proc_say(turns[i], 0);
			PROC_ENDED(kq_next(kq), watched, NOTE_EXIT, W_EXITCODE(7, 0));
			proc_assert_gone(kq, watched);
			_exit(0);
		}
		proc_hear(turns[i]);
	}
	proc_say(watched_turn, 7);
	kq_reap(watchers[0]);
	kq_reap(watchers[1]);
	ASSERT_EQ(proc_status(watched), W_EXITCODE(7, 0));
}

KQ_TEST(watcher_killed, "KQ-184 KQ-194", "the end of a watcher leaves the watched process and other watchers alone")
{
	int kq = kq_new(), watched_turn, turn;
	pid_t watched = proc_idle(&watched_turn), watcher;

	ASSERT_OK(proc_add(kq, watched, NOTE_EXIT));
	watcher = proc_fork(&turn);
	if (!watcher) {
		int own = kq_new();

		ASSERT_OK(proc_add(own, watched, NOTE_EXIT));
		proc_say(turn, 0);
		kq_next(own);
		_exit(0);
	}
	proc_hear(turn);
	ASSERT_SYS(kill(watcher, SIGKILL));
	ASSERT_EQ(proc_status(watcher), W_EXITCODE(0, SIGKILL));
	kq_fence(kq);
	proc_say(watched_turn, 7);
	PROC_NEXT_END(kq, watched, W_EXITCODE(7, 0));
}

KQ_TEST(stop_and_continue, "KQ-181", "a process that is stopped and continued posts nothing")
{
	int kq = kq_new(), turn, status;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT | NOTE_FORK | NOTE_EXEC | NOTE_TRACK));
	ASSERT_SYS(kill(child, SIGSTOP));
	ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
	ASSERT_TRUE(WIFSTOPPED(status));
	kq_fence(kq);
	ASSERT_SYS(kill(child, SIGCONT));
	ASSERT_EQ(waitpid(child, &status, WCONTINUED), child);
	ASSERT_TRUE(WIFCONTINUED(status));
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

/* A process with a number that was used before; it ends with the status it is told. */
static pid_t idle_with_number(pid_t number, int *turn)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1,
	};
	int ends[2];
	long child;

	proc_open_turns(ends);
	child = syscall(SYS_clone3, &args, sizeof(args));
	if (child < 0 && errno == EPERM)
		KQ_SKIP("needs root to choose the number of a process");
	if (child < 0 && errno == EEXIST)
		KQ_SKIP("somebody else got the number of the process");
	ASSERT_SYS(child);
	*turn = ends[!child];
	ASSERT_SYS(close(ends[!!child]));
	if (!child)
		_exit((int)proc_hear(*turn));
	ASSERT_EQ(child, number);
	return number;
}

KQ_TEST(number_used_again, "KQ-193", "an end that waits survives another process with the same number")
{
	int kq = kq_new(), turn, second_turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	idle_with_number(child, &second_turn);
	PROC_ENDED(kq_one(kq), child, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	kq_fence(kq);
	proc_say(second_turn, 9);
	PROC_NEXT_END(kq, child, W_EXITCODE(9, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(number_watched_again, "KQ-193",
	"EV_ADD of a process whose number an undelivered end has watches it, and loses neither")
{
	struct kevent events[2];
	int kq = kq_new(), turn, second_turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	idle_with_number(child, &second_turn);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(second_turn, 9);
	ASSERT_EQ(proc_status(child), W_EXITCODE(9, 0));
	proc_take(kq, events, 2);
	PROC_ENDED(events[0], child, NOTE_EXIT, W_EXITCODE(7, 0));
	PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(9, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(number_watched_while_disabled, "KQ-193",
	"an end that a disabled knote holds comes when its number is watched for another process")
{
	struct kevent events[2];
	int kq = kq_new(), turn, second_turn;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(kq_add(kq, child, EVFILT_PROC, EV_DISABLE, NOTE_EXIT, 0, NULL));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	kq_fence(kq);
	idle_with_number(child, &second_turn);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	proc_say(second_turn, 9);
	ASSERT_EQ(proc_status(child), W_EXITCODE(9, 0));
	ASSERT_EQ(kq_collect(kq, events, 2), 2);
	ASSERT_EQ(events[0].data, W_EXITCODE(7, 0));
	ASSERT_EQ(events[1].data, W_EXITCODE(9, 0));
	proc_assert_gone(kq, child);
}

KQ_TEST(number_tracked_while_disabled, "KQ-193 KQ-195",
	"an end that a disabled knote holds comes when a tracked child gets its number")
{
	struct kevent events[2];
	int kq = kq_new(), turn, second_turn, end;
	pid_t child = proc_idle(&turn);

	ASSERT_OK(kq_add(kq, child, EVFILT_PROC, EV_DISABLE, NOTE_EXIT, 0, PROC_MARK));
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	kq_fence(kq);
	ASSERT_OK(proc_add(kq, getpid(), NOTE_TRACK));
	idle_with_number(child, &second_turn);
	proc_take(kq, events, 2);
	end = events[0].fflags & NOTE_EXIT ? 0 : 1;
	PROC_ENDED(events[end], child, NOTE_EXIT, W_EXITCODE(7, 0));
	ASSERT_EQ(events[!end].ident, (uintptr_t)child);
	ASSERT_TRUE(events[!end].fflags & NOTE_CHILD);
}
