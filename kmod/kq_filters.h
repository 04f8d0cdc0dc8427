/* SPDX-License-Identifier: GPL-2.0 */
/* Every filter there is, one line each; its place in the table is in filter.c. */
#ifndef KQ_FILTERS_H
#define KQ_FILTERS_H

struct kq_filter_ops;

extern const struct kq_filter_ops kqf_read_ops;
extern const struct kq_filter_ops kqf_write_ops;
extern const struct kq_filter_ops kqf_aio_ops;
extern const struct kq_filter_ops kqf_vnode_ops;
extern const struct kq_filter_ops kqf_proc_ops;
extern const struct kq_filter_ops kqf_signal_ops;
extern const struct kq_filter_ops kqf_timer_ops;
extern const struct kq_filter_ops kqf_procdesc_ops;
extern const struct kq_filter_ops kqf_fs_ops;
extern const struct kq_filter_ops kqf_lio_ops;
extern const struct kq_filter_ops kqf_user_ops;
extern const struct kq_filter_ops kqf_empty_ops;
extern const struct kq_filter_ops kqf_except_ops;

#endif /* KQ_FILTERS_H */
