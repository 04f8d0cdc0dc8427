/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel event sources in hooks/ offer to the core: one block each. */
#ifndef KQ_HOOKS_H
#define KQ_HOOKS_H

#include <linux/fsnotify_backend.h>

#include "kq.h"

/* hooks/fdclose.c: the close of a watched number */
int kqh_fdclose_init(void);
void kqh_fdclose_exit(void);
bool kqh_fdclose_proven(void);
void kqh_fdclose_lock(const struct file *file);
void kqh_fdclose_unlock(const struct file *file);
void kqh_fdclose_add(struct kq_fd *kfd);
void kqh_fdclose_del(struct kq_fd *kfd);

/* hooks/waitqueue.c: the wait queues behind ->poll */
int kqh_waitqueue_join(struct kq_fd *kfd, __poll_t *mask);
void kqh_waitqueue_leave(struct kq_fd *kfd);

/* hooks/fsnotify.c: growth of regular files */
int kqh_fsnotify_init(void);
void kqh_fsnotify_exit(void);
int kqh_fsnotify_join(struct kq_fd *kfd);
void kqh_fsnotify_leave(struct kq_fd *kfd);

#endif /* KQ_HOOKS_H */
