/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking back a part of a transaction that is not committed yet. */
#include <stdlib.h>

#include "keystore/txn.h"

void undo_drop(struct undo_log *log, size_t keep)
{
	while (log->count > keep)
		buf_release(&log->all[--log->count].value);
}

struct keystore_mark keystore_mark(struct keystore_txn *txn)
{
	txn->undo.is_kept = true;
	return (struct keystore_mark){ txn->undo.count, txn->changes, txn->failed };
}

unsigned keystore_txn_room(const struct keystore_txn *txn)
{
	return KEYSTORE_TXN_MAX - txn->changes;
}

/* Takes out what is at PLACE now, if anything. */
static int undo_present(struct keystore_txn *txn, const struct record_place *place)
{
	MDB_dbi dbi = txn_dbi(txn, place->table);
	MDB_val key = db_val(place->key);
	MDB_val value;
	int r = db_error(mdb_get(txn->db, dbi, &key, &value));

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	set_hash_subtract(&txn->next.set, txn->ks->auth->set, place, db_span(&value));
	--*txn_count(txn, place->table);
	r = sums_leave(txn->ks, txn->db, place, db_span(&value));
	return r < 0 ? r : db_error(mdb_del(txn->db, dbi, &key, NULL));
}

static int undo_one(struct keystore_txn *txn, const struct undo *u)
{
	size_t len = u->table == RECORD_CUR ? SEAL_HASH_LEN : RECORD_KEY_MAX;
	const struct record_place place = txn_place(txn, u->table, SPAN_OF(u->key, len));
	const struct span was = { u->value.data, u->value.len };
	MDB_val key = db_val(place.key);
	MDB_val value = db_val(was);
	int r = undo_present(txn, &place);

	if (r < 0 || was.len == 0)
		return r;
	r = db_error(mdb_put(txn->db, txn_dbi(txn, u->table), &key, &value, 0));
	if (r == 0)
		r = sums_enter(txn->ks, txn->db, &place, was);
	if (r < 0)
		return r;
	set_hash_add(&txn->next.set, txn->ks->auth->set, &place, was);
	++*txn_count(txn, u->table);
	return 0;
}

int keystore_undo(struct keystore_txn *txn, const struct keystore_mark *mark)
{
	int r;

	while (txn->undo.count > mark->undo) {
		r = undo_one(txn, &txn->undo.all[txn->undo.count - 1]);
		if (r < 0)
			return txn_fail(txn, r);
		undo_drop(&txn->undo, txn->undo.count - 1);
	}
	txn->changes = mark->changes;
	txn->failed = mark->failed;
	return 0;
}
