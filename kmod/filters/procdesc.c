// SPDX-License-Identifier: GPL-2.0
/* EVFILT_PROCDESC (KQ-200): fork, exec and exit of a process, named by a pidfd. */
#include <linux/pid.h>
#include <linux/pidfd.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>

#include "proc.h"

/**
 * struct kqf_procdesc - a knote of EVFILT_PROCDESC
 * @extra: the knote
 * @watch: the process
 */
struct kqf_procdesc {
	struct kq_extra extra;
	struct kqf_process watch;
};

static struct kqf_procdesc *kqf_procdesc(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_procdesc, extra.kn);
}

static const struct kqh_process_ops kqf_procdesc_process_ops = {
	.forked = kqf_process_forked,
	.execed = kqf_process_execed,
	.exited = kqf_process_exited,
};

static int kqf_procdesc_check(const struct kq_fd *kfd)
{
	if (kfd->kind != KQ_KIND_PIDFD)
		return -EINVAL;
#ifdef PIDFD_THREAD
	if (kfd->file->f_flags & PIDFD_THREAD)
		return -EINVAL;
#endif
	return 0;
}

struct kqf_pid_table {
	poll_table pt;
	struct pid *pid;
};

/* A pidfd is polled on the wait queue of its process: that tells which it is. */
static void kqf_pid_found(struct file *file, wait_queue_head_t *head, poll_table *pt)
{
	struct kqf_pid_table *table = container_of(pt, struct kqf_pid_table, pt);

	table->pid = container_of(head, struct pid, wait_pidfd);
}

static int kqf_procdesc_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kqf_procdesc *desc = kqf_procdesc(kn);
	struct kqf_pid_table table = {};

	init_poll_funcptr(&table.pt, kqf_pid_found);
	vfs_poll(kq_knote_fd(kn)->file, &table.pt);
	if (!table.pid)
		return -EINVAL;
	kn->flags |= EV_CLEAR;
	desc->watch.kn = kn;
	desc->watch.process.ops = &kqf_procdesc_process_ops;
	return kqf_process_attach(&desc->watch, table.pid, true);
}

static int kqf_procdesc_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	struct kqf_procdesc *desc = kqf_procdesc(kn);

	desc->watch.kn = kn;
	desc->watch.process.ops = &kqf_procdesc_process_ops;
	return kqf_process_inherit(&desc->watch, &kqf_procdesc(from)->watch);
}

static bool kqf_procdesc_eval(struct kq_knote *kn, struct kq_result *res)
{
	return kqf_process_eval(&kqf_procdesc(kn)->watch, res);
}

static void kqf_procdesc_commit(struct kq_knote *kn, const struct kq_result *res)
{
	kq_notes_commit(kn, &kqf_procdesc(kn)->watch.notes);
}

static enum kq_claim kqf_procdesc_gone(struct kq_knote *kn, bool ident_again)
{
	return kqf_process_gone(&kqf_procdesc(kn)->watch) ? KQ_CLAIM_GONE : KQ_CLAIM_KEEP;
}

static void kqf_procdesc_detach(struct kq_knote *kn)
{
	kqf_process_detach(&kqf_procdesc(kn)->watch);
}

const struct kq_filter_ops kqf_procdesc_ops = {
	.name = "procdesc",
	.flags = KQF_FD,
	.size = sizeof(struct kqf_procdesc),
	.check = kqf_procdesc_check,
	.attach = kqf_procdesc_attach,
	.inherit = kqf_procdesc_inherit,
	.touch = kq_touch_words,
	.eval = kqf_procdesc_eval,
	.commit = kqf_procdesc_commit,
	.gone = kqf_procdesc_gone,
	.detach = kqf_procdesc_detach,
};
