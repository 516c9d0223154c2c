/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/db.h"
#include "keystore/index.h"
#include "keystore/index_codec.h"
#include "keystore/index_modes.h"

#define MAP_SIZE_FIRST (UINT64_C(256) * 1024 * 1024)
#define MAP_AHEAD      (UINT64_C(64) * 1024 * 1024)

enum { CHANGE_ROOM = 16 * 1024 };

struct index_writer {
	char dir[PATH_MAX];
	struct index_options options;
	struct rng rng;
	MDB_env *db;
	MDB_dbi meta_db;
	MDB_dbi tables[2];
	MDB_txn *txn; /* NULL when nothing is pending */
	unsigned changes;
	int failed;	 /* a failure that spoils the pending transaction */
	bool rebuilding; /* the other table is being filled */
	bool given_up;	 /* by LMDB, and not opened again yet */
	bool damaged;	 /* LMDB met bytes that it did not write */
	bool behind;	 /* changes were dropped: only a rebuild makes it the store's image */
	struct index_meta meta;
};

static MDB_dbi active(const struct index_writer *w)
{
	return w->tables[w->meta.active];
}

static MDB_dbi other(const struct index_writer *w)
{
	return w->tables[!w->meta.active];
}

static int open_tables(struct index_writer *w)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(w->db, NULL, 0, &txn);

	if (rc == 0)
		rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &w->meta_db);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "a", MDB_CREATE, &w->tables[0]);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "b", MDB_CREATE, &w->tables[1]);
	if (rc == 0)
		rc = mdb_txn_commit(steal_ptr(txn));
	return db_error(rc);
}

static void close_env(struct index_writer *w)
{
	if (w->db)
		mdb_env_close(w->db);
	w->db = NULL;
}

static int open_env(struct index_writer *w)
{
	char lock[PATH_MAX];
	int dead;
	int rc;
	int r = fs_join(w->dir, "lock.mdb", lock, sizeof(lock));

	if (r == 0)
		r = db_reserve_lock(lock, INDEX_DATA_MODE);
	if (r < 0)
		return r;
	rc = mdb_env_create(&w->db);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(w->db, 3);
	if (rc == 0)
		rc = mdb_env_set_mapsize(w->db, MAP_SIZE_FIRST);
	if (rc == 0)
		rc = mdb_env_open(w->db, w->dir, MDB_NOTLS, INDEX_DATA_MODE);
	if (rc == 0)
		rc = mdb_reader_check(w->db, &dead);
	r = rc ? db_error(rc) : db_fill_up(w->db);
	if (r == 0)
		r = open_tables(w);
	if (r < 0)
		close_env(w);
	return r;
}

static int in_dir(const struct index_writer *w, const char *name, char path[static PATH_MAX])
{
	return fs_join(w->dir, name, path, PATH_MAX);
}

/* Damaged beyond opening: it holds nothing that the store does not. */
static int start_anew(struct index_writer *w)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	char path[PATH_MAX];
	int r;

	r = fs_make_dirs(w->dir, INDEX_DIR_MODE);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (r == 0)
			r = in_dir(w, names[i], path);
		if (r < 0)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
	}
	return open_env(w);
}

static int load_meta(struct index_writer *w)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	int r;

	r = db_error(mdb_txn_begin(w->db, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = db_error(mdb_get(txn, w->meta_db, &key, &value));
	if (r == 0)
		r = index_meta_open(w->options.keys, db_span(&value), &w->meta);
	if (r == -ENOENT || r == -EBADMSG) /* none, or another keystore's: to be rebuilt */
		w->meta = (struct index_meta){ .complete = false };
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

int index_writer_open(const char *dir, const struct index_options *options,
		      struct index_writer **ret, struct report *report)
{
	cleanup_index_writer struct index_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return report_set(report, -ENOMEM, "out of memory");
	w->options = *options;
	w->rng = (struct rng){ options->random, options->random_context };
	if (snprintf(w->dir, sizeof(w->dir), "%s", dir) >= (int)sizeof(w->dir))
		return report_set(report, -ENAMETOOLONG, "%s: name too long", dir);
	r = fs_make_dirs(w->dir, INDEX_DIR_MODE);
	if (r < 0)
		return db_report(report, r, "cannot make", w->dir);
	r = open_env(w);
	if (r == -EBADMSG || r == -EINVAL)
		r = start_anew(w);
	if (r == 0)
		r = load_meta(w);
	if (r < 0)
		return db_report(report, r, "cannot open", w->dir);
	r = index_set_modes(w->dir, w->options.group, report);
	if (r < 0)
		return r;
	*ret = steal_ptr(w);
	return 0;
}

void index_writer_close(struct index_writer *w)
{
	if (!w)
		return;
	index_abort(w);
	close_env(w);
	free(w);
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
}

/* -ESTALE when the file that is open is no longer the one that a door would open. */
static int check_same_file(const struct index_writer *w)
{
	mdb_filehandle_t fd;
	char path[PATH_MAX];
	struct stat there;
	struct stat here;
	int r = in_dir(w, "data.mdb", path);

	if (r < 0)
		return r;
	(void)mdb_env_get_fd(w->db, &fd); /* fails only for a NULL */
	if (fstat(fd, &here) < 0)
		return -errno;
	if (stat(path, &there) < 0)
		return errno == ENOENT ? -ESTALE : -errno;
	return here.st_ino == there.st_ino && here.st_dev == there.st_dev ? 0 : -ESTALE;
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
		close_env(w);
		w->given_up = true;
	}
	r = open_env(w);
	if (r == 0)
		r = load_meta(w);
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

static size_t seal_entry(struct index_writer *w, const uint8_t *hash,
			 const struct verifier_entry *entry,
			 uint8_t value[static INDEX_ENTRY_MAX])
{
	uint8_t nonce[SEAL_NONCE_LEN];

	rng_fill(&w->rng, nonce, sizeof(nonce));
	return index_entry_seal(w->options.keys, hash, nonce, entry, value);
}

static int check_login(const char *login)
{
	return login[0] && strnlen(login, VERIFIER_LOGIN_MAX + 1) <= VERIFIER_LOGIN_MAX
		       ? 0
		       : -EINVAL;
}

static int put_value(struct index_writer *w, struct span hash, struct span value)
{
	int r = 0;

	if (w->meta.complete)
		r = store(w, active(w), hash, value);
	if (r == 0 && w->rebuilding)
		r = store(w, other(w), hash, value);
	return r;
}

static int remove_value(struct index_writer *w, struct span hash)
{
	MDB_val key = db_val(hash);
	int r = 0;

	if (w->meta.complete)
		r = db_error(mdb_del(w->txn, active(w), &key, NULL));
	if (r < 0 && r != -ENOENT)
		return keep_failure(w, r);
	/* an empty value keeps put_new_value() from bringing it back */
	return w->rebuilding ? store(w, other(w), hash, SPAN_OF(hash.data, 0)) : 0;
}

static int put_new_value(struct index_writer *w, struct span hash, struct span value)
{
	MDB_val key = db_val(hash);
	MDB_val data = db_val(value);
	int r = db_error(mdb_put(w->txn, other(w), &key, &data, MDB_NOOVERWRITE));

	return r == -EEXIST ? 0 : keep_failure(w, r);
}

static int pend_change(struct index_writer *w, unsigned cost)
{
	return w->meta.complete || w->rebuilding ? pend(w, cost) : -EAGAIN;
}

int index_put(struct index_writer *w, const char *login, const struct verifier_entry *entry)
{
	uint8_t value[INDEX_ENTRY_MAX];
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	if (check_login(login) < 0 || !index_entry_valid(entry))
		return -EINVAL;
	r = pend_change(w, 1);
	if (r < 0)
		return r;
	index_hash_login(w->options.keys, login, hash);
	return put_value(w, SPAN(hash), SPAN_OF(value, seal_entry(w, hash, entry, value)));
}

int index_remove(struct index_writer *w, const char *login)
{
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	if (check_login(login) < 0)
		return -EINVAL;
	r = pend_change(w, 1);
	if (r < 0)
		return r;
	index_hash_login(w->options.keys, login, hash);
	return remove_value(w, SPAN(hash));
}

/* ---- facts ---- */

static size_t seal_fact(struct index_writer *w, const struct index_key *key, struct span body,
			struct index_place *place, uint8_t value[static INDEX_FACT_MAX])
{
	uint8_t nonce[SEAL_NONCE_LEN];

	place->fact = key->fact;
	index_hash_fact(w->options.keys, key, place->hash);
	rng_fill(&w->rng, nonce, sizeof(nonce));
	return index_fact_seal(w->options.keys, place, nonce, body, value);
}

static unsigned fact_cost(size_t len)
{
	return 1 + (unsigned)(len / INDEX_FACT_STEP);
}

int index_put_fact(struct index_writer *w, const struct index_key *key, const uint8_t *body,
		   size_t len)
{
	uint8_t value[INDEX_FACT_MAX];
	struct index_place place;
	size_t n;
	int r;

	if (!index_key_valid(key) || len > INDEX_FACT_BODY_MAX)
		return -EINVAL;
	r = pend_change(w, fact_cost(len));
	if (r < 0)
		return r;
	n = seal_fact(w, key, SPAN_OF(body, len), &place, value);
	return put_value(w, SPAN(place.hash), SPAN_OF(value, n));
}

int index_remove_fact(struct index_writer *w, const struct index_key *key)
{
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	if (!index_key_valid(key))
		return -EINVAL;
	r = pend_change(w, 1);
	if (r < 0)
		return r;
	index_hash_fact(w->options.keys, key, hash);
	return remove_value(w, SPAN(hash));
}

/* ---- META and the end of a transaction ---- */

static int put_meta(struct index_writer *w, const struct index_meta *meta)
{
	uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t value[INDEX_META_LEN];

	rng_fill(&w->rng, nonce, sizeof(nonce));
	index_meta_seal(w->options.keys, nonce, meta, value);
	return store(w, w->meta_db, SPAN_STRING("META"), SPAN(value));
}

/* Ends the pending transaction, with META in it when META is not NULL. */
static int finish(struct index_writer *w, const struct index_meta *meta, struct report *report)
{
	int dead;
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
	r = db_error(mdb_reader_check(w->db, &dead));
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
	int r = w->damaged ? -EBADMSG : begin_rebuild(w, report);

	if (r == -EBADMSG || r == -ESTALE) {
		/* damaged where opening did not look, or not there any more */
		index_abort(w);
		close_env(w);
		w->meta = (struct index_meta){ .complete = false };
		w->damaged = false;
		r = start_anew(w);
		if (r < 0)
			return db_report(report, r, "cannot make anew", w->dir);
		r = index_set_modes(w->dir, w->options.group, report);
		if (r == 0)
			r = begin_rebuild(w, report);
	}
	w->rebuilding = r == 0;
	return r;
}

int index_rebuild_put(struct index_writer *w, const char *login,
		      const struct verifier_entry *entry)
{
	uint8_t value[INDEX_ENTRY_MAX];
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	if (check_login(login) < 0 || !index_entry_valid(entry) || !w->rebuilding)
		return -EINVAL;
	r = pend(w, 1);
	if (r < 0)
		return r;
	index_hash_login(w->options.keys, login, hash);
	return put_new_value(w, SPAN(hash), SPAN_OF(value, seal_entry(w, hash, entry, value)));
}

int index_rebuild_put_fact(struct index_writer *w, const struct index_key *key,
			   const uint8_t *body, size_t len)
{
	uint8_t value[INDEX_FACT_MAX];
	struct index_place place;
	size_t n;
	int r;

	if (!index_key_valid(key) || len > INDEX_FACT_BODY_MAX || !w->rebuilding)
		return -EINVAL;
	r = pend(w, fact_cost(len));
	if (r < 0)
		return r;
	n = seal_fact(w, key, SPAN_OF(body, len), &place, value);
	return put_new_value(w, SPAN(place.hash), SPAN_OF(value, n));
}

int index_rebuild_flush(struct index_writer *w, struct report *report)
{
	return w->txn ? finish(w, NULL, report) : 0;
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
	r = finish(w, &meta, report);
	if (r < 0)
		return r;
	w->rebuilding = false;
	w->behind = false;
	return 0;
}
