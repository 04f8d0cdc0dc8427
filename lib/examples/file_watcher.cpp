// SPDX-License-Identifier: MIT
//
// Tells what comes and goes in a directory, and what happens to some files: a
// queue says that a directory has changed, a look at it says how.
//
//   file_watcher DIRECTORY [FILE]...
//
// Ends with status 0 when the directory is removed.
#include <array>
#include <cerrno>
#include <cstdio>
#include <deque>
#include <dirent.h>
#include <fcntl.h>
#include <kq/kq.hpp>
#include <map>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace
{

[[noreturn]] void fail(const std::string &what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

// A file or directory that is watched for as long as it is open.
class watched
{
public:
    // O_PATH: neither the right to read it nor a reader's effects are needed.
    watched(kq::queue &queue, const char *name, unsigned notes)
        : name_(name), fd_(open(name, O_PATH | O_CLOEXEC))
    {
        if (fd_ < 0)
            fail(name);
        queue.apply(kq::vnode(fd_).notes(notes).add().clear().udata(this));
    }
    watched(const watched &) = delete;
    watched &operator=(const watched &) = delete;
    ~watched() { forget(); }

    const std::string &name() const { return name_; }
    bool has_name_left() const
    {
        struct stat now;
        if (fstat(fd_, &now) < 0)
            fail(name_);
        return now.st_nlink > 0;
    }
    // Closing it ends the registration.
    void forget()
    {
        if (fd_ >= 0)
            close(fd_);
        fd_ = -1;
    }

private:
    std::string name_;
    int fd_;
};

using listing = std::map<std::string, ino_t>;

listing list(const std::string &directory)
{
    listing found;
    DIR *entries = opendir(directory.c_str());
    if (!entries) {
        if (errno == ENOENT) // being removed: its own event says so
            return found;
        fail(directory);
    }
    while (const dirent *entry = readdir(entries)) {
        const std::string name = entry->d_name;
        if (name != "." && name != "..")
            found[name] = entry->d_ino;
    }
    closedir(entries);
    return found;
}

void compare(const listing &before, const listing &now)
{
    for (const auto &[name, number] : before)
        if (!now.count(name))
            std::printf("disappeared: %s\n", name.c_str());
    for (const auto &[name, number] : now) {
        const auto old = before.find(name);
        if (old == before.end())
            std::printf("appeared: %s\n", name.c_str());
        else if (old->second != number)
            std::printf("replaced: %s\n", name.c_str());
    }
}

constexpr struct {
    unsigned note;
    const char *text;
} words[] = {
    {NOTE_WRITE, "written"},         {NOTE_EXTEND, "longer"},  {NOTE_TRUNCATE, "shorter"},
    {NOTE_ATTRIB, "attributes set"}, {NOTE_RENAME, "renamed"}, {NOTE_LINK, "links changed"},
    {NOTE_DELETE, "name removed"},
};

void tell(watched &file, const kq::event &e)
{
    std::string text;
    for (const auto &word : words)
        if (e.has(word.note))
            text += std::string(text.empty() ? "" : ", ") + word.text;
    const bool lost = e.has(NOTE_DELETE) && !file.has_name_left();
    std::printf("%s: %s%s\n", file.name().c_str(), text.c_str(), lost ? ", the last one" : "");
    if (lost)
        file.forget();
}

void run(const char *name, char **files)
{
    kq::queue queue;
    // Watched before it is listed: whatever comes later brings an event.
    watched directory(queue, name, NOTE_WRITE | NOTE_DELETE);
    std::deque<watched> watches; // its elements stay where they are
    unsigned all = 0;

    for (const auto &word : words)
        all |= word.note;
    for (; *files; files++)
        watches.emplace_back(queue, *files, all);
    listing known = list(name);
    std::printf("watching %s\n", name);

    std::array<kq::event, 16> room;
    for (bool there = true; there;)
        for (const kq::event &e : queue.wait(room)) {
            if (e.udata<watched>() != &directory) {
                tell(*e.udata<watched>(), e);
                continue;
            }
            listing now = list(name);
            compare(known, now);
            known.swap(now);
            there = !e.has(NOTE_DELETE);
        }
    std::printf("removed: %s\n", name);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fputs("usage: file_watcher DIRECTORY [FILE]...\n", stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    try {
        run(argv[1], argv + 2);
        return 0;
    } catch (const std::system_error &error) {
        std::fprintf(stderr, "file_watcher: %s\n", error.what());
        if (error.code() == std::errc::function_not_supported)
            std::fputs("file_watcher: load the kernel module first: modprobe kqueue\n", stderr);
        return 1;
    }
}
