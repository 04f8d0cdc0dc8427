// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the notes of changing attributes: mode, owner, times, flags, access
 * lists and extended attributes post NOTE_ATTRIB alone; looking at them posts
 * nothing.
 */
#include "kq_test.h"
#include "kq_vnode.h"

#include <linux/fs.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

/* Of a name every one of the file systems takes from root. */
#define XATTR	"trusted.kq"

static const char *target;	/* of the operations below: a file or a directory */

static int opened(void)
{
	return ASSERT_SYS(open(target, O_RDONLY));
}

static mode_t mode;

static void run_chmod(void)
{
	ASSERT_SYS(chmod(target, mode));
}

static void run_fchmod(void)
{
	int fd = opened();

	ASSERT_SYS(fchmod(fd, mode));
	ASSERT_SYS(close(fd));
}

static uid_t owner;

static void run_chown(void)
{
	ASSERT_SYS(chown(target, owner, -1));
}

static void run_chown_group(void)
{
	ASSERT_SYS(chown(target, -1, owner));
}

static void run_lchown(void)
{
	ASSERT_SYS(lchown(target, owner, owner));
}

static void run_fchown(void)
{
	int fd = opened();

	ASSERT_SYS(fchown(fd, owner, owner));
	ASSERT_SYS(close(fd));
}

static const struct timespec *times;

static void run_utimensat(void)
{
	ASSERT_SYS(utimensat(AT_FDCWD, target, times, 0));
}

static void run_futimens(void)
{
	int fd = opened();

	ASSERT_SYS(futimens(fd, times));
	ASSERT_SYS(close(fd));
}

static void set_xattr(void)
{
	ASSERT_SYS(setxattr(target, XATTR, "value", 5, 0));
}

static void fset_xattr(void)
{
	int fd = opened();

	ASSERT_SYS(fsetxattr(fd, XATTR, "value", 5, 0));
	ASSERT_SYS(close(fd));
}

static void remove_xattr(void)
{
	ASSERT_SYS(removexattr(target, XATTR));
}

static void fremove_xattr(void)
{
	int fd = opened();

	ASSERT_SYS(fremovexattr(fd, XATTR));
	ASSERT_SYS(close(fd));
}

/* Another user may read: more than the mode can say. */
static void set_acl(void)
{
	static const struct {
		struct posix_acl_xattr_header header;
		struct posix_acl_xattr_entry entries[5];
	} acl = {
		.header.a_version = POSIX_ACL_XATTR_VERSION,
		.entries = {
			{ ACL_USER_OBJ, 6, ACL_UNDEFINED_ID },
			{ ACL_USER, 4, 1 },
			{ ACL_GROUP_OBJ, 4, ACL_UNDEFINED_ID },
			{ ACL_MASK, 4, ACL_UNDEFINED_ID },
			{ ACL_OTHER, 4, ACL_UNDEFINED_ID },
		},
	};

	if (setxattr(target, "system.posix_acl_access", &acl, sizeof(acl), 0)) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		KQ_SKIP("this kernel has no access lists for the file system");
	}
}

static void remove_acl(void)
{
	ASSERT_SYS(removexattr(target, "system.posix_acl_access"));
}

static void set_flags(void)
{
	int fd = opened(), flags = 0;

	ASSERT_SYS(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	ASSERT_FALSE(flags & FS_NODUMP_FL);
	flags |= FS_NODUMP_FL;
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags)) {
		ASSERT_EQ(errno, EOPNOTSUPP);
		KQ_SKIP("the file system has no flags");
	}
	flags = 0;
	ASSERT_SYS(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	ASSERT_TRUE(flags & FS_NODUMP_FL);
	ASSERT_SYS(close(fd));
}

/* The cases below are about a file and a directory. */
static const char * const targets[] = { "f", "d" };

#define EACH_TARGET()	\
	for (size_t each = 0; each < ARRAY_SIZE(targets) && (target = targets[each]); each++)

KQ_TEST_EACH(mode, "KQ-167", "chmod: ATTRIB, whether the mode changes or not", vnode_all)
{
	struct stat status;

	vnode_enter(variant);
	EACH_TARGET() {
		ASSERT_SYS(stat(target, &status));
		mode = 0700;
		VNODE_ROW(target, NULL, run_chmod, NOTE_ATTRIB);
		VNODE_ROW(target, NULL, run_fchmod, NOTE_ATTRIB);
		mode = status.st_mode & 07777;
		VNODE_ROW(target, NULL, run_chmod, NOTE_ATTRIB);
		VNODE_ROW(target, NULL, run_fchmod, NOTE_ATTRIB);
	}
}

KQ_TEST_EACH(owner, "KQ-167", "chown: ATTRIB, whether the owner changes or not", vnode_all)
{
	static const uid_t owners[] = { 0, 1 };

	vnode_enter(variant);
	EACH_TARGET() {
		for (size_t i = 0; i < ARRAY_SIZE(owners); i++) {
			owner = owners[i];
			VNODE_ROW(target, NULL, run_chown, NOTE_ATTRIB);
			VNODE_ROW(target, NULL, run_chown_group, NOTE_ATTRIB);
			VNODE_ROW(target, NULL, run_lchown, NOTE_ATTRIB);
			VNODE_ROW(target, NULL, run_fchown, NOTE_ATTRIB);
		}
	}
}

static const struct {
	const char *name;
	struct timespec times[2];
} stamps[] = {
	{ "both", { { 1000, 1 }, { 2000, 2 } } },
	{ "both_now", { { 0, UTIME_NOW }, { 0, UTIME_NOW } } },
	{ "access", { { 1000, 1 }, { 0, UTIME_OMIT } } },
	{ "access_now", { { 0, UTIME_NOW }, { 0, UTIME_OMIT } } },
	{ "modification", { { 0, UTIME_OMIT }, { 2000, 2 } } },
	{ "modification_now", { { 0, UTIME_OMIT }, { 0, UTIME_NOW } } },
	{ "none", { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } } },
};

static void try_times(const struct timespec *wanted, unsigned int set)
{
	times = wanted;
	EACH_TARGET() {
		VNODE_ROW(target, NULL, run_utimensat, set);
		VNODE_ROW(target, NULL, run_futimens, set);
	}
}

KQ_TEST_EACH(times, "KQ-167",
	     "utimes of either time or both: ATTRIB; of neither: nothing", vnode_all)
{
	vnode_enter(variant);
	try_times(NULL, NOTE_ATTRIB);
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++)
		try_times(stamps[i].times, strcmp(stamps[i].name, "none") ? NOTE_ATTRIB : 0);
}

KQ_TEST_EACH(xattr, "KQ-168", "setxattr and removexattr: ATTRIB", vnode_all)
{
	vnode_enter(variant);
	EACH_TARGET() {
		VNODE_ROW(target, NULL, set_xattr, NOTE_ATTRIB);
		VNODE_ROW(target, NULL, fset_xattr, NOTE_ATTRIB);
		/* Replaced by the same value. */
		VNODE_ROW(target, set_xattr, set_xattr, NOTE_ATTRIB);
		VNODE_ROW(target, set_xattr, remove_xattr, NOTE_ATTRIB);
		VNODE_ROW(target, set_xattr, fremove_xattr, NOTE_ATTRIB);
	}
}

KQ_TEST_EACH(access_list, "KQ-168", "setting and removing an access list: ATTRIB", vnode_all)
{
	vnode_enter(variant);
	EACH_TARGET() {
		VNODE_ROW(target, NULL, set_acl, NOTE_ATTRIB);
		VNODE_ROW(target, set_acl, remove_acl, NOTE_ATTRIB);
	}
}

/* It should be ATTRIB, but the kernel tells nobody. Fails on the first kernel that does. */
KQ_TEST_EACH(inode_flags, "KQ-167",
	     "FS_IOC_SETFLAGS changes flags without an event, a limit of Linux", vnode_all)
{
	vnode_enter(variant);
	EACH_TARGET()
		VNODE_ROW(target, NULL, set_flags, 0);
}

static void run_stat(void)
{
	struct statx extended;
	struct stat status;
	int fd = opened();

	ASSERT_SYS(stat(target, &status));
	ASSERT_SYS(lstat(target, &status));
	ASSERT_SYS(fstat(fd, &status));
	ASSERT_SYS(statx(AT_FDCWD, target, 0, STATX_ALL, &extended));
	ASSERT_SYS(access(target, R_OK | W_OK));
	ASSERT_SYS(close(fd));
}

static void get_xattr(void)
{
	int fd = opened();
	char bytes[100];

	ASSERT_EQ(ASSERT_SYS(getxattr(target, XATTR, bytes, sizeof(bytes))), 5);
	ASSERT_EQ(ASSERT_SYS(fgetxattr(fd, XATTR, bytes, sizeof(bytes))), 5);
	ASSERT_SYS(listxattr(target, bytes, sizeof(bytes)));
	ASSERT_SYS(flistxattr(fd, bytes, sizeof(bytes)));
	ASSERT_SYS(close(fd));
}

/* The times that the file system keeps of reading change as well. */
static void read_it(void)
{
	int fd = opened();
	char bytes[1000];

	if (!strcmp(target, "f"))
		ASSERT_EQ(read(fd, bytes, sizeof(bytes)), VNODE_SIZE);
	else
		ASSERT_GT(syscall(SYS_getdents64, fd, bytes, sizeof(bytes)), 0);
	ASSERT_SYS(close(fd));
}

static void old_times(void)
{
	/* Newer than that is every access, and worth a note in the inode. */
	times = stamps[0].times;
	run_utimensat();
}

KQ_TEST_EACH(looking, "KQ-168",
	     "stat, access, getxattr, listxattr, open, read and close post nothing", vnode_all)
{
	vnode_enter(variant);
	EACH_TARGET() {
		VNODE_ROW(target, NULL, run_stat, 0);
		VNODE_ROW(target, set_xattr, get_xattr, 0);
		VNODE_ROW(target, NULL, read_it, 0);
		VNODE_ROW(target, old_times, read_it, 0);
	}
}

static void fail_all(void)
{
	int fd = opened();

	ASSERT_ERRNO(removexattr(target, XATTR), ENODATA);
	ASSERT_ERRNO(setxattr(target, XATTR, "x", 1, XATTR_REPLACE), ENODATA);
	ASSERT_ERRNO(setxattr(target, "nonsense", "x", 1, 0), EOPNOTSUPP);
	ASSERT_ERRNO(truncate(target, -1), EINVAL);
	ASSERT_ERRNO(ftruncate(fd, 5), EINVAL);
	ASSERT_ERRNO(write(fd, "x", 1), EBADF);
	ASSERT_ERRNO(futimens(fd, (const struct timespec[2]){ { 0, -5 }, { 0, 0 } }), EINVAL);
	ASSERT_SYS(close(fd));
}

KQ_TEST_EACH(failures, "KQ-167 KQ-168", "what fails posts nothing", vnode_all)
{
	vnode_enter(variant);
	EACH_TARGET()
		VNODE_ROW(target, NULL, fail_all, 0);
}

static void fail_unprivileged(void)
{
	pid_t child = kq_fork();

	if (!child) {
		ASSERT_SYS(setresuid(1, 1, 1));
		ASSERT_ERRNO(chmod(target, 0777), EPERM);
		ASSERT_ERRNO(chown(target, 1, 1), EPERM);
		ASSERT_ERRNO(utimensat(AT_FDCWD, target, stamps[0].times, 0), EPERM);
		ASSERT_ERRNO(setxattr(target, XATTR, "x", 1, 0), EPERM);
		_exit(0);
	}
	kq_reap(child);
}

KQ_TEST_EACH(refusals, "KQ-167 KQ-168", "what another user may not do posts nothing", vnode_all)
{
	vnode_enter(variant);
	EACH_TARGET()
		VNODE_ROW(target, NULL, fail_unprivileged, 0);
}
