/* SPDX-License-Identifier: BSD-2-Clause */
/* What ldap.c, ldap_apply.c and ldap_status.c share. Private to them. */
#ifndef ROTATED_VAULT_LDAP_STATE_H
#define ROTATED_VAULT_LDAP_STATE_H

#include "rotated/directory/ldap_table.h"
#include "rotated/vault/ldap.h"

enum {
	LDAP_DIGEST_LEN = 32,
	LDAP_COOKIE_MAX = 4096,
	LDAP_HELD_SIZE = 9,
	LDAP_ENTRIES_MAX = 100000,
	LDAP_PASS_BYTES_MAX = 256 * 1024 * 1024,
};

/* How far we have read: stored with the last change of what was read. */
struct ldap_cursor {
	uint8_t digest[LDAP_DIGEST_LEN]; /* of what was asked for */
	struct moment success;		 /* when a pass last ended well; wall 0: never */
	uint64_t full;			 /* wall clock of the last whole one */
	char cookie[LDAP_COOKIE_MAX + 1];
};

enum ldap_phase { LDAP_RESTS, LDAP_READS, LDAP_APPLIES };

struct ldap {
	struct manager *m;
	bool is_open;
	struct ldap_table table;
	struct ldap_cursor cursor, stored;

	enum ldap_phase phase;
	struct ldap_pass pass;
	struct ldap_plan plan;
	size_t applied; /* of the plan's ops */
	bool wants_full;
	bool is_outdated; /* what is being read was asked for by an older configuration */
	sd_event_source *timer, *defer;
	uint64_t next; /* boot clock; 0: now */
	uint64_t full_due;

	unsigned failures;
	struct report error; /* while failures > 0 */
	bool is_refused;     /* the last of them, by the directory: a person has to act */
	char server[256];

	struct ldap_names held;
	char held_id[LDAP_HELD_SIZE];
	char held_reason[REPORT_TEXT_MAX];
	uint64_t held_since; /* wall clock */
	bool is_held_restored;
	struct ldap_names approved; /* for the next whole pass */
	bool has_approval;

	struct peer *waiter; /* for the end of the next whole pass */
	bool is_waiter_late; /* and not of the one that is becoming true */
};

/* A Worker.Sync of the pass under way. Below 0 refuses it. */
must_check int ldap_read_sync(void *context, const struct frame *f);

/* What cookies depend on: which entries, and which of their attributes. */
void ldap_digest(const struct config_ldap *ldap, uint8_t ret[static LDAP_DIGEST_LEN]);

/* The fields of Job.Ldap for the pass that is begun. May hold the password. */
must_check int ldap_build_job(const struct ldap *l, struct buf *f, struct report *report);

/* Makes the next batch of the plan true, and with the last one the cursor. 1: there is more; 0:
 * all is done. After a failure nothing of the batch is. */
must_check int ldap_apply_batch(struct ldap *l, struct report *report);

/* Credits the time that gone services have been so, and erases those whose grace is over. */
void ldap_expire(struct ldap *l);

/* Stores how long E has been gone; drops the service ID, whose grace is over. */
void ldap_store_gone(struct ldap *l, struct ldap_entry *e);
must_check int ldap_forget_gone(struct ldap *l, const char *id, struct report *report);

must_check int ldap_load(struct ldap *l, struct report *report);

/* Of a gone service: its policy by the configuration in force, always disabled. */
must_check int ldap_judge_gone(struct ldap *l, struct ldap_entry *e);

#endif
