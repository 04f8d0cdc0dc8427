// SPDX-License-Identifier: GPL-2.0
/*
 * What a forked child makes of its copy of a descriptor table, before it runs
 * for the first time: numbers of queues are closed, those of queues with
 * KQ_SETUP_CPONFORK name copies afterwards. Nobody else uses that table yet.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "kq_filter.h"
#include "kq_race.h"

/**
 * struct kq_heir - a queue and its copy
 * @link: of the list of one child
 * @from: the parent's, referenced
 * @to: the child's own, referenced
 */
struct kq_heir {
	struct list_head link;
	struct file *from;
	struct file *to;
};

static int kq_is_queue_fd(const void *arg, struct file *file, unsigned int fd)
{
	return kq_is_queue(file) ? fd + 1 : 0;
}

/* The first number from @fd on that names a queue, plus one; 0: none. */
static int kq_next_queue_fd(unsigned int fd)
{
	return iterate_fd(current->files, fd, kq_is_queue_fd, NULL);
}

/*
 * Does the child get a copy? Not over a gain of rights: the parent may be a
 * set-user-ID program that knows nothing of a queue it was run with, and would pay
 * for the copy and wait for what it watches. Who gave up root's keeps them.
 */
static bool kq_is_copied(const struct kq *kq, const struct files_struct *parent)
{
	if (!READ_ONCE(kq->copied) || READ_ONCE(kq->files) != parent)
		return false;
	return kq_user_is(kq->user, GLOBAL_ROOT_UID) ||
	       (kq_user_is(kq->user, current_uid()) && kq_user_is(kq->user, current_euid()));
}

/* The copy of a queue, made if this is the first number of it. */
static struct kq_heir *kq_heir_get(struct list_head *heirs, struct file *file)
{
	struct kq_heir *heir;
	int err;

	list_for_each_entry(heir, heirs, link)
		if (heir->from == file)
			return heir;
	heir = kmalloc(sizeof(*heir), GFP_KERNEL_ACCOUNT);
	if (!heir)
		return ERR_PTR(-ENOMEM);
	heir->to = kqc_dentry_open(&file->f_path, file->f_flags);
	if (IS_ERR(heir->to)) {
		err = PTR_ERR(heir->to);
		kfree(heir);
		return ERR_PTR(err);
	}
	kq_owner_copies(kq_from_file(heir->to), true);
	kq_from_file(heir->to)->origin = file;
	heir->from = get_file(file);
	list_add_tail(&heir->link, heirs);
	return heir;
}

/* As dup2(2) does, for a number that is open. */
static void kq_replace_fd(unsigned int fd, struct file *file)
{
	struct files_struct *files = current->files;
	struct fdtable *fdt;
	struct file *old;

	get_file(file);
	spin_lock(&files->file_lock);
	fdt = files_fdtable(files);
	old = rcu_dereference_protected(fdt->fd[fd], lockdep_is_held(&files->file_lock));
	rcu_assign_pointer(fdt->fd[fd], file);
	spin_unlock(&files->file_lock);
	filp_close(old, files);
}

/* Closes all numbers of a file. */
static void kq_close_all(const struct file *wanted)
{
	struct file *file;
	int next;

	for (next = 0; (next = kq_next_queue_fd(next));) {
		file = fget(next - 1);
		if (file == wanted)
			close_fd(next - 1);
		if (file)
			fput(file);
	}
}

/* The knote of the lowest row above @row that a descriptor has. */
static struct kq_knote *kq_fd_knote_above(struct kq_fd *kfd, u8 row)
{
	struct kq_knote *kn = NULL;
	struct kq_extra *extra;

	if (row < -EVFILT_READ && (kfd->read.status & KN_LIVE))
		return &kfd->read;
	if (row < -EVFILT_WRITE && (kfd->write.status & KN_LIVE))
		return &kfd->write;
	for (extra = kfd->extra; extra; extra = extra->next)
		if ((extra->kn.status & KN_LIVE) && extra->kn.filter > row &&
		    (!kn || extra->kn.filter < kn->filter))
			kn = &extra->kn;
	return kn;
}

static struct kq_knote *kq_next_on_fd(struct kq *kq, u32 fd, u8 row)
{
	struct kq_fd *kfd = kq_index_fd(kq, fd);

	return kfd ? kq_fd_knote_above(kfd, row) : NULL;
}

/* A note of a bucket that this walk has not seen. */
static struct kq_knote *kq_next_in_bucket(struct kq *kq, u32 bucket, u64 walk)
{
	struct kq_note *note;

	hlist_for_each_entry(note, kq_index_bucket(kq, bucket), hash)
		if (note->walk != walk)
			return &note->kn;
	return NULL;
}

/**
 * struct kq_walk - through all knotes of a queue, others changing it meanwhile
 * @id: of this walk
 * @fd: next descriptor
 * @row: the row last visited there
 * @bucket: next chain of notes; they only ever move to later ones
 */
struct kq_walk {
	u64 id;
	u32 fd;
	u8 row;
	u32 bucket;
};

/* The next knote, queue locked; NULL at the end, or when @relax is set and this was long. */
static struct kq_knote *kq_walk_next(struct kq *kq, struct kq_walk *walk, bool *relax)
{
	struct kq_knote *kn;
	int steps = 0;

	for (; walk->fd < kq->nfds; walk->fd++, walk->row = 0) {
		kn = kq_next_on_fd(kq, walk->fd, walk->row);
		if (kn)
			return kn;
		if (++steps == KQ_RELAX)
			goto relax;
	}
	for (; walk->bucket < kq->nbuckets; walk->bucket++) {
		kn = kq_next_in_bucket(kq, walk->bucket, walk->id);
		if (kn)
			return kn;
		if (++steps == KQ_RELAX)
			goto relax;
	}
	*relax = false;
	return NULL;
relax:
	*relax = true;
	return NULL;
}

/*
 * Copies one knote, in flux in its queue. That it was looked at is no news to the
 * parent: what it had been @told already it is not told again, unless something
 * comes meanwhile.
 *
 * Return: 0, also if it cannot be had here; -ENOMEM, -EINTR.
 */
static int kq_copy_knote(struct kq *to, struct kq_knote *kn, u32 told, struct kq_drops *drops)
{
	bool quiet;
	int err;

	kq_race_point(KQ_AT_COPY);
	err = kq_register_copy(to, kn, drops);
	raw_spin_lock_irq(&kn->kq->lock);
	quiet = told && !(kn->status & KN_ACTIVE);
	kn->status |= told;
	kq_knote_release(kn, quiet, drops);
	return err == -ENOMEM || err == -EINTR ? err : 0;
}

/*
 * Copies all knotes. Those of numbers the child does not have, or not as the
 * parent has them, are left out.
 *
 * Return: 0; -ENOMEM, -EINTR (being killed), -EBADF (the parent's queue has gone).
 */
static int kq_copy_locked(struct kq *to, struct kq *from)
{
	static atomic64_t walks = ATOMIC64_INIT(0);
	struct kq_drops drops = { .list = LLIST_HEAD_INIT(drops.list) };
	struct kq_walk walk = { .id = atomic64_inc_return(&walks) };
	struct kq_knote *kn;
	bool relax;
	int err = 0;
	u32 told;

	for (;;) {
		raw_spin_lock_irq(&from->lock);
		if (from->dead) {
			raw_spin_unlock_irq(&from->lock);
			err = -EBADF;
			break;
		}
		kn = kq_walk_next(from, &walk, &relax);
		if (!kn) {
			raw_spin_unlock_irq(&from->lock);
			if (!relax)
				break;
			cond_resched();
			continue;
		}
		if (kn->status & KN_FLUX) {
			err = kq_flux_wait(from, kn, &drops);
			if (err)
				break;
			continue;
		}
		if (kq_knote_is_fd(kn))
			walk.row = kn->filter;
		else
			kq_knote_note(kn)->walk = walk.id;
		told = kn->status & KN_QUIET ? kn->status & (KN_ACTIVE | KN_STRONG) : 0;
		kq_flux_begin(kn, true);
		kn->status &= ~told;
		raw_spin_unlock_irq(&from->lock);
		err = kq_copy_knote(to, kn, told, &drops);
		/* The parent may have closed it meanwhile, and its peer waits for that. */
		kq_drops_defer(&drops);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			break;
		cond_resched();
	}
	kq_drops_flush(&drops);
	return err;
}

/* Where a walk has been is written on the notes: one child at a time. */
static int kq_copy(struct kq *to, struct kq *from)
{
	int err;

	if (mutex_lock_killable(&from->copying))
		return -EINTR;
	err = kq_copy_locked(to, from);
	mutex_unlock(&from->copying);
	return err;
}

/* All of a queue or none of it: a program cannot tell which events it will miss. */
static void kq_heir_settle(struct kq_heir *heir)
{
	int err = kq_copy(kq_from_file(heir->to), kq_from_file(heir->from));

	if (err)
		kq_close_all(heir->to);
	list_del(&heir->link);
	fput(heir->from);
	fput(heir->to);
	kfree(heir);
}

/**
 * kq_inherit() - set right the descriptor table of a new process
 * @parent: the table it is a copy of; compared only
 * @copies: it may have queues with KQ_SETUP_CPONFORK
 *
 * Runs in the child. First all numbers, so that a copy that watches another queue
 * finds that one's copy, then the knotes.
 */
void kq_inherit(const struct files_struct *parent, bool copies)
{
	struct kq_heir *heir, *next_heir;
	struct file *file;
	LIST_HEAD(heirs);
	int next;

	for (next = 0; (next = kq_next_queue_fd(next));) {
		file = fget(next - 1);
		if (!file)
			continue;
		heir = ERR_PTR(-EBADF);
		if (copies && kq_is_copied(kq_from_file(file), parent))
			heir = kq_heir_get(&heirs, file);
		if (!IS_ERR(heir))
			kq_replace_fd(next - 1, heir->to);
		else if (heir == ERR_PTR(-EBADF))
			close_fd(next - 1);
		else	/* Not by another number either, for which there might be memory. */
			kq_close_all(file);
		fput(file);
		cond_resched();
	}
	list_for_each_entry_safe(heir, next_heir, &heirs, link)
		kq_heir_settle(heir);
}
