// SPDX-License-Identifier: MIT
//
// <sys/event.h>: layout, numbers, EV_SET, and their agreement with the kernel
// interface.
#include "constants.hpp"

#include <gtest/gtest.h>
#include <sys/event.h>
#include <type_traits>

namespace
{

using kev = struct kevent;

TEST(Abi, KQ001_struct_layout)
{
    static_assert(sizeof(void *) == 8, "the 32-bit layout is checked by header_test");
    EXPECT_EQ(sizeof(kev), 32u);
    EXPECT_EQ(offsetof(kev, ident), 0u);
    EXPECT_EQ(offsetof(kev, filter), 8u);
    EXPECT_EQ(offsetof(kev, flags), 10u);
    EXPECT_EQ(offsetof(kev, fflags), 12u);
    EXPECT_EQ(offsetof(kev, data), 16u);
    EXPECT_EQ(offsetof(kev, udata), 24u);
}

TEST(Abi, KQ001_field_types)
{
    EXPECT_TRUE((std::is_same_v<decltype(kev::ident), uintptr_t>));
    EXPECT_TRUE((std::is_same_v<decltype(kev::filter), short>));
    EXPECT_TRUE((std::is_same_v<decltype(kev::flags), unsigned short>));
    EXPECT_TRUE((std::is_same_v<decltype(kev::fflags), unsigned>));
    EXPECT_TRUE((std::is_same_v<decltype(kev::data), intptr_t>));
    EXPECT_TRUE((std::is_same_v<decltype(kev::udata), void *>));
}

TEST(Abi, KQ001_kernel_record_has_the_same_layout)
{
    const std::size_t ours[7] = {sizeof(kev),          offsetof(kev, ident),  offsetof(kev, filter),
                                 offsetof(kev, flags), offsetof(kev, fflags), offsetof(kev, data),
                                 offsetof(kev, udata)};
    for (int i = 0; i < 7; i++)
        EXPECT_EQ(ours[i], uapi_layout[i]) << i;
}

TEST(Abi, KQ002_filter_numbers)
{
    EXPECT_EQ(EVFILT_READ, -1);
    EXPECT_EQ(EVFILT_WRITE, -2);
    EXPECT_EQ(EVFILT_VNODE, -4);
    EXPECT_EQ(EVFILT_PROC, -5);
    EXPECT_EQ(EVFILT_SIGNAL, -6);
    EXPECT_EQ(EVFILT_TIMER, -7);
    EXPECT_EQ(EVFILT_PROCDESC, -8);
    EXPECT_EQ(EVFILT_FS, -9);
    EXPECT_EQ(EVFILT_USER, -11);
    EXPECT_EQ(EVFILT_EMPTY, -13);
    EXPECT_EQ(EVFILT_EXCEPT, -64);
}

// Refused filters, notes without a behaviour, and libkqueue's queries, for which
// a program has to ask.
TEST(Abi, KQ002_what_does_not_exist_has_no_macro)
{
    bool any = false;
#if defined(EVFILT_AIO) || defined(EVFILT_LIO) || defined(EVFILT_SENDFILE) ||                      \
    defined(EVFILT_NETDEV) || defined(EVFILT_DEVICE) || defined(EVFILT_MACHPORT) ||                \
    defined(EVFILT_VM) || defined(EVFILT_JAIL) || defined(EVFILT_LIBKQUEUE)
    any = true;
#endif
#if defined(NOTE_FUNLOCK) || defined(NOTE_NONE) || defined(NOTE_REAP) || defined(NOTE_SIGNAL) ||   \
    defined(NOTE_EXIT_DETAIL) || defined(NOTE_MACHTIME) || defined(VQ_LOWDISK) ||                  \
    defined(NOTE_VERSION) || defined(NOTE_FILE_POLL_INTERVAL)
    any = true;
#endif
#if defined(__FreeBSD__) || defined(__APPLE__) || defined(LIBKQUEUE)
    any = true;
#endif
    EXPECT_FALSE(any);
}

TEST(Abi, KQ003_ev_values)
{
    EXPECT_EQ(EV_ADD, 1);
    EXPECT_EQ(EV_DELETE, 2);
    EXPECT_EQ(EV_ENABLE, 4);
    EXPECT_EQ(EV_DISABLE, 8);
    EXPECT_EQ(EV_ONESHOT, 0x10);
    EXPECT_EQ(EV_CLEAR, 0x20);
    EXPECT_EQ(EV_RECEIPT, 0x40);
    EXPECT_EQ(EV_DISPATCH, 0x80);
    EXPECT_EQ(EV_ERROR, 0x4000);
    EXPECT_EQ(EV_EOF, 0x8000);
    EXPECT_EQ(EV_FORCEONESHOT, 0x100);
    EXPECT_EQ(EV_KEEPUDATA, 0x200);
    EXPECT_EQ(EV_SYSFLAGS, 0xf000);
}

TEST(Abi, KQ004_timer_units)
{
    EXPECT_EQ(NOTE_USECONDS, 2);
    EXPECT_EQ(NOTE_NSECONDS, 4);
    EXPECT_EQ(NOTE_SECONDS, 1);
    EXPECT_EQ(NOTE_MSECONDS, 0);
    EXPECT_EQ(NOTE_ABSOLUTE, 8);
    EXPECT_EQ(NOTE_ABSTIME, NOTE_ABSOLUTE);
}

TEST(Abi, notes_of_descriptors)
{
    EXPECT_EQ(NOTE_LOWAT, 1);
    EXPECT_EQ(NOTE_FILE_POLL, 2);
    EXPECT_EQ(NOTE_OOB, 4);
}

TEST(Abi, notes_of_files)
{
    EXPECT_EQ(NOTE_DELETE, 1);
    EXPECT_EQ(NOTE_WRITE, 2);
    EXPECT_EQ(NOTE_EXTEND, 4);
    EXPECT_EQ(NOTE_ATTRIB, 8);
    EXPECT_EQ(NOTE_LINK, 0x10);
    EXPECT_EQ(NOTE_RENAME, 0x20);
    EXPECT_EQ(NOTE_REVOKE, 0x40);
    EXPECT_EQ(NOTE_TRUNCATE, 0x80);
    EXPECT_EQ(NOTE_CLOSE, 0x100);
    EXPECT_EQ(NOTE_CLOSE_WRITE, 0x200);
    EXPECT_EQ(NOTE_READ, 0x400);
    EXPECT_EQ(NOTE_OPEN, 0x800);
}

TEST(Abi, notes_of_processes)
{
    EXPECT_EQ(NOTE_EXIT, 0x80000000);
    EXPECT_EQ(NOTE_FORK, 0x40000000);
    EXPECT_EQ(NOTE_EXEC, 0x20000000);
    EXPECT_EQ(NOTE_EXITSTATUS, 0x04000000);
    EXPECT_EQ(NOTE_TRACK, 1);
    EXPECT_EQ(NOTE_TRACKERR, 2);
    EXPECT_EQ(NOTE_CHILD, 4);
    EXPECT_EQ(NOTE_PCTRLMASK, 0xf0000000);
    EXPECT_EQ(NOTE_PDATAMASK, 0x000fffff);
}

TEST(Abi, notes_of_mounts)
{
    EXPECT_EQ(VQ_MOUNT, 8);
    EXPECT_EQ(VQ_UNMOUNT, 0x10);
}

TEST(Abi, notes_of_user_events)
{
    EXPECT_EQ(NOTE_FFNOP, 0);
    EXPECT_EQ(NOTE_FFAND, 0x40000000);
    EXPECT_EQ(NOTE_FFOR, 0x80000000);
    EXPECT_EQ(NOTE_FFCOPY, 0xc0000000);
    EXPECT_EQ(NOTE_FFCTRLMASK, 0xc0000000);
    EXPECT_EQ(NOTE_FFLAGSMASK, 0x00ffffff);
    EXPECT_EQ(NOTE_TRIGGER, 0x01000000);
}

TEST(Abi, KQ002_KQ003_KQ004_constants_equal_those_of_the_kernel)
{
#define ROW(name) {#name, static_cast<long long>(name)},
    const named_constant ours[] = {KQ_TEST_CONSTANTS(ROW)};

    ASSERT_EQ(std::size(ours), uapi_constant_count);
    for (std::size_t i = 0; i < std::size(ours); i++) {
        EXPECT_STREQ(ours[i].name, uapi_constants[i].name);
        EXPECT_EQ(ours[i].value, uapi_constants[i].value) << ours[i].name;
    }
}

TEST(Abi, KQ005_EV_SET_evaluates_each_argument_once)
{
    struct kevent array[2] = {}, *next = array;
    int calls[6] = {};
    char mark;

    EV_SET(next++, (calls[0]++, 7u), (calls[1]++, EVFILT_USER), (calls[2]++, EV_ADD | EV_CLEAR),
           (calls[3]++, NOTE_FFCOPY | 5), (calls[4]++, -9), (calls[5]++, &mark));
    EXPECT_EQ(next, array + 1);
    for (int count : calls)
        EXPECT_EQ(count, 1);
    EXPECT_EQ(array[0].ident, 7u);
    EXPECT_EQ(array[0].filter, EVFILT_USER);
    EXPECT_EQ(array[0].flags, EV_ADD | EV_CLEAR);
    EXPECT_EQ(array[0].fflags, 0xc0000005u);
    EXPECT_EQ(array[0].data, -9);
    EXPECT_EQ(array[0].udata, &mark);
    EXPECT_EQ(array[1].udata, nullptr);
}

TEST(Abi, KQ005_EV_SET_is_one_statement_and_captures_no_name)
{
    struct kevent ident = {}, *kev = &ident;
    int flags = EV_ADD, udata = 3;

    if (udata == 3)
        EV_SET(kev, udata, EVFILT_READ, flags, 0, udata, &udata);
    else
        EV_SET(kev, 0, 0, 0, 0, 0, nullptr);
    EXPECT_EQ(ident.ident, 3u);
    EXPECT_EQ(ident.flags, EV_ADD);
    EXPECT_EQ(ident.data, 3);
    EXPECT_EQ(ident.udata, &udata);
}

TEST(Abi, KQ001_signatures)
{
    EXPECT_TRUE((std::is_same_v<decltype(&::kqueue), int (*)()>));
    EXPECT_TRUE((std::is_same_v<decltype(&::kqueue1), int (*)(int)>));
    EXPECT_TRUE((std::is_same_v<decltype(&::kqueuex), int (*)(unsigned)>));
    EXPECT_TRUE((std::is_same_v<decltype(&::kevent),
                                int (*)(int, const kev *, int, kev *, int, const timespec *)>));
}

} // namespace
