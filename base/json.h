/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A JSON writer (RFC 8259). Commas are its own affair; nesting is the caller's. Strings that
 * are not valid UTF-8 have the offending bytes replaced by U+FFFD. Errors stay in the buffer.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

#include <stdbool.h>

struct json {
	struct buf *out; /* borrowed */
	bool need_comma;
};

#define JSON_INIT(buf) ((struct json){ .out = (buf) })

/* KEY is NULL inside an array and at the top. */
void json_put_object(struct json *j, const char *key);
void json_put_object_end(struct json *j);
void json_put_array(struct json *j, const char *key);
void json_put_array_end(struct json *j);
void json_put_string(struct json *j, const char *key, const char *value);
void json_put_number(struct json *j, const char *key, uint64_t value);
void json_put_bool(struct json *j, const char *key, bool value);
void json_put_null(struct json *j, const char *key);

/* A wall-clock time in microseconds as RFC 3339 in UTC; null for 0 and USEC_NEVER. */
void json_put_time(struct json *j, const char *key, uint64_t wall);

#endif
