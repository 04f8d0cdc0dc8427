// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a vnode knote watches the inode: whoever changes it,
 * through whatever name, descriptor or mount, is seen, by each who watches it.
 */
#include "kq_test.h"
#include "kq_vnode.h"

KQ_TEST_EACH(other_name, "KQ-176", "an operation through another hard link is seen", vnode_all)
{
	int kq, fd, writer;

	vnode_enter(variant);
	ASSERT_SYS(link("f", "d/h"));
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(chmod("d/h", 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	writer = ASSERT_SYS(open("d/h", O_WRONLY | O_APPEND));
	kq_write(writer, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(rename("d/h", "h"));
	vnode_expect(kq, fd, NOTE_RENAME);
}

KQ_TEST_EACH(other_descriptor, "KQ-176",
	     "operations on other descriptors of the file are seen", vnode_all)
{
	int kq, fd, other, same;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	same = ASSERT_SYS(dup(fd));
	ASSERT_SYS(fchmod(same, 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	other = ASSERT_SYS(open("f", O_RDWR));
	ASSERT_SYS(fchmod(other, 0644));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	kq_write(other, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE);
}

KQ_TEST_EACH(other_process, "KQ-176",
	     "operations by another process are seen when they return there", vnode_all)
{
	int kq, fd, directory;
	struct kevent events[4];
	pid_t child;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	child = kq_fork();
	if (!child) {
		ASSERT_SYS(chmod("f", 0600));
		ASSERT_SYS(truncate("f", 0));
		_exit(0);
	}
	kq_reap(child);
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_TRUNCATE);
	directory = vnode_watch(kq, ".", VNODE_CHANGES);
	child = kq_fork();
	if (!child) {
		ASSERT_SYS(unlink("f"));
		_exit(0);
	}
	kq_reap(child);
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	for (int i = 0; i < 2; i++) {
		if (events[i].ident == (uintptr_t)fd)
			VNODE_EVENT(events[i], fd, NOTE_DELETE);
		else
			VNODE_EVENT(events[i], directory, NOTE_WRITE);
	}
	ASSERT_NE(events[0].ident, events[1].ident);
}

KQ_TEST_EACH(child_is_no_watcher, "KQ-091 KQ-176",
	     "the copy of a watched descriptor in a forked child is not watched", vnode_all)
{
	int kq, fd;
	pid_t child;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	child = kq_fork();
	if (!child) {
		ASSERT_SYS(close(fd));
		_exit(0);
	}
	kq_reap(child);
	vnode_expect(kq, fd, 0);
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
}

KQ_TEST_EACH(other_mount, "KQ-176",
	     "operations through another mount, in another namespace as well, are seen", vnode_all)
{
	char path[64];
	int kq, fd;
	pid_t child;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(mkdir("/tmp/bound", 0755));
	ASSERT_SYS(mount(VNODE_ROOT, "/tmp/bound", NULL, MS_BIND, NULL));
	snprintf(path, sizeof(path), "/tmp/bound/%d/f", vnode.scenes - 1);
	ASSERT_SYS(chmod(path, 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_SYS(truncate(path, 0));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_TRUNCATE);
	child = kq_fork();
	if (!child) {
		ASSERT_SYS(unshare(CLONE_NEWNS));
		ASSERT_SYS(unlink(path));
		_exit(0);
	}
	kq_reap(child);
	vnode_expect(kq, fd, NOTE_DELETE);
}

KQ_TEST_EACH(several_descriptors, "KQ-084 KQ-171",
	     "each descriptor of one inode has a knote and an event of its own", vnode_all)
{
	struct kevent events[8];
	int kq, fd[3], seen = 0;

	vnode_enter(variant);
	kq = kq_new();
	fd[0] = vnode_watch(kq, "f", VNODE_CHANGES);
	fd[1] = vnode_watch(kq, "f", VNODE_CHANGES);
	fd[2] = ASSERT_SYS(dup(fd[0]));
	ASSERT_OK(vnode_add(kq, fd[2], EV_CLEAR, VNODE_CHANGES));
	ASSERT_SYS(chmod("f", 0600));
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 3);
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			seen |= (events[i].ident == (uintptr_t)fd[j]) << j;
		VNODE_EVENT(events[i], events[i].ident, NOTE_ATTRIB);
	}
	ASSERT_EQ(seen, 7);
	/* One that is closed leaves the others. */
	ASSERT_SYS(close(fd[0]));
	ASSERT_SYS(chmod("f", 0644));
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	ASSERT_SYS(close(fd[2]));
	ASSERT_SYS(unlink("f"));
	vnode_expect(kq, fd[1], NOTE_DELETE);
}

KQ_TEST_EACH(several_queues, "KQ-047 KQ-171",
	     "each queue has its own copy, as it asked and as it collects", vnode_all)
{
	int kq[3], fd;

	vnode_enter(variant);
	for (size_t i = 0; i < ARRAY_SIZE(kq); i++)
		kq[i] = kq_new();
	fd = vnode_watch(kq[0], "f", VNODE_CHANGES);
	ASSERT_OK(vnode_add(kq[1], fd, EV_CLEAR, NOTE_ATTRIB));
	ASSERT_OK(vnode_add(kq[2], fd, EV_CLEAR, NOTE_DELETE));
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(kq[0], fd, NOTE_ATTRIB);
	ASSERT_SYS(truncate("f", 0));
	ASSERT_SYS(unlink("f"));
	vnode_expect(kq[0], fd, NOTE_ATTRIB | NOTE_TRUNCATE | NOTE_DELETE);
	vnode_expect(kq[1], fd, NOTE_ATTRIB | NOTE_TRUNCATE);
	vnode_expect(kq[2], fd, NOTE_DELETE);
	/* A queue that goes leaves the others. */
	ASSERT_SYS(close(kq[0]));
	ASSERT_SYS(fchmod(fd, 0644));
	vnode_expect(kq[1], fd, NOTE_ATTRIB);
	vnode_expect(kq[2], fd, 0);
}

KQ_TEST_EACH(order, "KQ-161", "knotes become active in the order of the operations", vnode_all)
{
	static const char * const names[] = { "g", "d", "f", "e" };
	int kq, fd[ARRAY_SIZE(names)];
	struct kevent events[8];

	vnode_enter(variant);
	kq = kq_new();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		fd[i] = vnode_watch(kq, names[i], VNODE_CHANGES);
	for (int i = ARRAY_SIZE(names) - 1; i >= 0; i--)
		ASSERT_SYS(chmod(names[i], 0700));
	/* Once more: they are active already and keep their places. */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ASSERT_SYS(chmod(names[i], 0600));
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		VNODE_EVENT(events[i], fd[ARRAY_SIZE(names) - 1 - i], NOTE_ATTRIB);
}

KQ_TEST_EACH(waiter_is_woken, "KQ-176",
	     "an operation wakes a thread that sleeps in kevent", vnode_all)
{
	struct kq_waiter waiter = { .kq = kq_new() };
	int fd;

	vnode_enter(variant);
	fd = vnode_watch(waiter.kq, "f", VNODE_CHANGES);
	kq_start_sleeper(&waiter);
	/* Not asked for: it sleeps on. */
	ASSERT_SYS(close(ASSERT_SYS(open("f", O_RDONLY))));
	kq_await_waiter(&waiter.tid);
	ASSERT_FALSE(waiter.done);
	ASSERT_SYS(unlink("f"));
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	VNODE_EVENT(waiter.event, fd, NOTE_DELETE);
}

KQ_TEST_EACH(unmount, "KQ-082 KQ-179",
	     "a watched file keeps its file system busy until its number is closed", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(chdir("/"));
	ASSERT_ERRNO(umount2(VNODE_ROOT, 0), EBUSY);
	kq_fence(kq);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(umount2(VNODE_ROOT, 0));
	kq_fence(kq);
}

KQ_TEST_EACH(lazy_unmount, "KQ-176", "a lazy unmount posts nothing and ends nothing", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(chdir("/"));
	ASSERT_SYS(umount2(VNODE_ROOT, MNT_DETACH));
	vnode_expect(kq, fd, 0);
	ASSERT_SYS(fchmod(fd, 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
}
