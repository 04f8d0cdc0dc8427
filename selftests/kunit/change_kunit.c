// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of what a change does: its flags, its words, its errors, records of each size, copies. */
#include "kqt.h"

#define KQT_IDENT	42
#define KQT_UDATA	0x1111222233334444ull
#define KQT_OTHER	0x5555666677778888ull

/* One change of a queue that has nothing yet. */
struct kqt_first {
	const char *name;
	s16 filter;
	u16 flags;
	u32 fflags;
	int err;
	u16 stored;		/* kn->flags */
	u32 status;		/* of these: */
};

#define KQT_STATUS	(KN_LIVE | KN_DISABLED | KN_ACTIVE | KN_QUEUED | KN_FORCED)

static const struct kqt_first kqt_firsts[] = {
	{ "add", EVFILT_USER, EV_ADD, 0, 0, EV_ADD, KN_LIVE },
	{ "add and trigger", EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, EV_ADD,
	  KN_LIVE | KN_ACTIVE | KN_QUEUED },
	{ "add, enable", EVFILT_USER, EV_ADD | EV_ENABLE, 0, 0, EV_ADD, KN_LIVE },
	{ "add, disable", EVFILT_USER, EV_ADD | EV_DISABLE, 0, 0, EV_ADD, KN_LIVE | KN_DISABLED },
	{ "add, disable and trigger", EVFILT_USER, EV_ADD | EV_DISABLE, NOTE_TRIGGER, 0, EV_ADD,
	  KN_LIVE | KN_DISABLED },
	{ "add, oneshot", EVFILT_USER, EV_ADD | EV_ONESHOT, 0, 0, EV_ADD | EV_ONESHOT, KN_LIVE },
	{ "add, clear", EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, EV_ADD | EV_CLEAR, KN_LIVE },
	{ "add, dispatch", EVFILT_USER, EV_ADD | EV_DISPATCH, 0, 0, EV_ADD | EV_DISPATCH, KN_LIVE },
	{ "all that stay", EVFILT_USER, EV_ADD | EV_ONESHOT | EV_CLEAR | EV_DISPATCH, 0, 0,
	  EV_ADD | EV_ONESHOT | EV_CLEAR | EV_DISPATCH, KN_LIVE },
	{ "add, forced", EVFILT_USER, EV_ADD | EV_FORCEONESHOT, 0, 0, EV_ADD | EV_ONESHOT,
	  KN_LIVE | KN_ACTIVE | KN_QUEUED | KN_FORCED },
	{ "add, forced, disabled", EVFILT_USER, EV_ADD | EV_FORCEONESHOT | EV_DISABLE, 0, 0,
	  EV_ADD | EV_ONESHOT, KN_LIVE | KN_ACTIVE | KN_FORCED | KN_DISABLED },
	{ "what only the kernel sets", EVFILT_USER, EV_ADD | EV_SYSFLAGS | KQ_EV_RESERVED, 0, 0,
	  EV_ADD, KN_LIVE },
	{ "a timer is clear", EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 0, EV_ADD | EV_CLEAR, KN_LIVE },
	{ "enable and disable", EVFILT_USER, EV_ADD | EV_ENABLE | EV_DISABLE, 0, -EINVAL },
	{ "add and keep", EVFILT_USER, EV_ADD | EV_KEEPUDATA, 0, -EINVAL },
	{ "both before what is missing", EVFILT_USER, EV_ENABLE | EV_DISABLE, 0, -EINVAL },
	{ "nothing", EVFILT_USER, 0, 0, -ENOENT },
	{ "enable", EVFILT_USER, EV_ENABLE, 0, -ENOENT },
	{ "trigger", EVFILT_USER, 0, NOTE_TRIGGER, -ENOENT },
	{ "delete", EVFILT_USER, EV_DELETE, 0, -ENOENT },
	{ "keep", EVFILT_USER, EV_KEEPUDATA, 0, -ENOENT },
	{ "no such filter", -12, EV_ADD, 0, -EINVAL },
	{ "no filter", 0, EV_ADD, 0, -EINVAL },
	{ "elsewhere", KQ_EVFILT_AIO, EV_ADD, 0, -EPERM },
	{ "elsewhere, nothing", KQ_EVFILT_LIO, 0, 0, -EPERM },
	{ "two units", EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_USECONDS, -EINVAL },
};

static void kqt_first_name(const struct kqt_first *f, char *name)
{
	strscpy(name, f->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_first, kqt_firsts, kqt_first_name);

static void kqt_first_change(struct kunit *test)
{
	const struct kqt_first *f = test->param_value;
	struct kq *kq = test->priv;
	struct kq_knote *kn;

	KUNIT_EXPECT_EQ(test, kqt_change(kq, KQT_IDENT, f->filter, f->flags, f->fflags, 3600,
					 KQT_UDATA), f->err);
	if (f->err) {
		KUNIT_EXPECT_EQ(test, kq->nidents, 0);
		return;
	}
	kn = kqt_knote(kq, KQT_IDENT, f->filter);
	KUNIT_ASSERT_NOT_NULL(test, kn);
	KUNIT_EXPECT_EQ(test, kn->flags, f->stored);
	KUNIT_EXPECT_EQ(test, kn->status & KQT_STATUS, f->status);
	KUNIT_EXPECT_EQ(test, kn->udata, KQT_UDATA);
	KUNIT_EXPECT_EQ(test, kn->sdata, 3600);
	KUNIT_EXPECT_FALSE(test, kn->status & KN_IN_FLUX);
}

/* A change of a knote that is there: made with EV_ADD | made, then so changed. */
struct kqt_later {
	const char *name;
	u16 made;
	u16 flags;
	u32 fflags;
	u16 stored;
	u32 status;
	u64 udata;
};

static const struct kqt_later kqt_laters[] = {
	{ "nothing", 0, 0, 0, EV_ADD, KN_LIVE, KQT_OTHER },
	{ "keep", 0, EV_KEEPUDATA, 0, EV_ADD, KN_LIVE, KQT_UDATA },
	{ "keep and trigger", 0, EV_KEEPUDATA, NOTE_TRIGGER, EV_ADD, KN_LIVE | KN_ACTIVE | KN_QUEUED,
	  KQT_UDATA },
	{ "disable", 0, EV_DISABLE, 0, EV_ADD, KN_LIVE | KN_DISABLED, KQT_OTHER },
	{ "enable", EV_DISABLE, EV_ENABLE, 0, EV_ADD, KN_LIVE, KQT_OTHER },
	{ "enable what is enabled", 0, EV_ENABLE, 0, EV_ADD, KN_LIVE, KQT_OTHER },
	{ "add does not enable", EV_DISABLE, EV_ADD, 0, EV_ADD, KN_LIVE | KN_DISABLED, KQT_OTHER },
	{ "trigger does not enable", EV_DISABLE, 0, NOTE_TRIGGER, EV_ADD, KN_LIVE | KN_DISABLED,
	  KQT_OTHER },
	{ "enable and trigger", EV_DISABLE, EV_ENABLE, NOTE_TRIGGER, EV_ADD,
	  KN_LIVE | KN_ACTIVE | KN_QUEUED, KQT_OTHER },
	{ "oneshot comes too late", 0, EV_ADD | EV_ONESHOT, 0, EV_ADD, KN_LIVE, KQT_OTHER },
	{ "clear comes too late", 0, EV_ADD | EV_CLEAR, 0, EV_ADD, KN_LIVE, KQT_OTHER },
	{ "dispatch comes too late", 0, EV_ADD | EV_DISPATCH, 0, EV_ADD, KN_LIVE, KQT_OTHER },
	{ "flags stay", EV_ONESHOT | EV_CLEAR | EV_DISPATCH, EV_ADD, 0,
	  EV_ADD | EV_ONESHOT | EV_CLEAR | EV_DISPATCH, KN_LIVE, KQT_OTHER },
	{ "forced", 0, EV_FORCEONESHOT, 0, EV_ADD | EV_ONESHOT,
	  KN_LIVE | KN_ACTIVE | KN_QUEUED | KN_FORCED, KQT_OTHER },
	{ "forced does not enable", EV_DISABLE, EV_FORCEONESHOT, 0, EV_ADD | EV_ONESHOT,
	  KN_LIVE | KN_ACTIVE | KN_FORCED | KN_DISABLED, KQT_OTHER },
	{ "forced and enabled", EV_DISABLE, EV_FORCEONESHOT | EV_ENABLE, 0, EV_ADD | EV_ONESHOT,
	  KN_LIVE | KN_ACTIVE | KN_QUEUED | KN_FORCED, KQT_OTHER },
};

static void kqt_later_name(const struct kqt_later *l, char *name)
{
	strscpy(name, l->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_later, kqt_laters, kqt_later_name);

static void kqt_later_change(struct kunit *test)
{
	const struct kqt_later *l = test->param_value;
	struct kq *kq = test->priv;
	struct kq_knote *kn;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_ADD | l->made, 0, 0,
					 KQT_UDATA), 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, l->flags, l->fflags, 0,
					 KQT_OTHER), 0);
	kn = kqt_knote(kq, KQT_IDENT, EVFILT_USER);
	KUNIT_ASSERT_NOT_NULL(test, kn);
	KUNIT_EXPECT_EQ(test, kn->flags, l->stored);
	KUNIT_EXPECT_EQ(test, kn->status & KQT_STATUS, l->status);
	KUNIT_EXPECT_EQ(test, kn->udata, l->udata);
	KUNIT_EXPECT_EQ(test, kq->nidents, 1);
	KUNIT_EXPECT_EQ(test, kq->nready, !!(l->status & KN_QUEUED));
}

/* A change that is refused leaves all as it was, the word that would have come with it too. */
static void kqt_later_change_refused(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_knote *kn;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600,
					 KQT_UDATA), 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_TIMER, EV_DISABLE, 0, -1, KQT_OTHER),
			-EINVAL);
	kn = kqt_knote(kq, KQT_IDENT, EVFILT_TIMER);
	KUNIT_ASSERT_NOT_NULL(test, kn);
	KUNIT_EXPECT_EQ(test, kn->udata, KQT_UDATA);
	KUNIT_EXPECT_EQ(test, kn->sdata, 3600);
	KUNIT_EXPECT_EQ(test, kn->status & (KN_LIVE | KN_DISABLED | KN_FLUX), KN_LIVE);
}

static void kqt_later_change_deletes(struct kunit *test)
{
	struct kq *kq = test->priv;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0), 0);
	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_TIMER, EV_ADD, 0, 3600000, 0), 0);
	/* Delete is the stronger, and takes the one of its filter alone. */
	KUNIT_EXPECT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_ADD | EV_DELETE, 0, 0, 0), 0);
	KUNIT_EXPECT_NULL(test, kqt_knote(kq, KQT_IDENT, EVFILT_USER));
	KUNIT_EXPECT_NOT_NULL(test, kqt_knote(kq, KQT_IDENT, EVFILT_TIMER));
	KUNIT_EXPECT_EQ(test, kq->nready, 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_DELETE, 0, 0, 0), -ENOENT);
}

static void kqt_forced_is_delivered_once(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_event_ext events[2];

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600,
					 KQT_UDATA), 0);
	KUNIT_EXPECT_EQ(test, kqt_collect(kq, events, 2), 0);
	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_TIMER, EV_FORCEONESHOT | EV_KEEPUDATA,
					 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_collect(kq, events, 2), 1);
	KUNIT_EXPECT_EQ(test, events[0].udata, KQT_UDATA);
	KUNIT_EXPECT_EQ(test, events[0].data, 0);
	KUNIT_EXPECT_TRUE(test, events[0].flags & EV_ONESHOT);
	KUNIT_EXPECT_NULL(test, kqt_knote(kq, KQT_IDENT, EVFILT_TIMER));
}

/* ext[2] and ext[3] belong to the user; room for them is made when they are first used. */
static void kqt_ext_words(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_event_ext ev = { .ident = KQT_IDENT, .filter = EVFILT_USER, .flags = EV_ADD };
	struct kq_event_ext out;
	struct kq_knote *kn;

	KUNIT_ASSERT_EQ(test, kqt_call(kq, &ev, 1, NULL, 0), 0);
	kn = kqt_knote(kq, KQT_IDENT, EVFILT_USER);
	KUNIT_ASSERT_NOT_NULL(test, kn);
	KUNIT_EXPECT_NULL(test, kn->ext);
	ev.ext[0] = 1;
	ev.ext[1] = 2;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, &ev, 1, NULL, 0), 0);
	KUNIT_EXPECT_NULL(test, kn->ext);
	ev.ext[3] = U64_MAX;
	ev.fflags = NOTE_TRIGGER;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, &ev, 1, &out, 0), 0);
	KUNIT_ASSERT_EQ(test, kqt_collect(kq, &out, 1), 1);
	KUNIT_EXPECT_EQ(test, out.ext[0], 0);
	KUNIT_EXPECT_EQ(test, out.ext[1], 0);
	KUNIT_EXPECT_EQ(test, out.ext[2], 0);
	KUNIT_EXPECT_EQ(test, out.ext[3], U64_MAX);
	/* Kept with udata, and replaced with it. */
	ev.flags = EV_KEEPUDATA;
	ev.ext[3] = 5;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, &ev, 1, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, kn->ext[1], U64_MAX);
	ev.flags = 0;
	ev.ext[2] = 6;
	ev.ext[3] = 0;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, &ev, 1, NULL, 0), 0);
	KUNIT_EXPECT_EQ(test, kn->ext[0], 6);
	KUNIT_EXPECT_EQ(test, kn->ext[1], 0);
}

/* Lists of changes */

static void kqt_list_of(struct kq_event_ext *list, int n)
{
	int i;

	for (i = 0; i < n; i++)
		list[i] = (struct kq_event_ext){
			.ident = i, .filter = EVFILT_USER, .flags = EV_ADD, .fflags = NOTE_TRIGGER,
		};
}

static const int kqt_lengths[] = { 1, KQ_BATCH - 1, KQ_BATCH, KQ_BATCH + 1, 2 * KQ_BATCH + 1 };

static void kqt_length_name(const int *length, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%d changes", *length);
}

KUNIT_ARRAY_PARAM(kqt_length, kqt_lengths, kqt_length_name);

/* Both lists in one array: a batch is read before anything is written over it. */
static void kqt_list_in_place(struct kunit *test)
{
	int n = *(const int *)test->param_value, i;
	struct kq *kq = test->priv;
	struct kq_event_ext *list = kunit_kcalloc(test, n, sizeof(*list), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, list);
	kqt_list_of(list, n);
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, n, list, n), n);
	KUNIT_EXPECT_EQ(test, kq->nidents, n);
	for (i = 0; i < n; i++) {
		KUNIT_EXPECT_EQ(test, list[i].ident, i);
		KUNIT_EXPECT_FALSE(test, list[i].flags & EV_ERROR);
	}
}

/* Without room the first bad change ends the call, and what came before it stays. */
static void kqt_list_bad_without_room(struct kunit *test)
{
	int n = *(const int *)test->param_value, bad = n / 2;
	struct kq *kq = test->priv;
	struct kq_event_ext *list = kunit_kcalloc(test, n, sizeof(*list), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, list);
	kqt_list_of(list, n);
	list[bad].filter = -12;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, n, NULL, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, kq->nidents, bad);
}

/* With room it becomes a record, and the rest is done; events wait for the next call. */
static void kqt_list_bad_with_room(struct kunit *test)
{
	int n = *(const int *)test->param_value, bad = n / 2;
	struct kq *kq = test->priv;
	struct kq_event_ext *list = kunit_kcalloc(test, n, sizeof(*list), GFP_KERNEL), event;

	KUNIT_ASSERT_NOT_NULL(test, list);
	kqt_list_of(list, n);
	list[bad].filter = KQ_EVFILT_AIO;
	list[bad].udata = KQT_UDATA;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, n, &event, 1), 1);
	KUNIT_EXPECT_EQ(test, kq->nidents, n - 1);
	KUNIT_EXPECT_EQ(test, event.ident, bad);
	KUNIT_EXPECT_TRUE(test, event.flags & EV_ERROR);
	KUNIT_EXPECT_EQ(test, event.data, EPERM);
	KUNIT_EXPECT_EQ(test, event.udata, KQT_UDATA);
}

static void kqt_receipts(struct kunit *test)
{
	struct kq *kq = test->priv;
	struct kq_event_ext list[3], events[3];
	int i;

	kqt_list_of(list, 3);
	for (i = 0; i < 3; i++)
		list[i].flags |= EV_RECEIPT;
	list[1].filter = -12;
	/* No room for the third: it is done, a receipt is no reason to fail. */
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, 3, events, 2), 2);
	KUNIT_EXPECT_EQ(test, kq->nidents, 2);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, events[i].ident, i);
		KUNIT_EXPECT_TRUE(test, events[i].flags & EV_ERROR);
		KUNIT_EXPECT_EQ(test, events[i].data, i ? EINVAL : 0);
	}
}

static void kqt_list_unreadable(struct kunit *test)
{
	struct kq_event_ext list[1];
	struct kq *kq = test->priv;

	kqt_list_of(list, 1);
	kqt_user.unreadable = true;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, 1, NULL, 0), -EFAULT);
	KUNIT_EXPECT_EQ(test, kq->nidents, 0);
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, -1, NULL, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, 0, NULL, 0), 0);
}

static void kqt_report_unwritable(struct kunit *test)
{
	struct kq_event_ext list[2], event;
	struct kq *kq = test->priv;

	kqt_list_of(list, 2);
	list[0].flags |= EV_RECEIPT;
	kqt_user.writable = sizeof(event) - 1;
	KUNIT_EXPECT_EQ(test, kqt_call(kq, list, 2, &event, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, kq->nidents, 1);
}

/* Records of 32-bit programs: numbers are not extended, results are cut to what fits. */

static const s64 kqt_datas[] = {
	0, 1, -1, S32_MAX, S32_MAX + 1ll, S32_MIN, S32_MIN - 1ll, U32_MAX, S64_MAX, S64_MIN,
};

static void kqt_data_name(const s64 *data, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "data %lld", *data);
}

KUNIT_ARRAY_PARAM(kqt_data, kqt_datas, kqt_data_name);

static void kqt_record_of_each_size(struct kunit *test)
{
	s64 data = *(const s64 *)test->param_value;
	struct kq_event_ilp32 small = {};
	struct kq *kq = test->priv;
	struct kq_event plain = {};

	KUNIT_ASSERT_EQ(test, kqt_change(kq, U32_MAX, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0,
					 KQT_UDATA), 0);
	KUNIT_ASSERT_EQ(test, kqt_change(kq, U32_MAX, EVFILT_USER, EV_KEEPUDATA, 0, data, 0), 0);
	kqt_user.record_size = sizeof(plain);
	KUNIT_ASSERT_EQ(test, kqt_call(kq, NULL, 0, &plain, 1), 1);
	KUNIT_EXPECT_EQ(test, plain.ident, U32_MAX);
	KUNIT_EXPECT_EQ(test, plain.filter, EVFILT_USER);
	KUNIT_EXPECT_EQ(test, plain.data, data);
	KUNIT_EXPECT_EQ(test, plain.udata, KQT_UDATA);
	kqt_user.record_size = sizeof(small);
	KUNIT_ASSERT_EQ(test, kqt_call(kq, NULL, 0, &small, 1), 1);
	KUNIT_EXPECT_EQ(test, small.ident, U32_MAX);
	KUNIT_EXPECT_EQ(test, small.filter, EVFILT_USER);
	KUNIT_EXPECT_EQ(test, small.data, (s32)clamp(data, (s64)S32_MIN, (s64)S32_MAX));
	KUNIT_EXPECT_EQ(test, small.udata, lower_32_bits(KQT_UDATA));
}

static void kqt_record_read_small(struct kunit *test)
{
	struct kq_event_ilp32 small = {
		.ident = U32_MAX, .filter = EVFILT_USER, .flags = EV_ADD, .fflags = NOTE_TRIGGER,
		.udata = U32_MAX,
	};
	struct kq *kq = test->priv;
	struct kq_knote *kn;

	kqt_user.record_size = sizeof(small);
	KUNIT_ASSERT_EQ(test, kqt_call(kq, &small, 1, NULL, 0), 0);
	small.flags = EV_KEEPUDATA;
	small.data = -1;
	KUNIT_ASSERT_EQ(test, kqt_call(kq, &small, 1, NULL, 0), 0);
	KUNIT_EXPECT_NULL(test, kqt_knote(kq, U64_MAX, EVFILT_USER));
	kn = kqt_knote(kq, U32_MAX, EVFILT_USER);
	KUNIT_ASSERT_NOT_NULL(test, kn);
	KUNIT_EXPECT_EQ(test, kn->udata, U32_MAX);
	KUNIT_EXPECT_EQ(test, kn->sdata, -1);
	KUNIT_EXPECT_NULL(test, kn->ext);
}

static const u32 kqt_sizes[] = { 0, 1, 19, 21, 31, 33, 63, 65, 128, U32_MAX };

static void kqt_size_name(const u32 *size, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "size %u", *size);
}

KUNIT_ARRAY_PARAM(kqt_size, kqt_sizes, kqt_size_name);

static void kqt_record_of_no_size(struct kunit *test)
{
	kqt_user.record_size = *(const u32 *)test->param_value;
	KUNIT_EXPECT_EQ(test, kqt_call(test->priv, NULL, 0, NULL, 0), -EINVAL);
}

/* Copies in another queue */

struct kqt_copy {
	const char *name;
	u16 made;
	u32 fflags;
	u16 then;
	u16 stored;
	u32 status;
};

static const struct kqt_copy kqt_copies[] = {
	{ "idle", 0, 0, 0, EV_ADD, KN_LIVE },
	{ "triggered", 0, NOTE_TRIGGER, 0, EV_ADD, KN_LIVE | KN_ACTIVE | KN_QUEUED },
	{ "disabled", EV_DISABLE, 0, 0, EV_ADD, KN_LIVE | KN_DISABLED },
	{ "triggered, disabled", EV_DISABLE, NOTE_TRIGGER, 0, EV_ADD, KN_LIVE | KN_DISABLED },
	{ "flags", EV_ONESHOT | EV_CLEAR | EV_DISPATCH, 0, 0,
	  EV_ADD | EV_ONESHOT | EV_CLEAR | EV_DISPATCH, KN_LIVE },
	{ "forced", 0, 0, EV_FORCEONESHOT, EV_ADD | EV_ONESHOT,
	  KN_LIVE | KN_ACTIVE | KN_QUEUED | KN_FORCED },
	{ "forced, disabled", EV_DISABLE, 0, EV_FORCEONESHOT, EV_ADD | EV_ONESHOT,
	  KN_LIVE | KN_ACTIVE | KN_FORCED | KN_DISABLED },
};

static void kqt_copy_name(const struct kqt_copy *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_copy, kqt_copies, kqt_copy_name);

static int kqt_register_copy(struct kq *child, struct kq_knote *from)
{
	struct kq_drops drops = { .list = LLIST_HEAD_INIT(drops.list) };
	int err;

	raw_spin_lock_irq(&from->kq->lock);
	kq_flux_begin(from, true);
	raw_spin_unlock_irq(&from->kq->lock);
	err = kq_register_copy(child, from, &drops);
	raw_spin_lock_irq(&from->kq->lock);
	kq_knote_release(from, false, &drops);
	return err;
}

static void kqt_copied(struct kunit *test)
{
	const struct kqt_copy *c = test->param_value;
	struct kq *kq = test->priv, *child = kqt_queue_open(test);
	struct kq_knote *from, *to;
	u32 before;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_ADD | c->made, c->fflags | 5,
					 77, KQT_UDATA), 0);
	if (c->then)
		KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, c->then | EV_KEEPUDATA,
						 0, 77, 0), 0);
	from = kqt_knote(kq, KQT_IDENT, EVFILT_USER);
	before = from->status;
	KUNIT_EXPECT_EQ(test, kqt_register_copy(child, from), 0);
	to = kqt_knote(child, KQT_IDENT, EVFILT_USER);
	KUNIT_ASSERT_NOT_NULL(test, to);
	KUNIT_EXPECT_EQ(test, to->flags, c->stored);
	KUNIT_EXPECT_EQ(test, to->status & KQT_STATUS, c->status);
	KUNIT_EXPECT_EQ(test, to->udata, KQT_UDATA);
	KUNIT_EXPECT_EQ(test, to->sdata, 77);
	KUNIT_EXPECT_EQ(test, to->sfflags, 5);
	/* The original is as it was, and both go their own way. */
	KUNIT_EXPECT_EQ(test, from->status, before);
	KUNIT_EXPECT_EQ(test, kqt_change(child, KQT_IDENT, EVFILT_USER, EV_DELETE, 0, 0, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, kqt_knote(kq, KQT_IDENT, EVFILT_USER), from);
}

static void kqt_copied_twice(struct kunit *test)
{
	struct kq *kq = test->priv, *child = kqt_queue_open(test);
	struct kq_knote *from;

	KUNIT_ASSERT_EQ(test, kqt_change(kq, KQT_IDENT, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	from = kqt_knote(kq, KQT_IDENT, EVFILT_USER);
	KUNIT_EXPECT_EQ(test, kqt_register_copy(child, from), 0);
	KUNIT_EXPECT_EQ(test, kqt_register_copy(child, from), -EEXIST);
	KUNIT_EXPECT_EQ(test, child->nidents, 1);
}

static struct kunit_case kqt_change_cases[] = {
	KUNIT_CASE_PARAM(kqt_first_change, kqt_first_gen_params),
	KUNIT_CASE_PARAM(kqt_later_change, kqt_later_gen_params),
	KUNIT_CASE(kqt_later_change_refused),
	KUNIT_CASE(kqt_later_change_deletes),
	KUNIT_CASE(kqt_forced_is_delivered_once),
	KUNIT_CASE(kqt_ext_words),
	KUNIT_CASE_PARAM(kqt_list_in_place, kqt_length_gen_params),
	KUNIT_CASE_PARAM(kqt_list_bad_without_room, kqt_length_gen_params),
	KUNIT_CASE_PARAM(kqt_list_bad_with_room, kqt_length_gen_params),
	KUNIT_CASE(kqt_receipts),
	KUNIT_CASE(kqt_list_unreadable),
	KUNIT_CASE(kqt_report_unwritable),
	KUNIT_CASE_PARAM(kqt_record_of_each_size, kqt_data_gen_params),
	KUNIT_CASE(kqt_record_read_small),
	KUNIT_CASE_PARAM(kqt_record_of_no_size, kqt_size_gen_params),
	KUNIT_CASE_PARAM(kqt_copied, kqt_copy_gen_params),
	KUNIT_CASE(kqt_copied_twice),
	{}
};

static struct kunit_suite kqt_change_suite = {
	.name = "kqueue_change",
	.init = kqt_queue_init,
	.exit = kqt_queue_exit,
	.test_cases = kqt_change_cases,
};

kunit_test_suite(kqt_change_suite);
