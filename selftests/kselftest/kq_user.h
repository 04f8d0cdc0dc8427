/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of permissions share: processes of other users, with the
 * capabilities they need, and mounts that only one process has. Include after
 * kq_test.h.
 */
#ifndef KQ_USER_H
#define KQ_USER_H

#include <grp.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>

/* Users and groups that own nothing. */
#define USER_A		65501
#define USER_B		65502

#define USER_CAP(name)	(1ull << (name))
#define USER_CAPS_ALL	(~0ull)

/* Who a process is. */
struct user {
	uid_t real, effective;
	uint64_t caps;
};

/*
 * The saved user is the effective one. The process stays one that its owner may
 * look at.
 */
static inline void user_become(const struct user *user)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (geteuid())
		KQ_SKIP("needs root to be other users");
	ASSERT_SYS(setgroups(0, NULL));
	ASSERT_SYS(setresgid(user->real, user->effective, user->effective));
	ASSERT_SYS(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0));
	ASSERT_SYS(setresuid(user->real, user->effective, user->effective));
	ASSERT_SYS(syscall(SYS_capget, &header, data));
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(user->caps >> 32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	ASSERT_SYS(syscall(SYS_capset, &header, data));
	ASSERT_SYS(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

/* From here on this process's mounts are its own. */
static inline void user_private_mounts(void)
{
	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root to mount file systems");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
}

/* A /proc of its own; in a new pid namespace, one that shows it. */
static inline void user_mount_proc(const char *options)
{
	user_private_mounts();
	ASSERT_SYS(mount("kq", "/proc", "proc", 0, options));
}

#endif /* KQ_USER_H */
