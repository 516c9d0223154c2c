/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame that our own programs exchange, one to a SOCK_SEQPACKET message (docs/protocol.md):
 *
 *	u32 length of all that follows, big-endian
 *	field*:  key, NUL, u32 length (big-endian), that many bytes
 *
 * Keys are [a-z_]{1,31}. The first field of every frame is `v`, the protocol version. Parsing
 * copies nothing: a struct frame borrows from the bytes it was parsed from.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/buf.h"

#include <stdbool.h>

enum {
	FRAME_VERSION = 1,
	FRAME_MAX = 65536, /* bytes of a whole frame, its length prefix included */
	FRAME_KEY_MAX = 31,
	FRAME_FIELDS_MAX = 32,
};

struct frame_field {
	const char *key; /* NUL-terminated, inside the parsed bytes */
	const uint8_t *data;
	uint32_t len;
};

struct frame {
	struct frame_field fields[FRAME_FIELDS_MAX];
	uint32_t count;
};

/*
 * Parses exactly one frame that fills DATA. -EBADMSG: truncated, trailing bytes, a bad or a
 * repeated key, too many fields. -EPROTO: well formed but of another protocol version.
 */
must_check int frame_parse(const uint8_t *data, size_t len, struct frame *ret);

/* NULL when there is no such field. */
const struct frame_field *frame_find(const struct frame *f, const char *key);

/* Copies a text field, terminated. -ENOENT without one, -EBADMSG if it holds a NUL or does not
 * fit SIZE. RET is untouched on failure. */
must_check int frame_text(const struct frame *f, const char *key, char *ret, size_t size);

/* A number as decimal text. -ENOENT, -EBADMSG. */
must_check int frame_number(const struct frame *f, const char *key, uint64_t *ret);

/* True if the field is there and holds "1". */
bool frame_flag(const struct frame *f, const char *key);

/* Building: frame_begin(), any puts, frame_end(). Failure is sticky in the buffer and comes out
 * of frame_end(): -E2BIG when the frame would be larger than FRAME_MAX. */
void frame_begin(struct buf *out);
void frame_put(struct buf *out, const char *key, const void *data, size_t len);
void frame_put_text(struct buf *out, const char *key, const char *text);
void frame_put_number(struct buf *out, const char *key, uint64_t value);
must_check int frame_end(struct buf *out);

#endif
