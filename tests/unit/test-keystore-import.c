/* SPDX-License-Identifier: BSD-2-Clause */
/* Several writers in one transaction, and many records at once. */
#include "tests/unit/keystore-fixture.h"

#include "keystore/sorting.h"

static struct keystore_id id_of(const char *name)
{
	return (struct keystore_id){ "password", "verifier", name };
}

static void expect_body(struct keystore *ks, const char *name, const char *body)
{
	cleanup_record struct keystore_record *rec = NULL;
	const struct keystore_id id = id_of(name);
	int r = keystore_get(ks, &id, &rec);

	if (!body) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(rec->body_len, strlen(body));
	assert_memory_equal(rec->body, body, rec->body_len);
}

static void expect_clean(struct keystore *ks, uint64_t records, uint64_t tombstones)
{
	struct keystore_verify v;
	struct report report = { 0 };

	if (keystore_verify(ks, &v, &report) < 0)
		fixture_fail(&report);
	assert_true(keystore_count(ks) == records);
	assert_true(keystore_tombstones(ks) == tombstones);
	assert_int_equal(keystore_verify(ks, &v, NULL), 0);
}

static void put(struct keystore_txn *txn, const char *name, const char *body)
{
	const struct keystore_record rec = fixture_record(name, KEYSTORE_AUTH, body);

	assert_int_equal(keystore_put(txn, &rec, NULL), 0);
}

/* ---- one transaction, several writers ---- */

static void what_one_writer_did_is_taken_back_and_the_rest_stays(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	const struct keystore_id old = id_of("old");
	const struct keystore_id grave = id_of("grave");
	struct keystore_mark first, second;
	struct keystore_txn *txn;

	fixture_put(ks, "old", KEYSTORE_AUTH, "before");
	fixture_put(ks, "grave", KEYSTORE_AUTH, "x");
	fixture_remove(ks, "grave");
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	first = keystore_mark(txn);
	put(txn, "stays", "one");
	second = keystore_mark(txn);
	put(txn, "goes", "two");
	put(txn, "goes", "twice");
	put(txn, "old", "after");
	put(txn, "grave", "back");
	assert_int_equal(keystore_remove(txn, &old, "r"), 0);
	assert_int_equal(keystore_remove(txn, &grave, "r"), 0);
	assert_int_equal(keystore_txn_room(txn), KEYSTORE_TXN_MAX - 7);
	assert_int_equal(keystore_undo(txn, &second), 0);
	assert_int_equal(keystore_txn_room(txn), KEYSTORE_TXN_MAX - 1);
	put(txn, "third", "three");
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
	expect_body(ks, "stays", "one");
	expect_body(ks, "third", "three");
	expect_body(ks, "goes", NULL);
	expect_body(ks, "old", "before");
	expect_body(ks, "grave", NULL);
	expect_clean(ks, 3, 1);
	(void)first;
}

static void a_change_that_failed_is_taken_back_with_its_writer(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_record stale = fixture_record("old", KEYSTORE_AUTH, "x");
	struct keystore_mark mark;
	struct keystore_txn *txn;

	fixture_put(ks, "old", KEYSTORE_AUTH, "before");
	assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
	put(txn, "stays", "one");
	mark = keystore_mark(txn);
	put(txn, "goes", "two");
	stale.version = 1;
	assert_int_equal(keystore_put(txn, &stale, NULL), -EEXIST);
	assert_int_equal(keystore_undo(txn, &mark), 0);
	assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
	expect_body(ks, "goes", NULL);
	expect_clean(ks, 2, 0);
}

/* Every order of puts and removes, undone at every place, leaves what a store without them has.
 */
static void any_history_can_be_taken_back(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	uint32_t random = 1;

	for (unsigned round = 0; round < 60; round++) {
		char body[2][sizeof("99.9")];
		struct keystore_mark mark;
		struct keystore_txn *txn;
		uint64_t records = keystore_count(ks);
		uint64_t graves = keystore_tombstones(ks);

		assert_int_equal(keystore_begin(ks, &txn, NULL), 0);
		mark = keystore_mark(txn);
		for (unsigned i = 0; i < 12; i++) {
			const char *name;

			random = random * 1664525 + 1013904223;
			name = names[random >> 30];
			(void)snprintf(body[0], sizeof(body[0]), "%u", round);
			if (random >> 24 & 1) {
				put(txn, name, body[0]);
			} else {
				const struct keystore_id id = id_of(name);
				int r = keystore_remove(txn, &id, "r");

				assert_true(r == 0 || r == -ENOENT);
			}
		}
		if (round % 3 != 0) {
			assert_int_equal(keystore_undo(txn, &mark), 0);
			assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
			assert_true(keystore_count(ks) == records);
			assert_true(keystore_tombstones(ks) == graves);
		} else {
			assert_int_equal(keystore_commit(txn, NULL, NULL), 0);
		}
		expect_clean(ks, keystore_count(ks), keystore_tombstones(ks));
	}
}

/* ---- import ---- */

enum { MANY = 3000 };

static void give(struct keystore_import *imp, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char name[16];
		struct keystore_record rec;

		(void)snprintf(name, sizeof(name), "n%u", i);
		rec = fixture_record(name, i % 5 ? KEYSTORE_AUTH : KEYSTORE_ISSUER, name);
		rec.version = i % 7;
		assert_int_equal(keystore_import_put(imp, &rec), 0);
	}
}

static struct keystore_import *begin(struct keystore *ks, enum keystore_import_mode mode)
{
	struct keystore_import *imp = NULL;
	struct report report = { 0 };

	if (keystore_import_begin(ks, mode, &imp, &report) < 0)
		fixture_fail(&report);
	assert_non_null(imp);
	return imp;
}

static void what_is_imported_can_be_read_and_verified(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_import *imp = begin(ks, KEYSTORE_IMPORT_NEW);
	const struct keystore_tombstone grave = { 9, FIXTURE_NOW - 5, "revoked" };
	const struct keystore_id gone = id_of("gone");
	const struct keystore_id n6 = id_of("n6");
	struct keystore_tombstone found;
	uint64_t version, txid;

	give(imp, 0, MANY);
	assert_int_equal(keystore_import_tombstone(imp, &gone, &grave), 0);
	assert_true(keystore_import_total(imp) == MANY + 1);
	assert_int_equal(keystore_import_finish(imp, &txid, NULL), 0);
	assert_true(txid == keystore_txid(ks));
	expect_clean(ks, MANY, 1);
	expect_body(ks, "n0", "n0");
	expect_body(ks, "n2999", "n2999");
	assert_int_equal(keystore_last_version(ks, &n6, &version), 0);
	assert_true(version == 6);
	assert_int_equal(keystore_last_version(ks, &gone, &version), 0);
	assert_true(version == 9);
	assert_int_equal(keystore_get_tombstone(ks, &gone, &found), 0);
	assert_string_equal(found.reason, "revoked");
	assert_true(found.time == FIXTURE_NOW - 5);
	/* life goes on */
	fixture_put(ks, "n6", KEYSTORE_AUTH, "new");
	fixture_remove(ks, "n7");
	expect_clean(ks, MANY - 1, 2);
}

static void an_id_given_twice_is_refused_before_anything_is_written(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	const struct keystore_tombstone grave = { 9, FIXTURE_NOW, "" };
	const struct keystore_id n7 = id_of("n7");
	struct keystore_import *imp = begin(ks, KEYSTORE_IMPORT_NEW);
	uint64_t before = keystore_txid(ks);
	struct report report = { 0 };

	give(imp, 0, 20);
	give(imp, 19, 20);
	assert_int_equal(keystore_import_finish(imp, NULL, &report), -EEXIST);
	assert_non_null(strstr(report.what, "given twice"));
	imp = begin(ks, KEYSTORE_IMPORT_NEW);
	give(imp, 0, 20);
	assert_int_equal(keystore_import_tombstone(imp, &n7, &grave), 0);
	assert_int_equal(keystore_import_finish(imp, NULL, &report), -EEXIST);
	assert_non_null(strstr(report.what, "as a tombstone"));
	assert_true(keystore_txid(ks) == before);
	expect_clean(ks, 0, 0);
}

static void an_id_of_the_store_is_refused_or_passed_over(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_import *imp;
	struct report report = { 0 };
	uint64_t before;

	fixture_put(ks, "n3", KEYSTORE_AUTH, "mine");
	fixture_put(ks, "n4", KEYSTORE_AUTH, "mine");
	fixture_remove(ks, "n4");
	before = keystore_txid(ks);
	imp = begin(ks, KEYSTORE_IMPORT_NEW);
	give(imp, 0, 20);
	assert_int_equal(keystore_import_finish(imp, NULL, &report), -EEXIST);
	assert_non_null(strstr(report.what, "in the store already"));
	assert_true(keystore_txid(ks) == before);
	imp = begin(ks, KEYSTORE_IMPORT_RESUME);
	give(imp, 0, 20);
	assert_int_equal(keystore_import_finish(imp, NULL, NULL), 0);
	expect_body(ks, "n3", "mine");
	expect_body(ks, "n4", NULL);
	expect_body(ks, "n5", "n5");
	expect_clean(ks, 19, 1);
}

static void others_change_the_store_between_the_steps(void **state)
{
	static uint8_t big[KEYSTORE_BODY_MAX];
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_import struct keystore_import *imp = begin(ks, KEYSTORE_IMPORT_NEW);
	struct keystore_record rec = fixture_record("x", KEYSTORE_AUTH, "");
	unsigned steps = 0;
	char name[16];
	int r;

	rec.body = big;
	rec.body_len = sizeof(big);
	for (unsigned i = 0; i < 600; i++) {
		(void)snprintf(name, sizeof(name), "big%u", i);
		rec.id.name = name;
		assert_int_equal(keystore_import_put(imp, &rec), 0);
	}
	do {
		r = keystore_import_step(imp, NULL);
		assert_true(r >= 0);
		(void)snprintf(name, sizeof(name), "other%u", steps++);
		fixture_put(ks, name, KEYSTORE_AUTH, "x");
	} while (r > 0);
	assert_true(steps > 2);
	assert_true(keystore_import_done(imp) == 600);
	expect_clean(ks, 600 + steps, 0);
}

static void new_keys_end_an_import(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	struct keystore_import *imp = begin(ks, KEYSTORE_IMPORT_NEW);
	const struct keystore_record rec = fixture_record("late", KEYSTORE_AUTH, "x");

	give(imp, 0, 20);
	assert_int_equal(keystore_reseal_begin(ks, NULL), 0);
	assert_int_equal(keystore_import_put(imp, &rec), -EAGAIN);
	assert_int_equal(keystore_import_finish(imp, NULL, NULL), -EAGAIN);
	expect_clean(ks, 0, 0);
}

/* ---- sorting ---- */

static size_t comparisons;

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	comparisons++;
	return x < y ? -1 : x > y;
}

static unsigned sort_in_steps(uint32_t **numbers, size_t count)
{
	struct sorting s = { .compare = compare_numbers };
	unsigned steps = 0;
	int r;

	assert_int_equal(sorting_begin(&s, *numbers, count, sizeof(**numbers)), 0);
	do {
		comparisons = 0;
		r = sorting_step(&s);
		steps++;
		assert_true(comparisons <= (size_t)SORTING_RUN * 14);
	} while (r > 0);
	*numbers = sorting_end(&s);
	return steps;
}

/* Runs that are full, short, single, and without a partner; a sorted array has no other order.
 */
static void any_length_is_sorted_in_steps_of_bounded_work(void **state)
{
	static const size_t counts[] = { 0,
					 1,
					 2,
					 SORTING_RUN - 1,
					 SORTING_RUN,
					 SORTING_RUN + 1,
					 2 * SORTING_RUN,
					 3 * SORTING_RUN + 7,
					 SORTING_MERGE * 3 + 1 };

	(void)state;
	for (size_t c = 0; c < ARRAY_SIZE(counts); c++) {
		uint32_t *numbers = malloc((counts[c] + 1) * sizeof(*numbers));
		uint64_t sum = 0;
		unsigned steps;

		assert_non_null(numbers);
		for (size_t i = 0; i < counts[c]; i++) {
			numbers[i] = (uint32_t)i * 2654435761U % 50000;
			sum += numbers[i];
		}
		steps = sort_in_steps(&numbers, counts[c]);
		assert_true(steps >= counts[c] / SORTING_RUN + (counts[c] % SORTING_RUN > 0));
		for (size_t i = 0; i < counts[c]; i++) {
			assert_true(i == 0 || numbers[i - 1] <= numbers[i]);
			sum -= numbers[i];
		}
		assert_true(sum == 0);
		free(numbers);
	}
}

/* Each of the steps before the first record is written leaves the store alone. */
static void an_import_is_prepared_in_steps(void **state)
{
	cleanup_keystore struct keystore *ks = fixture_new(*state);
	cleanup_import struct keystore_import *imp = begin(ks, KEYSTORE_IMPORT_NEW);
	uint64_t before = keystore_txid(ks);
	unsigned steps = 0;
	int r = 1;

	give(imp, 0, SORTING_RUN + 10);
	while (r > 0 && keystore_import_done(imp) == 0) {
		assert_true(keystore_txid(ks) == before);
		r = keystore_import_step(imp, NULL);
		steps++;
	}
	assert_int_equal(r, 0);
	assert_int_equal(steps,
			 1 + 2 + 1 + 1 + 1 + 1); /* begun, runs, merge, two looks, written */
	assert_int_equal(keystore_import_done(imp), SORTING_RUN + 10);
	expect_clean(ks, SORTING_RUN + 10, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_one_writer_did_is_taken_back_and_the_rest_stays),
		TEST(a_change_that_failed_is_taken_back_with_its_writer),
		TEST(any_history_can_be_taken_back),
		TEST(what_is_imported_can_be_read_and_verified),
		TEST(any_length_is_sorted_in_steps_of_bounded_work),
		TEST(an_import_is_prepared_in_steps),
		TEST(an_id_given_twice_is_refused_before_anything_is_written),
		TEST(an_id_of_the_store_is_refused_or_passed_over),
		TEST(others_change_the_store_between_the_steps),
		TEST(new_keys_end_an_import),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
