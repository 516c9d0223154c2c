#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Slots on the real daemons: each kind is added, listed, tested, used after a restart and removed; a quorum by people who
mistype, repeat themselves and come too late; and nothing secret lies about afterwards."""

import json
import os
import pwd
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

CONF = """
[keystore]
key_file = /var/lib/rotated/auth.key
share_timeout = %s
"""
SECOND = "another passphrase of somebody else"
AGAIN, REFUSED, NOTHING = 75, 1, 3


def slots(root):
    return json.loads(root.ctl("--json", "store", "slot", "list").stdout)["slots"]


def status(root):
    return json.loads(root.ctl("--json", "status").stdout)


def keystore(root):
    s = status(root)["keystore"]
    return s["auth"], s["issuer"]


def entered(root):
    return [(s["entered"], s["needed"]) for s in status(root)["keystore"]["shares"]]


def events(root, event):
    lines = json.loads(root.ctl("--json", "audit", "show", "--count", "1000").stdout)["records"]
    return [(e["outcome"], e.get("obj") or "") for e in lines if e["ev"] == event]


def restart(root, vault):
    vault.stop()
    return root.start_vault()


def expect(results, done, code, sentence, *holds):
    said = done.stdout + done.stderr
    results.check(done.returncode == code and all(h in said for h in holds), sentence,
                  f"exit {done.returncode}, wanted {code} and {holds}: {said}")
    return done


def add(root, *words, stdin=""):
    return json.loads(root.ctl("--json", "store", "slot", "add", *words, stdin=stdin).stdout)


def unseal(root, secret, *how):
    return root.ctl("unseal", *how, stdin=secret + "\n", check=False)


def change(share):
    """Another last letter before the checksum: as a slip of the pen."""
    at = len(share) - 6
    return share[:at] + ("Y" if share[at] == "Z" else "Z") + share[at + 1 :]


# ---- the kinds that one person opens ----


def passphrase_slot(results, root, vault):
    expect(results, root.ctl("store", "slot", "add", "passphrase", "--dry-run", stdin=SECOND + "\n"), 0,
           "--dry-run says what would be added", "would add")
    results.equal(len(slots(root)), 3, "and adds nothing")
    made = add(root, "passphrase", stdin=SECOND + "\n")["slots"][0]
    results.equal((made["kind"], made["tiers"]), ("passphrase", ["auth", "issuer"]), "a second passphrase opens both tiers")
    several = root.ctl("store", "slot", "remove", "passphrase", check=False)
    expect(results, several, REFUSED, "a kind that fits two slots is refused, naming them", made["id"][:8])
    expect(results, root.ctl("store", "slot", "test", made["id"][:6], stdin=SECOND + "\n", check=False), 0,
           "it is tested with what it needs", "it opens the keystore")
    expect(results, root.ctl("store", "slot", "test", made["id"][:6], stdin="wrong\n", check=False), REFUSED,
           "and a wrong passphrase is told")
    vault = restart(root, vault)
    expect(results, unseal(root, SECOND), 0, "after a restart it opens the keystore", "both tiers")
    root.ctl("store", "slot", "remove", made["id"][:8])
    root.ctl("seal")
    expect(results, unseal(root, SECOND), REFUSED, "removed, it does not any more")
    root.unseal()
    return vault


def key_file_slot(results, root):
    path = root.write("spare.key", "k" * 40, 0o600)
    made = add(root, "key-file", "--key-file", path, "--issuer")["slots"][0]
    results.equal(made["tiers"], ["auth", "issuer"], "--issuer lets a key file open both tiers")
    expect(results, root.ctl("store", "slot", "test", made["id"], "--key-file", path, check=False), 0,
           "a key file is tested by its content")
    root.ctl("seal")
    expect(results, root.ctl("unseal", "--key-file", path, check=False), 0, "and opens what it should", "both tiers")
    root.ctl("store", "slot", "remove", made["id"])
    absent = root.join("absent.key")
    done = root.ctl("store", "slot", "add", "key-file", "--key-file", absent, check=False)
    expect(results, done, REFUSED, "a key file that is not there makes no slot, and no file", absent)
    command = done.stderr.partition("next: ")[2].strip()
    results.check(not os.path.exists(absent) and command.endswith(f"'{absent}')"), "but names the command for one",
                  done.stderr)
    subprocess.run(["sh", "-c", command], check=True, timeout=harness.PATIENCE)
    results.equal(os.stat(absent).st_mode & 0o777, 0o600, "which nobody else can read")
    again = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=harness.PATIENCE)
    results.check(again.returncode != 0, "and which is written over by nothing")
    made = add(root, "key-file", "--key-file", absent)["slots"][0]
    expect(results, root.ctl("store", "slot", "test", made["id"], "--key-file", absent, check=False), 0,
           "what it makes is a key file")
    root.ctl("store", "slot", "remove", made["id"])
    short = root.write("short.key", "k" * 8, 0o600)
    expect(results, root.ctl("store", "slot", "add", "key-file", "--key-file", short, check=False), REFUSED,
           "a key file that is too short makes no slot")


def recovery_slot(results, root):
    made = add(root, "recovery")
    slot, key = made["slot"]["id"], made["recovery_key"]
    results.check(re.fullmatch(r"RTR1(-[0-9A-Z]{4}){14}", key), "a recovery key is printed, in groups", key)
    expect(results, root.ctl("store", "slot", "test", slot[:8], stdin=key + "\n", check=False), 0, "its copy can be tried")
    expect(results, root.ctl("store", "slot", "test", slot[:8], stdin=change(key) + "\n", check=False), REFUSED,
           "a mistyped one is told", "checksum")
    root.ctl("seal")
    expect(results, unseal(root, key, "--recovery"), 0, "it opens the keystore", "both tiers")
    expect(results, root.ctl("audit", "verify", "--recovery", stdin=key + "\n", check=False), REFUSED,
           "but gives no key of the audit log", "made with")
    root.ctl("store", "slot", "remove", slot[:8])
    said = root.ctl("store", "slot", "add", "recovery").stdout
    results.check("Keep the first recovery key" in said, "which is said to who makes one", said)
    root.ctl("store", "slot", "remove", re.search(r"The slot ([0-9a-f]+) is made", said)[1])
    root.ctl("seal")
    expect(results, unseal(root, key, "--recovery"), REFUSED, "removed, it does not any more")
    root.unseal()
    return key


def last_slots_stay(results, root):
    for kind in ("passphrase", "recovery"):
        for dry in ([], ["--dry-run"]):
            expect(results, root.ctl("store", "slot", "remove", kind, *dry, check=False), REFUSED,
                   "the last %s slot stays%s" % (kind, ", says --dry-run too" if dry else ""))
    results.equal(len(slots(root)), 3, "and all three are still there")
    expect(results, root.ctl("store", "slot", "remove", "feedfeed", check=False), REFUSED, "a slot that is not there is told",
           "feedfeed", "store slot list")


def helpers_need_the_porter(results, root):
    done = root.ctl("store", "slot", "add", "credential", check=False)
    expect(results, done, AGAIN, "a credential needs rotated-unlock", "rotated-unlock")
    blob = root.write("blob", "sealed")
    done = root.ctl("store", "slot", "add", "exec", "--program", "/bin/cat", "--blob", blob, check=False)
    expect(results, done, REFUSED, "a program that the configuration does not name is refused", "[unlock] helper")
    results.equal(len(slots(root)), 3, "and neither leaves a slot")


def tests_without_a_person(results, root):
    done = root.ctl("--json", "store", "slot", "test")
    found = {s["kind"]: s["result"] for s in json.loads(done.stdout)["slots"]}
    results.equal(found, {"passphrase": "untested", "recovery": "untested", "key-file": "ok"},
                  "without a slot, what needs no person is tested, and the others are named")
    path = root.join("var/lib/rotated/auth.key")
    with open(path, encoding="ascii") as f:
        good = f.read()
    with open(path, "w", encoding="ascii") as f:
        f.write(good[::-1])
    done = root.ctl("store", "slot", "test", check=False)
    with open(path, "w", encoding="ascii") as f:
        f.write(good)
    expect(results, done, REFUSED, "a key file that was changed is noticed", "key-file", "failed")


def rekey(results, root, vault):
    ring = root.join("var/lib/rotated/keyring")
    with open(ring, "rb") as f:
        before = f.read()
    expect(results, root.ctl("store", "rekey", "--dry-run"), 0, "rekey --dry-run says what it would do", "would make")
    with open(ring, "rb") as f:
        results.equal(f.read(), before, "and writes nothing")
    expect(results, root.ctl("store", "rekey"), 0, "rekey makes new root keys", "3 slots")
    vault = restart(root, vault)
    results.equal(keystore(root), ("open", "sealed"), "the key file opens what it opened before")
    root.unseal()
    results.equal(keystore(root), ("open", "open"), "and so does the passphrase")
    root.ctl("store", "verify")
    return vault


# ---- a quorum ----


def wrong_shares(results, root, shares, foreign):
    """None of them spoils the first, which was entered."""
    expect(results, unseal(root, change(shares[1]), "--share"), REFUSED, "a mistyped share is told", "checksum")
    expect(results, unseal(root, shares[0].lower(), "--share"), NOTHING, "a share that was entered already is told", "already")
    expect(results, unseal(root, foreign, "--share"), REFUSED, "a share of another set is told", "another set")
    expect(results, unseal(root, "RTR1-ABCD", "--share"), REFUSED, "and what is no share at all", "RTS1")
    results.equal(entered(root), [(1, 3)], "the one that was right is kept")


def five_people(results, root, shares, foreign):
    root.ctl("seal")
    expect(results, unseal(root, shares[3], "--share"), AGAIN, "the first of three shares is taken", "1 of 3", "until")
    wrong_shares(results, root, [shares[3], shares[0]], foreign)
    done = root.ctl("--json", "unseal", "--share", stdin=shares[0] + "\n", check=False)
    results.check(done.returncode == AGAIN and json.loads(done.stdout)["shares"][0]["entered"] == 2,
                  "--json tells how many there are", done.stdout + done.stderr)
    said = root.ctl("status").stdout
    results.check("2 of 3 entered, kept until" in said, "status says how many and until when", said)
    expect(results, unseal(root, shares[4], "--share"), 0, "the last one that is needed opens the keystore", "both tiers")
    results.equal(entered(root), [], "and none is kept")
    told = [outcome for outcome, _ in events(root, "store.share")]
    results.check(told[-7:].count("ok") == 3 and told[-7:].count("refused") == 4,
                  "all seven entries are in the audit log", told)


def forgotten(results, root, shares):
    root.ctl("seal")
    unseal(root, shares[0], "--share")
    root.unseal()
    results.equal(entered(root), [], "a passphrase makes the shares that were entered forgotten")
    root.ctl("seal")
    unseal(root, shares[0], "--share")
    root.ctl("seal", check=False)
    unseal(root, shares[1], "--share")
    results.check(entered(root)[0][0] <= 2, "a seal does no harm")
    root.unseal()


def own_share(results, root, slot, shares):
    done = root.ctl("store", "slot", "test", slot[:8], stdin=shares[2] + "\n", check=False)
    expect(results, done, 0, "each holder can try the own share alone", "1 right")
    done = root.ctl("store", "slot", "test", "quorum", stdin="\n".join(shares[2:]) + "\n", check=False)
    expect(results, done, 0, "and three together the slot", "it opens the keystore")
    done = root.ctl("store", "slot", "test", "quorum", stdin=change(shares[2]) + "\n", check=False)
    expect(results, done, REFUSED, "a mistyped one is told there too", "checksum")


def quorum(results, root, vault):
    bad = root.ctl("store", "slot", "add", "quorum", "--shares", "3", "--threshold", "4", check=False)
    expect(results, bad, REFUSED, "a quorum that nobody could reach is refused", "--threshold")
    done = root.ctl("store", "slot", "add", "quorum", "--shares", "5", "--threshold", "3", "--dry-run")
    expect(results, done, 0, "--dry-run of a quorum makes no shares", "5 shares, 3")
    made = add(root, "quorum", "--shares", "5", "--threshold", "3")
    slot, shares = made["slot"]["id"], made["shares"]
    results.check(len(set(shares)) == 5 and all(re.fullmatch(r"RTS1(-[0-9A-Z]{4}){18}", s) for s in shares),
                  "five shares are printed")
    out = root.join("papers")
    os.mkdir(out, 0o700)
    other = json.loads(root.ctl("--json", "store", "slot", "add", "quorum", "--shares", "2", "--threshold", "2",
                                "--out", out).stdout)
    results.check("shares" not in other and len(other["files"]) == 2, "with --out, shares are not printed", list(other))
    results.equal({os.stat(f).st_mode & 0o777 for f in other["files"]}, {0o600}, "but lie in files that one user can read")
    with open(other["files"][0], encoding="ascii") as f:
        foreign = f.read().strip()
    root.ctl("store", "slot", "remove", other["slot"]["id"])
    vault = restart(root, vault)
    root.unseal()
    own_share(results, root, slot, shares)
    five_people(results, root, shares, foreign)
    forgotten(results, root, shares)
    root.ctl("store", "slot", "remove", "quorum")
    root.ctl("seal")
    expect(results, unseal(root, shares[0], "--share"), REFUSED, "shares of a slot that was removed are told", "no quorum slot")
    root.unseal()
    return vault, shares


def too_late(results):
    with harness.Root(CONF % "2s") as root:
        root.start_vault()
        root.open_store("--unattended")
        shares = add(root, "quorum", "--shares", "3", "--threshold", "2")["shares"]
        root.ctl("seal")
        expect(results, unseal(root, shares[0], "--share"), AGAIN, "a share waits for the next one")
        harness.poll("the share to be forgotten", lambda: entered(root) == [])
        expect(results, unseal(root, shares[1], "--share"), AGAIN, "which comes too late, and is the first again", "1 of 2")
        expect(results, unseal(root, shares[0], "--share"), 0, "until the other one is entered anew", "both tiers")
        results.check(("ok", True) in [(o, "too long" in what) for o, what in events(root, "store.shares-forgotten")],
                      "that they were forgotten is in the audit log", events(root, "store.shares-forgotten"))


# ---- what the porter gets the key of ----


def helper_slot(results, root, words, kind):
    """Adds one, and sees it open the AUTH tier by itself after a restart."""
    dry = root.ctl("store", "slot", "add", *words, "--dry-run")
    expect(results, dry, 0, "%s: --dry-run says what would be added" % kind, "would add")
    made = add(root, *words)["slots"][0]
    results.equal((made["kind"], made["tiers"]), (kind, ["auth"]), "%s: it opens the tier for logins" % kind)
    expect(results, root.ctl("store", "slot", "test", kind, check=False), 0, "%s: it is tested without a person" % kind)
    found = {s["kind"]: s["result"] for s in json.loads(root.ctl("--json", "store", "slot", "test").stdout)["slots"]}
    results.equal(found.get(kind), "ok", "%s: also among all others" % kind)
    return made


def opened_by_itself(results, root, vault, kind):
    vault = restart(root, vault)
    harness.poll("the slot to open the keystore", lambda: keystore(root) == ("open", "sealed"))
    results.check(True, "%s: after a restart it opens the keystore for logins, without a person" % kind)
    root.unseal()
    root.ctl("store", "slot", "remove", kind)
    results.check(kind not in [s["kind"] for s in slots(root)], "%s: it is removed" % kind)
    return vault


def with_the_porter(results):
    harness.need_programs("systemd-creds")
    user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    with harness.Root() as root:
        helper = root.write("helpers/gives", "#!/bin/sh\nexec cat\n", 0o755)
        broken = root.write("helpers/fails", "#!/bin/sh\necho no token >&2; exit 3\n", 0o755)
        root.write("etc/rotated/rotated.conf", "[unlock]\nhelper = %s\nhelper = %s\nhelper_user = %s\n" % (helper, broken, user))
        os.makedirs(root.join("var/lib/systemd"))
        vault = root.start_vault()
        root.open_store()
        root.start_porter()
        add_broken = ["store", "slot", "add", "exec", "--program", broken, "--blob", helper]
        harness.poll("the helper to be asked", lambda: "no token" in root.ctl(*add_broken, check=False).stderr)
        results.equal(len(slots(root)), 2, "a helper that fails makes no slot")
        key = root.write("key", "0123456789abcdef" * 3, 0o600)
        helper_slot(results, root, ["exec", "--program", helper, "--blob", key], "exec")
        vault = opened_by_itself(results, root, vault, "exec")
        helper_slot(results, root, ["credential"], "credential")
        opened_by_itself(results, root, vault, "credential")


# ---- what is left behind ----


def nothing_secret(results, root, secrets):
    found = []
    for folder, _, names in os.walk(root.path):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path) or "papers" in folder:
                continue
            with open(path, "rb") as f:
                content = f.read()
            found += [path for s in secrets if s.encode() in content or s.replace("-", "").encode() in content]
    results.equal(sorted(set(found)), [], "no passphrase, share or recovery key is in any file or log")


def command_line(results, root, shares):
    """What a share looks like to somebody who watches the processes: nothing."""
    child = subprocess.Popen(
        [harness.build_path("rotatectl", root.build), "--root", root.path, "unseal", "--share"],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def read(name):
        with open(f"/proc/{child.pid}/{name}", "rb") as f:
            return f.read()

    seen = harness.poll("the program to have its arguments", lambda: read("cmdline")) + read("environ")
    child.communicate(shares[0].encode() + b"\n", timeout=harness.PATIENCE)
    results.check(b"RTS1" not in seen and b"unseal" in seen, "a share is neither argument nor environment")


def main():
    results = harness.Results()
    with harness.Root(CONF % "10m") as root:
        vault = root.start_vault()
        root.open_store("--unattended")
        vault = passphrase_slot(results, root, vault)
        key_file_slot(results, root)
        key = recovery_slot(results, root)
        last_slots_stay(results, root)
        helpers_need_the_porter(results, root)
        tests_without_a_person(results, root)
        vault = rekey(results, root, vault)
        vault, shares = quorum(results, root, vault)
        command_line(results, root, shares)
        outcomes = {o for e in ("store.slot-add", "store.slot-remove", "store.rekey") for o, _ in events(root, e)}
        results.equal(outcomes, {"intent", "ok", "failed"}, "each change has its intent and its end in the audit log")
        nothing_secret(results, root, [SECOND, harness.PASSPHRASE, key, *shares])
        root.ctl("audit", "verify")
    too_late(results)
    with_the_porter(results)
    results.exit()


main()
