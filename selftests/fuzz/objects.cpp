// SPDX-License-Identifier: MIT
//
// Making the objects. All are non-blocking: no input may wait.
#include "objects.hpp"

#include "world.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

namespace kq::fuzz
{

namespace
{

constexpr int open_flags = O_CLOEXEC | O_NONBLOCK;
constexpr int socket_flags = SOCK_CLOEXEC | SOCK_NONBLOCK;

struct Pair {
    int first = -1, second = -1;
};

Pair unix_pair(int type)
{
    int fds[2];

    return socketpair(AF_UNIX, type | socket_flags, 0, fds) ? Pair{} : Pair{fds[0], fds[1]};
}

// On the loopback device, at an address the kernel chose.
int bound(int type, sockaddr_in &address)
{
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, type | socket_flags, 0);

    address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr *>(&address), size) ||
        getsockname(fd, reinterpret_cast<sockaddr *>(&address), &size))
        unusable("no socket on the loopback device");
    return fd;
}

int listener(sockaddr_in &address)
{
    int fd = bound(SOCK_STREAM, address);

    listen(fd, 4);
    return fd;
}

int connection(const sockaddr_in &address)
{
    int fd = socket(AF_INET, SOCK_STREAM | socket_flags, 0);

    connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof(address));
    return fd;
}

Pair tcp_pair()
{
    sockaddr_in address;
    int listening = listener(address), client = connection(address);
    pollfd wait{listening, POLLIN, 0};

    // The handshake is done by the sender's own softirq; this is only to be sure.
    poll(&wait, 1, 1000);
    int server = accept4(listening, nullptr, nullptr, socket_flags);
    close(listening);
    return {client, server};
}

// A listener, and one that waits to be accepted.
Pair tcp_listener()
{
    sockaddr_in address;
    int listening = listener(address);

    return {listening, connection(address)};
}

// Sends to itself.
int udp()
{
    sockaddr_in address;
    int fd = bound(SOCK_DGRAM, address);

    connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address));
    return fd;
}

int unix_listener()
{
    sockaddr_un address{};
    int fd = socket(AF_UNIX, SOCK_STREAM | socket_flags, 0);

    address.sun_family = AF_UNIX;
    // No name: the kernel chooses one.
    bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof(address.sun_family));
    listen(fd, 4);
    return fd;
}

Pair pty()
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | open_flags);

    if (master < 0 || grantpt(master) || unlockpt(master))
        return {master, -1};
    return {master, open(ptsname(master), O_RDWR | O_NOCTTY | open_flags)};
}

int file(World &world)
{
    world.touched = true;
    return openat(world.folder, "a", O_RDWR | O_CREAT | open_flags, 0600);
}

int directory(World &world)
{
    world.touched = true;
    mkdirat(world.folder, "d", 0700);
    return openat(world.folder, "d", O_RDONLY | O_DIRECTORY | open_flags);
}

int fifo(World &world)
{
    world.touched = true;
    mknodat(world.folder, "b", S_IFIFO | 0600, 0);
    return openat(world.folder, "b", O_RDWR | open_flags);
}

int opath(World &world)
{
    close(file(world));
    return openat(world.folder, "a", O_PATH | O_CLOEXEC);
}

int signals()
{
    sigset_t mask;

    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    return signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
}

int watcher(World &world)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    inotify_add_watch(fd, "/proc/self/cwd", IN_CREATE | IN_DELETE);
    world.touched = true;
    return fd;
}

// Once readable, at a time of the input's choice.
int timer()
{
    return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
}

int pidfd(pid_t pid)
{
    return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

Pair pipe_ends()
{
    int fds[2];

    return pipe2(fds, open_flags) ? Pair{} : Pair{fds[0], fds[1]};
}

Pair make(World &world, unsigned kind)
{
    switch (kind) {
    case 0:
        return pipe_ends();
    case 1:
        return unix_pair(SOCK_STREAM);
    case 2:
        return unix_pair(SOCK_DGRAM);
    case 3:
        return tcp_pair();
    case 4:
        return tcp_listener();
    case 5:
        return {udp()};
    case 6:
        return {eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    case 7:
        return {timer()};
    case 8:
        return {file(world)};
    case 9:
        return {directory(world)};
    case 10:
        return {world.child[0].pid ? pidfd(world.child[0].pid) : -1};
    case 11:
        return {epoll_create1(EPOLL_CLOEXEC)};
    case 12:
        return {signals()};
    case 13:
        return {watcher(world)};
    case 14:
        return pty();
    case 15:
        return {fifo(world)};
    case 16:
        return {open("/dev/null", O_RDWR | open_flags)};
    case 17:
        return {opath(world)};
    case 18:
        return {socket(AF_INET, SOCK_STREAM | socket_flags, 0)};
    case 19:
        return {memfd_create("kq-fuzz", MFD_CLOEXEC)};
    case 20:
        return {open("/proc/self/mountinfo", O_RDONLY | open_flags)};
    case 21:
        return {pidfd(getpid())};
    case 22:
        return unix_pair(SOCK_SEQPACKET);
    case 23:
        return {unix_listener()};
    case 24:
        return {open("/dev/random", O_RDONLY | open_flags)};
    }
    static_assert(object_names.size() == 25);
    return {};
}

} // namespace

void make_object(World &world, unsigned kind, unsigned slot)
{
    Pair pair = make(world, kind);

    world.put(slot, pair.first);
    if (pair.second >= 0)
        world.put((slot + 1) % slots, pair.second);
}

} // namespace kq::fuzz
