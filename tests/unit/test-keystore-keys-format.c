/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes that hold keys: keyring, recovery text, verifiers and their index. */
#define VECTORS "keystore-keys.json"
#include "tests/unit/vectors.h"

#include "keystore/index_codec.h"
#include "keystore/keyring.h"
#include "keystore/recovery.h"

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
	assert_int_equal(
		verifier_make(&keys,
			      &(struct verifier_source){ "billing.7", 7, password, salt }, &v),
		0);
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
	static const uint8_t head[8] = { 2, 1 };
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
	static const uint8_t head[8] = { 2, 1 };
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
