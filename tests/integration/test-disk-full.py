#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A full disk, really: the state on a tiny tmpfs in a mount namespace of the test's own."""

import json
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import clients  # noqa: E402
import harness  # noqa: E402
import wire  # noqa: E402

INSIDE = "ROTATED_TEST_NAMESPACE"  # set in the environment of the second run
NEARLY_FULL = 448 * 1024
CONF = """[password]
overlap = 1s
[engine]
allow_short_waits = yes
"""

results = harness.Results()


def enter_namespace():
    """Runs this file again where it may mount, or skips."""
    if os.environ.get(INSIDE):
        return
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=harness.PATIENCE,
                              check=False)
    except FileNotFoundError:
        harness.skip("unshare is not installed")
    if done.returncode != 0:
        harness.skip(f"a private mount is not permitted here: {done.stderr.strip()}")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, "-B", *sys.argv])


class Disk:
    """A file system of its own, which can be filled and freed."""

    def __init__(self, path, size):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", path],
                       check=True, timeout=harness.PATIENCE)
        self.path = path
        self.ballast = os.path.join(path, "ballast")

    def fill(self):
        with open(self.ballast, "ab", buffering=0) as f:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        f.write(b"x" * size)
                except OSError:
                    pass

    def leave(self, size):
        """Full, but for so many bytes."""
        self.fill()
        os.truncate(self.ballast, os.path.getsize(self.ballast) - size)

    def free(self):
        os.unlink(self.ballast)


def get(root, *args):
    return json.loads(root.ctl("--json", *args).stdout)


def versions(root):
    return {c["login"]: c["state"] for c in get(root, "credential", "list")["credentials"]}


def verdict(root, login, password):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(root.join("var/spool/postfix/private/rotated-auth"))
        s.sendall(wire.pack([("verb", "Auth.Password"), ("login", login),
                             ("password", password), ("mechanism", "PLAIN")]))
        return wire.unpack(s.recv(wire.FRAME_MAX))["verdict"].decode()


def use_up_the_page(root):
    """What is left of the log's last page takes some lines: shorter ones than those to come."""
    for verb in ("disable", "enable") * 64:
        if root.ctl("service", verb, "a", check=False).returncode != 0:
            return
    raise harness.Failure("the audit log's disk is not full")


def refused_on_a_full_disk(root, what, before, login, password):
    """No change is made by halves, it is said what to do, and logins go on."""
    for command in (["credential", "issue", "warehouse"], ["credential", "rotate", "billing"],
                    ["credential", "revoke", login]):
        done = root.ctl(*command, check=False)
        results.check(done.returncode in (1, 75) and "next:" in done.stderr and
                      ("room" in done.stderr or "full" in done.stderr),
                      f"with {what} full, {' '.join(command[:2])} says what to do",
                      f"exit {done.returncode}: {done.stdout}{done.stderr}")
    results.equal(versions(root), before, f"with {what} full, nothing is done by halves")
    results.equal(verdict(root, login, password), "ok", f"with {what} full, logins go on")
    results.check(has_room_alarm(root), f"{what} being full is an alarm with the next command",
                  get(root, "status")["alarms"])


def together_on_a_full_disk(root, vault, disk):
    """Changes that would share a transaction fail together, and leave nothing behind."""
    services = [("Service.Disable", {"service": s}) for s in ("a", "billing", "warehouse")]
    disk.fill()
    answers = clients.ask_together(root, vault, services)
    results.equal([a["status"] for a in answers], ["again"] * 3,
                  "on a full disk each of a group is told")
    results.check(all("room" in a["hint"] for a in answers), "and told what to do", answers)
    enabled = {s["service"]: s["enabled"] for s in get(root, "service", "list")["services"]}
    results.equal(set(enabled.values()), {True}, "and all of it is as it was before")
    disk.free()
    before = clients.txid(root)
    answers = clients.ask_together(root, vault, services)
    results.equal([a["status"] for a in answers], ["ok"] * 3, "with room they are done")
    results.equal(clients.txid(root) - before, 1, "in one transaction")
    for service in ("a", "billing", "warehouse"):
        root.ctl("service", "enable", service)


def revoked_on_a_nearly_full_disk(root, disk):
    """Taking something away needs little room, and must not wait for somebody to make more."""
    disk.leave(NEARLY_FULL)
    for service in ("a", "warehouse"):
        for verb in ("disable", "enable"):
            done = root.ctl("service", verb, service, check=False)
            results.equal(done.returncode, 0, f"with {NEARLY_FULL >> 10} KiB left, {verb} is done")
    disk.free()


def has_room_alarm(root):
    return any("room" in (a["hint"] or "") or "full" in (a["hint"] or "")
               for a in get(root, "status")["alarms"])


def main():
    enter_namespace()
    with harness.Root(CONF) as root:
        state = Disk(root.join("var/lib/rotated"), "24m")
        log = Disk(root.join("var/log/rotated"), "1m")
        for service in ("a", "billing", "warehouse"):
            root.service(service)
        vault = root.start_vault()
        root.start_door()
        root.open_store()
        login, password = root.issue("billing")
        harness.poll("the door to have it", lambda: verdict(root, login, password) == "ok")
        for disk, what in ((state, "the disk of the keystore"), (log, "the audit log's disk")):
            before = versions(root)
            disk.fill()
            if disk is log:
                use_up_the_page(root)
            refused_on_a_full_disk(root, what, before, login, password)
            disk.free()
            harness.poll("the alarm to go", lambda: not has_room_alarm(root))
            results.check(True, f"with room for {what} again, the alarm goes by itself")
            old = login
            login, password = root.rotate("billing")
            disk.fill()
            results.equal(verdict(root, login, password), "ok", "a new login works at once")
            disk.free()
            harness.poll("the old one to go", lambda: old not in versions(root))
            results.check(True, "what the full disk held up is done by itself")
        results.equal(verdict(root, old, password), "reject", "the old login is refused")
        together_on_a_full_disk(root, vault, state)
        revoked_on_a_nearly_full_disk(root, state)
        results.equal(root.ctl("audit", "verify", check=False).returncode, 0,
                      "the audit log verifies after all of it")
        results.equal(root.ctl("store", "verify", check=False).returncode, 0,
                      "the keystore verifies after all of it")
        results.equal(vault.stop(), 0, "the vault ends cleanly")
        results.check("ERROR: AddressSanitizer" not in vault.log() and
                      "runtime error" not in vault.log(), "no sanitizer complained", vault.log())
    results.exit()


main()
