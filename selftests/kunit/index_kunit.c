// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of index.c: the growing array, the linear hash, no memory, others that come first. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "kqt.h"

/* All memory of the index comes from the test. */
#undef get_zeroed_page
#undef free_page
#undef kvcalloc
#undef kvfree
#define get_zeroed_page(gfp)	((unsigned long)kqt_alloc(PAGE_SIZE))
#define free_page(page)		kqt_free((void *)(page))
#define kvcalloc(n, size, gfp)	kqt_alloc((n) * (size))
#define kvfree(p)		kqt_free(p)

#include "../../kmod/index.c"

#define KQT_ROW_A	(-EVFILT_TIMER)
#define KQT_ROW_B	(-EVFILT_USER)

/* The part of a queue that an index is; its key is fixed, so that a run is like the next one. */
static int kqt_index_init(struct kunit *test)
{
	struct kq *kq = kunit_kzalloc(test, sizeof(*kq), GFP_KERNEL);

	if (!kq)
		return -ENOMEM;
	kqt_memory_reset();
	raw_spin_lock_init(&kq->lock);
	memset(&kq->key, 0x5a, sizeof(kq->key));
	test->priv = kq;
	return 0;
}

/* Whatever a case did: the arrays go, and then nothing is left. */
static void kqt_index_exit(struct kunit *test)
{
	if (!test->priv)
		return;
	kq_index_free(test->priv);
	KUNIT_EXPECT_EQ_MSG(test, kqt_memory.held, 0, "memory is left");
}

static struct kq_fd *kqt_get_fd(struct kq *kq, u32 fd)
{
	struct kq_fd *kfd;

	raw_spin_lock_irq(&kq->lock);
	kfd = kq_index_fd(kq, fd);
	raw_spin_unlock_irq(&kq->lock);
	return kfd;
}

static void kqt_set_fd(struct kq *kq, u32 fd, struct kq_fd *kfd)
{
	raw_spin_lock_irq(&kq->lock);
	kq_index_set_fd(kq, fd, kfd);
	raw_spin_unlock_irq(&kq->lock);
}

/* Never looked into. */
static struct kq_fd *kqt_fake_fd(u32 fd)
{
	return (struct kq_fd *)(0x1000ul + 16ul * fd);
}

static struct kq_note *kqt_get_note(struct kq *kq, u8 filter, u64 ident, bool aside)
{
	struct kq_note *note;

	raw_spin_lock_irq(&kq->lock);
	note = kq_index_note(kq, filter, ident, aside);
	raw_spin_unlock_irq(&kq->lock);
	return note;
}

static bool kqt_crowded(struct kq *kq, u8 filter, u64 ident)
{
	bool crowded;

	raw_spin_lock_irq(&kq->lock);
	crowded = kq_index_crowded(kq, filter, ident);
	raw_spin_unlock_irq(&kq->lock);
	return crowded;
}

static void kqt_name_note(struct kq_note *note, u8 filter, u64 ident, u32 status)
{
	note->kn.filter = filter;
	note->kn.status = status;
	note->ident = ident;
}

static bool kqt_add_note(struct kq *kq, struct kq_note *note)
{
	bool added;

	raw_spin_lock_irq(&kq->lock);
	added = kq_index_add_note(kq, note);
	raw_spin_unlock_irq(&kq->lock);
	return added;
}

static void kqt_del_note(struct kq *kq, struct kq_note *note)
{
	raw_spin_lock_irq(&kq->lock);
	kq_index_del_note(kq, note);
	raw_spin_unlock_irq(&kq->lock);
}

/* Return: @n notes of row A with the idents 0, step, 2 * step ..., in the index. */
static struct kq_note *kqt_fill(struct kunit *test, u32 n, u64 step)
{
	struct kq_note *notes = kunit_kcalloc(test, n, sizeof(*notes), GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, notes);
	for (i = 0; i < n; i++) {
		kqt_name_note(&notes[i], KQT_ROW_A, i * step, 0);
		KUNIT_ASSERT_EQ(test, kq_index_reserve_note(test->priv, GFP_KERNEL), 0);
		KUNIT_ASSERT_TRUE(test, kqt_add_note(test->priv, &notes[i]));
	}
	return notes;
}

/* Descriptors */

static const u32 kqt_numbers[] = {
	0, 1, KQ_PAGE_SLOTS - 1, KQ_PAGE_SLOTS, KQ_FIRST_PAGES * KQ_PAGE_SLOTS - 1,
	KQ_FIRST_PAGES * KQ_PAGE_SLOTS, 5 * KQ_PAGE_SLOTS + 3, 1023, 1048575,
};

static void kqt_number_name(const u32 *number, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "number %u", *number);
}

KUNIT_ARRAY_PARAM(kqt_number, kqt_numbers, kqt_number_name);

static void kqt_fd_found_by_number(struct kunit *test)
{
	u32 fd = *(const u32 *)test->param_value;
	struct kq *kq = test->priv;

	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, fd));
	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, fd), 0);
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, fd));
	KUNIT_EXPECT_EQ(test, kq->nfds, 0);
	kqt_set_fd(kq, fd, kqt_fake_fd(fd));
	KUNIT_EXPECT_PTR_EQ(test, kqt_get_fd(kq, fd), kqt_fake_fd(fd));
	KUNIT_EXPECT_EQ(test, kq->nfds, fd + 1);
	if (fd)
		KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, fd - 1));
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, fd + 1));
	kqt_set_fd(kq, fd, NULL);
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, fd));
	/* The walk at the end of a queue has to go as far as ever. */
	KUNIT_EXPECT_EQ(test, kq->nfds, fd + 1);
}

static void kqt_fd_outside_is_absent(struct kunit *test)
{
	struct kq *kq = test->priv;

	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, 0));
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, U32_MAX));
	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 0), 0);
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, KQ_FIRST_PAGES * KQ_PAGE_SLOTS));
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, INT_MAX));
	KUNIT_EXPECT_NULL(test, kqt_get_fd(kq, U32_MAX));
}

static void kqt_fd_growth_keeps_all(struct kunit *test)
{
	const u32 n = 9 * KQ_PAGE_SLOTS;
	struct kq *kq = test->priv;
	u32 i, wrong = 0;

	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, i), 0);
		kqt_set_fd(kq, i, kqt_fake_fd(i));
	}
	for (i = 0; i < n; i++)
		wrong += kqt_get_fd(kq, i) != kqt_fake_fd(i);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, kq->nfds, n);
	KUNIT_EXPECT_EQ(test, kq->fds.pages, 16);
	/* One page for 512 descriptors, and the directory. */
	KUNIT_EXPECT_EQ(test, kqt_memory.held, 9 + 1);
}

static void kqt_fd_highest_stays(struct kunit *test)
{
	struct kq *kq = test->priv;

	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 700), 0);
	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 3), 0);
	kqt_set_fd(kq, 700, kqt_fake_fd(700));
	kqt_set_fd(kq, 3, kqt_fake_fd(3));
	KUNIT_EXPECT_EQ(test, kq->nfds, 701);
	kqt_set_fd(kq, 701, NULL);
	KUNIT_EXPECT_EQ(test, kq->nfds, 701);
}

static void kqt_fd_reserved_twice_costs_once(struct kunit *test)
{
	struct kq *kq = test->priv;
	int held;

	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 5), 0);
	held = kqt_memory.held;
	kqt_memory.left = 0;
	KUNIT_EXPECT_EQ(test, kq_index_reserve_fd(kq, 5), 0);
	KUNIT_EXPECT_EQ(test, kq_index_reserve_fd(kq, KQ_PAGE_SLOTS - 1), 0);
	KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
	KUNIT_EXPECT_EQ(test, kq_index_reserve_fd(kq, KQ_PAGE_SLOTS), -ENOMEM);
}

/* The n-th allocation fails: nothing has changed, and the next attempt succeeds. */
static void kqt_fd_no_memory(struct kunit *test)
{
	u32 fd = KQ_FIRST_PAGES * KQ_PAGE_SLOTS;
	struct kq *kq = test->priv;
	int n, held;

	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 1), 0);
	kqt_set_fd(kq, 1, kqt_fake_fd(1));
	held = kqt_memory.held;
	for (n = 0; n < 2; n++) {
		kqt_memory.left = n;
		KUNIT_EXPECT_EQ(test, kq_index_reserve_fd(kq, fd), -ENOMEM);
		KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
		KUNIT_EXPECT_EQ(test, kq->fds.pages, KQ_FIRST_PAGES);
		KUNIT_EXPECT_PTR_EQ(test, kqt_get_fd(kq, 1), kqt_fake_fd(1));
	}
	kqt_memory.left = 2;
	KUNIT_EXPECT_EQ(test, kq_index_reserve_fd(kq, fd), 0);
}

struct kqt_rival {
	struct kunit *test;
	u32 fd;
};

static void kqt_rival_reserves(void *arg)
{
	struct kqt_rival *rival = arg;
	struct kunit *test = rival->test;

	KUNIT_EXPECT_EQ(test, kq_index_reserve_fd(test->priv, rival->fd), 0);
	kqt_set_fd(test->priv, rival->fd, kqt_fake_fd(rival->fd));
}

/* While this thread allocates, another one enters its number: it must stay there. */
static void kqt_fd_rival(struct kunit *test, u32 mine, u32 theirs, u32 pages, int held)
{
	struct kqt_rival rival = { .test = test, .fd = theirs };
	struct kq *kq = test->priv;

	kqt_memory.arg = &rival;
	kqt_memory.meanwhile = kqt_rival_reserves;
	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, mine), 0);
	kqt_set_fd(kq, mine, kqt_fake_fd(mine));
	KUNIT_EXPECT_PTR_EQ(test, kqt_get_fd(kq, theirs), kqt_fake_fd(theirs));
	KUNIT_EXPECT_PTR_EQ(test, kqt_get_fd(kq, mine), kqt_fake_fd(mine));
	KUNIT_EXPECT_EQ(test, kq->fds.pages, pages);
	KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
}

static void kqt_fd_rival_makes_same_page(struct kunit *test)
{
	kqt_fd_rival(test, 7, 8, KQ_FIRST_PAGES, 2);
}

static void kqt_fd_rival_makes_bigger_table(struct kunit *test)
{
	kqt_fd_rival(test, 7, 20 * KQ_PAGE_SLOTS, 32, 3);
}

static void kqt_fd_rival_makes_smaller_table(struct kunit *test)
{
	kqt_fd_rival(test, 20 * KQ_PAGE_SLOTS, 7, 32, 3);
}

/* The table that was to become the new one is too small by the time it is there. */
static void kqt_fd_rival_between_both(struct kunit *test)
{
	struct kqt_rival rival = { .test = test, .fd = 20 * KQ_PAGE_SLOTS };
	struct kq *kq = test->priv;

	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 0), 0);
	kqt_memory.arg = &rival;
	kqt_memory.meanwhile = kqt_rival_reserves;
	KUNIT_ASSERT_EQ(test, kq_index_reserve_fd(kq, 6 * KQ_PAGE_SLOTS), 0);
	KUNIT_EXPECT_EQ(test, kq->fds.pages, 32);
	KUNIT_EXPECT_PTR_EQ(test, kqt_get_fd(kq, rival.fd), kqt_fake_fd(rival.fd));
	KUNIT_EXPECT_EQ(test, kqt_memory.held, 1 + 3);
}

/* Notes */

static void kqt_note_absent_when_empty(struct kunit *test)
{
	struct kq_note note = {};

	KUNIT_EXPECT_NULL(test, kqt_get_note(test->priv, KQT_ROW_A, 0, false));
	KUNIT_EXPECT_FALSE(test, kqt_crowded(test->priv, KQT_ROW_A, 0));
	KUNIT_EXPECT_FALSE_MSG(test, kqt_add_note(test->priv, &note), "nothing was reserved");
}

static const u64 kqt_idents[] = {
	0, 1, S32_MAX, 1ull << 31, U32_MAX, 1ull << 32, (1ull << 32) + 1, S64_MAX, 1ull << 63, U64_MAX,
};

/* All at a time, each in two filters and once set aside: the high words count too. */
static void kqt_note_found_by_its_name_alone(struct kunit *test)
{
	static const struct { u8 filter; u32 status; } kinds[] = {
		{ KQT_ROW_A, 0 }, { KQT_ROW_B, 0 }, { KQT_ROW_A, KN_ASIDE },
	};
	struct kq_note (*notes)[ARRAY_SIZE(kinds)];
	struct kq *kq = test->priv;
	int i, k;

	notes = kunit_kcalloc(test, ARRAY_SIZE(kqt_idents), sizeof(*notes), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, notes);
	for (i = 0; i < ARRAY_SIZE(kqt_idents); i++) {
		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			kqt_name_note(&notes[i][k], kinds[k].filter, kqt_idents[i], kinds[k].status);
			KUNIT_EXPECT_NULL(test, kqt_get_note(kq, kinds[k].filter, kqt_idents[i],
							     kinds[k].status));
			KUNIT_ASSERT_EQ(test, kq_index_reserve_note(kq, GFP_KERNEL), 0);
			KUNIT_ASSERT_TRUE(test, kqt_add_note(kq, &notes[i][k]));
		}
	}
	for (i = 0; i < ARRAY_SIZE(kqt_idents); i++)
		for (k = 0; k < ARRAY_SIZE(kinds); k++)
			KUNIT_EXPECT_PTR_EQ(test, kqt_get_note(kq, kinds[k].filter, kqt_idents[i],
							       kinds[k].status), &notes[i][k]);
	KUNIT_EXPECT_NULL(test, kqt_get_note(kq, KQT_ROW_B, 0, true));
	KUNIT_EXPECT_NULL(test, kqt_get_note(kq, KQT_ROW_A, 2, false));
}

/* With one bucket more, a hash stays where it was, or comes from the one bucket that is split. */
static void kqt_bucket_of_every_size(struct kunit *test)
{
	struct kq *kq = test->priv;
	u32 n, hash, step = 0x9e3779b1, wrong = 0;
	int i;

	for (n = 1; n < 1100; n++) {
		for (i = 0, hash = 0; i < 200; i++, hash += step) {
			u32 before, after;

			kq->nbuckets = n;
			before = kq_bucket_of(kq, hash);
			kq->nbuckets = n + 1;
			after = kq_bucket_of(kq, hash);
			wrong += before >= n;
			wrong += after != before &&
				 (after != n || before != n - rounddown_pow_of_two(n));
		}
	}
	kq->nbuckets = 0;
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static void kqt_note_growth_keeps_all(struct kunit *test)
{
	const u32 n = 2 * KQ_PAGE_SLOTS + 100;
	struct kq *kq = test->priv;
	struct kq_note *notes = kqt_fill(test, n, 1);
	u32 i, chained = 0, longest = 0, wrong = 0;

	KUNIT_EXPECT_EQ(test, kq->nidents, n);
	KUNIT_EXPECT_EQ(test, kq->nbuckets, n);
	for (i = 0; i < n; i++)
		wrong += kqt_get_note(kq, KQT_ROW_A, i, false) != &notes[i];
	KUNIT_EXPECT_EQ(test, wrong, 0);
	/* The walk over all buckets comes by each note once. */
	for (i = 0; i < kq->nbuckets; i++) {
		struct hlist_node *node;
		u32 length = 0;

		hlist_for_each(node, kq_index_bucket(kq, i))
			length++;
		chained += length;
		longest = max(longest, length);
	}
	KUNIT_EXPECT_EQ(test, chained, n);
	KUNIT_EXPECT_LT(test, longest, 16);
}

static void kqt_note_idents_with_a_stride_spread(struct kunit *test)
{
	struct kq *kq = test->priv;
	u32 i, longest = 0;

	kqt_fill(test, 1024, 1ull << 32);
	for (i = 0; i < kq->nbuckets; i++) {
		struct hlist_node *node;
		u32 length = 0;

		hlist_for_each(node, kq_index_bucket(kq, i))
			length++;
		longest = max(longest, length);
	}
	KUNIT_EXPECT_LT(test, longest, 16);
}

/* Deleting gives nothing back; what comes later needs no room that is there already. */
static void kqt_note_deleted_room_is_used_again(struct kunit *test)
{
	const u32 n = KQ_PAGE_SLOTS + 10;
	struct kq *kq = test->priv;
	struct kq_note *notes = kqt_fill(test, n, 1);
	int held = kqt_memory.held;
	u32 i, wrong = 0;

	for (i = 0; i < n; i += 2)
		kqt_del_note(kq, &notes[i]);
	for (i = 0; i < n; i++)
		wrong += kqt_get_note(kq, KQT_ROW_A, i, false) != (i % 2 ? &notes[i] : NULL);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, kq->nidents, n / 2);
	KUNIT_EXPECT_EQ(test, kq->nbuckets, n);
	kqt_memory.left = 0;
	for (i = 0; i < n; i += 2) {
		KUNIT_EXPECT_EQ(test, kq_index_reserve_note(kq, GFP_KERNEL), 0);
		KUNIT_EXPECT_TRUE(test, kqt_add_note(kq, &notes[i]));
	}
	for (i = 0; i < n; i++)
		wrong += kqt_get_note(kq, KQT_ROW_A, i, false) != &notes[i];
	KUNIT_EXPECT_EQ(test, wrong, 0);
	KUNIT_EXPECT_EQ(test, kq->nbuckets, n);
	KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
}

/* The bucket after the last one of a page was reserved, and then used by another thread. */
static void kqt_note_room_went_to_another(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_note late = {};

	kqt_fill(test, KQ_PAGE_SLOTS, 1);
	kqt_name_note(&late, KQT_ROW_B, 9, 0);
	KUNIT_EXPECT_TRUE(test, kqt_add_note(kq, &late));
	KUNIT_EXPECT_EQ(test, kq->nbuckets, KQ_PAGE_SLOTS);
	KUNIT_EXPECT_PTR_EQ(test, kqt_get_note(kq, KQT_ROW_B, 9, false), &late);
	kqt_memory.left = 0;
	KUNIT_EXPECT_EQ(test, kq_index_reserve_note(kq, GFP_KERNEL), -ENOMEM);
	kqt_memory.left = 1;
	KUNIT_EXPECT_EQ(test, kq_index_reserve_note(kq, GFP_KERNEL), 0);
}

static void kqt_note_crowded_at_the_limit(struct kunit *test)
{
	struct kq_note *notes = kunit_kcalloc(test, KQ_MAX_ASIDE + 1, sizeof(*notes), GFP_KERNEL);
	struct kq *kq = test->priv;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, notes);
	for (i = 0; i <= KQ_MAX_ASIDE; i++) {
		KUNIT_EXPECT_EQ(test, kqt_crowded(kq, KQT_ROW_A, 4), false);
		/* The first one is not set aside, and does not count. */
		kqt_name_note(&notes[i], KQT_ROW_A, 4, i ? KN_ASIDE : 0);
		KUNIT_ASSERT_EQ(test, kq_index_reserve_note(kq, GFP_KERNEL), 0);
		KUNIT_ASSERT_TRUE(test, kqt_add_note(kq, &notes[i]));
	}
	KUNIT_EXPECT_TRUE(test, kqt_crowded(kq, KQT_ROW_A, 4));
	KUNIT_EXPECT_FALSE(test, kqt_crowded(kq, KQT_ROW_A, 5));
	KUNIT_EXPECT_FALSE(test, kqt_crowded(kq, KQT_ROW_B, 4));
	kqt_del_note(kq, &notes[7]);
	KUNIT_EXPECT_FALSE(test, kqt_crowded(kq, KQT_ROW_A, 4));
	KUNIT_EXPECT_PTR_EQ(test, kqt_get_note(kq, KQT_ROW_A, 4, false), &notes[0]);
}

static struct kunit_case kqt_index_cases[] = {
	KUNIT_CASE_PARAM(kqt_fd_found_by_number, kqt_number_gen_params),
	KUNIT_CASE(kqt_fd_outside_is_absent),
	KUNIT_CASE(kqt_fd_growth_keeps_all),
	KUNIT_CASE(kqt_fd_highest_stays),
	KUNIT_CASE(kqt_fd_reserved_twice_costs_once),
	KUNIT_CASE(kqt_fd_no_memory),
	KUNIT_CASE(kqt_fd_rival_makes_same_page),
	KUNIT_CASE(kqt_fd_rival_makes_bigger_table),
	KUNIT_CASE(kqt_fd_rival_makes_smaller_table),
	KUNIT_CASE(kqt_fd_rival_between_both),
	KUNIT_CASE(kqt_note_absent_when_empty),
	KUNIT_CASE(kqt_note_found_by_its_name_alone),
	KUNIT_CASE(kqt_bucket_of_every_size),
	KUNIT_CASE(kqt_note_growth_keeps_all),
	KUNIT_CASE(kqt_note_idents_with_a_stride_spread),
	KUNIT_CASE(kqt_note_deleted_room_is_used_again),
	KUNIT_CASE(kqt_note_room_went_to_another),
	KUNIT_CASE(kqt_note_crowded_at_the_limit),
	{}
};

static struct kunit_suite kqt_index_suite = {
	.name = "kqueue_index",
	.init = kqt_index_init,
	.exit = kqt_index_exit,
	.test_cases = kqt_index_cases,
};

kunit_test_suite(kqt_index_suite);
