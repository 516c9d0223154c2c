/* SPDX-License-Identifier: BSD-2-Clause */
/* Time as the engine counts it: credited ages, back-off, due dates. */
#include "rotated/engine/internal.h"

#include <string.h>

#include "base/spread.h"

enum { DUE_SPREAD = 20 }; /* due up to a twentieth of the schedule early */

#define SET_BACK_MAX   (UINT64_C(24) * 3600 * USEC_PER_SEC)
#define SOAK_MARGIN    (15 * 60 * USEC_PER_SEC)
#define REMEMBERED_MAX (UINT64_C(7) * 24 * 3600 * USEC_PER_SEC)

static uint64_t difference(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static bool is_same_boot(const struct moment *a, const struct moment *b)
{
	return memcmp(a->boot_id, b->boot_id, BOOT_ID_LEN) == 0;
}

/* Within one boot somebody may set the wall clock, but not the boot clock: the lesser counts.
 * A machine that started anew was off for as long as its battery clock says, which may be years
 * wrong; what it ran since is sure. */
uint64_t engine_elapsed(const struct moment *from, const struct moment *to)
{
	uint64_t wall = difference(from->wall, to->wall);
	uint64_t boot = is_same_boot(from, to) ? difference(from->boot, to->boot) : to->boot;

	return wall < boot ? wall : boot;
}

uint64_t engine_elapsed_by_date(const struct moment *from, const struct moment *to)
{
	if (is_same_boot(from, to) || !from->is_synced || !to->is_synced)
		return engine_elapsed(from, to);
	return difference(from->wall, to->wall);
}

uint64_t engine_passed(const struct engine_version *v, const struct moment *from,
		       const struct moment *to)
{
	return v->state == ENGINE_ACTIVE ? engine_elapsed_by_date(from, to)
					 : engine_elapsed(from, to);
}

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

void engine_credit(struct engine_item *item, const struct moment *now)
{
	uint64_t passed = engine_elapsed(&item->seen, now);

	for (uint32_t i = 0; i < item->count; i++) {
		struct engine_version *v = &item->versions[i];

		v->age = add_capped(v->age, engine_passed(v, &item->seen, now));
	}
	if (item->failures > 0)
		item->failing = add_capped(item->failing, passed);
	item->retry_in = difference(passed, item->retry_in);
	item->seen = *now;
}

uint64_t engine_hash(const struct engine_item *item, uint64_t salt)
{
	return spread_hash(item->id, salt);
}

uint64_t engine_backoff(const struct engine_item *item, const struct engine_policy *policy)
{
	uint64_t wait = policy->retry_min;

	for (uint32_t i = 1; i < item->failures && wait < policy->retry_max; i++)
		wait *= 2;
	if (wait > policy->retry_max)
		wait = policy->retry_max;
	return wait - engine_hash(item, item->last_serial) % (wait / 2 + 1);
}

uint64_t engine_gone_wait(const struct engine_policy *policy, const struct engine_version *v)
{
	uint64_t wait = policy->retry_min;

	if (v->state != ENGINE_WITHDRAWING || v->rejected == 0)
		return 0;
	for (uint8_t i = 1; i < v->rejected && wait < policy->retry_max; i++)
		wait *= 2;
	if (wait > policy->retry_max)
		wait = policy->retry_max;
	return v->age < wait ? wait - v->age : 0;
}

uint64_t engine_due_age(const struct engine_item *item, const struct engine_policy *policy)
{
	if (policy->schedule == USEC_NEVER)
		return USEC_NEVER;
	return policy->schedule -
	       engine_hash(item, item->last_version) % (policy->schedule / DUE_SPREAD + 1);
}

/* What is known without a wall clock that can be right: V is older than it. */
static struct due_answer due_by_age_alone(const struct due_policy *due,
					  const struct engine_version *v, uint64_t now)
{
	uint64_t left = difference(v->age, due->age);

	if (due->calendar || due->age == USEC_NEVER)
		return (struct due_answer){ .slot = USEC_NEVER, .start = USEC_NEVER };
	return (struct due_answer){ .slot = now + left,
				    .start = now + left,
				    .is_by_age = true };
}

/*
 * Times of a calendar are of the wall clock, but of slots that went by only those within the
 * credited age of V count: a clock that jumps ahead makes due what a slot then happens to be
 * in, and not everything. One that is set back a little must not make the slot of V's own
 * rotation count twice; set back by more, what it said before was wrong, and so is when V
 * became active.
 */
void engine_due(const struct engine_item *item, const struct engine_policy *policy,
		const struct engine_version *v, struct due_answer *ret)
{
	const uint64_t now = item->seen.wall;
	struct due_policy due = policy->due;
	struct due_question q = { &due, item->id, difference(v->age, now), policy->up_since,
				  now };

	due.age = engine_due_age(item, policy);
	if (now < v->age) {
		*ret = due_by_age_alone(&due, v, now);
		return;
	}
	if (due.calendar && v->active > q.last_done && v->active - q.last_done <= SET_BACK_MAX)
		q.last_done = v->active;
	due_ask(&q, ret);
}

/* As an age of V. */
uint64_t engine_due_wait(const struct engine_item *item, const struct engine_policy *policy,
			 const struct engine_version *v)
{
	struct due_answer a;

	engine_due(item, policy, v, &a);
	return a.start == USEC_NEVER ? USEC_NEVER : v->age + (a.start - item->seen.wall);
}

uint64_t engine_soak(const struct engine_version *v, const struct engine_policy *policy)
{
	uint64_t known = v->remembered < REMEMBERED_MAX ? v->remembered : REMEMBERED_MAX;

	if (v->is_urgent)
		return 0;
	if (!policy->is_soak_observed || known + SOAK_MARGIN < policy->soak)
		return policy->soak;
	return known + SOAK_MARGIN;
}
