// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of NOTE_FORK and NOTE_EXEC, and of notes that collect until
 * they are delivered.
 */
#include "kq_test.h"
#include "kq_proc.h"

#define PROC_ALL	(NOTE_EXIT | NOTE_FORK | NOTE_EXEC)

/* Forks. */

KQ_TEST_EACH(fork, "KQ-187", "a new child process is one NOTE_FORK, whatever it does", proc_ways)
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		for (int i = 0; i < 2; i++) {
			pid_t grandchild;

			proc_hear(turn);
			grandchild = variant->make(5);
			proc_say(turn, 0);
			/* Its end and its collection are no event of this process. */
			ASSERT_EQ(proc_status(grandchild), W_EXITCODE(5, 0));
			proc_say(turn, 0);
		}
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, child, PROC_ALL));
	kq_fence(kq);
	for (int i = 0; i < 2; i++) {
		proc_ask(turn);
		PROC_NOTES(kq_next(kq), child, NOTE_FORK);
		proc_hear(turn);
		kq_fence(kq);
	}
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

KQ_TEST(child_of_the_grandparent, "KQ-187", "the process that called clone(CLONE_PARENT) has forked")
{
	int kq = kq_new(), turn;
	pid_t child, sibling;

	child = proc_fork(&turn);
	if (!child) {
		struct clone_args args = { .flags = CLONE_PARENT };

		proc_hear(turn);
		sibling = proc_clone3(&args);
		if (!sibling)
			_exit(3);
		proc_say(turn, sibling);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, child, PROC_ALL));
	sibling = (pid_t)proc_ask(turn);
	PROC_NOTES(kq_next(kq), child, NOTE_FORK);
	ASSERT_EQ(proc_status(sibling), W_EXITCODE(3, 0));
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

KQ_TEST(forks_merge, "KQ-187", "several forks are one event without a count")
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		for (int i = 0; i < 10; i++)
			kq_reap(proc_by_fork(0));
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, child, NOTE_FORK));
	proc_ask(turn);
	PROC_NOTES(kq_next(kq), child, NOTE_FORK);
	kq_fence(kq);
	proc_say(turn, 0);
	kq_reap(child);
	proc_assert_gone(kq, child);
}

KQ_TEST(failed_fork, "KQ-187", "a fork that fails is no event")
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		pid_t taken = getpid();
		/* Fails late: a number is given out when nearly all is done. */
		struct clone_args args = {
			.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&taken, .set_tid_size = 1,
		};

		proc_hear(turn);
		ASSERT_EQ(syscall(SYS_clone3, &args, sizeof(args)), -1);
		args = (struct clone_args){ .flags = CLONE_SIGHAND };
		ASSERT_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_add(kq, child, PROC_ALL | NOTE_TRACK));
	proc_ask(turn);
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

/* Programs. */

KQ_TEST(exec, "KQ-188", "NOTE_EXEC when another program runs, and none for one that does not")
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		char *arguments[] = { "none", NULL };
		int fd = ASSERT_SYS(memfd_create("program", MFD_CLOEXEC));

		kq_write(fd, "\1\2\3\4", 4);
		ASSERT_SYS(fchmod(fd, 0755));
		proc_hear(turn);
		ASSERT_ERRNO(execve("/proc/self/none", arguments, environ), ENOENT);
		ASSERT_ERRNO(execve("/", arguments, environ), EACCES);
		/* Refused after the file was read. */
		ASSERT_ERRNO(fexecve(fd, arguments, environ), ENOEXEC);
		proc_say(turn, 0);
		proc_hear(turn);
		proc_exec(turn);
	}
	ASSERT_OK(proc_add(kq, child, PROC_ALL));
	proc_ask(turn);
	kq_fence(kq);
	ASSERT_EQ(proc_ask(turn), child);
	PROC_NOTES(kq_next(kq), child, NOTE_EXEC);
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

static const struct {
	const char *name;
	unsigned int asked, set;
} notes[] = {
	{ "all", PROC_ALL, PROC_ALL },
	{ "all_and_exitstatus", PROC_ALL | NOTE_EXITSTATUS, PROC_ALL | NOTE_EXITSTATUS },
	{ "exit", NOTE_EXIT, NOTE_EXIT },
	{ "fork_and_exit", NOTE_FORK | NOTE_EXIT, NOTE_FORK | NOTE_EXIT },
	{ "exec_and_exit", NOTE_EXEC | NOTE_EXIT, NOTE_EXEC | NOTE_EXIT },
	/* The end itself is not asked for: what was there before it comes with the flags of the end. */
	{ "fork", NOTE_FORK, NOTE_FORK },
	{ "exec", NOTE_EXEC, NOTE_EXEC },
	{ "fork_and_exec", NOTE_FORK | NOTE_EXEC, NOTE_FORK | NOTE_EXEC },
};

KQ_TEST_EACH(notes_collect, "KQ-187 KQ-188 KQ-191",
	     "what was asked for comes in one event with the flags of the end", notes)
{
	int kq = kq_new(), turn, status = variant->set & NOTE_EXIT ? W_EXITCODE(7, 0) : 0;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		kq_reap(proc_by_fork(0));
		proc_exec(turn);
	}
	ASSERT_OK(proc_add(kq, child, variant->asked));
	proc_ask(turn);
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	PROC_ENDED(kq_next(kq), child, variant->set, status);
	proc_assert_gone(kq, child);
}

KQ_TEST(notes_survive_a_modify, "KQ-187 KQ-053", "a modify changes what is recorded from now on")
{
	int kq = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		kq_reap(proc_by_fork(0));
		proc_say(turn, 0);
		proc_hear(turn);
		proc_exec(turn);
	}
	ASSERT_OK(proc_ctl(kq, child, EV_ADD | EV_DISABLE, NOTE_FORK | NOTE_EXEC));
	proc_ask(turn);
	kq_fence(kq);
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	kq_fence(kq);
	ASSERT_OK(proc_ctl(kq, child, EV_ENABLE, 0));
	PROC_NOTES(kq_one(kq), child, NOTE_FORK);
	proc_ask(turn);
	kq_fence(kq);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, child, W_EXITCODE(7, 0));
}

KQ_TEST(oneshot_and_dispatch, "KQ-187", "EV_ONESHOT ends with the first event, EV_DISPATCH waits for EV_ENABLE")
{
	int oneshot = kq_new(), dispatch = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		kq_reap(proc_by_fork(0));
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(proc_ctl(oneshot, child, EV_ADD | EV_ONESHOT, PROC_ALL));
	ASSERT_OK(proc_ctl(dispatch, child, EV_ADD | EV_DISPATCH, PROC_ALL));
	proc_ask(turn);
	ASSERT_EVENT(kq_next(oneshot), child, EVFILT_PROC, PROC_FLAGS | EV_ONESHOT, NOTE_FORK, 0,
		     PROC_MARK);
	ASSERT_EVENT(kq_next(dispatch), child, EVFILT_PROC, PROC_FLAGS | EV_DISPATCH, NOTE_FORK, 0,
		     PROC_MARK);
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	proc_assert_gone(oneshot, child);
	kq_fence(dispatch);
	ASSERT_OK(proc_ctl(dispatch, child, EV_ENABLE, 0));
	ASSERT_EVENT(kq_one(dispatch), child, EVFILT_PROC, PROC_END | EV_DISPATCH, NOTE_EXIT,
		     W_EXITCODE(7, 0), PROC_MARK);
	proc_assert_gone(dispatch, child);
}

KQ_TEST(two_queues, "KQ-194 KQ-187 KQ-188", "each of two queues gets the notes it asked for")
{
	int first = kq_new(), second = kq_new(), turn;
	pid_t child;

	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		kq_reap(proc_by_fork(0));
		proc_exec(turn);
	}
	ASSERT_OK(proc_add(first, child, NOTE_FORK));
	ASSERT_OK(proc_add(second, child, NOTE_EXEC | NOTE_EXIT));
	proc_ask(turn);
	PROC_NOTES(kq_next(first), child, NOTE_FORK);
	PROC_NOTES(kq_next(second), child, NOTE_EXEC);
	proc_say(turn, 7);
	PROC_NEXT_END(second, child, W_EXITCODE(7, 0));
	proc_assert_gone(first, child);
	proc_assert_gone(second, child);
}

KQ_TEST(own_fork, "KQ-187", "a process gets its own NOTE_FORK")
{
	int kq = kq_new();

	ASSERT_OK(proc_add(kq, getpid(), PROC_ALL));
	kq_fence(kq);
	for (int i = 0; i < 2; i++) {
		kq_reap(proc_by_vfork(0));
		PROC_NOTES(kq_next(kq), getpid(), NOTE_FORK);
		kq_fence(kq);
	}
}

/* Our own exec: the new program gets its number and that of the queue by a variable. */

#define OWN_VARIABLE	"KQ_PROC_OWN_EXEC"

__attribute__((constructor)) static void after_own_exec(void)
{
	const char *text = getenv(OWN_VARIABLE);
	int kq, pid;

	if (!text)
		return;
	ASSERT_EQ(sscanf(text, "%d %d", &kq, &pid), 2);
	ASSERT_EQ(getpid(), pid);
	PROC_NOTES(kq_next(kq), pid, NOTE_EXEC);
	kq_fence(kq);
	ASSERT_OK(proc_del(kq, pid));
	_exit(0);
}

static void *exec_self(void *kq)
{
	char *arguments[] = { "after-own-exec", NULL }, text[40];

	snprintf(text, sizeof(text), "%d %d", *(int *)kq, getpid());
	ASSERT_SYS(setenv(OWN_VARIABLE, text, 1));
	execve(PROC_SELF, arguments, environ);
	KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
}

KQ_TEST(own_exec, "KQ-188 KQ-096", "a process gets its own NOTE_EXEC if the queue stays open")
{
	int kq = kq_new();

	ASSERT_OK(proc_add(kq, getpid(), PROC_ALL));
	exec_self(&kq);
}

KQ_TEST(own_exec_by_a_thread, "KQ-188 KQ-190 KQ-096", "the same when a thread that is not the leader execs")
{
	int kq = kq_new();

	ASSERT_OK(proc_add(kq, getpid(), PROC_ALL));
	kq_join(kq_thread(exec_self, &kq));
}
