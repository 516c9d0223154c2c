#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""What becomes of a service that the directory does not name any more, and of all of them without a directory."""

import json
import signal
import subprocess

from harness import Results, poll
from toldldap import FakeDirectory
from whole import Site

CONF = """
[ca]
trust_domain = mail.example.com
[ldap]
%s
poll = 1s
full_every = 1s
grace = %s
max_stale = %s
"""
URI = "uri = ldapi://fake\nbase = dc=example\n"
ANONYMOUS = URI + "bind = anonymous"

t = Results()


def ldap(site, verb="status", *args):
    done = site.ctl("--json", "ldap", verb, *args, check=False)
    return json.loads(done.stdout or done.stderr)


def enabled(site):
    rows = json.loads(site.ctl("--json", "service", "list").stdout)["services"]
    return sorted(r["service"] for r in rows if r["configured"] and r["enabled"])


def alarm(site, text):
    return [a for a in site.status()["alarms"] if text in a["what"]]


class Config:
    """rotated.conf, which changes while the vault runs."""

    def __init__(self, site):
        self.site = site
        self.path = site.join("etc/rotated/rotated.conf")
        with open(self.path, encoding="utf-8") as f:
            self.start = f.read()

    def write(self, lines=ANONYMOUS, grace="1h", max_stale="7d"):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(self.start + CONF % (lines, grace, max_stale))

    def set(self, **changed):
        vault = self.site.daemons["rotated"]
        count = vault.log().count("was taken over")
        self.write(**changed)
        vault.signal(signal.SIGHUP)
        poll("the configuration", lambda: vault.log().count("was taken over") > count)


def revoked(site):
    crl = site.ctl("ca", "crl").stdout
    return subprocess.run(["openssl", "crl", "-noout", "-text"], input=crl, capture_output=True, text=True,
                          check=True).stdout.count("Serial Number:")


def grace(site, conf, d):
    key = d.add("alpha")
    d.add("beta")
    ldap(site, "sync")
    site.ctl("ca", "init")
    login, secret = site.issue("alpha")
    site.ctl("certificate", "issue", "alpha")
    t.equal(site.login(login, secret), "ok", "a service of the directory logs in")
    entry = d.entries.pop(key)
    ldap(site, "sync")
    t.equal((site.login(login, secret), revoked(site)), ("no", 0), "gone: refused, and nothing revoked yet")
    d.entries[key] = entry
    ldap(site, "sync")
    t.equal(site.login(login, secret), "ok", "back within the grace: restored")
    del d.entries[key]
    ldap(site, "sync")
    conf.set(grace="1s")
    poll("the grace to be over", lambda: not ldap(site)["gone"])
    t.equal((site.login(login, secret), revoked(site)), ("no", 1), "after it: erased, the certificate is on the list")
    conf.set()
    d.add("alpha", description="another one")
    ldap(site, "sync")
    t.check("alpha" in enabled(site), "a new entry of that id is a service")
    t.equal(site.login(login, secret), "no", "that inherits nothing")
    fresh, other = site.issue("alpha")
    t.check(fresh != login, "not even a login", (login, fresh))
    t.equal(site.login(fresh, other), "ok", "and has its own")
    rows = json.loads(site.ctl("--json", "audit", "show", "--count", "1000").stdout)["records"]
    t.check("ldap.erase" in {r["ev"] for r in rows}, "the audit log tells of the end")


def disabled_and_broken(site, d):
    key = d.add("gamma", description="the third")
    ldap(site, "sync")
    login, secret = site.issue("gamma")
    d.entries[key] = (d.entries[key][0], {"rotatedServiceId": "gamma", "rotatedPasswordOverlap": "soon"})
    ldap(site, "sync")
    t.equal(site.login(login, secret), "ok", "a broken entry keeps what it said last")
    for what, values in {"broken": {"rotatedPasswordOverlap": "soon"}, "without a usable id": {"rotatedServiceId": "G!"},
                         "with two": {"rotatedEnabled": ["TRUE", "FALSE"]}}.items():
        d.entries[key] = (d.entries[key][0], {"rotatedServiceId": "gamma"})
        ldap(site, "sync")
        t.equal(site.login(login, secret), "ok", "mended")
        d.entries[key] = (d.entries[key][0], {"rotatedServiceId": "gamma", "rotatedEnabled": "FALSE", **values})
        ldap(site, "sync")
        t.equal(site.login(login, secret), "no", f"disabled and {what}: disabled")
        t.equal([p["uuid"] for p in ldap(site)["problems"]], [key], "and told as broken")
        before = site.status()["keystore"]["txid"]
        ldap(site, "sync")
        t.equal(site.status()["keystore"]["txid"], before, "once")
    return login, secret


def without_directory(site, conf, d, login, secret):
    d.add("delta")
    ldap(site, "sync")
    working = site.issue("delta")
    before = enabled(site)
    gone = site.issue("beta")
    d.entries = {k: e for k, e in d.entries.items() if e[1]["rotatedServiceId"] != "beta"}
    ldap(site, "sync")
    before.remove("beta")
    conf.set(lines="")
    for turn in ("without uri", "and after a restart"):
        t.equal(enabled(site), before, f"{turn}: the services stay")
        t.equal([site.login(*x) for x in ((login, secret), gone, working)], ["no", "no", "ok"],
                "what is disabled or gone stays so")
        t.equal(ldap(site)["state"], "none", "status has the state")
        t.check(alarm(site, "no directory is configured any more"), "and an alarm with what to do")
        site.daemons["rotated"].stop()
        site.daemons["rotated"] = site.start_vault()
        poll("the door and the worker", lambda: site.status()["door"]["has_keys"] and
             site.status()["worker"]["connected"])
    conf.set()
    t.equal(ldap(site, "sync").get("state"), "ok", "with it again everything goes on")


def binds(site, conf, d):
    site.unseal()
    conf.set(lines=URI + "bind = simple\nbind_dn = cn=reader")
    t.check("ldap secret" in str(ldap(site, "sync")), "a simple bind waits for its secret, and says which command")
    site.ctl("ldap", "secret", "--passphrase-file", site.passphrase)
    t.equal(ldap(site, "sync").get("state"), "ok", "with it the directory is read")
    t.check(d.jobs[-1]["password"], "with the password")
    site.ctl("seal", "--issuer")
    poll("it to wait", lambda: ldap(site)["state"] == "waiting")
    t.check(True, "with ISSUER sealed it waits")
    conf.set(lines=URI + "bind = external")
    t.equal(ldap(site, "sync").get("state"), "ok", "an external bind does not")
    t.check("password" not in d.jobs[-1], "and no password is in the job")


def stale(site, conf, d):
    conf.set(max_stale="1s")
    d.result = "unreachable"
    poll("the alarm", lambda: alarm(site, "what is known of the directory is"))
    d.result = "ok"
    conf.set()
    poll("it to end", lambda: not alarm(site, "what is known of the directory is"))
    t.check(True, "old data is an alarm, until it is new again")


def main():
    with Site(services=("local",)) as site:
        conf = Config(site)
        conf.write()
        site.daemons["rotated"] = site.start_vault()
        site.daemons["rotated-auth"] = site.start_door()
        d = FakeDirectory(site)
        try:
            site.ctl("init", "--unattended", "--passphrase-file", site.passphrase)
            poll("door and worker", lambda: site.status()["door"]["has_keys"] and site.status()["worker"]["connected"])
            grace(site, conf, d)
            login, secret = disabled_and_broken(site, d)
            without_directory(site, conf, d, login, secret)
            binds(site, conf, d)
            stale(site, conf, d)
            site.ctl("audit", "verify")
        finally:
            d.close()
    t.exit()


main()
