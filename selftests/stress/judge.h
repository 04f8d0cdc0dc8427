/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the judgement of errno: which answer a sensible change may get.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include <errno.h>
#include <string.h>
#include <sys/event.h>

#include "../errors.h"
#include "game.h"

static inline bool is_fd_filter(int filter)
{
	switch (filter) {
	case EVFILT_READ:
	case EVFILT_WRITE:
	case EVFILT_VNODE:
	case EVFILT_PROCDESC:
	case EVFILT_EMPTY:
	case EVFILT_EXCEPT:
		return true;
	}
	return false;
}

/* The errors a single well-formed change may meet while its objects come and go. */
static inline bool change_error_allowed(const struct kevent *change, int error)
{
	switch (error) {
	case 0:
	case EBADF:	/* the descriptor, or the queue while the call ran */
		return true;
	case ENOENT:
		return !(change->flags & EV_ADD);
	case EINVAL:	/* the object does not support it, or a loop of queues */
		return is_fd_filter(change->filter) && (change->flags & EV_ADD);
	case ESRCH:
		return (change->filter == EVFILT_PROC || change->filter == EVFILT_PROCDESC) &&
		       (change->flags & EV_ADD);
	default:
		return false;
	}
}

static inline void check_change(const struct kevent *change, int error)
{
	if (error)
		atomic_fetch_add(&game->refused, 1);
	if (!change_error_allowed(change, error))
		defect("change", "filter %d flags %#x ident %ju: %s", change->filter,
		       change->flags, (uintmax_t)change->ident, strerror(error));
}

#endif /* JUDGE_H */
