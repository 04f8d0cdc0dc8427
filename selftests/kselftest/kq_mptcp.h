/* SPDX-License-Identifier: GPL-2.0 */
/* Owns how tests make MPTCP sockets. Include after kq_test.h. */
#ifndef KQ_MPTCP_H
#define KQ_MPTCP_H

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

static inline int mptcp_socket(int flags)
{
	int fd = socket(AF_INET, SOCK_STREAM | flags, IPPROTO_MPTCP);

	if (fd < 0) {
		ASSERT_TRUE(errno == EPROTONOSUPPORT || errno == EINVAL || errno == ENOPROTOOPT);
		KQ_SKIP("this kernel has no MPTCP, or net.mptcp.enabled is 0");
	}
	return fd;
}

/* A socket that listens, and where. */
static inline int mptcp_listener(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = mptcp_socket(0);

	*address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	ASSERT_SYS(bind(fd, (struct sockaddr *)address, size));
	ASSERT_SYS(listen(fd, 5));
	ASSERT_SYS(getsockname(fd, (struct sockaddr *)address, &size));
	return fd;
}

#endif /* KQ_MPTCP_H */
