#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The keystores in tests/vectors, read by docs/keystore-format.md alone (keystorereader.py)."""

import os
import shutil
import tempfile

from harness import SOURCE, Results
from keystorereader import Backup, Keyring, Store, blake, derive, number, public_key, recovery_secret

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
    results.equal(public_key(secret), s.auth[6], "it is the one that the keystore was made with")
    first = derive(secret, b"rtaudit1")
    results.equal(first, s.meta()[160:], "the key of the first audit line follows from it")
    issuer = blake(32, None, s.ring.issuer)
    results.equal(s.auth[7], issuer, "the AUTH body names the ISSUER body by its hash")


def multiply(a, b):
    """In the field of the document: x^8 + x^4 + x^3 + x + 1."""
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


def inverse(a):
    return next(i for i in range(1, 256) if multiply(a, i) == 1)


def combine(shares):
    """Lagrange at 0 over {x: value}."""
    key = bytearray(32)
    for x, value in shares.items():
        weight = 1
        for other in shares:
            if other != x:
                weight = multiply(weight, multiply(other, inverse(other ^ x)))
        for i in range(32):
            key[i] ^= multiply(weight, value[i])
    return bytes(key)


def share(text):
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    bits = "".join(f"{digits.index(c):05b}" for c in text.replace("-", "")[4:])
    return int(bits[:336], 2).to_bytes(42, "big")


def other_slots(s, directory):
    both = s.root_a + s.root_i
    helper = b"fedcba9876543210fedcba9876543210"
    credential, program, quorum = (s.ring.slot(kind) for kind in (4, 5, 6))
    roots = credential.roots(s.ring.store_id, helper)
    results.equal((roots, credential.blob()), (s.root_a, b"sealed"), "the credential opens ROOT_A")
    roots = program.roots(s.ring.store_id, helper)
    results.equal(roots, both, "the same secret opens both tiers through the exec slot")
    results.equal(
        (program.program(), program.blob()), (b"/usr/bin/clevis-decrypt", b"ey"), "its program and blob"
    )
    k, n, name, checks = quorum.quorum()
    results.equal((k, n), (2, 3), "the quorum is two of three")
    with open(os.path.join(directory, "shares"), encoding="ascii") as f:
        papers = [share(line.strip()) for line in f]
    for paper in papers:
        check = blake(16, None, b"rotated-share-v1\0" + paper[:9] + paper[10:])
        results.equal((paper[:8], check), (name, checks[paper[8] - 1]), f"share {paper[8]} is of the set")
    for two in (papers[:2], papers[1:], papers[::2]):
        kek = combine({p[8]: p[10:] for p in two})
        results.equal(quorum.roots(s.ring.store_id, kek), both, "two shares open both tiers")


def altered_slots_stay_shut(s, directory):
    with open(os.path.join(directory, "keyring"), "rb") as f:
        data = bytearray(f.read())
    at = 38
    for slot in s.ring.slots:
        for where in (3, slot.size // 2, slot.size - 70, slot.size - 1):
            data[at + where] ^= 1
            try:
                ring = Keyring(bytes(data))
                ring.open_issuer(s.root_i)
                opened = True
            except (ValueError, IndexError):
                opened = False
            data[at + where] ^= 1
            results.check(not opened, f"type {slot.type}, byte {where}: ISSUER stays shut")
        at += slot.size


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
        (s.ring.store_id, m[:8], s.set_digest()),
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


def check(name):
    with tempfile.TemporaryDirectory(prefix="rotated-format.") as directory:
        shutil.copytree(os.path.join(SOURCE, "tests/vectors", name), directory, dirs_exist_ok=True)
        for path, _, files in os.walk(directory):  # a distribution comes read-only
            os.chmod(path, 0o700)
            for file in files:
                os.chmod(os.path.join(path, file), 0o600)
        with results.case(f"{name}: the passphrase opens the keyring as the document says"):
            s = Store(directory)
        same_roots_by_every_slot(s, directory)
        other_slots(s, directory)
        altered_slots_stay_shut(s, directory)
        records_are_there(s)
        meta_and_anchor_fit(s)
        moved_records_stay_shut(s)


def backups_open():
    folder = os.path.join(SOURCE, "tests/vectors/backup")
    with open(os.path.join(folder, "recovery"), encoding="ascii") as f:
        secret = recovery_secret(f.read())
    for name, counts in (("empty", (0, 0)), ("one-chunk", (2, 1)), ("three-chunks", (5, 1))):
        with open(os.path.join(folder, f"{name}.backup"), "rb") as f:
            data = f.read()
        backup_is_whole(name, data, secret, counts)
        for what, bad in (("cut", data[:-1]), ("longer", data + b"\0"), ("altered", data[:-1] + bytes([data[-1] ^ 1])),
                          ("another time", data[:43] + bytes([data[43] ^ 1]) + data[44:])):
            try:
                Backup(bad, secret)
            except ValueError:
                results.check(True, f"{name}, {what}: it does not open")
            else:
                results.check(False, f"{name}, {what}: it does not open")


def backup_is_whole(name, data, secret, counts):
    b = Backup(data, secret)
    m = b.meta()
    results.equal(b.head[12:28], b.ring.store_id, f"{name}.backup: header and keyring are of one store")
    results.equal((b.head[28:36], number(b.head[44:52])), (m[:8], b.ring.generation), "of one time as well")
    results.equal((len(b.records(1)), len(b.records(2))), counts, "every record and tombstone in it opens")
    results.equal(b.trailer, m[8:24] + b.set_hash(), "the trailer counts them, and has their sum")
    results.equal(b.trailer, m[8:24] + m[56:120], "which is what META says")


def main():
    check("store-v2")
    with results.case("a backup opens with the recovery key as the document says"):
        backups_open()
    results.exit()


main()
