/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns what the tests of bad input share: a queue that holds a knote of every
 * kind, with events whose every byte is known, proofs that a refused call left
 * all of that alone, and addresses that cannot be used. Include after kq_test.h.
 */
#ifndef KQ_INPUT_H
#define KQ_INPUT_H

#include <linux/kqueue.h>
#include <sys/ioctl.h>

#define INPUT_PATTERN	0xa5	/* fills what a call may write to */
#define INPUT_ROOM	24
#define INPUT_PAGE	4096

/* What a list of any record size needs. */
#define INPUT_BYTES(records)	((records) * sizeof(struct kq_event_ext))

/* For KQ_TEST_EACH(): one case for each size of a record. */
static const struct input_size {
	const char *name;
	uint32_t size;
} input_sizes[] KQ_UNUSED = {
	{ "normal", sizeof(struct kq_event) },
	{ "extended", sizeof(struct kq_event_ext) },
	{ "ilp32", sizeof(struct kq_event_ilp32) },
};

/* The queue, what it is about to report in this order, and its lines in fdinfo. */
struct input {
	int kq;
	int pipe[2], file, pair[2], urgent[2], pidfd;
	pid_t child;
	struct kq_event_ext ready[INPUT_ROOM];
	int nready;
	char *lines;
};

/* The ioctls themselves: their result, or a negative errno */

static inline int input_ioctl(int kq, unsigned int direction, unsigned int number, size_t size,
			      const void *block)
{
	int result = ioctl(kq, _IOC(direction, KQ_IOC_MAGIC, number, size), block);

	return result < 0 ? -errno : result;
}

static inline int input_kevent(int kq, struct kq_kevent *call)
{
	return input_ioctl(kq, _IOC_READ | _IOC_WRITE, _IOC_NR(KQ_IOC_KEVENT), sizeof(*call), call);
}

static inline int input_apply(int kq, const void *changes, int count, uint32_t size)
{
	struct kq_kevent call = {
		.changelist = (uintptr_t)changes, .nchanges = count, .record_size = size,
	};

	return input_kevent(kq, &call);
}

/* Room whose every byte is known before. */
static inline int input_take(int kq, void *events, int room, uint32_t size)
{
	struct kq_kevent call = {
		.eventlist = (uintptr_t)events, .nevents = room, .record_size = size,
		.flags = KQ_KEVENT_NONBLOCK,
	};

	memset(events, INPUT_PATTERN, room * size);
	return input_kevent(kq, &call);
}

/* Records */

/* As the module writes it: a data word that is too long for the record becomes the nearest. */
static inline void input_store(void *to, const struct kq_event_ext *record, uint32_t size)
{
	struct kq_event_ilp32 small = {
		.ident = record->ident, .filter = record->filter, .flags = record->flags,
		.fflags = record->fflags, .data = record->data, .udata = record->udata,
	};

	if (small.data != record->data)
		small.data = record->data < 0 ? INT32_MIN : INT32_MAX;
	if (size == sizeof(small))
		memcpy(to, &small, size);
	else
		memcpy(to, record, size);
}

static inline const char *input_text(const struct kq_event_ext *record)
{
	static char texts[2][300];
	static unsigned int next;
	char *text = texts[next++ % 2];

	snprintf(text, sizeof(texts[0]),
		 "{%#llx filter %d flags %#x fflags %#x data %lld udata %#llx ext %#llx %#llx %#llx %#llx}",
		 record->ident, record->filter, record->flags, record->fflags, record->data,
		 record->udata, record->ext[0], record->ext[1], record->ext[2], record->ext[3]);
	return text;
}

/* The first count records of a list are these in every byte, and nothing was written behind room. */
static inline void input_compare_at(const char *file, int line, const void *list,
				    const struct kq_event_ext *wanted, int count, uint32_t size)
{
	for (int i = 0; i < count; i++) {
		struct kq_event_ext got = { 0 };
		char bytes[sizeof(got)];

		input_store(bytes, &wanted[i], size);
		if (!memcmp((const char *)list + i * size, bytes, size))
			continue;
		memcpy(&got, (const char *)list + i * size, size);
		kq_fail(file, line, "record %d of %u bytes: wanted %s, got %s%s", i, size,
			input_text(&wanted[i]), input_text(&got),
			size == sizeof(struct kq_event_ilp32) ? " (in 32-bit layout)" : "");
	}
}
#define input_compare(...)	input_compare_at(__FILE__, __LINE__, __VA_ARGS__)

static inline void input_untouched_at(const char *file, int line, const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (((const unsigned char *)from)[i] != INPUT_PATTERN)
			kq_fail(file, line, "byte %zu of what should be left alone is %#x", i,
				((const unsigned char *)from)[i]);
}
#define input_untouched(...)	input_untouched_at(__FILE__, __LINE__, __VA_ARGS__)

/* State */

static inline int input_line_order(const void *left, const void *right)
{
	return strcmp(*(char * const *)left, *(char * const *)right);
}

/*
 * What fdinfo says about a queue, as one text. The lines are sorted: where a
 * knote stands among others may change with their number.
 */
static inline char *input_lines(int kq)
{
	char path[64], *line = NULL, *text, *end, **lines = NULL;
	size_t room = 0, count = 0, size = 1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
	file = fopen(path, "re");
	ASSERT_TRUE(file);
	while (getline(&line, &room, file) > 0) {
		if (strncmp(line, "knote: ", 7) && strncmp(line, "kqueue: ", 8))
			continue;
		lines = reallocarray(lines, count + 1, sizeof(*lines));
		ASSERT_TRUE(lines);
		lines[count] = strdup(line);
		size += strlen(lines[count++]);
	}
	free(line);
	fclose(file);
	ASSERT_GT(count, 0);
	qsort(lines, count, sizeof(*lines), input_line_order);
	text = malloc(size);
	ASSERT_TRUE(text);
	end = text;
	for (size_t i = 0; i < count; i++) {
		end = stpcpy(end, lines[i]);
		free(lines[i]);
	}
	free(lines);
	return text;
}

static inline void input_same_at(const char *file, int line, const struct input *in)
{
	char *now = input_lines(in->kq), *was = in->lines, *is = now;

	while (*is && *is == *was) {
		is++;
		was++;
	}
	if (*is != *was) {
		while (is > now && is[-1] != '\n') {
			is--;
			was--;
		}
		kq_fail(file, line, "the queue changed: '%.*s' became '%.*s'",
			(int)strcspn(was, "\n"), was, (int)strcspn(is, "\n"), is);
	}
	free(now);
}
/* All knotes are there as they were, with the same words, and no other. */
#define input_same(in)	input_same_at(__FILE__, __LINE__, in)

/* The same, and all events are there: ends the use of the queue. */
static inline void input_intact_at(const char *file, int line, const struct input *in)
{
	char list[INPUT_BYTES(INPUT_ROOM)];
	uint32_t size = sizeof(struct kq_event_ext);
	int count;

	input_same_at(file, line, in);
	count = input_take(in->kq, list, INPUT_ROOM, size);
	if (count != in->nready)
		kq_fail(file, line, "wanted %d events, got %d", in->nready, count);
	input_compare_at(file, line, list, in->ready, count, size);
	input_untouched_at(file, line, list + count * size, sizeof(list) - count * size);
}
#define input_intact(in)	input_intact_at(__FILE__, __LINE__, in)

/* Is there a knote of this ident that EVFILT_USER was given? */
static inline bool input_user_exists(int kq, uint64_t ident)
{
	char text[64], *lines = input_lines(kq);
	bool found;

	snprintf(text, sizeof(text), "ident=%llu filter=user ", (unsigned long long)ident);
	found = strstr(lines, text);
	free(lines);
	return found;
}

/* Making it */

/* A change with words of its own that come back with the event. */
static inline struct kq_event_ext input_change(uint64_t ident, int filter, unsigned int flags,
					       unsigned int fflags, int64_t data)
{
	static unsigned int count;
	uint64_t mark = ++count;

	return (struct kq_event_ext){
		.ident = ident, .filter = filter, .flags = flags, .fflags = fflags, .data = data,
		.udata = 0xd1d1d1d100000000ull | mark,
		.ext = { 0, 0, 0xe2e2e2e200000000ull | mark, 0xe3e3e3e300000000ull | mark },
	};
}

static inline struct kq_event_ext input_add(const struct input *in, uint64_t ident, int filter,
					    unsigned int flags, unsigned int fflags, int64_t data)
{
	struct kq_event_ext change = input_change(ident, filter, EV_ADD | flags, fflags, data);

	ASSERT_OK(input_apply(in->kq, &change, 1, sizeof(change)));
	return change;
}

/* It is ready now, and reports these words. */
static inline void input_expect(struct input *in, struct kq_event_ext event, unsigned int flags,
				unsigned int fflags, int64_t data)
{
	event.flags = flags;
	event.fflags = fflags;
	event.data = data;
	in->ready[in->nready++] = event;
}

/* Knotes that are not ready, with words worth to be kept. */
static inline void input_add_idle(const struct input *in)
{
	input_add(in, ~0ull, EVFILT_TIMER, 0, NOTE_SECONDS, 3600);
	input_add(in, 0x100000002ull, EVFILT_USER, EV_DISABLE, NOTE_TRIGGER | 0x77, INT64_MIN);
	input_add(in, 2, EVFILT_USER, EV_CLEAR, 0x88, INT64_MAX);
	input_add(in, in->pair[1], EVFILT_READ, EV_CLEAR, NOTE_LOWAT, 99);
	input_add(in, in->pipe[0], EVFILT_WRITE, EV_DISPATCH, 0x4000, -99);
	input_add(in, in->pair[0], EVFILT_EXCEPT, 0, NOTE_OOB, 5);
	input_add(in, getpid(), EVFILT_PROC, 0, NOTE_EXIT | NOTE_FORK, 0);
	input_add(in, SIGWINCH, EVFILT_SIGNAL, EV_RECEIPT, 0, 0);
}

/* One ready event of each filter but FS, which needs privilege, in the order they became ready. */
static inline void input_add_ready(struct input *in)
{
	unsigned int end = EV_ADD | EV_CLEAR | EV_ONESHOT | EV_EOF;
	struct kq_event_ext added;

	added = input_add(in, 0x8000000000000001ull, EVFILT_USER, EV_CLEAR, NOTE_TRIGGER | 0x55, -7);
	input_expect(in, added, EV_ADD | EV_CLEAR, 0x55, -7);
	added = input_add(in, in->pipe[0], EVFILT_READ, 0, 0, 0);
	input_expect(in, added, EV_ADD, 0, 3);
	added = input_add(in, in->file, EVFILT_WRITE, EV_DISPATCH, 0, 0);
	input_expect(in, added, EV_ADD | EV_DISPATCH, 0, 0);
	added = input_add(in, in->file, EVFILT_VNODE, EV_CLEAR, NOTE_ATTRIB, 0);
	ASSERT_SYS(fchmod(in->file, 0640));
	input_expect(in, added, EV_ADD | EV_CLEAR, NOTE_ATTRIB, 0);
	added = input_add(in, in->child, EVFILT_PROC, 0, NOTE_EXIT, 0);
	input_expect(in, added, end, NOTE_EXIT, W_EXITCODE(3, 0));
	added = input_add(in, in->pidfd, EVFILT_PROCDESC, 0, NOTE_EXIT, 0);
	input_expect(in, added, end, NOTE_EXIT, W_EXITCODE(3, 0));
	added = input_add(in, SIGURG, EVFILT_SIGNAL, 0, 0, 0);
	ASSERT_SYS(kill(getpid(), SIGURG));
	ASSERT_SYS(kill(getpid(), SIGURG));
	input_expect(in, added, EV_ADD | EV_CLEAR, 0, 2);
	added = input_add(in, 3, EVFILT_TIMER, EV_ONESHOT, 0, 0);
	input_expect(in, added, EV_ADD | EV_CLEAR | EV_ONESHOT, 0, 1);
	added = input_add(in, in->pair[0], EVFILT_EMPTY, EV_RECEIPT, 0, 0);
	input_expect(in, added, EV_ADD | EV_RECEIPT, 0, 0);
	added = input_add(in, in->urgent[0], EVFILT_EXCEPT, 0, NOTE_OOB, 0);
	input_expect(in, added, EV_ADD, NOTE_OOB, 0);
	added = input_add(in, 4, EVFILT_USER, EV_ONESHOT, NOTE_TRIGGER, INT64_MAX);
	input_expect(in, added, EV_ADD | EV_ONESHOT, 0, INT64_MAX);
}

/* A file without a name. */
static inline int input_file(void)
{
	char path[] = "/tmp/kq-input-XXXXXX";
	int fd = ASSERT_SYS(mkstemp(path));

	ASSERT_SYS(unlink(path));
	return fd;
}

static inline struct input input_open(void)
{
	struct kq_kevent nowhere = {
		.eventlist = 8, .nevents = INPUT_ROOM, .record_size = sizeof(struct kq_event),
	};
	struct input in = { .kq = kq_new() };

	kq_pipe(in.pipe);
	kq_write(in.pipe[1], "abc", 3);
	in.file = input_file();
	kq_unix_stream(in.pair);
	kq_tcp_pair(in.urgent);
	ASSERT_EQ(ASSERT_SYS(send(in.urgent[1], "!", 1, MSG_OOB)), 1);
	kq_await_poll(in.urgent[0], POLLPRI);
	in.child = kq_fork();
	if (!in.child)
		_exit(3);
	ASSERT_SYS(waitid(P_PID, in.child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	in.pidfd = ASSERT_SYS(syscall(SYS_pidfd_open, in.child, 0));
	input_add_idle(&in);
	input_add_ready(&in);
	/* The first look at an ended process notes in its flags that this event is the last. */
	ASSERT_ERR(input_kevent(in.kq, &nowhere), EFAULT);
	in.lines = input_lines(in.kq);
	return in;
}

/* Lists of changes */

#define INPUT_FIRST	9000	/* ident of the first */

/* Changes that make knotes with idents from INPUT_FIRST on. */
static inline void input_list(void *list, int count, uint32_t size, unsigned int flags)
{
	for (int i = 0; i < count; i++) {
		struct kq_event_ext change = {
			.ident = INPUT_FIRST + i, .filter = EVFILT_USER, .flags = flags,
			.fflags = i, .data = ~i, .udata = i,
		};

		input_store((char *)list + i * size, &change, size);
	}
}

/* The knotes such a list made are the first so many, without a gap. Ends them. */
static inline int input_forget_list(int kq, int count)
{
	int made = 0;

	while (made < count && input_user_exists(kq, INPUT_FIRST + made))
		made++;
	for (int i = 0; i < count; i++)
		ASSERT_ERR(kq_del(kq, INPUT_FIRST + i, EVFILT_USER), i < made ? 0 : ENOENT);
	return made;
}

/* Memory */

/* Pages that end where nothing can be read or written: the address of that. */
static inline char *input_edge(void)
{
	char *pages = mmap(NULL, 5 * INPUT_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_TRUE(pages != MAP_FAILED);
	ASSERT_SYS(mprotect(pages + 4 * INPUT_PAGE, INPUT_PAGE, PROT_NONE));
	return pages + 4 * INPUT_PAGE;
}

/* Behind the last address a program can map. */
#define INPUT_LAST	(sizeof(void *) == 8 ? 0x00007ffffffff000ull : 0xffffe000ull)

static inline uint64_t input_at_null(size_t size KQ_UNUSED)
{
	return 0;
}

static inline uint64_t input_at_first_page(size_t size KQ_UNUSED)
{
	return 8;
}

/* A hole of one page: nothing else in a test is that small. */
static inline uint64_t input_at_hole(size_t size KQ_UNUSED)
{
	char *pages = input_edge() - 4 * INPUT_PAGE;

	ASSERT_SYS(munmap(pages + INPUT_PAGE, INPUT_PAGE));
	return (uintptr_t)pages + INPUT_PAGE;
}

static inline uint64_t input_at_no_access(size_t size KQ_UNUSED)
{
	return (uintptr_t)input_edge();
}

/* One byte too little. */
static inline uint64_t input_at_edge(size_t size)
{
	return (uintptr_t)input_edge() - size + 1;
}

static inline uint64_t input_at_last_page(size_t size)
{
	void *page = mmap((void *)(uintptr_t)(INPUT_LAST - INPUT_PAGE), INPUT_PAGE,
			  PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	/* The stack may be there already. */
	if (page == MAP_FAILED)
		ASSERT_EQ(errno, EEXIST);
	return INPUT_LAST - size / 2;
}

static inline uint64_t input_at_last(size_t size KQ_UNUSED)
{
	return INPUT_LAST;
}

static inline uint64_t input_at_not_canonical(size_t size KQ_UNUSED)
{
	return 1ull << 47;
}

static inline uint64_t input_at_kernel(size_t size KQ_UNUSED)
{
	return 0xffff800000000000ull;
}

static inline uint64_t input_at_kernel_text(size_t size KQ_UNUSED)
{
	return 0xffffffff81000000ull;
}

static inline uint64_t input_at_top(size_t size)
{
	return -(uint64_t)size;
}

/* Adding the size comes to a small number. */
static inline uint64_t input_at_wrap(size_t size)
{
	return -(uint64_t)size / 2;
}

static inline uint64_t input_at_all_ones(size_t size KQ_UNUSED)
{
	return ~0ull;
}

/* Good, if it were shortened to what addresses of this program have. */
static inline uint64_t input_at_beyond(size_t size KQ_UNUSED)
{
	uint64_t more = sizeof(void *) == 8 ? 1ull << 62 : 1ull << 32;

	return ((uintptr_t)input_edge() - INPUT_PAGE) | more;
}

/* For KQ_TEST_EACH(): so many bytes cannot be read or written at get(size). */
static const struct input_address {
	const char *name;
	uint64_t (*get)(size_t size);
} input_addresses[] KQ_UNUSED = {
	{ "null", input_at_null },
	{ "first_page", input_at_first_page },
	{ "hole", input_at_hole },
	{ "no_access", input_at_no_access },
	{ "runs_off_a_page", input_at_edge },
	{ "runs_off_the_last_page", input_at_last_page },
	{ "behind_the_last_page", input_at_last },
	{ "not_canonical", input_at_not_canonical },
	{ "kernel", input_at_kernel },
	{ "kernel_text", input_at_kernel_text },
	{ "top", input_at_top },
	{ "wraps", input_at_wrap },
	{ "all_ones", input_at_all_ones },
	{ "beyond_the_program", input_at_beyond },
};

#endif /* KQ_INPUT_H */
