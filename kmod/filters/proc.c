// SPDX-License-Identifier: GPL-2.0
/* EVFILT_PROC (KQ-181 to KQ-199): fork, exec and exit of a process, named by its number. */
#include <linux/limits.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>

#include "proc.h"

static struct kqf_proc *kqf_proc(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_proc, note.kn);
}

static void kqf_proc_forked(struct kqh_process *process, struct task_struct *child)
{
	struct kqf_proc *proc = container_of(process, struct kqf_proc, watch.process);

	kqf_process_forked(process, child);
	if (READ_ONCE(proc->note.kn.sfflags) & NOTE_TRACK)
		kqf_track(proc, child);
}

const struct kqh_process_ops kqf_proc_process_ops = {
	.forked = kqf_proc_forked,
	.execed = kqf_process_execed,
	.exited = kqf_process_exited,
};

static int kqf_proc_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kqf_proc *proc = kqf_proc(kn);
	struct pid *pid;
	int err;

	if (!ev->ident || ev->ident > INT_MAX)
		return -ESRCH;
	pid = find_get_pid(ev->ident);
	if (!pid)
		return -ESRCH;
	kn->flags |= EV_CLEAR;
	proc->watch.kn = kn;
	proc->watch.process.ops = &kqf_proc_process_ops;
	err = kqf_process_visible(pid);
	if (!err)
		err = kqf_process_attach(&proc->watch, pid, false);
	put_pid(pid);
	return err;
}

/* The number must mean the same process to the child as to its parent. */
static int kqf_proc_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	struct kqf_proc *proc = kqf_proc(kn), *parents = kqf_proc(from);

	if (!kqf_process_same_view(&parents->watch))
		return -ESRCH;
	if (parents->parent) {
		proc->parent = parents->parent;
		proc->watch.watcher = get_pid(task_tgid(current));
		return 0;
	}
	proc->watch.kn = kn;
	proc->watch.process.ops = &kqf_proc_process_ops;
	return kqf_process_inherit(&proc->watch, &parents->watch);
}

static bool kqf_proc_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct kqf_proc *proc = kqf_proc(kn);

	if (!proc->parent)
		return kqf_process_eval(&proc->watch, res);
	res->fflags = NOTE_CHILD;
	res->data = proc->parent;
	return true;
}

static void kqf_proc_commit(struct kq_knote *kn, const struct kq_result *res)
{
	kq_notes_commit(kn, &kqf_proc(kn)->watch.notes);
}

/* Does the number name a process again, another one? */
static bool kqf_proc_reused(const struct kqf_proc *proc)
{
	struct pid *pid;
	bool reused;

	rcu_read_lock();
	pid = find_vpid(proc->note.ident);
	reused = pid && pid != proc->watch.process.pid && pid_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	return reused;
}

static enum kq_claim kqf_proc_gone(struct kq_knote *kn, bool ident_again)
{
	struct kqf_proc *proc = kqf_proc(kn);

	if (proc->parent)
		return KQ_CLAIM_KEEP;
	if (kqf_process_gone(&proc->watch))
		return KQ_CLAIM_GONE;
	/* Its own process has ended and is not reported yet. */
	if (ident_again && atomic_read(&proc->watch.process.ended) && kqf_proc_reused(proc))
		return KQ_CLAIM_ASIDE;
	return KQ_CLAIM_KEEP;
}

static void kqf_proc_detach(struct kq_knote *kn)
{
	struct kqf_proc *proc = kqf_proc(kn);

	if (proc->parent)
		put_pid(proc->watch.watcher);
	else
		kqf_process_detach(&proc->watch);
}

const struct kq_filter_ops kqf_proc_ops = {
	.name = "proc",
	.flags = KQF_ASIDE,
	.size = sizeof(struct kqf_proc),
	.attach = kqf_proc_attach,
	.inherit = kqf_proc_inherit,
	.touch = kq_touch_words,
	.eval = kqf_proc_eval,
	.commit = kqf_proc_commit,
	.gone = kqf_proc_gone,
	.detach = kqf_proc_detach,
};
