#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What the vault makes of what it is told of a directory: a worker of our own tells it."""

import json

from toldldap import FakeDirectory
from harness import Results, poll
from whole import Site

CONF = """
[ldap]
uri = ldapi://fake
bind = anonymous
base = dc=example
poll = 1s
full_every = 1s
grace = 1h
deletion_limit = 3 50%
"""

t = Results()


def ldap(site, verb="status", *args, codes=(0,)):
    done = site.ctl("--json", "ldap", verb, *args, check=False)
    if done.returncode not in codes:
        t.check(False, f"ldap {verb}", f"{done.returncode} {done.stdout} {done.stderr}")
    return json.loads(done.stdout) if done.stdout.strip() else json.loads(done.stderr)


def services(site):
    rows = json.loads(site.ctl("--json", "service", "list").stdout)["services"]
    return {r["service"]: r for r in rows}


def enabled(site):
    return sorted(s for s, r in services(site).items() if r["configured"] and r["enabled"])


def reads(site, directory, names):
    """Everything that the directory names is in force, and nothing else."""
    ldap(site, "sync")
    t.equal(enabled(site), sorted(names), "the services are those of the directory")


def records(site):
    return site.status()["keystore"]["txid"]


def audit_events(site):
    rows = json.loads(site.ctl("--json", "audit", "show", "--count", "1000").stdout)["records"]
    return [r["ev"] for r in rows]


def start(site):
    site.daemons["rotated"] = site.start_vault()
    site.daemons["rotated-auth"] = site.start_door()
    directory = FakeDirectory(site)
    site.ctl("init", "--unattended", "--passphrase-file", site.passphrase)
    poll("the door", lambda: site.status()["door"]["has_keys"])
    poll("the worker", lambda: site.status()["worker"]["connected"])
    return directory


def basics(site, d):
    a = d.add("alpha", description="The first")
    d.add("beta", rotatedPasswordSchedule="30d")
    reads(site, d, ["alpha", "beta", "local"])
    shown = json.loads(site.ctl("--json", "service", "show", "beta").stdout)
    t.equal(shown["schedule"], 30 * 86400, "an attribute sets the schedule")
    t.equal(services(site)["alpha"]["description"], "The first", "and the description")
    login, secret = site.issue("alpha")
    t.equal(site.login(login, secret), "ok", "a service of the directory logs in")

    before = records(site)
    ldap(site, "sync")
    ldap(site, "sync")
    t.equal(records(site), before, "nothing is written when nothing has changed")

    d.entries[a] = ("cn=renamed,ou=elsewhere,dc=example", d.entries[a][1])
    reads(site, d, ["alpha", "beta", "local"])
    t.equal(site.login(login, secret), "ok", "a renamed entry keeps its credential")

    d.entries[a] = (d.entries[a][0], {"rotatedServiceId": "alpha", "rotatedEnabled": "FALSE"})
    reads(site, d, ["beta", "local"])
    t.equal(site.login(login, secret), "no", "rotatedEnabled FALSE refuses its login")
    d.entries[a] = (d.entries[a][0], {"rotatedServiceId": "alpha", "rotatedEnabled": "TRUE"})
    reads(site, d, ["alpha", "beta", "local"])
    t.equal(site.login(login, secret), "ok", "TRUE lets it in again")

    gone = d.entries.pop(a)
    reads(site, d, ["beta", "local"])
    t.equal(site.login(login, secret), "no", "what is deleted is refused at once")
    status = ldap(site)
    t.equal([g["service"] for g in status["gone"]], ["alpha"], "and told as gone")
    d.entries[a] = gone
    reads(site, d, ["alpha", "beta", "local"])
    t.equal(site.login(login, secret), "ok", "what comes back within the grace logs in again")
    return a, login, secret


def broken(site, d):
    bad = d.add("gamma", rotatedPasswordOverlap="soon")
    two = d.add("delta", rotatedPasswordLogin=["stable", "versioned"])
    upper = d.add("Upper")
    raw = d.add("eta", description=b"\xff\x00")
    rival = d.add("beta")
    file = d.add("local")
    reads(site, d, ["alpha", "beta", "local"])
    told = {p["uuid"]: p["problem"] for p in ldap(site)["problems"]}
    t.equal(set(told), {bad, two, upper, raw, rival, file}, "each bad entry is told, and no other")
    t.check("rotatedPasswordOverlap" in told[bad] and "not a time span" in told[bad],
            "with the attribute and the reason", told)
    t.check("has 2 values" in told[two] and "not a service id" in told[upper] and
            "plain text" in told[raw], "whatever it is", told)
    t.check("since before" in told[rival] and "local.conf" in told[file],
            "two that claim a service, and a file that wins", told)
    t.check(any("entries of the directory" in a["what"] for a in site.status()["alarms"]),
            "status raises an alarm")
    for key in (bad, two, upper, raw, rival, file):
        del d.entries[key]
    reads(site, d, ["alpha", "beta", "local"])
    t.equal(ldap(site)["problems"], [], "what was mended is forgotten")


def changed_id(site, d, a, login, secret):
    d.entries[a] = (d.entries[a][0], {"rotatedServiceId": "omega"})
    reads(site, d, ["beta", "local", "omega"])
    t.equal(site.login(login, secret), "no", "another service id is another service")
    d.entries[a] = (d.entries[a][0], {"rotatedServiceId": "alpha"})
    reads(site, d, ["alpha", "beta", "local"])
    t.equal(site.login(login, secret), "ok", "and the old one again is the old one")


def guard(site, d):
    many = [d.add(f"many-{i}") for i in range(20)]
    names = [f"many-{i}" for i in range(20)]
    reads(site, d, ["alpha", "beta", "local", *names])
    kept = {key: d.entries.pop(key) for key in many[:10]}
    d.add("fresh")
    answer = ldap(site, "sync", codes=(1,))
    t.check("held" in str(answer) or "would be gone" in str(answer), "a bulk delete is held", answer)
    t.equal(enabled(site), sorted(["alpha", "beta", "local", "fresh", *names]),
            "with nothing of it done, and the rest done")
    held = ldap(site)["held"]
    t.equal(held["services"], sorted(names[:10]), "status names what is held")
    d.entries.pop(many[10])
    answer = ldap(site, "approve", held["id"], codes=(1,))
    t.equal(len(ldap(site)["held"]["services"]), 11, "what is more by now is not approved")
    t.equal(ldap(site, "approve", held["id"], codes=(1,))["status"], "refused", "an old name is refused")
    ldap(site, "approve", ldap(site)["held"]["id"])
    t.equal(enabled(site), sorted(["alpha", "beta", "local", "fresh", *names[11:]]),
            "what was approved is done")
    t.equal(ldap(site, "approve", codes=(3,))["status"], "nothing", "and nothing is held")
    for key, entry in kept.items():
        d.entries[key] = entry
    saved = dict(d.entries)
    ldap(site, "sync")
    d.entries.clear()
    ldap(site, "sync", codes=(1,))
    t.check("names no service" in ldap(site)["held"]["reason"], "an empty directory deletes nothing")
    d.entries.update(saved)
    ldap(site, "sync")
    t.equal(ldap(site)["held"], None, "what came back is not held")
    d.restored = True
    for key, (dn, values) in d.entries.items():
        d.entries[key] = (dn, {**values, "description": "old"})
    ldap(site, "sync", codes=(1,))
    t.check("older" in ldap(site)["held"]["reason"], "a restored directory changes nothing in silence")
    t.check(all(r["description"] != "old" for r in services(site).values()), "not one value")
    ldap(site, "sync", codes=(1,))
    ldap(site, "approve")
    t.equal(services(site)["beta"]["description"], "old", "until a person approves")
    d.restored = False


def trouble(site, d):
    d.result = "unreachable"
    answer = ldap(site, "sync", codes=(75,))
    t.check("no server" in str(answer), "an outage is told", answer)
    status = ldap(site)
    t.check(status["state"] in ("failing", "reading") and status["error"], "and in status", status)
    t.check(status["next_attempt"] or status["state"] == "reading", "with the next attempt", status)
    d.result = "ok"
    poll("it to be read again", lambda: ldap(site)["error"] is None)
    t.check(True, "when it is back everything goes on by itself")


def crashes(site, d):
    """Killed at any moment, the vault comes to what the directory says."""
    for n in range(600):
        d.add(f"crash-{n}", number=1000 + n)
    for turn in range(8):
        for n in range(0, 600, 7):
            key = list(d.entries)[-1 - n]
            dn, values = d.entries[key]
            d.entries[key] = (dn, {**values, "description": f"turn {turn}"})
        if turn % 2:
            d.stop_after = 100 * turn
        process = site.daemons["rotated"]
        poll("the vault to work", lambda: len(d.modes) > 0)
        count = len(d.modes)
        poll("a pass to begin", lambda: len(d.modes) > count)
        process.kill()
        d.stop_after = None
        site.daemons["rotated"] = site.start_vault()
        poll("the worker", lambda: site.status()["worker"]["connected"])
    ldap(site, "sync")
    told = services(site)
    wrong = [v["rotatedServiceId"] for _, v in d.entries.values()
             if told.get(v["rotatedServiceId"], {}).get("description") != v.get("description", "")]
    t.equal(wrong, [], "after eight crashes the state is the directory's")
    site.ctl("audit", "verify")
    site.unseal()
    t.check(site.ctl("store", "verify").returncode == 0, "and store and audit log are whole")


def main():
    with Site(CONF, services=("local",)) as site:
        d = start(site)
        try:
            a, login, secret = basics(site, d)
            broken(site, d)
            changed_id(site, d, a, login, secret)
            guard(site, d)
            trouble(site, d)
            events = set(audit_events(site))
            t.check({"ldap.add", "ldap.change", "ldap.gone", "ldap.return", "ldap.batch",
                     "ldap.approve"} <= events, "the audit log names every change", events)
            crashes(site, d)
        finally:
            d.close()
    t.exit()


main()
