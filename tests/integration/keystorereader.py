# SPDX-License-Identifier: BSD-2-Clause
"""Reads a keystore and a backup by docs/keystore-format.md alone: nothing of our code takes part, only libsodium
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


def kdf(content, salt, personal):
    out = ctypes.create_string_buffer(32)
    sodium.crypto_generichash_blake2b_salt_personal(
        out, c_size_t(32), content, c_ulonglong(len(content)), None, c_size_t(0), salt, personal
    )
    return out.raw


def public_key(secret):
    out = ctypes.create_string_buffer(32)
    sodium.crypto_scalarmult_base(out, secret)
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

    @classmethod
    def of(cls, data):
        value = cls(len(data), ctypes.cast(ctypes.c_char_p(data), c_void_p))
        value.keep = data  # as long as the pointer
        return value

    def bytes(self):
        return ctypes.string_at(self.data, self.size)


def lmdb_call(name, *args):
    rc = getattr(lmdb, name)(*args)
    if rc:
        lmdb.mdb_strerror.restype = c_char_p
        raise OSError(f"{name}: {lmdb.mdb_strerror(rc).decode()}")


class Lmdb:
    """The LMDB file in a directory, or PATH itself with IS_FILE: one transaction, committed by a
    with-block that ends well."""

    READ_ONLY, CREATE, NO_SUBDIR, NO_LOCK, NEXT = 0x20000, 0x40000, 0x4000, 0x400000, 8

    def __init__(self, path, is_file=False, may_write=False):
        self.env, self.txn = c_void_p(), c_void_p()
        self.flags = 0 if may_write else self.READ_ONLY
        lmdb_call("mdb_env_create", byref(self.env))
        lmdb_call("mdb_env_set_maxdbs", self.env, c_uint(8))
        lmdb_call("mdb_env_set_mapsize", self.env, c_size_t(1 << 30))
        shape = self.NO_SUBDIR | self.NO_LOCK if is_file else 0
        lmdb_call("mdb_env_open", self.env, path.encode(), c_uint(self.flags | shape), c_int(0o600))

    def __enter__(self):
        lmdb_call("mdb_txn_begin", self.env, None, c_uint(self.flags), byref(self.txn))
        return self

    def __exit__(self, failure, *unused):
        if failure or self.flags:
            lmdb.mdb_txn_abort(self.txn)
        else:
            lmdb_call("mdb_txn_commit", self.txn)
        lmdb.mdb_env_close(self.env)

    def table(self, name):
        dbi = c_uint()
        lmdb_call("mdb_dbi_open", self.txn, name.encode(), c_uint(0 if self.flags else self.CREATE), byref(dbi))
        return dbi

    def all(self, name):
        cursor, key, value, content = c_void_p(), Value(), Value(), {}
        lmdb_call("mdb_cursor_open", self.txn, self.table(name), byref(cursor))
        lmdb.mdb_cursor_get.argtypes = [c_void_p, POINTER(Value), POINTER(Value), c_int]
        while lmdb.mdb_cursor_get(cursor, byref(key), byref(value), self.NEXT) == 0:
            content[key.bytes()] = value.bytes()
        lmdb.mdb_cursor_close(cursor)
        return content

    def put(self, name, key, value):
        lmdb_call("mdb_put", self.txn, self.table(name), byref(Value.of(key)), byref(Value.of(value)), c_uint(0))

    def delete(self, name, key):
        lmdb_call("mdb_del", self.txn, self.table(name), byref(Value.of(key)), None)


def tables(directory, names):
    """The whole content: {table: {key: value}}."""
    with Lmdb(directory) as db:
        return {name: db.all(name) for name in names}


def make_tables(path, names):
    """A new LMDB file at PATH, with these tables and nothing in them."""
    with Lmdb(path, is_file=True, may_write=True) as db:
        for name in names:
            db.table(name)


class Slot:
    """One slot, at the start of DATA."""

    PERSONAL = {2: b"rt-key-file-kek\0", 4: b"rt-credentl-kek\0", 5: b"rt-exec-prg-kek\0"}

    def __init__(self, data):
        start = at = 1
        if data[0] != 2:
            raise ValueError("a slot of another form")
        self.type, self.tiers, self.id = data[at], data[at + 1], data[at + 2 : at + 18]
        p = number(data[at + 26 : at + 28])
        self.params = data[at + 28 : at + 28 + p]
        at += 28 + p
        self.pk, at = data[at : at + 32], at + 32
        w = number(data[at : at + 2])
        self.wrapped = data[at + 2 : at + 2 + w]
        at += 2 + w
        self.commitment, at = data[at : at + 32], at + 32
        self.covered = data[start:at]
        self.mac, self.size = data[at : at + 32], at + 32

    def program(self):
        """Of an exec slot."""
        return self.params[17 : 17 + self.params[16]]

    def blob(self):
        """Of a credential or exec slot."""
        at = 16 if self.type == 4 else 17 + self.params[16]
        n = number(self.params[at : at + 2])
        if at + 2 + n != len(self.params):
            raise ValueError("the blob does not end with the parameters")
        return self.params[at + 2 :]

    def quorum(self):
        """k, n, the set and the checks."""
        k, n = self.params[0], self.params[1]
        checks = [self.params[i : i + 16] for i in range(10, len(self.params), 16)]
        if not 2 <= k <= n <= 16 or len(checks) != n:
            raise ValueError("a quorum that cannot be")
        return k, n, self.params[2:10], checks

    def kek(self, what):
        if self.type == 1:
            if self.params[0] != 2:
                raise ValueError("not Argon2id 1.3")
            return argon2id(
                what, self.params[17:33], number(self.params[1:9]), number(self.params[9:17])
            )
        if self.type in self.PERSONAL:
            return kdf(what, self.params[:16], self.PERSONAL[self.type])
        return what  # a recovery key; what the shares of a quorum combine to

    def roots(self, store_id, what):
        kek = self.kek(what)
        if blake(32, kek, b"rt-kek-commit" + self.id) != self.commitment:
            raise ValueError("wrong key")
        secret = kek if self.type == 3 else derive(kek, b"rtslotsk")
        self.check(derive(kek, b"rtslotmk"), store_id)
        if public_key(secret) != self.pk:
            raise ValueError("the public key is of another slot")
        return unbox(self.pk, secret, self.wrapped)

    def check(self, mac_key, store_id):
        if blake(32, mac_key, b"rotated-slot-v2\0" + store_id + self.covered) != self.mac:
            raise ValueError("not made by who knows the slot's key")


class Keyring:
    def __init__(self, data):
        if data[:8] != b"RTKRING1" or number(data[8:12]) != 2:
            raise ValueError("not a keyring of format 2")
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
        aad = b"rotated-ring-a2\0" + self.before_auth
        fields = tlv(unseal(derive(root, b"rtkeyrng"), self.auth[:24], aad, self.auth[24:]))
        self.check_macs(fields, 1)
        return fields

    def open_issuer(self, root):
        aad = b"rotated-ring-i2\0" + self.store_id + self.slot_bytes
        fields = tlv(unseal(derive(root, b"rtkeyrng"), self.issuer[4:28], aad, self.issuer[28:]))
        self.check_macs(fields, 3)
        return fields

    def check_macs(self, fields, tiers):
        keys = {v[:16]: v[16:] for tag, v in fields if tag == 8}
        slots = {s.id: s for s in self.slots if s.tiers == tiers}
        if keys.keys() != slots.keys():
            raise ValueError("MAC keys of other slots")
        for slot_id, slot in slots.items():
            slot.check(keys[slot_id], self.store_id)


def epochs(fields):
    return {number(v[:4]): v[13:] for tag, v in fields if tag == 1}


class Store:
    """All that a slot opens: by default the one of the passphrase."""

    def __init__(self, directory, kind=1, what=PASSPHRASE.encode()):
        with open(os.path.join(directory, "keyring"), "rb") as f:
            self.ring = Keyring(f.read())
        with open(os.path.join(directory, "anchor"), "rb") as f:
            self.anchor_bytes = f.read()
        self.tables = tables(os.path.join(directory, "store"), ("cur", "hist", "meta"))
        self.open(self.ring.slot(kind).roots(self.ring.store_id, what))

    def open(self, roots):
        self.root_a, self.root_i = roots[:32], roots[32:]
        fields = self.ring.open_auth(self.root_a)
        self.auth = dict(f for f in fields if f[0] not in (1, 8))
        self.epochs = {0: epochs(fields)}
        if self.root_i:
            self.epochs[1] = epochs(self.ring.open_issuer(self.root_i))

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
        try:
            return unseal(derive(self.root_a, b"rtmetaky"), value[16:40], aad, value[40:])
        except ValueError:
            if 9 not in self.auth:
                raise
            return unseal(self.auth[9][:32], value[16:40], aad, value[40:])

    def set_digest(self):
        """What the anchor has of S."""
        return blake(64, self.auth[3], b"rotated-set-v1\0" + self.meta()[56:120])

    def set_hash(self):
        total = 0
        for table, name in ((1, "cur"), (2, "hist")):
            for k, v in self.tables[name].items():
                term = blake(64, self.auth[3], bytes([table]) + k + v[:48] + v[-16:])
                total += int.from_bytes(term, "little")
        return (total & MASK).to_bytes(64, "little")

    def anchors(self):
        keys = [derive(self.root_a, b"rtanchor")]
        if 9 in self.auth:
            keys.append(self.auth[9][32:])
        for at in (0, 512):
            slot = self.anchor_bytes[at : at + 512]
            macs = [blake(32, key, slot[:112]) for key in keys]
            if slot[:8] == b"RTANCHR1" and slot[112:144] in macs:
                yield at, slot


class Stream:
    """crypto_secretstream_xchacha20poly1305, pulling."""

    def __init__(self, key, header):
        self.state = ctypes.create_string_buffer(sodium.crypto_secretstream_xchacha20poly1305_statebytes())
        if sodium.crypto_secretstream_xchacha20poly1305_init_pull(self.state, header, key):
            raise ValueError("not the header of a stream")

    def pull(self, message, aad):
        plain, tag = ctypes.create_string_buffer(len(message) - 17), ctypes.c_ubyte()
        if sodium.crypto_secretstream_xchacha20poly1305_pull(
            self.state, plain, None, byref(tag), message, c_ulonglong(len(message)), aad, c_ulonglong(len(aad))
        ):
            raise ValueError("a chunk was altered")
        return plain.raw, tag.value


class Backup(Store):
    """What a recovery key opens of the backup DATA: the same as of a store, but for the anchor."""

    def __init__(self, data, secret):
        self.head, key, at = self.header(data, secret)
        content = self.chunks(Stream(key, self.head[-56:-32]), data, at)
        self.tables = {"cur": {}, "hist": {}, "meta": {}}
        order, items, key_len = [], {}, {3: 32, 4: 40}
        while content:
            kind, end = content[0], 5 + number(content[1:5])
            value, content = content[5:end], content[end:]
            order.append((kind, value[: key_len.get(kind, 0)]))
            if kind in key_len:
                self.tables["cur" if kind == 3 else "hist"][value[: key_len[kind]]] = value[key_len[kind] :]
            else:
                items[kind] = value
        if order != sorted(set(order)) or sorted(items) != [1, 2, 5]:
            raise ValueError("items out of order, twice, or not there")
        self.tables["meta"][b"META"], self.trailer = items[2], items[5]
        self.ring = Keyring(items[1])
        mine = next(s for s in self.ring.slots if s.type == 3 and s.pk == public_key(secret))
        self.open(mine.roots(self.ring.store_id, secret))

    @staticmethod
    def header(data, secret):
        """The header, the backup key and where the chunks begin."""
        if data[:8] != b"RTBKUP01" or number(data[8:12]) != 1:
            raise ValueError("not a backup of format 1")
        n, pk = number(data[52:54]), public_key(secret)
        at = 54 + 128 * n + 24 + 32
        if not 1 <= n <= 16 or blake(32, None, data[: at - 32]) != data[at - 32 : at]:
            raise ValueError("the header is damaged")
        recipients = [data[i : i + 128] for i in range(54, 54 + 128 * n, 128)]
        box = next((r[48:] for r in recipients if r[16:48] == pk), None)
        if not box:
            raise ValueError("not for this recovery key")
        return data[:at], unbox(pk, secret, box), at

    def chunks(self, stream, data, at):
        content, tag, n = b"", 0, 0
        while tag != 3:  # TAG_FINAL
            n, frame = n + 1, data[at : at + 8]
            length = number(frame[4:])
            if number(frame[:4]) != n or not 17 <= length <= len(data) - at - 8:
                raise ValueError("cut short, or out of order")
            message, at = data[at + 8 : at + 8 + length], at + 8 + length
            plain, tag = stream.pull(message, (self.head if n == 1 else b"") + frame)
            if tag == 0 and len(plain) != 65536:
                raise ValueError("a short chunk in the middle")
            content += plain
        if at != len(data):
            raise ValueError("more after the end")
        return content


# ---- the verifier index ----


def verifier_sets(store):
    """The sets of verifier keys in the keyring, as (N, L, T, D)."""
    sets = [store.auth[tag] for tag in (4, 16) if tag in store.auth]
    return [tuple(s[i : i + 32] for i in range(0, 128, 32)) for s in sets]


class Index:
    """An index, with one set of keys."""

    def __init__(self, directory, store_id, keys):
        self.store_id, (self.n, self.l, self.t, self.d) = store_id, keys
        self.tables = tables(directory, ("meta", "a", "b"))

    def meta(self):
        """(txid, active, complete), or ValueError."""
        value = self.tables["meta"][b"META"]
        return self._open(b"rotated-idm-v1\0", b"", value)

    def _open(self, label, key, value):
        aad = label + self.store_id + key + value[:8]
        return unseal(self.l, value[8:32], aad, value[32:])

    def entry(self, login):
        """The plaintext of LOGIN in either table, or None; ValueError when it does not open."""
        key = blake(32, self.n, login.encode())
        for table in ("a", "b"):
            value = self.tables[table].get(key)
            if value:
                return self._open(b"rotated-idx-v1\0", key, value)
        return None

    def opens(self, login):
        """Whether META opens, or LOGIN is found, or any value at all opens."""
        try:
            self.meta()
            return True
        except ValueError:
            pass
        if any(blake(32, self.n, login.encode()) in self.tables[t] for t in ("a", "b")):
            return True
        return self.opened() > 0

    def opened(self):
        """How many values open, of logins or of facts."""
        count = 0
        for table in ("a", "b"):
            for key, value in self.tables[table].items():
                for label in (b"rotated-idx-v1\0", b"rotated-fct-v1\0"):
                    try:
                        self._open(label, key, value)
                        count += 1
                    except ValueError:
                        pass
        return count
