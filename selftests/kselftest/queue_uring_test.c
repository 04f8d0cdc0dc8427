// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the queue as io_uring polls it: single and multishot requests, their end
 * in every order, and loops of a queue and a ring.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_progress.h"
#include "../stress/leak.h"

#define TAG_POLL	1
#define TAG_REMOVE	2

struct completion {
	uint64_t tag;
	int result;
	unsigned int flags;
};

/* An event of the queue is there after each trigger. */
static int new_queue(void)
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	return kq;
}

static void submit_poll(struct fd_ring *ring, int fd, unsigned int how)
{
	struct io_uring_sqe *sqe = fd_ring_next(ring);

	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = fd;
	sqe->poll32_events = POLLIN;
	sqe->len = how;
	sqe->user_data = TAG_POLL;
	fd_ring_submit(ring, 0);
}

static void submit_remove(struct fd_ring *ring)
{
	struct io_uring_sqe *sqe = fd_ring_next(ring);

	sqe->opcode = IORING_OP_POLL_REMOVE;
	sqe->fd = -1;
	sqe->addr = TAG_POLL;
	sqe->user_data = TAG_REMOVE;
	fd_ring_submit(ring, 0);
}

/* Lets the ring do what is pending, and waits for @wanted completions. */
static void enter(struct fd_ring *ring, unsigned int wanted)
{
	while (syscall(SYS_io_uring_enter, ring->fd, 0, wanted, IORING_ENTER_GETEVENTS, NULL,
		       0) < 0)
		ASSERT_EQ(errno, EINTR);
}

static bool take(struct fd_ring *ring, struct completion *taken)
{
	unsigned int head = *ring->cq_head;
	struct io_uring_cqe *cqe = &ring->cqes[head & *ring->cq_mask];

	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*taken = (struct completion){ cqe->user_data, cqe->res, cqe->flags };
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

static struct completion next_completion(struct fd_ring *ring)
{
	struct completion taken;

	while (!take(ring, &taken))
		enter(ring, 1);
	return taken;
}

/* The thread that made the requests runs what is pending for them when it enters the ring. */
static void assert_no_completion(struct fd_ring *ring)
{
	struct completion taken;

	enter(ring, 0);
	if (take(ring, &taken))
		KQ_FAIL_NOW("completion of %d: %d, flags %#x", (int)taken.tag, taken.result,
			    taken.flags);
}

static void assert_readable(struct completion taken, bool more)
{
	ASSERT_EQ(taken.tag, TAG_POLL);
	ASSERT_EQ(taken.result, POLLIN);
	ASSERT_EQ(!!(taken.flags & IORING_CQE_F_MORE), more);
}

KQ_TEST(single_shot, "KQ-098", "a poll request completes once, when an event is there")
{
	int kq = new_queue();
	struct fd_ring ring;

	fd_ring_open(&ring);
	submit_poll(&ring, kq, 0);
	assert_no_completion(&ring);
	ASSERT_OK(kq_trigger(kq, 1));
	assert_readable(next_completion(&ring), false);
	/* It has had its turn. */
	ASSERT_EQ(kq_one(kq).ident, 1);
	ASSERT_OK(kq_trigger(kq, 1));
	assert_no_completion(&ring);
	/* Ready already: at once. */
	submit_poll(&ring, kq, 0);
	assert_readable(next_completion(&ring), false);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST(multishot, "KQ-098", "a multishot poll request completes for each event after a drain")
{
	int kq = new_queue();
	struct fd_ring ring;

	fd_ring_open(&ring);
	submit_poll(&ring, kq, IORING_POLL_ADD_MULTI);
	for (int i = 0; i < 100; i++) {
		assert_no_completion(&ring);
		ASSERT_OK(kq_trigger(kq, 1));
		assert_readable(next_completion(&ring), true);
		ASSERT_EQ(kq_one(kq).ident, 1);
		kq_none(kq);
	}
	submit_remove(&ring);
	for (int i = 0; i < 2; i++) {
		struct completion taken = next_completion(&ring);

		ASSERT_EQ(taken.result, taken.tag == TAG_REMOVE ? 0 : -ECANCELED);
	}
	ASSERT_OK(kq_trigger(kq, 1));
	assert_no_completion(&ring);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST(socket_behind_the_queue, "KQ-098",
	"bytes for a watched socket complete the poll request of its queue")
{
	int kq = kq_new(), fds[2];
	struct fd_ring ring;

	fd_ring_open(&ring);
	kq_unix_stream(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	submit_poll(&ring, kq, IORING_POLL_ADD_MULTI);
	for (int i = 1; i <= 10; i++) {
		assert_no_completion(&ring);
		kq_write(fds[1], "x", 1);
		assert_readable(next_completion(&ring), true);
		ASSERT_EQ(kq_one(kq).data, i);
	}
}

struct enterer {
	struct fd_ring *ring;
	volatile pid_t tid;
	struct completion taken;
};

static void *sleep_in_ring(void *argument)
{
	struct enterer *enterer = argument;

	enterer->tid = kq_gettid();
	enterer->taken = next_completion(enterer->ring);
	return NULL;
}

KQ_TEST(wakes_a_sleeper, "KQ-098", "an event wakes a thread that sleeps in the ring")
{
	int kq = new_queue();
	struct enterer enterer;
	struct fd_ring ring;
	pthread_t thread;

	fd_ring_open(&ring);
	for (int i = 0; i < 20; i++) {
		submit_poll(&ring, kq, 0);
		enterer = (struct enterer){ .ring = &ring };
		thread = kq_thread(sleep_in_ring, &enterer);
		kq_await_sleeper(&enterer.tid, SYS_io_uring_enter);
		ASSERT_OK(kq_trigger(kq, 1));
		kq_join(thread);
		assert_readable(enterer.taken, false);
		ASSERT_EQ(kq_one(kq).ident, 1);
	}
}

struct submitter {
	int kq;
	struct fd_ring ring;
	volatile pid_t tid;
	struct kevent event;
	struct completion taken;
};

/* What the ring has to do interrupts the sleep of the thread that made the request. */
static void *submit_and_wait(void *argument)
{
	struct submitter *submitter = argument;

	fd_ring_open(&submitter->ring);
	submit_poll(&submitter->ring, submitter->kq, 0);
	submitter->tid = kq_gettid();
	submitter->event = kq_next(submitter->kq);
	submitter->taken = next_completion(&submitter->ring);
	return NULL;
}

KQ_TEST(submitter_waits_in_kevent, "KQ-098",
	"a thread in kevent on a queue that its own ring polls gets the event and no EINTR")
{
	for (int i = 0; i < 20; i++) {
		struct submitter submitter = { .kq = new_queue() };
		pthread_t thread = kq_thread(submit_and_wait, &submitter);

		kq_await_waiter(&submitter.tid);
		ASSERT_OK(kq_trigger(submitter.kq, 1));
		kq_join(thread);
		ASSERT_EQ(submitter.event.ident, 1);
		assert_readable(submitter.taken, false);
		fd_ring_free(&submitter.ring);
		ASSERT_SYS(close(submitter.kq));
	}
}

/* Ends, in every order. */

enum step { REMOVE, CLOSE_RING, CLOSE_QUEUE, EVENT };

static const struct {
	const char *name;
	enum step steps[4];
	int count;
} ends[] = {
	{ "remove_ring_queue", { REMOVE, CLOSE_RING, CLOSE_QUEUE }, 3 },
	{ "remove_queue_ring", { REMOVE, CLOSE_QUEUE, CLOSE_RING }, 3 },
	{ "ring_queue", { CLOSE_RING, CLOSE_QUEUE }, 2 },
	{ "queue_ring", { CLOSE_QUEUE, CLOSE_RING }, 2 },
	{ "queue_remove_ring", { CLOSE_QUEUE, REMOVE, CLOSE_RING }, 3 },
	{ "event_ring_queue", { EVENT, CLOSE_RING, CLOSE_QUEUE }, 3 },
	{ "event_queue_ring", { EVENT, CLOSE_QUEUE, CLOSE_RING }, 3 },
	{ "event_remove_queue_ring", { EVENT, REMOVE, CLOSE_QUEUE, CLOSE_RING }, 4 },
	{ "event_queue_remove_ring", { EVENT, CLOSE_QUEUE, REMOVE, CLOSE_RING }, 4 },
};

/* Returns how often the ring said that the queue is readable. */
static int remove_poll(struct fd_ring *ring)
{
	struct completion taken;
	int seen = 0;

	submit_remove(ring);
	for (;;) {
		taken = next_completion(ring);
		if (taken.tag == TAG_REMOVE)
			break;
		seen += taken.result > 0 && taken.result & POLLIN;
	}
	return seen;
}

static void end_queue(int kq)
{
	struct kq_waiter waiter = { .kq = kq };

	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	kq_start_sleeper(&waiter);
	ASSERT_SYS(close(kq));
	/* That the request still holds its file keeps nothing. */
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, -1);
	ASSERT_EQ(waiter.error, EBADF);
}

/* What a ring that was closed holds is given back by the kernel later. */
KQ_TEST_EACH(end_in_any_order, "KQ-104 KQ-105",
	     "request, ring and queue end in any order: waiters get EBADF, nothing is left", ends)
{
	static const unsigned int ways[] = { 0, IORING_POLL_ADD_MULTI };
	struct leak_counts before;

	leak_count(&before);
	for (int round = 0; round < 2 * 20; round++) {
		int kq = new_queue(), events = 0;
		struct fd_ring ring;

		fd_ring_open(&ring);
		submit_poll(&ring, kq, ways[round % 2]);
		for (int i = 0; i < variant->count; i++) {
			switch (variant->steps[i]) {
			case EVENT:
				ASSERT_OK(kq_trigger(kq, 1));
				events++;
				break;
			case REMOVE:
				ASSERT_LE(remove_poll(&ring), events);
				break;
			case CLOSE_RING:
				fd_ring_free(&ring);
				break;
			case CLOSE_QUEUE:
				end_queue(kq);
				break;
			}
		}
	}
	ASSERT_EQ(leak_check(&before, 10), 0);
}

KQ_TEST(other_queue_works_on, "KQ-098", "a queue works on when the ring that polled it is gone")
{
	static const unsigned int ways[] = { 0, IORING_POLL_ADD_MULTI };

	for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
		int kq = new_queue();
		struct fd_ring ring;

		fd_ring_open(&ring);
		submit_poll(&ring, kq, ways[way]);
		fd_ring_free(&ring);
		for (int i = 0; i < 10; i++) {
			ASSERT_OK(kq_trigger(kq, 1));
			ASSERT_EQ(kq_one(kq).ident, 1);
		}
		kq_fence(kq);
	}
}

/* Loops: the queue watches the ring that polls the queue. */

static const struct loop {
	const char *name;
	unsigned int how;	/* of the request */
	unsigned int flags;	/* of the registration */
	bool ring_first;
} loops[] = {
	{ "single_queue_first", 0, 0, false },
	{ "single_ring_first", 0, 0, true },
	{ "multi_queue_first", IORING_POLL_ADD_MULTI, 0, false },
	{ "multi_ring_first", IORING_POLL_ADD_MULTI, 0, true },
	{ "multi_clear_queue_first", IORING_POLL_ADD_MULTI, EV_CLEAR, false },
	{ "multi_clear_ring_first", IORING_POLL_ADD_MULTI, EV_CLEAR, true },
};

static int make_loop(const struct loop *loop, struct fd_ring *ring)
{
	int kq = new_queue();

	fd_ring_open(ring);
	for (int step = 0; step < 2; step++) {
		if (loop->ring_first == step)
			ASSERT_OK(kq_add(kq, ring->fd, EVFILT_READ, loop->flags, 0, 0, NULL));
		else
			submit_poll(ring, kq, loop->how);
	}
	return kq;
}

/* All that the ring has to say, what did not fit into it included. */
static int drain_ring(struct fd_ring *ring)
{
	struct completion taken;
	int count = 0;

	enter(ring, 0);
	while (take(ring, &taken)) {
		assert_readable(taken, taken.flags & IORING_CQE_F_MORE);
		count++;
		enter(ring, 0);
	}
	return count;
}

/*
 * A round of the loop is caused by one look at the queue at most: so many
 * completions may one event and the looks of one round of the test cause.
 */
#define LOOP_LIMIT	10

KQ_TEST_EACH(loop_does_not_spin, "KQ-136",
	     "a queue that watches the ring that polls it: events arrive, nobody spins", loops)
{
	struct kevent events[4];
	struct fd_ring ring;
	int kq = make_loop(variant, &ring);

	for (int round = 0; round < 20; round++) {
		bool user = false;
		int count, completions;

		if (round && !variant->how)
			submit_poll(&ring, kq, 0);
		ASSERT_OK(kq_trigger(kq, 1));
		progress_make(100);
		count = kq_poll(kq, events, ARRAY_SIZE(events));
		ASSERT_GE(count, 1);
		for (int i = 0; i < count; i++)
			user |= events[i].filter == EVFILT_USER;
		ASSERT_TRUE(user);
		progress_make(100);
		completions = drain_ring(&ring);
		ASSERT_GE(completions, 1);
		ASSERT_LE(completions, LOOP_LIMIT);
		/* What the emptied ring left behind is stale. */
		ASSERT_GE(kq_poll(kq, events, ARRAY_SIZE(events)), 0);
	}
}

KQ_TEST_EACH(loop_ends_in_any_order, "KQ-105 KQ-136",
	     "a loop of a queue and a ring is closed from either side or by exit, nothing is left",
	     loops)
{
	struct leak_counts before;

	leak_count(&before);
	for (int round = 0; round < 3 * 10; round++) {
		struct fd_ring ring;
		pid_t child;
		int kq;

		if (round % 3 == 2) {
			child = kq_fork();
			if (!child) {
				kq = make_loop(variant, &ring);
				ASSERT_OK(kq_trigger(kq, 1));
				_exit(0);
			}
			kq_reap(child);
			continue;
		}
		kq = make_loop(variant, &ring);
		if (round % 2)
			ASSERT_OK(kq_trigger(kq, 1));
		if (round % 3) {
			ASSERT_SYS(close(kq));
			fd_ring_free(&ring);
		} else {
			fd_ring_free(&ring);
			ASSERT_ERR(kq_del(kq, ring.fd, EVFILT_READ), EBADF);
			ASSERT_OK(kq_trigger(kq, 1));
			ASSERT_EQ(kq_one(kq).ident, 1);
			ASSERT_SYS(close(kq));
		}
	}
	ASSERT_EQ(leak_check(&before, 10), 0);
}
