/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/sums.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/internal.h"

unsigned sum_bucket(const uint8_t hash[static SEAL_HASH_LEN])
{
	return (unsigned)hash[0] << 4 | hash[1] >> 4;
}

/* Other bits than those of the bucket: within one, weights differ. Odd, so that it can be
 * divided by. */
uint64_t sum_weight(const uint8_t hash[static SEAL_HASH_LEN])
{
	return load_be64(hash + 8) | 1;
}

static void hash_record(const uint8_t set_key[static SEAL_KEY_LEN],
			const struct record_place *place, struct span value,
			uint8_t out[static SUM_HASH_LEN])
{
	static const char label[] = "rotated-sum-v1"; /* its NUL is part of it */
	crypto_generichash_state state;
	uint8_t table = (uint8_t)place->table;

	(void)crypto_generichash_init(&state, set_key, SEAL_KEY_LEN, SUM_HASH_LEN);
	(void)crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label));
	(void)crypto_generichash_update(&state, &table, 1);
	(void)crypto_generichash_update(&state, place->key.data, place->key.len);
	(void)crypto_generichash_update(&state, value.data, RECORD_HEADER_LEN);
	(void)crypto_generichash_update(&state, value.data + value.len - SEAL_TAG_LEN,
					SEAL_TAG_LEN);
	(void)crypto_generichash_final(&state, out, SUM_HASH_LEN);
	sodium_memzero(&state, sizeof(state)); /* it holds set_key */
}

void sum_of(const uint8_t set_key[static SEAL_KEY_LEN], const struct record_place *place,
	    struct span value, struct sum *ret)
{
	uint64_t txid = load_be64(value.data + 16);

	*ret = (struct sum){
		.cur = place->table == RECORD_CUR,
		.hist = place->table == RECORD_HIST,
		.txids = txid,
		.weighted = txid * sum_weight(place->key.data),
	};
	hash_record(set_key, place, value, ret->hash);
	memcpy(ret->keys, place->key.data, sizeof(ret->keys));
}

static void combine_keys(struct sum *s, const struct sum *part)
{
	for (size_t i = 0; i < sizeof(s->keys); i++)
		s->keys[i] ^= part->keys[i];
}

void sum_add(struct sum *s, const struct sum *part)
{
	s->cur += part->cur;
	s->hist += part->hist;
	s->txids += part->txids;
	s->weighted += part->weighted;
	combine_keys(s, part);
	sodium_add(s->hash, part->hash, sizeof(s->hash));
}

void sum_subtract(struct sum *s, const struct sum *part)
{
	s->cur -= part->cur;
	s->hist -= part->hist;
	s->txids -= part->txids;
	s->weighted -= part->weighted;
	combine_keys(s, part);
	sodium_sub(s->hash, part->hash, sizeof(s->hash));
}

bool sum_is_zero(const struct sum *s)
{
	return s->cur == 0 && s->hist == 0 && s->txids == 0 && s->weighted == 0 &&
	       sodium_is_zero(s->keys, sizeof(s->keys)) &&
	       sodium_is_zero(s->hash, sizeof(s->hash));
}

void sum_encode(const struct sum *s, uint8_t out[static SUMS_VALUE_LEN])
{
	_Static_assert(8 + 8 + 8 + 32 + SUM_HASH_LEN == SUMS_VALUE_LEN, "all of it");
	store_be32(out, s->cur);
	store_be32(out + 4, s->hist);
	store_be64(out + 8, s->txids);
	store_be64(out + 16, s->weighted);
	memcpy(out + 24, s->keys, 32);
	memcpy(out + 56, s->hash, SUM_HASH_LEN);
}

int sum_decode(struct span value, struct sum *ret)
{
	if (value.len != SUMS_VALUE_LEN)
		return -EBADMSG;
	ret->cur = load_be32(value.data);
	ret->hist = load_be32(value.data + 4);
	ret->txids = load_be64(value.data + 8);
	ret->weighted = load_be64(value.data + 16);
	memcpy(ret->keys, value.data + 24, 32);
	memcpy(ret->hash, value.data + 56, SUM_HASH_LEN);
	return 0;
}

int sums_get(MDB_txn *txn, MDB_dbi sums, unsigned bucket, struct sum *ret)
{
	const uint8_t name[SUMS_KEY_LEN] = { (uint8_t)(bucket >> 8), (uint8_t)bucket };
	MDB_val key = db_val(SPAN(name));
	MDB_val value;
	int r = db_error(mdb_get(txn, sums, &key, &value));

	if (r == 0)
		return sum_decode(db_span(&value), ret);
	if (r == -ENOENT)
		*ret = (struct sum){ 0 };
	return r == -ENOENT ? 0 : r;
}

int sums_put(MDB_txn *txn, MDB_dbi sums, unsigned bucket, const struct sum *s)
{
	const uint8_t name[SUMS_KEY_LEN] = { (uint8_t)(bucket >> 8), (uint8_t)bucket };
	uint8_t bytes[SUMS_VALUE_LEN];
	MDB_val key = db_val(SPAN(name));
	MDB_val value = db_val(SPAN(bytes));

	if (sum_is_zero(s)) {
		int r = db_error(mdb_del(txn, sums, &key, NULL));

		return r == -ENOENT ? 0 : r;
	}
	sum_encode(s, bytes);
	return db_error(mdb_put(txn, sums, &key, &value, 0));
}

/* ---- with the records ---- */

static int change(struct keystore *ks, MDB_txn *txn, const struct record_place *place,
		  struct span value, bool is_leaving)
{
	unsigned bucket = sum_bucket(place->key.data);
	struct sum part;
	struct sum s;
	int r;

	if (!ks->has_sums)
		return 0;
	r = sums_get(txn, ks->sums, bucket, &s);
	/* a bucket that is no sum stays wrong, which a check tells; the record does not suffer
	 */
	if (r == -EBADMSG)
		return 0;
	if (r < 0)
		return r;
	sum_of(ks->auth->set, place, value, &part);
	if (is_leaving)
		sum_subtract(&s, &part);
	else
		sum_add(&s, &part);
	return sums_put(txn, ks->sums, bucket, &s);
}

int sums_enter(struct keystore *ks, MDB_txn *txn, const struct record_place *place,
	       struct span value)
{
	return change(ks, txn, place, value, false);
}

int sums_leave(struct keystore *ks, MDB_txn *txn, const struct record_place *place,
	       struct span value)
{
	return change(ks, txn, place, value, true);
}

/* ---- making them ---- */

struct building {
	struct keystore *ks;
	struct set_hash set;
	struct sum sums[SUMS_BUCKETS];
};

static int sum_table(struct building *b, MDB_txn *txn, enum record_table table)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	struct keystore *ks = b->ks;
	MDB_val value;
	MDB_val key;
	int r = db_error(
		mdb_cursor_open(txn, table == RECORD_CUR ? ks->cur : ks->hist, &cursor));

	while (r == 0 && (r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) == 0) {
		const struct record_place place = { ks->file.ring.store_id, table,
						    db_span(&key) };
		struct record_header h;
		struct sum part;

		if (key.mv_size < SEAL_HASH_LEN ||
		    record_header_decode(db_span(&value), &h) < 0)
			return -EBADMSG;
		set_hash_add(&b->set, ks->auth->set, &place, db_span(&value));
		sum_of(ks->auth->set, &place, db_span(&value), &part);
		sum_add(&b->sums[sum_bucket(place.key.data)], &part);
	}
	return r == -ENOENT ? 0 : r;
}

static int write_sums(struct building *b, MDB_txn *txn, MDB_dbi sums)
{
	int r = db_error(mdb_drop(txn, sums, 0));

	for (unsigned i = 0; r == 0 && i < SUMS_BUCKETS; i++)
		if (!sum_is_zero(&b->sums[i]))
			r = sums_put(txn, sums, i, &b->sums[i]);
	return r;
}

static int build(struct building *b)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	struct keystore *ks = b->ks;
	MDB_dbi sums;
	int r = db_error(mdb_txn_begin(ks->db, NULL, 0, &txn));

	if (r == 0)
		r = sum_table(b, txn, RECORD_CUR);
	if (r == 0)
		r = sum_table(b, txn, RECORD_HIST);
	if (r == 0 && sodium_memcmp(&b->set, &ks->meta->set, sizeof(b->set)) != 0)
		r = -EBADMSG;
	if (r == 0)
		r = db_error(mdb_dbi_open(txn, "sums", MDB_CREATE, &sums));
	if (r == 0)
		r = write_sums(b, txn, sums);
	if (r < 0)
		return r;
	r = db_error(mdb_txn_commit(steal_ptr(txn)));
	if (r < 0)
		return store_settle(ks, NULL, r); /* the next unseal tries again */
	ks->sums = sums;
	ks->has_sums = true;
	return 0;
}

int sums_build(struct keystore *ks, struct report *report)
{
	struct building *b;
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	if (ks->in_txn || ks->walking)
		return report_set(report, -EBUSY, "the store is in use");
	b = calloc(1, sizeof(*b));
	if (!b)
		return report_set(report, -ENOMEM, "out of memory");
	b->ks = ks;
	r = build(b);
	free(b);
	return db_report(report, r, "cannot make the sums of", ks->store_dir);
}
