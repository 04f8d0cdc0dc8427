// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ on files that never block: regular files, memory files and
 * directories, where active means that the offset is not at the end.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <sys/mount.h>

static char path[] = "/tmp/kq-file-XXXXXX";

static int make_file(const char *text)
{
	int fd = ASSERT_SYS(mkstemp(path));

	kq_write(fd, text, strlen(text));
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Appends through a descriptor of its own. */
static void append(const char *text)
{
	int fd = ASSERT_SYS(open(path, O_WRONLY | O_APPEND));

	kq_write(fd, text, strlen(text));
	close(fd);
}

static int add_read(int kq, int fd, unsigned int flags, unsigned int fflags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, fflags, 0, (void *)1);
}

static void assert_read(int kq, int fd, unsigned int flags, intptr_t data)
{
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_READ, EV_ADD | flags, 0, data,
		     (void *)1);
}

KQ_TEST(distance_to_the_end, "KQ-130",
	"data is size minus offset; idle at the end")
{
	int kq = kq_new(), fd = make_file("0123456789");
	char bytes[10];

	ASSERT_OK(add_read(kq, fd, 0, 0));
	assert_read(kq, fd, 0, 10);
	assert_read(kq, fd, 0, 10);
	ASSERT_EQ(read(fd, bytes, 4), 4);
	assert_read(kq, fd, 0, 6);
	ASSERT_EQ(read(fd, bytes, 10), 6);
	kq_fence(kq);
	unlink(path);
}

KQ_TEST(served_by_a_process, "KQ-130 KQ-131",
	"a regular file of FUSE is idle at its end, whatever its poll says")
{
	int kq = kq_new(), fd;

	if (unshare(CLONE_NEWNS))
		KQ_SKIP("needs root to mount file systems");
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	if (mount("host", "/tmp", "virtiofs", 0, NULL))
		KQ_SKIP("needs the files of the host, as tools/vm.sh gives them");
	fd = ASSERT_SYS(open("/tmp/etc/passwd", O_RDONLY));
	ASSERT_SYS(lseek(fd, 0, SEEK_END));
	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	ASSERT_SYS(lseek(fd, -3, SEEK_END));
	assert_read(kq, fd, 0, 3);
}

KQ_TEST(append_reactivates, "KQ-130",
	"a file at its end becomes active by an append through another open")
{
	int kq = kq_new(), fd = make_file("abc");

	ASSERT_EQ(lseek(fd, 0, SEEK_END), 3);
	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	append("de");
	assert_read(kq, fd, 0, 2);
	ASSERT_EQ(kq_drain(fd), 2);
	kq_fence(kq);
	append("f");
	assert_read(kq, fd, 0, 1);
	unlink(path);
}

KQ_TEST(empty_file, "KQ-130", "an empty file is idle until something is written")
{
	int kq = kq_new(), fd = make_file("");

	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	append("abc");
	assert_read(kq, fd, 0, 3);
	unlink(path);
}

KQ_TEST(seek_back, "KQ-131", "lseek back makes an idle file active")
{
	int kq = kq_new(), fd = make_file("0123456789");

	ASSERT_EQ(lseek(fd, 0, SEEK_END), 10);
	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	ASSERT_EQ(lseek(fd, -3, SEEK_CUR), 7);
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(lseek(fd, 0, SEEK_END), 10);
	kq_fence(kq);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	assert_read(kq, fd, 0, 10);
	unlink(path);
}

KQ_TEST(offset_beyond_the_end, "KQ-131",
	"an offset beyond the end is active with negative data")
{
	int kq = kq_new(), fd = make_file("0123456789");

	ASSERT_EQ(lseek(fd, 15, SEEK_SET), 15);
	ASSERT_OK(add_read(kq, fd, 0, 0));
	assert_read(kq, fd, 0, -5);
	unlink(path);
}

KQ_TEST(truncated_below_the_offset, "KQ-131",
	"truncation below the offset makes an idle file active, data negative")
{
	int kq = kq_new(), fd = make_file("0123456789");

	ASSERT_EQ(lseek(fd, 0, SEEK_END), 10);
	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	ASSERT_SYS(truncate(path, 4));
	assert_read(kq, fd, 0, -6);
	ASSERT_SYS(truncate(path, 10));
	kq_fence(kq);
	ASSERT_SYS(truncate(path, 12));
	assert_read(kq, fd, 0, 2);
	unlink(path);
}

KQ_TEST(unlink_changes_nothing, "KQ-132",
	"the knote works on after the file lost its name")
{
	int kq = kq_new(), fd = make_file("abc"), writer;

	writer = ASSERT_SYS(open(path, O_WRONLY | O_APPEND));
	ASSERT_OK(add_read(kq, fd, 0, 0));
	unlink(path);
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(kq_drain(fd), 3);
	kq_fence(kq);
	kq_write(writer, "de", 2);
	assert_read(kq, fd, 0, 2);
}

KQ_TEST(rename_changes_nothing, "KQ-132",
	"the knote works on after the file was renamed")
{
	int kq = kq_new(), fd = make_file("abc");
	char new_path[sizeof(path) + 4];

	ASSERT_OK(add_read(kq, fd, 0, 0));
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	ASSERT_SYS(rename(path, new_path));
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(kq_drain(fd), 3);
	kq_fence(kq);
	ASSERT_SYS(truncate(new_path, 5));
	assert_read(kq, fd, 0, 2);
	unlink(new_path);
}

KQ_TEST(file_poll, "KQ-133",
	"NOTE_FILE_POLL: active at the end of the file with data 0")
{
	int kq = kq_new(), fd = make_file("abc");

	ASSERT_OK(add_read(kq, fd, 0, NOTE_FILE_POLL));
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(kq_drain(fd), 3);
	assert_read(kq, fd, 0, 0);
	assert_read(kq, fd, 0, 0);
	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	unlink(path);
}

KQ_TEST(low_water_mark_is_ignored, "KQ-130",
	"NOTE_LOWAT means nothing to a regular file")
{
	int kq = kq_new(), fd = make_file("abc");

	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, NOTE_LOWAT, 100, (void *)1));
	assert_read(kq, fd, 0, 3);
	unlink(path);
}

KQ_TEST(clear_fires_for_each_change, "KQ-131 KQ-062",
	"EV_CLEAR reports each change of size or offset once")
{
	int kq = kq_new(), fd = make_file("0123456789");
	char bytes[4];

	ASSERT_OK(add_read(kq, fd, EV_CLEAR, 0));
	assert_read(kq, fd, EV_CLEAR, 10);
	kq_fence(kq);
	ASSERT_EQ(read(fd, bytes, 4), 4);
	assert_read(kq, fd, EV_CLEAR, 6);
	kq_fence(kq);
	append("ab");
	assert_read(kq, fd, EV_CLEAR, 8);
	kq_fence(kq);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	assert_read(kq, fd, EV_CLEAR, 12);
	kq_fence(kq);
	ASSERT_EQ(lseek(fd, 0, SEEK_END), 12);
	kq_fence(kq);
	unlink(path);
}

KQ_TEST(registered_again, "KQ-059 KQ-064 KQ-130",
	"a new knote knows nothing of an earlier one, though VNODE kept the descriptor watched")
{
	int kq = kq_new(), fd = make_file("0123456789");

	ASSERT_OK(kq_add(kq, fd, EVFILT_VNODE, EV_CLEAR, NOTE_DELETE, 0, NULL));
	ASSERT_OK(add_read(kq, fd, EV_CLEAR, 0));
	assert_read(kq, fd, EV_CLEAR, 10);
	ASSERT_OK(kq_del(kq, fd, EVFILT_READ));
	ASSERT_OK(add_read(kq, fd, EV_CLEAR, 0));
	assert_read(kq, fd, EV_CLEAR, 10);
	kq_fence(kq);
	unlink(path);
}

KQ_TEST(disabled_and_enabled, "KQ-057 KQ-130",
	"a disabled file knote is silent, EV_ENABLE evaluates it")
{
	int kq = kq_new(), fd = make_file("abc");

	ASSERT_OK(add_read(kq, fd, EV_DISABLE, 0));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, fd, EVFILT_READ, EV_ENABLE, 0, 0, (void *)1));
	assert_read(kq, fd, 0, 3);
	unlink(path);
}

KQ_TEST(offset_is_the_watched_file_s, "KQ-131 KQ-084",
	"dups share one offset, another open of the file has its own")
{
	int kq = kq_new(), fd = make_file("abc"), same, other;

	same = ASSERT_SYS(dup(fd));
	other = ASSERT_SYS(open(path, O_RDONLY));
	ASSERT_OK(add_read(kq, fd, 0, 0));
	ASSERT_EQ(kq_drain(other), 3);
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(kq_drain(same), 3);
	kq_fence(kq);
	unlink(path);
}

KQ_TEST(memory_file, "KQ-130",
	"a memory file is a regular file")
{
	int kq = kq_new(), fd = ASSERT_SYS(memfd_create("kq", 0));

	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	ASSERT_SYS(ftruncate(fd, 5));
	assert_read(kq, fd, 0, 5);
	ASSERT_EQ(kq_drain(fd), 5);
	kq_fence(kq);
}

KQ_TEST(growth_by_another_process, "KQ-130",
	"an append by another process is seen by a waiter that comes later")
{
	int kq = kq_new(), fd = make_file("");
	pid_t child;

	ASSERT_OK(add_read(kq, fd, 0, 0));
	kq_fence(kq);
	child = kq_fork();
	if (!child) {
		append("abcd");
		_exit(0);
	}
	kq_reap(child);
	ASSERT_EVENT(kq_next(kq), fd, EVFILT_READ, EV_ADD, 0, 4, (void *)1);
	unlink(path);
}

KQ_TEST(growth_wakes_waiter, "KQ-130",
	"an append wakes a thread that sleeps in kevent")
{
	int kq = kq_new(), fd = make_file("");
	pid_t child;

	ASSERT_OK(add_read(kq, fd, 0, 0));
	child = kq_fork();
	if (!child) {
		static pid_t parent;

		parent = getppid();
		kq_await_waiter(&parent);
		append("abcd");
		_exit(0);
	}
	ASSERT_EVENT(kq_next(kq), fd, EVFILT_READ, EV_ADD, 0, 4, (void *)1);
	kq_reap(child);
	unlink(path);
}

KQ_TEST(directory, "KQ-130",
	"a directory is accepted and always active with data 0")
{
	int kq = kq_new(), fd;

	fd = ASSERT_SYS(open("/tmp", O_RDONLY | O_DIRECTORY));
	ASSERT_OK(add_read(kq, fd, 0, 0));
	assert_read(kq, fd, 0, 0);
	assert_read(kq, fd, 0, 0);
}

KQ_TEST(path_only_descriptor, "KQ-032",
	"an O_PATH descriptor is refused with EBADF")
{
	int kq = kq_new(), fd = ASSERT_SYS(open("/tmp", O_PATH));

	ASSERT_ERR(add_read(kq, fd, 0, 0), EBADF);
	ASSERT_ERR(kq_add(kq, fd, EVFILT_WRITE, 0, 0, 0, NULL), EBADF);
}
