/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the limits of a user as the administrator sees and sets them: the files
 * below /proc/sys/fs/kqueue, and the counts in the fdinfo of a queue. Include
 * after kq_test.h.
 */
#ifndef KQ_LIMIT_H
#define KQ_LIMIT_H

static const char * const limit_names[] = { "queues", "knotes", "timers" };

static inline void limit_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, "/proc/sys/fs/kqueue/max_user_%s", name);
}

static inline unsigned long limit_get(const char *name)
{
	unsigned long value;
	char path[64];
	FILE *file;

	limit_path(name, path, sizeof(path));
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	ASSERT_EQ(fscanf(file, "%lu", &value), 1);
	fclose(file);
	return value;
}

/* 0 or a negative errno. */
static inline int limit_write(const char *name, const char *text)
{
	char path[64];
	int fd, error;

	limit_path(name, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	error = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return error;
}

static inline void limit_set(const char *name, unsigned long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lu\n", value);
	ASSERT_OK(limit_write(name, text));
}

/*
 * Runs a function in a child while a limit has another value, and restores it
 * whatever becomes of the child: the limit is everybody's.
 */
static inline void limit_during(const char *name, unsigned long value,
				void (*run)(const void *argument), const void *argument)
{
	unsigned long before;
	siginfo_t end;
	pid_t child;

	if (getuid())
		KQ_SKIP("needs root, to change a limit");
	before = limit_get(name);
	child = kq_fork();
	if (!child) {
		limit_set(name, value);
		run(argument);
		_exit(0);
	}
	ASSERT_SYS(waitid(P_PID, child, &end, WEXITED | WNOWAIT));
	limit_set(name, before);
	kq_reap(child);
}

/* What the user of a queue has of one thing. */
static inline unsigned long limit_used(int kq, const char *name)
{
	char path[64], line[256], wanted[32];
	unsigned long used = 0;
	bool found = false;
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	snprintf(wanted, sizeof(wanted), " %s=", name);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (!found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "user:", 5))
			continue;
		at = strstr(line, wanted);
		ASSERT_TRUE(at);
		used = strtoul(at + strlen(wanted), NULL, 10);
		found = true;
	}
	fclose(file);
	ASSERT_TRUE(found);
	return used;
}

#endif /* KQ_LIMIT_H */
