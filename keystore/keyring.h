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
	uint64_t pwhash_ops;
	uint64_t pwhash_mem;
};

/* ROOT_A and ROOT_I one after the other; in memory from keys_alloc(). */
struct roots {
	uint8_t bytes[2 * KEYRING_ROOT_LEN];
};

/*
 * Completes SLOT, whose info, blob or quorum are set, so that KEY opens the roots of its tiers:
 * a passphrase, a key file's content, what a helper gives, the X25519 secret key of a recovery
 * slot, or the key that a quorum's shares were made of. -ENOMEM when Argon2 cannot have its
 * memory.
 */
must_check int keyring_slot_make(const struct slot_source *src, struct span key,
				 const struct roots *roots, struct keyring_slot *slot,
				 struct slot_mac *ret);

/* The key encryption key of a slot. -EKEYREJECTED: KEY is not the one that it was made with.
 * -ENOMEM. */
must_check int keyring_slot_kek(const struct keyring_slot *slot, struct span key,
				uint8_t ret[static SEAL_KEY_LEN]);

/* Opens a slot: fills as many roots as its tiers say. -EBADMSG: KEK is the right one, but the
 * slot was changed since, or was not made by who knows KEK. */
must_check int keyring_slot_open(const struct keyring_slot *slot,
				 const uint8_t store_id[static STORE_ID_LEN],
				 const uint8_t kek[static SEAL_KEY_LEN], struct roots *ret);

/* Wraps ROOTS for a slot whose pk is set, and makes its MAC. */
must_check int keyring_slot_wrap(const struct rng *rng,
				 const uint8_t store_id[static STORE_ID_LEN],
				 const struct roots *roots, const struct slot_mac *mac,
				 struct keyring_slot *slot);

/* BLAKE2b-256(key = KEK, "rt-kek-commit" slot_id): tells a wrong key from a damaged slot, which
 * Poly1305 alone cannot. */
void keyring_commit(const uint8_t kek[static SEAL_KEY_LEN],
		    const uint8_t slot_id[static KEYSTORE_SLOT_ID_LEN],
		    uint8_t out[static KEYRING_COMMIT_LEN]);

/* The key of audit line 1, out of the recovery key alone: whatever else could be asked for it
 * lies where who holds AUTH can write. */
void keyring_audit_first(const uint8_t recovery_key[static SEAL_KEY_LEN],
			 uint8_t out[static KEYSTORE_AUDIT_LEN]);

/* crypto_box_seal() with the ephemeral key from RNG; adds KEYRING_BOX_LEN bytes. */
void keyring_box_seal(const struct rng *rng, const uint8_t pk[static KEYRING_PK_LEN],
		      struct span plain, uint8_t *out);

/* What the bodies are made of. */
struct keyring_content {
	const struct auth_keys *auth;
	/* NULL while ISSUER is sealed: its body stays as it is, which the slots then have to */
	const struct issuer_keys *issuer;
	struct span issuer_sealed; /* length, nonce and sealed bytes */
};

/* The whole file, appended to OUT. -ENOMEM. */
must_check int keyring_encode(const struct keyring *ring, const struct keyring_content *content,
			      const struct rng *rng, struct buf *out);

/* Opens a body with keys whose root is set; derives and fills the rest. -EBADMSG, also for a
 * slot whose MAC is not right. */
must_check int keyring_open_auth(const struct keyring_file *file, struct auth_keys *keys);
must_check int keyring_open_issuer(const struct keyring_file *file, struct issuer_keys *keys);

#endif
