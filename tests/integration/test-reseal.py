#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotatectl store reseal: in the background, across seals and kills, and what is left is read by
docs/keystore-format.md alone."""

import json
import os
import shutil
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
import wire  # noqa: E402
from keystorereader import Store, number  # noqa: E402

SERVICES = 12
CONF = "[keystore]\nkey_file = /etc/rotated/key\n"

results = harness.Results()


def send(root, *fields):
    """A request whose answer is read later."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(harness.PATIENCE)
    client.connect(root.join("run/rotated/control"))
    client.sendall(wire.pack(list(fields)))
    return client


def answer(client):
    with client:
        return wire.unpack(client.recv(wire.FRAME_MAX))


def keystore(root):
    return json.loads(root.ctl("--json", "status").stdout)["keystore"]


def await_done(root):
    harness.poll("the end of the reseal", lambda: keystore(root)["reseal"] is None)


def copy(root):
    """Store and keyring as they are now, in a directory of their own."""
    directory = tempfile.mkdtemp(prefix="rotated-copy.")
    for name in ("keyring", "anchor"):
        shutil.copy(root.join("var/lib/rotated", name), directory)
    shutil.copytree(root.join("var/lib/rotated/store"), os.path.join(directory, "store"))
    return directory


def tiers(store):
    """{tier: the epochs that its records name}."""
    found = {0: set(), 1: set()}
    for table in ("cur", "hist"):
        for value in store.tables[table].values():
            found[number(value[2:4]) & 1].add(number(value[4:8]))
    return found


def opened(store, tables):
    """How many records of TABLES the keyring of STORE opens."""
    count = 0
    for table, name in ((1, "cur"), (2, "hist")):
        for key, value in tables[name].items():
            try:
                store.record(table, key, value)
                count += 1
            except (KeyError, ValueError):
                pass
    return count


def dry_run_and_sealed(root):
    before = keystore(root)
    said = root.ctl("store", "reseal", "--dry-run").stdout
    results.check(f"would encrypt {before['records'] + 1} records anew" in said,
                  "a dry run says how many records", said)
    results.equal(keystore(root), before, "and changes nothing")
    root.ctl("seal", "--issuer")
    done = root.ctl("store", "reseal", check=False)
    results.check(done.returncode == 75 and "rotatectl unseal" in done.stdout + done.stderr,
                  "with the ISSUER tier sealed it is to be tried again after an unseal",
                  done.stdout + done.stderr)
    root.unseal()


def whole_of_it(root):
    old = copy(root)
    said = root.ctl("store", "reseal").stdout
    results.check("are being encrypted anew" in said, "it says that it has begun", said)
    await_done(root)
    root.ctl("store", "verify")
    results.check(not os.path.exists(root.join("var/lib/rotated/keyring.prev")),
                  "no previous keyring is left")
    events = root.ctl("audit", "show").stdout
    results.check("store.reseal " in events and "store.resealed" in events,
                  "beginning and end are in the audit log", events)
    new = copy(root)
    before, after = Store(old), Store(new)
    results.equal(tiers(before)[0], {1}, "the records were of epoch 1")
    results.equal((tiers(after)[0], [sorted(e) for e in after.epochs.values()]),
                  ({2}, [[2], [2]]), "they are of epoch 2, and the keyring has no other")
    kept = ("name", "version", "state", "attrs", "body")
    results.equal([[r[k] for k in kept] for r in after.records(1)],
                  [[r[k] for k in kept] for r in before.records(1)],
                  "every record opens and holds what it held")
    results.equal(after.meta()[56:120], after.set_hash(), "the set hash is the sum of them")
    results.equal(opened(after, before.tables), 0,
                  "no record of the old store opens with the new keyring")
    shutil.rmtree(old)
    shutil.rmtree(new)


def events(root, event):
    return [line for line in root.ctl("audit", "show", "--count", "1000").stdout.splitlines()
            if f"{event} " in line]


def add_key_file(root, name):
    path = root.write(name, name * 8, 0o600)
    return json.loads(root.ctl("--json", "store", "slot", "add", "key-file", "--key-file",
                               path).stdout)["slots"][0]["id"]


def slots_removed(root, vault):
    """Two at once: the second while the reseal of the first is under way, so that one follows."""
    slots = [add_key_file(root, name) for name in ("first.key", "second.key")]
    held = copy(root)
    before = len(events(root, "store.resealed"))
    vault.pause()
    sent = [send(root, ("verb", "Store.SlotRemove"), ("slot", slot)) for slot in slots]
    vault.resume()
    said = [answer(s) for s in sent]
    results.check(all(s["status"] == b"ok" and b"encrypted anew" in s["message"] for s in said),
                  "removing a slot encrypts everything anew", said)
    harness.poll("both reseals", lambda: len(events(root, "store.resealed")) == before + 2)
    results.check(any("slot-removed" in line for line in events(root, "store.reseal")),
                  "and so does the other, after it", events(root, "store.reseal"))
    now = copy(root)
    results.equal(opened(Store(held), Store(now).tables), 0,
                  "a keyring that they opened opens no record of now")
    shutil.rmtree(held)
    shutil.rmtree(now)


def seal_in_between(root, vault):
    """Both are there before the vault hears either, and it does nothing idle while one waits."""
    vault.pause()
    reseal = send(root, ("verb", "Store.Reseal"))
    seal = send(root, ("verb", "Store.Seal"), ("tier", "issuer"))
    vault.resume()
    begun, sealed = answer(reseal), answer(seal)
    results.equal((begun["status"], sealed["status"]), (b"ok", b"ok"), "both are done")
    now = keystore(root)["reseal"]
    results.check(now and now["waits"], "what is left waits for the ISSUER tier", now)
    results.check("WAITS: rotatectl unseal" in root.ctl("status").stdout, "status says so")
    root.ctl("store", "verify")


def kill_in_between(root, vault):
    seal_in_between(root, vault)
    vault.kill()
    vault = root.start_vault()
    now = keystore(root)["reseal"]
    results.check(now and now["waits"], "it waits across a kill, with logins open", now)
    root.unseal()
    await_done(root)
    root.ctl("store", "verify")
    results.equal(keystore(root)["reseal"], None, "after the unseal it ends by itself")
    return vault


def kills(root, vault):
    for _ in range(6):
        root.ctl("store", "reseal", check=False)
        vault.kill()
        vault = root.start_vault()
        root.unseal()
        root.ctl("store", "verify")
    await_done(root)
    root.ctl("store", "verify")
    login, _ = root.rotate("s2")
    results.equal(login, "s2.2", "after six kills credentials rotate as ever")
    vault.stop()
    directory = copy(root)
    store = Store(directory)
    results.equal([len(e) for e in store.epochs.values()], [1, 1], "one epoch is left")
    results.check(store.records(1), "and every record opens by the document")
    shutil.rmtree(directory)


def main():
    with harness.Root(CONF) as root:
        for i in range(SERVICES):
            root.service(f"s{i}")
        vault = root.start_vault()
        root.open_store("--unattended")
        for i in range(SERVICES):
            root.issue(f"s{i}")
        root.revoke("s0.1")
        dry_run_and_sealed(root)
        whole_of_it(root)
        slots_removed(root, vault)
        seal_in_between(root, vault)
        root.unseal()
        await_done(root)
        vault = kill_in_between(root, vault)
        kills(root, vault)
    results.exit()


main()
