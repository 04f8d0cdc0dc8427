// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the processes and signals of the game: children that fork, exec and end
 * in every way, while others watch their numbers.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actions.h"

/* Signals that come at random: ignored, handled, blocked, queued. */
int game_signal(struct thread *t)
{
	const int signals[] = { SIGUSR1, SIGUSR2, SIGURG, SIGRTMIN + 1, SIGRTMAX };

	return signals[rnd(t, 5)];
}

static void game_handler(int signo)
{
	(void)signo;
}

/* Before the first fork. */
void processes_start(void)
{
	const struct sigaction handled = { .sa_handler = game_handler, .sa_flags = SA_RESTART };
	sigset_t blocked;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	sigaction(SIGRTMIN + 1, &handled, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR2);
	sigaddset(&blocked, SIGRTMAX);
	/* Threads inherit it. */
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	/* Orphans come to us, so that none is left when files are counted. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* To this process, to one of its threads, to another process. */
void act_signal(struct thread *t)
{
	const union sigval value = { .sival_int = 1 };
	int signo = game_signal(t), error;

	switch (rnd(t, 5)) {
	case 0:
		kill(getpid(), signo);
		break;
	case 1:
		sigqueue(getpid(), signo, value);
		break;
	case 2:
		syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signo);
		break;
	case 3:
		/* EAGAIN: as many as may wait do already. */
		error = pthread_kill(t->peers[rnd(t, (uint32_t)game->threads)].id, signo);
		if (error && error != EAGAIN)
			defect("pthread_kill", "%s", strerror(error));
		break;
	case 4:
		if (kill(game->players[rnd(t, (uint32_t)game->processes)], signo) &&
		    errno != EAGAIN)
			defect("kill", "%s", strerror(errno));
		break;
	}
}

/* Waits for the end of a child, which must have gone well. */
void reap(const char *what, pid_t pid)
{
	int status;

	if (pid < 0) {
		defect(what, "%s", strerror(errno));
		return;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			defect(what, "waitpid: %s", strerror(errno));
			return;
		}
	}
	if (status)
		defect(what, "the child ended with status %#x", status);
}

/* What one process of the game does; only system calls, other threads held locks. */
static void __attribute__((noreturn)) life(struct thread *t, int depth)
{
	char *const arguments[] = { "stress", "--true", NULL };
	char *const environment[] = { NULL };

	if (depth < 2) {
		for (uint32_t n = rnd(t, 3); n; n--) {
			pid_t pid = fork();

			if (!pid) {
				t->random += n;
				life(t, depth + 1);
			}
			if (pid > 0 && rnd(t, 2))
				waitpid(pid, NULL, 0);
		}
	}
	switch (rnd(t, 4)) {
	case 0:
		execve("/proc/self/exe", arguments, environment);
		_exit(3);
	case 1:
		kill(getpid(), SIGKILL);
		break;
	}
	_exit((int)rnd(t, 256));
}

/* Reaps the child of a place if it has ended, else makes one there. */
void act_process(struct thread *t)
{
	atomic_int *place = &game->children[t->process][rnd(t, CHILDREN)];
	int pid = atomic_exchange(place, 0), other;

	if (pid) {
		if (waitpid(pid, NULL, rnd(t, 2) ? WNOHANG : 0) == pid)
			return;
	} else {
		pid = fork();
		if (!pid)
			life(t, 0);
		if (pid < 0) {
			defect("fork", "%s", strerror(errno));
			return;
		}
	}
	/* Another thread may have taken the place meanwhile. */
	other = atomic_exchange(place, pid);
	if (other && waitpid(other, NULL, 0) != other)
		defect("waitpid", "%s", strerror(errno));
}

/* A number to watch: a child of anyone, this process, init, or what may not exist. */
uintptr_t game_pid(struct thread *t)
{
	int process = (int)rnd(t, (uint32_t)game->processes);
	int pid = atomic_load(&game->children[process][rnd(t, CHILDREN)]);

	switch (rnd(t, 8)) {
	case 0:
		return (uintptr_t)getpid();
	case 1:
		return 1;
	case 2:
		return (uintptr_t)pid + 1;
	case 3:
		return (uintptr_t)game->players[process];
	}
	return pid ? (uintptr_t)pid : (uintptr_t)getpid();
}

/* In each process, after its threads. */
void processes_end(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}
