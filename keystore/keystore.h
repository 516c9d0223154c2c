/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sealed records on disk: who may open them, where they lie, and how they change together.
 * Knows nothing of what a record means. Byte formats: docs/keystore-format.md.
 *
 * One process opens a keystore at a time, from one thread. Errors that any call may return:
 *
 *	-ENOKEY		the tier that this needs is sealed
 *	-ESTALE		the store is older than its anchor or keyring: it can be read, not
 *changed -EBADMSG	bytes on disk are not what this keystore wrote
 *	-ENOSPC, -EIO	the disk; LMDB says EIO when it is full, and the report says which it is
 */
#ifndef KEYSTORE_KEYSTORE_H
#define KEYSTORE_KEYSTORE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/report.h"
#include "base/secret.h"

struct keystore;
struct keystore_txn;

/* Bits, so that a slot can open both. */
enum keystore_tier {
	KEYSTORE_AUTH = 1,   /* what logging in needs; may be opened unattended */
	KEYSTORE_ISSUER = 2, /* what making and using recoverable secrets needs */
	KEYSTORE_BOTH = 3,
};

enum {
	KEYSTORE_PART_MAX = 63,		   /* bytes of a namespace or a kind */
	KEYSTORE_NAME_MAX = 255,	   /* bytes of a name */
	KEYSTORE_ATTRS_MAX = 16 * 1024,	   /* bytes */
	KEYSTORE_BODY_MAX = 64 * 1024,	   /* bytes */
	KEYSTORE_REASON_MAX = 128,	   /* bytes of a tombstone's reason */
	KEYSTORE_TXN_MAX = 1000,	   /* puts and removes in one transaction */
	KEYSTORE_KEY_FILE_MIN = 32,	   /* bytes of a key file */
	KEYSTORE_KEY_FILE_MAX = 64 * 1024, /* bytes of a key file */
	KEYSTORE_PASSPHRASE_MAX = 1024,	   /* bytes; one byte is the least */
	KEYSTORE_SLOT_ID_LEN = 16,
	KEYSTORE_AUDIT_LEN = 32,
};

/* The highest version that a caller may ask for; those after it are enough for ever. */
#define KEYSTORE_VERSION_MAX ((uint64_t)INT64_MAX)

/* What a keystore takes from the world. Zero-filled means: the machine's clocks and randomness,
 * Argon2id at libsodium's MODERATE. */
struct keystore_env {
	struct clock clock; /* .now NULL: clock_real() */
	/* NULL: libsodium's. Any other is for test vectors only. */
	void (*random)(void *context, void *out, size_t len);
	void *random_context;
	uint64_t pwhash_ops; /* 0: MODERATE; never below INTERACTIVE */
	size_t pwhash_mem;   /* bytes; same rule */
};

/* ---- making and opening ---- */

/* What the slots of a new keystore are made of; borrowed. */
struct keystore_first_keys {
	const struct secret *passphrase;
	const struct secret *key_file; /* its content; NULL: no such slot */
};

/*
 * Makes a keystore in DIR (made 0711 when it is not there): a passphrase slot and a recovery
 * slot for both tiers, and, when there is a key file, a slot for AUTH alone.
 * RET_RECOVERY is the text of the recovery key, to be shown once; nothing here keeps it.
 * -EEXIST when DIR holds a keystore; -EINVAL for a passphrase or key file out of bounds.
 */
must_check int keystore_create(const char *dir, const struct keystore_env *env,
			       const struct keystore_first_keys *keys,
			       struct secret **ret_recovery, struct report *report);

/*
 * Opens the keystore in DIR with both tiers sealed. -ENOENT without one; -EBUSY when another
 * process has it open; -EPERM for a wrong owner or mode; -EMEDIUMTYPE on a network file system.
 */
must_check int keystore_open(const char *dir, const struct keystore_env *env,
			     struct keystore **ret, struct report *report);

/* Seals and closes. Open transactions must be gone. NULL is allowed. */
void keystore_close(struct keystore *ks);

DEFINE_CLEANUP(struct keystore, keystore_close)
#define cleanup_keystore cleanup_(keystore_closep)

/* ---- sealing and unsealing ---- */

/*
 * Each opens the tiers that the slot which fits opens, and loads META when AUTH was not open
 * yet. -EKEYREJECTED: no slot fits. -ENOENT: there is no slot of that kind. -EINVAL (recovery):
 * the text is mistyped, and the report says how. A rolled-back store opens: ask
 * keystore_health().
 */
must_check int keystore_unlock_passphrase(struct keystore *ks, const struct secret *passphrase,
					  struct report *report);
must_check int keystore_unlock_key_file(struct keystore *ks, const struct secret *content,
					struct report *report);
must_check int keystore_unlock_recovery(struct keystore *ks, const struct secret *text,
					struct report *report);

/* True when every tier of the mask is open. */
bool keystore_is_open(const struct keystore *ks, enum keystore_tier tier);

/* Wipes the keys of the tiers. Sealing AUTH seals ISSUER as well. */
void keystore_seal(struct keystore *ks, enum keystore_tier tier);

/* ---- slots ---- */

enum keystore_slot_type {
	KEYSTORE_SLOT_PASSPHRASE = 1,
	KEYSTORE_SLOT_KEY_FILE = 2,
	KEYSTORE_SLOT_RECOVERY = 3,
	KEYSTORE_SLOT_TYPE_MAX_
};

struct keystore_slot {
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	enum keystore_slot_type type;
	enum keystore_tier tiers;
	uint64_t created; /* microseconds since 1970 */
};

/* "passphrase", "key-file", "recovery". */
const char *keystore_slot_type_name(enum keystore_slot_type type);

size_t keystore_slot_count(const struct keystore *ks);
void keystore_slot_get(const struct keystore *ks, size_t index, struct keystore_slot *ret);

/* Both need both tiers open. The last passphrase slot and the last recovery slot cannot be
 * removed: -EPERM. A key file opens AUTH alone. -EINVAL for a key out of bounds, -ENOSPC when
 * there are 16 already. */
must_check int keystore_slot_add(struct keystore *ks, enum keystore_slot_type type,
				 const struct secret *key, struct report *report);
must_check int keystore_slot_remove(struct keystore *ks,
				    const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
				    struct report *report);

/* ---- state; all but memory_lock and slots need AUTH open ---- */

enum keystore_health {
	KEYSTORE_SEALED, /* AUTH is not open: nothing can be said */
	KEYSTORE_HEALTHY,
	KEYSTORE_ROLLED_BACK, /* the store or the keyring is older than it was: -ESTALE */
	KEYSTORE_NO_ANCHOR,   /* the anchor is lost or altered, so nobody knows: -ESTALE */
	KEYSTORE_HEALTH_MAX_
};

/* REPORT, when not NULL, gets what is wrong and what to do unless it is well. */
enum keystore_health keystore_health(const struct keystore *ks, struct report *report);

/* Takes the store as it is for the truth from now on, after a person has decided so: writes a
 * new anchor. */
must_check int keystore_accept(struct keystore *ks, struct report *report);

/* The last committed transaction; 0 while sealed. */
uint64_t keystore_txid(const struct keystore *ks);
/* Live records and tombstones; 0 while sealed. */
uint64_t keystore_count(const struct keystore *ks);
uint64_t keystore_tombstones(const struct keystore *ks);

/* 16 bytes, fixed at creation, not secret. */
const uint8_t *keystore_store_id(const struct keystore *ks);

/* Whether key memory is locked into RAM: 1 all, 0 not all (raise RLIMIT_MEMLOCK). */
int keystore_memory_locked(const struct keystore *ks);

struct verifier_keys;

/* The keys of the verifier index; borrowed, until AUTH is sealed. NULL while it is. */
const struct verifier_keys *keystore_verifier_keys(const struct keystore *ks);

struct keystore_verify {
	uint64_t txid;
	uint64_t records;
	uint64_t tombstones;
	uint64_t unreadable; /* records of a sealed tier: counted and hashed, not opened */
};

/*
 * Reads everything: opens every record of an open tier, recomputes counts and set hash, checks
 * META, anchor and keyring. 0, or -EBADMSG/-ESTALE with the first thing that is wrong.
 */
must_check int keystore_verify(struct keystore *ks, struct keystore_verify *ret,
			       struct report *report);

/* ---- the audit chain's end, kept in META ---- */

struct keystore_audit {
	uint64_t seq;			  /* of the last line; 0 before the first */
	uint8_t head[KEYSTORE_AUDIT_LEN]; /* hash of the last line; zero before the first */
	uint8_t key[KEYSTORE_AUDIT_LEN];  /* the key of the next line */
};

/* As of the last commit. */
must_check int keystore_audit_get(const struct keystore *ks, struct keystore_audit *ret);

/* The key of line 1. Only the recovery key opens it, so that nobody who holds the running
 * machine can write history anew. */
must_check int keystore_audit_first_key(const struct keystore *ks,
					const struct secret *recovery,
					uint8_t ret[static KEYSTORE_AUDIT_LEN],
					struct report *report);

#include "keystore/reseal.h"
#include "keystore/store.h"

#endif
