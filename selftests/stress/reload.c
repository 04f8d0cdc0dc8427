// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the life of the module: it is loaded, used and unloaded again and again
 * while processes that do not wait for it open and close descriptors, fork, exec,
 * write files and get signals. Half of them use queues while the gate is open.
 *
 * Usage: reload MODULE.ko COUNT
 *
 * Needs root and a machine without other users of queues. The module may be loaded;
 * it is, without parameters, in the end. Exit status: 0 good, 1 bad.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "actions.h"

#define MODULE		"kqueue"
#define GATE_CALLS	100	/* of each thread while the gate is open */
#define LIMIT		60	/* seconds for what must happen soon */

/* What goes on all the time: nothing that needs the module. */
static const struct action load[] = {
	{ "open", act_open, 300 },
	{ "close", act_close, 150 },
	{ "dup", act_dup, 100 },
	{ "close_range", act_close_range, 50 },
	{ "io", act_io, 100 },
	{ "epoll", act_epoll, 50 },
	{ "signal", act_signal, 100 },
	{ "tree", act_tree, 200 },
	{ "tree_open", act_tree_open, 100 },
	{ "process", act_process, 20 },
};

/*
 * While the gate is open. Not here: what may hold a queue for a moment after all
 * its numbers are closed (a ring, a message, a thread that has ended).
 */
static const struct action use[] = {
	{ "register", act_register, 300 },
	{ "change", act_change, 100 },
	{ "batch", act_batch, 50 },
	{ "wait", act_wait, 200 },
	{ "trigger", act_trigger, 50 },
	{ "words", act_words, 50 },
	{ "ioctl", act_ioctl, 50 },
	{ "queue_open", act_queue_open, 60 },
	{ "queue_close", act_queue_close, 10 },
	{ "queue_dup", act_queue_dup, 20 },
	{ "queue_watched", act_queue_watched, 20 },
	{ "poll", act_poll, 20 },
	{ "epoll", act_epoll, 50 },
	{ "fdinfo", act_fdinfo, 10 },
	{ "io", act_io, 100 },
	{ "open", act_open, 100 },
	{ "close", act_close, 50 },
	{ "signal", act_signal, 50 },
	{ "tree", act_tree, 100 },
	{ "tree_open", act_tree_open, 50 },
	{ "fork", act_fork, 3 },
	{ "vfork", act_vfork, 3 },
	{ "share", act_share, 3 },
	{ "exec", act_exec, 3 },
};

/* Common to all processes. */
static struct gate {
	atomic_int round;	/* a new number opens it */
	atomic_int closed;	/* clients that have closed their queues since */
	atomic_ulong calls;
} *gate;

/* All threads of this process. */
static pthread_barrier_t together;

static void perform(struct thread *t, const struct action *actions, size_t count)
{
	choose(t);
	actions[pick(t, actions, count)].act(t);
	atomic_fetch_add(&gate->calls, 1);
	/* Unloading waits until each task has let go of the processor by itself. */
	sched_yield();
}

/* No thread forks what outlives the call while another has queues. */
static void use_queues(struct thread *t)
{
	if (!t->index)
		for (int i = 0; i < QUEUES; i++)
			queue_open(QUEUE_BASE + i);
	pthread_barrier_wait(&together);
	for (int i = 0; i < GATE_CALLS; i++)
		perform(t, use, ARRAY_SIZE(use));
	pthread_barrier_wait(&together);
	if (!t->index) {
		/* Queues may be anywhere among the watched descriptors. */
		syscall(SYS_close_range, SLOT_BASE, SLOT_END - 1, 0);
		atomic_fetch_add(&gate->closed, 1);
	}
	pthread_barrier_wait(&together);
}

static bool is_client(int process)
{
	return process % 2;
}

static void run(struct thread *t)
{
	int round = 0;

	/* The one that loads and unloads comes first, else it waits for its turn most of the time. */
	if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10))
		defect("setpriority", "%s", strerror(errno));
	while (!atomic_load(&game->stop)) {
		int now = atomic_load(&gate->round);

		if (is_client(t->process) && now != round) {
			round = now;
			use_queues(t);
		} else {
			perform(t, load, ARRAY_SIZE(load));
		}
	}
}

static void __attribute__((noreturn)) give_up(void)
{
	crew_kill();
	while (crew_left())
		;
	exit(1);
}

static void module_load(int file)
{
	if (syscall(SYS_finit_module, file, "", 0)) {
		defect("finit_module", "%s", strerror(errno));
		give_up();
	}
}

/* The module must let go at once. */
static void module_unload(void)
{
	if (syscall(SYS_delete_module, MODULE, O_NONBLOCK)) {
		defect("delete_module", "with all queues closed: %s", strerror(errno));
		give_up();
	}
}

/* The node may come a moment later, and the module wants to see a close first. */
static int queue_when_possible(void)
{
	time_t end = time(NULL) + LIMIT;
	int kq;

	while ((kq = kqueue()) < 0) {
		if (time(NULL) > end) {
			defect("kqueue", "%s", strerror(errno));
			give_up();
		}
		sched_yield();
	}
	return kq;
}

static void await_clients(void)
{
	time_t end = time(NULL) + LIMIT;
	int clients = 0;

	for (int i = 0; i < game->processes; i++)
		clients += is_client(i);
	while (atomic_load(&gate->closed) < clients) {
		if (!crew_left() || atomic_load(&game->stop) || time(NULL) > end) {
			defect("client", "does not close its queues");
			give_up();
		}
	}
}

static void play_round(int file, int number)
{
	int kq;

	module_load(file);
	kq = queue_when_possible();
	atomic_store(&gate->closed, 0);
	atomic_store(&gate->round, number);
	if (!syscall(SYS_delete_module, MODULE, O_NONBLOCK)) {
		defect("delete_module", "done while a queue is open");
		give_up();
	}
	if (errno != EWOULDBLOCK)
		defect("delete_module", "while a queue is open: %s", strerror(errno));
	await_clients();
	missed_closes();
	close(kq);
	module_unload();
}

int main(int argc, char **argv)
{
	int file, count;

	family_executed(argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	count = argc == 3 ? atoi(argv[2]) : 0;
	file = count > 0 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	if (file < 0) {
		fprintf(stderr, "usage: reload MODULE.ko COUNT\n");
		return 1;
	}
	game_start();
	game->seed = 1;
	game->processes = 4;
	game->threads = 2;
	gate = mmap(NULL, sizeof(*gate), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (gate == MAP_FAILED || pthread_barrier_init(&together, NULL, (unsigned int)game->threads)) {
		perror("reload");
		return 1;
	}
	if (syscall(SYS_delete_module, MODULE, O_NONBLOCK) && errno != ENOENT) {
		perror(MODULE);
		return 1;
	}
	crew_start(run);
	for (int i = 1; i <= count; i++)
		play_round(file, i);
	atomic_store(&game->stop, true);
	while (crew_left())
		;
	crew_end();
	module_load(file);
	printf("# %d rounds, %lu calls, %lu events, %d defects\n", count, gate->calls,
	       game->events, game->defects);
	return game->defects ? 1 : 0;
}
