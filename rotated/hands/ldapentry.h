/* SPDX-License-Identifier: BSD-2-Clause */
/* One entry as the server sent it, taken apart and put into a Worker.Sync frame. */
#ifndef ROTATED_HANDS_LDAPENTRY_H
#define ROTATED_HANDS_LDAPENTRY_H

#include "rotated/hands/ldapsession.h"

enum { LDAP_UUID_LEN = 36, LDAP_SHOWN_DN_SIZE = 1025 };

struct ldap_entry {
	char uuid[LDAP_UUID_LEN + 1]; /* "" when it can not be read */
	char csn[LDAP_CSN_LEN + 1];   /* "" */
	char time[LDAP_TIME_LEN + 1]; /* "" */
	char dn[LDAP_SHOWN_DN_SIZE];  /* printable, maybe cut */
	char problem[128];	      /* why it is broken; "" when it is not */
	struct buf attributes;	      /* wire/attributes.h */
};

/* NAMES: what was asked for. -EBADMSG when the message is not an entry. */
must_check int ldap_entry_take(LDAP *ld, LDAPMessage *m, const char *names,
			       struct ldap_entry *ret);

/* A whole frame: upsert, or broken. */
must_check int ldap_entry_frame(const struct ldap_entry *e, const char *id, struct buf *out);

/* LEN bytes in the form of RFC 4122, in lower case. */
bool ldap_uuid_take(const void *data, size_t len, char ret[static LDAP_UUID_LEN + 1]);

#endif
