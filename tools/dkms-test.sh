#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the proof that the source as it is installed builds under DKMS, for kernels that are not the
# running one, and without touching this machine's own DKMS tree.
#
# Usage: tools/dkms-test.sh [NAME]...     NAME is one of `tools/kernel.sh names`
#
# Prints one TAP line per kernel and the totals. Exit status: 0 all passed, 1 something failed.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
version=$(<"$top/VERSION")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

comment() { sed 's/^/# /'; }

run_dkms() {
	local verb=$1
	shift
	# A program that is not there: otherwise dkms may make a signing key for this machine.
	sign_file=/nonexistent /usr/sbin/dkms "$verb" -m kqueue -v "$version" --dkmstree "$work/dkms" \
		--sourcetree "$work/source/usr/src" --installtree "$work/lib/modules" "$@"
}

# Says what is wrong with the module built for $1.
build() {
	local release headers module found
	release=$("$tools/kernel.sh" "$1" version) && headers=$("$tools/kernel.sh" "$1" headers) || return 1
	mkdir -p "$work/lib/modules/$release"
	if ! run_dkms build -k "$release" -a x86_64 --kernelsourcedir "$headers"; then
		cat "$work/dkms/kqueue/$version/build/make.log" 2>/dev/null
		return 1
	fi
	module=$(find "$work/dkms/kqueue/$version/$release" -name 'kqueue.ko*' -type f | head -n 1)
	[ -n "$module" ] || { echo "dkms made no module"; return 1; }
	found=$(modinfo -F version "$module")
	[ "$found" = "$version" ] || { echo "modinfo says version '$found' instead of $version"; return 1; }
	found=$(modinfo -F vermagic "$module")
	[ "${found%% *}" = "$release" ] || { echo "modinfo says vermagic '$found', the kernel is $release"; return 1; }
	echo "version $version, vermagic $found"
}

names=("$@")
[ $# -gt 0 ] || names=(6.1-cloud 6.12-cloud 6.12-rt)

mkdir -p "$work/dkms" "$work/source"
if ! said=$(make -s --no-print-directory -C "$top" dkms-source DESTDIR="$work/source" 2>&1 && run_dkms add 2>&1); then
	comment <<<"$said"
	echo "not ok - dkms add"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi

passed=0 failed=0
for name in "${names[@]}"; do
	if said=$(build "$name" 2>&1); then
		echo "# $(tail -n 1 <<<"$said")"
		echo "ok - dkms build $name"
		passed=$((passed + 1))
	else
		comment <<<"$said"
		echo "not ok - dkms build $name"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
