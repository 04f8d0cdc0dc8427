// SPDX-License-Identifier: GPL-2.0
/*
 * Records for probes that may neither allocate nor sleep: a fixed number made
 * at load, and where the kernel allows it more, one at a time.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "kq_pool.h"

/**
 * kq_pool_init() - make the records
 * @pool: the pool
 * @size: bytes of a record, which begins with its struct kq_pooled
 *
 * Return: 0 or -ENOMEM.
 */
int kq_pool_init(struct kq_pool *pool, size_t size)
{
	int i;

	raw_spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->free);
	pool->size = size;
	pool->records = kvcalloc(KQ_FORK_POOL, size, GFP_KERNEL);
	if (!pool->records)
		return -ENOMEM;
	for (i = 0; i < KQ_FORK_POOL; i++) {
		struct kq_pooled *rec = pool->records + i * size;

		list_add(&rec->link, &pool->free);
	}
	return 0;
}

/**
 * kq_pool_exit() - the records go
 * @pool: all of them are back
 */
void kq_pool_exit(struct kq_pool *pool)
{
	kvfree(pool->records);
}

/**
 * kq_pool_get() - take a record
 * @pool: the pool
 *
 * From any context that is not a hard interrupt.
 *
 * Return: the record, its contents those of its last use or zero, or NULL if
 * none is left and this kernel does not allocate here.
 */
struct kq_pooled *kq_pool_get(struct kq_pool *pool)
{
	struct kq_pooled *rec;
	unsigned long flags;

	raw_spin_lock_irqsave(&pool->lock, flags);
	rec = list_first_entry_or_null(&pool->free, struct kq_pooled, link);
	if (rec)
		list_del(&rec->link);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
	if (!rec && !IS_ENABLED(CONFIG_PREEMPT_RT)) {
		rec = kzalloc(pool->size, GFP_ATOMIC | __GFP_NOWARN);
		if (rec)
			rec->spare = true;
	}
	return rec;
}

/**
 * kq_pool_put() - give a record back
 * @pool: the pool
 * @rec: from kq_pool_get()
 */
void kq_pool_put(struct kq_pool *pool, struct kq_pooled *rec)
{
	unsigned long flags;

	if (rec->spare) {
		kfree(rec);
		return;
	}
	raw_spin_lock_irqsave(&pool->lock, flags);
	list_add(&rec->link, &pool->free);
	raw_spin_unlock_irqrestore(&pool->lock, flags);
}
