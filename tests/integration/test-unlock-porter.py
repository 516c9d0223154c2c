#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotated-unlock as the vault sees it: the real systemd-creds and age, helpers that behave, and
helpers that do not."""

import os
import pwd
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from wire import FakeUnlockVault  # noqa: E402

KEY = bytes(range(200, 232))
NAME = "rotated-00112233445566778899aabbccddeeff"
HELPER_USER = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

HELPERS = {
    # what it says on standard output, which is whole even without a newline
    "gives": "cat",
    "gives-line": "cat; echo",
    "fails": "echo 'the token is not there' >&2; exit 3",
    "dies": "kill -9 $$",
    "hangs": "sleep 1000 & echo $! >\"$(dirname $0)/pids/$$\"; wait",
    "floods": "cat /dev/zero",
    "floods-errors": "head -c 100000 /dev/zero | tr '\\0' e >&2; exit 1",
    "short": "printf 0123456789",
    "says-key": "printf 0123456789abcdef0123456789abcdef; echo got 0123456789abcdef0123456789abcdef >&2; exit 1",
    "tells": "cat >/dev/null; { id -u; id -G; pwd; env | sort; ls /proc/$$/fd | wc -l; grep NoNewPrivs /proc/$$/status; }",
    "writable": "cat",
    "stranger": "cat",
}

results = harness.Results()


def write_helpers(root):
    paths = {}
    for name, script in HELPERS.items():
        paths[name] = root.write(f"helpers/{name}", "#!/bin/sh\n" + script + "\n", 0o755)
    os.chmod(paths["writable"], 0o775)
    os.makedirs(root.join("helpers/pids"))
    os.chmod(root.join("helpers/pids"), 0o777)
    return paths


def helpers(vault, paths):
    results.equal(vault.answer(vault.exec(paths["gives"], KEY))[:2], ("ok", KEY), "a helper gives a key")
    results.equal(vault.answer(vault.exec(paths["gives-line"], KEY))[:2], ("ok", KEY),
                  "the newline of a helper that ends its line is dropped")
    most = os.urandom(4096)
    results.equal(vault.answer(vault.exec(paths["gives"], most))[:2], ("ok", most),
                  "4096 bytes go in, and come out as a key")
    told = vault.answer(vault.exec(paths["tells"], KEY))[1].decode().split("\n")
    user = pwd.getpwnam(HELPER_USER)
    results.equal(told[:2], [str(user.pw_uid), str(user.pw_gid)] if os.geteuid() == 0 else told[:2],
                  "a helper runs as helper_user, in its group and no other")
    results.equal(told[2:-2], ["/", "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/"],
                  "a helper has no environment but PATH and LC_ALL")
    results.check(told[-1].endswith("1"), "a helper gets no privileges that it does not have", told)


def broken_helpers(vault, paths):
    for name, wanted in (
            ("fails", "failed with status 3: the token is not there"),
            ("dies", "was ended by signal 9"),
            ("floods", "printed at least 4098 bytes, where a key has 32 to 4096"),
            ("floods-errors", "failed with status 1: eee"),
            ("short", "printed 10 bytes, where a key has 32 to 4096")):
        result, key, text = vault.answer(vault.exec(paths[name]))
        results.check(result == "failed" and key is None and wanted in text and len(text) < 1100,
                      f"a helper that {name.replace('-', ' ')} has failed, and why is told", (result, text))
    result, key, text = vault.answer(vault.exec(paths["says-key"]))
    results.check(result == "failed" and "0123456789abcdef" not in text,
                  "what a failed helper printed is not repeated from its standard error", text)
    result, key, text = vault.answer(vault.exec(paths["hangs"], timeout=1))
    results.check(result == "timeout" and "did not end within 1s" in text, "a helper that hangs is killed", text)


def pids_of(root):
    folder = root.join("helpers/pids")
    found = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="ascii") as f:
            child = f.read().strip()
        if not child:
            return []
        found += [int(name), int(child)]
    return found


def are_gone(pids):
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as f:
                if f.read().rpartition(")")[2].split()[0] != "Z":
                    return False
        except FileNotFoundError:
            pass
    return True


def refused_helpers(root, vault, paths):
    for path, wanted in (
            (paths["stranger"], "is not among the helpers"),
            ("/bin/sh", "is not among the helpers"),
            (paths["writable"], "can be written by others")):
        result, _, text = vault.answer(vault.exec(path, KEY))
        results.check(result == "refused" and wanted in text, f"{os.path.basename(path)}: {wanted}", (result, text))
    warned = root.ctl("check").stderr
    results.check(paths["writable"] + " can be written by others" in warned and paths["gives"] not in warned,
                  "rotatectl check warns of such a helper", warned)
    os.chmod(root.join("helpers"), 0o777)
    result, _, text = vault.answer(vault.exec(paths["gives"], KEY))
    results.check(result == "refused" and "can be written by others" in text,
                  "a helper in a directory that others may write is not run", text)
    os.chmod(root.join("helpers"), 0o755)
    os.rename(paths["gives"], paths["gives"] + ".away")
    result, _, text = vault.answer(vault.exec(paths["gives"], KEY))
    results.check(result == "refused" and "is not there" in text, "a helper that is gone is told", text)
    os.rename(paths["gives"] + ".away", paths["gives"])
    if os.geteuid() == 0:
        os.chown(paths["gives"], pwd.getpwnam("daemon").pw_uid, -1)
        result, _, text = vault.answer(vault.exec(paths["gives"], KEY))
        results.check(result == "refused" and "belongs to neither root nor this user" in text,
                      "a helper of another owner is not run", text)
        os.chown(paths["gives"], 0, -1)


def credentials(root, vault):
    result, blob, text = vault.answer(vault.seal(NAME, KEY))
    if not results.check(result == "ok" and 0 < len(blob) <= 4096 and KEY not in blob, "systemd-creds seals a key", text):
        return
    results.check(os.path.exists(root.join("var/lib/systemd/credential.secret")), "a private root has a host key of its own")
    results.equal(vault.answer(vault.credential(NAME, blob))[:2], ("ok", KEY), "systemd-creds opens it again")
    newline = KEY[:31] + b"\n"
    _, other, _ = vault.answer(vault.seal(NAME, newline))
    results.equal(vault.answer(vault.credential(NAME, other))[1], newline, "a newline in a credential is part of the key")
    result, key, text = vault.answer(vault.credential(NAME[:-1] + "0", blob))
    results.check(result == "failed" and key is None and "Embedded credential name" in text and "store slot add" in text,
                  "a credential under another name is not opened, and what to type is told", text)
    result, _, text = vault.answer(vault.credential(NAME, blob[:40] + b"AAAA" + blob[44:]))
    results.check(result == "failed" and "systemd-creds failed" in text, "an altered credential is not opened", text)
    result, _, text = vault.answer(vault.credential(NAME, b""))
    results.check(result == "failed", "an empty credential is not opened", text)


def age(root, vault):
    """As rotated-unlock(8) says it."""
    identity = root.join("age.key")
    subprocess.run(["age-keygen", "-o", identity], check=True, capture_output=True)
    os.chmod(identity, 0o640)
    os.chown(identity, -1, pwd.getpwnam(HELPER_USER).pw_gid)
    helper = root.write("helpers/rotated-age", f"#!/bin/sh\nexec age --decrypt --identity {identity}\n", 0o755)
    recipient = subprocess.run(["age-keygen", "-y", identity], check=True, capture_output=True, text=True).stdout.strip()
    blob = subprocess.run(["age", "--encrypt", "--recipient", recipient], input=KEY, check=True,
                          capture_output=True).stdout
    results.equal(vault.answer(vault.exec(helper, blob))[:2], ("ok", KEY), "the real age gives a key")
    result, _, text = vault.answer(vault.exec(helper, blob[:-1]))
    results.check(result == "failed" and "age: error" in text, "what age says is told", text)


def connection(root, vault, paths, porter):
    hanging = [vault.exec(paths["hangs"]) for _ in range(16)]
    result, _, text = vault.answer(vault.exec(paths["gives"], KEY))
    results.check(result == "refused" and "too many" in text and hanging, "more than 16 questions at once are refused", text)
    pids = harness.poll("the helpers to run", lambda: pids if len(pids := pids_of(root)) >= 2 * 16 else None)
    vault.drop()
    harness.poll("the helpers to be killed", lambda: are_gone(pids))
    results.check(True, "when the vault goes away, what runs for it is killed")
    vault.accept()
    results.equal(vault.answer(vault.exec(paths["gives"], KEY))[:2], ("ok", KEY), "the porter comes back to the vault")
    vault.send([("verb", "Job.Hook"), ("id", "1"), ("program", "/bin/sh"), ("action", "apply"), ("zone", "a"),
                ("timeout", "1"), ("payload", "")])
    vault.accept()
    results.check(porter.is_running(), "the porter runs no hooks, and hangs up on who asks for it")
    for name in os.listdir(root.join("helpers/pids")):
        os.unlink(root.join("helpers/pids", name))
    vault.exec(paths["hangs"])
    pids = harness.poll("the helper to run", lambda: pids_of(root) or None)
    porter.kill()
    harness.poll("the helper to die with the porter", lambda: are_gone(pids[:1]))
    results.check(True, "a porter that is killed takes its helper with it")


def reload(root, vault, paths, porter):
    root.write("etc/rotated/rotated.conf", "[unlock]\nhelper = relative\n")
    porter.signal(signal.SIGHUP)
    harness.poll("the refusal", lambda: "was not taken over" in porter.log())
    results.equal(vault.answer(vault.exec(paths["gives"], KEY))[0], "ok", "a broken configuration changes nothing")
    root.write("etc/rotated/rotated.conf", f"[unlock]\nhelper = {paths['short']}\nhelper_user = {HELPER_USER}\n")
    porter.signal(signal.SIGHUP)
    harness.poll("the reload", lambda: "was read anew" in porter.log())
    results.equal(vault.answer(vault.exec(paths["gives"], KEY))[0], "refused", "a reload takes a helper away")


def memory(porter):
    with open(f"/proc/{porter.pid}/status", encoding="ascii") as f:
        locked = [line for line in f if line.startswith("VmLck")]
    if not harness.is_asan_build(harness.BUILD):  # which takes mlockall() away
        results.check(locked and int(locked[0].split()[1]) > 0, "the porter's memory is locked", locked)
    log = porter.log()
    results.check(KEY.hex() not in log and "0123456789abcdef" not in log, "no key is in the log")


def main():
    harness.need_programs("systemd-creds", "age")
    with harness.Root() as root:
        paths = write_helpers(root)
        listed = [p for name, p in paths.items() if name != "stranger"] + [root.join("helpers/rotated-age")]
        conf = "".join(f"helper = {p}\n" for p in listed)
        root.write("etc/rotated/rotated.conf", f"[unlock]\n{conf}helper_user = {HELPER_USER}\n")
        os.makedirs(root.join("var/lib/systemd"))
        vault = FakeUnlockVault(root.path)
        try:
            porter = root.start_porter()
            vault.accept()
            helpers(vault, paths)
            broken_helpers(vault, paths)
            refused_helpers(root, vault, paths)
            credentials(root, vault)
            age(root, vault)
            memory(porter)
            connection(root, vault, paths, porter)
            porter = root.start_porter()
            vault.accept()
            reload(root, vault, paths, porter)
            results.equal(porter.stop(), 0, "the porter ends when it is told to")
        finally:
            vault.close()
    results.exit()


if __name__ == "__main__":
    main()
