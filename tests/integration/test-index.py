#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The verifier index between vault and door: what is revoked or disabled is refused, also when the
index was deleted or damaged, or the configuration changed while the vault was away."""

import os
import shutil
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402

CONF = "[keystore]\nkey_file = /etc/rotated/key\n"

results = harness.Results()


def is_accepted(root, login, password):
    """Asks the door as saslauthd is asked; None when it cannot tell now."""
    data = b"".join(struct.pack(">H", len(p)) + p.encode() for p in (login, password, "smtp", ""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(root.join("var/spool/postfix/private/rotated-mux"))
        s.send(data)
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
    return {b"OK": True, b"NO": False}.get(answer[2:4])


def wait(root, credential, wanted, sentence):
    """That it comes to be so; a door that cannot tell is asked again, a wrong answer is not."""
    answers = []

    def is_settled():
        answers.append(is_accepted(root, *credential))
        return answers[-1] is not None

    harness.poll(sentence, is_settled)
    results.equal(answers[-1], wanted, sentence)


def deleted(root):
    old = root.issue("billing")
    wait(root, old, True, "an issued login is accepted")
    shutil.rmtree(root.join("var/lib/rotated/index"))
    root.revoke(old[0])
    wait(root, old, False, "a login revoked after the index was deleted is refused")
    new = root.issue("billing")
    wait(root, new, True, "and the next one is accepted")
    return new


def damaged(root, vault, credential):
    vault.stop()
    path = root.join("var/lib/rotated/index/data.mdb")
    os.truncate(path, os.path.getsize(path) // 2)
    vault = root.start_vault()
    root.unseal()
    wait(root, credential, True, "an index cut to half is built anew at the next start")
    return vault


def disabled_meanwhile(root, vault, credential):
    vault.stop()
    root.service("billing", "[service]\nenabled = no\n")
    vault = root.start_vault()
    root.unseal()
    wait(root, credential, False, "a service disabled while the vault was away is refused")
    return vault


def main():
    with harness.Root(CONF) as root:
        root.service("billing", "[service]\ndescription = invoices\n")
        vault = root.start_vault()
        root.open_store("--unattended")
        door = root.start_door()
        credential = deleted(root)
        vault = damaged(root, vault, credential)
        vault = disabled_meanwhile(root, vault, credential)
        results.equal(root.ctl("store", "verify", check=False).returncode, 0,
                      "the keystore verifies after all of it")
        results.equal((door.stop(), vault.stop()), (0, 0), "both end cleanly")
    results.exit()


main()
