/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encrypting every record anew and destroying the key that it was encrypted with before: in
 * small steps, between which everything else goes on. Part of keystore.h.
 *
 * Nothing is noted down of how far it is. Each record names its epoch, so after a crash or a
 * restart the next pass finds what is left by looking, and what it says is true.
 */
#ifndef KEYSTORE_RESEAL_H
#define KEYSTORE_RESEAL_H

#include "keystore/keystore.h"

enum {
	KEYSTORE_RESEAL_BATCH = 256,	  /* records in one transaction */
	KEYSTORE_RESEAL_LOOK = 16 * 1024, /* records that one step passes over at most */
	KEYSTORE_RESEAL_KEY_MAX = 40,
	KEYSTORE_RESEAL_INDEX = 2, /* from keystore_reseal_step() */
};

/* One pass through the store; the caller's, zero-filled at the start. */
struct keystore_reseal {
	uint64_t seen;	   /* records and tombstones so far, of count + tombstones */
	uint64_t resealed; /* of them, by this pass */
	bool is_compact;   /* when done: the old file is gone; false: no room for a copy */
	/* The caller's, who has an index that is sealed with the verifier keys: they are not
	 * destroyed before it says by a false that keystore_verifier_next() is in use. */
	bool has_index;
	/* the rest is the keystore's */
	bool is_proving; /* every header is looked at once more, before anything is destroyed */
	uint8_t table;
	size_t at_len;
	uint8_t at[KEYSTORE_RESEAL_KEY_MAX];
};

/* True from keystore_reseal_begin() until the old keys are destroyed, across restarts. False
 * while AUTH is sealed. */
bool keystore_is_resealing(const struct keystore *ks);

/*
 * Makes new keys for both tiers, which seal everything from now on, and new roots, as
 * keystore_rekey(), and draws the verifier keys that the index is to have at the end. Needs
 * both open. -EALREADY when a reseal is under way. When the keyring is
 * written it has begun, and is not undone.
 */
must_check int keystore_reseal_begin(struct keystore *ks, struct report *report);

/*
 * One step: 1 when there is more to do, 0 when all is sealed anew and the old keys are
 * destroyed; KEYSTORE_RESEAL_INDEX when all is done but the index, if PASS says that there is
 * one. Needs both tiers open. After a failure the same pass can be continued; no record is lost
 * or skipped.
 */
must_check int keystore_reseal_step(struct keystore *ks, struct keystore_reseal *pass,
				    struct report *report);

#endif
