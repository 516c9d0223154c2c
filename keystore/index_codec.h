/* SPDX-License-Identifier: BSD-2-Clause */
/* The verifier index as bytes (docs/keystore-format.md, "Index"). Pure. */
#ifndef KEYSTORE_INDEX_CODEC_H
#define KEYSTORE_INDEX_CODEC_H

#include "keystore/index.h"
#include "keystore/keys.h"
#include "keystore/verifier.h"

/* Names, NULL at the end. */
extern const char *const index_tables[];

enum {
	INDEX_HEAD_LEN = 8,
	INDEX_BLOCK = 64,
	INDEX_ENTRY_PLAIN_MAX = 1088, /* 19 + 63 + 8 * 120, padded */
	INDEX_ENTRY_MAX =
		INDEX_HEAD_LEN + SEAL_NONCE_LEN + INDEX_ENTRY_PLAIN_MAX + SEAL_TAG_LEN,
	INDEX_FACT_PLAIN_MAX = 65536, /* INDEX_FACT_BODY_MAX, padded */
	INDEX_FACT_MAX = INDEX_HEAD_LEN + SEAL_NONCE_LEN + INDEX_FACT_PLAIN_MAX + SEAL_TAG_LEN,
	INDEX_META_PLAIN_LEN = 32,
	INDEX_META_LEN = INDEX_HEAD_LEN + SEAL_NONCE_LEN + INDEX_META_PLAIN_LEN + SEAL_TAG_LEN,
};

/* The LMDB key of a login. */
void index_hash_login(const struct verifier_keys *keys, const char *login,
		      uint8_t out[static SEAL_HASH_LEN]);

/* True when the entry has a service, and 1 to VERIFIER_VERSIONS_MAX versions within bounds. */
bool index_entry_valid(const struct verifier_entry *entry);

/* Seals ENTRY, which must be valid, for the key HASH; returns the length. */
size_t index_entry_seal(const struct verifier_keys *keys,
			const uint8_t hash[static SEAL_HASH_LEN],
			const uint8_t nonce[static SEAL_NONCE_LEN],
			const struct verifier_entry *entry,
			uint8_t out[static INDEX_ENTRY_MAX]);
/* -EBADMSG. */
must_check int index_entry_open(const struct verifier_keys *keys,
				const uint8_t hash[static SEAL_HASH_LEN], struct span value,
				struct verifier_entry *ret);
/* The plaintext alone; what index_entry_open() ends with. */
must_check int index_entry_decode(struct span padded, struct verifier_entry *ret);

/* The LMDB key of a fact; no login has the same. */
void index_hash_fact(const struct verifier_keys *keys, const struct index_key *key,
		     uint8_t out[static SEAL_HASH_LEN]);

bool index_key_valid(const struct index_key *key);

/* Where a fact is, and so what its seal is bound to. */
struct index_place {
	enum index_fact fact;
	uint8_t hash[SEAL_HASH_LEN];
};

/* Seals BODY, at most INDEX_FACT_BODY_MAX bytes, for PLACE; returns the length. */
size_t index_fact_seal(const struct verifier_keys *keys, const struct index_place *place,
		       const uint8_t nonce[static SEAL_NONCE_LEN], struct span body,
		       uint8_t out[static INDEX_FACT_MAX]);
/* RET has room for INDEX_FACT_PLAIN_MAX bytes. -EBADMSG. */
must_check int index_fact_open(const struct verifier_keys *keys,
			       const struct index_place *place, struct span value, uint8_t *ret,
			       size_t *ret_len);

struct index_meta {
	uint64_t txid;	/* of the store, that the active table reflects */
	uint8_t active; /* which of the two tables is in use: 0 or 1 */
	bool complete;	/* false: neither is */
};

void index_meta_seal(const struct verifier_keys *keys,
		     const uint8_t nonce[static SEAL_NONCE_LEN], const struct index_meta *m,
		     uint8_t out[static INDEX_META_LEN]);
must_check int index_meta_open(const struct verifier_keys *keys, struct span value,
			       struct index_meta *ret);

#endif
