/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what test cases share beside assertions: one-line queue calls, fences,
 * connected pairs, clocks, threads and children. Included by kq_test.h only.
 */
#ifndef KQ_HELPERS_H
#define KQ_HELPERS_H

/* Queues and events */

static inline int kq_new_at(const char *file, int line)
{
	int kq = kqueue();

	if (kq < 0)
		kq_fail(file, line, "kqueue(): %s", kq_errno_name(errno));
	return kq;
}
#define kq_new()	kq_new_at(__FILE__, __LINE__)

/* One change, nothing collected: 0 or a negative errno. */
static inline int kq_ctl(int kq, uintptr_t ident, int filter,
			 unsigned int flags, unsigned int fflags,
			 intptr_t data, void *udata)
{
	struct kevent change;

	EV_SET(&change, ident, filter, flags, fflags, data, udata);
	return kevent(kq, &change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

static inline int kq_add(int kq, uintptr_t ident, int filter,
			 unsigned int flags, unsigned int fflags,
			 intptr_t data, void *udata)
{
	return kq_ctl(kq, ident, filter, EV_ADD | flags, fflags, data, udata);
}

static inline int kq_del(int kq, uintptr_t ident, int filter)
{
	return kq_ctl(kq, ident, filter, EV_DELETE, 0, 0, NULL);
}

static inline int kq_trigger(int kq, uintptr_t ident)
{
	return kq_ctl(kq, ident, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL);
}

/* What is ready now: the number of events, or a negative errno. */
static inline int kq_poll(int kq, struct kevent *events, int room)
{
	static const struct timespec zero;
	int count = kevent(kq, NULL, 0, events, room, &zero);

	return count < 0 ? -errno : count;
}

/* Waits at most ms milliseconds, for ever if ms is negative. */
static inline int kq_wait(int kq, struct kevent *events, int room, long ms)
{
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000 };
	int count = kevent(kq, NULL, 0, events, room, ms < 0 ? NULL : &limit);

	return count < 0 ? -errno : count;
}

/* Text of an event, in one of a few static buffers. */
static inline const char *kq_text(const struct kevent *event)
{
	static const char * const filters[] = {
		"?", "READ", "WRITE", "AIO", "VNODE", "PROC", "SIGNAL",
		"TIMER", "PROCDESC", "FS", "LIO", "USER", "LIBKQUEUE", "EMPTY",
	};
	static __thread char buffers[4][200];
	static __thread unsigned int next;
	char *text = buffers[next++ % 4];
	unsigned int filter = -event->filter;

	snprintf(text, sizeof(buffers[0]),
		 "{%#llx %s(%d) flags %#x fflags %#x data %lld udata %p}",
		 (unsigned long long)event->ident,
		 filter < ARRAY_SIZE(filters) ? filters[filter] : "?",
		 event->filter, event->flags, event->fflags,
		 (long long)event->data, event->udata);
	return text;
}

static inline void kq_dump(const struct kevent *events, int count)
{
	for (int i = 0; i < count; i++)
		kq_diag("  event %d: %s", i, kq_text(&events[i]));
}

/* Nothing is ready now. */
static inline void kq_none_at(const char *file, int line, int kq)
{
	struct kevent events[8];
	int count = kq_poll(kq, events, ARRAY_SIZE(events));

	if (count) {
		kq_dump(events, count);
		kq_fail(file, line, "wanted no event, got %d", count);
	}
}
#define kq_none(kq)	kq_none_at(__FILE__, __LINE__, kq)

static inline struct kevent kq_one_at(const char *file, int line, int kq,
				      long ms)
{
	struct kevent events[8];
	int count = kq_wait(kq, events, ARRAY_SIZE(events), ms);

	if (count != 1) {
		kq_dump(events, count);
		kq_fail(file, line, "wanted one event, got %d", count);
	}
	return events[0];
}
/* Exactly one event is ready now: returns it. */
#define kq_one(kq)	kq_one_at(__FILE__, __LINE__, kq, 0)
/* The first call that returns anything returns one event; the time limit of the case ends the wait. */
#define kq_next(kq)	kq_one_at(__FILE__, __LINE__, kq, -1)

/* ASSERT_EVENT(event, ident, filter, flags, fflags, data, udata): every word of it. */
#define ASSERT_EVENT(event, ...)					\
	do {								\
		struct kevent kq_got = (event), kq_want;		\
									\
		EV_SET(&kq_want, __VA_ARGS__);				\
		if (kq_got.ident != kq_want.ident ||			\
		    kq_got.filter != kq_want.filter ||			\
		    kq_got.flags != kq_want.flags ||			\
		    kq_got.fflags != kq_want.fflags ||			\
		    kq_got.data != kq_want.data ||			\
		    kq_got.udata != kq_want.udata)			\
			KQ_FAIL_NOW("%s: wanted %s, got %s", #event,	\
				    kq_text(&kq_want), kq_text(&kq_got)); \
	} while (0)

/*
 * Events become ready in order, so when one triggered now is returned, all
 * that was caused before has been. Returns how many came before it.
 */
#define KQ_FENCE	((uintptr_t)0x00fe0ce5)

static inline int kq_fence_at(const char *file, int line, int kq,
			      struct kevent *events, int room)
{
	struct kevent batch[64];
	int found = 0, count, error;

	error = kq_add(kq, KQ_FENCE, EVFILT_USER, EV_ONESHOT, 0, 0, NULL);
	if (!error)
		error = kq_trigger(kq, KQ_FENCE);
	if (error)
		kq_fail(file, line, "fence: %s", kq_errno_name(-error));
	for (bool seen = false; !seen;) {
		count = kq_wait(kq, batch, ARRAY_SIZE(batch), -1);
		if (count <= 0)
			kq_fail(file, line, "fence: kevent() gave %d", count);
		for (int i = 0; i < count; i++) {
			if (batch[i].filter == EVFILT_USER &&
			    batch[i].ident == KQ_FENCE) {
				seen = true;
			} else if (found < room) {
				events[found++] = batch[i];
			} else {
				kq_dump(&batch[i], 1);
				kq_fail(file, line, "an event came before the fence");
			}
		}
	}
	return found;
}
/* Nothing that happened before caused an event. */
#define kq_fence(kq)	((void)kq_fence_at(__FILE__, __LINE__, kq, NULL, 0))
/* Collects at most room events that were caused before. */
#define kq_collect(kq, events, room) \
	kq_fence_at(__FILE__, __LINE__, kq, events, room)

/* Time */

#define KQ_MS	1000000LL
#define KQ_SEC	1000000000LL

static inline long long kq_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * KQ_SEC + now.tv_nsec;
}

static inline long long kq_now(void)
{
	return kq_clock_ns(CLOCK_MONOTONIC);
}

/* Only where time itself is the subject. */
static inline void kq_sleep_ms(long ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

/*
 * KQ_QUICK is set on kernels that check themselves, many times slower than others
 * and here for what they check: a test of very many like cases takes part of them.
 */
static inline bool kq_quick(void)
{
	return getenv("KQ_QUICK");
}

/*
 * For loops that look for a race: true for so many rounds, or on a slow machine
 * for as many as KQ_RACE_SECONDS hold, which are five unless somebody is in a
 * hurry.
 */
static inline bool kq_more(int round, int rounds, long long start)
{
	const char *asked = getenv("KQ_RACE_SECONDS");
	int seconds = asked && atoi(asked) > 0 ? atoi(asked) : 5;

	return round < rounds && (round < 10 || kq_now() - start < seconds * KQ_SEC);
}

/* Pairs of descriptors: [0] reads what [1] writes. */

static inline void kq_pipe(int fds[2])
{
	ASSERT_SYS(pipe2(fds, O_NONBLOCK));
}

static inline void kq_unix_pair(int fds[2], int type)
{
	ASSERT_SYS(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, fds));
}

static inline void kq_unix_stream(int fds[2])
{
	kq_unix_pair(fds, SOCK_STREAM);
}

/* A bound TCP socket on 127.0.0.1, any port, not listening yet. */
static inline int kq_tcp_bound(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	*address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	ASSERT_SYS(bind(fd, (struct sockaddr *)address, size));
	ASSERT_SYS(getsockname(fd, (struct sockaddr *)address, &size));
	return fd;
}

static inline int kq_tcp_listen(struct sockaddr_in *address)
{
	int fd = kq_tcp_bound(address);

	ASSERT_SYS(listen(fd, 128));
	return fd;
}

/* A non-blocking socket whose connection to the listener is established. */
static inline int kq_tcp_connect(const struct sockaddr_in *address)
{
	int fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM, 0));

	ASSERT_SYS(connect(fd, (const struct sockaddr *)address,
			   sizeof(*address)));
	ASSERT_SYS(fcntl(fd, F_SETFL, O_NONBLOCK));
	return fd;
}

static inline void kq_tcp_pair(int fds[2])
{
	struct sockaddr_in address;
	int listener = kq_tcp_listen(&address);
	struct pollfd ready = { .fd = listener, .events = POLLIN };

	fds[1] = kq_tcp_connect(&address);
	ASSERT_EQ(poll(&ready, 1, -1), 1);
	fds[0] = ASSERT_SYS(accept4(listener, NULL, NULL, SOCK_NONBLOCK));
	close(listener);
}

struct kq_pair {
	const char *name;
	void (*open)(int fds[2]);
};

/* For KQ_TEST_EACH(): variant->open(fds). */
static const struct kq_pair kq_streams[] KQ_UNUSED = {
	{ "tcp", kq_tcp_pair },
	{ "unix", kq_unix_stream },
	{ "pipe", kq_pipe },
};

/* Writes everything or fails. */
static inline void kq_write(int fd, const void *bytes, size_t size)
{
	ASSERT_EQ(ASSERT_SYS(write(fd, bytes, size)), size);
}

/* Reads until the descriptor would block or is at its end. */
static inline size_t kq_drain(int fd)
{
	char buffer[4096];
	size_t total = 0;
	ssize_t count;

	while ((count = read(fd, buffer, sizeof(buffer))) > 0)
		total += count;
	return total;
}

/* Returns once poll(2) reports one of events on fd. */
static inline short kq_await_poll(int fd, short events)
{
	struct pollfd ready = { .fd = fd, .events = events };

	ASSERT_EQ(poll(&ready, 1, -1), 1);
	return ready.revents;
}

/* Threads and processes */

static inline pthread_t kq_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	ASSERT_EQ(pthread_create(&thread, NULL, run, argument), 0);
	return thread;
}

static inline void *kq_join(pthread_t thread)
{
	void *result;

	ASSERT_EQ(pthread_join(thread, &result), 0);
	return result;
}

static inline pid_t kq_gettid(void)
{
	return syscall(SYS_gettid);
}

/* True if that task, of any process, sleeps in a system call. */
static inline bool kq_sleeps_in(pid_t tid, int wanted)
{
	char path[64], text[512] = "";
	const char *state;
	FILE *file;
	int call = -1;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	state = strrchr(text, ')');
	if (!state || state[1] != ' ' || state[2] != 'S')
		return false;
	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	file = fopen(path, "re");
	if (!file)
		return true;
	if (fscanf(file, "%d", &call) != 1)
		call = -1;
	fclose(file);
	return call == wanted;
}

/* True if that task sleeps in an ioctl, as a thread in kevent() does. */
static inline bool kq_is_waiting(pid_t tid)
{
	return kq_sleeps_in(tid, SYS_ioctl);
}

/* Returns when the task whose id *tid will hold sleeps in that system call. */
static inline void kq_await_sleeper(const volatile pid_t *tid, int call)
{
	while (!*tid || !kq_sleeps_in(*tid, call))
		sched_yield();
}

/* Returns when the task whose id *tid will hold sleeps in kevent(). */
static inline void kq_await_waiter(const volatile pid_t *tid)
{
	kq_await_sleeper(tid, SYS_ioctl);
}

/* A thread that collects one event: fill in kq, and timeout and change if wanted. */
struct kq_waiter {
	int kq;
	const struct timespec *timeout;
	const struct kevent *change;	/* one, or NULL */
	struct kevent *room;		/* where the event goes; NULL: event */
	pthread_t thread;
	struct kevent event;
	volatile int result, error;
	volatile bool done;
	volatile pid_t tid;
};

static inline void *kq_run_waiter(void *argument)
{
	struct kq_waiter *waiter = argument;
	int result;

	waiter->tid = kq_gettid();
	result = kevent(waiter->kq, waiter->change, !!waiter->change,
			waiter->room ? waiter->room : &waiter->event, 1,
			waiter->timeout);
	/* No cancellation point from here on. */
	waiter->error = errno;
	waiter->result = result;
	waiter->done = true;
	return NULL;
}

static inline void kq_start_waiter(struct kq_waiter *waiter)
{
	waiter->tid = 0;
	waiter->done = false;
	waiter->thread = kq_thread(kq_run_waiter, waiter);
}

/* The same, and returns when the thread sleeps in kevent(). */
static inline void kq_start_sleeper(struct kq_waiter *waiter)
{
	kq_start_waiter(waiter);
	kq_await_waiter(&waiter->tid);
}

/* A child, which is killed when the case ends. */
static inline pid_t kq_fork(void)
{
	return ASSERT_SYS(fork());
}

/* Collects a child, which must have ended with status 0. */
static inline void kq_reap_at(const char *file, int line, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			kq_fail(file, line, "waitpid: %s", kq_errno_name(errno));
	/* The child has left its reason. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == KQ_SKIPPED)
		_exit(KQ_SKIPPED);
	if (status)
		kq_fail(file, line, "child ended with status 0x%x", status);
}
#define kq_reap(pid)	kq_reap_at(__FILE__, __LINE__, pid)

/* An address range that cannot be read or written. */
static inline void *kq_bad_page(int protection)
{
	void *page = mmap(NULL, getpagesize(), protection,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(page != MAP_FAILED);
	return page;
}

#endif /* KQ_HELPERS_H */
