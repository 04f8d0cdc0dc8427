/* SPDX-License-Identifier: GPL-2.0 */
/* Records for those who may not allocate, see pool.c. */
#ifndef KQ_POOL_H
#define KQ_POOL_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "kq_limits.h"

/**
 * struct kq_pooled - the head of a record
 * @link: under the pool's lock, while it is there
 * @spare: [i] allocated when the pool was empty
 */
struct kq_pooled {
	struct list_head link;
	bool spare;
};

/**
 * struct kq_pool - KQ_FORK_POOL records of one size
 * @lock: protects @free
 * @free: those not in use
 * @records: [i] all of them
 * @size: [i] of one
 */
struct kq_pool {
	raw_spinlock_t lock;
	struct list_head free;
	void *records;
	size_t size;
};

int kq_pool_init(struct kq_pool *pool, size_t size);
void kq_pool_exit(struct kq_pool *pool);
struct kq_pooled *kq_pool_get(struct kq_pool *pool);
void kq_pool_put(struct kq_pool *pool, struct kq_pooled *rec);

#endif /* KQ_POOL_H */
