// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of the state table: what every operation makes of a knote in
 * every state, for a condition that is looked at (READ on a pipe) and for one
 * that is recorded (USER).
 */
#include "kq_test.h"

enum state {
	ABSENT,
	IDLE,
	ACTIVE,
	OFF,		/* disabled, idle */
	OFF_PENDING,	/* disabled, active */
	SPENT,		/* EV_CLEAR, delivered, condition still true; only a start */
};

enum operation {
	OP_TRUE = 0x10000,	/* the condition becomes true, or an event is recorded */
	OP_FALSE,		/* it becomes false again */
	OP_SCAN,		/* delivered if it can be */
};

struct row {
	const char *name;
	unsigned int operation;	/* flags of a change, or one of enum operation */
	unsigned int make;	/* flags at creation */
	enum state start, end;
	enum state recorded_end;	/* for USER */
	int error;
};

/* Both kinds behave the same. */
#define ROW(operation_name, operation, start, end) \
	{ operation_name "." #start, operation, 0, start, end, end, 0 }
#define ROW_ABSENT(operation_name, operation) \
	{ operation_name ".ABSENT", operation, 0, ABSENT, ABSENT, ABSENT, ENOENT }
/* They differ, or the flags at creation matter. */
#define ROW_MADE(name, operation, make, start, end, recorded_end) \
	{ name "." #start, operation, make, start, end, recorded_end, 0 }

static const struct row rows[] = {
	ROW("add", EV_ADD, ABSENT, IDLE),
	ROW("add", EV_ADD, IDLE, IDLE),
	ROW("add", EV_ADD, ACTIVE, ACTIVE),
	ROW("add", EV_ADD, OFF, OFF),
	ROW("add", EV_ADD, OFF_PENDING, OFF_PENDING),
	ROW_MADE("add", EV_ADD, EV_CLEAR, SPENT, ACTIVE, IDLE),

	ROW("add_disable", EV_ADD | EV_DISABLE, ABSENT, OFF),
	ROW("add_disable", EV_ADD | EV_DISABLE, IDLE, OFF),
	ROW("add_disable", EV_ADD | EV_DISABLE, ACTIVE, OFF_PENDING),
	ROW("add_disable", EV_ADD | EV_DISABLE, OFF, OFF),
	ROW("add_disable", EV_ADD | EV_DISABLE, OFF_PENDING, OFF_PENDING),

	ROW("add_enable", EV_ADD | EV_ENABLE, ABSENT, IDLE),
	ROW("add_enable", EV_ADD | EV_ENABLE, IDLE, IDLE),
	ROW("add_enable", EV_ADD | EV_ENABLE, ACTIVE, ACTIVE),
	ROW("add_enable", EV_ADD | EV_ENABLE, OFF, IDLE),
	ROW("add_enable", EV_ADD | EV_ENABLE, OFF_PENDING, ACTIVE),
	ROW_MADE("add_enable", EV_ADD | EV_ENABLE, EV_CLEAR, SPENT, ACTIVE, IDLE),

	ROW_ABSENT("enable", EV_ENABLE),
	ROW("enable", EV_ENABLE, IDLE, IDLE),
	ROW("enable", EV_ENABLE, ACTIVE, ACTIVE),
	ROW("enable", EV_ENABLE, OFF, IDLE),
	ROW("enable", EV_ENABLE, OFF_PENDING, ACTIVE),
	ROW_MADE("enable", EV_ENABLE, EV_CLEAR, SPENT, ACTIVE, IDLE),

	ROW_ABSENT("disable", EV_DISABLE),
	ROW("disable", EV_DISABLE, IDLE, OFF),
	ROW("disable", EV_DISABLE, ACTIVE, OFF_PENDING),
	ROW("disable", EV_DISABLE, OFF, OFF),
	ROW("disable", EV_DISABLE, OFF_PENDING, OFF_PENDING),

	ROW_ABSENT("flags_0", 0),
	ROW("flags_0", 0, IDLE, IDLE),
	ROW("flags_0", 0, ACTIVE, ACTIVE),
	ROW("flags_0", 0, OFF, OFF),
	ROW("flags_0", 0, OFF_PENDING, OFF_PENDING),
	ROW_MADE("flags_0", 0, EV_CLEAR, SPENT, ACTIVE, IDLE),

	ROW_ABSENT("delete", EV_DELETE),
	ROW("delete", EV_DELETE, IDLE, ABSENT),
	ROW("delete", EV_DELETE, ACTIVE, ABSENT),
	ROW("delete", EV_DELETE, OFF, ABSENT),
	ROW("delete", EV_DELETE, OFF_PENDING, ABSENT),

	ROW("true", OP_TRUE, IDLE, ACTIVE),
	ROW("true", OP_TRUE, ACTIVE, ACTIVE),
	ROW("true", OP_TRUE, OFF, OFF_PENDING),
	ROW("true", OP_TRUE, OFF_PENDING, OFF_PENDING),
	ROW_MADE("true", OP_TRUE, EV_CLEAR, SPENT, ACTIVE, ACTIVE),

	ROW("false", OP_FALSE, ACTIVE, IDLE),
	ROW("false", OP_FALSE, OFF_PENDING, OFF),

	ROW("scan", OP_SCAN, IDLE, IDLE),
	ROW("scan", OP_SCAN, ACTIVE, ACTIVE),
	ROW("scan", OP_SCAN, OFF, OFF),
	ROW("scan", OP_SCAN, OFF_PENDING, OFF_PENDING),
	ROW_MADE("scan_clear", OP_SCAN, EV_CLEAR, ACTIVE, IDLE, IDLE),
	ROW_MADE("scan_clear", OP_SCAN, EV_CLEAR, OFF_PENDING, OFF_PENDING, OFF_PENDING),
	ROW_MADE("scan_oneshot", OP_SCAN, EV_ONESHOT, IDLE, IDLE, IDLE),
	ROW_MADE("scan_oneshot", OP_SCAN, EV_ONESHOT, ACTIVE, ABSENT, ABSENT),
	ROW_MADE("scan_oneshot", OP_SCAN, EV_ONESHOT, OFF_PENDING, OFF_PENDING, OFF_PENDING),
	ROW_MADE("scan_dispatch", OP_SCAN, EV_DISPATCH, IDLE, IDLE, IDLE),
	ROW_MADE("scan_dispatch", OP_SCAN, EV_DISPATCH, ACTIVE, OFF_PENDING, OFF_PENDING),
	ROW_MADE("scan_dispatch", OP_SCAN, EV_DISPATCH, OFF_PENDING, OFF_PENDING, OFF_PENDING),
	ROW_MADE("scan_clear_dispatch", OP_SCAN, EV_CLEAR | EV_DISPATCH, ACTIVE, OFF_PENDING, OFF),
	ROW_MADE("scan_oneshot_dispatch", OP_SCAN, EV_ONESHOT | EV_DISPATCH, ACTIVE, ABSENT, ABSENT),
	ROW_MADE("scan_all", OP_SCAN, EV_ONESHOT | EV_DISPATCH | EV_CLEAR, ACTIVE, ABSENT, ABSENT),
};

/* What is watched: a pipe, or nothing but the queue. */
struct object {
	int kq, filter, fds[2];
};

static struct object *pipe_object(void)
{
	static struct object object = { .filter = EVFILT_READ };

	object.kq = kq_new();
	kq_pipe(object.fds);
	return &object;
}

static struct object *user_object(void)
{
	static struct object object = { .filter = EVFILT_USER };

	object.kq = kq_new();
	object.fds[0] = 1000;
	return &object;
}

static int change(struct object *object, unsigned int flags)
{
	return kq_ctl(object->kq, object->fds[0], object->filter, flags, 0, 0, NULL);
}

static void make_true(struct object *object)
{
	if (object->filter == EVFILT_READ)
		kq_write(object->fds[1], "x", 1);
	else
		ASSERT_OK(kq_trigger(object->kq, object->fds[0]));
}

static void make_false(struct object *object)
{
	if (object->filter == EVFILT_READ)
		ASSERT_GE(kq_drain(object->fds[0]), 1);
	else
		ASSERT_OK(change(object, EV_CLEAR));
}

static void enter(struct object *object, unsigned int make, enum state state)
{
	if (state == ABSENT)
		return;
	ASSERT_OK(change(object, EV_ADD | make));
	if (state == ACTIVE || state == OFF_PENDING || state == SPENT)
		make_true(object);
	if (state == SPENT)
		(void)kq_one(object->kq);
	if (state == OFF || state == OFF_PENDING)
		ASSERT_OK(change(object, EV_DISABLE));
}

static void operate(struct object *object, const struct row *row)
{
	struct kevent event;

	switch (row->operation) {
	case OP_TRUE:
		make_true(object);
		break;
	case OP_FALSE:
		make_false(object);
		break;
	case OP_SCAN:
		ASSERT_EQ(kq_poll(object->kq, &event, 1), row->start == ACTIVE);
		if (row->start == ACTIVE)
			ASSERT_EQ(event.flags, EV_ADD | row->make);
		break;
	default:
		ASSERT_ERR(change(object, row->operation), row->error);
	}
}

static void verify(struct object *object, enum state state)
{
	switch (state) {
	case ABSENT:
		kq_none(object->kq);
		ASSERT_ERR(change(object, EV_DELETE), ENOENT);
		break;
	case IDLE:
		kq_none(object->kq);
		make_true(object);
		ASSERT_EQ(kq_one(object->kq).ident, object->fds[0]);
		break;
	case ACTIVE:
		ASSERT_EQ(kq_one(object->kq).ident, object->fds[0]);
		break;
	case OFF:
		kq_none(object->kq);
		make_true(object);
		kq_none(object->kq);
		make_false(object);
		ASSERT_OK(change(object, EV_ENABLE));
		kq_none(object->kq);
		make_true(object);
		ASSERT_EQ(kq_one(object->kq).ident, object->fds[0]);
		break;
	case OFF_PENDING:
		kq_none(object->kq);
		ASSERT_OK(change(object, EV_ENABLE));
		ASSERT_EQ(kq_one(object->kq).ident, object->fds[0]);
		break;
	case SPENT:
		KQ_FAIL_NOW("no row ends here");
	}
}

static void run_row(struct object *object, const struct row *row, enum state end)
{
	enter(object, row->make, row->start);
	operate(object, row);
	verify(object, end);
}

KQ_TEST_EACH(watched, "", "each operation in each state, for a condition that is looked at", rows)
{
	run_row(pipe_object(), variant, variant->end);
}

KQ_TEST_EACH(recorded, "", "each operation in each state, for an event that is recorded", rows)
{
	run_row(user_object(), variant, variant->recorded_end);
}
