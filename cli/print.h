/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting the vault's answers before a person. Whatever came from outside goes through
 * print_safe(), so that no name, reason or reply of a foreign server can drive the terminal.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

struct json_t; /* jansson's */

/* Appends TEXT; whatever is not UTF-8, and every control or direction-changing character,
 * becomes '?'. */
void print_safe(struct buf *out, const char *text);

/* The member KEY of an object as text that is safe to print: numbers in decimal, true and false
 * as "yes" and "no", a missing, null or empty one as "-". */
enum { PRINT_CELL_SIZE = 512 };
const char *print_cell(const struct json_t *object, const char *key,
		       char out[static PRINT_CELL_SIZE]);

/* True if the member KEY is there and not null, false, 0, "" or an empty list. */
bool print_has(const struct json_t *object, const char *key);

/* The member KEY itself; NULL when OBJECT is none or has no such member. */
const struct json_t *print_member(const struct json_t *object, const char *key);

/* The whole of it, as JSON. */
void print_json(FILE *out, const struct json_t *json);

/* BEFORE, the member KEY, AFTER; nothing when print_has() is false. */
void print_if(FILE *out, const struct json_t *object, const char *key, const char *before,
	      const char *after);

/* The members of each row of ROWS as an aligned table. HEADS and KEYS have N entries, at most
 * PRINT_COLUMNS_MAX; the last column is folded so that lines fit 80 columns where they can.
 * An empty array prints NONE. */
enum { PRINT_COLUMNS_MAX = 8, PRINT_WIDTH = 80 };
struct print_table {
	const char *const *heads;
	const char *const *keys;
	size_t n;
	const char *none;
};
void print_table(FILE *out, const struct json_t *rows, const struct print_table *table);

/* "name  value" lines with the names aligned, for the members that are there. */
struct print_field {
	const char *name;
	const char *key;
};
void print_fields(FILE *out, const struct json_t *object, const struct print_field *fields,
		  size_t n);

/* "rotated every  90d", or "rotated at     Mon *-*-* 04:26:00". */
void print_schedule(FILE *out, const struct json_t *object);

/* The member KEY, a number of seconds, as "90d"; "-" for null. */
const char *print_span(const struct json_t *object, const char *key,
		       char out[static PRINT_CELL_SIZE]);

#endif
