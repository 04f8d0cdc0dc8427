// SPDX-License-Identifier: MIT
//
// The steps that make, use and close what queues watch. What such a call answers is not our
// business: all it has to do is to happen.
#include "steps.hpp"

#include "objects.hpp"
#include "world.hpp"

#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace kq::fuzz
{

namespace
{

int fd_of(const World &world, Bytes &bytes)
{
    return world.slot[bytes.pick(slots)].fd;
}

// Larger than what a pipe or a socket takes at once, now and then.
std::size_t read_size(Bytes &bytes)
{
    std::size_t size = bytes.byte();

    return size < 200 ? size : (size - 199) * 4096;
}

char buffer[60 * 4096];

} // namespace

// KIND SLOT: not over the queues
void step_make(World &world, Bytes &bytes)
{
    unsigned kind = bytes.pick(object_names.size());
    unsigned slot = bytes.pick(slots);

    if (slot >= queue_slots)
        make_object(world, kind, slot);
}

// SLOT
void step_close(World &world, Bytes &bytes)
{
    world.close_slot(bytes.pick(slots));
}

// FROM TO HOW: another number, or the number of what is in the other slot
void step_dup(World &world, Bytes &bytes)
{
    unsigned from = bytes.pick(slots), to = bytes.pick(slots);
    Slot &source = world.slot[from], &target = world.slot[to];

    if (source.fd < 0 || from == to)
        return;
    switch (bytes.pick(3)) {
    case 0:
        world.put(to, fcntl(source.fd, F_DUPFD_CLOEXEC, 0), source.queue);
        return;
    case 1:
        if (target.fd >= 0 && dup3(source.fd, target.fd, O_CLOEXEC) >= 0)
            target.queue = source.queue;
        return;
    case 2:
        if (target.fd >= 0 && dup2(source.fd, target.fd) >= 0)
            target.queue = source.queue;
        return;
    }
}

// FROM TO: closes all numbers from one slot's to the other's
void step_range(World &world, Bytes &bytes)
{
    int first = fd_of(world, bytes), last = fd_of(world, bytes);

    if (first < 0 || last < first || syscall(SYS_close_range, first, last, 0))
        return;
    for (Slot &slot : world.slot)
        if (slot.fd >= first && slot.fd <= last)
            slot = {};
}

// SLOT SIZE
void step_write(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes);
    std::size_t size = read_size(bytes);
    ssize_t done = write(fd, buffer, size);

    // An eventfd takes eight bytes and nothing else.
    static_cast<void>(done);
}

// SLOT SIZE
void step_read(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes);
    ssize_t done = read(fd, buffer, read_size(bytes));

    static_cast<void>(done);
}

// SLOT HOW
void step_shut(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes);

    shutdown(fd, static_cast<int>(bytes.pick(3)));
}

// SLOT WHAT SIZE: changes of a file by its descriptor
void step_file(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes), result = 0;
    unsigned what = bytes.pick(7);
    off_t size = static_cast<off_t>(read_size(bytes));
    void *memory;

    switch (what) {
    case 0:
        result = ftruncate(fd, size);
        break;
    case 1:
        result = fallocate(fd, 0, 0, size);
        break;
    case 2:
        lseek(fd, size, SEEK_SET);
        break;
    case 3:
        result = fchmod(fd, 0600 | (static_cast<mode_t>(size) & 0177));
        break;
    case 4:
        result = futimens(fd, nullptr);
        break;
    case 5:
        memory = mmap(nullptr, World::page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (memory != MAP_FAILED)
            munmap(memory, World::page);
        break;
    case 6:
        result = fcntl(fd, F_SETFL, size & 1 ? O_NONBLOCK | O_APPEND : O_NONBLOCK);
        break;
    }
    static_cast<void>(result);
}

// WHAT FROM TO: changes of names in the folder
void step_name(World &world, Bytes &bytes)
{
    constexpr const char *names[] = {"a", "b", "d", "d/a", "d/b", "d/d"};
    unsigned what = bytes.pick(8);
    const char *from = names[bytes.pick(std::size(names))],
               *to = names[bytes.pick(std::size(names))];
    int fd;

    world.touched = true;
    switch (what) {
    case 0:
        fd = openat(world.folder, from, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
        close(fd);
        break;
    case 1:
        unlinkat(world.folder, from, 0);
        break;
    case 2:
        renameat(world.folder, from, world.folder, to);
        break;
    case 3:
        syscall(SYS_renameat2, world.folder, from, world.folder, to, RENAME_EXCHANGE);
        break;
    case 4:
        linkat(world.folder, from, world.folder, to, 0);
        break;
    case 5:
        mkdirat(world.folder, from, 0700);
        break;
    case 6:
        unlinkat(world.folder, from, AT_REMOVEDIR);
        break;
    case 7:
        fd = openat(world.folder, from, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
        close(fd);
        break;
    }
}

// SLOT WHAT NUMBER: options and ways of a socket
void step_socket(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes), value, other;
    unsigned what = bytes.pick(7);
    const linger reset{1, 0};

    value = bytes.byte();
    switch (what) {
    case 0:
        setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof(value));
        break;
    case 1:
        value *= 256;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &value, sizeof(value));
        break;
    case 2:
        send(fd, "!", 1, MSG_OOB | MSG_DONTWAIT);
        break;
    case 3:
        recv(fd, buffer, 1, MSG_OOB | MSG_DONTWAIT);
        break;
    case 4:
        // Its close will be a reset.
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        break;
    case 5:
        other = accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (other >= 0)
            world.put(static_cast<unsigned>(value) % slots, other);
        break;
    case 6:
        listen(fd, value % 8);
        break;
    }
}

// SLOT SOCKET: sends the descriptor in a message, where nobody may ever receive it
void step_pass(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes), over = fd_of(world, bytes);
    char byte = 0;
    iovec text{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(fd))]{};
    msghdr message{};

    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    if (sendmsg(over, &message, MSG_DONTWAIT) == 1)
        world.passed = true;
}

// SLOT
void step_poll(World &world, Bytes &bytes)
{
    pollfd look{fd_of(world, bytes), POLLIN | POLLOUT | POLLPRI, 0};

    poll(&look, 1, 0);
}

// EPOLL WHAT SLOT: adds, deletes, collects
void step_epoll(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes);
    unsigned what = bytes.pick(4);
    epoll_event event{EPOLLIN | (what == 3 ? EPOLLET : 0u), {}};

    if (what == 2)
        epoll_wait(fd, &event, 1, 0);
    else
        epoll_ctl(fd, what == 1 ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, fd_of(world, bytes), &event);
}

// SLOT MICROSECONDS: a timerfd
void step_set(World &world, Bytes &bytes)
{
    int fd = fd_of(world, bytes);
    itimerspec at{};

    at.it_value.tv_nsec = 1 + bytes.byte() * 1000;
    timerfd_settime(fd, 0, &at, nullptr);
}

} // namespace kq::fuzz
