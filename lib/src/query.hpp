// SPDX-License-Identifier: MIT
//
// What EVFILT_LIBKQUEUE answers. Must know nothing of queues or of the kernel:
// how a query is found and where its answer goes is the business of kevent.cpp.
#ifndef KQ_QUERY_HPP
#define KQ_QUERY_HPP

#include <sys/event.h>

namespace kq::query
{

// record is a query as its changelist had it, or as the kernel refused it. Turns
// it into the entry that answers it. Returns whether there is one: a failure, the
// answer to a question, or the receipt of a request that succeeded, if it asked
// for one.
bool answer(struct kevent &record);

// Answers the queries among count entries and closes the gaps of those that are
// answered with none. Returns how many entries are left.
int answer_all(struct kevent *entries, int count);

// For a change whose answer has no room: the errno it fails with, 0 if it is a
// query that succeeds, EINVAL if it is none.
int outcome(const struct kevent &change);

} // namespace kq::query

#endif // KQ_QUERY_HPP
