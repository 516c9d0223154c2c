#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A reseal gives the verifier index other keys, and no login notices: eight clients log in through
the door during twenty reseals, during kills of door and vault, and of both."""

import json
import os
import shutil
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from keystorereader import Index, Store, verifier_sets  # noqa: E402

CLIENTS = 8
RESEALS = 20
CONF = "[keystore]\nkey_file = /etc/rotated/key\n[engine]\nallow_short_waits = yes\n"

results = harness.Results()


def ask(root, login, password):
    """As saslauthd is asked: True, False, or None for "later"."""
    data = b"".join(struct.pack(">H", len(p)) + p.encode() for p in (login, password, "smtp", ""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(root.join("var/spool/postfix/private/rotated-mux"))
        s.send(data)
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
    return {b"OK": True, b"NO": False}.get(answer[2:4])


class Clients:
    """Each logs in without a pause; what was not as it should be is kept."""

    def __init__(self, root, credentials):
        self.root, self.wrong, self.count = root, [], [0] * CLIENTS
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i, credentials[i]))
                        for i in range(CLIENTS)]

    def run(self, number, credential):
        login, password = credential
        while not self.stopping.is_set():
            for name, secret, wanted in ((login, password, True), (login, password + "x", False),
                                         (f"nobody{number}.1", password, False)):
                try:
                    got = ask(self.root, name, secret)
                except OSError as e:
                    got = e
                if got != wanted:
                    self.wrong.append((name, wanted, got))
                self.count[number] += 1

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *unused):
        self.stopping.set()
        for t in self.threads:
            t.join()

    def all_moved(self):
        before = list(self.count)
        harness.poll("every client to log in again",
                     lambda: all(b > a for a, b in zip(before, self.count)))


def keystore(root):
    return json.loads(root.ctl("--json", "status").stdout)["keystore"]


def await_done(root):
    harness.poll("the end of the reseal", lambda: keystore(root)["reseal"] is None, 60)


def index_copy(root):
    directory = root.join(f"index-{os.urandom(4).hex()}")
    shutil.copytree(root.join("var/lib/rotated/index"), directory)
    return directory


def opens(root, directory, login):
    """Whether a copy of the index says anything with any keys of the keyring as it is now."""
    store = Store(root.join("var/lib/rotated"))
    return any(Index(directory, store.ring.store_id, keys).opens(login)
               for keys in verifier_sets(store))


def through_reseals(root, credentials):
    copies = []
    with Clients(root, credentials) as clients:
        for _ in range(RESEALS):
            copies.append(index_copy(root))
            root.ctl("store", "reseal")
            await_done(root)
            clients.all_moved()
    results.equal(clients.wrong[:5], [], f"in {RESEALS} reseals {sum(clients.count)} logins of "
                  f"{CLIENTS} clients are answered as ever, none is put off")
    login = credentials[0][0]
    results.check(not any(opens(root, c, login) for c in copies),
                  "with the keyring of now no old copy of the index opens")
    results.check(opens(root, index_copy(root), login), "and the index of now does")


def door_restarted(root, door, credentials):
    """While a reseal waits for it, the vault gives a new door both sets of keys."""
    door.pause()
    root.ctl("store", "reseal")
    harness.poll("the reseal to wait for the door",
                 lambda: (keystore(root)["reseal"] or {}).get("waits_for") == "door", 60)
    results.check("waits for rotated-auth" in root.ctl("status").stdout, "status says so",
                  root.ctl("status").stdout)
    door.kill()
    door = root.start_door()
    login, password = credentials[0]
    harness.poll("the new door to have keys", lambda: ask(root, login, password) is not None)
    await_done(root)
    results.equal(ask(root, login, password), True, "the door that was restarted answers")
    return door


def set_every(root, vault, every):
    path = root.join("etc/rotated/rotated.conf")
    with open(path, encoding="utf-8") as f:
        conf = f.read()
    conf = "".join(line for line in conf.splitlines(True) if "reseal_every" not in line)
    with open(path, "w", encoding="utf-8") as f:
        f.write(conf.replace("[keystore]\n", f"[keystore]\nreseal_every = {every}\n"))
    vault.signal(1)


def ends(root):
    return root.ctl("audit", "show", "--count", "1000").stdout.count("store.resealed")


def door_hung(root, vault, door, credentials):
    """Old keys are not kept for it for ever; when it goes on, it has those that it needs. With
    keys that live a second it is waited for so long, too."""
    door.pause()
    before = ends(root)
    set_every(root, vault, "1s")
    said = harness.poll("the alarm", lambda: next(
        (s for s in [root.ctl("status").stdout] if "does not say that it has" in s), None))
    results.check("systemctl restart rotated-auth" in said, "a hung door is an alarm", said)
    harness.poll("a reseal to end without it", lambda: ends(root) > before)
    set_every(root, vault, "never")
    await_done(root)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(ask(root, *credentials[0])))
    waiting.start()
    door.resume()
    waiting.join()
    results.equal(answers, [True], "who asked it meanwhile is answered, not put off")
    harness.poll("the alarm to end", lambda: "does not say that it has" not in
                 root.ctl("status").stdout)


def vault_killed(root, vault, credentials):
    """At whatever step it is: the door keeps answering, and the next vault ends it."""
    with Clients(root, credentials) as clients:
        for kills in range(10):
            root.ctl("store", "reseal", check=False)
            if kills % 2:  # late: all is under new keys but the index, or that too
                harness.poll("the records to be done", lambda: (
                    keystore(root)["reseal"] or {"done": 1})["done"] > 0, 60)
            vault.kill()
            vault = root.start_vault()
            root.unseal()
            clients.all_moved()
        await_done(root)
        clients.all_moved()
    results.equal(clients.wrong[:5], [], "in ten kills of the vault no login is put off")
    root.ctl("store", "verify")
    return vault


def both_killed(root, vault, door, credentials):
    for _ in range(3):
        root.ctl("store", "reseal", check=False)
        door.kill()
        vault.kill()
        vault = root.start_vault()
        root.unseal()
        door = root.start_door()
        login, password = credentials[0]
        harness.poll("the new door to have keys", lambda: ask(root, login, password) is not None)
        results.equal(ask(root, login, password), True, "after a kill of both logins go on")
    await_done(root)
    results.equal(ask(root, *credentials[0]), True, "and when the reseal is over")
    return vault, door


def without_a_vault(root, vault, credentials):
    """A door keeps its keys while the vault is away or sealed, and status tells the truth of it."""
    vault.stop()
    os.rename(root.join("etc/rotated/key"), root.join("etc/rotated/key.away"))
    vault = root.start_vault()
    status = harness.poll("the door to be back", lambda: next(
        (s for s in [json.loads(root.ctl("--json", "status").stdout)]
         if s["door"]["connected"]), None))
    results.equal((status["keystore"]["auth"], status["door"]["has_keys"]), ("sealed", True),
                  "a vault that is sealed after a restart knows that the door has its keys")
    results.check("WITHOUT KEYS" not in root.ctl("status").stdout, "and status says no other")
    results.equal(ask(root, *credentials[0]), True, "logins go on")
    os.rename(root.join("etc/rotated/key.away"), root.join("etc/rotated/key"))
    root.unseal()
    return vault


def main():
    with harness.Root(CONF) as root:
        for i in range(CLIENTS):
            root.service(f"s{i}")
        vault = root.start_vault()
        root.open_store("--unattended")
        credentials = [root.issue(f"s{i}") for i in range(CLIENTS)]
        door = root.start_door()
        harness.poll("the door to have keys", lambda: ask(root, *credentials[0]))
        through_reseals(root, credentials)
        door_hung(root, vault, door, credentials)
        door = door_restarted(root, door, credentials)
        vault = vault_killed(root, vault, credentials)
        vault, door = both_killed(root, vault, door, credentials)
        vault = without_a_vault(root, vault, credentials)
        results.equal((door.stop(), vault.stop()), (0, 0), "both end cleanly")
    results.exit()


main()
