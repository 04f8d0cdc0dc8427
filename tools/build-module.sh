#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns building the module for one of our kernels, outside the source directories.
#
# Usage: tools/build-module.sh NAME [--kunit]
#
#   NAME      one of `tools/kernel.sh names`
#   --kunit   build the unit tests (selftests/kunit) as well
#
#   KQ_INSTRUMENT   gcov: count executed lines; kcov: tell the fuzzer where a call went; race: code
#                   stops where a test wants it to. Needs a debug kernel; empty for none of it.
#
# Prints the path of kqueue.ko, with --kunit then that of kqueue_kunit.ko. Everything happens in
# build/kmod/RELEASE, with KQ_INSTRUMENT in build/kmod/RELEASE-INSTRUMENT; what the compiler says is in
# build.log there and shown when it fails.
set -euo pipefail
shopt -s inherit_errexit

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")

die() { echo "build-module.sh: $*" >&2; exit 1; }

[ $# -ge 1 ] || die "usage: build-module.sh NAME [--kunit]"
name=$1
case ${2:-} in
'') kunit= ;;
--kunit) kunit=1 ;;
*) die "unknown option '$2'" ;;
esac

instrument=${KQ_INSTRUMENT:-}
case $instrument in
'') flags=() ;;
gcov) flags=(GCOV_PROFILE=y) ;;
kcov) flags=(KCOV_INSTRUMENT=y) ;;
race) flags=(KQ_RACE=y) ;;
*) die "KQ_INSTRUMENT is gcov, kcov, race or empty, not '$instrument'" ;;
esac

folders=(kmod uapi)
[ -z "$kunit" ] || folders+=(selftests/kunit)
for folder in "${folders[@]}"; do
	[ -d "$top/$folder" ] || die "no folder $folder"
done

release=$("$tools/kernel.sh" "$name" version)
headers=$("$tools/kernel.sh" "$name" headers)
build=$top/build/kmod/$release${instrument:+-$instrument}
mkdir -p "$build/selftests"
exec {lock}>"$build/lock"
flock "$lock"

# The folders keep their places relative to each other, as their include paths expect. Only changed
# contents are copied, and with the time of now, so that make sees them. Products of an earlier build
# stay, but a source that is gone has to go.
changes=$(
	for folder in "${folders[@]}" VERSION; do
		[ -e "$top/$folder" ] || continue
		rsync -rlpci --delete --exclude='*.o' --exclude='*.ko' --exclude='*.mod' \
			--exclude='*.mod.c' --exclude='.*.cmd' --exclude='.*.d' --exclude='.tmp_*' \
			--exclude='*.gcno' --exclude=modules.order --exclude=Module.symvers \
			"$top/$folder" "$build/$(dirname "$folder")/"
	done
)

# A new compiler or kernel does not show in the time of any file.
settings="$headers $(gcc -dumpfullversion)"
if [ "$(cat "$build/settings" 2>/dev/null)" != "$settings" ]; then
	find "$build" \( -name '*.o' -o -name '.*.cmd' \) -delete
	echo "$settings" >"$build/settings"
	changes+=settings
fi

modules=("$build/kmod/kqueue.ko")
[ -z "$kunit" ] || modules+=("$build/selftests/kunit/kqueue_kunit.ko")

# Even a make with nothing to do takes seconds, and this runs before every machine.
done=$build/done$kunit
if [ -n "$changes" ]; then
	rm -f "$build/done" "$build/done1"
elif [ -e "$done" ]; then
	printf '%s\n' "${modules[@]}"
	exit 0
fi

run_make() {
	# Warnings are errors: nobody reads the log of a build that succeeds.
	if ! make -C "$headers" M="$1" -j"$(nproc)" KCFLAGS=-Werror "${flags[@]}" "${@:2}" modules \
		>"$build/build.log" 2>&1; then
		cat "$build/build.log" >&2
		die "the module does not build for $name ($release)"
	fi
}

run_make "$build/kmod"
if [ -n "$kunit" ]; then
	run_make "$build/selftests/kunit" KBUILD_EXTRA_SYMBOLS="$build/kmod/Module.symvers"
fi
for module in "${modules[@]}"; do
	[ -e "$module" ] || die "the build made no ${module#"$build/"}"
done
touch "$done"
printf '%s\n' "${modules[@]}"
