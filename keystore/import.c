/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many records, put in the order of their keys: a B+tree that is written from left to right
 * copies no page twice and has no half-empty ones.
 *
 * Memory holds 56 bytes for each record, twice that while they are put in order; the sealed
 * records themselves wait in a file without a name beside the store, which a crash takes away.
 * LMDB's list of dirty pages has 131,071 entries and is never spilled here: BATCH_BYTES are
 * some 5,000 pages.
 */
#include "keystore/import.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "keystore/internal.h"
#include "keystore/sorting.h"

enum {
	BATCH_BYTES = 16 * 1024 * 1024, /* of keys and values in one transaction */
	ASIDE_BYTES = 1024 * 1024,	/* gathered before they are written aside */
	ASIDE_MODE = 0600,
	LOOK = 16 * 1024, /* entries that are looked at in one step before anything is written
			   */
};

/* One after the other, each in steps. */
enum phase { PUTTING, SORTING, FINDING_TWICE, FINDING_PRESENT, WRITING };

struct entry {
	uint8_t key[RECORD_KEY_MAX]; /* with the version behind a tombstone's hash */
	uint64_t at;		     /* in the file aside */
	uint32_t len;
	uint32_t table;
};

struct keystore_import {
	struct keystore *ks;
	enum keystore_import_mode mode;
	uint64_t txid; /* what the headers say: that of the first transaction, or one before */
	uint32_t epoch_auth,
		epoch_issuer; /* that everything is sealed under; 0: none was open */
	struct entry *entries;
	size_t count, size;
	size_t done;
	enum phase phase;
	struct sorting sorting;
	size_t looked; /* by the phase at work */
	size_t kept;   /* of those: not in the store yet */
	size_t graves; /* where the tombstones begin */
	int failed;    /* putting aside: what is there can not be trusted */

	int fd;
	uint64_t written;
	struct buf pending; /* sealed, not written aside yet */
	struct buf value;   /* the one at work */
};

static uint32_t active_epoch(const struct epochs *e)
{
	return epochs_active(e)->id;
}

/* A file that nobody else can open and that is gone with us. */
static int open_aside(const struct keystore *ks)
{
	cleanup_close int dir =
		openat(ks->dirfd, STORE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	static const char name[] = "import.new";
	int fd;

	if (dir < 0)
		return -errno;
	fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, ASIDE_MODE);
	if (fd >= 0 || errno != EOPNOTSUPP)
		return fd < 0 ? -errno : fd;
	(void)unlinkat(dir, name, 0); /* of a crash between the two lines below */
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, ASIDE_MODE);
	if (fd >= 0 && unlinkat(dir, name, 0) < 0)
		closep(&fd);
	return fd < 0 ? -errno : fd;
}

int keystore_import_begin(struct keystore *ks, enum keystore_import_mode mode,
			  struct keystore_import **ret, struct report *report)
{
	cleanup_import struct keystore_import *imp = NULL;
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	imp = calloc(1, sizeof(*imp));
	if (!imp)
		return report_set(report, -ENOMEM, "out of memory");
	imp->ks = ks;
	imp->mode = mode;
	imp->txid = ks->meta->txid + 1;
	imp->epoch_auth = active_epoch(&ks->auth->epochs);
	imp->epoch_issuer = ks->issuer ? active_epoch(&ks->issuer->epochs) : 0;
	imp->fd = open_aside(ks);
	if (imp->fd < 0)
		return db_report(report, imp->fd, "cannot lay records aside in", ks->store_dir);
	*ret = steal_ptr(imp);
	return 0;
}

void keystore_import_free(struct keystore_import *imp)
{
	if (!imp)
		return;
	closep(&imp->fd);
	buf_release(&imp->pending);
	buf_release(&imp->value);
	if (imp->phase == SORTING)
		imp->entries = sorting_end(&imp->sorting);
	free(imp->entries);
	free(imp);
}

uint64_t keystore_import_total(const struct keystore_import *imp)
{
	return imp->count;
}

uint64_t keystore_import_done(const struct keystore_import *imp)
{
	return imp->done;
}

/* ---- laying aside ---- */

static int write_aside(struct keystore_import *imp)
{
	int r = fs_write_all(imp->fd, imp->pending.data, imp->pending.len);

	if (r < 0)
		return r;
	imp->written += imp->pending.len;
	buf_clear(&imp->pending);
	return 0;
}

static int make_room(struct keystore_import *imp)
{
	size_t size = imp->size ? 2 * imp->size : 1024;
	struct entry *entries;

	if (imp->count < imp->size)
		return 0;
	entries = reallocarray(imp->entries, size, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	imp->entries = entries;
	imp->size = size;
	return 0;
}

static int check_keys(const struct keystore_import *imp, struct report *report)
{
	const struct keystore *ks = imp->ks;
	int r = state_may_change(ks, report);

	if (r < 0)
		return r;
	if (active_epoch(&ks->auth->epochs) == imp->epoch_auth &&
	    (!imp->epoch_issuer || !ks->issuer ||
	     active_epoch(&ks->issuer->epochs) == imp->epoch_issuer))
		return 0;
	return report_set(report, -EAGAIN,
			  "the store's keys were renewed during the import: begin it again");
}

/* Seals CONTENT under H for the place that E names, and lays it aside. */
static int lay_aside(struct keystore_import *imp, struct entry *e, struct record_header *h,
		     const struct record_content *content)
{
	struct keystore *ks = imp->ks;
	size_t key_len = e->table == RECORD_CUR ? SEAL_HASH_LEN : RECORD_KEY_MAX;
	const struct record_place place = { ks->file.ring.store_id, (enum record_table)e->table,
					    SPAN_OF(e->key, key_len) };
	const struct record_output out = { ks->scratch, &imp->pending };
	const struct epoch *epoch = store_epoch(ks, h);
	size_t before = imp->pending.len;
	int r = make_room(imp);

	if (r < 0)
		return r;
	h->epoch = epoch->id;
	h->txid = imp->txid;
	rng_fill(&ks->rng, h->nonce, SEAL_NONCE_LEN);
	e->at = imp->written + before;
	r = record_seal(&place, h, epoch->key, content, &out);
	if (r < 0)
		return r;
	e->len = (uint32_t)(imp->pending.len - before);
	imp->entries[imp->count++] = *e;
	if (imp->pending.len >= ASIDE_BYTES)
		r = write_aside(imp);
	if (r < 0)
		imp->failed = r;
	return r;
}

static int may_put(const struct keystore_import *imp, const struct keystore_id *id,
		   enum keystore_tier tier)
{
	if (imp->failed)
		return imp->failed;
	if (imp->phase != PUTTING || imp->ks->walking)
		return -EBUSY;
	if (!record_id_valid(id))
		return -EINVAL;
	if (!keystore_is_open(imp->ks, tier) ||
	    (tier == KEYSTORE_ISSUER && imp->epoch_issuer == 0))
		return -ENOKEY;
	return check_keys(imp, NULL);
}

int keystore_import_put(struct keystore_import *imp, const struct keystore_record *rec)
{
	const struct record_content content = {
		.id = rec->id,
		.created = rec->created ? rec->created : clock_now(&imp->ks->clock).wall,
		.state = rec->state,
		.attrs = { rec->attrs, rec->attrs_len },
		.body = { rec->body, rec->body_len },
	};
	struct record_header h = {
		.flags = rec->tier == KEYSTORE_ISSUER ? RECORD_ISSUER : 0,
		.version = rec->version ? rec->version : 1,
	};
	struct entry e = { .table = RECORD_CUR };
	int r;

	if ((rec->tier != KEYSTORE_AUTH && rec->tier != KEYSTORE_ISSUER) ||
	    rec->attrs_len > KEYSTORE_ATTRS_MAX || rec->body_len > KEYSTORE_BODY_MAX ||
	    rec->version > KEYSTORE_VERSION_MAX)
		return -EINVAL;
	r = may_put(imp, &rec->id, rec->tier);
	if (r < 0)
		return r;
	record_hash_id(imp->ks->auth->name, &rec->id, e.key);
	return lay_aside(imp, &e, &h, &content);
}

int keystore_import_tombstone(struct keystore_import *imp, const struct keystore_id *id,
			      const struct keystore_tombstone *t)
{
	const struct record_content content = {
		.id = *id,
		.created = t->time,
		.reason = { (const uint8_t *)t->reason,
			    strnlen(t->reason, KEYSTORE_REASON_MAX) },
	};
	struct record_header h = { .flags = RECORD_TOMBSTONE, .version = t->version };
	struct entry e = { .table = RECORD_HIST };
	int r;

	if (t->version == 0 || t->version > KEYSTORE_VERSION_MAX + 1)
		return -EINVAL;
	r = may_put(imp, id, KEYSTORE_AUTH);
	if (r < 0)
		return r;
	record_hash_id(imp->ks->auth->name, id, e.key);
	store_be64(e.key + SEAL_HASH_LEN, t->version);
	return lay_aside(imp, &e, &h, &content);
}

/* ---- before the first record is written ---- */

static int compare(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	return memcmp(x->key, y->key, RECORD_KEY_MAX);
}

static bool is_same_id(const struct entry *a, const struct entry *b)
{
	return memcmp(a->key, b->key, SEAL_HASH_LEN) == 0;
}

/* The id as the import was given it: what a person has to know. */
static int refuse(struct keystore_import *imp, const struct entry *e, const char *why,
		  struct report *report)
{
	char hex[17] = "";

	(void)imp;
	(void)sodium_bin2hex(hex, sizeof(hex), e->key, 8);
	(void)report_set(report, -EEXIST, "%s: record %s... %s; nothing was imported",
			 imp->ks->store_dir, hex, why);
	return -EEXIST;
}

/* True for a tombstone of an id that a record is given for. */
static bool has_record(const struct keystore_import *imp, const struct entry *grave)
{
	size_t low = 0, high = imp->graves;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (memcmp(imp->entries[mid].key, grave->key, SEAL_HASH_LEN) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < imp->graves && is_same_id(&imp->entries[low], grave);
}

/* Neighbours in one table, and what is in both. */
static int find_twice(struct keystore_import *imp, struct report *report)
{
	size_t stop = imp->count - imp->looked > LOOK ? imp->looked + LOOK : imp->count;

	for (; imp->looked < stop; imp->looked++) {
		const struct entry *e = &imp->entries[imp->looked];

		if (e->table == RECORD_CUR)
			imp->graves = imp->looked + 1;
		else if (has_record(imp, e))
			return refuse(imp, e, "is given as a record and as a tombstone",
				      report);
		if (imp->looked > 0 && e[-1].table == e->table && is_same_id(e, &e[-1]))
			return refuse(imp, e, "is given twice", report);
	}
	return 0;
}

/* 1 when TXN has the id of E in either table. */
static int is_there(struct keystore *ks, MDB_txn *txn, const struct entry *e)
{
	MDB_val key = db_val(SPAN_OF(e->key, SEAL_HASH_LEN));
	uint8_t newest[RECORD_KEY_MAX];
	struct span found;
	MDB_val value;
	int r = db_error(mdb_get(txn, ks->cur, &key, &value));

	if (r == -ENOENT)
		r = store_newest_hist(ks, txn, e->key, newest, &found);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : 1;
}

/* Passes over, or refuses, what the store has. */
static int find_present(struct keystore_import *imp, struct report *report)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	struct keystore *ks = imp->ks;
	bool is_empty = ks->meta->count_cur + ks->meta->count_hist == 0;
	size_t stop = imp->count - imp->looked > LOOK ? imp->looked + LOOK : imp->count;
	int r = is_empty ? 0 : db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));

	for (; r >= 0 && imp->looked < stop; imp->looked++) {
		struct entry *e = &imp->entries[imp->looked];

		r = is_empty ? 0 : is_there(ks, txn, e);
		if (r < 0)
			break;
		if (r > 0 && imp->mode == KEYSTORE_IMPORT_NEW)
			return refuse(imp, e, "is in the store already", report);
		if (r == 0)
			imp->entries[imp->kept++] = *e;
	}
	return r < 0 ? db_report(report, r, "cannot read", ks->store_dir) : 0;
}

static void next_phase(struct keystore_import *imp)
{
	imp->phase++;
	imp->looked = 0;
}

static int begin_sorting(struct keystore_import *imp, struct report *report)
{
	int r = imp->failed ? imp->failed : write_aside(imp);

	if (r < 0)
		return db_report(report, imp->failed = r, "cannot lay records aside in",
				 imp->ks->store_dir);
	imp->sorting.compare = compare;
	r = sorting_begin(&imp->sorting, imp->entries, imp->count, sizeof(*imp->entries));
	if (r < 0)
		return report_set(report, r, "out of memory");
	imp->entries = NULL;
	next_phase(imp);
	return 0;
}

static void sort_some(struct keystore_import *imp)
{
	if (sorting_step(&imp->sorting) > 0)
		return;
	imp->entries = sorting_end(&imp->sorting);
	next_phase(imp);
}

/* One step of what comes before the first record is written. */
static int prepare(struct keystore_import *imp, struct report *report)
{
	int r = 0;

	if (imp->phase == PUTTING)
		return begin_sorting(imp, report);
	if (imp->phase == SORTING) {
		sort_some(imp);
		return 0;
	}
	r = imp->phase == FINDING_TWICE ? find_twice(imp, report) : find_present(imp, report);
	if (r < 0 || imp->looked < imp->count)
		return r;
	if (imp->phase == FINDING_PRESENT)
		imp->count = imp->kept;
	next_phase(imp);
	return 0;
}

/* ---- writing ---- */

static int read_back(struct keystore_import *imp, const struct entry *e)
{
	uint8_t *to;

	buf_clear(&imp->value);
	to = buf_reserve(&imp->value, e->len);
	if (!to)
		return -ENOMEM;
	for (size_t got = 0; got < e->len;) {
		ssize_t n = pread(imp->fd, to + got, e->len - got, (off_t)(e->at + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		got += (size_t)n;
	}
	imp->value.len = e->len;
	return 0;
}

static int fill(struct keystore_import *imp, struct keystore_txn *txn, size_t *ret_next)
{
	uint64_t bytes = 0;
	size_t i = imp->done;
	int r = 0;

	for (; i < imp->count && bytes < BATCH_BYTES; i++) {
		const struct entry *e = &imp->entries[i];
		size_t key_len = e->table == RECORD_CUR ? SEAL_HASH_LEN : RECORD_KEY_MAX;

		r = read_back(imp, e);
		if (r == 0)
			r = txn_enter(txn, (enum record_table)e->table,
				      SPAN_OF(e->key, key_len),
				      SPAN_OF(imp->value.data, imp->value.len));
		if (r < 0)
			return r;
		bytes += key_len + e->len;
	}
	*ret_next = i;
	return 0;
}

int keystore_import_step(struct keystore_import *imp, struct report *report)
{
	struct keystore_txn *txn;
	size_t next;
	int r = check_keys(imp, report);

	if (r < 0)
		return r;
	if (imp->phase < WRITING) {
		r = prepare(imp, report);
		return r < 0 ? r : imp->phase < WRITING || imp->count > 0;
	}
	if (imp->done == imp->count)
		return 0;
	r = keystore_begin(imp->ks, &txn, report);
	if (r < 0)
		return r;
	r = fill(imp, txn, &next);
	if (r < 0) {
		keystore_abort(txn);
		return db_report(report, r, "cannot import into", imp->ks->store_dir);
	}
	r = keystore_commit(txn, NULL, report);
	if (r < 0)
		return r;
	imp->done = next;
	return imp->done < imp->count;
}

int keystore_import_finish(struct keystore_import *imp, uint64_t *ret_txid,
			   struct report *report)
{
	int r;

	do
		r = keystore_import_step(imp, report);
	while (r > 0);
	if (r == 0 && ret_txid)
		*ret_txid = imp->ks->meta->txid;
	keystore_import_free(imp);
	return r;
}
