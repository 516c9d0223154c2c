/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that were damaged, lost, put back or have no room: what is noticed and what still
 * works. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "keystore/db.h"
#include "keystore/internal.h"

static const struct keystore_id billing = { "password", "verifier", "billing" };

static int open_result(struct fixture *f, struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;

	return keystore_open(f->dir, &f->env, &ks, report);
}

static void the_previous_keyring_serves_until_the_next_is_proven(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_secret struct secret *second = fixture_secret("second passphrase");
	char prev[PATH_MAX];
	char now[PATH_MAX];

	fixture_path(f, "keyring.prev", prev);
	fixture_path(f, "keyring", now);
	fixture_shell(f, "cp -p keyring first");
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_PASSPHRASE, second, NULL), 0);
	assert_int_equal(access(prev, F_OK), 0);
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cmp first keyring.prev");

	/* the newer one opens: the older one goes */
	ks = fixture_open(f);
	assert_int_equal(keystore_unlock_passphrase(ks, second, NULL), 0);
	assert_int_equal(access(prev, F_OK), -1);
	keystore_close(steal_ptr(ks));

	/* the newer one is cut short: the older one opens, and is known to be older */
	fixture_shell(f, "cp -p keyring second && cp -p first keyring.prev");
	assert_int_equal(truncate(now, 100), 0);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_ROLLED_BACK);
	keystore_close(steal_ptr(ks));
	assert_int_equal(access(prev, F_OK), 0);
	fixture_shell(f, "cp -p second keyring");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
}

static void a_keyring_lost_before_meta_knew_it_is_replaced_by_the_previous(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);

	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cp -p keyring keyring.prev && cp -p keyring first");
	fixture_shell(f, "printf X | dd of=keyring bs=1 seek=400 conv=notrunc 2>/dev/null");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
	fixture_shell(f, "cmp keyring first && test ! -e keyring.prev");
	fixture_put(ks, "billing", KEYSTORE_ISSUER, "x");
}

static void every_damaged_byte_of_the_keyring_is_noticed(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = fixture_create(f);
	struct stat st;
	char path[PATH_MAX];
	int fd;

	fixture_path(f, "keyring", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = 0; at < st.st_size; at++) {
		cleanup_keystore struct keystore *ks = NULL;
		cleanup_secret struct secret *key = fixture_secret(fixture_key_file);
		struct report report = { 0 };
		uint8_t byte;
		int r;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		r = keystore_open(f->dir, &f->env, &ks, &report);
		if (r == 0)
			r = keystore_unlock_key_file(ks, key, &report);
		assert_true(r == -EBADMSG || r == -EKEYREJECTED || r == -ENOENT ||
			    r == -EPROTONOSUPPORT);
		assert_true(report.what[0] && report.hint[0]);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	(void)close(fd);
	assert_int_equal(open_result(f, NULL), 0);
}

static void an_older_store_is_read_but_not_changed(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_record struct keystore_record *rec = NULL;
	struct keystore_verify totals;
	struct report report = { 0 };
	struct keystore_txn *txn;

	fixture_put(ks, "billing", KEYSTORE_AUTH, "old");
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cp -rp store old");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_remove(ks, "billing");
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "rm -r store && mv old store");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_ROLLED_BACK);
	assert_non_null(strstr(report.what, "rolled back"));
	assert_int_equal(keystore_get(ks, &billing, &rec), 0);
	assert_int_equal(keystore_begin(ks, &txn, &report), -ESTALE);
	assert_true(report.hint[0]);
	assert_int_equal(keystore_verify(ks, &totals, &report), -ESTALE);
	assert_int_equal(keystore_accept(ks, &report), 0);
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_HEALTHY);
	fixture_put(ks, "other", KEYSTORE_AUTH, "x");
	keystore_close(steal_ptr(ks));
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_verify(ks, &totals, &report), 0);
}

static void a_store_that_went_its_own_way_is_noticed(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);

	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cp -rp store fork && cp -p anchor anchor.fork");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "here");
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "mv store kept && mv anchor anchor.kept && mv fork store && "
			 "mv anchor.fork anchor");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "elsewhere");
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "mv anchor.kept anchor");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_ROLLED_BACK);
}

static void a_lost_or_torn_anchor_is_told(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct report report = { 0 };
	char path[PATH_MAX];
	uint64_t txid;
	int fd;

	fixture_put(ks, "a", KEYSTORE_AUTH, "x");
	fixture_put(ks, "b", KEYSTORE_AUTH, "x");
	txid = keystore_txid(ks);
	keystore_close(steal_ptr(ks));
	fixture_path(f, "anchor", path);
	/* one slot torn in writing: the other one serves */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "torn", 4, (off_t)(txid % 2 ? 512 : 0) + 60), 4);
	(void)close(fd);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_HEALTHY);
	keystore_close(steal_ptr(ks));
	assert_int_equal(truncate(path, 512), 0);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_NO_ANCHOR);
	assert_non_null(strstr(report.what, "anchor"));
	assert_int_equal(keystore_accept(ks, &report), 0);
	keystore_close(steal_ptr(ks));
	assert_int_equal(unlink(path), 0);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_NO_ANCHOR);
}

/* The largest file this process may write stands in for a full disk: LMDB sees a short write.
 */
static void limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_commit_that_the_disk_refuses_changes_nothing(void **state)
{
	static uint8_t big[KEYSTORE_BODY_MAX];
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_record struct keystore_record *rec = NULL;
	struct keystore_record in = fixture_record("billing", KEYSTORE_AUTH, "");
	struct keystore_verify totals;
	struct report report = { 0 };
	struct keystore_txn *txn;
	uint64_t before;

	fixture_put(ks, "small", KEYSTORE_AUTH, "x");
	before = keystore_txid(ks);
	in.body = big;
	in.body_len = sizeof(big);
	(void)signal(SIGXFSZ, SIG_IGN);
	limit_files(64 * 1024);
	assert_int_equal(keystore_begin(ks, &txn, &report), 0);
	assert_int_equal(keystore_put(txn, &in, NULL), 0);
	assert_true(keystore_commit(txn, NULL, &report) < 0);
	limit_files(RLIM_INFINITY);
	assert_non_null(strstr(report.what, "cannot change"));
	assert_true(keystore_txid(ks) == before);
	assert_int_equal(keystore_get(ks, &billing, &rec), -ENOENT);
	assert_int_equal(keystore_verify(ks, &totals, &report), 0);
	assert_true(totals.records == 1);
	/* and with room again, all is well */
	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	assert_int_equal(keystore_verify(ks, &totals, &report), 0);
}

static void a_full_disk_is_told_with_what_to_do(void **state)
{
	struct fixture *f = *state;
	struct report report = { 0 };

	assert_int_equal(db_check_room(f->dir, 1, &report), 0);
	assert_int_equal(db_check_room(f->dir, UINT64_MAX, &report), -ENOSPC);
	assert_non_null(strstr(report.hint, "df -h"));
	assert_int_equal(db_report(&report, db_error(EIO), "cannot change", f->dir), -EIO);
	assert_non_null(strstr(report.hint, "may be full"));
	assert_int_equal(db_error(MDB_MAP_FULL), -ENOSPC);
	assert_int_equal(db_error(MDB_CORRUPTED), -EBADMSG);
	assert_int_equal(db_error(MDB_NOTFOUND), -ENOENT);
	assert_int_equal(db_error(MDB_BAD_TXN), -EIO);
}

/* Changes a table behind the keystore's back. */
static void edit_store(struct fixture *f, const char *table, bool remove)
{
	char dir[PATH_MAX];
	MDB_cursor *cursor;
	MDB_env *env = NULL;
	MDB_txn *txn;
	MDB_val key;
	MDB_val value;
	MDB_dbi dbi;

	fixture_path(f, "store", dir);
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 3), 0);
	assert_int_equal(mdb_env_open(env, dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
	assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), 0);
	if (remove) {
		assert_int_equal(mdb_cursor_del(cursor, 0), 0);
	} else {
		uint8_t copy[4096];
		MDB_val changed = { value.mv_size, copy };

		memcpy(copy, value.mv_data, value.mv_size);
		copy[value.mv_size - 1] ^= 1;
		assert_int_equal(mdb_cursor_put(cursor, &key, &changed, MDB_CURRENT), 0);
	}
	mdb_cursor_close(cursor);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void a_record_altered_or_taken_away_is_named(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct keystore_verify totals;
	struct report report = { 0 };

	fixture_put(ks, "a", KEYSTORE_AUTH, "x");
	fixture_put(ks, "b", KEYSTORE_AUTH, "x");
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cp -rp store good");
	edit_store(f, "cur", false);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_verify(ks, &totals, &report), -EBADMSG);
	assert_non_null(strstr(report.what, "does not open"));
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "rm -r store && mv good store");
	edit_store(f, "cur", true);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_verify(ks, &totals, &report), -EBADMSG);
	assert_non_null(strstr(report.what, "is missing"));
}

static void an_altered_meta_keeps_the_keystore_shut(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_secret struct secret *key = fixture_secret(fixture_key_file);
	struct report report = { 0 };

	keystore_close(steal_ptr(ks));
	edit_store(f, "meta", false);
	ks = fixture_open(f);
	assert_int_equal(keystore_unlock_key_file(ks, key, &report), -EBADMSG);
	assert_non_null(strstr(report.what, "META"));
	assert_false(keystore_is_open(ks, KEYSTORE_AUTH));
}

/* tests/vectors/store-v2 was made by the code that first wrote what the format is now. */
static void copy_store(const struct fixture *f, const char *name)
{
	const char *top = getenv("TOP_SRCDIR");
	char script[PATH_MAX + 128];

	(void)snprintf(
		script, sizeof(script),
		"cp -r '%s/tests/vectors/%s/.' . && "
		"chmod -R u+w . && chmod 0700 store && chmod 0600 keyring anchor store/*",
		top ? top : ".", name);
	fixture_shell(f, script);
}

static struct secret *read_text(const struct fixture *f, const char *name)
{
	cleanup_buf struct buf text = BUF_INIT;
	struct secret *s;
	char path[PATH_MAX];

	fixture_path(f, name, path);
	assert_int_equal(fs_read(AT_FDCWD, path, 4096, &text), 0);
	s = secret_new(text.data, text.len);
	assert_non_null(s);
	return s;
}

static void check_content(struct keystore *ks)
{
	cleanup_record struct keystore_record *verifier = NULL;
	cleanup_record struct keystore_record *key = NULL;
	struct keystore_tombstone grave;

	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
	assert_int_equal(keystore_get(ks, &billing, &verifier), 0);
	assert_memory_equal(verifier->body, "verifier", 8);
	if (keystore_is_open(ks, KEYSTORE_ISSUER)) {
		assert_int_equal(
			keystore_get(ks,
				     &(struct keystore_id){ "password", "verifier", "dkim" },
				     &key),
			0);
		assert_memory_equal(key->body, "private key", 11);
	}
	assert_int_equal(
		keystore_get_tombstone(
			ks, &(struct keystore_id){ "password", "verifier", "gone" }, &grave),
		0);
	assert_string_equal(grave.reason, "revoked by hand");
}

static void the_store_of_version_2_opens_by_every_slot(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *helper =
		fixture_secret("fedcba9876543210fedcba9876543210");
	cleanup_secret struct secret *recovery = NULL;
	struct keystore_slot slot;
	size_t count;

	copy_store(f, "store-v2");
	recovery = read_text(f, "recovery");
	{
		cleanup_keystore struct keystore *ks = fixture_open(f);

		count = keystore_slot_count(ks);
	}
	assert_int_equal(count, 6);
	for (size_t i = 0; i < count; i++) {
		cleanup_keystore struct keystore *ks = fixture_open(f);

		keystore_slot_get(ks, i, &slot);
		if (slot.type == KEYSTORE_SLOT_PASSPHRASE)
			fixture_unlock_both(ks);
		else if (slot.type == KEYSTORE_SLOT_KEY_FILE)
			fixture_unlock_auth(ks);
		else if (slot.type == KEYSTORE_SLOT_RECOVERY)
			assert_int_equal(keystore_unlock_recovery(ks, recovery, NULL), 0);
		else if (slot.type != KEYSTORE_SLOT_QUORUM)
			assert_int_equal(keystore_unlock_slot(ks, slot.id, helper, NULL), 0);
		else
			continue; /* its shares: test-keystore-share */
		assert_true(keystore_is_open(ks, slot.tiers));
		assert_int_equal(keystore_is_open(ks, KEYSTORE_ISSUER),
				 slot.tiers == KEYSTORE_BOTH);
		check_content(ks);
	}
}

static const char helper_key[] = "fedcba9876543210fedcba9876543210";

/* The shares go into a file beside the keyring. */
static void add_other_slots(const struct fixture *f, struct keystore *ks)
{
	cleanup_secret struct secret *key = fixture_secret(helper_key);
	const struct keystore_new_slot slots[] = {
		{ .type = KEYSTORE_SLOT_CREDENTIAL,
		  .key = key,
		  .blob = (const uint8_t *)"sealed",
		  .blob_len = 6 },
		{ .type = KEYSTORE_SLOT_EXEC,
		  .tiers = KEYSTORE_BOTH,
		  .key = key,
		  .program = "/usr/bin/clevis-decrypt",
		  .blob = (const uint8_t *)"ey",
		  .blob_len = 2 },
		{ .type = KEYSTORE_SLOT_QUORUM, .shares = 3, .threshold = 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		cleanup_secret struct secret *text = NULL;
		uint8_t id[KEYSTORE_SLOT_ID_LEN];

		assert_int_equal(keystore_slot_add(ks, &slots[i], id, &text, NULL), 0);
		if (text) {
			cleanup_close int dirfd = open(f->dir, O_RDONLY | O_CLOEXEC);

			assert_int_equal(fs_replace(dirfd, "shares", secret_data(text),
						    secret_len(text), 0600),
					 0);
		}
	}
}

/* How store-v2 is made: ROTATED_WRITE_VECTORS=DIR in the environment, which
 * tests/tools/keystore-vectors sets. */
static void write_fixture(const char *dir)
{
	struct fixture *f = NULL;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = NULL;
	char script[PATH_MAX + 128];

	assert_int_equal(fixture_setup((void **)&f), 0);
	recovery = fixture_create(f);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "verifier");
	fixture_put(ks, "dkim", KEYSTORE_ISSUER, "private key");
	fixture_put(ks, "gone", KEYSTORE_AUTH, "x");
	fixture_remove(ks, "gone");
	add_other_slots(f, ks);
	(void)snprintf(
		script, sizeof(script),
		"printf '%%s\\n' '%s' > recovery && rm -f store/lock.mdb keyring.prev && "
		"mkdir -p '%s' && cp -r . '%s'",
		secret_string(recovery), dir, dir);
	fixture_shell(f, script);
	assert_int_equal(fixture_teardown((void **)&f), 0);
}

/* Reads in another process until it is killed. */
static void read_for_ever(const char *dir, int ready)
{
	MDB_env *env;
	MDB_txn *txn;

	if (mdb_env_create(&env) != 0 || mdb_env_open(env, dir, 0, 0600) != 0 ||
	    mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
		_exit(1);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

struct sought {
	char pid[16];
	unsigned found;
};

static int find_reader(const char *line, void *context)
{
	struct sought *s = context;

	s->found += strncmp(line, s->pid, strlen(s->pid)) == 0;
	return 0;
}

/* The slots that PID has in the table of readers, whose lines begin with it. */
static unsigned slots_of(const struct keystore *ks, pid_t pid)
{
	struct sought s = { 0 };

	(void)snprintf(s.pid, sizeof(s.pid), "%10d ", pid);
	assert_true(mdb_reader_list(ks->db, find_reader, &s) >= 0);
	return s.found;
}

static void a_killed_readers_slot_is_freed_by_the_next_change(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	char dir[PATH_MAX];
	int ready[2];
	char c;
	pid_t pid;

	fixture_path(f, "store", dir);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		read_for_ever(dir, ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(slots_of(ks, pid), 1);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "y");
	assert_int_equal(slots_of(ks, pid), 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_previous_keyring_serves_until_the_next_is_proven),
		TEST(a_keyring_lost_before_meta_knew_it_is_replaced_by_the_previous),
		TEST(every_damaged_byte_of_the_keyring_is_noticed),
		TEST(an_older_store_is_read_but_not_changed),
		TEST(a_store_that_went_its_own_way_is_noticed),
		TEST(a_lost_or_torn_anchor_is_told),
		TEST(a_commit_that_the_disk_refuses_changes_nothing),
		TEST(a_full_disk_is_told_with_what_to_do),
		TEST(a_killed_readers_slot_is_freed_by_the_next_change),
		TEST(a_record_altered_or_taken_away_is_named),
		TEST(an_altered_meta_keeps_the_keystore_shut),
		TEST(the_store_of_version_2_opens_by_every_slot),
	};

	if (getenv("ROTATED_WRITE_VECTORS")) {
		write_fixture(getenv("ROTATED_WRITE_VECTORS"));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
