/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From sums that do not fit to the record that is wrong. When one record of a bucket is
 * missing, too much, or was put back, the difference of the sums names it, since each part of
 * the difference then is that record's own; more than one in the same bucket are counted only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "keystore/check.h"

static bool is_suspect(const struct keystore_check *c, const uint8_t *hash)
{
	for (size_t i = 0; i < c->suspect_count; i++)
		if (memcmp(c->suspects[i].key, hash, SEAL_HASH_LEN) == 0)
			return true;
	return false;
}

static bool has_suspect(const struct keystore_check *c, unsigned bucket)
{
	for (size_t i = 0; i < c->suspect_count; i++)
		if (sum_bucket(c->suspects[i].key) == bucket)
			return true;
	return false;
}

/* D is exactly the part of one record. */
static bool is_one(const struct sum *d, unsigned bucket)
{
	return d->cur + d->hist == 1 && sum_bucket(d->keys) == bucket &&
	       d->weighted == d->txids * sum_weight(d->keys);
}

static struct sum negative(const struct sum *s)
{
	struct sum zero = { 0 };

	sum_subtract(&zero, s);
	return zero;
}

/* ---- a record that was put back ---- */

struct search {
	const struct sum *d;
	unsigned bucket;
	uint8_t hash[SEAL_HASH_LEN];
	uint64_t txid; /* that it has */
	unsigned found;
};

static void consider(struct search *s, struct span key, struct span value)
{
	struct record_header h;

	if (s->d->txids * sum_weight(key.data) != s->d->weighted ||
	    record_header_decode(value, &h) < 0)
		return;
	memcpy(s->hash, key.data, SEAL_HASH_LEN);
	s->txid = h.txid;
	s->found++;
}

/* Which record of the bucket, if it alone has another transaction than it should, explains the
 * difference. */
static void search_bucket(const struct keystore_check *c, MDB_dbi dbi, struct search *s)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	uint8_t from[SEAL_HASH_LEN] = { (uint8_t)(s->bucket >> 4), (uint8_t)(s->bucket << 4) };
	MDB_val key = db_val(SPAN(from));
	MDB_val value;
	int r = db_error(mdb_cursor_open(c->snapshot.txn, dbi, &cursor));

	if (r == 0)
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
	while (r == 0 && key.mv_size >= SEAL_HASH_LEN && sum_bucket(key.mv_data) == s->bucket) {
		consider(s, db_span(&key), db_span(&value));
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
}

static bool tell_older(struct keystore_check *c, const struct sum *d, unsigned bucket)
{
	static const uint8_t none[SEAL_HASH_LEN];
	struct search s = { .d = d, .bucket = bucket };
	char where[CHECK_WHERE_SIZE];

	if (memcmp(d->keys, none, sizeof(none)) != 0 || d->txids == 0)
		return false;
	search_bucket(c, c->ks->cur, &s);
	search_bucket(c, c->ks->hist, &s);
	if (s.found != 1)
		return false;
	if (is_suspect(c, s.hash))
		return true;
	check_where(d->hist == UINT32_MAX ? RECORD_HIST : RECORD_CUR, SPAN(s.hash), where);
	(void)check_add(c, KEYSTORE_PROBLEM_RECORD_OLDER, s.hash,
			"%s was put back to its state of transaction %" PRIu64
			"; it should be of %" PRIu64 "%s",
			where, s.txid, s.txid + d->txids,
			d->hist == 1 ? ", which removed it" : "");
	return true;
}

/* ---- buckets ---- */

static bool tell_missing(struct keystore_check *c, const struct sum *d, unsigned bucket)
{
	char where[CHECK_WHERE_SIZE];

	if (!is_one(d, bucket))
		return false;
	check_where(d->cur ? RECORD_CUR : RECORD_HIST, SPAN(d->keys), where);
	(void)check_add(c, KEYSTORE_PROBLEM_RECORD_DELETED, d->keys,
			"%s is missing; transaction %" PRIu64 " wrote it", where, d->txids);
	return true;
}

static bool tell_added(struct keystore_check *c, const struct sum *d, unsigned bucket)
{
	struct sum n = negative(d);
	char where[CHECK_WHERE_SIZE];

	if (!is_one(&n, bucket))
		return false;
	if (is_suspect(c, n.keys)) {
		for (size_t i = 0; i < c->suspect_count; i++) {
			struct keystore_problem *p =
				&c->verdict.problems[c->suspects[i].problem];

			if (memcmp(c->suspects[i].key, n.keys, SEAL_HASH_LEN) != 0 ||
			    p->type != KEYSTORE_PROBLEM_RECORD_ALTERED)
				continue;
			p->type = KEYSTORE_PROBLEM_RECORD_FOREIGN;
			check_where(c->suspects[i].table,
				    SPAN_OF(c->suspects[i].key, c->suspects[i].key_len), where);
			(void)snprintf(p->what, sizeof(p->what),
				       "%s was added, and not by this store", where);
		}
		return true;
	}
	check_where(n.cur ? RECORD_CUR : RECORD_HIST, SPAN(n.keys), where);
	(void)check_add(c, KEYSTORE_PROBLEM_RECORD_ADDED, n.keys,
			"%s was added; transaction %" PRIu64 " wrote it, and it should be gone",
			where, n.txids);
	return true;
}

static void tell_bucket(struct keystore_check *c, unsigned bucket, const struct sum *should)
{
	const struct sum *is = &c->sums[bucket];
	struct sum d = *should;

	sum_subtract(&d, is);
	if (sum_is_zero(&d) || tell_missing(c, &d, bucket) || tell_added(c, &d, bucket) ||
	    tell_older(c, &d, bucket))
		return;
	if (has_suspect(c, bucket) && d.cur == 0 && d.hist == 0)
		return; /* told already */
	(void)check_add(c, KEYSTORE_PROBLEM_RECORDS_DIFFER, NULL,
			"records whose id hashes to %03x...: there should be %u and %u "
			"tombstones, there are %u and %u, and some are not those that were "
			"written",
			bucket, should->cur, should->hist, is->cur, is->hist);
}

static bool set_fits(const struct keystore_check *c)
{
	return memcmp(&c->set, &c->meta->set, sizeof(c->set)) == 0;
}

/* META's set hash is the proof. When it fits, sums that do not are themselves what is wrong. */
static void tell_sums(struct keystore_check *c, unsigned wrong)
{
	if (wrong > 0)
		(void)check_add(
			c, KEYSTORE_PROBLEM_SUMS, NULL,
			"%u of the sums that should lead to a damaged record are wrong; "
			"the records are right",
			wrong);
}

void diagnose_sums(struct keystore_check *c)
{
	unsigned wrong = 0;

	if (!c->ks->has_sums) {
		if (!set_fits(c))
			(void)check_add(c, KEYSTORE_PROBLEM_SUMS, NULL,
					"there are no sums that lead to the wrong record");
		return;
	}
	for (unsigned i = 0; i < SUMS_BUCKETS; i++) {
		struct sum should;
		int r = sums_get(c->snapshot.txn, c->ks->sums, i, &should);

		if (r == 0 && !set_fits(c))
			tell_bucket(c, i, &should);
		else if (r < 0)
			wrong++;
		else
			wrong += memcmp(&should, &c->sums[i], sizeof(should)) != 0;
	}
	tell_sums(c, wrong);
}

/* ---- whose a suspect is ---- */

static bool opens_at(struct keystore_check *c, const struct suspect *s, const uint8_t *hash,
		     struct span value)
{
	uint8_t key[RECORD_KEY_MAX];
	const struct record_place place = { c->ks->file.ring.store_id, s->table,
					    SPAN_OF(key, s->key_len) };
	const struct epoch *epoch;
	struct record_content content;
	struct record_header h;
	int r;

	memcpy(key, s->key, s->key_len);
	memcpy(key, hash, SEAL_HASH_LEN);
	if (record_header_decode(value, &h) < 0)
		return false;
	epoch = store_epoch(c->ks, &h);
	r = epoch ? record_open(&place, epoch->key, value, c->ks->scratch, &content) : -ENOKEY;
	store_wipe_scratch(c->ks, value.len);
	return r == 0;
}

/* Each id that some problem is about, since two records may have changed places. */
static void find_owner(struct keystore_check *c, const struct suspect *s, struct span value)
{
	struct keystore_problem *mine = &c->verdict.problems[s->problem];
	char where[CHECK_WHERE_SIZE];
	char owner[CHECK_WHERE_SIZE];

	for (size_t i = 0; i < c->verdict.listed; i++) {
		const struct keystore_problem *p = &c->verdict.problems[i];

		if (p == mine || !p->has_key || memcmp(p->key, mine->key, SEAL_HASH_LEN) == 0 ||
		    !opens_at(c, s, p->key, value))
			continue;
		check_where(s->table, SPAN_OF(s->key, s->key_len), where);
		check_where(s->table, SPAN(p->key), owner);
		mine->type = KEYSTORE_PROBLEM_RECORD_MOVED;
		(void)snprintf(mine->what, sizeof(mine->what), "%s was moved: it is %s", where,
			       owner);
		return;
	}
}

void diagnose_moved(struct keystore_check *c)
{
	for (size_t i = 0; i < c->suspect_count; i++) {
		const struct suspect *s = &c->suspects[i];
		MDB_val key = db_val(SPAN_OF(s->key, s->key_len));
		MDB_val value;

		if (c->verdict.problems[s->problem].type != KEYSTORE_PROBLEM_RECORD_COPIED &&
		    mdb_get(c->snapshot.txn, s->table == RECORD_CUR ? c->ks->cur : c->ks->hist,
			    &key, &value) == 0)
			find_owner(c, s, db_span(&value));
	}
}

void diagnose_copy(struct keystore_check *c, enum record_table table, struct span key,
		   struct span value)
{
	char where[CHECK_WHERE_SIZE];
	char other[CHECK_WHERE_SIZE];

	for (size_t i = 0; i < c->suspect_count && value.len >= RECORD_HEADER_LEN; i++) {
		const struct suspect *s = &c->suspects[i];
		struct keystore_problem *p = &c->verdict.problems[s->problem];

		if (memcmp(s->header + RECORD_BOUND_LEN, value.data + RECORD_BOUND_LEN,
			   SEAL_NONCE_LEN) != 0 ||
		    (s->table == table && s->key_len == key.len &&
		     memcmp(s->key, key.data, key.len) == 0))
			continue;
		check_where(s->table, SPAN_OF(s->key, s->key_len), where);
		check_where(table, key, other);
		p->type = KEYSTORE_PROBLEM_RECORD_COPIED;
		(void)snprintf(p->what, sizeof(p->what), "%s is a copy of %s", where, other);
	}
}
