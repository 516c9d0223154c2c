#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DNS hook is out of order for long. When one domain gets through again, others that wait for the
same hook do not sit out the hours that their wait has grown to."""

import datetime
import os
import re

from harness import Results, need_programs, poll
from whole import Site, publish_by_knot

DOMAINS = ("example.com", "example.net", "example.org")

HOOK = """#!/bin/sh
# {name}: out of order while the file "broken" is there
[ ! -e {broken} ] || exit 75
exec {hook} "$@"
"""


def break_hook(site, domain, name, broken):
    """Puts HOOK, of which domains share one by NAME, between the domain and its real hook."""
    path = site.join(f"etc/rotated/domains.d/{domain}.conf")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    real = re.search(r"hook = (.*)", text).group(1)
    hook = site.write(name, HOOK.format(name=name, broken=broken, hook=real), 0o755)
    site.domain(domain, text.replace(real, hook))


def seconds_to_attempt(site, domain):
    at = site.dkim(domain)["next_attempt"]
    if not at:
        return None
    then = datetime.datetime.fromisoformat(at.replace("Z", "+00:00"))
    return (then - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def main():
    need_programs("knotd", "knotc", "dig")
    results = Results()
    with Site(services=()) as site:
        broken = site.write("broken", "")
        publish_by_knot(site, "example.com")
        path = site.join("etc/rotated/domains.d/example.com.conf")
        with open(path, encoding="utf-8") as f:
            settings = f.read()
        for domain in DOMAINS:
            site.domain(domain, settings)
            break_hook(site, domain, "other-hook" if domain == "example.org" else "hook", broken)
        conf = site.join("etc/rotated/rotated.conf")
        with open(conf, encoding="utf-8") as f:
            text = re.sub(r"retry_(min|max) = .*", r"retry_\1 = 3h", f.read())
        site.write("etc/rotated/rotated.conf", text)
        site.start_all()
        for domain in DOMAINS:
            site.ctl("dkim", "rotate", domain, check=False)
            poll(f"{domain} to fail", lambda d=domain: site.dkim(d)["state"] == "failing")
            results.check(seconds_to_attempt(site, domain) > 3600, f"{domain} waits for hours")
        os.unlink(broken)
        site.ctl("dkim", "rotate", "example.com", check=False)  # a person makes it try now
        poll("example.com to get through", lambda: site.active_selector("example.com"))
        wait = seconds_to_attempt(site, "example.net")
        results.check(wait is None or wait <= 61, "the next domain of that hook tries within a minute", wait)
        wait = seconds_to_attempt(site, "example.org")
        results.check(wait and wait > 3600, "one of another hook waits on", wait)
    results.exit()


main()
