// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what is particular to overlayfs: a file that changes is copied to the
 * upper layer first, under the descriptors that watch it. The variant
 * overlay_lower proves the rest on such files.
 */
#include "kq_test.h"
#include "kq_vnode.h"

static const struct vnode_fs lower_only = VNODE_LOWER;

static bool copied_up(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/upper/%d/%s", vnode.scenes - 1, name);
	return !access(path, F_OK);
}

KQ_TEST(copy_up_is_silent, "KQ-165 KQ-176",
	"a file that is copied up posts nothing, and is watched as before")
{
	int kq, fd, writer;

	vnode_enter(&lower_only);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_FALSE(copied_up("f"));
	writer = ASSERT_SYS(open("f", O_RDWR));
	ASSERT_TRUE(copied_up("f"));
	vnode_expect(kq, fd, 0);
	kq_write(writer, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE);
	ASSERT_EQ(pwrite(writer, "x", 1, VNODE_SIZE), 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(unlink("f"));
	vnode_expect(kq, fd, NOTE_DELETE);
}

KQ_TEST(before_and_after, "KQ-176 KQ-171",
	"descriptors opened before and after the copy watch one file")
{
	struct kevent events[4];
	int kq, before, after;

	vnode_enter(&lower_only);
	kq = kq_new();
	before = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(chmod("f", 0600));
	ASSERT_TRUE(copied_up("f"));
	vnode_expect(kq, before, NOTE_ATTRIB);
	after = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(truncate("f", 0));
	ASSERT_EQ(kq_collect(kq, events, ARRAY_SIZE(events)), 2);
	for (int i = 0; i < 2; i++)
		VNODE_EVENT(events[i], events[i].ident == (uintptr_t)before ? before : after,
			    NOTE_ATTRIB | NOTE_TRUNCATE);
	ASSERT_NE(events[0].ident, events[1].ident);
}

KQ_TEST(directory_copied_up, "KQ-154 KQ-155",
	"a directory of the lower layer hears of entries that come and go in the upper one")
{
	int kq, fd;

	vnode_enter(&lower_only);
	kq = kq_new();
	fd = vnode_watch(kq, "d", VNODE_CHANGES);
	ASSERT_FALSE(copied_up("d"));
	vnode_put("d/n", VNODE_BYTES);
	ASSERT_TRUE(copied_up("d"));
	vnode_expect(kq, fd, NOTE_WRITE);
	ASSERT_SYS(mkdir("d/m", 0755));
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_LINK);
	ASSERT_SYS(unlink("d/n"));
	ASSERT_SYS(rmdir("d/m"));
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_LINK);
	ASSERT_SYS(rmdir("d"));
	vnode_expect(kq, fd, NOTE_DELETE);
}

KQ_TEST(whiteout_replaced, "KQ-154 KQ-157",
	"a name of the lower layer that is removed and made anew is another file")
{
	int kq, fd, fresh;

	vnode_enter(&lower_only);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(unlink("f"));
	vnode_expect(kq, fd, NOTE_DELETE);
	vnode_put("f", VNODE_BYTES);
	fresh = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(kq, fresh, NOTE_ATTRIB);
}

static void mount_metacopy(void)
{
	vnode_make_layers();
	vnode_make_scene("/tmp/lower/0");
	vnode_mount("kq", "overlay", VNODE_LAYERS ",redirect_dir=on,metacopy=on");
}

KQ_TEST(attributes_copied_up_first, "KQ-164 KQ-167",
	"a file whose attributes and bytes are copied up one after the other is one file")
{
	static const struct vnode_fs metacopy = {
		.name = "metacopy", .mount = mount_metacopy, .lower = true,
	};
	int kq, fd, writer;

	vnode_enter(&metacopy);
	kq = kq_new();
	fd = vnode_watch(kq, "f", VNODE_CHANGES);
	ASSERT_SYS(chmod("f", 0600));
	vnode_expect(kq, fd, NOTE_ATTRIB);
	writer = ASSERT_SYS(open("f", O_WRONLY | O_APPEND));
	vnode_expect(kq, fd, 0);
	kq_write(writer, "x", 1);
	vnode_expect(kq, fd, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(rename("f", "n"));
	vnode_expect(kq, fd, NOTE_RENAME);
}
