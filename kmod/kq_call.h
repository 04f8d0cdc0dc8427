/* SPDX-License-Identifier: GPL-2.0 */
/* The state of one kevent() call, shared by kevent.c and scan.c alone. */
#ifndef KQ_CALL_H
#define KQ_CALL_H

#include "kq.h"

/**
 * struct kq_call - one call
 * @args: the argument block, copied in once
 * @uargs: where it came from
 * @deadline: end of the wait, KTIME_MAX for never
 * @poll: do not wait at all
 * @got: records written to the user
 * @drops: descriptors this call dropped
 * @out: records of one batch, in the user's layout
 */
struct kq_call {
	struct kq_kevent args;
	struct kq_kevent __user *uargs;
	ktime_t deadline;
	bool poll;
	int got;
	struct kq_drops drops;
	char out[KQ_BATCH * sizeof(struct kq_event_ext)] __aligned(8);
};

/* kevent.c */
void kq_call_put(struct kq_call *call, int i, struct kq_knote *kn, const struct kq_result *res);
int kq_call_flush(struct kq_call *call, int n);
void __user *kq_call_slot(const struct kq_call *call, int i);
int kq_call_fault(const struct kq_call *call);
int kq_call_save(struct kq_call *call);

#endif /* KQ_CALL_H */
