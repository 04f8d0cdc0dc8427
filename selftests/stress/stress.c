// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the long race: threads of one process register, trigger, wait, close,
 * replace, duplicate and fork at random on shared queues and descriptors, while
 * files change, processes come and go and signals arrive.
 * Judges errno of every call while it runs and what is left when it ended.
 *
 * Usage: stress [SECONDS [SEED [THREADS]]]. Exit 0 good, 1 bad, 4 no kqueue.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/close_range.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/event.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <linux/kqueue.h>

#include "game.h"
#include "leak.h"
#include "objects.h"
#include "processes.h"
#include "tree.h"

#define IDENTS		8	/* of TIMER, USER and FS */
#define EVENTS		16

enum action {
	ACT_REGISTER,
	ACT_CHANGE,
	ACT_BATCH,
	ACT_WAIT,
	ACT_TRIGGER,
	ACT_IO,
	ACT_OPEN,
	ACT_CLOSE,
	ACT_DUP,
	ACT_CLOSE_RANGE,
	ACT_QUEUE_OPEN,
	ACT_QUEUE_CLOSE,
	ACT_QUEUE_DUP,
	ACT_QUEUE_WATCHED,
	ACT_CONNECT,
	ACT_FORK,
	ACT_PROCESS,
	ACT_SIGNAL,
	ACT_TREE,
	ACT_TREE_OPEN,
	ACT_MOUNT,
	ACTIONS,
};

/* How often each comes, relative to the others. */
static const struct {
	const char *name;
	int weight;
} actions[ACTIONS] = {
	[ACT_REGISTER]		= { "register", 60 },
	[ACT_CHANGE]		= { "change", 30 },
	[ACT_BATCH]		= { "batch", 15 },
	[ACT_WAIT]		= { "wait", 60 },
	[ACT_TRIGGER]		= { "trigger", 20 },
	[ACT_IO]		= { "io", 60 },
	[ACT_OPEN]		= { "open", 40 },
	[ACT_CLOSE]		= { "close", 15 },
	[ACT_DUP]		= { "dup", 10 },
	[ACT_CLOSE_RANGE]	= { "close_range", 2 },
	[ACT_QUEUE_OPEN]	= { "queue_open", 5 },
	[ACT_QUEUE_CLOSE]	= { "queue_close", 2 },
	[ACT_QUEUE_DUP]		= { "queue_dup", 3 },
	[ACT_QUEUE_WATCHED]	= { "queue_watched", 2 },
	[ACT_CONNECT]		= { "connect", 5 },
	[ACT_FORK]		= { "fork", 1 },
	[ACT_PROCESS]		= { "process", 4 },
	[ACT_SIGNAL]		= { "signal", 15 },
	[ACT_TREE]		= { "tree", 60 },
	[ACT_TREE_OPEN]		= { "tree_open", 30 },
	[ACT_MOUNT]		= { "mount", 2 },
};

static atomic_ulong performed[ACTIONS];
static atomic_ulong events_seen;
static atomic_ulong refused;
static atomic_bool stop;
static in_port_t listener_port;
static int listener;
static uint64_t seed = 1;

static bool is_fd_filter(int filter)
{
	switch (filter) {
	case EVFILT_READ:
	case EVFILT_WRITE:
	case EVFILT_VNODE:
	case EVFILT_PROCDESC:
	case EVFILT_EMPTY:
	case EVFILT_EXCEPT:
		return true;
	}
	return false;
}

/* The errors a single change may meet while its objects come and go. */
static bool change_error_allowed(const struct kevent *change, int error)
{
	switch (error) {
	case 0:
	case EBADF:	/* the descriptor, or the queue while the call ran */
		return true;
	case ENOENT:
		return !(change->flags & EV_ADD);
	case EINVAL:	/* the object does not support it, or a loop of queues */
		return is_fd_filter(change->filter) && (change->flags & EV_ADD);
	case ESRCH:
		return (change->filter == EVFILT_PROC || change->filter == EVFILT_PROCDESC) &&
		       (change->flags & EV_ADD);
	default:
		return false;
	}
}

static void check_change(const struct kevent *change, int error)
{
	char text[128];

	if (error)
		atomic_fetch_add(&refused, 1);
	if (change_error_allowed(change, error))
		return;
	snprintf(text, sizeof(text), "filter %d flags %#x ident %ju: %s",
		 change->filter, change->flags, (uintmax_t)change->ident,
		 strerror(error));
	defect("change", text);
}

static void random_ident(struct thread *t, struct kevent *kev)
{
	static const short filters[] = {
		EVFILT_READ, EVFILT_READ, EVFILT_WRITE, EVFILT_WRITE,
		EVFILT_USER, EVFILT_TIMER, EVFILT_VNODE, EVFILT_VNODE,
		EVFILT_PROC, EVFILT_PROC, EVFILT_PROCDESC, EVFILT_SIGNAL,
		EVFILT_FS, EVFILT_EMPTY, EVFILT_EXCEPT,
	};

	memset(kev, 0, sizeof(*kev));
	kev->filter = filters[rnd(t, ARRAY_SIZE(filters))];
	if (is_fd_filter(kev->filter))
		kev->ident = (uintptr_t)slot(t);
	else if (kev->filter == EVFILT_PROC)
		kev->ident = game_pid(t);
	else if (kev->filter == EVFILT_SIGNAL)
		kev->ident = (uintptr_t)game_signal(t);
	else
		kev->ident = rnd(t, IDENTS);
}

static void random_add(struct thread *t, struct kevent *kev)
{
	static const unsigned short modes[] = {
		0, 0, EV_CLEAR, EV_CLEAR, EV_ONESHOT, EV_DISPATCH,
		EV_CLEAR | EV_DISPATCH, EV_DISABLE, EV_RECEIPT, EV_FORCEONESHOT,
	};

	random_ident(t, kev);
	kev->flags = EV_ADD | modes[rnd(t, 10)];
	kev->udata = (void *)(uintptr_t)rnd(t, 1000);
	switch (kev->filter) {
	case EVFILT_TIMER:
		kev->fflags = NOTE_USECONDS;
		kev->data = 100 + (intptr_t)rnd(t, 5000);
		break;
	case EVFILT_USER:
		kev->fflags = rnd(t, 2) ? NOTE_TRIGGER : 0;
		break;
	case EVFILT_VNODE:
		kev->fflags = rnd(t, 0x1000);
		break;
	case EVFILT_PROC:
	case EVFILT_PROCDESC:
		kev->fflags = (rnd(t, 8) << 29) | (rnd(t, 2) ? NOTE_TRACK : 0);
		break;
	case EVFILT_EXCEPT:
		kev->fflags = NOTE_OOB;
		break;
	case EVFILT_READ:
	case EVFILT_WRITE:
		if (!rnd(t, 4)) {
			kev->fflags = NOTE_LOWAT;
			kev->data = (intptr_t)rnd(t, 8192);
		}
		break;
	}
}

static void random_change(struct thread *t, struct kevent *kev)
{
	static const unsigned short changes[] = {
		EV_DELETE, EV_ENABLE, EV_DISABLE, 0, EV_ENABLE | EV_CLEAR,
	};

	random_ident(t, kev);
	kev->flags = changes[rnd(t, 5)];
}

/* Applies one change; a queue that was just closed is part of the game. */
static void apply(struct thread *t, const struct kevent *change)
{
	int kq = queue(t);
	struct kevent result = *change;

	result.flags |= EV_RECEIPT;
	if (kevent(kq, &result, 1, &result, 1, NULL) == 1)
		check_change(change, (int)result.data);
	else if (errno != EBADF)
		defect("kevent with a receipt", strerror(errno));
}

static void act_batch(struct thread *t)
{
	struct kevent changes[EVENTS], results[EVENTS];
	int count = 1 + (int)rnd(t, EVENTS), done;

	for (int i = 0; i < count; i++) {
		if (rnd(t, 3))
			random_add(t, &changes[i]);
		else
			random_change(t, &changes[i]);
		changes[i].flags |= EV_RECEIPT;
	}
	done = kevent(queue(t), changes, count, results, count, NULL);
	if (done < 0) {
		if (errno != EBADF)
			defect("batch", strerror(errno));
		return;
	}
	if (done != count) {
		defect("batch", "not one receipt for each change");
		return;
	}
	for (int i = 0; i < count; i++)
		check_change(&changes[i], (int)results[i].data);
}

static void act_wait(struct thread *t)
{
	const struct timespec timeout = { .tv_nsec = rnd(t, 3) * 1000000L };
	struct kevent events[EVENTS];
	int count = kevent(queue(t), NULL, 0, events, 1 + (int)rnd(t, EVENTS),
			   &timeout);

	if (count < 0) {
		if (errno != EBADF && errno != EINTR)
			defect("wait", strerror(errno));
		return;
	}
	atomic_fetch_add(&events_seen, (unsigned long)count);
	for (int i = 0; i < count; i++)
		if (events[i].flags & EV_ERROR)
			defect("wait", "an event with EV_ERROR");
}

static void act_io(struct thread *t)
{
	static const char bytes[8192];
	char buffer[8192];
	uint64_t one = 1;
	int fd = slot(t);

	/* Whatever the object says is right; only the kernel's state counts. */
	switch (rnd(t, 4)) {
	case 0:
	case 1:
		if (read(fd, buffer, 1 + rnd(t, sizeof(buffer))) < 0)
			break;
		break;
	case 2:
		if (write(fd, &one, sizeof(one)) < 0)
			break;
		break;
	case 3:
		if (write(fd, bytes, 1 + rnd(t, sizeof(bytes))) < 0)
			break;
		if (!rnd(t, 4))
			shutdown(fd, (int)rnd(t, 3));
		break;
	}
}

/* Moves a private descriptor to a shared number, closing what was there. */
static void publish(int fd, int number)
{
	if (dup2(fd, number) != number)
		defect("dup2", strerror(errno));
	close(fd);
}

static void act_open(struct thread *t)
{
	enum object_kind kind = rnd(t, OBJ_KINDS);
	int fd[2];

	if (object_make(kind, fd)) {
		char text[64];

		snprintf(text, sizeof(text), "kind %d: %s", kind, strerror(errno));
		defect("open", text);
		return;
	}
	publish(fd[0], slot(t));
	if (fd[1] >= 0)
		publish(fd[1], slot(t));
}

/* A file of the tree, a child, or urgent data on whatever is there. */
static void act_tree_open(struct thread *t)
{
	int fd;

	switch (rnd(t, 4)) {
	case 0:
		fd = (int)syscall(SYS_pidfd_open, game_pid(t), 0);
		break;
	case 1:
		send(slot(t), "!", 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	default:
		fd = tree_open(t);
	}
	if (fd >= 0)
		publish(fd, slot(t));
}

static void act_dup(struct thread *t)
{
	int from = slot(t), to = slot(t);

	if (dup2(from, to) < 0 && errno != EBADF && errno != EBUSY)
		defect("dup2", strerror(errno));
}

static void act_queue_open(struct thread *t)
{
	int kq = kqueue();

	if (kq < 0)
		defect("kqueue", strerror(errno));
	else
		publish(kq, queue(t));
}

/* Puts a queue among the watched descriptors, so that queues watch queues. */
static void act_queue_watched(struct thread *t)
{
	if (dup2(queue(t), slot(t)) < 0 && errno != EBADF && errno != EBUSY)
		defect("dup2", strerror(errno));
}

static void act_connect(struct thread *t)
{
	struct sockaddr_in address = object_address(listener_port);

	/* Sockets that can connect do, anything else refuses. */
	if (connect(slot(t), (void *)&address, sizeof(address)) < 0 &&
	    errno == EISCONN)
		shutdown(slot(t), SHUT_RDWR);
	close(accept4(rnd(t, 2) ? listener : slot(t), NULL, NULL,
		      SOCK_NONBLOCK | SOCK_CLOEXEC));
}

/* In the child: closes copies, finds the queues unusable, ends. */
static void __attribute__((noreturn)) child(struct thread *t)
{
	struct kevent event;
	const struct timespec now = { 0 };

	for (int i = 0; i < 8; i++)
		close(slot(t));
	for (int i = 0; i < QUEUES; i++) {
		if (kevent(QUEUE_BASE + i, NULL, 0, &event, 1, &now) != -1)
			_exit(1);
		if (errno != EBADF)
			_exit(2);
	}
	if (rnd(t, 2))
		syscall(SYS_close_range, SLOT_BASE, SLOT_END - 1, 0);
	_exit(0);
}

static void act_fork(struct thread *t)
{
	pid_t pid = fork();
	char text[64];
	int status;

	if (pid == 0)
		child(t);
	if (pid < 0) {
		defect("fork", strerror(errno));
		return;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (status == 0)
		return;
	snprintf(text, sizeof(text), "a forked child used a queue: status %#x",
		 status);
	defect("fork", text);
}

static void perform(struct thread *t, enum action action)
{
	struct kevent kev;
	int from;

	switch (action) {
	case ACT_REGISTER:
		random_add(t, &kev);
		apply(t, &kev);
		break;
	case ACT_CHANGE:
		random_change(t, &kev);
		apply(t, &kev);
		break;
	case ACT_BATCH:
		act_batch(t);
		break;
	case ACT_WAIT:
		act_wait(t);
		break;
	case ACT_TRIGGER:
		EV_SET(&kev, rnd(t, IDENTS), EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
		apply(t, &kev);
		break;
	case ACT_IO:
		act_io(t);
		break;
	case ACT_OPEN:
		act_open(t);
		break;
	case ACT_CLOSE:
		close(slot(t));
		break;
	case ACT_DUP:
		act_dup(t);
		break;
	case ACT_CLOSE_RANGE:
		from = slot(t);
		syscall(SYS_close_range, from, from + 3 < QUEUE_BASE ?
			from + 3 : from, 0);
		break;
	case ACT_QUEUE_OPEN:
		act_queue_open(t);
		break;
	case ACT_QUEUE_CLOSE:
		close(queue(t));
		break;
	case ACT_QUEUE_DUP:
		if (dup2(queue(t), queue(t)) < 0 && errno != EBADF && errno != EBUSY)
			defect("dup2", strerror(errno));
		break;
	case ACT_QUEUE_WATCHED:
		act_queue_watched(t);
		break;
	case ACT_CONNECT:
		act_connect(t);
		break;
	case ACT_FORK:
		act_fork(t);
		break;
	case ACT_PROCESS:
		act_process(t);
		break;
	case ACT_SIGNAL:
		act_signal(t);
		break;
	case ACT_TREE:
		act_tree(t);
		break;
	case ACT_TREE_OPEN:
		act_tree_open(t);
		break;
	case ACT_MOUNT:
		act_mount(t);
		break;
	case ACTIONS:
		break;
	}
	atomic_fetch_add(&performed[action], 1);
}

static void *run(void *argument)
{
	struct thread *t = argument;
	int total = 0;

	for (int i = 0; i < ACTIONS; i++)
		total += actions[i].weight;
	while (!atomic_load(&stop)) {
		int pick = (int)rnd(t, (uint32_t)total), action = 0;

		while (pick >= actions[action].weight)
			pick -= actions[action++].weight;
		perform(t, action);
	}
	return NULL;
}

static void check_missed_closes(void)
{
	struct kq_info info = { 0 };
	int kq = kqueue();

	if (kq < 0 || ioctl(kq, KQ_IOC_INFO, &info)) {
		defect("KQ_IOC_INFO", strerror(errno));
	} else {
		printf("# missed closes: %llu\n",
		       (unsigned long long)info.missed_closes);
		if (info.missed_closes)
			defect("close", "the module found closed descriptors late");
	}
	close(kq);
}

static void play(int seconds, int count)
{
	struct thread *threads = calloc((size_t)count, sizeof(*threads));
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	struct timespec end;

	tree_start();
	processes_start();
	listener = object_listener();
	getsockname(listener, (void *)&address, &length);
	listener_port = address.sin_port;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	for (int i = 0; i < count; i++) {
		threads[i].random = (seed + 1) * 0x9e3779b97f4a7c15u + (uint64_t)i + 1;
		if (pthread_create(&threads[i].id, NULL, run, &threads[i])) {
			printf("# no thread\n");
			exit(1);
		}
	}
	/* Handlers run here too. */
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
		;
	atomic_store(&stop, true);
	for (int i = 0; i < count; i++)
		pthread_join(threads[i].id, NULL);
	syscall(SYS_close_range, SLOT_BASE, SLOT_END - 1, 0);
	close(listener);
	free(threads);
	processes_end();
	tree_end();
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 10;
	int count = argc > 3 ? atoi(argv[3]) : 4;
	struct leak_counts before;
	int leaks, kq = kqueue();

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (kq < 0) {
		printf("# skipped: kqueue: %s\n", strerror(errno));
		return 4;
	}
	close(kq);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	if (seconds < 1 || count < 1) {
		fprintf(stderr, "usage: stress [SECONDS [SEED [THREADS]]]\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	/* Kills us should a call never return. */
	alarm((unsigned int)seconds + 120);
	printf("# stress: %d s, seed %ju, %d threads\n", seconds, (uintmax_t)seed,
	       count);
	leak_count(&before);
	play(seconds, count);
	for (int i = 0; i < ACTIONS; i++)
		printf("# %-14s %lu\n", actions[i].name, performed[i]);
	printf("# events %lu, refused changes %lu\n", events_seen, refused);
	check_missed_closes();
	leaks = leak_check(&before, 20);
	if (!events_seen)
		defect("wait", "no event at all");
	printf("# %d defects, %d leaks\n", defects, leaks);
	return defects || leaks ? 1 : 0;
}
