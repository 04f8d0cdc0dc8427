// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the senseless calls: changes of random words, and argument blocks of
 * random sizes, flags and addresses. The answer must be one that exists, and
 * what is not valid must be refused.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include <linux/kqueue.h>

#include "actions.h"
#include "judge.h"

/* Of each thread: memory that ends at a page nobody may touch. */
#define SCRATCH		16384
#define FILTER_QUERY	(-12)	/* EVFILT_LIBKQUEUE, answered by the library alone */

static char *scratch(struct thread *t)
{
	if (!t->scratch) {
		char *memory = mmap(NULL, SCRATCH + 65536, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (memory == MAP_FAILED || mprotect(memory + SCRATCH, 65536, PROT_NONE)) {
			perror("mmap");
			exit(1);
		}
		t->scratch = memory;
	}
	return t->scratch;
}

static uint64_t word(struct thread *t)
{
	switch (rnd(t, 8)) {
	case 0:
	case 1:
		return rnd64(t);
	case 2:
		return rnd(t, 0x10000);
	case 3:
		return -(uint64_t)rnd(t, 100);
	case 4:
		return 1ull << rnd(t, 64);
	case 5:
		return INT_MAX;
	}
	return rnd(t, 16);
}

static void random_words(struct thread *t, struct kevent *kev)
{
	/* Now and then everything but one word makes sense. */
	random_add(t, kev);
	if (rnd(t, 2))
		kev->ident = rnd(t, 2) ? (uintptr_t)word(t) : (uintptr_t)slot(t);
	if (rnd(t, 2))
		kev->filter = (short)(rnd(t, 4) ? 5 - (int)rnd(t, 75) : (int)word(t));
	if (rnd(t, 2))
		kev->flags = (unsigned short)(word(t) | (rnd(t, 2) ? EV_ADD : 0));
	if (rnd(t, 2))
		kev->fflags = (unsigned int)word(t);
	if (rnd(t, 2))
		kev->data = (intptr_t)word(t);
	kev->udata = (void *)(uintptr_t)word(t);
}

void act_words(struct thread *t)
{
	const struct timespec now = { 0 };
	struct kevent changes[4], results[4];
	int count = 1 + (int)rnd(t, ARRAY_SIZE(changes));
	int room = (int)rnd(t, ARRAY_SIZE(results) + 1), done;
	bool query = false;

	for (int i = 0; i < count; i++) {
		random_words(t, &changes[i]);
		query |= changes[i].filter == FILTER_QUERY;
	}
	done = kevent(queue(t), changes, count, results, room, &now);
	if (done < 0 && !is_error_of_change(errno) && !(query && errno == ENOSYS))
		defect("random words", "%s", strerror(errno));
	if (done > room)
		defect("random words", "%d records in room for %d", done, room);
	for (int i = 0; i < done; i++) {
		int error = (int)results[i].data;

		if (!(results[i].flags & EV_ERROR))
			continue;
		if (error && !is_error_of_change(error) && !(query && error == ENOSYS))
			defect("random words", "filter %d flags %#x: %s", results[i].filter,
			       results[i].flags, strerror(error));
	}
}

/* An address at which @size bytes may or may not be. */
static uint64_t address(struct thread *t, size_t size)
{
	uintptr_t memory = (uintptr_t)scratch(t);

	switch (rnd(t, 12)) {
	case 0:
		return 0;
	case 1:
		return memory + SCRATCH - rnd(t, 256);
	case 2:
		return memory + SCRATCH;
	case 3:
		return (uintptr_t)act_ioctl & ~7ul;	/* may be read only */
	case 4:
		return 0xffff888000000000ull + rnd(t, 0x10000);
	case 5:
		return 1ull << 63 >> rnd(t, 17);
	case 6:
		return -(uint64_t)rnd(t, 4096);
	case 7:
		return memory + rnd(t, SCRATCH / 2);
	}
	return memory + SCRATCH - (size + 7) / 8 * 8;
}

/*
 * No wait may be long: a timeout that is, or none, comes with a flag or a deadline
 * that ends it.
 */
static void random_timeout(struct thread *t, struct kq_kevent *block)
{
	static const long long timeouts[][2] = {
		{ 0, 0 }, { 0, 1000 }, { 0, 1000000 }, { -1, 0 }, { 0, -1 }, { 0, 1000000000 },
		{ LLONG_MIN, LLONG_MIN }, { 1000, 0 }, { LLONG_MAX, 999999999 },
	};
	const uint32_t brief = 7;	/* that many end soon, or are refused */
	struct timespec now;

	if (block->flags & KQ_KEVENT_NONBLOCK) {
		block->timeout = rnd(t, 2) ? address(t, 16) :
				 (uintptr_t)timeouts[rnd(t, ARRAY_SIZE(timeouts))];
		block->deadline = word(t);
		return;
	}
	block->timeout = (uintptr_t)timeouts[rnd(t, brief)];
	if (!rnd(t, 8))
		block->timeout = (uintptr_t)scratch(t) + SCRATCH - rnd(t, 16);
	if (!rnd(t, 8))
		block->timeout = -(uint64_t)rnd(t, 4096);
	clock_gettime(CLOCK_MONOTONIC, &now);
	block->deadline = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec +
			  rnd(t, 2000000) - 1000000;
	if ((block->state & KQ_STATE_DEADLINE) && rnd(t, 2))
		block->timeout = 0;
}

static void random_block(struct thread *t, struct kq_kevent *block)
{
	static const uint32_t sizes[] = { 32, 32, 32, 64, 20, 0, 31, 0xffffffff };
	uint32_t room;

	memset(block, 0, sizeof(*block));
	block->record_size = rnd(t, 16) ? sizes[rnd(t, ARRAY_SIZE(sizes))] : (uint32_t)word(t);
	block->nchanges = (int)(rnd(t, 4) ? rnd(t, 3) : word(t));
	block->nevents = (int)(rnd(t, 4) ? rnd(t, 8) : word(t));
	block->flags = rnd(t, 8) ? rnd(t, 16) : (uint32_t)word(t);
	block->state = rnd(t, 4) ? 0 : rnd(t, 8) ? rnd(t, 4) : (uint32_t)word(t);
	block->reserved = rnd(t, 16) ? 0 : word(t);
	block->stamp = (uint32_t)word(t);
	room = block->record_size * 8;
	block->changelist = address(t, room < SCRATCH ? room : 64);
	block->eventlist = rnd(t, 4) ? address(t, room < SCRATCH ? room : 64) : block->changelist;
	random_timeout(t, block);
}

/* The answer to a block that the kernel could read. */
static void check_block(const struct kq_kevent *block, int result)
{
	if ((block->flags & ~KQ_KEVENT_FLAGS) || (block->state & ~KQ_STATE_FLAGS) ||
	    block->reserved || block->nchanges < 0 || block->nevents < 0 ||
	    (block->record_size != 20 && block->record_size != 32 && block->record_size != 64)) {
		if (result >= 0)
			defect("ioctl", "a block that is not valid: %d", result);
		else if (errno != EINVAL && errno != EBADF && errno != EFAULT && errno != E2BIG)
			defect("ioctl", "a block that is not valid: %s", strerror(errno));
		return;
	}
	if (result > block->nevents && !(block->flags & KQ_KEVENT_WAIT_ONLY))
		defect("ioctl", "%d records in room for %d", result, block->nevents);
	if (result < 0 && !is_error_of_call(errno))
		defect("ioctl", "flags %#x: %s", block->flags, strerror(errno));
}

static void random_kevent(struct thread *t, unsigned long command)
{
	struct kevent *changes = (void *)scratch(t);
	struct kq_kevent block;
	void *place;

	/* What lies in the scratch is sometimes a change, else what was left there. */
	for (int i = 0; i < 2; i++)
		random_words(t, &changes[i]);
	random_block(t, &block);
	if (rnd(t, 4))
		block.changelist = (uintptr_t)changes;
	place = rnd(t, 8) ? scratch(t) + SCRATCH - sizeof(block) :
			    (void *)(uintptr_t)address(t, sizeof(block));
	/* Where it cannot be written it is not valid: the kernel finds other words there. */
	if ((char *)place < scratch(t) || (char *)place > scratch(t) + SCRATCH - sizeof(block)) {
		if (ioctl(queue(t), command, place) >= 0)
			defect("ioctl", "a block at %p was taken", place);
		else if (!is_error_of_call(errno))
			defect("ioctl", "a block at %p: %s", place, strerror(errno));
		return;
	}
	memcpy(place, &block, sizeof(block));
	check_block(&block, ioctl(queue(t), command, place));
}

static void random_info(struct thread *t)
{
	struct kq_info *info = (void *)(uintptr_t)address(t, sizeof(*info));

	if (ioctl(queue(t), KQ_IOC_INFO, info) < 0 && errno != EBADF && errno != EFAULT &&
	    errno != EINVAL)
		defect("KQ_IOC_INFO", "%s", strerror(errno));
}

/* Never with the one flag there is: which queues are copied is for queues.c to say. */
static void random_setup(struct thread *t, unsigned long command)
{
	size_t size = _IOC_SIZE(command);
	struct kq_setup setup = {
		.flags = rnd(t, 4) ? 0 : (uint32_t)word(t) | (KQ_SETUP_FLAGS + 1),
		.reserved = rnd(t, 4) ? 0 : word(t),
	};
	char *place = scratch(t) + SCRATCH - size;
	bool valid = !setup.flags && !setup.reserved;

	/* All that a newer program could add is zero. */
	memset(place, 0, size);
	memcpy(place, &setup, sizeof(setup));
	if (!ioctl(queue(t), command, place) ? !valid : errno != EBADF && (valid || errno != EINVAL))
		defect("KQ_IOC_SETUP", "flags %#x: %s", setup.flags, strerror(errno));
}

/* Numbers that are none of ours, and sizes of other versions. */
static void random_command(struct thread *t)
{
	static const size_t sizes[] = { 0, sizeof(struct kq_kevent), sizeof(struct kq_info),
					sizeof(struct kq_setup), 0, 0 };
	unsigned long number = rnd(t, ARRAY_SIZE(sizes));
	unsigned long size = rnd(t, 2) ? rnd(t, 128) : rnd(t, 1 << 14);
	unsigned long direction = rnd(t, 4) ? _IOC_READ | _IOC_WRITE : rnd(t, 4);
	unsigned long command = _IOC(direction, KQ_IOC_MAGIC, number, size);
	bool ours = direction == (_IOC_READ | _IOC_WRITE) && sizes[number];

	if (ours && size >= sizes[number]) {
		if (number == 1)
			random_kevent(t, command);
		else if (number == 3)
			random_setup(t, command);
		return;
	}
	if (ioctl(queue(t), command, address(t, 64)) >= 0)
		defect("ioctl", "%#lx was taken", command);
	else if (errno != (ours ? EINVAL : ENOTTY) && errno != EBADF)
		defect("ioctl", "%#lx: %s", command, strerror(errno));
}

void act_ioctl(struct thread *t)
{
	switch (rnd(t, 8)) {
	case 0:
		random_info(t);
		break;
	case 1:
	case 2:
		random_command(t);
		break;
	default:
		random_kevent(t, KQ_IOC_KEVENT);
	}
}
