/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of descriptors share: every way to close a number,
 * waiting for bytes of a socket, descriptors in messages, a small io_uring, and
 * proofs that a registration is gone.
 * Include after kq_test.h.
 */
#ifndef KQ_FD_H
#define KQ_FD_H

#include <linux/io_uring.h>
#include <linux/kcmp.h>
#include <linux/kqueue.h>
#include <sys/ioctl.h>

/* A number far from those that open(2) hands out. */
#define FD_HIGH		700

/* Bytes waiting in a socket, pipe or tty. */
static inline int fd_waiting_bytes(int fd)
{
	int bytes = 0;

	ASSERT_SYS(ioctl(fd, FIONREAD, &bytes));
	return bytes;
}

/*
 * Returns once that many bytes arrived: the network stack may deliver from a
 * thread of its own.
 */
static inline void fd_await_bytes(int fd, int bytes)
{
	while (fd_waiting_bytes(fd) < bytes)
		sched_yield();
	ASSERT_EQ(fd_waiting_bytes(fd), bytes);
}

/* The peer of this descriptor sees end of file now, not some time later. */
static inline void fd_assert_eof_at(const char *file, int line, int fd)
{
	char byte;
	ssize_t count = read(fd, &byte, 1);

	if (count)
		kq_fail(file, line, "wanted end of file, read() gave %zd %s",
			count, count < 0 ? kq_errno_name(errno) : "");
}
#define fd_assert_eof(fd)	fd_assert_eof_at(__FILE__, __LINE__, fd)

/* The same once it comes: for objects whose stack closes in the background. */
static inline void fd_await_eof(int fd)
{
	kq_await_poll(fd, POLLIN);
	fd_assert_eof(fd);
}

/* No close was missed by the module so far. */
static inline void fd_assert_no_missed(int kq)
{
	struct kq_info info = { 0 };

	ASSERT_SYS(ioctl(kq, KQ_IOC_INFO, &info));
	ASSERT_EQ(info.missed_closes, 0);
}

/*
 * kevent() as one system call: the library takes a wait apart in a process
 * with several threads.
 */
static inline int fd_kevent(int kq, const struct kevent *changes, int nchanges,
			    struct kevent *events, int nevents,
			    const struct timespec *timeout)
{
	long long limit[2];
	struct kq_kevent call = {
		.changelist = (uintptr_t)changes,
		.nchanges = nchanges,
		.eventlist = (uintptr_t)events,
		.nevents = nevents,
		.record_size = sizeof(struct kevent),
	};
	int result;

	if (timeout) {
		limit[0] = timeout->tv_sec;
		limit[1] = timeout->tv_nsec;
		call.timeout = (uintptr_t)limit;
	}
	result = ioctl(kq, KQ_IOC_KEVENT, &call);
	if (call.stamp != KQ_STAMP && result >= 0)
		KQ_FAIL_NOW("the call did not reach the module");
	return result;
}

/* The two ways into the kernel, for KQ_TEST_EACH(): variant->kevent(). */
static const struct fd_entry {
	const char *name;
	int (*kevent)(int kq, const struct kevent *changes, int nchanges,
		      struct kevent *events, int nevents,
		      const struct timespec *timeout);
} fd_entries[] KQ_UNUSED = {
	{ "library", kevent },
	{ "system_call", fd_kevent },
};

/* Moves a descriptor to a number. */
static inline int fd_move(int fd, int number)
{
	ASSERT_EQ(ASSERT_SYS(dup2(fd, number)), number);
	ASSERT_SYS(close(fd));
	return number;
}

/* A connected pair whose first end has a given number, closed before. */
static inline void fd_unix_stream_at(int fds[2], int number)
{
	kq_unix_stream(fds);
	if (fds[1] == number)
		fds[1] = ASSERT_SYS(dup(number));
	if (fds[0] != number)
		fds[0] = fd_move(fds[0], number);
}

static inline bool fd_is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/*
 * The number has no registration: EBADF while it is closed, ENOENT once it
 * names a new object, which is ready and yet reports nothing.
 */
static inline void fd_assert_unregistered_at(const char *file, int line,
					     int kq, int number)
{
	static const int filters[] = { EVFILT_READ, EVFILT_WRITE };
	int fds[2], wanted = fd_is_open(number) ? ENOENT : EBADF, error;

	for (size_t round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
			error = -kq_del(kq, number, filters[i]);
			if (error != wanted)
				kq_fail(file, line,
					"EV_DELETE of filter %d on number %d: wanted %s, got %s",
					filters[i], number,
					kq_errno_name(wanted),
					kq_errno_name(error));
		}
		if (wanted == ENOENT)
			break;
		fd_unix_stream_at(fds, number);
		kq_write(fds[1], "x", 1);
		wanted = ENOENT;
	}
	kq_fence_at(file, line, kq, NULL, 0);
}
#define fd_assert_unregistered(kq, number) \
	fd_assert_unregistered_at(__FILE__, __LINE__, kq, number)

/* The queue does all it can do for others. */
static inline void fd_assert_queue_works(int kq)
{
	int fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_trigger(kq, 1));
	kq_write(fds[1], "x", 1);
	ASSERT_EQ(kq_poll(kq, (struct kevent[4]){ 0 }, 4), 2);
	ASSERT_EQ(kq_drain(fds[0]), 1);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_ERR(kq_del(kq, 1, EVFILT_USER), ENOENT);
	ASSERT_SYS(close(fds[0]));
	kq_fence(kq);
	close(fds[1]);
}

/* Descriptors in messages. */

static inline void fd_send(int over, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = "f", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(int));
	ASSERT_EQ(sendmsg(over, &message, 0), 1);
}

/* Waits for it. */
static inline int fd_receive(int over)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd;

	kq_await_poll(over, POLLIN);
	ASSERT_EQ(recvmsg(over, &message, 0), 1);
	ASSERT_TRUE(CMSG_FIRSTHDR(&message));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

/* io_uring without a library: one ring, one request, one result. */
struct fd_ring {
	int fd;
	unsigned int *sq_tail, *sq_array, *sq_mask, *cq_head, *cq_tail, *cq_mask;
	struct io_uring_cqe *cqes;
	struct io_uring_sqe *sqes;
	void *maps[3];
	size_t sizes[3];
};

static inline void fd_ring_open(struct fd_ring *ring)
{
	static const off_t offsets[] = {
		IORING_OFF_SQ_RING, IORING_OFF_CQ_RING, IORING_OFF_SQES,
	};
	struct io_uring_params params = { 0 };
	char *sq, *cq;

	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &params);
	if (ring->fd < 0 && (errno == ENOSYS || errno == EPERM))
		KQ_SKIP("io_uring is not available in this kernel");
	ASSERT_SYS(ring->fd);
	ring->sizes[0] = params.sq_off.array + params.sq_entries * 4;
	ring->sizes[1] = params.cq_off.cqes + params.cq_entries * sizeof(*ring->cqes);
	ring->sizes[2] = params.sq_entries * sizeof(*ring->sqes);
	for (int i = 0; i < 3; i++) {
		ring->maps[i] = mmap(NULL, ring->sizes[i], PROT_READ | PROT_WRITE, MAP_SHARED,
				     ring->fd, offsets[i]);
		ASSERT_TRUE(ring->maps[i] != MAP_FAILED);
	}
	sq = ring->maps[0];
	cq = ring->maps[1];
	ring->sqes = ring->maps[2];
	ring->sq_tail = (void *)(sq + params.sq_off.tail);
	ring->sq_mask = (void *)(sq + params.sq_off.ring_mask);
	ring->sq_array = (void *)(sq + params.sq_off.array);
	ring->cq_head = (void *)(cq + params.cq_off.head);
	ring->cq_tail = (void *)(cq + params.cq_off.tail);
	ring->cq_mask = (void *)(cq + params.cq_off.ring_mask);
	ring->cqes = (void *)(cq + params.cq_off.cqes);
}

/* The memory holds the ring as its number does. */
static inline void fd_ring_free(struct fd_ring *ring)
{
	for (int i = 0; i < 3; i++)
		ASSERT_SYS(munmap(ring->maps[i], ring->sizes[i]));
	ASSERT_SYS(close(ring->fd));
}

/* Queues one request; the caller fills in what it is. */
static inline struct io_uring_sqe *fd_ring_next(struct fd_ring *ring)
{
	unsigned int index = *ring->sq_tail & *ring->sq_mask;

	ring->sq_array[index] = index;
	memset(&ring->sqes[index], 0, sizeof(ring->sqes[index]));
	return &ring->sqes[index];
}

static inline void fd_ring_submit(struct fd_ring *ring, unsigned int wait)
{
	__atomic_store_n(ring->sq_tail, *ring->sq_tail + 1, __ATOMIC_RELEASE);
	ASSERT_EQ(ASSERT_SYS(syscall(SYS_io_uring_enter, ring->fd, 1, wait,
				     wait ? IORING_ENTER_GETEVENTS : 0,
				     NULL, 0)), 1);
}

/* Takes one result. */
static inline int fd_ring_result(struct fd_ring *ring)
{
	unsigned int head = *ring->cq_head;
	int result;

	ASSERT_NE(head, __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE));
	result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static inline void fd_ring_close(int number, unsigned int flags)
{
	struct io_uring_sqe *sqe;
	struct fd_ring ring;
	int result;

	fd_ring_open(&ring);
	sqe = fd_ring_next(&ring);
	sqe->opcode = IORING_OP_CLOSE;
	sqe->fd = number;
	sqe->flags = flags;
	fd_ring_submit(&ring, 1);
	result = fd_ring_result(&ring);
	fd_ring_free(&ring);
	ASSERT_EQ(result, 0);
}

/* Every way a number is closed by the process that owns it. */

static inline void fd_by_close(int number)
{
	ASSERT_SYS(close(number));
}

static inline int fd_other_file(void)
{
	return ASSERT_SYS(open("/dev/null", O_RDWR | O_CLOEXEC));
}

static inline void fd_by_dup2(int number)
{
	int other = fd_other_file();

	ASSERT_SYS(dup2(other, number));
	close(other);
}

static inline void fd_by_dup3(int number)
{
	int other = fd_other_file();

	ASSERT_SYS(dup3(other, number, O_CLOEXEC));
	close(other);
}

/* The new file is the old one, reached through another number. */
static inline void fd_by_dup2_same_file(int number)
{
	int other = ASSERT_SYS(dup(number));

	ASSERT_SYS(dup2(other, number));
	close(other);
}

static inline void fd_by_dup3_same_file(int number)
{
	int other = ASSERT_SYS(dup(number));

	ASSERT_SYS(dup3(other, number, O_CLOEXEC));
	close(other);
}

static inline void fd_by_close_range(int number)
{
	ASSERT_SYS(syscall(SYS_close_range, number, number, 0));
}

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE	2
#endif

/* Another thread of the process uses the same descriptor table. */
static inline bool fd_table_is_shared(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	bool shared = false;

	ASSERT_TRUE(tasks);
	while ((task = readdir(tasks))) {
		pid_t tid = atoi(task->d_name);

		if (tid > 0 && tid != kq_gettid())
			shared |= !syscall(SYS_kcmp, kq_gettid(), tid,
					   KCMP_FILES, 0, 0);
	}
	closedir(tasks);
	return shared;
}

/* The table is not shared: nothing is copied, the number is just closed. */
static inline void fd_by_close_range_unshare(int number)
{
	if (fd_table_is_shared())
		KQ_SKIP("would give this thread a table of its own");
	ASSERT_SYS(syscall(SYS_close_range, number, number,
			   CLOSE_RANGE_UNSHARE));
}

static inline void *fd_thread_close(void *number)
{
	ASSERT_SYS(close((int)(intptr_t)number));
	return NULL;
}

static inline void fd_by_thread(int number)
{
	kq_join(kq_thread(fd_thread_close, (void *)(intptr_t)number));
}

static inline void *fd_thread_dup2(void *number)
{
	fd_by_dup2((int)(intptr_t)number);
	return NULL;
}

static inline void fd_by_thread_dup2(int number)
{
	kq_join(kq_thread(fd_thread_dup2, (void *)(intptr_t)number));
}

static inline void fd_by_io_uring(int number)
{
	fd_ring_close(number, 0);
}

static inline void fd_by_io_uring_async(int number)
{
	fd_ring_close(number, IOSQE_ASYNC);
}

struct fd_way {
	const char *name;
	void (*close)(int number);
	bool keeps_file;	/* the number names the same file afterwards */
	bool late;		/* the kernel itself releases the file later */
};

static const struct fd_way fd_ways[] KQ_UNUSED = {
	{ .name = "close", .close = fd_by_close },
	{ .name = "dup2", .close = fd_by_dup2 },
	{ .name = "dup3", .close = fd_by_dup3 },
	{ .name = "dup2_same_file", .close = fd_by_dup2_same_file,
	  .keeps_file = true },
	{ .name = "dup3_same_file", .close = fd_by_dup3_same_file,
	  .keeps_file = true },
	{ .name = "close_range", .close = fd_by_close_range },
	{ .name = "close_range_unshare", .close = fd_by_close_range_unshare },
	{ .name = "close_in_thread", .close = fd_by_thread },
	{ .name = "dup2_in_thread", .close = fd_by_thread_dup2 },
	{ .name = "io_uring", .close = fd_by_io_uring },
	{ .name = "io_uring_async", .close = fd_by_io_uring_async,
	  .late = true },
};

#endif /* KQ_FD_H */
