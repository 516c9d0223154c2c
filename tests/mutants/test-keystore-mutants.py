#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""For each promise of the keystore, a keystore that breaks it: its unit tests find it. Every fourth, and with
ROTATED_LONG=1 all of them."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import mutants  # noqa: E402

KS = "keystore/"
MUTANTS = [
    ("what is sealed is not bound to its store", KS + "record.c",
     "\tp = (uint8_t *)mempcpy(p, place->store_id, STORE_ID_LEN);\n", ""),
    ("nor to its table", KS + "record.c", "\t*p++ = (uint8_t)place->table;\n", ""),
    ("nor to its key", KS + "record.c", "\tp = (uint8_t *)mempcpy(p, place->key.data, place->key.len);\n", ""),
    ("nor to its header", KS + "record.c", "\tp = (uint8_t *)mempcpy(p, header, RECORD_BOUND_LEN);\n", ""),
    ("a slot is taken whoever made its box", KS + "keyring.c",
     "\treturn sodium_memcmp(mac, slot->mac, sizeof(mac)) == 0 ? 0 : -EBADMSG;", "\treturn 0;"),
    ("a slot that the body does not know is taken", KS + "keyring.c",
     "\treturn found == macs->count ? 0 : -EBADMSG;", "\treturn 0;"),
    ("the AUTH body is not bound to what is before it", KS + "keyring.c",
     "\tbuf_append(out, before.data, before.len);\n", ""),
    ("the ISSUER body is not bound to the slots", KS + "keyring.c",
     "\tbuf_append(out, slots.data, slots.len);\n", ""),
    ("the set hash keeps what was removed", KS + "txn.c",
     "\tset_hash_subtract(&txn->next.set, txn->ks->auth->set, place, old);\n\t--*txn", "\t--*txn"),
    ("the set hash lacks what was put", KS + "txn.c",
     "\tset_hash_add(&txn->next.set, txn->ks->auth->set, place, sealed);\n", ""),
    ("the set hash does not cover the header", KS + "meta.c",
     "\t(void)crypto_generichash_update(&state, value.data, RECORD_HEADER_LEN);\n", ""),
    ("a transaction keeps the number of the last", KS + "txn.c", "\ttxn->next.txid++;\n", ""),
    ("a version may be given again", KS + "txn.c", "if (rec->version && rec->version <= last)", "if (0)"),
    ("a version begins anew after a removal", KS + "txn.c",
     "r = found ? 0 : last_removed(txn, hash, &last);", "r = 0;"),
    ("no tombstone is left", KS + "txn.c", "\tif (r == 0)\n\t\tr = add(txn, &place, &h, content);\n\treturn r;", "\treturn r;"),
    ("what is undone stays", KS + "undo.c", "\t\tr = undo_one(txn, &txn->undo.all[txn->undo.count - 1]);", "\t\tr = 0;"),
    ("what is undone stays in the set hash", KS + "undo.c",
     "\tset_hash_subtract(&txn->next.set, txn->ks->auth->set, place, db_span(&value));\n", ""),
    ("an older store is not noticed", KS + "state.c",
     "m->txid < a->txid || m->txid < ks->seen ||", "m->txid < ks->seen ||"),
    ("nor another of the same number", KS + "state.c",
     "m->txid == a->txid && sodium_memcmp(set, a->set, sizeof(set)) != 0", "0"),
    ("nor an older keyring under the anchor", KS + "state.c",
     "m->txid < ks->seen || ks->file.ring.generation < a->generation", "m->txid < ks->seen"),
    ("nor what index and log have seen", KS + "state.c", "m->txid < a->txid || m->txid < ks->seen ||", "m->txid < a->txid ||"),
    ("nor one under META", KS + "state.c", "if (ks->file.ring.generation < ks->meta->generation)", "if (0)"),
    ("an anchor is believed without its MAC", KS + "anchor.c",
     "if (sodium_memcmp(mac, slot + OFF_MAC, sizeof(mac)) != 0)", "if (0)"),
    ("a record that is missing or added is not looked for", KS + "diagnose.c",
     "\tif (sum_is_zero(&d) || tell_missing", "\tif (1 || sum_is_zero(&d) || tell_missing"),
    ("a store whose set hash does not fit verifies", KS + "diagnose.c",
     "return memcmp(&c->set, &c->meta->set, sizeof(c->set)) == 0;", "return true;"),
    ("an altered share is taken", KS + "quorum.c",
     "if (quorum_check(&ks->file.ring.slots[slot].quorum, ret) < 0)", "if (0)"),
    ("a mistyped share or recovery key is taken", KS + "paper.c",
     "if (!packed || sodium_memcmp(sum, digits + data_chars(paper), sizeof(sum)) != 0)", "if (!packed)"),
    ("a backup that is cut after a chunk is whole", KS + "backup_reader.c",
     "if (b->failed == 0 && !b->has_ended) {", "if (b->failed == 0 && !b->has_ended && b->in.len > 0) {"),
    ("chunks come in any order", KS + "backup_reader.c", "if (ret->number != b->number)", "if (0)"),
    ("what follows a backup's end is passed over", KS + "backup_reader.c", "if (b->has_ended) {", "if (b->has_ended)\n\t\t\tbreak;\n\t\tif (0) {"),
    ("a restore keeps the old store id", KS + "restore.c",
     "\trng_fill(&ks->rng, ring->store_id, STORE_ID_LEN);", "\tmemcpy(ring->store_id, o->file->ring.store_id, STORE_ID_LEN);"),
    ("a restore keeps the old roots", KS + "restore.c",
     "\trng_fill(&ks->rng, r->roots->bytes, sizeof(r->roots->bytes));",
     "\tmemcpy(r->roots->bytes, o->auth->root, KEYRING_ROOT_LEN);\n"
     "\tmemcpy(r->roots->bytes + KEYRING_ROOT_LEN, o->issuer->root, KEYRING_ROOT_LEN);"),
    ("a restore does not read again what it wrote", KS + "restore.c",
     "\treturn k == 0 ? check_outcome(r->check, report) : k;", "\treturn k == -EBADMSG ? 0 : k;"),
    ("a restored keystore is changed at once", KS + "state.c",
     "r = found == KEYSTORE_HEALTHY ? origin_is_marked(ks) : 0;", "r = 0;"),
    ("what was not listed is forgotten by a newer backup", KS + "restore.c",
     "\tr->is_marked |= is_mark && !(h->flags & RECORD_TOMBSTONE);\n",
     "\tif (is_mark && !(h->flags & RECORD_TOMBSTONE))\n\t\treturn 0;\n"),
    ("a reseal keeps the old keys", KS + "reseal.c", "\tkeep_active(&d->auth.epochs);\n", ""),
    ("and those of ISSUER", KS + "reseal.c", "\tkeep_active(&d->issuer.epochs);\n", ""),
    ("keys are destroyed that something needs", KS + "reseal.c", "\tif (b->count > 0) {\n\t\t*pass", "\tif (0) {\n\t\t*pass"),
]
TESTS_FOR = {
    "record.c": ("format", "tamper"), "keyring.c": ("hostile", "keys-format", "slots"), "txn.c": ("", "tamper"), "undo.c": ("import",),
    "state.c": ("damage", "hostile", "restore"), "anchor.c": ("format", "damage"), "meta.c": ("format", "tamper"), "diagnose.c": ("damage", "tamper"),
    "quorum.c": ("quorum",), "paper.c": ("share",), "backup_reader.c": ("backup",), "backup_check.c": ("backup",),
    "restore.c": ("restore",), "reseal.c": ("reseal",),
}
TESTS = ("test-keystore", "test-keystore-import", "test-keystore-tamper", "test-keystore-restore", "test-keystore-hostile", "test-keystore-damage",
         "test-keystore-backup", "test-keystore-slots", "test-keystore-quorum", "test-keystore-share", "test-keystore-reseal",
         "test-keystore-keys-format", "test-keystore-format")


def test_named(part):
    return "tests/unit/test-keystore" + ("-" + part if part else "")


def main():
    here = [os.path.relpath(path, mutants.TOP) for folder in (KS, "base/")
            for path in sorted(glob.glob(os.path.join(mutants.TOP, folder, "*.c")))]
    suite = mutants.Suite(common=here,
                          tests={f"tests/unit/{name}": [f"tests/unit/{name}.c"] for name in TESTS},
                          libraries=[*mutants.flags("cmocka", "libsodium"), "-llmdb"],
                          tests_for={KS + name: [test_named(part) for part in parts] for name, parts in TESTS_FOR.items()})
    return mutants.run(suite, MUTANTS if os.environ.get("ROTATED_LONG") else MUTANTS[::4])


if __name__ == "__main__":
    sys.exit(main())
