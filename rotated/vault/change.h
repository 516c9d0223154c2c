/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one way to change anything: steps of the engine are gathered in a struct change, and
 * change_commit() makes them true in this order: an audit line that says what is intended, on
 * disk; one keystore transaction with the item, its secrets and the end of the audit chain; the
 * verifier index; an audit line that says how it ended. Only then does it return, and only
 * then is anything begun outside. Several changes may go this way together: group.h.
 */
#ifndef ROTATED_VAULT_CHANGE_H
#define ROTATED_VAULT_CHANGE_H

#include "keystore/fact.h"
#include "rotated/vault/driver.h"

enum {
	CHANGE_ERASED_MAX = 2 * ENGINE_VERSIONS_MAX,
	CHANGE_GONE_MAX = 2 * CHANGE_ERASED_MAX,
	CHANGE_ACTOR_SIZE = 64,
};

/* Leaves the index with what it is about. */
struct change_gone {
	enum index_fact fact;
	uint8_t key[FACT_FINGERPRINT_LEN];
};

struct change {
	struct item *item;
	struct engine_item next;
	struct engine_action erased[CHANGE_ERASED_MAX];
	unsigned erased_count;
	struct engine_action begun; /* type ENGINE_ACTION_NONE: nothing */
	bool is_changed;
	uint64_t wake;
	bool was_unsure;	 /* of the item: to be so again after a failure */
	const struct made *made; /* borrowed; NULL for none */
	struct change_gone gone[CHANGE_GONE_MAX]; /* filled by driver->seal() */
	unsigned gone_count;

	/* for the audit log; NULL event: what the engine did by itself */
	const char *event;
	const char *actor;
	uint32_t version;
};

void change_init(struct change *c, struct item *item);

/* One more step on top of what is gathered. Errors are engine_step()'s. */
must_check int change_step(const struct manager *m, struct change *c,
			   const struct engine_observation *seen);

/*
 * Makes it true. After a failure nothing has changed, unless the report says otherwise. While a
 * group gathers it only joins that: what it returns then is good once group_flush() says so.
 */
must_check int change_commit(struct manager *m, struct change *c, struct report *report);

/* ---- its parts, for group.c ---- */

/* What the audit log says of it. */
struct change_entry {
	char event[64];
	uint32_t version;
	bool is_worth_a_line;
};
void change_describe(const struct change *c, struct change_entry *ret);

void change_request_id(char ret[static AUDIT_REQUEST_SIZE]);

/* Puts the item and all that changes with it into TXN. */
must_check int change_fill(const struct manager *m, struct keystore_txn *txn, struct change *c);

/* Brings the index from WAS to what is stored now. */
must_check int change_index(struct manager *m, const struct change *c,
			    const struct engine_item *was);

/* A change of records that belong to no item, with its two audit lines. */
struct change_records {
	const char *event;
	const char *actor;
	const char *object; /* NULL for none */
	int (*fill)(void *context, struct keystore_txn *txn);
	void *context;
};
must_check int change_records(struct manager *m, const struct change_records *c,
			      struct report *report);

/* Stores how far waits are credited, of all items that have been waiting for an hour. */
void change_checkpoint(struct manager *m, bool is_forced);

/* An audit line for what is no change of an item: unseal, private keys shown, … */
must_check int change_note(struct manager *m, const struct audit_event *event,
			   struct report *report);

/* After ALARM_STORE: takes the alarm back if the keystore and the audit log take something. */
void change_probe(struct manager *m);

#endif
