// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what an administrator sees of the module: the lines of a queue in
 * /proc/PID/fdinfo, and that a module in use does not unload.
 */
#include "kq_test.h"
#include "kq_fd.h"

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
