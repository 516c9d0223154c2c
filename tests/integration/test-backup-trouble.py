#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Backups whose reader sleeps, dawdles or dies, and disks that fill up on either side."""

import json
import mmap
import os
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire  # noqa: E402
from harness import BUILD, PASSPHRASE, PATIENCE, Daemon, Process, Results, Root, build_path, is_asan_build, poll  # noqa: E402

INSIDE = "ROTATED_TEST_NAMESPACE"  # set in the environment of the second run
SHIM = os.path.join(BUILD, "tests/unit/.libs/clockshim.so")
SERVICES = 900  # what makes a backup of enough pieces
PIECES = 8

results = Results()


class Clock:
    """How far the clocks of the vault are ahead: tests/unit/clockshim.c."""

    def __init__(self, path):
        with open(path, "w+b") as f:
            f.truncate(8)
            self.map = mmap.mmap(f.fileno(), 8)
        self.ahead = 0

    def advance(self, seconds):
        self.ahead += seconds
        self.map[:] = struct.pack("=q", self.ahead)


class Client:
    def __init__(self, root):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(root.join("run/rotated/control"))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def ask(self, verb, *fields):
        self.socket.sendall(wire.pack([("verb", verb), *fields]))
        return wire.unpack(self.socket.recv(wire.FRAME_MAX))


def start_vault(root, clock_file):
    env = dict(os.environ, LD_PRELOAD=SHIM, CLOCK_AHEAD=clock_file)
    if is_asan_build(root.build):
        env["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
    argv = [build_path("rotated", root.build), "--root", root.path]
    return root.adopt(Daemon(argv, root.join("log", "rotated.log"), env=env))


def alarms(root):
    return json.dumps(json.loads(root.ctl("--json", "status").stdout)["alarms"])


def make_large(root):
    with Client(root) as client:
        for i in range(SERVICES):
            got = client.ask("Credential.Issue", ("service", f"s{i}"))
            assert got["status"] == b"ok", got


def sleeper(root, vault, clock):
    """Nothing is asked for ten minutes: it is given up, and who comes back is told."""
    with Client(root) as client:
        client.ask("Store.Backup")
        clock.advance(9 * 60)
        results.check("data" in client.ask("Store.BackupData"), "a reader that sleeps nine minutes goes on")
        clock.advance(9 * 60)
        results.check("data" in client.ask("Store.BackupData"), "and again: it is what was not asked that counts")
        clock.advance(10 * 60 + 1)
        poll("the backup to be given up",
             lambda: root.ctl("status") and "nothing was asked of it for 10 minutes" in vault.log())
        got = client.ask("Store.BackupData")
        results.check(got["status"] == b"refused" and b"given up" in got["message"],
                      "after ten it is given up, and it is told so", got)
    results.equal(root.ctl("store", "backup", root.join("after")).returncode, 0, "and another one can be made")


def sleeping_restorer(root, vault, clock, recovery):
    """The same for what is handed over."""
    with open(root.join("after"), "rb") as f:
        data = f.read(60000)
    before = vault.log().count("nothing was asked of it")
    with Client(root) as client:
        client.ask("Store.Restore", ("recovery_key", recovery), ("verify", "1"))
        client.ask("Store.RestoreData", ("data", data))
        clock.advance(10 * 60 + 1)
        poll("the check to be given up",
             lambda: root.ctl("status") and vault.log().count("nothing was asked of it") > before)
        got = client.ask("Store.RestoreData", ("data", data))
        results.equal(got["status"], b"refused", "who stops handing over is given up as well")


def dawdler(root, clock):
    """An hour for one backup: the store grows meanwhile, and somebody should know."""
    with Client(root) as client:
        client.ask("Store.Backup")
        for _ in range(6):
            clock.advance(9 * 60 + 59)
            client.ask("Store.BackupData")
        results.check("longer than an hour" not in alarms(root), "just before an hour there is no alarm")
        clock.advance(60)
        got = client.ask("Store.BackupData")
        results.check("longer than an hour" in alarms(root), "after an hour there is", alarms(root))
        pieces = PIECES - 1
        while "last" not in got:
            got = client.ask("Store.BackupData")
            pieces += 1
        results.check(pieces >= PIECES, "the backup was long enough for this", pieces)
        results.check("longer than an hour" not in alarms(root), "it goes when the backup ends", alarms(root))


def vault_that_stops(path):
    """Gives a backup of which nothing comes after the second piece."""
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.settimeout(PATIENCE)
    server.bind(path)
    server.listen()
    return server


def killed_reader(old):
    """rotatectl dies while it writes FILE: the name stays with what had it, and nothing else is left."""
    begun = json.dumps({"store_id": "00" * 16, "txid": 1, "time": "2026-11-23T08:30:00Z", "records": 1,
                        "tombstones": 0, "recipients": 1})
    with Root() as root:
        folder = root.join("backups")
        os.mkdir(folder)
        path = root.write("backups/keystore.backup", "the one of yesterday")
        with vault_that_stops(root.join("run/rotated/control")) as server:
            client = root.adopt(Process([build_path("rotatectl", root.build), "--root", root.path, "store", "backup",
                                         path], root.join("log/rotatectl")))
            connection, _ = server.accept()
            with connection:
                connection.settimeout(PATIENCE)
                connection.recv(wire.FRAME_MAX)
                connection.sendall(wire.pack([("status", "ok"), ("json", begun)]))
                for _ in range(2):
                    asked = wire.unpack(connection.recv(wire.FRAME_MAX))
                    assert asked["verb"] == b"Store.BackupData", asked
                    connection.sendall(wire.pack([("status", "ok"), ("data", old[:60000])]))
                connection.recv(wire.FRAME_MAX)  # it has written both, and asks for the third
                client.kill()
        results.equal(os.listdir(folder), ["keystore.backup"], "a rotatectl that is killed leaves no file")
        with open(path, encoding="utf-8") as f:
            results.equal(f.read(), "the one of yesterday", "and the one that has the name stays")


# ---- full disks ----

class Disk:
    """A small file system of its own."""

    def __init__(self, path, size):
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "none", path], check=True,
                       timeout=PATIENCE)
        self.path = path
        self.ballast = os.path.join(path, "ballast")

    def leave(self, size):
        """Fills it up to SIZE bytes."""
        fs = os.statvfs(self.path)
        with open(self.ballast, "wb") as f:
            f.write(bytes(max(0, fs.f_bavail * fs.f_frsize - size)))

    def free(self):
        os.unlink(self.ballast)

    def names(self):
        return sorted(name for name in os.listdir(self.path) if name not in ("ballast", "index"))


def full_reader(root, size):
    """The disk that the backup is written to."""
    disk = Disk(root.join("small"), "8m")
    path = os.path.join(disk.path, "keystore.backup")
    for room in (0, 4096, size // 2, size - 4096):
        disk.leave(room)
        done = root.ctl("store", "backup", path, check=False)
        results.check(done.returncode == 1 and "make room" in done.stderr,
                      f"with room for {room} of {size} bytes a backup says so", done.stdout + done.stderr)
        results.equal(disk.names(), [], "and leaves nothing")
        disk.free()
    results.equal(root.ctl("store", "backup", path).returncode, 0, "with room it is made")
    with open(path, "rb") as f:
        return f.read()


def full_restore(backup, recovery):
    """The disk of the vault."""
    with Root() as root:
        disk = Disk(root.join("var/lib/rotated"), "32m")
        path = root.join("keystore.backup")
        with open(path, "wb") as f:
            f.write(backup)
        vault = root.start_vault()
        before = disk.names()
        disk.leave(0)
        done = root.ctl("init", stdin=PASSPHRASE + "\n", check=False)
        results.check(done.returncode in (1, 75) and "make room" in done.stderr and vault.is_running(),
                      "on a full disk no keystore is made, and the vault goes on", done.stdout + done.stderr)
        disk.free()
        for room in (0, 16384, len(backup) // 4, len(backup), 2 * len(backup)):
            disk.leave(room)
            done = root.ctl("store", "restore", path, stdin=recovery + "\n", check=False)
            results.check(done.returncode in (1, 75) and "next:" in done.stderr and
                          ("room" in done.stderr or "full" in done.stderr),
                          f"with room for {room} bytes a restore says so", done.stdout + done.stderr)
            results.equal(disk.names(), before, "and leaves nothing")
            disk.free()
        done = root.ctl("store", "restore", path, stdin=recovery + "\n")
        results.check("restored" in done.stdout, "with room it is done", done.stdout)
        results.equal(root.ctl("store", "verify").returncode, 0, "and the keystore is whole")
        results.equal(vault.stop(), 0, "the vault ends cleanly")


# ----

def may_mount():
    """Runs this file again where it may mount; False where that is not permitted."""
    if os.environ.get(INSIDE):
        return True
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    try:
        done = subprocess.run(probe, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except FileNotFoundError:
        return False
    if done.returncode != 0:
        return False
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--mount", sys.executable, "-B", *sys.argv])


def main():
    has_disks = may_mount()
    with Root() as root:
        clock = Clock(root.join("ahead"))
        for i in range(SERVICES):
            root.service(f"s{i}")
        vault = start_vault(root, root.join("ahead"))
        done = root.ctl("--json", "init", "--passphrase-file", root.write("passphrase", PASSPHRASE, 0o600))
        recovery = json.loads(done.stdout)["recovery_key"]
        make_large(root)
        sleeper(root, vault, clock)
        sleeping_restorer(root, vault, clock, recovery)
        dawdler(root, clock)
        with open(root.join("after"), "rb") as f:
            backup = f.read()
        killed_reader(backup)
        if has_disks:
            full_restore(full_reader(root, len(backup)), recovery)
        else:
            print("# full disks: a private mount is not permitted here", flush=True)
        results.equal(vault.stop(), 0, "the vault ends cleanly")
    results.exit()


main()
