// SPDX-License-Identifier: MIT
//
// Two timers on one queue: one that ticks, one that ends the program.
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <kq/kq.hpp>

using namespace std::chrono_literals;

int main()
{
    enum : std::uintptr_t { tick, end };

    try {
        kq::queue queue;
        queue.apply({kq::timer(tick).every(20ms).add(), kq::timer(end).after(110ms).add()});

        std::array<kq::event, 2> room;
        std::intptr_t ticks = 0;

        for (bool running = true; running;) {
            for (const kq::event &e : queue.wait(room, 5s)) {
                if (e.ident() == tick)
                    ticks += e.expirations(); // more than 1 if we came late
                else
                    running = false;
            }
        }
        std::printf("%ld ticks\n", static_cast<long>(ticks));
        return ticks >= 5 ? 0 : 1;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "timer: %s\n", error.what());
        return 1;
    }
}
