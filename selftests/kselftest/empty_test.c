// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_EMPTY: a socket whose send buffer holds nothing, that
 * is nothing TCP has no acknowledgment for, and nothing a local peer has not
 * taken.
 */
#include "kq_test.h"
#include "kq_fd.h"

#include <linux/sockios.h>

#define MARK	((void *)3)

/* Bytes on their way. */
static int unsent(int fd)
{
	int bytes;

	ASSERT_SYS(ioctl(fd, SIOCOUTQ, &bytes));
	return bytes;
}

/* Acknowledgments come when they come. */
static void await_sent(int fd)
{
	while (unsent(fd))
		sched_yield();
}

static void unix_dgram(int fds[2])
{
	kq_unix_pair(fds, SOCK_DGRAM);
}

static void unix_seqpacket(int fds[2])
{
	kq_unix_pair(fds, SOCK_SEQPACKET);
}

static void udp_pair(int fds[2])
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);

	for (int i = 0; i < 2; i++)
		fds[i] = ASSERT_SYS(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	ASSERT_SYS(bind(fds[0], (struct sockaddr *)&address, size));
	ASSERT_SYS(getsockname(fds[0], (struct sockaddr *)&address, &size));
	ASSERT_SYS(connect(fds[1], (struct sockaddr *)&address, size));
}

/* Whose bytes stay with the sender until the peer reads them. */
static const struct kq_pair local_pairs[] = {
	{ "stream", kq_unix_stream },
	{ "dgram", unix_dgram },
	{ "seqpacket", unix_seqpacket },
}, all_pairs[] = {
	{ "tcp", kq_tcp_pair },
	{ "udp", udp_pair },
	{ "unix_stream", kq_unix_stream },
	{ "unix_dgram", unix_dgram },
	{ "unix_seqpacket", unix_seqpacket },
};

/* A connection whose buffers are small from the first window on. */
static void small_tcp_pair(int fds[2])
{
	struct sockaddr_in address;
	int size = 16384, listener = kq_tcp_bound(&address);

	ASSERT_SYS(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	ASSERT_SYS(listen(listener, 1));
	fds[1] = kq_tcp_connect(&address);
	ASSERT_SYS(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)));
	kq_await_poll(listener, POLLIN);
	fds[0] = ASSERT_SYS(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
	close(listener);
}

/*
 * Queues more than the peer's buffer holds: in the end nothing is on its way
 * and the rest stays until the peer reads.
 */
static void stall(int fd)
{
	static const char bytes[4096];
	int queued, held;

	for (;;) {
		while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
			;
		ASSERT_EQ(errno, EAGAIN);
		queued = unsent(fd);
		ASSERT_SYS(ioctl(fd, SIOCOUTQNSD, &held));
		if (held && queued == held)
			break;
		sched_yield();
	}
}

static void take_everything(int from, int to)
{
	do {
		if (!kq_drain(to))
			sched_yield();
	} while (unsent(from) || fd_waiting_bytes(to));
}

static int add(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_EMPTY, flags, 0, 0, MARK);
}

static void assert_empty_at(const char *file, int line, struct kevent event, int fd, unsigned int flags)
{
	if (event.ident != (uintptr_t)fd || event.filter != EVFILT_EMPTY ||
	    event.flags != (EV_ADD | flags) || event.fflags || event.data || event.udata != MARK)
		kq_fail(file, line, "wanted EMPTY of descriptor %d, got %s", fd, kq_text(&event));
}
#define assert_empty(event, fd, flags)	assert_empty_at(__FILE__, __LINE__, event, fd, flags)

KQ_TEST_EACH(nothing_sent, "KQ-152", "a connected socket that sent nothing is active, data 0", all_pairs)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add(kq, fds[1], 0));
	assert_empty(kq_one(kq), fds[1], 0);
	assert_empty(kq_one(kq), fds[1], 0);
	/* What came in does not matter. */
	if (variant->open != udp_pair) {
		kq_write(fds[0], "abc", 3);
		fd_await_bytes(fds[1], 3);
		assert_empty(kq_one(kq), fds[1], 0);
	}
	/* Nor do words of the change. */
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_EMPTY, 0, 0xffffffff, 1000, MARK));
	assert_empty(kq_one(kq), fds[1], 0);
}

KQ_TEST(tcp_acknowledged, "KQ-152", "TCP: active when the peer's kernel has everything, though nobody read it")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	kq_write(fds[1], "abc", 3);
	ASSERT_OK(add(kq, fds[1], 0));
	assert_empty(kq_next(kq), fds[1], 0);
	ASSERT_EQ(unsent(fds[1]), 0);
	ASSERT_EQ(fd_waiting_bytes(fds[0]), 3);
}

KQ_TEST(udp_delivered, "KQ-152", "UDP: active when the datagram has left, though nobody read it")
{
	int kq = kq_new(), fds[2];

	udp_pair(fds);
	kq_write(fds[1], "abc", 3);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(add(kq, fds[1], 0));
	assert_empty(kq_next(kq), fds[1], 0);
}

KQ_TEST(tcp_stalled, "KQ-152", "TCP: idle while the peer's window is closed, active when it has taken all")
{
	int kq = kq_new(), fds[2];

	small_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[1], 0));
	assert_empty(kq_one(kq), fds[1], 0);
	stall(fds[1]);
	kq_fence(kq);
	take_everything(fds[1], fds[0]);
	assert_empty(kq_next(kq), fds[1], 0);
	/* Registered while stalled. */
	stall(fds[1]);
	ASSERT_OK(kq_del(kq, fds[1], EVFILT_EMPTY));
	ASSERT_OK(add(kq, fds[1], 0));
	kq_fence(kq);
	take_everything(fds[1], fds[0]);
	assert_empty(kq_next(kq), fds[1], 0);
}

KQ_TEST_EACH(unread_by_local_peer, "KQ-152", "unix: idle until the peer has read everything", local_pairs)
{
	int kq = kq_new(), fds[2];
	char bytes[4];

	variant->open(fds);
	ASSERT_OK(add(kq, fds[1], 0));
	assert_empty(kq_one(kq), fds[1], 0);
	kq_write(fds[1], "ab", 2);
	kq_write(fds[1], "c", 1);
	kq_fence(kq);
	ASSERT_EQ(read(fds[0], bytes, 2), 2);
	kq_fence(kq);
	ASSERT_EQ(read(fds[0], bytes, 2), 1);
	assert_empty(kq_one(kq), fds[1], 0);
	/* The peer has nothing to send either. */
	ASSERT_OK(add(kq, fds[0], 0));
	ASSERT_EQ(kq_poll(kq, (struct kevent[4]){ 0 }, 4), 2);
}

KQ_TEST_EACH(peer_is_gone, "KQ-152", "unix: what a closed peer had not read is not left to send", local_pairs)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	kq_write(fds[1], "abc", 3);
	ASSERT_OK(add(kq, fds[1], 0));
	kq_fence(kq);
	close(fds[0]);
	assert_empty(kq_next(kq), fds[1], 0);
}

KQ_TEST(tcp_reset, "KQ-152", "TCP: a reset leaves nothing to send")
{
	struct linger hard = { 1, 0 };
	int kq = kq_new(), fds[2];

	small_tcp_pair(fds);
	stall(fds[1]);
	ASSERT_OK(add(kq, fds[1], 0));
	kq_fence(kq);
	ASSERT_SYS(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)));
	close(fds[0]);
	assert_empty(kq_next(kq), fds[1], 0);
}

/* EV_CLEAR: once for each time it became empty. */

KQ_TEST(tcp_clear, "KQ-152 KQ-062", "TCP: EV_CLEAR reports once per drain")
{
	int kq = kq_new(), fds[2];

	small_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[1], EV_CLEAR));
	assert_empty(kq_one(kq), fds[1], EV_CLEAR);
	kq_fence(kq);
	for (int i = 0; i < 3; i++) {
		kq_write(fds[1], "abc", 3);
		assert_empty(kq_next(kq), fds[1], EV_CLEAR);
		await_sent(fds[1]);
		kq_fence(kq);
	}
	/* Many writes, one drain. */
	stall(fds[1]);
	take_everything(fds[1], fds[0]);
	assert_empty(kq_next(kq), fds[1], EV_CLEAR);
	kq_fence(kq);
	/* Incoming data is no drain. */
	kq_write(fds[0], "abc", 3);
	fd_await_bytes(fds[1], 3);
	kq_fence(kq);
}

KQ_TEST_EACH(local_clear, "KQ-152 KQ-062", "unix: EV_CLEAR reports once per drain", local_pairs)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add(kq, fds[1], EV_CLEAR));
	assert_empty(kq_one(kq), fds[1], EV_CLEAR);
	kq_fence(kq);
	for (int i = 0; i < 3; i++) {
		kq_write(fds[1], "abc", 3);
		kq_fence(kq);
		ASSERT_EQ(kq_drain(fds[0]), 3);
		assert_empty(kq_one(kq), fds[1], EV_CLEAR);
		kq_fence(kq);
	}
	/* Filled and drained between two looks. */
	kq_write(fds[1], "abc", 3);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	assert_empty(kq_one(kq), fds[1], EV_CLEAR);
	/* Incoming data is no drain. */
	kq_write(fds[0], "abc", 3);
	kq_fence(kq);
	/* A repeated EV_ADD reports what still holds. */
	ASSERT_OK(add(kq, fds[1], EV_CLEAR));
	assert_empty(kq_one(kq), fds[1], EV_CLEAR);
	kq_fence(kq);
}

/* Waiters. */

KQ_TEST(tcp_waiter, "KQ-152", "TCP: a sleeping thread is woken by the acknowledgment of the last byte")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int fds[2];

	small_tcp_pair(fds);
	stall(fds[1]);
	ASSERT_OK(add(waiter.kq, fds[1], EV_CLEAR));
	kq_start_sleeper(&waiter);
	take_everything(fds[1], fds[0]);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	assert_empty(waiter.event, fds[1], EV_CLEAR);
}

/* No poll and no refused send asks the connection for its wake-ups here. */
KQ_TEST(tcp_many_waits, "KQ-152", "TCP: no wake-up for the last byte is lost")
{
	long long start = kq_now();
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[1], EV_CLEAR));
	assert_empty(kq_one(kq), fds[1], EV_CLEAR);
	for (int i = 0; kq_more(i, 300, start); i++) {
		kq_write(fds[1], "abc", 1 + i % 3);
		if (i % 7 == 0)
			kq_drain(fds[0]);
		assert_empty(kq_next(kq), fds[1], EV_CLEAR);
	}
}

KQ_TEST_EACH(local_waiter, "KQ-152", "unix: a sleeping thread is woken when the peer takes the data", local_pairs)
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int fds[2];

	variant->open(fds);
	kq_write(fds[1], "ab", 2);
	kq_write(fds[1], "c", 1);
	ASSERT_OK(add(waiter.kq, fds[1], 0));
	kq_start_sleeper(&waiter);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	assert_empty(waiter.event, fds[1], 0);
}

/* Sockets without a peer, and other objects. */

KQ_TEST(listener, "KQ-152", "a listening socket is always active")
{
	struct sockaddr_in address;
	int kq = kq_new(), fd = kq_tcp_listen(&address);

	ASSERT_OK(add(kq, fd, 0));
	assert_empty(kq_one(kq), fd, 0);
	kq_tcp_connect(&address);
	assert_empty(kq_one(kq), fd, 0);
}

KQ_TEST(without_peer, "KQ-152", "a socket that was never connected has nothing to send")
{
	static const int families[] = { AF_INET, AF_INET6, AF_UNIX };
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };

	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(types); j++) {
			int kq = kq_new(), fd = socket(families[i], types[j], 0);

			/* Not every kernel has IPv6. */
			if (fd < 0 && errno == EAFNOSUPPORT)
				continue;
			ASSERT_SYS(fd);
			ASSERT_OK(add(kq, fd, 0));
			assert_empty(kq_one(kq), fd, 0);
		}
	}
}

KQ_TEST(no_socket, "KQ-152", "what is no socket fails EINVAL")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_ERR(add(kq, fds[0], 0), EINVAL);
	ASSERT_ERR(add(kq, fds[1], 0), EINVAL);
	ASSERT_ERR(add(kq, memfd_create("kq", 0), 0), EINVAL);
	ASSERT_ERR(add(kq, open("/tmp", O_RDONLY | O_DIRECTORY), 0), EINVAL);
	ASSERT_ERR(add(kq, open("/dev/null", O_RDWR), 0), EINVAL);
	ASSERT_ERR(add(kq, posix_openpt(O_RDWR | O_NOCTTY), 0), EINVAL);
	ASSERT_ERR(add(kq, kq_new(), 0), EINVAL);
	ASSERT_ERR(add(kq, kq, 0), EINVAL);
	kq_none(kq);
}

KQ_TEST_EACH(close_removes, "KQ-152 KQ-082", "the close of the number removes the knote", fd_ways)
{
	int kq = kq_new(), fds[2];

	fd_unix_stream_at(fds, FD_HIGH);
	kq_write(fds[0], "x", 1);
	ASSERT_OK(add(kq, FD_HIGH, 0));
	kq_fence(kq);
	variant->close(FD_HIGH);
	ASSERT_EQ(kq_drain(fds[1]), 1);
	kq_fence(kq);
	ASSERT_ERR(kq_del(kq, FD_HIGH, EVFILT_EMPTY), fd_is_open(FD_HIGH) ? ENOENT : EBADF);
	fd_assert_no_missed(kq);
}
