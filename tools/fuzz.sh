#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns fuzzing from the host: builds the fuzzer and an instrumented module, runs it in a virtual machine
# with the debug kernel, keeps what it finds.
#
# Usage: tools/fuzz.sh [SECONDS]   fuzzes for so long (600)
#        tools/fuzz.sh --merge     makes selftests/fuzz/corpus.txt anew from itself and all that was found
#
#   FUZZ_SEED   what libFuzzer draws from (1)
#
# New inputs are added to build/fuzz/found.txt, where the next run begins, too, until they are merged. The
# whole output is in build/results/fuzz.log. The last lines say how much was run and reached; exit status: 0 nothing was
# wrong, 1 something was, with the input in the output.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
cd "$top" || exit 1
log=build/results/fuzz.log
found=build/fuzz/found.txt
corpus=selftests/fuzz/corpus.txt

die() { echo "fuzz.sh: $*" >&2; exit 1; }

case ${1:-} in
--merge) verb=(merge) limit=3600 ;;
'' | *[!0-9]*)
	[ -z "${1:-}" ] || die "unknown option '$1'; usage: fuzz.sh [SECONDS] | --merge"
	verb=(fuzz 600 "${FUZZ_SEED:-1}") limit=1500
	;;
*) verb=(fuzz "$1" "${FUZZ_SEED:-1}") limit=$(($1 + 900)) ;;
esac

# Prints the inputs in the log.
inputs() { sed -n '/^-----BEGIN INPUTS-----$/,/^-----END INPUTS-----$/{/^-----/d;p}' "$log"; }

mkdir -p build/results
command -v clang++ >/dev/null || die "no clang++; run tools/install-deps.sh"
make -s --no-print-directory -C selftests/fuzz fuzzer || die "the fuzzer does not build"
module=$(KQ_INSTRUMENT=kcov "$tools/build-module.sh" 6.1-debug) || exit 1

status=0
KQ_INSTRUMENT=kcov "$tools/vm.sh" --kernel 6.1-debug --cpus 1 --timeout "$limit" -- \
	selftests/fuzz/guest.sh "${verb[@]}" 2>&1 | tee "$log" | grep -a --line-buffered -vE '^[0-9a-f]{2,}$|^-----|^#[0-9]+\s+(NEW|REDUCE) '
status=${PIPESTATUS[0]}

if [ "${verb[0]}" = merge ]; then
	[ "$status" -eq 0 ] || die "merging failed, see $log"
	count=$(inputs | wc -l)
	[ "$count" -gt 0 ] || die "merging left nothing, see $log"
	{
		echo '# SPDX-License-Identifier: MIT'
		echo '#'
		echo '# Owns the inputs that reach all that fuzzing has reached, the shortest first, in hex. Made by'
		echo '# tools/fuzz.sh --merge.'
		inputs
	} >"$corpus.new" && mv "$corpus.new" "$corpus"
	rm -f "$found"
	echo "fuzz.sh: $count inputs in $corpus"
	exit 0
fi

inputs | sort -u - "$([ -e "$found" ] && echo "$found" || echo /dev/null)" >"$found.new" && mv "$found.new" "$found"
executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
places=$(sed -n 's/^# \([0-9]*\) places of the module were reached$/\1/p' "$log")
all=$(objdump -dr "$module" | grep -c '__sanitizer_cov_trace_pc')
echo "fuzz.sh: ${executions:-no} inputs run, ${places:-no} of $all places of the module reached, $(inputs | wc -l) new inputs"
if [ "$status" -ne 0 ] || [ -z "$executions" ]; then
	echo "fuzz.sh: something was found, see $log" >&2
	exit 1
fi
