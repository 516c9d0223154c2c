/* SPDX-License-Identifier: BSD-2-Clause */
/* Verifiers: what they accept, and how they look. */
#include "tests/unit/verifier-fixture.h"

#include "keystore/keys.h"

static uint32_t check(const struct verifier_keys *keys, const char *login,
		      const struct verifier_entry *e, const char *password)
{
	cleanup_secret struct secret *secret = fixture_secret(password);

	return verifier_entry_check_password(keys, login, e, secret, FIXTURE_NOW);
}

static void each_live_version_of_a_stable_login_is_accepted(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct verifier_entry e = make_entry(keys, "billing", "newest", 9);

	(void)state;
	for (uint32_t i = 1; i < VERIFIER_VERSIONS_MAX; i++) {
		char password[16];

		(void)snprintf(password, sizeof(password), "older-%u", i);
		e.versions[i] = make_entry(keys, "billing", password, 9 - i).versions[0];
	}
	e.count = VERIFIER_VERSIONS_MAX;
	assert_int_equal(check(keys, "billing", &e, "newest"), 9);
	assert_int_equal(check(keys, "billing", &e, "older-1"), 8);
	assert_int_equal(check(keys, "billing", &e, "older-7"), 2);
	assert_int_equal(check(keys, "billing", &e, "older-8"), 0);
	assert_int_equal(check(keys, "billing", &e, ""), 0);
	assert_int_equal(check(keys, "other", &e, "newest"), 0);
	e.count = 7;
	assert_int_equal(check(keys, "billing", &e, "older-7"), 0);
}

static void a_disabled_or_untimely_entry_accepts_nothing(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct verifier_entry e = make_entry(keys, "billing", "secret", 1);

	(void)state;
	e.flags = VERIFIER_DISABLED;
	assert_int_equal(check(keys, "billing", &e, "secret"), 0);
	e.flags = 0;
	e.not_before = FIXTURE_NOW + 1;
	assert_int_equal(check(keys, "billing", &e, "secret"), 0);
	e.not_before = FIXTURE_NOW;
	assert_int_equal(check(keys, "billing", &e, "secret"), 1);
	e.not_after = FIXTURE_NOW;
	assert_int_equal(check(keys, "billing", &e, "secret"), 0);
	e.not_after = FIXTURE_NOW + 1;
	assert_int_equal(check(keys, "billing", &e, "secret"), 1);
}

static void a_decoy_is_steady_and_looks_like_a_real_one(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_verifier_keys struct verifier_keys *others = make_keys(2);
	const struct verifier_entry real = make_entry(keys, "a", "secret", 1);
	char text[VERIFIER_TEXT_SIZE];
	char real_text[VERIFIER_TEXT_SIZE];
	struct verifier_entry a;
	struct verifier_entry again;
	struct verifier_entry b;

	(void)state;
	memset(&a, 0xff, sizeof(a)); /* nothing may shine through */
	verifier_decoy(keys, "nobody", &a);
	verifier_decoy(keys, "nobody", &again);
	assert_memory_equal(a.versions, again.versions, sizeof(a.versions));
	verifier_decoy(keys, "somebody", &b);
	assert_memory_not_equal(a.versions, b.versions, sizeof(a.versions));
	verifier_decoy(others, "nobody", &b);
	assert_memory_not_equal(a.versions, b.versions, sizeof(a.versions));
	assert_int_equal(a.flags, VERIFIER_DECOY);
	assert_int_equal(a.count, 1);
	verifier_scram_text(&a.versions[0], text);
	verifier_scram_text(&real.versions[0], real_text);
	assert_int_equal(strlen(text), strlen(real_text));
	assert_memory_equal(text, "SCRAM-SHA-256$4096:", 19);
	/* not even with a tag that fits */
	a.versions[0] = make_entry(keys, "nobody", "secret", 1).versions[0];
	assert_int_equal(check(keys, "nobody", &a, "secret"), 0);
}

/* RFC 7677 section 3: user "user", password "pencil". */
static void the_scram_keys_are_those_of_rfc_7677(void **state)
{
	static const char salt_text[] = "W22ZaJ0SNY7soEsUEjb6gQ==";
	static const char auth_message[] =
		"n=user,r=rOprNGfwEbeRWgbNEkqO,"
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	static const char proof_text[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	static const char signature_text[] = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_secret struct secret *pencil = fixture_secret("pencil");
	const uint8_t *message = (const uint8_t *)auth_message;
	struct verifier_version v;
	uint8_t salt[VERIFIER_SALT_LEN];
	uint8_t client[32];
	uint8_t hash[32];
	char text[64];

	(void)state;
	assert_int_equal(sodium_base642bin(salt, sizeof(salt), salt_text, strlen(salt_text),
					   NULL, NULL, NULL, sodium_base64_VARIANT_ORIGINAL),
			 0);
	assert_int_equal(
		verifier_make(keys, &(struct verifier_source){ "user", 1, pencil, salt }, &v),
		0);
	(void)crypto_auth_hmacsha256(hash, message, strlen(auth_message), v.server_key);
	assert_string_equal(sodium_bin2base64(text, sizeof(text), hash, sizeof(hash),
					      sodium_base64_VARIANT_ORIGINAL),
			    signature_text);
	/* the proof must lead back to the stored key */
	assert_int_equal(sodium_base642bin(client, sizeof(client), proof_text,
					   strlen(proof_text), NULL, NULL, NULL,
					   sodium_base64_VARIANT_ORIGINAL),
			 0);
	(void)crypto_auth_hmacsha256(hash, message, strlen(auth_message), v.stored_key);
	for (size_t i = 0; i < sizeof(hash); i++)
		client[i] ^= hash[i];
	(void)crypto_hash_sha256(hash, client, sizeof(client));
	assert_memory_equal(hash, v.stored_key, sizeof(hash));
}

static void verifiers_are_made_of_ascii_only(void **state)
{
	static const uint8_t salt[VERIFIER_SALT_LEN];
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	cleanup_secret struct secret *good = fixture_secret("good");
	cleanup_secret struct secret *empty = fixture_secret("");
	cleanup_secret struct secret *umlaut = fixture_secret("gr\xc3\xbc\xc3\x9f");
	cleanup_secret struct secret *control = fixture_secret("a\tb");
	struct verifier_version v;

	(void)state;
	assert_int_equal(
		verifier_make(keys, &(struct verifier_source){ "a", 1, umlaut, salt }, &v),
		-EINVAL);
	assert_int_equal(
		verifier_make(keys, &(struct verifier_source){ "a", 1, control, salt }, &v),
		-EINVAL);
	assert_int_equal(
		verifier_make(keys, &(struct verifier_source){ "a", 1, empty, salt }, &v),
		-EINVAL);
	assert_int_equal(
		verifier_make(keys, &(struct verifier_source){ "", 1, good, salt }, &v),
		-EINVAL);
	assert_int_equal(
		verifier_make(keys, &(struct verifier_source){ "a", 0, good, salt }, &v),
		-EINVAL);
}

static void keys_and_versions_survive_being_bytes(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(7);
	cleanup_verifier_keys struct verifier_keys *again = NULL;
	cleanup_secret struct secret *blob = NULL;
	const struct verifier_entry e = make_entry(keys, "a", "secret", 7);
	uint8_t bytes[VERIFIER_ENCODED_LEN];
	struct verifier_keys *none = NULL;
	struct verifier_version v;

	(void)state;
	assert_int_equal(verifier_keys_to_blob(keys, &blob), 0);
	assert_int_equal(secret_len(blob), VERIFIER_KEYS_BLOB_LEN);
	assert_int_equal(verifier_keys_from_blob(secret_data(blob), secret_len(blob), &again),
			 0);
	assert_memory_equal(keys, again, sizeof(*keys));
	assert_int_equal(verifier_keys_from_blob(secret_data(blob), 151, &none), -EBADMSG);
	secret_fill(blob)[0] ^= 1;
	assert_int_equal(verifier_keys_from_blob(secret_data(blob), 152, &none), -EBADMSG);
	verifier_version_encode(&e.versions[0], bytes);
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes), &v), 0);
	assert_memory_equal(&v, &e.versions[0], sizeof(v));
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes) - 1, &v), -EBADMSG);
	memset(bytes + 4, 0xff, 4);
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes), &v), -EBADMSG);
	memset(bytes + 4, 0, 4);
	assert_int_equal(verifier_version_decode(bytes, sizeof(bytes), &v), -EBADMSG);
}

static void a_password_of_two_versions_is_told_as_one(void **state)
{
	cleanup_verifier_keys struct verifier_keys *keys = make_keys(1);
	struct verifier_entry e = make_entry(keys, "billing", "secret", 2);
	const struct verifier_entry older = make_entry(keys, "billing", "secret", 1);

	(void)state;
	e.versions[1] = older.versions[0];
	e.count = 2;
	assert_int_equal(check(keys, "billing", &e, "secret"), 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_live_version_of_a_stable_login_is_accepted),
		TEST(a_disabled_or_untimely_entry_accepts_nothing),
		TEST(a_decoy_is_steady_and_looks_like_a_real_one),
		TEST(the_scram_keys_are_those_of_rfc_7677),
		TEST(verifiers_are_made_of_ascii_only),
		TEST(keys_and_versions_survive_being_bytes),
		TEST(a_password_of_two_versions_is_told_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
