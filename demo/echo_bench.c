/* SPDX-License-Identifier: MIT */
/*
 * Owns part 3: one echo server with many TCP connections, run on kqueue and then on epoll.
 *
 *   echo_bench [connections [seconds]]    (1000 connections, 4 seconds of load on each)
 *
 * The load comes from a second process: in each round it writes a message on every connection, then
 * reads every answer and compares all of its bytes. Both servers are level triggered and the same
 * code; only the few lines behind struct poller differ. They take turns, so that what else the
 * machine does meets both. The numbers are shown, not judged.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

#define MESSAGE 256
#define BATCH 256
#define TURNS 2

/* What the server asks of the kernel. Errors end the program. */
struct poller {
    const char *name;
    int (*open)(void);
    void (*watch)(int queue, int fd);
    /* Sets fds to the readable descriptors and returns how many; 0 if the patience is over. */
    int (*wait)(int queue, int *fds);
};

struct result {
    long messages; /* that the client sent, got back and compared */
    long long bytes;
    long events, waits;
    long changes;         /* system calls that only register */
    int served;           /* connections that were accepted and have ended */
    double seconds, busy; /* by the clock, and of the server's processor time */
};

/* The message that is sent again and again on one connection, numbered in front. */
struct message {
    unsigned connection, round;
    unsigned char text[MESSAGE - 2 * sizeof(unsigned)];
};

static long change_calls;

/* Additions go along with the next wait: one system call for all of them. */
static struct kevent changes[BATCH];
static int nchanges;

static void kqueue_apply(int queue)
{
    if (kevent(queue, changes, nchanges, NULL, 0, NULL) < 0)
        die("kevent: EV_ADD");
    nchanges = 0;
    change_calls++;
}

static void kqueue_watch(int queue, int fd)
{
    EV_SET(&changes[nchanges++], fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
    if (nchanges == BATCH)
        kqueue_apply(queue);
}

static int kqueue_wait(int queue, int *fds)
{
    const struct timespec patience = {DEMO_PATIENCE_S, 0};
    struct kevent events[BATCH];
    int i, count = kevent(queue, changes, nchanges, events, BATCH, &patience);

    if (count < 0)
        die("kevent");
    nchanges = 0;
    for (i = 0; i < count; i++) {
        if (events[i].flags & EV_ERROR) {
            errno = (int)events[i].data;
            die("kevent: EV_ADD");
        }
        fds[i] = (int)events[i].ident;
    }
    return count;
}

static int epoll_open(void)
{
    return epoll_create1(0);
}

static void epoll_watch(int queue, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
    change_calls++;
}

static int epoll_wait_fds(int queue, int *fds)
{
    struct epoll_event events[BATCH];
    int i, count = epoll_wait(queue, events, BATCH, DEMO_PATIENCE_S * 1000);

    if (count < 0)
        die("epoll_wait");
    for (i = 0; i < count; i++)
        fds[i] = events[i].data.fd;
    return count;
}

static const struct poller pollers[] = {
    {"kqueue", kqueue, kqueue_watch, kqueue_wait},
    {"epoll", epoll_open, epoll_watch, epoll_wait_fds},
};

static double now(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void raise_limit(rlim_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        die("getrlimit");
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted;
        if (limit.rlim_max < wanted)
            limit.rlim_max = wanted;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            die("setrlimit: RLIMIT_NOFILE");
    }
}

static int listen_on_loopback(struct sockaddr_in *address, int connections)
{
    socklen_t size = sizeof(*address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) < 0 || listen(fd, connections) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) < 0)
        die("listen");
    return fd;
}

/* The client process. */

static _Noreturn void client_fails(const char *what)
{
    printf("  FAIL  client: %s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

static int connect_to(const struct sockaddr_in *address)
{
    const struct timeval limit = {DEMO_PATIENCE_S, 0};
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
        client_fails("connect");
    return fd;
}

static void fill(struct message *message, unsigned connection, unsigned round)
{
    size_t i;

    message->connection = connection;
    message->round = round;
    for (i = 0; i < sizeof(message->text); i++)
        message->text[i] = (unsigned char)(connection * 31 + round * 7 + i);
}

static void send_round(const int *fds, int connections, unsigned round)
{
    struct message message;
    int i;

    for (i = 0; i < connections; i++) {
        fill(&message, (unsigned)i, round);
        if (write(fds[i], &message, sizeof(message)) != sizeof(message))
            client_fails("write");
    }
}

static void compare_round(const int *fds, int connections, unsigned round)
{
    struct message wanted, got;
    int i;

    for (i = 0; i < connections; i++) {
        errno = 0;
        if (recv(fds[i], &got, sizeof(got), MSG_WAITALL) != sizeof(got))
            client_fails("no complete answer");
        fill(&wanted, (unsigned)i, round);
        if (memcmp(&wanted, &got, sizeof(got)))
            client_fails("the answer differs");
    }
}

/* Ends each connection; nothing more may arrive on it. */
static void hang_up(const int *fds, int connections)
{
    char byte;
    int i;

    for (i = 0; i < connections; i++)
        if (shutdown(fds[i], SHUT_WR) < 0)
            client_fails("shutdown");
    for (i = 0; i < connections; i++)
        if (recv(fds[i], &byte, 1, 0) != 0)
            client_fails("no end of the connection");
}

static _Noreturn void client(const struct sockaddr_in *address, int connections, double seconds,
                             int report)
{
    long messages = 0;
    int i, *fds = calloc((size_t)connections, sizeof(*fds));
    unsigned round = 0;
    double start;

    if (!fds)
        client_fails("calloc");
    for (i = 0; i < connections; i++)
        fds[i] = connect_to(address);
    start = now(CLOCK_MONOTONIC);
    do {
        send_round(fds, connections, round);
        compare_round(fds, connections, round);
        messages += connections;
        round++;
    } while (now(CLOCK_MONOTONIC) - start < seconds);
    hang_up(fds, connections);
    if (write(report, &messages, sizeof(messages)) != sizeof(messages))
        client_fails("report");
    _exit(0);
}

/* The server. */

static void accept_all(const struct poller *poller, int queue, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        poller->watch(queue, fd);
    if (errno != EAGAIN)
        die("accept");
}

/* A client has at most one message on its way, so there is always room for the answer. */
static void echo(int fd, struct result *result)
{
    char buffer[MESSAGE];
    ssize_t got = read(fd, buffer, sizeof(buffer));

    if (got < 0 && errno != EAGAIN)
        die("read");
    if (got > 0) {
        if (write(fd, buffer, (size_t)got) != got)
            die("write");
        result->bytes += got;
    }
    if (got == 0) {
        close(fd);
        result->served++;
    }
}

/* Until all clients have hung up. */
static void serve(const struct poller *poller, int queue, int listener, int connections,
                  struct result *result)
{
    int fds[BATCH], i, count;

    poller->watch(queue, listener);
    while (result->served < connections) {
        count = poller->wait(queue, fds);
        if (count == 0)
            break; /* the client is gone: the checks will say so */
        result->waits++;
        result->events += count;
        for (i = 0; i < count; i++) {
            if (fds[i] == listener)
                accept_all(poller, queue, listener);
            else
                echo(fds[i], result);
        }
    }
}

/* One turn: adds to result, and checks what was added. */
static void take_turn(const struct poller *poller, int connections, double seconds,
                      struct result *result)
{
    struct result turn = {0};
    struct sockaddr_in address;
    int report[2], status, listener = listen_on_loopback(&address, connections), queue;
    pid_t pid;

    fflush(stdout);
    if (pipe(report) < 0 || (pid = fork()) < 0)
        die("fork");
    if (pid == 0)
        client(&address, connections, seconds, report[1]);
    close(report[1]);
    queue = poller->open();
    if (queue < 0)
        die(poller->name);
    change_calls = 0;
    turn.seconds = -now(CLOCK_MONOTONIC);
    turn.busy = -now(CLOCK_PROCESS_CPUTIME_ID);
    serve(poller, queue, listener, connections, &turn);
    turn.busy += now(CLOCK_PROCESS_CPUTIME_ID);
    turn.seconds += now(CLOCK_MONOTONIC);
    turn.changes = change_calls;
    if (read(report[0], &turn.messages, sizeof(turn.messages)) != sizeof(turn.messages))
        turn.messages = 0;
    close(report[0]);
    close(queue);
    close(listener);
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid");
    check(status == 0 && turn.served == connections && turn.messages > 0 &&
              turn.bytes == turn.messages * MESSAGE,
          "%-6s  %d connections, %ld messages of %d bytes: every byte came back", poller->name,
          turn.served, turn.messages, MESSAGE);
    result->messages += turn.messages;
    result->events += turn.events;
    result->waits += turn.waits;
    result->changes += turn.changes;
    result->served += turn.served;
    result->seconds += turn.seconds;
    result->busy += turn.busy;
}

static void row(const char *what, double kqueue_value, double epoll_value)
{
    say("%-36s %10.0f %10.0f", what, kqueue_value, epoll_value);
}

static void compare(const struct result *k, const struct result *e)
{
    printf("\n");
    say("%-36s %10s %10s", "", "kqueue", "epoll");
    row("connections, in all turns", k->served, e->served);
    row("messages per second", (double)k->messages / k->seconds, (double)e->messages / e->seconds);
    row("events per second", (double)k->events / k->seconds, (double)e->events / e->seconds);
    row("events per wait", (double)k->events / (double)k->waits,
        (double)e->events / (double)e->waits);
    row("system calls that only register", (double)k->changes, (double)e->changes);
    row("microseconds of server per message", k->busy * 1e6 / (double)k->messages,
        e->busy * 1e6 / (double)e->messages);
}

int main(int argc, char **argv)
{
    struct result results[2] = {{.served = 0}, {.served = 0}};
    int i, connections = argc > 1 ? atoi(argv[1]) : 1000;
    double seconds = argc > 2 ? atof(argv[2]) : 4;

    if (connections < 1)
        return 2;
    /* A client that fails must not take the server with it. */
    signal(SIGPIPE, SIG_IGN);
    raise_limit((rlim_t)connections + 64);
    for (i = 0; i < 2 * TURNS; i++)
        take_turn(&pollers[i % 2], connections, seconds / TURNS, &results[i % 2]);
    if (!demo_failures)
        compare(&results[0], &results[1]);
    return demo_verdict();
}
