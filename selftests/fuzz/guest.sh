#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Owns what fuzzing does inside the virtual machine: gathers the inputs to begin with, runs the fuzzer,
# and prints what it found, as standard output is the only way out. tools/fuzz.sh calls it.
#
# Usage: selftests/fuzz/guest.sh fuzz SECONDS SEED | merge
#
#   fuzz    prints the inputs that reached something new, between two marks
#   merge   prints the smallest set of known inputs that reaches all they reach together
#
# Exit status: 0 nothing was found, else what the fuzzer said, after the guilty input.
set -uo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
build=$(dirname "$(dirname "$here")")/build/fuzz
# Longer than any input takes on an emulated processor; the units of libFuzzer are seconds.
options=(-max_len=256 -timeout=120 -rss_limit_mb=0 -detect_leaks=0 -handle_usr1=0 -handle_usr2=0
	-artifact_prefix=/tmp/ -verbosity=1 -print_final_stats=1 -reload=0)

die() { echo "guest.sh: $*" >&2; exit 2; }

# Says which input ran when the process ended. The kernel's complaint alone does not.
show_current() {
	local size
	size=$(od -An -N8 -tu8 /tmp/current | tr -d ' ')
	echo "# ended in this input, to run it again: build/fuzz/replay -x $(
		od -An -v -j8 -N"$size" -tx1 /tmp/current | tr -d ' \n')"
}

# One that the kernel holds does not end by any signal: its input is told all the same, when it was
# found waiting there twelve times in a row, five seconds apart.
run_fuzzer() {
	local status=0 pid now last='' times=0
	KQ_FUZZ_CURRENT=/tmp/current "$build/fuzzer" "${options[@]}" "$@" 2>&1 &
	pid=$!
	while kill -0 "$pid" 2>/dev/null; do
		now=$(ps -o state= -p "$pid" | tr -d ' ')$(cksum </tmp/current)
		if [[ $now = D* && $now = "$last" ]]; then times=$((times + 1)); else times=0; fi
		last=$now
		if [ "$times" -eq 12 ]; then
			cat "/proc/$pid/stack"
			show_current
			die "the fuzzer hangs in the kernel"
		fi
		sleep 5
	done
	wait "$pid" || status=$?
	[ "$status" -eq 0 ] || show_current
	return "$status"
}

gather() {
	local file
	: >/tmp/current
	for file in "$here/seeds.txt" "$here/corpus.txt" "$build/found.txt"; do
		[ ! -e "$file" ] || "$build/corpus" unpack /tmp/start "$file" || die "cannot read $file"
	done
	mkdir -p /tmp/new
}

print_inputs() {
	echo '-----BEGIN INPUTS-----'
	"$build/corpus" pack "$1" || die "cannot print the inputs"
	echo '-----END INPUTS-----'
}

# An oops ends the process that met it, not the machine: the input can be told.
echo 0 >/proc/sys/kernel/panic_on_oops
gather
status=0
case ${1:-} in
fuzz)
	[ $# -eq 3 ] || die "usage: guest.sh fuzz SECONDS SEED"
	run_fuzzer -max_total_time="$2" -seed="$3" /tmp/new /tmp/start || status=$?
	print_inputs /tmp/new
	;;
merge)
	run_fuzzer -merge=1 /tmp/new /tmp/start || status=$?
	print_inputs /tmp/new
	;;
*)
	die "usage: guest.sh fuzz SECONDS SEED | merge"
	;;
esac
exit "$status"
