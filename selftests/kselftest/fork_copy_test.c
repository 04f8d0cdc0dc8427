// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of KQUEUE_CPONFORK: a forked child has a queue of its own by the
 * same number, with copies of what its parent's watches and has recorded.
 */
#include "kq_test.h"
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include "kq_fd.h"
#include "kq_fork.h"
#include "kq_proc.h"

#define FORK_USER	65534	/* any that is not root */

/* Two processes do the same thing in turn; each sees its own queue. */

struct pair {
	int kq, fds[2];
};

static void both_go_on(const void *argument)
{
	const struct pair *p = argument;

	ASSERT_OK(kq_trigger(p->kq, 1));
	ASSERT_EVENT(kq_one(p->kq), 1, EVFILT_USER, EV_ADD | EV_CLEAR, 5, 0, NULL);
	kq_none(p->kq);
	ASSERT_OK(kq_del(p->kq, 1, EVFILT_USER));
	ASSERT_ERR(kq_del(p->kq, 1, EVFILT_USER), ENOENT);
}

KQ_TEST(queues_are_apart, "KQ-093 KQ-094", "what one does with its queue the other does not see")
{
	struct pair p = { .kq = fork_queue() };

	ASSERT_OK(kq_add(p.kq, 1, EVFILT_USER, EV_CLEAR, 5, 0, NULL));
	for (int i = 0; i < 3; i++)
		fork_run(both_go_on, &p);
	both_go_on(&p);
}

KQ_TEST(parent_ends_at_once, "KQ-093", "a parent that ends as soon as fork returns leaves the child its copy")
{
	long long start = kq_now();

	for (int round = 0; kq_more(round, 100, start); round++) {
		int turn, inner;
		pid_t child = proc_fork(&turn);

		if (!child) {
			int kq = fork_queue();

			for (int i = 0; i < 100; i++)
				ASSERT_OK(kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
			inner = (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
			if (inner)
				syscall(SYS_exit_group, inner < 0);
			for (int i = 0; i < 100; i++) {
				ASSERT_OK(kq_trigger(kq, i));
				ASSERT_EQ(kq_one(kq).ident, i);
			}
			proc_say(turn, 1);
			_exit(0);
		}
		kq_reap(child);
		ASSERT_EQ(proc_hear(turn), 1);
		close(turn);
	}
}

KQ_TEST(parent_goes_on_at_once, "KQ-093", "what the parent does after fork returned is not in the copy")
{
	int kq = fork_queue(), turn;
	pid_t child;

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = 0; i < 50; i++) {
		child = proc_fork(&turn);
		if (!child) {
			proc_hear(turn);
			kq_none(kq);
			ASSERT_ERR(kq_del(kq, 100 + i, EVFILT_USER), ENOENT);
			ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
			_exit(0);
		}
		ASSERT_OK(kq_add(kq, 100 + i, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		ASSERT_OK(kq_trigger(kq, 1));
		ASSERT_EQ(kq_one(kq).ident, 1);
		proc_say(turn, 0);
		kq_reap(child);
		close(turn);
	}
}

/* Numbers */

static int dup_of, plain;

static void numbers(const void *argument)
{
	int kq = *(const int *)argument;

	ASSERT_TRUE(fork_is_open(kq));
	ASSERT_TRUE(fork_is_open(dup_of));
	ASSERT_FALSE(fork_is_open(plain));
	ASSERT_EQ(fcntl(kq, F_GETFD), 0);
	ASSERT_EQ(fcntl(dup_of, F_GETFD), FD_CLOEXEC);
	ASSERT_OK(kq_trigger(dup_of, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
	/* What watched the other queue is not there. */
	ASSERT_ERR(kq_del(kq, plain, EVFILT_READ), EBADF);
	ASSERT_SYS(close(kq));
	ASSERT_OK(kq_trigger(dup_of, 1));
	ASSERT_EQ(kq_one(dup_of).ident, 1);
	ASSERT_SYS(close(dup_of));
}

KQ_TEST(numbers_and_flags, "KQ-093 KQ-092", "all numbers of a queue are one copy, others are closed")
{
	int kq = fork_queue();

	dup_of = ASSERT_SYS(fcntl(kq, F_DUPFD_CLOEXEC, FD_HIGH));
	plain = kq_new();
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	ASSERT_OK(kq_add(kq, plain, EVFILT_READ, 0, 0, 0, NULL));
	fork_run(numbers, &kq);
	ASSERT_TRUE(fork_is_open(plain));
	ASSERT_OK(kq_del(kq, plain, EVFILT_READ));
}

static void grandchild(const void *argument)
{
	int kq = *(const int *)argument;

	ASSERT_OK(kq_trigger(kq, 1));
	ASSERT_EQ(kq_one(kq).ident, 1);
}

static void child_of_generations(const void *argument)
{
	fork_run(grandchild, argument);
	grandchild(argument);
}

KQ_TEST(copies_are_copied, "KQ-093", "the copy is copied to the child's children")
{
	int kq = fork_queue();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	fork_run(child_of_generations, &kq);
	grandchild(&kq);
}

/* Who makes the queue, and who forks: root has kept its rights for later. */
static const struct {
	const char *name;
	uid_t real, effective, later;
	bool copied;
} rights[] = {
	{ "same", FORK_USER, FORK_USER, FORK_USER, true },
	{ "gained", FORK_USER, FORK_USER, 0, false },
	{ "given_up", 0, 0, FORK_USER, true },
};

KQ_TEST_EACH(rights_decide, "KQ-093", "a process that gained rights after it had the queue forks without it", rights)
{
	pid_t child;
	int kq;

	if (setresuid(variant->real, variant->effective, 0))
		KQ_SKIP("needs root to be another user");
	kq = fork_queue();
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	/* What a set-user-ID program has: the real user is who ran it. */
	ASSERT_SYS(seteuid(0));
	ASSERT_SYS(setresuid(variant->real ? (uid_t)-1 : variant->later, variant->later, 0));
	child = kq_fork();
	if (!child) {
		ASSERT_EQ(fork_is_open(kq), variant->copied);
		if (variant->copied)
			grandchild(&kq);
		_exit(0);
	}
	kq_reap(child);
	grandchild(&kq);
}

KQ_TEST(flag_is_taken_back, "KQ-093", "KQ_IOC_SETUP without the flag makes an ordinary queue of it again")
{
	int kq = fork_queue();
	struct kq_setup setup = { 0 };
	pid_t child;

	ASSERT_SYS(ioctl(kq, KQ_IOC_SETUP, &setup));
	ASSERT_EQ(setup.stamp, KQ_STAMP);
	child = kq_fork();
	if (!child) {
		ASSERT_FALSE(fork_is_open(kq));
		_exit(0);
	}
	kq_reap(child);
}

/* Descriptors */

struct object {
	const char *name;
	void (*open)(int fds[2]);
};

static void eventfd_pair(int fds[2])
{
	fds[0] = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));
	fds[1] = ASSERT_SYS(dup(fds[0]));
}

static void file_pair(int fds[2])
{
	char path[] = "/tmp/kq-fork-XXXXXX";

	fds[0] = ASSERT_SYS(mkstemp(path));
	fds[1] = ASSERT_SYS(open(path, O_WRONLY));
	unlink(path);
}

static const struct object objects[] = {
	{ "tcp", kq_tcp_pair },
	{ "unix", kq_unix_stream },
	{ "pipe", kq_pipe },
	{ "eventfd", eventfd_pair },
	{ "file", file_pair },
};

static void reads(const void *argument)
{
	const struct pair *p = argument;
	static const char bytes[8] = { 1 };

	kq_write(p->fds[1], bytes, sizeof(bytes));
	ASSERT_EQ(kq_next(p->kq).ident, p->fds[0]);
	/* The number closes for this process alone. */
	ASSERT_SYS(close(p->fds[0]));
	kq_fence(p->kq);
	ASSERT_ERR(kq_del(p->kq, p->fds[0], EVFILT_READ), EBADF);
}

KQ_TEST_EACH(descriptors_are_watched, "KQ-093 KQ-091", "the copy watches the open files of the child", objects)
{
	struct pair p = { .kq = fork_queue() };
	char byte[8];

	variant->open(p.fds);
	ASSERT_OK(kq_add(p.kq, p.fds[0], EVFILT_READ, EV_CLEAR, 0, 0, (void *)5));
	kq_none(p.kq);
	fork_run(reads, &p);
	/* The parent's was told as well, and goes on. */
	ASSERT_EQ(kq_next(p.kq).ident, p.fds[0]);
	ASSERT_GT(read(p.fds[0], byte, sizeof(byte)), 0);
	kq_none(p.kq);
	fd_assert_no_missed(p.kq);
	reads(&p);
}

static void edge_is_told_once(const void *argument)
{
	const struct pair *p = argument;

	kq_fence(p->kq);
	kq_write(p->fds[1], "b", 1);
	ASSERT_EQ(kq_next(p->kq).data, 2);
	kq_fence(p->kq);
}

KQ_TEST_EACH(edges, "KQ-093 KQ-062", "EV_CLEAR: what the parent was told before is no news", kq_streams)
{
	struct pair p = { .kq = fork_queue() };

	variant->open(p.fds);
	ASSERT_OK(kq_add(p.kq, p.fds[0], EVFILT_READ, EV_CLEAR, 0, 0, NULL));
	kq_write(p.fds[1], "a", 1);
	ASSERT_EQ(kq_next(p.kq).data, 1);
	fork_run(edge_is_told_once, &p);
}

static void one_pending(const void *argument)
{
	const struct pair *p = argument;

	ASSERT_EVENT(kq_one(p->kq), p->fds[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1, (void *)9);
	kq_none(p->kq);
}

KQ_TEST_EACH(pending_edges, "KQ-093 KQ-062", "EV_CLEAR: what nobody was told before fork is told to both", kq_streams)
{
	struct pair p = { .kq = fork_queue() };

	variant->open(p.fds);
	ASSERT_OK(kq_add(p.kq, p.fds[0], EVFILT_READ, EV_CLEAR, 0, 0, (void *)9));
	kq_write(p.fds[1], "a", 1);
	kq_await_poll(p.fds[0], POLLIN);
	fork_run(one_pending, &p);
	one_pending(&p);
}

static void after_listen(const void *argument)
{
	const struct pair *p = argument;

	ASSERT_EQ(kq_next(p->kq).flags & EV_EOF, EV_EOF);
}

KQ_TEST(listener_is_remembered, "KQ-093 KQ-121", "a copy knows that its socket has listened")
{
	struct sockaddr_in address;
	struct pair p = { .kq = fork_queue() };

	p.fds[0] = kq_tcp_listen(&address);
	ASSERT_OK(kq_add(p.kq, p.fds[0], EVFILT_READ, EV_DISPATCH, 0, 0, NULL));
	kq_none(p.kq);
	ASSERT_SYS(shutdown(p.fds[0], SHUT_RD));
	fork_run(after_listen, &p);
	after_listen(&p);
}

/* Numbers the child does not have as the parent has them cannot come about by fork alone. */

static void *replace_number(void *argument)
{
	const struct pair *p = argument;
	int other = ASSERT_SYS(eventfd(1, EFD_NONBLOCK));

	for (int i = 0; i < 50; i++) {
		ASSERT_SYS(dup2(other, p->fds[0]));
		ASSERT_OK(kq_add(p->kq, p->fds[0], EVFILT_READ, 0, 0, 0, (void *)2));
		ASSERT_SYS(dup2(p->fds[1], p->fds[0]));
		ASSERT_OK(kq_add(p->kq, p->fds[0], EVFILT_READ, 0, 0, 0, (void *)1));
	}
	return NULL;
}

KQ_TEST(numbers_are_replaced_meanwhile, "KQ-093 KQ-090", "a copy never watches another file than its number names")
{
	struct pair p = { .kq = fork_queue() };
	pthread_t thread;
	uint64_t value;

	p.fds[0] = ASSERT_SYS(eventfd(0, EFD_NONBLOCK));
	p.fds[1] = ASSERT_SYS(eventfd(2, EFD_NONBLOCK));
	thread = kq_thread(replace_number, &p);
	for (int i = 0; i < 30; i++) {
		pid_t child = kq_fork();
		struct kevent events[4];

		if (!child) {
			int count = kq_poll(p.kq, events, 4);

			ASSERT_GE(count, 0);
			ASSERT_LE(count, 1);
			if (count && read(p.fds[0], &value, sizeof(value)) == sizeof(value))
				ASSERT_EQ(events[0].data, value);
			if (count && value == 2)
				ASSERT_PTR(events[0].udata, (void *)1);
			_exit(0);
		}
		kq_reap(child);
	}
	kq_join(thread);
}

/* A queue in a queue */

static int outer_kq, inner_kq;

static void nested(const void *argument KQ_UNUSED)
{
	ASSERT_OK(kq_trigger(inner_kq, 1));
	ASSERT_EVENT(kq_one(outer_kq), inner_kq, EVFILT_READ, EV_ADD, 0, 1, (void *)3);
	ASSERT_EQ(kq_one(inner_kq).ident, 1);
	kq_fence(outer_kq);
	/* A cycle is still one. */
	ASSERT_ERR(kq_add(inner_kq, outer_kq, EVFILT_READ, 0, 0, 0, NULL), EINVAL);
}

KQ_TEST(queue_in_a_queue, "KQ-093 KQ-099", "the copy of a queue watches the copy of the other, in either order")
{
	for (int order = 0; order < 2; order++) {
		int a = fork_queue(), b = fork_queue();

		outer_kq = order ? b : a;
		inner_kq = order ? a : b;
		ASSERT_OK(kq_add(inner_kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		ASSERT_OK(kq_add(outer_kq, inner_kq, EVFILT_READ, 0, 0, 0, (void *)3));
		fork_run(nested, NULL);
		kq_none(outer_kq);
		kq_none(inner_kq);
		nested(NULL);
	}
}

static void nested_edge(const void *argument KQ_UNUSED)
{
	ASSERT_OK(kq_trigger(inner_kq, 1));
	ASSERT_EVENT(kq_one(outer_kq), inner_kq, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 1, NULL);
	ASSERT_EQ(kq_one(inner_kq).ident, 1);
}

KQ_TEST(news_of_a_queue_in_a_queue, "KQ-093", "a copy misses no news of its queue in a queue")
{
	for (int order = 0; order < 2; order++) {
		int a = fork_queue(), b = fork_queue();

		outer_kq = order ? b : a;
		inner_kq = order ? a : b;
		ASSERT_OK(kq_add(inner_kq, 1, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		ASSERT_OK(kq_add(outer_kq, inner_kq, EVFILT_READ, EV_CLEAR, 0, 0, NULL));
		/* One arrival, told; in the copy the first one counts as one again. */
		nested_edge(NULL);
		fork_run(nested_edge, NULL);
		nested_edge(NULL);
	}
}

/* Size, and who waits for whom */

KQ_TEST_LIMIT(large_queue, 60, "KQ-093", "a copy of 20000 knotes is complete")
{
	enum { USERS = 20000 };
	int kq = fork_queue();
	pid_t child;

	for (int i = 0; i < USERS; i++)
		ASSERT_OK(kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, i, NULL));
	child = kq_fork();
	if (!child) {
		for (int i = 0; i < USERS; i++)
			ASSERT_OK(kq_del(kq, i, EVFILT_USER));
		_exit(0);
	}
	kq_reap(child);
}

static volatile bool changes_stop;

static void *change_all(void *argument)
{
	int kq = *(int *)argument;

	for (unsigned int i = 0; !changes_stop; i++) {
		struct kevent events[8];

		ASSERT_OK(kq_add(kq, 1000 + i % 500, EVFILT_USER, EV_ONESHOT, NOTE_TRIGGER, 0,
				 NULL));
		ASSERT_GE(kq_poll(kq, events, 8), 0);
		if (i % 3 == 0)
			kq_del(kq, 1000 + i % 500, EVFILT_USER);
	}
	return NULL;
}

KQ_TEST_LIMIT(changes_meanwhile, 40, "KQ-093 KQ-246", "what is not changed meanwhile is in the copy, whatever else is")
{
	enum { KEPT = 300 };
	int kq = fork_queue();
	pthread_t threads[2];
	long long start = kq_now();

	for (int i = 0; i < KEPT; i++)
		ASSERT_OK(kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
	for (int i = 0; i < 2; i++)
		threads[i] = kq_thread(change_all, &kq);
	for (int round = 0; kq_more(round, 100, start); round++) {
		pid_t child = kq_fork();

		if (!child) {
			for (int i = 0; i < KEPT; i++)
				ASSERT_OK(kq_del(kq, i, EVFILT_USER));
			_exit(0);
		}
		kq_reap(child);
	}
	changes_stop = true;
	for (int i = 0; i < 2; i++)
		kq_join(threads[i]);
}

KQ_TEST(queue_is_closed_meanwhile, "KQ-093 KQ-104", "a queue closed while it is copied gives all or nothing")
{
	enum { KEPT = 200 };
	long long start = kq_now();

	for (int round = 0; kq_more(round, 100, start); round++) {
		int kq = fork_queue();
		pid_t child;

		for (int i = 0; i < KEPT; i++)
			ASSERT_OK(kq_add(kq, i, EVFILT_USER, EV_CLEAR, 0, 0, NULL));
		child = kq_fork();
		if (!child) {
			/* Both at once: this process and the one it came from. */
			pid_t inner = kq_fork();

			if (fork_is_open(kq))
				for (int i = 0; i < KEPT; i++)
					ASSERT_OK(kq_del(kq, i, EVFILT_USER));
			if (inner)
				kq_reap(inner);
			_exit(0);
		}
		ASSERT_SYS(close(kq));
		kq_reap(child);
	}
}
