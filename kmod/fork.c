// SPDX-License-Identifier: GPL-2.0
/*
 * Forked children: knows which descriptor tables have queues, and queues work on
 * each new copy of such a table, done by the child before it runs. The probe may
 * neither allocate nor sleep. What the work does with the copy is in inherit.c.
 */
#include <linux/completion.h>
#include <linux/fdtable.h>
#include <linux/hash.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/task_work.h>

#include "kq.h"
#include "kq_pool.h"
#include "kq_race.h"

#define KQ_OWNER_BITS	8

struct kq_owner_bucket {
	raw_spinlock_t lock;
	struct hlist_head owners;
};

/**
 * struct kq_owner - a descriptor table in which queues were opened
 * @hash: under the bucket's lock
 * @files: [i] the table, not pinned: compared only. Another table may have come
 *         to its address while files of queues live on elsewhere; that costs its
 *         children a look at their descriptors, and no more.
 * @queues: under the bucket's lock: open files of such queues
 * @copied: under the bucket's lock: those of them with KQ_SETUP_CPONFORK
 */
struct kq_owner {
	struct hlist_node hash;
	struct files_struct *files;
	unsigned int queues;
	unsigned int copied;
};

/**
 * struct kq_fork - a child on its way
 * @pooled: its place in the pool
 * @in_child: work of the child
 * @in_parent: work of the thread that made it, if anything is copied
 * @refs: those two
 * @files: the table that was copied; compared only
 * @copies: queues are copied, not only closed
 * @done: the child has done its work
 */
struct kq_fork {
	struct kq_pooled pooled;
	struct callback_head in_child;
	struct callback_head in_parent;
	refcount_t refs;
	struct files_struct *files;
	bool copies;
	struct completion done;
};

static struct kq_owner_bucket kq_owners[1 << KQ_OWNER_BITS];
static struct kq_pool kq_fork_pool;

static struct kq_owner_bucket *kq_owner_bucket(const struct files_struct *files)
{
	return &kq_owners[hash_ptr(files, KQ_OWNER_BITS)];
}

static struct kq_owner *kq_owner_find(struct kq_owner_bucket *bucket,
				      const struct files_struct *files)
{
	struct kq_owner *owner;

	lockdep_assert_held(&bucket->lock);
	hlist_for_each_entry(owner, &bucket->owners, hash)
		if (owner->files == files)
			return owner;
	return NULL;
}

/**
 * kq_owner_join() - the calling process opens a queue
 * @kq: queue
 *
 * Return: 0 or -ENOMEM.
 */
int kq_owner_join(struct kq *kq)
{
	struct files_struct *files = current->files;
	struct kq_owner_bucket *bucket = kq_owner_bucket(files);
	struct kq_owner *owner, *fresh;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return -ENOMEM;
	fresh->files = files;
	raw_spin_lock_irq(&bucket->lock);
	owner = kq_owner_find(bucket, files);
	if (!owner) {
		owner = fresh;
		fresh = NULL;
		hlist_add_head(&owner->hash, &bucket->owners);
	}
	owner->queues++;
	raw_spin_unlock_irq(&bucket->lock);
	kfree(fresh);
	kq->owner = owner;
	return 0;
}

/**
 * kq_owner_leave() - the last file of a queue is closed
 * @kq: queue, of which nobody has a file any more
 */
void kq_owner_leave(struct kq *kq)
{
	struct kq_owner *owner = kq->owner;
	struct kq_owner_bucket *bucket = kq_owner_bucket(owner->files);

	raw_spin_lock_irq(&bucket->lock);
	owner->copied -= kq->copied;
	if (--owner->queues)
		owner = NULL;
	else
		hlist_del(&owner->hash);
	raw_spin_unlock_irq(&bucket->lock);
	kfree(owner);
}

/**
 * kq_owner_copies() - forked children get a copy of a queue, or do not any more
 * @kq: queue
 * @copied: which
 */
void kq_owner_copies(struct kq *kq, bool copied)
{
	struct kq_owner_bucket *bucket = kq_owner_bucket(kq->owner->files);

	raw_spin_lock_irq(&bucket->lock);
	kq->owner->copied += copied - kq->copied;
	WRITE_ONCE(kq->copied, copied);
	raw_spin_unlock_irq(&bucket->lock);
}

static void kq_fork_put(struct kq_fork *rec)
{
	if (!refcount_dec_and_test(&rec->refs))
		return;
	kq_pool_put(&kq_fork_pool, &rec->pooled);
	/* Last: it keeps the module, and so the pool. */
	kq_unpin();
}

static void kq_fork_in_child(struct callback_head *work)
{
	struct kq_fork *rec = container_of(work, struct kq_fork, in_child);

	/* Killed before it ran: the table is gone already. */
	if (current->files)
		kq_inherit(rec->files, rec->copies);
	kq_race_point(KQ_AT_FORK);
	complete_all(&rec->done);
	kq_fork_put(rec);
}

/*
 * fork() returns when the copy is made: what its caller does next, be it to end,
 * does not change what the child gets. The child needs nothing of this thread
 * for it, and does it before it can be stopped or frozen.
 */
static void kq_fork_in_parent(struct callback_head *work)
{
	struct kq_fork *rec = container_of(work, struct kq_fork, in_parent);

	/* Being killed: the child makes do with what is left. */
	if (wait_for_completion_killable(&rec->done))
		pr_debug("killed while a child copied its queues\n");
	kq_fork_put(rec);
}

/* Does the table have queues? If so, with the module pinned. */
static bool kq_owner_pin(struct files_struct *files, bool *copies)
{
	struct kq_owner_bucket *bucket = kq_owner_bucket(files);
	struct kq_owner *owner;
	unsigned long flags;

	/* A queue that is opened in parallel is too late for a table copied before. */
	if (hlist_empty(&bucket->owners))
		return false;
	raw_spin_lock_irqsave(&bucket->lock, flags);
	owner = kq_owner_find(bucket, files);
	if (owner) {
		*copies = owner->copied;
		kq_pin();
	}
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
	return owner;
}

/**
 * kq_forked() - the calling thread has made a child or a thread
 * @child: it, not yet running
 *
 * Where no code can be run in the child, its numbers of queues stay open, and of
 * no use.
 */
void kq_forked(struct task_struct *child)
{
	struct files_struct *files = current->files;
	struct kq_pooled *pooled;
	struct kq_fork *rec;
	bool copies;

	if (!files || !child->files || child->files == files || (child->flags & PF_KTHREAD))
		return;
	if (!kq_owner_pin(files, &copies))
		return;
	pooled = kq_pool_get(&kq_fork_pool);
	if (!pooled) {
		kq_unpin();
		return;
	}
	rec = container_of(pooled, struct kq_fork, pooled);
	rec->files = files;
	rec->copies = copies;
	init_completion(&rec->done);
	refcount_set(&rec->refs, 1);
	init_task_work(&rec->in_child, kq_fork_in_child);
	if (!kqc_task_work_add(child, &rec->in_child)) {
		kq_fork_put(rec);
		return;
	}
	/* The child does not run before the probe is left: the record is ours still. */
	if (!copies)
		return;
	refcount_inc(&rec->refs);
	init_task_work(&rec->in_parent, kq_fork_in_parent);
	if (!kqc_task_work_add(current, &rec->in_parent))
		refcount_dec(&rec->refs);
}

/**
 * kq_fork_init() - fill the pool
 *
 * Return: 0 or -ENOMEM.
 */
int kq_fork_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kq_owners); i++)
		raw_spin_lock_init(&kq_owners[i].lock);
	return kq_pool_init(&kq_fork_pool, sizeof(struct kq_fork));
}

/** kq_fork_exit() - the pool goes; no queue is left, so every record is back */
void kq_fork_exit(void)
{
	kq_pool_exit(&kq_fork_pool);
}
