// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_EXCEPT with NOTE_OOB: the urgent byte of TCP and of
 * unix sockets, packet mode of terminals, files that tell of exceptional
 * conditions.
 */
#include "kq_test.h"
#include "kq_fd.h"

#include <linux/sched.h>
#include <sys/mount.h>

#define MARK	((void *)4)

static int add(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_EXCEPT, flags, NOTE_OOB, 0, MARK);
}

static void assert_except_at(const char *file, int line, struct kevent event, int fd,
			     unsigned int flags, intptr_t data)
{
	struct kevent wanted;

	EV_SET(&wanted, fd, EVFILT_EXCEPT, EV_ADD | flags, NOTE_OOB, data, MARK);
	if (event.ident != wanted.ident || event.filter != wanted.filter ||
	    event.flags != wanted.flags || event.fflags != wanted.fflags ||
	    event.data != wanted.data || event.udata != wanted.udata)
		kq_fail(file, line, "wanted %s, got %s", kq_text(&wanted), kq_text(&event));
}
#define assert_except(event, fd, flags, data)	assert_except_at(__FILE__, __LINE__, event, fd, flags, data)

static void send_urgent(int fd, const char *byte)
{
	ASSERT_EQ(ASSERT_SYS(send(fd, byte, 1, MSG_OOB)), 1);
}

static char take_urgent(int fd)
{
	char byte;

	ASSERT_EQ(ASSERT_SYS(recv(fd, &byte, 1, MSG_OOB)), 1);
	return byte;
}

static void take(int fd, const char *expected)
{
	char bytes[64];
	ssize_t count = ASSERT_SYS(read(fd, bytes, sizeof(bytes)));

	ASSERT_EQ(count, strlen(expected));
	ASSERT_EQ(memcmp(bytes, expected, count), 0);
}

KQ_TEST(urgent_byte, "KQ-153", "TCP: the urgent byte is active with NOTE_OOB, data counts the bytes before it")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[0], 0));
	kq_fence(kq);
	kq_write(fds[1], "abc", 3);
	send_urgent(fds[1], "!");
	kq_write(fds[1], "de", 2);
	kq_await_poll(fds[0], POLLPRI);
	assert_except(kq_one(kq), fds[0], 0, 3);
	assert_except(kq_one(kq), fds[0], 0, 3);
	take(fds[0], "abc");
	assert_except(kq_one(kq), fds[0], 0, 0);
	ASSERT_EQ(take_urgent(fds[0]), '!');
	/* At the mark still: the next read goes beyond it. */
	assert_except(kq_one(kq), fds[0], 0, 0);
	kq_await_poll(fds[0], POLLIN);
	take(fds[0], "de");
	kq_fence(kq);
}

KQ_TEST(urgent_byte_first, "KQ-153", "TCP: with the urgent byte taken, idle before the mark and active at it")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[0], 0));
	kq_write(fds[1], "abc", 3);
	send_urgent(fds[1], "!");
	kq_write(fds[1], "de", 2);
	kq_await_poll(fds[0], POLLPRI);
	ASSERT_EQ(take_urgent(fds[0]), '!');
	kq_fence(kq);
	take(fds[0], "abc");
	/* Reading tells nobody that the mark is reached: ask again. */
	ASSERT_OK(add(kq, fds[0], 0));
	assert_except(kq_one(kq), fds[0], 0, 0);
	kq_await_poll(fds[0], POLLIN);
	take(fds[0], "de");
	kq_fence(kq);
}

KQ_TEST(read_past_the_byte, "KQ-153", "TCP: idle when reading has gone beyond an urgent byte nobody took")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[0], 0));
	send_urgent(fds[1], "!");
	kq_write(fds[1], "abc", 3);
	kq_await_poll(fds[0], POLLPRI);
	assert_except(kq_one(kq), fds[0], 0, 0);
	kq_await_poll(fds[0], POLLIN);
	take(fds[0], "abc");
	kq_fence(kq);
}

KQ_TEST(inline_byte, "KQ-153", "TCP: with SO_OOBINLINE active until the byte is read with the others")
{
	int kq = kq_new(), fds[2], on = 1;
	char byte;

	kq_tcp_pair(fds);
	ASSERT_SYS(setsockopt(fds[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	ASSERT_OK(add(kq, fds[0], 0));
	kq_write(fds[1], "ab", 2);
	send_urgent(fds[1], "!");
	kq_await_poll(fds[0], POLLPRI);
	assert_except(kq_one(kq), fds[0], 0, 2);
	take(fds[0], "ab");
	assert_except(kq_one(kq), fds[0], 0, 0);
	ASSERT_EQ(read(fds[0], &byte, 1), 1);
	ASSERT_EQ(byte, '!');
	kq_fence(kq);
}

KQ_TEST_EACH(ordinary_data, "KQ-153", "ordinary data, the end and room are no exception", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(add(kq, fds[0], 0));
	ASSERT_OK(add(kq, fds[1], 0));
	kq_write(fds[1], "abc", 3);
	fd_await_bytes(fds[0], 3);
	kq_fence(kq);
	ASSERT_OK(kq_del(kq, fds[1], EVFILT_EXCEPT));
	close(fds[1]);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	fd_await_eof(fds[0]);
	kq_fence(kq);
}

KQ_TEST(not_asked, "KQ-153", "without NOTE_OOB nothing is reported, with it at once")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_EXCEPT, 0, 0, 0, MARK));
	send_urgent(fds[1], "!");
	kq_await_poll(fds[0], POLLPRI);
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_EXCEPT, 0, ~NOTE_OOB, 0, MARK));
	kq_fence(kq);
	ASSERT_OK(add(kq, fds[0], 0));
	assert_except(kq_one(kq), fds[0], 0, 0);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_EXCEPT, 0, 0, 0, MARK));
	kq_fence(kq);
}

KQ_TEST(ignored_by_read, "KQ-153", "NOTE_OOB means nothing to EVFILT_READ")
{
	struct kevent event;
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_OOB, 0, MARK));
	kq_write(fds[1], "abc", 3);
	send_urgent(fds[1], "!");
	kq_await_poll(fds[0], POLLPRI);
	event = kq_one(kq);
	/* Whether the urgent byte counts is not the subject. */
	ASSERT_EVENT(event, fds[0], EVFILT_READ, EV_ADD, 0, event.data, MARK);
	ASSERT_GE(event.data, 3);
}

KQ_TEST(clear, "KQ-153 KQ-062", "EV_CLEAR reports each urgent byte once")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[0], EV_CLEAR));
	kq_fence(kq);
	send_urgent(fds[1], "1");
	assert_except(kq_next(kq), fds[0], EV_CLEAR, 0);
	kq_await_poll(fds[0], POLLPRI);
	kq_fence(kq);
	kq_write(fds[1], "abc", 3);
	kq_await_poll(fds[0], POLLIN);
	kq_fence(kq);
	ASSERT_EQ(take_urgent(fds[0]), '1');
	kq_fence(kq);
	send_urgent(fds[1], "2");
	assert_except(kq_next(kq), fds[0], EV_CLEAR, 3);
	kq_await_poll(fds[0], POLLPRI);
	kq_fence(kq);
	/* One that replaces an urgent byte nobody took. */
	send_urgent(fds[1], "3");
	assert_except(kq_next(kq), fds[0], EV_CLEAR, 4);
	kq_fence(kq);
}

KQ_TEST(oneshot, "KQ-153 KQ-064", "an EV_ONESHOT knote is gone after its event")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[0], EV_ONESHOT));
	send_urgent(fds[1], "!");
	assert_except(kq_next(kq), fds[0], EV_ONESHOT, 0);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_EXCEPT), ENOENT);
	kq_fence(kq);
}

KQ_TEST(wakes_waiter, "KQ-153", "an urgent byte wakes a thread in kevent, others do not end its wait")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(waiter.kq, fds[0], 0));
	kq_start_sleeper(&waiter);
	kq_write(fds[1], "abc", 3);
	send_urgent(fds[1], "!");
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	assert_except(waiter.event, fds[0], 0, 3);
}

KQ_TEST(end_of_connection, "KQ-153", "EV_EOF is not reported with urgent data or for itself")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	ASSERT_OK(add(kq, fds[0], 0));
	kq_write(fds[1], "a", 1);
	send_urgent(fds[1], "!");
	close(fds[1]);
	kq_await_poll(fds[0], POLLRDHUP);
	assert_except(kq_one(kq), fds[0], 0, 1);
	take(fds[0], "a");
	fd_await_eof(fds[0]);
	kq_fence(kq);
}

KQ_TEST(without_connection, "KQ-153", "sockets that listen or were never connected are accepted and idle")
{
	struct sockaddr_in address;
	int kq = kq_new(), listener = kq_tcp_listen(&address);

	ASSERT_OK(add(kq, listener, 0));
	ASSERT_OK(add(kq, ASSERT_SYS(socket(AF_INET, SOCK_STREAM, 0)), 0));
	ASSERT_OK(add(kq, ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM, 0)), 0));
	kq_tcp_connect(&address);
	kq_await_poll(listener, POLLIN);
	kq_fence(kq);
}

/* Objects that only poll(2) knows: data is 1. */

KQ_TEST(unix_urgent_byte, "KQ-153", "unix: an urgent byte is active with data 1 until it is taken")
{
	int kq = kq_new(), fds[2];

	kq_unix_stream(fds);
	ASSERT_OK(add(kq, fds[0], EV_CLEAR));
	if (send(fds[1], "!", 1, MSG_OOB) < 0) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		KQ_SKIP("unix sockets of this kernel have no urgent data");
	}
	assert_except(kq_one(kq), fds[0], EV_CLEAR, 1);
	kq_fence(kq);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_EXCEPT));
	ASSERT_OK(add(kq, fds[0], 0));
	assert_except(kq_one(kq), fds[0], 0, 1);
	ASSERT_EQ(take_urgent(fds[0]), '!');
	kq_fence(kq);
}

KQ_TEST(packet_mode, "KQ-153", "pty: a control event of packet mode is active with data 1 and wakes a waiter")
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int master = ASSERT_SYS(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	int slave, on = 1;
	char bytes[8];

	ASSERT_SYS(grantpt(master));
	ASSERT_SYS(unlockpt(master));
	slave = ASSERT_SYS(open(ptsname(master), O_RDWR | O_NOCTTY));
	ASSERT_SYS(ioctl(master, TIOCPKT, &on));
	ASSERT_OK(add(waiter.kq, master, 0));
	kq_fence(waiter.kq);
	/* Output of the slave is ordinary data. */
	kq_write(slave, "abc", 3);
	kq_await_poll(master, POLLIN);
	kq_fence(waiter.kq);
	kq_start_sleeper(&waiter);
	ASSERT_SYS(ioctl(slave, TCXONC, 0 /* TCOOFF */));
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	assert_except(waiter.event, master, 0, 1);
	assert_except(kq_one(waiter.kq), master, 0, 1);
	ASSERT_EQ(ASSERT_SYS(read(master, bytes, sizeof(bytes))), 1);
	ASSERT_TRUE(bytes[0] & TIOCPKT_STOP);
	kq_fence(waiter.kq);
}

KQ_TEST(mount_table, "KQ-153", "proc: a file that tells of changes by POLLPRI is active with data 1 after one")
{
	int kq = kq_new(), fd;

	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("mounting needs root");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	fd = ASSERT_SYS(open("/proc/self/mountinfo", O_RDONLY));
	ASSERT_OK(add(kq, fd, EV_CLEAR));
	kq_fence(kq);
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
	assert_except(kq_one(kq), fd, EV_CLEAR, 1);
	kq_fence(kq);
}

/* The descriptor. */

KQ_TEST(no_exceptions, "KQ-153", "what cannot have an exceptional condition fails EINVAL")
{
	int kq = kq_new();

	ASSERT_ERR(add(kq, memfd_create("kq", 0), 0), EINVAL);
	ASSERT_ERR(add(kq, open("/etc/passwd", O_RDONLY), 0), EINVAL);
	ASSERT_ERR(add(kq, open("/tmp", O_RDONLY | O_DIRECTORY), 0), EINVAL);
	ASSERT_ERR(add(kq, open("/dev/null", O_RDWR), 0), EINVAL);
	ASSERT_ERR(add(kq, kq_new(), 0), EINVAL);
	ASSERT_ERR(add(kq, kq, 0), EINVAL);
	kq_none(kq);
}

KQ_TEST_EACH(close_removes, "KQ-153 KQ-082", "the close of the number removes the knote", fd_ways)
{
	int kq = kq_new(), fds[2], other;

	kq_tcp_pair(fds);
	/* The file lives on: its urgent byte would be an event. */
	other = ASSERT_SYS(dup(fds[0]));
	fd_move(fds[0], FD_HIGH);
	ASSERT_OK(add(kq, FD_HIGH, 0));
	variant->close(FD_HIGH);
	send_urgent(fds[1], "!");
	kq_await_poll(other, POLLPRI);
	kq_fence(kq);
	ASSERT_ERR(kq_del(kq, FD_HIGH, EVFILT_EXCEPT), fd_is_open(FD_HIGH) ? ENOENT : EBADF);
	fd_assert_no_missed(kq);
}
