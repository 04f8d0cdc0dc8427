// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the queue in a container: namespaces of its own, a root with little in
 * it and the device node passed in; and who may open which node.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include "kq_proc.h"
#include "kq_user.h"
#include "kq_signal.h"

#include <net/if.h>
#include <sys/sysmacros.h>

#define NODE		"/dev/kqueue"
#define FIRST_UID	100000		/* of the container's root, outside */
#define SPACES		(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | \
			 CLONE_NEWNET | CLONE_NEWUTS)

struct container {
	pid_t maker;	/* collects the first process */
	pid_t first;	/* by our number */
	int turn;	/* with it */
};

static void write_map(pid_t pid, const char *name)
{
	char path[64], map[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	snprintf(map, sizeof(map), "0 %d 65536", FIRST_UID);
	fd = ASSERT_SYS(open(path, O_WRONLY | O_CLOEXEC));
	kq_write(fd, map, strlen(map));
	ASSERT_SYS(close(fd));
}

/* What a container manager mounts: the node, a /proc, programs to run. */
static void enter_root(void)
{
	static const char * const dirs[] = { "/tmp/dev", "/tmp/proc", "/tmp/tmp", "/tmp/usr" };

	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, "mode=0755"));
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		ASSERT_SYS(mkdir(dirs[i], 0777));
	ASSERT_SYS(close(ASSERT_SYS(creat("/tmp" NODE, 0600))));
	ASSERT_SYS(mount(NODE, "/tmp" NODE, NULL, MS_BIND, NULL));
	ASSERT_SYS(mount("/usr", "/tmp/usr", NULL, MS_BIND | MS_REC, NULL));
	ASSERT_SYS(symlink("usr/lib", "/tmp/lib"));
	ASSERT_SYS(symlink("usr/lib64", "/tmp/lib64"));
	ASSERT_SYS(symlink("usr/lib32", "/tmp/lib32"));
	ASSERT_SYS(mount("kq", "/tmp/proc", "proc", 0, NULL));
	ASSERT_SYS(chroot("/tmp"));
	ASSERT_SYS(chdir("/"));
}

static void raise_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = ASSERT_SYS(socket(AF_INET, SOCK_DGRAM, 0));

	ASSERT_SYS(ioctl(fd, SIOCSIFFLAGS, &request));
	ASSERT_SYS(close(fd));
}

/* The container's first process returns 0, ours another number. */
static pid_t start_container(struct container *c)
{
	if (geteuid())
		KQ_SKIP("needs root to map the users of a container");
	c->maker = proc_fork(&c->turn);
	if (!c->maker) {
		if (unshare(SPACES))
			KQ_SKIP("this kernel has no user namespaces");
		proc_ask(c->turn);
		ASSERT_SYS(setresgid(0, 0, 0));
		ASSERT_SYS(setresuid(0, 0, 0));
		c->first = kq_fork();
		if (c->first) {
			proc_say(c->turn, c->first);
			kq_reap(c->first);
			_exit(0);
		}
		ASSERT_EQ(getpid(), 1);
		proc_hear(c->turn);
		enter_root();
		raise_loopback();
		return 0;
	}
	if (kq_await_poll(c->turn, POLLIN) & POLLHUP)
		kq_reap(c->maker);
	proc_hear(c->turn);
	write_map(c->maker, "uid_map");
	write_map(c->maker, "gid_map");
	c->first = (pid_t)proc_ask(c->turn);
	proc_say(c->turn, 0);
	return c->first;
}

static void end_container(const struct container *c)
{
	kq_reap(c->maker);
}

/* The next event is the only one. */
static void assert_next_at(const char *file, int line, int kq, uintptr_t ident, int filter)
{
	struct kevent event = kq_one_at(file, line, kq, -1);

	if (event.ident != ident || event.filter != filter)
		kq_fail(file, line, "wanted filter %d, got %s", filter, kq_text(&event));
	kq_fence_at(file, line, kq, NULL, 0);
}
#define assert_next(kq, ident, filter)	assert_next_at(__FILE__, __LINE__, kq, ident, filter)

static int add_once(int kq, uintptr_t ident, int filter, unsigned int fflags, intptr_t data)
{
	return kq_add(kq, ident, filter, EV_ONESHOT, fflags, data, PROC_MARK);
}

static void try_descriptors(int kq, void (*open_pair)(int fds[2]))
{
	int fds[2];

	open_pair(fds);
	ASSERT_OK(add_once(kq, fds[0], EVFILT_READ, 0, 0));
	kq_fence(kq);
	kq_write(fds[1], "x", 1);
	assert_next(kq, fds[0], EVFILT_READ);
	ASSERT_OK(add_once(kq, fds[1], EVFILT_WRITE, 0, 0));
	assert_next(kq, fds[1], EVFILT_WRITE);
	kq_drain(fds[0]);
	ASSERT_OK(add_once(kq, fds[1], EVFILT_EMPTY, 0, 0));
	assert_next(kq, fds[1], EVFILT_EMPTY);
	ASSERT_OK(add_once(kq, fds[0], EVFILT_EXCEPT, NOTE_OOB, 0));
	kq_fence(kq);
	if (send(fds[1], "!", 1, MSG_OOB) == 1)
		assert_next(kq, fds[0], EVFILT_EXCEPT);
	ASSERT_SYS(close(fds[0]));
	ASSERT_SYS(close(fds[1]));
}

KQ_TEST(every_filter, "KQ-106 KQ-183 KQ-200", "each filter works in a container")
{
	struct container c;

	if (!start_container(&c)) {
		int kq = kq_new(), fd, turn;
		pid_t child;

		try_descriptors(kq, kq_tcp_pair);
		try_descriptors(kq, kq_unix_stream);

		fd = ASSERT_SYS(open("/tmp/file", O_CREAT | O_RDWR, 0600));
		ASSERT_OK(add_once(kq, fd, EVFILT_VNODE, NOTE_WRITE | NOTE_DELETE, 0));
		kq_write(fd, "x", 1);
		assert_next(kq, fd, EVFILT_VNODE);
		ASSERT_OK(add_once(kq, fd, EVFILT_VNODE, NOTE_DELETE, 0));
		ASSERT_SYS(unlink("/tmp/file"));
		assert_next(kq, fd, EVFILT_VNODE);

		ASSERT_OK(add_once(kq, 1, EVFILT_TIMER, 0, 1));
		assert_next(kq, 1, EVFILT_TIMER);
		ASSERT_OK(add_once(kq, 1, EVFILT_USER, NOTE_TRIGGER, 0));
		assert_next(kq, 1, EVFILT_USER);

		signal_ignore(SIGUSR1);
		ASSERT_OK(add_once(kq, SIGUSR1, EVFILT_SIGNAL, 0, 0));
		signal_send(SIGUSR1);
		assert_next(kq, SIGUSR1, EVFILT_SIGNAL);

		ASSERT_OK(add_once(kq, 0, EVFILT_FS, 0, 0));
		ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
		assert_next(kq, 0, EVFILT_FS);

		child = proc_fork(&turn);
		if (!child) {
			proc_hear(turn);
			proc_exec(turn);
		}
		ASSERT_OK(add_once(kq, child, EVFILT_PROC, NOTE_EXEC, 0));
		ASSERT_EQ(proc_ask(turn), child);
		assert_next(kq, child, EVFILT_PROC);
		fd = proc_pidfd(child);
		ASSERT_OK(add_once(kq, fd, EVFILT_PROCDESC, NOTE_EXIT, 0));
		proc_say(turn, 3);
		assert_next(kq, fd, EVFILT_PROCDESC);
		ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
		_exit(0);
	}
	end_container(&c);
}

/* Processes. */

/* No line of the queue's fdinfo names a process beyond that number. */
static void assert_shown_at_most(int kq, pid_t last)
{
	char path[64], line[512];
	unsigned long long ident;
	int lines = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "knote: ident=%llu filter=proc", &ident) != 1)
			continue;
		ASSERT_LE(ident, last);
		lines++;
	}
	fclose(file);
	ASSERT_GT(lines, 0);
}

KQ_TEST(own_processes_only, "KQ-183 KQ-186 KQ-195",
	"in a container numbers are its own and processes outside are none")
{
	struct container c;
	pid_t outer = getpid();

	if (!start_container(&c)) {
		struct kevent events[3];
		int kq = kq_new(), turn, idle_turn;
		pid_t idle = proc_idle(&idle_turn), maker, child;

		maker = proc_start_maker(&proc_ways[0], &turn);
		ASSERT_EQ(maker, 3);
		/* Ours end before those of the host begin, or this proves nothing. */
		ASSERT_GT(outer, 20);
		for (pid_t pid = maker + 1; pid < outer + 100; pid++)
			ASSERT_ERR(proc_add(kq, pid, NOTE_EXIT), ESRCH);
		ASSERT_OK(proc_add(kq, 1, NOTE_FORK | NOTE_TRACK | NOTE_EXIT));
		ASSERT_OK(proc_add(kq, idle, NOTE_FORK | NOTE_TRACK | NOTE_EXIT));
		ASSERT_OK(proc_add(kq, maker, NOTE_TRACK | NOTE_EXIT));
		/* What is made outside meanwhile is nobody's child in here. */
		proc_say(c.turn, 0);
		proc_hear(c.turn);
		kq_fence(kq);
		child = proc_make_child(turn);
		ASSERT_EQ(child, 4);
		proc_take(kq, events, 2);
		proc_assert_child(events[0], child, maker);
		PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(3, 0));
		assert_shown_at_most(kq, 4);
		proc_say(idle_turn, 5);
		PROC_NEXT_END(kq, idle, W_EXITCODE(5, 0));
		proc_say(turn, 0);
		PROC_NEXT_END(kq, maker, W_EXITCODE(7, 0));
		_exit(0);
	}
	proc_hear(c.turn);
	for (int i = 0; i < 20; i++)
		kq_reap(proc_by_fork(0));
	proc_say(c.turn, 0);
	end_container(&c);
}

KQ_TEST(watched_from_outside, "KQ-183 KQ-194 KQ-195",
	"a watcher outside knows the container's processes by its own numbers")
{
	int kq = kq_new(), back;
	struct kevent events[2];
	struct container c;
	pid_t child;

	if (!start_container(&c)) {
		int own = kq_new();

		ASSERT_OK(proc_add(own, 1, NOTE_TRACK | NOTE_EXIT));
		proc_say(c.turn, 0);
		proc_hear(c.turn);
		child = proc_by_fork(3);
		proc_take(own, events, 2);
		proc_assert_child(events[0], child, 1);
		PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(3, 0));
		ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
		proc_say(c.turn, child);
		_exit(0);
	}
	proc_hear(c.turn);
	ASSERT_OK(proc_add(kq, c.first, NOTE_TRACK | NOTE_EXIT));
	back = (int)proc_ask(c.turn);
	proc_take(kq, events, 2);
	child = (pid_t)events[0].ident;
	ASSERT_NE(child, back);
	ASSERT_GT(child, c.first);
	proc_assert_child(events[0], child, c.first);
	PROC_ENDED(events[1], child, NOTE_EXIT, W_EXITCODE(3, 0));
	end_container(&c);
	PROC_ENDED(kq_next(kq), c.first, NOTE_EXIT, 0);
	proc_assert_gone(kq, c.first);
}

KQ_TEST(status_inside, "KQ-199",
	"root of a container is told the status of its users' processes, a user of it is not")
{
	struct container c;

	if (!start_container(&c)) {
		static const struct user users[] = {
			{ 0, 0, USER_CAPS_ALL }, { 1, 1, 0 }, { 2, 2, 0 },
		};

		for (size_t i = 0; i < ARRAY_SIZE(users); i++) {
			int target_turn, turn;
			pid_t target = proc_fork(&target_turn), watcher;

			if (!target) {
				user_become(&users[1]);
				proc_say(target_turn, 0);
				_exit((int)proc_hear(target_turn));
			}
			proc_hear(target_turn);
			watcher = proc_fork(&turn);
			if (!watcher) {
				int kq;

				user_become(&users[i]);
				kq = kq_new();
				ASSERT_OK(proc_add(kq, target, NOTE_EXIT));
				proc_say(turn, 0);
				PROC_ENDED(kq_next(kq), target, NOTE_EXIT,
					   i < 2 ? W_EXITCODE(7, 0) : 0);
				_exit(0);
			}
			proc_hear(turn);
			proc_say(target_turn, 7);
			kq_reap(watcher);
			ASSERT_EQ(proc_status(target), W_EXITCODE(7, 0));
		}
		_exit(0);
	}
	end_container(&c);
}

/* Signals and mounts. */

KQ_TEST(signals_from_outside, "", "signals that are sent from outside the container count")
{
	struct container c;

	if (!start_container(&c)) {
		int kq = kq_new();

		signal_ignore(SIGUSR1);
		ASSERT_OK(signal_add(kq, SIGUSR1));
		proc_say(c.turn, 0);
		proc_hear(c.turn);
		signal_assert(kq, SIGUSR1, 3);
		_exit(0);
	}
	proc_hear(c.turn);
	for (int i = 0; i < 3; i++)
		ASSERT_SYS(kill(c.first, SIGUSR1));
	proc_say(c.turn, 0);
	end_container(&c);
}

KQ_TEST(own_mounts_only, "",
	"EVFILT_FS in a container sees its own mounts, and none outside; nor do those outside")
{
	struct container c;
	int kq;

	if (!start_container(&c)) {
		kq = kq_new();
		ASSERT_OK(kq_add(kq, 0, EVFILT_FS, 0, 0, 0, PROC_MARK));
		proc_say(c.turn, 0);
		proc_hear(c.turn);
		kq_fence(kq);
		ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
		ASSERT_EVENT(kq_next(kq), 0, EVFILT_FS, EV_ADD | EV_CLEAR, VQ_MOUNT, 0,
			     PROC_MARK);
		proc_say(c.turn, 0);
		_exit(0);
	}
	user_private_mounts();
	proc_hear(c.turn);
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, NULL));
	kq = kq_new();
	ASSERT_OK(kq_add(kq, 0, EVFILT_FS, 0, 0, 0, PROC_MARK));
	proc_ask(c.turn);
	kq_fence(kq);
	end_container(&c);
}

/* Nodes. */

KQ_TEST(node_not_passed_in, "", "without the node in the container kqueue() fails ENOSYS")
{
	struct container c;

	if (!start_container(&c)) {
		ASSERT_SYS(umount2(NODE, MNT_DETACH));
		/* What the node was mounted on is no device. */
		ASSERT_ERRNO(kqueue(), ENOSYS);
		ASSERT_SYS(unlink(NODE));
		ASSERT_ERRNO(kqueue(), ENOSYS);
		_exit(0);
	}
	end_container(&c);
}

KQ_TEST(node_without_devices, "", "a node on a mount with nodev fails EACCES")
{
	struct container c;

	if (!start_container(&c)) {
		ASSERT_SYS(mount(NULL, NODE, NULL, MS_REMOUNT | MS_BIND | MS_NODEV, NULL));
		ASSERT_ERRNO(kqueue(), EACCES);
		_exit(0);
	}
	end_container(&c);
}

KQ_TEST(node_cannot_be_made, "", "root of a container cannot make the node")
{
	struct container c;

	if (!start_container(&c)) {
		struct stat node;

		ASSERT_SYS(stat(NODE, &node));
		ASSERT_TRUE(S_ISCHR(node.st_mode));
		ASSERT_ERRNO(mknod("/dev/other", S_IFCHR | 0666, node.st_rdev), EPERM);
		_exit(0);
	}
	end_container(&c);
}

static const struct right {
	const char *name;
	mode_t mode;
	gid_t group;
	bool root, in_group, other;	/* may open it */
} rights[] = {
	{ "all", 0666, 0, true, true, true },
	{ "root_only", 0600, 0, true, false, false },
	{ "one_group", 0660, USER_A, true, true, false },
	/* A queue is open for both or not at all. */
	{ "read_only", 0444, 0, true, false, false },
	{ "write_only", 0222, 0, true, false, false },
};

static void try_node(uid_t uid, uint64_t caps, bool allowed)
{
	const struct user user = { uid, uid, caps };
	pid_t child = kq_fork();

	if (!child) {
		user_become(&user);
		if (allowed)
			fd_assert_queue_works(kq_new());
		else
			ASSERT_ERRNO(kqueue(), EACCES);
		_exit(0);
	}
	kq_reap(child);
}

KQ_TEST_EACH(mode_of_the_node, "",
	     "the mode of the node says who may open it, others fail EACCES", rights)
{
	struct stat node;

	user_private_mounts();
	ASSERT_SYS(stat(NODE, &node));
	ASSERT_SYS(mount("kq", "/tmp", "tmpfs", 0, "mode=0755"));
	ASSERT_SYS(mkdir("/tmp/dev", 0755));
	ASSERT_SYS(mknod("/tmp" NODE, S_IFCHR, node.st_rdev));
	ASSERT_SYS(chown("/tmp" NODE, 0, variant->group));
	ASSERT_SYS(chmod("/tmp" NODE, variant->mode));
	ASSERT_SYS(chroot("/tmp"));
	ASSERT_SYS(chdir("/"));
	try_node(0, USER_CAPS_ALL, variant->root);
	try_node(USER_A, 0, variant->in_group);
	try_node(USER_B, 0, variant->other);
}
