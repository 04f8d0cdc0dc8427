/* SPDX-License-Identifier: MIT */
/*
 * A TCP echo server on 127.0.0.1, one thread, one queue.
 *
 *   echo_server [port]    serve for ever (port 0: any free one, printed)
 *   echo_server --self    serve one connection of its own, then end
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_EVENTS 64

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int kq, int fd)
{
    struct kevent change;

    EV_SET(&change, fd, EVFILT_READ, EV_ADD, 0, 0, NULL);
    if (kevent(kq, &change, 1, NULL, 0, NULL) < 0)
        die("kevent: add");
}

/* Returns 0 when the connection is over. close() ends the registration too. */
static int echo(int fd)
{
    char buffer[4096];
    ssize_t got = read(fd, buffer, sizeof(buffer));
    ssize_t put, done = 0;

    while (done < got) {
        put = write(fd, buffer + done, (size_t)(got - done));
        if (put < 0)
            break;
        done += put;
    }
    if (got > 0 && done == got)
        return 1;
    close(fd);
    return 0;
}

static int listen_on(int port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        die("socket");
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, size) < 0)
        die("bind");
    if (listen(fd, 128) < 0)
        die("listen");
    getsockname(fd, (struct sockaddr *)&address, &size);
    printf("listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* A client that has said its word and hung up before the server runs. */
static int self_client(int listener)
{
    struct sockaddr_in address;
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    getsockname(listener, (struct sockaddr *)&address, &size);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
        die("connect");
    if (write(fd, "hello", 5) != 5 || shutdown(fd, SHUT_WR) < 0)
        die("client");
    return fd;
}

static int self_check(int client)
{
    char buffer[16];
    ssize_t got = read(client, buffer, sizeof(buffer));

    printf("echoed %d bytes\n", (int)got);
    return got == 5 && memcmp(buffer, "hello", 5) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    int self = argc > 1 && strcmp(argv[1], "--self") == 0;
    int listener = listen_on(argc > 1 && !self ? atoi(argv[1]) : 0);
    int client = self ? self_client(listener) : -1;
    int kq = kqueue();

    if (kq < 0)
        die("kqueue");
    watch(kq, listener);
    for (;;) {
        struct kevent events[MAX_EVENTS];
        int i, count = kevent(kq, NULL, 0, events, MAX_EVENTS, NULL);

        if (count < 0 && errno != EINTR)
            die("kevent: wait");
        for (i = 0; i < count; i++) {
            int fd = (int)events[i].ident;

            if (fd != listener) {
                if (!echo(fd) && self)
                    return self_check(client);
                continue;
            }
            /* data is the number of connections waiting. */
            fd = accept(listener, NULL, NULL);
            if (fd >= 0)
                watch(kq, fd);
        }
    }
}
