// SPDX-License-Identifier: MIT
//
// The life of a world, and what must hold when it is gone.
#include "world.hpp"

#include "call.hpp"

#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <linux/kqueue.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace kq::fuzz
{

namespace
{

// Far from what an input makes of its bytes.
constexpr std::uint64_t fence_ident = 0xfe9ce0fe9ce0fe9c;

void say(const char *what, const char *format, va_list arguments)
{
    std::fprintf(stderr, "# %s: ", what);
    std::vfprintf(stderr, format, arguments);
    std::fputc('\n', stderr);
}

std::string limit_path(const char *name)
{
    return std::string("/proc/sys/fs/kqueue/max_user_") + name;
}

std::string read_text(int fd)
{
    char text[64];
    ssize_t size = pread(fd, text, sizeof(text), 0);

    return size > 0 ? std::string(text, static_cast<std::size_t>(size)) : std::string();
}

} // namespace

void defect(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("defect", format, arguments);
    va_end(arguments);
    std::abort();
}

void unusable(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say("cannot run", format, arguments);
    va_end(arguments);
    std::_Exit(2);
}

World::World()
{
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGUSR1, SIG_IGN);
    // Mounts and files of the inputs are nobody else's.
    if (unshare(CLONE_NEWNS) || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr))
        unusable("no mount namespace (%s): run it as root", std::strerror(errno));
    if ((mkdir("/tmp/kq-fuzz", 0700) && errno != EEXIST) ||
        mount("kq-fuzz", "/tmp/kq-fuzz", "tmpfs", 0, "size=4m"))
        unusable("no tmpfs on /tmp/kq-fuzz: %s", std::strerror(errno));
    folder = open("/tmp/kq-fuzz", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || fchdir(folder))
        unusable("/tmp/kq-fuzz: %s", std::strerror(errno));

    void *memory = mmap(nullptr, arena_size + 2 * page, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        unusable("mmap: %s", std::strerror(errno));
    arena = static_cast<std::uint8_t *>(memory);
    if (mprotect(arena + arena_size, page, PROT_READ) ||
        mprotect(arena + arena_size + page, page, PROT_NONE))
        unusable("mprotect: %s", std::strerror(errno));

    taint_fd_ = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);
    taint_ = read_text(taint_fd_);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (Child &one : child)
        for (int *fd : {&one.order, &one.answer})
            if ((*fd = fcntl(null, F_DUPFD_CLOEXEC, 0)) < 0)
                unusable("/dev/null: %s", std::strerror(errno));
    int queue = open(KQ_DEVICE, O_RDWR | O_CLOEXEC);
    if (queue < 0)
        unusable("%s: %s; is the module loaded?", KQ_DEVICE, std::strerror(errno));
    before_ = counts(queue);
    close(queue);
}

void World::begin()
{
    left = Allowance{};
    steps = 0;
    // libFuzzer may have opened files of its own meanwhile.
    first_fd_ = fcntl(null, F_DUPFD_CLOEXEC, 0);
    close(first_fd_);
    std::memset(arena, 0, arena_size);
}

void World::put(unsigned index, int fd, bool queue)
{
    close_slot(index);
    slot[index] = {fd, queue};
}

void World::close_slot(unsigned index)
{
    if (slot[index].fd >= 0)
        close(slot[index].fd);
    slot[index] = {};
}

void World::set_limit(unsigned which, unsigned long above)
{
    int fd = open(limit_path(limit_names[which]).c_str(), O_WRONLY | O_CLOEXEC);
    std::string text = std::to_string(before_.used[which] + above);

    limited = true;
    if (fd < 0 || write(fd, text.c_str(), text.size()) < 0)
        unusable("limit of %s: %s", limit_names[which], std::strerror(errno));
    close(fd);
}

void World::restore_limits()
{
    for (unsigned i = 0; i < limit_names.size(); i++)
        set_limit(i, before_.limit[i] - before_.used[i]);
    limited = false;
}

void World::empty_folder()
{
    while (!umount2("/tmp/kq-fuzz/m", MNT_DETACH))
        ;
    for (const char *name : {"d/a", "d/b", "d/d", "a", "b"})
        unlinkat(folder, name, 0);
    for (const char *name : {"d/a", "d/b", "d/d", "a", "b", "d", "m"})
        unlinkat(folder, name, AT_REMOVEDIR);
    touched = false;
}

void World::fence()
{
    if (limited)
        restore_limits();
    for (unsigned i = 0; i < slots; i++) {
        if (!slot[i].queue)
            continue;
        std::array<kq_event, 64> events;
        kq_event change{fence_ident, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER, 0, 0};
        int count = plain_kevent(slot[i].fd, {&change, 1}, {});
        bool seen = false;

        if (count < 0)
            defect("fence of slot %u: %s", i, std::strerror(errno));
        // What is ready again and again takes turns with what is ready once.
        for (int turn = 0; turn < 16 && !seen; turn++) {
            count = plain_kevent(slot[i].fd, {}, events);
            if (count < 0)
                defect("fence of slot %u, collecting: %s", i, std::strerror(errno));
            for (int n = 0; n < count; n++)
                seen |= events[n].ident == fence_ident && events[n].filter == EVFILT_USER;
        }
        if (!seen)
            defect("queue in slot %u: a triggered event did not arrive", i);
    }
}

void World::end(unsigned order)
{
    for (unsigned i = 0; i < child_slots; i++)
        end_child(*this, i);
    for (unsigned i = 0; i < slots && order; i++)
        close_slot(order == 1 ? i : slots - 1 - i);
    slot.fill({});
    // Also what an input has by number only, such as from a message or dup2().
    if (syscall(SYS_close_range, first_fd_, ~0u, 0))
        unusable("close_range: %s", std::strerror(errno));
    if (touched)
        empty_folder();
    if (limited)
        restore_limits();
}

World::Counts World::counts(int queue) const
{
    std::string path = "/proc/self/fdinfo/" + std::to_string(queue);
    std::FILE *file = std::fopen(path.c_str(), "re");
    Counts now;
    char line[256];
    int found = 0;

    while (file && found != 6 && std::fgets(line, sizeof(line), file))
        found = std::sscanf(line, "user: queues=%lu/%lu knotes=%lu/%lu timers=%lu/%lu", now.used,
                            now.limit, now.used + 1, now.limit + 1, now.used + 2, now.limit + 2);
    if (file)
        std::fclose(file);
    if (found != 6)
        defect("fdinfo of a queue does not tell the counts of its user");
    return now;
}

void World::check()
{
    const timespec pause{0, 1'000'000};
    const std::time_t limit = std::time(nullptr) + 20;
    int queue = open(KQ_DEVICE, O_RDWR | O_CLOEXEC), pair[2];
    kq_info info{};
    Counts now;

    if (queue < 0)
        defect("a new queue: %s", std::strerror(errno));
    // Queues in messages go when the kernel finds that nobody can receive them, others at once or
    // after work that was put off.
    while ((now = counts(queue)) != before_ && std::time(nullptr) < limit) {
        if (passed && !socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
            close(pair[0]);
            close(pair[1]);
        }
        nanosleep(&pause, nullptr);
    }
    for (unsigned i = 0; i < limit_names.size(); i++)
        if (now.used[i] != before_.used[i])
            defect("%lu %s are counted after everything was closed, %lu before", now.used[i],
                   limit_names[i], before_.used[i]);
    passed = false;
    if (ioctl(queue, KQ_IOC_INFO, &info))
        defect("KQ_IOC_INFO: %s", std::strerror(errno));
    if (info.missed_closes)
        defect("missed_closes is %llu", info.missed_closes);
    close(queue);
    if (read_text(taint_fd_) != taint_)
        defect("the kernel complained, see its log");
}

} // namespace kq::fuzz
