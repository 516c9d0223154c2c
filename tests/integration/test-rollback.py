#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Yesterday's keystore on a real vault: it is noticed, nothing is issued, logins go on, and a
person can decide to go on from there without anything being lost from sight."""

import json
import os
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import wire  # noqa: E402

results = harness.Results()

CONF = """[password]
overlap = 1h
[engine]
allow_short_waits = yes
"""


def get(root, *args):
    return json.loads(root.ctl("--json", *args, check=False).stdout)


def verdict(root, login, password):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(root.join("var/spool/postfix/private/rotated-auth"))
        s.sendall(wire.pack([("verb", "Auth.Password"), ("login", login),
                             ("password", password), ("mechanism", "PLAIN")]))
        return wire.unpack(s.recv(wire.FRAME_MAX))["verdict"].decode()


def copy(root, names, to, back=False):
    state = root.join("var/lib/rotated")
    for name in names:
        a, b = os.path.join(state, name), os.path.join(to, name)
        if back:
            a, b = b, a
        if os.path.isdir(b):
            shutil.rmtree(b)
        elif os.path.exists(b):
            os.unlink(b)
        if os.path.isdir(a):
            shutil.copytree(a, b)
        else:
            shutil.copy2(a, b)


def refused(root):
    """Nothing is issued or changed, and each refusal says what to do."""
    for command in (["credential", "issue", "fresh"], ["credential", "rotate", "billing"],
                    ["credential", "revoke", "billing.1"], ["service", "disable", "billing"],
                    ["store", "reseal"]):
        done = root.ctl(*command, check=False)
        results.check(done.returncode in (1, 75) and "next:" in done.stderr,
                      f"rolled back, {' '.join(command)} is refused with the next command",
                      f"exit {done.returncode}: {done.stdout}{done.stderr}")


def accept_by(root, fd):
    argv = [harness.build_path("rotatectl", root.build), "--root", root.path, "--json", "store",
            "restore", "--accept-rollback", "--passphrase-fd", str(fd)]
    return subprocess.run(argv, pass_fds=[fd], capture_output=True, text=True,
                          timeout=harness.PATIENCE, check=False)


def logins(root):
    return {c["login"]: c["state"] for c in get(root, "credential", "list")["credentials"]}


def play(with_log):
    what = "with the audit log" if with_log else "without the audit log"
    with harness.Root(CONF) as root:
        for service in ("billing", "gone", "fresh", "off"):
            root.service(service)
        vault = root.start_vault()
        root.start_door()
        root.open_store()
        billing = root.issue("billing")
        gone = root.issue("gone")
        off = root.issue("off")
        harness.poll("the door to have it", lambda: verdict(root, *billing) == "ok")
        vault.stop()
        yesterday = root.join("yesterday")
        os.makedirs(yesterday)
        copy(root, ["store", "keyring", "index"], yesterday)
        shutil.copytree(root.join("var/log/rotated"), root.join("yesterday-log"))

        vault = root.start_vault()
        root.unseal()
        newer = root.rotate("billing")
        root.revoke(gone[0])
        root.ctl("service", "disable", "off")
        fresh = root.issue("fresh")
        vault.stop()
        copy(root, ["store", "keyring"], yesterday, back=True)
        if not with_log:
            shutil.rmtree(root.join("var/log/rotated"))
            shutil.copytree(root.join("yesterday-log"), root.join("var/log/rotated"))

        vault = root.start_vault()
        root.unseal()
        alarms = get(root, "status")["alarms"]
        results.check(any("rolled back" in a["what"] for a in alarms),
                      f"{what}: status says that it was rolled back", alarms)
        refused(root)
        results.equal(verdict(root, *newer), "ok",
                      "a login made since goes on, since the index is left as it is")
        results.equal(verdict(root, *gone), "reject",
                      "a login revoked since stays refused, for the same reason")
        found = get(root, "store", "verify")
        results.check(any(p["problem"] == "rolled-back" for p in found["problems"]),
                      "store verify says so as well", found)
        results.check(not found["works"]["changes"] and found["works"]["services_able"] == 3,
                      "and what still works", found["works"])

        plan = get(root, "store", "restore", "--accept-rollback", "--dry-run")
        results.equal(plan["known"], with_log, f"{what}: it is said whether the past is known")
        refused(root)
        root.ctl("seal")
        wrong = root.ctl("store", "restore", "--accept-rollback", "--passphrase-file",
                         root.write("wrong", "not the passphrase\n", 0o600), check=False)
        results.check(wrong.returncode == 1 and "passphrase" in wrong.stderr,
                      f"{what}: a wrong passphrase accepts nothing", wrong.stderr)
        read_end, write_end = os.pipe()
        os.write(write_end, harness.PASSPHRASE.encode() + b"\n")
        os.close(write_end)
        done = accept_by(root, read_end)
        os.close(read_end)
        results.equal(done.returncode, 0, f"{what}: a person can decide to go on, with the "
                      "passphrase from a descriptor though all is sealed")
        listed = get(root, "store", "reconcile")["reconcile"]
        results.equal([e["name"] for e in listed],
                      [e["name"] for e in json.loads(done.stdout)["reconcile"]] if
                      done.returncode == 0 else done.stderr,
                      "what was shown is what is on the list")
        names = {e["name"]: e for e in listed}
        if with_log:
            results.equal(set(names), {"password/billing", "password/gone", "password/off",
                                       "password/fresh"},
                          "each service that was changed since is on the list, and no other")
            results.check("version 2" in names.get("password/billing", {}).get("what", ""),
                          "with the version that is not known any more", names)
            results.check(gone[0] not in logins(root) and verdict(root, *gone) == "reject",
                          "what was revoked is revoked again", logins(root))
            results.equal(get(root, "service", "show", "off")["state"], "disabled",
                          "what was disabled is disabled again")
        else:
            results.equal(set(names), {"store"}, "without a log the list says that nobody knows")
            results.equal(verdict(root, *gone), "ok", "and a revoked login is back, as it says")
        results.equal(verdict(root, *newer), "reject", "a login made since does not work")
        results.equal(verdict(root, *billing), "ok", "the one of yesterday does")
        results.equal(verdict(root, *fresh), "reject", "nor one of a service issued since")
        results.check(any("reconcile" in (a["hint"] or "")
                          for a in get(root, "status")["alarms"]), "status shows the list")

        harness.poll("the reseal to end",
                     lambda: get(root, "status")["keystore"]["reseal"] is None)
        login, password = root.rotate("billing")
        least = 3 if with_log else 101
        results.check(int(login.rsplit(".", 1)[1]) >= least,
                      f"{what}: no number is given twice", login)
        results.equal(verdict(root, login, password), "ok", "the new login works")
        again = [e["name"] for e in get(root, "store", "reconcile")["reconcile"]]
        results.check("password/billing" not in again,
                      "an entry leaves the list with a new active version", again)
        vault.stop()
        vault = root.start_vault()
        root.unseal()
        results.equal([e["name"] for e in get(root, "store", "reconcile")["reconcile"]], again,
                      "the list is there after a restart")
        for name in again:
            root.ctl("store", "reconcile", name)
        results.equal(get(root, "store", "reconcile")["reconcile"], [],
                      "and each entry can be ticked off by hand")
        results.equal(root.ctl("store", "verify", check=False).returncode, 0,
                      "the keystore verifies")
        results.equal(root.ctl("audit", "verify", check=False).returncode,
                      0, f"{what}: and so does the audit log")
        vault.stop()

        older_than_the_keyring(root, yesterday)


def older_than_the_keyring(root, yesterday):
    """What was put back can not be put back a second time, but with the keyring of then."""
    copy(root, ["store"], yesterday, back=True)
    vault = root.start_vault()
    done = root.ctl("unseal", stdin=harness.PASSPHRASE + "\n", check=False)
    results.check(done.returncode != 0 and "before the last rekey" in done.stderr and
                  "keyring of the store's time" in done.stderr,
                  "a store older than the keyring's roots does not open, and it is said why",
                  done.stderr)
    results.equal(root.ctl("store", "restore", "--accept-rollback", check=False).returncode, 75,
                  "so it can not be accepted either")
    vault.stop()

    copy(root, ["store", "keyring"], yesterday, back=True)
    vault = root.start_vault()
    root.unseal()
    alarms = get(root, "status")["alarms"]
    results.check(any("of a newer keyring" in a["what"] for a in alarms),
                  "with the keyring of then it opens, and is known as not the newest", alarms)
    refused(root)
    done = root.ctl("store", "restore", "--accept-rollback", check=False)
    results.equal(done.returncode, 0, "it can be accepted with that keyring")
    login, password = root.rotate("billing")
    harness.poll("the new login", lambda: verdict(root, login, password) == "ok")
    harness.poll("the reseal to end",
                 lambda: get(root, "status")["keystore"]["reseal"] is None)
    results.equal(root.ctl("store", "verify", check=False).returncode, 0,
                  "and the keystore verifies")
    vault.stop()
    results.check("ERROR: AddressSanitizer" not in vault.log() and
                  "runtime error" not in vault.log(), "no sanitizer complained", vault.log())


def main():
    play(with_log=True)
    play(with_log=False)
    results.exit()


main()
