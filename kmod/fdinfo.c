// SPDX-License-Identifier: GPL-2.0
/* /proc/PID/fdinfo/N of a queue: its knotes, one line each, no kernel addresses. */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "kq_filter.h"

/* What one line says, copied under kq->lock and printed without it. */
struct kq_line {
	u64 ident;
	u64 udata;
	s64 sdata;
	u32 sfflags;
	u32 status;
	u16 flags;
	u8 filter;
};

static void kq_line_fill(struct kq_line *line, const struct kq_knote *kn, u64 ident)
{
	line->ident = ident;
	line->udata = kn->udata;
	line->sdata = kn->sdata;
	line->sfflags = kn->sfflags;
	line->status = kn->status;
	line->flags = kn->flags;
	line->filter = kn->filter;
}

static void kq_line_show(struct seq_file *m, const struct kq_line *line)
{
	seq_printf(m, "knote: ident=%llu filter=%s flags=%#x fflags=%#x data=%lld udata=%#llx%s%s\n",
		   line->ident, kq_filter_find(-(s16)line->filter)->name, line->flags,
		   line->sfflags, line->sdata, line->udata,
		   line->status & KN_DISABLED ? " disabled" : "",
		   line->status & KN_ACTIVE ? " active" : "");
}

/* Filters that take a descriptor: READ, WRITE, VNODE, PROCDESC, EMPTY, EXCEPT. */
#define KQ_LINES_FD	6

/* Lines of one descriptor. */
static int kq_lines_fd(struct kq *kq, u32 fd, struct kq_line *lines)
{
	struct kq_fd *kfd = kq_index_fd(kq, fd);
	struct kq_extra *extra;
	int n = 0;

	if (kfd && (kfd->read.status & KN_LIVE))
		kq_line_fill(&lines[n++], &kfd->read, fd);
	if (kfd && (kfd->write.status & KN_LIVE))
		kq_line_fill(&lines[n++], &kfd->write, fd);
	for (extra = kfd ? kfd->extra : NULL; extra && n < KQ_LINES_FD; extra = extra->next)
		if (extra->kn.status & KN_LIVE)
			kq_line_fill(&lines[n++], &extra->kn, fd);
	return n;
}

/* What the user who opened the queue has of what is limited, all queues together. */
static void kq_show_user(struct seq_file *m, struct kq *kq)
{
	static const char *const names[KQ_LIMITS] = {
		[KQ_LIMIT_QUEUES] = "queues",
		[KQ_LIMIT_KNOTES] = "knotes",
		[KQ_LIMIT_TIMERS] = "timers",
	};
	unsigned long used, limit;
	int i;

	seq_puts(m, "user:");
	for (i = 0; i < KQ_LIMITS; i++) {
		used = kq_limit_look(kq->user, i, &limit);
		seq_printf(m, " %s=%lu/%lu", names[i], used, limit);
	}
	seq_putc(m, '\n');
}

static void kq_show_fds(struct seq_file *m, struct kq *kq)
{
	struct kq_line lines[KQ_LINES_FD];
	u32 fd, limit;
	int i, n;

	limit = READ_ONCE(kq->nfds);
	for (fd = 0; fd < limit && !seq_has_overflowed(m); fd++) {
		raw_spin_lock_irq(&kq->lock);
		n = kq_lines_fd(kq, fd, lines);
		raw_spin_unlock_irq(&kq->lock);
		for (i = 0; i < n; i++)
			kq_line_show(m, &lines[i]);
		cond_resched();
	}
}

/*
 * Chains are short (one note per bucket on the average) but not bounded: they
 * are copied in pieces, found again by their place in the chain.
 */
static void kq_show_notes(struct seq_file *m, struct kq *kq)
{
	struct kq_line lines[KQ_BATCH / 4];
	struct kq_note *note;
	u32 bucket = 0;
	int skip = 0, pos, i, n;

	for (;;) {
		n = 0;
		pos = 0;
		raw_spin_lock_irq(&kq->lock);
		if (bucket >= kq->nbuckets) {
			raw_spin_unlock_irq(&kq->lock);
			return;
		}
		hlist_for_each_entry(note, kq_index_bucket(kq, bucket), hash) {
			if (pos++ < skip)
				continue;
			kq_line_fill(&lines[n++], &note->kn, note->ident);
			if (n == ARRAY_SIZE(lines))
				break;
		}
		raw_spin_unlock_irq(&kq->lock);
		for (i = 0; i < n; i++)
			kq_line_show(m, &lines[i]);
		if (seq_has_overflowed(m))
			return;
		if (n == ARRAY_SIZE(lines)) {
			skip += n;
		} else {
			bucket++;
			skip = 0;
		}
		cond_resched();
	}
}

/*
 * Who has got a descriptor of the queue is not told what its owner watches: that
 * takes to be the owner, or, where the owner is visible, to be its user or to have
 * the right to look at any process. For the latter two it counts who opened the
 * text: a set-user-ID program may read what its caller opened.
 */
static bool kq_fdinfo_allowed(const struct kq *kq, const struct file *text)
{
	if (READ_ONCE(kq->files) == current->files)
		return true;
	if (!pid_nr_ns(kq->pid, task_active_pid_ns(current)))
		return false;
	return kq_user_is(kq->user, text->f_cred->euid) ||
	       (ns_capable_noaudit(&init_user_ns, CAP_SYS_PTRACE) &&
		file_ns_capable(text, &init_user_ns, CAP_SYS_PTRACE));
}

/**
 * kq_show_fdinfo() - the lines of one queue
 * @m: where they go
 * @file: the queue
 */
void kq_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct kq *kq = kq_from_file(file);

	if (!kq_fdinfo_allowed(kq, m->file)) {
		seq_puts(m, "kqueue: of another process\n");
		return;
	}
	seq_printf(m, "kqueue: ready=%u%s\n", READ_ONCE(kq->nready), kq->dead ? " dead" : "");
	kq_show_user(m, kq);
	kq_show_fds(m, kq);
	kq_show_notes(m, kq);
}
