/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the whole store and holds it against META, anchor and keyring. */
#include "keystore/verify.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fs.h"
#include "keystore/internal.h"

struct check {
	struct keystore *ks;
	struct report *report;
	struct set_hash set;
	uint64_t count[RECORD_HIST + 1];
	uint64_t unreadable;
};

static int bad(const struct check *c, const char *table, struct span key, const char *what)
{
	char hex[17] = "";

	(void)sodium_bin2hex(hex, sizeof(hex), key.data, key.len < 8 ? key.len : 8);
	(void)report_set(c->report, -EBADMSG, "%s: record %s... in %s %s", c->ks->store_dir,
			 hex, table, what);
	report_hint(c->report, "put back a backup of %s", c->ks->dir);
	return -EBADMSG;
}

/* A record that opens must also be where its own name says. */
static int check_content(struct check *c, const struct record_place *place,
			 const struct record_header *h, struct span value)
{
	const struct epoch *epoch = store_epoch(c->ks, h);
	const char *table = place->table == RECORD_CUR ? "cur" : "hist";
	uint8_t hash[SEAL_HASH_LEN];
	struct record_content content;
	int r;

	if (!epoch && h->flags & RECORD_ISSUER && !c->ks->issuer) {
		c->unreadable++;
		return 0;
	}
	if (!epoch)
		return bad(c, table, place->key, "is of an unknown epoch");
	r = record_open(place, epoch->key, value, c->ks->scratch, &content);
	if (r == 0)
		record_hash_id(c->ks->auth->name, &content.id, hash);
	store_wipe_scratch(c->ks, value.len);
	if (r < 0)
		return bad(c, table, place->key, "does not open: it was altered or moved");
	if (memcmp(hash, place->key.data, SEAL_HASH_LEN) != 0)
		return bad(c, table, place->key, "lies under another name");
	return 0;
}

static int check_record(struct check *c, const struct record_place *place, struct span value)
{
	bool hist = place->table == RECORD_HIST;
	struct record_header h;

	if (place->key.len != (hist ? RECORD_KEY_MAX : SEAL_HASH_LEN) ||
	    record_header_decode(value, &h) < 0)
		return bad(c, hist ? "hist" : "cur", place->key, "is malformed");
	if (hist != !!(h.flags & RECORD_TOMBSTONE) ||
	    (hist && load_be64(place->key.data + SEAL_HASH_LEN) != h.version))
		return bad(c, hist ? "hist" : "cur", place->key, "is in the wrong table");
	if (h.txid > c->ks->meta->txid)
		return bad(c, hist ? "hist" : "cur", place->key, "is newer than META");
	c->count[place->table]++;
	set_hash_add(&c->set, c->ks->auth->set, place, value);
	return check_content(c, place, &h, value);
}

static int check_table(struct check *c, MDB_txn *txn, enum record_table table)
{
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	MDB_dbi dbi = table == RECORD_CUR ? c->ks->cur : c->ks->hist;
	MDB_val value;
	MDB_val key;
	int r;

	r = db_error(mdb_cursor_open(txn, dbi, &cursor));
	while (r == 0) {
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
		if (r == -ENOENT)
			return 0;
		if (r == 0) {
			const struct record_place place = { c->ks->file.ring.store_id, table,
							    db_span(&key) };

			r = check_record(c, &place, db_span(&value));
			if (r < 0)
				return r;
		}
	}
	return db_report(c->report, r, "cannot read", c->ks->store_dir);
}

static int check_totals(const struct check *c)
{
	const struct meta *m = c->ks->meta;

	if (c->count[RECORD_CUR] != m->count_cur || c->count[RECORD_HIST] != m->count_hist) {
		(void)report_set(c->report, -EBADMSG,
				 "%s: META counts %" PRIu64 " records and %" PRIu64
				 " tombstones, there are %" PRIu64 " and %" PRIu64,
				 c->ks->store_dir, m->count_cur, m->count_hist,
				 c->count[RECORD_CUR], c->count[RECORD_HIST]);
		report_hint(c->report, "put back a backup of %s", c->ks->dir);
		return -EBADMSG;
	}
	if (sodium_memcmp(&c->set, &m->set, sizeof(c->set)) != 0) {
		(void)report_set(c->report, -EBADMSG,
				 "%s: the set hash does not fit: records were exchanged for "
				 "others",
				 c->ks->store_dir);
		report_hint(c->report, "put back a backup of %s", c->ks->dir);
		return -EBADMSG;
	}
	return 0;
}

/* What is on disk now, not what was when it was opened. */
static int check_keyring(const struct check *c)
{
	const struct keystore *ks = c->ks;
	cleanup_buf struct buf bytes = BUF_INIT;
	int r = fs_read(ks->dirfd, KEYRING_NAME, KEYRING_FILE_MAX, &bytes);

	if (r == 0 && (bytes.len != ks->ring_bytes.len ||
		       memcmp(bytes.data, ks->ring_bytes.data, bytes.len) != 0))
		r = -EBADMSG;
	if (r == 0)
		return 0;
	(void)report_set(c->report, -EBADMSG, "%s/keyring is not the one that is open",
			 ks->dir);
	report_hint(c->report, "put back a backup of %s/keyring", ks->dir);
	return -EBADMSG;
}

static int verify_all(struct check *c)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	int r;

	r = db_report(c->report, db_error(mdb_txn_begin(c->ks->db, NULL, MDB_RDONLY, &txn)),
		      "cannot read", c->ks->store_dir);
	if (r == 0)
		r = check_table(c, txn, RECORD_CUR);
	if (r == 0)
		r = check_table(c, txn, RECORD_HIST);
	if (r == 0)
		r = check_totals(c);
	if (r == 0)
		r = state_check(c->ks, c->report);
	if (r == 0)
		r = check_keyring(c);
	return r;
}

int keystore_verify(struct keystore *ks, struct keystore_verify *ret, struct report *report)
{
	struct check c = { .ks = ks, .report = report };
	int r;

	if (!ks->auth)
		return report_set(report, -ENOKEY, "the keystore is sealed");
	if (ks->walking)
		return report_set(report, -EBUSY, "a walk through the store is under way");
	r = verify_all(&c);
	if (r < 0)
		return r;
	*ret = (struct keystore_verify){
		.txid = ks->meta->txid,
		.records = c.count[RECORD_CUR],
		.tombstones = c.count[RECORD_HIST],
		.unreadable = c.unreadable,
	};
	return 0;
}
