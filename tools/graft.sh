#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns putting the project into a kernel source tree, and taking it out again.
#
# Usage: tools/graft.sh [--remove] TREE
#
# TREE is the complete source of Linux 6.1 or newer. Afterwards it has
#
#   fs/kqueue                        the module and its unit tests: CONFIG_KQUEUE, CONFIG_KQUEUE_KUNIT_TEST
#   include/uapi/linux/kqueue.h      the interface
#   tools/testing/selftests/kqueue   the kernel tests, and the library they use
#
# and one line each in fs/Kconfig, fs/Makefile and tools/testing/selftests/Makefile. It is below fs, not
# drivers: what it does belongs beside eventpoll.c, eventfd.c and notify, on which it builds. Doing it
# again brings what has changed here; --remove leaves the tree as it was before the first time. Then
#
#   make headers && make -C tools/testing/selftests TARGETS=kqueue run_tests
#   tools/testing/kunit/kunit.py run --kunitconfig=fs/kqueue
#
# run the tests: the first under a kernel that has the module loaded, the second anywhere.
set -euo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")

die() { echo "graft.sh: $*" >&2; exit 1; }

usage() { die "usage: tools/graft.sh [--remove] TREE; TREE is the source of Linux 6.1 or newer"; }

remove=
if [ "${1:-}" = --remove ]; then
	remove=1
	shift
fi
if [ $# -ne 1 ] || [ -z "$1" ]; then usage; fi
[ -d "$1" ] || die "no folder $1"
tree=$(realpath "$1")

# FILE, the line that the new one follows, the new one. The tab stands for what it is in the file.
lines=(
	'fs/Kconfig|source "fs/notify/Kconfig"|source "fs/kqueue/Kconfig"'
	$'fs/Makefile|obj-$(CONFIG_EPOLL)\t\t+= eventpoll.o|obj-y\t\t\t\t+= kqueue/'
	'tools/testing/selftests/Makefile|TARGETS += kexec|TARGETS += kqueue'
)

# Says what the tree is, or dies.
check_tree() {
	local version patchlevel line file rest
	for file in Makefile Kbuild include/uapi/linux/eventpoll.h; do
		[ -f "$tree/$file" ] || die "$tree is no kernel source: it has no $file." \
			"On Debian: apt-get install linux-source-6.1, and unpack /usr/src/linux-source-6.1.tar.xz"
	done
	version=$(sed -n 's/^VERSION = *//p' "$tree/Makefile")
	patchlevel=$(sed -n 's/^PATCHLEVEL = *//p' "$tree/Makefile")
	[[ $version =~ ^[0-9]+$ && $patchlevel =~ ^[0-9]+$ ]] ||
		die "$tree is no kernel source: its Makefile does not say VERSION and PATCHLEVEL"
	[ $((version * 1000 + patchlevel)) -ge 6001 ] ||
		die "$tree is Linux $version.$patchlevel; kqueue needs 6.1 or newer"
	[ -f "$tree/fs/eventpoll.c" ] ||
		die "$tree has no fs/eventpoll.c: these are the headers of Linux $version.$patchlevel, the source is needed"
	for line in "${lines[@]}"; do
		file=${line%%|*} rest=${line#*|}
		[ -f "$tree/$file" ] || die "$tree has no $file"
		grep -qxF -e "${rest%%|*}" "$tree/$file" ||
			die "$file of Linux $version.$patchlevel has no line '${rest%%|*}' to put ours after"
	done
	if [ -e "$tree/fs/kqueue" ] && [ ! -e "$tree/fs/kqueue/.grafted" ]; then
		die "$tree/fs/kqueue is there, but not from here: move it out of the way"
	fi
}

# Copies contents that differ, with the time of now, so that make sees them.
copy() { rsync -rlpc --chmod=Du=rwx,Dgo=rx,Fgo=r --delete "$@"; }

put() {
	local line file rest
	mkdir -p "$tree/fs/kqueue/selftests" "$tree/tools/testing/selftests/kqueue/lib"
	: >"$tree/fs/kqueue/.grafted"
	# The folders keep their places relative to each other, so that no file has to differ.
	copy --exclude='*.o' --exclude='*.ko' --exclude='*.mod*' --exclude='.*' \
		"$top/kmod" "$tree/fs/kqueue/"
	copy --exclude='*.o' --exclude='*.ko' --exclude='*.mod*' --exclude='.*' --exclude=run.sh \
		"$top/selftests/kunit" "$tree/fs/kqueue/selftests/"
	copy "$top/VERSION" "$tools/graft/Kconfig" "$tools/graft/Makefile" "$tree/fs/kqueue/"
	copy "$tools/graft/kunitconfig" "$tree/fs/kqueue/.kunitconfig"
	copy "$top/uapi/linux/kqueue.h" "$tree/include/uapi/linux/kqueue.h"

	copy --exclude=/lib --exclude=/VERSION --exclude=/config --exclude=/settings --exclude=Makefile \
		"$top/selftests/kselftest/" "$tree/tools/testing/selftests/kqueue/"
	copy "$tools/graft/selftests.mk" "$tree/tools/testing/selftests/kqueue/Makefile"
	copy "$top/VERSION" "$tools/graft/config" "$tools/graft/settings" "$tree/tools/testing/selftests/kqueue/"
	copy --exclude=/man --exclude=/examples "$top/lib/" "$tree/tools/testing/selftests/kqueue/lib/"

	for line in "${lines[@]}"; do
		file=${line%%|*} rest=${line#*|}
		grep -qxF -e "${rest#*|}" "$tree/$file" || insert "$tree/$file" "${rest%%|*}" "${rest#*|}"
	done
}

# In place, so that the file stays the one it is.
insert() {
	local changed
	changed=$(AFTER=$2 LINE=$3 awk '{ print } $0 == ENVIRON["AFTER"] { print ENVIRON["LINE"] }' "$1" && echo .)
	printf %s "${changed%.}" >"$1"
}

take() {
	local line file changed
	for line in "${lines[@]}"; do
		file=$tree/${line%%|*}
		if grep -qxF -e "${line##*|}" "$file"; then
			changed=$(grep -vxF -e "${line##*|}" "$file" && echo .)
			printf %s "${changed%.}" >"$file"
		fi
	done
	rm -rf "$tree/fs/kqueue" "$tree/tools/testing/selftests/kqueue"
	rm -f "$tree/include/uapi/linux/kqueue.h"
}

check_tree
if [ -z "$remove" ]; then
	put
elif [ -e "$tree/fs/kqueue/.grafted" ]; then
	take
else
	die "$tree has no kqueue to remove"
fi
