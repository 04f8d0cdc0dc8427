// SPDX-License-Identifier: MIT
//
// kq::event, one entry of an event list, read through typed accessors. Values
// only: nothing here enters the kernel. Semantics: kevent(2).
#ifndef KQ_EVENT_HPP
#define KQ_EVENT_HPP

#include <cstdint>
#include <sys/event.h>
#include <sys/types.h>
#include <system_error>
#include <type_traits>

namespace kq
{

enum class filter : short {
    read = EVFILT_READ,
    write = EVFILT_WRITE,
    vnode = EVFILT_VNODE,
    process = EVFILT_PROC,
    signal = EVFILT_SIGNAL,
    timer = EVFILT_TIMER,
    process_descriptor = EVFILT_PROCDESC,
    mounts = EVFILT_FS,
    user = EVFILT_USER,
    empty = EVFILT_EMPTY,
    out_of_band = EVFILT_EXCEPT,
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
    // read, write, vnode, process_descriptor, empty, out_of_band
    constexpr int fd() const { return static_cast<int>(raw_.ident); }
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
    // process, process_descriptor: it has ended.
    constexpr bool eof() const { return raw_.flags & EV_EOF; }
    std::error_code socket_error() const
    {
        const bool of_socket = filter() == filter::read || filter() == filter::write;
        return of_socket && eof() && !is_error() ? errno_code(raw_.fflags) : std::error_code();
    }

    // vnode, process, process_descriptor, mounts: one of these notes happened.
    constexpr bool has(unsigned notes) const { return raw_.fflags & notes; }

    // process: which one.
    constexpr pid_t pid() const { return static_cast<pid_t>(raw_.ident); }
    // process, process_descriptor with NOTE_EXIT: as wait(2) has it, for WIFEXITED
    // and the others; 0 if it may not be known.
    constexpr int exit_status() const { return static_cast<int>(raw_.data); }
    // process with NOTE_CHILD: who made it.
    constexpr pid_t parent() const { return static_cast<pid_t>(raw_.data); }

    // signal: which one, and how often it was generated since the last delivery.
    constexpr int signal_number() const { return static_cast<int>(raw_.ident); }
    constexpr std::intptr_t count() const { return raw_.data; }

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
