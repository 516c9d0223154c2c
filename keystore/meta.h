/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of the whole store, changed in every transaction, and the set hash that stands for
 * its content (docs/keystore-format.md, "META"). Pure.
 */
#ifndef KEYSTORE_META_H
#define KEYSTORE_META_H

#include "keystore/keystore.h"
#include "keystore/record.h"
#include "keystore/seal.h"

enum {
	SET_HASH_LEN = 64,
	META_HEAD_LEN = 16,
	META_PLAIN_LEN = 192,
	META_LEN = META_HEAD_LEN + SEAL_NONCE_LEN + META_PLAIN_LEN + SEAL_TAG_LEN,
};

/* A sum of keyed hashes modulo 2^512, little-endian: the order of changes does not matter. */
struct set_hash {
	uint8_t sum[SET_HASH_LEN];
};

/* The part of a record that the set hash covers: table, key, header and Poly1305 tag. VALUE has
 * passed record_header_decode(). */
void set_hash_add(struct set_hash *set, const uint8_t set_key[static SEAL_KEY_LEN],
		  const struct record_place *place, struct span value);
void set_hash_subtract(struct set_hash *set, const uint8_t set_key[static SEAL_KEY_LEN],
		       const struct record_place *place, struct span value);

/* What tells one S from another and says nothing of it: from the differences of sums that lie
 * open follow terms, and known terms can be combined to the same sum. */
void set_hash_digest(const struct set_hash *set, const uint8_t set_key[static SEAL_KEY_LEN],
		     uint8_t out[static SET_HASH_LEN]);

struct meta {
	uint64_t txid;
	uint64_t count_cur;
	uint64_t count_hist;
	uint64_t generation; /* of the keyring at that commit */
	uint64_t seals_auth; /* records ever sealed under the active epoch of each tier */
	uint64_t seals_issuer;
	uint64_t time; /* of the commit, microseconds since 1970 */
	struct set_hash set;
	struct keystore_audit audit;
};

/* Appends nothing: OUT is filled. */
void meta_seal(const uint8_t key[static SEAL_KEY_LEN],
	       const uint8_t store_id[static STORE_ID_LEN], const struct meta *m,
	       const uint8_t nonce[static SEAL_NONCE_LEN], uint8_t out[static META_LEN]);
must_check int meta_open(const uint8_t key[static SEAL_KEY_LEN],
			 const uint8_t store_id[static STORE_ID_LEN], struct span value,
			 struct meta *ret);

#endif
