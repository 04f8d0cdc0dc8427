#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the kernels the project is built for and tested on: names, resolution, download, cache.
#
# Usage: tools/kernel.sh NAME image|headers|modules|version|fetch|scripts
#        tools/kernel.sh names
#
#   image     path of the bootable kernel
#   headers   directory to build modules against (make -C)
#   modules   directory with the kernel's own modules and modules.dep
#   version   kernel release, as uname -r prints it
#   fetch     only make sure that all of it is there; prints the directory
#   scripts   directory with the scripts of the kernel's source, such as checkpatch.pl
#
# Kernels are unpacked below ${KQ_CACHE:-~/.cache/kqueue}, never installed. The newest one is looked
# up at most once a day; without a network the newest complete one in the cache is used.
set -euo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
cache=${KQ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kqueue}
resolve_minutes=1440

die() { echo "kernel.sh: $*" >&2; exit 1; }
note() { echo "kernel.sh: $*" >&2; }

usage() { die "usage: kernel.sh NAME image|headers|modules|version|fetch|scripts; NAME is one of: $(names)"; }

names() { echo 6.1-cloud 6.12-cloud 6.12-rt 6.1-debug 6.12-rt-debug 6.12-kcsan; }

# Sets series and flavour, and the meta package that points at the newest kernel of the flavour.
# A debug kernel has no flavour: it is built from Debian's source of the series.
select_name() {
	case $1 in
	6.1-cloud)  series=6.1  flavour=cloud-amd64 meta=linux-image-cloud-amd64 ;;
	6.12-cloud) series=6.12 flavour=cloud-amd64 meta=linux-image-6.12-cloud-amd64 ;;
	6.12-rt)    series=6.12 flavour=rt-amd64    meta=linux-image-6.12-rt-amd64 ;;
	6.1-debug)  series=6.1  flavour=''           meta=linux-source-6.1 ;;
	6.12-rt-debug | 6.12-kcsan)
		series=6.12 flavour='' meta=linux-source-6.12 ;;
	*) die "unknown kernel '$1', known: $(names)" ;;
	esac
}

apt_quiet() {
	# As root apt would warn that its download user cannot write to our directory.
	apt-get -q=2 -o APT::Sandbox::User="$(id -un)" "$@"
}

refresh_lists() {
	[ -z "${lists_refreshed:-}" ] || return 0
	lists_refreshed=1
	apt_quiet update >&2 || note "apt-get update failed (root and a network are needed), using what is known"
}

candidate_version() { apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Version: //p'; }

# Prints the release of the newest stock kernel: what the meta package depends on or, when a later
# Debian has moved the meta package to another series, the newest image that also has headers.
newest_release() {
	local prefix="linux-image-$series." package
	package=$(apt-cache depends "$meta" 2>/dev/null |
		sed -n "s/^ *Depends: \\(${prefix//./\\.}.*-$flavour\\)\$/\\1/p" | head -n 1)
	if [ -z "$package" ]; then
		package=$(comm -12 \
			<(apt-cache pkgnames "$prefix" | grep -- "-$flavour\$" | sort) \
			<(apt-cache pkgnames linux-headers- | sed 's/^linux-headers-/linux-image-/' | sort) |
			grep -v -- "[0-9]-rt-$flavour\$" | sort -V | tail -n 1)
	fi
	echo "${package#linux-image-}"
}

# Prints the options of the debug kernel: what those of its series have in common, then its own.
fragment() {
	local common=$tools/configs/$series-debug.common
	[ ! -e "$common" ] || cat "$common"
	cat "$tools/configs/$name.config"
}

# Prints a hash of what the debug kernel is made of besides Debian's source.
recipe() {
	{
		gcc --version
		cat "$tools/kernel-debug.sh"
		fragment
	} | sha256sum | cut -c 1-12
}

# Prints the identity of the newest kernel of the selected name, the name of its directory.
identify() {
	local release version
	if [ -n "$flavour" ]; then
		release=$(newest_release)
		version=$(candidate_version "linux-image-$release")
	else
		version=$(candidate_version "$meta")
		release=$(recipe)
	fi
	[ -n "$release" ] && [ -n "$version" ] || return 1
	echo "${version}_$release"
}

# Downloads packages into the current directory and unpacks them into $1.
unpack() {
	local destination=$1 deb
	shift
	apt_quiet download "$@" >&2 || { refresh_lists; apt_quiet download "$@" >&2; }
	for deb in ./*.deb; do
		dpkg-deb -x "$deb" "$destination"
		rm "$deb"
	done
}

# Fills directory $1, which becomes $2 once complete.
fetch_stock() {
	local root=$1 final=$2 release=${2##*_} headers="linux-headers-${2##*_}" file
	mapfile -t packages < <(apt-cache depends "$headers" |
		sed -n 's/^ *Depends: \(linux-headers-.*-common.*\|linux-kbuild-.*\)$/\1/p')
	[ "${#packages[@]}" -eq 2 ] || die "cannot tell what $headers depends on: ${packages[*]}"
	(cd "$root" && unpack "$root" "linux-image-$release" "$headers" "${packages[@]}")

	# The headers expect to live in /usr/src and name that place in their Makefiles.
	grep -rlZ --include=Makefile --include='.kernel*' /usr/ "$root/usr/src/$headers" |
		while IFS= read -r -d '' file; do
			sed -i "s,/usr/\\(src\\|lib\\)/linux-,$final&,g" "$file"
		done
	find "$root" -type l -lname '/usr/*' -printf '%p\0%l\0' |
		while IFS= read -r -d '' file && IFS= read -r -d '' target; do
			ln -sfn "$final$target" "$file"
		done
	rm -rf "${root:?}/usr/share"

	depmod -b "$root" "$release"
	ln -s "boot/vmlinuz-$release" "$root/image"
	ln -s "usr/src/$headers" "$root/headers"
	ln -s "lib/modules/$release" "$root/modules"
	echo "$release" >"$root/version"
}

fetch_debug() {
	local root=$1
	note "building the debug kernel, this takes a quarter of an hour (log: $root/build.log)"
	(cd "$root" && unpack "$root" "$meta")
	fragment >"$root/fragment"
	"$tools/kernel-debug.sh" "$root/usr/src/$meta.tar.xz" "$root/fragment" \
		"$root/headers" >"$root/build.log" 2>&1 || {
		tail -n 40 "$root/build.log" >&2
		die "the debug kernel does not build"
	}
	rm -rf "${root:?}/usr"
	ln -s headers/arch/x86/boot/bzImage "$root/image"
	cp "$root/headers/include/config/kernel.release" "$root/version"
	# All of its drivers are built in: there is only the index that says so.
	local modules
	modules=lib/modules/$(<"$root/version")
	mkdir -p "$root/$modules"
	cp "$root"/headers/modules.{builtin,builtin.modinfo,order} "$root/$modules"
	depmod -b "$root" "$(<"$root/version")"
	ln -s "$modules" "$root/modules"
}

# Keeps the cache from growing with every update; a few stay for machines still running.
drop_old() {
	local old
	find "$cache/kernels/$name" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %p\n' | sort -rn |
		tail -n +4 | cut -d ' ' -f 2- | while read -r old; do rm -rf "$old"; done
}

# Sets dir to a complete kernel of the selected name, fetching what is missing.
ensure() {
	local stamp=$cache/kernels/$name.newest id tmp
	if [ -n "$(find "$stamp" -mmin "-$resolve_minutes" 2>/dev/null)" ]; then
		id=$(<"$stamp")
		dir=$cache/kernels/$name/$id
		# The debug kernel depends on files of ours as well, which may change at any time.
		if [ -e "$dir/version" ] && { [ -n "$flavour" ] || [ "${id##*_}" = "$(recipe)" ]; }; then
			return 0
		fi
	fi

	mkdir -p "$cache/kernels/$name"
	exec {lock}>"$cache/kernels/$name.lock"
	flock "$lock"
	# Whoever had the lock before us may have done the work.
	if [ -z "$(find "$stamp" -mmin "-$resolve_minutes" 2>/dev/null)" ]; then
		refresh_lists
	fi
	id=$(identify) || { refresh_lists; id=$(identify); } || id=
	if [ -n "$id" ]; then
		dir=$cache/kernels/$name/$id
		if [ ! -e "$dir/version" ]; then
			note "fetching $name ($id)"
			rm -rf "$dir" "$cache/kernels/$name"/.new.*
			tmp=$cache/kernels/$name/.new.$$
			mkdir "$tmp"
			# A subshell of its own, with errexit in force, so that a failure may fall back below.
			set +e
			(
				set -e
				if [ -n "$flavour" ]; then fetch_stock "$tmp" "$dir"; else fetch_debug "$tmp"; fi
				mv "$tmp" "$dir"
			)
			set -e
		fi
		if [ -e "$dir/version" ]; then
			echo "$id" >"$stamp.$$"
			mv "$stamp.$$" "$stamp"
			drop_old
			flock -u "$lock"
			return 0
		fi
	fi

	# A debug kernel of another recipe would be a lie; a stock kernel of last week is not.
	id=$(cd "$cache/kernels/$name" &&
		if [ -n "$flavour" ]; then printf '%s\n' */version; else printf '%s\n' *_"$(recipe)"/version; fi |
		sort -V | tail -n 1)
	dir=$cache/kernels/$name/${id%/version}
	[ -e "$dir/version" ] || die "cannot fetch $name, and none is in the cache"
	note "cannot fetch the newest $name, using $(<"$dir/version")"
	# Good for an hour: without a network each further attempt would only cost time.
	echo "${id%/version}" >"$stamp.$$"
	touch -d "$((resolve_minutes - 60)) minutes ago" "$stamp.$$"
	mv "$stamp.$$" "$stamp"
	flock -u "$lock"
}

# Prints the directory of the scripts of the newest source in the selected series; no header package
# has checkpatch. They hardly ever change, so what is there once stays.
ensure_scripts() {
	local package=linux-source-$series directory=$cache/scripts/$series tmp
	if [ ! -e "$directory" ]; then
		mkdir -p "$cache/scripts"
		exec {lock}>"$cache/scripts/$series.lock"
		flock "$lock"
	fi
	if [ ! -e "$directory" ]; then
		note "fetching the scripts of $package"
		tmp=$(mktemp -d "$cache/scripts/.new.XXXXXX")
		(cd "$tmp" && unpack "$tmp" "$package")
		tar -xf "$tmp/usr/src/$package.tar.xz" -C "$tmp" --strip-components=1 "$package/scripts"
		mv "$tmp/scripts" "$directory"
		rm -rf "$tmp"
	fi
	echo "$directory"
}

if [ "${1:-}" = names ]; then
	names
	exit 0
fi
[ $# -eq 2 ] || usage
name=$1
select_name "$name"
case $2 in
image | headers | modules) ensure; echo "$dir/$2" ;;
version) ensure; cat "$dir/version" ;;
fetch) ensure; echo "$dir" ;;
scripts) ensure_scripts ;;
*) usage ;;
esac
