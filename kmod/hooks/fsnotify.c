// SPDX-License-Identifier: GPL-2.0
/*
 * Growth of watched regular files: one mark per inode, shared by all kq_fd that
 * watch a descriptor of it.
 */
#include <linux/fsnotify_backend.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "kq_hooks.h"

/**
 * struct kq_watch - our mark on one inode
 * @mark: the mark; its last put frees this
 * @lock: protects @fds
 * @fds: kq_fd through their inode link
 * @users: under kqh_mark_mutex: entries of @fds, joining ones included
 */
struct kq_watch {
	struct fsnotify_mark mark;
	raw_spinlock_t lock;
	struct list_head fds;
	unsigned int users;
};

static struct fsnotify_group *kqh_group;
/* Find, add and destroy are one step. */
static DEFINE_MUTEX(kqh_mark_mutex);

static int kqh_inode_event(struct fsnotify_mark *mark, u32 mask, struct inode *inode,
			   struct inode *dir, const struct qstr *name, u32 cookie)
{
	struct kq_watch *watch = container_of(mark, struct kq_watch, mark);
	struct kq_fd *kfd;
	unsigned long flags;

	raw_spin_lock_irqsave(&watch->lock, flags);
	list_for_each_entry(kfd, &watch->fds, inode.link)
		kq_knote_activate(&kfd->read, true);
	raw_spin_unlock_irqrestore(&watch->lock, flags);
	return 0;
}

static void kqh_free_mark(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct kq_watch, mark));
}

static const struct fsnotify_ops kqh_fsnotify_ops = {
	.handle_inode_event = kqh_inode_event,
	.free_mark = kqh_free_mark,
};

static struct kq_watch *kqh_watch_get(struct inode *inode)
{
	struct fsnotify_mark *mark;
	struct kq_watch *watch;
	int err;

	mark = kqc_find_inode_mark(inode, kqh_group);
	if (mark)
		return container_of(mark, struct kq_watch, mark);

	watch = kzalloc(sizeof(*watch), GFP_KERNEL_ACCOUNT);
	if (!watch)
		return ERR_PTR(-ENOMEM);
	raw_spin_lock_init(&watch->lock);
	INIT_LIST_HEAD(&watch->fds);
	fsnotify_init_mark(&watch->mark, kqh_group);
	watch->mark.mask = FS_MODIFY;
	err = fsnotify_add_inode_mark(&watch->mark, inode, 0);
	if (err) {
		fsnotify_put_mark(&watch->mark);
		return ERR_PTR(err);
	}
	return watch;
}

/**
 * kqh_fsnotify_join() - activate the READ knote when the file is modified
 * @kfd: descriptor of a regular file
 *
 * Return: 0 or -ENOMEM.
 */
int kqh_fsnotify_join(struct kq_fd *kfd)
{
	struct kq_watch *watch;

	mutex_lock(&kqh_mark_mutex);
	watch = kqh_watch_get(file_inode(kfd->file));
	if (IS_ERR(watch)) {
		mutex_unlock(&kqh_mark_mutex);
		return PTR_ERR(watch);
	}
	watch->users++;
	raw_spin_lock_irq(&watch->lock);
	list_add_tail(&kfd->inode.link, &watch->fds);
	raw_spin_unlock_irq(&watch->lock);
	kfd->inode.watch = watch;
	mutex_unlock(&kqh_mark_mutex);
	return 0;
}

/**
 * kqh_fsnotify_leave() - on return no event reaches this descriptor
 * @kfd: descriptor of a regular file; process context
 */
void kqh_fsnotify_leave(struct kq_fd *kfd)
{
	struct kq_watch *watch = kfd->inode.watch;

	if (!watch)
		return;
	mutex_lock(&kqh_mark_mutex);
	raw_spin_lock_irq(&watch->lock);
	list_del(&kfd->inode.link);
	raw_spin_unlock_irq(&watch->lock);
	if (!--watch->users)
		fsnotify_destroy_mark(&watch->mark, kqh_group);
	/* The reference of kqh_watch_get(), from the search or the creation. */
	fsnotify_put_mark(&watch->mark);
	kfd->inode.watch = NULL;
	mutex_unlock(&kqh_mark_mutex);
}

/**
 * kqh_fsnotify_init() - the group of all our marks
 *
 * Return: 0 or -errno.
 */
int kqh_fsnotify_init(void)
{
	kqh_group = fsnotify_alloc_group(&kqh_fsnotify_ops, 0);
	return PTR_ERR_OR_ZERO(kqh_group);
}

/** kqh_fsnotify_exit() - on return no mark is left and no callback runs */
void kqh_fsnotify_exit(void)
{
	fsnotify_wait_marks_destroyed();
	fsnotify_put_group(kqh_group);
}
