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
static bool kqf_process_owned(struct pid *pid)
{
	struct task_struct *task = get_pid_task(pid, PIDTYPE_TGID);
	const struct cred *cred;
	bool owned;

	if (!task)
		return false;
	cred = get_task_cred(task);
	owned = uid_eq(current_uid(), cred->uid) ||
		ns_capable_noaudit(cred->user_ns, CAP_SYS_PTRACE);
	put_cred(cred);
	put_task_struct(task);
	return owned;
}

/* The process's number in the namespace the mounted /proc shows; 0: not there, <0: no /proc. */
static int kqf_number_in_proc(struct pid *pid)
{
	struct path path;
	int nr = -ENOENT;

	if (kern_path("/proc", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path))
		return nr;
	/* Anything can be mounted there. */
	if (path.dentry->d_sb->s_magic == PROC_SUPER_MAGIC)
		nr = pid_nr_ns(pid, proc_sb_info(path.dentry->d_sb)->pid_ns);
	path_put(&path);
	return nr;
}

/**
 * kqf_process_visible() - does the calling process see another one?
 * @pid: the process
 *
 * Return: true if its directory in /proc can be entered, or is there and only
 * its contents are closed to the caller (hidepid=1).
 */
bool kqf_process_visible(struct pid *pid)
{
	char name[sizeof("/proc/2147483647/stat")];
	struct path path;
	int nr, err;

	if (pid == task_tgid(current))
		return true;
	nr = kqf_number_in_proc(pid);
	if (nr < 0)
		return kqf_process_owned(pid);
	snprintf(name, sizeof(name), "/proc/%d/stat", nr);
	err = kern_path(name, 0, &path);
	if (!err)
		path_put(&path);
	return !err || err == -EPERM;
}
