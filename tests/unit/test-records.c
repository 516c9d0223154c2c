/* SPDX-License-Identifier: BSD-2-Clause */
/* Records that somebody put into the keystore who has the keys of AUTH and none of ISSUER. */
#include "tests/unit/keystore-fixture.h"

#include "rotated/vault/records.h"
#include "rotated/vault/upstream.h"

static const char *const kinds[] = {
#define RECORD(kind, tier) kind,
#include "rotated/vault/records.def"
#undef RECORD
};

/* What has to wait for a person is written down here once more. */
static enum keystore_tier tier_of(const char *kind)
{
	static const char *const hidden[] = { "ca-root", "ca-issuing", "dkim-private",
					      "upstream-secret", "ldap-secret" };

	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (strcmp(hidden[i], kind) == 0)
			return KEYSTORE_ISSUER;
	return KEYSTORE_AUTH;
}

/* Past record_put(), as somebody with the keys of TIER. */
static void plant(struct keystore *ks, const char *kind, const char *name,
		  enum keystore_tier tier)
{
	const struct keystore_record rec = {
		.id = { RECORD_SPACE, kind, name },
		.tier = tier,
		.body = (const uint8_t *)"planted",
		.body_len = 7,
	};
	struct report report = { 0 };
	struct keystore_txn *txn;

	assert_int_equal(keystore_begin(ks, &txn, &report), 0);
	assert_int_equal(keystore_put(txn, &rec, NULL), 0);
	assert_int_equal(keystore_commit(txn, NULL, &report), 0);
}

static enum keystore_tier other(enum keystore_tier tier)
{
	return tier == KEYSTORE_AUTH ? KEYSTORE_ISSUER : KEYSTORE_AUTH;
}

static int count(void *context, const struct keystore_record *rec)
{
	(void)rec;
	++*(unsigned *)context;
	return 0;
}

static struct keystore *make(struct fixture *f)
{
	cleanup_secret struct secret *recovery = fixture_create(f);
	struct keystore *ks = fixture_open(f);

	fixture_unlock_both(ks);
	return ks;
}

static void record_of_each_kind_is_read_in_its_own_tier_alone(void **state)
{
	cleanup_keystore struct keystore *ks = make(*state);
	struct manager m = { .keystore = ks };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cleanup_record struct keystore_record *rec = NULL;
		unsigned seen = 0;

		plant(ks, kinds[i], "it", tier_of(kinds[i]));
		assert_int_equal(record_get(&m, kinds[i], "it", &rec), 0);
		assert_int_equal(rec->tier, tier_of(kinds[i]));
		assert_int_equal(record_foreach(&m, kinds[i], count, &seen), 0);
		assert_int_equal(seen, 1);
		keystore_record_free(steal_ptr(rec));

		plant(ks, kinds[i], "it", other(tier_of(kinds[i])));
		assert_int_equal(record_get(&m, kinds[i], "it", &rec), -EPROTO);
		assert_null(rec);
		assert_int_equal(record_foreach(&m, kinds[i], count, &seen), -EPROTO);
		assert_int_equal(seen, 1);
	}
}

static void record_is_written_in_the_tier_of_its_kind(void **state)
{
	cleanup_keystore struct keystore *ks = make(*state);
	struct manager m = { .keystore = ks };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		cleanup_record struct keystore_record *rec = NULL;
		const struct keystore_record made = {
			.id = { RECORD_SPACE, kinds[i], "it" },
			.tier = other(tier_of(kinds[i])),
		};
		struct report report = { 0 };
		struct keystore_txn *txn;

		assert_int_equal(keystore_begin(ks, &txn, &report), 0);
		assert_int_equal(record_put(txn, &made), 0);
		assert_int_equal(keystore_commit(txn, NULL, &report), 0);
		assert_int_equal(record_get(&m, kinds[i], "it", &rec), 0);
	}
}

/* Also while ISSUER is sealed, when a record of ISSUER would say that it is. */
static void secret_of_a_provider_that_was_planted_is_not_handed_out(void **state)
{
	cleanup_keystore struct keystore *ks = make(*state);
	struct manager m = { .keystore = ks };
	struct engine_item item = { .kind = ENGINE_UPSTREAM, .id = "ses" };
	cleanup_secret struct secret *secret = NULL;

	plant(ks, "upstream-secret", "ses/1", KEYSTORE_ISSUER);
	assert_int_equal(upstream_load_secret(&m, &item, 1, &secret), 0);
	plant(ks, "upstream-secret", "ses/2", KEYSTORE_AUTH);
	secret_free(steal_ptr(secret));
	assert_int_equal(upstream_load_secret(&m, &item, 2, &secret), -EPROTO);
	keystore_seal(ks, KEYSTORE_ISSUER);
	assert_int_equal(upstream_load_secret(&m, &item, 1, &secret), -ENOKEY);
	assert_int_equal(upstream_load_secret(&m, &item, 2, &secret), -EPROTO);
	assert_null(secret);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(record_of_each_kind_is_read_in_its_own_tier_alone),
		TEST(record_is_written_in_the_tier_of_its_kind),
		TEST(secret_of_a_provider_that_was_planted_is_not_handed_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
