/* SPDX-License-Identifier: GPL-2.0 */
/* What the filters on sockets ask a socket. */
#ifndef KQF_SOCK_H
#define KQF_SOCK_H

#include <linux/net.h>
#include <net/sock.h>

#include "kq_filter.h"

static inline struct sock *kqf_sk(const struct kq_fd *kfd)
{
	return sock_from_file(kfd->file)->sk;
}

static inline bool kqf_is_inet(const struct sock *sk)
{
	return sk->sk_family == AF_INET || sk->sk_family == AF_INET6;
}

static inline bool kqf_is_tcp(const struct sock *sk)
{
	return kqf_is_inet(sk) && sk->sk_type == SOCK_STREAM && sk->sk_protocol == IPPROTO_TCP;
}

static inline bool kqf_is_stream(const struct sock *sk)
{
	return sk->sk_type == SOCK_STREAM || sk->sk_type == SOCK_SEQPACKET;
}

/* Only FIONREAD tells the bytes of this one: it may sleep, and fault at the eventlist. */
static inline bool kqf_is_asked(const struct sock *sk)
{
	return kqf_is_stream(sk) && !kqf_is_tcp(sk) && sk->sk_family != AF_UNIX;
}

#endif /* KQF_SOCK_H */
