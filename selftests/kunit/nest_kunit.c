// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of nest.c: no cycles, no chain too long, and each queue visited once. */
#include "kqt.h"

#include "../../kmod/nest.c"

#define KQT_CYCLE	(KQ_MAX_DEPTH / 2 - 1)

/* An edge needs a descriptor that names the watched queue, and no more of it. */
struct kqt_edge {
	struct kq_fd kfd;
};

static int kqt_watch(struct kunit *test, struct kq *outer, struct kq *inner, struct kqt_edge **made)
{
	struct kqt_edge *edge = kunit_kzalloc(test, sizeof(*edge), GFP_KERNEL);
	int err;

	KUNIT_ASSERT_NOT_NULL(test, edge);
	edge->kfd.file = kqt_queue_file(inner);
	err = kq_nest_add(outer, &edge->kfd);
	KUNIT_EXPECT_EQ(test, !!edge->kfd.nest, !err);
	if (made)
		*made = edge;
	return err;
}

/* A chain of @n queues, each of which watches the next one. */
static void kqt_chain(struct kunit *test, struct kq **queues, struct kqt_edge **edges, int n)
{
	int i;

	for (i = 0; i < n; i++)
		queues[i] = kqt_queue_open(test);
	for (i = 0; i + 1 < n; i++)
		KUNIT_ASSERT_EQ(test, kqt_watch(test, queues[i], queues[i + 1], &edges[i]), 0);
}

/* So that nothing points to a queue when it ends. */
static void kqt_unchain(struct kqt_edge **edges, int n)
{
	int i;

	for (i = 0; i + 1 < n; i++)
		kq_nest_del(&edges[i]->kfd);
}

static void kqt_nest_itself(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, kqt_watch(test, test->priv, test->priv, NULL), -EINVAL);
}

static void kqt_nest_foreign(struct kunit *test)
{
	struct kq *foreign = kqt_queue_open(test);

	WRITE_ONCE(foreign->files, NULL);
	KUNIT_EXPECT_EQ(test, kqt_watch(test, test->priv, foreign, NULL), -EBADF);
}

/* However long the cycle would be; a chain of that length twice would not be too long. */
static void kqt_nest_cycle(struct kunit *test)
{
	struct kq *queues[KQT_CYCLE];
	struct kqt_edge *edges[KQT_CYCLE];
	int i;

	kqt_chain(test, queues, edges, KQT_CYCLE);
	for (i = 1; i < KQT_CYCLE; i++)
		KUNIT_EXPECT_EQ(test, kqt_watch(test, queues[i], queues[0], NULL), -EINVAL);
	/* A second way to what is watched already is no cycle. */
	kq_nest_del(&edges[0]->kfd);
	KUNIT_EXPECT_EQ(test, kqt_watch(test, queues[0], queues[2], &edges[0]), 0);
	kqt_unchain(edges, KQT_CYCLE);
}

static void kqt_nest_longest_chain(struct kunit *test)
{
	struct kq *queues[KQ_MAX_DEPTH], *top = test->priv, *bottom;
	struct kqt_edge *edges[KQ_MAX_DEPTH];

	kqt_chain(test, queues, edges, KQ_MAX_DEPTH);
	bottom = kqt_queue_open(test);
	/* One more at either end is too much, in the middle it is not. */
	KUNIT_EXPECT_EQ(test, kqt_watch(test, top, queues[0], NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kqt_watch(test, queues[KQ_MAX_DEPTH - 1], bottom, NULL), -EINVAL);
	kqt_unchain(edges, KQ_MAX_DEPTH);
}

/* Two chains whose lengths add up to the limit, and to one more. */
static void kqt_nest_join(struct kunit *test)
{
	struct kq *upper[KQ_MAX_DEPTH / 2], *lower[KQ_MAX_DEPTH / 2 + 1];
	struct kqt_edge *above[KQ_MAX_DEPTH / 2], *below[KQ_MAX_DEPTH / 2 + 1], *join;
	struct kq *last_of_upper;

	kqt_chain(test, upper, above, ARRAY_SIZE(upper));
	kqt_chain(test, lower, below, ARRAY_SIZE(lower));
	last_of_upper = upper[ARRAY_SIZE(upper) - 1];
	KUNIT_EXPECT_EQ(test, kqt_watch(test, last_of_upper, lower[0], NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, kqt_watch(test, last_of_upper, lower[1], &join), 0);
	kq_nest_del(&join->kfd);
	kqt_unchain(above, ARRAY_SIZE(upper));
	kqt_unchain(below, ARRAY_SIZE(lower));
}

/* What was deleted counts no more. */
static void kqt_nest_deleted(struct kunit *test)
{
	struct kq *queues[2];
	struct kqt_edge *edges[2], *back;

	kqt_chain(test, queues, edges, 2);
	KUNIT_EXPECT_EQ(test, kqt_watch(test, queues[1], queues[0], NULL), -EINVAL);
	kq_nest_del(&edges[0]->kfd);
	KUNIT_EXPECT_NULL(test, edges[0]->kfd.nest);
	KUNIT_EXPECT_EQ(test, kqt_watch(test, queues[1], queues[0], &back), 0);
	kq_nest_del(&back->kfd);
	/* A second time it does nothing. */
	kq_nest_del(&back->kfd);
}

/* Rungs of two queues, each of which watches both of the next rung: a walk marks where it has been. */
static void kqt_nest_many_ways(struct kunit *test)
{
	struct kq *rungs[KQ_MAX_DEPTH - 2][2], *top = test->priv;
	struct kqt_edge *edges[KQ_MAX_DEPTH - 2][4], *start;
	int i, k, depth;

	for (i = ARRAY_SIZE(rungs) - 1; i >= 0; i--) {
		for (k = 0; k < 2; k++)
			rungs[i][k] = kqt_queue_open(test);
		for (k = 0; k < 4 && i + 1 < ARRAY_SIZE(rungs); k++)
			KUNIT_ASSERT_EQ(test, kqt_watch(test, rungs[i][k / 2], rungs[i + 1][k % 2],
							&edges[i][k]), 0);
	}
	KUNIT_EXPECT_EQ(test, kqt_watch(test, top, rungs[0][0], &start), 0);
	mutex_lock(&kq_nest_mutex);
	kq_nest_walk++;
	depth = kq_nest_down(top);
	KUNIT_EXPECT_EQ(test, depth, KQ_MAX_DEPTH - 1);
	/* The second of the first rung is on no way. */
	KUNIT_EXPECT_NE(test, rungs[0][1]->nest_mark, kq_nest_walk);
	KUNIT_EXPECT_EQ(test, rungs[1][1]->nest_mark, kq_nest_walk);
	KUNIT_EXPECT_EQ(test, rungs[1][1]->nest_depth, KQ_MAX_DEPTH - 3);
	mutex_unlock(&kq_nest_mutex);
	kq_nest_del(&start->kfd);
	for (i = 0; i + 1 < ARRAY_SIZE(rungs); i++)
		for (k = 0; k < 4; k++)
			kq_nest_del(&edges[i][k]->kfd);
}

static struct kunit_case kqt_nest_cases[] = {
	KUNIT_CASE(kqt_nest_itself),
	KUNIT_CASE(kqt_nest_foreign),
	KUNIT_CASE(kqt_nest_cycle),
	KUNIT_CASE(kqt_nest_longest_chain),
	KUNIT_CASE(kqt_nest_join),
	KUNIT_CASE(kqt_nest_deleted),
	KUNIT_CASE(kqt_nest_many_ways),
	{}
};

static struct kunit_suite kqt_nest_suite = {
	.name = "kqueue_nest",
	.init = kqt_queue_init,
	.exit = kqt_queue_exit,
	.test_cases = kqt_nest_cases,
};

kunit_test_suite(kqt_nest_suite);
