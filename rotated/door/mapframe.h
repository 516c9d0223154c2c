/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The protocol of Postfix's socketmap_table(5). Query and reply are netstrings,
 * "LENGTH:CONTENT,": the query's content is "NAME KEY", the reply's "STATUS TEXT". Pure.
 */
#ifndef ROTATED_DOOR_MAPFRAME_H
#define ROTATED_DOOR_MAPFRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
	MAP_QUERY_MAX = 4096, /* bytes of content; smtpd takes no longer line than 2048 */
	MAP_INPUT_MAX = MAP_QUERY_MAX + 6, /* with what is around it */
	MAP_REPLY_MAX = 100000,		   /* bytes of content; Postfix takes no more */
};

/* Borrowed from the parsed bytes; not terminated. */
struct map_slice {
	const uint8_t *data;
	size_t len;
};

struct map_query {
	struct map_slice name;
	struct map_slice key; /* may be empty */
};

/*
 * Parses the first query of what has arrived so far. 0: *RET, and how many bytes it took.
 * -EAGAIN: more must come. -EBADMSG: it cannot become one (no length, a leading zero, too long,
 * no comma, no name, no blank after it). RET is untouched on failure. Nothing is kept between
 * calls.
 */
must_check int map_parse(const uint8_t *data, size_t len, struct map_query *ret,
			 size_t *ret_used);

enum map_status {
	MAP_OK,	      /* the text is the value */
	MAP_NOTFOUND, /* without text */
	MAP_TEMP,     /* not now; the text says why, for Postfix's log */
	MAP_STATUS_MAX_
};

/* Appends a whole reply. A value that Postfix would not take becomes TEMP. */
void map_reply(struct buf *out, enum map_status status, const void *text, size_t len);

#endif
