// SPDX-License-Identifier: GPL-2.0
/*
 * Owns user memory: kevent.c as it is, but its copies go to and from the memory of the test, and
 * fail where the test wants.
 */
#include <linux/minmax.h>
#include <linux/pagemap.h>
#include <linux/time32.h>
#include <linux/time64.h>
#include <linux/uaccess.h>

#include "kqt.h"

struct kqt_user kqt_user;

/* Return: bytes not written. */
static size_t kqt_copy_to_user(void __user *to, const void *from, size_t n)
{
	size_t done = min(n, kqt_user.writable);

	memcpy((__force void *)to, from, done);
	if (kqt_user.writable != SIZE_MAX)
		kqt_user.writable -= done;
	return n - done;
}

static size_t kqt_copy_from_user(void *to, const void __user *from, size_t n)
{
	if (kqt_user.unreadable)
		return n;
	memcpy(to, (__force const void *)from, n);
	return 0;
}

/* The argument block is always there, and of our size. */
static int kqt_copy_struct(void *to, size_t size, const void __user *from, size_t usize)
{
	memcpy(to, (__force const void *)from, min(size, usize));
	return 0;
}

static size_t kqt_fault_in(const char __user *address, size_t n)
{
	if (kqt_user.lost)
		return n;
	kqt_user.writable = SIZE_MAX;
	kqt_user.brought++;
	return 0;
}

#undef copy_to_user
#undef copy_from_user
#undef copy_struct_from_user
#undef put_user
#undef fault_in_safe_writeable
#define copy_to_user(to, from, n)			kqt_copy_to_user(to, from, n)
#define copy_from_user(to, from, n)			kqt_copy_from_user(to, from, n)
#define copy_struct_from_user(to, size, from, usize)	kqt_copy_struct(to, size, from, usize)
#define put_user(value, to)				(*(__force typeof(*(to)) *)(to) = (value), 0)
#define fault_in_safe_writeable(address, n)		kqt_fault_in(address, n)

#include "../../kmod/kevent.c"

/* One call that does not wait. Return: what kevent() returns, or -errno. */
int kqt_call(struct kq *kq, const void *changes, int nchanges, void *events, int nevents)
{
	struct kq_kevent args = {
		.changelist = (uintptr_t)changes,
		.nchanges = nchanges,
		.eventlist = (uintptr_t)events,
		.nevents = nevents,
		.record_size = kqt_user.record_size,
		.flags = KQ_KEVENT_NONBLOCK,
	};

	return kq_kevent(kq, (__force void __user *)&args, sizeof(args));
}

/* One change. Return: 0 or -errno. */
int kqt_change(struct kq *kq, u64 ident, s16 filter, u16 flags, u32 fflags, s64 data, u64 udata)
{
	const struct kq_event_ext change = {
		.ident = ident,
		.filter = filter,
		.flags = flags,
		.fflags = fflags,
		.data = data,
		.udata = udata,
	};

	return kqt_call(kq, &change, 1, NULL, 0);
}

/* Return: events that are ready now. */
int kqt_collect(struct kq *kq, struct kq_event_ext *events, int nevents)
{
	return kqt_call(kq, NULL, 0, events, nevents);
}

/* Return: the knote of a note, or NULL. */
struct kq_knote *kqt_knote(struct kq *kq, u64 ident, s16 filter)
{
	struct kq_note *note;

	raw_spin_lock_irq(&kq->lock);
	note = kq_index_note(kq, -filter, ident, false);
	raw_spin_unlock_irq(&kq->lock);
	return note ? &note->kn : NULL;
}
