/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/unit.h"

#include <string.h>

#include "tests/unit/engine-bench.h"

static const struct engine_policy password_policy = {
	.schedule = 90 * DAY,
	.overlap = 7 * DAY,
	.retry_min = MINUTE,
	.retry_max = 6 * HOUR,
	.hold_after = 3 * DAY,
};

static struct bench bench_new(enum engine_kind kind)
{
	return bench_begin(kind, kind == ENGINE_DKIM ? &stepped_policy : &password_policy);
}

static void issue(struct bench *b, uint32_t version)
{
	assert_int_equal(event(b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(b->item.last_version, version);
	assert_int_equal(event(b, ENGINE_EVENT_CREATED, version), 0);
	assert_int_equal(state_of(b, version), ENGINE_STAGED);
}

/* The key VERSION, all the way. */
static void activate(struct bench *b, uint32_t version)
{
	assert_int_equal(event(b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(b, ENGINE_EVENT_CREATED, version), 0);
	assert_int_equal(tick(b), ENGINE_ACTION_PUBLISH);
	end(b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
	end(b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(state_of(b, version), ENGINE_VISIBLE);
	pass(b, b->policy.soak);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
	assert_int_equal(state_of(b, version), ENGINE_SOAKED);
	end(b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(state_of(b, version), ENGINE_ACTIVE);
}

/* A key that every server shows, with REMEMBERED as the longest TTL. */
static struct bench soaking(uint64_t remembered)
{
	struct bench b = bench_new(ENGINE_DKIM);

	b.policy.is_soak_observed = true;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 1), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	assert_int_equal(see(&b, (struct engine_observation){ .event = ENGINE_EVENT_ENDED,
							      .serial = b.item.job.serial,
							      .outcome = ENGINE_OUTCOME_VISIBLE,
							      .remembered = remembered }),
			 0);
	return b;
}

static void assert_soak(struct bench *b, uint64_t soak)
{
	cleanup_buf struct buf stored = BUF_INIT;

	engine_encode(&b->item, &stored);
	assert_int_equal(engine_decode(stored.data, stored.len, &b->item), 0);
	pass(b, soak - 1);
	assert_int_equal(tick(b), ENGINE_ACTION_NONE);
	assert_int_equal(state_of(b, 1), ENGINE_VISIBLE);
	pass(b, 1);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
	assert_int_equal(state_of(b, 1), ENGINE_SOAKED);
}

static void soak_outlasts_what_resolvers_remember(void **state)
{
	struct bench b = soaking(DAY);

	(void)state;
	assert_soak(&b, DAY + 15 * MINUTE);
	b = soaking(0);
	assert_soak(&b, HOUR);
	b = soaking(45 * MINUTE);
	assert_soak(&b, HOUR);
	b = soaking(46 * MINUTE);
	assert_soak(&b, 61 * MINUTE);
	b = soaking(UINT64_MAX);
	assert_soak(&b, 7 * DAY + 15 * MINUTE);
}

static void configured_soak_stays_as_configured(void **state)
{
	struct bench b = soaking(DAY);

	(void)state;
	b.policy.is_soak_observed = false;
	assert_soak(&b, HOUR);
}

static void to_publishing(struct bench *b)
{
	assert_int_equal(event(b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(b, ENGINE_EVENT_CREATED, 1), 0);
	assert_int_equal(tick(b), ENGINE_ACTION_PUBLISH);
}

/* ---- passwords ---- */

static void password_is_active_once_it_is_confirmed(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	issue(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), -EALREADY);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 2), -ENOENT);
}

static void certificate_goes_the_way_of_a_password(void **state)
{
	struct bench b = bench_new(ENGINE_CERTIFICATE);

	(void)state;
	issue(&b, 1);
	assert_string_equal(b.item.versions[0].name, "billing.1");
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	issue(&b, 2);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 2), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_ERASE);
	assert_int_equal(state_of(&b, 1), ENGINE_STATE_NONE);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
	assert_true(engine_kind_is_handed_over(ENGINE_CERTIFICATE));
	assert_true(engine_kind_is_handed_over(ENGINE_PASSWORD));
	assert_true(engine_kind_has_steps(ENGINE_DKIM));
}

static void password_that_nobody_took_is_replaced(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	issue(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(b.last.action_count, 1);
	assert_int_equal(b.last.actions[0].type, ENGINE_ACTION_ERASE);
	assert_int_equal(b.last.actions[0].version, 1);
	assert_string_equal(b.last.actions[0].reason, "replaced");
	assert_int_equal(state_of(&b, 1), ENGINE_STATE_NONE);
	assert_int_equal(state_of(&b, 2), ENGINE_PLANNED);
}

static void old_password_works_for_the_overlap_and_no_longer(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	issue(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	assert_string_equal(b.item.versions[0].name, "billing.1");
	b.policy.is_stable = true;
	issue(&b, 2);
	assert_string_equal(b.item.versions[1].name, "billing");
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 2), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);

	pass(&b, b.policy.overlap - 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, 1);
	pass(&b, 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_ERASE);
	assert_string_equal(b.last.actions[0].reason, "overlap over");
	assert_int_equal(state_of(&b, 1), ENGINE_STATE_NONE);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
}

static void password_that_is_due_waits_for_a_person(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	issue(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	pass(&b, b.policy.schedule);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_true(b.item.is_due);
	assert_int_equal(b.item.count, 1);
	issue(&b, 2);
	assert_false(b.item.is_due);
}

static void revoked_password_is_gone_at_once(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	issue(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), 0);
	assert_int_equal(b.last.actions[0].type, ENGINE_ACTION_ERASE);
	assert_int_equal(b.item.count, 0);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), -ENOENT);
	issue(&b, 2);
}

static void ninth_living_version_is_refused(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	for (uint32_t v = 1; v <= ENGINE_VERSIONS_MAX; v++) {
		issue(&b, v);
		assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, v), 0);
	}
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), -ENOSPC);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 3), 0);
	issue(&b, ENGINE_VERSIONS_MAX + 1);
}

/* Found by a random history: no successor fits in, and the way out must not be closed. */
static void held_item_without_room_is_told_to_go_on(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	for (uint32_t v = 1; v <= ENGINE_VERSIONS_MAX; v++)
		activate(&b, v);
	pass(&b, 400 * DAY);
	b.policy.schedule = USEC_NEVER;
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_DENIED);
	assert_true(b.item.is_held);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_false(b.item.is_held);
	assert_int_equal(b.item.count, ENGINE_VERSIONS_MAX);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

static void disabled_item_is_told_so_once(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_ENABLE, 0), -EALREADY);
	assert_int_equal(event(&b, ENGINE_EVENT_DISABLE, 0), 0);
	assert_true(b.item.is_disabled);
	assert_int_equal(event(&b, ENGINE_EVENT_DISABLE, 0), -EALREADY);
	assert_int_equal(event(&b, ENGINE_EVENT_ENABLE, 0), 0);
}

/* ---- keys ---- */

static void key_goes_all_the_way_and_its_predecessor_after_it(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	assert_string_equal(b.item.versions[0].name, "r20261123");
	activate(&b, 2);
	assert_string_equal(b.item.versions[1].name, "r20261123b");
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);

	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_ABSENT);
	end(&b, ENGINE_OUTCOME_ABSENT);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWN);
	assert_int_equal(tick(&b), ENGINE_ACTION_ERASE);
	assert_int_equal(state_of(&b, 1), ENGINE_STATE_NONE);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
}

static void first_key_waits_for_an_operator_and_later_ones_come_by_schedule(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(b.last.wake, USEC_NEVER);
	activate(&b, 1);
	pass(&b, b.policy.schedule);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(state_of(&b, 2), ENGINE_PLANNED);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
}

static void sealed_tier_makes_a_key_wait_without_failing(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	b.policy.may_create = false;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(state_of(&b, 1), ENGINE_PLANNED);
	assert_int_equal(b.item.failures, 0);
	b.policy.may_create = true;
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
}

static void servers_that_lag_hold_activation_and_nothing_else(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), -EALREADY);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 2), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	end(&b, ENGINE_OUTCOME_OK);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
		end(&b, ENGINE_OUTCOME_PARTIAL);
		assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
		assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
		assert_int_equal(state_of(&b, 2), ENGINE_PUBLISHING);
		assert_string_equal(b.item.detail, "because");
		pass(&b, b.item.retry_in);
	}
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(b.item.failures, 0);
	assert_int_equal(state_of(&b, 2), ENGINE_VISIBLE);
}

static void unknown_outcome_is_resolved_by_asking(void **state)
{
	static const enum engine_outcome unknown[] = { ENGINE_OUTCOME_TIMEOUT,
						       ENGINE_OUTCOME_CRASHED };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		struct bench b = bench_new(ENGINE_DKIM);
		uint32_t operation;

		to_publishing(&b);
		operation = b.last.actions[0].operation;
		end(&b, unknown[i]);
		assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
		end(&b, ENGINE_OUTCOME_ABSENT);
		pass(&b, b.item.retry_in);
		assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
		assert_int_equal(b.last.actions[0].operation, operation);
	}
}

static void crash_while_the_hook_runs_is_resolved_by_asking(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	to_publishing(&b);
	assert_int_equal(event(&b, ENGINE_EVENT_LOST, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(state_of(&b, 1), ENGINE_VISIBLE);
	assert_int_equal(event(&b, ENGINE_EVENT_LOST, 0), -EALREADY);
}

static void answer_to_a_job_that_was_given_up_is_stale(void **state)
{
	struct engine_observation late = { .event = ENGINE_EVENT_ENDED,
					   .outcome = ENGINE_OUTCOME_OK };
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	to_publishing(&b);
	late.serial = b.item.job.serial;
	assert_int_equal(event(&b, ENGINE_EVENT_LOST, 0), 0);
	assert_int_equal(see(&b, late), -ESTALE);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	assert_int_equal(see(&b, late), -ESTALE);
}

static void record_that_differs_is_published_again(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	to_publishing(&b);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_DIFFERS);
	pass(&b, b.item.retry_in);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
}

static void record_that_vanishes_during_the_soak_starts_it_again(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	to_publishing(&b);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	pass(&b, b.policy.soak);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_ABSENT);
	assert_int_equal(state_of(&b, 1), ENGINE_PUBLISHING);
	pass(&b, b.item.retry_in);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
}

static void without_a_hook_a_person_publishes_and_the_servers_are_asked(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	b.policy.has_hook = false;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 1), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_ABSENT);
	pass(&b, b.item.retry_in);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
}

static void denied_hook_holds_the_item_until_an_operator_says_go_on(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	to_publishing(&b);
	end(&b, ENGINE_OUTCOME_DENIED);
	assert_true(b.item.is_held);
	pass(&b, 30 * DAY);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_false(b.item.is_held);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	assert_int_equal(b.item.last_version, 1);
}

/* An item whose version 1 can not be withdrawn, and is held for it. */
static struct bench untidy_bench(void)
{
	struct bench b = bench_new(ENGINE_DKIM);

	activate(&b, 1);
	activate(&b, 2);
	b.policy.schedule = USEC_NEVER;
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_DENIED);
	assert_true(b.item.is_held);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	return b;
}

static void item_held_for_what_is_leaving_still_brings_a_new_version(void **state)
{
	struct bench b = untidy_bench();

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 3), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_DENIED);
	assert_true(b.item.is_held);
	pass(&b, b.policy.soak);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(state_of(&b, 3), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

static void scheduled_version_comes_while_the_item_is_held_for_an_old_one(void **state)
{
	struct bench b = untidy_bench();

	(void)state;
	b.policy.schedule = 90 * DAY;
	pass(&b, 90 * DAY);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_true(b.item.is_held);
}

static void new_version_does_not_pay_for_the_failures_of_an_old_one(void **state)
{
	struct bench b = untidy_bench();

	(void)state;
	pass(&b, 2 * b.policy.hold_after);
	b.policy.schedule = 0;
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	end(&b, ENGINE_OUTCOME_TEMPORARY);
	assert_false(b.item.is_held);
	assert_int_equal(b.item.failures, 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	pass(&b, b.item.retry_in);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
}

static void backoff_doubles_within_its_bounds_and_then_holds(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);
	uint64_t bound = b.policy.retry_min;
	unsigned attempts = 0;

	(void)state;
	to_publishing(&b);
	for (;;) {
		end(&b, ENGINE_OUTCOME_TEMPORARY);
		if (b.item.is_held)
			break;
		assert_true(b.item.retry_in <= bound);
		assert_true(b.item.retry_in >= bound / 2);
		bound = bound * 2 < b.policy.retry_max ? bound * 2 : b.policy.retry_max;
		pass(&b, b.item.retry_in);
		assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
		assert_true(++attempts < 1000);
	}
	assert_true(b.item.failing >= b.policy.hold_after);
	assert_true(attempts > 12);
}

static void revoked_active_key_is_withdrawn_and_succeeded(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), 0);
	assert_int_equal(b.last.actions[0].type, ENGINE_ACTION_ERASE);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	assert_int_equal(state_of(&b, 2), ENGINE_PLANNED);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), -EALREADY);
}

static void key_is_revoked_even_while_its_record_is_being_published(void **state)
{
	struct engine_observation late = { .event = ENGINE_EVENT_ENDED,
					   .outcome = ENGINE_OUTCOME_OK };
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	to_publishing(&b);
	late.serial = b.item.job.serial;
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), 0);
	assert_int_equal(see(&b, late), -ESTALE);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

/* ---- time ---- */

static void setting_the_clock_forward_shortens_no_wait(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	activate(&b, 2);
	b.now.wall += 365 * DAY;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

static void setting_the_clock_back_only_lengthens_a_wait(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	activate(&b, 2);
	b.now.wall -= 365 * DAY;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

static void of_time_across_a_reboot_only_the_new_boot_is_sure(void **state)
{
	struct moment before = { .wall = 100 * DAY, .boot = 50 * DAY };
	struct moment after = { .wall = 103 * DAY, .boot = MINUTE, .boot_id = { 1 } };

	(void)state;
	assert_int_equal(engine_elapsed(&before, &after), MINUTE);
	after.wall = 90 * DAY;
	assert_int_equal(engine_elapsed(&before, &after), 0);
}

static void by_the_date_a_reboot_counts_if_the_date_was_known(void **state)
{
	struct moment before = { .wall = 100 * DAY, .boot = 50 * DAY, .is_synced = true };
	struct moment after = {
		.wall = 103 * DAY, .boot = MINUTE, .boot_id = { 1 }, .is_synced = true
	};

	(void)state;
	assert_int_equal(engine_elapsed_by_date(&before, &after), 3 * DAY);
	before.is_synced = false;
	assert_int_equal(engine_elapsed_by_date(&before, &after), MINUTE);
	before.is_synced = true;
	after.is_synced = false;
	assert_int_equal(engine_elapsed_by_date(&before, &after), MINUTE);
}

/* Within a boot the boot clock says how much it can have been at most. */
static void by_the_date_a_clock_that_is_set_counts_for_nothing(void **state)
{
	struct moment before = { .wall = 100 * DAY, .boot = 50 * DAY, .is_synced = true };
	struct moment after = { .wall = 300 * DAY, .boot = 51 * DAY, .is_synced = true };

	(void)state;
	assert_int_equal(engine_elapsed_by_date(&before, &after), DAY);
}

static void a_battery_clock_of_years_ahead_shortens_no_overlap(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	activate(&b, 2);
	b.now.wall += 3650 * DAY;
	b.now.boot = MINUTE;
	b.now.boot_id[0]++;
	b.now.is_synced = true;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

static void a_start_with_a_wrong_date_makes_nothing_due(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	activate(&b, 1);
	b.now.wall += 3650 * DAY;
	b.now.boot = MINUTE;
	b.now.boot_id[0]++;
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_false(b.item.is_due);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
}

static void what_came_due_while_the_machine_was_off_is_due_once(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	b.now.is_synced = true;
	activate(&b, 1);
	b.now.wall += 5 * b.policy.schedule;
	b.now.boot = MINUTE;
	b.now.boot_id[0]++;
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(b.item.last_version, 2);
}

static void selectors_go_up_whatever_the_clock_does(void **state)
{
	static const char *const want[] = { "r20261123", "r20261123b", "r20261123c",
					    "r20270102", "r20270102b" };
	struct bench b = bench_new(ENGINE_DKIM);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		if (i == 2)
			b.now.wall -= 10 * DAY;
		if (i == 3)
			b.now.wall += 50 * DAY;
		assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
		assert_string_equal(b.item.versions[0].name, want[i]);
		assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, (uint32_t)i + 1), 0);
	}
}

static void selectors_after_the_alphabet_stay_distinct(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);
	char last[ENGINE_NAME_SIZE] = "";

	(void)state;
	for (uint32_t i = 1; i <= 60; i++) {
		assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
		assert_string_not_equal(b.item.versions[0].name, last);
		memcpy(last, b.item.versions[0].name, sizeof(last));
		assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, i), 0);
	}
	assert_string_equal(last, "r20261123zzj");
}

static void due_dates_are_spread_by_at_most_a_twentieth(void **state)
{
	struct bench a = bench_new(ENGINE_DKIM);
	struct bench b = bench_new(ENGINE_DKIM);
	uint64_t due = engine_due_age(&a.item, &a.policy);

	(void)state;
	assert_true(due <= a.policy.schedule);
	assert_true(due >= a.policy.schedule - a.policy.schedule / 20);
	memcpy(b.item.id, "example.net", sizeof("example.net"));
	assert_true(due != engine_due_age(&b.item, &b.policy));
	b.policy.schedule = USEC_NEVER;
	assert_true(engine_due_age(&b.item, &b.policy) == USEC_NEVER);
}

/* ---- the stored form ---- */

static void stored_item_comes_back_the_same(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);
	cleanup_buf struct buf first = BUF_INIT;
	cleanup_buf struct buf second = BUF_INIT;
	struct engine_item back;

	(void)state;
	activate(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 2), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	end(&b, ENGINE_OUTCOME_CONFIG);
	engine_encode(&b.item, &first);
	assert_int_equal(engine_decode(first.data, first.len, &back), 0);
	engine_encode(&back, &second);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
	assert_true(back.is_held);
	assert_string_equal(back.detail, "because");
	assert_string_equal(back.versions[1].name, "r20261123b");
}

static void stored_form_does_not_change(void **state)
{
	/* clang-format off */
	static const uint8_t golden[] = {
		1,
		1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,		     /* kind: password */
		2, 0, 7, 'b', 'i', 'l', 'l', 'i', 'n', 'g',
		3, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,		     /* last_version */
		8, 0, 45, /* a version */
		  1, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1,
		  2, 0, 8, 0, 0, 0, 0, 0, 0, 0, 2,		     /* staged */
		  3, 0, 9, 'b', 'i', 'l', 'l', 'i', 'n', 'g', '.', '1',
		  5, 0, 8, 0, 6, 0x60, 0xed, 0xd1, 0x95, 0x44, 0, /* created */
		12, 0, 8, 0, 6, 0x60, 0xed, 0xd1, 0x95, 0x44, 0, /* seen */
		13, 0, 8, 0, 0, 0, 0, 0xd6, 0x93, 0xa4, 0,
		14, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	/* clang-format on */
	struct bench b = bench_new(ENGINE_PASSWORD);
	cleanup_buf struct buf out = BUF_INIT;

	(void)state;
	issue(&b, 1);
	engine_encode(&b.item, &out);
	assert_int_equal(out.len, sizeof(golden));
	assert_memory_equal(out.data, golden, sizeof(golden));
}

static void stored_item_that_was_cut_is_never_read_beyond_its_end(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);
	cleanup_buf struct buf out = BUF_INIT;
	struct engine_item back;

	(void)state;
	activate(&b, 1);
	engine_encode(&b.item, &out);
	for (size_t len = 1; len < out.len; len++) {
		cleanup_free uint8_t *cut = malloc(len); /* so that ASan sees its end */

		assert_non_null(cut);
		memcpy(cut, out.data, len);
		if (engine_decode(cut, len, &back) == 0) /* cut between two fields */
			assert_null(engine_check_item(&back));
	}
	assert_int_equal(engine_decode(out.data, 0, &back), -EBADMSG);
	out.data[0] = ENGINE_FORMAT + 1;
	assert_int_equal(engine_decode(out.data, out.len, &back), -EBADMSG);
}

static void stored_item_with_an_unknown_field_is_refused(void **state)
{
	struct bench b = bench_new(ENGINE_PASSWORD);
	cleanup_buf struct buf out = BUF_INIT;
	struct engine_item back;

	(void)state;
	engine_encode(&b.item, &out);
	buf_append(&out, "\xc8\x00\x00", 3);
	assert_int_equal(engine_decode(out.data, out.len, &back), -EBADMSG);
}

/* ---- tables and checks ---- */

static void every_outcome_is_found_by_its_word(void **state)
{
	enum engine_outcome back;

	(void)state;
	for (unsigned i = 0; i < ENGINE_OUTCOME_MAX_; i++) {
		assert_int_equal(engine_outcome_parse(
					 engine_outcome_word((enum engine_outcome)i), &back),
				 0);
		assert_int_equal(back, i);
	}
	assert_int_equal(engine_outcome_parse("fine", &back), -EINVAL);
}

static void check_sees_what_must_not_be(void **state)
{
	struct bench b = bench_new(ENGINE_DKIM);
	struct engine_item bad;

	(void)state;
	activate(&b, 1);
	activate(&b, 2);
	assert_null(engine_check_item(&b.item));

	bad = b.item;
	bad.versions[0].state = ENGINE_ACTIVE;
	assert_non_null(engine_check_item(&bad));
	bad = b.item;
	bad.last_version = 1;
	assert_non_null(engine_check_item(&bad));
	bad = b.item;
	bad.is_held = true;
	assert_non_null(engine_check_item(&bad));
	bad = b.item;
	bad.job = (struct engine_job){ ENGINE_ACTION_PUBLISH, 9, 1 };
	assert_non_null(engine_check_item(&bad));
}

static void check_sees_a_step_that_must_not_be(void **state)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_TICK };
	struct engine_result res = { 0 };
	struct bench b = bench_new(ENGINE_DKIM);
	struct engine_check c = { &b.item, &b.policy, &b.now, &seen, &res };

	(void)state;
	activate(&b, 1);
	activate(&b, 2);
	res.next = b.item;
	assert_null(engine_check_step(&c));

	res.next.versions[1].state = ENGINE_RETIRING; /* nobody is active */
	assert_non_null(engine_check_step(&c));
	res.next = b.item;
	res.next.versions[0].state = ENGINE_WITHDRAWING; /* before the overlap is over */
	res.next.versions[0].age = 0;
	assert_non_null(engine_check_step(&c));
	res.next = b.item;
	res.next.versions[0].age += DAY; /* out of nothing */
	assert_non_null(engine_check_step(&c));
	res.next = b.item;
	res.actions[0].type = ENGINE_ACTION_PUBLISH; /* of a version that nobody stored */
	res.actions[0].version = 3;
	res.action_count = 1;
	assert_non_null(engine_check_step(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(password_is_active_once_it_is_confirmed),
		cmocka_unit_test(certificate_goes_the_way_of_a_password),
		cmocka_unit_test(password_that_nobody_took_is_replaced),
		cmocka_unit_test(old_password_works_for_the_overlap_and_no_longer),
		cmocka_unit_test(password_that_is_due_waits_for_a_person),
		cmocka_unit_test(revoked_password_is_gone_at_once),
		cmocka_unit_test(ninth_living_version_is_refused),
		cmocka_unit_test(held_item_without_room_is_told_to_go_on),
		cmocka_unit_test(disabled_item_is_told_so_once),
		cmocka_unit_test(key_goes_all_the_way_and_its_predecessor_after_it),
		cmocka_unit_test(
			first_key_waits_for_an_operator_and_later_ones_come_by_schedule),
		cmocka_unit_test(sealed_tier_makes_a_key_wait_without_failing),
		cmocka_unit_test(servers_that_lag_hold_activation_and_nothing_else),
		cmocka_unit_test(unknown_outcome_is_resolved_by_asking),
		cmocka_unit_test(crash_while_the_hook_runs_is_resolved_by_asking),
		cmocka_unit_test(answer_to_a_job_that_was_given_up_is_stale),
		cmocka_unit_test(record_that_differs_is_published_again),
		cmocka_unit_test(soak_outlasts_what_resolvers_remember),
		cmocka_unit_test(configured_soak_stays_as_configured),
		cmocka_unit_test(record_that_vanishes_during_the_soak_starts_it_again),
		cmocka_unit_test(without_a_hook_a_person_publishes_and_the_servers_are_asked),
		cmocka_unit_test(denied_hook_holds_the_item_until_an_operator_says_go_on),
		cmocka_unit_test(item_held_for_what_is_leaving_still_brings_a_new_version),
		cmocka_unit_test(scheduled_version_comes_while_the_item_is_held_for_an_old_one),
		cmocka_unit_test(new_version_does_not_pay_for_the_failures_of_an_old_one),
		cmocka_unit_test(backoff_doubles_within_its_bounds_and_then_holds),
		cmocka_unit_test(revoked_active_key_is_withdrawn_and_succeeded),
		cmocka_unit_test(key_is_revoked_even_while_its_record_is_being_published),
		cmocka_unit_test(setting_the_clock_forward_shortens_no_wait),
		cmocka_unit_test(setting_the_clock_back_only_lengthens_a_wait),
		cmocka_unit_test(of_time_across_a_reboot_only_the_new_boot_is_sure),
		cmocka_unit_test(by_the_date_a_reboot_counts_if_the_date_was_known),
		cmocka_unit_test(by_the_date_a_clock_that_is_set_counts_for_nothing),
		cmocka_unit_test(a_battery_clock_of_years_ahead_shortens_no_overlap),
		cmocka_unit_test(a_start_with_a_wrong_date_makes_nothing_due),
		cmocka_unit_test(what_came_due_while_the_machine_was_off_is_due_once),
		cmocka_unit_test(selectors_go_up_whatever_the_clock_does),
		cmocka_unit_test(selectors_after_the_alphabet_stay_distinct),
		cmocka_unit_test(due_dates_are_spread_by_at_most_a_twentieth),
		cmocka_unit_test(stored_item_comes_back_the_same),
		cmocka_unit_test(stored_form_does_not_change),
		cmocka_unit_test(stored_item_that_was_cut_is_never_read_beyond_its_end),
		cmocka_unit_test(stored_item_with_an_unknown_field_is_refused),
		cmocka_unit_test(every_outcome_is_found_by_its_word),
		cmocka_unit_test(check_sees_what_must_not_be),
		cmocka_unit_test(check_sees_a_step_that_must_not_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
