/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/keyring.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/recovery.h"

_Static_assert(KEYRING_PK_LEN == crypto_box_PUBLICKEYBYTES, "format");
_Static_assert(RECOVERY_KEY_LEN == crypto_box_SECRETKEYBYTES, "format");
_Static_assert(KEYRING_BOX_LEN == crypto_box_SEALBYTES, "format");
_Static_assert(KEYRING_SALT_LEN == crypto_pwhash_SALTBYTES, "format");
_Static_assert(KEYRING_SALT_LEN == crypto_generichash_blake2b_SALTBYTES, "format");
_Static_assert(KEYRING_ARGON2ID13 == crypto_pwhash_ALG_ARGON2ID13, "format");
_Static_assert(KEYRING_OPS_MIN == crypto_pwhash_OPSLIMIT_INTERACTIVE, "format");
_Static_assert(KEYRING_MEM_MIN == crypto_pwhash_MEMLIMIT_INTERACTIVE, "format");

static const char slot_label[] = "rotated-slot-v1"; /* each with its NUL */
static const char auth_label[] = "rotated-ring-a1";
static const char issuer_label[] = "rotated-ring-i1";
static const char commit_label[] = "rt-kek-commit"; /* without */
static const uint8_t file_personal[crypto_generichash_blake2b_PERSONALBYTES] =
	"rt-key-file-kek";

void keyring_commit(const uint8_t kek[static SEAL_KEY_LEN],
		    const uint8_t slot_id[static KEYSTORE_SLOT_ID_LEN],
		    uint8_t out[static KEYRING_COMMIT_LEN])
{
	const struct span parts[] = {
		SPAN_STRING(commit_label),
		{ slot_id, KEYSTORE_SLOT_ID_LEN },
	};

	seal_hash(kek, parts, ARRAY_SIZE(parts), out);
}

void keyring_box_seal(const struct rng *rng, const uint8_t pk[static KEYRING_PK_LEN],
		      struct span plain, uint8_t *out)
{
	uint8_t seed[crypto_box_SEEDBYTES];
	uint8_t esk[crypto_box_SECRETKEYBYTES];
	uint8_t nonce[crypto_box_NONCEBYTES];
	crypto_generichash_state state;

	rng_fill(rng, seed, sizeof(seed));
	(void)crypto_box_seed_keypair(out, esk, seed); /* out starts with the ephemeral pk */
	(void)crypto_generichash_init(&state, NULL, 0, sizeof(nonce));
	(void)crypto_generichash_update(&state, out, KEYRING_PK_LEN);
	(void)crypto_generichash_update(&state, pk, KEYRING_PK_LEN);
	(void)crypto_generichash_final(&state, nonce, sizeof(nonce));
	/* fails only for a public key of small order, which ours is not */
	if (crypto_box_easy(out + KEYRING_PK_LEN, plain.data, plain.len, nonce, pk, esk) != 0)
		sodium_memzero(out, plain.len + KEYRING_BOX_LEN);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(esk, sizeof(esk));
}

/* The key encryption key of a slot from what its owner knows. */
static int derive_kek(const struct keyring_slot *slot, struct span key,
		      uint8_t kek[static SEAL_KEY_LEN])
{
	switch (slot->info.type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		if (crypto_pwhash(kek, SEAL_KEY_LEN, (const char *)key.data, key.len,
				  slot->passphrase.salt, slot->passphrase.ops,
				  (size_t)slot->passphrase.mem,
				  crypto_pwhash_ALG_ARGON2ID13) != 0)
			return -ENOMEM;
		return 0;
	case KEYSTORE_SLOT_KEY_FILE:
		(void)crypto_generichash_blake2b_salt_personal(
			kek, SEAL_KEY_LEN, key.data, key.len, NULL, 0, slot->key_file.salt,
			file_personal);
		return 0;
	case KEYSTORE_SLOT_RECOVERY:
		if (key.len != RECOVERY_KEY_LEN)
			return -EKEYREJECTED;
		memcpy(kek, key.data, SEAL_KEY_LEN);
		return 0;
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
	case KEYSTORE_SLOT_QUORUM:
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return -EBADMSG;
	}
}

/* A wrapped root is bound to this store and to its slot's own head. */
static void slot_aad(const struct keyring_slot *slot,
		     const uint8_t store_id[static STORE_ID_LEN], struct buf *out)
{
	buf_append(out, slot_label, sizeof(slot_label));
	buf_append(out, store_id, STORE_ID_LEN);
	keyring_encode_slot_head(slot, out);
}

static void fill_params(const struct slot_source *src, const uint8_t *recovery_sk,
			struct keyring_slot *s)
{
	switch (s->info.type) {
	case KEYSTORE_SLOT_PASSPHRASE:
		s->passphrase.ops = src->pwhash_ops;
		s->passphrase.mem = src->pwhash_mem;
		rng_fill(src->rng, s->passphrase.salt, KEYRING_SALT_LEN);
		break;
	case KEYSTORE_SLOT_KEY_FILE:
		rng_fill(src->rng, s->key_file.salt, KEYRING_SALT_LEN);
		break;
	case KEYSTORE_SLOT_RECOVERY:
		(void)crypto_scalarmult_base(s->recovery.pk, recovery_sk);
		break;
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
	case KEYSTORE_SLOT_QUORUM:
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		break;
	}
}

static int wrap(const struct slot_source *src, const uint8_t kek[static SEAL_KEY_LEN],
		const struct roots *roots, struct keyring_slot *s)
{
	cleanup_buf struct buf aad = BUF_INIT;
	size_t len = keyring_root_len(&s->info);

	if (s->info.type == KEYSTORE_SLOT_RECOVERY) {
		keyring_box_seal(src->rng, s->recovery.pk, SPAN_OF(roots->bytes, len),
				 s->wrapped);
		return 0;
	}
	slot_aad(s, src->store_id, &aad);
	if (buf_error(&aad))
		return buf_error(&aad);
	rng_fill(src->rng, s->wrapped, SEAL_NONCE_LEN);
	seal_encrypt(kek, s->wrapped, SPAN_OF(aad.data, aad.len), SPAN_OF(roots->bytes, len),
		     s->wrapped + SEAL_NONCE_LEN);
	return 0;
}

int keyring_slot_make(const struct slot_source *src, const struct keystore_slot *kind,
		      struct span key, const struct roots *roots, struct keyring_slot *ret)
{
	struct keyring_slot s = { .info = *kind };
	uint8_t kek[SEAL_KEY_LEN];
	int r;

	if (kind->type == KEYSTORE_SLOT_RECOVERY && key.len != RECOVERY_KEY_LEN)
		return -EINVAL;
	rng_fill(src->rng, s.info.id, sizeof(s.info.id));
	s.info.created = src->now;
	fill_params(src, key.data, &s);
	r = derive_kek(&s, key, kek);
	if (r == 0)
		r = wrap(src, kek, roots, &s);
	if (r == 0) {
		keyring_commit(kek, s.info.id, s.commit);
		*ret = s;
	}
	sodium_memzero(kek, sizeof(kek));
	return r;
}

static int unwrap(const struct keyring_slot *slot, const uint8_t *store_id,
		  const uint8_t kek[static SEAL_KEY_LEN], struct roots *ret)
{
	cleanup_buf struct buf aad = BUF_INIT;
	size_t len = keyring_wrapped_len(&slot->info);

	if (slot->info.type == KEYSTORE_SLOT_RECOVERY)
		return crypto_box_seal_open(ret->bytes, slot->wrapped, len, slot->recovery.pk,
					    kek) == 0
			       ? 0
			       : -EBADMSG;
	slot_aad(slot, store_id, &aad);
	if (buf_error(&aad))
		return buf_error(&aad);
	return seal_decrypt(kek, slot->wrapped, SPAN_OF(aad.data, aad.len),
			    SPAN_OF(slot->wrapped + SEAL_NONCE_LEN, len - SEAL_NONCE_LEN),
			    ret->bytes);
}

int keyring_slot_open(const struct keyring_slot *slot,
		      const uint8_t store_id[static STORE_ID_LEN], struct span key,
		      struct roots *ret)
{
	uint8_t commit[KEYRING_COMMIT_LEN];
	uint8_t kek[SEAL_KEY_LEN];
	int r;

	r = derive_kek(slot, key, kek);
	if (r == 0) {
		keyring_commit(kek, slot->info.id, commit);
		if (sodium_memcmp(commit, slot->commit, sizeof(commit)) != 0)
			r = -EKEYREJECTED;
	}
	if (r == 0)
		r = unwrap(slot, store_id, kek, ret);
	sodium_memzero(kek, sizeof(kek));
	return r;
}

/* The ISSUER body is bound to the store and the slots but not to the generation, so that a
 * rewrite of the AUTH body alone can keep it. */
static void issuer_aad(const uint8_t store_id[static STORE_ID_LEN], struct span slots,
		       struct buf *out)
{
	buf_append(out, issuer_label, sizeof(issuer_label));
	buf_append(out, store_id, STORE_ID_LEN);
	buf_append(out, slots.data, slots.len);
}

static void auth_aad(struct span before, struct buf *out)
{
	buf_append(out, auth_label, sizeof(auth_label));
	buf_append(out, before.data, before.len);
}

/* Appends nonce and sealed PLAIN to OUT, which ends with the length. */
static void append_sealed(const uint8_t key[static SEAL_KEY_LEN], const struct rng *rng,
			  const struct buf *aad, struct span plain, struct buf *out)
{
	uint8_t *p = buf_reserve(out, SEAL_NONCE_LEN + plain.len + SEAL_TAG_LEN);

	if (!p)
		return;
	rng_fill(rng, p, SEAL_NONCE_LEN);
	seal_encrypt(key, p, SPAN_OF(aad->data, aad->len), plain, p + SEAL_NONCE_LEN);
	out->len += SEAL_NONCE_LEN + plain.len + SEAL_TAG_LEN;
}

static int encode_issuer(const struct issuer_keys *keys, const struct rng *rng,
			 const struct buf *aad, struct buf *out)
{
	uint8_t plain[KEYRING_BODY_MAX];
	size_t len = issuer_keys_encode(keys, plain);

	buf_append_be32(out, (uint32_t)(len + SEAL_TAG_LEN));
	append_sealed(keys->ring, rng, aad, SPAN_OF(plain, len), out);
	sodium_memzero(plain, len);
	return buf_error(out);
}

static int encode_auth(const struct auth_keys *keys, const struct rng *rng,
		       const struct buf *issuer, struct buf *out)
{
	cleanup_buf struct buf aad = BUF_INIT;
	uint8_t plain[KEYRING_BODY_MAX];
	uint8_t issuer_hash[SEAL_HASH_LEN];
	size_t len;

	(void)crypto_generichash(issuer_hash, sizeof(issuer_hash), issuer->data, issuer->len,
				 NULL, 0);
	len = auth_keys_encode(keys, issuer_hash, plain);
	buf_append_be32(out, (uint32_t)(len + SEAL_TAG_LEN));
	if (!buf_error(out))
		auth_aad(SPAN_OF(out->data, out->len), &aad);
	if (!buf_error(out) && !buf_error(&aad))
		append_sealed(keys->ring, rng, &aad, SPAN_OF(plain, len), out);
	sodium_memzero(plain, len);
	return buf_error(&aad) ? buf_error(&aad) : buf_error(out);
}

int keyring_encode(const struct keyring *ring, const struct auth_keys *auth,
		   const struct issuer_keys *issuer, const struct rng *rng, struct buf *out)
{
	cleanup_buf struct buf file = BUF_INIT;
	cleanup_buf struct buf body = BUF_INIT;
	cleanup_buf struct buf aad = BUF_INIT;
	size_t slots;
	int r;

	keyring_encode_head(ring, &file, &slots);
	if (buf_error(&file))
		return buf_error(&file);
	issuer_aad(ring->store_id, SPAN_OF(file.data + slots, file.len - slots), &aad);
	if (buf_error(&aad))
		return buf_error(&aad);
	r = encode_issuer(issuer, rng, &aad, &body);
	if (r < 0)
		return r;
	r = encode_auth(auth, rng, &body, &file);
	if (r < 0)
		return r;
	buf_append(&file, body.data, body.len);
	if (buf_error(&file))
		return buf_error(&file);
	buf_append(out, file.data, file.len);
	return buf_error(out);
}

/* Opens BODY into PLAIN; the length, or -EBADMSG, -ENOMEM. */
static int open_body(const struct keyring_body *body, const uint8_t key[static SEAL_KEY_LEN],
		     const struct buf *aad, uint8_t plain[static KEYRING_BODY_MAX])
{
	int r;

	if (buf_error(aad))
		return buf_error(aad);
	r = seal_decrypt(key, body->nonce, SPAN_OF(aad->data, aad->len), body->sealed, plain);
	return r < 0 ? r : (int)(body->sealed.len - SEAL_TAG_LEN);
}

int keyring_open_auth(const struct keyring_file *file, struct auth_keys *keys)
{
	cleanup_buf struct buf aad = BUF_INIT;
	uint8_t plain[KEYRING_BODY_MAX];
	uint8_t expected[SEAL_HASH_LEN];
	uint8_t hash[SEAL_HASH_LEN];
	int r;

	auth_keys_derive(keys);
	auth_aad(file->auth.before, &aad);
	r = open_body(&file->auth, keys->ring, &aad, plain);
	if (r >= 0)
		r = auth_keys_decode(SPAN_OF(plain, (size_t)r), keys, expected);
	sodium_memzero(plain, sizeof(plain));
	if (r < 0)
		return r;
	(void)crypto_generichash(hash, sizeof(hash), file->issuer_all.data,
				 file->issuer_all.len, NULL, 0);
	if (sodium_memcmp(hash, expected, sizeof(hash)) != 0)
		return -EBADMSG;
	memcpy(keys->verifier.store_id, file->ring.store_id, STORE_ID_LEN);
	return 0;
}

int keyring_open_issuer(const struct keyring_file *file, struct issuer_keys *keys)
{
	cleanup_buf struct buf aad = BUF_INIT;
	uint8_t plain[KEYRING_BODY_MAX];
	int r;

	issuer_keys_derive(keys);
	issuer_aad(file->ring.store_id, file->slots, &aad);
	r = open_body(&file->issuer, keys->ring, &aad, plain);
	if (r >= 0)
		r = issuer_keys_decode(SPAN_OF(plain, (size_t)r), keys);
	sodium_memzero(plain, sizeof(plain));
	return r;
}
