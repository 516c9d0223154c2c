/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/origin.h"

#include <string.h>

#include "base/bytes.h"
#include "keystore/internal.h"

enum { BODY_LEN = STORE_ID_LEN + 16 };

static const struct keystore_id mark = { "keystore", "restored", "origin" };

bool origin_is_id(const struct keystore_id *id)
{
	return strcmp(id->space, mark.space) == 0 && strcmp(id->kind, mark.kind) == 0 &&
	       strcmp(id->name, mark.name) == 0;
}

int keystore_origin_get(struct keystore *ks, struct keystore_origin *ret)
{
	cleanup_record struct keystore_record *rec = NULL;
	int r = keystore_get(ks, &mark, &rec);

	if (r < 0)
		return r;
	if (rec->body_len != BODY_LEN)
		return -EBADMSG;
	memcpy(ret->store_id, rec->body, STORE_ID_LEN);
	ret->txid = load_be64(rec->body + STORE_ID_LEN);
	ret->time = load_be64(rec->body + STORE_ID_LEN + 8);
	return 0;
}

int origin_is_marked(struct keystore *ks)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	uint8_t hash[SEAL_HASH_LEN];
	MDB_val key = db_val(SPAN(hash));
	MDB_val value;
	int r;

	record_hash_id(ks->auth->name, &mark, hash);
	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r == 0)
		r = db_error(mdb_get(txn, ks->cur, &key, &value));
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

int origin_import(struct keystore_import *import, const struct keystore_origin *o,
		  uint64_t version)
{
	uint8_t body[BODY_LEN];
	const struct keystore_record rec = {
		.id = mark,
		.tier = KEYSTORE_AUTH,
		.version = version,
		.created = o->time,
		.body = body,
		.body_len = sizeof(body),
	};

	memcpy(body, o->store_id, STORE_ID_LEN);
	store_be64(body + STORE_ID_LEN, o->txid);
	store_be64(body + STORE_ID_LEN + 8, o->time);
	return keystore_import_put(import, &rec);
}

int origin_remove(struct keystore_txn *txn)
{
	int r = keystore_remove(txn, &mark, "accepted");

	return r == -ENOENT ? 0 : r;
}
