/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Calendar expressions as systemd.time(7) has them, "Mon..Fri *-*-* 04:26 Europe/Berlin": what
 * they mean, how they are written in full, and when they elapse. The grammar, fractions of a
 *second rounded to microseconds among it, and the normalized form are those of systemd 252;
 *with it tests/integration/test-calendar.py compares.
 *
 * An expression elapses when the wall shows a time that matches, and has not shown it, or a
 * later one, before. So what falls into the hour that is left out in spring does not happen,
 * and what falls into the hour that comes twice in autumn happens in the first.
 *
 * Where systemd 252 says something else, on purpose:
 *	- asked within the second hour, it repeats the first; and of two hours after midnight of
 *the first of a month, it may take the second. Then an answer would depend on when it is asked,
 *and could come earlier when asked later.
 *	- it leaves times out where a step leads beyond the end of a month or a day, "4/9:47" at
 *	  midnight, and gives up at some changes of the clock, and after some steps beyond
 *	  December; asked right before the time, it knows it.
 *	- it may be a day off in counting from the end of a month in which the clock changes.
 *	- of several days that count from the end of a month it refuses those that are more than
 *	  28, 25, 22, ... days from it, "*-*~06,26". All of 1 to 28 are taken here.
 *	- what the local zone calls itself, "12:00 CEST", is for it one half of the year, or
 *	  never; here only names of the tz database are zones, and mean the same everywhere.
 *	- zones that count leap seconds, "right/UTC", are refused here.
 */
#ifndef ROTATED_SCHEDULE_CALENDAR_H
#define ROTATED_SCHEDULE_CALENDAR_H

#include "base/buf.h"
#include "base/report.h"
#include "rotated/schedule/zone.h"

enum { CALENDAR_YEAR_FIRST = 1970, CALENDAR_YEAR_LAST = 2199 };

/* Longer ones are refused; the text of any other fits in CALENDAR_TEXT_MAX. */
enum { CALENDAR_LENGTH_MAX = 2000, CALENDAR_TEXT_MAX = 64 * 1024 };

struct calendar;

/*
 * -EINVAL with a report that has the column and says what is expected there; -ENOMEM. Reads the
 * file of the zone that TEXT names, if it names one.
 */
must_check int calendar_parse(const char *text, struct calendar **ret, struct report *report);

/* One more owner, for who needs it longer than the one who parsed it. Returns C. */
struct calendar *calendar_ref(struct calendar *c);

/* Ends with the last owner. NULL is allowed. */
void calendar_free(struct calendar *c);
DEFINE_CLEANUP(struct calendar, calendar_free)

/* Appends the normalized form. */
void calendar_format(const struct calendar *c, struct buf *out);

/*
 * The first moment after AFTER at which C elapses, in microseconds since 1970 UTC; USEC_NEVER
 * when there is none before 2200. LOCAL is the zone of an expression that names none; it is
 * borrowed, and NULL for UTC. What it costs is bounded, whatever C is: it looks at each day up
 * to 2199 once, at worst.
 */
uint64_t calendar_next(const struct calendar *c, const struct zone *local, uint64_t after);

/* The least time between two of its first hundred elapses; USEC_NEVER if there are not two. */
uint64_t calendar_least_gap(const struct calendar *c);

#endif
