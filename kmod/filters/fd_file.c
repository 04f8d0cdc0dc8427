// SPDX-License-Identifier: GPL-2.0
/* READ on regular files: active while the offset is not at the end. */
#include <linux/fs.h>

#include "fd.h"

/**
 * kqf_file_read() - EVFILT_READ on a regular file (KQ-130 to KQ-133)
 * @kfd: descriptor
 * @kn: its READ knote in flux
 * @res: filled
 *
 * With EV_CLEAR one event per change of size or offset, since the inode mark
 * tells of every write and each scan looks at idle files.
 *
 * Return: ready.
 */
bool kqf_file_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	loff_t size = i_size_read(file_inode(kfd->file));
	loff_t pos = READ_ONCE(kfd->file->f_pos);

	res->data = size - pos;
	if (!res->data && !(kn->sfflags & NOTE_FILE_POLL)) {
		kfd->inode.seen_size = -1;
		return false;
	}
	if ((kn->flags & EV_CLEAR) && kfd->inode.seen_size == size && kfd->inode.seen_pos == pos)
		return false;
	return true;
}

/**
 * kqf_file_seen() - an event was taken, or a change wants it again
 * @kfd: descriptor of a regular file, its READ knote in flux
 * @res: what was reported, NULL to forget
 */
void kqf_file_seen(struct kq_fd *kfd, const struct kq_result *res)
{
	kfd->inode.seen_size = -1;
	if (!res)
		return;
	kfd->inode.seen_pos = READ_ONCE(kfd->file->f_pos);
	kfd->inode.seen_size = kfd->inode.seen_pos + res->data;
}
