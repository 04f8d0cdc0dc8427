// SPDX-License-Identifier: GPL-2.0
/* EVFILT_USER: events the program triggers itself (KQ-221 to KQ-232). */
#include "kq_filter.h"

/**
 * struct kqf_user - one user event
 * @note: the knote; sfflags and sdata are the stored words
 * @triggered: holder of flux: NOTE_TRIGGER came and was not taken back
 */
struct kqf_user {
	struct kq_note note;
	bool triggered;
};

static struct kqf_user *kqf_user(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_user, note.kn);
}

static int kqf_user_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	kn->sfflags = ev->fflags & NOTE_FFLAGSMASK;
	kqf_user(kn)->triggered = ev->fflags & NOTE_TRIGGER;
	return 0;
}

static int kqf_user_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	kqf_user(kn)->triggered = kqf_user(from)->triggered;
	return 0;
}

static int kqf_user_touch(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	u32 bits = ev->fflags & NOTE_FFLAGSMASK;

	switch (ev->fflags & NOTE_FFCTRLMASK) {
	case NOTE_FFAND:
		kn->sfflags &= bits;
		break;
	case NOTE_FFOR:
		kn->sfflags |= bits;
		break;
	case NOTE_FFCOPY:
		kn->sfflags = bits;
		break;
	}
	kn->sdata = ev->data;
	if (ev->fflags & NOTE_TRIGGER)
		kqf_user(kn)->triggered = true;
	else if (ev->flags & EV_CLEAR)
		kqf_user(kn)->triggered = false;
	return 0;
}

static bool kqf_user_eval(struct kq_knote *kn, struct kq_result *res)
{
	res->fflags = kn->sfflags;
	res->data = kn->sdata;
	return kqf_user(kn)->triggered;
}

static void kqf_user_commit(struct kq_knote *kn, const struct kq_result *res)
{
	if (kn->flags & EV_CLEAR)
		kqf_user(kn)->triggered = false;
}

const struct kq_filter_ops kqf_user_ops = {
	.name = "user",
	.size = sizeof(struct kqf_user),
	.attach = kqf_user_attach,
	.inherit = kqf_user_inherit,
	.touch = kqf_user_touch,
	.eval = kqf_user_eval,
	.commit = kqf_user_commit,
};
