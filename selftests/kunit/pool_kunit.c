// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of pool.c: each record has one holder, and beyond the last one comes a spare. */
#include <linux/slab.h>

#include "kqt.h"

#include "../../kmod/pool.c"

struct kqt_record {
	struct kq_pooled pooled;
	u32 word;
};

static int kqt_pool_init(struct kunit *test)
{
	struct kq_pool *pool = kunit_kzalloc(test, sizeof(*pool), GFP_KERNEL);

	test->priv = pool;
	return pool ? kq_pool_init(pool, sizeof(struct kqt_record)) : -ENOMEM;
}

static void kqt_pool_exit(struct kunit *test)
{
	kq_pool_exit(test->priv);
}

static struct kqt_record *kqt_get(struct kunit *test)
{
	struct kq_pooled *pooled = kq_pool_get(test->priv);

	return pooled ? container_of(pooled, struct kqt_record, pooled) : NULL;
}

static struct kqt_record **kqt_get_all(struct kunit *test)
{
	struct kqt_record **held = kunit_kcalloc(test, KQ_FORK_POOL, sizeof(*held), GFP_KERNEL);
	int i;

	KUNIT_ASSERT_NOT_NULL(test, held);
	for (i = 0; i < KQ_FORK_POOL; i++) {
		held[i] = kqt_get(test);
		KUNIT_ASSERT_NOT_NULL(test, held[i]);
		/* All of it is its holder's. */
		INIT_LIST_HEAD(&held[i]->pooled.link);
		held[i]->word = i;
	}
	return held;
}

static void kqt_pool_records_do_not_overlap(struct kunit *test)
{
	struct kqt_record **held = kqt_get_all(test);
	int i, wrong = 0;

	/* Each still has what only its holder wrote. */
	for (i = 0; i < KQ_FORK_POOL; i++)
		wrong += held[i]->word != i || !list_empty(&held[i]->pooled.link) ||
			 held[i]->pooled.spare;
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void kqt_pool_spare_when_empty(struct kunit *test)
{
	struct kq_pool *pool = test->priv;
	struct kqt_record *spare;

	kqt_get_all(test);
	KUNIT_EXPECT_TRUE(test, list_empty(&pool->free));
	spare = kqt_get(test);
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		KUNIT_EXPECT_NULL(test, spare);
		return;
	}
	KUNIT_ASSERT_NOT_NULL(test, spare);
	KUNIT_EXPECT_TRUE(test, spare->pooled.spare);
	KUNIT_EXPECT_EQ(test, spare->word, 0);
	/* It is freed, and does not become one of the others. */
	kq_pool_put(pool, &spare->pooled);
	KUNIT_EXPECT_TRUE(test, list_empty(&pool->free));
}

static void kqt_pool_put_back_is_used_again(struct kunit *test)
{
	struct kqt_record **held = kqt_get_all(test);
	struct kq_pool *pool = test->priv;
	struct kqt_record *again;

	kq_pool_put(pool, &held[7]->pooled);
	again = kqt_get(test);
	KUNIT_EXPECT_PTR_EQ(test, again, held[7]);
	KUNIT_EXPECT_FALSE(test, again->pooled.spare);
	KUNIT_EXPECT_TRUE(test, list_empty(&pool->free));
}

static struct kunit_case kqt_pool_cases[] = {
	KUNIT_CASE(kqt_pool_records_do_not_overlap),
	KUNIT_CASE(kqt_pool_spare_when_empty),
	KUNIT_CASE(kqt_pool_put_back_is_used_again),
	{}
};

static struct kunit_suite kqt_pool_suite = {
	.name = "kqueue_pool",
	.init = kqt_pool_init,
	.exit = kqt_pool_exit,
	.test_cases = kqt_pool_cases,
};

kunit_test_suite(kqt_pool_suite);
