// SPDX-License-Identifier: MIT
//
// Owns the reading of an input: a string of bytes that never ends, it goes on with zeros. Must know
// nothing of what the bytes mean.
#ifndef KQ_FUZZ_BYTES_HPP
#define KQ_FUZZ_BYTES_HPP

#include <cstddef>
#include <cstdint>
#include <span>

namespace kq::fuzz
{

class Bytes
{
public:
    explicit Bytes(std::span<const std::uint8_t> data) : rest_(data) {}

    bool ended() const { return rest_.empty(); }

    std::uint8_t byte()
    {
        if (rest_.empty())
            return 0;
        std::uint8_t value = rest_.front();
        rest_ = rest_.subspan(1);
        return value;
    }

    // Below count. The remainder, so that small numbers in a seed mean what they say.
    unsigned pick(std::size_t count) { return static_cast<unsigned>(byte() % count); }

    // The lowest byte first.
    std::uint64_t word(int size)
    {
        std::uint64_t value = 0;
        for (int i = 0; i < size; i++)
            value |= std::uint64_t{byte()} << (8 * i);
        return value;
    }

private:
    std::span<const std::uint8_t> rest_;
};

} // namespace kq::fuzz

#endif // KQ_FUZZ_BYTES_HPP
