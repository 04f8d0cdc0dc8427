// SPDX-License-Identifier: GPL-2.0
/* Decides once, from the open file, what a watched descriptor is. */
#include <linux/dcache.h>
#include <linux/magic.h>
#include <linux/major.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/string.h>

#include "kq.h"

static const struct {
	const char *name;
	enum kq_kind kind;
} kq_anon_kinds[] = {
	{ "[eventfd]",	 KQ_KIND_EVENTFD },
	{ "[timerfd]",	 KQ_KIND_TIMERFD },
	{ "[signalfd]",	 KQ_KIND_SIGNALFD },
	{ "inotify",	 KQ_KIND_INOTIFY },
	{ "[inotify]",	 KQ_KIND_INOTIFY },
	{ "[fanotify]",	 KQ_KIND_FANOTIFY },
	{ "[pidfd]",	 KQ_KIND_PIDFD },
	{ "[eventpoll]", KQ_KIND_EPOLL },
};

/* Anonymous inodes have no type of their own; the kernel names each file. */
static enum kq_kind kq_kind_anon(const struct file *file)
{
	const unsigned char *name = file->f_path.dentry->d_name.name;
	int i;

	for (i = 0; i < ARRAY_SIZE(kq_anon_kinds); i++)
		if (!strcmp(name, kq_anon_kinds[i].name))
			return kq_anon_kinds[i].kind;
	return KQ_KIND_POLL;
}

/* ttys of other drivers are character devices that can be polled. */
static bool kq_major_is_tty(unsigned int major)
{
	return major == TTY_MAJOR || major == TTYAUX_MAJOR ||
	       (major >= UNIX98_PTY_MASTER_MAJOR &&
		major < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT);
}

/**
 * kq_kind_of() - what kind of object a file is
 * @file: the file
 *
 * Sleeps not, takes no lock.
 *
 * Return: the kind; KQ_KIND_NONE for what cannot be waited for.
 */
enum kq_kind kq_kind_of(struct file *file)
{
	const struct inode *inode = file_inode(file);

	if (kq_is_queue(file))
		return KQ_KIND_QUEUE;
	switch (inode->i_mode & S_IFMT) {
	case S_IFSOCK:
		return sock_from_file(file) ? KQ_KIND_SOCK : KQ_KIND_NONE;
	case S_IFIFO:
		if (!inode->i_pipe)
			return KQ_KIND_NONE;
		return inode->i_sb->s_magic == PIPEFS_MAGIC ? KQ_KIND_PIPE : KQ_KIND_FIFO;
	case S_IFDIR:
		return KQ_KIND_DIR;
	case S_IFREG:
#ifdef PID_FS_MAGIC
		if (inode->i_sb->s_magic == PID_FS_MAGIC)
			return KQ_KIND_PIDFD;
#endif
		/* FUSE has one ->poll for all, which says ready where the server has none. */
		if (inode->i_sb->s_magic == FUSE_SUPER_MAGIC)
			return KQ_KIND_REG;
		/* Files of proc and sysfs with a ->poll of their own. */
		return file_can_poll(file) ? KQ_KIND_POLL : KQ_KIND_REG;
	case S_IFBLK:
		return KQ_KIND_ALWAYS;
	case S_IFCHR:
		if (kq_major_is_tty(MAJOR(inode->i_rdev)))
			return KQ_KIND_TTY;
		if (file_can_poll(file))
			return KQ_KIND_POLL;
		return MAJOR(inode->i_rdev) == MEM_MAJOR ? KQ_KIND_ALWAYS : KQ_KIND_NONE;
	}
	if (inode->i_sb->s_magic == ANON_INODE_FS_MAGIC) {
		enum kq_kind kind = kq_kind_anon(file);

		return file_can_poll(file) ? kind : KQ_KIND_NONE;
	}
	return file_can_poll(file) ? KQ_KIND_POLL : KQ_KIND_NONE;
}
