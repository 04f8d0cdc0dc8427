// SPDX-License-Identifier: MIT
//
// kq::queue: owner of one queue descriptor, and the calls on it.
#ifndef KQ_QUEUE_HPP
#define KQ_QUEUE_HPP

#include <cerrno>
#include <climits>
#include <initializer_list>
#include <pthread.h>
#include <span>
#include <sys/event.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "change.hpp"
#include "event.hpp"
#include "timeout.hpp"

namespace kq
{

// Moves, does not copy. Calls on one queue may be made by any number of threads
// at once; moving, closing and destroying it may not run beside them.
//
// A child of fork(2) has no queue: the number is closed there. A child that goes
// on without execve(2) forgets it with release(), since the number may name
// something else by then.
//
// wait() and apply() with room for events are cancellation points, and
// cancellation unwinds the stack like an exception: none of them is noexcept,
// and they must not be called from a function that is.
class queue
{
public:
    // A new queue, closed on execve(2). Throws as kqueue() fails: EMFILE,
    // ENFILE, ENOMEM, EACCES, ENOSYS.
    queue() : fd_(::kqueuex(KQUEUE_CLOEXEC))
    {
        if (fd_ < 0)
            throw_errno("kqueuex");
    }

    // The same without throwing: on failure the result is empty.
    [[nodiscard]] static queue create(std::error_code &error)
    {
        queue made(::kqueuex(KQUEUE_CLOEXEC));
        store(error, made.fd_);
        return made;
    }

    // Take over a descriptor made by kqueue(), kqueue1() or kqueuex().
    [[nodiscard]] static queue adopt(int fd) { return queue(fd); }

    queue(queue &&other) noexcept : fd_(other.release()) {}
    queue &operator=(queue &&other) noexcept
    {
        if (this != &other) {
            close();
            fd_ = other.release();
        }
        return *this;
    }
    ~queue() { close(); }

    explicit operator bool() const noexcept { return fd_ >= 0; }
    int native_handle() const noexcept { return fd_; }
    int release() noexcept { return std::exchange(fd_, -1); }

    // Ends all registrations. close(2) is a cancellation point, which would
    // abort in here: a cancel waits for the next one.
    void close() noexcept
    {
        if (fd_ < 0)
            return;
        int state;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        ::close(release());
        pthread_setcancelstate(state, &state);
    }

    // Apply changes in order, wait for nothing. Fails with the errno of the
    // first change that fails; those before it are applied, those behind not.
    void apply(std::span<const change> changes)
    {
        std::error_code error;
        apply(changes, error);
        check(error);
    }
    void apply(std::span<const change> changes, std::error_code &error)
    {
        call(changes, {}, forever, error);
    }
    void apply(const change &one) { apply(std::span(&one, 1)); }
    void apply(const change &one, std::error_code &error) { apply(std::span(&one, 1), error); }
    void apply(std::initializer_list<change> list) { apply(std::span(list.begin(), list.size())); }
    void apply(std::initializer_list<change> list, std::error_code &error)
    {
        apply(std::span(list.begin(), list.size()), error);
    }

    // Wait until there is an event or the time is over. Returns the part of room
    // that was filled, empty at the timeout. A signal handler that ran meanwhile
    // is std::errc::interrupted. No room: returns at once.
    [[nodiscard]] std::span<event> wait(std::span<event> room, timeout limit = forever)
    {
        return call({}, room, limit);
    }
    [[nodiscard]] std::span<event> wait(std::span<event> room, timeout limit,
                                        std::error_code &error)
    {
        return call({}, room, limit, error);
    }

    // What is there now.
    [[nodiscard]] std::span<event> poll(std::span<event> room)
    {
        return call({}, room, std::chrono::seconds(0));
    }
    [[nodiscard]] std::span<event> poll(std::span<event> room, std::error_code &error)
    {
        return call({}, room, std::chrono::seconds(0), error);
    }

    // kevent() itself: changes, then wait. A failed change, and one that asked
    // for a receipt, is an entry with event::is_error() if there is room; these
    // are returned alone and without waiting.
    std::span<event> call(std::span<const change> changes, std::span<event> room, timeout limit)
    {
        std::error_code error;
        const auto filled = call(changes, room, limit, error);
        check(error);
        return filled;
    }
    std::span<event> call(std::span<const change> changes, std::span<event> room, timeout limit,
                          std::error_code &error)
    {
        // Their bytes are those of struct kevent, asserted beside them.
        const int count = ::kevent(
            fd_, reinterpret_cast<const struct ::kevent *>(changes.data()), length(changes),
            reinterpret_cast<struct ::kevent *>(room.data()), length(room), limit.get());
        store(error, count);
        return room.first(count > 0 ? static_cast<std::size_t>(count) : 0);
    }

private:
    explicit queue(int fd) noexcept : fd_(fd) {}

    // More room than an int counts is used as far as it counts; more changes are
    // refused by the kernel as a negative number (EINVAL) and not cut off.
    template <class T> static int length(std::span<T> span)
    {
        if (span.size() <= INT_MAX)
            return static_cast<int>(span.size());
        return std::is_const_v<T> ? -1 : INT_MAX;
    }
    static void store(std::error_code &error, int result)
    {
        if (result < 0)
            error.assign(errno, std::generic_category());
        else
            error.clear();
    }
    static void check(const std::error_code &error)
    {
        if (error)
            throw std::system_error(error, "kevent");
    }
    [[noreturn]] static void throw_errno(const char *what)
    {
        throw std::system_error(errno, std::generic_category(), what);
    }

    int fd_;
};

} // namespace kq

#endif // KQ_QUEUE_HPP
