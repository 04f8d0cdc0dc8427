// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that EVFILT_SIGNAL counts for one process: the one that
 * registered, through exec and stops, and neither its children nor those it
 * sends to.
 */
#include "kq_test.h"
#include "kq_signal.h"

#define SIGNAL	SIGUSR1

static void await_byte(int fd)
{
	char byte;

	ASSERT_EQ(read(fd, &byte, 1), 1);
}

/* Ends that wait: a child and its parent take turns. */
static void open_turns(int fds[2])
{
	ASSERT_SYS(pipe(fds));
}

KQ_TEST(forked_child, "KQ-233 KQ-093 KQ-094", "signals of a forked child do not count, neither does its end")
{
	int kq = kq_new();
	pid_t child;

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	child = kq_fork();
	if (!child) {
		struct kevent event;

		signal_send(SIGNAL);
		raise(SIGNAL);
		ASSERT_ERR(kq_poll(kq, &event, 1), EBADF);
		_exit(0);
	}
	kq_reap(child);
	kq_fence(kq);
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

KQ_TEST(sent_to_another, "KQ-233", "a signal counts where it is sent to, not where it comes from")
{
	int kq = kq_new(), ready[2];
	pid_t child;

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	open_turns(ready);
	child = kq_fork();
	if (!child) {
		int own = kq_new();

		ASSERT_OK(signal_add(own, SIGNAL));
		kq_write(ready[1], "r", 1);
		ASSERT_EVENT(kq_next(own), SIGNAL, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
		kq_fence(own);
		signal_send(SIGNAL);
		signal_assert(own, SIGNAL, 1);
		_exit(0);
	}
	await_byte(ready[0]);
	ASSERT_SYS(kill(child, SIGNAL));
	kq_reap(child);
	kq_fence(kq);
}

KQ_TEST(sent_by_another, "KQ-233", "a signal from another process counts")
{
	int kq = kq_new();
	pid_t child;

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	child = kq_fork();
	if (!child) {
		for (int i = 0; i < 5; i++)
			ASSERT_SYS(kill(getppid(), SIGNAL));
		_exit(0);
	}
	kq_reap(child);
	signal_assert(kq, SIGNAL, 5);
}

KQ_TEST(sent_to_the_group, "KQ-233", "a signal for a process group counts once in each process that watches")
{
	int kq, ready[2], end[2];
	pid_t child;

	signal_alone();
	signal_ignore(SIGNAL);
	kq = kq_new();
	ASSERT_OK(signal_add(kq, SIGNAL));
	open_turns(ready);
	open_turns(end);
	child = kq_fork();
	if (!child) {
		int own = kq_new();

		ASSERT_OK(signal_add(own, SIGNAL));
		kq_write(ready[1], "r", 1);
		await_byte(end[0]);
		signal_assert(own, SIGNAL, 1);
		_exit(0);
	}
	await_byte(ready[0]);
	ASSERT_SYS(kill(0, SIGNAL));
	kq_write(end[1], "e", 1);
	kq_reap(child);
	signal_assert(kq, SIGNAL, 1);
}

/* Stops: of the registered process, by its parent. */

static void watch_through_stop(int ready, int end)
{
	int kq = kq_new();
	struct kevent events[4];

	signal_ignore(SIGCONT);
	ASSERT_OK(signal_add(kq, SIGSTOP));
	ASSERT_OK(signal_add(kq, SIGKILL));
	ASSERT_OK(signal_add(kq, SIGCONT));
	kq_write(ready, "r", 1);
	await_byte(end);
	ASSERT_EQ(kq_poll(kq, events, ARRAY_SIZE(events)), 2);
	ASSERT_EVENT(events[0], SIGSTOP, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
	ASSERT_EVENT(events[1], SIGCONT, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
	kq_fence(kq);
}

KQ_TEST(stop_and_continue, "KQ-243 KQ-239", "SIGSTOP and SIGKILL may be watched, SIGCONT counts when ignored")
{
	int ready[2], end[2], status;
	pid_t child;

	open_turns(ready);
	open_turns(end);
	child = kq_fork();
	if (!child) {
		watch_through_stop(ready[1], end[0]);
		_exit(0);
	}
	await_byte(ready[0]);
	ASSERT_SYS(kill(child, SIGSTOP));
	ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_SYS(kill(child, SIGCONT));
	ASSERT_EQ(waitpid(child, &status, WCONTINUED), child);
	ASSERT_TRUE(WIFCONTINUED(status));
	kq_write(end[1], "e", 1);
	kq_reap(child);
}

KQ_TEST(killed_with_a_knote, "KQ-239 KQ-105", "SIGKILL ends a process that watches it, and its queue")
{
	int fds[2], ready[2], status;
	pid_t child;

	kq_unix_stream(fds);
	open_turns(ready);
	child = kq_fork();
	if (!child) {
		int kq = kq_new();

		close(fds[1]);
		for (int signo = 1; signo <= SIGRTMAX; signo++)
			ASSERT_OK(signal_add(kq, signo));
		kq_write(ready[1], "r", 1);
		kq_next(kq);
		_exit(0);
	}
	close(fds[0]);
	await_byte(ready[0]);
	ASSERT_SYS(kill(child, SIGKILL));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(WTERMSIG(status), SIGKILL);
	ASSERT_EQ(read(fds[1], &status, 1), 0);
}

/* exec: the new program is this one, entered by a variable. */

#define EXEC_VARIABLE	"KQ_SIGNAL_AFTER_EXEC"

__attribute__((constructor)) static void enter_after_exec(void)
{
	const char *text = getenv(EXEC_VARIABLE);
	int kq;

	if (!text)
		return;
	kq = atoi(text);
	signal_send(SIGNAL);
	/* One from before. */
	signal_assert(kq, SIGNAL, 2);
	raise(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
	ASSERT_OK(kq_del(kq, SIGNAL, EVFILT_SIGNAL));
	_exit(0);
}

static void *exec_self(void *argument)
{
	char text[20], *arguments[] = { "after-exec", NULL };

	snprintf(text, sizeof(text), "%d", *(int *)argument);
	ASSERT_SYS(setenv(EXEC_VARIABLE, text, 1));
	execve("/proc/self/exe", arguments, environ);
	KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
}

KQ_TEST(exec_goes_on, "KQ-096 KQ-233", "exec keeps the knote, what it has counted, and the counting")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	signal_send(SIGNAL);
	exec_self(&kq);
}

KQ_TEST(exec_from_a_thread, "KQ-096 KQ-233", "the same when a thread that is not the leader execs")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	signal_send(SIGNAL);
	kq_join(kq_thread(exec_self, &kq));
}

/* Who registered. */

static void *register_signal(void *argument)
{
	ASSERT_OK(signal_add(*(int *)argument, SIGNAL));
	return NULL;
}

KQ_TEST(registered_by_a_thread, "KQ-233", "the process is watched on when the thread that registered has ended")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	kq_join(kq_thread(register_signal, &kq));
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

KQ_TEST(exec_after_the_thread_ended, "KQ-096 KQ-233", "exec keeps a knote whose thread has ended")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	kq_join(kq_thread(register_signal, &kq));
	signal_send(SIGNAL);
	kq_join(kq_thread(exec_self, &kq));
}

KQ_TEST(sharing_process_registers, "KQ-233",
	"a process that shares the descriptors watches itself, and its end leaves an idle knote")
{
	int kq = kq_new();
	pid_t child;

	signal_ignore(SIGNAL);
	child = ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL));
	if (!child) {
		ASSERT_OK(signal_add(kq, SIGNAL));
		ASSERT_SYS(kill(getppid(), SIGNAL));
		kq_fence(kq);
		signal_send(SIGNAL);
		_exit(0);
	}
	kq_reap(child);
	signal_assert(kq, SIGNAL, 1);
	signal_send(SIGNAL);
	kq_fence(kq);
	ASSERT_OK(kq_del(kq, SIGNAL, EVFILT_SIGNAL));
	ASSERT_OK(signal_add(kq, SIGNAL));
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}
