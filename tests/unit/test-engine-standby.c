/* SPDX-License-Identifier: BSD-2-Clause */
/* The next version that is kept ready, and what is compromised. */
#include "tests/unit/engine-bench.h"

static struct bench new_bench(enum engine_kind kind, bool has_standby)
{
	struct engine_policy policy = stepped_policy;
	struct bench b;

	policy.soak = DAY;
	policy.has_standby = has_standby;
	policy.is_automatic = engine_kind_has_steps(kind);
	b = bench_begin(kind, &policy);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	return b;
}

/* Whatever is asked for goes well, until nothing is asked for any more. */
static void work(struct bench *b)
{
	for (unsigned i = 0; i < 32; i++) {
		switch ((int)tick(b)) {
		case ENGINE_ACTION_CREATE:
			assert_int_equal(event(b, ENGINE_EVENT_CREATED, b->item.last_version), 0);
			break;
		case ENGINE_ACTION_ASK_PRESENT:
			end(b, ENGINE_OUTCOME_VISIBLE);
			break;
		case ENGINE_ACTION_ASK_ABSENT:
			end(b, ENGINE_OUTCOME_ABSENT);
			break;
		case ENGINE_ACTION_ERASE:
			break;
		case ENGINE_ACTION_NONE:
			return;
		default:
			end(b, ENGINE_OUTCOME_OK);
			break;
		}
	}
	fail_msg("it never comes to rest");
}

/* With version 1 active, and 2 as its standby if it has one. */
static struct bench active_bench(bool has_standby)
{
	struct bench b = new_bench(ENGINE_DKIM, has_standby);

	work(&b);
	pass(&b, b.policy.soak);
	work(&b);
	pass(&b, b.policy.soak);
	work(&b);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	return b;
}

static void the_next_key_is_published_and_waits(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	assert_int_equal(state_of(&b, 2), ENGINE_SOAKED);
	assert_true(engine_is_standby(&b.item, &b.policy, engine_find(&b.item, 2)));
	pass(&b, 60 * DAY);
	work(&b);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 2), ENGINE_SOAKED);
	assert_int_equal(b.item.count, 2);
}

static void without_the_policy_there_is_none(void **state)
{
	struct bench b = active_bench(false);

	(void)state;
	assert_int_equal(b.item.last_version, 1);
}

static void when_due_the_standby_comes_and_the_next_is_made(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	pass(&b, b.policy.schedule);
	work(&b);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 3), ENGINE_VISIBLE);
	assert_false(b.item.is_due);
}

static void the_standby_is_asked_for_once_more_before_it_is_used(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_ABSENT);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 2), ENGINE_PUBLISHING);
}

static void rotating_by_hand_takes_the_standby(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	work(&b);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
}

static void a_policy_that_ends_lets_the_standby_come(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	b.policy.has_standby = false;
	work(&b);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
}

/* Four retiring keys, one active: the standby never takes the last place. */
static void the_standby_leaves_a_place_free(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	b.policy.overlap = 3650 * DAY;
	for (unsigned i = 0; i < 12; i++) {
		(void)event(&b, ENGINE_EVENT_ROTATE, 0);
		work(&b);
		pass(&b, b.policy.soak);
		work(&b);
	}
	assert_in_range(b.item.count, ENGINE_VERSIONS_MAX - 1, ENGINE_VERSIONS_MAX);
	assert_non_null(engine_find_phase(&b.item, ENGINE_CURRENT));
}

static void compromised_key_goes_at_once_and_the_standby_comes(void **state)
{
	struct bench b = active_bench(true);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_COMPROMISED, 0), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	assert_int_equal(b.last.actions[0].type, ENGINE_ACTION_ERASE);
	work(&b);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 1), ENGINE_STATE_NONE);
}

static void without_a_standby_the_next_key_does_not_soak(void **state)
{
	struct bench b = active_bench(false);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_COMPROMISED, 0), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	work(&b); /* no time passes */
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
	assert_false(engine_find(&b.item, 2)->is_urgent);
	/* the one after that soaks as ever */
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	work(&b);
	assert_int_equal(state_of(&b, 3), ENGINE_VISIBLE);
}

static void all_that_retire_are_revoked_with_it(void **state)
{
	struct bench b = active_bench(false);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	work(&b);
	pass(&b, b.policy.soak);
	work(&b);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	assert_int_equal(event(&b, ENGINE_EVENT_COMPROMISED, 0), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	assert_int_equal(state_of(&b, 2), ENGINE_WITHDRAWING);
	assert_int_equal(state_of(&b, 3), ENGINE_PLANNED);
	assert_int_equal(b.last.action_count, 2);
}

static void compromised_password_is_dead_at_once(void **state)
{
	struct bench b = new_bench(ENGINE_PASSWORD, false);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 1), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_CONFIRM, 1), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 2), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_COMPROMISED, 0), 0);
	/* what was issued and not confirmed was in somebody's hands, too */
	assert_int_equal(b.item.count, 1);
	assert_int_equal(state_of(&b, 3), ENGINE_PLANNED);
	assert_int_equal(b.last.action_count, 2);
}

/* Eight living keys, none of which can be withdrawn: the ninth is made when one has gone. */
static void revoked_without_room_the_next_comes_when_there_is(void **state)
{
	struct bench b = active_bench(false);

	(void)state;
	b.policy.overlap = 3650 * DAY;
	while (b.item.count < ENGINE_VERSIONS_MAX) {
		assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
		work(&b);
		pass(&b, b.policy.soak);
		work(&b);
	}
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 8), 0);
	assert_int_equal(b.item.count, ENGINE_VERSIONS_MAX);
	assert_true(b.item.is_due);
	work(&b);
	assert_int_equal(state_of(&b, 8), ENGINE_STATE_NONE);
	assert_int_equal(state_of(&b, 9), ENGINE_VISIBLE);
}

static void urgency_survives_a_restart(void **state)
{
	cleanup_buf struct buf stored = BUF_INIT;
	struct bench b = active_bench(false);
	struct engine_item back;

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_COMPROMISED, 0), 0);
	engine_encode(&b.item, &stored);
	assert_int_equal(engine_decode(stored.data, stored.len, &back), 0);
	assert_true(engine_find(&back, 2)->is_urgent);
	assert_true(engine_find(&back, 1)->is_revoked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_key_is_published_and_waits),
		cmocka_unit_test(without_the_policy_there_is_none),
		cmocka_unit_test(when_due_the_standby_comes_and_the_next_is_made),
		cmocka_unit_test(the_standby_is_asked_for_once_more_before_it_is_used),
		cmocka_unit_test(rotating_by_hand_takes_the_standby),
		cmocka_unit_test(a_policy_that_ends_lets_the_standby_come),
		cmocka_unit_test(the_standby_leaves_a_place_free),
		cmocka_unit_test(compromised_key_goes_at_once_and_the_standby_comes),
		cmocka_unit_test(without_a_standby_the_next_key_does_not_soak),
		cmocka_unit_test(all_that_retire_are_revoked_with_it),
		cmocka_unit_test(compromised_password_is_dead_at_once),
		cmocka_unit_test(revoked_without_room_the_next_comes_when_there_is),
		cmocka_unit_test(urgency_survives_a_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
