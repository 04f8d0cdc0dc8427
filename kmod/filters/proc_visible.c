// SPDX-License-Identifier: GPL-2.0
/*
 * Which processes a caller may watch: those it can see in /proc, as the
 * administrator has mounted it. The checks behind that are not exported.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/sched/task.h>

#include "proc.h"

/* Without a usable /proc: the caller's own, or the right to look at all. */
static int kqf_process_owned(struct pid *pid)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);
	const struct cred *cred;
	bool owned;

	if (!task)
		return -ESRCH;
	cred = get_task_cred(task);
	owned = uid_eq(current_uid(), cred->uid) ||
		ns_capable_noaudit(cred->user_ns, CAP_SYS_PTRACE);
	put_cred(cred);
	put_task_struct(task);
	return owned ? 0 : -ESRCH;
}

/*
 * Looks the process up in a mounted /proc, by its number in the namespace that
 * shows. Whatever is mounted below is not what the administrator decided on.
 */
static int kqf_process_listed(struct pid *pid, const struct path *proc)
{
	const struct proc_fs_info *info = proc_sb_info(proc->dentry->d_sb);
	char name[sizeof("/proc/2147483647/stat")];
	int nr = pid_nr_ns(pid, info->pid_ns);
	struct path path;
	bool listed;
	int err;

	if (!nr)
		return -ESRCH;
	snprintf(name, sizeof(name), "/proc/%d/stat", nr);
	err = kern_path(name, 0, &path);
	if (err == -EPERM && info->hide_pid == HIDEPID_NO_ACCESS)
		return 0;
	if (err)
		return err == -ENOMEM ? err : -ESRCH;
	listed = path.mnt == proc->mnt;
	path_put(&path);
	return listed ? 0 : kqf_process_owned(pid);
}

/**
 * kqf_process_visible() - does the calling process see another one?
 * @pid: the process
 *
 * Return: 0 if its directory in /proc can be entered, or is there and only its
 * contents are closed to the caller (hidepid=1); -ESRCH; -ENOMEM if that cannot
 * be found out.
 */
int kqf_process_visible(struct pid *pid)
{
	struct path proc;
	int err;

	if (pid == task_tgid(current))
		return 0;
	err = kern_path("/proc", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &proc);
	if (err)
		return err == -ENOMEM ? err : kqf_process_owned(pid);
	/* Anything can be mounted there, a directory of procfs too. */
	if (proc.dentry->d_sb->s_magic == PROC_SUPER_MAGIC &&
	    proc.dentry == proc.dentry->d_sb->s_root)
		err = kqf_process_listed(pid, &proc);
	else
		err = kqf_process_owned(pid);
	path_put(&proc);
	return err;
}
