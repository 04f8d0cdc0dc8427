// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what a list of changes does and reports: errors, receipts,
 * the room for them, the order, and one array used for changes and events.
 */
#include "kq_test.h"

static const struct timespec zero;

static struct kevent user(uintptr_t ident, unsigned int flags)
{
	struct kevent change;

	EV_SET(&change, ident, EVFILT_USER, flags, 0, 0, NULL);
	return change;
}

static bool user_exists(int kq, uintptr_t ident)
{
	int error = kq_ctl(kq, ident, EVFILT_USER, 0, 0, 0, NULL);

	if (error)
		ASSERT_EQ(error, -ENOENT);
	return !error;
}

KQ_TEST(unknown_filters, "KQ-027", "unknown filters, 0 included, fail EINVAL whatever the action")
{
	static const int filters[] = { 0, 1, 2, 11, 100, -14, -15, -63, -65, -100, 32767, -32768 };
	static const unsigned int actions[] = { EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE, 0 };
	int kq = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(filters); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(actions); j++) {
			int error = kq_ctl(kq, 0, filters[i], actions[j], 0, 0, NULL);

			if (error != -EINVAL)
				KQ_FAIL_NOW("filter %d flags %#x: %d", filters[i], actions[j], error);
		}
	}
}

KQ_TEST(system_flags, "KQ-028", "EV_ERROR and EV_EOF in a change have no effect")
{
	unsigned int system = EV_ERROR | EV_EOF | EV_SYSFLAGS;
	struct kevent change = user(1, EV_ADD | EV_RECEIPT | system), entry;
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, &change, 1, &entry, 1, NULL), 1);
	ASSERT_EVENT(entry, 1, EVFILT_USER, EV_ADD | EV_RECEIPT | EV_ERROR, 0, 0, NULL);
	ASSERT_OK(kq_ctl(kq, 1, EVFILT_USER, system, NOTE_TRIGGER, 0, NULL));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 0, NULL);
}

KQ_TEST(enable_and_disable, "KQ-029", "EV_ENABLE with EV_DISABLE fails EINVAL and changes nothing")
{
	int kq = kq_new();

	ASSERT_ERR(kq_add(kq, 1, EVFILT_USER, EV_ENABLE | EV_DISABLE, 0, 0, NULL), EINVAL);
	ASSERT_FALSE(user_exists(kq, 1));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_ERR(kq_ctl(kq, 1, EVFILT_USER, EV_ENABLE | EV_DISABLE, NOTE_TRIGGER, 7, &kq), EINVAL);
	ASSERT_ERR(kq_ctl(kq, 1, EVFILT_USER, EV_DELETE | EV_ENABLE | EV_DISABLE, 0, 0, NULL), EINVAL);
	kq_none(kq);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_EVENT(kq_one(kq), 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
}

KQ_TEST(add_and_keepudata, "KQ-030", "EV_ADD with EV_KEEPUDATA fails EINVAL")
{
	int kq = kq_new();

	ASSERT_ERR(kq_add(kq, 1, EVFILT_USER, EV_KEEPUDATA, 0, 0, NULL), EINVAL);
	ASSERT_FALSE(user_exists(kq, 1));
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, 0, 0, NULL));
	ASSERT_ERR(kq_add(kq, 1, EVFILT_USER, EV_KEEPUDATA, NOTE_TRIGGER, 0, NULL), EINVAL);
	kq_none(kq);
}

/* Idents that the filters accept, each call gives another one. */

static uintptr_t any_number(void)
{
	static uintptr_t next = 1000;

	return next++;
}

static uintptr_t a_signal(void)
{
	static uintptr_t next = 1;

	return next++;
}

static uintptr_t a_socket(void)
{
	int fds[2];

	kq_unix_stream(fds);
	return fds[0];
}

static uintptr_t a_file(void)
{
	return ASSERT_SYS(open("/tmp", O_RDONLY | O_DIRECTORY));
}

/* Lives until the case ends. */
static uintptr_t a_process(void)
{
	pid_t child = kq_fork();

	while (!child)
		pause();
	return child;
}

static uintptr_t a_pidfd(void)
{
	return ASSERT_SYS((int)syscall(SYS_pidfd_open, (pid_t)a_process(), 0));
}

static const struct {
	const char *name;
	int filter;
	uintptr_t (*ident)(void);
} filters[] = {
	{ "read", EVFILT_READ, a_socket },
	{ "write", EVFILT_WRITE, a_socket },
	{ "vnode", EVFILT_VNODE, a_file },
	{ "proc", EVFILT_PROC, a_process },
	{ "signal", EVFILT_SIGNAL, a_signal },
	{ "timer", EVFILT_TIMER, any_number },
	{ "procdesc", EVFILT_PROCDESC, a_pidfd },
	{ "fs", EVFILT_FS, any_number },
	{ "user", EVFILT_USER, any_number },
	{ "empty", EVFILT_EMPTY, a_socket },
	{ "except", EVFILT_EXCEPT, a_socket },
}, descriptor_filters[] = {
	{ "read", EVFILT_READ, a_socket },
	{ "write", EVFILT_WRITE, a_socket },
	{ "vnode", EVFILT_VNODE, a_file },
	{ "procdesc", EVFILT_PROCDESC, a_pidfd },
	{ "empty", EVFILT_EMPTY, a_socket },
	{ "except", EVFILT_EXCEPT, a_socket },
};

KQ_TEST_EACH(missing, "KQ-031", "any change without EV_ADD of a missing knote fails ENOENT", filters)
{
	static const unsigned int actions[] = {
		EV_DELETE, EV_ENABLE, EV_DISABLE, 0, EV_CLEAR, EV_ONESHOT, EV_RECEIPT,
		EV_DISPATCH, EV_KEEPUDATA, EV_FORCEONESHOT, EV_ENABLE | EV_DISPATCH,
	};
	uintptr_t ident = variant->ident(), present = variant->ident();
	int kq = kq_new(), other = kq_new();

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		ASSERT_ERR(kq_ctl(kq, ident, variant->filter, actions[i], 0, 0, NULL), ENOENT);
	/* Other knotes, of this ident and of that queue, do not matter. */
	ASSERT_OK(kq_add(other, ident, variant->filter, 0, 0, 1000, NULL));
	ASSERT_OK(kq_add(kq, present, variant->filter, 0, 0, 1000, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if (filters[i].filter != variant->filter &&
		    (filters[i].ident == variant->ident || filters[i].ident == any_number))
			ASSERT_OK(kq_add(kq, ident, filters[i].filter, 0, 0, 1000, NULL));
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		ASSERT_ERR(kq_ctl(kq, ident, variant->filter, actions[i], 0, 0, NULL), ENOENT);
	ASSERT_OK(kq_del(kq, present, variant->filter));
	ASSERT_ERR(kq_del(kq, present, variant->filter), ENOENT);
	ASSERT_OK(kq_del(other, ident, variant->filter));
}

KQ_TEST_EACH(impossible_descriptors, "KQ-032", "descriptors that are not open fail EBADF", descriptor_filters)
{
	static const unsigned int actions[] = { EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE, 0 };
	uintptr_t idents[] = { -1, 0x7fffffff, 0x80000000u, 0xffffffffu, 0, 0 };
	uintptr_t good = variant->ident();
	int kq = kq_new();

	idents[4] = variant->ident();
	ASSERT_SYS(close((int)idents[4]));
	/* The upper half of the word counts. */
	idents[5] = sizeof(void *) == 8 ? good | (uintptr_t)1 << (sizeof(void *) * 4) : (uintptr_t)-2;
	for (size_t i = 0; i < ARRAY_SIZE(idents); i++)
		for (size_t j = 0; j < ARRAY_SIZE(actions); j++)
			ASSERT_ERR(kq_ctl(kq, idents[i], variant->filter, actions[j], 0, 0, NULL), EBADF);
	ASSERT_OK(kq_add(kq, good, variant->filter, 0, 0, 0, NULL));
}

KQ_TEST(error_entry, "KQ-033", "an error with room becomes an entry that names the change")
{
	struct kevent change, entry;
	int kq = kq_new();

	EV_SET(&change, 7, EVFILT_USER, EV_ENABLE, NOTE_FFOR | 0x123, -3, &entry);
	ASSERT_EQ(kevent(kq, &change, 1, &entry, 1, NULL), 1);
	ASSERT_EVENT(entry, 7, EVFILT_USER, EV_ENABLE | EV_ERROR, NOTE_FFOR | 0x123, ENOENT, &entry);
	/* A failed new registration as well, of a filter that looks at its words. */
	EV_SET(&change, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, -3, &entry);
	ASSERT_EQ(kevent(kq, &change, 1, &entry, 1, NULL), 1);
	ASSERT_EVENT(entry, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT | EV_ERROR, NOTE_USECONDS, EINVAL, &entry);
	ASSERT_ERR(kq_del(kq, 7, EVFILT_TIMER), ENOENT);
}

KQ_TEST(error_without_room, "KQ-034", "an error without room is the result of the call")
{
	struct kevent changes[2] = { user(1, EV_DELETE), user(2, EV_DELETE) }, entry;
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, changes, 1, NULL, 0, NULL), ENOENT);
	ASSERT_ERRNO(kevent(kq, changes, 1, &entry, 0, &zero), ENOENT);
	/* Also when an earlier error has taken the room. */
	changes[1].filter = -10;
	ASSERT_ERRNO(kevent(kq, changes, 2, &entry, 1, &zero), EPERM);
	ASSERT_EQ(entry.ident, 1);
	ASSERT_EQ(entry.data, ENOENT);
}

KQ_TEST(neighbours_with_room, "KQ-035 KQ-036", "with room, what comes before and after a failing change is applied")
{
	struct kevent changes[3] = { user(1, EV_ADD), user(2, EV_DELETE), user(3, EV_ADD) };
	struct kevent entries[3];
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, changes, 3, entries, 3, NULL), 1);
	ASSERT_EQ(entries[0].ident, 2);
	ASSERT_TRUE(user_exists(kq, 1));
	ASSERT_TRUE(user_exists(kq, 3));
}

KQ_TEST(neighbours_without_room, "KQ-035 KQ-037", "without room, the changes after a failing one are not applied")
{
	struct kevent changes[4] = {
		user(1, EV_ADD), user(2, EV_DELETE), user(3, EV_ADD), user(4, EV_DELETE),
	};
	struct kevent entry;
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, changes, 4, NULL, 0, NULL), ENOENT);
	ASSERT_TRUE(user_exists(kq, 1));
	ASSERT_FALSE(user_exists(kq, 3));
	/* The room is counted down. */
	changes[3] = user(4, EV_ADD);
	changes[2] = user(3, EV_DELETE);
	ASSERT_ERRNO(kevent(kq, changes, 4, &entry, 1, NULL), ENOENT);
	ASSERT_EQ(entry.ident, 2);
	ASSERT_FALSE(user_exists(kq, 4));
}

KQ_TEST(errors_before_events, "KQ-038", "if an entry was written, no event is")
{
	struct kevent changes[2] = { user(2, EV_DELETE), user(3, EV_ADD) }, entries[4];
	int kq = kq_new();

	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kevent(kq, changes, 2, entries, 4, NULL), 1);
	ASSERT_EQ(entries[0].ident, 2);
	changes[0].flags = EV_ADD | EV_RECEIPT;
	ASSERT_EQ(kevent(kq, changes, 1, entries, 4, NULL), 1);
	ASSERT_EQ(entries[0].ident, 2);
	ASSERT_EQ(kq_one(kq).ident, 1);
}

KQ_TEST(receipts, "KQ-039 KQ-040", "each change with EV_RECEIPT is answered, and the call does not wait")
{
	struct kevent changes[4], entries[4];
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	EV_SET(&changes[0], 1, EVFILT_USER, EV_ADD | EV_CLEAR | EV_RECEIPT, 5, 6, &fds[0]);
	EV_SET(&changes[1], fds[0], EVFILT_READ, EV_ADD | EV_ENABLE | EV_RECEIPT, 0, 0, &fds[1]);
	EV_SET(&changes[2], fds[0], EVFILT_WRITE, EV_DELETE | EV_RECEIPT, 0, 0, &kq);
	EV_SET(&changes[3], 9, EVFILT_TIMER, EV_ADD | EV_DISABLE | EV_RECEIPT, NOTE_SECONDS, 9, NULL);
	ASSERT_EQ(kevent(kq, changes, 4, entries, 4, NULL), 4);
	ASSERT_EVENT(entries[0], 1, EVFILT_USER, EV_ADD | EV_CLEAR | EV_RECEIPT | EV_ERROR, 5, 0, &fds[0]);
	ASSERT_EVENT(entries[1], fds[0], EVFILT_READ, EV_ADD | EV_ENABLE | EV_RECEIPT | EV_ERROR,
		     0, 0, &fds[1]);
	ASSERT_EVENT(entries[2], fds[0], EVFILT_WRITE, EV_DELETE | EV_RECEIPT | EV_ERROR,
		     0, ENOENT, &kq);
	ASSERT_EVENT(entries[3], 9, EVFILT_TIMER, EV_ADD | EV_DISABLE | EV_RECEIPT | EV_ERROR,
		     NOTE_SECONDS, 0, NULL);
}

KQ_TEST(receipts_nowhere, "KQ-041", "with nevents 0 receipts are dropped and all changes applied")
{
	struct kevent changes[20];
	int kq = kq_new();

	for (int i = 0; i < 20; i++)
		changes[i] = user(i, EV_ADD | EV_RECEIPT);
	ASSERT_EQ(kevent(kq, changes, 20, NULL, 0, NULL), 0);
	for (int i = 0; i < 20; i++)
		ASSERT_TRUE(user_exists(kq, i));
}

KQ_TEST(receipts_beyond_room, "KQ-041", "receipts beyond the room are dropped; an error beyond it ends the call")
{
	struct kevent changes[5], entries[2];
	int kq = kq_new();

	for (int i = 0; i < 5; i++)
		changes[i] = user(i, EV_ADD | EV_RECEIPT);
	ASSERT_EQ(kevent(kq, changes, 5, entries, 2, NULL), 2);
	for (int i = 0; i < 5; i++)
		ASSERT_TRUE(user_exists(kq, i));
	ASSERT_EQ(entries[0].ident, 0);
	ASSERT_EQ(entries[1].ident, 1);

	for (int i = 0; i < 5; i++)
		changes[i] = user(10 + i, EV_ADD | EV_RECEIPT);
	changes[3] = user(99, EV_DELETE | EV_RECEIPT);
	ASSERT_ERRNO(kevent(kq, changes, 5, entries, 2, NULL), ENOENT);
	ASSERT_TRUE(user_exists(kq, 12));
	ASSERT_FALSE(user_exists(kq, 14));
}

KQ_TEST(entries_nowhere_to_go, "KQ-033 KQ-039", "an entry that cannot be written ends the call with EFAULT")
{
	struct kevent changes[2] = { user(1, EV_ADD | EV_RECEIPT), user(2, EV_ADD) };
	int kq = kq_new();

	ASSERT_ERRNO(kevent(kq, changes, 2, kq_bad_page(PROT_READ), 2, NULL), EFAULT);
	ASSERT_TRUE(user_exists(kq, 1));
	ASSERT_FALSE(user_exists(kq, 2));
	changes[0] = user(3, EV_DELETE);
	ASSERT_ERRNO(kevent(kq, changes, 2, kq_bad_page(PROT_NONE), 2, NULL), EFAULT);
	ASSERT_FALSE(user_exists(kq, 2));
}

KQ_TEST(receipt_is_sticky, "KQ-042", "an event of a knote made with EV_RECEIPT carries it")
{
	int kq = kq_new(), fds[2];

	kq_pipe(fds);
	ASSERT_OK(kq_add(kq, 1, EVFILT_USER, EV_RECEIPT, NOTE_TRIGGER, 0, NULL));
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_RECEIPT);
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_RECEIPT);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	ASSERT_OK(kq_add(kq, fds[1], EVFILT_WRITE, EV_CLEAR | EV_RECEIPT, 0, 0, NULL));
	ASSERT_EQ(kq_one(kq).flags, EV_ADD | EV_CLEAR | EV_RECEIPT);
}

KQ_TEST(receipt_comes_too_late, "KQ-043", "EV_RECEIPT in a later change is answered, not stored")
{
	struct kevent change = user(1, EV_ADD), entry;
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, &change, 1, &entry, 1, &zero), 0);
	change.flags = EV_ADD | EV_RECEIPT;
	change.fflags = NOTE_TRIGGER;
	ASSERT_EQ(kevent(kq, &change, 1, &entry, 1, NULL), 1);
	ASSERT_EQ(entry.flags, EV_ADD | EV_RECEIPT | EV_ERROR);
	ASSERT_EQ(kq_one(kq).flags, EV_ADD);
	/* Nor does a stored one answer later changes that do not ask. */
	change = user(2, EV_ADD | EV_RECEIPT);
	ASSERT_EQ(kevent(kq, &change, 1, NULL, 0, NULL), 0);
	ASSERT_OK(kq_del(kq, 1, EVFILT_USER));
	change.flags = 0;
	ASSERT_EQ(kevent(kq, &change, 1, &entry, 1, &zero), 0);
}

static const struct {
	const char *name;
	int count;
} list_lengths[] = {
	{ "1", 1 }, { "2", 2 }, { "7", 7 }, { "8", 8 }, { "9", 9 }, { "64", 64 }, { "65", 65 }, { "500", 500 },
};

KQ_TEST_EACH(one_array, "KQ-044", "one array serves as changelist and eventlist", list_lengths)
{
	struct kevent list[500];
	int kq = kq_new(), answers = 0, found = 0, result;

	for (int i = 0; i < variant->count; i++) {
		static const unsigned int flags[] = { EV_ADD | EV_RECEIPT, EV_ADD, EV_DELETE };

		list[i] = user(i, flags[i % 3]);
		answers += i % 3 != 1;
	}
	/* A length of 1 brings a receipt: the call waits for nothing in any length. */
	result = kevent(kq, list, variant->count, list, variant->count, NULL);
	ASSERT_EQ(result, answers);
	for (int i = 0; i < variant->count; i++) {
		ASSERT_EQ(user_exists(kq, i), i % 3 != 2);
		if (i % 3 == 1)
			continue;
		ASSERT_EQ(list[found].ident, i);
		ASSERT_EQ(list[found].data, i % 3 ? ENOENT : 0);
		found++;
	}
}

KQ_TEST(six_hundred, "KQ-045", "600 changes and 600 events go through in one call each")
{
	enum { COUNT = 600 };
	static struct kevent list[COUNT + 1];
	int kq = kq_new();

	for (int i = 0; i < COUNT; i++) {
		list[i] = user(i, EV_ADD | EV_CLEAR);
		list[i].fflags = NOTE_TRIGGER;
	}
	ASSERT_EQ(kevent(kq, list, COUNT, NULL, 0, NULL), 0);
	memset(list, 0xff, sizeof(list));
	ASSERT_EQ(kevent(kq, NULL, 0, list, COUNT + 1, &zero), COUNT);
	for (int i = 0; i < COUNT; i++)
		ASSERT_EQ(list[i].ident, i);
	kq_none(kq);
}

KQ_TEST(array_order, "KQ-046", "changes are applied in the order of the array")
{
	struct kevent changes[2] = { user(1, EV_ADD), user(1, EV_DELETE) }, entry;
	int kq = kq_new();

	ASSERT_EQ(kevent(kq, changes, 2, NULL, 0, NULL), 0);
	ASSERT_FALSE(user_exists(kq, 1));
	changes[0] = user(1, EV_DELETE);
	changes[1] = user(1, EV_ADD);
	ASSERT_EQ(kevent(kq, changes, 2, &entry, 1, NULL), 1);
	ASSERT_EQ(entry.data, ENOENT);
	ASSERT_TRUE(user_exists(kq, 1));
	ASSERT_EQ(kevent(kq, changes, 2, &entry, 1, &zero), 0);
	ASSERT_TRUE(user_exists(kq, 1));
}

KQ_TEST(trigger_and_collect, "KQ-046", "the events a call causes are collected by the same call")
{
	struct kevent changes[2] = { user(1, EV_ADD), user(1, 0) }, event;
	int kq = kq_new();

	changes[1].fflags = NOTE_TRIGGER;
	ASSERT_EQ(kevent(kq, changes, 2, &event, 1, NULL), 1);
	ASSERT_EVENT(event, 1, EVFILT_USER, EV_ADD, 0, 0, NULL);
}
