/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One state of the store, read in many steps while others change it. Where the memory map must
 * move, or the file is replaced, whoever reads a snapshot loses it and begins again.
 */
#include "keystore/internal.h"

int snapshot_open(struct keystore *ks, struct snapshot *s)
{
	int r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &s->txn));

	if (r < 0)
		return r;
	s->next = ks->snapshots;
	ks->snapshots = s;
	return 0;
}

void snapshot_close(struct keystore *ks, struct snapshot *s)
{
	struct snapshot **at = &ks->snapshots;

	if (!s->txn)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	mdb_txn_abort(s->txn);
	s->txn = NULL;
}

void snapshot_break_all(struct keystore *ks)
{
	while (ks->snapshots)
		snapshot_close(ks, ks->snapshots);
}
