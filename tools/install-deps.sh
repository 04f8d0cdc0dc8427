#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the list of Debian 12 packages the project needs, and installs the missing ones.
#
# Usage: tools/install-deps.sh [--list]
set -euo pipefail

packages=(
	# compilers and libraries; multilib builds the 32-bit tests
	build-essential gcc-multilib g++-multilib pkg-config
	libgtest-dev libgmock-dev libasio-dev
	# kernel builds: the module, the debug kernel, BTF of newer kernels
	flex bison bc libelf-dev libssl-dev dwarves rsync cpio kmod xz-utils zstd
	# virtual machines; qemu-system-common ships virtiofsd on this release
	qemu-system-x86 qemu-system-common busybox-static
	# used by the checks of sources and the graft
	git
	# used by the tests and the harness inside the guest
	iproute2 procps util-linux e2fsprogs python3
	# the fuzzer: libFuzzer is part of the latter
	clang libclang-rt-14-dev
	# checks; perl runs the kernel's checkpatch, libpython3-dev has the name coccinelle loads Python by
	sparse coccinelle libpython3-dev shellcheck clang-format clang-tidy perl
	# packaging
	dkms
)

if [ "${1:-}" = --list ]; then
	printf '%s\n' "${packages[@]}"
	exit 0
fi

# One dpkg-query for all of them: this runs first in every check, so it must cost nothing.
mapfile -t missing < <(
	printf '%s\n' "${packages[@]}" | sort -u | comm -23 - <(
		dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null |
			sed -n 's/^installed //p' | sort -u
	)
)
if [ "${#missing[@]}" -eq 0 ]; then
	exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
	{
		echo "install-deps: missing packages, please run as root:"
		echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
	} >&2
	exit 1
fi

install() {
	# Recommended packages are left out: dkms would otherwise install boot kernel headers.
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"
}

echo "install-deps: installing ${missing[*]}" >&2
# The lists may be absent (fresh image) or stale (files gone from the mirror): refresh once, before
# the only attempt that downloads anything.
apt-get update -q >&2
install >&2
