// SPDX-License-Identifier: MIT
//
// Compiles the public headers in every language standard, with each compiler
// there is, every warning an error.
#include "command.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace
{

const std::string include = "-I" KQ_TOP "/lib/include ";

struct dialect {
    const char *language, *standard;
};

std::vector<std::string> compilers(const std::string &language)
{
    std::vector<std::string> found;

    for (const char *name : {"gcc", "clang"}) {
        std::string compiler = name;
        if (language == "c++")
            compiler = compiler == "gcc" ? "g++" : "clang++";
        if (have(compiler))
            found.push_back(compiler);
    }
    return found;
}

// An older compiler may not know a standard yet.
bool knows(const std::string &compiler, const dialect &d)
{
    return command(compiler + " -std=" + d.standard + " -x " + d.language +
                   " -fsyntax-only /dev/null")
               .status == 0;
}

class Header : public testing::TestWithParam<dialect>
{
};

std::string dialect_name(const testing::TestParamInfo<dialect> &info)
{
    std::string name = info.param.standard;
    for (char &c : name)
        if (!isalnum(c))
            c = 'x';
    return name;
}

TEST_P(Header, KQ001_KQ005_probe_compiles)
{
    const dialect d = GetParam();
    int compiled = 0;

    for (const std::string &compiler : compilers(d.language)) {
        if (!knows(compiler, d))
            continue;
        for (const char *extra :
             {"", "-D_GNU_SOURCE ", "-D_POSIX_C_SOURCE=200809L ", "-DKQ_LIBKQUEUE_QUERIES ",
              "-m32 ", "-m32 -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 "}) {
            if (std::string(extra).starts_with("-m32") &&
                command("echo '#include <stdint.h>' | " + compiler + " -m32 -x c -fsyntax-only -")
                    .status)
                continue;
            const command run(compiler + " -std=" + d.standard + " -x " + d.language + " " + extra +
                              "-pedantic -Wall -Wextra -Wshadow -Wundef -Werror -fsyntax-only " +
                              include + KQ_HERE "probe.c");
            EXPECT_EQ(run.status, 0) << compiler << " " << extra << run.output;
            compiled++;
        }
    }
    EXPECT_GT(compiled, 0);
}

INSTANTIATE_TEST_SUITE_P(C, Header,
                         testing::Values(dialect{"c", "c89"}, dialect{"c", "gnu89"},
                                         dialect{"c", "c99"}, dialect{"c", "c11"},
                                         dialect{"c", "c17"}, dialect{"c", "c2x"},
                                         dialect{"c", "gnu17"}),
                         dialect_name);
INSTANTIATE_TEST_SUITE_P(Cxx, Header,
                         testing::Values(dialect{"c++", "c++98"}, dialect{"c++", "c++11"},
                                         dialect{"c++", "c++14"}, dialect{"c++", "c++17"},
                                         dialect{"c++", "c++20"}, dialect{"c++", "c++23"},
                                         dialect{"c++", "c++2b"}, dialect{"c++", "gnu++20"}),
                         dialect_name);

TEST(Header, cpp_headers_stand_alone)
{
    for (const std::string &compiler : compilers("c++"))
        for (const char *name : {"kq", "queue", "change", "event", "timeout"})
            for (const char *standard : {"c++20", "c++23"}) {
                if (!knows(compiler, {"c++", standard}))
                    continue;
                const command run(compiler + " -std=" + standard +
                                  " -pedantic -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion"
                                  " -Werror -fsyntax-only -x c++ " +
                                  include + KQ_TOP "/lib/include/kq/" + name + ".hpp");
                EXPECT_EQ(run.status, 0) << compiler << " " << name << run.output;
            }
}

TEST(Header, examples_compile_without_warnings)
{
    const command run("set -e; for f in " KQ_TOP "/lib/examples/*; do case $f in"
                      " *.c) gcc -std=c99 -D_GNU_SOURCE -pedantic -Wall -Wextra -Werror"
                      " -fsyntax-only " +
                      include +
                      "$f;;"
                      " *.cpp) g++ -std=c++20 -pedantic -Wall -Wextra -Werror -fsyntax-only " +
                      include + "$f;; esac; done");
    EXPECT_EQ(run.status, 0) << run.output;
}

// Nothing of the kernel interface shows through.
TEST(Header, KQ001_event_h_is_self_contained)
{
    const command run("gcc -M " + include + KQ_TOP "/lib/include/sys/event.h");
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.output.find("kqueue.h"), std::string::npos) << run.output;
}

} // namespace
