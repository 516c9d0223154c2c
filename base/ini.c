/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/ini.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static int refuse(const struct ini *ini, struct report *report, size_t offset, const char *what)
{
	(void)report_set(report, 0, "%s", what); /* the result is ours below */
	report_at(report, "", ini->line, (unsigned)offset + 1);
	return -EBADMSG;
}

/* Takes the next line's bytes off the text; its end is not part of it. */
static size_t take_line(struct ini *ini, const char **ret)
{
	const char *start = ini->next;
	const char *lf = memchr(start, '\n', (size_t)(ini->end - start));
	const char *stop = lf ? lf : ini->end;

	ini->next = lf ? lf + 1 : ini->end;
	ini->line++;
	if (lf && stop > start && stop[-1] == '\r')
		stop--;
	*ret = start;
	return (size_t)(stop - start);
}

/* The offset of the first byte that no line may have; LEN when there is none. */
static size_t find_control(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len && (s[i] == '\t' || ((unsigned char)s[i] >= 0x20 && s[i] != 0x7f)))
		i++;
	return i;
}

static int check_control(const struct ini *ini, const char *s, size_t len,
			 struct report *report)
{
	size_t at = find_control(s, len);
	int r;

	if (at == len)
		return 0;
	if (s[at] == '\0') {
		r = refuse(ini, report, at, "a NUL byte in a text file");
		report_hint(report,
			    "Is this the right file? Write it anew with a text editor.");
	} else if (s[at] == '\r') {
		r = refuse(ini, report, at, "a carriage return in the middle of a line");
		report_hint(report, "End each line with LF, or with CR LF.");
	} else {
		r = refuse(ini, report, at, "a control character");
		report_hint(report, "Delete it; a tab is the only one allowed.");
	}
	return r;
}

/* Copies a line that is fit to be read into ini->text. */
static int accept_line(struct ini *ini, const char *s, size_t len, struct report *report)
{
	static const char bom[] = "\xef\xbb\xbf";
	int r;

	if (len > INI_LINE_MAX) {
		r = refuse(ini, report, INI_LINE_MAX, "the line is too long");
		report_hint(report, "A line has at most %d bytes.", INI_LINE_MAX);
		return r;
	}
	r = check_control(ini, s, len, report);
	if (r < 0)
		return r;
	memcpy(ini->text, s, len);
	ini->text[len] = '\0';
	if (!text_is_utf8(ini->text)) {
		r = refuse(ini, report, 0, "the line is not UTF-8");
		report_hint(report, "Save the file in UTF-8.");
		return r;
	}
	if (ini->line == 1 && strncmp(ini->text, bom, sizeof(bom) - 1) == 0) {
		r = refuse(ini, report, 0, "the file starts with a byte order mark");
		report_hint(report, "Save the file in UTF-8 without one.");
		return r;
	}
	if (len && ini->text[len - 1] == '\\' && ini->text[strspn(ini->text, " \t")] != '#' &&
	    ini->text[strspn(ini->text, " \t")] != ';') {
		r = refuse(ini, report, len - 1, "lines cannot be continued");
		report_hint(report, "Write the value on one line and drop the backslash.");
		return r;
	}
	return 0;
}

/* Cuts blanks off the end of S. */
static void trim_end(char *s)
{
	size_t len = strlen(s);

	while (len && is_blank(s[len - 1]))
		len--;
	s[len] = '\0';
}

/* Reads "[name]" from P, a place in ini->text. */
static int read_section(struct ini *ini, const char *p, struct ini_item *ret,
			struct report *report)
{
	size_t at = (size_t)(p - ini->text);
	size_t len = 0;
	int r;

	ini->is_lost = true;
	p++;
	while (is_name_byte(p[len]))
		len++;
	if (len == 0 || p[len] != ']' || p[len + 1] != '\0') {
		r = refuse(ini, report, at, "this is not a section line");
		report_hint(report, "A section line is one name in brackets, as in [service].");
		return r;
	}
	if (len > INI_NAME_MAX) {
		r = refuse(ini, report, at, "the section's name is too long");
		report_hint(report, "A name has at most %d bytes.", INI_NAME_MAX);
		return r;
	}
	memcpy(ini->section, p, len);
	ini->section[len] = '\0';
	ini->is_lost = false;
	*ret = (struct ini_item){ .kind = INI_SECTION,
				  .section = ini->section,
				  .line = ini->line,
				  .column = (unsigned)at + 2 };
	return 1;
}

/* Reads "key = value" from P, a place in ini->text. */
static int read_entry(struct ini *ini, char *p, struct ini_item *ret, struct report *report)
{
	size_t at = (size_t)(p - ini->text);
	char *name_end = p;
	char *value;
	int r;

	while (is_name_byte(*name_end))
		name_end++;
	value = name_end + strspn(name_end, " \t");
	if (*value != '=') {
		if (strchr(p, '='))
			r = refuse(ini, report, (size_t)(name_end - ini->text),
				   "a character that no key has");
		else
			r = refuse(ini, report, at, "the line has no '='");
		report_hint(report, "Write KEY = VALUE; a comment starts with '#'.");
		return r;
	}
	if (name_end == p || name_end - p > INI_NAME_MAX) {
		r = refuse(ini, report, at,
			   name_end == p ? "there is no key before the '='"
					 : "the key is too long");
		report_hint(report, "Write KEY = VALUE with a key of 1 to %d bytes.",
			    INI_NAME_MAX);
		return r;
	}
	if (!ini->section[0] && !ini->is_lost) {
		ini->is_lost = true;
		r = refuse(ini, report, at, "a key before the first section");
		report_hint(report, "Put a section line above it, as in [service].");
		return r;
	}
	value++;
	value += strspn(value, " \t");
	*name_end = '\0';
	*ret = (struct ini_item){ .kind = INI_ENTRY,
				  .section = ini->section,
				  .key = p,
				  .value = value,
				  .line = ini->line,
				  .column = (unsigned)at + 1,
				  .value_column = (unsigned)(value - ini->text) + 1 };
	return 1;
}

int ini_next(struct ini *ini, struct ini_item *ret, struct report *ret_report)
{
	while (ini->next < ini->end) {
		const char *line;
		size_t len = take_line(ini, &line);
		int r = accept_line(ini, line, len, ret_report);
		bool was_lost = ini->is_lost;
		char *p;

		if (r < 0)
			return r;
		trim_end(ini->text);
		p = ini->text + strspn(ini->text, " \t");
		if (*p == '\0' || *p == '#' || *p == ';')
			continue;
		if (*p == '[')
			return read_section(ini, p, ret, ret_report);
		r = read_entry(ini, p, ret, ret_report);
		if (r < 0 || !was_lost)
			return r;
	}
	return 0;
}
