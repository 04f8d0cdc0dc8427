// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what an administrator sees of the module: the lines of a queue in
 * /proc/PID/fdinfo, that neither these nor the log tell what is nobody's
 * business, and that a module in use does not unload.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_proc.h"
#include "kq_user.h"

#include <ctype.h>

/* How many knotes the fdinfo of a queue lists, and how often it says @text. */
static int count_knotes(int kq, const char *text, int *said)
{
	char path[64], line[512];
	int knotes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	file = fopen(path, "r");
	ASSERT_TRUE(file);
	*said = 0;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "knote: ", 7))
			continue;
		knotes++;
		*said += !!strstr(line, text);
	}
	fclose(file);
	return knotes;
}

KQ_TEST(fdinfo_lists_every_knote, "", "each knote is one line of the queue's fdinfo")
{
	enum { USERS = 1000 };
	int kq = kq_new(), fds[2], said;

	kq_pipe(fds);
	ASSERT_EQ(count_knotes(kq, "", &said), 0);
	for (int i = 0; i < USERS; i++)
		ASSERT_OK(kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 7, EVFILT_TIMER, EV_DISABLE, 0, 60000, NULL));
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, NOTE_LOWAT, 42, (void *)0xbeef));
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, EV_ONESHOT, 0, 0, NULL));
	ASSERT_EQ(count_knotes(kq, "filter=user ", &said), USERS + 3);
	ASSERT_EQ(said, USERS);
	count_knotes(kq, " disabled", &said);
	ASSERT_EQ(said, 1);
	count_knotes(kq, "filter=read flags=0x1 fflags=0x1 data=42 udata=0xbeef", &said);
	ASSERT_EQ(said, 1);

	for (int i = 0; i < USERS; i++)
		ASSERT_OK(kq_del(kq, i, EVFILT_USER));
	ASSERT_SYS(close(fds[0]));
	ASSERT_EQ(count_knotes(kq, "filter=write ", &said), 2);
	ASSERT_EQ(said, 1);
}

KQ_TEST(in_use_does_not_unload, "", "an open queue keeps the module")
{
	int kq;

	if (getuid())
		KQ_SKIP("needs root");
	kq = kq_new();
	ASSERT_ERRNO((int)syscall(SYS_delete_module, "kqueue", O_NONBLOCK), EWOULDBLOCK);
	kq_fence(kq);
}

/* What is nobody's business. */

/* x86-64: the upper half of all addresses, with five levels of page tables. */
#define KERNEL_START	0xff00000000000000ull

/*
 * No number in it is an address of the kernel, in either base. What a caller
 * gave comes back as it is: the tests give small numbers.
 */
static void assert_no_address(const char *where, const char *line)
{
	for (const char *at = line; *at; at++) {
		char *end_hex, *end;

		if (!isxdigit(*at) || (at > line && isalnum(at[-1]) && at[-1] != 'x'))
			continue;
		/* A sign is no part of an address. */
		if (strtoull(at, &end_hex, 16) >= KERNEL_START)
			KQ_FAIL_NOW("%s: %s", where, line);
		if (isdigit(*at) && strtoull(at, &end, 10) >= KERNEL_START)
			KQ_FAIL_NOW("%s: %s", where, line);
	}
}

/* Returns the number of lines, of those that contain a text. */
static int assert_file_clean(const char *path, const char *text)
{
	char line[4096];
	int lines = 0;
	FILE *file;

	file = fopen(path, "re");
	if (!file)
		KQ_FAIL_NOW("%s: %s", path, kq_errno_name(errno));
	while (fgets(line, sizeof(line), file)) {
		if (!strstr(line, text))
			continue;
		assert_no_address(path, line);
		lines++;
	}
	fclose(file);
	return lines;
}

/* A queue with a knote of each filter there is: how many. */
static int fill_queue(int kq)
{
	int fds[2], file, inner = kq_new(), count = 0;
	pid_t child = kq_fork();

	while (!child)
		pause();
	kq_unix_stream(fds);
	file = ASSERT_SYS(open("/tmp", O_RDONLY | O_DIRECTORY));
	const struct {
		uintptr_t ident;
		int filter;
		unsigned int fflags;
		intptr_t data;
	} knotes[] = {
		{ fds[0], EVFILT_READ, 0, 0 },
		{ fds[1], EVFILT_WRITE, NOTE_LOWAT, 1 },
		{ fds[1], EVFILT_EMPTY, 0, 0 },
		{ fds[0], EVFILT_EXCEPT, NOTE_OOB, 0 },
		{ inner, EVFILT_READ, 0, 0 },
		{ file, EVFILT_VNODE, NOTE_WRITE, 0 },
		{ child, EVFILT_PROC, NOTE_EXIT | NOTE_TRACK, 0 },
		{ proc_pidfd(child), EVFILT_PROCDESC, NOTE_EXIT, 0 },
		{ SIGUSR1, EVFILT_SIGNAL, 0, 0 },
		{ 1, EVFILT_TIMER, 0, 60000 },
		{ 0, EVFILT_FS, 0, 0 },
		{ 1, EVFILT_USER, NOTE_TRIGGER, 0 },
	};
	for (; count < (int)ARRAY_SIZE(knotes); count++)
		ASSERT_OK(kq_add(kq, knotes[count].ident, knotes[count].filter, 0,
				 knotes[count].fflags, knotes[count].data, NULL));
	return count;
}

KQ_TEST(fdinfo_shows_no_address, "",
	"the fdinfo of a queue with every filter shows no address of the kernel")
{
	struct kevent events[16];
	int kq = kq_new(), knotes, said;
	char path[64];

	knotes = fill_queue(kq);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	ASSERT_GT(assert_file_clean(path, ""), knotes);
	ASSERT_EQ(count_knotes(kq, "", &said), knotes);
	/* And when they were evaluated, and are queued again. */
	ASSERT_GE(kq_poll(kq, events, ARRAY_SIZE(events)), 1);
	ASSERT_GT(assert_file_clean(path, ""), knotes);
}

/* Goes through the files of a directory of attributes that can be read. */
static int assert_directory_clean(const char *directory)
{
	struct dirent *entry;
	char path[512];
	int files = 0;
	DIR *entries;

	entries = opendir(directory);
	ASSERT_TRUE(entries);
	while ((entry = readdir(entries))) {
		if (entry->d_type != DT_REG)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (!access(path, R_OK)) {
			assert_file_clean(path, "");
			files++;
		}
	}
	closedir(entries);
	return files;
}

KQ_TEST(parameters_show_no_address, "",
	"what /sys says of the module and its device is no address of the kernel")
{
	ASSERT_GT(assert_directory_clean("/sys/module/kqueue/parameters"), 0);
	ASSERT_GT(assert_directory_clean("/sys/class/misc/kqueue"), 0);
}

KQ_TEST(log_shows_no_address, "",
	"the lines of the module in the kernel log show no address of the kernel")
{
	static const char mark[] = "kqueue: a line of the test that looks for addresses\n";
	int log = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC), lines = 0, kq = kq_new();
	char record[8192];
	ssize_t size;

	if (log < 0)
		KQ_SKIP("the kernel log cannot be read");
	/* Errors are what the module might speak of. */
	fill_queue(kq);
	ASSERT_ERR(kq_add(kq, 7, 99, 0, 0, 0, NULL), EINVAL);
	ASSERT_SYS(close(kq));
	kq_write(log, mark, strlen(mark));
	for (;;) {
		size = read(log, record, sizeof(record) - 1);
		/* A record that was overwritten meanwhile. */
		if (size < 0 && errno == EPIPE)
			continue;
		if (size < 0)
			break;
		record[size] = 0;
		if (!strstr(record, "kqueue"))
			continue;
		assert_no_address("/dev/kmsg", strchr(record, ';') ?: record);
		lines++;
	}
	ASSERT_EQ(errno, EAGAIN);
	ASSERT_GT(lines, 0);
}

/* In a pid namespace of its own, with the queue of somebody outside. */
KQ_TEST(fdinfo_shows_no_foreign_process, "",
	"the fdinfo of a queue that was passed into a pid namespace names no process outside")
{
	int kq = kq_new(), over[2], turn, child_turn, said;
	pid_t reader, child = proc_idle(&child_turn);

	kq_unix_stream(over);
	if (unshare(CLONE_NEWPID))
		KQ_SKIP("needs root for a pid namespace");
	reader = proc_fork(&turn);
	if (!reader) {
		user_mount_proc(NULL);
		kq = fd_receive(over[0]);
		count_knotes(kq, "filter=proc ", &said);
		ASSERT_EQ(said, 0);
		_exit(0);
	}
	ASSERT_OK(proc_add(kq, child, NOTE_EXIT));
	count_knotes(kq, "filter=proc ", &said);
	ASSERT_EQ(said, 1);
	fd_send(over[1], kq);
	kq_reap(reader);
}

KQ_TEST(fdinfo_is_not_for_receivers, "KQ-095",
	"the fdinfo of a queue that was passed to another user lists nothing")
{
	static const struct user user = { USER_A, USER_A, 0 };
	int kq = kq_new(), said;
	pid_t reader;

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, (void *)0xbeef));
	reader = ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL));
	if (!reader) {
		/* With a copy of the table, as if it had come in a message. */
		ASSERT_SYS(unshare(CLONE_FILES));
		ASSERT_EQ(count_knotes(kq, "udata=0xbeef", &said), 1);
		user_become(&user);
		ASSERT_EQ(count_knotes(kq, "udata=0xbeef", &said), 0);
		_exit(0);
	}
	kq_reap(reader);
	ASSERT_EQ(count_knotes(kq, "udata=0xbeef", &said), 1);
}
