// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the queue when processes and threads are made and programs started: the
 * table that has it keeps it untouched, every other one gets EBADF.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_proc.h"

/* A queue with one event, which nobody but the owner may take. */
static int new_queue(void)
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_trigger(kq, 1));
	return kq;
}

/* The event is there, and the queue goes on. */
static void assert_untouched(int kq)
{
	ASSERT_EQ(kq_one(kq).ident, 1);
	kq_fence(kq);
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
	fd_assert_queue_works(kq);
	fd_assert_no_missed(kq);
}

/* Whether the number is closed here or names the queue of somebody else. */
static void assert_useless(int kq)
{
	struct kevent change, event;

	EV_SET(&change, 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
	ASSERT_ERRNO(fd_kevent(kq, NULL, 0, &event, 1, &(struct timespec){ 0 }), EBADF);
	ASSERT_ERRNO(fd_kevent(kq, &change, 1, NULL, 0, NULL), EBADF);
	ASSERT_ERR(kq_poll(kq, &event, 1), EBADF);
	ASSERT_ERR(kq_trigger(kq, 1), EBADF);
}

/* Children without a new program. */

KQ_TEST_EACH(child_ends, "KQ-093 KQ-094",
	     "the end of a child, however it was made, leaves the queue and its waiter alone",
	     proc_ways)
{
	int kq = kq_new();
	struct kq_waiter waiter = { .kq = kq };

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	kq_start_sleeper(&waiter);
	for (int i = 0; i < 5; i++)
		ASSERT_EQ(proc_status(variant->make(3)), W_EXITCODE(3, 0));
	ASSERT_OK(kq_trigger(kq, 1));
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EQ(waiter.event.ident, 1);
	ASSERT_OK(kq_trigger(kq, 1));
	assert_untouched(kq);
}

KQ_TEST(vforked_child, "KQ-093 KQ-094",
	"a vforked child gets EBADF, and its close closes nothing of the owner's")
{
	int kq = new_queue();
	pid_t child = vfork();

	if (!child) {
		assert_useless(kq);
		if (close(kq) && errno != EBADF)
			_exit(KQ_FAIL);
		_exit(0);
	}
	kq_reap(ASSERT_SYS(child));
	assert_untouched(kq);
}

KQ_TEST(child_makes_its_own, "KQ-093", "a queue that a child makes at the same number is its own")
{
	int kq = new_queue();
	pid_t child = kq_fork();

	if (!child) {
		/* Closed for it already, or not. */
		fd_move(kq_new(), FD_HIGH);
		ASSERT_EQ(ASSERT_SYS(dup2(FD_HIGH, kq)), kq);
		kq_none(kq);
		ASSERT_ERR(kq_trigger(kq, 1), ENOENT);
		fd_assert_queue_works(kq);
		_exit(0);
	}
	kq_reap(child);
	assert_untouched(kq);
}

/* New programs: this one, which is told by a variable what to look at. */

#define PROBE_VARIABLE	"KQ_QUEUE_PROBE"

__attribute__((constructor)) static void probe(void)
{
	const char *text = getenv(PROBE_VARIABLE);
	int kq, peer, mode;

	if (!text)
		return;
	ASSERT_EQ(sscanf(text, "%d %d %d", &kq, &peer, &mode), 3);
	switch (mode) {
	case 'u':
		assert_useless(kq);
		break;
	case 'c':
		ASSERT_FALSE(fd_is_open(kq));
		assert_useless(kq);
		break;
	case 'd':
		/* Our queue, closed by our own exec: so is all that it watched. */
		ASSERT_FALSE(fd_is_open(kq));
		fd_assert_eof(peer);
		break;
	case 'n':
		/* No queue at all. */
		ASSERT_ERR(kq_trigger(kq, 1), EBADF);
		break;
	case 'o':
		assert_untouched(kq);
		break;
	}
	_exit(0);
}

static char *probe_arguments[] = { "probe", NULL };

static void set_probe(int kq, int peer, char mode)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %d %d", kq, peer, mode);
	ASSERT_SYS(setenv(PROBE_VARIABLE, text, 1));
}

__attribute__((noreturn)) static void run_probe(void)
{
	execve(PROC_SELF, probe_arguments, environ);
	KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
}

static pid_t start_by_fork(void)
{
	pid_t child = kq_fork();

	if (!child)
		run_probe();
	return child;
}

static pid_t start_by_vfork(void)
{
	pid_t child = vfork();

	if (!child)
		run_probe();
	return ASSERT_SYS(child);
}

static pid_t start_by_spawn(void)
{
	pid_t child;

	ASSERT_EQ(posix_spawn(&child, PROC_SELF, NULL, NULL, probe_arguments, environ), 0);
	return child;
}

static void *start_in_thread(void *start)
{
	return (void *)(intptr_t)((pid_t (*)(void))start)();
}

static pid_t start_by_thread(void)
{
	return (pid_t)(intptr_t)kq_join(kq_thread(start_in_thread, start_by_spawn));
}

/* Shares the table until its exec. */
static pid_t start_by_sharing(void)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	pid_t child = proc_clone3(&args);

	if (!child)
		run_probe();
	return child;
}

static const struct {
	const char *name;
	pid_t (*start)(void);
	bool close_on_exec;
} starts[] = {
	{ "fork", start_by_fork, false },
	{ "fork_cloexec", start_by_fork, true },
	{ "vfork", start_by_vfork, false },
	{ "vfork_cloexec", start_by_vfork, true },
	{ "spawn", start_by_spawn, false },
	{ "spawn_cloexec", start_by_spawn, true },
	{ "spawn_in_thread", start_by_thread, false },
	{ "spawn_in_thread_cloexec", start_by_thread, true },
	{ "sharing", start_by_sharing, false },
	{ "sharing_cloexec", start_by_sharing, true },
};

KQ_TEST_EACH(program_of_a_child, "KQ-093 KQ-096",
	     "a program started in a child gets EBADF, the owner keeps its queue", starts)
{
	int kq = new_queue();

	if (variant->close_on_exec)
		ASSERT_SYS(fcntl(kq, F_SETFD, FD_CLOEXEC));
	set_probe(kq, -1, variant->close_on_exec ? 'c' : 'u');
	for (int i = 0; i < 3; i++)
		kq_reap(variant->start());
	assert_untouched(kq);
}

KQ_TEST(spawn_with_actions, "KQ-093 KQ-094",
	"posix_spawn that closes or copies the queue's number leaves the owner alone")
{
	for (int copy = 0; copy < 2; copy++) {
		posix_spawn_file_actions_t actions;
		int kq = new_queue();
		pid_t child;

		ASSERT_EQ(posix_spawn_file_actions_init(&actions), 0);
		if (copy)
			ASSERT_EQ(posix_spawn_file_actions_adddup2(&actions, 0, kq), 0);
		else
			ASSERT_EQ(posix_spawn_file_actions_addclose(&actions, kq), 0);
		set_probe(kq, -1, copy ? 'n' : 'c');
		ASSERT_EQ(posix_spawn(&child, PROC_SELF, &actions, NULL, probe_arguments,
				      environ), 0);
		kq_reap(child);
		assert_untouched(kq);
	}
}

/* The owner's own exec. */

static void *exec_probe(void *argument)
{
	run_probe();
	return argument;
}

static void exec_from_leader(void)
{
	run_probe();
}

static void exec_from_thread(void)
{
	kq_join(kq_thread(exec_probe, NULL));
}

static void exec_with_waiter(void)
{
	struct kq_waiter waiter = { .kq = kq_new() };

	kq_start_sleeper(&waiter);
	run_probe();
}

static const struct {
	const char *name;
	void (*exec)(void);
} execs[] = {
	{ "leader", exec_from_leader },
	{ "thread", exec_from_thread },
	{ "with_waiter", exec_with_waiter },
};

KQ_TEST_EACH(own_exec, "KQ-096",
	     "exec of the owner keeps a queue that is not close-on-exec, event and all",
	     execs)
{
	set_probe(new_queue(), -1, 'o');
	variant->exec();
}

KQ_TEST_EACH(own_exec_closes, "KQ-096 KQ-012",
	     "exec of the owner ends a close-on-exec queue, also when a child still holds its file",
	     execs)
{
	int kq = new_queue(), fds[2], turn;
	pid_t child = proc_fork(&turn);

	if (!child) {
		proc_say(turn, 0);
		kq_await_poll(turn, POLLIN);
		_exit(0);
	}
	proc_hear(turn);
	ASSERT_SYS(fcntl(turn, F_SETFD, 0));
	kq_unix_stream(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_SYS(fcntl(kq, F_SETFD, FD_CLOEXEC));
	ASSERT_SYS(fcntl(fds[0], F_SETFD, FD_CLOEXEC));
	set_probe(kq, fds[1], 'd');
	variant->exec();
}

/* One table, several processes or threads. */

static pid_t fork_sharing_files(void)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };

	return proc_clone3(&args);
}

KQ_TEST(sharing_process_uses_it, "KQ-092",
	"a process that shares the table uses the queue as its own")
{
	int kq = kq_new(), turn[2];
	pid_t child;

	proc_open_turns(turn);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	child = fork_sharing_files();
	if (!child) {
		ASSERT_OK(kq_add(kq, 2, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		ASSERT_OK(kq_trigger(kq, 2));
		proc_say(turn[1], 0);
		proc_hear(turn[1]);
		ASSERT_EQ(kq_next(kq).ident, 1);
		_exit(0);
	}
	proc_hear(turn[0]);
	ASSERT_EQ(kq_one(kq).ident, 2);
	proc_say(turn[0], 0);
	kq_await_waiter(&child);
	ASSERT_OK(kq_trigger(kq, 1));
	kq_reap(child);
	/* Its end is no close. */
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_OK(kq_del(kq, 2, EVFILT_USER));
	assert_untouched(kq);
}

KQ_TEST(sharing_process_inherits_it, "KQ-092 KQ-105",
	"the queue lives on in a process that shares the table when its maker has ended")
{
	int turn;
	pid_t maker = proc_fork(&turn);

	if (!maker) {
		int kq = new_queue();
		pid_t child = fork_sharing_files();

		if (child)
			_exit(0);
		proc_hear(turn);
		assert_untouched(kq);
		proc_say(turn, 0);
		_exit(0);
	}
	kq_reap(maker);
	proc_ask(turn);
}

static void *make_queue(void *argument KQ_UNUSED)
{
	return (void *)(intptr_t)new_queue();
}

KQ_TEST(maker_thread_ends, "KQ-105", "the end of the thread that made a queue is nothing to it")
{
	int kq = (int)(intptr_t)kq_join(kq_thread(make_queue, NULL));

	assert_untouched(kq);
}

KQ_TEST(unshare_of_nothing, "KQ-093",
	"unshare(CLONE_FILES) of a table that nobody shares changes nothing")
{
	int kq;

	/* The runner may have started a thread. */
	proc_alone();
	kq = new_queue();
	ASSERT_SYS(unshare(CLONE_FILES));
	assert_untouched(kq);
}

struct stayer {
	int kq;
	volatile bool go;
};

static void *stay(void *argument)
{
	struct stayer *stayer = argument;

	while (!__atomic_load_n(&stayer->go, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_untouched(stayer->kq);
	return NULL;
}

KQ_TEST(leader_unshares, "KQ-093",
	"a leader that unshares its table loses the queue to the threads that stay")
{
	struct stayer stayer = { .kq = new_queue() };
	pthread_t thread = kq_thread(stay, &stayer);

	ASSERT_SYS(unshare(CLONE_FILES));
	assert_useless(stayer.kq);
	ASSERT_SYS(close(stayer.kq));
	__atomic_store_n(&stayer.go, true, __ATOMIC_RELEASE);
	kq_join(thread);
}
