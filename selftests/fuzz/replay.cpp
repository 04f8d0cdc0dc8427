// SPDX-License-Identifier: MIT
//
// Owns running known inputs once each, on any kernel with the module: the regression test of what
// the fuzzer found.
//
// Usage: replay FILE...     inputs of corpus.txt or seeds.txt
//        replay -x HEX...   the inputs themselves
//
// Exit status: 0 all hold, 134 (SIGABRT) at the first that does not, after saying which, 2 if
// nothing could be run.
#include "steps.hpp"
#include "text.hpp"
#include "world.hpp"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <unistd.h>

namespace
{

using namespace kq::fuzz;

std::string running;

void say_running(int)
{
    static const char text[] = "# the input: ";

    // write() is all that is allowed here; what fails cannot be told.
    if (write(2, text, sizeof(text) - 1) < 0 || write(2, running.c_str(), running.size()) < 0 ||
        write(2, "\n", 1) < 0)
        return;
}

} // namespace

int main(int argc, char **argv)
{
    bool hex = argc > 1 && !std::strcmp(argv[1], "-x");
    std::vector<Input> inputs;

    for (int i = hex ? 2 : 1; i < argc; i++) {
        if (hex) {
            inputs.push_back(from_hex(argv[i]));
            continue;
        }
        for (Input &input : read_inputs(argv[i]))
            inputs.push_back(std::move(input));
    }
    if (inputs.empty())
        unusable("no inputs; usage: replay FILE... | replay -x HEX...");
    std::signal(SIGABRT, say_running);
    World world;
    for (const Input &input : inputs) {
        running = to_hex(input);
        // Of one that hangs, the last line is what it was.
        if (hex)
            std::fprintf(stderr, "# %s\n", running.c_str());
        run_input(world, input);
    }
    std::printf("# %zu inputs replayed\n", inputs.size());
    return 0;
}
