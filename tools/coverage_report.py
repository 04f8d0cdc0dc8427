#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Owns the report on executed lines of the module: reads counters with gcov, adds them up by line of
# source, compares the total with the bar.
"""Usage: coverage_report.py BUILD BAR LINES NAME=DIRECTORY...

BUILD is where the module was built with gcov (the .gcno files), each DIRECTORY holds the .gcda files
of one run, NAME is its column. The bar, in percent of all lines, is for the first one. The report goes
to standard output; the file LINES receives every line that the first run never executed. Exit status:
0 at or above the bar, 1 below, 2 if there is nothing to count.
"""
import collections
import json
import os
import subprocess
import sys


class Run:
    """Counts of one run, by (file, line) and by (file, function, first line)."""

    def __init__(self):
        self.lines = collections.Counter()
        self.functions = collections.Counter()


def die(message):
    print(f"coverage_report.py: {message}", file=sys.stderr)
    sys.exit(2)


def gcov(build, notes, counters):
    """Yields gcov's records of the files of the module; a .gcda that is missing counts as zeros."""
    for directory, _, names in os.walk(notes):
        for name in sorted(names):
            # What kbuild generates for every module is not ours.
            if not name.endswith(".gcno") or name.endswith(".mod.gcno"):
                continue
            stem = os.path.join(directory, name)[:-len(".gcno")]
            data = os.path.join(counters, os.path.relpath(stem, build) + ".gcda")
            # gcov looks for both files in one place.
            if os.path.exists(data):
                link = data[:-len(".gcda")] + ".gcno"
                if not os.path.exists(link):
                    os.symlink(stem + ".gcno", link)
                stem = link[:-len(".gcno")]
            said = subprocess.run(["gcov", "--json-format", "--stdout", stem + ".gcno"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            if said.returncode:
                die(f"gcov: {said.stderr.decode().strip()}")
            if b"stamp mismatch" in said.stderr:
                die(f"{data} is of another build than {stem}.gcno: run it again")
            record = json.loads(said.stdout)
            for file in record["files"]:
                path = os.path.normpath(os.path.join(record["current_working_directory"],
                                                     file["file"]))
                if path.startswith(notes + os.sep):
                    yield os.path.relpath(path, build), file


def read_run(build, counters):
    run = Run()
    for path, file in gcov(build, os.path.join(build, "kmod"), counters):
        # A line of a header, or inlined, is in several records.
        for line in file["lines"]:
            run.lines[path, line["line_number"]] += line["count"]
        for function in file["functions"]:
            key = (path, function["name"], function["start_line"])
            run.functions[key] += function["execution_count"]
    return run


def percent(run, keys):
    return 100 * sum(run.lines[key] > 0 for key in keys) / len(keys)


def ranges(lines, missed):
    """Joins missed lines that have no executed line between them."""
    start = last = None
    for line in lines:
        if line in missed:
            start, last = start or line, line
        elif start:
            yield start, last
            start = None
    if start:
        yield start, last


def write_missed(target, build, by_file, run):
    for path in sorted(by_file):
        lines = sorted(by_file[path])
        missed = {line for line in lines if not run.lines[path, line]}
        if not missed:
            continue
        with open(os.path.join(build, path), encoding="utf-8") as source:
            text = source.read().split("\n")
        for start, last in ranges(lines, missed):
            print(f"{path}:{start}" + (f"-{last}" if last > start else ""), file=target)
            for line in range(start, last + 1):
                print(("    | " if line in missed else "      ") + text[line - 1], file=target)


def main():
    if len(sys.argv) < 5:
        die(__doc__)
    build, bar, lines_file = os.path.realpath(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    runs = {}
    for argument in sys.argv[4:]:
        name, directory = argument.split("=", 1)
        runs[name] = read_run(build, directory)
    first = next(iter(runs.values()))
    if not first.lines or not any(first.lines.values()):
        die("no line of the module was counted")
    together = Run()
    for run in runs.values():
        together.lines.update(run.lines)
    columns = dict(runs)
    if len(runs) > 1:
        columns["together"] = together

    by_file = collections.defaultdict(list)
    for path, line in first.lines:
        by_file[path].append(line)

    def row(name, keys):
        print(f"{name:32} {len(keys):6}" + "".join(f" {percent(run, keys):9.1f}" for run in columns.values()))

    print(f"{'':32} {'lines':>6}" + "".join(f" {name + ' %':>9}" for name in columns))
    for path in sorted(by_file):
        row(path, [(path, line) for line in by_file[path]])
    row("total", list(first.lines))
    for name, run in runs.items():
        never = sorted(key for key, count in run.functions.items() if not count)
        print(f"\nfunctions never reached, {name}: {len(never)} of {len(run.functions)}")
        for path, function, line in never:
            print(f"    {function} ({path}:{line})")
    with open(lines_file, "w", encoding="utf-8") as target:
        write_missed(target, build, by_file, first)

    total = percent(first, list(first.lines))
    print(f"\n{next(iter(runs))}: {total:.1f} % of {len(first.lines)} lines, the bar is {bar:g} %")
    return 0 if total >= bar else 1


sys.exit(main())
