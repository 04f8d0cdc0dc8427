// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the call that stops in the middle because a page of its arrays is not
 * there and takes its time to come: nobody else waits for it.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_mptcp.h"
#include <linux/userfaultfd.h>
#include <sys/inotify.h>

/* Two pages; the second one comes when the test lets it. */
struct region {
	char *pages;
	long size;
	int uffd;
};

static struct region make_region(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area;
	struct region region = { .size = getpagesize() };

	region.uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (region.uffd < 0)
		KQ_SKIP("needs root and a kernel with userfaultfd");
	ASSERT_SYS(ioctl(region.uffd, UFFDIO_API, &api));
	region.pages = mmap(NULL, 2 * region.size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(region.pages != MAP_FAILED);
	memset(region.pages, 0, region.size);
	area = (struct uffdio_register){
		.range.start = (uintptr_t)region.pages + region.size,
		.range.len = region.size,
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	ASSERT_SYS(ioctl(region.uffd, UFFDIO_REGISTER, &area));
	return region;
}

/* Returns when a thread waits for the page. */
static void await_fault(const struct region *region)
{
	kq_await_poll(region->uffd, POLLIN);
}

static void provide(const struct region *region)
{
	struct uffdio_zeropage page = {
		.range.start = (uintptr_t)region->pages + region->size,
		.range.len = region->size,
	};

	ASSERT_SYS(ioctl(region->uffd, UFFDIO_ZEROPAGE, &page));
}

/* The arrays of a call, laid so that entry `ahead` is the first to fault. */
static struct kevent *entries_before(const struct region *region, int ahead)
{
	return (struct kevent *)(region->pages + region->size) - ahead;
}

struct caller {
	const struct fd_entry *entry;
	int kq;
	const struct kevent *changes;
	int nchanges;
	struct kevent *events;
	int nevents;
	volatile bool left;
	int result;
	pthread_t thread;
};

static void *call(void *argument)
{
	static const struct timespec zero;
	struct caller *caller = argument;

	caller->result = caller->entry->kevent(caller->kq, caller->changes,
					       caller->nchanges, caller->events,
					       caller->nevents, &zero);
	if (caller->result < 0)
		caller->result = -errno;
	caller->left = true;
	return NULL;
}

static void start(struct caller *caller, const struct region *region)
{
	caller->thread = kq_thread(call, caller);
	await_fault(region);
}

static void finish(struct caller *caller, const struct region *region)
{
	ASSERT_FALSE(caller->left);
	provide(region);
	kq_join(caller->thread);
}

KQ_TEST_EACH(others_go_on_during_delivery, "KQ-246 KQ-079",
	     "a fault at the eventlist does not hold up the queue", fd_entries)
{
	struct region region = make_region();
	struct caller caller = {
		.entry = variant, .kq = kq_new(),
		.events = entries_before(&region, 0), .nevents = 4,
	};

	ASSERT_OK(kq_add(caller.kq, 77, EVFILT_USER, EV_CLEAR, NOTE_TRIGGER, 0,
			 NULL));
	start(&caller, &region);
	/* What could not be written is there for the next to ask. */
	ASSERT_EQ(kq_one(caller.kq).ident, 77);
	fd_assert_queue_works(caller.kq);
	finish(&caller, &region);
	ASSERT_EQ(caller.result, 0);
	kq_none(caller.kq);
}

KQ_TEST_EACH(others_go_on_during_changes, "KQ-246 KQ-035",
	     "a fault in the changelist does not hold up the queue", fd_entries)
{
	enum { GOOD = 40 };
	struct region region = make_region();
	struct caller caller = {
		.entry = variant, .kq = kq_new(),
		.changes = entries_before(&region, GOOD), .nchanges = GOOD + 1,
	};
	struct kevent *changes = entries_before(&region, GOOD);

	for (int i = 0; i < GOOD; i++)
		EV_SET(&changes[i], 100 + i, EVFILT_USER, EV_ADD, 0, 0, NULL);
	start(&caller, &region);
	fd_assert_queue_works(caller.kq);
	finish(&caller, &region);
	/* The page of zeros holds a change of filter 0. */
	ASSERT_EQ(caller.result, -EINVAL);
	for (int i = 0; i < GOOD; i++)
		ASSERT_OK(kq_del(caller.kq, 100 + i, EVFILT_USER));
}

KQ_TEST_EACH(number_closes_during_delivery, "KQ-090 KQ-082",
	     "a number closed while its event is copied out is closed at once",
	     fd_entries)
{
	struct region region = make_region();
	struct caller caller = {
		.entry = variant, .kq = kq_new(),
		.events = entries_before(&region, 0), .nevents = 4,
	};
	int fds[2];

	kq_unix_stream(fds);
	ASSERT_OK(kq_add(caller.kq, fds[0], EVFILT_WRITE, 0, 0, 0, NULL));
	start(&caller, &region);
	ASSERT_SYS(close(fds[0]));
	fd_await_eof(fds[1]);
	kq_fence(caller.kq);
	finish(&caller, &region);
	/* It was ready when it was taken. */
	ASSERT_TRUE(caller.result == 1 || caller.result == 0);
	kq_fence(caller.kq);
	ASSERT_ERR(kq_del(caller.kq, fds[0], EVFILT_WRITE), EBADF);
	fd_assert_no_missed(caller.kq);
}

/* What tells its bytes only when it is asked, with some to tell. */

static int asked_inotify(void)
{
	int fd = ASSERT_SYS(inotify_init1(IN_CLOEXEC));

	ASSERT_SYS(inotify_add_watch(fd, "/tmp", IN_OPEN));
	ASSERT_SYS(close(ASSERT_SYS(open("/tmp", O_RDONLY))));
	return fd;
}

static int asked_mptcp(void)
{
	struct sockaddr_in address;
	int listener = mptcp_listener(&address), client = mptcp_socket(0), fd;

	ASSERT_SYS(connect(client, (struct sockaddr *)&address, sizeof(address)));
	fd = ASSERT_SYS(accept(listener, NULL, NULL));
	kq_write(client, "x", 1);
	kq_await_poll(fd, POLLIN);
	return fd;
}

static const struct {
	const char *name;
	int (*make)(void);
} asked[] = {
	{ "inotify", asked_inotify },
	{ "mptcp", asked_mptcp },
};

KQ_TEST_EACH(number_closes_during_question, "KQ-090 KQ-082",
	     "a number closed while another one's bytes are asked for, at the eventlist, is closed at once",
	     asked)
{
	struct region region = make_region();
	struct caller caller = {
		.entry = &fd_entries[0], .kq = kq_new(),
		.events = entries_before(&region, 0), .nevents = 4,
	};
	int fds[2];

	ASSERT_OK(kq_add(caller.kq, variant->make(), EVFILT_READ, 0, 0, 0, NULL));
	kq_unix_stream(fds);
	ASSERT_OK(kq_add(caller.kq, fds[0], EVFILT_WRITE, 0, 0, 0, NULL));
	start(&caller, &region);
	ASSERT_SYS(close(fds[0]));
	fd_await_eof(fds[1]);
	finish(&caller, &region);
	ASSERT_EQ(caller.result, 1);
	fd_assert_no_missed(caller.kq);
}

KQ_TEST_EACH(queue_closes_during_delivery, "KQ-104 KQ-105",
	     "the last close of the queue waits for no page", fd_entries)
{
	struct region region = make_region();
	struct caller caller = {
		.entry = variant, .kq = kq_new(),
		.events = entries_before(&region, 0), .nevents = 4,
	};
	int fds[2];

	kq_unix_stream(fds);
	ASSERT_OK(kq_add(caller.kq, 77, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_OK(kq_add(caller.kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	start(&caller, &region);
	ASSERT_SYS(close(caller.kq));
	ASSERT_SYS(close(fds[0]));
	fd_assert_eof(fds[1]);
	finish(&caller, &region);
	ASSERT_TRUE(caller.result == 1 || caller.result == -EBADF);
}
