#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Postfix's tables, asked by the real postmap and by a chrooted smtpd."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
import postfix
from smtpauth import Client

OUTSIDE = "someone@example.net"
TABLE = "socketmap:unix:private/rotated-map:"
MANY = 5000
MAIN_CF = f"""
smtpd_sender_login_maps = {TABLE}senders
smtpd_sender_restrictions = reject_sender_login_mismatch
smtpd_delay_reject = no
"""
CONF = """[door]
realms = relay.example
"""


class Map:
    """A connection of our own, for what has to be asked more often than postmap can start."""

    def __init__(self, root):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(root.join("var/spool/postfix/private/rotated-map"))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def ask(self, table, key):
        content = f"{table} {key}".encode()
        self.socket.sendall(b"%d:%s," % (len(content), content))
        return self.reply()

    def reply(self):
        while b":" not in self.rest:
            self._more()
        length, _, self.rest = self.rest.partition(b":")
        while len(self.rest) <= int(length):
            self._more()
        content, self.rest = self.rest[:int(length)], self.rest[int(length) + 1:]
        return content.decode()

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise harness.Failure("the door hung up")
        self.rest += data


def postmap(mail, key, table):
    """(exit code, value, what it complains of)."""
    done = subprocess.run(
        ["postmap", "-c", mail.conf, "-q", key, TABLE + table], cwd=mail.spool,
        capture_output=True, text=True, timeout=harness.PATIENCE, check=False)
    return done.returncode, done.stdout.strip(), done.stderr


def ask(root, table, key):
    with Map(root) as m:
        return m.ask(table, key)


def wait_answer(root, key, wanted):
    harness.poll(f"the owner of {key} to be {wanted}", lambda: ask(root, "senders", key) == wanted)


def service(root, name, senders):
    root.service(name, f"[service]\nsenders = {senders}\n")


def check_postmap(results, mail, login, other):
    results.equal(postmap(mail, "billing@example.org", "senders"),
                  (0, f"{login},{login}@relay.example", ""), "postmap finds who owns an address")
    results.equal(postmap(mail, "Any@Bills.Example.ORG", "senders")[:2],
                  (0, f"{login},{login}@relay.example"), "and who owns its domain, in any case")
    results.equal(postmap(mail, "a@x.y.example.com", "senders")[:2],
                  (0, f"{other},{other}@relay.example"), "and who owns a domain above it")
    results.equal(postmap(mail, "a@example.com", "senders"), (1, "", ""),
                  "an address that nobody owns is not found, and that is all")
    for fingerprint in (":".join(["AB"] * 32), "nonsense"):
        results.equal(postmap(mail, fingerprint, "ccert"), (1, "", ""),
                      f"an unknown certificate is not found ({fingerprint[:8]})")
    code, value, complaint = postmap(mail, "a@example.com", "sender")
    results.check(code != 0 and not value and "there is no map 'sender'" in complaint and
                  "temporary error" in complaint,
                  "a table's name with a typo is told, and is a temporary error", complaint)
    code, value, complaint = postmap(mail, ":".join(["AB"] * 20), "ccert")
    results.check(code != 0 and "smtpd_tls_fingerprint_digest = sha256" in complaint,
                  "a fingerprint of another digest is told, with what to set", complaint)
    results.equal(postmap(mail, "[smtp.example.net]:587", "outbound")[1], "",
                  "no outbound login is made up")


def sender_reply(client, sender):
    reply = client.command(f"MAIL FROM:<{sender}>")
    if reply.code == 250:
        client.command("RSET")
    return reply


def check_smtpd(results, mail, login, secret):
    with Client(mail.port) as client:
        results.equal(os.readlink(f"/proc/{mail.smtpd_pid(client)}/root"), mail.spool,
                      "smtpd runs in its chroot")
        reply = sender_reply(client, "billing@example.org")
        results.check(reply.code == 553 and "not logged in" in reply.text,
                      "an owned sender without a login gets 553", reply)
        results.equal(sender_reply(client, "nobody@example.com").code, 250,
                      "a sender that nobody owns needs no login")
        client.auth("PLAIN", login, secret)
        for sender in ("billing@example.org", "BILLING@Example.ORG", "x@bills.example.org"):
            results.equal(sender_reply(client, sender).code, 250, f"its owner sends as {sender}")
        reply = sender_reply(client, "x@y.example.com")
        results.check(reply.code == 553 and f"not owned by user {login}" in reply.text,
                      "another service's sender gets 553", reply)
        results.equal(sender_reply(client, "nobody@example.com").code, 553,
                      "a login may not send as what nobody owns")
        results.equal(client.send(OUTSIDE, "billing@example.org").code, 250, "the mail is queued")
    with Client(mail.port) as client:
        results.equal(client.auth("PLAIN", f"{login}@relay.example", secret).code, 235,
                      "a login with a realm is taken")
        results.equal(sender_reply(client, "billing@example.org").code, 250,
                      "and owns what the login owns")


def check_rotation(results, root, mail, login, secret):
    """In one session, so that nothing can have been looked up anew but by the table."""
    with Client(mail.port) as client:
        client.auth("PLAIN", login, secret)
        new_login, new_secret = root.rotate("billing")
        results.equal(sender_reply(client, "billing@example.org").code, 250,
                      "after a rotation the old login still owns its senders")
        with Client(mail.port) as second:
            second.auth("PLAIN", new_login, new_secret)
            results.equal(sender_reply(second, "billing@example.org").code, 250,
                          "and the new one does at once")
        root.revoke(login)
        results.equal(sender_reply(client, "billing@example.org").code, 553,
                      "a revoked login owns nothing at the next MAIL of an open session")
    return new_login, new_secret


def check_switched_off(results, root, mail, login, secret):
    with Client(mail.port) as client:
        client.auth("PLAIN", login, secret)
        results.equal(sender_reply(client, "billing@example.org").code, 250, "it may send")
        root.ctl("service", "disable", "billing")
        reply = sender_reply(client, "billing@example.org")
        results.equal(reply.code, 553, "a service that is switched off may not")
        root.ctl("service", "enable", "billing")
        results.equal(sender_reply(client, "billing@example.org").code, 250,
                      "it may again when it is switched on")
    root.ctl("service", "disable", "billing")
    with Client(mail.port) as client:
        results.equal(sender_reply(client, "billing@example.org").code, 553,
                      "what it owns is not free for others meanwhile")
    root.ctl("service", "enable", "billing")


def check_sealed(results, root, mail, login, secret):
    with Client(mail.port) as client:
        client.auth("PLAIN", login, secret)
        root.ctl("seal")
        harness.poll("the door to drop its keys",
                     lambda: ask(root, "senders", "billing@example.org").startswith("TEMP"))
        results.equal(sender_reply(client, "billing@example.org").code, 451,
                      "without keys the sender gets 451, not 553")
        complaint = postmap(mail, "billing@example.org", "senders")[2]
        results.check("no keys yet: rotatectl unseal" in complaint,
                      "and the mail log says what to do", complaint)
        root.unseal()
        wait_answer(root, "billing@example.org", f"OK {login},{login}@relay.example")
        results.equal(sender_reply(client, "billing@example.org").code, 250,
                      "it goes on in the same session when it is unsealed")


def check_restart(results, root, mail, door, login, secret):
    with Client(mail.port) as client:
        client.auth("PLAIN", login, secret)
        results.equal(sender_reply(client, "billing@example.org").code, 250, "before a restart")
        door.stop()
        results.equal(sender_reply(client, "billing@example.org").code, 451,
                      "with the door stopped the sender gets 451")
        door = root.start_door()
        wait_answer(root, "billing@example.org", f"OK {login},{login}@relay.example")
        results.equal(sender_reply(client, "billing@example.org").code, 250,
                      "a restarted door is found by a running smtpd without a reload")
    return door


def check_vault_down(results, root, vault, mail, login, secret):
    vault.stop()
    with Client(mail.port) as client:
        client.auth("PLAIN", login, secret)
        results.equal(sender_reply(client, "billing@example.org").code, 250,
                      "with the vault stopped, senders go on")
        results.equal(sender_reply(client, "x@y.example.com").code, 553, "as do refusals")
    complaint = postmap(mail, "[smtp.example.net]:587", "outbound")[2]
    results.check("the vault is away" in complaint,
                  "outbound is a temporary error at once, with its reason", complaint)
    vault = root.start_vault()
    harness.poll("the door to be back", lambda: status(root)["door"]["connected"])
    results.equal(status(root)["door"]["has_keys"], True,
                  "status knows that the door has its keys while the vault is sealed yet")
    root.unseal()
    return vault


def status(root):
    return json.loads(root.ctl("--json", "status").stdout)


def check_reload(results, root, vault, login):
    """Patterns come and go; what is owned before and after is owned all the time."""
    owned, lost, rounds = f"OK {login},{login}@relay.example", [], 20
    with Map(root) as m:
        for i in range(rounds):
            kept = "billing@example.org" if i % 2 else "@example.org"
            service(root, "billing", f"{kept} @bills.example.org extra{i}@example.net")
            vault.signal(signal.SIGHUP)

            def settled(i=i):
                answer = m.ask("senders", "billing@example.org")
                if answer != owned:
                    lost.append(answer)
                return m.ask("senders", f"extra{i}@example.net") == owned

            harness.poll("the reload", settled)
    results.equal(lost, [], f"through {rounds} reloads the owner was never missing")
    results.equal(ask(root, "senders", "extra0@example.net"), "NOTFOUND ",
                  "what was taken out is gone")
    service(root, "billing", "billing@example.org nonsense")
    vault.signal(signal.SIGHUP)
    with results.case("a reload with a bad sender is refused and changes nothing"):
        harness.poll("the alarm", lambda: any("not a sender" in a["what"]
                                              for a in status(root)["alarms"]))
        assert ask(root, "senders", "x@bills.example.org") == owned


def check_many(results, root, vault):
    for i in range(MANY):
        service(root, f"s{i}", f"s{i}@many.example @s{i}.many.example shared@many.example")
    service(root, "billing", "billing@example.org")
    start = time.monotonic()
    vault.signal(signal.SIGHUP)
    with Map(root) as m:
        harness.poll("the last of many, in order",
                     lambda: m.ask("senders", "shared@many.example") == "OK -")
        print(f"# {MANY} services more were in force after {time.monotonic() - start:.2f} s")
        results.check(all(m.ask("senders", key.format(i)) == "OK -" for i in range(0, MANY, 7)
                          for key in ("s{}@many.example", "x@s{}.many.example")),
                      f"{MANY} services own their senders, and all of them one")
        service(root, "s7", "moved@many.example")
        start = time.monotonic()
        vault.signal(signal.SIGHUP)
        harness.poll("the change", lambda: m.ask("senders", "moved@many.example") == "OK -")
        print(f"# a change of one of them was in force after {time.monotonic() - start:.2f} s")
        results.equal(m.ask("senders", "s7@many.example"), "NOTFOUND ",
                      "one of them can be changed")
    start = time.monotonic()
    status(root)
    print(f"# status took {time.monotonic() - start:.2f} s")


def check_too_many(results, root, vault):
    """What an alarm is about stays, whatever else changes."""
    def is_told():
        return any("owned by more services" in a["what"] for a in status(root)["alarms"])

    for i in range(1600):
        service(root, f"w{i:039}", "crowded@many.example")
    vault.signal(signal.SIGHUP)
    harness.poll("the alarm", is_told)
    results.check(ask(root, "senders", "crowded@many.example").startswith("TEMP "),
                  "an address with more owners than can be told is put off")
    service(root, "billing", "billing@example.org last@example.org")
    vault.signal(signal.SIGHUP)
    harness.poll("the reload", lambda: ask(root, "senders", "last@example.org").startswith("OK "))
    results.check(is_told(), "and its alarm outlives a change of something else")


def main():
    postfix.need()
    plugin = os.path.join(harness.plain_build(), ".libs", "librotated.so")
    results = harness.Results()
    with harness.Root(CONF) as root:
        service(root, "billing", "billing@example.org @bills.example.org")
        service(root, "shop", "@.example.com")
        mail = postfix.Postfix(root, plugin, more=MAIN_CF)
        vault = root.start_vault()
        door = root.start_door()
        root.open_store()
        login, secret = root.issue("billing")
        other, _ = root.issue("shop")
        mail.start()
        wait_answer(root, "billing@example.org", f"OK {login},{login}@relay.example")

        check_postmap(results, mail, login, other)
        check_smtpd(results, mail, login, secret)
        login, secret = check_rotation(results, root, mail, login, secret)
        check_switched_off(results, root, mail, login, secret)
        check_sealed(results, root, mail, login, secret)
        door = check_restart(results, root, mail, door, login, secret)
        vault = check_vault_down(results, root, vault, mail, login, secret)
        check_reload(results, root, vault, login)
        check_many(results, root, vault)
        check_too_many(results, root, vault)
        for program in (door, vault):
            program.stop()
            results.check("Sanitizer" not in program.log(), "no sanitizer complained")
    results.exit()


if __name__ == "__main__":
    main()
