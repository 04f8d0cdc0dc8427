// SPDX-License-Identifier: MIT
//
// Runs a shell command for a test and keeps what it printed.
#ifndef KQ_TEST_COMMAND_HPP
#define KQ_TEST_COMMAND_HPP

#include <cstdio>
#include <string>

struct command {
    int status = -1;
    std::string output; // standard output and standard error

    explicit command(const std::string &line)
    {
        FILE *pipe = popen(("{ " + line + "\n} 2>&1").c_str(), "r");
        char buffer[4096];
        size_t got;

        if (!pipe)
            return;
        while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0)
            output.append(buffer, got);
        status = pclose(pipe);
    }
};

inline bool have(const std::string &program)
{
    return command("command -v " + program).status == 0;
}

#endif
