// SPDX-License-Identifier: GPL-2.0
/*
 * NOTE_TRACK (KQ-195 to KQ-197): the children of a tracked process get knotes
 * before they run, and before fork() returns in their parent. The probe at fork
 * may neither allocate nor sleep on PREEMPT_RT: it takes a record from a pool and
 * queues it as work on both. The one that comes first on its way to user mode, or
 * to its end, makes the knotes; the other waits for that.
 */
#include <linux/cred.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/task_work.h>

#include "kq_pool.h"
#include "kq_race.h"
#include "proc.h"

/**
 * struct kqf_fork - a child that is to be tracked
 * @pooled: its place in the pool
 * @in_child: work of the child
 * @in_parent: work of the thread that made it
 * @refs: those two
 * @lock: held by the one that makes the knotes
 * @done: under @lock: they are made
 * @kq: queue of the parent's knote, referenced
 * @parent: the tracked process, referenced
 * @child: the new one, referenced
 * @watcher: who registered, referenced
 * @uid: see struct kqf_process
 * @privileged: likewise
 * @foreign: likewise, for the child
 * @ext: the parent's knote has extension words
 * @flags: words of the parent's knote when the child was made
 * @sfflags: likewise
 * @sdata: likewise
 * @udata: likewise
 * @exts: likewise
 */
struct kqf_fork {
	struct kq_pooled pooled;
	struct callback_head in_child;
	struct callback_head in_parent;
	refcount_t refs;
	struct mutex lock; /* makes one wait while the other works */
	bool done;
	struct kq *kq;
	struct pid *parent;
	struct pid *child;
	struct pid *watcher;
	kuid_t uid;
	bool privileged;
	bool foreign;
	bool ext;
	u16 flags;
	u32 sfflags;
	s64 sdata;
	u64 udata;
	u64 exts[2];
};

static struct kq_pool kqf_fork_pool;

static void kqf_fork_put(struct kqf_fork *rec)
{
	struct kq *kq = rec->kq;

	if (!refcount_dec_and_test(&rec->refs))
		return;
	put_pid(rec->parent);
	put_pid(rec->child);
	put_pid(rec->watcher);
	kq_pool_put(&kqf_fork_pool, &rec->pooled);
	/* Last: the queue keeps the module, and so the pool. */
	kq_put(kq);
}

/* A knote with the words of the parent's, in flux in its queue. */
static struct kqf_proc *kqf_fork_knote(const struct kqf_fork *rec, pid_t nr, u32 status)
{
	/* Another user's process does not wait for the watcher's cgroup to find memory. */
	gfp_t gfp = rec->foreign ? GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN : GFP_KERNEL_ACCOUNT;
	struct kqf_proc *proc = kzalloc(sizeof(*proc), gfp);
	struct kq_knote *kn;

	if (!proc)
		return NULL;
	kn = &proc->note.kn;
	kq_knote_init(kn, rec->kq, -EVFILT_PROC);
	kn->flags = rec->flags;
	kn->sfflags = rec->sfflags;
	kn->sdata = rec->sdata;
	kn->udata = rec->udata;
	kn->status = status;
	proc->note.ident = nr;
	if (rec->ext) {
		kn->ext = kmemdup(rec->exts, sizeof(rec->exts), gfp);
		if (!kn->ext)
			goto err;
	}
	if (kq_note_enter(&proc->note, gfp))
		goto err;
	return proc;

err:
	kfree(kn->ext);
	kfree(proc);
	return NULL;
}

static void kqf_fork_release(struct kqf_proc *proc, bool active)
{
	struct kq_knote *kn = &proc->note.kn;

	raw_spin_lock_irq(&kn->kq->lock);
	if (active)
		kn->status |= KN_ACTIVE | KN_STRONG;
	kq_knote_release(kn, false, NULL);
}

/* The notice: delivered once, found by no change but EV_DELETE. */
static bool kqf_fork_notice(const struct kqf_fork *rec, pid_t nr)
{
	pid_t parent = pid_nr_ns(rec->parent, ns_of_pid(rec->watcher));
	struct kqf_proc *proc = kqf_fork_knote(rec, nr, KN_ASIDE);

	if (!proc)
		return false;
	proc->parent = parent;
	proc->watch.watcher = get_pid(rec->watcher);
	proc->note.kn.flags |= EV_ONESHOT;
	kqf_fork_release(proc, true);
	return true;
}

/* The knote on the child. */
static bool kqf_fork_follow(const struct kqf_fork *rec, pid_t nr)
{
	struct kqf_proc *proc = kqf_fork_knote(rec, nr, 0);
	struct kqf_process *watch;

	kq_race_point(KQ_AT_FOLLOW);
	if (!proc)
		return false;
	watch = &proc->watch;
	watch->kn = &proc->note.kn;
	watch->process.ops = &kqf_proc_process_ops;
	watch->watcher = get_pid(rec->watcher);
	watch->uid = rec->uid;
	watch->privileged = rec->privileged;
	watch->foreign = rec->foreign;
	kqh_process_join(&watch->process, rec->child);
	kqf_fork_release(proc, false);
	return true;
}

static void kqf_fork_failed(struct kqh_process *process, void *arg)
{
	struct kqf_process *watch = container_of(process, struct kqf_process, process);
	const struct kqf_fork *rec = arg;

	if (process->ops == &kqf_proc_process_ops && watch->kn->kq == rec->kq)
		kq_notes_post(watch->kn, &watch->notes, NOTE_TRACKERR);
}

static void kqf_fork_do(struct kqf_fork *rec)
{
	pid_t nr = pid_nr_ns(rec->child, ns_of_pid(rec->watcher));
	struct mem_cgroup *memcg;

	/* The memory is the watcher's, whoever allocates it. */
	memcg = set_active_memcg(rec->kq->memcg);
	mutex_lock(&rec->lock);
	if (!rec->done && (!nr || !kqf_fork_notice(rec, nr) || !kqf_fork_follow(rec, nr)))
		kqh_process_each(rec->parent, kqf_fork_failed, rec);
	rec->done = true;
	mutex_unlock(&rec->lock);
	set_active_memcg(memcg);
	kqf_fork_put(rec);
}

static void kqf_fork_in_child(struct callback_head *work)
{
	kqf_fork_do(container_of(work, struct kqf_fork, in_child));
}

static void kqf_fork_in_parent(struct callback_head *work)
{
	kqf_fork_do(container_of(work, struct kqf_fork, in_parent));
}

/**
 * kqf_track() - the calling process, a tracked one, has made a child
 * @proc: its knote; the process's bucket is locked
 * @child: the child, not yet running
 *
 * NOTE_TRACKERR if there is no way to run code in the child: it is a kernel
 * thread, or this kernel does not export task_work_add().
 */
void kqf_track(struct kqf_proc *proc, struct task_struct *child)
{
	struct kq_knote *kn = &proc->note.kn;
	struct kq_pooled *pooled = NULL;
	struct kqf_fork *rec;
	const u64 *ext;

	if (!(child->flags & PF_KTHREAD))
		pooled = kq_pool_get(&kqf_fork_pool);
	if (!pooled)
		goto err;
	rec = container_of(pooled, struct kqf_fork, pooled);
	mutex_init(&rec->lock);
	rec->kq = kn->kq;
	refcount_inc(&rec->kq->refs);
	rec->done = false;
	refcount_set(&rec->refs, 1);
	rec->parent = get_pid(proc->watch.process.pid);
	rec->child = get_pid(task_tgid(child));
	rec->watcher = get_pid(proc->watch.watcher);
	rec->uid = proc->watch.uid;
	rec->privileged = proc->watch.privileged;
	/* It may have become another user's since, by a set-user-ID program. */
	rec->foreign = proc->watch.foreign ||
		       (!rec->privileged && !uid_eq(rec->uid, current_uid()));
	rec->flags = READ_ONCE(kn->flags);
	rec->sfflags = READ_ONCE(kn->sfflags);
	rec->sdata = READ_ONCE(kn->sdata);
	rec->udata = READ_ONCE(kn->udata);
	/* Pairs with kq_knote_set_ext(). */
	ext = smp_load_acquire(&kn->ext);
	rec->ext = ext;
	if (ext)
		memcpy(rec->exts, ext, sizeof(rec->exts));
	kq_race_point(KQ_AT_TRACK);
	init_task_work(&rec->in_child, kqf_fork_in_child);
	if (!kqc_task_work_add(child, &rec->in_child)) {
		kqf_fork_put(rec);
		goto err;
	}
	/* The child does not run before the probe is left: the record is ours still. */
	if (current->flags & PF_KTHREAD)
		return;
	refcount_inc(&rec->refs);
	init_task_work(&rec->in_parent, kqf_fork_in_parent);
	if (!kqc_task_work_add(current, &rec->in_parent))
		refcount_dec(&rec->refs);
	return;
err:
	kq_notes_post(kn, &proc->watch.notes, NOTE_TRACKERR);
}

/**
 * kqf_track_init() - fill the pool
 *
 * Return: 0 or -ENOMEM.
 */
int kqf_track_init(void)
{
	return kq_pool_init(&kqf_fork_pool, sizeof(struct kqf_fork));
}

/** kqf_track_exit() - the pool goes; every queue, so every record, is back */
void kqf_track_exit(void)
{
	kq_pool_exit(&kqf_fork_pool);
}
