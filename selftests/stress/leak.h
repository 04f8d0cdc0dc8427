/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the question "did the kernel get everything back?": counts open files
 * and slab objects before and after a run. Knows nothing of the run itself.
 */
#ifndef LEAK_H
#define LEAK_H

#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LEAK_CACHES	32

/*
 * The files counter is read without summing up what each processor holds
 * back: up to 32 per processor. In the filp cache, where visible, the rest of
 * the slab that a processor takes from counts as active: the count is exact, or
 * up to 16 more, as it happens. Whoever looks for a leak of files makes more.
 */
#define LEAK_FILES_SLACK	128
#define LEAK_FILP_SLACK		24

struct leak_counts {
	long files;
	int caches;
	struct {
		char name[64];
		long active;
		bool filp;
	} cache[LEAK_CACHES];
};

/* Waits for one grace period of RCU; what it frees is seen by a later count. */
static inline void leak_grace_period(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

/*
 * Objects that lie unused in the slabs of a processor count as active until
 * the cache is shrunk.
 */
static inline void leak_shrink(const char *cache)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		fprintf(stderr, "# cannot shrink %s\n", cache);
	close(fd);
}

static inline long leak_files(void)
{
	FILE *file = fopen("/proc/sys/fs/file-nr", "re");
	long count = -1;

	if (file) {
		if (fscanf(file, "%ld", &count) != 1)
			count = -1;
		fclose(file);
	}
	return count;
}

static inline void leak_scan_caches(struct leak_counts *counts, bool shrink)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[512], name[64];
	long active;

	counts->caches = 0;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		bool filp;

		if (sscanf(line, "%63s %ld", name, &active) != 2)
			continue;
		filp = strcmp(name, "filp") == 0;
		if (!filp && strncmp(name, "kq_", 3) != 0)
			continue;
		if (counts->caches == LEAK_CACHES)
			break;
		if (shrink)
			leak_shrink(name);
		strcpy(counts->cache[counts->caches].name, name);
		counts->cache[counts->caches].active = active;
		counts->cache[counts->caches].filp = filp;
		counts->caches++;
	}
	fclose(file);
}

static inline void leak_count(struct leak_counts *counts)
{
	leak_grace_period();
	leak_scan_caches(counts, true);
	leak_scan_caches(counts, false);
	counts->files = leak_files();
}

/* Compares and, if asked, says what is too much. Returns the number of leaks. */
static inline int leak_compare(const struct leak_counts *before,
			       const struct leak_counts *after, bool report)
{
	int leaks = 0;

	if (after->files > before->files + LEAK_FILES_SLACK) {
		leaks++;
		if (report)
			printf("# leak: %ld open files, %ld before\n",
			       after->files, before->files);
	}
	for (int i = 0; i < after->caches; i++) {
		long base = 0, slack;

		for (int j = 0; j < before->caches; j++)
			if (!strcmp(before->cache[j].name, after->cache[i].name))
				base = before->cache[j].active;
		slack = after->cache[i].filp ? LEAK_FILP_SLACK : 0;
		if (after->cache[i].active <= base + slack)
			continue;
		leaks++;
		if (report)
			printf("# leak: %ld objects in %s, %ld before\n",
			       after->cache[i].active, after->cache[i].name, base);
	}
	return leaks;
}

/* Gives deferred work @seconds to end. Returns the number of leaks. */
static inline int leak_check(const struct leak_counts *before, int seconds)
{
	struct leak_counts after;
	const struct timespec pause = { .tv_nsec = 100000000 };
	bool own = false;

	for (int i = 0; i < seconds * 10; i++) {
		leak_count(&after);
		if (!leak_compare(before, &after, false))
			break;
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < after.caches; i++) {
		own |= !after.cache[i].filp;
		printf("# cache %s: %ld active objects\n",
		       after.cache[i].name, after.cache[i].active);
	}
	if (!own)
		printf("# no kq_* cache is visible (merged, or not root): files only\n");
	printf("# files: %ld, %ld before\n", after.files, before->files);
	return leak_compare(before, &after, true);
}

#endif /* LEAK_H */
