/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One step is at most one move: what the event says, or else the first thing that time or the
 * state of a version asks for. The result is stored after every move, so each move must leave
 * the item in a state that is right for as long as it lasts; `wake` 0 says that there is more
 * to do at once.
 */
#include "rotated/engine/internal.h"

#include <assert.h>

/* ---- what time and state ask for ---- */

/* For the next version: it has it as a standby, or may get it. */
static bool has_place(const struct engine_item *item, const struct engine_policy *policy)
{
	const struct engine_version *coming = engine_find_phase(item, ENGINE_COMING);

	return coming ? engine_is_standby(item, policy, coming)
		      : item->count < ENGINE_VERSIONS_MAX;
}

/* How long V has to stay as it is before time alone moves it; USEC_NEVER for ever. */
static uint64_t version_wait(const struct engine_item *item, const struct engine_policy *policy,
			     const struct engine_version *v)
{
	switch ((int)v->state) {
	case ENGINE_VISIBLE:
		return engine_soak(v, policy);
	case ENGINE_RETIRING:
		return policy->overlap;
	case ENGINE_WITHDRAWN:
		return 0;
	case ENGINE_STAGED:
		return engine_kind_has_steps(item->kind) ? 0 : USEC_NEVER;
	case ENGINE_ACTIVE:
		if (item->is_due || item->is_disabled || !has_place(item, policy))
			return USEC_NEVER;
		return engine_due_wait(item, policy, v);
	default:
		return USEC_NEVER;
	}
}

static void version_move(struct step *s, struct engine_version *v)
{
	switch ((int)v->state) {
	case ENGINE_STAGED:
		step_enter(s, v, ENGINE_PUBLISHING);
		break;
	case ENGINE_VISIBLE:
		step_enter(s, v, ENGINE_SOAKED);
		break;
	case ENGINE_RETIRING:
		if (engine_kind_has_steps(s->item->kind))
			step_enter(s, v, ENGINE_WITHDRAWING);
		else
			step_erase(s, v, "overlap over");
		break;
	case ENGINE_WITHDRAWN:
		step_erase(s, v, v->is_revoked ? "revoked" : "overlap over");
		break;
	case ENGINE_ACTIVE:
		s->item->is_due = true;
		s->result->is_changed = true;
		break;
	default:
		break;
	}
}

/* The first move that time has made due. */
static void drive_time(struct step *s)
{
	for (uint32_t i = 0; i < s->item->count; i++) {
		struct engine_version *v = &s->item->versions[i];
		uint64_t wait = version_wait(s->item, s->policy, v);

		if (wait == USEC_NEVER || v->age < wait)
			continue;
		version_move(s, v);
		return;
	}
}

/* What V needs from the outside next. */
static enum engine_action_type version_need(const struct step *s,
					    const struct engine_version *v)
{
	bool has_to_run = s->policy->has_hook && !v->is_applied;

	switch ((int)v->state) {
	case ENGINE_PLANNED:
		return s->policy->may_create && !v->is_applied ? ENGINE_ACTION_CREATE
							       : ENGINE_ACTION_NONE;
	case ENGINE_PUBLISHING:
		return has_to_run ? ENGINE_ACTION_PUBLISH : ENGINE_ACTION_ASK_PRESENT;
	case ENGINE_SOAKED:
		return engine_is_standby(s->item, s->policy, v) ? ENGINE_ACTION_NONE
								: ENGINE_ACTION_ASK_PRESENT;
	case ENGINE_WITHDRAWING:
		return has_to_run ? ENGINE_ACTION_WITHDRAW : ENGINE_ACTION_ASK_ABSENT;
	default:
		return ENGINE_ACTION_NONE;
	}
}

/* An item in trouble waits; for what is leaving, only that. */
static bool may_begin(const struct engine_item *item, const struct engine_version *v)
{
	if (!item->is_held && item->retry_in == 0)
		return true;
	return item->is_tidying && engine_state_phase(v->state) == ENGINE_COMING;
}

/* The newest version first: getting a key into use comes before tidying up. */
static void drive_job(struct step *s)
{
	for (uint32_t i = s->item->count; i-- > 0;) {
		struct engine_version *v = &s->item->versions[i];
		enum engine_action_type need = version_need(s, v);

		if (need == ENGINE_ACTION_NONE || !may_begin(s->item, v))
			continue;
		if (need != ENGINE_ACTION_CREATE && !s->policy->may_work)
			continue;
		if (engine_gone_wait(s->policy, v) > 0)
			continue;
		step_begin_job(s, need, v);
		return;
	}
}

/* It is due, or the standby is missing, which may not take the last place. */
static bool wants_next(const struct step *s)
{
	if (!s->policy->is_automatic || engine_find_phase(s->item, ENGINE_COMING))
		return false;
	return s->item->is_due ||
	       (s->policy->has_standby && s->item->count < ENGINE_VERSIONS_MAX - 1 &&
		!s->item->is_disabled && engine_find_phase(s->item, ENGINE_CURRENT));
}

static void drive(struct step *s)
{
	drive_time(s);
	if (s->result->is_changed)
		return;
	if (wants_next(s) && step_plan(s) == 0)
		return;
	if (engine_kind_has_steps(s->item->kind) && s->item->job.type == ENGINE_ACTION_NONE)
		drive_job(s);
}

static uint64_t next_wake(const struct step *s)
{
	const struct engine_item *item = s->item;
	uint64_t wake = USEC_NEVER;

	if (s->result->is_changed)
		return 0;
	if (item->retry_in > 0 && !item->is_held)
		wake = item->retry_in;
	for (uint32_t i = 0; i < item->count; i++) {
		const struct engine_version *v = &item->versions[i];
		uint64_t wait = version_wait(item, s->policy, v);

		if (wait != USEC_NEVER && wait - v->age < wake)
			wake = wait - v->age;
		wait = engine_gone_wait(s->policy, v);
		if (wait > 0 && wait < wake)
			wake = wait;
	}
	return wake;
}

int engine_step(const struct engine_item *item, const struct engine_policy *policy,
		const struct moment *now, const struct engine_observation *seen,
		struct engine_result *ret)
{
	struct engine_result result = { .next = *item };
	struct step s = {
		.item = &result.next,
		.policy = policy,
		.now = now,
		.seen = seen,
		.result = &result,
	};
	int r;

	engine_credit(&result.next, now);
	r = step_observe(&s);
	if (r < 0)
		return r;
	if (seen->event == ENGINE_EVENT_TICK)
		drive(&s);
	result.wake = next_wake(&s);
	assert(!engine_check_step(&(struct engine_check){ item, policy, now, seen, &result }));
	*ret = result;
	return 0;
}
