#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A vault that may not lock all of its keys into memory works, and says so, with what to set. In a
build without ASan, which takes mlock() away."""

import ctypes
import json
import os
import re
import resource
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

PR_CAPBSET_DROP, CAP_IPC_LOCK = 24, 14

results = harness.Results()


def start(root, limit):
    """A vault that may lock so many bytes: as root that takes a capability away, too."""
    def less():
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0)

    argv = [harness.build_path("rotated", root.build), "--root", root.path]
    return root.adopt(harness.Daemon(argv, root.join("log", "rotated.log"), preexec_fn=less))


def told(root):
    return json.loads(root.ctl("--json", "status").stdout)["memory"], root.ctl("status").stdout


def limited(root, limit, wanted):
    vault = start(root, limit)
    root.unseal()
    now, said = told(root)
    results.equal((now["state"], now["locked"], now["limit"]), (wanted, False, limit),
                  f"with {limit} bytes it says {wanted}")
    results.check("LimitMEMLOCK=64M" in said and "may reach swap" in said,
                  "status says what that means, and what to set", said)
    vault.stop()


def flags(pid):
    """The flags of each mapping that is locked."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as f:
        found = [line.split()[1:] for line in f if line.startswith("VmFlags:")]
    return [f for f in found if "lo" in f]


def main():
    with harness.Root(build=harness.plain_build()) as root:
        vault = root.start_vault()
        root.open_store()
        now, said = told(root)
        results.equal((now["state"], now["locked"]), ("ok", True), "all is locked")
        results.check(now["bytes"] > 0 and re.search(r"memory    locked, \d+ KiB", said),
                      "status says how much", said)
        locked = flags(vault.pid)
        results.check(locked and all("wf" in f and "dd" in f for f in locked),
                      "what is locked is wiped in a fork, and in no core file", locked)
        vault.stop()
        limited(root, 65536, "partial")
        limited(root, 0, "none")
    results.exit()


main()
