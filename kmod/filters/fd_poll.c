// SPDX-License-Identifier: GPL-2.0
/*
 * READ and WRITE on everything that only its ->poll knows: active as poll(2)
 * says, data where the kernel tells it without guessing.
 */
#include <linux/kernel.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "fd.h"

#define KQF_IN	(EPOLLIN | EPOLLRDNORM)
#define KQF_OUT	(EPOLLOUT | EPOLLWRNORM)

/* A signalfd record; how many are pending is not told. */
#define KQF_SIGINFO_SIZE	128

/*
 * The number behind a label in the object's own fdinfo text: eventfd and timerfd
 * tell their counters nowhere else without consuming them.
 */
static u64 kqf_fdinfo_number(const struct kq_fd *kfd, const char *label, int base)
{
	char buf[256];
	struct seq_file m = { .buf = buf, .size = sizeof(buf) - 1 };
	u64 number = 0;
	char *at;

	if (!kfd->file->f_op->show_fdinfo)
		return 1;
	kfd->file->f_op->show_fdinfo(&m, kfd->file);
	if (seq_has_overflowed(&m))
		return 1;
	buf[m.count] = '\0';
	at = strstr(buf, label);
	if (!at)
		return 1;
	at = skip_spaces(at + strlen(label));
	at[strcspn(at, "\n")] = '\0';
	return kstrtou64(at, base, &number) ? 1 : number;
}

static s64 kqf_eventfd_count(const struct kq_fd *kfd)
{
	return min_t(u64, kqf_fdinfo_number(kfd, "eventfd-count:", 16), S64_MAX);
}

static s64 kqf_eventfd_room(const struct kq_fd *kfd)
{
	u64 count = kqf_fdinfo_number(kfd, "eventfd-count:", 16);

	return min_t(u64, ULLONG_MAX - 1 - count, S64_MAX);
}

static bool kqf_queue_read(struct kq_fd *kfd, struct kq_result *res)
{
	struct kq *inner = kq_from_file(kfd->file);
	struct kq_drops drops = { .list = LLIST_HEAD_INIT(drops.list) };

	/* Depth is bounded by KQ_MAX_DEPTH, see nest.c. */
	kq_recheck(inner, &drops, res->walk, NULL);
	kq_drops_defer(&drops);
	res->data = kq_look(inner, &res->token);
	res->counted = true;
	res->keyed = true;
	return res->data > 0;
}

/**
 * kqf_poll_read() - EVFILT_READ by ->poll (KQ-134 to KQ-137)
 * @kfd: descriptor
 * @kn: its READ knote in flux
 * @res: filled
 *
 * Return: ready.
 */
bool kqf_poll_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	__poll_t mask;

	if (kfd->kind == KQ_KIND_QUEUE)
		return kqf_queue_read(kfd, res);
	mask = kqf_fd_poll(kfd);
	if (kfd->kind == KQ_KIND_PIDFD) {
		if (!(mask & (KQF_IN | EPOLLHUP)))
			return false;
		res->flags = EV_EOF;
		return true;
	}
	if (mask & EPOLLHUP)
		res->flags = EV_EOF;
	if (!(mask & (KQF_IN | EPOLLHUP | EPOLLERR)))
		return false;
	if (!res->report)
		return true;
	switch (kfd->kind) {
	case KQ_KIND_EVENTFD:
		res->data = kqf_eventfd_count(kfd);
		break;
	case KQ_KIND_TIMERFD:
		res->data = kqf_fdinfo_number(kfd, "ticks:", 10);
		break;
	case KQ_KIND_SIGNALFD:
		res->data = KQF_SIGINFO_SIZE;
		break;
	case KQ_KIND_TTY:
	case KQ_KIND_INOTIFY:
	case KQ_KIND_FANOTIFY:
		res->data = mask & KQF_IN ? kqf_fd_ioctl(kfd, res) : 0;
		break;
	default:
		res->data = mask & KQF_IN ? 1 : 0;
	}
	return true;
}

/**
 * kqf_poll_write() - EVFILT_WRITE by ->poll
 * @kfd: descriptor
 * @kn: its WRITE knote in flux
 * @res: filled
 *
 * Return: ready.
 */
bool kqf_poll_write(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	__poll_t mask = kqf_fd_poll(kfd);

	if (mask & EPOLLHUP)
		res->flags = EV_EOF;
	if (kfd->kind != KQ_KIND_EVENTFD)
		res->data = mask & KQF_OUT ? 1 : 0;
	else if (res->report)
		res->data = kqf_eventfd_room(kfd);
	return mask & (KQF_OUT | EPOLLHUP | EPOLLERR);
}
