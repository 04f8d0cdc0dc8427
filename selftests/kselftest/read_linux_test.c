// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ and EVFILT_WRITE on the objects that only Linux has, and
 * on devices: active as poll(2) says, data as far as it is known.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int add_read(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, 0, 0, (void *)1);
}

static int add_write(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_WRITE, flags, 0, 0, (void *)2);
}

static void assert_read(int kq, int fd, unsigned int flags, intptr_t data)
{
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_READ, EV_ADD | flags, 0, data,
		     (void *)1);
}

/* eventfd */

static void add_to(int fd, uint64_t value)
{
	kq_write(fd, &value, sizeof(value));
}

static uint64_t take_from(int fd)
{
	uint64_t value;

	ASSERT_EQ(read(fd, &value, sizeof(value)), sizeof(value));
	return value;
}

KQ_TEST(eventfd_counter, "KQ-135", "eventfd: data is the counter, idle after read")
{
	int kq = kq_new(), fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));

	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	add_to(fd, 5);
	assert_read(kq, fd, 0, 5);
	add_to(fd, 2);
	assert_read(kq, fd, 0, 7);
	ASSERT_EQ(take_from(fd), 7);
	kq_fence(kq);
}

KQ_TEST(eventfd_with_clear, "KQ-135 KQ-062",
	"eventfd with EV_CLEAR: each addition is one event")
{
	int kq = kq_new(), fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));

	ASSERT_OK(add_read(kq, fd, EV_CLEAR));
	for (int count = 1; count <= 3; count++) {
		add_to(fd, 1);
		assert_read(kq, fd, EV_CLEAR, count);
		kq_fence(kq);
	}
}

KQ_TEST(eventfd_semaphore, "KQ-135",
	"eventfd as semaphore: data is the counter as well")
{
	int kq = kq_new();
	int fd = ASSERT_SYS(eventfd(3, EFD_NONBLOCK | EFD_SEMAPHORE));

	ASSERT_OK(add_read(kq, fd, 0));
	assert_read(kq, fd, 0, 3);
	ASSERT_EQ(take_from(fd), 1);
	assert_read(kq, fd, 0, 2);
}

KQ_TEST(eventfd_clamped, "KQ-135",
	"eventfd: data stops at the largest value it can hold")
{
	int kq = kq_new(), fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));

	add_to(fd, UINT64_MAX - 1);
	ASSERT_OK(add_read(kq, fd, 0));
	assert_read(kq, fd, 0, INTPTR_MAX);
}

KQ_TEST(eventfd_room, "KQ-135",
	"eventfd WRITE: data is what may still be added, idle when full")
{
	int kq = kq_new(), fd = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));

	ASSERT_OK(add_write(kq, fd, 0));
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_WRITE, EV_ADD, 0, INTPTR_MAX,
		     (void *)2);
	add_to(fd, UINT64_MAX - 1 - 100);
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_WRITE, EV_ADD, 0, 100, (void *)2);
	add_to(fd, 100);
	kq_fence(kq);
	take_from(fd);
	ASSERT_EVENT(kq_one(kq), fd, EVFILT_WRITE, EV_ADD, 0, INTPTR_MAX,
		     (void *)2);
}

/* timerfd */

KQ_TEST(timerfd_expired, "KQ-136",
	"timerfd: idle until it expires, data 1 after one expiry, idle when read")
{
	const struct itimerspec once = { .it_value.tv_nsec = 1 };
	int kq = kq_new();
	int fd = ASSERT_SYS(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));

	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_SYS(timerfd_settime(fd, 0, &once, NULL));
	ASSERT_EVENT(kq_next(kq), fd, EVFILT_READ, EV_ADD, 0, 1, (void *)1);
	ASSERT_EQ(take_from(fd), 1);
	kq_fence(kq);
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
}

/* What expired since the last read is counted by the read alone. */
KQ_TEST(timerfd_expirations, "KQ-136",
	"timerfd: data of a periodic one is no more than a read would take")
{
	const struct itimerspec period = {
		.it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000,
	};
	int kq = kq_new();
	int fd = ASSERT_SYS(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	intptr_t seen;

	ASSERT_OK(add_read(kq, fd, 0));
	ASSERT_SYS(timerfd_settime(fd, 0, &period, NULL));
	kq_sleep_ms(20);
	seen = kq_one(kq).data;
	ASSERT_GE(seen, 1);
	ASSERT_GE(take_from(fd), seen);
}

/* signalfd */

KQ_TEST(signalfd_pending, "KQ-136",
	"signalfd: active while a signal is pending, data in whole records")
{
	int kq = kq_new(), fd;
	struct signalfd_siginfo info;
	struct kevent event;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	ASSERT_SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	fd = ASSERT_SYS(signalfd(-1, &set, SFD_NONBLOCK));
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	raise(SIGUSR1);
	assert_read(kq, fd, 0, sizeof(info));
	raise(SIGUSR2);
	event = kq_one(kq);
	ASSERT_TRUE(event.data == sizeof(info) || event.data == 2 * sizeof(info));
	ASSERT_EQ(read(fd, &info, sizeof(info)), sizeof(info));
	assert_read(kq, fd, 0, sizeof(info));
	ASSERT_EQ(read(fd, &info, sizeof(info)), sizeof(info));
	kq_fence(kq);
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
}

/* inotify and fanotify */

KQ_TEST(inotify_events, "KQ-136",
	"inotify: active with FIONREAD bytes, idle after read")
{
	int kq = kq_new(), fd = ASSERT_SYS(inotify_init1(IN_NONBLOCK));

	ASSERT_SYS(inotify_add_watch(fd, "/tmp", IN_OPEN));
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	close(ASSERT_SYS(open("/tmp", O_RDONLY)));
	assert_read(kq, fd, 0, fd_waiting_bytes(fd));
	ASSERT_GT(kq_drain(fd), 0);
	kq_fence(kq);
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
}

KQ_TEST(fanotify_events, "KQ-136",
	"fanotify: active with FIONREAD bytes, idle after read")
{
	char buffer[4096];
	int kq = kq_new(), fd;

	fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK, O_RDONLY);
	if (fd < 0 && (errno == EPERM || errno == ENOSYS))
		KQ_SKIP("fanotify needs root and a kernel that has it");
	ASSERT_SYS(fd);
	ASSERT_SYS(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_ONDIR,
				 AT_FDCWD, "/tmp"));
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	close(ASSERT_SYS(open("/tmp", O_RDONLY | O_DIRECTORY)));
	assert_read(kq, fd, 0, fd_waiting_bytes(fd));
	ASSERT_GT(read(fd, buffer, sizeof(buffer)), 0);
	kq_fence(kq);
}

/* pidfd */

static int open_pidfd(pid_t pid)
{
	return ASSERT_SYS((int)syscall(SYS_pidfd_open, pid, 0));
}

KQ_TEST(pidfd_end, "KQ-137",
	"pidfd: idle while the process lives, EV_EOF after its exit")
{
	int kq = kq_new(), hold[2], fd;
	pid_t child;

	kq_pipe(hold);
	child = kq_fork();
	if (!child) {
		close(hold[1]);
		kq_await_poll(hold[0], POLLIN);
		_exit(0);
	}
	fd = open_pidfd(child);
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
	close(hold[1]);
	ASSERT_EVENT(kq_next(kq), fd, EVFILT_READ, EV_ADD | EV_EOF, 0, 0,
		     (void *)1);
	kq_reap(child);
	/* Reaped is exited as well. */
	assert_read(kq, fd, EV_EOF, 0);
}

KQ_TEST(pidfd_of_a_zombie, "KQ-137",
	"pidfd of a process that has exited: EV_EOF at once")
{
	int kq = kq_new(), fd;
	pid_t child = kq_fork();
	siginfo_t info;

	if (!child)
		_exit(0);
	ASSERT_SYS(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
	fd = open_pidfd(child);
	ASSERT_OK(add_read(kq, fd, EV_CLEAR));
	assert_read(kq, fd, EV_CLEAR | EV_EOF, 0);
	kq_reap(child);
}

/* epoll */

KQ_TEST(epoll_ready, "KQ-136",
	"epoll: active with data 1 while it has events, idle when they end")
{
	struct epoll_event interest = { .events = EPOLLIN };
	int kq = kq_new(), fd = ASSERT_SYS(epoll_create1(0)), fds[2];

	kq_pipe(fds);
	ASSERT_SYS(epoll_ctl(fd, EPOLL_CTL_ADD, fds[0], &interest));
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	kq_write(fds[1], "x", 1);
	assert_read(kq, fd, 0, 1);
	assert_read(kq, fd, 0, 1);
	ASSERT_EQ(kq_drain(fds[0]), 1);
	kq_fence(kq);
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
}

/* io_uring */

KQ_TEST(io_uring_completions, "KQ-136",
	"io_uring: READ while completions are there, WRITE while there is room")
{
	struct fd_ring ring;
	int kq = kq_new();
	struct kevent event;

	fd_ring_open(&ring);
	ASSERT_OK(add_read(kq, ring.fd, 0));
	kq_fence(kq);
	fd_ring_next(&ring)->opcode = IORING_OP_NOP;
	fd_ring_submit(&ring, 1);
	event = kq_next(kq);
	ASSERT_EVENT(event, ring.fd, EVFILT_READ, EV_ADD, 0, 1, (void *)1);
	ASSERT_EQ(fd_ring_result(&ring), 0);
	kq_fence(kq);
	ASSERT_OK(kq_del(kq, ring.fd, EVFILT_READ));
	ASSERT_OK(add_write(kq, ring.fd, 0));
	ASSERT_EVENT(kq_one(kq), ring.fd, EVFILT_WRITE, EV_ADD, 0, 1,
		     (void *)2);
}

/* Devices */

static const struct {
	const char *name;
	const char *path;
	intptr_t data;
} devices[] = {
	{ "null", "/dev/null", 0 },
	{ "zero", "/dev/zero", 0 },
	{ "random", "/dev/random", 1 },
};

KQ_TEST_EACH(character_device, "KQ-136",
	     "a character device that is always ready is always active",
	     devices)
{
	int kq = kq_new(), fd = ASSERT_SYS(open(variant->path, O_RDONLY));
	char byte;

	/* Waits until there is randomness at all. */
	ASSERT_EQ(syscall(SYS_getrandom, &byte, 1, 0), 1);
	ASSERT_OK(add_read(kq, fd, 0));
	assert_read(kq, fd, 0, variant->data);
	assert_read(kq, fd, 0, variant->data);
}

static bool emulated(void)
{
	bool found = false;
	char line[256];
	FILE *cpus = fopen("/proc/cpuinfo", "r");

	ASSERT_TRUE(cpus);
	while (!found && fgets(line, sizeof(line), cpus))
		found = strstr(line, "QEMU TCG");
	fclose(cpus);
	return found;
}

KQ_TEST(perf_event_of_a_dead_task, "KQ-136",
	"perf event: EV_EOF when the task it counts is gone")
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
	};
	int kq = kq_new(), hold[2], fd;
	pid_t child;

	/*
	 * Opening one makes the kernel patch its scheduler under the feet of the
	 * other processors, which QEMU's emulated ones answer with a stray
	 * breakpoint now and then.
	 */
	if (emulated() && sysconf(_SC_NPROCESSORS_ONLN) > 1)
		KQ_SKIP("emulated processors do not bear the kernel's code being patched");
	kq_pipe(hold);
	child = kq_fork();
	if (!child) {
		close(hold[1]);
		kq_await_poll(hold[0], POLLIN);
		_exit(0);
	}
	fd = (int)syscall(SYS_perf_event_open, &attr, child, -1, -1, 0);
	if (fd < 0)
		KQ_SKIP("perf events are not available here");
	ASSERT_SYS(mmap(NULL, 2 * getpagesize(), PROT_READ | PROT_WRITE,
			MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	ASSERT_OK(add_read(kq, fd, 0));
	kq_fence(kq);
	close(hold[1]);
	ASSERT_TRUE(kq_next(kq).flags & EV_EOF);
	kq_reap(child);
}

/* Objects without readiness */

static int open_fsopen(void)
{
	return (int)syscall(SYS_fsopen, "tmpfs", 0);
}

static int open_bpf_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_HASH,
		.key_size = 4, .value_size = 4, .max_entries = 1,
	};

	return (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int open_bpf_program(void)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)code, .insn_cnt = ARRAY_SIZE(code),
		.license = (uintptr_t)"GPL",
	};

	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static const struct {
	const char *name;
	int (*open)(void);
} unready[] = {
	{ "file_system_context", open_fsopen },
	{ "bpf_hash_map", open_bpf_map },
	{ "bpf_program", open_bpf_program },
};

KQ_TEST_EACH(no_readiness, "KQ-138",
	     "an anonymous inode that has no readiness is refused", unready)
{
	int kq = kq_new(), fd = variant->open();

	if (fd < 0)
		KQ_SKIP("the object is not available here");
	ASSERT_ERR(add_read(kq, fd, 0), EINVAL);
	ASSERT_ERR(add_write(kq, fd, 0), EINVAL);
	ASSERT_ERR(kq_del(kq, fd, EVFILT_READ), ENOENT);
}
