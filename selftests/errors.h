/* SPDX-License-Identifier: MIT */
/*
 * Owns the list of the errors that docs/abi.md knows, for those who try what makes
 * no sense: any other answer is a defect.
 */
#ifndef KQ_SELFTESTS_ERRORS_H
#define KQ_SELFTESTS_ERRORS_H

#include <errno.h>
#include <stdbool.h>

/* What any change, however senseless, may be answered. */
static inline bool is_error_of_change(int error)
{
	switch (error) {
	case EACCES:
	case EBADF:
	case EINVAL:
	case ENOENT:
	case ENOMEM:
	case EPERM:
	case ESRCH:
		return true;
	}
	return false;
}

/* What any call of KQ_IOC_KEVENT may be answered. */
static inline bool is_error_of_call(int error)
{
	return is_error_of_change(error) || error == EFAULT || error == E2BIG || error == EINTR;
}

#endif /* KQ_SELFTESTS_ERRORS_H */
