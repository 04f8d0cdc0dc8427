// SPDX-License-Identifier: GPL-2.0
/*
 * Owns what is there already, under faults: later changes of a registration,
 * batches, collection, and looks at a queue through poll, epoll and fdinfo. A
 * fault refuses the whole change, and loses no event.
 */
#include "kq_test.h"
#include <sys/epoll.h>
#include <sys/mount.h>
#include "kq_inject.h"
#include "kq_proc.h"
#include "kq_user.h"

#define OLD	5
#define NEW	6

/* A file of one byte without a name. */
static int open_file(void)
{
	int fd = ASSERT_SYS(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));

	kq_write(fd, "x", 1);
	ASSERT_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* Later changes: one word of the registration becomes another, and extension words come. */
static const struct modification {
	const char *name;
	int filter;
	unsigned int before, after;	/* fflags */
	int64_t data;
	bool file, process;		/* what the ident names; else a pipe */
} modifications[] = {
	{ .name = "read", .filter = EVFILT_READ, .after = NOTE_LOWAT, .data = 3 },
	{ .name = "vnode", .filter = EVFILT_VNODE, .before = NOTE_WRITE, .after = NOTE_DELETE,
	  .file = true },
	/* The notes of a second mark. */
	{ .name = "vnode_access", .filter = EVFILT_VNODE, .before = NOTE_WRITE,
	  .after = NOTE_WRITE | NOTE_OPEN, .file = true },
	{ .name = "user", .filter = EVFILT_USER, .after = NOTE_FFCOPY | 1 },
	{ .name = "timer", .filter = EVFILT_TIMER, .before = NOTE_SECONDS, .after = NOTE_SECONDS,
	  .data = 2000000 },
	{ .name = "signal", .filter = EVFILT_SIGNAL },
	{ .name = "proc", .filter = EVFILT_PROC, .before = NOTE_EXIT, .after = NOTE_EXIT | NOTE_FORK,
	  .process = true },
	{ .name = "fs", .filter = EVFILT_FS, .before = VQ_MOUNT, .after = VQ_UNMOUNT },
};

struct modify {
	int kq;
	struct kq_event_ext old, new;
	char lines[INJECT_LINES];
};

static void prepare_modify(void *scene)
{
	struct modify *m = scene;

	m->kq = kq_new();
	ASSERT_EQ(inject_change(m->kq, &m->old), 0);
	inject_lines(m->kq, m->lines);
}

static int run_modify(void *scene)
{
	struct modify *m = scene;

	return inject_change(m->kq, &m->new);
}

/* Delivers the knote as it is: words that no line of fdinfo shows. */
static void assert_words(int kq, const struct kq_event_ext *wanted)
{
	struct kq_event_ext event, force = {
		.ident = wanted->ident, .filter = wanted->filter,
		.flags = EV_FORCEONESHOT | EV_KEEPUDATA,
	};

	ASSERT_EQ(inject_kevent(kq, &force, 1, &event, 1), 1);
	ASSERT_EQ(event.ident, wanted->ident);
	ASSERT_EQ(event.udata, wanted->udata);
	ASSERT_EQ(event.ext[2], wanted->ext[2]);
	ASSERT_EQ(event.ext[3], wanted->ext[3]);
	ASSERT_ERR(kq_del(kq, wanted->ident, wanted->filter), ENOENT);
}

static void judge_modify(void *scene, int result, bool hit)
{
	struct modify *m = scene;
	char lines[INJECT_LINES];

	if (result < 0) {
		inject_assert_lines(m->kq, m->lines);
	} else {
		inject_lines(m->kq, lines);
		ASSERT_NE(strcmp(lines, m->lines), 0);
	}
	assert_words(m->kq, result < 0 ? &m->old : &m->new);
	if (hit) {
		ASSERT_EQ(inject_change(m->kq, &m->new), 0);
		assert_words(m->kq, &m->new);
	}
	close(m->kq);
}

KQ_TEST_EACH(modify, "", "a later change that fails leaves every word as it was", modifications)
{
	static const struct inject_op op = {
		.prepare = prepare_modify, .run = run_modify, .judge = judge_modify,
	};
	int fds[2] = { -1, -1 }, turn = -1;
	struct modify m = { 0 };

	inject_begin();
	m.old = (struct kq_event_ext){
		.ident = SIGUSR1, .filter = variant->filter, .flags = EV_ADD, .udata = OLD,
		.fflags = variant->before,
		.data = variant->filter == EVFILT_TIMER ? 1000000 : 0,
	};
	if (variant->file) {
		fds[0] = open_file();
		m.old.ident = fds[0];
	} else if (variant->process) {
		m.old.ident = proc_idle(&turn);
	} else if (variant->filter == EVFILT_READ) {
		kq_pipe(fds);
		m.old.ident = fds[0];
	}
	m.new = m.old;
	m.new.udata = NEW;
	m.new.fflags = variant->after;
	if (variant->data)
		m.new.data = variant->data;
	m.new.ext[2] = 7;
	m.new.ext[3] = 8;
	ASSERT_GT(inject_each(&op, &m), 2);
	close(fds[0]);
	close(fds[1]);
	if (variant->process)
		proc_say(turn, 0);
	inject_end();
}

/* Many changes in one call, more than the module reads at a time. */

#define CHANGES	20

struct batch {
	int kq;
	bool receipts;
	struct kq_event_ext changes[CHANGES], receipt[CHANGES];
	int enomem;	/* seen as a record */
};

static void prepare_batch(void *scene)
{
	struct batch *b = scene;

	b->kq = kq_new();
	for (int i = 0; i < CHANGES; i++)
		b->changes[i] = (struct kq_event_ext){
			.ident = i, .filter = EVFILT_USER, .udata = OLD,
			.flags = EV_ADD | (b->receipts ? EV_RECEIPT : 0), .ext = { [2] = 1 },
		};
}

static int run_batch(void *scene)
{
	struct batch *b = scene;

	return inject_kevent(b->kq, b->changes, CHANGES, b->receipt, CHANGES);
}

/* Each record says what became of its change; without one a fault in between ends the call. */
static void judge_batch(void *scene, int result, bool hit KQ_UNUSED)
{
	struct batch *b = scene;
	bool there[CHANGES], failed[CHANGES] = { false };
	int count = 0;

	for (int i = 0; i < result; i++) {
		ASSERT_TRUE(b->receipt[i].flags & EV_ERROR);
		ASSERT_TRUE(b->receipt[i].data == ENOMEM || (b->receipts && !b->receipt[i].data));
		ASSERT_EQ(b->receipt[i].udata, OLD);
		failed[b->receipt[i].ident] = b->receipt[i].data;
		b->enomem += b->receipt[i].data == ENOMEM;
	}
	for (int i = 0; i < CHANGES; i++) {
		int error = kq_del(b->kq, i, EVFILT_USER);

		if (error)
			ASSERT_EQ(error, -ENOENT);
		there[i] = !error;
		count += there[i];
		/* The call that failed applied the changes up to some point. */
		if (result < 0)
			ASSERT_TRUE(!there[i] || !i || there[i - 1]);
		else
			ASSERT_EQ(there[i], !failed[i]);
	}
	if (result >= 0)
		ASSERT_GE(count, CHANGES - 1);
	close(b->kq);
}

static int run_errors(void *scene)
{
	struct batch *b = scene;
	int result = run_batch(b);

	/* One fault, one record. */
	ASSERT_LE(result, 1);
	return result == 1 ? -ENOMEM : result;
}

static void judge_errors(void *scene, int result, bool hit)
{
	judge_batch(scene, result == -ENOMEM ? 1 : result, hit);
}

KQ_TEST(receipts, "", "each receipt of a batch says what became of its change")
{
	static const struct inject_op op = {
		.prepare = prepare_batch, .run = run_batch, .judge = judge_batch,
		.wanted = CHANGES,
	};
	struct batch b = { .receipts = true };

	inject_begin();
	ASSERT_GT(inject_each(&op, &b), CHANGES);
	ASSERT_GE(b.enomem, CHANGES);
	inject_end();
}

KQ_TEST(errors, "", "in a batch without receipts the change that fails is the one reported")
{
	static const struct inject_op op = {
		.prepare = prepare_batch, .run = run_errors, .judge = judge_errors,
	};
	struct batch b = { .receipts = false };

	inject_begin();
	ASSERT_GT(inject_each(&op, &b), CHANGES);
	ASSERT_GE(b.enomem, CHANGES);
	inject_end();
}

/* Collection: each event once, in this call or the next. */

#define EVENTS	40

struct collection {
	int kq;
	unsigned int flags;
	struct kq_event_ext events[EVENTS];
};

static void prepare_collection(void *scene)
{
	struct collection *c = scene;

	c->kq = kq_new();
	for (int i = 0; i < EVENTS; i++) {
		ASSERT_OK(kq_add(c->kq, i, EVFILT_USER, c->flags, 0, 0, NULL));
		ASSERT_OK(kq_trigger(c->kq, i));
	}
}

static int run_collection(void *scene)
{
	struct collection *c = scene;

	return inject_kevent(c->kq, NULL, 0, c->events, EVENTS);
}

static void judge_collection(void *scene, int result, bool hit KQ_UNUSED)
{
	struct collection *c = scene;
	int count = result < 0 ? 0 : result, more;

	more = inject_kevent(c->kq, NULL, 0, c->events + count, EVENTS - count);
	ASSERT_EQ(count + more, EVENTS);
	for (int i = 0; i < EVENTS; i++)
		ASSERT_EQ(c->events[i].ident, i);
	kq_none(c->kq);
	close(c->kq);
}

static const struct kind {
	const char *name;
	unsigned int flags;
} kinds[] = {
	{ "clear", EV_CLEAR },
	{ "oneshot", EV_ONESHOT },
	{ "dispatch", EV_DISPATCH },
};

KQ_TEST_EACH(collect, "", "a collection whose copies fail loses no event and repeats none", kinds)
{
	static const struct inject_op op = {
		.prepare = prepare_collection, .run = run_collection, .judge = judge_collection,
		.wanted = EVENTS,
	};
	struct collection c = { .flags = variant->flags };

	inject_begin();
	ASSERT_GE(inject_each(&op, &c), 1);
	/* The arguments, the timeout, and three times records. */
	ASSERT_GE(inject.faults, 5);
	inject_end();
}

/* Mounts: what the kernel tells is a text that takes memory to read. */

struct mounts {
	int kq;
	unsigned int mask;	/* of the change that is under test; 0: a collection is */
	struct kq_event_ext event;
};

static void prepare_mounts(void *scene)
{
	struct mounts *m = scene;

	m->kq = kq_new();
	ASSERT_OK(kq_add(m->kq, 0, EVFILT_FS, 0, VQ_MOUNT, 0, NULL));
	ASSERT_SYS(mount("kq", "/mnt", "tmpfs", 0, NULL));
}

static int run_mounts(void *scene)
{
	struct mounts *m = scene;
	struct kq_event_ext change = {
		.filter = EVFILT_FS, .flags = EV_ADD, .fflags = m->mask,
	};

	m->event.fflags = 0;
	if (m->mask)
		return inject_change(m->kq, &change);
	return inject_kevent(m->kq, NULL, 0, &m->event, 1);
}

/* Whatever failed, the mount is told: now, or by the next call. */
static void judge_mounts(void *scene, int result, bool hit KQ_UNUSED)
{
	struct mounts *m = scene;

	if (result <= 0)
		ASSERT_EQ(inject_kevent(m->kq, NULL, 0, &m->event, 1), 1);
	ASSERT_EQ(m->event.fflags, VQ_MOUNT);
	kq_none(m->kq);
	close(m->kq);
	ASSERT_SYS(umount("/mnt"));
}

static int run_look(void *scene)
{
	int result = run_mounts(scene);

	/* The fault may have hit the look itself, which the call does not tell. */
	return result ? result : -ENOMEM;
}

static void judge_look(void *scene, int result, bool hit)
{
	judge_mounts(scene, result == -ENOMEM ? 0 : result, hit);
}

KQ_TEST(mount_look, "", "a mount that could not be looked at for want of memory is told by the next call")
{
	static const struct inject_op op = {
		.prepare = prepare_mounts, .run = run_look, .judge = judge_look, .wanted = 1,
	};
	struct mounts m = { 0 };

	user_private_mounts();
	inject_begin();
	ASSERT_GT(inject_each(&op, &m), 1);
	inject_end();
}

KQ_TEST(mount_mask, "", "a new mask does not make a mount be forgotten that could not be looked at before")
{
	static const struct inject_op op = {
		.prepare = prepare_mounts, .run = run_mounts, .judge = judge_mounts,
	};
	struct mounts m = { .mask = VQ_UNMOUNT };

	user_private_mounts();
	inject_begin();
	ASSERT_GT(inject_each(&op, &m), 1);
	inject_end();
}

/* Looks from outside */

struct look {
	int kq, epoll, file;
	char text[INJECT_LINES];
};

static void prepare_look(void *scene)
{
	struct look *l = scene;
	char path[64];

	l->kq = inject_queue(2);
	ASSERT_OK(kq_trigger(l->kq, 1000000));
	l->epoll = ASSERT_SYS(epoll_create1(EPOLL_CLOEXEC));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", l->kq);
	l->file = ASSERT_SYS(open(path, O_RDONLY | O_CLOEXEC));
}

static int look_poll(void *scene)
{
	struct look *l = scene;
	struct pollfd ready = { .fd = l->kq, .events = POLLIN };
	int result = poll(&ready, 1, 0);

	return result < 0 ? -errno : result;
}

static int look_epoll(void *scene)
{
	struct look *l = scene;
	struct epoll_event event = { .events = EPOLLIN };

	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->kq, &event))
		return -errno;
	return epoll_wait(l->epoll, &event, 1, 0) < 0 ? -errno : 1;
}

static int look_fdinfo(void *scene)
{
	struct look *l = scene;

	return pread(l->file, l->text, sizeof(l->text) - 1, 0) < 0 ? -errno : 1;
}

static void judge_from_outside(void *scene, int result KQ_UNUSED, bool hit KQ_UNUSED)
{
	struct look *l = scene;
	struct kq_event_ext event;

	ASSERT_EQ(look_poll(l), 1);
	ASSERT_EQ(look_fdinfo(l), 1);
	ASSERT_TRUE(strstr(l->text, "ident=1000001 "));
	ASSERT_EQ(inject_kevent(l->kq, NULL, 0, &event, 1), 1);
	ASSERT_EQ(event.ident, 1000000);
	close(l->file);
	close(l->epoll);
	close(l->kq);
}

static const struct way {
	const char *name;
	int (*look)(void *scene);
} ways[] = {
	{ "poll", look_poll },
	{ "epoll", look_epoll },
	{ "fdinfo", look_fdinfo },
};

KQ_TEST_EACH(look, "", "a look at a queue that fails changes nothing in it", ways)
{
	struct inject_op op = {
		.prepare = prepare_look, .run = variant->look, .judge = judge_from_outside,
		.wanted = 1,
	};
	struct look l = { 0 };

	inject_begin();
	ASSERT_GE(inject_each(&op, &l), 1);
	inject_end();
}

/* The mark of a file moves when one of its names goes that was its last. */

struct names {
	int kq, fd;
};

static void prepare_names(void *scene)
{
	struct names *n = scene;

	close(ASSERT_SYS(creat("/mnt/a", 0600)));
	ASSERT_SYS(link("/mnt/a", "/mnt/b"));
	n->fd = ASSERT_SYS(open("/mnt/a", O_RDWR | O_CLOEXEC));
	n->kq = kq_new();
	ASSERT_OK(kq_add(n->kq, n->fd, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE | NOTE_READ, 0, NULL));
	ASSERT_SYS(unlink("/mnt/a"));
}

static int run_names(void *scene KQ_UNUSED)
{
	return unlink("/mnt/b") ? -errno : 0;
}

/* A worker may have to move it: what happens meanwhile is told then. */
static void judge_names(void *scene, int result, bool hit KQ_UNUSED)
{
	struct names *n = scene;

	if (result < 0)
		ASSERT_SYS(unlink("/mnt/b"));
	kq_write(n->fd, "x", 1);
	ASSERT_TRUE(kq_next(n->kq).fflags & NOTE_WRITE);
	close(n->fd);
	close(n->kq);
}

KQ_TEST(last_name, "", "knotes of a file that lost its last name move to a new mark, late if not at once")
{
	static const struct inject_op op = {
		.prepare = prepare_names, .run = run_names, .judge = judge_names,
	};
	struct names n = { 0 };

	user_private_mounts();
	ASSERT_SYS(mount("kq", "/mnt", "tmpfs", 0, NULL));
	inject_begin();
	inject_each(&op, &n);
	inject_end();
}
