/* SPDX-License-Identifier: BSD-2-Clause */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/datafile.h"
#include "keystore/db.h"
#include "keystore/index.h"
#include "keystore/index_codec.h"

/* Which file is mapped; all zero: none. */
struct mapped {
	dev_t dev;
	ino_t ino;
};

struct index_reader {
	char dir[PATH_MAX];
	char file[PATH_MAX];
	char lock[PATH_MAX];
	const struct verifier_keys *keys; /* that the META read last was sealed with */
	const struct verifier_keys *next; /* the other set; NULL for none */
	MDB_env *db;			  /* NULL while there is nothing to open */
	MDB_txn *txn; /* reset between lookups: an idle one would hold old pages for ever */
	MDB_dbi meta;
	MDB_dbi tables[2];
	bool is_held;		/* in a snapshot, */
	struct index_meta held; /* which has this META */
	struct mapped data;	/* as they were when it was opened */
	struct mapped lock_file;
	struct stat damaged; /* the file whose pages are, as it was then; all zero: none */
};

int index_reader_new(const char *dir, const struct verifier_keys *keys,
		     struct index_reader **ret)
{
	struct index_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->keys = keys;
	if (snprintf(r->dir, sizeof(r->dir), "%s", dir) >= (int)sizeof(r->dir) ||
	    fs_join(r->dir, "data.mdb", r->file, sizeof(r->file)) < 0 ||
	    fs_join(r->dir, "lock.mdb", r->lock, sizeof(r->lock)) < 0) {
		free(r);
		return -ENAMETOOLONG;
	}
	*ret = r;
	return 0;
}

void index_reader_set_next(struct index_reader *r, const struct verifier_keys *next)
{
	r->next = next;
}

static void close_db(struct index_reader *r)
{
	if (r->txn)
		mdb_txn_abort(r->txn);
	if (r->db)
		mdb_env_close(r->db);
	r->txn = NULL;
	r->db = NULL;
}

void index_reader_free(struct index_reader *r)
{
	if (!r)
		return;
	close_db(r);
	free(r);
}

static int open_tables(struct index_reader *r)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(r->db, NULL, MDB_RDONLY, &txn);

	if (rc == 0)
		rc = mdb_dbi_open(txn, "meta", 0, &r->meta);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "a", 0, &r->tables[0]);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "b", 0, &r->tables[1]);
	if (rc == 0)
		rc = mdb_txn_commit(steal_ptr(txn)); /* keeps the handles */
	return rc == MDB_NOTFOUND ? -EAGAIN : db_error(rc);
}

static int open_env(struct index_reader *r)
{
	int dead;
	int rc = mdb_env_create(&r->db);

	if (rc == 0)
		rc = mdb_env_set_maxdbs(r->db, 3);
	if (rc == 0)
		rc = mdb_env_open(r->db, r->dir, MDB_RDONLY | MDB_NOTLS, 0);
	/* the places of doors that were killed, which the vault may not be there to clear */
	if (rc == 0)
		rc = mdb_reader_check(r->db, &dead);
	/* between the making of the file and the first transaction in it */
	if (rc == ENOENT || rc == MDB_INVALID)
		return -EAGAIN;
	return db_error(rc);
}

/* On a read-only mount LMDB goes on without its lock file and says nothing: the vault would not
 * know of our lookups, and write over what they read. */
static int check_locked(struct index_reader *r)
{
	MDB_envinfo info;

	(void)mdb_env_info(r->db, &info); /* fails only for a NULL */
	return info.me_numreaders > 0 ? 0 : -EROFS;
}

/* The vault can pass by twice before the meta page is read, which takes no time; and nothing is
 * damaged that is not so twice. */
enum { TRIES_MAX = 100, BAD_MAX = 2 };

/* What our transaction sees, while the vault may write what comes after it. */
static int check_pages(struct index_reader *r)
{
	struct pages_problem problem;
	int n = -EAGAIN;

	for (int i = 0, bad = 0; i < TRIES_MAX && bad < BAD_MAX; i++) {
		if (i > 0)
			mdb_txn_reset(r->txn);
		n = i > 0 ? db_error(mdb_txn_renew(r->txn)) : 0;
		if (n == 0)
			n = datafile_check_open(r->db, mdb_txn_id(r->txn), index_tables,
						&problem);
		if (n != -EAGAIN && n != -EBADMSG)
			return n;
		bad += n == -EBADMSG;
	}
	return n;
}

static int try_open(struct index_reader *r)
{
	int n = open_env(r);

	if (n == 0)
		n = db_error(mdb_txn_begin(r->db, NULL, MDB_RDONLY, &r->txn));
	if (n == 0)
		n = check_locked(r);
	if (n == 0)
		n = check_pages(r);
	if (n < 0)
		return n;
	mdb_txn_reset(r->txn);
	return open_tables(r);
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int open_db(struct index_reader *r, const struct stat *st)
{
	int n = is_same_file(st, &r->damaged) ? -EBADMSG : try_open(r);

	if (n < 0) {
		close_db(r);
		if (n == -EBADMSG) /* not to be read through again at each login */
			r->damaged = *st;
		return n;
	}
	return 0;
}

static bool is_mapped(const struct mapped *m, const struct stat *st)
{
	return m->dev == st->st_dev && m->ino == st->st_ino;
}

/* Opening a FIFO would not end. */
static int look(const char *path, struct stat *ret)
{
	if (stat(path, ret) < 0)
		return errno == ENOENT ? -EAGAIN : -errno;
	return S_ISREG(ret->st_mode) ? 0 : -EINVAL;
}

/*
 * The vault may have made the index anew; the old files are then still mapped here. Data stays
 * as it was for ever, and a lock file that only we have tells of no new transaction: what was
 * revoked since would be accepted. One that is merely gone is still the vault's as well.
 */
static int ensure_db(struct index_reader *r)
{
	struct stat data;
	struct stat lock = { 0 };
	int n = look(r->file, &data);
	int has_lock = n < 0 ? n : look(r->lock, &lock);

	if (n < 0) {
		close_db(r);
		return n;
	}
	if (r->db && is_mapped(&r->data, &data) &&
	    (has_lock < 0 || is_mapped(&r->lock_file, &lock)))
		return 0;
	close_db(r);
	if (has_lock < 0 && has_lock != -EAGAIN)
		return has_lock;
	n = open_db(r, &data);
	/* as they were before, so that one that is replaced meanwhile is noticed */
	r->data = (struct mapped){ data.st_dev, data.st_ino };
	r->lock_file = (struct mapped){ lock.st_dev, lock.st_ino };
	return n;
}

static int begin(struct index_reader *r)
{
	int rc;
	int n = r->is_held ? 0 : ensure_db(r);

	if (n < 0 || r->is_held)
		return n;
	rc = mdb_txn_renew(r->txn);
	if (rc == MDB_MAP_RESIZED) { /* the vault has grown the map */
		rc = mdb_env_set_mapsize(r->db, 0);
		if (rc == 0)
			rc = mdb_txn_renew(r->txn);
	}
	return db_error(rc);
}

static void end(struct index_reader *r)
{
	if (!r->is_held)
		mdb_txn_reset(r->txn);
}

/* With the keys in use, or, when the vault has gone over to them, with the others. */
static int open_meta(struct index_reader *r, struct span value, struct index_meta *ret)
{
	const struct verifier_keys *keys = r->keys;
	int n = index_meta_open(keys, value, ret);

	if (n != -EBADMSG || !r->next)
		return n;
	n = index_meta_open(r->next, value, ret);
	if (n < 0)
		return n;
	r->keys = r->next;
	r->next = keys;
	return 0;
}

static int read_meta(struct index_reader *r, struct index_meta *ret)
{
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	int n;

	if (r->is_held) {
		*ret = r->held;
		return 0;
	}
	n = db_error(mdb_get(r->txn, r->meta, &key, &value));
	if (n == 0)
		n = open_meta(r, db_span(&value), ret);
	if (n < 0)
		return n == -ENOENT ? -EAGAIN : n;
	return ret->complete ? 0 : -EAGAIN;
}

/* The sealed value, which lives as long as the read transaction. META was read: HASH depends on
 * the keys. */
static int lookup(struct index_reader *r, const struct index_meta *meta,
		  const uint8_t hash[static SEAL_HASH_LEN], MDB_val *ret)
{
	MDB_val key = db_val(SPAN_OF(hash, SEAL_HASH_LEN));
	int n = db_error(mdb_get(r->txn, r->tables[meta->active], &key, ret));

	if (n < 0)
		return n;
	return ret->mv_size == 0 ? -ENOENT : 0; /* removed while the table was being built */
}

/*
 * A login that is not there costs as much as one that is, or the time to a refusal would tell
 * them apart: instead of an entry being opened, one of the usual size is sealed and thrown
 * away.
 */
static void work_as_if_found(const struct verifier_keys *keys,
			     const uint8_t hash[static SEAL_HASH_LEN])
{
	static const struct verifier_entry usual = {
		.service = "usual",
		.count = 1,
		.not_after = USEC_NEVER,
		.versions = { { .number = 1, .iterations = VERIFIER_ITERATIONS } },
	};
	static const uint8_t nonce[SEAL_NONCE_LEN];
	uint8_t thrown_away[INDEX_ENTRY_MAX];

	index_entry_seal(keys, hash, nonce, &usual, thrown_away);
	explicit_bzero(thrown_away, sizeof(thrown_away));
}

int index_get(struct index_reader *r, const char *login, struct verifier_entry *ret)
{
	uint8_t hash[SEAL_HASH_LEN];
	struct index_meta meta;
	MDB_val value;
	int n = begin(r);

	if (n < 0)
		return n;
	n = read_meta(r, &meta);
	if (n < 0) {
		end(r);
		return n;
	}
	index_hash_login(r->keys, login, hash);
	n = lookup(r, &meta, hash, &value);
	if (n == 0)
		n = index_entry_open(r->keys, hash, db_span(&value), ret);
	end(r);
	if (n == -ENOENT)
		work_as_if_found(r->keys, hash);
	return n;
}

static int get_fact(struct index_reader *r, const struct index_key *key,
		    uint8_t body[static INDEX_FACT_PLAIN_MAX], size_t *ret_len)
{
	struct index_place place = { .fact = key->fact };
	struct index_meta meta;
	MDB_val value;
	int n = read_meta(r, &meta);

	if (n < 0)
		return n;
	index_hash_fact(r->keys, key, place.hash);
	n = lookup(r, &meta, place.hash, &value);
	return n < 0 ? n : index_fact_open(r->keys, &place, db_span(&value), body, ret_len);
}

int index_get_fact(struct index_reader *r, const struct index_key *key, uint8_t *ret,
		   size_t size, size_t *ret_len)
{
	uint8_t body[INDEX_FACT_PLAIN_MAX];
	size_t len;
	int n;

	if (!index_key_valid(key))
		return -ENOENT;
	n = begin(r);
	if (n < 0)
		return n;
	n = get_fact(r, key, body, &len);
	end(r);
	if (n < 0)
		return n;
	if (len > size)
		return -ENOBUFS;
	memcpy(ret, body, len);
	*ret_len = len;
	return 0;
}

int index_reader_txid(struct index_reader *r, uint64_t *ret)
{
	struct index_meta meta;
	int n = begin(r);

	if (n < 0)
		return n;
	n = read_meta(r, &meta);
	end(r);
	if (n == 0)
		*ret = meta.txid;
	return n;
}

int index_snapshot_begin(struct index_reader *r)
{
	int n = begin(r);

	if (n < 0)
		return n;
	n = read_meta(r, &r->held);
	if (n < 0) {
		end(r);
		return n;
	}
	r->is_held = true;
	return 0;
}

void index_snapshot_end(struct index_reader *r)
{
	r->is_held = false;
	end(r);
}
