/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the directory has said so far, and what a pass over it would change. Pure: the decision
 * is made here over plain structs, and becomes true in ldap_apply.c.
 *
 * An entry is known by its entryUUID: a new name, or another place in the tree, changes
 * nothing. Of two entries that claim one service the earlier has it. A service that no entry
 * names any more is gone: it stays, disabled, until its grace is over. So an entry that gets
 * another service id makes a new service, and the old one is gone.
 */
#ifndef ROTATED_DIRECTORY_LDAP_TABLE_H
#define ROTATED_DIRECTORY_LDAP_TABLE_H

#include "rotated/directory/ldap_entry.h"

struct ldap_table {
	struct ldap_entry **entries; /* owned, by uuid */
	size_t n;
	struct ldap_entry **gone; /* owned, by service id */
	size_t n_gone;
	struct ldap_entry **in_force; /* by service id: who has it, gone ones too */
	size_t n_in_force;
	uint64_t serial; /* the highest ever given */
};

void ldap_table_release(struct ldap_table *t);

/* Adds what a record held, in any order; ldap_table_settle() makes it whole. E is owned. */
must_check int ldap_table_add(struct ldap_table *t, struct ldap_entry *e, bool is_gone);

/* Finds anew who is in force. -ENOMEM, with T as it was. */
must_check int ldap_table_settle(struct ldap_table *t);

/* The entry that has the service ID, alive or gone; NULL. */
struct ldap_entry *ldap_table_find(const struct ldap_table *t, const char *id);
struct ldap_entry *ldap_table_find_gone(const struct ldap_table *t, const char *id);
struct ldap_entry *ldap_table_find_uuid(const struct ldap_table *t, const char *uuid);

/* ---- a pass ---- */

enum ldap_seen {
	LDAP_SEEN_ENTRY,   /* with what it says; not usable: with the problem */
	LDAP_SEEN_PRESENT, /* it is there, unchanged */
	LDAP_SEEN_DELETED,
};

struct ldap_staged {
	struct ldap_entry *entry; /* owned */
	enum ldap_seen seen;
	size_t order;
};

struct ldap_pass {
	struct ldap_staged *items;
	size_t n, size;
	size_t bytes; /* of values and DNs: bounded, whatever the worker says */
	bool is_full;
	bool is_restored; /* the directory is older than what we know of it */
	bool has_begun;
	bool is_spoiled;   /* a step was refused: whatever was sent before that was seen is, too
			    */
	bool is_committed; /* it was told whole */
	struct buf cookie;
	char server[256];
};

void ldap_pass_release(struct ldap_pass *p);

/* ENTRY is owned, also after a failure. */
must_check int ldap_pass_add(struct ldap_pass *p, struct ldap_entry *entry,
			     enum ldap_seen seen);

/* ---- what it comes to ---- */

enum ldap_op_type { LDAP_OP_ADD, LDAP_OP_CHANGE, LDAP_OP_REMOVE };

struct ldap_op {
	enum ldap_op_type type;
	struct ldap_entry *old;	  /* borrowed from the table */
	struct ldap_entry *fresh; /* owned */
	bool loses_id;		  /* nobody has the old one's service after this */
};

struct ldap_names {
	char (*items)[SERVICE_ID_MAX + 1]; /* owned, ascending */
	size_t n;
};

void ldap_names_release(struct ldap_names *n);
bool ldap_names_have(const struct ldap_names *n, const char *id);

struct ldap_plan {
	struct ldap_op *ops; /* additions first, removals last */
	size_t n;
	struct ldap_names lost;	   /* services that would be gone */
	struct ldap_names guarded; /* those, or with is_restored all that would change */
	bool is_held;
	char reason[REPORT_TEXT_MAX]; /* when it is held */
};

void ldap_plan_release(struct ldap_plan *p);

struct ldap_guard {
	struct config_limit limit;
	const struct ldap_names *approved; /* what may go beyond it; NULL: nothing */
};

/*
 * What PASS changes in T, which is only touched in the problems of its entries. What is more
 * than GUARD allows is taken out: the deletions, or everything when the directory was
 * restored. PASS gives its entries away.
 */
must_check int ldap_plan_make(struct ldap_table *t, struct ldap_pass *pass,
			      const struct ldap_guard *guard, struct ldap_plan *ret);

/* Brings T behind OP, whose entry it takes. GONE, owned, is the service that it leaves; NULL
 * for none. -ENOMEM with T as it was. ldap_table_settle() is the caller's. */
must_check int ldap_table_apply(struct ldap_table *t, struct ldap_op *op,
				struct ldap_entry *gone);

/* Drops what is gone for good. */
void ldap_table_forget(struct ldap_table *t, const char *id);

#endif
