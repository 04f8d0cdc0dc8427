#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Owns one run of the demonstration on the kernel it is called under: each part, then one line that
# says whether all of it held.
#
# Usage: demo/run.sh [DIRECTORY]
#
# DIRECTORY holds the programs (build/demo). The module must be loaded. Exit status: 0 if all held.
set -u

top=$(dirname "$(dirname "$(realpath "$0")")")
build=${1:-$top/build/demo}
# Seconds for one part; met only by one that hangs.
limit=150
failed=''

# Runs program $1 under the title $2.
part() {
	printf '\n== %s\n' "$2"
	if ! timeout -k 5 "$limit" "$build/$1"; then
		failed="$failed, $1"
	fi
}

echo "kqueue on Linux $(uname -r)"
part ten_lines 'A complete program: a queue, a timer, its event'
part listen_after_register 'Part 1: a socket registered before it listens'
part asio_accept "Part 2: Debian's asio, unmodified, on its own kqueue reactor"
part echo_bench 'Part 3: one echo server on kqueue and on epoll'
part close_reuse 'Part 4: a closed descriptor leaves nothing behind'

echo
if [ -n "$failed" ]; then
	echo "demo: FAILED: ${failed#, }"
	exit 1
fi
echo 'demo: all 4 parts held'
