// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a queue belongs to one descriptor table and ends with
 * the last number it has there, whoever else still holds its file.
 */
#include "kq_test.h"
#include "kq_fd.h"

/* A queue that watches the first end of a pair. */
struct watched {
	int kq, fds[2];
};

static void make_watched(struct watched *w)
{
	w->kq = kq_new();
	kq_unix_stream(w->fds);
	ASSERT_OK(kq_add(w->kq, w->fds[0], EVFILT_READ, 0, 0, 0, NULL));
}

/* The queue holds nothing any more, although its file may live. */
static void assert_dropped(struct watched *w)
{
	ASSERT_SYS(close(w->fds[0]));
	fd_assert_eof(w->fds[1]);
}

static void assert_works(int kq, struct watched *w)
{
	kq_write(w->fds[1], "x", 1);
	ASSERT_EVENT(kq_one(kq), w->fds[0], EVFILT_READ, EV_ADD, 0, 1, NULL);
	ASSERT_EQ(kq_drain(w->fds[0]), 1);
}

static void assert_foreign(int kq)
{
	struct kevent event;

	ASSERT_ERR(kq_poll(kq, &event, 1), EBADF);
	ASSERT_ERR(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, NULL), EBADF);
}

struct waiter {
	int kq;
	volatile pid_t tid;
	int result;
};

static void *wait_for_end(void *argument)
{
	struct waiter *waiter = argument;
	struct kevent event;

	waiter->tid = kq_gettid();
	waiter->result = kq_wait(waiter->kq, &event, 1, -1);
	return NULL;
}

KQ_TEST_EACH(last_close_wakes_waiter, "KQ-104",
	     "the last close gives a waiter EBADF and drops the knotes at once",
	     fd_ways)
{
	struct waiter waiter = { 0 };
	struct watched w;
	pthread_t thread;

	if (variant->keeps_file)
		KQ_SKIP("the number names the queue afterwards");
	make_watched(&w);
	waiter.kq = w.kq;
	thread = kq_thread(wait_for_end, &waiter);
	kq_await_waiter(&waiter.tid);
	variant->close(w.kq);
	if (variant->late)
		kq_join(thread);
	assert_dropped(&w);
	if (!variant->late)
		kq_join(thread);
	ASSERT_EQ(waiter.result, -EBADF);
}

KQ_TEST_EACH(dup_keeps_the_queue, "KQ-092",
	     "closing one number of a queue leaves it working at the other",
	     fd_ways)
{
	struct watched w;
	int other;

	make_watched(&w);
	other = ASSERT_SYS(dup(w.kq));
	variant->close(w.kq);
	assert_works(other, &w);
	ASSERT_OK(kq_add(other, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_SYS(close(other));
	if (!variant->keeps_file)
		assert_dropped(&w);
}

KQ_TEST(both_numbers_reach_one_queue, "KQ-092",
	"a change through one number is seen through the other")
{
	int kq = kq_new(), other = ASSERT_SYS(dup(kq));

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_trigger(other, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
	kq_none(other);
	ASSERT_OK(kq_del(other, 1, EVFILT_USER));
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
	ASSERT_SYS(close(kq));
	ASSERT_OK(kq_add(other, 2, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_ERR(kq_add(kq, 2, EVFILT_USER, 0, 0, 0, NULL), EBADF);
}

static void *wait_in_one_call(void *argument)
{
	struct waiter *waiter = argument;
	struct kevent event;

	waiter->tid = kq_gettid();
	waiter->result = fd_kevent(waiter->kq, NULL, 0, &event, 1, NULL);
	return NULL;
}

KQ_TEST(dup_waiter_sleeps_on, "KQ-092",
	"a waiter sleeps on when the number it used is closed but a dup is open")
{
	struct waiter waiter = { .kq = kq_new() };
	int other = ASSERT_SYS(dup(waiter.kq));
	pthread_t thread;

	ASSERT_OK(kq_add(other, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	thread = kq_thread(wait_in_one_call, &waiter);
	kq_await_waiter(&waiter.tid);
	ASSERT_SYS(close(waiter.kq));
	ASSERT_OK(kq_trigger(other, 1));
	kq_join(thread);
	ASSERT_EQ(waiter.result, 1);
}

KQ_TEST(child_cannot_use_it, "KQ-093 KQ-094",
	"a forked child gets EBADF, steals nothing, the parent goes on")
{
	struct watched w;
	pid_t child;

	make_watched(&w);
	kq_write(w.fds[1], "x", 1);
	child = kq_fork();
	if (!child) {
		assert_foreign(w.kq);
		/* Queues of its own work. */
		ASSERT_OK(kq_add(kq_new(), w.fds[0], EVFILT_READ, 0, 0, 0,
				 NULL));
		if (close(w.kq))
			ASSERT_EQ(errno, EBADF);
		_exit(0);
	}
	kq_reap(child);
	ASSERT_EQ(kq_one(w.kq).ident, w.fds[0]);
	kq_drain(w.fds[0]);
	assert_works(w.kq, &w);
}

KQ_TEST(child_cannot_keep_it, "KQ-094 KQ-104",
	"the last close in the parent ends the queue though a child lives")
{
	struct waiter waiter = { 0 };
	struct watched w;
	pthread_t thread;
	int hold[2];
	pid_t child;

	make_watched(&w);
	kq_pipe(hold);
	child = kq_fork();
	if (!child) {
		close(w.fds[0]);
		close(hold[1]);
		kq_await_poll(hold[0], POLLIN);
		assert_foreign(w.kq);
		_exit(0);
	}
	/* So that only the parent holds it once the child has run. */
	waiter.kq = w.kq;
	thread = kq_thread(wait_for_end, &waiter);
	kq_await_waiter(&waiter.tid);
	ASSERT_SYS(close(w.kq));
	kq_join(thread);
	ASSERT_EQ(waiter.result, -EBADF);
	ASSERT_SYS(close(w.fds[0]));
	fd_await_eof(w.fds[1]);
	close(hold[1]);
	kq_reap(child);
}

static void *unshare_and_hold(void *argument)
{
	struct watched *w = argument;

	ASSERT_SYS(unshare(CLONE_FILES));
	close(w->fds[0]);
	assert_foreign(w->kq);
	/* The copies stay open until the thread ends. */
	w->fds[0] = -w->fds[0];
	for (;;)
		pause();
	return NULL;
}

KQ_TEST(copied_table_cannot_keep_it, "KQ-104",
	"the last close ends the queue though a copied table holds its file")
{
	struct waiter waiter = { 0 };
	struct watched w;
	pthread_t thread;

	make_watched(&w);
	waiter.kq = w.kq;
	thread = kq_thread(wait_for_end, &waiter);
	kq_await_waiter(&waiter.tid);
	kq_thread(unshare_and_hold, &w);
	while (__atomic_load_n(&w.fds[0], __ATOMIC_SEQ_CST) > 0)
		sched_yield();
	w.fds[0] = -w.fds[0];
	ASSERT_SYS(close(w.kq));
	assert_dropped(&w);
	kq_join(thread);
	ASSERT_EQ(waiter.result, -EBADF);
}

/* Queues in messages. */

KQ_TEST(received_queue_is_unusable, "KQ-095",
	"a queue in another process: kevent EBADF, poll POLLERR, owner works")
{
	struct watched w;
	int over[2];
	pid_t child;

	kq_unix_stream(over);
	child = kq_fork();
	if (!child) {
		int kq = fd_receive(over[0]);

		assert_foreign(kq);
		ASSERT_TRUE(kq_await_poll(kq, POLLIN) & POLLERR);
		ASSERT_SYS(close(kq));
		_exit(0);
	}
	make_watched(&w);
	fd_send(over[1], w.kq);
	kq_reap(child);
	assert_works(w.kq, &w);
}

KQ_TEST(message_cannot_keep_it, "KQ-095 KQ-104",
	"a queue whose last number is closed while in flight is dead for ever")
{
	struct watched w;
	int over[2], back;

	make_watched(&w);
	kq_unix_stream(over);
	fd_send(over[1], w.kq);
	ASSERT_SYS(close(w.kq));
	assert_dropped(&w);
	back = fd_receive(over[0]);
	assert_foreign(back);
	ASSERT_SYS(close(back));
}

KQ_TEST(owner_receives_its_own, "KQ-092",
	"a queue received by its owner, who still has it, is a dup")
{
	struct watched w;
	int over[2], back;

	make_watched(&w);
	kq_unix_stream(over);
	fd_send(over[1], w.kq);
	back = fd_receive(over[0]);
	assert_works(back, &w);
	ASSERT_SYS(close(w.kq));
	assert_works(back, &w);
}

KQ_TEST(dead_owner_has_no_heir, "KQ-095",
	"a queue whose owner died is no queue of any later process")
{
	int over[2], kq;
	pid_t child;

	kq_unix_stream(over);
	child = kq_fork();
	if (!child) {
		fd_send(over[1], kq_new());
		_exit(0);
	}
	kq_reap(child);
	kq = fd_receive(over[0]);
	assert_foreign(kq);
	/* New processes are likely to reuse what the dead one had in memory. */
	for (int i = 0; i < 50; i++) {
		child = kq_fork();
		if (!child) {
			assert_foreign(kq);
			_exit(0);
		}
		kq_reap(child);
	}
}

KQ_TEST(exec_closes_the_queue, "KQ-096 KQ-012",
	"a close-on-exec queue ends in a vforked child's exec, not in the owner")
{
	char *arguments[] = { "true", NULL };
	struct watched w;
	pid_t child;

	make_watched(&w);
	ASSERT_SYS(fcntl(w.kq, F_SETFD, FD_CLOEXEC));
	child = ASSERT_SYS(vfork());
	if (!child) {
		execvp(arguments[0], arguments);
		_exit(1);
	}
	kq_reap(child);
	assert_works(w.kq, &w);
}
