// SPDX-License-Identifier: MIT
//
// Owns the list of what an input can do. An input is the order in which its world ends, then steps,
// each a byte that chooses from this table and the bytes that the step reads.
#ifndef KQ_FUZZ_STEPS_HPP
#define KQ_FUZZ_STEPS_HPP

#include "bytes.hpp"

#include <span>
#include <string_view>

namespace kq::fuzz
{

class World;

struct Step {
    std::string_view name;
    void (*run)(World &world, Bytes &bytes);
};

// As with words.hpp: append, never reorder.
std::span<const Step> all_steps();

// Runs one input from nothing to nothing and judges what it left.
void run_input(World &world, std::span<const std::uint8_t> input);

// steps_queue.cpp
void step_open(World &, Bytes &);
void step_change(World &, Bytes &);
void step_collect(World &, Bytes &);
void step_batch(World &, Bytes &);
void step_raw(World &, Bytes &);
void step_control(World &, Bytes &);
void step_wait(World &, Bytes &);
void step_look(World &, Bytes &);

// steps_object.cpp
void step_make(World &, Bytes &);
void step_close(World &, Bytes &);
void step_dup(World &, Bytes &);
void step_range(World &, Bytes &);
void step_write(World &, Bytes &);
void step_read(World &, Bytes &);
void step_shut(World &, Bytes &);
void step_file(World &, Bytes &);
void step_name(World &, Bytes &);
void step_socket(World &, Bytes &);
void step_pass(World &, Bytes &);
void step_poll(World &, Bytes &);
void step_epoll(World &, Bytes &);
void step_set(World &, Bytes &);

// steps_process.cpp
void step_child(World &, Bytes &);
void step_order(World &, Bytes &);
void step_fork(World &, Bytes &);
void step_signal(World &, Bytes &);
void step_nap(World &, Bytes &);
void step_mount(World &, Bytes &);
void step_limit(World &, Bytes &);

} // namespace kq::fuzz

#endif // KQ_FUZZ_STEPS_HPP
