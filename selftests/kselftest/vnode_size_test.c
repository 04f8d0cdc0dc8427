// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the notes of changing the size of a file without writing to it:
 * truncate(2) and O_TRUNC are changes of attributes, fallocate(2) is a write.
 */
#include "kq_test.h"
#include "kq_vnode.h"

#include <linux/falloc.h>

static off_t size;	/* wanted by the operations below */

static void run_truncate(void)
{
	ASSERT_SYS(truncate("f", size));
}

static void run_ftruncate(void)
{
	int fd = ASSERT_SYS(open("f", O_WRONLY));

	ASSERT_SYS(ftruncate(fd, size));
	ASSERT_SYS(close(fd));
}

static void try_truncate(off_t wanted, unsigned int set)
{
	size = wanted;
	VNODE_ROW("f", NULL, run_truncate, set);
	VNODE_ROW("f", NULL, run_ftruncate, set);
}

KQ_TEST_EACH(truncate_down, "KQ-166", "truncate to a smaller size: ATTRIB|TRUNCATE", vnode_all)
{
	vnode_enter(variant);
	try_truncate(VNODE_SIZE - 1, NOTE_ATTRIB | NOTE_TRUNCATE);
	try_truncate(0, NOTE_ATTRIB | NOTE_TRUNCATE);
}

KQ_TEST_EACH(truncate_up, "KQ-166", "truncate to a larger size: ATTRIB|EXTEND", vnode_all)
{
	vnode_enter(variant);
	try_truncate(VNODE_SIZE + 1, NOTE_ATTRIB | NOTE_EXTEND);
	try_truncate(100000, NOTE_ATTRIB | NOTE_EXTEND);
}

KQ_TEST_EACH(truncate_same, "KQ-166", "truncate to the same size: ATTRIB", vnode_all)
{
	vnode_enter(variant);
	try_truncate(VNODE_SIZE, NOTE_ATTRIB);
}

static void open_truncating(void)
{
	ASSERT_SYS(close(ASSERT_SYS(open("f", O_WRONLY | O_TRUNC))));
}

static void open_truncating_to_read(void)
{
	ASSERT_SYS(close(ASSERT_SYS(open("f", O_RDWR | O_CREAT | O_TRUNC, 0644))));
}

static void empty(void)
{
	ASSERT_SYS(truncate("f", 0));
}

KQ_TEST_EACH(open_truncates, "KQ-166", "O_TRUNC is a truncate, of an empty file as well", vnode_all)
{
	vnode_enter(variant);
	VNODE_ROW("f", NULL, open_truncating, NOTE_ATTRIB | NOTE_TRUNCATE);
	VNODE_ROW("f", NULL, open_truncating_to_read, NOTE_ATTRIB | NOTE_TRUNCATE);
	VNODE_ROW("f", empty, open_truncating, NOTE_ATTRIB);
	VNODE_ROW("f", empty, open_truncating_to_read, NOTE_ATTRIB);
}

static struct {
	int mode;
	off_t at, length;
} space;

static void run_fallocate(void)
{
	int fd = ASSERT_SYS(open("f", O_RDWR));

	ASSERT_SYS(fallocate(fd, space.mode, space.at, space.length));
	ASSERT_SYS(close(fd));
}

static void try_fallocate(void (*setup)(void), int mode, off_t at, off_t length, unsigned int set)
{
	char what[100];

	space.mode = mode;
	space.at = at;
	space.length = length;
	snprintf(what, sizeof(what), "fallocate, mode %#x, %lld bytes at %lld", mode,
		 (long long)length, (long long)at);
	VNODE_NAMED_ROW(what, "f", O_RDONLY, VNODE_CHANGES, setup, run_fallocate, set);
}

KQ_TEST_EACH(fallocate, "KQ-164 KQ-165",
	     "fallocate: WRITE, with EXTEND if the size grew", vnode_all)
{
	vnode_enter(variant);
	try_fallocate(NULL, 0, 0, VNODE_SIZE + 1, NOTE_WRITE | NOTE_EXTEND);
	try_fallocate(NULL, 0, 4096, 4096, NOTE_WRITE | NOTE_EXTEND);
	try_fallocate(NULL, 0, 0, VNODE_SIZE, NOTE_WRITE);
	try_fallocate(NULL, FALLOC_FL_KEEP_SIZE, 0, 8192, NOTE_WRITE);
	try_fallocate(NULL, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4, NOTE_WRITE);
}

static void lengthen(void)
{
	ASSERT_SYS(truncate("f", 16384));
}

KQ_TEST_EACH(fallocate_moves, "KQ-164 KQ-165",
	     "fallocate that zeroes, collapses and inserts: WRITE, with EXTEND if the size grew", vnode_ext4)
{
	vnode_enter(variant);
	try_fallocate(NULL, FALLOC_FL_ZERO_RANGE, 0, 4, NOTE_WRITE);
	try_fallocate(NULL, FALLOC_FL_ZERO_RANGE, 0, VNODE_SIZE + 1, NOTE_WRITE | NOTE_EXTEND);
	try_fallocate(lengthen, FALLOC_FL_COLLAPSE_RANGE, 0, 4096, NOTE_WRITE);
	try_fallocate(lengthen, FALLOC_FL_INSERT_RANGE, 0, 4096, NOTE_WRITE | NOTE_EXTEND);
}

KQ_TEST_EACH(through_watched_descriptor, "KQ-166",
	     "ftruncate and fallocate of the watched descriptor itself are told", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDWR));
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	ASSERT_SYS(ftruncate(fd, 5));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_TRUNCATE);
	ASSERT_SYS(ftruncate(fd, 5));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_SYS(ftruncate(fd, 50));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_EXTEND);
	ASSERT_SYS(fallocate(fd, 0, 0, 60));
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(fallocate(fd, 0, 0, 60));
	vnode_expect(kq, fd, NOTE_WRITE);
}

KQ_TEST_EACH(down_and_up, "KQ-166 KQ-171",
	     "what two truncates did is in one event, although the size is the old one", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(truncate("f", 0));
	ASSERT_SYS(truncate("f", VNODE_SIZE));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_TRUNCATE | NOTE_EXTEND);
}
