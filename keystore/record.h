/* SPDX-License-Identifier: BSD-2-Clause */
/* One sealed record as bytes (docs/keystore-format.md, "Record"). Pure: no clock, no disk. */
#ifndef KEYSTORE_RECORD_H
#define KEYSTORE_RECORD_H

#include <stdbool.h>

#include "base/buf.h"
#include "keystore/seal.h"
#include "keystore/store.h"

enum {
	RECORD_FORMAT = 1,
	RECORD_ALG = 1,
	RECORD_ISSUER = 1 << 0,	   /* flag: the epoch is one of the ISSUER tier */
	RECORD_TOMBSTONE = 1 << 1, /* flag: nothing is left but time and reason */
	RECORD_BOUND_LEN = 24,	   /* bytes of header that the AAD covers */
	RECORD_HEADER_LEN = RECORD_BOUND_LEN + SEAL_NONCE_LEN,
	RECORD_BLOCK = 64, /* plaintext is padded to a multiple */
	RECORD_ID_MAX = 2 * KEYSTORE_PART_MAX + KEYSTORE_NAME_MAX + 3,
	/* room for every field at its largest, and padding */
	RECORD_PLAIN_MAX = KEYSTORE_BODY_MAX + KEYSTORE_ATTRS_MAX + 1024,
	RECORD_KEY_MAX = SEAL_HASH_LEN + 8,
	RECORD_AAD_MAX = 15 + STORE_ID_LEN + 1 + RECORD_KEY_MAX + RECORD_BOUND_LEN,
};

/* Which table; part of the AAD. */
enum record_table { RECORD_CUR = 1, RECORD_HIST = 2 };

/* Where a record lies: it cannot be opened anywhere else. */
struct record_place {
	const uint8_t *store_id; /* STORE_ID_LEN */
	enum record_table table;
	struct span key; /* the LMDB key */
};

struct record_header {
	uint16_t flags;
	uint32_t epoch;
	uint64_t version;
	uint64_t txid;
	uint8_t nonce[SEAL_NONCE_LEN];
};

/* What is inside. Borrowed, also when decoded: from the plaintext. */
struct record_content {
	struct keystore_id id;
	uint64_t created;
	uint8_t state;
	struct span attrs;
	struct span body;
	struct span reason; /* tombstones only, and nothing but it, id and created */
};

/* True when the three names are there and within bounds. */
bool record_id_valid(const struct keystore_id *id);

/* The LMDB key: keyed BLAKE2b-256 over space, 0, kind, 0, name. ID must be valid. */
void record_hash_id(const uint8_t name_key[static SEAL_KEY_LEN], const struct keystore_id *id,
		    uint8_t out[static SEAL_HASH_LEN]);

/* -EBADMSG for another format or algorithm, unknown flags, epoch, version or txid 0, or a
 * length that cannot be. */
must_check int record_header_decode(struct span value, struct record_header *ret);

/* The associated data; returns its length. HEADER: the first RECORD_BOUND_LEN bytes. */
size_t record_aad(const struct record_place *place, const uint8_t *header,
		  uint8_t out[static RECORD_AAD_MAX]);

/* Where record_seal() works and where its result goes. */
struct record_output {
	uint8_t *scratch;  /* RECORD_PLAIN_MAX bytes, wiped after use */
	struct buf *value; /* appended to */
};

/* Encodes and seals CONTENT. -EINVAL when a part is out of bounds, -ENOMEM. */
must_check int record_seal(const struct record_place *place, const struct record_header *header,
			   const uint8_t key[static SEAL_KEY_LEN],
			   const struct record_content *content,
			   const struct record_output *out);

/* The keys of the epoch that a value has and of the one that it shall have. */
struct record_rekey {
	const uint8_t *from; /* SEAL_KEY_LEN each */
	const uint8_t *to;
};

/* Opens VALUE and seals what is in it again, byte for byte, under HEADER in the same place.
 * -EBADMSG, -ENOMEM. */
must_check int record_reseal(const struct record_place *place,
			     const struct record_header *header,
			     const struct record_rekey *keys, struct span value,
			     const struct record_output *out);

/*
 * Opens VALUE into PLAIN, which has at least value.len bytes, and decodes it. RET borrows from
 * PLAIN. -EBADMSG.
 */
must_check int record_open(const struct record_place *place,
			   const uint8_t key[static SEAL_KEY_LEN], struct span value,
			   uint8_t *plain, struct record_content *ret);

/* The plaintext alone, padding included; what record_open() ends with. */
must_check int record_decode_plain(struct span padded, bool tombstone,
				   struct record_content *ret);

#endif
