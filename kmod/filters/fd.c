// SPDX-License-Identifier: GPL-2.0
/* What all objects behind a descriptor have in common for READ and WRITE. */
#include <linux/poll.h>
#include <linux/uaccess.h>
#include <asm/ioctls.h>

#include "fd.h"
#include "kq_hooks.h"

/**
 * kqf_fd_attach() - begin to be told, once per descriptor
 * @kn: knote in flux of a filter that uses the wait queues
 * @ev: the change
 *
 * Return: 0, -ENOMEM, or -EINVAL for a cycle of queues and for what cannot be
 * waited for in spite of its ->poll.
 */
int kqf_fd_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kq_fd *kfd = kq_knote_fd(kn);
	__poll_t mask;
	int err;

	/* What an earlier registration has seen is not this one's. */
	if (kn == &kfd->read) {
		kfd->listened = false;
		if (kfd->kind == KQ_KIND_REG)
			kqf_file_seen(kfd, NULL);
	}
	if (!(READ_ONCE(kfd->state) & KFD_BUSY))
		return 0;
	switch (kfd->kind) {
	case KQ_KIND_REG:
		kqf_file_init(kfd);
		return kqh_fsnotify_join(&kfd->growth.link, file_inode(kfd->file),
					 KQH_WATCH_CHANGE);
	case KQ_KIND_DIR:
	case KQ_KIND_ALWAYS:
		return 0;
	case KQ_KIND_QUEUE:
		err = kq_nest_add(kn->kq, kfd);
		if (err)
			return err;
		break;
	}
	err = kqh_waitqueue_join(kfd, &mask);
	/* Some objects share a ->poll that refuses by an error nobody wakes for. */
	if (!err && kfd->kind == KQ_KIND_POLL && !kfd->wait.head && mask == EPOLLERR)
		err = -EINVAL;
	return err;
}

/**
 * kqf_fd_poll() - ask the file, without joining its wait queues again
 * @kfd: descriptor
 *
 * May sleep or stall, as the file pleases.
 *
 * Return: the poll mask.
 */
__poll_t kqf_fd_poll(const struct kq_fd *kfd)
{
	struct poll_table_struct pt;

	init_poll_funcptr(&pt, NULL);
	return vfs_poll(kfd->file, &pt);
}

/**
 * kqf_fd_mark() - the low-water mark of a knote
 * @kn: knote
 * @dflt: the object's own mark
 *
 * Return: bytes, at least 1.
 */
s64 kqf_fd_mark(const struct kq_knote *kn, s64 dflt)
{
	return max_t(s64, kn->sfflags & NOTE_LOWAT ? kn->sdata : dflt, 1);
}

/**
 * kqf_fd_ioctl() - FIONREAD, for objects known to answer without waiting for others
 * @kfd: descriptor of a socket, tty or inotify
 * @res: has the scratch space
 *
 * The only way to these numbers without the object's private structures. The
 * ioctl stores into the record that is about to be written there anyway.
 *
 * Return: bytes, or 1 where the object does not say.
 */
s64 kqf_fd_ioctl(const struct kq_fd *kfd, const struct kq_result *res)
{
	const struct file_operations *fops = kfd->file->f_op;
	int bytes, err;

	if (!res->scratch || !fops->unlocked_ioctl)
		return 1;
	err = fops->unlocked_ioctl(kfd->file, FIONREAD, (unsigned long)res->scratch);
	if (err == -EIO)
		return 0;	/* hung up */
	if (err || get_user(bytes, (int __user *)res->scratch))
		return 1;
	return bytes;
}
