// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof of what kevent() makes of the words of a change: for every
 * filter the identifiers, flags, fflags and data that are refused, each between
 * two changes that are not, and that any other word is stored as it is.
 */
#include "kq_test.h"
#include "kq_input.h"

#include <limits.h>
#include <sys/epoll.h>

#define ACTIONS	(EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE)

/* Does a record of that size hold the words of this change? */
static bool fits(const struct kq_event_ext *change, uint32_t size)
{
	return size != sizeof(struct kq_event_ilp32) ||
	       (change->ident <= UINT32_MAX && change->data == (int32_t)change->data);
}

/* Is it this size's turn? Of every size, unless the kernel is slow: then of one after the other. */
static bool in_turn(size_t i)
{
	static size_t turn;

	return !kq_quick() || i == turn++ / ARRAY_SIZE(input_sizes) % ARRAY_SIZE(input_sizes);
}

/*
 * The change fails with that error in records of every size. Without room for
 * the error the change before it stays applied and the one after it is not made;
 * with room both are made. Nothing else changes.
 */
static void refuse_at(const char *file, int line, const struct input *in,
		      struct kq_event_ext change, int error)
{
	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		uint32_t size = input_sizes[i].size;
		char changes[INPUT_BYTES(3)], list[INPUT_BYTES(3)];
		struct kq_event_ext wanted = change;
		struct kq_kevent call = {
			.changelist = (uintptr_t)changes, .nchanges = 3,
			.eventlist = (uintptr_t)list, .record_size = size,
		};
		int result, made;

		if (!in_turn(i) || !fits(&change, size))
			continue;
		input_list(changes, 3, size, EV_ADD);
		memmove(changes + 2 * size, changes + size, size);
		input_store(changes + size, &change, size);
		memset(list, INPUT_PATTERN, sizeof(list));

		result = input_kevent(in->kq, &call);
		made = input_forget_list(in->kq, 2);
		if (result != -error || made != 1)
			kq_fail(file, line, "%s: wanted %s after one change, got %d %s after %d",
				input_text(&change), kq_errno_name(error), result,
				result < 0 ? kq_errno_name(-result) : "", made);
		input_same_at(file, line, in);
		input_untouched_at(file, line, list, sizeof(list));

		call.nevents = 3;
		result = input_kevent(in->kq, &call);
		made = input_forget_list(in->kq, 2);
		if (result != 1 || made != 2)
			kq_fail(file, line, "%s: wanted one entry and two changes, got %d and %d",
				input_text(&change), result, made);
		wanted.flags = (wanted.flags & ~(EV_SYSFLAGS | KQ_EV_RESERVED)) | EV_ERROR;
		wanted.data = error;
		input_compare_at(file, line, list, &wanted, 1, size);
		input_untouched_at(file, line, list + size, sizeof(list) - size);
		input_same_at(file, line, in);
	}
}
#define refuse(in, change, error)	refuse_at(__FILE__, __LINE__, in, change, error)

static const char *filter_name(int filter)
{
	switch (filter) {
	case EVFILT_READ:
		return "read";
	case EVFILT_WRITE:
		return "write";
	case EVFILT_VNODE:
		return "vnode";
	case EVFILT_PROC:
		return "proc";
	case EVFILT_SIGNAL:
		return "signal";
	case EVFILT_TIMER:
		return "timer";
	case EVFILT_PROCDESC:
		return "procdesc";
	case EVFILT_FS:
		return "fs";
	case EVFILT_USER:
		return "user";
	case EVFILT_EMPTY:
		return "empty";
	case EVFILT_EXCEPT:
		return "except";
	}
	KQ_FAIL_NOW("no filter %d", filter);
}

/* The line of a knote with these words is in what fdinfo said, perhaps with more behind them. */
static void assert_line_at(const char *file, int line, const char *lines,
			   const struct kq_event_ext *knote, uint64_t udata)
{
	char text[300];

	snprintf(text, sizeof(text),
		 "knote: ident=%llu filter=%s flags=0x%x fflags=0x%x data=%lld udata=0x%llx",
		 knote->ident, filter_name(knote->filter), knote->flags, knote->fflags, knote->data,
		 (unsigned long long)udata);
	if (!strstr(lines, text))
		kq_fail(file, line, "no line '%s' in '%s'", text, lines);
}

/* The change makes a knote in records of every size: its words are those of the change, but for flags. */
static void accept_at(const char *file, int line, const struct input *in,
		      struct kq_event_ext change, unsigned int flags)
{
	struct kq_event_ext knote = change, end = change;

	knote.flags = flags;
	if (change.filter == EVFILT_USER)
		knote.fflags &= NOTE_FFLAGSMASK;
	for (size_t i = 0; i < ARRAY_SIZE(input_sizes); i++) {
		uint32_t size = input_sizes[i].size;
		char record[INPUT_BYTES(1)], *lines;
		int error;

		if (!in_turn(i) || !fits(&change, size))
			continue;
		input_store(record, &change, size);
		error = -input_apply(in->kq, record, 1, size);
		if (error)
			kq_fail(file, line, "%s: %s", input_text(&change), kq_errno_name(error));
		lines = input_lines(in->kq);
		assert_line_at(file, line, lines, &knote,
			       size == sizeof(struct kq_event_ilp32) ? (uint32_t)change.udata : change.udata);
		free(lines);
		end.flags = EV_DELETE;
		ASSERT_OK(input_apply(in->kq, &end, 1, sizeof(end)));
		input_same_at(file, line, in);
	}
}
#define accept(in, change, flags)	accept_at(__FILE__, __LINE__, in, change, flags)

/* An object of its own for each filter, whose condition holds or not. */

static uint64_t of_socket(void)
{
	int fds[2];

	kq_unix_stream(fds);
	return fds[0];
}

static uint64_t of_file(void)
{
	return input_file();
}

static uint64_t of_process(void)
{
	return getppid();
}

static uint64_t of_pidfd(void)
{
	return ASSERT_SYS(syscall(SYS_pidfd_open, getppid(), 0));
}

static uint64_t of_signal(void)
{
	return SIGUSR1;
}

static uint64_t of_number(void)
{
	return 0x7007;
}

static const struct filter {
	const char *name;
	int filter;
	uint64_t (*object)(void);
	bool fd;
	unsigned int added;	/* flags a knote gets beside those of its change */
} filters[] = {
	{ "read", EVFILT_READ, of_socket, true, 0 },
	{ "write", EVFILT_WRITE, of_socket, true, 0 },
	{ "vnode", EVFILT_VNODE, of_file, true, 0 },
	{ "proc", EVFILT_PROC, of_process, false, EV_CLEAR },
	{ "signal", EVFILT_SIGNAL, of_signal, false, EV_CLEAR },
	{ "timer", EVFILT_TIMER, of_number, false, EV_CLEAR },
	{ "procdesc", EVFILT_PROCDESC, of_pidfd, true, EV_CLEAR },
	{ "fs", EVFILT_FS, of_number, false, EV_CLEAR },
	{ "user", EVFILT_USER, of_number, false, 0 },
	{ "empty", EVFILT_EMPTY, of_socket, true, 0 },
	{ "except", EVFILT_EXCEPT, of_socket, true, 0 },
};

/* filter */

KQ_TEST(every_filter, "KQ-027", "each number that is no filter is refused, whatever the action")
{
	static const unsigned int actions[] = { EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE, 0 };
	enum { COUNT = 1024 };
	static struct kq_event_ext list[COUNT];
	struct input in = input_open();

	for (int from = INT16_MIN; from <= INT16_MAX; from += COUNT) {
		struct kq_kevent call = {
			.changelist = (uintptr_t)list, .eventlist = (uintptr_t)list,
			.nevents = COUNT, .record_size = sizeof(list[0]),
		};

		for (int filter = from; filter < from + COUNT; filter++) {
			bool known = false;

			for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
				known |= filters[i].filter == filter;
			if (!known)
				list[call.nchanges++] =
					input_change(1, filter, actions[(uint16_t)filter % 5], 0, 0);
		}
		ASSERT_EQ(input_kevent(in.kq, &call), call.nchanges);
		for (int i = 0; i < call.nchanges; i++) {
			bool ours = list[i].filter == KQ_EVFILT_AIO || list[i].filter == KQ_EVFILT_LIO;

			if (list[i].data != (ours ? EPERM : EINVAL) || !(list[i].flags & EV_ERROR))
				KQ_FAIL_NOW("%s", input_text(&list[i]));
		}
		input_same(&in);
	}
	refuse(&in, input_change(1, KQ_EVFILT_AIO, EV_ADD, 0, 0), EPERM);
	refuse(&in, input_change(1, -12, EV_ADD, 0, 0), EINVAL);
	refuse(&in, input_change(1, 0, EV_ADD, 0, 0), EINVAL);
	input_intact(&in);
}

/* flags */

/* What becomes of flags that find no knote: a negative errno, or 0 and the flags of the knote. */
static int judge_flags(unsigned int flags, unsigned int *kept)
{
	if (!(~flags & (EV_ENABLE | EV_DISABLE)) || !(~flags & (EV_ADD | EV_KEEPUDATA)))
		return -EINVAL;
	if (!(flags & EV_ADD))
		return -ENOENT;
	*kept = flags & (EV_ADD | EV_ONESHOT | EV_CLEAR | EV_RECEIPT | EV_DISPATCH);
	if (flags & EV_FORCEONESHOT)
		*kept |= EV_ONESHOT;
	return 0;
}

/* One list for all words whose high bits are the same. */
static void try_flags(int kq, unsigned int high)
{
	enum { COUNT = 0x400 };
	static struct kq_event_ext changes[COUNT], list[COUNT];
	struct kq_kevent call = {
		.changelist = (uintptr_t)changes, .nchanges = COUNT,
		.eventlist = (uintptr_t)list, .nevents = COUNT,
		.record_size = sizeof(list[0]), .flags = KQ_KEVENT_NONBLOCK,
	};
	int entry = 0, reported;
	char *lines;

	for (unsigned int i = 0; i < COUNT; i++)
		changes[i] = input_change(high | i, EVFILT_USER, high | i, 0, 0);
	reported = input_kevent(kq, &call);
	lines = input_lines(kq);
	for (unsigned int i = 0; i < COUNT; i++) {
		unsigned int flags = 0;
		int error = judge_flags(high | i, &flags);
		struct kq_event_ext wanted = changes[i];

		if (error || i & EV_RECEIPT) {
			wanted.flags = i | EV_ERROR;
			wanted.data = -error;
			ASSERT_LT(entry, reported);
			input_compare(&list[entry++], &wanted, 1, sizeof(wanted));
		}
		if (!error) {
			wanted.flags = flags;
			wanted.data = 0;
			assert_line_at(__FILE__, __LINE__, lines, &wanted, wanted.udata);
		}
	}
	ASSERT_EQ(entry, reported);
	free(lines);
}

KQ_TEST_LIMIT(every_flags_word, 60, "KQ-028 KQ-029 KQ-030",
	      "each of the 65536 flags words does what its bits say, the system's are cleared")
{
	unsigned int step = kq_quick() ? 0x1400 : 0x400;

	for (unsigned int high = 0; high < 0x10000; high += step) {
		int kq = kq_new();

		try_flags(kq, high);
		ASSERT_SYS(close(kq));
	}
}

KQ_TEST_EACH(bad_flags, "KQ-029 KQ-030", "flags that contradict each other are refused, with each other flag",
	     filters)
{
	static const unsigned int bad[] = {
		EV_ENABLE | EV_DISABLE, EV_ADD | EV_ENABLE | EV_DISABLE,
		EV_DELETE | EV_ENABLE | EV_DISABLE, EV_ADD | EV_KEEPUDATA,
		EV_ADD | EV_DELETE | EV_KEEPUDATA, 0xffff,
	};
	uint64_t object = variant->object();
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		for (int bit = 0; bit < 16; bit++)
			refuse(&in, input_change(object, variant->filter, bad[i] | 1u << bit, 1, 1), EINVAL);
	/* A knote that is there stays as it is. */
	for (int i = 0; i < in.nready; i++)
		if (in.ready[i].filter == variant->filter)
			for (size_t j = 0; j < ARRAY_SIZE(bad); j++)
				refuse(&in, input_change(in.ready[i].ident, variant->filter, bad[j], ~0u, 7),
				       EINVAL);
	input_intact(&in);
}

/* ident */

/* All actions on a number fail with one of two errors. */
static void refuse_ident(const struct input *in, uint64_t ident, int filter, int add, int other)
{
	unsigned int step = kq_quick() ? 3 : 1;

	for (unsigned int flags = 0; flags < 2 * ACTIONS; flags += step) {
		unsigned int unused;

		if (judge_flags(flags, &unused) != -EINVAL)
			refuse(in, input_change(ident, filter, flags, NOTE_EXIT, 5),
			       flags & EV_ADD ? add : other);
	}
}

KQ_TEST_EACH(idents, "KQ-032", "a number that names no object is refused in all its 64 bits", filters)
{
	uint64_t object = variant->object();
	const uint64_t wrong[] = {
		1ull << 32 | object, 1ull << 63 | object, 1ull << 31 | object, -object, ~object,
		INT_MAX, 1ull << 31, UINT32_MAX, 1ull << 32, 1ull << 63, INT64_MAX, ~0ull,
		(uint64_t)AT_FDCWD, 1ull << 23,
	};
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		switch (variant->filter) {
		case EVFILT_TIMER:
		case EVFILT_USER:
		case EVFILT_FS:
			/* Any number is one; the queue has a timer of this one. */
			if (~wrong[i])
				accept(&in, input_change(wrong[i], variant->filter, EV_ADD, 0, 3600000),
				       EV_ADD | variant->added);
			break;
		case EVFILT_PROC:
			refuse_ident(&in, wrong[i], EVFILT_PROC, ESRCH, ENOENT);
			break;
		case EVFILT_SIGNAL:
			refuse_ident(&in, wrong[i], EVFILT_SIGNAL, EINVAL, ENOENT);
			break;
		default:
			refuse_ident(&in, wrong[i], variant->filter, EBADF, EBADF);
		}
	}
	input_intact(&in);
}

KQ_TEST(other_idents, "", "numbers that are close to good ones")
{
	struct input in = input_open();
	int closed = ASSERT_SYS(dup(in.file));

	ASSERT_SYS(close(closed));
	for (size_t i = 0; i < ARRAY_SIZE(filters); i++)
		if (filters[i].fd)
			refuse_ident(&in, closed, filters[i].filter, EBADF, EBADF);
	refuse_ident(&in, 0, EVFILT_PROC, ESRCH, ENOENT);
	refuse_ident(&in, 0, EVFILT_SIGNAL, EINVAL, ENOENT);
	refuse_ident(&in, 65, EVFILT_SIGNAL, EINVAL, ENOENT);
	for (int number = 1; number < 65; number++)
		if (number != SIGURG && number != SIGWINCH)
			accept(&in, input_change(number, EVFILT_SIGNAL, EV_ADD, 0, 0), EV_ADD | EV_CLEAR);
	/* The high half tells knotes apart that are there. */
	for (int i = 0; i < in.nready; i++) {
		struct kq_event_ext change = in.ready[i];

		change.ident ^= 1ull << 40;
		change.flags = EV_DELETE;
		if (change.filter == EVFILT_USER || change.filter == EVFILT_TIMER ||
		    change.filter == EVFILT_PROC || change.filter == EVFILT_SIGNAL)
			refuse(&in, change, ENOENT);
		else
			refuse(&in, change, EBADF);
	}
	input_intact(&in);
}

/* fflags and data */

/* What of a timer's fflags word is refused. */
static bool bad_timer_word(unsigned int fflags)
{
	unsigned int units = fflags & (NOTE_SECONDS | NOTE_USECONDS | NOTE_NSECONDS);

	return fflags & ~0xffu || units & (units - 1);
}

KQ_TEST_EACH(fflags, "", "each bit of fflags is stored or refused", filters)
{
	uint64_t object = variant->object();
	struct input in = input_open();

	for (int bit = -1; bit <= 32; bit++) {
		unsigned int fflags = bit < 0 ? 0 : bit < 32 ? 1u << bit : ~0u;
		struct kq_event_ext change =
			input_change(object, variant->filter, EV_ADD | EV_DISABLE, fflags, 3600);

		if (variant->filter == EVFILT_TIMER && bad_timer_word(fflags))
			refuse(&in, change, EINVAL);
		else
			accept(&in, change, EV_ADD | variant->added);
	}
	input_intact(&in);
}

KQ_TEST_EACH(data, "", "each data word is stored, of a timer those that are intervals", filters)
{
	static const int64_t words[] = {
		0, 1, -1, INT32_MAX, INT32_MIN, 1ll << 31, 1ll << 32, -(1ll << 32), INT64_MAX, INT64_MIN,
		INT64_MAX - 1, INT64_MIN + 1,
	};
	uint64_t object = variant->object();
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		struct kq_event_ext change =
			input_change(object, variant->filter, EV_ADD | EV_DISABLE, 0, words[i]);

		if (variant->filter == EVFILT_TIMER && words[i] < 0)
			refuse(&in, change, EINVAL);
		else
			accept(&in, change, EV_ADD | variant->added);
	}
	input_intact(&in);
}

KQ_TEST(timer_words, "KQ-215", "each wrong word of a timer is refused, and the timer that is there goes on")
{
	static const unsigned int flags[] = {
		EV_ADD, EV_ADD | EV_ONESHOT, 0, EV_ENABLE, EV_DISABLE, EV_KEEPUDATA, EV_ADD | EV_DISABLE,
		EV_ADD | EV_ENABLE,
	};
	struct input in = input_open();

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		for (unsigned int fflags = 0; fflags < 0x200; fflags++)
			if (bad_timer_word(fflags) && (fflags < 0x20 || fflags > 0xf8))
				refuse(&in, input_change(~0ull, EVFILT_TIMER, flags[i], fflags, 1), EINVAL);
		for (unsigned int unit = 1; unit < 8; unit <<= 1) {
			refuse(&in, input_change(~0ull, EVFILT_TIMER, flags[i], unit, -1), EINVAL);
			refuse(&in, input_change(3, EVFILT_TIMER, flags[i], unit, INT32_MIN), EINVAL);
			refuse(&in, input_change(3, EVFILT_TIMER, flags[i], unit, INT64_MIN), EINVAL);
		}
	}
	input_intact(&in);
}

/* Objects */

static int object_queue(void)
{
	return kq_new();
}

static int object_pipe(void)
{
	int fds[2];

	kq_pipe(fds);
	return fds[0];
}

static int object_socket(void)
{
	return of_socket();
}

static int object_file(void)
{
	return of_file();
}

static int object_directory(void)
{
	return ASSERT_SYS(open("/tmp", O_RDONLY | O_DIRECTORY));
}

static int object_pidfd(void)
{
	return of_pidfd();
}

static int object_epoll(void)
{
	return ASSERT_SYS(epoll_create1(0));
}

static int object_path(void)
{
	return ASSERT_SYS(open("/tmp", O_PATH));
}

static const struct object {
	const char *name;
	int (*open)(void);
	int error;
	int filters[8];		/* that refuse it */
} objects[] = {
	{ "queue", object_queue, EINVAL,
	  { EVFILT_WRITE, EVFILT_VNODE, EVFILT_PROCDESC, EVFILT_EMPTY, EVFILT_EXCEPT } },
	{ "pipe", object_pipe, EINVAL, { EVFILT_VNODE, EVFILT_PROCDESC, EVFILT_EMPTY } },
	{ "socket", object_socket, EINVAL, { EVFILT_VNODE, EVFILT_PROCDESC } },
	{ "file", object_file, EINVAL, { EVFILT_PROCDESC, EVFILT_EMPTY, EVFILT_EXCEPT } },
	{ "directory", object_directory, EINVAL,
	  { EVFILT_WRITE, EVFILT_PROCDESC, EVFILT_EMPTY, EVFILT_EXCEPT } },
	{ "pidfd", object_pidfd, EINVAL, { EVFILT_WRITE, EVFILT_VNODE, EVFILT_EMPTY } },
	{ "epoll", object_epoll, EINVAL,
	  { EVFILT_WRITE, EVFILT_VNODE, EVFILT_PROCDESC, EVFILT_EMPTY } },
	{ "path", object_path, EBADF,
	  { EVFILT_READ, EVFILT_WRITE, EVFILT_PROCDESC, EVFILT_EMPTY, EVFILT_EXCEPT } },
};

KQ_TEST_EACH(refused_objects, "", "what a filter cannot watch is refused, and leaves nothing behind", objects)
{
	int object = variant->open();
	struct input in = input_open();

	for (size_t i = 0; variant->filters[i]; i++) {
		refuse(&in, input_change(object, variant->filters[i], EV_ADD, ~0u, 7), variant->error);
		refuse(&in, input_change(object, variant->filters[i], EV_ADD | EV_DISABLE | EV_ONESHOT, 0, 0),
		       variant->error);
		/* It is open, there is no knote. */
		refuse(&in, input_change(object, variant->filters[i], EV_DELETE, 0, 0), ENOENT);
	}
	refuse(&in, input_change(in.kq, EVFILT_READ, EV_ADD, 0, 0), EINVAL);
	input_intact(&in);
}

KQ_TEST(ended_process, "", "an ended process is refused unless its exit is asked for")
{
	struct input in = input_open();

	refuse(&in, input_change(in.child ^ 1ull << 32, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0), ESRCH);
	ASSERT_OK(kq_del(in.kq, in.child, EVFILT_PROC));
	free(in.lines);
	in.lines = input_lines(in.kq);
	refuse(&in, input_change(in.child, EVFILT_PROC, EV_ADD, (unsigned int)~NOTE_EXIT, 0), ESRCH);
	refuse(&in, input_change(in.child, EVFILT_PROC, EV_ADD, 0, 0), ESRCH);
	input_same(&in);
}
