// SPDX-License-Identifier: GPL-2.0
/*
 * EVFILT_TIMER (KQ-201 to KQ-220). The hrtimer's callback never restarts it: an
 * undelivered timer does not keep interrupting; how often it expired is computed
 * when the event is taken, which also starts it again on its old phase.
 */
#include <linux/hrtimer.h>

#include "kq_filter.h"
#include "kq_logic.h"
#include "kq_race.h"

/**
 * struct kqf_timer - one timer
 * @note: the knote
 * @timer: not queued while @expired
 * @clock: of @timer
 * @interval: period, 0 if it fires once
 * @count: holder of flux: expirations counted but not yet delivered
 * @expired: it fired since it was last started
 */
struct kqf_timer {
	struct kq_note note;
	struct hrtimer timer;
	clockid_t clock;
	ktime_t interval;
	u64 count;
	bool expired;
};

static struct kqf_timer *kqf_timer(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_timer, note.kn);
}

static enum hrtimer_restart kqf_timer_fire(struct hrtimer *timer)
{
	struct kqf_timer *t = container_of(timer, struct kqf_timer, timer);

	/* Pairs with kqf_timer_eval(): expired first, then the activation. */
	WRITE_ONCE(t->expired, true);
	kq_race_point(KQ_AT_TIMER);
	kq_knote_activate(&t->note.kn, true);
	return HRTIMER_NORESTART;
}

/* The timer is idle and the words are valid. */
static void kqf_timer_start(struct kqf_timer *t, u32 fflags, s64 ns, bool oneshot)
{
	bool absolute = fflags & NOTE_ABSOLUTE;
	clockid_t clock = absolute ? CLOCK_REALTIME :
			  fflags & NOTE_MACH_CONTINUOUS_TIME ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
	enum hrtimer_mode mode = absolute ? HRTIMER_MODE_ABS : HRTIMER_MODE_REL;

	kqc_hrtimer_setup(&t->timer, kqf_timer_fire, clock, mode);
	t->clock = clock;
	t->interval = absolute || oneshot ? 0 : ns;
	t->count = 0;
	t->expired = absolute ? ns <= ktime_get_real() : !ns;
	if (!t->expired && ns != KQ_NS_NEVER)
		hrtimer_start(&t->timer, ns, mode);
}

static int kqf_timer_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	bool oneshot = kn->flags & EV_ONESHOT;
	long long ns;
	int err;

	err = kq_timer_ns(ev->fflags, ev->data, oneshot, &ns);
	if (err)
		return err;
	kn->flags |= EV_CLEAR;
	kqf_timer_start(kqf_timer(kn), ev->fflags, ns, oneshot);
	return 0;
}

/* Its next expiry is that of the other one. */
static int kqf_timer_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	struct kqf_timer *t = kqf_timer(kn), *f = kqf_timer(from);
	/* Before @expired: one that never fires is neither. */
	bool active = hrtimer_active(&f->timer);

	kn->flags |= EV_CLEAR;
	t->clock = f->clock;
	t->interval = f->interval;
	t->count = f->count;
	/* Pairs with kqf_timer_fire() through the timer's lock, or sees it active. */
	smp_rmb();
	t->expired = READ_ONCE(f->expired);
	kqc_hrtimer_setup(&t->timer, kqf_timer_fire, t->clock, HRTIMER_MODE_ABS);
	hrtimer_set_expires(&t->timer, hrtimer_get_expires(&f->timer));
	if (active && !t->expired)
		hrtimer_start_expires(&t->timer, HRTIMER_MODE_ABS);
	return 0;
}

static int kqf_timer_touch(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	bool oneshot = kn->flags & EV_ONESHOT;
	struct kqf_timer *t = kqf_timer(kn);
	long long ns;
	int err;

	if (!kq_replaces_words(ev))
		return 0;
	err = kq_timer_ns(ev->fflags, ev->data, oneshot, &ns);
	if (err)
		return err;
	kq_touch_words(kn, ev);
	if (ev->flags & EV_DISABLE)
		return 0;
	hrtimer_cancel(&t->timer);
	kq_knote_quench(kn);
	kqf_timer_start(t, ev->fflags, ns, oneshot);
	return 0;
}

static bool kqf_timer_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct kqf_timer *t = kqf_timer(kn);

	if (!READ_ONCE(t->expired))
		return false;
	if (res->report) {
		if (t->interval)
			t->count += hrtimer_forward_now(&t->timer, t->interval);
		else
			t->count = 1;
		res->data = min_t(u64, t->count, S64_MAX);
	}
	return true;
}

static void kqf_timer_commit(struct kq_knote *kn, const struct kq_result *res)
{
	struct kqf_timer *t = kqf_timer(kn);

	if (!t->expired)
		return;		/* EV_FORCEONESHOT delivered it before its time */
	t->count = 0;
	t->expired = false;
	if (t->interval)
		hrtimer_restart(&t->timer);
}

static void kqf_timer_detach(struct kq_knote *kn)
{
	hrtimer_cancel(&kqf_timer(kn)->timer);
}

const struct kq_filter_ops kqf_timer_ops = {
	.name = "timer",
	.flags = KQF_TIMER,
	.size = sizeof(struct kqf_timer),
	.attach = kqf_timer_attach,
	.inherit = kqf_timer_inherit,
	.touch = kqf_timer_touch,
	.eval = kqf_timer_eval,
	.commit = kqf_timer_commit,
	.detach = kqf_timer_detach,
};
