// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the proof that the examples about processes do what they say: signal_loop
 * with its workers, supervisor with trees that hide from it.
 */
#include "kq_test.h"
#include "kq_example.h"

/* signal_loop */

#define WORKER_STARTED	"worker %d started\n"

KQ_TEST(signal_loop, "", "signal_loop obeys each signal, knows each worker's end and ends with the last")
{
	struct example run = EXAMPLE("signal_loop", "sleep", "1000");
	int status, first, second, left[3], ended, number;
	char line[EXAMPLE_LINE];

	first = example_number(&run, WORKER_STARTED);
	ASSERT_SYS(kill(run.pid, SIGUSR1));
	second = example_number(&run, WORKER_STARTED);
	ASSERT_SYS(kill(run.pid, SIGHUP));
	SAYS(&run, "2 running\n");

	ASSERT_SYS(kill(second, SIGSTOP));
	SAYS(&run, "worker %d was stopped\n", second);
	ASSERT_SYS(kill(second, SIGCONT));
	SAYS(&run, "worker %d goes on\n", second);
	ASSERT_SYS(kill(second, SIGKILL));
	SAYS(&run, "worker %d was ended by signal 9\n", second);

	/* Two signals before it can look are two. */
	ASSERT_SYS(kill(run.pid, SIGSTOP));
	ASSERT_EQ(waitpid(run.pid, &status, WUNTRACED), run.pid);
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_SYS(kill(run.pid, SIGUSR1));
	ASSERT_SYS(kill(run.pid, SIGUSR1));
	ASSERT_SYS(kill(run.pid, SIGCONT));
	left[0] = first;
	left[1] = example_number(&run, WORKER_STARTED);
	left[2] = example_number(&run, WORKER_STARTED);
	ASSERT_SYS(kill(run.pid, SIGHUP));
	SAYS(&run, "3 running\n");

	ASSERT_SYS(kill(run.pid, SIGTERM));
	SAYS(&run, "ending\n");
	for (int i = 0; i < 3; i++) {
		example_line(&run, line);
		ASSERT_EQ(sscanf(line, "worker %d was ended by signal %d", &ended, &number), 2);
		ASSERT_EQ(number, SIGTERM);
		ASSERT_TRUE(ended == left[0] || ended == left[1] || ended == left[2]);
		for (int j = 0; j < 3; j++)
			if (left[j] == ended)
				left[j] = 0;
	}
	ENDS(&run, 0);
}

KQ_TEST(signal_loop_force, "", "signal_loop ends a worker by force that does not end when told")
{
	struct example run = EXAMPLE("signal_loop", "sh", "-c", "trap '' TERM; read word; echo $word; read word");
	int worker = example_number(&run, WORKER_STARTED);

	/* It has ignored the signal by the time it answers. */
	kq_write(run.in, "ready\n", 6);
	SAYS(&run, "ready\n");
	ASSERT_SYS(kill(run.pid, SIGINT));
	SAYS(&run, "ending\n");
	SAYS(&run, "worker %d was ended by signal 9\n", worker);
	ENDS(&run, 0);
}

static const struct {
	const char *name, *command;
	int worker, status;	/* how the worker ends, and what comes of it */
} ends[] = {
	{ "well", "exit 0", 0, 0 },
	{ "badly", "exit 3", 3, 1 },
};

KQ_TEST_EACH(signal_loop_left_alone, "", "signal_loop ends when its worker ends by itself", ends)
{
	struct example run = EXAMPLE("signal_loop", "sh", "-c", (char *)variant->command);
	int worker = example_number(&run, WORKER_STARTED);

	SAYS(&run, "worker %d ended with status %d\n", worker, variant->worker);
	ENDS(&run, variant->status);
}

/* supervisor */

static const struct {
	const char *name, *command;
	int children, status;
	const char *end;	/* of the shell, after its number */
} trees[] = {
	{ "alone", "exit 7", 0, 7, "ended with status 7\n" },
	{ "with_child", "/bin/true; exit 7", 1, 7, "ended with status 7\n" },
	{ "pipeline", "/bin/true | /bin/true | /bin/true; exit 0", 3, 0, "ended with status 0\n" },
	{ "killed", "kill -9 $$", 0, 128 + SIGKILL, "was ended by signal 9\n" },
};

KQ_TEST_EACH(supervisor, "", "supervisor tells of each process once as made and once as ended", trees)
{
	struct example run = EXAMPLE("supervisor", "sh", "-c", (char *)variant->command);
	char line[EXAMPLE_LINE], what[64], end[64] = "";
	int pid, shell = 0, made = 0, ended = 0;

	while (example_next(run.out, line)) {
		ASSERT_EQ(sscanf(line, "%d %60[^\n]", &pid, what), 2);
		strcat(what, "\n");
		if (!shell)
			shell = pid;
		if (!strncmp(what, "was made by", 11)) {
			made++;
		} else if (!strncmp(what, "ended", 5) || !strncmp(what, "was ended", 9)) {
			ended++;
			if (pid == shell)
				strcpy(end, what);
		}
	}
	ASSERT_EQ(made, variant->children);
	ASSERT_EQ(ended, made + 1);
	ASSERT_STR(end, variant->end);
	ENDS(&run, variant->status);
}

KQ_TEST(supervisor_no_program, "", "supervisor reports a program that cannot be run by its status")
{
	struct example run = EXAMPLE("supervisor", "/nowhere/program");

	ASSERT_GT(example_number(&run, "%d ended with status 127\n"), 0);
	WARNS(&run, "/nowhere/program: No such file or directory\n");
	ENDS(&run, 127);
}

/*
 * The daemon is this program, entered by a variable: it forks twice, leaves its
 * session and the streams of its caller, and ends with its standard input.
 */
#define DAEMON	"KQ_EXAMPLE_DAEMON"

/* A child of this process does not run before this process has ended. */
static void run_before_children(void)
{
	struct sched_param priority = { .sched_priority = 1 };
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ASSERT_SYS(sched_setaffinity(0, sizeof(one), &one));
	ASSERT_SYS(sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &priority));
}

__attribute__((constructor)) static void enter_daemon(void)
{
	const char *how = getenv(DAEMON);
	char byte;

	if (!how)
		return;
	if (!strcmp(how, "parent_first"))
		run_before_children();
	if (kq_fork())
		_exit(4);
	ASSERT_SYS(setsid());
	if (kq_fork())
		_exit(3);
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(5);
}

static const struct {
	const char *name;	/* of the way the daemon goes */
	bool privileged;
} daemons[] = {
	{ "as_it_comes", false },
	{ "parent_first", true },
};

KQ_TEST_EACH(supervisor_daemon, "", "supervisor follows a daemon through both forks and ends with it", daemons)
{
	int pids[3] = { 0 }, pid, parent, status, made = 0, forked = 0, ended = 0, ran = 0;
	char self[512], line[EXAMPLE_LINE];
	struct example run;

	if (variant->privileged && geteuid())
		KQ_SKIP("needs root for a priority above that of the child");
	self[ASSERT_SYS(readlink("/proc/self/exe", self, sizeof(self) - 1))] = 0;
	ASSERT_SYS(setenv(DAEMON, variant->name, 1));
	run = EXAMPLE("supervisor", self);
	while (made < 2 || forked < 2 || ended < 2 || !ran) {
		example_line(&run, line);
		if (!pids[0])
			pids[0] = atoi(line);
		if (sscanf(line, "%d was made by %d", &pid, &parent) == 2) {
			ASSERT_LT(made, 2);
			ASSERT_EQ(parent, pids[made]);
			pids[++made] = pid;
		} else if (sscanf(line, "%d ended with status %d", &pid, &status) == 2) {
			ASSERT_EQ(status, pid == pids[0] ? 4 : 3);
			ended++;
		} else if (strstr(line, " forked\n")) {
			forked++;
		} else {
			ASSERT_TRUE(strstr(line, " runs "));
			ran++;
		}
	}
	ASSERT_EQ(ran, 1);
	/* Nobody but the supervisor's queue knows the daemon any more. */
	close(run.in);
	SAYS(&run, "%d ended with status 5\n", pids[2]);
	ENDS(&run, 4);
}
