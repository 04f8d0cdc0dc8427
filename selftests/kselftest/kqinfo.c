// SPDX-License-Identifier: GPL-2.0
/*
 * Owns the look at KQ_IOC_INFO for scripts: prints each value as NAME=VALUE.
 * With a name as argument prints that value alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kqueue.h>

int main(int argc, char **argv)
{
	struct kq_info info = { 0 };
	const struct {
		const char *name;
		unsigned long long value;
	} *row, *rows;
	int fd, found = 0;

	fd = open(KQ_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, KQ_IOC_INFO, &info)) {
		fprintf(stderr, "kqinfo: %s: %s\n", KQ_DEVICE, strerror(errno));
		return 1;
	}
	rows = (const __typeof__(*rows)[]){
		{ "abi_version", info.abi_version },
		{ "stamp", info.stamp },
		{ "features", info.features },
		{ "filters", info.filters },
		{ "max_depth", info.max_depth },
		{ "errata", info.errata },
		{ "missed_closes", info.missed_closes },
		{ NULL, 0 },
	};
	for (row = rows; row->name; row++) {
		if (argc < 2)
			printf("%s=%llu\n", row->name, row->value);
		else if (!strcmp(argv[1], row->name))
			found = printf("%llu\n", row->value);
	}
	return argc > 1 && !found;
}
