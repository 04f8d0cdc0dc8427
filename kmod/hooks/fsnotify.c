// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to watched inodes, told as NOTE_ bits of EVFILT_VNODE. An inode
 * has one mark for changes, shared by all knotes on it, and a second one, made
 * when first asked for, for open, read and close. A file system with watched
 * directories has a third: the removal of an open directory is told to its
 * parent alone.
 */
#include <linux/fsnotify_backend.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/task_work.h>
#include <linux/wait_bit.h>
#include <linux/workqueue.h>

#include "kq_hooks.h"
#include "kq_race.h"

#define KQH_CHANGE_MASK	(FS_MODIFY | FS_ATTRIB | FS_MOVE_SELF | FS_CREATE | FS_DELETE | FS_RENAME)
#define KQH_ACCESS_MASK	(FS_OPEN | FS_ACCESS | FS_CLOSE_WRITE | FS_CLOSE_NOWRITE)

/**
 * struct kqh_sb - our mark on a file system
 * @mark: the mark; its last put frees this
 * @users: under kqh_mark_mutex: watched directories
 */
struct kqh_sb {
	struct fsnotify_mark mark;
	unsigned int users;
};

/**
 * struct kq_watch - our mark on one inode
 * @mark: the mark; its last put frees this
 * @lock: protects @links and what follows
 * @links: the knotes, through their kq_inode_link
 * @users: under kqh_mark_mutex: entries of @links, joining ones included
 * @size: size when last looked at, to tell growing from overwriting
 * @nlink: links when last looked at
 * @inode: the inode, kept by whoever is on @links
 * @which: [i] enum kqh_watch_group
 * @move: queued when the kernel dropped the mark, see kqh_mark_freed()
 * @sb: under kqh_mark_mutex: for a directory, the mark on its file system
 */
struct kq_watch {
	struct fsnotify_mark mark;
	raw_spinlock_t lock;
	struct list_head links;
	unsigned int users;
	loff_t size;
	unsigned int nlink;
	struct inode *inode;
	enum kqh_watch_group which;
	union {
		struct callback_head move;
		struct work_struct move_work;
	};
	struct kqh_sb *sb;
};

/* Marks not yet freed, for module exit: others may keep one beyond its destruction. */
static atomic_t kqh_marks = ATOMIC_INIT(0);

/* By enum kqh_watch_group. */
static struct fsnotify_group *kqh_groups[2];
static struct fsnotify_group *kqh_sb_group;
/*
 * Find, add and destroy are one step. No charged memory is asked for under it: who
 * has a full cgroup would make everybody wait.
 */
static DEFINE_MUTEX(kqh_mark_mutex);

/**
 * struct kqh_spare - memory for marks that may have to be made
 * @watch: for that on the inode, or NULL
 * @sb: for that on its file system, or NULL
 */
struct kqh_spare {
	struct kq_watch *watch;
	struct kqh_sb *sb;
};

static void kqh_watch_move(struct kq_watch *old);

static struct kq_watch *kqh_mark_watch(struct fsnotify_mark *mark)
{
	return container_of(mark, struct kq_watch, mark);
}

/* Notes a change of size. */
static u32 kqh_resized(struct kq_watch *watch, const struct inode *inode)
{
	loff_t size = i_size_read(inode), old = watch->size;

	watch->size = size;
	if (size > old)
		return NOTE_EXTEND;
	return size < old ? NOTE_TRUNCATE : 0;
}

static bool kqh_relinked(struct kq_watch *watch, const struct inode *inode)
{
	unsigned int nlink = inode->i_nlink;
	bool changed = nlink != watch->nlink;

	watch->nlink = nlink;
	return changed;
}

/* The number of names changed: by link(2), or because one was removed. */
static u32 kqh_names(struct kq_watch *watch, const struct inode *inode)
{
	unsigned int before = watch->nlink;

	kqh_relinked(watch, inode);
	if (S_ISDIR(inode->i_mode) || !inode->i_nlink)
		return NOTE_DELETE;
	return inode->i_nlink < before ? NOTE_DELETE | NOTE_LINK : NOTE_LINK;
}

/*
 * An event told to the inode itself. How the kernel names it tells what it was:
 * a path for what was done through a descriptor, a directory entry for a change
 * of attributes, size included, the inode alone for a change of its names.
 */
static u32 kqh_self_notes(struct kq_watch *watch, u32 mask, int type, const struct inode *inode)
{
	u32 resized, notes = 0;

	if (mask & FS_MODIFY) {
		resized = kqh_resized(watch, inode);
		if (type == FSNOTIFY_EVENT_DENTRY)
			notes |= NOTE_ATTRIB | resized;
		else
			notes |= NOTE_WRITE | (resized & NOTE_EXTEND);
	}
	if (mask & FS_ATTRIB)
		notes |= type == FSNOTIFY_EVENT_INODE ? kqh_names(watch, inode) : NOTE_ATTRIB;
	if (mask & FS_MOVE_SELF)
		notes |= NOTE_RENAME;
	return notes;
}

/* An entry of a watched directory came or went. */
static u32 kqh_entry_notes(struct kq_watch *watch, u32 mask, const struct inode *dir)
{
	kqh_relinked(watch, dir);
	return mask & FS_ISDIR ? NOTE_WRITE | NOTE_LINK : NOTE_WRITE;
}

/*
 * An entry was moved out of, into or within a watched directory. Most file
 * systems count the subdirectories of a directory in its links; for the others
 * a directory that came from or went to elsewhere has changed them.
 */
static u32 kqh_rename_notes(struct kq_watch *watch, u32 mask, const struct inode *dir,
			    bool elsewhere)
{
	bool changed = kqh_relinked(watch, dir);

	if (dir->i_nlink < 2 && elsewhere)
		changed = mask & FS_ISDIR;
	return changed ? NOTE_WRITE | NOTE_LINK : NOTE_WRITE;
}

static void kqh_post(struct kq_watch *watch, u32 notes)
{
	struct kq_inode_link *link;

	lockdep_assert_held(&watch->lock);
	if (!notes)
		return;
	list_for_each_entry(link, &watch->links, link)
		link->post(link, notes);
}

static int kqh_on_change(struct fsnotify_group *group, u32 mask, const void *data, int type,
			 struct inode *dir, const struct qstr *name, u32 cookie,
			 struct fsnotify_iter_info *iter)
{
	struct fsnotify_mark *mark = fsnotify_iter_mark(iter, FSNOTIFY_ITER_TYPE_INODE);
	struct fsnotify_mark *mark2 = fsnotify_iter_mark(iter, FSNOTIFY_ITER_TYPE_INODE2);
	const struct inode *to = NULL;
	struct kq_watch *watch;
	unsigned long flags;
	u32 notes;

	if (mask & FS_RENAME)
		to = d_inode(((const struct dentry *)data)->d_parent);
	kq_race_point(KQ_AT_MARK);
	if (mark) {
		watch = kqh_mark_watch(mark);
		raw_spin_lock_irqsave(&watch->lock, flags);
		if (mask & FS_RENAME)
			notes = kqh_rename_notes(watch, mask, dir, dir != to);
		else if (mask & (FS_CREATE | FS_DELETE))
			notes = kqh_entry_notes(watch, mask, dir);
		else
			notes = kqh_self_notes(watch, mask, type, fsnotify_data_inode(data, type));
		kqh_post(watch, notes);
		raw_spin_unlock_irqrestore(&watch->lock, flags);
	}
	if (mark2 && dir != to) {
		watch = kqh_mark_watch(mark2);
		raw_spin_lock_irqsave(&watch->lock, flags);
		kqh_post(watch, kqh_rename_notes(watch, mask, to, true));
		raw_spin_unlock_irqrestore(&watch->lock, flags);
	}
	return 0;
}

static int kqh_on_access(struct fsnotify_group *group, u32 mask, const void *data, int type,
			 struct inode *dir, const struct qstr *name, u32 cookie,
			 struct fsnotify_iter_info *iter)
{
	struct fsnotify_mark *mark = fsnotify_iter_mark(iter, FSNOTIFY_ITER_TYPE_INODE);
	struct kq_watch *watch;
	unsigned long flags;
	u32 notes = 0;

	if (!mark)
		return 0;
	if (mask & FS_OPEN)
		notes |= NOTE_OPEN;
	/* utimensat(2) of the access time alone */
	if (mask & FS_ACCESS)
		notes |= type == FSNOTIFY_EVENT_DENTRY ? NOTE_ATTRIB : NOTE_READ;
	if (mask & FS_CLOSE_WRITE)
		notes |= NOTE_CLOSE_WRITE;
	if (mask & FS_CLOSE_NOWRITE)
		notes |= NOTE_CLOSE;
	watch = kqh_mark_watch(mark);
	raw_spin_lock_irqsave(&watch->lock, flags);
	kqh_post(watch, notes);
	raw_spin_unlock_irqrestore(&watch->lock, flags);
	return 0;
}

/* Something was removed on a file system with watched directories. */
static int kqh_on_removal(struct fsnotify_group *group, u32 mask, const void *data, int type,
			  struct inode *dir, const struct qstr *name, u32 cookie,
			  struct fsnotify_iter_info *iter)
{
	struct inode *victim = fsnotify_data_inode(data, type);
	struct fsnotify_mark *mark;
	struct kq_watch *watch;
	unsigned long flags;

	if (!(mask & FS_ISDIR) || !victim)
		return 0;
	mark = kqc_find_inode_mark(victim, kqh_groups[KQH_WATCH_CHANGE]);
	if (!mark)
		return 0;
	watch = kqh_mark_watch(mark);
	raw_spin_lock_irqsave(&watch->lock, flags);
	kqh_post(watch, NOTE_DELETE);
	raw_spin_unlock_irqrestore(&watch->lock, flags);
	fsnotify_put_mark(mark);
	return 0;
}

static void kqh_mark_init(struct fsnotify_mark *mark, struct fsnotify_group *group, u32 mask)
{
	atomic_inc(&kqh_marks);
	fsnotify_init_mark(mark, group);
	mark->mask = mask;
}

static void kqh_mark_gone(void)
{
	if (atomic_dec_and_test(&kqh_marks))
		wake_up_var(&kqh_marks);
}

static void kqh_free_watch(struct fsnotify_mark *mark)
{
	kfree(kqh_mark_watch(mark));
	kqh_mark_gone();
}

static void kqh_move_run(struct callback_head *work)
{
	kqh_watch_move(container_of(work, struct kq_watch, move));
}

static void kqh_move_work(struct work_struct *work)
{
	kqh_watch_move(container_of(work, struct kq_watch, move_work));
}

/*
 * The kernel drops all marks of an inode when an entry of it goes that was its
 * last name, even if it is still open by a name removed before. The knotes then
 * move to a new mark, once the kernel is done with this one: on the way of the
 * unlinking task to user mode. Called for our own removals too.
 */
static void kqh_mark_freed(struct fsnotify_mark *mark, struct fsnotify_group *group)
{
	struct kq_watch *watch = kqh_mark_watch(mark);

	if (!READ_ONCE(watch->users))
		return;
	refcount_inc(&mark->refcnt);
	if (!(current->flags & (PF_KTHREAD | PF_IO_WORKER))) {
		init_task_work(&watch->move, kqh_move_run);
		if (kqc_task_work_add(current, &watch->move))
			return;
	}
	INIT_WORK(&watch->move_work, kqh_move_work);
	queue_work(kq_wq, &watch->move_work);
}

static void kqh_free_sb(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct kqh_sb, mark));
	kqh_mark_gone();
}

static const struct fsnotify_ops kqh_change_ops = {
	.handle_event = kqh_on_change,
	.freeing_mark = kqh_mark_freed,
	.free_mark = kqh_free_watch,
};

static const struct fsnotify_ops kqh_access_ops = {
	.handle_event = kqh_on_access,
	.freeing_mark = kqh_mark_freed,
	.free_mark = kqh_free_watch,
};

static const struct fsnotify_ops kqh_sb_ops = {
	.handle_event = kqh_on_removal,
	.free_mark = kqh_free_sb,
};

/* A removed directory is told to the file system, see kqh_on_removal(). */
static bool kqh_needs_sb(const struct inode *inode, enum kqh_watch_group which)
{
	return which == KQH_WATCH_CHANGE && S_ISDIR(inode->i_mode);
}

/* For kqh_watch_get() to find when it is called again. Not under the mutex. */
static int kqh_spare_fill(struct kqh_spare *spare, bool needs_sb)
{
	kq_race_point(KQ_AT_SPARE);
	if (!spare->watch)
		spare->watch = kzalloc(sizeof(*spare->watch), GFP_KERNEL_ACCOUNT);
	if (needs_sb && !spare->sb)
		spare->sb = kzalloc(sizeof(*spare->sb), GFP_KERNEL_ACCOUNT);
	return spare->watch && (spare->sb || !needs_sb) ? 0 : -ENOMEM;
}

static void kqh_spare_drop(struct kqh_spare *spare)
{
	kfree(spare->watch);
	kfree(spare->sb);
}

static struct kqh_sb *kqh_sb_get(struct super_block *sb, struct kqh_spare *spare)
{
	struct fsnotify_mark *mark;
	struct kqh_sb *watch;
	int err;

	lockdep_assert_held(&kqh_mark_mutex);
	mark = kqc_find_sb_mark(sb, kqh_sb_group);
	if (mark) {
		watch = container_of(mark, struct kqh_sb, mark);
	} else {
		watch = spare->sb;
		spare->sb = NULL;
		kqh_mark_init(&watch->mark, kqh_sb_group, FS_DELETE);
		err = kqc_add_sb_mark(&watch->mark, sb);
		if (err) {
			fsnotify_put_mark(&watch->mark);
			return ERR_PTR(err);
		}
	}
	watch->users++;
	return watch;
}

static void kqh_sb_put(struct kqh_sb *watch)
{
	lockdep_assert_held(&kqh_mark_mutex);
	if (!--watch->users)
		fsnotify_destroy_mark(&watch->mark, kqh_sb_group);
	fsnotify_put_mark(&watch->mark);
}

static void kqh_watch_look(struct kq_watch *watch, const struct inode *inode)
{
	watch->size = i_size_read(inode);
	watch->nlink = inode->i_nlink;
}

/*
 * The mark of an inode, or a new one. Errors: -EAGAIN first fill the spare, -ENOENT
 * wait, see kqh_wait_for_marks(), -ENOMEM.
 */
static struct kq_watch *kqh_watch_get(struct inode *inode, enum kqh_watch_group which,
				      struct kqh_spare *spare)
{
	struct fsnotify_group *group = kqh_groups[which];
	bool needs_sb = kqh_needs_sb(inode, which);
	struct fsnotify_mark *mark;
	struct kq_watch *watch;
	int err;

	lockdep_assert_held(&kqh_mark_mutex);
	mark = kqc_find_inode_mark(inode, group);
	if (mark) {
		watch = kqh_mark_watch(mark);
		WRITE_ONCE(watch->users, watch->users + 1);
		return watch;
	}
	if (!spare->watch || (needs_sb && !spare->sb))
		return ERR_PTR(-EAGAIN);

	watch = spare->watch;
	spare->watch = NULL;
	raw_spin_lock_init(&watch->lock);
	INIT_LIST_HEAD(&watch->links);
	watch->inode = inode;
	watch->which = which;
	/* Before the kernel can drop the mark, see kqh_mark_freed(). */
	watch->users = 1;
	kqh_watch_look(watch, inode);
	kqh_mark_init(&watch->mark, group,
		      which == KQH_WATCH_CHANGE ? KQH_CHANGE_MASK : KQH_ACCESS_MASK);
	if (needs_sb) {
		watch->sb = kqh_sb_get(inode->i_sb, spare);
		if (IS_ERR(watch->sb)) {
			err = PTR_ERR(watch->sb);
			goto err_put;
		}
	}
	err = fsnotify_add_inode_mark(&watch->mark, inode, 0);
	if (err)
		goto err_sb;
	/* What changed before the mark was there is nobody's news. */
	raw_spin_lock_irq(&watch->lock);
	kqh_watch_look(watch, inode);
	raw_spin_unlock_irq(&watch->lock);
	return watch;

err_sb:
	if (watch->sb)
		kqh_sb_put(watch->sb);
err_put:
	fsnotify_put_mark(&watch->mark);
	return ERR_PTR(err);
}

/* Undoes one kqh_watch_get(). */
static void kqh_watch_put(struct kq_watch *watch)
{
	lockdep_assert_held(&kqh_mark_mutex);
	WRITE_ONCE(watch->users, watch->users - 1);
	if (!watch->users) {
		fsnotify_destroy_mark(&watch->mark, watch->mark.group);
		if (watch->sb)
			kqh_sb_put(watch->sb);
	}
	/* From the search or the creation. */
	fsnotify_put_mark(&watch->mark);
}

/*
 * The kernel is dropping the marks of the inode just now, another one of ours
 * among them: it takes no new one until it is done, which needs no lock of ours.
 */
static void kqh_wait_for_marks(void)
{
	schedule_timeout_uninterruptible(1);
}

/* All knotes of a watch go to another one of the same inode, with what neither was told. */
static void kqh_links_move(struct kq_watch *old, struct kq_watch *watch)
{
	struct kq_inode_link *link;
	unsigned int n = 0;
	u32 notes = 0;

	raw_spin_lock_irq(&old->lock);
	raw_spin_lock_nested(&watch->lock, SINGLE_DEPTH_NESTING);
	if (old->which == KQH_WATCH_CHANGE)
		notes = kqh_resized(old, old->inode);
	if (notes)
		notes |= notes & NOTE_EXTEND ? NOTE_WRITE : NOTE_ATTRIB;
	list_for_each_entry(link, &old->links, link) {
		WRITE_ONCE(link->watch, watch);
		n++;
	}
	kqh_post(old, notes);
	list_splice_tail_init(&old->links, &watch->links);
	raw_spin_unlock(&watch->lock);
	raw_spin_unlock_irq(&old->lock);

	refcount_add(n, &watch->mark.refcnt);
	WRITE_ONCE(watch->users, watch->users + n);
	while (n--)
		kqh_watch_put(old);
}

/*
 * The knotes of a watch whose mark is gone go to the one its inode has now. The
 * unlinking task may be out of memory, or being killed for it: a worker is not.
 */
static void kqh_watch_move(struct kq_watch *old)
{
	struct kqh_spare spare = {};
	struct kq_watch *watch;
	bool needs_sb;
	int err;

	kq_race_point(KQ_AT_MOVE);
	mutex_lock(&kqh_mark_mutex);
	/* Without users there is no inode either. */
	while (old->users) {
		needs_sb = kqh_needs_sb(old->inode, old->which);
		watch = kqh_watch_get(old->inode, old->which, &spare);
		if (!IS_ERR(watch)) {
			kqh_links_move(old, watch);
			kqh_watch_put(watch);
			continue;
		}
		mutex_unlock(&kqh_mark_mutex);
		err = PTR_ERR(watch);
		if (err == -EAGAIN)
			err = kqh_spare_fill(&spare, needs_sb);
		if (err == -ENOENT || (err && (current->flags & PF_KTHREAD)))
			kqh_wait_for_marks();
		else if (err)
			goto later;
		mutex_lock(&kqh_mark_mutex);
	}
	mutex_unlock(&kqh_mark_mutex);
	kqh_spare_drop(&spare);
	fsnotify_put_mark(&old->mark);
	return;

later:
	kqh_spare_drop(&spare);
	INIT_WORK(&old->move_work, kqh_move_work);
	queue_work(kq_wq, &old->move_work);
}

/**
 * kqh_fsnotify_join() - be told what happens to an inode
 * @link: the place; its post is set
 * @inode: the inode, kept by the caller as long as the link is there
 * @which: changes, or open, read and close
 *
 * Return: 0 or -ENOMEM.
 */
int kqh_fsnotify_join(struct kq_inode_link *link, struct inode *inode, enum kqh_watch_group which)
{
	bool needs_sb = kqh_needs_sb(inode, which);
	struct kqh_spare spare = {};
	struct kq_watch *watch;
	int err;

	mutex_lock(&kqh_mark_mutex);
	while (IS_ERR(watch = kqh_watch_get(inode, which, &spare))) {
		mutex_unlock(&kqh_mark_mutex);
		err = PTR_ERR(watch);
		if (err == -EAGAIN)
			err = kqh_spare_fill(&spare, needs_sb);
		if (err == -ENOENT)
			kqh_wait_for_marks();
		else if (err)
			goto out;
		mutex_lock(&kqh_mark_mutex);
	}
	raw_spin_lock_irq(&watch->lock);
	list_add_tail(&link->link, &watch->links);
	raw_spin_unlock_irq(&watch->lock);
	WRITE_ONCE(link->watch, watch);
	mutex_unlock(&kqh_mark_mutex);
	err = 0;
out:
	kqh_spare_drop(&spare);
	return err;
}

/**
 * kqh_fsnotify_leave() - on return no event reaches this place
 * @link: the place; may be on no mark; process context
 */
void kqh_fsnotify_leave(struct kq_inode_link *link)
{
	struct kq_watch *watch;

	/* On one mark once it has joined, but kqh_watch_move() may change which. */
	if (!READ_ONCE(link->watch))
		return;
	mutex_lock(&kqh_mark_mutex);
	watch = link->watch;
	raw_spin_lock_irq(&watch->lock);
	list_del(&link->link);
	raw_spin_unlock_irq(&watch->lock);
	WRITE_ONCE(link->watch, NULL);
	kqh_watch_put(watch);
	mutex_unlock(&kqh_mark_mutex);
}

static void kqh_group_put(struct fsnotify_group *group)
{
	if (!IS_ERR_OR_NULL(group))
		fsnotify_put_group(group);
}

/**
 * kqh_fsnotify_init() - the groups of all our marks
 *
 * Return: 0 or -errno.
 */
int kqh_fsnotify_init(void)
{
	const int flags = KQC_FSNOTIFY_GROUP_FLAGS;

	kqh_groups[KQH_WATCH_CHANGE] = fsnotify_alloc_group(&kqh_change_ops, flags);
	kqh_groups[KQH_WATCH_ACCESS] = fsnotify_alloc_group(&kqh_access_ops, flags);
	kqh_sb_group = fsnotify_alloc_group(&kqh_sb_ops, flags);
	if (IS_ERR(kqh_groups[KQH_WATCH_CHANGE]) || IS_ERR(kqh_groups[KQH_WATCH_ACCESS]) ||
	    IS_ERR(kqh_sb_group)) {
		kqh_fsnotify_exit();
		return -ENOMEM;
	}
	return 0;
}

/** kqh_fsnotify_exit() - on return no mark is left and no callback runs */
void kqh_fsnotify_exit(void)
{
	fsnotify_wait_marks_destroyed();
	wait_var_event(&kqh_marks, !atomic_read(&kqh_marks));
	kqh_group_put(kqh_groups[KQH_WATCH_CHANGE]);
	kqh_group_put(kqh_groups[KQH_WATCH_ACCESS]);
	kqh_group_put(kqh_sb_group);
}
