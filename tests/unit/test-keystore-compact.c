/* SPDX-License-Identifier: BSD-2-Clause */
/* The compact copy: full pages, and nothing lost of what changes while it is made. */
#include "tests/unit/keystore-fixture.h"

#include <sys/stat.h>

#include "keystore/compact.h"
#include "keystore/internal.h"

enum { RECORDS = 4000, BATCH = 100 };

static void put_many(struct keystore *ks, unsigned from, unsigned to, const char *body)
{
	struct keystore_txn *txn = NULL;

	for (unsigned i = from; i < to; i++) {
		char name[24];
		struct keystore_record rec;

		(void)snprintf(name, sizeof(name), "n%08x", i * 2654435761U);
		rec = fixture_record(name, KEYSTORE_AUTH, body);
		if (!txn)
			assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
		assert_int_equal(keystore_put(txn, &rec, NULL), 0);
		if (i % BATCH == BATCH - 1 || i == to - 1)
			assert_int_equal(keystore_commit(steal_ptr(txn), NULL, NULL), 0);
	}
}

static void remove_one(struct keystore *ks, unsigned i)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "n%08x", i * 2654435761U);
	fixture_remove(ks, name);
}

static void expect_clean(struct keystore *ks)
{
	struct keystore_verify v;
	struct report report = { 0 };

	if (keystore_verify(ks, &v, &report) < 0)
		fixture_fail(&report);
	assert_int_equal(keystore_verify(ks, &v, NULL), 0);
}

static off_t size_of(const struct fixture *f, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	fixture_path(f, name, path);
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void random_inserts_leave_room_that_a_copy_does_not(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	off_t before, after;

	put_many(ks, 0, RECORDS,
		 "0123456789012345678901234567890123456789012345678901234567890123");
	before = size_of(*state, "store/data.mdb");
	assert_int_equal(store_compact(ks, NULL), 0);
	after = size_of(*state, "store/data.mdb");
	assert_true(after < before * 2 / 3);
	assert_true(keystore_count(ks) == RECORDS);
	expect_clean(ks);
}

static void what_changes_between_the_steps_is_in_the_copy(void **state)
{
	struct fixture *f = *state;
	struct keystore *ks = fixture_new(f);
	cleanup_keystore struct keystore *again = NULL;
	struct keystore_mark mark;
	struct keystore_txn *txn;
	unsigned steps = 0;
	static char body[16 * 1024];
	int r;

	memset(body, 'x', sizeof(body) - 1);
	put_many(ks, 0, 1000, body);
	do {
		r = keystore_compact_step(ks, NULL);
		assert_true(r >= 0);
		if (r == 0)
			break;
		put_many(ks, 2000 + steps * 10, 2005 + steps * 10, "new");
		put_many(ks, 20 + steps, 25 + steps, "changed");
		remove_one(ks, 100 + steps);
		if (steps > 0)
			remove_one(ks, 2000 + (steps - 1) * 10);
		/* what was dropped or taken back changes nothing */
		assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
		mark = keystore_mark(txn);
		assert_int_equal(keystore_put(txn,
					      &(struct keystore_record){
						      .id = { "password", "verifier", "never" },
						      .tier = KEYSTORE_AUTH },
					      NULL),
				 0);
		assert_int_equal(keystore_undo(txn, &mark), 0);
		if (steps % 2)
			keystore_abort(txn);
		else
			assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
		steps++;
	} while (r > 0);
	assert_true(steps > 3);
	expect_clean(ks);
	put_many(ks, 3000, 3010, "after");
	expect_clean(ks);
	keystore_close(ks);
	again = fixture_open(f);
	fixture_unlock_both(again);
	assert_int_equal(keystore_health(again, NULL), KEYSTORE_HEALTHY);
	expect_clean(again);
}

static void a_copy_is_given_up_when_the_store_is_sealed(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	static char body[16 * 1024];

	memset(body, 'x', sizeof(body) - 1);
	put_many(ks, 0, 1000, body);
	assert_int_equal(keystore_compact_step(ks, NULL), 1);
	keystore_seal(ks, KEYSTORE_BOTH);
	fixture_shell(f, "! ls store/*.new* 2>/dev/null");
	assert_int_equal(keystore_compact_step(ks, NULL), -ENOKEY);
	fixture_unlock_both(ks);
	assert_int_equal(store_compact(ks, NULL), 0);
	expect_clean(ks);
}

/* Whatever the size of the store: STEP is some milliseconds because of what it does. */
static void a_step_copies_a_bounded_part(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	static char body[16 * 1024];
	uint64_t before = 0;
	unsigned steps = 0;
	int r;

	memset(body, 'x', sizeof(body) - 1);
	put_many(ks, 0, 1000, body);
	while ((r = keystore_compact_step(ks, NULL)) > 0) {
		uint64_t done = keystore_compact_done(ks);

		assert_true((done - before) * sizeof(body) <=
			    KEYSTORE_COMPACT_BYTES + sizeof(body));
		before = done;
		steps++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(before, 1000);
	assert_true(steps >= 1000 * sizeof(body) / KEYSTORE_COMPACT_BYTES);
	assert_int_equal(keystore_compact_done(ks), 0);
	expect_clean(ks);
}

/* Also what changed meanwhile is looked at again in parts, and the last is one of them. */
static void what_changed_meanwhile_is_caught_up_with_in_parts(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	unsigned steps = 0;

	put_many(ks, 0, RECORDS, "x");
	while (keystore_compact_done(ks) < RECORDS)
		assert_int_equal(keystore_compact_step(ks, NULL), 1);
	assert_int_equal(keystore_compact_step(ks, NULL), 1); /* the other table */
	put_many(ks, 0, RECORDS, "changed");
	put_many(ks, RECORDS, RECORDS + 50, "new");
	while (keystore_compact_step(ks, NULL) > 0)
		steps++;
	assert_int_equal(steps, 2 * RECORDS / 1000); /* each is taken out and put in */
	assert_true(keystore_count(ks) == RECORDS + 50);
	expect_clean(ks);
}

static void a_copy_under_which_too_much_changes_is_given_up(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	const uint8_t key[RECORD_KEY_MAX] = { 0 };
	const struct record_place place = { ks->file.ring.store_id, RECORD_CUR,
					    SPAN_OF(key, SEAL_HASH_LEN) };
	struct report report = { 0 };

	put_many(ks, 0, 100, "x");
	assert_int_equal(keystore_compact_step(ks, NULL), 1);
	for (unsigned i = 0; i < KEYSTORE_COMPACT_CHANGES; i++)
		store_copy_touch(ks, &place);
	assert_int_equal(keystore_compact_step(ks, NULL), 1);
	store_copy_touch(ks, &place);
	for (unsigned i = 0; i <= KEYSTORE_COMPACT_CHANGES; i++)
		store_copy_touch(ks, &place);
	assert_int_equal(keystore_compact_step(ks, &report), -EAGAIN);
	assert_non_null(strstr(report.what, "records changed while the compact copy was made"));
	assert_int_equal(store_compact(ks, NULL), 0);
	expect_clean(ks);
}

/* Those that the copy has not come to yet it sees as they will be then. */
static void changes_ahead_of_the_copy_need_no_memory(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	uint8_t key[RECORD_KEY_MAX];
	const struct record_place place = { ks->file.ring.store_id, RECORD_HIST, SPAN(key) };

	memset(key, 0xff, sizeof(key));
	put_many(ks, 0, 100, "x");
	assert_int_equal(keystore_compact_step(ks, NULL), 1);
	for (unsigned i = 0; i < 2 * KEYSTORE_COMPACT_CHANGES; i++)
		store_copy_touch(ks, &place);
	assert_int_equal(store_compact(ks, NULL), 0);
	expect_clean(ks);
}

static void what_a_copy_would_gain_is_told(void **state)
{
	struct fixture *f = *state;
	cleanup_keystore struct keystore *ks = fixture_new(f);
	struct keystore_usage usage;

	put_many(ks, 0, RECORDS, "x");
	for (unsigned i = 0; i < RECORDS / 4; i++)
		remove_one(ks, i);
	assert_int_equal(keystore_usage(ks, &usage), 0);
	assert_true(usage.bytes == (uint64_t)size_of(f, "store/data.mdb"));
	assert_true(usage.used < usage.bytes);
	assert_int_equal(store_compact(ks, NULL), 0);
	assert_true((uint64_t)size_of(f, "store/data.mdb") <= usage.used);
}

/* A record that LMDB hands out and META does not count must not be copied over the good one. */
static void a_store_that_does_not_fit_its_meta_is_not_copied(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct report report = { 0 };

	put_many(ks, 0, 100, "x");
	ks->meta->count_cur++;
	assert_int_equal(store_compact(ks, &report), -EBADMSG);
	ks->meta->count_cur--;
	expect_clean(ks);
	assert_int_equal(store_compact(ks, NULL), 0);
}

static void a_record_may_outlive_its_keystore(void **state)
{
	static const struct keystore_id ids[] = { { "password", "verifier", "a" },
						  { "password", "verifier", "b" } };
	struct keystore *ks = fixture_new(*state);
	struct keystore_record *a, *b;

	fixture_put(ks, "a", KEYSTORE_AUTH, "first");
	fixture_put(ks, "b", KEYSTORE_AUTH, "second");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(keystore_get(ks, &ids[0], &a), 0);
		assert_int_equal(keystore_get(ks, &ids[1], &b), 0);
		assert_memory_equal(a->body, "first", 5);
		assert_memory_equal(b->body, "second", 6);
		keystore_record_free(a);
		if (i < 2)
			keystore_record_free(b);
	}
	keystore_close(ks);
	assert_memory_equal(b->body, "second", 6);
	keystore_record_free(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(random_inserts_leave_room_that_a_copy_does_not),
		TEST(what_changes_between_the_steps_is_in_the_copy),
		TEST(a_copy_is_given_up_when_the_store_is_sealed),
		TEST(a_step_copies_a_bounded_part),
		TEST(what_changed_meanwhile_is_caught_up_with_in_parts),
		TEST(a_copy_under_which_too_much_changes_is_given_up),
		TEST(changes_ahead_of_the_copy_need_no_memory),
		TEST(what_a_copy_would_gain_is_told),
		TEST(a_store_that_does_not_fit_its_meta_is_not_copied),
		TEST(a_record_may_outlive_its_keystore),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
