// SPDX-License-Identifier: GPL-2.0
/*
 * Owns registrations under faults: whichever allocation or user copy of an EV_ADD
 * fails, the change is whole or not there, and what was there before works on.
 */
#include "kq_test.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include "kq_inject.h"
#include "kq_proc.h"

#define MARK	0x77

/* Everything that can be watched: [0], and [1] for what else it needs. Ready to be read if ever. */
struct object {
	const char *name;
	void (*open)(int fds[2]);
};

static void open_socket(int fds[2])
{
	kq_tcp_pair(fds);
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
}

static void open_unix(int fds[2])
{
	kq_unix_stream(fds);
	kq_write(fds[1], "x", 1);
}

static void open_listener(int fds[2])
{
	struct sockaddr_in address;

	fds[0] = kq_tcp_listen(&address);
	fds[1] = kq_tcp_connect(&address);
	kq_await_poll(fds[0], POLLIN);
}

static void open_pipe(int fds[2])
{
	kq_pipe(fds);
	kq_write(fds[1], "x", 1);
}

/* Files of a case lie in the /tmp that all share: removed at once. */
static void open_fifo(int fds[2])
{
	ASSERT_SYS(mkfifo("/tmp/inject", 0600));
	fds[0] = ASSERT_SYS(open("/tmp/inject", O_RDWR | O_NONBLOCK | O_CLOEXEC));
	ASSERT_SYS(unlink("/tmp/inject"));
	kq_write(fds[0], "x", 1);
}

static void open_tty(int fds[2])
{
	fds[1] = ASSERT_SYS(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	ASSERT_SYS(grantpt(fds[1]));
	ASSERT_SYS(unlockpt(fds[1]));
	fds[0] = ASSERT_SYS(open(ptsname(fds[1]), O_RDWR | O_NOCTTY | O_NONBLOCK));
	kq_write(fds[1], "x\n", 2);
	kq_await_poll(fds[0], POLLIN);
}

static void open_file(int fds[2])
{
	fds[0] = ASSERT_SYS(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	kq_write(fds[0], "x", 1);
	ASSERT_EQ(lseek(fds[0], 0, SEEK_SET), 0);
}

static void open_directory(int fds[2])
{
	ASSERT_SYS(mkdir("/tmp/inject", 0700));
	fds[0] = ASSERT_SYS(open("/tmp/inject", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	ASSERT_SYS(rmdir("/tmp/inject"));
}

static void open_queue(int fds[2])
{
	fds[0] = inject_queue(1);
	ASSERT_OK(kq_trigger(fds[0], 1000000));
}

static void open_eventfd(int fds[2])
{
	fds[0] = ASSERT_SYS(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
}

static void open_timerfd(int fds[2])
{
	const struct itimerspec soon = { .it_value.tv_nsec = 1 };

	fds[0] = ASSERT_SYS(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
	ASSERT_SYS(timerfd_settime(fds[0], 0, &soon, NULL));
	kq_await_poll(fds[0], POLLIN);
}

static void open_signalfd(int fds[2])
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	fds[0] = ASSERT_SYS(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	ASSERT_SYS(raise(SIGUSR1));
}

static void open_inotify(int fds[2])
{
	fds[0] = ASSERT_SYS(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	ASSERT_SYS(inotify_add_watch(fds[0], "/tmp", IN_CREATE));
	close(ASSERT_SYS(creat("/tmp/inject", 0600)));
	ASSERT_SYS(unlink("/tmp/inject"));
}

static void open_epoll(int fds[2])
{
	struct epoll_event event = { .events = EPOLLIN };

	open_eventfd(fds);
	fds[1] = fds[0];
	fds[0] = ASSERT_SYS(epoll_create1(EPOLL_CLOEXEC));
	ASSERT_SYS(epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[1], &event));
}

static void open_pidfd(int fds[2])
{
	fds[0] = proc_pidfd(proc_zombie(0));
}

static const struct object objects[] = {
	{ "socket", open_socket },
	{ "unix", open_unix },
	{ "listener", open_listener },
	{ "pipe", open_pipe },
	{ "fifo", open_fifo },
	{ "tty", open_tty },
	{ "file", open_file },
	{ "directory", open_directory },
	{ "queue", open_queue },
	{ "eventfd", open_eventfd },
	{ "timerfd", open_timerfd },
	{ "signalfd", open_signalfd },
	{ "inotify", open_inotify },
	{ "epoll", open_epoll },
	{ "pidfd", open_pidfd },
};

static void close_object(const int fds[2])
{
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
}

/* An EV_ADD for an ident that has no knote of that filter yet. */
struct addition {
	struct kq_event_ext change;
	const struct kq_event_ext *first;	/* registered before, or NULL */
	int notes;				/* that many others, too */
	bool first_ready;			/* the first one reports an event */
	int wanted;				/* without a fault: 0 or -EINVAL */
	int kq;
	char lines[INJECT_LINES];		/* what the queue has before */
};

static const unsigned int all_notes[64] = {
	[-EVFILT_VNODE] = NOTE_DELETE | NOTE_WRITE | NOTE_OPEN,
	[-EVFILT_EXCEPT & 63] = NOTE_OOB,
	[-EVFILT_PROC] = NOTE_EXIT | NOTE_FORK,
	[-EVFILT_PROCDESC] = NOTE_EXIT,
};

static struct kq_event_ext new_change(uint64_t ident, int filter)
{
	struct kq_event_ext change = {
		.ident = ident, .filter = filter, .flags = EV_ADD, .udata = MARK,
		.fflags = all_notes[-filter & 63], .ext = { [2] = 1, [3] = 2 },
	};

	/* A timer that does not fire. */
	if (filter == EVFILT_TIMER) {
		change.fflags = NOTE_SECONDS;
		change.data = 1000000;
	}
	return change;
}

static void prepare_addition(void *scene)
{
	struct addition *a = scene;

	a->kq = inject_queue(a->notes);
	if (a->first)
		ASSERT_EQ(inject_change(a->kq, a->first), 0);
	a->lines[0] = 0;
	if (!a->notes)
		inject_lines(a->kq, a->lines);
}

static int run_addition(void *scene)
{
	struct addition *a = scene;

	return inject_change(a->kq, &a->change);
}

static int delete_added(const struct addition *a)
{
	return kq_del(a->kq, a->change.ident, a->change.filter);
}

/* Only what was there before is there, and works. */
static void assert_before(const struct addition *a)
{
	struct kq_event_ext event;

	ASSERT_ERR(delete_added(a), ENOENT);
	if (!a->notes)
		inject_assert_lines(a->kq, a->lines);
	ASSERT_EQ(inject_kevent(a->kq, NULL, 0, &event, 1), a->first_ready);
	if (a->first_ready) {
		ASSERT_EQ(event.ident, a->first->ident);
		ASSERT_EQ(event.filter, a->first->filter);
		ASSERT_EQ(event.udata, a->first->udata);
	}
}

static void judge_addition(void *scene, int result, bool hit KQ_UNUSED)
{
	struct addition *a = scene;

	if (result < 0) {
		assert_before(a);
		result = run_addition(a);
		ASSERT_EQ(result, a->wanted);
	}
	if (!result)
		ASSERT_OK(delete_added(a));
	assert_before(a);
	close(a->kq);
}

static int try_addition(struct addition *a)
{
	int result;

	prepare_addition(a);
	result = run_addition(a);
	close(a->kq);
	return result;
}

/* Where procfs is asked about a process it has no errno of its own for a lack of memory. */
static int each_addition(struct addition *a)
{
	struct inject_op op = {
		.prepare = prepare_addition, .run = run_addition, .judge = judge_addition,
		.also = a->change.filter == EVFILT_PROC ? ESRCH : 0,
	};

	op.wanted = try_addition(a);
	a->wanted = op.wanted;
	if (op.wanted)
		ASSERT_EQ(op.wanted, -EINVAL);
	return inject_each(&op, a);
}

static const int fd_filters[] = {
	EVFILT_READ, EVFILT_WRITE, EVFILT_VNODE, EVFILT_PROCDESC, EVFILT_EMPTY, EVFILT_EXCEPT,
};

/* As the first knote of the descriptor, then as a further one. */
KQ_TEST_EACH(add, "", "a failing EV_ADD leaves no knote of any filter on a descriptor, nor harms others",
	     objects)
{
	int fds[2] = { -1, -1 }, failed = 0;
	struct kq_event_ext first = { 0 };
	struct kq_event_ext event;
	struct addition a;

	inject_begin();
	variant->open(fds);
	for (size_t i = 0; i < ARRAY_SIZE(fd_filters); i++) {
		a = (struct addition){ .change = new_change(fds[0], fd_filters[i]) };
		failed += each_addition(&a);
		if (first.flags) {
			a.first = &first;
			a.first_ready = first.filter == EVFILT_READ;
			failed += each_addition(&a);
		} else if (!try_addition(&a)) {
			first = a.change;
			first.udata = 5;
		}
	}
	/* The objects are ready to be read: that is what the first knote proved to be told. */
	a = (struct addition){ .change = new_change(fds[0], EVFILT_READ) };
	if (first.filter == EVFILT_READ) {
		prepare_addition(&a);
		ASSERT_EQ(run_addition(&a), 0);
		ASSERT_EQ(inject_kevent(a.kq, NULL, 0, &event, 1), 1);
		ASSERT_EQ(event.ext[2], 1);
		ASSERT_EQ(event.ext[3], 2);
		close(a.kq);
	}
	ASSERT_GT(failed, 6);
	close_object(fds);
	inject_end();
}

/* What no descriptor is needed for. */
static const struct note {
	const char *name;
	int filter;
	int notes;
	bool process;
	uint64_t ident;
} notes[] = {
	{ .name = "user", .filter = EVFILT_USER, .ident = 3 },
	{ .name = "timer", .filter = EVFILT_TIMER, .ident = 3 },
	{ .name = "signal", .filter = EVFILT_SIGNAL, .ident = SIGUSR1 },
	{ .name = "proc", .filter = EVFILT_PROC, .process = true },
	{ .name = "fs", .filter = EVFILT_FS },
	{ .name = "user_513", .filter = EVFILT_USER, .ident = 3, .notes = 512 },
	{ .name = "user_1025", .filter = EVFILT_USER, .ident = 3, .notes = 1024 },
	/* Where the first level of the array grows. */
	{ .name = "timer_2049", .filter = EVFILT_TIMER, .ident = 3, .notes = 2048 },
};

KQ_TEST_EACH(note, "", "a failing EV_ADD leaves no knote without a descriptor, however large the index",
	     notes)
{
	uint64_t ident = variant->ident;
	struct addition a;
	int turn = -1;

	inject_begin();
	if (variant->process)
		ident = proc_idle(&turn);
	a = (struct addition){
		.change = new_change(ident, variant->filter), .notes = variant->notes,
	};
	ASSERT_GT(each_addition(&a), 1);
	if (variant->process)
		proc_say(turn, 0);
	inject_end();
}

/* Descriptor numbers need an index as long as the highest. */
static const struct number {
	const char *name;
	bool low;	/* a low number is watched before */
} numbers[] = {
	{ "alone", false },
	{ "with_low", true },
};

#define NUMBER	5000

KQ_TEST_EACH(number, "", "a failing EV_ADD of a high descriptor number leaves nothing of it", numbers)
{
	const struct rlimit limit = { NUMBER + 1, NUMBER + 1 };
	struct kq_event_ext low;
	struct addition a;
	int fds[2];

	if (setrlimit(RLIMIT_NOFILE, &limit))
		KQ_SKIP("needs descriptor number 5000");
	inject_begin();
	open_pipe(fds);
	ASSERT_SYS(dup2(fds[0], NUMBER));
	low = new_change(fds[0], EVFILT_READ);
	a = (struct addition){ .change = new_change(NUMBER, EVFILT_READ) };
	if (variant->low) {
		a.first = &low;
		a.first_ready = true;
	}
	ASSERT_GT(each_addition(&a), 2);
	close(NUMBER);
	close_object(fds);
	inject_end();
}

/* New queues */

struct opening {
	unsigned int flags;
	uid_t user;
	int kq;
};

/* Of a user who has none, so that the counts of a user are made, too. */
static void prepare_opening(void *scene)
{
	struct opening *o = scene;

	ASSERT_SYS(setresuid(++o->user, 0, 0));
}

/* What kqueue() does; the library has errnos of its own for some of it. */
static int run_opening(void *scene)
{
	struct opening *o = scene;
	struct kq_setup setup = { .flags = o->flags };
	struct kq_info info = { 0 };
	int error;

	o->kq = open(KQ_DEVICE, O_RDWR | O_CLOEXEC);
	if (o->kq < 0)
		return -errno;
	if (ioctl(o->kq, KQ_IOC_INFO, &info) >= 0 && ioctl(o->kq, KQ_IOC_SETUP, &setup) >= 0)
		return 0;
	error = -errno;
	close(o->kq);
	return error;
}

static void judge_opening(void *scene, int result, bool hit KQ_UNUSED)
{
	struct opening *o = scene;

	if (result < 0)
		ASSERT_EQ(run_opening(o), 0);
	ASSERT_EQ(limit_used(o->kq, "queues"), 1);
	ASSERT_OK(kq_add(o->kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_OK(kq_trigger(o->kq, 1));
	ASSERT_EQ(kq_one(o->kq).ident, 1);
	ASSERT_EQ(limit_used(o->kq, "knotes"), 1);
	close(o->kq);
}

static const struct way {
	const char *name;
	unsigned int flags;
} ways[] = {
	{ "kqueue", 0 },
	{ "copied_on_fork", KQ_SETUP_CPONFORK },
};

KQ_TEST_EACH(open, "", "a failing kqueue() leaves no queue, and counts none", ways)
{
	struct inject_op op = {
		.prepare = prepare_opening, .run = run_opening, .judge = judge_opening,
	};
	struct opening o = { .flags = variant->flags, .user = 70000 };

	inject_begin();
	ASSERT_GT(inject_each(&op, &o), 3);
	ASSERT_SYS(setresuid(0, 0, 0));
	inject_end();
}

/* A FIFO opened for both wakes its readers and its writers through queues of their own. */

struct wakes {
	int kq, fd;
};

static void prepare_wakes(void *scene)
{
	static const char bytes[4096];
	struct wakes *w = scene;
	int fds[2] = { -1, -1 };

	open_fifo(fds);
	w->fd = fds[0];
	while (write(w->fd, bytes, sizeof(bytes)) > 0)
		;
	ASSERT_EQ(errno, EAGAIN);
	w->kq = kq_new();
}

static int run_wakes(void *scene)
{
	struct wakes *w = scene;
	struct kq_event_ext change = new_change(w->fd, EVFILT_WRITE);

	return inject_change(w->kq, &change);
}

static void judge_wakes(void *scene, int result, bool hit KQ_UNUSED)
{
	struct wakes *w = scene;

	kq_none(w->kq);
	ASSERT_GT(kq_drain(w->fd), 0);
	if (result < 0)
		kq_none(w->kq);
	else
		ASSERT_EQ(kq_one(w->kq).ident, w->fd);
	close(w->fd);
	close(w->kq);
}

KQ_TEST(two_wait_queues, "", "a knote that is there is woken through each wait queue of its object")
{
	static const struct inject_op op = {
		.prepare = prepare_wakes, .run = run_wakes, .judge = judge_wakes,
	};
	struct wakes w;

	inject_begin();
	ASSERT_GT(inject_each(&op, &w), 4);
	inject_end();
}
