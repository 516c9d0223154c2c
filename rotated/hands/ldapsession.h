/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection to a directory, made by the request's rules or not at all. Blocking; runs in a
 * child process (see job.h). */
#ifndef ROTATED_HANDS_LDAPSESSION_H
#define ROTATED_HANDS_LDAPSESSION_H

#include <ldap.h>

#include "rotated/hands/ldapcursor.h"

enum {
	LDAP_URIS_SIZE = 2048,
	LDAP_PATH_SIZE = 1024,
	LDAP_DN_SIZE = 1025,
	LDAP_FILTER_SIZE = 4096,
	LDAP_NAMES_SIZE = 2048,
	LDAP_PASSWORD_MAX = 4096,
	LDAP_DETAIL_SIZE = 512,
	LDAP_LIMIT_DEFAULT = 100000,
};

enum ldap_bind { LDAP_BIND_SIMPLE, LDAP_BIND_EXTERNAL, LDAP_BIND_ANONYMOUS };

/* What the vault wants to know (Job.Ldap in docs/protocol.md). */
struct ldap_request {
	char id[64 + 1];
	char uris[LDAP_URIS_SIZE]; /* separated by blanks */
	bool starttls;
	char ca[LDAP_PATH_SIZE]; /* "" for the system's certificates */
	enum ldap_bind bind;
	char bind_dn[LDAP_DN_SIZE];
	struct buf password;
	char base[LDAP_DN_SIZE];
	char filter[LDAP_FILTER_SIZE];
	char attributes[LDAP_NAMES_SIZE]; /* separated by blanks */
	bool is_full;
	bool has_cookie;
	struct ldap_cursor cursor; /* of the cookie */
	uint64_t limit;		   /* of entries */
	uint64_t timeout;	   /* microseconds */
};

enum ldap_outcome {
	LDAP_OUTCOME_OK,
	LDAP_OUTCOME_RESTORED,	  /* the cookie does not fit the directory any more */
	LDAP_OUTCOME_TEMPORARY,	  /* another time may do */
	LDAP_OUTCOME_DENIED,	  /* the login, or the search */
	LDAP_OUTCOME_CONFIG,	  /* a person must change something */
	LDAP_OUTCOME_UNREACHABLE, /* no server answers */
	LDAP_OUTCOME_TIMEOUT,
	LDAP_OUTCOME_MAX_
};
const char *ldap_outcome_word(enum ldap_outcome outcome);

struct ldap_session {
	const struct ldap_request *request;
	uint64_t deadline; /* monotonic, for everything */
	LDAP *ld;
	char uri[LDAP_URI_SIZE];
	enum ldap_outcome outcome; /* of the first failure since it was opened */
	char detail[LDAP_DETAIL_SIZE];
};

/* NULL when it can be asked; else what is wrong with it. */
const char *ldap_request_check(const struct ldap_request *r);

/* Connects to the first server that works, brings TLS up, logs in. After a failure outcome and
 * detail say why. -EIO. */
must_check int ldap_session_open(struct ldap_session *s);
void ldap_session_close(struct ldap_session *s);

/* Notes a failure, printable; the first one stays. Returns -EIO. */
int ldap_session_fail(struct ldap_session *s, enum ldap_outcome outcome, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same for a result code of the server or of libldap, while doing STEP; TEXT is what the
 * server said, or NULL. */
int ldap_session_fail_code(struct ldap_session *s, int code, const char *step,
			   const char *text);

/* Waits for the next message of MSGID, until the deadline. -EIO. RET is owned by the caller;
 * its type is returned. */
must_check int ldap_session_wait(struct ldap_session *s, int msgid, LDAPMessage **ret);

#endif
