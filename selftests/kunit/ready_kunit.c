// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of the ready list: order, turns, batches, copies that fail; see wake_kunit.c for threads. */
#include "kqt.h"

/* Idents are small numbers; a test names them as the characters of a string, '1' for 1. */
static void kqt_add(struct kunit *test, const char *idents, u16 flags)
{
	for (; *idents; idents++)
		KUNIT_ASSERT_EQ(test, kqt_change(test->priv, *idents, EVFILT_USER, EV_ADD | flags,
						 0, 0, 0), 0);
}

static void kqt_trigger(struct kunit *test, const char *idents)
{
	for (; *idents; idents++)
		KUNIT_ASSERT_EQ(test, kqt_change(test->priv, *idents, EVFILT_USER, 0,
						 NOTE_TRIGGER, 0, 0), 0);
}

static void kqt_flag(struct kunit *test, const char *idents, u16 flags)
{
	for (; *idents; idents++)
		KUNIT_ASSERT_EQ(test, kqt_change(test->priv, *idents, EVFILT_USER, flags, 0, 0, 0), 0);
}

/* Too much for the stack; one case runs at a time. */
static struct kq_event_ext kqt_events[32];

/* What a call with that much room returns, in its order; "!" for an error. */
static const char *kqt_take(struct kq *kq, int room)
{
	static char idents[ARRAY_SIZE(kqt_events) + 1];
	int i, n = kqt_collect(kq, kqt_events, room);

	if (n < 0)
		return "!";
	for (i = 0; i < n; i++)
		idents[i] = kqt_events[i].ident;
	idents[n] = 0;
	return idents;
}

#define kqt_expect(test, room, idents)							\
	KUNIT_EXPECT_STREQ(test, kqt_take((test)->priv, room), &(idents)[0])

/* Between two calls nothing is in flux, and what is counted is what is on the list. */
static void kqt_settled(struct kunit *test, const char *ready)
{
	struct kq *kq = test->priv;
	struct kq_knote *kn;
	char list[33];
	int n = 0, loud = 0;

	raw_spin_lock_irq(&kq->lock);
	list_for_each_entry(kn, &kq->ready, link) {
		list[n++] = kn->status & KN_QUEUED ? kq_knote_note(kn)->ident : '?';
		loud += !(kn->status & KN_QUIET);
		if (n == sizeof(list) - 1)
			break;
	}
	raw_spin_unlock_irq(&kq->lock);
	list[n] = 0;
	KUNIT_EXPECT_STREQ(test, &list[0], ready);
	KUNIT_EXPECT_EQ(test, kq->nready, n);
	KUNIT_EXPECT_EQ(test, kq->loud, loud);
	KUNIT_EXPECT_EQ(test, kq->held, 0);
	KUNIT_EXPECT_EQ(test, kq->away, 0);
}

static void kqt_ready_order_of_activation(struct kunit *test)
{
	kqt_add(test, "12345", EV_CLEAR);
	kqt_settled(test, "");
	kqt_trigger(test, "31524");
	kqt_settled(test, "31524");
	kqt_expect(test, 16, "31524");
	kqt_settled(test, "");
	kqt_expect(test, 16, "");
}

static void kqt_ready_again_keeps_its_turn(struct kunit *test)
{
	kqt_add(test, "123", EV_CLEAR);
	kqt_trigger(test, "123");
	kqt_trigger(test, "1");
	kqt_flag(test, "2", EV_ADD);
	kqt_settled(test, "123");
	kqt_expect(test, 16, "123");
}

/* A level condition goes to the end of the line each time: all get their turn. */
static void kqt_ready_level_takes_turns(struct kunit *test)
{
	int i;

	kqt_add(test, "123", 0);
	kqt_trigger(test, "123");
	for (i = 0; i < 3; i++) {
		kqt_expect(test, 1, "1");
		kqt_expect(test, 1, "2");
		kqt_expect(test, 1, "3");
	}
	kqt_expect(test, 2, "12");
	kqt_expect(test, 2, "31");
	kqt_expect(test, 2, "23");
	kqt_settled(test, "123");
}

static void kqt_ready_late_comer_waits(struct kunit *test)
{
	kqt_add(test, "1234", 0);
	kqt_trigger(test, "123");
	kqt_expect(test, 2, "12");
	kqt_trigger(test, "4");
	kqt_settled(test, "3124");
	kqt_expect(test, 16, "3124");
}

/* However much room there is, a call reports each knote once. */
static void kqt_ready_once_per_call(struct kunit *test)
{
	kqt_add(test, "123", 0);
	kqt_trigger(test, "123");
	kqt_expect(test, 32, "123");
	kqt_expect(test, 32, "123");
}

static const int kqt_counts[] = {
	1, KQ_BATCH - 1, KQ_BATCH, KQ_BATCH + 1, 2 * KQ_BATCH, 2 * KQ_BATCH + 1, 100,
};

static void kqt_count_name(const int *count, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d knotes", *count);
}

KUNIT_ARRAY_PARAM(kqt_count, kqt_counts, kqt_count_name);

/* Whatever the number of batches: one call, all of them, in order; the next one likewise. */
static void kqt_ready_batches(struct kunit *test)
{
	int n = *(const int *)test->param_value, i, room, next = 0, round;
	struct kq *kq = test->priv;
	struct kq_event_ext *events;

	events = kunit_kcalloc(test, n + 1, sizeof(*events), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, events);
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, kqt_change(kq, i, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kq->nready, n);
	for (round = 0; round < 6; round++) {
		/* Enough for all and more, and for half of them. */
		room = round % 2 ? n / 2 + 1 : n + 1;
		KUNIT_ASSERT_EQ(test, kqt_collect(kq, events, room), min(room, n));
		for (i = 0; i < min(room, n); i++) {
			KUNIT_EXPECT_EQ(test, events[i].ident, next);
			next = (next + 1) % n;
		}
		KUNIT_EXPECT_EQ(test, kq->nready, n);
		KUNIT_EXPECT_EQ(test, kq->held, 0);
	}
}

static void kqt_ready_disabled_is_held_back(struct kunit *test)
{
	kqt_add(test, "123", EV_CLEAR);
	kqt_flag(test, "2", EV_DISABLE);
	kqt_trigger(test, "123");
	kqt_settled(test, "13");
	kqt_expect(test, 16, "13");
	kqt_trigger(test, "3");
	/* What came while it was disabled is reported now, behind what waits already. */
	kqt_flag(test, "2", EV_ENABLE);
	kqt_settled(test, "32");
	kqt_flag(test, "3", EV_DISABLE);
	kqt_settled(test, "2");
	kqt_expect(test, 16, "2");
	kqt_flag(test, "3", EV_ENABLE);
	kqt_expect(test, 16, "3");
	kqt_settled(test, "");
}

static void kqt_ready_dispatch_once_each(struct kunit *test)
{
	kqt_add(test, "12", EV_DISPATCH);
	kqt_trigger(test, "12");
	kqt_expect(test, 1, "1");
	kqt_expect(test, 16, "2");
	kqt_expect(test, 16, "");
	kqt_settled(test, "");
	/* The condition still holds: enabling looks, and finds it. */
	kqt_flag(test, "21", EV_ENABLE);
	kqt_expect(test, 16, "21");
	kqt_expect(test, 16, "");
}

static void kqt_ready_oneshot_goes(struct kunit *test)
{
	kqt_add(test, "12", EV_ONESHOT);
	kqt_trigger(test, "1");
	kqt_expect(test, 16, "1");
	KUNIT_EXPECT_NULL(test, kqt_knote(test->priv, '1', EVFILT_USER));
	KUNIT_EXPECT_NOT_NULL(test, kqt_knote(test->priv, '2', EVFILT_USER));
	kqt_settled(test, "");
}

static void kqt_ready_deleted_leaves_no_gap(struct kunit *test)
{
	kqt_add(test, "1234", 0);
	kqt_trigger(test, "1234");
	kqt_flag(test, "2", EV_DELETE);
	kqt_settled(test, "134");
	kqt_flag(test, "14", EV_DELETE);
	kqt_expect(test, 16, "3");
	kqt_settled(test, "3");
}

/* Made idle between its activation and the scan: it is looked at, and not reported. */
static void kqt_ready_idle_is_not_reported(struct kunit *test)
{
	kqt_add(test, "123", 0);
	kqt_trigger(test, "123");
	/* For EVFILT_USER EV_CLEAR in a change takes the trigger back. */
	kqt_flag(test, "2", EV_CLEAR);
	kqt_expect(test, 2, "13");
	kqt_settled(test, "13");
}

#define KQT_RECORDS(n)	((n) * sizeof(struct kq_event_ext))

/* A page is missing in the middle: it is brought in, and the call goes on where it was. */
static void kqt_copy_page_is_brought(struct kunit *test)
{
	kqt_add(test, "12345", 0);
	kqt_trigger(test, "12345");
	kqt_user.writable = KQT_RECORDS(2) + 7;
	kqt_expect(test, 16, "12345");
	KUNIT_EXPECT_EQ(test, kqt_user.brought, 1);
	kqt_settled(test, "12345");
}

/* ... and cannot be brought in: those that got through count, the rest keep their turn. */
static void kqt_copy_page_is_lost(struct kunit *test)
{
	kqt_add(test, "12345", 0);
	kqt_trigger(test, "12345");
	kqt_user.writable = KQT_RECORDS(2);
	kqt_user.lost = true;
	kqt_expect(test, 16, "12");
	kqt_settled(test, "34512");
	kqt_user.writable = SIZE_MAX;
	kqt_expect(test, 3, "345");
	kqt_expect(test, 16, "12345");
}

static void kqt_copy_nothing_gets_through(struct kunit *test)
{
	kqt_add(test, "12", EV_ONESHOT);
	kqt_add(test, "34", EV_CLEAR);
	kqt_trigger(test, "3142");
	kqt_user.writable = KQT_RECORDS(1) - 1;
	kqt_user.lost = true;
	KUNIT_EXPECT_EQ(test, kqt_collect(test->priv, kqt_events, 4), -EFAULT);
	kqt_settled(test, "3142");
	/* None of them was delivered: no ONESHOT has gone, no CLEAR forgotten. */
	kqt_user.writable = SIZE_MAX;
	kqt_expect(test, 16, "3142");
	kqt_expect(test, 16, "");
}

/* A copy that fails in the second batch does not disturb the first one. */
static void kqt_copy_fails_in_second_batch(struct kunit *test)
{
	const int n = KQ_BATCH + 5;
	struct kq *kq = test->priv;
	int i;

	static_assert(KQ_BATCH + 5 <= ARRAY_SIZE(kqt_events));
	for (i = 0; i < n; i++)
		KUNIT_ASSERT_EQ(test, kqt_change(kq, i, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0), 0);
	kqt_user.writable = KQT_RECORDS(KQ_BATCH + 2);
	kqt_user.lost = true;
	KUNIT_EXPECT_EQ(test, kqt_collect(kq, kqt_events, n), KQ_BATCH + 2);
	kqt_user.writable = SIZE_MAX;
	KUNIT_ASSERT_EQ(test, kqt_collect(kq, kqt_events, n), n);
	for (i = 0; i < n; i++)
		KUNIT_EXPECT_EQ(test, kqt_events[i].ident, (KQ_BATCH + 2 + i) % n);
	KUNIT_EXPECT_EQ(test, kq->nready, n);
}

static void kqt_ready_room_for_none(struct kunit *test)
{
	kqt_add(test, "1", 0);
	kqt_trigger(test, "1");
	KUNIT_EXPECT_EQ(test, kqt_collect(test->priv, kqt_events, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_collect(test->priv, kqt_events, -1), -EINVAL);
	kqt_settled(test, "1");
}

static struct kunit_case kqt_ready_cases[] = {
	KUNIT_CASE(kqt_ready_order_of_activation),
	KUNIT_CASE(kqt_ready_again_keeps_its_turn),
	KUNIT_CASE(kqt_ready_level_takes_turns),
	KUNIT_CASE(kqt_ready_late_comer_waits),
	KUNIT_CASE(kqt_ready_once_per_call),
	KUNIT_CASE_PARAM(kqt_ready_batches, kqt_count_gen_params),
	KUNIT_CASE(kqt_ready_disabled_is_held_back),
	KUNIT_CASE(kqt_ready_dispatch_once_each),
	KUNIT_CASE(kqt_ready_oneshot_goes),
	KUNIT_CASE(kqt_ready_deleted_leaves_no_gap),
	KUNIT_CASE(kqt_ready_idle_is_not_reported),
	KUNIT_CASE(kqt_copy_page_is_brought),
	KUNIT_CASE(kqt_copy_page_is_lost),
	KUNIT_CASE(kqt_copy_nothing_gets_through),
	KUNIT_CASE(kqt_copy_fails_in_second_batch),
	KUNIT_CASE(kqt_ready_room_for_none),
	{}
};

static struct kunit_suite kqt_ready_suite = {
	.name = "kqueue_ready",
	.init = kqt_queue_init,
	.exit = kqt_queue_exit,
	.test_cases = kqt_ready_cases,
};

kunit_test_suite(kqt_ready_suite);
