#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the tests of the judgement of kernel logs (klog-scan.awk), under each awk that it runs under.
#
# Usage: tools/klog-test.sh
#
# Prints one TAP line per log and the totals. Exit status: 0 all passed, 1 something failed.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

# Prints the report of a data race; the arguments are the first frames of its two stacks, then one more
# of the second and one more of the first. Their accesses are of the kinds $first and $second.
race() {
	echo "[ 1.0] =================================================================="
	echo "[ 1.0] BUG: KCSAN: data-race in first / second"
	echo "[ 1.0] "
	echo "[ 1.0] ${first:-write (marked)} to 0xffff888004e00010 of ${size:-4} bytes by task 70 on cpu 1:"
	echo "[ 1.0]  $1"
	[ -z "${4:-}" ] || echo "[ 1.0]  $4"
	echo "[ 1.0]  do_syscall_64+0x99/0x190"
	echo "[ 1.0] "
	echo "[ 1.0] ${second:-read} to 0xffff888004e00010 of ${size:-4} bytes by interrupt on cpu 0:"
	echo "[ 1.0]  $2"
	[ -z "${3:-}" ] || echo "[ 1.0]  $3"
	echo "[ 1.0]  do_syscall_64+0x99/0x190"
	echo "[ 1.0] "
	echo "[ 1.0] value changed: 0x00000001 -> 0x00000000"
	echo "[ 1.0] "
	reported
}

reported() {
	echo "[ 1.0] Reported by Kernel Concurrency Sanitizer on:"
	echo "[ 1.0] CPU: 0 UID: 0 PID: 71 Comm: kqueue_test Tainted: G           O       6.12.0-kqueue-kcsan"
	echo "[ 1.0] =================================================================="
}

quiet() { echo "[ 0.$1] kqueue: loaded, interface version 1"; }

# Each with what is expected of it: 1 for a complaint.
declare -A logs=([clean]=0 [warning]=1 [last]=1 [oom]=0 [fault]=0 [vmalloc_fault]=0 [vmalloc]=1
	[race_elsewhere]=0 [race_first]=1 [race_second]=1 [race_deeper]=0 [race_deeper_twice]=0
	[race_below_both]=1 [race_by_callback]=1 [race_of_both]=1 [race_without_end]=1
	[warning_in_race]=1 [race_then_warning]=1 [race_in_interrupt]=0 [race_before_interrupt]=1
	[race_marked_read]=0 [race_marked_read_first]=0 [race_stores]=1 [race_marked_store]=1
	[race_of_structures]=1)
ours='kq_knote_activate+0x10/0x40 [kqueue]'

# shellcheck disable=SC2317 # called by name
log_clean() { quiet 1; quiet 2; }
# shellcheck disable=SC2317
log_warning() { quiet 1; echo "[ 1.0] WARNING: CPU: 0 PID: 1 at kmod/fd.c:10 kq_fd+0x1/0x2 [kqueue]"; quiet 2; }
# shellcheck disable=SC2317
log_last() { quiet 1; echo "[ 1.0] BUG: kernel NULL pointer dereference"; }
# shellcheck disable=SC2317
log_oom() { quiet 1; echo "[ 1.0] cat invoked oom-killer: gfp_mask=0xcc0"; echo "[ 1.0] Call Trace:"; }
# shellcheck disable=SC2317
log_fault() { echo "[ 1.0] FAULT_INJECTION: forcing a failure."; quiet 1; echo "[ 1.0] Call Trace:"; }
# shellcheck disable=SC2317
log_vmalloc_fault() { echo "[ 1.0] inject_fork_tes: vmalloc error: size 32768, failed"; echo "[ 1.0] Call Trace:"; }
# shellcheck disable=SC2317
log_vmalloc() { echo "[ 1.0] kqueue_test: vmalloc error: size 32768, failed"; echo "[ 1.0] Call Trace:"; }
# shellcheck disable=SC2317
log_race_elsewhere() { quiet 1; race 'tcp_ack+0x1/0x2' 'tcp_poll+0x1/0x2'; quiet 2; }
# shellcheck disable=SC2317
log_race_first() { race "$ours" 'tcp_poll+0x1/0x2'; }
# shellcheck disable=SC2317
log_race_second() { race 'tcp_ack+0x1/0x2' "$ours"; }
# shellcheck disable=SC2317
log_race_deeper() { race 'tcp_ack+0x1/0x2' 'tcp_poll+0x1/0x2' "$ours"; }
# shellcheck disable=SC2317
log_race_deeper_twice() { race 'tcp_ack+0x1/0x2' 'tcp_poll+0x1/0x2' "$ours"$'\n'"[ 1.0]  $ours"; }
# shellcheck disable=SC2317
log_race_below_both() { race 'mutex_lock+0x1/0x2' 'mutex_unlock+0x1/0x2' "$ours" "$ours"; }
# The place of the access is ours, in an interrupt.
# shellcheck disable=SC2317
log_race_by_callback() { race 'tcp_ack+0x1/0x2' "$ours" 'asm_sysvec_apic_timer_interrupt+0x1a/0x20'; }
# shellcheck disable=SC2317
log_race_of_both() { race 'a+0x1/0x2' 'b+0x1/0x2'; race "$ours" "$ours"; race 'c+0x1/0x2' 'd+0x1/0x2'; }
# shellcheck disable=SC2317
log_race_without_end() { race 'a+0x1/0x2' 'b+0x1/0x2' | head -n 7; }
# shellcheck disable=SC2317
log_warning_in_race() {
	race 'a+0x1/0x2' 'b+0x1/0x2' | head -n 7
	echo "[ 1.0] WARNING: CPU: 1 PID: 1 at kmod/fd.c:10"
	reported
}
# shellcheck disable=SC2317
log_race_then_warning() { race 'a+0x1/0x2' 'b+0x1/0x2'; log_warning; }
# The kernel's own race in an interrupt that came while the module ran.
# shellcheck disable=SC2317
log_race_in_interrupt() {
	race 'tick_sched_do_timer+0x1/0x2' 'asm_sysvec_apic_timer_interrupt+0x1a/0x20' "$ours"
}
# What comes before an interrupt says nothing of the other stack.
# shellcheck disable=SC2317
log_race_before_interrupt() { race 'asm_sysvec_apic_timer_interrupt+0x1a/0x20' "$ours"; }
# shellcheck disable=SC2317
log_race_marked_read() { first=write second='read (marked)' race "$ours" "$ours"; }
# shellcheck disable=SC2317
log_race_marked_read_first() { first='read (marked, reordered)' second='write (reordered)' race "$ours" "$ours"; }
# shellcheck disable=SC2317
log_race_stores() { first=write second=write race "$ours" "$ours"; }
# shellcheck disable=SC2317
log_race_marked_store() { first='write (marked)' second=write race "$ours" "$ours"; }
# shellcheck disable=SC2317
log_race_of_structures() { first=write second='read (marked)' size=16 race "$ours" "$ours"; }

for awk in awk 'busybox awk'; do
	for log in "${!logs[@]}"; do
		"log_$log" >"$work/log"
		status=0
		# shellcheck disable=SC2086 # two words
		$awk -f "$tools/klog-scan.awk" "$work/log" >"$work/report" 2>&1 || status=$?
		# What is reported is shown, and nothing else.
		if [ "$status" = "${logs[$log]}" ] && { [ "$status" = 0 ] || [ -s "$work/report" ]; } &&
			{ [ "$status" = 1 ] || [ ! -s "$work/report" ]; }; then
			echo "ok - $log ($awk)"
			passed=$((passed + 1))
		else
			echo "# status $status, not ${logs[$log]}; the report:"
			sed 's/^/# /' "$work/report"
			echo "not ok - $log ($awk)"
			failed=$((failed + 1))
		fi
	done
done

# From a mark on: text of the log, status.
check_from() {
	local name=$1 expected=$2 status=0
	$awk -v from='mark of it' -f "$tools/klog-scan.awk" "$work/log" >"$work/report" 2>&1 || status=$?
	if [ "$status" = "$expected" ] && ! grep -q BEFORE "$work/report"; then
		echo "ok - $name ($awk)"
		passed=$((passed + 1))
	else
		echo "not ok - $name ($awk): status $status"
		failed=$((failed + 1))
	fi
}
for awk in awk 'busybox awk'; do
	{ echo "BUG: BEFORE"; echo "the mark of it"; quiet 1; } >"$work/log"
	check_from complaint_before_mark 0
	{ echo "BUG: BEFORE"; echo "the mark of it"; log_warning; } >"$work/log"
	check_from complaint_after_mark 1
	quiet 1 >"$work/log"
	check_from mark_is_gone 1
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
