/* SPDX-License-Identifier: BSD-2-Clause */
/* When a calendar expression elapses. */
#include "rotated/schedule/calendar.h"

#include <stdlib.h>

#include "base/clock.h"
#include "rotated/schedule/calendar_internal.h"
#include "rotated/schedule/civil.h"

struct calendar *calendar_new(void)
{
	struct calendar *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->weekdays = CALENDAR_WEEKDAYS_ALL;
	c->owners = 1;
	return c;
}

struct calendar *calendar_ref(struct calendar *c)
{
	c->owners++;
	return c;
}

void calendar_free(struct calendar *c)
{
	if (!c || --c->owners > 0)
		return;
	for (size_t i = 0; i < CALENDAR_FIELD_MAX_; i++)
		free(c->fields[i].parts);
	free(c->zone_name);
	zone_free(c->zone);
	free(c);
}

/* The first value of PART from VALUE on; INT32_MAX for none. */
static int32_t next_of_part(const struct calendar_part *part, int32_t value)
{
	int64_t next;

	if (value <= part->start)
		return part->start;
	if (part->step == 0)
		return INT32_MAX;
	next = part->start +
	       ((int64_t)value - part->start + part->step - 1) / part->step * part->step;
	if (next >= INT32_MAX || (part->stop >= 0 && next > part->stop))
		return INT32_MAX;
	return (int32_t)next;
}

/* Moves *VALUE on to what CHAIN matches; false when that is beyond MAX. */
static bool find_value(const struct calendar_chain *chain, int32_t max, int32_t *value)
{
	int32_t best = chain->n ? INT32_MAX : *value;

	for (size_t i = 0; i < chain->n; i++) {
		int32_t next = next_of_part(&chain->parts[i], *value);

		if (next < best)
			best = next;
	}
	*value = best;
	return best <= max;
}

/* The same for the days of a month, which may count from its end. */
static bool find_day(const struct calendar *c, int last, int32_t *day)
{
	const struct calendar_chain *chain = &c->fields[CALENDAR_DAY];
	int32_t best = INT32_MAX;

	if (!c->is_from_end)
		return find_value(chain, last, day);
	for (size_t i = 0; i < chain->n; i++) {
		struct calendar_part part = chain->parts[i];
		int32_t next;

		part.start = last + 1 - chain->parts[i].start;
		if (part.stop >= 0) {
			part.stop = part.start;
			part.start = last + 1 - chain->parts[i].stop;
		}
		next = next_of_part(&part, *day);
		if (next < best)
			best = next;
	}
	*day = best;
	return best <= last;
}

/* From DATE on within its month. */
static bool find_in_month(const struct calendar *c, struct civil *date)
{
	int last = civil_month_days(date->year, date->month);

	for (; find_day(c, last, &date->day); date->day++)
		if (c->weekdays >> civil_weekday(civil_to_days(date)) & 1)
			return true;
	return false;
}

static bool find_in_year(const struct calendar *c, struct civil *date)
{
	int month = date->month;

	for (; find_value(&c->fields[CALENDAR_MONTH], 12, &date->month); date->month++) {
		if (date->month != month)
			date->day = 1;
		if (find_in_month(c, date))
			return true;
	}
	return false;
}

int64_t calendar_next_day(const struct calendar *c, int64_t day)
{
	struct civil date;
	int year;

	civil_from_days(day, &date);
	if (date.year < CALENDAR_YEAR_FIRST)
		date = (struct civil){ CALENDAR_YEAR_FIRST, 1, 1 };
	year = date.year;
	for (; find_value(&c->fields[CALENDAR_YEAR], CALENDAR_YEAR_LAST, &date.year);
	     date.year++) {
		if (date.year != year)
			date = (struct civil){ date.year, 1, 1 };
		if (find_in_year(c, &date))
			return civil_to_days(&date);
	}
	return INT64_MAX;
}

/* The first matching time of a day from *TIME on, in microseconds since its midnight. */
static bool find_time(const struct calendar *c, int64_t *time)
{
	const int32_t hour_now = (int32_t)(*time / CIVIL_HOUR);
	const int32_t minute_now = (int32_t)(*time / CIVIL_MINUTE % 60);
	int32_t hour = hour_now;

	for (; find_value(&c->fields[CALENDAR_HOUR], 23, &hour); hour++) {
		int32_t minute = hour == hour_now ? minute_now : 0;

		for (; find_value(&c->fields[CALENDAR_MINUTE], 59, &minute); minute++) {
			bool is_now = hour == hour_now && minute == minute_now;
			int32_t second = is_now ? (int32_t)(*time % CIVIL_MINUTE) : 0;

			if (!find_value(&c->fields[CALENDAR_SECOND], CIVIL_MINUTE - 1, &second))
				continue;
			*time = hour * CIVIL_HOUR + minute * CIVIL_MINUTE + second;
			return true;
		}
	}
	return false;
}

/* The first matching time on a wall from WALL on; INT64_MAX for none. */
static int64_t next_wall(const struct calendar *c, int64_t wall)
{
	int64_t day = civil_divide(wall, CIVIL_DAY);
	int64_t time = wall - day * CIVIL_DAY;
	int64_t next = calendar_next_day(c, day);

	if (next == day) {
		if (find_time(c, &time))
			return day * CIVIL_DAY + time;
		next = calendar_next_day(c, day + 1);
	}
	if (next == INT64_MAX)
		return INT64_MAX;
	time = 0;
	return find_time(c, &time) ? next * CIVIL_DAY + time : INT64_MAX;
}

/* What the wall shows at T, in seconds, in the stretch S; clamped, as the ends of a stretch may
 * be anything. */
static int64_t wall_at(int64_t t, const struct zone_stretch *s)
{
	const int64_t most = INT64_MAX / CIVIL_SECOND - ZONE_OFFSET_MAX;

	if (t > most)
		return INT64_MAX;
	return t < -most ? INT64_MIN : (t + s->offset) * CIVIL_SECOND;
}

/* The first time that the wall has not shown yet when T, in seconds, begins; RET is the stretch
 * that T is in. A wall goes back by two offsets at most, so it is enough to look at as much. */
static int64_t unseen_at(const struct zone *z, int64_t t, struct zone_stretch *ret)
{
	int64_t unseen = INT64_MIN;

	zone_stretch_at(z, t - 2 * ZONE_OFFSET_MAX, ret);
	while (ret->end <= t) {
		int64_t end = wall_at(ret->end, ret);

		if (end > unseen)
			unseen = end;
		zone_stretch_at(z, ret->end, ret);
	}
	return unseen;
}

uint64_t calendar_next(const struct calendar *c, const struct zone *local, uint64_t after)
{
	static const struct civil end = { CALENDAR_YEAR_LAST + 2, 1, 1 };
	const struct zone *z = c->has_zone ? c->zone : local;
	struct zone_stretch s;
	int64_t from, unseen, wall;

	if (after >= (uint64_t)(civil_to_days(&end) * CIVIL_DAY))
		return USEC_NEVER;
	unseen = unseen_at(z, (int64_t)(after / USEC_PER_SEC), &s);
	from = (int64_t)after + 1 + s.offset * CIVIL_SECOND;
	wall = next_wall(c, from > unseen ? from : unseen);
	while (wall != INT64_MAX && wall >= wall_at(s.end, &s)) {
		zone_stretch_at(z, s.end, &s);
		from = wall_at(s.begin, &s);
		if (wall < from) /* left out, as the wall went forward */
			wall = next_wall(c, from);
	}
	return wall == INT64_MAX ? USEC_NEVER : (uint64_t)(wall - s.offset * CIVIL_SECOND);
}

uint64_t calendar_least_gap(const struct calendar *c)
{
	uint64_t least = USEC_NEVER, last = calendar_next(c, NULL, 0);

	for (int i = 1; i < 100 && last != USEC_NEVER; i++) {
		uint64_t next = calendar_next(c, NULL, last);

		if (next != USEC_NEVER && next - last < least)
			least = next - last;
		last = next;
	}
	return least;
}
