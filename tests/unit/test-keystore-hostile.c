/* SPDX-License-Identifier: BSD-2-Clause */
/* A keystore whose files were altered, exchanged, cut short or put back by somebody else, and
 * disks that are full or cannot be written. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "keystore/db.h"
#include "keystore/record.h"

static const struct keystore_id billing = { "password", "verifier", "billing" };

/* ---- LMDB by hand ---- */

struct by_hand {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi cur;
};

static struct by_hand edit(const struct fixture *f, const char *store)
{
	struct by_hand h;
	char dir[PATH_MAX];

	fixture_path(f, store, dir);
	assert_int_equal(mdb_env_create(&h.env), 0);
	assert_int_equal(mdb_env_set_maxdbs(h.env, 3), 0);
	assert_int_equal(mdb_env_set_mapsize(h.env, (size_t)1 << 30), 0);
	assert_int_equal(mdb_env_open(h.env, dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(h.env, NULL, 0, &h.txn), 0);
	assert_int_equal(mdb_dbi_open(h.txn, "cur", 0, &h.cur), 0);
	return h;
}

static void save(struct by_hand *h)
{
	assert_int_equal(mdb_txn_commit(h->txn), 0);
	mdb_env_close(h->env);
}

struct entry {
	uint8_t key[32];
	uint8_t value[4096];
	size_t len;
};

/* The first record of cur. */
static void first(struct by_hand *h, struct entry *ret)
{
	MDB_cursor *cursor;
	MDB_val value;
	MDB_val key;

	assert_int_equal(mdb_cursor_open(h->txn, h->cur, &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	assert_true(key.mv_size == sizeof(ret->key) && value.mv_size <= sizeof(ret->value));
	memcpy(ret->key, key.mv_data, key.mv_size);
	memcpy(ret->value, value.mv_data, value.mv_size);
	ret->len = value.mv_size;
	mdb_cursor_close(cursor);
}

static void put(struct by_hand *h, const struct entry *e)
{
	MDB_val key = db_val(SPAN(e->key));
	MDB_val value = db_val(SPAN_OF(e->value, e->len));

	assert_int_equal(mdb_put(h->txn, h->cur, &key, &value, 0), 0);
}

/* Opens both tiers and verifies; what it says goes to REPORT. */
static int verify(struct fixture *f, struct report *report)
{
	cleanup_keystore struct keystore *ks = fixture_open(f);
	struct keystore_verify totals;

	fixture_unlock_both(ks);
	return keystore_verify(ks, &totals, report);
}

static void make_with_record(struct fixture *f)
{
	keystore_close(fixture_new(f));
	cleanup_keystore struct keystore *ks = fixture_open(f);

	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
}

static void assert_named(const struct report *report, const struct entry *e)
{
	char hex[17];

	(void)sodium_bin2hex(hex, sizeof(hex), e->key, 8);
	assert_non_null(strstr(report->what, hex));
	assert_true(report->hint[0]);
}

static void a_record_copied_to_another_name_is_named(void **state)
{
	struct report report = { 0 };
	struct by_hand h;
	struct entry e;

	make_with_record(*state);
	h = edit(*state, "store");
	first(&h, &e);
	e.key[0] ^= 1;
	put(&h, &e);
	save(&h);
	assert_int_equal(verify(*state, &report), -EBADMSG);
	assert_named(&report, &e);
}

static void a_record_of_another_keystore_is_named(void **state)
{
	struct report report = { 0 };
	struct by_hand h;
	struct entry e;

	make_with_record(*state);
	h = edit(*state, "store");
	first(&h, &e);
	save(&h);
	fixture_shell(*state, "rm -r store keyring anchor");
	make_with_record(*state);
	h = edit(*state, "store");
	put(&h, &e);
	save(&h);
	assert_int_equal(verify(*state, &report), -EBADMSG);
	assert_named(&report, &e);
}

static void an_older_version_put_back_by_hand_is_noticed(void **state)
{
	cleanup_keystore struct keystore *ks = NULL;
	struct report report = { 0 };
	struct by_hand h;
	struct entry e;

	make_with_record(*state);
	h = edit(*state, "store");
	first(&h, &e);
	save(&h);
	ks = fixture_open(*state);
	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "newer");
	keystore_close(steal_ptr(ks));
	h = edit(*state, "store");
	put(&h, &e);
	save(&h);
	assert_int_equal(verify(*state, &report), -EBADMSG);
	assert_named(&report, &e);
	assert_non_null(strstr(report.what, "was put back"));
}

static int ignore_record(void *context, const struct keystore_record *rec)
{
	(void)context;
	(void)rec;
	return 0;
}

/* Longer than any record, and as long as the memory that records are opened in. */
static void a_value_of_any_length_is_refused_and_named(void **state)
{
	static const size_t lengths[] = {
		0,	 1,	    127, RECORD_PLAIN_MAX + RECORD_HEADER_LEN + SEAL_TAG_LEN,
		1000000, 100000000,
	};

	make_with_record(*state);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		cleanup_keystore struct keystore *ks = NULL;
		cleanup_free uint8_t *big = calloc(1, lengths[i] + 1);
		struct keystore_verify totals;
		struct report report = { 0 };
		struct by_hand h = edit(*state, "store");
		struct entry e = { .key = { 0 } }; /* before all others */
		MDB_val key = db_val(SPAN(e.key));
		MDB_val value = { lengths[i], big };

		assert_non_null(big);
		/* the header of a record, so that the length alone is wrong */
		memcpy(big, "\1\1\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1",
		       lengths[i] < 24 ? lengths[i] : 24);
		assert_int_equal(mdb_put(h.txn, h.cur, &key, &value, 0), 0);
		save(&h);
		ks = fixture_open(*state);
		fixture_unlock_both(ks);
		assert_int_equal(keystore_foreach(ks, NULL, NULL, ignore_record, NULL), 0);
		assert_true(keystore_passed_over(ks) == 1);
		assert_int_equal(keystore_verify(ks, &totals, &report), -EBADMSG);
		assert_named(&report, &e);
	}
}

/* ---- files put back ---- */

static enum keystore_health health(struct fixture *f)
{
	cleanup_keystore struct keystore *ks = fixture_open(f);

	fixture_unlock_both(ks);
	return keystore_health(ks, NULL);
}

/* Two days: a slot and a record more on the second. Leaves copies of both. */
static void make_two_days(struct fixture *f)
{
	cleanup_secret struct secret *second = fixture_secret("second passphrase");
	cleanup_keystore struct keystore *ks = NULL;

	make_with_record(f);
	fixture_shell(f, "mkdir 1 && cp -rp store keyring anchor 1");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_PASSPHRASE, second, NULL), 0);
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "mkdir 2 && cp -rp store keyring keyring.prev anchor 2");
}

static void every_mix_of_two_days_is_told_from_the_newest(void **state)
{
	static const struct {
		const char *script;
		enum keystore_health want;
	} mixes[] = {
		{ "cp -rp 2/. .", KEYSTORE_HEALTHY },
		{ "cp -rp 2/. . && cp -rp 1/store .", KEYSTORE_ROLLED_BACK },
		{ "cp -rp 2/. . && cp -p 1/keyring .", KEYSTORE_ROLLED_BACK },
		{ "cp -rp 2/. . && cp -rp 1/store 1/keyring .", KEYSTORE_ROLLED_BACK },
		{ "cp -rp 2/. . && cp -p 1/keyring 1/anchor .", KEYSTORE_ROLLED_BACK },
		{ "cp -rp 2/. . && rm keyring", KEYSTORE_ROLLED_BACK }, /* .prev is of day 1 */
		{ "cp -rp 2/. . && rm anchor", KEYSTORE_NO_ANCHOR },
		/* killed after the commit and before the anchor */
		{ "cp -rp 2/. . && cp -p 1/anchor .", KEYSTORE_HEALTHY },
		/* killed before the second keyring was in its place */
		{ "cp -rp 1/. . && cp -p 1/keyring keyring.prev", KEYSTORE_HEALTHY },
		{ "cp -rp 1/. . && cp -p 1/keyring keyring.prev && head -c 99 2/keyring "
		  ">keyring.new && chmod 600 keyring.new",
		  KEYSTORE_HEALTHY },
		/* killed between keyring and commit */
		{ "cp -rp 2/. . && cp -rp 1/store 1/anchor .", KEYSTORE_HEALTHY },
	};

	make_two_days(*state);
	for (size_t i = 0; i < ARRAY_SIZE(mixes); i++) {
		fixture_shell(*state, "rm -rf store keyring keyring.* anchor");
		fixture_shell(*state, mixes[i].script);
		if (health(*state) != mixes[i].want)
			fail_msg("%s", mixes[i].script);
	}
	/* the anchor has learnt of the keyring that META does not know yet */
	fixture_shell(*state, "cp -p 1/keyring .");
	assert_int_equal(health(*state), KEYSTORE_ROLLED_BACK);
}

static void the_anchor_of_another_keystore_is_none(void **state)
{
	make_with_record(*state);
	fixture_shell(*state, "mv anchor other && rm -r store keyring");
	make_with_record(*state);
	fixture_shell(*state, "mv other anchor");
	assert_int_equal(health(*state), KEYSTORE_NO_ANCHOR);
}

/* ---- files cut short ---- */

/* In a child, since touching what is not there is a signal. */
static int verify_in_child(struct fixture *f)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		cleanup_secret struct secret *key = secret_new(fixture_key_file, 32);
		cleanup_keystore struct keystore *ks = NULL;
		struct report report = { 0 };
		struct keystore_verify totals;
		int r = keystore_open(f->dir, &f->env, &ks, &report);

		if (r == 0)
			r = keystore_unlock_key_file(ks, key, &report);
		if (r == 0)
			r = keystore_verify(ks, &totals, &report);
		keystore_close(steal_ptr(ks));
		secret_free(steal_ptr(key));
		_exit(r == 0 || (report.what[0] && report.hint[0]) ? -r : 255);
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	if (!WIFEXITED(status))
		fail_msg("killed by signal %d", WTERMSIG(status));
	return -WEXITSTATUS(status);
}

static void a_store_cut_short_is_damaged_and_no_signal(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	char path[PATH_MAX];

	make_with_record(f);
	fixture_path(f, "store/data.mdb", path);
	assert_int_equal(stat(path, &st), 0);
	for (off_t size = 0; size < st.st_size; size += 1000) {
		fixture_shell(f, "cp -p store/data.mdb whole");
		assert_int_equal(truncate(path, size), 0);
		/* what is cut off may have been unused */
		if (verify_in_child(f) != 0)
			assert_int_equal(verify_in_child(f), -EBADMSG);
		else
			assert_true(size >= 4 * 4096);
		fixture_shell(f, "mv whole store/data.mdb");
	}
	assert_int_equal(verify_in_child(f), 0);
}

/* ---- keys ---- */

static void a_weak_key_makes_no_slot(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_secret struct secret *empty = fixture_secret("");
	cleanup_secret struct secret *brief = fixture_secret("31 bytes are too few for a file");
	struct report report = { 0 };

	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_PASSPHRASE, empty, &report),
			 -EINVAL);
	assert_true(report.hint[0]);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_KEY_FILE, empty, &report),
			 -EINVAL);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_KEY_FILE, brief, &report),
			 -EINVAL);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_RECOVERY, brief, &report),
			 -EINVAL);
	assert_int_equal(keystore_slot_count(ks), 3);
}

static void versions_have_an_end_that_nothing_wraps_around(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_record rec = fixture_record("billing", KEYSTORE_AUTH, "x");
	struct keystore_txn *txn;
	uint64_t version;

	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	rec.version = KEYSTORE_VERSION_MAX + 1;
	assert_int_equal(keystore_put(txn, &rec, NULL), -EINVAL);
	rec.version = KEYSTORE_VERSION_MAX;
	assert_int_equal(keystore_put(txn, &rec, NULL), 0);
	assert_int_equal(keystore_remove(txn, &billing, "end"), 0);
	rec.version = 0;
	assert_int_equal(keystore_put(txn, &rec, &version), 0);
	assert_true(version == KEYSTORE_VERSION_MAX + 2);
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
}

/* ---- disks ---- */

static int put_blob(struct keystore *ks, unsigned n, struct report *report)
{
	static const uint8_t blob[16384];
	struct keystore_record rec = fixture_record("", KEYSTORE_AUTH, "");
	struct keystore_txn *txn;
	char name[16];
	int r = keystore_begin(ks, &txn, report);

	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "n-%u", n);
	rec.id.name = name;
	rec.body = blob;
	rec.body_len = sizeof(blob);
	r = keystore_put(txn, &rec, NULL);
	if (r < 0) {
		keystore_abort(txn);
		return r;
	}
	return keystore_commit(txn, NULL, report);
}

static int fill_disk(struct fixture *f)
{
	const struct keystore_id one = { "password", "verifier", "n-0" };
	struct report report = { 0 };
	struct keystore_verify totals;
	struct keystore_txn *txn;
	struct keystore *ks;
	uint64_t count;
	unsigned n = 0;
	int fd;
	int r;

	if (mount("none", f->dir, "tmpfs", 0, "size=3m,mode=0711") < 0)
		return FIXTURE_SKIPPED;
	ks = fixture_new(f);
	do
		r = put_blob(ks, n++, &report);
	while (r == 0);
	EXPECT(r == -ENOSPC && report.hint[0]);
	/* and now what LMDB finds out by itself: the last bytes go to another file */
	fd = openat(AT_FDCWD, f->dir, O_TMPFILE | O_RDWR, 0600);
	EXPECT(fd >= 0);
	while (write(fd, &totals, sizeof(totals)) > 0)
		;
	r = put_blob(ks, n, &report);
	EXPECT(r == -ENOSPC && report.hint[0]);
	count = keystore_count(ks);
	EXPECT(keystore_verify(ks, &totals, &report) == 0 && totals.records == count);
	(void)close(fd);
	keystore_close(ks);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	EXPECT(keystore_health(ks, NULL) == KEYSTORE_HEALTHY);
	EXPECT(keystore_count(ks) == count);
	/* a removal needs little, and makes room */
	r = keystore_begin(ks, &txn, &report);
	EXPECT(r == 0 && keystore_remove(txn, &one, "room") == 0);
	r = keystore_commit(txn, NULL, &report);
	EXPECT(r == 0 || r == -ENOSPC);
	EXPECT(keystore_verify(ks, &totals, &report) == 0);
	keystore_close(ks);
	return 0;
}

static void a_full_disk_loses_nothing_and_is_told(void **state)
{
	fixture_in_namespace(*state, fill_disk);
}

static int lock_anchor(struct fixture *f)
{
	struct report report = { 0 };
	struct keystore_verify totals;
	struct keystore *ks = fixture_new(f);
	char path[PATH_MAX];

	fixture_path(f, "anchor", path);
	if (fixture_read_only(path) < 0)
		return FIXTURE_SKIPPED;
	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	EXPECT(keystore_verify(ks, &totals, &report) == -EIO);
	EXPECT(strstr(report.what, "anchor") && report.hint[0]);
	keystore_close(ks);
	return 0;
}

static void an_anchor_that_stays_behind_is_told_by_verify(void **state)
{
	fixture_in_namespace(*state, lock_anchor);
}

static int lock_all(struct fixture *f)
{
	cleanup_secret struct secret *passphrase = fixture_secret(fixture_passphrase);
	struct secret *recovery = NULL;
	struct report report = { 0 };
	struct keystore *ks = NULL;
	char other[PATH_MAX];

	keystore_close(fixture_new(f));
	fixture_path(f, "other", other);
	if (fixture_read_only(f->dir) < 0)
		return FIXTURE_SKIPPED;
	EXPECT(keystore_open(f->dir, &f->env, &ks, &report) == -EROFS && report.hint[0]);
	EXPECT(keystore_create(other, &f->env,
			       &(struct keystore_first_keys){ passphrase, NULL }, &recovery,
			       &report) == -EROFS);
	EXPECT(report.what[0] && report.hint[0]);
	return 0;
}

static void a_read_only_disk_is_told(void **state)
{
	fixture_in_namespace(*state, lock_all);
}

static void a_transaction_that_another_knows_of_is_missed(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_txn *txn;
	struct report report = { 0 };
	uint64_t txid;

	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	txid = keystore_txid(ks);
	keystore_seen(ks, txid, "the audit log");
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
	keystore_seen(ks, txid + 5, "the audit log");
	keystore_seen(ks, txid + 3, "the verifier index");
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_ROLLED_BACK);
	assert_non_null(strstr(report.what, "the audit log knows of"));
	assert_int_equal(keystore_begin(ks, &txn, &report), -ESTALE);
	assert_int_equal(keystore_verify(ks, &(struct keystore_verify){ 0 }, &report), -ESTALE);
	assert_int_equal(keystore_accept(ks, &report), 0);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
	assert_true(keystore_txid(ks) == txid + 6);
	keystore_seen(ks, txid + 5, "the audit log");
	fixture_put(ks, "billing", KEYSTORE_AUTH, "y");
}

static int open_quickly(struct fixture *f, struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;

	(void)alarm(60); /* a FIFO that is waited for */
	return keystore_open(f->dir, &f->env, &ks, report);
}

static void what_is_not_a_file_is_named_and_not_waited_for(void **state)
{
	static const char *const names[] = { "keyring",	       "keyring.prev",	 "anchor",
					     "store/data.mdb", "store/lock.mdb", "store" };
	static const struct {
		const char *make;
		const char *word;
	} shapes[] = {
		{ "mkfifo -m 600", "a FIFO" },
		{ "mkdir -m 700", "a directory" },
		{ "ln -s good", "a symbolic link" },
	};
	struct report report = { 0 };

	keystore_close(fixture_new(*state));
	fixture_shell(*state, "cp keyring keyring.prev");
	for (size_t i = 0; i < ARRAY_SIZE(names) * ARRAY_SIZE(shapes); i++) {
		const char *name = names[i / ARRAY_SIZE(shapes)];
		char command[256];

		if (i % ARRAY_SIZE(shapes) == 1 && strcmp(name, "store") == 0)
			continue;
		(void)snprintf(command, sizeof(command), "mv %s good && %s %s", name,
			       shapes[i % ARRAY_SIZE(shapes)].make, name);
		fixture_shell(*state, command);
		assert_int_equal(open_quickly(*state, &report), -EPERM);
		assert_non_null(strstr(report.what, name));
		assert_non_null(strstr(report.what, shapes[i % ARRAY_SIZE(shapes)].word));
		assert_true(report.hint[0]);
		(void)snprintf(command, sizeof(command), "rm -r %s && mv good %s", name, name);
		fixture_shell(*state, command);
		assert_int_equal(open_quickly(*state, &report), 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_copied_to_another_name_is_named),
		TEST(a_record_of_another_keystore_is_named),
		TEST(an_older_version_put_back_by_hand_is_noticed),
		TEST(a_value_of_any_length_is_refused_and_named),
		TEST(every_mix_of_two_days_is_told_from_the_newest),
		TEST(the_anchor_of_another_keystore_is_none),
		TEST(a_store_cut_short_is_damaged_and_no_signal),
		TEST(a_weak_key_makes_no_slot),
		TEST(versions_have_an_end_that_nothing_wraps_around),
		TEST(a_full_disk_loses_nothing_and_is_told),
		TEST(an_anchor_that_stays_behind_is_told_by_verify),
		TEST(a_read_only_disk_is_told),
		TEST(a_transaction_that_another_knows_of_is_missed),
		TEST(what_is_not_a_file_is_named_and_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
