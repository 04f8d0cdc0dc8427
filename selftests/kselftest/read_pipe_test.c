// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ on pipes and FIFOs: bytes, the end when the last writer
 * goes, and the FIFO whose writers come back.
 */
#include "kq_test.h"
#include "kq_fd.h"

static int add_read(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, 0, 0, (void *)1);
}

static void assert_read(int kq, int fd, unsigned int flags, intptr_t data)
{
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_READ, EV_ADD | flags, 0, data,
		     (void *)1);
}

KQ_TEST(exact_bytes, "KQ-126",
	"idle when empty; data is exactly what two writes left")
{
	int kq = kq_new(), fds[2];
	char byte[4];

	kq_pipe(fds);
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_fence(kq);
	kq_write(fds[1], "0123456789", 10);
	assert_read(kq, fds[0], 0, 10);
	kq_write(fds[1], "012", 3);
	assert_read(kq, fds[0], 0, 13);
	ASSERT_EQ(read(fds[0], byte, 4), 4);
	assert_read(kq, fds[0], 0, 9);
	ASSERT_EQ(kq_drain(fds[0]), 9);
	kq_fence(kq);
}

KQ_TEST(many_buffers, "KQ-126",
	"data counts the bytes of every buffer of a full pipe")
{
	static const char page[4096];
	int kq = kq_new(), fds[2];
	intptr_t total = 0;
	ssize_t count;

	kq_pipe(fds);
	while ((count = write(fds[1], page, sizeof(page))) > 0)
		total += count;
	ASSERT_GT(total, 4096);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	assert_read(kq, fds[0], EV_CLEAR, total);
}

KQ_TEST(packets, "KQ-126",
	"a pipe in packet mode counts the bytes of all packets")
{
	int kq = kq_new(), fds[2];

	ASSERT_SYS(pipe2(fds, O_DIRECT | O_NONBLOCK));
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_write(fds[1], "abc", 3);
	kq_write(fds[1], "de", 2);
	assert_read(kq, fds[0], 0, 5);
}

KQ_TEST(clear_fires_for_each_write, "KQ-062 KQ-126",
	"EV_CLEAR reports again when more arrives while some is unread")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	for (int count = 1; count <= 3; count++) {
		kq_write(fds[1], "ab", 2);
		assert_read(kq, fds[0], EV_CLEAR, count * 2);
		kq_fence(kq);
	}
}

KQ_TEST(low_water_mark, "KQ-108 KQ-126",
	"NOTE_LOWAT holds the event back until that many bytes are there")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 6, (void *)1));
	kq_write(fds[1], "01234", 5);
	kq_fence(kq);
	kq_write(fds[1], "5", 1);
	assert_read(kq, fds[0], 0, 6);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 7, (void *)1));
	kq_fence(kq);
	/* The end is reported whatever the mark says. */
	close(fds[1]);
	assert_read(kq, fds[0], EV_EOF, 6);
}

KQ_TEST(last_writer_closes, "KQ-127",
	"EV_EOF when the last writer closed, with the bytes left, repeatedly")
{
	int kq = kq_new(), fds[2], second;

	kq_pipe(fds);
	second = ASSERT_SYS(dup(fds[1]));
	ASSERT_OK(add_read(kq, fds[0], 0));
	kq_write(fds[1], "abc", 3);
	close(fds[1]);
	assert_read(kq, fds[0], 0, 3);
	close(second);
	assert_read(kq, fds[0], EV_EOF, 3);
	assert_read(kq, fds[0], EV_EOF, 3);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	assert_read(kq, fds[0], EV_EOF, 0);
	assert_read(kq, fds[0], EV_EOF, 0);
}

KQ_TEST(end_before_add, "KQ-127",
	"EV_ADD on a pipe without writers succeeds and gives EV_EOF at once")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	close(fds[1]);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	assert_read(kq, fds[0], EV_CLEAR | EV_EOF, 0);
	kq_fence(kq);
}

KQ_TEST(end_once_with_clear, "KQ-127 KQ-111",
	"EV_CLEAR with the end of a pipe: one event, then none")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_CLEAR));
	kq_fence(kq);
	close(fds[1]);
	assert_read(kq, fds[0], EV_CLEAR | EV_EOF, 0);
	kq_fence(kq);
}

KQ_TEST(two_ends_in_one_call, "KQ-128",
	"two pipes at their end are both in one call")
{
	int kq = kq_new(), one[2], two[2];
	struct kevent events[4];

	kq_pipe(one);
	kq_pipe(two);
	ASSERT_OK(add_read(kq, one[0], 0));
	ASSERT_OK(add_read(kq, two[0], 0));
	close(one[1]);
	close(two[1]);
	for (int round = 0; round < 2; round++) {
		ASSERT_EQ(kq_poll(kq, events, 4), 2);
		ASSERT_EVENT(events[0], one[0], EVFILT_READ, EV_ADD | EV_EOF, 0,
			     0, (void *)1);
		ASSERT_EVENT(events[1], two[0], EVFILT_READ, EV_ADD | EV_EOF, 0,
			     0, (void *)1);
	}
}

KQ_TEST(write_end, "KQ-127",
	"READ on a write end is silent until the last reader is gone")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_read(kq, fds[1], 0));
	kq_fence(kq);
	kq_write(fds[1], "abc", 3);
	kq_fence(kq);
	close(fds[0]);
	assert_read(kq, fds[1], EV_EOF, 0);
	assert_read(kq, fds[1], EV_EOF, 0);
}

KQ_TEST(taken_before_the_scan, "KQ-061 KQ-065",
	"bytes read before the scan are no event; EV_ONESHOT stays registered")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_read(kq, fds[0], EV_ONESHOT));
	kq_write(fds[1], "abc", 3);
	ASSERT_EQ(kq_drain(fds[0]), 3);
	kq_fence(kq);
	kq_write(fds[1], "de", 2);
	assert_read(kq, fds[0], EV_ONESHOT, 2);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
}

/* FIFOs */

static char fifo_path[] = "/tmp/kq-fifo-XXXXXX";

static void make_fifo(void)
{
	int fd = ASSERT_SYS(mkstemp(fifo_path));

	close(fd);
	unlink(fifo_path);
	ASSERT_SYS(mkfifo(fifo_path, 0600));
}

static int open_fifo(int flags)
{
	return ASSERT_SYS(open(fifo_path, flags | O_NONBLOCK));
}

KQ_TEST(fifo_writers_come_and_go, "KQ-129",
	"a FIFO never written to is silent; EV_EOF goes when a writer comes")
{
	int kq = kq_new(), reader, writer;

	make_fifo();
	reader = open_fifo(O_RDONLY);
	ASSERT_OK(add_read(kq, reader, 0));
	kq_fence(kq);
	writer = open_fifo(O_WRONLY);
	kq_fence(kq);
	close(writer);
	assert_read(kq, reader, EV_EOF, 0);
	assert_read(kq, reader, EV_EOF, 0);
	writer = open_fifo(O_WRONLY);
	kq_fence(kq);
	kq_write(writer, "ab", 2);
	assert_read(kq, reader, 0, 2);
	close(writer);
	assert_read(kq, reader, EV_EOF, 2);
	ASSERT_EQ(kq_drain(reader), 2);
	assert_read(kq, reader, EV_EOF, 0);
	unlink(fifo_path);
}

KQ_TEST(fifo_with_clear, "KQ-129 KQ-062",
	"EV_CLEAR on a FIFO reports each end and each write once")
{
	int kq = kq_new(), reader, writer;

	make_fifo();
	reader = open_fifo(O_RDONLY);
	ASSERT_OK(add_read(kq, reader, EV_CLEAR));
	for (int round = 0; round < 2; round++) {
		writer = open_fifo(O_WRONLY);
		kq_fence(kq);
		kq_write(writer, "ab", 2);
		assert_read(kq, reader, EV_CLEAR, 2);
		ASSERT_EQ(kq_drain(reader), 2);
		kq_fence(kq);
		close(writer);
		assert_read(kq, reader, EV_CLEAR | EV_EOF, 0);
		kq_fence(kq);
	}
	unlink(fifo_path);
}

KQ_TEST(fifo_end_belongs_to_the_open, "KQ-129",
	"a reader that came after the last writer left sees no end")
{
	int kq = kq_new(), old, new;

	make_fifo();
	old = open_fifo(O_RDONLY);
	close(open_fifo(O_WRONLY));
	new = open_fifo(O_RDONLY);
	ASSERT_OK(add_read(kq, new, 0));
	kq_fence(kq);
	ASSERT_OK(add_read(kq, old, 0));
	assert_read(kq, old, EV_EOF, 0);
	ASSERT_OK(kq_del(kq, old, EVFILT_READ));
	close(open_fifo(O_WRONLY));
	assert_read(kq, new, EV_EOF, 0);
	unlink(fifo_path);
}

KQ_TEST(fifo_opened_for_both, "KQ-129 KQ-126",
	"a FIFO opened for both is its own writer: no end, bytes are counted")
{
	int kq = kq_new(), fd;

	make_fifo();
	fd = open_fifo(O_RDWR);
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	close(open_fifo(O_WRONLY));
	kq_fence(kq);
	kq_write(fd, "abc", 3);
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(kq_drain(fd), 3);
	kq_fence(kq);
	unlink(fifo_path);
}
