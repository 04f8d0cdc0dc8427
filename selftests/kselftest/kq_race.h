/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the use of the module's race points: arming them, calls in threads of
 * their own that get stuck there, and the counts of what a race must not leave
 * behind. Include after kq_test.h.
 *
 * What each point is, and what the commands do, is in kmod/kq_race.h and
 * kmod/race.c. Where the stopped thread may not sleep it keeps its processor:
 * calls run on the second one, the case itself on the first. Nothing a case does
 * while a point is occupied may need the second one, so threads are made before.
 */
#ifndef KQ_RACE_H
#define KQ_RACE_H

#include <linux/membarrier.h>
#include <semaphore.h>

#include "kq_fd.h"
#include "kq_limit.h"

#define RACE_FILE	"/sys/kernel/debug/kqueue/race"
#define RACE_MS		15000	/* nobody stops longer: only wrong orders take that time */
#define RACE_LINGER	300	/* for the other one to come back, if nothing makes it wait */

static struct {
	int file;
	unsigned long queues, knotes;
} race;

/* Points */

__attribute__((format(printf, 1, 2)))
static inline void race_do(const char *format, ...)
{
	char text[96];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (write(race.file, text, strlen(text)) < 0)
		KQ_FAIL_NOW("%s: %s", text, kq_errno_name(errno));
}

/* The next one to come there stops until race_release(). */
static inline void race_arm(const char *point)
{
	race_do("arm %s 1 %d", point, RACE_MS);
}

/* The same, until somebody comes to another point, and some milliseconds more. */
static inline void race_arm_until(const char *point, const char *other, int linger)
{
	race_do("arm %s 1 %d %s %d", point, RACE_MS, other, linger);
}

/* Somebody stands there. */
static inline void race_wait(const char *point)
{
	race_do("wait %s", point);
}

/* One of the numbers of a point: reached, hits, inside, expired. */
static inline int race_count(const char *point, const char *what)
{
	char text[4096], start[40], *line, *at;
	ssize_t size;

	size = ASSERT_SYS(pread(race.file, text + 1, sizeof(text) - 2, 0));
	text[0] = '\n';
	text[size + 1] = 0;
	snprintf(start, sizeof(start), "\n%s ", point);
	line = strstr(text, start);
	ASSERT_TRUE(line);
	line[1 + strcspn(line + 1, "\n")] = 0;
	snprintf(start, sizeof(start), " %s=", what);
	at = strstr(line, start);
	ASSERT_TRUE(at);
	return atoi(at + strlen(start));
}

/* Who stood there has left when this returns. */
static inline void race_release(const char *point)
{
	race_do("release %s", point);
	while (race_count(point, "inside"))
		sched_yield();
}

/* It was hit, the one who stopped there has gone on, and not because of the time. */
static inline void race_assert_met_at(const char *file, int line, const char *point)
{
	int hits = race_count(point, "hits"), inside = race_count(point, "inside");
	int expired = race_count(point, "expired");

	if (hits != 1 || inside || expired)
		kq_fail(file, line, "%s: %d stopped there, %d do still, %d for too long",
			point, hits, inside, expired);
}
#define race_assert_met(point)	race_assert_met_at(__FILE__, __LINE__, point)

/* Somebody stands there still: what was done meanwhile did not wait for that. */
static inline void race_assert_inside_at(const char *file, int line, const char *point)
{
	int inside = race_count(point, "inside");

	if (inside != 1)
		kq_fail(file, line, "%s: %d stand there", point, inside);
}
#define race_assert_inside(point)	race_assert_inside_at(__FILE__, __LINE__, point)

/* Cases */

static inline void race_stay_on(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		KQ_SKIP("needs two processors");
}

static inline void race_measure(unsigned long *queues, unsigned long *knotes)
{
	int kq = kq_new();

	*queues = limit_used(kq, "queues");
	*knotes = limit_used(kq, "knotes");
	ASSERT_SYS(close(kq));
}

static inline void race_begin(void)
{
	race.file = open(RACE_FILE, O_RDWR | O_CLOEXEC);
	if (race.file < 0 && errno == ENOENT)
		KQ_SKIP("needs a module built with KQ_INSTRUMENT=race, and debugfs");
	if (race.file < 0 && errno == EACCES)
		KQ_SKIP("needs root, to use " RACE_FILE);
	ASSERT_SYS(race.file);
	signal(SIGPIPE, SIG_IGN);
	race_stay_on(1);
	race_stay_on(0);
	race_measure(&race.queues, &race.knotes);
}

/* All queues of the case are closed: its user has nothing any more. */
static inline void race_end(void)
{
	unsigned long queues, knotes;

	race_measure(&queues, &knotes);
	ASSERT_EQ(queues, race.queues);
	ASSERT_EQ(knotes, race.knotes);
	ASSERT_SYS(close(race.file));
}

/*
 * What was given up is freed, if nothing keeps it: a grace period, and time for
 * the work after it. Proves nothing; makes a use after free one that is seen.
 */
static inline void race_let_free(void)
{
	for (int i = 0; i < 2; i++)
		ASSERT_SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0));
	kq_sleep_ms(20);
}

/* Calls in threads of their own */

struct race_call {
	int (*run)(struct race_call *call);
	int cpu;
	int kq;
	int fd;
	pid_t child;
	struct kevent change;	/* or the event that came */
	sem_t go;
	pthread_t thread;
	volatile bool done;
	int result;
};

static inline int race_change(struct race_call *call)
{
	return fd_kevent(call->kq, &call->change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

/* What is ready now, at most one event. */
static inline int race_scan(struct race_call *call)
{
	static const struct timespec zero;
	int count = fd_kevent(call->kq, NULL, 0, &call->change, 1, &zero);

	return count < 0 ? -errno : count;
}

static inline int race_close(struct race_call *call)
{
	return close(call->fd) ? -errno : 0;
}

static inline int race_write(struct race_call *call)
{
	ssize_t count = send(call->fd, "x", 1, MSG_NOSIGNAL);

	if (count < 0 && errno == ENOTSOCK)
		count = write(call->fd, "x", 1);
	return count < 0 ? -errno : (int)count;
}

static inline int race_reap(struct race_call *call)
{
	return waitpid(call->child, NULL, 0) == call->child ? 0 : -errno;
}

static inline void *race_thread(void *argument)
{
	struct race_call *call = argument;

	race_stay_on(call->cpu);
	while (sem_wait(&call->go))
		;
	call->result = call->run(call);
	call->done = true;
	return NULL;
}

/*
 * The thread is there, and waits for race_go(). All memory is there as well: a
 * page that is copied by its first write is taken from the other processor, which
 * does not answer while somebody stands there with interrupts off.
 */
static inline void race_prepare(struct race_call *call, int (*run)(struct race_call *call))
{
	call->run = run;
	call->cpu = 1;
	call->done = false;
	ASSERT_SYS(sem_init(&call->go, 0, 0));
	call->thread = kq_thread(race_thread, call);
	ASSERT_SYS(mlockall(MCL_CURRENT));
}

static inline void race_go(struct race_call *call)
{
	ASSERT_SYS(sem_post(&call->go));
}

/* What the call gave. */
static inline int race_join(struct race_call *call)
{
	kq_join(call->thread);
	ASSERT_SYS(sem_destroy(&call->go));
	return call->result;
}

/* The call goes as far as a point. */
static inline void race_go_to(struct race_call *call, const char *point)
{
	race_go(call);
	race_wait(point);
}

/* It goes on from there, which met all that was wanted. What it gave. */
static inline int race_finish_at(const char *file, int line, struct race_call *call,
				 const char *point)
{
	int result;

	race_release(point);
	result = race_join(call);
	race_assert_met_at(file, line, point);
	return result;
}
#define race_finish(call, point)	race_finish_at(__FILE__, __LINE__, call, point)

#endif /* KQ_RACE_H */
