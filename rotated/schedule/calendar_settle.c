/* SPDX-License-Identifier: BSD-2-Clause */
/* What was written as values of a calendar expression, made ready: in range, sorted, no value
 * twice. */
#include "rotated/schedule/calendar_internal.h"

#include <stdlib.h>

#include "rotated/schedule/civil.h"

/* Every month has so many days, so that counting back from its end finds one. */
enum { DAYS_FROM_END_MAX = 28 };

static const struct field {
	const char *name;
	int32_t min, max;
} fields[CALENDAR_FIELD_MAX_] = {
	[CALENDAR_YEAR] = { "year", CALENDAR_YEAR_FIRST, CALENDAR_YEAR_LAST },
	[CALENDAR_MONTH] = { "month", 1, 12 },
	[CALENDAR_DAY] = { "day", 1, 31 },
	[CALENDAR_HOUR] = { "hour", 0, 23 },
	[CALENDAR_MINUTE] = { "minute", 0, 59 },
	[CALENDAR_SECOND] = { "second", 0, CIVIL_MINUTE - 1 },
};

static struct field limits(const struct calendar *c, enum calendar_field field)
{
	struct field f = fields[field];

	if (field == CALENDAR_DAY && c->is_from_end)
		f = (struct field){ "day from the end of the month", 1, DAYS_FROM_END_MAX };
	if (field == CALENDAR_SECOND)
		f.max = 59; /* as people count them */
	return f;
}

static int refuse(const struct calendar_parser *p, unsigned column, const char *what)
{
	int r = report_set(p->report, -EINVAL, "%s", what);

	calendar_place(p, column);
	return r;
}

static int refuse_value(const struct calendar_parser *p, const struct calendar_part *part,
			const struct field *f)
{
	int r = report_set(p->report, -EINVAL, "expected a %s of %d to %d", f->name, f->min,
			   f->max);

	calendar_place(p, part->column);
	return r;
}

/* 69 is 2069, and 70 is 1970. */
static int32_t whole_year(int32_t year)
{
	if (year < 0 || year > 99)
		return year;
	return year < 70 ? year + 2000 : year + 1900;
}

/* A range ends with a value that it reaches; one that reaches only the first is no range. */
static void shorten(struct calendar_part *part)
{
	if (part->stop < part->start)
		return;
	part->stop -= (part->stop - part->start) % part->step;
	if (part->stop == part->start) {
		part->stop = -1;
		part->step = 0;
	}
}

static int check_part(const struct calendar_parser *p, const struct calendar *c,
		      enum calendar_field field, const struct calendar_part *part)
{
	const struct field *f = &fields[field];
	struct field told = limits(c, field);
	int32_t max = field == CALENDAR_SECOND ? f->max : told.max;
	bool is_back = field == CALENDAR_DAY && c->is_from_end;

	if (part->start < f->min || part->start > max || part->stop > max)
		return refuse_value(p, part, &told);
	if (part->stop >= 0 && part->stop < part->start)
		return refuse(p, part->column, "the range ends before it begins");
	if (part->step > 0 && part->stop < 0 &&
	    (is_back ? part->start - part->step < f->min : part->step > max - part->start))
		return refuse(p, part->column,
			      "the step leads out of what there is: leave it away");
	return 0;
}

static int compare_parts(const void *a, const void *b)
{
	const struct calendar_part *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->stop != y->stop)
		return x->stop < y->stop ? -1 : 1;
	return x->step < y->step ? -1 : x->step > y->step;
}

static void sort(struct calendar_chain *chain)
{
	size_t n = 0;

	if (chain->n == 0)
		return;
	qsort(chain->parts, chain->n, sizeof(chain->parts[0]), compare_parts);
	for (size_t i = 1; i < chain->n; i++)
		if (compare_parts(&chain->parts[n], &chain->parts[i]) != 0)
			chain->parts[++n] = chain->parts[i];
	chain->n = n + 1;
}

int calendar_settle(struct calendar_parser *p, struct calendar *c)
{
	if (!c->fields[CALENDAR_DAY].n)
		c->is_from_end = false; /* every day is so from either end */
	for (size_t i = 0; i < CALENDAR_FIELD_MAX_; i++) {
		struct calendar_chain *chain = &c->fields[i];

		for (size_t k = 0; k < chain->n; k++) {
			struct calendar_part *part = &chain->parts[k];
			int r;

			if (i == CALENDAR_YEAR) {
				part->start = whole_year(part->start);
				part->stop = whole_year(part->stop);
			}
			shorten(part);
			r = check_part(p, c, (enum calendar_field)i, part);
			if (r < 0)
				return r;
		}
		sort(chain);
	}
	return 0;
}
