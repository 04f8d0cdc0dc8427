// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the races of forks: what a child makes of its parent's queues and of a
 * tracked process's knotes, while these go in the parent; and the module, which
 * is unloaded while a child is about to leave it.
 */
#include "kq_test.h"
#include "kq_race.h"
#include "kq_fork.h"
#include "kq_proc.h"

/* Copies. A thread forks and waits for the copy; the others of its process go on. */

#define HAS_QUEUE	1
#define HAS_KNOTE	2
#define HAS_EVENT	4

enum deed { DELETE, CLOSE, CLOSE_QUEUE, WRITE };

static int copied_queue, copied_fds[2];

/* What the child has, as its status. */
static int fork_and_look(struct race_call *call)
{
	int status, found = 0;
	struct kevent event;

	call->child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!call->child) {
		if (fork_is_open(copied_queue)) {
			found |= HAS_QUEUE;
			if (kq_poll(copied_queue, &event, 1) == 1)
				found |= HAS_EVENT;
			if (!kq_del(copied_queue, copied_fds[0], EVFILT_READ))
				found |= HAS_KNOTE;
		}
		_exit(found);
	}
	if (call->child < 0)
		return -errno;
	while (waitpid(call->child, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static const struct copy {
	const char *name;
	enum deed deed;
	bool waits;	/* for the end of the copy */
	int child;	/* what the child has */
	int error;	/* of EV_DELETE in the parent afterwards */
} copies[] = {
	{ "delete", DELETE, true, HAS_QUEUE | HAS_KNOTE, ENOENT },
	{ "close", CLOSE, false, HAS_QUEUE | HAS_KNOTE, EBADF },
	{ "queue", CLOSE_QUEUE, false, 0, EBADF },
	{ "event", WRITE, false, HAS_QUEUE | HAS_KNOTE | HAS_EVENT, 0 },
};

KQ_TEST_EACH(knote_is_copied, "KQ-093",
	     "a knote that goes, or fires, while a child copies it does so for the parent alone, or for both", copies)
{
	struct race_call call = { 0 };
	int error = 0;

	race_begin();
	copied_queue = fork_queue();
	kq_unix_stream(copied_fds);
	ASSERT_OK(kq_add(copied_queue, copied_fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	race_prepare(&call, fork_and_look);
	if (variant->waits)
		race_arm_until("copy", "flux_wait", 0);
	else
		race_arm("copy");
	race_go_to(&call, "copy");
	switch (variant->deed) {
	case DELETE:
		error = kq_del(copied_queue, copied_fds[0], EVFILT_READ);
		break;
	case CLOSE:
		error = close(copied_fds[0]);
		break;
	case CLOSE_QUEUE:
		error = close(copied_queue);
		break;
	case WRITE:
		kq_write(copied_fds[1], "x", 1);
		/* It is in flux: the event is recorded, and due when the copy is made. */
		kq_none(copied_queue);
		break;
	}
	ASSERT_EQ(error, 0);
	if (!variant->waits) {
		race_assert_inside("copy");
		race_release("copy");
	}
	ASSERT_EQ(race_join(&call), variant->child);
	race_assert_met("copy");
	if (variant->deed == WRITE)
		ASSERT_EQ(kq_one(copied_queue).data, 1);
	ASSERT_ERR(kq_del(copied_queue, copied_fds[0], EVFILT_READ), variant->error);
	/* Neither queue holds the file; one closed in between is dropped by a worker. */
	if (variant->deed != CLOSE)
		ASSERT_SYS(close(copied_fds[0]));
	else
		kq_await_poll(copied_fds[1], POLLIN);
	if (variant->deed != WRITE)
		fd_assert_eof(copied_fds[1]);
	if (variant->deed != CLOSE_QUEUE)
		ASSERT_SYS(close(copied_queue));
	race_end();
}

/* Tracking */

struct tracked {
	int kq, turn;
	pid_t maker;
};

/* A process that makes a child on the second processor when told to, and collects it. */
static void start_tracked(struct tracked *tracked)
{
	tracked->maker = proc_fork(&tracked->turn);
	if (!tracked->maker) {
		race_stay_on(1);
		while (proc_hear(tracked->turn)) {
			pid_t child = proc_by_fork(3);

			ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
			proc_say(tracked->turn, child);
		}
		_exit(0);
	}
	fork_need(KQ_FEATURE_FORK_CLOSE);
	tracked->kq = kq_new();
	ASSERT_OK(proc_add(tracked->kq, tracked->maker, NOTE_TRACK | NOTE_EXIT));
}

static void end_tracked(struct tracked *tracked)
{
	proc_say(tracked->turn, 0);
	kq_reap(tracked->maker);
	ASSERT_SYS(close(tracked->turn));
}

enum { PARENT, CHILD, QUEUE };

static const struct {
	const char *name;
	int goes;
} follows[] = {
	{ "parents_knote", PARENT },
	{ "childs_knote", CHILD },
	{ "queue", QUEUE },
};

KQ_TEST_EACH(child_is_followed, "KQ-195 KQ-196",
	     "a child gets its knote though its parent's goes; its own, and its queue, may go at once", follows)
{
	struct tracked tracked;
	struct kevent event = { 0 };
	pid_t child;

	race_begin();
	start_tracked(&tracked);
	if (variant->goes == CHILD)
		race_arm_until("follow", "flux_wait", 0);
	else
		race_arm("follow");
	proc_say(tracked.turn, 1);
	race_wait("follow");
	if (variant->goes == QUEUE) {
		ASSERT_SYS(close(tracked.kq));
	} else {
		event = kq_one(tracked.kq);
		ASSERT_TRUE(proc_is_child_notice(&event));
		ASSERT_EQ(event.data, tracked.maker);
		ASSERT_OK(proc_del(tracked.kq, variant->goes == PARENT ? tracked.maker :
							(pid_t)event.ident));
	}
	if (variant->goes != CHILD) {
		race_assert_inside("follow");
		race_let_free();
		race_release("follow");
	}
	child = (pid_t)proc_hear(tracked.turn);
	race_assert_met("follow");
	if (variant->goes == PARENT) {
		ASSERT_EQ(event.ident, (uintptr_t)child);
		event = kq_one(tracked.kq);
		ASSERT_EQ(event.ident, (uintptr_t)child);
		ASSERT_TRUE(event.fflags & NOTE_EXIT);
		ASSERT_ERR(proc_del(tracked.kq, tracked.maker), ENOENT);
	}
	if (variant->goes != QUEUE) {
		ASSERT_ERR(proc_del(tracked.kq, child), ENOENT);
		kq_fence(tracked.kq);
		ASSERT_SYS(close(tracked.kq));
	}
	end_tracked(&tracked);
	race_end();
}

static const struct {
	const char *name;
	bool queue;
	const char *until;
} tracks[] = {
	{ "delete", false, "drop" },
	{ "queue", true, "note_free" },
};

KQ_TEST_EACH(child_is_told, "KQ-195 KQ-246",
	     "no end returns while a fork is told to the knote it ends; the child told of is followed", tracks)
{
	struct tracked tracked;
	pid_t child;

	race_begin();
	start_tracked(&tracked);
	race_arm_until("track", variant->until, RACE_LINGER);
	proc_say(tracked.turn, 1);
	race_wait("track");
	if (variant->queue)
		ASSERT_SYS(close(tracked.kq));
	else
		ASSERT_OK(proc_del(tracked.kq, tracked.maker));
	race_assert_met("track");
	child = (pid_t)proc_hear(tracked.turn);
	if (!variant->queue) {
		struct kevent events[4];

		ASSERT_EQ(kq_collect(tracked.kq, events, 4), 2);
		proc_assert_child(events[0], child, tracked.maker);
		ASSERT_EQ(events[1].ident, (uintptr_t)child);
		ASSERT_TRUE(events[1].fflags & NOTE_EXIT);
		ASSERT_SYS(close(tracked.kq));
	}
	end_tracked(&tracked);
	race_end();
}

/* Unloading. The point lets go by itself: with the file of the points open nothing unloads. */

#define UNLOAD_MODULE	"/run/kq/kqueue.ko"
#define UNLOAD_MS	6000
#define UNLOAD_CPU	"/sys/devices/system/cpu/cpu1/online"

/* Code is patched: an emulated processor does not survive to run it meanwhile. */
static void set_second_processor(const char *state)
{
	int fd = open(UNLOAD_CPU, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	kq_write(fd, state, 1);
	ASSERT_SYS(close(fd));
}

static void load_again(void)
{
	int module = ASSERT_SYS(open(UNLOAD_MODULE, O_RDONLY | O_CLOEXEC));

	ASSERT_SYS(syscall(SYS_finit_module, module, "", 0));
	/* A queue can be opened once the module has seen a close(2). */
	ASSERT_SYS(close(module));
	while (access(KQ_TEST_DEVICE, F_OK))
		sched_yield();
	ASSERT_SYS(chmod(KQ_TEST_DEVICE, 0666));
}

/* It has closed its number of the queue, the last thing it does before the point. */
static void await_child(pid_t child, int kq)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", child, kq);
	while (!access(path, F_OK))
		sched_yield();
}

KQ_TEST(unload_waits_for_child, "",
	"the module stays until the last child has left it, with the last queue closed long before")
{
	long long start;
	pid_t child;
	int kq;

	race_begin();
	if (access(UNLOAD_MODULE, R_OK))
		KQ_SKIP("needs " UNLOAD_MODULE ", as a machine of tools/vm.sh has it");
	set_second_processor("0");
	race_do("arm fork 1 %d", UNLOAD_MS);
	kq = kq_new();
	ASSERT_SYS(close(race.file));
	start = kq_now();
	child = kq_fork();
	if (!child)
		_exit(0);
	await_child(child, kq);
	ASSERT_SYS(close(kq));
	/* It stands there that long from some time after the start: until then it is not over. */
	ASSERT_LT(kq_now(), start + UNLOAD_MS * KQ_MS);
	ASSERT_SYS(syscall(SYS_delete_module, "kqueue", O_NONBLOCK));
	ASSERT_GE(kq_now(), start + UNLOAD_MS * KQ_MS);
	kq_reap(child);
	load_again();
	set_second_processor("1");
	kq = kq_new();
	fd_assert_queue_works(kq);
	ASSERT_SYS(close(kq));
}
