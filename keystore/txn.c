/* SPDX-License-Identifier: BSD-2-Clause */
/* Changing records: everything that a transaction does goes through here, with META. */
#include "keystore/txn.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* The largest transaction, with all its pages copied. */
#define MAP_AHEAD (UINT64_C(256) * 1024 * 1024)

static int report_busy(struct report *report, const char *what)
{
	return report_set(report, -EBUSY, "%s is under way", what);
}

static int begin(struct keystore *ks, struct keystore_txn **ret, struct report *report)
{
	struct keystore_txn *txn;
	int dead;
	int r;

	if (ks->in_txn)
		return report_busy(report, "another transaction");
	if (ks->walking)
		return report_busy(report, "a walk through the store");
	r = store_mend(ks, report);
	if (r < 0)
		return r;
	if (db_must_grow(ks->db, MAP_AHEAD))
		store_view_break_all(ks);
	r = db_grow(ks->db, MAP_AHEAD);
	if (r < 0)
		return db_report(report, r, "cannot grow", ks->store_dir);
	if (!ks->txn_memory)
		ks->txn_memory = keys_alloc(sizeof(*txn), &ks->locked);
	txn = ks->txn_memory;
	if (!txn)
		return report_set(report, -ENOMEM, "out of guarded memory");
	/* whoever died while reading must not keep old pages from being used again */
	ignore_result(db_error(mdb_reader_check(ks->db, &dead)));
	r = db_error(mdb_txn_begin(ks->db, NULL, 0, &txn->db));
	if (r < 0)
		return db_report(report, r, "cannot change", ks->store_dir);
	txn->ks = ks;
	txn->next = *ks->meta;
	txn->next.txid++;
	ks->in_txn = true;
	*ret = txn;
	return 0;
}

int keystore_begin(struct keystore *ks, struct keystore_txn **ret, struct report *report)
{
	int r = state_may_change(ks, report);

	return r < 0 ? r : begin(ks, ret, report);
}

int keystore_begin_accept(struct keystore *ks, struct keystore_txn **ret, struct report *report)
{
	struct keystore_txn *txn;
	uint64_t known;
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	r = state_is_whole(ks, report);
	if (r == 0)
		r = begin(ks, &txn, report);
	if (r < 0)
		return r;
	known = state_newest_txid(ks);
	if (txn->next.txid <= known)
		txn->next.txid = known + 1;
	txn->is_accepting = true;
	r = origin_remove(txn);
	if (r < 0) {
		keystore_abort(txn);
		return db_report(report, r, "cannot change", ks->store_dir);
	}
	*ret = txn;
	return 0;
}

static void finish(struct keystore_txn *txn)
{
	undo_drop(&txn->undo, 0);
	free(txn->undo.all);
	txn->ks->in_txn = false;
	sodium_memzero(txn, sizeof(*txn));
}

void keystore_abort(struct keystore_txn *txn)
{
	if (!txn)
		return;
	mdb_txn_abort(txn->db);
	finish(txn);
}

void keystore_set_audit(struct keystore_txn *txn, const struct keystore_audit *audit)
{
	txn->next.audit = *audit;
}

/* The value of KEY in CUR: 1 and its header, or 0. */
static int find_cur(struct keystore_txn *txn, const uint8_t *hash, struct span *ret_value,
		    struct record_header *ret)
{
	MDB_val key = db_val(SPAN_OF(hash, SEAL_HASH_LEN));
	MDB_val value;
	int r = db_error(mdb_get(txn->db, txn->ks->cur, &key, &value));

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret_value = db_span(&value);
	r = record_header_decode(*ret_value, ret);
	return r < 0 ? r : 1;
}

/* The highest version in hist; 0 for none. */
static int last_removed(struct keystore_txn *txn, const uint8_t *hash, uint64_t *ret)
{
	uint8_t key[RECORD_KEY_MAX];
	struct span value;
	int r = store_newest_hist(txn->ks, txn->db, hash, key, &value);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0 ? load_be64(key + SEAL_HASH_LEN) : 0;
	return 0;
}

/* Notes that PLACE holds OLD, or nothing (an empty span), before that changes. */
static int note(struct keystore_txn *txn, const struct record_place *place, struct span old)
{
	struct undo_log *log = &txn->undo;
	struct undo *u;

	if (!log->is_kept)
		return 0;
	if (log->count == log->size) {
		size_t size = log->size ? 2 * log->size : 16;
		struct undo *all = reallocarray(log->all, size, sizeof(*all));

		if (!all)
			return -ENOMEM;
		log->all = all;
		log->size = size;
	}
	u = &log->all[log->count];
	*u = (struct undo){ .table = place->table, .value = BUF_INIT };
	memcpy(u->key, place->key.data, place->key.len);
	buf_append(&u->value, old.data, old.len);
	if (buf_error(&u->value) < 0)
		return buf_error(&u->value);
	log->count++;
	return 0;
}

/* Takes the entry at PLACE, whose value is OLD, out of table, counts and set hash. */
static int drop(struct keystore_txn *txn, const struct record_place *place, struct span old)
{
	MDB_val key = db_val(place->key);
	int r = note(txn, place, old);

	if (r < 0)
		return r;
	store_copy_touch(txn->ks, place);
	set_hash_subtract(&txn->next.set, txn->ks->auth->set, place, old);
	--*txn_count(txn, place->table);
	r = sums_leave(txn->ks, txn->db, place, old);
	if (r < 0)
		return r;
	return db_error(mdb_del(txn->db, txn_dbi(txn, place->table), &key, NULL));
}

/* Puts a SEALED value with the header H at PLACE, and into the set hash. */
static int enter(struct keystore_txn *txn, const struct record_place *place,
		 const struct record_header *h, struct span sealed, unsigned flags)
{
	MDB_val key = db_val(place->key);
	MDB_val data = db_val(sealed);
	int r = db_error(mdb_put(txn->db, txn_dbi(txn, place->table), &key, &data, flags));

	if (r == 0)
		r = sums_enter(txn->ks, txn->db, place, sealed);
	if (r < 0)
		return r;
	store_copy_touch(txn->ks, place);
	set_hash_add(&txn->next.set, txn->ks->auth->set, place, sealed);
	txn->bytes += sealed.len;
	if (h->flags & RECORD_ISSUER)
		txn->next.seals_issuer++;
	else
		txn->next.seals_auth++;
	return 0;
}

/* Seals CONTENT under H and stores it at PLACE, where nothing is. */
static int add(struct keystore_txn *txn, const struct record_place *place,
	       struct record_header *h, const struct record_content *content)
{
	cleanup_buf struct buf value = BUF_INIT;
	const struct record_output out = { txn->ks->scratch, &value };
	const struct epoch *epoch = store_epoch(txn->ks, h);
	int r;

	if (!epoch)
		return -ENOKEY;
	h->epoch = epoch->id;
	h->txid = txn->next.txid;
	rng_fill(&txn->ks->rng, h->nonce, SEAL_NONCE_LEN);
	r = record_seal(place, h, epoch->key, content, &out);
	if (r == 0)
		r = enter(txn, place, h, SPAN_OF(value.data, value.len), MDB_NOOVERWRITE);
	if (r < 0)
		return r;
	++*txn_count(txn, place->table);
	return note(txn, place, (struct span){ NULL, 0 });
}

static int check_put(const struct keystore_txn *txn, const struct keystore_record *rec)
{
	if (txn->ks->walking)
		return -EBUSY;
	if (txn->changes >= KEYSTORE_TXN_MAX)
		return -E2BIG;
	if (!record_id_valid(&rec->id) || rec->attrs_len > KEYSTORE_ATTRS_MAX ||
	    rec->body_len > KEYSTORE_BODY_MAX || rec->version > KEYSTORE_VERSION_MAX)
		return -EINVAL;
	if (rec->tier != KEYSTORE_AUTH && rec->tier != KEYSTORE_ISSUER)
		return -EINVAL;
	return keystore_is_open(txn->ks, rec->tier) ? 0 : -ENOKEY;
}

int keystore_put(struct keystore_txn *txn, const struct keystore_record *rec,
		 uint64_t *ret_version)
{
	const struct record_content content = {
		.id = rec->id,
		.created = rec->created ? rec->created : clock_now(&txn->ks->clock).wall,
		.state = rec->state,
		.attrs = { rec->attrs, rec->attrs_len },
		.body = { rec->body, rec->body_len },
	};
	uint8_t hash[SEAL_HASH_LEN];
	const struct record_place place = txn_place(txn, RECORD_CUR, SPAN(hash));
	struct record_header h = { .flags = rec->tier == KEYSTORE_ISSUER ? RECORD_ISSUER : 0 };
	struct record_header old = { 0 };
	struct span old_value;
	uint64_t last = 0;
	int found;
	int r;

	r = check_put(txn, rec);
	if (r < 0)
		return r;
	record_hash_id(txn->ks->auth->name, &rec->id, hash);
	found = find_cur(txn, hash, &old_value, &old);
	if (found < 0)
		return found;
	r = found ? 0 : last_removed(txn, hash, &last);
	if (r < 0)
		return r;
	last = found ? old.version : last;
	if (rec->version && rec->version <= last)
		return -EEXIST;
	h.version = rec->version ? rec->version : last + 1;
	r = found ? drop(txn, &place, old_value) : 0;
	if (r == 0)
		r = add(txn, &place, &h, &content);
	if (r < 0)
		return txn_fail(txn, r);
	txn->changes++;
	if (ret_version)
		*ret_version = h.version;
	return 0;
}

/* One tombstone is enough to keep versions growing: the newest. */
static int drop_old_tombstone(struct keystore_txn *txn, const uint8_t *hash)
{
	uint8_t key[RECORD_KEY_MAX];
	const struct record_place place = txn_place(txn, RECORD_HIST, SPAN(key));
	struct record_header h;
	struct span value;
	int r;

	r = store_newest_hist(txn->ks, txn->db, hash, key, &value);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = record_header_decode(value, &h);
	return r < 0 ? r : drop(txn, &place, value);
}

/* Puts a tombstone in the place of the live record OLD_VALUE. */
static int bury(struct keystore_txn *txn, const struct record_place *live,
		struct span old_value, uint64_t version, const struct record_content *content)
{
	uint8_t key[RECORD_KEY_MAX];
	const struct record_place place = txn_place(txn, RECORD_HIST, SPAN(key));
	struct record_header h = { .flags = RECORD_TOMBSTONE, .version = version };
	int r;

	memcpy(key, live->key.data, SEAL_HASH_LEN);
	store_be64(key + SEAL_HASH_LEN, version);
	r = drop(txn, live, old_value);
	if (r == 0)
		r = drop_old_tombstone(txn, live->key.data);
	if (r == 0)
		r = add(txn, &place, &h, content);
	return r;
}

int keystore_remove(struct keystore_txn *txn, const struct keystore_id *id, const char *reason)
{
	const struct record_content content = {
		.id = *id,
		.created = clock_now(&txn->ks->clock).wall,
		.reason = { (const uint8_t *)reason, strnlen(reason, KEYSTORE_REASON_MAX) },
	};
	uint8_t hash[SEAL_HASH_LEN];
	const struct record_place live = txn_place(txn, RECORD_CUR, SPAN(hash));
	struct record_header old;
	struct span old_value;
	int r;

	if (txn->ks->walking)
		return -EBUSY;
	if (txn->changes >= KEYSTORE_TXN_MAX)
		return -E2BIG;
	if (!record_id_valid(id))
		return -EINVAL;
	if (!txn->ks->auth)
		return -ENOKEY;
	record_hash_id(txn->ks->auth->name, id, hash);
	r = find_cur(txn, hash, &old_value, &old);
	if (r == 0)
		return -ENOENT;
	if (r < 0)
		return r;
	r = bury(txn, &live, old_value, old.version + 1, &content);
	if (r < 0)
		return txn_fail(txn, r);
	txn->changes++;
	return 0;
}

/* The epochs that a record has and gets; its header then names the latter. */
static int choose_epochs(const struct keystore *ks, struct record_header *h,
			 struct record_rekey *ret)
{
	const struct epoch *from = store_epoch(ks, h);
	const struct epoch *to;

	h->epoch = 0;
	to = store_epoch(ks, h);
	if (!to)
		return -ENOKEY;
	if (!from)
		return -EBADMSG;
	h->epoch = to->id;
	*ret = (struct record_rekey){ from->key, to->key };
	return 0;
}

int txn_reseal(struct keystore_txn *txn, enum record_table table, struct span at)
{
	cleanup_buf struct buf value = BUF_INIT;
	const struct record_output out = { txn->ks->scratch, &value };
	const struct record_place place = txn_place(txn, table, at);
	struct record_rekey keys;
	struct record_header h;
	MDB_val key = db_val(at);
	MDB_val old;
	int r;

	r = db_error(mdb_get(txn->db, txn_dbi(txn, table), &key, &old));
	if (r == 0)
		r = record_header_decode(db_span(&old), &h);
	if (r == 0)
		r = choose_epochs(txn->ks, &h, &keys);
	if (r < 0)
		return r;
	h.txid = txn->next.txid;
	rng_fill(&txn->ks->rng, h.nonce, SEAL_NONCE_LEN);
	r = record_reseal(&place, &h, &keys, db_span(&old), &out);
	if (r == 0)
		r = note(txn, &place, db_span(&old));
	if (r < 0)
		return r;
	set_hash_subtract(&txn->next.set, txn->ks->auth->set, &place, db_span(&old));
	r = sums_leave(txn->ks, txn->db, &place, db_span(&old));
	if (r == 0)
		r = enter(txn, &place, &h, SPAN_OF(value.data, value.len), 0);
	if (r < 0)
		return txn_fail(txn, r);
	txn->changes++;
	return 0;
}

/* 1 when KEY is behind everything in DBI. */
static int is_behind_all(struct keystore_txn *txn, MDB_dbi dbi, struct span key)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	MDB_val wanted = db_val(key);
	MDB_val value;
	MDB_val last;
	int r = db_error(mdb_cursor_open(txn->db, dbi, &cursor));

	if (r == 0)
		r = db_error(mdb_cursor_get(cursor, &last, &value, MDB_LAST));
	if (r == -ENOENT)
		return 1;
	return r < 0 ? r : mdb_cmp(txn->db, dbi, &wanted, &last) > 0;
}

int txn_enter(struct keystore_txn *txn, enum record_table table, struct span key,
	      struct span value)
{
	const struct record_place place = txn_place(txn, table, key);
	struct record_header h;
	int behind;
	int r = record_header_decode(value, &h);

	if (r < 0)
		return r;
	behind = is_behind_all(txn, txn_dbi(txn, table), key);
	if (behind < 0)
		return behind;
	r = enter(txn, &place, &h, value, behind ? MDB_APPEND : MDB_NOOVERWRITE);
	if (r == -EEXIST)
		return r;
	if (r == 0) {
		++*txn_count(txn, table);
		r = note(txn, &place, (struct span){ NULL, 0 });
	}
	return r < 0 ? txn_fail(txn, r) : 0;
}

static int put_meta(struct keystore_txn *txn)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t value[META_LEN];
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val data = db_val(SPAN(value));

	txn->next.generation = txn->ks->file.ring.generation;
	txn->next.time = clock_now(&txn->ks->clock).wall;
	rng_fill(&txn->ks->rng, nonce, sizeof(nonce));
	meta_seal(txn->ks->auth->meta, txn->ks->file.ring.store_id, &txn->next, nonce, value);
	return db_error(mdb_put(txn->db, txn->ks->meta_db, &key, &data, 0));
}

static int check_commit(struct keystore_txn *txn, struct report *report)
{
	struct keystore *ks = txn->ks;
	int r;

	if (txn->failed)
		return db_report(report, txn->failed, "cannot change", ks->store_dir);
	r = txn->is_accepting ? 0 : state_may_change(ks, report);
	if (r < 0)
		return r;
	r = store_check_room(ks, txn->db, &(struct store_load){ txn->changes, txn->bytes },
			     report);
	if (r < 0)
		return r;
	return db_report(report, put_meta(txn), "cannot change", ks->store_dir);
}

int keystore_commit(struct keystore_txn *txn, uint64_t *ret_txid, struct report *report)
{
	bool is_accepting = txn->is_accepting;
	struct keystore *ks = txn->ks;
	int r;

	r = check_commit(txn, report);
	if (r < 0) {
		keystore_abort(txn);
		return r;
	}
	r = db_error(mdb_txn_commit(txn->db));
	if (r < 0)
		r = store_settle(ks, &txn->next, r);
	if (r == 0)
		*ks->meta = txn->next;
	finish(txn);
	if (r < 0)
		return db_report(report, r, "cannot change", ks->store_dir);
	if (is_accepting) {
		r = state_accept(ks);
		if (r < 0)
			return db_report(report, r, "cannot write the anchor in", ks->dir);
	}
	/* what is committed stays so: see state_write_anchor() */
	ignore_result(state_write_anchor(ks));
	if (ret_txid)
		*ret_txid = ks->meta->txid;
	return 0;
}

int txn_commit_empty(struct keystore *ks, struct report *report)
{
	struct keystore_txn *txn = NULL;
	int r = keystore_begin(ks, &txn, report);

	return r < 0 ? r : keystore_commit(txn, NULL, report);
}
