#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""After a reboot the AUTH tier opens by itself and ISSUER waits for a person: every verb that needs
it says so and what to type, status and plan list what waits and until when, and all else goes on.
A reseal that is due waits too, and begins with the unseal."""

import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import csrs  # noqa: E402
import harness  # noqa: E402
from whole import Site  # noqa: E402

CONF = "[ca]\ntrust_domain = example.com\n[upstream]\nsoak = 1s\noverlap = 1s\n"

NEXT = r"(next to need it|due and waiting for it, first): \w+ \w+ \S+"

results = harness.Results()

# What is typed, and what standard input says.
REFUSED = [
    ("credential issue fresh", ""),
    ("credential rotate billing", ""),
    ("certificate issue fresh", ""),
    ("certificate renew billing", ""),
    ("ca init", ""),
    ("ca renew", ""),
    ("dkim show example.com {selector} --private-key", ""),
    ("upstream set relay --user relay", "a-secret\n"),
    ("certificate sign billing --csr {csr}", ""),
    ("dkim rotate example.com", ""),
    ("upstream rotate relay", ""),
    ("ldap secret", "a-secret\n"),
    ("store slot add passphrase", "another-passphrase\n"),
    ("store slot add recovery", ""),
    ("store slot remove passphrase", ""),
    ("store rekey", ""),
    ("store reseal", ""),
]
GO_ON = [
    ("status", 0), ("plan", 0), ("service list", 0), ("service show billing", 0),
    ("credential list billing", 0), ("certificate list", 0), ("certificate show billing", 0),
    ("dkim list", 0), ("dkim show example.com", 0), ("upstream list", 0), ("ca show", 0),
    ("store verify", 0), ("store slot list", 0), ("audit show", 0), ("audit verify", 0),
    ("service disable other", 0), ("service enable other", 0), ("credential revoke other.1", 0),
    ("certificate revoke billing --all", 0),
]


def ask_map(site, name, key):
    request = f"{name} {key}".encode()
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(harness.PATIENCE)
        s.connect(site.join("var/spool/postfix/private/rotated-map"))
        s.sendall(b"%d:%s," % (len(request), request))
        return s.recv(4096).partition(b":")[2].decode()


def make_all(site):
    login = site.issue("billing")
    site.issue("other")
    site.ctl("ca", "init")
    site.ctl("certificate", "issue", "billing")
    site.ctl("dkim", "rotate", "example.com", check=False)
    selector = harness.poll("a DKIM key", lambda: next(
        (v["selector"] for v in json.loads(
            site.ctl("--json", "dkim", "show", "example.com").stdout)["keys"]), None))
    return login, selector


def reboot(site):
    """The vault is started anew; nobody is there to unseal."""
    site.daemons["rotated"].stop()
    site.daemons["rotated"] = site.start_vault()
    site.wait_connected()


def refusals(site, selector):
    csr = site.write("billing.csr", csrs.p256(site.path, "billing").request())
    for line, stdin in REFUSED:
        done = site.ctl(*line.format(selector=selector, csr=csr).split(), stdin=stdin, check=False)
        said = done.stdout + done.stderr
        results.check(done.returncode == 75 and "ISSUER tier is sealed" in said
                      and "rotatectl unseal" in said
                      and re.search(NEXT, said),
                      f"{line.split(' {')[0]} says that the ISSUER tier is sealed, and what is next",
                      f"exit {done.returncode}: {said}")


def what_goes_on(site, login):
    results.equal(site.login(*login), "ok", "logins go on")
    for line, code in GO_ON:
        done = site.ctl(*line.split(), check=False)
        results.equal(done.returncode, code, f"{line} works" + (
            "" if done.returncode == code else f": {done.stdout}{done.stderr}"))
    results.check(ask_map(site, "senders", "a@example.com").startswith("OK "),
                  "the senders table answers")
    results.check(ask_map(site, "outbound", "[relay.example.net]:587").startswith("TEMP "),
                  "the outbound table says later, not no")


def what_waits(site):
    status = site.status()
    waits = status["issuer_waits"]
    steps = waits["steps"]
    results.equal((status["keystore"]["auth"], status["keystore"]["issuer"]), ("open", "sealed"),
                  "logins opened by themselves, issuing did not")
    results.check(any(s["kind"] == "password" and s["id"] == "billing" and s["at"] for s in steps),
                  "the next rotation of a password is listed with its time", steps)
    results.check(any(s["kind"] == "certificate" for s in steps), "and that of a certificate",
                  steps)
    times = [s["at"] or "" for s in steps]
    results.equal(times, sorted(times), "soonest first")
    said = site.ctl("status").stdout
    results.check("What the sealed ISSUER tier keeps waiting (rotatectl unseal):" in said,
                  "status prints the list", said)
    said = site.ctl("plan").stdout
    results.check("What the sealed ISSUER tier keeps waiting (rotatectl unseal):" in said,
                  "and so does plan", said)
    plan = json.loads(site.ctl("--json", "plan").stdout)
    results.check(all(a["needs_issuer"] for a in plan["actions"] if a["action"] == "rotate"),
                  "each rotation of the plan says that it needs the tier", plan)


def due_reseal(site):
    """A second is a short life for keys; while nobody is there they live on."""
    path = site.join("etc/rotated/rotated.conf")
    with open(path, encoding="utf-8") as f:
        conf = f.read()
    with open(path, "w", encoding="utf-8") as f:
        f.write(conf.replace("[keystore]\n", "[keystore]\nreseal_every = 1s\n"))
    site.daemons["rotated"].signal(1)
    now = harness.poll("a reseal to be due", lambda: next(
        (k for k in [site.status()["keystore"]] if k["reseal_due"]), None))
    results.check(now["reseal"] is None and now["reseal_at"], "it does not begin while sealed", now)
    said = site.ctl("status").stdout
    results.check("reseal    due since" in said and "WAITS: rotatectl unseal" in said,
                  "status says that it waits, and what to type", said)
    results.check("should have been renewed" in said, "long overdue is an alarm", said)
    site.unseal()
    harness.poll("it to begin and end by itself", lambda: "store.resealed" in site.ctl(
        "audit", "show").stdout, 60)
    lines = [line for line in site.ctl("audit", "show").stdout.splitlines()
             if "store.reseal " in line]
    results.check(lines and "schedule" in lines[0], "the audit log says that the schedule did it",
                  lines)
    results.equal(site.status()["issuer_waits"], None, "with ISSUER open nothing waits for it")


def main():
    with Site(CONF, services=("other", "fresh")) as site:
        site.service("billing", "[service]\nsenders = a@example.com\n")
        site.domain("example.com")
        site.write("etc/rotated/upstreams.d/relay.conf",
                   "[upstream]\nserver = relay.example.net:587\n"
                   "destinations = [relay.example.net]:587\n")
        site.start_all()
        login, selector = make_all(site)
        now = site.status()
        results.equal((now["memory"]["state"], now["issuer_waits"]), ("ok", None),
                      "memory is locked, and nothing waits")
        reboot(site)
        what_waits(site)
        refusals(site, selector)
        what_goes_on(site, login)
        due_reseal(site)
        results.equal(site.login(*login), "ok", "and logins go on")
    results.exit()


main()
