// SPDX-License-Identifier: MIT
//
// kq::change, one entry of a changelist, and the typed makers of it, one per
// filter. Values only: nothing here enters the kernel. Semantics: kevent(2).
#ifndef KQ_CHANGE_HPP
#define KQ_CHANGE_HPP

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <sys/event.h>
#include <sys/types.h>
#include <type_traits>

namespace kq
{

// One change, of any filter. Has the bytes of struct kevent, so that an array of
// changes is a changelist.
class change
{
public:
    constexpr change() = default;
    constexpr explicit change(const struct ::kevent &raw) : raw_(raw) {}

    constexpr const struct ::kevent &raw() const { return raw_; }
    constexpr struct ::kevent &raw() { return raw_; }

protected:
    constexpr change(std::uintptr_t ident, int filter)
        : raw_{ident, static_cast<short>(filter), 0, 0, 0, nullptr}
    {
    }

    struct ::kevent raw_ = {};
};

static_assert(sizeof(change) == sizeof(struct ::kevent) && std::is_standard_layout_v<change>);

namespace detail
{

// The unit in which a timer takes a duration: the coarsest of the filter's four
// that holds every whole multiple of Period, so that the range is the largest.
// Finer periods and floating point go to nanoseconds.
template <class Rep, class Period> struct timer_unit {
    template <class Scale>
    static constexpr bool whole =
        !std::chrono::treat_as_floating_point_v<Rep> && std::ratio_divide<Period, Scale>::den == 1;
    using type = std::conditional_t<
        whole<std::ratio<1>>, std::ratio<1>,
        std::conditional_t<whole<std::milli>, std::milli,
                           std::conditional_t<whole<std::micro>, std::micro, std::nano>>>;
    static constexpr unsigned note = std::is_same_v<type, std::ratio<1>> ? NOTE_SECONDS
                                     : std::is_same_v<type, std::milli>  ? NOTE_MSECONDS
                                     : std::is_same_v<type, std::micro>  ? NOTE_USECONDS
                                                                         : NOTE_NSECONDS;
};

// d in whole units of Scale, rounded up (a timer is never early), at the ends of
// the range of the data word if it lies beyond.
template <class Scale, class Rep, class Period>
constexpr std::intptr_t timer_count(std::chrono::duration<Rep, Period> d)
{
    using limits = std::numeric_limits<std::intptr_t>;
    using real = std::chrono::duration<long double, Scale>;
    using count = std::chrono::duration<std::intmax_t, Scale>;

    if (real(d) >= real(static_cast<long double>(limits::max())))
        return limits::max();
    if (real(d) <= real(static_cast<long double>(limits::min())))
        return limits::min();
    return static_cast<std::intptr_t>(std::chrono::ceil<count>(d).count());
}

} // namespace detail

// What every filter's change can say. Each function returns a changed copy:
// kq::read(fd).add().clear(). Without an action the change modifies an existing
// registration (flags 0).
template <class Self> class basic_change : public change
{
public:
    // Actions.
    constexpr Self add() const { return with(EV_ADD); }
    constexpr Self remove() const { return with(EV_DELETE); }
    constexpr Self enable() const { return with(EV_ENABLE); }
    constexpr Self disable() const { return with(EV_DISABLE); }
    constexpr Self force_oneshot() const { return with(EV_FORCEONESHOT); }
    constexpr Self keep_udata() const { return with(EV_KEEPUDATA); }

    // How it delivers, fixed by the add() that creates the registration.
    constexpr Self clear() const { return with(EV_CLEAR); }
    constexpr Self oneshot() const { return with(EV_ONESHOT); }
    constexpr Self dispatch() const { return with(EV_DISPATCH); }

    // Ask for an answer in the event list: event::is_error() with error() zero.
    constexpr Self receipt() const { return with(EV_RECEIPT); }

    // A pointer, or a number, handed back with each event.
    constexpr Self udata(void *pointer) const
    {
        Self self = copy();
        self.raw_.udata = pointer;
        return self;
    }
    Self tag(std::uintptr_t number) const { return udata(reinterpret_cast<void *>(number)); }

protected:
    using change::change;

    constexpr Self copy() const { return static_cast<const Self &>(*this); }
    constexpr Self with(unsigned flags, unsigned fflags = 0) const
    {
        Self self = copy();
        self.raw_.flags = static_cast<unsigned short>(self.raw_.flags | flags);
        self.raw_.fflags |= fflags;
        return self;
    }
};

// EVFILT_READ and EVFILT_WRITE. event::data() is the number of bytes to read,
// connections to accept or events of an inner queue; bytes of room to write.
class fd_change : public basic_change<fd_change>
{
public:
    // Ready only from bytes on.
    constexpr fd_change low_water(std::intptr_t bytes) const
    {
        fd_change self = with(0, NOTE_LOWAT);
        self.raw_.data = bytes;
        return self;
    }
    // A regular file is ready wherever its offset is.
    constexpr fd_change file_poll() const { return with(0, NOTE_FILE_POLL); }

private:
    constexpr fd_change(int fd, int filter) : basic_change(static_cast<std::uintptr_t>(fd), filter)
    {
    }
    friend class basic_change<fd_change>;
    friend constexpr fd_change read(int fd);
    friend constexpr fd_change write(int fd);
};

constexpr fd_change read(int fd)
{
    return {fd, EVFILT_READ};
}
constexpr fd_change write(int fd)
{
    return {fd, EVFILT_WRITE};
}

// A change that says nothing but what it is about: empty, out_of_band, signal.
class plain_change : public basic_change<plain_change>
{
private:
    constexpr plain_change(std::uintptr_t ident, int filter) : basic_change(ident, filter) {}

    friend class basic_change<plain_change>;
    friend constexpr plain_change empty(int fd);
    friend constexpr plain_change out_of_band(int fd);
    friend constexpr plain_change signal(int number);
};

// EVFILT_EMPTY of a socket: all that was written has been sent.
constexpr plain_change empty(int fd)
{
    return {static_cast<std::uintptr_t>(fd), EVFILT_EMPTY};
}
// EVFILT_EXCEPT. event::data() is the number of bytes before the out-of-band
// data, 1 where there is no such number.
constexpr plain_change out_of_band(int fd)
{
    return plain_change(static_cast<std::uintptr_t>(fd), EVFILT_EXCEPT).with(0, NOTE_OOB);
}
// EVFILT_SIGNAL. Takes the signal from nobody. event::count() is how often it was
// generated since the last delivery.
constexpr plain_change signal(int number)
{
    return {static_cast<std::uintptr_t>(number), EVFILT_SIGNAL};
}

// A change that names what may happen: vnode, process, process_descriptor,
// mounts. What did happen is asked of the event with event::has().
class note_change : public basic_change<note_change>
{
public:
    // Bits of the filter; more calls add more.
    constexpr note_change notes(unsigned bits) const { return with(0, bits); }

private:
    constexpr note_change(std::uintptr_t ident, int filter) : basic_change(ident, filter) {}

    friend class basic_change<note_change>;
    friend constexpr note_change vnode(int fd);
    friend constexpr note_change process(pid_t pid);
    friend constexpr note_change process_descriptor(int pidfd);
    friend constexpr note_change mounts();
};

// EVFILT_VNODE of a file or directory: NOTE_DELETE to NOTE_OPEN.
constexpr note_change vnode(int fd)
{
    return {static_cast<std::uintptr_t>(fd), EVFILT_VNODE};
}
// EVFILT_PROC: NOTE_EXIT, NOTE_FORK, NOTE_EXEC, NOTE_TRACK. event::exit_status()
// comes with NOTE_EXIT, event::parent() with NOTE_CHILD.
constexpr note_change process(pid_t pid)
{
    return {static_cast<std::uintptr_t>(pid), EVFILT_PROC};
}
// EVFILT_PROCDESC: as process(), without NOTE_TRACK.
constexpr note_change process_descriptor(int pidfd)
{
    return {static_cast<std::uintptr_t>(pidfd), EVFILT_PROCDESC};
}
// EVFILT_FS: VQ_MOUNT and VQ_UNMOUNT, both if none is named.
constexpr note_change mounts()
{
    return {0, EVFILT_FS};
}

// EVFILT_TIMER. id is any number, of this queue alone. event::data() is the
// number of expirations since the last delivery.
class timer_change : public basic_change<timer_change>
{
public:
    // Each period from now on. Durations below a unit of the clock are rounded
    // up; beyond the range of the data word: never. A negative one is EINVAL.
    template <class Rep, class Period>
    constexpr timer_change every(std::chrono::duration<Rep, Period> period) const
    {
        return with_time(period, 0, 0);
    }
    // Once, that long from now; the registration is gone afterwards.
    template <class Rep, class Period>
    constexpr timer_change after(std::chrono::duration<Rep, Period> delay) const
    {
        return with_time(delay, EV_ONESHOT, 0);
    }
    // Once, when the system's clock shows that time; a time in the past at once.
    // Follows changes of that clock. Add oneshot() to have it removed afterwards.
    template <class Duration>
    constexpr timer_change
    at(std::chrono::time_point<std::chrono::system_clock, Duration> instant) const
    {
        return with_time(instant.time_since_epoch(), 0, NOTE_ABSTIME);
    }
    // Count the time the machine was suspended.
    constexpr timer_change count_suspend() const { return with(0, NOTE_MACH_CONTINUOUS_TIME); }

private:
    constexpr explicit timer_change(std::uintptr_t id) : basic_change(id, EVFILT_TIMER) {}

    template <class Rep, class Period>
    constexpr timer_change with_time(std::chrono::duration<Rep, Period> time, unsigned flags,
                                     unsigned fflags) const
    {
        using unit = detail::timer_unit<Rep, Period>;
        timer_change self = with(flags, fflags | unit::note);
        self.raw_.data = detail::timer_count<typename unit::type>(time);
        return self;
    }
    friend class basic_change<timer_change>;
    friend constexpr timer_change timer(std::uintptr_t id);
};

constexpr timer_change timer(std::uintptr_t id)
{
    return timer_change(id);
}

// EVFILT_USER. id is any number, of this queue alone. event::bits() are the 24
// stored bits, event::data() the stored value.
class user_change : public basic_change<user_change>
{
public:
    constexpr user_change trigger() const { return with(0, NOTE_TRIGGER); }
    constexpr user_change value(std::intptr_t data) const
    {
        user_change self = copy();
        self.raw_.data = data;
        return self;
    }
    // What to do to the stored bits; bits above 0xffffff are cut off.
    constexpr user_change set_bits(unsigned bits) const { return with_bits(NOTE_FFCOPY, bits); }
    constexpr user_change or_bits(unsigned bits) const { return with_bits(NOTE_FFOR, bits); }
    constexpr user_change and_bits(unsigned bits) const { return with_bits(NOTE_FFAND, bits); }

private:
    constexpr explicit user_change(std::uintptr_t id) : basic_change(id, EVFILT_USER) {}

    constexpr user_change with_bits(unsigned operation, unsigned bits) const
    {
        user_change self = copy();
        self.raw_.fflags = (self.raw_.fflags & NOTE_TRIGGER) | operation | (bits & NOTE_FFLAGSMASK);
        return self;
    }
    friend class basic_change<user_change>;
    friend constexpr user_change user(std::uintptr_t id);
};

constexpr user_change user(std::uintptr_t id)
{
    return user_change(id);
}

} // namespace kq

#endif // KQ_CHANGE_HPP
