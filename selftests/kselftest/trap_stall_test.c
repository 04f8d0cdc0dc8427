// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the object whose poll does not return: it holds up the thread that asks
 * it and nobody else, and no ioctl of a device is guessed.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_cuse.h"

/* A thread that registers the device; its poll is held. */
struct adder {
	int kq, fd;
	volatile bool left;
	int error;
	pthread_t thread;
};

static void *add_device(void *argument)
{
	struct adder *adder = argument;

	adder->error = -kq_add(adder->kq, adder->fd, EVFILT_READ, 0, 0, 0,
			       (void *)1);
	adder->left = true;
	return NULL;
}

static void start_adder(struct adder *adder, struct cuse *cuse)
{
	cuse->revents = POLLIN;
	cuse->hold = true;
	adder->kq = kq_new();
	adder->fd = cuse_open(cuse);
	adder->thread = kq_thread(add_device, adder);
	cuse_await_held(cuse);
}

static void end_adder(struct adder *adder, struct cuse *cuse)
{
	ASSERT_FALSE(adder->left);
	cuse->hold = false;
	kq_join(adder->thread);
}

KQ_TEST(others_go_on, "KQ-246",
	"a poll that stalls at EV_ADD does not hold up the queue")
{
	struct cuse *cuse = cuse_start();
	struct adder adder = { 0 };

	start_adder(&adder, cuse);
	fd_assert_queue_works(adder.kq);
	end_adder(&adder, cuse);
	ASSERT_EQ(adder.error, 0);
	ASSERT_EVENT(kq_one(adder.kq), adder.fd, EVFILT_READ, EV_ADD, 0, 1,
		     (void *)1);
}

KQ_TEST(close_goes_on, "KQ-090 KQ-089",
	"closing the stalled descriptor returns, its knote is gone")
{
	struct cuse *cuse = cuse_start();
	struct adder adder = { 0 };

	start_adder(&adder, cuse);
	ASSERT_SYS(close(adder.fd));
	fd_assert_queue_works(adder.kq);
	end_adder(&adder, cuse);
	ASSERT_TRUE(!adder.error || adder.error == EBADF);
	kq_fence(adder.kq);
	ASSERT_ERR(kq_del(adder.kq, adder.fd, EVFILT_READ), EBADF);
	fd_assert_no_missed(adder.kq);
}

KQ_TEST(queue_close_goes_on, "KQ-104 KQ-105",
	"the last close of the queue returns while a poll stalls")
{
	struct cuse *cuse = cuse_start();
	struct adder adder = { 0 };
	int fds[2];

	start_adder(&adder, cuse);
	kq_unix_stream(fds);
	ASSERT_OK(kq_add(adder.kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_SYS(close(adder.kq));
	/* It has let go of everything else already. */
	ASSERT_SYS(close(fds[0]));
	fd_assert_eof(fds[1]);
	end_adder(&adder, cuse);
	ASSERT_TRUE(!adder.error || adder.error == EBADF);
}

/* A thread that scans while the device, active before, stalls. */
static void *scan_device(void *argument)
{
	struct adder *adder = argument;

	adder->error = kq_poll(adder->kq, (struct kevent[4]){ 0 }, 4);
	adder->left = true;
	return NULL;
}

KQ_TEST(scan_goes_on, "KQ-246 KQ-079",
	"a poll that stalls in one thread's scan leaves the rest to others")
{
	struct cuse *cuse = cuse_start();
	struct adder adder = { .kq = kq_new(), .fd = cuse_open(cuse) };

	cuse->revents = POLLIN;
	add_device(&adder);
	ASSERT_EQ(adder.error, 0);
	adder.left = false;
	cuse->hold = true;
	adder.thread = kq_thread(scan_device, &adder);
	cuse_await_held(cuse);
	fd_assert_queue_works(adder.kq);
	end_adder(&adder, cuse);
	ASSERT_EQ(adder.error, 1);
}

KQ_TEST(other_queues_go_on, "KQ-246",
	"a stalled poll in one queue does not hold up another on the same file")
{
	struct cuse *cuse = cuse_start();
	struct adder adder = { 0 };
	int other = kq_new();

	start_adder(&adder, cuse);
	fd_assert_queue_works(other);
	/* Closing a dup and an unrelated number passes through the close hook. */
	ASSERT_SYS(close(ASSERT_SYS(dup(adder.fd))));
	ASSERT_SYS(close(fd_other_file()));
	end_adder(&adder, cuse);
}

KQ_TEST(waiting_process_can_be_killed, "KQ-105 KQ-246",
	"a process that waits for another's stalled poll dies when killed")
{
	struct cuse *cuse = cuse_start();
	struct adder adder = { 0 };
	volatile int *turn = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child;
	int status;

	ASSERT_TRUE(turn != MAP_FAILED);
	start_adder(&adder, cuse);
	/* Shares the table, hence the queue, but not our end. */
	child = ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD,
					  NULL, NULL, NULL, NULL));
	if (!child) {
		*turn = 1;
		/* Meets the knote that is being added: waits for it, or not. */
		kq_del(adder.kq, adder.fd, EVFILT_READ);
		*turn = 2;
		for (;;)
			pause();
	}
	while (!*turn)
		sched_yield();
	for (int i = 0; i < 1000 && *turn == 1; i++)
		sched_yield();
	ASSERT_SYS(kill(child, SIGKILL));
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(WTERMSIG(status), SIGKILL);
	end_adder(&adder, cuse);
}

KQ_TEST(no_ioctl_is_guessed, "KQ-136",
	"data of a device is 1 and its driver sees no ioctl")
{
	struct cuse *cuse = cuse_start();
	int kq = kq_new(), fd = cuse_open(cuse);

	cuse->revents = POLLIN | POLLOUT;
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, (void *)1));
	ASSERT_OK(kq_add(kq, fd, EVFILT_WRITE, EV_ONESHOT, 0, 0, (void *)2));
	for (int i = 0; i < 2; i++) {
		struct kevent events[4];

		ASSERT_EQ(kq_poll(kq, events, 4), 2 - i);
		ASSERT_EQ(events[0].data, 1);
	}
	ASSERT_GT(cuse->polls, 0);
	ASSERT_EQ(cuse->ioctls, 0);
	/* Hang-up is the end of file. */
	cuse->revents = POLLIN | POLLHUP;
	ASSERT_TRUE(kq_one(kq).flags & EV_EOF);
	/* Nothing ready: dropped at the scan. */
	cuse->revents = 0;
	kq_fence(kq);
	ASSERT_EQ(cuse->ioctls, 0);
}
