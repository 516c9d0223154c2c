/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>
#include <sys/stat.h>

#include "keystore/index_internal.h"
#include "keystore/index_modes.h"

#define MAP_AHEAD (UINT64_C(64) * 1024 * 1024)

enum { CHANGE_ROOM = 16 * 1024 };

static MDB_dbi active(const struct index_writer *w)
{
	return w->tables[w->meta.active];
}

static MDB_dbi other(const struct index_writer *w)
{
	return w->tables[!w->meta.active];
}

/* Where a change goes, and what it is sealed with there. */
struct side {
	MDB_dbi table;
	const struct verifier_keys *keys;
};

static struct side active_side(const struct index_writer *w)
{
	return (struct side){ active(w), w->keys };
}

static struct side other_side(const struct index_writer *w)
{
	return (struct side){ other(w), w->next ? w->next : w->keys };
}

int index_writer_txid(struct index_writer *w, uint64_t *ret)
{
	if (!w->meta.complete || w->behind)
		return -EAGAIN;
	*ret = w->meta.txid;
	return 0;
}

/* Without what is dropped here a rebuild would end short, and later commits would claim a store
 * transaction that the index does not reflect. */
void index_abort(struct index_writer *w)
{
	if (w->txn)
		mdb_txn_abort(w->txn);
	w->txn = NULL;
	w->changes = 0;
	w->failed = 0;
	w->rebuilding = false;
	w->behind = true;
	verifier_keys_free(w->next);
	w->next = NULL;
}

/* -ESTALE when the files that are open are no longer those that a door would open: with another
 * lock file it would not learn of new transactions, nor we of its lookups. */
static int check_same_file(const struct index_writer *w)
{
	mdb_filehandle_t fd;
	char path[PATH_MAX];
	struct stat there;
	struct stat here;
	int r = index_path(w, "data.mdb", path);

	if (r < 0)
		return r;
	(void)mdb_env_get_fd(w->db, &fd); /* fails only for a NULL */
	if (fstat(fd, &here) < 0)
		return -errno;
	if (stat(path, &there) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	if (here.st_ino != there.st_ino || here.st_dev != there.st_dev)
		return -ESTALE;
	r = index_path(w, "lock.mdb", path);
	if (r < 0)
		return r;
	if (stat(path, &there) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return w->lock_ino == there.st_ino && w->lock_dev == there.st_dev ? 0 : -ESTALE;
}

/* LMDB gives an environment up when the page that makes a transaction valid could not be
 * written. What the disk holds then, the new or the old, is read from it. */
static int revive(struct index_writer *w)
{
	int r;

	if (w->db) {
		cleanup_db_txn MDB_txn *txn = NULL;

		if (mdb_txn_begin(w->db, NULL, MDB_RDONLY, &txn) != MDB_PANIC)
			return 0;
		index_env_close(w);
		w->given_up = true;
	}
	r = index_env_open(w);
	if (r == 0)
		r = index_load_meta(w);
	w->given_up = r < 0 && !w->db;
	return r;
}

/* Begins the pending transaction if there is none. */
static int begin_txn(struct index_writer *w)
{
	int r;

	if (w->txn)
		return 0;
	r = w->given_up ? revive(w) : 0;
	if (r < 0)
		return r;
	if (!w->db)
		return -ESTALE; /* making it anew has failed */
	r = check_same_file(w);
	if (r == 0)
		r = db_grow(w->db, MAP_AHEAD);
	return r < 0 ? r : db_error(mdb_txn_begin(w->db, NULL, 0, &w->txn));
}

/* Counts COST changes in the pending transaction. */
static int pend(struct index_writer *w, unsigned cost)
{
	int r;

	if (w->changes + cost > INDEX_BATCH_MAX)
		return -E2BIG;
	r = begin_txn(w);
	if (r == 0)
		w->changes += cost;
	return r;
}

static int keep_failure(struct index_writer *w, int r)
{
	if (r < 0 && !w->failed)
		w->failed = r;
	w->damaged |= r == -EBADMSG;
	return r;
}

static int store(struct index_writer *w, MDB_dbi table, struct span hash, struct span value)
{
	MDB_val key = db_val(hash);
	MDB_val data = db_val(value);

	return keep_failure(w, db_error(mdb_put(w->txn, table, &key, &data, 0)));
}

/* Only where nothing is: what was changed meanwhile wins. */
static int store_new(struct index_writer *w, MDB_dbi table, struct span hash, struct span value)
{
	MDB_val key = db_val(hash);
	MDB_val data = db_val(value);
	int r = db_error(mdb_put(w->txn, table, &key, &data, MDB_NOOVERWRITE));

	return r == -EEXIST ? 0 : keep_failure(w, r);
}

typedef int store_fn(struct index_writer *w, MDB_dbi table, struct span hash,
		     struct span value);

static int check_login(const char *login)
{
	return login[0] && strnlen(login, VERIFIER_LOGIN_MAX + 1) <= VERIFIER_LOGIN_MAX
		       ? 0
		       : -EINVAL;
}

static int remove_from_active(struct index_writer *w, struct span hash)
{
	MDB_val key = db_val(hash);
	int r = db_error(mdb_del(w->txn, active(w), &key, NULL));

	return r == -ENOENT ? 0 : keep_failure(w, r);
}

/* An empty value keeps store_new() from bringing it back. */
static int remove_from_other(struct index_writer *w, struct span hash)
{
	return store(w, other(w), hash, SPAN_OF(hash.data, 0));
}

static int pend_change(struct index_writer *w, unsigned cost)
{
	return w->meta.complete || w->rebuilding ? pend(w, cost) : -EAGAIN;
}

static int put_entry(struct index_writer *w, const struct side *side, const char *login,
		     const struct verifier_entry *entry, store_fn *put)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t value[INDEX_ENTRY_MAX];
	uint8_t hash[SEAL_HASH_LEN];
	size_t len;

	index_hash_login(side->keys, login, hash);
	rng_fill(&w->rng, nonce, sizeof(nonce));
	len = index_entry_seal(side->keys, hash, nonce, entry, value);
	return put(w, side->table, SPAN(hash), SPAN_OF(value, len));
}

int index_put(struct index_writer *w, const char *login, const struct verifier_entry *entry)
{
	struct side in_use = active_side(w);
	struct side to_come = other_side(w);
	int r;

	if (check_login(login) < 0 || !index_entry_valid(entry))
		return -EINVAL;
	r = pend_change(w, 1);
	if (r == 0 && w->meta.complete)
		r = put_entry(w, &in_use, login, entry, store);
	if (r == 0 && w->rebuilding)
		r = put_entry(w, &to_come, login, entry, store);
	return r;
}

int index_remove(struct index_writer *w, const char *login)
{
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	if (check_login(login) < 0)
		return -EINVAL;
	r = pend_change(w, 1);
	if (r == 0 && w->meta.complete) {
		index_hash_login(active_side(w).keys, login, hash);
		r = remove_from_active(w, SPAN(hash));
	}
	if (r == 0 && w->rebuilding) {
		index_hash_login(other_side(w).keys, login, hash);
		r = remove_from_other(w, SPAN(hash));
	}
	return r;
}

/* ---- facts ---- */

static int put_fact(struct index_writer *w, const struct side *side,
		    const struct index_key *key, struct span body, store_fn *put)
{
	struct index_place place = { .fact = key->fact };
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t value[INDEX_FACT_MAX];
	size_t len;

	index_hash_fact(side->keys, key, place.hash);
	rng_fill(&w->rng, nonce, sizeof(nonce));
	len = index_fact_seal(side->keys, &place, nonce, body, value);
	return put(w, side->table, SPAN(place.hash), SPAN_OF(value, len));
}

static unsigned fact_cost(size_t len)
{
	return 1 + (unsigned)(len / INDEX_FACT_STEP);
}

int index_put_fact(struct index_writer *w, const struct index_key *key, const uint8_t *body,
		   size_t len)
{
	struct side in_use = active_side(w);
	struct side to_come = other_side(w);
	int r;

	if (!index_key_valid(key) || len > INDEX_FACT_BODY_MAX)
		return -EINVAL;
	r = pend_change(w, fact_cost(len));
	if (r == 0 && w->meta.complete)
		r = put_fact(w, &in_use, key, SPAN_OF(body, len), store);
	if (r == 0 && w->rebuilding)
		r = put_fact(w, &to_come, key, SPAN_OF(body, len), store);
	return r;
}

int index_remove_fact(struct index_writer *w, const struct index_key *key)
{
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	if (!index_key_valid(key))
		return -EINVAL;
	r = pend_change(w, 1);
	if (r == 0 && w->meta.complete) {
		index_hash_fact(active_side(w).keys, key, hash);
		r = remove_from_active(w, SPAN(hash));
	}
	if (r == 0 && w->rebuilding) {
		index_hash_fact(other_side(w).keys, key, hash);
		r = remove_from_other(w, SPAN(hash));
	}
	return r;
}

/* ---- META and the end of a transaction ---- */

static int put_meta(struct index_writer *w, const struct index_meta *meta)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t value[INDEX_META_LEN];

	rng_fill(&w->rng, nonce, sizeof(nonce));
	index_meta_seal(w->keys, nonce, meta, value);
	return store(w, w->meta_db, SPAN_STRING("META"), SPAN(value));
}

/* Ends the pending transaction, with META in it when META is not NULL. */
static int finish(struct index_writer *w, const struct index_meta *meta, struct report *report)
{
	int r = w->failed;

	if (r == 0)
		r = db_check_room(w->dir, (w->changes + 4ULL) * CHANGE_ROOM, report);
	else
		(void)db_report(report, r, "cannot change", w->dir);
	if (r < 0) {
		index_abort(w);
		return r;
	}
	/* a door that died in a lookup must not keep old pages from being used again */
	r = index_writer_clear_readers(w);
	if (r > 0)
		r = 0;
	if (r == 0 && meta)
		r = put_meta(w, meta);
	if (r == 0)
		r = db_error(mdb_txn_commit(steal_ptr(w->txn)));
	if (r < 0) {
		index_abort(w);
		ignore_result(revive(w)); /* else the next change tries again */
	}
	w->changes = 0;
	if (r == 0 && meta)
		w->meta = *meta;
	return db_report(report, r, "cannot change", w->dir);
}

int index_writer_clear_readers(struct index_writer *w)
{
	int dead = 0;
	int r = w->db ? db_error(mdb_reader_check(w->db, &dead)) : 0;

	return r < 0 ? r : dead;
}

/* For what changes META alone. */
static int ensure_txn(struct index_writer *w, struct report *report)
{
	int r = begin_txn(w);

	(void)db_report(report, r, "cannot change", w->dir);
	if (r == -ESTALE)
		report_hint(report,
			    "the files in %s were replaced or removed: "
			    "systemctl restart rotated",
			    w->dir);
	return r;
}

int index_commit(struct index_writer *w, uint64_t txid, struct report *report)
{
	struct index_meta meta = w->meta;
	int r = ensure_txn(w, report);

	if (r < 0) {
		index_abort(w);
		return r;
	}
	/* the old number stays, so that the next start sees that a rebuild is due */
	if (!w->behind)
		meta.txid = txid;
	return finish(w, &meta, report);
}

/* ---- rebuilding ---- */

/* Empties the table to be filled, or both, with META, so that one of another keystore gives way
 * to "not built yet". */
static int begin_rebuild(struct index_writer *w, struct report *report)
{
	const struct index_meta meta = w->meta;
	int r = ensure_txn(w, report);

	if (r == 0)
		r = keep_failure(w, db_error(mdb_drop(w->txn, other(w), 0)));
	if (r == 0 && !w->meta.complete)
		r = keep_failure(w, db_error(mdb_drop(w->txn, active(w), 0)));
	if (r < 0) {
		index_abort(w);
		return db_report(report, r, "cannot rebuild", w->dir);
	}
	return finish(w, &meta, report);
}

int index_rebuild_begin(struct index_writer *w, struct report *report)
{
	int r;

	verifier_keys_free(w->next);
	w->next = NULL;
	r = w->damaged ? -EBADMSG : begin_rebuild(w, report);

	if (r == -EBADMSG || r == -ESTALE) {
		/* damaged where opening did not look, or not there any more */
		index_abort(w);
		index_env_close(w);
		w->meta = (struct index_meta){ .complete = false };
		w->damaged = false;
		r = index_env_make_anew(w);
		if (r < 0)
			return db_report(report, r, "cannot make anew", w->dir);
		r = index_set_modes(w->dir, w->group, report);
		if (r == 0)
			r = begin_rebuild(w, report);
	}
	w->rebuilding = r == 0;
	return r;
}

int index_rebuild_begin_with(struct index_writer *w, const struct verifier_keys *keys,
			     struct report *report)
{
	struct verifier_keys *next;
	int r = verifier_keys_dup(keys, &next);

	if (r < 0)
		return report_set(report, r, "out of guarded memory");
	r = index_rebuild_begin(w, report);
	if (r < 0)
		verifier_keys_free(next);
	else
		w->next = next;
	return r;
}

bool index_writer_has_keys(const struct index_writer *w, const struct verifier_keys *keys)
{
	uint8_t here[VERIFIER_KEYS_ID_LEN];
	uint8_t there[VERIFIER_KEYS_ID_LEN];

	verifier_keys_id(w->keys, here);
	verifier_keys_id(keys, there);
	return w->meta.complete && memcmp(here, there, sizeof(here)) == 0;
}

int index_rebuild_put(struct index_writer *w, const char *login,
		      const struct verifier_entry *entry)
{
	struct side to_come = other_side(w);
	int r;

	if (check_login(login) < 0 || !index_entry_valid(entry) || !w->rebuilding)
		return -EINVAL;
	r = pend(w, 1);
	return r < 0 ? r : put_entry(w, &to_come, login, entry, store_new);
}

int index_rebuild_put_fact(struct index_writer *w, const struct index_key *key,
			   const uint8_t *body, size_t len)
{
	struct side to_come = other_side(w);
	int r;

	if (!index_key_valid(key) || len > INDEX_FACT_BODY_MAX || !w->rebuilding)
		return -EINVAL;
	r = pend(w, fact_cost(len));
	return r < 0 ? r : put_fact(w, &to_come, key, SPAN_OF(body, len), store_new);
}

int index_rebuild_flush(struct index_writer *w, struct report *report)
{
	return w->txn ? finish(w, NULL, report) : 0;
}

/* META goes over to the other table and its keys, in one commit. */
static int swap(struct index_writer *w, const struct index_meta *meta, struct report *report)
{
	bool has_next = w->next;
	int r;

	if (has_next) {
		verifier_keys_free(w->spare);
		w->spare = w->keys;
		w->keys = steal_ptr(w->next);
	}
	r = finish(w, meta, report);
	if (r < 0) {
		/* which of the two it is sealed with now is for the disk to say */
		if (has_next && w->db)
			ignore_result(index_load_meta(w));
		return r;
	}
	verifier_keys_free(w->spare);
	w->spare = NULL;
	w->rebuilding = w->behind = false;
	return 0;
}

int index_rebuild_finish(struct index_writer *w, uint64_t txid, struct report *report)
{
	const struct index_meta meta = {
		.txid = txid,
		.active = !w->meta.active,
		.complete = true,
	};
	MDB_dbi old = active(w);
	int r;

	if (!w->rebuilding)
		return report_set(report, -EINVAL, "no rebuild is under way");
	r = ensure_txn(w, report);
	if (r < 0)
		return r;
	r = keep_failure(w, db_error(mdb_drop(w->txn, old, 0)));
	if (r < 0) {
		index_abort(w);
		return db_report(report, r, "cannot rebuild", w->dir);
	}
	return swap(w, &meta, report);
}
