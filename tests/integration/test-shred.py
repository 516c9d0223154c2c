#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Old secrets are gone. Copies of the files from before hold a password's verifier, a certificate,
a DKIM key and an upstream's secret. All four are revoked and the keystore is encrypted anew; then
whoever has the old store and the old index, the keyring of now, and every secret that unlocks it,
opens nothing of the copies. What it takes instead is shown too: the keyring of before."""

import base64
import json
import os
import re
import secrets as pysecrets
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness  # noqa: E402
from keystorereader import Index, Store, recovery_secret, verifier_sets  # noqa: E402
from whole import Site  # noqa: E402

CONF = """
[ca]
trust_domain = example.com
[upstream]
soak = 1s
overlap = 1s
schedule = never
"""
HOOK = """\
#!/bin/sh
case $1 in
create) cat {secret} ;;
test) read -r secret; [ "$secret" = "$(cat {secret})" ] || exit 77 ;;
esac
"""

results = harness.Results()


def copy(root):
    """Store, keyring, anchor and index as they are now, in a directory of their own."""
    directory = root.join(f"copy-{os.urandom(4).hex()}")
    shutil.copytree(root.join("var/lib/rotated"), directory)
    return directory


def make_upstream(site, secret):
    """A login at a provider, by a hook; forgotten at once when its file is gone."""
    outside = site.write("outside", secret + "\n")
    hook = site.write("hook", HOOK.format(secret=outside), 0o755)
    site.write("etc/rotated/upstreams.d/relay.conf",
               "[upstream]\nuser = relay-%v\n"
               f"hook = {os.path.join(site.build, 'hooks/upstream-command')}\n"
               + "".join(f"setting = {v}={hook} {v.lower()}\n"
                         for v in ("CREATE", "TEST", "REVOKE")))
    reload(site, lambda: "relay" in site.ctl("upstream", "list").stdout)
    site.ctl("upstream", "rotate", "relay", check=False)
    harness.poll("the upstream's secret to be stored",
                 lambda: json.loads(site.ctl("--json", "upstream", "show", "relay").stdout)
                 ["versions"])


def reload(site, question):
    site.daemons["rotated"].signal(1)
    harness.poll("the reload", question)


def make_dkim(site):
    """(selector, a piece of the private key)"""
    site.ctl("dkim", "rotate", "example.com", check=False)
    selector = harness.poll("a DKIM key", lambda: next(
        (v["selector"] for v in json.loads(
            site.ctl("--json", "dkim", "show", "example.com").stdout)["keys"]), None))
    pem = site.ctl("dkim", "show", "example.com", selector, "--private-key").stdout
    return selector, base64.b64decode(re.sub(r"-----[A-Z ]+-----|\s", "", pem))[-300:-40]


def make_all(site):
    upstream = "upstream-" + pysecrets.token_hex(16)
    make_upstream(site, upstream)
    selector, dkim = make_dkim(site)
    site.ctl("ca", "init")
    certificate = json.loads(site.ctl("--json", "certificate", "issue", "billing").stdout)
    login, _ = site.issue("billing")
    return {"upstream": upstream.encode(), "dkim": dkim, "selector": selector, "login": login,
            "certificate": certificate["serial"]}


def destroy_all(site, made):
    site.ctl("credential", "revoke", made["login"])
    site.ctl("certificate", "revoke", "billing", "--all")
    site.ctl("dkim", "revoke", "example.com", made["selector"])
    os.unlink(site.join("etc/rotated/upstreams.d/relay.conf"))
    reload(site, lambda: not json.loads(
        site.ctl("--json", "upstream", "show", "relay").stdout)["configured"])
    site.ctl("upstream", "revoke", "relay.1")


def reseal(site):
    site.ctl("store", "reseal")
    harness.poll("the end of the reseal",
                 lambda: site.status()["keystore"]["reseal"] is None, 60)


def names(records):
    return {r["name"].rsplit("/", 1)[0] for r in records}


def opened(store, old):
    """The records of OLD's tables that the keys of STORE open."""
    found = []
    for table, name in ((1, "cur"), (2, "hist")):
        for key, value in old.tables[name].items():
            try:
                found.append(store.record(table, key, value)["name"])
            except (KeyError, ValueError):
                pass
    return found


def ways_in(site, directory):
    """The keyring in DIRECTORY, opened in every way that there is."""
    with open(site.join("etc/rotated/auth.key"), "rb") as f:
        key_file = f.read()
    ways = {"passphrase": (1, harness.PASSPHRASE.encode()), "key file": (2, key_file),
            "recovery key": (3, recovery_secret(site.recovery))}
    for name, (kind, what) in ways.items():
        yield name, Store(directory, kind, what)


def main():
    with Site(CONF) as site:
        site.domain("example.com")
        site.daemons = {"rotated": site.start_vault(), "rotated-auth": site.start_door(),
                        "rotated-worker": site.start_worker()}
        said = site.ctl("init", "--unattended", "--passphrase-file", site.passphrase).stdout
        site.recovery = re.search(r"RTR1(-[0-9A-Z]{4})+", said).group()
        made = make_all(site)
        before = copy(site)
        old = Store(before)
        bodies = b"".join(r["body"] for r in old.records(1))
        results.check(made["upstream"] in bodies and made["dkim"] in bodies,
                      "before, the store holds the upstream's secret and the DKIM key")
        index = Index(os.path.join(before, "index"), old.ring.store_id, verifier_sets(old)[0])
        results.check(index.entry(made["login"]) and index.opened() > 1,
                      "before, the index holds the login, and facts")

        destroy_all(site, made)
        reseal(site)
        after = copy(site)
        for name, store in ways_in(site, after):
            results.equal(opened(store, old), [],
                          f"with the keyring of now and the {name} no record of the copy opens")
            results.check(not any(
                Index(os.path.join(before, "index"), old.ring.store_id, keys).opens(made["login"])
                for keys in verifier_sets(store)), f"nor does its index ({name})")
        now = Store(after)
        bodies = b"".join(r["body"] for r in now.records(1) + now.records(2))
        results.check(made["upstream"] not in bodies and made["dkim"] not in bodies,
                      "and no record of now holds the destroyed secrets")
        results.check(len(opened(old, old)) == sum(len(old.tables[t]) for t in ("cur", "hist")),
                      "the limit: with the keyring of then everything of then opens")
        site.ctl("store", "verify")
    results.exit()


main()
