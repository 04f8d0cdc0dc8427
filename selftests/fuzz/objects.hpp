// SPDX-License-Identifier: MIT
//
// Owns the list of kinds of objects that an input can watch. Making one is the task of objects.cpp.
#ifndef KQ_FUZZ_OBJECTS_HPP
#define KQ_FUZZ_OBJECTS_HPP

#include <array>
#include <string_view>

namespace kq::fuzz
{

class World;

// The names are those of the seeds; the order is the meaning of a byte and must stay.
inline constexpr std::array<std::string_view, 25> object_names = {
    "pipe",    "stream",    "dgram",        "tcp",    "listener", "udp",      "eventfd",
    "timerfd", "file",      "dir",          "pidfd",  "epoll",    "signalfd", "inotify",
    "pty",     "fifo",      "null",         "opath",  "fresh",    "memfd",    "mounts",
    "pidself", "seqpacket", "unixlistener", "random",
};

// Pairs take the slot behind, too. What cannot be made here leaves the slot empty.
void make_object(World &world, unsigned kind, unsigned slot);

} // namespace kq::fuzz

#endif // KQ_FUZZ_OBJECTS_HPP
