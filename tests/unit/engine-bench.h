/* SPDX-License-Identifier: BSD-2-Clause */
/* An engine item on a bench, for the tests of the engine: what each file of them uses. */
#ifndef TESTS_UNIT_ENGINE_BENCH_H
#define TESTS_UNIT_ENGINE_BENCH_H

#include "tests/unit/unit.h"

#include "rotated/engine/engine.h"

#define MINUTE (60 * USEC_PER_SEC)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* An item, its clock, and what the last step asked for. */
struct bench {
	struct engine_item item;
	struct engine_policy policy;
	struct moment now;
	struct engine_result last;
};

/* What goes outside by itself, as most tests want it. */
static const struct engine_policy stepped_policy = {
	.schedule = 90 * DAY,
	.overlap = 14 * DAY,
	.soak = HOUR,
	.retry_min = MINUTE,
	.retry_max = 6 * HOUR,
	.hold_after = 3 * DAY,
	.is_automatic = true,
	.has_hook = true,
	.may_create = true,
	.may_work = true,
};

/* An empty item of KIND, on 2026-11-23. */
static struct bench bench_begin(enum engine_kind kind, const struct engine_policy *policy)
{
	struct bench b = {
		.policy = *policy,
		.now = { .wall = UINT64_C(1795424400) * USEC_PER_SEC, .boot = HOUR },
	};
	const char *id = kind == ENGINE_DKIM	   ? "example.com"
			 : kind == ENGINE_UPSTREAM ? "ses"
						   : "billing";

	engine_item_init(&b.item, kind, id, &b.now);
	return b;
}

static int see(struct bench *b, struct engine_observation seen)
{
	int r = engine_step(&b->item, &b->policy, &b->now, &seen, &b->last);

	if (r == 0)
		b->item = b->last.next;
	return r;
}

static int event(struct bench *b, enum engine_event event, uint32_t version)
{
	return see(b, (struct engine_observation){ .event = event, .version = version });
}

/* Ticks until an action is asked for or nothing changes; returns its type. */
static enum engine_action_type tick(struct bench *b)
{
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(event(b, ENGINE_EVENT_TICK, 0), 0);
		if (b->last.action_count > 0)
			return b->last.actions[0].type;
		if (!b->last.is_changed)
			return ENGINE_ACTION_NONE;
	}
	fail_msg("the item does not come to rest");
	return ENGINE_ACTION_NONE;
}

static void end(struct bench *b, enum engine_outcome outcome)
{
	struct engine_observation seen = { .event = ENGINE_EVENT_ENDED,
					   .serial = b->item.job.serial,
					   .outcome = outcome,
					   .detail = "because" };

	assert_int_equal(see(b, seen), 0);
}

static void pass(struct bench *b, uint64_t usec)
{
	b->now.wall += usec;
	b->now.boot += usec;
}

static enum engine_state state_of(const struct bench *b, uint32_t version)
{
	const struct engine_version *v = engine_find(&b->item, version);

	return v ? v->state : ENGINE_STATE_NONE;
}

#endif
