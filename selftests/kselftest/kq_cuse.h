/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns a character device whose driver is a process of the test: its poll can
 * be held back for as long as a test likes, and its ioctls are counted.
 * Include after kq_test.h.
 */
#ifndef KQ_CUSE_H
#define KQ_CUSE_H

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#define CUSE_HELD	8

/* Shared with the driver process. */
struct cuse {
	volatile bool hold;	/* polls are not answered */
	volatile short revents;	/* what they answer */
	volatile int polls;	/* asked so far */
	volatile int held;	/* waiting for an answer now */
	volatile int ioctls;	/* asked so far */
	volatile bool ready;
	char node[64];
};

static inline void cuse_reply(int fd, uint64_t unique, int error,
			      const void *body, size_t size)
{
	char answer[512];
	struct fuse_out_header *header = (void *)answer;

	*header = (struct fuse_out_header){
		.len = (uint32_t)(sizeof(*header) + size), .error = -error,
		.unique = unique,
	};
	if (size)
		memcpy(answer + sizeof(*header), body, size);
	/* A request that was given up in between answers ENOENT. */
	if (write(fd, answer, header->len) < 0)
		ASSERT_EQ(errno, ENOENT);
}

static inline void cuse_answer_poll(const struct cuse *cuse, int fd,
				    uint64_t unique)
{
	struct fuse_poll_out state = { .revents = (uint16_t)cuse->revents };

	cuse_reply(fd, unique, 0, &state, sizeof(state));
}

static inline void cuse_init(int fd, uint64_t unique,
			     const struct cuse_init_in *in)
{
	struct {
		struct cuse_init_out out;
		char name[64];
	} reply = {
		.out = {
			.major = FUSE_KERNEL_VERSION,
			.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ?
				in->minor : FUSE_KERNEL_MINOR_VERSION,
			.max_read = 4096, .max_write = 4096,
		},
	};
	int length = snprintf(reply.name, sizeof(reply.name),
			      "DEVNAME=kqtest%d", getpid());

	cuse_reply(fd, unique, 0, &reply, sizeof(reply.out) + length + 1);
}

/* The driver. Ends with the case, like every child. */
static inline void cuse_serve(struct cuse *cuse, int fd)
{
	static char buffer[FUSE_MIN_READ_BUFFER + 8192];
	const struct fuse_in_header *in = (void *)buffer;
	struct fuse_open_out opened = { .fh = 1 };
	uint64_t held[CUSE_HELD];

	for (;;) {
		struct pollfd request = { .fd = fd, .events = POLLIN };

		while (!cuse->hold && cuse->held)
			cuse_answer_poll(cuse, fd, held[--cuse->held]);
		/* The time only bounds how late an end of hold is seen. */
		if (poll(&request, 1, 1) != 1)
			continue;
		if (read(fd, buffer, sizeof(buffer)) < 0)
			continue;
		switch (in->opcode) {
		case CUSE_INIT:
			cuse_init(fd, in->unique, (void *)(in + 1));
			cuse->ready = true;
			break;
		case FUSE_OPEN:
			cuse_reply(fd, in->unique, 0, &opened, sizeof(opened));
			break;
		case FUSE_POLL:
			cuse->polls++;
			if (cuse->hold && cuse->held < CUSE_HELD)
				held[cuse->held++] = in->unique;
			else
				cuse_answer_poll(cuse, fd, in->unique);
			break;
		case FUSE_IOCTL:
			cuse->ioctls++;
			cuse_reply(fd, in->unique, ENOTTY, NULL, 0);
			break;
		case FUSE_INTERRUPT:
			break;
		default:
			cuse_reply(fd, in->unique,
				   in->opcode == FUSE_RELEASE ? 0 : ENOSYS,
				   NULL, 0);
		}
	}
}

static inline void cuse_make_node(struct cuse *cuse, pid_t driver)
{
	char path[128];
	unsigned int major, minor;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/cuse/kqtest%d/dev", driver);
	/* The device appears some moments after the driver has answered. */
	while (!(file = fopen(path, "re")))
		sched_yield();
	ASSERT_EQ(fscanf(file, "%u:%u", &major, &minor), 2);
	fclose(file);
	snprintf(cuse->node, sizeof(cuse->node), "/tmp/kqtest%d", driver);
	ASSERT_SYS(mknod(cuse->node, S_IFCHR | 0600, makedev(major, minor)));
}

/* Starts the driver and opens its device; skips where there is no CUSE. */
static inline struct cuse *cuse_start(void)
{
	struct cuse *cuse = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t driver;

	ASSERT_TRUE(cuse != MAP_FAILED);
	if (system("modprobe -q cuse") || access("/dev/cuse", R_OK | W_OK))
		KQ_SKIP("needs root and the module cuse");
	driver = kq_fork();
	if (!driver)
		cuse_serve(cuse, ASSERT_SYS(open("/dev/cuse",
						 O_RDWR | O_CLOEXEC)));
	while (!cuse->ready)
		sched_yield();
	cuse_make_node(cuse, driver);
	return cuse;
}

static inline int cuse_open(const struct cuse *cuse)
{
	return ASSERT_SYS(open(cuse->node, O_RDWR));
}

/* Returns when a poll waits for its answer. */
static inline void cuse_await_held(const struct cuse *cuse)
{
	while (!cuse->held)
		sched_yield();
}

#endif /* KQ_CUSE_H */
