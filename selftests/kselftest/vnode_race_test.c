// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the race of a watched inode that loses its last name, for which the
 * kernel drops all marks, with the knotes that come and go at that moment.
 */
#include "kq_test.h"

static int kq, fd, rounds;
static bool by_close;
static pthread_barrier_t gate;
static int result;

static void *unlink_last_name(void *argument)
{
	for (int round = 0; round < rounds; round++) {
		pthread_barrier_wait(&gate);
		if (unlink("h"))
			result = -errno;
		pthread_barrier_wait(&gate);
	}
	return argument;
}

static const struct {
	const char *name;
	bool close;
} ends[] = {
	{ "closed", true },
	{ "deleted", false },
};

KQ_TEST_EACH(last_name_goes, "KQ-157 KQ-179",
	     "a knote may go while its inode loses the last name, another one stays and hears on", ends)
{
	pthread_t thread;

	ASSERT_SYS(chdir("/tmp"));
	by_close = variant->close;
	kq = kq_new();
	rounds = kq_quick() ? 200 : 1500;
	pthread_barrier_init(&gate, NULL, 2);
	thread = kq_thread(unlink_last_name, NULL);
	for (int round = 0; round < rounds; round++) {
		struct kevent event;
		int other;

		fd = ASSERT_SYS(open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
		other = ASSERT_SYS(open("f", O_RDWR));
		ASSERT_SYS(link("f", "h"));
		ASSERT_SYS(unlink("f"));
		ASSERT_OK(kq_add(kq, fd, EVFILT_VNODE, EV_CLEAR, NOTE_ATTRIB, 0, NULL));
		ASSERT_OK(kq_add(kq, other, EVFILT_VNODE, EV_CLEAR, NOTE_EXTEND, 0, NULL));
		pthread_barrier_wait(&gate);
		if (by_close)
			close(fd);
		else
			ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
		pthread_barrier_wait(&gate);
		ASSERT_EQ(result, 0);
		kq_write(other, "x", 1);
		event = kq_one(kq);
		ASSERT_EQ(event.ident, (uintptr_t)other);
		ASSERT_EQ(event.fflags, NOTE_WRITE | NOTE_EXTEND);
		close(other);
		if (!by_close)
			close(fd);
	}
	kq_join(thread);
}

