/* SPDX-License-Identifier: BSD-2-Clause */
/* What is seen from outside, and what the item makes of it. */
#include "rotated/engine/internal.h"

#include <assert.h>

#define RECOVERED_SPREAD (60 * USEC_PER_SEC)

/* ---- events ---- */

static bool has_steps(const struct engine_item *item)
{
	return engine_kind_has_steps(item->kind);
}

/* What was handed over and nobody confirmed is replaced. What is on its way outside is not: but
 * an item in trouble is told to go on at once, also when there is no room for a successor
 * before an old version is gone. */
static int on_rotate(struct step *s)
{
	struct engine_version *coming = engine_version_find_phase(s->item, ENGINE_COMING);
	bool in_trouble = s->item->failures > 0;
	bool may_only_go_on = has_steps(s->item) && in_trouble &&
			      (coming || s->item->count == ENGINE_VERSIONS_MAX);

	step_clear_trouble(s);
	s->item->replaced = 0;
	if (may_only_go_on) {
		s->result->is_changed = true;
		return 0;
	}
	if (!coming)
		return step_plan(s);
	if (engine_is_standby(s->item, s->policy, coming)) {
		s->item->is_due = true;
		s->result->is_changed = true;
		return 0;
	}
	if (engine_kind_is_handed_over(s->item->kind)) {
		step_erase(s, coming, "replaced");
		return step_plan(s);
	}
	return -EALREADY;
}

static int on_confirm(struct step *s)
{
	struct engine_version *v = engine_version_find(s->item, s->seen->version);

	if (!v)
		return -ENOENT;
	if (v->state == ENGINE_ACTIVE)
		return -EALREADY;
	if (!engine_kind_is_handed_over(s->item->kind) || v->state != ENGINE_STAGED)
		return -EINVAL;
	step_promote(s, v);
	return 0;
}

/* Without room for it now, it is made as soon as a version has left. */
static void plan_or_be_due(struct step *s)
{
	if (step_plan(s) < 0)
		s->item->is_due = true;
}

/* What the outside may have heard of stays until it is gone there; the secret does not, unless
 * the outside is asked with it. Whatever job was under way about it is abandoned: its end will
 * be stale. */
static void revoke_outside(struct step *s, struct engine_version *v)
{
	bool is_secret_needed = engine_kind_asks_with_secret(s->item->kind);

	if (v->state == ENGINE_PLANNED || (v->state == ENGINE_STAGED && !is_secret_needed)) {
		step_erase(s, v, "revoked");
		return;
	}
	if (s->item->job.version == v->version)
		step_end_job(s);
	v->is_revoked = true;
	if (!is_secret_needed)
		step_act(s, ENGINE_ACTION_ERASE, v, "revoked");
	step_enter(s, v, ENGINE_WITHDRAWING);
}

static int on_revoke(struct step *s)
{
	struct engine_version *v = engine_version_find(s->item, s->seen->version);
	bool was_active, is_leaving;

	if (!v)
		return -ENOENT;
	is_leaving =
		v->is_revoked || v->state == ENGINE_WITHDRAWING || v->state == ENGINE_WITHDRAWN;
	if (is_leaving && !s->policy->is_cut_off)
		return -EALREADY;
	was_active = v->state == ENGINE_ACTIVE;
	step_clear_trouble(s);
	if (engine_kind_is_handed_over(s->item->kind) || s->policy->is_cut_off) {
		step_erase(s, v, "revoked");
		return 0;
	}
	revoke_outside(s, v);
	if (was_active && !engine_version_find_phase(s->item, ENGINE_COMING))
		plan_or_be_due(s);
	return 0;
}

static void revoke_any(struct step *s, uint32_t version)
{
	struct engine_version *v = engine_version_find(s->item, version);

	if (engine_kind_is_handed_over(s->item->kind) || s->policy->is_cut_off)
		step_erase(s, v, "revoked");
	else if (v->state != ENGINE_WITHDRAWING && v->state != ENGINE_WITHDRAWN)
		revoke_outside(s, v);
}

/* What is on its way outside, a standby above all, was in nobody's hands yet: it comes next. */
static int on_compromised(struct step *s)
{
	bool is_handed = engine_kind_is_handed_over(s->item->kind);
	const struct engine_item was = *s->item;
	struct engine_version *coming;

	step_clear_trouble(s);
	s->item->replaced = 0;
	s->result->is_changed = true;
	for (uint32_t i = 0; i < was.count; i++)
		if (is_handed || engine_state_phase(was.versions[i].state) != ENGINE_COMING)
			revoke_any(s, was.versions[i].version);
	if (!engine_version_find_phase(s->item, ENGINE_COMING))
		plan_or_be_due(s);
	coming = engine_version_find_phase(s->item, ENGINE_COMING);
	if (coming)
		coming->is_urgent = true;
	return 0;
}

static int on_created(struct step *s)
{
	struct engine_version *v = engine_version_find(s->item, s->seen->version);

	if (!v)
		return -ENOENT;
	if (v->state != ENGINE_PLANNED)
		return -EINVAL;
	if (s->item->job.version == v->version)
		step_end_job(s);
	step_clear_trouble(s);
	step_enter(s, v, ENGINE_STAGED);
	return 0;
}

static int on_disable(struct step *s, bool is_disabled)
{
	if (s->item->is_disabled == is_disabled)
		return -EALREADY;
	s->item->is_disabled = is_disabled;
	s->result->is_changed = true;
	return 0;
}

/* ---- how a job ended ---- */

/* Nobody knows what the hook did: the servers do. If they do not show it, it runs again. */
static void hook_is_unknown(struct step *s, struct engine_version *v)
{
	v->is_applied = true;
	v->asked = ENGINE_ASKS_PER_HOOK;
	s->result->is_changed = true;
}

static void hook_ended(struct step *s, struct engine_version *v)
{
	switch (engine_outcome_effect(s->seen->outcome)) {
	case ENGINE_EFFECT_DONE:
		v->is_applied = true;
		v->asked = 0;
		break;
	case ENGINE_EFFECT_RETRY:
		step_retry_later(s);
		break;
	case ENGINE_EFFECT_GIVE_UP:
		step_hold(s);
		break;
	case ENGINE_EFFECT_UNKNOWN:
		hook_is_unknown(s, v);
		break;
	}
}

/* The servers answered, and not what is wanted. */
static void asked_in_vain(struct step *s, struct engine_version *v)
{
	if (v->state == ENGINE_SOAKED)
		step_enter(s, v,
			   ENGINE_PUBLISHING); /* it was there and is not: all over again */
	else if (v->asked++ >= ENGINE_ASKS_PER_HOOK ||
		 s->seen->outcome == ENGINE_OUTCOME_DIFFERS)
		v->is_applied = false;
	step_retry_later(s);
}

/* It never was in use, and never will be: it is withdrawn, and a new one is made in its place.
 * Should that go on, something else is wrong than the secrets. */
static void give_up(struct step *s, struct engine_version *v)
{
	v->is_revoked = true;
	step_enter(s, v, ENGINE_WITHDRAWING);
	if (s->item->replaced >= ENGINE_REPLACED_MAX) {
		step_hold(s);
		return;
	}
	plan_or_be_due(s);
	s->item->replaced++;
	step_retry_later(s);
}

/* A new secret may not be known everywhere yet, so one refusal is no reason to drop it. */
static void secret_rejected(struct step *s, struct engine_version *v)
{
	if (++v->rejected < ENGINE_REJECTS_MAX)
		asked_in_vain(s, v);
	else
		give_up(s, v);
}

static void become_visible(struct step *s, struct engine_version *v)
{
	step_enter(s, v, ENGINE_VISIBLE);
	v->remembered = s->seen->remembered;
}

static void present_ended(struct step *s, struct engine_version *v)
{
	switch ((int)s->seen->outcome) {
	case ENGINE_OUTCOME_VISIBLE:
	case ENGINE_OUTCOME_ACCEPTED:
		step_clear_trouble(s);
		v->rejected = 0;
		if (v->state == ENGINE_SOAKED)
			step_promote(s, v);
		else
			become_visible(s, v);
		break;
	case ENGINE_OUTCOME_ABSENT:
	case ENGINE_OUTCOME_DIFFERS:
	case ENGINE_OUTCOME_PARTIAL:
		asked_in_vain(s, v);
		break;
	case ENGINE_OUTCOME_REJECTED:
		secret_rejected(s, v);
		break;
	default:
		step_retry_later(s);
		break;
	}
}

/* As is wanted, but a provider in trouble refuses everything: it has to last. */
static void leaving_rejected(struct step *s, struct engine_version *v)
{
	const struct engine_version *active = engine_find_phase(s->item, ENGINE_CURRENT);

	step_clear_trouble(s);
	v->age = 0;
	if (++v->rejected >= (active ? ENGINE_GONE_REJECTS : ENGINE_REJECTS_MAX))
		step_enter(s, v, ENGINE_WITHDRAWN);
}

static void absent_ended(struct step *s, struct engine_version *v)
{
	switch ((int)s->seen->outcome) {
	case ENGINE_OUTCOME_ABSENT:
		step_clear_trouble(s);
		step_enter(s, v, ENGINE_WITHDRAWN);
		break;
	case ENGINE_OUTCOME_REJECTED:
		leaving_rejected(s, v);
		break;
	case ENGINE_OUTCOME_ACCEPTED:
		v->rejected = 0;
		asked_in_vain(s, v);
		break;
	case ENGINE_OUTCOME_VISIBLE:
	case ENGINE_OUTCOME_DIFFERS:
	case ENGINE_OUTCOME_PARTIAL:
		asked_in_vain(s, v);
		break;
	default:
		step_retry_later(s);
		break;
	}
}

/* Success comes as ENGINE_EVENT_CREATED; `pending` is the word of who is at it still. */
static void create_ended(struct step *s, struct engine_version *v)
{
	if (engine_outcome_effect(s->seen->outcome) == ENGINE_EFFECT_DONE)
		v->is_applied = true;
	else if (engine_outcome_effect(s->seen->outcome) == ENGINE_EFFECT_GIVE_UP)
		step_hold(s);
	else
		step_retry_later(s);
}

static int on_ended(struct step *s)
{
	struct engine_job job = s->item->job;
	struct engine_version *v = engine_version_find(s->item, job.version);

	if (job.type == ENGINE_ACTION_NONE || job.serial != s->seen->serial)
		return -ESTALE;
	assert(v); /* a job never outlives its version */
	s->is_tidying = engine_state_phase(v->state) == ENGINE_LEAVING;
	step_end_job(s);
	switch ((int)job.type) {
	case ENGINE_ACTION_PUBLISH:
	case ENGINE_ACTION_WITHDRAW:
		hook_ended(s, v);
		break;
	case ENGINE_ACTION_ASK_PRESENT:
		present_ended(s, v);
		break;
	case ENGINE_ACTION_ASK_ABSENT:
		absent_ended(s, v);
		break;
	default:
		create_ended(s, v);
		break;
	}
	return 0;
}

/* A question or a key is simply asked for again. */
static int on_lost(struct step *s)
{
	struct engine_job job = s->item->job;
	struct engine_version *v = engine_version_find(s->item, job.version);

	if (job.type == ENGINE_ACTION_NONE)
		return -EALREADY;
	assert(v);
	step_end_job(s);
	if (job.type == ENGINE_ACTION_PUBLISH || job.type == ENGINE_ACTION_WITHDRAW)
		hook_is_unknown(s, v);
	return 0;
}

/* Nobody was there or could be reached: not that the record or the secret is wrong. */
static bool is_about_target(enum engine_outcome trouble)
{
	switch ((int)trouble) {
	case ENGINE_OUTCOME_TEMPORARY:
	case ENGINE_OUTCOME_TIMEOUT:
	case ENGINE_OUTCOME_CRASHED:
	case ENGINE_OUTCOME_UNREACHABLE:
		return true;
	default:
		return false;
	}
}

/* A wait that grew while nobody was there does not outlive that. All who wait hear of it at
 * once, and come within a minute, each in its own moment. */
static int on_recovered(struct step *s)
{
	uint64_t soon = engine_hash(s->item, s->item->last_serial) % RECOVERED_SPREAD;

	if (s->item->failures == 0 || s->item->is_held || s->item->retry_in <= soon ||
	    !is_about_target(s->item->trouble))
		return -EALREADY;
	s->item->retry_in = soon;
	s->result->is_changed = true;
	return 0;
}

int step_observe(struct step *s)
{
	switch (s->seen->event) {
	case ENGINE_EVENT_TICK:
		return 0;
	case ENGINE_EVENT_ROTATE:
		return on_rotate(s);
	case ENGINE_EVENT_CONFIRM:
		return on_confirm(s);
	case ENGINE_EVENT_REVOKE:
		return on_revoke(s);
	case ENGINE_EVENT_COMPROMISED:
		return on_compromised(s);
	case ENGINE_EVENT_CREATED:
		return on_created(s);
	case ENGINE_EVENT_ENDED:
		return on_ended(s);
	case ENGINE_EVENT_LOST:
		return on_lost(s);
	case ENGINE_EVENT_DISABLE:
		return on_disable(s, true);
	case ENGINE_EVENT_ENABLE:
		return on_disable(s, false);
	case ENGINE_EVENT_RECOVERED:
		return on_recovered(s);
	}
	return -EINVAL;
}
