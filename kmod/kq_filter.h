/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All a filter's author needs: the operations, their contract, helpers.
 *
 *  op      called from                      on entry            may sleep
 *  check   register.c, first EV_ADD on a    knote in flux       yes
 *          descriptor
 *  attach  register.c, first EV_ADD         knote in flux       yes
 *  inherit register.c, instead of attach    both in flux        yes
 *          for the copy in a forked child
 *  touch   register.c, each later change    knote in flux       yes
 *  eval    register.c, scan.c               knote in flux       yes
 *  commit  scan.c, after an EV_CLEAR or     knote in flux       yes
 *          level event reached the user
 *  gone    register.c, scan.c               knote in flux       yes
 *  polled  register.c, after each change    queue locked        no
 *  detach  once after a good attach         knote in flux or    yes
 *                                           unreachable
 *
 * Only polled runs with a lock of the core held. A filter reports from any context
 * with kq_knote_activate(). check, attach and inherit return 0 or -errno, and
 * after -errno no knote remains and detach is not called; touch -errno refuses the
 * change and must leave everything as it was. eval returns whether the knote is
 * ready; with res->report set it fills data, fflags and EV_EOF too. detach
 * returns when no callback can run any more. READ and WRITE have no detach: the
 * kq_fd leaves its wait queues and marks by itself.
 */
#ifndef KQ_FILTER_H
#define KQ_FILTER_H

#include <linux/poll.h>

#include "kq.h"
#include "kq_filters.h"

/* kq_filter_ops.flags */
#define KQF_FD		0x01	/* ident is a descriptor */
#define KQF_REFUSED	0x02	/* known, registered elsewhere on the BSDs: EPERM */
#define KQF_PATH	0x04	/* takes a descriptor opened with O_PATH */
#define KQF_ASIDE	0x08	/* may have notes set aside */
#define KQF_STALLS	0x10	/* an evaluation may wait for others */
#define KQF_TIMER	0x20	/* counts as a timer of the user */

/* kq_filter_ops.wakes: keys of a file's wait queues that are meant for a filter */
#define KQ_WAKES_READER	(EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLPRI | EPOLLRDHUP |	\
			 EPOLLHUP | EPOLLERR)
#define KQ_WAKES_WRITER	(EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLHUP | EPOLLERR)

/* What becomes of a registration, see kq_filter_ops.gone. */
enum kq_claim {
	KQ_CLAIM_KEEP,	/* it is as good as any */
	KQ_CLAIM_GONE,	/* nothing will ever come of it: as if it were not there */
	KQ_CLAIM_ASIDE,	/* it has something to report, but its ident now names another object */
};

/**
 * struct kq_filter_ops - one row of the table
 * @name: shown in fdinfo
 * @flags: KQF_*
 * @size: bytes of the filter's structure, which starts with a struct kq_extra if
 *        the ident is a descriptor, else with a struct kq_note; 0 for READ and
 *        WRITE, which are part of the kq_fd
 * @wakes: wake-ups of the file meant for it; 0: it does not use its wait queues
 * @check: may this file be watched
 * @attach: begin to watch
 * @inherit: begin to watch for the calling process what another queue's knote
 *           watches, first, and then take over what that has recorded; the words
 *           are copied already. NULL: attach with these words is all
 * @touch: take over a change; kq_touch_words() where the common rule is all
 * @eval: is it ready, and what is to be reported
 * @commit: the reported event was taken
 * @gone: is it of no use any more; ident_again: a change wants its ident
 * @polled: nobody will wake it: evaluate it at the start of each scan
 * @detach: stop watching
 */
struct kq_filter_ops {
	const char *name;
	u16 flags;
	u16 size;
	__poll_t wakes;
	int (*check)(const struct kq_fd *kfd);
	int (*attach)(struct kq_knote *kn, const struct kq_event_ext *ev);
	int (*inherit)(struct kq_knote *kn, struct kq_knote *from);
	int (*touch)(struct kq_knote *kn, const struct kq_event_ext *ev);
	bool (*eval)(struct kq_knote *kn, struct kq_result *res);
	void (*commit)(struct kq_knote *kn, const struct kq_result *res);
	enum kq_claim (*gone)(struct kq_knote *kn, bool ident_again);
	bool (*polled)(const struct kq_knote *kn);
	void (*detach)(struct kq_knote *kn);
};

/* filter.c */
int kq_filter_init(void);
const struct kq_filter_ops *kq_filter_find(s16 filter);
const struct kq_filter_ops *kq_filter_ops(const struct kq_knote *kn);
u64 kq_filter_mask(void);
int kq_touch_words(struct kq_knote *kn, const struct kq_event_ext *ev);

static inline s16 kq_filter_number(const struct kq_knote *kn)
{
	return -(s16)kn->filter;
}

static inline struct kq_note *kq_knote_note(struct kq_knote *kn)
{
	return container_of(kn, struct kq_note, kn);
}

static inline struct kq_extra *kq_knote_extra(struct kq_knote *kn)
{
	return container_of(kn, struct kq_extra, kn);
}

/* The descriptor of a knote that has one. */
static inline struct kq_fd *kq_knote_fd(struct kq_knote *kn)
{
	switch (kn->filter) {
	case -EVFILT_READ:
		return container_of(kn, struct kq_fd, read);
	case -EVFILT_WRITE:
		return container_of(kn, struct kq_fd, write);
	}
	return kq_knote_extra(kn)->kfd;
}

static inline bool kq_knote_is_fd(const struct kq_knote *kn)
{
	return kq_filter_ops(kn)->flags & KQF_FD;
}

/* The common modify rule of a change: do its words replace the stored ones? */
static inline bool kq_replaces_words(const struct kq_event_ext *ev)
{
	return (ev->flags & EV_ADD) || ev->fflags || ev->data;
}

/**
 * struct kq_notes - NOTE_ bits collected until they are delivered
 * @fresh: posted from any context
 * @taken: holder of flux: seen by an evaluation, not yet forgotten
 *
 * Two words, so that what is posted between an evaluation and its delivery is
 * neither lost nor taken for delivered.
 */
struct kq_notes {
	atomic_t fresh;
	u32 taken;
};

static inline void kq_notes_init(struct kq_notes *notes)
{
	atomic_set(&notes->fresh, 0);
	notes->taken = 0;
}

static inline void kq_notes_post(struct kq_knote *kn, struct kq_notes *notes, u32 bits)
{
	atomic_or(bits, &notes->fresh);
	kq_knote_activate(kn, true);
}

static inline u32 kq_notes_take(struct kq_notes *notes)
{
	if (atomic_read(&notes->fresh))
		notes->taken |= atomic_xchg(&notes->fresh, 0);
	return notes->taken;
}

/* What another knote has collected and not delivered; that one is in flux. */
static inline void kq_notes_copy(struct kq_notes *notes, const struct kq_notes *from)
{
	notes->taken = from->taken | atomic_read(&from->fresh);
}

/* A delivery: only EV_CLEAR forgets. */
static inline void kq_notes_commit(const struct kq_knote *kn, struct kq_notes *notes)
{
	if (kn->flags & EV_CLEAR)
		notes->taken = 0;
}

#endif /* KQ_FILTER_H */
