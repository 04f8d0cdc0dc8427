// SPDX-License-Identifier: MIT
//
// Owns the way from the kernel's KCOV to libFuzzer: which ways through the module one input took.
#ifndef KQ_FUZZ_KCOV_HPP
#define KQ_FUZZ_KCOV_HPP

#include <cstdint>
#include <unordered_set>

namespace kq::fuzz
{

// Follows the thread that made it. Only code built with KCOV_INSTRUMENT reports, which is the
// module alone; what runs in interrupts, workers and other processes is not seen.
class Kcov
{
public:
    Kcov();
    void begin();
    // Adds what was reported since begin() to libFuzzer's counters.
    void end();

    std::size_t places() const { return seen_.size(); }

private:
    volatile std::uint64_t *area_ = nullptr;
    std::unordered_set<std::uint64_t> seen_;
};

} // namespace kq::fuzz

#endif // KQ_FUZZ_KCOV_HPP
