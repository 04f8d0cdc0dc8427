/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the binary interface of libkqueue as a program compiled for it has it: its numbers and its
 * record, written down anew. Must not take anything from <sys/event.h>, which is to be compatible.
 */
#ifndef LIBKQUEUE_ABI_H
#define LIBKQUEUE_ABI_H

#include <stdint.h>
#include <time.h>

struct kevent {
	uintptr_t ident;
	short filter;
	unsigned short flags;
	unsigned int fflags;
	intptr_t data;
	void *udata;
};

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
	   const struct timespec *timeout);

enum {
	FILTER_READ = -1,
	FILTER_WRITE = -2,
	FILTER_TIMER = -7,
	FILTER_USER = -11,
	FILTER_LIBKQUEUE = -12,
};

enum {
	FLAG_ADD = 0x1,
	FLAG_DELETE = 0x2,
	FLAG_ONESHOT = 0x10,
	FLAG_CLEAR = 0x20,
	FLAG_RECEIPT = 0x40,
	FLAG_ERROR = 0x4000,
	FLAG_EOF = 0x8000,
};

enum {
	ASK_VERSION = 1,
	ASK_VERSION_STR = 2,
	ASK_THREAD_SAFE = 3,
	ASK_FORK_CLEANUP = 4,
	USER_TRIGGER = 0x01000000,
};

#endif /* LIBKQUEUE_ABI_H */
