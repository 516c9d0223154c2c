#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""5,000 services from a real slapd through worker and vault to a login. After whatever happens to the
directory, what is in force is what it says, all of it compared, or it is held with the reason."""

import json
import os
import shutil
import subprocess
import time

from harness import PATIENCE, Results, build_path, need_programs, poll
from servers import LDAP_PASSWORD, Slapd
from tlsfiles import Authority
from whole import Site, ctl_in_background

MANY = 5000
LONG = 10 * PATIENCE  # for whole passes on a machine that has other things to do

CONF = """
[ldap]
uri = %s
ca_file = %s
bind_dn = %s
base = ou=services,dc=example,dc=org
filter = (objectClass=organizationalRole)
map = service = cn
map = schedule = l
map = enabled = st
poll = 1s
full_every = 1h
grace = 1h
timeout = 40s
"""

t = Results()


def ctl(site, *args, patience=LONG):
    return subprocess.run([build_path("rotatectl", site.build), "--root", site.path, "--json", *args],
                          capture_output=True, text=True, timeout=patience, check=False)


def ldap(site, verb, *args):
    """(exit code, the answer or the error)"""
    done = ctl(site, "ldap", verb, *args)
    return done.returncode, json.loads(done.stdout or done.stderr)


def state(site):
    """What is in force: service -> description"""
    rows = json.loads(ctl(site, "service", "list").stdout)["services"]
    return {r["service"]: r["description"] for r in rows if r["configured"] and r["enabled"]}


def same(site, slapd, sentence):
    got, wanted = state(site), slapd.services()
    wrong = {k for k in got.keys() | wanted.keys() if got.get(k) != wanted.get(k)}
    t.check(not wrong, f"{sentence}: all {len(wanted)} are as in the directory", sorted(wrong)[:20])


def sync(site, wanted=0):
    code, answer = ldap(site, "sync")
    t.check(code == wanted, f"a whole pass ends with {wanted}", (code, answer.get("error"), answer.get("message")))
    return answer


def name(number):
    return f"svc-{number:04d}"


def load(site, slapd):
    slapd.slapadd("".join(slapd.ldif(name(n), description=f"number {n}") for n in range(MANY)))
    slapd.start()
    site.start_all()
    code, answer = ldap(site, "sync")
    t.check(code == 75 and "password" in str(answer), "without a password it waits, and says for what", answer)
    secret = site.write("ldap.secret", LDAP_PASSWORD + "\n", 0o600)
    done = ctl(site, "ldap", "secret", "--passphrase-file", secret)
    t.check(done.returncode == 0, "the password is stored", done.stderr)
    waits = []
    with_pass = ctl_in_background(site, "--json", "ldap", "sync")
    while with_pass.poll() is None:
        begun = time.monotonic()
        ctl(site, "status")
        waits.append(time.monotonic() - begun)
    with_pass.communicate()
    print(f"# {len(waits)} answers while {MANY} services were loaded, the slowest after {max(waits, default=0):.2f} s")
    sync(site)
    same(site, slapd, "loaded")


def changes(site, slapd):
    login, secret = site.issue(name(7))
    t.equal(site.login(login, secret), "ok", "a service of the directory has a password, and logs in")
    slapd.add("new-one", description="just added")
    slapd.modify(f"dn: {slapd.dn(name(8))}\nchangetype: modify\nreplace: description\ndescription: changed\n")
    poll("a delta to bring both", lambda: {"new-one": "just added", name(8): "changed"}.items() <= state(site).items())
    same(site, slapd, "add and change by delta")
    slapd.modify("dn: ou=moved,dc=example,dc=org\nobjectClass: organizationalUnit\nou: moved\n")
    slapd.modify(f"dn: ou=deep,ou=services,dc=example,dc=org\nobjectClass: organizationalUnit\nou: deep\n\n"
                 f"dn: {slapd.dn(name(7))}\nchangetype: modrdn\nnewrdn: cn={name(7)}\ndeleteoldrdn: 1\n"
                 f"newsuperior: ou=deep,ou=services,dc=example,dc=org\n")
    sync(site)
    same(site, slapd, "moved in the tree")
    t.equal(site.login(login, secret), "ok", "and the credential is kept")
    slapd.modify(f"dn: cn={name(7)},ou=deep,ou=services,dc=example,dc=org\nchangetype: delete\n")
    sync(site)
    same(site, slapd, "deleted")
    t.equal(site.login(login, secret), "no", "and its login is refused")


def broken(site, slapd):
    slapd.add("bad-one", more="l: soon\n")
    slapd.add("good-one", more="l: 30d\n")
    poll("both to be read", lambda: "good-one" in state(site))
    problems = ldap(site, "status")[1]["problems"]
    t.check(len(problems) == 1 and "l: schedule = soon" in problems[0]["problem"] and
            "cn=bad-one" in problems[0]["dn"], "a broken entry is told, with attribute and reason", problems)
    t.check("bad-one" not in state(site), "and not in force; the others are")
    slapd.modify(f"dn: {slapd.dn('bad-one')}\nchangetype: delete\n")
    sync(site)
    same(site, slapd, "mended")


def bulk(site, slapd):
    before = state(site)
    slapd.modify("".join(f"dn: {slapd.dn(name(n))}\nchangetype: delete\n\n" for n in range(100, 200)))
    answer = sync(site, 1)
    held = ldap(site, "status")[1]["held"]
    t.check(held and held["services"] == [name(n) for n in range(100, 200)], "a bulk delete is held by name",
            (answer.get("message"), held and held["reason"]))
    t.equal(state(site), before, "and nothing was done")
    code, answer = ldap(site, "approve", held["id"])
    t.equal(code, 0, "a person approves")
    same(site, slapd, "approved")


def stopped(site, slapd):
    slapd.process.pause()
    answer = sync(site, 75)
    t.check("message" in answer or answer.get("error"), "a stopped server is told", answer)
    t.check(len(state(site)) > MANY - 200, "and what is known stays in force")
    slapd.process.resume()
    poll("it to be read again", lambda: ldap(site, "status")[1]["error"] is None, LONG)
    same(site, slapd, "and going on")


def wrong_certificate(site, slapd, authority):
    with open(authority.ca, encoding="ascii") as f:
        right = f.read()
    stranger = Authority(site.join("stranger"), "Stranger CA")
    shutil.copyfile(stranger.ca, authority.ca)
    answer = sync(site, 75)
    t.check("ertificate" in str(answer) or "TLS" in str(answer), "a wrong certificate is told", answer)
    with open(authority.ca, "w", encoding="ascii") as f:
        f.write(right)
    poll("it to be read again", lambda: ldap(site, "status")[1]["error"] is None, LONG)
    same(site, slapd, "with the right one")


def restored(site, slapd):
    slapd.stop()
    shutil.copytree(slapd.db, slapd.db + ".saved")
    slapd.start()
    slapd.add(*[f"young-{n}" for n in range(40)])
    slapd.modify("".join(f"dn: {slapd.dn(name(n))}\nchangetype: modify\nreplace: description\ndescription: young\n\n"
                         for n in range(300, 330)))
    sync(site)
    same(site, slapd, "before the restore")
    before = state(site)
    slapd.stop()
    shutil.rmtree(slapd.db)
    shutil.move(slapd.db + ".saved", slapd.db)
    slapd.start()
    poll("it to be held", lambda: ldap(site, "status")[1]["held"], LONG)
    held = ldap(site, "status")[1]["held"]
    t.check("older" in held["reason"] and held["count"] == 70, "a restored directory is held with the reason", held)
    t.equal(state(site), before, "and changes nothing in silence")
    t.equal(ldap(site, "approve", held["id"])[0], 0, "until it is approved")
    same(site, slapd, "restored")


def main():
    need_programs("slapd", "slapadd", "ldapsearch", "ldapmodify", "openssl")
    with Site(services=()) as site:
        authority = Authority(site.join("tls"))
        slapd = Slapd(site, tls=(authority.ca, *authority.server("slapd")),
                      options=f'limits dn.exact="{Slapd.READER}" size=unlimited')
        with open(site.join("etc/rotated/rotated.conf"), "a", encoding="utf-8") as f:
            f.write(CONF % (slapd.ldaps, "/tls/" + os.path.basename(authority.ca), slapd.READER))
        load(site, slapd)
        changes(site, slapd)
        broken(site, slapd)
        bulk(site, slapd)
        stopped(site, slapd)
        wrong_certificate(site, slapd, authority)
        restored(site, slapd)
        site.ctl("audit", "verify")
        t.check(LDAP_PASSWORD not in site.daemons["rotated"].log(), "the password is in no log")
    t.exit()


main()
