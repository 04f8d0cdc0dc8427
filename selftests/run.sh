#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns one run of the kernel tests on the kernel it is called under: runs each program with a time
# limit, and judges the kernel log and the module's own counters as well as the results.
#
# Usage: selftests/run.sh [PROGRAM|NAME]...
#
# Without arguments runs all of build/kselftest; NAME stands for build/kselftest/NAME or NAME_test.
# The programs must have been built (make -C selftests/kselftest) and the module loaded.
#
#   KQ_BUILD            directory of the programs (build/kselftest)
#   KQ_TAP              file that receives the TAP of all programs, as one document per program
#   KQ_CASE_FILTER      runs only the cases whose name contains it
#   KQ_PROGRAM_TIMEOUT  seconds for one program (900)
#   KQ_TIME_SCALE       multiplies the time limit of each case (1; 5 under lock debugging)
#   KQ_RACE_SECONDS     how long a loop looks for a race on a slow machine (5)
#   KQ_QUICK            set: the largest tables are tried in part
#   KQ_THREADED         set: each case starts with a second thread
#   TARGET=host         the kernel is not ours alone: the clock is left alone
#
# Exit status: 0 all that ran passed, 1 something failed or nothing ran.
set -uo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$here")
build=${KQ_BUILD:-$top/build/kselftest}
limit=${KQ_PROGRAM_TIMEOUT:-900}
if [ "${TARGET:-}" = host ]; then
	export KQ_KEEP_CLOCK=1
fi

# Kernels with lock debugging or KCSAN are many times slower than others.
if [ -e /proc/lockdep ] || [ -e /sys/kernel/debug/kcsan ]; then
	export KQ_TIME_SCALE=${KQ_TIME_SCALE:-5}
fi

passed=0 failed=0 skipped=0

say() {
	echo "$*"
	[ -z "${KQ_TAP:-}" ] || echo "$*" >>"$KQ_TAP"
}

# Prints the file of the program that $1 names.
find_program() {
	local candidate
	for candidate in "$1" "$build/$1" "$build/${1}_test"; do
		if [ -f "$candidate" ] && [ -x "$candidate" ]; then
			realpath "$candidate"
			return 0
		fi
	done
	return 1
}

mark_log() {
	mark="kqueue selftest $$ $1"
	echo "$mark" 2>/dev/null >/dev/kmsg || mark=
}

# Says what the kernel complained about since mark_log. Without the mark there is nothing to judge.
complaints() {
	if [ -z "$mark" ]; then
		return 0
	fi
	dmesg 2>/dev/null | awk -v from="$mark" -f "$top/tools/klog-scan.awk"
}

missed_closes() {
	"$build/kqinfo" missed_closes 2>/dev/null || echo 0
}

# Sets uptime to whole seconds; tests may set the clock.
read_uptime() {
	read -r uptime _ </proc/uptime
	uptime=${uptime%.*}
}

# Runs the program $1 and adds what it says to the totals.
run_program() {
	local name=${1##*/} before=$missed status ok bad skip plan problems=() begun
	mark_log "$name"
	say "# program $name"
	read_uptime
	begun=$uptime
	timeout -k 10 "$limit" "$1" 2>&1 | tee "$work/tap" | tee -a ${KQ_TAP:+"$KQ_TAP"}
	status=${PIPESTATUS[0]}
	read_uptime
	say "# $name took $((uptime - begun)) s"

	read -r ok skip bad plan < <(awk '
		/^ok / { ok++ }
		/^ok .* # SKIP/ { skip++ }
		/^not ok / { bad++ }
		/^1\.\.[0-9]+$/ { plan = substr($0, 4) }
		END { print ok + 0, skip + 0, bad + 0, plan == "" ? "none" : plan }' "$work/tap")
	passed=$((passed + ok - skip))
	failed=$((failed + bad))
	skipped=$((skipped + skip))

	case $status in
	0 | 4) [ "$bad" = 0 ] || problems+=("reported a success in spite of failures") ;;
	1) [ "$bad" != 0 ] || problems+=("failed without a failing case") ;;
	124 | 137) problems+=("did not end within $limit s") ;;
	*) problems+=("ended with status $status") ;;
	esac
	if [ "$status" = 4 ] && [ "$ok" = 0 ]; then
		skipped=$((skipped + 1))
	elif [ "$plan" != $((ok + bad)) ]; then
		problems+=("the plan and the number of results differ")
	fi
	missed=$(missed_closes)
	if [ "$missed" != "$before" ]; then
		problems+=("the module found closed descriptors late: missed_closes went from $before to $missed")
	fi
	if ! complaints >"$work/complaints"; then
		sed 's/^/# kernel: /' "$work/complaints"
		problems+=("the kernel complained, see above")
	fi
	local problem
	for problem in "${problems[@]}"; do
		say "# $name: $problem"
		say "not ok - $name"
		failed=$((failed + 1))
	done
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
[ -z "${KQ_TAP:-}" ] || : >"$KQ_TAP" || exit 1

programs=()
if [ $# -eq 0 ]; then
	shopt -s nullglob
	programs=("$build"/*_test)
fi
for argument in "$@"; do
	program=$(find_program "$argument") || {
		echo "run.sh: no program '$argument' in $build; run make -C selftests/kselftest" >&2
		exit 1
	}
	programs+=("$program")
done

say "# kernel $(uname -r)"
missed=$(missed_closes)
for program in "${programs[@]}"; do
	run_program "$program"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$((passed + failed))" -gt 0 ]
