#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service logs in through the real sendmail, with the same plugin that Postfix loads."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
import postfix
import sendmail
import whole
from smtpauth import MECHANISMS, Client, try_auth

RECIPIENT = "someone@example.net"


def check_logins(results, mail, login, secret):
    with Client(mail.port) as client:
        results.equal(sorted(client.mechanisms()), sorted(MECHANISMS),
                      "sendmail offers each mechanism once")
    for mechanism in MECHANISMS:
        with Client(mail.port) as client:
            results.equal(client.auth(mechanism, login, secret).code, 235,
                          f"AUTH {mechanism} succeeds with an issued credential")
            results.equal(client.send(RECIPIENT).code, 250,
                          f"mail is queued after AUTH {mechanism}")
        results.equal(try_auth(mail.port, mechanism, login, secret[:-1] + "~").code, 535,
                      f"a wrong password gets 535 with {mechanism}")
        results.equal(try_auth(mail.port, mechanism, "nobody.1", secret).code, 535,
                      f"an unknown login gets 535 with {mechanism}")
    authenticated = [path for path in mail.queued() if "(authenticated" in read(path)]
    results.equal(len(authenticated), len(MECHANISMS),
                  "the queue holds that the senders had logged in")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def check_asked(results, root):
    """The plugin's PLAIN tells who calls; libsasl's own would not have got to the door."""
    log = root.daemons["rotated-auth"].log()
    results.check('mechanism=PLAIN reason="wrong password"' in log and "address=127.0.0.1;" in log,
                  "the door was asked by our PLAIN, with the client's address", log)


def check_rotation(results, mail, root, old):
    new = root.rotate("billing")
    for mechanism in MECHANISMS:
        codes = [try_auth(mail.port, mechanism, *pair).code for pair in (old, new)]
        results.equal(codes, [235, 235], f"both logins work after a rotation with {mechanism}")
    root.revoke(old[0])
    results.equal([try_auth(mail.port, m, *old).code for m in MECHANISMS], [535] * 3,
                  "the revoked one is refused at the next attempt")
    return new


def check_without_door(results, mail, root, login, secret):
    """One session throughout: what sendmail is told must not spoil the next exchange."""
    with Client(mail.port) as client:
        root.daemons["rotated-auth"].stop()
        for mechanism in ("PLAIN", "LOGIN"):
            results.equal(client.auth(mechanism, login, secret).code, 454,
                          f"with the door stopped, AUTH {mechanism} gets 454")
            results.equal(client.auth(mechanism, login, "wrong").code, 454,
                          f"with the door stopped, nobody can tell a wrong one ({mechanism})")
        results.equal(client.auth("SCRAM-SHA-256", login, secret).code, 535,
                      "SCRAM gets 535 then: sendmail knows no other word for libsasl's trouble")
        root.restart("rotated-auth")
        results.equal([client.auth("PLAIN", login, "wrong").code,
                       client.auth("LOGIN", login, secret).code], [535, 235],
                      "a restarted door is found in the same session")


def main():
    postfix.need()
    harness.need_programs("m4", "unshare")
    plugin = os.path.join(harness.plain_build(), ".libs", "librotated.so")
    sendmail.unpack()
    results = harness.Results()
    with whole.Site() as root:
        root.start_all()
        pair = root.issue("billing")
        mail = sendmail.Sendmail(root, plugin).start()
        check_logins(results, mail, *pair)
        check_asked(results, root)
        pair = check_rotation(results, mail, root, pair)
        check_without_door(results, mail, root, *pair)
    results.exit()


main()
