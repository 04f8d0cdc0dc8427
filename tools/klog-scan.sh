#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the call of the judgement of a kernel log, klog-scan.awk, for scripts of the host.
#
# Usage: tools/klog-scan.sh [FILE]
#
# Prints each complaint with the lines around it. Exit status: 0 none, 1 some.
set -euo pipefail

exec awk -f "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/klog-scan.awk" "$@"
