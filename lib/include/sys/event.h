/* SPDX-License-Identifier: MIT */
/*
 * The BSD kernel event API: struct kevent, its constants and four functions.
 * This file owns what a program sees; it stands alone and never includes the
 * kernel interface. A macro exists only if the behaviour behind it exists, so
 * that "#ifdef EVFILT_X" is a feature test.
 *
 * Layout and numbers are those of libkqueue, and of FreeBSD wherever libkqueue
 * has none. Valid in C89 to C23 and C++98 to C++23.
 */
#ifndef _SYS_EVENT_H_
#define _SYS_EVENT_H_

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* A strictly conforming C89 or C99 <time.h> does not define struct timespec. */
#if defined(__GLIBC__)
#include <bits/types/struct_timespec.h>
#else
#include <sys/select.h>
#endif

/* Filters: what is watched, struct kevent.filter. */
#define EVFILT_READ (-1)     /* ident: descriptor; data: bytes, connections or queued events */
#define EVFILT_WRITE (-2)    /* ident: descriptor; data: bytes of room */
#define EVFILT_VNODE (-4)    /* ident: descriptor of a file or directory; fflags: what happened */
#define EVFILT_PROC (-5)     /* ident: process id; fflags: what happened; data: exit status */
#define EVFILT_SIGNAL (-6)   /* ident: signal number; data: times it was generated */
#define EVFILT_TIMER (-7)    /* ident: any number; data in: period or instant, out: expirations */
#define EVFILT_PROCDESC (-8) /* ident: pidfd; fflags: what happened; data: exit status */
#define EVFILT_FS (-9)       /* ident: any number, use 0; fflags: VQ_ */
#define EVFILT_USER (-11)    /* ident: any number; triggered by the program */
#define EVFILT_EMPTY (-13)   /* ident: socket; ready when nothing waits to be sent */
#define EVFILT_EXCEPT (-64)  /* ident: descriptor; with NOTE_OOB: out-of-band data */

/*
 * Queries of libkqueue, answered by the library. Named only in programs that ask
 * for them: elsewhere EVFILT_LIBKQUEUE says that this is libkqueue.
 */
#ifdef KQ_LIBKQUEUE_QUERIES
#define EVFILT_LIBKQUEUE (-12)    /* with EV_ADD; fflags: one of these numbers */
#define NOTE_VERSION 1            /* out: data is 0xMMmmpprr */
#define NOTE_VERSION_STR 2        /* out: udata is the address of a static string */
#define NOTE_THREAD_SAFE 3        /* accepted, no effect */
#define NOTE_FORK_CLEANUP 4       /* accepted, no effect */
#define NOTE_DEBUG 5              /* accepted, no effect */
#define NOTE_DEBUG_PREFIX 6       /* accepted, no effect */
#define NOTE_DEBUG_FUNC 7         /* accepted, no effect */
#define NOTE_FILE_POLL_INTERVAL 8 /* fails with ENOSYS */
#endif

/* Actions, struct kevent.flags in a change. */
#define EV_ADD 0x0001          /* create the registration, or modify it */
#define EV_DELETE 0x0002       /* remove it, pending event included */
#define EV_ENABLE 0x0004       /* let it deliver again */
#define EV_DISABLE 0x0008      /* keep it, deliver nothing */
#define EV_FORCEONESHOT 0x0100 /* deliver once now whatever the condition, then remove */
#define EV_KEEPUDATA 0x0200    /* leave the stored udata as it is; not with EV_ADD */

/* Flags fixed when the registration is created. */
#define EV_ONESHOT 0x0010  /* remove after the first delivery */
#define EV_CLEAR 0x0020    /* forget the state after delivery: edge triggered */
#define EV_RECEIPT 0x0040  /* answer the change with an EV_ERROR entry, data 0 for success */
#define EV_DISPATCH 0x0080 /* disable after delivery */

/* Bits set by the kernel; they are cleared from a change. */
#define EV_SYSFLAGS 0xf000 /* all of them */
#define EV_FLAG1 0x2000    /* private to filters, without effect in a change */
#define EV_ERROR 0x4000    /* data is an errno value */
#define EV_EOF 0x8000      /* end of file; fflags is the socket error */

/* fflags of EVFILT_READ and EVFILT_WRITE. */
#define NOTE_LOWAT 0x00000001     /* in: ready only from data bytes on */
#define NOTE_FILE_POLL 0x00000002 /* in: a regular file is always ready */

/* fflags of EVFILT_EXCEPT. */
#define NOTE_OOB 0x00000004 /* in and out: out-of-band data */

/* fflags of EVFILT_VNODE, in and out. */
#define NOTE_DELETE 0x00000001      /* a name of the file was removed */
#define NOTE_WRITE 0x00000002       /* written to; a directory: an entry came or went */
#define NOTE_EXTEND 0x00000004      /* grew */
#define NOTE_ATTRIB 0x00000008      /* attributes changed */
#define NOTE_LINK 0x00000010        /* the number of links changed */
#define NOTE_RENAME 0x00000020      /* renamed */
#define NOTE_REVOKE 0x00000040      /* access was revoked; nothing on Linux does that */
#define NOTE_TRUNCATE 0x00000080    /* shrank */
#define NOTE_CLOSE 0x00000100       /* closed, was not open for writing */
#define NOTE_CLOSE_WRITE 0x00000200 /* closed, was open for writing */
#define NOTE_READ 0x00000400        /* read */
#define NOTE_OPEN 0x00000800        /* opened */

/* fflags of EVFILT_PROC and EVFILT_PROCDESC, in and out. */
#define NOTE_EXIT 0x80000000       /* ended; data is the status of wait(2) */
#define NOTE_FORK 0x40000000       /* made a child process */
#define NOTE_EXEC 0x20000000       /* ran another program */
#define NOTE_EXITSTATUS 0x04000000 /* with NOTE_EXIT; data is filled without it too */
#define NOTE_PCTRLMASK 0xf0000000
#define NOTE_PDATAMASK 0x000fffff
#define NOTE_TRACK 0x00000001    /* in: follow child processes; EVFILT_PROC only */
#define NOTE_TRACKERR 0x00000002 /* out: a child could not be followed */
#define NOTE_CHILD 0x00000004    /* out: ident is a new child, data its parent */

/* fflags of EVFILT_FS, in and out; in: 0 asks for all. */
#define VQ_MOUNT 0x00000008   /* something was mounted */
#define VQ_UNMOUNT 0x00000010 /* something was unmounted */

/* fflags of EVFILT_USER. */
#define NOTE_FFNOP 0x00000000      /* keep the stored fflags */
#define NOTE_FFAND 0x40000000      /* AND with the stored fflags */
#define NOTE_FFOR 0x80000000       /* OR with the stored fflags */
#define NOTE_FFCOPY 0xc0000000     /* replace the stored fflags */
#define NOTE_FFCTRLMASK 0xc0000000 /* mask of the four operations */
#define NOTE_FFLAGSMASK 0x00ffffff /* mask of the bits left to the program */
#define NOTE_TRIGGER 0x01000000    /* in: make the event fire */

/* fflags of EVFILT_TIMER: the unit of data, milliseconds if none is given. */
#define NOTE_SECONDS 0x00000001
#define NOTE_MSECONDS 0x00000000
#define NOTE_USECONDS 0x00000002
#define NOTE_NSECONDS 0x00000004
#define NOTE_ABSOLUTE 0x00000008 /* data is an instant of CLOCK_REALTIME since the epoch */
#define NOTE_ABSTIME NOTE_ABSOLUTE
#define NOTE_LEEWAY 0x00000010               /* accepted, no effect */
#define NOTE_CRITICAL 0x00000020             /* accepted, no effect */
#define NOTE_BACKGROUND 0x00000040           /* accepted, no effect */
#define NOTE_MACH_CONTINUOUS_TIME 0x00000080 /* time spent suspended counts too */

/* Flags of kqueuex(). */
#define KQUEUE_CLOEXEC 0x00000001 /* close the queue on execve(2) */
#define KQUEUE_CPONFORK 0x00000002 /* a child of fork(2) gets a copy */

struct kevent {
    uintptr_t ident;      /* what is watched, in the terms of the filter */
    short filter;         /* EVFILT_ */
    unsigned short flags; /* EV_ */
    unsigned int fflags;  /* NOTE_ of the filter */
    intptr_t data;        /* value of the filter */
    void *udata;          /* the program's own, handed back unchanged */
};

#ifdef __cplusplus
#ifdef __GNUC__
/* The function kevent shares its name with the struct, as everywhere. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
extern "C" {
#endif

/*
 * kqueue() - make a kernel event queue.
 *
 * Returns the lowest free descriptor, without close-on-exec, or -1 with errno:
 *   EMFILE  the process has no descriptor left
 *   ENFILE  the system has no open file left
 *   ENOMEM  no memory, or the caller's limit of queues is reached
 *   EACCES  /dev/kqueue may not be opened for reading and writing
 *   ENOSYS  the kernel module is not loaded, or older than this library
 * A child of fork(2) does not inherit the queue: the number is closed there (on
 * a kernel without task_work_add it stays open, and kevent() fails with EBADF).
 * Not a cancellation point.
 * Source: kqueue(2) of the BSDs; KQ-011, KQ-012, KQ-014, KQ-093.
 */
int kqueue(void);

/*
 * kqueue1() - kqueue() with flags of open(2).
 *
 * flags: 0, or O_CLOEXEC (close on execve) and O_NONBLOCK (no effect on
 * kevent(), which waits as its timeout says). Errors of kqueue(), and
 *   EINVAL  any other bit is set
 * Source: NetBSD and OpenBSD kqueue1(2); KQ-012, KQ-013.
 */
int kqueue1(int flags);

/*
 * kqueuex() - kqueue() with flags of its own.
 *
 * flags: 0, or KQUEUE_CLOEXEC and KQUEUE_CPONFORK (a child of fork(2) gets a
 * queue of its own by the same number, with copies of all registrations that
 * mean something to it; see kqueue(2)). Errors of kqueue(), and
 *   EINVAL  any other bit is set, or the kernel cannot copy queues
 * Source: FreeBSD kqueuex(2); KQ-012, KQ-013.
 */
int kqueuex(unsigned int flags);

/*
 * kevent() - change registrations, then wait for events.
 *
 * kq          a queue made by this process
 * changelist  nchanges changes, applied in order before anything else
 * eventlist   room for nevents records; may be the array of changelist
 * nevents     0: apply the changes and return at once, whatever timeout is
 * timeout     longest wait, seconds and nanoseconds of CLOCK_MONOTONIC;
 *             NULL: for ever; {0, 0}: do not wait
 *
 * Returns the number of records in eventlist, 0 if the time ran out. A change
 * that fails is a record with EV_ERROR, its errno in data, if there is room;
 * such records are returned alone and at once. Otherwise -1 with errno:
 *   EBADF   kq is not a queue of this process, or was closed during the wait
 *   EINVAL  nchanges or nevents is negative; with nevents > 0 the timeout is
 *           negative or has tv_nsec outside 0..999999999 (nothing was changed)
 *   EFAULT  changelist, eventlist or timeout is a bad address
 *   EINTR   a signal handler ran before anything was ready; the changes are
 *           applied, repeat with nchanges = 0. Never restarted
 *   ENOMEM  no memory
 * and the errno of the first failed change that had no room: EBADF, EINVAL,
 * ENOENT, ENOMEM, EPERM, ESRCH (EVFILT_PROC: no process the caller can see),
 * ENOSYS (a query), EACCES (EVFILT_VNODE: no right to read the file),
 * see kevent(2). errno is left alone on success.
 *
 * With nevents > 0 a cancellation point: a cancelled thread takes no event
 * from the queue. With nevents == 0 not. Any number of threads may share kq.
 * Source: kevent(2) of the BSDs; KQ-015 to KQ-026, KQ-033 to KQ-045, KQ-077.
 */
#if defined(_TIME_BITS) && _TIME_BITS == 64 && defined(__TIMESIZE) && __TIMESIZE == 32
/* 32-bit program built for a 64-bit time_t: the timeout is laid out otherwise. */
int kevent(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist,
           int nevents, const struct timespec *timeout) __asm__("__kevent_time64");
#else
int kevent(int kq, const struct kevent *changelist, int nchanges, struct kevent *eventlist,
           int nevents, const struct timespec *timeout);
#endif

#ifdef __cplusplus
}
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif
#define __KQ_INLINE inline
#elif defined(__GNUC__)
#define __KQ_INLINE static __inline __attribute__((__unused__))
#else
#define __KQ_INLINE static inline
#endif

/* Behind EV_SET: parameter passing converts as an assignment to the field would. */
__KQ_INLINE void __kq_ev_set(struct kevent *kev, uintptr_t ident, short filter,
                             unsigned short flags, unsigned int fflags, intptr_t data, void *udata)
{
    kev->ident = ident;
    kev->filter = filter;
    kev->flags = flags;
    kev->fflags = fflags;
    kev->data = data;
    kev->udata = udata;
}

#undef __KQ_INLINE

/*
 * EV_SET() - fill every field of *kevp. Each argument is evaluated once; the
 * macro is an expression of type void. Source: kqueue(2); KQ-005.
 */
#define EV_SET(kevp, ident, filter, flags, fflags, data, udata)                                    \
    __kq_ev_set((kevp), (ident), (filter), (flags), (fflags), (data), (udata))

#endif /* _SYS_EVENT_H_ */
