// SPDX-License-Identifier: GPL-2.0
/*
 * One kevent() call, and the only copies between user memory and the module
 * (a ->ioctl that answers FIONREAD into the caller's own slot excepted).
 */
#include <linux/minmax.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/time32.h>
#include <linux/time64.h>
#include <linux/uaccess.h>

#include "kq_call.h"
#include "kq_filter.h"

static_assert(sizeof(struct kq_event) == 32);
static_assert(sizeof(struct kq_event_ext) == 64);
static_assert(sizeof(struct kq_event_ilp32) == 20);
static_assert(sizeof(struct kq_kevent) == 64);
static_assert(offsetof(struct kq_event_ext, ext) == sizeof(struct kq_event));

static void __user *kq_record(const struct kq_call *call, u64 base, int i)
{
	return u64_to_user_ptr(base + (u64)i * call->args.record_size);
}

/**
 * kq_call_slot() - where the next record but i goes
 * @call: the call
 * @i: records still in the buffer before it
 *
 * Return: the user address of that slot.
 */
void __user *kq_call_slot(const struct kq_call *call, int i)
{
	return kq_record(call, call->args.eventlist, call->got + i);
}

static void *kq_buffered(struct kq_call *call, int i)
{
	return (char *)&call->out + i * call->args.record_size;
}

/* Writes a record in the user's layout. */
static void kq_store(const struct kq_call *call, void *to, const struct kq_event_ext *ev)
{
	struct kq_event_ilp32 small;

	if (call->args.record_size != sizeof(small)) {
		memcpy(to, ev, call->args.record_size);
		return;
	}
	small.ident = ev->ident;
	small.filter = ev->filter;
	small.flags = ev->flags;
	small.fflags = ev->fflags;
	small.data = clamp_t(s64, ev->data, S32_MIN, S32_MAX);
	small.udata = ev->udata;
	memcpy(to, &small, sizeof(small));
}

/* Reads one. The bits only the kernel sets are dropped here, once. */
static void kq_load(const struct kq_call *call, const void *from, struct kq_event_ext *ev)
{
	struct kq_event_ilp32 small;

	memset(ev, 0, sizeof(*ev));
	if (call->args.record_size != sizeof(small)) {
		memcpy(ev, from, call->args.record_size);
	} else {
		memcpy(&small, from, sizeof(small));
		/* A 32-bit program's -1 is no descriptor, but the same timer. */
		ev->ident = small.ident;
		ev->filter = small.filter;
		ev->flags = small.flags;
		ev->fflags = small.fflags;
		ev->data = small.data;
		ev->udata = small.udata;
	}
	ev->flags &= ~(EV_SYSFLAGS | KQ_EV_RESERVED);
}

/**
 * kq_call_put() - put the record of an event into the buffer
 * @call: the call
 * @i: place in the buffer
 * @kn: knote in flux
 * @res: what it reports
 */
void kq_call_put(struct kq_call *call, int i, struct kq_knote *kn, const struct kq_result *res)
{
	struct kq_event_ext ev;

	ev.ident = kq_knote_is_fd(kn) ? kq_knote_fd(kn)->fd : kq_knote_note(kn)->ident;
	ev.filter = kq_filter_number(kn);
	ev.flags = kn->flags | res->flags;
	ev.fflags = res->fflags;
	ev.data = res->data;
	ev.udata = kn->udata;
	ev.ext[0] = 0;
	ev.ext[1] = 0;
	ev.ext[2] = kn->ext ? kn->ext[0] : 0;
	ev.ext[3] = kn->ext ? kn->ext[1] : 0;
	kq_store(call, kq_buffered(call, i), &ev);
}

/**
 * kq_call_flush() - copy the buffer out
 * @call: the call; got advances
 * @n: records in the buffer
 *
 * The knotes are in flux and pin their files, so this does not wait for a page:
 * see kq_call_fault().
 *
 * Return: how many whole records reached the user.
 */
int kq_call_flush(struct kq_call *call, int n)
{
	size_t size = (size_t)n * call->args.record_size;
	size_t left;

	if (!n)
		return 0;
	pagefault_disable();
	left = copy_to_user(kq_call_slot(call, 0), &call->out, size);
	pagefault_enable();
	n = (size - left) / call->args.record_size;
	call->got += n;
	return n;
}

/**
 * kq_call_fault() - bring in the page that kq_call_flush() stopped at
 * @call: the call; nothing is in flux
 *
 * Return: 0 or -EFAULT.
 */
int kq_call_fault(const struct kq_call *call)
{
	return fault_in_safe_writeable(kq_call_slot(call, 0), call->args.record_size) ? -EFAULT : 0;
}

/**
 * kq_call_save() - prepare for being run again by the kernel
 * @call: the call
 *
 * A stop, or a signal without a handler, runs the system call anew with the same
 * argument block: it must then neither apply the changes again nor wait anew.
 *
 * Return: 0 or -EFAULT.
 */
int kq_call_save(struct kq_call *call)
{
	u32 state = KQ_STATE_CHANGED | KQ_STATE_DEADLINE;

	if (call->args.state == state)
		return 0;
	call->args.state = state;
	if (put_user((u64)call->deadline, &call->uargs->deadline) ||
	    put_user(state, &call->uargs->state))
		return -EFAULT;
	return 0;
}

/* The error or receipt of a change, if there is room. Return: 0 or -errno. */
static int kq_report(struct kq_call *call, const struct kq_event_ext *ev, int err)
{
	struct kq_event_ext out = *ev;
	char record[sizeof(out)];

	if (call->got == call->args.nevents)
		return err;
	out.flags |= EV_ERROR;
	out.data = -err;
	/* Not through the buffer, where the batch of changes still sits. */
	kq_store(call, record, &out);
	if (copy_to_user(kq_call_slot(call, 0), record, call->args.record_size))
		return -EFAULT;
	call->got++;
	return 0;
}

/*
 * Applies the changelist in batches. A batch is read before anything is written
 * over it, since both lists may be one array.
 */
static int kq_changes(struct kq *kq, struct kq_call *call)
{
	struct kq_event_ext ev;
	int done = 0, n, i, err;

	while (done < call->args.nchanges) {
		n = min(call->args.nchanges - done, KQ_BATCH);
		if (copy_from_user(&call->out, kq_record(call, call->args.changelist, done),
				   (size_t)n * call->args.record_size))
			return -EFAULT;
		for (i = 0; i < n; i++) {
			kq_load(call, kq_buffered(call, i), &ev);
			err = kq_register(kq, &ev, &call->drops);
			if (err || (ev.flags & EV_RECEIPT))
				err = kq_report(call, &ev, err);
			if (err)
				return err;
		}
		done += n;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Checks the timeout and turns it into a deadline. */
static int kq_timeout(struct kq_call *call)
{
	const struct kq_kevent *args = &call->args;
	void __user *uts = u64_to_user_ptr(args->timeout);
	struct timespec64 ts;
	int err = 0;

	call->deadline = KTIME_MAX;
	call->poll = args->flags & KQ_KEVENT_NONBLOCK;
	if (args->timeout)
		err = args->flags & KQ_KEVENT_TIMEOUT_ILP32 ? get_old_timespec32(&ts, uts) :
							      get_timespec64(&ts, uts);
	if (err)
		return err;
	if (args->timeout && !timespec64_valid(&ts))
		return -EINVAL;
	if (args->state & KQ_STATE_DEADLINE) {
		call->deadline = min_t(u64, args->deadline, KTIME_MAX);
	} else if (args->timeout && ts.tv_sec <= KQ_SEC_FOREVER) {
		if (!ts.tv_sec && !ts.tv_nsec)
			call->poll = true;
		else
			call->deadline = ktime_add_safe(ktime_get(), timespec64_to_ktime(ts));
	}
	return 0;
}

static int kq_call_check(const struct kq_kevent *args)
{
	if ((args->flags & ~KQ_KEVENT_FLAGS) || (args->state & ~KQ_STATE_FLAGS) ||
	    args->reserved)
		return -EINVAL;
	if (args->record_size != sizeof(struct kq_event) &&
	    args->record_size != sizeof(struct kq_event_ext) &&
	    args->record_size != sizeof(struct kq_event_ilp32))
		return -EINVAL;
	if (args->nchanges < 0 || args->nevents < 0)
		return -EINVAL;
	return 0;
}

static int kq_call_run(struct kq *kq, struct kq_call *call)
{
	bool wait;
	int err;

	if (READ_ONCE(kq->dead) || READ_ONCE(kq->files) != current->files)
		return -EBADF;
	err = kq_call_check(&call->args);
	if (err)
		return err;
	if (call->args.flags & KQ_KEVENT_PASS_WAKE) {
		kq_pass_wake(kq);
		return 0;
	}
	wait = call->args.nevents || (call->args.flags & KQ_KEVENT_WAIT_ONLY);
	if (wait) {
		err = kq_timeout(call);
		if (err)
			return err;
	}
	if (!(call->args.state & KQ_STATE_CHANGED)) {
		err = kq_changes(kq, call);
		if (err)
			return err;
	}
	if (call->got || !wait)
		return call->got;
	return kq_scan(kq, call);
}

/**
 * kq_kevent() - KQ_IOC_KEVENT
 * @kq: queue
 * @uargs: struct kq_kevent of the caller
 * @usize: its size as the caller knows it
 *
 * The order of checks is that of KQ-015 to KQ-023: queue and owner, argument
 * block, timeout, then the changes one by one, then the wait.
 *
 * Return: number of records; -EBADF (not the owner, queue closed), -EINVAL,
 * -E2BIG (words this kernel does not know), -EFAULT, -ERESTARTNOHAND (seen as
 * EINTR when a handler ran), or the error of a change that had no room.
 */
long kq_kevent(struct kq *kq, void __user *uargs, size_t usize)
{
	struct kq_call call;
	int ret;

	ret = copy_struct_from_user(&call.args, sizeof(call.args), uargs, usize);
	if (ret)
		return ret;
	call.uargs = uargs;
	if (put_user(KQ_STAMP, &call.uargs->stamp))
		return -EFAULT;
	call.got = 0;
	init_llist_head(&call.drops.list);

	ret = kq_call_run(kq, &call);
	kq_drops_flush(&call.drops);
	return ret;
}
