// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what kevent() makes of memory: addresses that cannot be
 * used, counts beyond every array, arrays at any alignment, and that every byte
 * it writes is one it meant to. Arrays in each other have input_overlap_test.c.
 */
#include "kq_test.h"
#include "kq_input.h"

#include <limits.h>
#include <sys/mount.h>

/* Bad addresses */

KQ_TEST_EACH(block, "", "an argument block at a bad address is EFAULT, and nothing happens", input_addresses)
{
	static const unsigned int numbers[] = {
		_IOC_NR(KQ_IOC_KEVENT), _IOC_NR(KQ_IOC_INFO),
#ifdef KQ_IOC_SETUP
		_IOC_NR(KQ_IOC_SETUP),
#endif
	};
	static const size_t sizes[] = {
		sizeof(struct kq_kevent), sizeof(struct kq_info),
#ifdef KQ_IOC_SETUP
		sizeof(struct kq_setup),
#endif
	};
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t at = variant->get(sizes[i]);

		/* An argument has no more bits than the program. */
		if (at != (uintptr_t)at)
			at = UINTPTR_MAX - 15;
		for (size_t more = 0; more < 64; more += 8)
			ASSERT_ERR(input_ioctl(in.kq, _IOC_READ | _IOC_WRITE, numbers[i],
					       sizes[i] + more, (void *)(uintptr_t)at), EFAULT);
	}
	input_intact(&in);
}

KQ_TEST_EACH(changelist, "KQ-018", "changes at a bad address are EFAULT, and nothing happens", input_addresses)
{
	static const int counts[] = { 1, 2, 16, 17, 1000, INT_MAX };
	char list[INPUT_BYTES(4)];
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(counts); j++) {
			struct kq_kevent call = {
				.changelist = variant->get(input_sizes[i].size),
				.nchanges = counts[j],
				.eventlist = (uintptr_t)list, .nevents = 4,
				.record_size = input_sizes[i].size,
			};

			ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
			call.nevents = 0;
			ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
		}
	}
	input_intact(&in);
}

KQ_TEST_EACH(eventlist, "KQ-019", "events for a bad address are EFAULT, and stay", input_addresses)
{
	static const int counts[] = { 1, 2, 16, 17, 1000, INT_MAX };
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(counts); j++) {
			struct kq_kevent call = {
				.eventlist = variant->get(input_sizes[i].size),
				.nevents = counts[j],
				.record_size = input_sizes[i].size,
			};

			ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
			call.flags = KQ_KEVENT_NONBLOCK;
			ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
			/* Nothing is to be written there. */
			call.flags = KQ_KEVENT_WAIT_ONLY;
			ASSERT_EQ(input_kevent(in.kq, &call), 1);
		}
		input_same(&in);
	}
	input_intact(&in);
}

KQ_TEST_EACH(receipts, "", "a receipt for a bad address is EFAULT: its change is applied, the next is not",
	     input_addresses)
{
	char changes[INPUT_BYTES(3)];
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		struct kq_kevent call = {
			.changelist = (uintptr_t)changes, .nchanges = 3,
			.eventlist = variant->get(input_sizes[i].size), .nevents = INT_MAX,
			.record_size = input_sizes[i].size,
		};

		input_list(changes, 3, call.record_size, EV_ADD | EV_RECEIPT);
		ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
		ASSERT_EQ(input_forget_list(in.kq, 3), 1);
		/* An error that has nowhere to go. */
		input_list(changes, 3, call.record_size, EV_ENABLE);
		ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
		ASSERT_EQ(input_forget_list(in.kq, 3), 0);
	}
	input_intact(&in);
}

KQ_TEST_EACH(timeout, "KQ-020", "a timeout at a bad address is EFAULT before any change", input_addresses)
{
	static const unsigned int flags[] = {
		0, KQ_KEVENT_NONBLOCK, KQ_KEVENT_WAIT_ONLY, KQ_KEVENT_TIMEOUT_ILP32,
		KQ_KEVENT_TIMEOUT_ILP32 | KQ_KEVENT_WAIT_ONLY,
	};
	struct kq_event_ext change = input_change(INPUT_FIRST, EVFILT_USER, EV_ADD, 0, 0);
	char list[INPUT_BYTES(4)];
	struct input in = input_open();

	memset(list, INPUT_PATTERN, sizeof(list));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct kq_kevent call = {
			.changelist = (uintptr_t)&change, .nchanges = 1,
			.eventlist = (uintptr_t)list, .nevents = 4,
			.timeout = variant->get(flags[i] & KQ_KEVENT_TIMEOUT_ILP32 ? 8 : 16),
			.record_size = sizeof(change), .flags = flags[i],
		};

		/* No timeout. */
		if (!call.timeout)
			call.timeout = 1;
		ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
		input_same(&in);
	}
	input_untouched(list, sizeof(list));
	input_intact(&in);
}

KQ_TEST(unused_addresses, "", "a list without room and a timeout without a wait are not touched")
{
	struct input in = input_open();
	struct kq_event_ext change = input_change(INPUT_FIRST, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0);
	struct kq_kevent call = {
		.changelist = ~0ull, .eventlist = ~0ull, .timeout = ~0ull,
		.record_size = sizeof(change),
	};

	ASSERT_OK(input_kevent(in.kq, &call));
	call.changelist = (uintptr_t)&change;
	call.nchanges = 1;
	ASSERT_OK(input_kevent(in.kq, &call));
	ASSERT_EQ(input_forget_list(in.kq, 1), 1);
	input_intact(&in);
}

KQ_TEST_EACH(read_only, "KQ-019", "what can only be read does as input, and not for events", input_sizes)
{
	uint32_t size = variant->size;
	char *page = input_edge() - INPUT_PAGE;
	struct kq_kevent call = {
		.changelist = (uintptr_t)page, .nchanges = 2, .record_size = size,
		.timeout = (uintptr_t)page + INPUT_PAGE - 16,
	};
	struct input in = input_open();

	input_list(page, 2, size, EV_ADD);
	ASSERT_SYS(mprotect(page, INPUT_PAGE, PROT_READ));
	ASSERT_OK(input_kevent(in.kq, &call));
	ASSERT_EQ(input_forget_list(in.kq, 2), 2);
	call = (struct kq_kevent){
		.eventlist = (uintptr_t)page, .nevents = 2, .record_size = size,
		.timeout = (uintptr_t)page + INPUT_PAGE - 16,
	};
	ASSERT_ERR(input_kevent(in.kq, &call), EFAULT);
	input_intact(&in);
}

KQ_TEST_EACH(write_only, "", "what was mapped for writing alone does for events", input_sizes)
{
	uint32_t size = variant->size;
	char *page = input_edge() - INPUT_PAGE;
	struct input in = input_open();
	struct kq_kevent call = {
		.eventlist = (uintptr_t)page, .nevents = INPUT_ROOM, .record_size = size,
	};

	ASSERT_SYS(mprotect(page, INPUT_PAGE, PROT_WRITE));
	ASSERT_EQ(input_kevent(in.kq, &call), in.nready);
	ASSERT_SYS(mprotect(page, INPUT_PAGE, PROT_READ));
	input_compare(page, in.ready, in.nready, size);
}

KQ_TEST(read_only_block, "", "a block that cannot be written is EFAULT, and nothing happens")
{
	char *page = input_edge() - INPUT_PAGE;
	struct kq_event_ext change = input_change(INPUT_FIRST, EVFILT_USER, EV_ADD, 0, 0);
	struct kq_kevent call = {
		.changelist = (uintptr_t)&change, .nchanges = 1, .record_size = sizeof(change),
	};
	struct input in = input_open();

	memcpy(page, &call, sizeof(call));
	ASSERT_SYS(mprotect(page, INPUT_PAGE, PROT_READ));
	ASSERT_ERR(input_kevent(in.kq, (void *)page), EFAULT);
	memset(&call, 0, sizeof(call));
	ASSERT_ERR(input_ioctl(in.kq, _IOC_READ | _IOC_WRITE, _IOC_NR(KQ_IOC_INFO),
			       sizeof(struct kq_info), page + INPUT_PAGE - sizeof(struct kq_info)),
		   EFAULT);
	input_intact(&in);
}

/* Counts */

KQ_TEST_EACH(room_for_all, "", "more room than there is memory is legal, if what is ready fits", input_sizes)
{
	static const int rooms[] = {
		INPUT_ROOM, INT_MAX, INT_MAX - 1, 1 << 30,
		/* Products that are 0, or small, in 32 bits. */
		0x04000000, 0x04000001, 0x08000000, 0x08000001, 0x0ccccccd, 0x33333334, 0x40000001,
		/* ... or negative. */
		0x02000000, 0x03ffffff, 0x06666667,
	};
	uint32_t size = variant->size;

	for (size_t i = 0; i < ARRAY_SIZE(rooms); i++) {
		struct input in = input_open();
		char *list = input_edge() - in.nready * size;
		struct kq_kevent call = {
			.eventlist = (uintptr_t)list, .nevents = rooms[i], .record_size = size,
			.flags = KQ_KEVENT_NONBLOCK,
		};

		ASSERT_EQ(input_kevent(in.kq, &call), in.nready);
		input_compare(list, in.ready, in.nready, size);
		ASSERT_SYS(close(in.kq));
	}
}

KQ_TEST_EACH(room_for_some, "KQ-019", "of what is ready so much comes as fits, the rest stays in its order",
	     input_sizes)
{
	uint32_t size = variant->size;

	for (int fit = 1; fit < 8; fit += 2) {
		struct input in = input_open();
		/* Half a record more than fits. */
		char *list = input_edge() - fit * size - size / 2;
		struct kq_kevent call = {
			.eventlist = (uintptr_t)list, .nevents = INT_MAX, .record_size = size,
			.flags = KQ_KEVENT_NONBLOCK,
		};
		char rest[INPUT_BYTES(INPUT_ROOM)];

		ASSERT_EQ(input_kevent(in.kq, &call), fit);
		input_compare(list, in.ready, fit, size);
		ASSERT_GE(input_take(in.kq, rest, INPUT_ROOM, size), in.nready - fit);
		input_compare(rest, in.ready + fit, in.nready - fit, size);
		ASSERT_SYS(close(in.kq));
	}
}

KQ_TEST_EACH(changes_beyond_memory, "KQ-018",
	     "more changes than there is memory: those before the end are applied without a gap", input_sizes)
{
	static const int counts[] = {
		INT_MAX, INT_MAX - 1, 1 << 30, 0x04000000, 0x04000001, 0x08000000, 0x08000001,
		0x0ccccccd, 0x33333334, 0x40000001, 0x02000000, 0x03ffffff, 0x06666667, 41,
	};
	enum { THERE = 40 };
	uint32_t size = variant->size;
	char *list = input_edge() - THERE * size;
	struct input in = input_open();
	int made;

	input_list(list, THERE, size, EV_ADD);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		ASSERT_ERR(input_apply(in.kq, list, counts[i], size), EFAULT);
		made = input_forget_list(in.kq, THERE);
		/* What was read before is applied, whatever a batch is. */
		ASSERT_GT(made, 0);
		ASSERT_LE(made, THERE);
		input_same(&in);
	}
	ASSERT_OK(input_apply(in.kq, list, THERE, size));
	ASSERT_EQ(input_forget_list(in.kq, THERE), THERE);
	input_intact(&in);
}

/* Alignment */

KQ_TEST_EACH(unaligned, "", "lists at every address, across pages, and blocks at odd ones", input_sizes)
{
	uint32_t size = variant->size;
	char *page = input_edge() - 2 * INPUT_PAGE;

	for (int shift = -(int)size - 9; shift <= 1; shift += shift < -8 ? 5 : 1) {
		struct input in = input_open();
		char *list = page + shift;
		struct kq_kevent call = {
			.changelist = (uintptr_t)list, .nchanges = 20, .record_size = size,
		};
		char *at = page + INPUT_PAGE - 33 + shift;

		input_list(list, 20, size, EV_ADD);
		memcpy(at, &call, sizeof(call));
		ASSERT_OK(input_kevent(in.kq, (void *)at));
		ASSERT_EQ(input_forget_list(in.kq, 20), 20);
		input_same(&in);
		ASSERT_EQ(input_take(in.kq, list, INPUT_ROOM, size), in.nready);
		input_compare(list, in.ready, in.nready, size);
		input_untouched(list + in.nready * size, (INPUT_ROOM - in.nready) * size);
		ASSERT_SYS(close(in.kq));
	}
}

/* Every byte */

static const int patterns[] = { 0x00, 0xff, INPUT_PATTERN };

KQ_TEST_EACH(event_bytes, "", "each byte of an event is written, and none behind the last", input_sizes)
{
	uint32_t size = variant->size;

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		struct input in = input_open();
		unsigned char list[INPUT_BYTES(INPUT_ROOM)];
		struct kq_kevent call = {
			.eventlist = (uintptr_t)list, .nevents = INPUT_ROOM, .record_size = size,
		};

		memset(list, patterns[i], sizeof(list));
		ASSERT_EQ(input_kevent(in.kq, &call), in.nready);
		input_compare(list, in.ready, in.nready, size);
		for (size_t j = in.nready * size; j < sizeof(list); j++)
			ASSERT_EQ(list[j], patterns[i]);
		ASSERT_SYS(close(in.kq));
	}
}

KQ_TEST_EACH(receipt_bytes, "", "each byte of a receipt is written, and none behind the last", input_sizes)
{
	static const int filters[] = {
		EVFILT_READ, EVFILT_WRITE, EVFILT_VNODE, EVFILT_PROC, EVFILT_SIGNAL, EVFILT_TIMER,
		EVFILT_PROCDESC, EVFILT_FS, EVFILT_USER, EVFILT_EMPTY, EVFILT_EXCEPT, -3, -10, -33, 0,
	};
	uint32_t size = variant->size;
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		struct kq_event_ext wanted[ARRAY_SIZE(filters)];
		char changes[sizeof(wanted)];
		unsigned char list[INPUT_BYTES(ARRAY_SIZE(filters) + 2)];
		struct kq_kevent call = {
			.changelist = (uintptr_t)changes, .nchanges = ARRAY_SIZE(filters),
			.eventlist = (uintptr_t)list, .nevents = ARRAY_SIZE(filters) + 2,
			.record_size = size,
		};

		/* No filter has a knote of this ident, nor could have one. */
		for (size_t j = 0; j < ARRAY_SIZE(filters); j++) {
			bool fd = false;

			wanted[j] = input_change(0x7ffffff0, filters[j], EV_RECEIPT | EV_ENABLE, ~0u, -9);
			input_store(changes + j * size, &wanted[j], size);
			wanted[j].flags |= EV_ERROR;
			switch (filters[j]) {
			case EVFILT_READ:
			case EVFILT_WRITE:
			case EVFILT_VNODE:
			case EVFILT_PROCDESC:
			case EVFILT_EMPTY:
			case EVFILT_EXCEPT:
				fd = true;
			}
			if (filters[j] == -3 || filters[j] == -10)
				wanted[j].data = EPERM;
			else if (filters[j] == -33 || !filters[j])
				wanted[j].data = EINVAL;
			else
				wanted[j].data = fd ? EBADF : ENOENT;
		}
		memset(list, patterns[i], sizeof(list));
		ASSERT_EQ(input_kevent(in.kq, &call), ARRAY_SIZE(filters));
		input_compare(list, wanted, ARRAY_SIZE(filters), size);
		for (size_t j = ARRAY_SIZE(filters) * size; j < sizeof(list); j++)
			ASSERT_EQ(list[j], patterns[i]);
	}
	input_intact(&in);
}

KQ_TEST_EACH(mount_bytes, "", "each byte of an event of EVFILT_FS is written", input_sizes)
{
	uint32_t size = variant->size;
	char list[INPUT_BYTES(2)];
	struct input in = { .kq = kq_new() };

	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("mounting needs root");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	input_expect(&in, input_add(&in, 0, EVFILT_FS, 0, 0, 0), EV_ADD | EV_CLEAR, VQ_MOUNT, 0);
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
	ASSERT_EQ(input_take(in.kq, list, 2, size), 1);
	input_compare(list, in.ready, 1, size);
	input_untouched(list + size, size);
}
