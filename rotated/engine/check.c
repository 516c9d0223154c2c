/* SPDX-License-Identifier: BSD-2-Clause */
/* The invariants of engine.h as code. engine_step() asserts them; the tests check them too. */
#include "rotated/engine/internal.h"

#include <string.h>

static bool is_hook(enum engine_action_type type)
{
	return type == ENGINE_ACTION_PUBLISH || type == ENGINE_ACTION_WITHDRAW;
}

/* ---- one item ---- */

static bool is_login(const struct engine_item *item, const struct engine_version *v)
{
	char service[SERVICE_ID_MAX + 1];
	uint32_t version;

	return text_to_login(v->name, service, &version) == 0 &&
	       strcmp(service, item->id) == 0 && (version == 0 || version == v->version);
}

static const char *check_version(const struct engine_item *item, const struct engine_version *v)
{
	if (v->state == ENGINE_STATE_NONE || engine_state_phase(v->state) == ENGINE_GONE)
		return "a version is listed that is not alive";
	if (!engine_state_fits(v->state, item->kind))
		return "a version is in a state that its kind does not have";
	if (engine_kind_has_selectors(item->kind) ? !text_is_label(v->name)
						  : !is_login(item, v))
		return "a version has a name that does not fit its kind";
	if (v->operation > item->last_operation)
		return "an operation is newer than the newest";
	return NULL;
}

static const char *check_versions(const struct engine_item *item)
{
	unsigned in_phase[ENGINE_GONE + 1] = { 0 };
	uint32_t last = 0;

	for (uint32_t i = 0; i < item->count; i++) {
		const struct engine_version *v = &item->versions[i];
		const char *wrong = check_version(item, v);

		if (wrong)
			return wrong;
		if (v->version <= last)
			return "versions are not in ascending order";
		last = v->version;
		in_phase[engine_state_phase(v->state)]++;
	}
	if (last > item->last_version)
		return "a version is newer than the newest";
	if (in_phase[ENGINE_COMING] > 1)
		return "more than one version is coming";
	if (in_phase[ENGINE_CURRENT] > 1)
		return "more than one version is active";
	return NULL;
}

static const char *check_job(const struct engine_item *item)
{
	const struct engine_job *job = &item->job;

	if (job->type == ENGINE_ACTION_NONE)
		return job->version || job->serial ? "no job, but a version has it" : NULL;
	if (engine_action_is_inside(job->type))
		return "a job is of a kind that nobody runs";
	if (!engine_find(item, job->version))
		return "a job is about a version that is not alive";
	if (job->serial == 0 || job->serial > item->last_serial)
		return "a job is newer than the newest";
	return NULL;
}

const char *engine_check_item(const struct engine_item *item)
{
	const char *wrong;

	if (item->count > ENGINE_VERSIONS_MAX)
		return "too many versions";
	if (engine_kind_has_selectors(item->kind) ? !text_is_domain(item->id)
						  : !text_is_service_id(item->id))
		return "the item's id does not fit its kind";
	if (item->replaced > ENGINE_REPLACED_MAX)
		return "more secrets were given up than may be";
	if ((item->is_held || item->is_tidying) && item->failures == 0)
		return "held for no reason";
	wrong = check_versions(item);
	return wrong ? wrong : check_job(item);
}

/* ---- one step ---- */

/* 1: whatever goes outside is about a version that was already on disk, and sealed. */
static const char *check_sealed(const struct engine_check *c)
{
	for (uint32_t i = 0; i < c->next->action_count; i++) {
		const struct engine_action *a = &c->next->actions[i];
		const struct engine_version *v = engine_find(c->prev, a->version);

		if (engine_action_is_inside(a->type) || a->type == ENGINE_ACTION_CREATE)
			continue;
		if (!v || v->state == ENGINE_PLANNED)
			return "1: an action is about a secret that is not sealed yet";
	}
	return NULL;
}

static bool is_revoking(const struct engine_check *c, const struct engine_version *v)
{
	return c->seen->event == ENGINE_EVENT_COMPROMISED ||
	       (c->seen->event == ENGINE_EVENT_REVOKE && c->seen->version == v->version);
}

/* 2: who was ACTIVE is so still, or has a successor, or is revoked. */
static const char *check_active(const struct engine_check *c)
{
	const struct engine_version *was = engine_find_phase(c->prev, ENGINE_CURRENT);
	const struct engine_version *is = engine_find_phase(&c->next->next, ENGINE_CURRENT);
	const struct engine_version *came;

	if (!was || (is && is->version == was->version))
		return NULL;
	if (is_revoking(c, was))
		return NULL;
	if (!is)
		return "2: the active version went without a successor";
	came = engine_find(c->prev, is->version);
	if (!came || engine_state_phase(came->state) != ENGINE_COMING)
		return "2: the successor of the active version was not on its way";
	return NULL;
}

static bool may_leave(const struct engine_check *c, const struct engine_version *was)
{
	uint64_t age = was->age + engine_passed(was, &c->prev->seen, c->now);

	if (was->is_revoked || is_revoking(c, was))
		return true;
	if (was->state == ENGINE_RETIRING)
		return age >= c->policy->overlap;
	if (was->state == ENGINE_WITHDRAWN)
		return true;
	if (engine_state_phase(was->state) != ENGINE_COMING)
		return false;
	return c->seen->event == ENGINE_EVENT_ROTATE ||
	       (c->seen->event == ENGINE_EVENT_ENDED &&
		c->seen->outcome == ENGINE_OUTCOME_REJECTED);
}

/* 3: nothing is withdrawn or erased before its overlap is over, unless it never was in use. */
static const char *check_leaving(const struct engine_check *c)
{
	for (uint32_t i = 0; i < c->prev->count; i++) {
		const struct engine_version *was = &c->prev->versions[i];
		const struct engine_version *is = engine_find(&c->next->next, was->version);

		if (is && (is->state != ENGINE_WITHDRAWING || was->state == ENGINE_WITHDRAWING))
			continue;
		if (!may_leave(c, was))
			return "3: a version is withdrawn that may still be used";
	}
	return NULL;
}

/* The outside was asked for VERSION just now, and shows or takes it. */
static bool is_seen(const struct engine_check *c, uint32_t version)
{
	return c->seen->event == ENGINE_EVENT_ENDED &&
	       c->prev->job.type == ENGINE_ACTION_ASK_PRESENT &&
	       c->prev->job.version == version &&
	       (c->seen->outcome == ENGINE_OUTCOME_VISIBLE ||
		c->seen->outcome == ENGINE_OUTCOME_ACCEPTED);
}

/* 4: no wait is credited with more than passed, none ends early, none begins unseen. */
static const char *check_waits(const struct engine_check *c)
{
	for (uint32_t i = 0; i < c->prev->count; i++) {
		const struct engine_version *was = &c->prev->versions[i];
		const struct engine_version *is = engine_find(&c->next->next, was->version);
		uint64_t passed = engine_passed(was, &c->prev->seen, c->now);

		if (!is)
			continue;
		if (is->age > was->age && is->age - was->age > passed)
			return "4: a wait is credited with more time than passed";
		if (is->state == was->state)
			continue;
		if (is->age != 0)
			return "4: a wait did not start at zero";
		if (was->state == ENGINE_VISIBLE && is->state == ENGINE_SOAKED &&
		    was->age + passed < engine_soak(was, c->policy))
			return "4: the soak ended early";
		if (is->state == ENGINE_VISIBLE && !is_seen(c, was->version))
			return "4: the soak started without an observed success";
	}
	return NULL;
}

/* 5: when nobody knows what the hook did, the next thing is to ask. */
static const char *check_unknown(const struct engine_check *c)
{
	const struct engine_version *v = engine_find(&c->next->next, c->prev->job.version);
	bool is_unknown = c->seen->event == ENGINE_EVENT_LOST ||
			  (c->seen->event == ENGINE_EVENT_ENDED &&
			   engine_outcome_effect(c->seen->outcome) == ENGINE_EFFECT_UNKNOWN);

	if (!is_unknown || !is_hook(c->prev->job.type))
		return NULL;
	if (!v || !v->is_applied)
		return "5: an unknown outcome was taken for a known one";
	return NULL;
}

/* What is under way is for a new version, and what went wrong about an old one. */
static bool brings_new(const struct engine_check *c)
{
	const struct engine_item *next = &c->next->next;
	const struct engine_version *v = engine_find(next, next->job.version);

	return next->is_tidying && v && engine_state_phase(v->state) == ENGINE_COMING;
}

/* 6: who is held starts nothing. Also: never two jobs at a time. */
static const char *check_jobs(const struct engine_check *c)
{
	unsigned begun = 0;

	for (uint32_t i = 0; i < c->next->action_count; i++)
		if (!engine_action_is_inside(c->next->actions[i].type))
			begun++;
	if (begun == 0)
		return NULL;
	if (c->next->next.is_held && !brings_new(c))
		return "6: a held item has begun something";
	if (begun > 1 || c->prev->job.type != ENGINE_ACTION_NONE)
		return "6: two jobs of one item at a time";
	return NULL;
}

/* 7: with steps outside, the only way into use is to have been seen just now. */
static const char *check_proven(const struct engine_check *c)
{
	const struct engine_version *is = engine_find_phase(&c->next->next, ENGINE_CURRENT);
	const struct engine_version *was = is ? engine_find(c->prev, is->version) : NULL;

	if (!is || !engine_kind_has_steps(c->prev->kind) || (was && was->state == is->state))
		return NULL;
	if (!was || was->state != ENGINE_SOAKED || !is_seen(c, is->version))
		return "7: a version is in use that was not seen to work";
	return NULL;
}

static enum engine_state state_in(const struct engine_item *item, uint32_t version,
				  enum engine_state absent)
{
	const struct engine_version *v = engine_find(item, version);

	return v ? v->state : absent;
}

/* Every move of a version is one of transitions.def. */
static const char *check_moves(const struct engine_check *c)
{
	const struct engine_item *next = &c->next->next;

	for (uint32_t i = 0; i < c->prev->count; i++) {
		const struct engine_version *was = &c->prev->versions[i];
		enum engine_state is = state_in(next, was->version, ENGINE_DESTROYED);

		if (is != was->state &&
		    engine_transition(c->prev->kind, was->state, is, c->seen->event) < 0)
			return "a version moved in a way that is not in the table";
	}
	for (uint32_t i = 0; i < next->count; i++) {
		const struct engine_version *v = &next->versions[i];

		if (state_in(c->prev, v->version, ENGINE_STATE_NONE) == ENGINE_STATE_NONE &&
		    engine_transition(next->kind, ENGINE_STATE_NONE, v->state,
				      c->seen->event) < 0)
			return "a version began in a way that is not in the table";
	}
	return NULL;
}

static const char *check_counters(const struct engine_check *c)
{
	const struct engine_item *next = &c->next->next;

	if (next->last_version < c->prev->last_version ||
	    next->last_operation < c->prev->last_operation ||
	    next->last_serial < c->prev->last_serial)
		return "a counter went backwards";
	if (next->last_day < c->prev->last_day ||
	    (next->last_day == c->prev->last_day && next->last_turn < c->prev->last_turn))
		return "selectors went backwards";
	return NULL;
}

const char *engine_check_step(const struct engine_check *c)
{
	static const char *(*const checks[])(const struct engine_check *) = {
		check_sealed,  check_active, check_leaving, check_waits,
		check_unknown, check_jobs,   check_proven,  check_moves,
		check_counters,
	};
	const char *wrong = engine_check_item(&c->next->next);

	for (size_t i = 0; !wrong && i < ARRAY_SIZE(checks); i++)
		wrong = checks[i](c);
	return wrong;
}
