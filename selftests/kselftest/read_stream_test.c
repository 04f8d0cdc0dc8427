// SPDX-License-Identifier: GPL-2.0
/*
 * Owns READ and WRITE on streams that are neither TCP nor of the unix family:
 * what they are is told by their own state and ->poll, in ways that differ.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_mptcp.h"

static int mptcp_connect(const struct sockaddr_in *address)
{
	int fd = mptcp_socket(SOCK_NONBLOCK);

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		ASSERT_EQ(errno, EINPROGRESS);
	return fd;
}

/* The next event, which may take its time: of this filter and descriptor. */
static struct kevent await(int kq, int fd, int filter)
{
	struct kevent event = kq_next(kq);

	ASSERT_EQ(event.ident, (uintptr_t)fd);
	ASSERT_EQ(event.filter, filter);
	return event;
}

KQ_TEST(mptcp_backlog, "KQ-118", "a listening MPTCP socket is ready as long as connections wait")
{
	struct sockaddr_in address;
	int listener = mptcp_listener(&address), kq = kq_new(), clients[2], fds[2];

	ASSERT_OK(kq_add(kq, listener, EVFILT_READ, 0, 0, 0, NULL));
	kq_fence(kq);
	for (int i = 0; i < 2; i++)
		clients[i] = mptcp_connect(&address);
	ASSERT_GE(await(kq, listener, EVFILT_READ).data, 1);
	for (int i = 0; i < 2; i++) {
		ASSERT_GE(await(kq, listener, EVFILT_READ).data, 1);
		fds[i] = ASSERT_SYS(accept(listener, NULL, NULL));
	}
	kq_fence(kq);
	for (int i = 0; i < 2; i++) {
		ASSERT_SYS(close(fds[i]));
		ASSERT_SYS(close(clients[i]));
	}
	ASSERT_SYS(close(listener));
	ASSERT_SYS(close(kq));
}

KQ_TEST(mptcp_connection, "KQ-106 KQ-110 KQ-141",
	"an MPTCP socket that connects without waiting is told of that, of data and of the end")
{
	struct sockaddr_in address;
	int listener = mptcp_listener(&address), kq = kq_new(), peer, fd;
	struct kevent event;
	char byte;

	fd = mptcp_connect(&address);
	ASSERT_OK(kq_add(kq, fd, EVFILT_WRITE, EV_ONESHOT, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, NULL));
	await(kq, fd, EVFILT_WRITE);
	peer = ASSERT_SYS(accept(listener, NULL, NULL));
	kq_fence(kq);
	kq_write(peer, "x", 1);
	event = await(kq, fd, EVFILT_READ);
	ASSERT_EQ(event.data, 1);
	ASSERT_FALSE(event.flags & EV_EOF);
	ASSERT_EQ(read(fd, &byte, 1), 1);
	kq_fence(kq);
	ASSERT_SYS(close(peer));
	ASSERT_TRUE(await(kq, fd, EVFILT_READ).flags & EV_EOF);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(close(listener));
	ASSERT_SYS(close(kq));
}

KQ_TEST(tipc_pair, "KQ-106 KQ-141", "a pair of TIPC sockets is writable, and readable when it has data")
{
	int kq = kq_new(), fds[2];

	if (socketpair(AF_TIPC, SOCK_SEQPACKET, 0, fds)) {
		ASSERT_EQ(errno, EAFNOSUPPORT);
		KQ_SKIP("this kernel has no TIPC");
	}
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_WRITE, EV_ONESHOT, 0, 0, NULL));
	await(kq, fds[0], EVFILT_WRITE);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_fence(kq);
	kq_write(fds[1], "x", 1);
	await(kq, fds[0], EVFILT_READ);
	ASSERT_SYS(close(fds[0]));
	ASSERT_SYS(close(fds[1]));
	ASSERT_SYS(close(kq));
}
