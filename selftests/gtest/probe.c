/* SPDX-License-Identifier: MIT */
/*
 * Compiled in every language standard by header_test: <sys/event.h> first and
 * alone must be enough for all of this.
 */
#include <sys/event.h>

/* 32 bytes in 64-bit programs, 20 in 32-bit ones (KQ-001). */
typedef char assert_size[sizeof(struct kevent) == (sizeof(void *) == 8 ? 32 : 20) ? 1 : -1];

int probe(int kq, int fd)
{
    struct kevent list[2];
    struct timespec limit;
    int error;

    limit.tv_sec = 1;
    limit.tv_nsec = 0;
    if (fd > 2)
        EV_SET(&list[0], (uintptr_t)fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, 0);
    else
        EV_SET(&list[0], 1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 10, list);
#ifdef KQ_LIBKQUEUE_QUERIES
    EV_SET(&list[1], 0, EVFILT_LIBKQUEUE, EV_ADD, NOTE_VERSION, 0, 0);
#else
    (void)(EV_SET(&list[1], 1, EVFILT_USER, EV_ADD, NOTE_FFCOPY | NOTE_TRIGGER, 0, 0), 0);
#endif
    error = kqueue() + kqueue1(0) + kqueuex(KQUEUE_CLOEXEC);
    return error + kevent(kq, list, 2, list, 2, &limit);
}
