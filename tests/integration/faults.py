# SPDX-License-Identifier: BSD-2-Clause
"""A vault whose disk fails on demand: tests/unit/faultshim.h, from the outside."""

import mmap
import os
import struct

from harness import BUILD, Daemon, build_path, is_asan_build, skip

SHIM = os.path.join(BUILD, "tests/unit/.libs/faultshim.so")
NONE, EIO, ENOSPC, EROFS, EIO_LATE, SHORT_ENOSPC = 0, 1, 2, 3, 5, 7  # enum fault_kind
KILL_BEFORE, KILL_MIDDLE, KILL_AFTER = 8, 9, 10
CHANGES = 127
FOR_GOOD = (1 << 64) - 1
PLAN_LEN = 256


class Plan:
    """What the shim in the vault does next: struct fault_plan."""

    def __init__(self, path):
        with open(path, "w+b") as f:
            f.truncate(PLAN_LEN)
            self.map = mmap.mmap(f.fileno(), PLAN_LEN)

    def arm(self, kind, nth, lasting=1):
        self.map[8:] = struct.pack("=QQQQ", nth, lasting, 0, 0) + bytes(PLAN_LEN - 40)
        self.map[:8] = struct.pack("=II", kind, CHANGES)  # last: from here on it counts

    def disarm(self):
        self.map[:8] = bytes(8)

    def seen(self):
        return struct.unpack("=Q", self.map[24:32])[0]

    def what(self):
        return bytes(self.map[40:232]).split(b"\0")[0].decode()


def need_shim():
    if not os.path.isfile(SHIM):
        skip(f"{SHIM} is not built: make check TESTS=")


def start_vault(site, plan, **more):
    """With the shim in it, which acts on what is below var; MORE of the shim's environment."""
    env = dict(os.environ, LD_PRELOAD=SHIM, FAULT_DIR=site.join("var"), FAULT_PLAN=site.join("plan"))
    env.update(more)
    if is_asan_build(site.build):
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
    plan.disarm()
    argv = [build_path("rotated", site.build), "--root", site.path]
    site.daemons["rotated"] = site.adopt(Daemon(argv, site.join("log", "rotated.log"), env=env))
