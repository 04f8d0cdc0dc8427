#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns what a coverage run does inside the virtual machine: runs a command with the module loaded,
# goes the ways that need a module loaded anew, unloads it and prints the counters.
#
# Usage: tools/guest-coverage.sh COMMAND [ARGUMENT]...
#
# The module must be built with KQ_INSTRUMENT=gcov; the kernel keeps the counters of a module that
# was unloaded (gcov_persist=1, its default), and adds them up over all loads. The counters come out
# as lines of base64 between the two marks, an archive of .gcda files: standard output is the only
# way out. Exit status: 0, or 1 if anything failed.
#
#   KQ_COMMAND_LIMIT  seconds after which the command is ended; what was counted until then is printed
#   KQ_SECOND_WAY     commands for the shell, run with the module loaded anew with second_way=1
set -uo pipefail

counters=/sys/kernel/debug/gcov
module=/run/kq/kqueue.ko
status=0

die() { echo "guest-coverage.sh: $*" >&2; exit 1; }

[ $# -gt 0 ] || die "usage: guest-coverage.sh COMMAND [ARGUMENT]..."
[ -d "$counters" ] || die "no $counters: the kernel has no CONFIG_GCOV_KERNEL (use 6.1-debug)"
# Printing comes whatever happens: half an hour of counting is not thrown away for one bad case.
bad() {
	echo "guest-coverage.sh: $*" >&2
	status=1
}

timeout "${KQ_COMMAND_LIMIT:-0}" "$@" || bad "the command ended with status $?"
# Code patched while another emulated processor runs it can end the machine, see vm.sh.
for online in /sys/devices/system/cpu/cpu[1-9]*/online; do
	[ ! -e "$online" ] || echo 0 >"$online" || bad "cannot stop a processor: $online"
done
if [ -n "${KQ_SECOND_WAY:-}" ]; then
	if rmmod kqueue && insmod "$module" second_way=1; then
		bash -c "$KQ_SECOND_WAY" || bad "the second command ended with status $?"
	else
		bad "the module cannot be loaded anew"
	fi
fi
rmmod kqueue || bad "the module does not unload"

# The files of debugfs claim to be empty: an archive of them would be.
copy=$(mktemp -d) || exit 1
found=0
while IFS= read -r file; do
	target=$copy/kmod/${file##*/kmod/}
	if ! mkdir -p "${target%/*}" || ! cat "$file" >"$target"; then
		die "cannot read $file"
	fi
	found=$((found + 1))
done < <(find "$counters" -path '*/build/kmod/*/kmod/*.gcda')
[ "$found" -gt 0 ] || die "no counters of the module: was it built with KQ_INSTRUMENT=gcov, is gcov_persist=0?"
echo '-----BEGIN COUNTERS-----'
tar -C "$copy" -czf - . | base64 || die "cannot pack the counters"
echo '-----END COUNTERS-----'
exit "$status"
