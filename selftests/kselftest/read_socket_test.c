// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ on connected and unconnected sockets: when it is active,
 * what data counts, what end of file and errors look like.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <linux/tcp.h>

static void set_option(int fd, int option, int value)
{
	ASSERT_SYS(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)));
}

/* Takes the pending error of a socket, as its owner would. */
static int take_error(int fd)
{
	int error = -1;
	socklen_t size = sizeof(error);

	ASSERT_SYS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	return error;
}

/* Closes with a reset instead of a FIN. */
static void reset(int fd)
{
	const struct linger linger = { .l_onoff = 1 };

	ASSERT_SYS(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
			      sizeof(linger)));
	ASSERT_SYS(close(fd));
}

static int add_read(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, 0, 0, (void *)1);
}

static void kq_unix_seqpacket(int fds[2])
{
	kq_unix_pair(fds, SOCK_SEQPACKET);
}

static const struct kq_pair streams[] = {
	{ "tcp", kq_tcp_pair },
	{ "unix", kq_unix_stream },
};

static const struct kq_pair connections[] = {
	{ "tcp", kq_tcp_pair },
	{ "unix", kq_unix_stream },
	{ "seqpacket", kq_unix_seqpacket },
};

KQ_TEST_EACH(idle_until_bytes, "KQ-106",
	     "idle until bytes arrive, data counts them, idle when read",
	     connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
	kq_write(fds[1], "hello", 5);
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD, 0, 5, (void *)1);
	/* Level: again, until it is read. */
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 5, (void *)1);
	ASSERT_EQ(kq_drain(fds[0]), 5);
	kq_fence(kq);
}

KQ_TEST_EACH(two_writes_are_counted, "KQ-107",
	     "data counts what two writes left and what a read took", streams)
{
	char buffer[16];
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_write(fds[1], "0123456789", 10);
	kq_write(fds[1], "01234", 5);
	fd_await_bytes(fds[0], 15);
	ASSERT_EQ(kq_next(kq).data, 15);
	ASSERT_EQ(read(fds[0], buffer, 4), 4);
	ASSERT_EQ(kq_one(kq).data, 11);
}

KQ_TEST_EACH(ready_when_added, "KQ-106",
	     "bytes that arrived before EV_ADD are reported", connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	kq_write(fds[1], "hello", 5);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 5,
		     (void *)1);
	kq_fence(kq);
}

KQ_TEST_EACH(clear_fires_for_each_arrival, "KQ-062 KQ-106",
	     "EV_CLEAR reports again when more arrives while some is unread",
	     connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	kq_write(fds[1], "abc", 3);
	ASSERT_EQ(kq_next(kq).data, 3);
	kq_fence(kq);
	kq_write(fds[1], "de", 2);
	ASSERT_EQ(kq_next(kq).data, 5);
	kq_fence(kq);
	ASSERT_EQ(kq_drain(fds[0]), 5);
	kq_fence(kq);
}

KQ_TEST_EACH(repeated_add_reports_again, "KQ-063",
	     "a repeated EV_ADD of an EV_CLEAR knote reports what is unread",
	     connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	kq_write(fds[1], "abc", 3);
	ASSERT_EQ(kq_next(kq).data, 3);
	kq_none(kq);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	ASSERT_EQ(kq_one(kq).data, 3);
	kq_none(kq);
}

KQ_TEST_EACH(low_water_mark, "KQ-108",
	     "NOTE_LOWAT 16: 8 bytes are no event, 24 are one with data 24",
	     streams)
{
	static const char bytes[24];
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
	kq_write(fds[1], bytes, 8);
	fd_await_bytes(fds[0], 8);
	kq_fence(kq);
	kq_write(fds[1], bytes, 16);
	fd_await_bytes(fds[0], 24);
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD, 0, 24, NULL);
}

KQ_TEST_EACH(low_water_mark_exactly, "KQ-108",
	     "the mark itself is enough; 0 and negative marks count as 1",
	     streams)
{
	static const char bytes[16];
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
	kq_write(fds[1], bytes, 15);
	fd_await_bytes(fds[0], 15);
	kq_fence(kq);
	kq_write(fds[1], bytes, 1);
	ASSERT_EQ(kq_next(kq).data, 16);
	ASSERT_EQ(kq_drain(fds[0]), 16);
	for (intptr_t mark = 0; mark >= -1; mark--) {
		ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, mark,
				 NULL));
		kq_fence(kq);
		kq_write(fds[1], bytes, 1);
		ASSERT_EQ(kq_next(kq).data, 1);
		ASSERT_EQ(kq_drain(fds[0]), 1);
	}
}

KQ_TEST_EACH(low_water_mark_is_modified, "KQ-108 KQ-052",
	     "a lower mark takes effect at once, a higher one silences",
	     streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
	kq_write(fds[1], "01234567", 8);
	fd_await_bytes(fds[0], 8);
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 8, NULL));
	ASSERT_EQ(kq_one(kq).data, 8);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 9, NULL));
	kq_none(kq);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).data, 8);
}

KQ_TEST_EACH(low_water_mark_with_clear, "KQ-108",
	     "EV_CLEAR with a mark reports when the mark is reached", streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, NOTE_LOWAT, 4,
			 NULL));
	kq_write(fds[1], "ab", 2);
	fd_await_bytes(fds[0], 2);
	kq_fence(kq);
	kq_write(fds[1], "cd", 2);
	ASSERT_EQ(kq_next(kq).data, 4);
	kq_fence(kq);
}

KQ_TEST_EACH(low_water_mark_and_end, "KQ-108 KQ-110",
	     "end of file is reported below the mark, data counts the rest",
	     streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
	kq_write(fds[1], "abc", 3);
	fd_await_bytes(fds[0], 3);
	kq_fence(kq);
	ASSERT_SYS(shutdown(fds[1], SHUT_WR));
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF, 0, 3,
		     NULL);
}

KQ_TEST(socket_mark_counts, "KQ-109",
	"without NOTE_LOWAT SO_RCVLOWAT is the mark; NOTE_LOWAT overrides it")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	set_option(fds[0], SO_RCVLOWAT, 16);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_write(fds[1], "01234567", 8);
	fd_await_bytes(fds[0], 8);
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 4, NULL));
	ASSERT_EQ(kq_one(kq).data, 8);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_none(kq);
	kq_write(fds[1], "01234567", 8);
	fd_await_bytes(fds[0], 16);
	ASSERT_EQ(kq_next(kq).data, 16);
}

KQ_TEST(socket_mark_is_read_at_evaluation, "KQ-109",
	"SO_RCVLOWAT set after EV_ADD counts at the next evaluation")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_write(fds[1], "01234567", 8);
	ASSERT_EQ(kq_next(kq).data, 8);
	/* The knote is queued; the scan evaluates it again. */
	set_option(fds[0], SO_RCVLOWAT, 16);
	kq_none(kq);
	set_option(fds[0], SO_RCVLOWAT, 1);
	/* The modify is an evaluation. */
	ASSERT_OK(add_read(kq, fds[0], 0));
	ASSERT_EQ(kq_one(kq).data, 8);
	set_option(fds[0], SO_RCVLOWAT, 12);
	kq_none(kq);
	kq_write(fds[1], "0123", 4);
	fd_await_bytes(fds[0], 12);
	ASSERT_EQ(kq_next(kq).data, 12);
}

KQ_TEST_EACH(end_of_file, "KQ-110 KQ-125",
	     "peer shutdown(WR): EV_EOF with the bytes left, again and again",
	     connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_write(fds[1], "abc", 3);
	ASSERT_EQ(kq_next(kq).flags, EV_ADD);
	ASSERT_SYS(shutdown(fds[1], SHUT_WR));
	while (!(kq_await_poll(fds[0], POLLIN | POLLRDHUP) & POLLRDHUP))
		sched_yield();
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF,
			     0, 3, (void *)1);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF,
			     0, 0, (void *)1);
}

KQ_TEST_EACH(peer_closed, "KQ-110 KQ-125",
	     "peer close: EV_EOF, fflags 0, unread bytes counted", connections)
{
	int kq = kq_new(), fds[2];
	struct kevent event;

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	kq_write(fds[1], "abcd", 4);
	close(fds[1]);
	do {
		event = kq_next(kq);
	} while (!(event.flags & EV_EOF));
	ASSERT_EVENT(event, fds[0], EVFILT_READ, EV_ADD | EV_CLEAR | EV_EOF, 0,
		     4, (void *)1);
}

KQ_TEST_EACH(end_of_file_once_with_clear, "KQ-111",
	     "EV_CLEAR with a FIN: one event, then none", connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	ASSERT_SYS(shutdown(fds[1], SHUT_WR));
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ,
		     EV_ADD | EV_CLEAR | EV_EOF, 0, 0, (void *)1);
	kq_fence(kq);
	/* EV_EOF belongs to the socket: a modify shows it again. */
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ,
		     EV_ADD | EV_CLEAR | EV_EOF, 0, 0, (void *)1);
	kq_fence(kq);
}

KQ_TEST(reset_by_peer, "KQ-112 KQ-113",
	"RST: EV_EOF with ECONNRESET, and the error is still there to take")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	reset(fds[1]);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF,
			     ECONNRESET, 0, (void *)1);
	ASSERT_EQ(take_error(fds[0]), ECONNRESET);
	/* The error is taken, the end of file stays. */
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF, 0, 0,
		     (void *)1);
}

KQ_TEST(reset_is_left_for_read, "KQ-112 KQ-113",
	"after the event of a RST read still fails with ECONNRESET")
{
	int kq = kq_new(), fds[2];
	char byte;

	kq_tcp_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	reset(fds[1]);
	ASSERT_EQ(kq_next(kq).fflags, ECONNRESET);
	ASSERT_ERRNO(read(fds[0], &byte, 1), ECONNRESET);
}

KQ_TEST_EACH(own_shutdown_of_reading, "KQ-114",
	     "own shutdown(RD): EV_EOF", connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
	ASSERT_SYS(shutdown(fds[0], SHUT_RD));
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD | EV_EOF, 0, 0,
		     (void *)1);
}

KQ_TEST_EACH(own_shutdown_of_writing, "KQ-115",
	     "own shutdown(WR): READ stays idle and still reports bytes",
	     connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	ASSERT_SYS(shutdown(fds[0], SHUT_WR));
	/* The peer has seen it; then its bytes arrive, and only they. */
	kq_await_poll(fds[1], POLLRDHUP);
	kq_fence(kq);
	kq_write(fds[1], "ab", 2);
	ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD, 0, 2, (void *)1);
}

static const struct {
	const char *name;
	int domain, type;
} fresh[] = {
	{ "tcp4", AF_INET, SOCK_STREAM },
	{ "tcp6", AF_INET6, SOCK_STREAM },
	{ "unix_stream", AF_UNIX, SOCK_STREAM },
	{ "unix_seqpacket", AF_UNIX, SOCK_SEQPACKET },
};

KQ_TEST_EACH(never_connected, "KQ-116",
	     "a never connected stream socket is no event", fresh)
{
	int kq = kq_new(), fd;

	fd = socket(variant->domain, variant->type | SOCK_NONBLOCK, 0);
	if (fd < 0 && errno == EAFNOSUPPORT)
		KQ_SKIP("no IPv6 in this kernel");
	ASSERT_SYS(fd);
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_OK(kq_del(kq, fd, EVFILT_READ));
}

KQ_TEST(disconnected_again, "KQ-116",
	"connect to AF_UNSPEC returns to never connected: silent")
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	ASSERT_SYS(connect(fds[0], &none, sizeof(none)));
	/* The connection that was cut leaves an error, which is an event. */
	take_error(fds[0]);
	kq_fence(kq);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
}

/* A loopback port on which nobody listens. */
static struct sockaddr_in closed_port(void)
{
	struct sockaddr_in address;

	close(kq_tcp_bound(&address));
	return address;
}

KQ_TEST(connect_refused, "KQ-117 KQ-113",
	"a refused connect: EV_EOF with ECONNREFUSED, the error is left")
{
	struct sockaddr_in address = closed_port();
	int kq = kq_new(), fd;

	fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_ERRNO(connect(fd, (void *)&address, sizeof(address)),
		     EINPROGRESS);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_next(kq), fd, EVFILT_READ, EV_ADD | EV_EOF,
			     ECONNREFUSED, 0, (void *)1);
	ASSERT_EQ(take_error(fd), ECONNREFUSED);
}

KQ_TEST(connect_completes, "KQ-116 KQ-106",
	"a knote of a fresh socket goes on through connect")
{
	struct sockaddr_in address;
	int listener = kq_tcp_listen(&address);
	int kq = kq_new(), fd, accepted;

	fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM, 0));
	ASSERT_OK(add_read(kq, fd, 0));
	ASSERT_SYS(connect(fd, (void *)&address, sizeof(address)));
	kq_await_poll(listener, POLLIN);
	accepted = ASSERT_SYS(accept(listener, NULL, NULL));
	kq_fence(kq);
	kq_write(accepted, "abc", 3);
	ASSERT_EVENT(kq_next(kq), fd, EVFILT_READ, EV_ADD, 0, 3, (void *)1);
}

KQ_TEST(urgent_byte_does_not_hide_data, "KQ-107",
	"data counts the bytes behind an urgent mark")
{
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int kq = kq_new(), fds[2];
	intptr_t data;

	kq_tcp_pair(fds);
	kq_write(fds[1], "ab", 2);
	ASSERT_EQ(send(fds[1], "u", 1, MSG_OOB), 1);
	kq_write(fds[1], "cde", 3);
	do {
		ASSERT_SYS(getsockopt(fds[0], IPPROTO_TCP, TCP_INFO, &info,
				      &size));
	} while (info.tcpi_bytes_received < 6);
	ASSERT_OK(add_read(kq, fds[0], 0));
	/* Whether the urgent byte itself counts is left open. */
	data = kq_one(kq).data;
	ASSERT_TRUE(data == 5 || data == 6);
}
