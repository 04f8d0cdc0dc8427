// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of the binary interface: layouts and numbers programs compile
 * in, and the ioctls as a program sees them that does without the library.
 */
#include "kq_test.h"

#include <sys/ioctl.h>
#include <linux/kqueue.h>

/* Runs the ioctl itself: its result, or a negative errno. */
static int raw_size(int kq, void *block, size_t size)
{
	int result = ioctl(kq, _IOC(_IOC_READ | _IOC_WRITE, KQ_IOC_MAGIC, 0x01,
				    size), block);

	return result < 0 ? -errno : result;
}

static int raw(int kq, struct kq_kevent *block)
{
	return raw_size(kq, block, sizeof(*block));
}

static int raw_info(int kq, void *block, size_t size)
{
	int result = ioctl(kq, _IOC(_IOC_READ | _IOC_WRITE, KQ_IOC_MAGIC, 0x02,
				    size), block);

	return result < 0 ? -errno : result;
}

/* A call that changes nothing and collects nothing. */
static struct kq_kevent idle_call(void)
{
	return (struct kq_kevent){ .record_size = sizeof(struct kq_event) };
}

static struct kq_kevent change_call(const void *change, uint32_t record_size)
{
	struct kq_kevent call = idle_call();

	call.changelist = (uintptr_t)change;
	call.nchanges = 1;
	call.record_size = record_size;
	return call;
}

static struct kq_kevent collect_call(void *events, uint32_t record_size)
{
	struct kq_kevent call = idle_call();

	call.eventlist = (uintptr_t)events;
	call.nevents = 1;
	call.record_size = record_size;
	call.flags = KQ_KEVENT_NONBLOCK;
	return call;
}

KQ_TEST(struct_layout, "KQ-001", "struct kevent has the layout programs compiled in")
{
	struct kevent event = { .filter = -1, .flags = 0xffff, .fflags = ~0u, .data = -1 };
	bool wide = sizeof(void *) == 8;

	ASSERT_EQ(sizeof(struct kevent), wide ? 32 : 20);
	ASSERT_EQ(offsetof(struct kevent, ident), 0);
	ASSERT_EQ(offsetof(struct kevent, filter), wide ? 8 : 4);
	ASSERT_EQ(offsetof(struct kevent, flags), wide ? 10 : 6);
	ASSERT_EQ(offsetof(struct kevent, fflags), wide ? 12 : 8);
	ASSERT_EQ(offsetof(struct kevent, data), wide ? 16 : 12);
	ASSERT_EQ(offsetof(struct kevent, udata), wide ? 24 : 16);
	ASSERT_EQ(sizeof(event.filter), 2);
	ASSERT_EQ(sizeof(event.flags), 2);
	ASSERT_EQ(sizeof(event.fflags), 4);
	ASSERT_TRUE(event.filter < 0);
	ASSERT_TRUE(event.flags > 0);
	ASSERT_TRUE(event.fflags > 0);
	ASSERT_TRUE(event.data < 0);
}

KQ_TEST(flag_values, "KQ-003", "EV_ flags have their numbers")
{
	ASSERT_EQ(EV_ADD, 0x0001);
	ASSERT_EQ(EV_DELETE, 0x0002);
	ASSERT_EQ(EV_ENABLE, 0x0004);
	ASSERT_EQ(EV_DISABLE, 0x0008);
	ASSERT_EQ(EV_ONESHOT, 0x0010);
	ASSERT_EQ(EV_CLEAR, 0x0020);
	ASSERT_EQ(EV_RECEIPT, 0x0040);
	ASSERT_EQ(EV_DISPATCH, 0x0080);
	ASSERT_EQ(EV_FORCEONESHOT, 0x0100);
	ASSERT_EQ(EV_KEEPUDATA, 0x0200);
	ASSERT_EQ(EV_SYSFLAGS, 0xf000);
	ASSERT_EQ(EV_ERROR, 0x4000);
	ASSERT_EQ(EV_EOF, 0x8000);
}

KQ_TEST(timer_notes, "KQ-004", "units of timers have their numbers")
{
	ASSERT_EQ(NOTE_SECONDS, 1);
	ASSERT_EQ(NOTE_USECONDS, 2);
	ASSERT_EQ(NOTE_NSECONDS, 4);
	ASSERT_EQ(NOTE_ABSOLUTE, 8);
	ASSERT_EQ(NOTE_ABSTIME, NOTE_ABSOLUTE);
}

KQ_TEST(ev_set, "KQ-005", "EV_SET evaluates each argument once and fills all fields")
{
	struct kevent events[2], *event = events;
	int n[6] = { 0 };

	memset(events, 0xff, sizeof(events));
	EV_SET(event++, (n[0]++, 7), (n[1]++, EVFILT_USER), (n[2]++, EV_ADD),
	       (n[3]++, 0x80000001u), (n[4]++, -9), (n[5]++, (void *)n));
	ASSERT_PTR(event, &events[1]);
	for (size_t i = 0; i < ARRAY_SIZE(n); i++)
		ASSERT_EQ(n[i], 1);
	ASSERT_EVENT(events[0], 7, EVFILT_USER, EV_ADD, 0x80000001u, -9, n);
	ASSERT_EQ(events[1].filter, -1);
}

struct refused {
	const char *name;
	int filter, error;
};

static const struct refused refused[] = {
	{ "aio", -3, EPERM },
	{ "lio", -10, EPERM },
	{ "zero", 0, EINVAL },
	{ "jail", -14, EINVAL },
	{ "jaildesc", -15, EINVAL },
	{ "workloop", -17, EINVAL },
	{ "last_of_bsd", -18, EINVAL },
	{ "before_except", -63, EINVAL },
	{ "syscount", 15, EINVAL },
	{ "beyond_table", -65, EINVAL },
};

KQ_TEST_EACH(refused, "KQ-245", "filters refused on purpose and filters never defined fail", refused)
{
	const struct timespec zero = { 0 };
	static const unsigned int actions[] = {
		EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE, 0, EV_ADD | EV_DISABLE, EV_ADD | EV_ONESHOT,
	};
	struct kevent change, event;
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		ASSERT_ERR(kq_ctl(kq, 1, variant->filter, actions[i], 0, 0, NULL), variant->error);
		ASSERT_ERR(kq_ctl(kq, (uintptr_t)-1, variant->filter, actions[i], 0, 0, NULL), variant->error);
	}
	EV_SET(&change, 1, variant->filter, EV_ADD, 5, 6, &change);
	ASSERT_EQ(kevent(kq, &change, 1, &event, 1, &zero), 1);
	ASSERT_EVENT(event, 1, variant->filter, EV_ADD | EV_ERROR, 5, variant->error, &change);
	kq_none(kq);
}

KQ_TEST(minus_ten, "KQ-009", "number -10, USER on other systems, is refused with EPERM")
{
	int kq = kq_new();

	ASSERT_ERR(kq_add(kq, 1, -10, EV_CLEAR, 0, 0, NULL), EPERM);
	ASSERT_ERR(kq_ctl(kq, 1, -10, 0, NOTE_TRIGGER, 0, NULL), EPERM);
	kq_none(kq);
}

KQ_TEST(record_layout, "", "records and blocks of the ioctls have the same bytes everywhere")
{
	ASSERT_EQ(sizeof(struct kq_event), 32);
	ASSERT_EQ(sizeof(struct kq_event_ext), 64);
	ASSERT_EQ(sizeof(struct kq_event_ilp32), 20);
	ASSERT_EQ(sizeof(struct kq_kevent), 64);
	ASSERT_EQ(sizeof(struct kq_info), 64);
	ASSERT_EQ(offsetof(struct kq_event_ext, ext), 32);
	ASSERT_EQ(offsetof(struct kq_kevent, state), 40);
	ASSERT_EQ(offsetof(struct kq_kevent, stamp), 44);
	ASSERT_EQ(offsetof(struct kq_info, missed_closes), 32);
}

KQ_TEST(info, "", "KQ_IOC_INFO describes the module")
{
	int kq = kq_new();
	struct kq_info info = { 0 };

	ASSERT_OK(raw_info(kq, &info, sizeof(info)));
	ASSERT_EQ(info.abi_version, KQ_ABI_VERSION);
	ASSERT_EQ(info.stamp, KQ_STAMP);
	/* Bit 0 is that of the last number. */
	for (int filter = 1; filter <= KQ_EVFILT_COUNT; filter++)
		if (info.filters & 1ull << filter % 64)
			ASSERT_NE(kq_del(kq, 1000, -filter), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (refused[i].filter < 0 && refused[i].filter >= -KQ_EVFILT_COUNT)
			ASSERT_FALSE(info.filters & 1ull << -refused[i].filter % 64);
	ASSERT_TRUE(info.filters & 1ull << -EVFILT_READ);
	ASSERT_TRUE(info.filters & 1ull << -EVFILT_WRITE);
	ASSERT_TRUE(info.filters & 1ull << -EVFILT_TIMER);
	ASSERT_TRUE(info.filters & 1ull << -EVFILT_USER);
	ASSERT_GE(info.max_depth, 16);
	for (size_t i = 0; i < ARRAY_SIZE(info.reserved); i++)
		ASSERT_EQ(info.reserved[i], 0);
}

KQ_TEST(info_reserved, "", "reserved words of KQ_IOC_INFO must be zero")
{
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(((struct kq_info *)0)->reserved); i++) {
		struct kq_info info = { 0 };

		info.reserved[i] = 1ull << 63;
		ASSERT_ERR(raw_info(kq, &info, sizeof(info)), EINVAL);
	}
}

KQ_TEST(info_sizes, "", "KQ_IOC_INFO works with the longer blocks of newer programs")
{
	struct {
		struct kq_info info;
		uint64_t tail[2];
	} block = { 0 };
	int kq = kq_new();

	ASSERT_OK(raw_info(kq, &block, sizeof(block)));
	ASSERT_EQ(block.info.stamp, KQ_STAMP);
	ASSERT_EQ(block.tail[0], 0);
	memset(&block, 0, sizeof(block));
	block.tail[1] = 1;
	ASSERT_ERR(raw_info(kq, &block, sizeof(block)), E2BIG);
}

KQ_TEST(block_sizes, "", "KQ_IOC_KEVENT works with the longer blocks of newer programs")
{
	struct {
		struct kq_kevent call;
		uint64_t tail[2];
	} block = { .call = idle_call() };
	int kq = kq_new();

	ASSERT_OK(raw_size(kq, &block, sizeof(block)));
	ASSERT_EQ(block.call.stamp, KQ_STAMP);
	block.tail[1] = 1;
	ASSERT_ERR(raw_size(kq, &block, sizeof(block)), E2BIG);
}

KQ_TEST(block_rules, "", "unknown flags, unknown state and reserved words of KQ_IOC_KEVENT are refused")
{
	struct kq_event change = { .ident = 1, .filter = EVFILT_USER, .flags = EV_ADD };
	struct kq_kevent call;
	int kq = kq_new();

	for (int bit = 0; bit < 32; bit++) {
		call = change_call(&change, sizeof(change));
		call.flags = 1u << bit;
		if (call.flags & ~KQ_KEVENT_FLAGS) {
			ASSERT_ERR(raw(kq, &call), EINVAL);
			ASSERT_EQ(call.stamp, KQ_STAMP);
		}
		call = change_call(&change, sizeof(change));
		call.state = 1u << bit;
		if (call.state & ~KQ_STATE_FLAGS)
			ASSERT_ERR(raw(kq, &call), EINVAL);
	}
	call = change_call(&change, sizeof(change));
	call.reserved = 1;
	ASSERT_ERR(raw(kq, &call), EINVAL);
	ASSERT_EQ(call.stamp, KQ_STAMP);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
}

KQ_TEST(stamp, "", "the block is stamped on success and on failure")
{
	struct kq_event change = { .ident = 1, .filter = EVFILT_USER, .flags = EV_DELETE };
	int kq = kq_new();
	struct kq_kevent call = idle_call();

	ASSERT_OK(raw(kq, &call));
	ASSERT_EQ(call.stamp, KQ_STAMP);
	call = change_call(&change, sizeof(change));
	ASSERT_ERR(raw(kq, &call), ENOENT);
	ASSERT_EQ(call.stamp, KQ_STAMP);
	call = change_call(NULL, sizeof(change));
	ASSERT_ERR(raw(kq, &call), EFAULT);
	ASSERT_EQ(call.stamp, KQ_STAMP);
	call = idle_call();
	call.nevents = -1;
	ASSERT_ERR(raw(kq, &call), EINVAL);
	ASSERT_EQ(call.stamp, KQ_STAMP);
}

KQ_TEST(block_faults, "", "a block that cannot be read or written is EFAULT")
{
	struct kq_kevent *call = kq_bad_page(PROT_READ);
	int kq = kq_new();

	ASSERT_ERR(raw(kq, NULL), EFAULT);
	ASSERT_ERR(raw(kq, kq_bad_page(PROT_NONE)), EFAULT);
	ASSERT_ERR(raw_info(kq, NULL, sizeof(struct kq_info)), EFAULT);
	ASSERT_EQ(mprotect(call, sizeof(*call), PROT_READ | PROT_WRITE), 0);
	*call = idle_call();
	ASSERT_EQ(mprotect(call, sizeof(*call), PROT_READ), 0);
	ASSERT_ERR(raw(kq, call), EFAULT);
}

KQ_TEST(unknown_ioctl, "", "an unknown ioctl is ENOTTY")
{
	int kq = kq_new();
	struct kq_kevent call = idle_call();

	ASSERT_ERRNO(ioctl(kq, _IO(KQ_IOC_MAGIC, 0x7f)), ENOTTY);
	ASSERT_ERRNO(ioctl(kq, _IOWR(KQ_IOC_MAGIC, 0x04, struct kq_kevent), &call), ENOTTY);
	ASSERT_ERRNO(ioctl(kq, _IOWR('k', 0x01, struct kq_kevent), &call), ENOTTY);
	ASSERT_EQ(call.stamp, 0);
}

KQ_TEST(record_sizes, "", "records of 20, 32 and 64 bytes work, no other size does")
{
	struct kq_event_ilp32 small = {
		.ident = 0xfffffff0u, .filter = EVFILT_USER, .flags = EV_ADD | EV_CLEAR,
		.fflags = NOTE_TRIGGER | 5, .data = -5, .udata = 0xdeadbeefu,
	};
	struct kq_event normal;
	struct kq_kevent call;
	int kq = kq_new();

	call = change_call(&small, sizeof(small));
	ASSERT_OK(raw(kq, &call));
	call = collect_call(&normal, sizeof(normal));
	ASSERT_EQ(raw(kq, &call), 1);
	ASSERT_EQ(normal.ident, 0xfffffff0u);
	ASSERT_EQ(normal.filter, EVFILT_USER);
	ASSERT_EQ(normal.flags, EV_ADD | EV_CLEAR);
	ASSERT_EQ(normal.fflags, 5);
	ASSERT_EQ(normal.data, -5);
	ASSERT_EQ(normal.udata, 0xdeadbeefu);

	normal.flags = 0;
	normal.fflags = NOTE_TRIGGER;
	call = change_call(&normal, sizeof(normal));
	ASSERT_OK(raw(kq, &call));
	memset(&small, 0, sizeof(small));
	call = collect_call(&small, sizeof(small));
	ASSERT_EQ(raw(kq, &call), 1);
	ASSERT_EQ(small.ident, 0xfffffff0u);
	ASSERT_EQ(small.filter, EVFILT_USER);
	ASSERT_EQ(small.flags, EV_ADD | EV_CLEAR);
	ASSERT_EQ(small.fflags, 5);
	ASSERT_EQ(small.data, -5);
	ASSERT_EQ(small.udata, 0xdeadbeefu);

	for (uint32_t size = 0; size < 100; size++) {
		if (size == 20 || size == 32 || size == 64)
			continue;
		call = change_call(&normal, size);
		ASSERT_ERR(raw(kq, &call), EINVAL);
		call = collect_call(&normal, size);
		ASSERT_ERR(raw(kq, &call), EINVAL);
	}
	kq_none(kq);
}

KQ_TEST(extension_words, "", "ext[2] and ext[3] come back unchanged, in receipts as well")
{
	struct kq_event_ext event = {
		.ident = 3, .filter = EVFILT_USER, .flags = EV_ADD | EV_RECEIPT,
		.data = -1, .udata = ~0ull, .ext = { 0, 0, 0x1122334455667788ull, ~0ull },
	}, got = { 0 };
	struct kq_kevent call = change_call(&event, sizeof(event));
	int kq = kq_new();

	call.eventlist = (uintptr_t)&got;
	call.nevents = 1;
	ASSERT_EQ(raw(kq, &call), 1);
	ASSERT_EQ(got.flags, EV_ADD | EV_RECEIPT | EV_ERROR);
	ASSERT_EQ(got.data, 0);
	ASSERT_EQ(got.udata, ~0ull);
	ASSERT_EQ(got.ext[2], event.ext[2]);
	ASSERT_EQ(got.ext[3], event.ext[3]);

	event.flags = 0;
	event.fflags = NOTE_TRIGGER;
	call = change_call(&event, sizeof(event));
	ASSERT_OK(raw(kq, &call));
	memset(&got, 0xff, sizeof(got));
	call = collect_call(&got, sizeof(got));
	ASSERT_EQ(raw(kq, &call), 1);
	ASSERT_EQ(got.ident, 3);
	ASSERT_EQ(got.data, -1);
	ASSERT_EQ(got.ext[0], 0);
	ASSERT_EQ(got.ext[1], 0);
	ASSERT_EQ(got.ext[2], event.ext[2]);
	ASSERT_EQ(got.ext[3], event.ext[3]);
}

KQ_TEST(extension_words_of_a_refused_change, "KQ-215", "a change that is refused leaves ext[2] and ext[3] alone")
{
	struct kq_event_ext event = {
		.ident = 3, .filter = EVFILT_TIMER, .flags = EV_ADD | EV_ONESHOT,
		.udata = 1, .ext = { 0, 0, 5, 6 },
	}, got = { 0 };
	struct kq_kevent call = change_call(&event, sizeof(event));
	int kq = kq_new();

	ASSERT_OK(raw(kq, &call));
	event.fflags = NOTE_SECONDS | NOTE_NSECONDS;
	event.udata = 2;
	event.ext[2] = 7;
	event.ext[3] = 8;
	call = change_call(&event, sizeof(event));
	ASSERT_ERR(raw(kq, &call), EINVAL);
	call = collect_call(&got, sizeof(got));
	ASSERT_EQ(raw(kq, &call), 1);
	ASSERT_EQ(got.udata, 1);
	ASSERT_EQ(got.ext[2], 5);
	ASSERT_EQ(got.ext[3], 6);
}

KQ_TEST(reserved_event_flags, "KQ-028", "system and reserved bits of a change's flags are cleared")
{
	struct kevent event;
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0xfc00, NOTE_TRIGGER, 0, NULL));
	event = kq_one(kq);
	ASSERT_EQ(event.flags, EV_ADD);
}

KQ_TEST(nonblock, "", "KQ_KEVENT_NONBLOCK checks the timeout and does not wait for it")
{
	struct kq_event event;
	struct kq_kevent call = collect_call(&event, sizeof(event));
	int64_t limit[2] = { 3600, 0 };
	int kq = kq_new();

	ASSERT_OK(raw(kq, &call));
	call.timeout = (uintptr_t)limit;
	ASSERT_OK(raw(kq, &call));
	/* Since a library may apply the changes with this flag and wait later. */
	limit[1] = -1;
	ASSERT_ERR(raw(kq, &call), EINVAL);
	call.timeout = 8;
	ASSERT_ERR(raw(kq, &call), EFAULT);
}

KQ_TEST(wait_only, "", "KQ_KEVENT_WAIT_ONLY tells of an event and leaves it")
{
	struct kq_event event = { .ident = 77 };
	struct kq_kevent call;
	int64_t limit[2] = { 0, 20 * KQ_MS };
	long long start;
	int kq = kq_new();

	call = collect_call(&event, sizeof(event));
	call.flags = KQ_KEVENT_WAIT_ONLY;
	call.timeout = (uintptr_t)limit;
	start = kq_now();
	ASSERT_OK(raw(kq, &call));
	ASSERT_GE(kq_now() - start, 20 * KQ_MS);

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_ONESHOT, NOTE_TRIGGER, 0, NULL));
	for (int i = 0; i < 3; i++) {
		call = collect_call(&event, sizeof(event));
		call.flags = KQ_KEVENT_WAIT_ONLY;
		ASSERT_EQ(raw(kq, &call), 1);
	}
	ASSERT_EQ(event.ident, 77);
	ASSERT_EQ(kq_one(kq).ident, 1);
	kq_none(kq);
}

KQ_TEST(timeout_ilp32, "", "KQ_KEVENT_TIMEOUT_ILP32 reads two 32-bit words")
{
	struct {
		int32_t seconds, nanoseconds;
	} limit = { 0, 20 * KQ_MS };
	struct kq_event event;
	struct kq_kevent call = collect_call(&event, sizeof(event));
	long long start = kq_now();
	int kq = kq_new();

	call.flags = KQ_KEVENT_TIMEOUT_ILP32;
	call.timeout = (uintptr_t)&limit;
	ASSERT_OK(raw(kq, &call));
	ASSERT_GE(kq_now() - start, 20 * KQ_MS);

	limit.nanoseconds = -1;
	call = collect_call(&event, sizeof(event));
	call.flags = KQ_KEVENT_TIMEOUT_ILP32;
	call.timeout = (uintptr_t)&limit;
	ASSERT_ERR(raw(kq, &call), EINVAL);
}

KQ_TEST(restart_state, "", "a block that says so is neither applied nor timed again")
{
	struct kq_event event, change = { .ident = 1, .filter = EVFILT_USER, .flags = EV_ADD };
	struct kq_kevent call = change_call(&change, sizeof(change));
	int64_t limit[2] = { 1000, 0 };
	int kq = kq_new();

	call.eventlist = (uintptr_t)&event;
	call.nevents = 1;
	call.timeout = (uintptr_t)limit;
	call.state = KQ_STATE_CHANGED | KQ_STATE_DEADLINE;
	call.deadline = kq_now() + 20 * KQ_MS;
	ASSERT_OK(raw(kq, &call));
	ASSERT_GE(kq_now(), call.deadline);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
}

KQ_TEST(far_deadline, "", "a deadline beyond what the clock counts is never reached")
{
	struct kq_event event;
	struct kq_kevent call = collect_call(&event, sizeof(event));
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_TIMER, EV_ONESHOT, 0, 50, NULL));
	call.flags = 0;
	call.state = KQ_STATE_CHANGED | KQ_STATE_DEADLINE;
	call.deadline = ~0ull;
	ASSERT_EQ(raw(kq, &call), 1);
	ASSERT_EQ(event.filter, EVFILT_TIMER);
}
