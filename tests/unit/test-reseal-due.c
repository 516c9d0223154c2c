/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/reseal_due.h"

#include <stddef.h>

#include "tests/unit/unit.h"

#define HOUR (3600 * USEC_PER_SEC)
#define DAY  (24 * HOUR)

static const uint64_t start = UINT64_C(1795000000) * USEC_PER_SEC;

static struct reseal_due ask(const struct reseal_facts *f, uint64_t wall, uint64_t boot)
{
	const struct moment now = { .wall = wall, .boot = boot };
	struct reseal_due d;

	reseal_due(f, &now, &d);
	return d;
}

static struct reseal_facts usual(void)
{
	return (struct reseal_facts){
		.created = start, .every = 90 * DAY, .gap = HOUR, .last = 5 * HOUR
	};
}

static void reseal_is_due_when_the_key_is_old(void **state)
{
	const struct reseal_facts f = usual();
	struct reseal_due d = ask(&f, start + 90 * DAY - 1, 100 * DAY);

	(void)state;
	assert_false(d.is_due);
	assert_null(d.why);
	assert_int_equal(d.at, start + 90 * DAY);
	assert_int_equal(d.wait, 1);
	d = ask(&f, start + 90 * DAY, 100 * DAY);
	assert_true(d.is_due);
	assert_false(d.is_late);
	assert_string_equal(d.why, "schedule");
	assert_int_equal(d.wait, 0);
}

static void reseal_far_away_is_looked_at_every_hour(void **state)
{
	const struct reseal_facts f = usual();

	(void)state;
	assert_int_equal(ask(&f, start, 6 * HOUR).wait, HOUR);
}

static void reseal_never_is_due_by_seals_alone(void **state)
{
	struct reseal_facts f = usual();
	struct reseal_due d;

	(void)state;
	f.every = USEC_NEVER;
	d = ask(&f, start + 10000 * DAY, 10000 * DAY);
	assert_false(d.is_due);
	assert_int_equal(d.at, 0);
	f.seals = RESEAL_SEALS_MAX - 1;
	assert_false(ask(&f, start, DAY).is_due);
	f.seals = RESEAL_SEALS_MAX;
	d = ask(&f, start, DAY);
	assert_true(d.is_due);
	assert_string_equal(d.why, "seals");
}

static void reseal_jumping_wall_clock_makes_no_storm(void **state)
{
	struct reseal_facts f = usual();
	uint64_t boot = f.last;
	unsigned count = 0;

	(void)state;
	/* for a day, every minute: the clock is in turn a year ahead, and right */
	for (unsigned minute = 0; minute < 24 * 60; minute++) {
		uint64_t wall = start + (minute % 2 ? 365 * DAY : 0);
		struct reseal_due d = ask(&f, wall, boot);

		if (d.is_due && d.wait == 0) {
			f.created = wall;
			f.last = boot;
			count++;
		}
		boot += 60 * USEC_PER_SEC;
	}
	assert_in_range(count, 1, 24);
}

static void reseal_key_from_the_future_counts_as_old(void **state)
{
	struct reseal_facts f = usual();
	struct reseal_due d;

	(void)state;
	f.created = start + 10 * 365 * DAY;
	d = ask(&f, start, DAY);
	assert_true(d.is_due);
	assert_false(d.is_late);  /* nobody knows since when */
	f.created = start + HOUR; /* a clock that was put right by an hour */
	assert_false(ask(&f, start, DAY).is_due);
}

static void reseal_waits_an_hour_after_the_last(void **state)
{
	struct reseal_facts f = usual();
	struct reseal_due d = ask(&f, start + 91 * DAY, f.last + HOUR - 7);

	(void)state;
	assert_true(d.is_due);
	assert_int_equal(d.wait, 7);
	assert_int_equal(ask(&f, start + 91 * DAY, f.last + HOUR).wait, 0);
}

static void reseal_overdue_by_a_week_is_late(void **state)
{
	struct reseal_facts f = usual();

	(void)state;
	assert_false(ask(&f, start + 97 * DAY - 1, 100 * DAY).is_late);
	assert_true(ask(&f, start + 97 * DAY, 100 * DAY).is_late);
	f.every = 2 * DAY;
	assert_true(ask(&f, start + 4 * DAY, 100 * DAY).is_late);
}

static void reseal_times_do_not_overflow(void **state)
{
	struct reseal_facts f = usual();

	(void)state;
	f.every = USEC_NEVER - 1;
	assert_false(ask(&f, start, DAY).is_due);
	f.created = USEC_NEVER;
	assert_true(ask(&f, start, DAY).is_due);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reseal_is_due_when_the_key_is_old),
		cmocka_unit_test(reseal_far_away_is_looked_at_every_hour),
		cmocka_unit_test(reseal_never_is_due_by_seals_alone),
		cmocka_unit_test(reseal_jumping_wall_clock_makes_no_storm),
		cmocka_unit_test(reseal_key_from_the_future_counts_as_old),
		cmocka_unit_test(reseal_waits_an_hour_after_the_last),
		cmocka_unit_test(reseal_overdue_by_a_week_is_late),
		cmocka_unit_test(reseal_times_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
