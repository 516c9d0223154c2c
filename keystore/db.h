/* SPDX-License-Identifier: BSD-2-Clause */
/* What both LMDB environments, store and index, need: errors as ours, room before a commit, and
 * a refusal of disks that LMDB must not lie on. */
#ifndef KEYSTORE_DB_H
#define KEYSTORE_DB_H

#include <lmdb.h>
#include <stdbool.h>

#include "base/report.h"
#include "keystore/seal.h"

static inline MDB_val db_val(struct span s)
{
	/* LMDB takes keys and values to be read through the same struct that it fills */
	union {
		const uint8_t *in;
		void *out;
	} data = { .in = s.data };

	return (MDB_val){ s.len, data.out };
}

static inline struct span db_span(const MDB_val *v)
{
	return SPAN_OF(v->mv_data, v->mv_size);
}

/* LMDB's result as 0 or a negative errno: -ENOENT, -EEXIST, -EBADMSG for a damaged file,
 * -ENOSPC for a full map. */
must_check int db_error(int rc);

/* Puts the failure R of doing WHAT with the environment in DIR into words. Returns R. */
int db_report(struct report *report, int r, const char *what, const char *dir);

/* What to do about the failure R of the disk under DIR, for a report that says what it was. */
void db_hint(struct report *report, int r, const char *dir);

/* 0, or -EMEDIUMTYPE when FD lies on a network file system. */
must_check int db_check_disk(int fd, struct report *report);

/* 0, or -ENOSPC when the disk of DIR has less than NEED bytes free: LMDB would find out in the
 * middle, and call it EIO. */
must_check int db_check_room(const char *dir, uint64_t need, struct report *report);

/* Right after opening: makes up for the end of a file that was cut short. Touching it would be
 * SIGBUS; zeros are pages that LMDB and the seals refuse. */
must_check int db_fill_up(MDB_env *env);

/* Before PATH, a lock file of LMDB's, is used the first time: gives it its room on the disk.
 * LMDB only sets its length and writes through a map, which on a full disk is SIGBUS. */
must_check int db_reserve_lock(const char *path, mode_t mode);

/* True when db_grow() would have to move it. */
bool db_must_grow(MDB_env *env, uint64_t ahead);

/* Grows the map when less than AHEAD bytes of it are left. No transaction may be open. */
must_check int db_grow(MDB_env *env, uint64_t ahead);

static inline void db_txn_abortp(MDB_txn **txn)
{
	if (*txn)
		mdb_txn_abort(*txn);
}
#define cleanup_db_txn cleanup_(db_txn_abortp)

static inline void db_cursor_closep(MDB_cursor **cursor)
{
	if (*cursor)
		mdb_cursor_close(*cursor);
}
#define cleanup_db_cursor cleanup_(db_cursor_closep)

#endif
