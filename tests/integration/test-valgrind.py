#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The life of the three daemons and the porter under valgrind: no error and nothing lost at the end."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from whole import SHORT, mux_login, publish_by_knot  # noqa: E402

VALGRIND = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"]
DOMAIN = "example.com"


def program(root, name):
    """The program itself, where libtool has put a script in its place."""
    path = harness.build_path(name, root.build)
    real = os.path.join(os.path.dirname(path), ".libs", name)
    return real if os.path.exists(real) else path


def start(root, name):
    argv = [*VALGRIND, program(root, name), "--root", root.path]
    return root.adopt(harness.Daemon(argv, root.join("log", name + ".log")))


def log_in(root):
    answer = json.loads(root.ctl("--json", "credential", "rotate", "billing").stdout)
    mux = root.join("var/spool/postfix/private/rotated-mux")
    for secret, wanted in ((answer["secret"], "ok"), ("wrong", "no")):
        got = mux_login(mux, answer["login"], secret)
        if got != wanted:
            raise harness.Failure(f"{got} for a login that is {wanted}")


def active_keys(root):
    keys = json.loads(root.ctl("--json", "dkim", "show", DOMAIN).stdout)["keys"]
    live = [key for key in keys if key["state"] != "destroyed"]
    return [key["selector"] for key in live] if [k["state"] for k in live] == ["active"] else []


def rotate_key(root):
    first = None
    for _ in range(2):
        root.ctl("dkim", "rotate", DOMAIN)
        first = harness.poll("only the new key to be left, and active",
                             lambda: [s for s in active_keys(root) if s != first])[0]


def use_porter(root, porter):
    """A key that systemd-creds seals and opens again."""
    harness.poll("the porter to be connected", lambda: "connected to the vault" in porter.log())
    root.ctl("store", "slot", "add", "credential")
    slots = json.loads(root.ctl("--json", "store", "slot", "list").stdout)["slots"]
    root.ctl("store", "slot", "test", next(s["id"] for s in slots if s["kind"] == "credential"))


def main():
    harness.need_programs("valgrind", "knotd", "knotc", "systemd-creds")
    harness.PATIENCE = 300  # Argon2id, fifty times slower than it is meant to be slow
    results = harness.Results()
    with harness.Root(SHORT, build=harness.plain_build()) as root:
        root.service("billing")
        os.makedirs(root.join("var/spool/postfix/private"))
        publish_by_knot(root, DOMAIN)
        os.makedirs(root.join("var/lib/systemd"))
        daemons = {name: start(root, name)
                   for name in ("rotated", "rotated-auth", "rotated-worker", "rotated-unlock")}
        root.ctl("init", stdin=harness.PASSPHRASE)
        with results.case("issue, rotate, revoke, seal and unseal work under valgrind"):
            root.ctl("credential", "issue", "billing")
            root.ctl("credential", "rotate", "billing")
            root.ctl("credential", "revoke", "billing.1")
            root.ctl("seal")
            root.ctl("unseal", stdin=harness.PASSPHRASE)
            for words in (["status"], ["plan"], ["audit", "verify"], ["store", "verify"]):
                root.ctl(*words)
        with results.case("a slot's key is sealed and opened by the porter under valgrind"):
            use_porter(root, daemons["rotated-unlock"])
        with results.case("logins are accepted and refused under valgrind"):
            log_in(root)
        with results.case("a DKIM key is published, rotated and withdrawn under valgrind"):
            rotate_key(root)
        daemons["rotated"].signal(signal.SIGHUP)
        for name, daemon in daemons.items():
            code = daemon.stop()
            results.check(code == 0 and "==" not in daemon.log(), f"valgrind finds nothing in {name}",
                          f"exit {code}\n{daemon.log()}")
    results.exit()


main()
