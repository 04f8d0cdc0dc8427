// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that many processes can be watched, each end is one event, and
 * that ends, forks, EV_DELETE and closed queues do not disturb each other.
 */
#include "kq_test.h"
#include "kq_proc.h"

#include <linux/futex.h>

/* The number of a child among count of them, -1 if it is none. */
static int find_child(const pid_t *children, int count, uintptr_t pid)
{
	/* They are mostly made in order, so where the last one was found is near. */
	static int near;

	for (int i = 0; i < count; i++) {
		int index = (near + i) % count;

		if ((uintptr_t)children[index] == pid) {
			near = index;
			return index;
		}
	}
	return -1;
}

/* Takes count ends; each child ended with its index, cut to what a status holds, and comes once. */
static void take_ends(int kq, const pid_t *children, int total, int count, bool *ended)
{
	static struct kevent events[512];

	while (count > 0) {
		int got = kq_wait(kq, events, ARRAY_SIZE(events), -1);

		ASSERT_GT(got, 0);
		ASSERT_LE(got, count);
		for (int i = 0; i < got; i++) {
			int index = find_child(children, total, events[i].ident);

			ASSERT_GE(index, 0);
			ASSERT_FALSE(ended[index]);
			ended[index] = true;
			PROC_ENDED(events[i], children[index], NOTE_EXIT,
				   W_EXITCODE(index % 256, 0));
		}
		count -= got;
	}
}

#define STORM	100

KQ_TEST(storm, "KQ-198 KQ-181", "100 children that end at the same time are 100 events")
{
	bool ended[STORM] = { false };
	pid_t children[STORM];
	int kq = kq_new(), gate[2];
	char byte;

	ASSERT_SYS(pipe(gate));
	for (int i = 0; i < STORM; i++) {
		children[i] = kq_fork();
		if (!children[i]) {
			close(gate[1]);
			_exit(read(gate[0], &byte, 1) ? KQ_FAIL : i);
		}
		ASSERT_OK(proc_add(kq, children[i], NOTE_EXIT));
	}
	kq_fence(kq);
	ASSERT_SYS(close(gate[1]));
	take_ends(kq, children, STORM, STORM, ended);
	kq_fence(kq);
	for (int i = 0; i < STORM; i++) {
		ASSERT_EQ(proc_status(children[i]), W_EXITCODE(i, 0));
		ASSERT_ERR(proc_del(kq, children[i]), ENOENT);
	}
}

/*
 * Thousands of processes. They share all they can with this one, so that each
 * is little more than its kernel stack, and use a stack of one page.
 */

#define MANY		10000
#define STACK_SIZE	4096	/* of a process that makes two system calls */

struct sleeper {
	int gate;	/* not 0: end */
	int index;
};

static struct sleeper sleepers[MANY];
static pid_t many[MANY];

static int sleep_at_gate(void *argument)
{
	struct sleeper *sleeper = argument;

	while (!__atomic_load_n(&sleeper->gate, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &sleeper->gate, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	syscall(SYS_exit_group, sleeper->index % 256);
	return 0;
}

static void open_gate(struct sleeper *sleeper)
{
	__atomic_store_n(&sleeper->gate, 1, __ATOMIC_RELEASE);
	ASSERT_SYS(syscall(SYS_futex, &sleeper->gate, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

static const char limit_path[] = "/proc/sys/kernel/threads-max";

static long read_limit(void)
{
	FILE *file = fopen(limit_path, "re");
	long limit;

	ASSERT_TRUE(file);
	ASSERT_EQ(fscanf(file, "%ld", &limit), 1);
	fclose(file);
	return limit;
}

static bool write_limit(long limit)
{
	FILE *file = fopen(limit_path, "we");

	if (!file)
		return false;
	ASSERT_GT(fprintf(file, "%ld", limit), 0);
	return !fclose(file);
}

/* A small machine allows fewer processes. Returns what is to be put back, or 0. */
static long raise_limit(void)
{
	long limit = read_limit(), wanted = MANY + 2000;

	if (limit >= wanted)
		return 0;
	if (!write_limit(wanted))
		KQ_SKIP("needs root to raise the number of processes");
	return limit;
}

static void start_sleepers(void)
{
	char *stacks = mmap(NULL, MANY * STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT_TRUE(stacks != MAP_FAILED);
	for (int i = 0; i < MANY; i++) {
		sleepers[i].index = i;
		many[i] = clone(sleep_at_gate, stacks + (i + 1) * STACK_SIZE, CLONE_VM | CLONE_FS |
				CLONE_FILES | CLONE_SIGHAND | SIGCHLD, &sleepers[i]);
		if (many[i] < 0 && errno == EAGAIN)
			KQ_SKIP("the number of processes is limited here");
		ASSERT_SYS(many[i]);
	}
}

KQ_TEST_LIMIT(ten_thousand, 120, "KQ-198 KQ-181",
	      "10000 watched children: each end is one event, of those that end and of no other")
{
	/* Ends among many watched ones: the first, the last, and some between. */
	static const int single[] = { 0, MANY - 1, MANY / 2, 1, MANY / 3 };
	static bool ended[MANY];
	long long start = kq_now();
	long old = raise_limit();
	int kq = kq_new();

	start_sleepers();
	kq_diag("all made after %lld ms", (kq_now() - start) / KQ_MS);
	for (int i = 0; i < MANY; i++)
		ASSERT_OK(proc_add(kq, many[i], NOTE_EXIT));
	kq_fence(kq);
	kq_diag("all watched after %lld ms", (kq_now() - start) / KQ_MS);
	for (size_t i = 0; i < ARRAY_SIZE(single); i++) {
		open_gate(&sleepers[single[i]]);
		take_ends(kq, many, MANY, 1, ended);
		ASSERT_TRUE(ended[single[i]]);
		kq_fence(kq);
	}
	for (int i = 0; i < MANY; i++)
		if (!ended[i])
			open_gate(&sleepers[i]);
	take_ends(kq, many, MANY, MANY - (int)ARRAY_SIZE(single), ended);
	kq_fence(kq);
	for (int i = 0; i < MANY; i++)
		ASSERT_EQ(proc_status(many[i]), W_EXITCODE(i % 256, 0));
	if (old)
		ASSERT_TRUE(write_limit(old));
	kq_diag("done after %lld ms", (kq_now() - start) / KQ_MS);
}

KQ_TEST(one_process_many_queues, "KQ-198 KQ-194", "a process watched by 500 queues gives each one event")
{
	static int queues[500];
	struct rlimit files;
	int turn;
	pid_t child = proc_idle(&turn);

	ASSERT_SYS(getrlimit(RLIMIT_NOFILE, &files));
	if (files.rlim_max < ARRAY_SIZE(queues) + 20)
		KQ_SKIP("too few descriptors are allowed here");
	files.rlim_cur = files.rlim_max;
	ASSERT_SYS(setrlimit(RLIMIT_NOFILE, &files));
	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		queues[i] = kq_new();
		ASSERT_OK(proc_add(queues[i], child, NOTE_EXIT));
	}
	proc_say(turn, 7);
	ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
	for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
		PROC_ENDED(kq_next(queues[i]), child, NOTE_EXIT, W_EXITCODE(7, 0));
		proc_assert_gone(queues[i], child);
	}
}

/* Races */

KQ_TEST(delete_races_with_exit, "KQ-193 KQ-198", "after EV_DELETE of a process that is ending nothing comes")
{
	long long start = kq_now();
	int kq = kq_new();

	for (int i = 0; kq_more(i, 500, start); i++) {
		int turn;
		pid_t child = proc_idle(&turn);

		ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
		proc_say(turn, 7);
		for (int spin = 0; spin < i % 8; spin++)
			sched_yield();
		/* Not delivered, so it is there, whether the process is or not. */
		ASSERT_OK(proc_del(kq, child));
		ASSERT_EQ(proc_status(child), W_EXITCODE(7, 0));
		proc_assert_gone(kq, child);
	}
}

KQ_TEST(close_races_with_exit, "KQ-184 KQ-198", "a queue that is closed while its processes end disturbs none of them")
{
	long long start = kq_now();

	for (int i = 0; kq_more(i, 200, start); i++) {
		pid_t children[4];
		int turns[4], kq = kq_new();

		for (int j = 0; j < 4; j++) {
			children[j] = proc_idle(&turns[j]);
			ASSERT_OK(proc_add(kq, children[j], NOTE_EXIT | NOTE_FORK));
		}
		for (int j = 0; j < 4; j++)
			proc_say(turns[j], j);
		for (int spin = 0; spin < i % 8; spin++)
			sched_yield();
		ASSERT_SYS(close(kq));
		for (int j = 0; j < 4; j++) {
			ASSERT_EQ(proc_status(children[j]), W_EXITCODE(j, 0));
			ASSERT_SYS(close(turns[j]));
		}
	}
}

/* A process that makes children as fast as it can, until it is killed. */
static pid_t start_forker(void)
{
	pid_t child = kq_fork();

	if (!child)
		for (;;)
			kq_reap(proc_by_vfork(0));
	return child;
}

KQ_TEST(close_races_with_fork, "KQ-195 KQ-198", "a queue that is closed while it tracks disturbs nobody")
{
	pid_t forker = start_forker();
	long long start = kq_now();
	struct kevent events[8];

	for (int i = 0; kq_more(i, 300, start); i++) {
		int kq = kq_new(), error;

		error = proc_add(kq, forker, NOTE_TRACK | NOTE_EXIT);
		ASSERT_EQ(error, 0);
		/* Until it is in the middle of it. */
		for (int seen = 0; seen < i % 4; seen++)
			ASSERT_GT(kq_wait(kq, events, ARRAY_SIZE(events), -1), 0);
		if (i % 2)
			ASSERT_OK(proc_del(kq, forker));
		ASSERT_SYS(close(kq));
	}
	ASSERT_SYS(kill(forker, SIGKILL));
	ASSERT_EQ(proc_status(forker), W_EXITCODE(0, SIGKILL));
}

KQ_TEST(tracking_a_forker, "KQ-196 KQ-198",
	"of a process that forks all the time each child has its notice, then its end")
{
	pid_t forker = start_forker();
	long long start = kq_now();
	int kq = kq_new(), ends = 0;
	struct kevent events[64];
	pid_t running = 0;

	ASSERT_OK(proc_add(kq, forker, NOTE_TRACK | NOTE_EXIT));
	while (kq_more(ends, 2000, start)) {
		int got = kq_wait(kq, events, ARRAY_SIZE(events), -1);

		ASSERT_GT(got, 0);
		/* It waits for each of them before it makes the next. */
		for (int i = 0; i < got; i++) {
			if (!running) {
				running = (pid_t)events[i].ident;
				proc_assert_child(events[i], running, forker);
			} else {
				PROC_ENDED(events[i], running, NOTE_EXIT, 0);
				running = 0;
				ends++;
			}
		}
	}
	ASSERT_SYS(kill(forker, SIGKILL));
	ASSERT_EQ(proc_status(forker), W_EXITCODE(0, SIGKILL));
}
