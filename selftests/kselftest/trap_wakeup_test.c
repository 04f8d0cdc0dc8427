// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a thread which goes to sleep keeps no file open, and that
 * a wake-up whose thread leaves without the event goes to the next one.
 */
#include "kq_test.h"
#include "kq_fd.h"

#define NUMBER	FD_HIGH
#define USER	1

static void delay(unsigned int turns)
{
	for (volatile unsigned int i = 0; i < turns; i++)
		;
}

/* A thread that registers a number and goes to sleep in the same call. */
struct sleeper {
	const struct fd_entry *entry;
	int kq;
	volatile bool ready;
	unsigned int turns;
};

static void *register_and_sleep(void *argument)
{
	struct sleeper *sleeper = argument;
	struct kevent change, events[4];

	EV_SET(&change, NUMBER, EVFILT_READ, EV_ADD, 0, 0, NULL);
	sleeper->ready = true;
	delay(sleeper->turns);
	/* Ends with an EBADF entry, or sleeps until it is triggered. */
	sleeper->entry->kevent(sleeper->kq, &change, 1, events, 4, NULL);
	return NULL;
}

KQ_TEST_EACH(sleeper_keeps_no_file, "KQ-090 KQ-089",
	     "a close that races EV_ADD ends the peer though the adder sleeps",
	     fd_entries)
{
	long long start = kq_now();

	for (unsigned int round = 0; kq_more(round, 300, start); round++) {
		struct sleeper sleeper = {
			.entry = variant, .kq = kq_new(),
			.turns = round * 7 % 300,
		};
		pthread_t thread;
		int fds[2];

		ASSERT_OK(kq_add(sleeper.kq, USER, EVFILT_USER, 0, 0, 0, NULL));
		fd_unix_stream_at(fds, NUMBER);
		thread = kq_thread(register_and_sleep, &sleeper);
		while (!sleeper.ready)
			;
		delay(round * 11 % 300);
		ASSERT_SYS(close(NUMBER));
		/* Nobody wakes the sleeper, and still the end must come. */
		fd_await_eof(fds[1]);
		ASSERT_OK(kq_trigger(sleeper.kq, USER));
		kq_join(thread);
		ASSERT_ERR(kq_del(sleeper.kq, NUMBER, EVFILT_READ), EBADF);
		close(fds[1]);
		close(sleeper.kq);
	}
}

/* Two waiters, one event; the first may leave at the moment it comes. */
struct waiter {
	const struct fd_entry *entry;
	int kq;
	volatile pid_t tid;
	long timeout_us;	/* negative: for ever */
	struct kevent *list;	/* where the event goes, NULL: own */
	volatile int result;
	volatile bool left;
};

static volatile int delivered;

static void *wait_and_count(void *argument)
{
	struct waiter *waiter = argument;
	struct timespec limit = { .tv_nsec = waiter->timeout_us * 1000 };
	struct kevent event;
	int count;

	waiter->tid = kq_gettid();
	count = waiter->entry->kevent(waiter->kq, NULL, 0,
				      waiter->list ? waiter->list : &event, 1,
				      waiter->timeout_us < 0 ? NULL : &limit);
	waiter->result = count < 0 ? -errno : count;
	if (count > 0)
		__atomic_add_fetch(&delivered, count, __ATOMIC_SEQ_CST);
	waiter->left = true;
	return NULL;
}

static void make_queue(struct waiter *first, struct waiter *second,
		       const struct fd_entry *entry)
{
	int kq = kq_new();

	first->entry = entry;
	second->entry = entry;
	first->kq = kq;
	second->kq = kq;
	second->timeout_us = -1;
	delivered = 0;
	ASSERT_OK(kq_add(kq, USER, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
}

/* The event must reach one of them: else this never ends. */
static void await_delivery(void)
{
	while (!delivered)
		sched_yield();
}

/* Ends the waiters that are still asleep. */
static void release(struct waiter *first, pthread_t one,
		    struct waiter *second, pthread_t two)
{
	ASSERT_EQ(delivered, 1);
	while (!first->left || !second->left) {
		kq_trigger(first->kq, USER);
		sched_yield();
	}
	kq_join(one);
	kq_join(two);
	close(first->kq);
}

KQ_TEST_EACH(timeout_passes_it_on, "KQ-079 KQ-080",
	     "a waiter whose time runs out as the event comes passes it on",
	     fd_entries)
{
	unsigned int timed_out = 0, round;
	long long start = kq_now();

	for (round = 0; kq_more(round, 300, start); round++) {
		struct waiter first = { .timeout_us = 1000 }, second = { 0 };
		pthread_t one, two;
		long long end;

		make_queue(&first, &second, variant);
		two = kq_thread(wait_and_count, &second);
		kq_await_waiter(&second.tid);
		end = kq_now() + 1000 * 1000 + round % 50 * 4000;
		one = kq_thread(wait_and_count, &first);
		while (kq_now() < end)
			;
		ASSERT_OK(kq_trigger(first.kq, USER));
		await_delivery();
		timed_out += first.left && !first.result;
		release(&first, one, &second, two);
	}
	kq_diag("the first waiter timed out in %u of %u rounds", timed_out,
		round);
}

static void ignore_signal(int signal)
{
	(void)signal;
}

KQ_TEST_EACH(signal_passes_it_on, "KQ-076 KQ-079",
	     "a waiter interrupted as the event comes passes it on", fd_entries)
{
	const struct sigaction action = { .sa_handler = ignore_signal };
	unsigned int interrupted = 0, round;
	long long start = kq_now();

	ASSERT_SYS(sigaction(SIGUSR1, &action, NULL));
	for (round = 0; kq_more(round, 300, start); round++) {
		struct waiter first = { .timeout_us = -1 }, second = { 0 };
		pthread_t one, two;

		make_queue(&first, &second, variant);
		/* The first in the line of sleepers is the one disturbed. */
		one = kq_thread(wait_and_count, &first);
		kq_await_waiter(&first.tid);
		two = kq_thread(wait_and_count, &second);
		kq_await_waiter(&second.tid);
		if (round % 2) {
			pthread_kill(one, SIGUSR1);
			delay(round * 5 % 500);
			ASSERT_OK(kq_trigger(first.kq, USER));
		} else {
			ASSERT_OK(kq_trigger(first.kq, USER));
			pthread_kill(one, SIGUSR1);
		}
		await_delivery();
		interrupted += first.left && first.result == -EINTR;
		release(&first, one, &second, two);
	}
	kq_diag("the first waiter was interrupted in %u of %u rounds",
		interrupted, round);
}

static const struct {
	const char *name;
	const struct fd_entry *entry;
	bool bad_first;		/* which of the two has the bad address */
} orders[] = {
	{ "library_first", &fd_entries[0], true },
	{ "library_second", &fd_entries[0], false },
	{ "system_call_first", &fd_entries[1], true },
	{ "system_call_second", &fd_entries[1], false },
};

KQ_TEST_EACH(fault_passes_it_on, "KQ-019 KQ-079",
	     "a waiter that cannot take the event leaves it to the other",
	     orders)
{
	struct waiter first = { .timeout_us = -1 }, second = { 0 };
	struct waiter *bad = variant->bad_first ? &first : &second;
	struct waiter *good = variant->bad_first ? &second : &first;
	pthread_t one, two;

	make_queue(&first, &second, variant->entry);
	bad->list = kq_bad_page(PROT_NONE);
	one = kq_thread(wait_and_count, &first);
	kq_await_waiter(&first.tid);
	two = kq_thread(wait_and_count, &second);
	kq_await_waiter(&second.tid);
	ASSERT_OK(kq_trigger(first.kq, USER));
	await_delivery();
	while (!good->left)
		sched_yield();
	ASSERT_EQ(good->result, 1);
	if (!bad->left)
		ASSERT_OK(kq_trigger(first.kq, USER));
	kq_join(one);
	kq_join(two);
	ASSERT_EQ(bad->result, -EFAULT);
}

KQ_TEST_EACH(many_waiters_lose_nothing, "KQ-079 KQ-081",
	     "events for waiters that come and go are each taken once",
	     fd_entries)
{
	enum { WAITERS = 6, EVENTS = 1000 };
	struct waiter waiters[WAITERS] = { 0 };
	pthread_t threads[WAITERS];
	long long start = kq_now();
	int kq = kq_new();

	delivered = 0;
	for (int i = 0; i < WAITERS; i++)
		waiters[i].left = true;
	ASSERT_OK(kq_add(kq, USER, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int event = 1; kq_more(event, EVENTS, start); event++) {
		for (int i = 0; i < WAITERS; i++) {
			if (!waiters[i].left)
				continue;
			if (waiters[i].tid)
				kq_join(threads[i]);
			/* All but one leave after some microseconds. */
			waiters[i] = (struct waiter){
				.entry = variant, .kq = kq,
				.timeout_us = i ? i * 50 : -1,
			};
			threads[i] = kq_thread(wait_and_count, &waiters[i]);
		}
		ASSERT_OK(kq_trigger(kq, USER));
		while (delivered < event)
			sched_yield();
		ASSERT_EQ(delivered, event);
	}
}
