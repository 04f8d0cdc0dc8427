// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that a limit is spoken of with no lock held that a console takes
 * from the other side. Fails by the word of lockdep alone.
 */
#include "kq_test.h"
#include "kq_limit.h"

static void reach_limit(const void *argument)
{
	int kq = *(const int *)argument, error = 0;

	for (int i = 0; i < 10 && !error; i++)
		error = kq_add(kq, i, EVFILT_USER, 0, 0, 0, NULL);
	ASSERT_EQ(error, -ENOMEM);
}

static void watch_console(const void *argument KQ_UNUSED)
{
	int tty = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_NONBLOCK), kq;
	struct kevent event;

	if (tty < 0)
		KQ_SKIP("this machine has no serial console");
	kq = kq_new();
	ASSERT_OK(kq_add(kq, tty, EVFILT_WRITE, EV_CLEAR, 0, 0, NULL));
	/* Each time its interrupt wakes the queue under the lock of the port. */
	for (int i = 0; i < 20; i++) {
		ASSERT_GE(kq_poll(kq, &event, 1), 0);
		kq_write(tty, "on\n", 3);
		kq_sleep_ms(20);
	}
	reach_limit(&kq);
}

KQ_TEST(console_is_watched, "", "the user who watches the console may reach a limit")
{
	FILE *file = fopen("/proc/sys/kernel/printk", "re+");

	if (!file)
		KQ_SKIP("needs root, to make the console speak");
	ASSERT_GT(fputs("8\n", file), -1);
	fclose(file);
	limit_during("knotes", 3, watch_console, NULL);
}
