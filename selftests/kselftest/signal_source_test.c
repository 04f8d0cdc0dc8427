// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that EVFILT_SIGNAL counts wherever a signal comes from: system
 * calls, timers, descriptors, faults, children, the terminal; and that it
 * does so for every signal there is.
 */
#include "kq_test.h"
#include "kq_signal.h"

#include <sys/ioctl.h>
#include <sys/time.h>

#define SIGNAL	SIGUSR1

/* Sources. Each makes one signal, some of them a little later. */

static void by_kill(void)
{
	signal_send(SIGNAL);
}

static void by_group(void)
{
	ASSERT_SYS(kill(0, SIGNAL));
}

static void by_raise(void)
{
	ASSERT_EQ(raise(SIGNAL), 0);
}

static void by_sigqueue(void)
{
	ASSERT_SYS(sigqueue(getpid(), SIGNAL, (union sigval){ .sival_int = 5 }));
}

static void by_pthread_kill(void)
{
	ASSERT_EQ(pthread_kill(pthread_self(), SIGNAL), 0);
}

static void by_pthread_sigqueue(void)
{
	ASSERT_EQ(pthread_sigqueue(pthread_self(), SIGNAL, (union sigval){ .sival_int = 5 }), 0);
}

static void by_tkill(void)
{
	ASSERT_SYS(syscall(SYS_tkill, kq_gettid(), SIGNAL));
}

static void by_pidfd(void)
{
	int fd = ASSERT_SYS((int)syscall(SYS_pidfd_open, getpid(), 0));

	ASSERT_SYS(syscall(SYS_pidfd_send_signal, fd, SIGNAL, NULL, 0));
	close(fd);
}

static void by_other_process(void)
{
	pid_t child = kq_fork();

	if (!child) {
		ASSERT_SYS(kill(getppid(), SIGNAL));
		_exit(0);
	}
	kq_reap(child);
}

static void by_interval_timer(void)
{
	struct itimerval soon = { .it_value.tv_usec = 1000 };

	ASSERT_SYS(setitimer(ITIMER_REAL, &soon, NULL));
}

static void by_timer(void)
{
	signal_start_timer(SIGNAL, (struct sigevent){ .sigev_notify = SIGEV_SIGNAL });
}

static void by_thread_timer(void)
{
	signal_start_thread_timer(SIGNAL, kq_gettid());
}

static void by_broken_pipe(void)
{
	int fds[2];

	kq_pipe(fds);
	close(fds[0]);
	ASSERT_ERRNO(write(fds[1], "x", 1), EPIPE);
	close(fds[1]);
}

static void by_broken_connection(void)
{
	int fds[2];

	kq_unix_stream(fds);
	close(fds[0]);
	ASSERT_ERRNO(write(fds[1], "x", 1), EPIPE);
	close(fds[1]);
}

static void by_ready_descriptor(void)
{
	int fds[2];

	kq_pipe(fds);
	ASSERT_SYS(fcntl(fds[0], F_SETOWN, getpid()));
	ASSERT_SYS(fcntl(fds[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	kq_write(fds[1], "x", 1);
	close(fds[0]);
	close(fds[1]);
}

static void by_file_size_limit(void)
{
	struct rlimit old, none;
	int fd = ASSERT_SYS(memfd_create("kq", 0));

	ASSERT_SYS(getrlimit(RLIMIT_FSIZE, &old));
	none = (struct rlimit){ 0, old.rlim_max };
	ASSERT_SYS(setrlimit(RLIMIT_FSIZE, &none));
	ASSERT_ERRNO(ftruncate(fd, 1), EFBIG);
	ASSERT_SYS(setrlimit(RLIMIT_FSIZE, &old));
	close(fd);
}

static void by_end_of_child(void)
{
	pid_t child = kq_fork();
	siginfo_t info;

	if (!child)
		_exit(0);
	ASSERT_SYS(waitid(P_PID, child, &info, WEXITED));
}

/* The process leads a session without a terminal: signal_alone(). */
static void by_terminal(void)
{
	int master = ASSERT_SYS(posix_openpt(O_RDWR | O_NOCTTY));
	int slave;

	ASSERT_SYS(grantpt(master));
	ASSERT_SYS(unlockpt(master));
	slave = ASSERT_SYS(open(ptsname(master), O_RDWR | O_NOCTTY));
	ASSERT_SYS(ioctl(slave, TIOCSCTTY, 0));
	/* Both stay open: their close would send SIGHUP. */
	kq_write(master, "\003", 1);
}

static const struct source {
	const char *name;
	int signo;
	void (*send)(void);
} sources[] = {
	{ "kill", SIGNAL, by_kill },
	{ "kill_group", SIGNAL, by_group },
	{ "raise", SIGNAL, by_raise },
	{ "sigqueue", SIGNAL, by_sigqueue },
	{ "pthread_kill", SIGNAL, by_pthread_kill },
	{ "pthread_sigqueue", SIGNAL, by_pthread_sigqueue },
	{ "tkill", SIGNAL, by_tkill },
	{ "pidfd", SIGNAL, by_pidfd },
	{ "other_process", SIGNAL, by_other_process },
	{ "setitimer", SIGALRM, by_interval_timer },
	{ "timer", SIGNAL, by_timer },
	{ "timer_for_thread", SIGNAL, by_thread_timer },
	{ "broken_pipe", SIGPIPE, by_broken_pipe },
	{ "broken_connection", SIGPIPE, by_broken_connection },
	{ "ready_descriptor", SIGIO, by_ready_descriptor },
	{ "file_size_limit", SIGXFSZ, by_file_size_limit },
	{ "terminal", SIGINT, by_terminal },
};

static void assert_blocked(const struct source *source)
{
	sigset_t set = signal_set(source->signo);
	int kq, got;

	signal_alone();
	kq = kq_new();
	signal_block(source->signo);
	ASSERT_OK(signal_add(kq, source->signo));
	source->send();
	ASSERT_EQ(sigwait(&set, &got), 0);
	ASSERT_EQ(got, source->signo);
	signal_assert(kq, source->signo, 1);
}

static void assert_handled(const struct source *source)
{
	sigset_t set = signal_set(source->signo), old;
	int kq;

	signal_alone();
	kq = kq_new();
	signal_handle(source->signo);
	ASSERT_OK(signal_add(kq, source->signo));
	/* Open where it is waited for only. */
	ASSERT_SYS(sigprocmask(SIG_BLOCK, &set, &old));
	source->send();
	sigsuspend(&old);
	ASSERT_EQ(signal_handled, 1);
	signal_assert(kq, source->signo, 1);
}

KQ_TEST_EACH(blocked, "KQ-233 KQ-235", "a blocked signal counts, and stays for sigwait", sources)
{
	assert_blocked(variant);
}

KQ_TEST_EACH(handled, "KQ-233 KQ-235", "a handled signal counts, and its handler runs", sources)
{
	assert_handled(variant);
}

KQ_TEST_EACH(ignored, "KQ-233 KQ-235", "an ignored signal counts", sources)
{
	int kq;

	signal_alone();
	kq = kq_new();
	signal_ignore(variant->signo);
	ASSERT_OK(signal_add(kq, variant->signo));
	variant->send();
	ASSERT_EVENT(kq_next(kq), variant->signo, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
	kq_fence(kq);
}

/* Children. An ignored SIGCHLD is not generated, as on FreeBSD. */

static const struct source end_of_child = { "end_of_child", SIGCHLD, by_end_of_child };

KQ_TEST(end_of_child_blocked, "KQ-235 KQ-238", "a blocked SIGCHLD counts, and stays for sigwait")
{
	assert_blocked(&end_of_child);
}

KQ_TEST(end_of_child_handled, "KQ-235 KQ-238", "a handled SIGCHLD counts, and its handler runs")
{
	assert_handled(&end_of_child);
}

KQ_TEST(child_with_proc, "KQ-238", "SIGCHLD and the child's PROC knote both report its end")
{
	int kq = kq_new(), hold[2], status;
	struct kevent events[4], *event;
	bool ended = false;
	int signals = 0;
	pid_t child;

	kq_pipe(hold);
	child = kq_fork();
	if (!child) {
		close(hold[1]);
		kq_await_poll(hold[0], POLLIN);
		_exit(7);
	}
	ASSERT_OK(signal_add(kq, SIGCHLD));
	ASSERT_OK(kq_add(kq, child, EVFILT_PROC, 0, NOTE_EXIT, 0, SIGNAL_MARK));
	kq_fence(kq);
	close(hold[1]);
	while (!ended || !signals) {
		int count = kq_wait(kq, events, ARRAY_SIZE(events), -1);

		ASSERT_GT(count, 0);
		for (event = events; event < events + count; event++) {
			if (event->filter == EVFILT_PROC) {
				ASSERT_EQ(event->ident, child);
				ASSERT_EQ(WEXITSTATUS(event->data), 7);
				ASSERT_FALSE(ended);
				ended = true;
			} else {
				ASSERT_EQ(event->ident, SIGCHLD);
				signals += event->data;
			}
		}
	}
	ASSERT_EQ(signals, 1);
	ASSERT_EQ(waitpid(child, &status, 0), child);
	ASSERT_EQ(WEXITSTATUS(status), 7);
	kq_fence(kq);
}

KQ_TEST(child_stops, "KQ-238 KQ-233", "stop, continuation and end of a child each count as a SIGCHLD")
{
	int kq = kq_new(), hold[2], status;
	pid_t child;

	kq_pipe(hold);
	ASSERT_OK(signal_add(kq, SIGCHLD));
	child = kq_fork();
	if (!child) {
		close(hold[1]);
		kq_await_poll(hold[0], POLLIN);
		_exit(0);
	}
	ASSERT_SYS(kill(child, SIGSTOP));
	ASSERT_EQ(kq_next(kq).data, 1);
	ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
	ASSERT_SYS(kill(child, SIGCONT));
	ASSERT_EQ(kq_next(kq).data, 1);
	close(hold[1]);
	ASSERT_EQ(kq_next(kq).data, 1);
	kq_reap(child);
	kq_fence(kq);
}

/* All signals. */

KQ_TEST(every_signal, "KQ-239 KQ-233", "every signal there is can be watched and counts")
{
	struct kevent events[70];
	uint64_t all = ~0ull;
	int kq, next = 0, count;

	signal_alone();
	kq = kq_new();
	/* The C library would leave its own two unblocked. */
	ASSERT_SYS(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all)));
	for (int signo = 1; signo <= SIGRTMAX; signo++)
		ASSERT_OK(signal_add(kq, signo));
	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		if (signo == SIGKILL || signo == SIGSTOP)
			continue;
		for (int i = 0; i < 3; i++)
			signal_send(signo);
	}
	count = kq_poll(kq, events, ARRAY_SIZE(events));
	ASSERT_EQ(count, SIGRTMAX - 2);
	for (int signo = 1; signo <= SIGRTMAX; signo++) {
		if (signo == SIGKILL || signo == SIGSTOP)
			continue;
		ASSERT_EVENT(events[next++], signo, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 3, SIGNAL_MARK);
	}
	kq_fence(kq);
}

KQ_TEST(real_time_values, "KQ-239", "queued real-time signals are counted and keep their values and order")
{
	struct timespec zero = { 0 };
	siginfo_t info;
	int kq;

	signal_alone();
	kq = kq_new();
	for (int signo = SIGRTMIN; signo <= SIGRTMAX; signo++) {
		sigset_t set = signal_set(signo);

		signal_block(signo);
		ASSERT_OK(signal_add(kq, signo));
		for (int i = 0; i < 5; i++)
			ASSERT_SYS(sigqueue(getpid(), signo, (union sigval){ .sival_int = i }));
		signal_assert(kq, signo, 5);
		for (int i = 0; i < 5; i++) {
			ASSERT_EQ(sigtimedwait(&set, &info, &zero), signo);
			ASSERT_EQ(info.si_value.sival_int, i);
		}
		ASSERT_ERRNO(sigtimedwait(&set, &info, &zero), EAGAIN);
	}
	kq_fence(kq);
}
