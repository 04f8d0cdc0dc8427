// SPDX-License-Identifier: GPL-2.0
/*
 * Finding a knote of one queue: descriptors by number in a growing two-level
 * array, all other idents in a linear hash over the same kind of array. Nothing
 * here allocates under kq->lock, and no step under it depends on the number of
 * knotes except the copy of the first level (one pointer per 512 descriptors).
 */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/siphash.h>
#include <linux/slab.h>

#include "kq.h"

#define KQ_PAGE_SLOTS	(PAGE_SIZE / sizeof(void *))
#define KQ_FIRST_PAGES	4u

static void **kq_table_slot(const struct kq_table *table, u32 i)
{
	u32 page = i / KQ_PAGE_SLOTS;

	if (page >= table->pages)
		return NULL;
	page = array_index_nospec(page, table->pages);
	if (!table->dir[page])
		return NULL;
	return &table->dir[page][i % KQ_PAGE_SLOTS];
}

/* Makes slot i exist. Called without kq->lock. */
static int kq_table_reserve(struct kq *kq, struct kq_table *table, u32 i, gfp_t gfp)
{
	u32 page = i / KQ_PAGE_SLOTS;
	void ***dir = NULL, **slots;
	unsigned long flags;
	u32 pages;

	slots = (void **)get_zeroed_page(gfp);
	if (!slots)
		return -ENOMEM;

	raw_spin_lock_irqsave(&kq->lock, flags);
	while (page >= table->pages) {
		pages = table->pages;
		raw_spin_unlock_irqrestore(&kq->lock, flags);

		pages = max3(KQ_FIRST_PAGES, pages * 2, (u32)roundup_pow_of_two(page + 1));
		dir = kvcalloc(pages, sizeof(*dir), gfp);
		if (!dir) {
			free_page((unsigned long)slots);
			return -ENOMEM;
		}

		raw_spin_lock_irqsave(&kq->lock, flags);
		if (pages > table->pages) {
			if (table->pages)
				memcpy(dir, table->dir, table->pages * sizeof(*dir));
			swap(dir, table->dir);
			table->pages = pages;
		}
		raw_spin_unlock_irqrestore(&kq->lock, flags);
		kvfree(dir);
		raw_spin_lock_irqsave(&kq->lock, flags);
	}
	if (!table->dir[page]) {
		table->dir[page] = slots;
		slots = NULL;
	}
	raw_spin_unlock_irqrestore(&kq->lock, flags);
	free_page((unsigned long)slots);
	return 0;
}

static void kq_table_free(struct kq_table *table)
{
	u32 page;

	for (page = 0; page < table->pages; page++)
		free_page((unsigned long)table->dir[page]);
	kvfree(table->dir);
}

/**
 * kq_index_fd() - the watched descriptor of a number
 * @kq: queue, locked
 * @fd: the number
 *
 * Return: the kq_fd or NULL.
 */
struct kq_fd *kq_index_fd(struct kq *kq, u32 fd)
{
	void **slot = kq_table_slot(&kq->fds, fd);

	return slot ? *slot : NULL;
}

/**
 * kq_index_reserve_fd() - make room for a number
 * @kq: queue, not locked
 * @fd: the number
 *
 * Return: 0 or -ENOMEM.
 */
int kq_index_reserve_fd(struct kq *kq, u32 fd)
{
	unsigned long flags;
	bool have;

	raw_spin_lock_irqsave(&kq->lock, flags);
	have = kq_table_slot(&kq->fds, fd);
	raw_spin_unlock_irqrestore(&kq->lock, flags);
	return have ? 0 : kq_table_reserve(kq, &kq->fds, fd, GFP_KERNEL_ACCOUNT);
}

/**
 * kq_index_set_fd() - enter or clear a number
 * @kq: queue, locked
 * @fd: the number, reserved before
 * @kfd: what it names from now on, or NULL
 */
void kq_index_set_fd(struct kq *kq, u32 fd, struct kq_fd *kfd)
{
	lockdep_assert_held(&kq->lock);
	*kq_table_slot(&kq->fds, fd) = kfd;
	if (kfd && fd >= kq->nfds)
		kq->nfds = fd + 1;
}

/* Keyed: idents are the program's choice, chains are walked under kq->lock. */
static u32 kq_ident_hash(const struct kq *kq, u8 filter, u64 ident)
{
	return hsiphash_3u32(ident, ident >> 32, filter, &kq->key);
}

/*
 * Linear hashing: with 2^n <= nbuckets < 2^(n+1), a hash belongs to its low n+1
 * bits where that bucket exists already, to its low n bits where not.
 */
static u32 kq_bucket_of(const struct kq *kq, u32 hash)
{
	u32 mask = roundup_pow_of_two(kq->nbuckets) - 1;
	u32 bucket = hash & mask;

	return bucket < kq->nbuckets ? bucket : hash & (mask >> 1);
}

/**
 * kq_index_bucket() - one chain of the hash, for walks over all notes
 * @kq: queue, locked
 * @bucket: less than kq->nbuckets
 *
 * Return: the chain.
 */
struct hlist_head *kq_index_bucket(struct kq *kq, u32 bucket)
{
	return (struct hlist_head *)kq_table_slot(&kq->idents, bucket);
}

/**
 * kq_index_note() - the note of an ident
 * @kq: queue, locked
 * @filter: row of the filter
 * @ident: the number
 * @aside: one of those set aside, instead of the one that changes find
 *
 * Return: the note or NULL.
 */
struct kq_note *kq_index_note(struct kq *kq, u8 filter, u64 ident, bool aside)
{
	struct kq_note *note;
	u32 bucket;

	lockdep_assert_held(&kq->lock);
	if (!kq->nbuckets)
		return NULL;
	bucket = kq_bucket_of(kq, kq_ident_hash(kq, filter, ident));
	hlist_for_each_entry(note, kq_index_bucket(kq, bucket), hash)
		if (note->ident == ident && note->kn.filter == filter &&
		    !(note->kn.status & KN_ASIDE) == !aside)
			return note;
	return NULL;
}

/**
 * kq_index_crowded() - are as many notes of an ident set aside as there may be?
 * @kq: queue, locked
 * @filter: row of the filter
 * @ident: the number
 *
 * A chain is short because its idents differ; those set aside are of one ident,
 * and a program can have numbers of processes used again as often as it likes.
 *
 * Return: true if no further one may come.
 */
bool kq_index_crowded(struct kq *kq, u8 filter, u64 ident)
{
	struct kq_note *note;
	u32 bucket, n = 0;

	lockdep_assert_held(&kq->lock);
	if (!kq->nbuckets)
		return false;
	bucket = kq_bucket_of(kq, kq_ident_hash(kq, filter, ident));
	hlist_for_each_entry(note, kq_index_bucket(kq, bucket), hash)
		n += note->ident == ident && note->kn.filter == filter &&
		     (note->kn.status & KN_ASIDE);
	return n >= KQ_MAX_ASIDE;
}

/**
 * kq_index_reserve_note() - make room for one more note
 * @kq: queue, not locked
 * @gfp: whether that may wait for memory
 *
 * Return: 0 or -ENOMEM.
 */
int kq_index_reserve_note(struct kq *kq, gfp_t gfp)
{
	unsigned long flags;
	u32 bucket;
	bool have;

	raw_spin_lock_irqsave(&kq->lock, flags);
	bucket = kq->nbuckets;
	have = kq_table_slot(&kq->idents, bucket);
	raw_spin_unlock_irqrestore(&kq->lock, flags);
	return have ? 0 : kq_table_reserve(kq, &kq->idents, bucket, gfp);
}

/* One more bucket: the notes of its older half that belong here move over. */
static void kq_index_split(struct kq *kq)
{
	struct hlist_node *next;
	struct kq_note *note;
	struct hlist_head *from, *to;
	u32 fresh = kq->nbuckets;

	to = kq_index_bucket(kq, fresh);
	if (!to)
		return;		/* the reserved page went to another thread's notes */
	INIT_HLIST_HEAD(to);
	kq->nbuckets++;
	if (!fresh)
		return;
	from = kq_index_bucket(kq, fresh - rounddown_pow_of_two(fresh));
	hlist_for_each_entry_safe(note, next, from, hash) {
		if (kq_bucket_of(kq, kq_ident_hash(kq, note->kn.filter, note->ident)) != fresh)
			continue;
		hlist_del(&note->hash);
		hlist_add_head(&note->hash, to);
	}
}

/**
 * kq_index_add_note() - enter a note
 * @kq: queue, locked
 * @note: not in the index yet; its ident is not either
 *
 * Return: false if the room reserved before went to another thread.
 */
bool kq_index_add_note(struct kq *kq, struct kq_note *note)
{
	u32 bucket;

	lockdep_assert_held(&kq->lock);
	if (kq->nidents >= kq->nbuckets)
		kq_index_split(kq);
	if (!kq->nbuckets)
		return false;
	bucket = kq_bucket_of(kq, kq_ident_hash(kq, note->kn.filter, note->ident));
	hlist_add_head(&note->hash, kq_index_bucket(kq, bucket));
	kq->nidents++;
	return true;
}

/**
 * kq_index_del_note() - take a note out
 * @kq: queue, locked
 * @note: in the index
 */
void kq_index_del_note(struct kq *kq, struct kq_note *note)
{
	lockdep_assert_held(&kq->lock);
	hlist_del(&note->hash);
	kq->nidents--;
}

/**
 * kq_index_free() - free the arrays of a queue nobody can reach any more
 * @kq: queue, empty
 */
void kq_index_free(struct kq *kq)
{
	kq_table_free(&kq->fds);
	kq_table_free(&kq->idents);
}
