#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""SIGKILL of any daemon at any moment of a rotation: nothing acknowledged is lost, and nothing is
left half done.

The test keeps its own account of what rotatectl acknowledged, and holds the system to it after
every kill. DKIM keys rotate meanwhile through a real name server."""

import json
import os
import random
import select
import sys

from harness import Results, need_programs, poll
from servers import dig
from whole import Site, ctl_in_background, publish_by_knot

KILLS = 3000 if os.environ.get("ROTATED_LONG") else 200
SERVICES = ("billing", "shop", "alerts")
DOMAIN = "example.com"
REMEMBERED = 10  # revoked logins of each service that are tried again after every kill
PROGRAMS = ("rotated", "rotated-auth", "rotated-worker")


class Account:
    """What one service was promised: logins that must work, and those that must not."""

    def __init__(self, service):
        self.service = service
        self.works = {}  # login -> secret, acknowledged and not revoked since
        self.dead = {}  # login -> secret, revoked and acknowledged
        self.unsure = {}  # login -> secret, a revocation or a replacement was not acknowledged

    def note_issued(self, code, text):
        """A secret that was printed works; with exit 0 it is also the active one."""
        try:
            answer = json.loads(text)
            login, secret = answer["login"], answer["secret"]
        except (ValueError, KeyError):
            return
        if code == 0:
            self.works[login] = secret
        else:
            self.unsure[login] = secret  # staged: the next rotation may replace it

    def note_revoked(self, login, code):
        secret = self.works.pop(login, None) or self.unsure.pop(login, None)
        if secret:
            (self.dead if code in (0, 3) else self.unsure)[login] = secret


def random_pause(rng, longest):
    """Where in the operation the kill hits is the point of the test; nothing is waited for."""
    select.select([], [], [], rng.random() * longest)


def start_operation(site, rng, account):
    """One operation in the background; returns (process, what to note at its end)."""
    live = sorted({**account.works, **account.unsure})
    if len(live) > 1 and rng.random() < 0.35 or len(live) > 5:
        login = rng.choice(live[:-1])
        process = ctl_in_background(site, "--json", "credential", "revoke", login)
        return process, lambda code, text: account.note_revoked(login, code)
    verb = rng.choice(("rotate", "rotate", "issue")) if account.works else "issue"
    process = ctl_in_background(site, "--json", "credential", verb, account.service)
    return process, account.note_issued


def broken_promises(site, accounts):
    found = []
    for account in accounts:
        for login, secret in account.works.items():
            answer = site.login(login, secret)
            if answer != "ok":
                found.append(f"{login}: acknowledged, and the login says {answer}")
        for login, secret in account.dead.items():
            answer = site.login(login, secret)
            if answer != "no":
                found.append(f"{login}: revoked, and the login says {answer}")
        while len(account.dead) > REMEMBERED:
            account.dead.pop(next(iter(account.dead)))
    return found


def dns_promise(site, knot):
    """The active key's record is in the DNS, whatever was killed."""
    active = site.active_selector(DOMAIN)
    if not active:
        return []
    answer = dig(knot.address, knot.port, f"{active}._domainkey.{DOMAIN}", "TXT", "+short")
    return [] if "v=DKIM1" in answer else [f"{active} is active and not in the DNS: {answer!r}"]


def one_kill(site, knot, rng, accounts):
    account = rng.choice(accounts)
    program = rng.choice(PROGRAMS)
    if rng.random() < 0.3:
        site.ctl("dkim", "rotate", DOMAIN, check=False)
    process, note = start_operation(site, rng, account)
    random_pause(rng, 0.06)
    site.daemons[program].kill()
    text, _ = process.communicate(timeout=120)
    note(process.returncode, text)
    site.restart(program)
    return broken_promises(site, accounts) + dns_promise(site, knot)


def settle(site, accounts):
    """After all that, everything still goes on by itself."""
    for account in accounts:
        # what is live may all be retiring: then a first credential is issued again
        active = json.loads(site.ctl("--json", "service", "show", account.service).stdout)
        verb = "rotate" if active["active_version"] else "issue"
        login, secret = site.issue(account.service, verb)
        account.works[login] = secret
    before = site.active_selector(DOMAIN)
    site.ctl("dkim", "rotate", DOMAIN, check=False)
    poll("a new DKIM key to be active", lambda: site.active_selector(DOMAIN) not in (None, before))
    poll("the old DKIM keys to be gone", lambda: list(site.key_states(DOMAIN).values()) == ["active"])


def main():
    need_programs("knotd", "knotc", "dig")
    results = Results()
    seed = int(os.environ.get("ROTATED_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"# ROTATED_SEED={seed}", flush=True)
    rng = random.Random(seed)
    with Site(services=SERVICES) as site:
        knot = publish_by_knot(site, DOMAIN)
        site.start_all()
        accounts = [Account(service) for service in SERVICES]
        for account in accounts:
            account.works.update([site.issue(account.service)])
        found = []
        for number in range(KILLS):
            found += [f"kill {number}: {what}"
                      for what in one_kill(site, knot, rng, accounts)]
            if len(found) > 20:
                break
        results.check(not found, f"{KILLS} kills break no promise that was acknowledged",
                      "\n".join(found))
        with results.case("after the kills every rotation goes on by itself"):
            settle(site, accounts)
        results.check(not broken_promises(site, accounts), "and every login is as it should be")
        for noun in ("store", "audit"):
            done = site.ctl(noun, "verify", check=False)
            results.check(done.returncode == 0, f"{noun} verify finds nothing after the kills",
                          done.stdout + done.stderr)
    results.exit()


if __name__ == "__main__":
    sys.exit(main())
