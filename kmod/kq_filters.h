/* SPDX-License-Identifier: GPL-2.0 */
/*
 * THE TABLE: one row per filter, X(number, name); it declares kqf_<name>_ops and
 * puts them into their place in the array of filter.c.
 */
#define KQ_FILTERS(X)				\
	X(EVFILT_READ,		read)		\
	X(EVFILT_WRITE,		write)		\
	X(KQ_EVFILT_AIO,	aio)		\
	X(EVFILT_TIMER,		timer)		\
	X(KQ_EVFILT_LIO,	lio)		\
	X(EVFILT_USER,		user)
