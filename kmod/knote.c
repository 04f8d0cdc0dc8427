// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a knote between registration and removal: activation, the ready
 * list, flux, and the waking of threads. Evaluates nothing and frees nothing.
 */
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "kq_filter.h"
#include "kq_race.h"

/**
 * kq_knote_init() - a knote nobody has registered yet
 * @kn: the knote
 * @kq: its queue
 * @filter: row of its filter
 */
void kq_knote_init(struct kq_knote *kn, struct kq *kq, u8 filter)
{
	memset(kn, 0, sizeof(*kn));
	INIT_LIST_HEAD(&kn->link);
	kn->kq = kq;
	kn->filter = filter;
}

/**
 * kq_knote_begin() - a knote begins to live: it counts against the user's limits
 * @kn: knote, queue locked
 *
 * Return: 0 or -ENOMEM.
 */
int kq_knote_begin(struct kq_knote *kn)
{
	struct kq_user *user = kn->kq->user;
	int err;

	lockdep_assert_held(&kn->kq->lock);
	err = kq_charge(user, KQ_LIMIT_KNOTES);
	if (err)
		return err;
	if (kq_filter_ops(kn)->flags & KQF_TIMER) {
		err = kq_charge(user, KQ_LIMIT_TIMERS);
		if (err) {
			kq_uncharge(user, KQ_LIMIT_KNOTES);
			return err;
		}
	}
	kn->status = (kn->status & KN_ASIDE) | KN_LIVE;
	return 0;
}

/**
 * kq_knote_end() - a knote that may be alive is not any more
 * @kn: knote, queue locked, on no list
 */
void kq_knote_end(struct kq_knote *kn)
{
	struct kq_user *user = kn->kq->user;

	lockdep_assert_held(&kn->kq->lock);
	if (kn->status & KN_LIVE) {
		kq_uncharge(user, KQ_LIMIT_KNOTES);
		if (kq_filter_ops(kn)->flags & KQF_TIMER)
			kq_uncharge(user, KQ_LIMIT_TIMERS);
	}
	kn->status &= KN_IN_FLUX;
}

/**
 * kq_waiter_leave() - take a thread off the list it sleeps on
 * @kq: queue, locked
 * @waiter: the thread; may be off the list already
 */
void kq_waiter_leave(struct kq *kq, struct kq_waiter *waiter)
{
	lockdep_assert_held(&kq->lock);
	list_del_init(&waiter->link);
	if (waiter->missed && waiter->epoch == kq->epoch)
		kq->missed--;
	waiter->missed = false;
}

static void kq_waiter_wake(struct kq *kq, struct kq_waiter *waiter)
{
	kq_waiter_leave(kq, waiter);
	waiter->picked = true;
	/* The thread takes kq->lock before it leaves: the task stays valid. */
	wake_up_process(waiter->task);
}

/**
 * kq_wake_one() - pick the longest waiting thread, if any
 * @kq: queue, locked
 */
void kq_wake_one(struct kq *kq)
{
	struct kq_waiter *waiter;

	lockdep_assert_held(&kq->lock);
	waiter = list_first_entry_or_null(&kq->waiters, struct kq_waiter, link);
	if (waiter)
		kq_waiter_wake(kq, waiter);
}

/* A level knote is back that a thread would have taken had it not been in flux. */
static void kq_wake_missed(struct kq *kq)
{
	struct kq_waiter *waiter;

	if (!kq->missed)
		return;
	list_for_each_entry(waiter, &kq->waiters, link) {
		if (!waiter->missed || waiter->epoch != kq->epoch)
			continue;
		kq_waiter_wake(kq, waiter);
		return;
	}
}

/**
 * kq_pass_wake() - a picked thread leaves empty-handed
 * @kq: queue, not locked
 *
 * Without this the event it was picked for could lie there with every other
 * thread asleep.
 */
void kq_pass_wake(struct kq *kq)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&kq->lock, flags);
	if (kq->nready)
		kq_wake_one(kq);
	raw_spin_unlock_irqrestore(&kq->lock, flags);
}

static void kq_rouse_pollers(struct kq *kq)
{
	kq->arrivals++;
	/*
	 * Pairs with kq->lock in kq_look(): a poller joins pollq before it looks
	 * under the lock, so either it sees the change or we see it.
	 */
	if (!waitqueue_active(&kq->pollq) || kq->dead)
		return;
	refcount_inc(&kq->refs);
	if (!irq_work_queue(&kq->pollwork))
		kq_put(kq);
}

static void kq_enqueue(struct kq_knote *kn, bool quiet)
{
	struct kq *kq = kn->kq;

	if (kn->status & KN_RECHECK)
		list_del(&kn->link);
	if (!(kn->status & KN_PLACE))
		list_add_tail(&kn->link, &kq->ready);
	kn->status &= ~(KN_RECHECK | KN_PLACE);
	kn->status |= KN_QUEUED | KN_ACTIVE;
	kq->nready++;
	if (quiet) {
		kn->status |= KN_QUIET;
		kq_wake_missed(kq);
	} else {
		kq->loud++;
		kq_wake_one(kq);
		kq_rouse_pollers(kq);
	}
}

/* A queued knote leaves the count of what is ready. */
static void kq_uncount(struct kq_knote *kn)
{
	kn->kq->nready--;
	if (!(kn->status & KN_QUIET))
		kn->kq->loud--;
}

/**
 * kq_knote_unlink() - take a knote off whatever list it is on
 * @kn: knote, queue locked
 *
 * An event that was queued stays recorded in KN_ACTIVE.
 */
void kq_knote_unlink(struct kq_knote *kn)
{
	lockdep_assert_held(&kn->kq->lock);
	if (kn->status & KN_QUEUED)
		kq_uncount(kn);
	if (kn->status & (KN_QUEUED | KN_RECHECK | KN_PLACE))
		list_del_init(&kn->link);
	kn->status &= ~(KN_QUEUED | KN_RECHECK | KN_PLACE | KN_QUIET);
}

static void kq_activate_locked(struct kq_knote *kn, bool strong)
{
	lockdep_assert_held(&kn->kq->lock);
	kn->status |= strong ? KN_ACTIVE | KN_STRONG : KN_ACTIVE;
	if (kn->status & KN_QUIET) {
		kn->status &= ~KN_QUIET;
		kn->kq->loud++;
		kq_wake_one(kn->kq);
		kq_rouse_pollers(kn->kq);
	}
	if (kn->status & (KN_QUEUED | KN_FLUX | KN_DISABLED) || !(kn->status & KN_LIVE))
		return;
	kq_enqueue(kn, false);
}

/**
 * kq_knote_activate() - the filter says: may be ready; from any context
 * @kn: knote, kept alive by the caller
 * @strong: this always counts as something new, see kq_knote_stale()
 */
void kq_knote_activate(struct kq_knote *kn, bool strong)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&kn->kq->lock, flags);
	kq_activate_locked(kn, strong);
	raw_spin_unlock_irqrestore(&kn->kq->lock, flags);
}

/**
 * kq_knote_requeue() - a knote that was held back may go now
 * @kn: active, enabled, not queued and not in flux; queue locked
 */
void kq_knote_requeue(struct kq_knote *kn)
{
	kq_enqueue(kn, false);
}

/**
 * kq_knote_quench() - forget an activation
 * @kn: knote in flux whose source cannot fire at the moment
 */
void kq_knote_quench(struct kq_knote *kn)
{
	raw_spin_lock_irq(&kn->kq->lock);
	kn->status &= ~(KN_ACTIVE | KN_STRONG);
	raw_spin_unlock_irq(&kn->kq->lock);
}

/**
 * kq_flux_begin() - own a knote
 * @kn: knote, queue locked, not in flux
 * @keep: if it is queued it keeps its place: a change is no new activation
 */
void kq_flux_begin(struct kq_knote *kn, bool keep)
{
	WARN_ON_ONCE(kn->status & KN_FLUX);
	if (kn->status & KN_QUEUED) {
		kn->status |= KN_HELD;
		kn->kq->held++;
	}
	if (kn->status & KN_POLLED) {
		kn->status |= KN_AWAY;
		kn->kq->away++;
	}
	if (keep && (kn->status & KN_QUEUED)) {
		kq_uncount(kn);
		kn->status &= ~(KN_QUEUED | KN_QUIET);
		kn->status |= KN_PLACE;
	} else {
		kq_knote_unlink(kn);
	}
	kn->status |= KN_FLUX;
}

/* What those wait for who wait for a knote in flux: its descriptor, or the note. */
static const void *kq_flux_object(struct kq_knote *kn)
{
	return kq_knote_is_fd(kn) ? (void *)kq_knote_fd(kn) : (void *)kq_knote_note(kn);
}

/**
 * kq_flux_wake() - let those waiting for flux look again
 * @kq: queue, locked
 * @kn: those who wait for this knote or another one of its descriptor; NULL: all
 *
 * Any number of threads can wait for one whose ->poll stalls: they are not woken
 * for each other knote that comes back, perhaps in another user's process.
 */
void kq_flux_wake(struct kq *kq, struct kq_knote *kn)
{
	const void *object = kn ? kq_flux_object(kn) : NULL;
	struct kq_waiter *waiter, *next;

	lockdep_assert_held(&kq->lock);
	list_for_each_entry_safe(waiter, next, &kq->fluxers, link)
		if (!object || waiter->object == object)
			kq_waiter_wake(kq, waiter);
}

/*
 * A knote nobody wakes comes back. Those who could not look at it look again:
 * all of them, since each may have changed what it watches before it called. Not
 * those who could.
 */
static void kq_returned(struct kq *kq)
{
	struct kq_waiter *waiter, *next;

	kq->returns++;
	if (kq->blind) {
		kq->blind = false;
		list_for_each_entry_safe(waiter, next, &kq->waiters, link)
			if (waiter->blind)
				kq_waiter_wake(kq, waiter);
	}
	if (kq->relook) {
		kq->relook = false;
		kq_rouse_pollers(kq);
	}
}

/**
 * kq_look() - what a poller sees
 * @kq: queue; the caller has joined pollq
 * @arrivals: changes whenever pollq is woken
 *
 * Return: knotes that are, or may be, ready.
 */
u32 kq_look(struct kq *kq, u32 *arrivals)
{
	unsigned long flags;
	u32 n;

	raw_spin_lock_irqsave(&kq->lock, flags);
	n = kq->nready + kq->held;
	*arrivals = kq->arrivals;
	if (kq->away)
		kq->relook = true;
	raw_spin_unlock_irqrestore(&kq->lock, flags);
	return n;
}

static bool kq_flux_leave(struct kq_knote *kn, bool quiet)
{
	struct kq *kq = kn->kq;

	lockdep_assert_held(&kq->lock);
	if (kn->status & KN_HELD)
		kq->held--;
	if (kn->status & KN_AWAY) {
		kq->away--;
		kq_returned(kq);
	}
	kn->status &= ~KN_IN_FLUX;
	kq_flux_wake(kq, kn);

	if (kq_knote_is_fd(kn)) {
		struct kq_fd *kfd = kq_knote_fd(kn);

		if (kfd->state & KFD_DEAD)
			return !kq_fd_in_flux(kfd);
	} else if (kn->status & KN_DEAD) {
		return true;
	}
	if (!(kn->status & KN_LIVE))
		return false;

	if ((kn->status & (KN_ACTIVE | KN_DISABLED)) == KN_ACTIVE) {
		kq_enqueue(kn, quiet);
		return false;
	}
	kq_knote_unlink(kn);
	if ((kn->status & (KN_POLLED | KN_DISABLED)) == KN_POLLED) {
		list_add_tail(&kn->link, &kq->recheck);
		kn->status |= KN_RECHECK;
	}
	return false;
}

/**
 * kq_flux_end() - give a knote back
 * @kn: knote in flux, queue locked
 * @quiet: if it is queued, that is a level condition somebody has just taken:
 *         wake nobody but those who looked while it was in flux
 *
 * Does what was held back: an activation queues it, a removal is reported.
 *
 * Return: true if it was removed meanwhile and the caller has to tear down its
 * descriptor or note.
 */
bool kq_flux_end(struct kq_knote *kn, bool quiet)
{
	struct kq *kq = kn->kq;
	bool bury = kq_flux_leave(kn, quiet);

	if (!kq->held && !kq->nready) {
		kq->epoch++;
		kq->missed = 0;
	}
	return bury;
}

/**
 * kq_flux_wait() - sleep until a knote, or another one of its descriptor, leaves flux
 * @kq: queue, locked with interrupts off by raw_spin_lock_irq(); is unlocked
 * @kn: a knote of it
 * @drops: files this call dropped, not to be kept while it sleeps
 *
 * Return: 0 to look the knote up again, -EINTR if the thread is being killed.
 */
int kq_flux_wait(struct kq *kq, struct kq_knote *kn, struct kq_drops *drops)
	__releases(&kq->lock)
{
	struct kq_waiter waiter = { .task = current, .object = kq_flux_object(kn) };

	kq_race_point(KQ_AT_FLUX_WAIT);
	list_add_tail(&waiter.link, &kq->fluxers);
	set_current_state(TASK_KILLABLE);
	raw_spin_unlock_irq(&kq->lock);

	kq_drops_defer(drops);
	if (!fatal_signal_pending(current))
		schedule();
	__set_current_state(TASK_RUNNING);

	raw_spin_lock_irq(&kq->lock);
	kq_waiter_leave(kq, &waiter);
	raw_spin_unlock_irq(&kq->lock);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/**
 * kq_knote_stale() - would an EV_CLEAR delivery repeat the last one?
 * @kn: knote in flux
 * @res: what it would report
 * @strong: it was activated by something that carries its own news
 *
 * Sockets tell a change of state without saying which, tell a FIN twice, and TCP
 * tells writers of each write the peer has confirmed. A wake-up without a key is
 * no news for a condition that was reported and has not been false since; one
 * with a key is none where a position in the stream says that nothing moved; the
 * end of file is news once for each error word.
 *
 * Return: true to drop it silently.
 */
bool kq_knote_stale(const struct kq_knote *kn, const struct kq_result *res, bool strong)
{
	/* In flux nobody else changes what was seen, but an activation may come. */
	u32 status = READ_ONCE(kn->status);

	if (!(kn->flags & EV_CLEAR) || !res->keyed)
		return false;
	if (res->flags & EV_EOF)
		return (status & KN_SEEN_EOF) && kn->token == res->token;
	if (!(status & KN_SEEN) || (status & KN_SEEN_EOF))
		return false;
	return !strong || (res->counted && kn->token == res->token);
}

/**
 * kq_knote_seen() - remember for kq_knote_stale()
 * @kn: knote in flux, queue locked
 * @ready: it was delivered; false: it was found idle
 * @res: what was reported
 */
void kq_knote_seen(struct kq_knote *kn, bool ready, const struct kq_result *res)
{
	if (!(kn->flags & EV_CLEAR) || !res->keyed)
		return;
	kn->status &= ~(KN_SEEN | KN_SEEN_EOF);
	if (!ready)
		return;
	kn->status |= res->flags & EV_EOF ? KN_SEEN | KN_SEEN_EOF : KN_SEEN;
	kn->token = res->token;
}
