// SPDX-License-Identifier: GPL-2.0
/*
 * Wake-ups through the wait queues of a watched file, POLLFREE included. One
 * set of entries serves all knotes of a descriptor.
 */
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "kq_filter.h"
#include "kq_hooks.h"
#include "kq_race.h"

struct kqh_table {
	poll_table pt;
	struct kq_fd *kfd;
	int err;
};

static void kqh_wake_knote(struct kq_knote *kn, bool strong)
{
	u32 status = READ_ONCE(kn->status);

	if (!(status & KN_LIVE) || (status & (KN_DISABLED | KN_FLUX)) == KN_DISABLED)
		return;
	/* Queued, and neither a wake-up nor the mark of news is missing. */
	if ((status & (KN_QUEUED | KN_QUIET)) == KN_QUEUED && (!strong || (status & KN_STRONG)))
		return;
	kq_knote_activate(kn, strong);
}

static int kqh_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct kq_wait *wait = container_of(entry, struct kq_wait, entry);
	struct kq_fd *kfd = entry->private;
	__poll_t events = key_to_poll(key);
	bool strong = events;
	struct kq_extra *extra;
	__poll_t wakes;

	kq_race_point(KQ_AT_WAKE);
	/*
	 * Pairs with the barrier in kq_batch_take(): the waker changed its object
	 * before it called us, the status words are read after.
	 */
	smp_mb();
	if (!events || (events & KQ_WAKES_READER))
		kqh_wake_knote(&kfd->read, strong);
	if (!events || (events & KQ_WAKES_WRITER))
		kqh_wake_knote(&kfd->write, strong);
	/* Pairs with kq_fd_extend(); what is on the list stays. */
	for (extra = smp_load_acquire(&kfd->extra); extra; extra = extra->next) {
		wakes = kq_filter_ops(&extra->kn)->wakes;
		if (wakes && (!events || (events & wakes)))
			kqh_wake_knote(&extra->kn, strong);
	}

	if (events & POLLFREE) {
		list_del_init(&entry->entry);
		kq_race_point(KQ_AT_POLLFREE);
		/*
		 * Pairs with kqh_waitqueue_leave(): once it reads NULL neither
		 * the head nor this entry is touched by us any more.
		 */
		smp_store_release(&wait->head, NULL);
	}
	return 0;
}

static void kqh_queue(struct file *file, wait_queue_head_t *head, poll_table *pt)
{
	struct kqh_table *table = container_of(pt, struct kqh_table, pt);
	struct kq_wait *wait = &table->kfd->wait;

	if (wait->head) {
		wait = kzalloc(sizeof(*wait), GFP_KERNEL_ACCOUNT);
		if (!wait) {
			table->err = -ENOMEM;
			return;
		}
		wait->next = table->kfd->wait.next;
		table->kfd->wait.next = wait;
	}
	wait->head = head;
	init_waitqueue_func_entry(&wait->entry, kqh_wake);
	wait->entry.private = table->kfd;
	add_wait_queue(head, &wait->entry);
}

/**
 * kqh_waitqueue_join() - the one poll of a descriptor that leaves wait entries
 * @kfd: descriptor, KFD_BUSY, its file can be polled
 * @mask: what it said
 *
 * Asks for everything at once, so that a knote added later for the other
 * direction finds its wait entry in place.
 *
 * Return: 0 or -ENOMEM.
 */
int kqh_waitqueue_join(struct kq_fd *kfd, __poll_t *mask)
{
	struct kqh_table table = { .kfd = kfd };

	init_poll_funcptr(&table.pt, kqh_queue);
	table.pt._key = ~(__poll_t)0;
	*mask = vfs_poll(kfd->file, &table.pt);
	return table.err;
}

static void kqh_wait_leave(struct kq_wait *wait)
{
	wait_queue_head_t *head;

	rcu_read_lock();
	/* Pairs with kqh_wake(); RCU keeps a head that POLLFREE is freeing. */
	head = smp_load_acquire(&wait->head);
	if (head)
		remove_wait_queue(head, &wait->entry);
	rcu_read_unlock();
}

/**
 * kqh_waitqueue_leave() - on return no callback runs for this descriptor
 * @kfd: descriptor
 */
void kqh_waitqueue_leave(struct kq_fd *kfd)
{
	struct kq_wait *wait, *next;

	kqh_wait_leave(&kfd->wait);
	for (wait = kfd->wait.next; wait; wait = next) {
		next = wait->next;
		kqh_wait_leave(wait);
		kfree(wait);
	}
	kfd->wait.next = NULL;
}
