/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * The kernel interface of kqueue: device, ioctls, records and every constant
 * that crosses the border between user space and the module.
 *
 * All structures have the same bytes in 32-bit and 64-bit programs, hold no
 * holes and may grow at the end: the size is part of the ioctl number. Less than
 * the size given here is EINVAL, bytes a kernel does not know must be zero (else
 * E2BIG).
 */
#ifndef _UAPI_LINUX_KQUEUE_H
#define _UAPI_LINUX_KQUEUE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KQ_DEVICE	"/dev/kqueue"

/* Grows whenever an existing program could notice the difference. */
#define KQ_ABI_VERSION	1

/* The neutral record, in the numbering of <sys/event.h> of libkq. */
struct kq_event {
	__u64 ident;
	__s16 filter;
	__u16 flags;
	__u32 fflags;
	__s64 data;
	__u64 udata;
};

/* The same record with the four extension words. */
struct kq_event_ext {
	__u64 ident;
	__s16 filter;
	__u16 flags;
	__u32 fflags;
	__s64 data;
	__u64 udata;
	__u64 ext[4];
};

/* struct kevent as a 32-bit program lays it out. */
struct kq_event_ilp32 {
	__u32 ident;
	__s16 filter;
	__u16 flags;
	__u32 fflags;
	__s32 data;
	__u32 udata;
};

/* kq_kevent.flags, bits the caller may set. */
#define KQ_KEVENT_NONBLOCK	0x00000001u	/* do not wait; timeout is checked all the same */
#define KQ_KEVENT_WAIT_ONLY	0x00000002u	/* wait until something is ready, take nothing */
#define KQ_KEVENT_PASS_WAKE	0x00000004u	/* hand a wake-up of WAIT_ONLY to another waiter */
#define KQ_KEVENT_TIMEOUT_ILP32	0x00000008u	/* timeout points to two 32-bit words */
#define KQ_KEVENT_FLAGS		0x0000000fu

/* kq_kevent.state, written by the kernel before it sleeps; zero in a new call. */
#define KQ_STATE_CHANGED	0x00000001u	/* the changelist was applied */
#define KQ_STATE_DEADLINE	0x00000002u	/* deadline holds the end of the wait */
#define KQ_STATE_FLAGS		0x00000003u

/* kq_kevent.stamp and kq_info.stamp after a call that reached this driver. */
#define KQ_STAMP		0x6b717565u

/*
 * KQ_IOC_KEVENT: apply changes, report errors and receipts, wait, collect.
 *
 * Returns the number of records written to eventlist. With KQ_KEVENT_WAIT_ONLY
 * returns 1 when something may be ready, 0 at the timeout.
 *
 * A call interrupted by a stop is run again by the kernel with the same
 * argument block: state and deadline keep it from applying the changes twice
 * or waiting anew.
 */
struct kq_kevent {
	__u64 changelist;	/* in: address of nchanges records */
	__u64 eventlist;	/* in: address of room for nevents records */
	__u64 timeout;		/* in: address of two 64-bit words sec, nsec; 0: for ever */
	__s32 nchanges;		/* in */
	__s32 nevents;		/* in */
	__u32 record_size;	/* in: 32 kq_event, 64 kq_event_ext, 20 kq_event_ilp32 */
	__u32 flags;		/* in: KQ_KEVENT_* */
	__u32 state;		/* in and out: KQ_STATE_* */
	__u32 stamp;		/* out: KQ_STAMP */
	__u64 deadline;		/* in and out: ns of CLOCK_MONOTONIC */
	__u64 reserved;		/* must be zero */
};

/* kq_info.features */
#define KQ_FEATURE_CLOSE_SYNC	0x00000001ull	/* close(2) drops registrations before it returns */
#define KQ_FEATURE_CPONFORK	0x00000002ull	/* KQ_SETUP_CPONFORK is honoured */
#define KQ_FEATURE_FORK_CLOSE	0x00000004ull	/* a forked child has no number of a queue */

/* KQ_IOC_INFO: what this module is and can do. Nothing is read but reserved. */
struct kq_info {
	__u32 abi_version;	/* out: KQ_ABI_VERSION of the module */
	__u32 stamp;		/* out: KQ_STAMP */
	__u64 features;		/* out: KQ_FEATURE_* */
	__u64 filters;		/* out: bit -filter % 64 is set for each filter kevent() accepts */
	__u32 max_depth;	/* out: longest chain of queues watching queues */
	__u32 errata;		/* out: bit mask of corrected behaviours, none yet */
	__u64 missed_closes;	/* out: closed descriptors found late; not zero is a defect */
	__u64 reserved[3];	/* must be zero, stays zero */
};

/* kq_setup.flags */
#define KQ_SETUP_CPONFORK	0x00000001u	/* a forked child gets a copy of the queue */
#define KQ_SETUP_FLAGS		0x00000001u

/* KQ_IOC_SETUP: what a queue is, from now on. For its owner alone. */
struct kq_setup {
	__u32 flags;		/* in: KQ_SETUP_* */
	__u32 stamp;		/* out: KQ_STAMP */
	__u64 reserved;		/* must be zero */
};

#define KQ_IOC_MAGIC	0xd1
#define KQ_IOC_KEVENT	_IOWR(KQ_IOC_MAGIC, 0x01, struct kq_kevent)
#define KQ_IOC_INFO	_IOWR(KQ_IOC_MAGIC, 0x02, struct kq_info)
#define KQ_IOC_SETUP	_IOWR(KQ_IOC_MAGIC, 0x03, struct kq_setup)

/* Filters. Numbers not listed here do not exist. */
#ifndef EVFILT_READ
#define EVFILT_READ		(-1)
#define EVFILT_WRITE		(-2)
#define EVFILT_VNODE		(-4)
#define EVFILT_PROC		(-5)
#define EVFILT_SIGNAL		(-6)
#define EVFILT_TIMER		(-7)
#define EVFILT_PROCDESC		(-8)
#define EVFILT_FS		(-9)
#define EVFILT_USER		(-11)
#define EVFILT_EMPTY		(-13)
#define EVFILT_EXCEPT		(-64)
#endif
/* Known and refused with EPERM: registered by other interfaces on the BSDs. */
#define KQ_EVFILT_AIO		(-3)
#define KQ_EVFILT_LIO		(-10)
#define KQ_EVFILT_COUNT		64	/* numbers -1 .. -64 can be in the table */

/* Actions and flags of a record. */
#ifndef EV_ADD
#define EV_ADD			0x0001
#define EV_DELETE		0x0002
#define EV_ENABLE		0x0004
#define EV_DISABLE		0x0008
#define EV_ONESHOT		0x0010
#define EV_CLEAR		0x0020
#define EV_RECEIPT		0x0040
#define EV_DISPATCH		0x0080
#define EV_FORCEONESHOT		0x0100
#define EV_KEEPUDATA		0x0200
#define EV_SYSFLAGS		0xf000
#define EV_ERROR		0x4000
#define EV_EOF			0x8000
#endif
#define KQ_EV_RESERVED		0x0c00	/* cleared on input like EV_SYSFLAGS */

/* EVFILT_READ, EVFILT_WRITE, EVFILT_EXCEPT */
#ifndef NOTE_LOWAT
#define NOTE_LOWAT		0x00000001
#define NOTE_FILE_POLL		0x00000002
#define NOTE_OOB		0x00000004
#endif

/* EVFILT_VNODE */
#ifndef NOTE_DELETE
#define NOTE_DELETE		0x00000001
#define NOTE_WRITE		0x00000002
#define NOTE_EXTEND		0x00000004
#define NOTE_ATTRIB		0x00000008
#define NOTE_LINK		0x00000010
#define NOTE_RENAME		0x00000020
#define NOTE_REVOKE		0x00000040
#define NOTE_TRUNCATE		0x00000080
#define NOTE_CLOSE		0x00000100
#define NOTE_CLOSE_WRITE	0x00000200
#define NOTE_READ		0x00000400
#define NOTE_OPEN		0x00000800
#endif

/* EVFILT_PROC, EVFILT_PROCDESC */
#ifndef NOTE_EXIT
#define NOTE_EXIT		0x80000000
#define NOTE_FORK		0x40000000
#define NOTE_EXEC		0x20000000
#define NOTE_EXITSTATUS		0x04000000
#define NOTE_TRACK		0x00000001
#define NOTE_TRACKERR		0x00000002
#define NOTE_CHILD		0x00000004
#define NOTE_PCTRLMASK		0xf0000000
#define NOTE_PDATAMASK		0x000fffff
#endif

/* EVFILT_FS; a mask of 0 asks for all */
#ifndef VQ_MOUNT
#define VQ_MOUNT		0x00000008
#define VQ_UNMOUNT		0x00000010
#endif

/* EVFILT_USER */
#ifndef NOTE_FFNOP
#define NOTE_FFNOP		0x00000000
#define NOTE_FFAND		0x40000000
#define NOTE_FFOR		0x80000000
#define NOTE_FFCOPY		0xc0000000
#define NOTE_FFCTRLMASK		0xc0000000
#define NOTE_FFLAGSMASK		0x00ffffff
#define NOTE_TRIGGER		0x01000000
#endif

/* EVFILT_TIMER; no unit bit: milliseconds */
#ifndef NOTE_SECONDS
#define NOTE_SECONDS		0x00000001
#define NOTE_USECONDS		0x00000002
#define NOTE_NSECONDS		0x00000004
#define NOTE_ABSOLUTE		0x00000008
#define NOTE_LEEWAY		0x00000010
#define NOTE_CRITICAL		0x00000020
#define NOTE_BACKGROUND		0x00000040
#define NOTE_MACH_CONTINUOUS_TIME 0x00000080
#endif

#endif /* _UAPI_LINUX_KQUEUE_H */
