/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Pure arithmetic without kernel types behind it, so that the same lines are
 * tested in user space: the words of a timer.
 */
#ifndef KQ_LOGIC_H
#define KQ_LOGIC_H

#include <linux/errno.h>
#include <linux/kqueue.h>

#define KQ_NS_NEVER	0x7fffffffffffffffLL

#define KQ_TIMER_UNITS	(NOTE_SECONDS | NOTE_USECONDS | NOTE_NSECONDS)
#define KQ_TIMER_HINTS	(NOTE_LEEWAY | NOTE_CRITICAL | NOTE_BACKGROUND)
#define KQ_TIMER_WORDS	(KQ_TIMER_UNITS | KQ_TIMER_HINTS | NOTE_ABSOLUTE |	\
			 NOTE_MACH_CONTINUOUS_TIME)

/**
 * kq_timer_unit() - the unit of a timer's data word
 * @fflags: its fflags word
 *
 * Return: nanoseconds, or -EINVAL for two units or an unknown bit (KQ-208).
 */
static inline long long kq_timer_unit(unsigned int fflags)
{
	if (fflags & ~KQ_TIMER_WORDS)
		return -EINVAL;
	switch (fflags & KQ_TIMER_UNITS) {
	case 0:
		return 1000000;
	case NOTE_SECONDS:
		return 1000000000;
	case NOTE_USECONDS:
		return 1000;
	case NOTE_NSECONDS:
		return 1;
	}
	return -EINVAL;
}

/**
 * kq_timer_ns() - a timer's data word in nanoseconds
 * @fflags: its fflags word
 * @data: its data word
 * @oneshot: the knote fires once
 * @ns: the result; KQ_NS_NEVER where the value is beyond what the clock counts
 *
 * A periodic timer of 0 has a period of one unit, an absolute instant before
 * the epoch is in the past.
 *
 * Return: 0, or -EINVAL for a bad fflags word or a negative interval.
 */
static inline int kq_timer_ns(unsigned int fflags, long long data, int oneshot, long long *ns)
{
	long long unit = kq_timer_unit(fflags);

	if (unit < 0)
		return -EINVAL;
	if (data < 0) {
		if (!(fflags & NOTE_ABSOLUTE))
			return -EINVAL;
		data = 0;
	}
	if (!data && !oneshot && !(fflags & NOTE_ABSOLUTE))
		data = 1;
	*ns = data > KQ_NS_NEVER / unit ? KQ_NS_NEVER : data * unit;
	return 0;
}

#endif /* KQ_LOGIC_H */
