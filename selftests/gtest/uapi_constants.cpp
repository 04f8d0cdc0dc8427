// SPDX-License-Identifier: MIT
//
// The kernel interface alone, without <sys/event.h>.
#include "constants.hpp"

#include <linux/kqueue.h>

#define ROW(name) {#name, static_cast<long long>(name)},
const named_constant uapi_constants[] = {KQ_TEST_CONSTANTS(ROW)};
const std::size_t uapi_constant_count = sizeof(uapi_constants) / sizeof(uapi_constants[0]);

const std::size_t uapi_layout[7] = {sizeof(kq_event),           offsetof(kq_event, ident),
                                    offsetof(kq_event, filter), offsetof(kq_event, flags),
                                    offsetof(kq_event, fflags), offsetof(kq_event, data),
                                    offsetof(kq_event, udata)};

static_assert(sizeof(kq_kevent) == 64 && sizeof(kq_info) == 64);
