/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text may quote bytes from a file or a peer: it must not be able to drive a terminal. */
static void defuse(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

int report_set(struct report *r, int err, const char *fmt, ...)
{
	va_list ap;

	if (!r)
		return err;
	memset(r, 0, sizeof(*r));
	va_start(ap, fmt);
	(void)vsnprintf(r->what, sizeof(r->what), fmt, ap); /* cut text is still text */
	va_end(ap);
	defuse(r->what);
	return err;
}

void report_at(struct report *r, const char *file, unsigned line, unsigned column)
{
	if (!r)
		return;
	(void)snprintf(r->file, sizeof(r->file), "%s", file); /* cut text is still text */
	defuse(r->file);
	r->line = line;
	r->column = column;
}

void report_hint(struct report *r, const char *fmt, ...)
{
	va_list ap;

	if (!r)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(r->hint, sizeof(r->hint), fmt, ap); /* cut text is still text */
	va_end(ap);
	defuse(r->hint);
}

void report_format(const struct report *r, char *out, size_t size)
{
	if (r->file[0] && r->line && r->column)
		(void)snprintf(out, size, "%s:%u:%u: %s", r->file, r->line, r->column, r->what);
	else if (r->file[0] && r->line)
		(void)snprintf(out, size, "%s:%u: %s", r->file, r->line, r->what);
	else if (r->file[0])
		(void)snprintf(out, size, "%s: %s", r->file, r->what);
	else
		(void)snprintf(out, size, "%s", r->what);
}
