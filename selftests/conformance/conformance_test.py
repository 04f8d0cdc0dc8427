#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Owns the tests of conformance.py."""
import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True

import conformance  # noqa: E402

CHECKS = """# comment
KQ-001 | abi | now | the first
KQ-002 | core | now | the second, a|b
KQ-003 | PROC | later | the third
"""

GOOD = """# kernel 6.1
# program a_test
TAP version 13
1..2
# noise
ok 1 a.one KQ-001
ok 2 a.two KQ-002 KQ-003
"""


class ConformanceTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name)
        self.exceptions = ""
        self.output = ""

    def run_tool(self, *texts, labels=()):
        """Runs the tool over files with these texts; returns the exit status."""
        (self.path / "checks").write_text(CHECKS)
        (self.path / "exceptions").write_text(self.exceptions)
        files = []
        for index, text in enumerate(texts):
            file = self.path / f"run{index}"
            file.write_text(text)
            files.append(f"{labels[index]}={file}" if index < len(labels) else str(file))
        lines = []
        status = conformance.main(["--checks", str(self.path / "checks"), "--exceptions",
                                   str(self.path / "exceptions"), *files], lines.append)
        self.output = "\n".join(lines)
        return status

    def test_all_proved(self):
        self.assertEqual(self.run_tool(GOOD), 0)
        self.assertIn("6.1: 2 of 2 proved, and 1 of 1 later ones", self.output)
        self.assertIn("KQ-001 abi      now   6.1: pass  the first\n    a.one", self.output)

    def test_failure(self):
        self.assertEqual(self.run_tool(GOOD.replace("ok 2", "not ok 2")), 1)
        self.assertIn("problem: KQ-003 fails on 6.1: a.two", self.output)

    def test_one_of_two_tests_fails(self):
        text = GOOD.replace("1..2", "1..3") + "not ok 3 a.three KQ-001\n"
        self.assertEqual(self.run_tool(text), 1)
        self.assertIn("KQ-001 fails on 6.1: a.three", self.output)

    def test_skip_is_no_proof(self):
        self.assertEqual(self.run_tool(GOOD.replace("KQ-001", "KQ-001 # SKIP no reason")), 1)
        self.assertIn("KQ-001 is unproven on 6.1", self.output)
        self.assertIn("a.one: skip on 6.1", self.output)

    def test_later_may_be_unproven(self):
        self.assertEqual(self.run_tool(GOOD.replace(" KQ-003", "")), 0)

    def test_exception(self):
        self.exceptions = "KQ-001 | * | not on this machine\n"
        self.assertEqual(self.run_tool(GOOD.replace("KQ-001", "")), 0)
        self.exceptions = "KQ-001 | 6.12 | not on that kernel\n"
        self.assertEqual(self.run_tool(GOOD.replace("KQ-001", "")), 1)

    def test_exception_excuses_no_failure(self):
        self.exceptions = "KQ-001 | * | not on this machine\n"
        self.assertEqual(self.run_tool(GOOD.replace("ok 1", "not ok 1")), 1)

    def test_unknown_number(self):
        self.assertEqual(self.run_tool(GOOD.replace("KQ-003", "KQ-004")), 1)
        self.assertIn("a.two cites KQ-004", self.output)

    def test_lost_results(self):
        self.assertEqual(self.run_tool(GOOD.replace("1..2", "1..3")), 1)
        self.assertIn("a_test: 3 tests planned, 2 reported", self.output)

    def test_nothing_ran(self):
        self.assertEqual(self.run_tool("# kernel 6.1\nTAP version 13\n1..0 # SKIP no device\n"), 1)

    def test_verdict_of_the_runner(self):
        self.assertEqual(self.run_tool(GOOD + "not ok - a_test\n"), 1)
        self.assertIn("a_test fails on 6.1", self.output)
        self.assertNotIn("planned", self.output)

    def test_each_kernel_must_prove(self):
        other = GOOD.replace("6.1", "6.12").replace("KQ-001", "")
        self.assertEqual(self.run_tool(GOOD, other), 1)
        self.assertIn("KQ-001 is unproven on 6.12", self.output)
        self.assertNotIn("KQ-001 is unproven on 6.1:", self.output)

    def test_gtest_counts_for_every_kernel(self):
        gtest = """[==========] Running 2 tests from 1 test suite.
[ RUN      ] abi.KQ001_layout
[       OK ] abi.KQ001_layout (0 ms)
[ RUN      ] abi.nothing
[  SKIPPED ] abi.nothing (0 ms)
[  PASSED  ] 1 test.
"""
        text = GOOD.replace("KQ-001", "")
        self.assertEqual(self.run_tool(text, gtest, labels=("k", "any")), 0)
        self.assertIn("abi.KQ001_layout", self.output)
        failing = gtest.replace("[       OK ]", "[  FAILED  ]")
        self.assertEqual(self.run_tool(text, failing, labels=("k", "any")), 1)
        crashed = "\n".join(gtest.splitlines()[:4])
        self.assertEqual(self.run_tool(text, crashed, labels=("k", "any")), 1)

    def test_unusable_lists(self):
        self.exceptions = "KQ-001 | *\n"
        with contextlib.redirect_stderr(io.StringIO()) as errors:
            self.assertEqual(self.run_tool(GOOD), 2)
        self.assertIn("exceptions:1: wanted 3 columns", errors.getvalue())

    def test_own_lists(self):
        checks = conformance.read_checks(conformance.HERE / "checks.txt")
        self.assertEqual(list(checks), [f"KQ-{n:03}" for n in range(1, 249)])
        for number, _, _ in conformance.read_table(conformance.HERE / "exceptions.txt", 3):
            self.assertIn(number, checks)


if __name__ == "__main__":
    unittest.main()
