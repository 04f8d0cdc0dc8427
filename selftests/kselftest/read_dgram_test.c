// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ on datagram sockets: what data counts, empty datagrams,
 * and errors that are not the end.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

/* Connected to each other over loopback. */
static void udp_pair(int fds[2])
{
	struct sockaddr_in address[2];
	socklen_t size = sizeof(address[0]);

	for (int i = 0; i < 2; i++) {
		fds[i] = ASSERT_SYS(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK,
					   0));
		address[i] = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		};
		ASSERT_SYS(bind(fds[i], (void *)&address[i], size));
		ASSERT_SYS(getsockname(fds[i], (void *)&address[i], &size));
	}
	for (int i = 0; i < 2; i++)
		ASSERT_SYS(connect(fds[i], (void *)&address[!i], size));
}

static void unix_pair(int fds[2])
{
	kq_unix_pair(fds, SOCK_DGRAM);
}

static const struct kq_pair pairs[] = {
	{ "udp", udp_pair },
	{ "unix", unix_pair },
};

static int add_read(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, 0, 0, (void *)1);
}

static void send_size(int fd, size_t size)
{
	static const char bytes[2000];

	ASSERT_EQ(send(fd, bytes, size, 0), size);
}

/* Level knotes show the sum once everything has arrived. */
static void await_data(int kq, intptr_t data)
{
	struct kevent event;

	do {
		event = kq_next(kq);
		ASSERT_EQ(event.flags & EV_EOF, 0);
		ASSERT_EQ(event.fflags, 0);
	} while (event.data < data);
	ASSERT_EQ(event.data, data);
}

KQ_TEST_EACH(all_datagrams_count, "KQ-122",
	     "data counts the payload of all queued datagrams", pairs)
{
	char buffer[2000];
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
	send_size(fds[1], 10);
	await_data(kq, 10);
	send_size(fds[1], 20);
	send_size(fds[1], 1300);
	await_data(kq, 1330);
	ASSERT_EQ(recv(fds[0], buffer, sizeof(buffer), 0), 10);
	await_data(kq, 1320);
	/* A part is read: the rest of that datagram is gone. */
	ASSERT_EQ(recv(fds[0], buffer, 5, 0), 5);
	await_data(kq, 1300);
	ASSERT_EQ(recv(fds[0], buffer, sizeof(buffer), 0), 1300);
	kq_fence(kq);
}

KQ_TEST_EACH(empty_datagram, "KQ-123",
	     "an empty datagram is an event with data 0", pairs)
{
	char byte;
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	send_size(fds[1], 0);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD, 0, 0,
			     (void *)1);
	ASSERT_EQ(recv(fds[0], &byte, 1, 0), 0);
	kq_fence(kq);
}

KQ_TEST_EACH(clear_fires_for_each_datagram, "KQ-122 KQ-062",
	     "EV_CLEAR reports each arrival while others are unread", pairs)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	for (int count = 1; count <= 3; count++) {
		send_size(fds[1], 100);
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ,
			     EV_ADD | EV_CLEAR, 0, count * 100, (void *)1);
		kq_fence(kq);
	}
}

KQ_TEST_EACH(low_water_mark, "KQ-108 KQ-122",
	     "NOTE_LOWAT is compared with the bytes of all datagrams", pairs)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, (void *)1));
	send_size(fds[1], 8);
	kq_await_poll(fds[0], POLLIN);
	kq_fence(kq);
	send_size(fds[1], 8);
	await_data(kq, 16);
}

KQ_TEST_EACH(own_shutdown, "KQ-114",
	     "own shutdown(RD) gives EV_EOF", pairs)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
	ASSERT_SYS(shutdown(fds[0], SHUT_RD));
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF, 0, 0,
		     (void *)1);
}

KQ_TEST(unix_peer_close, "KQ-122",
	"a unix datagram socket whose peer closed is no event")
{
	int kq = kq_new(), fds[2];

	unix_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	close(fds[1]);
	kq_fence(kq);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
}

KQ_TEST(port_unreachable, "KQ-124 KQ-113",
	"an ICMP refusal is an event without EV_EOF, the error is left to take")
{
	int kq = kq_new(), fds[2], error = 0;
	socklen_t size = sizeof(error);

	udp_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
	close(fds[1]);
	send_size(fds[0], 1);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD, 0, 0,
			     (void *)1);
	ASSERT_SYS(getsockopt(fds[0], SOL_SOCKET, SO_ERROR, &error, &size));
	ASSERT_EQ(error, ECONNREFUSED);
	kq_fence(kq);
}

KQ_TEST(unconnected_socket_receives, "KQ-122",
	"an unconnected UDP socket is idle, then reports what arrives")
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int kq = kq_new(), fd, sender;

	fd = ASSERT_SYS(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	sender = ASSERT_SYS(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	/* Watched before it has an address. */
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_SYS(bind(fd, (void *)&address, size));
	ASSERT_SYS(getsockname(fd, (void *)&address, &size));
	kq_fence(kq);
	ASSERT_EQ(sendto(sender, "abc", 3, 0, (void *)&address, size), 3);
	await_data(kq, 3);
	ASSERT_EQ(kq_drain(fd), 3);
	kq_fence(kq);
}

KQ_TEST(taken_before_the_scan, "KQ-061 KQ-122",
	"a datagram taken by another reader before the scan is no event")
{
	char byte;
	int kq = kq_new(), fds[2];

	udp_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	send_size(fds[1], 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_EQ(recv(fds[0], &byte, 1, 0), 1);
	kq_fence(kq);
}

KQ_TEST(netlink, "KQ-122",
	"a netlink socket is idle, active with its answer, idle when read")
{
	struct {
		struct nlmsghdr header;
		struct rtgenmsg message;
	} request = {
		.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
		.header.nlmsg_type = RTM_GETLINK,
		.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		.message.rtgen_family = AF_UNSPEC,
	};
	int kq = kq_new(), fd;

	fd = ASSERT_SYS(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK,
			       NETLINK_ROUTE));
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_EQ(send(fd, &request, request.header.nlmsg_len, 0),
		  request.header.nlmsg_len);
	ASSERT_GT(kq_next(kq).data, 0);
	while (recv(fd, &(char[32768]){ 0 }, 32768, 0) > 0)
		;
	kq_fence(kq);
}
