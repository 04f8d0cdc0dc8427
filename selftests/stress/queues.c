// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the well-formed use of queues: they are made, changed, waited on, closed
 * and put among the watched. What each call answers is judged.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kqueue.h>

#include "actions.h"
#include "judge.h"

#define IDENTS	8	/* of TIMER, USER and FS */

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

void random_add(struct thread *t, struct kevent *kev)
{
	static const unsigned short modes[] = {
		0, 0, EV_CLEAR, EV_CLEAR, EV_ONESHOT, EV_DISPATCH,
		EV_CLEAR | EV_DISPATCH, EV_DISABLE, EV_RECEIPT, EV_FORCEONESHOT,
	};

	random_ident(t, kev);
	kev->flags = EV_ADD | modes[rnd(t, ARRAY_SIZE(modes))];
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
	kev->flags = changes[rnd(t, ARRAY_SIZE(changes))];
}

/* Applies one change; a queue that was just closed is part of the game. */
static void apply(struct thread *t, const struct kevent *change)
{
	struct kevent result = *change;

	result.flags |= EV_RECEIPT;
	if (kevent(queue(t), &result, 1, &result, 1, NULL) == 1)
		check_change(change, (int)result.data);
	else if (errno != EBADF)
		defect("kevent with a receipt", "%s", strerror(errno));
}

void act_register(struct thread *t)
{
	struct kevent kev;

	random_add(t, &kev);
	apply(t, &kev);
}

void act_change(struct thread *t)
{
	struct kevent kev;

	random_change(t, &kev);
	apply(t, &kev);
}

void act_trigger(struct thread *t)
{
	struct kevent kev;

	EV_SET(&kev, rnd(t, IDENTS), EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	apply(t, &kev);
}

void act_batch(struct thread *t)
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
			defect("batch", "%s", strerror(errno));
		return;
	}
	if (done != count) {
		defect("batch", "%d receipts for %d changes", done, count);
		return;
	}
	for (int i = 0; i < count; i++)
		check_change(&changes[i], (int)results[i].data);
}

void act_wait(struct thread *t)
{
	const struct timespec timeout = { .tv_nsec = rnd(t, 3) * 1000000L };
	struct kevent events[EVENTS];
	int count = kevent(queue(t), NULL, 0, events, 1 + (int)rnd(t, EVENTS), &timeout);

	if (count < 0) {
		if (errno != EBADF && errno != EINTR)
			defect("wait", "%s", strerror(errno));
		return;
	}
	atomic_fetch_add(&game->events, (unsigned long)count);
	for (int i = 0; i < count; i++)
		if (events[i].flags & EV_ERROR)
			defect("wait", "an event of filter %d with EV_ERROR", events[i].filter);
}

void queue_open(int number)
{
	int kq = kqueue();

	if (kq < 0)
		defect("kqueue", "%s", strerror(errno));
	else
		publish(kq, number);
}

/* One of those that are closed and replaced: not the first, which stays. */
static int brief_queue(struct thread *t)
{
	return QUEUE_BASE + 1 + (int)rnd(t, QUEUES - 1);
}

/* Behind QUEUES_PLAIN forks get a copy, where the module can do that. */
void act_queue_open(struct thread *t)
{
	int number = brief_queue(t), kq = -1;

#ifdef KQUEUE_CPONFORK
	if (number >= QUEUE_BASE + QUEUES_PLAIN) {
		kq = kqueuex(KQUEUE_CPONFORK);
		if (kq < 0 && errno != EINVAL)
			defect("kqueuex", "%s", strerror(errno));
	}
#endif
	if (kq < 0)
		kq = rnd(t, 4) ? kqueue() : kqueuex(KQUEUE_CLOEXEC);
	if (kq < 0)
		defect("kqueue", "%s", strerror(errno));
	else
		publish(kq, number);
}

void act_queue_close(struct thread *t)
{
	close(brief_queue(t));
}

/* Not from those that children may use to those that they may not. */
void act_queue_dup(struct thread *t)
{
	int from = QUEUE_BASE + (int)rnd(t, QUEUES_PLAIN);

	if (dup2(from, brief_queue(t)) < 0 && errno != EBADF && errno != EBUSY)
		defect("dup2", "%s", strerror(errno));
}

/* Puts a queue among the watched descriptors, so that queues watch queues. */
void act_queue_watched(struct thread *t)
{
	if (dup2(queue(t), slot(t)) < 0 && errno != EBADF && errno != EBUSY)
		defect("dup2", "%s", strerror(errno));
}

/* What the module itself knows of closes it was not told of: each is a defect. */
unsigned long long missed_closes(void)
{
	struct kq_info info = { 0 };
	int kq = kqueue();

	if (kq < 0 || ioctl(kq, KQ_IOC_INFO, &info))
		defect("KQ_IOC_INFO", "%s", strerror(errno));
	else if (info.missed_closes)
		defect("close", "the module found closed descriptors late");
	close(kq);
	return info.missed_closes;
}
