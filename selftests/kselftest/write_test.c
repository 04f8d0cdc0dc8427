// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_WRITE on everything but sockets: pipes, FIFOs, regular files
 * and terminals.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <limits.h>

static int add_write(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_WRITE, flags, 0, 0, (void *)2);
}

static void assert_write(int kq, int fd, unsigned int flags, intptr_t data)
{
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_WRITE, EV_ADD | flags, 0, data,
		     (void *)2);
}

/* Writes whole pages until nothing more fits. */
static void fill(int fd)
{
	static const char page[4096];

	while (write(fd, page, sizeof(page)) > 0)
		;
	ASSERT_EQ(errno, EAGAIN);
}

static void read_page(int fd)
{
	char page[4096];

	ASSERT_EQ(read(fd, page, sizeof(page)), sizeof(page));
}

KQ_TEST(pipe_room, "KQ-148",
	"pipe: data is the free room, all of it when empty, less when not")
{
	int kq = kq_new(), fds[2], size;

	kq_pipe(fds);
	size = ASSERT_SYS(fcntl(fds[1], F_GETPIPE_SZ));
	ASSERT_OK(add_write(kq, fds[1], 0));
	assert_write(kq, fds[1], 0, size);
	kq_write(fds[1], "x", 1);
	/* The rest of a started buffer may count as free or as used up. */
	ASSERT_LT(kq_one(kq).data, size);
	ASSERT_GE(kq_one(kq).data, size - 4096);
	ASSERT_EQ(kq_drain(fds[0]), 1);
	assert_write(kq, fds[1], 0, size);
}

KQ_TEST(full_pipe, "KQ-148",
	"a full pipe is idle, a read makes it active with at least PIPE_BUF")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_write(kq, fds[1], 0));
	fill(fds[1]);
	kq_fence(kq);
	read_page(fds[0]);
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
	fill(fds[1]);
	kq_fence(kq);
	kq_drain(fds[0]);
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
}

KQ_TEST(full_pipe_when_added, "KQ-148",
	"WRITE added to a full pipe is idle until there is room")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	fill(fds[1]);
	ASSERT_OK(add_write(kq, fds[1], EV_ONESHOT));
	kq_fence(kq);
	kq_drain(fds[0]);
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
	ASSERT_ERR(kq_del(kq, fds[1], EVFILT_WRITE), ENOENT);
}

KQ_TEST(pipe_with_clear, "KQ-148 KQ-062",
	"EV_CLEAR: once at registration, again after the pipe was full")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
	kq_fence(kq);
	fill(fds[1]);
	kq_fence(kq);
	kq_drain(fds[0]);
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
	kq_fence(kq);
	/* A modify looks anew. */
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
}

KQ_TEST(pipe_low_water_mark, "KQ-141 KQ-148",
	"a mark above the size of the pipe is never reached, 1 is at once")
{
	int kq = kq_new(), fds[2], size;

	kq_pipe(fds);
	size = ASSERT_SYS(fcntl(fds[1], F_GETPIPE_SZ));
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, size + 1,
			 (void *)2));
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, size,
			 (void *)2));
	assert_write(kq, fds[1], 0, size);
	for (intptr_t mark = 1; mark >= -1; mark--) {
		ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, mark,
				 (void *)2));
		assert_write(kq, fds[1], 0, size);
	}
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, NOTE_LOWAT, size,
			 (void *)2));
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	kq_drain(fds[0]);
	assert_write(kq, fds[1], 0, size);
}

KQ_TEST(reader_closes, "KQ-149", "the last reader closed: EV_EOF, repeatedly")
{
	int kq = kq_new(), fds[2], second;

	kq_pipe(fds);
	second = ASSERT_SYS(dup(fds[0]));
	fill(fds[1]);
	ASSERT_OK(add_write(kq, fds[1], 0));
	kq_fence(kq);
	close(fds[0]);
	kq_fence(kq);
	close(second);
	ASSERT_TRUE(kq_one(kq).flags & EV_EOF);
	ASSERT_TRUE(kq_one(kq).flags & EV_EOF);
	ASSERT_EQ(kq_one(kq).fflags, 0);
}

KQ_TEST(added_without_reader, "KQ-149",
	"WRITE on a pipe without reader is accepted and gives EV_EOF")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	close(fds[0]);
	ASSERT_OK(add_write(kq, fds[1], EV_CLEAR));
	ASSERT_TRUE(kq_one(kq).flags & EV_EOF);
	kq_fence(kq);
}

KQ_TEST(read_end, "KQ-149",
	"WRITE on a read end is silent until the last writer is gone")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(add_write(kq, fds[0], 0));
	kq_fence(kq);
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	close(fds[1]);
	assert_write(kq, fds[0], EV_EOF, 0);
	assert_write(kq, fds[0], EV_EOF, 0);
}

KQ_TEST(fifo, "KQ-148 KQ-149",
	"FIFO: active with room, EV_EOF without reader, which a new one ends")
{
	char path[] = "/tmp/kq-fifo-XXXXXX";
	int kq = kq_new(), reader, writer;

	close(ASSERT_SYS(mkstemp(path)));
	unlink(path);
	ASSERT_SYS(mkfifo(path, 0600));
	reader = ASSERT_SYS(open(path, O_RDONLY | O_NONBLOCK));
	writer = ASSERT_SYS(open(path, O_WRONLY | O_NONBLOCK));
	ASSERT_OK(add_write(kq, writer, 0));
	ASSERT_GE(kq_one(kq).data, PIPE_BUF);
	fill(writer);
	kq_fence(kq);
	close(reader);
	ASSERT_TRUE(kq_one(kq).flags & EV_EOF);
	reader = ASSERT_SYS(open(path, O_RDONLY | O_NONBLOCK));
	kq_fence(kq);
	kq_drain(reader);
	ASSERT_EQ(kq_one(kq).flags, EV_ADD);
	unlink(path);
}

static const struct {
	const char *name;
	unsigned int fflags;
} file_notes[] = {
	{ "plain", 0 },
	{ "low_water_mark", NOTE_LOWAT },
};

KQ_TEST_EACH(regular_file, "KQ-150",
	     "a regular file is always active with data 0", file_notes)
{
	char path[] = "/tmp/kq-file-XXXXXX";
	int kq = kq_new(), fd = ASSERT_SYS(mkstemp(path));

	ASSERT_OK(kq_add(kq, fd, EVFILT_WRITE, 0, variant->fflags, 1000,
			 (void *)2));
	assert_write(kq, fd, 0, 0);
	kq_write(fd, "abc", 3);
	assert_write(kq, fd, 0, 0);
	unlink(path);
}

KQ_TEST(memory_file, "KQ-150", "a memory file is always active with data 0")
{
	int kq = kq_new(), fd = ASSERT_SYS(memfd_create("kq", 0));

	ASSERT_OK(add_write(kq, fd, EV_ONESHOT));
	assert_write(kq, fd, EV_ONESHOT, 0);
	kq_fence(kq);
}

KQ_TEST(directory, "KQ-150", "WRITE on a directory fails EINVAL")
{
	int kq = kq_new(), fd;

	fd = ASSERT_SYS(open("/tmp", O_RDONLY | O_DIRECTORY));
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_WRITE), ENOENT);
}

KQ_TEST(terminal, "KQ-134 KQ-148",
	"pty slave: active, idle when its output is full, EV_EOF at hang-up")
{
	int kq = kq_new(), master, slave;
	struct kevent event;

	master = ASSERT_SYS(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	ASSERT_SYS(grantpt(master));
	ASSERT_SYS(unlockpt(master));
	slave = ASSERT_SYS(open(ptsname(master),
				O_RDWR | O_NOCTTY | O_NONBLOCK));
	ASSERT_OK(add_write(kq, slave, 0));
	event = kq_one(kq);
	ASSERT_EVENT(event, slave, EVFILT_WRITE, EV_ADD, 0, event.data,
		     (void *)2);
	ASSERT_GE(event.data, 1);
	/* Output moves on in the background: full is when it stays full. */
	do {
		fill(slave);
	} while (poll(&(struct pollfd){ .fd = slave, .events = POLLOUT }, 1, 0));
	while (kq_drain(master))
		sched_yield();
	ASSERT_GE(kq_next(kq).data, 1);
	close(master);
	do {
		event = kq_next(kq);
	} while (!(event.flags & EV_EOF));
	ASSERT_TRUE(kq_next(kq).flags & EV_EOF);
}
