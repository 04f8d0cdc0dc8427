#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the proof that tools/graft.sh works: grafts Debian's source of 6.1, runs the unit tests under
# user-mode Linux, builds module and tests inside the tree and runs some of them by the kernel's own
# runner in a guest with the debug kernel, and takes the graft out again without a trace.
#
# Usage: tools/graft-test.sh
#
#   KQ_PROGRAMS        programs to run in the guest ("user_test core_test")
#   KQ_GRAFT_TIMEOUT   seconds for the guest (900)
#
# Source and products stay below ${KQ_CACHE:-~/.cache/kqueue}/graft, 2 GB: the first time takes about 5
# minutes of a processor, later ones build only what has changed. Prints TAP and the totals, "N passed, N failed, N skipped". Exit
# status: 0 all passed, 1 something failed.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
cache=${KQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kqueue}/graft
programs=${KQ_PROGRAMS:-user_test core_test}
limit=${KQ_GRAFT_TIMEOUT:-900}
package=linux-source-6.1
export PYTHONDONTWRITEBYTECODE=1

passed=0 failed=0 skipped=0

die() { echo "graft-test.sh: $*" >&2; exit 1; }
note() { echo "graft-test.sh: $*" >&2; }

# Prints the directory with the newest source in the cache, unpacked, and a git of it that knows every
# byte of it, beside the tree and not in it: the kernel would call itself something else.
ensure_source() {
	local version new
	version=$(apt-cache show --no-all-versions $package 2>/dev/null | sed -n 's/^Version: //p')
	if [ -z "$version" ]; then
		version=$(cd "$cache" 2>/dev/null && printf '%s\n' */git/HEAD | sort -V | tail -n 1 | cut -d / -f 1)
		[ -e "$cache/$version/git/HEAD" ] ||
			die "no package $package is known, and none in the cache: apt-get update needs root and a network"
	fi
	if [ ! -e "$cache/$version" ]; then
		note "unpacking $package $version"
		find "$cache" -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} +
		new=$cache/.new
		mkdir -p "$new/linux"
		(
			cd "$new" &&
				{ apt-get -q=2 -o APT::Sandbox::User="$(id -un)" download $package ||
					{ apt-get -q=2 update && apt-get -q=2 -o APT::Sandbox::User="$(id -un)" download $package; }; } &&
				dpkg-deb -x ./*.deb deb && rm ./*.deb &&
				tar -xf deb/usr/src/$package.tar.xz -C linux --strip-components=1 && rm -r deb &&
				export GIT_DIR=$new/git GIT_WORK_TREE=$new/linux && git init -q &&
				git config core.compression 0 && git config gc.auto 0 && git add -f -A &&
				git -c user.name=graft-test -c user.email=graft-test commit -q -m source
		) >&2 || die "cannot fetch and unpack $package"
		mv "$new" "$cache/$version"
	fi
	echo "$cache/$version"
}

# What differs from the source as it came, by content; ignored files too.
changes() { GIT_DIR=$base/git GIT_WORK_TREE=$base/linux git status --porcelain --ignored; }

# Runs one check, a function of the name; what it says is shown if it fails.
check() {
	local name=$1 begun=$SECONDS
	shift
	if "$@" >"$work/said" 2>&1; then
		echo "ok - $name ($((SECONDS - begun)) s)"
		passed=$((passed + 1))
	else
		tail -n 60 "$work/said" | sed 's/^/# /'
		echo "not ok - $name"
		failed=$((failed + 1))
		return 1
	fi
}

# Adds the totals that end a text, and shows it.
add() {
	local p f s
	sed 's/^/# /' "$1"
	read -r p _ f _ s _ < <(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$1" | tail -n 1)
	if [ -z "${s:-}" ]; then
		echo "not ok - $2 reported no totals"
		failed=$((failed + 1))
		return
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# Succeeds if graft.sh refuses the tree, says so in such words, and leaves it alone.
refuses() {
	local tree=$1 words=$2 said before after
	before=$(find "$tree" 2>/dev/null | sort)
	if said=$("$tools/graft.sh" "$tree" 2>&1); then
		echo "$tree: grafted, but should have been refused"
		return 1
	fi
	after=$(find "$tree" 2>/dev/null | sort)
	echo "$said"
	[[ $said == *"$words"* ]] && [ "$before" = "$after" ]
}

refuses_all() {
	local old=$work/old
	mkdir -p "$work/empty" "$old/fs" "$old/include/uapi/linux"
	touch "$old/Kbuild" "$old/include/uapi/linux/eventpoll.h" "$old/fs/eventpoll.c"
	printf 'VERSION = 6\nPATCHLEVEL = 0\n' >"$old/Makefile"
	refuses "$work/empty" "is no kernel source" && refuses "$work/nowhere" "no folder" &&
		refuses "$old" "needs 6.1 or newer" || return
	printf 'VERSION = 6\nPATCHLEVEL = 1\n' >"$old/Makefile"
	refuses "$old" "has no fs/Kconfig" || return
	rm "$old/fs/eventpoll.c"
	refuses "$old" "the source is needed" || return
	# Nothing of ours in it: nothing to remove.
	if "$tools/graft.sh" --remove "$base/linux"; then
		return 1
	fi
}

# The second time changes no file, not even its time.
graft_twice() {
	local first second
	"$tools/graft.sh" "$base/linux" || return
	first=$(changes && find "$base/linux/fs/kqueue" "$base/linux/fs/Makefile" "$base/linux/include/uapi/linux" \
		"$base/linux/tools/testing/selftests/kqueue" -type f ! -name .grafted -printf '%p %T@\n')
	"$tools/graft.sh" "$base/linux" || return
	second=$(changes && find "$base/linux/fs/kqueue" "$base/linux/fs/Makefile" "$base/linux/include/uapi/linux" \
		"$base/linux/tools/testing/selftests/kqueue" -type f ! -name .grafted -printf '%p %T@\n')
	diff <(echo "$first") <(echo "$second")
}

# Files that are what they were in the last run get the time they had then: make builds only what is new.
keep_times() {
	local file
	local grafted=(fs/kqueue fs/Kconfig fs/Makefile include/uapi/linux/kqueue.h tools/testing/selftests/Makefile
		tools/testing/selftests/kqueue)
	while IFS= read -r file; do
		if cmp -s "$base/last/$file" "$base/linux/$file"; then
			touch -r "$base/last/$file" "$base/linux/$file" || return
		fi
	done < <(cd "$base" && mkdir -p last && cd last && find . -type f)
	rm -rf "$base/last" && mkdir "$base/last" && (cd "$base/linux" && cp -a --parents "${grafted[@]}" "$base/last")
}

run_uml() {
	(cd "$base/linux" && nice tools/testing/kunit/kunit.py run --build_dir="$base/um" --kunitconfig=fs/kqueue \
		--jobs="$(nproc)" --timeout=300 --raw_output) >"$work/uml" 2>&1 || { cat "$work/uml"; return 1; }
}

# The configuration of the debug kernel, and with it its name: the modules fit that kernel.
build_module() {
	local out=$base/module headers
	headers=$("$tools/kernel.sh" 6.1-debug headers) || return
	mkdir -p "$out"
	cp "$headers/.config" "$work/config" || return
	(cd "$base/linux" && scripts/config --file "$work/config" -m KQUEUE -m KQUEUE_KUNIT_TEST) || return
	# With the time of the last run where nothing has changed, or all would be built again.
	if ! cmp -s "$work/config" "$out/.config.wanted"; then
		cp "$work/config" "$out/.config" && make -s -C "$base/linux" O="$out" olddefconfig &&
			cp "$work/config" "$out/.config.wanted" || return
	fi
	nice make -C "$base/linux" O="$out" -j"$(nproc)" KCFLAGS=-Werror \
		fs/kqueue/kmod/kqueue.ko fs/kqueue/selftests/kunit/kqueue_kunit.ko || return
	[ "$(modinfo -F intree "$out/fs/kqueue/kmod/kqueue.ko")" = Y ] || { echo "not a module of the tree"; return 1; }
}

build_selftests() {
	local out=$base/selftests
	rm -rf "$out/install"
	mkdir -p "$out"
	make -s -C "$base/linux" O="$out" headers &&
		make -C "$base/linux/tools/testing/selftests" O="$out" TARGETS=kqueue KQ_PROGRAMS="$programs" \
			INSTALL_PATH="$out/install" install
}

# The runners of the kernel, installed and from its source, beside a kernel that has the module of the tree.
run_guest() {
	# shellcheck disable=SC2016 # for the shell in the guest
	"$tools/vm.sh" --kernel 6.1-debug --no-module --timeout "$limit" -- bash -c '
		insmod "$1/module/fs/kqueue/kmod/kqueue.ko" && cd "$1/selftests/install" &&
			export KQ_TIME_SCALE=${KQ_TIME_SCALE:-10} && ./run_kselftest.sh -c kqueue &&
			make -C "$1/linux/tools/testing/selftests" O="$1/selftests" TARGETS=kqueue \
				KQ_PROGRAMS="$2" run_tests &&
			rmmod kqueue && ! dmesg | grep "out-of-tree"' - "$base" "$programs" >"$work/guest" 2>&1 ||
		{ cat "$work/guest"; return 1; }
}

# From each runner one result for each program, and good ones.
judge_guest() {
	local ok
	ok=$(grep -cE '^ok [0-9]+ selftests: kqueue: [a-z_]+_test$' "$work/guest")
	grep -E '^(# )*(not )?ok ' "$work/guest"
	[ "$ok" -eq $((2 * $(wc -w <<<"$programs"))) ] && ! grep -qE '^(# )*not ok ' "$work/guest"
}

remove() {
	"$tools/graft.sh" --remove "$base/linux" || return
	[ -z "$(changes)" ] || { changes; return 1; }
}

mkdir -p "$cache" && exec {lock}>"$cache/lock" || exit 1
flock "$lock"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
base=$(ensure_source) || exit 1
# A run that was ended in the middle leaves its graft behind.
"$tools/graft.sh" --remove "$base/linux" 2>/dev/null
[ -z "$(changes)" ] || die "$base/linux is not as it was unpacked: rm -r $base"

check "refuses what is no kernel of 6.1 or newer" refuses_all
if check "grafts, and does it twice without a change" graft_twice; then
	keep_times || die "cannot set the times of the files in $base"
	if check "kunit.py builds and runs user-mode Linux" run_uml; then
		"$top/selftests/kunit/run.sh" --ktap "$work/uml" >"$work/kunit"
		add "$work/kunit" "user-mode Linux"
	fi
	if check "module and unit tests build inside the tree" build_module &&
		check "tests build and install the kernel's way" build_selftests &&
		check "run_kselftest.sh and make run_tests in a guest with that module" run_guest; then
		check "each program passed" judge_guest
	fi
fi
check "removed, the tree is as before" remove
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
