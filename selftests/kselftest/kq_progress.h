/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the time that others get: two threads that take turns, so that whatever
 * runs in the background, or spins there, has its share. Include after kq_test.h.
 */
#ifndef KQ_PROGRESS_H
#define KQ_PROGRESS_H

static inline void *progress_echo(void *argument)
{
	int *fds = argument;
	char byte;

	while (read(fds[0], &byte, 1) == 1)
		kq_write(fds[1], &byte, 1);
	return NULL;
}

static inline void progress_make(int turns)
{
	int to[2], from[2];
	char byte = 'x';
	pthread_t thread;

	ASSERT_SYS(pipe2(to, 0));
	ASSERT_SYS(pipe2(from, 0));
	thread = kq_thread(progress_echo, (int []){ to[0], from[1] });
	for (int i = 0; i < turns; i++) {
		kq_write(to[1], &byte, 1);
		ASSERT_EQ(read(from[0], &byte, 1), 1);
	}
	ASSERT_SYS(close(to[1]));
	kq_join(thread);
	ASSERT_SYS(close(to[0]));
	ASSERT_SYS(close(from[0]));
	ASSERT_SYS(close(from[1]));
}

#endif /* KQ_PROGRESS_H */
