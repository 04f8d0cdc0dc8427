// SPDX-License-Identifier: GPL-2.0
/* READ and WRITE on pipes and FIFOs, read from the pipe itself. */
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/pipe_fs_i.h>

#include "fd.h"

static struct pipe_inode_info *kqf_pipe(const struct kq_fd *kfd)
{
	return kfd->file->private_data;
}

static unsigned int kqf_pipe_used(const struct pipe_inode_info *pipe)
{
	unsigned int tail = READ_ONCE(pipe->tail);

	return pipe_occupancy(READ_ONCE(pipe->head), tail);
}

/*
 * The buffers may be replaced at any time: only their owner's mutex makes them
 * readable. A writer that stalls in the middle of its copy holds it; a thread
 * being killed does not wait for that.
 */
static s64 kqf_pipe_bytes(struct pipe_inode_info *pipe)
{
	unsigned int slot;
	s64 bytes = 0;

	if (!kqf_pipe_used(pipe))
		return 0;
	if (mutex_lock_killable(&pipe->mutex))
		return 0;
	for (slot = pipe->tail; slot != pipe->head; slot++)
		bytes += pipe->bufs[slot & (pipe->ring_size - 1)].len;
	mutex_unlock(&pipe->mutex);
	return bytes;
}

/* Has the last writer gone? A FIFO nobody ever opened for writing says no. */
static bool kqf_pipe_no_writer(struct kq_fd *kfd, const struct pipe_inode_info *pipe)
{
	if (READ_ONCE(pipe->writers))
		return false;
	return kfd->kind == KQ_KIND_PIPE || (kqf_fd_poll(kfd) & EPOLLHUP);
}

/**
 * kqf_pipe_read() - EVFILT_READ on a pipe or FIFO (KQ-126 to KQ-129)
 * @kfd: descriptor
 * @kn: its READ knote in flux
 * @res: filled
 *
 * On a write end the only event is the end of the last reader.
 *
 * Return: ready.
 */
bool kqf_pipe_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	struct pipe_inode_info *pipe = kqf_pipe(kfd);
	bool eof;

	if (kfd->file->f_mode & FMODE_READ) {
		/* Before the bytes: what the last writer left is counted. */
		eof = kqf_pipe_no_writer(kfd, pipe);
		if (res->report || (kn->sfflags & NOTE_LOWAT))
			res->data = kqf_pipe_bytes(pipe);
		else
			res->data = kqf_pipe_used(pipe);
	} else {
		eof = !READ_ONCE(pipe->readers);
	}
	if (eof)
		res->flags = EV_EOF;
	return eof || res->data >= kqf_fd_mark(kn, 1);
}

/**
 * kqf_pipe_write() - EVFILT_WRITE on a pipe or FIFO (KQ-148, KQ-149)
 * @kfd: descriptor
 * @kn: its WRITE knote in flux
 * @res: filled
 *
 * On a read end the only event is the end of the last writer.
 *
 * Return: ready.
 */
bool kqf_pipe_write(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	struct pipe_inode_info *pipe = kqf_pipe(kfd);
	unsigned int used, max;
	bool eof;

	if (kfd->file->f_mode & FMODE_WRITE) {
		eof = !READ_ONCE(pipe->readers);
		used = kqf_pipe_used(pipe);
		max = READ_ONCE(pipe->max_usage);
		res->data = used < max ? (s64)(max - used) * PAGE_SIZE : 0;
	} else {
		eof = kqf_pipe_no_writer(kfd, pipe);
	}
	if (eof)
		res->flags = EV_EOF;
	return eof || res->data >= kqf_fd_mark(kn, PIPE_BUF);
}
