/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store without the pages that hold what was deleted or replaced: a copy of the live ones,
 * opened before it takes the name, so that no failure leaves the handle without a store.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "keystore/internal.h"

#define COPY	  STORE_NAME "/data.mdb.new"
#define COPY_LOCK COPY "-lock" /* LMDB's name for it */

enum { COPY_MODE = 0600, ROOM_AHEAD = 1024 * 1024 };

struct tables {
	MDB_env *db;
	MDB_dbi cur;
	MDB_dbi hist;
	MDB_dbi meta_db;
	MDB_dbi sums;
	bool has_sums;
};

static struct tables tables_of(const struct keystore *ks)
{
	return (struct tables){
		ks->db, ks->cur, ks->hist, ks->meta_db, ks->sums, ks->has_sums
	};
}

static void set_tables(struct keystore *ks, const struct tables *t)
{
	ks->db = t->db;
	ks->cur = t->cur;
	ks->hist = t->hist;
	ks->meta_db = t->meta_db;
	ks->sums = t->sums;
	ks->has_sums = t->has_sums;
}

void store_drop_copy(struct keystore *ks)
{
	(void)unlinkat(ks->dirfd, COPY, 0); /* in the way of nothing but disk space */
	(void)unlinkat(ks->dirfd, COPY_LOCK, 0);
}

static int write_copy(struct keystore *ks, struct report *report)
{
	cleanup_close int fd = -1;
	MDB_envinfo info;
	MDB_stat stat;
	int r;

	(void)mdb_env_info(ks->db, &info); /* fail only for a NULL */
	(void)mdb_env_stat(ks->db, &stat);
	r = db_check_room(ks->store_dir,
			  ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize + ROOM_AHEAD,
			  report);
	if (r < 0)
		return r;
	fd = openat(ks->dirfd, COPY, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		    COPY_MODE);
	r = fd < 0 ? -errno : db_error(mdb_env_copyfd2(ks->db, fd, MDB_CP_COMPACT));
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	return db_report(report, r, "cannot copy", ks->store_dir);
}

/* Both names are those of files that are open already: LMDB goes on with them. A lock file of
 * the old store beside the new one, if we die between the two, is made anew at the next open.
 */
static int take_names(struct keystore *ks)
{
	cleanup_close int dir =
		openat(ks->dirfd, STORE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0)
		return -errno;
	if (renameat(ks->dirfd, COPY, ks->dirfd, STORE_NAME "/data.mdb") < 0)
		return -errno;
	(void)renameat(ks->dirfd, COPY_LOCK, ks->dirfd, STORE_NAME "/lock.mdb");
	(void)fsync(dir); /* the old file holds the same: which one survives a power cut is all
			     one */
	return 0;
}

/* Opens the copy; on success KS works on it. */
static int open_copy(struct keystore *ks)
{
	char path[PATH_MAX + sizeof(COPY)];
	struct tables old = tables_of(ks);
	int r;

	(void)snprintf(path, sizeof(path), "%s/" COPY, ks->dir); /* it fits */
	ks->db = NULL;
	r = keystore_db_open_at(ks, path, MDB_NOSUBDIR, false);
	if (r == 0)
		r = state_same(ks);
	if (r == 0)
		r = take_names(ks);
	if (r < 0) {
		if (ks->db)
			mdb_env_close(ks->db);
		set_tables(ks, &old);
		return r;
	}
	store_view_break_all(ks); /* of the old file */
	mdb_env_close(old.db);
	return 0;
}

int store_compact(struct keystore *ks, struct report *report)
{
	int r;

	if (ks->in_txn || ks->walking)
		return report_set(report, -EBUSY, "the store is in use");
	if (ks->in_backup)
		return report_set(report, -EBUSY,
				  "a backup is being made: what was given up is put away "
				  "when that is done");
	store_drop_copy(ks);
	r = write_copy(ks, report);
	if (r == 0)
		r = db_report(report, open_copy(ks), "cannot put a copy in the place of",
			      ks->store_dir);
	if (r < 0)
		store_drop_copy(ks);
	return r;
}
