// SPDX-License-Identifier: GPL-2.0
/*
 * What one user may have: counts per user, and the limits below
 * /proc/sys/fs/kqueue. A queue is charged to the real user who opened it, its
 * registrations to the same, whoever makes them.
 */
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/sysctl.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>

#include "kq.h"

/**
 * struct kq_user - the counts of one user, in any user namespace
 * @hash: under kq_users_lock
 * @uid: [i] who
 * @queues: under kq_users_lock: queues that keep this
 * @used: what is in use, by enum kq_limit
 */
struct kq_user {
	struct hlist_node hash;
	kuid_t uid;
	unsigned int queues;
	atomic_long_t used[KQ_LIMITS];
};

static DEFINE_HASHTABLE(kq_users, 6);
static DEFINE_MUTEX(kq_users_lock);

/* Set once at load, later by the administrator; read without a lock. */
static unsigned long kq_max[KQ_LIMITS];
static unsigned long kq_max_highest = LONG_MAX;

#define KQ_LIMIT_FILE(name, which)						\
	{									\
		.procname = name,						\
		.data = &kq_max[which],						\
		.maxlen = sizeof(unsigned long),				\
		.mode = 0644,							\
		.proc_handler = proc_doulongvec_minmax,				\
		.extra2 = &kq_max_highest,					\
	}

static struct ctl_table kq_limit_files[] = {
	[KQ_LIMIT_QUEUES] = KQ_LIMIT_FILE("max_user_queues", KQ_LIMIT_QUEUES),
	[KQ_LIMIT_KNOTES] = KQ_LIMIT_FILE("max_user_knotes", KQ_LIMIT_KNOTES),
	[KQ_LIMIT_TIMERS] = KQ_LIMIT_FILE("max_user_timers", KQ_LIMIT_TIMERS),
	KQC_SYSCTL_END
};

static struct ctl_table_header *kq_limit_header;

/**
 * kq_user_get() - the counts of the calling process's real user
 *
 * Return: the user, kept until kq_user_put(), or NULL without memory.
 */
struct kq_user *kq_user_get(void)
{
	kuid_t uid = current_uid();
	struct kq_user *user, *fresh;

	/* Not under the lock: a cgroup that is full would make everybody wait. */
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->uid = uid;
	mutex_lock(&kq_users_lock);
	hash_for_each_possible(kq_users, user, hash, __kuid_val(uid))
		if (uid_eq(user->uid, uid))
			goto out;
	user = fresh;
	fresh = NULL;
	hash_add(kq_users, &user->hash, __kuid_val(uid));
out:
	user->queues++;
	mutex_unlock(&kq_users_lock);
	kfree(fresh);
	return user;
}

/**
 * kq_user_put() - undo one kq_user_get()
 * @user: the user; process context
 */
void kq_user_put(struct kq_user *user)
{
	mutex_lock(&kq_users_lock);
	if (!--user->queues) {
		hash_del(&user->hash);
		kfree(user);
	}
	mutex_unlock(&kq_users_lock);
}

/* What is to be said, written once a minute by the one whom the rate limit lets through. */
static struct {
	kuid_t uid;
	enum kq_limit which;
	unsigned long limit;
} kq_reached;

/* A console has locks of its own, under which it wakes those who watch it. */
static void kq_limit_say(struct work_struct *work)
{
	pr_notice("user %u has reached fs.kqueue.%s = %lu\n",
		  from_kuid(&init_user_ns, kq_reached.uid),
		  kq_limit_files[kq_reached.which].procname, kq_reached.limit);
}

static DECLARE_WORK(kq_limit_worker, kq_limit_say);

/**
 * kq_user_is() - whose are these counts?
 * @user: the user
 * @uid: somebody
 *
 * Return: true if it is the same.
 */
bool kq_user_is(const struct kq_user *user, kuid_t uid)
{
	return uid_eq(user->uid, uid);
}

/**
 * kq_charge() - one more of what is limited
 * @user: who
 * @which: what; any context but hard interrupts
 *
 * Return: 0, or -ENOMEM at the limit, with a line in the log once a minute.
 */
int kq_charge(struct kq_user *user, enum kq_limit which)
{
	static DEFINE_RATELIMIT_STATE(rate, 60 * HZ, 1);
	unsigned long limit = READ_ONCE(kq_max[which]);

	if ((unsigned long)atomic_long_inc_return(&user->used[which]) <= limit)
		return 0;
	atomic_long_dec(&user->used[which]);
	if (__ratelimit(&rate)) {
		kq_reached.uid = user->uid;
		kq_reached.which = which;
		kq_reached.limit = limit;
		/* Not here: the caller may hold a queue's lock. */
		queue_work(kq_wq, &kq_limit_worker);
	}
	return -ENOMEM;
}

/**
 * kq_uncharge() - one less
 * @user: who
 * @which: what; any context
 */
void kq_uncharge(struct kq_user *user, enum kq_limit which)
{
	atomic_long_dec(&user->used[which]);
}

/**
 * kq_limit_look() - for show
 * @user: who
 * @which: what
 * @limit: how many there may be
 *
 * Return: how many there are.
 */
unsigned long kq_limit_look(struct kq_user *user, enum kq_limit which, unsigned long *limit)
{
	*limit = READ_ONCE(kq_max[which]);
	return atomic_long_read(&user->used[which]);
}

/**
 * kq_limits_init() - the defaults, and their files
 *
 * By default one user's registrations take up to a 25th of the memory, as epoll
 * has it.
 *
 * Return: 0 or -ENOMEM.
 */
int kq_limits_init(void)
{
	unsigned long share = (totalram_pages() - totalhigh_pages()) / 25 * PAGE_SIZE;

	kq_max[KQ_LIMIT_KNOTES] = max(share / KQ_KNOTE_COST, KQ_MIN_USER_KNOTES);
	kq_max[KQ_LIMIT_TIMERS] = max(share / KQ_KNOTE_COST / 2, KQ_MIN_USER_TIMERS);
	kq_max[KQ_LIMIT_QUEUES] = max(share / KQ_QUEUE_COST, KQ_MIN_USER_QUEUES);
	kq_limit_header = register_sysctl("fs/kqueue", kq_limit_files);
	return kq_limit_header || !IS_ENABLED(CONFIG_SYSCTL) ? 0 : -ENOMEM;
}

/** kq_limits_exit() - the files go; no queue is left, so no user either */
void kq_limits_exit(void)
{
	unregister_sysctl_table(kq_limit_header);
}
