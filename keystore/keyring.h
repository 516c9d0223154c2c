/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the keyring's slots and bodies mean: a slot's key is derived from what its owner knows,
 * the slot's root opened with it, and the bodies with the root.
 */
#ifndef KEYSTORE_KEYRING_H
#define KEYSTORE_KEYRING_H

#include "keystore/keys.h"

/* What a new slot is made with. */
struct slot_source {
	const struct rng *rng;
	const uint8_t *store_id;
	uint64_t now;
	uint64_t pwhash_ops;
	uint64_t pwhash_mem;
};

/* ROOT_A and ROOT_I one after the other; in memory from keys_alloc(). */
struct roots {
	uint8_t bytes[2 * KEYRING_ROOT_LEN];
};

/*
 * Fills RET with a slot that opens TIERS with KEY: a passphrase, a key file's content, or (for
 * KEYSTORE_SLOT_RECOVERY) the 32 bytes of the X25519 secret key. -ENOMEM when Argon2 cannot
 * have its memory.
 */
must_check int keyring_slot_make(const struct slot_source *src,
				 const struct keystore_slot *kind, struct span key,
				 const struct roots *roots, struct keyring_slot *ret);

/*
 * Opens a slot: fills as many roots as its tiers say. -EKEYREJECTED: KEY is not the one that it
 * was made with. -EBADMSG: it is, but the slot was changed since. -ENOMEM.
 */
must_check int keyring_slot_open(const struct keyring_slot *slot,
				 const uint8_t store_id[static STORE_ID_LEN], struct span key,
				 struct roots *ret);

/* BLAKE2b-256(key = KEK, "rt-kek-commit" slot_id): tells a wrong key from a damaged slot, which
 * Poly1305 alone cannot. */
void keyring_commit(const uint8_t kek[static SEAL_KEY_LEN],
		    const uint8_t slot_id[static KEYSTORE_SLOT_ID_LEN],
		    uint8_t out[static KEYRING_COMMIT_LEN]);

/* crypto_box_seal() with the ephemeral key from RNG; adds KEYRING_BOX_LEN bytes. */
void keyring_box_seal(const struct rng *rng, const uint8_t pk[static KEYRING_PK_LEN],
		      struct span plain, uint8_t *out);

/* The whole file, appended to OUT. -ENOMEM. */
must_check int keyring_encode(const struct keyring *ring, const struct auth_keys *auth,
			      const struct issuer_keys *issuer, const struct rng *rng,
			      struct buf *out);

/* Opens a body with keys whose root is set; derives and fills the rest. -EBADMSG. */
must_check int keyring_open_auth(const struct keyring_file *file, struct auth_keys *keys);
must_check int keyring_open_issuer(const struct keyring_file *file, struct issuer_keys *keys);

#endif
