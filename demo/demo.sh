#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Owns the way from a fresh checkout to the demonstration: installs what is missing, builds, and
# runs demo/run.sh in a virtual machine.
#
# Usage: [KERNEL=NAME] [BUILD=DIRECTORY] demo/demo.sh
#
#   KERNEL  one of `tools/kernel.sh names` (6.12-cloud)
#   BUILD   where everything is built (build)
set -euo pipefail

top=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
build=${BUILD:-$top/build}
kernel=${KERNEL:-6.12-cloud}
unset BUILD

"$top/tools/install-deps.sh"
make -s -C "$top/lib" BUILD="$build/lib"
make -s -C "$top/demo" BUILD="$build/demo" LIBKQ="$build/lib/libkq.a"
echo "demo: starting a virtual machine with $kernel" >&2
exec "$top/tools/vm.sh" --kernel "$kernel" -- "$top/demo/run.sh" "$build/demo"
