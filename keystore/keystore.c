/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, opening and closing a keystore: its directory, its lock, its LMDB environment. */
#include "keystore/keystore.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/datafile.h"
#include "keystore/files.h"
#include "keystore/internal.h"
#include "keystore/making.h"
#include "keystore/recovery.h"

/* Address space only; grown when half full. */
#define MAP_SIZE_FIRST (UINT64_C(1) << 30)

enum { DIR_MODE = 0711, STORE_MODE = FILES_DIR_MODE, FILE_MODE = FILES_MODE };

#define STILLBORN_MAX (64 * 1024) /* bytes */

int keystore_check_file(const struct keystore *ks, const char *name, mode_t type,
			struct report *report)
{
	const struct files_place place = { ks->dirfd, ks->dir, name };

	return files_check(&place, type, report);
}

/* Others may pass through the directory, to the index in it, but not change what is in it. */
static int check_dir(struct keystore *ks, struct report *report)
{
	struct stat st;
	int r;

	if (fstat(ks->dirfd, &st) < 0)
		return report_set(report, -errno, "%s: %s", ks->dir, strerrordesc_np(errno));
	r = files_check_dir(&st, ks->dir, DIR_MODE, report);
	if (r < 0)
		return r;
	return db_check_disk(ks->dirfd, report);
}

static int open_dir(struct keystore *ks, struct report *report)
{
	int r;

	ks->dirfd = open(ks->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ks->dirfd < 0) {
		r = report_set(report, -errno, "%s: %s", ks->dir, strerrordesc_np(errno));
		if (r == -ENOENT)
			report_hint(report, "make a keystore: rotatectl init");
		else
			db_hint(report, r, ks->dir);
		return r;
	}
	r = check_dir(ks, report);
	if (r < 0)
		return r;
	if (flock(ks->dirfd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return report_set(report, -errno, "%s: cannot lock it: %s", ks->dir,
				  strerrordesc_np(errno));
	(void)report_set(report, -EBUSY, "%s is open in another process", ks->dir);
	report_hint(report, "is rotated running? systemctl status rotated");
	return -EBUSY;
}

static int new_handle(const char *dir, const struct keystore_env *env, struct keystore **ret,
		      struct report *report)
{
	cleanup_keystore struct keystore *ks = calloc(1, sizeof(*ks));

	if (!ks || sodium_init() < 0)
		return report_set(report, -ENOMEM, "out of memory");
	ks->dirfd = -1;
	ks->locked = true;
	ks->clock = env->clock.now ? env->clock : clock_real();
	ks->rng = (struct rng){ env->random, env->random_context };
	ks->pwhash_ops = env->pwhash_ops ? env->pwhash_ops : crypto_pwhash_OPSLIMIT_MODERATE;
	ks->pwhash_mem = env->pwhash_mem ? env->pwhash_mem : crypto_pwhash_MEMLIMIT_MODERATE;
	if (ks->pwhash_ops < KEYRING_OPS_MIN || ks->pwhash_ops > KEYRING_OPS_MAX ||
	    ks->pwhash_mem < KEYRING_MEM_MIN || ks->pwhash_mem > KEYRING_MEM_MAX)
		return report_set(report, -EINVAL, "Argon2id costs are out of bounds");
	if (snprintf(ks->dir, sizeof(ks->dir), "%s", dir) >= (int)sizeof(ks->dir) ||
	    fs_join(ks->dir, STORE_NAME, ks->store_dir, sizeof(ks->store_dir)) < 0)
		return report_set(report, -ENAMETOOLONG, "%s: name too long", dir);
	ks->scratch = keys_alloc(RECORD_PLAIN_MAX, &ks->locked);
	if (!ks->scratch)
		return report_set(report, -ENOMEM, "out of guarded memory");
	if (store_pool_new(&ks->pool) < 0)
		return report_set(report, -ENOMEM, "out of memory");
	*ret = steal_ptr(ks);
	return 0;
}

void keystore_close(struct keystore *ks)
{
	if (!ks)
		return;
	keystore_seal(ks, KEYSTORE_BOTH);
	store_view_break_all(ks);
	keystore_shares_forget(ks);
	store_drop_reader(ks);
	datafile_close(ks->unchecked);
	if (ks->db)
		mdb_env_close(ks->db);
	store_pool_free(ks->pool);
	keys_free(ks->scratch);
	keys_free(ks->txn_memory);
	buf_release(&ks->ring_bytes);
	closep(&ks->dirfd); /* and with it the lock */
	free(ks);
}

static int open_tables(struct keystore *ks, unsigned flags)
{
	cleanup_db_txn MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(ks->db, NULL, flags & MDB_CREATE ? 0 : MDB_RDONLY, &txn);

	if (rc == 0)
		rc = mdb_dbi_open(txn, "cur", flags, &ks->cur);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "hist", flags, &ks->hist);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "meta", flags, &ks->meta_db);
	if (rc)
		return db_error(rc);
	rc = mdb_dbi_open(txn, "sums", flags, &ks->sums);
	ks->has_sums = rc == 0;
	if (rc && rc != MDB_NOTFOUND)
		return db_error(rc);
	return db_error(mdb_txn_commit(steal_ptr(txn)));
}

static int reserve_lock(const char *path, unsigned flags)
{
	char lock[PATH_MAX + 16];

	if (flags & MDB_NOLOCK)
		return 0;
	(void)snprintf(lock, sizeof(lock), "%s%s", path,
		       flags & MDB_NOSUBDIR ? "-lock" : "/lock.mdb"); /* it fits */
	return db_reserve_lock(lock, FILE_MODE);
}

int keystore_db_open_at(struct keystore *ks, const char *path, unsigned flags, bool create)
{
	int dead;
	int rc;
	int r = reserve_lock(path, flags);

	if (r < 0)
		return r;
	rc = mdb_env_create(&ks->db);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(ks->db, 4);
	if (rc == 0)
		rc = mdb_env_set_mapsize(ks->db, MAP_SIZE_FIRST);
	/* MDB_NOTLS: a walk may be under way when another read begins */
	if (rc == 0)
		rc = mdb_env_open(ks->db, path, MDB_NOTLS | flags, FILE_MODE);
	if (rc == 0)
		rc = mdb_reader_check(ks->db, &dead);
	r = db_error(rc);
	/* not what is still to be looked at as it is */
	if (r == 0 && !(flags & MDB_RDONLY) && !ks->unchecked)
		r = db_fill_up(ks->db);
	if (r == 0)
		r = open_tables(ks, create ? MDB_CREATE : 0);
	return r == -ENOENT ? -EBADMSG : r; /* a table: the file was emptied */
}

static int check_files(struct keystore *ks, struct report *report)
{
	/* a copy of a store comes without its lock; a lost anchor is told later */
	static const struct {
		const char *name;
		mode_t type;
		bool may_lack;
	} files[] = {
		{ STORE_NAME, S_IFDIR, false },
		{ STORE_NAME "/data.mdb", S_IFREG, false },
		{ STORE_NAME "/lock.mdb", S_IFREG, true },
		{ ANCHOR_NAME, S_IFREG, true },
		{ KEYRING_PREV_NAME, S_IFREG, true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		int r = keystore_check_file(ks, files[i].name, files[i].type, report);

		if (r == -ENOENT && files[i].may_lack)
			continue;
		if (r == -ENOENT) {
			(void)report_set(report, -EBADMSG, "%s/%s is missing", ks->dir,
					 files[i].name);
			report_hint(report, "put back a backup of %s", ks->store_dir);
			return -EBADMSG;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int keystore_open(const char *dir, const struct keystore_env *env, struct keystore **ret,
		  struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;
	int r;

	r = new_handle(dir, env, &ks, report);
	if (r == 0)
		r = open_dir(ks, report);
	if (r == 0) {
		making_settle(ks);
		r = keystore_ring_load(ks, report);
	}
	if (r == 0)
		r = check_files(ks, report);
	if (r == 0)
		r = keystore_db_open(ks, false, report);
	if (r < 0)
		return r;
	store_drop_copy(ks);
	*ret = steal_ptr(ks);
	return 0;
}

/* ---- making ---- */

/* Whether the store is no larger than creation makes it before there is an anchor. */
static bool is_stillborn(const struct keystore *ks)
{
	struct stat st;

	return faccessat(ks->dirfd, ANCHOR_NAME, F_OK, 0) < 0 &&
	       fstatat(ks->dirfd, STORE_NAME "/data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_size <= STILLBORN_MAX;
}

static int count_leftover(struct keystore *ks, size_t *ret, struct report *report)
{
	MDB_stat stat = { 0 };
	MDB_stat graves = { 0 };
	cleanup_db_txn MDB_txn *txn = NULL;
	int r;

	r = keystore_db_open(ks, true, report);
	if (r < 0)
		return r;
	r = db_error(mdb_txn_begin(ks->db, NULL, MDB_RDONLY, &txn));
	if (r == 0)
		r = db_error(mdb_stat(txn, ks->cur, &stat));
	if (r == 0)
		r = db_error(mdb_stat(txn, ks->hist, &graves));
	if (r < 0)
		return db_report(report, r, "cannot read", ks->store_dir);
	*ret = stat.ms_entries + graves.ms_entries;
	return 0;
}

/* First of all, so that an anchor is a sign of a store that was whole. */
static int drop_anchor(struct keystore *ks, struct report *report)
{
	if (unlinkat(ks->dirfd, ANCHOR_NAME, 0) < 0)
		return errno == ENOENT ? 0 : db_report(report, -errno, "cannot clear", ks->dir);
	return fsync(ks->dirfd) < 0 ? db_report(report, -errno, "cannot sync", ks->dir) : 0;
}

/* A store without records and without a keyring is what an interrupted creation leaves. */
static int clear_leftover(struct keystore *ks, struct report *report)
{
	size_t entries = 0;
	int r;

	if (faccessat(ks->dirfd, STORE_NAME "/data.mdb", F_OK, 0) < 0)
		return drop_anchor(ks, report);
	r = count_leftover(ks, &entries, report);
	if (ks->db)
		mdb_env_close(steal_ptr(ks->db));
	/* a power cut in the first commit leaves pages of which not all are there */
	if (r == -EBADMSG && is_stillborn(ks))
		r = 0;
	if (r < 0)
		return r;
	if (entries) {
		(void)report_set(report, -EEXIST, "%s holds a store whose keyring is missing",
				 ks->dir);
		report_hint(report, "put back %s/keyring, or move %s away", ks->dir, ks->dir);
		return -EEXIST;
	}
	r = drop_anchor(ks, report);
	if (r < 0)
		return r;
	if (unlinkat(ks->dirfd, STORE_NAME "/data.mdb", 0) < 0 ||
	    (unlinkat(ks->dirfd, STORE_NAME "/lock.mdb", 0) < 0 && errno != ENOENT))
		return db_report(report, -errno, "cannot clear", ks->store_dir);
	return 0;
}

static int prepare_dir(struct keystore *ks, struct report *report)
{
	int r = fs_make_dirs(ks->dir, DIR_MODE);

	if (r < 0)
		return db_report(report, r, "cannot make", ks->dir);
	r = open_dir(ks, report);
	if (r < 0)
		return r;
	making_settle(ks);
	if (faccessat(ks->dirfd, KEYRING_NAME, F_OK, 0) == 0 ||
	    faccessat(ks->dirfd, KEYRING_PREV_NAME, F_OK, 0) == 0) {
		(void)report_set(report, -EEXIST, "%s holds a keystore already", ks->dir);
		report_hint(report,
			    "open it: rotatectl unseal; if its recovery key was never shown: "
			    "rotatectl store slot add recovery");
		return -EEXIST;
	}
	r = clear_leftover(ks, report);
	if (r < 0)
		return r;
	if (mkdirat(ks->dirfd, STORE_NAME, STORE_MODE) < 0 && errno != EEXIST)
		return db_report(report, -errno, "cannot make", ks->store_dir);
	return keystore_check_file(ks, STORE_NAME, S_IFDIR, report);
}

int making_prepare(const char *dir, const struct keystore_env *env, struct keystore **ret,
		   struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;
	int r = new_handle(dir, env, &ks, report);

	if (r == 0)
		r = prepare_dir(ks, report);
	if (r < 0)
		return r;
	*ret = steal_ptr(ks);
	return 0;
}

/* What only exists while a keystore is made; in guarded memory. */
struct making {
	struct roots roots;
	uint8_t recovery_sk[RECOVERY_KEY_LEN];
};

static int make_keys(struct keystore *ks, struct making *m, uint64_t now)
{
	struct keyring *ring = &ks->file.ring;

	ks->auth = keys_alloc(sizeof(*ks->auth), &ks->locked);
	ks->issuer = keys_alloc(sizeof(*ks->issuer), &ks->locked);
	ks->meta = keys_alloc(sizeof(*ks->meta), &ks->locked);
	if (!ks->auth || !ks->issuer || !ks->meta)
		return -ENOMEM;
	rng_fill(&ks->rng, ring->store_id, STORE_ID_LEN);
	rng_fill(&ks->rng, m, sizeof(*m));
	ring->generation = 1;
	memcpy(ks->auth->root, m->roots.bytes, KEYRING_ROOT_LEN);
	memcpy(ks->issuer->root, m->roots.bytes + KEYRING_ROOT_LEN, KEYRING_ROOT_LEN);
	auth_keys_generate(ks->auth, ring->store_id, &ks->rng, now);
	issuer_keys_generate(ks->issuer, &ks->rng, now);
	(void)crypto_scalarmult_base(ks->auth->recovery_pk, m->recovery_sk);
	keyring_audit_first(m->recovery_sk, ks->meta->audit.key);
	return 0;
}

static int make_slots(struct keystore *ks, const struct making *m,
		      const struct keystore_first_keys *first, uint64_t now)
{
	static const struct {
		enum keystore_slot_type type;
		enum keystore_tier tiers;
	} kinds[] = {
		{ KEYSTORE_SLOT_PASSPHRASE, KEYSTORE_BOTH },
		{ KEYSTORE_SLOT_RECOVERY, KEYSTORE_BOTH },
		{ KEYSTORE_SLOT_KEY_FILE, KEYSTORE_AUTH },
	};
	struct keyring *ring = &ks->file.ring;
	const struct slot_source src = {
		.rng = &ks->rng,
		.store_id = ring->store_id,
		.pwhash_ops = ks->pwhash_ops,
		.pwhash_mem = ks->pwhash_mem,
	};
	const struct span keys[] = {
		{ secret_data(first->passphrase), secret_len(first->passphrase) },
		SPAN(m->recovery_sk),
		{ first->key_file ? secret_data(first->key_file) : NULL,
		  first->key_file ? secret_len(first->key_file) : 0 },
	};

	ring->slot_count = first->key_file ? 3 : 2;
	for (size_t i = 0; i < ring->slot_count; i++) {
		struct keyring_slot *s = &ring->slots[i];
		struct slot_mac mac;
		int r;

		s->info.type = kinds[i].type;
		s->info.tiers = kinds[i].tiers;
		s->info.created = now;
		rng_fill(&ks->rng, s->info.id, sizeof(s->info.id));
		r = keyring_slot_make(&src, keys[i], &m->roots, s, &mac);
		if (r < 0)
			return r;
		slot_macs_add(s->info.tiers == KEYSTORE_BOTH ? &ks->issuer->macs
							     : &ks->auth->macs,
			      &mac);
		sodium_memzero(&mac, sizeof(mac));
	}
	keys_protect(ks->auth);
	keys_protect(ks->issuer);
	return 0;
}

/* LMDB syncs what it writes but not the names of the files that it makes. */
static int sync_store_dir(const struct keystore *ks)
{
	cleanup_close int fd =
		openat(ks->dirfd, STORE_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int making_store(struct keystore *ks, struct report *report)
{
	uint8_t anchor[ANCHOR_LEN] = { 0 };
	int r;

	r = keystore_db_open(ks, true, report);
	if (r < 0)
		return r;
	r = sync_store_dir(ks);
	if (r < 0)
		return db_report(report, r, "cannot sync", ks->store_dir);
	r = fs_replace(ks->dirfd, ANCHOR_NAME, anchor, sizeof(anchor), FILE_MODE);
	if (r < 0)
		return db_report(report, r, "cannot write the anchor in", ks->dir);
	ks->health = KEYSTORE_HEALTHY;
	return txn_commit_empty(ks, report);
}

/* The keyring last: until it is there, there is no keystore. */
static int write_files(struct keystore *ks, struct report *report)
{
	const struct keyring_content content = { .auth = ks->auth, .issuer = ks->issuer };
	cleanup_buf struct buf file = BUF_INIT;
	int r = making_store(ks, report);

	if (r < 0)
		return r;
	r = keyring_encode(&ks->file.ring, &content, &ks->rng, &file);
	if (r < 0)
		return db_report(report, r, "cannot write the keyring in", ks->dir);
	return making_ring(ks, &file, report);
}

static int make_recovery_text(const struct making *m, struct secret **ret)
{
	cleanup_secret struct secret *s = secret_alloc(RECOVERY_TEXT_SIZE - 1);

	if (!s)
		return -ENOMEM;
	recovery_format(m->recovery_sk, (char *)secret_fill(s)); /* the NUL has its room */
	*ret = steal_ptr(s);
	return 0;
}

static const char *key_name(enum keystore_slot_type type)
{
	switch (type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		return "passphrase";
	case KEYSTORE_SLOT_CREDENTIAL:
		return "credential's secret";
	case KEYSTORE_SLOT_EXEC:
		return "helper's secret";
	case KEYSTORE_SLOT_KEY_FILE:
	case KEYSTORE_SLOT_RECOVERY:
	case KEYSTORE_SLOT_QUORUM:
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return "key file";
	}
}

int keystore_check_key(enum keystore_slot_type type, const struct secret *key,
		       struct report *report)
{
	bool passphrase = type == KEYSTORE_SLOT_PASSPHRASE;
	size_t least = passphrase ? 1 : KEYSTORE_KEY_FILE_MIN;
	size_t most = passphrase ? KEYSTORE_PASSPHRASE_MAX : KEYSTORE_KEY_FILE_MAX;

	if (key && secret_len(key) >= least && secret_len(key) <= most)
		return 0;
	(void)report_set(report, -EINVAL, "a %s has %zu to %zu bytes", key_name(type), least,
			 most);
	report_hint(report, passphrase ? "six random words make a good one"
				       : "(umask 077; head -c 64 /dev/urandom > FILE) makes a "
					 "good one");
	return -EINVAL;
}

static void making_freep(struct making **m)
{
	keys_free(*m);
}

int keystore_create(const char *dir, const struct keystore_env *env,
		    const struct keystore_first_keys *keys, struct secret **ret_recovery,
		    struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;
	cleanup_secret struct secret *text = NULL;
	cleanup_(making_freep) struct making *m = NULL;
	uint64_t now;
	int r;

	r = keystore_check_key(KEYSTORE_SLOT_PASSPHRASE, keys->passphrase, report);
	if (r == 0 && keys->key_file)
		r = keystore_check_key(KEYSTORE_SLOT_KEY_FILE, keys->key_file, report);
	if (r == 0)
		r = making_prepare(dir, env, &ks, report);
	if (r < 0)
		return r;
	m = keys_alloc(sizeof(*m), &ks->locked);
	now = clock_now(&ks->clock).wall;
	r = m ? make_keys(ks, m, now) : -ENOMEM;
	if (r == 0)
		r = make_slots(ks, m, keys, now);
	if (r == 0)
		r = make_recovery_text(m, &text);
	if (r < 0)
		return report_set(report, r, "cannot make keys: %s", strerrordesc_np(-r));
	r = write_files(ks, report);
	if (r < 0)
		return r;
	*ret_recovery = steal_ptr(text);
	return 0;
}
