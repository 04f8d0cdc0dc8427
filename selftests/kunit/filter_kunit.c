// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of filter.c: every row of the table, the check at load, the common rules of change. */
#include "kqt.h"

#include "../../kmod/filter.c"

/* What the documentation promises of each number; the table has to say the same. */
struct kqt_row {
	const char *name;
	s16 filter;
	u16 flags;
	bool edge;		/* counts or collects: forgets by commit */
	bool inherits;		/* has a state of its own to copy */
	bool detaches;		/* hangs on something that is not the descriptor's wait queue */
};

static const struct kqt_row kqt_rows[] = {
	{ "read", EVFILT_READ, KQF_FD, true, true, false },
	{ "write", EVFILT_WRITE, KQF_FD, false, false, false },
	{ "aio", KQ_EVFILT_AIO, KQF_REFUSED },
	{ "vnode", EVFILT_VNODE, KQF_FD | KQF_PATH, true, true, true },
	{ "proc", EVFILT_PROC, KQF_ASIDE, true, true, true },
	{ "signal", EVFILT_SIGNAL, 0, true, false, true },
	{ "timer", EVFILT_TIMER, KQF_TIMER, true, true, true },
	{ "procdesc", EVFILT_PROCDESC, KQF_FD, true, true, true },
	{ "fs", EVFILT_FS, KQF_STALLS, true, true, true },
	{ "lio", KQ_EVFILT_LIO, KQF_REFUSED },
	{ "user", EVFILT_USER, 0, true, true, false },
	{ "empty", EVFILT_EMPTY, KQF_FD, false, false, false },
	{ "except", EVFILT_EXCEPT, KQF_FD, false, false, false },
};

static void kqt_row_name(const struct kqt_row *row, char *name)
{
	strscpy(name, row->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_row, kqt_rows, kqt_row_name);

static void kqt_table_row(struct kunit *test)
{
	const struct kqt_row *row = test->param_value;
	const struct kq_filter_ops *ops = kq_filter_find(row->filter);
	struct kq_knote kn;

	KUNIT_ASSERT_NOT_NULL(test, ops);
	KUNIT_EXPECT_STREQ(test, ops->name, row->name);
	KUNIT_EXPECT_EQ(test, ops->flags, row->flags);
	kq_knote_init(&kn, NULL, -row->filter);
	KUNIT_EXPECT_PTR_EQ(test, kq_filter_ops(&kn), ops);
	KUNIT_EXPECT_EQ(test, kq_filter_number(&kn), row->filter);
	if (row->flags & KQF_REFUSED) {
		KUNIT_EXPECT_NULL(test, ops->eval);
		return;
	}
	KUNIT_EXPECT_TRUE(test, kq_filter_complete(ops, -row->filter));
	KUNIT_EXPECT_EQ(test, kq_knote_is_fd(&kn), !!(row->flags & KQF_FD));
	KUNIT_EXPECT_EQ(test, !!ops->commit, row->edge);
	KUNIT_EXPECT_EQ(test, !!ops->inherit, row->inherits);
	KUNIT_EXPECT_EQ(test, !!ops->detach, row->detaches);
	/* Who detaches has attached, and so has whoever counts. */
	if (row->detaches || row->inherits)
		KUNIT_EXPECT_NOT_NULL(test, ops->attach);
	/* Only what uses the wait queues of a file can be one that nobody wakes. */
	if (ops->polled)
		KUNIT_EXPECT_TRUE(test, !!ops->wakes);
	/* Set aside is what is gone for its ident, and not for the user. */
	if (row->flags & KQF_ASIDE)
		KUNIT_EXPECT_NOT_NULL(test, ops->gone);
}

static void kqt_table_has_no_other_rows(struct kunit *test)
{
	int i, rows = 0;

	for (i = 0; i <= KQ_EVFILT_COUNT; i++)
		rows += !!kq_filters[i];
	KUNIT_EXPECT_EQ(test, rows, (int)ARRAY_SIZE(kqt_rows));
	KUNIT_EXPECT_EQ(test, kq_filter_init(), 0);
}

static void kqt_table_mask(struct kunit *test)
{
	u64 mask = 0;
	int i;

	for (i = 0; i < ARRAY_SIZE(kqt_rows); i++)
		if (!(kqt_rows[i].flags & KQF_REFUSED))
			mask |= BIT_ULL(-kqt_rows[i].filter % 64);
	KUNIT_EXPECT_EQ(test, kq_filter_mask(), mask);
	/* EVFILT_EXCEPT is -64, the one whose bit is not its number. */
	KUNIT_EXPECT_TRUE(test, mask & 1);
}

static const s16 kqt_nothing[] = {
	0, 1, 7, S16_MAX, -12, -14, -63, -65, -66, -128, -256, -257, -(1 << 14), S16_MIN, S16_MIN + 1,
};

static void kqt_nothing_name(const s16 *filter, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "number %d", *filter);
}

KUNIT_ARRAY_PARAM(kqt_nothing, kqt_nothing, kqt_nothing_name);

static void kqt_table_find_nothing(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, kq_filter_find(*(const s16 *)test->param_value));
}

/* One thing wrong with a row that is otherwise right. */
struct kqt_broken {
	const char *name;
	s16 filter;
	void (*breaks)(struct kq_filter_ops *ops);
};

static int kqt_check(const struct kq_fd *kfd)
{
	return 0;
}

static void kqt_detach(struct kq_knote *kn)
{
}

static void kqt_no_name(struct kq_filter_ops *ops)
{
	ops->name = NULL;
}

static void kqt_no_touch(struct kq_filter_ops *ops)
{
	ops->touch = NULL;
}

static void kqt_no_eval(struct kq_filter_ops *ops)
{
	ops->eval = NULL;
}

static void kqt_no_check(struct kq_filter_ops *ops)
{
	ops->check = NULL;
}

static void kqt_small_note(struct kq_filter_ops *ops)
{
	ops->size = sizeof(struct kq_note) - 1;
}

static void kqt_small_extra(struct kq_filter_ops *ops)
{
	ops->size = sizeof(struct kq_extra) - 1;
}

static void kqt_some_size(struct kq_filter_ops *ops)
{
	ops->size = sizeof(struct kq_extra);
}

static void kqt_a_check(struct kq_filter_ops *ops)
{
	ops->check = kqt_check;
}

static void kqt_some_wakes(struct kq_filter_ops *ops)
{
	ops->wakes = KQ_WAKES_READER;
}

static void kqt_a_detach(struct kq_filter_ops *ops)
{
	ops->detach = kqt_detach;
}

static const struct kqt_broken kqt_broken[] = {
	{ "no name", EVFILT_USER, kqt_no_name },
	{ "no touch", EVFILT_TIMER, kqt_no_touch },
	{ "no eval", EVFILT_READ, kqt_no_eval },
	{ "a note too small for its head", EVFILT_PROC, kqt_small_note },
	{ "a note with a check", EVFILT_USER, kqt_a_check },
	{ "a note on wait queues", EVFILT_USER, kqt_some_wakes },
	{ "read without a check", EVFILT_READ, kqt_no_check },
	{ "read with a size", EVFILT_READ, kqt_some_size },
	{ "write with a detach", EVFILT_WRITE, kqt_a_detach },
	{ "a descriptor without a check", EVFILT_VNODE, kqt_no_check },
	{ "too small for its head", EVFILT_EMPTY, kqt_small_extra },
};

static void kqt_broken_name(const struct kqt_broken *b, char *name)
{
	strscpy(name, b->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_broken, kqt_broken, kqt_broken_name);

static void kqt_table_check_finds(struct kunit *test)
{
	const struct kqt_broken *b = test->param_value;
	struct kq_filter_ops ops = *kq_filter_find(b->filter);

	KUNIT_EXPECT_TRUE(test, kq_filter_complete(&ops, -b->filter));
	b->breaks(&ops);
	KUNIT_EXPECT_FALSE(test, kq_filter_complete(&ops, -b->filter));
}

/* Changes */

struct kqt_touch {
	const char *name;
	u16 flags;
	u32 fflags;
	s64 data;
	bool replaces;
};

static const struct kqt_touch kqt_touches[] = {
	{ "nothing", 0, 0, 0, false },
	{ "enable", EV_ENABLE, 0, 0, false },
	{ "disable", EV_DISABLE, 0, 0, false },
	{ "all flags but add", (u16)~EV_ADD, 0, 0, false },
	{ "add", EV_ADD, 0, 0, true },
	{ "fflags", 0, 1, 0, true },
	{ "the highest of fflags", EV_ENABLE, 1u << 31, 0, true },
	{ "data", 0, 0, 1, true },
	{ "negative data", EV_DISABLE, 0, -1, true },
	{ "the high half of data", 0, 0, 1ll << 32, true },
};

static void kqt_touch_name(const struct kqt_touch *t, char *name)
{
	strscpy(name, t->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_touch, kqt_touches, kqt_touch_name);

static void kqt_touch_words(struct kunit *test)
{
	const struct kqt_touch *t = test->param_value;
	const struct kq_event_ext ev = { .flags = t->flags, .fflags = t->fflags, .data = t->data };
	struct kq_knote kn = { .sfflags = 77, .sdata = 88, .flags = EV_ADD, .udata = 99 };

	KUNIT_EXPECT_EQ(test, kq_replaces_words(&ev), t->replaces);
	KUNIT_EXPECT_EQ(test, kq_touch_words(&kn, &ev), 0);
	KUNIT_EXPECT_EQ(test, kn.sfflags, t->replaces ? t->fflags : 77);
	KUNIT_EXPECT_EQ(test, kn.sdata, t->replaces ? t->data : 88);
	KUNIT_EXPECT_EQ(test, kn.flags, EV_ADD);
	KUNIT_EXPECT_EQ(test, kn.udata, 99);
}

/* NOTE_ bits */

static void kqt_notes_taken_and_delivered(struct kunit *test)
{
	struct kq_knote level = { .flags = EV_ADD }, edge = { .flags = EV_ADD | EV_CLEAR };
	struct kq_notes notes;

	kq_notes_init(&notes);
	KUNIT_EXPECT_EQ(test, kq_notes_take(&notes), 0);
	atomic_or(NOTE_WRITE, &notes.fresh);
	atomic_or(NOTE_EXTEND, &notes.fresh);
	KUNIT_EXPECT_EQ(test, kq_notes_take(&notes), NOTE_WRITE | NOTE_EXTEND);
	/* Not delivered yet: a further look sees them still. */
	KUNIT_EXPECT_EQ(test, kq_notes_take(&notes), NOTE_WRITE | NOTE_EXTEND);
	kq_notes_commit(&level, &notes);
	KUNIT_EXPECT_EQ(test, kq_notes_take(&notes), NOTE_WRITE | NOTE_EXTEND);
	/* What comes between the look and the delivery is not lost with it. */
	atomic_or(NOTE_LINK | NOTE_WRITE, &notes.fresh);
	kq_notes_commit(&edge, &notes);
	KUNIT_EXPECT_EQ(test, kq_notes_take(&notes), NOTE_LINK | NOTE_WRITE);
	kq_notes_commit(&edge, &notes);
	KUNIT_EXPECT_EQ(test, kq_notes_take(&notes), 0);
}

static void kqt_notes_copied(struct kunit *test)
{
	struct kq_notes from, to;

	kq_notes_init(&from);
	kq_notes_init(&to);
	from.taken = NOTE_DELETE;
	atomic_or(NOTE_ATTRIB, &from.fresh);
	kq_notes_copy(&to, &from);
	KUNIT_EXPECT_EQ(test, kq_notes_take(&to), NOTE_DELETE | NOTE_ATTRIB);
	/* The original has them still. */
	KUNIT_EXPECT_EQ(test, kq_notes_take(&from), NOTE_DELETE | NOTE_ATTRIB);
}

static struct kunit_case kqt_filter_cases[] = {
	KUNIT_CASE_PARAM(kqt_table_row, kqt_row_gen_params),
	KUNIT_CASE(kqt_table_has_no_other_rows),
	KUNIT_CASE(kqt_table_mask),
	KUNIT_CASE_PARAM(kqt_table_find_nothing, kqt_nothing_gen_params),
	KUNIT_CASE_PARAM(kqt_table_check_finds, kqt_broken_gen_params),
	KUNIT_CASE_PARAM(kqt_touch_words, kqt_touch_gen_params),
	KUNIT_CASE(kqt_notes_taken_and_delivered),
	KUNIT_CASE(kqt_notes_copied),
	{}
};

static struct kunit_suite kqt_filter_suite = {
	.name = "kqueue_filter",
	.test_cases = kqt_filter_cases,
};

kunit_test_suite(kqt_filter_suite);
