/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines on standard error, with the "<N>" priority prefix of sd-daemon(3) when the journal
 * reads them. Only the boundary of a program logs (a verb handler, a timer, main); libraries do
 * not.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/report.h"

enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* PROGRAM is borrowed for good (argv[0] or a literal). Lines above LEVEL are dropped. */
void log_open(const char *program, enum log_level level);

/* One line; control characters in it become '?'. Never pass a secret. */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* The report's text, and its hint on a line of its own. */
void log_report(enum log_level level, const struct report *r);

#endif
