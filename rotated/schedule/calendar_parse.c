/* SPDX-License-Identifier: BSD-2-Clause */
/* From text to a calendar expression. */
#include "rotated/schedule/calendar_internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rotated/schedule/civil.h"

#define EXAMPLE "\"Mon..Fri *-*-* 04:26 Europe/Berlin\" or \"weekly\""

enum { PARTS_MAX = 241 }; /* of one field, as systemd has it */

/* Words for whole expressions. */
static const struct word {
	const char *word, *meaning;
} words[] = {
	{ "minutely", "*:*" },	     { "hourly", "*:00" },
	{ "daily", "*-*-*" },	     { "weekly", "Mon" },
	{ "monthly", "*-1" },	     { "quarterly", "1,4,7,10-1" },
	{ "semiannually", "1,7-1" }, { "semi-annually", "1,7-1" },
	{ "biannually", "1,7-1" },   { "bi-annually", "1,7-1" },
	{ "yearly", "1-1" },	     { "annually", "1-1" },
	{ "anually", "1-1" },
};

static const char *const weekdays[][2] = {
	{ "Monday", "Mon" },   { "Tuesday", "Tue" }, { "Wednesday", "Wed" },
	{ "Thursday", "Thu" }, { "Friday", "Fri" },  { "Saturday", "Sat" },
	{ "Sunday", "Sun" },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c | 32) >= 'a' && (c | 32) <= 'z';
}

void calendar_place(const struct calendar_parser *p, unsigned column)
{
	report_at(p->report, "", 0, column);
	report_hint(p->report, "It looks like %s.", p->example);
}

int calendar_expected(const struct calendar_parser *p, const char *expected)
{
	unsigned column = (unsigned)(p->p - p->text) + 1;
	int r = *p->p ? report_set(p->report, -EINVAL, "expected %s, not \"%.20s\"", expected,
				   p->p)
		      : report_set(p->report, -EINVAL, "expected %s, not the end", expected);

	calendar_place(p, column);
	return r;
}

static int add_part(struct calendar_parser *p, struct calendar_chain *chain,
		    const struct calendar_part *part)
{
	struct calendar_part *parts;

	if (chain->n == PARTS_MAX)
		return calendar_expected(p, "no more values here: 241 are the limit");
	parts = reallocarray(chain->parts, chain->n + 1, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	parts[chain->n++] = *part;
	chain->parts = parts;
	return 0;
}

static int set_value(struct calendar_parser *p, struct calendar_chain *chain, int32_t value)
{
	const struct calendar_part part = { .start = value, .stop = -1, .column = 1 };

	return add_part(p, chain, &part);
}

/* ".5" as microseconds, rounded to them. One dot only: two of them are a range. */
static int parse_fraction(struct calendar_parser *p, int64_t *usec)
{
	int64_t unit = CIVIL_SECOND;

	if (p->p[0] != '.' || p->p[1] == '.')
		return 0;
	p->p++;
	if (!is_digit(*p->p))
		return calendar_expected(p, "digits of a fraction");
	for (; is_digit(*p->p); p->p++) {
		if (unit == 1 && *p->p >= '5')
			*usec += 1;
		if (unit == 1)
			break;
		unit /= 10;
		*usec += (*p->p - '0') * unit;
	}
	p->p += strspn(p->p, "0123456789");
	return 0;
}

static int parse_number(struct calendar_parser *p, bool is_second, int32_t *ret)
{
	const char *start = p->p;
	int64_t v = 0;

	if (!is_digit(*p->p))
		return calendar_expected(p, "a number");
	for (; is_digit(*p->p); p->p++)
		if (v <= INT32_MAX)
			v = v * 10 + (*p->p - '0');
	if (is_second && v <= INT32_MAX) {
		int r;

		v *= CIVIL_SECOND;
		r = parse_fraction(p, &v);
		if (r < 0)
			return r;
	}
	if (v > INT32_MAX) {
		p->p = start;
		return calendar_expected(p, "a smaller number");
	}
	*ret = (int32_t)v;
	return 0;
}

/* 5, 1..5, 1..5/2 or 1/2. */
static int parse_part(struct calendar_parser *p, bool is_second, struct calendar_part *ret)
{
	struct calendar_part part = { .stop = -1, .column = (unsigned)(p->p - p->text) + 1 };
	const int32_t unit = is_second ? (int32_t)CIVIL_SECOND : 1;
	int r = parse_number(p, is_second, &part.start);

	if (r < 0)
		return r;
	if (p->p[0] == '.' && p->p[1] == '.') {
		p->p += 2;
		part.step = unit;
		r = parse_number(p, is_second, &part.stop);
		if (r < 0)
			return r;
	}
	if (*p->p == '/') {
		const char *start = ++p->p;

		r = parse_number(p, is_second, &part.step);
		if (r < 0)
			return r;
		if (part.step == 0) {
			p->p = start;
			return calendar_expected(p, "a step of 1 or more");
		}
	} else if (is_second && part.stop >= 0 && part.stop - part.start < unit) {
		return calendar_expected(p,
					 "\"/\" and a step, for a range of less than a second");
	}
	if (!strchr(" ,-~:", *p->p)) /* finds the end, too */
		return calendar_expected(p, "\",\", the next field or the end");
	*ret = part;
	return 0;
}

static int parse_chain(struct calendar_parser *p, bool is_second, struct calendar_chain *chain)
{
	struct calendar_part part = { .stop = -1, .step = CIVIL_SECOND };
	int r;

	if (*p->p == '*') {
		p->p++;
		return is_second ? add_part(p, chain, &part) : 0;
	}
	if (!is_digit(*p->p))
		return calendar_expected(p, "a number or \"*\"");
	for (;;) {
		r = parse_part(p, is_second, &part);
		if (r >= 0)
			r = add_part(p, chain, &part);
		if (r < 0 || *p->p != ',')
			return r;
		p->p++;
	}
}

/* The weekday at the cursor, which moves past it; -1 for none. */
static int take_weekday(struct calendar_parser *p)
{
	size_t len = 0;

	while (is_letter(p->p[len]))
		len++;
	for (int i = 0; i < CIVIL_DAYS_A_WEEK; i++)
		for (int form = 0; form < 2; form++) {
			const char *name = weekdays[i][form];

			if (strlen(name) != len || strncasecmp(name, p->p, len) != 0)
				continue;
			p->p += len;
			return i;
		}
	return -1;
}

/* After a weekday: "..", the "-" of old, or nothing. */
static bool take_range(struct calendar_parser *p)
{
	size_t len = strncmp(p->p, "..", 2) == 0 ? 2 : *p->p == '-';

	p->p += len;
	return len > 0;
}

int calendar_parse_weekdays(struct calendar_parser *p, struct calendar *c)
{
	unsigned days = 0;
	int first;

	if (!is_letter(*p->p))
		return 0;
	do {
		const char *start;
		int last;

		first = take_weekday(p);
		if (first < 0)
			return calendar_expected(p, "a weekday");
		last = first;
		start = p->p;
		if (take_range(p)) {
			start = p->p;
			last = take_weekday(p);
		}
		if (last < first) {
			p->p = start;
			return calendar_expected(p, "a weekday that is not before the first");
		}
		for (int i = first; i <= last; i++)
			days |= 1U << i;
		if (*p->p == ',')
			p->p++;
		else if (*p->p && *p->p != ' ')
			return calendar_expected(p,
						 "\",\", \"..\" or a blank after the weekday");
	} while (*p->p && *p->p != ' ');
	p->p += strspn(p->p, " ");
	c->weekdays = (uint8_t)days;
	return 0;
}

static int set_zone(struct calendar *c, const char *name, struct zone *z)
{
	char *copy = strdup(name);

	if (!copy) {
		zone_free(z);
		return -ENOMEM;
	}
	free(c->zone_name);
	zone_free(c->zone);
	c->zone_name = copy;
	c->zone = z;
	c->has_zone = true;
	return 0;
}

int calendar_parse_zone(struct calendar_parser *p, struct calendar *c, size_t *ret_len)
{
	const char *blank = strrchr(p->p, ' ');
	struct zone *z = NULL;
	unsigned column;
	int r;

	*ret_len = strlen(p->text);
	if (!blank || !is_letter(blank[1]))
		return 0;
	if (strcasecmp(blank + 1, "UTC") == 0) {
		*ret_len = (size_t)(blank - p->text);
		return set_zone(c, "UTC", NULL);
	}
	r = zone_open(blank + 1, &z);
	if (r >= 0) {
		*ret_len = (size_t)(blank - p->text);
		return set_zone(c, blank + 1, z);
	}
	column = (unsigned)(blank + 1 - p->text) + 1;
	if (r == -ENOENT || r == -EINVAL)
		r = report_set(p->report, -EINVAL,
			       "expected a date, a time or a time zone of " ZONE_DIRECTORY
			       ", not \"%.40s\"",
			       blank + 1);
	else
		r = report_set(p->report, -EINVAL,
			       "the file of the time zone %.40s can not be used: %s", blank + 1,
			       r == -EBADMSG ? "it is damaged, or counts leap seconds"
					     : strerrordesc_np(-r));
	calendar_place(p, column);
	return r;
}

/* "@1395716396": all the fields. */
static int parse_epoch(struct calendar_parser *p, struct calendar *c)
{
	static const struct civil end = { CALENDAR_YEAR_LAST + 1, 1, 1 };
	const int64_t limit = civil_to_days(&end) * CIVIL_SECONDS_A_DAY;
	const char *start = ++p->p;
	struct civil date;
	int64_t v = 0;
	int r = 0;

	if (!is_digit(*p->p))
		return calendar_expected(p, "seconds since 1970");
	for (; is_digit(*p->p); p->p++)
		if (v < limit)
			v = v * 10 + (*p->p - '0');
	if (v >= limit) {
		p->p = start;
		return calendar_expected(p, "seconds up to the year 2199");
	}
	civil_from_days(v / CIVIL_SECONDS_A_DAY, &date);
	v %= CIVIL_SECONDS_A_DAY;

	const int32_t values[CALENDAR_FIELD_MAX_] = {
		date.year,
		date.month,
		date.day,
		(int32_t)(v / 3600),
		(int32_t)(v / 60 % 60),
		(int32_t)(v % 60 * CIVIL_SECOND),
	};
	for (size_t i = 0; i < CALENDAR_FIELD_MAX_ && r >= 0; i++)
		r = set_value(p, &c->fields[i], values[i]);
	return r < 0 ? r : set_zone(c, "UTC", NULL);
}

/* Takes "-", or "~" before the day. */
static int take_date_separator(struct calendar_parser *p, struct calendar *c)
{
	if (*p->p == '~' && !c->is_from_end)
		c->is_from_end = true;
	else if (*p->p != '-')
		return calendar_expected(p, "\"-\" between year, month and day");
	p->p++;
	return 0;
}

int calendar_parse_date(struct calendar_parser *p, struct calendar *c)
{
	const char *start = p->p;
	struct calendar_chain *f = c->fields;
	int r = parse_chain(p, false, &f[CALENDAR_YEAR]);

	if (r < 0)
		return r;
	if (*p->p == ':' || !*p->p) {
		p->p = start;
		free(f[CALENDAR_YEAR].parts);
		f[CALENDAR_YEAR] = (struct calendar_chain){ 0 };
		return 0;
	}
	r = take_date_separator(p, c);
	if (r >= 0)
		r = parse_chain(p, false, &f[CALENDAR_MONTH]);
	if (r < 0)
		return r;
	if (!*p->p || *p->p == ' ') { /* month and day only */
		f[CALENDAR_DAY] = f[CALENDAR_MONTH];
		f[CALENDAR_MONTH] = f[CALENDAR_YEAR];
		f[CALENDAR_YEAR] = (struct calendar_chain){ 0 };
	} else {
		if (c->is_from_end)
			return calendar_expected(p, "a blank or the end after the day");
		r = take_date_separator(p, c);
		if (r >= 0)
			r = parse_chain(p, false, &f[CALENDAR_DAY]);
		if (r < 0)
			return r;
		if (*p->p && *p->p != ' ')
			return calendar_expected(p, "a blank or the end after the date");
	}
	p->p += strspn(p->p, " ");
	return 1;
}

static int take_colon(struct calendar_parser *p)
{
	if (*p->p != ':')
		return calendar_expected(p, "\":\" in a time of the day");
	p->p++;
	return 0;
}

static int parse_seconds(struct calendar_parser *p, struct calendar *c)
{
	int r;

	if (!*p->p)
		return set_value(p, &c->fields[CALENDAR_SECOND], 0);
	r = take_colon(p);
	if (r >= 0)
		r = parse_chain(p, true, &c->fields[CALENDAR_SECOND]);
	if (r < 0)
		return r;
	return *p->p ? calendar_expected(p, "the end after the time") : 0;
}

/* HH:MM[:SS], or nothing for midnight. */
static int parse_time(struct calendar_parser *p, struct calendar *c)
{
	int r;

	if (!*p->p) {
		r = set_value(p, &c->fields[CALENDAR_HOUR], 0);
		if (r >= 0)
			r = set_value(p, &c->fields[CALENDAR_MINUTE], 0);
		return r < 0 ? r : set_value(p, &c->fields[CALENDAR_SECOND], 0);
	}
	r = parse_chain(p, false, &c->fields[CALENDAR_HOUR]);
	if (r >= 0)
		r = take_colon(p);
	if (r >= 0)
		r = parse_chain(p, false, &c->fields[CALENDAR_MINUTE]);
	return r < 0 ? r : parse_seconds(p, c);
}

/* What stands before the zone. */
static int parse_rest(struct calendar_parser *p, struct calendar *c)
{
	int r;

	if (!*p->p)
		return calendar_expected(p, "a calendar expression");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(p->p, words[i].word) == 0) {
			p->text = p->p = words[i].meaning;
			break;
		}
	r = calendar_parse_weekdays(p, c);
	if (r < 0)
		return r;
	if (*p->p == '@') {
		r = parse_epoch(p, c);
		return r < 0 || !*p->p ? r : calendar_expected(p, "the end");
	}
	r = *p->p ? calendar_parse_date(p, c) : 0;
	return r < 0 ? r : parse_time(p, c);
}

int calendar_parse(const char *text, struct calendar **ret, struct report *report)
{
	cleanup_(calendar_freep) struct calendar *c = calendar_new();
	cleanup_free char *before = strdup(text);
	struct calendar_parser p = { text, text, EXAMPLE, report };
	size_t len;
	int r;

	if (!c || !before)
		return -ENOMEM;
	if (strlen(text) > CALENDAR_LENGTH_MAX)
		return report_set(report, -EINVAL, "longer than %d characters",
				  CALENDAR_LENGTH_MAX);
	r = calendar_parse_zone(&p, c, &len);
	if (r < 0)
		return r;
	before[len] = '\0';
	p = (struct calendar_parser){ before, before, EXAMPLE, report };
	r = parse_rest(&p, c);
	if (r >= 0)
		r = calendar_settle(&p, c);
	if (r < 0)
		return r;
	*ret = steal_ptr(c);
	return 0;
}
