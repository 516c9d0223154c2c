/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keyring file as bytes (docs/keystore-format.md, "Keyring"): bounds are checked before
 * anything is read, and nothing is derived or opened here. Pure.
 */
#ifndef KEYSTORE_KEYRING_CODEC_H
#define KEYSTORE_KEYRING_CODEC_H

#include "base/buf.h"
#include "keystore/keystore.h"
#include "keystore/quorum.h"
#include "keystore/seal.h"

enum {
	KEYRING_FORMAT = 2,
	KEYRING_SLOTS_MAX = 16,
	KEYRING_ROOT_LEN = 32,
	KEYRING_SALT_LEN = 16,
	KEYRING_PK_LEN = 32,
	KEYRING_BOX_LEN = 48, /* what crypto_box_seal() adds */
	KEYRING_PARAMS_MAX = KEYSTORE_BLOB_MAX + 512,
	KEYRING_WRAPPED_MAX = 2 * KEYRING_ROOT_LEN + KEYRING_BOX_LEN,
	KEYRING_COMMIT_LEN = 32,
	KEYRING_MAC_LEN = 32,
	KEYRING_BODY_MAX = 4096, /* bytes of a body in clear */
	KEYRING_FILE_MAX = 128 * 1024,
	KEYRING_ARGON2ID13 = 2,
};

/* Argon2 costs beyond these are not tried: whoever can edit the file must not be able to make
 * us take all memory for an hour. */
#define KEYRING_OPS_MIN UINT64_C(2)
#define KEYRING_OPS_MAX UINT64_C(16)
#define KEYRING_MEM_MIN UINT64_C(67108864)
#define KEYRING_MEM_MAX UINT64_C(2147483648)

struct keyring_slot {
	struct keystore_slot info;
	union {
		struct {
			uint64_t ops;
			uint64_t mem; /* bytes */
			uint8_t salt[KEYRING_SALT_LEN];
		} passphrase;
		struct {
			uint8_t salt[KEYRING_SALT_LEN];
		} key_file;
		struct {
			uint8_t salt[KEYRING_SALT_LEN];
			struct span blob; /* borrowed from whom the slot was read or made of */
		} helper;		  /* credential, exec */
		struct quorum quorum;
	};
	uint8_t pk[KEYRING_PK_LEN];	      /* the roots are wrapped for */
	uint8_t wrapped[KEYRING_WRAPPED_MAX]; /* keyring_wrapped_len() of them */
	uint8_t commit[KEYRING_COMMIT_LEN];
	uint8_t mac[KEYRING_MAC_LEN];
};

struct keyring_body {
	const uint8_t *nonce; /* SEAL_NONCE_LEN */
	struct span sealed;
	struct span before; /* of AUTH: all of the file up to the nonce */
};

struct keyring {
	uint8_t store_id[STORE_ID_LEN];
	uint64_t generation; /* from 1; one more at each rewrite */
	uint16_t slot_count;
	struct keyring_slot slots[KEYRING_SLOTS_MAX];
};

/* A decoded file; the spans borrow from its bytes. */
struct keyring_file {
	struct keyring ring;
	struct span slots; /* the slots as bytes, their count included */
	struct keyring_body auth;
	struct keyring_body issuer;
	struct span issuer_all; /* length, nonce and sealed bytes */
};

/* How many bytes of roots a slot's tiers take, and how many as a box. */
size_t keyring_root_len(const struct keystore_slot *slot);
size_t keyring_wrapped_len(const struct keystore_slot *slot);

/* -EBADMSG: not exactly one well-formed keyring within bounds. -EPROTONOSUPPORT: of a format
 * that is newer than this code. -ENOTSUP: of format 1, which no release wrote. */
must_check int keyring_decode(struct span file, struct keyring_file *ret);

/* An absolute path of printable characters and bounded length; it is shown to people. */
bool keyring_program_valid(const char *program, size_t len);

/* A slot from its type to the end of its parameters. */
void keyring_encode_slot_head(const struct keyring_slot *slot, struct buf *out);
/* The same to the end of its commitment: what its MAC covers. */
void keyring_encode_slot_covered(const struct keyring_slot *slot, struct buf *out);

/* Everything before the first body. RET_SLOTS: where the slots are in OUT, as an offset. */
void keyring_encode_head(const struct keyring *ring, struct buf *out, size_t *ret_slots);

#endif
