/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by EVFILT_PROC and EVFILT_PROCDESC: the watch on one process. */
#ifndef KQF_PROC_H
#define KQF_PROC_H

#include <linux/uidgid.h>

#include "kq_filter.h"
#include "kq_hooks.h"

/**
 * struct kqf_process - a watch, as part of a knote
 * @process: where it is told
 * @kn: its knote
 * @notes: what happened
 * @watcher: the process that registered it, for the status and for its numbers
 *           of processes
 * @uid: real user of that process then
 * @privileged: it may see any status
 * @foreign: it may not see the status of this process, going by users
 * @status: of wait(2), valid once NOTE_EXIT was posted or @exited is set
 * @exited: the process ended, all notes are posted
 */
struct kqf_process {
	struct kqh_process process;
	struct kq_knote *kn;
	struct kq_notes notes;
	struct pid *watcher;
	kuid_t uid;
	bool privileged;
	bool foreign;
	u32 status;
	bool exited;
};

/**
 * struct kqf_proc - a knote of EVFILT_PROC
 * @note: the knote; the ident is the process's number as the watcher sees it
 * @watch: the process
 * @parent: of the notice of a tracked child: number of its parent; such a note
 *          watches nothing, of @watch it has the watcher alone. Else 0
 */
struct kqf_proc {
	struct kq_note note;
	struct kqf_process watch;
	pid_t parent;
};

/* proc_watch.c */
int kqf_process_attach(struct kqf_process *watch, struct pid *pid, bool reaped);
int kqf_process_inherit(struct kqf_process *watch, struct kqf_process *from);
bool kqf_process_same_view(const struct kqf_process *from);
void kqf_process_end(struct kqf_process *watch, struct task_struct *task);
bool kqf_process_eval(struct kqf_process *watch, struct kq_result *res);
bool kqf_process_gone(struct kqf_process *watch);
void kqf_process_forked(struct kqh_process *process, struct task_struct *child);
void kqf_process_execed(struct kqh_process *process);
void kqf_process_exited(struct kqh_process *process, struct task_struct *task);
void kqf_process_detach(struct kqf_process *watch);

/* proc_visible.c */
int kqf_process_visible(struct pid *pid);

/* proc.c */
extern const struct kqh_process_ops kqf_proc_process_ops;

/* proc_track.c */
int kqf_track_init(void);
void kqf_track_exit(void);
void kqf_track(struct kqf_proc *proc, struct task_struct *child);

#endif /* KQF_PROC_H */
