// SPDX-License-Identifier: GPL-2.0
/*
 * READ and WRITE on sockets. What a socket is (listening, connected, neither) is
 * asked at each evaluation and never remembered: a knote made before listen()
 * reports connections afterwards.
 */
#include <linux/poll.h>
#include <linux/udp.h>
#include <net/af_unix.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "fd.h"
#include "sock.h"

/* Whose sk_state has TCP's values: TCP, MPTCP and SCTP; TIPC; SMC. */
static bool kqf_has_tcp_states(const struct sock *sk)
{
	return kqf_is_inet(sk) || sk->sk_family == AF_TIPC || sk->sk_family == AF_SMC;
}

/* Does the stream carry, or has it carried, a connection? */
static bool kqf_connected(const struct kq_fd *kfd, const struct sock *sk)
{
	int state = READ_ONCE(sk->sk_state);

	if (kqf_has_tcp_states(sk))
		return state != TCP_CLOSE && state != TCP_SYN_SENT && state != TCP_LISTEN;
	if (sk->sk_family == AF_UNIX)
		return state == TCP_ESTABLISHED;
	/* Some know one of the two only. */
	return state == TCP_ESTABLISHED || sock_from_file(kfd->file)->state == SS_CONNECTED;
}

static bool kqf_eof(struct kq_result *res, int err)
{
	res->flags = EV_EOF;
	res->fflags = err;
	res->token = err;
	return true;
}

/* Only ->poll of MPTCP, TIPC and others knows, and does not count. */
static s64 kqf_backlog(struct kq_fd *kfd, const struct sock *sk)
{
	s64 backlog;

	if (sk->sk_family == AF_UNIX)
		return skb_queue_len_lockless(&sk->sk_receive_queue);
	backlog = READ_ONCE(sk->sk_ack_backlog);
	if (backlog || kqf_is_tcp(sk))
		return backlog;
	return kqf_fd_poll(kfd) & (EPOLLIN | EPOLLRDNORM) ? 1 : 0;
}

static s64 kqf_queue_bytes(const struct sk_buff_head *queue)
{
	const struct sk_buff *skb;
	s64 bytes = 0;

	skb_queue_walk(queue, skb)
		bytes += skb->len;
	return bytes;
}

static s64 kqf_queue_bytes_locked(struct sk_buff_head *queue)
{
	s64 bytes;

	spin_lock_bh(&queue->lock);
	bytes = kqf_queue_bytes(queue);
	spin_unlock_bh(&queue->lock);
	return bytes;
}

/*
 * Payload of all queued datagrams. UDP moves them to a second queue for its
 * reader, whose lock it takes first.
 */
static s64 kqf_dgram_bytes(struct sock *sk)
{
	struct sk_buff_head *reader;
	s64 bytes;

	if (!kqf_is_inet(sk) || sk->sk_type != SOCK_DGRAM ||
	    (sk->sk_protocol != IPPROTO_UDP && sk->sk_protocol != IPPROTO_UDPLITE))
		return kqf_queue_bytes_locked(&sk->sk_receive_queue);

	reader = &udp_sk(sk)->reader_queue;
	spin_lock_bh(&reader->lock);
	bytes = kqf_queue_bytes(reader) + kqf_queue_bytes_locked(&sk->sk_receive_queue);
	spin_unlock_bh(&reader->lock);
	return bytes;
}

static bool kqf_dgram_read(struct kq_fd *kfd, struct sock *sk, struct kq_knote *kn,
			   struct kq_result *res)
{
	bool lowat = kn->sfflags & NOTE_LOWAT;
	bool ready;

	ready = kqf_fd_poll(kfd) & (EPOLLIN | EPOLLRDNORM | EPOLLERR);
	if (ready && (res->report || lowat))
		res->data = kqf_dgram_bytes(sk);
	if (READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN)
		return kqf_eof(res, READ_ONCE(sk->sk_err));
	/* An asynchronous error is an event, but neither the end nor consumed. */
	if (READ_ONCE(sk->sk_err))
		return true;
	return ready && (!lowat || res->data >= kqf_fd_mark(kn, 1));
}

/*
 * Unread bytes on both sides of an urgent mark. The urgent byte itself is no
 * data unless it is read in line; the FIN counts as one in the sequence space.
 */
static s64 kqf_tcp_bytes(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 from, to, urgent;
	s64 bytes;

	if ((1 << READ_ONCE(sk->sk_state)) & (TCPF_SYN_SENT | TCPF_SYN_RECV))
		return 0;
	from = READ_ONCE(tp->copied_seq);
	to = READ_ONCE(tp->rcv_nxt);
	urgent = READ_ONCE(tp->urg_seq);
	bytes = (s32)(to - from);
	if (bytes > 0 && sock_flag(sk, SOCK_DONE))
		bytes--;
	if (READ_ONCE(tp->urg_data) && !sock_flag(sk, SOCK_URGINLINE) &&
	    !before(urgent, from) && before(urgent, to))
		bytes--;
	return max_t(s64, bytes, 0);
}

static s64 kqf_stream_bytes(struct kq_fd *kfd, struct sock *sk, const struct kq_result *res)
{
	if (kqf_is_tcp(sk))
		return kqf_tcp_bytes(sk);
	if (sk->sk_family == AF_UNIX)
		return max(unix_inq_len(sk), 0L);
	if (!(kqf_fd_poll(kfd) & (EPOLLIN | EPOLLRDNORM)))
		return 0;
	return max_t(s64, kqf_fd_ioctl(kfd, res), 1);
}

/**
 * kqf_sock_read() - EVFILT_READ on a socket (KQ-106 to KQ-125)
 * @kfd: descriptor
 * @kn: its READ knote in flux
 * @res: filled
 *
 * Return: ready.
 */
bool kqf_sock_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	struct sock *sk = kqf_sk(kfd);
	int shutdown, err;

	res->keyed = true;
	if (!kqf_is_stream(sk))
		return kqf_dgram_read(kfd, sk, kn, res);

	err = READ_ONCE(sk->sk_err);
	shutdown = READ_ONCE(sk->sk_shutdown);
	if (READ_ONCE(sk->sk_state) == TCP_LISTEN) {
		kfd->listened = true;
		res->data = kqf_backlog(kfd, sk);
		if (err || (shutdown & RCV_SHUTDOWN))
			return kqf_eof(res, err);
		return res->data > 0;
	}
	if (!kqf_connected(kfd, sk)) {
		if (err || (shutdown & RCV_SHUTDOWN)) {
			res->data = kqf_is_tcp(sk) ? kqf_tcp_bytes(sk) : 0;
			return kqf_eof(res, err);
		}
		/* shutdown() of a listener takes it back to where it came from */
		return kfd->listened && kqf_eof(res, ECONNABORTED);
	}
	kfd->listened = false;
	/* The position first: what comes after it is news next time. */
	if (kqf_is_tcp(sk)) {
		res->token = READ_ONCE(tcp_sk(sk)->rcv_nxt);
		res->counted = true;
	}
	res->data = kqf_stream_bytes(kfd, sk, res);
	if (err || (shutdown & RCV_SHUTDOWN))
		return kqf_eof(res, err);
	if (!skb_queue_empty_lockless(&sk->sk_error_queue)) {
		res->counted = false;
		return true;
	}
	return res->data >= kqf_fd_mark(kn, READ_ONCE(sk->sk_rcvlowat));
}

static bool kqf_dgram_write(struct kq_fd *kfd, struct sock *sk, struct kq_knote *kn,
			    struct kq_result *res)
{
	res->data = sock_wspace(sk);
	if (READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN)
		return kqf_eof(res, READ_ONCE(sk->sk_err));
	if (!(kqf_fd_poll(kfd) & (EPOLLOUT | EPOLLWRNORM)))
		return false;
	return !(kn->sfflags & NOTE_LOWAT) || res->data >= kqf_fd_mark(kn, 1);
}

static bool kqf_tcp_space(struct sock *sk, struct kq_knote *kn, struct kq_result *res)
{
	res->data = max(sk_stream_wspace(sk), 0);
	if (kn->sfflags & NOTE_LOWAT)
		return res->data >= kqf_fd_mark(kn, 1);
	return sk_stream_is_writeable(sk);
}

/*
 * TCP wakes writers only when SOCK_NOSPACE asks for it: set it whenever the
 * answer is no, then look again. With EV_CLEAR set it always: the program may
 * fill the buffer without ever being refused, and is to hear of the space that
 * comes back; the position tells whether it has written anything since.
 */
static bool kqf_tcp_write(struct sock *sk, struct kq_knote *kn, struct kq_result *res)
{
	res->token = READ_ONCE(tcp_sk(sk)->write_seq);
	res->counted = true;
	if (!(kn->flags & EV_CLEAR) && kqf_tcp_space(sk, kn, res))
		return true;
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	/* Pairs with the barrier in the kernel's tcp_check_space(). */
	smp_mb__after_atomic();
	return kqf_tcp_space(sk, kn, res);
}

static bool kqf_stream_write(struct kq_fd *kfd, struct sock *sk, struct kq_knote *kn,
			     struct kq_result *res)
{
	bool lowat = kn->sfflags & NOTE_LOWAT;

	if (kqf_is_tcp(sk))
		return kqf_tcp_write(sk, kn, res);
	res->data = sk->sk_family == AF_UNIX ? sock_wspace(sk) : 1;
	if (!(kqf_fd_poll(kfd) & (EPOLLOUT | EPOLLWRNORM)))
		return false;
	return !lowat || sk->sk_family != AF_UNIX || res->data >= kqf_fd_mark(kn, 1);
}

/**
 * kqf_sock_write() - EVFILT_WRITE on a socket (KQ-139 to KQ-147)
 * @kfd: descriptor
 * @kn: its WRITE knote in flux
 * @res: filled
 *
 * Return: ready.
 */
bool kqf_sock_write(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res)
{
	struct sock *sk = kqf_sk(kfd);
	bool ready = false;
	int err;

	res->keyed = true;
	if (!kqf_is_stream(sk))
		return kqf_dgram_write(kfd, sk, kn, res);
	if (READ_ONCE(sk->sk_state) == TCP_LISTEN)
		return false;
	if (kqf_connected(kfd, sk))
		ready = kqf_stream_write(kfd, sk, kn, res);
	err = READ_ONCE(sk->sk_err);
	if (err || (READ_ONCE(sk->sk_shutdown) & SEND_SHUTDOWN))
		return kqf_eof(res, err);
	return ready;
}
