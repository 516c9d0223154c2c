/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the vault that need no vault around them. */
#include "tests/unit/unit.h"

#include <openssl/pem.h>
#include <sodium.h>
#include <string.h>

#include "base/token.h"
#include "rotated/vault/dkim_key.h"
#include "rotated/vault/upstream.h"
#include "rotated/vault/worker.h"

/* ---- tokens ---- */

static void encode_public(const struct upstream_public *p, struct buf *ret)
{
	buf_release(ret);
	upstream_public_encode(p, ret);
	assert_int_equal(buf_error(ret), 0);
}

static void upstream_record_comes_back_the_same(void **state)
{
	static const uint8_t published[] = { 1,	  0,   7, 'r', 'e', 'l', 'a', 'y',
					     '-', '7', 0, 4,   'A', 'K', 'I', 'A' };
	struct upstream_public in = { "relay-7", "AKIA" }, out;
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	encode_public(&in, &text);
	assert_int_equal(text.len, sizeof(published));
	assert_memory_equal(text.data, published, sizeof(published));
	assert_int_equal(upstream_public_decode(text.data, text.len, &out), 0);
	assert_string_equal(out.user, in.user);
	assert_string_equal(out.credential, in.credential);
	memset(in.user, 'u', sizeof(in.user) - 1); /* the longest there are */
	memset(in.credential, 'c', sizeof(in.credential) - 1);
	encode_public(&in, &text);
	assert_int_equal(upstream_public_decode(text.data, text.len, &out), 0);
	assert_string_equal(out.user, in.user);
}

/* Cut anywhere it is refused, and never read beyond its end: each copy is as long as it is. */
static void upstream_record_that_was_cut_or_altered_is_refused(void **state)
{
	static const struct {
		uint8_t data[12];
		size_t len;
	} bad[] = {
		{ { 0 }, 0 },
		{ { 2, 0, 1, 'a', 0, 0 }, 6 },	       /* another format */
		{ { 1, 0, 1, 'a', 0, 0, 0 }, 7 },      /* more behind it */
		{ { 1, 0xff, 0xff, 'a', 0, 0 }, 6 },   /* a length beyond all */
		{ { 1, 0, 201, 'a', 0, 0 }, 6 },       /* one more than fits */
		{ { 1, 0, 2, 'a', 0, 0, 0 }, 7 },      /* a NUL in a text */
		{ { 1, 0, 1, 'a', 0, 2, 'b', 0 }, 8 }, /* in the other */
	};
	struct upstream_public in = { "relay-7", "AKIA" }, out = { "kept", "kept" };
	cleanup_buf struct buf text = BUF_INIT;

	(void)state;
	encode_public(&in, &text);
	for (size_t len = 0; len < text.len; len++) {
		uint8_t *copy = malloc(len ? len : 1);

		assert_non_null(copy);
		memcpy(copy, text.data, len);
		assert_int_equal(upstream_public_decode(copy, len, &out), -EBADMSG);
		free(copy);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(upstream_public_decode(bad[i].data, bad[i].len, &out),
				 -EBADMSG);
	assert_string_equal(out.user, "kept"); /* nothing of what was refused */
}

static void user_that_postfix_would_split_is_no_word(void **state)
{
	(void)state;
	assert_true(upstream_is_word("relay-7", 200, true));
	assert_true(upstream_is_word("a:b/c=", 1024, false));
	assert_false(upstream_is_word("a:b", 200, true));
	assert_false(upstream_is_word("", 200, false));
	assert_false(upstream_is_word("a b", 200, false));
	assert_false(upstream_is_word("a\nb", 200, false));
	assert_false(upstream_is_word("\303\251", 200, false));
	assert_false(upstream_is_word("abc", 2, false));
}

static void token_of_zeros_and_ones_is_as_published(void **state)
{
	uint8_t random[TOKEN_RANDOM_LEN] = { 0 };
	char text[TOKEN_SIZE];

	(void)state;
	token_format(random, text);
	assert_int_equal(strlen(text), TOKEN_SIZE - 1);
	assert_memory_equal(text, "rtd1_0000000000000000000000000000000000000000000", 48);
	assert_true(token_is_well_formed(text));
	memset(random, 0xff, sizeof(random));
	token_format(random, text);
	assert_int_equal(strlen(text), TOKEN_SIZE - 1);
	assert_true(token_is_well_formed(text));
	random[31] = 0xfe;
	token_format(random, text);
	assert_true(token_is_well_formed(text));
}

static void typing_error_is_told_from_a_token(void **state)
{
	uint8_t random[TOKEN_RANDOM_LEN];
	char text[TOKEN_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)(i * 37);
	token_format(random, text);
	for (size_t i = 0; i < TOKEN_SIZE - 1; i++) {
		char was = text[i];

		text[i] = was == 'x' ? 'y' : 'x';
		assert_false(token_is_well_formed(text));
		text[i] = was;
	}
	assert_true(token_is_well_formed(text));
	text[TOKEN_SIZE - 2] = '\0';
	assert_false(token_is_well_formed(text));
}

/* ---- DKIM keys ---- */

static void dkim_key_and_record_belong_together(void **state)
{
	cleanup_secret struct secret *private = NULL;
	cleanup_secret struct secret *pem = NULL;
	cleanup_buf struct buf record = BUF_INIT;
	uint8_t public[DKIM_PUBLIC_MAX], again[DKIM_PUBLIC_MAX];
	unsigned char *p = again;
	size_t len;
	EVP_PKEY *key;
	BIO *bio;

	(void)state;
	assert_int_equal(dkim_key_generate(CONFIG_DKIM_KEY_RSA2048, &private, public, &len), 0);
	assert_int_equal(dkim_private_pem(secret_data(private), secret_len(private), &pem), 0);
	bio = BIO_new_mem_buf(secret_data(pem), (int)secret_len(pem));
	key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_bits(key), 2048);
	assert_int_equal(i2d_PUBKEY(key, NULL), len);
	assert_int_equal(i2d_PUBKEY(key, &p), len);
	assert_memory_equal(again, public, len);
	EVP_PKEY_free(key);
	BIO_free(bio);

	dkim_record(public, len, &record);
	assert_non_null(buf_string(&record));
	assert_memory_equal(record.data, "v=DKIM1; k=rsa; h=sha256; s=email; p=MII", 40);
	assert_true(record.len > 255); /* more than one string of a TXT record */
}

static void dkim_name_is_the_one_of_rfc_6376(void **state)
{
	char name[DKIM_NAME_SIZE];

	(void)state;
	dkim_name("r20261123", "example.com", false, name);
	assert_string_equal(name, "r20261123._domainkey.example.com");
	dkim_name("r20261123", "example.com", true, name);
	assert_string_equal(name, "r20261123._domainkey.example.com.");
}

/* ---- what the worker says ---- */

static void assert_detail(const char *output, const char *want)
{
	char detail[64];

	worker_detail(output, detail, sizeof(detail));
	assert_string_equal(detail, want);
}

static void detail_is_found_in_what_a_worker_says(void **state)
{
	(void)state;
	assert_detail("{\"exit\":77,\"detail\":\"not permitted\"}", "not permitted");
	assert_detail("{\"servers\":[{\"server\":\"192.0.2.1:53\",\"detail\":null},"
		      "{\"server\":\"192.0.2.2:53\",\"detail\":\"does not answer\"}]}",
		      "192.0.2.2:53 does not answer");
	assert_detail("{\"detail\":\"a \\\"b\\\" \\u0007\"}", "a \"b\" ?0007");
	assert_detail("", "");
	assert_detail("{\"detail\":", "");
	assert_detail("{\"detail\":\"", "");
	assert_detail("{\"detail\":\"\x01\"}", "");
}

static void long_detail_is_cut(void **state)
{
	char output[600] = "{\"detail\":\"";
	char detail[32];

	(void)state;
	memset(output + strlen(output), 'a', 500);
	worker_detail(output, detail, sizeof(detail));
	assert_int_equal(strlen(detail), sizeof(detail) - 1);
}

static void ttl_is_taken_only_from_where_it_has_to_stand(void **state)
{
	(void)state;
	assert_int_equal(worker_ttl("{\"ttl\":300,\"negative_ttl\":86400,\"zone\":null}"),
			 86400 * USEC_PER_SEC);
	assert_int_equal(worker_ttl("{\"ttl\":7200,\"negative_ttl\":null,\"zone\":null}"),
			 7200 * USEC_PER_SEC);
	assert_int_equal(worker_ttl("{\"ttl\":null,\"negative_ttl\":null,\"zone\":null}"), 0);
	assert_int_equal(worker_ttl("{\"ttl\":99999999999,\"negative_ttl\":0,"),
			 UINT64_C(99999999999) * USEC_PER_SEC);
	assert_int_equal(worker_ttl("{\"ttl\":999999999999,\"negative_ttl\":0,"), 0);
	assert_int_equal(worker_ttl("{\"ttl\":-1,\"negative_ttl\":0,"), 0);
	assert_int_equal(worker_ttl("{\"ttl\":,\"negative_ttl\":5,"), 0);
	assert_int_equal(worker_ttl("{\"detail\":\"{\\\"ttl\\\":5\"}"), 0);
	assert_int_equal(worker_ttl("{\"ttl\":5,\"negative_ttl\":"), 0);
	assert_int_equal(worker_ttl(""), 0);
}

static void worker_can_not_answer_for_another_kind_of_job(void **state)
{
	(void)state;
	assert_true(worker_outcome_fits(WIRE_JOB_DNS, ENGINE_OUTCOME_VISIBLE));
	assert_true(worker_outcome_fits(WIRE_JOB_DNS, ENGINE_OUTCOME_UNREACHABLE));
	assert_false(worker_outcome_fits(WIRE_JOB_DNS, ENGINE_OUTCOME_OK));
	assert_true(worker_outcome_fits(WIRE_JOB_HOOK, ENGINE_OUTCOME_OK));
	assert_true(worker_outcome_fits(WIRE_JOB_HOOK, ENGINE_OUTCOME_DENIED));
	assert_false(worker_outcome_fits(WIRE_JOB_HOOK, ENGINE_OUTCOME_VISIBLE));
	assert_false(worker_outcome_fits(WIRE_JOB_HOOK, ENGINE_OUTCOME_LOST));
	assert_false(worker_outcome_fits(WIRE_JOB_DNS, ENGINE_OUTCOME_LOST));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upstream_record_comes_back_the_same),
		cmocka_unit_test(upstream_record_that_was_cut_or_altered_is_refused),
		cmocka_unit_test(user_that_postfix_would_split_is_no_word),
		cmocka_unit_test(token_of_zeros_and_ones_is_as_published),
		cmocka_unit_test(typing_error_is_told_from_a_token),
		cmocka_unit_test(dkim_key_and_record_belong_together),
		cmocka_unit_test(dkim_name_is_the_one_of_rfc_6376),
		cmocka_unit_test(detail_is_found_in_what_a_worker_says),
		cmocka_unit_test(long_detail_is_cut),
		cmocka_unit_test(worker_can_not_answer_for_another_kind_of_job),
		cmocka_unit_test(ttl_is_taken_only_from_where_it_has_to_stand),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
