/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A backup as bytes (docs/keystore-format.md, "Backup"): a header that says for whom it is, and
 * chunks, each with its number and length in clear before what is sealed, so that what is wrong
 * with a file can be told apart: cut short, out of order, altered, or not ours to open. Pure.
 */
#ifndef KEYSTORE_BACKUP_CODEC_H
#define KEYSTORE_BACKUP_CODEC_H

#include "keystore/keyring_codec.h"
#include "keystore/meta.h"

enum {
	BACKUP_FORMAT = 1,
	BACKUP_KEY_LEN = 32,
	BACKUP_STREAM_LEN = 24, /* how a secretstream begins */
	BACKUP_BOX_LEN = BACKUP_KEY_LEN + KEYRING_BOX_LEN,
	BACKUP_MAGIC_LEN = 8 + 4, /* enough to tell what it is, and of which format */
	BACKUP_HEAD_LEN = 54,	  /* enough to tell how long the header is */
	BACKUP_RECIPIENT_LEN = KEYSTORE_SLOT_ID_LEN + KEYRING_PK_LEN + BACKUP_BOX_LEN,
	BACKUP_SUM_LEN = 32,
	BACKUP_HEADER_MAX = BACKUP_HEAD_LEN + KEYRING_SLOTS_MAX * BACKUP_RECIPIENT_LEN +
			    BACKUP_STREAM_LEN + BACKUP_SUM_LEN,
	BACKUP_CHUNK_LEN = 64 * 1024, /* bytes in clear; every chunk but the last has them */
	BACKUP_CHUNK_HEAD_LEN = 4 + 4,
	BACKUP_CHUNK_SEAL_LEN = 17, /* what sealing adds */
	BACKUP_CHUNK_MAX = BACKUP_CHUNK_HEAD_LEN + BACKUP_CHUNK_LEN + BACKUP_CHUNK_SEAL_LEN,
	BACKUP_ITEM_HEAD_LEN = 1 + 4,
	BACKUP_TRAILER_LEN = 8 + 8 + SET_HASH_LEN,
};

struct backup_recipient {
	uint8_t slot_id[KEYSTORE_SLOT_ID_LEN];
	uint8_t pk[KEYRING_PK_LEN];
	uint8_t box[BACKUP_BOX_LEN]; /* the backup's key */
};

struct backup_header {
	uint8_t store_id[STORE_ID_LEN];
	uint64_t txid; /* that it shows */
	uint64_t time; /* when it was begun, microseconds since 1970 */
	uint64_t generation;
	uint16_t count; /* of recipients, from 1 */
	struct backup_recipient recipients[KEYRING_SLOTS_MAX];
	uint8_t stream[BACKUP_STREAM_LEN];
};

size_t backup_header_len(uint16_t count);

/* H must have 1 to KEYRING_SLOTS_MAX recipients. Returns the length. */
size_t backup_header_encode(const struct backup_header *h,
			    uint8_t out[static BACKUP_HEADER_MAX]);

/*
 * How many bytes the header takes that BYTES begin with: 0 when more are needed to say, never
 * more than BACKUP_HEADER_MAX. -EBADMSG: no backup, or no number of recipients; -EOPNOTSUPP: of
 * a newer format.
 */
must_check int backup_header_measure(struct span bytes);

/* Exactly one header. -EBADMSG, -EOPNOTSUPP. */
must_check int backup_header_decode(struct span bytes, struct backup_header *ret);

/* ---- chunks ---- */

struct backup_chunk {
	uint32_t number; /* from 1 */
	uint32_t len;	 /* of what is sealed */
};

void backup_chunk_encode(const struct backup_chunk *c,
			 uint8_t out[static BACKUP_CHUNK_HEAD_LEN]);

/* -EBADMSG for a length that no chunk has. */
must_check int backup_chunk_decode(const uint8_t in[static BACKUP_CHUNK_HEAD_LEN],
				   struct backup_chunk *ret);

/* ---- what the chunks hold, one after the other ---- */

/* In this order; the first two and the last exactly once. */
enum backup_item_type {
	BACKUP_KEYRING = 1, /* the file */
	BACKUP_META = 2,    /* the value */
	BACKUP_CUR = 3,	    /* key and value of a record */
	BACKUP_HIST = 4,    /* of a tombstone */
	BACKUP_TRAILER = 5, /* counts and set hash */
	BACKUP_ITEM_TYPE_MAX_
};

struct backup_item {
	enum backup_item_type type;
	uint32_t len; /* bytes that follow its head */
};

/* The longest item of TYPE. */
size_t backup_item_max(enum backup_item_type type);

void backup_item_encode(const struct backup_item *i, uint8_t out[static BACKUP_ITEM_HEAD_LEN]);

/* -EBADMSG for an unknown type, and a length that it can not have. */
must_check int backup_item_decode(const uint8_t in[static BACKUP_ITEM_HEAD_LEN],
				  struct backup_item *ret);

struct backup_trailer {
	uint64_t count_cur;
	uint64_t count_hist;
	struct set_hash set;
};

void backup_trailer_encode(const struct backup_trailer *t,
			   uint8_t out[static BACKUP_TRAILER_LEN]);
void backup_trailer_decode(const uint8_t in[static BACKUP_TRAILER_LEN],
			   struct backup_trailer *ret);

#endif
