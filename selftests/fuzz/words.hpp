// SPDX-License-Identifier: MIT
//
// Owns the words of an input: what its bytes choose from, with the names that seeds.txt uses. A
// place in a table is the meaning of a byte: append, never reorder, or the corpus means something
// else.
#ifndef KQ_FUZZ_WORDS_HPP
#define KQ_FUZZ_WORDS_HPP

#include <array>
#include <cstdint>
#include <limits>
#include <linux/kqueue.h>
#include <string_view>

namespace kq::fuzz
{

template <class T> struct Word {
    std::string_view name;
    T value;
};

// The last of each table of values says that the value itself follows.
inline constexpr std::array<Word<int>, 15> filter_words = {{
    {"read", EVFILT_READ},
    {"write", EVFILT_WRITE},
    {"vnode", EVFILT_VNODE},
    {"proc", EVFILT_PROC},
    {"signal", EVFILT_SIGNAL},
    {"timer", EVFILT_TIMER},
    {"procdesc", EVFILT_PROCDESC},
    {"fs", EVFILT_FS},
    {"user", EVFILT_USER},
    {"empty", EVFILT_EMPTY},
    {"except", EVFILT_EXCEPT},
    {"aio", KQ_EVFILT_AIO},
    {"lio", KQ_EVFILT_LIO},
    {"query", -12},
    {"filter:", 0},
}};

inline constexpr std::array<Word<std::uint16_t>, 14> flag_words = {{
    {"add", EV_ADD},
    {"delete", EV_DELETE},
    {"add+clear", EV_ADD | EV_CLEAR},
    {"add+oneshot", EV_ADD | EV_ONESHOT},
    {"add+dispatch", EV_ADD | EV_DISPATCH},
    {"add+disable", EV_ADD | EV_DISABLE},
    {"enable", EV_ENABLE},
    {"disable", EV_DISABLE},
    {"modify", 0},
    {"add+receipt", EV_ADD | EV_RECEIPT},
    {"force", EV_ADD | EV_FORCEONESHOT},
    {"keep", EV_KEEPUDATA},
    {"add+clear+dispatch", EV_ADD | EV_CLEAR | EV_DISPATCH},
    {"flags:", 0},
}};

inline constexpr std::array<Word<std::uint32_t>, 28> fflag_words = {{
    {"nothing", 0},
    {"lowat", NOTE_LOWAT},
    {"filepoll", NOTE_FILE_POLL},
    {"oob", NOTE_OOB},
    {"changes", 0x0ff},
    {"accesses", 0xf00},
    {"everything", 0xfff},
    {"exit", NOTE_EXIT},
    {"exitstatus", NOTE_EXIT | NOTE_EXITSTATUS},
    {"forkexec", NOTE_FORK | NOTE_EXEC},
    {"track", NOTE_TRACK | NOTE_EXIT | NOTE_FORK},
    {"mounting", VQ_MOUNT},
    {"unmounting", VQ_UNMOUNT},
    {"trigger", NOTE_TRIGGER},
    {"trigger+and", NOTE_TRIGGER | NOTE_FFAND | 0x55},
    {"trigger+or", NOTE_TRIGGER | NOTE_FFOR | 0xaa},
    {"trigger+copy", NOTE_TRIGGER | NOTE_FFCOPY | 0x33},
    {"copy", NOTE_FFCOPY | 0x0f},
    {"seconds", NOTE_SECONDS},
    {"useconds", NOTE_USECONDS},
    {"nseconds", NOTE_NSECONDS},
    {"absolute", NOTE_ABSOLUTE},
    {"absolute+nseconds", NOTE_ABSOLUTE | NOTE_NSECONDS},
    {"writes", NOTE_WRITE | NOTE_EXTEND},
    {"names", NOTE_DELETE | NOTE_RENAME | NOTE_LINK},
    {"allnotes", 0xffffffff},
    {"leeway", NOTE_LEEWAY | NOTE_CRITICAL | NOTE_BACKGROUND | NOTE_MACH_CONTINUOUS_TIME},
    {"fflags:", 0},
}};

inline constexpr std::array<Word<std::int64_t>, 12> data_words = {{
    {"0", 0},
    {"one", 1},
    {"minus", -1},
    {"hundred", 100},
    {"page", 4096},
    {"million", 1'000'000},
    {"int", std::numeric_limits<std::int32_t>::max()},
    {"large", std::numeric_limits<std::int64_t>::max()},
    {"small", std::numeric_limits<std::int64_t>::min()},
    {"over", std::int64_t{1} << 32},
    {"second", 1'000'000'000},
    {"data:", 0},
}};

// An ident below the number of slots is the descriptor in that slot.
inline constexpr std::array<std::string_view, 16> ident_words = {
    "child0", "child1", "self", "usr1",   "usr2",   "zero",  "init", "seven",
    "none",   "high",   "chld", "closed", "parent", "winch", "half", "ident:",
};

// A record as one of the three layouts, or a size that does not exist.
inline constexpr std::array<Word<std::uint32_t>, 4> layout_words = {{
    {"plain", sizeof(kq_event)},
    {"ext", sizeof(kq_event_ext)},
    {"ilp32", sizeof(kq_event_ilp32)},
    {"layout:", 0},
}};

} // namespace kq::fuzz

#endif // KQ_FUZZ_WORDS_HPP
