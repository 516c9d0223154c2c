#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The vault as its operator meets it: a keystore's life, a credential's life, kills in between."""

import json
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

KILLS = 25
CONF = "[keystore]\nkey_file = /etc/rotated/key\n"

results = harness.Results()


def get(root, *args):
    return json.loads(root.ctl("--json", *args).stdout)


def logins(root):
    """{login: state} of billing."""
    listed = get(root, "credential", "list")["credentials"]
    return {c["login"]: c["state"] for c in listed if c["service"] == "billing"}


def refused(root, *args):
    """The exit code and what was said, of a command that should not succeed."""
    done = root.ctl(*args, check=False)
    return done.returncode, done.stdout + done.stderr


def alarms(root):
    return [a["what"] for a in get(root, "status")["alarms"]]


def state_on_disk(root):
    """Every byte that the vault keeps, by file."""
    found = {}
    for top in ("var/lib/rotated", "var/log/rotated"):
        for folder, _, names in os.walk(root.join(top)):
            for name in names:
                if name == "lock.mdb":
                    continue
                with open(os.path.join(folder, name), "rb") as f:
                    found[os.path.join(folder, name)] = f.read()
    return found


def before_there_is_a_keystore(root):
    code, said = refused(root, "credential", "issue", "billing")
    results.check(code != 0 and "rotatectl init" in said,
                  "without a keystore the next command is init", said)
    results.equal(get(root, "status")["keystore"]["state"], "absent",
                  "status says that there is no keystore")


def credential_life(root):
    login, secret = root.issue("billing")
    results.equal(login, "billing.1", "the first login of billing is billing.1")
    results.check(secret.startswith("rtd1_") and len(secret) == 54,
                  "a password has the documented form", secret)
    results.equal(logins(root), {"billing.1": "active"}, "an issued credential is active")
    code, said = refused(root, "credential", "issue", "billing")
    results.check(code == 1 and "rotatectl credential rotate billing" in said,
                  "a second issue is refused and names rotate", said)
    root.rotate("billing")
    results.equal(logins(root), {"billing.1": "retiring", "billing.2": "active"},
                  "after a rotation the old version retires")
    root.revoke("billing.1")
    results.equal(logins(root), {"billing.2": "active"}, "a revoked version is gone")
    code, said = refused(root, "credential", "revoke", "billing.1")
    results.equal(code, 3, "revoking it once more is nothing to do")


def dry_runs(root):
    before = state_on_disk(root)
    for command in (("credential", "rotate", "billing"), ("credential", "revoke", "billing.2"),
                    ("service", "disable", "billing"), ("dkim", "rotate", "example.com"),
                    ("seal",)):
        done = root.ctl(*command, "--dry-run", check=False)
        results.equal(done.returncode, 0, f"a dry run of {' '.join(command)} succeeds")
    results.check(state_on_disk(root) == before, "dry runs change no byte of our state")


def disabling(root):
    root.ctl("service", "disable", "billing")
    results.equal(get(root, "service", "show", "billing")["state"], "disabled",
                  "a disabled service says so")
    results.equal(refused(root, "service", "disable", "billing")[0], 3,
                  "disabling it once more is nothing to do")
    root.ctl("service", "enable", "billing")
    results.equal(get(root, "service", "show", "billing")["state"], "ok",
                  "an enabled service is well again")


def sealing(root):
    root.ctl("seal")
    code, said = refused(root, "credential", "list")
    results.check(code == 75 and "rotatectl unseal" in said,
                  "a sealed vault names unseal as the next command", said)
    root.unseal()
    results.equal(logins(root), {"billing.2": "active"}, "unsealing brings everything back")


def restarting(root, vault):
    results.equal(vault.stop(), 0, "SIGTERM ends the vault cleanly")
    vault = root.start_vault()
    results.equal(logins(root), {"billing.2": "active"},
                  "the key file opens the AUTH tier without a person")
    code, said = refused(root, "credential", "rotate", "billing")
    results.check(code == 75 and "rotatectl unseal" in said,
                  "with ISSUER sealed nothing new is made, and unseal is named", said)
    root.revoke("billing.2")
    results.equal(logins(root), {}, "revoking needs only the AUTH tier")
    root.unseal()
    root.issue("billing")
    results.equal(logins(root), {"billing.3": "active"}, "version numbers are never reused")
    return vault


def reloading(root, vault):
    root.service("billing", "[service]\nenabled = perhaps\n")
    vault.signal(signal.SIGHUP)
    harness.poll("the alarm", lambda: any("billing.conf" in a for a in alarms(root)))
    results.equal(logins(root), {"billing.3": "active"},
                  "a bad configuration is refused and the old one stays in force")
    root.service("billing", "[service]\nenabled = no\n")
    vault.signal(signal.SIGHUP)
    harness.poll("the service to be off",
                 lambda: get(root, "service", "show", "billing")["state"] == "disabled")
    results.check(not any("billing.conf" in a for a in alarms(root)),
                  "a good configuration is taken over and clears the alarm")
    os.unlink(root.join("etc/rotated/services.d/billing.conf"))
    vault.signal(signal.SIGHUP)
    harness.poll("the service to be unconfigured",
                 lambda: not get(root, "service", "show", "billing")["configured"])
    results.equal(logins(root), {"billing.3": "active"},
                  "a service whose file is gone keeps its credentials")
    root.service("billing")
    vault.signal(signal.SIGHUP)
    harness.poll("the service to be back",
                 lambda: get(root, "service", "show", "billing")["configured"])


def key_without_hands(root):
    root.ctl("dkim", "rotate", "example.com")
    shown = get(root, "dkim", "show", "example.com")
    results.equal(shown["state"], "waiting", "without the worker a key waits, visibly")
    results.check(shown["keys"][0]["record"].startswith("v=DKIM1; k=rsa; h=sha256; s=email; p="),
                  "its record can be published by hand", shown)
    pem = root.ctl("dkim", "show", "example.com", shown["keys"][0]["selector"], "--private-key")
    results.check("BEGIN PRIVATE KEY" in pem.stdout, "its private key can be handed to a signer")
    lines = get(root, "audit", "show")["records"]
    results.check(any(r["ev"] == "dkim.show-private-key" for r in lines),
                  "the audit log tells who took the private key", lines)
    root.ctl("dkim", "revoke", "example.com", shown["keys"][0]["selector"])


def kills(root, vault):
    """SIGKILL at a different moment of a rotation each time; nothing that was told is lost."""
    promised = set(logins(root))
    for i in range(KILLS):
        rotation = harness.Process(
            [harness.build_path("rotatectl"), "--root", root.path, "--json", "credential",
             "rotate", "billing"], root.join("log", f"rotate{i}.log"))
        # let it get a little further each time, counted in looks at it instead of in seconds
        for _ in range(i * 40):
            if not rotation.is_running():
                break
        vault.kill()
        rotation.popen.wait(harness.PATIENCE)
        vault = root.start_vault()
        root.unseal()
        now = logins(root)
        if rotation.popen.returncode == 0:
            promised.add(json.loads(rotation.log())["login"])
        lost = promised - set(now)
        active = [name for name, state in now.items() if state == "active"]
        if lost or len(active) != 1:
            results.check(False, f"kill {i} loses nothing", f"lost {lost}, now {now}")
            return vault
        for name, state in now.items():
            if state != "active":
                root.revoke(name)
        promised = set(logins(root))
    results.check(True, f"{KILLS} kills during rotations lose nothing and leave one active version")
    return vault


def main():
    with harness.Root(CONF) as root:
        root.service("billing", "[service]\ndescription = invoices\n")
        root.domain("example.com")
        vault = root.start_vault()
        before_there_is_a_keystore(root)
        root.open_store("--unattended")
        credential_life(root)
        dry_runs(root)
        disabling(root)
        sealing(root)
        vault = restarting(root, vault)
        reloading(root, vault)
        key_without_hands(root)
        vault = kills(root, vault)
        results.equal(root.ctl("audit", "verify", check=False).returncode, 0,
                      "the audit log verifies after all of it")
        done = root.ctl("store", "verify", check=False)
        results.check(done.returncode == 0, "the keystore verifies after all of it", done.stdout + done.stderr)
        results.equal(vault.stop(), 0, "the vault ends cleanly")
        results.check("ERROR: AddressSanitizer" not in vault.log() and
                      "runtime error" not in vault.log(), "no sanitizer complained", vault.log())
    results.exit()


main()
