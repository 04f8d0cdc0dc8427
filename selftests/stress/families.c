// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the ways to make a process or thread that has the descriptors of another
 * one: fork, vfork, spawn, clone and unshare of the table, exec. Each has a queue
 * and a descriptor that nobody else touches, so what must become of them is
 * known exactly.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actions.h"

#define INHERITED	7	/* ident of the user event that survives an exec */

struct family {
	int kq;
	int pipe[2];
	struct thread *thread;
};

static const struct timespec now;

static bool family_open(struct family *f)
{
	struct kevent change;

	f->kq = kqueue1(O_CLOEXEC);
	if (f->kq < 0 || pipe2(f->pipe, O_NONBLOCK | O_CLOEXEC)) {
		defect("family", "%s", strerror(errno));
		return false;
	}
	EV_SET(&change, f->pipe[0], EVFILT_READ, EV_ADD, 0, 0, f);
	if (!kevent(f->kq, &change, 1, NULL, 0, NULL))
		return true;
	defect("family", "EV_ADD: %s", strerror(errno));
	return false;
}

static void family_close(struct family *f)
{
	close(f->kq);
	close(f->pipe[0]);
	close(f->pipe[1]);
}

/* The queue is ours and the registration is there: not zero if not. */
static int family_wrong(const struct family *f)
{
	const struct timespec limit = { .tv_sec = 60 };
	struct kevent event;
	int count;

	if (write(f->pipe[1], "", 1) != 1)
		return 10;
	do {
		count = kevent(f->kq, NULL, 0, &event, 1, &limit);
	} while (count < 0 && errno == EINTR);
	if (count != 1)
		return 11;
	return event.ident == (uintptr_t)f->pipe[0] && event.data == 1 && event.udata == f ? 0 : 12;
}

/* Whatever the others did with their copies, ours is as it was. */
static void family_untouched(struct family *f, const char *who)
{
	int wrong = family_wrong(f);

	if (wrong)
		defect(who, "the registration it should not reach: %d", wrong);
	family_close(f);
}

static bool is_unusable(int kq)
{
	struct kevent event;

	return kevent(kq, NULL, 0, &event, 1, &now) == -1 && errno == EBADF;
}

/* A child with a table of its own: closes copies, finds the queues unusable. */
static int copied(const struct family *f)
{
	struct thread *t = f->thread;

	for (int i = 0; i < 8; i++)
		close(slot(t));
	if (!is_unusable(f->kq))
		return 1;
	for (int i = 0; i < QUEUES_PLAIN; i++)
		if (!is_unusable(QUEUE_BASE + i))
			return 2;
	for (int i = QUEUES_PLAIN; i < QUEUES; i++)
		is_unusable(QUEUE_BASE + i);
	if (rnd(t, 2))
		close(f->pipe[0]);
	if (rnd(t, 2))
		close(f->kq);
	if (rnd(t, 2))
		syscall(SYS_close_range, SLOT_BASE, SLOT_END - 1, 0);
	return 0;
}

/* What a child does that uses queues of its own. */
static int busy(struct thread *t)
{
	struct family own = { .thread = t };
	int wrong;

	if (!family_open(&own))
		return 3;
	for (uint32_t n = rnd(t, 6); n; n--) {
		struct kevent change;

		random_add(t, &change);
		/* Children that are followed would have registrations of their own. */
		if (change.filter == EVFILT_PROC || change.filter == EVFILT_PROCDESC)
			change.fflags &= ~NOTE_TRACK;
		if (kevent(own.kq, &change, 1, NULL, 0, NULL))
			continue;
		/* What comes next is the one event that family_wrong() causes. */
		change.flags = EV_DELETE;
		if (kevent(own.kq, &change, 1, NULL, 0, NULL) && errno != ENOENT && errno != EBADF)
			return 4;
	}
	wrong = family_wrong(&own);
	if (rnd(t, 2))
		family_close(&own);
	return wrong;
}

void act_fork(struct thread *t)
{
	struct family f = { .thread = t };
	bool own = rnd(t, 2);
	pid_t pid;

	if (!family_open(&f))
		return;
	pid = fork();
	if (!pid) {
		int wrong = copied(&f);

		_exit(wrong || !own ? wrong : busy(t));
	}
	reap("fork", pid);
	family_untouched(&f, "fork");
}

static void __attribute__((noreturn)) run_true(void)
{
	char *const arguments[] = { "stress", "--true", NULL };
	char *const environment[] = { NULL };

	execve("/proc/self/exe", arguments, environment);
	_exit(20);
}

/* The child has our memory until it ends or executes. */
void act_vfork(struct thread *t)
{
	struct family f = { .thread = t };
	bool exec = !rnd(t, 4);
	pid_t pid;

	if (!family_open(&f))
		return;
	pid = vfork();
	if (!pid) {
		syscall(SYS_close_range, SLOT_BASE, SLOT_END - 1, 0);
		close(f.pipe[0]);
		if (exec)
			run_true();
		_exit(is_unusable(f.kq) ? 0 : 1);
	}
	reap("vfork", pid);
	family_untouched(&f, "vfork");
}

void act_spawn(struct thread *t)
{
	char *const arguments[] = { "stress", "--true", NULL };
	char *const environment[] = { NULL };
	struct family f = { .thread = t };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int error;

	if (!family_open(&f))
		return;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, f.pipe[1], f.pipe[0]);
	posix_spawn_file_actions_addclose(&actions, f.kq);
	error = posix_spawn(&pid, "/proc/self/exe", &actions, NULL, arguments, environment);
	posix_spawn_file_actions_destroy(&actions);
	if (error)
		defect("posix_spawn", "%s", strerror(error));
	else
		reap("posix_spawn", pid);
	family_untouched(&f, "posix_spawn");
}

/* A process that has the same table: may use the queue, and its close counts. */
void act_share(struct thread *t)
{
	struct family f = { .thread = t };
	struct kevent change, event;
	bool closes = rnd(t, 2), exec = !rnd(t, 4);
	pid_t pid;

	if (!family_open(&f))
		return;
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		int wrong = family_wrong(&f);

		if (wrong)
			_exit(wrong);
		act_register(t);
		act_wait(t);
		act_close(t);
		if (closes)
			close(f.pipe[0]);
		if (exec)
			run_true();
		_exit(0);
	}
	reap("clone", pid);
	/* The byte is still there, so the registration is ready if there is one. */
	EV_SET(&change, f.pipe[0], EVFILT_READ, EV_DELETE, 0, 0, NULL);
	if (kevent(f.kq, NULL, 0, &event, 1, &now) != (closes ? 0 : 1))
		defect("clone", "events although closed %d", closes);
	if (kevent(f.kq, &change, 1, NULL, 0, NULL) != (closes ? -1 : 0))
		defect("clone", "a registration although closed %d", closes);
	close(f.kq);
	close(f.pipe[1]);
	if (!closes)
		close(f.pipe[0]);
}

static void *unshared(void *argument)
{
	struct family *f = argument;
	int wrong;

	if (unshare(CLONE_FILES)) {
		defect("unshare", "%s", strerror(errno));
		return NULL;
	}
	wrong = copied(f);
	if (!wrong)
		wrong = busy(f->thread);
	if (wrong)
		defect("unshare", "status %d", wrong);
	return NULL;
}

void act_unshare(struct thread *t)
{
	struct family f = { .thread = t };
	pthread_t thread;
	int error;

	if (!family_open(&f))
		return;
	error = pthread_create(&thread, NULL, unshared, &f);
	if (error)
		defect("pthread_create", "%s", strerror(error));
	else
		pthread_join(thread, NULL);
	family_untouched(&f, "unshare");
}

/* In the child: a queue without close-on-exec goes on after it. */
static void __attribute__((noreturn)) exec_with_queue(struct thread *t)
{
	char number[16];
	char *const arguments[] = { "stress", "--inherited", number, NULL };
	char *const environment[] = { NULL };
	struct kevent change;
	int kq = kqueue();

	EV_SET(&change, INHERITED, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, NULL);
	if (kq < 0 || kevent(kq, &change, 1, NULL, 0, NULL))
		_exit(30);
	for (uint32_t n = rnd(t, 6); n; n--) {
		random_add(t, &change);
		if (change.filter != EVFILT_USER)
			kevent(kq, &change, 1, NULL, 0, NULL);
	}
	snprintf(number, sizeof(number), "%d", kq);
	execve("/proc/self/exe", arguments, environment);
	_exit(31);
}

/* The program after that exec: returns an exit status. */
static int inherited(int kq)
{
	struct kevent change, events[EVENTS];

	for (int i = 0; i < QUEUES_PLAIN; i++)
		if (!is_unusable(QUEUE_BASE + i))
			return 32;
	EV_SET(&change, INHERITED, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	if (kevent(kq, &change, 1, NULL, 0, NULL))
		return 33;
	/* Others may be ready again and again; each has its turn. */
	for (int rounds = 0; rounds < 100; rounds++) {
		int count = kevent(kq, NULL, 0, events, EVENTS, &now);

		if (count <= 0)
			return 34;
		for (int i = 0; i < count; i++)
			if (events[i].filter == EVFILT_USER && events[i].ident == INHERITED)
				return 0;
	}
	return 35;
}

/* First of all in each program of the game: it may have been executed by one of the above. */
void family_executed(char **argv)
{
	if (argv[1] && !strcmp(argv[1], "--true"))
		exit(0);
	if (argv[1] && argv[2] && !strcmp(argv[1], "--inherited"))
		exit(inherited(atoi(argv[2])));
}

void act_exec(struct thread *t)
{
	pid_t pid = fork();

	if (!pid)
		exec_with_queue(t);
	reap("exec", pid);
}
