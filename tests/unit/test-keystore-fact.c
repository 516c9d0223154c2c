/* SPDX-License-Identifier: BSD-2-Clause */
/* The facts of the verifier index as bytes: their bodies, and what they are sealed in. */
#define VECTORS "keystore-facts.json"
#include "tests/unit/vectors.h"

#include "keystore/fact.h"
#include "keystore/index_codec.h"

static void make_keys(struct verifier_keys *keys)
{
	memcpy(keys->store_id, store_id, sizeof(store_id));
	key_of(0x10, keys->name);
	key_of(0x20, keys->seal);
	key_of(0x30, keys->tag);
	key_of(0x40, keys->decoy);
}

/* ---- certificates ---- */

static struct fact_cert cert(void)
{
	return (struct fact_cert){
		.service = "billing",
		.serial = { 0x5a, 1, 2, 3 },
		.serial_len = 4,
		.not_before = 5,
		.not_after = 1000,
	};
}

static void a_certificate_is_as_documented(void **state)
{
	const struct fact_cert c = cert();
	uint8_t out[FACT_CERT_MAX];
	struct fact_cert back;
	struct bytes b = { .len = 0 };
	size_t len;

	(void)state;
	cat_be(&b, 0, 1);
	cat_be(&b, 5, 8);
	cat_be(&b, 1000, 8);
	cat(&b, "\4\x5a\1\2\3", 5);
	cat(&b, "\7billing", 8);
	len = fact_cert_encode(&c, out);
	assert_int_equal(len, b.len);
	assert_memory_equal(out, b.data, len);
	golden("fact_cert", out, len);
	assert_int_equal(fact_cert_decode(out, len, &back), 0);
	assert_memory_equal(&back, &c, sizeof(c));
	for (size_t i = 0; i < len; i++)
		assert_int_equal(fact_cert_decode(out, i, &back), -EBADMSG);
}

static void a_certificate_out_of_bounds_is_refused(void **state)
{
	static const size_t places[] = { 0 /* flags */, 1 /* not_before */, 17 /* serial */,
					 22 /* service */, 23 };
	const struct fact_cert c = cert();
	uint8_t out[FACT_CERT_MAX + 1];
	struct fact_cert back;
	size_t len = fact_cert_encode(&c, out);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		uint8_t was = out[places[i]];

		out[places[i]] = i == ARRAY_SIZE(places) - 1 ? 0 : 0xff;
		assert_int_equal(fact_cert_decode(out, len, &back), -EBADMSG);
		out[places[i]] = was;
	}
	assert_int_equal(fact_cert_decode(out, len + 1, &back), -EBADMSG);
	out[17] = 0;
	assert_int_equal(fact_cert_decode(out, len, &back), -EBADMSG);
}

static void a_certificate_is_usable_within_its_time_only(void **state)
{
	struct fact_cert c = cert();

	(void)state;
	assert_false(fact_cert_usable(&c, 4));
	assert_true(fact_cert_usable(&c, 5));
	assert_true(fact_cert_usable(&c, 999));
	assert_false(fact_cert_usable(&c, 1000));
	c.flags = FACT_CERT_REVOKED;
	assert_false(fact_cert_usable(&c, 5));
}

/* ---- services ---- */

static void a_service_is_as_documented(void **state)
{
	const struct fact_service s = { .flags = FACT_SERVICE_DISABLED,
					.count = 2,
					.logins = { "billing.8", "billing.7" } };
	uint8_t out[FACT_SERVICE_MAX];
	struct fact_service back;
	size_t len;

	(void)state;
	len = fact_service_encode(&s, out);
	assert_int_equal(len, 22);
	assert_memory_equal(out,
			    "\1\2\x09"
			    "billing.8"
			    "\x09"
			    "billing.7",
			    22);
	golden("fact_service", out, len);
	assert_int_equal(fact_service_decode(out, len, &back), 0);
	assert_memory_equal(&back, &s, sizeof(s));
	for (size_t i = 0; i < len; i++)
		assert_int_equal(fact_service_decode(out, i, &back), -EBADMSG);
	out[1] = 1; /* one login less than there are bytes */
	assert_int_equal(fact_service_decode(out, len, &back), -EBADMSG);
	out[1] = 9;
	assert_int_equal(fact_service_decode(out, len, &back), -EBADMSG);
	out[1] = 2;
	out[len - 1] = '8'; /* the same twice */
	assert_int_equal(fact_service_decode(out, len, &back), -EBADMSG);
	out[len - 1] = 0;
	assert_int_equal(fact_service_decode(out, len, &back), -EBADMSG);
}

static void the_longest_service_fits(void **state)
{
	struct fact_service s = { .count = VERIFIER_VERSIONS_MAX };
	uint8_t out[FACT_SERVICE_MAX];
	struct fact_service back;

	(void)state;
	for (size_t i = 0; i < s.count; i++) {
		memset(s.logins[i], 'a', VERIFIER_LOGIN_MAX);
		s.logins[i][0] = (char)('a' + i);
	}
	assert_true(fact_service_valid(&s));
	assert_int_equal(fact_service_encode(&s, out), sizeof(out));
	assert_int_equal(fact_service_decode(out, sizeof(out), &back), 0);
	assert_memory_equal(&back, &s, sizeof(s));
	s.logins[3][0] = '\0';
	assert_false(fact_service_valid(&s));
}

/* ---- senders ---- */

static void a_sender_is_filed_in_lower_case(void **state)
{
	char key[FACT_SENDER_KEY_SIZE];
	char longest[FACT_SENDER_KEY_SIZE];

	(void)state;
	assert_int_equal(fact_sender_key("A.b+C@EXAMPLE.com..", 17, key), 0);
	assert_string_equal(key, "a.b+c@example.com");
	assert_int_equal(fact_sender_key("\xc3\x84@[Z]", 6, key), 0);
	assert_string_equal(key, "\xc3\x84@[z]");
	memset(longest, 'A', sizeof(longest));
	assert_int_equal(fact_sender_key(longest, sizeof(longest) - 1, key), 0);
	assert_int_equal(strlen(key), sizeof(longest) - 1);
	assert_int_equal(fact_sender_key(longest, sizeof(longest), key), -EINVAL);
	assert_int_equal(fact_sender_key("", 0, key), -EINVAL);
	assert_int_equal(fact_sender_key("a\0b", 3, key), -EINVAL);
}

static void owners_are_as_documented(void **state)
{
	uint8_t out[64];
	size_t len = 0;
	struct fact_owners o = { .data = out };

	(void)state;
	assert_int_equal(fact_owners_add(out, sizeof(out), &len, "billing"), 0);
	assert_int_equal(fact_owners_add(out, sizeof(out), &len, "billing"), -EINVAL);
	assert_int_equal(fact_owners_add(out, sizeof(out), &len, "bill"), -EINVAL);
	assert_int_equal(fact_owners_add(out, sizeof(out), &len, ""), -EINVAL);
	assert_int_equal(fact_owners_add(out, sizeof(out), &len, "billing-2"), 0);
	assert_int_equal(fact_owners_add(out, sizeof(out), &len, "web"), 0);
	assert_int_equal(fact_owners_add(out, len + 3, &len, "zeta"), -E2BIG);
	assert_int_equal(len, 22);
	assert_memory_equal(out,
			    "\7billing\x09"
			    "billing-2\3web",
			    22);
	golden("fact_sender", out, len);
	o.len = len;
	assert_int_equal(fact_owners_next(&o), 1);
	assert_string_equal(o.service, "billing");
	assert_int_equal(fact_owners_next(&o), 1);
	assert_int_equal(fact_owners_next(&o), 1);
	assert_string_equal(o.service, "web");
	assert_int_equal(fact_owners_next(&o), 0);
}

static int walk(const char *bytes, size_t len)
{
	struct fact_owners o = { .data = (const uint8_t *)bytes, .len = len };
	int r;

	do {
		r = fact_owners_next(&o);
	} while (r > 0);
	return r;
}

static void owners_out_of_bounds_are_refused(void **state)
{
	(void)state;
	assert_int_equal(walk("", 0), 0);
	assert_int_equal(walk("\1a\1b", 4), 0);
	assert_int_equal(walk("\0", 1), -EBADMSG);
	assert_int_equal(walk("\1", 1), -EBADMSG);
	assert_int_equal(walk("\2a", 2), -EBADMSG);
	assert_int_equal(walk("\1\0", 2), -EBADMSG);
	assert_int_equal(walk("\1b\1a", 4), -EBADMSG);
	assert_int_equal(walk("\1a\1a", 4), -EBADMSG);
	assert_int_equal(
		walk("\100aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		     "a",
		     66),
		-EBADMSG);
}

/* ---- sealed ---- */

static void a_sealed_fact_is_as_documented(void **state)
{
	static const uint8_t head[8] = { 2, 1, INDEX_FACT_SENDER };
	const struct index_key key = { INDEX_FACT_SENDER, "a@b", 3 };
	static uint8_t ours[INDEX_FACT_MAX], body[INDEX_FACT_PLAIN_MAX];
	struct index_place place = { .fact = key.fact };
	struct verifier_keys keys;
	struct bytes plain = { .len = 0 }, value = { .len = 0 };
	struct bytes aad = { .len = 0 }, name = { .len = 0 };
	uint8_t nonce[24], expected[32];
	size_t len, n;

	(void)state;
	make_keys(&keys);
	nonce_of(0x99, nonce);
	cat(&name, "rotated-fct-v1\0\2a@b", 19);
	assert_int_equal(crypto_generichash(expected, 32, name.data, name.len, keys.name, 32),
			 0);
	index_hash_fact(&keys, &key, place.hash);
	assert_memory_equal(place.hash, expected, 32);
	cat(&plain, "\7billing", 8);
	cat_pad(&plain, 64);
	cat(&aad, "rotated-fct-v1", 15);
	cat(&aad, store_id, 16);
	cat(&aad, place.hash, 32);
	cat(&aad, head, 8);
	cat(&value, head, 8);
	cat(&value, nonce, 24);
	cat_sealed(&value, keys.seal, nonce, &aad, &plain);
	len = index_fact_seal(&keys, &place, nonce, SPAN_STRING("\7billing"), ours);
	assert_int_equal(len, value.len);
	assert_memory_equal(ours, value.data, len);
	golden("index_fact", ours, len);
	assert_int_equal(index_fact_open(&keys, &place, SPAN_OF(ours, len), body, &n), 0);
	assert_int_equal(n, 8);
	assert_memory_equal(body, "\7billing", 8);
	for (size_t i = 0; i < len; i++) {
		ours[i] ^= 1;
		assert_int_equal(index_fact_open(&keys, &place, SPAN_OF(ours, len), body, &n),
				 -EBADMSG);
		ours[i] ^= 1;
		assert_int_equal(index_fact_open(&keys, &place, SPAN_OF(ours, i), body, &n),
				 -EBADMSG);
	}
	place.hash[0] ^= 1; /* under another key */
	assert_int_equal(index_fact_open(&keys, &place, SPAN_OF(ours, len), body, &n),
			 -EBADMSG);
	place.hash[0] ^= 1;
	place.fact = INDEX_FACT_SERVICE; /* as another kind */
	assert_int_equal(index_fact_open(&keys, &place, SPAN_OF(ours, len), body, &n),
			 -EBADMSG);
}

static void facts_of_every_length_come_back(void **state)
{
	static const size_t lengths[] = { 0, 1, 63, 64, 65, INDEX_FACT_BODY_MAX };
	static uint8_t in[INDEX_FACT_BODY_MAX], out[INDEX_FACT_PLAIN_MAX];
	static uint8_t sealed[INDEX_FACT_MAX];
	struct index_place place = { .fact = INDEX_FACT_SERVICE };
	const uint8_t nonce[24] = { 0 };
	struct verifier_keys keys;

	(void)state;
	make_keys(&keys);
	memset(in, 0x80, sizeof(in)); /* as padding begins */
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		size_t len =
			index_fact_seal(&keys, &place, nonce, SPAN_OF(in, lengths[i]), sealed);
		size_t n = 1;

		assert_true(len <= sizeof(sealed));
		assert_int_equal(index_fact_open(&keys, &place, SPAN_OF(sealed, len), out, &n),
				 0);
		assert_int_equal(n, lengths[i]);
		assert_memory_equal(out, in, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_is_as_documented),
		cmocka_unit_test(a_certificate_out_of_bounds_is_refused),
		cmocka_unit_test(a_certificate_is_usable_within_its_time_only),
		cmocka_unit_test(a_service_is_as_documented),
		cmocka_unit_test(the_longest_service_fits),
		cmocka_unit_test(a_sender_is_filed_in_lower_case),
		cmocka_unit_test(owners_are_as_documented),
		cmocka_unit_test(owners_out_of_bounds_are_refused),
		cmocka_unit_test(a_sealed_fact_is_as_documented),
		cmocka_unit_test(facts_of_every_length_come_back),
	};

	return cmocka_run_group_tests(tests, load_vectors, save_vectors);
}
