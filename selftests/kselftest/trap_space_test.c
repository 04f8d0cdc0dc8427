// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that no wake-up for room in a send buffer is lost: TCP gives
 * one only to whoever asked for it beforehand, which poll(2) and a refused
 * send do, and which is why nothing here polls or is refused.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <linux/sock_diag.h>

static unsigned int queued(int fd, unsigned int *limit)
{
	unsigned int memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);

	ASSERT_SYS(getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size));
	*limit = memory[SK_MEMINFO_SNDBUF];
	return memory[SK_MEMINFO_WMEM_QUEUED];
}

/* The kernel's rule: free room is at least half of what is queued. */
static bool is_writable(int fd)
{
	unsigned int limit, used = queued(fd, &limit);

	return used < limit && limit - used >= used / 2;
}

static void small_buffers(int fds[2])
{
	int send_size = 65536, receive_size = 16384;

	ASSERT_SYS(setsockopt(fds[0], SOL_SOCKET, SO_RCVBUF, &receive_size,
			      sizeof(receive_size)));
	ASSERT_SYS(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &send_size,
			      sizeof(send_size)));
}

/*
 * Queues bytes until the socket is not writable; no send is refused. Until the
 * peer's window is full some of them still leave again.
 */
static void fill_politely(int fd)
{
	static const char bytes[2048];

	for (int full = 0; full < 100; full++) {
		while (is_writable(fd)) {
			kq_write(fd, bytes, sizeof(bytes));
			full = 0;
		}
		sched_yield();
	}
}

/* Fills, then adds a knote, until it finds no room. */
static void add_without_room(int kq, int fd, unsigned int flags,
			     unsigned int fflags, intptr_t data)
{
	struct kevent events[4];

	do {
		fill_politely(fd);
		ASSERT_OK(kq_add(kq, fd, EVFILT_WRITE, EV_ENABLE | flags,
				 fflags, data, NULL));
	} while (kq_collect(kq, events, 4));
}

struct waiter {
	int kq;
	volatile pid_t tid;
	volatile bool left;
	struct kevent event;
};

static void *wait_for_one(void *argument)
{
	struct waiter *waiter = argument;

	waiter->tid = kq_gettid();
	waiter->event = kq_next(waiter->kq);
	waiter->left = true;
	return NULL;
}

/* A late acknowledgment may wake it before the peer reads. */
static void await_asleep(struct waiter *waiter)
{
	while (!waiter->left && (!waiter->tid || !kq_is_waiting(waiter->tid)))
		sched_yield();
}

/* A thread sleeps in kevent; the peer reads everything; the thread returns. */
static struct kevent wait_while_draining(int kq, int peer, int writer)
{
	struct waiter waiter = { .kq = kq };
	pthread_t thread = kq_thread(wait_for_one, &waiter);
	unsigned int limit;

	await_asleep(&waiter);
	/* Small steps: many wake-ups come before the mark is reached. */
	while (fd_waiting_bytes(peer) || queued(writer, &limit)) {
		char bytes[1024];

		if (read(peer, bytes, sizeof(bytes)) < 0)
			sched_yield();
	}
	kq_join(thread);
	return waiter.event;
}

KQ_TEST(level_knote_wakes, "KQ-140",
	"a level knote that found no room at a scan is woken by room")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	small_buffers(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, 0, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).filter, EVFILT_WRITE);
	fill_politely(fds[1]);
	ASSERT_GT(wait_while_draining(kq, fds[0], fds[1]).data, 0);
}

KQ_TEST(added_without_room, "KQ-140",
	"a knote added while there is no room is woken by room")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	small_buffers(fds);
	add_without_room(kq, fds[1], EV_ONESHOT, 0, 0);
	ASSERT_GT(wait_while_draining(kq, fds[0], fds[1]).data, 0);
}

KQ_TEST(clear_knote_wakes, "KQ-140 KQ-062",
	"an EV_CLEAR knote delivered before is woken by new room")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	small_buffers(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, EV_CLEAR, 0, 0, NULL));
	ASSERT_EQ(kq_next(kq).filter, EVFILT_WRITE);
	fill_politely(fds[1]);
	/* What was acknowledged while filling may have been noted. */
	kq_collect(kq, (struct kevent[4]){ 0 }, 4);
	ASSERT_GT(wait_while_draining(kq, fds[0], fds[1]).data, 0);
}

KQ_TEST(disabled_knote_wakes, "KQ-140 KQ-058",
	"a knote disabled while there was no room is woken after EV_ENABLE")
{
	int kq = kq_new(), fds[2];

	kq_tcp_pair(fds);
	small_buffers(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, EV_DISABLE, 0, 0, NULL));
	fill_politely(fds[1]);
	ASSERT_OK(kq_ctl(kq, fds[1], EVFILT_WRITE, EV_ENABLE, 0, 0, NULL));
	ASSERT_GT(wait_while_draining(kq, fds[0], fds[1]).data, 0);
}

static const struct {
	const char *name;
	unsigned int flags;
} modes[] = {
	{ "level", 0 },
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
};

KQ_TEST_EACH(low_water_mark_wakes, "KQ-141",
	     "a mark far above the kernel's own is reported when it is reached",
	     modes)
{
	int kq = kq_new(), fds[2];
	struct kevent event;
	intptr_t mark;

	kq_tcp_pair(fds);
	small_buffers(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, EV_ONESHOT, 0, 0, NULL));
	mark = kq_next(kq).data;
	/* All the room there is: reached by the last acknowledgment only. */
	add_without_room(kq, fds[1], variant->flags, NOTE_LOWAT, mark);
	event = wait_while_draining(kq, fds[0], fds[1]);
	ASSERT_GE(event.data, mark);
}

KQ_TEST(write_after_read, "KQ-151 KQ-140",
	"WRITE added to a socket that READ already watches is woken by room")
{
	int kq = kq_new(), fds[2];
	struct kevent event;

	kq_tcp_pair(fds);
	small_buffers(fds);
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_READ, 0, 0, 0, NULL));
	kq_none(kq);
	add_without_room(kq, fds[1], EV_CLEAR, 0, 0);
	event = wait_while_draining(kq, fds[0], fds[1]);
	ASSERT_EQ(event.filter, EVFILT_WRITE);
}

KQ_TEST(two_queues_wake, "KQ-140 KQ-047",
	"two queues that wait for room of one socket are both woken")
{
	struct waiter waiter[2] = { { .kq = kq_new() }, { .kq = kq_new() } };
	pthread_t thread[2];
	int fds[2];

	kq_tcp_pair(fds);
	small_buffers(fds);
	for (int i = 0; i < 2; i++) {
		add_without_room(waiter[i].kq, fds[1], EV_ONESHOT, 0, 0);
		thread[i] = kq_thread(wait_for_one, &waiter[i]);
		await_asleep(&waiter[i]);
	}
	while (!waiter[0].left || !waiter[1].left)
		kq_drain(fds[0]);
	kq_join(thread[0]);
	kq_join(thread[1]);
}
