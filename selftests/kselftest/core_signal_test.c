// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what ends or disturbs a wait from outside: signals,
 * cancellation of the thread, stops of the process.
 */
#include "kq_test.h"

#include <sys/ptrace.h>

#define SIGNAL SIGUSR1

static const struct timespec zero;

static void ignore_signal(int number KQ_UNUSED)
{
}

static void handle_signal(int flags)
{
	struct sigaction action = { .sa_handler = ignore_signal, .sa_flags = flags };

	ASSERT_SYS(sigaction(SIGNAL, &action, NULL));
}

static const struct {
	const char *name;
	int flags;
	bool finite;
} interruptions[] = {
	{ "plain", 0, false },
	{ "restart", SA_RESTART, false },
	{ "plain_timeout", 0, true },
	{ "restart_timeout", SA_RESTART, true },
};

KQ_TEST_EACH(interrupted, "KQ-075", "a handled signal ends the wait with EINTR, changes stay", interruptions)
{
	const struct timespec hour = { 3600, 0 };
	struct kevent change;
	struct kq_waiter waiter = { .kq = kq_new(), .change = &change };

	handle_signal(variant->flags);
	waiter.timeout = variant->finite ? &hour : NULL;
	EV_SET(&change, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	kq_start_sleeper(&waiter);
	ASSERT_EQ(pthread_kill(waiter.thread, SIGNAL), 0);
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, -1);
	ASSERT_EQ(waiter.error, EINTR);
	ASSERT_OK(kq_trigger(waiter.kq, 1));
	ASSERT_EQ(kq_one(waiter.kq).ident, 1);
}

KQ_TEST(pending_signal, "KQ-076", "with an event ready a signal does not matter")
{
	int kq = kq_new();
	struct kevent event;

	handle_signal(0);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_ONESHOT, NOTE_TRIGGER, 0, NULL));
	raise(SIGNAL);
	ASSERT_EQ(kevent(kq, NULL, 0, &event, 1, NULL), 1);
	ASSERT_EQ(event.ident, 1);
}

KQ_TEST(signals_lose_nothing, "KQ-076", "events caused while signals arrive are all returned, once")
{
	enum { ROUNDS = 300 };
	struct kq_waiter waiter = { .kq = kq_new() };
	long long start = kq_now();
	int interrupted = 0, i;

	handle_signal(SA_RESTART);
	for (i = 0; kq_more(i, ROUNDS, start); i++) {
		ASSERT_OK(kq_add(waiter.kq, i, EVFILT_USER, i % 2 ? EV_ONESHOT : EV_CLEAR, 0, 0, NULL));
		kq_start_sleeper(&waiter);
		if (i % 3)
			pthread_kill(waiter.thread, SIGNAL);
		ASSERT_OK(kq_trigger(waiter.kq, i));
		if (i % 3 == 0)
			pthread_kill(waiter.thread, SIGNAL);
		kq_join(waiter.thread);
		if (waiter.result < 0) {
			ASSERT_EQ(waiter.error, EINTR);
			waiter.event = kq_one(waiter.kq);
			interrupted++;
		}
		ASSERT_EQ(waiter.event.ident, i);
		kq_none(waiter.kq);
	}
	kq_diag("%d of %d waits were interrupted", interrupted, i);
}

KQ_TEST(cancel_a_waiter, "KQ-077", "pthread_cancel ends a blocked kevent(), the queue works on")
{
	struct kq_waiter waiter = { .kq = kq_new() };

	kq_start_sleeper(&waiter);
	ASSERT_EQ(pthread_cancel(waiter.thread), 0);
	ASSERT_PTR(kq_join(waiter.thread), PTHREAD_CANCELED);
	ASSERT_FALSE(waiter.done);
	ASSERT_OK(kq_add(waiter.kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kq_one(waiter.kq).ident, 1);
}

static const struct {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
};

KQ_TEST_EACH(cancel_loses_nothing, "KQ-077", "a cancelled kevent() has taken no event", kinds)
{
	enum { ROUNDS = 300 };
	long long start = kq_now();
	int cancelled = 0, i;

	for (i = 0; kq_more(i, ROUNDS, start); i++) {
		struct kq_waiter waiter = { .kq = kq_new() };

		ASSERT_OK(kq_add(waiter.kq, 1, EVFILT_USER, variant->flags, 0, 0, NULL));
		kq_start_waiter(&waiter);
		if (i % 4)
			kq_await_waiter(&waiter.tid);
		ASSERT_OK(kq_trigger(waiter.kq, 1));
		for (volatile int spin = 0; spin < i * 20; spin++)
			;
		pthread_cancel(waiter.thread);
		if (kq_join(waiter.thread) == PTHREAD_CANCELED && !waiter.done) {
			cancelled++;
			ASSERT_EQ(kq_one(waiter.kq).ident, 1);
		} else {
			ASSERT_EQ(waiter.result, 1);
			kq_none(waiter.kq);
		}
		close(waiter.kq);
	}
	kq_diag("%d of %d waits were cancelled", cancelled, i);
}

static volatile int change_result;

static void *change_with_cancel_pending(void *argument)
{
	struct kevent change;

	EV_SET(&change, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
	pthread_cancel(pthread_self());
	change_result = 1 + kevent(*(int *)argument, &change, 1, NULL, 0, NULL);
	pthread_testcancel();
	change_result = -1;
	return NULL;
}

KQ_TEST(no_cancellation_point, "KQ-077", "with nevents 0 kevent() is no cancellation point")
{
	int kq = kq_new();

	ASSERT_PTR(kq_join(kq_thread(change_with_cancel_pending, &kq)), PTHREAD_CANCELED);
	ASSERT_EQ(change_result, 1);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
}

static void *collect_with_cancel_pending(void *argument)
{
	struct kevent event;

	pthread_cancel(pthread_self());
	kevent(*(int *)argument, NULL, 0, &event, 1, &zero);
	change_result = -1;
	return NULL;
}

KQ_TEST(cancellation_point, "KQ-077", "with nevents above 0 kevent() is a cancellation point, also if it need not wait")
{
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_ONESHOT, NOTE_TRIGGER, 0, NULL));
	ASSERT_PTR(kq_join(kq_thread(collect_with_cancel_pending, &kq)), PTHREAD_CANCELED);
	ASSERT_EQ(change_result, 0);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

static void stop_and_continue(pid_t pid)
{
	int status;

	ASSERT_SYS(kill(pid, SIGSTOP));
	ASSERT_EQ(waitpid(pid, &status, WUNTRACED), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_SYS(kill(pid, SIGCONT));
}

static void attach_and_detach(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, 0, 0))
		KQ_SKIP("ptrace is not allowed here");
	ASSERT_SYS(ptrace(PTRACE_INTERRUPT, pid, 0, 0));
	ASSERT_EQ(waitpid(pid, &status, __WALL), pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_SYS(ptrace(PTRACE_DETACH, pid, 0, 0));
}

static const struct {
	const char *name;
	void (*disturb)(pid_t pid);
} stops[] = {
	{ "sigstop", stop_and_continue },
	{ "ptrace", attach_and_detach },
};

static void await_waiting_child(pid_t pid)
{
	volatile pid_t tid = pid;

	kq_await_waiter(&tid);
}

/*
 * A change that would fail if it were applied twice, and toggles: a second
 * application would be seen either way.
 */
static int wait_with_changes(int kq, const struct timespec *timeout)
{
	struct kevent changes[2], event;
	int result;

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 2, EVFILT_USER, 0, 0, 0, NULL));
	EV_SET(&changes[0], 1, EVFILT_USER, EV_DELETE, 0, 0, NULL);
	EV_SET(&changes[1], 2, EVFILT_USER, EV_ADD | EV_DELETE, 0, 0, NULL);
	result = kevent(kq, changes, 2, &event, 1, timeout);
	if (result == 1 && event.flags & EV_ERROR)
		KQ_FAIL_NOW("the changes were applied twice");
	if (result < 0)
		KQ_FAIL_NOW("the wait ended with %s", kq_errno_name(errno));
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
	ASSERT_ERR(kq_del(kq, 2, EVFILT_USER), ENOENT);
	return result;
}

KQ_TEST_EACH(stopped, "KQ-078", "a stop neither ends, shortens nor restarts the wait", stops)
{
	const struct timespec timeout = { 4, 0 };
	pid_t pid = kq_fork();

	if (!pid) {
		int kq = kq_new();
		long long start = kq_now(), elapsed;

		ASSERT_EQ(wait_with_changes(kq, &timeout), 0);
		elapsed = kq_now() - start;
		ASSERT_GE(elapsed, 4 * KQ_SEC);
		/* Started anew by the stop after 2 s it would take 6 s. */
		ASSERT_LT(elapsed, 5900 * KQ_MS);
		_exit(0);
	}
	await_waiting_child(pid);
	for (int i = 0; i < 5; i++) {
		variant->disturb(pid);
		await_waiting_child(pid);
	}
	kq_sleep_ms(2000);
	variant->disturb(pid);
	kq_reap(pid);
}

KQ_TEST_EACH(stopped_for_ever, "KQ-078", "a wait without timeout goes on after a stop and gets its event", stops)
{
	int fds[2];
	pid_t pid;

	kq_pipe(fds);
	pid = kq_fork();
	if (!pid) {
		int kq = kq_new();

		ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, EV_ONESHOT, 0, 0, NULL));
		ASSERT_EQ(wait_with_changes(kq, NULL), 1);
		kq_none(kq);
		_exit(0);
	}
	for (int i = 0; i < 5; i++) {
		await_waiting_child(pid);
		variant->disturb(pid);
	}
	kq_write(fds[1], "x", 1);
	kq_reap(pid);
}
