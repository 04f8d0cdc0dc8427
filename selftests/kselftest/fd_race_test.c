// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the races of closing: two threads act on one number at the same moment,
 * many times, and after each round what must be true whoever was first is true.
 */
#include "kq_test.h"
#include "kq_fd.h"

#define ROUNDS		5000
#define NUMBER		FD_HIGH
#define OTHER		(FD_HIGH + 1)

/*
 * A rival runs its action once per round. Both sides leave the gate within
 * nanoseconds of each other; the lead of the one moves along the other from
 * round to round, or follows whoever came first so that they meet.
 */
struct rival {
	void (*action)(struct rival *rival);
	int kq;
	int peer;
	volatile int error;
	unsigned int gate, done;	/* rounds begun and ended */
	int lead;		/* turns the rival is ahead of us, may be negative */
	volatile bool stop;
	long long start;
	pthread_t thread;
};

static void delay(unsigned int turns)
{
	for (volatile unsigned int i = 0; i < turns; i++)
		;
}

/* One processor for us, another one for the rival, where there are two. */
static void take_processor(int wanted)
{
	cpu_set_t allowed, mine;

	ASSERT_SYS(sched_getaffinity(getpid(), sizeof(allowed), &allowed));
	CPU_ZERO(&mine);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed) && wanted-- == 0)
			CPU_SET(i, &mine);
	if (CPU_COUNT(&mine))
		ASSERT_SYS(sched_setaffinity(0, sizeof(mine), &mine));
}

static void *rival_run(void *argument)
{
	struct rival *rival = argument;

	take_processor(1);
	__atomic_store_n(&rival->done, 0, __ATOMIC_RELEASE);
	for (unsigned int round = 1;; round++) {
		unsigned int turns = 0;

		while (__atomic_load_n(&rival->gate, __ATOMIC_ACQUIRE) != round) {
			if (rival->stop)
				return NULL;
			/* Yielding takes long enough to spoil the start. */
			if (++turns > 100000)
				sched_yield();
		}
		delay(rival->lead < 0 ? -rival->lead : 0);
		rival->action(rival);
		__atomic_store_n(&rival->done, round, __ATOMIC_RELEASE);
	}
}

static void rival_start(struct rival *rival)
{
	rival->done = -1;
	rival->thread = kq_thread(rival_run, rival);
	/* It chooses its processor before ours is taken from the list. */
	while (__atomic_load_n(&rival->done, __ATOMIC_ACQUIRE))
		sched_yield();
	take_processor(0);
	rival->start = kq_now();
}

static void rival_end(struct rival *rival)
{
	rival->stop = true;
	kq_join(rival->thread);
}

#define FOR_EACH_ROUND(rival) \
	for (unsigned int round = 1; \
	     kq_more(round, ROUNDS, (rival)->start); round++)

static void rival_meet(struct rival *rival, unsigned int round)
{
	__atomic_store_n(&rival->gate, round, __ATOMIC_RELEASE);
	delay(rival->lead > 0 ? rival->lead : 0);
}

static void rival_go(struct rival *rival, unsigned int round)
{
	rival->lead = (int)(round * 13 % 4000) - 2000;
	rival_meet(rival, round);
}

static void rival_await(struct rival *rival, unsigned int round)
{
	while (__atomic_load_n(&rival->done, __ATOMIC_ACQUIRE) != round)
		sched_yield();
}

/* A pair whose first end has the number; readable, so that READ is ready. */
static int open_number(int number)
{
	int fds[2];

	fd_unix_stream_at(fds, number);
	return fds[1];
}

/* Nothing of the closed number is left and nothing holds its file. */
static void assert_gone(int kq, int number, int peer, bool unread)
{
	if (unread) {
		char byte;

		ASSERT_ERRNO(read(peer, &byte, 1), ECONNRESET);
	}
	fd_assert_eof(peer);
	close(peer);
	fd_assert_unregistered(kq, number);
	/* The pair that was opened for the check. */
	close(number);
	ASSERT_SYS(syscall(SYS_close_range, 5, NUMBER - 1, 0));
}

/* Low numbers up to 4 belong to a case: standard ones, the queue, one more. */
static int make_queue(void)
{
	int kq = kq_new();

	ASSERT_EQ(kq, 3);
	return kq;
}

static void add_number(struct rival *rival)
{
	rival->error = -kq_add(rival->kq, NUMBER, EVFILT_READ, 0, 0, 0, NULL);
}

KQ_TEST_LIMIT(add_against_close, 60, "KQ-090 KQ-032",
	      "EV_ADD racing close leaves no knote: success or EBADF, then nothing")
{
	struct rival rival = { .action = add_number, .kq = make_queue() };
	unsigned int added = 0;
	int step = 1024, last = 0, same = 0;

	rival_start(&rival);
	/* The rarest of all here, and the worst: longer than the others. */
	for (unsigned int round = 1; round < 20000 &&
	     kq_now() - rival.start < 15 * KQ_SEC; round++) {
		int fds[2];

		ASSERT_SYS(pipe(fds));
		fd_move(fds[1], NUMBER);
		rival_meet(&rival, round);
		ASSERT_SYS(close(NUMBER));
		rival_await(&rival, round);
		ASSERT_TRUE(!rival.error || rival.error == EBADF);
		/* A knote left behind would hold the file. */
		fd_assert_eof(fds[0]);
		ASSERT_SYS(close(fds[0]));
		added += !rival.error;
		/* Towards the moment at which both are equally likely. */
		if (last != rival.error)
			step = step > 16 ? step / 2 : 16;
		else if (++same % 8 == 0)
			step *= 2;
		last = rival.error;
		rival.lead += rival.error ? step : -step;
	}
	rival_end(&rival);
	kq_diag("EV_ADD came first in %u of %u rounds", added, rival.done);
	fd_assert_unregistered(rival.kq, NUMBER);
	fd_assert_no_missed(rival.kq);
}

/* Registers without pause, whatever comes of it. */
static volatile bool storm_over;

static void *add_without_pause(void *argument)
{
	int kq = *(int *)argument;

	while (!storm_over)
		kq_add(kq, NUMBER, EVFILT_READ, 0, 0, 0, NULL);
	return NULL;
}

KQ_TEST_LIMIT(add_storm_against_close, 60, "KQ-090",
	      "a number closed in a storm of EV_ADDs frees its file each time")
{
	int kq = make_queue(), fds[2];
	pthread_t threads[2] = {
		kq_thread(add_without_pause, &kq),
		kq_thread(add_without_pause, &kq),
	};
	struct pollfd end = { .events = POLLIN };
	long long start = kq_now();

	for (int round = 0; kq_more(round, 50000, start); round++) {
		ASSERT_SYS(pipe(fds));
		fd_move(fds[1], NUMBER);
		/* So that the EV_ADDs of this file begin before its end. */
		delay(round * 7 % 3000);
		ASSERT_SYS(close(NUMBER));
		/*
		 * An EV_ADD under way may hold the file for a moment, and is
		 * over long before that; what is left behind stays.
		 */
		end.fd = fds[0];
		ASSERT_EQ(poll(&end, 1, 10000), 1);
		fd_assert_eof(fds[0]);
		ASSERT_SYS(close(fds[0]));
	}
	storm_over = true;
	kq_join(threads[0]);
	kq_join(threads[1]);
	fd_assert_no_missed(kq);
}

KQ_TEST_LIMIT(add_against_dup2, 60, "KQ-090",
	"EV_ADD racing dup2 is on the old file and gone, or on the new one")
{
	struct rival rival = { .action = add_number, .kq = make_queue() };

	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int old = open_number(NUMBER), fds[2];
		struct kevent event;

		kq_unix_stream(fds);
		kq_write(fds[1], "xyz", 3);
		rival_go(&rival, round);
		ASSERT_SYS(dup2(fds[0], NUMBER));
		rival_await(&rival, round);
		/* EBADF: the file it found was closed under it. */
		ASSERT_TRUE(!rival.error || rival.error == EBADF);
		fd_assert_eof(old);
		/* Whichever it is, a knote that exists watches the new file. */
		if (kq_poll(rival.kq, &event, 1)) {
			ASSERT_EVENT(event, NUMBER, EVFILT_READ, EV_ADD, 0, 3,
				     NULL);
			ASSERT_OK(kq_del(rival.kq, NUMBER, EVFILT_READ));
		}
		ASSERT_ERR(kq_del(rival.kq, NUMBER, EVFILT_READ), ENOENT);
		ASSERT_SYS(syscall(SYS_close_range, 4, NUMBER, 0));
	}
	rival_end(&rival);
	fd_assert_no_missed(rival.kq);
}

static void close_number(struct rival *rival)
{
	rival->error = close(NUMBER) ? errno : 0;
}

KQ_TEST_LIMIT(same_file_dup2_against_close, 60, "KQ-085 KQ-082",
	"close(N) racing dup2(M, N) of the same file leaves no knote on N")
{
	struct rival rival = { .action = close_number, .kq = make_queue() };

	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int peer = open_number(NUMBER);

		ASSERT_SYS(dup2(NUMBER, OTHER));
		ASSERT_OK(kq_add(rival.kq, NUMBER, EVFILT_READ, 0, 0, 0, NULL));
		kq_write(peer, "x", 1);
		rival_go(&rival, round);
		while (dup2(OTHER, NUMBER) < 0)
			ASSERT_EQ(errno, EBUSY);
		rival_await(&rival, round);
		ASSERT_EQ(rival.error, 0);
		kq_fence(rival.kq);
		ASSERT_ERR(kq_del(rival.kq, NUMBER, EVFILT_READ),
			   fd_is_open(NUMBER) ? ENOENT : EBADF);
		close(NUMBER);
		ASSERT_SYS(close(OTHER));
		assert_gone(rival.kq, NUMBER, peer, true);
	}
	rival_end(&rival);
	fd_assert_no_missed(rival.kq);
}

/* Collects whatever is there, as a second consumer of the queue would. */
static void scan_queue(struct rival *rival)
{
	struct kevent events[4];
	int count = kq_poll(rival->kq, events, 4);

	rival->error = count < 0 ? -count : 0;
}

KQ_TEST_LIMIT(scan_against_close, 60, "KQ-090 KQ-088",
	"closing a number while its event is delivered leaves nothing behind")
{
	struct rival rival = { .action = scan_queue, .kq = make_queue() };

	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int peer = open_number(NUMBER);

		kq_write(peer, "x", 1);
		for (int filter = EVFILT_READ; filter >= EVFILT_WRITE; filter--)
			ASSERT_OK(kq_add(rival.kq, NUMBER, filter,
					 round % 3 ? 0 : EV_CLEAR, 0, 0, NULL));
		rival_go(&rival, round);
		ASSERT_SYS(close(NUMBER));
		/* The close has returned: no call that begins now may see it. */
		kq_none(rival.kq);
		rival_await(&rival, round);
		ASSERT_EQ(rival.error, 0);
		assert_gone(rival.kq, NUMBER, peer, true);
	}
	rival_end(&rival);
	fd_assert_no_missed(rival.kq);
}

static void modify_number(struct rival *rival)
{
	static const unsigned int flags[] = {
		EV_DISABLE, EV_ENABLE, 0, EV_DELETE,
	};
	static unsigned int turn;

	rival->error = -kq_ctl(rival->kq, NUMBER, EVFILT_READ,
			       flags[turn++ % 4], 0, 0, NULL);
}

KQ_TEST_LIMIT(modify_against_close, 60, "KQ-090 KQ-082",
	"EV_ENABLE, EV_DISABLE, EV_DELETE and close at once leave nothing")
{
	struct rival rival = { .action = modify_number, .kq = make_queue() };

	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int peer = open_number(NUMBER);

		kq_write(peer, "x", 1);
		ASSERT_OK(kq_add(rival.kq, NUMBER, EVFILT_READ, 0, 0, 0, NULL));
		rival_go(&rival, round);
		ASSERT_SYS(close(NUMBER));
		kq_none(rival.kq);
		rival_await(&rival, round);
		/* ENOENT: the descriptor was found, then closed with its knote. */
		ASSERT_TRUE(!rival.error || rival.error == EBADF ||
			    rival.error == ENOENT);
		assert_gone(rival.kq, NUMBER, peer, true);
	}
	rival_end(&rival);
	fd_assert_no_missed(rival.kq);
}

static void write_to_peer(struct rival *rival)
{
	rival->error = send(rival->peer, "x", 1, MSG_NOSIGNAL) < 0 ? errno : 0;
}

KQ_TEST_LIMIT(event_against_close, 60, "KQ-090 KQ-247",
	"an event that arrives while its number is closed is not reported")
{
	struct rival rival = { .action = write_to_peer, .kq = make_queue() };

	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		rival.peer = open_number(NUMBER);
		ASSERT_OK(kq_add(rival.kq, NUMBER, EVFILT_READ,
				 round % 2 ? EV_CLEAR : 0, 0, 0, NULL));
		rival_go(&rival, round);
		ASSERT_SYS(close(NUMBER));
		kq_none(rival.kq);
		rival_await(&rival, round);
		ASSERT_TRUE(!rival.error || rival.error == EPIPE);
		assert_gone(rival.kq, NUMBER, rival.peer, !rival.error);
	}
	rival_end(&rival);
	fd_assert_no_missed(rival.kq);
}

static void close_peer(struct rival *rival)
{
	rival->error = close(rival->peer) ? errno : 0;
}

KQ_TEST_LIMIT(peer_close_against_delivery, 60, "KQ-247",
	"the end of file of a peer that closes during a scan is delivered")
{
	struct rival rival = { .action = close_peer, .kq = make_queue() };
	struct kevent event;

	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int fds[2];

		kq_pipe(fds);
		rival.peer = fds[1];
		kq_write(fds[1], "x", 1);
		ASSERT_OK(kq_add(rival.kq, fds[0], EVFILT_READ, EV_CLEAR, 0, 0,
				 NULL));
		rival_go(&rival, round);
		/* The byte, the end, or both; the end comes in any case. */
		do {
			event = kq_next(rival.kq);
		} while (!(event.flags & EV_EOF));
		rival_await(&rival, round);
		ASSERT_EQ(event.data, 1);
		close(fds[0]);
		kq_none(rival.kq);
	}
	rival_end(&rival);
}

static void close_queue(struct rival *rival)
{
	rival->error = close(rival->kq) ? errno : 0;
}

KQ_TEST_LIMIT(queue_close_against_close, 60, "KQ-090 KQ-103",
	"closing queue and watched number at once frees the file")
{
	struct rival rival = { .action = close_queue };

	ASSERT_EQ(fd_other_file(), 3);
	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int peer = open_number(NUMBER);
		char byte;

		rival.kq = kq_new();
		kq_write(peer, "x", 1);
		for (int filter = EVFILT_READ; filter >= EVFILT_WRITE; filter--)
			ASSERT_OK(kq_add(rival.kq, NUMBER, filter, 0, 0, 0,
					 NULL));
		rival_go(&rival, round);
		ASSERT_SYS(close(NUMBER));
		rival_await(&rival, round);
		ASSERT_EQ(rival.error, 0);
		ASSERT_ERRNO(read(peer, &byte, 1), ECONNRESET);
		fd_assert_eof(peer);
		close(peer);
	}
	rival_end(&rival);
}

static void add_to_queue(struct rival *rival)
{
	rival->error = -kq_add(rival->kq, NUMBER, EVFILT_READ, 0, 0, 0, NULL);
}

KQ_TEST_LIMIT(queue_close_against_add, 60, "KQ-090 KQ-104",
	"EV_ADD racing the last close of the queue fails EBADF or is undone")
{
	struct rival rival = { .action = add_to_queue };

	ASSERT_EQ(fd_other_file(), 3);
	rival_start(&rival);
	FOR_EACH_ROUND(&rival) {
		int peer = open_number(NUMBER);

		rival.kq = kq_new();
		rival_go(&rival, round);
		ASSERT_SYS(close(rival.kq));
		rival_await(&rival, round);
		ASSERT_TRUE(!rival.error || rival.error == EBADF);
		ASSERT_SYS(close(NUMBER));
		fd_assert_eof(peer);
		close(peer);
	}
	rival_end(&rival);
}

/* A process with threads that register and close ends in the middle of it. */
static void *register_for_ever(void *argument)
{
	int kq = *(int *)argument;

	for (;;) {
		kq_add(kq, NUMBER, EVFILT_READ, 0, 0, 0, NULL);
		kq_add(kq, OTHER, EVFILT_WRITE, EV_CLEAR, 0, 0, NULL);
		kq_del(kq, OTHER, EVFILT_WRITE);
	}
	return NULL;
}

KQ_TEST_LIMIT(exit_against_add, 60, "KQ-090 KQ-105",
	"a process killed while its threads register leaves nothing open")
{
	long long start = kq_now();

	for (int round = 0; kq_more(round, 50, start); round++) {
		int peers[2] = { open_number(NUMBER), open_number(OTHER) };
		int ready[2], status;
		pid_t child;

		kq_pipe(ready);
		child = kq_fork();
		if (!child) {
			static int kq;

			kq = kq_new();
			close(peers[0]);
			close(peers[1]);
			kq_thread(register_for_ever, &kq);
			kq_thread(register_for_ever, &kq);
			kq_write(ready[1], "x", 1);
			register_for_ever(&kq);
		}
		ASSERT_SYS(close(NUMBER));
		ASSERT_SYS(close(OTHER));
		kq_await_poll(ready[0], POLLIN);
		delay(round * 1000);
		ASSERT_SYS(kill(child, SIGKILL));
		ASSERT_EQ(waitpid(child, &status, 0), child);
		fd_assert_eof(peers[0]);
		fd_assert_eof(peers[1]);
		ASSERT_SYS(syscall(SYS_close_range, 3, NUMBER - 1, 0));
	}
}
