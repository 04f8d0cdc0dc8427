/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the test harness: registration of cases, their isolation and time
 * limit, TAP output, assertions, and the helpers every test file shares.
 *
 * A case is a sentence with the numbers of the statements it proves:
 *
 *	KQ_TEST(delete_discards, "KQ-059", "EV_DELETE discards a queued event")
 *	{
 *		int kq = kq_new();
 *		...
 *	}
 *
 * Each case runs in a process of its own, with nothing open but descriptors
 * 0, 1 and 2, and is killed with all its children when its limit is reached.
 * KQ_TEST_EACH() runs one body over the rows of a table. An assertion that
 * fails ends the case, from whatever thread or child it is in (a child must be
 * collected with kq_reap()).
 *
 * That something does not happen is proved by a second event that must come
 * after it (kq_fence()), never by sleeping.
 *
 * With KQ_THREADED set each case starts with a second thread: the library takes
 * another way through kevent() then.
 *
 * Exit status: 0 passed, 1 failed, 4 everything skipped. An argument, or
 * KQ_CASE_FILTER, selects the cases whose name contains it; -l lists them.
 */
#ifndef KQ_TEST_H
#define KQ_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#endif
#define KQ_UNUSED		__attribute__((unused))

#define KQ_PASS			0
#define KQ_FAIL			1
#define KQ_SKIPPED		4
#define KQ_LIMIT		20	/* seconds one case may take */
#ifndef KQ_TEST_DEVICE
#define KQ_TEST_DEVICE		"/dev/kqueue"
#endif

/* Cases */

struct kq_case {
	struct kq_case *next;
	const char *file;	/* __FILE__ */
	const char *name;
	const char *variant;	/* or NULL */
	const char *numbers;	/* "KQ-001 KQ-002" */
	const char *text;
	int limit;
	void (*run)(const void *variant);
	const void *argument;
};

static struct kq_case *kq_cases, **kq_cases_end = &kq_cases;

/* Shared with the children: why the running case was skipped. */
#define KQ_REASON_SIZE	200
static char *kq_reason;

static inline void kq_register_case(struct kq_case value)
{
	struct kq_case *new = malloc(sizeof(*new));

	if (!new)
		abort();
	*new = value;
	*kq_cases_end = new;
	kq_cases_end = &new->next;
}

/* KQ_TEST(name, "KQ-001 KQ-002", "one sentence") { body } */
#define KQ_TEST(id, kq_numbers, sentence) \
	KQ_TEST_LIMIT(id, KQ_LIMIT, kq_numbers, sentence)

/* The same for a case that may take longer than KQ_LIMIT seconds. */
#define KQ_TEST_LIMIT(id, seconds, kq_numbers, sentence)		\
	static void kq_body_##id(void);					\
	static void kq_run_##id(const void *argument KQ_UNUSED)		\
	{								\
		kq_body_##id();						\
	}								\
	__attribute__((constructor)) static void kq_reg_##id(void)	\
	{								\
		kq_register_case((struct kq_case){			\
			.file = __FILE__, .name = #id,			\
			.numbers = kq_numbers, .text = sentence,	\
			.limit = seconds, .run = kq_run_##id });	\
	}								\
	static void kq_body_##id(void)

/*
 * KQ_TEST_EACH(name, "KQ-001", "one sentence", table) { body }: one case for
 * each row of the array table, whose first member is const char *name. The
 * body sees the row as the pointer `variant`.
 */
#define KQ_TEST_EACH(id, kq_numbers, sentence, table)			\
	static void kq_body_##id(const __typeof__((table)[0]) *variant);\
	static void kq_run_##id(const void *argument)			\
	{								\
		kq_body_##id(argument);					\
	}								\
	__attribute__((constructor)) static void kq_reg_##id(void)	\
	{								\
		for (size_t i = 0; i < ARRAY_SIZE(table); i++)		\
			kq_register_case((struct kq_case){		\
				.file = __FILE__, .name = #id,		\
				.variant = (table)[i].name,		\
				.numbers = kq_numbers,			\
				.text = sentence, .limit = KQ_LIMIT,	\
				.run = kq_run_##id,			\
				.argument = &(table)[i] });		\
	}								\
	static void kq_body_##id(const __typeof__((table)[0]) *variant)

/* Diagnostics */

__attribute__((format(printf, 1, 2)))
static inline void kq_diag(const char *format, ...)
{
	char line[1024] = "# ";
	va_list args;

	va_start(args, format);
	vsnprintf(line + 2, sizeof(line) - 3, format, args);
	va_end(args);
	strcat(line, "\n");
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		_exit(KQ_FAIL);
}

__attribute__((format(printf, 3, 4), noreturn))
static inline void kq_fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	char text[900];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	kq_diag("%s:%d: %s", slash ? slash + 1 : file, line, text);
	_exit(KQ_FAIL);
}

#define KQ_FAIL_NOW(...)	kq_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Ends the case as skipped; a reason is what a reader can act on. */
#define KQ_SKIP(reason)							\
	do {								\
		snprintf(kq_reason, KQ_REASON_SIZE, "%s", reason);	\
		_exit(KQ_SKIPPED);					\
	} while (0)

/* Assertions. Arguments are evaluated once. */

#define ASSERT_TRUE(expression)						\
	do {								\
		if (!(expression))					\
			KQ_FAIL_NOW("%s is false", #expression);	\
	} while (0)
#define ASSERT_FALSE(expression)					\
	do {								\
		if (expression)						\
			KQ_FAIL_NOW("%s is true", #expression);		\
	} while (0)

#define KQ_COMPARE(left, operator, right)				\
	do {								\
		long long kq_left = (long long)(left);			\
		long long kq_right = (long long)(right);		\
									\
		if (!(kq_left operator kq_right))			\
			KQ_FAIL_NOW("%s " #operator " %s (%lld, %lld; 0x%llx, 0x%llx)", \
				    #left, #right, kq_left, kq_right,	\
				    kq_left, kq_right);			\
	} while (0)

#define ASSERT_EQ(left, right)	KQ_COMPARE(left, ==, right)
#define ASSERT_NE(left, right)	KQ_COMPARE(left, !=, right)
#define ASSERT_GE(left, right)	KQ_COMPARE(left, >=, right)
#define ASSERT_GT(left, right)	KQ_COMPARE(left, >, right)
#define ASSERT_LE(left, right)	KQ_COMPARE(left, <=, right)
#define ASSERT_LT(left, right)	KQ_COMPARE(left, <, right)

#define ASSERT_PTR(left, right)						\
	do {								\
		const void *kq_left = (left), *kq_right = (right);	\
									\
		if (kq_left != kq_right)				\
			KQ_FAIL_NOW("%s == %s (%p, %p)", #left, #right,	\
				    kq_left, kq_right);			\
	} while (0)

static inline const char *kq_errno_name(int error)
{
	const char *name = error ? strerrorname_np(error) : "0";

	return name ? name : "?";
}

/* The call returns -1 and sets errno. */
#define ASSERT_ERRNO(expression, error)					\
	do {								\
		errno = 0;						\
		long long kq_result = (expression);			\
		int kq_errno = errno;					\
									\
		if (kq_result != -1 || kq_errno != (error))		\
			KQ_FAIL_NOW("%s: wanted -1 %s, got %lld %s",	\
				    #expression, kq_errno_name(error),	\
				    kq_result, kq_errno_name(kq_errno));\
	} while (0)

/* The call succeeds: it returns no negative value. Its value is the result. */
#define ASSERT_SYS(expression)						\
	({								\
		__auto_type kq_result = (expression);			\
									\
		if (kq_result < 0)					\
			KQ_FAIL_NOW("%s: %s", #expression,		\
				    kq_errno_name(errno));		\
		kq_result;						\
	})

/* For functions that return 0 or a negative errno, as kq_ctl() does. */
#define ASSERT_ERR(expression, error)					\
	do {								\
		int kq_result = (expression);				\
									\
		if (kq_result != -(error))				\
			KQ_FAIL_NOW("%s: wanted %s, got %d %s",		\
				    #expression, kq_errno_name(error),	\
				    kq_result, kq_result < 0 ?		\
				    kq_errno_name(-kq_result) : "");	\
	} while (0)
#define ASSERT_OK(expression)	ASSERT_ERR(expression, 0)

#include "kq_helpers.h"

/* The runner */

static inline void kq_case_name(const struct kq_case *test, char *name,
				size_t size)
{
	const char *slash = strrchr(test->file, '/');
	const char *base = slash ? slash + 1 : test->file;
	const char *end = strstr(base, "_test.c");

	if (!end)
		end = base + strcspn(base, ".");
	snprintf(name, size, "%.*s.%s%s%s", (int)(end - base), base, test->name,
		 test->variant ? "." : "", test->variant ? test->variant : "");
}

/* Says where each thread of a case is that did not end. */
static inline void kq_show_stuck(pid_t pid)
{
	static const char * const files[] = { "syscall", "stack" };
	char path[300], line[256];
	struct dirent *task;
	FILE *file;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (!tasks)
		return;
	while ((task = readdir(tasks))) {
		if (task->d_name[0] == '.')
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			snprintf(path, sizeof(path), "/proc/%d/task/%.20s/%s",
				 pid, task->d_name, files[i]);
			file = fopen(path, "re");
			while (file && fgets(line, sizeof(line), file)) {
				line[strcspn(line, "\n")] = 0;
				kq_diag("task %s: %s", task->d_name, line);
			}
			if (file)
				fclose(file);
		}
	}
	closedir(tasks);
}

static inline void *kq_idle_thread(void *argument)
{
	for (;;)
		pause();
	return argument;
}

/* Runs one case in a child: KQ_PASS, KQ_FAIL or KQ_SKIPPED. */
static inline int kq_run_case(const struct kq_case *test)
{
	const char *scale = getenv("KQ_TIME_SCALE");
	int limit = test->limit * (scale && atoi(scale) > 0 ? atoi(scale) : 1);
	struct pollfd end = { .events = POLLIN };
	bool timed_out;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		if (getenv("KQ_THREADED"))
			kq_thread(kq_idle_thread, NULL);
		test->run(test->argument);
		_exit(KQ_PASS);
	}
	if (pid < 0) {
		kq_diag("fork: %s", kq_errno_name(errno));
		return KQ_FAIL;
	}
	setpgid(pid, pid);
	end.fd = syscall(SYS_pidfd_open, pid, 0);
	timed_out = poll(&end, 1, limit * 1000) != 1;
	close(end.fd);
	if (timed_out)
		kq_show_stuck(pid);
	/* The case itself if it is late, and whatever it left behind. */
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	/* What it left behind is ours by now. Until it is gone, so are its queues and counts. */
	while (waitpid(-pid, NULL, 0) > 0)
		;
	if (timed_out) {
		kq_diag("timed out after %d s", limit);
		return KQ_FAIL;
	}
	if (WIFSIGNALED(status)) {
		kq_diag("killed by signal %d", WTERMSIG(status));
		return KQ_FAIL;
	}
	switch (WEXITSTATUS(status)) {
	case KQ_PASS:
		return KQ_PASS;
	case KQ_SKIPPED:
		return KQ_SKIPPED;
	}
	return KQ_FAIL;
}

static inline int kq_main(int argc, char **argv)
{
	const char *filter = argc > 1 ? argv[1] : getenv("KQ_CASE_FILTER");
	bool list = filter && !strcmp(filter, "-l");
	int number = 0, total = 0, failed = 0, skipped = 0, result;
	const struct kq_case *test;
	char name[160];

	setvbuf(stdout, NULL, _IONBF, 0);
	closefrom(3);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return KQ_FAIL;
	kq_reason = mmap(NULL, KQ_REASON_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (kq_reason == MAP_FAILED)
		return KQ_FAIL;
	for (test = kq_cases; test; test = test->next) {
		kq_case_name(test, name, sizeof(name));
		if (list)
			printf("%s %s: %s\n", name, test->numbers, test->text);
		else if (!filter || strstr(name, filter))
			total++;
	}
	if (list)
		return KQ_PASS;
	printf("TAP version 13\n");
	if (access(KQ_TEST_DEVICE, F_OK)) {
		printf("1..0 # SKIP no " KQ_TEST_DEVICE ": the module is not loaded\n");
		return KQ_SKIPPED;
	}
	printf("1..%d\n", total);
	for (test = kq_cases; test; test = test->next) {
		kq_case_name(test, name, sizeof(name));
		if (filter && !strstr(name, filter))
			continue;
		result = kq_run_case(test);
		failed += result == KQ_FAIL;
		skipped += result == KQ_SKIPPED;
		if (result == KQ_FAIL)
			kq_diag("%s: %s", name, test->text);
		printf("%sok %d %s %s%s%s\n", result == KQ_FAIL ? "not " : "",
		       ++number, name, test->numbers,
		       result == KQ_SKIPPED ? " # SKIP " : "",
		       result == KQ_SKIPPED ? kq_reason : "");
	}
	printf("# Totals: pass:%d fail:%d xfail:0 xpass:0 skip:%d error:0\n",
	       total - failed - skipped, failed, skipped);
	if (failed || !total)
		return KQ_FAIL;
	return skipped == total ? KQ_SKIPPED : KQ_PASS;
}

int main(int argc, char **argv)
{
	return kq_main(argc, argv);
}

#endif /* KQ_TEST_H */
