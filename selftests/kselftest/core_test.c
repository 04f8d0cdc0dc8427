// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of the calls themselves: making a queue, the arguments of
 * kevent(), their order of checking, and timeouts.
 */
#include "kq_test.h"
#include "kq_wide.h"

#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static const struct timespec zero;

static struct kevent user_change(uintptr_t ident, unsigned int flags)
{
	struct kevent change;

	EV_SET(&change, ident, EVFILT_USER, flags, 0, 0, NULL);
	return change;
}

KQ_TEST(independent_queues, "KQ-011", "two calls give two queues that share nothing")
{
	int first = kq_new(), second = kq_new();

	ASSERT_GE(first, 0);
	ASSERT_NE(first, second);
	kq_none(first);
	ASSERT_OK(kq_add(first, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	kq_none(second);
	ASSERT_ERR(kq_del(second, 1, EVFILT_USER), ENOENT);
	ASSERT_OK(kq_add(second, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_OK(kq_del(first, 1, EVFILT_USER));
	ASSERT_OK(kq_trigger(second, 1));
	ASSERT_EQ(kq_one(second).ident, 1);
	kq_none(first);
}

KQ_TEST(lowest_descriptor, "KQ-011", "a queue takes the lowest free descriptor")
{
	int kq = kq_new(), other = kq_new();

	close(kq);
	ASSERT_EQ(kq_new(), kq);
	close(other);
}

static int is_cloexec(int fd)
{
	return !!(ASSERT_SYS(fcntl(fd, F_GETFD)) & FD_CLOEXEC);
}

KQ_TEST(close_on_exec, "KQ-012", "only those who ask for it get FD_CLOEXEC")
{
	ASSERT_EQ(is_cloexec(kq_new()), 0);
	ASSERT_EQ(is_cloexec(ASSERT_SYS(kqueue1(0))), 0);
	ASSERT_EQ(is_cloexec(ASSERT_SYS(kqueue1(O_CLOEXEC))), 1);
	ASSERT_EQ(is_cloexec(ASSERT_SYS(kqueue1(O_NONBLOCK))), 0);
	ASSERT_EQ(is_cloexec(ASSERT_SYS(kqueue1(O_CLOEXEC | O_NONBLOCK))), 1);
	ASSERT_EQ(is_cloexec(ASSERT_SYS(kqueuex(0))), 0);
	ASSERT_EQ(is_cloexec(ASSERT_SYS(kqueuex(KQUEUE_CLOEXEC))), 1);
}

KQ_TEST(unknown_creation_flags, "KQ-013", "kqueue1 and kqueuex refuse what they do not know")
{
	ASSERT_ERRNO(kqueue1(O_APPEND), EINVAL);
	ASSERT_ERRNO(kqueue1(O_CLOEXEC | O_DIRECT), EINVAL);
	ASSERT_ERRNO(kqueue1(-1), EINVAL);
	ASSERT_ERRNO(kqueuex(4), EINVAL);
	ASSERT_ERRNO(kqueuex(KQUEUE_CLOEXEC | 0x80000000u), EINVAL);
}

KQ_TEST(full_table, "KQ-014", "a full descriptor table gives EMFILE")
{
	struct rlimit limit = { 3, 3 };

	ASSERT_SYS(setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_ERRNO(kqueue(), EMFILE);
	ASSERT_ERRNO(kqueue1(O_CLOEXEC), EMFILE);
	close(0);
	ASSERT_EQ(kq_new(), 0);
	ASSERT_ERRNO(kqueue(), EMFILE);
}

KQ_TEST(closed_queue, "KQ-015", "a closed or impossible descriptor gives EBADF")
{
	struct kevent event;
	int kq = kq_new();

	close(kq);
	ASSERT_ERRNO(kevent(kq, NULL, 0, &event, 1, &zero), EBADF);
	ASSERT_ERRNO(kevent(kq, NULL, 0, NULL, 0, NULL), EBADF);
	ASSERT_ERRNO(kevent(-1, NULL, 0, &event, 1, &zero), EBADF);
	ASSERT_ERRNO(kevent(INT_MAX, NULL, 0, &event, 1, NULL), EBADF);
}

static int open_pipe_end(void)
{
	int fds[2];

	kq_pipe(fds);
	return fds[0];
}

static int open_file(void) { return memfd_create("kq", 0); }
static int open_null(void) { return open("/dev/null", O_RDWR); }
static int open_tty(void) { return posix_openpt(O_RDWR | O_NOCTTY); }
static int open_directory(void) { return open("/", O_RDONLY | O_DIRECTORY); }
static int open_socket(void) { return socket(AF_INET, SOCK_STREAM, 0); }
static int open_udp(void) { return socket(AF_INET, SOCK_DGRAM, 0); }
static int open_eventfd(void) { return eventfd(0, 0); }
static int open_timerfd(void) { return timerfd_create(CLOCK_MONOTONIC, 0); }
static int open_epoll(void) { return epoll_create1(0); }
static int open_path(void) { return open(KQ_TEST_DEVICE, O_PATH); }

static const struct {
	const char *name;
	int (*open)(void);
} foreign[] = {
	{ "pipe", open_pipe_end }, { "file", open_file }, { "null", open_null },
	{ "tty", open_tty }, { "directory", open_directory }, { "tcp", open_socket },
	{ "udp", open_udp }, { "eventfd", open_eventfd }, { "timerfd", open_timerfd },
	{ "epoll", open_epoll }, { "path", open_path },
};

KQ_TEST_EACH(foreign_descriptor, "KQ-016", "a descriptor that is no queue gives EBADF", foreign)
{
	struct kevent event, change = user_change(1, EV_ADD);
	int fd = ASSERT_SYS(variant->open());

	ASSERT_ERRNO(kevent(fd, &change, 1, NULL, 0, NULL), EBADF);
	ASSERT_ERRNO(kevent(fd, NULL, 0, &event, 1, NULL), EBADF);
	ASSERT_ERRNO(kevent(fd, NULL, 0, &event, 1, &zero), EBADF);
	ASSERT_ERRNO(kevent(fd, NULL, 0, NULL, 0, NULL), EBADF);
}

KQ_TEST(negative_counts, "KQ-017", "negative counts give EINVAL before memory is touched")
{
	struct kevent *bad = kq_bad_page(PROT_NONE), event = { .ident = 99 };
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_ERRNO(kevent(kq, bad, -1, NULL, 0, NULL), EINVAL);
	ASSERT_ERRNO(kevent(kq, bad, INT_MIN, bad, 1, &zero), EINVAL);
	ASSERT_ERRNO(kevent(kq, bad, 1, bad, -1, &zero), EINVAL);
	ASSERT_ERRNO(kevent(kq, bad, 1, bad, INT_MIN, NULL), EINVAL);
	ASSERT_ERRNO(kevent(kq, NULL, 0, bad, -1, (void *)bad), EINVAL);
	ASSERT_ERRNO(kevent(kq, NULL, 0, &event, -1, &zero), EINVAL);
	ASSERT_EQ(event.ident, 99);
}

KQ_TEST(bad_changelist, "KQ-018", "an unreadable changelist gives EFAULT")
{
	struct kevent event;
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, NULL, 1, NULL, 0, NULL), EFAULT);
	ASSERT_ERRNO(kevent(kq, NULL, 1, &event, 1, &zero), EFAULT);
	ASSERT_ERRNO(kevent(kq, kq_bad_page(PROT_NONE), 1, NULL, 0, NULL), EFAULT);
	ASSERT_ERRNO(kevent(kq, kq_bad_page(PROT_NONE), INT_MAX, NULL, 0, NULL), EFAULT);
}

KQ_TEST(changelist_ends_in_bad_memory, "KQ-018", "changes read before the fault stay applied, without a gap")
{
	enum { COUNT = 1024 };
	size_t size = COUNT * sizeof(struct kevent);
	struct kevent *changes = mmap(NULL, size + getpagesize(), PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int kq = kq_new(), applied = 0;

	ASSERT_TRUE(changes != MAP_FAILED);
	ASSERT_SYS(mprotect((char *)changes + size, getpagesize(), PROT_NONE));
	for (int i = 0; i < COUNT; i++)
		changes[i] = user_change(i, EV_ADD);
	ASSERT_ERRNO(kevent(kq, changes, COUNT + 1, NULL, 0, NULL), EFAULT);
	while (applied < COUNT && !kq_del(kq, applied, EVFILT_USER))
		applied++;
	ASSERT_GE(applied, 1);
	for (int i = applied; i < COUNT; i++)
		ASSERT_ERR(kq_del(kq, i, EVFILT_USER), ENOENT);
}

KQ_TEST(bad_timeout_address, "KQ-020", "an unreadable timeout gives EFAULT, and no change was applied")
{
	struct kevent event, change = user_change(1, EV_ADD);
	const struct timespec *bad = kq_bad_page(PROT_NONE);
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, NULL, 0, &event, 1, bad), EFAULT);
	ASSERT_ERRNO(kevent(kq, &change, 1, &event, 1, bad), EFAULT);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
	/* Without room for events the timeout means nothing. */
	ASSERT_EQ(kevent(kq, &change, 1, NULL, 0, bad), 0);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
}

static const struct {
	const char *name;
	struct timespec timeout;
} bad_timeouts[] = {
	{ "nsec_1e9", { 0, 1000000000 } },
	{ "nsec_negative", { 0, -1 } },
	{ "nsec_max", { 1, LONG_MAX } },
	{ "sec_negative", { -1, 0 } },
	{ "sec_min", { LONG_MIN, 0 } },
	{ "both_negative", { -1, -1 } },
};

KQ_TEST_EACH(bad_timeout, "KQ-021", "an invalid timeout gives EINVAL before any change", bad_timeouts)
{
	struct kevent event, change = user_change(1, EV_ADD);
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, &change, 1, &event, 1, &variant->timeout), EINVAL);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
	ASSERT_ERRNO(kevent(kq, NULL, 0, &event, 1, &variant->timeout), EINVAL);
}

KQ_TEST_EACH(bad_timeout_unused, "KQ-023", "with nevents 0 an invalid timeout is not looked at", bad_timeouts)
{
	struct kevent change = user_change(1, EV_ADD);
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, &change, 1, NULL, 0, &variant->timeout), 0);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
}

KQ_TEST(no_room, "KQ-022", "nevents 0 returns at once, whatever is ready and whatever the timeout")
{
	const struct timespec hour = { 3600, 0 };
	struct kevent event = { .ident = 99 }, change = user_change(1, EV_ADD);
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, NULL, 0, NULL, 0, NULL), 0);
	ASSERT_EQ(kevent(kq, NULL, 0, NULL, 0, &hour), 0);
	ASSERT_EQ(kevent(kq, &change, 1, &event, 0, NULL), 0);
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kevent(kq, NULL, 0, &event, 0, NULL), 0);
	ASSERT_EQ(event.ident, 99);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST(order_of_checks, "KQ-015 KQ-017 KQ-020 KQ-021", "the first of several errors in one call is the one reported")
{
	const struct timespec invalid = { -1, 0 };
	struct kevent *bad = kq_bad_page(PROT_NONE);
	int kq = kq_new(), closed = kq_new();

	close(closed);
	/* descriptor, counts, address of the timeout, its value, changelist */
	ASSERT_ERRNO(kevent(closed, bad, -1, bad, -1, (void *)bad), EBADF);
	ASSERT_ERRNO(kevent(closed, bad, 1, bad, 1, (void *)bad), EBADF);
	ASSERT_ERRNO(kevent(kq, bad, -1, bad, 1, (void *)bad), EINVAL);
	ASSERT_ERRNO(kevent(kq, bad, -1, bad, 1, &zero), EINVAL);
	ASSERT_ERRNO(kevent(kq, bad, 1, bad, 1, &invalid), EINVAL);
	ASSERT_ERRNO(kevent(kq, bad, 1, bad, 1, &zero), EFAULT);
}

KQ_TEST(poll, "KQ-024", "a zero timeout with nothing ready returns 0 at once")
{
	struct kevent event = { .ident = 99 };
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_EQ(kevent(kq, NULL, 0, &event, 1, &zero), 0);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_EQ(kevent(kq, NULL, 0, &event, 1, &zero), 0);
	ASSERT_EQ(event.ident, 99);
}

static const struct {
	const char *name;
	long long ns;
} timeouts[] = {
	{ "1ns", 1 },
	{ "999us", 999000 },
	{ "50ms", 50 * KQ_MS },
	{ "1001ms", 1001 * KQ_MS },
};

KQ_TEST_EACH(timeout, "KQ-025", "a timeout returns 0, and never early", timeouts)
{
	struct timespec timeout = { variant->ns / KQ_SEC, variant->ns % KQ_SEC };
	struct kevent event;
	int kq = kq_new(), fds[2];
	long long start;

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	for (int i = 0; i < 3; i++) {
		start = kq_now();
		ASSERT_EQ(kevent(kq, NULL, 0, &event, 1, &timeout), 0);
		ASSERT_GE(kq_now() - start, variant->ns);
	}
}

struct noise {
	int fds[2];
	volatile bool stop;
};

/* Wakes whoever sleeps on the write space of fds[0], again and again. */
static void *make_noise(void *argument)
{
	struct noise *noise = argument;

	while (!noise->stop) {
		kq_write(noise->fds[0], "x", 1);
		kq_drain(noise->fds[1]);
	}
	return NULL;
}

KQ_TEST(timeout_with_noise, "KQ-025", "wake-ups without an event neither end nor restart the wait")
{
	struct noise noise = { .stop = false };
	struct kevent event;
	long long start;
	pthread_t thread;
	int kq = kq_new();

	kq_unix_stream(noise.fds);
	ASSERT_OK(kq_add(kq, noise.fds[0], EVFILT_READ, 0, 0, 0, NULL));
	thread = kq_thread(make_noise, &noise);
	/* A wait that is restarted by each wake-up does not end before the limit of the case. */
	start = kq_now();
	ASSERT_EQ(kq_wait(kq, &event, 1, 300), 0);
	ASSERT_GE(kq_now() - start, 300 * KQ_MS);
	noise.stop = true;
	kq_join(thread);
}

static const struct {
	const char *name;
	long long seconds;
	long nanoseconds;
	bool null;
} long_timeouts[] = {
	{ "null", 0, 0, true },
	{ "2^31-1", 0x7fffffff, 0, false },
	{ "2^31", 0x80000000, 0, false },
	{ "2^34", 1LL << 34, 0, false },	/* more than 63 bits of nanoseconds */
	{ "2^40", 1LL << 40, 0, false },
	{ "2^63-1", INT64_MAX, 999999999, false },
};

/* In a program whose seconds have 32 bits. */
struct wide_waiter {
	struct kq_waiter waiter;
	int64_t limit[2];
};

static void *run_wide_waiter(void *argument)
{
	struct wide_waiter *wide = argument;
	struct kq_event event = { 0 };

	wide->waiter.tid = kq_gettid();
	wide->waiter.result = wide_wait(wide->waiter.kq, &event, wide->limit);
	wide->waiter.event.ident = event.ident;
	return NULL;
}

KQ_TEST_EACH(long_timeout, "KQ-026", "a huge timeout waits until there is an event", long_timeouts)
{
	struct timespec timeout = { variant->seconds, variant->nanoseconds };
	struct wide_waiter wide = {
		.waiter.kq = kq_new(), .limit = { variant->seconds, variant->nanoseconds },
	};
	struct kq_waiter *waiter = &wide.waiter;

	waiter->timeout = variant->null ? NULL : &timeout;
	ASSERT_OK(kq_add(waiter->kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	if (timeout.tv_sec == variant->seconds) {
		kq_start_sleeper(waiter);
	} else {
		waiter->thread = kq_thread(run_wide_waiter, &wide);
		kq_await_waiter(&waiter->tid);
	}
	ASSERT_OK(kq_trigger(waiter->kq, 1));
	kq_join(waiter->thread);
	ASSERT_EQ(waiter->result, 1);
	ASSERT_EQ(waiter->event.ident, 1);
}
