#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A service relays through the real Postfix, chrooted, with a TLS client certificate: issued, renewed,
revoked in the middle of a connection, disabled, expired, and with the vault or the door away."""

import os
import sys

import harness
import postfix
import tlsfiles
from smtpauth import Client
from whole import Site

OUTSIDE = "someone@example.net"  # only who has a certificate may send there
TABLE = "socketmap:unix:private/rotated-map:ccert"

CONF = """
[ca]
trust_domain = relay.example.org
"""

# Long enough to be used once on a loaded machine, short enough to be waited for.
BRIEF = """[service]
[certificate]
lifetime = 30s
overlap = 1s
"""


class CertClient(Client):
    """A session that shows a certificate, and asks about one recipient after the other."""

    has_sender = False

    def rcpt(self):
        """The code for one recipient elsewhere; the transaction is begun where there is none."""
        if not self.has_sender:
            self.command("MAIL FROM:<billing@example.org>")
            self.has_sender = True
        return self.command(f"RCPT TO:<{OUTSIDE}>").code


def rcpt(port, chain):
    with CertClient(port, chain) as client:
        return client.rcpt()


def configure(mail, site):
    """What rotated-auth(8) tells an operator to write; the second port has the other way."""
    with open(os.path.join(mail.conf, "main.cf"), "a", encoding="ascii") as f:
        f.write("smtpd_tls_ask_ccert = yes\n"
                "smtpd_tls_fingerprint_digest = sha256\n"
                "smtpd_tls_loglevel = 1\n"
                f"smtpd_tls_CAfile = {mail.conf}/ca.pem\n"
                f"relay_clientcerts = {TABLE}\n"
                "smtpd_relay_restrictions = permit_tls_clientcerts, reject_unauth_destination\n")
    path = os.path.join(mail.conf, "master.cf")
    with open(path, encoding="ascii") as f:
        text = f.read()
    text = text.replace(
        "  -o smtpd_sasl_path=stock\n",
        f"  -o smtpd_relay_restrictions=check_ccert_access,{TABLE},reject_unauth_destination\n")
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    with open(os.path.join(mail.conf, "ca.pem"), "w", encoding="ascii") as f:
        f.write(site.ctl("ca", "bundle").stdout)


def chain_file(site, verb, service, name):
    path = site.join(name)
    site.ctl("certificate", verb, service, "--out", path)
    return path


def check_relay(results, mail, site):
    """Returns the chain file of billing.1."""
    one = chain_file(site, "issue", "billing", "one.pem")
    with Client(mail.port) as client:
        results.equal(client.send(OUTSIDE).code, 554, "mail to elsewhere is refused without a certificate")
    with CertClient(mail.port, one) as client:
        results.equal(os.readlink(f"/proc/{mail.smtpd_pid(client)}/root"), mail.spool, "smtpd runs in its chroot")
        reply = client.send(OUTSIDE)
        results.check(reply.code == 250 and "queued" in reply.text, "mail is relayed with an issued certificate", reply)
    with results.case("smtpd trusts the chain that was handed out"):
        mail.wait_log("Trusted TLS connection established")
    results.equal(rcpt(mail.stock_port, one), 250, "check_ccert_access accepts it too")
    return one


def check_strangers(results, mail, site):
    authority = tlsfiles.Authority(site.join("stranger"))
    cert, key = authority.client()
    path = site.join("stranger.pem")
    with open(path, "w", encoding="ascii") as out:
        for part in (key, cert):
            with open(part, encoding="ascii") as f:
                out.write(f.read())
    results.equal(rcpt(mail.port, path), 554, "a certificate of another CA is refused")
    results.equal(rcpt(mail.stock_port, path), 554, "and by check_ccert_access")


def check_renewal(results, mail, site, one):
    two = chain_file(site, "renew", "billing", "two.pem")
    results.equal([rcpt(mail.port, chain) for chain in (one, two)], [250, 250],
                  "after a renewal the old and the new certificate are accepted")
    with CertClient(mail.port, one) as client, CertClient(mail.stock_port, one) as other:
        before = (client.rcpt(), other.rcpt())
        site.ctl("certificate", "revoke", "billing.1")
        after = (client.rcpt(), other.rcpt())
        results.equal(before + after, (250, 250, 554, 554),
                      "a revoked certificate is refused at the next RCPT of an open connection")
    results.equal(rcpt(mail.port, two), 250, "its successor is not")
    check_key_is_dead(results, mail, site, one)
    return two


def check_key_is_dead(results, mail, site, one):
    """Who has the key can make any certificate of it, and Postfix asks for the key as well."""
    key = site.join("one.key")
    with open(one, encoding="ascii") as f:
        text = f.read()
    end = "-----END PRIVATE KEY-----\n"
    with open(key, "w", encoding="ascii") as f:
        f.write(text[:text.index(end) + len(end)])
    cert = tlsfiles.openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=billing", "-days", "30").decode()
    path = site.join("self.pem")
    with open(path, "w", encoding="ascii") as f:
        f.write(text[:text.index(end) + len(end)] + cert)
    results.equal(rcpt(mail.port, path), 554, "nor does another certificate of the revoked one's key get in")


def check_switching_off(results, mail, site, two):
    with CertClient(mail.port, two) as client:
        before = client.rcpt()
        site.ctl("service", "disable", "billing")
        after = client.rcpt()
        site.ctl("service", "enable", "billing")
        again = client.rcpt()
    results.equal((before, after, again), (250, 554, 250), "a disabled service is refused at the next RCPT, and only then")
    site.ctl("service", "disable", "billing")
    done = site.ctl("certificate", "renew", "billing", check=False)
    results.check(done.returncode == 1 and "disabled" in done.stderr, "a disabled service gets no certificate", done.stderr)
    site.ctl("service", "enable", "billing")


def check_absence(results, mail, site, two):
    site.daemons["rotated"].stop()
    results.equal(rcpt(mail.port, two), 250, "with the vault stopped the certificate is accepted")
    results.equal(rcpt(mail.stock_port, two), 250, "and by check_ccert_access")
    site.daemons["rotated-auth"].stop()
    results.equal(rcpt(mail.port, two), 451, "with the door stopped the answer is 451")
    results.equal(rcpt(mail.stock_port, two), 451, "and by check_ccert_access")
    site.daemons["rotated"] = site.start_vault()
    site.daemons["rotated-auth"] = site.start_door()
    site.wait_connected()
    site.unseal()
    results.equal(rcpt(mail.port, two), 250, "when both are back the certificate is accepted")


def check_expiry(results, mail, site):
    brief = chain_file(site, "issue", "brief", "brief.pem")
    results.equal(rcpt(mail.port, brief), 250, "a certificate of a short life is accepted at first")
    with results.case("it is refused when it has expired"):
        harness.poll("the certificate to expire", lambda: rcpt(mail.port, brief) == 554, 3 * harness.PATIENCE)
    alarms = [a for a in site.status()["alarms"] if "expired" in a["what"]]
    results.check(len(alarms) == 1 and alarms[0]["hint"] == "rotatectl certificate renew brief",
                  "status has an alarm for it, with what to do", site.status()["alarms"])


def main():
    postfix.need()
    plugin = os.path.join(harness.plain_build(), ".libs", "librotated.so")
    results = harness.Results()
    with Site(CONF, make_queue=False) as site:
        site.service("brief", BRIEF)
        mail = postfix.Postfix(site, plugin, timeout_ms=10000)
        site.start_all()
        site.ctl("ca", "init")
        configure(mail, site)
        mail.start()
        one = check_relay(results, mail, site)
        check_strangers(results, mail, site)
        two = check_renewal(results, mail, site, one)
        check_switching_off(results, mail, site, two)
        check_absence(results, mail, site, two)
        check_expiry(results, mail, site)
        done = site.ctl("audit", "verify", check=False)
        results.check(done.returncode == 0, "the audit log of it verifies", done.stderr)
        if results.failed:
            print(mail.log()[-4000:], file=sys.stderr)
    results.exit()


if __name__ == "__main__":
    main()
