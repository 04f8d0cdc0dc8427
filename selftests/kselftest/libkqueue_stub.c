// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what programs built for libkqueue are linked with: its name, libkqueue.so.0, and its two
 * symbols, which have no version. Running with it ends the program, so that one which runs has found
 * something else.
 */
#include <stdlib.h>

#include "libkqueue_abi.h"

int kqueue(void)
{
	abort();
}

int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
	   const struct timespec *timeout)
{
	(void)kq, (void)changes, (void)nchanges, (void)events, (void)nevents, (void)timeout;
	abort();
}
