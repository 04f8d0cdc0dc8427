// SPDX-License-Identifier: GPL-2.0
/*
 * Signals as they are generated, whatever becomes of them: blocked, ignored,
 * handled, pending already, meant for one thread. The probe runs under siglock,
 * perhaps in hard irq context.
 */
#include <linux/hash.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

#include "kq_hooks.h"
#include "kq_race.h"

#define KQH_SIGNAL_BITS	8

struct kqh_signal_bucket {
	raw_spinlock_t lock;
	struct hlist_head watches;
};

static struct kqh_signal_bucket kqh_signals[1 << KQH_SIGNAL_BITS];

static struct kqh_signal_bucket *kqh_signal_bucket(const struct pid *process)
{
	return &kqh_signals[hash_ptr(process, KQH_SIGNAL_BITS)];
}

static void kqh_on_signal(void *data, int signo, struct kernel_siginfo *info,
			  struct task_struct *task, int group, int result)
{
	const struct pid *process = task_tgid(task);
	struct kqh_signal_bucket *bucket = kqh_signal_bucket(process);
	struct kqh_signal *watch;
	unsigned long flags;

	if (hlist_empty(&bucket->watches))
		return;
	raw_spin_lock_irqsave(&bucket->lock, flags);
	hlist_for_each_entry(watch, &bucket->watches, hash)
		if (watch->process == process && watch->signo == signo) {
			kq_race_point(KQ_AT_SIGNAL);
			watch->generated(watch);
		}
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
}

/**
 * kqh_signal_join() - count the signals of the calling process
 * @watch: signo and generated are set
 *
 * The pid names the process through exec, and its address is not used again
 * while somebody compares with it. Once the process has ended nothing is
 * generated for it. A task instead would stay, kilobytes of it, for each thread
 * that has registered a signal and gone.
 */
void kqh_signal_join(struct kqh_signal *watch)
{
	struct kqh_signal_bucket *bucket;

	watch->process = get_pid(task_tgid(current));
	bucket = kqh_signal_bucket(watch->process);
	raw_spin_lock_irq(&bucket->lock);
	hlist_add_head(&watch->hash, &bucket->watches);
	raw_spin_unlock_irq(&bucket->lock);
}

/**
 * kqh_signal_leave() - on return nothing is counted any more
 * @watch: joined
 */
void kqh_signal_leave(struct kqh_signal *watch)
{
	struct kqh_signal_bucket *bucket = kqh_signal_bucket(watch->process);

	raw_spin_lock_irq(&bucket->lock);
	hlist_del(&watch->hash);
	raw_spin_unlock_irq(&bucket->lock);
	put_pid(watch->process);
}

static struct kqh_probe kqh_signal_probes[] = {
	{ .name = "signal_generate", .fn = kqh_on_signal },
};

/**
 * kqh_signal_init() - connect to the tracepoint
 *
 * Return: 0 or -errno with a line in the log.
 */
int kqh_signal_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kqh_signals); i++)
		raw_spin_lock_init(&kqh_signals[i].lock);
	return kqh_trace_connect(kqh_signal_probes, ARRAY_SIZE(kqh_signal_probes));
}

/** kqh_signal_exit() - on return no probe runs */
void kqh_signal_exit(void)
{
	kqh_trace_disconnect(kqh_signal_probes, ARRAY_SIZE(kqh_signal_probes));
}
