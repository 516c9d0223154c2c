#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The keystore in tests/vectors/store-v1, read by docs/keystore-format.md alone (keystorereader.py)."""

import os
import shutil
import tempfile

from harness import SOURCE, Results
from keystorereader import Store, blake, number, recovery_secret, unbox

results = Results()


# ---- what the fixture is known to hold ----


def same_roots_by_every_slot(s, directory):
    with open(os.path.join(directory, "recovery"), encoding="ascii") as f:
        secret = recovery_secret(f.read())
    both = s.root_a + s.root_i
    auth = s.ring.slot(2).roots(s.ring.store_id, b"0123456789abcdef0123456789abcdef")
    results.equal(auth, s.root_a, "the key file opens ROOT_A, and that alone")
    roots = s.ring.slot(3).roots(s.ring.store_id, secret)
    results.equal(roots, both, "the recovery key opens what the passphrase opens")
    first = unbox(s.auth[6], secret, s.auth[5])
    results.equal(len(first), 32, "the recovery key opens the first audit key")
    issuer = blake(32, None, s.ring.issuer)
    results.equal(s.auth[7], issuer, "the AUTH body names the ISSUER body by its hash")


def records_are_there(s):
    cur = [(r["name"], r["tier"], r["version"], r["state"], r["attrs"], r["body"]) for r in s.records(1)]
    results.equal(
        cur,
        [
            ("password/verifier/billing", "AUTH", 1, 3, b"a=1", b"verifier"),
            ("password/verifier/dkim", "ISSUER", 1, 3, b"a=1", b"private key"),
        ],
        "both records open where they lie",
    )
    graves = [(r["name"], r["version"], r["reason"], r["body"]) for r in s.records(2)]
    results.equal(
        graves,
        [("password/verifier/gone", 2, b"revoked by hand", b"")],
        "the tombstone opens, and nothing of the record is left",
    )


def meta_and_anchor_fit(s):
    m = s.meta()
    counts = tuple(number(m[i : i + 8]) for i in (8, 16, 24))
    results.equal(counts, (2, 1, s.ring.generation), "META counts records, graves and generation")
    results.equal(m[56:120], s.set_hash(), "the set hash is the sum of what is there")
    results.equal(number(m[:8]), number(s.tables["meta"][b"META"][8:16]), "META has its number twice")
    newest = max(s.anchors(), key=lambda a: number(a[1][24:32]))
    results.equal(newest[0], 512 * (number(m[:8]) % 2), "the anchor lies in the half of its number")
    results.equal(
        (newest[1][8:24], newest[1][24:32], newest[1][48:112]),
        (s.ring.store_id, m[:8], m[56:120]),
        "the anchor is of the last commit",
    )


def moved_records_stay_shut(s):
    (key, value), (other, _) = list(s.tables["cur"].items())[:2]
    for table, place in ((1, other), (2, key)):
        try:
            s.record(table, place, value)
        except (ValueError, KeyError):
            opened = False
        else:
            opened = True
        results.check(not opened, f"a record moved to table {table} does not open")


def main():
    with tempfile.TemporaryDirectory(prefix="rotated-format.") as directory:
        shutil.copytree(os.path.join(SOURCE, "tests/vectors/store-v1"), directory, dirs_exist_ok=True)
        for path, _, files in os.walk(directory):  # a distribution comes read-only
            os.chmod(path, 0o700)
            for name in files:
                os.chmod(os.path.join(path, name), 0o600)
        with results.case("the passphrase opens the keyring as the document says"):
            s = Store(directory)
        same_roots_by_every_slot(s, directory)
        records_are_there(s)
        meta_and_anchor_fit(s)
        moved_records_stay_shut(s)
    results.exit()


main()
