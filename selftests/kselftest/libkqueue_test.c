// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that libkq does for libkqueue: the queries of EVFILT_LIBKQUEUE, which the library
 * answers and the kernel refuses, and a program linked with libkqueue.
 */
#define KQ_LIBKQUEUE_QUERIES

#include "kq_test.h"

#include <linux/kqueue.h>
#include <sys/ioctl.h>

static const struct timespec zero;
static int mark;

/* kevent() takes another way where a second thread exists. */
static const struct {
	const char *name;
	bool many;
} threads[] = {
	{ "one_thread", false },
	{ "many_threads", true },
};

static int new_queue(bool many)
{
	if (many)
		kq_thread(kq_idle_thread, NULL);
	return kq_new();
}

static struct kevent query(unsigned int note, unsigned int flags)
{
	struct kevent change;

	EV_SET(&change, 0, EVFILT_LIBKQUEUE, EV_ADD | flags, note, 0, &mark);
	return change;
}

static struct kevent user(uintptr_t ident, unsigned int flags, unsigned int fflags)
{
	struct kevent change;

	EV_SET(&change, ident, EVFILT_USER, flags, fflags, 0, &mark);
	return change;
}

KQ_TEST_EACH(version, "KQ-006", "NOTE_VERSION is answered with one entry whose data is not zero", threads)
{
	struct kevent ask = query(NOTE_VERSION, 0), answer[2];
	int kq = new_queue(variant->many);

	/* Neither events nor a wait come in between. */
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kevent(kq, &ask, 1, answer, 2, NULL), 1);
	ASSERT_NE(answer[0].data, 0);
	ASSERT_EVENT(answer[0], 0, EVFILT_LIBKQUEUE, EV_ADD | EV_RECEIPT, NOTE_VERSION,
		     answer[0].data, &mark);
	/* Asking registers nothing. */
	ASSERT_ERR(kq_del(kq, 0, EVFILT_LIBKQUEUE), ENOENT);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST_EACH(version_string, "KQ-007", "NOTE_VERSION_STR is answered with the address of a text", threads)
{
	struct kevent ask = query(NOTE_VERSION_STR, 0), number = query(NOTE_VERSION, 0);
	int kq = new_queue(variant->many);
	unsigned int major, minor, patch;

	ASSERT_EQ(kevent(kq, &number, 1, &number, 1, &zero), 1);
	ASSERT_EQ(kevent(kq, &ask, 1, &ask, 1, &zero), 1);
	ASSERT_EQ(ask.flags, EV_ADD | EV_RECEIPT);
	ASSERT_TRUE(ask.udata != &mark);
	ASSERT_EQ(sscanf(ask.udata, "%u.%u.%u", &major, &minor, &patch), 3);
	ASSERT_EQ(number.data, major << 24 | minor << 16 | patch << 8);
}

static const struct {
	const char *name;
	unsigned int note;
	intptr_t data;
} requests[] = {
	{ "thread_safe", NOTE_THREAD_SAFE, 1 },
	{ "fork_cleanup", NOTE_FORK_CLEANUP, 1 },
	{ "debug", NOTE_DEBUG, 0 },
	{ "debug_prefix", NOTE_DEBUG_PREFIX, 0 },
	{ "debug_func", NOTE_DEBUG_FUNC, 0 },
};

KQ_TEST_EACH(request, "", "a request succeeds, and has an entry if it asks for a receipt", requests)
{
	struct kevent silent = query(variant->note, 0), loud = query(variant->note, EV_RECEIPT);
	struct kevent entry;
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, &silent, 1, NULL, 0, NULL), 0);
	ASSERT_EQ(kevent(kq, &silent, 1, &entry, 1, &zero), 0);
	ASSERT_EQ(kevent(kq, &loud, 1, NULL, 0, NULL), 0);
	ASSERT_EQ(kevent(kq, &loud, 1, &entry, 1, NULL), 1);
	ASSERT_EVENT(entry, 0, EVFILT_LIBKQUEUE, EV_ADD | EV_RECEIPT, variant->note,
		     variant->data, &mark);
}

static const struct {
	const char *name;
	unsigned int flags, note;
	int error;
} refused[] = {
	{ "no_note", EV_ADD, 0, EINVAL },
	{ "unknown_note", EV_ADD, 9, EINVAL },
	{ "poll_interval", EV_ADD, NOTE_FILE_POLL_INTERVAL, ENOSYS },
	{ "no_action", 0, NOTE_VERSION, ENOENT },
	{ "delete", EV_DELETE, NOTE_VERSION, ENOENT },
	{ "contradiction", EV_ADD | EV_ENABLE | EV_DISABLE, NOTE_VERSION, EINVAL },
};

KQ_TEST_EACH(refused, "KQ-033 KQ-034", "a query that fails does so as any change", refused)
{
	struct kevent ask = query(variant->note, 0), entry;
	int kq = kq_new();

	ask.flags = variant->flags;
	ASSERT_ERRNO(kevent(kq, &ask, 1, NULL, 0, NULL), variant->error);
	ASSERT_EQ(kevent(kq, &ask, 1, &entry, 1, NULL), 1);
	ASSERT_EVENT(entry, 0, EVFILT_LIBKQUEUE, variant->flags | EV_ERROR, variant->note,
		     variant->error, &mark);
}

KQ_TEST_EACH(mixed, "KQ-044 KQ-046", "queries keep their place in one array of changes and entries", threads)
{
	enum { ROUNDS = 8, EACH = 5 };
	struct kevent list[ROUNDS * EACH];
	int kq = new_queue(variant->many);

	for (int i = 0; i < ROUNDS; i++) {
		list[i * EACH] = query(NOTE_THREAD_SAFE, 0);
		list[i * EACH + 1] = user(i, EV_ADD, 0);
		list[i * EACH + 2] = query(NOTE_VERSION, 0);
		list[i * EACH + 3] = user(100 + i, EV_DELETE, 0);
		list[i * EACH + 4] = user(i, EV_RECEIPT, NOTE_TRIGGER);
	}
	ASSERT_EQ(kevent(kq, list, ARRAY_SIZE(list), list, ARRAY_SIZE(list), NULL), ROUNDS * 3);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(list[i * 3].fflags, NOTE_VERSION);
		ASSERT_NE(list[i * 3].data, 0);
		ASSERT_EVENT(list[i * 3 + 1], 100 + i, EVFILT_USER, EV_DELETE | EV_ERROR, 0, ENOENT,
			     &mark);
		ASSERT_EVENT(list[i * 3 + 2], i, EVFILT_USER, EV_RECEIPT | EV_ERROR, NOTE_TRIGGER,
			     0, &mark);
	}
	ASSERT_EQ(kq_poll(kq, list, ARRAY_SIZE(list)), ROUNDS);
}

KQ_TEST_EACH(silent_requests_then_events, "KQ-038", "requests alone do not end the call", threads)
{
	struct kevent list[] = {
		query(NOTE_THREAD_SAFE, 0), user(1, EV_ADD | EV_CLEAR, NOTE_TRIGGER | 5),
		query(NOTE_FORK_CLEANUP, 0),
	};
	struct timespec limit = { .tv_nsec = 20 * KQ_MS };
	int kq = new_queue(variant->many);
	long long start;

	ASSERT_EQ(kevent(kq, list, 3, list, 3, NULL), 1);
	ASSERT_EVENT(list[0], 1, EVFILT_USER, EV_ADD | EV_CLEAR, 5, 0, &mark);
	list[0] = query(NOTE_DEBUG, 0);
	start = kq_now();
	ASSERT_EQ(kevent(kq, list, 1, list, 3, &limit), 0);
	ASSERT_GE(kq_now() - start, 20 * KQ_MS);
}

KQ_TEST_EACH(no_room, "KQ-034 KQ-037 KQ-041", "without room queries may come first", threads)
{
	enum { COUNT = 5 };
	struct kevent *list = kq_bad_page(PROT_READ | PROT_WRITE);
	int kq = new_queue(variant->many);

	list[0] = query(NOTE_VERSION, 0);
	list[1] = query(NOTE_THREAD_SAFE, EV_RECEIPT);
	list[2] = user(1, EV_ADD, 0);
	list[3] = user(2, EV_DELETE, 0);
	list[4] = user(3, EV_ADD, 0);
	/* Nothing is written to it. */
	ASSERT_SYS(mprotect(list, getpagesize(), PROT_READ));
	ASSERT_ERRNO(kevent(kq, list, COUNT, NULL, 0, NULL), ENOENT);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_ERR(kq_del(kq, 3, EVFILT_USER), ENOENT);
	ASSERT_EQ(kevent(kq, list, 3, NULL, 0, NULL), 0);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
}

KQ_TEST(behind_changes_without_room, "", "a query behind other changes fails without room")
{
	struct kevent list[] = {
		user(1, EV_ADD, 0), query(NOTE_THREAD_SAFE, 0), user(2, EV_ADD, 0),
	};
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, list, 3, NULL, 0, NULL), EINVAL);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_ERR(kq_del(kq, 2, EVFILT_USER), ENOENT);
}

KQ_TEST_EACH(bad_changelist, "KQ-018", "the library does not read a changelist the kernel could not", threads)
{
	size_t page = getpagesize();
	char *memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kevent *last = (struct kevent *)(memory + page) - 1, room[2];
	int kq = new_queue(variant->many);

	/* A query, then an address that cannot be read. */
	ASSERT_TRUE(memory != MAP_FAILED);
	ASSERT_SYS(mprotect(memory + page, page, PROT_NONE));
	*last = query(NOTE_VERSION, 0);
	ASSERT_ERRNO(kevent(kq, last, 2, NULL, 0, NULL), EFAULT);
	ASSERT_ERRNO(kevent(kq, last, 2, room, 2, NULL), EFAULT);
	for (int count = 1; count <= 2; count++) {
		ASSERT_ERRNO(kevent(kq, last + 1, count, NULL, 0, NULL), EFAULT);
		ASSERT_ERRNO(kevent(kq, last + 1, count, room, 2, NULL), EFAULT);
	}
	ASSERT_EQ(kevent(kq, last, 1, room, 2, NULL), 1);
}

KQ_TEST(refused_by_the_kernel, "", "the kernel knows no such filter; the library goes by its EINVAL")
{
	struct kevent change = query(NOTE_VERSION, 0);
	int kq = kq_new();
	struct kq_kevent call = {
		.changelist = (uintptr_t)&change, .nchanges = 1, .record_size = sizeof(change),
	};

	ASSERT_ERRNO(ioctl(kq, KQ_IOC_KEVENT, &call), EINVAL);
}

KQ_TEST(program_linked_with_libkqueue, "KQ-006 KQ-007", "runs unchanged when this library is found in its place")
{
	pid_t pid = kq_fork();

	if (!pid) {
		setenv("LD_LIBRARY_PATH", KQ_COMPAT, 1);
		execl(KQ_PROGRAM, KQ_PROGRAM, NULL);
		KQ_FAIL_NOW("exec %s: %s", KQ_PROGRAM, kq_errno_name(errno));
	}
	kq_reap(pid);
}
