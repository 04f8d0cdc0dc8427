/* SPDX-License-Identifier: MIT */
/*
 * Keeps workers, and takes its orders by signals: EVFILT_SIGNAL counts them
 * without a handler and without a blocked signal, EVFILT_PROC tells who ended.
 *
 *   signal_loop COMMAND [ARGUMENT]...    start one worker that runs COMMAND
 *
 *   SIGUSR1          start one more, for each signal
 *   SIGHUP           say how many there are
 *   SIGTERM, SIGINT  end the workers, by force if they take too long
 *
 * Ends with the last worker: status 0 if it was told to, or if all were well.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORKERS 64
#define PATIENCE_MS 2000

static const int orders[] = {SIGUSR1, SIGHUP, SIGTERM, SIGINT};
#define ORDERS (int)(sizeof(orders) / sizeof(orders[0]))

static pid_t workers[MAX_WORKERS];
static int kq, running, stopping, failed;

static void die(const char *what)
{
    int error = errno;

    fprintf(stderr, "signal_loop: %s: %s\n", what, strerror(error));
    if (error == ENOSYS)
        fputs("signal_loop: load the kernel module first: modprobe kqueue\n", stderr);
    exit(1);
}

static void add(uintptr_t ident, int filter, int flags, unsigned int notes, intptr_t data)
{
    struct kevent change;

    EV_SET(&change, ident, filter, EV_ADD | flags, notes, data, NULL);
    if (kevent(kq, &change, 1, NULL, 0, NULL) < 0)
        die("kevent: add");
}

/* The event comes when a signal is generated; what else becomes of it is our own affair. */
static void watch_signals(void)
{
    int i;

    for (i = 0; i < ORDERS; i++) {
        add((uintptr_t)orders[i], EVFILT_SIGNAL, 0, 0, 0);
        /* Otherwise it would end the program. Not before it is watched, so none is lost. */
        signal(orders[i], SIG_IGN);
    }
    /* Ignored anyway; SIG_IGN would mean more: that there are no zombies, and no signal. */
    add(SIGCHLD, EVFILT_SIGNAL, 0, 0, 0);
}

/* Not fork(): until it runs the command, a child would ignore our signals as we do. */
static void start_worker(char **command)
{
    posix_spawnattr_t how;
    sigset_t again;
    pid_t worker;
    int i;

    if (stopping || running == MAX_WORKERS)
        return;
    sigemptyset(&again);
    for (i = 0; i < ORDERS; i++)
        sigaddset(&again, orders[i]);
    posix_spawnattr_init(&how);
    posix_spawnattr_setsigdefault(&how, &again);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF);
    errno = posix_spawnp(&worker, command[0], NULL, &how, command, environ);
    if (errno)
        die(command[0]);
    posix_spawnattr_destroy(&how);
    /* One that has ended already is reported too, until it is waited for. */
    add((uintptr_t)worker, EVFILT_PROC, 0, NOTE_EXIT, 0);
    workers[running++] = worker;
    printf("worker %d started\n", (int)worker);
}

static void end_workers(int signal_number)
{
    int i;

    for (i = 0; i < running; i++)
        kill(workers[i], signal_number);
}

static void worker_ended(pid_t worker, int status)
{
    int i;

    if (WIFSIGNALED(status))
        printf("worker %d was ended by signal %d\n", (int)worker, WTERMSIG(status));
    else
        printf("worker %d ended with status %d\n", (int)worker, WEXITSTATUS(status));
    failed |= status != 0;
    for (i = 0; workers[i] != worker; i++)
        ;
    workers[i] = workers[--running];
    waitpid(worker, NULL, 0); /* its number is not used again before this */
}

/* SIGCHLD also tells what EVFILT_PROC does not: that a worker was stopped, or goes on. */
static void say_stopped(void)
{
    siginfo_t info;

    for (;;) {
        info.si_pid = 0;
        if (waitid(P_ALL, 0, &info, WSTOPPED | WCONTINUED | WNOHANG) < 0 || info.si_pid == 0)
            return;
        printf("worker %d %s\n", (int)info.si_pid,
               info.si_code == CLD_CONTINUED ? "goes on" : "was stopped");
    }
}

static void obey(int number, intptr_t times, char **command)
{
    switch (number) {
    case SIGUSR1:
        while (times-- > 0)
            start_worker(command);
        break;
    case SIGHUP:
        printf("%d running\n", running);
        break;
    case SIGCHLD:
        say_stopped();
        break;
    default: /* SIGTERM, SIGINT */
        printf("ending\n");
        stopping = 1;
        end_workers(SIGTERM);
        add(0, EVFILT_TIMER, EV_ONESHOT, NOTE_MSECONDS, PATIENCE_MS);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("usage: signal_loop COMMAND [ARGUMENT]...\n", stderr);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    kq = kqueue1(O_CLOEXEC);
    if (kq < 0)
        die("kqueue");
    watch_signals();
    start_worker(argv + 1);
    while (running > 0) {
        struct kevent events[16];
        int i, count = kevent(kq, NULL, 0, events, 16, NULL);

        if (count < 0 && errno != EINTR)
            die("kevent: wait");
        for (i = 0; i < count; i++) {
            if (events[i].filter == EVFILT_SIGNAL)
                obey((int)events[i].ident, events[i].data, argv + 1);
            else if (events[i].filter == EVFILT_PROC)
                worker_ended((pid_t)events[i].ident, (int)events[i].data);
            else
                end_workers(SIGKILL); /* the timer: our patience is over */
        }
    }
    return stopping || !failed ? 0 : 1;
}
