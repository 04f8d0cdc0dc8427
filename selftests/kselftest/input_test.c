// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that the ioctls refuse what they do not know: numbers,
 * directions and sizes, and each field of the argument blocks, and that a
 * refused call changes nothing. Memory has input_memory_test.c, records have
 * input_change_test.c.
 */
#include "kq_test.h"
#include "kq_input.h"
#ifdef KQ_IOC_SETUP
#include "kq_proc.h"
#endif

#define BOTH	(_IOC_READ | _IOC_WRITE)
#define LONGEST	0x3fff	/* what the number of an ioctl can say */

/* The ioctls there are. */
static const struct known {
	const char *name;
	unsigned int number;
	size_t size;
} known[] = {
	{ "kevent", 0x01, sizeof(struct kq_kevent) },
	{ "info", 0x02, sizeof(struct kq_info) },
#ifdef KQ_IOC_SETUP
	{ "setup", 0x03, sizeof(struct kq_setup) },
#endif
};

/* A block with room for the longest, followed by nothing. */
struct block {
	char *at;
	char before[LONGEST];
	size_t size;
};

/* What a call that succeeds would change: a knote, and the events that are ready. */
static struct kq_kevent tempting(void)
{
	static struct kq_event_ext change;
	static char list[INPUT_BYTES(INPUT_ROOM)];

	change = input_change(999, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0);
	memset(list, INPUT_PATTERN, sizeof(list));
	return (struct kq_kevent){
		.changelist = (uintptr_t)&change, .nchanges = 1,
		.eventlist = (uintptr_t)list, .nevents = INPUT_ROOM,
		.record_size = sizeof(change), .flags = KQ_KEVENT_NONBLOCK,
	};
}

/* A block of that size which ends at a page, and would do something if it were taken. */
static struct block make_block(unsigned int number, size_t size)
{
	struct kq_kevent call = tempting();
	struct block block = { .at = input_edge() - size, .size = size };

	if (number == 0x01)
		memcpy(block.at, &call, size < sizeof(call) ? size : sizeof(call));
	memcpy(block.before, block.at, size);
	return block;
}

static void assert_block_alone(const struct block *block)
{
	ASSERT_EQ(memcmp(block->at, block->before, block->size), 0);
}

KQ_TEST_EACH(direction, "", "an ioctl whose direction is another does not exist", known)
{
	static const unsigned int directions[] = { _IOC_NONE, _IOC_READ, _IOC_WRITE };
	struct block block = make_block(variant->number, variant->size);
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(directions); i++) {
		ASSERT_ERR(input_ioctl(in.kq, directions[i], variant->number, variant->size, block.at),
			   ENOTTY);
		ASSERT_ERR(input_ioctl(in.kq, directions[i], variant->number, 0, block.at), ENOTTY);
	}
	assert_block_alone(&block);
	input_intact(&in);
}

KQ_TEST(numbers, "", "each number and each type that is not ours does not exist")
{
	struct block block = make_block(0x01, sizeof(struct kq_kevent));
	struct input in = input_open();

	for (unsigned int number = 0; number < 256; number++) {
		bool ours = false;

		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			ours |= known[i].number == number;
#ifndef KQ_IOC_SETUP
		ours |= number == 0x03;
#endif
		for (unsigned int direction = 0; direction <= BOTH && !ours; direction++)
			ASSERT_ERR(input_ioctl(in.kq, direction, number, block.size, block.at), ENOTTY);
	}
	for (unsigned int bit = 0; bit < 8; bit++)
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			ASSERT_ERRNO(ioctl(in.kq, _IOC(BOTH, KQ_IOC_MAGIC ^ 1u << bit,
						       known[i].number, block.size), block.at), ENOTTY);
	assert_block_alone(&block);
	input_intact(&in);
}

KQ_TEST_EACH(short_blocks, "", "a block shorter than the first version's is EINVAL", known)
{
	struct input in = input_open();

	for (size_t size = 0; size < variant->size; size++) {
		struct block block = make_block(variant->number, size);

		ASSERT_ERR(input_ioctl(in.kq, BOTH, variant->number, size, block.at), EINVAL);
		assert_block_alone(&block);
		ASSERT_SYS(munmap(block.at + size - 4 * INPUT_PAGE, 5 * INPUT_PAGE));
	}
	input_intact(&in);
}

static const size_t longer[] = { 1, 2, 3, 7, 8, 9, 63, 64, 65, 1000, 4096, 5001 };

/* The sizes above, and the longest. */
static size_t longer_size(const struct known *ioctl, size_t i)
{
	return i < ARRAY_SIZE(longer) ? ioctl->size + longer[i] : LONGEST;
}

KQ_TEST_EACH(longer_blocks, "", "a longer block is E2BIG if a byte behind the known ones is not zero", known)
{
	struct input in = input_open();

	for (size_t i = 0; i <= ARRAY_SIZE(longer); i++) {
		size_t size = longer_size(variant, i);
		size_t places[] = { variant->size, (variant->size + size) / 2, size - 1 };

		for (size_t j = 0; j < ARRAY_SIZE(places); j++) {
			struct block block = make_block(variant->number, size);

			block.at[places[j]] = (char)0x80;
			ASSERT_ERR(input_ioctl(in.kq, BOTH, variant->number, size, block.at), E2BIG);
			block.at[places[j]] = 0;
			assert_block_alone(&block);
			/* One byte of it is off the page. */
			ASSERT_ERR(input_ioctl(in.kq, BOTH, variant->number, size, block.at + 1), EFAULT);
			assert_block_alone(&block);
			ASSERT_SYS(munmap(block.at + size - 4 * INPUT_PAGE, 5 * INPUT_PAGE));
		}
	}
	input_intact(&in);
}

KQ_TEST_EACH(zero_tails, "", "a longer block of zeros works, and the bytes behind the known ones stay", known)
{
	int kq = kq_new();

	for (size_t i = 0; i <= ARRAY_SIZE(longer); i++) {
		size_t size = longer_size(variant, i);
		struct block block = make_block(variant->number, size);

		if (variant->number == 0x01)
			ASSERT_EQ(input_ioctl(kq, BOTH, variant->number, size, block.at), 1);
		else
			ASSERT_OK(input_ioctl(kq, BOTH, variant->number, size, block.at));
		for (size_t j = variant->size; j < size; j++)
			ASSERT_EQ(block.at[j], 0);
	}
}

/* Fields of struct kq_kevent: one of them differs from a call that would succeed. */

#define FIELD(field)	offsetof(struct kq_kevent, field), sizeof(((struct kq_kevent *)0)->field)

struct field {
	const char *name;
	size_t offset, size;
	uint64_t value;		/* or any of its bits, each alone */
	bool each_bit;
};

static const struct field fields[] = {
	{ "flags", FIELD(flags), (uint32_t)~KQ_KEVENT_FLAGS, true },
	{ "flags_all", FIELD(flags), ~0u, false },
	{ "state", FIELD(state), (uint32_t)~KQ_STATE_FLAGS, true },
	{ "state_all", FIELD(state), ~0u, false },
	{ "reserved", FIELD(reserved), ~0ull, true },
	{ "reserved_all", FIELD(reserved), ~0ull, false },
	{ "nchanges_-1", FIELD(nchanges), -1ull, false },
	{ "nchanges_int_min", FIELD(nchanges), 1ull << 31, false },
	{ "nchanges_int_min+1", FIELD(nchanges), (1ull << 31) + 1, false },
	{ "nevents_-1", FIELD(nevents), -1ull, false },
	{ "nevents_int_min", FIELD(nevents), 1ull << 31, false },
	{ "nevents_int_min+1", FIELD(nevents), (1ull << 31) + 1, false },
	{ "record_size_0", FIELD(record_size), 0, false },
	{ "record_size_1", FIELD(record_size), 1, false },
	{ "record_size_bit", FIELD(record_size), (uint32_t)~(32u | 64u), true },
	{ "record_size_19", FIELD(record_size), 19, false },
	{ "record_size_21", FIELD(record_size), 21, false },
	{ "record_size_24", FIELD(record_size), 24, false },
	{ "record_size_31", FIELD(record_size), 31, false },
	{ "record_size_33", FIELD(record_size), 33, false },
	{ "record_size_63", FIELD(record_size), 63, false },
	{ "record_size_65", FIELD(record_size), 65, false },
	{ "record_size_96", FIELD(record_size), 96, false },
	{ "record_size_64_and_more", FIELD(record_size), 0x80000040u, false },
	{ "record_size_-64", FIELD(record_size), -64ull, false },
	{ "record_size_-1", FIELD(record_size), -1ull, false },
};

/* The block is as it was but for the stamp, which says who refused it. */
static void assert_refused(int kq, struct kq_kevent call, int error)
{
	struct kq_kevent before = call;

	ASSERT_ERR(input_kevent(kq, &call), error);
	before.stamp = KQ_STAMP;
	ASSERT_EQ(memcmp(&call, &before, sizeof(call)), 0);
	input_untouched((void *)(uintptr_t)call.eventlist, INPUT_BYTES(INPUT_ROOM));
}

KQ_TEST_EACH(kevent_fields, "", "a field of KQ_IOC_KEVENT that makes no sense is EINVAL, whatever else is wrong",
	     fields)
{
	struct input in = input_open();

	for (int bit = 0; bit < 64; bit++) {
		uint64_t value = variant->each_bit ? variant->value & 1ull << bit : variant->value;
		struct kq_kevent call = tempting();

		if (variant->each_bit && !value)
			continue;
		memcpy((char *)&call + variant->offset, &value, variant->size);
		assert_refused(in.kq, call, EINVAL);
		/* Before the timeout, and before any list is touched. */
		call.timeout = 8;
		assert_refused(in.kq, call, EINVAL);
		call.changelist = 8;
		assert_refused(in.kq, call, EINVAL);
		input_same(&in);
		if (!variant->each_bit)
			break;
	}
	input_intact(&in);
}

/* Timeouts */

static const struct limit {
	const char *name;
	int64_t seconds, nanoseconds;
} limits[] = {
	{ "second_-1", -1, 0 },
	{ "second_-1_and_more", -1, 999999999 },
	{ "second_int_min", INT32_MIN, 0 },
	{ "second_min", INT64_MIN, 0 },
	{ "nanosecond_-1", 0, -1 },
	{ "nanosecond_10^9", 0, 1000000000 },
	{ "nanosecond_int_min", 0, INT32_MIN },
	{ "nanosecond_int_max", 0, INT32_MAX },
	{ "nanosecond_min+2^31", 0, INT64_MIN + (1ll << 31) },
	{ "nanosecond_max", 0, INT64_MAX },
	{ "both", -1, -1 },
	{ "for_ever_and_-1", INT64_MAX, -1 },
};

KQ_TEST_EACH(timeouts, "KQ-021", "an impossible timeout is EINVAL before any change is applied", limits)
{
	int64_t limit[2] = { variant->seconds, variant->nanoseconds };
	int32_t small[2] = { (int32_t)limit[0], (int32_t)limit[1] };
	struct input in = input_open();
	struct kq_kevent call = tempting();

	call.timeout = (uintptr_t)limit;
	assert_refused(in.kq, call, EINVAL);
	call.flags = 0;
	assert_refused(in.kq, call, EINVAL);
	call.flags = KQ_KEVENT_WAIT_ONLY;
	call.nevents = 0;
	assert_refused(in.kq, call, EINVAL);
	if (small[0] == limit[0] && small[1] == limit[1]) {
		call.flags = KQ_KEVENT_TIMEOUT_ILP32;
		call.nevents = INPUT_ROOM;
		call.timeout = (uintptr_t)small;
		assert_refused(in.kq, call, EINVAL);
	}
	input_intact(&in);
}

/* There a 64-bit time of a 32-bit program has padding. */
KQ_TEST(high_half_of_nanoseconds, "KQ-021", "the high half of the nanoseconds counts, in 64-bit programs")
{
	static const int64_t words[] = { 1ll << 32 | 1, 1ll << 32, 1ll << 63 };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		int64_t limit[2] = { 0, words[i] };
		struct input in = input_open();
		struct kq_kevent call = tempting();

		call.timeout = (uintptr_t)limit;
		if (sizeof(void *) == 8) {
			assert_refused(in.kq, call, EINVAL);
			input_intact(&in);
		} else {
			ASSERT_EQ(input_kevent(in.kq, &call), in.nready + 1);
		}
	}
}

KQ_TEST(fields_out_only, "", "what is written only, or not used in a new call, may hold anything before")
{
	struct input in = input_open();
	struct kq_kevent call = tempting();

	call.nchanges = 0;
	call.changelist = ~0ull;
	call.stamp = ~0u;
	call.deadline = ~0ull;
	ASSERT_EQ(input_kevent(in.kq, &call), in.nready);
	ASSERT_EQ(call.stamp, KQ_STAMP);
	input_compare((void *)(uintptr_t)call.eventlist, in.ready, in.nready, call.record_size);
}

/* KQ_IOC_INFO */

KQ_TEST(info_reserved_bits, "", "each bit of the reserved words of KQ_IOC_INFO is refused")
{
	struct input in = input_open();

	for (size_t bit = 0; bit < 64 * ARRAY_SIZE(((struct kq_info *)0)->reserved); bit++) {
		struct kq_info info, before;

		memset(&info, INPUT_PATTERN, sizeof(info));
		memset(info.reserved, 0, sizeof(info.reserved));
		info.reserved[bit / 64] = 1ull << bit % 64;
		before = info;
		ASSERT_ERR(input_ioctl(in.kq, BOTH, _IOC_NR(KQ_IOC_INFO), sizeof(info), &info), EINVAL);
		ASSERT_EQ(memcmp(&info, &before, sizeof(info)), 0);
	}
	input_intact(&in);
}

KQ_TEST(info_bytes, "", "KQ_IOC_INFO writes every byte, whatever was there, at any address")
{
	static const int patterns[] = { 0, 0xff, INPUT_PATTERN, 0x5a };
	struct input in = input_open();
	struct kq_info first, info;
	char *edge = input_edge();

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		for (size_t shift = 0; shift < 9; shift++) {
			char *at = edge - sizeof(info) - shift;

			memset(at, patterns[i], sizeof(info));
			memset(at + offsetof(struct kq_info, reserved), 0, sizeof(info.reserved));
			ASSERT_OK(input_ioctl(in.kq, BOTH, _IOC_NR(KQ_IOC_INFO), sizeof(info), at));
			memcpy(&info, at, sizeof(info));
			if (!i && !shift)
				first = info;
			ASSERT_EQ(memcmp(&info, &first, sizeof(info)), 0);
		}
	}
	ASSERT_EQ(info.abi_version, KQ_ABI_VERSION);
	ASSERT_EQ(info.stamp, KQ_STAMP);
	ASSERT_TRUE(info.features & KQ_FEATURE_CLOSE_SYNC);
	ASSERT_EQ(info.errata, 0);
	ASSERT_EQ(info.missed_closes, 0);
	input_intact(&in);
}

#ifdef KQ_IOC_SETUP
/* KQ_IOC_SETUP */

static int setup(int kq, struct kq_setup *block)
{
	return input_ioctl(kq, BOTH, _IOC_NR(KQ_IOC_SETUP), sizeof(*block), block);
}

/* Not every kernel lets queues be copied. */
static uint32_t setup_flags(int kq)
{
	struct kq_info info = { 0 };

	ASSERT_OK(input_ioctl(kq, BOTH, _IOC_NR(KQ_IOC_INFO), sizeof(info), &info));
	return info.features & KQ_FEATURE_CPONFORK ? KQ_SETUP_CPONFORK : 0;
}

KQ_TEST(setup_fields, "", "KQ_IOC_SETUP refuses each unknown flag and each bit of its reserved word")
{
	struct input in = input_open();
	uint32_t able = setup_flags(in.kq);

	for (int bit = 0; bit < 32 + 64; bit++) {
		struct kq_setup block = { .stamp = ~0u };

		if (bit < 32)
			block.flags = 1u << bit;
		else
			block.reserved = 1ull << (bit - 32);
		if (block.flags & able)
			continue;
		ASSERT_ERR(setup(in.kq, &block), EINVAL);
		ASSERT_EQ(block.stamp, KQ_STAMP);
		/* With a flag that is known as well. */
		block.flags |= able;
		ASSERT_ERR(setup(in.kq, &block), EINVAL);
	}
	input_intact(&in);
}

KQ_TEST(setup_stamp, "", "KQ_IOC_SETUP stamps its block, and changes nothing that is registered")
{
	struct input in = input_open();
	uint32_t flags[] = { 0, setup_flags(in.kq), 0 };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct kq_setup block = { .flags = flags[i], .stamp = ~0u };

		ASSERT_OK(setup(in.kq, &block));
		ASSERT_EQ(block.flags, flags[i]);
		ASSERT_EQ(block.stamp, KQ_STAMP);
		ASSERT_EQ(block.reserved, 0);
	}
	input_intact(&in);
}

KQ_TEST(setup_of_another, "", "KQ_IOC_SETUP by a process that does not own the queue is EBADF")
{
	struct kq_setup block = { 0 };
	pid_t child;
	int turn, kq;

	child = proc_fork(&turn);
	if (!child) {
		struct input in = input_open();

		proc_say(turn, in.kq);
		proc_hear(turn);
		input_intact(&in);
		ASSERT_OK(setup(in.kq, &block));
		_exit(KQ_PASS);
	}
	kq = (int)proc_hear(turn);
	kq = (int)ASSERT_SYS(syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, child, 0), kq, 0));
	ASSERT_ERR(setup(kq, &block), EBADF);
	ASSERT_EQ(block.stamp, KQ_STAMP);
	block.flags = ~0u;
	ASSERT_ERR(setup(kq, &block), EBADF);
	proc_say(turn, 0);
	kq_reap(child);
}
#endif
