/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Owns how the tests of the examples run a program: its three streams are pipes,
 * each assertion waits for what it wants to read. Include after kq_test.h.
 *
 *	struct example run = EXAMPLE("timer_wheel");
 *
 *	SAYS(&run, "text\n");		the next bytes of its standard output
 *	WARNS(&run, "text\n");		the same of its standard error
 *	ENDS(&run, 0);			it says nothing more and ends with that status
 */
#ifndef KQ_EXAMPLE_H
#define KQ_EXAMPLE_H

#include <sys/mount.h>

#define EXAMPLE_LINE	200

struct example {
	const char *name;
	pid_t pid;
	int in, out, err;	/* our ends */
};

#define ASSERT_STR(left, right)						\
	do {								\
		const char *kq_left = (left), *kq_right = (right);	\
									\
		if (strcmp(kq_left, kq_right))				\
			KQ_FAIL_NOW("wanted \"%s\", got \"%s\"", kq_right, kq_left); \
	} while (0)

static inline void example_exec(char *path, char **arguments, const int streams[3])
{
	for (int i = 0; i < 3; i++)
		ASSERT_SYS(dup2(streams[i], i));
	execv(path, arguments);
	_exit(KQ_FAIL);
}

/* arguments ends with NULL. */
static inline struct example example_start(char **arguments)
{
	struct example run = { .name = arguments[0] };
	int in[2], out[2], err[2];
	char path[512];

	snprintf(path, sizeof(path), KQ_EXAMPLES "/%s", run.name);
	if (access(path, X_OK))
		KQ_FAIL_NOW("no %s: build it with make -C lib examples", path);
	ASSERT_SYS(pipe2(in, O_CLOEXEC));
	ASSERT_SYS(pipe2(out, O_CLOEXEC));
	ASSERT_SYS(pipe2(err, O_CLOEXEC));
	run.pid = kq_fork();
	if (!run.pid)
		example_exec(path, arguments, (int []){ in[0], out[1], err[1] });
	close(in[0]);
	close(out[1]);
	close(err[1]);
	run.in = in[1];
	run.out = out[0];
	run.err = err[0];
	return run;
}
#define EXAMPLE(...)	example_start((char *[]){ (char *)__VA_ARGS__, NULL })

/* Shows what it has said on standard error so far, and the end, if there is one. */
static inline void example_show(struct example *run)
{
	char text[800];
	ssize_t size;
	int status;

	fcntl(run->err, F_SETFL, O_NONBLOCK);
	size = read(run->err, text, sizeof(text) - 1);
	text[size < 0 ? 0 : size] = 0;
	if (text[0])
		kq_diag("%s on standard error: %s", run->name, text);
	if (waitpid(run->pid, &status, WNOHANG) == run->pid)
		kq_diag("%s ended with status 0x%x", run->name, status);
}

__attribute__((format(printf, 5, 6)))
static inline void example_says_at(const char *file, int line, struct example *run, int fd,
				   const char *format, ...)
{
	char want[EXAMPLE_LINE], got[EXAMPLE_LINE];
	size_t size = 0;
	va_list args;

	va_start(args, format);
	vsnprintf(want, sizeof(want), format, args);
	va_end(args);
	while (want[size]) {
		got[size + 1] = 0;
		if (read(fd, got + size, 1) != 1)
			got[size] = 0;
		/* It does not wait for the rest of what is wrong already. */
		if (got[size] != want[size]) {
			example_show(run);
			kq_fail(file, line, "%s: wanted \"%s\", got \"%s\"", run->name, want, got);
		}
		size++;
	}
}
#define SAYS(run, ...)	example_says_at(__FILE__, __LINE__, run, (run)->out, __VA_ARGS__)
#define WARNS(run, ...)	example_says_at(__FILE__, __LINE__, run, (run)->err, __VA_ARGS__)

/* Reads a line, with its newline. False at the end of the stream. */
static inline bool example_next(int fd, char *line)
{
	size_t size = 0;

	while (size < EXAMPLE_LINE - 1 && read(fd, line + size, 1) == 1)
		if (line[size++] == '\n')
			break;
	line[size] = 0;
	return size;
}

static inline void example_line_at(const char *file, int number, struct example *run, int fd,
				   char *line)
{
	if (!example_next(fd, line)) {
		example_show(run);
		kq_fail(file, number, "%s: wanted a line, got the end", run->name);
	}
}
/* The next line, which there must be: of its standard output, or error. */
#define example_line(run, line)		example_line_at(__FILE__, __LINE__, run, (run)->out, line)
#define example_warning(run, line)	example_line_at(__FILE__, __LINE__, run, (run)->err, line)

/* The next line, which is the format with a number in the place of its %d. */
static inline int example_number_at(const char *file, int number, struct example *run,
				    const char *format)
{
	char line[EXAMPLE_LINE], again[EXAMPLE_LINE];
	int value = -1;

	example_line_at(file, number, run, run->out, line);
	if (sscanf(line, format, &value) == 1) {
		snprintf(again, sizeof(again), format, value);
		if (!strcmp(line, again))
			return value;
	}
	example_show(run);
	kq_fail(file, number, "%s: wanted \"%s\", got \"%s\"", run->name, format, line);
}
#define example_number(run, format)	example_number_at(__FILE__, __LINE__, run, format)

/* The next two lines are these, in any order. */
static inline void example_says_both_at(const char *file, int line, struct example *run,
					const char *one, const char *other)
{
	char got[2][EXAMPLE_LINE];

	for (int i = 0; i < 2; i++)
		example_line_at(file, line, run, run->out, got[i]);
	if (strcmp(got[0], one) ? strcmp(got[0], other) || strcmp(got[1], one) :
				  strcmp(got[1], other))
		kq_fail(file, line, "%s: wanted \"%s\" and \"%s\", got \"%s\" and \"%s\"",
			run->name, one, other, got[0], got[1]);
}
#define SAYS_BOTH(run, one, other) \
	example_says_both_at(__FILE__, __LINE__, run, one, other)

/* Nobody reads its output any more. */
static inline void example_close_output(struct example *run)
{
	ASSERT_SYS(close(run->out));
	run->out = -1;
}

static inline void example_ends_at(const char *file, int line, struct example *run, int want)
{
	char text[EXAMPLE_LINE] = "";
	int status;

	if (run->out >= 0 && ASSERT_SYS(read(run->out, text, sizeof(text) - 1)))
		kq_fail(file, line, "%s said more than it should: \"%s\"", run->name, text);
	if (ASSERT_SYS(read(run->err, text, sizeof(text) - 1)))
		kq_fail(file, line, "%s complained: \"%s\"", run->name, text);
	ASSERT_EQ(waitpid(run->pid, &status, 0), run->pid);
	if (status != want)
		kq_fail(file, line, "%s ended with status 0x%x, wanted 0x%x", run->name, status,
			want);
}
#define ENDS(run, code)		example_ends_at(__FILE__, __LINE__, run, W_EXITCODE(code, 0))
#define ENDS_BY(run, signo)	example_ends_at(__FILE__, __LINE__, run, W_EXITCODE(0, signo))

/* Files */

static char example_directory[] = "/tmp/kq-example.XXXXXX";

/* The case goes on in an empty directory. */
static inline void example_enter(void)
{
	ASSERT_TRUE(mkdtemp(example_directory));
	ASSERT_SYS(chdir(example_directory));
}

/* Removes it with the files in it. */
static inline void example_leave(void)
{
	DIR *entries = opendir(".");
	struct dirent *entry;

	ASSERT_TRUE(entries);
	while ((entry = readdir(entries)))
		if (entry->d_type == DT_REG)
			ASSERT_SYS(unlink(entry->d_name));
	closedir(entries);
	ASSERT_SYS(chdir("/"));
	ASSERT_SYS(rmdir(example_directory));
}

/* A new file that holds the text: a descriptor that appends. */
static inline int example_create(const char *path, const char *text)
{
	int fd = ASSERT_SYS(open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644));

	kq_write(fd, text, strlen(text));
	return fd;
}

#endif /* KQ_EXAMPLE_H */
