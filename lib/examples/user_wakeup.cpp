// SPDX-License-Identifier: MIT
//
// A thread waits on a queue, another one wakes it through EVFILT_USER: first
// with work, in bits that add up until they are read, then to end.
#include <array>
#include <cstdio>
#include <exception>
#include <functional>
#include <kq/kq.hpp>
#include <thread>

namespace
{

constexpr std::uintptr_t wakeup = 1;
constexpr unsigned work = 1, stop = 2;

void serve(kq::queue &queue, unsigned &seen)
{
    std::array<kq::event, 1> room;

    while (!(seen & stop))
        for (const kq::event &e : queue.wait(room)) {
            seen |= e.bits();
            std::printf("woken, bits %u\n", e.bits());
        }
}

} // namespace

int main()
{
    try {
        kq::queue queue;
        unsigned seen = 0;

        queue.apply(kq::user(wakeup).add().clear());
        std::thread server(serve, std::ref(queue), std::ref(seen));

        queue.apply(kq::user(wakeup).or_bits(work).trigger());
        queue.apply(kq::user(wakeup).or_bits(stop).trigger());
        server.join();
        return seen == (work | stop) ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "user_wakeup: %s\n", error.what());
        return 1;
    }
}
