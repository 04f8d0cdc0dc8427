// SPDX-License-Identifier: GPL-2.0
/*
 * Owns which descriptors EVFILT_VNODE takes: everything that has an inode in a
 * file system, opened or just named by O_PATH, and nothing else.
 */
#include "kq_test.h"
#include "kq_vnode.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>

static const struct vnode_fs on_tmpfs = VNODE_TMPFS;

/* The object n, of every kind that is accepted. */

static void make_file(void)
{
	vnode_put("n", VNODE_BYTES);
}

static void make_directory(void)
{
	ASSERT_SYS(mkdir("n", 0755));
}

static void make_fifo(void)
{
	ASSERT_SYS(mkfifo("n", 0644));
}

static void make_device(void)
{
	ASSERT_SYS(mknod("n", S_IFCHR | 0644, makedev(1, 3)));
}

static void make_symlink(void)
{
	ASSERT_SYS(symlink("f", "n"));
}

/* A link that leads nowhere. */
static void make_dangling(void)
{
	ASSERT_SYS(symlink("missing", "n"));
}

static void change_owner(void)
{
	ASSERT_SYS(lchown("n", 1, 1));
}

static void rename_it(void)
{
	ASSERT_SYS(rename("n", "m"));
}

static void remove_it(void)
{
	ASSERT_SYS(remove("n"));
}

static const struct object {
	const char *name;
	void (*make)(void);
	bool path_only;
} objects[] = {
	{ .name = "file", .make = make_file },
	{ .name = "directory", .make = make_directory },
	{ .name = "fifo", .make = make_fifo },
	{ .name = "device", .make = make_device },
	{ .name = "symlink", .make = make_symlink, .path_only = true },
	{ .name = "dangling", .make = make_dangling, .path_only = true },
};

static void try_objects(int open_flags)
{
	char what[100];

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		const struct object *object = &objects[i];

		if (object->path_only && !(open_flags & O_PATH))
			continue;
		snprintf(what, sizeof(what), "%s, lchown", object->name);
		VNODE_NAMED_ROW(what, "n", open_flags, VNODE_CHANGES, object->make, change_owner,
				NOTE_ATTRIB);
		snprintf(what, sizeof(what), "%s, rename", object->name);
		VNODE_NAMED_ROW(what, "n", open_flags, VNODE_CHANGES, object->make, rename_it,
				NOTE_RENAME);
		snprintf(what, sizeof(what), "%s, remove", object->name);
		VNODE_NAMED_ROW(what, "n", open_flags, VNODE_CHANGES, object->make, remove_it,
				NOTE_DELETE);
	}
}

KQ_TEST_EACH(accepted, "KQ-157 KQ-159 KQ-160 KQ-167",
	     "files, directories, FIFOs and device nodes are watched", vnode_all)
{
	vnode_enter(variant);
	try_objects(O_RDONLY | O_NONBLOCK);
}

KQ_TEST_EACH(path_only, "KQ-178",
	     "an O_PATH descriptor is accepted, of a symbolic link as well", vnode_all)
{
	vnode_enter(variant);
	try_objects(O_PATH | O_NOFOLLOW);
}

KQ_TEST_EACH(path_only_writes, "KQ-178 KQ-164", "an O_PATH descriptor hears of writes", vnode_all)
{
	int kq, fd, writer;

	vnode_enter(variant);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_PATH));
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	writer = ASSERT_SYS(open("f", O_WRONLY | O_APPEND));
	kq_write(writer, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(close(fd));
	kq_write(writer, "x", 1);
	kq_fence(kq);
}

KQ_TEST(path_only_other_filters, "KQ-032 KQ-178",
	"READ and WRITE on an O_PATH descriptor fail EBADF beside a VNODE knote too")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_PATH));
	for (int i = 0; i < 2; i++) {
		ASSERT_ERR(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, NULL), EBADF);
		ASSERT_ERR(kq_add(kq, fd, EVFILT_WRITE, 0, 0, 0, NULL), EBADF);
		ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	}
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
}

/* What has no inode in a file system. */

static int open_pipe(void)
{
	int fds[2];

	kq_pipe(fds);
	return fds[0];
}

static int open_pipe_end(void)
{
	int fds[2];

	kq_pipe(fds);
	return fds[1];
}

static int open_socket(void)
{
	return ASSERT_SYS(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_unix_socket(void)
{
	int fds[2];

	kq_unix_stream(fds);
	return fds[0];
}

static int open_eventfd(void)
{
	return ASSERT_SYS(eventfd(0, 0));
}

static int open_epoll(void)
{
	return ASSERT_SYS(epoll_create1(0));
}

static int open_queue(void)
{
	return kq_new();
}

static int open_pidfd(void)
{
	return ASSERT_SYS((int)syscall(SYS_pidfd_open, getpid(), 0));
}

static int open_timerfd(void)
{
	return ASSERT_SYS(timerfd_create(CLOCK_MONOTONIC, 0));
}

static int open_signalfd(void)
{
	sigset_t none;

	sigemptyset(&none);
	return ASSERT_SYS(signalfd(-1, &none, 0));
}

static int open_inotify(void)
{
	return ASSERT_SYS(inotify_init());
}

static const struct {
	const char *name;
	int (*open)(void);
} refused[] = {
	{ "pipe", open_pipe },
	{ "pipe_end", open_pipe_end },
	{ "socket", open_socket },
	{ "unix_socket", open_unix_socket },
	{ "eventfd", open_eventfd },
	{ "epoll", open_epoll },
	{ "kqueue", open_queue },
	{ "pidfd", open_pidfd },
	{ "timerfd", open_timerfd },
	{ "signalfd", open_signalfd },
	{ "inotify", open_inotify },
};

KQ_TEST_EACH(refused, "KQ-177 KQ-100",
	     "pipe, socket, queue and anonymous inode: EINVAL, and no knote", refused)
{
	int kq = kq_new(), fd = variant->open();

	/* The filter exists: what follows is about the descriptor. */
	ASSERT_OK(vnode_add(kq, ASSERT_SYS(open("/", O_RDONLY)), 0, NOTE_DELETE));
	ASSERT_ERR(vnode_add(kq, fd, 0, VNODE_CHANGES), EINVAL);
	ASSERT_ERR(vnode_add(kq, fd, EV_CLEAR, NOTE_ATTRIB), EINVAL);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_VNODE), ENOENT);
	kq_fence(kq);
}

KQ_TEST(no_descriptor, "KQ-032", "what is no open descriptor: EBADF, to add and to delete")
{
	static const uintptr_t idents[] = { (uintptr_t)-1, 0x80000000u, 100 };
	int kq = kq_new();

	/* The filter exists: what follows is about the number. */
	ASSERT_OK(vnode_add(kq, ASSERT_SYS(open("/", O_RDONLY)), 0, NOTE_DELETE));
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++) {
		ASSERT_ERR(kq_add(kq, idents[i], EVFILT_VNODE, 0, NOTE_ATTRIB, 0, NULL), EBADF);
		ASSERT_ERR(kq_del(kq, idents[i], EVFILT_VNODE), EBADF);
	}
}
