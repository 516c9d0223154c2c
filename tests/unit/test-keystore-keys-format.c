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

enum { SLOTS = 6 };

struct sample_ring {
	struct fixture f; /* for its randomness */
	struct rng rng;
	struct keyring ring;
	struct roots roots;
	struct auth_keys *auth;
	struct issuer_keys *issuer;
	uint8_t recovery_sk[32];
	uint8_t quorum_kek[32];
	struct span keys[SLOTS];
	struct buf file;
};

static const char ring_passphrase[] = "correct horse";
static const char ring_key_file[] = "0123456789abcdef0123456789abcdef";
static const char ring_blob[] = "sealed for the helper";
static const char ring_program[] = "/usr/bin/clevis-decrypt";

static const struct keystore_slot ring_kinds[SLOTS] = {
	{ .type = KEYSTORE_SLOT_PASSPHRASE, .tiers = KEYSTORE_BOTH },
	{ .type = KEYSTORE_SLOT_RECOVERY, .tiers = KEYSTORE_BOTH },
	{ .type = KEYSTORE_SLOT_KEY_FILE, .tiers = KEYSTORE_AUTH },
	{ .type = KEYSTORE_SLOT_CREDENTIAL, .tiers = KEYSTORE_AUTH },
	{ .type = KEYSTORE_SLOT_EXEC, .tiers = KEYSTORE_BOTH },
	{ .type = KEYSTORE_SLOT_QUORUM, .tiers = KEYSTORE_BOTH, .shares = 3, .threshold = 2 },
};

static void make_slot(struct sample_ring *s, size_t i)
{
	const struct slot_source src = { &s->rng, s->ring.store_id,
					 crypto_pwhash_OPSLIMIT_INTERACTIVE,
					 crypto_pwhash_MEMLIMIT_INTERACTIVE };
	struct keyring_slot *slot = &s->ring.slots[i];
	cleanup_secret struct secret *text = NULL;
	struct slot_mac mac;

	slot->info = ring_kinds[i];
	slot->info.created = FIXTURE_NOW;
	rng_fill(&s->rng, slot->info.id, sizeof(slot->info.id));
	if (slot->info.type == KEYSTORE_SLOT_EXEC)
		memcpy(slot->info.program, ring_program, sizeof(ring_program));
	if (slot->info.type == KEYSTORE_SLOT_CREDENTIAL ||
	    slot->info.type == KEYSTORE_SLOT_EXEC)
		slot->helper.blob = SPAN_STRING(ring_blob);
	if (slot->info.type == KEYSTORE_SLOT_QUORUM) {
		slot->quorum.shares = slot->info.shares;
		slot->quorum.threshold = slot->info.threshold;
		assert_int_equal(quorum_split(&s->rng, s->quorum_kek, &slot->quorum, &text), 0);
	}
	assert_int_equal(keyring_slot_make(&src, s->keys[i], &s->roots, slot, &mac), 0);
	slot_macs_add(slot->info.tiers == KEYSTORE_BOTH ? &s->issuer->macs : &s->auth->macs,
		      &mac);
}

static void make_ring(struct sample_ring *s)
{
	bool locked;

	*s = (struct sample_ring){
		.ring = { .generation = 3, .slot_count = SLOTS }
	};
	s->rng = (struct rng){ fixture_random, &s->f };
	memcpy(s->ring.store_id, store_id, 16);
	rng_fill(&s->rng, s->roots.bytes, sizeof(s->roots.bytes));
	key_of(0xa0, s->recovery_sk);
	key_of(0xb0, s->quorum_kek);
	s->keys[0] = SPAN_STRING(ring_passphrase);
	s->keys[1] = SPAN(s->recovery_sk);
	for (size_t i = 2; i < 5; i++) /* one key for three types: three keys come of it */
		s->keys[i] = SPAN_STRING(ring_key_file);
	s->keys[5] = SPAN(s->quorum_kek);
	s->auth = keys_alloc(sizeof(*s->auth), &locked);
	s->issuer = keys_alloc(sizeof(*s->issuer), &locked);
	memcpy(s->auth->root, s->roots.bytes, 32);
	memcpy(s->issuer->root, s->roots.bytes + 32, 32);
	auth_keys_generate(s->auth, store_id, &s->rng, FIXTURE_NOW);
	issuer_keys_generate(s->issuer, &s->rng, FIXTURE_NOW);
	for (size_t i = 0; i < SLOTS; i++)
		make_slot(s, i);
	s->auth->has_before = true;
	key_of(0x60, s->auth->meta_before);
	key_of(0x70, s->auth->anchor_before);
	assert_int_equal(
		keyring_encode(&s->ring,
			       &(struct keyring_content){ s->auth, s->issuer, { NULL, 0 } },
			       &s->rng, &s->file),
		0);
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

/* The key encryption key of the slot at P, whose parameters start at PARAMS, by primitives. */
static void kek_by_hand(const struct sample_ring *s, const uint8_t *p, const uint8_t *params,
			uint8_t kek[static 32])
{
	static const uint8_t personal[7][16] = {
		[2] = "rt-key-file-kek",
		[4] = "rt-credentl-kek",
		[5] = "rt-exec-prg-kek",
	};

	if (p[1] == 1) {
		assert_int_equal(params[0], crypto_pwhash_ALG_ARGON2ID13);
		assert_int_equal(crypto_pwhash(kek, 32, ring_passphrase,
					       strlen(ring_passphrase), params + 17,
					       load_be64(params + 1), load_be64(params + 9),
					       crypto_pwhash_ALG_ARGON2ID13),
				 0);
	} else if (p[1] == 3) {
		memcpy(kek, s->recovery_sk, 32);
	} else if (p[1] == 6) {
		memcpy(kek, s->quorum_kek, 32);
	} else {
		assert_int_equal(crypto_generichash_blake2b_salt_personal(
					 kek, 32, (const uint8_t *)ring_key_file,
					 strlen(ring_key_file), NULL, 0, params,
					 personal[p[1]]),
				 0);
	}
}

/* Opens the slot at P by primitives; returns its length in the file. */
static size_t open_slot_by_hand(const struct sample_ring *s, const uint8_t *p,
				uint8_t roots[static 64])
{
	const uint8_t *params = p + 29;
	size_t n = load_be16(p + 27);
	const uint8_t *pk = params + n;
	const uint8_t *wrapped = pk + 34;
	size_t len = load_be16(pk + 32);
	const uint8_t *commit = wrapped + len;
	struct bytes covered = { .len = 0 };
	uint8_t kek[32];
	uint8_t sk[32];
	uint8_t mac_key[32];
	uint8_t out[32];

	assert_int_equal(p[0], 2);
	kek_by_hand(s, p, params, kek);
	cat(&covered, "rt-kek-commit", 13);
	cat(&covered, p + 3, 16);
	assert_int_equal(crypto_generichash(out, 32, covered.data, covered.len, kek, 32), 0);
	assert_memory_equal(out, commit, 32);
	memcpy(sk, kek, 32);
	if (p[1] != 3)
		assert_int_equal(crypto_kdf_derive_from_key(sk, 32, 1, "rtslotsk", kek), 0);
	assert_int_equal(crypto_kdf_derive_from_key(mac_key, 32, 1, "rtslotmk", kek), 0);
	covered.len = 0;
	cat(&covered, "rotated-slot-v2", 16);
	cat(&covered, store_id, 16);
	cat(&covered, p + 1, (size_t)(commit + 32 - (p + 1)));
	assert_int_equal(crypto_generichash(out, 32, covered.data, covered.len, mac_key, 32),
			 0);
	assert_memory_equal(out, commit + 32, 32);
	assert_int_equal(crypto_box_seal_open(roots, wrapped, len, pk, sk), 0);
	return (size_t)(commit + 64 - p);
}

static size_t open_by_hand(const uint8_t *root, const uint8_t *body, const struct bytes *aad,
			   uint8_t plain[static 4096])
{
	unsigned long long len;
	uint8_t key[32];

	assert_int_equal(crypto_kdf_derive_from_key(key, 32, 1, "rtkeyrng", root), 0);
	assert_int_equal(crypto_aead_xchacha20poly1305_ietf_decrypt(
				 plain, &len, NULL, body + 28, load_be32(body), aad->data,
				 aad->len, body + 4, key),
			 0);
	return (size_t)len;
}

static void a_keyring_is_as_documented(void **state)
{
	struct sample_ring s;
	uint8_t roots[64];
	uint8_t key[32];
	uint8_t plain[4096];
	struct bytes aad = { .len = 0 };
	struct bytes issuer_aad = { .len = 0 };
	const uint8_t *p;
	size_t len;

	(void)state;
	make_ring(&s);
	golden("keyring", s.file.data, s.file.len);
	p = s.file.data;
	assert_memory_equal(p, "RTKRING1\0\0\0\2", 12);
	assert_memory_equal(p + 12, store_id, 16);
	assert_true(load_be64(p + 28) == 3);
	assert_int_equal(load_be16(p + 36), SLOTS);
	p += 38;
	for (size_t i = 0; i < SLOTS; i++) {
		bool both = ring_kinds[i].tiers == KEYSTORE_BOTH;

		memset(roots, 0, sizeof(roots));
		p += open_slot_by_hand(&s, p, roots);
		assert_memory_equal(roots, s.roots.bytes, both ? 64 : 32);
	}
	cat(&issuer_aad, "rotated-ring-i2", 16);
	cat(&issuer_aad, store_id, 16);
	cat(&issuer_aad, s.file.data + 36, (size_t)(p - s.file.data) - 36);
	cat(&aad, "rotated-ring-a2", 16);
	cat(&aad, s.file.data, (size_t)(p + 4 - s.file.data));
	len = open_by_hand(s.roots.bytes, p, &aad, plain);
	/* the first field: epoch 1, active, 45 bytes; the last: the keys of before */
	assert_memory_equal(plain, "\1\0\0\0\x2d\0\0\0\1\1", 10);
	key_of(0x60, key);
	assert_memory_equal(plain + len - 69, "\x09\0\0\0\x40", 5);
	assert_memory_equal(plain + len - 64, key, 32);
	key_of(0x70, key);
	assert_memory_equal(plain + len - 32, key, 32);
	/* before it two MAC keys, of the key file and the credential, and the hash */
	assert_memory_equal(plain + len - 69 - 106, "\x08\0\0\0\x30", 5);
	assert_memory_equal(plain + len - 69 - 101, s.ring.slots[2].info.id, 16);
	p += 28 + load_be32(p);
	assert_int_equal(
		crypto_generichash(key, 32, p, (size_t)(s.file.data + s.file.len - p), NULL, 0),
		0);
	assert_memory_equal(plain + len - 69 - 106 - 32, key, 32);
	len = open_by_hand(s.roots.bytes + 32, p, &issuer_aad, plain);
	assert_int_equal(len, 50 + 4 * 53);
	assert_true(p + 28 + load_be32(p) == s.file.data + s.file.len);
	free_ring(&s);
}

static int open_as(const struct keyring_slot *slot, const uint8_t *id, struct span key,
		   struct roots *roots)
{
	uint8_t kek[32];
	int r = keyring_slot_kek(slot, key, kek);

	return r < 0 ? r : keyring_slot_open(slot, id, kek, roots);
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
	assert_int_equal(file.ring.slot_count, SLOTS);
	for (size_t i = 0; i < SLOTS; i++) {
		const struct keyring_slot *slot = &file.ring.slots[i];

		memset(&roots, 0, sizeof(roots));
		assert_int_equal(open_as(slot, store_id, s.keys[i], &roots), 0);
		assert_memory_equal(roots.bytes, s.roots.bytes, keyring_root_len(&slot->info));
		assert_int_equal(open_as(slot, other_id, s.keys[i], &roots), -EBADMSG);
		assert_int_equal(open_as(slot, store_id, SPAN_STRING("another"), &roots),
				 -EKEYREJECTED);
	}
	assert_string_equal(file.ring.slots[4].info.program, ring_program);
	assert_memory_equal(file.ring.slots[4].helper.blob.data, ring_blob, strlen(ring_blob));
	assert_int_equal(file.ring.slots[5].info.threshold, 2);
	memcpy(auth.root, s.roots.bytes, 32);
	memcpy(issuer.root, s.roots.bytes + 32, 32);
	assert_int_equal(keyring_open_auth(&file, &auth), 0);
	assert_int_equal(keyring_open_issuer(&file, &issuer), 0);
	assert_memory_equal(&auth, s.auth, sizeof(auth));
	assert_memory_equal(&issuer, s.issuer, sizeof(issuer));
	free_ring(&s);
}

static int decode(const struct sample_ring *s)
{
	struct keyring_file file;

	return keyring_decode(SPAN_OF(s->file.data, s->file.len), &file);
}

/* Where slot I of the file starts. */
static uint8_t *slot_at(const struct sample_ring *s, size_t i)
{
	cleanup_buf struct buf head = BUF_INIT;
	struct keyring ring = s->ring;
	size_t slots;

	ring.slot_count = (uint16_t)i;
	keyring_encode_head(&ring, &head, &slots);
	return s->file.data + head.len;
}

static void a_keyring_of_other_bytes_is_refused(void **state)
{
	struct keyring_file file;
	struct sample_ring s;
	uint8_t *p;

	(void)state;
	make_ring(&s);
	for (size_t len = 0; len < s.file.len; len++)
		assert_int_equal(keyring_decode(SPAN_OF(s.file.data, len), &file), -EBADMSG);
	buf_append_byte(&s.file, 0);
	assert_int_equal(decode(&s), -EBADMSG);
	s.file.len--;
	/* Argon2 costs: weaker than INTERACTIVE, and more than any machine should try */
	p = s.file.data + 38 + 38;
	store_be64(p, KEYRING_MEM_MIN - 1);
	assert_int_equal(decode(&s), -EBADMSG);
	store_be64(p, KEYRING_MEM_MAX + 1);
	assert_int_equal(decode(&s), -EBADMSG);
	store_be64(p, KEYRING_MEM_MAX);
	assert_int_equal(decode(&s), 0);
	store_be64(p - 8, KEYRING_OPS_MAX + 1);
	assert_int_equal(decode(&s), -EBADMSG);
	store_be64(p - 8, KEYRING_OPS_MIN - 1);
	assert_int_equal(decode(&s), -EBADMSG);
	store_be64(p - 8, KEYRING_OPS_MIN);
	/* a relative program, and one that would forge a line where it is shown */
	p = slot_at(&s, 4) + 29 + 16 + 1;
	p[0] = 'u';
	assert_int_equal(decode(&s), -EBADMSG);
	p[0] = '/';
	p[1] = '\n';
	assert_int_equal(decode(&s), -EBADMSG);
	p[1] = 'u';
	/* a blob that does not end where the parameters do */
	p[strlen(ring_program) + 1]++;
	assert_int_equal(decode(&s), -EBADMSG);
	p[strlen(ring_program) + 1]--;
	/* one share that is enough; more needed than there are */
	p = slot_at(&s, 5) + 29;
	p[0] = 1;
	assert_int_equal(decode(&s), -EBADMSG);
	p[0] = 4;
	assert_int_equal(decode(&s), -EBADMSG);
	p[0] = 2;
	/* a recovery slot for AUTH alone; a slot of another form */
	p = slot_at(&s, 1);
	p[2] = KEYSTORE_AUTH;
	assert_int_equal(decode(&s), -EBADMSG);
	p[2] = KEYSTORE_BOTH;
	slot_at(&s, 3)[0] = 1;
	assert_int_equal(decode(&s), -EBADMSG);
	slot_at(&s, 3)[0] = 2;
	assert_int_equal(decode(&s), 0);
	free_ring(&s);
}

static void a_newer_keyring_is_told_from_a_damaged_one(void **state)
{
	struct sample_ring s;

	(void)state;
	make_ring(&s);
	store_be32(s.file.data + 8, 3);
	assert_int_equal(decode(&s), -EPROTONOSUPPORT);
	store_be32(s.file.data + 8, 1);
	assert_int_equal(decode(&s), -ENOTSUP);
	store_be32(s.file.data + 8, 0);
	assert_int_equal(decode(&s), -EBADMSG);
	store_be32(s.file.data + 8, 2);
	assert_int_equal(decode(&s), 0);
	free_ring(&s);
}

/* Everything that is in the file is known, but no key: a box is made as well as we do. */
static void a_slot_by_who_has_only_the_file_does_not_open(void **state)
{
	static const uint8_t zero[32];
	struct slot_mac guess;
	struct roots roots;
	struct sample_ring s;

	(void)state;
	make_ring(&s);
	memset(guess.key, 0, sizeof(guess.key));
	for (size_t i = 0; i < SLOTS; i++) {
		struct keyring_slot forged = s.ring.slots[i];
		struct roots mine;

		memset(&mine, 0x66, sizeof(mine));
		/* with the MAC of before, which does not cover the box, and with one of a key
		 * that he made up */
		keyring_box_seal(&s.rng, forged.pk,
				 SPAN_OF(mine.bytes, keyring_root_len(&forged.info)),
				 forged.wrapped);
		assert_int_equal(open_as(&forged, store_id, s.keys[i], &roots), -EBADMSG);
		assert_int_equal(keyring_slot_wrap(&s.rng, store_id, &mine, &guess, &forged),
				 0);
		assert_int_equal(open_as(&forged, store_id, s.keys[i], &roots), -EBADMSG);
		/* another public key, or box and MAC of another slot */
		forged = s.ring.slots[i];
		memcpy(forged.pk, s.ring.slots[(i + 1) % SLOTS].pk, 32);
		assert_int_equal(open_as(&forged, store_id, s.keys[i], &roots), -EBADMSG);
		forged = s.ring.slots[i];
		memcpy(forged.mac, zero, 32);
		assert_int_equal(open_as(&forged, store_id, s.keys[i], &roots), -EBADMSG);
	}
	free_ring(&s);
}

/* Who opened AUTH has all MAC keys of the AUTH body, and can write one. */
static void who_holds_auth_alone_forges_no_issuer_root(void **state)
{
	struct sample_ring s;
	struct keyring_file file;
	cleanup_buf struct buf forged = BUF_INIT;
	struct roots mine;
	struct roots roots;

	(void)state;
	make_ring(&s);
	assert_int_equal(keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), 0);
	mine = s.roots;
	memset(mine.bytes + 32, 0x66, 32);
	memset(s.issuer->root, 0x66, 32);
	issuer_keys_derive(s.issuer);
	for (size_t i = 0; i < SLOTS; i++) {
		struct keyring_slot *slot = &s.ring.slots[i];
		const struct slot_mac *known = slot_macs_find(&s.auth->macs, slot->info.id);

		/* none of them is of a slot that opens both */
		assert_int_equal(known != NULL, slot->info.tiers == KEYSTORE_AUTH);
		if (known)
			continue;
		assert_int_equal(
			keyring_slot_wrap(&s.rng, store_id, &mine, &s.auth->macs.all[0], slot),
			0);
		assert_int_equal(open_as(slot, store_id, s.keys[i], &roots), -EBADMSG);
		keyring_box_seal(&s.rng, slot->pk,
				 SPAN_OF(mine.bytes, keyring_root_len(&slot->info)),
				 slot->wrapped);
		assert_int_equal(open_as(slot, store_id, s.keys[i], &roots), -EBADMSG);
	}
	/* or he adds himself a slot: the ISSUER body, which he can not write, knows of none */
	s.ring = file.ring;
	s.ring.slot_count++;
	s.ring.slots[SLOTS] = s.ring.slots[2];
	s.ring.slots[SLOTS].info.id[0] ^= 1;
	assert_int_equal(
		keyring_encode(&s.ring,
			       &(struct keyring_content){ s.auth, NULL, file.issuer_all },
			       &s.rng, &forged),
		0);
	assert_int_equal(keyring_decode(SPAN_OF(forged.data, forged.len), &file), 0);
	memcpy(s.issuer->root, s.roots.bytes + 32, 32);
	assert_int_equal(keyring_open_issuer(&file, s.issuer), -EBADMSG);
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

/* Whoever held a tier open could leave a key of his own there, for a slot to come. */
static void a_body_with_the_key_of_no_slot_is_refused(void **state)
{
	static const struct slot_mac surplus = { .id = "slot of no ring" };

	(void)state;
	for (int tier = 0; tier < 2; tier++) {
		struct sample_ring s;
		struct keyring_file file;

		make_ring(&s);
		for (int with = 0; with < 2; with++) {
			if (with)
				slot_macs_add(tier ? &s.issuer->macs : &s.auth->macs, &surplus);
			buf_clear(&s.file);
			assert_int_equal(keyring_encode(&s.ring,
							&(struct keyring_content){
								s.auth, s.issuer, { NULL, 0 } },
							&s.rng, &s.file),
					 0);
			assert_int_equal(
				keyring_decode(SPAN_OF(s.file.data, s.file.len), &file), 0);
			assert_int_equal(keyring_open_auth(&file, s.auth),
					 with && !tier ? -EBADMSG : 0);
			assert_int_equal(keyring_open_issuer(&file, s.issuer),
					 with && tier ? -EBADMSG : 0);
		}
		free_ring(&s);
	}
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
		cmocka_unit_test(a_newer_keyring_is_told_from_a_damaged_one),
		cmocka_unit_test(a_slot_by_who_has_only_the_file_does_not_open),
		cmocka_unit_test(who_holds_auth_alone_forges_no_issuer_root),
		cmocka_unit_test(a_body_with_the_key_of_no_slot_is_refused),
		cmocka_unit_test(a_verifier_is_as_documented),
		cmocka_unit_test(an_index_entry_is_as_documented),
		cmocka_unit_test(index_meta_is_as_documented),
	};

	return cmocka_run_group_tests(tests, load_vectors, save_vectors);
}
