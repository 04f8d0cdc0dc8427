// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the processes of the game and their threads: starts them all together,
 * reaps them, and says what became of them.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "actions.h"

static pthread_barrier_t started, over;
static void (*play)(struct thread *t);
static int left;

static void rest(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	nanosleep(&pause, NULL);
}

static void *begin(void *argument)
{
	struct thread *t = argument;

	pthread_barrier_wait(&started);
	play(t);
	/* The others send us signals: a thread that was joined has no number any more. */
	pthread_barrier_wait(&over);
	uring_end(t);
	return NULL;
}

/* One process: leaves when the others have ended too, as they send signals to it. */
static void __attribute__((noreturn)) player(int process)
{
	static struct thread threads[THREADS];

	channels_join(process);
	descriptors_start();
	pthread_barrier_init(&started, NULL, (unsigned int)game->threads + 1);
	pthread_barrier_init(&over, NULL, (unsigned int)game->threads);
	for (int i = 0; i < game->threads; i++) {
		threads[i].process = process;
		threads[i].index = i;
		threads[i].peers = threads;
		if (pthread_create(&threads[i].id, NULL, begin, &threads[i])) {
			defect("pthread_create", "process %d", process);
			exit(1);
		}
	}
	atomic_fetch_add(&game->ready, 1);
	while (atomic_load(&game->ready) < game->processes)
		rest();
	pthread_barrier_wait(&started);
	for (int i = 0; i < game->threads; i++)
		pthread_join(threads[i].id, NULL);
	descriptors_end();
	processes_end();
	atomic_fetch_add(&game->finished, 1);
	while (atomic_load(&game->finished) < game->processes)
		rest();
	exit(0);
}

/* Every thread of every process runs this, until it returns. */
void crew_start(void (*run)(struct thread *t))
{
	play = run;
	tree_start();
	processes_start();
	channels_start();
	for (int i = 0; i < game->processes; i++) {
		pid_t pid = fork();

		if (!pid)
			player(i);
		if (pid < 0) {
			perror("fork");
			exit(1);
		}
		game->players[i] = pid;
	}
	left = game->processes;
	channels_end();
}

/* After a moment: reaps what ended, orphans too. False when all have ended. */
bool crew_left(void)
{
	int status, pid;

	rest();
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (int i = 0; i < game->processes; i++) {
			if (game->players[i] != pid)
				continue;
			left--;
			if (!status)
				continue;
			defect("process", "number %d ended with status %#x", i, status);
			atomic_store(&game->stop, true);
			/* The others wait for it. */
			atomic_fetch_add(&game->ready, 1);
			atomic_fetch_add(&game->finished, 1);
		}
	}
	return left > 0;
}

void crew_kill(void)
{
	for (int i = 0; i < game->processes; i++)
		kill(game->players[i], SIGKILL);
}

void crew_end(void)
{
	processes_end();
	tree_end();
}
