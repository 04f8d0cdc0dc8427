// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what EVFILT_SIGNAL counts and when: idents, states of the
 * signal and of the knote, and that the signal itself goes its usual way.
 */
#include "kq_test.h"
#include "kq_signal.h"

#define SIGNAL	SIGUSR1

KQ_TEST(kill_self, "KQ-233", "a signal sent to the process is one event with data 1 and EV_CLEAR")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	kq_fence(kq);
	signal_send(SIGNAL);
	ASSERT_EVENT(kq_one(kq), SIGNAL, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
	kq_fence(kq);
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

KQ_TEST(other_signals, "KQ-233", "another signal is not counted, and no signal is none")
{
	int kq = kq_new();

	signal_ignore(SIGUSR1);
	signal_ignore(SIGUSR2);
	ASSERT_OK(signal_add(kq, SIGUSR1));
	signal_send(SIGUSR2);
	signal_send(0);
	kq_fence(kq);
	ASSERT_OK(signal_add(kq, SIGUSR2));
	signal_send(SIGUSR1);
	signal_assert(kq, SIGUSR1, 1);
	signal_send(SIGUSR2);
	signal_assert(kq, SIGUSR2, 1);
}

KQ_TEST(foreign_words, "KQ-233", "fflags and data of the change mean nothing")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(kq_add(kq, SIGNAL, EVFILT_SIGNAL, 0, 0xffffffff, 77, SIGNAL_MARK));
	kq_fence(kq);
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

/* The way of the signal. */

KQ_TEST(counts_while_blocked, "KQ-234 KQ-235", "a blocked signal counts each time, though one is pending")
{
	sigset_t set = signal_set(SIGNAL);
	struct timespec zero = { 0 };
	int kq;

	signal_alone();
	kq = kq_new();
	signal_block(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	for (int i = 0; i < 3; i++)
		signal_send(SIGNAL);
	ASSERT_TRUE(signal_is_pending(SIGNAL));
	signal_assert(kq, SIGNAL, 3);
	/* The pending one was neither consumed by the event nor counts again. */
	ASSERT_TRUE(signal_is_pending(SIGNAL));
	ASSERT_EQ(sigtimedwait(&set, NULL, &zero), SIGNAL);
	ASSERT_FALSE(signal_is_pending(SIGNAL));
	kq_fence(kq);
}

KQ_TEST(consumed_before_delivery, "KQ-235", "a signal that sigwait took before the event was looked at counts")
{
	sigset_t set = signal_set(SIGNAL);
	int kq, got;

	signal_alone();
	kq = kq_new();
	signal_block(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	signal_send(SIGNAL);
	ASSERT_EQ(sigwait(&set, &got), 0);
	ASSERT_EQ(got, SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

KQ_TEST(handler_runs, "KQ-235", "the handler of a counted signal runs, at once or when it is unblocked")
{
	int kq;

	signal_alone();
	kq = kq_new();
	signal_handle(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	signal_send(SIGNAL);
	ASSERT_EQ(signal_handled, 1);
	signal_assert(kq, SIGNAL, 1);
	signal_block(SIGNAL);
	signal_send(SIGNAL);
	signal_send(SIGNAL);
	ASSERT_EQ(signal_handled, 1);
	signal_assert(kq, SIGNAL, 2);
	/* Its delivery is no generation. */
	signal_unblock(SIGNAL);
	ASSERT_EQ(signal_handled, 2);
	kq_fence(kq);
}

KQ_TEST(fatal_action, "KQ-235", "the default action of a watched signal kills")
{
	pid_t child = kq_fork();
	int status;

	if (!child) {
		int kq = kq_new();

		ASSERT_OK(signal_add(kq, SIGTERM));
		raise(SIGTERM);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_TRUE(WIFSIGNALED(status));
	ASSERT_EQ(WTERMSIG(status), SIGTERM);
}

static const struct {
	const char *name;
	int signo;
	void (*handler)(int signo);
} without_effects[] = {
	{ "ignored", SIGTERM, SIG_IGN },
	{ "default_sigurg", SIGURG, SIG_DFL },
	{ "default_sigwinch", SIGWINCH, SIG_DFL },
	{ "default_sigchld", SIGCHLD, SIG_DFL },
	{ "default_sigcont", SIGCONT, SIG_DFL },
	{ "ignored_sigcont", SIGCONT, SIG_IGN },
};

KQ_TEST_EACH(without_effect, "KQ-235 KQ-243", "a signal that does nothing counts, SIGCONT too", without_effects)
{
	int kq = kq_new();

	signal_dispose(variant->signo, variant->handler);
	ASSERT_OK(signal_add(kq, variant->signo));
	for (int i = 1; i <= 3; i++) {
		for (int j = 0; j < i; j++)
			signal_send(variant->signo);
		signal_assert(kq, variant->signo, i);
	}
}

/* All that the kernel says about the signals of this thread. */
static void read_status(char *text, size_t size)
{
	static const char * const wanted[] = {
		"SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:", "SigCgt:",
	};
	FILE *file = fopen("/proc/thread-self/status", "re");
	char line[256];
	size_t used = 0;

	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file))
		for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
			if (!strncmp(line, wanted[i], strlen(wanted[i])))
				used += snprintf(text + used, size - used, "%s", line);
	fclose(file);
	ASSERT_TRUE(strstr(text, "SigPnd:") && strstr(text, "SigCgt:"));
}

KQ_TEST(nothing_changes, "KQ-236", "a registration, its events and its end change no mask and no disposition")
{
	char before[512], after[512];
	struct kevent events[70];
	int kq;

	signal_alone();
	kq = kq_new();
	signal_ignore(SIGUSR2);
	signal_handle(SIGHUP);
	signal_block(SIGUSR1);
	signal_send(SIGUSR1);
	read_status(before, sizeof(before));
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		ASSERT_OK(signal_add(kq, signo));
	signal_send(SIGUSR1);
	signal_send(SIGUSR2);
	signal_send(SIGHUP);
	read_status(after, sizeof(after));
	ASSERT_EQ(strcmp(before, after), 0);
	ASSERT_EQ(kq_poll(kq, events, ARRAY_SIZE(events)), 3);
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		ASSERT_OK(kq_ctl(kq, signo, EVFILT_SIGNAL, EV_DISABLE, 0, 0, NULL));
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		ASSERT_OK(kq_del(kq, signo, EVFILT_SIGNAL));
	ASSERT_SYS(close(kq));
	read_status(after, sizeof(after));
	ASSERT_EQ(strcmp(before, after), 0);
}

/* Idents. */

KQ_TEST(bad_idents, "KQ-241", "a number that is no signal fails EINVAL and leaves no knote")
{
	uintptr_t idents[] = {
		0, (uintptr_t)-1, SIGRTMAX + 1, SIGRTMAX + 2, 128, 0x7fffffff, 0x80000000u, 0,
	};
	int kq = kq_new();

	/* The upper half of the word counts. */
	idents[7] = sizeof(void *) == 8 ? SIGNAL | (uintptr_t)1 << (sizeof(void *) * 4) : (uintptr_t)-2;
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++) {
		ASSERT_ERR(kq_add(kq, idents[i], EVFILT_SIGNAL, 0, 0, 0, NULL), EINVAL);
		ASSERT_ERR(kq_add(kq, idents[i], EVFILT_SIGNAL, EV_DISABLE, 0, 0, NULL), EINVAL);
		ASSERT_ERR(kq_del(kq, idents[i], EVFILT_SIGNAL), ENOENT);
	}
	ASSERT_OK(signal_add(kq, SIGRTMAX));
	kq_none(kq);
}

KQ_TEST(before_registration, "KQ-240", "signals generated before EV_ADD do not count, even while they are pending")
{
	int kq;

	signal_alone();
	kq = kq_new();
	signal_handle(SIGNAL);
	signal_block(SIGNAL);
	signal_send(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	kq_fence(kq);
	signal_unblock(SIGNAL);
	ASSERT_EQ(signal_handled, 1);
	kq_fence(kq);
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

/* The knote. */

KQ_TEST(two_queues, "KQ-242 KQ-047", "each queue has a count of its own")
{
	int first = kq_new(), second = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(first, SIGNAL));
	signal_send(SIGNAL);
	ASSERT_OK(signal_add(second, SIGNAL));
	signal_send(SIGNAL);
	signal_assert(second, SIGNAL, 1);
	signal_send(SIGNAL);
	signal_assert(first, SIGNAL, 3);
	signal_assert(second, SIGNAL, 1);
	ASSERT_OK(kq_del(first, SIGNAL, EVFILT_SIGNAL));
	signal_send(SIGNAL);
	kq_fence(first);
	signal_assert(second, SIGNAL, 1);
	ASSERT_SYS(close(second));
	signal_send(SIGNAL);
	kq_fence(first);
}

KQ_TEST(modify_keeps_count, "KQ-233 KQ-049", "a repeated EV_ADD replaces udata and keeps what was counted")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(kq_add(kq, SIGNAL, EVFILT_SIGNAL, 0, 0, 0, NULL));
	signal_send(SIGNAL);
	ASSERT_OK(kq_add(kq, SIGNAL, EVFILT_SIGNAL, 0, 1, 1, &kq));
	ASSERT_OK(kq_ctl(kq, SIGNAL, EVFILT_SIGNAL, 0, 2, 2, SIGNAL_MARK));
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 2);
	/* A delivered count does not come back. */
	ASSERT_OK(signal_add(kq, SIGNAL));
	kq_fence(kq);
}

KQ_TEST(delete_forgets, "KQ-059 KQ-240", "EV_DELETE discards the count, a new knote starts from none")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	signal_send(SIGNAL);
	ASSERT_OK(kq_del(kq, SIGNAL, EVFILT_SIGNAL));
	kq_fence(kq);
	ASSERT_OK(signal_add(kq, SIGNAL));
	kq_fence(kq);
	signal_send(SIGNAL);
	signal_assert(kq, SIGNAL, 1);
}

KQ_TEST(counts_while_disabled, "KQ-057 KQ-058 KQ-233", "what was counted while disabled comes with EV_ENABLE")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(kq_add(kq, SIGNAL, EVFILT_SIGNAL, EV_DISABLE, 0, 0, SIGNAL_MARK));
	signal_send(SIGNAL);
	signal_send(SIGNAL);
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, SIGNAL, EVFILT_SIGNAL, EV_ENABLE, 0, 0, SIGNAL_MARK));
	signal_assert(kq, SIGNAL, 2);
	/* One that was queued already is kept too. */
	signal_send(SIGNAL);
	ASSERT_OK(kq_ctl(kq, SIGNAL, EVFILT_SIGNAL, EV_DISABLE, 0, 0, SIGNAL_MARK));
	signal_send(SIGNAL);
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, SIGNAL, EVFILT_SIGNAL, EV_ENABLE, 0, 0, SIGNAL_MARK));
	signal_assert(kq, SIGNAL, 2);
}

KQ_TEST(dispatch, "KQ-066 KQ-067", "EV_DISPATCH disables after a delivery and loses no count")
{
	unsigned int flags = EV_ADD | EV_CLEAR | EV_DISPATCH;
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(kq_add(kq, SIGNAL, EVFILT_SIGNAL, EV_DISPATCH, 0, 0, SIGNAL_MARK));
	signal_send(SIGNAL);
	ASSERT_EVENT(kq_one(kq), SIGNAL, EVFILT_SIGNAL, flags, 0, 1, SIGNAL_MARK);
	signal_send(SIGNAL);
	signal_send(SIGNAL);
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, SIGNAL, EVFILT_SIGNAL, EV_ENABLE, 0, 0, SIGNAL_MARK));
	ASSERT_EVENT(kq_one(kq), SIGNAL, EVFILT_SIGNAL, flags, 0, 2, SIGNAL_MARK);
	ASSERT_OK(kq_ctl(kq, SIGNAL, EVFILT_SIGNAL, EV_ENABLE, 0, 0, SIGNAL_MARK));
	kq_fence(kq);
}

KQ_TEST(oneshot, "KQ-064", "an EV_ONESHOT knote is gone after its event")
{
	int kq = kq_new();

	signal_ignore(SIGNAL);
	ASSERT_OK(kq_add(kq, SIGNAL, EVFILT_SIGNAL, EV_ONESHOT, 0, 0, SIGNAL_MARK));
	signal_send(SIGNAL);
	signal_send(SIGNAL);
	ASSERT_EVENT(kq_one(kq), SIGNAL, EVFILT_SIGNAL, EV_ADD | EV_CLEAR | EV_ONESHOT, 0, 2, SIGNAL_MARK);
	ASSERT_ERR(kq_del(kq, SIGNAL, EVFILT_SIGNAL), ENOENT);
	signal_send(SIGNAL);
	kq_fence(kq);
}

/* Waiters. */

KQ_TEST(ignored_signal_wakes, "KQ-235", "an ignored signal wakes a thread that sleeps in kevent")
{
	struct kq_waiter waiter = { .kq = kq_new() };

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(waiter.kq, SIGNAL));
	kq_start_sleeper(&waiter);
	signal_send(SIGNAL);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EVENT(waiter.event, SIGNAL, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
}

KQ_TEST(blocked_signal_wakes, "KQ-235", "a signal blocked in all threads wakes a thread that sleeps in kevent")
{
	struct kq_waiter waiter = { 0 };

	signal_alone();
	waiter.kq = kq_new();
	signal_block(SIGNAL);
	ASSERT_OK(signal_add(waiter.kq, SIGNAL));
	kq_start_sleeper(&waiter);
	signal_send(SIGNAL);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EVENT(waiter.event, SIGNAL, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
	ASSERT_TRUE(signal_is_pending(SIGNAL));
}

KQ_TEST(interrupted_waiter, "KQ-235 KQ-076", "a handler that runs in the waiting thread costs no event")
{
	long long start = kq_now();

	signal_handle(SIGNAL);
	for (int i = 1; kq_more(i, 100, start); i++) {
		struct kq_waiter waiter = { .kq = kq_new() };

		ASSERT_OK(signal_add(waiter.kq, SIGNAL));
		kq_start_sleeper(&waiter);
		ASSERT_EQ(pthread_kill(waiter.thread, SIGNAL), 0);
		kq_join(waiter.thread);
		ASSERT_EQ(signal_handled, i);
		/* The thread may see the signal before its event. */
		if (waiter.result < 0) {
			ASSERT_EQ(waiter.error, EINTR);
			waiter.event = kq_one(waiter.kq);
		}
		ASSERT_EQ(waiter.event.data, 1);
		kq_fence(waiter.kq);
		ASSERT_SYS(close(waiter.kq));
	}
}

static void *send_many(void *count)
{
	for (int i = 0; i < (int)(intptr_t)count; i++)
		signal_send(SIGNAL);
	return NULL;
}

KQ_TEST(exact_count, "KQ-233 KQ-081", "signals sent while events are delivered are all counted, once")
{
	enum { THREADS = 4, EACH = 500 };
	pthread_t threads[THREADS];
	int kq = kq_new();
	long long sum = 0;

	signal_ignore(SIGNAL);
	ASSERT_OK(signal_add(kq, SIGNAL));
	for (int i = 0; i < THREADS; i++)
		threads[i] = kq_thread(send_many, (void *)(intptr_t)EACH);
	/* A lost one ends in the time limit. */
	while (sum < THREADS * EACH)
		sum += kq_next(kq).data;
	for (int i = 0; i < THREADS; i++)
		kq_join(threads[i]);
	ASSERT_EQ(sum, THREADS * EACH);
	kq_fence(kq);
}
