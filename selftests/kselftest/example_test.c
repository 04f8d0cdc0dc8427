// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that the examples of the library do what they say: each is run
 * as a program, fed, and judged by what it prints and by how it ends.
 */
#include "kq_test.h"
#include "kq_example.h"

/* Programs that need nothing from outside. */

KQ_TEST(timer, "", "timer counts at least five ticks and ends well")
{
	struct example run = EXAMPLE("timer");
	char line[EXAMPLE_LINE];
	int ticks;

	example_line(&run, line);
	ASSERT_EQ(sscanf(line, "%d ticks", &ticks), 1);
	ASSERT_GE(ticks, 5);
	ENDS(&run, 0);
}

KQ_TEST(user_wakeup, "", "user_wakeup hands over both bits, in one event or in two")
{
	struct example run = EXAMPLE("user_wakeup");
	char line[EXAMPLE_LINE];

	example_line(&run, line);
	if (!strcmp(line, "woken, bits 1\n"))
		example_line(&run, line);
	ASSERT_STR(line, "woken, bits 3\n");
	ENDS(&run, 0);
}

KQ_TEST(timer_wheel, "", "timer_wheel ends each session once and none early")
{
	struct example run = EXAMPLE("timer_wheel");
	char line[EXAMPLE_LINE];
	int idle, left, open;

	example_line(&run, line);
	ASSERT_EQ(sscanf(line, "%d sessions were idle, %d left, %d were open at the end", &idle,
			 &left, &open), 3);
	ASSERT_EQ(idle + left + open, 1000);
	/* More on a machine that stands still at times, but all the silent ones. */
	ASSERT_GE(idle, 800);
	ASSERT_LE(left, 100);
	ASSERT_LE(open, 100);
	ENDS(&run, 0);
}

/* echo_server */

static int echo_connect(int port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = ASSERT_SYS(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	ASSERT_SYS(connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static void echo_say(int fd, const char *text)
{
	char back[64];

	kq_write(fd, text, strlen(text));
	ASSERT_EQ(recv(fd, back, strlen(text), MSG_WAITALL), strlen(text));
	ASSERT_EQ(memcmp(back, text, strlen(text)), 0);
}

KQ_TEST(echo_server, "", "echo_server serves several connections at a time and ends each")
{
	struct example run = EXAMPLE("echo_server", "0");
	int port = example_number(&run, "listening on port %d\n"), first, second;
	char byte;

	first = echo_connect(port);
	second = echo_connect(port);
	echo_say(second, "second");
	echo_say(first, "first");
	ASSERT_SYS(shutdown(second, SHUT_WR));
	ASSERT_EQ(recv(second, &byte, 1, 0), 0);
	echo_say(first, "still here");
	ASSERT_SYS(kill(run.pid, SIGTERM));
	ENDS_BY(&run, SIGTERM);
}

KQ_TEST(echo_server_self, "", "echo_server --self serves itself and ends well")
{
	struct example run = EXAMPLE("echo_server", "--self");

	ASSERT_GT(example_number(&run, "listening on port %d\n"), 0);
	SAYS(&run, "echoed 5 bytes\n");
	ENDS(&run, 0);
}

/* tail_follow */

#define FOLLOWS(run, what) WARNS(run, "tail_follow: log: " what "\n")

KQ_TEST(tail_follow_grows, "", "tail_follow prints what is there and what is added, all of a truncated file")
{
	struct example run;
	int log;

	example_enter();
	log = example_create("log", "one\n");
	run = EXAMPLE("tail_follow", "log");
	SAYS(&run, "one\n");
	kq_write(log, "two\n", 4);
	SAYS(&run, "two\n");
	ASSERT_SYS(ftruncate(log, 0));
	FOLLOWS(&run, "truncated");
	kq_write(log, "three\n", 6);
	SAYS(&run, "three\n");
	/* Longer than before by the time anybody looks. */
	ASSERT_SYS(ftruncate(log, 0));
	kq_write(log, "more than three\n", 16);
	FOLLOWS(&run, "truncated");
	SAYS(&run, "more than three\n");
	example_close_output(&run);
	ENDS(&run, 0);
	example_leave();
}

KQ_TEST(tail_follow_replaced, "", "tail_follow goes on in the file that takes the name, nothing of the old one is lost")
{
	char line[EXAMPLE_LINE];
	struct example run;
	int old, log;

	example_enter();
	old = example_create("log", "old\n");
	run = EXAMPLE("tail_follow", "log");
	SAYS(&run, "old\n");
	ASSERT_SYS(rename("log", "log.1"));
	FOLLOWS(&run, "renamed");
	kq_write(old, "late\n", 5);
	SAYS(&run, "late\n");
	log = example_create("log", "new\n");
	FOLLOWS(&run, "following the new file");
	SAYS(&run, "new\n");
	/* Nobody reads the old one any more. */
	kq_write(old, "too late\n", 9);
	kq_write(log, "newer\n", 6);
	SAYS(&run, "newer\n");

	ASSERT_SYS(unlink("log"));
	FOLLOWS(&run, "removed");
	kq_write(log, "without a name\n", 15);
	SAYS(&run, "without a name\n");
	example_create("log", "again\n");
	FOLLOWS(&run, "following the new file");
	SAYS(&run, "again\n");

	example_create("next", "next\n");
	ASSERT_SYS(rename("next", "log"));
	/* The directory and the file tell of it, whichever is seen first. */
	example_warning(&run, line);
	if (!strcmp(line, "tail_follow: log: removed\n"))
		example_warning(&run, line);
	ASSERT_STR(line, "tail_follow: log: following the new file\n");
	SAYS(&run, "next\n");
	example_close_output(&run);
	ENDS(&run, 0);
	example_leave();
}

KQ_TEST(tail_follow_name_is_back, "", "tail_follow says nothing of a file that has its name again")
{
	struct example run;
	int log;

	example_enter();
	log = example_create("log", "old\n");
	run = EXAMPLE("tail_follow", "log");
	SAYS(&run, "old\n");
	/* It sees the renames together. */
	kill(run.pid, SIGSTOP);
	ASSERT_EQ(waitpid(run.pid, NULL, WUNTRACED), run.pid);
	ASSERT_SYS(rename("log", "other"));
	ASSERT_SYS(rename("other", "log"));
	kq_write(log, "new\n", 4);
	kill(run.pid, SIGCONT);
	SAYS(&run, "new\n");
	example_close_output(&run);
	ENDS(&run, 0);
	example_leave();
}

KQ_TEST(tail_follow_waits, "", "tail_follow waits for a file that is not there yet")
{
	struct example run;

	example_enter();
	run = EXAMPLE("tail_follow", "log");
	FOLLOWS(&run, "waiting for it to appear");
	close(example_create("other", "other\n"));
	close(example_create("log", "here\n"));
	FOLLOWS(&run, "following the new file");
	SAYS(&run, "here\n");
	example_close_output(&run);
	ENDS(&run, 0);
	example_leave();
}

/* file_watcher */

KQ_TEST(file_watcher, "", "file_watcher names what came and went, and what happened to a file")
{
	struct example run;
	int file;

	example_enter();
	ASSERT_SYS(mkdir("d", 0755));
	file = example_create("d/f", "text\n");
	run = EXAMPLE("file_watcher", "d", "d/f");
	SAYS(&run, "watching d\n");

	close(example_create("d/a", ""));
	SAYS(&run, "appeared: a\n");
	ASSERT_SYS(rename("d/a", "d/b"));
	SAYS(&run, "disappeared: a\nappeared: b\n");
	close(example_create("x", ""));
	ASSERT_SYS(rename("x", "d/b"));
	SAYS(&run, "replaced: b\n");

	kq_write(file, "more\n", 5);
	SAYS(&run, "d/f: written, longer\n");
	ASSERT_EQ(pwrite(file, "TEXT", 4, 0), 4);
	SAYS(&run, "d/f: written, longer\n"); /* it appends */
	ASSERT_SYS(ftruncate(file, 0));
	SAYS(&run, "d/f: shorter, attributes set\n");
	ASSERT_SYS(fchmod(file, 0600));
	SAYS(&run, "d/f: attributes set\n");
	ASSERT_SYS(link("d/f", "g"));
	SAYS(&run, "d/f: links changed\n");
	ASSERT_SYS(rename("d/f", "f"));
	SAYS_BOTH(&run, "d/f: renamed\n", "disappeared: f\n");
	ASSERT_SYS(unlink("g"));
	SAYS(&run, "d/f: links changed, name removed\n");
	ASSERT_SYS(unlink("f"));
	SAYS(&run, "d/f: name removed, the last one\n");
	/* Nobody watches it any more. */
	kq_write(file, "gone\n", 5);

	ASSERT_SYS(unlink("d/b"));
	SAYS(&run, "disappeared: b\n");
	ASSERT_SYS(rmdir("d"));
	SAYS(&run, "removed: d\n");
	ENDS(&run, 0);
	example_leave();
}

/* What all of the longer ones have in common. */

static const struct {
	const char *name;
} programs[] = {
	{ "tail_follow" }, { "signal_loop" }, { "file_watcher" }, { "supervisor" },
};

KQ_TEST_EACH(usage, "", "without arguments a program says what it takes", programs)
{
	struct example run = EXAMPLE(variant->name);
	char line[EXAMPLE_LINE], start[64];

	example_warning(&run, line);
	snprintf(start, sizeof(start), "usage: %s ", variant->name);
	ASSERT_EQ(strncmp(line, start, strlen(start)), 0);
	ENDS(&run, 2);
}

static const struct {
	const char *name, *argument;
} without_module[] = {
	{ "tail_follow", "/etc/passwd" },
	{ "signal_loop", "true" },
	{ "file_watcher", "/" },
	{ "supervisor", "true" },
	{ "timer_wheel", NULL },
};

KQ_TEST_EACH(no_module, "", "without the device a program says how to load the module", without_module)
{
	char line[EXAMPLE_LINE];
	struct example run;

	if (unshare(CLONE_NEWNS)) {
		ASSERT_EQ(errno, EPERM);
		KQ_SKIP("needs root to hide the device");
	}
	ASSERT_SYS(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	ASSERT_SYS(mount("kq", "/dev", "tmpfs", 0, NULL));
	run = EXAMPLE(variant->name, (char *)variant->argument);
	example_warning(&run, line);
	ASSERT_TRUE(strstr(line, ": Function not implemented\n"));
	WARNS(&run, "%s: load the kernel module first: modprobe kqueue\n", variant->name);
	ENDS(&run, 1);
}
