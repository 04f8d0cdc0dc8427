// SPDX-License-Identifier: GPL-2.0
/*
 * Owns a queue in a process that received it in a message: whatever that one
 * does with it is harmless, to itself and to the owner.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_proc.h"

#include <sys/epoll.h>
#include <sys/select.h>

/* The receiver's end of the message, and the turns of the two. */
struct passed {
	int kq;			/* the number in either process */
	int turn, over;
	pid_t receiver;
};

/*
 * The owner's queue has an event, and the receiver the queue. Returns 0 in the
 * receiver.
 */
static pid_t pass_queue(struct passed *p)
{
	int over[2];

	kq_unix_stream(over);
	p->receiver = proc_fork(&p->turn);
	if (!p->receiver) {
		ASSERT_SYS(close(over[1]));
		p->over = over[0];
		p->kq = fd_receive(p->over);
		return 0;
	}
	ASSERT_SYS(close(over[0]));
	p->over = over[1];
	p->kq = kq_new();
	ASSERT_OK(kq_add(p->kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, (void *)0x5ec2e7));
	ASSERT_OK(kq_trigger(p->kq, 1));
	fd_send(p->over, p->kq);
	return p->receiver;
}

/* The event has not been taken, and the queue works. */
static void assert_untouched(int kq)
{
	ASSERT_EQ(kq_one(kq).ident, 1);
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
	kq_fence(kq);
	fd_assert_queue_works(kq);
	fd_assert_no_missed(kq);
}

static void assert_useless(int kq)
{
	struct kevent event;

	ASSERT_ERR(kq_poll(kq, &event, 1), EBADF);
	ASSERT_ERR(kq_trigger(kq, 1), EBADF);
	ASSERT_ERR(kq_add(kq, 2, EVFILT_USER, 0, 0, 0, NULL), EBADF);
	ASSERT_ERR(kq_add(kq, 0, EVFILT_READ, 0, 0, 0, NULL), EBADF);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), EBADF);
}

/* What the receiver does. */

static void by_kevent(int kq)
{
	struct kq_kevent call = { .record_size = sizeof(struct kevent) };

	assert_useless(kq);
	/* It is the module that says so, not that the number is none. */
	ASSERT_ERRNO(ioctl(kq, KQ_IOC_KEVENT, &call), EBADF);
	call.flags = KQ_KEVENT_PASS_WAKE;
	ASSERT_ERRNO(ioctl(kq, KQ_IOC_KEVENT, &call), EBADF);
	call.flags = KQ_KEVENT_WAIT_ONLY;
	ASSERT_ERRNO(ioctl(kq, KQ_IOC_KEVENT, &call), EBADF);
}

static void by_poll(int kq)
{
	ASSERT_EQ(kq_await_poll(kq, POLLIN | POLLOUT), POLLERR);
	ASSERT_EQ(kq_await_poll(kq, 0), POLLERR);
}

/* POLLERR counts as readable and writable for select: a call would not block. */
static void by_select(int kq)
{
	fd_set in, except;

	FD_ZERO(&in);
	FD_ZERO(&except);
	FD_SET(kq, &in);
	FD_SET(kq, &except);
	ASSERT_EQ(select(kq + 1, &in, NULL, &except, NULL), 1);
	ASSERT_TRUE(FD_ISSET(kq, &in));
	assert_useless(kq);
}

static void by_epoll(int kq)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = ASSERT_SYS(epoll_create1(0));

	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
	ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
	ASSERT_EQ(event.events, EPOLLERR);
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_DEL, kq, NULL));
	ASSERT_SYS(close(fd));
}

static void by_queue(int kq)
{
	int own = kq_new();

	ASSERT_ERR(kq_add(own, kq, EVFILT_READ, 0, 0, 0, NULL), EBADF);
	ASSERT_ERR(kq_add(own, kq, EVFILT_WRITE, 0, 0, 0, NULL), EINVAL);
	ASSERT_ERR(kq_del(own, kq, EVFILT_READ), ENOENT);
	kq_fence(own);
	ASSERT_SYS(close(own));
}

static void by_ring(int kq)
{
	struct io_uring_sqe *sqe;
	struct fd_ring ring;

	fd_ring_open(&ring);
	sqe = fd_ring_next(&ring);
	sqe->opcode = IORING_OP_POLL_ADD;
	sqe->fd = kq;
	sqe->poll32_events = POLLIN;
	fd_ring_submit(&ring, 1);
	ASSERT_EQ(fd_ring_result(&ring), POLLERR);
	fd_ring_free(&ring);
}

/* Facts of the module, nothing of the queue. */
static void by_info(int kq)
{
	struct kq_info info = { 0 };

	ASSERT_SYS(ioctl(kq, KQ_IOC_INFO, &info));
	ASSERT_EQ(info.stamp, KQ_STAMP);
}

static void by_file_calls(int kq)
{
	char byte = 0;

	ASSERT_ERRNO(read(kq, &byte, 1), ENXIO);
	ASSERT_ERRNO(write(kq, &byte, 1), ENXIO);
	ASSERT_ERRNO(lseek(kq, 0, SEEK_SET), ESPIPE);
	ASSERT_SYS(fcntl(kq, F_SETFL, O_NONBLOCK));
	ASSERT_SYS(fcntl(kq, F_SETFD, FD_CLOEXEC));
}

static void by_fdinfo(int kq)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file))
		;
	ASSERT_FALSE(ferror(file));
	fclose(file);
}

static void by_dup(int kq)
{
	int other = ASSERT_SYS(dup(kq));

	assert_useless(other);
	ASSERT_SYS(dup2(kq, FD_HIGH));
	assert_useless(FD_HIGH);
	ASSERT_SYS(close(other));
	ASSERT_SYS(close(FD_HIGH));
	assert_useless(kq);
}

static void by_close(int kq)
{
	ASSERT_SYS(close(kq));
	ASSERT_ERRNO(close(kq), EBADF);
}

static void by_fork(int kq)
{
	pid_t child = kq_fork();

	if (!child) {
		assert_useless(kq);
		_exit(0);
	}
	kq_reap(child);
	assert_useless(kq);
}

static void by_thread_table(int kq)
{
	ASSERT_SYS(unshare(CLONE_FILES));
	assert_useless(kq);
}

#define PASS_VARIABLE	"KQ_PASS_NUMBER"

__attribute__((constructor)) static void use_after_exec(void)
{
	const char *text = getenv(PASS_VARIABLE);

	if (!text)
		return;
	assert_useless(atoi(text));
	_exit(0);
}

static void by_exec(int kq)
{
	char text[16], *arguments[] = { "use", NULL };

	snprintf(text, sizeof(text), "%d", kq);
	ASSERT_SYS(setenv(PASS_VARIABLE, text, 1));
	execve(PROC_SELF, arguments, environ);
	KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
}

static void by_all_close_ways(int kq)
{
	for (size_t i = 0; i < ARRAY_SIZE(fd_ways); i++) {
		ASSERT_SYS(dup2(kq, FD_HIGH));
		fd_ways[i].close(FD_HIGH);
		if (fd_ways[i].keeps_file)
			assert_useless(FD_HIGH);
		close(FD_HIGH);
	}
}

static const struct {
	const char *name;
	void (*use)(int kq);
} uses[] = {
	{ "kevent", by_kevent },
	{ "poll", by_poll },
	{ "select", by_select },
	{ "epoll", by_epoll },
	{ "queue", by_queue },
	{ "io_uring", by_ring },
	{ "info", by_info },
	{ "file_calls", by_file_calls },
	{ "fdinfo", by_fdinfo },
	{ "dup", by_dup },
	{ "close", by_close },
	{ "fork", by_fork },
	{ "unshare", by_thread_table },
	{ "exec", by_exec },
	{ "all_close_ways", by_all_close_ways },
};

KQ_TEST_EACH(receiver_uses, "KQ-095",
	     "what a receiver does with a queue is harmless, and the owner's goes on", uses)
{
	struct passed p;

	if (!pass_queue(&p)) {
		variant->use(p.kq);
		_exit(0);
	}
	kq_reap(p.receiver);
	assert_untouched(p.kq);
}

KQ_TEST_EACH(receiver_uses_a_dead_one, "KQ-095 KQ-104",
	     "the same when the owner has closed it", uses)
{
	struct passed p;

	if (!pass_queue(&p)) {
		proc_hear(p.turn);
		variant->use(p.kq);
		_exit(0);
	}
	ASSERT_SYS(close(p.kq));
	proc_say(p.turn, 0);
	kq_reap(p.receiver);
}

KQ_TEST(sent_back, "KQ-095 KQ-092",
	"a receiver that sends the queue back gives its owner a dup, not the right to use it")
{
	struct passed p;
	int back;

	if (!pass_queue(&p)) {
		fd_send(p.over, p.kq);
		assert_useless(p.kq);
		proc_hear(p.turn);
		assert_useless(p.kq);
		_exit(0);
	}
	back = fd_receive(p.over);
	ASSERT_EQ(kq_one(back).ident, 1);
	/* The owner's first number goes, the one that came back is enough. */
	ASSERT_SYS(close(p.kq));
	ASSERT_OK(kq_trigger(back, 1));
	assert_untouched(back);
	proc_say(p.turn, 0);
	kq_reap(p.receiver);
	ASSERT_SYS(close(back));
}

KQ_TEST(sent_back_too_late, "KQ-095 KQ-104",
	"a queue that comes back after its owner's last close stays dead")
{
	struct passed p;
	int back;

	if (!pass_queue(&p)) {
		proc_hear(p.turn);
		fd_send(p.over, p.kq);
		_exit(0);
	}
	ASSERT_SYS(close(p.kq));
	proc_say(p.turn, 0);
	back = fd_receive(p.over);
	assert_useless(back);
	ASSERT_EQ(kq_await_poll(back, POLLIN), POLLERR);
	ASSERT_ERR(kq_add(kq_new(), back, EVFILT_READ, 0, 0, 0, NULL), EBADF);
	kq_reap(p.receiver);
}

/*
 * The one way to sleep on a queue of somebody else: an epoll of the owner, in a
 * child. A receiver's own poll fails at once.
 */

static void trigger_event(int kq)
{
	ASSERT_OK(kq_trigger(kq, 1));
}

static void close_queue(int kq)
{
	ASSERT_SYS(close(kq));
}

static void end_process(int kq KQ_UNUSED)
{
}

static const struct {
	const char *name;
	void (*act)(int kq);
} acts[] = {
	{ "event", trigger_event },
	{ "close", close_queue },
	{ "exit", end_process },
};

/* Says with what the queue answers until the other descriptor of the epoll is ready. */
__attribute__((noreturn)) static void watch_epoll(int fd, int kq, int turn)
{
	struct epoll_event event;

	proc_say(turn, getpid());
	for (;;) {
		ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
		if (event.data.fd != kq)
			break;
		ASSERT_EQ(event.events, EPOLLERR);
	}
	proc_say(turn, 0);
	_exit(0);
}

KQ_TEST_EACH(asleep_in_the_owners_epoll, "KQ-095 KQ-104",
	     "a child asleep in an epoll of the owner is told an error of the queue, or nothing",
	     acts)
{
	struct epoll_event event = { 0 };
	int bell[2], turn[2], owner_turn;
	pid_t owner, sleeper;

	kq_pipe(bell);
	proc_open_turns(turn);
	owner = proc_fork(&owner_turn);
	if (!owner) {
		int kq = kq_new(), fd = ASSERT_SYS(epoll_create1(0));

		ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		event.data.fd = kq;
		/* Once: the child has no number by which to take it out. */
		event.events = EPOLLIN | EPOLLONESHOT;
		ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
		event.events = EPOLLIN;
		event.data.fd = bell[0];
		ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, bell[0], &event));
		sleeper = kq_fork();
		if (!sleeper)
			watch_epoll(fd, kq, turn[1]);
		proc_hear(owner_turn);
		variant->act(kq);
		_exit(0);
	}
	ASSERT_SYS(close(turn[1]));
	sleeper = (pid_t)proc_hear(turn[0]);
	kq_await_sleeper(&sleeper, SYS_epoll_wait);
	proc_say(owner_turn, 0);
	kq_reap(owner);
	kq_write(bell[1], "x", 1);
	proc_hear(turn[0]);
}

KQ_TEST(inherited_epoll, "KQ-095",
	"an epoll that a child inherited shows an error of the queue in it, the owner's the event")
{
	struct epoll_event event = { .events = EPOLLIN };
	int kq = kq_new(), fd = ASSERT_SYS(epoll_create1(0));
	pid_t child;

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, kq, &event));
	ASSERT_OK(kq_trigger(kq, 1));
	child = kq_fork();
	if (!child) {
		ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
		ASSERT_EQ(event.events, EPOLLERR);
		_exit(0);
	}
	kq_reap(child);
	ASSERT_EQ(epoll_wait(fd, &event, 1, -1), 1);
	ASSERT_EQ(event.events, EPOLLIN);
	assert_untouched(kq);
}
