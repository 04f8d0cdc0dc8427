#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns installing the module through DKMS on a server, and saying why it cannot be done.
#
# Usage: packaging/module.sh check|install|remove
#
#   check    is everything here that install needs? Changes nothing.
#   install  build and install for the running kernel the source that `make dkms-source` has put
#            into /usr/src, drop older versions, load the module
#   remove   unload the module, remove all versions from DKMS and their source
#
# Exit status: 0 done, 1 not done. A module that is installed but cannot be loaded here (Secure
# Boot, an old version in use) is a warning.
set -uo pipefail

top=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
version=$(<"$top/VERSION")
release=$(uname -r)
source_tree=/usr/src

die() { printf 'kqueue: %s\n' "$@" >&2; exit 1; }
note() { printf 'kqueue: %s\n' "$@"; }

check_root() { [ "$(id -u)" -eq 0 ] || die "please run this as root"; }

check_kernel() {
	local major minor
	IFS=. read -r major minor _ <<<"${release%%-*}"
	minor=${minor%%[!0-9]*}
	if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 1 ]; }; then
		die "Linux $release is too old: 6.1 or newer is needed"
	fi
	[ "$(uname -m)" = x86_64 ] || die "$(uname -m) is not supported: the module has been run on x86_64 only"
}

check_tools() {
	command -v dkms >/dev/null || PATH=$PATH:/usr/sbin command -v dkms >/dev/null ||
		die "dkms is missing; on Debian: apt-get install dkms"
	if [ ! -e "/lib/modules/$release/build/Makefile" ]; then
		die "the headers of the running kernel are missing (/lib/modules/$release/build)" \
			"on Debian: apt-get install linux-headers-$release" \
			"and, so that later kernels bring theirs: apt-get install linux-headers-amd64" \
			"(linux-headers-cloud-amd64 or linux-headers-rt-amd64 for these flavours)"
	fi
	if ! grep -qx CONFIG_DYNAMIC_FTRACE_WITH_ARGS=y "/lib/modules/$release/build/.config"; then
		die "this kernel is built without CONFIG_DYNAMIC_FTRACE_WITH_ARGS, which the module needs"
	fi
}

# True if the kernel refuses modules without a signature it trusts.
signatures_enforced() {
	grep -qsE '\[(integrity|confidentiality)\]' /sys/kernel/security/lockdown ||
		grep -qsx Y /sys/module/module/parameters/sig_enforce
}

secure_boot() {
	local variable=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
	[ -e "$variable" ] && [ "$(od -An -t u1 -j 4 -N 1 "$variable" | tr -d ' ')" = 1 ]
}

# Says what to do about signatures before the kernel refuses the module. Tells, does not stop.
advise_signing() {
	local certificate=/var/lib/dkms/mok.pub
	secure_boot || signatures_enforced || return 0
	note "Secure Boot or lockdown is on: the kernel loads only modules signed with a key it trusts."
	if [ ! -e "$certificate" ]; then
		note "DKMS has no key of its own in $certificate; see \"Secure Boot\" in README.md."
	elif command -v mokutil >/dev/null && mokutil --test-key "$certificate" 2>/dev/null | grep -q 'is already enrolled'; then
		note "the key DKMS signs with is enrolled: nothing to do."
	else
		note "enrol the key DKMS signs with, once:" \
			"  mokutil --import $certificate      (asks for a password; apt-get install mokutil)" \
			"  reboot, choose \"Enroll MOK\" in the blue screen, and give that password"
	fi
}

# Prints the versions DKMS knows, one a line.
dkms_versions() { dkms status kqueue 2>/dev/null | sed -n 's|^kqueue[/,] *\([^,: ]*\).*|\1|p' | sort -u; }

# Loads the module, or says why not.
load() {
	local loaded said
	if [ -e /sys/module/kqueue ]; then
		loaded=$(cat /sys/module/kqueue/version)
		if [ "$loaded" = "$version" ]; then
			note "version $loaded is loaded already; to replace it by this build: modprobe -r kqueue, modprobe kqueue"
			return
		fi
		if ! modprobe -r kqueue 2>/dev/null; then
			note "version $loaded is loaded and in use by open queues; version $version comes with the next boot," \
				"or with \"modprobe -r kqueue && modprobe kqueue\" when its users have ended"
			return
		fi
	fi
	if said=$(modprobe kqueue 2>&1); then
		note "version $version is loaded, /dev/kqueue is there"
		return
	fi
	note "installed, but not loaded: $said"
	case $said in
	*'Key was rejected'* | *'Required key not available'* | *'Operation not permitted'*) advise_signing ;;
	*) note "the reason is in the kernel log: dmesg | tail" ;;
	esac
}

install_module() {
	local old
	[ -e "$source_tree/kqueue-$version/dkms.conf" ] || die "no source in $source_tree/kqueue-$version; use \"make install\""
	# The same version again: what DKMS has may be another build.
	if dkms_versions | grep -qx "$version"; then
		dkms remove "kqueue/$version" --all >/dev/null || die "dkms cannot remove its kqueue/$version"
	fi
	dkms add "kqueue/$version" >/dev/null || die "dkms cannot add kqueue/$version"
	if ! dkms install "kqueue/$version" -k "$release"; then
		die "the module does not build for $release; the log: /var/lib/dkms/kqueue/$version/build/make.log"
	fi
	for old in $(dkms_versions); do
		if [ "$old" != "$version" ]; then
			note "removing version $old from DKMS"
			dkms remove "kqueue/$old" --all >/dev/null
			rm -rf "$source_tree/kqueue-$old"
		fi
	done
	load
}

remove_module() {
	local found
	if [ -e /sys/module/kqueue ] && ! modprobe -r kqueue 2>/dev/null; then
		note "the module is in use by open queues and stays loaded until the next boot"
	fi
	if command -v dkms >/dev/null; then
		for found in $(dkms_versions); do
			dkms remove "kqueue/$found" --all >/dev/null || note "dkms cannot remove kqueue/$found"
			rm -rf "$source_tree/kqueue-$found"
		done
	fi
	rm -rf "$source_tree/kqueue-$version"
}

PATH=$PATH:/usr/sbin:/sbin
case ${1:-} in
check)
	check_root
	check_kernel
	check_tools
	;;
install)
	check_root
	check_kernel
	check_tools
	install_module
	;;
remove)
	check_root
	remove_module
	;;
*) die "usage: packaging/module.sh check|install|remove" ;;
esac
