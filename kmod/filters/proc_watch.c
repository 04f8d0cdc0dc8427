// SPDX-License-Identifier: GPL-2.0
/* The watch behind EVFILT_PROC and EVFILT_PROCDESC: its notes and the exit status. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "kq_race.h"
#include "proc.h"

static void kqf_process_post(struct kqf_process *watch, u32 note)
{
	if (READ_ONCE(watch->kn->sfflags) & note)
		kq_notes_post(watch->kn, &watch->notes, note);
}

/**
 * kqf_process_forked() - told of a child process
 * @process: the watch
 * @child: the child
 */
void kqf_process_forked(struct kqh_process *process, struct task_struct *child)
{
	kqf_process_post(container_of(process, struct kqf_process, process), NOTE_FORK);
}

/**
 * kqf_process_execed() - told of a new program
 * @process: the watch
 */
void kqf_process_execed(struct kqh_process *process)
{
	kqf_process_post(container_of(process, struct kqf_process, process), NOTE_EXEC);
}

/* May the watcher see the status? By its credentials then, the process's now. */
static bool kqf_process_shown(const struct kqf_process *watch, struct task_struct *task)
{
	bool shown;

	rcu_read_lock();
	shown = watch->privileged || uid_eq(watch->uid, task_uid(task)) ||
		task_tgid(rcu_dereference(task->real_parent)) == watch->watcher ||
		(task->ptrace && task_tgid(rcu_dereference(task->parent)) == watch->watcher);
	rcu_read_unlock();
	return shown;
}

/**
 * kqf_process_end() - the process has ended
 * @watch: the watch
 * @task: its zombie, or NULL if that was reaped already
 */
void kqf_process_end(struct kqf_process *watch, struct task_struct *task)
{
	u32 notes = READ_ONCE(watch->kn->sfflags) & (NOTE_EXIT | NOTE_EXITSTATUS);

	watch->status = 0;
	if (task && kqf_process_shown(watch, task))
		watch->status = task->signal->flags & SIGNAL_GROUP_EXIT ?
					task->signal->group_exit_code : task->exit_code;
	/* The status before the notes; the notes first: who sees @exited has all of them. */
	smp_mb__before_atomic();
	if (notes & NOTE_EXIT)
		atomic_or(notes, &watch->notes.fresh);
	kq_race_point(KQ_AT_EXIT);
	/* Pairs with kqf_process_has_exited(). */
	smp_store_release(&watch->exited, true);
	kq_knote_activate(watch->kn, true);
}

/**
 * kqf_process_exited() - told of the end
 * @process: the watch
 * @task: the zombie
 */
void kqf_process_exited(struct kqh_process *process, struct task_struct *task)
{
	kqf_process_end(container_of(process, struct kqf_process, process), task);
}

static bool kqf_process_has_exited(const struct kqf_process *watch)
{
	/* Pairs with the release in kqf_process_end(): with the end come all its notes. */
	return smp_load_acquire(&watch->exited);
}

static bool kqf_privileged(struct task_struct *task)
{
	const struct cred *cred = get_task_cred(task);
	bool privileged = ns_capable_noaudit(cred->user_ns, CAP_KILL) ||
			  ns_capable_noaudit(cred->user_ns, CAP_SYS_PTRACE);

	put_cred(cred);
	return privileged;
}

/**
 * struct kqf_count - foreign watches of one user on a process
 * @user: whose
 * @n: how many
 */
struct kqf_count {
	const struct kq_user *user;
	int n;
};

static void kqf_count_foreign(struct kqh_process *process, void *arg)
{
	struct kqf_process *watch = container_of(process, struct kqf_process, process);
	struct kqf_count *count = arg;

	count->n += watch->foreign && watch->kn->kq->user == count->user;
}

/*
 * Each watch makes the process's forks slower. What its own user does to it is that
 * user's business; of what others do there is a limit. Two who come at once may
 * exceed it by one.
 */
static bool kqf_process_crowded(struct kqf_process *watch, struct pid *pid)
{
	struct kqf_count count = { .user = watch->kn->kq->user };

	if (watch->foreign)
		kqh_process_each(pid, kqf_count_foreign, &count);
	return count.n >= KQ_MAX_FOREIGN;
}

/**
 * kqf_process_attach() - watch a process for the calling one
 * @watch: kn and process.ops are set
 * @pid: the process
 * @reaped: accept one that is not even a zombie any more
 *
 * Return: 0; -ESRCH if it has ended and NOTE_EXIT is not asked for, or was
 * reaped (KQ-185, KQ-186); -ENOMEM for too many watches on another user's process.
 */
int kqf_process_attach(struct kqf_process *watch, struct pid *pid, bool reaped)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);

	kq_notes_init(&watch->notes);
	watch->exited = false;
	watch->watcher = get_pid(task_tgid(current));
	watch->uid = current_uid();
	watch->privileged = task && kqf_privileged(task);
	watch->foreign = task && !watch->privileged && !uid_eq(watch->uid, task_uid(task));
	if (task)
		put_task_struct(task);
	if (kqf_process_crowded(watch, pid)) {
		put_pid(watch->watcher);
		return -ENOMEM;
	}

	kqh_process_join(&watch->process, pid);
	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	rcu_read_unlock();
	/* Nobody will tell of one that is gone, unless that is being done now. */
	if (!task && reaped && !atomic_xchg(&watch->process.ended, 1))
		kqf_process_end(watch, NULL);
	if (kqf_process_has_exited(watch) ? !(watch->kn->sfflags & NOTE_EXIT) : !task && !reaped) {
		kqf_process_detach(watch);
		return -ESRCH;
	}
	return 0;
}

/**
 * kqf_process_same_view() - does the calling process number processes as a watcher did?
 * @from: its watch
 *
 * Return: true if both are in one pid namespace.
 */
bool kqf_process_same_view(const struct kqf_process *from)
{
	return ns_of_pid(from->watcher) == task_active_pid_ns(current);
}

/**
 * kqf_process_inherit() - watch for the calling process, a child, as its parent does
 * @watch: kn and process.ops are set
 * @from: the parent's watch, its knote in flux
 *
 * The child has the rights its parent had when it registered.
 *
 * Return: 0, or -ENOMEM as kqf_process_attach().
 */
int kqf_process_inherit(struct kqf_process *watch, struct kqf_process *from)
{
	kq_notes_init(&watch->notes);
	watch->exited = false;
	watch->watcher = get_pid(task_tgid(current));
	watch->uid = from->uid;
	watch->privileged = from->privileged;
	watch->foreign = from->foreign;
	if (kqf_process_crowded(watch, from->process.pid)) {
		put_pid(watch->watcher);
		return -ENOMEM;
	}
	kqh_process_join(&watch->process, from->process.pid);
	/* It may be long gone: then only the parent's watch knows how it ended. */
	if (kqf_process_has_exited(from) && !atomic_xchg(&watch->process.ended, 1)) {
		watch->status = from->status;
		/* Pairs with kqf_process_has_exited(). */
		smp_store_release(&watch->exited, true);
	}
	kq_notes_copy(&watch->notes, &from->notes);
	return 0;
}

/* A change that asked for the end while it came: both may have missed the other. */
static void kqf_process_late(struct kqf_process *watch)
{
	u32 sfflags = watch->kn->sfflags;

	if (sfflags & NOTE_EXIT)
		watch->notes.taken |= sfflags & (NOTE_EXIT | NOTE_EXITSTATUS);
}

/**
 * kqf_process_eval() - what is to be reported
 * @watch: of a knote in flux
 * @res: filled
 *
 * Return: ready.
 */
bool kqf_process_eval(struct kqf_process *watch, struct kq_result *res)
{
	/* Before the notes, see kqf_process_end(). */
	bool exited = kqf_process_has_exited(watch);

	if (exited)
		kqf_process_late(watch);
	res->fflags = kq_notes_take(&watch->notes);
	if (exited || (res->fflags & NOTE_EXIT)) {
		res->flags = EV_EOF;
		watch->kn->flags |= EV_ONESHOT;
	}
	if (res->fflags & NOTE_EXIT)
		res->data = watch->status;
	return res->fflags;
}

/**
 * kqf_process_gone() - has it ended, with nothing to report?
 * @watch: of a knote in flux
 *
 * Return: true if nothing will ever come of it (KQ-191).
 */
bool kqf_process_gone(struct kqf_process *watch)
{
	if (!kqf_process_has_exited(watch))
		return false;
	kqf_process_late(watch);
	return !kq_notes_take(&watch->notes);
}

/**
 * kqf_process_detach() - on return nothing is told any more
 * @watch: attached
 */
void kqf_process_detach(struct kqf_process *watch)
{
	kqh_process_leave(&watch->process);
	put_pid(watch->watcher);
}
