// SPDX-License-Identifier: GPL-2.0
/* Finds kernel tracepoints by name and connects probes to them. */
#include <linux/printk.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "kq_hooks.h"

static void kqh_trace_match(struct tracepoint *tp, void *data)
{
	struct kqh_probe *probe = data;

	if (!strcmp(tp->name, probe->name))
		probe->tp = tp;
}

/**
 * kqh_trace_connect() - connect some probes, all or none
 * @probes: name and function of each
 * @n: how many
 *
 * Return: 0, or -errno with a line in the log.
 */
int kqh_trace_connect(struct kqh_probe *probes, int n)
{
	int i, err;

	for (i = 0; i < n; i++) {
		for_each_kernel_tracepoint(kqh_trace_match, &probes[i]);
		err = probes[i].tp ? tracepoint_probe_register(probes[i].tp, probes[i].fn, NULL) :
				     -EOPNOTSUPP;
		if (err) {
			pr_err("cannot use the tracepoint %s: %d\n", probes[i].name, err);
			kqh_trace_disconnect(probes, i);
			return err;
		}
	}
	return 0;
}

/**
 * kqh_trace_disconnect() - on return none of the probes runs
 * @probes: connected
 * @n: how many
 */
void kqh_trace_disconnect(struct kqh_probe *probes, int n)
{
	while (n--)
		tracepoint_probe_unregister(probes[n].tp, probes[n].fn, NULL);
	tracepoint_synchronize_unregister();
}
