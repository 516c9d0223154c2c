/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept of a password: enough to check it, not enough to know it. SCRAM-SHA-256 keys
 * (RFC 5802, RFC 7677) for mechanisms that never show the password, and a keyed BLAKE2b tag for
 * those that do. The passwords are machine-made with 256 bits, which is why a fast keyed hash
 * is enough.
 */
#ifndef KEYSTORE_VERIFIER_H
#define KEYSTORE_VERIFIER_H

#include <stdbool.h>

#include "base/secret.h"

enum {
	VERIFIER_VERSIONS_MAX = 8,
	VERIFIER_SALT_LEN = 16,
	VERIFIER_KEY_LEN = 32,
	VERIFIER_ITERATIONS = 4096,
	VERIFIER_ITERATIONS_MAX = 1000000,
	VERIFIER_SERVICE_MAX = 63,
	VERIFIER_LOGIN_MAX = 255,
	VERIFIER_ENCODED_LEN = 120, /* one version, as bytes */
	VERIFIER_TEXT_SIZE = 160,
	VERIFIER_KEYS_BLOB_LEN = 152,
	VERIFIER_KEYS_ID_LEN = 32,
};

/* Name, seal, tag and decoy key and the store's id, in guarded memory. */
struct verifier_keys;

/* The vault hands the keys to the door as a blob of VERIFIER_KEYS_BLOB_LEN bytes. -EBADMSG for
 * any other form. */
must_check int verifier_keys_to_blob(const struct verifier_keys *keys, struct secret **ret);
must_check int verifier_keys_from_blob(const uint8_t *blob, size_t len,
				       struct verifier_keys **ret);
/* In guarded memory of its own. -ENOMEM. */
must_check int verifier_keys_dup(const struct verifier_keys *keys, struct verifier_keys **ret);
void verifier_keys_free(struct verifier_keys *keys); /* NULL is allowed */

/* Tells two sets of keys apart; tells nothing about them. */
void verifier_keys_id(const struct verifier_keys *keys,
		      uint8_t out[static VERIFIER_KEYS_ID_LEN]);

DEFINE_CLEANUP(struct verifier_keys, verifier_keys_free)
#define cleanup_verifier_keys cleanup_(verifier_keys_freep)

struct verifier_version {
	uint32_t number; /* from 1 */
	uint32_t iterations;
	uint8_t salt[VERIFIER_SALT_LEN];
	uint8_t stored_key[VERIFIER_KEY_LEN]; /* H(HMAC(SaltedPassword, "Client Key")) */
	uint8_t server_key[VERIFIER_KEY_LEN]; /* HMAC(SaltedPassword, "Server Key") */
	uint8_t tag[VERIFIER_KEY_LEN];	      /* keyed BLAKE2b over login, number, password */
};

enum {
	VERIFIER_DISABLED = 1 << 0,
	VERIFIER_DECOY = 1 << 7, /* made up for an unknown login; never on disk */
};

/* What the index holds for one login. */
struct verifier_entry {
	char service[VERIFIER_SERVICE_MAX + 1];
	uint8_t flags;
	uint8_t count;	     /* versions that are set, newest first */
	uint64_t not_before; /* microseconds since 1970; 0: always */
	uint64_t not_after;  /* USEC_NEVER: for ever */
	struct verifier_version versions[VERIFIER_VERSIONS_MAX];
};

/* What the verifier of one version is made of; borrowed. */
struct verifier_source {
	const char *login;
	uint32_t number;	       /* of the version, from 1 */
	const struct secret *password; /* ASCII, which SASLprep leaves as it is */
	const uint8_t *salt;	       /* VERIFIER_SALT_LEN random bytes */
};

/* Some 5 ms of PBKDF2. -EINVAL for a part out of bounds. */
must_check int verifier_make(const struct verifier_keys *keys,
			     const struct verifier_source *source,
			     struct verifier_version *ret);

/*
 * Which version PASSWORD belongs to: its number, or 0. Hashes once for each of the
 * VERIFIER_VERSIONS_MAX places whatever they hold and looks at flags and times last, so that
 * the work tells nothing. A decoy never matches, nor does a disabled entry or one out of its
 * time at NOW (microseconds since 1970).
 */
must_check uint32_t verifier_entry_check_password(const struct verifier_keys *keys,
						  const char *login,
						  const struct verifier_entry *entry,
						  const struct secret *password, uint64_t now);

/* False for a decoy, a disabled entry, and one out of its time at NOW. */
bool verifier_entry_usable(const struct verifier_entry *entry, uint64_t now);

/* The entry that an unknown LOGIN gets: always the same for it, of the same shape as a real
 * one, with the flag VERIFIER_DECOY. */
void verifier_decoy(const struct verifier_keys *keys, const char *login,
		    struct verifier_entry *ret);

/* "SCRAM-SHA-256$4096:salt$stored:server" as libsasl takes it from authPassword:
 * https://www.rfc-editor.org/rfc/rfc5803 with the mechanism as scheme. */
void verifier_scram_text(const struct verifier_version *v, char out[static VERIFIER_TEXT_SIZE]);

/* One version as fixed bytes, for a record's body. Decoding refuses a version 0, iterations 0
 * or above VERIFIER_ITERATIONS_MAX, and any other length: -EBADMSG. */
void verifier_version_encode(const struct verifier_version *v,
			     uint8_t out[static VERIFIER_ENCODED_LEN]);
must_check int verifier_version_decode(const uint8_t *data, size_t len,
				       struct verifier_version *ret);

#endif
