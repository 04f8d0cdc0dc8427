// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the queue as a descriptor: what read, write, ioctl, poll and epoll make
 * of it, and what its last close gives back.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "../stress/leak.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
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

/* Threads asleep in each call that waits for a descriptor to be readable. */

static void sleep_in_poll(int kq)
{
	ASSERT_EQ(kq_await_poll(kq, POLLIN | POLLOUT), POLLIN);
}

static void sleep_in_select(int kq)
{
	fd_set in, except;

	FD_ZERO(&in);
	FD_SET(kq, &in);
	except = in;
	ASSERT_EQ(select(kq + 1, &in, NULL, &except, NULL), 1);
	ASSERT_TRUE(FD_ISSET(kq, &in));
}

static void sleep_in_epoll(int kq)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	int fd = ASSERT_SYS(epoll_create1(0));

	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
	ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
	ASSERT_EQ(event.events, EPOLLIN);
	ASSERT_SYS(close(fd));
}

static const struct sleeper {
	const char *name;
	void (*sleep)(int kq);
	int call;
} sleepers[] = {
	{ "poll", sleep_in_poll, SYS_poll },
	{ "select", sleep_in_select, SYS_pselect6 },
	{ "epoll", sleep_in_epoll, SYS_epoll_wait },
};

struct poller {
	const struct sleeper *sleeper;
	int kq;
	volatile pid_t tid;
};

static void *poll_queue(void *argument)
{
	struct poller *poller = argument;

	poller->tid = kq_gettid();
	poller->sleeper->sleep(poller->kq);
	return NULL;
}

static pthread_t start_poller(struct poller *poller)
{
	pthread_t thread = kq_thread(poll_queue, poller);

	kq_await_sleeper(&poller->tid, poller->sleeper->call);
	return thread;
}

KQ_TEST_EACH(event_wakes, "KQ-098", "an event wakes a thread asleep until the queue is readable",
	     sleepers)
{
	struct poller poller = { .sleeper = variant, .kq = kq_new() };
	pthread_t thread;

	ASSERT_OK(kq_add(poller.kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	thread = start_poller(&poller);
	ASSERT_OK(kq_trigger(poller.kq, 1));
	kq_join(thread);
}

KQ_TEST_EACH(registration_wakes, "KQ-098 KQ-080",
	     "EV_ADD of a true condition wakes a thread asleep until the queue is readable",
	     sleepers)
{
	struct poller poller = { .sleeper = variant, .kq = kq_new() };
	pthread_t thread;
	int fds[2];

	kq_pipe(fds);
	kq_write(fds[1], "x", 1);
	thread = start_poller(&poller);
	ASSERT_OK(kq_add(poller.kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_join(thread);
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

KQ_TEST(queued_event_is_no_new_edge, "KQ-098",
	"edge-triggered epoll hears once of an event that nobody takes, and of another one")
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET }, events[2];
	int kq = kq_new(), fd = ASSERT_SYS(epoll_create1(0)), fds[2];
	int fence = ASSERT_SYS(eventfd(0, EFD_CLOEXEC));

	kq_unix_stream(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	event.data.fd = kq;
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
	event.data.fd = fence;
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, fence, &event));

	kq_write(fds[1], "x", 1);
	ASSERT_EQ(epoll_wait(fd, events, 2, -1), 1);
	ASSERT_EQ(events[0].data.fd, kq);
	kq_write(fds[1], "y", 1);
	ASSERT_SYS(eventfd_write(fence, 1));
	ASSERT_EQ(epoll_wait(fd, events, 2, -1), 1);
	ASSERT_EQ(events[0].data.fd, fence);
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(epoll_wait(fd, events, 2, -1), 1);
	ASSERT_EQ(events[0].data.fd, kq);
}

/* Threads that share an epoll on the queue, and take what is there when it wakes them. */

#define CREW	4

struct crew {
	int kq, epoll, end;
	unsigned int taken;
};

static void *take_events(void *argument)
{
	struct crew *crew = argument;
	struct epoll_event event;
	struct kevent record;

	for (;;) {
		ASSERT_EQ(epoll_wait(crew->epoll, &event, 1, -1), 1);
		if (event.data.fd == crew->end)
			return NULL;
		ASSERT_EQ(event.events, EPOLLIN);
		for (int count; (count = kq_poll(crew->kq, &record, 1)); ) {
			ASSERT_EQ(count, 1);
			ASSERT_EQ(record.data, 0);
			__atomic_fetch_add(&crew->taken, 1, __ATOMIC_SEQ_CST);
		}
	}
}

static const struct {
	const char *name;
	unsigned int events;
} triggers[] = {
	{ "level", EPOLLIN },
	{ "edge", EPOLLIN | EPOLLET },
	{ "exclusive", EPOLLIN | EPOLLEXCLUSIVE },
};

KQ_TEST_EACH(epoll_of_a_crew, "KQ-098",
	     "of threads that share an epoll one takes each event of the queue, none is lost",
	     triggers)
{
	struct epoll_event event = { .events = variant->events };
	struct crew crew = { .kq = kq_new(), .epoll = ASSERT_SYS(epoll_create1(0)) };
	long long start = kq_now();
	pthread_t threads[CREW];
	int end[2];

	ASSERT_OK(kq_add(crew.kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	event.data.fd = crew.kq;
	ASSERT_SYS(epoll_ctl(crew.epoll, EPOLL_CTL_ADD, crew.kq, &event));
	kq_pipe(end);
	crew.end = end[0];
	event.data.fd = end[0];
	event.events = EPOLLIN;
	ASSERT_SYS(epoll_ctl(crew.epoll, EPOLL_CTL_ADD, end[0], &event));
	for (int i = 0; i < CREW; i++)
		threads[i] = kq_thread(take_events, &crew);
	for (unsigned int round = 1; kq_more(round, 1000, start); round++) {
		ASSERT_OK(kq_trigger(crew.kq, 1));
		while (__atomic_load_n(&crew.taken, __ATOMIC_SEQ_CST) < round)
			sched_yield();
		ASSERT_EQ(crew.taken, round);
	}
	kq_write(end[1], "x", 1);
	for (int i = 0; i < CREW; i++)
		kq_join(threads[i]);
	kq_none(crew.kq);
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
