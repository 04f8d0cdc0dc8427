/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns the list of points at which a test can stop the code, so that the window
 * of a race is hit for certain. They are there only in a module that was built
 * with KQ_RACE=y, see race.c; in all others they are nothing.
 */
#ifndef KQ_RACE_H
#define KQ_RACE_H

enum kq_race_at {
	KQ_AT_ATTACH,		/* a new knote is in the index and in flux, not attached */
	KQ_AT_MODIFY,		/* a change has the knote in flux, its filter has not seen it */
	KQ_AT_SETTLE,		/* a change is made, the condition was not looked at yet */
	KQ_AT_FLUX_WAIT,	/* somebody is going to wait for a knote in flux */
	KQ_AT_DROP,		/* a knote in flux is going to be detached */
	KQ_AT_SCAN,		/* a scan has claimed knotes, none is evaluated */
	KQ_AT_COPIED,		/* records reached the user, the knotes are still in flux */
	KQ_AT_TEARDOWN,		/* a dead kq_fd still hangs on its file and wait queues */
	KQ_AT_NOTE_FREE,	/* a note left the index, its filter still watches */
	KQ_AT_CLOSE,		/* the slot is cleared, the close hook has looked at nothing */
	KQ_AT_WAKE,		/* a wait queue calls, under its lock */
	KQ_AT_POLLFREE,		/* the entry left a dying wait queue, nobody can know yet */
	KQ_AT_POLLWORK,		/* pollers of a queue are going to be woken, hard interrupt */
	KQ_AT_TIMER,		/* a timer is marked as expired, not activated, hard interrupt */
	KQ_AT_SIGNAL,		/* a signal is going to be counted, under two locks */
	KQ_AT_EXIT,		/* the end of a process is noted, not yet visible as such */
	KQ_AT_TRACK,		/* a tracked process has a child, in the probe */
	KQ_AT_FOLLOW,		/* a tracked child has a knote, in flux, not watching it yet */
	KQ_AT_FORK,		/* a child has no queue of its parent any more, its work goes on */
	KQ_AT_COPY,		/* a child has a knote of its parent in flux, to copy it */
	KQ_AT_MARK,		/* an inode has an event, its knotes are not told */
	KQ_AT_MOVE,		/* an inode lost its mark, its knotes have no new one */
	KQ_AT_SPARE,		/* memory for a mark is going to be asked for */
	KQ_RACE_POINTS
};

#ifdef KQ_RACE
int kq_race_init(void);
void kq_race_exit(void);
void kq_race_point(enum kq_race_at at);
#else
static inline int kq_race_init(void)
{
	return 0;
}

static inline void kq_race_exit(void)
{
}

static inline void kq_race_point(enum kq_race_at at)
{
}
#endif

#endif /* KQ_RACE_H */
