/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes on disk. tests/vectors/keystore.json holds one of everything, made with fixed keys
 * and nonces; it is checked here twice: against our code, and against libsodium's primitives
 * called as docs/keystore-format.md describes, not through our code.
 *
 * ROTATED_WRITE_VECTORS=1 in the environment writes the file anew.
 */
#include "tests/unit/keystore-fixture.h"

#include <fcntl.h>

#include "base/fs.h"
#include "keystore/anchor.h"
#include "keystore/index_codec.h"
#include "keystore/keyring.h"
#include "keystore/recovery.h"

static const uint8_t store_id[16] = "a-store-id-of-16";
static const uint8_t other_id[16] = "another-store-id";
static const struct keystore_id sample_id = { "password", "verifier", "billing" };

/* The file: one `"name": "hex"` a line. */
static struct buf vectors;
static bool writing;

static void key_of(uint8_t fill, uint8_t out[static 32])
{
	for (uint8_t i = 0; i < 32; i++)
		out[i] = (uint8_t)(fill + i);
}

static void nonce_of(uint8_t fill, uint8_t out[static 24])
{
	memset(out, fill, 24);
}

static void golden(const char *name, const void *data, size_t len)
{
	cleanup_buf struct buf line = BUF_INIT;
	char *hex = malloc(2 * len + 1);

	assert_non_null(hex);
	(void)sodium_bin2hex(hex, 2 * len + 1, data, len);
	if (writing)
		buf_printf(&vectors, "%s\t\"%s\": \"%s\"", vectors.len > 2 ? ",\n" : "", name,
			   hex);
	buf_printf(&line, "\t\"%s\": \"%s\"", name, hex);
	if (!strstr(buf_string(&vectors), buf_string(&line)))
		fail_msg("%s is now %s", name, hex);
	free(hex);
}

static void vector_path(char path[static PATH_MAX])
{
	const char *top = getenv("TOP_SRCDIR");

	assert_true(snprintf(path, PATH_MAX, "%s/tests/vectors/keystore.json",
			     top ? top : ".") < PATH_MAX);
}

static int load_vectors(void **state)
{
	char path[PATH_MAX];

	(void)state;
	if (sodium_init() < 0)
		return -1;
	writing = getenv("ROTATED_WRITE_VECTORS") != NULL;
	vector_path(path);
	if (!writing)
		return fs_read(AT_FDCWD, path, 1 << 20, &vectors);
	buf_append_str(&vectors, "{\n");
	return 0;
}

static int save_vectors(void **state)
{
	char path[PATH_MAX];
	int r = 0;

	(void)state;
	vector_path(path);
	if (writing) {
		buf_append_str(&vectors, "\n}\n");
		r = fs_replace(AT_FDCWD, path, vectors.data, vectors.len, 0644);
	}
	buf_release(&vectors);
	return r;
}

/* ---- the same by primitives ---- */

struct bytes {
	uint8_t data[8192];
	size_t len;
};

static void cat(struct bytes *b, const void *data, size_t len)
{
	assert_true(b->len + len <= sizeof(b->data));
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void cat_be(struct bytes *b, uint64_t v, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)(v >> 8 * (len - 1 - i));

		cat(b, &byte, 1);
	}
}

static void cat_field(struct bytes *b, uint8_t tag, const void *data, size_t len)
{
	cat_be(b, tag, 1);
	cat_be(b, len, 4);
	cat(b, data, len);
}

static void cat_pad(struct bytes *b, size_t block)
{
	cat_be(b, 0x80, 1);
	while (b->len % block)
		cat_be(b, 0, 1);
}

static void cat_sealed(struct bytes *b, const uint8_t *key, const uint8_t *nonce,
		       const struct bytes *aad, const struct bytes *plain)
{
	unsigned long long len;

	assert_true(b->len + plain->len + 16 <= sizeof(b->data));
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_encrypt(
				 b->data + b->len, &len, plain->data, plain->len, aad->data,
				 aad->len, NULL, nonce, key),
			 0);
	b->len += len;
}

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
		assert_int_equal(meta_open(key, store_id, SPAN(ours), &back), -EBADMSG);
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
	memset(a.set.sum, 0xa1, sizeof(a.set.sum));
	assert_int_equal(anchor_decode(key, store_id, SPAN(file), &back), -EBADMSG);
	assert_int_equal(anchor_offset(41), 512);
	anchor_encode(key, store_id, &a, file + anchor_offset(41));
	cat(&slot, "RTANCHR1", 8);
	cat(&slot, store_id, 16);
	cat_be(&slot, 41, 8);
	cat_be(&slot, 5, 8);
	cat_be(&slot, FIXTURE_NOW, 8);
	cat(&slot, a.set.sum, 64);
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

/* ---- recovery text ---- */

static int parse(const char *text, uint8_t out[static 32], struct report *report)
{
	return recovery_parse(text, strlen(text), out, report);
}

static void a_recovery_key_reads_back_however_it_is_typed(void **state)
{
	char text[RECOVERY_TEXT_SIZE];
	char typed[4 * RECOVERY_TEXT_SIZE] = "";
	uint8_t key[32];
	uint8_t back[32];

	(void)state;
	for (int i = 0; i < 200; i++) {
		if (i == 0)
			memset(key, 0, sizeof(key));
		else if (i == 1)
			memset(key, 0xff, sizeof(key));
		else
			randombytes_buf(key, sizeof(key));
		recovery_format(key, text);
		assert_int_equal(strlen(text), RECOVERY_TEXT_LEN);
		assert_int_equal(parse(text, back, NULL), 0);
		assert_memory_equal(key, back, 32);
	}
	key_of(0xa0, key);
	recovery_format(key, text);
	golden("recovery_text", text, strlen(text));
	for (size_t i = 0, n = 0; text[i]; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z' && i % 2)
			c = (char)(c - 'A' + 'a');
		if (c == '0')
			c = 'o';
		if (c == '1' && i > 4)
			c = i % 2 ? 'l' : 'I';
		typed[n++] = c == '-' ? ' ' : c;
		if (i % 3 == 0)
			typed[n++] = i % 2 ? '\n' : '\t';
	}
	assert_int_equal(parse(typed, back, NULL), 0);
	assert_memory_equal(key, back, 32);
}

static void a_mistyped_recovery_key_is_told_how(void **state)
{
	char text[RECOVERY_TEXT_SIZE];
	struct report report = { 0 };
	uint8_t key[32];
	uint8_t back[32] = { 0 };
	uint8_t untouched[32] = { 0 };

	(void)state;
	key_of(0xa0, key);
	recovery_format(key, text);
	for (size_t i = 5; i < strlen(text); i++) {
		char c = text[i];

		if (c == '-')
			continue;
		text[i] = c == 'Z' ? 'Y' : 'Z';
		assert_int_equal(parse(text, back, &report), -EINVAL);
		assert_non_null(strstr(report.what, "checksum"));
		text[i] = 'U';
		assert_int_equal(parse(text, back, &report), -EINVAL);
		assert_non_null(strstr(report.what, "character"));
		text[i] = c;
	}
	text[RECOVERY_TEXT_LEN - 1] = '\0';
	assert_int_equal(parse(text, back, &report), -EINVAL);
	assert_non_null(strstr(report.what, "too short"));
	recovery_format(key, text);
	text[0] = 'X';
	assert_int_equal(parse(text, back, &report), -EINVAL);
	assert_non_null(strstr(report.what, "start"));
	assert_int_equal(parse("", back, &report), -EINVAL);
	assert_memory_equal(back, untouched, 32);
}

/* ---- keyring ---- */

struct sample_ring {
	struct fixture f; /* for its randomness */
	struct rng rng;
	struct keyring ring;
	struct roots roots;
	struct auth_keys *auth;
	struct issuer_keys *issuer;
	uint8_t recovery_sk[32];
	struct buf file;
};

static const char ring_passphrase[] = "correct horse";
static const char ring_key_file[] = "0123456789abcdef0123456789abcdef";

static void make_ring(struct sample_ring *s)
{
	static const struct keystore_slot kinds[] = {
		{ .type = KEYSTORE_SLOT_PASSPHRASE, .tiers = KEYSTORE_BOTH },
		{ .type = KEYSTORE_SLOT_RECOVERY, .tiers = KEYSTORE_BOTH },
		{ .type = KEYSTORE_SLOT_KEY_FILE, .tiers = KEYSTORE_AUTH },
	};
	const struct slot_source src = { &s->rng, s->ring.store_id, FIXTURE_NOW,
					 crypto_pwhash_OPSLIMIT_INTERACTIVE,
					 crypto_pwhash_MEMLIMIT_INTERACTIVE };
	const struct span keys[] = { SPAN_STRING(ring_passphrase), SPAN(s->recovery_sk),
				     SPAN_STRING(ring_key_file) };
	bool locked;

	*s = (struct sample_ring){ .ring = { .generation = 3, .slot_count = 3 } };
	s->rng = (struct rng){ fixture_random, &s->f };
	memcpy(s->ring.store_id, store_id, 16);
	rng_fill(&s->rng, s->roots.bytes, sizeof(s->roots.bytes));
	key_of(0xa0, s->recovery_sk);
	s->auth = keys_alloc(sizeof(*s->auth), &locked);
	s->issuer = keys_alloc(sizeof(*s->issuer), &locked);
	memcpy(s->auth->root, s->roots.bytes, 32);
	memcpy(s->issuer->root, s->roots.bytes + 32, 32);
	auth_keys_generate(s->auth, store_id, &s->rng, FIXTURE_NOW);
	issuer_keys_generate(s->issuer, &s->rng, FIXTURE_NOW);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(keyring_slot_make(&src, &kinds[i], keys[i], &s->roots,
						   &s->ring.slots[i]),
				 0);
	assert_int_equal(keyring_encode(&s->ring, s->auth, s->issuer, &s->rng, &s->file), 0);
}

static void free_ring(struct sample_ring *s)
{
	keys_free(s->auth);
	keys_free(s->issuer);
	buf_release(&s->file);
}

static void a_kek_commitment_is_as_documented(void **state)
{
	uint8_t id[16] = "slot-id-16-bytes";
	uint8_t kek[32];
	uint8_t ours[32];
	uint8_t expected[32];
	struct bytes b = { .len = 0 };

	(void)state;
	key_of(0x50, kek);
	keyring_commit(kek, id, ours);
	cat(&b, "rt-kek-commit", 13);
	cat(&b, id, 16);
	assert_int_equal(crypto_generichash(expected, 32, b.data, b.len, kek, 32), 0);
	assert_memory_equal(ours, expected, 32);
	golden("kek_commit", ours, 32);
}

/* Opens the slot at P by primitives; returns its length in the file. */
static size_t open_slot_by_hand(const uint8_t *p, const uint8_t *recovery_sk,
				uint8_t roots[static 64])
{
	uint8_t personal[16] = "rt-key-file-kek";
	size_t params = load_be16(p + 26);
	const uint8_t *wrapped = p + 28 + params + 2;
	size_t len = load_be16(wrapped - 2);
	struct bytes aad = { .len = 0 };
	uint8_t kek[32];

	cat(&aad, "rotated-slot-v1", 16);
	cat(&aad, store_id, 16);
	cat(&aad, p, 28 + params);
	if (p[0] == 1) {
		assert_int_equal(p[28], crypto_pwhash_ALG_ARGON2ID13);
		assert_int_equal(crypto_pwhash(kek, 32, ring_passphrase,
					       strlen(ring_passphrase), p + 45,
					       load_be64(p + 29), load_be64(p + 37),
					       crypto_pwhash_ALG_ARGON2ID13),
				 0);
	} else if (p[0] == 2) {
		assert_int_equal(crypto_generichash_blake2b_salt_personal(
					 kek, 32, (const uint8_t *)ring_key_file,
					 strlen(ring_key_file), NULL, 0, p + 28, personal),
				 0);
	} else {
		assert_int_equal(crypto_box_seal_open(roots, wrapped, len, p + 28, recovery_sk),
				 0);
		return 28 + params + 2 + len + 32;
	}
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(
				 roots, NULL, NULL, wrapped + 24, len - 24, aad.data, aad.len,
				 wrapped, kek),
			 0);
	return 28 + params + 2 + len + 32;
}

static void a_keyring_is_as_documented(void **state)
{
	struct sample_ring s;
	uint8_t roots[64];
	uint8_t key[32];
	uint8_t plain[2048];
	unsigned long long plain_len;
	struct bytes aad = { .len = 0 };
	struct bytes issuer_aad = { .len = 0 };
	const uint8_t *p;
	uint32_t len;

	(void)state;
	make_ring(&s);
	golden("keyring", s.file.data, s.file.len);
	p = s.file.data;
	assert_memory_equal(p, "RTKRING1\0\0\0\1", 12);
	assert_memory_equal(p + 12, store_id, 16);
	assert_true(load_be64(p + 28) == 3);
	assert_int_equal(load_be16(p + 36), 3);
	p += 38;
	for (size_t i = 0; i < 3; i++) {
		memset(roots, 0, sizeof(roots));
		p += open_slot_by_hand(p, s.recovery_sk, roots);
		assert_memory_equal(roots, s.roots.bytes, i == 2 ? 32 : 64);
	}
	cat(&issuer_aad, "rotated-ring-i1", 16);
	cat(&issuer_aad, store_id, 16);
	cat(&issuer_aad, s.file.data + 36, (size_t)(p - s.file.data) - 36);
	len = load_be32(p);
	p += 4;
	cat(&aad, "rotated-ring-a1", 16);
	cat(&aad, s.file.data, (size_t)(p - s.file.data));
	assert_int_equal(crypto_kdf_derive_from_key(key, 32, 1, "rtkeyrng", s.roots.bytes), 0);
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &plain_len, NULL,
								    p + 24, len, aad.data,
								    aad.len, p, key),
			 0);
	/* the first field: epoch 1, active, 45 bytes; the last: the hash of what follows */
	assert_memory_equal(plain, "\1\0\0\0\x2d\0\0\0\1\1", 10);
	p += 24 + len;
	assert_int_equal(
		crypto_generichash(key, 32, p, (size_t)(s.file.data + s.file.len - p), NULL, 0),
		0);
	assert_memory_equal(plain + plain_len - 32, key, 32);
	len = load_be32(p);
	p += 4;
	assert_int_equal(crypto_kdf_derive_from_key(key, 32, 1, "rtkeyrng", s.roots.bytes + 32),
			 0);
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(
				 plain, &plain_len, NULL, p + 24, len, issuer_aad.data,
				 issuer_aad.len, p, key),
			 0);
	assert_int_equal(plain_len, 50);
	assert_true(p + 24 + len == s.file.data + s.file.len);
	free_ring(&s);
}

static void a_keyring_decodes_to_what_it_was_made_of(void **state)
{
	struct auth_keys auth = { .root = { 0 } };
	struct issuer_keys issuer = { .root = { 0 } };
	struct keyring_file file;
	struct roots roots;
	struct sample_ring s;

	(void)state;
	make_ring(&s);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), 0);
	assert_int_equal(file.ring.slot_count, 3);
	assert_int_equal(keyring_slot_open(&file.ring.slots[2], store_id,
					   SPAN_STRING(ring_key_file), &roots),
			 0);
	assert_int_equal(keyring_slot_open(&file.ring.slots[2], other_id,
					   SPAN_STRING(ring_key_file), &roots),
			 -EBADMSG);
	assert_int_equal(
		keyring_slot_open(&file.ring.slots[1], store_id, SPAN(s.recovery_sk), &roots),
		0);
	memcpy(auth.root, roots.bytes, 32);
	memcpy(issuer.root, roots.bytes + 32, 32);
	assert_int_equal(keyring_open_auth(&file, &auth), 0);
	assert_int_equal(keyring_open_issuer(&file, &issuer), 0);
	assert_memory_equal(&auth, s.auth, sizeof(auth));
	assert_memory_equal(&issuer, s.issuer, sizeof(issuer));
	free_ring(&s);
}

static void a_keyring_of_other_bytes_is_refused(void **state)
{
	struct keyring_file file;
	struct sample_ring s;
	uint8_t *mem;

	(void)state;
	make_ring(&s);
	for (size_t len = 0; len < s.file.len; len++)
		assert_int_equal(keyring_decode(SPAN_OF(s.file.data, len), &file), -EBADMSG);
	buf_append_byte(&s.file, 0);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), -EBADMSG);
	s.file.len--;
	/* Argon2 costs: weaker than INTERACTIVE, and more than any machine should try */
	mem = s.file.data + 38 + 37;
	store_be64(mem, KEYRING_MEM_MIN - 1);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), -EBADMSG);
	store_be64(mem, KEYRING_MEM_MAX + 1);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), -EBADMSG);
	store_be64(mem, KEYRING_MEM_MAX);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), 0);
	store_be64(mem - 8, KEYRING_OPS_MAX + 1);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), -EBADMSG);
	store_be64(mem - 8, KEYRING_OPS_MIN - 1);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), -EBADMSG);
	free_ring(&s);
}

/* ---- index and verifier ---- */

static void make_verifier_keys(struct verifier_keys *k)
{
	memcpy(k->store_id, store_id, 16);
	key_of(0x01, k->name);
	key_of(0x02, k->seal);
	key_of(0x03, k->tag);
	key_of(0x04, k->decoy);
}

static void a_verifier_is_as_documented(void **state)
{
	static const uint8_t salt[16] = "sixteen salt byt";
	cleanup_secret struct secret *password = fixture_secret("rtd1_test");
	struct verifier_version v;
	struct verifier_keys keys;
	struct verifier_entry decoy;
	struct bytes b = { .len = 0 };
	uint8_t encoded[VERIFIER_ENCODED_LEN];
	uint8_t tag[32];
	char text[VERIFIER_TEXT_SIZE];

	(void)state;
	make_verifier_keys(&keys);
	assert_int_equal(verifier_make(&keys, "billing.7", 7, password, salt, &v), 0);
	cat(&b, "rotated-tag-v1", 15);
	cat_be(&b, 7, 4);
	cat_be(&b, 9, 4);
	cat(&b, "billing.7rtd1_test", 18);
	assert_int_equal(crypto_generichash(tag, 32, b.data, b.len, keys.tag, 32), 0);
	assert_memory_equal(v.tag, tag, 32);
	verifier_version_encode(&v, encoded);
	golden("verifier", encoded, sizeof(encoded));
	verifier_scram_text(&v, text);
	golden("verifier_scram_text", text, strlen(text));
	verifier_decoy(&keys, "nobody", &decoy);
	assert_int_equal(
		crypto_generichash(tag, 32, (const uint8_t *)"snobody", 7, keys.decoy, 32), 0);
	assert_memory_equal(decoy.versions[0].salt, tag, 16);
	verifier_version_encode(&decoy.versions[0], encoded);
	golden("verifier_decoy", encoded, sizeof(encoded));
}

static void an_index_entry_is_as_documented(void **state)
{
	static const uint8_t head[8] = { 1, 1 };
	struct verifier_entry e = { .service = "billing",
				    .flags = VERIFIER_DISABLED,
				    .count = 2,
				    .not_before = 5,
				    .not_after = UINT64_MAX };
	struct verifier_keys keys;
	struct verifier_entry back;
	struct bytes plain = { .len = 0 };
	struct bytes value = { .len = 0 };
	struct bytes aad = { .len = 0 };
	uint8_t ours[INDEX_ENTRY_MAX];
	uint8_t hash[32];
	uint8_t expected[32];
	uint8_t nonce[24];
	size_t len;

	(void)state;
	make_verifier_keys(&keys);
	nonce_of(0x77, nonce);
	index_hash_login(&keys, "billing", hash);
	assert_int_equal(
		crypto_generichash(expected, 32, (const uint8_t *)"billing", 7, keys.name, 32),
		0);
	assert_memory_equal(hash, expected, 32);
	cat(&plain, "\1\2\7", 3);
	cat_be(&plain, 5, 8);
	cat_be(&plain, UINT64_MAX, 8);
	cat(&plain, "billing", 7);
	for (uint8_t i = 0; i < 2; i++) {
		struct verifier_version *v = &e.versions[i];

		v->number = 9U - i;
		v->iterations = 4096;
		memset(v->salt, 0x10 + i, 16);
		memset(v->stored_key, 0x20 + i, 32);
		memset(v->server_key, 0x30 + i, 32);
		memset(v->tag, 0x40 + i, 32);
		cat_be(&plain, v->number, 4);
		cat_be(&plain, 4096, 4);
		cat(&plain, v->salt, 16);
		cat(&plain, v->stored_key, 32);
		cat(&plain, v->server_key, 32);
		cat(&plain, v->tag, 32);
	}
	cat_pad(&plain, 64);
	cat(&aad, "rotated-idx-v1", 15);
	cat(&aad, store_id, 16);
	cat(&aad, hash, 32);
	cat(&aad, head, 8);
	cat(&value, head, 8);
	cat(&value, nonce, 24);
	cat_sealed(&value, keys.seal, nonce, &aad, &plain);
	len = index_entry_seal(&keys, hash, nonce, &e, ours);
	assert_int_equal(len, value.len);
	assert_memory_equal(ours, value.data, len);
	golden("index_entry", ours, len);
	assert_int_equal(index_entry_open(&keys, hash, SPAN_OF(ours, len), &back), 0);
	assert_memory_equal(&back, &e, sizeof(e));
	for (size_t i = 0; i < len; i++) {
		ours[i] ^= 1;
		assert_int_equal(index_entry_open(&keys, hash, SPAN_OF(ours, len), &back),
				 -EBADMSG);
		ours[i] ^= 1;
		assert_int_equal(index_entry_open(&keys, hash, SPAN_OF(ours, i), &back),
				 -EBADMSG);
	}
	hash[0] ^= 1; /* under another login */
	assert_int_equal(index_entry_open(&keys, hash, SPAN_OF(ours, len), &back), -EBADMSG);
}

static void index_meta_is_as_documented(void **state)
{
	static const uint8_t head[8] = { 1, 1 };
	const struct index_meta m = { .txid = 42, .active = 1, .complete = true };
	struct verifier_keys keys;
	struct index_meta back;
	struct bytes plain = { .len = 0 };
	struct bytes value = { .len = 0 };
	struct bytes aad = { .len = 0 };
	uint8_t ours[INDEX_META_LEN];
	uint8_t nonce[24];

	(void)state;
	make_verifier_keys(&keys);
	nonce_of(0x88, nonce);
	cat_be(&plain, 42, 8);
	cat(&plain, "\1\1", 2);
	while (plain.len < 32)
		cat_be(&plain, 0, 1);
	cat(&aad, "rotated-idm-v1", 15);
	cat(&aad, store_id, 16);
	cat(&aad, head, 8);
	cat(&value, head, 8);
	cat(&value, nonce, 24);
	cat_sealed(&value, keys.seal, nonce, &aad, &plain);
	index_meta_seal(&keys, nonce, &m, ours);
	assert_int_equal(value.len, sizeof(ours));
	assert_memory_equal(ours, value.data, sizeof(ours));
	golden("index_meta", ours, sizeof(ours));
	assert_int_equal(index_meta_open(&keys, SPAN(ours), &back), 0);
	assert_true(back.txid == 42 && back.active == 1 && back.complete);
	ours[40] ^= 1;
	assert_int_equal(index_meta_open(&keys, SPAN(ours), &back), -EBADMSG);
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
		cmocka_unit_test(a_recovery_key_reads_back_however_it_is_typed),
		cmocka_unit_test(a_mistyped_recovery_key_is_told_how),
		cmocka_unit_test(a_kek_commitment_is_as_documented),
		cmocka_unit_test(a_keyring_is_as_documented),
		cmocka_unit_test(a_keyring_decodes_to_what_it_was_made_of),
		cmocka_unit_test(a_keyring_of_other_bytes_is_refused),
		cmocka_unit_test(a_verifier_is_as_documented),
		cmocka_unit_test(an_index_entry_is_as_documented),
		cmocka_unit_test(index_meta_is_as_documented),
	};

	return cmocka_run_group_tests(tests, load_vectors, save_vectors);
}
