// SPDX-License-Identifier: MIT
//
// Child processes of an input: few, cheap, and each step of theirs done before the input goes on.
// They share our memory, so that making one costs no copy of it, but not our descriptor table.
#include "world.hpp"

#include "../errors.h"
#include "call.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace kq::fuzz
{

namespace
{

struct alignas(64) Stack {
    std::uint8_t bytes[65536];
    void *top() { return bytes + sizeof(bytes); }
};

Stack child_stack[child_slots];
Stack fork_stack;

// Two descriptors are all it keeps. Its first word says that the others are closed.
int child_main(void *argument)
{
    const auto *child = static_cast<const Child *>(argument);
    const int order = child->order, answer = child->answer;
    char *const program[] = {const_cast<char *>("true"), nullptr}, *const nothing[] = {nullptr};
    char word = 'r';

    syscall(SYS_close_range, 3, order - 1, 0);
    syscall(SYS_close_range, order + 1, answer - 1, 0);
    syscall(SYS_close_range, answer + 1, ~0u, 0);
    while (write(answer, &word, 1) == 1 && read(order, &word, 1) == 1) {
        if (word == 'f' && !vfork())
            _exit(3);
        if (word == 'f')
            waitpid(-1, nullptr, 0);
        if (word == 'x')
            execve("/bin/true", program, nothing);
        if (word != 'f')
            _exit(word == 'e' ? 5 : 6);
    }
    _exit(7);
}

// All that it finds must answer as a queue of its own, or not at all.
struct Try {
    World *world;
    Fork how;
    int error = 0; // of a call that may not fail so
};

int try_main(void *argument)
{
    auto *attempt = static_cast<Try *>(argument);

    if (attempt->how == Fork::unshared)
        unshare(CLONE_FILES);
    for (const Slot &slot : attempt->world->slot) {
        if (!slot.queue)
            continue;
        kq_event events[4]{}, change{1, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, 0};
        if (plain_kevent(slot.fd, {&change, 1}, events) < 0 && errno != EBADF &&
            !is_error_of_change(errno))
            attempt->error = errno;
    }
    _exit(0);
}

} // namespace

void make_child(World &world, unsigned which)
{
    int order[2], answer[2];
    Child &child = world.child[which];
    char word;

    end_child(world, which);
    if (--world.left.children < 0)
        return;
    if (pipe2(order, O_CLOEXEC) || pipe2(answer, O_CLOEXEC))
        unusable("pipe: %s", std::strerror(errno));
    Child inner;
    inner.order = order[0];
    inner.answer = answer[1];
    child.made = true;
    child.pid = clone(child_main, child_stack[which].top(), CLONE_VM | SIGCHLD, &inner);
    if (child.pid < 0)
        unusable("clone: %s", std::strerror(errno));
    dup3(order[1], child.order, O_CLOEXEC);
    dup3(answer[0], child.answer, O_CLOEXEC);
    for (int fd : {order[0], order[1], answer[0], answer[1]})
        close(fd);
    // It has read its argument, which is ours, when it speaks.
    child.idle = read(child.answer, &word, 1) == 1;
}

void order_child(World &world, unsigned which, char order)
{
    Child &child = world.child[which];
    char word;

    if (!child.idle || (order == 'x' && --world.left.execs < 0))
        return;
    // The end of the file tells its end, or that another program runs.
    child.idle = write(child.order, &order, 1) == 1 && read(child.answer, &word, 1) == 1;
}

void reap_child(World &world, unsigned which)
{
    Child &child = world.child[which];

    // One that waits for an order would wait for ever.
    if (child.pid > 0 && !child.idle && waitpid(child.pid, nullptr, 0) == child.pid)
        child.pid = 0;
}

void end_child(World &world, unsigned which)
{
    Child &child = world.child[which];

    if (!child.made)
        return;
    if (child.pid > 0) {
        kill(child.pid, SIGKILL);
        while (waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR)
            ;
    }
    dup3(world.null, child.order, O_CLOEXEC);
    dup3(world.null, child.answer, O_CLOEXEC);
    child.pid = 0;
    child.made = child.idle = false;
}

void fork_and_try(World &world, Fork how)
{
    Try attempt{&world, how};
    int flags = CLONE_VM | SIGCHLD | (how == Fork::copy ? 0 : CLONE_FILES);
    pid_t pid;

    if (--world.left.forks < 0)
        return;
    pid = clone(try_main, fork_stack.top(), flags, &attempt);
    if (pid < 0)
        unusable("clone: %s", std::strerror(errno));
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR)
        ;
    if (attempt.error)
        defect("a queue in a child: %s", std::strerror(attempt.error));
}

} // namespace kq::fuzz
