// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the watching of queues and descriptors by io_uring: each thread has a
 * small ring, arms polls on it and takes them back.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "actions.h"

#define ENTRIES	8

struct uring {
	int fd;			/* -1: the kernel does not give us one */
	char *rings;
	size_t size;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
};

static uint32_t *field(struct uring *uring, uint32_t offset)
{
	return (uint32_t *)(uring->rings + offset);
}

static struct uring *uring_open(void)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	size_t queue_size;

	if (!uring)
		exit(1);
	uring->fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &uring->params);
	if (uring->fd < 0)
		return uring;
	queue_size = uring->params.sq_off.array + uring->params.sq_entries * sizeof(uint32_t);
	uring->size = uring->params.cq_off.cqes +
		      uring->params.cq_entries * sizeof(struct io_uring_cqe);
	if (uring->size < queue_size)
		uring->size = queue_size;
	uring->rings = mmap(NULL, uring->size, PROT_READ | PROT_WRITE, MAP_SHARED, uring->fd,
			    IORING_OFF_SQ_RING);
	uring->sqes = mmap(NULL, ENTRIES * sizeof(*uring->sqes), PROT_READ | PROT_WRITE,
			   MAP_SHARED, uring->fd, IORING_OFF_SQES);
	if (!(uring->params.features & IORING_FEAT_SINGLE_MMAP) || uring->rings == MAP_FAILED ||
	    uring->sqes == MAP_FAILED) {
		defect("io_uring", "its memory cannot be used");
		exit(1);
	}
	return uring;
}

/* The ring goes, and with it what is armed. */
void uring_end(struct thread *t)
{
	if (!t->uring)
		return;
	if (t->uring->fd >= 0) {
		munmap(t->uring->rings, t->uring->size);
		munmap(t->uring->sqes, ENTRIES * sizeof(*t->uring->sqes));
		close(t->uring->fd);
	}
	free(t->uring);
	t->uring = NULL;
}

static void check_result(int result)
{
	switch (result < 0 ? -result : 0) {
	case 0:
	case EALREADY:
	case EBADF:
	case ECANCELED:
	case ENOENT:
	case EINVAL:	/* a file that cannot be polled */
	case EOPNOTSUPP:
		return;
	}
	defect("io_uring", "%s", strerror(-result));
}

void act_uring(struct thread *t)
{
	struct io_uring_sqe *sqe;
	struct uring *uring;
	uint32_t head, tail, mask;

	if (!t->uring)
		t->uring = uring_open();
	uring = t->uring;
	if (uring->fd < 0)
		return;

	head = *field(uring, uring->params.cq_off.head);
	tail = __atomic_load_n(field(uring, uring->params.cq_off.tail), __ATOMIC_ACQUIRE);
	mask = *field(uring, uring->params.cq_off.ring_mask);
	for (; head != tail; head++) {
		struct io_uring_cqe *cqes = (void *)(uring->rings + uring->params.cq_off.cqes);

		check_result(cqes[head & mask].res);
	}
	__atomic_store_n(field(uring, uring->params.cq_off.head), head, __ATOMIC_RELEASE);

	tail = *field(uring, uring->params.sq_off.tail);
	mask = *field(uring, uring->params.sq_off.ring_mask);
	sqe = &uring->sqes[tail & mask];
	memset(sqe, 0, sizeof(*sqe));
	if (rnd(t, 4)) {
		sqe->opcode = IORING_OP_POLL_ADD;
		sqe->fd = rnd(t, 2) ? queue(t) : slot(t);
		sqe->poll32_events = rnd(t, 4) ? POLLIN : POLLOUT;
		sqe->user_data = rnd(t, 16);
	} else {
		sqe->opcode = IORING_OP_POLL_REMOVE;
		sqe->fd = -1;
		sqe->addr = rnd(t, 16);
		sqe->user_data = 16;
	}
	field(uring, uring->params.sq_off.array)[tail & mask] = tail & mask;
	__atomic_store_n(field(uring, uring->params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, uring->fd, 1, 0, IORING_ENTER_GETEVENTS, NULL, 0) < 0 &&
	    errno != EBUSY && errno != EINTR && errno != EAGAIN)
		defect("io_uring_enter", "%s", strerror(errno));
}
