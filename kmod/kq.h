/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The lock document, then the queue, the watched descriptor and the knote, and
 * the prototypes through which the files of the core meet. Filters see this
 * header through kq_filter.h; nothing here depends on one kernel version.
 *
 * OBJECTS
 *
 * struct kq         one queue: what an open of /dev/kqueue made.
 * struct kq_fd      one watched descriptor number of one queue. Holds one
 *                   reference on the open file and one set of wait entries for
 *                   all its knotes. READ and WRITE are embedded.
 * struct kq_extra   a knote of any other filter on a descriptor, the head of the
 *                   filter's own structure. Made with its first EV_ADD, stays
 *                   with the kq_fd until that is freed, registered or not.
 * struct kq_note    one knote that hangs on no descriptor (TIMER, PROC, ...), the
 *                   head of the filter's own structure.
 * struct kq_knote   the registration (ident, filter) itself, part of the above.
 *
 * LOCKS, outer to inner
 *
 *  0. kq->copying      mutex, one per queue: held by the child that copies the
 *                      queue, which holds nothing else when it takes it.
 *  1. kqh_mark_mutex   mutex, global: find, add and destroy of inode marks. What
 *                      a cgroup may have to wait for is allocated before.
 *     kq_nest_mutex    mutex, global: the graph of queues watching queues. Never
 *                      held together with kqh_mark_mutex.
 *  2. files->file_lock spinlock of the descriptor table: publishing a kq_fd
 *                      compares the slot and inserts in one step, so that a
 *                      close either finds the kq_fd or makes EV_ADD fail.
 *  3. bucket->lock     raw spinlock, irqs off, one per bucket of the close hash:
 *                      the chain of kq_fd by struct file. Raw because the close
 *                      hook may run with preemption off on PREEMPT_RT.
 *     watch->lock      raw spinlock, one per inode mark: its list of knotes.
 *     owner bucket     raw spinlock, irqs off, one per bucket of the hash of
 *                      descriptor tables with queues: the fork probe takes it.
 *                      Nothing is taken inside.
 *     process and      raw spinlock, irqs off, one per bucket of the hash of
 *     signal buckets   watched processes and of the one of signal knotes: the
 *                      probes take them with preemption off, or under siglock.
 *  4. kq->lock         raw spinlock, irqs off, one per queue: index, ready list,
 *                      waiters, every knote's status word. Raw because wake-up
 *                      callbacks, timers and the close hook take it in hard irq
 *                      context or with preemption off. Never held across
 *                      anything that sleeps, evaluates, allocates or copies;
 *                      what is done under it is bounded by a constant, by the
 *                      batch size, for recheck by the idle regular files, and at
 *                      the end of flux by the threads that wait for any: a look.
 *
 * Wait-queue head locks of watched objects are taken outside kq->lock (our
 * callback runs under them); kq->pollq is only ever woken from kq->pollwork,
 * never under a watched object's lock: that is why nesting cannot recurse.
 *
 * STATUS AND FLUX
 *
 * Whoever works on a knote outside kq->lock (attach, touch, eval, commit,
 * detach, copy-out) first sets KN_FLUX under kq->lock. One thread at a time
 * holds it; others sleep killably on kq->fluxers and start over with the
 * look-up. While in flux a knote is on no list; activations only set KN_ACTIVE
 * and are acted upon by kq_flux_end(). So between "taken" and "put back"
 * nothing is lost, and a change meets a knote either before or after a
 * delivery, never in the middle.
 *
 *   link is on         when
 *   nothing            idle, disabled, or in flux
 *   kq->ready          KN_QUEUED (implies KN_ACTIVE, enabled, not in flux), or
 *                      KN_PLACE: was queued when a change took it in flux; not
 *                      counted in nready, skipped by scans, keeps its turn
 *   kq->recheck        KN_RECHECK: idle, but nobody will wake it: evaluated at
 *                      the start of each scan (regular files, LOWAT on pipes)
 *
 * FIELD TABLE ([i] immutable, [q] kq->lock, [x] holder of KN_FLUX or, for
 * readers, kq->lock with the knote not in flux, [b] bucket->lock)
 *
 * WHO FREES A kq_fd
 *
 * KFD_DEAD is set once, under kq->lock, by whoever removes it: that step also
 * takes it out of the index and its knotes off the lists, so that nothing can
 * find or report it afterwards. The teardown (unhash, leave the wait queues,
 * drop the file, free) is done by the same caller unless a knote is in flux;
 * then it is done by the kq_flux_end() that finds KFD_DEAD and no other knote
 * in flux. A kq_fd holds a reference on its kq until then. The filter of a
 * kq_extra is detached by whoever drops its knote, in flux, or by the teardown,
 * which begins when nothing is in flux: @attached needs no lock.
 *
 * THE REMOVAL PATHS, and what excludes each pair
 *
 *   D  EV_DELETE, or ONESHOT delivered           kq_register(), kq_scan()
 *   C  close of the watched descriptor           hooks/fdclose.c
 *   Q  the owner closes the queue, or exits      kq_clear()
 *
 * The end of a watched process, or of an inode's last name, is no removal: it is
 * recorded, and what has nothing more to report goes by D, found so by a scan or
 * by the next change of its ident.
 *
 * D/D  the second finds the knote in flux and waits, or finds nothing.
 * D/C  both set KFD_DEAD under kq->lock: one wins. C touches the kq_fd only
 *      under the bucket lock, and D's teardown takes the bucket lock to unhash
 *      before it frees: so C never holds a freed one. If D holds a knote in
 *      flux, C marks and leaves the teardown to D.
 * D/Q  as D/C; Q takes kq_fd and notes out of the index one by one under
 *      kq->lock. A note in flux is marked KN_DEAD and freed by its holder.
 * C/C  (two closes of one number cannot both find the slot taken) and double
 *      calls of the hook: the second finds it unhashed or KFD_DEAD.
 * C/Q  as D/C.
 * Q/Q  kq->dead is set once under kq->lock; the last close runs after every
 *      ioctl has returned, and repeats the walk on an empty index.
 *
 * OTHER RACES
 *
 * scan and delete     KN_FLUX: delete waits until the scan has put the knote
 *                     back, and vice versa.
 * scan and close      C marks; the scan compares the slot before it delivers,
 *                     and kq_flux_end() tears down.
 * attach and close    publication is atomic under file_lock; a close that comes
 *                     between publication and the end of the attach marks, the
 *                     attacher sees KFD_DEAD at kq_flux_end(), answers EBADF.
 * two attaches        KFD_BUSY: the second change to the same descriptor waits
 *                     for the first poll to finish as it would for flux.
 * expiry and delete   a timer's detach is in flux and calls hrtimer_cancel()
 *                     without kq->lock, which the callback takes.
 * mark and close      an inode mark is left in process context only: the close
 *                     hook hands such a kq_fd to the closing task's work.
 * wake-up and release a kq_fd leaves every wait queue before it is freed;
 *                     kq->pollwork holds a reference on the kq while it is
 *                     queued, and is not queued once kq->dead is set. Waiting
 *                     for it instead would cost each close a grace period on
 *                     PREEMPT_RT.
 * POLLFREE            the callback unlinks its entry, then clears wait->head
 *                     with release, its last access; removal reads wait->head
 *                     with acquire under rcu_read_lock(), which keeps the head.
 * a close and a dup   close(N) may find its slot holding the same open file
 *                     again, put there by another thread. The registration of N
 *                     goes all the same: it cannot be told from one made after
 *                     the dup, and a stale one would hand out a dead udata.
 * wake-up and scan    the callback reads KN_QUEUED without the lock after a full
 *                     barrier (the producer wrote its state before); the scan
 *                     clears KN_QUEUED, then a full barrier, then evaluates:
 *                     one of the two sees the other. A change likewise: KN_FLUX,
 *                     a full barrier, then the evaluation; the callback does not
 *                     skip a disabled knote in flux.
 * probe and delete    detach takes the knote off its bucket under the bucket
 *                     lock, under which the probes report; a probe reports only
 *                     by kq_knote_activate() and words that need no lock.
 * exit and delete     the wait entry on the process leaves by
 *                     remove_wait_queue(): on return no callback runs.
 * fork and close      the work queued on a child and its parent holds its own
 *                     reference on the queue and on all it needs, none on the
 *                     parent's knote; a queue that died meanwhile takes no more
 *                     notes. The record's mutex makes one of the two wait.
 * fork of an owner    the work queued on the child pins the module, and nothing
 *                     of the parent. It alone uses the child's table. A copy has
 *                     each knote of the parent's queue in flux while it copies
 *                     it, so D, C and Q meet it as any other holder of flux; if
 *                     Q comes, the copy is given up. Of the two queues' flux the
 *                     parent's is taken first; nobody waits for the other one,
 *                     which only the child can use. The parent waits in fork()
 *                     for the copy with nothing held, killably.
 * mark and unlink     the kernel drops a mark with the last name of its inode;
 *                     its knotes move to a new one under kqh_mark_mutex and the
 *                     locks of both watches, old before new. A knote that leaves
 *                     looks which mark it is on under that mutex.
 * last fput           a thread inside kevent() that will sleep never drops a
 *                     watched file itself (fput would wait for its return to
 *                     user mode): the file goes to kq_wq. See struct kq_drops.
 * limits              a knote is charged to its queue's user while it is KN_LIVE,
 *                     both changed under kq->lock; a queue from open to the last
 *                     close of its file. The counts are atomic, the limit may
 *                     change at any time and refuses only what is new.
 * unload              an open queue pins the module; module exit waits until the
 *                     last kq and the last work on a child (kq_pin()) are gone,
 *                     then for RCU, then frees the caches.
 *
 * WAKE-UPS OF kevent()
 *
 * Each enqueue picks the longest waiting thread, if any, and takes it off kq->waiters.
 * A picked thread scans before it looks at signals or the clock; if it leaves without
 * an event while the ready list is not empty it picks the next (kq_pass_wake()). A
 * thread that goes to sleep while another one's scan has queued knotes in flux would
 * have taken one: it is counted in kq->missed. A level knote that was delivered goes
 * back without waking anybody but the first of those, as KN_QUIET: its next activation
 * wakes although it is queued. Knotes nobody wakes are looked at by every call; a call
 * that finds some in flux elsewhere sleeps only until they come back (waiter->blind;
 * kq->relook for pollers). One that has looked at all of them does not: else any two
 * could go on waking each other. poll() counts queued knotes in flux as ready: it may
 * be wrong, but never silent.
 */
#ifndef KQ_H
#define KQ_H

#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/siphash.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/kqueue.h>

#include "kq_compat.h"
#include "kq_limits.h"

struct files_struct;
struct kq;
struct kq_drops;
struct kq_filter_ops;
struct kq_owner;
struct kq_user;
struct kq_watch;
struct seq_file;
struct task_struct;

/* kq_knote.status [q]; read without the lock by the wake-up callback. */
#define KN_LIVE		0x0001	/* registered, or being registered */
#define KN_FLUX		0x0002	/* one thread works on it */
#define KN_ACTIVE	0x0004	/* the filter says: may be ready */
#define KN_QUEUED	0x0008	/* on kq->ready */
#define KN_RECHECK	0x0010	/* on kq->recheck */
#define KN_DISABLED	0x0020	/* EV_DISABLE, or EV_DISPATCH delivered */
#define KN_FORCED	0x0040	/* EV_FORCEONESHOT: deliver without evaluation */
#define KN_DEAD		0x0080	/* a note taken out of the index while in flux */
#define KN_STRONG	0x0100	/* active by something that always counts as new */
#define KN_MARKER	0x0200	/* not a knote: the end mark of a scan */
#define KN_POLLED	0x0400	/* goes to kq->recheck when idle */
#define KN_PLACE	0x2000	/* in flux for a change, keeps its place on kq->ready */
#define KN_HELD		0x4000	/* in flux, was queued: counted in kq->held */
#define KN_AWAY		0x8000	/* in flux, nobody wakes it: counted in kq->away */
#define KN_QUIET	0x10000	/* queued again after a delivery without a wake-up */
#define KN_ASIDE	0x20000	/* a note whose ident belongs to another one by now */
/* What only the end of flux may clear. */
#define KN_IN_FLUX	(KN_FLUX | KN_HELD | KN_AWAY)
/* Memory of the last EV_CLEAR delivery of a socket, see kq_knote_stale(). */
#define KN_SEEN		0x0800	/* delivered as ready */
#define KN_SEEN_EOF	0x1000	/* delivered with EV_EOF */

/**
 * struct kq_knote - one registration
 * @link: [q] see the table of links above
 * @kq: [i] queue
 * @udata: [x] user's word
 * @sdata: [x] data word of the registration
 * @ext: [x] user's ext[2] and ext[3], NULL while both are zero
 * @sfflags: [x] fflags word of the registration
 * @token: [q] what the last EV_CLEAR delivery of a socket was about
 * @status: [q] KN_*
 * @flags: [x] EV_ flags fixed at creation
 * @filter: [i] row of the filter table
 */
struct kq_knote {
	struct list_head link;
	struct kq *kq;
	u64 udata;
	s64 sdata;
	u64 *ext;
	u32 sfflags;
	u32 token;
	u32 status;
	u16 flags;
	u8 filter;
};

/* kq_fd.state [q] */
#define KFD_DEAD	0x01	/* out of the index; teardown is due or done */
#define KFD_BUSY	0x02	/* the first poll is running */
#define KFD_POLLED	0x04	/* wait entries are in place, if the file has any */
#define KFD_SLEEPS	0x08	/* a filter's detach is part of the teardown */

/* What a watched file is, decided once from the file. */
enum kq_kind {
	KQ_KIND_POLL,		/* anything else with a ->poll */
	KQ_KIND_SOCK,
	KQ_KIND_PIPE,		/* anonymous pipe */
	KQ_KIND_FIFO,		/* named pipe: EOF depends on the opener's history */
	KQ_KIND_REG,		/* regular file */
	KQ_KIND_DIR,
	KQ_KIND_ALWAYS,		/* block and memory devices: never wait */
	KQ_KIND_QUEUE,		/* another kqueue */
	KQ_KIND_TTY,
	KQ_KIND_EVENTFD,
	KQ_KIND_TIMERFD,
	KQ_KIND_SIGNALFD,
	KQ_KIND_INOTIFY,
	KQ_KIND_FANOTIFY,
	KQ_KIND_PIDFD,
	KQ_KIND_EPOLL,
	KQ_KIND_NONE,		/* no ->poll and not a file: refused */
};

/**
 * struct kq_wait - our place on one wait queue of a watched file
 * @entry: the entry; private points to the kq_fd
 * @head: the wait queue, NULL when it went away (POLLFREE) or was never used
 * @next: further queues of the same file (ttys, O_RDWR FIFOs)
 */
struct kq_wait {
	wait_queue_entry_t entry;
	wait_queue_head_t *head;
	struct kq_wait *next;
};

/**
 * struct kq_inode_link - a knote's place on the mark of an inode
 * @link: on watch->links, under watch->lock
 * @watch: the mark, pinned; NULL: on none
 * @post: told of NOTE_ bits of EVFILT_VNODE, under watch->lock
 */
struct kq_inode_link {
	struct list_head link;
	struct kq_watch *watch;
	void (*post)(struct kq_inode_link *link, u32 notes);
};

/**
 * struct kq_growth - what the READ knote of a regular file needs
 * @link: its place on the inode mark
 * @seen_size: holder of the READ knote's flux: size at the last EV_CLEAR
 *             delivery, negative for none
 * @seen_pos: offset at that delivery
 */
struct kq_growth {
	struct kq_inode_link link;
	loff_t seen_size;
	loff_t seen_pos;
};

/**
 * struct kq_nest_link - an edge of the graph of queues, under kq_nest_mutex
 * @child: on the watching queue's nested list
 * @parent: on the watched queue's watchers list
 * @outer: the watching queue
 * @inner: the watched queue, kept by the kq_fd's file
 */
struct kq_nest_link {
	struct list_head child;
	struct list_head parent;
	struct kq *outer;
	struct kq *inner;
};

/**
 * struct kq_fd - one watched descriptor
 * @read: EVFILT_READ
 * @write: EVFILT_WRITE
 * @extra: all other filters; grows at the front under [q], read without it
 * @file: [i] the open file the number named at EV_ADD, referenced
 * @hash: [b] close hash
 * @drop: a list of kq_fd that wait for their teardown or last fput
 * @work: its teardown, done by the closing task on its way to user mode
 * @fd: [i] the number
 * @kind: [i] enum kq_kind
 * @state: [q] KFD_*
 * @listened: holder of @read's flux: the socket was seen listening
 * @wait: wait entries, filled by the first poll, emptied by the teardown
 * @growth: regular files instead have a place on an inode mark
 * @nest: queues also have an edge in the graph, allocated
 */
struct kq_fd {
	struct kq_knote read;
	struct kq_knote write;
	struct kq_extra *extra;
	struct file *file;
	union {
		struct hlist_node hash;
		struct llist_node drop;
		struct callback_head work;
	};
	u32 fd;
	u8 kind;
	u8 state;
	bool listened;
	union {
		struct kq_wait wait;
		struct kq_growth growth;
	};
	struct kq_nest_link *nest;
};

/**
 * struct kq_extra - a knote on a descriptor that is neither READ nor WRITE
 * @kn: the knote
 * @kfd: [i] its descriptor
 * @next: [i] further knotes of the same descriptor
 * @attached: holder of flux, or of the teardown: detach is due
 */
struct kq_extra {
	struct kq_knote kn;
	struct kq_fd *kfd;
	struct kq_extra *next;
	bool attached;
};

/**
 * struct kq_note - a knote keyed by a number of the user's choice
 * @kn: the knote
 * @ident: [i] the number
 * @hash: [q] kq->idents
 * @walk: [q] the last walk of inherit.c that came here; there is one at a time,
 *        see kq->copying
 */
struct kq_note {
	struct kq_knote kn;
	u64 ident;
	struct hlist_node hash;
	u64 walk;
};

/* A growing array of pointers in two levels; see index.c. */
struct kq_table {
	void ***dir;
	u32 pages;	/* entries in dir */
};

/**
 * struct kq_waiter - a thread asleep in this queue
 * @link: [q] kq->waiters or kq->fluxers
 * @task: the thread
 * @object: on kq->fluxers: the descriptor or note it waits for; compared only
 * @picked: [q] an enqueue chose this thread
 * @missed: [q] counted in kq->missed, if of this epoch
 * @blind: [q] could not look at all knotes that nobody wakes
 * @epoch: [q] kq->epoch when it went to sleep
 */
struct kq_waiter {
	struct list_head link;
	struct task_struct *task;
	const void *object;
	bool picked;
	bool missed;
	bool blind;
	u32 epoch;
};

/**
 * struct kq - one queue
 * @lock: see above
 * @dead: [q] the owner has gone: every call answers EBADF
 * @missed: [q] waiters asleep since a time when @held was not zero
 * @epoch: [q] grows when nothing is left that those could have missed
 * @relook: [q] a poller looked while @away was not zero
 * @blind: [q] so did a thread that is asleep now
 * @polled: [q] set for good by the first knote nobody wakes
 * @nready: [q] knotes on @ready, those in flux not counted
 * @loud: [q] those of them that are not KN_QUIET
 * @held: [q] knotes in flux that were queued before
 * @away: [q] knotes in flux that nobody wakes
 * @returns: [q] counts those that came back
 * @ready: [q] queued knotes and scan markers
 * @recheck: [q] idle knotes nobody wakes
 * @waiters: [q] threads asleep in kevent()
 * @fluxers: [q] threads waiting for a knote in flux
 * @fds: [q] kq_fd by descriptor number
 * @nfds: [q] one more than the highest number ever watched
 * @idents: [q] hash of kq_note, linear hashing over a kq_table
 * @key: [i] secret of that hash
 * @nidents: [q] notes in @idents
 * @nbuckets: [q] buckets of @idents in use
 * @sweep: [q] next descriptor the self-check looks at
 * @suspect: [q] descriptor whose slot did not match at the last look
 * @suspect_file: [q] what was watched there
 * @suspect_since: [q] when that was, in jiffies
 * @files: [q] the owner's descriptor table, not pinned: compared only; NULL
 *         once the owner has gone
 * @pollq: poll(), epoll and outer queues; woken from @pollwork only
 * @pollwork: wakes @pollq outside all locks of watched objects
 * @nested: under kq_nest_mutex: edges to the queues this one watches
 * @watchers: under kq_nest_mutex: edges to the queues that watch this one
 * @walk: [q] the last walk of kq_recheck() that came here
 * @nest_mark: under kq_nest_mutex: last graph walk that came here
 * @nest_depth: under kq_nest_mutex: what that walk found
 * @arrivals: [q] counts what a poller is told of
 * @refs: the open file, every kq_fd, and @pollwork while it is queued
 * @owner: [i] the owner's entry in fork.c
 * @copied: under the lock of that: KQ_SETUP_CPONFORK
 * @origin: of a copy, while its knotes are made: the parent's file; compared only
 * @copying: one child copies at a time
 * @user: [i] whom it and its knotes are charged to
 * @pid: [i] process that opened it, referenced
 * @memcg: [i] memory cgroup of the process that opened it, referenced
 * @freework: frees it, after a grace period: the end of @pollwork's own code
 *            still looks at it
 */
struct kq {
	raw_spinlock_t lock;
	bool dead;
	bool relook;
	bool blind;
	bool polled;
	u32 missed;
	u32 epoch;
	u32 nready;
	u32 loud;
	u32 held;
	u32 away;
	u32 returns;
	struct list_head ready;
	struct list_head recheck;
	struct list_head waiters;
	struct list_head fluxers;
	struct kq_table fds;
	u32 nfds;
	struct kq_table idents;
	hsiphash_key_t key;
	u32 nidents;
	u32 nbuckets;
	u32 sweep;
	u32 suspect;
	struct file *suspect_file;
	unsigned long suspect_since;
	struct files_struct *files;
	wait_queue_head_t pollq;
	struct irq_work pollwork;
	struct list_head nested;
	struct list_head watchers;
	u64 walk;
	u64 nest_mark;
	int nest_depth;
	u32 arrivals;
	refcount_t refs;
	struct kq_owner *owner;
	bool copied;
	const struct file *origin;
	struct mutex copying; /* makes one child wait while another one copies */
	struct kq_user *user;
	struct pid *pid;
	struct mem_cgroup *memcg;
	struct rcu_work freework;
};

/**
 * struct kq_drops - torn down kq_fd whose file is still referenced
 * @list: the kq_fd
 *
 * A call collects here what it dropped. kq_drops_flush() puts the files
 * directly when the thread is about to return to user mode, kq_drops_defer()
 * gives them to kq_wq when it is about to sleep.
 */
struct kq_drops {
	struct llist_head list;
};

/**
 * struct kq_result - what an evaluation found
 * @data: data word
 * @fflags: fflags word
 * @flags: EV_EOF or 0
 * @keyed: new data comes with a keyed wake-up; see kq_knote_stale()
 * @counted: @token changes whenever there is anything new
 * @token: with @counted a position in the stream, with EV_EOF the error
 * @walk: of the recheck this evaluation belongs to, 0 for none
 * @report: fill the words, not only the answer
 * @scratch: user address the evaluation may use as scratch space, or NULL
 */
struct kq_result {
	s64 data;
	u32 fflags;
	u16 flags;
	bool keyed;
	bool counted;
	bool report;
	u32 token;
	u64 walk;
	void __user *scratch;
};

/* What one user may have so many of, see limits.c. */
enum kq_limit {
	KQ_LIMIT_QUEUES,
	KQ_LIMIT_KNOTES,
	KQ_LIMIT_TIMERS,
	KQ_LIMITS
};

/* limits.c */
int kq_limits_init(void);
void kq_limits_exit(void);
struct kq_user *kq_user_get(void);
bool kq_user_is(const struct kq_user *user, kuid_t uid);
void kq_user_put(struct kq_user *user);
int kq_charge(struct kq_user *user, enum kq_limit which);
void kq_uncharge(struct kq_user *user, enum kq_limit which);
unsigned long kq_limit_look(struct kq_user *user, enum kq_limit which, unsigned long *limit);

/* main.c */
extern struct workqueue_struct *kq_wq;

/* knote.c: lists, activation, flux */
void kq_knote_init(struct kq_knote *kn, struct kq *kq, u8 filter);
int kq_knote_begin(struct kq_knote *kn);
void kq_knote_end(struct kq_knote *kn);
void kq_knote_activate(struct kq_knote *kn, bool strong);
void kq_knote_requeue(struct kq_knote *kn);
void kq_knote_quench(struct kq_knote *kn);
void kq_flux_begin(struct kq_knote *kn, bool keep);
bool kq_flux_end(struct kq_knote *kn, bool quiet);
int kq_flux_wait(struct kq *kq, struct kq_knote *kn, struct kq_drops *drops)
	__releases(&kq->lock);
void kq_flux_wake(struct kq *kq, struct kq_knote *kn);
void kq_knote_unlink(struct kq_knote *kn);
void kq_pass_wake(struct kq *kq);
void kq_wake_one(struct kq *kq);
void kq_waiter_leave(struct kq *kq, struct kq_waiter *waiter);
bool kq_knote_stale(const struct kq_knote *kn, const struct kq_result *res, bool strong);
void kq_knote_seen(struct kq_knote *kn, bool ready, const struct kq_result *res);

/* index.c: finding knotes */
struct kq_fd *kq_index_fd(struct kq *kq, u32 fd);
int kq_index_reserve_fd(struct kq *kq, u32 fd);
void kq_index_set_fd(struct kq *kq, u32 fd, struct kq_fd *kfd);
struct kq_note *kq_index_note(struct kq *kq, u8 filter, u64 ident, bool aside);
bool kq_index_crowded(struct kq *kq, u8 filter, u64 ident);
int kq_index_reserve_note(struct kq *kq, gfp_t gfp);
bool kq_index_add_note(struct kq *kq, struct kq_note *note);
void kq_index_del_note(struct kq *kq, struct kq_note *note);
struct hlist_head *kq_index_bucket(struct kq *kq, u32 bucket);
void kq_index_free(struct kq *kq);

/* fd.c: life of a watched descriptor */
int kq_fd_init(void);
void kq_fd_exit(void);
struct kq_fd *kq_fd_create(struct kq *kq, u32 fd);
int kq_fd_publish(struct kq_fd *kfd, struct kq_knote *kn);
struct kq_knote *kq_fd_knote(struct kq_fd *kfd, u8 filter);
void kq_fd_extend(struct kq_fd *kfd, struct kq_extra *extra);
void kq_extra_detach(struct kq_extra *extra);
bool kq_fd_live(const struct kq_fd *kfd);
bool kq_fd_kill(struct kq_fd *kfd);
void kq_fd_teardown(struct kq_fd *kfd, struct kq_drops *drops);
void kq_fd_free(struct kq_fd *kfd);
bool kq_fd_current(const struct kq_fd *kfd);
bool kq_fd_in_flux(const struct kq_fd *kfd);
int kq_fd_begin(struct kq_fd *kfd, struct kq_knote *kn);
struct kq_fd *kq_fd_sweep(struct kq *kq);
void kq_drops_flush(struct kq_drops *drops);
void kq_drops_defer(struct kq_drops *drops);
u64 kq_missed_closes(void);

/* kind.c */
enum kq_kind kq_kind_of(struct file *file);

/* register.c */
int kq_register(struct kq *kq, const struct kq_event_ext *ev, struct kq_drops *drops);
int kq_register_copy(struct kq *kq, struct kq_knote *from, struct kq_drops *drops);
int kq_note_enter(struct kq_note *note, gfp_t gfp);

/* remove.c: the ends of knotes */
void kq_knote_bury(struct kq_knote *kn, struct kq_drops *drops);
void kq_knote_drop(struct kq_knote *kn, struct kq_drops *drops);
bool kq_knote_release(struct kq_knote *kn, bool quiet, struct kq_drops *drops)
	__releases(&kn->kq->lock);
void kq_clear(struct kq *kq);

/* scan.c */
struct kq_call;
struct kq_glance;
int kq_scan(struct kq *kq, struct kq_call *call);
void kq_recheck(struct kq *kq, struct kq_drops *drops, u64 walk, struct kq_glance *glance);
u32 kq_look(struct kq *kq, u32 *arrivals);

/* kevent.c */
long kq_kevent(struct kq *kq, void __user *uargs, size_t usize);

/* dev.c */
int kq_dev_init(void);
void kq_dev_exit(void);
void kq_put(struct kq *kq);
void kq_pin(void);
void kq_unpin(void);
bool kq_is_queue(const struct file *file);
struct kq *kq_from_file(const struct file *file);

/* nest.c */
int kq_nest_add(struct kq *kq, struct kq_fd *kfd);
void kq_nest_del(struct kq_fd *kfd);

/* fork.c: who has queues, and whose children */
int kq_fork_init(void);
void kq_fork_exit(void);
int kq_owner_join(struct kq *kq);
void kq_owner_leave(struct kq *kq);
void kq_owner_copies(struct kq *kq, bool copied);
void kq_forked(struct task_struct *child);

/* inherit.c: the copies in a child */
void kq_inherit(const struct files_struct *parent, bool copies);

/* fdinfo.c */
void kq_show_fdinfo(struct seq_file *m, struct file *file);

#endif /* KQ_H */
