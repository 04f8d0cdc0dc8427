// SPDX-License-Identifier: GPL-2.0
/*
 * The mount table a process sees, through its mountinfo file: that it changed is
 * told by the file's wait queue, what changed by comparing the mounts it lists
 * with those of the last look.
 */
#include <linux/bsearch.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jhash.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/namei.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "kq_hooks.h"

#define KQH_MOUNTS_PATH	"/proc/thread-self/mountinfo"

/* Mounts by number and by what is mounted where: numbers are used again. */
struct kqh_mount {
	u32 id;
	u32 what;
};

struct kqh_mount_set {
	struct kqh_mount *mounts;
	size_t n;
	size_t room;
};

static int kqh_mount_cmp(const void *a, const void *b)
{
	const struct kqh_mount *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->what < y->what ? -1 : x->what > y->what;
}

static int kqh_mount_add(struct kqh_mount_set *set, const struct kqh_mount *mount)
{
	size_t room = max_t(size_t, 64, set->room * 2);
	struct kqh_mount *mounts;

	if (set->n == set->room) {
		mounts = kvmalloc_array(room, sizeof(*mounts), GFP_KERNEL_ACCOUNT);
		if (!mounts)
			return -ENOMEM;
		if (set->n)
			memcpy(mounts, set->mounts, set->n * sizeof(*mounts));
		kvfree(set->mounts);
		set->mounts = mounts;
		set->room = room;
	}
	set->mounts[set->n++] = *mount;
	return 0;
}

/* One line: "ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS ...". A remount keeps the first five. */
static int kqh_mount_line(struct kqh_mount_set *set, char *line)
{
	struct kqh_mount mount = {};
	char *field;
	int i;

	for (i = 0; i < 5; i++) {
		field = strsep(&line, " ");
		if (!field)
			return 0;
		if (i == 0 && kstrtou32(field, 10, &mount.id))
			return 0;
		if (i >= 2)
			mount.what = jhash(field, strlen(field), mount.what);
	}
	return kqh_mount_add(set, &mount);
}

/*
 * Reads the file from its beginning. A line longer than the buffer counts by its
 * beginning, which holds the fields of interest unless a root is absurdly long.
 */
static int kqh_mounts_read(struct file *file, struct kqh_mount_set *set)
{
	size_t have = 0;
	bool cut = false;
	loff_t pos = 0;
	char *buf, *line, *end;
	ssize_t got;
	int err = 0;

	buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	while (!err) {
		got = kernel_read(file, buf + have, PAGE_SIZE - 1 - have, &pos);
		if (got <= 0) {
			err = got;
			break;
		}
		have += got;
		buf[have] = '\0';
		line = buf;
		while (!err && (end = strchr(line, '\n'))) {
			*end = '\0';
			if (!cut)
				err = kqh_mount_line(set, line);
			cut = false;
			line = end + 1;
		}
		have -= line - buf;
		if (have == PAGE_SIZE - 1) {
			if (!cut)
				err = kqh_mount_line(set, line);
			cut = true;
			have = 0;
		} else {
			memmove(buf, line, have);
		}
	}
	kfree(buf);
	if (!err && set->n)
		sort(set->mounts, set->n, sizeof(*set->mounts), kqh_mount_cmp, NULL);
	return err;
}

/* Is any mount of the first set not in the second? */
static bool kqh_mounts_differ(const struct kqh_mount_set *a, const struct kqh_mount_set *b)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (!bsearch(&a->mounts[i], b->mounts, b->n, sizeof(*b->mounts), kqh_mount_cmp))
			return true;
	return false;
}

static int kqh_mounts_wake(wait_queue_entry_t *entry, unsigned int mode, int sync, void *key)
{
	struct kqh_mounts *mounts = container_of(entry, struct kqh_mounts, wait);

	atomic_set(&mounts->changed, 1);
	mounts->notify(mounts);
	return 0;
}

struct kqh_mounts_table {
	poll_table pt;
	struct kqh_mounts *mounts;
};

static void kqh_mounts_queue(struct file *file, wait_queue_head_t *head, poll_table *pt)
{
	struct kqh_mounts *mounts = container_of(pt, struct kqh_mounts_table, pt)->mounts;

	if (mounts->head)
		return;
	mounts->head = head;
	init_waitqueue_func_entry(&mounts->wait, kqh_mounts_wake);
	add_wait_queue(head, &mounts->wait);
}

/*
 * Without memory procfs says that there is no such file. It is there wherever a
 * /proc is mounted that shows the calling thread.
 */
static int kqh_mounts_open_error(int err)
{
	struct super_block *sb;
	struct path proc;

	if (err != -ENOENT || kern_path("/proc", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &proc))
		return err;
	sb = proc.dentry->d_sb;
	if (sb->s_magic == PROC_SUPER_MAGIC && proc.dentry == sb->s_root &&
	    task_pid_nr_ns(current, proc_sb_info(sb)->pid_ns))
		err = -ENOMEM;
	path_put(&proc);
	return err;
}

/**
 * kqh_mounts_join() - watch the mounts the calling process sees
 * @mounts: notify is set
 *
 * Return: 0; -ENOENT without /proc, -ENOMEM and the errors of open(2).
 */
int kqh_mounts_join(struct kqh_mounts *mounts)
{
	struct kqh_mounts_table table = { .mounts = mounts };
	u32 seen;
	int err;

	mounts->file = filp_open(KQH_MOUNTS_PATH, O_RDONLY | O_CLOEXEC, 0);
	if (IS_ERR(mounts->file))
		return kqh_mounts_open_error(PTR_ERR(mounts->file));
	/* Anything can be mounted over /proc. */
	if (file_inode(mounts->file)->i_sb->s_magic != PROC_SUPER_MAGIC) {
		err = -ENOENT;
		goto err_put;
	}
	init_poll_funcptr(&table.pt, kqh_mounts_queue);
	vfs_poll(mounts->file, &table.pt);
	if (!mounts->head) {
		err = -ENOENT;
		goto err_put;
	}
	/* The first look: what is there now is no news. */
	atomic_set(&mounts->changed, 1);
	err = kqh_mounts_look(mounts, &seen);
	if (err) {
		kqh_mounts_leave(mounts);
		return err;
	}
	return 0;

err_put:
	fput(mounts->file);
	return err;
}

/**
 * kqh_mounts_look() - what changed since the last look
 * @mounts: joined; one look at a time
 * @seen: VQ_MOUNT, VQ_UNMOUNT
 *
 * Waits for a mount or unmount under way.
 *
 * Return: 0, or -errno with nothing lost: the next look compares again.
 */
int kqh_mounts_look(struct kqh_mounts *mounts, u32 *seen)
{
	struct kqh_mount_set now = {}, last = { mounts->list, mounts->n, mounts->n };
	int err;

	*seen = 0;
	if (!atomic_xchg(&mounts->changed, 0))
		return 0;
	err = kqh_mounts_read(mounts->file, &now);
	if (err) {
		kvfree(now.mounts);
		atomic_set(&mounts->changed, 1);
		return err;
	}
	if (kqh_mounts_differ(&now, &last))
		*seen |= VQ_MOUNT;
	if (kqh_mounts_differ(&last, &now))
		*seen |= VQ_UNMOUNT;
	kvfree(mounts->list);
	mounts->list = now.mounts;
	mounts->n = now.n;
	return 0;
}

/**
 * kqh_mounts_leave() - on return nothing is told any more
 * @mounts: joined; process context
 */
void kqh_mounts_leave(struct kqh_mounts *mounts)
{
	remove_wait_queue(mounts->head, &mounts->wait);
	kvfree(mounts->list);
	fput(mounts->file);
}
