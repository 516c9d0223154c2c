/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What becomes of the handle when a commit fails. LMDB gives an environment up when it could
 * not write the page that makes a transaction valid: not even reading is possible then. So it
 * is opened anew, which also tells what the disk holds now.
 */
#include <sodium.h>
#include <string.h>

#include "keystore/internal.h"

static bool is_given_up(const struct keystore *ks)
{
	cleanup_db_txn MDB_txn *txn = NULL;

	return mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn) == MDB_PANIC;
}

/* Puts an environment opened with FLAGS in the place of the one that KS has. */
static int reopen(struct keystore *ks, unsigned flags)
{
	struct keystore old;
	int r;

	store_view_break_all(ks);
	store_drop_reader(ks);
	mdb_txn_abort(ks->backup_txn); /* NULL is allowed; its owner is told when it reads on */
	ks->backup_txn = NULL;
	old = *ks; /* no key is in it, only where they are */
	ks->db = NULL;
	r = keystore_db_open_at(ks, ks->store_dir, flags, false);
	if (r == 0) {
		store_view_break_all(ks); /* they read the old one */
		mdb_env_close(old.db);
		return 0;
	}
	if (ks->db)
		mdb_env_close(ks->db);
	*ks = old;
	return r;
}

/* Writes META as it is once more, so that what it belongs to is on the disk for certain. */
static int commit_again(struct keystore *ks)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	uint8_t copy[META_LEN];
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	int r = db_error(mdb_txn_begin(ks->db, NULL, 0, &txn));

	if (r == 0)
		r = db_error(mdb_get(txn, ks->meta_db, &key, &value));
	if (r == 0 && value.mv_size != sizeof(copy))
		r = -EBADMSG;
	if (r < 0)
		return r;
	memcpy(copy, value.mv_data, sizeof(copy));
	value.mv_data = copy;
	r = db_error(mdb_put(txn, ks->meta_db, &key, &value, 0));
	return r < 0 ? r : db_error(mdb_txn_commit(steal_ptr(txn)));
}

static bool is_same(const struct meta *a, const struct meta *b)
{
	return a->txid == b->txid && sodium_memcmp(&a->set, &b->set, sizeof(a->set)) == 0;
}

/* Opens to write and looks: 0 when the disk holds what META says, 1 when it holds NEXT. */
static int look_again(struct keystore *ks, const struct meta *next)
{
	struct meta found;
	int r;

	if (!ks->auth)
		return -ENOKEY;
	r = reopen(ks, 0);
	/* what LMDB wrote back over its failure has to be there before anything else is */
	if (r == 0)
		r = db_error(mdb_env_sync(ks->db, 1));
	if (r == 0)
		r = state_read_meta(ks, &found);
	if (r < 0)
		return r;
	if (is_same(&found, ks->meta))
		r = 0;
	else
		r = next && is_same(&found, next) ? 1 : -EIO;
	sodium_memzero(&found, sizeof(found));
	return r;
}

int store_settle(struct keystore *ks, const struct meta *next, int failure)
{
	int r;

	if (!is_given_up(ks))
		return failure;
	r = look_again(ks, next);
	if (r == 1)
		r = commit_again(ks) < 0 ? -EIO : 1;
	ks->is_hurt = r < 0;
	if (r < 0 && is_given_up(ks))
		ignore_result(reopen(ks, MDB_RDONLY | MDB_NOLOCK)); /* to go on reading */
	return r == 1 ? 0 : failure;
}

int store_mend(struct keystore *ks, struct report *report)
{
	int r;

	if (!ks->is_hurt)
		return 0;
	r = look_again(ks, NULL);
	ks->is_hurt = r < 0;
	if (r == 0)
		return 0;
	(void)report_set(report, r,
			 "%s: the last change failed and the disk has not come back: %s",
			 ks->store_dir, strerrordesc_np(-r));
	report_hint(report,
		    "look for disk errors: journalctl -k; then: systemctl restart rotated");
	return r;
}
