// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the game: processes of several threads each perform random calls on queues
 * and descriptors of their own, exchange them, and share files, while processes
 * come and go. Every answer is judged while it runs, and what is left when it ended.
 *
 * Usage: stress [-s SECONDS | -c CALLS] [-S SEED] [-t THREADS] [-p PROCESSES]
 *
 * Plays for so many seconds (10), or until so many calls are performed by all
 * together. THREADS (4) are those of each of the PROCESSES (4). What call number N
 * of a thread chooses depends on the seed (1) alone.
 * Exit status: 0 good, 1 bad, 4 no kqueue.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions.h"
#include "leak.h"

#define STALL	180	/* seconds without any call: something hangs */

/* How often each comes, relative to the others. */
static const struct action actions[] = {
	{ "register", act_register, 600 },
	{ "change", act_change, 300 },
	{ "batch", act_batch, 100 },
	{ "wait", act_wait, 600 },
	{ "trigger", act_trigger, 200 },
	{ "queue_open", act_queue_open, 30 },
	{ "queue_close", act_queue_close, 8 },
	{ "queue_dup", act_queue_dup, 15 },
	{ "queue_watched", act_queue_watched, 20 },
	{ "io", act_io, 600 },
	{ "open", act_open, 200 },
	{ "close", act_close, 100 },
	{ "dup", act_dup, 60 },
	{ "close_range", act_close_range, 20 },
	{ "connect", act_connect, 20 },
	{ "send", act_send, 40 },
	{ "receive", act_receive, 40 },
	{ "words", act_words, 300 },
	{ "ioctl", act_ioctl, 300 },
	{ "poll", act_poll, 100 },
	{ "select", act_select, 60 },
	{ "epoll", act_epoll, 200 },
	{ "uring", act_uring, 60 },
	{ "fdinfo", act_fdinfo, 30 },
	{ "signal", act_signal, 150 },
	{ "tree", act_tree, 300 },
	{ "tree_open", act_tree_open, 100 },
	{ "mount", act_mount, 5 },
	{ "process", act_process, 4 },
	{ "fork", act_fork, 2 },
	{ "vfork", act_vfork, 2 },
	{ "spawn", act_spawn, 1 },
	{ "share", act_share, 3 },
	{ "unshare", act_unshare, 3 },
	{ "exec", act_exec, 1 },
};

static_assert(ARRAY_SIZE(actions) <= ACTIONS);

static unsigned long calls(void)
{
	unsigned long sum = 0;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		sum += atomic_load(&game->performed[i]);
	return sum;
}

static void run(struct thread *t)
{
	/* This one stays: the module takes its time to find a close it was not told of. */
	if (!t->index)
		queue_open(QUEUE_BASE);
	while (!atomic_load(&game->stop) && (!game->calls || t->number < game->calls)) {
		size_t i;

		choose(t);
		i = pick(t, actions, ARRAY_SIZE(actions));
		actions[i].act(t);
		atomic_fetch_add(&game->performed[i], 1);
	}
}

static void play(int seconds)
{
	unsigned long before = 0;
	time_t now = time(NULL), end = now + seconds, stalled = now + STALL;

	crew_start(run);
	while (crew_left()) {
		unsigned long sum = calls();

		now = time(NULL);
		if (!game->calls && now >= end)
			atomic_store(&game->stop, true);
		if (sum != before)
			stalled = now + STALL;
		before = sum;
		if (now >= stalled) {
			defect("call", "none ended for %d seconds", STALL);
			crew_kill();
		}
	}
	crew_end();
}

/* Returns how long to play. */
static int options(int argc, char **argv)
{
	int seconds = 10, option;
	unsigned long wanted = 0;

	game->seed = 1;
	game->threads = 4;
	game->processes = 4;
	while ((option = getopt(argc, argv, "s:c:S:t:p:")) != -1) {
		switch (option) {
		case 's':
			seconds = atoi(optarg);
			break;
		case 'c':
			wanted = strtoul(optarg, NULL, 0);
			break;
		case 'S':
			game->seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			game->threads = atoi(optarg);
			break;
		case 'p':
			game->processes = atoi(optarg);
			break;
		default:
			exit(1);
		}
	}
	if (optind != argc || seconds < 1 || game->threads < 1 || game->threads > THREADS ||
	    game->processes < 1 || game->processes > PROCESSES) {
		fprintf(stderr,
			"usage: stress [-s SECONDS | -c CALLS] [-S SEED] [-t THREADS] [-p PROCESSES]\n"
			"at most %d threads of each of %d processes\n", THREADS, PROCESSES);
		exit(1);
	}
	if (wanted) {
		unsigned long players = (unsigned long)game->processes * (unsigned long)game->threads;

		game->calls = (wanted + players - 1) / players;
	}
	return seconds;
}

int main(int argc, char **argv)
{
	struct leak_counts before;
	int seconds, leaks, kq;

	family_executed(argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	game_start();
	seconds = options(argc, argv);
	kq = kqueue();
	if (kq < 0) {
		printf("# skipped: kqueue: %s\n", strerror(errno));
		return 4;
	}
	close(kq);
	printf("# stress: seed %ju, %d processes of %d threads, ", (uintmax_t)game->seed,
	       game->processes, game->threads);
	if (game->calls)
		printf("%lu calls each thread\n", game->calls);
	else
		printf("%d s\n", seconds);
	leak_count(&before);
	play(seconds);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		printf("# %-14s %lu\n", actions[i].name, game->performed[i]);
	printf("# refused changes %lu\n", game->refused);
	printf("# missed closes %llu\n", missed_closes());
	leaks = leak_check(&before, 20);
	if (!game->events)
		defect("wait", "no event at all");
	printf("# %lu calls, %lu events, %d defects, %d leaks\n", calls(), game->events,
	       game->defects, leaks);
	return game->defects || leaks ? 1 : 0;
}
