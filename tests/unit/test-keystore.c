/* SPDX-License-Identifier: BSD-2-Clause */
/* The keystore as its callers see it: opening, changing, sealing. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "keystore/internal.h"
#include "keystore/recovery.h"

static const struct keystore_id billing = { "password", "verifier", "billing" };

static void a_record_comes_back_as_it_was_put(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_record struct keystore_record *rec = NULL;

	fixture_put(ks, "billing", KEYSTORE_AUTH, "s3cret");
	assert_int_equal(keystore_get(ks, &billing, &rec), 0);
	assert_string_equal(rec->id.space, "password");
	assert_string_equal(rec->id.kind, "verifier");
	assert_string_equal(rec->id.name, "billing");
	assert_int_equal(rec->tier, KEYSTORE_AUTH);
	assert_true(rec->version == 1);
	assert_true(rec->txid == keystore_txid(ks));
	assert_true(rec->created == FIXTURE_NOW);
	assert_int_equal(rec->state, 3);
	assert_int_equal(rec->attrs_len, 3);
	assert_memory_equal(rec->attrs, "a=1", 3);
	assert_int_equal(rec->body_len, 6);
	assert_memory_equal(rec->body, "s3cret", 6);
}

static void records_survive_closing(void **state)
{
	struct keystore *ks = fixture_new(*state);
	cleanup_keystore struct keystore *again = NULL;
	cleanup_record struct keystore_record *rec = NULL;

	fixture_put(ks, "billing", KEYSTORE_ISSUER, "private key");
	keystore_close(ks);
	again = fixture_open(*state);
	assert_int_equal(keystore_get(again, &billing, &rec), -ENOKEY);
	fixture_unlock_auth(again);
	assert_false(keystore_is_open(again, KEYSTORE_ISSUER));
	assert_int_equal(keystore_get(again, &billing, &rec), -ENOKEY);
	fixture_unlock_both(again);
	assert_int_equal(keystore_get(again, &billing, &rec), 0);
	assert_memory_equal(rec->body, "private key", 11);
}

static void largest_and_empty_records_are_kept(void **state)
{
	static uint8_t big[KEYSTORE_BODY_MAX];
	static char name[KEYSTORE_NAME_MAX + 1];
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_record struct keystore_record *rec = NULL;
	cleanup_txn struct keystore_txn *txn = NULL;
	struct keystore_record in = fixture_record("empty", KEYSTORE_AUTH, "");

	memset(name, 'n', KEYSTORE_NAME_MAX);
	memset(big, 0x5a, sizeof(big));
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	in.attrs_len = 0;
	assert_int_equal(keystore_put(txn, &in, NULL), 0);
	in.id.name = name;
	in.attrs = big;
	in.attrs_len = KEYSTORE_ATTRS_MAX;
	in.body = big;
	in.body_len = KEYSTORE_BODY_MAX;
	assert_int_equal(keystore_put(txn, &in, NULL), 0);
	in.body_len++;
	assert_int_equal(keystore_put(txn, &in, NULL), -EINVAL);
	in.body_len = 0;
	in.attrs_len++;
	assert_int_equal(keystore_put(txn, &in, NULL), -EINVAL);
	assert_int_equal(keystore_commit(steal_ptr(txn), NULL, NULL), 0);
	assert_int_equal(
		keystore_get(ks, &(struct keystore_id){ "password", "verifier", name }, &rec),
		0);
	assert_int_equal(rec->body_len, KEYSTORE_BODY_MAX);
	assert_memory_equal(rec->body, big, KEYSTORE_BODY_MAX);
	assert_int_equal(rec->attrs_len, KEYSTORE_ATTRS_MAX);
	assert_true(keystore_count(ks) == 2);
}

static void ids_and_tiers_out_of_bounds_are_refused(void **state)
{
	static const struct keystore_id bad[] = {
		{ "", "k", "n" },
		{ "s", "", "n" },
		{ "s", "k", "" },
		{ NULL, "k", "n" },
		{ "s", NULL, "n" },
		{ "s", "k", NULL },
		{ "0123456789012345678901234567890123456789012345678901234567890123", "k",
		  "n" },
	};
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_record struct keystore_record *rec = NULL;
	cleanup_txn struct keystore_txn *txn = NULL;
	struct keystore_record in = fixture_record("n", KEYSTORE_AUTH, "x");

	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		in.id = bad[i];
		assert_int_equal(keystore_put(txn, &in, NULL), -EINVAL);
		assert_int_equal(keystore_get(ks, &bad[i], &rec), -EINVAL);
		assert_int_equal(keystore_remove(txn, &bad[i], ""), -EINVAL);
	}
	in = fixture_record("n", KEYSTORE_BOTH, "x");
	assert_int_equal(keystore_put(txn, &in, NULL), -EINVAL);
}

static void versions_only_grow_even_across_removal(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_record in = fixture_record("billing", KEYSTORE_AUTH, "one");
	struct keystore_tombstone grave;
	struct keystore_txn *txn;
	uint64_t version;

	assert_int_equal(keystore_last_version(ks, &billing, &version), 0);
	assert_true(version == 0);
	in.version = 7;
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	assert_int_equal(keystore_put(txn, &in, &version), 0);
	assert_true(version == 7);
	assert_int_equal(keystore_put(txn, &in, &version), -EEXIST);
	in.version = 0;
	assert_int_equal(keystore_put(txn, &in, &version), 0);
	assert_true(version == 8);
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
	fixture_remove(ks, "billing");
	assert_int_equal(keystore_get_tombstone(ks, &billing, &grave), 0);
	assert_true(grave.version == 9);
	assert_true(grave.time == FIXTURE_NOW);
	assert_string_equal(grave.reason, "revoked by hand");
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	in.version = 9;
	assert_int_equal(keystore_put(txn, &in, &version), -EEXIST);
	in.version = 0;
	assert_int_equal(keystore_put(txn, &in, &version), 0);
	assert_true(version == 10);
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
	assert_int_equal(keystore_get_tombstone(ks, &billing, &grave), -ENOENT);
	assert_int_equal(keystore_last_version(ks, &billing, &version), 0);
	assert_true(version == 10);
}

static void removing_twice_leaves_one_tombstone(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_record struct keystore_record *rec = NULL;
	struct keystore_verify totals;
	struct keystore_txn *txn;

	for (int i = 0; i < 2; i++) {
		fixture_put(ks, "billing", KEYSTORE_ISSUER, "x");
		keystore_seal(ks, KEYSTORE_ISSUER);
		fixture_remove(ks, "billing"); /* needs AUTH only */
		fixture_unlock_both(ks);
	}
	assert_int_equal(keystore_get(ks, &billing, &rec), -ENOENT);
	assert_true(keystore_count(ks) == 0);
	assert_true(keystore_tombstones(ks) == 1);
	assert_int_equal(keystore_verify(ks, &totals, NULL), 0);
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	assert_int_equal(keystore_remove(txn, &billing, ""), -ENOENT);
	keystore_abort(txn);
}

static void an_aborted_transaction_changes_nothing(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_record struct keystore_record *rec = NULL;
	const struct keystore_record in = fixture_record("billing", KEYSTORE_AUTH, "x");
	uint64_t before = keystore_txid(ks);
	struct keystore_verify totals;
	struct keystore_txn *txn;
	struct keystore_txn *second;

	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	assert_int_equal(keystore_begin(ks, &second, NULL), -EBUSY);
	assert_int_equal(keystore_put(txn, &in, NULL), 0);
	assert_int_equal(keystore_get(ks, &billing, &rec), -ENOENT);
	keystore_abort(txn);
	assert_true(keystore_txid(ks) == before);
	assert_int_equal(keystore_get(ks, &billing, &rec), -ENOENT);
	assert_int_equal(keystore_verify(ks, &totals, NULL), 0);
	assert_true(totals.records == 0);
}

static void a_transaction_has_a_limit(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_txn struct keystore_txn *txn = NULL;
	struct keystore_verify totals;
	char name[16];

	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	for (int i = 0; i <= KEYSTORE_TXN_MAX; i++) {
		const struct keystore_record in = fixture_record(name, KEYSTORE_AUTH, "x");

		(void)snprintf(name, sizeof(name), "svc-%d", i);
		assert_int_equal(keystore_put(txn, &in, NULL),
				 i < KEYSTORE_TXN_MAX ? 0 : -E2BIG);
	}
	assert_int_equal(keystore_commit(steal_ptr(txn), NULL, NULL), 0);
	assert_int_equal(keystore_verify(ks, &totals, NULL), 0);
	assert_true(totals.records == KEYSTORE_TXN_MAX);
	assert_true(totals.unreadable == 0);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_int_equal(keystore_verify(ks, &totals, NULL), 0);
}

struct tally {
	unsigned seen;
	struct keystore *ks;
};

static int count_one(void *context, const struct keystore_record *rec)
{
	struct tally *t = context;
	struct keystore_txn *txn;

	assert_string_equal(rec->id.space, "password");
	assert_int_equal(keystore_begin(t->ks, &txn, NULL), -EBUSY);
	t->seen++;
	return 0;
}

static int stop_at_once(void *context, const struct keystore_record *rec)
{
	(void)context;
	(void)rec;
	return -ECANCELED;
}

static void a_walk_sees_what_is_open_and_wanted(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct tally t = { .ks = ks };

	fixture_put(ks, "a", KEYSTORE_AUTH, "x");
	fixture_put(ks, "b", KEYSTORE_AUTH, "x");
	fixture_put(ks, "c", KEYSTORE_ISSUER, "x");
	assert_int_equal(keystore_foreach(ks, "password", "verifier", count_one, &t), 0);
	assert_int_equal(t.seen, 3);
	assert_int_equal(keystore_foreach(ks, "dkim", NULL, count_one, &t), 0);
	assert_int_equal(keystore_foreach(ks, NULL, "other", count_one, &t), 0);
	assert_int_equal(t.seen, 3);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_int_equal(keystore_foreach(ks, NULL, NULL, count_one, &t), 0);
	assert_int_equal(t.seen, 5);
	assert_int_equal(keystore_foreach(ks, NULL, NULL, stop_at_once, NULL), -ECANCELED);
	keystore_seal(ks, KEYSTORE_AUTH);
	assert_int_equal(keystore_foreach(ks, NULL, NULL, count_one, &t), -ENOKEY);
}

static void sealing_takes_everything_away(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_record struct keystore_record *rec = NULL;
	struct keystore_audit audit;
	struct keystore_verify totals;
	struct keystore_txn *txn;
	struct report report = { 0 };

	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	assert_non_null(keystore_verifier_keys(ks));
	keystore_seal(ks, KEYSTORE_AUTH);
	assert_false(keystore_is_open(ks, KEYSTORE_AUTH));
	assert_false(keystore_is_open(ks, KEYSTORE_ISSUER));
	assert_null(keystore_verifier_keys(ks));
	assert_true(keystore_txid(ks) == 0);
	assert_int_equal(keystore_get(ks, &billing, &rec), -ENOKEY);
	assert_int_equal(keystore_begin(ks, &txn, &report), -ENOKEY);
	assert_string_equal(report.hint, "rotatectl unseal");
	assert_int_equal(keystore_verify(ks, &totals, NULL), -ENOKEY);
	assert_int_equal(keystore_audit_get(ks, &audit), -ENOKEY);
	assert_int_equal(keystore_health(ks, &report), KEYSTORE_SEALED);
}

static void a_wrong_key_is_told_from_a_damaged_keyring(void **state)
{
	cleanup_secret struct secret *recovery = fixture_create(*state);
	cleanup_keystore struct keystore *ks = fixture_open(*state);
	cleanup_secret struct secret *wrong =
		fixture_secret("0123456789abcdef0123456789abcdeX");
	cleanup_secret struct secret *mistyped = secret_dup(recovery);
	cleanup_secret struct secret *other = NULL;
	struct report report = { 0 };

	assert_int_equal(keystore_unlock_passphrase(ks, wrong, &report), -EKEYREJECTED);
	assert_non_null(strstr(report.what, "passphrase opens no slot"));
	assert_int_equal(keystore_unlock_key_file(ks, wrong, &report), -EKEYREJECTED);
	secret_fill(mistyped)[10] = secret_data(mistyped)[10] == '7' ? '8' : '7';
	assert_int_equal(keystore_unlock_recovery(ks, mistyped, &report), -EINVAL);
	assert_non_null(strstr(report.what, "checksum"));
	other = fixture_secret(
		"RTR1 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 0000 "
		"0000 0000");
	assert_int_equal(keystore_unlock_recovery(ks, other, &report), -EINVAL);
	assert_false(keystore_is_open(ks, KEYSTORE_AUTH));
	assert_int_equal(keystore_unlock_recovery(ks, recovery, &report), 0);
	assert_true(keystore_is_open(ks, KEYSTORE_BOTH));
}

static void creating_refuses_what_is_weak_or_there(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = fixture_create(f);
	cleanup_secret struct secret *empty = fixture_secret("");
	cleanup_secret struct secret *short_key = fixture_secret("0123456789");
	cleanup_secret struct secret *good = fixture_secret("good");
	cleanup_secret struct secret *none = NULL;
	struct report report = { 0 };
	struct keystore_env weak = f->env;

	assert_int_equal(keystore_create(f->dir, &f->env,
					 &(struct keystore_first_keys){ good, NULL }, &none,
					 &report),
			 -EEXIST);
	assert_int_equal(keystore_create(f->dir, &f->env,
					 &(struct keystore_first_keys){ empty, NULL }, &none,
					 &report),
			 -EINVAL);
	assert_int_equal(keystore_create(f->dir, &f->env,
					 &(struct keystore_first_keys){ good, short_key },
					 &none, &report),
			 -EINVAL);
	weak.pwhash_ops = 1;
	assert_int_equal(keystore_create(f->dir, &weak,
					 &(struct keystore_first_keys){ good, NULL }, &none,
					 &report),
			 -EINVAL);
	fixture_shell(f, "mv keyring away");
	assert_int_equal(keystore_create(f->dir, &f->env,
					 &(struct keystore_first_keys){ good, NULL }, &none,
					 &report),
			 0);
}

static void creating_never_buries_a_store_with_records(void **state)
{
	struct fixture *f = *state;
	struct keystore *ks = fixture_new(f);
	cleanup_secret struct secret *good = fixture_secret("good");
	cleanup_secret struct secret *none = NULL;
	struct report report = { 0 };

	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	keystore_close(ks);
	fixture_shell(f, "mv keyring away");
	assert_int_equal(keystore_create(f->dir, &f->env,
					 &(struct keystore_first_keys){ good, NULL }, &none,
					 &report),
			 -EEXIST);
	assert_non_null(strstr(report.what, "keyring is missing"));
}

static int open_result(struct fixture *f, struct report *report)
{
	cleanup_keystore struct keystore *ks = NULL;

	return keystore_open(f->dir, &f->env, &ks, report);
}

static void open_modes_are_refused_with_the_command_that_mends_them(void **state)
{
	static const char *const names[] = { "keyring", "anchor", "store", "store/data.mdb",
					     "store/lock.mdb" };
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = fixture_create(f);
	struct report report = { 0 };
	char path[PATH_MAX];
	char hint[PATH_MAX + 32];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool is_dir = strcmp(names[i], "store") == 0;

		fixture_path(f, names[i], path);
		assert_int_equal(chmod(path, is_dir ? 0750 : 0640), 0);
		assert_int_equal(open_result(f, &report), -EPERM);
		(void)snprintf(hint, sizeof(hint), "chmod %s %s", is_dir ? "0700" : "0600",
			       path);
		assert_string_equal(report.hint, hint);
		assert_int_equal(chmod(path, is_dir ? 0700 : 0600), 0);
	}
	assert_int_equal(chmod(f->dir, 0775), 0);
	assert_int_equal(open_result(f, &report), -EPERM);
	assert_int_equal(chmod(f->dir, 0711), 0);
	assert_int_equal(open_result(f, &report), 0);
	fixture_path(f, "keyring", path);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
		assert_int_equal(open_result(f, &report), -EPERM);
		assert_non_null(strstr(report.hint, "chown"));
	}
}

static void a_missing_keystore_is_named(void **state)
{
	struct fixture *f = *state;
	struct report report = { 0 };

	assert_int_equal(open_result(f, &report), -ENOENT);
	assert_non_null(strstr(report.hint, "rotatectl init"));
}

static void only_one_process_has_it_open(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct keystore *second = NULL;
		int r = keystore_open(f->dir, &f->env, &second, NULL);

		_exit(r == -EBUSY ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_int_equal(status, 0);
}

static void the_audit_end_is_kept_with_the_transaction(void **state)
{
	cleanup_secret struct secret *recovery = fixture_create(*state);
	cleanup_keystore struct keystore *ks = fixture_open(*state);
	struct keystore_audit audit;
	struct keystore_audit again;
	struct keystore_txn *txn;
	uint8_t first[KEYSTORE_AUDIT_LEN];
	uint64_t txid;

	fixture_unlock_both(ks);
	assert_int_equal(keystore_audit_get(ks, &audit), 0);
	assert_true(audit.seq == 0);
	assert_int_equal(keystore_audit_first_key(ks, recovery, first, NULL), 0);
	assert_memory_equal(first, audit.key, sizeof(first));
	audit.seq = 42;
	memset(audit.head, 1, sizeof(audit.head));
	memset(audit.key, 2, sizeof(audit.key));
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	keystore_set_audit(txn, &audit);
	assert_int_equal(keystore_commit(txn, &txid, NULL), 0);
	assert_true(txid == keystore_txid(ks));
	keystore_close(steal_ptr(ks));
	ks = fixture_open(*state);
	fixture_unlock_auth(ks);
	assert_int_equal(keystore_audit_get(ks, &again), 0);
	assert_memory_equal(&again, &audit, sizeof(audit));
	assert_int_equal(keystore_audit_first_key(ks, recovery, first, NULL), 0);
}

/* Who holds AUTH writes the AUTH body: nothing in it may choose the key that history is checked
 * with. */
static void the_first_audit_key_follows_from_the_recovery_key_alone(void **state)
{
	cleanup_secret struct secret *recovery = fixture_create(*state);
	cleanup_secret struct secret *another = NULL;
	cleanup_keystore struct keystore *ks = fixture_open(*state);
	const struct keystore_new_slot slot = { .type = KEYSTORE_SLOT_RECOVERY };
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	uint8_t expected[KEYSTORE_AUDIT_LEN];
	uint8_t first[KEYSTORE_AUDIT_LEN];
	uint8_t key[RECOVERY_KEY_LEN];

	assert_int_equal(
		recovery_parse(secret_string(recovery), secret_len(recovery), key, NULL), 0);
	assert_int_equal(crypto_kdf_derive_from_key(expected, 32, 1, "rtaudit1", key), 0);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_audit_first_key(ks, recovery, first, NULL), 0);
	assert_memory_equal(first, expected, sizeof(first));
	assert_int_equal(keystore_slot_add(ks, &slot, id, &another, NULL), 0);
	assert_int_equal(keystore_audit_first_key(ks, another, first, NULL), -EKEYREJECTED);
	/* a public key of his own makes him no key of history */
	keys_unprotect(ks->auth);
	memset(ks->auth->recovery_pk, 9, sizeof(ks->auth->recovery_pk));
	keys_protect(ks->auth);
	assert_int_equal(keystore_audit_first_key(ks, recovery, first, NULL), -EKEYREJECTED);
}

/* The difference of two open sums would be a term of the set hash. */
static void the_anchor_tells_nothing_of_the_set_hash(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_buf struct buf file = BUF_INIT;
	char path[PATH_MAX];

	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	fixture_path(f, "anchor", path);
	assert_int_equal(fs_read(AT_FDCWD, path, ANCHOR_LEN, &file), 0);
	for (size_t at = 0; at + SET_HASH_LEN <= file.len; at++)
		assert_memory_not_equal(file.data + at, ks->meta->set.sum, SET_HASH_LEN);
}

static void slots_are_listed_added_and_removed(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_secret struct secret *second = fixture_secret("second passphrase");
	cleanup_secret struct secret *empty = fixture_secret("");
	cleanup_secret struct secret *old = fixture_secret(fixture_passphrase);
	struct keystore_slot slot;
	struct report report = { 0 };

	assert_int_equal(keystore_slot_count(ks), 3);
	keystore_slot_get(ks, 0, &slot);
	assert_int_equal(slot.type, KEYSTORE_SLOT_PASSPHRASE);
	assert_int_equal(slot.tiers, KEYSTORE_BOTH);
	assert_true(slot.created == FIXTURE_NOW);
	assert_int_equal(keystore_slot_remove(ks, slot.id, &report), -EPERM);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_PASSPHRASE, empty, &report),
			 -EINVAL);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_KEY_FILE, second, &report),
			 -EINVAL);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_RECOVERY, second, &report),
			 -EINVAL);
	assert_int_equal(fixture_add(ks, KEYSTORE_SLOT_PASSPHRASE, second, &report), 0);
	assert_int_equal(keystore_slot_count(ks), 4);
	assert_int_equal(keystore_slot_remove(ks, slot.id, &report), 0);
	assert_int_equal(keystore_slot_remove(ks, slot.id, &report), -ENOENT);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "x");
	keystore_close(steal_ptr(ks));
	ks = fixture_open(*state);
	assert_int_equal(keystore_unlock_passphrase(ks, old, &report), -EKEYREJECTED);
	assert_int_equal(keystore_unlock_passphrase(ks, second, &report), 0);
	keystore_slot_get(ks, 1, &slot);
	assert_int_equal(slot.type, KEYSTORE_SLOT_KEY_FILE);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_int_equal(keystore_slot_remove(ks, slot.id, &report), -ENOKEY);
}

static void names_and_bodies_are_not_in_the_files(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);

	fixture_put(ks, "visible-name", KEYSTORE_AUTH, "visible-body");
	fixture_put(ks, "visible-issuer", KEYSTORE_ISSUER, "visible-body");
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "! grep -rqaE 'visible|verifier|battery' .");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_record_comes_back_as_it_was_put),
		TEST(records_survive_closing),
		TEST(largest_and_empty_records_are_kept),
		TEST(ids_and_tiers_out_of_bounds_are_refused),
		TEST(versions_only_grow_even_across_removal),
		TEST(removing_twice_leaves_one_tombstone),
		TEST(an_aborted_transaction_changes_nothing),
		TEST(a_transaction_has_a_limit),
		TEST(a_walk_sees_what_is_open_and_wanted),
		TEST(sealing_takes_everything_away),
		TEST(a_wrong_key_is_told_from_a_damaged_keyring),
		TEST(creating_refuses_what_is_weak_or_there),
		TEST(creating_never_buries_a_store_with_records),
		TEST(open_modes_are_refused_with_the_command_that_mends_them),
		TEST(a_missing_keystore_is_named),
		TEST(only_one_process_has_it_open),
		TEST(the_audit_end_is_kept_with_the_transaction),
		TEST(the_first_audit_key_follows_from_the_recovery_key_alone),
		TEST(the_anchor_tells_nothing_of_the_set_hash),
		TEST(slots_are_listed_added_and_removed),
		TEST(names_and_bodies_are_not_in_the_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
