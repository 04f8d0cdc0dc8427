#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns collecting the results that the conformance report is made of.
#
# Usage: tools/conformance.sh [OPTION OF conformance.py]...
#
# Takes what the last check has left in build/results, and runs the tests if there is nothing. The
# exit status is that of the report.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
results=$top/build/results

if ! compgen -G "$results/*.tap" >/dev/null || [ ! -s "$results/gtest.log" ]; then
	# Failures show in the report.
	"$tools/check.sh" --guests || true
	echo
fi
files=()
for file in "$results"/*.tap; do
	name=${file##*/}
	files+=("${name%.tap}=$file")
done
[ ! -s "$results/gtest.log" ] || files+=("any=$results/gtest.log")
exec "$top/selftests/conformance/conformance.py" "$@" "${files[@]}"
