// SPDX-License-Identifier: GPL-2.0
/* Owns memory that can run out, and during whose allocation others may come first. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "kqt.h"

struct kqt_memory kqt_memory = { .left = -1 };

/* For .init of a suite. */
void kqt_memory_reset(void)
{
	kqt_memory = (struct kqt_memory){ .left = -1 };
}

void *kqt_alloc(size_t size)
{
	void (*meanwhile)(void *arg) = kqt_memory.meanwhile;
	void *p;

	kqt_memory.meanwhile = NULL;
	if (meanwhile)
		meanwhile(kqt_memory.arg);
	if (!kqt_memory.left)
		return NULL;
	if (kqt_memory.left > 0)
		kqt_memory.left--;
	p = kvzalloc(size, GFP_KERNEL);
	if (p)
		kqt_memory.held++;
	return p;
}

void kqt_free(const void *p)
{
	if (!p)
		return;
	kqt_memory.held--;
	kvfree(p);
}
