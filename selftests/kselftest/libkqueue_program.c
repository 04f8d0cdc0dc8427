// SPDX-License-Identifier: GPL-2.0
/*
 * Owns a program compiled and linked for libkqueue. libkqueue_test runs it with libkq in the place of
 * that library; it says what it did not get, and exits with 0 if it got everything.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libkqueue_abi.h"

#define CHECK(condition)							\
	do {									\
		if (!(condition)) {						\
			fprintf(stderr, "# %s:%d: %s: %s\n", __FILE__, __LINE__,	\
				#condition, strerror(errno));			\
			exit(1);						\
		}								\
	} while (0)

static const struct timespec zero, second = { .tv_sec = 1 };
static int mark;

static struct kevent change(uintptr_t ident, short filter, unsigned short flags, unsigned int fflags,
			    intptr_t data)
{
	return (struct kevent){ ident, filter, flags, fflags, data, &mark };
}

/* Byte for byte: there is no padding. */
static int is(const struct kevent *event, struct kevent want)
{
	return !memcmp(event, &want, sizeof(want));
}

static void queries(int kq)
{
	struct kevent ask = change(0, FILTER_LIBKQUEUE, FLAG_ADD, ASK_VERSION, 0), answer;

	CHECK(kevent(kq, &ask, 1, &answer, 1, &zero) == 1);
	CHECK(answer.data);
	CHECK(is(&answer, change(0, FILTER_LIBKQUEUE, FLAG_ADD | FLAG_RECEIPT, ASK_VERSION,
				 answer.data)));
	ask.fflags = ASK_VERSION_STR;
	CHECK(kevent(kq, &ask, 1, &answer, 1, &zero) == 1);
	CHECK(answer.udata != &mark && *(char *)answer.udata);
	ask.fflags = ASK_THREAD_SAFE;
	CHECK(!kevent(kq, &ask, 1, NULL, 0, NULL));
	ask.fflags = ASK_FORK_CLEANUP;
	CHECK(!kevent(kq, &ask, 1, NULL, 0, NULL));
}

static void user(int kq)
{
	struct kevent one = change(5, FILTER_USER, FLAG_ADD | FLAG_CLEAR, 0, 0), event;

	CHECK(!kevent(kq, &one, 1, &event, 1, &zero));
	one = change(5, FILTER_USER, 0, USER_TRIGGER, 0);
	CHECK(!kevent(kq, &one, 1, NULL, 0, NULL));
	CHECK(kevent(kq, NULL, 0, &event, 1, NULL) == 1);
	CHECK(is(&event, change(5, FILTER_USER, FLAG_ADD | FLAG_CLEAR, 0, 0)));
	CHECK(!kevent(kq, NULL, 0, &event, 1, &zero));
}

static void descriptors(int kq)
{
	struct kevent list[2], events[2];
	int fds[2];

	CHECK(!pipe(fds));
	list[0] = change(fds[0], FILTER_READ, FLAG_ADD, 0, 0);
	list[1] = change(fds[1], FILTER_WRITE, FLAG_ADD | FLAG_ONESHOT, 0, 0);
	CHECK(kevent(kq, list, 2, events, 2, &zero) == 1);
	CHECK(events[0].ident == (uintptr_t)fds[1] && events[0].filter == FILTER_WRITE);
	CHECK(write(fds[1], "abc", 3) == 3);
	CHECK(kevent(kq, NULL, 0, events, 2, &second) == 1);
	CHECK(is(&events[0], change(fds[0], FILTER_READ, FLAG_ADD, 0, 3)));
	close(fds[1]);
	CHECK(kevent(kq, NULL, 0, events, 2, &second) == 1);
	CHECK(is(&events[0], change(fds[0], FILTER_READ, FLAG_ADD | FLAG_EOF, 0, 3)));
	close(fds[0]);
}

static void timer(int kq)
{
	struct kevent one = change(6, FILTER_TIMER, FLAG_ADD | FLAG_ONESHOT, 0, 1), event;

	CHECK(kevent(kq, &one, 1, &event, 1, NULL) == 1);
	CHECK(is(&event, change(6, FILTER_TIMER, FLAG_ADD | FLAG_ONESHOT | FLAG_CLEAR, 0, 1)));
}

static void receipts(int kq)
{
	struct kevent list[] = {
		change(7, FILTER_USER, FLAG_ADD | FLAG_RECEIPT, 0, 0),
		change(8, FILTER_USER, FLAG_DELETE, 0, 0),
	};

	CHECK(kevent(kq, list, 2, list, 2, NULL) == 2);
	CHECK(is(&list[0], change(7, FILTER_USER, FLAG_ADD | FLAG_RECEIPT | FLAG_ERROR, 0, 0)));
	CHECK(is(&list[1], change(8, FILTER_USER, FLAG_DELETE | FLAG_ERROR, 0, ENOENT)));
}

int main(void)
{
	int kq = kqueue();

	CHECK(kq >= 0);
	queries(kq);
	user(kq);
	descriptors(kq);
	timer(kq);
	receipts(kq);
	close(kq);
	return 0;
}
