#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Owns the rules that need no running kernel: how the sources look, and that texts, versions and
# examples agree with each other.
#
# Usage: tools/style.sh [STEP]...
#
# Without arguments runs all steps. Prints one TAP line per step, what is wrong before it as
# comments, and the totals. Exit status: 0 all passed, 1 something failed.
set -uo pipefail

tools=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(dirname "$tools")
cd "$top" || exit 1

steps=(checkpatch sparse coccinelle clang_tidy clang_format shellcheck python spdx length whitespace words version docs)

# What checkpatch may not say about all kernel code:
kernel_ignores=(
	# gcc asks for the parentheses around a comparison that is itself compared.
	UNNECESSARY_PARENTHESES
	# New files are not patches: there is no MAINTAINERS file here.
	FILE_PATH_CHANGES
)

# ... and about programs, which follow kernel style but are not kernel code:
program_ignores=(
	"${kernel_ignores[@]}"
	# C11 of the C library: its own integer types, attributes, volatile for signal handlers.
	PREFER_KERNEL_TYPES PREFER_DEFINED_ATTRIBUTE_MACRO VOLATILE
	# ENOSYS is what a C library function may answer; sscanf is used where only hits count.
	ENOSYS NAKED_SSCANF
	# Tables of variants are made by macros whose value is a list, naming an argument twice.
	COMPLEX_MACRO MACRO_ARG_PRECEDENCE MACRO_ARG_REUSE
	# "(char[32768]){ }" is a compound literal, "KQ_TEST(name)" a definition.
	SPACING PARENTHESIS_ALIGNMENT
	# A macro that adds file and line belongs right below the function it wraps.
	LINE_SPACING
	# Tests change the arrays they give to execve() and write().
	STATIC_CONST_CHAR_ARRAY
	# Names of programs and cases in messages are not names of functions.
	EMBEDDED_FUNCTION_NAME
)

comment() { sed 's/^/# /'; }

# Prints the files of the project that match the patterns.
files() { git ls-files -co --exclude-standard -- "$@" | while IFS= read -r f; do [ ! -f "$f" ] || echo "$f"; done; }

sources() { files ':!LICENSES' ':!*.md' ':!VERSION' ':!.clang-format' ':!.clang-tidy' ':!.gitignore' ':!.editorconfig'; }

scripts() { sources | while IFS= read -r f; do if head -n 1 "$f" | grep -qE '^#!.*\b(ba|da)?sh\b'; then echo "$f"; fi; done; }

# Prints the directory of the kernel's own scripts: checkpatch and semantic patches. Debian has them
# only in the package of the kernel source.
kernel_scripts() { "$tools/kernel.sh" 6.1-cloud scripts; }

run_checkpatch() {
	local width=$1 ignores=$2
	shift 2
	[ $# -gt 0 ] || return 0
	# Its own status speaks of errors only.
	! { printf '%s\0' "$@" | xargs -0 -n 8 -P "$(nproc)" perl "$scripts/checkpatch.pl" --no-tree --strict \
		--terse --show-types --no-summary --max-line-length="$width" --ignore "$ignores" -f || true; } | grep .
}

step_checkpatch() {
	local scripts status=0 kernel programs
	scripts=$(kernel_scripts) || return 1
	mapfile -t kernel < <(files 'kmod/*.[ch]' 'uapi/*.h')
	mapfile -t programs < <(files 'selftests/*.[ch]' ':!selftests/gtest')
	run_checkpatch 100 "$(IFS=, && echo "${kernel_ignores[*]}")" "${kernel[@]}" || status=1
	# The line that names a test carries its description.
	run_checkpatch 120 "$(IFS=, && echo "${program_ignores[*]}")" "${programs[@]}" || status=1
	return $status
}

step_sparse() {
	local headers build=$top/build/sparse
	headers=$("$tools/kernel.sh" 6.1-cloud headers) || return 1
	rm -rf "$build"
	make -s --no-print-directory dkms-source DKMS_SOURCE="$build" || return 1
	# Not with the flags of a make that calls us: kbuild would be silent under its -s.
	if ! env -u MAKEFLAGS -u MFLAGS make -C "$headers" M="$build/kmod" C=2 CHECK=sparse -j"$(nproc)" modules >"$build/log" 2>&1; then
		tail -n 30 "$build/log"
		return 1
	fi
	grep -q '^  CHECK ' "$build/log" || { echo "sparse did not run"; return 1; }
	! grep -E "^$build/.*(warning|error):" "$build/log"
}

# Runs one semantic patch over the module; says and fails if that finds anything.
run_semantic_patch() {
	local said status=0
	said=$(spatch -D report --no-show-diff --very-quiet --no-includes --cocci-file "$1" --dir kmod -I uapi 2>&1) ||
		status=1
	# Some patches make it wonder about their own names.
	said=$(grep -vE '^warning: line [0-9]+: should |^[0-9]+ files match$' <<<"$said")
	if [ "$status" -ne 0 ] || [ -n "$said" ]; then
		echo "${1##*/}: ${said:-failed}"
		return 1
	fi
}

# The kernel's semantic patches that need neither its own headers nor an OCaml compiler.
step_coccinelle() {
	local scripts
	scripts=$(kernel_scripts) || return 1
	export -f run_semantic_patch
	# shellcheck disable=SC2016 # for the shell of each patch
	grep -rL --include='*.cocci' ocaml "$scripts/coccinelle" |
		xargs -P "$(nproc)" -I '{}' bash -c 'run_semantic_patch "$1"' - '{}'
}

step_clang_tidy() {
	local list
	mapfile -t list < <(files 'lib/src/*.cpp')
	clang-tidy --quiet --warnings-as-errors='*' "${list[@]}" -- \
		-std=c++20 -D_GNU_SOURCE "-DKQ_VERSION=\"$(<VERSION)\"" -Ilib/include -Iuapi 2>&1 |
		grep -vE '^[0-9]+ warnings generated\.$'
	return "${PIPESTATUS[0]}"
}

step_clang_format() {
	local list
	mapfile -t list < <(files '*.cpp' '*.hpp')
	clang-format --dry-run -Werror "${list[@]}" 2>&1
}

step_shellcheck() {
	local list
	mapfile -t list < <(scripts)
	shellcheck -x "${list[@]}"
}

step_python() {
	local list
	mapfile -t list < <(files '*.py')
	[ "${#list[@]}" -eq 0 ] || python3 - "${list[@]}" <<-'END' || return 1
		import sys, warnings
		warnings.simplefilter("error")
		for name in sys.argv[1:]:
		    with open(name) as source:
		        compile(source.read(), name, "exec")
	END
	local file status=0
	while IFS= read -r file; do
		python3 "$file" 2>&1 || status=1
	done < <(files 'selftests/*_test.py')
	return $status
}

# One process for all files, here and below: a process for each takes seconds on a slow machine.
step_spdx() {
	local list
	mapfile -t list < <(sources)
	awk 'FNR == 1 && /^#!/ { next }
		!/SPDX-License-Identifier:/ { print FILENAME ": the first line is no SPDX line"; bad = 1 }
		{ nextfile }
		END { exit bad }' "${list[@]}"
}

step_length() {
	local list
	mapfile -t list < <(sources)
	wc -l "${list[@]}" | awk '$2 != "total" && $1 > 700 {
			print $2 ": " $1 " lines, at most 700 are allowed"; bad = 1 }
		END { exit bad }'
}

step_whitespace() {
	local file list status=0
	mapfile -t list < <(files ':!LICENSES')
	if grep -nHE '[[:blank:]]+$' "${list[@]}"; then status=1; fi
	for file in "${list[@]}"; do
		if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then
			echo "$file: no newline at the end"
			status=1
		fi
	done
	return $status
}

# Things that belong to one machine or one moment. The brackets keep this file from naming itself.
step_words() {
	local list pattern
	mapfile -t list < <(files ':!LICENSES')
	pattern='(^|[^[:alnum:]_}/])/wor[k]/|/roo[t]/\.|/hom[e]/|(^|[^[:alnum:]])(TOD[O]|FIXM[E])'
	pattern+='|^(<<<<<<[<]|>>>>>>[>]) |(de[b]|securit[y])\.debian\.or[g]|pyp[i]\.|registr[y]\.|goprox[y]|crate[s]\.io'
	! grep -nHE "$pattern" "${list[@]}"
}

step_version() {
	local version status=0 found
	version=$(<VERSION)
	found=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' dkms.conf)
	[ "$found" = "$version" ] || { echo "dkms.conf says '$found', VERSION says '$version'"; status=1; }
	found=$(sed -n 's/^## \([^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)
	[ "$found" = "$version" ] || { echo "the top block of CHANGELOG.md is '$found', VERSION says '$version'"; status=1; }
	return $status
}

# shellcheck disable=SC2016 # the quotes of Markdown
# Texts name tests, files and programs that exist, and show the program they claim to show.
step_docs() {
	local status=0 file link word group
	if ! diff -u demo/ten_lines.c <(awk '/^```c$/ { show = !done; next } /^```$/ { if (show) done = 1; show = 0 } show' README.md); then
		echo "README.md: its first program is not demo/ten_lines.c"
		status=1
	fi
	while IFS= read -r file; do
		while IFS= read -r link; do
			if [ ! -e "$(dirname "$file")/${link%%#*}" ]; then
				echo "$file: no file $link"
				status=1
			fi
		done < <(grep -oE '\]\([^)#:]+[^):]*\)' "$file" | sed 's/^](//; s/)$//')
		# A test is named GROUP.CASE, as the runner prints it.
		while IFS= read -r word; do
			group=${word%%.*}
			if [ -e "selftests/kselftest/${group}_test.c" ] &&
				! grep -qE "^KQ_TEST[A-Z_]*\(${word#*.}," "selftests/kselftest/${group}_test.c"; then
				echo "$file: no test $word"
				status=1
			fi
		done < <(grep -oE '`[a-z_]+\.[a-z_0-9]+`' "$file" | tr -d '`')
	done < <(files '*.md')
	return $status
}

if [ $# -gt 0 ]; then
	steps=("$@")
fi
passed=0 failed=0
for step in "${steps[@]}"; do
	if ! declare -F "step_$step" >/dev/null; then
		echo "style.sh: no step '$step'" >&2
		exit 1
	fi
	if said=$("step_$step" 2>&1); then
		echo "ok - $step"
		passed=$((passed + 1))
	else
		comment <<<"$said"
		echo "not ok - $step"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
