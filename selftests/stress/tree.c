// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the files of the game: a small directory in which the threads of all processes
 * create, write, rename, link, remove and mount at random while others watch.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actions.h"

#define TREE_NAMES	12

static char tree_root[] = "/tmp/kq-stress-XXXXXX";
static bool tree_mounts;

/* A few names, so that operations meet; the first ones are directories. */
static const char *tree_name(struct thread *t)
{
	static const char *const names[TREE_NAMES] = {
		"a", "b", "a/c", "f", "g", "h", "a/f", "a/g", "b/f", "b/h", "a/c/f", "fifo",
	};

	return names[rnd(t, TREE_NAMES)];
}

/* Before the first fork. With the right to it, mounts come and go in a name space of our own. */
void tree_start(void)
{
	if (!mkdtemp(tree_root) || chdir(tree_root)) {
		perror(tree_root);
		exit(1);
	}
	tree_mounts = !unshare(CLONE_NEWNS) &&
		      !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (mkdir("mnt", 0755))
		defect("mkdir", "%s", strerror(errno));
	printf("# mounts %s\n", tree_mounts ? "come and go" : "not permitted");
}

static void tree_write(struct thread *t, const char *name)
{
	static const char bytes[4096];
	int fd = open(name, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC |
		      (rnd(t, 4) ? 0 : O_TRUNC), 0644);
	off_t size;

	if (fd < 0)
		return;
	size = (off_t)rnd(t, 8192);
	switch (rnd(t, 5)) {
	case 0:
		if (pwrite(fd, bytes, rnd(t, sizeof(bytes)), size) < 0)
			break;
		break;
	case 1:
		if (ftruncate(fd, size))
			break;
		break;
	case 2:
		if (fchmod(fd, 0600 + rnd(t, 64)))
			break;
		break;
	case 3:
		if (fallocate(fd, 0, 0, size + 1))
			break;
		break;
	case 4:
		if (futimens(fd, NULL))
			break;
		break;
	}
	close(fd);
}

/* Every error is one the state of the tree allows; only the kernel's state counts. */
void act_tree(struct thread *t)
{
	const char *name = tree_name(t), *other = tree_name(t);

	switch (rnd(t, 10)) {
	case 0:
	case 1:
	case 2:
		tree_write(t, name);
		break;
	case 3:
		mkdir(name, 0755);
		break;
	case 4:
		if (mkfifo("fifo", 0644))
			break;
		break;
	case 5:
		renameat2(AT_FDCWD, name, AT_FDCWD, other,
			  rnd(t, 4) ? 0 : RENAME_EXCHANGE);
		break;
	case 6:
		if (link(name, other))
			break;
		break;
	case 7:
		unlink(name);
		break;
	case 8:
		rmdir(name);
		break;
	case 9:
		if (symlink("f", name))
			break;
		break;
	}
}

void act_mount(struct thread *t)
{
	if (!tree_mounts)
		return;
	if (rnd(t, 2))
		mount("stress", "mnt", "tmpfs", 0, "size=64k");
	else
		umount2("mnt", MNT_DETACH);
}

/* Opens something of the tree to watch it; -1 if it is not there now. */
int tree_open(struct thread *t)
{
	const char *name = tree_name(t);

	switch (rnd(t, 4)) {
	case 0:
		return open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	case 1:
		return open(name, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0644);
	case 2:
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return open(name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static int tree_remove(const char *path, const struct stat *status, int type,
			      struct FTW *place)
{
	(void)status;
	(void)type;
	(void)place;
	return remove(path);
}

void tree_end(void)
{
	while (tree_mounts && !umount2("mnt", MNT_DETACH))
		;
	if (chdir("/") || nftw(tree_root, tree_remove, 16, FTW_DEPTH | FTW_PHYS))
		defect(tree_root, "%s", strerror(errno));
}
