/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reader of INI text as in systemd units: [section] lines, key = value lines, and comments
 * that start with '#' or ';' and stand on a line of their own. Values run to the end of the
 * line, blanks around them are dropped, nothing is quoted or continued. CR LF is taken for a
 * line's end. Bytes that are not UTF-8, control characters and too long lines are refused.
 *
 * Pure over bytes: the caller reads the file. It pulls one item after another:
 *
 *	struct ini ini = INI_INIT(data, len);
 *
 *	while ((r = ini_next(&ini, &item, &report)) != 0)
 *		if (r < 0)
 *			tell(&report);
 *		else
 *			use(&item);
 */
#ifndef BASE_INI_H
#define BASE_INI_H

#include "base/cleanup.h"
#include "base/report.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	INI_FILE_MAX = 1024 * 1024, /* for the caller's fs_read() */
	INI_LINE_MAX = 4096,	    /* bytes, without the line's end */
	INI_NAME_MAX = 64,	    /* bytes of a section's or key's name */
};

enum ini_kind { INI_SECTION, INI_ENTRY };

/* Strings are borrowed from the reader and live until the next call. */
struct ini_item {
	enum ini_kind kind;
	const char *section;
	const char *key;       /* INI_ENTRY only */
	const char *value;     /* INI_ENTRY only; "" when nothing follows the '=' */
	unsigned line;	       /* from 1 */
	unsigned column;       /* of the section's or key's first byte, from 1 */
	unsigned value_column; /* of the value's first byte, from 1 */
};

struct ini {
	const char *next; /* borrowed: the rest of the text */
	const char *end;
	unsigned line;
	bool is_lost; /* no section is in force, and that was told */
	char section[INI_NAME_MAX + 1];
	char text[INI_LINE_MAX + 1];
};

#define INI_INIT(data, len)                                                                    \
	((struct ini){ .next = (const char *)(data), .end = (const char *)(data) + (len) })

/*
 * 1 and an item; 0 at the end; -EBADMSG for a line that cannot be read, with RET_REPORT saying
 * why and where (line and column; the file is the caller's to add). The next call goes on with
 * the next line, so that one pass finds every error. Entries whose section is not known,
 * because its line was bad or there was none yet, are passed over after the first report.
 */
must_check int ini_next(struct ini *ini, struct ini_item *ret, struct report *ret_report);

#endif
