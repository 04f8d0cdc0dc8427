// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of several threads on one queue: who gets an event, who is
 * woken, and events caused while others are taken.
 */
#include "kq_test.h"

#include <sys/eventfd.h>

#define SIGNAL SIGUSR1

static void ignore_signal(int number KQ_UNUSED)
{
}

static void handle_signal(void)
{
	struct sigaction action = { .sa_handler = ignore_signal };

	ASSERT_SYS(sigaction(SIGNAL, &action, NULL));
}

enum leave { BY_CANCEL, BY_SIGNAL, BY_TIMEOUT };

static const struct {
	const char *name;
	enum leave how;
} leavers[] = {
	{ "cancel", BY_CANCEL },
	{ "signal", BY_SIGNAL },
	{ "timeout", BY_TIMEOUT },
};

KQ_TEST_EACH(wakeup_is_passed_on, "KQ-077 KQ-076 KQ-079", "a waiter that leaves passes its wake-up on", leavers)
{
	enum { ROUNDS = 200 };
	const struct timespec two_ms = { 0, 2 * KQ_MS };
	long long start = kq_now();
	int kq = kq_new();

	handle_signal();
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = 0; kq_more(i, ROUNDS, start); i++) {
		struct kq_waiter leaver = { .kq = kq }, stayer = { .kq = kq };

		if (variant->how == BY_TIMEOUT) {
			leaver.timeout = &two_ms;
			kq_start_waiter(&leaver);
			kq_sleep_ms(1);
			kq_start_waiter(&stayer);
		} else {
			kq_start_sleeper(&leaver);
			kq_start_sleeper(&stayer);
		}
		ASSERT_OK(kq_trigger(kq, 1));
		if (variant->how == BY_CANCEL)
			pthread_cancel(leaver.thread);
		else if (variant->how == BY_SIGNAL)
			pthread_kill(leaver.thread, SIGNAL);
		kq_join(leaver.thread);
		/* Whoever did not get it sleeps for ever if the event is lost. */
		if (leaver.done && leaver.result == 1) {
			ASSERT_FALSE(stayer.done);
			ASSERT_OK(kq_trigger(kq, 1));
		}
		kq_join(stayer.thread);
		ASSERT_EQ(stayer.result, 1);
		kq_none(kq);
	}
}

KQ_TEST(event_is_passed_on_by_a_fault, "KQ-019 KQ-079", "a waiter that cannot write the event leaves it to another")
{
	struct kevent *bad = kq_bad_page(PROT_READ);
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = 0; i < 50; i++) {
		struct kq_waiter unable = { .kq = kq, .room = bad }, able = { .kq = kq };

		kq_start_sleeper(&unable);
		kq_start_sleeper(&able);
		ASSERT_OK(kq_trigger(kq, 1));
		kq_join(able.thread);
		ASSERT_EQ(able.result, 1);
		/* It may not have been woken at all. */
		ASSERT_OK(kq_trigger(kq, 1));
		kq_join(unable.thread);
		ASSERT_EQ(unable.result, -1);
		ASSERT_EQ(unable.error, EFAULT);
		ASSERT_EQ(kq_one(kq).ident, 1);
	}
}

KQ_TEST(one_event_one_waiter, "KQ-079", "of two waiters exactly one returns an EV_CLEAR event")
{
	long long start = kq_now();
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = 0; kq_more(i, 50, start); i++) {
		struct kq_waiter waiters[2] = { { .kq = kq }, { .kq = kq } };
		int first;

		kq_start_sleeper(&waiters[0]);
		kq_start_sleeper(&waiters[1]);
		ASSERT_OK(kq_trigger(kq, 1));
		while (!waiters[0].done && !waiters[1].done)
			sched_yield();
		first = !waiters[0].done;
		kq_join(waiters[first].thread);
		ASSERT_EQ(waiters[first].result, 1);
		/* The other one sleeps, and not with an event in its hands. */
		kq_await_waiter(&waiters[!first].tid);
		ASSERT_FALSE(waiters[!first].done);
		kq_none(kq);
		ASSERT_OK(kq_trigger(kq, 1));
		kq_join(waiters[!first].thread);
		ASSERT_EQ(waiters[!first].result, 1);
		kq_none(kq);
	}
}

KQ_TEST(many_events_many_waiters, "KQ-079", "eight events at once wake eight waiters")
{
	enum { COUNT = 8 };
	long long start = kq_now();
	int kq = kq_new();

	for (int round = 0; kq_more(round, 20, start); round++) {
		struct kq_waiter waiters[COUNT];
		struct kevent changes[COUNT];
		bool seen[COUNT] = { false };

		for (int i = 0; i < COUNT; i++) {
			EV_SET(&changes[i], i, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0, NULL);
			waiters[i] = (struct kq_waiter){ .kq = kq };
			kq_start_sleeper(&waiters[i]);
		}
		ASSERT_EQ(kevent(kq, changes, COUNT, NULL, 0, NULL), 0);
		for (int i = 0; i < COUNT; i++) {
			kq_join(waiters[i].thread);
			ASSERT_EQ(waiters[i].result, 1);
			ASSERT_FALSE(seen[waiters[i].event.ident]);
			seen[waiters[i].event.ident] = true;
		}
	}
}

static void *collect_many(void *argument)
{
	int kq = *(int *)argument;

	for (int i = 0; i < 3000; i++)
		ASSERT_EQ(kq_next(kq).ident, 1);
	return NULL;
}

KQ_TEST(level_for_all, "KQ-060 KQ-079", "a level condition keeps every caller awake, also while another takes it")
{
	pthread_t threads[3];
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		threads[i] = kq_thread(collect_many, &kq);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		kq_join(threads[i]);
}

static const struct {
	const char *name;
	unsigned int before, change;
} registrations[] = {
	{ "add", 0, EV_ADD },
	{ "enable", EV_ADD | EV_DISABLE, EV_ENABLE },
};

KQ_TEST_EACH(registration_wakes, "KQ-080", "a registration whose condition holds wakes a waiter", registrations)
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int fds[2];

	kq_pipe(fds);
	kq_write(fds[1], "x", 1);
	if (variant->before)
		ASSERT_OK(kq_ctl(waiter.kq, fds[0], EVFILT_READ, variant->before, 0, 0, NULL));
	kq_start_sleeper(&waiter);
	ASSERT_OK(kq_ctl(waiter.kq, fds[0], EVFILT_READ, variant->change, 0, 0, NULL));
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EQ(waiter.event.ident, fds[0]);
}

struct source {
	int kq, fd, last;
	bool recorded;
	volatile int caused, seen;
};

static void cause(struct source *source)
{
	if (source->recorded)
		ASSERT_OK(kq_trigger(source->kq, 1));
	else
		ASSERT_EQ(eventfd_write(source->fd, 1), 0);
}

static void *cause_many(void *argument)
{
	struct source *source = argument;

	while (source->caused < source->last) {
		source->caused++;
		__sync_synchronize();
		cause(source);
	}
	return NULL;
}

static const struct {
	const char *name;
	bool recorded;
} sources[] = {
	{ "user", true },
	{ "eventfd", false },
};

static void watch_source(struct source *source, bool recorded)
{
	*source = (struct source){ .kq = kq_new(), .last = 3000, .recorded = recorded };
	source->fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));
	ASSERT_OK(kq_add(source->kq, recorded ? 1 : source->fd, recorded ? EVFILT_USER : EVFILT_READ,
			 EV_CLEAR, 0, 0, NULL));
}

KQ_TEST_EACH(caused_during_delivery, "KQ-081", "an event caused during delivery is in the next call", sources)
{
	struct source source;
	pthread_t thread;

	watch_source(&source, variant->recorded);
	thread = kq_thread(cause_many, &source);
	/* If the last one is lost there is nothing to end this loop. */
	while (source.seen < source.last) {
		(void)kq_next(source.kq);
		__sync_synchronize();
		source.seen = source.caused;
	}
	kq_join(thread);
}

static void *cause_in_turn(void *argument)
{
	struct source *source = argument;

	while (source->caused < source->last) {
		while (source->seen < source->caused)
			sched_yield();
		source->caused++;
		__sync_synchronize();
		cause(source);
	}
	return NULL;
}

KQ_TEST_EACH(caused_before_sleep, "KQ-081", "an event caused as the waiter falls asleep wakes it", sources)
{
	struct source source;
	pthread_t thread;

	watch_source(&source, variant->recorded);
	thread = kq_thread(cause_in_turn, &source);
	while (source.seen < source.last) {
		(void)kq_next(source.kq);
		__sync_synchronize();
		ASSERT_EQ(source.caused, source.seen + 1);
		source.seen++;
	}
	kq_join(thread);
}

KQ_TEST(recorded_bits_are_never_lost, "KQ-081", "bits recorded while a knote is delivered show up once it is")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	unsigned int bits = 0;

	ASSERT_OK(kq_add(waiter.kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int bit = 0; bit < 24; bit++) {
		kq_start_waiter(&waiter);
		ASSERT_OK(kq_ctl(waiter.kq, 1, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFOR | 1u << bit, 0, NULL));
		kq_join(waiter.thread);
		ASSERT_EQ(waiter.result, 1);
		bits |= 1u << bit;
		ASSERT_EQ(waiter.event.fflags, bits);
	}
}
