/* SPDX-License-Identifier: BSD-2-Clause */
/* The engine with secrets that are proven by trying them. */
#include "tests/unit/engine-bench.h"

static struct bench upstream_bench(void)
{
	struct engine_policy policy = stepped_policy;

	policy.schedule = USEC_NEVER;
	policy.overlap = DAY;
	policy.soak = 10 * MINUTE;
	return bench_begin(ENGINE_UPSTREAM, &policy);
}

/* The secret of VERSION is made and set, and it is about to be tried. */
static void set_secret(struct bench *b, uint32_t version)
{
	assert_int_equal(tick(b), ENGINE_ACTION_CREATE);
	assert_int_equal(b->item.job.version, version);
	assert_int_equal(event(b, ENGINE_EVENT_CREATED, version), 0);
	assert_int_equal(tick(b), ENGINE_ACTION_PUBLISH);
	end(b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
}

static void use_secret(struct bench *b, uint32_t version)
{
	assert_int_equal(event(b, ENGINE_EVENT_ROTATE, 0), 0);
	set_secret(b, version);
	end(b, ENGINE_OUTCOME_ACCEPTED);
	pass(b, b->policy.soak);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
	end(b, ENGINE_OUTCOME_ACCEPTED);
	assert_int_equal(state_of(b, version), ENGINE_ACTIVE);
}

/* Answers the question under way with REJECTED until VERSION is no longer coming. */
static unsigned refuse_until_given_up(struct bench *b, uint32_t version)
{
	unsigned refusals = 0;

	while (state_of(b, version) == ENGINE_PUBLISHING && refusals < 32) {
		if (b->item.job.type == ENGINE_ACTION_PUBLISH)
			end(b, ENGINE_OUTCOME_OK);
		if (b->item.job.type == ENGINE_ACTION_ASK_PRESENT) {
			end(b, ENGINE_OUTCOME_REJECTED);
			refusals++;
			pass(b, b->policy.retry_max);
		}
		if (state_of(b, version) == ENGINE_PUBLISHING)
			(void)tick(b);
	}
	return refusals;
}

static void refused_secret_is_given_up_replaced_and_held_after_three(void **state)
{
	struct bench b = upstream_bench();

	(void)state;
	b.policy.hold_after = USEC_NEVER;
	use_secret(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	for (uint32_t version = 2; version <= 5; version++) {
		set_secret(&b, version);
		assert_int_equal(refuse_until_given_up(&b, version), 6);
		assert_int_equal(state_of(&b, version), ENGINE_WITHDRAWING);
		assert_int_equal(engine_find(&b.item, version)->rejected, 0);
		assert_int_equal(b.item.is_held, version == 5);
		pass(&b, b.policy.retry_max);
	}
	assert_int_equal(b.item.last_version, 5);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	/* a person who says go on gets a new one */
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_false(b.item.is_held);
	assert_int_equal(b.item.replaced, 0);
}

static void unknown_outcome_of_a_secret_is_asked_with_it(void **state)
{
	static const enum engine_outcome unknown[] = { ENGINE_OUTCOME_TIMEOUT,
						       ENGINE_OUTCOME_CRASHED,
						       ENGINE_OUTCOME_LOST };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		struct bench b = upstream_bench();

		assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
		assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
		assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 1), 0);
		assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
		end(&b, unknown[i]);
		assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
		end(&b, ENGINE_OUTCOME_REJECTED);
		pass(&b, b.policy.retry_max);
		assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	}
}

static bool erases(const struct bench *b)
{
	for (uint32_t i = 0; i < b->last.action_count; i++)
		if (b->last.actions[i].type == ENGINE_ACTION_ERASE)
			return true;
	return false;
}

/* Asks about VERSION until it is believed to be gone; the number of refusals that took. */
static unsigned refuse_until_gone(struct bench *b, uint32_t version)
{
	unsigned refusals = 0;

	while (state_of(b, version) == ENGINE_WITHDRAWING && refusals < 32) {
		assert_false(erases(b));
		assert_int_equal(tick(b), ENGINE_ACTION_ASK_ABSENT);
		end(b, ENGINE_OUTCOME_REJECTED);
		refusals++;
		if (state_of(b, version) == ENGINE_WITHDRAWING) {
			assert_int_equal(tick(b), ENGINE_ACTION_NONE); /* not twice at once */
			assert_in_range(b->last.wake, 1, b->policy.retry_max);
			assert_int_equal(b->item.failures, 0);
			pass(b, b->last.wake);
		}
	}
	return refusals;
}

static void secret_is_kept_until_it_was_refused_for_a_while(void **state)
{
	struct bench b = upstream_bench();

	(void)state;
	use_secret(&b, 1);
	use_secret(&b, 2);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_PENDING);
	assert_int_equal(refuse_until_gone(&b, 1), 3);
	assert_int_equal(event(&b, ENGINE_EVENT_TICK, 0), 0);
	assert_true(erases(&b));
	assert_int_equal(state_of(&b, 1), ENGINE_STATE_NONE);
}

static void provider_that_comes_back_has_not_deleted_a_secret(void **state)
{
	struct bench b = upstream_bench();

	(void)state;
	use_secret(&b, 1);
	use_secret(&b, 2);
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_PENDING);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(tick(&b), ENGINE_ACTION_ASK_ABSENT);
		end(&b, ENGINE_OUTCOME_REJECTED);
		pass(&b, b.policy.retry_max);
	}
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_ABSENT);
	end(&b, ENGINE_OUTCOME_ACCEPTED);
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	assert_int_equal(engine_find(&b.item, 1)->rejected, 0);
	pass(&b, b.policy.retry_max);
	assert_int_equal(refuse_until_gone(&b, 1), 3); /* all over again */
}

static void revoked_active_secret_leaves_nothing_in_use_until_the_next_is_proven(void **state)
{
	struct bench b = upstream_bench();

	(void)state;
	use_secret(&b, 1);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), 0);
	assert_false(erases(&b)); /* the outside is asked with it */
	assert_int_equal(state_of(&b, 1), ENGINE_WITHDRAWING);
	assert_null(engine_find_phase(&b.item, ENGINE_CURRENT));
	set_secret(&b, 2);
	end(&b, ENGINE_OUTCOME_ACCEPTED);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_OK);
	assert_null(engine_find_phase(&b.item, ENGINE_CURRENT));
	pass(&b, b.policy.soak);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_ACCEPTED);
	assert_int_equal(state_of(&b, 2), ENGINE_ACTIVE);
	assert_int_equal(refuse_until_gone(&b, 1), 3);
}

static void without_one_in_use_a_refusal_has_to_last_longer(void **state)
{
	struct bench b = upstream_bench();

	(void)state;
	use_secret(&b, 1);
	b.policy.may_create = false;
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), 0);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(refuse_until_gone(&b, 1), 6);
}

static void what_nothing_can_reach_any_more_is_forgotten_at_once(void **state)
{
	struct bench b = upstream_bench();

	(void)state;
	use_secret(&b, 1);
	use_secret(&b, 2);
	b.policy.may_work = b.policy.may_create = b.policy.has_hook = false;
	pass(&b, b.policy.overlap);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), -EALREADY);
	b.policy.is_cut_off = true;
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 1), 0);
	assert_true(erases(&b));
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 2), 0);
	assert_true(erases(&b));
	assert_int_equal(b.item.count, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refused_secret_is_given_up_replaced_and_held_after_three),
		cmocka_unit_test(unknown_outcome_of_a_secret_is_asked_with_it),
		cmocka_unit_test(secret_is_kept_until_it_was_refused_for_a_while),
		cmocka_unit_test(provider_that_comes_back_has_not_deleted_a_secret),
		cmocka_unit_test(
			revoked_active_secret_leaves_nothing_in_use_until_the_next_is_proven),
		cmocka_unit_test(without_one_in_use_a_refusal_has_to_last_longer),
		cmocka_unit_test(what_nothing_can_reach_any_more_is_forgotten_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
