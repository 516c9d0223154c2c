/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/zone_rule.h"

#include <string.h>

#include "rotated/schedule/civil.h"

enum { YEAR_FIRST = 1900, YEAR_LAST = 2500 };

struct cursor {
	const char *p, *end;
};

static bool take(struct cursor *c, char wanted)
{
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

static bool is_digit(const struct cursor *c)
{
	return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

/* Three digits are more than any number here has. */
static int parse_number(struct cursor *c, int min, int max, int *ret)
{
	int v = 0;

	if (!is_digit(c))
		return -EINVAL;
	for (int n = 0; is_digit(c); n++) {
		if (n == 3)
			return -EINVAL;
		v = v * 10 + (*c->p++ - '0');
	}
	if (v < min || v > max)
		return -EINVAL;
	*ret = v;
	return 0;
}

/* "CET", or "<+0330>": at least three characters. The name itself is of no use here. */
static int skip_name(struct cursor *c)
{
	bool is_quoted = take(c, '<');
	const char *start = c->p;

	for (; c->p < c->end; c->p++) {
		bool is_letter = (*c->p | 32) >= 'a' && (*c->p | 32) <= 'z';
		bool is_sign = *c->p == '+' || *c->p == '-';

		if (!is_letter && !(is_quoted && (is_sign || is_digit(c))))
			break;
	}
	if (c->p - start < 3 || (is_quoted && !take(c, '>')))
		return -EINVAL;
	return 0;
}

/* [+-]hh[:mm[:ss]] as seconds. */
static int parse_time(struct cursor *c, int hours_max, int32_t *ret)
{
	bool is_negative = take(c, '-');
	int hours, minutes = 0, seconds = 0;

	if (!is_negative)
		(void)take(c, '+'); /* it says nothing */
	if (parse_number(c, 0, hours_max, &hours) < 0)
		return -EINVAL;
	if (take(c, ':') && parse_number(c, 0, 59, &minutes) < 0)
		return -EINVAL;
	if (take(c, ':') && parse_number(c, 0, 59, &seconds) < 0)
		return -EINVAL;
	*ret = hours * 3600 + minutes * 60 + seconds;
	if (is_negative)
		*ret = -*ret;
	return 0;
}

static int parse_week_of_month(struct cursor *c, struct zone_change *ret)
{
	if (parse_number(c, 1, 12, &ret->month) < 0 || !take(c, '.') ||
	    parse_number(c, 1, 5, &ret->week) < 0 || !take(c, '.') ||
	    parse_number(c, 0, 6, &ret->day) < 0)
		return -EINVAL;
	ret->form = ZONE_DAY_WEEK_OF_MONTH;
	return 0;
}

static int parse_day(struct cursor *c, struct zone_change *ret)
{
	if (take(c, 'M'))
		return parse_week_of_month(c, ret);
	if (take(c, 'J')) {
		ret->form = ZONE_DAY_JULIAN;
		return parse_number(c, 1, 365, &ret->day);
	}
	ret->form = ZONE_DAY_OF_YEAR;
	return parse_number(c, 0, 365, &ret->day);
}

/* ",M3.5.0/2" */
static int parse_change(struct cursor *c, struct zone_change *ret)
{
	*ret = (struct zone_change){ .time = 2 * 3600 };
	if (!take(c, ',') || parse_day(c, ret) < 0)
		return -EINVAL;
	return take(c, '/') ? parse_time(c, 167, &ret->time) : 0;
}

/* POSIX counts offsets to the west. */
static int parse_offset(struct cursor *c, int32_t *ret)
{
	int32_t west;
	int r = parse_time(c, 24, &west);

	if (r < 0)
		return r;
	*ret = -west;
	return 0;
}

int zone_rule_parse(const char *text, size_t len, struct zone_rule *ret)
{
	struct cursor c = { text, text + len };
	struct zone_rule rule = { 0 };

	if (skip_name(&c) < 0 || parse_offset(&c, &rule.standard) < 0)
		return -EINVAL;
	if (c.p < c.end) {
		rule.has_summer = true;
		rule.summer = rule.standard + 3600;
		if (skip_name(&c) < 0 ||
		    (c.p < c.end && *c.p != ',' && parse_offset(&c, &rule.summer) < 0) ||
		    parse_change(&c, &rule.begin) < 0 || parse_change(&c, &rule.end) < 0)
			return -EINVAL;
	}
	if (c.p < c.end)
		return -EINVAL;
	*ret = rule;
	return 0;
}

/* The day of YEAR, as a count since 1970. */
static int64_t change_day(const struct zone_change *change, int year)
{
	struct civil first = { year, 1, 1 };
	int64_t days;
	int shift;

	if (change->form == ZONE_DAY_OF_YEAR)
		return civil_to_days(&first) + change->day;
	if (change->form == ZONE_DAY_JULIAN)
		return civil_to_days(&first) + change->day - 1 +
		       (change->day > 59 && civil_month_days(year, 2) == 29);
	first.month = change->month;
	days = civil_to_days(&first);
	/* Sunday is 0 in the rule and 6 in civil.h */
	shift = (change->day + 6 - civil_weekday(days) + 7) % 7 + 7 * (change->week - 1);
	return days + (shift < civil_month_days(year, change->month) ? shift : shift - 7);
}

/* When it happens, in seconds since 1970 UTC. */
static int64_t change_time(const struct zone_change *change, int year, int32_t offset)
{
	return change_day(change, year) * CIVIL_SECONDS_A_DAY + change->time - offset;
}

struct turn {
	int64_t at;
	int32_t offset;
};

/* In place, by time. At the same moment summer time wins: a rule of summer time all the year
 * is written as one whose end is the next one's begin. */
static void sort(struct turn *turns, size_t n, int32_t summer)
{
	for (size_t i = 1; i < n; i++)
		for (size_t j = i; j > 0; j--) {
			const struct turn *a = &turns[j - 1], *b = &turns[j];
			struct turn swap = *a;

			if (a->at < b->at || (a->at == b->at && a->offset != summer))
				break;
			turns[j - 1] = *b;
			turns[j] = swap;
		}
}

void zone_rule_stretch(const struct zone_rule *rule, int64_t t, struct zone_stretch *ret)
{
	static const struct civil first = { YEAR_FIRST, 1, 1 }, last = { YEAR_LAST, 1, 1 };
	int64_t days = civil_divide(t, CIVIL_SECONDS_A_DAY);
	struct civil date;
	struct turn turns[8];
	size_t n = 0;

	*ret = (struct zone_stretch){ INT64_MIN, INT64_MAX, rule->standard };
	if (!rule->has_summer)
		return;
	if (days < civil_to_days(&first) || days >= civil_to_days(&last)) {
		if (t < 0)
			ret->end = civil_to_days(&first) * CIVIL_SECONDS_A_DAY;
		else
			ret->begin = civil_to_days(&last) * CIVIL_SECONDS_A_DAY;
		return;
	}
	civil_from_days(days, &date);
	/* a time of the day of up to 167 hours may reach over New Year */
	for (int year = date.year - 2; year <= date.year + 1; year++) {
		turns[n++] = (struct turn){ change_time(&rule->begin, year, rule->standard),
					    rule->summer };
		turns[n++] = (struct turn){ change_time(&rule->end, year, rule->summer),
					    rule->standard };
	}
	sort(turns, n, rule->summer);
	for (size_t i = 0; i < n; i++) {
		if (turns[i].at > t) {
			ret->end = turns[i].at;
			return;
		}
		ret->begin = turns[i].at;
		ret->offset = turns[i].offset;
	}
}
