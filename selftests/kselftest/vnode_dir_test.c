// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the notes a directory gets when entries come, go and move, and that it
 * gets none for what happens inside its entries.
 */
#include "kq_test.h"
#include "kq_vnode.h"

#include <sys/sysmacros.h>
#include <sys/un.h>

/* Entries come. */

static void create_by_open(void)
{
	ASSERT_SYS(close(ASSERT_SYS(open("n", O_WRONLY | O_CREAT, 0644))));
}

static void create_exclusively(void)
{
	ASSERT_SYS(close(ASSERT_SYS(open("n", O_RDWR | O_CREAT | O_EXCL | O_TRUNC, 0644))));
}

static void mknod_file(void)
{
	ASSERT_SYS(mknod("n", S_IFREG | 0644, 0));
}

static void mknod_device(void)
{
	ASSERT_SYS(mknod("n", S_IFCHR | 0644, makedev(1, 3)));
}

static void mkfifo_n(void)
{
	ASSERT_SYS(mkfifo("n", 0644));
}

static void symlink_n(void)
{
	ASSERT_SYS(symlink("f", "n"));
}

static void bind_n(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "n" };
	int fd = ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	ASSERT_SYS(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	ASSERT_SYS(close(fd));
}

static void link_n(void)
{
	ASSERT_SYS(link("f", "n"));
}

KQ_TEST_EACH(entry_created, "KQ-154",
	     "open that creates, mknod, mkfifo, symlink, bind and link: WRITE", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, create_by_open, NOTE_WRITE);
	VNODE_ROW(".", NULL, create_exclusively, NOTE_WRITE);
	VNODE_ROW(".", NULL, mknod_file, NOTE_WRITE);
	VNODE_ROW(".", NULL, mknod_device, NOTE_WRITE);
	VNODE_ROW(".", NULL, mkfifo_n, NOTE_WRITE);
	VNODE_ROW(".", NULL, symlink_n, NOTE_WRITE);
	VNODE_ROW(".", NULL, bind_n, NOTE_WRITE);
	VNODE_ROW(".", NULL, link_n, NOTE_WRITE);
}

/* Entries go. */

static void unlink_f(void)
{
	ASSERT_SYS(unlink("f"));
}

static void unlink_n(void)
{
	ASSERT_SYS(unlink("n"));
}

KQ_TEST_EACH(entry_removed, "KQ-154",
	     "unlink, of the last name or not, of whatever is no directory: WRITE", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, unlink_f, NOTE_WRITE);
	VNODE_ROW(".", link_n, unlink_f, NOTE_WRITE);
	VNODE_ROW(".", symlink_n, unlink_n, NOTE_WRITE);
	VNODE_ROW(".", mkfifo_n, unlink_n, NOTE_WRITE);
	VNODE_ROW(".", bind_n, unlink_n, NOTE_WRITE);
}

static void unlink_and_create(void)
{
	unlink_f();
	vnode_put("f", VNODE_BYTES);
}

KQ_TEST_EACH(once_per_operation, "KQ-154",
	     "each operation makes one event, a name used again as well", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, ".", VNODE_CHANGES);
	create_by_open();
	vnode_expect(kq, fd, NOTE_WRITE);
	vnode_expect(kq, fd, 0);
	unlink_n();
	vnode_expect(kq, fd, NOTE_WRITE);
	create_by_open();
	vnode_expect(kq, fd, NOTE_WRITE);
	unlink_f();
	vnode_expect(kq, fd, NOTE_WRITE);
	vnode_put("f", VNODE_BYTES);
	vnode_expect(kq, fd, NOTE_WRITE);
	unlink_and_create();
	vnode_expect(kq, fd, NOTE_WRITE);
}

/* Directories come and go. */

static void mkdir_n(void)
{
	ASSERT_SYS(mkdir("n", 0755));
}

static void rmdir_n(void)
{
	ASSERT_SYS(rmdir("n"));
}

static void rmdir_d(void)
{
	ASSERT_SYS(rmdir("d"));
}

KQ_TEST_EACH(directory_entry, "KQ-155", "mkdir and rmdir: WRITE|LINK on the parent", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, mkdir_n, NOTE_WRITE | NOTE_LINK);
	VNODE_ROW(".", mkdir_n, rmdir_n, NOTE_WRITE | NOTE_LINK);
	VNODE_ROW(".", NULL, rmdir_d, NOTE_WRITE | NOTE_LINK);
}

/* Entries move within the directory. */

static void rename_f_n(void)
{
	ASSERT_SYS(rename("f", "n"));
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

static void exchange_f_g(void)
{
	ASSERT_SYS(renameat2(AT_FDCWD, "f", AT_FDCWD, "g", RENAME_EXCHANGE));
}

static void exchange_f_d(void)
{
	ASSERT_SYS(renameat2(AT_FDCWD, "f", AT_FDCWD, "d", RENAME_EXCHANGE));
}

KQ_TEST_EACH(rename_within, "KQ-160 KQ-161",
	     "rename within one directory: WRITE, with LINK if a directory was replaced", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, rename_f_n, NOTE_WRITE);
	VNODE_ROW(".", NULL, rename_f_g, NOTE_WRITE);
	VNODE_ROW(".", NULL, rename_d_n, NOTE_WRITE);
	VNODE_ROW(".", NULL, rename_d_e, VNODE_COUNTED(variant, NOTE_WRITE | NOTE_LINK, NOTE_WRITE));
	VNODE_ROW(".", NULL, exchange_f_g, NOTE_WRITE);
	VNODE_ROW(".", NULL, exchange_f_d, NOTE_WRITE);
}

static void whiteout_f(void)
{
	ASSERT_SYS(renameat2(AT_FDCWD, "f", AT_FDCWD, "n", RENAME_WHITEOUT));
}

KQ_TEST_EACH(whiteout, "KQ-160", "a rename that leaves a whiteout: WRITE", vnode_plain)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, whiteout_f, NOTE_WRITE);
}

/* Entries move to another directory. */

static void move_f(void)
{
	ASSERT_SYS(rename("f", "d/n"));
}

static void put_in_d(void)
{
	vnode_put("d/n", VNODE_BYTES);
}

static void move_e(void)
{
	ASSERT_SYS(rename("e", "d/n"));
}

static void mkdir_in_d(void)
{
	ASSERT_SYS(mkdir("d/n", 0755));
}

static void exchange_across(void)
{
	ASSERT_SYS(renameat2(AT_FDCWD, "f", AT_FDCWD, "d/n", RENAME_EXCHANGE));
}

static void exchange_directories_across(void)
{
	ASSERT_SYS(renameat2(AT_FDCWD, "e", AT_FDCWD, "d/n", RENAME_EXCHANGE));
}

KQ_TEST_EACH(file_moved_across, "KQ-162",
	     "a file moved to another directory: WRITE on both", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, move_f, NOTE_WRITE);
	VNODE_ROW("d", NULL, move_f, NOTE_WRITE);
	VNODE_ROW(".", put_in_d, move_f, NOTE_WRITE);
	VNODE_ROW("d", put_in_d, move_f, NOTE_WRITE);
}

KQ_TEST_EACH(directory_moved_across, "KQ-162",
	     "a directory moved to another directory: WRITE|LINK on both", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, move_e, NOTE_WRITE | NOTE_LINK);
	VNODE_ROW("d", NULL, move_e, NOTE_WRITE | NOTE_LINK);
}

KQ_TEST_EACH(directory_replaced_across, "KQ-162",
	     "the target keeps its count if it replaced a directory: WRITE; the source: WRITE|LINK", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", mkdir_in_d, move_e, NOTE_WRITE | NOTE_LINK);
	VNODE_ROW("d", mkdir_in_d, move_e,
		  VNODE_COUNTED(variant, NOTE_WRITE, NOTE_WRITE | NOTE_LINK));
}

KQ_TEST_EACH(exchanged_across, "KQ-162",
	     "RENAME_EXCHANGE of like entries across directories: WRITE on both", vnode_all)
{
	unsigned int directories = VNODE_COUNTED(variant, NOTE_WRITE, NOTE_WRITE | NOTE_LINK);

	vnode_enter(variant);
	VNODE_ROW(".", put_in_d, exchange_across, NOTE_WRITE);
	VNODE_ROW("d", put_in_d, exchange_across, NOTE_WRITE);
	VNODE_ROW(".", mkdir_in_d, exchange_directories_across, directories);
	VNODE_ROW("d", mkdir_in_d, exchange_directories_across, directories);
}

KQ_TEST_EACH(exchanged_unlike_across, "KQ-162",
	     "RENAME_EXCHANGE of a file and a directory across directories: WRITE|LINK on both", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", mkdir_in_d, exchange_across, NOTE_WRITE | NOTE_LINK);
	VNODE_ROW("d", mkdir_in_d, exchange_across, NOTE_WRITE | NOTE_LINK);
}

KQ_TEST_EACH(both_parents_watched, "KQ-162",
	     "both directories in one queue: one event each", vnode_all)
{
	struct kevent events[4];
	int kq, from, to;

	vnode_enter(variant);
	kq = kq_new();
	from = vnode_watch(kq, ".", VNODE_CHANGES);
	to = vnode_watch(kq, "d", VNODE_CHANGES);
	move_e();
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	for (int i = 0; i < 2; i++)
		VNODE_EVENT(events[i], events[i].ident == (uintptr_t)from ? from : to,
			    NOTE_WRITE | NOTE_LINK);
	ASSERT_NE(events[0].ident, events[1].ident);
}

/* What is none of a directory's business. */

static void change_file(void)
{
	int fd = ASSERT_SYS(open("f", O_RDWR | O_CREAT, 0644));
	char byte;

	kq_write(fd, "x", 1);
	ASSERT_EQ(pread(fd, &byte, 1, 0), 1);
	ASSERT_SYS(ftruncate(fd, 3));
	ASSERT_SYS(fchmod(fd, 0600));
	ASSERT_SYS(futimens(fd, NULL));
	ASSERT_SYS(close(fd));
	ASSERT_SYS(close(ASSERT_SYS(open("f", O_WRONLY | O_TRUNC))));
}

static void change_subdirectory(void)
{
	ASSERT_SYS(chmod("d", 0700));
	vnode_put("d/n", VNODE_BYTES);
	ASSERT_SYS(rename("d/n", "d/m"));
	ASSERT_SYS(rename("d/m", "e/m"));
	ASSERT_SYS(unlink("e/m"));
	ASSERT_SYS(mkdir("d/n", 0755));
	ASSERT_SYS(rmdir("d/n"));
}

static void change_other_directory(void)
{
	vnode_put("../n", VNODE_BYTES);
	ASSERT_SYS(unlink("../n"));
}

KQ_TEST_EACH(not_recursive, "KQ-154",
	     "changes of entries and inside subdirectories post nothing", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW_USES(".", NULL, change_file, 0);
	VNODE_ROW_USES(".", NULL, change_subdirectory, 0);
	VNODE_ROW(".", NULL, change_other_directory, 0);
}

static void rename_parent(void)
{
	ASSERT_SYS(rename("d", "n"));
}

static void move_parent(void)
{
	ASSERT_SYS(rename("d", "e/n"));
}

KQ_TEST_EACH(parent_renamed, "KQ-160",
	     "rename of the directory posts nothing on what is in it", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("d/n", put_in_d, rename_parent, 0);
	VNODE_ROW("d/n", put_in_d, move_parent, 0);
	VNODE_ROW("d/n", mkdir_in_d, rename_parent, 0);
	VNODE_ROW("d/n", mkdir_in_d, move_parent, 0);
}

static void make_unnamed(void)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0644);

	if (fd < 0) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		KQ_SKIP("this file system has no O_TMPFILE in this kernel");
	}
	kq_write(fd, "x", 1);
	ASSERT_SYS(close(fd));
}

KQ_TEST_EACH(unnamed_file, "KQ-154", "O_TMPFILE adds no entry and posts nothing", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, make_unnamed, 0);
}

static void open_existing(void)
{
	ASSERT_SYS(close(ASSERT_SYS(open("f", O_RDWR | O_CREAT, 0644))));
}

KQ_TEST_EACH(nothing_created, "KQ-154", "O_CREAT of a file that exists posts nothing", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW(".", NULL, open_existing, 0);
	VNODE_ROW("f", NULL, open_existing, 0);
}
