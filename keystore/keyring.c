/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/keyring.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"
#include "keystore/recovery.h"

_Static_assert((int)KEYSTORE_AUDIT_LEN == (int)SEAL_KEY_LEN, "a derived key");
_Static_assert(KEYRING_PK_LEN == crypto_box_PUBLICKEYBYTES, "format");
_Static_assert(RECOVERY_KEY_LEN == crypto_box_SECRETKEYBYTES, "format");
_Static_assert(KEYRING_BOX_LEN == crypto_box_SEALBYTES, "format");
_Static_assert(KEYRING_SALT_LEN == crypto_pwhash_SALTBYTES, "format");
_Static_assert(KEYRING_SALT_LEN == crypto_generichash_blake2b_SALTBYTES, "format");
_Static_assert(KEYRING_ARGON2ID13 == crypto_pwhash_ALG_ARGON2ID13, "format");
_Static_assert(KEYRING_OPS_MIN == crypto_pwhash_OPSLIMIT_INTERACTIVE, "format");
_Static_assert(KEYRING_MEM_MIN == crypto_pwhash_MEMLIMIT_INTERACTIVE, "format");

static const char slot_label[] = "rotated-slot-v2"; /* each with its NUL */
static const char auth_label[] = "rotated-ring-a2";
static const char issuer_label[] = "rotated-ring-i2";
static const char commit_label[] = "rt-kek-commit"; /* without */

/* Each type hashes what its owner gives in a way of its own, so that one key used twice makes
 * two that have nothing to do with each other. */
static const uint8_t key_file_personal[crypto_generichash_blake2b_PERSONALBYTES] =
	"rt-key-file-kek";
static const uint8_t credential_personal[crypto_generichash_blake2b_PERSONALBYTES] =
	"rt-credentl-kek";
static const uint8_t exec_personal[crypto_generichash_blake2b_PERSONALBYTES] =
	"rt-exec-prg-kek";

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

void keyring_audit_first(const uint8_t recovery_key[static SEAL_KEY_LEN],
			 uint8_t out[static KEYSTORE_AUDIT_LEN])
{
	seal_derive(recovery_key, "rtaudit1", out);
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

static void hash_kek(struct span key, const uint8_t *salt, const uint8_t *personal,
		     uint8_t kek[static SEAL_KEY_LEN])
{
	(void)crypto_generichash_blake2b_salt_personal(kek, SEAL_KEY_LEN, key.data, key.len,
						       NULL, 0, salt, personal);
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
		hash_kek(key, slot->key_file.salt, key_file_personal, kek);
		return 0;
	case KEYSTORE_SLOT_CREDENTIAL:
		hash_kek(key, slot->helper.salt, credential_personal, kek);
		return 0;
	case KEYSTORE_SLOT_EXEC:
		hash_kek(key, slot->helper.salt, exec_personal, kek);
		return 0;
	case KEYSTORE_SLOT_RECOVERY:
	case KEYSTORE_SLOT_QUORUM:
		if (key.len != SEAL_KEY_LEN)
			return -EKEYREJECTED;
		memcpy(kek, key.data, SEAL_KEY_LEN);
		return 0;
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		return -EBADMSG;
	}
}

/* The secret key that the box of a slot opens with. */
static void derive_sk(const struct keyring_slot *slot, const uint8_t kek[static SEAL_KEY_LEN],
		      uint8_t sk[static crypto_box_SECRETKEYBYTES])
{
	if (slot->info.type == KEYSTORE_SLOT_RECOVERY)
		memcpy(sk, kek, crypto_box_SECRETKEYBYTES);
	else
		seal_derive(kek, "rtslotsk", sk);
}

static void derive_mac(const struct keyring_slot *slot, const uint8_t kek[static SEAL_KEY_LEN],
		       struct slot_mac *ret)
{
	memcpy(ret->id, slot->info.id, sizeof(ret->id));
	seal_derive(kek, "rtslotmk", ret->key);
}

static void derive_pk(const struct keyring_slot *slot, const uint8_t kek[static SEAL_KEY_LEN],
		      uint8_t pk[static KEYRING_PK_LEN])
{
	uint8_t sk[crypto_box_SECRETKEYBYTES];

	derive_sk(slot, kek, sk);
	(void)crypto_scalarmult_base(pk, sk);
	sodium_memzero(sk, sizeof(sk));
}

/* ---- wrapping ---- */

static int slot_mac(const struct keyring_slot *slot, const uint8_t *store_id,
		    const uint8_t key[static SEAL_KEY_LEN], uint8_t out[static KEYRING_MAC_LEN])
{
	cleanup_buf struct buf covered = BUF_INIT;

	keyring_encode_slot_covered(slot, &covered);
	if (buf_error(&covered))
		return buf_error(&covered);
	const struct span parts[] = {
		{ (const uint8_t *)slot_label, sizeof(slot_label) },
		{ store_id, STORE_ID_LEN },
		{ covered.data, covered.len },
	};
	seal_hash(key, parts, ARRAY_SIZE(parts), out);
	return 0;
}

static int check_mac(const struct keyring_slot *slot, const uint8_t *store_id,
		     const uint8_t key[static SEAL_KEY_LEN])
{
	uint8_t mac[KEYRING_MAC_LEN];
	int r = slot_mac(slot, store_id, key, mac);

	if (r < 0)
		return r;
	return sodium_memcmp(mac, slot->mac, sizeof(mac)) == 0 ? 0 : -EBADMSG;
}

int keyring_slot_wrap(const struct rng *rng, const uint8_t store_id[static STORE_ID_LEN],
		      const struct roots *roots, const struct slot_mac *mac,
		      struct keyring_slot *slot)
{
	keyring_box_seal(rng, slot->pk, SPAN_OF(roots->bytes, keyring_root_len(&slot->info)),
			 slot->wrapped);
	return slot_mac(slot, store_id, mac->key, slot->mac);
}

static void fill_params(const struct slot_source *src, struct keyring_slot *s)
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
	case KEYSTORE_SLOT_CREDENTIAL:
	case KEYSTORE_SLOT_EXEC:
		rng_fill(src->rng, s->helper.salt, KEYRING_SALT_LEN);
		break;
	case KEYSTORE_SLOT_RECOVERY:
	case KEYSTORE_SLOT_QUORUM:
	case KEYSTORE_SLOT_TYPE_MAX_:
	default:
		break;
	}
}

int keyring_slot_make(const struct slot_source *src, struct span key, const struct roots *roots,
		      struct keyring_slot *slot, struct slot_mac *ret)
{
	struct slot_mac mac;
	uint8_t kek[SEAL_KEY_LEN];
	int r;

	fill_params(src, slot);
	r = derive_kek(slot, key, kek);
	if (r < 0)
		return r;
	derive_pk(slot, kek, slot->pk);
	derive_mac(slot, kek, &mac);
	keyring_commit(kek, slot->info.id, slot->commit);
	r = keyring_slot_wrap(src->rng, src->store_id, roots, &mac, slot);
	if (r == 0)
		*ret = mac;
	sodium_memzero(kek, sizeof(kek));
	sodium_memzero(&mac, sizeof(mac));
	return r;
}

/* ---- opening ---- */

int keyring_slot_kek(const struct keyring_slot *slot, struct span key,
		     uint8_t ret[static SEAL_KEY_LEN])
{
	uint8_t commit[KEYRING_COMMIT_LEN];
	uint8_t kek[SEAL_KEY_LEN];
	int r = derive_kek(slot, key, kek);

	if (r == 0) {
		keyring_commit(kek, slot->info.id, commit);
		if (sodium_memcmp(commit, slot->commit, sizeof(commit)) != 0)
			r = -EKEYREJECTED;
	}
	if (r == 0)
		memcpy(ret, kek, sizeof(kek));
	sodium_memzero(kek, sizeof(kek));
	return r;
}

static int unwrap(const struct keyring_slot *slot, const uint8_t kek[static SEAL_KEY_LEN],
		  struct roots *ret)
{
	uint8_t sk[crypto_box_SECRETKEYBYTES];
	int r;

	derive_sk(slot, kek, sk);
	r = crypto_box_seal_open(ret->bytes, slot->wrapped, keyring_wrapped_len(&slot->info),
				 slot->pk, sk);
	sodium_memzero(sk, sizeof(sk));
	return r == 0 ? 0 : -EBADMSG;
}

int keyring_slot_open(const struct keyring_slot *slot,
		      const uint8_t store_id[static STORE_ID_LEN],
		      const uint8_t kek[static SEAL_KEY_LEN], struct roots *ret)
{
	struct slot_mac mac;
	int r;

	/* a box alone says nothing of who made it */
	derive_mac(slot, kek, &mac);
	r = check_mac(slot, store_id, mac.key);
	sodium_memzero(&mac, sizeof(mac));
	return r < 0 ? r : unwrap(slot, kek, ret);
}

/* The body's MAC keys are those of the slots for exactly TIERS, and each slot's MAC is right.
 */
static int check_slots(const struct keyring *ring, const struct slot_macs *macs,
		       enum keystore_tier tiers)
{
	size_t found = 0;

	for (size_t i = 0; i < ring->slot_count; i++) {
		const struct keyring_slot *s = &ring->slots[i];
		const struct slot_mac *mac;
		int r;

		if (s->info.tiers != tiers)
			continue;
		mac = slot_macs_find(macs, s->info.id);
		r = mac ? check_mac(s, ring->store_id, mac->key) : -EBADMSG;
		if (r < 0)
			return r;
		found++;
	}
	return found == macs->count ? 0 : -EBADMSG;
}

/* ---- bodies ---- */

/* The ISSUER body is bound to the store and the slots but not to the generation, so that a
 * rewrite of the AUTH body alone can keep it. */
static void issuer_aad(const struct keyring *ring, struct span slots, struct buf *out)
{
	buf_append(out, issuer_label, sizeof(issuer_label));
	buf_append(out, ring->store_id, STORE_ID_LEN);
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

/* FILE is all that comes before it. */
static int encode_auth(const struct auth_keys *keys, const struct rng *rng, struct span issuer,
		       struct buf *file)
{
	cleanup_buf struct buf aad = BUF_INIT;
	uint8_t plain[KEYRING_BODY_MAX];
	uint8_t issuer_hash[SEAL_HASH_LEN];
	size_t len;

	(void)crypto_generichash(issuer_hash, sizeof(issuer_hash), issuer.data, issuer.len,
				 NULL, 0);
	len = auth_keys_encode(keys, issuer_hash, plain);
	buf_append_be32(file, (uint32_t)(len + SEAL_TAG_LEN));
	if (!buf_error(file))
		auth_aad(SPAN_OF(file->data, file->len), &aad);
	if (!buf_error(file) && !buf_error(&aad))
		append_sealed(keys->ring, rng, &aad, SPAN_OF(plain, len), file);
	sodium_memzero(plain, len);
	return buf_error(&aad) ? buf_error(&aad) : buf_error(file);
}

int keyring_encode(const struct keyring *ring, const struct keyring_content *content,
		   const struct rng *rng, struct buf *out)
{
	cleanup_buf struct buf file = BUF_INIT;
	cleanup_buf struct buf body = BUF_INIT;
	cleanup_buf struct buf aad = BUF_INIT;
	size_t slots;
	int r;

	keyring_encode_head(ring, &file, &slots);
	if (buf_error(&file))
		return buf_error(&file);
	issuer_aad(ring, SPAN_OF(file.data + slots, file.len - slots), &aad);
	if (buf_error(&aad))
		return buf_error(&aad);
	if (content->issuer) {
		r = encode_issuer(content->issuer, rng, &aad, &body);
		if (r < 0)
			return r;
	} else {
		buf_append(&body, content->issuer_sealed.data, content->issuer_sealed.len);
		if (buf_error(&body))
			return buf_error(&body);
	}
	r = encode_auth(content->auth, rng, SPAN_OF(body.data, body.len), &file);
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
	if (keys->has_next)
		memcpy(keys->next.store_id, file->ring.store_id, STORE_ID_LEN);
	return check_slots(&file->ring, &keys->macs, KEYSTORE_AUTH);
}

int keyring_open_issuer(const struct keyring_file *file, struct issuer_keys *keys)
{
	cleanup_buf struct buf aad = BUF_INIT;
	uint8_t plain[KEYRING_BODY_MAX];
	int r;

	issuer_keys_derive(keys);
	issuer_aad(&file->ring, file->slots, &aad);
	r = open_body(&file->issuer, keys->ring, &aad, plain);
	if (r >= 0)
		r = issuer_keys_decode(SPAN_OF(plain, (size_t)r), keys);
	sodium_memzero(plain, sizeof(plain));
	return r < 0 ? r : check_slots(&file->ring, &keys->macs, KEYSTORE_BOTH);
}
