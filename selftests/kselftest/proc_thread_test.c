// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that threads are no processes: that they begin and end is no
 * event, what they do is done by their process, whichever of them is left.
 */
#include "kq_test.h"
#include "kq_proc.h"

#define PROC_ALL	(NOTE_EXIT | NOTE_FORK | NOTE_EXEC)

static void *end_thread(void *argument)
{
	return argument;
}

KQ_TEST(thread_is_no_fork, "KQ-187 KQ-189", "threads that begin and end are no event")
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		for (int i = 0; i < 10; i++)
			kq_join(kq_thread(end_thread, NULL));
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, child, PROC_ALL | NOTE_TRACK));
	proc_ask(turn);
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

struct execer {
	int turn;
	bool alone;
};

static void *exec_in_thread(void *argument)
{
	struct execer *execer = argument;

	while (execer->alone && proc_state(getpid(), getpid()) != 'Z')
		sched_yield();
	proc_exec(execer->turn);
}

static void *wait_in_thread(void *argument)
{
	for (;;)
		pause();
	return argument;
}

static const struct {
	const char *name;
	bool leader_ends, others;
} execs[] = {
	{ "from_a_thread", false, false },
	{ "from_one_of_many", false, true },
	{ "after_the_leader", true, true },
};

KQ_TEST_EACH(exec_from_a_thread, "KQ-190 KQ-188 KQ-189",
	     "exec from a thread that is not the leader is one NOTE_EXEC, and the knote stays", execs)
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		static struct execer execer;

		execer = (struct execer){ .turn = turn, .alone = variant->leader_ends };
		for (int i = 0; variant->others && i < 4; i++)
			kq_thread(wait_in_thread, NULL);
		proc_hear(turn);
		kq_thread(exec_in_thread, &execer);
		if (variant->leader_ends)
			syscall(SYS_exit, 3);
		wait_in_thread(NULL);
	}
	ASSERT_OK(proc_add(kq, child, PROC_ALL | NOTE_TRACK));
	ASSERT_EQ(proc_ask(turn), child);
	PROC_NOTES(kq_next(kq), child, NOTE_EXEC);
	kq_fence(kq);
	ASSERT_OK(proc_add(kq, child, PROC_ALL));
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child);
}

static void end_group(int status)
{
	syscall(SYS_exit_group, status);
}

static void end_last_thread(int status)
{
	syscall(SYS_exit, status);
}

static void end_by_signal(int status KQ_UNUSED)
{
	raise(SIGKILL);
}

static const struct late_end {
	const char *name;
	void (*end)(int status);
	int status;		/* -1: what wait(2) says */
} late_ends[] = {
	{ "group", end_group, W_EXITCODE(5, 0) },
	/* Thread by thread: kernels differ in whether the leader or the last one has the word. */
	{ "last_thread", end_last_thread, -1 },
	{ "signal", end_by_signal, W_EXITCODE(0, SIGKILL) },
};

struct survivor {
	int turn;
	const struct late_end *variant;
};

static void *survive_leader(void *argument)
{
	struct survivor *survivor = argument;

	while (proc_state(getpid(), getpid()) != 'Z')
		sched_yield();
	proc_say(survivor->turn, 0);
	proc_hear(survivor->turn);
	kq_reap(proc_by_fork(0));
	proc_say(survivor->turn, 0);
	proc_hear(survivor->turn);
	survivor->variant->end(5);
	return NULL;
}

/* A process whose leader has ended while another thread goes on. */
static pid_t start_survivor(const struct late_end *variant, int *turn)
{
	pid_t child = proc_fork(turn);

	if (!child) {
		static struct survivor survivor;

		survivor = (struct survivor){ .turn = *turn, .variant = variant };
		proc_hear(*turn);
		kq_thread(survive_leader, &survivor);
		syscall(SYS_exit, 3);
	}
	return child;
}

static void assert_late_end(int kq, pid_t child, const struct late_end *variant)
{
	struct kevent event = kq_next(kq);
	int status = proc_status(child);

	PROC_ENDED(event, child, NOTE_EXIT, status);
	if (variant->status >= 0)
		ASSERT_EQ(status, variant->status);
}

KQ_TEST_EACH(leader_ends_first, "KQ-189 KQ-187", "a process ends with its last thread, once, and lives until then",
	     late_ends)
{
	int kq = kq_new(), turn;
	pid_t child = start_survivor(variant, &turn);

	ASSERT_OK(proc_add(kq, child, PROC_ALL));
	proc_ask(turn);
	kq_fence(kq);
	proc_ask(turn);
	PROC_NOTES(kq_next(kq), child, NOTE_FORK);
	kq_fence(kq);
	proc_say(turn, 0);
	assert_late_end(kq, child, variant);
	proc_assert_gone(kq, child);
}

KQ_TEST_EACH(added_after_the_leader, "KQ-189 KQ-185", "a process without its leader is no zombie", late_ends)
{
	int kq = kq_new(), other = kq_new(), turn;
	pid_t child = start_survivor(variant, &turn);

	proc_ask(turn);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	ASSERT_OK(proc_add(other, child, NOTE_FORK));
	kq_fence(kq);
	proc_ask(turn);
	PROC_NOTES(kq_next(other), child, NOTE_FORK);
	kq_fence(kq);
	proc_say(turn, 0);
	assert_late_end(kq, child, variant);
	proc_assert_gone(kq, child);
	proc_assert_gone(other, child);
}

KQ_TEST(many_threads_end, "KQ-189", "a process with many threads ends once")
{
	long long start = kq_now();
	int kq = kq_new();

	for (int i = 0; kq_more(i, 30, start); i++) {
		int turn;
		pid_t child = proc_fork(&turn);

		if (!child) {
			for (int j = 0; j < 8; j++)
				kq_thread(j % 2 ? wait_in_thread : end_thread, NULL);
			_exit((int)proc_hear(turn));
		}
		ASSERT_OK(proc_add(kq, child, PROC_ALL));
		proc_say(turn, 7);
		PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
		proc_assert_gone(kq, child);
	}
}
