// SPDX-License-Identifier: GPL-2.0
/*
 * Told by the function tracer of every close of a descriptor, drops the
 * registrations of the number before the close returns. Owns the close hash
 * and the proof that the hook works.
 */
#include <linux/anon_inodes.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/ftrace.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched/task_stack.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "kq_hooks.h"
#include "kq_race.h"

#if !IS_ENABLED(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)
#error "kqueue needs a kernel with CONFIG_DYNAMIC_FTRACE_WITH_ARGS=y to see descriptors close"
#endif

static bool second_way;
module_param(second_way, bool, 0444);
MODULE_PARM_DESC(second_way, "watch close(2) through __fput_sync even where filp_flush can be hooked");

struct kqh_bucket {
	raw_spinlock_t lock;
	struct hlist_head fds;
};

static struct kqh_bucket *kqh_buckets;
static unsigned int kqh_bits;

/* Seen since load: closes by the kernel's own helper, and by close(2). */
static bool kqh_saw_close_fd, kqh_saw_close2;
static const struct file *kqh_probe;

/* kq_fd whose teardown could not be done in the hook. */
static LLIST_HEAD(kqh_late);
static void kqh_late_work(struct work_struct *work);
static DECLARE_WORK(kqh_late_worker, kqh_late_work);

static struct kqh_bucket *kqh_bucket(const struct file *file)
{
	return &kqh_buckets[hash_ptr(file, kqh_bits)];
}

/**
 * kqh_fdclose_lock() - lock the bucket of a file, interrupts off
 * @file: the file
 */
void kqh_fdclose_lock(const struct file *file)
	__acquires(&kqh_bucket(file)->lock)
{
	raw_spin_lock_irq(&kqh_bucket(file)->lock);
}

/**
 * kqh_fdclose_unlock() - undo kqh_fdclose_lock()
 * @file: the file
 */
void kqh_fdclose_unlock(const struct file *file)
	__releases(&kqh_bucket(file)->lock)
{
	raw_spin_unlock_irq(&kqh_bucket(file)->lock);
}

/**
 * kqh_fdclose_add() - from now on a close of the number is told
 * @kfd: descriptor; its bucket is locked, and the table's file_lock is held
 */
void kqh_fdclose_add(struct kq_fd *kfd)
{
	lockdep_assert_held(&kqh_bucket(kfd->file)->lock);
	hlist_add_head(&kfd->hash, &kqh_bucket(kfd->file)->fds);
}

/**
 * kqh_fdclose_del() - on return the hook does not touch it any more
 * @kfd: descriptor
 */
void kqh_fdclose_del(struct kq_fd *kfd)
{
	struct kqh_bucket *bucket = kqh_bucket(kfd->file);
	unsigned long flags;

	raw_spin_lock_irqsave(&bucket->lock, flags);
	if (!hlist_unhashed(&kfd->hash))
		hlist_del_init(&kfd->hash);
	raw_spin_unlock_irqrestore(&bucket->lock, flags);
}

/* The running system call in the numbering of 64-bit programs, or -1. */
static int kqh_syscall(unsigned long args[6])
{
	struct pt_regs *regs;
	int nr;

	if (current->flags & (PF_KTHREAD | PF_IO_WORKER))
		return -1;
	regs = task_pt_regs(current);
	nr = syscall_get_nr(current, regs);
	if (nr < 0)
		return -1;
	syscall_get_arguments(current, regs, args);
#ifdef __X32_SYSCALL_BIT
	nr &= ~__X32_SYSCALL_BIT;
#endif
#if defined(CONFIG_X86) && defined(CONFIG_IA32_EMULATION)
	if (in_ia32_syscall()) {
		switch (nr) {
		case 6:		/* close */
			return __NR_close;
		case 63:	/* dup2 */
			return __NR_dup2;
		case 330:	/* dup3 */
			return __NR_dup3;
		case 436:	/* close_range */
			return __NR_close_range;
		}
		return -1;
	}
#endif
	return nr;
}

/*
 * Is the number closed? The system call decides where it names the number: the
 * slot may already hold the same file again, put there by another thread or by
 * dup2() of one file onto itself under another number.
 */
static bool kqh_number_closed(const struct kq_fd *kfd, struct files_struct *files)
{
	unsigned long args[6];
	struct fdtable *fdt;
	struct file *file;

	/* Exit: newer kernels leave the slots as they are. */
	if (!atomic_read(&files->count))
		return true;

	switch (kqh_syscall(args)) {
	case __NR_close:
		if ((unsigned int)args[0] == kfd->fd)
			return true;
		break;
#ifdef __NR_dup2
	case __NR_dup2:
#endif
	case __NR_dup3:
		if ((unsigned int)args[1] == kfd->fd)
			return true;
		break;
	case __NR_close_range:
		if ((unsigned int)args[0] <= kfd->fd && (unsigned int)args[1] >= kfd->fd)
			return true;
		break;
	}

	rcu_read_lock();
	fdt = rcu_dereference_raw(files->fdt);
	file = kfd->fd < fdt->max_fds ? rcu_dereference_raw(fdt->fd[kfd->fd]) : NULL;
	rcu_read_unlock();
	return file != kfd->file;
}

static void kqh_late_run(struct callback_head *work)
{
	struct kq_fd *kfd = container_of(work, struct kq_fd, work);

	INIT_HLIST_NODE(&kfd->hash);
	kq_fd_teardown(kfd, NULL);
}

static void kqh_late_work(struct work_struct *work)
{
	struct kq_fd *kfd, *next;

	llist_for_each_entry_safe(kfd, next, llist_del_all(&kqh_late), drop) {
		INIT_HLIST_NODE(&kfd->hash);
		kq_fd_teardown(kfd, NULL);
	}
}

/*
 * Leave the wait queues and drop the file: here if this context may take
 * sleeping locks and nothing has to wait, else when the task returns to user
 * mode, else in a worker. The reference dropped here is never the last.
 */
static void kqh_dispose(struct kq_fd *kfd)
{
	bool simple = kfd->kind != KQ_KIND_REG && kfd->kind != KQ_KIND_QUEUE &&
		      !(kfd->state & KFD_SLEEPS);

	if (simple && preemptible()) {
		kq_fd_teardown(kfd, NULL);
		return;
	}
	if (!(current->flags & (PF_KTHREAD | PF_IO_WORKER))) {
		init_task_work(&kfd->work, kqh_late_run);
		if (kqc_task_work_add(current, &kfd->work))
			return;
	}
	llist_add(&kfd->drop, &kqh_late);
	queue_work(kq_wq, &kqh_late_worker);
}

static void kqh_prove(const struct file *file)
{
	unsigned long args[6];

	if (file == READ_ONCE(kqh_probe))
		WRITE_ONCE(kqh_saw_close_fd, true);
	if (kqh_syscall(args) == __NR_close)
		WRITE_ONCE(kqh_saw_close2, true);
}

static void notrace kqh_closed(struct file *file, struct files_struct *files)
{
	struct kqh_bucket *bucket = kqh_bucket(file);
	struct hlist_node *next;
	unsigned long flags;
	HLIST_HEAD(mine);
	struct kq_fd *kfd;
	struct kq *kq;

	if (unlikely(!READ_ONCE(kqh_saw_close2) || READ_ONCE(kqh_probe)))
		kqh_prove(file);
	/*
	 * A registration is published under file_lock with the slot compared;
	 * the slot was cleared under the same lock before we were called. So
	 * what we do not see here answered EBADF.
	 */
	if (hlist_empty(&bucket->fds) || !files)
		return;

	kq_race_point(KQ_AT_CLOSE);
	raw_spin_lock_irqsave(&bucket->lock, flags);
	hlist_for_each_entry_safe(kfd, next, &bucket->fds, hash) {
		kq = kfd->read.kq;
		if (kfd->file != file || READ_ONCE(kq->files) != files ||
		    !kqh_number_closed(kfd, files))
			continue;
		hlist_del_init(&kfd->hash);
		raw_spin_lock(&kq->lock);
		if (kq_fd_kill(kfd))
			hlist_add_head(&kfd->hash, &mine);
		raw_spin_unlock(&kq->lock);
	}
	raw_spin_unlock_irqrestore(&bucket->lock, flags);

	hlist_for_each_entry_safe(kfd, next, &mine, hash) {
		hlist_del_init(&kfd->hash);
		kqh_dispose(kfd);
	}
}

/* filp_close(file, id) and filp_flush(file, id) */
static void notrace kqh_on_close(unsigned long ip, unsigned long parent,
				 struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	kqh_closed((struct file *)kqc_ftrace_arg(fregs, 0),
		   (struct files_struct *)kqc_ftrace_arg(fregs, 1));
}

/* __fput_sync(file): close(2) calls it in the owner's context */
static void notrace kqh_on_fput_sync(unsigned long ip, unsigned long parent,
				     struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	kqh_closed((struct file *)kqc_ftrace_arg(fregs, 0), current->files);
}

/*
 * Permanent: turning ftrace off by sysctl is refused while the module is there.
 * Without the recursion flag the callback is called directly, in the closing
 * task, as long as nobody else traces the same function; it copes with both.
 */
static struct ftrace_ops kqh_close_ops = {
	.func = kqh_on_close,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static struct ftrace_ops kqh_second_ops = {
	.func = kqh_on_fput_sync,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static bool kqh_second_used;

static int kqh_filter(struct ftrace_ops *ops, char *symbol, bool reset)
{
	return ftrace_set_filter(ops, symbol, strlen(symbol), reset);
}

/**
 * kqh_fdclose_proven() - has the hook been seen to work for close(2)?
 *
 * Return: false until a close(2) of any process came by after load.
 */
bool kqh_fdclose_proven(void)
{
	return READ_ONCE(kqh_saw_close_fd) && READ_ONCE(kqh_saw_close2);
}

/*
 * Closes a descriptor of our own and wants to be told. The file belongs to the
 * kernel: its last fput runs after this function, perhaps after a failed load.
 */
static int kqh_self_check(void)
{
	struct file *file;
	int fd;

	file = anon_inode_getfile("[kqueue-probe]", &generic_ro_fops, NULL, O_RDONLY);
	if (IS_ERR(file))
		return PTR_ERR(file);
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		fput(file);
		return fd;
	}
	WRITE_ONCE(kqh_probe, file);
	fd_install(fd, file);
	close_fd(fd);
	WRITE_ONCE(kqh_probe, NULL);
	if (!kqh_saw_close_fd) {
		pr_err("closing a descriptor does not reach the hook; is ftrace disabled?\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static int kqh_buckets_alloc(void)
{
	unsigned int i;

	kqh_bits = clamp(ilog2(totalram_pages()) - 4, 10, 18);
	kqh_buckets = kvcalloc(1u << kqh_bits, sizeof(*kqh_buckets), GFP_KERNEL);
	if (!kqh_buckets)
		return -ENOMEM;
	for (i = 0; i < 1u << kqh_bits; i++)
		raw_spin_lock_init(&kqh_buckets[i].lock);
	return 0;
}

/**
 * kqh_fdclose_init() - hook every way a descriptor closes
 *
 * Return: 0 or -errno with a line in the log.
 */
int kqh_fdclose_init(void)
{
	int err;

	err = kqh_buckets_alloc();
	if (err)
		return err;

	err = kqh_filter(&kqh_close_ops, "filp_close", true);
	if (err) {
		pr_err("this kernel has no traceable filp_close: %d\n", err);
		goto err_filter;
	}
	/* Absent on 6.1, where close(2) goes through filp_close. */
	if (second_way || kqh_filter(&kqh_close_ops, "filp_flush", false))
		kqh_second_used = !kqh_filter(&kqh_second_ops, "__fput_sync", true);

	err = register_ftrace_function(&kqh_close_ops);
	if (err) {
		pr_err("cannot trace closes (%d); is kernel.ftrace_enabled set to 0?\n", err);
		goto err_filter;
	}
	if (kqh_second_used) {
		err = register_ftrace_function(&kqh_second_ops);
		if (err)
			goto err_register;
	}
	err = kqh_self_check();
	if (err)
		goto err_check;
	return 0;

err_check:
	if (kqh_second_used)
		unregister_ftrace_function(&kqh_second_ops);
err_register:
	unregister_ftrace_function(&kqh_close_ops);
err_filter:
	ftrace_free_filter(&kqh_second_ops);
	ftrace_free_filter(&kqh_close_ops);
	kvfree(kqh_buckets);
	return err;
}

/** kqh_fdclose_exit() - on return no hook runs and no teardown is pending */
void kqh_fdclose_exit(void)
{
	if (kqh_second_used)
		unregister_ftrace_function(&kqh_second_ops);
	unregister_ftrace_function(&kqh_close_ops);
	ftrace_free_filter(&kqh_second_ops);
	ftrace_free_filter(&kqh_close_ops);
	kvfree(kqh_buckets);
}
