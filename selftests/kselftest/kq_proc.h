/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of processes share: children that take turns with their
 * parent, every way to make a child, running this program again, and the events
 * a process causes. Include after kq_test.h.
 */
#ifndef KQ_PROC_H
#define KQ_PROC_H

#include <linux/sched.h>
#include <spawn.h>

#define PROC_MARK	((void *)7)	/* udata of all knotes made here */
#define PROC_FLAGS	(EV_ADD | EV_CLEAR)
#define PROC_END	(PROC_FLAGS | EV_ONESHOT | EV_EOF)

extern char **environ;

/* Turns: one process says a word, the other waits for it. No word is lost, none is doubled. */

static inline void proc_say_at(const char *file, int line, int turn, long word)
{
	if (send(turn, &word, sizeof(word), MSG_NOSIGNAL) != sizeof(word))
		kq_fail(file, line, "the other process does not listen: %s", kq_errno_name(errno));
}
#define proc_say(turn, word)	proc_say_at(__FILE__, __LINE__, turn, word)

static inline long proc_hear_at(const char *file, int line, int turn)
{
	long word;
	ssize_t size;

	do
		size = read(turn, &word, sizeof(word));
	while (size < 0 && errno == EINTR);
	if (size != sizeof(word))
		kq_fail(file, line, "the other process ended without a word");
	return word;
}
#define proc_hear(turn)		proc_hear_at(__FILE__, __LINE__, turn)

/* The other process does what it was asked for, and answers. */
#define proc_ask(turn)			\
	({				\
		proc_say(turn, 0);	\
		proc_hear(turn);	\
	})

static inline void proc_open_turns(int ends[2])
{
	ASSERT_SYS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
}

/* Each of the two gets its own end, so the end of the child is seen as well. */
static inline pid_t proc_fork(int *turn)
{
	int ends[2];
	pid_t child;

	proc_open_turns(ends);
	child = kq_fork();
	*turn = ends[!child];
	ASSERT_SYS(close(ends[!!child]));
	return child;
}

/* A child that ends with the status it is told. */
static inline pid_t proc_idle(int *turn)
{
	pid_t child = proc_fork(turn);

	if (!child)
		_exit((int)proc_hear(*turn));
	return child;
}

/* Collects a child of any kind: its status. */
static inline int proc_status_at(const char *file, int line, pid_t child)
{
	int status;

	while (waitpid(child, &status, __WALL) != child)
		if (errno != EINTR)
			kq_fail(file, line, "waitpid: %s", kq_errno_name(errno));
	return status;
}
#define proc_status(child)	proc_status_at(__FILE__, __LINE__, child)

/* Returns when the child has ended, and leaves it a zombie. */
static inline void proc_await_zombie(pid_t child)
{
	siginfo_t info;

	ASSERT_SYS(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
}

/* A child that has ended with a status and was not collected. */
static inline pid_t proc_zombie(int status)
{
	pid_t child = kq_fork();

	if (!child)
		_exit(status);
	proc_await_zombie(child);
	return child;
}

/*
 * A case whose children need a parent of their own goes on in a process with
 * one thread.
 */
static inline void proc_alone(void)
{
	pid_t child = kq_fork();

	if (child) {
		kq_reap(child);
		_exit(KQ_PASS);
	}
}

/* State of a task in /proc, 0 if there is none. */
static inline char proc_state(pid_t pid, pid_t tid)
{
	char path[64], text[512] = "";
	const char *state;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	state = strrchr(text, ')');
	return state && state[1] ? state[2] : 0;
}

static inline int proc_pidfd(pid_t pid)
{
	return ASSERT_SYS((int)syscall(SYS_pidfd_open, pid, 0));
}

/*
 * This program again, which is told by a variable what it is for: to end with
 * a status, or to take turns first.
 */

#define PROC_VARIABLE	"KQ_PROC_AFTER_EXEC"

__attribute__((constructor)) static void proc_after_exec(void)
{
	const char *text = getenv(PROC_VARIABLE);
	int turn, status;

	if (!text)
		return;
	ASSERT_EQ(sscanf(text, "%d %d", &turn, &status), 2);
	if (turn < 0)
		_exit(status);
	proc_say(turn, getpid());
	_exit((int)proc_hear(turn));
}

static inline void proc_set_exec(int turn, int status)
{
	char text[32];

	snprintf(text, sizeof(text), "%d %d", turn, status);
	ASSERT_SYS(setenv(PROC_VARIABLE, text, 1));
}

/* Of the thread: the leader of the process may have ended. */
#define PROC_SELF	"/proc/thread-self/exe"

/* Goes on as a new program, which answers, and ends with the status it is told. */
__attribute__((noreturn))
static inline void proc_exec(int turn)
{
	char *arguments[] = { "after-exec", NULL };

	ASSERT_SYS(fcntl(turn, F_SETFD, 0));
	proc_set_exec(turn, 0);
	execve(PROC_SELF, arguments, environ);
	KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
}

/* Every way to make a child: one that ends at once with a status. Returns its number. */

static inline pid_t proc_by_fork(int status)
{
	pid_t child = kq_fork();

	if (!child)
		_exit(status);
	return child;
}

static inline pid_t proc_by_vfork(int status)
{
	pid_t child = vfork();

	if (!child)
		_exit(status);
	return ASSERT_SYS(child);
}

static inline pid_t proc_by_spawn(int status)
{
	char *arguments[] = { "after-exec", NULL };
	pid_t child;

	proc_set_exec(-1, status);
	ASSERT_EQ(posix_spawn(&child, PROC_SELF, NULL, NULL, arguments, environ), 0);
	return child;
}

static inline pid_t proc_clone3(struct clone_args *args)
{
	return ASSERT_SYS((pid_t)syscall(SYS_clone3, args, sizeof(*args)));
}

static inline pid_t proc_by_clone3(int status)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PIDFD, .pidfd = (uintptr_t)&pidfd, .exit_signal = SIGCHLD,
	};
	pid_t child = proc_clone3(&args);

	if (!child)
		_exit(status);
	ASSERT_SYS(close(pidfd));
	return child;
}

/* Says nothing to its parent when it ends. */
static inline pid_t proc_by_silent_clone(int status)
{
	struct clone_args args = { 0 };
	pid_t child = proc_clone3(&args);

	if (!child)
		_exit(status);
	return child;
}

static inline int proc_run_shared(void *status)
{
	syscall(SYS_exit_group, (int)(intptr_t)status);
	return 0;
}

/* Shares everything but the process: memory, files, signal handlers. */
static inline pid_t proc_by_sharing_clone(int status)
{
	size_t size = 64 << 10;
	char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(stack != MAP_FAILED);
	return ASSERT_SYS(clone(proc_run_shared, stack + size, CLONE_VM | CLONE_FS | CLONE_FILES |
				CLONE_SIGHAND | SIGCHLD, (void *)(intptr_t)status));
}

static inline void *proc_run_fork(void *status)
{
	return (void *)(intptr_t)proc_by_fork((int)(intptr_t)status);
}

static inline pid_t proc_by_thread(int status)
{
	return (pid_t)(intptr_t)kq_join(kq_thread(proc_run_fork, (void *)(intptr_t)status));
}

/* For KQ_TEST_EACH(): variant->make(status). */
static const struct proc_way {
	const char *name;
	pid_t (*make)(int status);
} proc_ways[] KQ_UNUSED = {
	{ "fork", proc_by_fork },
	{ "vfork", proc_by_vfork },
	{ "spawn", proc_by_spawn },
	{ "clone3", proc_by_clone3 },
	{ "silent_clone", proc_by_silent_clone },
	{ "sharing_clone", proc_by_sharing_clone },
	{ "thread_forks", proc_by_thread },
};

/* Knotes and events */

static inline int proc_add(int kq, pid_t pid, unsigned int asked)
{
	return kq_add(kq, pid, EVFILT_PROC, 0, asked, 0, PROC_MARK);
}

static inline int proc_ctl(int kq, pid_t pid, unsigned int flags, unsigned int asked)
{
	return kq_ctl(kq, pid, EVFILT_PROC, flags, asked, 0, PROC_MARK);
}

static inline int proc_del(int kq, pid_t pid)
{
	return kq_del(kq, pid, EVFILT_PROC);
}

/* Notes of a process that goes on. */
#define PROC_NOTES(event, pid, set) \
	ASSERT_EVENT(event, pid, EVFILT_PROC, PROC_FLAGS, set, 0, PROC_MARK)
/* Its last ones. */
#define PROC_ENDED(event, pid, set, status) \
	ASSERT_EVENT(event, pid, EVFILT_PROC, PROC_END, set, status, PROC_MARK)
/* The next event is that end, and the process had that status for its parent, too. */
#define PROC_NEXT_END(kq, pid, status)					\
	do {								\
		PROC_ENDED(kq_next(kq), pid, NOTE_EXIT, status);	\
		ASSERT_EQ(proc_status(pid), status);			\
	} while (0)

/* Nothing is left of a knote: no event, no registration. */
static inline void proc_assert_gone_at(const char *file, int line, int kq, pid_t pid)
{
	int error;

	kq_fence_at(file, line, kq, NULL, 0);
	error = proc_del(kq, pid);
	if (error != -ENOENT)
		kq_fail(file, line, "EV_DELETE of process %d: wanted ENOENT, got %s", pid,
			kq_errno_name(-error));
}
#define proc_assert_gone(kq, pid)	proc_assert_gone_at(__FILE__, __LINE__, kq, pid)

/* The next count events, however many calls hand them out. */
static inline void proc_take_at(const char *file, int line, int kq, struct kevent *events,
				int count)
{
	for (int found = 0, got; found < count; found += got) {
		got = kq_wait(kq, events + found, count - found, -1);
		if (got <= 0)
			kq_fail(file, line, "kevent() gave %d", got);
	}
}
#define proc_take(kq, events, count)	proc_take_at(__FILE__, __LINE__, kq, events, count)

static inline bool proc_is_child_notice(const struct kevent *event)
{
	return event->filter == EVFILT_PROC && event->fflags == NOTE_CHILD;
}

/* The notice of a tracked child; its flags may say more about the parent's knote. */
static inline void proc_assert_child_at(const char *file, int line, struct kevent event,
					pid_t child, pid_t parent)
{
	unsigned int flags = EV_ONESHOT | EV_CLEAR;

	if (!proc_is_child_notice(&event) || event.ident != (uintptr_t)child ||
	    event.data != parent || event.udata != PROC_MARK || (event.flags & flags) != flags ||
	    event.flags & (EV_EOF | EV_ERROR))
		kq_fail(file, line, "wanted the notice of %d, child of %d, got %s", child, parent,
			kq_text(&event));
}
#define proc_assert_child(event, child, parent) \
	proc_assert_child_at(__FILE__, __LINE__, event, child, parent)

/* Tracking */

/*
 * A process that makes a child each time it is told 1, and answers with its
 * number when it has collected it. Told 0 it ends with 7.
 */
static inline pid_t proc_start_maker(const struct proc_way *way, int *turn)
{
	pid_t maker = proc_fork(turn);

	if (!maker) {
		while (proc_hear(*turn)) {
			pid_t child = way->make(3);

			ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
			proc_say(*turn, child);
		}
		_exit(7);
	}
	return maker;
}

static inline pid_t proc_make_child(int turn)
{
	proc_say(turn, 1);
	return (pid_t)proc_hear(turn);
}

/* A process, and how to take turns with it. */
struct proc_runner {
	pid_t pid;
	int turn;
};

/*
 * The queue tracks maker, which has made a child that runs: told a status the
 * child ends. The maker makes another one each time it is told 1, and all say
 * their number on the child's turn. Told 0 the maker ends with 7.
 */
static inline void proc_start_tracked(int kq, unsigned int flags, unsigned int asked,
				      struct proc_runner *maker, struct proc_runner *child)
{
	int ends[2];

	proc_open_turns(ends);
	child->turn = ends[0];
	maker->pid = proc_fork(&maker->turn);
	if (!maker->pid) {
		while (proc_hear(maker->turn)) {
			pid_t pid = kq_fork();

			if (!pid) {
				proc_say(ends[1], getpid());
				_exit((int)proc_hear(ends[1]));
			}
			proc_say(maker->turn, pid);
		}
		_exit(7);
	}
	ASSERT_SYS(close(ends[1]));
	ASSERT_OK(proc_ctl(kq, maker->pid, EV_ADD | flags, asked));
	child->pid = proc_make_child(maker->turn);
	ASSERT_EQ(proc_hear(child->turn), child->pid);
}

static inline void proc_end_maker(const struct proc_runner *maker)
{
	proc_say(maker->turn, 0);
	ASSERT_EQ(proc_status(maker->pid), W_EXITCODE(7, 0));
}

#endif /* KQ_PROC_H */
