/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes into and comes out of a hook of the contract `rotated-upstream/1`
 * (rotated-hooks(7)). Both hold secrets: what is read of them is kept in struct secret and
 * wiped, jansson's own copies too, and nothing of it is ever part of a message.
 */
#ifndef ROTATED_HANDS_UPSTREAM_H
#define ROTATED_HANDS_UPSTREAM_H

#include "base/buf.h"
#include "base/secret.h"

enum {
	UPSTREAM_USER_MAX = 200,
	UPSTREAM_SECRET_MAX = 1024,
	UPSTREAM_CREDENTIAL_MAX = 200,
	UPSTREAM_LISTED_MAX = 128,
	UPSTREAM_DETAIL_MAX = 150,
};

struct upstream_output {
	char user[UPSTREAM_USER_MAX + 1];	      /* "" for none */
	char credential[UPSTREAM_CREDENTIAL_MAX + 1]; /* "" for none */
	struct secret *secret;			      /* NULL for none */
	struct buf credentials;			      /* lines VERSION CREDENTIAL */
	bool is_pending;			      /* somebody is at it still */
	char detail[UPSTREAM_DETAIL_MAX + 1];	      /* printable; without the secret */
};

/*
 * Reads
 * {"user":…,"secret":…,"id":…,"credentials":[{"id":…,"version":…}],"status":…,"detail":…}, each
 * if it is there, with a status of ok or pending; nothing at all, or only blanks, is an empty
 * output. -EBADMSG when it is not of that form: a user or id with blanks, a colon in a user, a
 * secret that is not of printable characters, more than UPSTREAM_LISTED_MAX credentials. RET is
 * as after upstream_output_release() then.
 */
must_check int upstream_output_parse(const void *data, size_t len, struct upstream_output *ret);
void upstream_output_release(struct upstream_output *o);

/* The member "secret" of a payload, so that it can be kept out of what a hook says. -ENOENT. */
must_check int upstream_payload_secret(const void *data, size_t len, struct secret **ret);

/* True when LINE holds SECRET (NULL: there is none), or a piece of it; it is then not shown. */
bool upstream_line_tells(const char *line, const struct secret *secret);

#endif
