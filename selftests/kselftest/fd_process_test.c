// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a registration belongs to one descriptor table: what
 * other processes, tables and messages do with the file leaves it alone, what
 * exec and exit do to its own table ends it.
 */
#include "kq_test.h"
#include "kq_fd.h"

extern char **environ;

/* READ, idle, on the first end of a new pair. */
static void watch_pair(int kq, int fds[2])
{
	kq_unix_stream(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, (void *)5));
}

static void assert_alive(int kq, int fds[2])
{
	kq_write(fds[1], "abc", 3);
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 3, (void *)5);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	kq_none(kq);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(forked_child_closes, "KQ-091",
	     "a forked child closing its copy removes nothing of the parent's",
	     fd_ways)
{
	int kq = kq_new(), fds[2];
	pid_t child;

	watch_pair(kq, fds);
	child = kq_fork();
	if (!child) {
		variant->close(fds[0]);
		close(kq);
		_exit(0);
	}
	kq_reap(child);
	assert_alive(kq, fds);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
}

KQ_TEST(forked_child_exits, "KQ-091 KQ-094",
	"a forked child that exits or is killed removes nothing")
{
	int kq = kq_new(), fds[2], status;
	pid_t child;

	watch_pair(kq, fds);
	child = kq_fork();
	if (!child)
		_exit(0);
	kq_reap(child);
	assert_alive(kq, fds);
	child = kq_fork();
	if (!child)
		for (;;)
			pause();
	ASSERT_SYS(kill(child, SIGKILL));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	assert_alive(kq, fds);
}

KQ_TEST(forked_child_execs, "KQ-091",
	"close-on-exec in a forked child removes nothing of the parent's")
{
	int kq = kq_new(), fds[2];
	char *arguments[] = { "true", NULL };
	pid_t child;

	watch_pair(kq, fds);
	ASSERT_SYS(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
	ASSERT_SYS(fcntl(kq, F_SETFD, FD_CLOEXEC));
	child = kq_fork();
	if (!child) {
		execvp(arguments[0], arguments);
		KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
	}
	kq_reap(child);
	assert_alive(kq, fds);
	child = ASSERT_SYS(vfork());
	if (!child) {
		execvp(arguments[0], arguments);
		_exit(1);
	}
	kq_reap(child);
	assert_alive(kq, fds);
}

KQ_TEST(parent_closes_child_keeps, "KQ-083 KQ-091",
	"the copy in a forked child does not keep the parent's registration")
{
	int kq = kq_new(), fds[2], hold[2];
	pid_t child;

	watch_pair(kq, fds);
	kq_pipe(hold);
	child = kq_fork();
	if (!child) {
		close(hold[1]);
		kq_await_poll(hold[0], POLLIN);
		_exit(0);
	}
	close(fds[0]);
	kq_write(fds[1], "x", 1);
	fd_assert_unregistered(kq, fds[0]);
	close(hold[1]);
	kq_reap(child);
}

/* Processes and threads that share the table. */

static pid_t fork_sharing_files(void)
{
	return ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD,
					 NULL, NULL, NULL, NULL));
}

KQ_TEST_EACH(sharing_process_closes, "KQ-082 KQ-091",
	     "a process that shares the table closes for all who share it",
	     fd_ways)
{
	int kq = kq_new(), fds[2];
	pid_t child;

	if (variant->close == fd_by_close_range_unshare)
		KQ_SKIP("unshares the table first, see unshared_table_closes");
	watch_pair(kq, fds);
	child = fork_sharing_files();
	if (!child) {
		variant->close(fds[0]);
		_exit(0);
	}
	kq_reap(child);
	fd_assert_unregistered(kq, fds[0]);
	fd_assert_no_missed(kq);
}

KQ_TEST(sharing_process_exits, "KQ-091 KQ-094",
	"the exit of a process that shares the table removes nothing")
{
	int kq = kq_new(), fds[2];
	pid_t child;

	watch_pair(kq, fds);
	child = fork_sharing_files();
	if (!child)
		_exit(0);
	kq_reap(child);
	assert_alive(kq, fds);
}

KQ_TEST(sharing_process_unshares_on_close_range, "KQ-091",
	"CLOSE_RANGE_UNSHARE in a sharing process removes nothing")
{
	int kq = kq_new(), fds[2];
	pid_t child;

	watch_pair(kq, fds);
	child = fork_sharing_files();
	if (!child) {
		fd_by_close_range_unshare(fds[0]);
		_exit(0);
	}
	kq_reap(child);
	assert_alive(kq, fds);
}

struct unsharer {
	int kq, number;
	const struct fd_way *way;
};

static void *unshare_and_close(void *argument)
{
	const struct unsharer *work = argument;
	struct kevent event;

	ASSERT_SYS(unshare(CLONE_FILES));
	ASSERT_ERR(kq_poll(work->kq, &event, 1), EBADF);
	work->way->close(work->number);
	return NULL;
}

KQ_TEST_EACH(unshared_table_closes, "KQ-091",
	     "closing in a thread's own copy of the table removes nothing",
	     fd_ways)
{
	struct unsharer work = { .kq = kq_new(), .way = variant };
	int fds[2];

	watch_pair(work.kq, fds);
	work.number = fds[0];
	kq_join(kq_thread(unshare_and_close, &work));
	assert_alive(work.kq, fds);
	ASSERT_OK(kq_del(work.kq, fds[0], EVFILT_READ));
}

/* exec of the owner: the new program is this one, entered by a variable. */

struct exec_state {
	int kq, kept, kept_peer, closed, closed_peer;
	int usable;	/* the queue is expected to work */
};

static void after_exec(const struct exec_state *state)
{
	int fds[2] = { state->kept, state->kept_peer };
	struct kevent event;

	ASSERT_FALSE(fd_is_open(state->closed));
	if (!state->usable) {
		ASSERT_ERR(kq_poll(state->kq, &event, 1), EBADF);
		return;
	}
	fd_assert_eof(state->closed_peer);
	kq_none(state->kq);
	fd_assert_unregistered(state->kq, state->closed);
	assert_alive(state->kq, fds);
}

__attribute__((constructor)) static void enter_after_exec(void)
{
	const char *text = getenv("KQ_FD_AFTER_EXEC");
	struct exec_state s;

	if (!text)
		return;
	ASSERT_EQ(sscanf(text, "%d %d %d %d %d %d", &s.kq, &s.kept,
			 &s.kept_peer, &s.closed, &s.closed_peer, &s.usable), 6);
	after_exec(&s);
	_exit(0);
}

static void prepare_exec(struct exec_state *s)
{
	int fds[2];

	s->kq = kq_new();
	watch_pair(s->kq, fds);
	s->kept = fds[0];
	s->kept_peer = fds[1];
	watch_pair(s->kq, fds);
	s->closed = fds[0];
	s->closed_peer = fds[1];
	ASSERT_SYS(fcntl(s->closed, F_SETFD, FD_CLOEXEC));
}

static void exec_self(const struct exec_state *s)
{
	char text[100], *arguments[] = { "after-exec", NULL };

	snprintf(text, sizeof(text), "%d %d %d %d %d %d", s->kq, s->kept,
		 s->kept_peer, s->closed, s->closed_peer, s->usable);
	ASSERT_SYS(setenv("KQ_FD_AFTER_EXEC", text, 1));
	execve("/proc/self/exe", arguments, environ);
	KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
}

KQ_TEST(exec_keeps_the_queue, "KQ-086 KQ-096",
	"exec closes close-on-exec numbers with their knotes, the queue goes on")
{
	struct exec_state state = { .usable = 1 };

	prepare_exec(&state);
	exec_self(&state);
}

static void *exec_in_thread(void *state)
{
	exec_self(state);
	return NULL;
}

KQ_TEST(exec_from_a_thread, "KQ-086 KQ-096",
	"exec from a thread that is not the leader keeps queue and knotes")
{
	struct exec_state state = { .usable = 1 };

	prepare_exec(&state);
	kq_join(kq_thread(exec_in_thread, &state));
}

KQ_TEST(exec_of_a_sharing_process, "KQ-086 KQ-091",
	"exec of a process that shared the table gets a copy without the queue")
{
	struct exec_state state = { .usable = 0 };
	int fds[2];
	pid_t child;

	prepare_exec(&state);
	child = fork_sharing_files();
	if (!child)
		exec_self(&state);
	kq_reap(child);
	fds[0] = state.kept;
	fds[1] = state.kept_peer;
	assert_alive(state.kq, fds);
	fds[0] = state.closed;
	fds[1] = state.closed_peer;
	assert_alive(state.kq, fds);
}

/* The end of the owner. */

static void *sleep_in_kevent(void *argument)
{
	struct kevent event;

	kq_wait(*(int *)argument, &event, 1, -1);
	return NULL;
}

static void end_by_exit(void)
{
	_exit(0);
}

static void end_by_kill(void)
{
	raise(SIGKILL);
}

static void *exit_group(void *argument)
{
	(void)argument;
	_exit(0);
}

static void end_by_thread(void)
{
	kq_join(kq_thread(exit_group, NULL));
}

static void end_by_leader_first(void)
{
	kq_thread(exit_group, NULL);
	pthread_exit(NULL);
}

static const struct {
	const char *name;
	void (*end)(void);
	bool waiter;		/* with a thread asleep in kevent */
} ends[] = {
	{ "exit", end_by_exit, false },
	{ "exit_with_waiter", end_by_exit, true },
	{ "kill", end_by_kill, false },
	{ "kill_with_waiter", end_by_kill, true },
	{ "exit_in_thread", end_by_thread, true },
	{ "leader_exits_first", end_by_leader_first, true },
};

KQ_TEST_EACH(owner_ends, "KQ-082 KQ-105",
	     "the end of the process ends queue, knotes and files", ends)
{
	int fds[2], status;
	pid_t child;

	kq_unix_stream(fds);
	child = kq_fork();
	if (!child) {
		static int kq;
		pthread_t thread;

		kq = kq_new();
		close(fds[1]);
		ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
		ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, 0, 1000000, NULL));
		if (variant->waiter)
			thread = kq_thread(sleep_in_kevent, &kq);
		(void)thread;
		variant->end();
	}
	close(fds[0]);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	fd_assert_eof(fds[1]);
}

/* Files in messages. */

KQ_TEST(file_in_flight, "KQ-083",
	"a file in a message keeps no knote of the closed number")
{
	int kq = kq_new(), fds[2], over[2], received;

	watch_pair(kq, fds);
	kq_unix_stream(over);
	fd_send(over[1], fds[0]);
	close(fds[0]);
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	received = fd_receive(over[0]);
	ASSERT_ERR(kq_del(kq, received, EVFILT_READ), ENOENT);
	ASSERT_OK(kq_add(kq, received, EVFILT_READ, 0, 0, 0, (void *)6));
	ASSERT_EVENT(kq_one(kq), received, EVFILT_READ, EV_ADD, 0, 1, (void *)6);
	kq_drain(received);
	close(received);
	fd_assert_eof(fds[1]);
	fd_assert_no_missed(kq);
}

KQ_TEST(message_is_dropped, "KQ-083",
	"a watched file whose last home was an unread message ends with it")
{
	int kq = kq_new(), fds[2], over[2];

	watch_pair(kq, fds);
	kq_unix_stream(over);
	fd_send(over[1], fds[0]);
	close(fds[0]);
	close(over[0]);
	close(over[1]);
	fd_assert_eof(fds[1]);
}

KQ_TEST(garbage_collection_works, "KQ-083",
	"watched sockets that are in flight over themselves are collected")
{
	int kq = kq_new(), pair[2], pipe_ends[2];
	struct pollfd end = { .events = POLLIN };

	watch_pair(kq, pair);
	ASSERT_OK(kq_add(kq, pair[1], EVFILT_READ, 0, 0, 0, NULL));
	kq_pipe(pipe_ends);
	ASSERT_OK(kq_add(kq, pipe_ends[1], EVFILT_WRITE, 0, 0, 0, NULL));
	fd_send(pair[1], pipe_ends[1]);
	fd_send(pair[1], pair[0]);
	fd_send(pair[1], pair[1]);
	close(pipe_ends[1]);
	close(pair[0]);
	close(pair[1]);
	end.fd = pipe_ends[0];
	/* The close of any unix socket starts the collector. */
	while (!poll(&end, 1, 10))
		close(ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM, 0)));
	fd_assert_eof(pipe_ends[0]);
	kq_fence(kq);
}
