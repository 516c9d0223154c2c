/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_ = 2048 };

/* The log target is one of the two allowed globals: it is set once, before anything runs. */
static const char *log_program = "rotated";
static enum log_level log_max = LOG_LEVEL_INFO;
static bool log_to_journal;

void log_open(const char *program, enum log_level level)
{
	log_program = program;
	log_max = level;
	log_to_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_];
	char line[LINE_MAX_ + 128];
	va_list ap;
	int n;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut text is still text */
	va_end(ap);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';

	if (log_to_journal)
		n = snprintf(line, sizeof(line), "<%d>%s\n", level, text);
	else
		n = snprintf(line, sizeof(line), "%s[%d]: %s\n", log_program, (int)getpid(),
			     text);
	if (n > 0) {
		/* one write, so that lines of several programs do not mix; there is nowhere
		 * left to report that it failed */
		ssize_t unused = write(STDERR_FILENO, line, strlen(line));
		(void)unused;
	}
}

void log_report(enum log_level level, const struct report *r)
{
	char text[REPORT_FILE_MAX + REPORT_TEXT_MAX + 32];

	report_format(r, text, sizeof(text));
	log_line(level, "%s", text);
	if (r->hint[0])
		log_line(level, "  next: %s", r->hint);
}
