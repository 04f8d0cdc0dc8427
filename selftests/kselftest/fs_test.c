// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of EVFILT_FS: what comes and goes in the mount table the
 * caller sees, and what the mask, the states of the knote and other mount
 * namespaces make of it.
 */
#include "kq_test.h"

#include <linux/sched.h>
#include <sys/mount.h>

#define MARK	((void *)9)

static void mount_at(const char *type, const char *path)
{
	ASSERT_SYS(mount("kq", path, type, 0, NULL));
}

static void unmount(const char *path)
{
	ASSERT_SYS(umount(path));
}

static void own_namespace(void)
{
	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("mounting needs root");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* A mount namespace with a tmpfs on /tmp: directories a to d, one more on d. */
static void enter(void)
{
	static const char * const paths[] = { "/tmp/a", "/tmp/b", "/tmp/c", "/tmp/d" };

	own_namespace();
	mount_at("tmpfs", "/tmp");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		ASSERT_SYS(mkdir(paths[i], 0700));
	mount_at("tmpfs", "/tmp/d");
}

static int add(int kq, unsigned int fflags)
{
	return kq_add(kq, 0, EVFILT_FS, 0, fflags, 0, MARK);
}

static void assert_seen_at(const char *file, int line, int kq, unsigned int fflags)
{
	struct kevent event = kq_one_at(file, line, kq, 0);

	ASSERT_EVENT(event, 0, EVFILT_FS, EV_ADD | EV_CLEAR, fflags, 0, MARK);
	kq_fence_at(file, line, kq, NULL, 0);
}
#define assert_seen(kq, fflags)	assert_seen_at(__FILE__, __LINE__, kq, fflags)

/* What happens to the mount table. */

static void do_mount(void)
{
	mount_at("tmpfs", "/tmp/a");
}

static void do_mount_over(void)
{
	mount_at("tmpfs", "/tmp/d");
}

static void do_mount_twice(void)
{
	mount_at("tmpfs", "/tmp/a");
	mount_at("tmpfs", "/tmp/b");
}

static void do_bind(void)
{
	ASSERT_SYS(mount("/tmp/b", "/tmp/a", NULL, MS_BIND, NULL));
}

static void do_bind_file(void)
{
	close(ASSERT_SYS(creat("/tmp/file", 0600)));
	ASSERT_SYS(mount("/etc/passwd", "/tmp/file", NULL, MS_BIND, NULL));
}

static void do_unmount(void)
{
	unmount("/tmp/d");
}

/* What is still in use leaves the table at once. */
static void do_detach(void)
{
	ASSERT_SYS(open("/tmp/d", O_RDONLY | O_DIRECTORY));
	ASSERT_SYS(umount2("/tmp/d", MNT_DETACH));
}

static void do_replace(void)
{
	mount_at("tmpfs", "/tmp/a");
	unmount("/tmp/d");
}

/* The new mount gets the number of the old one. */
static void do_reuse_number(void)
{
	unmount("/tmp/d");
	ASSERT_SYS(mount("/tmp/b", "/tmp/a", NULL, MS_BIND, NULL));
}

/* And this one the device number as well. */
static void do_reuse_device(void)
{
	unmount("/tmp/d");
	mount_at("tmpfs", "/tmp/a");
}

static void do_remount(void)
{
	ASSERT_SYS(mount(NULL, "/tmp/d", NULL, MS_REMOUNT | MS_RDONLY, NULL));
}

static void do_remount_bind(void)
{
	ASSERT_SYS(mount(NULL, "/tmp/d", NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL));
}

static void do_share(void)
{
	ASSERT_SYS(mount(NULL, "/tmp/d", NULL, MS_SHARED, NULL));
}

static void do_and_undo(void)
{
	mount_at("tmpfs", "/tmp/a");
	unmount("/tmp/a");
}

static void do_fail(void)
{
	ASSERT_ERRNO(mount("kq", "/tmp/missing", "tmpfs", 0, NULL), ENOENT);
	ASSERT_ERRNO(umount("/tmp/a"), EINVAL);
}

static const struct change {
	const char *name;
	void (*run)(void);
	unsigned int seen;
} changes[] = {
	{ "mount", do_mount, VQ_MOUNT },
	{ "mount_over_another", do_mount_over, VQ_MOUNT },
	{ "two_mounts", do_mount_twice, VQ_MOUNT },
	{ "bind", do_bind, VQ_MOUNT },
	{ "bind_file", do_bind_file, VQ_MOUNT },
	{ "unmount", do_unmount, VQ_UNMOUNT },
	{ "detach", do_detach, VQ_UNMOUNT },
	{ "replace", do_replace, VQ_MOUNT | VQ_UNMOUNT },
	{ "reuse_number", do_reuse_number, VQ_MOUNT | VQ_UNMOUNT },
	{ "reuse_device", do_reuse_device, VQ_MOUNT | VQ_UNMOUNT },
}, silent_changes[] = {
	{ "remount", do_remount, 0 },
	{ "remount_bind", do_remount_bind, 0 },
	{ "share", do_share, 0 },
	{ "undone", do_and_undo, 0 },
	{ "failed", do_fail, 0 },
};

KQ_TEST_EACH(change, "KQ-244", "mounts give VQ_MOUNT, unmounts VQ_UNMOUNT; a mask of 0 asks for all", changes)
{
	int kq = kq_new();

	enter();
	ASSERT_OK(add(kq, 0));
	kq_fence(kq);
	variant->run();
	assert_seen(kq, variant->seen);
}

KQ_TEST_EACH(asked, "KQ-244", "what was asked for is reported, and nothing else", changes)
{
	int all, mounts, unmounts, others;

	enter();
	all = kq_new();
	mounts = kq_new();
	unmounts = kq_new();
	others = kq_new();
	ASSERT_OK(add(all, VQ_MOUNT | VQ_UNMOUNT));
	ASSERT_OK(add(mounts, VQ_MOUNT));
	ASSERT_OK(add(unmounts, VQ_UNMOUNT));
	/* Bits for what Linux does not tell. */
	ASSERT_OK(add(others, ~(VQ_MOUNT | VQ_UNMOUNT)));
	variant->run();
	assert_seen(all, variant->seen);
	if (variant->seen & VQ_MOUNT)
		assert_seen(mounts, VQ_MOUNT);
	if (variant->seen & VQ_UNMOUNT)
		assert_seen(unmounts, VQ_UNMOUNT);
	kq_fence(mounts);
	kq_fence(unmounts);
	kq_fence(others);
}

KQ_TEST_EACH(silent, "KQ-244", "a mount that stays, and one that came and went, are no event", silent_changes)
{
	int kq = kq_new();

	enter();
	ASSERT_OK(add(kq, 0));
	variant->run();
	kq_fence(kq);
	/* It hides nothing that comes after it. */
	mount_at("tmpfs", "/tmp/c");
	assert_seen(kq, VQ_MOUNT);
	unmount("/tmp/c");
	assert_seen(kq, VQ_UNMOUNT);
}

KQ_TEST(one_by_one, "KQ-244 KQ-062", "each change is one event, with EV_CLEAR that nobody asked for")
{
	int kq = kq_new();

	enter();
	ASSERT_OK(add(kq, VQ_MOUNT | VQ_UNMOUNT));
	for (int i = 0; i < 5; i++) {
		mount_at("tmpfs", "/tmp/a");
		assert_seen(kq, VQ_MOUNT);
		unmount("/tmp/a");
		assert_seen(kq, VQ_UNMOUNT);
	}
}

KQ_TEST(before_registration, "KQ-244", "what was mounted before EV_ADD is no event, its end is")
{
	int kq = kq_new();

	enter();
	mount_at("tmpfs", "/tmp/a");
	ASSERT_OK(add(kq, 0));
	kq_fence(kq);
	unmount("/tmp/a");
	assert_seen(kq, VQ_UNMOUNT);
}

/* The table has to be read in several pieces. */
KQ_TEST_LIMIT(many_mounts, 60, "KQ-244", "one mount among 200 is found missing")
{
	enum { MOUNTS = 200 };
	int kq = kq_new();
	char path[40];

	enter();
	for (int i = 0; i < MOUNTS; i++) {
		snprintf(path, sizeof(path), "/tmp/b/%d", i);
		ASSERT_SYS(mkdir(path, 0700));
		ASSERT_SYS(mount("/tmp/c", path, NULL, MS_BIND, NULL));
	}
	ASSERT_OK(add(kq, 0));
	kq_fence(kq);
	for (int i = 0; i < MOUNTS; i += 50) {
		snprintf(path, sizeof(path), "/tmp/b/%d", i);
		unmount(path);
		assert_seen(kq, VQ_UNMOUNT);
	}
	mount_at("tmpfs", "/tmp/a");
	assert_seen(kq, VQ_MOUNT);
}

/* The knote. */

KQ_TEST(any_ident, "KQ-244 KQ-047", "the ident stands for nothing but the knote")
{
	static const uintptr_t idents[] = { 0, 1, 0x7fffffff, 0x80000000u, UINTPTR_MAX };
	struct kevent events[ARRAY_SIZE(idents) + 1];
	int kq = kq_new();

	enter();
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++)
		ASSERT_OK(kq_add(kq, idents[i], EVFILT_FS, 0, 0, 0, MARK));
	mount_at("tmpfs", "/tmp/a");
	ASSERT_EQ(kq_poll(kq, events, ARRAY_SIZE(events)), ARRAY_SIZE(idents));
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++) {
		size_t j = 0;

		while (j < ARRAY_SIZE(idents) && events[j].ident != idents[i])
			j++;
		ASSERT_LT(j, ARRAY_SIZE(idents));
		ASSERT_EQ(events[j].fflags, VQ_MOUNT);
		ASSERT_OK(kq_del(kq, idents[i], EVFILT_FS));
	}
	unmount("/tmp/a");
	kq_fence(kq);
}

KQ_TEST(two_queues, "KQ-244 KQ-047", "each queue is told")
{
	int first = kq_new(), second = kq_new();

	enter();
	ASSERT_OK(add(first, 0));
	ASSERT_OK(add(second, 0));
	mount_at("tmpfs", "/tmp/a");
	assert_seen(first, VQ_MOUNT);
	unmount("/tmp/d");
	assert_seen(second, VQ_MOUNT | VQ_UNMOUNT);
	assert_seen(first, VQ_UNMOUNT);
}

KQ_TEST(while_disabled, "KQ-244 KQ-057 KQ-058", "what happened while disabled comes with EV_ENABLE")
{
	int kq = kq_new();

	enter();
	ASSERT_OK(kq_add(kq, 0, EVFILT_FS, EV_DISABLE, VQ_MOUNT, 0, MARK));
	mount_at("tmpfs", "/tmp/a");
	unmount("/tmp/d");
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 0, EVFILT_FS, EV_ENABLE, 0, 0, MARK));
	assert_seen(kq, VQ_MOUNT);
	mount_at("tmpfs", "/tmp/b");
	ASSERT_OK(kq_ctl(kq, 0, EVFILT_FS, EV_DISABLE, 0, 0, MARK));
	kq_fence(kq);
	ASSERT_OK(kq_ctl(kq, 0, EVFILT_FS, EV_ENABLE, 0, 0, MARK));
	assert_seen(kq, VQ_MOUNT);
}

KQ_TEST(mask_replaced, "KQ-244 KQ-052", "EV_ADD replaces the mask for what comes after it")
{
	int kq = kq_new();

	enter();
	ASSERT_OK(add(kq, VQ_UNMOUNT));
	mount_at("tmpfs", "/tmp/a");
	ASSERT_OK(add(kq, VQ_MOUNT));
	kq_fence(kq);
	unmount("/tmp/d");
	kq_fence(kq);
	mount_at("tmpfs", "/tmp/b");
	assert_seen(kq, VQ_MOUNT);
}

KQ_TEST(modify_keeps_events, "KQ-244 KQ-052", "what happened before a change of the mask is reported after it")
{
	int kq = kq_new();

	enter();
	ASSERT_OK(add(kq, VQ_MOUNT));
	mount_at("tmpfs", "/tmp/a");
	ASSERT_OK(add(kq, VQ_UNMOUNT));
	unmount("/tmp/d");
	assert_seen(kq, VQ_MOUNT | VQ_UNMOUNT);
}

KQ_TEST(delete_and_oneshot, "KQ-059 KQ-064", "a deleted knote and a delivered EV_ONESHOT report no more")
{
	int kq = kq_new();

	enter();
	ASSERT_OK(add(kq, 0));
	mount_at("tmpfs", "/tmp/a");
	ASSERT_OK(kq_del(kq, 0, EVFILT_FS));
	kq_fence(kq);
	ASSERT_OK(kq_add(kq, 0, EVFILT_FS, EV_ONESHOT, 0, 0, MARK));
	kq_fence(kq);
	mount_at("tmpfs", "/tmp/b");
	ASSERT_EVENT(kq_one(kq), 0, EVFILT_FS, EV_ADD | EV_CLEAR | EV_ONESHOT, VQ_MOUNT, 0, MARK);
	ASSERT_ERR(kq_del(kq, 0, EVFILT_FS), ENOENT);
	mount_at("tmpfs", "/tmp/c");
	kq_fence(kq);
}

KQ_TEST(wakes_waiter, "KQ-244", "a mount wakes a thread that sleeps in kevent, a remount does not end its wait")
{
	struct kq_waiter waiter = { .kq = kq_new() };

	enter();
	ASSERT_OK(add(waiter.kq, 0));
	kq_start_sleeper(&waiter);
	do_remount();
	do_mount();
	kq_join(waiter.thread);
	ASSERT_EQ(waiter.result, 1);
	ASSERT_EVENT(waiter.event, 0, EVFILT_FS, EV_ADD | EV_CLEAR, VQ_MOUNT, 0, MARK);
}

/* Namespaces. */

static pid_t fork_into_namespace(void)
{
	return ASSERT_SYS((pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, NULL));
}

KQ_TEST(other_namespace, "KQ-244", "mounts of another mount namespace are not seen")
{
	int kq = kq_new();
	pid_t child;

	enter();
	ASSERT_OK(add(kq, 0));
	child = fork_into_namespace();
	if (!child) {
		int own = kq_new();

		ASSERT_OK(add(own, 0));
		mount_at("tmpfs", "/tmp/a");
		assert_seen(own, VQ_MOUNT);
		unmount("/tmp/d");
		assert_seen(own, VQ_UNMOUNT);
		_exit(0);
	}
	kq_reap(child);
	kq_fence(kq);
	mount_at("tmpfs", "/tmp/a");
	assert_seen(kq, VQ_MOUNT);
}

KQ_TEST(propagated_mount, "KQ-244", "a mount that another namespace propagates here is seen")
{
	int kq = kq_new();
	pid_t child;

	enter();
	ASSERT_SYS(mount(NULL, "/tmp", NULL, MS_SHARED, NULL));
	ASSERT_OK(add(kq, 0));
	child = fork_into_namespace();
	if (!child) {
		mount_at("tmpfs", "/tmp/a");
		_exit(0);
	}
	kq_reap(child);
	assert_seen(kq, VQ_MOUNT);
}

static void *watch_own_namespace(void *argument)
{
	int kq = *(int *)argument;

	own_namespace();
	ASSERT_OK(add(kq, 0));
	mount_at("tmpfs", "/tmp/a");
	assert_seen(kq, VQ_MOUNT);
	return NULL;
}

KQ_TEST(namespace_of_a_thread, "KQ-244", "a thread with a mount namespace of its own watches that one")
{
	int kq = kq_new();

	enter();
	kq_join(kq_thread(watch_own_namespace, &kq));
	mount_at("tmpfs", "/tmp/b");
	kq_fence(kq);
}
