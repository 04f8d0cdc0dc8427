// SPDX-License-Identifier: GPL-2.0
/*
 * What processes do: fork and exec by tracepoints and a hash of the watched
 * ones, the end by the wait queue of struct pid, which a process that is not
 * watched pays nothing for. A process is a thread group, its struct pid that of
 * its leader.
 */
#include <linux/hash.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>

#include "kq_hooks.h"

#define KQH_PROCESS_BITS	10

struct kqh_process_bucket {
	raw_spinlock_t lock;
	struct hlist_head watches;
};

static struct kqh_process_bucket kqh_processes[1 << KQH_PROCESS_BITS];

static struct kqh_process_bucket *kqh_process_bucket(const struct pid *pid)
{
	return &kqh_processes[hash_ptr(pid, KQH_PROCESS_BITS)];
}

/*
 * The end of a process, told once: its last thread is a zombie. Called with the
 * task kept, from the wake-up or from kqh_process_join().
 */
static void kqh_process_ended(struct kqh_process *process, struct task_struct *task)
{
	if (READ_ONCE(task->exit_state) && thread_group_leader(task) && thread_group_empty(task) &&
	    !atomic_xchg(&process->ended, 1))
		process->ops->exited(process, task);
}

/*
 * On the wait queue that pidfds are polled by. Kernels differ in what else they
 * wake it for, threads and the reaping of the zombie among it.
 */
static int kqh_process_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct kqh_process *process = container_of(entry, struct kqh_process, wait);
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(process->pid, PIDTYPE_TGID);
	if (task)
		kqh_process_ended(process, task);
	rcu_read_unlock();
	return 0;
}

/**
 * kqh_process_join() - begin to watch a process
 * @process: ops are set
 * @pid: the process, of a thread group; a reference is taken
 *
 * The ops may be called before this returns, also for what already is a zombie.
 */
void kqh_process_join(struct kqh_process *process, struct pid *pid)
{
	struct kqh_process_bucket *bucket = kqh_process_bucket(pid);
	struct task_struct *task;
	unsigned long flags;

	process->pid = get_pid(pid);
	atomic_set(&process->ended, 0);
	init_waitqueue_func_entry(&process->wait, kqh_process_wake);
	add_wait_queue(&pid->wait_pidfd, &process->wait);
	raw_spin_lock_irqsave(&bucket->lock, flags);
	hlist_add_head(&process->hash, &bucket->watches);
	raw_spin_unlock_irqrestore(&bucket->lock, flags);

	task = get_pid_task(pid, PIDTYPE_TGID);
	if (task) {
		kqh_process_ended(process, task);
		put_task_struct(task);
	}
}

/**
 * kqh_process_leave() - on return nothing is told any more
 * @process: joined
 */
void kqh_process_leave(struct kqh_process *process)
{
	struct kqh_process_bucket *bucket = kqh_process_bucket(process->pid);
	unsigned long flags;

	raw_spin_lock_irqsave(&bucket->lock, flags);
	hlist_del(&process->hash);
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
	remove_wait_queue(&process->pid->wait_pidfd, &process->wait);
	put_pid(process->pid);
}

/**
 * kqh_process_each() - call a function for each watch of a process
 * @pid: the process
 * @fn: called under a raw lock
 * @arg: its second argument
 */
void kqh_process_each(struct pid *pid, void (*fn)(struct kqh_process *process, void *arg),
		      void *arg)
{
	struct kqh_process_bucket *bucket = kqh_process_bucket(pid);
	struct kqh_process *process;
	unsigned long flags;

	/* A watch joined in parallel is too late for what is told now. */
	if (hlist_empty(&bucket->watches))
		return;
	raw_spin_lock_irqsave(&bucket->lock, flags);
	hlist_for_each_entry(process, &bucket->watches, hash)
		if (process->pid == pid)
			fn(process, arg);
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
}

static void kqh_tell_forked(struct kqh_process *process, void *child)
{
	process->ops->forked(process, child);
}

static void kqh_tell_execed(struct kqh_process *process, void *arg)
{
	process->ops->execed(process);
}

/* The child is visible but does not run yet. */
static void kqh_on_fork(void *data, struct task_struct *parent, struct task_struct *child)
{
	struct pid *pid = task_tgid(parent);

	kq_forked(child);
	if (thread_group_leader(child) && pid)
		kqh_process_each(pid, kqh_tell_forked, child);
}

/* After the point of no return, also when a thread that was not the leader called. */
static void kqh_on_exec(void *data, struct task_struct *task, pid_t old_pid,
			struct linux_binprm *bprm)
{
	kqh_process_each(task_tgid(task), kqh_tell_execed, NULL);
}

static struct kqh_probe kqh_process_probes[] = {
	{ .name = "sched_process_fork", .fn = kqh_on_fork },
	{ .name = "sched_process_exec", .fn = kqh_on_exec },
};

/**
 * kqh_process_init() - connect to the tracepoints
 *
 * Return: 0 or -errno with a line in the log.
 */
int kqh_process_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(kqh_processes); i++)
		raw_spin_lock_init(&kqh_processes[i].lock);
	return kqh_trace_connect(kqh_process_probes, ARRAY_SIZE(kqh_process_probes));
}

/** kqh_process_exit() - on return no probe runs */
void kqh_process_exit(void)
{
	kqh_trace_disconnect(kqh_process_probes, ARRAY_SIZE(kqh_process_probes));
}
