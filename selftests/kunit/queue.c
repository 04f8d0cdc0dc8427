// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the queues of the suites: those that dev.c makes and ends for an open file, which is all
 * that is missing here.
 */
#include "kqt.h"

#include "../../kmod/dev.c"

#define KQT_FILES	40

struct workqueue_struct *kq_wq;

static struct file kqt_files[KQT_FILES];

/* Return: a queue, or NULL, and the test has failed. */
struct kq *kqt_queue_open(struct kunit *test)
{
	struct file *file;
	int err;

	for (file = kqt_files; file < kqt_files + KQT_FILES && file->private_data; file++)
		;
	KUNIT_ASSERT_LT(test, (int)(file - kqt_files), KQT_FILES);
	file->f_op = &kq_fops;
	err = kq_open(NULL, file);
	KUNIT_ASSERT_EQ(test, err, 0);
	return file->private_data;
}

/* Return: the file of a queue from kqt_queue_open(). */
struct file *kqt_queue_file(struct kq *kq)
{
	struct file *file = kqt_files;

	while (file->private_data != kq)
		file++;
	return file;
}

int kqt_queue_init(struct kunit *test)
{
	int i, err;

	kqt_memory_reset();
	kqt_user = (struct kqt_user){
		.writable = SIZE_MAX,
		.record_size = sizeof(struct kq_event_ext),
	};
	memset(kqt_files, 0, sizeof(kqt_files));
	for (i = 0; i < KQ_LIMITS; i++)
		kqt_limit_set(i, LONG_MAX);
	kq_wq = alloc_workqueue("kqueue_kunit", WQ_UNBOUND, 0);
	if (!kq_wq)
		return -ENOMEM;
	err = kq_fork_init();
	if (err)
		goto err_wq;
	test->priv = kqt_queue_open(test);
	return 0;

err_wq:
	destroy_workqueue(kq_wq);
	return err;
}

/* All queues end here, and leave nothing behind. */
void kqt_queue_exit(struct kunit *test)
{
	struct file *file;

	for (file = kqt_files; file < kqt_files + KQT_FILES; file++)
		if (file->private_data)
			kq_release(NULL, file);
	rcu_barrier();
	destroy_workqueue(kq_wq);
	KUNIT_EXPECT_EQ_MSG(test, atomic_read(&kq_count), 0, "queues are left");
	kq_fork_exit();
}
