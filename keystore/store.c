/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading records. */
#include "keystore/store.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/internal.h"

const struct epoch *store_epoch(const struct keystore *ks, const struct record_header *h)
{
	const struct epochs *e;

	if (h->flags & RECORD_ISSUER)
		e = ks->issuer ? &ks->issuer->epochs : NULL;
	else
		e = ks->auth ? &ks->auth->epochs : NULL;
	if (!e)
		return NULL;
	return h->epoch ? epochs_find(e, h->epoch) : epochs_active(e);
}

static bool tier_open(const struct keystore *ks, const struct record_header *h)
{
	return h->flags & RECORD_ISSUER ? ks->issuer != NULL : ks->auth != NULL;
}

/* Opens VALUE, which lies at PLACE, into PLAIN and fills RET. */
static int open_value(const struct keystore *ks, const struct record_place *place,
		      struct span value, uint8_t *plain, struct keystore_record *ret)
{
	struct record_content c;
	struct record_header h;
	const struct epoch *epoch;
	int r;

	r = record_header_decode(value, &h);
	if (r < 0)
		return r;
	if (!tier_open(ks, &h))
		return -ENOKEY;
	epoch = store_epoch(ks, &h);
	if (!epoch)
		return -EBADMSG;
	r = record_open(place, epoch->key, value, plain, &c);
	if (r < 0)
		return r;
	*ret = (struct keystore_record){
		.id = c.id,
		.tier = h.flags & RECORD_ISSUER ? KEYSTORE_ISSUER : KEYSTORE_AUTH,
		.version = h.version,
		.txid = h.txid,
		.created = c.created,
		.state = c.state,
		.attrs = c.attrs.data,
		.attrs_len = c.attrs.len,
		.body = c.body.data,
		.body_len = c.body.len,
	};
	return 0;
}

/*
 * Memory for records that keystore_get() gives out. Mapping and locking a page costs more than
 * reading a record, so one that was given back is kept, wiped, for the next. A record may
 * outlive its keystore.
 */
struct record_pool {
	struct secret *spare; /* NULL: none */
	unsigned out;	      /* records that somebody holds */
	bool is_orphan;	      /* the keystore is gone */
};

/* The struct and its plaintext in one secret, so that wiping cannot miss a part. */
struct owned_record {
	struct keystore_record record;
	struct record_pool *pool;
	struct secret *memory;
	size_t used; /* of all this */
	uint8_t plain[];
};

/* What fits into a page with everything around it. */
enum { SPARE_SIZE = 4000 };

int store_pool_new(struct record_pool **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

static void pool_drop(struct record_pool *pool)
{
	if (pool->out > 0 || !pool->is_orphan)
		return;
	secret_free(pool->spare);
	free(pool);
}

void store_pool_free(struct record_pool *pool)
{
	if (!pool)
		return;
	pool->is_orphan = true;
	pool_drop(pool);
}

static struct secret *pool_take(struct record_pool *pool, size_t size)
{
	if (size > SPARE_SIZE)
		return secret_alloc(size);
	return pool->spare ? steal_ptr(pool->spare) : secret_alloc(SPARE_SIZE);
}

/* MEMORY holds no secret any more. */
static void pool_give(struct record_pool *pool, struct secret *memory)
{
	if (!pool->spare && secret_len(memory) == SPARE_SIZE)
		pool->spare = memory;
	else
		secret_free(memory);
}

void keystore_record_free(struct keystore_record *rec)
{
	struct owned_record *owned = (struct owned_record *)rec;
	struct record_pool *pool;
	struct secret *memory;

	_Static_assert(offsetof(struct owned_record, record) == 0, "the cast above");
	if (!owned)
		return;
	pool = owned->pool;
	memory = owned->memory;
	sodium_memzero(owned, owned->used);
	pool_give(pool, memory);
	pool->out--;
	pool_drop(pool);
}

static int copy_out(const struct keystore *ks, const struct record_place *place,
		    struct span value, struct keystore_record **ret)
{
	size_t size = sizeof(struct owned_record) + value.len;
	struct secret *memory = pool_take(ks->pool, size);
	struct owned_record *owned;
	int r;

	if (!memory)
		return -ENOMEM;
	owned = (struct owned_record *)(void *)secret_fill(memory);
	r = open_value(ks, place, value, owned->plain, &owned->record);
	if (r < 0) {
		sodium_memzero(owned, size);
		pool_give(ks->pool, memory);
		return r;
	}
	owned->pool = ks->pool;
	owned->memory = memory;
	owned->used = size;
	ks->pool->out++;
	*ret = &owned->record;
	return 0;
}

/* ---- one reader, begun once and renewed ---- */

static int reader_begin(struct keystore *ks)
{
	if (ks->reader)
		return db_error(mdb_txn_renew(ks->reader));
	return db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &ks->reader));
}

static void reader_end(struct keystore *ks)
{
	if (ks->reader)
		mdb_txn_reset(ks->reader);
}

void store_drop_reader(struct keystore *ks)
{
	if (ks->reader)
		mdb_txn_abort(steal_ptr(ks->reader));
}

int keystore_get(struct keystore *ks, const struct keystore_id *id,
		 struct keystore_record **ret)
{
	uint8_t hash[SEAL_HASH_LEN];
	const struct record_place place = { ks->file.ring.store_id, RECORD_CUR, SPAN(hash) };
	MDB_val key = db_val(SPAN(hash));
	MDB_val value;
	int r;

	if (!record_id_valid(id))
		return -EINVAL;
	if (!ks->auth)
		return -ENOKEY;
	record_hash_id(ks->auth->name, id, hash);
	r = reader_begin(ks);
	if (r == 0)
		r = db_error(mdb_get(ks->reader, ks->cur, &key, &value));
	if (r == 0)
		r = copy_out(ks, &place, db_span(&value), ret);
	reader_end(ks);
	return r;
}

int store_newest_hist(struct keystore *ks, MDB_txn *txn, const uint8_t *hash, uint8_t *ret_key,
		      struct span *ret_value)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	uint8_t past[RECORD_KEY_MAX];
	MDB_val key = db_val(SPAN(past));
	MDB_val value;
	int r;

	memcpy(past, hash, SEAL_HASH_LEN);
	memset(past + SEAL_HASH_LEN, 0xff, 8);
	r = db_error(mdb_cursor_open(txn, ks->hist, &cursor));
	if (r < 0)
		return r;
	/* no version is 2^64-1, so this lands behind the newest */
	r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
	if (r == 0)
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_PREV));
	else if (r == -ENOENT)
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_LAST));
	if (r < 0)
		return r;
	if (key.mv_size != RECORD_KEY_MAX || memcmp(key.mv_data, hash, SEAL_HASH_LEN) != 0)
		return -ENOENT;
	memcpy(ret_key, key.mv_data, RECORD_KEY_MAX);
	*ret_value = db_span(&value);
	return 0;
}

int keystore_last_version(struct keystore *ks, const struct keystore_id *id, uint64_t *ret)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	uint8_t hash[SEAL_HASH_LEN];
	uint8_t hist_key[RECORD_KEY_MAX];
	MDB_val key = db_val(SPAN(hash));
	struct record_header h;
	struct span found;
	MDB_val value;
	int r;

	if (!record_id_valid(id))
		return -EINVAL;
	if (!ks->auth)
		return -ENOKEY;
	record_hash_id(ks->auth->name, id, hash);
	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = db_error(mdb_get(txn, ks->cur, &key, &value));
	if (r == 0)
		found = db_span(&value);
	else if (r == -ENOENT)
		r = store_newest_hist(ks, txn, hash, hist_key, &found);
	if (r == 0)
		r = record_header_decode(found, &h);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0 ? h.version : 0;
	return 0;
}

int keystore_get_tombstone(struct keystore *ks, const struct keystore_id *id,
			   struct keystore_tombstone *ret)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	uint8_t hash[SEAL_HASH_LEN];
	uint8_t hist_key[RECORD_KEY_MAX];
	uint8_t plain[RECORD_ID_MAX + KEYSTORE_REASON_MAX + 2 * RECORD_BLOCK];
	const struct record_place place = { ks->file.ring.store_id, RECORD_HIST,
					    SPAN(hist_key) };
	MDB_val key = db_val(SPAN(hash));
	struct record_header h;
	struct record_content c;
	struct span found;
	const struct epoch *epoch;
	MDB_val value;
	int r;

	if (!record_id_valid(id))
		return -EINVAL;
	if (!ks->auth)
		return -ENOKEY;
	record_hash_id(ks->auth->name, id, hash);
	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	if (mdb_get(txn, ks->cur, &key, &value) == 0)
		return -ENOENT;
	r = store_newest_hist(ks, txn, hash, hist_key, &found);
	if (r == 0)
		r = record_header_decode(found, &h);
	if (r < 0)
		return r;
	epoch = store_epoch(ks, &h);
	if (!epoch || found.len > sizeof(plain) + RECORD_HEADER_LEN + SEAL_TAG_LEN)
		return -EBADMSG;
	r = record_open(&place, epoch->key, found, plain, &c);
	if (r < 0)
		return r;
	ret->version = h.version;
	ret->time = c.created;
	memcpy(ret->reason, c.reason.data, c.reason.len);
	ret->reason[c.reason.len] = '\0';
	return 0;
}

void store_wipe_scratch(struct keystore *ks, size_t len)
{
	sodium_memzero(ks->scratch, len < RECORD_PLAIN_MAX ? len : RECORD_PLAIN_MAX);
}

static bool wanted(const struct keystore_record *rec, const char *space, const char *kind)
{
	return (!space || strcmp(rec->id.space, space) == 0) &&
	       (!kind || strcmp(rec->id.kind, kind) == 0);
}

struct walk {
	const char *space;
	const char *kind;
	keystore_visit_fn *visit;
	void *context;
};

static int visit_one(struct keystore *ks, const struct walk *w, const MDB_val *key,
		     const MDB_val *value)
{
	const struct record_place place = { ks->file.ring.store_id, RECORD_CUR, db_span(key) };
	struct keystore_record rec;
	int r;

	r = key->mv_size == SEAL_HASH_LEN
		    ? open_value(ks, &place, db_span(value), ks->scratch, &rec)
		    : -EBADMSG;
	ks->walked++;
	if (r == -EBADMSG)
		ks->passed_over++;
	if (r == -EBADMSG || r == -ENOKEY) {
		store_wipe_scratch(ks, value->mv_size);
		return 0;
	}
	if (r == 0 && wanted(&rec, w->space, w->kind))
		r = w->visit(w->context, &rec);
	store_wipe_scratch(ks, value->mv_size);
	return r;
}

static int walk_all(struct keystore *ks, const struct walk *w)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	MDB_val value;
	MDB_val key;
	int r;

	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r == 0)
		r = db_error(mdb_cursor_open(txn, ks->cur, &cursor));
	while (r >= 0) {
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == -ENOENT)
			return 0;
		if (r == 0)
			r = visit_one(ks, w, &key, &value);
	}
	return r;
}

int keystore_foreach(struct keystore *ks, const char *space, const char *kind,
		     keystore_visit_fn *visit, void *context)
{
	const struct walk w = { space, kind, visit, context };
	int r;

	if (!ks->auth)
		return -ENOKEY;
	if (ks->walking)
		return -EBUSY;
	ks->walking = true;
	ks->walked = 0;
	ks->passed_over = 0;
	r = walk_all(ks, &w);
	ks->walking = false;
	return r;
}

uint64_t keystore_passed_over(const struct keystore *ks)
{
	uint64_t count = keystore_count(ks);
	uint64_t missing = count > ks->walked ? count - ks->walked : 0;
	uint64_t added = ks->walked > count ? ks->walked - count : 0;

	/* what was added does not open, and is counted already */
	return ks->passed_over + missing + (added > ks->passed_over ? added : 0);
}
