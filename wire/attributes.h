/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The attributes of one directory entry in the field `attributes` of Worker.Sync, as the server
 * gave them (docs/protocol.md):
 *
 *	attribute*:  name, NUL, u16 count, count times: u32 length, that many bytes
 *
 * Integers are big-endian. Reading copies nothing: what comes out borrows from the field.
 */
#ifndef WIRE_ATTRIBUTES_H
#define WIRE_ATTRIBUTES_H

#include "base/buf.h"

#include <stdbool.h>

enum {
	ATTRIBUTES_BYTES_MAX = 60 * 1024, /* leaves room for the other fields of a frame */
	ATTRIBUTES_MAX = 64,
	ATTRIBUTE_NAME_MAX = 127,
	ATTRIBUTE_VALUES_MAX = 16384,
};

/* One that was checked by attributes_parse(). */
struct attributes {
	const uint8_t *data;
	size_t len;
};

struct attribute {
	const char *name; /* [A-Za-z0-9.;_-]+, in the server's case; NUL-terminated */
	unsigned count;	  /* of its values, at least one */
	const uint8_t *data;
	size_t len;
};

struct attribute_value {
	const uint8_t *data; /* any bytes, not terminated */
	size_t len;
};

/*
 * Checks the whole list. -EBADMSG: truncated, trailing bytes, a bad name, an attribute without
 * values or there twice (names differ in more than case). -E2BIG: over a limit above.
 */
must_check int attributes_parse(const uint8_t *data, size_t len, struct attributes *ret);

/* The attribute at OFFSET (0 to begin with), and on to the next. False at the end. */
bool attributes_next(const struct attributes *list, size_t *offset, struct attribute *ret);

/* The same for the values of an attribute. */
bool attribute_next(const struct attribute *a, size_t *offset, struct attribute_value *ret);

/* The one called NAME, in any case. False when it is not there. */
bool attributes_find(const struct attributes *list, const char *name, struct attribute *ret);

bool attribute_name_is_valid(const char *name);

/* Building: an attribute, then as many values as it has. Failure is sticky in the buffer. */
void attributes_put(struct buf *out, const char *name, unsigned count);
void attributes_put_value(struct buf *out, const void *data, size_t len);

#endif
