/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the disk has room for a transaction, before LMDB tries. */
#include <string.h>

#include "keystore/internal.h"

enum {
	/* more than any change costs; with less than that on the disk it is reckoned up */
	CHANGE_ROOM = 128 * 1024,
	COMMIT_ROOM = 512 * 1024,
	/* for what follows: the index, which asks for 16 KiB a change, and the audit log */
	ELSE_ROOM = 256 * 1024,
	ELSE_CHANGE_ROOM = 32 * 1024,
	PAGE = 4096,
};

/* Pages that one change of DBI may need: those on the way to it, and each of them split. */
static uint64_t pages_of_change(MDB_txn *txn, MDB_dbi dbi)
{
	MDB_stat stat;

	return mdb_stat(txn, dbi, &stat) == 0 ? 2 * (uint64_t)stat.ms_depth + 1 : 0;
}

/* Pages within the file that this transaction may use again, as far as WANTED. */
static uint64_t free_pages(const struct keystore *ks, uint64_t wanted)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	cleanup_db_cursor MDB_cursor *cursor = NULL;
	uint64_t found = 0;
	MDB_val value;
	MDB_val key;

	if (ks->in_backup || ks->snapshots) /* they read what was given up since */
		return 0;
	if (mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn) ||
	    mdb_cursor_open(txn, 0, &cursor)) /* LMDB's own table of them */
		return 0;
	while (found < wanted && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
		size_t id, count;

		memcpy(&id, key.mv_data, sizeof(id));
		memcpy(&count, value.mv_data, sizeof(count));
		if (id < mdb_txn_id(txn)) /* what the last one gave up is not free yet */
			found += count;
	}
	return found < wanted ? found : wanted;
}

/* LMDB would find out in the middle that the disk is full. A small change on a disk that nearly
 * is goes into pages that the file has already. */
int store_check_room(const struct keystore *ks, MDB_txn *txn, const struct store_load *load,
		     struct report *report)
{
	uint64_t plenty = COMMIT_ROOM + (uint64_t)load->changes * CHANGE_ROOM + 2 * load->bytes;
	uint64_t pages;

	if (db_check_room(ks->store_dir, plenty, NULL) == 0)
		return 0;
	pages = pages_of_change(txn, ks->cur) + pages_of_change(txn, ks->hist);
	if (ks->has_sums)
		pages += pages_of_change(txn, ks->sums);
	pages = pages * (load->changes + 1) + 2 * (load->bytes / PAGE);
	return db_check_room(ks->store_dir, ELSE_ROOM + PAGE * (pages - free_pages(ks, pages)),
			     report);
}
