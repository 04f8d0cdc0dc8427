#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns running one command in a virtual machine: boots a kernel on the host's own file system
# (copy-on-write), loads the module, and judges the kernel log as well as the command.
#
# Usage: tools/vm.sh [OPTION]... -- COMMAND [ARGUMENT]...
#
#   --kernel NAME      one of `tools/kernel.sh names` (6.1-cloud)
#   --cpus N           processors (2)
#   --mem M            memory in MiB (1024)
#   --icount           one processor that counts instructions, for repeatable measurements
#   --timeout SECONDS  limit for the whole run, boot included (600)
#   --no-module        do not build and load kqueue.ko
#   --param 'K=V ...'  module parameters
#   --append 'K=V ...' more of the kernel command line
#   --verbose          progress on standard error
#
# The command sees the host's files, runs as root in the caller's directory with the caller's KQ_*
# and CI* variables and nothing on standard input; what it writes to files is gone afterwards (/tmp
# starts empty). Its output and exit status become ours, except:
#
#   124  the time limit was reached
#    99  the kernel complained, the module did not load or unload, memory leaked, the machine died
#   125  the machine could not be started
#
# A kernel that complains before the module is loaded, or after that while it brings up its processors
# and with no function of the module in what it says, says nothing about the module: emulation can
# confuse it. The complaint is shown, and the machine started once more before it counts as 125.
set -euo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
kernel=6.1-cloud cpus=2 mem=1024 icount='' limit=600 module=1 params='' append='' verbose=''

die() { echo "vm.sh: $*" >&2; exit 125; }
note() { [ -z "$verbose" ] || echo "vm.sh: [$SECONDS s] $*" >&2; }

while [ $# -gt 0 ]; do
	case $1 in
	--kernel | --cpus | --mem | --timeout | --param | --append)
		[ $# -ge 2 ] || die "$1 needs a value" ;;&
	--kernel) kernel=$2; shift 2 ;;
	--cpus) cpus=$2; shift 2 ;;
	--mem) mem=$2; shift 2 ;;
	--timeout) limit=$2; shift 2 ;;
	--param) params+=" $2"; shift 2 ;;
	--append) append+=" $2"; shift 2 ;;
	--icount) icount=1; shift ;;
	--no-module) module=; shift ;;
	--verbose) verbose=1; shift ;;
	--) shift; break ;;
	*) die "unknown option '$1'" ;;
	esac
done
[ $# -gt 0 ] || die "no command; usage: vm.sh [OPTION]... -- COMMAND [ARGUMENT]..."
[[ $cpus$mem$limit =~ ^[0-9]+$ ]] || die "--cpus, --mem and --timeout take numbers"
command=("$@")

# Prints the server that shares the host's files, and the options of its variant.
virtiofsd_command() {
	local program
	for program in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do
		if [ ! -x "$program" ]; then
			continue
		fi
		if "$program" --help 2>&1 | grep -q -e --shared-dir; then
			echo "$program" --shared-dir=/ --sandbox=chroot --cache=always --log-level=error
		else
			echo "$program" -o source=/ -o sandbox=chroot -o cache=always -o log_level=err
		fi
		return 0
	done
	return 1
}

# True if the machine can use the processor's virtualisation: the device alone proves nothing.
kvm_works() {
	grep -q -m 1 -w -E 'vmx|svm' /proc/cpuinfo && { : <>/dev/kvm; } 2>/dev/null
}

# Prints $1 as one word for any shell.
quote() { printf "'%s'" "${1//\'/"'\\''"}"; }

# Writes what guest-init and the command need to know, as files below $1/kq.
write_run_files() {
	local directory=$1/kq variable word merge=''
	mkdir -p "$directory"
	cp "$tools/guest-init" "$tools/guest-leaks.awk" "$tools/klog-scan.awk" "$directory"
	if [ -n "$module" ]; then
		# Another run may be building it again.
		flock "${module_file%/kmod/*}/lock" cp "$module_file" "$directory/kqueue.ko"
	fi
	# One stream for us is one stream for the command, so that the order of lines is kept.
	[ ! /proc/self/fd/1 -ef /proc/self/fd/2 ] || merge=1
	{
		echo "params=$(quote "$params") limit=$limit merge=$merge slow=$tcg"
		echo "modules=$(quote "$(realpath "$("$tools/kernel.sh" "$kernel" modules)")")"
		echo "expose=$(quote "$PWD $(dirname "$tools")")"
	} >"$directory/settings"
	{
		# Not bash, which takes longer to load, and not busybox, which would prefer its own programs.
		echo '#!/bin/sh'
		for variable in $(compgen -e | grep -E '^(KQ_|CI$|CI_|(A|L|T|UB)SAN_OPTIONS$)'); do
			echo "export $variable=$(quote "${!variable}")"
		done
		echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
		echo 'export HOME=/root USER=root LANG=C.UTF-8'
		echo "cd $(quote "$PWD") || exit"
		printf 'exec'
		for word in "${command[@]}"; do
			printf ' %s' "$(quote "$word")"
		done
		echo
	} >"$directory/command"
	chmod +x "$directory/command"
}

start_virtiofsd() {
	local program
	read -r -a program < <(virtiofsd_command) || die "no virtiofsd; run tools/install-deps.sh"
	setpriv --pdeathsig KILL "${program[@]}" --socket-path="$run/fs.sock" >"$run/virtiofsd.log" 2>&1 &
	pids+=($!)
	for _ in {1..250}; do
		[ ! -S "$run/fs.sock" ] || return 0
		sleep 0.02
	done
	cat "$run/virtiofsd.log" >&2
	die "virtiofsd does not start"
}

# Sets qemu to the whole command line.
assemble_qemu() {
	local cmdline='console=ttyS0 quiet panic=-1 oops=panic panic_on_warn=0 log_buf_len=4M'
	# The crypto self-tests cost half a second and are none of our business.
	cmdline+=' cryptomgr.notests hung_task_panic=0 rcupdate.rcu_cpu_stall_timeout=60 random.trust_cpu=on'
	qemu=(qemu-system-x86_64 -no-user-config -nodefaults -display none -no-reboot -nic none)
	qemu+=(-kernel "$image" -initrd "$run/initrd" -m "$mem")
	qemu+=(-object "memory-backend-memfd,id=mem,size=${mem}M,share=on")
	if [ -n "$icount" ]; then
		# Everything that could differ from one run to the next is pinned. Without -erms, since
		# with it a copy counts one instruction per byte.
		qemu+=(-machine 'pc,accel=tcg,memory-backend=mem' -smp 1 -icount 'shift=0,sleep=off,align=off')
		qemu+=(-cpu 'max,-erms,-rdrand,-rdseed' -seed 1 -rtc 'base=2024-01-01T00:00:00,clock=vm')
		cmdline+=' nokaslr norandmaps randomize_kstack_offset=off tsc=reliable clocksource=tsc'
	else
		qemu+=(-machine 'q35,memory-backend=mem' -smp "$cpus")
		if [ -n "$tcg" ]; then
			qemu+=(-accel 'tcg,thread=multi' -cpu max)
			# Emulation pays dearly for both and gains nothing.
			cmdline+=' mitigations=off nokaslr'
			# Under load the emulated timer is late for the check at boot. Code that is patched
			# while another emulated processor runs it can end in a stray breakpoint: the
			# others come after the module, see guest-init.
			cmdline+=' no_timer_check maxcpus=1'
			# One work of the kernel's own may take long where a processor waits for a real one.
			cmdline+=' workqueue.watchdog_thresh=120'
		else
			qemu+=(-accel kvm -cpu host)
		fi
	fi
	qemu+=(-append "$cmdline$append")
	qemu+=(-chardev "socket,id=fs,path=$run/fs.sock" -device 'vhost-user-fs-pci,chardev=fs,tag=host')
	qemu+=(-chardev "file,id=console,path=$run/console" -serial chardev:console)
	# No ioeventfd: what the guest has written is in our file before its next instruction, hence
	# nothing is lost when it ends.
	qemu+=(-device 'virtio-serial-pci,ioeventfd=off')
	local port
	for port in out err ctl log; do
		qemu+=(-chardev "file,id=$port,path=$run/$port" -device "virtserialport,chardev=$port,name=$port")
	done
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	rm -rf "$run"
}

# Shows $1 on standard error under the title $2.
show() {
	{
		echo "--- $2"
		head -n 300 "$1"
		echo "---"
	} >&2
}

# True if the machine ended before the command began and its end says nothing about the module; leaves
# what the kernel complained about in the report. The argument is the exit status of the machine.
is_unfit() {
	local log=$run/log
	if ! grep -q '^unfit$' "$run/ctl"; then
		# One that died. Without a word to us, it did so before the module was loaded.
		if [ "$1" -eq 124 ] || grep -qE '^(ready|timeout|done)$' "$run/ctl"; then
			return 1
		fi
		log=$run/console.txt
	fi
	if ! grep -q '^loading$' "$run/ctl"; then
		"$tools/klog-scan.sh" "$log" >"$run/report" || true
		return 0
	fi
	sed -n '/guest-init: loading/,/guest-init: starting/p' "$log" >"$run/part"
	if ! "$tools/klog-scan.sh" "$run/part" >"$run/report"; then
		return 1
	fi
	sed -n '/guest-init: starting/,$p' "$log" >"$run/part"
	! "$tools/klog-scan.sh" "$run/part" >"$run/report" && ! grep -q '\[kqueue\]' "$run/part"
}

# Turns what the machine left into an exit status.
judge() {
	local status failed='' marker='guest-init: time limit reached' klog
	status=$(sed -n 's/^status //p' "$run/ctl")
	# dmesg is complete; without it the console is what remains, up to the dumps we asked for.
	klog=$run/log
	if ! grep -q '^done$' "$run/ctl"; then
		klog=$run/console.log
		sed "/$marker/,\$d" "$run/console.txt" >"$klog"
	fi
	if ! "$tools/klog-scan.sh" "$klog" >"$run/report"; then
		show "$run/report" "kernel log"
		echo "vm.sh: the kernel complained ($kernel), see above" >&2
		failed=99
	fi
	if grep '^problem ' "$run/ctl" | sed 's/^problem /vm.sh: /' >&2; then
		failed=99
	fi
	if [ "$1" -eq 124 ] || grep -q '^timeout$' "$run/ctl"; then
		if ! sed "0,/$marker/d" "$run/console.txt" | grep . >"$run/tail"; then
			tail -n 60 "$run/console.txt" >"$run/tail"
		fi
		show "$run/tail" "end of the console"
		echo "vm.sh: no end after $limit seconds" >&2
		failed=124
	elif ! grep -q '^done$' "$run/ctl" && [ -z "$failed" ]; then
		tail -n 60 "$run/console.txt" >"$run/tail"
		show "$run/tail" "end of the console"
		[ ! -s "$run/qemu.log" ] || show "$run/qemu.log" "qemu"
		echo "vm.sh: the machine ended without a result" >&2
		failed=99
	fi
	return "${failed:-$status}"
}

image=$("$tools/kernel.sh" "$kernel" image)
initramfs=$("$tools/initramfs.sh" "$kernel")
if [ -n "$module" ]; then
	note "building the module for $kernel"
	module_file=$("$tools/build-module.sh" "$kernel" | tail -n 1)
fi
tcg=1
if [ -z "$icount" ] && kvm_works; then
	tcg=
fi

pids=()
run=$(mktemp -d "${TMPDIR:-/tmp}/kq-vm.XXXXXX")
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

write_run_files "$run/files"
{
	cat "$initramfs"
	(cd "$run/files" && find . | cpio --quiet -o -H newc -R 0:0)
} >"$run/initrd"
assemble_qemu

# Runs the machine to its end, which it returns.
run_machine() {
	local machine followers ended=0
	note "starting $kernel"
	rm -f "$run"/{out,err,ctl,log,console,fs.sock}
	touch "$run"/{out,err,ctl,log,console}
	start_virtiofsd
	# The guest keeps the limit itself and can then say what hangs; this is for one that is stuck.
	setpriv --pdeathsig TERM timeout -k 5 "$((limit + 15))" "${qemu[@]}" </dev/null >"$run/qemu.log" 2>&1 &
	machine=$!
	pids+=("$machine")
	tail -q -n +1 -s 0.1 -f --pid="$machine" "$run/out" &
	followers=($!)
	tail -q -n +1 -s 0.1 -f --pid="$machine" "$run/err" >&2 &
	followers+=($!)
	pids+=("${followers[@]}")
	wait "$machine" || ended=$?
	wait "${followers[@]}" || true
	note "the machine has ended"
	tr -d '\r' <"$run/console" >"$run/console.txt"
	return "$ended"
}

for attempt in first second; do
	ended=0
	run_machine || ended=$?
	if ! is_unfit "$ended"; then
		status=0
		judge "$ended" || status=$?
		exit "$status"
	fi
	tail -n 60 "$run/console.txt" >"$run/tail"
	show "$([ -s "$run/report" ] && echo "$run/report" || echo "$run/tail")" "kernel log before the command, $attempt attempt"
	[ ! -s "$run/qemu.log" ] || show "$run/qemu.log" "qemu"
	echo "vm.sh: $kernel was not well before the module was judged (above), $attempt attempt" >&2
done
die "the machine could not be started"
