#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The CA and its certificates, before judges that are not ours: openssl verify and GnuTLS certtool. Some
fifty hostile requests are refused with nothing done; sealed, killed and full disks leave nothing half done."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import csrs
import harness
from tlsfiles import openssl
from whole import Site

TRUST = "relay.example.org"
CONF = """
[ca]
trust_domain = %s
issuing_lifetime = %s
[certificate]
lifetime = 1d
overlap = 1h
"""
LONG = "[service]\n[certificate]\nlifetime = 7d\noverlap = 2d\nemail = long@svc.relay.example.org\n"


class Judge:
    """Verifies as strangers would who have the bundle and the list."""

    def __init__(self, site):
        self.site = site
        self.ca = site.join("judge-ca.pem")
        self.crl = site.join("judge-crl.pem")
        self.certs = []

    def refresh(self):
        for path, verb in ((self.ca, "bundle"), (self.crl, "crl")):
            with open(path, "w", encoding="ascii") as f:
                f.write(self.site.ctl("ca", verb).stdout)
        blocks = blocks_of(open(self.ca, encoding="ascii").read(), "CERTIFICATE")
        self.root = self.site.write("judge-root.pem", blocks[0])
        self.site.write("judge-issuing.pem", "".join(blocks[1:]))
        return self

    def openssl(self, chain, *more):
        """What openssl says of the first certificate of CHAIN: "" when it is good."""
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check", "-CRLfile", self.crl,
             "-CAfile", self.root, "-untrusted", chain, *more, chain],
            capture_output=True, text=True, check=False, timeout=60)
        return "" if done.returncode == 0 else done.stderr

    def gnutls(self, chain):
        done = subprocess.run(
            ["certtool", "--verify", "--load-ca-certificate", self.root, "--load-crl", self.crl,
             "--verify-profile", "medium"],
            input=only_certificates(chain), capture_output=True, text=True, check=False, timeout=60)
        return "" if done.returncode == 0 else done.stdout + done.stderr


def blocks_of(text, label):
    return re.findall(f"-----BEGIN {label}-----.*?-----END {label}-----\n", text, re.S)


def only_certificates(path):
    with open(path, encoding="ascii") as f:
        return "".join(blocks_of(f.read(), "CERTIFICATE"))


def out(site, verb, service, name, *more):
    path = site.join(name)
    site.ctl("certificate", verb, service, "--out", path, *more)
    return path


def text_of(path):
    return openssl("x509", "-in", path, "-noout", "-text").decode()


def listed(site):
    return json.loads(site.ctl("--json", "certificate", "list").stdout)["certificates"]


def state(site):
    """What must not change when something is refused."""
    return site.status()["keystore"]["txid"], [(c["name"], c["state"], c["serial"]) for c in listed(site)]


def check_before(results, site):
    for words in (["ca", "show"], ["ca", "bundle"], ["ca", "crl"], ["certificate", "issue", "billing"]):
        done = site.ctl(*words, check=False)
        results.check(done.returncode == 1 and "rotatectl ca init" in done.stderr,
                      f"{' '.join(words)} without a CA says how to make one", done.stderr)
    results.equal(site.ctl("ca", "init").returncode, 0, "the CA is made")
    results.equal(site.ctl("ca", "init", check=False).returncode, 3, "a second one is not")


def check_shape(results, site, judge):
    one = out(site, "issue", "billing", "one.pem")
    results.equal(os.stat(one).st_mode & 0o777, 0o600, "--out makes a file that only its owner can read")
    judge.refresh()
    results.equal(judge.openssl(one), "", "openssl verify takes an issued certificate, strictly")
    results.equal(judge.gnutls(one), "", "GnuTLS takes it")
    text = text_of(one)
    for what in (f"URI:smtp-svc://{TRUST}/service/billing", "Subject: CN = billing", "CA:FALSE", "Digital Signature",
                 "TLS Web Client Authentication", "ASN1 OID: prime256v1", "X509v3 Subject Key Identifier"):
        results.check(what in text, f"it says {what}", text)
    results.check("DirName" not in text and "serial:" not in text, "its issuer is named by key only", text)
    serial = openssl("x509", "-in", one, "-noout", "-serial").decode().strip().partition("=")[2]
    results.check(len(serial) == 40 and serial[0] in "4567", "its serial number has 159 random bits", serial)
    results.check(judge.openssl(one, "-purpose", "sslserver") != "", "no TLS server can use it")
    issuing = text_of(site.join("judge-issuing.pem"))
    for what in ("pathlen:0", "X509v3 Name Constraints: critical", f"URI:{TRUST}", f"email:{TRUST}", f"DNS:{TRUST}"):
        results.check(what in issuing, f"the issuing CA says {what}", issuing)
    return one


def check_requests(results, site, judge, folder):
    """What a request asks for counts for nothing, and its key for everything."""
    kinds = {
        "rsa": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        "ed25519": ("-algorithm", "ED25519"),
        "p256-wish": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    }
    wish = ("-addext", "subjectAltName=DNS:evil.example.net,URI:smtp-svc://relay.example.org/service/admin",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    for name, options in kinds.items():
        key = csrs.Key(folder, name, *options)
        request = site.write(f"{name}.csr", key.request(*wish))
        chain = out(site, "sign", "signed", f"{name}.pem", "--csr", request)
        text = text_of(chain)
        results.equal(judge.openssl(chain) + judge.gnutls(chain), "", f"both judges take a certificate for a key of {name}")
        results.check("evil" not in text and "admin" not in text and "CA:TRUE" not in text and "Certificate Sign" not in text,
                      f"what the request of {name} asked for is not in it", text)
        results.equal(openssl("x509", "-in", chain, "-noout", "-pubkey"),
                      openssl("pkey", "-in", key.path, "-pubout"), f"the key of {name} is")
    return csrs.p256(folder, "reused")


def refused(results, site, what, text):
    before = state(site)
    done = site.ctl("certificate", "sign", "signed", stdin=text, check=False)
    results.check(done.returncode == 1 and not done.stdout and len(done.stderr.splitlines()) >= 1
                  and "rotatectl: " in done.stderr and state(site) == before,
                  f"refused, with nothing done: {what}", f"{done.returncode} {done.stdout}{done.stderr}")


def check_hostile(results, site, folder, key):
    other = csrs.p256(folder, "other")
    fresh = csrs.p256(folder, "fresh")
    for cases in (csrs.of_bad_keys(folder), csrs.of_bad_forms(fresh, other), csrs.of_bad_text(fresh)):
        for what, text in cases:
            refused(results, site, what, text)
    for text, what in zip(csrs.rsa_with_old_digest(folder), ("RSA with SHA-1", "RSA with MD5")):
        refused(results, site, what, text)
    site.ctl("certificate", "sign", "billing", stdin=key.request())
    refused(results, site, "the key of another service", key.request())
    site.ctl("certificate", "revoke", "billing", "--all")
    refused(results, site, "the key of a revoked certificate", key.request())
    own = csrs.p256(folder, "own")
    site.ctl("certificate", "sign", "signed", stdin=own.request())
    refused(results, site, "the service's own key once more", own.request())
    done = site.ctl("certificate", "sign", "signed", stdin=csrs.Maker(fresh).pem())
    results.equal(done.returncode, 0, "the request that those were made from is taken")


def check_revocation(results, site, judge):
    one = out(site, "issue", "shop", "shop1.pem")
    two = out(site, "renew", "shop", "shop2.pem")
    serial = openssl("x509", "-in", two, "-noout", "-serial").decode().strip().partition("=")[2]
    first = openssl("crl", "-in", judge.refresh().crl, "-noout", "-crlnumber").decode()
    site.ctl("certificate", "revoke", "shop.1")
    judge.refresh()
    results.check("revoked" in judge.openssl(one) and "revoked" in judge.gnutls(one), "both judges refuse a revoked one")
    results.equal(judge.openssl(two) + judge.gnutls(two), "", "and not its successor")
    second = openssl("crl", "-in", judge.crl, "-noout", "-crlnumber").decode()
    results.check(int(first.split("=")[1], 16) < int(second.split("=")[1], 16), "the number of the list has grown", first + second)
    results.equal(openssl("crl", "-in", judge.refresh().crl, "-noout", "-crlnumber").decode(), second,
                  "a list is not signed again for nothing")
    site.ctl("certificate", "revoke", serial.lower())
    results.check("revoked" in judge.refresh().openssl(two), "a certificate is revoked by its serial number")
    results.equal(site.ctl("certificate", "revoke", serial, check=False).returncode, 3, "and not a second time")
    results.equal(site.ctl("certificate", "revoke", "shop.2", check=False).returncode, 3, "nor by name")


def check_unconfirmed(results, site, judge):
    """A certificate that nobody received is replaced, and dead."""
    one = out(site, "issue", "lost", "lost1.pem")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([harness.build_path("rotatectl"), "--root", site.path, "certificate", "renew", "lost"],
                              stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=harness.PATIENCE)
    results.check(done.returncode == 1 and "not confirmed" in done.stderr, "a certificate that can not be written is not confirmed", done.stderr)
    done = site.ctl("certificate", "renew", "lost", "--out", site.join("no/such/folder/x.pem"), check=False)
    results.check(done.returncode == 1 and "not confirmed" in done.stderr, "nor one for a folder that is not there", done.stderr)
    site.daemons["rotated"].signal(signal.SIGKILL)
    site.daemons["rotated"].stop()
    site.restart("rotated")
    states = {c["name"]: c["state"] for c in listed(site) if c["service"] == "lost"}
    results.equal(states, {"lost.1": "active", "lost.3": "staged"}, "after a SIGKILL the old one is active and the new one staged")
    pem = [c["pem"] for c in json.loads(site.ctl("--json", "certificate", "show", "lost").stdout)["certificates"] if c["name"] == "lost.3"][0]
    staged = site.write("staged.pem", pem)
    two = out(site, "renew", "lost", "lost4.pem")
    judge.refresh()
    results.equal(judge.openssl(one, "-untrusted", judge.ca) + judge.openssl(two), "", "the active one and the next one are good")
    results.check("revoked" in judge.openssl(staged, "-untrusted", judge.ca), "the one in between is on the list")


def check_sealed(results, site, judge):
    judge.refresh()
    key = csrs.p256(site.path, "sealed")
    site.ctl("seal", "--issuer")
    for words, text in ((["issue", "idle"], ""), (["renew", "lost"], ""), (["sign", "idle"], key.request())):
        before = state(site)
        done = site.ctl("certificate", *words, stdin=text, check=False)
        results.check(done.returncode == 75 and "rotatectl unseal" in done.stderr and state(site) == before,
                      f"certificate {words[0]} with ISSUER sealed is 75 and says what to do", done.stderr)
    results.equal(site.ctl("ca", "crl", check=False).returncode, 0, "the last list is given out while ISSUER is sealed")
    site.ctl("certificate", "revoke", "lost.1")
    done = site.ctl("ca", "crl")
    results.check("sealed" in done.stdout + done.stderr, "revoking works, and the list that lacks it says so", done.stderr)
    results.equal(site.ctl("ca", "renew", check=False).returncode, 75, "ca renew is 75 too")
    site.unseal()
    results.check("revoked" in judge.refresh().openssl(site.join("lost1.pem")), "after the unseal the list has it")


def check_end_of_ca(results, site, judge):
    done = site.ctl("certificate", "issue", "long", check=False)
    end = json.loads(site.ctl("--json", "ca", "show").stdout)["issuing"]["not_after"]
    results.check(done.returncode == 1 and end in done.stderr and "rotatectl ca renew" in done.stderr,
                  "no certificate outlives the issuing CA, and the error names its end", done.stderr)
    old = site.join("lost4.pem")
    site.write("etc/rotated/rotated.conf", site.conf.replace("issuing_lifetime = 3d", "issuing_lifetime = 1y"))
    site.daemons["rotated"].signal(signal.SIGHUP)
    harness.poll("the reload", lambda: "renew" in site.ctl("ca", "renew", "--dry-run").stdout)
    site.ctl("ca", "renew")
    chain = out(site, "issue", "long", "long.pem")
    judge.refresh()
    results.equal(judge.openssl(chain) + judge.gnutls(chain), "", "after ca renew it is issued, with its address")
    results.check("email:long@svc.relay.example.org" in text_of(chain), "the address is in it")
    results.equal(judge.openssl(old) + judge.openssl(old, "-untrusted", judge.ca), "", "what was issued before stays good")


def check_ended_root(results):
    """By then nothing good can come of it: no certificate is made that would end before it begins."""
    conf = CONF % (TRUST, "1s\nroot_lifetime = 1s")
    with Site(conf) as site:
        site.start_all()
        site.ctl("ca", "init")
        root = json.loads(site.ctl("--json", "ca", "show").stdout)["root"]
        harness.poll("the end of the root", lambda: time.time() > time.mktime(
            time.strptime(root["not_after"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone)
        done = site.ctl("ca", "renew", check=False)
        results.check(done.returncode == 1 and "root ended at" in done.stderr and "clock" in done.stderr,
                      "under a root that has ended no issuing certificate is made", done)
        results.equal(json.loads(site.ctl("--json", "ca", "show").stdout)["root"], root, "and the CA is as it was")


def check_names(results, site):
    site.service("evil", "[service]\n[certificate]\nemail = boss@example.com\n")
    done = site.ctl("check", check=False)
    results.check(done.returncode == 1 and "not in the trust domain" in done.stdout + done.stderr,
                  "an address outside of the trust domain is refused by check", done.stdout + done.stderr)
    os.unlink(site.join("etc/rotated/services.d/evil.conf"))
    done = site.ctl("certificate", "issue", "nobody", check=False)
    results.check(done.returncode == 1 and "no service" in done.stderr, "an unknown service gets none", done.stderr)


def check_traces(results, site):
    """No private key is on disk in the clear, and every change has its line."""
    with open(site.join("one.pem"), encoding="ascii") as f:
        line = f.read().splitlines()[2].encode()
    found = []
    for folder, _, names in os.walk(site.join("var")):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and line in open(path, "rb").read():
                found.append(path)
    results.equal(found, [], "the private key that was handed out is in no file of ours")
    log = site.ctl("--json", "audit", "show", "--from", "1", "--count", "1000").stdout
    for event in ("ca.init", "ca.renew", "ca.crl", "certificate.issue", "certificate.sign", "certificate.renew",
                  "certificate.confirm", "certificate.revoke"):
        results.check(event in log, f"the audit log has {event}")
    results.equal(site.ctl("audit", "verify").returncode, 0, "the audit log verifies")
    results.equal(site.ctl("store", "verify").returncode, 0, "the keystore verifies")


def main():
    harness.need_programs("openssl", "certtool")
    results = harness.Results()
    conf = CONF % (TRUST, "3d")
    services = ("billing", "shop", "lost", "idle", "signed")
    with Site(conf, services=services) as site:
        with open(site.join("etc/rotated/rotated.conf"), encoding="utf-8") as f:
            site.conf = f.read()
        site.service("long", LONG)
        site.start_all()
        judge = Judge(site)
        folder = site.join("keys")
        os.makedirs(folder)
        check_before(results, site)
        check_shape(results, site, judge)
        key = check_requests(results, site, judge, folder)
        check_hostile(results, site, folder, key)
        check_revocation(results, site, judge)
        check_unconfirmed(results, site, judge)
        check_sealed(results, site, judge)
        check_end_of_ca(results, site, judge)
        check_names(results, site)
        check_traces(results, site)
        if results.failed:
            print(site.daemons["rotated"].log()[-3000:], file=sys.stderr)
    check_ended_root(results)
    results.exit()


if __name__ == "__main__":
    main()
