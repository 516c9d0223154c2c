# SPDX-License-Identifier: BSD-2-Clause
"""Certificate requests that should not be taken, each wrong in one way. They are put together byte by
byte, so that what refuses them shares nothing with what made them."""

import base64
import os

from tlsfiles import openssl

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
ECDSA_SHA1 = bytes.fromhex("300906072a8648ce3d0401")
RSA_MD5 = bytes.fromhex("300d06092a864886f70d0101040500")
RSA_SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")
RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(length)]) + length + body


def common_name(value, tag=12):
    return tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403"), tlv(tag, value))))


def pem(der, label="CERTIFICATE REQUEST"):
    text = base64.b64encode(der).decode()
    lines = [text[i:i + 64] for i in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


class Key:
    """A private key in a file of FOLDER, made by openssl genpkey with OPTIONS."""

    def __init__(self, folder, name, *options):
        self.path = os.path.join(folder, name + ".key")
        openssl("genpkey", *options, "-out", self.path)

    def public(self, *options):
        return openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER", *options)

    def sign(self, data, digest="-sha256"):
        return openssl("dgst", digest, "-sign", self.path, given=data)

    def request(self, *options):
        """As openssl req makes it."""
        return openssl("req", "-new", "-key", self.path, "-subj", "/CN=anything", *options).decode()


def p256(folder, name="p256"):
    return Key(folder, name, "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


class Maker:
    """Requests of one good P-256 key, with one part replaced."""

    def __init__(self, key):
        self.key = key

    def body(self, version=b"\x02\x01\x00", name=None, public=None, attributes=b"\xa0\x00"):
        return tlv(0x30, version, common_name(b"x") if name is None else name, public or self.key.public(), attributes)

    def der(self, algorithm=ECDSA_SHA256, signature=None, digest="-sha256", body=None, **parts):
        body = body or self.body(**parts)
        signature = signature or self.key.sign(body, digest)
        return tlv(0x30, body, algorithm, tlv(0x03, b"\0", signature))

    def pem(self, **parts):
        return pem(self.der(**parts))


def of_bad_keys(folder):
    """(what is wrong, request)"""
    ec = ("-algorithm", "EC", "-pkeyopt")
    kinds = {
        "RSA of 1024 bits": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"),
        "RSA of 2047 bits": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2047"),
        "RSA with exponent 3": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-pkeyopt", "rsa_keygen_pubexp:3"),
        "RSA for PSS only": ("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"),
        "the curve P-384": (*ec, "ec_paramgen_curve:P-384"),
        "the curve P-224": (*ec, "ec_paramgen_curve:P-224"),
        "the curve secp256k1": (*ec, "ec_paramgen_curve:secp256k1"),
        "P-256 spelled out": (*ec, "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"),
        "Ed448": ("-algorithm", "ED448"),
    }
    for what, options in kinds.items():
        yield what, Key(folder, "bad", *options).request()


def point_off_curve(public):
    return public[:-1] + bytes([public[-1] ^ 1])


def of_bad_forms(key, other):
    """(what is wrong, request) of a good key, but for the one thing."""
    make = Maker(key)
    good = make.der()
    body = make.body()
    cut = good[2:] if good[1] < 128 else good[2 + good[1] - 128:]  # the content of the outer SEQUENCE
    compressed = openssl("ec", "-in", key.path, "-pubout", "-outform", "DER", "-conv_form", "compressed")
    signature = bytearray(key.sign(body))
    signature[-1] ^= 1
    nest = b"\x05\x00"
    for _ in range(40):
        nest = tlv(0x30, nest)
    yield "a signature with a flipped bit", make.pem(body=body, signature=bytes(signature))
    yield "a signature of another key", make.pem(body=body, signature=other.sign(body))
    yield "a signature of other bytes", make.pem(body=body, signature=key.sign(body + b"x"))
    yield "an empty signature", pem(tlv(0x30, body, ECDSA_SHA256, b"\x03\x01\x00"))
    yield "a signature with SHA-1", make.pem(algorithm=ECDSA_SHA1, digest="-sha1")
    yield "an algorithm of RSA for a key of EC", make.pem(algorithm=RSA_SHA256)
    yield "version -1", make.pem(version=b"\x02\x01\xff")
    yield "version 3", make.pem(version=b"\x02\x01\x02")
    yield "a version of two bytes", make.pem(version=b"\x02\x02\x00\x00")
    yield "a NUL in the common name", make.pem(name=common_name(b"billing\0.evil"))
    yield "a NUL in a printable name", make.pem(name=common_name(b"\0", tag=19))
    yield "a point that is not on the curve", make.pem(public=point_off_curve(key.public()))
    yield "a compressed point", make.pem(public=compressed)
    yield "bytes after its end", pem(good + b"\0")
    yield "a second request inside", pem(good + good)
    yield "a length that is indefinite", pem(b"\x30\x80" + cut + b"\0\0")
    yield "an indefinite length inside", make.pem(name=b"\x30\x80\x00\x00")
    yield "a length of more bytes than it needs", pem(b"\x30\x83\x00" + len(cut).to_bytes(2, "big") + cut)
    yield "a length that wraps", pem(b"\x30\x88" + b"\xff" * 8 + cut)
    yield "a string in pieces", make.pem(name=common_name(tlv(0x0C, b"a") + tlv(0x0C, b"b"), tag=0x2C))
    yield "a tag of the long form", make.pem(name=tlv(0x30, b"\x1f\x81\x00\x00"))
    yield "forty levels of nesting", make.pem(name=nest)
    yield "a bit string with loose bits", pem(tlv(0x30, body, ECDSA_SHA256, tlv(0x03, b"\x03", key.sign(body)[:-1] + b"\xff")))
    yield "half of it", pem(good[:len(good) // 2])
    yield "attributes of 9 KiB", make.pem(attributes=tlv(0xA0, b"\x04\x82\x24\x00" + b"x" * 0x2400))
    yield "no public key", pem(tlv(0x30, tlv(0x30, b"\x02\x01\x00", common_name(b"x")), ECDSA_SHA256, b"\x03\x01\x00"))


def of_bad_text(key):
    """(what is wrong, text) around a good request."""
    good = key.request()
    cert = openssl("req", "-x509", "-new", "-key", key.path, "-subj", "/CN=x").decode()
    lines = good.splitlines()
    with open(key.path, encoding="ascii") as f:
        private = f.read()
    yield "nothing at all", ""
    yield "words", "please\n"
    yield "two requests", good + good
    yield "text before it", "Certificate Request:\n" + good
    yield "text after it", good + "thanks\n"
    yield "a certificate", cert
    yield "a private key", private
    yield "a private key after it", good + private
    yield "no end", "\n".join(lines[:-1]) + "\n"
    yield "the end of something else", "\n".join(lines[:-1]) + "\n-----END CERTIFICATE-----\n"
    yield "a letter that is not base64", good.replace(lines[1], "*" + lines[1][1:])
    yield "a NUL within", good.replace(lines[1], lines[1][:9] + "\0" + lines[1][9:])
    yield "padding in the middle", good.replace(lines[1], lines[1][:-1] + "=")
    yield "17 KiB of blanks", good + " " * 17 * 1024
    yield "17 KiB of base64", pem(os.urandom(13 * 1024))


def rsa_with_old_digest(folder):
    key = Key(folder, "rsa-old", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    make = Maker(key)
    return make.pem(algorithm=RSA_SHA1, digest="-sha1"), make.pem(algorithm=RSA_MD5, digest="-md5")


