/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine makes of a calendar, windows and clocks; when an item is due is due.c's to
 * say. */
#include "tests/unit/unit.h"

#include "tests/unit/engine-bench.h"

static struct calendar *calendar(const char *text)
{
	struct calendar *c = NULL;

	assert_int_equal(calendar_parse(text, &c, NULL), 0);
	return c;
}

/* A password that is in use since 2026-11-23 09:00 UTC. */
static struct bench bench_active(void)
{
	static const struct engine_policy policy = { .schedule = USEC_NEVER, .overlap = HOUR };
	struct bench b = bench_begin(ENGINE_PASSWORD, &policy);

	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 1), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	return b;
}

static void due_by_a_calendar_is_due_at_its_slot(void **state)
{
	cleanup_(calendar_freep) struct calendar *daily = calendar("*-*-* 10:00 UTC");
	struct bench b = bench_active();

	(void)state;
	b.policy.due.calendar = daily;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, HOUR);
	pass(&b, HOUR - 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_false(b.item.is_due);
	pass(&b, 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_true(b.item.is_due);
}

/* An hour back right after a rotation: the slot that led to it must not count again. */
static void due_slot_counts_once_when_the_clock_is_set_back(void **state)
{
	cleanup_(calendar_freep) struct calendar *daily = calendar("*-*-* 09:00 UTC");
	struct bench b = bench_active();

	(void)state;
	b.policy.due.calendar = daily;
	b.now.wall -= HOUR;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, 25 * HOUR);
	pass(&b, 2 * HOUR);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_false(b.item.is_due);
}

/* Active since 2030, said a clock that was four years ahead. */
static void due_slot_is_not_in_the_future_of_a_wrong_clock(void **state)
{
	cleanup_(calendar_freep) struct calendar *daily = calendar("*-*-* 10:00 UTC");
	struct bench b = bench_active();

	(void)state;
	b.policy.due.calendar = daily;
	b.item.versions[0].active += 4 * 365 * DAY;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, HOUR);
}

/* Four years ahead: slots of these years are not of the life of this version. */
static void due_slot_is_not_in_years_that_never_were(void **state)
{
	cleanup_(calendar_freep) struct calendar *yearly = calendar("*-11-20 UTC");
	struct bench b = bench_active();

	(void)state;
	b.policy.due.calendar = yearly;
	pass(&b, HOUR);
	b.now.wall += 4 * 365 * DAY;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_false(b.item.is_due);
}

static void due_item_waits_for_its_window(void **state)
{
	struct period *windows[1] = { NULL };
	struct bench b = bench_active();

	(void)state;
	assert_int_equal(period_parse("12:00-13:00 UTC", &windows[0], NULL), 0);
	b.policy.schedule = MINUTE;
	b.policy.due.windows = windows;
	b.policy.due.window_count = 1;
	pass(&b, HOUR);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_false(b.item.is_due);
	assert_int_equal(b.last.wake, 2 * HOUR);
	pass(&b, 2 * HOUR);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_true(b.item.is_due);
	period_free(windows[0]);
}

/* 1970, as on a machine without a battery: no calendar is asked, and an age goes on. */
static void due_without_a_clock_is_by_age_alone(void **state)
{
	cleanup_(calendar_freep) struct calendar *daily = calendar("daily");
	struct bench b = bench_active();

	(void)state;
	b.policy.schedule = 90 * DAY;
	b.item.versions[0].age = 10 * DAY;
	b.now.wall = DAY;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	b.policy.due.calendar = daily;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, USEC_NEVER);
	assert_false(b.item.is_due);
	b.policy.due.calendar = NULL;
	b.item.versions[0].age = 90 * DAY;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_true(b.item.is_due);
}

/* What rotates by itself begins at its slot, and not before. */
static void due_key_is_made_at_its_slot(void **state)
{
	cleanup_(calendar_freep) struct calendar *daily = calendar("*-*-* 10:00 UTC");
	struct bench b = bench_active();

	(void)state;
	b.policy.is_automatic = b.policy.may_create = b.policy.may_work = true;
	b.policy.has_hook = true;
	engine_item_init(&b.item, ENGINE_DKIM, "example.com", &b.now);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 1), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	end(&b, ENGINE_OUTCOME_OK);
	/* how it comes into use is not the matter here */
	b.item.versions[0].state = ENGINE_ACTIVE;
	b.policy.due.calendar = daily;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, HOUR);
	pass(&b, HOUR);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(state_of(&b, 2), ENGINE_PLANNED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_by_a_calendar_is_due_at_its_slot),
		cmocka_unit_test(due_slot_counts_once_when_the_clock_is_set_back),
		cmocka_unit_test(due_slot_is_not_in_the_future_of_a_wrong_clock),
		cmocka_unit_test(due_slot_is_not_in_years_that_never_were),
		cmocka_unit_test(due_item_waits_for_its_window),
		cmocka_unit_test(due_without_a_clock_is_by_age_alone),
		cmocka_unit_test(due_key_is_made_at_its_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
