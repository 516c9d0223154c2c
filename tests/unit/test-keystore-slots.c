/* SPDX-License-Identifier: BSD-2-Clause */
/* Slots of every type, new roots, and keyrings of other formats. */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>

#include "base/fs.h"
#include "keystore/draft.h"

static const char helper_key[] = "fedcba9876543210fedcba9876543210";
static const char other_key[] = "0000000000000000ffffffffffffffff";

static const struct keystore_id billing = { "password", "verifier", "billing" };

static void id_of(const struct keystore *ks, enum keystore_slot_type type,
		  uint8_t ret[static KEYSTORE_SLOT_ID_LEN])
{
	struct keystore_slot slot;

	for (size_t i = 0; i < keystore_slot_count(ks); i++) {
		keystore_slot_get(ks, i, &slot);
		if (slot.type == type) {
			memcpy(ret, slot.id, KEYSTORE_SLOT_ID_LEN);
			return;
		}
	}
	fail_msg("no %s slot", keystore_slot_type_name(type));
}

static void check_healthy(struct keystore *ks)
{
	struct keystore_verify totals;
	struct report report = { 0 };

	if (keystore_health(ks, &report) != KEYSTORE_HEALTHY)
		fixture_fail(&report);
	assert_int_equal(keystore_health(ks, NULL), KEYSTORE_HEALTHY);
	if (keystore_verify(ks, &totals, &report) < 0)
		fixture_fail(&report);
	assert_int_equal(keystore_verify(ks, &totals, NULL), 0);
}

/* One slot of each type that a new keystore has not. */
static void add_helpers(struct keystore *ks)
{
	cleanup_secret struct secret *key = fixture_secret(helper_key);
	static const uint8_t wanted[KEYSTORE_SLOT_ID_LEN] = "credential's id";
	const struct keystore_new_slot credential = { .type = KEYSTORE_SLOT_CREDENTIAL,
						      .id = wanted,
						      .key = key,
						      .blob = (const uint8_t *)"sealed",
						      .blob_len = 6 };
	const struct keystore_new_slot exec = { .type = KEYSTORE_SLOT_EXEC,
						.tiers = KEYSTORE_BOTH,
						.key = key,
						.program = "/usr/bin/age" };
	struct secret *text = NULL;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	assert_int_equal(keystore_slot_add(ks, &credential, id, &text, NULL), 0);
	assert_memory_equal(id, wanted, sizeof(id));
	assert_null(text);
	assert_int_equal(keystore_slot_add(ks, &credential, id, &text, NULL), -EEXIST);
	assert_int_equal(keystore_slot_add(ks, &exec, id, &text, NULL), 0);
	assert_null(text);
}

/* Opens F's keystore by its credential (AUTH) or exec slot (both), says that all is well, and
 * returns it. */
static struct keystore *open_helper(struct fixture *f, enum keystore_slot_type type)
{
	cleanup_secret struct secret *key = fixture_secret(helper_key);
	struct keystore *ks = fixture_open(f);
	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	id_of(ks, type, id);
	assert_int_equal(keystore_unlock_slot(ks, id, key, NULL), 0);
	assert_int_equal(keystore_is_open(ks, KEYSTORE_ISSUER), type == KEYSTORE_SLOT_EXEC);
	check_healthy(ks);
	return ks;
}

/* Every slot, each from the disk. */
static void opens_by_all(struct fixture *f, const struct secret *recovery)
{
	static const enum keystore_slot_type helpers[] = { KEYSTORE_SLOT_CREDENTIAL,
							   KEYSTORE_SLOT_EXEC };

	for (int i = 0; i < 3; i++) {
		cleanup_keystore struct keystore *ks = fixture_open(f);

		if (i == 0)
			fixture_unlock_both(ks);
		else if (i == 1)
			fixture_unlock_auth(ks);
		else
			assert_int_equal(keystore_unlock_recovery(ks, recovery, NULL), 0);
		check_healthy(ks);
	}
	for (size_t i = 0; i < ARRAY_SIZE(helpers); i++)
		keystore_close(open_helper(f, helpers[i]));
}

static struct keystore *new_with_all(struct fixture *f, struct secret **ret_recovery)
{
	struct keystore *ks;

	*ret_recovery = fixture_create(f);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	fixture_put(ks, "billing", KEYSTORE_ISSUER, "before");
	add_helpers(ks);
	return ks;
}

/* ---- types ---- */

static void every_type_opens_what_its_tiers_say(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_secret struct secret *wrong = fixture_secret(other_key);
	cleanup_keystore struct keystore *ks = new_with_all(*state, &recovery);
	struct keystore_slot slot;
	struct report report = { 0 };
	const uint8_t *blob;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	size_t len;

	assert_int_equal(keystore_slot_blob(ks, 3, &blob, &len), 0);
	assert_int_equal(len, 6);
	assert_memory_equal(blob, "sealed", 6);
	assert_int_equal(keystore_slot_blob(ks, 0, &blob, &len), -ENOENT);
	keystore_slot_get(ks, 4, &slot);
	assert_string_equal(slot.program, "/usr/bin/age");
	assert_int_equal(slot.tiers, KEYSTORE_BOTH);
	keystore_close(steal_ptr(ks));
	opens_by_all(*state, recovery);

	ks = fixture_open(*state);
	id_of(ks, KEYSTORE_SLOT_CREDENTIAL, id);
	assert_int_equal(keystore_unlock_slot(ks, id, wrong, &report), -EKEYREJECTED);
	assert_null(strstr(report.what, other_key));
	id_of(ks, KEYSTORE_SLOT_PASSPHRASE, id);
	assert_int_equal(keystore_unlock_slot(ks, id, wrong, &report), -EINVAL);
	id[0] ^= 1;
	assert_int_equal(keystore_unlock_slot(ks, id, wrong, &report), -ENOENT);
	assert_true(report.hint[0]);
	assert_false(keystore_is_open(ks, KEYSTORE_AUTH));
}

static void a_slot_is_tried_without_opening_anything(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = new_with_all(*state, &recovery);
	cleanup_secret struct secret *passphrase = fixture_secret(fixture_passphrase);
	cleanup_secret struct secret *helper = fixture_secret(helper_key);
	cleanup_secret struct secret *wrong = fixture_secret(other_key);
	const struct {
		enum keystore_slot_type type;
		const struct secret *key;
	} right[] = {
		{ KEYSTORE_SLOT_PASSPHRASE, passphrase }, { KEYSTORE_SLOT_RECOVERY, recovery },
		{ KEYSTORE_SLOT_CREDENTIAL, helper },	  { KEYSTORE_SLOT_EXEC, helper },
		{ KEYSTORE_SLOT_KEY_FILE, NULL },
	};
	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	for (int sealed = 0; sealed < 2; sealed++) {
		for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
			id_of(ks, right[i].type, id);
			if (right[i].key)
				assert_int_equal(keystore_slot_test(ks, id, right[i].key, NULL),
						 0);
			assert_int_equal(keystore_slot_test(ks, id, wrong, NULL),
					 right[i].type == KEYSTORE_SLOT_RECOVERY
						 ? -EINVAL
						 : -EKEYREJECTED);
		}
		id[3] ^= 1;
		assert_int_equal(keystore_slot_test(ks, id, wrong, NULL), -ENOENT);
		keystore_seal(ks, KEYSTORE_BOTH);
	}
	assert_false(keystore_is_open(ks, KEYSTORE_AUTH));
}

static int try_add(struct keystore *ks, const struct keystore_new_slot *slot)
{
	cleanup_secret struct secret *text = NULL;
	struct report report = { 0 };
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	int r = keystore_slot_add(ks, slot, id, &text, &report);

	assert_true(r == 0 || report.what[0]);
	return r;
}

static void what_is_out_of_bounds_makes_no_slot(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_secret struct secret *key = fixture_secret(helper_key);
	cleanup_secret struct secret *brief = fixture_secret("31 bytes are too few for a file");
	static const uint8_t blob[KEYSTORE_BLOB_MAX + 1];
	char program[KEYSTORE_PROGRAM_MAX + 2];
	struct keystore_new_slot slots[] = {
		{ .type = KEYSTORE_SLOT_CREDENTIAL, .key = brief },
		{ .type = KEYSTORE_SLOT_CREDENTIAL },
		{ .type = KEYSTORE_SLOT_CREDENTIAL,
		  .key = key,
		  .blob = blob,
		  .blob_len = sizeof(blob) },
		{ .type = KEYSTORE_SLOT_EXEC, .key = key },
		{ .type = KEYSTORE_SLOT_EXEC, .key = key, .program = "age" },
		{ .type = KEYSTORE_SLOT_EXEC, .key = key, .program = "/bin/age\nok" },
		{ .type = KEYSTORE_SLOT_EXEC, .key = key, .program = program },
		{ .type = KEYSTORE_SLOT_QUORUM, .shares = 3, .threshold = 1 },
		{ .type = KEYSTORE_SLOT_QUORUM, .shares = 2, .threshold = 3 },
		{ .type = KEYSTORE_SLOT_QUORUM, .shares = 17, .threshold = 3 },
		{ .type = KEYSTORE_SLOT_QUORUM, .key = key, .shares = 3, .threshold = 2 },
		{ .type = KEYSTORE_SLOT_RECOVERY, .tiers = KEYSTORE_AUTH },
		{ .type = KEYSTORE_SLOT_KEY_FILE, .key = key, .tiers = KEYSTORE_ISSUER },
		{ .type = KEYSTORE_SLOT_TYPE_MAX_, .key = key },
		{ .key = key },
	};

	memset(program, 'x', sizeof(program));
	program[0] = '/';
	program[sizeof(program) - 1] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++)
		assert_int_equal(try_add(ks, &slots[i]), -EINVAL);
	assert_int_equal(keystore_slot_count(ks), 3);
	/* the largest of each, until all sixteen are full */
	program[sizeof(program) - 2] = '\0';
	slots[6].blob = blob;
	slots[6].blob_len = KEYSTORE_BLOB_MAX;
	for (size_t i = keystore_slot_count(ks); i < 16; i++)
		assert_int_equal(try_add(ks, &slots[6]), 0);
	assert_int_equal(try_add(ks, &slots[6]), -ENOSPC);
	keystore_close(steal_ptr(ks));
	ks = fixture_open(*state);
	assert_int_equal(keystore_slot_count(ks), 16);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_rekey(ks, NULL), 0);
	check_healthy(ks);
}

/* ---- removing ---- */

static void the_last_of_its_kind_stays(void **state)
{
	cleanup_secret struct secret *recovery = NULL;
	cleanup_secret struct secret *fresh = NULL;
	cleanup_keystore struct keystore *ks = new_with_all(*state, &recovery);
	const struct keystore_new_slot another = { .type = KEYSTORE_SLOT_RECOVERY };
	struct report report = { 0 };
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	uint8_t added[KEYSTORE_SLOT_ID_LEN];

	/* an exec slot opens both tiers as well, so the passphrase can go, and then not that */
	id_of(ks, KEYSTORE_SLOT_PASSPHRASE, id);
	assert_int_equal(keystore_slot_remove(ks, id, &report), 0);
	id_of(ks, KEYSTORE_SLOT_EXEC, id);
	assert_int_equal(keystore_slot_remove(ks, id, &report), -EPERM);
	assert_true(report.hint[0]);
	id_of(ks, KEYSTORE_SLOT_RECOVERY, id);
	assert_int_equal(keystore_slot_remove(ks, id, &report), -EPERM);
	assert_int_equal(keystore_slot_add(ks, &another, added, &fresh, NULL), 0);
	assert_non_null(fresh);
	assert_int_equal(keystore_slot_remove(ks, id, &report), 0);
	assert_int_equal(keystore_slot_remove(ks, added, &report), -EPERM);
	keystore_close(steal_ptr(ks));
	ks = fixture_open(*state);
	assert_int_equal(keystore_unlock_recovery(ks, recovery, NULL), -EKEYREJECTED);
	assert_int_equal(keystore_unlock_recovery(ks, fresh, NULL), 0);
	check_healthy(ks);
}

static void who_was_removed_gets_nothing_out_of_a_later_keyring(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	cleanup_secret struct secret *leaver = fixture_secret("passphrase of the leaver");
	const struct keystore_new_slot slot = { .type = KEYSTORE_SLOT_PASSPHRASE,
						.key = leaver };
	cleanup_secret struct secret *text = NULL;
	struct auth_keys *held = NULL;
	struct issuer_keys *held_issuer = NULL;
	bool locked;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	assert_int_equal(keystore_slot_add(ks, &slot, id, &text, NULL), 0);
	fixture_shell(f, "cp keyring kept");
	/* the leaver has kept the roots themselves, not just the file */
	held = keys_alloc(sizeof(*held), &locked);
	held_issuer = keys_alloc(sizeof(*held_issuer), &locked);
	memcpy(held->root, ks->auth->root, sizeof(held->root));
	memcpy(held_issuer->root, ks->issuer->root, sizeof(held_issuer->root));
	assert_int_equal(keystore_slot_remove(ks, id, NULL), 0);
	fixture_put(ks, "billing", KEYSTORE_AUTH, "after");
	assert_int_equal(keyring_open_auth(&ks->file, held), -EBADMSG);
	assert_int_equal(keyring_open_issuer(&ks->file, held_issuer), -EBADMSG);
	assert_int_equal(keystore_unlock_passphrase(ks, leaver, NULL), -EKEYREJECTED);
	keystore_close(steal_ptr(ks));
	keys_free(held);
	keys_free(held_issuer);
	fixture_shell(f, "test ! -e keyring.prev && cp keyring now && cp kept keyring");
	ks = fixture_open(f);
	assert_int_equal(keystore_unlock_passphrase(ks, leaver, NULL), -EBADMSG);
	keystore_close(steal_ptr(ks));
	fixture_shell(f, "cp now keyring");
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	check_healthy(ks);
}

/* ---- new roots ---- */

static void new_roots_open_by_every_slot(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = new_with_all(f, &recovery);
	cleanup_record struct keystore_record *rec = NULL;
	uint8_t before[KEYRING_ROOT_LEN];

	for (int i = 0; i < 3; i++) {
		memcpy(before, ks->auth->root, sizeof(before));
		assert_int_equal(keystore_rekey(ks, NULL), 0);
		assert_memory_not_equal(before, ks->auth->root, sizeof(before));
		assert_false(ks->auth->has_before);
		check_healthy(ks);
	}
	assert_int_equal(keystore_get(ks, &billing, &rec), 0);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_int_equal(keystore_rekey(ks, NULL), -ENOKEY);
	keystore_close(steal_ptr(ks));
	opens_by_all(f, recovery);
}

/* Writes the keyring of step 1, and as many steps more as STEPS says. */
static void rekey_until(struct keystore *ks, int steps)
{
	cleanup_draft struct ring_draft *d = NULL;

	assert_int_equal(draft_new(ks, &d, NULL), 0);
	assert_int_equal(draft_rotate(ks, d, NULL), 0);
	assert_int_equal(draft_write(ks, d, NULL), 0);
	assert_true(ks->auth->has_before);
	if (steps > 0)
		ring_drop_prev(ks);
	if (steps > 1)
		assert_int_equal(txn_commit_empty(ks, NULL), 0);
	if (steps > 2)
		assert_int_equal(state_sync_anchor(ks), 0);
}

static void a_crash_between_any_two_steps_leaves_it_open_to_every_slot(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = new_with_all(f, &recovery);

	for (int steps = 0; steps < 4; steps++) {
		static const char *const names[] = { "0", "1", "2", "3" };
		char script[256];

		rekey_until(ks, steps);
		keystore_close(steal_ptr(ks)); /* what comes after is not done any more */
		(void)snprintf(script, sizeof(script),
			       "mkdir %s && cp -rp keyring anchor store %s/ && "
			       "(test ! -e keyring.prev || cp -p keyring.prev %s/)",
			       names[steps], names[steps], names[steps]);
		fixture_shell(f, script);
		/* whichever slot comes first has to do the rest, ISSUER sealed or not */
		for (int by = 0; by < 5; by++) {
			(void)snprintf(script, sizeof(script),
				       "rm -rf keyring* anchor store && cp -rp %s/. .",
				       names[steps]);
			fixture_shell(f, script);
			ks = by < 2 ? open_helper(f, by == 0 ? KEYSTORE_SLOT_CREDENTIAL
							     : KEYSTORE_SLOT_EXEC)
				    : fixture_open(f);
			if (by == 2)
				fixture_unlock_auth(ks);
			else if (by == 3)
				assert_int_equal(keystore_unlock_recovery(ks, recovery, NULL),
						 0);
			else if (by == 4)
				fixture_unlock_both(ks);
			check_healthy(ks);
			assert_false(ks->auth->has_before);
			assert_int_equal(faccessat(ks->dirfd, "keyring.prev", F_OK, 0), -1);
			keystore_close(steal_ptr(ks));
		}
		opens_by_all(f, recovery);
		ks = fixture_open(f);
		fixture_unlock_both(ks);
	}
}

/* META never was under the keys of step 1 when the roots change again. */
static void roots_may_change_twice_without_a_commit_between(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = new_with_all(f, &recovery);

	rekey_until(ks, 0);
	rekey_until(ks, 0);
	keystore_close(steal_ptr(ks));
	opens_by_all(f, recovery);
}

static void the_roots_change_in_the_middle_of_a_reseal(void **state)
{
	struct fixture *f = *state;
	cleanup_secret struct secret *recovery = NULL;
	cleanup_keystore struct keystore *ks = new_with_all(f, &recovery);
	struct keystore_reseal pass = { 0 };
	uint8_t before[KEYRING_ROOT_LEN];
	uint8_t begun[KEYRING_ROOT_LEN];
	int r = 1;

	fixture_put(ks, "other", KEYSTORE_AUTH, "x");
	memcpy(before, ks->auth->root, sizeof(before));
	assert_int_equal(keystore_reseal_begin(ks, NULL), 0);
	memcpy(begun, ks->auth->root, sizeof(begun));
	assert_memory_not_equal(before, begun, sizeof(before));
	while (r > 0) {
		r = keystore_reseal_step(ks, &pass, NULL);
		assert_true(r >= 0);
		if (r > 0)
			assert_int_equal(keystore_rekey(ks, NULL), 0);
	}
	assert_memory_not_equal(begun, ks->auth->root, sizeof(begun));
	assert_false(keystore_is_resealing(ks));
	check_healthy(ks);
	keystore_close(steal_ptr(ks));
	opens_by_all(f, recovery);
}

static void nothing_is_renewed_inside_a_transaction(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_txn struct keystore_txn *txn = NULL;
	uint8_t id[KEYSTORE_SLOT_ID_LEN];

	id_of(ks, KEYSTORE_SLOT_KEY_FILE, id);
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	assert_int_equal(keystore_rekey(ks, NULL), -EBUSY);
	assert_int_equal(keystore_slot_remove(ks, id, NULL), -EBUSY);
}

/* ---- formats ---- */

static void what_a_newer_rotated_wrote_is_told_from_damage(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = NULL;
	struct report report = { 0 };

	ks = fixture_new(f);
	keystore_close(steal_ptr(ks));
	fixture_shell(f,
		      "cp keyring keyring.prev && "
		      "printf '\\003' | dd of=keyring bs=1 seek=11 conv=notrunc 2>/dev/null");
	assert_int_equal(keystore_open(f->dir, &f->env, &ks, &report), -EPROTONOSUPPORT);
	assert_non_null(strstr(report.what, "newer rotated"));
	assert_non_null(strstr(report.hint, "upgrade"));
	/* and the one of before is not taken in its place */
	fixture_shell(f, "test -e keyring.prev");
}

static void a_keyring_of_format_1_is_refused_as_unreleased(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct report report = { 0 };

	keystore_close(steal_ptr(ks));
	fixture_shell(f,
		      "cp keyring keyring.prev && "
		      "printf '\001' | dd of=keyring bs=1 seek=11 conv=notrunc 2>/dev/null");
	assert_int_equal(keystore_open(f->dir, &f->env, &ks, &report), -ENOTSUP);
	assert_non_null(strstr(report.what, "unreleased"));
	assert_non_null(strstr(report.hint, "init"));
	fixture_shell(f, "test -e keyring.prev");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_type_opens_what_its_tiers_say),
		TEST(a_slot_is_tried_without_opening_anything),
		TEST(what_is_out_of_bounds_makes_no_slot),
		TEST(the_last_of_its_kind_stays),
		TEST(who_was_removed_gets_nothing_out_of_a_later_keyring),
		TEST(new_roots_open_by_every_slot),
		TEST(a_crash_between_any_two_steps_leaves_it_open_to_every_slot),
		TEST(roots_may_change_twice_without_a_commit_between),
		TEST(the_roots_change_in_the_middle_of_a_reseal),
		TEST(nothing_is_renewed_inside_a_transaction),
		TEST(what_a_newer_rotated_wrote_is_told_from_damage),
		TEST(a_keyring_of_format_1_is_refused_as_unreleased),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
