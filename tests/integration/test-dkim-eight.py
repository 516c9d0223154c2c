#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A domain whose hook refuses to withdraw: new keys come all the same, until the old ones leave no
place for another. The ninth is put off with the reason, the active key goes on signing, and when
the hook may withdraw again everything goes on."""

import os
import re

from harness import Results, need_programs, poll
from servers import dig
from whole import Site, publish_by_knot

DOMAIN = "example.com"
LIVING_MAX = 8

HOOK = """#!/bin/sh
# hands everything to the real hook, but removals only while the file "refuse" is not there
body=$(cat)
case $1.$body in
apply.*'"op":"absent"'*)
	[ ! -e {refuse} ] || exit 77
esac
printf '%s' "$body" | {hook} "$@"
"""


def obstruct(site, refuse):
    """Puts HOOK between the domain and its real hook."""
    path = site.join(f"etc/rotated/domains.d/{DOMAIN}.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    real = re.search(r"hook = (.*)", text).group(1)
    hook = site.write("hook", HOOK.format(refuse=refuse, hook=real), 0o755)
    site.domain(DOMAIN, text.replace(real, hook))


def is_published(knot, selector):
    return "v=DKIM1" in dig(knot.address, knot.port, f"{selector}._domainkey.{DOMAIN}")


def rotate(site):
    """A rotation to its end; the selector that is active then."""
    old = site.active_selector(DOMAIN)
    site.ctl("dkim", "rotate", DOMAIN, check=False)
    return poll("another key to be active", lambda: site.active_selector(DOMAIN) not in (None, old)
                and site.active_selector(DOMAIN))


def fill(site, results):
    selectors = [rotate(site)]
    while len(site.key_states(DOMAIN)) < LIVING_MAX:
        selectors.append(rotate(site))
    results.equal(sorted(site.key_states(DOMAIN)), sorted(selectors),
                  "new keys come into use while old ones can not be withdrawn")
    poll("the refusal to hold the domain", lambda: site.dkim(DOMAIN)["state"] == "held")


def put_off(site, knot, results):
    active = site.active_selector(DOMAIN)
    done = site.ctl("dkim", "rotate", DOMAIN, check=False)
    results.equal(done.returncode, 75, "a ninth key is put off")
    results.check("8 living keys" in done.stderr and "rotatectl status" in done.stderr,
                  "with the reason and the next command", done.stderr)
    results.equal(site.active_selector(DOMAIN), active, "the active key stays what it was")
    results.check(is_published(knot, active), "and is published")


def go_on(site, knot, results):
    old = sorted(site.key_states(DOMAIN))
    active = site.active_selector(DOMAIN)
    site.ctl("dkim", "rotate", DOMAIN, check=False)
    poll("the old keys to be gone", lambda: list(site.key_states(DOMAIN)) == [active])
    results.check(not any(is_published(knot, s) for s in old if s != active),
                  "when the hook may withdraw, one rotate makes all old records go")
    results.check(is_published(knot, active), "and the active one stays")
    new = rotate(site)
    results.check(new not in old, "after which there is room for the next", new)


def main():
    need_programs("knotd", "knotc", "dig")
    results = Results()
    with Site(services=()) as site:
        refuse = site.write("refuse", "")
        knot = publish_by_knot(site, DOMAIN)
        obstruct(site, refuse)
        site.start_all()
        fill(site, results)
        put_off(site, knot, results)
        os.unlink(refuse)
        go_on(site, knot, results)
    results.exit()


if __name__ == "__main__":
    main()
