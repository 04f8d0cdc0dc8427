// SPDX-License-Identifier: GPL-2.0
/* EVFILT_FS (KQ-244): mounts and unmounts the caller can see. */
#include "kq_filter.h"
#include "kq_hooks.h"

/**
 * struct kqf_fs - one watch of the mount table
 * @note: the knote; its ident means nothing
 * @mounts: the table
 * @seen: holder of flux: VQ_ bits not yet delivered
 */
struct kqf_fs {
	struct kq_note note;
	struct kqh_mounts mounts;
	u32 seen;
};

static struct kqf_fs *kqf_fs(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_fs, note.kn);
}

static void kqf_fs_notify(struct kqh_mounts *mounts)
{
	kq_knote_activate(&container_of(mounts, struct kqf_fs, mounts)->note.kn, true);
}

static int kqf_fs_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kqf_fs *fs = kqf_fs(kn);

	kn->flags |= EV_CLEAR;
	fs->mounts.notify = kqf_fs_notify;
	return kqh_mounts_join(&fs->mounts);
}

/*
 * What was not asked for when it was seen is forgotten; a mask of 0 asks for all.
 *
 * Return: 0, or -errno if the table cannot be read now, with nothing lost.
 */
static int kqf_fs_look(struct kq_knote *kn)
{
	struct kqf_fs *fs = kqf_fs(kn);
	u32 seen;
	int err;

	err = kqh_mounts_look(&fs->mounts, &seen);
	fs->seen |= kn->sfflags ? seen & kn->sfflags : seen;
	return err;
}

/* What happened until now is judged by the old mask. */
static int kqf_fs_touch(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	int err = kqf_fs_look(kn);

	return err ? err : kq_touch_words(kn, ev);
}

static void kqf_fs_detach(struct kq_knote *kn)
{
	kqh_mounts_leave(&kqf_fs(kn)->mounts);
}

/* The process sees its own mounts; what was told of the parent's it is told too. */
static int kqf_fs_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	int err = kqf_fs_attach(kn, NULL);

	if (err)
		return err;
	err = kqf_fs_look(from);
	if (err) {
		kqf_fs_detach(kn);
		return err;
	}
	kqf_fs(kn)->seen = kqf_fs(from)->seen;
	return 0;
}

static bool kqf_fs_eval(struct kq_knote *kn, struct kq_result *res)
{
	/*
	 * Out of memory: it stays queued, since nobody may ever tell of this change
	 * again. Another error may last: some file systems refuse names that are too long.
	 */
	if (kqf_fs_look(kn) == -ENOMEM)
		kq_knote_activate(kn, true);
	res->fflags = kqf_fs(kn)->seen;
	return res->fflags;
}

static void kqf_fs_commit(struct kq_knote *kn, const struct kq_result *res)
{
	kqf_fs(kn)->seen = 0;
}

const struct kq_filter_ops kqf_fs_ops = {
	.name = "fs",
	.flags = KQF_STALLS,
	.size = sizeof(struct kqf_fs),
	.attach = kqf_fs_attach,
	.inherit = kqf_fs_inherit,
	.touch = kqf_fs_touch,
	.eval = kqf_fs_eval,
	.commit = kqf_fs_commit,
	.detach = kqf_fs_detach,
};
