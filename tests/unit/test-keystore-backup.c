/* SPDX-License-Identifier: BSD-2-Clause */
/* A backup: what it holds, who opens it, and that whatever is wrong with one is named. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <lmdb.h>

#include "base/fs.h"
#include "keystore/backup.h"
#include "keystore/internal.h"
#include "keystore/recovery.h"

enum {
	SECRET_MAX_LEN = 60000,
	HEADER_LEN = 54 + 128 + 24 + 32,
	CHUNK = 8 + 65536 + 17,
};

static void make_piecewise(struct keystore *ks, size_t piece, struct buf *ret)
{
	cleanup_backup struct keystore_backup *b = NULL;
	struct report report = { 0 };
	size_t len = 0;

	if (keystore_backup_begin(ks, &b, &report) < 0)
		fixture_fail(&report);
	assert_non_null(b);
	do {
		uint8_t *p = buf_reserve(ret, piece);

		assert_non_null(p);
		if (keystore_backup_next(b, p, piece, &len, &report) < 0)
			fixture_fail(&report);
		assert_true(len <= piece);
		ret->len += len;
	} while (len > 0);
}

static void make(struct keystore *ks, struct buf *ret)
{
	make_piecewise(ks, 60000, ret);
}

static int check_cut(const struct secret *recovery, const struct buf *b, size_t cut,
		     struct keystore_backup_info *ret, struct report *report)
{
	cleanup_backup_reader struct keystore_backup_reader *reader = NULL;
	int r = keystore_backup_read(recovery, &reader, report);

	for (size_t at = 0; r == 0 && at < b->len; at += cut)
		r = keystore_backup_push(reader, b->data + at,
					 cut < b->len - at ? cut : b->len - at, report);
	return r < 0 ? r : keystore_backup_finish(reader, ret, report);
}

static int check(const struct secret *recovery, const struct buf *b, struct report *report)
{
	struct keystore_backup_info info;

	*report = (struct report){ 0 };
	return check_cut(recovery, b, 4099, &info, report);
}

static void put_big(struct keystore *ks, const char *name, enum keystore_tier tier)
{
	static char body[SECRET_MAX_LEN + 1];

	memset(body, 'x', SECRET_MAX_LEN);
	fixture_put(ks, name, tier, body);
}

/* The keystore of most tests: both tiers, a tombstone, two chunks and a piece. */
static struct keystore *fill(struct fixture *f, struct secret **ret_recovery)
{
	struct keystore *ks;

	*ret_recovery = fixture_create(f);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "a secret that nobody should see");
	fixture_put(ks, "signing", KEYSTORE_ISSUER, "a private key that nobody should see");
	fixture_put(ks, "gone", KEYSTORE_AUTH, "what was");
	fixture_remove(ks, "gone");
	put_big(ks, "big-1", KEYSTORE_AUTH);
	put_big(ks, "big-2", KEYSTORE_ISSUER);
	return ks;
}

static void assert_names(const struct report *report, const char *piece)
{
	if (!strstr(report->what, piece))
		fail_msg("\"%s\" is not in \"%s\"", piece, report->what);
}

/* ---- what is in it ---- */

static void backup_holds_every_record_of_both_tiers(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	struct keystore_backup_info info;
	struct report report = { 0 };

	make(ks, &b);
	if (check_cut(recovery, &b, 1000, &info, &report) < 0)
		fixture_fail(&report);
	assert_int_equal(info.records, 4);
	assert_int_equal(info.tombstones, 1);
	assert_int_equal(info.txid, keystore_txid(ks));
	assert_int_equal(info.size, b.len);
	assert_memory_equal(info.store_id, keystore_store_id(ks), 16);
}

static void backup_needs_only_the_auth_tier(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;

	keystore_seal(ks, KEYSTORE_BOTH);
	fixture_unlock_auth(ks);
	make(ks, &b);
	assert_int_equal(check(recovery, &b, &report), 0);
}

static void backup_of_an_empty_store_is_whole(void **state)
{
	cleanup_secret struct secret *recovery = fixture_create(*state);
	cleanup_keystore struct keystore *ks = fixture_open(*state);
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;

	fixture_unlock_auth(ks);
	make(ks, &b);
	assert_int_equal(check(recovery, &b, &report), 0);
}

static void backup_is_the_same_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = { 1000, 65536, 65561, 1 << 20 };
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		cleanup_buf struct buf b = BUF_INIT;
		struct report report;

		make_piecewise(ks, pieces[i], &b);
		assert_int_equal(check(recovery, &b, &report), 0);
	}
}

static void backup_can_be_read_byte_by_byte(void **state)
{
	cleanup_secret struct secret *recovery = fixture_create(*state);
	cleanup_keystore struct keystore *ks = fixture_open(*state);
	cleanup_buf struct buf b = BUF_INIT;
	struct keystore_backup_info info;
	struct report report = { 0 };

	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "secret");
	make(ks, &b);
	assert_int_equal(check_cut(recovery, &b, 1, &info, &report), 0);
}

static void backup_shows_one_state_while_the_store_changes(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_backup struct keystore_backup *b = NULL;
	cleanup_buf struct buf all = BUF_INIT;
	struct keystore_backup_info info;
	struct report report = { 0 };
	uint64_t txid = keystore_txid(ks);
	size_t len = 0;
	unsigned n = 0;

	assert_int_equal(keystore_backup_begin(ks, &b, &report), 0);
	do {
		uint8_t *p = buf_reserve(&all, 5000);
		char name[32];

		assert_int_equal(keystore_backup_next(b, p, 5000, &len, &report), 0);
		all.len += len;
		(void)snprintf(name, sizeof(name), "new-%u", n++);
		put_big(ks, name, KEYSTORE_AUTH); /* new pages, old ones given up */
		if (n == 3)
			fixture_remove(ks, "billing");
	} while (len > 0);
	if (check_cut(recovery, &all, 7777, &info, &report) < 0)
		fixture_fail(&report);
	assert_int_equal(info.txid, txid);
	assert_int_equal(info.records, 4);
	assert_true(keystore_count(ks) > 20);
}

static void backup_goes_on_when_the_map_grows(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_backup struct keystore_backup *b = NULL;
	cleanup_buf struct buf all = BUF_INIT;
	struct report report = { 0 };
	size_t len = 0;

	assert_int_equal(keystore_backup_begin(ks, &b, &report), 0);
	do {
		uint8_t *p = buf_reserve(&all, 30000);

		assert_int_equal(keystore_backup_next(b, p, 30000, &len, &report), 0);
		all.len += len;
		assert_int_equal(db_grow(ks->db, UINT64_C(3) << 30 << all.len / 30000), 0);
	} while (len > 0);
	assert_int_equal(check(recovery, &all, &report), 0);
}

static void backup_is_one_at_a_time(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	struct keystore_backup *b = NULL;
	struct keystore_backup *second = NULL;
	struct report report = { 0 };

	assert_int_equal(keystore_backup_begin(ks, &b, &report), 0);
	assert_int_equal(keystore_backup_begin(ks, &second, &report), -EBUSY);
	keystore_backup_free(b);
	assert_int_equal(keystore_backup_begin(ks, &second, &report), 0);
	keystore_backup_free(second);
}

static void backup_ends_when_the_keystore_is_sealed(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_backup struct keystore_backup *b = NULL;
	struct report report = { 0 };
	uint8_t piece[60000];
	size_t len;
	int r;

	assert_int_equal(keystore_backup_begin(ks, &b, &report), 0);
	keystore_seal(ks, KEYSTORE_BOTH);
	while ((r = keystore_backup_next(b, piece, sizeof(piece), &len, &report)) == 0)
		assert_true(len > 0);
	assert_int_equal(r, -ENOKEY);
}

static bool holds(const struct buf *b, const void *what, size_t len)
{
	return memmem(b->data, b->len, what, len) != NULL;
}

static void backup_shows_nothing_to_who_has_no_recovery_key(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(f, &recovery);
	cleanup_buf struct buf b = BUF_INIT;

	make(ks, &b);
	assert_false(holds(&b, "billing", 7));
	assert_false(holds(&b, "nobody", 6));
	assert_false(holds(&b, "xxxxxxxx", 8));
	assert_false(holds(&b, "RTKRING", 7)); /* nor a keyring to guess passphrases at */
	assert_false(holds(&b, fixture_passphrase, strlen(fixture_passphrase)));
}

static void backup_does_not_open_with_another_recovery_key(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_secret struct secret *other = NULL;
	cleanup_keystore struct keystore *ks = fill(f, &recovery);
	cleanup_keystore struct keystore *ks2 = NULL;
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;
	struct fixture g = *f;

	make(ks, &b);
	fixture_path(f, "other", g.dir);
	other = fixture_create(&g);
	assert_int_equal(check(other, &b, &report), -EKEYREJECTED);
	assert_names(&report, "not made for this recovery key");
}

static void read_vector(const char *name, struct buf *ret)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/tests/vectors/backup/%s", getenv("TOP_SRCDIR"),
		       name);
	assert_int_equal(fs_read(AT_FDCWD, path, 1024 * 1024, ret), 0);
}

/* ---- how tests/vectors/backup is made: ROTATED_WRITE_VECTORS=DIR in the environment ---- */

/* Also in tests/fuzz/fuzz-backup.c, which opens what tests/tools/keystore-vectors makes of
 * them. */
static const uint8_t known_recovery_key[32] = "the recovery key of every test";

/* keystore_create() draws both roots and the recovery key at once. */
static void random_with_known_recovery_key(void *context, void *out, size_t len)
{
	randombytes_buf(out, len);
	if (len == 64 + sizeof(known_recovery_key))
		memcpy((uint8_t *)out + 64, known_recovery_key, sizeof(known_recovery_key));
	(void)context;
}

static void write_vector(const char *dir, const char *name, const void *data, size_t len)
{
	char path[PATH_MAX];

	assert_true(snprintf(path, sizeof(path), "%s/%s", dir, name) < (int)sizeof(path));
	assert_int_equal(fs_replace(AT_FDCWD, path, data, len, 0644), 0);
}

static void write_backup(struct keystore *ks, const char *dir, const char *name)
{
	cleanup_buf struct buf b = BUF_INIT;

	make(ks, &b);
	write_vector(dir, name, b.data, b.len);
}

static void write_vectors(const char *dir)
{
	struct fixture *f = NULL;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = NULL;
	char expected[RECOVERY_TEXT_SIZE];

	assert_int_equal(fixture_setup((void **)&f), 0);
	f->env.random = random_with_known_recovery_key;
	recovery = fixture_create(f);
	recovery_format(known_recovery_key, expected);
	assert_string_equal(secret_string(recovery), expected);
	write_vector(dir, "recovery", secret_data(recovery), secret_len(recovery));
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	write_backup(ks, dir, "empty.backup");
	fixture_put(ks, "billing", KEYSTORE_AUTH, "verifier");
	fixture_put(ks, "dkim", KEYSTORE_ISSUER, "private key");
	fixture_put(ks, "gone", KEYSTORE_AUTH, "x");
	fixture_remove(ks, "gone");
	write_backup(ks, dir, "one-chunk.backup");
	put_big(ks, "big-1", KEYSTORE_AUTH);
	put_big(ks, "big-2", KEYSTORE_ISSUER);
	put_big(ks, "big-3", KEYSTORE_AUTH);
	write_backup(ks, dir, "three-chunks.backup");
	assert_int_equal(fixture_teardown((void **)&f), 0);
}

static void backups_of_format_1_are_still_read(void **state)
{
	static const struct {
		const char *name;
		uint64_t records, tombstones;
	} vectors[] = {
		{ "empty.backup", 0, 0 },
		{ "one-chunk.backup", 2, 1 },
		{ "three-chunks.backup", 5, 1 },
	};
	cleanup_secret struct secret *recovery = NULL;
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	read_vector("recovery", &text);
	recovery = fixture_secret(buf_string(&text));
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		cleanup_buf struct buf b = BUF_INIT;
		struct keystore_backup_info info;
		struct report report = { 0 };

		read_vector(vectors[i].name, &b);
		if (check_cut(recovery, &b, 777, &info, &report) < 0)
			fixture_fail(&report);
		assert_int_equal(info.records, vectors[i].records);
		assert_int_equal(info.tombstones, vectors[i].tombstones);
		assert_int_equal(info.size, b.len);
	}
}

/* ---- what is wrong with it ---- */

static void backup_that_is_cut_anywhere_is_cut_short(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;
	size_t whole;

	make(ks, &b);
	whole = b.len;
	for (size_t len = 0; len < whole; len += len < 400 ? 1 : 997) {
		b.len = len;
		assert_int_equal(check(recovery, &b, &report), -ENODATA);
		assert_names(&report, "cut short");
	}
	b.len = whole - 1;
	assert_int_equal(check(recovery, &b, &report), -ENODATA);
	assert_names(&report, "chunk 2, which begins at byte 65799: only");
}

static void backup_with_a_byte_that_changed_is_refused(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;

	make(ks, &b);
	for (size_t at = 0; at < b.len; at += at < 600 ? 1 : 3331) {
		b.data[at] ^= 0x10;
		assert_true(check(recovery, &b, &report) < 0);
		assert_names(&report, at < HEADER_LEN ? "header" : "chunk ");
		b.data[at] ^= 0x10;
	}
	b.data[70000] ^= 1;
	assert_int_equal(check(recovery, &b, &report), -EBADMSG);
	assert_names(&report, "chunk 2, which begins at byte 65799: it was altered");
}

static void backup_with_chunks_out_of_order_is_refused(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	cleanup_buf struct buf swapped = BUF_INIT;
	struct report report;

	put_big(ks, "big-3", KEYSTORE_AUTH);
	make(ks, &b);
	assert_true(b.len > HEADER_LEN + 2 * CHUNK);
	buf_append(&swapped, b.data, HEADER_LEN);
	buf_append(&swapped, b.data + HEADER_LEN + CHUNK, CHUNK);
	buf_append(&swapped, b.data + HEADER_LEN, CHUNK);
	buf_append(&swapped, b.data + HEADER_LEN + 2 * CHUNK, b.len - HEADER_LEN - 2 * CHUNK);
	assert_int_equal(check(recovery, &swapped, &report), -EBADMSG);
	assert_names(&report, "chunk 1, which begins at byte 238: number 2 stands there");

	/* also when the numbers are made to fit */
	store_be32(swapped.data + HEADER_LEN, 1);
	assert_int_equal(check(recovery, &swapped, &report), -EBADMSG);
	assert_names(&report, "chunk 1");
	buf_clear(&swapped);
	buf_append(&swapped, b.data, HEADER_LEN + CHUNK); /* chunk 2 left out */
	buf_append(&swapped, b.data + HEADER_LEN + 2 * CHUNK, b.len - HEADER_LEN - 2 * CHUNK);
	assert_int_equal(check(recovery, &swapped, &report), -EBADMSG);
	assert_names(&report, "number 3 stands there: chunks are missing");
}

static void backup_with_something_behind_its_end_is_refused(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;

	make(ks, &b);
	buf_append_byte(&b, 0);
	assert_int_equal(check(recovery, &b, &report), -EBADMSG);
	assert_names(&report, "follow the backup's end");
}

static void backup_of_a_newer_format_is_told_from_a_damaged_one(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(*state, &recovery);
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;

	make(ks, &b);
	store_be32(b.data + 8, 2);
	assert_int_equal(check(recovery, &b, &report), -EOPNOTSUPP);
	assert_names(&report, "newer format");
	assert_non_null(strstr(report.hint, "install"));
	memcpy(b.data, "not a backup", 12);
	assert_int_equal(check(recovery, &b, &report), -EBADMSG);
	assert_names(&report, "no backup of a keystore");
}

static void backup_with_a_mistyped_recovery_key_says_so(void **state)
{
	cleanup_secret struct secret *typo = fixture_secret("RTR1-0000");
	cleanup_buf struct buf b = BUF_INIT;
	struct report report;

	(void)state;
	assert_int_equal(check(typo, &b, &report), -EINVAL);
}

static void backup_is_not_made_of_a_store_that_lost_a_record(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = fill(f, &recovery);
	cleanup_backup struct keystore_backup *b = NULL;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi cur;
	MDB_cursor *cursor;
	MDB_val key, value;
	struct report report = { 0 };
	uint8_t piece[60000];
	char path[PATH_MAX];
	size_t len;
	int r;

	keystore_close(steal_ptr(ks));
	fixture_path(f, "store", path);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, "cur", 0, &cur), 0);
	assert_int_equal(mdb_cursor_open(txn, cur, &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	assert_int_equal(mdb_cursor_del(cursor, 0), 0);
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);

	ks = fixture_open(f);
	fixture_unlock_auth(ks);
	assert_int_equal(keystore_backup_begin(ks, &b, &report), 0);
	while ((r = keystore_backup_next(b, piece, sizeof(piece), &len, &report)) == 0)
		assert_true(len > 0);
	assert_int_equal(r, -EBADMSG);
	assert_names(&report, "no backup can be made of it");
	keystore_backup_free(steal_ptr(b)); /* before its keystore */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(backup_holds_every_record_of_both_tiers),
		TEST(backup_needs_only_the_auth_tier),
		TEST(backup_of_an_empty_store_is_whole),
		TEST(backup_is_the_same_in_pieces_of_any_size),
		TEST(backup_can_be_read_byte_by_byte),
		TEST(backup_shows_one_state_while_the_store_changes),
		TEST(backup_goes_on_when_the_map_grows),
		TEST(backup_is_one_at_a_time),
		TEST(backup_ends_when_the_keystore_is_sealed),
		TEST(backup_shows_nothing_to_who_has_no_recovery_key),
		TEST(backup_does_not_open_with_another_recovery_key),
		TEST(backups_of_format_1_are_still_read),
		TEST(backup_that_is_cut_anywhere_is_cut_short),
		TEST(backup_with_a_byte_that_changed_is_refused),
		TEST(backup_with_chunks_out_of_order_is_refused),
		TEST(backup_with_something_behind_its_end_is_refused),
		TEST(backup_of_a_newer_format_is_told_from_a_damaged_one),
		TEST(backup_with_a_mistyped_recovery_key_says_so),
		TEST(backup_is_not_made_of_a_store_that_lost_a_record),
	};

	if (getenv("ROTATED_WRITE_VECTORS")) {
		write_vectors(getenv("ROTATED_WRITE_VECTORS"));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
