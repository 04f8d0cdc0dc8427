#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the whole check: prepares, runs every step, adds up what they report.
#
# Usage: tools/check.sh [--debug|--guests|--soak]
#
#   (none)    style, googletest, dkms; on each stock kernel kernel tests, random calls, inputs of the
#             fuzzer, reloads
#   --debug   kernel tests, random calls and inputs of the fuzzer on the debug kernels; on 6.1-debug also
#             the races, 32-bit programs, the unit tests, the fuzzer, and all of it inside a kernel tree
#   --guests  only googletest and the kernel tests, for the conformance report
#   --soak    only random calls and reloads, many of both
#
#   TARGET=host     with the module loaded on this machine instead of in virtual machines; no
#                   downloads, no reloads: googletest, kernel tests, random calls
#   KQ_KERNELS      kernels to run on (6.1-cloud 6.12-cloud 6.12-rt; --debug: 6.1-debug
#                   6.12-rt-debug 6.12-kcsan)
#   KQ_JOBS         steps at a time (processors, at most what the memory holds)
#   STRESS_CALLS    random calls on each kernel (200000; --soak: 10000000)
#   STRESS_SECONDS  instead of a number of calls: for how long
#   STRESS_SEED     what the calls are drawn from (1)
#   FUZZ_SECONDS    how long the fuzzer goes beyond the inputs it has (60)
#   RELOADS         how often the module is loaded and unloaded under load (50; --soak: 1000)
#
# Output of each step is kept in build/results: STEP.tap or STEP.log, what went to standard error in
# STEP.err. The last line is "N passed, N failed, N skipped". Exit status: 0 nothing failed and
# something passed, 1 otherwise.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
results=$top/build/results
usual_kernels='6.1-cloud 6.12-cloud 6.12-rt'
debug_kernels='6.1-debug 6.12-rt-debug 6.12-kcsan'
mode=${1:-}
# Emulated processors that share real ones are slow: this widens the limits that detect hangs.
scale=3 limit=1800 calls=200000 reloads=50 soak=''
case $mode in
'' | --guests) ;;
--debug) usual_kernels=$debug_kernels scale=10 limit=5400 ;;
--soak) limit=14400 calls=10000000 reloads=1000 ;;
*) echo "check.sh: unknown option '$mode'" >&2; exit 1 ;;
esac
read -r -a kernels <<<"${KQ_KERNELS:-$usual_kernels}"
stress=(build/stress/stress -S "${STRESS_SEED:-1}")
if [ -n "${STRESS_SECONDS:-}" ]; then
	stress+=(-s "$STRESS_SECONDS")
	limit=$((limit + STRESS_SECONDS))
else
	stress+=(-c "${STRESS_CALLS:-$calls}")
fi
if [ "${TARGET:-}" = host ]; then
	[ "$mode" != --soak ] || soak=1
	mode=--host
elif [ -n "${TARGET:-}" ]; then
	echo "check.sh: TARGET is host or nothing, not '$TARGET'" >&2
	exit 1
fi
export KQ_TIME_SCALE=${KQ_TIME_SCALE:-$scale}
# Three slow kernels: what is missed today is looked for tomorrow.
[ "$mode" != --debug ] || export KQ_RACE_SECONDS=${KQ_RACE_SECONDS:-1} KQ_QUICK=1

# A guest takes 1 GiB; half as much again for what is beside it.
available=$(awk '/^MemAvailable:/ { print int($2 / 1024 / 1536) }' /proc/meminfo)
jobs=${KQ_JOBS:-$(nproc)}
if [ "$jobs" -gt "$available" ]; then jobs=$available; fi
if [ "$jobs" -lt 1 ]; then jobs=1; fi

# Tells the sum of a googletest run on standard input in our words.
count_googletest() {
	awk '
	/^\[       OK \] / { passed++ }
	/^\[  SKIPPED \] .* ms\)$/ { skipped++ }
	/^\[  FAILED  \] .* ms\)$/ { failed++ }
	END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }'
}

# Runs one step; leaves its totals in build/results/STEP.sum.
step() {
	local name=$1 log=$2 kind=$3 status=0 begun=$EPOCHSECONDS passed=0 failed=0 skipped=0 sum=''
	shift 3
	# It ends when this check is ended.
	setpriv --pdeathsig TERM "$@" >"$results/$log" 2>"$results/$name.err" </dev/null || status=$?
	case $kind in
	totals) sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$results/$log" | tail -n 1) ;;
	googletest) sum=$(count_googletest <"$results/$log") ;;
	status)
		case $status in
		0) sum="1 passed, 0 failed, 0 skipped" ;;
		4) sum="0 passed, 0 failed, 1 skipped" status=0 ;;
		esac
		;;
	esac
	if [ -n "$sum" ]; then
		read -r passed _ failed _ skipped _ <<<"$sum"
	fi
	# Whatever it says about itself: it has to end well, and to have done something.
	if [ "$failed" -eq 0 ] && { [ "$status" -ne 0 ] || [ $((passed + skipped)) -eq 0 ]; }; then
		failed=1
	fi
	echo "$passed $failed $skipped" >"$results/$name.sum"
	{
		echo "$name: $passed passed, $failed failed, $skipped skipped ($((EPOCHSECONDS - begun)) s)"
		if [ "$kind" = status ]; then
			tail -n 1 "$results/$log" | sed 's/^/    /'
		fi
		if [ "$failed" -gt 0 ]; then
			grep -E '^not ok |^\[  FAILED  \] .* ms\)$|^# (defect|leak): ' "$results/$log" | head -n 40 | sed 's/^/    /'
			tail -n 40 "$results/$name.err" | sed 's/^/    | /'
			echo "    all of it: build/results/$log, build/results/$name.err"
		fi
	} >"$results/$name.said"
	# In one piece, as others may be speaking.
	cat "$results/$name.said"
	rm "$results/$name.said"
}

# Starts a step as soon as there is room for it.
start() {
	while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do
		wait -n || true
	done
	echo "$1 ..."
	steps+=("$1")
	step "$@" &
}

# What has to be there before steps run side by side. Says nothing when it goes well.
prepare() {
	local name=$1
	shift
	echo "$name ..."
	if ! "$@" >"$results/$name.log" 2>&1; then
		tail -n 60 "$results/$name.log"
		echo "$name: failed, see build/results/$name.log"
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
}

# shellcheck disable=SC2317 # called by prepare
build_programs() {
	if [ "$mode" = --soak ]; then
		make -C "$top/selftests/stress"
		return
	fi
	make -C "$top/selftests/kselftest" && make -C "$top/selftests/stress" &&
		make -C "$top/selftests/fuzz" || return
	if [ "$mode" != --debug ]; then
		make -C "$top/selftests/kselftest" M32=1 && make -C "$top/selftests/gtest" all
	elif [ "${kernels[0]}" = 6.1-debug ]; then
		make -C "$top/selftests/kselftest" M32=1 && "$tools/build-module.sh" 6.1-debug --kunit
	fi
}

# shellcheck disable=SC2317 # called by prepare
fetch_kernels() {
	local kernel
	for kernel in "${kernels[@]}"; do
		"$tools/kernel.sh" "$kernel" fetch || return
	done
}

# shellcheck disable=SC2317 # called by the trap
# Ends the machines too: they die with their vm.sh.
stop() {
	trap - EXIT
	# shellcheck disable=SC2046 # one word per job
	kill $(jobs -rp) 2>/dev/null
	wait
}

start_random() {
	local kernel
	for kernel in "${kernels[@]}"; do
		start "$kernel-stress" "$kernel-stress.log" status "$tools/vm.sh" --kernel "$kernel" \
			--timeout "$limit" -- "${stress[@]}"
	done
}

# What the fuzzer has kept, once each: it needs a kernel with KCOV, its inputs do not.
start_replays() {
	local kernel
	for kernel in "${kernels[@]}"; do
		[ "$kernel" != 6.1-debug ] || continue
		start "$kernel-replay" "$kernel-replay.log" status "$tools/vm.sh" --kernel "$kernel" \
			--timeout "$limit" -- build/fuzz/replay selftests/fuzz/seeds.txt selftests/fuzz/corpus.txt
	done
}

# On one processor, where every kernel function may be preempted: code that is patched while another
# emulated processor runs it can end in a stray breakpoint, see vm.sh.
start_reloads() {
	local kernel
	for kernel in "${kernels[@]}"; do
		start "$kernel-reload" "$kernel-reload.log" status "$tools/vm.sh" --kernel "$kernel" \
			--timeout "$limit" --cpus 1 --append preempt=full -- \
			build/stress/reload /run/kq/kqueue.ko "${RELOADS:-$reloads}"
	done
}

start_guests() {
	local kernel
	for kernel in "${kernels[@]}"; do
		start "$kernel" "$kernel.tap" totals \
			"$tools/vm.sh" --kernel "$kernel" --timeout "$limit" -- selftests/run.sh
	done
	[ "$mode" != --guests ] || return 0
	if [ "$mode" != --debug ]; then
		start_variants
	elif [ "${kernels[0]}" = 6.1-debug ]; then
		start_deep
	fi
	start_random
	start_replays
	[ "$mode" = --debug ] || start_reloads
}

start_variants() {
	# The same programs with the other width. A log, not TAP: the conformance report is about the
	# programs of the kernel's own width.
	start "${kernels[0]}-32bit" "${kernels[0]}-32bit.log" totals \
		env KQ_BUILD="$top/build/kselftest32" "$tools/vm.sh" --kernel "${kernels[0]}" \
		--timeout "$limit" -- selftests/run.sh
	# The way a kernel goes that keeps filp_flush from being traced.
	start 6.12-cloud-second-way 6.12-cloud-second-way.log totals \
		"$tools/vm.sh" --kernel 6.12-cloud --param second_way=1 --timeout "$limit" -- \
		selftests/run.sh fd_close fd_process trap_effect
}

# What looks into the module needs a kernel that is made for it.
start_deep() {
	start 6.1-debug-race 6.1-debug-race.log totals \
		env KQ_INSTRUMENT=race "$tools/vm.sh" --kernel 6.1-debug --timeout "$limit" -- \
		selftests/run.sh race_event race_fd race_fork
	# Those that are about what crosses the border of the kernel.
	start 6.1-debug-32bit 6.1-debug-32bit.log totals \
		env KQ_BUILD="$top/build/kselftest32" "$tools/vm.sh" --kernel 6.1-debug \
		--timeout "$limit" -- selftests/run.sh abi core input input_memory input_overlap
	start 6.1-debug-kunit 6.1-debug-kunit.log totals \
		"$tools/vm.sh" --kernel 6.1-debug --no-module --timeout "$limit" -- selftests/kunit/run.sh
	start 6.1-debug-fuzz 6.1-debug-fuzz.log status "$tools/fuzz.sh" "${FUZZ_SECONDS:-60}"
	start 6.1-debug-graft 6.1-debug-graft.log totals "$tools/graft-test.sh"
}

# The results of debug kernels and those of the others stay side by side, each until its next run.
drop_results() {
	local kernel others=()
	for kernel in $debug_kernels; do
		others+=(! -name "$kernel.*" ! -name "$kernel-*")
	done
	case $mode in
	--debug)
		for kernel in "${kernels[@]}"; do
			find "$results" -type f \( -name "$kernel.*" -o -name "$kernel-*" \) -delete
		done
		;;
	--soak) find "$results" -type f \( -name '*-stress.*' -o -name '*-reload.*' \) "${others[@]}" -delete ;;
	*) find "$results" -type f "${others[@]}" -delete ;;
	esac
}

# A function is read as a whole: the file may change while a check goes on.
main() {
	cd "$top" || exit 1
	mkdir -p "$results"
	drop_results
	steps=()
	trap stop EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP

	if [ "$mode" = --host ] && [ ! -e /dev/kqueue ]; then
		echo "check.sh: there is no /dev/kqueue: load the module first (make install, or modprobe kqueue)"
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
	if [ "$mode" != --host ]; then
		prepare packages "$tools/install-deps.sh"
		prepare kernels fetch_kernels
	fi
	prepare programs build_programs

	case $mode in
	--host)
		if [ -z "$soak" ]; then
			start gtest gtest.log googletest make -C selftests/gtest check
			wait
			start host host.tap totals selftests/run.sh
			wait
		fi
		start host-stress host-stress.log status "${stress[@]}"
		;;
	--soak)
		start_random
		start_reloads
		;;
	--debug)
		start_guests
		;;
	--guests)
		start gtest gtest.log googletest make -C selftests/gtest check
		start_guests
		;;
	*)
		start style style.log totals "$tools/style.sh"
		start klog klog.log totals "$tools/klog-test.sh"
		start gtest gtest.log googletest make -C selftests/gtest check
		start_guests
		start dkms dkms.log totals "$tools/dkms-test.sh" "${kernels[@]}"
		;;
	esac
	wait
	trap - EXIT

	local name p f s passed=0 failed=0 skipped=0
	for name in "${steps[@]}"; do
		if ! read -r p f s <"$results/$name.sum"; then
			echo "$name: no result"
			p=0 f=1 s=0
		fi
		passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	done
	if [ $((passed + failed)) -eq 0 ]; then
		failed=1
	fi
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}

main; exit
