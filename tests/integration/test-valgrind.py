#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The life of the three daemons under valgrind: no error and nothing lost at the end."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"]
CONF = """
[engine]
allow_short_waits = yes
"""


def program(root, name):
    """The program itself, where libtool has put a script in its place."""
    path = harness.build_path(name, root.build)
    real = os.path.join(os.path.dirname(path), ".libs", name)
    return real if os.path.exists(real) else path


def start(root, name):
    argv = [*VALGRIND, program(root, name), "--root", root.path]
    return root.adopt(harness.Daemon(argv, root.join("log", name + ".log")))


def main():
    harness.need_programs("valgrind")
    harness.PATIENCE = 300  # Argon2id, fifty times slower than it is meant to be slow
    results = harness.Results()
    with harness.Root(CONF, build=harness.plain_build()) as root:
        root.service("billing")
        os.makedirs(root.join("var/spool/postfix/private"))
        daemons = {name: start(root, name) for name in ("rotated", "rotated-auth", "rotated-worker")}
        root.ctl("init", stdin=harness.PASSPHRASE)
        with results.case("issue, rotate, revoke, seal and unseal work under valgrind"):
            root.ctl("credential", "issue", "billing")
            root.ctl("credential", "rotate", "billing")
            root.ctl("credential", "revoke", "billing.1")
            root.ctl("seal")
            root.ctl("unseal", stdin=harness.PASSPHRASE)
            for words in (["status"], ["plan"], ["audit", "verify"], ["store", "verify"]):
                root.ctl(*words)
        for name, daemon in daemons.items():
            code = daemon.stop()
            results.check(code == 0 and "==" not in daemon.log(), f"valgrind finds nothing in {name}",
                          f"exit {code}\n{daemon.log()}")
    results.exit()


main()
