/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel event sources in hooks/ offer to the core: one block each. */
#ifndef KQ_HOOKS_H
#define KQ_HOOKS_H

#include <linux/fsnotify_backend.h>
#include <linux/wait.h>

#include "kq.h"

/* hooks/fdclose.c: the close of a watched number */
int kqh_fdclose_init(void);
void kqh_fdclose_exit(void);
bool kqh_fdclose_proven(void);
void kqh_fdclose_lock(const struct file *file);
void kqh_fdclose_unlock(const struct file *file);
void kqh_fdclose_add(struct kq_fd *kfd);
void kqh_fdclose_del(struct kq_fd *kfd);

/* hooks/waitqueue.c: the wait queues behind ->poll */
int kqh_waitqueue_join(struct kq_fd *kfd, __poll_t *mask);
void kqh_waitqueue_leave(struct kq_fd *kfd);

/* hooks/fsnotify.c: what happens to inodes */
enum kqh_watch_group {
	KQH_WATCH_CHANGE,
	KQH_WATCH_ACCESS,	/* open, read, close: frequent, so only when asked for */
};

int kqh_fsnotify_init(void);
void kqh_fsnotify_exit(void);
int kqh_fsnotify_join(struct kq_inode_link *link, struct inode *inode, enum kqh_watch_group which);
void kqh_fsnotify_leave(struct kq_inode_link *link);

/* hooks/trace.c: kernel tracepoints */

/**
 * struct kqh_probe - a probe and its tracepoint
 * @name: of the tracepoint
 * @fn: the probe; its first argument is NULL
 * @tp: the tracepoint once it is found
 */
struct kqh_probe {
	const char *name;
	void *fn;
	struct tracepoint *tp;
};

int kqh_trace_connect(struct kqh_probe *probes, int n);
void kqh_trace_disconnect(struct kqh_probe *probes, int n);

/* hooks/process.c: what processes do */
struct kqh_process;

/**
 * struct kqh_process_ops - what a watch is told, each from atomic context
 * @forked: a child process was made, it has not run yet
 * @execed: another program runs
 * @exited: the process ended, task is its zombie; once
 */
struct kqh_process_ops {
	void (*forked)(struct kqh_process *process, struct task_struct *child);
	void (*execed)(struct kqh_process *process);
	void (*exited)(struct kqh_process *process, struct task_struct *task);
};

/**
 * struct kqh_process - one watch on one process
 * @hash: under the bucket's lock
 * @wait: on the wait queue of @pid
 * @pid: the process, referenced
 * @ended: exited was called
 * @ops: who is told
 */
struct kqh_process {
	struct hlist_node hash;
	wait_queue_entry_t wait;
	struct pid *pid;
	atomic_t ended;
	const struct kqh_process_ops *ops;
};

int kqh_process_init(void);
void kqh_process_exit(void);
void kqh_process_join(struct kqh_process *process, struct pid *pid);
void kqh_process_leave(struct kqh_process *process);
void kqh_process_each(struct pid *pid, void (*fn)(struct kqh_process *process, void *arg),
		      void *arg);

/* hooks/signal.c: signals as they are generated */

/**
 * struct kqh_signal - one signal of one process
 * @hash: under the bucket's lock
 * @process: its number, referenced
 * @signo: the signal
 * @generated: told, from any context
 */
struct kqh_signal {
	struct hlist_node hash;
	struct pid *process;
	int signo;
	void (*generated)(struct kqh_signal *watch);
};

int kqh_signal_init(void);
void kqh_signal_exit(void);
void kqh_signal_join(struct kqh_signal *watch);
void kqh_signal_leave(struct kqh_signal *watch);

/* hooks/mounts.c: the mount table */
struct kqh_mount;

/**
 * struct kqh_mounts - the mounts one process sees
 * @file: its mountinfo
 * @wait: on the wait queue behind that
 * @head: the wait queue, kept by @file
 * @changed: it was woken since the last look
 * @list: what was there at the last look, sorted
 * @n: how many
 * @notify: told of a change, from atomic context
 */
struct kqh_mounts {
	struct file *file;
	wait_queue_entry_t wait;
	wait_queue_head_t *head;
	atomic_t changed;
	struct kqh_mount *list;
	size_t n;
	void (*notify)(struct kqh_mounts *mounts);
};

int kqh_mounts_join(struct kqh_mounts *mounts);
int kqh_mounts_look(struct kqh_mounts *mounts, u32 *seen);
void kqh_mounts_leave(struct kqh_mounts *mounts);

#endif /* KQ_HOOKS_H */
