// SPDX-License-Identifier: GPL-2.0
/* READ on regular files: active while the offset is not at the end. */
#include <linux/fs.h>

#include "fd.h"

/* Changes of attributes alone, of names and the like do not move the end. */
static void kqf_file_post(struct kq_inode_link *link, u32 notes)
{
	struct kq_fd *kfd = container_of(link, struct kq_fd, growth.link);

	if (notes & (NOTE_WRITE | NOTE_EXTEND | NOTE_TRUNCATE))
		kq_knote_activate(&kfd->read, true);
}

/**
 * kqf_file_init() - before a regular file joins its inode mark
 * @kfd: descriptor
 */
void kqf_file_init(struct kq_fd *kfd)
{
	kfd->growth.link.post = kqf_file_post;
}

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
		kfd->growth.seen_size = -1;
		return false;
	}
	if ((kn->flags & EV_CLEAR) && kfd->growth.seen_size == size && kfd->growth.seen_pos == pos)
		return false;
	/* For kqf_file_seen(): somebody may read before the event is taken. */
	kfd->growth.seen_pos = pos;
	kfd->growth.seen_size = -1;
	return true;
}

/**
 * kqf_file_seen() - an event was taken, or a change wants it again
 * @kfd: descriptor of a regular file, its READ knote in flux
 * @res: what was reported, NULL to forget
 */
void kqf_file_seen(struct kq_fd *kfd, const struct kq_result *res)
{
	kfd->growth.seen_size = res ? kfd->growth.seen_pos + res->data : -1;
}
