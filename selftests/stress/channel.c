// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the way between the processes of the game: descriptors and queues are
 * sent from any of them to any other. A queue of another process is of no use,
 * but takes a place like any other.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "actions.h"

#define PASSED	3	/* descriptors in one message, at most */

/* Where each process receives; the other ends stay at CHANNEL_BASE in all of them. */
static int inboxes[PROCESSES];

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(PASSED * sizeof(int))];
};

/* Before the first fork. */
void channels_start(void)
{
	for (int i = 0; i < game->processes; i++) {
		int fd[2];

		if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) ||
		    dup3(fd[1], CHANNEL_BASE + i, O_CLOEXEC) < 0)
			defect("socketpair", "%s", strerror(errno));
		close(fd[1]);
		inboxes[i] = fd[0];
	}
}

/* What is on its way to a process that has ended is let go. */
void channels_join(int process)
{
	for (int i = 0; i < game->processes; i++)
		if (i != process)
			close(inboxes[i]);
}

void channels_end(void)
{
	for (int i = 0; i < game->processes; i++) {
		close(inboxes[i]);
		close(CHANNEL_BASE + i);
	}
}

/* One queue, or a few descriptors. The byte that goes with them says which. */
void act_send(struct thread *t)
{
	char kind = rnd(t, 3) ? 'd' : 'q';
	int to = CHANNEL_BASE + (int)rnd(t, (uint32_t)game->processes);
	int count = kind == 'q' ? 1 : 1 + (int)rnd(t, PASSED);
	struct iovec byte = { .iov_base = &kind, .iov_len = 1 };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int)),
	};
	int fds[PASSED];

	for (int i = 0; i < count; i++)
		fds[i] = kind == 'q' ? QUEUE_BASE + (int)rnd(t, QUEUES_PLAIN) : slot(t);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, (size_t)count * sizeof(int));
	if (sendmsg(to, &message, MSG_NOSIGNAL) == 1)
		return;
	switch (errno) {
	case EAGAIN:		/* full */
	case EBADF:		/* nothing open at the number */
	case ECONNREFUSED:	/* the process has ended */
	case ECONNRESET:
	case EPIPE:
	case ETOOMANYREFS:
		return;
	}
	defect("sendmsg", "%s", strerror(errno));
}

/* Queues go to either kind of place, all else to the watched. */
void act_receive(struct thread *t)
{
	char kind = 0;
	struct iovec byte = { .iov_base = &kind, .iov_len = 1 };
	union control control;
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fds[PASSED], count;

	if (recvmsg(inboxes[t->process], &message, 0) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			defect("recvmsg", "%s", strerror(errno));
		return;
	}
	if (message.msg_controllen < CMSG_LEN(sizeof(int)))
		return;
	count = (int)((control.head.cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(&control.head), (size_t)count * sizeof(int));
	for (int i = 0; i < count; i++) {
		if (kind == 'q' && !rnd(t, 8))
			publish(fds[i], QUEUE_BASE + 1 + (int)rnd(t, QUEUES_PLAIN - 1));
		else
			publish(fds[i], slot(t));
	}
}
