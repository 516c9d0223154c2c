/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes in the store and beside it: records, set hash, META, anchor. */
#define VECTORS "keystore-store.json"
#include "tests/unit/vectors.h"

#include "keystore/anchor.h"

static const struct keystore_id sample_id = { "password", "verifier", "billing" };

/* ---- record ---- */

struct sample {
	uint8_t name_key[32];
	uint8_t key[32];
	uint8_t hash[32];
	struct record_header header;
	struct record_content content;
	struct buf value;
};

static struct record_place sample_place(const struct sample *s)
{
	return (struct record_place){ store_id, RECORD_CUR, SPAN(s->hash) };
}

static void make_sample(struct sample *s)
{
	uint8_t scratch[RECORD_PLAIN_MAX];
	struct record_place place = sample_place(s);

	*s = (struct sample){ .header = { .epoch = 1, .version = 7, .txid = 42 } };
	key_of(0x10, s->name_key);
	key_of(0x30, s->key);
	nonce_of(0x55, s->header.nonce);
	s->content = (struct record_content){
		.id = sample_id,
		.created = FIXTURE_NOW,
		.state = 3,
		.attrs = SPAN_STRING("service=billing"),
		.body = SPAN_STRING("the secret part"),
	};
	record_hash_id(s->name_key, &sample_id, s->hash);
	assert_int_equal(record_seal(&place, &s->header, s->key, &s->content,
				     &(struct record_output){ scratch, &s->value }),
			 0);
}

static void the_name_hash_is_as_documented(void **state)
{
	struct sample s;
	uint8_t expected[32];

	(void)state;
	make_sample(&s);
	assert_int_equal(crypto_generichash(expected, 32,
					    (const uint8_t *)"password\0verifier\0billing", 25,
					    s.name_key, 32),
			 0);
	assert_memory_equal(s.hash, expected, 32);
	golden("name_hash", s.hash, 32);
	buf_release(&s.value);
}

static void a_record_is_as_documented(void **state)
{
	struct bytes plain = { .len = 0 };
	struct bytes aad = { .len = 0 };
	struct bytes value = { .len = 0 };
	struct sample s;

	(void)state;
	make_sample(&s);
	cat_field(&plain, 1, "password\0verifier\0billing", 26);
	cat_be(&plain, 2, 1);
	cat_be(&plain, 8, 4);
	cat_be(&plain, FIXTURE_NOW, 8);
	cat_field(&plain, 3, "\3", 1);
	cat_field(&plain, 4, "service=billing", 15);
	cat_field(&plain, 5, "the secret part", 15);
	cat_pad(&plain, 64);
	cat(&value, "\1\1", 2);
	cat_be(&value, 0, 2);
	cat_be(&value, 1, 4);
	cat_be(&value, 7, 8);
	cat_be(&value, 42, 8);
	cat(&aad, "rotated-rec-v1", 15);
	cat(&aad, store_id, 16);
	cat_be(&aad, 1, 1);
	cat(&aad, s.hash, 32);
	cat(&aad, value.data, 24);
	cat(&value, s.header.nonce, 24);
	cat_sealed(&value, s.key, s.header.nonce, &aad, &plain);
	assert_int_equal(s.value.len, value.len);
	assert_memory_equal(s.value.data, value.data, value.len);
	golden("record_aad", aad.data, aad.len);
	golden("record_plain", plain.data, plain.len);
	golden("record", s.value.data, s.value.len);
	buf_release(&s.value);
}

static void a_tombstone_is_as_documented(void **state)
{
	uint8_t scratch[RECORD_PLAIN_MAX];
	uint8_t key[RECORD_KEY_MAX];
	const struct record_place place = { store_id, RECORD_HIST, SPAN(key) };
	const struct record_content content = { .id = sample_id,
						.created = FIXTURE_NOW,
						.reason = SPAN_STRING("revoked") };
	cleanup_buf struct buf value = BUF_INIT;
	struct record_content back;
	struct sample s;

	(void)state;
	make_sample(&s);
	memcpy(key, s.hash, 32);
	store_be64(key + 32, 8);
	s.header.flags = RECORD_TOMBSTONE;
	s.header.version = 8;
	assert_int_equal(record_seal(&place, &s.header, s.key, &content,
				     &(struct record_output){ scratch, &value }),
			 0);
	golden("tombstone", value.data, value.len);
	assert_int_equal(
		record_open(&place, s.key, SPAN_OF(value.data, value.len), scratch, &back), 0);
	assert_int_equal(back.reason.len, 7);
	buf_release(&s.value);
}

static int try_open(const struct sample *s, const struct record_place *place)
{
	static uint8_t plain[RECORD_PLAIN_MAX];
	struct record_content c;

	return record_open(place, s->key, SPAN_OF(s->value.data, s->value.len), plain, &c);
}

static void a_record_with_any_byte_changed_does_not_open(void **state)
{
	struct sample s;
	struct record_place place;

	(void)state;
	make_sample(&s);
	place = sample_place(&s);
	assert_int_equal(try_open(&s, &place), 0);
	for (size_t i = 0; i < s.value.len; i++) {
		s.value.data[i] ^= 1;
		assert_int_equal(try_open(&s, &place), -EBADMSG);
		s.value.data[i] ^= 1;
	}
	for (size_t len = s.value.len; len-- > 0;) {
		s.value.len = len;
		assert_int_equal(try_open(&s, &place), -EBADMSG);
	}
	buf_release(&s.value);
}

static void a_record_that_was_moved_does_not_open(void **state)
{
	uint8_t moved_key[32];
	struct sample s;
	struct record_place place;

	(void)state;
	make_sample(&s);
	memcpy(moved_key, s.hash, 32);
	moved_key[31] ^= 1;
	place = sample_place(&s);
	place.key = SPAN(moved_key);
	assert_int_equal(try_open(&s, &place), -EBADMSG);
	place = sample_place(&s);
	place.table = RECORD_HIST;
	assert_int_equal(try_open(&s, &place), -EBADMSG);
	place = sample_place(&s);
	place.store_id = other_id;
	assert_int_equal(try_open(&s, &place), -EBADMSG);
	place = sample_place(&s);
	s.key[0] ^= 1; /* another epoch's key */
	assert_int_equal(try_open(&s, &place), -EBADMSG);
	s.key[0] ^= 1;
	buf_append_byte(&s.value, 0);
	assert_int_equal(try_open(&s, &place), -EBADMSG);
	buf_release(&s.value);
}

static int decode(const struct bytes *b, bool tombstone)
{
	struct record_content c;

	return record_decode_plain(SPAN_OF(b->data, b->len), tombstone, &c);
}

static void put_head(struct bytes *b)
{
	b->len = 0;
	cat_field(b, 1, "a\0b\0c", 6);
	cat_field(b, 2, "\0\0\0\0\0\0\0\1", 8);
}

static void a_plaintext_is_decoded_strictly(void **state)
{
	static const struct {
		uint8_t tag;
		const char *value;
		size_t len;
	} bad[] = {
		{ 0, "", 0 }, { 2, "\0\0\0\0\0\0\0\1", 8 }, { 3, "", 0 }, { 3, "\0\0", 2 },
		{ 5, "", 0 }, { 6, "reason", 6 },	    { 7, "", 0 }, { 200, "", 0 },
	};
	static const struct {
		const char *value;
		size_t len;
	} ids[] = { { "", 0 },	     { "a\0b\0", 4 },	  { "a\0b\0c", 5 },
		    { "\0b\0c", 5 }, { "a\0b\0c\0d", 8 }, { "a\0\0c", 5 } };
	struct bytes b;

	(void)state;
	put_head(&b);
	cat_field(&b, 3, "\1", 1);
	cat_pad(&b, 64);
	assert_int_equal(decode(&b, false), 0);
	assert_int_equal(decode(&b, true), -EBADMSG);
	b.data[b.len - 1] = 1; /* padding damaged */
	assert_int_equal(decode(&b, false), -EBADMSG);
	b.data[b.len - 1] = 0;
	b.len -= 1;
	assert_int_equal(decode(&b, false), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		put_head(&b);
		cat_field(&b, bad[i].tag, bad[i].value, bad[i].len);
		cat_pad(&b, 64);
		assert_int_equal(decode(&b, false), -EBADMSG);
	}
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		b.len = 0;
		cat_field(&b, 1, ids[i].value, ids[i].len);
		cat_field(&b, 2, "\0\0\0\0\0\0\0\1", 8);
		cat_field(&b, 3, "\1", 1);
		cat_pad(&b, 64);
		assert_int_equal(decode(&b, false), -EBADMSG);
	}
	put_head(&b);
	cat_be(&b, 3, 1);
	cat_be(&b, 0xffffffff, 4); /* longer than what is there */
	cat_pad(&b, 64);
	assert_int_equal(decode(&b, false), -EBADMSG);
	b.len = 0;
	assert_int_equal(decode(&b, false), -EBADMSG);
}

/* ---- set hash, META, anchor ---- */

static void the_set_hash_is_a_sum_in_any_order(void **state)
{
	uint8_t set_key[32];
	uint8_t other_hash[32];
	struct set_hash ab = { { 0 } };
	struct set_hash ba = { { 0 } };
	struct set_hash zero = { { 0 } };
	struct bytes term = { .len = 0 };
	uint8_t expected[64];
	struct sample s;
	struct span value;
	struct record_place a;
	struct record_place b;

	(void)state;
	make_sample(&s);
	key_of(0x70, set_key);
	key_of(0x90, other_hash);
	value = SPAN_OF(s.value.data, s.value.len);
	a = sample_place(&s);
	b = (struct record_place){ store_id, RECORD_HIST, SPAN(other_hash) };
	set_hash_add(&ab, set_key, &a, value);
	cat_be(&term, 1, 1);
	cat(&term, s.hash, 32);
	cat(&term, s.value.data, 48);
	cat(&term, s.value.data + s.value.len - 16, 16);
	assert_int_equal(crypto_generichash(expected, 64, term.data, term.len, set_key, 32), 0);
	assert_memory_equal(ab.sum, expected, 64);
	golden("set_hash_one", ab.sum, 64);
	set_hash_add(&ab, set_key, &b, value);
	golden("set_hash_two", ab.sum, 64);
	set_hash_add(&ba, set_key, &b, value);
	set_hash_add(&ba, set_key, &a, value);
	assert_memory_equal(ab.sum, ba.sum, 64);
	set_hash_subtract(&ba, set_key, &a, value);
	set_hash_subtract(&ba, set_key, &b, value);
	assert_memory_equal(ba.sum, zero.sum, 64);
	/* below zero and back: modulo 2^512 */
	set_hash_subtract(&ba, set_key, &a, value);
	set_hash_add(&ba, set_key, &a, value);
	assert_memory_equal(ba.sum, zero.sum, 64);
	buf_release(&s.value);
}

static struct meta sample_meta(void)
{
	struct meta m = { .txid = 42,
			  .count_cur = 3,
			  .count_hist = 2,
			  .generation = 5,
			  .seals_auth = 9,
			  .seals_issuer = 4,
			  .time = FIXTURE_NOW,
			  .audit = { .seq = 77 } };

	memset(m.set.sum, 0xa1, sizeof(m.set.sum));
	memset(m.audit.head, 0xb2, sizeof(m.audit.head));
	memset(m.audit.key, 0xc3, sizeof(m.audit.key));
	return m;
}

static void meta_is_as_documented(void **state)
{
	const struct meta m = sample_meta();
	struct bytes plain = { .len = 0 };
	struct bytes value = { .len = 0 };
	struct bytes aad = { .len = 0 };
	uint8_t ours[META_LEN];
	struct meta back;
	uint8_t nonce[24];
	uint8_t key[32];

	(void)state;
	key_of(0x20, key);
	nonce_of(0x66, nonce);
	meta_seal(key, store_id, &m, nonce, ours);
	cat(&value, "\1\1\0\0\0\0\0\0", 8);
	cat_be(&value, 42, 8);
	cat(&aad, "rotated-meta-v1", 16);
	cat(&aad, store_id, 16);
	cat(&aad, value.data, 16);
	cat(&value, nonce, 24);
	for (size_t i = 0; i < 7; i++)
		cat_be(&plain, (const uint64_t[]){ 42, 3, 2, 5, 9, 4, FIXTURE_NOW }[i], 8);
	cat(&plain, m.set.sum, 64);
	cat_be(&plain, 77, 8);
	cat(&plain, m.audit.head, 32);
	cat(&plain, m.audit.key, 32);
	cat_sealed(&value, key, nonce, &aad, &plain);
	assert_int_equal(value.len, META_LEN);
	assert_memory_equal(ours, value.data, META_LEN);
	golden("meta", ours, sizeof(ours));
	assert_int_equal(meta_open(key, store_id, SPAN(ours), &back), 0);
	assert_memory_equal(&back, &m, sizeof(m));
	assert_int_equal(meta_open(key, other_id, SPAN(ours), &back), -EBADMSG);
	assert_int_equal(meta_open(key, store_id, SPAN_OF(ours, META_LEN - 1), &back),
			 -EBADMSG);
	for (size_t i = 0; i < sizeof(ours); i++) {
		ours[i] ^= 0x80;
		/* the first byte is the format, and a higher one is newer, not damaged */
		assert_int_equal(meta_open(key, store_id, SPAN(ours), &back),
				 i == 0 ? -EPROTONOSUPPORT : -EBADMSG);
		ours[i] ^= 0x80;
	}
}

static void an_anchor_is_as_documented(void **state)
{
	struct anchor a = { .txid = 41, .generation = 5, .time = FIXTURE_NOW };
	struct bytes slot = { .len = 0 };
	uint8_t file[ANCHOR_LEN] = { 0 };
	struct anchor back;
	uint8_t mac[32];
	uint8_t key[32];

	(void)state;
	key_of(0x40, key);
	memset(a.set, 0xa1, sizeof(a.set));
	assert_int_equal(anchor_decode(key, store_id, SPAN(file), &back), -EBADMSG);
	assert_int_equal(anchor_offset(41), 512);
	anchor_encode(key, store_id, &a, file + anchor_offset(41));
	cat(&slot, "RTANCHR1", 8);
	cat(&slot, store_id, 16);
	cat_be(&slot, 41, 8);
	cat_be(&slot, 5, 8);
	cat_be(&slot, FIXTURE_NOW, 8);
	cat(&slot, a.set, 64);
	assert_int_equal(crypto_generichash(mac, 32, slot.data, slot.len, key, 32), 0);
	cat(&slot, mac, 32);
	assert_memory_equal(file + 512, slot.data, slot.len);
	golden("anchor_slot", slot.data, slot.len);
	a.txid = 42;
	anchor_encode(key, store_id, &a, file + anchor_offset(42));
	assert_int_equal(anchor_decode(key, store_id, SPAN(file), &back), 0);
	assert_true(back.txid == 42);
	file[20] ^= 1;
	assert_int_equal(anchor_decode(key, store_id, SPAN(file), &back), 0);
	assert_true(back.txid == 41);
	assert_int_equal(anchor_decode(key, other_id, SPAN(file), &back), -EBADMSG);
	file[512 + 100] ^= 1;
	assert_int_equal(anchor_decode(key, store_id, SPAN(file), &back), -EBADMSG);
	file[512 + 100] ^= 1;
	assert_int_equal(anchor_decode(key, store_id, SPAN_OF(file, 1023), &back), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_name_hash_is_as_documented),
		cmocka_unit_test(a_record_is_as_documented),
		cmocka_unit_test(a_tombstone_is_as_documented),
		cmocka_unit_test(a_record_with_any_byte_changed_does_not_open),
		cmocka_unit_test(a_record_that_was_moved_does_not_open),
		cmocka_unit_test(a_plaintext_is_decoded_strictly),
		cmocka_unit_test(the_set_hash_is_a_sum_in_any_order),
		cmocka_unit_test(meta_is_as_documented),
		cmocka_unit_test(an_anchor_is_as_documented),
	};

	return cmocka_run_group_tests(tests, load_vectors, save_vectors);
}
