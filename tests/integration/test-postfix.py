#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service logs in through the real Postfix, chrooted, with the plugin and without it."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
import postfix
from smtpauth import MECHANISMS, Client, b64, try_auth

OUTSIDE = "someone@example.net"  # only who logged in may send there
INSIDE = "someone@here.example.org"  # anybody may


def check_environment(results, plugin):
    with open(plugin, "rb") as f:
        results.check(b"__asan" not in f.read(), "the plugin that smtpd loads has no ASan in it")


def check_logins(results, mail, login, secret):
    with Client(mail.port) as client:
        results.equal(os.readlink(f"/proc/{mail.smtpd_pid(client)}/root"), mail.spool,
                      "smtpd runs in its chroot")
        results.equal(sorted(client.mechanisms()), sorted(MECHANISMS),
                      "each mechanism is offered once")
    for mechanism in MECHANISMS:
        with Client(mail.port) as client:
            reply = client.auth(mechanism, login, secret)
            results.equal(reply.code, 235, f"AUTH {mechanism} succeeds with an issued credential")
            reply = client.send(OUTSIDE)
            results.check(reply.code == 250 and "queued" in reply.text,
                          f"mail is queued after AUTH {mechanism}", reply)
        wanted = f"sasl_method={mechanism}, sasl_username={login}"
        with results.case(f"the mail log names method and login after AUTH {mechanism}"):
            mail.wait_log(wanted)
    with Client(mail.port) as client:
        results.equal(client.send(OUTSIDE).code // 100, 5,
                      "mail to elsewhere is refused without AUTH")


def check_refusals(results, mail, login, secret):
    for mechanism in MECHANISMS:
        wrong = try_auth(mail.port, mechanism, login, secret[:-1] + "~")
        unknown = try_auth(mail.port, mechanism, "nobody.1", secret)
        results.equal(wrong.code, 535, f"a wrong password gets 535 with {mechanism}")
        results.equal(str(unknown), str(wrong),
                      f"an unknown login gets the same text as a wrong password with {mechanism}")


def server_first(mail, login):
    with Client(mail.port) as client:
        return client.auth_scram(login, "any")[1]


def check_decoys(results, mail, login):
    real = server_first(mail, login).parameters()
    decoy = [server_first(mail, "nobody.1").parameters() for _ in range(2)]
    other = server_first(mail, "nobody.2").parameters()
    results.equal((len(decoy[0][0]), decoy[0][1]), (len(real[0]), real[1]),
                  "an unknown login is sent salt and count of the usual shape")
    results.equal(decoy[0][0], decoy[1][0], "an unknown login is sent the same salt every time")
    results.check(decoy[0][0] != other[0], "two unknown logins are sent different salts")
    results.equal(scram_steps(mail, "nobody.1"), scram_steps(mail, login),
                  "an unknown login is refused at the same step as a wrong password")


def scram_steps(mail, login):
    with Client(mail.port) as client:
        return client.auth_scram(login, "wrong")[1].codes


def check_foreign_identity(results, mail, login, secret):
    with Client(mail.port) as client:
        message = f"root\0{login}\0{secret}".encode()
        results.equal(client.command("AUTH", "PLAIN " + b64(message)).code, 535,
                      "asking for another identity gets 535")


def check_without_door(results, mail, state, login, secret):
    for mechanism in MECHANISMS:
        with Client(mail.port) as client:
            results.equal(client.auth(mechanism, login, secret).code, 454,
                          f"with the door {state}, AUTH {mechanism} gets 454")
            results.equal(client.send(INSIDE).code, 250,
                          f"with the door {state}, mail without AUTH is taken ({mechanism})")


def check_restart(results, root, mail, door, login, secret):
    """In one SMTP session, so that it is the same smtpd before and after."""
    with Client(mail.port) as client:
        before = client.auth("PLAIN", login, "wrong").code
        door.stop()
        gone = client.auth("PLAIN", login, secret).code
        door = root.start_door()
        wait_for_keys(mail, login, secret)
        after = [client.auth(m, login, "wrong").code for m in MECHANISMS]
        after.append(client.auth("SCRAM-SHA-256", login, secret).code)
        results.equal((before, gone, after), (535, 454, [535, 535, 535, 235]),
                      "a restarted door is found by a running smtpd without a reload")
    return door


def wait_for_keys(mail, login, secret):
    """A door that has just started is told the keys in a moment; 454 until then."""
    def settled():
        code = try_auth(mail.port, "PLAIN", login, secret).code
        if code == 535:
            raise harness.Failure("535 for a good password")
        return code == 235

    harness.poll("the door to have its keys", settled)


def check_stock_route(results, mail, login, secret):
    for mechanism in ("PLAIN", "LOGIN"):
        with Client(mail.stock_port) as client:
            results.equal(client.auth(mechanism, login, secret).code, 235,
                          f"AUTH {mechanism} succeeds by libsasl's own saslauthd client")
            results.equal(client.send(OUTSIDE).code, 250,
                          f"mail is queued after AUTH {mechanism} by saslauthd")
        wrong = try_auth(mail.stock_port, mechanism, login, "wrong")
        unknown = try_auth(mail.stock_port, mechanism, "nobody.1", secret)
        results.equal(wrong.code, 535, f"a wrong password gets 535 by saslauthd ({mechanism})")
        results.equal(str(unknown), str(wrong),
                      f"an unknown login gets the same text by saslauthd ({mechanism})")


def check_vault_down(results, root, mail, vault, login, secret):
    vault.stop()
    for mechanism in MECHANISMS:
        results.equal(try_auth(mail.port, mechanism, login, secret).code, 235,
                      f"with the vault stopped, AUTH {mechanism} goes on")
    results.equal(try_auth(mail.stock_port, "PLAIN", login, secret).code, 235,
                  "with the vault stopped, AUTH by saslauthd goes on")


def check_sealed(results, root, mail, login, secret):
    root.ctl("seal")
    with results.case("sealing the keystore turns every login into a 454"):
        harness.poll("454", lambda: try_auth(mail.port, "PLAIN", login, secret).code == 454)
        for mechanism in MECHANISMS:
            assert try_auth(mail.port, mechanism, login, secret).code == 454, mechanism
    root.unseal()
    with results.case("logins work again when it is unsealed"):
        wait_for_keys(mail, login, secret)


def check_no_keys(results, root, mail, door, login, secret):
    """A door that starts while the vault is away cannot tell right from wrong."""
    door.stop()
    door = root.start_door()
    for mechanism in MECHANISMS:
        results.equal(try_auth(mail.port, mechanism, login, secret).code, 454,
                      f"a door without keys gives 454 to AUTH {mechanism}")
    for mechanism in ("PLAIN", "LOGIN"):
        results.equal(try_auth(mail.stock_port, mechanism, login, secret).code, 454,
                      f"a door without keys gives 454 to AUTH {mechanism} by saslauthd")
    with Client(mail.stock_port) as client:
        pid = mail.smtpd_pid(client)
        client.auth("PLAIN", login, secret)
        before = len(mail.open_files(pid))
        codes = [client.auth("PLAIN", login, secret).code for _ in range(5)]
        results.equal((codes, len(mail.open_files(pid))), ([454] * 5, before),
                      "telling saslauthd's client to come later costs smtpd no descriptor")
    return door


def check_revoked(results, root, mail, login, secret):
    results.equal(try_auth(mail.port, "PLAIN", login, secret).code, 235,
                  "the credential works until it is revoked")
    root.revoke(login)
    for mechanism in MECHANISMS:
        results.equal(try_auth(mail.port, mechanism, login, secret).code, 535,
                      f"a revoked credential gets 535 at once with {mechanism}")
    results.equal(try_auth(mail.stock_port, "PLAIN", login, secret).code, 535,
                  "a revoked credential gets 535 at once by saslauthd")


def check_silence(results, root, mail, secrets):
    text = ""
    for path in [root.join("log", n) for n in os.listdir(root.join("log"))] + [mail.log_path]:
        with open(path, encoding="utf-8", errors="replace") as f:
            text += f.read()
    results.check(text and not any(s in text or b64(s.encode())[:-4] in text for s in secrets),
                  "no password is in a log")


def main():
    postfix.need()
    plugin = os.path.join(harness.plain_build(), ".libs", "librotated.so")
    results = harness.Results()
    check_environment(results, plugin)
    with harness.Root() as root:
        root.service("billing")
        root.service("shop")
        mail = postfix.Postfix(root, plugin)
        vault = root.start_vault()
        door = root.start_door()
        root.open_store()
        login, secret = root.issue("billing")
        other_login, other_secret = root.issue("shop")
        mail.start()
        wait_for_keys(mail, login, secret)

        check_logins(results, mail, login, secret)
        check_refusals(results, mail, login, secret)
        check_decoys(results, mail, login)
        check_foreign_identity(results, mail, login, secret)
        check_stock_route(results, mail, login, secret)
        check_revoked(results, root, mail, other_login, other_secret)
        door.pause()
        check_without_door(results, mail, "silent", login, secret)
        door.resume()
        wait_for_keys(mail, login, secret)
        door = check_restart(results, root, mail, door, login, secret)
        door.stop()
        check_without_door(results, mail, "stopped", login, secret)
        results.equal(try_auth(mail.stock_port, "PLAIN", login, secret).code, 454,
                      "with the door stopped, AUTH by saslauthd gets 454")
        door = root.start_door()
        wait_for_keys(mail, login, secret)
        check_sealed(results, root, mail, login, secret)
        check_vault_down(results, root, mail, vault, login, secret)
        door = check_no_keys(results, root, mail, door, login, secret)
        root.start_vault()
        root.unseal()
        with results.case("a door that was started first gets its keys when the vault comes"):
            wait_for_keys(mail, login, secret)
        results.equal(door.stop(), 0, "the door ends cleanly when asked to")
        sockets = [root.join("var/spool/postfix/private", n) for n in
                   ("rotated-auth", "rotated-mux")]
        results.equal([p for p in sockets if os.path.exists(p)], [],
                      "the door takes its sockets away when it ends")
        check_silence(results, root, mail, [secret, other_secret])
        if results.failed:
            print(mail.log()[-4000:], file=sys.stderr)
            print(door.log()[-4000:], file=sys.stderr)
    results.exit()


if __name__ == "__main__":
    main()
