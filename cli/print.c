/* SPDX-License-Identifier: BSD-2-Clause */
#include "cli/print.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* Length of the well-formed UTF-8 character at S, 0 when it is none; *RET its code point. */
static size_t decode(const char *s, uint32_t *ret)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	char copy[5] = { 0 };

	for (size_t i = 0; i < len; i++) {
		if (!s[i])
			return 0;
		copy[i] = s[i];
	}
	if (!text_is_utf8(copy))
		return 0;
	*ret = len == 1 ? p[0] : p[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++)
		*ret = *ret << 6 | (p[i] & 0x3fU);
	return len;
}

/* Controls, and what changes the direction of the text around it (Unicode TR 36, 3.3). */
static bool is_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void print_safe(struct buf *out, const char *text)
{
	while (*text) {
		uint32_t c = 0;
		size_t len = decode(text, &c);

		if (len == 0 || is_unsafe(c))
			buf_append_byte(out, '?');
		else
			buf_append(out, text, len);
		text += len ? len : 1;
	}
}

/* Characters, not bytes: what the columns are counted in. */
static size_t width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void copy_safe(const char *text, char out[static PRINT_CELL_SIZE])
{
	cleanup_buf struct buf safe = BUF_INIT;
	const char *s;

	print_safe(&safe, text);
	s = buf_string(&safe);
	if (s && strlen(s) >= PRINT_CELL_SIZE)
		(void)snprintf(out, PRINT_CELL_SIZE, "%.*s...", PRINT_CELL_SIZE - 8, s);
	else
		(void)snprintf(out, PRINT_CELL_SIZE, "%s", s ? s : "?");
}

const char *print_cell(const json_t *object, const char *key, char out[static PRINT_CELL_SIZE])
{
	const json_t *v = json_object_get(object, key);

	(void)snprintf(out, PRINT_CELL_SIZE, "-");
	if (json_is_string(v) && *json_string_value(v))
		copy_safe(json_string_value(v), out);
	else if (json_is_integer(v))
		(void)snprintf(out, PRINT_CELL_SIZE, "%" JSON_INTEGER_FORMAT,
			       json_integer_value(v));
	else if (json_is_boolean(v))
		(void)snprintf(out, PRINT_CELL_SIZE, "%s", json_is_true(v) ? "yes" : "no");
	return out;
}

bool print_has(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	if (json_is_string(v))
		return *json_string_value(v);
	if (json_is_integer(v))
		return json_integer_value(v) != 0;
	return json_is_true(v) || json_array_size(v) > 0;
}

const json_t *print_member(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

void print_json(FILE *out, const json_t *json)
{
	(void)json_dumpf(json, out, JSON_INDENT(2)); /* cli_main() looks at ferror() */
	(void)fputc('\n', out);
}

void print_if(FILE *out, const json_t *object, const char *key, const char *before,
	      const char *after)
{
	char cell[PRINT_CELL_SIZE];

	if (print_has(object, key))
		(void)fprintf(out, "%s%s%s", before, print_cell(object, key, cell), after);
}

const char *print_span(const json_t *object, const char *key, char out[static PRINT_CELL_SIZE])
{
	const json_t *v = json_object_get(object, key);
	char span[SPAN_TEXT_SIZE] = "-";

	if (json_is_integer(v) && json_integer_value(v) == 0)
		(void)snprintf(span, sizeof(span), "0s");
	else if (json_is_integer(v) && json_integer_value(v) > 0)
		text_from_span((uint64_t)json_integer_value(v) * USEC_PER_SEC, span);
	(void)snprintf(out, PRINT_CELL_SIZE, "%s", span);
	return out;
}

void print_schedule(FILE *out, const json_t *object)
{
	const char *calendar = json_string_value(json_object_get(object, "calendar"));
	char span[PRINT_CELL_SIZE];

	if (calendar)
		(void)fprintf(out, "rotated at     %s", calendar);
	else
		(void)fprintf(out, "rotated every  %s", print_span(object, "schedule", span));
}

/* TEXT in lines of ROOM characters, broken at blanks; the later ones are indented by INDENT. */
static void fold(FILE *out, const char *text, size_t indent, size_t room)
{
	while (width(text) > room) {
		size_t used = 0;
		size_t cut = 0;

		for (size_t i = 0; text[i] && used <= room; i++) {
			if (text[i] == ' ')
				cut = i;
			used += ((unsigned char)text[i] & 0xc0) != 0x80;
		}
		if (cut == 0)
			break; /* one long word: whole rather than cut */
		(void)fprintf(out, "%.*s\n%*s", (int)cut, text, (int)indent, "");
		text += cut + 1;
	}
	(void)fprintf(out, "%s\n", text);
}

static void print_row(FILE *out, char cells[][PRINT_CELL_SIZE], const size_t *widths, size_t n)
{
	size_t indent = 0;

	for (size_t i = 0; i + 1 < n; i++) {
		(void)fprintf(out, "%s%*s", cells[i], (int)(widths[i] - width(cells[i]) + 2),
			      "");
		indent += widths[i] + 2;
	}
	fold(out, cells[n - 1], indent,
	     indent + 20 < PRINT_WIDTH ? PRINT_WIDTH - indent : SIZE_MAX);
}

void print_table(FILE *out, const json_t *rows, const struct print_table *table)
{
	char cells[PRINT_COLUMNS_MAX][PRINT_CELL_SIZE];
	size_t widths[PRINT_COLUMNS_MAX];
	size_t index;
	json_t *row;

	if (json_array_size(rows) == 0) {
		(void)fprintf(out, "%s\n", table->none);
		return;
	}
	for (size_t i = 0; i < table->n; i++) {
		(void)snprintf(cells[i], PRINT_CELL_SIZE, "%s", table->heads[i]);
		widths[i] = width(cells[i]);
		for (index = 0; index < json_array_size(rows); index++) {
			char cell[PRINT_CELL_SIZE];
			size_t w = width(
				print_cell(json_array_get(rows, index), table->keys[i], cell));

			widths[i] = w > widths[i] ? w : widths[i];
		}
	}
	print_row(out, cells, widths, table->n);
	json_array_foreach(rows, index, row)
	{
		for (size_t i = 0; i < table->n; i++)
			(void)print_cell(row, table->keys[i], cells[i]);
		print_row(out, cells, widths, table->n);
	}
}

void print_fields(FILE *out, const json_t *object, const struct print_field *fields, size_t n)
{
	char cell[PRINT_CELL_SIZE];
	size_t widest = 0;

	for (size_t i = 0; i < n; i++)
		widest = width(fields[i].name) > widest ? width(fields[i].name) : widest;
	for (size_t i = 0; i < n; i++)
		if (print_has(object, fields[i].key) ||
		    json_is_boolean(json_object_get(object, fields[i].key)))
			(void)fprintf(out, "%-*s  %s\n", (int)widest, fields[i].name,
				      print_cell(object, fields[i].key, cell));
}
