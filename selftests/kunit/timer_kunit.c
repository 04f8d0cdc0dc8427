// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of the words of a timer, and of filters/timer.c: clocks, phases, counts. */
#include <linux/hrtimer.h>

#include "kqt.h"

/* How late it is, for those who count. Timers that run are on the clock of the machine. */
static ktime_t kqt_now;

#undef hrtimer_forward_now
#define hrtimer_forward_now(timer, interval)	hrtimer_forward(timer, kqt_now, interval)

#include "../../kmod/filters/timer.c"

#define KQT_HOUR	(3600ll * NSEC_PER_SEC)

struct kqt_words {
	const char *name;
	u32 fflags;
	s64 data;
	bool oneshot;
	int err;
	s64 ns;
};

#define KQT_MS_MAX	(S64_MAX / NSEC_PER_MSEC)
#define KQT_US_MAX	(S64_MAX / NSEC_PER_USEC)
#define KQT_S_MAX	(S64_MAX / NSEC_PER_SEC)

static const struct kqt_words kqt_words[] = {
	{ "milliseconds", 0, 3, false, 0, 3000000 },
	{ "seconds", NOTE_SECONDS, 3, false, 0, 3000000000 },
	{ "microseconds", NOTE_USECONDS, 3, false, 0, 3000 },
	{ "nanoseconds", NOTE_NSECONDS, 3, false, 0, 3 },
	{ "two units", NOTE_SECONDS | NOTE_USECONDS, 3, false, -EINVAL },
	{ "two other units", NOTE_USECONDS | NOTE_NSECONDS, 3, false, -EINVAL },
	{ "three units", KQ_TIMER_UNITS, 3, false, -EINVAL },
	{ "an unknown bit", 0x100, 3, false, -EINVAL },
	{ "the highest bit", 1u << 31, 3, false, -EINVAL },
	{ "hints", KQ_TIMER_HINTS, 3, false, 0, 3000000 },
	{ "all that may be together", KQ_TIMER_HINTS | NOTE_ABSOLUTE | NOTE_MACH_CONTINUOUS_TIME |
	  NOTE_SECONDS, 3, false, 0, 3000000000 },
	{ "0, periodic", 0, 0, false, 0, NSEC_PER_MSEC },
	{ "0 ns, periodic", NOTE_NSECONDS, 0, false, 0, 1 },
	{ "0, once", 0, 0, true, 0, 0 },
	{ "0, absolute", NOTE_ABSOLUTE, 0, false, 0, 0 },
	{ "-1", 0, -1, false, -EINVAL },
	{ "-1, once", 0, -1, true, -EINVAL },
	{ "the lowest", NOTE_NSECONDS, S64_MIN, false, -EINVAL },
	{ "-1, absolute", NOTE_ABSOLUTE, -1, false, 0, 0 },
	{ "the lowest, absolute", NOTE_ABSOLUTE | NOTE_SECONDS, S64_MIN, true, 0, 0 },
	{ "-1 with two units, absolute", NOTE_ABSOLUTE | KQ_TIMER_UNITS, -1, false, -EINVAL },
	{ "most ms", 0, KQT_MS_MAX, false, 0, KQT_MS_MAX * NSEC_PER_MSEC },
	{ "too many ms", 0, KQT_MS_MAX + 1, false, 0, KQ_NS_NEVER },
	{ "most us", NOTE_USECONDS, KQT_US_MAX, false, 0, KQT_US_MAX * NSEC_PER_USEC },
	{ "too many us", NOTE_USECONDS, KQT_US_MAX + 1, false, 0, KQ_NS_NEVER },
	{ "most seconds", NOTE_SECONDS, KQT_S_MAX, false, 0, KQT_S_MAX * NSEC_PER_SEC },
	{ "too many seconds", NOTE_SECONDS, KQT_S_MAX + 1, false, 0, KQ_NS_NEVER },
	{ "most ns but one", NOTE_NSECONDS, S64_MAX - 1, false, 0, S64_MAX - 1 },
	{ "most ns", NOTE_NSECONDS, S64_MAX, false, 0, KQ_NS_NEVER },
	{ "most of all, absolute", NOTE_ABSOLUTE, S64_MAX, true, 0, KQ_NS_NEVER },
};

static void kqt_words_name(const struct kqt_words *w, char *name)
{
	strscpy(name, w->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_words, kqt_words, kqt_words_name);

static void kqt_timer_ns(struct kunit *test)
{
	const struct kqt_words *w = test->param_value;
	long long ns = 12345;

	KUNIT_EXPECT_EQ(test, kq_timer_ns(w->fflags, w->data, w->oneshot, &ns), w->err);
	KUNIT_EXPECT_EQ(test, ns, w->err ? 12345 : w->ns);
}

/* A timer that no index knows, so that every word of it can be set. */
static struct kqf_timer *kqt_timer_new(struct kunit *test)
{
	struct kqf_timer *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	kq_knote_init(&t->note.kn, test->priv, -EVFILT_TIMER);
	return t;
}

static int kqt_attach(struct kqf_timer *t, u16 flags, u32 fflags, s64 data)
{
	const struct kq_event_ext ev = {
		.filter = EVFILT_TIMER, .flags = EV_ADD | flags, .fflags = fflags, .data = data,
	};

	t->note.kn.flags = EV_ADD | flags;
	t->note.kn.sfflags = fflags;
	t->note.kn.sdata = data;
	return kqf_timer_attach(&t->note.kn, &ev);
}

static int kqt_touch(struct kqf_timer *t, u16 flags, u32 fflags, s64 data)
{
	const struct kq_event_ext ev = {
		.filter = EVFILT_TIMER, .flags = flags, .fflags = fflags, .data = data,
	};

	return kqf_timer_touch(&t->note.kn, &ev);
}

struct kqt_start {
	const char *name;
	u16 flags;
	u32 fflags;
	s64 data;
	clockid_t clock;
	s64 interval;
	bool expired;
	bool runs;
};

/* None that runs ends before the case does. */
static const struct kqt_start kqt_starts[] = {
	{ "periodic", 0, NOTE_SECONDS, 3600, CLOCK_MONOTONIC, KQT_HOUR, false, true },
	{ "once", EV_ONESHOT, NOTE_SECONDS, 3600, CLOCK_MONOTONIC, 0, false, true },
	{ "continuous", 0, NOTE_SECONDS | NOTE_MACH_CONTINUOUS_TIME, 3600, CLOCK_BOOTTIME, KQT_HOUR,
	  false, true },
	{ "now", EV_ONESHOT, 0, 0, CLOCK_MONOTONIC, 0, true, false },
	{ "in the past", 0, NOTE_ABSOLUTE | NOTE_SECONDS, 1, CLOCK_REALTIME, 0, true, false },
	{ "before the epoch", 0, NOTE_ABSOLUTE, -5, CLOCK_REALTIME, 0, true, false },
	{ "in the far future", 0, NOTE_ABSOLUTE | NOTE_SECONDS, 9000000000, CLOCK_REALTIME, 0, false,
	  true },
	{ "absolute is the stronger", 0, NOTE_ABSOLUTE | NOTE_MACH_CONTINUOUS_TIME, 0,
	  CLOCK_REALTIME, 0, true, false },
	{ "never", 0, NOTE_SECONDS, S64_MAX, CLOCK_MONOTONIC, KQ_NS_NEVER, false, false },
	{ "never, absolute", 0, NOTE_ABSOLUTE, S64_MAX, CLOCK_REALTIME, 0, false, false },
};

static void kqt_start_name(const struct kqt_start *s, char *name)
{
	strscpy(name, s->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_start, kqt_starts, kqt_start_name);

static void kqt_timer_attach(struct kunit *test)
{
	const struct kqt_start *s = test->param_value;
	struct kqf_timer *t = kqt_timer_new(test);
	struct kq_result res = {};

	KUNIT_EXPECT_EQ(test, kqt_attach(t, s->flags, s->fflags, s->data), 0);
	KUNIT_EXPECT_EQ(test, t->clock, s->clock);
	KUNIT_EXPECT_EQ(test, t->interval, s->interval);
	KUNIT_EXPECT_EQ(test, t->expired, s->expired);
	KUNIT_EXPECT_EQ(test, hrtimer_active(&t->timer), s->runs);
	KUNIT_EXPECT_EQ(test, kqf_timer_eval(&t->note.kn, &res), s->expired);
	/* A timer is always an edge. */
	KUNIT_EXPECT_TRUE(test, t->note.kn.flags & EV_CLEAR);
	kqf_timer_detach(&t->note.kn);
	KUNIT_EXPECT_FALSE(test, hrtimer_active(&t->timer));
}

static void kqt_timer_attach_refused(struct kunit *test)
{
	struct kqf_timer *t = kqt_timer_new(test);

	KUNIT_EXPECT_EQ(test, kqt_attach(t, 0, 0, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, kqt_attach(t, 0, KQ_TIMER_UNITS, 1), -EINVAL);
}

/* As if it had expired first @ago ns before now. */
static void kqt_expire(struct kqf_timer *t, s64 ago)
{
	hrtimer_cancel(&t->timer);
	kqt_now = 1000 * KQT_HOUR;
	hrtimer_set_expires(&t->timer, kqt_now - ago);
	t->expired = true;
}

static s64 kqt_report(struct kunit *test, struct kqf_timer *t)
{
	struct kq_result res = { .report = true };

	KUNIT_EXPECT_TRUE(test, kqf_timer_eval(&t->note.kn, &res));
	return res.data;
}

struct kqt_late {
	const char *name;
	s64 ago;
	s64 count;
};

static const struct kqt_late kqt_lates[] = {
	{ "at the instant", 0, 1 },
	{ "1 ns later", 1, 1 },
	{ "1 ns before the second", KQT_HOUR - 1, 1 },
	{ "at the second", KQT_HOUR, 2 },
	{ "between two", 5 * KQT_HOUR + KQT_HOUR / 2, 6 },
	{ "at the last of many", 999 * KQT_HOUR, 1000 },
};

static void kqt_late_name(const struct kqt_late *l, char *name)
{
	strscpy(name, l->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_late, kqt_lates, kqt_late_name);

static void kqt_timer_eval_counts_periods(struct kunit *test)
{
	const struct kqt_late *l = test->param_value;
	struct kqf_timer *t = kqt_timer_new(test);
	struct kq_result look = {};
	ktime_t first;

	KUNIT_ASSERT_EQ(test, kqt_attach(t, 0, NOTE_SECONDS, 3600), 0);
	kqt_expire(t, l->ago);
	first = hrtimer_get_expires(&t->timer);
	/* A look counts nothing. */
	KUNIT_EXPECT_TRUE(test, kqf_timer_eval(&t->note.kn, &look));
	KUNIT_EXPECT_EQ(test, hrtimer_get_expires(&t->timer), first);
	KUNIT_EXPECT_EQ(test, t->count, 0);
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), l->count);
	/* On its old phase, the first instant that is still to come. */
	KUNIT_EXPECT_EQ(test, hrtimer_get_expires(&t->timer), first + l->count * KQT_HOUR);
	/* It was not delivered: it is not counted twice, and not forgotten. */
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), l->count);
	kqt_now += KQT_HOUR;
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), l->count + 1);
	kqf_timer_commit(&t->note.kn, &look);
	KUNIT_EXPECT_EQ(test, t->count, 0);
	KUNIT_EXPECT_FALSE(test, t->expired);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer));
	KUNIT_EXPECT_EQ(test, hrtimer_get_expires(&t->timer), first + (l->count + 1) * KQT_HOUR);
	KUNIT_EXPECT_FALSE(test, kqf_timer_eval(&t->note.kn, &look));
	kqf_timer_detach(&t->note.kn);
}

static void kqt_timer_eval_count_saturates(struct kunit *test)
{
	struct kqf_timer *t = kqt_timer_new(test);

	KUNIT_ASSERT_EQ(test, kqt_attach(t, 0, NOTE_SECONDS, 3600), 0);
	kqt_expire(t, KQT_HOUR / 2);
	t->count = S64_MAX - 1;
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), S64_MAX);
	kqt_expire(t, KQT_HOUR / 2);
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), S64_MAX);
	kqf_timer_detach(&t->note.kn);
}

static void kqt_timer_eval_once_is_once(struct kunit *test)
{
	struct kqf_timer *t = kqt_timer_new(test);
	struct kq_result res = {};

	KUNIT_ASSERT_EQ(test, kqt_attach(t, EV_ONESHOT, NOTE_SECONDS, 3600), 0);
	kqt_expire(t, 5 * KQT_HOUR);
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), 1);
	KUNIT_EXPECT_EQ(test, kqt_report(test, t), 1);
	kqf_timer_commit(&t->note.kn, &res);
	KUNIT_EXPECT_FALSE_MSG(test, hrtimer_active(&t->timer), "it must not run again");
	kqf_timer_detach(&t->note.kn);
}

/* EV_FORCEONESHOT delivers one that has not expired: it goes on as it was. */
static void kqt_timer_commit_before_its_time(struct kunit *test)
{
	struct kqf_timer *t = kqt_timer_new(test);
	struct kq_result res = {};
	ktime_t expires;

	KUNIT_ASSERT_EQ(test, kqt_attach(t, 0, NOTE_SECONDS, 3600), 0);
	expires = hrtimer_get_expires(&t->timer);
	t->count = 3;
	kqf_timer_commit(&t->note.kn, &res);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer));
	KUNIT_EXPECT_EQ(test, hrtimer_get_expires(&t->timer), expires);
	KUNIT_EXPECT_EQ(test, t->count, 3);
	kqf_timer_detach(&t->note.kn);
}

static void kqt_timer_touch_begins_anew(struct kunit *test)
{
	struct kqf_timer *t = kqt_timer_new(test);

	KUNIT_ASSERT_EQ(test, kqt_attach(t, 0, NOTE_SECONDS, 3600), 0);
	kqt_expire(t, 5 * KQT_HOUR);
	t->count = 9;
	t->note.kn.status = KN_LIVE | KN_FLUX | KN_ACTIVE | KN_STRONG;
	KUNIT_EXPECT_EQ(test, kqt_touch(t, EV_ADD, NOTE_SECONDS, 7200), 0);
	KUNIT_EXPECT_EQ(test, t->interval, 2 * KQT_HOUR);
	KUNIT_EXPECT_EQ(test, t->count, 0);
	KUNIT_EXPECT_FALSE(test, t->expired);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer));
	KUNIT_EXPECT_EQ(test, t->note.kn.sdata, 7200);
	/* What the old one has reported is forgotten. */
	KUNIT_EXPECT_EQ(test, t->note.kn.status, KN_LIVE | KN_FLUX);
	kqf_timer_detach(&t->note.kn);
}

static void kqt_timer_touch_that_leaves_it(struct kunit *test)
{
	struct kqf_timer *t = kqt_timer_new(test);
	ktime_t expires;

	KUNIT_ASSERT_EQ(test, kqt_attach(t, 0, NOTE_SECONDS, 3600), 0);
	expires = hrtimer_get_expires(&t->timer);
	/* No words: only flags change. */
	KUNIT_EXPECT_EQ(test, kqt_touch(t, EV_ENABLE, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, t->note.kn.sdata, 3600);
	KUNIT_EXPECT_EQ(test, t->note.kn.sfflags, NOTE_SECONDS);
	/* Refused: all is as it was. */
	KUNIT_EXPECT_EQ(test, kqt_touch(t, EV_ADD, NOTE_SECONDS, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, kqt_touch(t, 0, KQ_TIMER_UNITS, 5), -EINVAL);
	KUNIT_EXPECT_EQ(test, t->note.kn.sdata, 3600);
	KUNIT_EXPECT_EQ(test, t->note.kn.sfflags, NOTE_SECONDS);
	/* Disabled: the words are taken, the clock runs on. */
	KUNIT_EXPECT_EQ(test, kqt_touch(t, EV_DISABLE, NOTE_SECONDS, 7200), 0);
	KUNIT_EXPECT_EQ(test, t->note.kn.sdata, 7200);
	KUNIT_EXPECT_EQ(test, t->interval, KQT_HOUR);
	KUNIT_EXPECT_EQ(test, hrtimer_get_expires(&t->timer), expires);
	KUNIT_EXPECT_TRUE(test, hrtimer_active(&t->timer));
	kqf_timer_detach(&t->note.kn);
}

/* A copy expires when its original does, has what that has counted, and runs if that runs. */
static void kqt_timer_inherit_one(struct kunit *test, u16 flags, u32 fflags, s64 data, s64 ago)
{
	struct kqf_timer *from = kqt_timer_new(test), *to = kqt_timer_new(test);
	bool ran;

	KUNIT_ASSERT_EQ(test, kqt_attach(from, flags, fflags, data), 0);
	from->count = 4;
	if (ago >= 0)
		kqt_expire(from, ago);
	ran = hrtimer_active(&from->timer);
	KUNIT_EXPECT_EQ(test, kqf_timer_inherit(&to->note.kn, &from->note.kn), 0);
	KUNIT_EXPECT_EQ(test, to->clock, from->clock);
	KUNIT_EXPECT_EQ(test, to->interval, from->interval);
	KUNIT_EXPECT_EQ(test, to->count, 4);
	KUNIT_EXPECT_EQ(test, to->expired, from->expired);
	KUNIT_EXPECT_EQ(test, hrtimer_get_expires(&to->timer), hrtimer_get_expires(&from->timer));
	KUNIT_EXPECT_EQ(test, hrtimer_active(&to->timer), ran);
	KUNIT_EXPECT_EQ(test, hrtimer_active(&from->timer), ran);
	KUNIT_EXPECT_TRUE(test, to->note.kn.flags & EV_CLEAR);
	kqf_timer_detach(&from->note.kn);
	kqf_timer_detach(&to->note.kn);
}

static void kqt_timer_inherit(struct kunit *test)
{
	kqt_timer_inherit_one(test, 0, NOTE_SECONDS, 3600, -1);
	kqt_timer_inherit_one(test, 0, NOTE_SECONDS | NOTE_MACH_CONTINUOUS_TIME, 3600, -1);
	kqt_timer_inherit_one(test, EV_ONESHOT, NOTE_SECONDS, 3600, -1);
	kqt_timer_inherit_one(test, 0, NOTE_ABSOLUTE | NOTE_SECONDS, 9000000000, -1);
	kqt_timer_inherit_one(test, 0, NOTE_SECONDS, S64_MAX, -1);
	kqt_timer_inherit_one(test, 0, NOTE_SECONDS, 3600, 5 * KQT_HOUR);
	kqt_timer_inherit_one(test, EV_ONESHOT, 0, 0, 0);
}

static struct kunit_case kqt_timer_cases[] = {
	KUNIT_CASE_PARAM(kqt_timer_ns, kqt_words_gen_params),
	KUNIT_CASE_PARAM(kqt_timer_attach, kqt_start_gen_params),
	KUNIT_CASE(kqt_timer_attach_refused),
	KUNIT_CASE_PARAM(kqt_timer_eval_counts_periods, kqt_late_gen_params),
	KUNIT_CASE(kqt_timer_eval_count_saturates),
	KUNIT_CASE(kqt_timer_eval_once_is_once),
	KUNIT_CASE(kqt_timer_commit_before_its_time),
	KUNIT_CASE(kqt_timer_touch_begins_anew),
	KUNIT_CASE(kqt_timer_touch_that_leaves_it),
	KUNIT_CASE(kqt_timer_inherit),
	{}
};

static struct kunit_suite kqt_timer_suite = {
	.name = "kqueue_timer",
	.init = kqt_queue_init,
	.exit = kqt_queue_exit,
	.test_cases = kqt_timer_cases,
};

kunit_test_suite(kqt_timer_suite);
