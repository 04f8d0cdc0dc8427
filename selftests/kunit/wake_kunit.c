// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of who is woken, of flux, and of what an EV_CLEAR delivery remembers. The threads that
 * sleep are entries on the list of waiters: whether one was picked is a word, and no clock is needed.
 */
#include <linux/sched.h>

#include "kqt.h"

#define KQT_IDENT	7

static struct kq_knote *kqt_level(struct kunit *test)
{
	struct kq_knote *kn;

	KUNIT_ASSERT_EQ(test, kqt_change(test->priv, KQT_IDENT, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	kn = kqt_knote(test->priv, KQT_IDENT, EVFILT_USER);
	KUNIT_ASSERT_NOT_NULL(test, kn);
	return kn;
}

/* As a thread does that finds nothing and goes to sleep. */
static void kqt_sleep(struct kq *kq, struct kq_waiter *waiter)
{
	*waiter = (struct kq_waiter){ .task = current };
	raw_spin_lock_irq(&kq->lock);
	list_add_tail(&waiter->link, &kq->waiters);
	waiter->epoch = kq->epoch;
	waiter->missed = kq->held;
	kq->missed += waiter->missed;
	raw_spin_unlock_irq(&kq->lock);
}

static void kqt_leave(struct kq *kq, struct kq_waiter *waiters, int n)
{
	raw_spin_lock_irq(&kq->lock);
	while (n--)
		kq_waiter_leave(kq, waiters++);
	raw_spin_unlock_irq(&kq->lock);
}

static void kqt_begin(struct kq_knote *kn, bool keep)
{
	raw_spin_lock_irq(&kn->kq->lock);
	kq_flux_begin(kn, keep);
	raw_spin_unlock_irq(&kn->kq->lock);
}

/* Return: whether it died. */
static bool kqt_end(struct kq_knote *kn, bool quiet)
{
	bool died;

	raw_spin_lock_irq(&kn->kq->lock);
	died = kq_flux_end(kn, quiet);
	raw_spin_unlock_irq(&kn->kq->lock);
	return died;
}

static u32 kqt_look(struct kq *kq)
{
	u32 arrivals;

	return kq_look(kq, &arrivals);
}

static u32 kqt_arrivals(struct kq *kq)
{
	u32 arrivals;

	kq_look(kq, &arrivals);
	return arrivals;
}

static void kqt_wake_one_each_in_turn(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_waiter waiters[3];
	struct kq_knote *kn = kqt_level(test);
	int i;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, 8, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	for (i = 0; i < 3; i++)
		kqt_sleep(kq, &waiters[i]);
	kq_knote_activate(kn, true);
	KUNIT_EXPECT_TRUE(test, waiters[0].picked);
	KUNIT_EXPECT_FALSE(test, waiters[1].picked);
	/* The same knote again is no further event. */
	kq_knote_activate(kn, true);
	KUNIT_EXPECT_FALSE(test, waiters[1].picked);
	kq_knote_activate(kqt_knote(kq, 8, EVFILT_USER), true);
	KUNIT_EXPECT_TRUE(test, waiters[1].picked);
	KUNIT_EXPECT_FALSE(test, waiters[2].picked);
	kqt_leave(kq, waiters, 3);
	KUNIT_EXPECT_TRUE(test, list_empty(&kq->waiters));
}

static void kqt_wake_passed_on(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_waiter waiter;
	struct kq_knote *kn = kqt_level(test);

	/* Nothing is ready: nobody is woken for nothing. */
	kqt_sleep(kq, &waiter);
	kq_pass_wake(kq);
	KUNIT_EXPECT_FALSE(test, waiter.picked);
	kqt_leave(kq, &waiter, 1);
	kq_knote_activate(kn, true);
	kqt_sleep(kq, &waiter);
	kq_pass_wake(kq);
	KUNIT_EXPECT_TRUE(test, waiter.picked);
	kqt_leave(kq, &waiter, 1);
}

static void kqt_wake_not_by_disabled_or_dead(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_waiter waiter;
	struct kq_knote *kn = kqt_level(test);

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_DISABLE, 0, 0, 0), 0);
	kqt_sleep(kq, &waiter);
	kq_knote_activate(kn, true);
	KUNIT_EXPECT_FALSE(test, waiter.picked);
	KUNIT_EXPECT_EQ(test, kq->nready, 0);
	KUNIT_EXPECT_EQ(test, kn->status, KN_LIVE | KN_DISABLED | KN_ACTIVE | KN_STRONG);
	kqt_leave(kq, &waiter, 1);
}

/* A level condition that was delivered returns without a noise; its next activation makes one. */
static void kqt_wake_quiet_return(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_event_ext event;
	struct kq_waiter waiter;
	struct kq_knote *kn = kqt_level(test);
	u32 arrivals;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, 0, NOTE_TRIGGER, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kq->loud, 1);
	arrivals = kqt_arrivals(kq);
	kqt_sleep(kq, &waiter);
	KUNIT_EXPECT_EQ(test, kqt_collect(kq, &event, 1), 1);
	KUNIT_EXPECT_FALSE(test, waiter.picked);
	KUNIT_EXPECT_EQ(test, kqt_arrivals(kq), arrivals);
	KUNIT_EXPECT_EQ(test, kq->nready, 1);
	KUNIT_EXPECT_EQ(test, kq->loud, 0);
	kq_knote_activate(kn, true);
	KUNIT_EXPECT_TRUE(test, waiter.picked);
	KUNIT_EXPECT_EQ(test, kqt_arrivals(kq), arrivals + 1);
	KUNIT_EXPECT_EQ(test, kq->nready, 1);
	KUNIT_EXPECT_EQ(test, kq->loud, 1);
	kqt_leave(kq, &waiter, 1);
}

/* Who went to sleep while it was away would have taken it: one of those is woken all the same. */
static void kqt_wake_missed(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_waiter early, late, later;
	struct kq_knote *kn = kqt_level(test);

	kq_knote_activate(kn, true);
	kqt_sleep(kq, &early);
	kqt_begin(kn, false);
	kqt_sleep(kq, &late);
	kqt_sleep(kq, &later);
	KUNIT_EXPECT_EQ(test, kq->missed, 2);
	kqt_end(kn, true);
	KUNIT_EXPECT_FALSE(test, early.picked);
	KUNIT_EXPECT_TRUE(test, late.picked);
	KUNIT_EXPECT_FALSE(test, later.picked);
	KUNIT_EXPECT_EQ(test, kq->missed, 1);
	kqt_leave(kq, &early, 1);
	kqt_leave(kq, &late, 1);
	kqt_leave(kq, &later, 1);
	KUNIT_EXPECT_EQ(test, kq->missed, 0);
}

/* Once nothing is left that they could have missed, they are like any other. */
static void kqt_wake_missed_is_over(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_waiter waiter;
	struct kq_knote *kn = kqt_level(test);
	u32 epoch = kq->epoch;

	kq_knote_activate(kn, true);
	kqt_begin(kn, false);
	kqt_sleep(kq, &waiter);
	kq_knote_quench(kn);
	kqt_end(kn, false);
	KUNIT_EXPECT_EQ(test, kq->epoch, epoch + 1);
	KUNIT_EXPECT_EQ(test, kq->missed, 0);
	/* It leaves later than that, and takes nothing from the count of the next epoch. */
	kq->missed = 5;
	kqt_leave(kq, &waiter, 1);
	KUNIT_EXPECT_EQ(test, kq->missed, 5);
	kq->missed = 0;
}

static void kqt_flux_holds_activations_back(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_knote *kn = kqt_level(test);

	kqt_begin(kn, false);
	kq_knote_activate(kn, false);
	KUNIT_EXPECT_EQ(test, kq->nready, 0);
	KUNIT_EXPECT_FALSE(test, kn->status & KN_STRONG);
	KUNIT_EXPECT_EQ(test, kqt_look(kq), 0);
	KUNIT_EXPECT_FALSE(test, kqt_end(kn, false));
	KUNIT_EXPECT_EQ(test, kq->nready, 1);
	/* Taken from the list, it still counts for those who poll. */
	kqt_begin(kn, false);
	KUNIT_EXPECT_EQ(test, kq->nready, 0);
	KUNIT_EXPECT_EQ(test, kq->held, 1);
	KUNIT_EXPECT_EQ(test, kqt_look(kq), 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&kq->ready));
	KUNIT_EXPECT_FALSE(test, kqt_end(kn, false));
	KUNIT_EXPECT_EQ(test, kq->held, 0);
	KUNIT_EXPECT_EQ(test, kq->nready, 1);
}

static void kqt_flux_keeps_the_place(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_knote *kn = kqt_level(test), *other;

	kq_knote_activate(kn, true);
	KUNIT_ASSERT_EQ(test, kqt_change(kq, 8, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0), 0);
	other = kqt_knote(kq, 8, EVFILT_USER);
	kqt_begin(kn, true);
	KUNIT_EXPECT_EQ(test, kq->nready, 1);
	KUNIT_EXPECT_PTR_EQ(test, kq->ready.next, &kn->link);
	KUNIT_EXPECT_TRUE(test, kn->status & KN_PLACE);
	kqt_end(kn, false);
	KUNIT_EXPECT_PTR_EQ(test, kq->ready.next, &kn->link);
	KUNIT_EXPECT_PTR_EQ(test, kq->ready.prev, &other->link);
	KUNIT_EXPECT_EQ(test, kq->nready, 2);
	/* Not if there is nothing to report any more. */
	kqt_begin(kn, true);
	kq_knote_quench(kn);
	kqt_end(kn, false);
	KUNIT_EXPECT_PTR_EQ(test, kq->ready.next, &other->link);
	KUNIT_EXPECT_EQ(test, kq->nready, 1);
	KUNIT_EXPECT_EQ(test, kn->status, KN_LIVE);
}

/*
 * One that nobody wakes rests on a list of its own, and its return wakes all who missed it when
 * they looked. Those who did not are left asleep: two of them could go on waking each other.
 */
static void kqt_flux_of_one_nobody_wakes(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_waiter waiters[3];
	struct kq_knote *kn = kqt_level(test);
	u32 returns = kq->returns;

	raw_spin_lock_irq(&kq->lock);
	kq_flux_begin(kn, false);
	kn->status |= KN_POLLED;
	kq_flux_end(kn, false);
	raw_spin_unlock_irq(&kq->lock);
	KUNIT_EXPECT_PTR_EQ(test, kq->recheck.next, &kn->link);
	KUNIT_EXPECT_EQ(test, kq->returns, returns);
	kqt_begin(kn, false);
	KUNIT_EXPECT_TRUE(test, list_empty(&kq->recheck));
	KUNIT_EXPECT_EQ(test, kq->away, 1);
	kqt_sleep(kq, &waiters[0]);
	kqt_sleep(kq, &waiters[1]);
	kqt_sleep(kq, &waiters[2]);
	waiters[0].blind = true;
	waiters[2].blind = true;
	kq->blind = true;
	kqt_look(kq);
	KUNIT_EXPECT_TRUE(test, kq->relook);
	kqt_end(kn, false);
	KUNIT_EXPECT_TRUE(test, waiters[0].picked);
	KUNIT_EXPECT_FALSE(test, waiters[1].picked);
	KUNIT_EXPECT_TRUE(test, waiters[2].picked);
	kqt_leave(kq, &waiters[1], 1);
	KUNIT_EXPECT_FALSE(test, kq->relook);
	KUNIT_EXPECT_FALSE(test, kq->blind);
	KUNIT_EXPECT_EQ(test, kq->away, 0);
	KUNIT_EXPECT_EQ(test, kq->returns, returns + 1);
	/* Ready, it moves to the other list. */
	kq_knote_activate(kn, true);
	KUNIT_EXPECT_TRUE(test, list_empty(&kq->recheck));
	KUNIT_EXPECT_PTR_EQ(test, kq->ready.next, &kn->link);
	/* The status goes as it came: nothing but this case has set it. */
	kqt_begin(kn, false);
	KUNIT_EXPECT_EQ(test, kq->away, 1);
	kqt_end(kn, false);
	kqt_leave(kq, waiters, 2);
}

static void kqt_flux_wakes_who_waits_for_it(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_knote *kn = kqt_level(test);
	struct kq_waiter mine = { .task = current, .object = kq_knote_note(kn) };
	struct kq_waiter other = { .task = current, .object = &other };

	kqt_begin(kn, false);
	raw_spin_lock_irq(&kq->lock);
	list_add_tail(&other.link, &kq->fluxers);
	list_add_tail(&mine.link, &kq->fluxers);
	raw_spin_unlock_irq(&kq->lock);
	kqt_end(kn, false);
	KUNIT_EXPECT_TRUE(test, mine.picked);
	KUNIT_EXPECT_FALSE(test, other.picked);
	raw_spin_lock_irq(&kq->lock);
	kq_flux_wake(kq, NULL);
	raw_spin_unlock_irq(&kq->lock);
	KUNIT_EXPECT_TRUE(test, other.picked);
	KUNIT_EXPECT_TRUE(test, list_empty(&kq->fluxers));
}

/* What an EV_CLEAR delivery remembers */

struct kqt_stale {
	const char *name;
	u16 flags;
	u32 status;
	u32 token;
	struct kq_result res;
	bool strong;
	bool stale;
};

#define KQT_KEYED	.keyed = true
#define KQT_COUNTED	.keyed = true, .counted = true

static const struct kqt_stale kqt_stales[] = {
	{ "a level", 0, KN_SEEN, 0, { KQT_KEYED }, false, false },
	{ "not keyed", EV_CLEAR, KN_SEEN, 0, {}, false, false },
	{ "never seen", EV_CLEAR, 0, 0, { KQT_KEYED }, false, false },
	{ "seen, weak", EV_CLEAR, KN_SEEN, 0, { KQT_KEYED }, false, true },
	{ "seen, strong", EV_CLEAR, KN_SEEN, 0, { KQT_KEYED }, true, false },
	{ "counted, moved", EV_CLEAR, KN_SEEN, 5, { KQT_COUNTED, .token = 6 }, true, false },
	{ "counted, stands", EV_CLEAR, KN_SEEN, 5, { KQT_COUNTED, .token = 5 }, true, true },
	{ "counted, stands, weak", EV_CLEAR, KN_SEEN, 5, { KQT_COUNTED, .token = 5 }, false, true },
	{ "not counted, same token", EV_CLEAR, KN_SEEN, 5, { KQT_KEYED, .token = 5 }, true, false },
	{ "first end", EV_CLEAR, KN_SEEN, 0, { KQT_KEYED, .flags = EV_EOF }, false, false },
	{ "the same end", EV_CLEAR, KN_SEEN | KN_SEEN_EOF, 9,
	  { KQT_KEYED, .flags = EV_EOF, .token = 9 }, true, true },
	{ "another error", EV_CLEAR, KN_SEEN | KN_SEEN_EOF, 9,
	  { KQT_KEYED, .flags = EV_EOF, .token = 10 }, false, false },
	{ "no end any more", EV_CLEAR, KN_SEEN | KN_SEEN_EOF, 9, { KQT_KEYED, .token = 9 }, false,
	  false },
};

static void kqt_stale_name(const struct kqt_stale *s, char *name)
{
	strscpy(name, s->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_stale, kqt_stales, kqt_stale_name);

static void kqt_knote_stale(struct kunit *test)
{
	const struct kqt_stale *s = test->param_value;
	struct kq_knote kn = { .flags = s->flags, .status = s->status, .token = s->token };

	KUNIT_EXPECT_EQ(test, kq_knote_stale(&kn, &s->res, s->strong), s->stale);
	/* What it calls no repetition it remembers, so that the next one is. */
	if (s->stale || !s->res.keyed || !(s->flags & EV_CLEAR))
		return;
	kq_knote_seen(&kn, true, &s->res);
	KUNIT_EXPECT_TRUE(test, kq_knote_stale(&kn, &s->res, false));
	kq_knote_seen(&kn, false, &s->res);
	KUNIT_EXPECT_FALSE(test, kq_knote_stale(&kn, &s->res, false));
	KUNIT_EXPECT_EQ(test, kn.status & (KN_SEEN | KN_SEEN_EOF), 0);
}

static struct kunit_case kqt_wake_cases[] = {
	KUNIT_CASE(kqt_wake_one_each_in_turn),
	KUNIT_CASE(kqt_wake_passed_on),
	KUNIT_CASE(kqt_wake_not_by_disabled_or_dead),
	KUNIT_CASE(kqt_wake_quiet_return),
	KUNIT_CASE(kqt_wake_missed),
	KUNIT_CASE(kqt_wake_missed_is_over),
	KUNIT_CASE(kqt_flux_holds_activations_back),
	KUNIT_CASE(kqt_flux_keeps_the_place),
	KUNIT_CASE(kqt_flux_of_one_nobody_wakes),
	KUNIT_CASE(kqt_flux_wakes_who_waits_for_it),
	KUNIT_CASE_PARAM(kqt_knote_stale, kqt_stale_gen_params),
	{}
};

static struct kunit_suite kqt_wake_suite = {
	.name = "kqueue_wake",
	.init = kqt_queue_init,
	.exit = kqt_queue_exit,
	.test_cases = kqt_wake_cases,
};

kunit_test_suite(kqt_wake_suite);
