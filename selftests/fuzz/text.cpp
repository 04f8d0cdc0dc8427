// SPDX-License-Identifier: MIT
//
// Reading both forms. seeds.txt begins each input with "seed NAME ORDER"; then a line is a step,
// and each word behind it a byte: a number, a name of words.hpp or objects.hpp, or SIZE:NUMBER for
// more than one byte.
#include "text.hpp"

#include "objects.hpp"
#include "steps.hpp"
#include "words.hpp"
#include "world.hpp"

#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

namespace kq::fuzz
{

namespace
{

using Names = std::map<std::string, std::uint8_t, std::less<>>;

void name(Names &names, std::string_view word, std::size_t value)
{
    if (!names.emplace(word, static_cast<std::uint8_t>(value)).second)
        unusable("two meanings of the word '%s'", std::string(word).c_str());
}

template <class Table> void name_all(Names &names, const Table &table)
{
    for (std::size_t i = 0; i < table.size(); i++)
        if (table[i].name != "0")
            name(names, table[i].name, i);
}

Names operand_names()
{
    Names names;

    name_all(names, filter_words);
    name_all(names, flag_words);
    name_all(names, fflag_words);
    name_all(names, data_words);
    name_all(names, layout_words);
    for (std::size_t i = 0; i < object_names.size(); i++)
        name(names, object_names[i], i);
    for (std::size_t i = 0; i < ident_words.size(); i++)
        name(names, ident_words[i], slots + i);
    return names;
}

Names step_names()
{
    Names names;
    std::size_t place = 0;

    for (const Step &step : all_steps())
        name(names, step.name, place++);
    return names;
}

bool number(std::string_view text, std::uint64_t &value)
{
    int base = text.starts_with("0x") ? 16 : 10;

    text.remove_prefix(base == 16 ? 2 : 0);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    return error == std::errc() && end == text.data() + text.size();
}

// One operand; false if it is none.
bool assemble(const std::string &word, const Names &names, Input &input)
{
    std::uint64_t size = 1, value;
    std::size_t colon = word.find(':');

    if (auto found = names.find(word); found != names.end()) {
        input.push_back(found->second);
        return true;
    }
    if (colon != std::string::npos && !number(word.substr(0, colon), size))
        return false;
    if (!number(colon == std::string::npos ? word : word.substr(colon + 1), value) || size > 8)
        return false;
    for (std::uint64_t i = 0; i < size; i++)
        input.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    return true;
}

} // namespace

Input from_hex(const std::string &line)
{
    Input input;

    for (std::size_t i = 0; i < line.size(); i += 2) {
        std::uint64_t value;
        if (i + 1 == line.size() || !number("0x" + line.substr(i, 2), value))
            unusable("no hex: '%s'", line.c_str());
        input.push_back(static_cast<std::uint8_t>(value));
    }
    return input;
}

std::string to_hex(const Input &input)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;

    for (std::uint8_t byte : input) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

std::vector<Input> read_inputs(const std::string &path)
{
    const Names steps = step_names(), operands = operand_names();
    std::vector<Input> inputs;
    std::ifstream file(path);
    std::string line, word;
    bool words = false;

    if (!file)
        unusable("no file %s", path.c_str());
    for (int at = 1; std::getline(file, line); at++) {
        std::istringstream rest(line);
        auto wrong = [&] { unusable("%s:%d: no meaning of '%s'", path.c_str(), at, word.c_str()); };

        if (!(rest >> word) || word[0] == '#')
            continue;
        if (word == "seed") {
            words = true;
            inputs.emplace_back();
            if (!(rest >> word >> word) || !assemble(word, {}, inputs.back()))
                wrong();
        } else if (words) {
            auto step = steps.find(word);
            if (step == steps.end())
                wrong();
            inputs.back().push_back(step->second);
            while (rest >> word)
                if (!assemble(word, operands, inputs.back()))
                    wrong();
        } else {
            inputs.push_back(from_hex(word));
        }
    }
    return inputs;
}

} // namespace kq::fuzz
