/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One state of the store, read in many steps while others change it. Where the memory map must
 * move, or the file is replaced, whoever reads a snapshot loses it and begins again.
 */
#include "keystore/internal.h"

int store_view_open(struct keystore *ks, struct store_view *s)
{
	int r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &s->txn));

	if (r < 0)
		return r;
	s->next = ks->snapshots;
	ks->snapshots = s;
	return 0;
}

void store_view_close(struct keystore *ks, struct store_view *s)
{
	struct store_view **at = &ks->snapshots;

	if (!s->txn)
		return;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	mdb_txn_abort(s->txn);
	s->txn = NULL;
}

void store_view_break_all(struct keystore *ks)
{
	while (ks->snapshots)
		store_view_close(ks, ks->snapshots);
}
