// SPDX-License-Identifier: MIT
//
// Owns the two text forms of inputs: corpus.txt, a line of hex each, and seeds.txt, in words.
#ifndef KQ_FUZZ_TEXT_HPP
#define KQ_FUZZ_TEXT_HPP

#include <cstdint>
#include <string>
#include <vector>

namespace kq::fuzz
{

using Input = std::vector<std::uint8_t>;

Input from_hex(const std::string &line);
std::string to_hex(const Input &input);

// Reads a file of either form; ends the program with status 2 if it is wrong.
std::vector<Input> read_inputs(const std::string &path);

} // namespace kq::fuzz

#endif // KQ_FUZZ_TEXT_HPP
