/* SPDX-License-Identifier: BSD-2-Clause */
/* What a step can do to its item, each one thing at a time. step.c says when. */
#include "rotated/engine/internal.h"

#include <stdio.h>
#include <string.h>

void step_enter(struct step *s, struct engine_version *v, enum engine_state state)
{
	v->state = state;
	v->age = 0;
	v->is_applied = false;
	v->asked = 0;
	if (state == ENGINE_PUBLISHING || state == ENGINE_WITHDRAWING)
		v->operation = ++s->item->last_operation;
	if (state == ENGINE_WITHDRAWING)
		v->rejected = 0; /* refusals from before prove nothing now */
	if (state == ENGINE_VISIBLE)
		v->visible = s->now->wall;
	if (state == ENGINE_ACTIVE)
		v->active = s->now->wall;
	s->result->is_changed = true;
}

void step_act(struct step *s, enum engine_action_type type, const struct engine_version *v,
	      const char *reason)
{
	struct engine_action *a = &s->result->actions[s->result->action_count++];

	*a = (struct engine_action){
		.type = type,
		.version = v->version,
		.operation = v->operation,
		.serial = s->item->last_serial,
		.reason = reason,
	};
	memcpy(a->name, v->name, sizeof(a->name));
	s->result->is_changed = true;
}

void step_begin_job(struct step *s, enum engine_action_type type,
		    const struct engine_version *v)
{
	s->item->job = (struct engine_job){
		.type = type,
		.version = v->version,
		.serial = ++s->item->last_serial,
	};
	step_act(s, type, v, NULL);
}

void step_end_job(struct step *s)
{
	s->item->job = (struct engine_job){ 0 };
	s->result->is_changed = true;
}

void step_erase(struct step *s, struct engine_version *v, const char *reason)
{
	step_act(s, ENGINE_ACTION_ERASE, v, reason);
	engine_version_remove(s->item, v->version);
}

/* Things go well again: whatever was counted against the item is forgotten. */
void step_clear_trouble(struct step *s)
{
	s->item->is_held = false;
	s->item->is_tidying = false;
	s->item->failures = 0;
	s->item->failing = 0;
	s->item->retry_in = 0;
	s->item->trouble_since = 0;
	s->item->detail[0] = '\0';
}

static void step_note_trouble(struct step *s)
{
	struct engine_item *item = s->item;

	if (item->is_tidying && !s->is_tidying)
		step_clear_trouble(s); /* what is new does not pay for what is old */
	item->is_tidying = s->is_tidying;
	if (item->failures == 0) {
		item->failing = 0;
		item->trouble_since = s->now->wall;
	}
	if (item->failures < UINT32_MAX)
		item->failures++;
	item->trouble = s->seen->outcome;
	(void)snprintf(item->detail, sizeof(item->detail), "%s",
		       s->seen->detail ? s->seen->detail : ""); /* cut to fit */
	s->result->is_changed = true;
}

void step_retry_later(struct step *s)
{
	step_note_trouble(s);
	s->item->retry_in = engine_backoff(s->item, s->policy);
	if (s->item->failing >= s->policy->hold_after)
		s->item->is_held = true;
}

void step_hold(struct step *s)
{
	step_note_trouble(s);
	s->item->is_held = true;
	s->item->retry_in = 0;
}

/* The one place where a version becomes ACTIVE, and so the one where another stops being it. */
void step_promote(struct step *s, struct engine_version *v)
{
	struct engine_version *old = engine_version_find_phase(s->item, ENGINE_CURRENT);

	if (old)
		step_enter(s, old, ENGINE_RETIRING);
	step_enter(s, v, ENGINE_ACTIVE);
	v->is_urgent = false;
	s->item->is_due = false;
	s->item->replaced = 0;
}

int step_plan(struct step *s)
{
	int r = engine_plan(s->item, s->policy, s->now);

	if (r < 0)
		return r;
	s->result->is_changed = true;
	return 0;
}
