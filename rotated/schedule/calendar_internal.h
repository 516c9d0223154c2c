/* SPDX-License-Identifier: BSD-2-Clause */
/* What a calendar expression is made of. */
#ifndef ROTATED_SCHEDULE_CALENDAR_INTERNAL_H
#define ROTATED_SCHEDULE_CALENDAR_INTERNAL_H

#include "rotated/schedule/calendar.h"

enum calendar_field {
	CALENDAR_YEAR,
	CALENDAR_MONTH,
	CALENDAR_DAY,
	CALENDAR_HOUR,
	CALENDAR_MINUTE,
	CALENDAR_SECOND, /* in microseconds */
	CALENDAR_FIELD_MAX_
};

/* START, then every STEP up to STOP. Without STOP (-1) up to what the field can hold, without
 * STEP (0) START alone. */
struct calendar_part {
	int32_t start, stop, step;
	unsigned column; /* from 1; where it stands, for errors */
};

/* Any of its parts; with none, any value. */
struct calendar_chain {
	struct calendar_part *parts; /* owned; ascending */
	size_t n;
};

enum { CALENDAR_WEEKDAYS_ALL = 0x7f };

struct calendar {
	unsigned owners;
	uint8_t weekdays;  /* bit 0 is Monday */
	bool is_from_end;  /* days count back from the end of the month: 1 is the last */
	bool has_zone;	   /* else the local one */
	char *zone_name;   /* owned; NULL without a zone */
	struct zone *zone; /* owned; NULL for UTC */
	struct calendar_chain fields[CALENDAR_FIELD_MAX_];
};

/* The cursor of the parsers of this folder. */
struct calendar_parser {
	const char *text; /* the whole of it, for columns */
	const char *p;
	const char *example; /* of what is parsed, for the hint */
	struct report *report;
};

/* Adds the place and an example to an error that has been told. */
void calendar_place(const struct calendar_parser *p, unsigned column);

/* -EINVAL with "expected EXPECTED, not …" at the cursor. */
must_check int calendar_expected(const struct calendar_parser *c, const char *expected);

/*
 * The pieces of the grammar, for what is written alike (period.h). The first two take what is
 * there, nothing perhaps, and the blanks after it; calendar_parse_date() says with 1 that
 * there was a date. calendar_parse_zone() looks for a zone at the end of the text and returns
 * in RET_LEN how long the text before it is.
 */
must_check int calendar_parse_weekdays(struct calendar_parser *p, struct calendar *c);
must_check int calendar_parse_date(struct calendar_parser *p, struct calendar *c);
must_check int calendar_parse_zone(struct calendar_parser *p, struct calendar *c,
				   size_t *ret_len);

/* Sorts and merges, and sees that all parts can match. */
must_check int calendar_settle(struct calendar_parser *p, struct calendar *c);

/* The first day from DAY on, since 1970, whose date and weekday match; INT64_MAX for none. */
int64_t calendar_next_day(const struct calendar *c, int64_t day);

struct calendar *calendar_new(void);

#endif
