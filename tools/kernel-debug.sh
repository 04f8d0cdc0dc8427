#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the build of the debug kernel: Debian's kernel source, tinyconfig and one fragment.
#
# Usage: tools/kernel-debug.sh SOURCE_TARBALL FRAGMENT OUTPUT_DIR
#
# Leaves in OUTPUT_DIR what is needed to boot it and to build modules against it.
set -euo pipefail

tarball=$1 fragment=$(realpath "$2") out=$3

# Prints the options of the fragment that are not in .config as asked. "is not set" is also
# satisfied by an option this source does not know.
unmet_options() {
	local line symbol
	while read -r line; do
		case $line in
		'# CONFIG_'*' is not set')
			symbol=${line#\# }
			symbol=${symbol%% *}
			if grep -q "^$symbol=" .config; then
				echo "$symbol should not be set"
			fi
			;;
		CONFIG_*)
			grep -qxF -e "$line" .config || echo "$line"
			;;
		esac
	done <"$fragment"
}

mkdir -p "$out"
tar -xf "$tarball" -C "$out" --strip-components=1
cd "$out"

make -s tinyconfig
scripts/kconfig/merge_config.sh -m .config "$fragment"
make -s olddefconfig
unmet=$(unmet_options)
if [ -n "$unmet" ]; then
	printf 'kernel-debug: options that did not survive olddefconfig:\n%s\n' "$unmet" >&2
	exit 1
fi

# The lowest priority: this takes a quarter of an hour and others share the machine.
nice -n 19 make -j"$(nproc)" bzImage modules

# Objects and sources are only needed to build the kernel itself. Modules need the headers, the
# build scripts with their binaries, objtool and Module.symvers. vmlinux stays for addresses.
find . \( -name '*.[acoS]' -o -name '.*.cmd' -o -name '*.mod' \) ! -path './scripts/*' -delete
find arch -mindepth 1 -maxdepth 1 -type d ! -name x86 -exec rm -r {} +
find tools -mindepth 1 -maxdepth 1 ! -name objtool -exec rm -r {} +
rm -r Documentation drivers rust samples sound
