/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the child that reads a directory says, checked before it is passed on: the child is our
 * own code, but it has read what strangers sent. Whole frames, one after the other:
 *
 *	Worker.Sync begin, any upsert or broken, Worker.Sync commit, Worker.Done
 *
 * or a Worker.Done other than `ok` instead of any but the first. Pure.
 */
#ifndef ROTATED_HANDS_LDAPSTREAM_H
#define ROTATED_HANDS_LDAPSTREAM_H

#include "base/buf.h"

#include <stdbool.h>

struct ldap_stream {
	const char *id; /* of the job; borrowed */
	struct buf bytes;
	bool has_begun, has_committed;
	const char *result; /* of Worker.Done; NULL before */
	struct buf output;
};

void ldap_stream_feed(struct ldap_stream *s, const void *data, size_t len);

/* Bytes that were fed, and not yet taken. */
size_t ldap_stream_left(const struct ldap_stream *s);

/* 1: RET is the next Worker.Sync to pass on. 0: there is none (yet). -EBADMSG: the child has
 * lost its mind. */
must_check int ldap_stream_next(struct ldap_stream *s, struct buf *ret);

void ldap_stream_release(struct ldap_stream *s);

#endif
