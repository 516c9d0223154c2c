/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has to be looked at after the keystore was put back to an earlier state: for each
 * service, domain and provider what was done since, and which command repairs it. The list is
 * kept in the keystore, in records of its own, until each entry is ticked off: by hand, or when
 * the item gets a new active version.
 *
 * What was done since is read from the audit log, whose lines after the keystore's own end are
 * proven by the key that the keystore has of the next line. Where the log is not newer than the
 * keystore, nobody knows, and the list says so.
 *
 * What needs nobody is done at once: version numbers and selectors that were given since are
 * not given again, and what was revoked or disabled since is so again.
 */
#ifndef ROTATED_VAULT_RECONCILE_H
#define ROTATED_VAULT_RECONCILE_H

#include "base/json.h"
#include "rotated/vault/manager.h"

/* How far numbers jump where the log does not tell which were given. */
enum { RECONCILE_JUMP = 100 };

struct reconcile_plan;

/* What the log says was done since the keystore's last transaction; of a restored one since
 * that of the backup, as making it took transactions too. AUTH must be open. */
must_check int reconcile_plan_new(struct manager *m, struct reconcile_plan **ret,
				  struct report *report);
void reconcile_plan_free(struct reconcile_plan *p); /* NULL is allowed */
/* False: the log is not newer than the keystore, so what was done since is not known. */
bool reconcile_plan_is_known(const struct reconcile_plan *p);

/* Takes a rolled-back or restored keystore as it is for the truth, with the list of P in the
 * same transaction; then does what needs nobody. */
must_check int reconcile_accept(struct manager *m, const struct reconcile_plan *p,
				struct report *report);
/* Members "known" and "reconcile" of J: what is in P, or what is stored. */
void reconcile_write_plan(const struct reconcile_plan *p, struct json *j);
void reconcile_write(const struct manager *m, struct json *j);

/* ---- the stored list ---- */

/*
 * After unsealing, and again while it fails: makes the list of a restored keystore that has
 * none yet, reads it, and does what was left undone. A failure is an alarm, and is tried again
 * by itself; until there is a list, nothing is changed.
 */
must_check int reconcile_go_on(struct manager *m, struct report *report);
void reconcile_forget_all(struct manager *m);
size_t reconcile_count(const struct manager *m);

/* In the transaction of a change of ITEM from WAS to NEXT: its entry goes when a new version is
 * active. */
must_check int reconcile_renewed(const struct manager *m, struct keystore_txn *txn,
				 const struct engine_item *was, const struct engine_item *next);
/* And after it. */
void reconcile_was_renewed(struct manager *m, const struct engine_item *item);

/* A person has done what entry NAME says. -ENOENT. */
must_check int reconcile_tick(struct manager *m, const char *name, const char *actor,
			      struct report *report);

/* ---- for reconcile.c and reconcile_*.c ---- */

enum { RECONCILE_REVOKED_MAX = 64, RECONCILE_NAME_SIZE = 300 };

/* One entry: of an item, or of what is no item ("ca", "store"). */
struct reconcile_entry {
	char name[RECONCILE_NAME_SIZE]; /* "password/billing" */
	char what[REPORT_TEXT_MAX];
	char hint[REPORT_TEXT_MAX];
	uint32_t floor;	 /* the highest version known to have been given; 0 */
	bool is_new;	 /* something was made since */
	bool is_pending; /* what needs nobody is not done yet */
	bool is_disabled;
	bool is_all_revoked;
	uint32_t revoked_count;
	uint32_t revoked[RECONCILE_REVOKED_MAX];
};

struct reconcile_plan {
	struct reconcile_list list;
	bool is_known;
	uint64_t since; /* when the keystore was as it is */
};

/* NULL when there is none. */
struct reconcile_entry *reconcile_find(const struct reconcile_list *l, const char *name);
/* The entry NAME, made if there is room; NULL otherwise. */
struct reconcile_entry *reconcile_entry_get(struct reconcile_list *l, const char *name);

void reconcile_list_remove(struct reconcile_list *l, const char *name);
void reconcile_list_release(struct reconcile_list *l);

/* The body of its record; the name is the record's. */
void reconcile_entry_encode(const struct reconcile_entry *e, struct buf *out);
/* -EBADMSG, and RET is as it was. */
must_check int reconcile_entry_decode(const uint8_t *data, size_t len,
				      struct reconcile_entry *ret);

enum { RECONCILE_WORD_SIZE = 64 };

/* A line as far as it matters; our own writing, so nothing in it is escaped. */
struct reconcile_told {
	char event[RECONCILE_WORD_SIZE];
	char object[ENGINE_ID_SIZE];
	char outcome[RECONCILE_WORD_SIZE];
	char request[AUDIT_REQUEST_SIZE];
	uint32_t version;
	uint64_t txid;
};

/* Any line; what is not in it is empty or 0. */
void reconcile_told_parse(const char *line, size_t len, struct reconcile_told *ret);
/* T was done, or may have been: puts it on the list of P. */
void reconcile_take_event(struct reconcile_plan *p, const struct reconcile_told *t);

/* reconcile_log.c: fills PLAN's list from what follows END in the log. TXID: the keystore's. */
must_check int reconcile_read_log(struct manager *m, const struct keystore_audit *end,
				  uint64_t txid, struct reconcile_plan *plan);

#endif
