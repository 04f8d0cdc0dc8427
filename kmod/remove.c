// SPDX-License-Identifier: GPL-2.0
/*
 * How registrations end: one by one, or all of a queue at once. Who may free
 * what, and what excludes two who want to, is in kq.h.
 */
#include <linux/sched.h>
#include <linux/slab.h>

#include "kq_filter.h"
#include "kq_race.h"

/* Detach and free a note that left the index and is in nobody else's hands. */
static void kq_note_free(struct kq_knote *kn)
{
	const struct kq_filter_ops *ops = kq_filter_ops(kn);

	kq_race_point(KQ_AT_NOTE_FREE);
	if (ops->detach)
		ops->detach(kn);
	kfree(kn->ext);
	kfree(kq_knote_note(kn));
}

/**
 * kq_knote_bury() - what a kq_flux_end() that returned true leaves to its caller
 * @kn: knote that is out of the index
 * @drops: where a watched file goes
 */
void kq_knote_bury(struct kq_knote *kn, struct kq_drops *drops)
{
	if (kq_knote_is_fd(kn))
		kq_fd_teardown(kq_knote_fd(kn), drops);
	else
		kq_note_free(kn);
}

/**
 * kq_knote_release() - end flux, and bury the knote if it died meanwhile
 * @kn: knote in flux, queue locked by raw_spin_lock_irq(); is unlocked
 * @quiet: see kq_flux_end()
 * @drops: where a watched file goes
 *
 * Return: false if it died.
 */
bool kq_knote_release(struct kq_knote *kn, bool quiet, struct kq_drops *drops)
	__releases(&kn->kq->lock)
{
	struct kq *kq = kn->kq;
	bool died;

	if (kq_knote_is_fd(kn))
		died = kq_knote_fd(kn)->state & KFD_DEAD;
	else
		died = kn->status & KN_DEAD;
	if (kq_flux_end(kn, quiet)) {
		raw_spin_unlock_irq(&kq->lock);
		kq_knote_bury(kn, drops);
	} else {
		raw_spin_unlock_irq(&kq->lock);
	}
	return !died;
}

/**
 * kq_knote_drop() - the knote goes: deleted, delivered once, or never attached
 * @kn: knote in flux
 * @drops: where a watched file goes
 */
void kq_knote_drop(struct kq_knote *kn, struct kq_drops *drops)
{
	struct kq *kq = kn->kq;

	kq_race_point(KQ_AT_DROP);
	/* Others may go on watching the descriptor. */
	if (kq_knote_is_fd(kn) && kq_filter_ops(kn)->size)
		kq_extra_detach(kq_knote_extra(kn));
	raw_spin_lock_irq(&kq->lock);
	kq_knote_unlink(kn);
	if (kq_knote_is_fd(kn)) {
		struct kq_fd *kfd = kq_knote_fd(kn);

		kq_knote_end(kn);
		if (!kq_fd_live(kfd))
			kq_fd_kill(kfd);
	} else if (!(kn->status & KN_DEAD)) {
		kq_index_del_note(kq, kq_knote_note(kn));
		kq_knote_end(kn);
		kn->status |= KN_DEAD;
	}
	kq_knote_release(kn, false, drops);
}

/**
 * kq_clear() - the queue dies: drop everything, wake everybody
 * @kq: queue
 *
 * What is in flux is dropped by the thread that holds it. Repeating it is
 * harmless.
 */
void kq_clear(struct kq *kq)
{
	struct kq_waiter *waiter, *next;
	struct kq_knote *kn;
	struct kq_note *note;
	struct kq_fd *kfd;
	u32 i;

	raw_spin_lock_irq(&kq->lock);
	kq->dead = true;
	WRITE_ONCE(kq->files, NULL);
	list_for_each_entry_safe(waiter, next, &kq->waiters, link) {
		kq_waiter_leave(kq, waiter);
		wake_up_process(waiter->task);
	}
	kq_flux_wake(kq, NULL);
	for (i = 0; i < kq->nfds; i++) {
		bool mine;

		kfd = kq_index_fd(kq, i);
		mine = kfd && kq_fd_kill(kfd);
		if (!mine && i % KQ_RELAX)
			continue;
		raw_spin_unlock_irq(&kq->lock);
		if (mine)
			kq_fd_teardown(kfd, NULL);
		cond_resched();
		raw_spin_lock_irq(&kq->lock);
	}
	for (i = 0; i < kq->nbuckets; i++) {
		if (!(i % KQ_RELAX)) {
			raw_spin_unlock_irq(&kq->lock);
			cond_resched();
			raw_spin_lock_irq(&kq->lock);
		}
		while (!hlist_empty(kq_index_bucket(kq, i))) {
			note = hlist_entry(kq_index_bucket(kq, i)->first, struct kq_note, hash);
			kn = &note->kn;
			kq_index_del_note(kq, note);
			kq_knote_unlink(kn);
			kq_knote_end(kn);
			kn->status |= KN_DEAD;
			if (kn->status & KN_FLUX)
				continue;
			raw_spin_unlock_irq(&kq->lock);
			kq_note_free(kn);
			cond_resched();
			raw_spin_lock_irq(&kq->lock);
		}
	}
	raw_spin_unlock_irq(&kq->lock);
	wake_up_all(&kq->pollq);
}
