// SPDX-License-Identifier: MIT
//
// Owns the ioctls as the fuzzer makes them, and the judgement of their answers. Which call is made
// is decided in steps_queue.cpp.
#ifndef KQ_FUZZ_CALL_HPP
#define KQ_FUZZ_CALL_HPP

#include <linux/kqueue.h>
#include <span>

namespace kq::fuzz
{

class World;

// A call that does not wait. Returns the number of events, or -1.
int plain_kevent(int queue, std::span<const kq_event> changes, std::span<kq_event> events);

// Where the block may be senseless. What could wait is interrupted soon. Returns what ioctl()
// returned; whether that may be is checked.
long raw_kevent(World &world, int queue, unsigned long command, void *block);

} // namespace kq::fuzz

#endif // KQ_FUZZ_CALL_HPP
