/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/seal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(SEAL_KEY_LEN == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "format");
_Static_assert(SEAL_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "format");
_Static_assert(SEAL_TAG_LEN == crypto_aead_xchacha20poly1305_ietf_ABYTES, "format");
_Static_assert(SEAL_KEY_LEN == crypto_kdf_KEYBYTES, "root keys are KDF keys");

void rng_fill(const struct rng *rng, void *out, size_t len)
{
	if (rng->fill)
		rng->fill(rng->context, out, len);
	else
		randombytes_buf(out, len);
}

void seal_encrypt(const uint8_t key[static SEAL_KEY_LEN],
		  const uint8_t nonce[static SEAL_NONCE_LEN], struct span aad,
		  struct span plain, uint8_t *out)
{
	/* fails only for lengths that no format here reaches */
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain.data, plain.len,
							 aad.data, aad.len, NULL, nonce, key);
}

int seal_decrypt(const uint8_t key[static SEAL_KEY_LEN],
		 const uint8_t nonce[static SEAL_NONCE_LEN], struct span aad,
		 struct span sealed, uint8_t *out)
{
	if (sealed.len < SEAL_TAG_LEN)
		return -EBADMSG;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.len,
						       aad.data, aad.len, nonce, key) != 0)
		return -EBADMSG;
	return 0;
}

void seal_hash(const uint8_t key[static SEAL_KEY_LEN], const struct span *parts, size_t count,
	       uint8_t out[static SEAL_HASH_LEN])
{
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, key, SEAL_KEY_LEN, SEAL_HASH_LEN);
	for (size_t i = 0; i < count; i++)
		(void)crypto_generichash_update(&state, parts[i].data, parts[i].len);
	(void)crypto_generichash_final(&state, out, SEAL_HASH_LEN);
	sodium_memzero(&state, sizeof(state));
}

void seal_derive(const uint8_t key[static SEAL_KEY_LEN], const char *context,
		 uint8_t out[static SEAL_KEY_LEN])
{
	assert(strlen(context) == crypto_kdf_CONTEXTBYTES);
	(void)crypto_kdf_derive_from_key(out, SEAL_KEY_LEN, 1, context, key);
}
