// SPDX-License-Identifier: GPL-2.0
/*
 * Owns EVFILT_READ on listening sockets: the number of waiting connections,
 * and registrations made before the socket listened.
 */
#include "kq_test.h"
#include "kq_fd.h"
#include <linux/vm_sockets.h>
#include <sys/un.h>

/* How an address of each family is made; the kernel chooses the rest. */
static socklen_t make_inet(struct sockaddr_storage *address)
{
	*(struct sockaddr_in *)address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	return sizeof(struct sockaddr_in);
}

static socklen_t make_inet6(struct sockaddr_storage *address)
{
	*(struct sockaddr_in6 *)address = (struct sockaddr_in6){
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	return sizeof(struct sockaddr_in6);
}

static socklen_t make_unix(struct sockaddr_storage *address)
{
	/* Without a path: a free abstract name. */
	address->ss_family = AF_UNIX;
	return sizeof(sa_family_t);
}

static socklen_t make_vsock(struct sockaddr_storage *address)
{
	*(struct sockaddr_vm *)address = (struct sockaddr_vm){
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_LOCAL,
		.svm_port = VMADDR_PORT_ANY,
	};
	return sizeof(struct sockaddr_vm);
}

struct family {
	int domain, type;
	socklen_t (*make)(struct sockaddr_storage *address);
};

static const struct family tcp4 = { AF_INET, SOCK_STREAM, make_inet };
static const struct family tcp6 = { AF_INET6, SOCK_STREAM, make_inet6 };
static const struct family unix_stream = { AF_UNIX, SOCK_STREAM, make_unix };
static const struct family unix_seqpacket = {
	AF_UNIX, SOCK_SEQPACKET, make_unix
};
static const struct family vsock = { AF_VSOCK, SOCK_STREAM, make_vsock };

struct endpoint {
	const struct family *family;
	int fd;
	struct sockaddr_storage address;
	socklen_t size;
};

static void make_socket(struct endpoint *end, const struct family *family)
{
	memset(end, 0, sizeof(*end));
	end->family = family;
	end->fd = socket(family->domain, family->type | SOCK_NONBLOCK, 0);
	if (end->fd < 0 && errno == EAFNOSUPPORT)
		KQ_SKIP("the address family is not in this kernel");
	ASSERT_SYS(end->fd);
}

static void bind_socket(struct endpoint *end)
{
	end->size = end->family->make(&end->address);
	if (bind(end->fd, (void *)&end->address, end->size)) {
		if (errno == EADDRNOTAVAIL)
			KQ_SKIP("the address family has no loopback here");
		KQ_FAIL_NOW("bind: %s", kq_errno_name(errno));
	}
	end->size = sizeof(end->address);
	ASSERT_SYS(getsockname(end->fd, (void *)&end->address, &end->size));
}

static void make_listener(struct endpoint *end, const struct family *family)
{
	make_socket(end, family);
	bind_socket(end);
	ASSERT_SYS(listen(end->fd, 16));
}

/* A client whose connect is done or on its way. */
static int connect_to(const struct endpoint *end)
{
	int fd = ASSERT_SYS(socket(end->family->domain, end->family->type, 0));

	if (connect(fd, (const void *)&end->address, end->size)) {
		if (end->family == &vsock)
			KQ_SKIP("vsock has no loopback here");
		KQ_FAIL_NOW("connect: %s", kq_errno_name(errno));
	}
	return fd;
}

static int add_read(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_READ, flags, 0, 0, (void *)1);
}

static int add_write(int kq, int fd, unsigned int flags)
{
	return kq_add(kq, fd, EVFILT_WRITE, flags, 0, 0, (void *)2);
}

static void await_backlog(int kq, int fd, intptr_t count)
{
	struct kevent event;

	do {
		event = kq_next(kq);
		ASSERT_EVENT(event, fd, EVFILT_READ, EV_ADD, 0, event.data,
			     (void *)1);
		ASSERT_LE(event.data, count);
	} while (event.data < count);
}

static const struct {
	const char *name;
	const struct family *family;
} families[] = {
	{ "tcp4", &tcp4 },
	{ "tcp6", &tcp6 },
	{ "unix_stream", &unix_stream },
	{ "unix_seqpacket", &unix_seqpacket },
	{ "vsock", &vsock },
};

KQ_TEST_EACH(backlog_is_counted, "KQ-118",
	     "data is the number of waiting connections, idle when accepted",
	     families)
{
	struct endpoint end;
	int kq = kq_new();

	make_listener(&end, variant->family);
	ASSERT_OK(add_read(kq, end.fd, 0));
	kq_fence(kq);
	for (int count = 1; count <= 3; count++) {
		connect_to(&end);
		await_backlog(kq, end.fd, count);
	}
	for (int count = 2; count >= 0; count--) {
		ASSERT_SYS(accept(end.fd, NULL, NULL));
		if (count)
			ASSERT_EVENT(kq_one(kq), end.fd, EVFILT_READ, EV_ADD, 0,
				     count, (void *)1);
	}
	kq_fence(kq);
	ASSERT_ERRNO(accept(end.fd, NULL, NULL), EAGAIN);
}

KQ_TEST_EACH(clear_fires_for_each_connection, "KQ-118 KQ-062",
	     "EV_CLEAR reports each connection while others wait", families)
{
	struct endpoint end;
	int kq = kq_new();

	make_listener(&end, variant->family);
	ASSERT_OK(add_read(kq, end.fd, EV_CLEAR));
	for (int count = 1; count <= 3; count++) {
		connect_to(&end);
		ASSERT_EVENT(kq_next(kq), end.fd, EVFILT_READ,
			     EV_ADD | EV_CLEAR, 0, count, (void *)1);
		kq_fence(kq);
	}
}

KQ_TEST_EACH(low_water_mark_is_ignored, "KQ-118",
	     "NOTE_LOWAT means nothing to a listening socket", families)
{
	struct endpoint end;
	int kq = kq_new();

	make_listener(&end, variant->family);
	ASSERT_OK(kq_add(kq, end.fd, EVFILT_READ, 0, NOTE_LOWAT, 5, NULL));
	connect_to(&end);
	ASSERT_EQ(kq_next(kq).data, 1);
}

/* The knote is older than listen(2), in every combination. */

enum { BEFORE_BIND, AFTER_BIND };

struct early {
	const char *name;
	const struct family *family;
	unsigned int flags;
	bool again;		/* with a second EV_ADD after listen */
	int when;
};

#define EARLY(of, mode, flag)						\
	{ #of "_" #mode "_before_bind", &of, flag, false, BEFORE_BIND },\
	{ #of "_" #mode "_before_bind_again", &of, flag, true, BEFORE_BIND }, \
	{ #of "_" #mode "_after_bind", &of, flag, false, AFTER_BIND },	\
	{ #of "_" #mode "_after_bind_again", &of, flag, true, AFTER_BIND }
#define EARLY_MODES(of)							\
	EARLY(of, level, 0), EARLY(of, clear, EV_CLEAR)

static const struct early earlies[] = {
	EARLY_MODES(tcp4),
	EARLY_MODES(tcp6),
	EARLY_MODES(unix_stream),
	EARLY_MODES(unix_seqpacket),
	EARLY_MODES(vsock),
};

KQ_TEST_EACH(registered_before_listen, "KQ-119 KQ-116 KQ-142",
	     "a knote older than listen reports connections", earlies)
{
	struct endpoint end;
	int kq = kq_new();

	make_socket(&end, variant->family);
	if (variant->when == AFTER_BIND)
		bind_socket(&end);
	ASSERT_OK(add_read(kq, end.fd, variant->flags));
	ASSERT_OK(add_write(kq, end.fd, variant->flags));
	kq_fence(kq);
	if (variant->when == BEFORE_BIND)
		bind_socket(&end);
	ASSERT_SYS(listen(end.fd, 16));
	kq_fence(kq);
	if (variant->again) {
		ASSERT_OK(add_read(kq, end.fd, variant->flags));
		ASSERT_OK(add_write(kq, end.fd, variant->flags));
		kq_fence(kq);
	}
	for (int count = 1; count <= 2; count++) {
		connect_to(&end);
		kq_await_poll(end.fd, POLLIN);
		/* WRITE has been silent through all of it. */
		ASSERT_EVENT(kq_next(kq), end.fd, EVFILT_READ,
			     EV_ADD | variant->flags, 0, 1, (void *)1);
		ASSERT_SYS(accept(end.fd, NULL, NULL));
		kq_fence(kq);
	}
}

struct waiter {
	int kq;
	volatile pid_t tid;
	int count;
	struct kevent events[4];
};

static void *wait_for_event(void *argument)
{
	struct waiter *waiter = argument;

	waiter->tid = kq_gettid();
	waiter->count = kq_wait(waiter->kq, waiter->events, 4, -1);
	return NULL;
}

KQ_TEST_EACH(reactor_sequence, "KQ-120",
	     "EV_CLEAR on both filters, listen, the same EV_ADDs, then a waiter",
	     families)
{
	struct waiter waiter = { .kq = kq_new() };
	struct kevent changes[2];
	struct endpoint end;
	pthread_t thread;

	make_socket(&end, variant->family);
	EV_SET(&changes[0], end.fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0,
	       &end);
	EV_SET(&changes[1], end.fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0,
	       &end);
	ASSERT_EQ(kevent(waiter.kq, changes, 2, NULL, 0, NULL), 0);
	bind_socket(&end);
	ASSERT_SYS(listen(end.fd, SOMAXCONN));
	ASSERT_EQ(kevent(waiter.kq, changes, 2, NULL, 0, NULL), 0);
	thread = kq_thread(wait_for_event, &waiter);
	kq_await_waiter(&waiter.tid);
	connect_to(&end);
	kq_join(thread);
	ASSERT_EQ(waiter.count, 1);
	ASSERT_EVENT(waiter.events[0], end.fd, EVFILT_READ, EV_ADD | EV_CLEAR,
		     0, 1, &end);
	ASSERT_SYS(accept(end.fd, NULL, NULL));
	kq_fence(waiter.kq);
}

KQ_TEST_EACH(sleeping_waiter_before_listen, "KQ-119",
	     "a thread asleep since before listen is woken by a connection",
	     families)
{
	struct waiter waiter = { .kq = kq_new() };
	struct endpoint end;
	pthread_t thread;

	make_socket(&end, variant->family);
	ASSERT_OK(add_read(waiter.kq, end.fd, EV_CLEAR));
	thread = kq_thread(wait_for_event, &waiter);
	kq_await_waiter(&waiter.tid);
	bind_socket(&end);
	ASSERT_SYS(listen(end.fd, 16));
	connect_to(&end);
	kq_join(thread);
	ASSERT_EQ(waiter.count, 1);
	ASSERT_EQ(waiter.events[0].data, 1);
}

/* vsock has no shutdown of a listener. */
static const struct {
	const char *name;
	const struct family *family;
	unsigned int flags;
} listeners[] = {
	{ "tcp4_level", &tcp4, 0 },
	{ "tcp4_clear", &tcp4, EV_CLEAR },
	{ "tcp6_level", &tcp6, 0 },
	{ "unix_stream_level", &unix_stream, 0 },
	{ "unix_stream_clear", &unix_stream, EV_CLEAR },
	{ "unix_seqpacket_level", &unix_seqpacket, 0 },
};

static void assert_aborted(const struct kevent *event, int fd,
			   unsigned int flags)
{
	ASSERT_TRUE(event->fflags == ECONNABORTED || event->fflags == 0);
	ASSERT_EVENT(*event, fd, EVFILT_READ, EV_ADD | EV_EOF | flags,
		     event->fflags, 0, (void *)1);
}

KQ_TEST_EACH(shutdown_wakes_waiter, "KQ-121",
	     "shutdown(RD) of a listener wakes a waiter with EV_EOF", listeners)
{
	struct waiter waiter = { .kq = kq_new() };
	struct kevent event;
	struct endpoint end;
	pthread_t thread;

	make_listener(&end, variant->family);
	ASSERT_OK(add_read(waiter.kq, end.fd, variant->flags));
	thread = kq_thread(wait_for_event, &waiter);
	kq_await_waiter(&waiter.tid);
	ASSERT_SYS(shutdown(end.fd, SHUT_RD));
	kq_join(thread);
	ASSERT_EQ(waiter.count, 1);
	assert_aborted(&waiter.events[0], end.fd, variant->flags);
	/* It stays at its end: at each look, with EV_CLEAR at a modify. */
	ASSERT_OK(add_read(waiter.kq, end.fd, 0));
	event = kq_one(waiter.kq);
	assert_aborted(&event, end.fd, variant->flags);
}

KQ_TEST_EACH(early_knote_sees_shutdown, "KQ-121 KQ-119",
	     "a knote older than listen sees the shutdown of the listener",
	     listeners)
{
	struct kevent event;
	struct endpoint end;
	int kq = kq_new();

	make_socket(&end, variant->family);
	ASSERT_OK(add_read(kq, end.fd, variant->flags));
	bind_socket(&end);
	ASSERT_SYS(listen(end.fd, 16));
	connect_to(&end);
	/* The knote saw it listening. */
	ASSERT_EQ(kq_next(kq).data, 1);
	ASSERT_SYS(accept(end.fd, NULL, NULL));
	kq_fence(kq);
	ASSERT_SYS(shutdown(end.fd, SHUT_RDWR));
	event = kq_next(kq);
	assert_aborted(&event, end.fd, variant->flags);
}

KQ_TEST(listens_again, "KQ-119 KQ-121",
	"a TCP listener that was shut down and listens again reports again")
{
	struct kevent event;
	struct endpoint end;
	int kq = kq_new();

	make_listener(&end, &tcp4);
	ASSERT_OK(add_read(kq, end.fd, 0));
	ASSERT_SYS(shutdown(end.fd, SHUT_RD));
	ASSERT_TRUE(kq_next(kq).flags & EV_EOF);
	ASSERT_SYS(listen(end.fd, 16));
	/* A port that the kernel chose was given back. */
	ASSERT_SYS(getsockname(end.fd, (void *)&end.address, &end.size));
	connect_to(&end);
	kq_await_poll(end.fd, POLLIN);
	event = kq_one(kq);
	ASSERT_EVENT(event, end.fd, EVFILT_READ, EV_ADD, 0, 1, (void *)1);
}
