/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What went wrong, told for a person: where, what, and what to do next. Functions that can
 * fail in ways an operator must understand take a `struct report *`, fill it before they return
 * their negative errno, and leave it alone on success. A NULL report is allowed everywhere.
 */
#ifndef BASE_REPORT_H
#define BASE_REPORT_H

#include <stddef.h>

enum { REPORT_TEXT_MAX = 512, REPORT_FILE_MAX = 512 };

struct report {
	char file[REPORT_FILE_MAX]; /* configuration only; empty otherwise */
	unsigned line;		    /* from 1; 0 when there is none */
	unsigned column;	    /* from 1; 0 when there is none */
	char what[REPORT_TEXT_MAX]; /* what failed, on what object, and why */
	char hint[REPORT_TEXT_MAX]; /* the next thing to do; a command where there is one */
};

/* Sets `what`, clears the rest. Returns ERR, so that `return report_set(r, -EINVAL, …)` reads
 * in one line. Control characters in the text become '?'. Never pass a secret. */
int report_set(struct report *r, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Adds the place and the next step to a report that is already set. */
void report_at(struct report *r, const char *file, unsigned line, unsigned column);
void report_hint(struct report *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "file:line:column: what" with the parts that are there; always terminated. */
void report_format(const struct report *r, char *out, size_t size);

#endif
