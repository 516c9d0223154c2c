#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotatectl against the real vault: every verb, its exit code, and the JSON of docs/protocol.md."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

CONF = """
[keystore]
key_file = /etc/rotated/key

[engine]
allow_short_waits = yes
"""


def shape(title, text=None):
    """The first JSON example below the heading TITLE of docs/protocol.md."""
    text = text or open(os.path.join(harness.SOURCE, "docs/protocol.md"), encoding="utf-8").read()
    section = re.split(r"\n##", text.split("### %s\n" % title)[1])[0]
    return json.loads(re.search(r"```json\n(.*?)```", section, re.S).group(1))


def missing(wanted, got, path=""):
    """Keys of the example that the answer does not have, all the way down."""
    if isinstance(wanted, list) and isinstance(got, list):
        return [m for item in got for m in missing(wanted[0], item, path + "[]")] if wanted else []
    if not isinstance(wanted, dict):
        return []
    if not isinstance(got, dict):
        return [] if got is None else [path + " is no object"]
    result = [path + "." + key for key in wanted if key not in got]
    for key in wanted:
        if key in got:
            result += missing(wanted[key], got[key], path + "." + key)
    return result


def check_shapes(results, root):
    cases = (
        ("Status.Get", ["status"]),
        ("Plan.Get", ["plan"]),
        ("Service.List", ["service", "list"]),
        ("Service.Show", ["service", "show", "billing"]),
        ("Credential.List", ["credential", "list"]),
        ("Dkim.List", ["dkim", "list"]),
        ("Dkim.Show", ["dkim", "show", "example.com"]),
        ("Audit.Show", ["audit", "show"]),
        ("Audit.Verify", ["audit", "verify"]),
        ("Store.Verify", ["store", "verify"]),
        ("Store.Slots", ["store", "slot", "list"]),
    )
    for title, words in cases:
        with results.case(f"{title} has every key that docs/protocol.md promises"):
            done = root.ctl("--json", *words)
            lost = missing(shape(title), json.loads(done.stdout))
            if lost:
                raise harness.Failure(", ".join(sorted(set(lost))))


def expect(results, root, code, words, sentence, stdin="", holds=""):
    done = root.ctl(*words, stdin=stdin, check=False)
    said = done.stdout + done.stderr
    results.check(done.returncode == code and holds in said,
                  sentence, f"exit {done.returncode}, wanted {code}: {said}")
    return done


def type_passphrase(root, passphrase):
    """Unseals at a terminal of its own; what the terminal showed."""
    master, slave = pty.openpty()
    child = subprocess.Popen([harness.build_path("rotatectl", root.build), "--root", root.path, "unseal"],
                             stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown, typed = b"", False
    deadline = time.monotonic() + harness.PATIENCE
    while time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            try:
                piece = os.read(master, 4096)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        if not typed and b"passphrase: " in shown:
            os.write(master, passphrase.encode() + b"\n")
            typed = True
    os.close(master)
    return child.wait(harness.PATIENCE), shown.decode()


def interrupt_prompt(root):
    """Ctrl-C while a passphrase is typed: the exit status, and whether the terminal echoes before and after."""
    master, slave = pty.openpty()

    def own_terminal():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        # a shell that runs this test in the background has it ignored, and that is inherited
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    child = subprocess.Popen([harness.build_path("rotatectl", root.build), "--root", root.path, "unseal"],
                             stdin=slave, stdout=slave, stderr=slave, pass_fds=[slave], preexec_fn=own_terminal)

    def echoes():
        return bool(termios.tcgetattr(slave)[3] & termios.ECHO)

    harness.poll("the echo to go off", lambda: not echoes())
    os.write(master, b"half\x03")
    code = child.wait(harness.PATIENCE)
    result = code, echoes()
    os.close(master)
    os.close(slave)
    return result


def keystore_verbs(results, root):
    expect(results, root, 1, ["credential", "issue", "billing"], "issuing without a keystore says how to make one",
           holds="rotatectl init")
    expect(results, root, 0, ["init", "--dry-run"], "a dry run of init makes nothing", harness.PASSPHRASE)
    expect(results, root, 0, ["init", "--unattended"], "init makes the keystore", harness.PASSPHRASE,
           "Recovery key:")
    expect(results, root, 1, ["init"], "a second init is refused", harness.PASSPHRASE)
    expect(results, root, 3, ["unseal"], "unsealing what is open is nothing to do", harness.PASSPHRASE)
    expect(results, root, 0, ["seal"], "seal closes it")
    expect(results, root, 3, ["seal"], "sealing what is sealed is nothing to do")
    expect(results, root, 1, ["unseal"], "a wrong passphrase is refused", "wrong")
    expect(results, root, 0, ["unseal", "--key-file", root.join("etc/rotated/key")],
           "the key file opens it for logins")
    expect(results, root, 75, ["credential", "issue", "billing"], "and not for issuing",
           holds="rotatectl unseal")
    code, shown = type_passphrase(root, harness.PASSPHRASE)
    results.equal(code, 0, "a passphrase can be typed at a terminal")
    results.check(harness.PASSPHRASE not in shown, "and is not echoed", shown)
    results.equal(interrupt_prompt(root), (-signal.SIGINT, True), "Ctrl-C at the prompt leaves the echo on")


def recovery(results, root):
    done = root.ctl("--json", "status")
    results.check(json.loads(done.stdout)["keystore"]["issuer"] == "open", "both tiers are open", done.stdout)


def credential_verbs(results, root):
    done = expect(results, root, 0, ["--json", "credential", "issue", "billing"], "a credential is issued")
    first = json.loads(done.stdout)
    results.equal(first["login"], "billing.1", "its login names service and version")
    expect(results, root, 1, ["credential", "issue", "billing"], "issuing again is refused",
           holds="rotatectl credential rotate billing")
    done = expect(results, root, 0, ["--json", "credential", "rotate", "billing"], "it is rotated")
    second = json.loads(done.stdout)
    states = {c["login"]: c["state"] for c in
              json.loads(root.ctl("--json", "credential", "list", "billing").stdout)["credentials"]}
    results.equal(states, {first["login"]: "retiring", second["login"]: "active"},
                  "the new one is active and the old one retiring")
    expect(results, root, 0, ["credential", "revoke", "billing.1", "--dry-run"], "a dry run of revoke")
    expect(results, root, 0, ["credential", "revoke", "billing.1"], "the old one is revoked", holds="billing.1")
    expect(results, root, 3, ["credential", "revoke", "billing.1"], "revoking it again is nothing to do")
    expect(results, root, 0, ["service", "disable", "billing"], "a service is disabled")
    expect(results, root, 3, ["service", "disable", "billing"], "disabling it again is nothing to do")
    expect(results, root, 0, ["service", "enable", "billing"], "and enabled")
    expect(results, root, 1, ["credential", "issue", "nobody"], "an unknown service is refused",
           holds="services.d/nobody.conf and systemctl reload rotated")
    full = open("/dev/full", "w", encoding="utf-8")
    done = subprocess.run([harness.build_path("rotatectl", root.build), "--root", root.path,
                           "credential", "rotate", "billing"], stdout=full, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=harness.PATIENCE)
    full.close()
    states = {c["login"]: c["state"] for c in
              json.loads(root.ctl("--json", "credential", "list", "billing").stdout)["credentials"]}
    results.check(done.returncode == 1 and states[second["login"]] == "active",
                  "a secret that could not be printed changes nothing", f"{done.stderr} {states}")
    results.check("rtd1_" not in done.stderr, "and is not in the error", done.stderr)


OPERANDS = {"SERVICE": "billing", "LOGIN": "billing.3", "CERTIFICATE": "billing.3", "DOMAIN": "example.com", "SELECTOR": "r20260101",
            "UPSTREAM": "ses", "NAME": "ses.1", "HELD": "5f1c8a02", "KIND": "recovery", "SLOT": "recovery", "FILE": "/dev/null",
            "ENTRY": "password/billing"}


def verbs():
    """(words, options) of every row of cli/verbs.def, its operands filled in."""
    text = open(os.path.join(harness.SOURCE, "cli/verbs.def"), encoding="utf-8").read()
    for noun, verb, operands, options in re.findall(
            r'^VERB\(\w+, "(.*?)", "(.*?)", "(.*?)",\s+"(.*?)"', text, re.M):
        needed = ["--until", "2030-01-01"] if verb == "simulate" else []
        yield f"{noun} {verb}".split() + needed + [OPERANDS[o.strip("[]")] for o in operands.split()], options.split()


def without_a_vault(results, root):
    for words, _ in verbs():
        if words == ["check"] or words[0] == "setup":  # neither needs a vault
            continue
        with results.case(f"{' '.join(words)} without a vault: try again, in JSON too"):
            done = root.ctl("--json", *words, stdin=harness.PASSPHRASE, check=False)
            assert done.returncode == 75 and json.loads(done.stderr)["status"] == "again", done


def state_of(root):
    """Every byte of what the system keeps, but for the lock files, which are of the moment."""
    found = {}
    for folder, _, names in os.walk(root.path):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and name != "lock.mdb" and not path.startswith(root.join("log")):
                with open(path, "rb") as f:
                    found[path] = f.read()
    return found


def dry_runs(results, root):
    for words, options in verbs():
        if "dry-run" not in options:
            continue
        before = state_of(root)
        done = root.ctl(*words, "--dry-run", stdin=harness.PASSPHRASE, check=False)
        changed = [path for path, data in state_of(root).items() if before.get(path) != data]
        results.check(not changed and done.returncode in (0, 1, 3), f"{' '.join(words)} --dry-run changes no byte",
                      f"{changed} {done}")


def main():
    results = harness.Results()
    with harness.Root(CONF) as root:
        root.service("billing")
        root.domain("example.com")
        expect(results, root, 75, ["status"], "without a vault: try again", holds="next: rotated --root")
        expect(results, root, 0, ["check"], "check needs no vault", holds="1 service")
        without_a_vault(results, root)
        vault = root.start_vault()
        keystore_verbs(results, root)
        recovery(results, root)
        credential_verbs(results, root)
        check_shapes(results, root)
        dry_runs(results, root)
        expect(results, root, 0, ["store", "verify"], "the store is whole")
        expect(results, root, 0, ["audit", "verify"], "the audit log is whole")
        for words in (["status"], ["plan"], ["service", "list"], ["dkim", "list"], ["audit", "show"]):
            expect(results, root, 0, words, f"{' '.join(words)} is printed for people")
        results.equal(vault.stop(), 0, "the vault ends cleanly")
        results.check(not os.path.exists(root.join("run/rotated/control")), "and takes its socket with it")
    results.exit()


main()
