// SPDX-License-Identifier: GPL-2.0
/* EVFILT_READ: which evaluation serves which object. */
#include "fd.h"

static int kqf_read_check(const struct kq_fd *kfd)
{
	return kfd->kind == KQ_KIND_NONE ? -EINVAL : 0;
}

static int kqf_read_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	struct kq_fd *kfd = kq_knote_fd(kn), *parents = kq_knote_fd(from);
	int err = kqf_fd_attach(kn, NULL);

	if (err)
		return err;
	kfd->listened = parents->listened;
	if (kfd->kind == KQ_KIND_REG) {
		kfd->growth.seen_size = parents->growth.seen_size;
		kfd->growth.seen_pos = parents->growth.seen_pos;
	}
	return 0;
}

static int kqf_read_touch(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kq_fd *kfd = kq_knote_fd(kn);

	kq_touch_words(kn, ev);
	if (kfd->kind == KQ_KIND_REG)
		kqf_file_seen(kfd, NULL);
	return 0;
}

static bool kqf_read_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct kq_fd *kfd = kq_knote_fd(kn);

	switch (kfd->kind) {
	case KQ_KIND_SOCK:
		return kqf_sock_read(kfd, kn, res);
	case KQ_KIND_PIPE:
	case KQ_KIND_FIFO:
		return kqf_pipe_read(kfd, kn, res);
	case KQ_KIND_REG:
		return kqf_file_read(kfd, kn, res);
	case KQ_KIND_DIR:
	case KQ_KIND_ALWAYS:
		return true;
	}
	return kqf_poll_read(kfd, kn, res);
}

static void kqf_read_commit(struct kq_knote *kn, const struct kq_result *res)
{
	struct kq_fd *kfd = kq_knote_fd(kn);

	if (kfd->kind == KQ_KIND_REG)
		kqf_file_seen(kfd, res);
}

/* lseek() tells nobody; an inner queue may be readable by its own recheck. */
static bool kqf_read_polled(const struct kq_knote *kn)
{
	const struct kq_fd *kfd = container_of_const(kn, struct kq_fd, read);

	return kfd->kind == KQ_KIND_REG || kfd->kind == KQ_KIND_QUEUE;
}

const struct kq_filter_ops kqf_read_ops = {
	.name = "read",
	.flags = KQF_FD,
	.wakes = KQ_WAKES_READER,
	.check = kqf_read_check,
	.attach = kqf_fd_attach,
	.inherit = kqf_read_inherit,
	.touch = kqf_read_touch,
	.eval = kqf_read_eval,
	.commit = kqf_read_commit,
	.polled = kqf_read_polled,
};
