// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a watched descriptor: creation, publication, death, teardown. What
 * wakes it is in hooks/, what it means in filters/.
 */
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "kq_filter.h"
#include "kq_hooks.h"
#include "kq_race.h"

static struct kmem_cache *kq_fd_cache;
static atomic64_t kq_missed = ATOMIC64_INIT(0);

static void kq_drops_work(struct work_struct *work);
static LLIST_HEAD(kq_drops_pending);
static DECLARE_WORK(kq_drops_worker, kq_drops_work);

/**
 * kq_missed_closes() - how many closes were found late
 *
 * Return: the number since load; anything but zero is a defect of the hook.
 */
u64 kq_missed_closes(void)
{
	return atomic64_read(&kq_missed);
}

/* What the owner's table holds at a number; for comparison only. */
static struct file *kq_slot(struct files_struct *files, u32 fd)
{
	struct fdtable *fdt;
	struct file *file;

	rcu_read_lock();
	fdt = rcu_dereference_raw(files->fdt);
	file = fd < fdt->max_fds ?
		       rcu_dereference_raw(fdt->fd[array_index_nospec(fd, fdt->max_fds)]) : NULL;
	rcu_read_unlock();
	return file;
}

/**
 * kq_fd_current() - does the number still name the watched file?
 * @kfd: descriptor; the caller is a thread of the owner
 *
 * Return: false from the moment the slot is cleared, before the hook runs.
 */
bool kq_fd_current(const struct kq_fd *kfd)
{
	return kq_slot(current->files, kfd->fd) == kfd->file;
}

/* What the knotes of a descriptor have between them. */
static u32 kq_fd_status(const struct kq_fd *kfd)
{
	u32 status = kfd->read.status | kfd->write.status;
	const struct kq_extra *extra;

	for (extra = kfd->extra; extra; extra = extra->next)
		status |= extra->kn.status;
	return status;
}

/**
 * kq_fd_in_flux() - does any thread work on a knote of this descriptor?
 * @kfd: descriptor, queue locked
 *
 * Return: true if its teardown has to wait.
 */
bool kq_fd_in_flux(const struct kq_fd *kfd)
{
	return kq_fd_status(kfd) & KN_FLUX;
}

/**
 * kq_fd_live() - is any knote of this descriptor registered?
 * @kfd: descriptor, queue locked
 *
 * Return: false if nothing keeps it.
 */
bool kq_fd_live(const struct kq_fd *kfd)
{
	return kq_fd_status(kfd) & KN_LIVE;
}

/**
 * kq_fd_knote() - the knote of a filter
 * @kfd: descriptor, queue locked
 * @filter: row of the filter
 *
 * Return: the knote, registered or not; NULL if it was not made yet.
 */
struct kq_knote *kq_fd_knote(struct kq_fd *kfd, u8 filter)
{
	struct kq_extra *extra;

	switch (filter) {
	case -EVFILT_READ:
		return &kfd->read;
	case -EVFILT_WRITE:
		return &kfd->write;
	}
	for (extra = kfd->extra; extra; extra = extra->next)
		if (extra->kn.filter == filter)
			return &extra->kn;
	return NULL;
}

/**
 * kq_fd_extend() - add the knote of a further filter
 * @kfd: descriptor, queue locked or not published
 * @extra: the head of the filter's structure
 */
void kq_fd_extend(struct kq_fd *kfd, struct kq_extra *extra)
{
	extra->kfd = kfd;
	extra->next = kfd->extra;
	if (kq_filter_ops(&extra->kn)->detach)
		kfd->state |= KFD_SLEEPS;
	/* Pairs with kqh_wake(), which walks the list without the lock. */
	smp_store_release(&kfd->extra, extra);
}

/**
 * kq_fd_create() - a kq_fd that is not published yet
 * @kq: queue
 * @fd: the number; its slot in the index is made
 *
 * Return: the kq_fd or an ERR_PTR of -ENOMEM.
 */
struct kq_fd *kq_fd_create(struct kq *kq, u32 fd)
{
	struct kq_fd *kfd;

	if (kq_index_reserve_fd(kq, fd))
		return ERR_PTR(-ENOMEM);
	kfd = kmem_cache_zalloc(kq_fd_cache, GFP_KERNEL_ACCOUNT);
	if (!kfd)
		return ERR_PTR(-ENOMEM);
	kq_knote_init(&kfd->read, kq, -EVFILT_READ);
	kq_knote_init(&kfd->write, kq, -EVFILT_WRITE);
	kfd->fd = fd;
	refcount_inc(&kq->refs);
	return kfd;
}

/**
 * kq_fd_begin() - a knote of this descriptor begins to live
 * @kfd: descriptor, queue locked
 * @kn: its knote; comes back in flux
 *
 * One that nobody may wake is away from the first moment on, so that a thread
 * that looks meanwhile knows that it did not see everything.
 *
 * Return: 0, or -ENOMEM at the limit of the queue's user.
 */
int kq_fd_begin(struct kq_fd *kfd, struct kq_knote *kn)
{
	bool unpolled = !kq_filter_ops(kn)->wakes;
	int err;

	err = kq_knote_begin(kn);
	if (err)
		return err;
	if (!unpolled && (kfd->kind == KQ_KIND_REG || kfd->kind == KQ_KIND_QUEUE)) {
		kn->status |= KN_POLLED;
		kn->kq->polled = true;
	}
	kq_flux_begin(kn, false);
	if (!unpolled && !(kfd->state & KFD_POLLED))
		kfd->state |= KFD_BUSY;
	return 0;
}

/**
 * kq_fd_publish() - enter a new kq_fd into the index and the close hash
 * @kfd: from kq_fd_create()
 * @kn: its knote that is being registered; comes back in flux
 *
 * The slot is compared and the kq_fd inserted under file_lock in one step: a
 * close of the number has either cleared the slot before, or finds the kq_fd.
 *
 * Return: 0, -EBADF if the number is not open or the queue has gone, -EAGAIN if
 * another thread was faster, -ENOMEM at the limit of the queue's user.
 */
int kq_fd_publish(struct kq_fd *kfd, struct kq_knote *kn)
{
	struct files_struct *files = current->files;
	struct kq *kq = kfd->read.kq;
	struct file *file;
	int err = -EBADF;

	spin_lock(&files->file_lock);
	file = kq_slot(files, kfd->fd);
	if (!file || ((file->f_mode & FMODE_PATH) && !(kq_filter_ops(kn)->flags & KQF_PATH)))
		goto out;
	get_file(file);
	kfd->file = file;
	kfd->kind = kq_kind_of(file);

	kqh_fdclose_lock(file);
	raw_spin_lock(&kq->lock);
	if (!kq->dead)
		err = kq_index_fd(kq, kfd->fd) ? -EAGAIN : kq_fd_begin(kfd, kn);
	if (!err) {
		kq_index_set_fd(kq, kfd->fd, kfd);
		kqh_fdclose_add(kfd);
	}
	raw_spin_unlock(&kq->lock);
	kqh_fdclose_unlock(file);
out:
	spin_unlock(&files->file_lock);
	return err;
}

static void kq_fd_kill_knote(struct kq_knote *kn)
{
	kq_knote_unlink(kn);
	kq_knote_end(kn);
}

/**
 * kq_fd_kill() - the registration of a number ends
 * @kfd: descriptor, queue locked
 *
 * From here on nothing finds or reports it.
 *
 * Return: true if the caller has to tear it down, now or later; false if that
 * was done or is left to the thread that has a knote in flux.
 */
bool kq_fd_kill(struct kq_fd *kfd)
{
	struct kq_extra *extra;

	lockdep_assert_held(&kfd->read.kq->lock);
	if (kfd->state & KFD_DEAD)
		return false;
	kfd->state |= KFD_DEAD;
	kq_index_set_fd(kfd->read.kq, kfd->fd, NULL);
	kq_fd_kill_knote(&kfd->read);
	kq_fd_kill_knote(&kfd->write);
	for (extra = kfd->extra; extra; extra = extra->next)
		kq_fd_kill_knote(&extra->kn);
	return !kq_fd_in_flux(kfd);
}

/**
 * kq_fd_free() - the end of a kq_fd
 * @kfd: unreachable, on no wait queue
 *
 * Drops the file, which may be its last reference.
 */
void kq_fd_free(struct kq_fd *kfd)
{
	struct kq *kq = kfd->read.kq;
	struct kq_extra *extra;

	while ((extra = kfd->extra)) {
		kfd->extra = extra->next;
		kfree(extra->kn.ext);
		kfree(extra);
	}
	if (kfd->file)
		fput(kfd->file);
	kfree(kfd->read.ext);
	kfree(kfd->write.ext);
	kmem_cache_free(kq_fd_cache, kfd);
	kq_put(kq);
}

/**
 * kq_extra_detach() - its filter stops watching, if it began to
 * @extra: in flux, or of a kq_fd that is being torn down; process context
 */
void kq_extra_detach(struct kq_extra *extra)
{
	if (extra->attached)
		kq_filter_ops(&extra->kn)->detach(&extra->kn);
	extra->attached = false;
}

/**
 * kq_fd_teardown() - leave everything a dead kq_fd hangs on
 * @kfd: killed, not in flux; process context
 * @drops: where its file goes; NULL to drop it here
 */
void kq_fd_teardown(struct kq_fd *kfd, struct kq_drops *drops)
{
	struct kq_extra *extra;

	kq_race_point(KQ_AT_TEARDOWN);
	kqh_fdclose_del(kfd);
	for (extra = kfd->extra; extra; extra = extra->next)
		kq_extra_detach(extra);
	if (kfd->kind == KQ_KIND_REG)
		kqh_fsnotify_leave(&kfd->growth.link);
	else
		kqh_waitqueue_leave(kfd);
	kq_nest_del(kfd);
	if (drops)
		llist_add(&kfd->drop, &drops->list);
	else
		kq_fd_free(kfd);
}

/**
 * kq_drops_flush() - the thread is about to return to user mode
 * @drops: what its call dropped
 */
void kq_drops_flush(struct kq_drops *drops)
{
	struct kq_fd *kfd, *next;

	llist_for_each_entry_safe(kfd, next, llist_del_all(&drops->list), drop)
		kq_fd_free(kfd);
}

/**
 * kq_drops_defer() - the thread is about to sleep
 * @drops: what its call dropped
 */
void kq_drops_defer(struct kq_drops *drops)
{
	struct llist_node *first, *last;

	if (llist_empty(&drops->list))
		return;
	first = llist_del_all(&drops->list);
	for (last = first; last->next;)
		last = last->next;
	llist_add_batch(first, last, &kq_drops_pending);
	queue_work(kq_wq, &kq_drops_worker);
}

static void kq_drops_work(struct work_struct *work)
{
	struct kq_drops drops = { .list = LLIST_HEAD_INIT(drops.list) };

	drops.list.first = llist_del_all(&kq_drops_pending);
	kq_drops_flush(&drops);
}

/**
 * kq_fd_sweep() - the self-check: look at one watched slot, in turn
 * @kq: queue, locked; the caller is a thread of the owner
 *
 * A slot that no longer holds the watched file is normal for the moment between
 * the clearing of the slot and the hook. One that stays so for KQ_MISSED_AFTER
 * is a close that nobody told us: dropped, counted, and said once in the log.
 *
 * Return: a descriptor for the caller to tear down, or NULL.
 */
struct kq_fd *kq_fd_sweep(struct kq *kq)
{
	u32 fd = kq->suspect_file ? kq->suspect : kq->sweep;
	struct kq_fd *kfd = kq_index_fd(kq, fd);

	lockdep_assert_held(&kq->lock);
	if (likely(!kq->suspect_file)) {
		kq->sweep = fd + 1 < kq->nfds ? fd + 1 : 0;
		if (kfd && unlikely(!kq_fd_current(kfd))) {
			kq->suspect = fd;
			kq->suspect_file = kfd->file;
			kq->suspect_since = jiffies;
		}
		return NULL;
	}
	if (!kfd || kfd->file != kq->suspect_file || kq_fd_current(kfd)) {
		kq->suspect_file = NULL;
		return NULL;
	}
	if (time_before(jiffies, kq->suspect_since + KQ_MISSED_AFTER))
		return NULL;
	kq->suspect_file = NULL;
	atomic64_inc(&kq_missed);
	return kq_fd_kill(kfd) ? kfd : NULL;
}

/**
 * kq_fd_init() - the cache
 *
 * Return: 0 or -ENOMEM.
 */
int kq_fd_init(void)
{
	kq_fd_cache = kmem_cache_create("kq_fd", sizeof(struct kq_fd), 0, 0, NULL);
	return kq_fd_cache ? 0 : -ENOMEM;
}

/** kq_fd_exit() - the cache goes; nothing is left in it */
void kq_fd_exit(void)
{
	kmem_cache_destroy(kq_fd_cache);
}
