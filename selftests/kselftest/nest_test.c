// SPDX-License-Identifier: GPL-2.0
/*
 * Owns queues that watch queues: what the outer one sees, which shapes are
 * refused, and loops through epoll, which cannot be.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <sys/epoll.h>

#define CHAIN	16	/* a chain of so many queues must work */

static int watch(int outer, int inner, unsigned int flags)
{
	return kq_add(outer, inner, EVFILT_READ, flags, 0, 0, (void *)1);
}

static int new_with_users(int count)
{
	int kq = kq_new();

	for (int i = 0; i < count; i++)
		ASSERT_OK(kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	return kq;
}

KQ_TEST(outer_counts_inner, "KQ-099",
	"active with data the number of queued events, idle when drained")
{
	int outer = kq_new(), inner = new_with_users(3);
	struct kevent events[4];

	ASSERT_OK(watch(outer, inner, 0));
	kq_fence(outer);
	for (int count = 1; count <= 3; count++) {
		ASSERT_OK(kq_trigger(inner, count - 1));
		ASSERT_EVENT(kq_one(outer), inner, EVFILT_READ, EV_ADD, 0,
			     count, (void *)1);
	}
	ASSERT_EQ(kq_poll(inner, events, 2), 2);
	ASSERT_EQ(kq_one(outer).data, 1);
	ASSERT_EQ(kq_poll(inner, events, 4), 1);
	kq_fence(outer);
}

KQ_TEST(ready_when_added, "KQ-099", "an inner queue that is ready already counts")
{
	int outer = kq_new(), inner = new_with_users(1);

	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_OK(watch(outer, inner, EV_ONESHOT));
	ASSERT_EVENT(kq_one(outer), inner, EVFILT_READ, EV_ADD | EV_ONESHOT, 0,
		     1, (void *)1);
	ASSERT_ERR(kq_del(outer, inner, EVFILT_READ), ENOENT);
}

KQ_TEST(clear_fires_for_each_event, "KQ-099 KQ-062",
	"EV_CLEAR: an event that enters the inner queue is reported once")
{
	int outer = kq_new(), inner = new_with_users(1);

	ASSERT_OK(watch(outer, inner, EV_CLEAR));
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(kq_trigger(inner, 0));
		ASSERT_EQ(kq_one(outer).data, 1);
		kq_fence(outer);
		ASSERT_EQ(kq_one(inner).ident, 0);
		kq_fence(outer);
	}
}

KQ_TEST(dispatch_waits_for_enable, "KQ-099",
	"EV_DISPATCH: one event, silence until EV_ENABLE, then what is there by then")
{
	int outer = kq_new(), inner = new_with_users(3);

	ASSERT_OK(watch(outer, inner, EV_DISPATCH));
	for (int count = 1; count <= 3; count++) {
		ASSERT_OK(kq_trigger(inner, count - 1));
		if (count == 1)
			ASSERT_EVENT(kq_one(outer), inner, EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 1,
				     (void *)1);
		/* More may come, nobody is told. */
		kq_fence(outer);
	}
	ASSERT_OK(kq_ctl(outer, inner, EVFILT_READ, EV_ENABLE, 0, 0, (void *)1));
	ASSERT_EQ(kq_one(outer).data, 3);
	kq_fence(outer);
	ASSERT_EQ(kq_poll(inner, (struct kevent[4]){ 0 }, 4), 3);
	ASSERT_OK(kq_ctl(outer, inner, EVFILT_READ, EV_ENABLE, 0, 0, (void *)1));
	kq_fence(outer);
	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_EQ(kq_one(outer).data, 1);
}

KQ_TEST(oneshot_is_gone, "KQ-099",
	"EV_ONESHOT: the edge goes with its event, so the other way round is no cycle then")
{
	int outer = kq_new(), inner = new_with_users(2);

	ASSERT_OK(watch(outer, inner, EV_ONESHOT));
	ASSERT_ERR(watch(inner, outer, 0), EINVAL);
	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_EQ(kq_one(outer).data, 1);
	ASSERT_OK(kq_trigger(inner, 1));
	kq_fence(outer);
	ASSERT_OK(watch(inner, outer, 0));
	ASSERT_ERR(watch(outer, inner, 0), EINVAL);
}

KQ_TEST(stale_inner_event, "KQ-099 KQ-061",
	"an inner event gone before the look is no event of the outer queue")
{
	int outer = kq_new(), inner = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(inner, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(watch(outer, inner, 0));
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_one(outer).data, 1);
	kq_drain(fds[0]);
	kq_none(inner);
	kq_fence(outer);
	/* EV_DISABLE and close take it away too. */
	kq_write(fds[1], "x", 1);
	ASSERT_OK(kq_ctl(inner, fds[0], EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	kq_fence(outer);
	ASSERT_OK(kq_ctl(inner, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_one(outer).data, 1);
	close(fds[0]);
	kq_fence(outer);
}

KQ_TEST(low_water_mark_is_ignored, "KQ-099",
	"NOTE_LOWAT means nothing to a queue")
{
	int outer = kq_new(), inner = new_with_users(1);

	ASSERT_OK(kq_add(outer, inner, EVFILT_READ, 0, NOTE_LOWAT, 5, NULL));
	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_EQ(kq_one(outer).data, 1);
}

KQ_TEST(other_filters_fail, "KQ-100", "WRITE and VNODE on a queue fail EINVAL")
{
	int outer = kq_new(), inner = kq_new();

	ASSERT_ERR(kq_add(outer, inner, EVFILT_WRITE, 0, 0, 0, NULL), EINVAL);
	ASSERT_ERR(kq_del(outer, inner, EVFILT_WRITE), ENOENT);
#ifdef EVFILT_VNODE
	ASSERT_ERR(kq_add(outer, inner, EVFILT_VNODE, 0, NOTE_WRITE, 0, NULL),
		   EINVAL);
#endif
}

/* Shapes */

KQ_TEST(cycles_fail, "KQ-101",
	"a queue in itself, in a dup of itself, cycles of 2 and 3: EINVAL")
{
	int a = kq_new(), b = kq_new(), c = kq_new();

	ASSERT_ERR(watch(a, a, 0), EINVAL);
	ASSERT_ERR(watch(a, ASSERT_SYS(dup(a)), 0), EINVAL);
	ASSERT_OK(watch(a, b, 0));
	ASSERT_ERR(watch(b, a, 0), EINVAL);
	ASSERT_OK(watch(b, c, 0));
	ASSERT_ERR(watch(c, a, 0), EINVAL);
	ASSERT_ERR(watch(c, b, 0), EINVAL);
	/* A disabled edge is an edge. */
	ASSERT_OK(kq_ctl(a, b, EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	ASSERT_ERR(watch(b, a, 0), EINVAL);
	/* What was refused left nothing, what is removed does not count. */
	ASSERT_ERR(kq_del(b, a, EVFILT_READ), ENOENT);
	ASSERT_OK(kq_del(a, b, EVFILT_READ));
	ASSERT_OK(watch(c, a, 0));
	ASSERT_ERR(watch(a, b, 0), EINVAL);
	ASSERT_SYS(close(c));
	ASSERT_OK(watch(a, b, 0));
}

KQ_TEST(diamond_works, "KQ-101 KQ-102",
	"two ways to one inner queue are no cycle, both report")
{
	int outer = kq_new(), left = kq_new(), right = kq_new();
	int inner = new_with_users(1);
	struct kevent events[4];

	ASSERT_OK(watch(outer, left, 0));
	ASSERT_OK(watch(outer, right, 0));
	ASSERT_OK(watch(left, inner, 0));
	ASSERT_OK(watch(right, inner, 0));
	kq_fence(outer);
	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_EQ(kq_poll(outer, events, 4), 2);
	ASSERT_EQ(kq_one(inner).ident, 0);
	kq_none(left);
	kq_none(right);
	kq_fence(outer);
}

/* kq[0] watches kq[1], which watches kq[2], and so on. */
static void make_chain(int *kq, int length)
{
	kq[0] = kq_new();
	for (int i = 1; i < length; i++) {
		kq[i] = i == length - 1 ? new_with_users(1) : kq_new();
		ASSERT_OK(watch(kq[i - 1], kq[i], 0));
	}
}

/*
 * Takes the event out of the innermost queue. Readiness of the others is stale
 * until they are looked at, from the inside out.
 */
static void drain_chain(const int *kq, int length)
{
	ASSERT_EQ(kq_one(kq[length - 1]).ident, 0);
	for (int i = length - 1; i >= 0; i--)
		kq_none(kq[i]);
}

KQ_TEST(chain_is_seen_at_once, "KQ-102",
	"an event in the innermost of 16 queues is seen by the outermost")
{
	struct kevent event;
	int kq[CHAIN];

	make_chain(kq, CHAIN);
	for (int i = 0; i < 10; i++) {
		ASSERT_OK(kq_trigger(kq[CHAIN - 1], 0));
		ASSERT_EQ(kq_poll(kq[0], &event, 1), 1);
		ASSERT_EQ(event.ident, kq[1]);
		drain_chain(kq, CHAIN);
	}
}

struct waiter {
	int kq;
	volatile pid_t tid;
	struct kevent event;
};

static void *wait_for_one(void *argument)
{
	struct waiter *waiter = argument;

	waiter->tid = kq_gettid();
	waiter->event = kq_next(waiter->kq);
	return NULL;
}

KQ_TEST(chain_wakes_waiter, "KQ-102",
	"an event in the innermost queue wakes a waiter on the outermost")
{
	struct waiter waiter;
	pthread_t thread;
	int kq[CHAIN];

	make_chain(kq, CHAIN);
	for (int i = 0; i < 20; i++) {
		waiter = (struct waiter){ .kq = kq[0] };
		thread = kq_thread(wait_for_one, &waiter);
		kq_await_waiter(&waiter.tid);
		ASSERT_OK(kq_trigger(kq[CHAIN - 1], 0));
		kq_join(thread);
		ASSERT_EQ(waiter.event.ident, kq[1]);
		drain_chain(kq, CHAIN);
	}
}

KQ_TEST(depth_is_limited, "KQ-101",
	"a chain works up to the depth the module names, one more is EINVAL")
{
	struct kq_info info = { 0 };
	int outer = kq_new(), next, count = 1, error;

	ASSERT_SYS(ioctl(outer, KQ_IOC_INFO, &info));
	ASSERT_GE(info.max_depth, CHAIN);
	/* Growing at the outer end. */
	for (;; count++) {
		next = kq_new();
		error = watch(next, outer, 0);
		if (error)
			break;
		outer = next;
	}
	ASSERT_EQ(error, -EINVAL);
	ASSERT_EQ(count, info.max_depth);
	/* Joining two halves is one chain as well. */
	for (int i = 0; i < 2; i++) {
		int above = kq_new();

		ASSERT_OK(watch(above, next, 0));
		next = above;
	}
	ASSERT_OK(kq_add(next, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_ERR(watch(next, outer, 0), EINVAL);
}

KQ_TEST(depth_counts_at_the_inner_end, "KQ-101",
	"a chain that grows at its inner end is limited just so")
{
	struct kq_info info = { 0 };
	int inner = kq_new(), next, count = 1, error;

	ASSERT_SYS(ioctl(inner, KQ_IOC_INFO, &info));
	for (;; count++) {
		next = kq_new();
		error = watch(inner, next, 0);
		if (error)
			break;
		inner = next;
	}
	ASSERT_EQ(error, -EINVAL);
	ASSERT_EQ(count, info.max_depth);
}

/* Ends */

KQ_TEST_EACH(inner_closes_first, "KQ-103",
	     "closing the inner queue removes its knote silently", fd_ways)
{
	int outer = kq_new(), inner = new_with_users(1);

	if (variant->keeps_file)
		KQ_SKIP("the number names the queue afterwards");
	ASSERT_OK(watch(outer, inner, 0));
	ASSERT_OK(kq_trigger(inner, 0));
	variant->close(inner);
	kq_fence(outer);
	fd_assert_unregistered(outer, inner);
	fd_assert_no_missed(outer);
}

KQ_TEST(outer_closes_first, "KQ-103",
	"closing the outer queue leaves the inner one working")
{
	int outer = kq_new(), inner = new_with_users(1);

	ASSERT_OK(watch(outer, inner, 0));
	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_SYS(close(outer));
	ASSERT_EQ(kq_one(inner).ident, 0);
	ASSERT_OK(kq_trigger(inner, 0));
	ASSERT_EQ(kq_one(inner).ident, 0);
	ASSERT_SYS(close(inner));
}

KQ_TEST(middle_closes, "KQ-103 KQ-102",
	"closing the middle of a chain cuts it")
{
	int kq[3];

	make_chain(kq, 3);
	ASSERT_OK(kq_trigger(kq[2], 0));
	ASSERT_SYS(close(kq[1]));
	kq_fence(kq[0]);
	ASSERT_EQ(kq_one(kq[2]).ident, 0);
	ASSERT_OK(watch(kq[2], kq[0], 0));
}

/* Races and loops */

struct edge {
	int *kq;
	int from, to;
	unsigned int gate, done;
	volatile bool stop;
	volatile int error;
};

static void *add_edge(void *argument)
{
	struct edge *edge = argument;

	for (unsigned int round = 1;; round++) {
		while (__atomic_load_n(&edge->gate, __ATOMIC_ACQUIRE) != round) {
			if (edge->stop)
				return NULL;
			sched_yield();
		}
		edge->error = watch(edge->kq[edge->from], edge->kq[edge->to], 0);
		__atomic_store_n(&edge->done, round, __ATOMIC_RELEASE);
	}
}

KQ_TEST(two_edges_at_once, "KQ-101 KQ-090",
	"two threads that would close a cycle together do not both succeed")
{
	int kq[2];
	struct edge edge = { .kq = kq, .from = 1, .to = 0 };
	pthread_t thread = kq_thread(add_edge, &edge);
	long long start = kq_now();
	int error;

	for (unsigned int round = 1; kq_more(round, 1000, start); round++) {
		kq[0] = kq_new();
		kq[1] = kq_new();
		__atomic_store_n(&edge.gate, round, __ATOMIC_RELEASE);
		for (volatile unsigned int i = 0; i < round % 100; i++)
			;
		error = watch(kq[0], kq[1], 0);
		while (__atomic_load_n(&edge.done, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		ASSERT_TRUE(!error || error == -EINVAL);
		ASSERT_TRUE(!edge.error || edge.error == -EINVAL);
		ASSERT_TRUE(error || edge.error);
		close(kq[0]);
		close(kq[1]);
	}
	edge.stop = true;
	kq_join(thread);
}

KQ_TEST(loop_through_epoll, "KQ-101 KQ-136",
	"a loop through epoll hangs nobody, made in either order")
{
	for (int order = 0; order < 2; order++) {
		struct epoll_event event = { .events = EPOLLIN };
		int kq = new_with_users(1), fd = ASSERT_SYS(epoll_create1(0));
		struct kevent events[4];

		for (int step = 0; step < 2; step++) {
			if (step == order)
				epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event);
			else
				watch(kq, fd, 0);
		}
		ASSERT_OK(kq_trigger(kq, 0));
		ASSERT_GE(kq_poll(kq, events, 4), 1);
		ASSERT_SYS(epoll_wait(fd, &event, 1, 0));
		ASSERT_SYS(poll(&(struct pollfd){ .fd = kq, .events = POLLIN },
				1, 0));
		ASSERT_GE(kq_poll(kq, events, 4), 0);
		ASSERT_SYS(close(order ? kq : fd));
		ASSERT_SYS(close(order ? fd : kq));
	}
}

KQ_TEST(epoll_watches_chain, "KQ-098 KQ-102",
	"epoll on the outer queue sees an event of the inner one")
{
	struct epoll_event event = { .events = EPOLLIN };
	int outer = kq_new(), inner = new_with_users(1);
	int fd = ASSERT_SYS(epoll_create1(0));

	ASSERT_OK(watch(outer, inner, 0));
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, outer, &event));
	ASSERT_EQ(epoll_wait(fd, &event, 1, 0), 0);
	ASSERT_OK(kq_trigger(inner, 0));
	/* The way of a wake-up may be long, what is asked for is never missing. */
	ASSERT_EQ(poll(&(struct pollfd){ .fd = outer, .events = POLLIN }, 1, 0),
		  1);
	ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
}
