/* SPDX-License-Identifier: GPL-2.0 */
/* Owns what the suites share: queues, calls, memory that can run out. */
#ifndef KQT_H
#define KQT_H

#include <kunit/test.h>

#include "kq_filter.h"

/* queue.c: queues as an open of the device makes them */

/* For .init and .exit of a suite: test->priv is a struct kq. */
int kqt_queue_init(struct kunit *test);
void kqt_queue_exit(struct kunit *test);

/* For cases that need several. What a case has not closed, kqt_queue_exit() does. */
struct kq *kqt_queue_open(struct kunit *test);
struct file *kqt_queue_file(struct kq *kq);

/* user.c: calls from user memory that is the memory of the test */

/**
 * struct kqt_user - what user memory does
 * @writable: bytes that can be written until a page is missing; SIZE_MAX: all of them
 * @lost: the page cannot be brought in either
 * @unreadable: the changelist cannot be read
 * @brought: pages brought in so far
 * @record_size: of the records of a call
 */
struct kqt_user {
	size_t writable;
	bool lost;
	bool unreadable;
	int brought;
	u32 record_size;
};

extern struct kqt_user kqt_user;

int kqt_call(struct kq *kq, const void *changes, int nchanges, void *events, int nevents);
int kqt_change(struct kq *kq, u64 ident, s16 filter, u16 flags, u32 fflags, s64 data, u64 udata);
int kqt_collect(struct kq *kq, struct kq_event_ext *events, int nevents);
struct kq_knote *kqt_knote(struct kq *kq, u64 ident, s16 filter);

/* memory.c */

/**
 * struct kqt_memory - memory that can run out
 * @left: allocations that will succeed, negative: all
 * @held: what was allocated and not freed
 * @meanwhile: called in the middle of the next allocation, once: another thread
 * @arg: for that
 */
struct kqt_memory {
	int left;
	int held;
	void (*meanwhile)(void *arg);
	void *arg;
};

extern struct kqt_memory kqt_memory;

void kqt_memory_reset(void);
void *kqt_alloc(size_t size);
void kqt_free(const void *p);

/* limits_kunit.c: the limits of the module, which otherwise are files below /proc/sys */
void kqt_limit_set(enum kq_limit which, unsigned long limit);

#endif /* KQT_H */
