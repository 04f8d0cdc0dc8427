// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what kevent() makes of lists, timeouts and argument blocks
 * that lie in each other, or change during the call: each is read before anything
 * is written over it, and once.
 */
#include "kq_test.h"
#include "kq_input.h"

#include <limits.h>

/* Half records up or down. */
static const struct overlap {
	const char *name;
	int halves;
} overlaps[] = {
	{ "same", 0 },
	{ "half_up", 1 },
	{ "half_down", -1 },
	{ "one_up", 2 },
	{ "one_down", -2 },
	{ "one_and_a_half_up", 3 },
	{ "one_and_a_half_down", -3 },
	{ "fifteen_up", 30 },
	{ "fifteen_down", -30 },
};

/*
 * Changes are read some at a time, before anything is written over them: with 8,
 * the smallest number of all systems, it does not matter where the answers go.
 */
KQ_TEST_EACH(receipts_over_changes, "KQ-044", "answers written over the changes are those of the changes", overlaps)
{
	enum { COUNT = 8 };
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		uint32_t size = input_sizes[i].size;
		char space[INPUT_BYTES(64)], *changes = space + INPUT_BYTES(24);
		char *events = changes + variant->halves * (int)size / 2;
		struct kq_event_ext wanted[COUNT];
		struct kq_kevent call = {
			.changelist = (uintptr_t)changes, .nchanges = COUNT,
			.eventlist = (uintptr_t)events, .nevents = INT_MAX, .record_size = size,
		};

		memset(space, INPUT_PATTERN, sizeof(space));
		for (int j = 0; j < COUNT; j++) {
			/* Every third one fails. */
			wanted[j] = input_change(INPUT_FIRST + j, EVFILT_USER, EV_RECEIPT, j, 0);
			wanted[j].flags |= j % 3 == 2 ? EV_ENABLE : EV_ADD;
			input_store(changes + j * size, &wanted[j], size);
			wanted[j].flags |= EV_ERROR;
			wanted[j].data = j % 3 == 2 ? ENOENT : 0;
		}
		ASSERT_EQ(input_kevent(in.kq, &call), COUNT);
		input_compare(events, wanted, COUNT, size);
		for (int j = 0; j < COUNT; j++)
			ASSERT_ERR(kq_del(in.kq, INPUT_FIRST + j, EVFILT_USER), j % 3 == 2 ? ENOENT : 0);
		input_same(&in);
	}
	input_intact(&in);
}

/* A long list whose answers overwrite changes that were not read: no promise but that it is harmless. */
KQ_TEST_EACH(long_lists, "", "answers over changes not read yet make nothing but what a list can say", overlaps)
{
	enum { COUNT = 100 };
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		uint32_t size = input_sizes[i].size;
		char *space = input_edge() - 4 * INPUT_PAGE, *changes = space + INPUT_BYTES(30);
		char *events = changes + variant->halves * (int)size / 2;
		struct kq_kevent call = {
			.changelist = (uintptr_t)changes, .nchanges = COUNT,
			.eventlist = (uintptr_t)events, .nevents = COUNT, .record_size = size,
			.flags = KQ_KEVENT_NONBLOCK,
		};
		int kq = kq_new(), count, made = 0;

		ASSERT_TRUE(changes + (COUNT + 16) * size <= space + 4 * INPUT_PAGE);
		input_list(changes, COUNT, size, EV_ADD | EV_RECEIPT);
		count = input_kevent(kq, &call);
		for (int j = 0; j < COUNT; j++)
			made += input_user_exists(kq, INPUT_FIRST + j);
		/* Below, or in place, they never reach a change that was not read. */
		if (variant->halves <= 0) {
			ASSERT_EQ(count, COUNT);
			ASSERT_EQ(made, COUNT);
		} else if (variant->halves % 2 == 0) {
			/* What is read there is a receipt: the change it answered, again. */
			ASSERT_EQ(count, COUNT);
			ASSERT_GT(made, 0);
		}
		kq_fence(kq);
		ASSERT_SYS(close(kq));
	}
	input_intact(&in);
}

KQ_TEST_EACH(timeout_in_eventlist, "", "a timeout that events overwrite was read before", input_sizes)
{
	uint32_t size = variant->size;

	for (size_t at = 0; at <= 3 * size; at += size / 4) {
		struct input in = input_open();
		char list[INPUT_BYTES(INPUT_ROOM)];
		int64_t limit[2] = { 0, 1 };
		struct kq_kevent call = {
			.eventlist = (uintptr_t)list, .nevents = INPUT_ROOM, .record_size = size,
			.timeout = (uintptr_t)list + at,
		};

		memcpy(list + at, limit, sizeof(limit));
		ASSERT_EQ(input_kevent(in.kq, &call), in.nready);
		input_compare(list, in.ready, in.nready, size);
		ASSERT_SYS(close(in.kq));
	}
}

KQ_TEST_EACH(block_in_eventlist, "", "an argument block that events overwrite was read before", input_sizes)
{
	uint32_t size = variant->size;

	for (size_t at = 0; at <= 3 * size; at += size / 4) {
		struct input in = input_open();
		char list[INPUT_BYTES(INPUT_ROOM)];
		struct kq_kevent call = {
			.eventlist = (uintptr_t)list, .nevents = INPUT_ROOM, .record_size = size,
		};

		memcpy(list + at, &call, sizeof(call));
		ASSERT_EQ(input_kevent(in.kq, (void *)(list + at)), in.nready);
		input_compare(list, in.ready, in.nready, size);
		ASSERT_SYS(close(in.kq));
	}
}

/* The block is also written before a sleep. */
KQ_TEST_EACH(block_in_eventlist_of_a_sleeper, "", "an argument block that events overwrite after a sleep",
	     input_sizes)
{
	uint32_t size = variant->size;

	for (size_t at = 0; at < size; at += size / 4) {
		struct kq_event_ext timer = input_change(5, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 20);
		char list[INPUT_BYTES(3)];
		struct kq_kevent call = {
			.eventlist = (uintptr_t)list, .nevents = 3, .record_size = size,
		};
		int kq = kq_new();

		memset(list, INPUT_PATTERN, sizeof(list));
		memcpy(list + at, &call, sizeof(call));
		ASSERT_OK(input_apply(kq, &timer, 1, sizeof(timer)));
		ASSERT_EQ(input_kevent(kq, (void *)(list + at)), 1);
		timer.flags |= EV_CLEAR;
		timer.data = 1;
		input_compare(list, &timer, 1, size);
		kq_none(kq);
	}
}

KQ_TEST(block_is_changelist, "", "an argument block that is its own changelist says what its words say")
{
	struct input in = input_open();
	struct kq_kevent call = {
		/* filter and flags of a record: without room it is not looked at. */
		.eventlist = (uint16_t)EVFILT_USER | EV_ADD << 16,
		.timeout = 77, .nchanges = 1, .record_size = sizeof(struct kq_event_ext),
		.deadline = 0x1122334455667788ull,
	}, before;
	struct kq_event_ext event;

	call.changelist = (uintptr_t)&call;
	before = call;
	ASSERT_OK(input_kevent(in.kq, &call));
	before.stamp = KQ_STAMP;
	ASSERT_EQ(memcmp(&call, &before, sizeof(call)), 0);
	event = (struct kq_event_ext){
		.ident = (uintptr_t)&call, .filter = EVFILT_USER, .fflags = NOTE_TRIGGER, .udata = 9,
	};
	ASSERT_TRUE(input_user_exists(in.kq, event.ident));
	event.flags = EV_DELETE;
	ASSERT_OK(input_apply(in.kq, &event, 1, sizeof(event)));
	input_intact(&in);
}

/* A block whose words change while the call looks at them. */

enum { MANY = 40, SPACE = INPUT_BYTES(MANY + 8) };

struct changing {
	volatile struct kq_kevent call;
	char space[2][SPACE];
	volatile bool stop;
};

static void *change_block(void *argument)
{
	struct changing *changing = argument;

	for (unsigned int i = 0; !changing->stop; i++) {
		changing->call.record_size = input_sizes[i % ARRAY_SIZE(input_sizes)].size;
		changing->call.eventlist = (uintptr_t)changing->space[i / 3 % 2];
		changing->call.nevents = i % 5 ? MANY + 8 : MANY;
	}
	return NULL;
}

/* All records are there in one size, and nothing else was written to. */
static bool holds_events(char *space, const struct kq_event_ext *wanted, uint32_t size)
{
	char bytes[INPUT_BYTES(1)];

	for (int i = 0; i < MANY; i++) {
		input_store(bytes, &wanted[i], size);
		if (memcmp(space + i * size, bytes, size))
			return false;
	}
	input_untouched(space + MANY * size, SPACE - MANY * size);
	return true;
}

KQ_TEST(changing_block, "", "a block another thread writes to is read once: all events go to one place in one size")
{
	static struct changing changing;
	struct kq_event_ext wanted[MANY];
	long long start = kq_now();
	int kq = kq_new(), written;
	pthread_t thread;

	for (int i = 0; i < MANY; i++) {
		wanted[i] = input_change(i, EVFILT_USER, EV_ADD, NOTE_TRIGGER, i);
		ASSERT_OK(input_apply(kq, &wanted[i], 1, sizeof(wanted[i])));
		wanted[i].fflags = 0;
	}
	changing.call.flags = KQ_KEVENT_NONBLOCK;
	changing.call.record_size = sizeof(wanted[0]);
	changing.call.eventlist = (uintptr_t)changing.space[0];
	changing.call.nevents = MANY;
	thread = kq_thread(change_block, &changing);
	for (int round = 0; kq_more(round, 2000, start); round++) {
		memset(changing.space, INPUT_PATTERN, sizeof(changing.space));
		written = 0;
		ASSERT_EQ(input_kevent(kq, (struct kq_kevent *)&changing.call), MANY);
		for (size_t i = 0; i < ARRAY_SIZE(changing.space); i++)
			for (size_t j = 0; j < ARRAY_SIZE(input_sizes); j++)
				written += holds_events(changing.space[i], wanted, input_sizes[j].size);
		ASSERT_EQ(written, 1);
	}
	changing.stop = true;
	kq_join(thread);
}
