// SPDX-License-Identifier: MIT
//
// kq::event, one entry of an event list, read through typed accessors. Values
// only: nothing here enters the kernel. Semantics: kevent(2).
#ifndef KQ_EVENT_HPP
#define KQ_EVENT_HPP

#include <cstdint>
#include <sys/event.h>
#include <system_error>
#include <type_traits>

namespace kq
{

enum class filter : short {
    read = EVFILT_READ,
    write = EVFILT_WRITE,
    timer = EVFILT_TIMER,
    user = EVFILT_USER,
};

// One event, receipt or failed change. Has the bytes of struct kevent, so that
// an array of events is an event list.
class event
{
public:
    constexpr event() = default;
    constexpr explicit event(const struct ::kevent &raw) : raw_(raw) {}

    constexpr const struct ::kevent &raw() const { return raw_; }

    constexpr kq::filter filter() const { return static_cast<kq::filter>(raw_.filter); }
    constexpr std::uintptr_t ident() const { return raw_.ident; }
    constexpr int fd() const { return static_cast<int>(raw_.ident); } // read, write
    constexpr unsigned flags() const { return raw_.flags; }
    constexpr unsigned fflags() const { return raw_.fflags; }
    constexpr std::intptr_t data() const { return raw_.data; }

    // The pointer given to change::udata(), the number given to change::tag().
    template <class T = void> T *udata() const { return static_cast<T *>(raw_.udata); }
    std::uintptr_t tag() const { return reinterpret_cast<std::uintptr_t>(raw_.udata); }

    // True: not an event but the answer to a change, in error(); zero in a
    // receipt for success.
    constexpr bool is_error() const { return raw_.flags & EV_ERROR; }
    std::error_code error() const { return is_error() ? errno_code(raw_.data) : std::error_code(); }

    // read, write: the other side is gone; socket_error() says why if it failed.
    constexpr bool eof() const { return raw_.flags & EV_EOF; }
    std::error_code socket_error() const
    {
        return eof() && !is_error() ? errno_code(raw_.fflags) : std::error_code();
    }

    // timer: how often it expired since the last delivery, 1 or more.
    constexpr std::intptr_t expirations() const { return raw_.data; }
    // user: the stored bits.
    constexpr unsigned bits() const { return raw_.fflags & NOTE_FFLAGSMASK; }

private:
    template <class Number> static std::error_code errno_code(Number number)
    {
        return {static_cast<int>(number), std::generic_category()};
    }

    struct ::kevent raw_ = {};
};

static_assert(sizeof(event) == sizeof(struct ::kevent) && std::is_standard_layout_v<event>);

} // namespace kq

#endif // KQ_EVENT_HPP
