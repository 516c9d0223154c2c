#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DKIM key's whole life through the real daemons, dns-nsupdate and BIND: published, confirmed at
every authoritative server, activated only then, rotated with overlap, withdrawn; and what
happens when a server lags, refuses or is down. Signatures are judged by Mail::DKIM."""

import os
import re
import subprocess

from harness import PATIENCE, SOURCE, Failure, Results, need_programs, poll
from servers import Bind, dig, zone_text
from whole import Site

DOMAIN = "example.com"
POLICY = "update-policy { grant rotated subdomain _domainkey.example.com. TXT; };"
PAIR = zone_text("ns1 IN A 127.0.0.1\nns2 IN A 127.0.0.1\n", ns=("ns1", "ns2"), negative=1)


def record(server, selector):
    """(status, [text of each TXT RR, strings joined], number of strings) as the server says."""
    said = dig(server.address, server.port, f"{selector}._domainkey.{DOMAIN}")
    status = re.search(r"status: (\w+)", said)
    lines = re.findall(r"\sIN\s+TXT\s+(\".*)", said)
    texts = ["".join(re.findall(r'"([^"]*)"', line)) for line in lines]
    strings = [len(re.findall(r'"[^"]*"', line)) for line in lines]
    return status and status.group(1), texts, strings


def is_published(server, selector):
    return record(server, selector)[1] != []


def judge(site, server, selector):
    """Signs with the stored key; verifies against the DNS. The verifier's words."""
    key = site.ctl("dkim", "show", DOMAIN, selector, "--private-key").stdout
    done = subprocess.run(
        [os.path.join(SOURCE, "tests/tools/dkim-sign-and-verify"), DOMAIN, selector,
         server.address, str(server.port)],
        input=key, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout.strip() or done.stderr


def configure(site, key, port, servers):
    listed = " ".join(f"127.0.0.1:{s.port}" for s in servers)
    hook = os.path.join(site.build, "hooks", "dns-nsupdate")
    site.domain(DOMAIN, f"""[domain]
[dns]
hook = {hook}
setting = KEY_FILE={key}
setting = SERVER=127.0.0.1
setting = PORT={port}
setting = TIMEOUT=3
servers = {listed}
timeout = 20s
""")


def wait_state(site, selector, state):
    try:
        poll(f"{selector} to be {state or 'gone'}", lambda: site.key_states(DOMAIN).get(selector) == state)
    except Failure as e:
        raise Failure(f"{e}\n{site.ctl('status').stdout}") from None


def start_key(site):
    """Starts a rotation unless one began by itself; returns the selector that is coming."""
    site.ctl("dkim", "rotate", DOMAIN, check=False)
    return poll("a key on its way", lambda: coming(site))


def coming(site):
    for selector, state in site.key_states(DOMAIN).items():
        if state in ("staged", "publishing", "visible", "soaked"):
            return selector
    return None


def held_up(site):
    """Why the domain does not go on: (state, reason); None while it does."""
    shown = site.dkim(DOMAIN)
    return (shown["state"], shown["reason"]) if shown["state"] in ("failing", "held") else None


def first_key(site, primary, secondary, results):
    site.ctl("dkim", "rotate", DOMAIN, check=False)
    selector = poll("the first key to be active", lambda: site.active_selector(DOMAIN))
    results.check(re.fullmatch(r"r\d{8}[a-z]?", selector), "a selector is named by its day",
                  selector)
    for server in (primary, secondary):
        status, texts, strings = record(server, selector)
        results.check(len(texts) == 1 and strings[0] > 1 and len(texts[0]) > 400,
                      f"{server.name} has a 2048-bit key as one TXT of several strings",
                      f"{status} {texts} {strings}")
    results.equal(judge(site, primary, selector), "pass",
                  "Mail::DKIM verifies a signature of the stored key by the published record")
    done = site.ctl("dns", "check", DOMAIN, check=False)
    results.check(done.returncode == 0, "dns check agrees", done.stdout + done.stderr)
    return selector


def lagging_server(site, primary, secondary, old, results):
    """The secondary is stopped dead: it neither answers nor follows."""
    secondary.process.pause()
    new = start_key(site)
    poll(f"{new} to be at the primary", lambda: is_published(primary, new))
    state, reason = poll("the wait to be explained", lambda: held_up(site))
    results.check(str(secondary.port) in reason, "status names the server that does not answer",
                  f"{state}: {reason}")
    results.equal(site.active_selector(DOMAIN), old,
                  "while a server is silent the active key does not change")
    secondary.process.resume()
    secondary.stop()
    results.equal(site.active_selector(DOMAIN), old, "nor while it is down")
    # without a copy it asks the primary at once, not when its SOA says
    os.unlink(os.path.join(secondary.folder, f"{DOMAIN}.sec"))
    secondary.start()
    wait_state(site, new, "active")
    results.check(is_published(secondary, new), "it became active when the server had caught up")
    results.equal(site.key_states(DOMAIN).get(old), "retiring",
                  "and the old key is retiring, not gone")
    return new


def overlap(site, primary, old, results):
    results.check(is_published(primary, old), "the old record is there during the overlap")
    wait_state(site, old, None)  # a destroyed key is not listed any more
    status, texts, _ = record(primary, old)
    results.check(status == "NXDOMAIN" or not texts, "after the overlap the old record is gone",
                  f"{status} {texts}")
    done = site.ctl("dkim", "show", DOMAIN, old, "--private-key", check=False)
    results.check(done.returncode != 0 and "PRIVATE" not in done.stdout,
                  "and its private key can not be had any more", done.stdout)


def refused(site, primary, secondary, active, results):
    """A TSIG key that the server does not know: no change, a clear status, then recovery."""
    wrong = site.write("wrong.key", 'key "stranger" { algorithm hmac-sha256; secret "'
                       'c3RyYW5nZXJzdHJhbmdlcnN0cmFuZ2Vyc3RyYW5nZXI="; };\n', 0o600)
    configure(site, wrong, primary.port, (primary, secondary))
    site.daemons["rotated"].signal(1)
    poll("the new configuration to be in force",
         lambda: "configuration" in site.daemons["rotated"].log())
    new = start_key(site)
    state, reason = poll("the refusal to be explained", lambda: held_up(site))
    results.check(state in ("held", "failing"), "a refused update is shown as held or failing",
                  f"{state}: {reason}")
    results.equal(site.active_selector(DOMAIN), active, "and the active key does not change")
    results.check(not is_published(primary, new), "and nothing was published")
    return new


def main():
    need_programs("named", "nsupdate", "dig", "perl")
    results = Results()
    with Site() as site:
        primary, secondary = Bind(site, "primary"), Bind(site, "secondary")
        key = primary.key()
        primary.primary(DOMAIN, PAIR, POLICY)
        secondary.secondary(DOMAIN, primary)
        # the primary tells the secondary, so that in good times it follows at once
        primary.notify = f"notify explicit; also-notify {{ 127.0.0.1 port {secondary.port}; }};"
        primary.start()
        secondary.start()
        configure(site, key, primary.port, (primary, secondary))
        site.start_all()
        one = first_key(site, primary, secondary, results)
        two = lagging_server(site, primary, secondary, one, results)
        overlap(site, primary, one, results)
        three = refused(site, primary, secondary, two, results)
        configure(site, key, primary.port, (primary, secondary))
        site.daemons["rotated"].signal(1)
        site.ctl("dkim", "rotate", DOMAIN, check=False)
        wait_state(site, three, "active")
        results.check(True, "with the right key the rotation goes on where it stood")
        results.equal(judge(site, primary, three), "pass", "and the new key verifies")
    results.exit()


if __name__ == "__main__":
    main()
