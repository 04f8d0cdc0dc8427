// SPDX-License-Identifier: GPL-2.0
/* Loading in order, unloading in reverse. */
#include <linux/module.h>

#include "kq_filter.h"
#include "kq_hooks.h"
#include "kq_race.h"
#include "filters/proc.h"

/* Puts files for threads that sleep, and tears down where a hook may not. */
struct workqueue_struct *kq_wq;

static int __init kq_init(void)
{
	int err;

	err = kq_filter_init();
	if (err)
		return err;
	kq_wq = alloc_workqueue("kqueue", WQ_UNBOUND, 0);
	if (!kq_wq)
		return -ENOMEM;
	err = kq_limits_init();
	if (err)
		goto err_wq;
	err = kq_fd_init();
	if (err)
		goto err_limits;
	err = kq_fork_init();
	if (err)
		goto err_fd;
	err = kqh_fsnotify_init();
	if (err)
		goto err_fork;
	err = kqh_fdclose_init();
	if (err)
		goto err_fsnotify;
	err = kqh_process_init();
	if (err)
		goto err_fdclose;
	err = kqh_signal_init();
	if (err)
		goto err_process;
	err = kqf_track_init();
	if (err)
		goto err_signal;
	err = kq_race_init();
	if (err)
		goto err_track;
	err = kq_dev_init();
	if (err)
		goto err_race;
	return 0;

err_race:
	kq_race_exit();
err_track:
	kqf_track_exit();
err_signal:
	kqh_signal_exit();
err_process:
	kqh_process_exit();
err_fdclose:
	kqh_fdclose_exit();
err_fsnotify:
	kqh_fsnotify_exit();
err_fork:
	kq_fork_exit();
err_fd:
	kq_fd_exit();
err_limits:
	kq_limits_exit();
err_wq:
	destroy_workqueue(kq_wq);
	return err;
}

/*
 * No queue is open, so no kq_fd is registered; late teardowns keep their kq and
 * kq_dev_exit() waits for the last of those. Unregistering from ftrace waits for
 * tasks that are still in our text on their way out of a hook or a task work.
 */
static void __exit kq_exit(void)
{
	kq_dev_exit();
	kqh_signal_exit();
	kqh_process_exit();
	kqf_track_exit();
	kqh_fsnotify_exit();
	kqh_fdclose_exit();
	destroy_workqueue(kq_wq);
	rcu_barrier();
	kq_fork_exit();
	kq_fd_exit();
	kq_limits_exit();
	kq_race_exit();
}

module_init(kq_init);
module_exit(kq_exit);

MODULE_DESCRIPTION("kqueue: one wait for descriptors, files, processes, signals, timers and user events");
MODULE_AUTHOR("the kqueue for Linux authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(KQ_VERSION);
