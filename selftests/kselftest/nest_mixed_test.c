// SPDX-License-Identifier: GPL-2.0
/*
 * Owns queues and epolls that watch each other: chains of mixed kind, loops made
 * and closed in every order, threads that race, and that none of it spins.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_progress.h"

#include <sys/epoll.h>

#define LENGTH	16	/* a chain of so many queues must work, mixed or not */

/* A queue or an epoll: what both can do. */
struct node {
	bool is_queue;
	int fd;
};

static struct node new_node(bool is_queue)
{
	struct node node = { .is_queue = is_queue };

	node.fd = is_queue ? kq_new() : ASSERT_SYS(epoll_create1(0));
	return node;
}

/* 0 or a negative errno; edge: EV_CLEAR or EPOLLET. */
static int watch(const struct node *outer, int inner, bool edge)
{
	struct epoll_event event = { .events = EPOLLIN | (edge ? EPOLLET : 0), .data.fd = inner };

	if (outer->is_queue)
		return kq_add(outer->fd, inner, EVFILT_READ, edge ? EV_CLEAR : 0, 0, 0, NULL);
	return epoll_ctl(outer->fd, EPOLL_CTL_ADD, inner, &event) ? -errno : 0;
}

static int unwatch(const struct node *outer, int inner)
{
	if (outer->is_queue)
		return kq_del(outer->fd, inner, EVFILT_READ);
	return epoll_ctl(outer->fd, EPOLL_CTL_DEL, inner, NULL) ? -errno : 0;
}

/* The descriptor that is ready, or -1. */
static int look(const struct node *node, int ms)
{
	struct epoll_event event;
	struct kevent record;
	int count;

	if (node->is_queue) {
		count = kq_wait(node->fd, &record, 1, ms);
		ASSERT_GE(count, 0);
		return count ? (int)record.ident : -1;
	}
	count = ASSERT_SYS(epoll_wait(node->fd, &event, 1, ms));
	return count ? event.data.fd : -1;
}

struct looker {
	struct node node;
	volatile pid_t tid;
	volatile int seen;
};

static void *look_once(void *argument)
{
	struct looker *looker = argument;

	looker->tid = kq_gettid();
	looker->seen = look(&looker->node, -1);
	return NULL;
}

static pthread_t start_sleeper(struct looker *looker, const struct node *node)
{
	pthread_t thread;

	*looker = (struct looker){ .node = *node };
	thread = kq_thread(look_once, looker);
	kq_await_sleeper(&looker->tid, node->is_queue ? SYS_ioctl : SYS_epoll_wait);
	return thread;
}

/* The innermost is a queue with a user event, which is there after each trigger. */
static void make_chain(struct node *nodes, int length, bool queue_first, bool edge)
{
	for (int i = 0; i < length; i++)
		nodes[i] = new_node(i % 2 != queue_first || i == length - 1);
	ASSERT_OK(kq_add(nodes[length - 1].fd, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = 1; i < length; i++)
		ASSERT_OK(watch(&nodes[i - 1], nodes[i].fd, edge));
}

/* What the outer ones hold is stale until they are looked at, from the inside out. */
static void drain_chain(const struct node *nodes, int length)
{
	ASSERT_EQ(kq_one(nodes[length - 1].fd).ident, 1);
	for (int i = length - 1; i >= 0; i--)
		look(&nodes[i], 0);
}

static const struct {
	const char *name;
	bool queue_first, edge;
	int length;
} chains[] = {
	{ "queue_outside", true, false, LENGTH },
	{ "epoll_outside", false, false, LENGTH },
	{ "queue_outside_edge", true, true, LENGTH },
	{ "epoll_outside_edge", false, true, LENGTH },
	/* Each kind counts its own depth only: nothing refuses this one. */
	{ "long_queue_outside", true, false, 100 },
	{ "long_epoll_outside", false, true, 100 },
};

KQ_TEST_EACH(chain_is_seen, "KQ-098 KQ-136",
	     "an event at the inner end of a mixed chain wakes a sleeper at the outer one", chains)
{
	struct node nodes[100];
	struct looker looker;
	pthread_t thread;

	make_chain(nodes, variant->length, variant->queue_first, variant->edge);
	for (int round = 0; round < 20; round++) {
		ASSERT_EQ(look(&nodes[0], 0), -1);
		thread = start_sleeper(&looker, &nodes[0]);
		ASSERT_OK(kq_trigger(nodes[variant->length - 1].fd, 1));
		kq_join(thread);
		ASSERT_EQ(looker.seen, nodes[1].fd);
		drain_chain(nodes, variant->length);
	}
	/* From the outside, then from the inside. */
	for (int i = 0; i < variant->length / 2; i++) {
		ASSERT_SYS(close(nodes[i].fd));
		ASSERT_SYS(close(nodes[variant->length - 1 - i].fd));
	}
}

/*
 * One thread makes events in the innermost, another one takes an edge in the
 * middle away and puts it back. The innermost is drained by the one that made
 * the event, so each is one of its own.
 */
struct racer {
	struct node *nodes;
	int length;
	volatile bool stop;
	volatile int rounds;
};

static pthread_t start_racer(struct racer *racer, void *(*run)(void *))
{
	pthread_t thread;

	racer->stop = false;
	racer->rounds = 0;
	thread = kq_thread(run, racer);
	while (!racer->rounds)
		sched_yield();
	return thread;
}

static void end_racer(struct racer *racer, pthread_t thread)
{
	racer->stop = true;
	kq_join(thread);
}

static void *make_events(void *argument)
{
	struct racer *racer = argument;
	int kq = racer->nodes[racer->length - 1].fd;

	for (; !racer->stop; racer->rounds++) {
		ASSERT_OK(kq_trigger(kq, 1));
		ASSERT_EQ(kq_one(kq).ident, 1);
	}
	return NULL;
}

/*
 * A node that somebody looked at while the one inside still holds an event is
 * deaf by right: what is queued already wakes nobody again. So each is looked at
 * from the inside out, wake-ups may be on their way meanwhile, until a whole
 * pass finds nothing.
 */
static void drain_nodes(const struct node *nodes, int length)
{
	bool found;

	do {
		found = false;
		for (int i = length - 1; i >= 0; i--)
			found |= look(&nodes[i], 0) >= 0;
	} while (found);
}

static void *look_around(void *argument)
{
	struct racer *racer = argument;

	for (; !racer->stop; racer->rounds++)
		look(&racer->nodes[racer->rounds % (racer->length - 1)], 0);
	return NULL;
}

KQ_TEST_EACH(changes_race_with_events, "KQ-098 KQ-136",
	     "edges of a mixed chain come and go under fire: the last one is not deaf", chains)
{
	struct node nodes[100];
	int length = variant->length < 20 ? variant->length : 20;
	struct racer maker = { .nodes = nodes, .length = length }, other = maker;
	struct looker looker;
	pthread_t threads[2], sleeper;
	long long start = kq_now();

	make_chain(nodes, length, variant->queue_first, variant->edge);
	for (int i = 0; i < 10; i++) {
		threads[0] = start_racer(&maker, make_events);
		threads[1] = start_racer(&other, look_around);
		for (int j = 0; kq_more(j, 100, start); j++) {
			int at = j % (length - 1);

			ASSERT_OK(unwatch(&nodes[at], nodes[at + 1].fd));
			ASSERT_OK(watch(&nodes[at], nodes[at + 1].fd, variant->edge));
		}
		end_racer(&maker, threads[0]);
		end_racer(&other, threads[1]);
		drain_nodes(nodes, length);
		sleeper = start_sleeper(&looker, &nodes[0]);
		ASSERT_OK(kq_trigger(nodes[length - 1].fd, 1));
		kq_join(sleeper);
		ASSERT_EQ(looker.seen, nodes[1].fd);
		drain_chain(nodes, length);
	}
}

/* Loops */

/* How often a task went to sleep: once more for each time it was woken for nothing. */
static long count_sleeps(pid_t tid)
{
	char path[64], line[256];
	long count = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "voluntary_ctxt_switches: %ld", &count);
	fclose(file);
	ASSERT_GE(count, 0);
	return count;
}

/* Interrupts by which a queue wakes those who poll it, -1 where they are not counted. */
static long count_irq_work(void)
{
	long count = -1, one;
	char line[4096], *at;
	FILE *file;
	int used;

	file = fopen("/proc/interrupts", "re");
	ASSERT_TRUE(file);
	while (count < 0 && fgets(line, sizeof(line), file)) {
		at = strstr(line, "IWI:");
		if (!at)
			continue;
		count = 0;
		for (at += 4; sscanf(at, "%ld%n", &one, &used) == 1; at += used)
			count += one;
	}
	fclose(file);
	return count;
}

/* Each watches the next, the last one the first. The first is a queue with a user event. */
static const struct loop {
	const char *name;
	bool edge;
	int length;
	bool is_queue[4];
} loops[] = {
	{ "queue_epoll", false, 2, { true, false } },
	{ "queue_epoll_edge", true, 2, { true, false } },
	{ "queue_queue_epoll", false, 3, { true, true, false } },
	{ "queue_epoll_epoll", false, 3, { true, false, false } },
	{ "queue_queue_epoll_edge", true, 3, { true, true, false } },
	{ "queue_epoll_queue_epoll", false, 4, { true, false, true, false } },
	{ "queue_epoll_queue_epoll_edge", true, 4, { true, false, true, false } },
};

static void make_nodes(const struct loop *loop, struct node *nodes)
{
	for (int i = 0; i < loop->length; i++)
		nodes[i] = new_node(loop->is_queue[i]);
	ASSERT_OK(kq_add(nodes[0].fd, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
}

static void make_edge(const struct loop *loop, const struct node *nodes, int from)
{
	ASSERT_OK(watch(&nodes[from], nodes[(from + 1) % loop->length].fd, loop->edge));
}

/* The permutation of 0..length-1 with that number, false if there is none. */
static bool permute(int number, int length, int *order)
{
	bool used[4] = { false };

	for (int i = 0; i < length; i++) {
		int left = number % (length - i);

		number /= length - i;
		for (order[i] = 0; used[order[i]] || left--; order[i]++)
			;
		used[order[i]] = true;
	}
	return !number;
}

KQ_TEST_EACH(loop_in_every_order, "KQ-136",
	     "a mixed loop is made and closed in every order: events arrive, nobody hangs", loops)
{
	int step = kq_quick() ? 5 : 1;
	int made[4], closed[4];
	struct node nodes[4];

	for (int i = 0; permute(i, variant->length, made); i += step) {
		for (int j = 0; permute(j, variant->length, closed); j += step) {
			struct kevent events[4];
			bool seen = false;
			int count;

			make_nodes(variant, nodes);
			for (int k = 0; k < variant->length; k++) {
				if (k == j % variant->length)
					ASSERT_OK(kq_trigger(nodes[0].fd, 1));
				make_edge(variant, nodes, made[k]);
			}
			for (int k = 0; k < variant->length; k++)
				kq_await_poll(nodes[k].fd, POLLIN);
			count = kq_poll(nodes[0].fd, events, ARRAY_SIZE(events));
			for (int k = 0; k < count; k++)
				seen |= events[k].filter == EVFILT_USER;
			ASSERT_TRUE(seen);
			for (int k = 0; k < variant->length; k++)
				ASSERT_SYS(close(nodes[closed[k]].fd));
		}
	}
}

/* Takes nothing away from the others. */
struct poller {
	int fd;
	volatile pid_t tid;
};

static void *poll_once(void *argument)
{
	struct poller *poller = argument;

	poller->tid = kq_gettid();
	kq_await_poll(poller->fd, POLLIN);
	return NULL;
}

/* For one event each node wakes who polls it once, and again after each look. */
#define LOOP_LIMIT	50

KQ_TEST_EACH(loop_does_not_spin, "KQ-136",
	     "sleepers in a mixed loop are not woken for nothing, an event does not go round",
	     loops)
{
	struct poller pollers[4];
	struct node nodes[4];
	pthread_t threads[4];
	long sleeps[4], works;

	make_nodes(variant, nodes);
	for (int i = 0; i < variant->length; i++)
		make_edge(variant, nodes, i);
	/* Nothing has happened yet. */
	for (int i = 0; i < variant->length; i++) {
		pollers[i] = (struct poller){ .fd = nodes[i].fd };
		threads[i] = kq_thread(poll_once, &pollers[i]);
		kq_await_sleeper(&pollers[i].tid, SYS_poll);
		sleeps[i] = count_sleeps(pollers[i].tid);
	}
	progress_make(500);
	for (int i = 0; i < variant->length; i++)
		ASSERT_LE(count_sleeps(pollers[i].tid), sleeps[i] + 1);
	works = count_irq_work();
	ASSERT_OK(kq_trigger(nodes[0].fd, 1));
	for (int i = 0; i < variant->length; i++)
		kq_join(threads[i]);
	progress_make(500);
	if (works < 0)
		KQ_SKIP("/proc/interrupts does not count what wakes those who poll a queue");
	/* One at least, or the counter is not what we take it for. */
	ASSERT_GT(count_irq_work(), works);
	ASSERT_LE(count_irq_work(), works + LOOP_LIMIT);
	for (int i = 0; i < variant->length; i++)
		ASSERT_SYS(close(nodes[i].fd));
}

KQ_TEST_EACH(loop_under_fire, "KQ-136",
	     "edges of a mixed loop come and go while two threads wake and look: all make progress",
	     loops)
{
	struct node nodes[4];
	struct racer other = { .nodes = nodes, .length = variant->length };
	struct kevent events[4];
	long long start = kq_now();
	pthread_t thread;

	make_nodes(variant, nodes);
	for (int i = 0; i < variant->length; i++)
		make_edge(variant, nodes, i);
	thread = start_racer(&other, look_around);
	for (int i = 0; kq_more(i, 2000, start); i++) {
		int at = i % variant->length;

		ASSERT_OK(unwatch(&nodes[at], nodes[(at + 1) % variant->length].fd));
		ASSERT_OK(kq_trigger(nodes[0].fd, 1));
		make_edge(variant, nodes, at);
		ASSERT_GE(kq_poll(nodes[0].fd, events, ARRAY_SIZE(events)), 0);
	}
	end_racer(&other, thread);
	/* Levels that see each other stay ready for ever. */
	if (variant->edge)
		drain_nodes(nodes, variant->length);
	ASSERT_OK(kq_trigger(nodes[0].fd, 1));
	for (int i = 0; i < variant->length; i++)
		kq_await_poll(nodes[i].fd, POLLIN);
}

/* Both halves at once. */

struct half {
	const struct node *nodes;
	int from, to;
	unsigned int gate, done;
	volatile bool stop;
	int error;
};

static void *make_half(void *argument)
{
	struct half *half = argument;

	for (unsigned int round = 1;; round++) {
		while (__atomic_load_n(&half->gate, __ATOMIC_ACQUIRE) != round) {
			if (half->stop)
				return NULL;
			sched_yield();
		}
		half->error = watch(&half->nodes[half->from], half->nodes[half->to].fd, false);
		__atomic_store_n(&half->done, round, __ATOMIC_RELEASE);
	}
}

KQ_TEST(three_edges_at_once, "KQ-101 KQ-090",
	"three threads that would close a cycle of three queues together do not all succeed")
{
	struct node nodes[3];
	struct half halves[3];
	pthread_t threads[3];
	long long start = kq_now();

	for (int i = 0; i < 3; i++) {
		halves[i] = (struct half){ .nodes = nodes, .from = i, .to = (i + 1) % 3 };
		threads[i] = kq_thread(make_half, &halves[i]);
	}
	for (unsigned int round = 1; kq_more(round, 500, start); round++) {
		int made = 0;

		for (int i = 0; i < 3; i++)
			nodes[i] = new_node(true);
		for (int i = 0; i < 3; i++)
			__atomic_store_n(&halves[i].gate, round, __ATOMIC_RELEASE);
		for (int i = 0; i < 3; i++) {
			while (__atomic_load_n(&halves[i].done, __ATOMIC_ACQUIRE) != round)
				sched_yield();
			ASSERT_TRUE(!halves[i].error || halves[i].error == -EINVAL);
			made += !halves[i].error;
		}
		/* Two are no cycle, whoever comes last is refused. */
		ASSERT_EQ(made, 2);
		for (int i = 0; i < 3; i++)
			ASSERT_SYS(close(nodes[i].fd));
	}
	for (int i = 0; i < 3; i++) {
		halves[i].stop = true;
		kq_join(threads[i]);
	}
}

KQ_TEST(both_halves_through_epoll, "KQ-136",
	"a loop of a queue and an epoll made by two threads at once works and ends")
{
	struct node nodes[2];
	struct half half = { .nodes = nodes, .from = 1, .to = 0 };
	pthread_t thread = kq_thread(make_half, &half);
	long long start = kq_now();

	for (unsigned int round = 1; kq_more(round, 500, start); round++) {
		nodes[0] = new_node(true);
		nodes[1] = new_node(false);
		ASSERT_OK(kq_add(nodes[0].fd, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		__atomic_store_n(&half.gate, round, __ATOMIC_RELEASE);
		ASSERT_OK(watch(&nodes[0], nodes[1].fd, false));
		ASSERT_OK(kq_trigger(nodes[0].fd, 1));
		while (__atomic_load_n(&half.done, __ATOMIC_ACQUIRE) != round)
			sched_yield();
		ASSERT_OK(half.error);
		ASSERT_EQ(look(&nodes[1], -1), nodes[0].fd);
		ASSERT_SYS(close(nodes[round % 2].fd));
		ASSERT_SYS(close(nodes[!(round % 2)].fd));
	}
	half.stop = true;
	kq_join(thread);
}
