// SPDX-License-Identifier: MIT
//
// The kernel's side is documented in its Documentation/dev-tools/kcov.rst; libFuzzer takes counters
// from a section of a known name.
#include "kcov.hpp"

#include "world.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <linux/kcov.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

namespace kq::fuzz
{

namespace
{

constexpr const char *path = "/sys/kernel/debug/kcov";
constexpr std::size_t words = 1 << 18;
constexpr std::size_t counters_size = 1 << 16;

[[gnu::section("__libfuzzer_extra_counters"), gnu::used]] std::uint8_t counters[counters_size];

// Spreads neighbours over all counters.
std::uint64_t mix(std::uint64_t value)
{
    value *= 0x9e3779b97f4a7c15;
    return value >> 32;
}

} // namespace

Kcov::Kcov()
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        unusable("%s: %s; it takes root and a kernel with CONFIG_KCOV (6.1-debug)", path,
                 std::strerror(errno));
    if (ioctl(fd, KCOV_INIT_TRACE, words))
        unusable("%s: KCOV_INIT_TRACE: %s", path, std::strerror(errno));
    void *memory = mmap(nullptr, words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED || ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC))
        unusable("%s: %s", path, std::strerror(errno));
    area_ = static_cast<volatile std::uint64_t *>(memory);
}

void Kcov::begin()
{
    area_[0] = 0;
}

void Kcov::end()
{
    std::uint64_t count = area_[0], before = 0;

    if (count > words - 1)
        count = words - 1;
    for (std::uint64_t i = 1; i <= count; i++) {
        std::uint64_t place = area_[i];
        std::uint8_t &counter = counters[(mix(place) ^ (before >> 1)) % counters_size];

        // Most are loops and repetitions, which need no look into the set.
        if (!counter)
            seen_.insert(place);
        before = mix(place);
        if (counter < 255)
            counter++;
    }
    area_[0] = 0;
}

} // namespace kq::fuzz
