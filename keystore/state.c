/* SPDX-License-Identifier: BSD-2-Clause */
/* META and anchor against each other: whether the store is what it was when we left it. */
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/fs.h"
#include "keystore/internal.h"

/* With the key of now, or of before the roots changed. */
static int open_meta(const struct keystore *ks, struct span value, struct meta *ret)
{
	const uint8_t *store_id = ks->file.ring.store_id;
	int r = meta_open(ks->auth->meta, store_id, value, ret);

	if (r == -EBADMSG && ks->auth->has_before)
		r = meta_open(ks->auth->meta_before, store_id, value, ret);
	return r;
}

int state_meta_of(struct keystore *ks, MDB_txn *txn, struct meta *ret)
{
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	int r = db_error(mdb_get(txn, ks->meta_db, &key, &value));

	if (r == -ENOENT)
		return -EBADMSG;
	return r < 0 ? r : open_meta(ks, db_span(&value), ret);
}

static int read_meta(struct keystore *ks, struct meta *ret)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	int r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));

	return r < 0 ? r : state_meta_of(ks, txn, ret);
}

bool state_is_bound(struct keystore *ks)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	struct meta m;
	int r;

	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r == 0)
		r = db_error(mdb_get(txn, ks->meta_db, &key, &value));
	if (r == 0)
		r = meta_open(ks->auth->meta, ks->file.ring.store_id, db_span(&value), &m);
	sodium_memzero(&m, sizeof(m));
	return r == 0;
}

/* The newest slot under a key of now or of before. */
static int read_anchor(const struct keystore *ks, struct anchor *ret)
{
	cleanup_buf struct buf file = BUF_INIT;
	const uint8_t *store_id = ks->file.ring.store_id;
	struct anchor before;
	struct span all;
	int r = fs_read(ks->dirfd, ANCHOR_NAME, ANCHOR_LEN, &file);

	if (r < 0)
		return r;
	all = SPAN_OF(file.data, file.len);
	r = anchor_decode(ks->auth->anchor, store_id, all, ret);
	if (ks->auth->has_before &&
	    anchor_decode(ks->auth->anchor_before, store_id, all, &before) == 0 &&
	    (r < 0 || before.txid > ret->txid)) {
		*ret = before;
		r = 0;
	}
	return r;
}

int state_read_meta(struct keystore *ks, struct meta *ret)
{
	return read_meta(ks, ret);
}

/* An anchor that the disk does not give now is not one that was lost. */
static bool may_come_back(int r)
{
	return r == -EIO || r == -EINTR || r == -ENOMEM || r == -EMFILE || r == -ENFILE;
}

static enum keystore_health compare(const struct keystore *ks, const struct anchor *a)
{
	const struct meta *m = ks->meta;
	uint8_t set[SET_HASH_LEN];

	if (m->txid < a->txid || m->txid < ks->seen || ks->file.ring.generation < a->generation)
		return KEYSTORE_ROLLED_BACK;
	/* the same number for another content: a store that went its own way from a copy */
	set_hash_digest(&m->set, ks->auth->set, set);
	if (m->txid == a->txid && sodium_memcmp(set, a->set, sizeof(set)) != 0)
		return KEYSTORE_ROLLED_BACK;
	return KEYSTORE_HEALTHY;
}

/* RET is left alone when the anchor cannot be read. */
static int judge(struct keystore *ks, enum keystore_health *ret)
{
	enum keystore_health found;
	struct anchor a;
	int r;

	if (ks->damage.what[0]) {
		*ret = KEYSTORE_DAMAGED;
		return 0;
	}
	if (ks->file.ring.generation < ks->meta->generation) {
		*ret = KEYSTORE_ROLLED_BACK;
		return 0;
	}
	r = read_anchor(ks, &a);
	if (may_come_back(r))
		return r;
	found = r < 0 ? KEYSTORE_NO_ANCHOR : compare(ks, &a);
	r = found == KEYSTORE_HEALTHY ? origin_is_marked(ks) : 0;
	if (r < 0)
		return r;
	*ret = r > 0 ? KEYSTORE_RESTORED : found;
	return 0;
}

int state_is_whole(const struct keystore *ks, struct report *report)
{
	if (!ks->damage.what[0])
		return 0;
	if (report)
		*report = ks->damage;
	return -EBADMSG;
}

static int tell_meta(const struct keystore *ks, int r, struct report *report)
{
	if (r == -EBADMSG && state_is_whole(ks, report) < 0)
		return r;
	if (r == -EPROTONOSUPPORT) {
		(void)report_set(report, r, "%s was written by a newer rotated", ks->store_dir);
		report_hint(report, "upgrade rotated; nothing was changed");
		return r;
	}
	(void)report_set(report, r,
			 "%s: the META record does not open: it was altered, or the store is "
			 "older, of before the last rekey, and %s/keyring is newer: %s",
			 ks->store_dir, ks->dir, strerrordesc_np(-r));
	report_hint(report,
		    "put the keyring of the store's time beside it: both from one copy of %s",
		    ks->dir);
	return r;
}

int state_load(struct keystore *ks, struct report *report)
{
	int r = store_settle_pages(ks, report);

	if (r < 0)
		return r;
	ks->meta = keys_alloc(sizeof(*ks->meta), &ks->locked);
	if (!ks->meta)
		return report_set(report, -ENOMEM, "out of guarded memory");
	r = read_meta(ks, ks->meta);
	if (r < 0) {
		state_forget(ks);
		return tell_meta(ks, r, report);
	}
	r = judge(ks, &ks->health);
	if (r < 0) {
		state_forget(ks);
		return db_report(report, r, "cannot read anchor and store in", ks->dir);
	}
	if (ks->health == KEYSTORE_HEALTHY) {
		ignore_result(state_write_anchor(ks)); /* as after a commit */
		if (!ks->has_sums) /* without them a check says less, and nothing else is amiss
				    */
			ignore_result(sums_build(ks, NULL));
	}
	return 0;
}

void state_forget(struct keystore *ks)
{
	keys_free(ks->meta);
	ks->meta = NULL;
	ks->health = KEYSTORE_SEALED;
	ks->seen = 0;
}

void keystore_seen(struct keystore *ks, uint64_t txid, const char *who)
{
	if (!ks->meta || txid <= ks->meta->txid || txid <= ks->seen)
		return;
	ks->seen = txid;
	ks->seen_by = who;
	if (ks->health == KEYSTORE_HEALTHY)
		ks->health = KEYSTORE_ROLLED_BACK;
}

static void make_slot(const struct keystore *ks, uint8_t slot[static ANCHOR_SLOT_LEN])
{
	struct anchor a = {
		.txid = ks->meta->txid,
		.generation = ks->file.ring.generation,
		.time = ks->meta->time,
	};

	set_hash_digest(&ks->meta->set, ks->auth->set, a.set);
	anchor_encode(ks->auth->anchor, ks->file.ring.store_id, &a, slot);
}

static int write_slot(const struct keystore *ks, int fd, size_t offset)
{
	uint8_t slot[ANCHOR_SLOT_LEN];
	ssize_t n;

	make_slot(ks, slot);
	do
		n = pwrite(fd, slot, sizeof(slot), (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(slot) ? 0 : -EIO;
}

static int open_anchor(const struct keystore *ks)
{
	/* O_NONBLOCK: a FIFO in its place must not hang */
	int fd = openat(ks->dirfd, ANCHOR_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

/* Not synced: after a power cut the anchor may be older than the store, which is accepted; it
 * is never newer, since the store is on the disk before this is written. */
int state_write_anchor(struct keystore *ks)
{
	cleanup_close int fd = open_anchor(ks);

	return fd < 0 ? fd : write_slot(ks, fd, anchor_offset(ks->meta->txid));
}

int state_sync_anchor(struct keystore *ks)
{
	cleanup_close int fd = open_anchor(ks);
	int r = fd < 0 ? fd : write_slot(ks, fd, anchor_offset(ks->meta->txid));

	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

/* Both slots, so that none of them is newer than the store; makes the file if it is lost. */
int state_replace_anchor(struct keystore *ks)
{
	uint8_t file[ANCHOR_LEN] = { 0 };

	make_slot(ks, file + anchor_offset(ks->meta->txid));
	return fs_replace(ks->dirfd, ANCHOR_NAME, file, sizeof(file), 0600);
}

static void describe(const struct keystore *ks, struct report *report)
{
	struct anchor a;

	if (state_is_whole(ks, report) < 0)
		return;
	if (ks->health == KEYSTORE_RESTORED) {
		(void)report_set(
			report, -ESTALE,
			"%s was restored from a backup, and what was done since is not "
			"listed yet: until it is, nothing is changed",
			ks->dir);
		report_hint(report, "rotatectl store restore --accept-rollback --dry-run");
		return;
	}
	if (ks->health == KEYSTORE_NO_ANCHOR) {
		(void)report_set(
			report, -ESTALE,
			"%s/anchor is lost, altered or of a newer keyring: whether the "
			"store is the newest cannot be told",
			ks->dir);
		report_hint(report,
			    "put back the newest copy of %s, or: rotatectl store restore "
			    "--accept-rollback --dry-run",
			    ks->dir);
		return;
	}
	if (read_anchor(ks, &a) == 0 && a.txid > ks->meta->txid)
		(void)report_set(report, -ESTALE,
				 "%s was rolled back: it is at transaction %" PRIu64
				 ", its anchor at %" PRIu64,
				 ks->store_dir, ks->meta->txid, a.txid);
	else if (ks->seen > ks->meta->txid)
		(void)report_set(
			report, -ESTALE,
			"%s was rolled back with its anchor: it is at transaction %" PRIu64
			", and %s knows of %" PRIu64,
			ks->store_dir, ks->meta->txid, ks->seen_by, ks->seen);
	else
		(void)report_set(report, -ESTALE,
				 "%s: keyring, store and anchor are not of the same time",
				 ks->dir);
	report_hint(report,
		    "credentials made since are unknown to it; put back the newest copy of %s",
		    ks->dir);
}

int state_same(struct keystore *ks)
{
	struct meta m;
	int r = read_meta(ks, &m);

	if (r == 0 && (m.txid != ks->meta->txid ||
		       sodium_memcmp(&m.set, &ks->meta->set, sizeof(m.set)) != 0))
		r = -EBADMSG;
	sodium_memzero(&m, sizeof(m));
	return r;
}

int state_check(struct keystore *ks, struct report *report)
{
	int r = state_same(ks);

	if (r < 0) {
		(void)report_set(report, r, "%s: META is not what was committed last",
				 ks->store_dir);
		report_hint(report, "put back a backup of %s", ks->dir);
		return r;
	}
	r = judge(ks, &ks->health);
	if (r < 0)
		return db_report(report, r, "cannot read anchor and store in", ks->dir);
	/* what was restored is as it was written, if somebody has to look at it or not */
	r = ks->health == KEYSTORE_RESTORED ? 0 : state_may_change(ks, report);
	/* commits pass over it when this fails; here it comes to light */
	return r < 0 ? r
		     : db_report(report, state_write_anchor(ks), "cannot write the anchor in",
				 ks->dir);
}

enum keystore_health keystore_health(const struct keystore *ks, struct report *report)
{
	if (ks->health == KEYSTORE_SEALED) {
		(void)report_set(report, -ENOKEY, "the keystore is sealed");
		report_hint(report, "rotatectl unseal");
	} else if (ks->health != KEYSTORE_HEALTHY) {
		describe(ks, report);
	}
	return ks->health;
}

int state_may_change(const struct keystore *ks, struct report *report)
{
	switch (keystore_health(ks, report)) {
	case KEYSTORE_HEALTHY:
		return 0;
	case KEYSTORE_SEALED:
		return -ENOKEY;
	case KEYSTORE_DAMAGED:
		return -EBADMSG;
	case KEYSTORE_ROLLED_BACK:
	case KEYSTORE_NO_ANCHOR:
	case KEYSTORE_RESTORED:
	case KEYSTORE_HEALTH_MAX_:
	default:
		return -ESTALE;
	}
}

uint64_t state_newest_txid(const struct keystore *ks)
{
	struct anchor a;

	return read_anchor(ks, &a) < 0 || a.txid < ks->seen ? ks->seen : a.txid;
}

int state_accept(struct keystore *ks)
{
	int r = state_replace_anchor(ks);

	if (r == 0) {
		ks->health = KEYSTORE_HEALTHY;
		return 0;
	}
	/* one that is older says nothing against what was committed, as after any commit */
	if (judge(ks, &ks->health) == 0 && ks->health == KEYSTORE_HEALTHY)
		return 0;
	return r;
}

int keystore_accept(struct keystore *ks, struct report *report)
{
	struct keystore_txn *txn = NULL;
	int r = keystore_begin_accept(ks, &txn, report);

	return r < 0 ? r : keystore_commit(txn, NULL, report);
}

uint64_t keystore_time(const struct keystore *ks)
{
	return ks->meta ? ks->meta->time : 0;
}

uint64_t keystore_txid(const struct keystore *ks)
{
	return ks->meta ? ks->meta->txid : 0;
}

uint64_t keystore_count(const struct keystore *ks)
{
	return ks->meta ? ks->meta->count_cur : 0;
}

uint64_t keystore_tombstones(const struct keystore *ks)
{
	return ks->meta ? ks->meta->count_hist : 0;
}

uint64_t keystore_epoch_created(const struct keystore *ks)
{
	uint64_t auth, issuer;

	if (!ks->auth)
		return 0;
	auth = epochs_active(&ks->auth->epochs)->created;
	/* both are made in one write of the keyring; a sealed tier can not be asked */
	issuer = ks->issuer ? epochs_active(&ks->issuer->epochs)->created : auth;
	return issuer < auth ? issuer : auth;
}

uint64_t keystore_epoch_seals(const struct keystore *ks)
{
	if (!ks->meta)
		return 0;
	return ks->meta->seals_auth > ks->meta->seals_issuer ? ks->meta->seals_auth
							     : ks->meta->seals_issuer;
}

const uint8_t *keystore_store_id(const struct keystore *ks)
{
	return ks->file.ring.store_id;
}

int keystore_memory_locked(const struct keystore *ks)
{
	return ks->locked;
}

int keystore_audit_get(const struct keystore *ks, struct keystore_audit *ret)
{
	if (!ks->meta)
		return -ENOKEY;
	*ret = ks->meta->audit;
	return 0;
}
