// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the side effects of the reference that a registration holds: whatever
 * the last close of a file does is done when close returned, watched or not.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mount.h>

static void watch(int kq, int fd)
{
	struct kevent events[4];

	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, fd, EVFILT_WRITE, 0, 0, 0, NULL));
	/* Delivered or not, it makes no difference. */
	kq_collect(kq, events, 4);
}

static char path[] = "/tmp/kq-effect-XXXXXX";

KQ_TEST(module_proves_its_hook, "KQ-082",
	"the module says that close drops registrations before it returns")
{
	struct kq_info info = { 0 };

	ASSERT_SYS(ioctl(kq_new(), KQ_IOC_INFO, &info));
	ASSERT_TRUE(info.features & KQ_FEATURE_CLOSE_SYNC);
	ASSERT_EQ(info.missed_closes, 0);
}

KQ_TEST(file_lock_is_released, "KQ-082", "flock ends with the close")
{
	int kq = kq_new(), fd = ASSERT_SYS(mkstemp(path)), other;

	ASSERT_SYS(flock(fd, LOCK_EX));
	other = ASSERT_SYS(open(path, O_RDWR));
	watch(kq, fd);
	ASSERT_ERRNO(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(flock(other, LOCK_EX | LOCK_NB));
	unlink(path);
}

KQ_TEST(program_can_run, "KQ-082", "a file closed for writing can be executed")
{
	static const char script[] = "#!/bin/sh\nexit 0\n";
	char *arguments[] = { path, NULL };
	int kq = kq_new(), fd = ASSERT_SYS(mkstemp(path));
	pid_t child;

	kq_write(fd, script, sizeof(script) - 1);
	ASSERT_SYS(fchmod(fd, 0700));
	watch(kq, fd);
	ASSERT_SYS(close(fd));
	child = kq_fork();
	if (!child) {
		execv(path, arguments);
		KQ_FAIL_NOW("exec: %s", kq_errno_name(errno));
	}
	kq_reap(child);
	unlink(path);
}

KQ_TEST(mount_is_not_busy, "KQ-082", "a mount whose file was closed unmounts")
{
	int kq = kq_new(), fd;
	char directory[] = "/tmp/kq-mount-XXXXXX", file[64];

	ASSERT_TRUE(mkdtemp(directory));
	if (mount("none", directory, "tmpfs", 0, NULL) && errno == EPERM)
		KQ_SKIP("mounting needs root");
	snprintf(file, sizeof(file), "%s/file", directory);
	fd = ASSERT_SYS(open(file, O_CREAT | O_RDWR, 0600));
	watch(kq, fd);
	ASSERT_ERRNO(umount(directory), EBUSY);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(umount(directory));
	rmdir(directory);
}

KQ_TEST(close_is_notified, "KQ-082", "inotify sees the close when it returned")
{
	struct {
		struct inotify_event event;
		char name[256];
	} seen;
	int kq = kq_new(), fd = ASSERT_SYS(mkstemp(path));
	int notify = ASSERT_SYS(inotify_init1(IN_NONBLOCK));

	watch(kq, fd);
	ASSERT_SYS(inotify_add_watch(notify, path, IN_CLOSE_WRITE));
	ASSERT_SYS(close(fd));
	ASSERT_GT(read(notify, &seen, sizeof(seen)), 0);
	ASSERT_EQ(seen.event.mask, IN_CLOSE_WRITE);
	unlink(path);
}

static const struct {
	const char *name;
	int type;
	bool listening;
} ports[] = {
	{ "udp", SOCK_DGRAM, false },
	{ "tcp", SOCK_STREAM, false },
	{ "tcp_listening", SOCK_STREAM, true },
};

KQ_TEST_EACH(port_is_free, "KQ-082",
	     "the port of a closed socket can be bound again", ports)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof(address);
	int kq = kq_new(), fd, other;

	fd = ASSERT_SYS(socket(AF_INET, variant->type, 0));
	other = ASSERT_SYS(socket(AF_INET, variant->type, 0));
	ASSERT_SYS(bind(fd, (void *)&address, size));
	ASSERT_SYS(getsockname(fd, (void *)&address, &size));
	if (variant->listening)
		ASSERT_SYS(listen(fd, 1));
	watch(kq, fd);
	ASSERT_ERRNO(bind(other, (void *)&address, size), EADDRINUSE);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(bind(other, (void *)&address, size));
}

KQ_TEST(name_is_free, "KQ-082",
	"the abstract name of a closed unix socket can be bound again")
{
	struct sockaddr_storage address = { .ss_family = AF_UNIX };
	socklen_t size = sizeof(sa_family_t);
	int kq = kq_new(), fd, other;

	fd = ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	other = ASSERT_SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	ASSERT_SYS(bind(fd, (void *)&address, size));
	size = sizeof(address);
	ASSERT_SYS(getsockname(fd, (void *)&address, &size));
	ASSERT_SYS(listen(fd, 1));
	watch(kq, fd);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(bind(other, (void *)&address, size));
}

KQ_TEST(terminal_hangs_up, "KQ-082 KQ-134",
	"closing a watched pty master hangs the slave up at once")
{
	int kq = kq_new(), master, slave;

	master = ASSERT_SYS(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK));
	ASSERT_SYS(grantpt(master));
	ASSERT_SYS(unlockpt(master));
	slave = ASSERT_SYS(open(ptsname(master),
				O_RDWR | O_NOCTTY | O_NONBLOCK));
	watch(kq, master);
	ASSERT_SYS(close(master));
	ASSERT_ERRNO(write(slave, "x", 1), EIO);
}
