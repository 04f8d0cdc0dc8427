// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting for and taking events: evaluates what is queued, applies ONESHOT,
 * CLEAR and DISPATCH, sleeps. User memory is reached through kevent.c only.
 */
#include <linux/hrtimer.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "kq_call.h"
#include "kq_filter.h"
#include "filters/sock.h"
#include "kq_race.h"

/* What becomes of a knote a scan has taken. */
enum kq_fate {
	KQ_IDLE,	/* evaluation found it not ready */
	KQ_STALE,	/* an EV_CLEAR delivery would repeat the last one */
	KQ_READY,	/* its record is in the buffer */
	KQ_BACK,	/* the record did not reach the user: nothing happened */
	KQ_DROP,	/* EV_ONESHOT delivered, or nothing will ever come of it */
	KQ_BURY,	/* it died while in flux, the teardown is ours */
};

/**
 * struct kq_taken - a knote in flux for this scan
 * @kn: the knote
 * @res: what it reports
 * @strong: how it was activated
 * @fate: what becomes of it
 */
struct kq_taken {
	struct kq_knote *kn;
	struct kq_result res;
	bool strong;
	enum kq_fate fate;
};

/**
 * struct kq_batch - what one round of a scan works on
 * @taken: the knotes
 * @n: how many
 * @end: nothing is left that was there when the scan began
 */
struct kq_batch {
	struct kq_taken taken[KQ_BATCH];
	int n;
	bool end;
};

/**
 * struct kq_glance - what a look at the knotes nobody wakes could not see
 * @blind: some were in flux elsewhere when the look began
 * @returns: kq->returns as it stands while none of those has come back
 */
struct kq_glance {
	bool blind;
	u32 returns;
};

/* A ->poll of unknown making may block: nothing else waits for it in flux. */
static bool kq_may_stall(struct kq_knote *kn)
{
	const struct kq_filter_ops *ops = kq_filter_ops(kn);

	if (ops->flags & KQF_STALLS)
		return true;
	if (!ops->wakes)
		return false;
	switch (kq_knote_fd(kn)->kind) {
	case KQ_KIND_POLL:
	case KQ_KIND_TTY:
	case KQ_KIND_EPOLL:
	/* Asked by an ioctl, which may fault at the eventlist. */
	case KQ_KIND_INOTIFY:
	case KQ_KIND_FANOTIFY:
		return true;
	/* On the ready list its file is referenced. */
	case KQ_KIND_SOCK:
		return kqf_is_asked(kqf_sk(kq_knote_fd(kn)));
	}
	return false;
}

static void kq_missed_close(struct kq_fd *kfd, struct kq_drops *drops)
{
	if (likely(!kfd))
		return;
	pr_err_once("the close of descriptor %u was not seen\n", kfd->fd);
	kq_fd_teardown(kfd, drops);
}

/*
 * Takes knotes from the head of the list. If some are left a mark goes to the
 * tail the first time: level knotes return behind it.
 */
static void kq_batch_take(struct kq *kq, struct kq_batch *batch, struct kq_knote *mark,
			  struct kq_call *call)
{
	int room = min(call->args.nevents - call->got, KQ_BATCH);
	struct kq_knote *kn, *next;
	struct kq_fd *missed;
	struct kq_taken *t;

	batch->n = 0;
	batch->end = true;
	raw_spin_lock_irq(&kq->lock);
	missed = kq_fd_sweep(kq);
	list_for_each_entry_safe(kn, next, &kq->ready, link) {
		bool alone;

		if (kn == mark)
			break;
		if (kn->status & (KN_MARKER | KN_PLACE))
			continue;
		alone = kq_may_stall(kn);
		if (batch->n == room || (alone && batch->n)) {
			batch->end = false;
			break;
		}
		t = &batch->taken[batch->n++];
		t->kn = kn;
		t->strong = kn->status & KN_STRONG;
		kq_flux_begin(kn, false);
		kn->status &= ~(KN_ACTIVE | KN_STRONG);
		if (alone)
			room = batch->n;
	}
	if (!batch->end && list_empty(&mark->link))
		list_add_tail(&mark->link, &kq->ready);
	raw_spin_unlock_irq(&kq->lock);
	/*
	 * Pairs with the barrier in kqh_wake(): KN_QUEUED is cleared, now the
	 * objects are looked at. A change we do not see finds it cleared.
	 */
	smp_mb();
	kq_missed_close(missed, &call->drops);
}

/* A descriptor whose slot changed is not looked at: its close hook is on its way. */
static bool kq_knote_current(struct kq_knote *kn)
{
	return !kq_knote_is_fd(kn) || kq_fd_current(kq_knote_fd(kn));
}

/* In flux nobody else changes KN_FORCED, but other bits of its word. */
static bool kq_knote_forced(const struct kq_knote *kn)
{
	return READ_ONCE(kn->status) & KN_FORCED;
}

static enum kq_fate kq_taken_eval(struct kq_taken *t)
{
	const struct kq_filter_ops *ops = kq_filter_ops(t->kn);
	struct kq_knote *kn = t->kn;

	if (!kq_knote_current(kn))
		return KQ_IDLE;
	if (ops->eval(kn, &t->res)) {
		if (kq_knote_stale(kn, &t->res, t->strong) && !kq_knote_forced(kn))
			return KQ_STALE;
		return KQ_READY;
	}
	if (kq_knote_forced(kn))
		return KQ_READY;
	return ops->gone && ops->gone(kn, false) == KQ_CLAIM_GONE ? KQ_DROP : KQ_IDLE;
}

/* Return: records put into the buffer. */
static int kq_batch_eval(struct kq_batch *batch, struct kq_call *call)
{
	int i, n = 0;

	for (i = 0; i < batch->n; i++) {
		struct kq_taken *t = &batch->taken[i];
		struct kq_knote *kn = t->kn;

		memset(&t->res, 0, sizeof(t->res));
		t->res.report = true;
		t->res.scratch = kq_call_slot(call, n);
		t->fate = kq_taken_eval(t);
		if (t->fate == KQ_READY)
			kq_call_put(call, n++, kn, &t->res);
	}
	return n;
}

/* Under kq->lock: what a delivery does to its knote. */
static void kq_taken_delivered(struct kq_taken *t)
{
	struct kq_knote *kn = t->kn;

	kq_knote_seen(kn, true, &t->res);
	kn->status &= ~KN_FORCED;
	if (kn->flags & EV_ONESHOT) {
		t->fate = KQ_DROP;
		return;
	}
	/* One set aside reports all it has: no change can enable it again. */
	if ((kn->flags & EV_DISPATCH) && !(kn->status & KN_ASIDE))
		kn->status |= KN_DISABLED;
	if (!(kn->flags & (EV_CLEAR | EV_DISPATCH)))
		kn->status |= KN_ACTIVE | KN_STRONG;
}

/*
 * Puts the batch back. The first @copied of those that were ready reached the
 * user; the rest of them return to the head of the list in their order, before
 * the mark: this call tries again.
 */
static void kq_batch_settle(struct kq *kq, struct kq_batch *batch, struct kq_knote *mark,
			    int copied, struct kq_drops *drops)
{
	struct list_head *head = &kq->ready;
	bool short_copy = false;
	struct kq_taken *t;

	for (t = batch->taken; t < batch->taken + batch->n; t++) {
		if (t->fate != KQ_READY)
			continue;
		short_copy = copied-- <= 0;
		if (short_copy)
			t->fate = KQ_BACK;
		else if (kq_filter_ops(t->kn)->commit)
			kq_filter_ops(t->kn)->commit(t->kn, &t->res);
	}

	raw_spin_lock_irq(&kq->lock);
	for (t = batch->taken; t < batch->taken + batch->n; t++) {
		struct kq_knote *kn = t->kn;
		bool level = false;

		if (t->fate == KQ_BACK) {
			kn->status |= t->strong ? KN_ACTIVE | KN_STRONG : KN_ACTIVE;
		} else if (t->fate == KQ_DROP) {
			continue;
		} else if (t->fate == KQ_IDLE) {
			kq_knote_seen(kn, false, &t->res);
		} else if (t->fate == KQ_READY) {
			/* Somebody took this event: nobody else is woken for it. */
			level = !(kn->status & KN_ACTIVE);
			kq_taken_delivered(t);
			if (t->fate == KQ_DROP)
				continue;
		}
		if (kq_flux_end(kn, level)) {
			t->fate = KQ_BURY;
		} else if (t->fate == KQ_BACK && (kn->status & KN_QUEUED)) {
			list_move(&kn->link, head);
			head = &kn->link;
		}
	}
	if (short_copy && list_empty(&mark->link))
		list_add(&mark->link, head);
	raw_spin_unlock_irq(&kq->lock);

	for (t = batch->taken; t < batch->taken + batch->n; t++) {
		if (t->fate == KQ_BURY)
			kq_knote_bury(t->kn, drops);
		else if (t->fate == KQ_DROP)
			kq_knote_drop(t->kn, drops);
	}
}

/*
 * Takes what is ready now, each knote at most once.
 *
 * Return: records written, or -EFAULT if none was.
 */
static int kq_collect(struct kq *kq, struct kq_call *call)
{
	struct kq_knote mark = { .status = KN_MARKER };
	struct kq_batch batch;
	int err = 0, tries = 0;

	if (!READ_ONCE(kq->nready))
		return 0;
	INIT_LIST_HEAD(&mark.link);
	do {
		int n, copied;

		kq_batch_take(kq, &batch, &mark, call);
		kq_race_point(KQ_AT_SCAN);
		n = kq_batch_eval(&batch, call);
		copied = kq_call_flush(call, n);
		kq_race_point(KQ_AT_COPIED);
		kq_batch_settle(kq, &batch, &mark, copied, &call->drops);
		if (copied < n) {
			batch.end = false;
			tries = copied ? 0 : tries + 1;
			err = tries < KQ_FAULT_TRIES ? kq_call_fault(call) : -EFAULT;
			if (err)
				break;
		}
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	} while (!batch.end && call->got < call->args.nevents);

	if (!list_empty(&mark.link)) {
		raw_spin_lock_irq(&kq->lock);
		list_del(&mark.link);
		/* We may have been picked for one of those, and taken another. */
		if (kq->loud)
			kq_wake_one(kq);
		raw_spin_unlock_irq(&kq->lock);
	}
	return call->got ? call->got : err;
}

/**
 * kq_recheck() - look at the idle knotes nobody wakes
 * @kq: queue
 * @drops: where watched files go that turn out to be closed
 * @walk: 0, or the walk that came here through an outer queue; a walk visits
 *        each queue once, however many ways lead to it
 * @glance: what could not be looked at, for kq_sleep(); may be NULL
 */
void kq_recheck(struct kq *kq, struct kq_drops *drops, u64 walk, struct kq_glance *glance)
{
	static atomic64_t walks = ATOMIC64_INIT(0);
	struct kq_knote mark = { .status = KN_MARKER };
	struct kq_knote *kn, *next;
	struct kq_glance seen = {};
	struct kq_result res;
	bool ready;

	if (!READ_ONCE(kq->polled))
		goto unseen;
	kq_drops_defer(drops);
	raw_spin_lock_irq(&kq->lock);
	/* Taken before we began: evaluated, perhaps, before what we should see. */
	seen.blind = kq->away;
	seen.returns = kq->returns;
	/* Nobody to remember it for a poller: it has joined pollq already. */
	if (kq->away && !glance)
		kq->relook = true;
	if (walk && kq->walk == walk)
		goto out;
	if (!walk)
		walk = atomic64_inc_return(&walks);
	kq->walk = walk;
	list_add_tail(&mark.link, &kq->recheck);
	for (kn = list_first_entry(&kq->recheck, struct kq_knote, link); kn != &mark; kn = next) {
		next = list_next_entry(kn, link);
		if (kn->status & KN_MARKER)
			continue;
		kq_flux_begin(kn, false);
		raw_spin_unlock_irq(&kq->lock);

		memset(&res, 0, sizeof(res));
		res.walk = walk;
		ready = kq_knote_current(kn) && kq_filter_ops(kn)->eval(kn, &res) &&
			!kq_knote_stale(kn, &res, true);
		cond_resched();

		raw_spin_lock_irq(&kq->lock);
		if (ready)
			kn->status |= KN_ACTIVE | KN_STRONG;
		kq_knote_release(kn, false, drops);
		raw_spin_lock_irq(&kq->lock);
		seen.returns++;
		if (fatal_signal_pending(current))
			break;
		/* The list moved on while it was not locked. */
		next = list_first_entry(&kq->recheck, struct kq_knote, link);
	}
	list_del(&mark.link);
out:
	raw_spin_unlock_irq(&kq->lock);
unseen:
	if (glance)
		*glance = seen;
}

/*
 * Sleeps until an enqueue picks this thread, or until a knote comes back that
 * this thread could not look at.
 *
 * Return: 1 when there may be something, 0 at the deadline, -EINTR, -EBADF.
 */
static int kq_sleep(struct kq *kq, struct kq_call *call, const struct kq_glance *glance)
{
	struct kq_waiter waiter = { .task = current };
	struct kq_fd *missed;
	bool expired = false;
	int ret;

	raw_spin_lock_irq(&kq->lock);
	missed = kq_fd_sweep(kq);
	if (kq->dead || kq->nready || missed ||
	    (glance->blind && glance->returns != kq->returns)) {
		ret = kq->dead ? -EBADF : 1;
		raw_spin_unlock_irq(&kq->lock);
		kq_missed_close(missed, &call->drops);
		return ret;
	}
	list_add_tail(&waiter.link, &kq->waiters);
	waiter.epoch = kq->epoch;
	waiter.missed = kq->held;
	kq->missed += waiter.missed;
	waiter.blind = glance->blind && kq->away;
	kq->blind |= waiter.blind;
	set_current_state(TASK_INTERRUPTIBLE);
	raw_spin_unlock_irq(&kq->lock);

	if (!signal_pending(current))
		expired = !schedule_hrtimeout_range(call->deadline == KTIME_MAX ?
							    NULL : &call->deadline,
						    current->timer_slack_ns, HRTIMER_MODE_ABS);
	__set_current_state(TASK_RUNNING);

	raw_spin_lock_irq(&kq->lock);
	kq_waiter_leave(kq, &waiter);
	if (kq->dead)
		ret = -EBADF;
	else if (waiter.picked || kq->nready)
		ret = 1;
	else if (signal_pending(current))
		ret = -EINTR;
	else
		ret = !expired;
	raw_spin_unlock_irq(&kq->lock);
	return ret;
}

/**
 * kq_scan() - collect events, waiting for the first if need be
 * @kq: queue; the caller is a thread of its owner
 * @call: the call
 *
 * Return: records written, or 1 for KQ_KEVENT_WAIT_ONLY when there may be some;
 * 0 at the deadline; -EFAULT, -EBADF, -ERESTARTNOHAND.
 */
int kq_scan(struct kq *kq, struct kq_call *call)
{
	bool only_wait = call->args.flags & KQ_KEVENT_WAIT_ONLY;
	bool saved = false, woken = false;
	struct kq_glance glance;
	int ret;

	for (;;) {
		kq_recheck(kq, &call->drops, 0, &glance);
		ret = only_wait ? !!READ_ONCE(kq->nready) : kq_collect(kq, call);
		if (!ret && READ_ONCE(kq->dead))
			ret = -EBADF;
		if (ret)
			break;
		if (call->poll || (woken && ktime_after(ktime_get(), call->deadline)))
			break;
		/* Before anything that could make the kernel run the call again. */
		if (!saved) {
			ret = kq_call_save(call);
			if (ret)
				break;
			saved = true;
		}
		if (signal_pending(current)) {
			ret = -EINTR;
			break;
		}
		kq_drops_defer(&call->drops);
		ret = kq_sleep(kq, call, &glance);
		if (ret <= 0)
			break;
		woken = true;
	}
	/* We may have been picked for something that is still there. */
	if (woken && ret <= 0)
		kq_pass_wake(kq);
	return ret == -EINTR ? -ERESTARTNOHAND : ret;
}
