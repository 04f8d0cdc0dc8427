/* SPDX-License-Identifier: MIT */
/*
 * Owns part 1: a socket that is registered before it listens still reports its connections.
 *
 * This order of calls once left programs on FreeBSD waiting for ever: READ and WRITE are added to a
 * socket that is neither bound nor listening, and only then does it become a listener. Every client
 * is a process of its own with a TCP connection of its own.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo.h"

#define CLIENTS 5
#define LINE_SIZE 64

static const struct timespec patience = {DEMO_PATIENCE_S, 0};
static const struct timespec at_once = {0, 0};

static void client_line(char *line, int number)
{
    snprintf(line, LINE_SIZE, "hello from client %d\n", number);
}

/* A client: connects, says its line, wants to hear the same. Never returns. */
static void client(int number, const struct sockaddr_in *address)
{
    const struct timeval limit = {DEMO_PATIENCE_S, 0};
    char line[LINE_SIZE], heard[LINE_SIZE];
    size_t size, have = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    client_line(line, number);
    size = strlen(line);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
        write(fd, line, size) != (ssize_t)size)
        _exit(1);
    while (have < size) {
        ssize_t got = read(fd, heard + have, size - have);

        if (got <= 0)
            _exit(1);
        have += (size_t)got;
    }
    _exit(memcmp(line, heard, size) ? 1 : 0);
}

static pid_t start_client(int number, const struct sockaddr_in *address)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        client(number, address);
    return pid;
}

/* What asio adds for every socket, in one call. */
static void add_read_and_write(int kq, int fd)
{
    struct kevent changes[2];

    EV_SET(&changes[0], fd, EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0, NULL);
    EV_SET(&changes[1], fd, EVFILT_WRITE, EV_ADD | EV_CLEAR, 0, 0, NULL);
    if (kevent(kq, changes, 2, NULL, 0, NULL) < 0)
        die("kevent: EV_ADD");
}

static int pending(int kq, struct kevent *events, int room)
{
    int count = kevent(kq, NULL, 0, events, room, &at_once);

    if (count < 0)
        die("kevent");
    return count;
}

static void bind_to_loopback(int fd, struct sockaddr_in *address)
{
    socklen_t size = sizeof(*address);

    memset(address, 0, sizeof(*address));
    address->sin_family = AF_INET;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, (struct sockaddr *)address, size) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) < 0)
        die("bind");
}

/* Accepts all and adds READ for each; true if there were exactly CLIENTS. */
static bool accept_all(int kq, int listener)
{
    int fd, count = 0;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct kevent change;

        EV_SET(&change, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
        if (kevent(kq, &change, 1, NULL, 0, NULL) < 0)
            die("kevent: EV_ADD of a connection");
        count++;
    }
    return errno == EAGAIN && count == CLIENTS;
}

/* Echoes until every client has closed. Returns the lines sent back, or -1 for a wrong event. */
static int echo_all(int kq, int listener)
{
    int open = CLIENTS, lines = 0;

    while (open > 0) {
        struct kevent event;
        char line[LINE_SIZE];
        ssize_t got;

        if (kevent(kq, NULL, 0, &event, 1, &patience) != 1 || event.filter != EVFILT_READ ||
            event.ident == (uintptr_t)listener)
            return -1;
        got = read((int)event.ident, line, sizeof(line));
        if (got < 0 || got != event.data)
            return -1;
        if (got == 0) {
            if (!(event.flags & EV_EOF))
                return -1;
            close((int)event.ident);
            open--;
        } else {
            if (write((int)event.ident, line, (size_t)got) != got)
                return -1;
            lines++;
        }
    }
    return lines;
}

static int clients_content(const pid_t *pids)
{
    int i, status, content = 0;

    for (i = 0; i < CLIENTS; i++)
        if (waitpid(pids[i], &status, 0) == pids[i] && status == 0)
            content++;
    return content;
}

static void demonstrate(bool add_again)
{
    struct sockaddr_in address;
    struct kevent events[4];
    pid_t pids[CLIENTS];
    int i, count, lines, kq = kqueue();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (kq < 0 || listener < 0)
        die("kqueue, socket");
    printf("\n  %s\n",
           add_again ? "the same EV_ADDs again after listen()" : "no second EV_ADD after listen()");

    say("socket(), EV_ADD READ and WRITE with EV_CLEAR: neither bound nor listening yet");
    add_read_and_write(kq, listener);
    check(pending(kq, events, 4) == 0, "a socket that was never connected has no event");

    say("bind(), listen()%s", add_again ? ", the same EV_ADDs" : "");
    bind_to_loopback(listener, &address);
    if (listen(listener, CLIENTS) < 0)
        die("listen");
    if (add_again)
        add_read_and_write(kq, listener);
    check(pending(kq, events, 4) == 0, "a listener without connections has no event");

    for (i = 0; i < CLIENTS; i++) {
        pids[i] = start_client(i + 1, &address);
        count = kevent(kq, NULL, 0, events, 4, &patience);
        if (count < 0)
            die("kevent: wait");
        check(count == 1 && events[0].ident == (uintptr_t)listener &&
                  events[0].filter == EVFILT_READ && events[0].data == i + 1,
              "client %d connects: kevent() gives READ, data %d; nothing for WRITE", i + 1,
              count > 0 ? (int)events[0].data : -1);
    }
    check(pending(kq, events, 4) == 0, "EV_CLEAR: one event for each connection, no more");
    add_read_and_write(kq, listener);
    count = pending(kq, events, 4);
    check(count == 1 && events[0].filter == EVFILT_READ && events[0].data == CLIENTS,
          "EV_ADD again: READ once more, data %d, since nothing was accepted",
          count > 0 ? (int)events[0].data : -1);

    check(accept_all(kq, listener), "accept() %d times, then EAGAIN", CLIENTS);
    lines = echo_all(kq, listener);
    check(lines == CLIENTS, "%d lines echoed, no event for the listener any more", lines);
    count = clients_content(pids);
    check(count == CLIENTS, "%d clients read what they had written", count);
    close(listener);
    close(kq);
}

int main(void)
{
    demonstrate(true);
    demonstrate(false);
    return demo_verdict();
}
