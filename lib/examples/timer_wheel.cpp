// SPDX-License-Identifier: MIT
//
// A thousand sessions that end when they are idle for too long: one queue has a
// one-shot timer for each, a periodic one as clock and an absolute one to close.
//
//   timer_wheel    prints how the sessions ended; status 0 if none ended early
#include <array>
#include <chrono>
#include <cstdio>
#include <kq/kq.hpp>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;

namespace
{

constexpr auto idle_limit = 200ms;
constexpr auto tick = 20ms;
constexpr std::size_t sessions = 1000;

// Idents of timers are our own numbers: a session's is its index.
constexpr std::uintptr_t clock_timer = sessions, closing_timer = sessions + 1;

class house
{
public:
    house() : open_(sessions, true), last_active_(sessions)
    {
        std::vector<kq::change> changes;
        for (std::size_t id = 0; id < sessions; id++)
            changes.push_back(active(id));
        changes.push_back(kq::timer(clock_timer).every(tick).add());
        queue_.apply(changes); // all of them in one system call
    }

    void run()
    {
        std::array<kq::event, 256> room;
        while (!closed_) {
            std::intptr_t ticks = 0;
            for (const kq::event &e : queue_.wait(room))
                if (e.ident() == clock_timer)
                    ticks = e.expirations(); // more than 1 if we came late
                else if (e.ident() == closing_timer)
                    closed_ = true;
                else
                    expired(e.ident());
            // Last: a one-shot timer whose event is in our hands is no longer in the queue.
            if (ticks)
                advance(ticks);
        }
    }

    int report() const
    {
        std::printf("%d sessions were idle, %d left, %d were open at the end\n", idle_, left_,
                    open());
        if (early_)
            std::printf("%d timers were early\n", early_);
        return early_ || wrong_ ? 1 : 0;
    }

private:
    using clock = std::chrono::steady_clock;

    int open() const { return static_cast<int>(sessions) - idle_ - left_; }

    // Adding a timer that exists starts it anew.
    kq::change active(std::size_t id)
    {
        last_active_[id] = clock::now();
        return kq::timer(id).after(idle_limit).add();
    }

    // One session in ten stays busy, one leaves, the others do something for a
    // while, each for another number of ticks, and are silent then.
    void advance(std::intptr_t ticks)
    {
        std::vector<kq::change> changes;

        now_ += ticks;
        for (std::size_t id = 0; id < sessions; id++) {
            const auto busy_until = static_cast<std::intptr_t>(id / 10 % 20);
            if (!open_[id])
                continue;
            if (id % 10 == 0 || now_ < busy_until) {
                changes.push_back(active(id));
            } else if (id % 10 == 1) {
                changes.push_back(kq::timer(id).remove());
                open_[id] = false;
                left_++;
            }
        }
        // Drops what has expired and is not delivered yet, too.
        queue_.apply(changes);
        if (!closing_ && open() <= static_cast<int>(sessions / 10))
            close_soon();
    }

    // By the clock on the wall, once.
    void close_soon()
    {
        closing_ = true;
        queue_.apply(kq::timer(closing_timer).at(std::chrono::system_clock::now() + 100ms).add());
    }

    void expired(std::size_t id)
    {
        wrong_ += id >= sessions || !open_[id];
        early_ += clock::now() - last_active_[id] < idle_limit;
        open_[id] = false;
        idle_++;
    }

    kq::queue queue_;
    std::vector<bool> open_;
    std::vector<clock::time_point> last_active_;
    std::intptr_t now_ = 0;
    int idle_ = 0, left_ = 0, early_ = 0, wrong_ = 0;
    bool closing_ = false, closed_ = false;
};

} // namespace

int main()
{
    try {
        house all;
        all.run();
        return all.report();
    } catch (const std::system_error &error) {
        std::fprintf(stderr, "timer_wheel: %s\n", error.what());
        if (error.code() == std::errc::function_not_supported)
            std::fputs("timer_wheel: load the kernel module first: modprobe kqueue\n", stderr);
        return 1;
    }
}
