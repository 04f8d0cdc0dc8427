// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_WRITE on sockets: room in the send buffer, connect, both ends
 * of a connection, and registrations next to EVFILT_READ.
 */
#include "kq_test.h"
#include "kq_fd.h"

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

static int add_write(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_WRITE, flags, 0, 0, (void *)2);
}

static void assert_write(int kq, int fd, unsigned int flags, int error)
{
	struct kevent event = kq_next(kq);

	ASSERT_EVENT(event, fd, EVFILT_WRITE, EV_ADD | flags, error,
		     event.data, (void *)2);
	if (!(flags & EV_EOF))
		ASSERT_GT(event.data, 0);
}

static int take_error(int fd)
{
	int error = -1;
	socklen_t size = sizeof(error);

	ASSERT_SYS(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size));
	return error;
}

/* Until nothing more fits and, what is on its way having arrived, stays so. */
static void fill(int fd)
{
	static const char bytes[4096];

	do {
		while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
			;
		ASSERT_EQ(errno, EAGAIN);
	} while (poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, 0));
}

KQ_TEST_EACH(room_at_once, "KQ-139",
	     "a connected socket is active at once with data > 0", connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], 0));
	assert_write(kq, fds[1], 0, 0);
	assert_write(kq, fds[1], 0, 0);
}

KQ_TEST_EACH(room_once_with_clear, "KQ-139 KQ-062 KQ-063",
	     "EV_CLEAR: once at registration, once more at a modify",
	     connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	assert_write(kq, fds[1], EV_CLEAR, 0);
	kq_fence(kq);
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	assert_write(kq, fds[1], EV_CLEAR, 0);
	kq_fence(kq);
}

KQ_TEST(room_shrinks, "KQ-139", "data is less after bytes were queued")
{
	int kq = kq_new(), fds[2];
	intptr_t before;

	kq_unix_stream(fds);
	ASSERT_OK(add_write(kq, fds[1], 0));
	before = kq_one(kq).data;
	kq_write(fds[1], "x", 1);
	ASSERT_LT(kq_one(kq).data, before);
	kq_drain(fds[0]);
	ASSERT_EQ(kq_one(kq).data, before);
}

static const struct {
	const char *name;
	void (*open)(int fds[2]);
	unsigned int flags;
} full[] = {
	{ "tcp_level", kq_tcp_pair, 0 },
	{ "tcp_clear", kq_tcp_pair, EV_CLEAR },
	{ "unix_level", kq_unix_stream, 0 },
	{ "unix_clear", kq_unix_stream, EV_CLEAR },
	{ "seqpacket_level", kq_unix_seqpacket, 0 },
	{ "seqpacket_clear", kq_unix_seqpacket, EV_CLEAR },
};

KQ_TEST_EACH(full_buffer, "KQ-140",
	     "a full send buffer is idle, active after the peer reads", full)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], variant->flags));
	assert_write(kq, fds[1], variant->flags, 0);
	fill(fds[1]);
	/* What became free while it was filled may have been noted. */
	kq_collect(kq, (struct kevent[4]){ 0 }, 4);
	kq_fence(kq);
	kq_drain(fds[0]);
	assert_write(kq, fds[1], variant->flags, 0);
}

KQ_TEST_EACH(full_buffer_when_added, "KQ-140",
	     "WRITE added to a full socket is idle until the peer reads", full)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	fill(fds[1]);
	ASSERT_OK(add_write(kq, fds[1], variant->flags));
	kq_fence(kq);
	kq_drain(fds[0]);
	assert_write(kq, fds[1], variant->flags, 0);
}

KQ_TEST_EACH(low_water_mark, "KQ-141",
	     "a mark above the buffer is never reached, 1, 0 and -1 are at once",
	     streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, 1 << 30,
			 (void *)2));
	kq_fence(kq);
	for (intptr_t mark = 1; mark >= -1; mark--) {
		ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, mark,
				 (void *)2));
		assert_write(kq, fds[1], 0, 0);
	}
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, 1 << 30,
			 (void *)2));
	kq_fence(kq);
}

KQ_TEST_EACH(low_water_mark_and_end, "KQ-141 KQ-145",
	     "the end is reported whatever the mark says", streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, 1 << 30,
			 (void *)2));
	kq_fence(kq);
	ASSERT_SYS(shutdown(fds[1], SHUT_WR));
	assert_write(kq, fds[1], EV_EOF, 0);
}

KQ_TEST(listener_is_silent, "KQ-142",
	"a listening socket is never writable, connections or not")
{
	struct sockaddr_in address;
	int kq = kq_new(), early = kq_tcp_bound(&address), late;
	struct kevent event;

	/* One knote from before listen, one from after it. */
	ASSERT_OK(add_write(kq, early, 0));
	kq_fence(kq);
	ASSERT_SYS(listen(early, 16));
	kq_fence(kq);
	late = ASSERT_SYS(dup(early));
	ASSERT_OK(add_write(kq, late, 0));
	ASSERT_OK(kq_add(kq, early, EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_tcp_connect(&address);
	event = kq_next(kq);
	ASSERT_EQ(event.filter, EVFILT_READ);
	kq_fence(kq);
	ASSERT_OK(add_write(kq, early, 0));
	kq_fence(kq);
}

static const struct {
	const char *name;
	int domain, type;
} fresh[] = {
	{ "tcp", AF_INET, SOCK_STREAM },
	{ "unix_stream", AF_UNIX, SOCK_STREAM },
	{ "unix_seqpacket", AF_UNIX, SOCK_SEQPACKET },
};

KQ_TEST_EACH(never_connected, "KQ-143",
	     "a never connected stream socket is not writable", fresh)
{
	int kq = kq_new(), fd;

	fd = ASSERT_SYS(socket(variant->domain, variant->type | SOCK_NONBLOCK,
			       0));
	ASSERT_OK(add_write(kq, fd, 0));
	kq_fence(kq);
	ASSERT_OK(add_write(kq, fd, 0));
	kq_fence(kq);
	ASSERT_OK(kq_del(kq, fd, EVFILT_WRITE));
}

static const struct {
	const char *name;
	unsigned int flags;
} modes[] = {
	{ "level", 0 },
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
};

KQ_TEST_EACH(connect_completes, "KQ-143",
	     "non-blocking connect: an event when it completed", modes)
{
	struct sockaddr_in address;
	int listener = kq_tcp_listen(&address), kq = kq_new(), fd;

	fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ASSERT_OK(add_write(kq, fd, variant->flags));
	kq_fence(kq);
	if (connect(fd, (void *)&address, sizeof(address)))
		ASSERT_EQ(errno, EINPROGRESS);
	assert_write(kq, fd, variant->flags, 0);
	ASSERT_EQ(take_error(fd), 0);
	close(listener);
}

KQ_TEST_EACH(connect_fails, "KQ-144",
	     "refused connect: EV_EOF with ECONNREFUSED, the error is left",
	     modes)
{
	struct sockaddr_in address;
	int kq = kq_new(), fd;

	close(kq_tcp_bound(&address));
	fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ASSERT_OK(add_write(kq, fd, variant->flags));
	ASSERT_ERRNO(connect(fd, (void *)&address, sizeof(address)),
		     EINPROGRESS);
	assert_write(kq, fd, variant->flags | EV_EOF, ECONNREFUSED);
	ASSERT_EQ(take_error(fd), ECONNREFUSED);
}

KQ_TEST(unix_connect, "KQ-143",
	"a unix socket is writable once it is connected")
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	socklen_t size = sizeof(sa_family_t);
	int kq = kq_new(), listener, fd;

	listener = ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	ASSERT_SYS(bind(listener, (void *)&address, size));
	ASSERT_SYS(listen(listener, 1));
	size = sizeof(address);
	ASSERT_SYS(getsockname(listener, (void *)&address, &size));
	fd = ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	ASSERT_OK(add_write(kq, fd, 0));
	kq_fence(kq);
	ASSERT_SYS(connect(fd, (void *)&address, size));
	/* There is no wake-up at connect: the next evaluation sees it. */
	ASSERT_OK(add_write(kq, fd, 0));
	assert_write(kq, fd, 0, 0);
}

KQ_TEST_EACH(own_shutdown, "KQ-145",
	     "own shutdown(WR): EV_EOF, again and again", connections)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	assert_write(kq, fds[1], EV_CLEAR, 0);
	kq_fence(kq);
	ASSERT_SYS(shutdown(fds[1], SHUT_WR));
	assert_write(kq, fds[1], EV_CLEAR | EV_EOF, 0);
	ASSERT_OK(kq_del(kq, fds[1], EVFILT_WRITE));
	ASSERT_OK(add_write(kq, fds[1], 0));
	assert_write(kq, fds[1], EV_EOF, 0);
	assert_write(kq, fds[1], EV_EOF, 0);
}

KQ_TEST_EACH(peer_half_close, "KQ-145",
	     "peer shutdown(WR) alone: WRITE has no EV_EOF", connections)
{
	int kq = kq_new(), fds[2];
	struct kevent events[4];
	int count;

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], 0));
	ASSERT_SYS(shutdown(fds[0], SHUT_WR));
	kq_await_poll(fds[1], POLLRDHUP);
	count = kq_collect(kq, events, 4);
	ASSERT_EQ(count, 1);
	ASSERT_EQ(events[0].flags, EV_ADD);
	ASSERT_GT(events[0].data, 0);
}

KQ_TEST(reset_by_peer, "KQ-146", "RST: EV_EOF with ECONNRESET, error left")
{
	const struct linger linger = { .l_onoff = 1 };
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	fill(fds[1]);
	ASSERT_OK(add_write(kq, fds[1], 0));
	kq_fence(kq);
	ASSERT_SYS(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &linger,
			      sizeof(linger)));
	close(fds[0]);
	assert_write(kq, fds[1], EV_EOF, ECONNRESET);
	assert_write(kq, fds[1], EV_EOF, ECONNRESET);
	ASSERT_EQ(take_error(fds[1]), ECONNRESET);
	assert_write(kq, fds[1], EV_EOF, 0);
}

KQ_TEST(unix_peer_close, "KQ-146",
	"unix stream: the peer closed, EV_EOF also when the buffer was full")
{
	int kq = kq_new(), fds[2];
	struct kevent event;

	kq_unix_stream(fds);
	fill(fds[1]);
	ASSERT_OK(add_write(kq, fds[1], 0));
	kq_fence(kq);
	close(fds[0]);
	event = kq_one(kq);
	ASSERT_TRUE(event.flags & EV_EOF);
	/* Unread bytes make it a reset. */
	ASSERT_EQ(event.fflags, ECONNRESET);
}

static void udp_fresh(int fds[2])
{
	fds[0] = -1;
	fds[1] = ASSERT_SYS(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
}

static void unix_dgram_fresh(int fds[2])
{
	fds[0] = -1;
	fds[1] = ASSERT_SYS(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
}

static void unix_dgram_pair(int fds[2])
{
	kq_unix_pair(fds, SOCK_DGRAM);
}

static const struct kq_pair datagrams[] = {
	{ "udp", udp_fresh },
	{ "unix_unconnected", unix_dgram_fresh },
	{ "unix_connected", unix_dgram_pair },
};

KQ_TEST_EACH(datagram_socket, "KQ-147",
	     "a datagram socket is active, connected or not", datagrams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], 0));
	assert_write(kq, fds[1], 0, 0);
	assert_write(kq, fds[1], 0, 0);
}

KQ_TEST(datagram_shutdown, "KQ-147 KQ-145",
	"own shutdown(WR) of a datagram socket gives EV_EOF")
{
	int kq = kq_new(), fds[2];

	unix_dgram_pair(fds);
	ASSERT_OK(add_write(kq, fds[1], 0));
	assert_write(kq, fds[1], 0, 0);
	ASSERT_SYS(shutdown(fds[1], SHUT_WR));
	assert_write(kq, fds[1], EV_EOF, 0);
}

KQ_TEST_EACH(read_added_next_to_write, "KQ-151",
	     "READ added next to WRITE on one socket: both work", connections)
{
	int kq = kq_new(), fds[2], count;
	struct kevent events[4];

	variant->open(fds);
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	assert_write(kq, fds[1], EV_CLEAR, 0);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_READ, 0, 0, 0, (void *)1));
	kq_fence(kq);
	kq_write(fds[0], "abc", 3);
	ASSERT_EVENT(kq_next(kq), fds[1], EVFILT_READ, EV_ADD, 0, 3, (void *)1);
	ASSERT_OK(kq_del(kq, fds[1], EVFILT_WRITE));
	ASSERT_OK(add_write(kq, fds[1], 0));
	count = kq_collect(kq, events, 4);
	ASSERT_EQ(count, 2);
	ASSERT_EQ(events[0].filter + events[1].filter,
		  EVFILT_READ + EVFILT_WRITE);
	/* Removing the one leaves the other. */
	ASSERT_OK(kq_del(kq, fds[1], EVFILT_READ));
	assert_write(kq, fds[1], 0, 0);
}
