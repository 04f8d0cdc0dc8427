// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the descriptors in play: they are opened, used, replaced and closed while
 * queues watch them. Whatever the objects answer is right; only what the kernel
 * makes of it counts.
 */
#include <errno.h>
#include <linux/close_range.h>
#include <string.h>

#include "actions.h"
#include "objects.h"

static in_port_t listener_port;
static int listener;

/* Each process has one to connect to. */
void descriptors_start(void)
{
	struct sockaddr_in address = { 0 };
	socklen_t length = sizeof(address);

	listener = object_listener();
	if (getsockname(listener, (void *)&address, &length))
		defect("listener", "%s", strerror(errno));
	listener_port = address.sin_port;
}

void descriptors_end(void)
{
	syscall(SYS_close_range, SLOT_BASE, SLOT_END - 1, 0);
	close(listener);
}

/* Moves a private descriptor to a shared number, closing what was there. */
void publish(int fd, int number)
{
	if (dup2(fd, number) != number)
		defect("dup2", "%s", strerror(errno));
	close(fd);
}

void act_io(struct thread *t)
{
	static const char bytes[8192];
	char buffer[8192];
	uint64_t one = 1;
	int fd = slot(t);

	switch (rnd(t, 4)) {
	case 0:
	case 1:
		if (read(fd, buffer, 1 + rnd(t, sizeof(buffer))) < 0)
			break;
		break;
	case 2:
		if (write(fd, &one, sizeof(one)) < 0)
			break;
		break;
	case 3:
		if (write(fd, bytes, 1 + rnd(t, sizeof(bytes))) < 0)
			break;
		if (!rnd(t, 4))
			shutdown(fd, (int)rnd(t, 3));
		break;
	}
}

void act_open(struct thread *t)
{
	/* TCP costs more than all others together. */
	static const enum object_kind costly[] = { OBJ_TCP_PAIR, OBJ_TCP_LISTENER, OBJ_PTY };
	enum object_kind kind = rnd(t, OBJ_KINDS);
	int fd[2];

	for (size_t i = 0; i < ARRAY_SIZE(costly); i++)
		if (kind == costly[i] && rnd(t, 4))
			kind = OBJ_PIPE;
	if (object_make(kind, fd)) {
		defect("open", "kind %d: %s", kind, strerror(errno));
		return;
	}
	publish(fd[0], slot(t));
	if (fd[1] >= 0)
		publish(fd[1], slot(t));
}

/* A file of the tree, a child, or urgent data on whatever is there. */
void act_tree_open(struct thread *t)
{
	int fd;

	switch (rnd(t, 4)) {
	case 0:
		fd = (int)syscall(SYS_pidfd_open, game_pid(t), 0);
		break;
	case 1:
		send(slot(t), "!", 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
		return;
	default:
		fd = tree_open(t);
	}
	if (fd >= 0)
		publish(fd, slot(t));
}

void act_close(struct thread *t)
{
	close(slot(t));
}

void act_dup(struct thread *t)
{
	if (dup2(slot(t), slot(t)) < 0 && errno != EBADF && errno != EBUSY)
		defect("dup2", "%s", strerror(errno));
}

void act_close_range(struct thread *t)
{
	int from = slot(t);

	syscall(SYS_close_range, from, from + 3 < QUEUE_BASE ? from + 3 : from, 0);
}

void act_connect(struct thread *t)
{
	struct sockaddr_in address = object_address(listener_port);

	/* Sockets that can connect do, anything else refuses. */
	if (connect(slot(t), (void *)&address, sizeof(address)) < 0 && errno == EISCONN)
		shutdown(slot(t), SHUT_RDWR);
	close(accept4(rnd(t, 2) ? listener : slot(t), NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
}
