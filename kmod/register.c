// SPDX-License-Identifier: GPL-2.0
/*
 * One change: find or create its knote and apply the actions. Touches no user
 * memory; the lock order and the flux protocol are in kq.h.
 */
#include <linux/fdtable.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kq_filter.h"
#include "kq_hooks.h"
#include "kq_race.h"

#define KQ_FIXED_FLAGS	(EV_ADD | EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH)

/**
 * struct kq_change - one change on its way through this file
 * @kq: queue; the caller is a thread of its owner
 * @ops: row of the filter
 * @ev: what is asked for
 * @from: the knote of another queue that this is to be a copy of, in flux there;
 *        NULL: an ordinary change
 * @drops: where watched files go that are no longer needed
 */
struct kq_change {
	struct kq *kq;
	const struct kq_filter_ops *ops;
	const struct kq_event_ext *ev;
	struct kq_knote *from;
	struct kq_drops *drops;
};

/* Room for the extension words of a change, which may still be refused. */
static int kq_knote_need_ext(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	u64 *ext;

	if (kn->ext || (!ev->ext[2] && !ev->ext[3]))
		return 0;
	ext = kcalloc(2, sizeof(*ext), GFP_KERNEL_ACCOUNT);
	if (!ext)
		return -ENOMEM;
	/* Pairs with kqf_track(), which reads it without owning the knote. */
	smp_store_release(&kn->ext, ext);
	return 0;
}

static void kq_knote_set_ext(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	if (!kn->ext)
		return;
	kn->ext[0] = ev->ext[2];
	kn->ext[1] = ev->ext[3];
}

static bool kq_knote_ready(struct kq_knote *kn)
{
	struct kq_result res = {};

	/*
	 * Pairs with the barrier in kqh_wake(): the knote is in flux, now its
	 * object is looked at. A change we do not see finds it in flux.
	 */
	smp_mb();
	return kq_filter_ops(kn)->eval(kn, &res);
}

/* Gives back a knote after a change. Called with the queue locked, unlocks it. */
static int kq_change_settle(struct kq_knote *kn, const struct kq_change *c)
	__releases(&kn->kq->lock)
{
	struct kq *kq = kn->kq;

	lockdep_assert_held(&kq->lock);
	kn->status &= ~KN_POLLED;
	if (c->ops->polled && c->ops->polled(kn)) {
		kn->status |= KN_POLLED;
		kq->polled = true;
	}
	/* Whoever uses the wait queues waits for the one that is busy. */
	if (kq_knote_is_fd(kn) && c->ops->wakes && (kq_knote_fd(kn)->state & KFD_BUSY))
		kq_knote_fd(kn)->state ^= KFD_BUSY | KFD_POLLED;
	return kq_knote_release(kn, false, c->drops) ? 0 : -EBADF;
}

/* The end of every change that leaves the knote in place. */
static int kq_change_done(struct kq_knote *kn, const struct kq_change *c)
{
	const struct kq_event_ext *ev = c->ev;
	struct kq *kq = kn->kq;
	bool disabled, ready = false;
	u32 status;

	kq_race_point(KQ_AT_SETTLE);
	/*
	 * In flux nobody else sets KN_DISABLED. KN_ACTIVE may come at any moment, and
	 * so may KN_ASIDE, which excludes KN_DISABLED for good.
	 */
	status = READ_ONCE(kn->status);
	disabled = ev->flags & EV_DISABLE || ((status & KN_DISABLED) && !(ev->flags & EV_ENABLE));
	if (!disabled && !(ev->flags & EV_FORCEONESHOT) && !(status & KN_ACTIVE))
		ready = kq_knote_ready(kn);

	raw_spin_lock_irq(&kq->lock);
	if (disabled && !(kn->status & KN_ASIDE))
		kn->status |= KN_DISABLED;
	else
		kn->status &= ~KN_DISABLED;
	if (ev->flags & EV_FORCEONESHOT) {
		kn->flags |= EV_ONESHOT;
		kn->status |= KN_FORCED | KN_ACTIVE;
	}
	if (ready)
		kn->status |= KN_ACTIVE;
	/* A condition that holds after a change is news, see kq_knote_stale(). */
	if (kn->status & KN_ACTIVE)
		kn->status |= KN_STRONG;
	kn->status &= ~(KN_SEEN | KN_SEEN_EOF);
	return kq_change_settle(kn, c);
}

/*
 * The end of a copy. What its filter has recorded it took over; a condition is
 * looked at again, except that what an EV_CLEAR event has told is not told twice.
 */
static int kq_copy_done(struct kq_knote *kn, const struct kq_change *c)
{
	bool edge = c->ops->wakes && (kn->flags & EV_CLEAR);
	bool ready = false;
	u32 status;
	/* The copy of a watched queue counts its arrivals anew. */
	u32 seen = kq_knote_is_fd(kn) && kq_knote_fd(kn)->kind == KQ_KIND_QUEUE ?
		   0 : KN_SEEN | KN_SEEN_EOF;

	if (!edge && !(c->ev->flags & EV_DISABLE))
		ready = kq_knote_ready(kn);
	raw_spin_lock_irq(&kn->kq->lock);
	/* After it began to watch, so that what comes now is in one of the two. */
	status = READ_ONCE(c->from->status);
	kn->status |= status & (KN_DISABLED | KN_FORCED | seen);
	if (edge || (status & KN_FORCED))
		kn->status |= status & (KN_ACTIVE | KN_STRONG);
	if (ready)
		kn->status |= KN_ACTIVE | KN_STRONG;
	kn->token = c->from->token;
	return kq_change_settle(kn, c);
}

/* Is this the file that the copied knote watches, or the copy of that queue? */
static int kq_check_copy(struct kq_knote *kn, struct kq_knote *from)
{
	const struct file *file;

	if (!kq_knote_is_fd(kn))
		return 0;
	file = kq_knote_fd(kn)->file;
	if (kq_knote_fd(kn)->kind == KQ_KIND_QUEUE)
		file = kq_from_file(file)->origin;
	return file == kq_knote_fd(from)->file ? 0 : -EBADF;
}

/* May the filter watch this file? O_PATH may have come with another filter. */
static int kq_check_fd(struct kq_knote *kn)
{
	const struct kq_filter_ops *ops = kq_filter_ops(kn);
	struct kq_fd *kfd = kq_knote_fd(kn);

	if ((kfd->file->f_mode & FMODE_PATH) && !(ops->flags & KQF_PATH))
		return -EBADF;
	return ops->check(kfd);
}

/* A note the filter did not attach goes: it is in flux, and must not be detached. */
static void kq_note_abort(struct kq_note *note)
{
	struct kq *kq = note->kn.kq;

	raw_spin_lock_irq(&kq->lock);
	if (!(note->kn.status & KN_DEAD)) {
		kq_index_del_note(kq, note);
		kq_knote_end(&note->kn);
	}
	kq_flux_wake(kq, &note->kn);
	raw_spin_unlock_irq(&kq->lock);
	kfree(note->kn.ext);
	kfree(note);
}

/* First EV_ADD: the knote is live and in flux, the filter has not seen it yet. */
static int kq_attach(struct kq_knote *kn, const struct kq_change *c)
{
	const struct kq_filter_ops *ops = c->ops;
	const struct kq_event_ext *ev = c->ev;
	int err;

	kq_race_point(KQ_AT_ATTACH);
	kn->flags = ev->flags & KQ_FIXED_FLAGS;
	kn->sfflags = ev->fflags;
	kn->sdata = ev->data;
	kn->udata = ev->udata;
	err = kq_knote_need_ext(kn, ev);
	kq_knote_set_ext(kn, ev);
	if (!err && c->from)
		err = kq_check_copy(kn, c->from);
	if (!err && ops->check)
		err = kq_check_fd(kn);
	if (!err && c->from && ops->inherit)
		err = ops->inherit(kn, c->from);
	else if (!err && ops->attach)
		err = ops->attach(kn, ev);
	if (err) {
		if (!kq_knote_is_fd(kn)) {
			kq_note_abort(kq_knote_note(kn));
			return err;
		}
		if (ops->wakes) {
			raw_spin_lock_irq(&kn->kq->lock);
			kq_knote_fd(kn)->state &= ~KFD_BUSY;
			raw_spin_unlock_irq(&kn->kq->lock);
		}
		kq_knote_drop(kn, c->drops);
		return err;
	}
	if (kq_knote_is_fd(kn) && ops->detach)
		kq_knote_extra(kn)->attached = true;
	return c->from ? kq_copy_done(kn, c) : kq_change_done(kn, c);
}

/* A later change: the knote is in flux. */
static int kq_modify(struct kq_knote *kn, const struct kq_change *c)
{
	const struct kq_event_ext *ev = c->ev;
	struct kq *kq = kn->kq;
	int err = 0;

	kq_race_point(KQ_AT_MODIFY);
	if (!(ev->flags & EV_KEEPUDATA))
		err = kq_knote_need_ext(kn, ev);
	if (!err)
		err = c->ops->touch(kn, ev);
	if (err) {
		raw_spin_lock_irq(&kq->lock);
		kq_knote_release(kn, false, c->drops);
		return err;
	}
	if (!(ev->flags & EV_KEEPUDATA)) {
		kn->udata = ev->udata;
		kq_knote_set_ext(kn, ev);
	}
	return kq_change_done(kn, c);
}

static enum kq_claim kq_claim(struct kq_knote *kn, bool ident_again)
{
	const struct kq_filter_ops *ops = kq_filter_ops(kn);

	return ops->gone ? ops->gone(kn, ident_again) : KQ_CLAIM_KEEP;
}

/* Is the number open, for a change that finds no knote? */
static int kq_absent_fd(u32 fd)
{
	struct fdtable *fdt;
	bool open;

	rcu_read_lock();
	fdt = rcu_dereference_raw(current->files->fdt);
	open = fd < fdt->max_fds &&
	       rcu_access_pointer(fdt->fd[array_index_nospec(fd, fdt->max_fds)]);
	rcu_read_unlock();
	return open ? -ENOENT : -EBADF;
}

/* The knote of a filter that is not embedded in the kq_fd. */
static struct kq_extra *kq_create_extra(const struct kq_change *c)
{
	struct kq_extra *extra = kzalloc(c->ops->size, GFP_KERNEL_ACCOUNT);

	if (extra)
		kq_knote_init(&extra->kn, c->kq, -c->ev->filter);
	return extra;
}

static int kq_create_fd(const struct kq_change *c)
{
	const struct kq_event_ext *ev = c->ev;
	struct kq_extra *extra;
	struct kq_knote *kn;
	struct kq_fd *kfd;
	int err;

	/* Before the index grows to the size of a number that is not even open. */
	if (kq_absent_fd(ev->ident) == -EBADF)
		return -EBADF;
	kfd = kq_fd_create(c->kq, ev->ident);
	if (IS_ERR(kfd))
		return PTR_ERR(kfd);
	if (c->ops->size) {
		extra = kq_create_extra(c);
		if (extra)
			kq_fd_extend(kfd, extra);
	}
	kn = kq_fd_knote(kfd, -ev->filter);
	err = kn ? kq_fd_publish(kfd, kn) : -ENOMEM;
	if (err) {
		llist_add(&kfd->drop, &c->drops->list);
		return err;
	}
	return kq_attach(kn, c);
}

/*
 * A filter nobody used on this descriptor so far: its knote is made while the
 * queue is not locked, and added if the descriptor still has none.
 *
 * Return: 0 to look again, -ENOMEM.
 */
static int kq_extend_fd(const struct kq_change *c)
{
	struct kq_extra *extra = kq_create_extra(c);
	struct kq *kq = c->kq;
	struct kq_fd *kfd;

	if (!extra)
		return -ENOMEM;
	raw_spin_lock_irq(&kq->lock);
	kfd = kq_index_fd(kq, c->ev->ident);
	if (kfd && !kq_fd_knote(kfd, -c->ev->filter)) {
		kq_fd_extend(kfd, extra);
		extra = NULL;
	}
	raw_spin_unlock_irq(&kq->lock);
	kfree(extra);
	return 0;
}

static int kq_change_fd(const struct kq_change *c)
{
	const struct kq_event_ext *ev = c->ev;
	struct kq *kq = c->kq;
	struct kq_knote *kn;
	struct kq_fd *kfd;
	int err;

	if (ev->ident > INT_MAX)
		return -EBADF;
again:
	raw_spin_lock_irq(&kq->lock);
	if (kq->dead) {
		raw_spin_unlock_irq(&kq->lock);
		return -EBADF;
	}
	kfd = kq_index_fd(kq, ev->ident);
	if (kfd && !kq_fd_current(kfd)) {
		/* The slot is cleared, the hook on its way: as if it had come. */
		bool mine = kq_fd_kill(kfd);

		raw_spin_unlock_irq(&kq->lock);
		if (mine)
			kq_fd_teardown(kfd, c->drops);
		goto again;
	}
	if (!kfd) {
		raw_spin_unlock_irq(&kq->lock);
		if (!(ev->flags & EV_ADD))
			return kq_absent_fd(ev->ident);
		err = kq_create_fd(c);
		if (err == -EAGAIN)
			goto again;
		return err;
	}

	kn = kq_fd_knote(kfd, -ev->filter);
	if (!kn && (ev->flags & EV_ADD)) {
		raw_spin_unlock_irq(&kq->lock);
		err = kq_extend_fd(c);
		if (err)
			return err;
		goto again;
	}
	if ((kn && (kn->status & KN_FLUX)) || (kfd->state & KFD_BUSY)) {
		/* For whatever is busy with the descriptor, if it has no such knote yet. */
		err = kq_flux_wait(kq, kn ? kn : &kfd->read, c->drops);
		if (err)
			return err;
		goto again;
	}
	if (!kn || !(kn->status & KN_LIVE)) {
		if (!(ev->flags & EV_ADD)) {
			raw_spin_unlock_irq(&kq->lock);
			return -ENOENT;
		}
		err = kq_fd_begin(kfd, kn);
		raw_spin_unlock_irq(&kq->lock);
		return err ? err : kq_attach(kn, c);
	}
	kq_flux_begin(kn, true);
	raw_spin_unlock_irq(&kq->lock);
	if (kq_claim(kn, false) == KQ_CLAIM_GONE) {
		kq_knote_drop(kn, c->drops);
		goto again;
	}
	if (ev->flags & EV_DELETE) {
		kq_knote_drop(kn, c->drops);
		return 0;
	}
	return kq_modify(kn, c);
}

/* No change finds it any more, EV_ENABLE neither: what it has to report is due now. */
static void kq_note_set_aside(struct kq_note *note)
{
	struct kq_knote *kn = &note->kn;

	lockdep_assert_held(&kn->kq->lock);
	kn->status = (kn->status | KN_ASIDE) & ~KN_DISABLED;
	if ((kn->status & (KN_ACTIVE | KN_FLUX | KN_QUEUED)) == KN_ACTIVE)
		kq_knote_requeue(kn);
}

/* The note enters the index and begins to live, in flux. */
static int kq_note_begin(struct kq_note *note)
{
	struct kq *kq = note->kn.kq;
	int err;

	err = kq_knote_begin(&note->kn);
	if (err)
		return err;
	if (!kq_index_add_note(kq, note)) {
		kq_knote_end(&note->kn);
		return -EAGAIN;
	}
	kq_flux_begin(&note->kn, false);
	return 0;
}

/**
 * kq_note_enter() - a new note enters the index of its queue
 * @note: from kzalloc(); its ident is set, its knote is initialised
 * @gfp: whether that may wait for memory
 *
 * An older note of the same ident is set aside. Not called with a lock held.
 *
 * Return: 0 with the note in flux; -EBADF if the queue has gone, -ENOMEM; it is
 * the caller's then.
 */
int kq_note_enter(struct kq_note *note, gfp_t gfp)
{
	struct kq *kq = note->kn.kq;
	struct kq_note *older;
	int err;

	do {
		if (kq_index_reserve_note(kq, gfp))
			return -ENOMEM;
		raw_spin_lock_irq(&kq->lock);
		older = kq_index_note(kq, note->kn.filter, note->ident, false);
		if (kq->dead)
			err = -EBADF;
		else if (kq_index_crowded(kq, note->kn.filter, note->ident))
			err = -ENOMEM;
		else
			err = kq_note_begin(note);
		if (!err && older && !(note->kn.status & KN_ASIDE))
			kq_note_set_aside(older);
		raw_spin_unlock_irq(&kq->lock);
	} while (err == -EAGAIN);
	return err;
}

static int kq_create_note(const struct kq_change *c)
{
	bool aside = c->from && (READ_ONCE(c->from->status) & KN_ASIDE);
	struct kq *kq = c->kq;
	struct kq_note *note;
	int err;

	note = kzalloc(c->ops->size, GFP_KERNEL_ACCOUNT);
	if (!note)
		return -ENOMEM;
	kq_knote_init(&note->kn, kq, -c->ev->filter);
	note->kn.status = aside ? KN_ASIDE : 0;
	note->ident = c->ev->ident;
	if (kq_index_reserve_note(kq, GFP_KERNEL_ACCOUNT)) {
		kfree(note);
		return -ENOMEM;
	}

	raw_spin_lock_irq(&kq->lock);
	if (kq->dead)
		err = -EBADF;
	else if (!aside && kq_index_note(kq, note->kn.filter, note->ident, false))
		err = c->from ? -EEXIST : -EAGAIN;
	else
		err = kq_note_begin(note);
	raw_spin_unlock_irq(&kq->lock);
	if (err) {
		kfree(note);
		return err;
	}
	return kq_attach(&note->kn, c);
}

/*
 * A delete takes what was set aside under the same ident along.
 *
 * Return: 0 if there was any, -ENOENT, -EINTR.
 */
static int kq_delete_aside(const struct kq_change *c)
{
	struct kq *kq = c->kq;
	struct kq_note *note;
	int err = -ENOENT;

	if (!(c->ops->flags & KQF_ASIDE))
		return -ENOENT;
	for (;;) {
		raw_spin_lock_irq(&kq->lock);
		note = kq_index_note(kq, -c->ev->filter, c->ev->ident, true);
		if (!note) {
			raw_spin_unlock_irq(&kq->lock);
			return err;
		}
		if (note->kn.status & KN_FLUX) {
			if (kq_flux_wait(kq, &note->kn, c->drops))
				return -EINTR;
			continue;
		}
		kq_flux_begin(&note->kn, false);
		raw_spin_unlock_irq(&kq->lock);
		kq_knote_drop(&note->kn, c->drops);
		err = 0;
	}
}

static int kq_change_note(const struct kq_change *c)
{
	const struct kq_event_ext *ev = c->ev;
	struct kq *kq = c->kq;
	struct kq_note *note;
	int err;

again:
	raw_spin_lock_irq(&kq->lock);
	if (kq->dead) {
		raw_spin_unlock_irq(&kq->lock);
		return -EBADF;
	}
	note = kq_index_note(kq, -ev->filter, ev->ident, false);
	if (!note) {
		raw_spin_unlock_irq(&kq->lock);
		if (ev->flags & EV_DELETE) {
			err = kq_delete_aside(c);
			if (err != -ENOENT)
				return err;
		}
		if (!(ev->flags & EV_ADD))
			return -ENOENT;
		err = kq_create_note(c);
		if (err == -EAGAIN)
			goto again;
		return err;
	}
	if (note->kn.status & KN_FLUX) {
		err = kq_flux_wait(kq, &note->kn, c->drops);
		if (err)
			return err;
		goto again;
	}
	kq_flux_begin(&note->kn, true);
	raw_spin_unlock_irq(&kq->lock);
	switch (kq_claim(&note->kn, ev->flags & EV_ADD)) {
	case KQ_CLAIM_KEEP:
		break;
	case KQ_CLAIM_GONE:
		kq_knote_drop(&note->kn, c->drops);
		goto again;
	case KQ_CLAIM_ASIDE:
		raw_spin_lock_irq(&kq->lock);
		err = kq_index_crowded(kq, -ev->filter, ev->ident) ? -ENOMEM : 0;
		if (!err)
			kq_note_set_aside(note);
		kq_knote_release(&note->kn, false, c->drops);
		if (err)
			return err;
		goto again;
	}
	if (ev->flags & EV_DELETE) {
		kq_knote_drop(&note->kn, c->drops);
		err = kq_delete_aside(c);
		return err == -ENOENT ? 0 : err;
	}
	return kq_modify(&note->kn, c);
}

/**
 * kq_register() - apply one change (specified as KQ-027 to KQ-059)
 * @kq: queue; the caller is a thread of its owner
 * @ev: the change, without the bits a user cannot pass
 * @drops: where watched files go that are no longer needed
 *
 * Return: 0, or the -errno the caller reports for this change: EINVAL (filter,
 * flags, object or words not supported), EPERM (filter is registered elsewhere),
 * EBADF (descriptor not open), ENOENT (no knote and no EV_ADD), ESRCH (no such
 * process), ENOMEM, EINTR (being killed).
 */
int kq_register(struct kq *kq, const struct kq_event_ext *ev, struct kq_drops *drops)
{
	const struct kq_filter_ops *ops = kq_filter_find(ev->filter);
	const struct kq_change c = { .kq = kq, .ops = ops, .ev = ev, .drops = drops };

	if (!ops)
		return -EINVAL;
	if (ops->flags & KQF_REFUSED)
		return -EPERM;
	if ((ev->flags & (EV_ENABLE | EV_DISABLE)) == (EV_ENABLE | EV_DISABLE) ||
	    (ev->flags & (EV_ADD | EV_KEEPUDATA)) == (EV_ADD | EV_KEEPUDATA))
		return -EINVAL;
	return ops->flags & KQF_FD ? kq_change_fd(&c) : kq_change_note(&c);
}

/**
 * kq_register_copy() - register in one queue what another one has
 * @kq: queue of the calling process, which is the only one that uses it
 * @from: knote of the other queue, in flux there
 * @drops: where watched files go that are no longer needed
 *
 * Return: 0, or the -errno for which it cannot be had here: EBADF (the number is
 * not open, or names another file), EEXIST (it was made by other means), EINVAL,
 * ESRCH, ENOMEM, EINTR.
 */
int kq_register_copy(struct kq *kq, struct kq_knote *from, struct kq_drops *drops)
{
	struct kq_event_ext ev = {
		.filter = kq_filter_number(from),
		.flags = from->flags | EV_ADD,
		.fflags = from->sfflags,
		.data = from->sdata,
		.udata = from->udata,
	};
	const struct kq_change c = {
		.kq = kq, .ops = kq_filter_ops(from), .ev = &ev, .from = from, .drops = drops,
	};
	int err;

	if (READ_ONCE(from->status) & KN_DISABLED)
		ev.flags |= EV_DISABLE;
	if (from->ext) {
		ev.ext[2] = from->ext[0];
		ev.ext[3] = from->ext[1];
	}
	if (kq_knote_is_fd(from)) {
		ev.ident = kq_knote_fd(from)->fd;
		return kq_change_fd(&c);
	}
	ev.ident = kq_knote_note(from)->ident;
	do
		err = kq_create_note(&c);
	while (err == -EAGAIN);
	return err;
}
