// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_USER: triggers, the stored words and the
 * operations on them.
 */
#include "kq_test.h"

#include <linux/sched.h>

static const struct timespec zero;
static int marks[3];

/* The user knote 1: a change without EV_ADD unless flags say so. */
static int change(int kq, unsigned int flags, unsigned int fflags, intptr_t data)
{
	return kq_ctl(kq, 1, EVFILT_USER, flags, fflags, data, NULL);
}

KQ_TEST(trigger, "KQ-221", "no event before NOTE_TRIGGER, one after it")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, &marks[0]));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, &marks[0]));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &marks[0]);
	kq_fence(kq);
}

KQ_TEST(trigger_at_creation, "KQ-222", "NOTE_TRIGGER in the EV_ADD that creates the knote fires")
{
	struct kevent list[1];
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER | 3, 4, NULL));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD, 3, 4, NULL);
	/* With a receipt, as the wake-up of an event loop is sent. */
	EV_SET(&list[0], 2, EVFILT_USER, EV_ADD | EV_ONESHOT | EV_RECEIPT, NOTE_TRIGGER, 0, NULL);
	ASSERT_EQ(kevent(kq, list, 1, list, 1, NULL), 1);
	ASSERT_EQ(list[0].flags & EV_ERROR, EV_ERROR);
	ASSERT_EQ(list[0].data, 0);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_EQ(kq_one(kq).ident, 2);
}

KQ_TEST(wake_up_of_an_event_loop, "KQ-039 KQ-221", "a receipt ends the first call, a bare trigger needs no room")
{
	struct kevent list[1];
	int kq = kq_new();

	EV_SET(&list[0], 1, EVFILT_USER, EV_ADD | EV_CLEAR | EV_RECEIPT, 0, 0, NULL);
	ASSERT_EQ(kevent(kq, list, 1, list, 1, NULL), 1);
	ASSERT_EQ(list[0].data, 0);
	EV_SET(&list[0], 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
	ASSERT_EQ(kevent(kq, list, 1, NULL, 0, NULL), 0);
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_CLEAR | EV_RECEIPT);
	kq_none(kq);
}

KQ_TEST(triggers_merge, "KQ-223", "ten triggers give one event")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_CLEAR, 0, 0));
	for (int i = 1; i <= 10; i++)
		ASSERT_OK(change(kq, 0, NOTE_TRIGGER, i));
	ASSERT_EQ(kq_one(kq).data, 10);
	kq_fence(kq);
}

KQ_TEST(level, "KQ-224", "without EV_CLEAR the event repeats")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD, NOTE_TRIGGER | 9, 8));
	for (int i = 0; i < 5; i++)
		ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD, 9, 8, NULL);
}

static const struct {
	const char *name;
	unsigned int created, change, result;
} operations[] = {
	{ "nop", 0x0f0f0f, NOTE_FFNOP | 0xffffff, 0x0f0f0f },
	{ "and", 0x0f0f0f, NOTE_FFAND | 0x00ffff, 0x000f0f },
	{ "and_none", 0x0f0f0f, NOTE_FFAND, 0 },
	{ "or", 0x0f0f0f, NOTE_FFOR | 0xf00001, 0xff0f0f },
	{ "or_none", 0x0f0f0f, NOTE_FFOR, 0x0f0f0f },
	{ "copy", 0x0f0f0f, NOTE_FFCOPY | 0x123456, 0x123456 },
	{ "copy_none", 0x0f0f0f, NOTE_FFCOPY, 0 },
	/* Creation stores the low bits, whatever the operation says. */
	{ "created_nop", NOTE_FFNOP | 0xabcdef, 0, 0xabcdef },
	{ "created_and", NOTE_FFAND | 0xabcdef, 0, 0xabcdef },
	{ "created_or", NOTE_FFOR | 0xabcdef, 0, 0xabcdef },
	{ "created_copy", NOTE_FFCOPY | 0xabcdef, 0, 0xabcdef },
	/* Bits without a meaning have none. */
	{ "foreign_bits", 0x3e0000ff, NOTE_FFOR | 0x3e000000, 0xff },
};

KQ_TEST_EACH(operation, "KQ-225 KQ-226", "FFNOP, FFAND, FFOR and FFCOPY give the documented word", operations)
{
	static const unsigned int actions[] = { 0, EV_ADD, EV_ENABLE };

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		int kq = kq_new();

		ASSERT_OK(change(kq, EV_ADD, variant->created, 0));
		ASSERT_OK(change(kq, actions[i], variant->change | NOTE_TRIGGER, 0));
		ASSERT_EQ(kq_one(kq).fflags, variant->result);
	}
}

KQ_TEST(operation_without_trigger, "KQ-225", "the operations work without a trigger and while disabled")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_CLEAR, 1, 0));
	ASSERT_OK(change(kq, 0, NOTE_FFOR | 2, 0));
	ASSERT_OK(change(kq, EV_DISABLE, NOTE_FFOR | 4, 0));
	ASSERT_OK(change(kq, 0, NOTE_FFOR | 8, 0));
	ASSERT_OK(change(kq, EV_ENABLE, NOTE_FFOR | 16, 0));
	kq_fence(kq);
	ASSERT_OK(change(kq, 0, NOTE_TRIGGER, 0));
	ASSERT_EQ(kq_one(kq).fflags, 31);
	/* Delivery keeps the stored word, also with EV_CLEAR. */
	ASSERT_OK(change(kq, 0, NOTE_TRIGGER | NOTE_FFOR | 32, 0));
	ASSERT_EQ(kq_one(kq).fflags, 63);
}

KQ_TEST(no_control_bits, "KQ-226", "returned fflags have no bit above 0x00ffffff")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD, 0xffffffff, 0));
	ASSERT_EQ(kq_one(kq).fflags, 0x00ffffff);
	ASSERT_OK(change(kq, 0, 0xffffffff, 0));
	ASSERT_EQ(kq_one(kq).fflags, 0x00ffffff);
}

KQ_TEST(or_merges, "KQ-227", "three FFOR triggers 1, 2, 4 give 7")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_CLEAR, 0, 0));
	for (int i = 1; i <= 4; i *= 2)
		ASSERT_OK(change(kq, 0, NOTE_TRIGGER | NOTE_FFOR | i, 0));
	ASSERT_EQ(kq_one(kq).fflags, 7);
	kq_fence(kq);
}

static const struct {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "level", 0 },
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
};

KQ_TEST_EACH(words, "KQ-228", "fflags, data and udata of the last change are returned", kinds)
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, variant->flags, 1, 2, &marks[0]));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, INTPTR_MIN, &marks[1]));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, 0, NOTE_FFCOPY | 7, INTPTR_MAX, &marks[2]));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD | variant->flags, 7, INTPTR_MAX, &marks[2]);
}

KQ_TEST(data_zero_replaces, "KQ-228", "a change with data 0 stores 0")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD, 0, 55));
	ASSERT_OK(change(kq, 0, NOTE_TRIGGER, 0));
	ASSERT_EQ(kq_one(kq).data, 0);
	ASSERT_OK(change(kq, EV_DISABLE, 0, 66));
	ASSERT_OK(change(kq, EV_ENABLE, 0, 77));
	ASSERT_EQ(kq_one(kq).data, 77);
}

KQ_TEST(trigger_while_disabled, "KQ-229", "a trigger while disabled is delivered by EV_ENABLE")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_CLEAR | EV_DISABLE, 0, 0));
	ASSERT_OK(change(kq, 0, NOTE_TRIGGER, 0));
	kq_fence(kq);
	ASSERT_OK(change(kq, EV_ENABLE, 0, 0));
	(void)kq_one(kq);
	kq_none(kq);
	ASSERT_OK(change(kq, EV_DISABLE, NOTE_TRIGGER, 0));
	kq_fence(kq);
	ASSERT_OK(change(kq, EV_ENABLE, 0, 0));
	(void)kq_one(kq);
	kq_none(kq);
}

KQ_TEST(enable_and_trigger, "KQ-229", "EV_ENABLE with NOTE_TRIGGER works in one change")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_DISPATCH | EV_CLEAR, 0, 0));
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(change(kq, EV_ENABLE, NOTE_TRIGGER, 0));
		(void)kq_one(kq);
		ASSERT_OK(change(kq, 0, NOTE_TRIGGER, 0));
		kq_fence(kq);
	}
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_OK(change(kq, EV_ADD | EV_DISABLE, 0, 0));
	ASSERT_OK(change(kq, EV_ENABLE, NOTE_TRIGGER, 0));
	(void)kq_one(kq);
}

KQ_TEST(dispatch_without_clear, "KQ-229", "without EV_CLEAR a dispatched knote is still triggered")
{
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_DISPATCH, NOTE_TRIGGER, 0));
	for (int i = 0; i < 3; i++) {
		(void)kq_one(kq);
		kq_none(kq);
		ASSERT_OK(change(kq, EV_ENABLE, 0, 0));
	}
	(void)kq_one(kq);
}

KQ_TEST(trigger_from_thread, "KQ-230", "a trigger from another thread wakes a waiter")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	long long start = kq_now();

	ASSERT_OK(change(waiter.kq, EV_ADD | EV_CLEAR, 0, 0));
	for (int i = 1; kq_more(i, 100, start); i++) {
		kq_start_waiter(&waiter);
		if (i % 2)
			kq_await_waiter(&waiter.tid);
		ASSERT_OK(change(waiter.kq, 0, NOTE_TRIGGER, i));
		kq_join(waiter.thread);
		ASSERT_EQ(waiter.result, 1);
		ASSERT_EVENT(waiter.event, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, i, NULL);
	}
}

KQ_TEST(trigger_from_process, "KQ-230", "a trigger from a process that shares the descriptors wakes a waiter")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	long pid;

	ASSERT_OK(change(waiter.kq, EV_ADD | EV_CLEAR, 0, 0));
	kq_start_sleeper(&waiter);
	pid = ASSERT_SYS(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
	if (!pid) {
		ASSERT_OK(change(waiter.kq, 0, NOTE_TRIGGER, 5));
		_exit(0);
	}
	kq_reap(pid);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EQ(waiter.event.data, 5);
}

KQ_TEST(clear_takes_back, "KQ-231", "EV_CLEAR in a change without NOTE_TRIGGER takes the trigger back")
{
	static const unsigned int created[] = { 0, EV_CLEAR, EV_ONESHOT };

	for (size_t i = 0; i < ARRAY_SIZE(created); i++) {
		int kq = kq_new();

		ASSERT_OK(change(kq, EV_ADD | created[i], NOTE_TRIGGER | 3, 0));
		ASSERT_OK(change(kq, EV_CLEAR, 0, 0));
		kq_fence(kq);
		ASSERT_OK(change(kq, 0, NOTE_TRIGGER, 0));
		ASSERT_OK(change(kq, EV_CLEAR | EV_ADD, 0, 0));
		kq_fence(kq);
		/* Not if the same change triggers. */
		ASSERT_OK(change(kq, EV_CLEAR, NOTE_TRIGGER, 0));
		ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD | created[i], 3, 0, NULL);
	}
}

KQ_TEST(udata_clobbered, "KQ-232", "a bare trigger with udata NULL overwrites udata")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, &marks[0]));
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_PTR(kq_one(kq).udata, NULL);
}

KQ_TEST(trigger_missing, "KQ-031", "a trigger of a missing knote fails ENOENT")
{
	int kq = kq_new();

	ASSERT_ERR(kq_trigger(kq, 1), ENOENT);
	ASSERT_OK(change(kq, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0));
	(void)kq_one(kq);
	ASSERT_ERR(kq_trigger(kq, 1), ENOENT);
}

KQ_TEST(any_ident, "KQ-221", "an ident is any number and stands for no descriptor")
{
	static const uintptr_t idents[] = { 0, 1, 2, 0x7fffffff, 0x80000000u, UINTPTR_MAX - 1, UINTPTR_MAX };
	struct kevent events[ARRAY_SIZE(idents)];
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(idents); i++)
		ASSERT_OK(kq_add(kq, idents[i], EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++)
		ASSERT_OK(kq_trigger(kq, idents[i]));
	ASSERT_EQ(kq_poll(kq, events, ARRAY_SIZE(events)), ARRAY_SIZE(events));
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++)
		ASSERT_EQ(events[i].ident, idents[i]);
	close(0);
	ASSERT_OK(kq_trigger(kq, 0));
	ASSERT_EQ(kq_one(kq).ident, 0);
}

KQ_TEST(trigger_and_collect, "KQ-221", "a trigger with room for events returns the event it caused")
{
	struct kevent trigger, event;
	int kq = kq_new();

	ASSERT_OK(change(kq, EV_ADD | EV_CLEAR, 0, 0));
	EV_SET(&trigger, 1, EVFILT_USER, 0, NOTE_TRIGGER, 7, NULL);
	ASSERT_EQ(kevent(kq, &trigger, 1, &event, 1, &zero), 1);
	ASSERT_EVENT(event, 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 7, NULL);
}
