/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What other systems that rotate secrets got wrong in the open, each as a test that this engine
 * passes. The names are those of the systems; the numbers are of their own reports.
 */
#include "tests/unit/engine-bench.h"

static struct bench new_bench(enum engine_kind kind)
{
	struct bench b = bench_begin(kind, &stepped_policy);

	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	return b;
}

/* From planned to published, as far as the hook can tell. */
static void publish(struct bench *b)
{
	assert_int_equal(tick(b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(b, ENGINE_EVENT_CREATED, b->item.last_version), 0);
	assert_int_equal(tick(b), ENGINE_ACTION_PUBLISH);
	end(b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
}

static enum engine_outcome yes(const struct bench *b)
{
	return b->item.kind == ENGINE_DKIM ? ENGINE_OUTCOME_VISIBLE : ENGINE_OUTCOME_ACCEPTED;
}

static void activate(struct bench *b)
{
	publish(b);
	end(b, yes(b));
	pass(b, b->policy.soak);
	assert_int_equal(tick(b), ENGINE_ACTION_ASK_PRESENT);
	end(b, yes(b));
	assert_int_equal(state_of(b, b->item.last_version), ENGINE_ACTIVE);
}

static struct bench rotating(enum engine_kind kind)
{
	struct bench b = new_bench(kind);

	activate(&b);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	return b;
}

/* dkim-rotate: the new key signs after so many hours, whatever DNS says. */
static void dkim_rotate_switches_without_asking_dns(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);

	(void)state;
	publish(&b);
	end(&b, ENGINE_OUTCOME_ABSENT);
	for (unsigned i = 0; i < 60; i++) {
		enum engine_action_type asked;

		pass(&b, b.policy.retry_max);
		asked = tick(&b);
		if (asked == ENGINE_ACTION_PUBLISH)
			end(&b, ENGINE_OUTCOME_OK);
		else if (asked == ENGINE_ACTION_ASK_PRESENT)
			end(&b, ENGINE_OUTCOME_ABSENT);
	}
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 2), ENGINE_PUBLISHING);
	assert_true(b.item.is_held);
}

/* dkim-rotate: 85.6 hours of overlap, where mail stays in Postfix's queue for five days. */
static void dkim_rotate_withdraws_keys_of_mail_in_the_queue(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);

	(void)state;
	activate(&b);
	pass(&b, b.policy.overlap - 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(state_of(&b, 1), ENGINE_RETIRING);
	pass(&b, 1);
	assert_int_equal(tick(&b), ENGINE_ACTION_WITHDRAW);
}

/* Vault #28989: a secret that the target rejects is tried for ever. */
static void vault_retries_a_rejected_secret_for_ever(void **state)
{
	struct bench b = rotating(ENGINE_UPSTREAM);
	unsigned tried = 0;

	(void)state;
	publish(&b);
	while (b.item.last_version == 2) {
		enum engine_action_type asked;

		assert_true(tried++ < 100);
		if (b.item.job.type == ENGINE_ACTION_ASK_PRESENT)
			end(&b, ENGINE_OUTCOME_REJECTED);
		pass(&b, b.policy.retry_max);
		asked = tick(&b);
		if (asked == ENGINE_ACTION_PUBLISH)
			end(&b, ENGINE_OUTCOME_OK);
	}
	/* another secret takes its place, and the old one goes on meanwhile */
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 2), ENGINE_WITHDRAWING);
	assert_int_equal(state_of(&b, 3), ENGINE_PLANNED);
}

/* Vault's plugins for LDAP (#28, #56): what was noted before a crash, or under another policy, is
 * carried out later though things have changed. Here the end of a job that is not the one under
 * way is refused, and the policy of now counts. */
static void vault_carries_out_stale_entries(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);
	struct engine_observation stale = { .event = ENGINE_EVENT_ENDED,
					    .outcome = ENGINE_OUTCOME_VISIBLE };

	(void)state;
	publish(&b);
	stale.serial = b.item.job.serial;
	assert_int_equal(event(&b, ENGINE_EVENT_LOST, 0), 0);
	assert_int_equal(see(&b, stale), -ESTALE);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	assert_int_equal(see(&b, stale), -ESTALE);
	assert_int_equal(state_of(&b, 2), ENGINE_PUBLISHING);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	b.policy.soak = 3 * DAY;
	pass(&b, HOUR);
	assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
	assert_int_equal(state_of(&b, 2), ENGINE_VISIBLE);
}

/* AWS Secrets Manager: a PENDING version that got stuck blocks every later rotation. */
static void aws_is_blocked_by_a_stuck_pending_version(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);

	(void)state;
	publish(&b);
	end(&b, ENGINE_OUTCOME_ABSENT);
	for (unsigned i = 0; !b.item.is_held; i++) {
		assert_true(i < 100);
		pass(&b, b.policy.retry_max);
		if (tick(&b) != ENGINE_ACTION_NONE)
			end(&b, ENGINE_OUTCOME_TEMPORARY);
	}
	/* it is held, with the reason; revoking it makes room, and the active one stays */
	assert_int_equal(b.item.trouble, ENGINE_OUTCOME_TEMPORARY);
	assert_string_equal(b.item.detail, "because");
	assert_int_equal(event(&b, ENGINE_EVENT_REVOKE, 2), 0);
	assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
	assert_int_equal(state_of(&b, 3), ENGINE_PLANNED);
	activate(&b);
	assert_int_equal(state_of(&b, 3), ENGINE_ACTIVE);
}

/* certbot #7990, #8528: a hook that failed is taken for one that did its work. */
static void certbot_forgets_that_a_hook_failed(void **state)
{
	static const enum engine_outcome failures[] = {
		ENGINE_OUTCOME_TEMPORARY, ENGINE_OUTCOME_DENIED,  ENGINE_OUTCOME_CONFIG,
		ENGINE_OUTCOME_TIMEOUT,	  ENGINE_OUTCOME_CRASHED, ENGINE_OUTCOME_UNKNOWN_VERB,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		struct bench b = rotating(ENGINE_DKIM);

		assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
		assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 2), 0);
		assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
		end(&b, failures[i]);
		assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
		assert_int_equal(state_of(&b, 2), ENGINE_PUBLISHING);
		pass(&b, b.policy.retry_max);
		if (engine_outcome_effect(failures[i]) == ENGINE_EFFECT_GIVE_UP) {
			assert_true(b.item.is_held);
			assert_int_equal(tick(&b), ENGINE_ACTION_NONE);
			assert_int_equal(event(&b, ENGINE_EVENT_ROTATE, 0), 0);
		}
		/* again, or if nobody knows what it did: the servers are asked, then again */
		if (engine_outcome_effect(failures[i]) == ENGINE_EFFECT_UNKNOWN) {
			assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
			end(&b, ENGINE_OUTCOME_ABSENT);
			pass(&b, b.policy.retry_max);
		}
		assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	}
}

/* Fails until the wait is as long as it gets. */
static void fail_for_long(struct bench *b)
{
	b->policy.hold_after = USEC_NEVER;
	assert_int_equal(tick(b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(b, ENGINE_EVENT_CREATED, b->item.last_version), 0);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(tick(b), ENGINE_ACTION_PUBLISH);
		end(b, ENGINE_OUTCOME_TEMPORARY);
		pass(b, b->item.retry_in);
	}
	assert_int_equal(tick(b), ENGINE_ACTION_PUBLISH);
	end(b, ENGINE_OUTCOME_TEMPORARY);
	assert_in_range(b->item.retry_in, b->policy.retry_max / 2, b->policy.retry_max);
}

/* cert-manager #6378: the back-off of hours outlives the recovery. */
static void cert_manager_waits_on_after_the_recovery(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);

	(void)state;
	fail_for_long(&b);
	assert_int_equal(event(&b, ENGINE_EVENT_RECOVERED, 0), 0);
	assert_in_range(b.item.retry_in, 0, MINUTE);
	assert_int_equal(event(&b, ENGINE_EVENT_RECOVERED, 0), -EALREADY);
	pass(&b, MINUTE);
	assert_int_equal(tick(&b), ENGINE_ACTION_PUBLISH);
	end(&b, ENGINE_OUTCOME_OK);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	end(&b, ENGINE_OUTCOME_VISIBLE);
	assert_int_equal(b.item.failures, 0);
}

/* What waits for its record to show up does not wait for whoever has recovered; what is held waits
 * for a person; what is well waits for nobody. */
static void recovery_hurries_only_those_who_wait_for_it(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);

	(void)state;
	assert_int_equal(event(&b, ENGINE_EVENT_RECOVERED, 0), -EALREADY);
	publish(&b);
	end(&b, ENGINE_OUTCOME_ABSENT);
	assert_int_equal(event(&b, ENGINE_EVENT_RECOVERED, 0), -EALREADY);
	pass(&b, b.policy.retry_max);
	assert_int_equal(tick(&b), ENGINE_ACTION_ASK_PRESENT);
	b.policy.hold_after = 0;
	end(&b, ENGINE_OUTCOME_UNREACHABLE);
	assert_true(b.item.is_held);
	assert_int_equal(event(&b, ENGINE_EVENT_RECOVERED, 0), -EALREADY);
}

/* Stalwart: the old key is retired in the step that makes the new one, published or not. */
static void stalwart_retires_the_old_key_for_one_never_published(void **state)
{
	struct bench b = rotating(ENGINE_DKIM);

	(void)state;
	assert_int_equal(tick(&b), ENGINE_ACTION_CREATE);
	assert_int_equal(event(&b, ENGINE_EVENT_CREATED, 2), 0);
	for (unsigned i = 0; i < 40; i++) {
		if (tick(&b) == ENGINE_ACTION_PUBLISH)
			end(&b, ENGINE_OUTCOME_TEMPORARY);
		assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
		pass(&b, 10 * DAY);
	}
	/* long over its schedule, and in use still: better an old key than none */
	assert_int_equal(state_of(&b, 1), ENGINE_ACTIVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dkim_rotate_switches_without_asking_dns),
		cmocka_unit_test(dkim_rotate_withdraws_keys_of_mail_in_the_queue),
		cmocka_unit_test(vault_retries_a_rejected_secret_for_ever),
		cmocka_unit_test(vault_carries_out_stale_entries),
		cmocka_unit_test(aws_is_blocked_by_a_stuck_pending_version),
		cmocka_unit_test(certbot_forgets_that_a_hook_failed),
		cmocka_unit_test(cert_manager_waits_on_after_the_recovery),
		cmocka_unit_test(recovery_hurries_only_those_who_wait_for_it),
		cmocka_unit_test(stalwart_retires_the_old_key_for_one_never_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
