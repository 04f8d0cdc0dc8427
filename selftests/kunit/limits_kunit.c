// SPDX-License-Identifier: GPL-2.0
/* Owns the proof of limits.c, and of what knotes and queues charge there. */
#include <linux/cred.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sysctl.h>

#include "kqt.h"

static unsigned long kqt_ram;
static unsigned long kqt_highmem;
static bool kqt_files_refused;

/* Never looked into: the files belong to the module that may be loaded beside this one. */
static struct ctl_table_header *kqt_register(void)
{
	return kqt_files_refused ? NULL : (struct ctl_table_header *)&kqt_ram;
}

#undef kzalloc
#undef kfree
#undef register_sysctl
#define kzalloc(size, gfp)		kqt_alloc(size)
#define kfree(p)			kqt_free(p)
#define register_sysctl(path, table)	kqt_register()
#define unregister_sysctl_table(header)	kqt_free(NULL)
#define totalram_pages()		kqt_ram
#undef totalhigh_pages
#define totalhigh_pages()		kqt_highmem

#include "../../kmod/limits.c"

void kqt_limit_set(enum kq_limit which, unsigned long limit)
{
	WRITE_ONCE(kq_max[which], limit);
}

static unsigned long kqt_used(struct kq_user *user, enum kq_limit which)
{
	unsigned long limit;

	return kq_limit_look(user, which, &limit);
}

/* A user of the test's own; nothing but its counts. */
static struct kq_user *kqt_user_new(struct kunit *test)
{
	struct kq_user *user = kunit_kzalloc(test, sizeof(*user), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, user);
	return user;
}

struct kqt_limit_case {
	const char *name;
	unsigned long limit;
	unsigned long used;
	int result;
};

static const struct kqt_limit_case kqt_limit_cases[] = {
	{ "nothing at 0", 0, 0, -ENOMEM },
	{ "nothing more at 0 with some", 0, 5, -ENOMEM },
	{ "the first of one", 1, 0, 0 },
	{ "the second of one", 1, 1, -ENOMEM },
	{ "the last", 100, 99, 0 },
	{ "one too many", 100, 100, -ENOMEM },
	{ "lowered below what there is", 10, 100, -ENOMEM },
	{ "the last of all", LONG_MAX, LONG_MAX - 1, 0 },
};

static void kqt_limit_name(const struct kqt_limit_case *c, char *name)
{
	strscpy(name, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_limit, kqt_limit_cases, kqt_limit_name);

static void kqt_charge_at(struct kunit *test)
{
	const struct kqt_limit_case *c = test->param_value;
	struct kq_user *user = kqt_user_new(test);
	unsigned long limit;
	int which, other;

	for (which = 0; which < KQ_LIMITS; which++) {
		/* Each kind by itself: the others neither count nor change. */
		for (other = 0; other < KQ_LIMITS; other++) {
			kqt_limit_set(other, other == which ? c->limit : 0);
			atomic_long_set(&user->used[other], other == which ? c->used : 7);
		}
		KUNIT_EXPECT_EQ(test, kq_charge(user, which), c->result);
		KUNIT_EXPECT_EQ(test, kq_limit_look(user, which, &limit), c->used + !c->result);
		KUNIT_EXPECT_EQ(test, limit, c->limit);
		for (other = 0; other < KQ_LIMITS; other++)
			if (other != which)
				KUNIT_EXPECT_EQ(test, kqt_used(user, other), 7);
	}
}

static void kqt_charge_balance(struct kunit *test)
{
	struct kq_user *user = kqt_user_new(test);
	int i, granted = 0;

	kqt_limit_set(KQ_LIMIT_KNOTES, 3);
	for (i = 0; i < 10; i++)
		granted += !kq_charge(user, KQ_LIMIT_KNOTES);
	KUNIT_EXPECT_EQ(test, granted, 3);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_KNOTES), 3);
	kq_uncharge(user, KQ_LIMIT_KNOTES);
	KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_KNOTES), 0);
	KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_KNOTES), -ENOMEM);
	for (i = 0; i < 3; i++)
		kq_uncharge(user, KQ_LIMIT_KNOTES);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_KNOTES), 0);
}

/* What there is stays, and goes as always; only what is new is refused. */
static void kqt_charge_lowered_and_raised(struct kunit *test)
{
	struct kq_user *user = kqt_user_new(test);
	int i;

	kqt_limit_set(KQ_LIMIT_TIMERS, 8);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_TIMERS), 0);
	kqt_limit_set(KQ_LIMIT_TIMERS, 2);
	while (kqt_used(user, KQ_LIMIT_TIMERS) >= 2) {
		KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_TIMERS), -ENOMEM);
		kq_uncharge(user, KQ_LIMIT_TIMERS);
	}
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_TIMERS), 1);
	KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_TIMERS), 0);
	KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_TIMERS), -ENOMEM);
	kqt_limit_set(KQ_LIMIT_TIMERS, 3);
	KUNIT_EXPECT_EQ(test, kq_charge(user, KQ_LIMIT_TIMERS), 0);
}

static void kqt_user_same_for_all_queues(struct kunit *test)
{
	/* The queue of the case is charged to it already. */
	struct kq_user *first = ((struct kq *)test->priv)->user, *second;
	int held = kqt_memory.held;

	second = kq_user_get();
	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
	KUNIT_EXPECT_TRUE(test, kq_user_is(first, current_uid()));
	KUNIT_EXPECT_FALSE(test, kq_user_is(first, KUIDT_INIT(12345)));
	kq_user_put(second);
	KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
	KUNIT_EXPECT_EQ(test, kqt_used(first, KQ_LIMIT_QUEUES), 1);
}

static void kqt_user_no_memory(struct kunit *test)
{
	int held = kqt_memory.held;

	kqt_memory.left = 0;
	KUNIT_EXPECT_NULL(test, kq_user_get());
	KUNIT_EXPECT_EQ(test, kqt_memory.held, held);
}

static void kqt_knote_charged_while_it_lives(struct kunit *test)
{
	struct kq *kq = test->priv;

	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 1);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_TIMERS), 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 1000000, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 2);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_TIMERS), 1);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_TIMER, EV_DELETE, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 1);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_TIMERS), 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_USER, EV_DELETE, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 0);
}

/* A timer is a knote and a timer: where there may be no more timers it must not stay half charged. */
static void kqt_knote_refused_is_not_charged(struct kunit *test)
{
	struct kq *kq = test->priv;

	kqt_limit_set(KQ_LIMIT_TIMERS, 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_TIMER, EV_ADD, 0, 1000000, 0), -ENOMEM);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 1);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_TIMERS), 0);
	/* Refused by its filter, after it was charged. */
	kqt_limit_set(KQ_LIMIT_TIMERS, 9);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_TIMER, EV_ADD, 0, -1, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 1);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_TIMERS), 0);
	kqt_limit_set(KQ_LIMIT_KNOTES, 1);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 2, EVFILT_USER, EV_ADD, 0, 0, 0), -ENOMEM);
	/* A change of what there is needs no room. */
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_USER, EV_ADD, 0, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(kq->user, KQ_LIMIT_KNOTES), 1);
}

/* The end of the queue, not of each knote. */
static void kqt_knote_uncharged_with_its_queue(struct kunit *test)
{
	struct kq *kq = kqt_queue_open(test);
	struct kq_user *user = ((struct kq *)test->priv)->user;
	int i;

	for (i = 0; i < 600; i++)
		KUNIT_ASSERT_EQ(test, kqt_change(kq, i, i % 2 ? EVFILT_USER : EVFILT_TIMER, EV_ADD,
						 0, 1000000, 0), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_KNOTES), 600);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_TIMERS), 300);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_QUEUES), 2);
	kq_clear(kq);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_KNOTES), 0);
	KUNIT_EXPECT_EQ(test, kqt_used(user, KQ_LIMIT_TIMERS), 0);
	KUNIT_EXPECT_EQ(test, kqt_change(kq, 1, EVFILT_USER, EV_ADD, 0, 0, 0), -EBADF);
}

struct kqt_machine {
	const char *name;
	unsigned long ram, high;
	unsigned long knotes, timers, queues;
};

/* 4 GiB: a 25th is 167772 KiB and a bit; 320 bytes a knote, 8192 a queue. */
#define KQT_GIB		(1024ul * 1024 * 1024 >> PAGE_SHIFT)
#define KQT_SHARE(gib)	((gib) * KQT_GIB / 25 * PAGE_SIZE)

static const struct kqt_machine kqt_machines[] = {
	{ "no memory", 0, 0, 131072, 65536, 4096 },
	{ "64 MiB", KQT_GIB / 16, 0, 131072, 65536, 4096 },
	{ "4 GiB", 4 * KQT_GIB, 0, KQT_SHARE(4) / 320, KQT_SHARE(4) / 320 / 2, KQT_SHARE(4) / 8192 },
	{ "high memory does not count", 4 * KQT_GIB, 4 * KQT_GIB, 131072, 65536, 4096 },
	{ "1 TiB", 1024 * KQT_GIB, 0, KQT_SHARE(1024) / 320, KQT_SHARE(1024) / 320 / 2,
	  KQT_SHARE(1024) / 8192 },
};

static void kqt_machine_name(const struct kqt_machine *m, char *name)
{
	strscpy(name, m->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kqt_machine, kqt_machines, kqt_machine_name);

static void kqt_limits_defaults(struct kunit *test)
{
	const struct kqt_machine *m = test->param_value;

	kqt_ram = m->ram;
	kqt_highmem = m->high;
	KUNIT_EXPECT_EQ(test, kq_limits_init(), 0);
	KUNIT_EXPECT_EQ(test, kq_max[KQ_LIMIT_KNOTES], m->knotes);
	KUNIT_EXPECT_EQ(test, kq_max[KQ_LIMIT_TIMERS], m->timers);
	KUNIT_EXPECT_EQ(test, kq_max[KQ_LIMIT_QUEUES], m->queues);
	kq_limits_exit();
}

static void kqt_limits_without_files(struct kunit *test)
{
	kqt_files_refused = true;
	KUNIT_EXPECT_EQ(test, kq_limits_init(), IS_ENABLED(CONFIG_SYSCTL) ? -ENOMEM : 0);
	kqt_files_refused = false;
}

/* Each file is there, named after its limit, and takes no value that would turn negative. */
static void kqt_limits_files(struct kunit *test)
{
	int i;

	for (i = 0; i < KQ_LIMITS; i++) {
		KUNIT_ASSERT_NOT_NULL(test, kq_limit_files[i].procname);
		KUNIT_EXPECT_PTR_EQ(test, kq_limit_files[i].data, (void *)&kq_max[i]);
		KUNIT_EXPECT_EQ(test, kq_limit_files[i].maxlen, (int)sizeof(kq_max[i]));
		KUNIT_EXPECT_EQ(test, kq_limit_files[i].mode, 0644);
		KUNIT_EXPECT_EQ(test, *(unsigned long *)kq_limit_files[i].extra2, LONG_MAX);
	}
	KUNIT_EXPECT_STREQ(test, kq_limit_files[KQ_LIMIT_QUEUES].procname, "max_user_queues");
	KUNIT_EXPECT_STREQ(test, kq_limit_files[KQ_LIMIT_KNOTES].procname, "max_user_knotes");
	KUNIT_EXPECT_STREQ(test, kq_limit_files[KQ_LIMIT_TIMERS].procname, "max_user_timers");
}

/* After a case all queues have gone: so has their user, and with it all memory. */
static void kqt_limits_exit_all(struct kunit *test)
{
	kqt_queue_exit(test);
	KUNIT_EXPECT_TRUE(test, hash_empty(kq_users));
	KUNIT_EXPECT_EQ_MSG(test, kqt_memory.held, 0, "a user is left");
}

static struct kunit_case kqt_limits_cases[] = {
	KUNIT_CASE_PARAM(kqt_charge_at, kqt_limit_gen_params),
	KUNIT_CASE(kqt_charge_balance),
	KUNIT_CASE(kqt_charge_lowered_and_raised),
	KUNIT_CASE(kqt_user_same_for_all_queues),
	KUNIT_CASE(kqt_user_no_memory),
	KUNIT_CASE(kqt_knote_charged_while_it_lives),
	KUNIT_CASE(kqt_knote_refused_is_not_charged),
	KUNIT_CASE(kqt_knote_uncharged_with_its_queue),
	KUNIT_CASE_PARAM(kqt_limits_defaults, kqt_machine_gen_params),
	KUNIT_CASE(kqt_limits_without_files),
	KUNIT_CASE(kqt_limits_files),
	{}
};

static struct kunit_suite kqt_limits_suite = {
	.name = "kqueue_limits",
	.init = kqt_queue_init,
	.exit = kqt_limits_exit_all,
	.test_cases = kqt_limits_cases,
};

kunit_test_suite(kqt_limits_suite);
