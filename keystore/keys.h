/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of an open tier. They live in sodium_malloc() memory, read-only once filled; some
 * tens of kilobytes in all, whatever the number of records.
 */
#ifndef KEYSTORE_KEYS_H
#define KEYSTORE_KEYS_H

#include <stdbool.h>

#include "keystore/keyring_codec.h"
#include "keystore/verifier.h"

enum { KEYS_EPOCHS_MAX = 8 };

enum epoch_state { EPOCH_ACTIVE = 1, EPOCH_RETIRING = 2, EPOCH_STATE_MAX_ };

struct epoch {
	uint32_t id; /* from 1 */
	uint8_t state;
	uint64_t created; /* microseconds since 1970 */
	uint8_t key[SEAL_KEY_LEN];
};

struct epochs {
	uint32_t count;
	struct epoch all[KEYS_EPOCHS_MAX];
};

/* NULL when there is no such epoch. */
const struct epoch *epochs_find(const struct epochs *e, uint32_t id);
const struct epoch *epochs_active(const struct epochs *e);
bool epochs_equal(const struct epochs *a, const struct epochs *b);

struct verifier_keys {
	uint8_t store_id[STORE_ID_LEN];
	uint8_t name[SEAL_KEY_LEN];
	uint8_t seal[SEAL_KEY_LEN];
	uint8_t tag[SEAL_KEY_LEN];
	uint8_t decoy[SEAL_KEY_LEN];
};

/* The keys of the slots' MACs, by which whoever holds them can wrap new roots for a slot
 * without its owner. */
struct slot_mac {
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	uint8_t key[SEAL_KEY_LEN];
};

struct slot_macs {
	uint32_t count;
	struct slot_mac all[KEYRING_SLOTS_MAX];
};

/* NULL when there is none. */
const struct slot_mac *slot_macs_find(const struct slot_macs *macs, const uint8_t *id);
/* There must be room, and none of that id. */
void slot_macs_add(struct slot_macs *macs, const struct slot_mac *mac);
void slot_macs_drop(struct slot_macs *macs, const uint8_t *id);

struct auth_keys {
	uint8_t root[KEYRING_ROOT_LEN];
	/* derived from root */
	uint8_t ring[SEAL_KEY_LEN];
	uint8_t anchor[SEAL_KEY_LEN];
	uint8_t meta[SEAL_KEY_LEN];
	/* kept in the keyring */
	struct epochs epochs;
	uint8_t name[SEAL_KEY_LEN];
	uint8_t set[SEAL_KEY_LEN];
	struct verifier_keys verifier; /* of the index that is in use or on its way out */
	struct verifier_keys next;     /* while a reseal is under way: of the one to come */
	bool has_next;
	uint8_t recovery_pk[KEYRING_PK_LEN]; /* of the recovery key of the creation */
	struct slot_macs macs; /* of the slots that open AUTH alone */
	/* the keys of META and anchor from before the roots changed, as long as META may be
	 * under them */
	bool has_before;
	uint8_t meta_before[SEAL_KEY_LEN];
	uint8_t anchor_before[SEAL_KEY_LEN];
};

struct issuer_keys {
	uint8_t root[KEYRING_ROOT_LEN];
	uint8_t ring[SEAL_KEY_LEN]; /* derived from root */
	struct epochs epochs;
	struct slot_macs macs; /* of the slots that open both */
};

/* Guarded memory of SIZE bytes, zero-filled and writable; NULL when there is none. LOCKED is
 * set false, and otherwise left, when it is not locked into RAM. */
void *keys_alloc(size_t size, bool *locked);
/* After filling; and before changing what was filled. */
void keys_protect(void *keys);
void keys_unprotect(void *keys);
/* NULL is allowed. Wipes. */
void keys_free(void *keys);

/* Draws new name and seal keys for the index, as NEXT. The tag key stays, since password tags
 * in records are made with it; so does the decoy key, since a decoy that changes is told from a
 * login that does not. */
void auth_keys_draw_next(struct auth_keys *keys, const struct rng *rng);
/* NEXT takes the place of the verifier keys, in place. Without one nothing changes. */
void auth_keys_promote_next(struct auth_keys *keys);

/* Fills what comes out of root. */
void auth_keys_derive(struct auth_keys *keys);
void issuer_keys_derive(struct issuer_keys *keys);

/* New random keys, with one epoch each, for a new keystore. The roots are already there. */
void auth_keys_generate(struct auth_keys *keys, const uint8_t store_id[static STORE_ID_LEN],
			const struct rng *rng, uint64_t now);
void issuer_keys_generate(struct issuer_keys *keys, const struct rng *rng, uint64_t now);

/*
 * The keyring's bodies as bytes, before sealing and after opening. Encoding returns the length,
 * at most KEYRING_BODY_MAX. ISSUER_HASH: of the sealed ISSUER body, so that the two cannot be
 * taken from different keyrings. Decoding fills all but root and what is derived: -EBADMSG.
 */
size_t auth_keys_encode(const struct auth_keys *keys,
			const uint8_t issuer_hash[static SEAL_HASH_LEN],
			uint8_t out[static KEYRING_BODY_MAX]);
must_check int auth_keys_decode(struct span plain, struct auth_keys *ret,
				uint8_t ret_issuer_hash[static SEAL_HASH_LEN]);
size_t issuer_keys_encode(const struct issuer_keys *keys, uint8_t out[static KEYRING_BODY_MAX]);
must_check int issuer_keys_decode(struct span plain, struct issuer_keys *ret);

#endif
