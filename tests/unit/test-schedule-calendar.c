/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

/* "2026-11-23 18:40:05", in UTC. */
static uint64_t at(const char *text)
{
	struct tm tm = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &tm));
	return (uint64_t)timegm(&tm) * USEC_PER_SEC;
}

static struct calendar *calendar(const char *text)
{
	struct report report = { 0 };
	struct calendar *c = NULL;

	if (calendar_parse(text, &c, &report) < 0)
		fail_msg("\"%s\": %s", text, report.what);
	return c;
}

static void calendar_has_a_normalized_form(void **state)
{
	static const char *const rows[][2] = {
		{ "weekly", "Mon *-*-* 00:00:00" },
		{ "quarterly Europe/Berlin", "*-01,04,07,10-01 00:00:00 Europe/Berlin" },
		{ "Sat,Mon-Thu", "Mon..Thu,Sat *-*-* 00:00:00" },
		{ "Mon,Tue,", "Mon,Tue *-*-* 00:00:00" },
		{ "*-*~07/1", "*-*~07/1 00:00:00" },
		{ "2~3", "*-02~03 00:00:00" },
		{ "*~*", "*-*-* 00:00:00" },
		{ "99-1-1", "1999-01-01 00:00:00" },
		{ "*-*-5..6/3", "*-*-05 00:00:00" },
		{ "1,2,1,1:00", "*-*-* 01,02:00:00" },
		{ "12:00:1.5..2.5/0.5", "*-*-* 12:00:01.500000..02.500000/0.500000" },
		{ "12:00:10.1234567", "*-*-* 12:00:10.123457" },
		{ "*:*:0/1", "*-*-* *:*:*" },
		{ "@1395716396", "2014-03-25 02:59:56 UTC" },
		{ "007:00 utc", "*-*-* 07:00:00 UTC" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_(calendar_freep) struct calendar *c = calendar(rows[i][0]);
		cleanup_(calendar_freep) struct calendar *again = NULL;
		cleanup_buf struct buf out = BUF_INIT, second = BUF_INIT;

		calendar_format(c, &out);
		assert_string_equal(buf_string(&out), rows[i][1]);
		again = calendar(rows[i][1]);
		calendar_format(again, &second);
		assert_string_equal(buf_string(&second), rows[i][1]);
	}
}

static void calendar_errors_name_the_column_and_what_is_expected(void **state)
{
	static const struct {
		const char *text, *what;
		unsigned column;
	} rows[] = {
		{ "", "expected a calendar expression, not the end", 1 },
		{ "Fri..Mon", "expected a weekday that is not before the first, not \"Mon\"",
		  6 },
		{ "Mondays", "expected a weekday, not \"Mondays\"", 1 },
		{ "Mon.. 12:00",
		  "expected a weekday that is not before the first, not "
		  "\" 12:00\"",
		  6 },
		{ "Mon 12", "expected \":\" in a time of the day, not the end", 7 },
		{ "2200-1-1", "expected a year of 1970 to 2199", 1 },
		{ "*-13-1", "expected a month of 1 to 12", 3 },
		{ "*-1,13-1", "expected a month of 1 to 12", 5 },
		{ "*-*~29", "expected a day from the end of the month of 1 to 28", 5 },
		{ "12:60", "expected a minute of 0 to 59", 4 },
		{ "12:00:60", "expected a second of 0 to 59", 7 },
		{ "5..3:00", "the range ends before it begins", 1 },
		{ "*-*-1/31", "the step leads out of what there is: leave it away", 5 },
		{ "*:0/0", "expected a step of 1 or more, not \"0\"", 5 },
		{ "12:00x", "expected \",\", the next field or the end, not \"x\"", 6 },
		{ "12:00:00:00", "expected the end after the time, not \":00\"", 9 },
		{ "12:00:1.", "expected digits of a fraction, not the end", 9 },
		{ "12:00:1..1.5",
		  "expected \"/\" and a step, for a range of less than a "
		  "second, not the end",
		  13 },
		{ "99999999999:00", "expected a smaller number, not \"99999999999:00\"", 1 },
		{ "@7258118400", "expected seconds up to the year 2199, not \"7258118400\"",
		  2 },
		{ "12:00 Europe/Berln",
		  "expected a date, a time or a time zone of "
		  "/usr/share/zoneinfo, not \"Europe/Berln\"",
		  7 },
		{ "12:00 right/Europe/Berlin",
		  "the file of the time zone right/Europe/Berlin "
		  "can not be used: it is damaged, or counts leap seconds",
		  7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct report report = { 0 };
		struct calendar *c = NULL;

		assert_true(calendar_parse(rows[i].text, &c, &report) < 0);
		assert_string_equal(report.what, rows[i].what);
		assert_int_equal(report.column, rows[i].column);
		assert_non_null(strstr(report.hint, "Mon..Fri *-*-* 04:26"));
		assert_null(c);
	}
}

static void calendar_has_limits(void **state)
{
	cleanup_buf struct buf b = BUF_INIT;
	struct calendar *c = NULL;
	struct report report = { 0 };

	(void)state;
	buf_append_str(&b, "*:0");
	for (int i = 1; i < 241; i++)
		buf_printf(&b, ",%d", i % 60);
	c = calendar(buf_string(&b));
	calendar_free(c);
	buf_append_str(&b, ",0");
	assert_int_equal(calendar_parse(buf_string(&b), &c, &report), -EINVAL);
	while (b.len <= CALENDAR_LENGTH_MAX)
		buf_append_byte(&b, '0');
	assert_int_equal(calendar_parse(buf_string(&b), &c, &report), -EINVAL);
	assert_string_equal(report.what, "longer than 2000 characters");
}

struct row {
	const char *text, *after, *next; /* UTC; NULL for never */
};

static void assert_next(const struct row *row)
{
	cleanup_(calendar_freep) struct calendar *c = calendar(row->text);
	uint64_t want = row->next ? at(row->next) : USEC_NEVER;
	uint64_t got = calendar_next(c, NULL, at(row->after));

	if (got != want)
		fail_msg("\"%s\" after %s: %ju", row->text, row->after,
			 (uintmax_t)(got / USEC_PER_SEC));
}

static void calendar_elapses_where_it_matches(void **state)
{
	static const struct row rows[] = {
		{ "daily", "2026-11-23 00:00:00", "2026-11-24 00:00:00" },
		{ "daily", "2026-11-22 23:59:59", "2026-11-23 00:00:00" },
		{ "Mon 04:26", "2026-11-23 04:26:00", "2026-11-30 04:26:00" },
		{ "*-2-29", "2026-01-01 00:00:00", "2028-02-29 00:00:00" },
		{ "*-2-29", "2096-03-01 00:00:00", "2104-02-29 00:00:00" },
		{ "*-*~1", "2026-02-01 00:00:00", "2026-02-28 00:00:00" },
		{ "*-*~07/1", "2026-02-01 00:00:00", "2026-02-22 00:00:00" },
		{ "*-*-31", "2026-11-23 00:00:00", "2026-12-31 00:00:00" },
		{ "2199-12-31 23:59:59", "1970-01-01 00:00:00", "2199-12-31 23:59:59" },
		{ "2199-12-31 23:59:59", "2199-12-31 23:59:59", NULL },
		{ "*-2-30", "1970-01-01 00:00:00", NULL },
		{ "1999-1-1", "2026-11-23 00:00:00", NULL },
		{ "yearly", "2199-06-01 00:00:00", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_next(&rows[i]);
}

static void calendar_keeps_to_the_wall_when_clocks_change(void **state)
{
	static const struct row rows[] = {
		/* 02:30 is left out on March 29, and comes twice on October 25 */
		{ "02:30 Europe/Berlin", "2026-03-28 12:00:00", "2026-03-30 00:30:00" },
		{ "02,03:30 Europe/Berlin", "2026-03-28 12:00:00", "2026-03-29 01:30:00" },
		{ "02:30 Europe/Berlin", "2026-10-24 12:00:00", "2026-10-25 00:30:00" },
		{ "02:30 Europe/Berlin", "2026-10-25 00:30:00", "2026-10-26 01:30:00" },
		/* asked within the second hour, too: systemd would say 01:30 */
		{ "02:30 Europe/Berlin", "2026-10-25 01:10:00", "2026-10-26 01:30:00" },
		{ "*:0/30 Europe/Berlin", "2026-10-25 00:30:00", "2026-10-25 02:00:00" },
		/* a change at midnight */
		{ "00:30 America/Havana", "2026-03-07 12:00:00", "2026-03-09 04:30:00" },
		/* December 30, 2011, was left out */
		{ "2011-12-30 Pacific/Apia", "2011-01-01 00:00:00", NULL },
		{ "12:00 Pacific/Apia", "2011-12-30 00:00:00", "2011-12-30 22:00:00" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_next(&rows[i]);
}

static void calendar_without_a_zone_is_of_the_local_one(void **state)
{
	cleanup_(calendar_freep) struct calendar *c = calendar("02:30");
	cleanup_(zone_freep) struct zone *z = NULL;

	(void)state;
	assert_int_equal(zone_open("Asia/Kolkata", &z), 0);
	assert_int_equal(calendar_next(c, z, at("2026-11-23 12:00:00")),
			 at("2026-11-23 21:00:00"));
	assert_int_equal(calendar_next(c, NULL, at("2026-11-23 12:00:00")),
			 at("2026-11-24 02:30:00"));
}

/* Over two days around a change, each second of them: never earlier, when asked later. */
static void calendar_never_goes_back(void **state)
{
	static const char *const rows[] = { "02:30 Europe/Berlin", "*:0/7 Europe/Berlin",
					    "*:*:0/13 Europe/Berlin",
					    "02:00..03 Europe/Berlin" };
	static const char *const days[] = { "2026-10-24 12:00:00", "2026-03-28 12:00:00" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (size_t k = 0; k < ARRAY_SIZE(days); k++) {
			cleanup_(calendar_freep) struct calendar *c = calendar(rows[i]);
			uint64_t start = at(days[k]), last = 0;

			for (uint64_t t = start; t < start + 86400 * USEC_PER_SEC;
			     t += 17 * USEC_PER_SEC) {
				uint64_t next = calendar_next(c, NULL, t);

				assert_true(next > t && next >= last);
				last = next;
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calendar_has_a_normalized_form),
		cmocka_unit_test(calendar_errors_name_the_column_and_what_is_expected),
		cmocka_unit_test(calendar_has_limits),
		cmocka_unit_test(calendar_elapses_where_it_matches),
		cmocka_unit_test(calendar_keeps_to_the_wall_when_clocks_change),
		cmocka_unit_test(calendar_without_a_zone_is_of_the_local_one),
		cmocka_unit_test(calendar_never_goes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
