// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the notes of writing into a file, whichever system call writes:
 * NOTE_WRITE, with NOTE_EXTEND when the file grew, and nothing else.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_vnode.h"

#include <sys/sendfile.h>
#include <sys/uio.h>

/* Ways to put count bytes at an offset of a file. They return what the system call returned. */

static ssize_t by_write(int fd, off_t at, size_t count)
{
	ASSERT_EQ(lseek(fd, at, SEEK_SET), at);
	return write(fd, VNODE_BYTES, count);
}

static ssize_t by_pwrite(int fd, off_t at, size_t count)
{
	return pwrite(fd, VNODE_BYTES, count, at);
}

static ssize_t by_writev(int fd, off_t at, size_t count)
{
	struct iovec parts[2] = { { VNODE_BYTES, count / 2 }, { VNODE_BYTES, count - count / 2 } };

	ASSERT_EQ(lseek(fd, at, SEEK_SET), at);
	return writev(fd, parts, 2);
}

static ssize_t by_pwritev(int fd, off_t at, size_t count)
{
	struct iovec part = { VNODE_BYTES, count };

	return pwritev(fd, &part, 1, at);
}

static ssize_t by_pwritev2(int fd, off_t at, size_t count)
{
	struct iovec part = { VNODE_BYTES, count };

	return pwritev2(fd, &part, 1, at, 0);
}

static ssize_t by_sendfile(int fd, off_t at, size_t count)
{
	int from = ASSERT_SYS(open("g", O_RDONLY));
	ssize_t result;

	ASSERT_EQ(lseek(fd, at, SEEK_SET), at);
	result = sendfile(fd, from, NULL, count);
	close(from);
	return result;
}

static ssize_t by_copy_file_range(int fd, off_t at, size_t count)
{
	int from = ASSERT_SYS(open("g", O_RDONLY));
	off64_t to = at;
	ssize_t result = copy_file_range(from, NULL, fd, &to, count, 0);

	close(from);
	return result;
}

static ssize_t by_splice(int fd, off_t at, size_t count)
{
	off64_t to = at;
	ssize_t result;
	int fds[2];

	kq_pipe(fds);
	kq_write(fds[1], VNODE_BYTES, count);
	result = splice(fds[0], NULL, fd, &to, count, 0);
	close(fds[0]);
	close(fds[1]);
	return result;
}

static ssize_t by_io_uring(int fd, off_t at, size_t count)
{
	struct io_uring_sqe *request;
	struct fd_ring ring;
	int result;

	fd_ring_open(&ring);
	request = fd_ring_next(&ring);
	request->opcode = IORING_OP_WRITE;
	request->fd = fd;
	request->addr = (uintptr_t)VNODE_BYTES;
	request->len = count;
	request->off = at;
	fd_ring_submit(&ring, 1);
	result = fd_ring_result(&ring);
	close(ring.fd);
	return result;
}

struct way {
	const char *name;
	ssize_t (*put)(int fd, off_t at, size_t count);
};

static const struct way writes[] = {
	{ "write", by_write },
	{ "pwrite", by_pwrite },
	{ "writev", by_writev },
	{ "pwritev", by_pwritev },
	{ "pwritev2", by_pwritev2 },
};

static const struct way transfers[] = {
	{ "sendfile", by_sendfile },
	{ "copy_file_range", by_copy_file_range },
};

static struct {
	const struct way *way;
	off_t at;
	size_t count;
} put;

static void run_put(void)
{
	int fd = ASSERT_SYS(open("f", O_WRONLY));

	ASSERT_EQ(ASSERT_SYS(put.way->put(fd, put.at, put.count)), put.count);
	ASSERT_SYS(close(fd));
}

static void try_put(const struct way *way, off_t at, size_t count, unsigned int set)
{
	char what[100];

	put.way = way;
	put.at = at;
	put.count = count;
	snprintf(what, sizeof(what), "%s of %zu bytes at %lld", way->name, count, (long long)at);
	VNODE_NAMED_ROW(what, "f", O_RDONLY, VNODE_CHANGES, NULL, run_put, set);
}

/* At the end, across it and beyond it. */
static void try_growing(const struct way *way)
{
	try_put(way, VNODE_SIZE, 4, NOTE_WRITE | NOTE_EXTEND);
	try_put(way, VNODE_SIZE - 1, 4, NOTE_WRITE | NOTE_EXTEND);
	try_put(way, 100000, 1, NOTE_WRITE | NOTE_EXTEND);
}

/* At the start, and up to the last byte. */
static void try_in_place(const struct way *way)
{
	try_put(way, 0, 4, NOTE_WRITE);
	try_put(way, VNODE_SIZE - 4, 4, NOTE_WRITE);
}

KQ_TEST_EACH(growing, "KQ-164 KQ-169",
	     "a write that makes the file longer: WRITE|EXTEND", vnode_all)
{
	vnode_enter(variant);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		try_growing(&writes[i]);
}

KQ_TEST_EACH(in_place, "KQ-165 KQ-169", "a write within the file: WRITE", vnode_all)
{
	vnode_enter(variant);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
		try_in_place(&writes[i]);
}

KQ_TEST_EACH(nothing_written, "KQ-165",
	     "writing no bytes, at whatever offset, posts nothing", vnode_all)
{
	vnode_enter(variant);
	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		try_put(&writes[i], 0, 0, 0);
		try_put(&writes[i], 100, 0, 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(transfers); i++)
		try_put(&transfers[i], 100, 0, 0);
}

KQ_TEST_EACH(copied_into, "KQ-164 KQ-165",
	     "sendfile and copy_file_range into a file are writes", vnode_all)
{
	vnode_enter(variant);
	for (size_t i = 0; i < ARRAY_SIZE(transfers); i++) {
		try_growing(&transfers[i]);
		try_in_place(&transfers[i]);
	}
}

/*
 * Since 6.4 the kernel tells of splice(2). Before, it tells of the write that
 * splice makes, which overlayfs does through a hidden file that tells nobody.
 */
KQ_TEST_EACH(spliced_into, "KQ-164 KQ-165", "splice into a file is a write", vnode_all)
{
	static const struct way way = { "splice", by_splice };

	vnode_enter(variant);
	put.way = &way;
	put.at = 0;
	put.count = 4;
	if (variant->overlay && vnode_kernel_before(6, 4) &&
	    !vnode_is_told(VNODE_CHANGES, NULL, run_put))
		KQ_SKIP("before Linux 6.4 nothing tells of a splice into a file of overlayfs");
	try_growing(&way);
	try_in_place(&way);
}

KQ_TEST_EACH(io_uring, "KQ-164 KQ-165", "a write of io_uring is a write", vnode_all)
{
	static const struct way way = { "io_uring", by_io_uring };

	vnode_enter(variant);
	try_growing(&way);
	try_in_place(&way);
}

static ssize_t by_aio(int fd, off_t at, size_t count)
{
	return vnode_aio(IOCB_CMD_PWRITE, fd, VNODE_BYTES, count, at);
}

/* They should be WRITE, but the kernel tells nobody. Fails on the first kernel that does. */
KQ_TEST_EACH(aio, "KQ-164 KQ-165",
	     "a write of io_submit has no event, a limit of Linux; the next one tells of the growth", vnode_all)
{
	static const struct way way = { "io_submit", by_aio };
	int kq, fd, writer;

	vnode_enter(variant);
	try_put(&way, 0, 4, 0);
	try_put(&way, VNODE_SIZE, 4, 0);
	vnode_next_scene();
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	writer = ASSERT_SYS(open("f", O_WRONLY));
	ASSERT_EQ(by_aio(writer, VNODE_SIZE, 4), 4);
	vnode_expect(kq, fd, 0);
	ASSERT_EQ(lseek(fd, 0, SEEK_END), VNODE_SIZE + 4);
	kq_write(writer, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
}

static void append(void)
{
	int fd = ASSERT_SYS(open("f", O_WRONLY | O_APPEND));

	kq_write(fd, "x", 1);
	ASSERT_SYS(close(fd));
}

KQ_TEST_EACH(appending, "KQ-164", "a write through O_APPEND: WRITE|EXTEND", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, append, NOTE_WRITE | NOTE_EXTEND);
}

KQ_TEST_EACH(watched_descriptor_writes, "KQ-164 KQ-165",
	     "writes through the watched descriptor itself are told", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDWR));
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	kq_write(fd, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE);
	ASSERT_EQ(lseek(fd, 0, SEEK_END), VNODE_SIZE);
	kq_write(fd, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
}

KQ_TEST_EACH(growing_again, "KQ-164 KQ-165",
	     "growth is judged by the size before each write", vnode_all)
{
	int kq, fd, writer;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	writer = ASSERT_SYS(open("f", O_WRONLY));
	ASSERT_EQ(pwrite(writer, "x", 1, 99), 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_EQ(pwrite(writer, "x", 1, 50), 1);
	vnode_expect(kq, fd, NOTE_WRITE);
	ASSERT_SYS(ftruncate(writer, 20));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_TRUNCATE);
	/* Shorter than it once was, longer than it is. */
	ASSERT_EQ(pwrite(writer, "x", 1, 30), 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	/* Changes of size that nobody was told about count as well. */
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
	ASSERT_EQ(pwrite(writer, "x", 1, 199), 1);
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	ASSERT_EQ(pwrite(writer, "x", 1, 150), 1);
	vnode_expect(kq, fd, NOTE_WRITE);
}

KQ_TEST_EACH(mapped_store, "KQ-165", "a store into a mapping posts at most WRITE", vnode_all)
{
	struct kevent events[4];
	int kq, fd, count;
	char *map;

	vnode_enter(variant);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDWR));
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	map = mmap(NULL, VNODE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_TRUE(map != MAP_FAILED);
	map[0] = 'x';
	ASSERT_SYS(msync(map, VNODE_SIZE, MS_SYNC));
	ASSERT_SYS(munmap(map, VNODE_SIZE));
	count = kq_collect(kq, events, ARRAY_SIZE(events));
	ASSERT_LE(count, 1);
	if (count)
		VNODE_EVENT(events[0], fd, NOTE_WRITE);
}

static void read_and_close(void)
{
	int fd = ASSERT_SYS(open("f", O_RDWR));
	char bytes[VNODE_SIZE];

	ASSERT_EQ(read(fd, bytes, sizeof(bytes)), VNODE_SIZE);
	ASSERT_SYS(close(fd));
}

KQ_TEST_EACH(no_write, "KQ-165 KQ-168",
	     "open for writing, read and close without a write post nothing", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, read_and_close, 0);
}
