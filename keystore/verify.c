/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the whole store and holds it against META, anchor, keyring and sums. */
#include "keystore/verify.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "keystore/check.h"
#include "keystore/datafile.h"

enum {
	STEP_RECORDS = 2000,	  /* of one step; some milliseconds */
	STEP_BYTES = 1024 * 1024, /* with large records less of them */
};

static const struct {
	const char *word;
	const char *hint;
} rows[KEYSTORE_PROBLEM_MAX_] = {
#define PROBLEM(id, word, hint) [KEYSTORE_PROBLEM_##id] = { word, hint },
#include "keystore/problems.def"
#undef PROBLEM
};

const char *keystore_problem_word(enum keystore_problem_type type)
{
	return rows[type].word;
}

const char *keystore_problem_hint(enum keystore_problem_type type)
{
	return rows[type].hint;
}

struct keystore_problem *check_add(struct keystore_check *c, enum keystore_problem_type type,
				   const uint8_t *key, const char *fmt, ...)
{
	struct keystore_verdict *v = &c->verdict;
	struct keystore_problem *p;
	va_list ap;

	v->problem_count++;
	if (v->listed == KEYSTORE_PROBLEMS_MAX)
		return NULL;
	p = &v->problems[v->listed++];
	*p = (struct keystore_problem){ .type = type, .has_key = key != NULL };
	if (key)
		memcpy(p->key, key, KEYSTORE_KEY_LEN);
	va_start(ap, fmt);
	(void)vsnprintf(p->what, sizeof(p->what), fmt, ap); /* cut to fit */
	va_end(ap);
	return p;
}

void check_where(enum record_table table, struct span key, char ret[static CHECK_WHERE_SIZE])
{
	char hex[17] = "";

	(void)sodium_bin2hex(hex, sizeof(hex), key.data, key.len < 8 ? key.len : 8);
	(void)snprintf(ret, CHECK_WHERE_SIZE, "%s %s... in %s",
		       table == RECORD_CUR ? "record" : "tombstone", hex,
		       table == RECORD_CUR ? "cur" : "hist"); /* it fits */
}

/* ---- one record ---- */

static void bad(struct keystore_check *c, const struct record_place *place,
		enum keystore_problem_type type, const char *what)
{
	char where[CHECK_WHERE_SIZE];

	check_where(place->table, place->key, where);
	(void)check_add(c, type, place->key.len >= KEYSTORE_KEY_LEN ? place->key.data : NULL,
			"%s %s", where, what);
}

static void suspect(struct keystore_check *c, const struct record_place *place,
		    struct span value)
{
	struct suspect *s;

	bad(c, place, KEYSTORE_PROBLEM_RECORD_ALTERED, "does not open: it was altered");
	if (c->suspect_count == KEYSTORE_PROBLEMS_MAX || c->verdict.listed == 0 ||
	    c->verdict.problem_count > KEYSTORE_PROBLEMS_MAX)
		return;
	s = &c->suspects[c->suspect_count++];
	*s = (struct suspect){ .table = place->table,
			       .key_len = place->key.len,
			       .problem = c->verdict.listed - 1 };
	memcpy(s->key, place->key.data, place->key.len);
	memcpy(s->header, value.data, RECORD_HEADER_LEN);
}

static void count_readable(struct keystore_check *c, const struct record_header *h)
{
	if (h->flags & RECORD_TOMBSTONE)
		return;
	if (h->flags & RECORD_ISSUER)
		c->verdict.readable_issuer++;
	else
		c->verdict.readable_auth++;
}

/* A record that opens must also be where its own name says. */
static void check_content(struct keystore_check *c, const struct record_place *place,
			  const struct record_header *h, struct span value)
{
	const struct epoch *epoch = store_epoch(c->ks, h);
	uint8_t hash[SEAL_HASH_LEN] = { 0 };
	struct record_content content;
	int r;

	if (!epoch && h->flags & RECORD_ISSUER && !c->ks->issuer) {
		c->verdict.totals.unreadable++;
		return;
	}
	if (!epoch) {
		bad(c, place, KEYSTORE_PROBLEM_RECORD_EPOCH,
		    "is of an unknown epoch: it is older than the keys, or of another store");
		return;
	}
	r = record_open(place, epoch->key, value, c->ks->scratch, &content);
	if (r == 0)
		record_hash_id(c->ks->auth->name, &content.id, hash);
	store_wipe_scratch(c->ks, value.len);
	if (r < 0)
		suspect(c, place, value);
	else if (memcmp(hash, place->key.data, SEAL_HASH_LEN) != 0)
		bad(c, place, KEYSTORE_PROBLEM_RECORD_MOVED, "lies under another name");
	else
		count_readable(c, h);
}

static bool is_of_newer_format(struct span value)
{
	return value.len > RECORD_HEADER_LEN && value.data[0] > RECORD_FORMAT;
}

static bool is_in_wrong_table(const struct record_place *place, const struct record_header *h)
{
	bool hist = place->table == RECORD_HIST;

	return hist != !!(h->flags & RECORD_TOMBSTONE) ||
	       (hist && load_be64(place->key.data + SEAL_HASH_LEN) != h->version);
}

static void check_record(struct keystore_check *c, const struct record_place *place,
			 struct span value)
{
	size_t key_len = place->table == RECORD_HIST ? RECORD_KEY_MAX : SEAL_HASH_LEN;
	struct record_header h;
	struct sum part;

	c->count[place->table]++;
	if (place->key.len != key_len || record_header_decode(value, &h) < 0) {
		if (is_of_newer_format(value))
			bad(c, place, KEYSTORE_PROBLEM_RECORD_NEWER,
			    "is of a newer format than this rotated reads");
		else
			bad(c, place, KEYSTORE_PROBLEM_RECORD_MALFORMED, "is malformed");
		return;
	}
	set_hash_add(&c->set, c->ks->auth->set, place, value);
	sum_of(c->ks->auth->set, place, value, &part);
	sum_add(&c->sums[sum_bucket(place->key.data)], &part);
	if (is_in_wrong_table(place, &h))
		bad(c, place, KEYSTORE_PROBLEM_RECORD_MOVED, "is in the wrong table");
	else if (h.txid > c->meta->txid)
		bad(c, place, KEYSTORE_PROBLEM_RECORD_FOREIGN,
		    "is newer than META: it was not written here");
	else
		check_content(c, place, &h, value);
}

/* ---- the ends ---- */

static void check_totals(struct keystore_check *c)
{
	const struct meta *m = c->meta;
	bool is_counted =
		c->count[RECORD_CUR] == m->count_cur && c->count[RECORD_HIST] == m->count_hist;

	if (c->is_cut)
		return; /* the sums are of a part */
	if (!is_counted)
		(void)check_add(c, KEYSTORE_PROBLEM_TOTALS, NULL,
				"META counts %" PRIu64 " records and %" PRIu64
				" tombstones, there are %" PRIu64 " and %" PRIu64,
				m->count_cur, m->count_hist, c->count[RECORD_CUR],
				c->count[RECORD_HIST]);
	else if (sodium_memcmp(&c->set, &m->set, sizeof(c->set)) != 0)
		(void)check_add(c, KEYSTORE_PROBLEM_TOTALS, NULL,
				"the set hash does not fit: records were exchanged for others");
}

/* What is on disk now, not what was when it was opened. */
static void check_keyring(struct keystore_check *c)
{
	const struct keystore *ks = c->ks;
	cleanup_buf struct buf bytes = BUF_INIT;
	int r;

	ring_put_back(c->ks);
	r = fs_read(ks->dirfd, KEYRING_NAME, KEYRING_FILE_MAX, &bytes);

	if (r < 0)
		(void)check_add(c, KEYSTORE_PROBLEM_KEYRING, NULL,
				"%s/keyring cannot be read: %s", ks->dir, strerrordesc_np(-r));
	else if (bytes.len != ks->ring_bytes.len ||
		 memcmp(bytes.data, ks->ring_bytes.data, bytes.len) != 0)
		(void)check_add(c, KEYSTORE_PROBLEM_KEYRING, NULL,
				"%s/keyring is not the one that is open", ks->dir);
}

static void check_state(struct keystore_check *c)
{
	struct report report = { 0 };
	enum keystore_problem_type type = KEYSTORE_PROBLEM_ANCHOR_WRITE;
	int r = state_check(c->ks, &report);

	if (r == 0 || c->ks->health == KEYSTORE_DAMAGED) /* which was told first of all */
		return;
	if (r == -EBADMSG)
		type = KEYSTORE_PROBLEM_META;
	else if (c->ks->health == KEYSTORE_NO_ANCHOR)
		type = KEYSTORE_PROBLEM_ANCHOR;
	else if (r == -ESTALE)
		type = KEYSTORE_PROBLEM_ROLLED_BACK;
	(void)check_add(c, type, NULL, "%s", report.what);
}

static void finish(struct keystore_check *c)
{
	c->verdict.totals.txid = c->meta->txid;
	c->verdict.totals.records = c->count[RECORD_CUR];
	c->verdict.totals.tombstones = c->count[RECORD_HIST];
	if (!c->is_cut)
		diagnose_sums(c);
	diagnose_moved(c);
	check_totals(c);
	check_state(c);
	if (!c->is_before_ring)
		check_keyring(c);
	store_view_close(c->ks, &c->snapshot);
	c->phase = CHECK_DONE;
}

/* ---- steps ---- */

static void begin_table(struct keystore_check *c, enum record_table table)
{
	c->table = table;
	c->at_len = 0;
}

static void next_phase(struct keystore_check *c)
{
	if (c->table == RECORD_CUR) {
		begin_table(c, RECORD_HIST);
		return;
	}
	if (c->phase == CHECK_CUR && c->suspect_count > 0) {
		c->phase = CHECK_COPIES;
		begin_table(c, RECORD_CUR);
		return;
	}
	finish(c);
}

/* Behind the last key that was read. */
static int seek(struct keystore_check *c, MDB_cursor *cursor, MDB_val *key, MDB_val *value)
{
	int r;

	if (c->at_len == 0)
		return db_error(mdb_cursor_get(cursor, key, value, MDB_FIRST));
	*key = db_val(SPAN_OF(c->at, c->at_len));
	r = db_error(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
	if (r < 0 || key->mv_size != c->at_len || memcmp(key->mv_data, c->at, c->at_len) != 0)
		return r;
	return db_error(mdb_cursor_get(cursor, key, value, MDB_NEXT));
}

static void look_at(struct keystore_check *c, struct span key, struct span value)
{
	const struct record_place place = { c->ks->file.ring.store_id, c->table, key };

	if (c->phase == CHECK_COPIES) {
		diagnose_copy(c, c->table, key, value);
		return;
	}
	c->seen++;
	check_record(c, &place, value);
}

/* 1 in the middle of a table, -ENOENT at its end. */
static int read_some(struct keystore_check *c)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	MDB_dbi dbi = c->table == RECORD_CUR ? c->ks->cur : c->ks->hist;
	size_t bytes = 0;
	MDB_val value;
	MDB_val key;
	int r = db_error(mdb_cursor_open(c->snapshot.txn, dbi, &cursor));

	if (r == 0)
		r = seek(c, cursor, &key, &value);
	for (unsigned n = 0; r == 0; n++) {
		bytes += value.mv_size;
		c->at_len = key.mv_size < sizeof(c->at) ? key.mv_size : sizeof(c->at);
		memcpy(c->at, key.mv_data, c->at_len);
		look_at(c, db_span(&key), db_span(&value));
		if (n == STEP_RECORDS || bytes > STEP_BYTES)
			return 1;
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	return r;
}

/* What LMDB cannot read on: the rest of the table is lost to the check, and the other table is
 * not. */
static void give_up_table(struct keystore_check *c, int r)
{
	const char *table = c->table == RECORD_CUR ? "cur" : "hist";

	c->is_cut = true;
	if (r == -EBADMSG)
		(void)check_add(c, KEYSTORE_PROBLEM_PAGES, NULL,
				"%s/data.mdb: pages of table %s are damaged after %" PRIu64
				" entries",
				c->ks->store_dir, table, c->seen);
	else
		(void)check_add(c, KEYSTORE_PROBLEM_READ, NULL, "%s: cannot read table %s: %s",
				c->ks->store_dir, table, strerrordesc_np(-r));
}

int keystore_check_step(struct keystore_check *c, struct report *report)
{
	int r;

	if (c->phase == CHECK_DONE)
		return 0;
	if (!c->ks->auth)
		return report_set(report, -ENOKEY, "the keystore was sealed");
	if (!c->snapshot.txn)
		return report_set(report, -ESTALE, "the store was replaced while it was read");
	if (c->ks->walking)
		return report_set(report, -EBUSY, "a walk through the store is under way");
	r = read_some(c);
	if (r < 0 && r != -ENOENT)
		give_up_table(c, r);
	if (r < 0)
		next_phase(c);
	return c->phase != CHECK_DONE;
}

uint64_t keystore_check_seen(const struct keystore_check *c)
{
	return c->seen;
}

const struct keystore_verdict *keystore_check_verdict(const struct keystore_check *c)
{
	return &c->verdict;
}

void keystore_check_free(struct keystore_check *c)
{
	if (!c)
		return;
	store_view_close(c->ks, &c->snapshot);
	keys_free(c->meta);
	free(c);
}

static int begin(struct keystore_check *c, struct report *report)
{
	int r = store_view_open(c->ks, &c->snapshot);

	if (r < 0)
		return db_report(report, r, "cannot read", c->ks->store_dir);
	c->meta = keys_alloc(sizeof(*c->meta), &c->ks->locked);
	if (!c->meta)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = state_meta_of(c->ks, c->snapshot.txn, c->meta);
	if (r < 0) {
		*c->meta = *c->ks->meta;
		(void)check_add(c, KEYSTORE_PROBLEM_META, NULL,
				"%s: the META record does not open: %s", c->ks->store_dir,
				strerrordesc_np(-r));
	}
	return 0;
}

int keystore_check_begin(struct keystore *ks, struct keystore_check **ret,
			 struct report *report)
{
	struct report damage = { 0 };
	struct keystore_check *c;
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	c = calloc(1, sizeof(*c));
	if (!c)
		return report_set(report, -ENOMEM, "out of memory");
	c->ks = ks;
	c->phase = CHECK_CUR;
	c->table = RECORD_CUR;
	if (state_is_whole(ks, &damage) < 0)
		(void)check_add(c, KEYSTORE_PROBLEM_PAGES, NULL, "%s", damage.what);
	r = begin(c, report);
	if (r < 0) {
		keystore_check_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static int verdict_error(const struct keystore_problem *p)
{
	if (p->type == KEYSTORE_PROBLEM_ROLLED_BACK || p->type == KEYSTORE_PROBLEM_ANCHOR)
		return -ESTALE;
	if (p->type == KEYSTORE_PROBLEM_READ || p->type == KEYSTORE_PROBLEM_ANCHOR_WRITE)
		return -EIO;
	return -EBADMSG;
}

int check_outcome(const struct keystore_check *c, struct report *report)
{
	const struct keystore_problem *p = &c->verdict.problems[0];
	int r;

	if (c->verdict.problem_count == 0)
		return 0;
	r = report_set(report, verdict_error(p), "%s: %s", c->ks->store_dir, p->what);
	report_hint(report, "%s", keystore_problem_hint(p->type));
	return r;
}

int keystore_verify(struct keystore *ks, struct keystore_verify *ret, struct report *report)
{
	struct keystore_check *c;
	int r = keystore_check_begin(ks, &c, report);

	if (r < 0)
		return r;
	while ((r = keystore_check_step(c, report)) > 0)
		;
	if (r == 0)
		r = check_outcome(c, report);
	if (r == 0 && ret)
		*ret = c->verdict.totals;
	keystore_check_free(c);
	return r;
}

int keystore_key_of(const struct keystore *ks, const struct keystore_id *id,
		    uint8_t ret[static KEYSTORE_KEY_LEN])
{
	_Static_assert((int)KEYSTORE_KEY_LEN == (int)SEAL_HASH_LEN, "what lies in LMDB");
	if (!record_id_valid(id))
		return -EINVAL;
	if (!ks->auth)
		return -ENOKEY;
	record_hash_id(ks->auth->name, id, ret);
	return 0;
}
