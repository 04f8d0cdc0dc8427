#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the measurement of how much of the module the tests run: two runs in virtual machines with a
# module that counts, and the report over both.
#
# Usage: tools/coverage.sh [--report] [PROGRAM]...
#
#   (none)     the kernel tests, then the inputs of the fuzzer, then the report
#   PROGRAM    only these of the kernel tests, as in selftests/run.sh
#   --report   only the report, over the counters of the last runs
#
#   KQ_COVERAGE_BAR    lines that the kernel tests have to execute, in percent (90)
#   KQ_COVERAGE_LIMIT  seconds for the run of the kernel tests (7200)
#   KQ_TIME_SCALE      for the kernel tests (12)
#
# Writes build/results/coverage.txt (what standard output shows: lines by file, functions never
# reached) and coverage-lines.txt (each line the kernel tests never executed). Exit status: 0 at or above
# the bar and no test failed, 1 otherwise.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
cd "$top" || exit 1
results=build/results
export KQ_INSTRUMENT=gcov KQ_TIME_SCALE=${KQ_TIME_SCALE:-12}
# A line that runs once counts: nobody waits for the large tables.
export KQ_QUICK=1 KQ_RACE_SECONDS=${KQ_RACE_SECONDS:-1}

die() { echo "coverage.sh: $*" >&2; exit 1; }

# Runs a command in a machine and keeps its counters as those of the named run.
run() {
	local name=$1 limit=$2 log=$results/coverage-$1.log status=0
	shift 2
	echo "coverage.sh: $name ..." >&2
	KQ_COMMAND_LIMIT=$limit "$tools/vm.sh" --kernel 6.1-debug --timeout "$((limit + 900))" -- \
		tools/guest-coverage.sh "$@" >"$log" 2>"$log.err" || status=$?
	rm -rf "build/coverage/$name"
	mkdir -p "build/coverage/$name"
	if ! sed -n '/^-----BEGIN COUNTERS-----$/,/^-----END COUNTERS-----$/{/^-----/d;p}' "$log" |
		base64 -d | tar -C "build/coverage/$name" -xz; then
		tail -n 40 "$log" "$log.err" >&2
		die "$name: no counters, see $log"
	fi
	if [ "$status" -ne 0 ]; then
		grep -E '^not ok ' "$log" >&2
		tail -n 20 "$log.err" >&2
		echo "coverage.sh: $name: failed with status $status, see $log" >&2
		failed=1
	fi
}

mkdir -p "$results"
failed=
report=
[ "${1:-}" != --report ] || { report=1; shift; }
case ${1:-} in -*) die "unknown option '$1'; usage: coverage.sh [--report] [PROGRAM]..." ;; esac

module=$("$tools/build-module.sh" 6.1-debug) || exit 1
if [ -z "$report" ]; then
	make -s --no-print-directory -C selftests/kselftest || die "the kernel tests do not build"
	make -s --no-print-directory -C selftests/fuzz || die "the replay of the fuzzer does not build"
	# What kernels need that keep filp_flush from being traced is part of the module, too.
	KQ_SECOND_WAY="selftests/run.sh fd_close fd_process trap_effect" \
		run suite "${KQ_COVERAGE_LIMIT:-7200}" selftests/run.sh "$@"
	run fuzz 1800 build/fuzz/replay selftests/fuzz/seeds.txt selftests/fuzz/corpus.txt
fi

"$tools/coverage_report.py" "$(dirname "$(dirname "$module")")" "${KQ_COVERAGE_BAR:-90}" \
	"$results/coverage-lines.txt" suite=build/coverage/suite fuzz=build/coverage/fuzz |
	tee "$results/coverage.txt"
[ "${PIPESTATUS[0]}" -eq 0 ] && [ -z "$failed" ]
