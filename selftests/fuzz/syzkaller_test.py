#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# Owns the comparison of dev_kqueue.txt with the header it describes: names, fields, sizes.
import os
import re
import subprocess
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
UAPI = os.path.join(os.path.dirname(os.path.dirname(HERE)), "uapi")

# Not of the interface between a program and the module, but parts and sums of what is.
NOT_DESCRIBED = {
    "KQ_DEVICE", "KQ_ABI_VERSION", "KQ_STAMP", "KQ_IOC_MAGIC", "KQ_EVFILT_COUNT", "KQ_EV_RESERVED",
    "KQ_KEVENT_FLAGS", "KQ_STATE_FLAGS", "KQ_SETUP_FLAGS", "EV_SYSFLAGS", "NOTE_PCTRLMASK",
    "NOTE_PDATAMASK", "NOTE_FFCTRLMASK", "NOTE_FFLAGSMASK",
}
SIZES = {"int16": 2, "int32": 4, "int64": 8, "fd": 4, "pid": 4}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


HEADER = without_comments(read(os.path.join(UAPI, "linux/kqueue.h")))
DESCRIPTION = re.sub(r"(?m)^#.*", "", read(os.path.join(HERE, "dev_kqueue.txt")))


def header_structs():
    """The names of fields of each structure of the header."""
    return {name: re.findall(r"(\w+)(?:\[\d+\])?;", body)
            for name, body in re.findall(r"struct (\w+) \{(.*?)\};", HEADER, flags=re.S)}


def described_structs():
    """Name and type of the fields of each structure, templates included."""
    return {name: re.findall(r"(?m)^\t(\w+)\s+(.*\S)$", body)
            for name, body in re.findall(r"(?ms)^(?:type )?(\w+)(?:\[[^\n]*\])? \{\n(.*?)^\}", DESCRIPTION)}


def size_of(kind):
    array = re.fullmatch(r"array\[(.*), (\d+)\]", kind)
    if array:
        return size_of(array[1]) * int(array[2])
    if kind.startswith("ptr64["):
        return 8
    if kind in SIZES:
        return SIZES[kind]
    return SIZES[re.search(r"\b(int16|int32|int64)\b(?:\[[\d:]+\])?\]?$", kind)[1]]


def compile_sizes(names):
    """sizeof each structure, and a build that fails at an unknown constant."""
    lines = [f'printf("{name} %zu\\n", sizeof(struct {name}));' for name in names]
    lines += [f"(void)({name});" for name in sorted(described_constants())]
    source = ("#include <fcntl.h>\n#include <stdio.h>\n#include <linux/kqueue.h>\n"
              "int main(void) { " + "\n".join(lines) + " return 0; }\n")
    program = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"kq-syzkaller-test-{os.getpid()}")
    try:
        subprocess.run(["cc", "-x", "c", "-I", UAPI, "-o", program, "-"], input=source.encode(),
                       check=True)
        said = subprocess.run([program], stdout=subprocess.PIPE, check=True).stdout.decode()
    finally:
        if os.path.exists(program):
            os.unlink(program)
    return {name: int(size) for name, size in (line.split() for line in said.splitlines())}


def described_constants():
    # A call's variant repeats the name of its command.
    text = re.sub(r"\w+\$\w+", "", DESCRIPTION)
    text = re.sub(r"(?m)^include .*", "", text)
    return set(re.findall(r"\b(?:KQ|EV|EVFILT|NOTE|VQ|O)_[A-Z0-9_]+\b", text))


class Description(unittest.TestCase):
    def test_every_constant_is_described(self):
        defined = set(re.findall(r"(?m)^#define\s+((?:KQ|EV|EVFILT|NOTE|VQ)_\w+)", HEADER))
        defined -= {name for name in defined if name.startswith("KQ_FEATURE_")}
        self.assertGreater(len(defined), 60)
        self.assertEqual(defined - NOT_DESCRIBED - described_constants(), set())

    def test_fields_are_those_of_the_header(self):
        header, described = header_structs(), described_structs()
        for name, template in (("kq_kevent", "kq_kevent_of"), ("kq_event", "kq_event_of"),
                               ("kq_event_ilp32", "kq_event_ilp32"), ("kq_info", "kq_info"),
                               ("kq_setup", "kq_setup")):
            self.assertEqual(header[name], [field for field, _ in described[template]], name)

    def test_sizes_are_those_of_the_header(self):
        described = described_structs()
        sizes = compile_sizes(["kq_kevent", "kq_info", "kq_setup", "kq_event", "kq_event_ext",
                               "kq_event_ilp32"])
        for name, template in (("kq_kevent", "kq_kevent_of"), ("kq_event_ilp32", "kq_event_ilp32"),
                               ("kq_info", "kq_info"), ("kq_setup", "kq_setup")):
            total = sum(size_of(kind) for _, kind in described[template])
            self.assertEqual(sizes[name], total, name)
        for record, size in re.findall(r"kq_kevent_of\[(kq_event\w*), (\d+)\]", DESCRIPTION):
            self.assertEqual(sizes[record], int(size), record)

    def test_flag_sets_exist(self):
        sets = set(re.findall(r"(?m)^(\w+) = ", DESCRIPTION))
        used = set(re.findall(r"flags\[(kq_\w+)", DESCRIPTION))
        used |= set(re.findall(r"\b(kq_\w+_notes)\b", DESCRIPTION))
        self.assertEqual(used - sets, set())
        self.assertEqual(sets - used, set())


if __name__ == "__main__":
    unittest.main()
