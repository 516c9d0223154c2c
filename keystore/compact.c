/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store without the pages that hold what was deleted or replaced, and with full ones: a
 * copy of the live records in the order of their keys, made in steps, held against META,
 * synced, and opened before it takes the name, so that no failure leaves the handle without a
 * store.
 */
#include "keystore/compact.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keystore/internal.h"

#define COPY_LOCK STORE_COPY "-lock" /* LMDB's name for it */

enum {
	ROOM_AHEAD = 1024 * 1024,
	STEP_BYTES = 4 * 1024 * 1024, /* of records in one step: some milliseconds */
	STEP_TOUCHED = 1000,	      /* that are looked at again in one step */
	TOUCHED_MAX = 64 * 1024,      /* 3 MiB of memory */
	STEP_AHEAD = 64 * 1024 * 1024,
};

_Static_assert((int)STEP_BYTES == (int)KEYSTORE_COMPACT_BYTES, "what the header promises");
_Static_assert((int)TOUCHED_MAX == (int)KEYSTORE_COMPACT_CHANGES, "what the header promises");

struct tables {
	MDB_env *db;
	MDB_dbi cur;
	MDB_dbi hist;
	MDB_dbi meta_db;
	MDB_dbi sums;
	bool has_sums;
};

static struct tables tables_of(const struct keystore *ks)
{
	return (struct tables){
		ks->db, ks->cur, ks->hist, ks->meta_db, ks->sums, ks->has_sums
	};
}

static void set_tables(struct keystore *ks, const struct tables *t)
{
	ks->db = t->db;
	ks->cur = t->cur;
	ks->hist = t->hist;
	ks->meta_db = t->meta_db;
	ks->sums = t->sums;
	ks->has_sums = t->has_sums;
}

void store_drop_copy(struct keystore *ks)
{
	(void)unlinkat(ks->dirfd, STORE_COPY, 0); /* in the way of nothing but disk space */
	(void)unlinkat(ks->dirfd, COPY_LOCK, 0);
}

/* ---- the copy in the making ---- */

struct touched {
	enum record_table table;
	uint8_t key[RECORD_KEY_MAX];
};

/*
 * Records in the order of their keys, which fills every page. What changes meanwhile is noted,
 * and looked at again at the end: whatever is not noted is as it was when it was copied.
 */
struct store_copy {
	struct tables to;
	enum record_table table; /* at work; behind RECORD_HIST: both are done */
	uint8_t at[RECORD_KEY_MAX];
	size_t at_len; /* 0: at its beginning */
	struct set_hash set;
	uint64_t count[RECORD_HIST + 1];
	struct touched *touched;
	size_t touched_count;
	int failed;
};

static size_t key_len(enum record_table table)
{
	return table == RECORD_CUR ? SEAL_HASH_LEN : RECORD_KEY_MAX;
}

static MDB_dbi dbi_of(const struct tables *t, enum record_table table)
{
	return table == RECORD_CUR ? t->cur : t->hist;
}

/* What is copied later is seen then as it will be. */
static bool is_copied(const struct store_copy *c, const struct record_place *place)
{
	if (place->table != c->table)
		return place->table < c->table;
	return c->at_len > 0 && memcmp(place->key.data, c->at, c->at_len) <= 0;
}

/* Room for one more: all of it at once, when the first record changes. */
static bool has_room(struct store_copy *c)
{
	if (!c->touched)
		c->touched = calloc(TOUCHED_MAX, sizeof(*c->touched));
	if (!c->touched)
		c->failed = -ENOMEM;
	else if (c->touched_count == TOUCHED_MAX)
		c->failed = -EAGAIN;
	return c->failed == 0;
}

void store_copy_touch(struct keystore *ks, const struct record_place *place)
{
	struct store_copy *c = ks->copy;

	if (!c || c->failed || !is_copied(c, place) || !has_room(c))
		return;
	c->touched[c->touched_count].table = place->table;
	memcpy(c->touched[c->touched_count++].key, place->key.data, place->key.len);
}

static void free_copy(struct keystore *ks)
{
	if (!ks->copy)
		return;
	if (ks->copy->to.db)
		mdb_env_close(ks->copy->to.db);
	free(ks->copy->touched);
	free(steal_ptr(ks->copy));
}

void keystore_compact_abort(struct keystore *ks)
{
	if (!ks->copy)
		return;
	free_copy(ks);
	store_drop_copy(ks);
}

static uint64_t pages_of(const MDB_stat *stat)
{
	return stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages;
}

int keystore_usage(const struct keystore *ks, struct keystore_usage *ret)
{
	enum { FREE_TABLE = 0, MAIN_TABLE = 1, META_PAGES = 2 }; /* LMDB's own */
	const MDB_dbi tables[] = { FREE_TABLE, MAIN_TABLE,  ks->cur,
				   ks->hist,   ks->meta_db, ks->sums };
	cleanup_db_txn MDB_txn *txn = NULL;
	uint64_t used = META_PAGES;
	MDB_envinfo info;
	MDB_stat stat;
	int r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(tables) - !ks->has_sums; i++) {
		r = db_error(mdb_stat(txn, tables[i], &stat));
		used += r == 0 ? pages_of(&stat) : 0;
	}
	if (r < 0)
		return r;
	(void)mdb_env_info(ks->db, &info); /* fails only for a NULL */
	ret->bytes = ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize;
	ret->used = used * stat.ms_psize;
	return 0;
}

static int check_room(const struct keystore *ks, struct report *report)
{
	struct keystore_usage usage;
	int r = keystore_usage(ks, &usage);

	if (r < 0)
		return db_report(report, r, "cannot read", ks->store_dir);
	return db_check_room(ks->store_dir, usage.used + ROOM_AHEAD, report);
}

/* An empty store beside the one in use. It is synced once, at the end. */
static int make_tables(struct keystore *ks, struct tables *ret)
{
	char path[PATH_MAX + sizeof(STORE_COPY)];
	struct tables mine = tables_of(ks);
	int r;

	store_drop_reader(ks); /* of the tables that are put aside here */
	(void)snprintf(path, sizeof(path), "%s/" STORE_COPY, ks->dir); /* it fits */
	ks->db = NULL;
	r = keystore_db_open_at(ks, path, MDB_NOSUBDIR | MDB_NOSYNC, true);
	*ret = tables_of(ks);
	set_tables(ks, &mine);
	return r;
}

static int begin(struct keystore *ks, struct report *report)
{
	int r;

	store_drop_copy(ks);
	r = check_room(ks, report);
	if (r < 0)
		return r;
	ks->copy = calloc(1, sizeof(*ks->copy));
	if (!ks->copy)
		return report_set(report, -ENOMEM, "out of memory");
	ks->copy->table = RECORD_CUR;
	return db_report(report, make_tables(ks, &ks->copy->to), "cannot copy", ks->store_dir);
}

/* ---- records ---- */

static int append(struct keystore *ks, MDB_txn *to, MDB_val *key, MDB_val *value)
{
	struct store_copy *c = ks->copy;
	const struct record_place place = { ks->file.ring.store_id, c->table, db_span(key) };
	struct record_header h;
	int r;

	if (key->mv_size != key_len(c->table) || record_header_decode(db_span(value), &h) < 0)
		return -EBADMSG;
	r = db_error(mdb_put(to, dbi_of(&c->to, c->table), key, value, MDB_APPEND));
	if (r < 0)
		return r;
	set_hash_add(&c->set, ks->auth->set, &place, db_span(value));
	c->count[c->table]++;
	memcpy(c->at, key->mv_data, key->mv_size);
	c->at_len = key->mv_size;
	return 0;
}

/* The first record behind the one that was copied last. */
static int seek(const struct store_copy *c, MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
	int r;

	if (c->at_len == 0)
		return db_error(mdb_cursor_get(cursor, key, value, MDB_FIRST));
	*key = db_val(SPAN_OF(c->at, c->at_len));
	r = db_error(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
	if (r == 0 && key->mv_size == c->at_len && memcmp(key->mv_data, c->at, c->at_len) == 0)
		r = db_error(mdb_cursor_get(cursor, key, value, MDB_NEXT));
	return r;
}

static int copy_some(struct keystore *ks, MDB_txn *from, MDB_txn *to)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	struct store_copy *c = ks->copy;
	MDB_val value;
	MDB_val key;
	int r = db_error(mdb_cursor_open(
		from, dbi_of(&(struct tables){ .cur = ks->cur, .hist = ks->hist }, c->table),
		&cursor));

	if (r == 0)
		r = seek(c, cursor, &key, &value);
	for (size_t bytes = 0; r == 0 && bytes < STEP_BYTES;) {
		r = append(ks, to, &key, &value);
		bytes += key.mv_size + value.mv_size;
		if (r == 0)
			r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	if (r != -ENOENT)
		return r;
	c->table++;
	c->at_len = 0;
	return 0;
}

/* ---- the end ---- */

/* Brings the record at PLACE, which changed since it was copied or was not there yet, up to
 * date. */
static int copy_again(struct keystore *ks, MDB_txn *from, MDB_txn *to,
		      const struct record_place *place)
{
	const struct tables mine = tables_of(ks);
	struct store_copy *c = ks->copy;
	MDB_dbi dbi = dbi_of(&c->to, place->table);
	MDB_val key = db_val(place->key);
	MDB_val value;
	int r = db_error(mdb_get(to, dbi, &key, &value));

	if (r == 0) {
		set_hash_subtract(&c->set, ks->auth->set, place, db_span(&value));
		c->count[place->table]--;
		r = db_error(mdb_del(to, dbi, &key, NULL));
	}
	if (r < 0 && r != -ENOENT)
		return r;
	r = db_error(mdb_get(from, dbi_of(&mine, place->table), &key, &value));
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	set_hash_add(&c->set, ks->auth->set, place, db_span(&value));
	c->count[place->table]++;
	return db_error(mdb_put(to, dbi, &key, &value, 0));
}

/* The first of them. */
static int copy_touched(struct keystore *ks, MDB_txn *from, MDB_txn *to)
{
	struct store_copy *c = ks->copy;
	size_t n = c->touched_count < STEP_TOUCHED ? c->touched_count : STEP_TOUCHED;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct touched *t = &c->touched[i];
		const struct record_place place = { ks->file.ring.store_id, t->table,
						    SPAN_OF(t->key, key_len(t->table)) };

		r = copy_again(ks, from, to, &place);
	}
	if (n == 0)
		return r;
	c->touched_count -= n;
	memmove(c->touched, c->touched + n, c->touched_count * sizeof(*c->touched));
	return r;
}

static int copy_table(MDB_txn *from, MDB_dbi dbi, MDB_txn *to, MDB_dbi to_dbi)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	MDB_val value;
	MDB_val key;
	int r = db_error(mdb_cursor_open(from, dbi, &cursor));

	while (r == 0) {
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == 0)
			r = db_error(mdb_put(to, to_dbi, &key, &value, 0));
	}
	return r == -ENOENT ? 0 : r;
}

/* All else, once the records are there; and none is lost, put in or exchanged. */
static int copy_rest(struct keystore *ks, MDB_txn *from, MDB_txn *to)
{
	struct store_copy *c = ks->copy;
	int r = copy_touched(ks, from, to);

	if (r == 0)
		r = copy_table(from, ks->meta_db, to, c->to.meta_db);
	if (r == 0 && ks->has_sums)
		r = copy_table(from, ks->sums, to, c->to.sums);
	else if (r == 0)
		r = db_error(mdb_drop(to, c->to.sums, 1));
	if (r == 0 && (c->count[RECORD_CUR] != ks->meta->count_cur ||
		       c->count[RECORD_HIST] != ks->meta->count_hist ||
		       sodium_memcmp(&c->set, &ks->meta->set, sizeof(c->set)) != 0))
		r = -EBADMSG;
	return r;
}

/* One transaction of the copy: 1 when there is more to do. Synced each time, so that the last
 * one does not wait for the whole file. */
static int work(struct keystore *ks)
{
	cleanup_db_txn MDB_txn *from = NULL;
	cleanup_db_txn MDB_txn *to = NULL;
	struct store_copy *c = ks->copy;
	bool is_copying = c->table <= RECORD_HIST;
	bool is_last = !is_copying && c->touched_count <= STEP_TOUCHED;
	int r = c->failed ? c->failed : db_grow(c->to.db, STEP_AHEAD);

	if (r == 0)
		r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &from));
	if (r == 0)
		r = db_error(mdb_txn_begin(c->to.db, NULL, 0, &to));
	if (r == 0 && is_copying)
		r = copy_some(ks, from, to);
	else if (r == 0)
		r = is_last ? copy_rest(ks, from, to) : copy_touched(ks, from, to);
	if (r == 0)
		r = db_error(mdb_txn_commit(steal_ptr(to)));
	if (r == 0)
		r = db_error(mdb_env_sync(c->to.db, 1));
	return r < 0 ? r : !is_last;
}

/* Both names are those of files that are open already: LMDB goes on with them. A lock file of
 * the old store beside the new one, if we die between the two, is made anew at the next open.
 */
static int take_names(struct keystore *ks)
{
	cleanup_close int dir =
		openat(ks->dirfd, STORE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0)
		return -errno;
	if (renameat(ks->dirfd, STORE_COPY, ks->dirfd, STORE_NAME "/data.mdb") < 0)
		return -errno;
	(void)renameat(ks->dirfd, COPY_LOCK, ks->dirfd, STORE_NAME "/lock.mdb");
	(void)fsync(dir); /* the old file holds the same: which one survives a power cut is all
			     one */
	return 0;
}

/* Opens the copy; on success KS works on it. */
static int open_copy(struct keystore *ks)
{
	char path[PATH_MAX + sizeof(STORE_COPY)];
	struct tables old = tables_of(ks);
	int r;

	store_drop_reader(ks);
	(void)snprintf(path, sizeof(path), "%s/" STORE_COPY, ks->dir); /* it fits */
	ks->db = NULL;
	r = keystore_db_open_at(ks, path, MDB_NOSUBDIR, false);
	if (r == 0)
		r = state_same(ks);
	if (r == 0)
		r = take_names(ks);
	if (r < 0) {
		if (ks->db)
			mdb_env_close(ks->db);
		set_tables(ks, &old);
		return r;
	}
	store_view_break_all(ks); /* of the old file */
	mdb_env_close(old.db);
	return 0;
}

static int check_use(const struct keystore *ks, struct report *report)
{
	if (ks->in_txn || ks->walking)
		return report_set(report, -EBUSY, "the store is in use");
	if (ks->in_backup)
		return report_set(report, -EBUSY,
				  "a backup is being made: what was given up is put away "
				  "when that is done");
	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	return state_is_whole(ks, report);
}

static int tell(const struct keystore *ks, int r, struct report *report)
{
	if (r != -EAGAIN)
		return db_report(report, r, "cannot copy", ks->store_dir);
	(void)report_set(report, r,
			 "%s: more than %d records changed while the compact copy was made",
			 ks->store_dir, TOUCHED_MAX);
	return r;
}

int keystore_compact_step(struct keystore *ks, struct report *report)
{
	int r = check_use(ks, report);

	if (r < 0)
		return r;
	r = ks->copy ? 0 : begin(ks, report);
	if (r == 0) {
		r = work(ks);
		if (r > 0)
			return 1;
		r = tell(ks, r, report);
	}
	free_copy(ks);
	if (r == 0)
		r = db_report(report, open_copy(ks), "cannot put a copy in the place of",
			      ks->store_dir);
	if (r < 0)
		store_drop_copy(ks);
	return r;
}

uint64_t keystore_compact_done(const struct keystore *ks)
{
	return ks->copy ? ks->copy->count[RECORD_CUR] + ks->copy->count[RECORD_HIST] : 0;
}

int store_compact(struct keystore *ks, struct report *report)
{
	int r;

	do
		r = keystore_compact_step(ks, report);
	while (r > 0);
	return r;
}
