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
	KEYSTORE_PROGRAM_MAX = 255, /* bytes of an exec slot's program */
	KEYSTORE_BLOB_MAX =
		4096, /* bytes that a credential or exec slot keeps for its helper */
	KEYSTORE_SHARES_MAX =
		16, /* shares of one set; the fewest that can be asked for are 2 */
	KEYSTORE_SHARE_SET_LEN = 8,
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

/*
 * Opens the credential or exec slot ID with the key that its helper gave. -ENOENT: there is no
 * such slot; -EINVAL: it is of another type.
 */
must_check int keystore_unlock_slot(struct keystore *ks,
				    const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
				    const struct secret *key, struct report *report);

/* How far a quorum slot has come. */
struct keystore_shares {
	uint8_t set[KEYSTORE_SHARE_SET_LEN]; /* which set of shares */
	uint8_t shares;			     /* that were made */
	uint8_t threshold;		     /* that are needed */
	uint8_t have;			     /* that were given */
	uint32_t given;			     /* bit 1 << x: share x was */
};

/*
 * Takes one share of a quorum slot: 0 when it was the last one that was missing and the slot is
 * open; -EAGAIN when more are needed; -EALREADY when this one was given before: RET then says
 * which are there. -EINVAL for one that is mistyped, altered or of no set here: the others are
 * kept. Shares are kept in guarded memory until enough are there, keystore_shares_forget(), or
 * the keystore is closed.
 */
must_check int keystore_unlock_share(struct keystore *ks, const struct secret *text,
				     struct keystore_shares *ret, struct report *report);
void keystore_shares_forget(struct keystore *ks);

/* The INDEX-th of the quorum slots that shares were given for; false when there is none. */
bool keystore_shares_get(const struct keystore *ks, size_t index, struct keystore_shares *ret);

/*
 * Checks shares, one a line, of the quorum slot that keystore_slot_get() calls INDEX, and, when
 * there are enough, that they open it to the roots in use; keeps none. 0: they open it.
 * -EAGAIN: all are right, but too few to try. -EINVAL: one is not right.
 */
must_check int keystore_shares_test(const struct keystore *ks, size_t index,
				    const struct secret *text, struct keystore_shares *ret,
				    struct report *report);

/* ---- slots ---- */

enum keystore_slot_type {
	KEYSTORE_SLOT_PASSPHRASE = 1,
	KEYSTORE_SLOT_KEY_FILE = 2,
	KEYSTORE_SLOT_RECOVERY = 3,
	KEYSTORE_SLOT_CREDENTIAL = 4, /* systemd's, by a helper */
	KEYSTORE_SLOT_EXEC = 5,	      /* what a program says */
	KEYSTORE_SLOT_QUORUM = 6,     /* k of n shares */
	KEYSTORE_SLOT_TYPE_MAX_
};

struct keystore_slot {
	uint8_t id[KEYSTORE_SLOT_ID_LEN];
	enum keystore_slot_type type;
	enum keystore_tier tiers;
	uint64_t created;			/* microseconds since 1970 */
	char program[KEYSTORE_PROGRAM_MAX + 1]; /* exec; else empty */
	uint8_t shares;				/* quorum; else 0, as the threshold */
	uint8_t threshold;
};

/* What a slot is made of; all of it borrowed. */
struct keystore_new_slot {
	enum keystore_slot_type type;
	enum keystore_tier tiers; /* 0: what is usual for the type */
	/* KEYSTORE_SLOT_ID_LEN random bytes; NULL: they are drawn. A credential is sealed under
	 * the name of its slot, so that the id is needed before. */
	const uint8_t *id;
	/* passphrase, content of a key file, or what the helper gives (32 bytes or more); NULL
	 * for recovery and quorum, whose keys are drawn */
	const struct secret *key;
	const char *program; /* exec: the helper, an absolute path */
	const uint8_t *blob; /* credential, exec: what the helper gets */
	size_t blob_len;     /* at most KEYSTORE_BLOB_MAX */
	uint8_t shares;	     /* quorum: how many are made, at most KEYSTORE_SHARES_MAX */
	uint8_t threshold;   /* quorum: how many are needed, from 2 to shares */
};

/* "passphrase", "key-file", "recovery", "credential", "exec", "quorum". */
const char *keystore_slot_type_name(enum keystore_slot_type type);

size_t keystore_slot_count(const struct keystore *ks);
void keystore_slot_get(const struct keystore *ks, size_t index, struct keystore_slot *ret);

/* What the helper of a credential or exec slot gets; borrowed until a slot changes. -ENOENT for
 * any other slot. */
must_check int keystore_slot_blob(const struct keystore *ks, size_t index, const uint8_t **ret,
				  size_t *ret_len);

/*
 * Needs both tiers open. Passphrase, quorum and recovery slots open both; a key file,
 * credential or exec slot opens AUTH alone unless tiers says KEYSTORE_BOTH. RET_TEXT gets the
 * recovery key, or the shares one a line, to be shown once; NULL for the other types. -EINVAL
 * for a key or parameter out of bounds, -ENOSPC when there are 16 slots already.
 */
must_check int keystore_slot_add(struct keystore *ks, const struct keystore_new_slot *slot,
				 uint8_t ret_id[static KEYSTORE_SLOT_ID_LEN],
				 struct secret **ret_text, struct report *report);

/*
 * Needs both tiers open, and rekeys, so that the slot's owner gets no roots out of any later
 * keyring. -EPERM: it is the last slot besides recovery ones that opens both tiers, or the last
 * recovery slot.
 */
must_check int keystore_slot_remove(struct keystore *ks,
				    const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
				    struct report *report);

/*
 * Whether KEY opens the slot ID, and to the roots that are in use; changes nothing, and works
 * while sealed. KEY is what made the slot: of a recovery slot its text, of a quorum the 32
 * bytes that the shares combine to. -EKEYREJECTED, -ENOENT, -EBADMSG as when unlocking.
 */
must_check int keystore_slot_test(const struct keystore *ks,
				  const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
				  const struct secret *key, struct report *report);

/*
 * New roots, wrapped for every slot: no keyring of before opens what is written from now on.
 * The keys of the records stay; a reseal renews those and does this as well. Needs both tiers
 * open.
 */
must_check int keystore_rekey(struct keystore *ks, struct report *report);

/* ---- state; all but memory_lock and slots need AUTH open ---- */

enum keystore_health {
	KEYSTORE_SEALED, /* AUTH is not open: nothing can be said */
	KEYSTORE_HEALTHY,
	KEYSTORE_ROLLED_BACK, /* the store or the keyring is older than it was: -ESTALE */
	KEYSTORE_NO_ANCHOR,   /* the anchor is lost, altered or of a newer keyring: -ESTALE */
	KEYSTORE_RESTORED,    /* from a backup, and not accepted yet (origin.h): -ESTALE */
	KEYSTORE_DAMAGED, /* pages are: what is left of the records can be read: -EBADMSG */
	KEYSTORE_HEALTH_MAX_
};

/* REPORT, when not NULL, gets what is wrong and what to do unless it is well. */
enum keystore_health keystore_health(const struct keystore *ks, struct report *report);

/* Takes the store as it is for the truth from now on, after a person has decided so: writes a
 * new anchor. */
must_check int keystore_accept(struct keystore *ks, struct report *report);

/* WHO (a static text: "the audit log") has proof of the transaction TXID of this store. If it
 * is older, it was rolled back together with its anchor. Holds until it is accepted or sealed.
 */
void keystore_seen(struct keystore *ks, uint64_t txid, const char *who);

/* The last committed transaction; 0 while sealed. */
uint64_t keystore_txid(const struct keystore *ks);
/* When that was, microseconds since 1970; 0 while sealed. */
uint64_t keystore_time(const struct keystore *ks);
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

/* Those that take their place at the end of a reseal (reseal.h); NULL when none are to come. */
const struct verifier_keys *keystore_verifier_next(const struct keystore *ks);

/* When the key that seals new records was made (the older tier's, microseconds since 1970), and
 * the seals of the busier tier with it. 0 while AUTH is sealed. */
uint64_t keystore_epoch_created(const struct keystore *ks);
uint64_t keystore_epoch_seals(const struct keystore *ks);

/* ---- the audit chain's end, kept in META ---- */

struct keystore_audit {
	uint64_t seq;			  /* of the last line; 0 before the first */
	uint8_t head[KEYSTORE_AUDIT_LEN]; /* hash of the last line; zero before the first */
	uint8_t key[KEYSTORE_AUDIT_LEN];  /* the key of the next line */
};

/* As of the last commit. */
must_check int keystore_audit_get(const struct keystore *ks, struct keystore_audit *ret);

/* The key of line 1. It follows from the recovery key, and nothing that is stored has a say in
 * it, so that nobody who holds the running machine can write history anew. -EKEYREJECTED: not
 * the recovery key that the keystore was made with. */
must_check int keystore_audit_first_key(const struct keystore *ks,
					const struct secret *recovery,
					uint8_t ret[static KEYSTORE_AUDIT_LEN],
					struct report *report);

#include "keystore/import.h"
#include "keystore/origin.h"
#include "keystore/reseal.h"
#include "keystore/store.h"
#include "keystore/verify.h"

#endif
