// SPDX-License-Identifier: MIT
//
// The steps that speak with a queue, sensibly and not.
#include "steps.hpp"

#include "../errors.h"
#include "call.hpp"
#include "words.hpp"
#include "world.hpp"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/ioctl.h>
#include <unistd.h>
#include <vector>

namespace kq::fuzz
{

namespace
{

// More than two batches of the module.
constexpr unsigned most_changes = 40;

// The queue in one of the first slots, or -1.
int queue_of(const World &world, Bytes &bytes)
{
    const Slot &slot = world.slot[bytes.pick(queue_slots)];

    return slot.queue ? slot.fd : -1;
}

std::uint64_t read_ident(const World &world, Bytes &bytes)
{
    unsigned choice = bytes.pick(slots + ident_words.size());

    if (choice < slots)
        return static_cast<std::uint64_t>(std::int64_t{world.slot[choice].fd});
    switch (choice - slots) {
    case 0:
    case 1:
        return static_cast<std::uint64_t>(world.child[choice - slots].pid);
    case 2:
        return static_cast<std::uint64_t>(getpid());
    case 3:
        return SIGUSR1;
    case 4:
        return SIGUSR2;
    case 5:
        return 0;
    case 6:
        return 1;
    case 7:
        return 7;
    case 8:
        return ~std::uint64_t{0};
    case 9:
        return std::uint64_t{1} << 31;
    case 10:
        return SIGCHLD;
    case 11:
        return 1000;
    case 12:
        return static_cast<std::uint64_t>(getppid());
    case 13:
        return SIGWINCH;
    case 14:
        return INT_MAX;
    }
    return bytes.word(8);
}

// A byte chooses from the table; the last entry stands for a value that follows.
template <class Table> auto read_word(const Table &table, Bytes &bytes, int size)
{
    using Value = decltype(table[0].value);
    unsigned choice = bytes.pick(table.size());

    return choice == table.size() - 1 ? static_cast<Value>(bytes.word(size)) : table[choice].value;
}

kq_event_ext read_change(World &world, Bytes &bytes)
{
    kq_event_ext change{};

    change.filter = static_cast<std::int16_t>(read_word(filter_words, bytes, 2));
    change.ident = read_ident(world, bytes);
    change.flags = read_word(flag_words, bytes, 2);
    change.fflags = read_word(fflag_words, bytes, 4);
    change.data = read_word(data_words, bytes, 8);
    change.udata = world.steps;
    for (auto &word : change.ext)
        word = world.steps;
    return change;
}

void store(std::uint8_t *to, const kq_event_ext &change, std::uint32_t size)
{
    if (size != sizeof(kq_event_ilp32)) {
        std::memcpy(to, &change, std::min<std::size_t>(size, sizeof(change)));
        return;
    }
    kq_event_ilp32 small{static_cast<std::uint32_t>(change.ident),
                         change.filter,
                         change.flags,
                         change.fflags,
                         static_cast<std::int32_t>(change.data),
                         static_cast<std::uint32_t>(change.udata)};
    std::memcpy(to, &small, sizeof(small));
}

kq_event_ext load(const std::uint8_t *from, std::uint32_t size)
{
    kq_event_ext event{};
    kq_event_ilp32 small;

    if (size != sizeof(small)) {
        std::memcpy(&event, from, size);
        return event;
    }
    std::memcpy(&small, from, sizeof(small));
    event.ident = small.ident;
    event.filter = small.filter;
    event.flags = small.flags;
    event.data = small.data;
    return event;
}

bool is_filter(int filter)
{
    for (const auto &word : filter_words)
        if (word.value == filter && filter > -64 - 1 && filter < 0 && filter != KQ_EVFILT_AIO &&
            filter != KQ_EVFILT_LIO && filter != -12)
            return true;
    return false;
}

void check_records(const std::uint8_t *list, int count, std::uint32_t size)
{
    for (int i = 0; i < count; i++) {
        kq_event_ext event = load(list + static_cast<std::size_t>(i) * size, size);

        if (event.flags & EV_ERROR) {
            int error = static_cast<int>(event.data);
            if (error && !is_error_of_change(error))
                defect("a change was answered with %s", std::strerror(error));
        } else if (!is_filter(event.filter)) {
            defect("an event of filter %d", event.filter);
        } else if (event.ext[0] || event.ext[1]) {
            defect("an event with extension words of its own");
        }
    }
}

// One call with valid memory that does not wait. The lists may overlap.
void call(World &world, int queue, kq_kevent &block, std::uint8_t *events)
{
    constexpr std::uint8_t unused = 0xa5;
    std::uint32_t size = block.record_size;
    std::size_t room = static_cast<std::size_t>(block.nevents) * size;
    std::uint8_t *changes = world.arena;
    bool apart = events >= changes + static_cast<std::size_t>(block.nchanges) * size;

    if (queue < 0)
        return;
    block.changelist = reinterpret_cast<std::uintptr_t>(changes);
    block.eventlist = reinterpret_cast<std::uintptr_t>(events);
    block.flags = KQ_KEVENT_NONBLOCK;
    if (apart)
        std::memset(events, unused, room + size);
    int count = ioctl(queue, KQ_IOC_KEVENT, &block);
    if (block.stamp != KQ_STAMP)
        defect("no stamp");
    if (count < 0) {
        // Memory is ours to read and write: it may be no reason.
        if (!is_error_of_change(errno))
            defect("kevent: %s", std::strerror(errno));
        return;
    }
    if (count > block.nevents)
        defect("%d events in room for %d", count, block.nevents);
    check_records(events, count, size);
    for (std::size_t i = room; apart && i < room + size; i++)
        if (events[i] != unused)
            defect("written behind the room for %d events", block.nevents);
}

std::uint32_t read_layout(Bytes &bytes)
{
    return layout_words[bytes.pick(3)].value;
}

// Of an argument that a call reads or writes: in the memory, at its end, or nowhere.
std::uint64_t read_address(const World &world, Bytes &bytes)
{
    unsigned choice = bytes.pick(16);
    auto memory = reinterpret_cast<std::uintptr_t>(world.arena);

    switch (choice) {
    case 0:
        return 0;
    case 1:
        return memory + World::arena_size - bytes.byte();
    case 2:
        return memory + World::arena_size + World::page - bytes.byte();
    case 3:
        return 0xffffffff81000000;
    case 4:
        return 0x8000000000000000;
    case 5:
        return 0x00007ffffffff000 + bytes.byte();
    case 6:
        // Never by chance our own memory: the module would write there.
        return bytes.word(8) | std::uint64_t{1} << 63;
    }
    return memory + 64 * std::size_t{bytes.byte()} % World::arena_size;
}

} // namespace

// QUEUE: what is open there is closed first
void step_open(World &world, Bytes &bytes)
{
    unsigned index = bytes.pick(queue_slots);
    int fd = open(KQ_DEVICE, O_RDWR | O_CLOEXEC);

    if (fd < 0 && errno != ENOMEM && errno != EMFILE)
        defect("open: %s", std::strerror(errno));
    world.put(index, fd, fd >= 0);
}

// QUEUE LAYOUT FILTER IDENT FLAGS FFLAGS DATA: room for one answer
void step_change(World &world, Bytes &bytes)
{
    kq_kevent block{};
    int queue = queue_of(world, bytes);

    block.record_size = read_layout(bytes);
    block.nchanges = 1;
    store(world.arena, read_change(world, bytes), block.record_size);
    call(world, queue, block, world.arena + sizeof(kq_event_ext));
}

// QUEUE LAYOUT ROOM
void step_collect(World &world, Bytes &bytes)
{
    kq_kevent block{};
    int queue = queue_of(world, bytes);

    block.record_size = read_layout(bytes);
    block.nevents = 1 + static_cast<int>(bytes.pick(most_changes));
    call(world, queue, block, world.arena);
}

// QUEUE LAYOUT ROOM SHIFT COUNT, then COUNT changes: FILTER IDENT FLAGS FFLAGS DATA. The list of
// events begins SHIFT records behind that of changes.
void step_batch(World &world, Bytes &bytes)
{
    kq_kevent block{};
    int queue = queue_of(world, bytes);

    block.record_size = read_layout(bytes);
    block.nevents = static_cast<int>(bytes.pick(most_changes));
    unsigned shift = bytes.pick(most_changes + 1);
    block.nchanges = static_cast<int>(bytes.pick(most_changes));
    for (int i = 0; i < block.nchanges && !bytes.ended(); i++)
        store(world.arena + static_cast<std::size_t>(i) * block.record_size,
              read_change(world, bytes), block.record_size);
    call(world, queue, block, world.arena + std::size_t{shift} * block.record_size);
}

// SLOT COMMAND, a block of any contents at any address
void step_raw(World &world, Bytes &bytes)
{
    constexpr unsigned long commands[] = {KQ_IOC_KEVENT, KQ_IOC_INFO, KQ_IOC_SETUP};
    const Slot &slot = world.slot[bytes.pick(slots)];
    unsigned choice = bytes.pick(8);
    unsigned long command = choice < 4 ? KQ_IOC_KEVENT : commands[choice % 3];
    std::vector<std::uint8_t> block(256);

    if (choice == 7)
        command = _IOC(bytes.pick(4), KQ_IOC_MAGIC, bytes.pick(5), bytes.word(2) % 0x3fff);
    std::uint64_t target = bytes.pick(4) ? 0 : read_address(world, bytes);
    kq_kevent call{};
    call.changelist = read_address(world, bytes);
    call.eventlist = read_address(world, bytes);
    call.timeout = bytes.pick(2) ? 0 : read_address(world, bytes);
    call.nchanges = static_cast<std::int32_t>(read_word(data_words, bytes, 4));
    call.nevents = static_cast<std::int32_t>(read_word(data_words, bytes, 4));
    call.record_size = read_word(layout_words, bytes, 4);
    call.flags = static_cast<std::uint32_t>(bytes.byte());
    call.state = static_cast<std::uint32_t>(bytes.byte());
    call.deadline = bytes.pick(2) ? 0 : bytes.word(8);
    call.reserved = bytes.pick(16) ? 0 : bytes.word(8);
    std::memcpy(block.data(), &call, sizeof(call));
    if (command != KQ_IOC_KEVENT)
        for (std::size_t i = 0; i < 64; i += 4)
            block[i] = bytes.byte();
    // Millions of records cost time and show nothing that thousands do not.
    if (call.nchanges > 4096 || !slot.queue || world.left.waits <= 0)
        return;
    raw_kevent(world, slot.fd, command,
               target ? reinterpret_cast<void *>(target) : static_cast<void *>(block.data()));
}

// QUEUE WHAT: the other two ioctls as they should be, and what a queue refuses
void step_control(World &world, Bytes &bytes)
{
    int queue = queue_of(world, bytes);
    kq_setup setup{};
    kq_info info{};
    char byte = 0;

    if (queue < 0)
        return;
    switch (bytes.pick(6)) {
    case 0:
        setup.flags = KQ_SETUP_CPONFORK;
        [[fallthrough]];
    case 1:
        if (ioctl(queue, KQ_IOC_SETUP, &setup))
            defect("KQ_IOC_SETUP: %s", std::strerror(errno));
        break;
    case 2:
        if (ioctl(queue, KQ_IOC_INFO, &info) || info.stamp != KQ_STAMP)
            defect("KQ_IOC_INFO: %s", std::strerror(errno));
        break;
    case 3:
        if (read(queue, &byte, 1) != -1 || errno != ENXIO)
            defect("read() of a queue");
        break;
    case 4:
        if (write(queue, &byte, 1) != -1 || errno != ENXIO)
            defect("write() of a queue");
        break;
    case 5:
        if (ioctl(queue, _IOWR(KQ_IOC_MAGIC, 0x7f, kq_info), &byte) != -1 || errno != ENOTTY)
            defect("an ioctl that does not exist");
        break;
    }
}

// QUEUE FLAGS LIMIT: waits until something is ready, or for a moment
void step_wait(World &world, Bytes &bytes)
{
    const std::int64_t moment[] = {0, 300'000};
    const std::int32_t moment32[] = {0, 300'000};
    kq_event events[4];
    kq_kevent block{};
    int queue = queue_of(world, bytes);

    block.flags = bytes.byte() & KQ_KEVENT_FLAGS;
    block.record_size = sizeof(kq_event);
    block.eventlist = reinterpret_cast<std::uintptr_t>(events);
    block.nevents = static_cast<int>(bytes.pick(4));
    if (block.flags & KQ_KEVENT_TIMEOUT_ILP32)
        block.timeout = reinterpret_cast<std::uintptr_t>(moment32);
    else
        block.timeout = reinterpret_cast<std::uintptr_t>(moment);
    // For ever, until the signal.
    if (bytes.pick(3) == 2)
        block.timeout = 0;
    if (queue < 0 || world.left.waits <= 0)
        return;
    long count = raw_kevent(world, queue, KQ_IOC_KEVENT, &block);
    if (count > (block.flags & KQ_KEVENT_WAIT_ONLY ? 1 : block.nevents))
        defect("%ld events in room for %d", count, block.nevents);
    if (count > 0 && !(block.flags & KQ_KEVENT_WAIT_ONLY))
        check_records(reinterpret_cast<std::uint8_t *>(events), static_cast<int>(count),
                      sizeof(kq_event));
}

// SLOT: reads its fdinfo
void step_look(World &world, Bytes &bytes)
{
    const Slot &slot = world.slot[bytes.pick(slots)];
    std::string path = "/proc/self/fdinfo/" + std::to_string(slot.fd);
    char text[4096];
    bool counted = false;

    if (slot.fd < 0)
        return;
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        defect("%s: %s", path.c_str(), std::strerror(errno));
    for (ssize_t size; (size = read(fd, text, sizeof(text) - 1)) > 0;) {
        text[size] = 0;
        counted |= !!std::strstr(text, "user: queues=");
    }
    close(fd);
    if (slot.queue && !counted)
        defect("fdinfo of a queue has no counts");
}

} // namespace kq::fuzz
