// SPDX-License-Identifier: MIT
//
// Owns the change of a corpus from text to the folder libFuzzer wants, and back.
//
// Usage: corpus unpack FOLDER FILE...   one file per input of corpus.txt or seeds.txt
//        corpus pack FOLDER             prints the inputs in the folder, sorted
#include "text.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace
{

using namespace kq::fuzz;

// Named by its place, which says which line it was.
void unpack(const std::filesystem::path &folder, const std::string &from)
{
    std::string stem = std::filesystem::path(from).stem();
    int place = 0;

    std::filesystem::create_directories(folder);
    for (const Input &input : read_inputs(from)) {
        std::ofstream file(folder / (stem + "-" + std::to_string(++place)), std::ios::binary);
        file.write(reinterpret_cast<const char *>(input.data()),
                   static_cast<std::streamsize>(input.size()));
    }
}

void pack(const std::filesystem::path &folder)
{
    std::vector<Input> inputs;

    for (const auto &entry : std::filesystem::directory_iterator(folder)) {
        std::ifstream file(entry.path(), std::ios::binary);
        inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    // Short ones first: they are what one wants to read.
    std::ranges::sort(inputs, {},
                      [](const Input &input) { return std::pair(input.size(), input); });
    for (const Input &input : inputs)
        std::printf("%s\n", to_hex(input).c_str());
}

} // namespace

int main(int argc, char **argv)
{
    std::string_view verb = argc > 1 ? argv[1] : "";

    if (verb == "unpack" && argc > 3) {
        for (int i = 3; i < argc; i++)
            unpack(argv[2], argv[i]);
        return 0;
    }
    if (verb == "pack" && argc == 3) {
        pack(argv[2]);
        return 0;
    }
    std::fprintf(stderr, "usage: corpus unpack FOLDER FILE... | corpus pack FOLDER\n");
    return 2;
}
