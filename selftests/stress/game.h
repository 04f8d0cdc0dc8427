/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what all parts of the stress program share: the random numbers of a
 * thread, the numbers that are part of the game, and the report of a defect.
 */
#ifndef GAME_H
#define GAME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Shared descriptors live at fixed high numbers and come there by dup2 only.
 * Low numbers belong to the thread that opened them. So a thread never closes
 * what is not part of the game.
 */
#define SLOT_BASE	256
#define SLOTS		48
#define QUEUE_BASE	(SLOT_BASE + SLOTS)
#define QUEUES		6
#define SLOT_END	(QUEUE_BASE + QUEUES)

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

struct thread {
	pthread_t id;
	uint64_t random;
};

static atomic_int defects;

static inline uint32_t rnd(struct thread *t, uint32_t below)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (uint32_t)(t->random >> 33) % below;
}

static inline int slot(struct thread *t)
{
	return SLOT_BASE + (int)rnd(t, SLOTS);
}

static inline int queue(struct thread *t)
{
	return QUEUE_BASE + (int)rnd(t, QUEUES);
}

static inline void defect(const char *what, const char *detail)
{
	if (atomic_fetch_add(&defects, 1) < 20)
		printf("# defect: %s: %s\n", what, detail);
}

#endif /* GAME_H */
