/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/period.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rotated/schedule/calendar_internal.h"
#include "rotated/schedule/civil.h"

#define EXAMPLE "\"Mon..Fri 02:00-05:00 Europe/Berlin\" or \"2026-12-20..2027-01-06\""

struct period {
	struct calendar *days; /* owned; weekdays, date and zone, without a time */
	bool is_range;	       /* FROM and TO are times on the wall, and not of a day */
	int64_t from, to; /* TO is the first that is outside; a day's may be the next day's */
};

void period_free(struct period *p)
{
	if (!p)
		return;
	calendar_free(p->days);
	free(p);
}

/* --- on the wall --- */

/* The day whose opening WALL falls into; INT64_MIN for none. */
static int64_t day_around(const struct period *p, int64_t wall)
{
	int64_t day = civil_divide(wall, CIVIL_DAY);

	for (int64_t d = day; d >= day - 1; d--)
		if (wall >= d * CIVIL_DAY + p->from && wall < d * CIVIL_DAY + p->to &&
		    calendar_next_day(p->days, d) == d)
			return d;
	return INT64_MIN;
}

static int64_t wall_in(const struct period *p, int64_t wall)
{
	int64_t day;

	if (p->is_range) {
		if (wall >= p->to)
			return INT64_MAX;
		return wall < p->from ? p->from : wall;
	}
	if (day_around(p, wall) != INT64_MIN)
		return wall;
	day = civil_divide(wall - p->from + CIVIL_DAY - 1, CIVIL_DAY);
	day = calendar_next_day(p->days, day);
	return day == INT64_MAX ? INT64_MAX : day * CIVIL_DAY + p->from;
}

/* Each turn ends a day, and there are no days that match beyond 2199. */
static int64_t wall_out(const struct period *p, int64_t wall)
{
	int64_t day;

	if (p->is_range)
		return wall < p->from ? wall : wall > p->to ? wall : p->to;
	while ((day = day_around(p, wall)) != INT64_MIN)
		wall = day * CIVIL_DAY + p->to;
	return wall;
}

/* --- in time --- */

static const struct zone *zone_of(const struct period *p, const struct zone *local)
{
	return p->days->has_zone ? p->days->zone : local;
}

/*
 * When to look again, in seconds, after the stretch S had nothing from AT on and WALL is the
 * next that fits. After a stretch that is long enough, its end shows nothing again that was not
 * seen since AT, so that what lies between need not be looked at.
 */
static int64_t look_again(int64_t at, const struct zone_stretch *s, int64_t wall)
{
	int64_t near = wall / CIVIL_SECOND - ZONE_OFFSET_MAX - 1;

	if (s->end - at / CIVIL_SECOND <= 2 * ZONE_OFFSET_MAX || near < s->end)
		return s->end;
	return near;
}

/* Goes through the stretches of a zone, in each of which wall and time run alike. */
static uint64_t find(const struct period *p, const struct zone *local, uint64_t t,
		     int64_t (*next)(const struct period *p, int64_t wall))
{
	static const struct civil end = { CALENDAR_YEAR_LAST + 2, 1, 1 };
	const int64_t last = civil_to_days(&end) * CIVIL_DAY;
	int64_t at = (int64_t)t;

	while (at < last) {
		struct zone_stretch s;
		int64_t offset, wall, again;

		zone_stretch_at(zone_of(p, local), civil_divide(at, CIVIL_SECOND), &s);
		if (s.end > last / CIVIL_SECOND)
			s.end = last / CIVIL_SECOND;
		offset = s.offset * CIVIL_SECOND;
		wall = next(p, at + offset);
		if (wall < s.end * CIVIL_SECOND + offset)
			return (uint64_t)(wall - offset);
		again = look_again(at, &s, wall);
		if (again >= last / CIVIL_SECOND)
			break;
		at = again * CIVIL_SECOND;
	}
	return USEC_NEVER;
}

bool period_contains(const struct period *p, const struct zone *local, uint64_t t)
{
	int64_t wall = zone_wall(zone_of(p, local), t);

	return wall_in(p, wall) == wall;
}

uint64_t period_next_in(const struct period *p, const struct zone *local, uint64_t t)
{
	return find(p, local, t, wall_in);
}

uint64_t period_next_out(const struct period *p, const struct zone *local, uint64_t t)
{
	return find(p, local, t, wall_out);
}

/* --- from text --- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* LOW to HIGH, in at most WIDTH digits. */
static int parse_number(struct calendar_parser *p, int width, const int limits[static 2],
			const char *expected)
{
	const char *start = p->p;
	int v = 0;

	for (; is_digit(*p->p) && p->p - start < width; p->p++)
		v = v * 10 + (*p->p - '0');
	if (p->p == start || is_digit(*p->p) || v < limits[0] || v > limits[1]) {
		p->p = start;
		return calendar_expected(p, expected);
	}
	return v;
}

static int take(struct calendar_parser *p, char c, const char *expected)
{
	if (*p->p != c)
		return calendar_expected(p, expected);
	p->p++;
	return 0;
}

/* HH:MM up to 24:00, as microseconds. */
static int parse_clock(struct calendar_parser *p, int64_t *ret)
{
	const char *start = p->p;
	int hour = parse_number(p, 2, (const int[]){ 0, 24 }, "an hour of 00 to 24");
	int minute, r;

	if (hour < 0)
		return hour;
	r = take(p, ':', "\":\" and the minute");
	if (r < 0)
		return r;
	minute = parse_number(p, 2, (const int[]){ 0, 59 }, "a minute of 00 to 59");
	if (minute < 0)
		return minute;
	if (hour == 24 && minute) {
		p->p = start;
		return calendar_expected(p, "a time up to 24:00");
	}
	*ret = hour * CIVIL_HOUR + minute * CIVIL_MINUTE;
	return 0;
}

/* HH:MM-HH:MM */
static int parse_times(struct calendar_parser *p, struct period *ret)
{
	const char *start = p->p;
	int r = parse_clock(p, &ret->from);

	if (r >= 0)
		r = take(p, '-', "\"-\" and when it ends");
	if (r >= 0)
		r = parse_clock(p, &ret->to);
	if (r < 0)
		return r;
	if (*p->p)
		return calendar_expected(p, "the end after the times");
	if (ret->from == CIVIL_DAY || ret->from == ret->to) {
		p->p = start;
		return calendar_expected(p, "two times that differ, the first before 24:00");
	}
	if (ret->to < ret->from)
		ret->to += CIVIL_DAY;
	return 0;
}

/* Weekdays, a date, times, and at least one of them. */
static int parse_days(struct calendar_parser *p, struct period *ret)
{
	const char *start = p->p;
	int r = calendar_parse_weekdays(p, ret->days);
	bool is_limited = p->p != start;

	ret->to = CIVIL_DAY;
	if (r < 0)
		return r;
	if (*p->p) {
		r = calendar_parse_date(p, ret->days);
		if (r < 0)
			return r;
		is_limited |= r > 0;
	}
	if (*p->p)
		return parse_times(p, ret);
	if (!is_limited)
		return calendar_expected(p, "weekdays, a date or times as 02:00-05:00");
	return 0;
}

/* YYYY-MM-DD[ HH:MM] as a time on the wall; HAS_TIME says if there was one. */
static int parse_moment(struct calendar_parser *p, int64_t *ret, bool *has_time)
{
	const char *start = p->p;
	struct civil date;
	int64_t time = 0;
	int r;

	date.year = parse_number(p, 4, (const int[]){ CALENDAR_YEAR_FIRST, CALENDAR_YEAR_LAST },
				 "a year of 1970 to 2199");
	if (date.year < 0 || (r = take(p, '-', "\"-\" and the month")) < 0)
		return -EINVAL;
	date.month = parse_number(p, 2, (const int[]){ 1, 12 }, "a month of 1 to 12");
	if (date.month < 0 || (r = take(p, '-', "\"-\" and the day")) < 0)
		return -EINVAL;
	date.day = parse_number(p, 2, (const int[]){ 1, 31 }, "a day of 1 to 31");
	if (date.day < 0)
		return -EINVAL;
	if (date.day > civil_month_days(date.year, date.month)) {
		p->p = start;
		return calendar_expected(p, "a date that exists");
	}
	*has_time = *p->p == ' ';
	if (*has_time) {
		p->p += strspn(p->p, " ");
		r = parse_clock(p, &time);
		if (r < 0)
			return r;
	}
	*ret = civil_to_days(&date) * CIVIL_DAY + time;
	return 0;
}

static int parse_range(struct calendar_parser *p, struct period *ret)
{
	bool has_time;
	int r = parse_moment(p, &ret->from, &has_time);

	if (r < 0)
		return r;
	if (strncmp(p->p, "..", 2) != 0)
		return calendar_expected(p, "\"..\" and the last day");
	p->p += 2;
	r = parse_moment(p, &ret->to, &has_time);
	if (r < 0)
		return r;
	if (*p->p)
		return calendar_expected(p, "the end after the last day");
	if (!has_time)
		ret->to += CIVIL_DAY;
	if (ret->to <= ret->from)
		return calendar_expected(p, "an end after the begin");
	ret->is_range = true;
	return 0;
}

/* Two dates with a year each. "*-12-20..31" and "2026..2027-01-06" are of the calendar. */
static bool looks_like_range(const char *s)
{
	const char *dots = strstr(s, "..");
	int dashes = 0;

	for (; dots && s < dots; s++)
		dashes += *s == '-';
	return dashes == 2 && strspn(dots + 2, "0123456789") == 4 && dots[6] == '-';
}

int period_parse(const char *text, struct period **ret, struct report *report)
{
	cleanup_(period_freep) struct period *p = calloc(1, sizeof(*p));
	cleanup_free char *before = strdup(text);
	struct calendar_parser c = { text, text, EXAMPLE, report };
	size_t len;
	int r;

	if (!p || !before)
		return -ENOMEM;
	p->days = calendar_new();
	if (!p->days)
		return -ENOMEM;
	r = calendar_parse_zone(&c, p->days, &len);
	if (r < 0)
		return r;
	before[len] = '\0';
	c = (struct calendar_parser){ before, before, EXAMPLE, report };
	r = looks_like_range(before) ? parse_range(&c, p) : parse_days(&c, p);
	if (r >= 0)
		r = calendar_settle(&c, p->days);
	if (r < 0)
		return r;
	*ret = steal_ptr(p);
	return 0;
}
