/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by EVFILT_READ and EVFILT_WRITE: one pair of evaluations per object. */
#ifndef KQF_FD_H
#define KQF_FD_H

#include "kq_filter.h"

/* fd.c */
int kqf_fd_attach(struct kq_knote *kn, const struct kq_event_ext *ev);
__poll_t kqf_fd_poll(const struct kq_fd *kfd);
s64 kqf_fd_mark(const struct kq_knote *kn, s64 dflt);
s64 kqf_fd_ioctl(const struct kq_fd *kfd, const struct kq_result *res);

/* fd_sock.c */
bool kqf_sock_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);
bool kqf_sock_write(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);

/* fd_pipe.c */
bool kqf_pipe_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);
bool kqf_pipe_write(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);

/* fd_file.c */
void kqf_file_init(struct kq_fd *kfd);
bool kqf_file_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);
void kqf_file_seen(struct kq_fd *kfd, const struct kq_result *res);

/* fd_poll.c */
bool kqf_poll_read(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);
bool kqf_poll_write(struct kq_fd *kfd, struct kq_knote *kn, struct kq_result *res);

#endif /* KQF_FD_H */
