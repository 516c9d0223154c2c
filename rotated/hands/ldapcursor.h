/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How far a directory was read: what a cookie says, and what to ask for next. Pure.
 *
 * A server that replicates shows contextCSN, for each replica ID the newest change that it has;
 * a set of them tells exactly what is new, at whichever replica is asked. Without it the newest
 * entryCSN, or modifyTimestamp, that was seen is the mark, and only at the server that gave it.
 */
#ifndef ROTATED_HANDS_LDAPCURSOR_H
#define ROTATED_HANDS_LDAPCURSOR_H

#include "base/buf.h"

#include <stdbool.h>

enum {
	LDAP_CSN_LEN = 40, /* 20261123083000.000001Z#000000#001#000000 */
	LDAP_CSNS_MAX = 64,
	LDAP_TIME_LEN = 15, /* 20261123083000Z */
	LDAP_URI_SIZE = 512,
	LDAP_COOKIE_SIZE = 4097,
	LDAP_BOUND_SIZE = 96,
};

enum ldap_cursor_kind {
	LDAP_CURSOR_NONE, /* nothing to go by: a delta reads everything */
	LDAP_CURSOR_SET,  /* contextCSN */
	LDAP_CURSOR_CSN,  /* the newest entryCSN seen, in csn[0] */
	LDAP_CURSOR_TIME, /* the newest modifyTimestamp seen */
	LDAP_CURSOR_MAX_
};

struct ldap_cursor {
	enum ldap_cursor_kind kind;
	unsigned count; /* of csn */
	char csn[LDAP_CSNS_MAX][LDAP_CSN_LEN + 1];
	char time[LDAP_TIME_LEN + 1];
	char uri[LDAP_URI_SIZE]; /* whose mark it is; "" for a set */
};

/* Copies a CSN or a time of LEN bytes, if it is one. A fraction of a second is dropped. */
bool ldap_csn_take(const void *data, size_t len, char ret[static LDAP_CSN_LEN + 1]);
bool ldap_time_take(const void *data, size_t len, char ret[static LDAP_TIME_LEN + 1]);

/* -EBADMSG for what ldap_cursor_write() did not write. */
must_check int ldap_cursor_parse(const char *cookie, struct ldap_cursor *ret);
void ldap_cursor_write(const struct ldap_cursor *c, struct buf *out);

/* Adds a value of contextCSN; false when it is none, a second one of its replica, or too many.
 */
bool ldap_cursor_add(struct ldap_cursor *set, const void *data, size_t len);

/* Whether the directory that shows NOW (a set, or empty) at URI has all that OLD saw there. */
bool ldap_cursor_covers(const struct ldap_cursor *old, const struct ldap_cursor *now,
			const char *uri);

enum ldap_bound {
	LDAP_BOUND_ALL,	 /* read everything */
	LDAP_BOUND_IDLE, /* contextCSN says that nothing has changed: look whether that is so */
	LDAP_BOUND_SINCE, /* what the filter says */
};

/* The newest of the CSNs of C; "" for none. */
const char *ldap_cursor_newest(const struct ldap_cursor *c);

/* False when CSN is newer than what contextCSN, read after it, says of its replica: nobody
 * keeps contextCSN, as in a database whose overlay was taken away. */
bool ldap_cursor_is_kept(const struct ldap_cursor *set, const char *csn);

/* What a delta from OLD to NOW has to read. Two seconds before the mark are read again: changes
 * may have become visible out of order. */
enum ldap_bound ldap_cursor_bound(const struct ldap_cursor *old, const struct ldap_cursor *now,
				  char ret[static LDAP_BOUND_SIZE]);

/* One filter (RFC 4515) in parentheses of its own, and nothing after it: safe to put into
 * another. */
bool ldap_filter_is_single(const char *filter);

#endif
