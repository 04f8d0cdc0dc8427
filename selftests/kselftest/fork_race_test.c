// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that several threads may fork at once from a process whose
 * queues are copied: each child has each knote once.
 */
#include "kq_test.h"
#include <sched.h>
#include "kq_fork.h"
#include "kq_proc.h"

#define RACE_FORKS	20

static int race_queue, race_children;
static volatile bool race_over;
static pthread_barrier_t race_start;

/* Each notice of a child is there once. */
static void count_notices(void)
{
	struct kevent events[64];
	int notices = 0, n;

	while ((n = kq_poll(race_queue, events, ARRAY_SIZE(events))) > 0)
		for (int i = 0; i < n; i++)
			notices += proc_is_child_notice(&events[i]);
	ASSERT_EQ(n, 0);
	ASSERT_EQ(notices, race_children);
}

static void stay_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	ASSERT_SYS(sched_setaffinity(0, sizeof(cpus), &cpus));
}

/* Takes its processor from the children made there: those of the other one catch up. */
static void *run_idly(void *argument KQ_UNUSED)
{
	stay_on(0);
	while (!race_over)
		;
	return NULL;
}

static void *fork_often(void *cpu)
{
	stay_on(*(const int *)cpu);
	for (int i = 0; i < RACE_FORKS; i++) {
		long long start;
		pid_t child;

		pthread_barrier_wait(&race_start);
		start = kq_now();
		while (*(const int *)cpu && kq_now() - start < i % 4 * 500000ll)
			;
		/* fork(3) holds locks of the library while it waits. */
		child = (pid_t)ASSERT_SYS(syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL));
		if (!child) {
			count_notices();
			_exit(0);
		}
		kq_reap(child);
	}
	return NULL;
}

KQ_TEST_LIMIT(threads_fork_at_once, 60, "KQ-093",
	      "two threads that fork at once give each child each knote once")
{
	static const int cpus[] = { 0, 1 };
	pthread_t thread, idler;
	pid_t maker;
	int turn;

	fork_need(KQ_FEATURE_CPONFORK);
	race_children = kq_quick() ? 300 : 2000;
	maker = proc_fork(&turn);
	if (!maker) {
		proc_hear(turn);
		for (int i = 0; i < race_children; i++)
			kq_reap(proc_by_vfork(0));
		proc_say(turn, 0);
		proc_hear(turn);
		_exit(0);
	}
	race_queue = fork_queue();
	ASSERT_OK(proc_add(race_queue, maker, NOTE_TRACK));
	proc_ask(turn);
	ASSERT_EQ(pthread_barrier_init(&race_start, NULL, 2), 0);
	idler = kq_thread(run_idly, NULL);
	thread = kq_thread(fork_often, (void *)&cpus[1]);
	fork_often((void *)&cpus[0]);
	kq_join(thread);
	race_over = true;
	kq_join(idler);
	count_notices();
	proc_say(turn, 0);
	kq_reap(maker);
}
