// SPDX-License-Identifier: MIT
//
// The C++20 interface of libkq, header only, over the four C functions. This
// file owns nothing but the list of its parts.
//
//     kq::queue queue;
//     queue.apply(kq::read(fd).add().udata(&connection));
//     std::array<kq::event, 64> room;
//     for (const kq::event &e : queue.wait(room, 500ms))
//         e.udata<connection>()->readable(e.data());
//
// Functions that can fail throw std::system_error whose code() is the errno the
// C function documents (std::generic_category); each has an overload with a
// std::error_code & that does not throw and clears it on success.
#ifndef KQ_KQ_HPP
#define KQ_KQ_HPP

#include "change.hpp"
#include "event.hpp"
#include "queue.hpp"
#include "timeout.hpp"

#endif // KQ_KQ_HPP
