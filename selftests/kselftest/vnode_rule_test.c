// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what a vnode knote does with the notes it records: collecting, EV_CLEAR
 * and level, being modified, disabled, delivered and closed.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_vnode.h"

static const struct vnode_fs on_tmpfs = VNODE_TMPFS;

static void touch(void)
{
	ASSERT_SYS(chmod("f", 0600));
}

static void grow(void)
{
	int fd = ASSERT_SYS(open("f", O_WRONLY | O_APPEND));

	kq_write(fd, "x", 1);
	ASSERT_SYS(close(fd));
}

/* An event of a knote made without EV_CLEAR. */
#define LEVEL_EVENT(event, fd, added, set) \
	ASSERT_EVENT(event, fd, EVFILT_VNODE, EV_ADD | (added), set, 0, VNODE_MARK)

KQ_TEST_EACH(notes_collect, "KQ-171", "notes of several operations are one event", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	touch();
	grow();
	ASSERT_SYS(link("f", "h"));
	ASSERT_SYS(rename("f", "n"));
	ASSERT_SYS(chmod("n", 0644));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND | NOTE_LINK | NOTE_RENAME);
}

KQ_TEST_EACH(only_what_was_asked, "KQ-164 KQ-171",
	     "each operation is judged alone: the sets of those not asked for stay out", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", NOTE_WRITE | NOTE_RENAME);
	touch();
	ASSERT_SYS(truncate("f", 100));
	grow();
	ASSERT_SYS(link("f", "h"));
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
}

KQ_TEST_EACH(clear, "KQ-172", "EV_CLEAR: no second event without a new operation", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	kq_fence(kq);
	for (int i = 0; i < 3; i++) {
		touch();
		VNODE_EVENT(kq_one(kq), fd, NOTE_ATTRIB);
		kq_none(kq);
		kq_fence(kq);
	}
	/* The next event has the notes of its own operation only. */
	grow();
	VNODE_EVENT(kq_one(kq), fd, NOTE_WRITE | NOTE_EXTEND);
	/* Adding it again finds nothing recorded. */
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	kq_fence(kq);
}

KQ_TEST_EACH(level, "KQ-173",
	     "without EV_CLEAR the same event returns, with what came later added", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDONLY));
	ASSERT_OK(vnode_add(kq, fd, 0, VNODE_CHANGES));
	kq_fence(kq);
	touch();
	for (int i = 0; i < 3; i++)
		LEVEL_EVENT(kq_one(kq), fd, 0, NOTE_ATTRIB);
	grow();
	for (int i = 0; i < 3; i++)
		LEVEL_EVENT(kq_one(kq), fd, 0, NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND);
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
	kq_fence(kq);
}

KQ_TEST(clear_is_fixed, "KQ-054 KQ-173", "EV_CLEAR in a later EV_ADD does not change a level knote")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDONLY));
	ASSERT_OK(vnode_add(kq, fd, 0, NOTE_ATTRIB));
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, NOTE_ATTRIB));
	touch();
	for (int i = 0; i < 3; i++)
		LEVEL_EVENT(kq_one(kq), fd, 0, NOTE_ATTRIB);
}

/* Changes that replace what was asked for. */
static const struct {
	const char *name;
	unsigned int flags;
} modifiers[] = {
	{ "add", EV_ADD },
	{ "add_clear", EV_ADD | EV_CLEAR },
	{ "enable", EV_ENABLE },
	{ "bare", 0 },
};

KQ_TEST_EACH(modify_disarms, "KQ-174 KQ-052",
	     "from ATTRIB to DELETE: a touch gives nothing, an unlink does", modifiers)
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", NOTE_ATTRIB);
	ASSERT_OK(vnode_ctl(kq, fd, variant->flags, NOTE_DELETE));
	touch();
	kq_fence(kq);
	ASSERT_SYS(unlink("f"));
	vnode_expect(kq, fd, NOTE_DELETE);
}

KQ_TEST_EACH(modify_keeps_notes, "KQ-180",
	     "a touch, then DELETE only: ATTRIB is still shown", modifiers)
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", NOTE_ATTRIB);
	touch();
	ASSERT_OK(vnode_ctl(kq, fd, variant->flags, NOTE_DELETE));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	touch();
	kq_fence(kq);
}

KQ_TEST(modify_adds_to_notes, "KQ-180 KQ-171",
	"notes from before and after a modification are one event")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", NOTE_ATTRIB);
	touch();
	ASSERT_OK(vnode_add(kq, fd, 0, NOTE_DELETE));
	ASSERT_SYS(unlink("f"));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_DELETE);
}

KQ_TEST(add_with_nothing_asked, "KQ-174",
	"EV_ADD with no notes is accepted, hears nothing, and disarms")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", 0);
	touch();
	kq_fence(kq);
	ASSERT_OK(vnode_add(kq, fd, 0, NOTE_ATTRIB));
	kq_fence(kq);
	touch();
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_OK(vnode_add(kq, fd, 0, 0));
	touch();
	kq_fence(kq);
}

KQ_TEST(foreign_bits, "KQ-171", "bits that are no notes are ignored and never returned")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", ~(unsigned int)(VNODE_CHANGES | VNODE_USES));
	touch();
	grow();
	kq_fence(kq);
	ASSERT_OK(vnode_add(kq, fd, 0, ~0u & ~VNODE_USES));
	touch();
	vnode_expect(kq, fd, NOTE_ATTRIB);
}

KQ_TEST_EACH(disabled, "KQ-175", "notes that come while disabled appear after EV_ENABLE", vnode_all)
{
	int kq, fd;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_OK(vnode_ctl(kq, fd, EV_DISABLE, 0));
	touch();
	grow();
	kq_fence(kq);
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	vnode_expect(kq, fd, NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND);
	/* From before it was disabled, and disabled from the start. */
	touch();
	ASSERT_OK(vnode_ctl(kq, fd, EV_DISABLE, 0));
	kq_fence(kq);
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR | EV_DISABLE, VNODE_CHANGES));
	touch();
	kq_fence(kq);
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	vnode_expect(kq, fd, NOTE_ATTRIB);
}

KQ_TEST(disable_keeps_the_mask, "KQ-053",
	"EV_DISABLE then EV_ENABLE with fflags 0 keep what was asked for")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", NOTE_ATTRIB);
	ASSERT_OK(vnode_ctl(kq, fd, EV_DISABLE, 0));
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	grow();
	kq_fence(kq);
	touch();
	vnode_expect(kq, fd, NOTE_ATTRIB);
}

KQ_TEST(missing, "KQ-031", "changes of a knote that does not exist fail ENOENT")
{
	static const unsigned int changes[] = { EV_DELETE, EV_ENABLE, EV_DISABLE, 0, EV_CLEAR };
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDONLY));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		ASSERT_ERR(vnode_ctl(kq, fd, changes[i], NOTE_ATTRIB), ENOENT);
	/* Another filter on the same descriptor is no such knote. */
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		ASSERT_ERR(vnode_ctl(kq, fd, changes[i], NOTE_ATTRIB), ENOENT);
	ASSERT_OK(vnode_add(kq, fd, 0, NOTE_ATTRIB));
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
	ASSERT_ERR(kq_del(kq, fd, EVFILT_VNODE), ENOENT);
}

KQ_TEST(oneshot, "KQ-064 KQ-171",
	"EV_ONESHOT: one event with all notes so far, then the knote is gone")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDONLY));
	ASSERT_OK(vnode_add(kq, fd, EV_ONESHOT, VNODE_CHANGES));
	kq_fence(kq);
	touch();
	grow();
	LEVEL_EVENT(kq_one(kq), fd, EV_ONESHOT, NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND);
	touch();
	kq_fence(kq);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_VNODE), ENOENT);
}

KQ_TEST(dispatch, "KQ-066 KQ-067",
	"EV_DISPATCH keeps recording; without EV_CLEAR it also keeps what it reported")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDONLY));
	ASSERT_OK(vnode_add(kq, fd, EV_DISPATCH, VNODE_CHANGES));
	touch();
	LEVEL_EVENT(kq_one(kq), fd, EV_DISPATCH, NOTE_ATTRIB);
	grow();
	kq_fence(kq);
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	LEVEL_EVENT(kq_one(kq), fd, EV_DISPATCH, NOTE_ATTRIB | NOTE_WRITE | NOTE_EXTEND);
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));

	ASSERT_OK(vnode_add(kq, fd, EV_DISPATCH | EV_CLEAR, VNODE_CHANGES));
	touch();
	LEVEL_EVENT(kq_one(kq), fd, EV_DISPATCH | EV_CLEAR, NOTE_ATTRIB);
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	kq_fence(kq);
	grow();
	LEVEL_EVENT(kq_one(kq), fd, EV_DISPATCH | EV_CLEAR, NOTE_WRITE | NOTE_EXTEND);
	touch();
	kq_fence(kq);
	ASSERT_OK(vnode_ctl(kq, fd, EV_ENABLE, 0));
	LEVEL_EVENT(kq_one(kq), fd, EV_DISPATCH | EV_CLEAR, NOTE_ATTRIB);
}

KQ_TEST(deleted, "KQ-059", "EV_DELETE discards what was recorded, EV_ADD starts with nothing")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	touch();
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	kq_fence(kq);
	touch();
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
	kq_fence(kq);
	grow();
	ASSERT_OK(vnode_add(kq, fd, EV_CLEAR, VNODE_CHANGES));
	kq_fence(kq);
	touch();
	vnode_expect(kq, fd, NOTE_ATTRIB);
}

KQ_TEST(udata, "KQ-049", "the last udata is returned, the notes stay")
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", NOTE_ATTRIB);
	touch();
	ASSERT_OK(kq_ctl(kq, fd, EVFILT_VNODE, EV_ENABLE, 0, 0, (void *)3));
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_ATTRIB, 0, (void *)3);
}

KQ_TEST(beside_other_filters, "KQ-047", "READ and VNODE of one descriptor are two knotes")
{
	struct kevent events[4];
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_EQ(lseek(fd, 0, SEEK_END), VNODE_SIZE);
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_fence(kq);
	grow();
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	ASSERT_NE(events[0].filter, events[1].filter);
	for (int i = 0; i < 2; i++) {
		if (events[i].filter == EVFILT_VNODE)
			VNODE_EVENT(events[i], fd, NOTE_WRITE | NOTE_EXTEND);
		else
			ASSERT_EVENT(events[i], fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1, NULL);
	}
}

/* Closing the number */

static void assert_unregistered(int kq, int number)
{
	int other;

	if (!fd_is_open(number)) {
		ASSERT_ERR(kq_del(kq, number, EVFILT_VNODE), EBADF);
		/* The same file under the same number is another registration. */
		other = ASSERT_SYS(open("g", O_RDONLY));
		if (other != number)
			fd_move(other, number);
	}
	ASSERT_ERR(kq_del(kq, number, EVFILT_VNODE), ENOENT);
	kq_fence(kq);
}

KQ_TEST_EACH(closed, "KQ-082 KQ-179",
	     "closing the watched number gives no event, an unlink afterwards neither", fd_ways)
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES | VNODE_USES);
	variant->close(fd);
	kq_fence(kq);
	touch();
	ASSERT_SYS(unlink("f"));
	kq_fence(kq);
	assert_unregistered(kq, fd);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(closed_pending, "KQ-082 KQ-088 KQ-179",
	     "closing the watched number discards what was recorded", fd_ways)
{
	int kq, fd;

	vnode_enter(&on_tmpfs);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	touch();
	variant->close(fd);
	kq_fence(kq);
	assert_unregistered(kq, fd);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(closed_everywhere, "KQ-082 KQ-179",
	     "nothing of a closed number is heard of the file system again", vnode_all)
{
	int kq, fd, directory;

	vnode_enter(variant);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES | VNODE_USES);
	directory = vnode_watch(kq, ".", VNODE_CHANGES | VNODE_USES);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(close(directory));
	touch();
	ASSERT_SYS(unlink("f"));
	ASSERT_SYS(mkdir("n", 0755));
	kq_fence(kq);
}
