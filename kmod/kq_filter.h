/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All a filter's author needs: the operations, their contract, helpers.
 *
 *  op      called from                      on entry            may sleep
 *  check   register.c, before a descriptor  nothing held        no
 *          is published
 *  attach  register.c, first EV_ADD         knote in flux       yes
 *  touch   register.c, each later change    knote in flux       yes
 *  eval    register.c, scan.c               knote in flux       yes
 *  commit  scan.c, after an EV_CLEAR or     knote in flux       yes
 *          level event reached the user
 *  polled  register.c, after each change    queue locked        no
 *  detach  once after a good attach         knote in flux or    yes
 *                                           unreachable
 *
 * Only polled runs with a lock of the core held. A filter reports from any context
 * with kq_knote_activate(). check and attach return 0 or -errno, and after
 * -errno no knote remains and detach is not called; touch -errno refuses the
 * change and must leave everything as it was. eval returns whether the knote is
 * ready; with res->report set it fills data, fflags and EV_EOF too. detach
 * returns when no callback can run any more. Descriptor filters have no detach:
 * the kq_fd leaves its wait queues and marks by itself.
 */
#ifndef KQ_FILTER_H
#define KQ_FILTER_H

#include "kq.h"
#include "kq_filters.h"

/* kq_filter_ops.flags */
#define KQF_FD		0x01	/* ident is a descriptor */
#define KQF_REFUSED	0x02	/* known, registered elsewhere on the BSDs: EPERM */

/**
 * struct kq_filter_ops - one row of the table
 * @name: shown in fdinfo
 * @flags: KQF_*
 * @size: bytes of the filter's structure, which starts with a struct kq_note;
 *        0 for descriptor filters
 * @check: may this file be watched
 * @attach: begin to watch
 * @touch: take over a change, see kq_touch_words() for the common rule
 * @eval: is it ready, and what is to be reported
 * @commit: the reported event was taken
 * @polled: nobody will wake it: evaluate it at the start of each scan
 * @detach: stop watching
 */
struct kq_filter_ops {
	const char *name;
	u16 flags;
	u16 size;
	int (*check)(const struct kq_fd *kfd);
	int (*attach)(struct kq_knote *kn, const struct kq_event_ext *ev);
	int (*touch)(struct kq_knote *kn, const struct kq_event_ext *ev);
	bool (*eval)(struct kq_knote *kn, struct kq_result *res);
	void (*commit)(struct kq_knote *kn, const struct kq_result *res);
	bool (*polled)(const struct kq_knote *kn);
	void (*detach)(struct kq_knote *kn);
};

/* filter.c */
int kq_filter_init(void);
const struct kq_filter_ops *kq_filter_find(s16 filter);
const struct kq_filter_ops *kq_filter_ops(const struct kq_knote *kn);
u64 kq_filter_mask(void);

static inline s16 kq_filter_number(const struct kq_knote *kn)
{
	return -(s16)kn->filter;
}

static inline struct kq_note *kq_knote_note(struct kq_knote *kn)
{
	return container_of(kn, struct kq_note, kn);
}

/* The descriptor of a READ or WRITE knote. */
static inline struct kq_fd *kq_knote_fd(struct kq_knote *kn)
{
	return kn->filter == -EVFILT_READ ? container_of(kn, struct kq_fd, read) :
					    container_of(kn, struct kq_fd, write);
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

static inline void kq_touch_words(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	if (kq_replaces_words(ev)) {
		kn->sfflags = ev->fflags;
		kn->sdata = ev->data;
	}
}

#endif /* KQ_FILTER_H */
