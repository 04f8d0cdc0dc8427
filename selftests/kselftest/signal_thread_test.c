// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that EVFILT_SIGNAL counts what is meant for one thread: sent to
 * it, timed for it, or caused by what it did.
 */
#include "kq_test.h"
#include "kq_signal.h"
#include <linux/membarrier.h>

#include <setjmp.h>

#define SIGNAL	SIGUSR1

/* Faults: the handler leaves by a jump, the instruction is not repeated. */

static sigjmp_buf out;

static void leave(int signo)
{
	siglongjmp(out, signo);
}

static void fault_segv(void)
{
	*(volatile char *)kq_bad_page(PROT_NONE) = 1;
}

static void fault_bus(void)
{
	int fd = ASSERT_SYS(memfd_create("kq", 0));
	char *page = mmap(NULL, getpagesize(), PROT_READ, MAP_SHARED, fd, 0);

	ASSERT_TRUE(page != MAP_FAILED);
	(void)*(volatile char *)page;
}

static void fault_abort(void)
{
	abort();
}

static const struct {
	const char *name;
	int signo;
	void (*run)(void);
} faults[] = {
	{ "segv", SIGSEGV, fault_segv },
	{ "bus", SIGBUS, fault_bus },
	{ "abort", SIGABRT, fault_abort },
};

KQ_TEST_EACH(fault, "KQ-237 KQ-235", "a fault that is handled counts once", faults)
{
	int kq = kq_new(), got;

	signal_dispose(variant->signo, leave);
	ASSERT_OK(signal_add(kq, variant->signo));
	got = sigsetjmp(out, 1);
	if (!got)
		variant->run();
	ASSERT_EQ(got, variant->signo);
	signal_assert(kq, variant->signo, 1);
}

/* Threads. */

struct target {
	bool block;
	int end[2];
	volatile pid_t tid;
};

static void *be_target(void *argument)
{
	struct target *target = argument;
	char byte;

	if (target->block)
		signal_block(SIGNAL);
	else
		signal_unblock(SIGNAL);
	target->tid = kq_gettid();
	while (read(target->end[0], &byte, 1) < 0)
		ASSERT_EQ(errno, EINTR);
	return NULL;
}

static void thread_by_pthread_kill(pthread_t thread, pid_t tid KQ_UNUSED)
{
	ASSERT_EQ(pthread_kill(thread, SIGNAL), 0);
}

static void thread_by_tgkill(pthread_t thread KQ_UNUSED, pid_t tid)
{
	ASSERT_SYS(syscall(SYS_tgkill, getpid(), tid, SIGNAL));
}

static void thread_by_timer(pthread_t thread KQ_UNUSED, pid_t tid)
{
	signal_start_thread_timer(SIGNAL, tid);
}

static const struct {
	const char *name;
	void (*send)(pthread_t thread, pid_t tid);
	void (*handler)(int signo);
	bool block;
} to_threads[] = {
	{ "pthread_kill_blocked", thread_by_pthread_kill, signal_count, true },
	{ "pthread_kill_handled", thread_by_pthread_kill, signal_count, false },
	{ "pthread_kill_ignored", thread_by_pthread_kill, SIG_IGN, false },
	{ "tgkill_blocked", thread_by_tgkill, signal_count, true },
	{ "tgkill_handled", thread_by_tgkill, signal_count, false },
	{ "tgkill_ignored", thread_by_tgkill, SIG_IGN, false },
	{ "timer_blocked", thread_by_timer, signal_count, true },
	{ "timer_handled", thread_by_timer, signal_count, false },
	{ "timer_ignored", thread_by_timer, SIG_IGN, false },
};

KQ_TEST_EACH(to_thread, "KQ-237", "a signal for another thread counts, whatever that thread does", to_threads)
{
	struct target target = { .block = variant->block };
	int kq = kq_new();
	pthread_t thread;

	signal_dispose(SIGNAL, variant->handler);
	ASSERT_SYS(pipe(target.end));
	thread = kq_thread(be_target, &target);
	while (!target.tid)
		sched_yield();
	ASSERT_OK(signal_add(kq, SIGNAL));
	variant->send(thread, target.tid);
	ASSERT_EVENT(kq_next(kq), SIGNAL, EVFILT_SIGNAL, EV_ADD | EV_CLEAR, 0, 1, SIGNAL_MARK);
	kq_fence(kq);
	close(target.end[1]);
	kq_join(thread);
	ASSERT_EQ(signal_handled, variant->handler == signal_count && !variant->block);
}

/* Registers a signal, and ends. */
static void *register_and_end(void *argument)
{
	const int *which = argument;

	ASSERT_OK(kq_add(which[0], which[1], EVFILT_SIGNAL, 0, 0, 0, NULL));
	return NULL;
}

/* Tasks that the kernel has not freed. */
static long count_tasks(void)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[256];
	long count = -1;

	if (!file)
		KQ_SKIP("needs root, to read /proc/slabinfo");
	/* Those that ended are freed after a grace period. */
	for (int i = 0; i < 2; i++)
		ASSERT_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "task_struct %ld", &count) == 1)
			break;
	fclose(file);
	ASSERT_GE(count, 0);
	return count;
}

KQ_TEST(threads_that_end_are_freed, "KQ-248 KQ-233",
	"the kernel keeps nothing of a thread that has registered a signal and ended")
{
	enum { QUEUES = 16, SIGNALS = 60 };
	long before;

	if (kq_quick())
		KQ_SKIP("debug kernels keep for a while what was freed");
	before = count_tasks();
	for (int i = 0; i < QUEUES; i++) {
		int kq = kq_new();

		for (int signo = 1; signo <= SIGNALS; signo++)
			kq_join(kq_thread(register_and_end, (int []){ kq, signo }));
	}
	ASSERT_LT(count_tasks() - before, QUEUES * SIGNALS / 2);
}
