// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that the memory of queues is charged to the memory cgroup of the
 * process they belong to, and that a cgroup's limit holds for them.
 */
#include "kq_test.h"
#include "kq_proc.h"

#define ROOT		"/sys/fs/cgroup"
/* Less than any knote takes. */
#define KNOTE_BYTES	100

/* A cgroup of its own, a child of the root. */
static void make_group(const char *name, char *path, size_t size)
{
	char file[128];

	if (getuid())
		KQ_SKIP("needs root, to make a cgroup");
	snprintf(path, size, ROOT "/kq-%s-%d", name, getpid());
	if (mkdir(path, 0755))
		KQ_SKIP("no cgroup2 at " ROOT);
	snprintf(file, sizeof(file), "%s/memory.current", path);
	if (access(file, R_OK)) {
		rmdir(path);
		KQ_SKIP("no memory controller at " ROOT);
	}
}

static void write_group(const char *path, const char *file, long long value)
{
	char name[192], text[32];
	int fd, size = snprintf(text, sizeof(text), "%lld\n", value);

	snprintf(name, sizeof(name), "%s/%s", path, file);
	fd = ASSERT_SYS(open(name, O_WRONLY | O_CLOEXEC));
	ASSERT_EQ(write(fd, text, size), size);
	close(fd);
}

/* Kernel memory of a cgroup; some of it is counted in batches. */
static long long kernel_bytes(const char *path)
{
	char name[192], line[128];
	long long bytes = -1;
	FILE *file;

	snprintf(name, sizeof(name), "%s/memory.stat", path);
	file = fopen(name, "re");
	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "slab %lld", &bytes) == 1)
			break;
	fclose(file);
	ASSERT_GE(bytes, 0);
	return bytes;
}

static void enter_group(const char *path)
{
	write_group(path, "cgroup.procs", getpid());
}

static void remove_group(const char *path)
{
	ASSERT_SYS(rmdir(path));
}

static void add_users(int kq, int count)
{
	static struct kevent changes[1000];

	for (int done = 0; done < count; done += (int)ARRAY_SIZE(changes)) {
		for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
			EV_SET(&changes[i], done + i, EVFILT_USER, EV_ADD, 0, 0, NULL);
		ASSERT_EQ(kevent(kq, changes, ARRAY_SIZE(changes), NULL, 0, NULL), 0);
	}
}

KQ_TEST(knotes_are_charged, "KQ-248", "knotes are charged to the cgroup of the process that makes them")
{
	const int knotes = kq_quick() ? 6000 : 30000;
	long long before, with;
	char path[96];
	pid_t child;
	int turn;

	make_group("charge", path, sizeof(path));
	child = proc_fork(&turn);
	if (!child) {
		enter_group(path);
		proc_say(turn, 0);
		proc_hear(turn);
		add_users(kq_new(), knotes);
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	proc_hear(turn);
	before = kernel_bytes(path);
	proc_ask(turn);
	with = kernel_bytes(path);
	proc_say(turn, 0);
	kq_reap(child);
	remove_group(path);
	ASSERT_GE(with - before, (long long)knotes * KNOTE_BYTES);
}

KQ_TEST(watcher_is_charged, "KQ-248 KQ-195", "knotes on tracked children are charged to the watcher")
{
	enum { CHILDREN = 400 };
	char watchers[96], makers[96];
	int turn, maker_turn, kq;
	long long before;
	pid_t watcher, maker;

	make_group("watcher", watchers, sizeof(watchers));
	make_group("maker", makers, sizeof(makers));
	maker = proc_start_maker(&proc_ways[0], &maker_turn);
	write_group(makers, "cgroup.procs", maker);
	watcher = proc_fork(&turn);
	if (!watcher) {
		enter_group(watchers);
		kq = kq_new();
		ASSERT_OK(proc_add(kq, maker, NOTE_TRACK));
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	proc_hear(turn);
	before = kernel_bytes(watchers);
	for (int i = 0; i < CHILDREN; i++)
		proc_make_child(maker_turn);
	/* Two each: the notice and the knote. */
	ASSERT_GE(kernel_bytes(watchers) - before, 2LL * CHILDREN * KNOTE_BYTES);
	proc_say(turn, 0);
	kq_reap(watcher);
	proc_say(maker_turn, 0);
	proc_status(maker);
	remove_group(watchers);
	remove_group(makers);
}

#define GROUP_LIMIT	(16 << 20)

KQ_TEST_LIMIT(cgroup_limit_holds, 60, "KQ-248", "a process that registers without end is stopped by its cgroup")
{
	int kq = kq_new(), status;
	char path[96];
	pid_t child;

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	make_group("limit", path, sizeof(path));
	write_group(path, "memory.max", GROUP_LIMIT);
	child = kq_fork();
	if (!child) {
		int own;

		enter_group(path);
		own = kq_new();
		for (int i = 0; i < GROUP_LIMIT / KNOTE_BYTES; i++)
			if (kq_add(own, i, EVFILT_USER, 0, 0, 0, NULL) == -ENOMEM)
				_exit(99);
		_exit(0);
	}
	ASSERT_EQ(waitpid(child, &status, 0), child);
	/* Out of memory: killed for it, or told so. */
	ASSERT_TRUE(status == SIGKILL || status == W_EXITCODE(99, 0));
	remove_group(path);
	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
}
