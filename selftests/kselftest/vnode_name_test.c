// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the notes an object gets when its names come, go and change: link,
 * unlink, rmdir and rename.
 */
#include "kq_test.h"
#include "kq_vnode.h"

static void link_f_h(void)
{
	ASSERT_SYS(link("f", "h"));
}

static void link_f_elsewhere(void)
{
	ASSERT_SYS(link("f", "d/h"));
}

static void link_descriptor(void)
{
	int fd = ASSERT_SYS(open("f", O_RDONLY));
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_SYS(linkat(AT_FDCWD, path, AT_FDCWD, "h", AT_SYMLINK_FOLLOW));
	ASSERT_SYS(close(fd));
}

static void unlink_f(void)
{
	ASSERT_SYS(unlink("f"));
}

static void unlink_h(void)
{
	ASSERT_SYS(unlink("h"));
}

static void rmdir_d(void)
{
	ASSERT_SYS(rmdir("d"));
}

static void rename_f_n(void)
{
	ASSERT_SYS(rename("f", "n"));
}

static void rename_f_elsewhere(void)
{
	ASSERT_SYS(rename("f", "d/n"));
}

static void rename_f_g(void)
{
	ASSERT_SYS(rename("f", "g"));
}

static void rename_d_n(void)
{
	ASSERT_SYS(rename("d", "n"));
}

static void rename_d_e(void)
{
	ASSERT_SYS(rename("d", "e"));
}

static void rename_d_into_e(void)
{
	ASSERT_SYS(rename("d", "e/n"));
}

KQ_TEST_EACH(link, "KQ-156", "link: LINK on the file", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, link_f_h, NOTE_LINK);
	VNODE_ROW("f", NULL, link_f_elsewhere, NOTE_LINK);
	VNODE_ROW("f", NULL, link_descriptor, NOTE_LINK);
	VNODE_ROW("f", link_f_h, link_f_elsewhere, NOTE_LINK);
}

KQ_TEST_EACH(link_of_unnamed, "KQ-156",
	     "the first link of an O_TMPFILE: LINK on the file, WRITE on the directory", vnode_all)
{
	struct kevent events[4];
	int kq, fd, directory;
	char path[64];

	vnode_enter(variant);
	kq = kq_new();
	directory = vnode_watch(kq, ".", VNODE_CHANGES);
	fd = open(".", O_TMPFILE | O_RDWR, 0644);
	if (fd < 0) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		KQ_SKIP("this file system has no O_TMPFILE in this kernel");
	}
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	kq_fence(kq);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ASSERT_SYS(linkat(AT_FDCWD, path, AT_FDCWD, "h", AT_SYMLINK_FOLLOW));
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	if (events[0].ident == (uintptr_t)fd) {
		VNODE_EVENT(events[0], fd, NOTE_LINK);
		VNODE_EVENT(events[1], directory, NOTE_WRITE);
	} else {
		VNODE_EVENT(events[0], directory, NOTE_WRITE);
		VNODE_EVENT(events[1], fd, NOTE_LINK);
	}
}

KQ_TEST_EACH(unlink_last, "KQ-157", "unlink of the last name: DELETE at once", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, unlink_f, NOTE_DELETE);
}

KQ_TEST_EACH(unlink_one_of_two, "KQ-158",
	     "unlink of one of two names, whichever was opened: DELETE|LINK", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", link_f_h, unlink_h, NOTE_DELETE | NOTE_LINK);
	VNODE_ROW("f", link_f_h, unlink_f, NOTE_DELETE | NOTE_LINK);
	VNODE_ROW("h", link_f_h, unlink_f, NOTE_DELETE | NOTE_LINK);
	VNODE_ROW("h", link_f_h, unlink_h, NOTE_DELETE | NOTE_LINK);
}

KQ_TEST_EACH(names_come_and_go, "KQ-156 KQ-157 KQ-158",
	     "each link and unlink has its notes, the last close has none", vnode_all)
{
	int kq, fd, other;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	other = ASSERT_SYS(open("f", O_RDWR));
	link_f_h();
	vnode_expect(kq, fd, NOTE_LINK);
	unlink_f();
	vnode_expect(kq, fd, NOTE_DELETE | NOTE_LINK);
	ASSERT_SYS(link("h", "f"));
	vnode_expect(kq, fd, NOTE_LINK);
	unlink_h();
	vnode_expect(kq, fd, NOTE_DELETE | NOTE_LINK);
	unlink_f();
	vnode_expect(kq, fd, NOTE_DELETE);
	ASSERT_SYS(close(other));
	vnode_expect(kq, fd, 0);
	/* The name is another file's now. */
	vnode_put("f", VNODE_BYTES);
	unlink_f();
	vnode_expect(kq, fd, 0);
}

/* A file without a name is watched as before, through a descriptor opened to write. */
static void assert_lives_on(int kq, int fd, int writer)
{
	ASSERT_EQ(pwrite(writer, "x", 1, VNODE_SIZE), 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(ftruncate(writer, 0));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_TRUNCATE);
	ASSERT_SYS(fchmod(writer, 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_SYS(close(writer));
	vnode_expect(kq, fd, 0);
}

KQ_TEST_EACH(unlinked_lives_on, "KQ-157 KQ-164",
	     "changes of a file that has no name any more are told", vnode_all)
{
	int kq, fd, writer;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	writer = ASSERT_SYS(open("f", O_RDWR));
	unlink_f();
	vnode_expect(kq, fd, NOTE_DELETE);
	assert_lives_on(kq, fd, writer);
}

/* The kernel takes the last name for the end of the inode if nobody opened the file by that name. */
KQ_TEST_EACH(unlinked_by_a_name_not_opened, "KQ-157 KQ-164",
	     "the same if the last name is not the one the file was opened by", vnode_all)
{
	int kq, fd, writer;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	writer = ASSERT_SYS(open("f", O_RDWR));
	link_f_h();
	unlink_f();
	unlink_h();
	vnode_expect(kq, fd, NOTE_LINK | NOTE_DELETE);
	assert_lives_on(kq, fd, writer);
}

KQ_TEST_EACH(rmdir, "KQ-159", "rmdir: DELETE on the directory, which is held open", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("d", NULL, rmdir_d, NOTE_DELETE);
}

static void make_nested(void)
{
	ASSERT_SYS(mkdir("d/n", 0755));
}

static void remove_nested(void)
{
	ASSERT_SYS(rmdir("d/n"));
	rmdir_d();
}

KQ_TEST_EACH(rmdir_nested, "KQ-159 KQ-155",
	     "a directory emptied and removed: LINK and WRITE of the first, DELETE of the second", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	make_nested();
	kq = kq_new();
	fd = vnode_watch(kq, "d", VNODE_CHANGES);
	remove_nested();
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_LINK | NOTE_DELETE);
}

KQ_TEST_EACH(rename, "KQ-160", "rename: RENAME on what was moved, file or directory", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, rename_f_n, NOTE_RENAME);
	VNODE_ROW("f", NULL, rename_f_elsewhere, NOTE_RENAME);
	VNODE_ROW("f", NULL, rename_f_g, NOTE_RENAME);
	VNODE_ROW("f", link_f_h, rename_f_n, NOTE_RENAME);
	VNODE_ROW("h", link_f_h, rename_f_n, NOTE_RENAME);
	VNODE_ROW("d", NULL, rename_d_n, NOTE_RENAME);
	VNODE_ROW("d", NULL, rename_d_e, NOTE_RENAME);
	VNODE_ROW("d", NULL, rename_d_into_e, NOTE_RENAME);
}

static void link_g_h(void)
{
	ASSERT_SYS(link("g", "h"));
}

KQ_TEST_EACH(renamed_over, "KQ-161 KQ-158", "the target of a rename: as unlinked", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("g", NULL, rename_f_g, NOTE_DELETE);
	VNODE_ROW("g", link_g_h, rename_f_g, NOTE_DELETE | NOTE_LINK);
	VNODE_ROW("h", link_g_h, rename_f_g, NOTE_DELETE | NOTE_LINK);
	VNODE_ROW("e", NULL, rename_d_e, NOTE_DELETE);
}

/* DELETE of the target and RENAME of the source in one queue, in that order. */
static void assert_order(const char *source, const char *target, void (*run)(void))
{
	int kq = kq_new(), from = vnode_watch(kq, source, VNODE_CHANGES);
	int to = vnode_watch(kq, target, VNODE_CHANGES);
	struct kevent events[4];

	run();
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	VNODE_EVENT(events[0], to, NOTE_DELETE);
	VNODE_EVENT(events[1], from, NOTE_RENAME);
}

KQ_TEST_EACH(rename_order, "KQ-161",
	     "rename over a target: its DELETE comes before the RENAME", vnode_all)
{
	vnode_enter(variant);
	assert_order("f", "g", rename_f_g);
	vnode_next_scene();
	assert_order("d", "e", rename_d_e);
}

static void rename_f_f(void)
{
	ASSERT_SYS(rename("f", "f"));
	ASSERT_SYS(rename("f", "d/../f"));
}

static void rename_f_h(void)
{
	ASSERT_SYS(rename("f", "h"));
}

KQ_TEST_EACH(rename_to_itself, "KQ-163",
	     "rename to itself or to another link of itself posts nothing", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, rename_f_f, 0);
	VNODE_ROW(".", NULL, rename_f_f, 0);
	VNODE_ROW("f", link_f_h, rename_f_h, 0);
	VNODE_ROW("h", link_f_h, rename_f_h, 0);
	VNODE_ROW(".", link_f_h, rename_f_h, 0);
}

static void exchange(const char *one, const char *other)
{
	ASSERT_SYS(renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE));
}

static void exchange_f_g(void)
{
	exchange("f", "g");
}

static void exchange_f_d(void)
{
	exchange("f", "d");
}

static void exchange_d_e(void)
{
	exchange("d", "e");
}

KQ_TEST_EACH(exchange, "KQ-160", "RENAME_EXCHANGE: RENAME on both", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, exchange_f_g, NOTE_RENAME);
	VNODE_ROW("g", NULL, exchange_f_g, NOTE_RENAME);
	VNODE_ROW("f", NULL, exchange_f_d, NOTE_RENAME);
	VNODE_ROW("d", NULL, exchange_f_d, NOTE_RENAME);
	VNODE_ROW("d", NULL, exchange_d_e, NOTE_RENAME);
	VNODE_ROW("e", NULL, exchange_d_e, NOTE_RENAME);
}

static void whiteout_f(void)
{
	ASSERT_SYS(renameat2(AT_FDCWD, "f", AT_FDCWD, "n", RENAME_WHITEOUT));
}

KQ_TEST_EACH(whiteout, "KQ-160", "a rename that leaves a whiteout: RENAME on the file", vnode_plain)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, whiteout_f, NOTE_RENAME);
}

static void make_full(void)
{
	ASSERT_SYS(mkdir("e/n", 0755));
}

static void fail_all(void)
{
	ASSERT_ERRNO(link("f", "g"), EEXIST);
	ASSERT_ERRNO(link("d", "h"), EPERM);
	ASSERT_ERRNO(unlink("missing"), ENOENT);
	ASSERT_ERRNO(unlink("d"), EISDIR);
	ASSERT_ERRNO(rmdir("f"), ENOTDIR);
	ASSERT_ERRNO(rmdir("e"), ENOTEMPTY);
	ASSERT_ERRNO(rename("f", "missing/n"), ENOENT);
	ASSERT_ERRNO(rename("f", "d"), EISDIR);
	ASSERT_ERRNO(rename("d", "f"), ENOTDIR);
	ASSERT_ERRNO(rename("d", "e"), ENOTEMPTY);
	ASSERT_ERRNO(rename("d", "d/n"), EINVAL);
	ASSERT_ERRNO(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_NOREPLACE), EEXIST);
	ASSERT_ERRNO(mkdir("d", 0755), EEXIST);
	ASSERT_ERRNO(symlink("x", "f"), EEXIST);
	ASSERT_ERRNO(mkfifo("f", 0644), EEXIST);
	ASSERT_ERRNO(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	ASSERT_ERRNO(open("f", O_WRONLY | O_TRUNC | O_DIRECTORY), ENOTDIR);
}

KQ_TEST_EACH(failures, "KQ-154 KQ-157 KQ-160",
	     "what fails posts nothing, on the object or its directory", vnode_all)
{
	static const char * const watched[] = { "f", "g", "d", "e", "." };

	vnode_enter(variant);
	for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
		VNODE_ROW(watched[i], make_full, fail_all, 0);
}

KQ_TEST_EACH(descriptor_follows_the_name, "KQ-160 KQ-176",
	     "after a rename the knote hears of the file, not of the name", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	rename_f_elsewhere();
	vnode_expect(kq, fd, NOTE_RENAME);
	vnode_put("f", VNODE_BYTES);
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(kq, fd, 0);
	ASSERT_SYS(chmod("d/n", 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_SYS(rename("d/n", "n"));
	vnode_expect(kq, fd, NOTE_RENAME);
	ASSERT_SYS(unlink("n"));
	vnode_expect(kq, fd, NOTE_DELETE);
}

KQ_TEST_EACH(directory_follows_its_parent, "KQ-159 KQ-160",
	     "a directory that was moved still tells of its rmdir", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "d", VNODE_CHANGES);
	rename_d_into_e();
	vnode_expect(kq, fd, NOTE_RENAME);
	/* Nobody watches the new parent. */
	ASSERT_SYS(rename("e", "moved"));
	vnode_expect(kq, fd, 0);
	ASSERT_SYS(rmdir("moved/n"));
	vnode_expect(kq, fd, NOTE_DELETE);
}
