/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times on the wall in which something may begin (a window), or may not (a blackout):
 *
 *	Mon..Fri 02:00-05:00 Europe/Berlin	on these days, between these times
 *	*-12-20..31				on these days, the whole of them
 *	22:00-04:00				over midnight; the day is the one of its begin
 *	2026-12-20..2027-01-06			from the first of these days to the end of the
 *last 2026-12-20 18:00..2027-01-06 06:00	the same, to the minute
 *
 * Weekdays, dates and zones are those of calendar.h. A time is in a period if the wall shows
 *one that is: so a window that begins in the hour left out in spring begins when that is over,
 *and one within the hour that comes twice in autumn is open twice.
 */
#ifndef ROTATED_SCHEDULE_PERIOD_H
#define ROTATED_SCHEDULE_PERIOD_H

#include "base/report.h"
#include "rotated/schedule/zone.h"

struct period;

/* -EINVAL with a report that names the column and what is expected there; -ENOMEM. */
must_check int period_parse(const char *text, struct period **ret, struct report *report);

void period_free(struct period *p);
DEFINE_CLEANUP(struct period, period_free)

/* LOCAL is the zone of a period that names none; NULL for UTC. Times are microseconds since
 * 1970 UTC, below 2^62. */
bool period_contains(const struct period *p, const struct zone *local, uint64_t t);

/* The first time from T on that is in the period, or is not; USEC_NEVER when there is none
 * before 2200. */
uint64_t period_next_in(const struct period *p, const struct zone *local, uint64_t t);
uint64_t period_next_out(const struct period *p, const struct zone *local, uint64_t t);

#endif
