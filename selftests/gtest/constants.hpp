// SPDX-License-Identifier: MIT
//
// The constants both headers name. Included by one file that sees only
// <sys/event.h> and by one that sees only the kernel interface.
#ifndef KQ_TEST_CONSTANTS_HPP
#define KQ_TEST_CONSTANTS_HPP

#include <cstddef>

struct named_constant {
    const char *name;
    long long value;
};

#define KQ_TEST_CONSTANTS(X)                                                                       \
    X(EVFILT_READ)                                                                                 \
    X(EVFILT_WRITE)                                                                                \
    X(EVFILT_VNODE)                                                                                \
    X(EVFILT_PROC)                                                                                 \
    X(EVFILT_SIGNAL)                                                                               \
    X(EVFILT_TIMER)                                                                                \
    X(EVFILT_PROCDESC)                                                                             \
    X(EVFILT_FS)                                                                                   \
    X(EVFILT_USER)                                                                                 \
    X(EVFILT_EMPTY)                                                                                \
    X(EVFILT_EXCEPT)                                                                               \
    X(EV_ADD)                                                                                      \
    X(EV_DELETE)                                                                                   \
    X(EV_ENABLE)                                                                                   \
    X(EV_DISABLE)                                                                                  \
    X(EV_ONESHOT)                                                                                  \
    X(EV_CLEAR)                                                                                    \
    X(EV_RECEIPT)                                                                                  \
    X(EV_DISPATCH)                                                                                 \
    X(EV_FORCEONESHOT)                                                                             \
    X(EV_KEEPUDATA)                                                                                \
    X(EV_SYSFLAGS)                                                                                 \
    X(EV_ERROR)                                                                                    \
    X(EV_EOF)                                                                                      \
    X(NOTE_LOWAT)                                                                                  \
    X(NOTE_FILE_POLL)                                                                              \
    X(NOTE_OOB)                                                                                    \
    X(NOTE_DELETE)                                                                                 \
    X(NOTE_WRITE)                                                                                  \
    X(NOTE_EXTEND)                                                                                 \
    X(NOTE_ATTRIB)                                                                                 \
    X(NOTE_LINK)                                                                                   \
    X(NOTE_RENAME)                                                                                 \
    X(NOTE_REVOKE)                                                                                 \
    X(NOTE_TRUNCATE)                                                                               \
    X(NOTE_CLOSE)                                                                                  \
    X(NOTE_CLOSE_WRITE)                                                                            \
    X(NOTE_READ)                                                                                   \
    X(NOTE_OPEN)                                                                                   \
    X(NOTE_EXIT)                                                                                   \
    X(NOTE_FORK)                                                                                   \
    X(NOTE_EXEC)                                                                                   \
    X(NOTE_EXITSTATUS)                                                                             \
    X(NOTE_TRACK)                                                                                  \
    X(NOTE_TRACKERR)                                                                               \
    X(NOTE_CHILD)                                                                                  \
    X(NOTE_PCTRLMASK)                                                                              \
    X(NOTE_PDATAMASK)                                                                              \
    X(VQ_MOUNT)                                                                                    \
    X(VQ_UNMOUNT)                                                                                  \
    X(NOTE_FFNOP)                                                                                  \
    X(NOTE_FFAND)                                                                                  \
    X(NOTE_FFOR)                                                                                   \
    X(NOTE_FFCOPY)                                                                                 \
    X(NOTE_FFCTRLMASK)                                                                             \
    X(NOTE_FFLAGSMASK)                                                                             \
    X(NOTE_TRIGGER)                                                                                \
    X(NOTE_SECONDS)                                                                                \
    X(NOTE_USECONDS)                                                                               \
    X(NOTE_NSECONDS)                                                                               \
    X(NOTE_ABSOLUTE)                                                                               \
    X(NOTE_LEEWAY)                                                                                 \
    X(NOTE_CRITICAL)                                                                               \
    X(NOTE_BACKGROUND)                                                                             \
    X(NOTE_MACH_CONTINUOUS_TIME)

// Of the kernel interface, in the order above.
extern const named_constant uapi_constants[];
extern const std::size_t uapi_constant_count;

// Of struct kq_event: size and the offset of each field.
extern const std::size_t uapi_layout[7];

#endif
