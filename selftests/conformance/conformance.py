#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Owns the answer to: which statement is proved by which test, on which kernel?

Usage: conformance.py [--brief] [--checks FILE] [--exceptions FILE] [KERNEL=]FILE...

Each FILE holds the output of tests of one run: TAP (selftests/run.sh writes it to KQ_TAP) or what a
googletest program prints. Tests cite the numbers of checks.txt in their names, as KQ-001 in TAP and as
KQ001_ in googletest. KERNEL names the column; without it the line "# kernel NAME" of the file does.
Results under the name "any" count for every kernel.

A statement is proved on a kernel if a test that cites it passed there and none failed. A skip proves
nothing.

Exit status: 0 fine; 1 a cited statement has a failing test, a test cites an unknown number, a
statement of the slice "now" is unproved and not in exceptions.txt, or a result is incomplete;
2 the arguments or the lists are unusable.
"""
import argparse
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
PASS, FAIL, SKIP = "pass", "fail", "skip"


class Problem(Exception):
    """Unusable input."""


def read_table(path, columns):
    """The rows of a list whose columns are separated by " | "."""
    rows = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = [cell.strip() for cell in line.split(" | ", columns - 1)]
        if len(row) != columns or not re.fullmatch(r"KQ-\d{3}", row[0]) or not all(row):
            raise Problem(f"{path}:{number}: wanted {columns} columns that start with KQ-nnn")
        rows.append(row)
    return rows


def read_checks(path):
    """Statements by number."""
    checks = {}
    for number, area, part, text in read_table(path, 4):
        if number in checks:
            raise Problem(f"{path}: {number} occurs twice")
        if part not in ("now", "later"):
            raise Problem(f"{path}: {number}: no slice '{part}'")
        checks[number] = {"area": area, "slice": part, "text": text}
    return checks


class Result:
    """One test of one run."""

    def __init__(self, name, outcome):
        self.name = name
        self.outcome = outcome
        found = re.findall(r"KQ-?(\d{3})(?!\d)", name)
        self.numbers = sorted({f"KQ-{number}" for number in found})

    @property
    def title(self):
        return re.sub(r"( KQ-\d{3})+$", "", self.name)


def parse_tap(lines, complaints):
    """The results of one or more TAP documents; says in complaints what is missing."""
    results, planned, seen, title = [], None, 0, "the beginning"

    def end():
        if planned is not None and planned != seen:
            complaints.append(f"{title}: {planned} tests planned, {seen} reported")

    for line in lines:
        if line.startswith("# program "):
            title = line.split(None, 2)[2]
        elif line.startswith("TAP version"):
            end()
            planned, seen = None, 0
        elif match := re.match(r"1\.\.(\d+)", line):
            planned = int(match[1])
        elif line.startswith("Bail out!"):
            complaints.append(f"{title}: {line}")
        elif match := re.match(r"(not )?ok\b ?(\d+)?[ -]*(.*)", line):
            name, _, directive = match[3].partition(" # ")
            outcome = FAIL if match[1] else SKIP if directive.upper().startswith("SKIP") else PASS
            results.append(Result(name.strip(), outcome))
            # Without a number it is the runner that speaks.
            seen += bool(match[2])
    end()
    return results


def parse_gtest(lines, complaints):
    """The results of one or more googletest programs."""
    words = {"OK": PASS, "FAILED": FAIL, "SKIPPED": SKIP}
    results, running = {}, None
    for line in lines:
        if match := re.match(r"\[ RUN      \] (\S+)", line):
            if running:
                complaints.append(f"{running}: no result")
            running = match[1]
        # The summary at the end repeats failures; parameters follow a comma there.
        elif match := re.search(r"\[ +(OK|FAILED|SKIPPED) +\] (\S+?)(?:, where .*)?(?: \(\d+ ms.*\))?$", line):
            if match[2] == running:
                running = None
            if "." in match[2]:
                results[match[2]] = Result(match[2], words[match[1]])
    if running:
        complaints.append(f"{running}: no result")
    return list(results.values())


def parse(text, complaints):
    """The results of a file of either kind, and the kernel it names."""
    lines = text.replace("\r", "").splitlines()
    kernel = next((line.split(None, 2)[2] for line in lines if line.startswith("# kernel ")), None)
    if any(line.startswith("[==========]") for line in lines):
        return parse_gtest(lines, complaints), kernel
    return parse_tap(lines, complaints), kernel


def read_runs(arguments, complaints):
    """Results by kernel."""
    runs = {}
    for argument in arguments:
        label, separator, path = argument.partition("=")
        if not separator:
            label, path = None, argument
        own = []
        try:
            results, kernel = parse(pathlib.Path(path).read_text(errors="replace"), own)
        except OSError as error:
            raise Problem(f"{path}: {error.strerror}") from error
        if not results:
            own.append("no results")
        complaints += [f"{path}: {text}" for text in own]
        runs.setdefault(label or kernel or pathlib.Path(path).stem, []).extend(results)
    return runs


def judge(number, results):
    """What results say of one statement, and the tests that cite it."""
    cited = [result for result in results if number in result.numbers]
    outcomes = {result.outcome for result in cited}
    state = FAIL if FAIL in outcomes else PASS if PASS in outcomes else "unproven"
    return state, cited


def report(checks, exceptions, runs, brief, write):
    """Prints the table; returns what is wrong."""
    wrong = []
    common = runs.pop("any", [])
    kernels = {kernel: results + common for kernel, results in runs.items()} or {"any": common}
    excused = {(number, kernel) for number, kernel, _ in exceptions}

    for number, kernel, _ in exceptions:
        if number not in checks:
            wrong.append(f"exceptions: unknown number {number}")
        if kernel not in ("*", *kernels):
            write(f"note: exception for {number} names {kernel}, which did not run")

    proved = {kernel: {"now": 0, "later": 0} for kernel in kernels}
    for number, check in checks.items():
        states, tests = {}, {}
        for kernel, results in kernels.items():
            states[kernel], cited = judge(number, results)
            proved[kernel][check["slice"]] += states[kernel] == PASS
            for result in cited:
                tests.setdefault(result.title, {})[kernel] = result.outcome
            if states[kernel] == FAIL:
                names = ", ".join(r.title for r in cited if r.outcome == FAIL)
                wrong.append(f"{number} fails on {kernel}: {names}")
            elif states[kernel] == "unproven" and check["slice"] == "now":
                if {(number, kernel), (number, "*")} & excused:
                    states[kernel] = "excused"
                else:
                    wrong.append(f"{number} is unproven on {kernel}: {check['text']}")
        if brief:
            continue
        summary = "  ".join(f"{kernel}: {state}" for kernel, state in states.items())
        write(f"{number} {check['area']:<8} {check['slice']:<5} {summary}  {check['text']}")
        for title, outcomes in tests.items():
            odd = ", ".join(f"{outcome} on {kernel}" for kernel, outcome in outcomes.items() if outcome != PASS)
            write(f"    {title}{': ' + odd if odd else ''}")

    for kernel, results in kernels.items():
        for result in results:
            for number in result.numbers:
                if number not in checks:
                    wrong.append(f"{result.title} cites {number}, which does not exist")
            if result.outcome == FAIL and not result.numbers:
                wrong.append(f"{result.title} fails on {kernel}")
    totals = {part: sum(check["slice"] == part for check in checks.values()) for part in ("now", "later")}
    for kernel, results in kernels.items():
        outcomes = [result.outcome for result in results]
        write(f"{kernel}: {proved[kernel]['now']} of {totals['now']} proved, "
              f"and {proved[kernel]['later']} of {totals['later']} later ones; tests: "
              f"{outcomes.count(PASS)} passed, {outcomes.count(FAIL)} failed, {outcomes.count(SKIP)} skipped")
    return list(dict.fromkeys(wrong))


def main(arguments=None, write=print):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brief", action="store_true", help="print totals and problems only")
    parser.add_argument("--checks", default=HERE / "checks.txt")
    parser.add_argument("--exceptions", default=HERE / "exceptions.txt")
    parser.add_argument("files", nargs="+", metavar="[KERNEL=]FILE")
    options = parser.parse_args(arguments)
    complaints = []
    try:
        checks = read_checks(options.checks)
        exceptions = read_table(options.exceptions, 3)
        runs = read_runs(options.files, complaints)
    except (Problem, OSError) as error:
        print(f"conformance.py: {error}", file=sys.stderr)
        return 2
    wrong = complaints + report(checks, exceptions, runs, options.brief, write)
    for text in wrong:
        write(f"problem: {text}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
