/* SPDX-License-Identifier: BSD-2-Clause */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "keystore/datafile.h"
#include "keystore/files.h"
#include "keystore/index_internal.h"
#include "keystore/index_modes.h"

#define MAP_SIZE_FIRST (UINT64_C(256) * 1024 * 1024)

static int open_tables(struct index_writer *w)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(w->db, NULL, 0, &txn);

	if (rc == 0)
		rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &w->meta_db);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "a", MDB_CREATE, &w->tables[0]);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "b", MDB_CREATE, &w->tables[1]);
	if (rc == 0)
		rc = mdb_txn_commit(steal_ptr(txn));
	return db_error(rc);
}

void index_env_close(struct index_writer *w)
{
	if (w->db)
		mdb_env_close(w->db);
	w->db = NULL;
}

static int note_lock(struct index_writer *w, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	w->lock_dev = st.st_dev;
	w->lock_ino = st.st_ino;
	return 0;
}

int index_env_open(struct index_writer *w)
{
	char lock[PATH_MAX];
	int dead;
	int rc;
	int r = index_path(w, "lock.mdb", lock);

	if (r == 0)
		r = db_reserve_lock(lock, INDEX_DATA_MODE);
	if (r < 0)
		return r;
	rc = mdb_env_create(&w->db);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(w->db, 3);
	if (rc == 0)
		rc = mdb_env_set_mapsize(w->db, MAP_SIZE_FIRST);
	if (rc == 0)
		rc = mdb_env_open(w->db, w->dir, MDB_NOTLS, INDEX_DATA_MODE);
	if (rc == 0)
		rc = mdb_reader_check(w->db, &dead);
	r = rc ? db_error(rc) : db_fill_up(w->db);
	if (r == 0)
		r = note_lock(w, lock);
	if (r == 0)
		r = open_tables(w);
	if (r < 0)
		index_env_close(w);
	return r;
}

const char *const index_tables[] = { "meta", "a", "b", NULL };

const struct report *index_writer_damage(const struct index_writer *w)
{
	return w->damage.what[0] ? &w->damage : NULL;
}

int index_path(const struct index_writer *w, const char *name, char path[static PATH_MAX])
{
	return fs_join(w->dir, name, path, PATH_MAX);
}

int index_env_make_anew(struct index_writer *w)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	char path[PATH_MAX];
	int r;

	r = fs_make_dirs(w->dir, INDEX_DIR_MODE);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (r == 0)
			r = index_path(w, names[i], path);
		if (r < 0)
			return r;
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
	}
	return index_env_open(w);
}

/* What is not of its TYPE gives way: nothing that only the index knows is in it, and neither we
 * nor the door shall write to, or wait for, what it leads to. */
static int clear_stranger(const struct index_writer *w, const char *name, mode_t type,
			  struct report *report)
{
	const struct files_place place = { AT_FDCWD, w->dir, name };
	struct report why = { 0 };
	char path[PATH_MAX];
	int r = files_check_type(&place, type, &why);

	if (r == 0 || r == -ENOENT)
		return 0;
	if (r == -EPERM) {
		r = name[0] ? index_path(w, name, path)
			    : fs_join("", w->dir, path, sizeof(path));
		if (r == 0 && remove(path) == 0)
			return 0;
		r = r < 0 ? r : -errno;
		report_hint(&why, "move it away: mv %s %s.away; then: rotatectl unseal", path,
			    path);
	}
	if (report)
		*report = why;
	return r;
}

static int clear_strangers(const struct index_writer *w, struct report *report)
{
	int r = clear_stranger(w, "", S_IFDIR, report);

	if (r == 0)
		r = clear_stranger(w, "data.mdb", S_IFREG, report);
	if (r == 0)
		r = clear_stranger(w, "lock.mdb", S_IFREG, report);
	return r;
}

static int open_meta(struct index_writer *w, struct span value)
{
	struct verifier_keys *keys = w->keys;
	int r = index_meta_open(keys, value, &w->meta);

	if (r != -EBADMSG || !w->spare)
		return r;
	r = index_meta_open(w->spare, value, &w->meta);
	if (r < 0)
		return r;
	w->keys = w->spare;
	w->spare = keys;
	return 0;
}

int index_load_meta(struct index_writer *w)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	MDB_val key = db_val(SPAN_STRING("META"));
	MDB_val value;
	int r;

	r = db_error(mdb_txn_begin(w->db, NULL, MDB_RDONLY, &txn));
	if (r < 0)
		return r;
	r = db_error(mdb_get(txn, w->meta_db, &key, &value));
	if (r == 0)
		r = open_meta(w, db_span(&value));
	if (r == -ENOENT || r == -EBADMSG) /* none, or another keystore's: to be rebuilt */
		w->meta = (struct index_meta){ .complete = false };
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

/* Nobody else writes to it, and the doors that read it write to its lock file alone. */
static int check_pages(const struct index_writer *w, struct report *report)
{
	cleanup_close int dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct datafile_place place = { dirfd, w->dir, "data.mdb", index_tables };
	cleanup_datafile struct datafile *d = NULL;
	int r = dirfd < 0 ? -errno : datafile_open(&place, &d, report);

	return r == 0 && d ? datafile_wait(d, report) : r;
}

int index_writer_open(const char *dir, const struct index_options *options,
		      struct index_writer **ret, struct report *report)
{
	cleanup_index_writer struct index_writer *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return report_set(report, -ENOMEM, "out of memory");
	r = verifier_keys_dup(options->keys, &w->keys);
	if (r == 0 && options->next)
		r = verifier_keys_dup(options->next, &w->spare);
	if (r < 0)
		return report_set(report, r, "out of guarded memory");
	w->group = options->group;
	w->rng = (struct rng){ options->random, options->random_context };
	if (snprintf(w->dir, sizeof(w->dir), "%s", dir) >= (int)sizeof(w->dir))
		return report_set(report, -ENAMETOOLONG, "%s: name too long", dir);
	r = clear_strangers(w, report);
	if (r < 0)
		return r;
	r = fs_make_dirs(w->dir, INDEX_DIR_MODE);
	if (r < 0)
		return db_report(report, r, "cannot make", w->dir);
	r = check_pages(w, &w->damage);
	if (r == 0)
		r = index_env_open(w);
	if (r == -EBADMSG || r == -EINVAL)
		r = index_env_make_anew(w);
	if (r == 0)
		r = index_load_meta(w);
	if (r < 0)
		return db_report(report, r, "cannot open", w->dir);
	r = index_set_modes(w->dir, w->group, report);
	if (r < 0)
		return r;
	*ret = steal_ptr(w);
	return 0;
}

void index_writer_close(struct index_writer *w)
{
	if (!w)
		return;
	index_abort(w);
	index_env_close(w);
	verifier_keys_free(w->keys);
	verifier_keys_free(w->spare);
	free(w);
}
