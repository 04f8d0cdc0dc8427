// SPDX-License-Identifier: GPL-2.0
/* EVFILT_WRITE: which evaluation serves which object. */
#include <linux/limits.h>

#include "fd.h"

static int kqf_write_check(const struct kq_fd *kfd)
{
	switch (kfd->kind) {
	case KQ_KIND_DIR:
	case KQ_KIND_QUEUE:
	case KQ_KIND_TIMERFD:
	case KQ_KIND_SIGNALFD:
	case KQ_KIND_INOTIFY:
	case KQ_KIND_PIDFD:
	case KQ_KIND_EPOLL:
	case KQ_KIND_NONE:
		return -EINVAL;
	}
	return 0;
}

static bool kqf_write_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct kq_fd *kfd = kq_knote_fd(kn);

	switch (kfd->kind) {
	case KQ_KIND_SOCK:
		return kqf_sock_write(kfd, kn, res);
	case KQ_KIND_PIPE:
	case KQ_KIND_FIFO:
		return kqf_pipe_write(kfd, kn, res);
	case KQ_KIND_REG:
	case KQ_KIND_ALWAYS:
		return true;
	}
	return kqf_poll_write(kfd, kn, res);
}

/* A pipe wakes its writers only when it was full. */
static bool kqf_write_polled(const struct kq_knote *kn)
{
	const struct kq_fd *kfd = container_of_const(kn, struct kq_fd, write);

	return (kfd->kind == KQ_KIND_PIPE || kfd->kind == KQ_KIND_FIFO) &&
	       (kn->sfflags & NOTE_LOWAT) && kn->sdata > PIPE_BUF;
}

const struct kq_filter_ops kqf_write_ops = {
	.name = "write",
	.flags = KQF_FD,
	.wakes = KQ_WAKES_WRITER,
	.check = kqf_write_check,
	.attach = kqf_fd_attach,
	.touch = kq_touch_words,
	.eval = kqf_write_eval,
	.polled = kqf_write_polled,
};
