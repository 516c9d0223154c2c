/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Table `sums`: sums over each 4096th of the store, so that a check can say which record is
 * wrong, where META's set hash says that one is. A diagnosis and not a proof: who can edit the
 * store can edit them too. They lie open, so nothing of them is a part of the set hash: known
 * parts of that could be combined to a forgery.
 */
#ifndef KEYSTORE_SUMS_H
#define KEYSTORE_SUMS_H

#include <lmdb.h>

#include "keystore/keystore.h"
#include "keystore/record.h"

enum {
	SUMS_BUCKETS = 4096,
	SUMS_KEY_LEN = 2,
	SUM_HASH_LEN = 16,
	SUMS_VALUE_LEN = 56 + SUM_HASH_LEN,
};

/* Of the records and tombstones of one bucket. Everything is a sum that wraps around, or an
 * XOR, so that what one record contributes can be taken out again. */
struct sum {
	uint32_t cur; /* how many */
	uint32_t hist;
	uint64_t txids;		    /* sum of their transactions */
	uint64_t weighted;	    /* sum of transaction times sum_weight() */
	uint8_t keys[32];	    /* XOR of the hashed ids */
	uint8_t hash[SUM_HASH_LEN]; /* sum of keyed hashes, little-endian */
};

unsigned sum_bucket(const uint8_t hash[static SEAL_HASH_LEN]);
uint64_t sum_weight(const uint8_t hash[static SEAL_HASH_LEN]);

/* One record's part. PLACE->key has at least SEAL_HASH_LEN bytes, VALUE has passed
 * record_header_decode(). */
void sum_of(const uint8_t set_key[static SEAL_KEY_LEN], const struct record_place *place,
	    struct span value, struct sum *ret);
void sum_add(struct sum *s, const struct sum *part);
void sum_subtract(struct sum *s, const struct sum *part);
bool sum_is_zero(const struct sum *s);

void sum_encode(const struct sum *s, uint8_t out[static SUMS_VALUE_LEN]);
must_check int sum_decode(struct span value, struct sum *ret);

/* Reads a bucket; zeros when it has no record. -EBADMSG, or what LMDB says. */
must_check int sums_get(MDB_txn *txn, MDB_dbi sums, unsigned bucket, struct sum *ret);
must_check int sums_put(MDB_txn *txn, MDB_dbi sums, unsigned bucket, const struct sum *s);

/* Follows a change of the table of records. A store without sums has none to follow: 0. */
must_check int sums_enter(struct keystore *ks, MDB_txn *txn, const struct record_place *place,
			  struct span value);
must_check int sums_leave(struct keystore *ks, MDB_txn *txn, const struct record_place *place,
			  struct span value);

/* Makes them for a store that has none: of a former version, or one whose sums do not fit. All
 * of it in one transaction, and nothing when the records do not fit META. */
must_check int sums_build(struct keystore *ks, struct report *report);

#endif
