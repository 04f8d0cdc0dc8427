// SPDX-License-Identifier: MIT
//
// Runs a program and tells what every process does that comes of it: NOTE_TRACK
// follows children and theirs from before their first instruction, also those
// of a daemon that forks twice and leaves its session.
//
//   supervisor PROGRAM [ARGUMENT]...
//
// Ends when the last of them has ended, with the status of PROGRAM: 128 + N if it
// was ended by signal N.
#include <array>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <kq/kq.hpp>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace
{

[[noreturn]] void fail(const char *what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

// A child that becomes the program when a byte comes through the gate: what it
// does before it is registered nobody sees.
pid_t start(char **command, int &gate)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        fail("pipe");
    const pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        char byte;
        close(ends[1]);
        if (read(ends[0], &byte, 1) == 1) {
            execvp(command[0], command);
            std::perror(command[0]);
        }
        _exit(127);
    }
    close(ends[0]);
    gate = ends[1];
    return child;
}

// May be another one by now, or empty: the process did not wait for us.
std::string program_of(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    std::getline(file, name);
    return name;
}

class tree
{
public:
    explicit tree(pid_t root) : root_(root) {}

    bool alive() const { return alive_ > 0; }
    int status() const { return status_; }

    void tell(const kq::event &e)
    {
        if (e.has(NOTE_CHILD)) { // an event of its own
            std::printf("%d was made by %d\n", e.pid(), e.parent());
            alive_++;
            return;
        }
        // Notes of one process add up until they are delivered.
        if (e.has(NOTE_FORK))
            std::printf("%d forked\n", e.pid());
        if (e.has(NOTE_EXEC))
            std::printf("%d runs %s\n", e.pid(), program_of(e.pid()).c_str());
        if (e.has(NOTE_TRACKERR))
            std::fprintf(stderr, "supervisor: a child of %d cannot be followed\n", e.pid());
        if (e.has(NOTE_EXIT))
            ended(e.pid(), e.exit_status());
    }

private:
    void ended(pid_t pid, int status)
    {
        if (WIFSIGNALED(status))
            std::printf("%d was ended by signal %d\n", pid, WTERMSIG(status));
        else
            std::printf("%d ended with status %d\n", pid, WEXITSTATUS(status));
        alive_--;
        if (pid != root_)
            return; // waited for by its own parent, or by init
        status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        waitpid(pid, nullptr, 0);
    }

    pid_t root_;
    int alive_ = 1;
    int status_ = 0;
};

int run(char **command)
{
    kq::queue queue;
    int gate;
    const pid_t root = start(command, gate);
    tree all(root);

    queue.apply(kq::process(root).notes(NOTE_FORK | NOTE_EXEC | NOTE_EXIT | NOTE_TRACK).add());
    if (write(gate, "", 1) != 1)
        fail("write");
    close(gate);

    // The end of a process may be told with what it did before, ahead of its children, so nobody
    // is left only when nothing waits in the queue either.
    std::array<kq::event, 64> room;
    for (;;) {
        const auto events = all.alive() ? queue.wait(room) : queue.poll(room);
        if (events.empty())
            return all.status();
        for (const kq::event &e : events)
            all.tell(e);
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fputs("usage: supervisor PROGRAM [ARGUMENT]...\n", stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    try {
        return run(argv + 1);
    } catch (const std::system_error &error) {
        std::fprintf(stderr, "supervisor: %s\n", error.what());
        if (error.code() == std::errc::function_not_supported)
            std::fputs("supervisor: load the kernel module first: modprobe kqueue\n", stderr);
        return 1;
    }
}
