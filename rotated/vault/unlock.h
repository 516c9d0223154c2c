/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening the AUTH tier without a person: by the key file, or by a key that the porter
 * (rotated-unlock) gets for a slot. Whatever fails leaves the vault up, answering and sealed,
 * with an alarm that says what failed and what to type; it is tried again until it works.
 */
#ifndef ROTATED_VAULT_UNLOCK_H
#define ROTATED_VAULT_UNLOCK_H

#include "rotated/vault/manager.h"

struct unlock;

must_check int unlock_new(struct manager *m, struct unlock **ret, struct report *report);
void unlock_free(struct unlock *u); /* NULL is allowed */

/* With AUTH sealed: tries the key file, then each slot that needs no person, one after the
 * other, and again later. Nothing while it is sealed by order. A keystore that could not be
 * opened at all is opened first, when what was wrong with it is put right. */
void unlock_start(struct manager *m);

/* AUTH was opened, or sealed by order: nothing is tried any more. */
void unlock_stop(struct manager *m);

/* ---- questions to the porter ---- */

enum unlock_kind {
	UNLOCK_CREDENTIAL, /* a credential of systemd-creds(1) */
	UNLOCK_EXEC,	   /* a program of [unlock] helper */
	UNLOCK_KIND_MAX_
};

enum { UNLOCK_NAME_SIZE = 64 };

/* Whose key is wanted; borrowed for the call. */
struct unlock_slot {
	enum unlock_kind kind;
	uint8_t id[KEYSTORE_SLOT_ID_LEN]; /* the credential's name has it */
	const char *program;		  /* of UNLOCK_EXEC */
	const uint8_t *blob;
	size_t blob_len;
};

struct unlock_result {
	int error;		     /* 0, or a negative errno and a report */
	const struct secret *secret; /* of unlock_open(): the key */
	const uint8_t *blob;	     /* of unlock_seal() */
	size_t blob_len;
	struct report report; /* what failed and what to type */
};

/* Called once, from the event loop, never from within the question. */
typedef void unlock_done_fn(void *context, const struct unlock_result *result);

/* The name that a credential of the slot is sealed under: "rotated-" and the id in hex. */
void unlock_name(const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
		 char ret[static UNLOCK_NAME_SIZE]);

/* Makes a credential of KEY for the slot ID. -ENOTCONN when the porter is not there. */
struct unlock_asker {
	unlock_done_fn *done;
	void *context;
};
must_check int unlock_seal(struct manager *m, const uint8_t id[static KEYSTORE_SLOT_ID_LEN],
			   const struct secret *key, const struct unlock_asker *asker,
			   struct report *report);

/* Gets the key of SLOT, which need not be in the keyring yet. Changes nothing. */
must_check int unlock_open(struct manager *m, const struct unlock_slot *slot,
			   const struct unlock_asker *asker, struct report *report);

/* Nobody waits for what CONTEXT asked any more. */
void unlock_forget(struct manager *m, const void *context);

/* Whether a slot needs the porter and it is not there: the next start would need a person. */
bool unlock_is_missed(const struct manager *m);

struct unlock_state {
	bool is_needed; /* there is a slot that it has to help with */
	bool is_connected;
	uint64_t since; /* wall clock; 0: it is not connected */
};

void unlock_state(const struct manager *m, struct unlock_state *ret);

#endif
