/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the injection of faults into the kernel: one chosen allocation or user
 * copy fails, of a system call of this thread, or of a forked child before it
 * runs. And what must hold afterwards. Include after kq_test.h.
 */
#ifndef KQ_INJECT_H
#define KQ_INJECT_H

#include <linux/kqueue.h>
#include <sched.h>
#include <sys/ioctl.h>
#include "../stress/leak.h"
#include "kq_limit.h"

#define INJECT_NTH	"/proc/thread-self/fail-nth"
#define INJECT_MOST	3000	/* more faults than any operation can have */
#define INJECT_LINES	2048

/* The knobs of one kind of fault. */

static inline int inject_open(const char *kind, const char *knob)
{
	char path[80], reason[KQ_REASON_SIZE];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kind, knob);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	snprintf(reason, sizeof(reason), "needs %s: root, and a kernel that injects faults", path);
	KQ_SKIP(reason);
}

static inline void inject_put(int knob, const char *text)
{
	ASSERT_EQ(write(knob, text, strlen(text)), strlen(text));
}

static inline void inject_set(const char *kind, const char *knob, const char *text)
{
	int fd = inject_open(kind, knob);

	inject_put(fd, text);
	close(fd);
}

/* Once for each open file. */
static inline long inject_get(int knob)
{
	char text[32] = "";

	ASSERT_GT(read(knob, text, sizeof(text) - 1), 0);
	return atol(text);
}

/* The state of a case: what there was at its beginning. */
static struct {
	int nth;
	int faults;	/* of the operation tried last */
	unsigned long queues, knotes;
	struct leak_counts counts;
} inject;

/* Allocations that may wait can fail, of one page as well; nothing is printed about it. */
static inline void inject_knobs(void)
{
	static const char * const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		inject_set(kinds[i], "probability", "0");
		inject_set(kinds[i], "verbose", "0");
	}
	inject_set("failslab", "ignore-gfp-wait", "N");
	inject_set("fail_page_alloc", "ignore-gfp-wait", "N");
	inject_set("fail_page_alloc", "min-order", "0");
}

static inline void inject_count(unsigned long *queues, unsigned long *knotes)
{
	int kq = kq_new();

	*queues = limit_used(kq, "queues");
	*knotes = limit_used(kq, "knotes");
	close(kq);
}

static inline void inject_begin(void)
{
	inject_knobs();
	inject.nth = open(INJECT_NTH, O_RDWR | O_CLOEXEC);
	if (inject.nth < 0)
		KQ_SKIP("this kernel has no " INJECT_NTH);
	inject_count(&inject.queues, &inject.knotes);
	leak_count(&inject.counts);
}

/* All queues of the case are closed: the kernel has everything back. */
static inline void inject_end(void)
{
	unsigned long queues, knotes;

	inject_count(&queues, &knotes);
	ASSERT_EQ(queues, inject.queues);
	ASSERT_EQ(knotes, inject.knotes);
	ASSERT_EQ(leak_check(&inject.counts, 10), 0);
}

/* One fault of this thread: the nth thing that can fail from now on. */
static inline void inject_arm(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	ASSERT_EQ(pwrite(inject.nth, text, strlen(text), 0), strlen(text));
}

/* Returns whether it has happened. The look itself may be what fails. */
static inline bool inject_disarm(void)
{
	char text[16] = "";
	bool hit = false;

	if (pread(inject.nth, text, sizeof(text) - 1, 0) < 0)
		ASSERT_EQ(errno, EFAULT);
	else
		hit = text[0] == '0';
	if (pwrite(inject.nth, "0", 1, 0) < 0)
		ASSERT_EQ(errno, EFAULT);
	return hit;
}

/*
 * An operation, tried with each of its faults until it ends without one. run()
 * returns 0 or a negative errno, judge() says whether all is as it should be.
 */
struct inject_op {
	void (*prepare)(void *scene);
	int (*run)(void *scene);
	void (*judge)(void *scene, int result, bool hit);
	int wanted;	/* result without a fault */
	int also;	/* an errno that the kernel around the module gives for a fault */
};

/*
 * Returns how many faults made it fail. One that did not is tried a second time:
 * the first may have hit what the kernel allocates now and then, for its slabs,
 * and the next number would pass over what is in that place otherwise.
 */
static inline int inject_each(const struct inject_op *op, void *scene)
{
	int failed = 0, nth, result;
	bool hit = true, again = false;

	for (nth = 1; hit; nth += !again) {
		ASSERT_LT(nth, INJECT_MOST);
		op->prepare(scene);
		inject_arm(nth);
		result = op->run(scene);
		hit = inject_disarm();
		if (result != op->wanted && (!hit || (result != -ENOMEM && result != -EFAULT &&
						      (!op->also || result != -op->also))))
			KQ_FAIL_NOW("fault %d (%s) gave %d %s", nth, hit ? "hit" : "not reached",
				    result, result < 0 ? kq_errno_name(-result) : "");
		failed += hit && result != op->wanted;
		op->judge(scene, result, hit);
		again = hit && result == op->wanted && !again;
	}
	inject.faults = nth - 2;
	kq_diag("%d faults, %d made it fail", inject.faults, failed);
	return failed;
}

/* Queues */

/* One system call: a negative errno, or what the call returned. Waits for nothing. */
static inline int inject_kevent(int kq, const struct kq_event_ext *changes, int nchanges,
				struct kq_event_ext *events, int nevents)
{
	static const long long zero[2];
	struct kq_kevent call = {
		.changelist = (uintptr_t)changes, .nchanges = nchanges,
		.eventlist = (uintptr_t)events, .nevents = nevents,
		.record_size = sizeof(*changes), .timeout = (uintptr_t)zero,
	};
	int result = ioctl(kq, KQ_IOC_KEVENT, &call);

	return result < 0 ? -errno : result;
}

static inline int inject_change(int kq, const struct kq_event_ext *change)
{
	return inject_kevent(kq, change, 1, NULL, 0);
}

static inline int inject_compare(const void *a, const void *b)
{
	return strcmp(*(char * const *)a, *(char * const *)b);
}

/* Notes come in an order that is each queue's own. */
static inline void inject_sort(char *text)
{
	char copy[INJECT_LINES], *lines[64], *at;
	size_t count = 0;

	strcpy(copy, text);
	for (at = strtok(copy, "\n"); at && count < ARRAY_SIZE(lines); at = strtok(NULL, "\n"))
		lines[count++] = at;
	qsort(lines, count, sizeof(*lines), inject_compare);
	for (size_t i = 0; i < count; i++)
		text += sprintf(text, "%s\n", lines[i]);
}

/* The lines of a queue's knotes, without what others can change meanwhile. */
static inline void inject_lines(int kq, char *text)
{
	char path[64], *at, *active;
	ssize_t size;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	fd = ASSERT_SYS(open(path, O_RDONLY | O_CLOEXEC));
	size = ASSERT_SYS(read(fd, text, INJECT_LINES - 1));
	text[size] = 0;
	close(fd);
	at = strstr(text, "knote:");
	memmove(text, at ? at : "", at ? strlen(at) + 1 : 1);
	while ((active = strstr(text, " active")))
		memmove(active, active + 7, strlen(active + 7) + 1);
	inject_sort(text);
}

static inline void inject_assert_lines_at(const char *file, int line, int kq, const char *wanted)
{
	char lines[INJECT_LINES];

	inject_lines(kq, lines);
	if (strcmp(lines, wanted)) {
		kq_diag("wanted the knotes\n%s", wanted);
		kq_fail(file, line, "got\n%s", lines);
	}
}
#define inject_assert_lines(kq, wanted)	inject_assert_lines_at(__FILE__, __LINE__, kq, wanted)

/* A queue with so many notes of EVFILT_USER, numbers from 1000000 on. */
static inline int inject_queue(int notes)
{
	struct kq_event_ext batch[64];
	int kq = kq_new();

	for (int done = 0, n; done < notes; done += n) {
		for (n = 0; n < (int)ARRAY_SIZE(batch) && done + n < notes; n++)
			batch[n] = (struct kq_event_ext){
				.ident = 1000000 + done + n, .filter = EVFILT_USER, .flags = EV_ADD,
			};
		ASSERT_EQ(inject_kevent(kq, batch, n, NULL, 0), 0);
	}
	return kq;
}

/* Forked children: an allocation fails in whoever is marked, after so many bytes or pages. */

struct inject_amount {
	const char *name;	/* of the case */
	const char *kind;
	int step;
};

static const struct inject_amount inject_amounts[] KQ_UNUSED = {
	{ "slab", "failslab", 16 },
	{ "pages", "fail_page_alloc", 1 },
};

#define INJECT_MARGIN	24	/* steps: some forks take more than others, for their stack above all */
#define INJECT_PLENTY	1000000000
#define INJECT_FORKS	600	/* at most, for one kind */
#define INJECT_REFUSED	16	/* that many forks failed themselves: what is left is not the child's */

static struct {
	const char *kind;
	/* Shared with the child, which fills it in first of all. */
	struct inject_child {
		long rest;	/* of the amount */
		bool hit;
		bool whole;	/* for the caller */
	} *child;
} inject_forks;

static inline void inject_fork_begin(const char *kind)
{
	inject_begin();
	inject_forks.kind = kind;
	inject_forks.child = mmap(NULL, sizeof(struct inject_child), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_TRUE(inject_forks.child != MAP_FAILED);
	inject_set(kind, "task-filter", "Y");
	inject_set(kind, "interval", "1");
	inject_set(kind, "times", "0");
	inject_set(kind, "probability", "100");
}

static inline void inject_fork_end(void)
{
	inject_set(inject_forks.kind, "probability", "0");
	inject_set(inject_forks.kind, "task-filter", "N");
	inject_set(inject_forks.kind, "space", "0");
	inject_end();
}

/* The first allocation after an amount fails, in this process or the child it makes. */
struct inject_knobs {
	int mark, space, times;
};

static inline struct inject_knobs inject_fork_arm(long amount)
{
	struct inject_knobs knobs = {
		.mark = ASSERT_SYS(open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC)),
		.space = inject_open(inject_forks.kind, "space"),
		.times = inject_open(inject_forks.kind, "times"),
	};
	char text[32];

	snprintf(text, sizeof(text), "%ld", amount);
	inject_put(knobs.space, text);
	inject_put(knobs.times, "1");
	close(knobs.space);
	knobs.space = inject_open(inject_forks.kind, "space");
	close(knobs.times);
	knobs.times = inject_open(inject_forks.kind, "times");
	ASSERT_EQ(pwrite(knobs.mark, "1", 1, 0), 1);
	return knobs;
}

/* First of all in the child. */
static inline void inject_fork_look(const struct inject_knobs *knobs)
{
	inject_forks.child->rest = inject_get(knobs->space);
	inject_forks.child->hit = !inject_get(knobs->times);
	inject_put(knobs->times, "0");
}

static inline void inject_fork_disarm(const struct inject_knobs *knobs, pid_t child)
{
	if (child) {
		ASSERT_EQ(pwrite(knobs->mark, "0", 1, 0), 1);
		if (child < 0)
			inject_put(knobs->times, "0");
	}
	close(knobs->mark);
	close(knobs->space);
	close(knobs->times);
}

/* By fork(2). */
static inline pid_t inject_fork(long amount)
{
	struct inject_knobs knobs = inject_fork_arm(amount);
	pid_t child = fork();

	if (!child)
		inject_fork_look(&knobs);
	inject_fork_disarm(&knobs, child);
	return child;
}

static inline int inject_spawned(void *knobs)
{
	inject_fork_look(knobs);
	_exit(3);
}

/*
 * By vfork(2), a child that ends with 3: little memory of the kernel's own, and of
 * the two that may do what comes before the child it is the child that does it.
 */
static inline pid_t inject_spawn(long amount)
{
	static char stack[16384] __attribute__((aligned(16)));
	struct inject_knobs knobs = inject_fork_arm(amount);
	pid_t child = clone(inject_spawned, stack + sizeof(stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, &knobs);

	inject_fork_disarm(&knobs, child);
	return child;
}

/*
 * Calls a function for each amount, from all that a fork takes down to what it
 * takes before the child begins. It returns false if fork(2) itself failed.
 */
static inline void inject_fork_each(const struct inject_amount *a,
				    bool (*round)(long amount, void *scene), void *scene)
{
	int step = a->step > 1 && kq_quick() ? 3 * a->step : a->step;
	int forks = 0, refused = 0;
	long amount = 0;

	for (int i = 0; i < 5; i++) {
		ASSERT_TRUE(round(INJECT_PLENTY, scene));
		if (amount < INJECT_PLENTY - inject_forks.child->rest)
			amount = INJECT_PLENTY - inject_forks.child->rest;
	}
	ASSERT_GT(amount, 0);
	amount += INJECT_MARGIN * step;
	for (; amount >= 0 && refused < INJECT_REFUSED; amount -= step, forks++) {
		ASSERT_LT(forks, INJECT_FORKS);
		refused += !round(amount, scene);
	}
	kq_diag("%d forks", forks);
}

#endif /* KQ_INJECT_H */
