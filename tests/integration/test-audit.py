#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""`audit verify` against somebody who can write the log, and knows how the chain is made."""

import hashlib
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

ALTERED = 3  # the line that the attacker changes

results = harness.Results()


def verify(root, *args, stdin=""):
    done = root.ctl("--json", "audit", "verify", *args, stdin=stdin, check=False)
    return done.returncode, json.loads(done.stdout or "null"), done.stderr


def forge(path):
    """Changes who did what in one line, and makes every hash after it fit."""
    with open(path, encoding="ascii") as f:
        lines = f.read().splitlines()
    lines[ALTERED - 1] = re.sub('"actor":"[^"]*"', '"actor":"nobody"', lines[ALTERED - 1])
    for i in range(ALTERED, len(lines)):
        digest = hashlib.blake2b(lines[i - 1].encode(), digest_size=32).hexdigest()
        lines[i] = re.sub('"prev":"[0-9a-f]{64}"', f'"prev":"{digest}"', lines[i])
    with open(path, "w", encoding="ascii") as f:
        f.write("\n".join(lines) + "\n")


def main():
    with harness.Root() as root:
        root.service("billing")
        vault = root.start_vault()
        made = root.ctl("--json", "init", stdin=harness.PASSPHRASE + "\n")
        recovery = json.loads(made.stdout)["recovery_key"] + "\n"
        root.unseal()
        root.issue("billing")
        root.rotate("billing")

        code, said, _ = verify(root)
        results.check(code == 0 and said["tags"] is False,
                      "without the recovery key the chain is checked, and it says so", said)
        code, said, _ = verify(root, "--recovery", stdin=recovery)
        results.check(code == 0 and said["tags"] is True,
                      "with it every tag is checked, and it says so", said)
        code, _, told = verify(root, "--recovery", stdin=harness.PASSPHRASE + "\n")
        results.check(code == 1 and harness.PASSPHRASE not in told,
                      "what is no recovery key is refused and not repeated", told)

        forge(root.join("var/log/rotated/audit/00000001.log"))
        code, said, _ = verify(root)
        results.check(code == 1 and said["state"] == "altered",
                      "a forged chain does not end as the keystore remembers", said)
        code, said, _ = verify(root, "--recovery", stdin=recovery)
        results.check(code == 1 and said["state"] == "altered" and said["at"] == ALTERED,
                      "its tags tell which line was forged", said)
        results.check(recovery.strip() not in vault.log(), "the log never shows the recovery key")
        results.equal(vault.stop(), 0, "the vault ends cleanly")
        results.check("ERROR: AddressSanitizer" not in vault.log() and
                      "runtime error" not in vault.log(), "no sanitizer complained", vault.log())
    results.exit()


main()
