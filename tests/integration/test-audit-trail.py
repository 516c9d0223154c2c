#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""Who asks the audit log what happened to a service gets the whole story: it came from the directory,
got a password and a certificate, and went away again. No line holds a secret, and all verify."""

import json
import os

from harness import Results, need_programs, poll
from servers import Slapd
from whole import Site

CONF = """
[ca]
trust_domain = relay.example.com
[ldap]
uri = {ldapi}
bind = external
base = ou=services,dc=example,dc=org
filter = (objectClass=organizationalRole)
map = service = cn
poll = 1s
grace = 1h
deletion_limit = 5 90%
"""

t = Results()


def services(site):
    rows = json.loads(site.ctl("--json", "service", "list").stdout)["services"]
    return {row["service"] for row in rows if row["enabled"]}


def live(site, slapd):
    """One service's life; returns its secrets."""
    slapd.add("keeper", "billing")
    site.ctl("ldap", "sync")
    poll("the services of the directory", lambda: services(site) == {"keeper", "billing"})
    site.ctl("ca", "init")
    _, password = site.issue("billing")
    certificate = site.ctl("certificate", "issue", "billing").stdout
    slapd.modify(f"dn: {slapd.dn('billing')}\nchangetype: delete\n")
    site.ctl("ldap", "sync")
    poll("the service to be gone", lambda: services(site) == {"keeper"})
    begin = certificate.index("PRIVATE KEY-----") + len("PRIVATE KEY-----\n")
    return password, certificate[begin:begin + 64]


def story(site, of):
    """What was done to OF, in order, of which the log says too that it was carried through."""
    records = json.loads(site.ctl("--json", "audit", "show").stdout)["records"]
    done = {r["req"] for r in records if r["outcome"] == "ok"}
    return [r["ev"] for r in records if r.get("obj") == of and r["outcome"] == "intent" and r["req"] in done]


def main():
    need_programs("slapd", "ldapadd", "ldapmodify")
    with Site(services=()) as site:
        slapd = Slapd(site)
        with open(site.join("etc/rotated/rotated.conf"), "a", encoding="utf-8") as f:
            f.write(CONF.format(ldapi=slapd.ldapi))
        slapd.start()
        site.start_all()
        secrets = live(site, slapd)
        told = story(site, "billing")
        t.equal(told, ["ldap.add", "credential.issue", "credential.confirm", "certificate.issue", "certificate.confirm",
                       "ldap.gone"], "the log tells of the directory, the password and the certificate, in order")
        folder = site.join("var/log/rotated/audit")
        log = ""
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), encoding="ascii") as f:
                log += f.read()
        t.check(not any(secret in log for secret in secrets), "no secret is in the log")
        t.equal(site.ctl("audit", "verify").returncode, 0, "and it verifies")
    t.exit()


main()
