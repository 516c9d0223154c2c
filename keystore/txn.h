/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of a transaction: txn.c changes, undo.c takes back. */
#ifndef KEYSTORE_TXN_H
#define KEYSTORE_TXN_H

#include "keystore/internal.h"

/* How one entry was before it was changed. The bytes are sealed ones. */
struct undo {
	enum record_table table;
	uint8_t key[RECORD_KEY_MAX];
	struct buf value; /* empty: it was not there */
};

struct undo_log {
	struct undo *all;
	size_t count;
	size_t size;
	bool is_kept; /* since the first mark */
};

struct keystore_txn {
	struct keystore *ks;
	MDB_txn *db;
	struct meta next; /* holds the audit key, which is why all this is guarded memory */
	unsigned changes;
	uint64_t bytes;
	int failed; /* a change that was left half done: there is no committing after it */
	struct undo_log undo;
	bool is_accepting; /* a store that is not healthy */
};

static inline struct record_place txn_place(const struct keystore_txn *txn,
					    enum record_table table, struct span key)
{
	return (struct record_place){ txn->ks->file.ring.store_id, table, key };
}

static inline uint64_t *txn_count(struct keystore_txn *txn, enum record_table table)
{
	return table == RECORD_CUR ? &txn->next.count_cur : &txn->next.count_hist;
}

static inline MDB_dbi txn_dbi(const struct keystore_txn *txn, enum record_table table)
{
	return table == RECORD_CUR ? txn->ks->cur : txn->ks->hist;
}

/* There is no committing after it. */
static inline int txn_fail(struct keystore_txn *txn, int r)
{
	txn->failed = r;
	return r;
}

/* Forgets what was noted beyond the first KEEP. */
void undo_drop(struct undo_log *log, size_t keep);

#endif
