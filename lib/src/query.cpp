// SPDX-License-Identifier: MIT
//
// The answers to EVFILT_LIBKQUEUE, documented in kevent(2). A query is answered
// and forgotten: nothing is registered, so only EV_ADD finds something to do.
//
// The entries are those libkqueue makes (KQ-006, KQ-007): the change with
// EV_RECEIPT and without EV_ERROR, and the answer in its place.
#define KQ_LIBKQUEUE_QUERIES

#include "query.hpp"

#include <cerrno>
#include <linux/kqueue.h>

namespace kq::query
{

namespace
{

// The version MAJOR.MINOR.PATCH as 0xMMmmpprr; there are no releases of a patch.
constexpr unsigned version_number(const char *text)
{
    unsigned number = 0, part = 0;

    for (; *text; text++) {
        if (*text == '.') {
            number = (number | part) << 8;
            part = 0;
        } else {
            part = part * 10 + static_cast<unsigned>(*text - '0');
        }
    }
    return (number | part) << 8;
}

static_assert(version_number("1.2.3") == 0x01020300);
static_assert(version_number(KQ_VERSION) != 0);

// Begins with the number, as programs that take it apart expect. Not const:
// udata is not.
char version_text[] = KQ_VERSION " (libkq)";

bool contradictory(unsigned flags)
{
    constexpr unsigned state = EV_ENABLE | EV_DISABLE, keep = EV_ADD | EV_KEEPUDATA;

    return (flags & state) == state || (flags & keep) == keep;
}

// The answer, without regard to flags: data and udata, or the errno. asked says
// whether the note is a question.
int look_up(struct kevent &record, bool &asked)
{
    asked = false;
    switch (record.fflags) {
    case NOTE_VERSION:
        asked = true;
        record.data = static_cast<intptr_t>(version_number(KQ_VERSION));
        return 0;
    case NOTE_VERSION_STR:
        asked = true;
        record.data = 0;
        record.udata = version_text;
        return 0;
    case NOTE_THREAD_SAFE: // the value so far; it is so and stays so
    case NOTE_FORK_CLEANUP:
        record.data = 1;
        return 0;
    case NOTE_DEBUG:
    case NOTE_DEBUG_PREFIX:
    case NOTE_DEBUG_FUNC:
        record.data = 0;
        return 0;
    case NOTE_FILE_POLL_INTERVAL: // files are not polled here
        return ENOSYS;
    default:
        return EINVAL;
    }
}

} // namespace

bool answer(struct kevent &record)
{
    const unsigned flags = record.flags & ~(EV_SYSFLAGS | unsigned{KQ_EV_RESERVED});
    bool asked = false;
    int error;

    if (contradictory(flags))
        error = EINVAL;
    else if (!(flags & EV_ADD))
        error = ENOENT;
    else
        error = look_up(record, asked);
    if (error)
        record.data = error;
    record.flags = static_cast<unsigned short>(flags | (error ? EV_ERROR : EV_RECEIPT));
    return error || asked || (flags & EV_RECEIPT);
}

int answer_all(struct kevent *entries, int count)
{
    int left = 0;

    for (int i = 0; i < count; i++) {
        if (entries[i].filter == EVFILT_LIBKQUEUE && !answer(entries[i]))
            continue;
        if (left != i)
            entries[left] = entries[i];
        left++;
    }
    return left;
}

int outcome(const struct kevent &change)
{
    struct kevent record = change;

    if (change.filter != EVFILT_LIBKQUEUE)
        return EINVAL;
    answer(record);
    return record.flags & EV_ERROR ? static_cast<int>(record.data) : 0;
}

} // namespace kq::query
