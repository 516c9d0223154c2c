#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rotation loses no login: eight clients log in through Postfix without a pause while their service
is rotated and revoked, time after time. A client that takes the new credential within the overlap
is never refused; the one that was revoked is refused at its very next attempt."""

import os
import sys
import threading

import harness
import postfix
from smtpauth import MECHANISMS, try_auth
from whole import Site

CLIENTS = 8
ROTATIONS = 1000 if os.environ.get("ROTATED_LONG") else 50


class Service:
    """The credential that a client reads before each login, as from its own secret store."""

    def __init__(self, login, secret):
        self.lock = threading.Lock()
        self.current = (login, secret)

    def read(self):
        with self.lock:
            return self.current

    def write(self, login, secret):
        with self.lock:
            self.current = (login, secret)


class Client(threading.Thread):
    def __init__(self, port, service, mechanism, stop):
        super().__init__(daemon=True)
        self.port, self.service, self.mechanism, self.stop = port, service, mechanism, stop
        self.logins = 0
        self.refused = []
        self.last = None  # the login that succeeded last

    def run(self):
        while not self.stop.is_set():
            login, secret = self.service.read()
            try:
                reply = try_auth(self.port, self.mechanism, login, secret)
                good = reply.code == 235
            except Exception as e:  # noqa: BLE001: a broken session is a lost login too
                good, reply = False, repr(e)
            if good:
                self.logins += 1
                self.last = login
            else:
                self.refused.append(f"{self.mechanism} {login}: {reply}")


def rotate_many(site, mail, service, clients):
    """Rotates, lets everybody change over, revokes. What should be refused and was not."""
    accepted = []
    for number in range(ROTATIONS):
        old = service.read()
        new = site.rotate("billing")
        service.write(*new)
        harness.poll("every client to log in with the new credential",
                     lambda: all(c.last == new[0] or c.refused for c in clients))
        site.ctl("credential", "revoke", old[0])
        mechanism = MECHANISMS[number % len(MECHANISMS)]
        reply = try_auth(mail.port, mechanism, *old)
        if reply.code != 535:
            accepted.append(f"{old[0]} by {mechanism}: {reply}")
    return accepted


def main():
    postfix.need()
    plugin = os.path.join(harness.plain_build(), ".libs", "librotated.so")
    results = harness.Results()
    with Site(make_queue=False) as site:
        mail = postfix.Postfix(site, plugin, timeout_ms=10000)
        site.start_all()
        mail.start()
        service = Service(*site.issue("billing"))
        stop = threading.Event()
        clients = [Client(mail.port, service, MECHANISMS[n % len(MECHANISMS)], stop)
                   for n in range(CLIENTS)]
        for client in clients:
            client.start()
        accepted = rotate_many(site, mail, service, clients)
        stop.set()
        for client in clients:
            client.join(harness.PATIENCE)
        refused = [line for client in clients for line in client.refused]
        total = sum(client.logins for client in clients)
        results.check(not refused and total >= CLIENTS * ROTATIONS,
                      f"{total} logins of {CLIENTS} clients, none refused in {ROTATIONS} rotations",
                      "\n".join(refused[:20]))
        results.check(not accepted, "each revoked credential gets 535 at its next attempt",
                      "\n".join(accepted))
        results.equal([c.name for c in clients if c.is_alive()], [], "every client came to its end")
        done = site.ctl("audit", "verify", check=False)
        results.check(done.returncode == 0, "the audit log of it verifies", done.stderr)
        if results.failed:
            print(mail.log()[-4000:], file=sys.stderr)
    results.exit()


if __name__ == "__main__":
    main()
