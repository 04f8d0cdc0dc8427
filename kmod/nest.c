// SPDX-License-Identifier: GPL-2.0
/*
 * The graph of queues that watch queues: refuses cycles and chains longer than
 * KQ_MAX_DEPTH. One edge per kq_fd that watches a queue.
 */
#include <linux/mutex.h>
#include <linux/slab.h>

#include "kq.h"

static DEFINE_MUTEX(kq_nest_mutex);
static u64 kq_nest_walk;

/*
 * The walks visit each queue once: nest_mark says which walk came here last,
 * nest_depth what it found. Recursion is bounded by KQ_MAX_DEPTH since no edge
 * that made a longer chain was ever accepted.
 */
static int kq_nest_down(struct kq *kq)
{
	struct kq_nest_link *edge;
	int depth = 1;

	if (kq->nest_mark == kq_nest_walk)
		return kq->nest_depth;
	list_for_each_entry(edge, &kq->nested, child)
		depth = max(depth, 1 + kq_nest_down(edge->inner));
	kq->nest_mark = kq_nest_walk;
	kq->nest_depth = depth;
	return depth;
}

static int kq_nest_up(struct kq *kq)
{
	struct kq_nest_link *edge;
	int depth = 1;

	if (kq->nest_mark == kq_nest_walk)
		return kq->nest_depth;
	list_for_each_entry(edge, &kq->watchers, parent)
		depth = max(depth, 1 + kq_nest_up(edge->outer));
	kq->nest_mark = kq_nest_walk;
	kq->nest_depth = depth;
	return depth;
}

/**
 * kq_nest_add() - a queue is going to watch another one
 * @kq: the watching queue
 * @kfd: its descriptor of the watched queue
 *
 * Return: 0, -EINVAL for a cycle or too long a chain, -EBADF for a queue of
 * another process, -ENOMEM.
 */
int kq_nest_add(struct kq *kq, struct kq_fd *kfd)
{
	struct kq *inner = kq_from_file(kfd->file);
	struct kq_nest_link *edge;
	int down, err = -EINVAL;

	if (inner == kq)
		return -EINVAL;
	/* A queue is its owner's alone, to look into as well as to use. */
	if (READ_ONCE(inner->files) != current->files)
		return -EBADF;
	edge = kmalloc(sizeof(*edge), GFP_KERNEL_ACCOUNT);
	if (!edge)
		return -ENOMEM;
	edge->outer = kq;
	edge->inner = inner;

	mutex_lock(&kq_nest_mutex);
	kq_nest_walk++;
	down = kq_nest_down(inner);
	/* The walk came to us: inner already watches kq, directly or not. */
	if (kq->nest_mark != kq_nest_walk) {
		kq_nest_walk++;
		if (kq_nest_up(kq) + down <= KQ_MAX_DEPTH) {
			list_add(&edge->child, &kq->nested);
			list_add(&edge->parent, &inner->watchers);
			kfd->nest = edge;
			err = 0;
		}
	}
	mutex_unlock(&kq_nest_mutex);
	if (err)
		kfree(edge);
	return err;
}

/**
 * kq_nest_del() - it does not watch it any more
 * @kfd: descriptor whose file is still referenced
 */
void kq_nest_del(struct kq_fd *kfd)
{
	if (!kfd->nest)
		return;
	mutex_lock(&kq_nest_mutex);
	list_del(&kfd->nest->child);
	list_del(&kfd->nest->parent);
	mutex_unlock(&kq_nest_mutex);
	kfree(kfd->nest);
	kfd->nest = NULL;
}
