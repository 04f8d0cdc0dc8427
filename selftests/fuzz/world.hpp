// SPDX-License-Identifier: MIT
//
// Owns what exists while one input runs: descriptors in slots, children, a folder, memory for
// arguments; and that nothing of it is left afterwards. The steps of an input are in steps.hpp.
#ifndef KQ_FUZZ_WORLD_HPP
#define KQ_FUZZ_WORLD_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <sys/types.h>

namespace kq::fuzz
{

// Says what is wrong and ends the process with SIGABRT, with the input in the hands of libFuzzer.
[[noreturn, gnu::format(printf, 1, 2)]] void defect(const char *format, ...);

// The same for a machine that cannot run the fuzzer: ends with status 2.
[[noreturn, gnu::format(printf, 1, 2)]] void unusable(const char *format, ...);

constexpr unsigned queue_slots = 4;
constexpr unsigned slots = 16;
constexpr unsigned child_slots = 2;

// What one input may have of what is slow.
struct Allowance {
    int children = 4;
    int forks = 3;
    int execs = 1;
    int naps = 6;
    int mounts = 2;
    int waits = 8;
};

struct Slot {
    int fd = -1;
    bool queue = false;
};

// Its two descriptors have numbers that no input can close.
struct Child {
    pid_t pid = 0;
    bool made = false; // in this input, it may have ended since
    int order = -1;
    int answer = -1;
    bool idle = false; // it waits for an order
};

class World
{
public:
    // Once per process: the folder, the memory, what is compared later.
    World();
    World(const World &) = delete;
    World &operator=(const World &) = delete;

    void begin();
    // Closes and ends everything in one of several orders.
    void end(unsigned order);
    // After end(): what the module counts for this user is what it was; no close was missed, the
    // kernel did not complain.
    void check();
    // Each queue still gives an event that is triggered now.
    void fence();

    // The slot keeps the descriptor; what it had is closed.
    void put(unsigned slot, int fd, bool queue = false);
    void close_slot(unsigned slot);

    // Memory of an input's arguments. Behind it is a page that cannot be written, then one that
    // cannot be read.
    static constexpr std::size_t arena_size = 8192, page = 4096;
    std::uint8_t *arena = nullptr;

    std::array<Slot, slots> slot;
    std::array<Child, child_slots> child;
    Allowance left;
    int null = -1;
    int folder = -1;         // an empty private tmpfs
    bool touched = false;    // there may be something in it
    bool passed = false;     // a descriptor was sent in a message
    bool limited = false;    // a limit of the user was changed
    std::uint64_t steps = 0; // distinguishes the registrations

    static constexpr std::array<const char *, 3> limit_names = {"queues", "knotes", "timers"};
    void set_limit(unsigned which, unsigned long above);

private:
    struct Counts {
        unsigned long used[3]{}, limit[3]{};
        bool operator==(const Counts &) const = default;
    };

    Counts counts(int queue) const;
    void empty_folder();
    void restore_limits();

    int first_fd_ = -1; // from here on all descriptors are the input's
    int taint_fd_ = -1;
    std::string taint_;
    Counts before_;
};

// children.cpp
void make_child(World &world, unsigned which);
// 'f' a child of its own that ends at once, 'x' another program, 'e' its end; waits until it is
// done
void order_child(World &world, unsigned which, char order);
void reap_child(World &world, unsigned which);
void end_child(World &world, unsigned which);
enum class Fork { copy, shared, unshared };
// A child with a descriptor table of its own or the same, which tries all queues it finds there.
void fork_and_try(World &world, Fork how);

} // namespace kq::fuzz

#endif // KQ_FUZZ_WORLD_HPP
