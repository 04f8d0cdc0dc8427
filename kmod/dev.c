// SPDX-License-Identifier: GPL-2.0
/* /dev/kqueue: open makes a queue, the ioctls reach it, the last close ends it. */
#include <linux/fdtable.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "kq_filter.h"
#include "kq_hooks.h"
#include "kq_race.h"

/* Queues that still exist, and pins, for module exit. */
static atomic_t kq_count = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(kq_gone);

static_assert(sizeof(struct kq_info) == 64);
static_assert(sizeof(struct kq_setup) == 16);

/* Runs in irq_work context: no lock of a watched object is held here. */
static void kq_pollwork(struct irq_work *work)
{
	struct kq *kq = container_of(work, struct kq, pollwork);

	kq_race_point(KQ_AT_POLLWORK);
	wake_up_poll(&kq->pollq, EPOLLIN | EPOLLRDNORM);
	kq_put(kq);
}

/** kq_pin() - keep the module, for work that belongs to no queue */
void kq_pin(void)
{
	atomic_inc(&kq_count);
}

/** kq_unpin() - undo one kq_pin(); the last thing such work does */
void kq_unpin(void)
{
	if (atomic_dec_and_test(&kq_count))
		wake_up_all(&kq_gone);
}

static void kq_free(struct work_struct *work)
{
	struct kq *kq = container_of(to_rcu_work(work), struct kq, freework);

	kq_index_free(kq);
	mem_cgroup_put(kq->memcg);
	put_pid(kq->pid);
	kq_user_put(kq->user);
	kfree(kq);
	kq_unpin();
}

/**
 * kq_put() - drop a reference on a queue
 * @kq: queue
 *
 * From any context: the rest is done in a worker.
 */
void kq_put(struct kq *kq)
{
	if (refcount_dec_and_test(&kq->refs))
		queue_rcu_work(kq_wq, &kq->freework);
}

static int kq_open(struct inode *inode, struct file *file)
{
	struct kq *kq;
	int err = -ENOMEM;

	if (!kqh_fdclose_proven()) {
		pr_err_once("no close(2) has been seen since the module was loaded: not opening\n");
		return -ENXIO;
	}
	kq = kzalloc(sizeof(*kq), GFP_KERNEL_ACCOUNT);
	if (!kq)
		return -ENOMEM;
	kq->user = kq_user_get();
	if (!kq->user)
		goto err_kq;
	err = kq_charge(kq->user, KQ_LIMIT_QUEUES);
	if (err)
		goto err_user;
	err = kq_owner_join(kq);
	if (err)
		goto err_charge;
	kq->memcg = kqc_memcg_get();
	kq->pid = get_pid(task_tgid(current));
	raw_spin_lock_init(&kq->lock);
	mutex_init(&kq->copying);
	INIT_LIST_HEAD(&kq->ready);
	INIT_LIST_HEAD(&kq->recheck);
	INIT_LIST_HEAD(&kq->waiters);
	INIT_LIST_HEAD(&kq->fluxers);
	INIT_LIST_HEAD(&kq->nested);
	INIT_LIST_HEAD(&kq->watchers);
	init_waitqueue_head(&kq->pollq);
	init_irq_work(&kq->pollwork, kq_pollwork);
	INIT_RCU_WORK(&kq->freework, kq_free);
	get_random_bytes(&kq->key, sizeof(kq->key));
	kq->files = current->files;
	refcount_set(&kq->refs, 1);
	kq_pin();
	file->private_data = kq;
	return stream_open(inode, file);

err_charge:
	kq_uncharge(kq->user, KQ_LIMIT_QUEUES);
err_user:
	kq_user_put(kq->user);
err_kq:
	kfree(kq);
	return err;
}

/* Does the table still name the queue somewhere, or is it going away itself? */
static bool kq_owner_left(struct files_struct *files, const struct file *file)
{
	struct fdtable *fdt;
	bool left = true;
	unsigned int i;

	spin_lock(&files->file_lock);
	if (atomic_read(&files->count)) {
		fdt = files_fdtable(files);
		for (i = 0; i < fdt->max_fds && left; i++)
			left = rcu_access_pointer(fdt->fd[i]) != file;
	}
	spin_unlock(&files->file_lock);
	return left;
}

/* Each close of a number of the queue, in each process that has one. */
static int kq_flush(struct file *file, fl_owner_t id)
{
	struct kq *kq = file->private_data;

	if (id && id == READ_ONCE(kq->files) && kq_owner_left(id, file))
		kq_clear(kq);
	return 0;
}

static int kq_release(struct inode *inode, struct file *file)
{
	struct kq *kq = file->private_data;

	kq_clear(kq);
	kq_owner_leave(kq);
	kq_uncharge(kq->user, KQ_LIMIT_QUEUES);
	kq_put(kq);
	return 0;
}

static __poll_t kq_poll(struct file *file, poll_table *pt)
{
	struct kq *kq = file->private_data;
	struct kq_drops drops = { .list = LLIST_HEAD_INIT(drops.list) };
	__poll_t mask = 0;
	u32 arrivals;

	poll_wait(file, &kq->pollq, pt);
	if (READ_ONCE(kq->files) != current->files)
		return EPOLLERR;
	kq_recheck(kq, &drops, 0, NULL);
	kq_drops_defer(&drops);
	if (kq_look(kq, &arrivals))
		mask = EPOLLIN | EPOLLRDNORM;
	return READ_ONCE(kq->dead) ? EPOLLERR : mask;
}

#ifdef KQC_HAVE_TASK_WORK_ADD
#define KQ_SETUP_ABLE		KQ_SETUP_FLAGS
#define KQ_FEATURES		(KQ_FEATURE_CLOSE_SYNC | KQ_FEATURE_CPONFORK |		\
				 KQ_FEATURE_FORK_CLOSE)
#else
#define KQ_SETUP_ABLE		0
#define KQ_FEATURES		KQ_FEATURE_CLOSE_SYNC
#endif

static long kq_setup(struct kq *kq, void __user *usetup, size_t usize)
{
	struct kq_setup setup;
	int err;

	err = copy_struct_from_user(&setup, sizeof(setup), usetup, usize);
	if (err)
		return err;
	if (put_user(KQ_STAMP, &((struct kq_setup __user *)usetup)->stamp))
		return -EFAULT;
	if (READ_ONCE(kq->dead) || READ_ONCE(kq->files) != current->files)
		return -EBADF;
	if ((setup.flags & ~KQ_SETUP_ABLE) || setup.reserved)
		return -EINVAL;
	kq_owner_copies(kq, setup.flags & KQ_SETUP_CPONFORK);
	return 0;
}

static long kq_get_info(void __user *uinfo, size_t usize)
{
	struct kq_info info;
	int err;

	err = copy_struct_from_user(&info, sizeof(info), uinfo, usize);
	if (err)
		return err;
	if (info.reserved[0] || info.reserved[1] || info.reserved[2])
		return -EINVAL;
	memset(&info, 0, sizeof(info));
	info.abi_version = KQ_ABI_VERSION;
	info.stamp = KQ_STAMP;
	info.features = KQ_FEATURES;
	info.filters = kq_filter_mask();
	info.max_depth = KQ_MAX_DEPTH;
	info.missed_closes = kq_missed_closes();
	if (copy_to_user(uinfo, &info, min(usize, sizeof(info))))
		return -EFAULT;
	return 0;
}

static long kq_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	size_t size = _IOC_SIZE(cmd);

	if (_IOC_TYPE(cmd) != KQ_IOC_MAGIC || _IOC_DIR(cmd) != (_IOC_READ | _IOC_WRITE))
		return -ENOTTY;
	switch (_IOC_NR(cmd)) {
	case _IOC_NR(KQ_IOC_KEVENT):
		if (size < sizeof(struct kq_kevent))
			return -EINVAL;
		return kq_kevent(file->private_data, uarg, size);
	case _IOC_NR(KQ_IOC_INFO):
		if (size < sizeof(struct kq_info))
			return -EINVAL;
		return kq_get_info(uarg, size);
	case _IOC_NR(KQ_IOC_SETUP):
		if (size < sizeof(struct kq_setup))
			return -EINVAL;
		return kq_setup(file->private_data, uarg, size);
	}
	return -ENOTTY;
}

static ssize_t kq_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	return -ENXIO;
}

static ssize_t kq_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	return -ENXIO;
}

static const struct file_operations kq_fops = {
	.owner = THIS_MODULE,
	.open = kq_open,
	.read = kq_read,
	.write = kq_write,
	.poll = kq_poll,
	.unlocked_ioctl = kq_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.flush = kq_flush,
	.release = kq_release,
	.show_fdinfo = kq_show_fdinfo,
};

static struct miscdevice kq_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kqueue",
	.fops = &kq_fops,
	.mode = 0666,
};

/**
 * kq_is_queue() - is this file one of ours?
 * @file: any file
 *
 * Return: true for a queue.
 */
bool kq_is_queue(const struct file *file)
{
	return file->f_op == &kq_fops;
}

/**
 * kq_from_file() - the queue behind a file
 * @file: a file for which kq_is_queue() holds
 *
 * Return: the queue, alive as long as the file.
 */
struct kq *kq_from_file(const struct file *file)
{
	return file->private_data;
}

/**
 * kq_dev_init() - the device appears: last step of loading
 *
 * Return: 0 or -errno.
 */
int kq_dev_init(void)
{
	return misc_register(&kq_device);
}

/** kq_dev_exit() - the device goes; returns when the last queue has gone */
void kq_dev_exit(void)
{
	misc_deregister(&kq_device);
	wait_event(kq_gone, !atomic_read(&kq_count));
}
