// SPDX-License-Identifier: GPL-2.0
/* Filters the BSDs register through other interfaces: refused with EPERM. */
#include "kq_filter.h"

const struct kq_filter_ops kqf_aio_ops = {
	.name = "aio",
	.flags = KQF_REFUSED,
};

const struct kq_filter_ops kqf_lio_ops = {
	.name = "lio",
	.flags = KQF_REFUSED,
};
