/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/keystore-ops.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "keystore/import.h"
#include "keystore/internal.h"
#include "keystore/restore.h"

enum {
	SMALL = 24,
	HIDDEN = 8,
	BULK = 90,
	LARGE_LEN = 40 * 1024,
	LINES_MAX = 512,
	BACKUP_LEN_MAX = 512 * 1024,
	PIECE = 4096,
};

/* A backup of the common beginning, and what opens it. */
static struct {
	char recovery[128];
	uint8_t data[BACKUP_LEN_MAX];
	size_t len;
} kept;

__attribute__((visibility("default"))) int
crypto_pwhash(unsigned char *const out, unsigned long long outlen, const char *const passwd,
	      unsigned long long passwdlen, const unsigned char *const salt,
	      unsigned long long opslimit, size_t memlimit, int alg)
{
	(void)opslimit;
	(void)memlimit;
	(void)alg;
	return crypto_generichash_blake2b_salt_personal(out, outlen, (const uint8_t *)passwd,
							passwdlen, NULL, 0, salt, NULL);
}

/* ---- directories ---- */

static void each_name(const char *dir,
		      void (*visit)(int dirfd, const char *name, void *context), void *context)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	assert_non_null(d);
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			visit(dirfd(d), e->d_name, context);
	(void)closedir(d);
}

static void remove_name(int dirfd, const char *name, void *context)
{
	char path[PATH_MAX];

	if (unlinkat(dirfd, name, 0) == 0)
		return;
	assert_true(snprintf(path, PATH_MAX, "%s/%s", (const char *)context, name) < PATH_MAX);
	remove_tree(path);
}

void remove_tree(const char *dir)
{
	char copy[PATH_MAX];

	if (access(dir, F_OK) < 0)
		return;
	(void)snprintf(copy, sizeof(copy), "%s", dir);
	each_name(dir, remove_name, copy);
	assert_int_equal(rmdir(dir), 0);
}

struct copying {
	const char *from;
	const char *to;
};

static void copy_file(int dirfd, const char *name, int to)
{
	int in = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	uint8_t block[16384];
	ssize_t n;

	assert_true(in >= 0 && to >= 0);
	while ((n = read(in, block, sizeof(block))) > 0)
		assert_int_equal(fs_write_all(to, block, (size_t)n), 0);
	assert_int_equal(n, 0);
	(void)close(in);
	(void)close(to);
}

/* Not LMDB's locks: closing a descriptor of one would let go of what this process holds. */
static void copy_name(int dirfd, const char *name, void *context)
{
	const struct copying *c = context;
	char from[PATH_MAX];
	char to[PATH_MAX];
	struct stat st;

	if (strstr(name, "lock"))
		return;
	assert_true(snprintf(from, PATH_MAX, "%s/%s", c->from, name) < PATH_MAX);
	assert_true(snprintf(to, PATH_MAX, "%s/%s", c->to, name) < PATH_MAX);
	assert_int_equal(lstat(from, &st), 0);
	if (S_ISDIR(st.st_mode)) {
		copy_tree(from, to);
		return;
	}
	copy_file(dirfd, name,
		  open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777));
}

void copy_tree(const char *from, const char *to)
{
	struct copying c = { from, to };
	struct stat st;

	remove_tree(to);
	if (stat(from, &st) < 0)
		return; /* nor is there one at TO then */
	assert_int_equal(mkdir(to, st.st_mode & 0777), 0);
	each_name(from, copy_name, &c);
}

/* ---- opening ---- */

int world_open(struct world *w, struct report *report)
{
	cleanup_secret struct secret *key = fixture_secret(fixture_passphrase);
	cleanup_keystore struct keystore *ks = NULL;
	int r = keystore_open(w->dir, &w->f->env, &ks, report);

	if (r == 0)
		r = keystore_unlock_passphrase(ks, key, report);
	if (r == 0)
		w->ks = steal_ptr(ks);
	return r;
}

static void must_open(struct world *w)
{
	struct report report = { 0 };

	if (world_open(w, &report) < 0)
		fixture_fail(&report);
	assert_non_null(w->ks);
}

void world_close(struct world *w)
{
	keystore_backup_free(w->backup);
	w->backup = NULL;
	keystore_close(w->ks);
	w->ks = NULL;
}

void world_take(struct world *w, const char *from, const struct op *op)
{
	world_close(w);
	if (op->flags & OP_MAKES)
		remove_tree(w->dir);
	else
		copy_tree(from, w->dir);
	w->pass = (struct keystore_reseal){ 0 };
	if (!(op->flags & (OP_OPENS | OP_MAKES)))
		must_open(w);
}

/* ---- what is in it ---- */

static void name_of(char out[static 32], const char *word, int n)
{
	(void)snprintf(out, 32, "%s-%d", word, n);
}

static int put(struct keystore_txn *txn, const char *name, enum keystore_tier tier,
	       const char *body)
{
	const struct keystore_record rec = fixture_record(name, tier, body);

	return keystore_put(txn, &rec, NULL);
}

static int put_large(struct keystore_txn *txn, const char *name, uint8_t fill)
{
	struct keystore_record rec = fixture_record(name, KEYSTORE_ISSUER, "");
	static uint8_t body[LARGE_LEN];

	memset(body, fill, sizeof(body));
	rec.body = body;
	rec.body_len = sizeof(body);
	return keystore_put(txn, &rec, NULL);
}

static int drop(struct keystore_txn *txn, const char *name)
{
	const struct keystore_id id = { "password", "verifier", name };

	return keystore_remove(txn, &id, "revoked by hand");
}

typedef int fill_fn(struct keystore_txn *txn);

static int commit(struct world *w, fill_fn *fill, struct report *report)
{
	struct keystore_txn *txn;
	int r = keystore_begin(w->ks, &txn, report);

	if (r < 0)
		return r;
	r = fill(txn);
	if (r < 0) {
		keystore_abort(txn);
		return report_set(report, r, "%s: %s", w->dir, strerrordesc_np(-r));
	}
	return keystore_commit(txn, NULL, report);
}

static int fill_first(struct keystore_txn *txn)
{
	struct keystore_audit end = { .seq = 7, .head = { 1 }, .key = { 2 } };
	char name[32];
	int r = put_large(txn, "large", 1);

	for (int i = 0; r == 0 && i < SMALL; i++) {
		name_of(name, "svc", i);
		r = put(txn, name, KEYSTORE_AUTH, "a verifier");
	}
	for (int i = 0; r == 0 && i < HIDDEN; i++) {
		name_of(name, "key", i);
		r = put(txn, name, KEYSTORE_ISSUER, "a private key");
	}
	keystore_set_audit(txn, &end);
	return r;
}

static int fill_graves(struct keystore_txn *txn)
{
	int r = drop(txn, "svc-20");

	return r < 0 ? r : drop(txn, "key-7");
}

void world_begin(struct world *w)
{
	cleanup_secret struct secret *passphrase = fixture_secret(fixture_passphrase);
	cleanup_secret struct secret *key_file = fixture_secret(fixture_key_file);
	const struct keystore_first_keys keys = { passphrase, key_file };
	cleanup_secret struct secret *recovery = NULL;

	assert_int_equal(keystore_create(w->dir, &w->f->env, &keys, &recovery, NULL), 0);
	(void)snprintf(kept.recovery, sizeof(kept.recovery), "%.*s", (int)secret_len(recovery),
		       (const char *)secret_data(recovery));
	must_open(w);
	assert_int_equal(commit(w, fill_first, NULL), 0);
	assert_int_equal(commit(w, fill_graves, NULL), 0);
}

void world_prepare(struct world *w, const struct op *op)
{
	struct report report = { 0 };

	if (!(op->flags & OP_MAKES))
		world_begin(w);
	if (op->prepare && op->prepare(w, &report) < 0) {
		fixture_fail(&report);
		fail();
	}
	world_close(w);
}

/* ---- snapshots ---- */

struct listing {
	char *lines[LINES_MAX];
	size_t count;
};

static void add_line(struct listing *l, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void add_line(struct listing *l, const char *format, ...)
{
	va_list args;

	assert_true(l->count < LINES_MAX);
	va_start(args, format);
	assert_true(vasprintf(&l->lines[l->count++], format, args) >= 0);
	va_end(args);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *join(struct listing *l)
{
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	qsort(l->lines, l->count, sizeof(l->lines[0]), by_text);
	for (size_t i = 0; i < l->count; i++) {
		(void)fprintf(out, "%s\n", l->lines[i]);
		free(l->lines[i]);
	}
	assert_int_equal(fclose(out), 0);
	return text;
}

static uint64_t digest(const uint8_t *data, size_t len)
{
	uint8_t hash[16];

	(void)crypto_generichash(hash, sizeof(hash), data, len, NULL, 0);
	return load_be64(hash);
}

static int list_record(void *context, const struct keystore_record *rec)
{
	add_line(context, "%s/%s/%s tier %d version %llu state %d created %llu %llx %llx",
		 rec->id.space, rec->id.kind, rec->id.name, rec->tier,
		 (unsigned long long)rec->version, rec->state, (unsigned long long)rec->created,
		 (unsigned long long)digest(rec->attrs, rec->attrs_len),
		 (unsigned long long)digest(rec->body, rec->body_len));
	return 0;
}

static void list_grave(struct keystore *ks, const struct keystore_id *id, struct listing *l)
{
	struct keystore_tombstone t;

	if (keystore_get_tombstone(ks, id, &t) == 0)
		add_line(l, "%s is gone: version %llu at %llu, %s", id->name,
			 (unsigned long long)t.version, (unsigned long long)t.time, t.reason);
}

/* Of every name that an operation here may remove. */
static void list_graves(struct keystore *ks, struct listing *l)
{
	static const char *const words[] = { "svc", "key", "bulk" };

	for (size_t w = 0; w < ARRAY_SIZE(words); w++) {
		for (int i = 0; i < BULK; i++) {
			char name[32];

			name_of(name, words[w], i);
			list_grave(ks, &(struct keystore_id){ "password", "verifier", name },
				   l);
		}
	}
	list_grave(ks, &(struct keystore_id){ "keystore", "restored", "origin" }, l);
}

static char *list_records(struct keystore *ks)
{
	struct listing l = { 0 };
	struct keystore_audit end;

	assert_int_equal(keystore_foreach(ks, NULL, NULL, list_record, &l), 0);
	assert_int_equal(l.count, keystore_count(ks));
	list_graves(ks, &l);
	assert_int_equal(l.count, keystore_count(ks) + keystore_tombstones(ks));
	assert_int_equal(keystore_audit_get(ks, &end), 0);
	if (end.seq > 0) /* else the key is as random as the keystore */
		add_line(&l, "audit %llu %llx %llx", (unsigned long long)end.seq,
			 (unsigned long long)digest(end.head, sizeof(end.head)),
			 (unsigned long long)digest(end.key, sizeof(end.key)));
	return join(&l);
}

static char *list_shape(struct keystore *ks)
{
	struct listing l = { 0 };

	for (size_t i = 0; i < keystore_slot_count(ks); i++) {
		struct keystore_slot slot;

		keystore_slot_get(ks, i, &slot);
		add_line(&l, "slot %s tiers %d", keystore_slot_type_name(slot.type),
			 slot.tiers);
	}
	add_line(&l, "resealing %d", keystore_is_resealing(ks));
	add_line(&l, "health %d", keystore_health(ks, NULL));
	return join(&l);
}

struct picture world_picture(struct world *w)
{
	struct report report = { 0 };
	struct keystore_verify totals;
	enum keystore_health health;
	int r = 0;

	if (!w->ks)
		return (struct picture){ strdup("none"), strdup("none") };
	health = keystore_health(w->ks, NULL);
	if (health == KEYSTORE_HEALTHY || health == KEYSTORE_RESTORED)
		r = keystore_verify(w->ks, &totals, &report);
	if (r < 0)
		fixture_fail(&report);
	assert_int_equal(r, 0);
	return (struct picture){ list_records(w->ks), list_shape(w->ks) };
}

struct picture dir_picture(struct fixture *f, const char *dir)
{
	struct world w = { .f = f };
	struct report report = { 0 };
	struct picture s;
	int r;

	(void)snprintf(w.dir, sizeof(w.dir), "%s", dir);
	r = world_open(&w, &report);
	if (r < 0 && r != -ENOENT)
		fixture_fail(&report);
	assert_true(r == 0 || r == -ENOENT);
	s = world_picture(&w);
	world_close(&w);
	return s;
}

void picture_release(struct picture *s)
{
	free(s->records);
	free(s->shape);
	*s = (struct picture){ 0 };
}

bool picture_equal(const struct picture *a, const struct picture *b)
{
	return strcmp(a->records, b->records) == 0 && strcmp(a->shape, b->shape) == 0;
}

bool picture_is_one_of(const struct picture *s, const struct picture *before,
		       const struct picture *after, const struct op *op)
{
	if (op->flags & OP_STEPS)
		return strcmp(s->records, before->records) == 0 &&
		       (strcmp(s->shape, before->shape) == 0 ||
			strcmp(s->shape, after->shape) == 0);
	return picture_equal(s, before) || picture_equal(s, after);
}

/* ---- the operations ---- */

static int fill_put(struct keystore_txn *txn)
{
	return put(txn, "bulk-0", KEYSTORE_AUTH, "new");
}

static int run_put(struct world *w, struct report *report)
{
	return commit(w, fill_put, report);
}

static int fill_replace(struct keystore_txn *txn)
{
	return put_large(txn, "large", 2);
}

static int run_replace(struct world *w, struct report *report)
{
	return commit(w, fill_replace, report);
}

static int fill_remove(struct keystore_txn *txn)
{
	return drop(txn, "svc-1");
}

static int run_remove(struct world *w, struct report *report)
{
	return commit(w, fill_remove, report);
}

static int fill_hundred(struct keystore_txn *txn)
{
	struct keystore_audit end = { .seq = 9, .head = { 3 }, .key = { 4 } };
	char name[32];
	int r = 0;

	for (int i = 0; r == 0 && i < BULK; i++) {
		name_of(name, "bulk", i);
		r = put(txn, name, i % 2 ? KEYSTORE_AUTH : KEYSTORE_ISSUER, "one of many");
	}
	for (int i = 0; r == 0 && i < 10; i++) {
		name_of(name, "svc", i);
		r = drop(txn, name);
	}
	keystore_set_audit(txn, &end);
	return r;
}

static int run_hundred(struct world *w, struct report *report)
{
	return commit(w, fill_hundred, report);
}

static int fill_audit(struct keystore_txn *txn)
{
	struct keystore_audit end = { .seq = 8, .head = { 5 }, .key = { 6 } };

	keystore_set_audit(txn, &end);
	return 0;
}

static int run_audit(struct world *w, struct report *report)
{
	return commit(w, fill_audit, report);
}

static int run_open(struct world *w, struct report *report)
{
	return world_open(w, report);
}

/* A keyring was written, and nobody has proven it yet. */
static int prepare_prev(struct world *w, struct report *report)
{
	char from[PATH_MAX];
	char to[PATH_MAX];
	char command[2 * PATH_MAX + 16];

	(void)report;
	assert_true(snprintf(from, PATH_MAX, "%s/keyring", w->dir) < PATH_MAX);
	assert_true(snprintf(to, PATH_MAX, "%s/keyring.prev", w->dir) < PATH_MAX);
	(void)snprintf(command, sizeof(command), "cp -p '%s' '%s'", from, to);
	return system(command) == 0 ? 0 : -EIO;
}

static int run_slot_add(struct world *w, struct report *report)
{
	cleanup_secret struct secret *key = fixture_secret("another key file of 32 bytes....");
	const struct keystore_new_slot slot = {
		.type = KEYSTORE_SLOT_KEY_FILE,
		.key = key,
	};
	cleanup_secret struct secret *text = NULL;

	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	return keystore_slot_add(w->ks, &slot, id, &text, report);
}

static int run_quorum_add(struct world *w, struct report *report)
{
	const struct keystore_new_slot slot = {
		.type = KEYSTORE_SLOT_QUORUM,
		.shares = 3,
		.threshold = 2,
	};
	cleanup_secret struct secret *text = NULL;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	return keystore_slot_add(w->ks, &slot, id, &text, report);
}

static int run_slot_remove(struct world *w, struct report *report)
{
	for (size_t i = 0; i < keystore_slot_count(w->ks); i++) {
		struct keystore_slot slot;

		keystore_slot_get(w->ks, i, &slot);
		if (slot.type == KEYSTORE_SLOT_KEY_FILE)
			return keystore_slot_remove(w->ks, slot.id, report);
	}
	return 0; /* an attempt that failed has done it all the same */
}

static int run_reseal_begin(struct world *w, struct report *report)
{
	return keystore_reseal_begin(w->ks, report);
}

static int run_reseal_step(struct world *w, struct report *report)
{
	return keystore_reseal_step(w->ks, &w->pass, report);
}

static int run_reseal_end(struct world *w, struct report *report)
{
	int r;

	do
		r = keystore_reseal_step(w->ks, &w->pass, report);
	while (r > 0);
	return r;
}

/* All records are sealed anew; what is left is to destroy the old keys. */
static int prepare_reseal_end(struct world *w, struct report *report)
{
	struct keystore_reseal pass = { 0 };
	int r = keystore_reseal_begin(w->ks, report);

	while (r >= 0 && pass.table <= RECORD_HIST)
		r = keystore_reseal_step(w->ks, &pass, report);
	return r < 0 ? r : 0;
}

static int run_rekey(struct world *w, struct report *report)
{
	return keystore_rekey(w->ks, report);
}

static int run_compact(struct world *w, struct report *report)
{
	return store_compact(w->ks, report);
}

/* An older store under a newer anchor. */
static int prepare_rollback(struct world *w, struct report *report)
{
	char store[PATH_MAX];
	char old[PATH_MAX];

	assert_true(snprintf(store, PATH_MAX, "%s/store", w->dir) < PATH_MAX);
	assert_true(snprintf(old, PATH_MAX, "%s-old", w->dir) < PATH_MAX);
	copy_tree(store, old);
	for (int i = 0; i < 2; i++) {
		int r = run_put(w, report);

		if (r < 0)
			return r;
	}
	world_close(w);
	copy_tree(old, store);
	remove_tree(old);
	return 0;
}

static int run_accept(struct world *w, struct report *report)
{
	return keystore_accept(w->ks, report);
}

/* A store of before there was the table `sums`, which the next unseal makes. */
static int prepare_no_sums(struct world *w, struct report *report)
{
	MDB_txn *txn;

	(void)report;
	assert_int_equal(mdb_txn_begin(w->ks->db, NULL, 0, &txn), 0);
	assert_int_equal(mdb_drop(txn, w->ks->sums, 1), 0);
	return mdb_txn_commit(txn) == 0 ? 0 : -EIO;
}

static int fill_import(struct keystore_import *imp)
{
	struct keystore_tombstone t = { .version = 3, .time = 5, .reason = "long gone" };
	struct keystore_record rec;
	char name[32];
	int r = 0;

	for (int i = 0; r == 0 && i < BULK; i++) {
		name_of(name, "bulk", i);
		rec = fixture_record(name, i % 2 ? KEYSTORE_AUTH : KEYSTORE_ISSUER,
				     "brought in");
		r = i % 5 ? keystore_import_put(imp, &rec)
			  : keystore_import_tombstone(imp, &rec.id, &t);
	}
	return r;
}

static int run_import(struct world *w, struct report *report)
{
	cleanup_import struct keystore_import *imp = NULL;
	int r = keystore_import_begin(w->ks, KEYSTORE_IMPORT_NEW, &imp, report);

	if (r == 0)
		r = fill_import(imp);
	return r < 0 ? r : keystore_import_finish(steal_ptr(imp), NULL, report);
}

/* The rest of the backup into KEPT. */
static int take_backup(struct world *w, struct report *report)
{
	size_t len = 0;
	int r;

	do {
		assert_true(kept.len + PIECE <= BACKUP_LEN_MAX);
		r = keystore_backup_next(w->backup, kept.data + kept.len, PIECE, &len, report);
		kept.len += len;
	} while (r == 0 && len > 0);
	keystore_backup_free(w->backup);
	w->backup = NULL;
	return r;
}

static int begin_backup(struct world *w, struct report *report)
{
	size_t len;
	int r = keystore_backup_begin(w->ks, &w->backup, report);

	kept.len = 0;
	if (r == 0)
		r = keystore_backup_next(w->backup, kept.data, PIECE, &len, report);
	if (r == 0)
		kept.len = len;
	return r;
}

static void check_backup(void)
{
	cleanup_secret struct secret *recovery = fixture_secret(kept.recovery);
	cleanup_backup_reader struct keystore_backup_reader *reader = NULL;

	assert_int_equal(keystore_backup_read(recovery, &reader, NULL), 0);
	assert_int_equal(keystore_backup_push(reader, kept.data, kept.len, NULL), 0);
	assert_int_equal(keystore_backup_finish(reader, NULL, NULL), 0);
}

/* A change with a backup half way: that goes on, or says that it lost the store. */
static int run_put_in_backup(struct world *w, struct report *report)
{
	int r = w->backup ? 0 : begin_backup(w, report);

	if (r == 0)
		r = run_put(w, report);
	if (r < 0)
		return r; /* the backup stays, and must be in nobody's way */
	r = take_backup(w, NULL);
	assert_true(r == 0 || r == -ESTALE);
	if (r == 0)
		check_backup();
	return 0;
}

/* A backup, and nothing besides. */
static int leave_backup(struct world *w, struct report *report)
{
	int r = begin_backup(w, report);

	if (r == 0)
		r = take_backup(w, report);
	world_close(w);
	remove_tree(w->dir);
	return r;
}

static int prepare_restore(struct world *w, struct report *report)
{
	world_begin(w);
	return leave_backup(w, report);
}

static int run_restore(struct world *w, struct report *report)
{
	cleanup_secret struct secret *recovery = fixture_secret(kept.recovery);
	cleanup_restore struct keystore_restore *restore = NULL;
	struct keystore_restored restored;
	int r = keystore_restore_begin(w->dir, &w->f->env, recovery, &restore, report);

	for (size_t at = 0; r == 0 && at < kept.len; at += PIECE)
		r = keystore_restore_push(restore, kept.data + at,
					  kept.len - at < PIECE ? kept.len - at : PIECE,
					  report);
	return r < 0 ? r : keystore_restore_finish(restore, &restored, report);
}

/* One that nobody has accepted yet. */
static int prepare_restored(struct world *w, struct report *report)
{
	int r = leave_backup(w, report);

	return r < 0 ? r : run_restore(w, report);
}

static int run_create(struct world *w, struct report *report)
{
	cleanup_secret struct secret *passphrase = fixture_secret(fixture_passphrase);
	const struct keystore_first_keys keys = { .passphrase = passphrase };
	cleanup_secret struct secret *recovery = NULL;

	return keystore_create(w->dir, &w->f->env, &keys, &recovery, report);
}

const struct op ops[] = {
	{ "put", NULL, run_put, 0 },
	{ "replace a large one", NULL, run_replace, 0 },
	{ "remove", NULL, run_remove, 0 },
	{ "a transaction of a hundred", NULL, run_hundred, 0 },
	{ "the end of the audit log alone", NULL, run_audit, 0 },
	{ "open", NULL, run_open, OP_OPENS },
	{ "open with a keyring.prev", prepare_prev, run_open, OP_OPENS },
	{ "slot add", NULL, run_slot_add, 0 },
	{ "slot add, a quorum", NULL, run_quorum_add, 0 },
	{ "slot remove", NULL, run_slot_remove, 0 },
	{ "rekey", NULL, run_rekey, 0 },
	{ "reseal begin", NULL, run_reseal_begin, 0 },
	{ "reseal step", run_reseal_begin, run_reseal_step, OP_STEPS },
	{ "reseal end", prepare_reseal_end, run_reseal_end, OP_STEPS },
	{ "compact", NULL, run_compact, 0 },
	{ "accept", prepare_rollback, run_accept, 0 },
	{ "open without sums", prepare_no_sums, run_open, OP_OPENS },
	{ "import", NULL, run_import, 0 },
	{ "put during a backup", NULL, run_put_in_backup, 0 },
	{ "restore", prepare_restore, run_restore, OP_MAKES },
	{ "accept what was restored", prepare_restored, run_accept, 0 },
	{ "create", NULL, run_create, OP_MAKES },
};

const size_t op_count = ARRAY_SIZE(ops);
