// SPDX-License-Identifier: GPL-2.0
/* EVFILT_SIGNAL (KQ-233 to KQ-243): how often a signal was generated for the process. */
#include <linux/signal.h>

#include "kq_filter.h"
#include "kq_hooks.h"

/**
 * struct kqf_signal - one watched signal
 * @note: the knote; the ident is the signal number
 * @watch: where it is counted
 * @fresh: counted since the last evaluation
 * @taken: holder of flux: counted by an evaluation, not yet delivered
 */
struct kqf_signal {
	struct kq_note note;
	struct kqh_signal watch;
	atomic64_t fresh;
	u64 taken;
};

static struct kqf_signal *kqf_signal(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_signal, note.kn);
}

static void kqf_signal_generated(struct kqh_signal *watch)
{
	struct kqf_signal *s = container_of(watch, struct kqf_signal, watch);

	atomic64_inc(&s->fresh);
	kq_knote_activate(&s->note.kn, true);
}

static int kqf_signal_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kqf_signal *s = kqf_signal(kn);

	if (!ev->ident || ev->ident > _NSIG)
		return -EINVAL;
	kn->flags |= EV_CLEAR;
	s->watch.signo = ev->ident;
	s->watch.generated = kqf_signal_generated;
	kqh_signal_join(&s->watch);
	return 0;
}

static bool kqf_signal_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct kqf_signal *s = kqf_signal(kn);

	s->taken += atomic64_xchg(&s->fresh, 0);
	res->data = min_t(u64, s->taken, S64_MAX);
	return s->taken;
}

static void kqf_signal_commit(struct kq_knote *kn, const struct kq_result *res)
{
	kqf_signal(kn)->taken = 0;
}

static void kqf_signal_detach(struct kq_knote *kn)
{
	kqh_signal_leave(&kqf_signal(kn)->watch);
}

const struct kq_filter_ops kqf_signal_ops = {
	.name = "signal",
	.size = sizeof(struct kqf_signal),
	.attach = kqf_signal_attach,
	.touch = kq_touch_words,
	.eval = kqf_signal_eval,
	.commit = kqf_signal_commit,
	.detach = kqf_signal_detach,
};
