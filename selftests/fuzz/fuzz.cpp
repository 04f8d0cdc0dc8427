// SPDX-License-Identifier: MIT
//
// Owns what libFuzzer calls. tools/fuzz.sh runs it.
//
// KQ_FUZZ_CURRENT names a file that holds the size, in eight bytes, and the bytes of the running
// input: it survives when the kernel ends the process.
#include "kcov.hpp"
#include "steps.hpp"
#include "world.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <unistd.h>

namespace
{

constexpr std::size_t most_bytes = 4096;

struct Current {
    std::uint64_t size;
    std::uint8_t bytes[most_bytes];
};

struct Fuzzer {
    Current *current = nullptr;
    kq::fuzz::Kcov kcov;
    kq::fuzz::World world;
};

Fuzzer *fuzzer;

Current *open_current(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, sizeof(Current)))
        kq::fuzz::unusable("%s: %s", path, std::strerror(errno));
    void *memory = mmap(nullptr, sizeof(Current), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return memory == MAP_FAILED ? nullptr : static_cast<Current *>(memory);
}

void report()
{
    std::printf("# %zu places of the module were reached\n", fuzzer->kcov.places());
    std::fflush(stdout);
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***)
{
    const char *path = std::getenv("KQ_FUZZ_CURRENT");
    Current *current = path ? open_current(path) : nullptr;

    fuzzer = new Fuzzer;
    fuzzer->current = current;
    std::atexit(report);
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    if (size > most_bytes)
        return -1;
    if (fuzzer->current) {
        fuzzer->current->size = size;
        std::memcpy(fuzzer->current->bytes, data, size);
    }
    fuzzer->kcov.begin();
    kq::fuzz::run_input(fuzzer->world, {data, size});
    fuzzer->kcov.end();
    return 0;
}
