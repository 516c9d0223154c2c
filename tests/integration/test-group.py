#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Changes that are asked for at the same time are stored together, and each stays whole."""

import json
import os
import random
import select
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from clients import Client, ask_together, txid  # noqa: E402

CONF = "[keystore]\nkey_file = /etc/rotated/key\n"
SERVICES = [f"s{n}" for n in range(16)]
KILLS = 400 if os.environ.get("ROTATED_LONG") else 40

results = harness.Results()


def get(root, *args):
    return json.loads(root.ctl("--json", *args).stdout)


def states(root):
    return {s["service"]: s["enabled"] for s in get(root, "service", "list")["services"]}


def statuses(answers):
    return [a and a["status"] for a in answers]


def sixteen_share_one_transaction(root, vault):
    before = txid(root)
    answers = ask_together(root, vault, [("Service.Disable", {"service": s}) for s in SERVICES])
    results.equal(statuses(answers), ["ok"] * 16, "sixteen at once are answered")
    results.equal(txid(root) - before, 1, "what sixteen ask for together is one transaction")
    results.equal(set(states(root).values()), {False}, "and every one of them is done")
    before = txid(root)
    for service in SERVICES[:4]:
        root.ctl("service", "enable", service)
    results.equal(txid(root) - before, 4, "one after the other they are one each")


def the_same_item_waits_for_its_turn(root, vault):
    before = txid(root)
    requests = [("Service.Enable", {"service": "s9"}), ("Service.Enable", {"service": "s10"}),
                ("Service.Disable", {"service": "s9"}), ("Service.Show", {"service": "s9"})]
    answers = ask_together(root, vault, requests)
    # their order is the vault's: each sees all that came before it, or is told that it is so
    results.check(all(s in ("ok", "nothing") for s in statuses(answers)),
                  "two changes of one service are both answered", answers)
    results.check(1 <= txid(root) - before <= 3, "and are not in one transaction")
    root.ctl("service", "enable", "s9", check=False)


def a_refusal_disturbs_nobody(root, vault):
    root.ctl("service", "enable", "s1", check=False)
    root.ctl("service", "disable", "s2", check=False)
    before = txid(root)
    answers = ask_together(root, vault, [
        ("Service.Disable", {"service": "s1"}), ("Service.Disable", {"service": "nobody"}),
        ("Service.Disable", {"service": "s2"}), ("Service.Enable", {"service": "s2"}),
        ("Nonsense", {})])
    results.equal(statuses(answers)[0], "ok", "a change beside a refused one is made")
    results.equal(statuses(answers)[1], "refused", "and the refused one is told so")
    results.equal(statuses(answers)[4], "usage", "and so is nonsense")
    results.check(1 <= txid(root) - before <= 2, "in one or two transactions")
    results.equal(states(root)["s1"], False, "and it is done")


def credentials_together(root, vault):
    for service in SERVICES:
        root.ctl("service", "enable", service, check=False)
    before = txid(root)
    answers = ask_together(root, vault,
                           [("Credential.Issue", {"service": s}) for s in SERVICES])
    results.equal(statuses(answers), ["ok"] * 16, "sixteen credentials are issued together")
    results.equal(len({a["secret"] for a in answers}), 16, "each with a secret of its own")
    results.equal(txid(root) - before, 1, "in one transaction")
    answers = ask_together(root, vault, [("Credential.Confirm", {"service": s, "version": "1"})
                                         for s in SERVICES])
    results.equal(statuses(answers), ["ok"] * 16, "and confirmed together")
    answers = ask_together(root, vault,
                           [("Credential.Revoke", {"service": s, "all": "1"}) for s in SERVICES])
    results.equal(statuses(answers), ["ok"] * 16, "and revoked together")
    results.equal(get(root, "credential", "list")["credentials"], [], "none is left")


def the_log_tells_of_each(root):
    lines = get(root, "audit", "show", "--count", "1000")["records"]
    joined = {}
    for line in lines:
        if line["ev"] in ("service.disable", "credential.revoke"):
            joined.setdefault(line["req"], []).append(line)
    pairs = [[line["outcome"] for line in pair] for pair in joined.values()]
    results.check(pairs and all(p == ["intent", "ok"] for p in pairs),
                  "the audit log has an intent and an outcome for each", pairs)


def toggle(clients, account, rng):
    """One request each; what is promised by then is noted when it is answered."""
    wanted = {s: rng.random() < 0.5 for s in SERVICES}
    for service, client in clients.items():
        client.send("Service.Enable" if wanted[service] else "Service.Disable", service=service)
        account[service].add(wanted[service])  # from now on either is allowed
    return wanted


def settle(clients, account, wanted):
    for service, client in clients.items():
        answer = client.receive()
        if answer and answer["status"] in ("ok", "nothing"):
            account[service] = {wanted[service]}


def kills(root, vault, rng):
    """SIGKILL while groups are stored: what was answered holds, the rest is done or not."""
    account = {s: {enabled} for s, enabled in states(root).items()}
    broken = []
    for number in range(KILLS):
        clients = {s: Client(root) for s in SERVICES}
        for _ in range(rng.randrange(4)):
            settle(clients, account, toggle(clients, account, rng))
        wanted = toggle(clients, account, rng)
        select.select([], [], [], rng.random() * 0.008)  # where it hits is the point
        vault.kill()
        settle(clients, account, wanted)
        for client in clients.values():
            client.close()
        vault = root.start_vault()
        for service, enabled in states(root).items():
            if enabled not in account[service]:
                broken.append(f"kill {number}: {service} is {enabled}, not {account[service]}")
            account[service] = {enabled}
    results.check(not broken, f"{KILLS} kills among groups break no promise", "\n".join(broken))
    for noun in ("store", "audit"):
        done = root.ctl(noun, "verify", check=False)
        results.equal(done.returncode, 0, f"{noun} verify finds nothing after the kills")
    return vault


def main():
    seed = int(os.environ.get("ROTATED_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# ROTATED_SEED={seed}", flush=True)
    with harness.Root(CONF) as root:
        for service in SERVICES:
            root.service(service)
        vault = root.start_vault()
        root.open_store("--unattended")
        sixteen_share_one_transaction(root, vault)
        the_same_item_waits_for_its_turn(root, vault)
        a_refusal_disturbs_nobody(root, vault)
        credentials_together(root, vault)
        the_log_tells_of_each(root)
        vault = kills(root, vault, random.Random(seed))
        results.equal(vault.stop(), 0, "the vault ends cleanly")
        results.check("ERROR: AddressSanitizer" not in vault.log() and
                      "runtime error" not in vault.log(), "no sanitizer complained", vault.log())
    results.exit()


main()
