/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One entry of the directory as the vault keeps it: what it said last, as text that the map has
 * picked, so that a new configuration can judge it anew without asking. Two kinds of records,
 * both of the AUTH tier: "ldap-entry", named by the entryUUID, for what is there; "ldap-gone",
 * named by the service id, for a service that the directory does not name any more and whose
 * credentials wait out the grace.
 */
#ifndef ROTATED_DIRECTORY_LDAP_ENTRY_H
#define ROTATED_DIRECTORY_LDAP_ENTRY_H

#include "base/buf.h"
#include "base/clock.h"
#include "rotated/directory/ldap_map.h"

enum { LDAP_DN_MAX = 1024, LDAP_ENTRY_FORMAT = 1 };

struct ldap_entry {
	char uuid[LDAP_UUID_SIZE];
	char id[SERVICE_ID_MAX + 1]; /* "" when nothing usable was ever read */
	char *dn;		     /* owned, for people */
	struct ldap_values values;
	uint64_t serial;   /* when it came to its id: of two that claim one, the lower has it */
	uint64_t gone_age; /* of what is gone: credited time since then */
	struct moment gone_seen; /* up to when */

	/* not stored */
	struct config_service service;
	bool is_usable; /* `service` is filled */
	bool is_stored;
	struct moment gone_stored; /* as gone_seen is on disk */
	char *problem;		   /* owned; why what it says now is not in force; NULL */
	char *hint;		   /* owned; with a problem */
};

void ldap_entry_free(struct ldap_entry *e); /* NULL is allowed */
DEFINE_CLEANUP(struct ldap_entry, ldap_entry_free)
#define cleanup_ldap_entry cleanup_(ldap_entry_freep)

/* An empty one. NULL when memory is short. */
struct ldap_entry *ldap_entry_new(const char *uuid, const char *dn);

/* Judges its values by C: is_usable, or a problem; what was usable before then stays in force.
 * -ENOMEM. */
must_check int ldap_entry_judge(struct ldap_entry *e, struct config *c);

/* As ldap_entry_judge(), of what was stored: it was in force under another configuration, and
 * what was disabled must not come back because that has changed. Pairs that do not fit any more
 * are left out, and told as the problem. */
must_check int ldap_entry_judge_stored(struct ldap_entry *e, struct config *c);

/*
 * E says that it is disabled, and is broken besides: it becomes what LAST, which may be NULL,
 * was, but disabled, and keeps its problem.
 */
must_check int ldap_entry_disable(struct ldap_entry *e, const struct ldap_entry *last,
				  struct config *c);

/* Takes over what REPORT says; NULL: nothing is wrong. Best effort when memory is short. */
void ldap_entry_blame(struct ldap_entry *e, const struct report *report);

/* The same id, DN and values. */
bool ldap_entry_equal(const struct ldap_entry *a, const struct ldap_entry *b);

/* The stored form. Decoding is strict: -EBADMSG. */
void ldap_entry_encode(const struct ldap_entry *e, struct buf *out);
must_check int ldap_entry_decode(const uint8_t *data, size_t len, struct ldap_entry **ret);

#endif
