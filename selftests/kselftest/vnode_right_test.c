// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a vnode knote takes the right to read the file: what
 * others do to it would tell about its contents.
 */
#include "kq_test.h"
#include "kq_user.h"

#define PATH	"/tmp/kq-right"

static const struct user stranger = { USER_A, USER_A, 0 };

/* How a process without privileges opens a file of root with this mode. */
static const struct {
	const char *name;
	mode_t mode;
	int flags;
	int wanted;
} ways[] = {
	{ "path_of_a_secret", 0600, O_PATH, -EACCES },
	{ "path_of_a_public_file", 0644, O_PATH, 0 },
	{ "write_only", 0622, O_WRONLY, -EACCES },
	{ "write_only_of_a_public_file", 0666, O_WRONLY, 0 },
	{ "read_only", 0644, O_RDONLY, 0 },
};

KQ_TEST_EACH(another_users_file, "KQ-178", "without the right to read a file its events are refused", ways)
{
	int file = ASSERT_SYS(open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0600));
	pid_t child;

	ASSERT_SYS(fchmod(file, variant->mode));
	child = kq_fork();
	if (!child) {
		int kq, fd;

		user_become(&stranger);
		fd = ASSERT_SYS(open(PATH, variant->flags));
		kq = kq_new();
		ASSERT_EQ(kq_add(kq, fd, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE | NOTE_READ, 0, NULL),
			  variant->wanted);
		ASSERT_EQ(kq_del(kq, fd, EVFILT_VNODE), variant->wanted ? -ENOENT : 0);
		_exit(0);
	}
	kq_reap(child);
	unlink(PATH);
}

KQ_TEST(opened_before, "KQ-178", "a descriptor opened for reading keeps the right it came with")
{
	int file = ASSERT_SYS(open(PATH, O_RDWR | O_CREAT | O_TRUNC, 0600));
	pid_t child = kq_fork();

	if (!child) {
		int kq;

		user_become(&stranger);
		kq = kq_new();
		ASSERT_OK(kq_add(kq, file, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE, 0, NULL));
		kq_write(file, "x", 1);
		ASSERT_EVENT(kq_one(kq), file, EVFILT_VNODE, EV_ADD | EV_CLEAR,
			     NOTE_WRITE | NOTE_EXTEND, 0, NULL);
		_exit(0);
	}
	kq_reap(child);
	unlink(PATH);
}

