// SPDX-License-Identifier: GPL-2.0
/* The filter table, and its check at load. */
#include <linux/nospec.h>
#include <linux/printk.h>

#include "kq_filter.h"

/* THE TABLE. Two rows with one number do not build (-Woverride-init). */
static const struct kq_filter_ops *const kq_filters[KQ_EVFILT_COUNT + 1] = {
	[-EVFILT_READ]	= &kqf_read_ops,
	[-EVFILT_WRITE]	= &kqf_write_ops,
	[-KQ_EVFILT_AIO] = &kqf_aio_ops,
	[-EVFILT_VNODE]	= &kqf_vnode_ops,
	[-EVFILT_PROC]	= &kqf_proc_ops,
	[-EVFILT_SIGNAL] = &kqf_signal_ops,
	[-EVFILT_TIMER]	= &kqf_timer_ops,
	[-EVFILT_PROCDESC] = &kqf_procdesc_ops,
	[-EVFILT_FS]	= &kqf_fs_ops,
	[-KQ_EVFILT_LIO] = &kqf_lio_ops,
	[-EVFILT_USER]	= &kqf_user_ops,
	[-EVFILT_EMPTY]	= &kqf_empty_ops,
	[-EVFILT_EXCEPT] = &kqf_except_ops,
};

/**
 * kq_filter_find() - the row of a filter number from user space
 * @filter: EVFILT_*
 *
 * Return: the operations, or NULL for a number that does not exist.
 */
const struct kq_filter_ops *kq_filter_find(s16 filter)
{
	unsigned int row = -(int)filter;

	if (filter >= 0 || row > KQ_EVFILT_COUNT)
		return NULL;
	return kq_filters[array_index_nospec(row, KQ_EVFILT_COUNT + 1)];
}

/**
 * kq_filter_ops() - the row of a knote
 * @kn: the knote
 *
 * Return: the operations.
 */
const struct kq_filter_ops *kq_filter_ops(const struct kq_knote *kn)
{
	return kq_filters[kn->filter];
}

/**
 * kq_touch_words() - the common rule of a later change, fit to be a row's touch
 * @kn: knote in flux
 * @ev: the change
 *
 * Return: 0.
 */
int kq_touch_words(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	if (kq_replaces_words(ev)) {
		kn->sfflags = ev->fflags;
		kn->sdata = ev->data;
	}
	return 0;
}

/**
 * kq_filter_mask() - what kevent() accepts
 *
 * Return: bit -filter % 64 set for each filter that is not refused on purpose.
 */
u64 kq_filter_mask(void)
{
	u64 mask = 0;
	int i;

	for (i = 1; i <= KQ_EVFILT_COUNT; i++)
		if (kq_filters[i] && !(kq_filters[i]->flags & KQF_REFUSED))
			mask |= BIT_ULL(i % 64);
	return mask;
}

static bool kq_filter_complete(const struct kq_filter_ops *ops, int row)
{
	if (!ops->name || !ops->touch || !ops->eval)
		return false;
	if (!(ops->flags & KQF_FD))
		return ops->size >= sizeof(struct kq_note) && !ops->check && !ops->wakes;
	/* Part of the kq_fd, which takes care of them. */
	if (row == -EVFILT_READ || row == -EVFILT_WRITE)
		return ops->check && !ops->size && !ops->detach;
	return ops->check && ops->size >= sizeof(struct kq_extra);
}

/**
 * kq_filter_init() - refuse to load with a table that breaks the contract
 *
 * Return: 0, or -EINVAL with a line in the log.
 */
int kq_filter_init(void)
{
	const struct kq_filter_ops *ops;
	int i;

	for (i = 0; i <= KQ_EVFILT_COUNT; i++) {
		ops = kq_filters[i];
		if (!ops || (ops->flags & KQF_REFUSED))
			continue;
		if (!kq_filter_complete(ops, i)) {
			pr_err("filter -%d is incomplete\n", i);
			return -EINVAL;
		}
	}
	return 0;
}
