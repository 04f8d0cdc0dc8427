// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the other ways to look at a queue: poll, select, epoll, and the text in
 * /proc. An epoll instance is watched by queues and watches them, in loops too.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#include "actions.h"

#define EPOLLS	4	/* slots that mostly hold an epoll instance */

void act_poll(struct thread *t)
{
	struct pollfd fds[6];
	const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	/* Only queues are ever put at the number of a queue. */
	const short possible = POLLIN | POLLERR | POLLNVAL;
	int count = 1 + (int)rnd(t, ARRAY_SIZE(fds));

	for (int i = 0; i < count; i++) {
		fds[i].fd = rnd(t, 2) ? queue(t) : slot(t);
		fds[i].events = events[rnd(t, 3)];
	}
	if (poll(fds, (nfds_t)count, (int)rnd(t, 3)) < 0) {
		if (errno != EINTR)
			defect("poll", "%s", strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++)
		if (fds[i].fd >= QUEUE_BASE && (fds[i].revents & ~possible))
			defect("poll", "a queue says %#x", fds[i].revents);
}

void act_select(struct thread *t)
{
	struct timeval timeout = { .tv_usec = rnd(t, 3) * 1000 };
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	for (int i = 0; i < 4; i++) {
		FD_SET(rnd(t, 2) ? queue(t) : slot(t), &in);
		FD_SET(rnd(t, 8) ? slot(t) : queue(t), &out);
	}
	if (select(SLOT_END, &in, &out, NULL, &timeout) < 0 && errno != EINTR && errno != EBADF)
		defect("select", "%s", strerror(errno));
}

static bool epoll_refusal(int error)
{
	switch (error) {
	case EBADF:
	case EEXIST:
	case EINVAL:	/* not an epoll instance, or with EPOLLEXCLUSIVE */
	case ELOOP:
	case ENOENT:
	case EPERM:	/* a file that cannot be polled */
		return true;
	}
	return false;
}

void act_epoll(struct thread *t)
{
	const int operations[] = {
		EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL,
	};
	const uint32_t modes[] = { 0, 0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE };
	struct epoll_event event = {
		.events = (rnd(t, 4) ? EPOLLIN : EPOLLOUT) | modes[rnd(t, ARRAY_SIZE(modes))],
	};
	int number = SLOT_BASE + (int)rnd(t, EPOLLS), fd = rnd(t, 2) ? queue(t) : slot(t);
	struct epoll_event events[EVENTS];
	int epoll;

	switch (rnd(t, 16)) {
	case 0:
		epoll = epoll_create1(0);
		if (epoll < 0)
			defect("epoll_create1", "%s", strerror(errno));
		else
			publish(epoll, number);
		break;
	case 1:
	case 2:
	case 3:
	case 4:
		if (epoll_wait(number, events, EVENTS, (int)rnd(t, 3)) < 0 && errno != EINTR &&
		    errno != EBADF && errno != EINVAL)
			defect("epoll_wait", "%s", strerror(errno));
		break;
	default:
		if (epoll_ctl(number, operations[rnd(t, ARRAY_SIZE(operations))], fd, &event) &&
		    !epoll_refusal(errno))
			defect("epoll_ctl", "%s", strerror(errno));
	}
}

void act_fdinfo(struct thread *t)
{
	char path[64], text[4096];
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", queue(t));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		if (errno != ENOENT)
			defect(path, "%s", strerror(errno));
		return;
	}
	do {
		size = read(fd, text, sizeof(text));
	} while (size > 0);
	if (size < 0 && errno != ENOENT)
		defect(path, "read: %s", strerror(errno));
	close(fd);
}
