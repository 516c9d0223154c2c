/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the store was at its last commit, kept outside of it: a store that is older than its
 * anchor has been put back. Two slots of one disk sector each, written in turn and in place, so
 * that a torn write leaves the other one. Pure: bytes in, bytes out.
 */
#ifndef KEYSTORE_ANCHOR_H
#define KEYSTORE_ANCHOR_H

#include "keystore/meta.h"

enum {
	ANCHOR_SLOT_LEN = 512,
	ANCHOR_LEN = 2 * ANCHOR_SLOT_LEN,
};

struct anchor {
	uint64_t txid;
	uint64_t generation;	   /* of the keyring */
	uint64_t time;		   /* microseconds since 1970 */
	uint8_t set[SET_HASH_LEN]; /* set_hash_digest() */
};

/* Which half of the file a transaction goes to, as an offset. */
size_t anchor_offset(uint64_t txid);

void anchor_encode(const uint8_t key[static SEAL_KEY_LEN],
		   const uint8_t store_id[static STORE_ID_LEN], const struct anchor *a,
		   uint8_t out[static ANCHOR_SLOT_LEN]);

/* The newer of the valid slots in a whole file. -EBADMSG when none is. */
must_check int anchor_decode(const uint8_t key[static SEAL_KEY_LEN],
			     const uint8_t store_id[static STORE_ID_LEN], struct span file,
			     struct anchor *ret);

#endif
