/* SPDX-License-Identifier: GPL-2.0 */
/* Every limit and batch size of the module. */
#ifndef KQ_LIMITS_H
#define KQ_LIMITS_H

/* Records copied in, or evaluated and copied out, at a time: on the stack. */
#define KQ_BATCH	16

/* Steps of a walk under kq->lock before it is let go for a moment. */
#define KQ_RELAX	256

/* How often a page is brought in for a copy that still fails: memory may be tagged. */
#define KQ_FAULT_TRIES	16

/* Queues in the longest chain of queues watching queues. */
#define KQ_MAX_DEPTH	16

/*
 * Children made but not yet running, of all processes together: of tracked ones,
 * and as many of those that have queues.
 */
#define KQ_FORK_POOL	512

/*
 * Defaults of what one user may have, see limits.c: what a registration and a
 * queue are taken to cost in bytes, and what a small machine allows all the same.
 */
#define KQ_KNOTE_COST		320ul
#define KQ_QUEUE_COST		8192ul
#define KQ_MIN_USER_KNOTES	131072ul
#define KQ_MIN_USER_TIMERS	65536ul
#define KQ_MIN_USER_QUEUES	4096ul

/* Notes of one ident that wait to be told, while the ident names another object. */
#define KQ_MAX_ASIDE		64

/* Watches of one user on one process whose status that user may not see. */
#define KQ_MAX_FOREIGN		64

/* A slot that stays wrong this long after a look was a close nobody told us. */
#define KQ_MISSED_AFTER	HZ

/* Timeouts and intervals beyond this many seconds mean for ever. */
#define KQ_SEC_FOREVER	0x7fffffffLL

#endif /* KQ_LIMITS_H */
