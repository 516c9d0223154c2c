#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""tests/vectors/keystore-shares.json, recomputed by docs/keystore-format.md alone: split, combined and written as text."""

import hashlib
import itertools
import json
import os

from harness import SOURCE, Results

results = Results()
DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SECRET = bytes(range(0xE0, 0x100))


def times(a, b):
    """In GF(256), as schoolbook multiplication of polynomials and a long division."""
    product = 0
    for i in range(8):
        if b >> i & 1:
            product ^= a << i
    for i in range(14, 7, -1):
        if product >> i & 1:
            product ^= 0x11B << (i - 8)
    return product


INVERSE = {a: b for a in range(1, 256) for b in range(1, 256) if times(a, b) == 1}


def split(secret, drawn, threshold, count):
    """DRAWN: the coefficients of x, then those of x^2, ..., 32 bytes each."""
    rows = [secret] + [drawn[32 * i : 32 * i + 32] for i in range(threshold - 1)]
    shares = []
    for x in range(1, count + 1):
        value = []
        for column in zip(*rows):
            power, y = 1, 0
            for coefficient in column:
                y ^= times(coefficient, power)
                power = times(power, x)
            value.append(y)
        shares.append((x, bytes(value)))
    return shares


def combine(shares):
    out = []
    for i in range(32):
        y = 0
        for x, value in shares:
            term = value[i]
            for other, _ in shares:
                if other != x:
                    term = times(times(term, other), INVERSE[other ^ x])
            y ^= term
        out.append(y)
    return bytes(out)


def text_of(set_id, x, threshold, value):
    data = set_id + bytes([x, threshold]) + value
    bits = "".join("{:08b}".format(b) for b in data) + "0" * (-len(data) * 8 % 5)
    digest = hashlib.blake2b(b"rotated-share-sum-v1\0" + data, digest_size=32).digest()
    bits += "".join("{:08b}".format(b) for b in digest)[:20]
    chars = [DIGITS[int(bits[i : i + 5], 2)] for i in range(0, len(bits), 5)]
    return "RTS1-" + "-".join("".join(chars[i : i + 4]) for i in range(0, len(chars), 4))


def check_of(set_id, x, value):
    return hashlib.blake2b(b"rotated-share-v1\0" + set_id + bytes([x]) + value, digest_size=16).digest()


def main():
    with open(os.path.join(SOURCE, "tests/vectors/keystore-shares.json"), encoding="ascii") as f:
        vectors = {k: bytes.fromhex(v) for k, v in json.load(f).items()}
    counter = bytes(range(0x41, 0x100))
    for threshold, count in ((2, 3), (3, 5)):
        name = "shamir_%d_of_%d" % (threshold, count)
        shares = split(SECRET, counter, threshold, count)
        results.equal(vectors[name], b"".join(bytes([x]) + v for x, v in shares), "%s is split so" % name)
        ours = [(vectors[name][33 * i], vectors[name][33 * i + 1 : 33 * i + 33]) for i in range(count)]
        results.check(
            all(combine(some) == SECRET for some in itertools.combinations(ours, threshold)),
            "%s: every subset of the threshold gives the secret" % name,
        )
        results.check(
            all(combine(some) != SECRET for some in itertools.combinations(ours, threshold - 1)),
            "%s: one share less gives something else" % name,
        )
    sample = text_of(b"set-id-8", 4, 3, bytes(range(0x90, 0xB0)))
    results.equal(vectors["share_text"].decode(), sample, "a share is written so")
    set_id, drawn = counter[:8], counter[8:]
    shares = split(SECRET, drawn, 2, 3)
    lines = "".join(text_of(set_id, x, 2, v) + "\n" for x, v in shares)
    results.equal(vectors["share_set_text"].decode(), lines, "a set is drawn, split and written so")
    checks = b"".join(check_of(set_id, x, v) for x, v in shares)
    results.equal(vectors["share_set_checks"], checks, "a slot keeps these checks")
    results.exit()


main()
