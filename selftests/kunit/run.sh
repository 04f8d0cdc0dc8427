#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns one run of the unit tests on the kernel it is called under: loads kqueue_kunit.ko, which runs
# them, and judges what KUnit says, what the kernel says, and that every suite and case reported.
#
# Usage: selftests/kunit/run.sh [MODULE]
#        selftests/kunit/run.sh --ktap FILE
#
#   MODULE        kqueue_kunit.ko (that of this kernel in build/kmod, from tools/build-module.sh NAME --kunit)
#   --ktap FILE   run nothing, judge what KUnit printed elsewhere
#
# The kernel needs CONFIG_KUNIT. Prints the KTAP and the totals, "N passed, N failed, N skipped": cases,
# and of cases with parameters each one. Exit status: 0 all that ran passed, 1 something failed or
# nothing ran.
set -uo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$(dirname "$here")")
die() {
	echo "run.sh: $*" >&2
	exit 1
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# Every suite and case the sources define, as SUITE or SUITE CASE.
expected() {
	awk '
	FNR == 1 { delete cases; n = 0 }
	match($0, /KUNIT_CASE(_PARAM)?\([a-z_0-9]+/) {
		name = substr($0, RSTART, RLENGTH)
		sub(/.*\(/, "", name)
		cases[n++] = name
	}
	/^\t\.name = "kqueue_/ {
		split($0, part, "\"")
		print part[2]
		for (i = 0; i < n; i++)
			print part[2], cases[i]
	}' "$here"/*_kunit.c
}

# Reads KTAP: a suite is "ok N SUITE", further in come its cases, and before a case with parameters,
# further in still, one such line for each. Prints "reported SUITE", "reported SUITE CASE" and
# "passed", "failed" or "skipped".
count() {
	awk '
	{
		match($0, /^ */)
		depth = RLENGTH
		text = substr($0, depth + 1)
	}
	text !~ /^(not )?ok [0-9]+ / { next }
	{
		verdict = text ~ /^not/ ? "failed" : text ~ /# SKIP/ ? "skipped" : "passed"
		name = text
		sub(/^(not )?ok [0-9]+ (- )?/, "", name)
		sub(/ .*/, "", name)
	}
	depth >= 8 {
		parameters++
		bad += verdict == "failed"
		print verdict
		next
	}
	depth == 4 {
		cases[n++] = name
		# A case fails that has a bad parameter; that is one failure.
		if (!parameters || (verdict == "failed" && !bad))
			print verdict
		failures += verdict == "failed"
		parameters = bad = 0
		next
	}
	{
		print "reported", name
		for (i = 0; i < n; i++)
			print "reported", name, cases[i]
		if (verdict == "failed" && !failures)
			print verdict
		n = failures = 0
	}'
}

# Loads the module and prints what the kernel said meanwhile.
run() {
	local module=$1 mark="kqueue kunit $$"
	[ -e "$module" ] || die "no $module; build it with tools/build-module.sh NAME --kunit"
	[ "$(id -u)" -eq 0 ] || die "loading a module needs root"
	[ ! -e /sys/module/kqueue_kunit ] || die "kqueue_kunit is loaded already: rmmod kqueue_kunit"
	echo "$mark" >/dev/kmsg || die "cannot write to /dev/kmsg"
	insmod "$module" || problems+=("the module does not load: no CONFIG_KUNIT? see the kernel log")
	if [ -e /sys/module/kqueue_kunit ] && ! rmmod kqueue_kunit; then
		problems+=("the module does not unload")
	fi
	dmesg | awk -v mark="$mark" 'seen { print } index($0, mark) { seen = 1 }' >"$work/log"
	if ! "$top/tools/klog-scan.sh" "$work/log" >"$work/complaints"; then
		sed 's/^/# kernel: /' "$work/complaints"
		problems+=("the kernel complained, see above")
	fi
}

problems=()
case ${1:-} in
--ktap)
	[ -r "${2:-}" ] || die "--ktap needs a file that can be read"
	cp "$2" "$work/log"
	;;
-*) die "unknown option '$1'" ;;
*)
	echo "# kernel $(uname -r)"
	run "${1:-$top/build/kmod/$(uname -r)/selftests/kunit/kqueue_kunit.ko}"
	;;
esac
sed 's/^\[ *[0-9]*\.[0-9]*\] //' "$work/log" | tee "$work/ktap"
expected >"$work/expected"
count <"$work/ktap" >"$work/counted"

passed=$(grep -cx passed "$work/counted")
failed=$(grep -cx failed "$work/counted")
skipped=$(grep -cx skipped "$work/counted")
missing=$(sed 's/^/reported /' "$work/expected" | grep -vxFf "$work/counted" | sed 's/^reported //')
[ -s "$work/expected" ] || problems+=("no suites in $here")
[ -z "$missing" ] || problems+=("did not report: ${missing//$'\n'/, }")
for problem in "${problems[@]}"; do
	echo "# $problem"
	echo "not ok - kunit"
	failed=$((failed + 1))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
