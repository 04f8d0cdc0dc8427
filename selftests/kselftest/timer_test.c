// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_TIMER with relative times: units, counting,
 * restarting, disabling. Absolute times are in timer_absolute_test.c.
 *
 * That a timer is never early is asserted exactly. How late it may be is not
 * asserted, since a guest may stand still for long: where a test needs a bound,
 * a second timer with a much longer time gives it.
 */
#include "kq_test.h"
#include "kq_wide.h"

#define GUARD	99	/* ident of the timer that gives the bound */

/* What is known of a running timer: when it was set, how much was delivered. */
struct timer {
	int kq;
	long long period;
	long long before, after;	/* around the call that set it */
	long long count;
};

static void set(struct timer *timer, unsigned int flags, long ms)
{
	timer->period = ms * KQ_MS;
	timer->count = 0;
	timer->before = kq_now();
	ASSERT_OK(kq_ctl(timer->kq, 1, EVFILT_TIMER, flags, 0, ms, NULL));
	timer->after = kq_now();
}

/*
 * Takes the pending event, if any, without waiting. The total of all events
 * can be neither above the periods that have passed nor, apart from what an
 * interrupt may be late, below.
 */
static long long take(struct timer *timer)
{
	const long long late = 300 * KQ_MS;
	long long before = kq_now(), data = 0;
	struct kevent event;
	int count = kq_poll(timer->kq, &event, 1);

	ASSERT_GE(count, 0);
	if (count) {
		ASSERT_EVENT(event, 1, EVFILT_TIMER, event.flags, 0, event.data, NULL);
		ASSERT_TRUE(event.flags & EV_CLEAR);
		ASSERT_GE(event.data, 1);
		data = event.data;
	}
	timer->count += data;
	ASSERT_LE(timer->count, (kq_now() - timer->before) / timer->period);
	ASSERT_GE(timer->count, (before - late - timer->after) / timer->period);
	return data;
}

static void set_guard(int kq)
{
	ASSERT_OK(kq_add(kq, GUARD, EVFILT_TIMER, EV_ONESHOT, NOTE_SECONDS, 10, NULL));
}

KQ_TEST(periodic, "KQ-201", "the default unit is a millisecond, the timer repeats and is never early")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD, 100);
	kq_none(timer.kq);
	while (timer.count < 5) {
		kq_await_poll(timer.kq, POLLIN);
		ASSERT_GE(take(&timer), 1);
	}
}

KQ_TEST(no_drift, "KQ-201", "the k-th expiry is k periods after the start, however late events are read")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD, 5);
	while (timer.count < 300) {
		kq_await_poll(timer.kq, POLLIN);
		take(&timer);
		kq_sleep_ms(timer.count % 7);
	}
}

static const struct {
	const char *name;
	unsigned int fflags;
	long value;
	long long ns;
} units[] = {
	{ "milliseconds", 0, 30, 30 * KQ_MS },
	{ "seconds", NOTE_SECONDS, 1, KQ_SEC },
	{ "microseconds", NOTE_USECONDS, 30000, 30 * KQ_MS },
	{ "nanoseconds", NOTE_NSECONDS, 30000000, 30 * KQ_MS },
	{ "leeway", NOTE_LEEWAY, 30, 30 * KQ_MS },
	{ "critical", NOTE_CRITICAL | NOTE_USECONDS, 30000, 30 * KQ_MS },
	{ "background", NOTE_BACKGROUND | NOTE_NSECONDS, 30000000, 30 * KQ_MS },
	{ "continuous", NOTE_MACH_CONTINUOUS_TIME, 30, 30 * KQ_MS },
};

KQ_TEST_EACH(unit, "KQ-202", "a timer fires after its time in the given unit", units)
{
	long long start;
	int kq = kq_new();

	set_guard(kq);
	start = kq_now();
	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, EV_ONESHOT, variant->fflags, variant->value, NULL));
	ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT | EV_CLEAR, 0, 1, NULL);
	ASSERT_GE(kq_now() - start, variant->ns);
}

KQ_TEST(overruns_count, "KQ-203", "expirations nobody took are counted in one event")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD, 50);
	kq_sleep_ms(500);
	ASSERT_GE(take(&timer), 8);
}

KQ_TEST(count_restarts, "KQ-204", "after delivery data starts at 0; EV_CLEAR is in the flags, fflags are 0")
{
	struct timer timer = { .kq = kq_new() };
	struct kevent event;

	ASSERT_OK(kq_add(timer.kq, 1, EVFILT_TIMER, 0, NOTE_USECONDS, 100000, &timer));
	event = kq_next(timer.kq);
	ASSERT_EVENT(event, 1, EVFILT_TIMER, EV_ADD | EV_CLEAR, 0, event.data, &timer);
	/* take() checks the total of all events. */
	set(&timer, EV_ADD, 40);
	for (int i = 0; i < 5; i++) {
		kq_sleep_ms(100);
		ASSERT_GE(take(&timer), 1);
		take(&timer);
	}
}

KQ_TEST(oneshot, "KQ-205", "EV_ONESHOT gives one event, and the knote is gone")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, EV_ENABLE | EV_ONESHOT, 0, 10, NULL));
	kq_sleep_ms(60);
	ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT | EV_CLEAR, 0, 1, NULL);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_TIMER), ENOENT);
	kq_sleep_ms(30);
	kq_fence(kq);
}

KQ_TEST_EACH(zero_oneshot, "KQ-206", "0 with EV_ONESHOT fires at once in any unit", units)
{
	int kq = kq_new();

	set_guard(kq);
	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, EV_ONESHOT, variant->fflags, 0, NULL));
	ASSERT_EVENT(kq_next(kq), 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT | EV_CLEAR, 0, 1, NULL);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_TIMER), ENOENT);
}

KQ_TEST(zero_periodic, "KQ-206", "0 without EV_ONESHOT is a period of one unit")
{
	long long start = kq_now(), total = 0;
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, 0, 0, NULL));
	while (total < 50)
		total += kq_next(kq).data;
	ASSERT_LE(total, (kq_now() - start) / KQ_MS);
	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, NOTE_SECONDS, 0, NULL));
	kq_fence(kq);
}

KQ_TEST_EACH(negative, "KQ-207", "a negative relative time fails EINVAL", units)
{
	static const unsigned int flags[] = { 0, EV_ONESHOT, EV_DISABLE, EV_DISPATCH };
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_ERR(kq_add(kq, 1, EVFILT_TIMER, flags[i], variant->fflags, -1, NULL), EINVAL);
		ASSERT_ERR(kq_add(kq, 1, EVFILT_TIMER, flags[i], variant->fflags, INTPTR_MIN, NULL), EINVAL);
		ASSERT_ERR(kq_del(kq, 1, EVFILT_TIMER), ENOENT);
	}
}

KQ_TEST(bad_units, "KQ-208", "two units or unknown bits fail EINVAL")
{
	static const unsigned int fflags[] = {
		NOTE_SECONDS | NOTE_USECONDS, NOTE_SECONDS | NOTE_NSECONDS, NOTE_USECONDS | NOTE_NSECONDS,
		NOTE_SECONDS | NOTE_USECONDS | NOTE_NSECONDS, NOTE_ABSOLUTE | NOTE_SECONDS | NOTE_NSECONDS,
	};
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(fflags); i++)
		ASSERT_ERR(kq_add(kq, 1, EVFILT_TIMER, 0, fflags[i], 100000, NULL), EINVAL);
	for (int bit = 8; bit < 32; bit++)
		ASSERT_ERR(kq_add(kq, 1, EVFILT_TIMER, 0, 1u << bit, 100000, NULL), EINVAL);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_TIMER), ENOENT);
}

static const struct {
	const char *name;
	unsigned int fflags;
	long long value;
} huge[] = {
	{ "milliseconds", 0, INT64_MAX },
	{ "seconds", NOTE_SECONDS, INT64_MAX },
	{ "microseconds", NOTE_USECONDS, INT64_MAX },
	{ "nanoseconds", NOTE_NSECONDS, INT64_MAX },
	/* Just beyond what 2^63 and 2^64 nanoseconds are. */
	{ "milliseconds_2^63", 0, 9223372036855 },
	{ "milliseconds_2^64", 0, 18446744073710 },
	{ "seconds_2^63", NOTE_SECONDS, 9223372037 },
	{ "seconds_2^64", NOTE_SECONDS, 18446744074 },
	{ "microseconds_2^63", NOTE_USECONDS, 9223372036854776 },
	{ "microseconds_2^64", NOTE_USECONDS, 18446744073709552 },
};

KQ_TEST_EACH(huge, "KQ-209", "a huge value is accepted and never fires", huge)
{
	int kq = kq_new();

	ASSERT_OK(wide_add(kq, 1, EVFILT_TIMER, 0, variant->fflags, variant->value, NULL));
	ASSERT_OK(wide_add(kq, 2, EVFILT_TIMER, EV_ONESHOT, variant->fflags, variant->value, NULL));
	ASSERT_OK(wide_add(kq, 3, EVFILT_TIMER, 0, variant->fflags | NOTE_ABSOLUTE, variant->value, NULL));
	/* A product that lost its upper half would be over in less than 0.4 s. */
	kq_sleep_ms(500);
	kq_fence(kq);
	for (int ident = 1; ident <= 3; ident++)
		ASSERT_OK(kq_del(kq, ident, EVFILT_TIMER));
}

KQ_TEST(restart, "KQ-213", "EV_ADD with a new period starts anew and drops unread expirations")
{
	struct timer timer = { .kq = kq_new() };
	long long start;

	set(&timer, EV_ADD, 10);
	kq_await_poll(timer.kq, POLLIN);
	set(&timer, EV_ADD, 100000);
	kq_fence(timer.kq);
	start = kq_now();
	ASSERT_OK(kq_add(timer.kq, 1, EVFILT_TIMER, 0, NOTE_USECONDS, 30000, &timer));
	ASSERT_PTR(kq_next(timer.kq).udata, &timer);
	ASSERT_GE(kq_now() - start, 30 * KQ_MS);
}

KQ_TEST(restart_same, "KQ-213", "EV_ADD with the same period starts a full period anew")
{
	struct timer timer = { .kq = kq_new() };

	for (int i = 0; i < 10; i++) {
		set(&timer, EV_ADD, 200);
		kq_sleep_ms(30);
	}
	kq_await_poll(timer.kq, POLLIN);
	ASSERT_GE(take(&timer), 1);
}

static const struct {
	const char *name;
	unsigned int flags, fflags;
	long data;
} bad_changes[] = {
	{ "add_negative", EV_ADD, 0, -1 },
	{ "add_two_units", EV_ADD, NOTE_SECONDS | NOTE_USECONDS, 5 },
	{ "add_unknown_bit", EV_ADD, 0x80000000, 5 },
	{ "add_oneshot_negative", EV_ADD | EV_ONESHOT, NOTE_NSECONDS, -5 },
	{ "enable_negative", EV_ENABLE, 0, -1 },
	{ "bare_two_units", 0, NOTE_SECONDS | NOTE_USECONDS, 5 },
};

KQ_TEST_EACH(bad_change, "KQ-215", "a change with bad data fails and leaves the timer as it was", bad_changes)
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD, 50);
	while (timer.count < 20) {
		/* Not even udata is taken over, see take(). */
		ASSERT_ERR(kq_ctl(timer.kq, 1, EVFILT_TIMER, variant->flags, variant->fflags, variant->data,
				  &timer), EINVAL);
		kq_sleep_ms(30);
		take(&timer);
	}
}

static const struct {
	const char *name;
	unsigned int flags;
	long data;
} harmless[] = {
	{ "enable", EV_ENABLE, 0 },
	{ "flags_0", 0, 0 },
	{ "disable_enable", EV_DISABLE, 0 },
	/* With EV_DISABLE the words are stored, and nothing restarts. */
	{ "disable_with_data", EV_DISABLE, 50 },
};

KQ_TEST_EACH(no_restart, "KQ-216", "EV_ENABLE with data 0 does not restart the period", harmless)
{
	struct timer timer = { .kq = kq_new() };

	/* Restarted every 30 ms, a timer of 50 ms would never fire. */
	set(&timer, EV_ADD, 50);
	while (timer.count < 20) {
		kq_sleep_ms(30);
		ASSERT_OK(kq_ctl(timer.kq, 1, EVFILT_TIMER, variant->flags, 0, variant->data, NULL));
		if (variant->flags == EV_DISABLE)
			ASSERT_OK(kq_ctl(timer.kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
		take(&timer);
	}
}

KQ_TEST(counts_while_disabled, "KQ-217", "expirations while disabled are counted and shown after EV_ENABLE")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD, 20);
	ASSERT_OK(kq_ctl(timer.kq, 1, EVFILT_TIMER, EV_DISABLE, 0, 0, NULL));
	kq_sleep_ms(600);
	kq_fence(timer.kq);
	ASSERT_OK(kq_ctl(timer.kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	ASSERT_GE(take(&timer), 8);
}

KQ_TEST(born_disabled, "KQ-217", "a timer added disabled counts from then on")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD | EV_DISABLE, 20);
	kq_sleep_ms(600);
	kq_fence(timer.kq);
	ASSERT_OK(kq_ctl(timer.kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	ASSERT_GE(take(&timer), 8);
}

KQ_TEST(dispatch, "KQ-217 KQ-218", "after delivery EV_DISPATCH keeps counting until EV_ENABLE")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD | EV_DISPATCH, 20);
	kq_await_poll(timer.kq, POLLIN);
	ASSERT_GE(take(&timer), 1);
	kq_sleep_ms(600);
	kq_fence(timer.kq);
	ASSERT_OK(kq_ctl(timer.kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	ASSERT_GE(take(&timer), 8);
	kq_fence(timer.kq);
}

KQ_TEST(dispatch_restart, "KQ-218", "EV_ENABLE with EV_DISPATCH and data restarts the timer")
{
	struct timer timer = { .kq = kq_new() };
	struct kevent event;

	set(&timer, EV_ADD | EV_DISPATCH, 200);
	kq_await_poll(timer.kq, POLLIN);
	ASSERT_GE(take(&timer), 1);
	kq_sleep_ms(500);
	set(&timer, EV_ENABLE | EV_DISPATCH, 200);
	if (kq_poll(timer.kq, &event, 1)) {
		ASSERT_GE(kq_now() - timer.before, timer.period);
		KQ_SKIP("the machine stood still for a whole period");
	}
	kq_sleep_ms(1100);
	ASSERT_GE(take(&timer), 5);
	ASSERT_OK(kq_del(timer.kq, 1, EVFILT_TIMER));
}

KQ_TEST(delete_races_expiry, "KQ-219", "after EV_DELETE comes no event, whatever it raced with")
{
	long long start = kq_now();
	int kq = kq_new();

	for (int i = 0; kq_more(i, 1000, start); i++) {
		unsigned int flags = i % 2 ? EV_ONESHOT : 0;

		ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, flags, NOTE_USECONDS, i % 50, NULL));
		for (volatile int spin = 0; spin < i % 100 * 100; spin++)
			;
		ASSERT_OK(kq_del(kq, 1, EVFILT_TIMER));
		kq_none(kq);
	}
	kq_sleep_ms(20);
	kq_fence(kq);
}

KQ_TEST(two_queues, "KQ-220", "timers of one ident in two queues are independent")
{
	struct timer timer = { .kq = kq_new() };
	int other = kq_new();

	set(&timer, EV_ADD, 20);
	ASSERT_OK(kq_add(other, 1, EVFILT_TIMER, EV_ONESHOT, NOTE_SECONDS, 1000, NULL));
	kq_await_poll(timer.kq, POLLIN);
	ASSERT_GE(take(&timer), 1);
	kq_fence(other);
	ASSERT_OK(kq_del(other, 1, EVFILT_TIMER));
	kq_await_poll(timer.kq, POLLIN);
	ASSERT_GE(take(&timer), 1);
}

KQ_TEST(creation_flags_are_fixed, "KQ-055", "EV_ADD with EV_ONESHOT leaves a periodic timer periodic")
{
	struct timer timer = { .kq = kq_new() };

	set(&timer, EV_ADD, 20);
	set(&timer, EV_ADD | EV_ONESHOT, 20);
	for (int i = 0; i < 3; i++) {
		kq_await_poll(timer.kq, POLLIN);
		ASSERT_GE(take(&timer), 1);
	}
	ASSERT_OK(kq_del(timer.kq, 1, EVFILT_TIMER));
}

KQ_TEST(tiny_period, "KQ-203", "a period of 1 ns counts all its expirations and is no storm")
{
	long long start = kq_now(), total = 0;
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, 0, NOTE_NSECONDS, 1, NULL));
	for (int i = 0; i < 5; i++) {
		kq_sleep_ms(20);
		total += kq_next(kq).data;
	}
	ASSERT_LE(total, kq_now() - start);
	ASSERT_GE(total, 50 * KQ_MS);
}

KQ_TEST(any_ident, "KQ-201", "an ident is any number and stands for no descriptor")
{
	static const uintptr_t idents[] = { 0, 0x80000000u, UINTPTR_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(idents); i++) {
		int kq = kq_new();

		ASSERT_OK(kq_add(kq, idents[i], EVFILT_TIMER, EV_ONESHOT, 0, 1, NULL));
		if (!idents[i])
			close(0);
		ASSERT_EQ(kq_next(kq).ident, idents[i]);
	}
}

KQ_TEST(counts_while_stopped, "KQ-203", "a timer goes on while its process is stopped")
{
	pid_t pid = kq_fork();
	int status;

	if (!pid) {
		struct timer timer = { .kq = kq_new() };

		set(&timer, EV_ADD, 20);
		raise(SIGSTOP);
		ASSERT_GE(take(&timer), 8);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	kq_sleep_ms(600);
	ASSERT_SYS(kill(pid, SIGCONT));
	kq_reap(pid);
}
