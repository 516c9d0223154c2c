# SPDX-License-Identifier: BSD-2-Clause
"""Reads a keystore by docs/keystore-format.md alone: nothing of our code takes part, only libsodium
and LMDB by ctypes. If it reads, the document says enough."""

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint, c_ulonglong, c_void_p

from harness import PASSPHRASE, skip

try:
    sodium = ctypes.CDLL("libsodium.so.23")
    lmdb = ctypes.CDLL("liblmdb.so.0")
except OSError as e:
    skip(f"needs libsodium and LMDB: {e}")
if sodium.sodium_init() < 0:
    raise OSError("libsodium does not start")

MASK = (1 << 512) - 1


# ---- the primitives that the document names ----


def unseal(key, nonce, aad, sealed):
    plain = ctypes.create_string_buffer(len(sealed) - 16)
    if sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        plain, None, None, sealed, c_ulonglong(len(sealed)), aad, c_ulonglong(len(aad)), nonce, key
    ):
        raise ValueError("does not open")
    return plain.raw


def blake(size, key, data):
    out = ctypes.create_string_buffer(size)
    sodium.crypto_generichash(
        out, c_size_t(size), data, c_ulonglong(len(data)), key, c_size_t(len(key or b""))
    )
    return out.raw


def derive(key, context):
    out = ctypes.create_string_buffer(32)
    sodium.crypto_kdf_derive_from_key(out, c_size_t(32), c_ulonglong(1), context, key)
    return out.raw


def unbox(pk, sk, sealed):
    out = ctypes.create_string_buffer(len(sealed) - 48)
    if sodium.crypto_box_seal_open(out, sealed, c_ulonglong(len(sealed)), pk, sk):
        raise ValueError("the box does not open")
    return out.raw


def argon2id(passphrase, salt, operations, memory):
    out = ctypes.create_string_buffer(32)
    if sodium.crypto_pwhash(
        out, c_ulonglong(32), passphrase, c_ulonglong(len(passphrase)), salt,
        c_ulonglong(operations), c_size_t(memory), 2,
    ):
        raise MemoryError
    return out.raw


def key_file_kek(content, salt):
    out = ctypes.create_string_buffer(32)
    sodium.crypto_generichash_blake2b_salt_personal(
        out, c_size_t(32), content, c_ulonglong(len(content)), None, c_size_t(0), salt,
        b"rt-key-file-kek\0",
    )
    return out.raw


def recovery_secret(text):
    digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    text = text.strip().replace("-", "")
    if not text.startswith("RTR1") or len(text) != 4 + 52 + 4:
        raise ValueError("not a recovery key")
    bits = "".join(f"{digits.index(c):05b}" for c in text[4:])
    key = int(bits[:256], 2).to_bytes(32, "big")
    checksum = blake(32, None, b"rotated-recovery-v1\0" + key)
    if bits[256:260] != "0000" or bits[260:] != f"{int.from_bytes(checksum, 'big'):0256b}"[:20]:
        raise ValueError("mistyped")
    return key


def number(data):
    return int.from_bytes(data, "big")


def tlv(data):
    fields = []
    while data:
        end = 5 + number(data[1:5])
        if end > len(data):
            raise ValueError("a field beyond the end")
        fields.append((data[0], data[5:end]))
        data = data[end:]
    if [tag for tag, _ in fields] != sorted(tag for tag, _ in fields):
        raise ValueError("fields out of order")
    return fields


def unpad64(data):
    plain = data.rstrip(b"\0")
    if len(data) % 64 or plain[-1:] != b"\x80" or not 1 <= len(data) - len(plain) + 1 <= 64:
        raise ValueError("bad padding")
    return plain[:-1]


# ---- the files ----


class Value(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("data", c_void_p)]

    def bytes(self):
        return ctypes.string_at(self.data, self.size)


def lmdb_call(name, *args):
    rc = getattr(lmdb, name)(*args)
    if rc:
        lmdb.mdb_strerror.restype = c_char_p
        raise OSError(f"{name}: {lmdb.mdb_strerror(rc).decode()}")


def tables(directory, names):
    """The whole content: {table: {key: value}}."""
    env, txn = c_void_p(), c_void_p()
    lmdb_call("mdb_env_create", byref(env))
    lmdb_call("mdb_env_set_maxdbs", env, c_uint(8))
    lmdb_call("mdb_env_open", env, directory.encode(), c_uint(0x20000), c_int(0o600))  # read-only
    lmdb_call("mdb_txn_begin", env, None, c_uint(0x20000), byref(txn))
    content = {}
    for name in names:
        dbi, cursor = c_uint(), c_void_p()
        lmdb_call("mdb_dbi_open", txn, name.encode(), c_uint(0), byref(dbi))
        lmdb_call("mdb_cursor_open", txn, dbi, byref(cursor))
        key, value = Value(), Value()
        content[name] = {}
        lmdb.mdb_cursor_get.argtypes = [c_void_p, POINTER(Value), POINTER(Value), c_int]
        while lmdb.mdb_cursor_get(cursor, byref(key), byref(value), 8) == 0:  # MDB_NEXT
            content[name][key.bytes()] = value.bytes()
        lmdb.mdb_cursor_close(cursor)
    lmdb.mdb_txn_abort(txn)
    lmdb.mdb_env_close(env)
    return content


class Slot:
    def __init__(self, data):
        self.type, self.tiers, self.id = data[0], data[1], data[2:18]
        p = number(data[26:28])
        w = number(data[28 + p : 30 + p])
        self.head = data[: 28 + p]
        self.params = data[28 : 28 + p]
        self.wrapped = data[30 + p : 30 + p + w]
        self.commitment = data[30 + p + w : 62 + p + w]
        self.size = 62 + p + w

    def kek(self, what):
        if self.type == 1:
            if self.params[0] != 2:
                raise ValueError("not Argon2id 1.3")
            return argon2id(
                what, self.params[17:33], number(self.params[1:9]), number(self.params[9:17])
            )
        return key_file_kek(what, self.params) if self.type == 2 else what

    def roots(self, store_id, what):
        kek = self.kek(what)
        if blake(32, kek, b"rt-kek-commit" + self.id) != self.commitment:
            raise ValueError("wrong key")
        if self.type == 3:
            return unbox(self.params, kek, self.wrapped)
        aad = b"rotated-slot-v1\0" + store_id + self.head
        return unseal(kek, self.wrapped[:24], aad, self.wrapped[24:])


class Keyring:
    def __init__(self, data):
        if data[:8] != b"RTKRING1" or number(data[8:12]) != 1:
            raise ValueError("not a keyring of format 1")
        self.store_id, self.generation = data[12:28], number(data[28:36])
        self.slots, at = [], 38
        for _ in range(number(data[36:38])):
            self.slots.append(Slot(data[at:]))
            at += self.slots[-1].size
        self.slot_bytes = data[36:at]
        n = number(data[at : at + 4])
        self.before_auth = data[: at + 4]
        self.auth = data[at + 4 : at + 28 + n]
        self.issuer = data[at + 28 + n :]
        if number(self.issuer[:4]) != len(self.issuer) - 28:
            raise ValueError("the file does not end with the ISSUER body")

    def slot(self, kind):
        return next(s for s in self.slots if s.type == kind)

    def open_auth(self, root):
        aad = b"rotated-ring-a1\0" + self.before_auth
        return tlv(unseal(derive(root, b"rtkeyrng"), self.auth[:24], aad, self.auth[24:]))

    def open_issuer(self, root):
        aad = b"rotated-ring-i1\0" + self.store_id + self.slot_bytes
        return tlv(unseal(derive(root, b"rtkeyrng"), self.issuer[4:28], aad, self.issuer[28:]))


def epochs(fields):
    return {number(v[:4]): v[13:] for tag, v in fields if tag == 1}


class Store:
    """All that the passphrase opens."""

    def __init__(self, directory):
        with open(os.path.join(directory, "keyring"), "rb") as f:
            self.ring = Keyring(f.read())
        with open(os.path.join(directory, "anchor"), "rb") as f:
            self.anchor_bytes = f.read()
        self.tables = tables(os.path.join(directory, "store"), ("cur", "hist", "meta"))
        roots = self.ring.slot(1).roots(self.ring.store_id, PASSPHRASE.encode())
        self.root_a, self.root_i = roots[:32], roots[32:]
        fields = self.ring.open_auth(self.root_a)
        self.auth = dict(f for f in fields if f[0] != 1)
        self.epochs = {0: epochs(fields), 1: epochs(self.ring.open_issuer(self.root_i))}

    def record(self, table, key, value):
        flags, epoch = number(value[2:4]), number(value[4:8])
        aad = b"rotated-rec-v1\0" + self.ring.store_id + bytes([table]) + key + value[:24]
        plain = unseal(self.epochs[flags & 1][epoch], value[24:48], aad, value[48:])
        fields = dict(tlv(unpad64(plain)))
        name = fields[1].split(b"\0")
        if key[:32] != blake(32, self.auth[2], b"\0".join(name[:3])):
            raise ValueError("lies under another name")
        return {
            "name": "/".join(p.decode() for p in name[:3]),
            "tier": "ISSUER" if flags & 1 else "AUTH",
            "version": number(value[8:16]),
            "state": number(fields.get(3, b"")),
            "attrs": fields.get(4, b""),
            "body": fields.get(5, b""),
            "reason": fields.get(6),
        }

    def records(self, table):
        name = {1: "cur", 2: "hist"}[table]
        return sorted(
            (self.record(table, k, v) for k, v in self.tables[name].items()),
            key=lambda r: r["name"],
        )

    def meta(self):
        value = self.tables["meta"][b"META"]
        aad = b"rotated-meta-v1\0" + self.ring.store_id + value[:16]
        return unseal(derive(self.root_a, b"rtmetaky"), value[16:40], aad, value[40:])

    def set_hash(self):
        total = 0
        for table, name in ((1, "cur"), (2, "hist")):
            for k, v in self.tables[name].items():
                term = blake(64, self.auth[3], bytes([table]) + k + v[:48] + v[-16:])
                total += int.from_bytes(term, "little")
        return (total & MASK).to_bytes(64, "little")

    def anchors(self):
        key = derive(self.root_a, b"rtanchor")
        for at in (0, 512):
            slot = self.anchor_bytes[at : at + 512]
            if slot[:8] == b"RTANCHR1" and slot[112:144] == blake(32, key, slot[:112]):
                yield at, slot
