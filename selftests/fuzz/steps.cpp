// SPDX-License-Identifier: MIT
//
// The table of steps, and one run.
#include "steps.hpp"

#include "world.hpp"

#include <array>

namespace kq::fuzz
{

namespace
{

constexpr unsigned most_steps = 64;

constexpr std::array<Step, 29> table = {{
    {"open", step_open},   {"change", step_change}, {"collect", step_collect},
    {"batch", step_batch}, {"raw", step_raw},       {"control", step_control},
    {"wait", step_wait},   {"look", step_look},     {"make", step_make},
    {"close", step_close}, {"dup", step_dup},       {"range", step_range},
    {"write", step_write}, {"read", step_read},     {"shut", step_shut},
    {"file", step_file},   {"name", step_name},     {"socket", step_socket},
    {"pass", step_pass},   {"poll", step_poll},     {"epoll", step_epoll},
    {"set", step_set},     {"child", step_child},   {"order", step_order},
    {"fork", step_fork},   {"signal", step_signal}, {"nap", step_nap},
    {"mount", step_mount}, {"limit", step_limit},
}};

} // namespace

std::span<const Step> all_steps()
{
    return table;
}

void run_input(World &world, std::span<const std::uint8_t> input)
{
    Bytes bytes(input);
    unsigned order = bytes.pick(3);

    world.begin();
    for (unsigned i = 0; i < most_steps && !bytes.ended(); i++) {
        world.steps++;
        table[bytes.pick(table.size())].run(world, bytes);
    }
    world.fence();
    world.end(order);
    world.check();
}

} // namespace kq::fuzz
