// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the race points of a module built with KQ_RACE=y: a test arms a point, and
 * the thread that reaches it stops there until the test, or another thread that
 * reaches another point, lets it go. The list of points is in kq_race.h.
 *
 * /sys/kernel/debug/kqueue/race takes one command for each write(2):
 *
 *	arm POINT NTH MS [UNTIL [LINGER]]
 *		The NTH to reach POINT from now on stops there, for at most MS
 *		milliseconds. It goes on when it is released, or LINGER
 *		milliseconds after somebody has reached UNTIL since this command.
 *	release POINT
 *		Who stopped there goes on, and nobody will stop there.
 *	wait POINT
 *		Returns when somebody has stopped at POINT since it was armed.
 *
 * and reads as a line for each point: how often it was reached since the file was
 * opened, how many stopped there since it was armed, how many of those stand there
 * now, and how many went on because their time was over. What that last number
 * may be only the test knows.
 *
 * Opening the file releases all points. Nothing but the open file pins the module:
 * one may be unloaded with points armed, and whoever stands at a point then is
 * waited for as is anybody else who runs the module's code. The time limit bounds
 * that too.
 *
 * Where it may not sleep the thread spins. It takes its processor along, and
 * whatever locks the module holds at that point.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "kq_race.h"

/**
 * struct kq_race - one point; what it counts is said above
 * @left: who reaches it as the last of so many stops; 0: nobody
 * @turn: changes when those who stand there may go
 * @ms: for how long at most
 * @until: the point that lets it go, or negative
 * @seen: how often that one was reached when this was armed
 * @linger: milliseconds to stay after that
 */
struct kq_race {
	atomic_t left, turn;
	unsigned int ms, linger;
	int until, seen;
	atomic_t reached, hits, inside, expired;
};

static struct kq_race kq_races[KQ_RACE_POINTS];
static struct dentry *kq_race_dir;

static const char * const kq_race_names[KQ_RACE_POINTS] = {
	[KQ_AT_ATTACH] = "attach", [KQ_AT_MODIFY] = "modify", [KQ_AT_SETTLE] = "settle",
	[KQ_AT_FLUX_WAIT] = "flux_wait", [KQ_AT_DROP] = "drop", [KQ_AT_SCAN] = "scan",
	[KQ_AT_COPIED] = "copied", [KQ_AT_TEARDOWN] = "teardown", [KQ_AT_NOTE_FREE] = "note_free",
	[KQ_AT_CLOSE] = "close", [KQ_AT_WAKE] = "wake", [KQ_AT_POLLFREE] = "pollfree",
	[KQ_AT_POLLWORK] = "pollwork", [KQ_AT_TIMER] = "timer", [KQ_AT_SIGNAL] = "signal",
	[KQ_AT_EXIT] = "exit", [KQ_AT_TRACK] = "track", [KQ_AT_FOLLOW] = "follow",
	[KQ_AT_FORK] = "fork", [KQ_AT_COPY] = "copy", [KQ_AT_MARK] = "mark",
	[KQ_AT_MOVE] = "move", [KQ_AT_SPARE] = "spare",
};

static void kq_race_stop(struct kq_race *r)
{
	/* Of the reading side of RCU the count of preemption does not tell. */
	bool sleep = preemptible() && !rcu_preempt_depth();
	u64 end = ktime_get_mono_fast_ns() + (u64)r->ms * NSEC_PER_MSEC;
	int turn = atomic_read(&r->turn);
	bool met = false;

	atomic_inc(&r->inside);
	/* Who sees the hit sees it inside, and what this thread did before. */
	smp_mb__before_atomic();
	atomic_inc(&r->hits);
	while (atomic_read_acquire(&r->turn) == turn) {
		if (!met && r->until >= 0 && atomic_read(&kq_races[r->until].reached) != r->seen) {
			met = true;
			end = ktime_get_mono_fast_ns() + (u64)r->linger * NSEC_PER_MSEC;
		}
		if (ktime_get_mono_fast_ns() >= end) {
			if (!met)
				atomic_inc(&r->expired);
			break;
		}
		if (sleep)
			usleep_range(100, 200);
		else
			udelay(5);
	}
	atomic_dec(&r->inside);
}

/**
 * kq_race_point() - a test may want this thread to stop here
 * @at: where; any context but NMI
 */
void kq_race_point(enum kq_race_at at)
{
	struct kq_race *r = &kq_races[at];

	atomic_inc_return(&r->reached);
	/* Pairs with kq_race_arm(). */
	if (!atomic_dec_if_positive(&r->left))
		kq_race_stop(r);
}

static void kq_race_release(struct kq_race *r)
{
	atomic_set(&r->left, 0);
	/* What the test did before is seen by those who go on. */
	atomic_inc_return(&r->turn);
}

static int kq_race_arm(struct kq_race *r, unsigned int nth, unsigned int ms, int until,
		       unsigned int linger)
{
	if (!nth || nth > INT_MAX || !ms)
		return -EINVAL;
	kq_race_release(r);
	r->ms = ms;
	r->until = until;
	r->seen = until < 0 ? 0 : atomic_read(&kq_races[until].reached);
	r->linger = linger;
	atomic_set(&r->hits, 0);
	atomic_set(&r->expired, 0);
	/* Pairs with kq_race_point(): who stops knows for how long. */
	smp_mb();
	atomic_set(&r->left, nth);
	return 0;
}

static int kq_race_wait(const struct kq_race *r)
{
	while (!atomic_read_acquire(&r->hits)) {
		if (signal_pending(current))
			return -EINTR;
		usleep_range(100, 200);
	}
	return 0;
}

static int kq_race_command(const char *text)
{
	char verb[16], point[16], other[16];
	unsigned int nth, ms, linger = 0;
	int words, at, until = -1;

	words = sscanf(text, "%15s %15s %u %u %15s %u", verb, point, &nth, &ms, other, &linger);
	if (words < 2)
		return -EINVAL;
	at = match_string(kq_race_names, KQ_RACE_POINTS, point);
	if (at >= 0 && words > 4)
		until = match_string(kq_race_names, KQ_RACE_POINTS, other);
	if (at < 0 || (words > 4 && until < 0))
		return -ENOENT;
	if (!strcmp(verb, "arm") && words >= 4)
		return kq_race_arm(&kq_races[at], nth, ms, until, linger);
	if (!strcmp(verb, "wait") && words == 2)
		return kq_race_wait(&kq_races[at]);
	if (strcmp(verb, "release") || words != 2)
		return -EINVAL;
	kq_race_release(&kq_races[at]);
	return 0;
}

static ssize_t kq_race_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	char text[96];
	int err;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, size))
		return -EFAULT;
	text[size] = '\0';
	err = kq_race_command(text);
	return err ? err : size;
}

static int kq_race_show(struct seq_file *m, void *unused)
{
	struct kq_race *r;
	int i;

	for (i = 0; i < KQ_RACE_POINTS; i++) {
		r = &kq_races[i];
		seq_printf(m, "%s reached=%d hits=%d inside=%d expired=%d\n", kq_race_names[i],
			   atomic_read(&r->reached), atomic_read(&r->hits),
			   atomic_read(&r->inside), atomic_read(&r->expired));
	}
	return 0;
}

static int kq_race_open(struct inode *inode, struct file *file)
{
	int i;

	for (i = 0; i < KQ_RACE_POINTS; i++) {
		kq_race_release(&kq_races[i]);
		atomic_set(&kq_races[i].reached, 0);
		atomic_set(&kq_races[i].hits, 0);
		atomic_set(&kq_races[i].expired, 0);
	}
	return single_open(file, kq_race_show, NULL);
}

static const struct file_operations kq_race_fops = {
	.owner = THIS_MODULE,
	.open = kq_race_open,
	.read = seq_read,
	.write = kq_race_write,
	.llseek = seq_lseek,
	.release = single_release,
};

/**
 * kq_race_init() - the file appears
 *
 * Return: 0, or -errno of a kernel without debugfs.
 */
int kq_race_init(void)
{
	struct dentry *file;

	kq_race_dir = debugfs_create_dir("kqueue", NULL);
	file = debugfs_create_file("race", 0600, kq_race_dir, NULL, &kq_race_fops);
	if (!IS_ERR(file))
		return 0;
	debugfs_remove(kq_race_dir);
	pr_err("the race points need debugfs: %ld\n", PTR_ERR(file));
	return PTR_ERR(file);
}

/** kq_race_exit() - the file goes; nobody has it open */
void kq_race_exit(void)
{
	debugfs_remove(kq_race_dir);
}
