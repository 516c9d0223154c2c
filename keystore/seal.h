/* SPDX-License-Identifier: BSD-2-Clause */
/* The few primitives that all formats here are made of: XChaCha20-Poly1305-IETF, keyed BLAKE2b,
 * and randomness that enters from outside. */
#ifndef KEYSTORE_SEAL_H
#define KEYSTORE_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

enum {
	SEAL_KEY_LEN = 32,
	SEAL_NONCE_LEN = 24,
	SEAL_TAG_LEN = 16,
	SEAL_HASH_LEN = 32,
	STORE_ID_LEN = 16,
};

/* Borrowed bytes. */
struct span {
	const uint8_t *data;
	size_t len;
};

#define SPAN(array)    ((struct span){ (array), sizeof(array) })
#define SPAN_OF(p, n)  ((struct span){ (p), (n) })
#define SPAN_STRING(s) ((struct span){ (const uint8_t *)(s), sizeof(s) - 1 })

/* Where randomness comes from; .fill NULL is libsodium. */
struct rng {
	void (*fill)(void *context, void *out, size_t len);
	void *context;
};

void rng_fill(const struct rng *rng, void *out, size_t len);

/* Writes plain.len + SEAL_TAG_LEN bytes. OUT may be where PLAIN is. */
void seal_encrypt(const uint8_t key[static SEAL_KEY_LEN],
		  const uint8_t nonce[static SEAL_NONCE_LEN], struct span aad,
		  struct span plain, uint8_t *out);

/* Writes sealed.len - SEAL_TAG_LEN bytes; OUT holds nothing of use after -EBADMSG. */
must_check int seal_decrypt(const uint8_t key[static SEAL_KEY_LEN],
			    const uint8_t nonce[static SEAL_NONCE_LEN], struct span aad,
			    struct span sealed, uint8_t *out);

/* BLAKE2b-256, keyed with 32 bytes, over the PARTS one after the other. */
void seal_hash(const uint8_t key[static SEAL_KEY_LEN], const struct span *parts, size_t count,
	       uint8_t out[static SEAL_HASH_LEN]);

/* crypto_kdf subkey 1 of KEY in CONTEXT, which has 8 characters. */
void seal_derive(const uint8_t key[static SEAL_KEY_LEN], const char *context,
		 uint8_t out[static SEAL_KEY_LEN]);

#endif
