// SPDX-License-Identifier: MIT
//
// kq::timeout: how long kq::queue waits, from any duration or kq::forever.
#ifndef KQ_TIMEOUT_HPP
#define KQ_TIMEOUT_HPP

#include <chrono>
#include <limits>
#include <time.h>

namespace kq
{

struct forever_t {
    explicit constexpr forever_t() = default;
};
inline constexpr forever_t forever{};

// Implicit on purpose: queue.wait(room, 10ms), queue.wait(room, kq::forever).
class timeout
{
public:
    constexpr timeout(forever_t) : infinite_(true), value_{} {}

    // Rounded up to nanoseconds: a wait is never shorter. Zero and less: do not
    // wait. Beyond the range of time_t: the end of that range.
    template <class Rep, class Period>
    constexpr timeout(std::chrono::duration<Rep, Period> d) : infinite_(false), value_(convert(d))
    {
    }

    // For kevent(); valid as long as this object.
    constexpr const struct timespec *get() const { return infinite_ ? nullptr : &value_; }

private:
    template <class Rep, class Period>
    static constexpr struct timespec convert(std::chrono::duration<Rep, Period> d)
    {
        using namespace std::chrono;
        using real = duration<long double>;
        constexpr auto most = std::numeric_limits<time_t>::max();
        struct timespec result {
        };

        if (!(d > d.zero()))
            return result;
        if (real(d) >= real(static_cast<long double>(most))) {
            result.tv_sec = most;
            return result;
        }
        const auto whole = floor<duration<time_t>>(d);
        const auto rest = ceil<duration<long, std::nano>>(d - whole);
        result.tv_sec = whole.count();
        result.tv_nsec = rest.count();
        if (result.tv_nsec == 1000000000) { // rounded up to the next second
            result.tv_sec++;
            result.tv_nsec = 0;
        }
        return result;
    }

    bool infinite_;
    struct timespec value_;
};

} // namespace kq

#endif // KQ_TIMEOUT_HPP
