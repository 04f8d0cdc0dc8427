// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the notes of using a file without changing it: NOTE_OPEN, NOTE_READ,
 * NOTE_CLOSE and NOTE_CLOSE_WRITE, recorded for those who asked for them.
 */
#include "kq_test.h"
#include "kq_vnode.h"

#include <sys/sendfile.h>
#include <sys/uio.h>

#define EVERYTHING	(VNODE_CHANGES | VNODE_USES)

static int other;	/* a descriptor of the watched object that is not watched */
static char bytes[1000];

static void open_f(void)
{
	other = ASSERT_SYS(open("f", O_RDONLY));
}

static void open_f_to_write(void)
{
	other = ASSERT_SYS(open("f", O_WRONLY));
}

static void open_f_for_both(void)
{
	other = ASSERT_SYS(open("f", O_RDWR));
}

static void open_f_by_path(void)
{
	other = ASSERT_SYS(open("f", O_PATH));
	ASSERT_SYS(close(other));
}

static void open_d(void)
{
	other = ASSERT_SYS(open("d", O_RDONLY | O_DIRECTORY));
}

static void close_other(void)
{
	ASSERT_SYS(close(other));
}

KQ_TEST_EACH(opened, "KQ-170",
	     "open: OPEN, for reading or writing, of a file or a directory", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW_USES("f", NULL, open_f, NOTE_OPEN);
	VNODE_ROW_USES("f", NULL, open_f_to_write, NOTE_OPEN);
	VNODE_ROW_USES("f", NULL, open_f_for_both, NOTE_OPEN);
	VNODE_ROW_USES("d", NULL, open_d, NOTE_OPEN);
	/* O_PATH opens nothing. */
	VNODE_ROW_USES("f", NULL, open_f_by_path, 0);
}

KQ_TEST_EACH(closed, "KQ-170",
	     "close: CLOSE, or CLOSE_WRITE if the descriptor could write", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW_USES("f", open_f, close_other, NOTE_CLOSE);
	VNODE_ROW_USES("d", open_d, close_other, NOTE_CLOSE);
	VNODE_ROW_USES("f", open_f_to_write, close_other, NOTE_CLOSE_WRITE);
	VNODE_ROW_USES("f", open_f_for_both, close_other, NOTE_CLOSE_WRITE);
}

static void read_other(void)
{
	ASSERT_EQ(read(other, bytes, 4), 4);
}

static void pread_other(void)
{
	ASSERT_EQ(pread(other, bytes, 4, 2), 4);
}

static void readv_other(void)
{
	struct iovec part = { bytes, 4 };

	ASSERT_EQ(readv(other, &part, 1), 4);
}

static void preadv_other(void)
{
	struct iovec part = { bytes, 4 };

	ASSERT_EQ(preadv(other, &part, 1, 2), 4);
}

static void sendfile_other(void)
{
	int fds[2];

	kq_pipe(fds);
	ASSERT_EQ(sendfile(fds[1], other, NULL, 4), 4);
	close(fds[0]);
	close(fds[1]);
}

static void copy_other(void)
{
	int to = ASSERT_SYS(open("g", O_WRONLY));

	ASSERT_EQ(copy_file_range(other, NULL, to, NULL, 4, 0), 4);
	ASSERT_SYS(close(to));
}

static void list_other(void)
{
	ASSERT_GT(ASSERT_SYS(syscall(SYS_getdents64, other, bytes, sizeof(bytes))), 0);
}

KQ_TEST_EACH(reading, "KQ-170",
	     "read and its kind, sendfile, copy_file_range and readdir: READ", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW_USES("f", open_f, read_other, NOTE_READ);
	VNODE_ROW_USES("f", open_f, pread_other, NOTE_READ);
	VNODE_ROW_USES("f", open_f, readv_other, NOTE_READ);
	VNODE_ROW_USES("f", open_f, preadv_other, NOTE_READ);
	VNODE_ROW_USES("f", open_f, sendfile_other, NOTE_READ);
	VNODE_ROW_USES("f", open_f, copy_other, NOTE_READ);
	VNODE_ROW_USES("d", open_d, list_other, NOTE_READ);
}

static void splice_other(void)
{
	int fds[2];

	kq_pipe(fds);
	ASSERT_EQ(splice(other, NULL, fds[1], NULL, 4, 0), 4);
	close(fds[0]);
	close(fds[1]);
}

KQ_TEST_EACH(spliced_from, "KQ-170", "splice from a file: READ", vnode_all)
{
	vnode_enter(variant);
	if (vnode_kernel_before(6, 4) && !vnode_is_told(EVERYTHING, open_f, splice_other))
		KQ_SKIP("before Linux 6.4 nothing tells of a splice from a file");
	VNODE_ROW_USES("f", open_f, splice_other, NOTE_READ);
}

static void aio_other(void)
{
	ASSERT_EQ(vnode_aio(IOCB_CMD_PREAD, other, bytes, 4, 0), 4);
}

/* It should be READ, but the kernel tells nobody. Fails on the first kernel that does. */
KQ_TEST_EACH(aio, "KQ-170", "a read of io_submit has no event, a limit of Linux", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW_USES("f", open_f, aio_other, 0);
}

static void make_link(void)
{
	ASSERT_SYS(symlink("f", "l"));
}

static void read_link(void)
{
	ASSERT_EQ(ASSERT_SYS(readlink("l", bytes, sizeof(bytes))), 1);
}

/* It should be READ, but the kernel tells nobody. Fails on the first kernel that does. */
KQ_TEST_EACH(link_read, "KQ-170",
	     "readlink reads a symbolic link without an event, a limit of Linux", vnode_all)
{
	vnode_enter(variant);
	VNODE_NAMED_ROW("readlink", "l", O_PATH | O_NOFOLLOW, EVERYTHING, make_link, read_link, 0);
}

static void use_f(void)
{
	open_f_for_both();
	read_other();
	close_other();
	open_f();
	close_other();
}

static void use_d(void)
{
	open_d();
	list_other();
	close_other();
}

KQ_TEST_EACH(not_asked, "KQ-170 KQ-168",
	     "open, read and close are nothing to those who did not ask", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, use_f, 0);
	VNODE_ROW("d", NULL, use_d, 0);
}

KQ_TEST_EACH(together, "KQ-170 KQ-171", "what a program does with a file, in one event", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", EVERYTHING);
	open_f();
	read_other();
	close_other();
	vnode_expect(kq, fd, NOTE_OPEN | NOTE_READ | NOTE_CLOSE);
	open_f_to_write();
	kq_write(other, "x", 1);
	close_other();
	vnode_expect(kq, fd, NOTE_OPEN | NOTE_WRITE | NOTE_CLOSE_WRITE);
	ASSERT_SYS(close(ASSERT_SYS(open("f", O_WRONLY | O_TRUNC))));
	vnode_expect(kq, fd, NOTE_OPEN | NOTE_ATTRIB | NOTE_TRUNCATE | NOTE_CLOSE_WRITE);
}

static void use_entries(void)
{
	vnode_put("d/n", VNODE_BYTES);
	other = ASSERT_SYS(open("d/n", O_RDONLY));
	read_other();
	close_other();
	ASSERT_SYS(close(ASSERT_SYS(open("d/n", O_WRONLY))));
}

KQ_TEST_EACH(entries, "KQ-170 KQ-154",
	     "using the entries of a directory is not using the directory", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "d", EVERYTHING);
	use_entries();
	vnode_expect(kq, fd, NOTE_WRITE);
	ASSERT_OK(vnode_add(kq, fd, 0, EVERYTHING & ~NOTE_WRITE));
	ASSERT_SYS(unlink("d/n"));
	use_entries();
	vnode_expect(kq, fd, 0);
}

KQ_TEST_EACH(last_close, "KQ-170",
	     "a descriptor that was duplicated is closed once, with its last number", vnode_all)
{
	int kq, fd, same;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_USES);
	open_f();
	vnode_expect(kq, fd, NOTE_OPEN);
	same = ASSERT_SYS(dup(other));
	close_other();
	vnode_expect(kq, fd, 0);
	ASSERT_SYS(close(same));
	vnode_expect(kq, fd, NOTE_CLOSE);
}

KQ_TEST_EACH(closed_by_exit, "KQ-170 KQ-176",
	     "the end of a process closes what it had open", vnode_all)
{
	int kq, fd;
	pid_t child;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_USES);
	child = kq_fork();
	if (!child) {
		open_f_to_write();
		_exit(0);
	}
	kq_reap(child);
	vnode_expect(kq, fd, NOTE_OPEN | NOTE_CLOSE_WRITE);
}

KQ_TEST_EACH(watched_descriptor, "KQ-170",
	     "reads through the watched descriptor are told, its close only to others", vnode_all)
{
	int kq, fd, second;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_USES);
	ASSERT_EQ(read(fd, bytes, 4), 4);
	vnode_expect(kq, fd, NOTE_READ);
	second = ASSERT_SYS(open("f", O_RDONLY));
	vnode_expect(kq, fd, NOTE_OPEN);
	ASSERT_OK(vnode_add(kq, second, EV_CLEAR, VNODE_USES));
	ASSERT_SYS(close(fd));
	vnode_expect(kq, second, NOTE_CLOSE);
}

KQ_TEST_EACH(asked_later, "KQ-170 KQ-174",
	     "notes of use can be asked for, and no longer, by a modification", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	use_f();
	vnode_expect(kq, fd, 0);
	ASSERT_OK(vnode_add(kq, fd, 0, NOTE_OPEN | NOTE_ATTRIB));
	open_f();
	vnode_expect(kq, fd, NOTE_OPEN);
	ASSERT_SYS(fchmod(other, 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_OK(vnode_add(kq, fd, 0, NOTE_CLOSE));
	read_other();
	vnode_expect(kq, fd, 0);
	close_other();
	vnode_expect(kq, fd, NOTE_CLOSE);
	ASSERT_OK(vnode_add(kq, fd, 0, VNODE_CHANGES));
	use_f();
	vnode_expect(kq, fd, 0);
}

KQ_TEST_EACH(each_as_it_asked, "KQ-170",
	     "watchers of one file hear of its use if they asked, whoever came first", vnode_all)
{
	int plain = kq_new(), curious = kq_new(), late = kq_new(), fd[3];

	vnode_enter(variant);
	fd[0] = vnode_watch(plain, "f", VNODE_CHANGES);
	fd[1] = vnode_watch(curious, "f", VNODE_USES);
	open_f();
	vnode_expect(curious, fd[1], NOTE_OPEN);
	fd[2] = vnode_watch(late, "f", NOTE_READ);
	vnode_expect(curious, fd[1], NOTE_OPEN);
	read_other();
	vnode_expect(curious, fd[1], NOTE_READ);
	vnode_expect(late, fd[2], NOTE_READ);
	/* One that leaves takes nothing from the others. */
	ASSERT_OK(kq_del(curious, fd[1], EVFILT_VNODE));
	read_other();
	vnode_expect(late, fd[2], NOTE_READ);
	close_other();
	vnode_expect(late, fd[2], 0);
	vnode_expect(curious, fd[1], 0);
	vnode_expect(plain, fd[0], 0);
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(plain, fd[0], NOTE_ATTRIB);
}
