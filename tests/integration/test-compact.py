#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotatectl store compact: in the background, beside backups, reseals and seals."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from clients import Client  # noqa: E402

SERVICES = 8
ROTATIONS = 6

results = harness.Results()


def answer(root, *args):
    return json.loads(root.ctl("--json", *args).stdout)


def keystore(root):
    return answer(root, "status")["keystore"]


def said(done):
    return done.stdout + done.stderr


def await_end(root):
    harness.poll("the end of the compact copy", lambda: keystore(root)["compact"] is None)


def ends(root):
    """The outcomes of all compact copies so far."""
    return [line["outcome"] for line in answer(root, "audit", "show", "--count", "1000")["records"]
            if line["ev"] == "store.compacted"]


def size(root):
    return os.stat(root.join("var/lib/rotated/store/data.mdb")).st_size


def fill(root):
    """A store that has given up most of its pages."""
    for i in range(SERVICES):
        root.issue(f"s{i}")
    for _ in range(ROTATIONS):
        for i in range(SERVICES):
            root.rotate(f"s{i}")
    for i in range(SERVICES):
        for version in range(1, ROTATIONS):
            root.revoke(f"s{i}.{version}")


def alone(root):
    before = size(root)
    told = keystore(root)
    dry = said(root.ctl("store", "compact", "--dry-run"))
    results.check("would copy" in dry and f"of {before // 1024} KiB" in dry, "a dry run says how much there is", dry)
    results.equal((size(root), keystore(root)), (before, told), "and changes nothing")
    begun = said(root.ctl("store", "compact"))
    results.check("are being copied" in begun and "rotatectl status" in begun, "it begins, and says where to look",
                  begun)
    await_end(root)
    results.check(size(root) < before, "the file is smaller afterwards", f"{before} {size(root)}")
    results.equal(ends(root), ["ok"], "the audit log has its end")
    results.check("Every record opens" in said(root.ctl("store", "verify")), "and every record opens")
    root.rotate("s1")


def together(root, vault, *verbs):
    """The answers to requests that the vault finds at the same time, and their clients."""
    clients = [Client(root) for _ in verbs]
    for client in clients:  # so that all of them are accepted
        client.send("Status.Get")
        while "more" in (client.receive() or {}):
            pass
    vault.pause()
    for client, verb in zip(clients, verbs):
        client.send(verb)
    vault.resume()
    return [client.receive() for client in clients], clients


def overtaken(root, vault, verb):
    """A compact copy that has begun when VERB comes. Which of two is heard first is not ours to say: again."""
    for attempt in range(50):
        verbs = ["Store.Compact", verb] if attempt % 2 else [verb, "Store.Compact"]
        answers, clients = together(root, vault, *verbs)
        if answers[0]["status"] == "ok" and answers[1]["status"] == "ok":
            return clients
        for client in clients:
            client.close()
        if verb == "Store.Seal":
            root.unseal()
        await_end(root)
        harness.poll("what came first to end",
                     lambda: keystore(root)["reseal"] is None and
                     root.ctl("store", "compact", "--dry-run", check=False).returncode == 0)
    raise harness.Failure(f"{verb} always came first")


def beside_a_backup(root, vault):
    client = Client(root)
    client.send("Store.Backup")
    results.equal(client.receive()["status"], "ok", "a backup is under way")
    done = root.ctl("store", "compact", check=False)
    results.check(done.returncode == 75 and "a backup by" in said(done), "it is refused meanwhile, and says why",
                  said(done))
    client.close()
    harness.poll("the end of the backup", lambda: root.ctl("store", "compact", "--dry-run", check=False).returncode == 0)

    clients = overtaken(root, vault, "Store.Backup")
    harness.poll("it to wait", lambda: (keystore(root)["compact"] or {}).get("waits_for") == "backup")
    text = root.ctl("status").stdout
    results.check("; waits for the end of a backup" in text, "one that a backup came over waits, and status says so",
                  text)
    done = root.ctl("store", "compact", check=False)
    results.equal(done.returncode, harness.NOTHING, "a second one is refused while it waits")
    root.rotate("s2")
    for client in clients:
        client.close()
    await_end(root)
    results.equal(ends(root)[-1], "ok", "and goes on by itself when the backup has ended")


def beside_a_reseal(root, vault):
    for client in overtaken(root, vault, "Store.Reseal"):
        client.close()
    results.equal(keystore(root)["compact"], None, "a reseal takes its place")
    harness.poll("the end of the reseal", lambda: keystore(root)["reseal"] is None)
    results.equal(ends(root)[-1], "given up: encrypting anew makes one", "which the audit log tells")
    for _ in range(50):
        answers, clients = together(root, vault, "Store.Reseal", "Store.Compact")
        for client in clients:
            client.close()
        harness.poll("both to end", lambda: keystore(root)["reseal"] is None and keystore(root)["compact"] is None)
        if answers[1]["status"] != "ok":
            break
    results.equal((answers[1]["status"], "encrypted anew" in answers[1]["message"]), ("again", True),
                  "and it is refused while a reseal runs")


def sealed(root, vault):
    for client in overtaken(root, vault, "Store.Seal"):
        client.close()
    done = root.ctl("store", "compact", check=False)
    results.equal(done.returncode, 75, "sealed, it is to be tried again after an unseal")
    results.check(not os.path.exists(root.join("var/lib/rotated/store/data.mdb.new")), "the copy is gone")
    root.unseal()
    results.equal(ends(root)[-1], "given up: sealed", "the audit log tells that it was given up")


def in_trouble(root):
    """A directory has the name that the copy is made under."""
    before = size(root)
    os.mkdir(root.join("var/lib/rotated/store/data.mdb.new"))
    root.ctl("store", "compact")
    await_end(root)
    alarms = answer(root, "status")["alarms"]
    results.check(any("cannot copy" in a["what"] and a["hint"] for a in alarms), "what fails is an alarm with a hint",
                  str(alarms))
    results.equal((size(root), ends(root)[-1]), (before, "failed"), "and the store is as it was")
    os.rmdir(root.join("var/lib/rotated/store/data.mdb.new"))
    root.ctl("store", "compact")
    await_end(root)
    alarms = answer(root, "status")["alarms"]
    results.check(not any("cannot copy" in a["what"] for a in alarms), "which is gone when it is tried again",
                  str(alarms))
    results.equal(ends(root)[-1], "ok", "and works")


def main():
    with harness.Root() as root:
        for i in range(SERVICES):
            root.service(f"s{i}")
        vault = root.start_vault()
        root.open_store()
        fill(root)
        alone(root)
        beside_a_backup(root, vault)
        beside_a_reseal(root, vault)
        sealed(root, vault)
        in_trouble(root)
        results.check("Every record opens" in said(root.ctl("store", "verify")), "every record opens at the end")
        results.equal(vault.stop(), 0, "the vault ends cleanly")
    results.exit()


main()
