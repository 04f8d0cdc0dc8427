/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of EVFILT_SIGNAL share: a process whose signals nobody
 * else takes, dispositions, and the one event a count is. Include after
 * kq_test.h.
 */
#ifndef KQ_SIGNAL_H
#define KQ_SIGNAL_H

#include <sys/prctl.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id	_sigev_un._tid
#endif

#define SIGNAL_MARK	((void *)6)	/* udata of all knotes made here */

static volatile sig_atomic_t signal_handled;

/*
 * The case goes on in a process with one thread, a session of its own: what
 * this thread blocks stays pending, and what is sent to the group or by the
 * terminal reaches nobody else.
 */
static inline void signal_alone(void)
{
	pid_t child = kq_fork();

	if (child) {
		kq_reap(child);
		_exit(KQ_PASS);
	}
	ASSERT_SYS(prctl(PR_SET_PDEATHSIG, SIGKILL));
	ASSERT_SYS(setsid());
}

static inline void signal_count(int signo KQ_UNUSED)
{
	signal_handled++;
}

static inline void signal_dispose(int signo, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	ASSERT_SYS(sigaction(signo, &action, NULL));
}

static inline void signal_ignore(int signo)
{
	signal_dispose(signo, SIG_IGN);
}

static inline void signal_handle(int signo)
{
	signal_dispose(signo, signal_count);
}

static inline sigset_t signal_set(int signo)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	return set;
}

static inline void signal_block(int signo)
{
	sigset_t set = signal_set(signo);

	ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
}

static inline void signal_unblock(int signo)
{
	sigset_t set = signal_set(signo);

	ASSERT_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
}

static inline bool signal_is_pending(int signo)
{
	sigset_t set;

	ASSERT_SYS(sigpending(&set));
	return sigismember(&set, signo);
}

static inline void signal_send(int signo)
{
	ASSERT_SYS(kill(getpid(), signo));
}

/* A timer that expires once, in a millisecond. */
static inline void signal_start_timer(int signo, struct sigevent way)
{
	struct itimerspec soon = { .it_value.tv_nsec = KQ_MS };
	timer_t timer;

	way.sigev_signo = signo;
	ASSERT_SYS(timer_create(CLOCK_MONOTONIC, &way, &timer));
	ASSERT_SYS(timer_settime(timer, 0, &soon, NULL));
}

/* Of one thread, like SIGEV_SIGNAL of the process. */
static inline void signal_start_thread_timer(int signo, pid_t tid)
{
	signal_start_timer(signo, (struct sigevent){
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_notify_thread_id = tid,
	});
}

static inline int signal_add(int kq, int signo)
{
	return kq_add(kq, signo, EVFILT_SIGNAL, 0, 0, 0, SIGNAL_MARK);
}

/* That many were counted so far, and none is counted twice. */
static inline void signal_assert_at(const char *file, int line, int kq,
				    int signo, int count)
{
	struct kevent event = kq_one_at(file, line, kq, 0);

	ASSERT_EVENT(event, signo, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, count, SIGNAL_MARK);
	kq_fence_at(file, line, kq, NULL, 0);
}
#define signal_assert(kq, signo, count)	signal_assert_at(__FILE__, __LINE__, kq, signo, count)

#endif /* KQ_SIGNAL_H */
