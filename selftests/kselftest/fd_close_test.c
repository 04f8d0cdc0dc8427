// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that closing a watched number, in whatever way, removes its
 * registrations at once and silently, and that nothing else removes them.
 */
#include "kq_test.h"
#include "kq_fd.h"

/* READ and WRITE on a number; both are ready where the object allows it. */
static void watch(int kq, int number, unsigned int flags)
{
	ASSERT_OK(kq_add(kq, number, EVFILT_READ, flags, 0, 0, (void *)1));
	ASSERT_OK(kq_add(kq, number, EVFILT_WRITE, flags, 0, 0, (void *)2));
}

KQ_TEST_EACH(pending_events_vanish, "KQ-082 KQ-087 KQ-088",
	     "closing removes level knotes whose events are pending", fd_ways)
{
	int kq = kq_new(), fds[2];

	kq_unix_stream(fds);
	kq_write(fds[1], "x", 1);
	watch(kq, fds[0], 0);
	variant->close(fds[0]);
	kq_fence(kq);
	fd_assert_unregistered(kq, fds[0]);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(idle_knotes_vanish, "KQ-082 KQ-087",
	     "closing removes knotes that wait for their condition", fd_ways)
{
	int kq = kq_new(), fds[2], other;

	kq_unix_stream(fds);
	other = ASSERT_SYS(dup(fds[0]));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_none(kq);
	variant->close(fds[0]);
	/* The object lives on through the other number and becomes ready. */
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	fd_assert_unregistered(kq, fds[0]);
	close(other);
	fd_assert_no_missed(kq);
}

static const struct {
	const char *name;
	unsigned int flags;
} modes[] = {
	{ "level", 0 },
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
	{ "disabled", EV_DISABLE },
	{ "receipt", EV_RECEIPT },
};

KQ_TEST_EACH(every_mode_vanishes, "KQ-082 KQ-087 KQ-088",
	     "closing removes knotes of every mode with their pending events",
	     modes)
{
	/* Without EV_RECEIPT in the change, whose answer needs room. */
	unsigned int flags = variant->flags & ~EV_RECEIPT;
	int kq = kq_new(), fds[2];
	struct kevent change;

	kq_unix_stream(fds);
	kq_write(fds[1], "x", 1);
	watch(kq, fds[0], flags);
	if (variant->flags & EV_RECEIPT) {
		ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
		EV_SET(&change, fds[0], EVFILT_READ, EV_ADD | EV_RECEIPT, 0, 0,
		       NULL);
		ASSERT_EQ(kevent(kq, &change, 1, &change, 1, NULL), 1);
		ASSERT_EQ(change.data, 0);
	}
	ASSERT_SYS(close(fds[0]));
	fd_assert_unregistered(kq, fds[0]);
}

KQ_TEST_EACH(peer_sees_end_at_once, "KQ-082",
	     "the peer reads end of file as soon as the close returned",
	     fd_ways)
{
	int kq = kq_new(), fds[2];

	if (variant->keeps_file)
		KQ_SKIP("the file stays open in this variant");
	kq_unix_stream(fds);
	watch(kq, fds[0], 0);
	variant->close(fds[0]);
	if (variant->late)
		fd_await_eof(fds[1]);
	else
		fd_assert_eof(fds[1]);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(peer_sees_end_after_delivery, "KQ-082",
	     "a delivered event keeps the file no longer than its number",
	     fd_ways)
{
	int kq = kq_new(), fds[2];

	if (variant->keeps_file)
		KQ_SKIP("the file stays open in this variant");
	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, EV_CLEAR, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).ident, fds[1]);
	variant->close(fds[1]);
	if (variant->late)
		fd_await_eof(fds[0]);
	else
		fd_assert_eof(fds[0]);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(several_queues_lose_it, "KQ-082 KQ-047",
	     "closing removes the knotes of every queue", fd_ways)
{
	int kq[3], fds[2];

	kq_unix_stream(fds);
	kq_write(fds[1], "x", 1);
	for (size_t i = 0; i < ARRAY_SIZE(kq); i++) {
		kq[i] = kq_new();
		watch(kq[i], fds[0], i == 1 ? EV_CLEAR : 0);
	}
	variant->close(fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(kq); i++)
		fd_assert_unregistered(kq[i], fds[0]);
	fd_assert_no_missed(kq[0]);
}

KQ_TEST_EACH(dup_does_not_keep_it, "KQ-083",
	     "a dup of the file does not keep the knotes of a closed number",
	     fd_ways)
{
	int kq = kq_new(), fds[2], other;

	kq_unix_stream(fds);
	other = ASSERT_SYS(dup(fds[0]));
	watch(kq, fds[0], 0);
	ASSERT_OK(kq_add(kq, other, EVFILT_READ, 0, 0, 0, (void *)3));
	variant->close(fds[0]);
	kq_write(fds[1], "xy", 2);
	/* Only the knote of the other number speaks. */
	ASSERT_EVENT(kq_one(kq), other, EVFILT_READ, EV_ADD, 0, 2, (void *)3);
	kq_drain(other);
	fd_assert_unregistered(kq, fds[0]);
	fd_assert_no_missed(kq);
}

KQ_TEST_EACH(closing_a_dup_keeps_it, "KQ-084",
	     "closing a dup leaves the knotes of the other number alive",
	     fd_ways)
{
	int kq = kq_new(), fds[2], other;

	kq_unix_stream(fds);
	other = ASSERT_SYS(dup(fds[0]));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, (void *)1));
	variant->close(other);
	kq_write(fds[1], "xyz", 3);
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 3, (void *)1);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
	fd_assert_no_missed(kq);
}

KQ_TEST(dup_has_none_until_registered, "KQ-084",
	"a dup starts without knotes; registered, both numbers fire")
{
	int kq = kq_new(), fds[2], other;
	struct kevent events[4];

	kq_unix_stream(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	other = ASSERT_SYS(dup(fds[0]));
	ASSERT_ERR(kq_del(kq, other, EVFILT_READ), ENOENT);
	ASSERT_ERR(kq_ctl(kq, other, EVFILT_READ, EV_ENABLE, 0, 0, NULL),
		   ENOENT);
	ASSERT_OK(kq_add(kq, other, EVFILT_READ, 0, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_poll(kq, events, 4), 2);
	ASSERT_EQ(events[0].ident + events[1].ident, fds[0] + other);
}

KQ_TEST(dup2_onto_itself_keeps_it, "KQ-085",
	"dup2(N, N) changes nothing, dup3(N, N) fails and changes nothing")
{
	int kq = kq_new(), fds[2];

	kq_unix_stream(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, (void *)7));
	ASSERT_EQ(dup2(fds[0], fds[0]), fds[0]);
	ASSERT_ERRNO(dup3(fds[0], fds[0], 0), EINVAL);
	kq_write(fds[1], "x", 1);
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 1, (void *)7);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
}

KQ_TEST(failed_dup2_keeps_it, "KQ-085",
	"dup2 of a closed number over a watched one fails and removes nothing")
{
	int kq = kq_new(), fds[2], closed;

	kq_unix_stream(fds);
	closed = ASSERT_SYS(dup(fds[0]));
	close(closed);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_ERRNO(dup2(closed, fds[0]), EBADF);
	ASSERT_ERRNO(close(closed), EBADF);
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_one(kq).ident, fds[0]);
}

KQ_TEST(same_file_dup2_spares_the_source, "KQ-085 KQ-084",
	"dup2(a, b) of one file removes the knotes of b and keeps those of a")
{
	int kq = kq_new(), fds[2], other;

	kq_unix_stream(fds);
	other = ASSERT_SYS(dup(fds[0]));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, (void *)1));
	ASSERT_OK(kq_add(kq, other, EVFILT_READ, 0, 0, 0, (void *)2));
	ASSERT_SYS(dup2(fds[0], other));
	kq_write(fds[1], "x", 1);
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 1, (void *)1);
	ASSERT_ERR(kq_del(kq, other, EVFILT_READ), ENOENT);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
}

KQ_TEST(reused_number_creates_anew, "KQ-087",
	"EV_ADD on a reused number creates a knote with its own words")
{
	int kq = kq_new(), fds[2], number;
	struct kevent got;

	kq_unix_stream(fds);
	number = fds[0];
	ASSERT_OK(kq_add(kq, number, EVFILT_READ, EV_CLEAR | EV_DISABLE,
			 NOTE_LOWAT, 100, (void *)1));
	close(fds[0]);
	close(fds[1]);
	fd_unix_stream_at(fds, number);
	kq_write(fds[1], "x", 1);
	ASSERT_OK(kq_add(kq, number, EVFILT_READ, 0, 0, 0, (void *)2));
	got = kq_one(kq);
	ASSERT_EVENT(got, number, EVFILT_READ, EV_ADD, 0, 1, (void *)2);
}

KQ_TEST(closed_number_is_refused, "KQ-032 KQ-087",
	"EV_ADD and EV_DELETE on a closed number give EBADF")
{
	int kq = kq_new(), fds[2];

	kq_unix_stream(fds);
	watch(kq, fds[0], 0);
	close(fds[0]);
	for (int filter = EVFILT_READ; filter >= EVFILT_WRITE; filter--) {
		ASSERT_ERR(kq_add(kq, fds[0], filter, 0, 0, 0, NULL), EBADF);
		ASSERT_ERR(kq_del(kq, fds[0], filter), EBADF);
		ASSERT_ERR(kq_ctl(kq, fds[0], filter, EV_ENABLE, 0, 0, NULL),
			   EBADF);
	}
}

/* A thread in kevent() on a queue, and what it got. */
struct waiter {
	int kq;
	volatile pid_t tid;
	int count;
	struct kevent events[4];
};

static void *wait_for_event(void *argument)
{
	struct waiter *waiter = argument;

	waiter->tid = kq_gettid();
	waiter->count = kq_wait(waiter->kq, waiter->events, 4, -1);
	return NULL;
}

KQ_TEST_EACH(waiter_sleeps_on, "KQ-089",
	     "closing a watched number leaves a thread in kevent asleep",
	     fd_ways)
{
	struct waiter waiter = { .kq = kq_new() };
	pthread_t thread;
	int fds[2];

	kq_unix_stream(fds);
	ASSERT_OK(kq_add(waiter.kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_add(waiter.kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	thread = kq_thread(wait_for_event, &waiter);
	kq_await_waiter(&waiter.tid);
	variant->close(fds[0]);
	if (variant->keeps_file)
		kq_write(fds[1], "x", 1);
	else
		fd_await_eof(fds[1]);
	ASSERT_OK(kq_trigger(waiter.kq, 1));
	kq_join(thread);
	/* Only what was triggered after the close woke it. */
	ASSERT_EQ(waiter.count, 1);
	ASSERT_EQ(waiter.events[0].filter, EVFILT_USER);
}

KQ_TEST(close_range_of_many, "KQ-086",
	"close_range over 200 watched numbers removes all and ends all peers")
{
	enum { COUNT = 200, FIRST = 300 };
	int kq = kq_new(), fds[2], peers[COUNT];

	for (int i = 0; i < COUNT; i++) {
		kq_unix_stream(fds);
		fd_move(fds[0], FIRST + i);
		peers[i] = fds[1];
		kq_write(peers[i], "x", 1);
		watch(kq, FIRST + i, i % 2 ? EV_CLEAR : 0);
	}
	ASSERT_SYS(syscall(SYS_close_range, FIRST, FIRST + COUNT - 1, 0));
	kq_fence(kq);
	for (int i = 0; i < COUNT; i++) {
		/* The unread byte turns the end into a reset. */
		ASSERT_ERRNO(read(peers[i], fds, 1), ECONNRESET);
		fd_assert_eof(peers[i]);
		ASSERT_ERR(kq_del(kq, FIRST + i, EVFILT_READ), EBADF);
	}
	for (int i = 0; i < COUNT; i++) {
		ASSERT_EQ(dup2(peers[0], FIRST + i), FIRST + i);
		ASSERT_ERR(kq_del(kq, FIRST + i, EVFILT_READ), ENOENT);
		ASSERT_ERR(kq_del(kq, FIRST + i, EVFILT_WRITE), ENOENT);
	}
	fd_assert_no_missed(kq);
}

KQ_TEST(queue_closed_first, "KQ-082 KQ-103",
	"a queue closed before its descriptors keeps no file open")
{
	int kq = kq_new(), fds[2];

	kq_unix_stream(fds);
	watch(kq, fds[0], 0);
	close(kq);
	close(fds[0]);
	fd_assert_eof(fds[1]);
}

KQ_TEST(deleted_knote_keeps_nothing, "KQ-082",
	"after EV_DELETE or a delivered EV_ONESHOT the file is free to go")
{
	int kq = kq_new(), one[2], two[2];

	kq_unix_stream(one);
	kq_unix_stream(two);
	watch(kq, one[0], 0);
	ASSERT_OK(kq_del(kq, one[0], EVFILT_READ));
	ASSERT_OK(kq_del(kq, one[0], EVFILT_WRITE));
	ASSERT_OK(kq_add(kq, two[0], EVFILT_WRITE, EV_ONESHOT, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).ident, two[0]);
	close(one[0]);
	close(two[0]);
	fd_assert_eof(one[1]);
	fd_assert_eof(two[1]);
}
