// SPDX-License-Identifier: GPL-2.0
/* EVFILT_EXCEPT (KQ-153): with NOTE_OOB, out-of-band data or the read position at its mark. */
#include <linux/poll.h>
#include <net/tcp.h>

#include "fd.h"
#include "sock.h"

/* What has no ->poll has no exceptional condition; a queue neither. */
static int kqf_except_check(const struct kq_fd *kfd)
{
	switch (kfd->kind) {
	case KQ_KIND_REG:
	case KQ_KIND_DIR:
	case KQ_KIND_ALWAYS:
	case KQ_KIND_QUEUE:
	case KQ_KIND_NONE:
		return -EINVAL;
	}
	return 0;
}

/* An urgent byte that was not taken, or all before it was. */
static bool kqf_tcp_except(const struct sock *sk, struct kq_result *res)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 urgent = READ_ONCE(tp->urg_seq), from = READ_ONCE(tp->copied_seq);
	u16 state = READ_ONCE(tp->urg_data);

	res->keyed = true;
	res->counted = true;
	res->token = urgent;
	if (!state || (1 << READ_ONCE(sk->sk_state)) & (TCPF_CLOSE | TCPF_LISTEN | TCPF_SYN_SENT))
		return false;
	res->data = max((s32)(urgent - from), 0);
	return (state & TCP_URG_VALID) || urgent == from;
}

static bool kqf_except_eval(struct kq_knote *kn, struct kq_result *res)
{
	struct kq_fd *kfd = kq_knote_fd(kn);

	if (!(kn->sfflags & NOTE_OOB))
		return false;
	res->fflags = NOTE_OOB;
	if (kfd->kind == KQ_KIND_SOCK && kqf_is_tcp(kqf_sk(kfd)))
		return kqf_tcp_except(kqf_sk(kfd), res);
	res->data = 1;
	return kqf_fd_poll(kfd) & EPOLLPRI;
}

const struct kq_filter_ops kqf_except_ops = {
	.name = "except",
	.flags = KQF_FD,
	.size = sizeof(struct kq_extra),
	.wakes = KQ_WAKES_READER,
	.check = kqf_except_check,
	.attach = kqf_fd_attach,
	.touch = kq_touch_words,
	.eval = kqf_except_eval,
};
