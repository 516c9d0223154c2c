# SPDX-License-Identifier: BSD-2-Clause
"""Mutants: the code with one thing wrong at a time, which the named tests have to find.

A mutant is (what is wrong, file, text as it is, text instead). The text must stand in the file
exactly once, so that a mutant can not silently become the code as it is. What is compiled: the
sources given, from a directory that holds the one changed file and looks for all others in the
tree, without ASan and with NDEBUG: the tests have to notice, not an assertion in the code."""
import os
import shlex
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

TOP = os.path.abspath(os.environ.get("TOP_SRCDIR", "."))
BUILD = os.path.abspath(os.environ.get("TOP_BUILDDIR", "."))
DEADLINE = 300  # seconds, for one mutant


def flags(*packages):
    done = subprocess.run(["pkg-config", "--cflags", "--libs", *packages], check=True, capture_output=True, text=True)
    return shlex.split(done.stdout)


def compiler():
    return [*shlex.split(os.environ.get("CC", "cc")), "-std=gnu11", "-O1", "-DNDEBUG", "-D_GNU_SOURCE", "-w"]


def environment():
    """The tests' own; their long form would be too long for every mutant."""
    return {k: v for k, v in os.environ.items() if k != "ROTATED_LONG"} | {"TOP_SRCDIR": TOP, "TOP_BUILDDIR": BUILD}


class Suite:
    """TESTS: the sources of each test program. COMMON: what every one of them is linked with. TESTS_FOR: for a
    source, the tests that have to find what is wrong in it."""

    def __init__(self, common, tests, libraries, tests_for=None):
        self.common, self.tests, self.libraries = common, tests, libraries
        self.tests_for = tests_for or {}

    def tests_of(self, name):
        """Those that have to find what is wrong in the source NAME; all, unless FOR says otherwise."""
        return self.tests_for.get(name, self.tests)

    def source(self, directory, name):
        changed = os.path.join(directory, name)
        return changed if os.path.exists(changed) else os.path.join(TOP, name)

    def objects(self, directory, sources):
        """Compiled; what is not changed was compiled once for all mutants."""
        for name in sources:
            target = os.path.join(directory, name.replace("/", "-") + ".o")
            command = [*compiler(), "-I", directory, "-I", TOP, "-I", BUILD, "-c", self.source(directory, name), "-o", target]
            subprocess.run(command + [f for f in self.libraries if not f.startswith("-l")], check=True)
            yield target

    def prepare(self, directory, pool):
        self.ready = dict(zip(self.all(), pool.map(lambda name: next(self.objects(directory, [name])), self.all())))

    def all(self):
        return list(dict.fromkeys(self.common + [s for sources in self.tests.values() for s in sources]))

    def link(self, directory, test, changed):
        names = list(dict.fromkeys(self.common + self.tests[test]))
        again = list(self.objects(directory, [n for n in names if n in changed]))
        program = os.path.join(directory, os.path.basename(test))
        kept = [self.ready[n] for n in names if n not in changed]
        subprocess.run([*compiler(), *again, *kept, *self.libraries, "-o", program], check=True)
        return program

    def run_unchanged(self, directory, test):
        done = subprocess.run([self.link(directory, test, set())], capture_output=True, text=True, errors="replace",
                              cwd=directory, timeout=DEADLINE, env=environment())
        if done.returncode:
            sys.exit("not ok - %s fails with nothing changed\n%s" % (test, done.stdout + done.stderr))


def plant(directory, name, old, new):
    with open(os.path.join(TOP, name), encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        sys.exit("not ok - %s has %d times: %s" % (name, text.count(old), old))
    path = os.path.join(directory, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def find(suite, name, old, new):
    """Which test finds it, and its first words; None when none does."""
    with tempfile.TemporaryDirectory() as directory:
        plant(directory, name, old, new)
        for test in suite.tests_of(name):
            program = suite.link(directory, test, {name})
            try:
                done = subprocess.run([program], capture_output=True, text=True, errors="replace", timeout=DEADLINE,
                                      cwd=directory, env=environment())
            except subprocess.TimeoutExpired:
                return "%s does not end" % test
            if done.returncode:
                said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("ERROR")]
                return "%s %s" % (os.path.basename(test), said[0] if said else "fails")
    return None


def run(suite, mutants):
    """The exit status: 1 when a mutant lives. The tests pass with nothing changed, or prove nothing."""
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(os.cpu_count()) as pool:
        suite.prepare(directory, pool)
        list(pool.map(lambda test: suite.run_unchanged(directory, test), suite.tests))
        lived = 0
        for mutant, found in zip(mutants, pool.map(lambda m: find(suite, *m[1:]), mutants)):
            print("%s - %s%s" % ("ok" if found else "not ok", mutant[0], ": " + found if found else " is found by no test"),
                  flush=True)
            lived += not found
    return 1 if lived else 0
