// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the stand-ins for hooks/: nothing is ever closed, changed, forked or signalled. The suites
 * watch no descriptor and no process; the filters that do are there for the table alone.
 */
#include <linux/module.h>

#include "kq_hooks.h"

bool kqh_fdclose_proven(void)
{
	return true;
}

void kqh_fdclose_lock(const struct file *file)
{
}

void kqh_fdclose_unlock(const struct file *file)
{
}

void kqh_fdclose_add(struct kq_fd *kfd)
{
}

void kqh_fdclose_del(struct kq_fd *kfd)
{
}

int kqh_waitqueue_join(struct kq_fd *kfd, __poll_t *mask)
{
	return -EOPNOTSUPP;
}

void kqh_waitqueue_leave(struct kq_fd *kfd)
{
}

int kqh_fsnotify_join(struct kq_inode_link *link, struct inode *inode, enum kqh_watch_group which)
{
	return -EOPNOTSUPP;
}

void kqh_fsnotify_leave(struct kq_inode_link *link)
{
}

int kqh_trace_connect(struct kqh_probe *probes, int n)
{
	return -EOPNOTSUPP;
}

void kqh_trace_disconnect(struct kqh_probe *probes, int n)
{
}

void kqh_process_join(struct kqh_process *process, struct pid *pid)
{
}

void kqh_process_leave(struct kqh_process *process)
{
}

void kqh_process_each(struct pid *pid, void (*fn)(struct kqh_process *process, void *arg),
		      void *arg)
{
}

void kqh_signal_join(struct kqh_signal *watch)
{
}

void kqh_signal_leave(struct kqh_signal *watch)
{
}

int kqh_mounts_join(struct kqh_mounts *mounts)
{
	return -EOPNOTSUPP;
}

int kqh_mounts_look(struct kqh_mounts *mounts, u32 *seen)
{
	return 0;
}

void kqh_mounts_leave(struct kqh_mounts *mounts)
{
}

MODULE_DESCRIPTION("unit tests of kqueue");
MODULE_LICENSE("GPL");
