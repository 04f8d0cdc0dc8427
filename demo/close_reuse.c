/* SPDX-License-Identifier: MIT */
/*
 * Owns part 4: a descriptor that is closed, and its number used again, leaves nothing behind.
 *
 * The same steps are shown on epoll, which ties a registration to the open file and not to the
 * number: it lives on as long as a duplicate does, and cannot be removed any more.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/event.h>
#include <sys/socket.h>
#include <unistd.h>

#include "demo.h"

static const struct timespec patience = {DEMO_PATIENCE_S, 0};

/* Two ends of a connection: watched is registered, writes to peer make it readable. */
struct pair {
    int watched;
    int peer;
};

static struct pair open_pair(void)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        die("socketpair");
    return (struct pair){fds[0], fds[1]};
}

static void make_readable(const struct pair *pair)
{
    if (write(pair->peer, "x", 1) != 1)
        die("write");
}

static int duplicate(int fd)
{
    int copy = dup(fd);

    if (copy < 0)
        die("dup");
    return copy;
}

/* The number the next descriptor would get is taken by one that was opened elsewhere. */
static void reuse_number(int number, int *fd)
{
    int got = dup2(*fd, number);

    if (got != number)
        die("dup2");
    close(*fd);
    *fd = got;
}

static int change(int kq, int fd, unsigned short flags)
{
    struct kevent change;

    EV_SET(&change, fd, EVFILT_READ, flags, 0, 0, NULL);
    return kevent(kq, &change, 1, NULL, 0, NULL);
}

/* Registrations of fd that /proc/self/fdinfo lists for the queue; fd -1: of any. */
static int knotes(int kq, int fd)
{
    char path[64], line[512], wanted[64];
    int count = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
    snprintf(wanted, sizeof(wanted), "knote: ident=%d ", fd);
    file = fopen(path, "r");
    if (!file)
        die(path);
    while (fgets(line, sizeof(line), file))
        count += !strncmp(line, fd < 0 ? "knote: " : wanted, strlen(fd < 0 ? "knote: " : wanted));
    fclose(file);
    return count;
}

static void show_fdinfo(int kq)
{
    char path[64], line[512];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", kq);
    file = fopen(path, "r");
    if (!file)
        die(path);
    while (fgets(line, sizeof(line), file)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "kqueue:", 7) || !strncmp(line, "knote:", 6))
            say("  fdinfo | %s", line);
    }
    fclose(file);
}

/*
 * True if the queue has an event of the fence and none before or beside it. The fence is made ready
 * after everything that could have made an event, so this needs no waiting for nothing to happen.
 */
static bool nothing_but(int kq, const struct pair *fence)
{
    struct kevent events[8];
    char byte;
    int count;

    make_readable(fence);
    count = kevent(kq, NULL, 0, events, 8, &patience);
    if (count < 0)
        die("kevent");
    if (read(fence->watched, &byte, 1) != 1)
        die("read");
    return count == 1 && events[0].ident == (uintptr_t)fence->watched;
}

static void closed_with_duplicate(int kq, const struct pair *fence)
{
    struct pair pair = open_pair();
    int copy = duplicate(pair.watched);

    printf("\n  kqueue: closed while a duplicate is open\n");
    if (change(kq, pair.watched, EV_ADD) < 0)
        die("EV_ADD");
    show_fdinfo(kq);
    check(knotes(kq, pair.watched) == 1, "descriptor %d is registered", pair.watched);
    say("close(%d), its duplicate %d stays open; then data arrives", pair.watched, copy);
    close(pair.watched);
    make_readable(&pair);
    show_fdinfo(kq);
    check(knotes(kq, pair.watched) == 0, "the registration went with the number");
    check(nothing_but(kq, fence), "no event");
    close(copy);
    close(pair.peer);
}

static void pending_then_closed(int kq, const struct pair *fence)
{
    struct pair pair = open_pair();
    int copy = duplicate(pair.watched);

    printf("\n  kqueue: closed while its event is pending\n");
    if (change(kq, pair.watched, EV_ADD) < 0)
        die("EV_ADD");
    make_readable(&pair);
    show_fdinfo(kq);
    check(knotes(kq, pair.watched) == 1, "descriptor %d has data, its event waits", pair.watched);
    say("close(%d)", pair.watched);
    close(pair.watched);
    check(knotes(kq, pair.watched) == 0, "the registration went, with its event");
    check(nothing_but(kq, fence), "the event is never delivered");
    close(copy);
    close(pair.peer);
}

static void number_reused(int kq, const struct pair *fence)
{
    struct pair old = open_pair(), new = open_pair();
    int number = old.watched, copy = duplicate(number), failed, reason;
    struct kevent event;

    printf("\n  kqueue: the number used again\n");
    if (change(kq, number, EV_ADD) < 0)
        die("EV_ADD");
    make_readable(&old);
    close(number);
    reuse_number(number, &new.watched);
    say("%d had an event pending, was closed, and is now another socket", number);
    check(nothing_but(kq, fence), "no event of the old socket");
    failed = change(kq, number, EV_DELETE);
    reason = errno;
    check(failed == -1 && reason == ENOENT, "EV_DELETE of %d: ENOENT, there is nothing of it",
          number);
    make_readable(&new);
    check(nothing_but(kq, fence), "no event of the new socket either: it was never added");
    if (change(kq, number, EV_ADD) < 0)
        die("EV_ADD");
    check(kevent(kq, NULL, 0, &event, 1, &patience) == 1 && event.ident == (uintptr_t)number &&
              event.data == 1,
          "EV_ADD of %d: READ with data 1, of the new socket", number);

    say("dup2() of something else over %d, which has an event pending", number);
    if (dup2(old.peer, number) != number)
        die("dup2");
    check(knotes(kq, number) == 0 && nothing_but(kq, fence), "gone like by close()");
    close(number);
    close(copy);
    close(old.peer);
    close(new.peer);
}

/* Registrations that epoll lists for fd. */
static int epoll_items(int ep, int fd)
{
    char path[64], line[512];
    int listed, count = 0;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ep);
    file = fopen(path, "r");
    if (!file)
        die(path);
    while (fgets(line, sizeof(line), file))
        count += sscanf(line, "tfd: %d", &listed) == 1 && listed == fd;
    fclose(file);
    return count;
}

static void contrast_epoll(void)
{
    struct pair old = open_pair(), new = open_pair();
    struct epoll_event event = {.events = EPOLLIN, .data.fd = old.watched};
    int number = old.watched, copy = duplicate(number), ep = epoll_create1(0);
    int count, failed, reason;
    ssize_t got;
    char byte;

    printf("\n  epoll, the same steps: what a program has to cope with there\n");
    if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, number, &event) < 0)
        die("epoll");
    make_readable(&old);
    say("close(%d), its duplicate %d stays open", number, copy);
    close(number);
    check(epoll_items(ep, number) == 1, "the registration is still listed");
    memset(&event, 0, sizeof(event));
    count = epoll_wait(ep, &event, 1, 0);
    check(count == 1 && event.data.fd == number,
          "stale event: epoll_wait() reports %d, which is closed", event.data.fd);
    failed = epoll_ctl(ep, EPOLL_CTL_DEL, number, NULL);
    reason = errno;
    check(failed == -1 && reason == EBADF, "EPOLL_CTL_DEL of %d: EBADF, it cannot be removed",
          number);

    reuse_number(number, &new.watched);
    say("%d is now another socket", number);
    got = read(number, &byte, 1);
    reason = errno;
    memset(&event, 0, sizeof(event));
    check(epoll_wait(ep, &event, 1, 0) == 1 && event.data.fd == number && got == -1 &&
              reason == EAGAIN,
          "stale event: %d is reported readable, read() of it says EAGAIN", number);
    failed = epoll_ctl(ep, EPOLL_CTL_DEL, number, NULL);
    reason = errno;
    check(failed == -1 && reason == ENOENT && epoll_wait(ep, &event, 1, 0) == 1,
          "EPOLL_CTL_DEL of %d: ENOENT, and the stale event comes again", number);
    close(ep);
    close(number);
    close(copy);
    close(old.peer);
    close(new.peer);
}

int main(void)
{
    struct pair fence = open_pair();
    int kq = kqueue();

    if (kq < 0 || change(kq, fence.watched, EV_ADD | EV_CLEAR) < 0)
        die("kqueue");
    closed_with_duplicate(kq, &fence);
    pending_then_closed(kq, &fence);
    number_reused(kq, &fence);
    close(fence.watched);
    show_fdinfo(kq);
    check(knotes(kq, -1) == 0, "the queue is empty at the end");
    close(kq);
    contrast_epoll();
    return demo_verdict();
}
