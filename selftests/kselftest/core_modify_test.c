// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what identifies a knote and of what a change of an
 * existing one replaces, keeps and sets off.
 */
#include "kq_test.h"

static int marks[4];

KQ_TEST(identity, "KQ-047", "ident, filter and queue identify a knote, nothing else does")
{
	int kq = kq_new(), other = kq_new(), fds[2];
	struct kevent events[4];

	kq_unix_stream(fds);
	kq_write(fds[1], "x", 1);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, &marks[0]));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_WRITE, 0, 0, 0, &marks[1]));
	ASSERT_OK(kq_add(other, fds[0], EVFILT_READ, 0, 0, 0, &marks[2]));
	ASSERT_EQ(kq_poll(kq, events, 4), 2);
	ASSERT_EQ(events[0].filter, EVFILT_READ);
	ASSERT_PTR(events[0].udata, &marks[0]);
	ASSERT_EQ(events[1].filter, EVFILT_WRITE);
	ASSERT_PTR(events[1].udata, &marks[1]);
	ASSERT_PTR(kq_one(other).udata, &marks[2]);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
	ASSERT_EQ(kq_one(kq).filter, EVFILT_WRITE);
	ASSERT_EQ(kq_one(other).filter, EVFILT_READ);

	ASSERT_OK(kq_add(kq, fds[0], EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_TIMER, 0, NOTE_SECONDS, 1000, NULL));
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_USER));
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_TIMER));
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_WRITE));
	kq_none(kq);
}

KQ_TEST(identity_of_each_filter, "KQ-047", "one ident is a knote of its own for each filter and queue")
{
	static const int filters[] = {
		EVFILT_READ, EVFILT_WRITE, EVFILT_EMPTY, EVFILT_EXCEPT,
		EVFILT_TIMER, EVFILT_USER, EVFILT_SIGNAL, EVFILT_FS,
	};
	int kqs[2] = { kq_new(), kq_new() }, fds[2];
	char tags[2][ARRAY_SIZE(filters)];
	struct kevent events[4];

	kq_unix_stream(fds);
	/* A signal number as well. */
	ASSERT_LT(fds[0], SIGRTMAX);
	ASSERT_TRUE(signal(fds[0], SIG_IGN) != SIG_ERR);
	for (size_t q = 0; q < 2; q++)
		for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
			ASSERT_OK(kq_add(kqs[q], fds[0], filters[i], EV_CLEAR, 0, 1000000, &tags[q][i]));
	/* Those that are ready at once: WRITE and EMPTY. */
	for (size_t q = 0; q < 2; q++) {
		ASSERT_EQ(kq_poll(kqs[q], events, 4), 2);
		ASSERT_PTR(events[0].udata, &tags[q][1]);
		ASSERT_PTR(events[1].udata, &tags[q][2]);
	}
	ASSERT_OK(kq_del(kqs[1], fds[0], EVFILT_SIGNAL));
	ASSERT_OK(kq_del(kqs[1], fds[0], EVFILT_READ));
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_poll(kqs[0], events, 4), 1);
	ASSERT_PTR(events[0].udata, &tags[0][0]);
	ASSERT_SYS(kill(getpid(), fds[0]));
	ASSERT_EQ(kq_poll(kqs[0], events, 4), 1);
	ASSERT_PTR(events[0].udata, &tags[0][6]);
	kq_fence(kqs[1]);
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		ASSERT_OK(kq_del(kqs[0], fds[0], filters[i]));
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		ASSERT_ERR(kq_del(kqs[1], fds[0], filters[i]),
			   filters[i] == EVFILT_SIGNAL || filters[i] == EVFILT_READ ? ENOENT : 0);
}

KQ_TEST_EACH(added_twice, "KQ-048", "adding a knote again does not give a second event", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	for (int i = 0; i < 5; i++)
		ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	(void)kq_one(kq);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
	kq_none(kq);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);
}

KQ_TEST(add_replaces_udata, "KQ-049", "a repeated EV_ADD replaces udata")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, &marks[0]));
	ASSERT_PTR(kq_one(kq).udata, &marks[0]);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, &marks[1]));
	ASSERT_PTR(kq_one(kq).udata, &marks[1]);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, NULL));
	ASSERT_PTR(kq_one(kq).udata, NULL);
}

KQ_TEST(every_change_replaces_udata, "KQ-050", "bare EV_ENABLE, EV_DISABLE and flags 0 replace udata")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, &marks[0]));
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_ENABLE, 0, 0, &marks[1]));
	ASSERT_PTR(kq_one(kq).udata, &marks[1]);
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, 0, 0, 0, &marks[2]));
	ASSERT_PTR(kq_one(kq).udata, &marks[2]);
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_DISABLE, 0, 0, &marks[3]));
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_ENABLE | EV_KEEPUDATA, 0, 0, &marks[0]));
	ASSERT_PTR(kq_one(kq).udata, &marks[3]);
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_DISABLE, 0, 0, &marks[3]));
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_ENABLE, 0, 0, NULL));
	ASSERT_PTR(kq_one(kq).udata, NULL);
}

KQ_TEST(keepudata, "KQ-051", "EV_KEEPUDATA keeps the stored udata")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, &marks[0]));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 5, &marks[1]));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 5, &marks[0]);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_DELETE, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, &marks[0]));
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_DISABLE | EV_KEEPUDATA, 0, 0, &marks[1]));
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_ENABLE | EV_KEEPUDATA, 0, 0, &marks[1]));
	ASSERT_PTR(kq_one(kq).udata, &marks[0]);
	ASSERT_EQ(kq_one(kq).flags, EV_ADD);
}

KQ_TEST(add_replaces_words, "KQ-052", "a repeated EV_ADD replaces fflags and data, it does not OR")
{
	int kq = kq_new(), fds[2], file = ASSERT_SYS(memfd_create("kq", 0));

	kq_pipe(fds);
	kq_write(fds[1], "12345678", 8);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
	kq_none(kq);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).data, 8);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 9, NULL));
	kq_none(kq);
	/* data alone, without the note, is no mark */
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 9, NULL));
	ASSERT_EQ(kq_one(kq).data, 8);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));

	ASSERT_OK(kq_add(kq, file, EVFILT_READ, 0, NOTE_FILE_POLL, 0, NULL));
	ASSERT_EQ(kq_one(kq).data, 0);
	ASSERT_OK(kq_add(kq, file, EVFILT_READ, 0, NOTE_LOWAT, 1, NULL));
	kq_none(kq);
}

KQ_TEST(words_survive, "KQ-053", "EV_DISABLE and EV_ENABLE with words of zero keep the stored ones")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	kq_write(fds[1], "12345678", 8);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	kq_none(kq);
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_none(kq);
	kq_write(fds[1], "12345678", 8);
	ASSERT_EQ(kq_one(kq).data, 16);
}

KQ_TEST(words_replaced_without_add, "KQ-053", "words that are not zero are replaced without EV_ADD")
{
	static const unsigned int flags[] = { 0, EV_ENABLE };
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	kq_write(fds[1], "12345678", 8);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 16, NULL));
		ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, flags[i], NOTE_LOWAT, 8, NULL));
		ASSERT_EQ(kq_one(kq).data, 8);
		ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, flags[i], NOTE_LOWAT, 9, NULL));
		kq_none(kq);
		/* One word that is not zero replaces both. */
		ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, flags[i], 0, 9, NULL));
		ASSERT_EQ(kq_one(kq).data, 8);
		ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
	}
}

KQ_TEST_EACH(clear_comes_too_late, "KQ-054", "EV_ADD with EV_CLEAR leaves a level knote level", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	for (int i = 0; i < 3; i++)
		ASSERT_EVENT(kq_next(kq), fds[0], EVFILT_READ, EV_ADD, 0, 1, NULL);
}

KQ_TEST(level_comes_too_late, "KQ-054", "EV_ADD without EV_CLEAR leaves an edge knote edge")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_CLEAR);
	kq_none(kq);
}

KQ_TEST_EACH(oneshot_comes_too_late, "KQ-055", "EV_ADD with EV_ONESHOT leaves a knote in place", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_ONESHOT | EV_DISPATCH, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(kq_next(kq).flags, EV_ADD);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
}

KQ_TEST_EACH(add_does_not_enable, "KQ-056", "EV_ADD on a disabled knote leaves it disabled", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_none(kq);
	kq_write(fds[1], "x", 1);
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).ident, fds[0]);
}

KQ_TEST_EACH(born_disabled, "KQ-057", "a knote added disabled delivers nothing until it is enabled", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD, 0, 1, NULL);
}

KQ_TEST_EACH(disable_hides, "KQ-058", "EV_DISABLE hides a queued event, EV_ENABLE brings it back", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_DISABLE, 0, 0, NULL));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, fds[0], EVFILT_READ, EV_ENABLE, 0, 0, NULL));
	ASSERT_EVENT(kq_one(kq), fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1, NULL);
	kq_fence(kq);
}

KQ_TEST(disable_keeps_a_trigger, "KQ-058", "a recorded event is pending while disabled")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, NOTE_TRIGGER | 6, 7, NULL));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_DISABLE, 0, 7, NULL));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE, 0, 7, NULL));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD | EV_CLEAR, 6, 7, NULL);
	kq_none(kq);
}

KQ_TEST_EACH(delete_discards, "KQ-059", "EV_DELETE discards a queued event", kq_streams)
{
	int kq = kq_new(), fds[2];

	variant->open(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	kq_write(fds[1], "x", 1);
	kq_await_poll(fds[0], POLLIN);
	ASSERT_OK(kq_del(kq, fds[0], EVFILT_READ));
	kq_fence(kq);
	ASSERT_ERR(kq_del(kq, fds[0], EVFILT_READ), ENOENT);

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	kq_fence(kq);
}

KQ_TEST(add_and_delete, "KQ-059", "EV_ADD with EV_DELETE deletes what exists, else creates")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_DELETE, NOTE_TRIGGER, 0, NULL));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_DELETE, NOTE_TRIGGER, 0, NULL));
	kq_none(kq);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
}

KQ_TEST(delete_with_other_flags, "KQ-059", "what else a change with EV_DELETE says does not matter")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, EV_DELETE | EV_ENABLE | EV_KEEPUDATA | EV_FORCEONESHOT,
			 NOTE_TRIGGER, 5, NULL));
	kq_none(kq);
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
}
