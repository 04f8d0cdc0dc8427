// SPDX-License-Identifier: MIT
//
// <kq/kq.hpp> against fake C functions: what the makers put into a change, what
// the accessors read, who owns the descriptor, how errors come back.
#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <kq/kq.hpp>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;

namespace
{

struct fake_call {
    int kq;
    std::vector<struct kevent> changes;
    int nevents;
    std::optional<struct timespec> timeout;
};

std::vector<fake_call> calls;
std::vector<struct kevent> pending; // returned by the next kevent()
int fail;                           // errno of the next call
unsigned made_with;

int fake_fail()
{
    errno = std::exchange(fail, 0);
    return -1;
}

} // namespace

extern "C" int kqueuex(unsigned flags)
{
    made_with = flags;
    return fail ? fake_fail() : open("/dev/null", O_RDWR | O_CLOEXEC);
}

extern "C" int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events,
                      int nevents, const struct timespec *timeout)
{
    fake_call call{kq, {}, nevents, std::nullopt};
    if (nchanges > 0)
        call.changes.assign(changes, changes + nchanges);
    if (timeout)
        call.timeout = *timeout;
    calls.push_back(call);
    if (fail)
        return fake_fail();
    const int count = std::min(nevents, static_cast<int>(pending.size()));
    std::copy_n(pending.begin(), count, events);
    return count;
}

namespace
{

class Cpp : public testing::Test
{
protected:
    void SetUp() override
    {
        calls.clear();
        pending.clear();
        fail = 0;
    }
};

void expect_raw(const kq::change &change, uintptr_t ident, int filter, unsigned flags,
                unsigned fflags, intptr_t data)
{
    EXPECT_EQ(change.raw().ident, ident);
    EXPECT_EQ(change.raw().filter, filter);
    EXPECT_EQ(change.raw().flags, flags);
    EXPECT_EQ(change.raw().fflags, fflags);
    EXPECT_EQ(change.raw().data, data);
}

TEST_F(Cpp, change_of_a_descriptor)
{
    int mine;

    expect_raw(kq::read(4).add(), 4, EVFILT_READ, EV_ADD, 0, 0);
    expect_raw(kq::write(4).add().clear().oneshot().dispatch().receipt(), 4, EVFILT_WRITE,
               EV_ADD | EV_CLEAR | EV_ONESHOT | EV_DISPATCH | EV_RECEIPT, 0, 0);
    expect_raw(kq::read(4).add().low_water(100).file_poll(), 4, EVFILT_READ, EV_ADD,
               NOTE_LOWAT | NOTE_FILE_POLL, 100);
    expect_raw(kq::read(4).remove(), 4, EVFILT_READ, EV_DELETE, 0, 0);
    expect_raw(kq::read(4).enable().keep_udata(), 4, EVFILT_READ, EV_ENABLE | EV_KEEPUDATA, 0, 0);
    expect_raw(kq::read(4).disable().force_oneshot(), 4, EVFILT_READ, EV_DISABLE | EV_FORCEONESHOT,
               0, 0);
    EXPECT_EQ(kq::read(4).udata(&mine).raw().udata, &mine);
    EXPECT_EQ(kq::read(4).tag(9).raw().udata, reinterpret_cast<void *>(9));
    expect_raw(kq::read(-1).add(), UINTPTR_MAX, EVFILT_READ, EV_ADD, 0, 0);
    static_assert(kq::read(3).add().raw().flags == EV_ADD);
}

TEST_F(Cpp, KQ004_timer_takes_the_coarsest_exact_unit)
{
    using std::chrono::duration;
    using std::chrono::hours;

    expect_raw(kq::timer(1).every(2s).add(), 1, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 2);
    expect_raw(kq::timer(1).every(hours(2)), 1, EVFILT_TIMER, 0, NOTE_SECONDS, 7200);
    expect_raw(kq::timer(1).every(1500ms), 1, EVFILT_TIMER, 0, NOTE_MSECONDS, 1500);
    expect_raw(kq::timer(1).every(7us), 1, EVFILT_TIMER, 0, NOTE_USECONDS, 7);
    expect_raw(kq::timer(1).every(7ns), 1, EVFILT_TIMER, 0, NOTE_NSECONDS, 7);
    expect_raw(kq::timer(1).after(7ms).add(), 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 7);
    expect_raw(kq::timer(1).every(duration<double>(0.5)), 1, EVFILT_TIMER, 0, NOTE_NSECONDS,
               500000000);
    expect_raw(kq::timer(1).every(duration<int64_t, std::pico>(1001)), 1, EVFILT_TIMER, 0,
               NOTE_NSECONDS, 2);
    expect_raw(kq::timer(1).every(duration<int64_t, std::ratio<1, 60>>(3)), 1, EVFILT_TIMER, 0,
               NOTE_NSECONDS, 50000000);
    expect_raw(kq::timer(1).every(1s).count_suspend(), 1, EVFILT_TIMER, 0,
               NOTE_SECONDS | NOTE_MACH_CONTINUOUS_TIME, 1);
    expect_raw(kq::timer(1).every(-1s), 1, EVFILT_TIMER, 0, NOTE_SECONDS, -1);
    expect_raw(kq::timer(1).every(hours::max()), 1, EVFILT_TIMER, 0, NOTE_SECONDS, INTPTR_MAX);
    expect_raw(kq::timer(1).every(duration<double>(1e300)), 1, EVFILT_TIMER, 0, NOTE_NSECONDS,
               INTPTR_MAX);
}

TEST_F(Cpp, KQ004_timer_at_an_instant)
{
    using std::chrono::sys_seconds;
    using std::chrono::system_clock;

    expect_raw(kq::timer(1).at(sys_seconds(1700000000s)).add(), 1, EVFILT_TIMER, EV_ADD,
               NOTE_SECONDS | NOTE_ABSTIME, 1700000000);
    const auto now = system_clock::now();
    expect_raw(kq::timer(1).at(now), 1, EVFILT_TIMER, 0, NOTE_NSECONDS | NOTE_ABSTIME,
               std::chrono::nanoseconds(now.time_since_epoch()).count());
}

TEST_F(Cpp, change_of_a_user_event)
{
    expect_raw(kq::user(8).add().clear(), 8, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0);
    expect_raw(kq::user(8).trigger(), 8, EVFILT_USER, 0, NOTE_TRIGGER, 0);
    expect_raw(kq::user(8).trigger().or_bits(5), 8, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFOR | 5,
               0);
    expect_raw(kq::user(8).set_bits(5).trigger().value(-3), 8, EVFILT_USER, 0,
               NOTE_TRIGGER | NOTE_FFCOPY | 5, -3);
    expect_raw(kq::user(8).and_bits(0xffffffff), 8, EVFILT_USER, 0, NOTE_FFAND | 0xffffff, 0);
}

TEST_F(Cpp, KQ002_change_of_what_is_only_named)
{
    expect_raw(kq::empty(5).add().clear(), 5, EVFILT_EMPTY, EV_ADD | EV_CLEAR, 0, 0);
    expect_raw(kq::out_of_band(5).add(), 5, EVFILT_EXCEPT, EV_ADD, NOTE_OOB, 0);
    expect_raw(kq::out_of_band(5).remove(), 5, EVFILT_EXCEPT, EV_DELETE, NOTE_OOB, 0);
    expect_raw(kq::signal(2).add().tag(1), 2, EVFILT_SIGNAL, EV_ADD, 0, 0);
    static_assert(kq::signal(2).add().disable().raw().flags == (EV_ADD | EV_DISABLE));
}

TEST_F(Cpp, KQ002_change_with_notes)
{
    expect_raw(kq::vnode(5).add().clear().notes(NOTE_WRITE | NOTE_DELETE), 5, EVFILT_VNODE,
               EV_ADD | EV_CLEAR, NOTE_WRITE | NOTE_DELETE, 0);
    expect_raw(kq::process(77).notes(NOTE_EXIT).notes(NOTE_TRACK).add(), 77, EVFILT_PROC, EV_ADD,
               NOTE_EXIT | NOTE_TRACK, 0);
    expect_raw(kq::process(-1).add(), UINTPTR_MAX, EVFILT_PROC, EV_ADD, 0, 0);
    expect_raw(kq::process_descriptor(6).notes(NOTE_EXIT).add(), 6, EVFILT_PROCDESC, EV_ADD,
               NOTE_EXIT, 0);
    expect_raw(kq::mounts().add(), 0, EVFILT_FS, EV_ADD, 0, 0);
    expect_raw(kq::mounts().notes(VQ_UNMOUNT).add(), 0, EVFILT_FS, EV_ADD, VQ_UNMOUNT, 0);
    static_assert(kq::vnode(3).notes(NOTE_OPEN).raw().fflags == NOTE_OPEN);
}

struct kevent raw(int filter, unsigned flags, unsigned fflags, intptr_t data)
{
    return {6,      static_cast<short>(filter), static_cast<unsigned short>(flags), fflags, data,
            nullptr};
}

TEST_F(Cpp, event_accessors)
{
    const kq::event plain(raw(EVFILT_READ, EV_ADD, 0, 10));
    EXPECT_EQ(plain.filter(), kq::filter::read);
    EXPECT_EQ(plain.fd(), 6);
    EXPECT_EQ(plain.data(), 10);
    EXPECT_FALSE(plain.eof());
    EXPECT_FALSE(plain.is_error());
    EXPECT_FALSE(plain.error());
    EXPECT_FALSE(plain.socket_error());

    const kq::event reset(raw(EVFILT_READ, EV_EOF, ECONNRESET, 0));
    EXPECT_TRUE(reset.eof());
    EXPECT_EQ(reset.socket_error(), std::errc::connection_reset);

    const kq::event failed(raw(EVFILT_USER, EV_ERROR, 3, ENOENT));
    EXPECT_TRUE(failed.is_error());
    EXPECT_EQ(failed.error(), std::errc::no_such_file_or_directory);
    EXPECT_FALSE(failed.socket_error());

    const kq::event receipt(raw(EVFILT_USER, EV_ERROR | EV_RECEIPT, 0, 0));
    EXPECT_TRUE(receipt.is_error());
    EXPECT_FALSE(receipt.error());

    EXPECT_EQ(kq::event(raw(EVFILT_USER, 0, NOTE_TRIGGER | 7, 0)).bits(), 7u);
    EXPECT_EQ(kq::event(raw(EVFILT_TIMER, 0, 0, 12)).expirations(), 12);

    EXPECT_EQ(kq::event(raw(EVFILT_EXCEPT, 0, NOTE_OOB, 1)).filter(), kq::filter::out_of_band);

    int mine;
    auto with_udata = raw(EVFILT_READ, 0, 0, 0);
    with_udata.udata = &mine;
    EXPECT_EQ(kq::event(with_udata).udata<int>(), &mine);
    EXPECT_EQ(kq::event(with_udata).tag(), reinterpret_cast<uintptr_t>(&mine));
}

TEST_F(Cpp, event_accessors_of_notes)
{
    const kq::event renamed(raw(EVFILT_VNODE, EV_CLEAR, NOTE_RENAME | NOTE_WRITE, 0));
    EXPECT_EQ(renamed.filter(), kq::filter::vnode);
    EXPECT_TRUE(renamed.has(NOTE_RENAME));
    EXPECT_TRUE(renamed.has(NOTE_DELETE | NOTE_WRITE));
    EXPECT_FALSE(renamed.has(NOTE_DELETE));

    const kq::event ended(raw(EVFILT_PROC, EV_EOF | EV_ONESHOT, NOTE_EXIT, 7 << 8));
    EXPECT_EQ(ended.filter(), kq::filter::process);
    EXPECT_TRUE(ended.has(NOTE_EXIT));
    EXPECT_TRUE(ended.eof());
    EXPECT_FALSE(ended.socket_error());
    EXPECT_EQ(ended.pid(), 6);
    EXPECT_TRUE(WIFEXITED(ended.exit_status()));
    EXPECT_EQ(WEXITSTATUS(ended.exit_status()), 7);

    EXPECT_EQ(kq::event(raw(EVFILT_PROC, 0, NOTE_CHILD, 55)).parent(), 55);

    const kq::event caught(raw(EVFILT_SIGNAL, 0, 0, 3));
    EXPECT_EQ(caught.signal_number(), 6);
    EXPECT_EQ(caught.count(), 3);
}

TEST_F(Cpp, KQ012_queue_is_close_on_exec_and_owned)
{
    int fd;
    {
        kq::queue queue;
        EXPECT_EQ(made_with, unsigned{KQUEUE_CLOEXEC});
        EXPECT_TRUE(queue);
        fd = queue.native_handle();

        kq::queue moved = std::move(queue);
        EXPECT_FALSE(queue);
        EXPECT_EQ(moved.native_handle(), fd);

        kq::queue other;
        const int other_fd = other.native_handle();
        other = std::move(moved);
        EXPECT_EQ(other.native_handle(), fd);
        EXPECT_EQ(fcntl(other_fd, F_GETFD), -1);
    }
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);

    kq::queue released;
    fd = released.release();
    EXPECT_FALSE(released);
    EXPECT_NE(fcntl(fd, F_GETFD), -1);
    {
        const kq::queue adopted = kq::queue::adopt(fd);
    }
    EXPECT_EQ(fcntl(fd, F_GETFD), -1);
    EXPECT_FALSE(std::is_copy_constructible_v<kq::queue>);
    EXPECT_FALSE(std::is_copy_assignable_v<kq::queue>);
}

TEST_F(Cpp, creation_errors_throw_or_are_returned)
{
    fail = ENOSYS;
    try {
        kq::queue queue;
        FAIL();
    } catch (const std::system_error &error) {
        EXPECT_EQ(error.code(), std::errc::function_not_supported);
    }
    fail = EMFILE;
    std::error_code error;
    EXPECT_FALSE(kq::queue::create(error));
    EXPECT_EQ(error, std::errc::too_many_files_open);
    EXPECT_TRUE(kq::queue::create(error));
    EXPECT_FALSE(error);
}

TEST_F(Cpp, apply_takes_one_many_and_lists_and_never_waits)
{
    kq::queue queue;
    const std::vector<kq::change> batch(3, kq::user(1).add());

    queue.apply(kq::read(0).add());
    queue.apply(batch);
    queue.apply({kq::read(0).add(), kq::timer(1).every(1s).add(), kq::user(2).add()});
    ASSERT_EQ(calls.size(), 3u);
    EXPECT_EQ(calls[0].changes.size(), 1u);
    EXPECT_EQ(calls[1].changes.size(), 3u);
    ASSERT_EQ(calls[2].changes.size(), 3u);
    EXPECT_EQ(calls[2].changes[1].filter, EVFILT_TIMER);
    for (const fake_call &call : calls) {
        EXPECT_EQ(call.nevents, 0);
        EXPECT_EQ(call.kq, queue.native_handle());
    }

    fail = ENOENT;
    EXPECT_THROW(queue.apply(kq::read(0).remove()), std::system_error);
    std::error_code error;
    fail = EBADF;
    queue.apply(kq::read(0).add(), error);
    EXPECT_EQ(error, std::errc::bad_file_descriptor);
    queue.apply(kq::read(0).add(), error);
    EXPECT_FALSE(error);
}

TEST_F(Cpp, wait_returns_the_filled_part)
{
    kq::queue queue;
    std::array<kq::event, 8> room;

    pending = {raw(EVFILT_READ, 0, 0, 1), raw(EVFILT_USER, 0, 0, 2)};
    const auto events = queue.wait(room);
    EXPECT_EQ(events.data(), room.data());
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[1].filter(), kq::filter::user);
    EXPECT_EQ(calls[0].nevents, 8);
    EXPECT_FALSE(calls[0].timeout);

    pending.clear();
    EXPECT_TRUE(queue.wait(room, 10ms).empty());
    EXPECT_TRUE(queue.poll(room).empty());
    EXPECT_EQ(calls[2].timeout->tv_sec, 0);
    EXPECT_EQ(calls[2].timeout->tv_nsec, 0);

    fail = EINTR;
    EXPECT_THROW((void)queue.wait(room), std::system_error);
    fail = EINTR;
    std::error_code error;
    EXPECT_TRUE(queue.wait(room, kq::forever, error).empty());
    EXPECT_EQ(error, std::errc::interrupted);
    EXPECT_TRUE(queue.poll(room, error).empty());
    EXPECT_FALSE(error);
}

TEST_F(Cpp, call_applies_and_collects)
{
    kq::queue queue;
    std::array<kq::event, 1> room;

    pending = {raw(EVFILT_READ, EV_ERROR, 0, EBADF)};
    const std::array<kq::change, 1> changes = {kq::read(9).add()};
    const auto events = queue.call(changes, room, 1s);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].error(), std::errc::bad_file_descriptor);
    EXPECT_EQ(calls[0].timeout->tv_sec, 1);
}

void expect_timeout(const kq::timeout &timeout, time_t seconds, long nanoseconds)
{
    ASSERT_NE(timeout.get(), nullptr);
    EXPECT_EQ(timeout.get()->tv_sec, seconds);
    EXPECT_EQ(timeout.get()->tv_nsec, nanoseconds);
}

TEST_F(Cpp, KQ025_timeout_is_never_shorter)
{
    using std::chrono::duration;

    EXPECT_EQ(kq::timeout(kq::forever).get(), nullptr);
    expect_timeout(1500ms, 1, 500000000);
    expect_timeout(0s, 0, 0);
    expect_timeout(-1h, 0, 0);
    expect_timeout(1ns, 0, 1);
    expect_timeout(duration<int64_t, std::pico>(1), 0, 1);
    expect_timeout(duration<double>(0.25), 0, 250000000);
    expect_timeout(duration<double>(0.9999999999), 1, 0);
    expect_timeout(duration<double>(1e300), std::numeric_limits<time_t>::max(), 0);
    expect_timeout(std::chrono::hours::max(), std::numeric_limits<time_t>::max(), 0);
    expect_timeout(std::chrono::nanoseconds::max(), 9223372036, 854775807);
    expect_timeout(duration<unsigned>(4000000000u), 4000000000, 0);
}

} // namespace
