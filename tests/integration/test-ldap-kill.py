#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: BSD-2-Clause
"""The vault is killed at any moment of a merge, the directory being a real slapd: afterwards its state is the
directory's, and store and audit log are whole. ROTATED_LONG=1: for long."""

import json
import os
import random
import time

from harness import PATIENCE, Results, need_programs, poll
from servers import Slapd
from whole import Site, ctl_in_background

TURNS = 200 if os.environ.get("ROTATED_LONG") else 6
MANY = 600
CONF = """
[ldap]
uri = %s
bind = external
base = ou=services,dc=example,dc=org
filter = (objectClass=organizationalRole)
map = service = cn
map = enabled = st
poll = 1s
grace = 1h
deletion_limit = 1000 50%%
"""

t = Results()


def state(site):
    rows = json.loads(site.ctl("--json", "service", "list").stdout)["services"]
    return {r["service"]: r["description"] for r in rows if r["configured"] and r["enabled"]}


def change(slapd, turn, there):
    """Every kind of change, to some of all that is THERE."""
    chosen = random.sample(sorted(there), 120)
    edits = []
    for cn in chosen[:60]:
        edits.append(f"dn: {slapd.dn(cn)}\nchangetype: modify\nreplace: description\ndescription: turn {turn}\n\n")
    for cn in chosen[60:80]:
        edits.append(f"dn: {slapd.dn(cn)}\nchangetype: delete\n\n")
    for cn in chosen[80:100]:
        edits.append(f"dn: {slapd.dn(cn)}\nchangetype: modrdn\nnewrdn: cn={cn}-{turn}\ndeleteoldrdn: 1\n\n")
    for cn in chosen[100:]:
        edits.append(f"dn: {slapd.dn(cn)}\nchangetype: modify\nreplace: st\nst: {random.choice(('TRUE', 'FALSE'))}\n\n")
    edits += [slapd.ldif(f"turn{turn}-{n}") for n in range(20)]
    slapd.modify("".join(edits))


def main():
    need_programs("slapd", "slapadd", "ldapsearch", "ldapmodify")
    seed = int(os.environ.get("ROTATED_SEED", "0")) or time.time_ns()
    random.seed(seed)
    print(f"# ROTATED_SEED={seed}")
    with Site(services=()) as site:
        slapd = Slapd(site, options="sizelimit unlimited")
        with open(site.join("etc/rotated/rotated.conf"), "a", encoding="utf-8") as f:
            f.write(CONF % slapd.ldapi)
        slapd.slapadd("".join(slapd.ldif(f"svc-{n}") for n in range(MANY)))
        slapd.start()
        site.start_all()
        site.ctl("ldap", "sync", patience=10 * PATIENCE)
        wrong = []
        for turn in range(TURNS):
            change(slapd, turn, slapd.services())
            order = ctl_in_background(site, "--json", "ldap", "sync")
            time.sleep(random.uniform(0, 0.5))  # not a wait: where the kill falls
            site.daemons["rotated"].kill()
            order.communicate()
            site.daemons["rotated"] = site.start_vault()
            poll("door and worker", lambda: site.status()["door"]["has_keys"] and site.status()["worker"]["connected"])
            site.ctl("ldap", "sync", patience=10 * PATIENCE)
            got, wanted = state(site), slapd.services()
            wrong += [(turn, k, got.get(k), wanted.get(k)) for k in got.keys() | wanted.keys()
                      if got.get(k) != wanted.get(k)]
        t.equal(wrong[:20], [], f"after each of {TURNS} kills the state is the directory's")
        t.equal(site.ctl("audit", "verify", check=False).returncode, 0, "the audit log is whole")
        site.unseal()
        t.equal(site.ctl("store", "verify", check=False).returncode, 0, "and the store")
    t.exit()


main()
