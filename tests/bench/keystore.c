/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the keystore costs, as ratios to what the machine could do in the same minutes: each
 * figure is the median of rounds in which it and its limit take turns. Prints, never judges but
 * in words: "missed" stands where a target is not met.
 *
 *	keystore DIRECTORY RECORDS
 *
 * A "300-byte record" is one whose value in the store, header, padding and tag included, has
 * 304 bytes: 64 of body, 128 of attributes and the id make 240 padded to a multiple of 64.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "keystore/backup.h"
#include "keystore/internal.h"
#include "keystore/restore.h"

enum {
	ROUNDS = 5,
	SYNCS = 150, /* durable operations in one round */
	TURN = 10,   /* of them until the next figure has its turn: a disk changes its mind fast
		      */
	GROUP = 16,
	GETS = 20000,
	TXN = 1000,
	BODY = 64,
	ATTRS = 68,
	CHUNK = 64 * 1024,
	STORED = 304, /* bytes of a record's value in the store */
	NOISE = 4096, /* drawn before any clock runs */
};

enum { PROBE, BARE_ONE, BARE_GROUP, ONE, GROUPED, ONE_BIG, WRITES };

#define STORE_FILE "big/store/data.mdb"

static const char passphrase[] = "correct horse battery staple";

struct bench {
	char dir[PATH_MAX / 2];
	unsigned records;
	unsigned next; /* of the names that were not used yet */
	struct keystore *small, *big;
	struct secret *recovery;
	int probe_fd;
	MDB_env *bare; /* one table of keys and values of that size, and nothing else */
	MDB_dbi bare_table;
	uint8_t noise[NOISE];
};

static void die(const char *what, int r, const struct report *report)
{
	(void)fprintf(stderr, "%s: %s %s\n", what, strerror(-r), report ? report->what : "");
	exit(1);
}

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process alone, for what neither waits nor sleeps. */
static double now_busy(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(const double *v, size_t n)
{
	double sorted[ROUNDS];

	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), compare);
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* ---- the table ---- */

/* A figure, what it is held against, and the ratio that must and the one that should be. */
struct line {
	const char *what;
	const char *unit;
	const char *limit;
	double ratio, must, reach; /* 0: no target */
	bool is_ceiling;	   /* less is better */
};

static const char *verdict(const struct line *l)
{
	bool is_met = l->is_ceiling ? l->ratio <= l->must : l->ratio >= l->must;
	bool is_reached = l->is_ceiling ? l->ratio <= l->reach : l->ratio >= l->reach;

	if (l->must == 0)
		return "";
	return is_met ? is_reached ? "reached" : "met" : "missed";
}

static void show(const struct line *l, const double *value, const double *limit, size_t n)
{
	double ratios[ROUNDS];
	struct line line = *l;
	char target[48] = "";

	for (size_t i = 0; i < n; i++)
		ratios[i] = value[i] / limit[i];
	line.ratio = median(ratios, n);
	if (l->must > 0)
		(void)snprintf(target, sizeof(target), "%s%g, reach %g",
			       l->is_ceiling ? "at most " : "at least ", l->must, l->reach);
	(void)printf("%-42s %10.0f %-9s %10.0f %-30s %7.3g  %-24s %s\n", l->what,
		     median(value, n), l->unit, median(limit, n), l->limit, line.ratio, target,
		     verdict(&line));
	(void)fflush(stdout);
}

/* ---- records ---- */

static struct keystore_record make_record(const struct bench *b, unsigned number,
					  char name[static 24])
{
	static uint8_t attrs[ATTRS];

	/* scattered like hashes, and never twice */
	(void)snprintf(name, 24, "record-%08x", number * 2654435761U);
	return (struct keystore_record){
		.id = { "bench", "record", name },
		.tier = KEYSTORE_AUTH,
		.attrs = attrs,
		.attrs_len = sizeof(attrs),
		.body = b->noise + number % (NOISE - BODY),
		.body_len = BODY,
	};
}

static void put(const struct bench *b, struct keystore_txn *txn, unsigned number)
{
	char name[24];
	const struct keystore_record rec = make_record(b, number, name);
	int r = keystore_put(txn, &rec, NULL);

	if (r < 0)
		die("put", r, NULL);
}

static struct keystore_txn *begin(struct keystore *ks)
{
	struct report report = { 0 };
	struct keystore_txn *txn;
	int r = keystore_begin(ks, &txn, &report);

	if (r < 0)
		die("begin", r, &report);
	return txn;
}

static void commit(struct keystore_txn *txn)
{
	struct report report = { 0 };
	int r = keystore_commit(txn, NULL, &report);

	if (r < 0)
		die("commit", r, &report);
}

static void path_of(const struct bench *b, const char *name, char ret[static PATH_MAX])
{
	(void)snprintf(ret, PATH_MAX, "%s/%s", b->dir, name); /* it fits */
}

static struct keystore *open_store(const char *dir, bool is_new, struct secret **ret_recovery)
{
	cleanup_secret struct secret *key = secret_new(passphrase, sizeof(passphrase) - 1);
	const struct keystore_first_keys keys = { key, NULL };
	const struct keystore_env env = { .pwhash_ops = 0 };
	cleanup_secret struct secret *recovery = NULL;
	struct report report = { 0 };
	struct keystore *ks = NULL;
	int r = is_new ? keystore_create(dir, &env, &keys, &recovery, &report) : 0;

	if (r == 0)
		r = keystore_open(dir, &env, &ks, &report);
	if (r == 0)
		r = keystore_unlock_passphrase(ks, key, &report);
	if (r < 0)
		die(dir, r, &report);
	if (ret_recovery)
		*ret_recovery = steal_ptr(recovery);
	return ks;
}

static double file_size(const struct bench *b, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	path_of(b, name, path);
	if (stat(path, &st) < 0)
		die(path, -errno, NULL);
	return (double)st.st_blocks * 512;
}

/* ---- what is measured ---- */

/* The time that COUNT appends of 4 KiB take, each synced. */
static double probe_time(struct bench *b, unsigned count)
{
	static uint8_t page[4096];
	double t = now();

	for (unsigned i = 0; i < count; i++)
		if (write(b->probe_fd, page, sizeof(page)) != sizeof(page) ||
		    fdatasync(b->probe_fd) < 0)
			die("probe", -errno, NULL);
	return now() - t;
}

static void open_bare(struct bench *b)
{
	MDB_txn *txn = NULL;
	char path[PATH_MAX];

	path_of(b, "bare", path);
	if (mdb_env_create(&b->bare) || mdb_env_set_maxdbs(b->bare, 1) ||
	    mdb_env_set_mapsize(b->bare, 1024 * 1024 * 1024) ||
	    mdb_env_open(b->bare, path, MDB_NOSUBDIR, 0600) ||
	    mdb_txn_begin(b->bare, NULL, 0, &txn) ||
	    mdb_dbi_open(txn, "records", MDB_CREATE, &b->bare_table) || mdb_txn_commit(txn))
		die(path, -EIO, NULL);
}

/* What LMDB alone takes for TXNS transactions of COUNT values: its two syncs and its pages. */
static double bare_puts_time(struct bench *b, unsigned count, unsigned txns)
{
	uint8_t keys[GROUP * TURN][SEAL_HASH_LEN];
	double t;

	randombytes_buf(keys, sizeof(keys));
	t = now();
	for (unsigned i = 0; i < txns; i++) {
		MDB_txn *txn = NULL;
		int r = mdb_txn_begin(b->bare, NULL, 0, &txn);

		for (unsigned j = 0; r == 0 && j < count; j++) {
			MDB_val key = { SEAL_HASH_LEN, keys[i * count + j] };
			MDB_val value = { STORED, b->noise };

			r = mdb_put(txn, b->bare_table, &key, &value, 0);
		}
		if (r || mdb_txn_commit(txn))
			die("bare put", -EIO, NULL);
	}
	return now() - t;
}

static double probe(struct bench *b)
{
	return SYNCS / probe_time(b, SYNCS);
}

/* The time of TXNS transactions with COUNT puts in each, as group commit makes them. */
static double puts_time(struct bench *b, struct keystore *ks, unsigned count, unsigned txns)
{
	double t = now();

	for (unsigned i = 0; i < txns; i++) {
		struct keystore_txn *txn = begin(ks);

		for (unsigned j = 0; j < count; j++) {
			if (count == GROUP)
				(void)keystore_mark(txn);
			put(b, txn, b->next++);
		}
		commit(txn);
	}
	return now() - t;
}

static double import(const struct bench *b, struct keystore *ks, unsigned count)
{
	struct report report = { 0 };
	struct keystore_import *imp;
	double t = now();
	int r = keystore_import_begin(ks, KEYSTORE_IMPORT_NEW, &imp, &report);

	for (unsigned i = 0; r == 0 && i < count; i++) {
		char name[24];
		const struct keystore_record rec = make_record(b, i, name);

		r = keystore_import_put(imp, &rec);
	}
	if (r == 0)
		r = keystore_import_finish(imp, NULL, &report);
	if (r < 0)
		die("import", r, &report);
	return count / (now() - t);
}

/* Any that are there, without a moment's thought while the clock runs. */
static void choose_names(const struct bench *b, char (*ret)[24])
{
	for (unsigned i = 0; i < GETS; i++)
		(void)snprintf(ret[i], sizeof(ret[i]), "record-%08x",
			       randombytes_uniform(b->records) * 2654435761U);
}

static double gets(struct bench *b)
{
	static char names[GETS][24];
	double t;

	choose_names(b, names);
	t = now_busy();
	for (unsigned i = 0; i < GETS; i++) {
		cleanup_record struct keystore_record *rec = NULL;
		const struct keystore_id id = { "bench", "record", names[i] };
		int r = keystore_get(b->big, &id, &rec);

		if (r < 0)
			die("get", r, NULL);
	}
	return GETS / (now_busy() - t);
}

/* The same records by LMDB and libsodium alone: their keys are known beforehand, one read
 * transaction is renewed for each, the associated data is at hand. */
static double bare_gets(struct bench *b)
{
	static uint8_t keys[GETS][SEAL_HASH_LEN];
	static char names[GETS][24];
	const struct epoch *epoch = epochs_active(&b->big->auth->epochs);
	static uint8_t plain[4096];
	uint8_t aad[RECORD_AAD_MAX];
	MDB_txn *txn = NULL;
	double t;

	if (mdb_txn_begin(b->big->db, NULL, MDB_RDONLY, &txn))
		die("bare", -EIO, NULL);
	choose_names(b, names);
	for (unsigned i = 0; i < GETS; i++) {
		const struct keystore_id id = { "bench", "record", names[i] };

		record_hash_id(b->big->auth->name, &id, keys[i]);
	}
	mdb_txn_reset(txn);
	t = now_busy();
	for (unsigned i = 0; i < GETS; i++) {
		const struct record_place place = { b->big->file.ring.store_id, RECORD_CUR,
						    SPAN(keys[i]) };
		MDB_val key = { SEAL_HASH_LEN, keys[i] };
		MDB_val value;
		struct span v;

		if (mdb_txn_renew(txn) || mdb_get(txn, b->big->cur, &key, &value))
			die("bare get", -EIO, NULL);
		v = db_span(&value);
		if (seal_decrypt(epoch->key, v.data + RECORD_BOUND_LEN,
				 SPAN_OF(aad, record_aad(&place, v.data, aad)),
				 SPAN_OF(v.data + RECORD_HEADER_LEN, v.len - RECORD_HEADER_LEN),
				 plain) < 0)
			die("bare open", -EBADMSG, NULL);
		mdb_txn_reset(txn);
	}
	t = now_busy() - t;
	mdb_txn_abort(txn);
	return GETS / t;
}

/* Records of that size, opened (and sealed) in memory that the processor has at hand. */
static double bare_aead(bool and_seal)
{
	static uint8_t sealed[STORED - RECORD_HEADER_LEN], plain[512], key[32], nonce[24],
		aad[108];
	const struct span in = { plain, sizeof(sealed) - SEAL_TAG_LEN };
	double t;

	seal_encrypt(key, nonce, SPAN(aad), in, sealed);
	t = now();
	for (unsigned i = 0; i < GETS; i++) {
		if (seal_decrypt(key, nonce, SPAN(aad), SPAN(sealed), plain) < 0)
			die("aead", -EBADMSG, NULL);
		if (and_seal)
			seal_encrypt(key, nonce, SPAN(aad), in, sealed);
	}
	return GETS / (now() - t);
}

static double pwhash(void)
{
	uint8_t key[32], salt[16] = { 0 };
	double t = now();

	if (crypto_pwhash(key, sizeof(key), passphrase, sizeof(passphrase) - 1, salt,
			  crypto_pwhash_OPSLIMIT_MODERATE, crypto_pwhash_MEMLIMIT_MODERATE,
			  crypto_pwhash_ALG_ARGON2ID13))
		die("pwhash", -ENOMEM, NULL);
	return (now() - t) * 1000;
}

static double reopen(struct bench *b)
{
	char path[PATH_MAX];
	double t;

	path_of(b, "big", path);
	keystore_close(b->big);
	t = now();
	b->big = open_store(path, false, NULL);
	return (now() - t) * 1000;
}

/* Bytes of the file NAME in a second, one after the other, as records. */
static double read_file(struct bench *b, const char *name)
{
	static uint8_t chunk[1024 * 1024];
	char path[PATH_MAX];
	cleanup_close int fd = -1;
	double t = now();

	path_of(b, name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(path, -errno, NULL);
	while (read(fd, chunk, sizeof(chunk)) > 0)
		;
	return b->records / (now() - t);
}

static double verify(struct bench *b)
{
	struct keystore_verify v;
	struct report report = { 0 };
	double t = now();
	int r = keystore_verify(b->big, &v, &report);

	if (r < 0)
		die("verify", r, &report);
	return (double)v.records / (now() - t);
}

static double backup(struct bench *b)
{
	static uint8_t chunk[CHUNK];
	struct report report = { 0 };
	cleanup_backup struct keystore_backup *backup = NULL;
	cleanup_close int fd = -1;
	char path[PATH_MAX];
	double t = now();
	size_t len;
	int r = keystore_backup_begin(b->big, &backup, &report);

	path_of(b, "backup", path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	while (r == 0) {
		r = keystore_backup_next(backup, chunk, sizeof(chunk), &len, &report);
		if (r < 0 || len == 0)
			break;
		if (write(fd, chunk, len) != (ssize_t)len)
			r = -EIO;
	}
	if (r < 0 || fsync(fd) < 0)
		die("backup", r, &report);
	return (double)keystore_count(b->big) / (now() - t);
}

typedef int push_fn(void *to, const uint8_t *data, size_t len, struct report *report);

static int push_check(void *to, const uint8_t *data, size_t len, struct report *report)
{
	return keystore_backup_push(to, data, len, report);
}

static int push_restore(void *to, const uint8_t *data, size_t len, struct report *report)
{
	return keystore_restore_push(to, data, len, report);
}

/* The file "backup" in pieces, as the vault is sent them. */
static int push_backup(const struct bench *b, push_fn *push, void *to, struct report *report)
{
	static uint8_t chunk[CHUNK];
	cleanup_close int fd = -1;
	char path[PATH_MAX];
	ssize_t n = 0;
	int r = 0;

	path_of(b, "backup", path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (r >= 0 && (n = read(fd, chunk, sizeof(chunk))) > 0)
		r = push(to, chunk, (size_t)n, report);
	return n < 0 ? -EIO : r;
}

static double verify_backup(struct bench *b)
{
	cleanup_backup_reader struct keystore_backup_reader *reader = NULL;
	struct keystore_backup_info info = { 0 };
	struct report report = { 0 };
	double t = now();
	int r = keystore_backup_read(b->recovery, &reader, &report);

	r = r < 0 ? r : push_backup(b, push_check, reader, &report);
	if (r == 0)
		r = keystore_backup_finish(reader, &info, &report);
	if (r < 0)
		die("check of a backup", r, &report);
	return (double)info.records / (now() - t);
}

static double restore(struct bench *b)
{
	cleanup_restore struct keystore_restore *into = NULL;
	const struct keystore_env env = { .pwhash_ops = 0 };
	struct keystore_restored done = { 0 };
	struct report report = { 0 };
	char path[PATH_MAX];
	double t = now();
	int r;

	path_of(b, "restored", path);
	r = keystore_restore_begin(path, &env, b->recovery, &into, &report);
	if (r == 0)
		r = push_backup(b, push_restore, into, &report);
	if (r == 0)
		r = keystore_restore_finish(into, &done, &report);
	if (r < 0)
		die("restore", r, &report);
	return (double)done.from.records / (now() - t);
}

static double reseal(struct bench *b)
{
	struct keystore_reseal pass = { 0 };
	struct report report = { 0 };
	double t = now();
	int r = keystore_reseal_begin(b->big, &report);

	while (r >= 0 && (r = keystore_reseal_step(b->big, &pass, &report)) > 0)
		;
	if (r < 0)
		die("reseal", r, &report);
	return (double)pass.seen / (now() - t);
}

/* ---- the program ---- */

/* One round: the rates of syncs and of each kind of put, which take turns. */
static void measure_puts(struct bench *b, unsigned round, double (*ret)[ROUNDS])
{
	double t[WRITES] = { 0 };

	for (unsigned i = 0; i < SYNCS / TURN; i++) {
		t[PROBE] += probe_time(b, TURN);
		t[BARE_ONE] += bare_puts_time(b, 1, TURN);
		t[ONE] += puts_time(b, b->small, 1, TURN);
		t[ONE_BIG] += puts_time(b, b->big, 1, TURN);
		t[BARE_GROUP] += bare_puts_time(b, GROUP, TURN);
		t[GROUPED] += puts_time(b, b->small, GROUP, TURN);
	}
	for (unsigned i = 0; i < WRITES; i++)
		ret[i][round] = (i == BARE_GROUP || i == GROUPED ? GROUP : 1) * SYNCS / t[i];
}

static void show_puts(double (*rates)[ROUNDS])
{
	static const char sync[] = "append of 4 KiB and fdatasync";
	static const struct {
		unsigned of, limit;
		struct line line;
	} lines[] = {
		{ ONE, PROBE, { "one durable put", "/s", sync, 0, 0.6, 1.3, false } },
		{ BARE_ONE,
		  PROBE,
		  { "one durable put of bare LMDB", "/s", sync, 0, 0, 0, false } },
		{ ONE,
		  BARE_ONE,
		  { "one durable put", "/s", "that of bare LMDB", 0, 0, 0, false } },
		{ GROUPED, PROBE, { "16 writers, group commit", "/s", sync, 0, 5, 8, false } },
		{ BARE_GROUP,
		  PROBE,
		  { "16 puts in one of bare LMDB", "/s", sync, 0, 0, 0, false } },
		{ GROUPED,
		  BARE_GROUP,
		  { "16 writers, group commit", "/s", "16 puts in one of bare LMDB", 0, 0, 0,
		    false } },
		{ ONE_BIG,
		  ONE,
		  { "one durable put, all records in it", "/s", "one durable put, small store",
		    0, 0.6, 0.9, false } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		show(&lines[i].line, rates[lines[i].of], rates[lines[i].limit], ROUNDS);
}

static void measure_writing(struct bench *b)
{
	double rates[WRITES][ROUNDS], imports[ROUNDS];
	unsigned count = b->records < 50000 ? b->records : 50000;
	char path[PATH_MAX];

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct keystore *fresh;
		char name[16];

		measure_puts(b, i, rates);
		(void)snprintf(name, sizeof(name), "import%u", i);
		path_of(b, name, path);
		fresh = open_store(path, true, NULL);
		imports[i] = import(b, fresh, count);
		keystore_close(fresh);
	}
	show_puts(rates);
	show(&(struct line){ "import", "/s", "append of 4 KiB and fdatasync", 0, 15, 20,
			     false },
	     imports, rates[PROBE], ROUNDS);
}

static void measure_reading(struct bench *b)
{
	double got[ROUNDS], bare[ROUNDS], opens[ROUNDS], hashes[ROUNDS];
	double verified[ROUNDS], aead[ROUNDS], files[ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned j = 0; j < 4; j++) /* the map is new: its pages fault once */
			(void)bare_gets(b);
		got[i] = gets(b);
		bare[i] = bare_gets(b);
		hashes[i] = pwhash();
		opens[i] = reopen(b);
		aead[i] = bare_aead(false);
		files[i] = read_file(b, STORE_FILE);
		verified[i] = verify(b);
	}
	show(&(struct line){ "random get, opened", "/CPU s", "LMDB get and AEAD open, bare", 0,
			     0.7, 0.7, false },
	     got, bare, ROUNDS);
	show(&(struct line){ "open with a passphrase", "ms", "one Argon2id MODERATE, ms", 0,
			     1.15, 1.15, true },
	     opens, hashes, ROUNDS);
	show(&(struct line){ "verify", "records/s", "AEAD open alone", 0, 0, 0, false },
	     verified, aead, ROUNDS);
	show(&(struct line){ "verify", "records/s", "read of the file, cached", 0, 0, 0,
			     false },
	     verified, files, ROUNDS);
}

static void show_once(const char *what, double done, const char *than, double limit)
{
	show(&(struct line){ what, "records/s", than, 0, 0, 0, false }, &done, &limit, 1);
}

static void measure_once(struct bench *b)
{
	static const char cached[] = "read of the file, cached";
	static const char both[] = "AEAD open and seal alone";
	double done = backup(b);
	double syncs;

	show_once("backup", done, cached, read_file(b, STORE_FILE));
	done = verify_backup(b);
	show_once("check of a backup", done, cached, read_file(b, "backup"));
	show_once("check of a backup", done, "AEAD open alone", bare_aead(false));
	done = restore(b);
	show_once("restore", done, cached, read_file(b, "backup"));
	show_once("restore", done, both, bare_aead(true));
	syncs = probe(b);
	done = reseal(b);
	show_once("reseal", done, "append of 4 KiB and fdatasync", syncs);
	show_once("reseal", done, both, bare_aead(true));
}

static void show_bytes(const char *what, double bytes, unsigned records)
{
	double value[1] = { bytes / records };
	double limit[1] = { STORED + SEAL_HASH_LEN };

	show(&(struct line){ what, "B", "value and key, B", 0, 700.0 / 336, 420.0 / 336, true },
	     value, limit, 1);
}

/* The big store: inserted in no order, 1000 to a transaction; then compacted. */
static void build(struct bench *b)
{
	double rate[1], limit[1], loaded[1];
	struct report report = { 0 };
	char path[PATH_MAX];
	struct keystore *ks;
	double t;
	int r;

	path_of(b, "small", path);
	b->small = open_store(path, true, NULL);
	path_of(b, "loaded", path);
	ks = open_store(path, true, NULL);
	limit[0] = probe(b);
	loaded[0] = import(b, ks, b->records);
	keystore_close(ks);
	show(&(struct line){ "load of all records", "/s", "append of 4 KiB and fdatasync", 0,
			     15, 20, false },
	     loaded, limit, 1);
	show_bytes("stored, a record, loaded", file_size(b, "loaded/store/data.mdb"),
		   b->records);
	path_of(b, "big", path);
	b->big = open_store(path, true, &b->recovery);
	limit[0] = probe(b);
	rate[0] = b->records / puts_time(b, b->big, TXN, b->records / TXN);
	show(&(struct line){ "random inserts, 1000 a transaction", "/s",
			     "append of 4 KiB and fdatasync", 0, 0, 0, false },
	     rate, limit, 1);
	show_bytes("stored, a record, random inserts", file_size(b, "big/store/data.mdb"),
		   b->records);
	t = now();
	r = store_compact(b->big, &report);
	if (r < 0)
		die("compact", r, &report);
	rate[0] = b->records / (now() - t);
	limit[0] = read_file(b, STORE_FILE);
	show_bytes("stored, a record, compacted", file_size(b, "big/store/data.mdb"),
		   b->records);
	show(&(struct line){ "compaction", "records/s", "read of the file, cached", 0, 0, 0,
			     false },
	     rate, limit, 1);
}

int main(int argc, char **argv)
{
	struct bench b = { .probe_fd = -1 };
	char path[PATH_MAX];

	if (argc != 3 || sodium_init() < 0 || strlen(argv[1]) >= sizeof(b.dir))
		return 2;
	(void)snprintf(b.dir, sizeof(b.dir), "%s", argv[1]); /* it fits */
	b.records = (unsigned)strtoul(argv[2], NULL, 10) / TXN * TXN;
	if (b.records == 0)
		return 2;
	randombytes_buf(b.noise, sizeof(b.noise));
	path_of(&b, "probe", path);
	b.probe_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	(void)printf(
		"%u records of 304 bytes sealed (%d of them body and attributes); medians of "
		"%d rounds, or one pass over all records\n",
		b.records, BODY + ATTRS, ROUNDS);
	(void)printf("%-42s %10s %-9s %10s %-30s %7s  %-24s\n", "figure", "value", "", "limit",
		     "that it is held against", "ratio", "target");
	open_bare(&b);
	build(&b);
	measure_writing(&b);
	measure_reading(&b);
	measure_once(&b);
	keystore_close(b.big);
	keystore_close(b.small);
	mdb_env_close(b.bare);
	secret_free(b.recovery);
	closep(&b.probe_fd);
	return 0;
}
