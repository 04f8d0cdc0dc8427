/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what all parts of the game share: the state in memory common to all
 * processes, the random choices of a thread, the numbers that are in play, and
 * the report of a defect.
 */
#ifndef GAME_H
#define GAME_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Descriptors in play live at fixed high numbers and come there by dup2 only.
 * Low numbers belong to the thread that opened them. So a thread never closes
 * what is not part of the game. Each process has a table of its own.
 */
#define SLOT_BASE	256
#define SLOTS		48
#define QUEUE_BASE	(SLOT_BASE + SLOTS)
#define QUEUES		6	/* the first is never replaced */
#define QUEUES_PLAIN	4	/* those behind are made with KQUEUE_CPONFORK if there is such */
#define SLOT_END	(QUEUE_BASE + QUEUES)
#define CHANNEL_BASE	SLOT_END	/* where process N is sent to; not in play */

#define PROCESSES	16	/* at most */
#define THREADS		64	/* of each process, at most */
#define CHILDREN	16	/* of each process */
#define ACTIONS		48	/* at most */

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* Common to all processes. */
struct game {
	uint64_t seed;
	unsigned long calls;	/* of each thread, 0: until it is stopped */
	int processes;
	int threads;
	atomic_bool stop;
	atomic_int ready;	/* processes whose threads are there */
	atomic_int finished;	/* processes whose threads have ended */
	atomic_int defects;
	atomic_ulong performed[ACTIONS];
	atomic_ulong events;
	atomic_ulong refused;	/* changes */
	pid_t players[PROCESSES];
	/* Numbers of children not yet reaped, 0 where there is none. */
	atomic_int children[PROCESSES][CHILDREN];
};

struct thread {
	pthread_t id;
	uint64_t random;
	unsigned long number;	/* of the call */
	int process;
	int index;
	struct thread *peers;	/* all of this process */
	void *scratch;		/* of garbage.c */
	struct uring *uring;	/* of uring.c */
};

struct action {
	const char *name;
	void (*act)(struct thread *t);
	uint32_t weight;	/* how often it comes, relative to the others */
};

extern struct game *game;

/* Makes the game, before the first fork. */
void game_start(void);
__attribute__((format(printf, 2, 3))) void defect(const char *what, const char *format, ...);

/*
 * What a call chooses depends on nothing but the seed and whose call it is: not
 * on the outcome of earlier ones.
 */
static inline void choose(struct thread *t)
{
	uint64_t mix = game->seed * 0x9e3779b97f4a7c15u;

	mix ^= ((uint64_t)t->process << 56) ^ ((uint64_t)t->index << 48) ^ ++t->number;
	mix = (mix ^ (mix >> 30)) * 0xbf58476d1ce4e5b9u;
	mix = (mix ^ (mix >> 27)) * 0x94d049bb133111ebu;
	t->random = (mix ^ (mix >> 31)) | 1;
}

static inline uint64_t rnd64(struct thread *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return t->random;
}

static inline uint32_t rnd(struct thread *t, uint32_t below)
{
	return (uint32_t)(rnd64(t) >> 33) % below;
}

/* Returns the index of one of these. */
static inline size_t pick(struct thread *t, const struct action *actions, size_t count)
{
	uint32_t total = 0, value;
	size_t i = 0;

	for (size_t n = 0; n < count; n++)
		total += actions[n].weight;
	value = rnd(t, total);
	while (value >= actions[i].weight)
		value -= actions[i++].weight;
	return i;
}

static inline int slot(struct thread *t)
{
	return SLOT_BASE + (int)rnd(t, SLOTS);
}

static inline int queue(struct thread *t)
{
	return QUEUE_BASE + (int)rnd(t, QUEUES);
}

#endif /* GAME_H */
