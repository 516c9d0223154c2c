/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/reseal.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/compact.h"
#include "keystore/draft.h"

_Static_assert((int)KEYSTORE_RESEAL_KEY_MAX == (int)RECORD_KEY_MAX, "a key must fit");
_Static_assert((int)KEYSTORE_RESEAL_BATCH <= (int)KEYSTORE_TXN_MAX, "a batch must fit");

/* Bytes of records in one transaction, so that large ones do not make it long. */
enum { BATCH_BYTES = 1024 * 1024 };

bool keystore_is_resealing(const struct keystore *ks)
{
	/* both tiers change in one write of the keyring */
	return ks->auth && ks->auth->epochs.count > 1;
}

static int need_both(const struct keystore *ks, struct report *report)
{
	int r = state_may_change(ks, report);

	if (r < 0 || ks->issuer)
		return r;
	(void)report_set(report, -ENOKEY, "encrypting anew needs both tiers open");
	report_hint(report, "rotatectl unseal");
	return -ENOKEY;
}

/* ---- epochs ---- */

/* The active epoch retires; a new one takes its place. */
static int add_epoch(const struct keystore *ks, struct epochs *e)
{
	struct epoch *fresh = &e->all[e->count];
	uint32_t last = 0;

	if (e->count == KEYS_EPOCHS_MAX)
		return -EALREADY;
	for (uint32_t i = 0; i < e->count; i++) {
		e->all[i].state = EPOCH_RETIRING;
		last = e->all[i].id > last ? e->all[i].id : last;
	}
	if (last == UINT32_MAX)
		return -EOVERFLOW;
	fresh->id = last + 1;
	fresh->state = EPOCH_ACTIVE;
	fresh->created = clock_now(&ks->clock).wall;
	rng_fill(&ks->rng, fresh->key, SEAL_KEY_LEN);
	e->count++;
	return 0;
}

static void keep_active(struct epochs *e)
{
	struct epoch active = *epochs_active(e);

	sodium_memzero(e, sizeof(*e));
	e->all[0] = active;
	e->count = 1;
	sodium_memzero(&active, sizeof(active));
}

typedef int edit_fn(const struct keystore *ks, struct ring_draft *d);

static int begin_epochs(const struct keystore *ks, struct ring_draft *d)
{
	int r = add_epoch(ks, &d->auth.epochs);

	if (r == 0)
		r = add_epoch(ks, &d->issuer.epochs);
	if (r == 0)
		auth_keys_draw_next(&d->auth, &ks->rng);
	return r;
}

static int end_epochs(const struct keystore *ks, struct ring_draft *d)
{
	(void)ks;
	keep_active(&d->auth.epochs);
	keep_active(&d->issuer.epochs);
	auth_keys_promote_next(&d->auth);
	return 0;
}

/* Writes a keyring whose keys EDIT has changed, and with ROTATE also the roots. All or nothing
 * in memory. */
static int change_epochs(struct keystore *ks, edit_fn *edit, bool rotate, struct report *report)
{
	cleanup_draft struct ring_draft *d = NULL;
	int r = draft_new(ks, &d, report);

	if (r < 0)
		return r;
	r = edit(ks, d);
	if (r < 0)
		return report_set(report, r, "cannot make new keys: %s", strerrordesc_np(-r));
	if (rotate)
		r = draft_rotate(ks, d, report);
	return r < 0 ? r : draft_write(ks, d, report);
}

int keystore_reseal_begin(struct keystore *ks, struct report *report)
{
	int r = need_both(ks, report);

	if (r < 0)
		return r;
	if (keystore_is_resealing(ks))
		return report_set(report, -EALREADY, "it is being encrypted anew already");
	if (ks->in_txn || ks->walking)
		return report_set(report, -EBUSY, "the store is in use");
	r = change_epochs(ks, begin_epochs, true, report);
	if (r < 0)
		return r;
	ks->meta->seals_auth = 0;
	ks->meta->seals_issuer = 0;
	ring_drop_prev(ks); /* it knows nothing of the new keys */
	/* the first batch binds META to the keyring if this does not */
	ignore_result(txn_commit_empty(ks, NULL));
	ring_settle_keys(ks);
	return 0;
}

/* ---- looking ---- */

struct batch {
	size_t count;
	uint64_t bytes;
	struct {
		uint8_t key[RECORD_KEY_MAX];
	} found[KEYSTORE_RESEAL_BATCH];
};

static size_t key_len(enum record_table table)
{
	return table == RECORD_CUR ? SEAL_HASH_LEN : RECORD_KEY_MAX;
}

static int bad(const struct keystore *ks, struct span key, struct report *report)
{
	char hex[17] = "";

	(void)sodium_bin2hex(hex, sizeof(hex), key.data, key.len < 8 ? key.len : 8);
	(void)report_set(report, -EBADMSG,
			 "%s: record %s... cannot be encrypted anew: it was altered or moved",
			 ks->store_dir, hex);
	report_hint(report, "rotatectl store verify; nothing of it is destroyed");
	return -EBADMSG;
}

/* 1 when the record is of an epoch that retires, 0 when of the active one. */
static int is_old(const struct keystore *ks, enum record_table table, const MDB_val *key,
		  const MDB_val *value)
{
	struct record_header h;
	const struct epoch *epoch;

	if (key->mv_size != key_len(table) || record_header_decode(db_span(value), &h) < 0)
		return -EBADMSG;
	epoch = store_epoch(ks, &h);
	if (!epoch)
		return -EBADMSG;
	return epoch->state != EPOCH_ACTIVE;
}

/* Puts CURSOR on the first record behind the pass. */
static int first(MDB_cursor *cursor, const struct keystore_reseal *pass, MDB_val *key,
		 MDB_val *value)
{
	const struct span at = { pass->at, pass->at_len };
	int r;

	if (at.len == 0)
		return db_error(mdb_cursor_get(cursor, key, value, MDB_FIRST));
	*key = db_val(at);
	r = db_error(mdb_cursor_get(cursor, key, value, MDB_SET_RANGE));
	if (r == 0 && key->mv_size == at.len && memcmp(key->mv_data, at.data, at.len) == 0)
		r = db_error(mdb_cursor_get(cursor, key, value, MDB_NEXT));
	return r;
}

/* Gathers the next old records of the table: 1 for more to come, 0 at its end. */
static int gather(const struct keystore *ks, MDB_cursor *cursor, struct keystore_reseal *pass,
		  struct batch *b, struct report *report)
{
	enum record_table table = (enum record_table)pass->table;
	size_t len = key_len(table);
	MDB_val value;
	MDB_val key;
	int r = first(cursor, pass, &key, &value);

	for (size_t looked = 0; r == 0; looked++) {
		int old = is_old(ks, table, &key, &value);

		if (old < 0)
			return bad(ks, db_span(&key), report);
		if (looked == KEYSTORE_RESEAL_LOOK || b->count == KEYSTORE_RESEAL_BATCH ||
		    b->bytes > BATCH_BYTES)
			return 1;
		if (old) {
			memcpy(b->found[b->count++].key, key.mv_data, len);
			b->bytes += value.mv_size;
		}
		memcpy(pass->at, key.mv_data, len);
		pass->at_len = len;
		pass->seen++;
		r = db_error(mdb_cursor_get(cursor, &key, &value, MDB_NEXT));
	}
	return r == -ENOENT ? 0 : db_report(report, r, "cannot read", ks->store_dir);
}

static int look(struct keystore *ks, struct keystore_reseal *pass, struct batch *b,
		struct report *report)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	int r;

	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r == 0)
		r = db_error(mdb_cursor_open(
			txn, pass->table == RECORD_CUR ? ks->cur : ks->hist, &cursor));
	if (r < 0)
		return db_report(report, r, "cannot read", ks->store_dir);
	return gather(ks, cursor, pass, b, report);
}

/* ---- sealing ---- */

static int seal_batch(struct keystore *ks, const struct keystore_reseal *pass,
		      const struct batch *b, struct report *report)
{
	enum record_table table = (enum record_table)pass->table;
	struct keystore_txn *txn;
	int r = keystore_begin(ks, &txn, report);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < b->count; i++) {
		const struct span key = { b->found[i].key, key_len(table) };

		r = txn_reseal(txn, table, key);
		if (r == -EBADMSG)
			r = bad(ks, key, report);
		else if (r < 0)
			(void)db_report(report, r, "cannot change", ks->store_dir);
	}
	if (r < 0) {
		keystore_abort(txn);
		return r;
	}
	return keystore_commit(txn, NULL, report);
}

static void next_table(struct keystore_reseal *pass)
{
	pass->table++;
	pass->at_len = 0;
}

static int work_on(struct keystore *ks, struct keystore_reseal *pass, struct batch *b,
		   struct report *report)
{
	struct keystore_reseal ahead = *pass;
	int more = look(ks, &ahead, b, report);
	int r = more;

	if (more >= 0 && b->count > 0)
		r = seal_batch(ks, &ahead, b, report);
	if (r < 0)
		return r;
	ahead.resealed += b->count;
	if (more == 0)
		next_table(&ahead);
	*pass = ahead;
	return 1;
}

/* ---- the end ---- */

/*
 * What is destroyed cannot be asked back: one more look at every header, in steps as the pass
 * itself. What changes behind it is sealed by the new keys. The pass begins again if anything
 * old is found.
 */
static int prove(struct keystore *ks, struct keystore_reseal *pass, struct batch *b,
		 struct report *report)
{
	struct keystore_reseal ahead = *pass;
	int more = look(ks, &ahead, b, report);

	if (more < 0)
		return more;
	if (b->count > 0) {
		*pass = (struct keystore_reseal){ .has_index = pass->has_index };
		return 1;
	}
	ahead.seen = pass->seen; /* counted already */
	if (more == 0)
		next_table(&ahead);
	*pass = ahead;
	return 1;
}

static int destroy_old(struct keystore *ks, struct keystore_reseal *pass, struct report *report)
{
	int r = keystore_compact_step(ks, report);

	if (r > 0)
		return r;
	/* the file that stays holds what the old key opens, and that is destroyed all the same
	 */
	pass->is_compact = r == 0;
	if (r == -EAGAIN)
		report_hint(report, "it is begun anew, and ends when fewer things change: "
				    "rotatectl status");
	if (r < 0 && r != -ENOSPC)
		return r;
	if (r == -ENOSPC && report)
		*report = (struct report){ 0 };
	store_view_break_all(ks); /* their records would not open any more */
	r = change_epochs(ks, end_epochs, false, report);
	if (r < 0)
		return r;
	ring_drop_prev(ks);
	/* the next commit binds META to the keyring if this does not */
	ignore_result(txn_commit_empty(ks, NULL));
	return 0;
}

static int finish(struct keystore *ks, struct keystore_reseal *pass, struct report *report)
{
	if (!pass->is_proving) {
		pass->is_proving = true;
		pass->table = RECORD_CUR;
		return 1;
	}
	if (pass->has_index && ks->auth->has_next)
		return KEYSTORE_RESEAL_INDEX;
	return destroy_old(ks, pass, report);
}

int keystore_reseal_step(struct keystore *ks, struct keystore_reseal *pass,
			 struct report *report)
{
	struct batch *b;
	int r = need_both(ks, report);

	if (r < 0)
		return r;
	if (!keystore_is_resealing(ks))
		return 0;
	if (pass->table == 0)
		pass->table = RECORD_CUR;
	if (pass->table > RECORD_HIST)
		return finish(ks, pass, report);
	b = calloc(1, sizeof(*b));
	if (!b)
		return report_set(report, -ENOMEM, "out of memory");
	r = (pass->is_proving ? prove : work_on)(ks, pass, b, report);
	free(b);
	return r;
}
