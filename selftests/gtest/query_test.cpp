// SPDX-License-Identifier: MIT
//
// EVFILT_LIBKQUEUE against a fake kernel that treats it as an unknown filter: the
// answers, their place among other entries, and what calls without queries pay.
#define KQ_LIBKQUEUE_QUERIES

#include "fake_kernel.hpp"

#include <cstdio>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/event.h>
#include <sys/single_threaded.h>
#include <vector>

namespace
{

constexpr int kq = 5;
const struct timespec zero = {0, 0};

struct kevent change(int filter, unsigned flags, unsigned fflags, uintptr_t ident = 3,
                     void *udata = nullptr)
{
    return {ident, static_cast<short>(filter), static_cast<unsigned short>(flags), fflags, 9,
            udata};
}

struct kevent query(unsigned note, unsigned more = 0)
{
    return change(EVFILT_LIBKQUEUE, EV_ADD | more, note);
}

std::string version()
{
    std::ifstream file(KQ_TOP "/VERSION");
    std::string text;

    file >> text;
    return text;
}

bool same(const struct kevent &a, const struct kevent &b)
{
    return a.ident == b.ident && a.filter == b.filter && a.flags == b.flags &&
           a.fflags == b.fflags && a.data == b.data && a.udata == b.udata;
}

// Every case runs as the only thread and as one of many. The kernel of these
// tests: EVFILT_USER succeeds, EVFILT_READ is EBADF, all others are EINVAL.
class Query : public testing::TestWithParam<bool>
{
protected:
    void SetUp() override
    {
        single_before = __libc_single_threaded;
        __libc_single_threaded = !GetParam();
        fake = {};
        fake.kevent = [this](int, kq_kevent &call) { return kernel(call); };
    }
    void TearDown() override
    {
        fake = {};
        __libc_single_threaded = single_before;
    }

    long kernel(kq_kevent &call)
    {
        call.stamp = KQ_STAMP;
        calls++;
        if (call.flags & KQ_KEVENT_WAIT_ONLY)
            return 1;
        const auto *from = reinterpret_cast<const struct kevent *>(call.changelist);
        auto *to = reinterpret_cast<struct kevent *>(call.eventlist);
        int got = 0;

        if (call.nchanges > 0 && call.changelist < 4096)
            return -EFAULT;
        for (int i = 0; i < call.nchanges; i++) {
            struct kevent one = from[i];
            one.flags &= ~EV_SYSFLAGS;
            const int error = one.filter == EVFILT_USER   ? 0
                              : one.filter == EVFILT_READ ? EBADF
                                                          : EINVAL;
            if (!error)
                applied.push_back(one.ident);
            if (!error && !(one.flags & EV_RECEIPT))
                continue;
            if (got == call.nevents) {
                if (error)
                    return -error;
                continue;
            }
            one.flags |= EV_ERROR;
            one.data = error;
            to[got++] = one;
        }
        if (got || !call.nevents || !ready)
            return got;
        to[0] = change(EVFILT_USER, EV_ADD, 0, 77);
        return 1;
    }

    // The entry of a change that is refused with error, or succeeds.
    static struct kevent entry(struct kevent of, int error)
    {
        of.flags |= EV_ERROR;
        of.data = error;
        return of;
    }

    using idents = std::vector<uintptr_t>;

    int calls = 0;
    bool ready = false; // an event with ident 77
    idents applied;
    char single_before;
    struct kevent room[8] = {};
};

INSTANTIATE_TEST_SUITE_P(Threads, Query, testing::Bool(),
                         [](const auto &info) { return std::string(info.param ? "many" : "one"); });

TEST_P(Query, KQ002_KQ006_numbers)
{
    EXPECT_EQ(EVFILT_LIBKQUEUE, -12);
    EXPECT_EQ(NOTE_VERSION, 1);
    EXPECT_EQ(NOTE_VERSION_STR, 2);
    EXPECT_EQ(NOTE_THREAD_SAFE, 3);
    EXPECT_EQ(NOTE_FORK_CLEANUP, 4);
    EXPECT_EQ(NOTE_DEBUG, 5);
    EXPECT_EQ(NOTE_DEBUG_PREFIX, 6);
    EXPECT_EQ(NOTE_DEBUG_FUNC, 7);
    EXPECT_EQ(NOTE_FILE_POLL_INTERVAL, 8);
}

TEST_P(Query, KQ006_version_is_one_entry)
{
    int mine;
    unsigned major, minor, patch;
    struct kevent ask = query(NOTE_VERSION), want = ask;

    ASSERT_EQ(std::sscanf(version().c_str(), "%u.%u.%u", &major, &minor, &patch), 3);
    ask.udata = want.udata = &mine;
    want.flags |= EV_RECEIPT;
    want.data = static_cast<intptr_t>(major << 24 | minor << 16 | patch << 8);
    for (unsigned more : {0, EV_RECEIPT, EV_ERROR | EV_EOF}) {
        ask.flags = static_cast<unsigned short>(EV_ADD | more);
        calls = 0;
        ready = true;
        ASSERT_EQ(kevent(kq, &ask, 1, room, 8, nullptr), 1);
        EXPECT_TRUE(same(room[0], want)) << room[0].flags << " " << room[0].data;
        EXPECT_NE(room[0].data, 0);
        EXPECT_EQ(calls, 1);
    }
}

TEST_P(Query, KQ007_version_string_begins_with_the_number)
{
    const struct kevent ask = query(NOTE_VERSION_STR);

    ASSERT_EQ(kevent(kq, &ask, 1, room, 1, &zero), 1);
    EXPECT_EQ(room[0].flags, EV_ADD | EV_RECEIPT);
    const std::string text = static_cast<const char *>(room[0].udata);
    EXPECT_TRUE(text.starts_with(version() + " ")) << text;
    void *first = room[0].udata;
    ASSERT_EQ(kevent(kq, &ask, 1, room, 1, &zero), 1);
    EXPECT_EQ(room[0].udata, first);
}

const struct {
    unsigned note;
    intptr_t so_far;
} requests[] = {
    {NOTE_THREAD_SAFE, 1},  {NOTE_FORK_CLEANUP, 1}, {NOTE_DEBUG, 0},
    {NOTE_DEBUG_PREFIX, 0}, {NOTE_DEBUG_FUNC, 0},
};

TEST_P(Query, KQ006_requests_succeed_and_answer_only_if_asked)
{
    for (const auto &row : requests) {
        const struct kevent silent = query(row.note), loud = query(row.note, EV_RECEIPT);

        EXPECT_EQ(kevent(kq, &silent, 1, nullptr, 0, nullptr), 0) << row.note;
        EXPECT_EQ(kevent(kq, &loud, 1, nullptr, 0, nullptr), 0) << row.note;
        EXPECT_EQ(kevent(kq, &silent, 1, room, 8, &zero), 0) << row.note;
        ASSERT_EQ(kevent(kq, &loud, 1, room, 8, nullptr), 1) << row.note;
        EXPECT_EQ(room[0].flags, EV_ADD | EV_RECEIPT) << row.note;
        EXPECT_EQ(room[0].data, row.so_far) << row.note;
    }
}

const struct {
    const char *name;
    struct kevent change;
    int error;
} refused[] = {
    {"unknown 0", query(0), EINVAL},
    {"unknown 9", query(9), EINVAL},
    {"unknown bit", query(0x80000001), EINVAL},
    {"interval", query(NOTE_FILE_POLL_INTERVAL), ENOSYS},
    {"interval with receipt", query(NOTE_FILE_POLL_INTERVAL, EV_RECEIPT), ENOSYS},
    {"no action", change(EVFILT_LIBKQUEUE, 0, NOTE_VERSION), ENOENT},
    {"delete", change(EVFILT_LIBKQUEUE, EV_DELETE, NOTE_VERSION), ENOENT},
    {"enable", change(EVFILT_LIBKQUEUE, EV_ENABLE, NOTE_VERSION), ENOENT},
    {"both", query(NOTE_VERSION, EV_ENABLE | EV_DISABLE), EINVAL},
    {"keep", query(NOTE_VERSION, EV_KEEPUDATA), EINVAL},
};

TEST_P(Query, KQ033_KQ034_errors)
{
    for (const auto &row : refused) {
        errno = 0;
        EXPECT_EQ(kevent(kq, &row.change, 1, nullptr, 0, nullptr), -1) << row.name;
        EXPECT_EQ(errno, row.error) << row.name;
        ASSERT_EQ(kevent(kq, &row.change, 1, room, 1, nullptr), 1) << row.name;
        EXPECT_TRUE(same(room[0], entry(row.change, row.error))) << row.name;
    }
}

TEST_P(Query, KQ046_KQ044_mixed_list_keeps_its_order_also_in_place)
{
    const struct kevent list[] = {
        change(EVFILT_USER, EV_ADD, 0, 1), query(NOTE_THREAD_SAFE),
        change(EVFILT_READ, EV_ADD, 0, 2), query(NOTE_VERSION),
        query(NOTE_FORK_CLEANUP),          change(EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 3),
        query(NOTE_FILE_POLL_INTERVAL),    change(EVFILT_USER, EV_ADD, 0, 4),
    };
    constexpr int count = std::size(list);
    struct kevent inplace[count];

    std::copy_n(list, count, inplace);
    for (struct kevent *out : {room, inplace}) {
        const struct kevent *in = out == room ? list : inplace;

        calls = 0;
        applied.clear();
        ready = true;
        ASSERT_EQ(kevent(kq, in, count, out, count, nullptr), 4);
        EXPECT_TRUE(same(out[0], entry(list[2], EBADF)));
        EXPECT_EQ(out[1].fflags, NOTE_VERSION);
        EXPECT_EQ(out[1].flags, EV_ADD | EV_RECEIPT);
        EXPECT_TRUE(same(out[2], entry(list[5], 0)));
        EXPECT_TRUE(same(out[3], entry(list[6], ENOSYS)));
        EXPECT_EQ(applied, (idents{1, 3, 4}));
        EXPECT_EQ(calls, 1);
    }
}

TEST_P(Query, KQ038_silent_requests_do_not_keep_events_back)
{
    const struct kevent list[] = {query(NOTE_THREAD_SAFE), change(EVFILT_USER, EV_ADD, 0, 1),
                                  query(NOTE_DEBUG)};

    ready = true;
    errno = 77;
    ASSERT_EQ(kevent(kq, list, 3, room, 3, nullptr), 1);
    EXPECT_EQ(errno, 77);
    EXPECT_EQ(room[0].ident, 77u);
    EXPECT_EQ(applied, idents{1}); // once
    EXPECT_EQ(calls, 2);
}

TEST_P(Query, KQ041_without_room_answers_are_dropped_and_the_list_goes_on)
{
    const struct kevent list[] = {query(NOTE_VERSION), query(NOTE_THREAD_SAFE, EV_RECEIPT),
                                  change(EVFILT_USER, EV_ADD, 0, 1),
                                  change(EVFILT_USER, EV_ADD, 0, 2)};

    for (int count : {1, 2, 3, 4}) {
        applied.clear();
        errno = 77;
        EXPECT_EQ(kevent(kq, list, count, nullptr, 0, nullptr), 0) << count;
        EXPECT_EQ(errno, 77) << count;
        EXPECT_EQ(applied.size(), std::max(count - 2, 0)) << count;
    }
}

TEST_P(Query, KQ034_KQ037_without_room_an_error_ends_the_list)
{
    const struct kevent own[] = {query(NOTE_VERSION), query(NOTE_FILE_POLL_INTERVAL),
                                 change(EVFILT_USER, EV_ADD, 0, 1)},
                        other[] = {query(NOTE_VERSION), change(EVFILT_READ, EV_ADD, 0, 1),
                                   change(EVFILT_USER, EV_ADD, 0, 1)};

    EXPECT_EQ(kevent(kq, own, 3, nullptr, 0, nullptr), -1);
    EXPECT_EQ(errno, ENOSYS);
    EXPECT_EQ(kevent(kq, other, 3, nullptr, 0, nullptr), -1);
    EXPECT_EQ(errno, EBADF);
    EXPECT_TRUE(applied.empty());
}

// The documented limit: the kernel does not say which change it stopped at.
TEST_P(Query, behind_other_changes_without_room_it_is_an_unknown_filter)
{
    const struct kevent list[] = {change(EVFILT_USER, EV_ADD, 0, 1), query(NOTE_THREAD_SAFE),
                                  change(EVFILT_USER, EV_ADD, 0, 2)};

    errno = 0;
    EXPECT_EQ(kevent(kq, list, 3, nullptr, 0, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(applied, idents{1});
    EXPECT_EQ(calls, 1);
}

TEST_P(Query, KQ018_lists_are_not_touched_before_the_kernel_read_them)
{
    const auto *nowhere = reinterpret_cast<const struct kevent *>(uintptr_t{8});

    for (int nevents : {0, 1}) {
        errno = 0;
        EXPECT_EQ(kevent(kq, nowhere, 2, room, nevents, nullptr), -1);
        EXPECT_EQ(errno, EFAULT);
    }
    fake.kevent = [](int, kq_kevent &call) -> long {
        call.stamp = KQ_STAMP;
        return -EINVAL;
    };
    for (int nchanges : {0, -1}) {
        EXPECT_EQ(kevent(kq, nowhere, nchanges, room, nchanges, nullptr), -1);
        EXPECT_EQ(errno, EINVAL);
    }
    EXPECT_EQ(kevent(kq, nowhere, 1, room, 1, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
}

TEST_P(Query, KQ033_calls_without_queries_are_one_call)
{
    const struct kevent list[] = {change(EVFILT_READ, EV_ADD, 0, 1),
                                  change(EVFILT_TIMER, EV_ADD, NOTE_VERSION, 2),
                                  change(EVFILT_USER, EV_ADD | EV_RECEIPT, 0, 3)};

    ASSERT_EQ(kevent(kq, list, 3, room, 3, nullptr), 3);
    EXPECT_TRUE(same(room[0], entry(list[0], EBADF)));
    EXPECT_TRUE(same(room[1], entry(list[1], EINVAL)));
    EXPECT_TRUE(same(room[2], entry(list[2], 0)));
    EXPECT_EQ(kevent(kq, list + 1, 1, nullptr, 0, nullptr), -1);
    EXPECT_EQ(errno, EINVAL);
    EXPECT_EQ(kevent(kq, list + 2, 1, nullptr, 0, nullptr), 0);
    ready = true;
    EXPECT_EQ(kevent(kq, list + 2, 0, room, 3, nullptr), 1);
    EXPECT_EQ(calls, 4);
}

} // namespace
