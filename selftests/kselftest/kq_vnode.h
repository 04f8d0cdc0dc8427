/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of EVFILT_VNODE share: the file systems each statement
 * is proved on, the scene of files a case starts from, and the proof that an
 * operation records exactly one set of notes. Include after kq_test.h.
 *
 *	KQ_TEST_EACH(unlink, "KQ-157", "one sentence", vnode_all)
 *	{
 *		vnode_enter(variant);
 *		VNODE_ROW("f", NULL, unlink_f, NOTE_DELETE);
 *	}
 *
 * A case has a mount namespace and a /tmp of its own: nothing of it is left
 * when it ends. Its directory is the scene: files f and g of VNODE_SIZE bytes,
 * empty directories d and e.
 */
#ifndef KQ_VNODE_H
#define KQ_VNODE_H

#include <linux/aio_abi.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/utsname.h>

#define VNODE_CHANGES	(NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | \
			 NOTE_RENAME | NOTE_REVOKE | NOTE_TRUNCATE)
#define VNODE_USES	(NOTE_OPEN | NOTE_READ | NOTE_CLOSE | NOTE_CLOSE_WRITE)
#define VNODE_MARK	((void *)7)	/* udata of all knotes made here */

#define VNODE_ROOT	"/tmp/fs"	/* where the file system is mounted */
#define VNODE_BYTES	"0123456789"
#define VNODE_SIZE	10
#define VNODE_SCENES	160		/* room for scenes where they are made beforehand */

/* File systems */

struct vnode_fs {
	const char *name;
	void (*mount)(void);
	bool overlay;	/* it is an overlayfs */
	bool lower;	/* scenes exist in the lower layer only, until changed */
};

/*
 * For the parent when a directory replaces a directory, or changes places with
 * one. Other file systems count the subdirectories in the links of a directory,
 * whose change is what is looked at; overlayfs does not, so all that is known
 * there is that a directory was moved, and from where to where.
 */
#define VNODE_COUNTED(fs, counted, moved)	((fs)->overlay ? (moved) : (counted))

static inline void vnode_put(const char *path, const char *bytes)
{
	int fd = ASSERT_SYS(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644));

	kq_write(fd, bytes, strlen(bytes));
	ASSERT_SYS(close(fd));
}

static inline void vnode_make_scene(const char *path)
{
	ASSERT_SYS(mkdir(path, 0755));
	ASSERT_SYS(chdir(path));
	vnode_put("f", VNODE_BYTES);
	vnode_put("g", VNODE_BYTES);
	ASSERT_SYS(mkdir("d", 0755));
	ASSERT_SYS(mkdir("e", 0755));
}

static inline void vnode_mount(const char *source, const char *type, const char *options)
{
	char reason[KQ_REASON_SIZE];

	if (!mount(source, VNODE_ROOT, type, 0, options))
		return;
	if (errno != ENODEV)
		KQ_FAIL_NOW("mount of %s: %s", type, kq_errno_name(errno));
	snprintf(reason, sizeof(reason), "this kernel has no %s", type);
	KQ_SKIP(reason);
}

static inline void vnode_mount_tmpfs(void)
{
	vnode_mount("kq", "tmpfs", "mode=0755");
}

/*
 * An empty ext4, made by the first case that needs one. Shared with the
 * processes of all cases, because a program that formats is slow to start.
 */
#define VNODE_IMAGE_SIZE	(2 << 20)
#define VNODE_IMAGE_BLOCK	4096

static struct vnode_image {
	bool made;
	char bytes[VNODE_IMAGE_SIZE];
} *vnode_image;

__attribute__((constructor)) static inline void vnode_share_image(void)
{
	vnode_image = mmap(NULL, sizeof(*vnode_image), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vnode_image == MAP_FAILED)
		abort();
}

static inline void vnode_make_image(int fd)
{
	int status = system("mkfs.ext4 -qF -b 1024 -N 1024 -O ^has_journal -E lazy_itable_init=0 /tmp/image");

	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		KQ_SKIP("needs mkfs.ext4");
	ASSERT_EQ(status, 0);
	ASSERT_EQ(pread(fd, vnode_image->bytes, VNODE_IMAGE_SIZE, 0), VNODE_IMAGE_SIZE);
	vnode_image->made = true;
}

static inline void vnode_copy_image(int fd)
{
	static const char zeros[VNODE_IMAGE_BLOCK];

	for (size_t at = 0; at < VNODE_IMAGE_SIZE; at += VNODE_IMAGE_BLOCK) {
		const char *block = vnode_image->bytes + at;

		if (memcmp(block, zeros, VNODE_IMAGE_BLOCK))
			ASSERT_EQ(pwrite(fd, block, VNODE_IMAGE_BLOCK, at), VNODE_IMAGE_BLOCK);
	}
}

static inline void vnode_mount_ext4(void)
{
	int image = ASSERT_SYS(open("/tmp/image", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	/* The device goes with its last user, the mount. */
	struct loop_config config = { .fd = image, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
	int control, loop;
	char path[64];

	ASSERT_SYS(ftruncate(image, VNODE_IMAGE_SIZE));
	if (vnode_image->made)
		vnode_copy_image(image);
	else
		vnode_make_image(image);
	if (access("/dev/loop-control", F_OK) && system("modprobe -q loop"))
		KQ_SKIP("ext4 needs the module loop");
	control = ASSERT_SYS(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
	snprintf(path, sizeof(path), "/dev/loop%d", ASSERT_SYS(ioctl(control, LOOP_CTL_GET_FREE)));
	loop = ASSERT_SYS(open(path, O_RDWR | O_CLOEXEC));
	ASSERT_SYS(ioctl(loop, LOOP_CONFIGURE, &config));
	vnode_mount(path, "ext4", NULL);
	close(loop);
	close(control);
	close(image);
}

static inline void vnode_make_layers(void)
{
	ASSERT_SYS(mkdir("/tmp/lower", 0755));
	ASSERT_SYS(mkdir("/tmp/upper", 0755));
	ASSERT_SYS(mkdir("/tmp/work", 0755));
}

#define VNODE_LAYERS	"lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work"

static inline void vnode_mount_overlay(void)
{
	vnode_make_layers();
	vnode_mount("kq", "overlay", VNODE_LAYERS);
}

/* Every change copies up what it changes, under the descriptors open by then. */
static inline void vnode_mount_lower(void)
{
	char path[64];

	vnode_make_layers();
	for (int i = 0; i < VNODE_SCENES; i++) {
		snprintf(path, sizeof(path), "/tmp/lower/%d", i);
		vnode_make_scene(path);
	}
	/* redirect_dir, or directories of the lower layer could not be renamed. */
	vnode_mount("kq", "overlay", VNODE_LAYERS ",redirect_dir=on");
}

#define VNODE_TMPFS	{ .name = "tmpfs", .mount = vnode_mount_tmpfs }
#define VNODE_EXT4	{ .name = "ext4", .mount = vnode_mount_ext4 }
#define VNODE_OVERLAY	{ .name = "overlay", .mount = vnode_mount_overlay, .overlay = true }
#define VNODE_LOWER	{ .name = "overlay_lower", .mount = vnode_mount_lower, .overlay = true, \
			  .lower = true }

static const struct vnode_fs vnode_all[] KQ_UNUSED = {
	VNODE_TMPFS, VNODE_EXT4, VNODE_OVERLAY, VNODE_LOWER,
};

/* For what overlayfs refuses. */
static const struct vnode_fs vnode_plain[] KQ_UNUSED = { VNODE_TMPFS, VNODE_EXT4 };

static const struct vnode_fs vnode_ext4[] KQ_UNUSED = { VNODE_EXT4 };

static struct {
	bool lower;
	int scenes;	/* entered so far */
} vnode;

/* The directory becomes a scene nobody has touched. */
static inline void vnode_next_scene(void)
{
	char path[64];

	snprintf(path, sizeof(path), VNODE_ROOT "/%d", vnode.scenes++);
	if (!vnode.lower) {
		vnode_make_scene(path);
		return;
	}
	ASSERT_LE(vnode.scenes, VNODE_SCENES);
	ASSERT_SYS(chdir(path));
}

/* Mounts the file system and enters its first scene. */
static inline void vnode_enter(const struct vnode_fs *fs)
{
	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root to mount file systems");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, "mode=0755"));
	ASSERT_SYS(mkdir(VNODE_ROOT, 0755));
	fs->mount();
	vnode.lower = fs->lower;
	vnode_next_scene();
}

/* Knotes */

static inline int vnode_add(int kq, int fd, unsigned int flags, unsigned int asked)
{
	return kq_add(kq, fd, EVFILT_VNODE, flags, asked, 0, VNODE_MARK);
}

static inline int vnode_ctl(int kq, int fd, unsigned int flags, unsigned int asked)
{
	return kq_ctl(kq, fd, EVFILT_VNODE, flags, asked, 0, VNODE_MARK);
}

/* A descriptor that reads the file, and a knote on it with EV_CLEAR. */
static inline int vnode_watch_at(const char *file, int line, int kq, const char *path,
				 unsigned int asked)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK), error;

	if (fd < 0)
		kq_fail(file, line, "open of %s: %s", path, kq_errno_name(errno));
	error = vnode_add(kq, fd, EV_CLEAR, asked);
	if (error)
		kq_fail(file, line, "EV_ADD for %s: %s", path, kq_errno_name(-error));
	return fd;
}
#define vnode_watch(kq, path, asked)	vnode_watch_at(__FILE__, __LINE__, kq, path, asked)

#define VNODE_EVENT(event, fd, set) \
	ASSERT_EVENT(event, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, set, 0, VNODE_MARK)

/* What a queue with one knote, made with EV_CLEAR, reports now: these notes in one event, or nothing. */
static inline void vnode_expect_at(const char *file, int line, const char *what, int kq, int fd,
				   unsigned int set)
{
	struct kevent events[8], want;
	int count = kq_fence_at(file, line, kq, events, ARRAY_SIZE(events));

	EV_SET(&want, fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, set, 0, VNODE_MARK);
	if (count == !!set && (!count || (events[0].ident == want.ident &&
					  events[0].filter == want.filter &&
					  events[0].flags == want.flags &&
					  events[0].fflags == want.fflags &&
					  events[0].data == want.data &&
					  events[0].udata == want.udata)))
		return;
	kq_dump(events, count);
	if (!set)
		kq_fail(file, line, "%swanted no event", what);
	kq_fail(file, line, "%swanted %s alone", what, kq_text(&want));
}
#define vnode_expect(kq, fd, set) \
	vnode_expect_at(__FILE__, __LINE__, "", kq, fd, set)

/* One operation and the notes it posts on one object of the scene. */
struct vnode_row {
	const char *what;	/* for messages */
	const char *watched;
	int open_flags;		/* how the watched object is opened */
	unsigned int all;	/* the notes to try */
	void (*setup)(void);	/* run before the object is watched, or NULL */
	void (*run)(void);
	unsigned int set;	/* 0: the operation posts nothing */
};

static inline void vnode_try(const char *file, int line, const struct vnode_row *row,
			     unsigned int asked)
{
	int kq = kq_new_at(file, line), fd, error;
	char what[200];

	snprintf(what, sizeof(what), "%s, %s asked for %#x: ", row->what, row->watched, asked);
	vnode_next_scene();
	if (row->setup)
		row->setup();
	fd = open(row->watched, row->open_flags | O_CLOEXEC);
	if (fd < 0)
		kq_fail(file, line, "%sopen: %s", what, kq_errno_name(errno));
	error = vnode_add(kq, fd, EV_CLEAR, asked);
	if (error)
		kq_fail(file, line, "%sEV_ADD: %s", what, kq_errno_name(-error));
	row->run();
	vnode_expect_at(file, line, what, kq, fd, asked & row->set ? row->set : 0);
	close(kq);
	close(fd);
}

/*
 * The whole set is recorded if any note of it was asked for, and nothing if
 * none was: asks for everything, for each note of the set alone, and for all
 * the others. Each attempt has a scene and a queue of its own.
 */
static inline void vnode_try_all(const char *file, int line, struct vnode_row row)
{
	vnode_try(file, line, &row, row.all);
	for (unsigned int note = 1; note <= row.all && row.set; note <<= 1)
		if (note & row.set)
			vnode_try(file, line, &row, note);
	if (row.set)
		vnode_try(file, line, &row, row.all & ~row.set);
}

#define VNODE_NAMED_ROW(name, path, how, notes, before, operation, wanted)		\
	vnode_try_all(__FILE__, __LINE__, (struct vnode_row){				\
		.what = name, .watched = path, .open_flags = how, .all = notes,		\
		.setup = before, .run = operation, .set = wanted })

/* VNODE_ROW(watched, setup, run, set) */
#define VNODE_ROW(path, before, operation, wanted) \
	VNODE_NAMED_ROW(#operation, path, O_RDONLY | O_NONBLOCK, VNODE_CHANGES, before, \
			operation, wanted)

/* The same for a symbolic link, or anything else that is not opened for reading. */
#define VNODE_ROW_PATH(path, before, operation, wanted) \
	VNODE_NAMED_ROW(#operation, path, O_PATH | O_NOFOLLOW, VNODE_CHANGES, before, \
			operation, wanted)

/* The same with NOTE_OPEN, NOTE_READ and the NOTE_CLOSEs among what is asked for. */
#define VNODE_ROW_USES(path, before, operation, wanted) \
	VNODE_NAMED_ROW(#operation, path, O_RDONLY | O_NONBLOCK, VNODE_CHANGES | VNODE_USES, \
			before, operation, wanted)

/* What older kernels do not tell */

static inline bool vnode_kernel_before(int major, int minor)
{
	int running_major, running_minor;
	struct utsname name;

	ASSERT_SYS(uname(&name));
	ASSERT_EQ(sscanf(name.release, "%d.%d", &running_major, &running_minor), 2);
	return running_major < major || (running_major == major && running_minor < minor);
}

/* Whether an operation on f posts anything. Distributions carry changes back: a release alone lies. */
static inline bool vnode_is_told(unsigned int asked, void (*setup)(void), void (*run)(void))
{
	struct kevent events[4];
	int kq = kq_new(), fd, count;

	vnode_next_scene();
	if (setup)
		setup();
	fd = vnode_watch(kq, "f", asked);
	run();
	count = kq_collect(kq, events, ARRAY_SIZE(events));
	close(kq);
	close(fd);
	return count > 0;
}

/* One operation of Linux's own asynchronous input and output: what it returned. */
static inline long long vnode_aio(int opcode, int fd, char *bytes, size_t count, off_t at)
{
	struct iocb request = {
		.aio_lio_opcode = opcode, .aio_fildes = fd, .aio_buf = (uintptr_t)bytes,
		.aio_nbytes = count, .aio_offset = at,
	}, *requests = &request;
	aio_context_t context = 0;
	struct io_event result;

	ASSERT_SYS(syscall(SYS_io_setup, 1, &context));
	ASSERT_EQ(ASSERT_SYS(syscall(SYS_io_submit, context, 1, &requests)), 1);
	ASSERT_EQ(ASSERT_SYS(syscall(SYS_io_getevents, context, 1, 1, &result, NULL)), 1);
	ASSERT_SYS(syscall(SYS_io_destroy, context));
	return result.res;
}

#endif /* KQ_VNODE_H */
