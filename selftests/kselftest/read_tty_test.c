// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ on terminals: both sides of a pty, lines, raw bytes and
 * hang-up.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <termios.h>

struct pty {
	int master, slave;
};

static int open_master(void)
{
	int fd = ASSERT_SYS(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));

	ASSERT_SYS(grantpt(fd));
	ASSERT_SYS(unlockpt(fd));
	return fd;
}

static int open_slave(int master)
{
	return ASSERT_SYS(open(ptsname(master),
			       O_RDWR | O_NOCTTY | O_NONBLOCK));
}

static struct pty open_pty(void)
{
	struct pty pty;

	pty.master = open_master();
	pty.slave = open_slave(pty.master);
	return pty;
}

static void make_raw(int fd)
{
	struct termios mode;

	ASSERT_SYS(tcgetattr(fd, &mode));
	cfmakeraw(&mode);
	ASSERT_SYS(tcsetattr(fd, TCSANOW, &mode));
}

static int add_read(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, 0, 0, (void *)1);
}

/* Input passes through a work queue: its bytes come when they come. */
static void await_data(int kq, int fd, intptr_t data)
{
	struct kevent event;

	do {
		event = kq_next(kq);
		ASSERT_EVENT(event, fd, EVFILT_READ, EV_ADD, 0, event.data,
			     (void *)1);
	} while (event.data < data);
	ASSERT_EQ(event.data, data);
}

KQ_TEST(complete_line, "KQ-134",
	"slave: idle until the line is complete, data counts its bytes")
{
	struct pty pty = open_pty();
	int kq = kq_new();
	char line[16];

	ASSERT_OK(add_read(kq, pty.slave, 0));
	kq_write(pty.master, "abc", 3);
	/* The echo proves that the terminal has taken the bytes. */
	fd_await_bytes(pty.master, 3);
	kq_fence(kq);
	kq_write(pty.master, "de\n", 3);
	await_data(kq, pty.slave, 6);
	ASSERT_EQ(read(pty.slave, line, sizeof(line)), 6);
	kq_fence(kq);
}

KQ_TEST(line_and_a_half, "KQ-134",
	"data does not count the beginning of an incomplete line")
{
	struct pty pty = open_pty();
	int kq = kq_new();

	ASSERT_OK(add_read(kq, pty.slave, 0));
	kq_write(pty.master, "ab\ncd", 5);
	/* The new line is echoed as two characters. */
	fd_await_bytes(pty.master, 6);
	await_data(kq, pty.slave, 3);
}

KQ_TEST(raw_bytes, "KQ-134", "slave in raw mode: data counts every byte")
{
	struct pty pty = open_pty();
	int kq = kq_new();

	make_raw(pty.slave);
	ASSERT_OK(add_read(kq, pty.slave, 0));
	kq_fence(kq);
	kq_write(pty.master, "ab", 2);
	await_data(kq, pty.slave, 2);
	kq_write(pty.master, "cde", 3);
	await_data(kq, pty.slave, 5);
	ASSERT_EQ(kq_drain(pty.slave), 5);
	kq_fence(kq);
}

KQ_TEST(clear_fires_for_each_line, "KQ-134 KQ-062",
	"EV_CLEAR reports each line once")
{
	struct pty pty = open_pty();
	int kq = kq_new();

	ASSERT_OK(add_read(kq, pty.slave, EV_CLEAR));
	for (int count = 1; count <= 2; count++) {
		kq_write(pty.master, "ab\n", 3);
		/* Everything is in place before the first look. */
		fd_await_bytes(pty.master, count * 4);
		fd_await_bytes(pty.slave, count * 3);
		ASSERT_EVENT(kq_next(kq), pty.slave, EVFILT_READ,
			     EV_ADD | EV_CLEAR, 0, count * 3, (void *)1);
	}
}

KQ_TEST(master_closes, "KQ-134", "hang-up gives EV_EOF on the slave")
{
	struct pty pty = open_pty();
	int kq = kq_new();

	ASSERT_OK(add_read(kq, pty.slave, 0));
	kq_fence(kq);
	close(pty.master);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_next(kq), pty.slave, EVFILT_READ,
			     EV_ADD | EV_EOF, 0, 0, (void *)1);
}

KQ_TEST(master_reads_output, "KQ-134",
	"master: active with the bytes that the slave wrote")
{
	struct pty pty = open_pty();
	int kq = kq_new();

	ASSERT_OK(add_read(kq, pty.master, 0));
	kq_fence(kq);
	kq_write(pty.slave, "xyz", 3);
	await_data(kq, pty.master, 3);
	ASSERT_EQ(kq_drain(pty.master), 3);
	kq_fence(kq);
}

KQ_TEST(slave_closes, "KQ-134",
	"master: silent before the first open, EV_EOF after the last close")
{
	int kq = kq_new(), master = open_master(), first, second;

	ASSERT_OK(add_read(kq, master, 0));
	kq_fence(kq);
	first = open_slave(master);
	second = open_slave(master);
	close(first);
	kq_fence(kq);
	close(second);
	for (int i = 0; i < 2; i++)
		ASSERT_EVENT(kq_next(kq), master, EVFILT_READ, EV_ADD | EV_EOF,
			     0, 0, (void *)1);
}
