// SPDX-License-Identifier: MIT
//
// The steps that concern processes, time, mounts and limits.
#include "steps.hpp"

#include "world.hpp"

#include <csignal>
#include <ctime>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kq::fuzz
{

// CHILD
void step_child(World &world, Bytes &bytes)
{
    make_child(world, bytes.pick(child_slots));
}

// CHILD WHAT: fork, exec, exit, be killed, be reaped
void step_order(World &world, Bytes &bytes)
{
    unsigned which = bytes.pick(child_slots), what = bytes.pick(5);

    switch (what) {
    case 3:
        if (world.child[which].pid > 0)
            kill(world.child[which].pid, SIGKILL);
        break;
    case 4:
        reap_child(world, which);
        break;
    default:
        order_child(world, which, "fxe"[what]);
    }
}

// HOW
void step_fork(World &world, Bytes &bytes)
{
    constexpr Fork ways[] = {Fork::copy, Fork::shared, Fork::unshared};

    fork_and_try(world, ways[bytes.pick(3)]);
}

// WHO SIGNAL HOW: signals that we ignore or have by default ignored
void step_signal(World &world, Bytes &bytes)
{
    constexpr int signals[] = {SIGUSR1, SIGCHLD, SIGWINCH, SIGURG, 0};
    unsigned who = bytes.pick(child_slots + 1);
    int signal = signals[bytes.pick(std::size(signals))];
    pid_t pid = who < child_slots ? world.child[who].pid : getpid();

    if (pid <= 0)
        return;
    switch (bytes.pick(3)) {
    case 0:
        kill(pid, signal);
        break;
    case 1:
        syscall(SYS_tgkill, pid, pid, signal);
        break;
    case 2:
        sigqueue(pid, signal, {});
        break;
    }
}

// MICROSECONDS: timers run
void step_nap(World &world, Bytes &bytes)
{
    timespec moment{0, bytes.byte() * 1000};

    if (--world.left.naps >= 0)
        nanosleep(&moment, nullptr);
}

// WHAT
void step_mount(World &world, Bytes &bytes)
{
    if (bytes.pick(2)) {
        umount2("/tmp/kq-fuzz/m", MNT_DETACH);
        return;
    }
    if (--world.left.mounts < 0)
        return;
    world.touched = true;
    mkdirat(world.folder, "m", 0700);
    mount("kq-fuzz-m", "/tmp/kq-fuzz/m", "tmpfs", 0, "size=64k");
}

// WHICH NUMBER: so many more of it than there were before
void step_limit(World &world, Bytes &bytes)
{
    unsigned which = bytes.pick(World::limit_names.size());

    world.set_limit(which, bytes.byte() % 16);
}

} // namespace kq::fuzz
