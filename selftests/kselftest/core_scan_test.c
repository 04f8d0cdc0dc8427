// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of how events are taken: level, edge, one-shot and dispatch,
 * order and fairness, what an event contains, and events that cannot be written.
 */
#include "kq_test.h"

static const struct timespec zero;

KQ_TEST_EACH(level, "KQ-060", "a level knote is delivered on every call while its condition holds", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_write(fds[1], "abc", 3);
	ASSERT_EQ(kq_next(kq).data, 3);
	for (int i = 0; i < 3; i++)
		ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 3, NULL);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	kq_fence(kq);
}

KQ_TEST_EACH(gone_false, "KQ-061", "a condition that became false before the scan gives no event", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	for (int i = 0; i < 3; i++) {
		kq_write(fds[1], "x", 1);
		kq_await_poll(fds[0], POLLIN);
		ASSERT_EQ(kq_drain(fds[0]), 1);
		kq_fence(kq);
	}
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_next(kq).data, 1);
}

KQ_TEST_EACH(edge, "KQ-062", "an EV_CLEAR knote is delivered once per change", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	for (int bytes = 1; bytes <= 3; bytes++) {
		kq_write(fds[1], "x", 1);
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, bytes, NULL);
		kq_fence(kq);
	}
	/* Taking some away is no new event. */
	ASSERT_EQ(read(fds[0], &(char){ 0 }, 1), 1);
	kq_fence(kq);
}

KQ_TEST_EACH(edge_again, "KQ-063", "a change delivers an EV_CLEAR knote again while its condition holds", kq_streams)
{
	static const unsigned int changes[] = { EV_ADD | EV_CLEAR, EV_ADD, EV_ENABLE, 0 };
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	(void)kq_next(kq);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		kq_fence(kq);
		ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, changes[i], 0, 0, NULL));
		ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1, NULL);
	}
	ASSERT_EQ(kq_drain(fds[0]), 1);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_fence(kq);
}

KQ_TEST_EACH(oneshot, "KQ-064", "an EV_ONESHOT knote is gone after delivery", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_ONESHOT, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 1, NULL);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	/* It can be made anew. */
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_ONESHOT, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).ident, fds[0]);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
}

KQ_TEST_EACH(oneshot_gone_false, "KQ-065", "an EV_ONESHOT knote whose condition turned false stays", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_ONESHOT, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_EQ(kq_drain(fds[0]), 1);
	kq_fence(kq);
	kq_write(fds[1], "xy", 2);
	ASSERT_EQ(kq_next(kq).data, 2);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
}

KQ_TEST_EACH(dispatch, "KQ-066", "an EV_DISPATCH knote is disabled after delivery until EV_ENABLE", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_DISPATCH, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	for (int i = 0; i < 3; i++) {
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_DISPATCH, 0, 1, NULL);
		kq_fence(kq);
		ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
		kq_fence(kq);
		ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	}
	ASSERT_EQ(kq_drain(fds[0]), 1);
	kq_fence(kq);
	kq_write(fds[1], "x", 1);
	(void)kq_next(kq);
}

KQ_TEST(clear_and_dispatch, "KQ-067", "EV_CLEAR with EV_DISPATCH clears and disables")
{
	int kq = kq_new(), fds[2];

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR | EV_DISPATCH, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_CLEAR | EV_DISPATCH);
	kq_none(kq);
	ASSERT_OK(kq_trigger(kq, 1));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
	(void)kq_one(kq);
	/* The trigger is cleared: enabling brings nothing back. */
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
	kq_fence(kq);
	ASSERT_OK(kq_trigger(kq, 1));
	(void)kq_one(kq);

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR | EV_DISPATCH, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	(void)kq_one(kq);
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).data, 2);
	kq_fence(kq);
}

KQ_TEST(oneshot_and_dispatch, "KQ-068", "EV_ONESHOT with EV_DISPATCH acts as EV_ONESHOT")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_ONESHOT | EV_DISPATCH, 0, 0, NULL));
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_ONESHOT | EV_DISPATCH);
	ASSERT_ERR(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL), ENOENT);
}

KQ_TEST(durable_dispatch, "KQ-069", "EV_DISPATCH stays in the flags through trigger, disable and enable")
{
	static const unsigned int changes[] = { EV_DISABLE, EV_ENABLE, 0, EV_ADD, EV_ADD | EV_ENABLE };
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_DISPATCH | EV_CLEAR, 0, 0, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, changes[i], 0, 0, NULL));
		ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, NOTE_TRIGGER, 0, NULL));
		ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_DISPATCH | EV_CLEAR);
		ASSERT_OK(kq_trigger(kq, 1));
		kq_fence(kq);
		ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
		ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_DISPATCH | EV_CLEAR);
	}
}

KQ_TEST_EACH(forced, "KQ-070", "EV_FORCEONESHOT delivers once whatever the condition", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, &kq));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_FORCEONESHOT | EV_KEEPUDATA, 0, 0, NULL));
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_ONESHOT, 0, 0, &kq);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
	/* In the change that creates it, and on one whose condition holds. */
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_FORCEONESHOT, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).data, 0);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_FORCEONESHOT, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).data, 1);
	kq_none(kq);
}

KQ_TEST(forced_while_disabled, "KQ-070", "EV_FORCEONESHOT on a disabled knote waits for EV_ENABLE")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_DISABLE, 0, 0, NULL));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_FORCEONESHOT, 0, 0, NULL));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
	(void)kq_one(kq);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
}

KQ_TEST(delivered_flags, "KQ-071", "delivered flags are EV_ADD and the flags of creation")
{
	static const unsigned int sticky = EV_CLEAR | EV_ONESHOT | EV_DISPATCH | EV_RECEIPT;
	int kq = kq_new();

	/* Every set of those four, made enabled by every way there is. */
	for (unsigned int flags = 0x10; flags <= 0xff; flags += 0x10) {
		ASSERT_EQ(flags & ~sticky, 0);
		ASSERT_OK(kq_add(kq, 1, EVFILT_USER, flags | EV_ENABLE, NOTE_TRIGGER, 0, NULL));
		ASSERT_EQ(kq_one(kq).flags, EV_ADD | flags);
		(void)kq_del(kq, 1, EVFILT_USER);
		ASSERT_OK(kq_add(kq, 1, EVFILT_USER, flags | EV_DISABLE, NOTE_TRIGGER, 0, NULL));
		ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
		ASSERT_EQ(kq_one(kq).flags, EV_ADD | flags);
		(void)kq_del(kq, 1, EVFILT_USER);
		kq_none(kq);
	}
}

KQ_TEST(never_twice, "KQ-072", "one call returns a knote once, however much room there is")
{
	struct kevent events[64];
	int kq = kq_new(), fds[2];
	bool seen[3] = { false };

	kq_pipe(fds);
	kq_write(fds[1], "x", 1);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kq_poll(kq, events, 64), 3);
	for (int i = 0; i < 3; i++) {
		int index = events[i].filter == EVFILT_READ ? 0 : events[i].filter == EVFILT_WRITE ? 1 : 2;

		ASSERT_FALSE(seen[index]);
		seen[index] = true;
	}
}

KQ_TEST(fair, "KQ-073", "with more ready level knotes than room, successive calls visit all")
{
	struct kevent events[3];
	int kq = kq_new(), seen[10] = { 0 };

	for (int i = 0; i < 10; i++)
		ASSERT_OK(kq_add(kq, i, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	for (int call = 0; call < 4; call++) {
		ASSERT_EQ(kq_poll(kq, events, 3), 3);
		for (int i = 0; i < 3; i++)
			seen[events[i].ident]++;
	}
	for (int i = 0; i < 10; i++)
		ASSERT_GE(seen[i], 1);
}

KQ_TEST(activation_order, "KQ-074", "knotes are returned in the order in which they became active")
{
	static const int order[] = { 4, 1, 7, 0, 6, 2, 5, 3 };
	struct kevent events[ARRAY_SIZE(order)];
	int kq = kq_new(), fds[8][2];

	for (int i = 0; i < 8; i++) {
		kq_pipe(fds[i]);
		ASSERT_OK(kq_add(kq, i % 2 ? i : fds[i][0], i % 2 ? EVFILT_USER : EVFILT_READ, EV_CLEAR,
				 0, 0, &fds[i]));
	}
	for (int i = 0; i < 8; i++) {
		if (order[i] % 2)
			ASSERT_OK(kq_ctl(kq, order[i], EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 0, NULL));
		else
			kq_write(fds[order[i]][1], "x", 1);
	}
	/* A second activation of one that is queued does not move it. */
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kq_poll(kq, events, 3), 3);
	ASSERT_EQ(kq_poll(kq, events + 3, 8), 5);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ((int (*)[2])events[i].udata - fds, order[i]);
}

KQ_TEST(enable_goes_to_the_tail, "KQ-074", "an event hidden by EV_DISABLE comes back at the tail")
{
	struct kevent events[2];
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_OK(kq_add(kq, 2, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_DISABLE, 0, 0, NULL));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_poll(kq, events, 2), 2);
	ASSERT_EQ(events[0].ident, 2);
	ASSERT_EQ(events[1].ident, 1);
}

static const struct {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "level", 0 },
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
	{ "clear_dispatch", EV_CLEAR | EV_DISPATCH },
};

KQ_TEST_EACH(fault, "KQ-019", "an event that cannot be written is EFAULT and stays for the next call", kinds)
{
	int kq = kq_new(), fds[2];
	struct kevent events[4], *bad[] = { NULL, kq_bad_page(PROT_NONE), kq_bad_page(PROT_READ) };

	kq_pipe(fds);
	kq_write(fds[1], "abc", 3);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, variant->flags, NOTE_TRIGGER | 5, 6, NULL));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, variant->flags, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 2, EVFILT_TIMER, variant->flags, NOTE_USECONDS, 1, NULL));
	kq_await_poll(kq, POLLIN);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		ASSERT_ERRNO(kevent(kq, NULL, 0, bad[i], 8, &zero), EFAULT);
		ASSERT_ERRNO(kevent(kq, NULL, 0, bad[i], 1, NULL), EFAULT);
	}
	/* The timer's interrupt may come late: the others, level, go on meanwhile. */
	for (int bits = 0; bits != 7;) {
		struct kevent event;

		ASSERT_EQ(kq_wait(kq, &event, 1, -1), 1);
		if (event.filter == EVFILT_USER) {
			ASSERT_EVENT(event, 1, EVFILT_USER, EV_ADD | variant->flags, 5, 6, NULL);
			bits |= 1;
		} else if (event.filter == EVFILT_READ) {
			ASSERT_EVENT(event, fds[0], EVFILT_READ, EV_ADD | variant->flags, 0, 3, NULL);
			bits |= 2;
		} else {
			ASSERT_GE(event.data, 1);
			bits |= 4;
			ASSERT_OK(kq_ctl(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 1000, NULL));
		}
	}
	if (variant->flags)
		kq_none(kq);
	else
		ASSERT_EQ(kq_poll(kq, events, 4), 2);
}

KQ_TEST_EACH(fault_in_the_middle, "KQ-019", "events before the fault are returned, those after it stay", kinds)
{
	enum { COUNT = 10, FIT = 3 };
	char *pages = mmap(NULL, 2 * getpagesize(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kevent *list = (struct kevent *)(pages + getpagesize()) - FIT;
	struct kevent events[COUNT];
	int kq = kq_new(), seen[COUNT] = { 0 };

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_SYS(mprotect(pages + getpagesize(), getpagesize(), PROT_NONE));
	for (int i = 0; i < COUNT; i++)
		ASSERT_OK(kq_add(kq, i, EVFILT_USER, variant->flags, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kevent(kq, NULL, 0, list, COUNT, &zero), FIT);
	for (int i = 0; i < FIT; i++)
		seen[list[i].ident]++;
	ASSERT_EQ(kq_poll(kq, events, COUNT), variant->flags ? COUNT - FIT : COUNT);
	for (int i = 0; i < COUNT - FIT; i++)
		seen[events[i].ident]++;
	for (int i = 0; i < COUNT; i++)
		ASSERT_EQ(seen[i], 1);
}
