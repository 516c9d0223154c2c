/* SPDX-License-Identifier: BSD-2-Clause */
/* The normalized form of a calendar expression. */
#include "rotated/schedule/calendar_internal.h"

#include "rotated/schedule/civil.h"

static const char *const weekday_names[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };

/* Three days in a row or more are a range. */
static void format_weekdays(uint8_t days, struct buf *out)
{
	const char *separator = "";

	for (int i = 0; i < CIVIL_DAYS_A_WEEK; i++) {
		int last = i;

		if (!(days >> i & 1))
			continue;
		while (days >> (last + 1) & 1)
			last++;
		buf_printf(out, "%s%s", separator, weekday_names[i]);
		separator = ",";
		if (last - i < 2)
			continue;
		buf_printf(out, "..%s", weekday_names[last]);
		i = last;
	}
	buf_append_byte(out, ' ');
}

static void format_value(int width, int32_t value, bool is_usec, struct buf *out)
{
	if (!is_usec) {
		buf_printf(out, "%0*d", width, value);
		return;
	}
	buf_printf(out, "%0*d", width, value / (int32_t)CIVIL_SECOND);
	if (value % CIVIL_SECOND)
		buf_printf(out, ".%06d", (int)(value % CIVIL_SECOND));
}

static void format_chain(const struct calendar *c, enum calendar_field field, struct buf *out)
{
	const struct calendar_chain *chain = &c->fields[field];
	const bool is_usec = field == CALENDAR_SECOND;
	const int width = field == CALENDAR_YEAR ? 4 : 2;
	const int32_t unit = is_usec ? (int32_t)CIVIL_SECOND : 1;

	/* with every second among them, the others say nothing more; they sort behind it */
	if (chain->n == 0 || (is_usec && chain->parts[0].start == 0 &&
			      chain->parts[0].stop < 0 && chain->parts[0].step == unit))
		buf_append_byte(out, '*');
	else
		for (size_t i = 0; i < chain->n; i++) {
			const struct calendar_part *part = &chain->parts[i];

			if (i)
				buf_append_byte(out, ',');
			format_value(width, part->start, is_usec, out);
			if (part->stop > 0) {
				buf_append_str(out, "..");
				format_value(width, part->stop, is_usec, out);
			}
			if (part->step > 0 && !(part->stop > 0 && part->step == unit)) {
				buf_append_byte(out, '/');
				format_value(1, part->step, is_usec, out);
			}
		}
}

void calendar_format(const struct calendar *c, struct buf *out)
{
	static const char separators[CALENDAR_FIELD_MAX_ + 1] = "-- ::";

	if (c->weekdays != CALENDAR_WEEKDAYS_ALL)
		format_weekdays(c->weekdays, out);
	for (size_t i = 0; i < CALENDAR_FIELD_MAX_; i++) {
		format_chain(c, (enum calendar_field)i, out);
		if (i == CALENDAR_MONTH && c->is_from_end)
			buf_append_byte(out, '~');
		else if (separators[i])
			buf_append_byte(out, (uint8_t)separators[i]);
	}
	if (c->has_zone)
		buf_printf(out, " %s", c->zone_name);
}
