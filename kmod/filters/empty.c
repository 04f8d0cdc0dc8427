// SPDX-License-Identifier: GPL-2.0
/* EVFILT_EMPTY (KQ-152): nothing of what was sent into a socket is left to send. */
#include <linux/skbuff.h>
#include <net/tcp.h>
#include <net/tcp_states.h>

#include "fd.h"
#include "sock.h"

static int kqf_empty_check(const struct kq_fd *kfd)
{
	return kfd->kind == KQ_KIND_SOCK ? 0 : -EINVAL;
}

/* Bytes sent that the peer has not confirmed; a FIN under way counts as one. */
static s64 kqf_tcp_unsent(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	if ((1 << READ_ONCE(sk->sk_state)) & (TCPF_CLOSE | TCPF_SYN_SENT | TCPF_SYN_RECV))
		return 0;
	return (u32)(READ_ONCE(tp->write_seq) - READ_ONCE(tp->snd_una));
}

/*
 * TCP wakes writers only when SOCK_NOSPACE asks for it: set it whenever the
 * answer is no, then look again. With EV_CLEAR set it always: nobody looks at
 * the knote between the next write and its confirmation.
 */
static bool kqf_tcp_empty(struct sock *sk, const struct kq_knote *kn, struct kq_result *res)
{
	res->token = READ_ONCE(tcp_sk(sk)->write_seq);
	res->counted = true;
	res->data = kqf_tcp_unsent(sk);
	if (!res->data && !(kn->flags & EV_CLEAR))
		return true;
	set_bit(SOCK_NOSPACE, &sk->sk_socket->flags);
	/* Pairs with the barrier in the kernel's tcp_check_space(). */
	smp_mb__after_atomic();
	res->data = kqf_tcp_unsent(sk);
	return !res->data;
}

static bool kqf_empty_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct sock *sk = kqf_sk(kq_knote_fd(kn));

	res->keyed = true;
	if (READ_ONCE(sk->sk_state) == TCP_LISTEN)
		return true;
	if (kqf_is_tcp(sk))
		return kqf_tcp_empty(sk, kn, res);
	/*
	 * What the receiver has not taken yet, in bytes of memory. The kernel
	 * wakes writers before it gives back the last byte of a buffer: less than
	 * the smallest buffer is nothing.
	 */
	res->data = sk_wmem_alloc_get(sk);
	if (res->data >= SKB_TRUESIZE(0))
		return false;
	res->data = 0;
	return true;
}

const struct kq_filter_ops kqf_empty_ops = {
	.name = "empty",
	.flags = KQF_FD,
	.size = sizeof(struct kq_extra),
	.wakes = KQ_WAKES_WRITER,
	.check = kqf_empty_check,
	.attach = kqf_fd_attach,
	.touch = kq_touch_words,
	.eval = kqf_empty_eval,
};
