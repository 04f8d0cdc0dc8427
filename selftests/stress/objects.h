/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the kinds of descriptors that the stress program watches: makes one
 * object of a given kind and hands out its one or two descriptors.
 */
#ifndef OBJECTS_H
#define OBJECTS_H

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum object_kind {
	OBJ_PIPE,
	OBJ_UNIX_STREAM,
	OBJ_UNIX_DGRAM,
	OBJ_UNIX_SEQPACKET,
	OBJ_TCP_PAIR,
	OBJ_TCP_FRESH,
	OBJ_TCP_LISTENER,
	OBJ_UDP,
	OBJ_EVENTFD,
	OBJ_TIMERFD,
	OBJ_SIGNALFD,
	OBJ_INOTIFY,
	OBJ_PIDFD,
	OBJ_EPOLL,
	OBJ_MEMFD,
	OBJ_NULL,
	OBJ_ZERO,
	OBJ_DIRECTORY,
	OBJ_PTY,
	OBJ_KINDS,
};

static inline struct sockaddr_in object_address(in_port_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = port,
	};
}

static inline int object_listener(void)
{
	struct sockaddr_in address = object_address(0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd >= 0 && (bind(fd, (void *)&address, sizeof(address)) ||
			listen(fd, 16))) {
		close(fd);
		return -1;
	}
	return fd;
}

static inline int object_tcp_pair(int fd[2])
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	const struct linger reset = { .l_onoff = 1 };
	int listener = object_listener();

	fd[0] = -1;
	fd[1] = -1;
	if (listener < 0 || getsockname(listener, (void *)&address, &length))
		goto out;
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fd[0] < 0)
		goto out;
	/* Closing resets: thousands of connections in TIME_WAIT eat the ports. */
	setsockopt(fd[0], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (!connect(fd[0], (void *)&address, length)) {
		fcntl(listener, F_SETFL, 0);
		fd[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	}
	if (fd[1] < 0) {
		close(fd[0]);
		fd[0] = -1;
	} else {
		fcntl(fd[0], F_SETFL, O_NONBLOCK);
	}
out:
	if (listener >= 0)
		close(listener);
	return fd[1] < 0 ? -1 : 0;
}

static inline int object_pty(int fd[2])
{
	fd[0] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (fd[0] < 0)
		return -1;
	if (grantpt(fd[0]) || unlockpt(fd[0]))
		return 0;
	fd[1] = open(ptsname(fd[0]), O_RDWR | O_NOCTTY | O_NONBLOCK);
	return 0;
}

static inline int object_timerfd(void)
{
	const struct itimerspec period = {
		.it_interval.tv_nsec = 3000000,
		.it_value.tv_nsec = 3000000,
	};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	if (fd >= 0)
		timerfd_settime(fd, 0, &period, NULL);
	return fd;
}

/* Sets fd[0], for a pair fd[1] too; -1 where there is none. No call blocks. */
static inline int object_make(enum object_kind kind, int fd[2])
{
	struct sockaddr_in address = object_address(0);
	sigset_t set;

	fd[0] = -1;
	fd[1] = -1;
	switch (kind) {
	case OBJ_PIPE:
		return pipe2(fd, O_NONBLOCK);
	case OBJ_UNIX_STREAM:
		return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd);
	case OBJ_UNIX_DGRAM:
		return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fd);
	case OBJ_UNIX_SEQPACKET:
		return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd);
	case OBJ_TCP_PAIR:
		return object_tcp_pair(fd);
	case OBJ_TCP_FRESH:
		fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		break;
	case OBJ_TCP_LISTENER:
		fd[0] = object_listener();
		break;
	case OBJ_UDP:
		fd[0] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (fd[0] >= 0)
			bind(fd[0], (void *)&address, sizeof(address));
		break;
	case OBJ_EVENTFD:
		fd[0] = eventfd(0, EFD_NONBLOCK);
		break;
	case OBJ_TIMERFD:
		fd[0] = object_timerfd();
		break;
	case OBJ_SIGNALFD:
		sigemptyset(&set);
		sigaddset(&set, SIGUSR2);
		fd[0] = signalfd(-1, &set, SFD_NONBLOCK);
		break;
	case OBJ_INOTIFY:
		fd[0] = inotify_init1(IN_NONBLOCK);
		break;
	case OBJ_PIDFD:
		fd[0] = (int)syscall(SYS_pidfd_open, getpid(), 0);
		break;
	case OBJ_EPOLL:
		fd[0] = epoll_create1(0);
		break;
	case OBJ_MEMFD:
		fd[0] = memfd_create("stress", 0);
		break;
	case OBJ_NULL:
		fd[0] = open("/dev/null", O_RDWR);
		break;
	case OBJ_ZERO:
		fd[0] = open("/dev/zero", O_RDWR);
		break;
	case OBJ_DIRECTORY:
		fd[0] = open("/", O_RDONLY | O_DIRECTORY);
		break;
	case OBJ_PTY:
		return object_pty(fd);
	case OBJ_KINDS:
		break;
	}
	return fd[0] < 0 ? -1 : 0;
}

#endif /* OBJECTS_H */
