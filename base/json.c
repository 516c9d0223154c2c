/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/json.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static void write_escaped(struct json *j, const char *s)
{
	buf_append_byte(j->out, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			buf_append_byte(j->out, '\\');
			buf_append_byte(j->out, c);
		} else if (c < 0x20 || c == 0x7f) {
			buf_printf(j->out, "\\u%04x", c);
		} else {
			buf_append_byte(j->out, c);
		}
	}
	buf_append_byte(j->out, '"');
}

/* Text that is not valid UTF-8 is kept readable: every byte of it above ASCII is replaced. */
static void write_string(struct json *j, const char *s)
{
	cleanup_buf struct buf ascii = BUF_INIT;
	const char *text;

	if (text_is_utf8(s)) {
		write_escaped(j, s);
		return;
	}
	for (; *s; s++) {
		if ((unsigned char)*s < 0x80)
			buf_append_byte(&ascii, (uint8_t)*s);
		else
			buf_append_str(&ascii, "\xef\xbf\xbd");
	}
	text = buf_string(&ascii);
	if (text)
		write_escaped(j, text);
	else
		j->out->error = ascii.error;
}

static void start_value(struct json *j, const char *key)
{
	if (j->need_comma)
		buf_append_byte(j->out, ',');
	if (key) {
		write_string(j, key);
		buf_append_byte(j->out, ':');
	}
	j->need_comma = true;
}

void json_put_object(struct json *j, const char *key)
{
	start_value(j, key);
	buf_append_byte(j->out, '{');
	j->need_comma = false;
}

void json_put_object_end(struct json *j)
{
	buf_append_byte(j->out, '}');
	j->need_comma = true;
}

void json_put_array(struct json *j, const char *key)
{
	start_value(j, key);
	buf_append_byte(j->out, '[');
	j->need_comma = false;
}

void json_put_array_end(struct json *j)
{
	buf_append_byte(j->out, ']');
	j->need_comma = true;
}

void json_put_string(struct json *j, const char *key, const char *value)
{
	start_value(j, key);
	write_string(j, value);
}

void json_put_number(struct json *j, const char *key, uint64_t value)
{
	start_value(j, key);
	buf_printf(j->out, "%ju", (uintmax_t)value);
}

void json_put_bool(struct json *j, const char *key, bool value)
{
	start_value(j, key);
	buf_append_str(j->out, value ? "true" : "false");
}

void json_put_null(struct json *j, const char *key)
{
	start_value(j, key);
	buf_append_str(j->out, "null");
}

void json_put_time(struct json *j, const char *key, uint64_t wall)
{
	char text[CLOCK_TEXT_SIZE];

	if (wall == 0 || wall == USEC_NEVER) {
		json_put_null(j, key);
		return;
	}
	clock_format(wall, text);
	json_put_string(j, key, text);
}
