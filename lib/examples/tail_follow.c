/* SPDX-License-Identifier: MIT */
/*
 * Follows a file while it grows, is truncated or replaced, as tail -F does.
 *
 *   tail_follow FILE    print FILE and all that is added to it
 *
 * EVFILT_READ says that there is more to read, EVFILT_VNODE what became of the
 * file, and of its directory that a name came or went. Ends with status 0 when
 * the output is a pipe that nobody reads any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *path;
static int kq;

static void die(const char *what)
{
    int error = errno;

    fprintf(stderr, "tail_follow: %s: %s\n", what, strerror(error));
    if (error == ENOSYS)
        fputs("tail_follow: load the kernel module first: modprobe kqueue\n", stderr);
    exit(1);
}

static void say(const char *what)
{
    fprintf(stderr, "tail_follow: %s: %s\n", path, what);
}

static void watch(int fd, int filter, int flags, unsigned int notes)
{
    struct kevent change;

    EV_SET(&change, fd, filter, EV_ADD | flags, notes, 0, NULL);
    if (kevent(kq, &change, 1, NULL, 0, NULL) < 0)
        die("kevent: add");
}

/* The file by its name: a descriptor that is watched, -1 if there is none. */
static int follow(void)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0) {
        if (errno != ENOENT)
            die(path);
        return -1;
    }
    watch(file, EVFILT_VNODE, EV_CLEAR, NOTE_TRUNCATE | NOTE_RENAME | NOTE_DELETE);
    /* Without EV_CLEAR: what is there already is reported, and what is left over again. */
    watch(file, EVFILT_READ, 0, 0);
    return file;
}

/* At most so many bytes, in one piece. Returns how many. */
static ssize_t copy(int file, size_t most)
{
    char buffer[65536];
    ssize_t got = read(file, buffer, most < sizeof(buffer) ? most : sizeof(buffer));
    ssize_t put, done;

    if (got < 0)
        die(path);
    for (done = 0; done < got; done += put) {
        put = write(STDOUT_FILENO, buffer + done, (size_t)(got - done));
        if (put < 0)
            die("write");
    }
    return got;
}

/* What the name stands for. */
enum named { NOTHING, THIS_FILE, ANOTHER_FILE };

static enum named look_up(int file)
{
    struct stat named, opened;

    if (stat(path, &named) < 0) {
        if (errno != ENOENT)
            die(path);
        return NOTHING;
    }
    if (file < 0)
        return ANOTHER_FILE;
    if (fstat(file, &opened) < 0)
        die(path);
    return named.st_dev == opened.st_dev && named.st_ino == opened.st_ino ? THIS_FILE
                                                                          : ANOTHER_FILE;
}

/* Ends the program when the reader of the output has gone. */
static void watch_output(void)
{
    struct stat output;

    if (fstat(STDOUT_FILENO, &output) == 0 && S_ISFIFO(output.st_mode))
        watch(STDOUT_FILENO, EVFILT_WRITE, EV_CLEAR, 0);
}

static int open_directory(void)
{
    char *name = strdup(path);
    int directory = name ? open(dirname(name), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (directory < 0)
        die(path);
    free(name);
    return directory;
}

/* What a round of events comes to. */
struct news {
    int unread;         /* nobody reads the output */
    int listed;         /* a name came or went in the directory */
    unsigned int notes; /* what happened to the file */
    intptr_t more;      /* bytes to read; negative if less is left than was read */
};

static void collect(struct news *news, int directory, const struct timespec *timeout)
{
    struct kevent events[8];
    int i, count = kevent(kq, NULL, 0, events, 8, timeout);

    if (count < 0 && errno != EINTR)
        die("kevent: wait");
    for (i = 0; i < count; i++) {
        if (events[i].filter == EVFILT_READ)
            news->more = events[i].data;
        else if (events[i].filter == EVFILT_WRITE)
            news->unread |= events[i].flags & EV_EOF;
        else if ((int)events[i].ident == directory)
            news->listed = 1;
        else
            news->notes |= events[i].fflags;
    }
}

int main(int argc, char **argv)
{
    static const struct timespec at_once;
    int directory, file;

    if (argc != 2) {
        fputs("usage: tail_follow FILE\n", stderr);
        return 2;
    }
    path = argv[1];
    kq = kqueue1(O_CLOEXEC);
    if (kq < 0)
        die("kqueue");
    watch_output();
    /* Before the file is opened: no replacement goes unnoticed. */
    directory = open_directory();
    watch(directory, EVFILT_VNODE, EV_CLEAR, NOTE_WRITE);
    file = follow();
    if (file < 0)
        say("waiting for it to appear");

    for (;;) {
        struct news news = {0, 0, 0, 0};

        collect(&news, directory, NULL);
        /* A truncation that came before the bytes just reported is known by now. */
        collect(&news, directory, &at_once);
        if (news.unread)
            return 0;
        if (news.notes & NOTE_TRUNCATE) {
            say("truncated");
            if (lseek(file, 0, SEEK_SET) < 0)
                die(path);
        }
        /* The rename that gives a file this name may be reported after it was opened by it. */
        if (news.notes & NOTE_RENAME && look_up(file) != THIS_FILE)
            say("renamed");
        if (news.notes & NOTE_DELETE)
            say("removed");
        if (news.more > 0)
            copy(file, (size_t)news.more); /* what it leaves is reported again */
        /* As long as there is no other, whoever has the old one open may still write. */
        if (news.listed && look_up(file) == ANOTHER_FILE) {
            while (file >= 0 && copy(file, SIZE_MAX) > 0)
                ; /* the last words of the old one */
            if (file >= 0)
                close(file); /* ends both of its registrations */
            file = follow();
            if (file >= 0)
                say("following the new file");
        }
    }
}
