/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/due.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/spread.h"
#include "tests/unit/unit.h"

#define HOUR (3600 * USEC_PER_SEC)
#define DAY  (24 * HOUR)

/* "2026-11-23 18:40", in UTC. */
static uint64_t at(const char *text)
{
	struct tm tm = { 0 };

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return (uint64_t)timegm(&tm) * USEC_PER_SEC;
}

static struct period *period(const char *text)
{
	struct report report = { 0 };
	struct period *p = NULL;

	if (period_parse(text, &p, &report) < 0)
		fail_msg("\"%s\": %s", text, report.what);
	return p;
}

/* --- periods --- */

static void period_is_open_when_the_wall_says_so(void **state)
{
	static const struct {
		const char *text, *when, *in, *out; /* UTC; NULL for never */
	} rows[] = {
		{ "02:00-05:00", "2026-11-23 01:00", "2026-11-23 02:00", "2026-11-23 01:00" },
		{ "02:00-05:00", "2026-11-23 02:00", "2026-11-23 02:00", "2026-11-23 05:00" },
		{ "02:00-05:00", "2026-11-23 05:00", "2026-11-24 02:00", "2026-11-23 05:00" },
		/* a Monday; the window of Friday ends on Saturday */
		{ "Fri 22:00-04:00", "2026-11-23 02:00", "2026-11-27 22:00",
		  "2026-11-23 02:00" },
		{ "Fri 22:00-04:00", "2026-11-28 03:00", "2026-11-28 03:00",
		  "2026-11-28 04:00" },
		{ "Sat,Sun", "2026-11-28 03:00", "2026-11-28 03:00", "2026-11-30 00:00" },
		{ "20:00-24:00", "2026-11-23 20:00", "2026-11-23 20:00", "2026-11-24 00:00" },
		{ "*-12-20..31", "2026-11-23 00:00", "2026-12-20 00:00", "2026-11-23 00:00" },
		{ "*-12-20..31", "2026-12-23 00:00", "2026-12-23 00:00", "2027-01-01 00:00" },
		{ "Mon *-*~7/1 09:00-10:00", "2026-11-23 11:00", "2026-11-30 09:00",
		  "2026-11-23 11:00" },
		{ "2026-12-20..2027-01-06", "2026-12-01 00:00", "2026-12-20 00:00",
		  "2026-12-01 00:00" },
		{ "2026-12-20..2027-01-06", "2026-12-20 00:00", "2026-12-20 00:00",
		  "2027-01-07 00:00" },
		{ "2026-12-20..2027-01-06", "2027-01-07 00:00", NULL, "2027-01-07 00:00" },
		{ "2026-12-20 18:00..2026-12-21 06:30 Europe/Berlin", "2026-12-20 00:00",
		  "2026-12-20 17:00", "2026-12-20 00:00" },
		{ "2026-12-20 18:00..2026-12-21 06:30 Europe/Berlin", "2026-12-21 05:29",
		  "2026-12-21 05:29", "2026-12-21 05:30" },
		{ "*-2-30 10:00-11:00", "2026-12-21 05:29", NULL, "2026-12-21 05:29" },
		/* spring: 02:00 to 03:00 is left out */
		{ "02:30-05:00 Europe/Berlin", "2026-03-29 00:30", "2026-03-29 01:00",
		  "2026-03-29 00:30" },
		{ "02:10-02:50 Europe/Berlin", "2026-03-29 00:30", "2026-03-30 00:10",
		  "2026-03-29 00:30" },
		/* autumn: it comes twice */
		{ "02:10-02:50 Europe/Berlin", "2026-10-25 00:00", "2026-10-25 00:10",
		  "2026-10-25 00:00" },
		{ "02:10-02:50 Europe/Berlin", "2026-10-25 00:50", "2026-10-25 01:10",
		  "2026-10-25 00:50" },
		{ "01:00-02:30 Europe/Berlin", "2026-10-25 00:00", "2026-10-25 00:00",
		  "2026-10-25 00:30" },
		{ "01:00-03:00 Europe/Berlin", "2026-10-25 00:00", "2026-10-25 00:00",
		  "2026-10-25 02:00" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cleanup_(period_freep) struct period *p = period(rows[i].text);
		uint64_t t = at(rows[i].when);
		uint64_t in = period_next_in(p, NULL, t), out = period_next_out(p, NULL, t);

		if (in != (rows[i].in ? at(rows[i].in) : USEC_NEVER) ||
		    out != at(rows[i].out) || period_contains(p, NULL, t) != (in == t))
			fail_msg("\"%s\" at %s: in %ju, out %ju", rows[i].text, rows[i].when,
				 (uintmax_t)(in / USEC_PER_SEC),
				 (uintmax_t)(out / USEC_PER_SEC));
	}
}

static void period_without_a_zone_is_of_the_local_one(void **state)
{
	cleanup_(period_freep) struct period *p = period("02:00-05:00");
	cleanup_(zone_freep) struct zone *z = NULL;

	(void)state;
	assert_int_equal(zone_open("Asia/Kolkata", &z), 0);
	assert_int_equal(period_next_in(p, z, at("2026-11-23 00:00")), at("2026-11-23 20:30"));
}

static void period_errors_name_the_column_and_what_is_expected(void **state)
{
	static const struct {
		const char *text, *what;
	} rows[] = {
		{ "",
		  "column 1: expected weekdays, a date or times as 02:00-05:00, not the end" },
		{ "02:00", "column 6: expected \"-\" and when it ends, not the end" },
		{ "02:00-", "column 7: expected an hour of 00 to 24, not the end" },
		{ "02:00-02:00",
		  "column 1: expected two times that differ, the first before 24:00, not "
		  "\"02:00-02:00\"" },
		{ "24:00-02:00",
		  "column 1: expected two times that differ, the first before 24:00, not "
		  "\"24:00-02:00\"" },
		{ "02:00-24:01", "column 7: expected a time up to 24:00, not \"24:01\"" },
		{ "02:00-05:60", "column 10: expected a minute of 00 to 59, not \"60\"" },
		{ "02:00-05:00:00",
		  "column 12: expected the end after the times, not \":00\"" },
		{ "Mun 02:00-05:00", "column 1: expected a weekday, not \"Mun 02:00-05:00\"" },
		{ "2026-12-20..2027-01-32",
		  "column 21: expected a day of 1 to 31, not \"32\"" },
		{ "2026-12-20..2027-02-29",
		  "column 13: expected a date that exists, not \"2027-02-29\"" },
		{ "2026-12-20..2026-12-19",
		  "column 23: expected an end after the begin, not the end" },
		{ "2026-12-20 24:30..2026-12-22",
		  "column 12: expected a time up to 24:00, not \"24:30..2026-12-22\"" },
		{ "2226-12-20..2026-12-22",
		  "column 1: expected a year of 1970 to 2199, not \"2226-12-20..2026-12-\"" },
		{ "2026-12-20..2026-12-22 x", "column 24: expected a date, a time or a time "
					      "zone of /usr/share/zoneinfo, not "
					      "\"x\"" },
		{ "*-13-1 02:00-05:00", "column 3: expected a month of 1 to 12" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct report report = { 0 };
		struct period *p = NULL;
		char told[REPORT_TEXT_MAX + 32];

		assert_true(period_parse(rows[i].text, &p, &report) < 0);
		(void)snprintf(told, sizeof(told), "column %u: %s", report.column, report.what);
		assert_string_equal(told, rows[i].what);
		assert_non_null(strstr(report.hint, "02:00-05:00"));
		assert_null(p);
	}
}

/* --- due --- */

enum { PERIODS_MAX = 2 };

/* A policy with what it borrows. */
struct setup {
	struct due_policy policy;
	struct calendar *calendar;
	struct period *windows[PERIODS_MAX], *blackouts[PERIODS_MAX];
	struct zone *local;
};

static void set_calendar(struct setup *s, const char *text)
{
	struct report report = { 0 };

	calendar_free(s->calendar);
	assert_int_equal(calendar_parse(text, &s->calendar, &report), 0);
	s->policy.calendar = s->calendar;
}

static void add_window(struct setup *s, const char *text)
{
	size_t n = s->policy.window_count++;

	assert_true(n < PERIODS_MAX);
	s->windows[n] = period(text);
	s->policy.windows = s->windows;
}

static void add_blackout(struct setup *s, const char *text)
{
	size_t n = s->policy.blackout_count++;

	assert_true(n < PERIODS_MAX);
	s->blackouts[n] = period(text);
	s->policy.blackouts = s->blackouts;
}

static void setup_release(struct setup *s)
{
	calendar_free(s->calendar);
	zone_free(s->local);
	for (size_t i = 0; i < PERIODS_MAX; i++) {
		period_free(s->windows[i]);
		period_free(s->blackouts[i]);
	}
}

#define cleanup_setup cleanup_(setup_release)

static struct due_answer ask(const struct setup *s, uint64_t last, uint64_t up, uint64_t now)
{
	const struct due_question q = { &s->policy, "billing", last, up, now };
	struct due_answer a;

	due_ask(&q, &a);
	return a;
}

static void assert_explained(const struct due_answer *a, const char *text)
{
	cleanup_buf struct buf out = BUF_INIT;

	due_explain(a, &out);
	assert_string_equal(buf_string(&out), text);
}

static void due_by_age(void **state)
{
	cleanup_setup struct setup s = { .policy = { .age = 90 * DAY } };
	uint64_t last = at("2026-01-01 00:00");
	struct due_answer a = ask(&s, last, 0, last);

	(void)state;
	assert_int_equal(a.start, last + 90 * DAY);
	assert_explained(&a, "due by its age at 2026-04-01T00:00:00Z; begins at "
			     "2026-04-01T00:00:00Z");
	assert_int_equal(ask(&s, last, 0, last + 100 * DAY).start, last + 100 * DAY);
	/* what ran out while nothing ran is not put off */
	s.policy.jitter = HOUR;
	a = ask(&s, last, last + 100 * DAY, last + 100 * DAY);
	assert_int_equal(a.start, last + 100 * DAY);
	assert_false(a.is_missed);
	s.policy.age = USEC_NEVER;
	a = ask(&s, last, 0, last);
	assert_int_equal(a.start, USEC_NEVER);
	assert_explained(&a, "not due by any schedule");
}

static void due_by_calendar_with_jitter_of_its_own(void **state)
{
	cleanup_setup struct setup s = { 0 };
	uint64_t last = at("2026-11-23 12:00"), slot = at("2026-12-01 00:00");
	struct due_answer a;

	(void)state;
	set_calendar(&s, "monthly");
	assert_int_equal(ask(&s, last, 0, last).start, slot);
	s.policy.jitter = 6 * HOUR;
	a = ask(&s, last, 0, last);
	assert_int_equal(a.slot, slot);
	assert_int_equal(a.start, slot + spread_within("billing", 6 * HOUR));
	assert_true(a.start > slot && a.start <= slot + 6 * HOUR);
	assert_int_equal(a.wait, DUE_WAIT_NOTHING);
}

static void due_waits_for_its_window(void **state)
{
	cleanup_setup struct setup s = { 0 };
	uint64_t last = at("2026-11-23 12:00");
	struct due_answer a;

	(void)state;
	set_calendar(&s, "monthly");
	add_window(&s, "Mon..Fri 02:00-05:00");
	add_blackout(&s, "2026-12-01..2026-12-03");
	/* December 1 is a Tuesday, the 4th a Friday */
	a = ask(&s, last, 0, last);
	assert_int_equal(a.wait, DUE_WAIT_BLACKOUT);
	assert_int_equal(a.open, at("2026-12-04 02:00"));
	assert_int_equal(a.start, at("2026-12-04 02:00"));
	assert_explained(&a, "due by its schedule at 2026-12-01T00:00:00Z; in a blackout until "
			     "2026-12-04T02:00:00Z; begins at 2026-12-04T02:00:00Z");
	/* late within the window, and after it */
	assert_int_equal(ask(&s, last, 0, at("2026-12-04 03:00")).start,
			 at("2026-12-04 03:00"));
	a = ask(&s, last, 0, at("2026-12-04 05:00"));
	assert_int_equal(a.start, at("2026-12-07 02:00"));
	assert_int_equal(a.wait, DUE_WAIT_WINDOW);
	/* those who waited are spread over the window */
	s.policy.jitter = 90 * DAY;
	a = ask(&s, last, 0, at("2026-12-04 05:00"));
	assert_true(due_may_begin(&s.policy, a.start));
}

static void due_waits_for_the_end_of_a_freeze(void **state)
{
	cleanup_setup struct setup s = { .policy = { .age = DAY } };
	uint64_t last = at("2026-11-23 12:00");
	struct due_answer a;

	(void)state;
	s.policy.frozen_until = at("2026-12-24 00:00");
	a = ask(&s, last, 0, last);
	assert_int_equal(a.start, s.policy.frozen_until);
	assert_explained(&a, "due by its age at 2026-11-24T12:00:00Z; frozen until "
			     "2026-12-24T00:00:00Z; begins at 2026-12-24T00:00:00Z");
	s.policy.frozen_until = USEC_NEVER;
	a = ask(&s, last, 0, last);
	assert_int_equal(a.start, USEC_NEVER);
	assert_explained(&a,
			 "due by its age at 2026-11-24T12:00:00Z; frozen until somebody ends "
			 "that");
}

static void due_never_when_windows_leave_nothing(void **state)
{
	cleanup_setup struct setup s = { .policy = { .age = DAY } };
	uint64_t last = at("2026-11-23 12:00");
	struct due_answer a;

	(void)state;
	add_window(&s, "Mon 02:00-05:00");
	add_blackout(&s, "Mon");
	a = ask(&s, last, 0, last);
	assert_int_equal(a.start, USEC_NEVER);
	assert_explained(&a,
			 "due by its age at 2026-11-24T12:00:00Z; its windows and blackouts "
			 "never let it begin");
}

static void due_slots_that_were_missed_are_one_run(void **state)
{
	cleanup_setup struct setup s = { 0 };
	uint64_t last = at("2026-11-01 00:00"), up = at("2026-11-23 12:34");
	struct due_answer a, next;

	(void)state;
	set_calendar(&s, "daily");
	s.policy.jitter = HOUR;
	a = ask(&s, last, up, up);
	assert_true(a.is_missed);
	assert_int_equal(a.start, up + spread_within("billing", HOUR));
	assert_int_equal(a.wait, DUE_WAIT_SPREAD);
	/* once it is done, the next slot is the next one by the calendar */
	next = ask(&s, a.start, up, a.start);
	assert_int_equal(next.slot, at("2026-11-24 00:00"));
	assert_false(next.is_missed);
	/* with a window, within it */
	add_window(&s, "02:00-05:00");
	a = ask(&s, last, up, up);
	assert_true(a.is_missed && a.start >= at("2026-11-24 02:00") &&
		    a.start < at("2026-11-24 05:00"));
}

static void due_slots_that_were_missed_are_skipped_if_wanted(void **state)
{
	cleanup_setup struct setup s = { .policy = { .catch_up = DUE_CATCH_UP_SKIP } };
	uint64_t last = at("2026-08-15 00:00"), up = at("2026-11-23 12:34");
	struct due_answer a;

	(void)state;
	set_calendar(&s, "monthly");
	a = ask(&s, last, up, up);
	assert_int_equal(a.slot, at("2026-12-01 00:00"));
	assert_false(a.is_missed);
	/* nothing was missed by who was up */
	assert_int_equal(ask(&s, last, 0, up).slot, at("2026-09-01 00:00"));
	assert_int_equal(ask(&s, last, 0, up).start, up);
	/* a slot that still waits for its window was not missed */
	add_window(&s, "*-*-24 02:00-05:00");
	a = ask(&s, last, up, up);
	assert_int_equal(a.slot, at("2026-11-01 00:00"));
	assert_int_equal(a.start, at("2026-11-24 02:00"));
	/* nor one whose turn in the open window had not come */
	up = at("2026-11-24 02:00") + 1;
	s.policy.jitter = 2 * HOUR;
	assert_int_equal(ask(&s, last, up, up).slot, at("2026-11-01 00:00"));
	/* an age would never be due again */
	s.policy.calendar = NULL;
	s.policy.age = DAY;
	assert_true(ask(&s, last, up, up).start < at("2026-11-24 05:00"));
}

/* --- what always holds --- */

static uint64_t random_state;

static uint64_t any(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 11) % below;
}

static void make_policy(struct setup *s)
{
	static const char *const schedules[] = { "daily",
						 "weekly Europe/Berlin",
						 "*-*~3 02:30 Europe/Berlin",
						 "Mon..Fri *:0/20",
						 "quarterly",
						 "2026-12-24 18:00",
						 "*-2-29" };
	static const char *const windows[] = { "Mon..Fri 02:00-05:00 Europe/Berlin",
					       "22:00-04:00", "*-*-1..7", "Sat,Sun",
					       "02:10-02:50 America/New_York" };
	static const char *const blackouts[] = { "2026-12-20..2027-01-06", "*-*~1",
						 "Fri 12:00-24:00",
						 "2026-10-25 00:30..2026-10-25 02:30 UTC",
						 "03:00-03:30 Europe/Berlin" };
	static const uint64_t jitters[] = { 0, HOUR, 5 * DAY, USEC_NEVER };
	static const char *const zones[] = { "UTC", "Europe/Berlin", "America/Havana" };

	assert_int_equal(zone_open(zones[any(ARRAY_SIZE(zones))], &s->local), 0);
	s->policy = (struct due_policy){ .age = (1 + any(100)) * DAY,
					 .jitter = jitters[any(ARRAY_SIZE(jitters))],
					 .local = s->local,
					 .catch_up = (enum due_catch_up)any(2) };
	if (any(4))
		set_calendar(s, schedules[any(ARRAY_SIZE(schedules))]);
	for (uint64_t n = any(3); n > 0; n--)
		add_window(s, windows[any(ARRAY_SIZE(windows))]);
	for (uint64_t n = any(3); n > 0; n--)
		add_blackout(s, blackouts[any(ARRAY_SIZE(blackouts))]);
	if (any(4) == 0)
		s->policy.frozen_until = at("2026-10-20 00:00") + any(90 * DAY);
}

/* Asked again and again: never before now, in a window, never earlier than before; and at the
 * moment it named, nothing is waited for any more. */
static void check_history(const struct setup *s)
{
	uint64_t last = at("2026-09-01 00:00") + any(60 * DAY);
	uint64_t up = any(2) ? 0 : last + any(60 * DAY);
	uint64_t now = (last > up ? last : up) + any(10 * DAY), before = 0;

	for (int i = 0; i < 12; i++) {
		struct due_answer a = ask(s, last, up, now), again = ask(s, last, up, now);

		assert_memory_equal(&a, &again, sizeof(a));
		assert_true(a.start >= now && a.start >= before);
		if (a.start == USEC_NEVER)
			return;
		assert_true(due_may_begin(&s->policy, a.start));
		assert_true(a.slot != USEC_NEVER && a.slot > last);
		assert_int_equal(ask(s, last, up, a.start).start, a.start);
		if (a.start > now)
			assert_int_equal(ask(s, last, up, now + any(a.start - now)).start,
					 a.start);
		before = a.start;
		now += any(3 * DAY);
	}
}

static void due_answers_hold_for_any_policy(void **state)
{
	(void)state;
	random_state = 5;
	for (int i = 0; i < 3000; i++) {
		struct setup s = { 0 };

		make_policy(&s);
		check_history(&s);
		setup_release(&s);
	}
}

/* A thousand items that wait for the same opening, or were all missed. */
static void due_items_are_spread(void **state)
{
	cleanup_setup struct setup s = { .policy = { .jitter = 3 * HOUR } };
	uint64_t up = at("2026-11-23 12:34");
	unsigned quarters[12] = { 0 };

	(void)state;
	set_calendar(&s, "daily");
	add_window(&s, "02:00-05:00");
	for (unsigned i = 0; i < 1200; i++) {
		char name[16];
		struct due_question q = { &s.policy, name, at("2026-11-01 00:00"), up, up };
		struct due_answer a;

		(void)snprintf(name, sizeof(name), "service%u", i);
		due_ask(&q, &a);
		quarters[(a.start - at("2026-11-24 02:00")) / (HOUR / 4)]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(quarters); i++)
		assert_in_range(quarters[i], 50, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(period_is_open_when_the_wall_says_so),
		cmocka_unit_test(period_without_a_zone_is_of_the_local_one),
		cmocka_unit_test(period_errors_name_the_column_and_what_is_expected),
		cmocka_unit_test(due_by_age),
		cmocka_unit_test(due_by_calendar_with_jitter_of_its_own),
		cmocka_unit_test(due_waits_for_its_window),
		cmocka_unit_test(due_waits_for_the_end_of_a_freeze),
		cmocka_unit_test(due_never_when_windows_leave_nothing),
		cmocka_unit_test(due_slots_that_were_missed_are_one_run),
		cmocka_unit_test(due_slots_that_were_missed_are_skipped_if_wanted),
		cmocka_unit_test(due_answers_hold_for_any_policy),
		cmocka_unit_test(due_items_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
