/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only place that knows kernel versions: kqc_ wrappers, newest kernel first.
 * Each says which release changed what; it goes when the minimum passes that.
 * Facts a version number could lie about come as KQC_HAVE_* from Kbuild.
 */
#ifndef KQ_COMPAT_H
#define KQ_COMPAT_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/ftrace.h>
#include <linux/hrtimer.h>
#include <linux/memcontrol.h>
#include <linux/sysctl.h>
#include <linux/task_work.h>

/* 6.10: fsnotify_find_mark() takes an object and its type. */
static inline struct fsnotify_mark *
kqc_find_inode_mark(struct inode *inode, struct fsnotify_group *group)
{
#ifdef KQC_HAVE_FIND_INODE_MARK
	return fsnotify_find_inode_mark(inode, group);
#else
	return fsnotify_find_mark(&inode->i_fsnotify_marks, group);
#endif
}

static inline struct fsnotify_mark *
kqc_find_sb_mark(struct super_block *sb, struct fsnotify_group *group)
{
#ifdef KQC_HAVE_FIND_INODE_MARK
	return fsnotify_find_mark(sb, FSNOTIFY_OBJ_TYPE_SB, group);
#else
	return fsnotify_find_mark(&sb->s_fsnotify_marks, group);
#endif
}

/* 6.10: fsnotify_add_mark() takes an object, not its list of marks. */
static inline int kqc_add_sb_mark(struct fsnotify_mark *mark, struct super_block *sb)
{
#ifdef KQC_HAVE_FIND_INODE_MARK
	return fsnotify_add_mark(mark, sb, FSNOTIFY_OBJ_TYPE_SB, 0);
#else
	return fsnotify_add_mark(mark, &sb->s_fsnotify_marks, FSNOTIFY_OBJ_TYPE_SB, 0, NULL);
#endif
}

/* 6.12: what allocates under a group's lock never enters a file system again. */
#ifdef FSNOTIFY_GROUP_NOFS
#define KQC_FSNOTIFY_GROUP_FLAGS	FSNOTIFY_GROUP_NOFS
#else
#define KQC_FSNOTIFY_GROUP_FLAGS	0
#endif

/* 6.13: hrtimer_setup() takes the callback; hrtimer_init() went in 6.15. */
static inline void kqc_hrtimer_setup(struct hrtimer *timer,
				     enum hrtimer_restart (*fn)(struct hrtimer *),
				     clockid_t clock, enum hrtimer_mode mode)
{
#ifdef KQC_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS	/* not where only the unit tests run */
/* 6.2: ftrace_regs_get_argument(); 6.1 on x86 has the registers inside. */
static __always_inline unsigned long kqc_ftrace_arg(struct ftrace_regs *fregs, unsigned int n)
{
#ifdef ftrace_regs_get_argument
	return ftrace_regs_get_argument(fregs, n);
#elif defined(KQC_HAVE_FTRACE_REGS_GET_ARGUMENT)
	return ftrace_regs_get_argument(fregs, n);
#else
	return regs_get_kernel_argument(&fregs->regs, n);
#endif
}
#endif

/* 6.6: the size of a table of sysctl files is passed along; since 6.11 no empty one ends it. */
#ifdef KQC_HAVE_SYSCTL_SIZE
#define KQC_SYSCTL_END
#else
#define KQC_SYSCTL_END	{ }
#endif

/* Whom memory is charged to; without CONFIG_MEMCG nobody. */
static inline struct mem_cgroup *kqc_memcg_get(void)
{
#ifdef CONFIG_MEMCG
	return get_mem_cgroup_from_mm(current->mm);
#else
	return NULL;
#endif
}

/* 6.14: not to tell fanotify was a flag until then. Nobody is asked for a copy of an open file. */
static inline struct file *kqc_dentry_open(const struct path *path, int flags)
{
#ifdef __FMODE_NONOTIFY
	flags |= __FMODE_NONOTIFY;
#endif
	return dentry_open(path, flags, current_cred());
}

/* Exported by distributions, not by mainline; without it kq_wq does the work. */
static inline bool kqc_task_work_add(struct task_struct *task, struct callback_head *work)
{
#ifdef KQC_HAVE_TASK_WORK_ADD
	return !task_work_add(task, work, TWA_RESUME);
#else
	return false;
#endif
}

#endif /* KQ_COMPAT_H */
