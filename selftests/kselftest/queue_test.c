// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the queue as a descriptor: what read, write, ioctl, poll and epoll make
 * of it, and what its last close gives back.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "../stress/leak.h"
#include <sys/epoll.h>
#include <sys/select.h>

KQ_TEST(read_and_write_fail, "KQ-097", "read and write fail with ENXIO")
{
	int kq = kq_new();
	char bytes[64] = { 0 };

	ASSERT_ERRNO(read(kq, bytes, sizeof(bytes)), ENXIO);
	ASSERT_ERRNO(write(kq, bytes, sizeof(bytes)), ENXIO);
	/* Ready or not. */
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_ERRNO(read(kq, bytes, sizeof(bytes)), ENXIO);
}

KQ_TEST(foreign_ioctls_fail, "KQ-097",
	"FIONREAD and unknown ioctls fail with ENOTTY")
{
	int kq = kq_new(), value = 0;

	ASSERT_ERRNO(ioctl(kq, FIONREAD, &value), ENOTTY);
	ASSERT_ERRNO(ioctl(kq, TIOCGWINSZ, &value), ENOTTY);
	ASSERT_ERRNO(ioctl(kq, _IO(KQ_IOC_MAGIC, 0x7f), &value), ENOTTY);
	ASSERT_ERRNO(ioctl(kq, 0, NULL), ENOTTY);
}

KQ_TEST(file_operations_fail, "KQ-097",
	"lseek, ftruncate and mmap fail with ESPIPE, EINVAL and ENODEV")
{
	int kq = kq_new();

	ASSERT_ERRNO(lseek(kq, 0, SEEK_SET), ESPIPE);
	ASSERT_ERRNO(ftruncate(kq, 0), EINVAL);
	ASSERT_ERRNO((intptr_t)mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED,
				    kq, 0), ENODEV);
}

/* Readiness of the queue as poll(2), select(2) and epoll(7) see it. */

static bool by_poll(int kq, bool *other)
{
	struct pollfd entry = {
		.fd = kq, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP,
	};

	ASSERT_SYS(poll(&entry, 1, 0));
	*other = entry.revents & ~POLLIN;
	return entry.revents & POLLIN;
}

static bool by_select(int kq, bool *other)
{
	struct timeval now = { 0 };
	fd_set in, out, except;

	FD_ZERO(&in);
	FD_SET(kq, &in);
	out = in;
	except = in;
	ASSERT_SYS(select(kq + 1, &in, &out, &except, &now));
	*other = FD_ISSET(kq, &out) || FD_ISSET(kq, &except);
	return FD_ISSET(kq, &in);
}

static bool by_epoll(int kq, bool *other)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP,
	};
	int fd = ASSERT_SYS(epoll_create1(0));

	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
	event.events = 0;
	ASSERT_SYS(epoll_wait(fd, &event, 1, 0));
	close(fd);
	*other = event.events & ~EPOLLIN;
	return event.events & EPOLLIN;
}

static const struct {
	const char *name;
	bool (*readable)(int kq, bool *other);
} lookers[] = {
	{ "poll", by_poll },
	{ "select", by_select },
	{ "epoll", by_epoll },
};

#define ASSERT_READABLE(kq, wanted)					\
	do {								\
		bool other = true;					\
									\
		ASSERT_EQ(variant->readable(kq, &other), wanted);	\
		ASSERT_FALSE(other);					\
	} while (0)

KQ_TEST_EACH(readable_with_events, "KQ-098",
	     "readable while an event is there, never writable", lookers)
{
	int kq = kq_new(), fds[2];

	ASSERT_READABLE(kq, false);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_READABLE(kq, false);
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_READABLE(kq, true);
	ASSERT_EQ(kq_one(kq).ident, 1);
	kq_none(kq);
	ASSERT_READABLE(kq, false);
	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	ASSERT_READABLE(kq, true);
	/* Level: delivered, and still there. */
	ASSERT_EQ(kq_one(kq).ident, fds[0]);
	ASSERT_READABLE(kq, true);
	kq_drain(fds[0]);
	kq_none(kq);
	ASSERT_READABLE(kq, false);
}

KQ_TEST_EACH(not_readable_when_disabled, "KQ-098 KQ-058",
	     "an event that is disabled, deleted or closed away does not count",
	     lookers)
{
	int kq = kq_new(), fds[2];

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_READABLE(kq, true);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_DISABLE, 0, 0, NULL));
	ASSERT_READABLE(kq, false);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 0, NULL));
	ASSERT_READABLE(kq, true);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_READABLE(kq, false);
	kq_pipe(fds);
	kq_write(fds[1], "x", 1);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_READABLE(kq, true);
	close(fds[0]);
	ASSERT_READABLE(kq, false);
}

KQ_TEST_EACH(readable_after_seek, "KQ-098 KQ-131",
	     "readable when a kevent would find a file that was sought back",
	     lookers)
{
	char path[] = "/tmp/kq-seek-XXXXXX";
	int kq = kq_new(), fd = ASSERT_SYS(mkstemp(path));

	kq_write(fd, "abc", 3);
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, NULL));
	kq_none(kq);
	ASSERT_READABLE(kq, false);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	ASSERT_READABLE(kq, true);
	ASSERT_EQ(kq_one(kq).data, 3);
	unlink(path);
}

struct poller {
	int kq;
	volatile pid_t tid;
	short revents;
};

static void *poll_queue(void *argument)
{
	struct poller *poller = argument;

	poller->tid = kq_gettid();
	poller->revents = kq_await_poll(poller->kq, POLLIN | POLLOUT);
	return NULL;
}

KQ_TEST(event_wakes_poll, "KQ-098", "an event wakes a thread asleep in poll")
{
	struct poller poller = { .kq = kq_new() };
	pthread_t thread;

	ASSERT_OK(kq_add(poller.kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	thread = kq_thread(poll_queue, &poller);
	kq_await_sleeper(&poller.tid, SYS_poll);
	ASSERT_OK(kq_trigger(poller.kq, 1));
	kq_join(thread);
	ASSERT_EQ(poller.revents, POLLIN);
}

KQ_TEST(registration_wakes_poll, "KQ-098 KQ-080",
	"EV_ADD of a true condition wakes a thread asleep in poll")
{
	struct poller poller = { .kq = kq_new() };
	pthread_t thread;
	int fds[2];

	kq_pipe(fds);
	kq_write(fds[1], "x", 1);
	thread = kq_thread(poll_queue, &poller);
	kq_await_sleeper(&poller.tid, SYS_poll);
	ASSERT_OK(kq_add(poller.kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_join(thread);
	ASSERT_EQ(poller.revents, POLLIN);
}

KQ_TEST(each_event_is_an_edge, "KQ-098",
	"edge-triggered epoll on the queue reports each event after a drain")
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int kq = kq_new(), fd = ASSERT_SYS(epoll_create1(0));

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
	for (int i = 0; i < 100; i++) {
		ASSERT_OK(kq_trigger(kq, 1));
		ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
		ASSERT_EQ(kq_one(kq).ident, 1);
		kq_none(kq);
	}
}

KQ_TEST(nonblock_is_ignored, "KQ-098",
	"O_NONBLOCK on the queue does not keep kevent from waiting")
{
	int kq = kq_new();
	struct kevent event;
	long long start;

	ASSERT_SYS(fcntl(kq, F_SETFL, O_NONBLOCK));
	start = kq_now();
	ASSERT_EQ(kq_wait(kq, &event, 1, 50), 0);
	ASSERT_GE(kq_now() - start, 50 * KQ_MS);
}

KQ_TEST(last_close_of_a_full_queue, "KQ-105",
	"closing a queue with 10000 knotes and armed timers gives all back")
{
	enum { USERS = 10000, TIMERS = 2000, PIPES = 200 };
	struct leak_counts before;
	int fds[2];

	leak_count(&before);
	for (int round = 0; round < 3; round++) {
		int kq = kq_new();

		for (int i = 0; i < USERS; i++)
			ASSERT_OK(kq_add(kq, i, EVFILT_USER, 0,
					 i % 2 ? NOTE_TRIGGER : 0, 0, NULL));
		/* Some never fire, some fire all the time. */
		for (int i = 0; i < TIMERS; i++)
			ASSERT_OK(kq_add(kq, i, EVFILT_TIMER, 0, NOTE_USECONDS,
					 i % 2 ? 1000 : 1000000000, NULL));
		for (int i = 0; i < PIPES; i++) {
			kq_pipe(fds);
			ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0,
					 NULL));
			ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0,
					 NULL));
		}
		ASSERT_SYS(close(kq));
		ASSERT_SYS(syscall(SYS_close_range, 3, ~0U, 0));
	}
	ASSERT_EQ(leak_check(&before, 10), 0);
}
