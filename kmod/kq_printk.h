/* SPDX-License-Identifier: GPL-2.0 */
/* The prefix of every log line; included before all else by Kbuild. */
#ifndef KQ_PRINTK_H
#define KQ_PRINTK_H

#define pr_fmt(fmt) "kqueue: " fmt

#endif /* KQ_PRINTK_H */
