// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the races of a knote's end with the event it waits for: a timer, a signal,
 * the end of a process or a change of a file is being told, in an interrupt or
 * under locks of the kernel, while the registration goes or changes.
 */
#include "kq_test.h"
#include "kq_race.h"
#include "kq_proc.h"
#include <sys/utsname.h>

/* How it goes, and the point where that has the knote and the event's lock is next. */
enum end { DELETED, MODIFIED, CLOSED, QUEUE_CLOSED };

static void end_knote(int kq, const struct kevent *add, enum end end)
{
	switch (end) {
	case DELETED:
		ASSERT_OK(kq_del(kq, add->ident, add->filter));
		break;
	case MODIFIED:
		ASSERT_OK(kq_add(kq, add->ident, add->filter, 0, 0, 3600000, NULL));
		break;
	case CLOSED:
		ASSERT_SYS(close((int)add->ident));
		break;
	case QUEUE_CLOSED:
		ASSERT_SYS(close(kq));
		break;
	}
}

/* Nothing comes of it any more, then the queue goes. */
static void close_silent(int kq, enum end end)
{
	if (end == QUEUE_CLOSED)
		return;
	kq_fence(kq);
	ASSERT_SYS(close(kq));
}

/* Timers */

#define TIMER_MS	500	/* the call that starts it has returned long before */

static const struct {
	const char *name;
	enum end end;
	const char *until;
} timer_ends[] = {
	{ "delete", DELETED, "drop" },
	{ "modify", MODIFIED, "modify" },
	{ "queue", QUEUE_CLOSED, "note_free" },
};

KQ_TEST_EACH(timer_expires, "KQ-105 KQ-246",
	     "a timer that expires just now is waited for by its end, and by a new time", timer_ends)
{
	struct race_call call = { 0 };

	race_begin();
	call.kq = kq_new();
	EV_SET(&call.change, 1, EVFILT_TIMER, EV_ADD, 0, TIMER_MS, NULL);
	/* It fires on the processor it was started on. */
	race_prepare(&call, race_change);
	race_arm_until("timer", variant->until, RACE_LINGER);
	race_go_to(&call, "timer");
	end_knote(call.kq, &call.change, variant->end);
	race_assert_met("timer");
	ASSERT_EQ(race_join(&call), 0);
	close_silent(call.kq, variant->end);
	race_end();
}

/* The time is still to come when it is registered. */
static int add_absolute(struct race_call *call)
{
	call->change.data = kq_clock_ns(CLOCK_REALTIME) / KQ_SEC + 2;
	return race_change(call);
}

KQ_TEST(timer_told_early, "KQ-062",
	"an expiry that a change finds before its interrupt has told it is told once")
{
	struct race_call call = { 0 };
	struct kevent event;

	race_begin();
	call.kq = kq_new();
	EV_SET(&call.change, 1, EVFILT_TIMER, EV_ADD, NOTE_ABSOLUTE | NOTE_SECONDS, 0,
	       NULL);
	race_prepare(&call, add_absolute);
	race_arm("timer");
	race_go_to(&call, "timer");
	kq_none(call.kq);
	ASSERT_OK(kq_ctl(call.kq, 1, EVFILT_TIMER, EV_ENABLE, 0, 0, NULL));
	event = kq_one(call.kq);
	ASSERT_EQ(event.data, 1);
	race_assert_inside("timer");
	ASSERT_EQ(race_finish(&call, "timer"), 0);
	close_silent(call.kq, DELETED);
	race_end();
}

/* Signals */

static int send_signal(struct race_call *call)
{
	return kill(call->child, SIGUSR1) ? -errno : 0;
}

static const struct {
	const char *name;
	enum end end;
	const char *until;
} note_ends[] = {
	{ "delete", DELETED, "drop" },
	{ "queue", QUEUE_CLOSED, "note_free" },
};

KQ_TEST_EACH(signal_is_sent, "KQ-105",
	     "no end returns while a signal is counted for what it ends", note_ends)
{
	struct race_call call = { .child = getpid() };
	struct kevent add;
	int kq;

	race_begin();
	signal(SIGUSR1, SIG_IGN);
	kq = kq_new();
	EV_SET(&add, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(kevent(kq, &add, 1, NULL, 0, NULL), 0);
	race_prepare(&call, send_signal);
	race_arm_until("signal", variant->until, RACE_LINGER);
	race_go_to(&call, "signal");
	end_knote(kq, &add, variant->end);
	race_assert_met("signal");
	ASSERT_EQ(race_join(&call), 0);
	close_silent(kq, variant->end);
	race_end();
}

/* Processes */

/* One that ends on the second processor when it is told to. */
static pid_t start_process(int *turn)
{
	pid_t child = proc_fork(turn);

	if (!child) {
		race_stay_on(1);
		_exit((int)proc_hear(*turn));
	}
	return child;
}

static const struct process_end {
	const char *name;
	int filter;
	enum end end;
	const char *until;
} process_ends[] = {
	{ "proc_delete", EVFILT_PROC, DELETED, "drop" },
	{ "proc_queue", EVFILT_PROC, QUEUE_CLOSED, "note_free" },
	{ "procdesc_delete", EVFILT_PROCDESC, DELETED, "drop" },
	{ "procdesc_close", EVFILT_PROCDESC, CLOSED, "teardown" },
	{ "procdesc_queue", EVFILT_PROCDESC, QUEUE_CLOSED, "teardown" },
};

struct process {
	pid_t child;
	int turn, kq;
	struct kevent add;
};

static void watch_process(struct process *process, int filter)
{
	process->child = start_process(&process->turn);
	process->kq = kq_new();
	EV_SET(&process->add, filter == EVFILT_PROC ? process->child : proc_pidfd(process->child),
	       filter, EV_ADD, NOTE_EXIT, 0, NULL);
	ASSERT_EQ(kevent(process->kq, &process->add, 1, NULL, 0, NULL), 0);
}

static void close_process(struct process *process, const struct process_end *end)
{
	kq_reap(process->child);
	ASSERT_SYS(close(process->turn));
	close_silent(process->kq, end->end);
	if (end->filter == EVFILT_PROCDESC && end->end != CLOSED)
		ASSERT_SYS(close((int)process->add.ident));
}

KQ_TEST_EACH(process_ends, "KQ-105 KQ-246",
	     "no end returns while the end of a process is told to what it ends", process_ends)
{
	struct process process;

	race_begin();
	watch_process(&process, variant->filter);
	race_arm_until("exit", variant->until, RACE_LINGER);
	proc_say(process.turn, 0);
	race_wait("exit");
	end_knote(process.kq, &process.add, variant->end);
	race_assert_met("exit");
	close_process(&process, variant);
	race_end();
}

static int end_in_thread(struct race_call *call)
{
	if (call->fd >= 0)
		return race_close(call);
	call->change.flags = EV_DELETE;
	return race_change(call);
}

KQ_TEST_EACH(process_has_ended, "KQ-105 KQ-246",
	     "a process may end, and be collected, while its registration goes", process_ends)
{
	struct race_call call = { 0 };
	struct process process;

	race_begin();
	watch_process(&process, variant->filter);
	call.kq = process.kq;
	call.change = process.add;
	call.fd = variant->end == CLOSED ? (int)process.add.ident :
		  variant->end == QUEUE_CLOSED ? process.kq : -1;
	race_prepare(&call, end_in_thread);
	race_arm(variant->until);
	race_go_to(&call, variant->until);
	proc_say(process.turn, 0);
	kq_reap(process.child);
	race_assert_inside(variant->until);
	ASSERT_EQ(race_count("exit", "reached"), 1);
	race_let_free();
	ASSERT_EQ(race_finish(&call, variant->until), 0);
	ASSERT_SYS(close(process.turn));
	close_silent(process.kq, variant->end);
	race_end();
}

KQ_TEST(number_given_again, "KQ-069 KQ-181 KQ-197",
	"EV_DISPATCH does not stop the end of a process whose number is another one's before its event is put back")
{
	struct clone_args args = { .exit_signal = SIGCHLD, .set_tid_size = 1 };
	struct race_call call = { 0 };
	struct kevent event;
	bool told = false;
	pid_t child, again;
	int turn;

	race_begin();
	call.kq = kq_new();
	child = proc_fork(&turn);
	if (!child) {
		proc_hear(turn);
		again = kq_fork();
		if (!again)
			_exit(0);
		kq_reap(again);
		proc_say(turn, 0);
		_exit((int)proc_hear(turn));
	}
	ASSERT_OK(kq_add(call.kq, child, EVFILT_PROC, EV_DISPATCH, NOTE_FORK | NOTE_EXIT, 0, NULL));
	proc_ask(turn);
	race_prepare(&call, race_scan);
	race_arm("copied");
	race_go_to(&call, "copied");
	proc_say(turn, 3);
	ASSERT_EQ(proc_status(child), W_EXITCODE(3, 0));
	ASSERT_OK(proc_add(call.kq, getpid(), NOTE_TRACK));
	args.set_tid = (uintptr_t)&child;
	again = ASSERT_SYS(syscall(SYS_clone3, &args, sizeof(args)));
	if (!again)
		_exit(4);
	ASSERT_EQ(again, child);
	event = kq_next(call.kq);
	ASSERT_EQ(event.ident, (uintptr_t)child);
	ASSERT_TRUE(event.fflags & NOTE_CHILD);
	ASSERT_EQ(proc_status(again), W_EXITCODE(4, 0));
	race_assert_inside("copied");
	ASSERT_EQ(race_finish(&call, "copied"), 1);
	ASSERT_EQ(call.change.fflags, NOTE_FORK);
	for (int i = 0; i < 2 && !told; i++) {
		event = kq_next(call.kq);
		told = event.ident == (uintptr_t)child && event.fflags & NOTE_EXIT &&
		       event.data == W_EXITCODE(3, 0);
	}
	ASSERT_TRUE(told);
	ASSERT_SYS(close(call.kq));
	race_end();
}

/* Files. Their events are told by who causes them, who may stand there as long as he likes. */

static const struct {
	const char *name;
	enum end end;
} file_ends[] = {
	{ "delete", DELETED },
	{ "close", CLOSED },
	{ "queue", QUEUE_CLOSED },
};

KQ_TEST_EACH(file_changes, "KQ-157 KQ-246",
	     "an event of a file finds its mark without the knote that went meanwhile", file_ends)
{
	struct race_call call = { 0 };
	struct kevent add;
	int kq;

	race_begin();
	kq = kq_new();
	call.fd = ASSERT_SYS(open("/tmp", O_RDWR | O_TMPFILE, 0600));
	EV_SET(&add, ASSERT_SYS(dup(call.fd)), EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0, NULL);
	ASSERT_EQ(kevent(kq, &add, 1, NULL, 0, NULL), 0);
	race_prepare(&call, race_write);
	race_arm("mark");
	race_go_to(&call, "mark");
	end_knote(kq, &add, variant->end);
	race_assert_inside("mark");
	race_let_free();
	ASSERT_EQ(race_finish(&call, "mark"), 1);
	close_silent(kq, variant->end);
	if (variant->end != CLOSED)
		ASSERT_SYS(close((int)add.ident));
	ASSERT_SYS(close(call.fd));
	race_end();
}

KQ_TEST(file_read_meanwhile, "KQ-062 KQ-130",
	"who reads a file while its event is delivered is told of what it grows by afterwards")
{
	struct race_call call = { 0 };
	int fd, writer;
	char bytes[4];

	race_begin();
	ASSERT_SYS(chdir("/tmp"));
	writer = ASSERT_SYS(open("f", O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644));
	fd = ASSERT_SYS(open("f", O_RDONLY));
	ASSERT_SYS(unlink("f"));
	kq_write(writer, "1234", 4);
	call.kq = kq_new();
	ASSERT_OK(kq_add(call.kq, fd, EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	race_prepare(&call, race_scan);
	race_arm("copied");
	race_go_to(&call, "copied");
	ASSERT_EQ(read(fd, bytes, 4), 4);
	race_assert_inside("copied");
	ASSERT_EQ(race_finish(&call, "copied"), 1);
	ASSERT_EQ(call.change.data, 4);
	kq_write(writer, "5678", 4);
	ASSERT_EQ(kq_one(call.kq).data, 4);
	ASSERT_SYS(close(fd));
	ASSERT_SYS(close(writer));
	ASSERT_SYS(close(call.kq));
	race_end();
}

static int unlink_name(struct race_call *call)
{
	(void)call;
	return unlink("h") ? -errno : 0;
}

KQ_TEST_EACH(mark_is_lost, "KQ-157 KQ-179",
	     "a knote goes while its inode has no mark, another one of the same inode hears on", file_ends)
{
	struct race_call call = { 0 };
	struct kevent adds[2], event;
	int kq, fd, other;

	race_begin();
	ASSERT_SYS(chdir("/tmp"));
	kq = kq_new();
	fd = ASSERT_SYS(open("f", O_RDWR | O_CREAT | O_EXCL, 0644));
	other = ASSERT_SYS(open("f", O_RDWR));
	ASSERT_SYS(link("f", "h"));
	ASSERT_SYS(unlink("f"));
	EV_SET(&adds[0], fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_ATTRIB, 0, NULL);
	EV_SET(&adds[1], other, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_EXTEND, 0, NULL);
	ASSERT_EQ(kevent(kq, adds, 2, NULL, 0, NULL), 0);
	race_prepare(&call, unlink_name);
	race_arm("move");
	race_go(&call);
	while (!call.done && !race_count("move", "hits"))
		sched_yield();
	if (!race_count("move", "hits"))
		KQ_SKIP("this kernel keeps the marks of an inode that is open when its last name goes");
	end_knote(kq, &adds[0], variant->end);
	race_assert_inside("move");
	race_let_free();
	ASSERT_EQ(race_finish(&call, "move"), 0);
	if (variant->end != QUEUE_CLOSED) {
		kq_write(other, "x", 1);
		event = kq_one(kq);
		ASSERT_EQ(event.ident, (uintptr_t)other);
		ASSERT_EQ(event.fflags, NOTE_WRITE | NOTE_EXTEND);
	}
	close_silent(kq, variant->end);
	if (variant->end != CLOSED)
		ASSERT_SYS(close(fd));
	ASSERT_SYS(close(other));
	race_end();
}

KQ_TEST(memory_is_awaited_alone, "KQ-248 KQ-157",
	"while somebody gets memory for a mark, others begin to watch files, close them and are told")
{
	struct race_call call = { 0 };
	int kq, fd;

	race_begin();
	kq = kq_new();
	call.kq = kq_new();
	call.fd = ASSERT_SYS(open("/tmp", O_RDWR | O_TMPFILE, 0600));
	EV_SET(&call.change, call.fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0, NULL);
	race_prepare(&call, race_change);
	race_arm("spare");
	race_go_to(&call, "spare");
	fd = ASSERT_SYS(open("/tmp", O_RDWR | O_TMPFILE, 0600));
	ASSERT_OK(kq_add(kq, fd, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE, 0, NULL));
	kq_write(fd, "x", 1);
	ASSERT_EQ(kq_one(kq).fflags, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_OK(kq_del(kq, fd, EVFILT_VNODE));
	ASSERT_OK(kq_add(kq, fd, EVFILT_READ, 0, 0, 0, NULL));
	ASSERT_SYS(close(fd));
	ASSERT_SYS(close(kq));
	race_assert_inside("spare");
	ASSERT_EQ(race_finish(&call, "spare"), 0);
	kq_write(call.fd, "x", 1);
	ASSERT_EQ(kq_one(call.kq).fflags, NOTE_WRITE | NOTE_EXTEND);
	ASSERT_SYS(close(call.fd));
	ASSERT_SYS(close(call.kq));
	race_end();
}

/* Queues: who polls one is told from an interrupt that nobody waits for. */

static const struct {
	const char *name;
	enum end end;
	bool inner;	/* the watched queue goes as well */
} queue_ends[] = {
	{ "delete", DELETED, false },
	{ "close", CLOSED, false },
	{ "queue", QUEUE_CLOSED, false },
	{ "close_both", CLOSED, true },
	{ "queue_both", QUEUE_CLOSED, true },
};

KQ_TEST_EACH(pollers_are_woken, "KQ-099 KQ-103",
	     "a queue that is about to wake its pollers may lose them, and be closed", queue_ends)
{
	struct race_call call = { 0 };
	struct kevent add;
	int kq, inner, fds[2];
	struct utsname kernel;

	race_begin();
	ASSERT_SYS(uname(&kernel));
	if (variant->inner && strstr(kernel.version, "PREEMPT_RT"))
		KQ_SKIP("on PREEMPT_RT who stands there keeps the sender from leaving its locks");
	kq = kq_new();
	inner = kq_new();
	kq_unix_stream(fds);
	ASSERT_OK(kq_add(inner, fds[0], EVFILT_READ, 0, 0, 0, NULL));
	EV_SET(&add, ASSERT_SYS(dup(inner)), EVFILT_READ, EV_ADD, 0, 0, NULL);
	ASSERT_EQ(kevent(kq, &add, 1, NULL, 0, NULL), 0);
	call.fd = fds[1];
	race_prepare(&call, race_write);
	race_arm("pollwork");
	race_go_to(&call, "pollwork");
	end_knote(kq, &add, variant->end);
	if (variant->end != CLOSED)
		ASSERT_SYS(close((int)add.ident));
	if (variant->inner)
		ASSERT_SYS(close(inner));
	race_assert_inside("pollwork");
	ASSERT_EQ(race_finish(&call, "pollwork"), 1);
	close_silent(kq, variant->end);
	if (!variant->inner) {
		ASSERT_EQ(kq_one(inner).ident, (uintptr_t)fds[0]);
		ASSERT_SYS(close(inner));
	}
	race_end();
}
