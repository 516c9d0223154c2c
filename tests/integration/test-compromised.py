#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""rotate --compromised: whatever anybody may have is dead at once, and the next one comes without waiting."""

import json

from harness import Results, need_programs, poll
from servers import dig
from whole import Site, mux_login, publish_by_knot

DOMAIN = "example.com"


def is_published(knot, selector):
    return "v=DKIM1" in dig(knot.address, knot.port, f"{selector}._domainkey.{DOMAIN}")


def passwords(site, results):
    old = site.issue("billing")
    current = site.rotate("billing")
    poll("the current login to work", lambda: mux_login(site.mux, *current) == "ok")
    results.equal(mux_login(site.mux, *old), "ok", "the one before works, too")
    done = site.ctl("credential", "rotate", "billing", "--compromised")
    words = done.stdout.split()
    new = words[words.index("login") + 1], words[words.index("secret") + 1]
    results.equal([mux_login(site.mux, *login) for login in (old, current)], ["no", "no"],
                  "both are dead when the command has answered")
    results.equal(mux_login(site.mux, *new), "ok", "and the new one works")
    results.check("What is left to do" in done.stderr and "rotatectl service show billing" in done.stderr,
                  "what only a person can do is said", done.stderr)
    events = [r["ev"] for r in json.loads(site.ctl("--json", "audit", "show").stdout)["records"]]
    results.check("credential.compromised" in events, "and the audit log has it", events)
    done = site.ctl("credential", "rotate", "billing", "--compromised", "--dry-run")
    results.check("left to do" not in done.stderr and mux_login(site.mux, *new) == "ok", "a dry run changes nothing")


def dkim(site, knot, results):
    site.ctl("dkim", "rotate", DOMAIN)
    poll("a standby", lambda: "ready as the standby" in (site.dkim(DOMAIN)["reason"] or ""))
    active = site.active_selector(DOMAIN)
    standby = next(s for s, state in site.key_states(DOMAIN).items() if state == "soaked")
    results.check(is_published(knot, active) and is_published(knot, standby), "active and standby are published")
    results.equal(site.dkim(DOMAIN)["state"], "ok", "a standby that waits is no alarm")
    results.check(site.dkim(DOMAIN)["next_rotation"], "and the next rotation has its date")
    done = site.ctl("dkim", "rotate", DOMAIN, "--compromised")
    results.check("take the old key out of every signer" in done.stderr, "what is left to do is said", done.stderr)
    poll("the standby to be active", lambda: site.active_selector(DOMAIN) == standby)
    poll("the old record to go", lambda: not is_published(knot, active))
    done = site.ctl("dkim", "show", DOMAIN, active, "--private-key", check=False)
    results.check(done.returncode != 0 and "PRIVATE" not in done.stdout, "the compromised key is erased", done.stderr)
    poll("another standby", lambda: "soaked" in site.key_states(DOMAIN).values())
    results.check(is_published(knot, standby), "and the next standby is made")


def main():
    need_programs("knotd", "knotc", "dig")
    results = Results()
    with Site() as site:
        knot = publish_by_knot(site, DOMAIN)
        path = site.join(f"etc/rotated/domains.d/{DOMAIN}.conf")
        with open(path, encoding="utf-8") as f:
            site.domain(DOMAIN, f.read() + "[dkim]\nstandby = yes\n")
        site.start_all()
        passwords(site, results)
        dkim(site, knot, results)
    results.exit()


main()
