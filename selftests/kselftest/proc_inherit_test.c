// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what a tracked child's knote takes from its parent's, what
 * can be done with it and with its notice, and NOTE_TRACKERR.
 */
#include "kq_test.h"
#include "kq_proc.h"

#include <linux/kqueue.h>
#include <sys/ioctl.h>

#define TRACK_EXIT	(NOTE_TRACK | NOTE_EXIT)

/* Taken from the parent's knote. */

static const struct {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "clear", EV_CLEAR },
	{ "dispatch", EV_DISPATCH },
	{ "receipt", EV_RECEIPT },
};

KQ_TEST_EACH(flags_and_udata, "KQ-195", "the child's knote has the flags and the udata of its parent's", kinds)
{
	struct proc_runner maker, child;
	int kq = kq_new();

	proc_start_tracked(kq, variant->flags, TRACK_EXIT, &maker, &child);
	proc_assert_child(kq_one(kq), child.pid, maker.pid);
	proc_say(child.turn, 4);
	ASSERT_EVENT(kq_next(kq), child.pid, EVFILT_PROC, PROC_END | variant->flags, NOTE_EXIT,
		     W_EXITCODE(4, 0), PROC_MARK);
	proc_end_maker(&maker);
	ASSERT_EVENT(kq_one(kq), maker.pid, EVFILT_PROC, PROC_END | variant->flags, NOTE_EXIT,
		     W_EXITCODE(7, 0), PROC_MARK);
}

/* One change, or one event if there is room, with the extension words. */
static int kevent_ext(int kq, struct kq_event_ext *change, struct kq_event_ext *event)
{
	struct kq_kevent call = {
		.changelist = (uintptr_t)change, .nchanges = !!change,
		.eventlist = (uintptr_t)event, .nevents = !!event,
		.record_size = sizeof(struct kq_event_ext),
	};

	return ioctl(kq, KQ_IOC_KEVENT, &call);
}

KQ_TEST(extension_words, "KQ-195", "notice and knote of the child have the extension words of its parent's")
{
	struct kq_event_ext change = {
		.filter = EVFILT_PROC, .flags = EV_ADD, .fflags = TRACK_EXIT, .udata = 5,
		.ext = { 0, 0, 0x1122334455667788ull, ~0ull },
	}, event;
	int kq = kq_new(), turn;
	pid_t maker = proc_start_maker(&proc_ways[0], &turn), child;

	change.ident = (uint64_t)maker;
	ASSERT_EQ(kevent_ext(kq, &change, NULL), 0);
	child = proc_make_child(turn);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(kevent_ext(kq, NULL, &event), 1);
		ASSERT_EQ(event.ident, child);
		ASSERT_EQ(event.fflags, i ? NOTE_EXIT : NOTE_CHILD);
		ASSERT_EQ(event.udata, change.udata);
		ASSERT_FALSE(memcmp(event.ext, change.ext, sizeof(event.ext)));
	}
	proc_say(turn, 0);
	ASSERT_EQ(proc_status(maker), W_EXITCODE(7, 0));
}

KQ_TEST(words_at_the_fork, "KQ-195", "the words are those that the parent's knote has when it forks")
{
	struct proc_runner maker, child;
	int kq = kq_new(), other;
	struct kevent event;
	pid_t second;

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	proc_assert_child(kq_one(kq), child.pid, maker.pid);
	ASSERT_OK(kq_add(kq, maker.pid, EVFILT_PROC, 0, TRACK_EXIT | NOTE_EXITSTATUS, 0, &other));
	second = proc_make_child(maker.turn);
	ASSERT_EQ(proc_hear(child.turn), second);
	event = kq_one(kq);
	ASSERT_PTR(event.udata, &other);
	ASSERT_EQ(event.ident, second);
	/* Only who was made later has them. */
	ASSERT_SYS(kill(child.pid, SIGTERM));
	PROC_ENDED(kq_next(kq), child.pid, NOTE_EXIT, W_EXITCODE(0, SIGTERM));
	ASSERT_SYS(kill(second, SIGTERM));
	ASSERT_EVENT(kq_next(kq), second, EVFILT_PROC, PROC_END, NOTE_EXIT | NOTE_EXITSTATUS,
		     W_EXITCODE(0, SIGTERM), &other);
	proc_end_maker(&maker);
}

/* Stopped from tracking. */

KQ_TEST(no_longer_tracked, "KQ-195", "without NOTE_TRACK new children are not followed, the others still are")
{
	struct proc_runner maker, child;
	int kq = kq_new();
	pid_t second;

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	proc_assert_child(kq_one(kq), child.pid, maker.pid);
	ASSERT_OK(proc_add(kq, maker.pid, NOTE_EXIT));
	second = proc_make_child(maker.turn);
	ASSERT_EQ(proc_hear(child.turn), second);
	proc_assert_gone(kq, second);
	ASSERT_SYS(kill(second, SIGKILL));
	ASSERT_SYS(kill(child.pid, SIGKILL));
	PROC_ENDED(kq_next(kq), child.pid, NOTE_EXIT, W_EXITCODE(0, SIGKILL));
	proc_end_maker(&maker);
	PROC_ENDED(kq_one(kq), maker.pid, NOTE_EXIT, W_EXITCODE(7, 0));
	kq_fence(kq);
}

KQ_TEST(parent_deleted, "KQ-195", "EV_DELETE of the parent's knote leaves its children's, and ends tracking")
{
	struct proc_runner maker, child;
	int kq = kq_new();
	pid_t second;

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	ASSERT_OK(proc_del(kq, maker.pid));
	second = proc_make_child(maker.turn);
	ASSERT_EQ(proc_hear(child.turn), second);
	proc_assert_child(kq_one(kq), child.pid, maker.pid);
	proc_assert_gone(kq, second);
	ASSERT_SYS(kill(child.pid, SIGKILL));
	PROC_ENDED(kq_next(kq), child.pid, NOTE_EXIT, W_EXITCODE(0, SIGKILL));
	proc_end_maker(&maker);
	proc_assert_gone(kq, maker.pid);
}

KQ_TEST(parent_disabled, "KQ-195 KQ-193", "a disabled knote still tracks, and the child's is enabled")
{
	struct proc_runner maker, child;
	int kq = kq_new();

	proc_start_tracked(kq, EV_DISABLE, TRACK_EXIT | NOTE_FORK, &maker, &child);
	proc_assert_child(kq_one(kq), child.pid, maker.pid);
	proc_say(child.turn, 4);
	PROC_ENDED(kq_next(kq), child.pid, NOTE_EXIT, W_EXITCODE(4, 0));
	kq_fence(kq);
	ASSERT_OK(proc_ctl(kq, maker.pid, EV_ENABLE, 0));
	PROC_NOTES(kq_one(kq), maker.pid, NOTE_FORK);
	proc_end_maker(&maker);
	PROC_ENDED(kq_one(kq), maker.pid, NOTE_EXIT, W_EXITCODE(7, 0));
}

/* The child's knote. */

static const struct {
	const char *name;
	bool take;		/* the notice before it is deleted */
} notices[] = {
	{ "notice_waits", false },
	{ "notice_taken", true },
};

KQ_TEST_EACH(child_deleted, "KQ-195", "EV_DELETE of the child removes its knote and a notice that waits", notices)
{
	struct proc_runner maker, child;
	int kq = kq_new();

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	if (variant->take)
		proc_assert_child(kq_one(kq), child.pid, maker.pid);
	ASSERT_OK(proc_del(kq, child.pid));
	proc_assert_gone(kq, child.pid);
	proc_say(child.turn, 4);
	proc_end_maker(&maker);
	PROC_ENDED(kq_one(kq), maker.pid, NOTE_EXIT, W_EXITCODE(7, 0));
	proc_assert_gone(kq, child.pid);
}

KQ_TEST(ended_child_deleted, "KQ-195", "EV_DELETE of a child that has ended removes notice and end")
{
	int kq = kq_new(), turn;
	pid_t maker = proc_start_maker(&proc_ways[0], &turn), child;

	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	child = proc_make_child(turn);
	ASSERT_OK(proc_del(kq, child));
	proc_assert_gone(kq, child);
	proc_say(turn, 0);
	PROC_NEXT_END(kq, maker, W_EXITCODE(7, 0));
}

KQ_TEST_EACH(child_modified, "KQ-195 KQ-192",
	     "EV_ADD of a tracked child modifies its knote and leaves the notice alone", notices)
{
	struct proc_runner maker, child;
	int kq = kq_new(), other;

	proc_start_tracked(kq, 0, NOTE_TRACK, &maker, &child);
	if (variant->take)
		proc_assert_child(kq_one(kq), child.pid, maker.pid);
	ASSERT_OK(kq_add(kq, child.pid, EVFILT_PROC, 0, NOTE_EXIT, 0, &other));
	if (!variant->take)
		proc_assert_child(kq_one(kq), child.pid, maker.pid);
	kq_fence(kq);
	proc_say(child.turn, 4);
	ASSERT_EVENT(kq_next(kq), child.pid, EVFILT_PROC, PROC_END, NOTE_EXIT, W_EXITCODE(4, 0),
		     &other);
	proc_assert_gone(kq, child.pid);
	proc_end_maker(&maker);
}

KQ_TEST(child_disabled, "KQ-196 KQ-193", "EV_DISABLE of a tracked child keeps its end, the notice comes all the same")
{
	struct proc_runner maker, child;
	struct kevent events[2];
	int kq = kq_new();

	proc_start_tracked(kq, 0, TRACK_EXIT, &maker, &child);
	ASSERT_OK(proc_ctl(kq, child.pid, EV_DISABLE, 0));
	proc_say(child.turn, 4);
	proc_end_maker(&maker);
	proc_take(kq, events, 2);
	proc_assert_child(events[0], child.pid, maker.pid);
	PROC_ENDED(events[1], maker.pid, NOTE_EXIT, W_EXITCODE(7, 0));
	kq_fence(kq);
	ASSERT_OK(proc_ctl(kq, child.pid, EV_ENABLE, 0));
	PROC_ENDED(kq_next(kq), child.pid, NOTE_EXIT, W_EXITCODE(4, 0));
	proc_assert_gone(kq, child.pid);
}

/* More children at once than run. */

#define CROWD	700

/*
 * Makes children that cannot run yet: all on one processor, which this thread
 * does not give up as long as it does not sleep.
 */
static void make_crowd(int turn, int number)
{
	struct sched_param first = { .sched_priority = 10 };
	static pid_t crowd[CROWD];
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ASSERT_SYS(sched_setaffinity(0, sizeof(one), &one));
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root for a thread that nobody interrupts");
	}
	for (int i = 0; i < number; i++)
		crowd[i] = proc_by_sharing_clone(3);
	for (int i = 0; i < number; i++)
		ASSERT_EQ(proc_status(crowd[i]), W_EXITCODE(3, 0));
	proc_say(turn, 0);
	_exit((int)proc_hear(turn));
}

static const struct {
	const char *name;
	int number;
} crowds[] = {
	{ "few", 100 },
	{ "many", CROWD },
};

/*
 * Whether many can be followed is up to the kernel and the memory, and few
 * always can. What is not allowed is to lose one silently.
 */
KQ_TEST_EACH(crowd, "KQ-195 KQ-196", "each child of a crowd is followed, or its parent gets NOTE_TRACKERR", crowds)
{
	static struct kevent events[2 * CROWD + 1];
	int kq = kq_new(), turn, count, notices = 0, ends = 0;
	unsigned int errors = 0;
	pid_t maker;

	maker = proc_fork(&turn);
	if (!maker) {
		proc_hear(turn);
		make_crowd(turn, variant->number);
	}
	ASSERT_OK(proc_add(kq, maker, TRACK_EXIT));
	proc_say(turn, 0);
	if (kq_await_poll(turn, POLLIN) & POLLHUP)
		kq_reap(maker);
	proc_hear(turn);
	count = kq_collect(kq, events, ARRAY_SIZE(events));
	for (int i = 0; i < count; i++) {
		if (events[i].ident == (uintptr_t)maker) {
			PROC_NOTES(events[i], maker, NOTE_TRACKERR);
			errors++;
		} else if (proc_is_child_notice(&events[i])) {
			proc_assert_child(events[i], (pid_t)events[i].ident, maker);
			notices++;
		} else {
			PROC_ENDED(events[i], events[i].ident, NOTE_EXIT, W_EXITCODE(3, 0));
			ends++;
		}
	}
	kq_diag("%d children: %d notices, %d ends, NOTE_TRACKERR %u times", variant->number,
		notices, ends, errors);
	/* There may be room for the notice and none for the knote. */
	ASSERT_GE(notices, ends);
	ASSERT_EQ(errors, ends < variant->number);
	if (variant->number < CROWD)
		ASSERT_EQ(errors, 0);
	proc_say(turn, 7);
	PROC_NEXT_END(kq, maker, W_EXITCODE(7, 0));
}
