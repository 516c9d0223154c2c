/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When LMDB gets the store's file, and what becomes of one that is damaged: what
 * lies on sound pages is copied into a file that LMDB makes anew, has no name, and is only
 * read. So LMDB never follows a page that is not sound, and all that reads needs to know
 * nothing of it. The damaged file stays as it is.
 */
#include <stdio.h>
#include <string.h>

#include "keystore/datafile.h"
#include "keystore/internal.h"

enum {
	STEP_BYTES = 4 * 1024 * 1024, /* in one transaction of the copy */
	STEP_AHEAD = 64 * 1024 * 1024,
	KEY_MAX = 511, /* that LMDB takes */
};

struct salvage {
	struct keystore *ks;
	MDB_txn *txn;
	size_t bytes; /* in it */
	uint64_t sums;
};

/* A transaction that has room for a value of LEN bytes. */
static int renew(struct salvage *s, size_t len)
{
	int r = s->txn ? db_error(mdb_txn_commit(steal_ptr(s->txn))) : 0;

	if (r == 0)
		r = db_grow(s->ks->db, STEP_AHEAD + 2 * (uint64_t)len);
	s->bytes = 0;
	return r < 0 ? r : db_error(mdb_txn_begin(s->ks->db, NULL, 0, &s->txn));
}

static MDB_dbi find_table(const struct keystore *ks, const char *table)
{
	if (strcmp(table, "cur") == 0)
		return ks->cur;
	if (strcmp(table, "hist") == 0)
		return ks->hist;
	return strcmp(table, "sums") == 0 ? ks->sums : ks->meta_db;
}

/* Whether it is what was written. What a page that is not sound had in it may be anything; a
 * walk through the records ends at the first that does not open. */
static bool is_record(struct keystore *ks, const struct record_place *place, struct span value)
{
	size_t key_len = place->table == RECORD_HIST ? RECORD_KEY_MAX : SEAL_HASH_LEN;
	struct record_content content;
	struct record_header h;
	const struct epoch *epoch;
	int r;

	if (place->key.len != key_len || record_header_decode(value, &h) < 0)
		return false;
	epoch = store_epoch(ks, &h);
	if (!epoch)
		return h.flags & RECORD_ISSUER && !ks->issuer;
	r = record_open(place, epoch->key, value, ks->scratch, &content);
	store_wipe_scratch(ks, value.len);
	return r == 0;
}

static bool is_good(struct keystore *ks, MDB_dbi dbi, struct span key, struct span value)
{
	const struct record_place place = { ks->file.ring.store_id,
					    dbi == ks->hist ? RECORD_HIST : RECORD_CUR, key };

	if (key.len < 1 || key.len > KEY_MAX)
		return false;
	return (dbi != ks->cur && dbi != ks->hist) || is_record(ks, &place, value);
}

/* Of two entries with one key, which sound pages do not have, the first is as good as the
 * second. */
static int keep(void *context, const char *table, struct span key, struct span value)
{
	struct salvage *s = context;
	MDB_dbi dbi = find_table(s->ks, table);
	MDB_val k = db_val(key);
	MDB_val v = db_val(value);
	int r = 0;

	if (!is_good(s->ks, dbi, key, value))
		return 0;
	if (!s->txn || s->bytes + value.len > STEP_BYTES)
		r = renew(s, value.len);
	if (r == 0)
		r = db_error(mdb_put(s->txn, dbi, &k, &v, MDB_NOOVERWRITE));
	s->bytes += key.len + value.len;
	s->sums += r == 0 && dbi == s->ks->sums;
	return r == -EEXIST ? 0 : r;
}

static int fill(struct keystore *ks, struct datafile *file, uint64_t *ret_sums)
{
	struct salvage s = { .ks = ks };
	int r = datafile_salvage(file, keep, &s);

	if (r == 0 && s.txn)
		r = db_error(mdb_txn_commit(steal_ptr(s.txn)));
	mdb_txn_abort(s.txn); /* NULL is allowed */
	*ret_sums = s.sums;
	return r;
}

static void close_db(struct keystore *ks)
{
	if (ks->db)
		mdb_env_close(steal_ptr(ks->db));
}

static int copy(struct keystore *ks, struct datafile *file)
{
	char path[PATH_MAX + sizeof(STORE_COPY)];
	uint64_t sums = 0;
	int r;

	close_db(ks);
	(void)snprintf(path, sizeof(path), "%s/" STORE_COPY, ks->dir); /* it fits */
	r = keystore_db_open_at(ks, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, true);
	if (r == 0)
		r = fill(ks, file, &sums);
	close_db(ks);
	if (r == 0)
		r = keystore_db_open_at(ks, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY,
					false);
	if (r < 0)
		close_db(ks);
	ks->has_sums = ks->has_sums && sums > 0;
	return r;
}

static int salvage(struct keystore *ks, const struct report *damage, struct report *report)
{
	int r;

	store_drop_copy(ks);
	r = db_check_room(ks->store_dir, datafile_size(ks->unchecked) + STEP_BYTES, report);
	if (r < 0)
		return r;
	r = copy(ks, ks->unchecked);
	store_drop_copy(ks); /* its name: nobody else is to open it */
	if (r < 0) {
		(void)report_set(report, r, "%s; what is left can not be copied: %s",
				 damage->what, strerrordesc_np(-r));
		db_hint(report, r, ks->store_dir);
		return r;
	}
	ks->damage = *damage;
	return 0;
}

/* ---- from opening to reading ---- */

/* An empty file is one that LMDB would make a store of. */
static int check_begun(const struct keystore *ks, struct report *report)
{
	if (ks->unchecked)
		return 0;
	(void)report_set(report, -EBADMSG, "%s/data.mdb is damaged: it is empty",
			 ks->store_dir);
	report_hint(report, DATAFILE_HINT);
	return -EBADMSG;
}

/* LMDB is to write to it at once. */
static int check_whole(struct keystore *ks, struct report *report)
{
	int r = ks->unchecked ? datafile_wait(ks->unchecked, report) : 0;

	datafile_close(steal_ptr(ks->unchecked));
	return r;
}

int keystore_db_open(struct keystore *ks, bool create, struct report *report)
{
	static const char *const tables[] = { "cur", "hist", "meta", "sums", NULL };
	const struct datafile_place place = { ks->dirfd, ks->dir, STORE_NAME "/data.mdb",
					      tables };
	int r = datafile_open(&place, &ks->unchecked, report);

	if (r == 0)
		r = create ? check_whole(ks, report) : check_begun(ks, report);
	if (r < 0 || (ks->unchecked && !datafile_may_open(ks->unchecked)))
		return r;
	return db_report(report, keystore_db_open_at(ks, ks->store_dir, 0, create),
			 "cannot open", ks->store_dir);
}

int store_settle_pages(struct keystore *ks, struct report *report)
{
	struct report damage = { 0 };
	int r;

	if (!ks->unchecked)
		return 0;
	r = datafile_wait(ks->unchecked, &damage);
	if (r == -EBADMSG)
		r = salvage(ks, &damage, report);
	else if (r == 0)
		r = db_report(report, db_fill_up(ks->db), "cannot open", ks->store_dir);
	else if (report)
		*report = damage;
	if (r == 0)
		datafile_close(steal_ptr(ks->unchecked));
	return r;
}
