/* SPDX-License-Identifier: BSD-2-Clause */
/* Records that somebody edited, moved, copied, deleted, added or put back behind the keystore's
 * back: each is found, and the text names the one that it is about. */
#include "tests/unit/keystore-fixture.h"

#include "keystore/db.h"
#include "keystore/record.h"
#include "keystore/sums.h"

enum { RECORDS = 40 };

/* ---- the store by hand ---- */

struct by_hand {
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi cur;
	MDB_dbi hist;
	MDB_dbi sums;
};

static void edit(const struct fixture *f, struct by_hand *h)
{
	char dir[PATH_MAX];

	fixture_path(f, "store", dir);
	assert_int_equal(mdb_env_create(&h->env), 0);
	assert_int_equal(mdb_env_set_maxdbs(h->env, 4), 0);
	assert_int_equal(mdb_env_set_mapsize(h->env, (size_t)1 << 30), 0);
	assert_int_equal(mdb_env_open(h->env, dir, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(h->env, NULL, 0, &h->txn), 0);
	assert_int_equal(mdb_dbi_open(h->txn, "cur", 0, &h->cur), 0);
	assert_int_equal(mdb_dbi_open(h->txn, "hist", 0, &h->hist), 0);
	assert_int_equal(mdb_dbi_open(h->txn, "sums", 0, &h->sums), 0);
}

static void save(struct by_hand *h)
{
	assert_int_equal(mdb_txn_commit(h->txn), 0);
	mdb_env_close(h->env);
}

struct entry {
	uint8_t key[RECORD_KEY_MAX];
	size_t key_len;
	uint8_t value[4096];
	size_t len;
};

/* The entry at place AT of a table. */
static void take(struct by_hand *h, MDB_dbi dbi, unsigned at, struct entry *ret)
{
	MDB_cursor *cursor;
	MDB_val value;
	MDB_val key;

	assert_int_equal(mdb_cursor_open(h->txn, dbi, &cursor), 0);
	for (unsigned i = 0; i <= at; i++)
		assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_NEXT), 0);
	assert_true(key.mv_size <= sizeof(ret->key) && value.mv_size <= sizeof(ret->value));
	memcpy(ret->key, key.mv_data, key.mv_size);
	memcpy(ret->value, value.mv_data, value.mv_size);
	ret->key_len = key.mv_size;
	ret->len = value.mv_size;
	mdb_cursor_close(cursor);
}

static void put(struct by_hand *h, MDB_dbi dbi, const uint8_t *at, const struct entry *e)
{
	MDB_val key = db_val(SPAN_OF(at, e->key_len));
	MDB_val value = db_val(SPAN_OF(e->value, e->len));

	assert_int_equal(mdb_put(h->txn, dbi, &key, &value, 0), 0);
}

static void drop(struct by_hand *h, MDB_dbi dbi, const struct entry *e)
{
	MDB_val key = db_val(SPAN_OF(e->key, e->key_len));

	assert_int_equal(mdb_del(h->txn, dbi, &key, NULL), 0);
}

/* ---- the verdict ---- */

static void check(struct fixture *f, struct keystore_verdict *ret)
{
	cleanup_keystore struct keystore *ks = fixture_open(f);
	struct keystore_check *c = NULL;
	struct report report = { 0 };
	int r;

	fixture_unlock_both(ks);
	assert_int_equal(keystore_check_begin(ks, &c, &report), 0);
	while ((r = keystore_check_step(c, &report)) > 0)
		;
	assert_int_equal(r, 0);
	*ret = *keystore_check_verdict(c);
	keystore_check_free(c);
}

/* The problem of TYPE about E, which is named in its text. */
static void assert_found(const struct keystore_verdict *v, enum keystore_problem_type type,
			 const struct entry *e)
{
	char hex[17];

	(void)sodium_bin2hex(hex, sizeof(hex), e->key, 8);
	for (size_t i = 0; i < v->listed; i++) {
		const struct keystore_problem *p = &v->problems[i];

		if (p->type == type && p->has_key &&
		    memcmp(p->key, e->key, sizeof(p->key)) == 0) {
			assert_non_null(strstr(p->what, hex));
			return;
		}
	}
	for (size_t i = 0; i < v->listed; i++)
		print_error("%s: %s\n", keystore_problem_word(v->problems[i].type),
			    v->problems[i].what);
	fail_msg("%s of %s is not among them", keystore_problem_word(type), hex);
}

static void assert_has(const struct keystore_verdict *v, enum keystore_problem_type type)
{
	for (size_t i = 0; i < v->listed; i++)
		if (v->problems[i].type == type)
			return;
	fail_msg("no %s", keystore_problem_word(type));
}

/* RECORDS records and two tombstones. */
static void make(struct fixture *f)
{
	cleanup_keystore struct keystore *ks = fixture_new(f);
	char name[16];

	for (unsigned i = 0; i < RECORDS; i++) {
		(void)snprintf(name, sizeof(name), "n-%u", i);
		fixture_put(ks, name, i % 2 ? KEYSTORE_AUTH : KEYSTORE_ISSUER, name);
	}
	fixture_put(ks, "gone", KEYSTORE_AUTH, "x");
	fixture_remove(ks, "gone");
	fixture_put(ks, "lost", KEYSTORE_AUTH, "x");
	fixture_remove(ks, "lost");
}

static void a_store_that_nobody_touched_is_whole(void **state)
{
	struct keystore_verdict v;

	make(*state);
	check(*state, &v);
	assert_int_equal(v.problem_count, 0);
	assert_int_equal(v.totals.records, RECORDS);
	assert_int_equal(v.totals.tombstones, 2);
	assert_int_equal(v.readable_auth, RECORDS / 2);
	assert_int_equal(v.readable_issuer, RECORDS / 2);
}

static void each_altered_byte_of_a_record_is_found(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 7, &e);
	save(&h);
	for (size_t at = 0; at < e.len; at += at < RECORD_HEADER_LEN ? 1 : 13) {
		struct entry wrong = e;

		wrong.value[at] ^= 0x20;
		edit(*state, &h);
		put(&h, h.cur, e.key, &wrong);
		save(&h);
		check(*state, &v);
		assert_true(v.problem_count > 0);
		assert_true(v.problems[0].has_key);
		assert_memory_equal(v.problems[0].key, e.key, sizeof(v.problems[0].key));
		assert_int_equal(v.readable_auth + v.readable_issuer, RECORDS - 1);
	}
}

static void a_deleted_record_or_tombstone_is_named(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;
	struct entry grave;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 11, &e);
	drop(&h, h.cur, &e);
	take(&h, h.hist, 0, &grave);
	drop(&h, h.hist, &grave);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_DELETED, &e);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_DELETED, &grave);
	assert_has(&v, KEYSTORE_PROBLEM_TOTALS);
}

static void two_records_that_changed_places_are_named(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry a;
	struct entry b;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 3, &a);
	take(&h, h.cur, 30, &b);
	put(&h, h.cur, b.key, &a);
	put(&h, h.cur, a.key, &b);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_MOVED, &a);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_MOVED, &b);
}

static void a_record_moved_to_another_name_is_named(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;
	struct entry there;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 5, &e);
	there = e;
	there.key[0] ^= 0x80;
	drop(&h, h.cur, &e);
	put(&h, h.cur, there.key, &e);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_DELETED, &e);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_MOVED, &there);
}

static void a_copy_is_named_with_what_it_is_a_copy_of(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;
	struct entry there;
	char hex[17];

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 5, &e);
	there = e;
	there.key[0] ^= 0x80;
	put(&h, h.cur, there.key, &e);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_COPIED, &there);
	(void)sodium_bin2hex(hex, sizeof(hex), e.key, 8);
	assert_non_null(strstr(v.problems[0].what, hex));
}

static void an_older_state_put_back_is_named_with_both_transactions(void **state)
{
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;
	uint8_t key[KEYSTORE_KEY_LEN];
	const struct keystore_id id = { "password", "verifier", "n-8" };
	MDB_val where = { sizeof(key), key };
	MDB_val value;

	make(*state);
	ks = fixture_open(*state);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_key_of(ks, &id, key), 0);
	keystore_close(steal_ptr(ks));
	edit(*state, &h);
	assert_int_equal(mdb_get(h.txn, h.cur, &where, &value), 0);
	memcpy(e.key, key, sizeof(key));
	e.key_len = sizeof(key);
	memcpy(e.value, value.mv_data, value.mv_size);
	e.len = value.mv_size;
	save(&h);
	ks = fixture_open(*state);
	fixture_unlock_both(ks);
	fixture_put(ks, "n-8", KEYSTORE_AUTH, "newer");
	keystore_close(steal_ptr(ks));
	edit(*state, &h);
	put(&h, h.cur, e.key, &e);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_OLDER, &e);
	assert_non_null(strstr(v.problems[0].what, "of transaction 10; it should be of 46"));
	assert_int_equal(v.readable_auth + v.readable_issuer, RECORDS);
}

static void a_revoked_record_that_is_back_is_named(void **state)
{
	cleanup_keystore struct keystore *ks = NULL;
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;
	struct entry grave = { .key_len = RECORD_KEY_MAX };
	MDB_val key;
	MDB_val value;
	MDB_cursor *cursor;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 9, &e);
	save(&h);
	/* whose name it is: the one that is missing after it is removed */
	for (unsigned i = 0; i < RECORDS; i++) {
		uint8_t hash[KEYSTORE_KEY_LEN];
		char name[16];
		const struct keystore_id id = { "password", "verifier", name };

		(void)snprintf(name, sizeof(name), "n-%u", i);
		ks = fixture_open(*state);
		fixture_unlock_both(ks);
		assert_int_equal(keystore_key_of(ks, &id, hash), 0);
		if (memcmp(hash, e.key, sizeof(hash)) == 0)
			fixture_remove(ks, name);
		keystore_close(steal_ptr(ks));
	}
	edit(*state, &h);
	put(&h, h.cur, e.key, &e);
	assert_int_equal(mdb_cursor_open(h.txn, h.hist, &cursor), 0);
	memcpy(grave.key, e.key, 32);
	key = db_val(SPAN(grave.key));
	assert_int_equal(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE), 0);
	assert_int_equal(mdb_cursor_del(cursor, 0), 0);
	mdb_cursor_close(cursor);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_OLDER, &e);
	assert_non_null(strstr(v.problems[0].what, "which removed it"));
}

static void a_record_of_another_keystore_is_named(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 5, &e);
	save(&h);
	fixture_shell(*state, "rm -r store keyring anchor");
	make(*state);
	edit(*state, &h);
	put(&h, h.cur, e.key, &e);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_FOREIGN, &e);
	assert_int_equal(v.readable_auth + v.readable_issuer, RECORDS);
}

static void a_record_of_a_newer_format_is_told_as_such(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;

	make(*state);
	edit(*state, &h);
	take(&h, h.cur, 5, &e);
	e.value[0] = 9;
	put(&h, h.cur, e.key, &e);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_NEWER, &e);
}

static void all_problems_are_told_and_not_the_first_alone(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e[3];

	make(*state);
	edit(*state, &h);
	for (unsigned i = 0; i < 3; i++) {
		take(&h, h.cur, 4 + 10 * i, &e[i]);
		e[i].value[e[i].len - 20] ^= 1;
		put(&h, h.cur, e[i].key, &e[i]);
	}
	save(&h);
	check(*state, &v);
	for (unsigned i = 0; i < 3; i++)
		assert_found(&v, KEYSTORE_PROBLEM_RECORD_ALTERED, &e[i]);
	assert_int_equal(v.problem_count, 3);
}

static void more_problems_than_can_be_listed_are_counted(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_verdict v;
	struct by_hand h;
	char name[16];

	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "n-%u", i);
		fixture_put(ks, name, KEYSTORE_AUTH, name);
	}
	keystore_close(steal_ptr(ks));
	edit(*state, &h);
	for (unsigned i = 0; i < 100; i++) {
		struct entry e;

		take(&h, h.cur, i, &e);
		e.value[e.len - 20] ^= 1;
		put(&h, h.cur, e.key, &e);
	}
	save(&h);
	check(*state, &v);
	assert_int_equal(v.problem_count, 100);
	assert_int_equal(v.listed, KEYSTORE_PROBLEMS_MAX);
	assert_int_equal(v.readable_auth, 0);
}

static void wrong_sums_are_told_from_wrong_records(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;

	make(*state);
	edit(*state, &h);
	assert_int_equal(mdb_drop(h.txn, h.sums, 0), 0);
	save(&h);
	check(*state, &v);
	assert_has(&v, KEYSTORE_PROBLEM_SUMS);
	assert_int_equal(v.problem_count, 1);
}

static void a_store_of_before_the_sums_gets_them_at_the_next_unseal(void **state)
{
	struct keystore_verdict v;
	struct by_hand h;
	struct entry e;

	make(*state);
	edit(*state, &h);
	assert_int_equal(mdb_drop(h.txn, h.sums, 1), 0);
	save(&h);
	check(*state, &v);
	assert_int_equal(v.problem_count, 0);
	edit(*state, &h);
	take(&h, h.cur, 0, &e);
	drop(&h, h.cur, &e);
	save(&h);
	check(*state, &v);
	assert_found(&v, KEYSTORE_PROBLEM_RECORD_DELETED, &e);
}

static void a_check_sees_one_state_whatever_is_changed_meanwhile(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = NULL;
	const struct keystore_verdict *v;
	struct keystore_check *c;

	make(f);
	ks = fixture_open(f);
	fixture_unlock_both(ks);
	assert_int_equal(keystore_check_begin(ks, &c, NULL), 0);
	fixture_put(ks, "new", KEYSTORE_AUTH, "x");
	fixture_remove(ks, "n-1");
	while (keystore_check_step(c, NULL) > 0)
		fixture_put(ks, "another", KEYSTORE_AUTH, "x");
	v = keystore_check_verdict(c);
	assert_int_equal(v->problem_count, 0);
	assert_int_equal(v->totals.records, RECORDS);
	keystore_check_free(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_store_that_nobody_touched_is_whole),
		TEST(each_altered_byte_of_a_record_is_found),
		TEST(a_deleted_record_or_tombstone_is_named),
		TEST(two_records_that_changed_places_are_named),
		TEST(a_record_moved_to_another_name_is_named),
		TEST(a_copy_is_named_with_what_it_is_a_copy_of),
		TEST(an_older_state_put_back_is_named_with_both_transactions),
		TEST(a_revoked_record_that_is_back_is_named),
		TEST(a_record_of_another_keystore_is_named),
		TEST(a_record_of_a_newer_format_is_told_as_such),
		TEST(all_problems_are_told_and_not_the_first_alone),
		TEST(more_problems_than_can_be_listed_are_counted),
		TEST(wrong_sums_are_told_from_wrong_records),
		TEST(a_store_of_before_the_sums_gets_them_at_the_next_unseal),
		TEST(a_check_sees_one_state_whatever_is_changed_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
