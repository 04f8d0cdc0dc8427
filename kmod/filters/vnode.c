// SPDX-License-Identifier: GPL-2.0
/* EVFILT_VNODE (KQ-154 to KQ-180): what happens to a file or directory. */
#include <linux/fs.h>
#include <linux/magic.h>

#include "kq_filter.h"
#include "kq_hooks.h"

/* What only the second mark tells; it also tells of utimensat(2) of atime alone. */
#define KQF_VNODE_ACCESS	(NOTE_OPEN | NOTE_READ | NOTE_CLOSE | NOTE_CLOSE_WRITE |	\
				 NOTE_ATTRIB)

/**
 * struct kqf_vnode - one watched file
 * @extra: the knote
 * @change: its place on the mark for changes
 * @access: its place on the mark for open, read and close; joined when first
 *          asked for, under flux
 * @notes: what happened
 */
struct kqf_vnode {
	struct kq_extra extra;
	struct kq_inode_link change;
	struct kq_inode_link access;
	struct kq_notes notes;
};

static struct kqf_vnode *kqf_vnode(struct kq_knote *kn)
{
	return container_of(kn, struct kqf_vnode, extra.kn);
}

/*
 * Anything with a name in a file system. What others do to a file tells about its
 * contents: as with inotify(7) that takes the right to read it.
 */
static int kqf_vnode_check(const struct kq_fd *kfd)
{
	const struct inode *inode = file_inode(kfd->file);

	if (kfd->kind == KQ_KIND_QUEUE || kfd->kind == KQ_KIND_PIDFD)
		return -EINVAL;
	switch (inode->i_sb->s_magic) {
	case ANON_INODE_FS_MAGIC:
	case PIPEFS_MAGIC:
	case SOCKFS_MAGIC:
		return -EINVAL;
	}
	if (!(inode->i_mode & S_IFMT))
		return -EINVAL;
	return kfd->file->f_mode & FMODE_READ ? 0 : file_permission(kfd->file, MAY_READ);
}

/* An operation posts a set of notes: one that was asked for brings them all. */
static void kqf_vnode_post(struct kqf_vnode *v, u32 notes)
{
	if (READ_ONCE(v->extra.kn.sfflags) & notes)
		kq_notes_post(&v->extra.kn, &v->notes, notes);
}

static void kqf_vnode_changed(struct kq_inode_link *link, u32 notes)
{
	kqf_vnode_post(container_of(link, struct kqf_vnode, change), notes);
}

static void kqf_vnode_accessed(struct kq_inode_link *link, u32 notes)
{
	kqf_vnode_post(container_of(link, struct kqf_vnode, access), notes);
}

static int kqf_vnode_ask(struct kqf_vnode *v, u32 notes)
{
	if (v->access.watch || !(notes & KQF_VNODE_ACCESS))
		return 0;
	return kqh_fsnotify_join(&v->access, file_inode(v->extra.kfd->file), KQH_WATCH_ACCESS);
}

static void kqf_vnode_detach(struct kq_knote *kn)
{
	kqh_fsnotify_leave(&kqf_vnode(kn)->change);
	kqh_fsnotify_leave(&kqf_vnode(kn)->access);
}

static int kqf_vnode_attach(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	struct kqf_vnode *v = kqf_vnode(kn);
	int err;

	kq_notes_init(&v->notes);
	v->change.post = kqf_vnode_changed;
	v->access.post = kqf_vnode_accessed;
	err = kqh_fsnotify_join(&v->change, file_inode(v->extra.kfd->file), KQH_WATCH_CHANGE);
	if (!err)
		err = kqf_vnode_ask(v, kn->sfflags);
	if (err)
		kqf_vnode_detach(kn);
	return err;
}

static int kqf_vnode_inherit(struct kq_knote *kn, struct kq_knote *from)
{
	int err = kqf_vnode_attach(kn, NULL);

	if (!err)
		kq_notes_copy(&kqf_vnode(kn)->notes, &kqf_vnode(from)->notes);
	return err;
}

static int kqf_vnode_touch(struct kq_knote *kn, const struct kq_event_ext *ev)
{
	int err;

	if (kq_replaces_words(ev)) {
		err = kqf_vnode_ask(kqf_vnode(kn), ev->fflags);
		if (err)
			return err;
	}
	return kq_touch_words(kn, ev);
}

static bool kqf_vnode_eval(struct kq_knote *kn, struct kq_result *res)
{
	res->fflags = kq_notes_take(&kqf_vnode(kn)->notes);
	return res->fflags;
}

static void kqf_vnode_commit(struct kq_knote *kn, const struct kq_result *res)
{
	kq_notes_commit(kn, &kqf_vnode(kn)->notes);
}

const struct kq_filter_ops kqf_vnode_ops = {
	.name = "vnode",
	.flags = KQF_FD | KQF_PATH,
	.size = sizeof(struct kqf_vnode),
	.check = kqf_vnode_check,
	.attach = kqf_vnode_attach,
	.inherit = kqf_vnode_inherit,
	.touch = kqf_vnode_touch,
	.eval = kqf_vnode_eval,
	.commit = kqf_vnode_commit,
	.detach = kqf_vnode_detach,
};
