/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine's own files share. */
#ifndef ROTATED_ENGINE_INTERNAL_H
#define ROTATED_ENGINE_INTERNAL_H

#include "rotated/engine/engine.h"

/* After this many vain questions the hook is run once more: it may have been undone. */
enum { ENGINE_ASKS_PER_HOOK = 4 };

/* A secret that is refused so often in a row, with growing waits between, is given up for a new
 * one; and so many in a row are, before a person has to look. */
enum { ENGINE_REJECTS_MAX = 6, ENGINE_REPLACED_MAX = 3 };

/* A secret that was revoked is gone once it is refused so often in a row: one refusal may be a
 * provider's bad hour. Where the driver can not compare it with the one in use, as there is
 * none, it takes ENGINE_REJECTS_MAX. */
enum { ENGINE_GONE_REJECTS = 3 };

uint8_t engine_kind_code(enum engine_kind kind);
must_check int engine_kind_from_code(uint8_t code, enum engine_kind *ret);
uint8_t engine_state_code(enum engine_state state);
must_check int engine_state_from_code(uint8_t code, enum engine_state *ret);
uint8_t engine_action_code(enum engine_action_type type);
must_check int engine_action_from_code(uint8_t code, enum engine_action_type *ret);

/* The same number for the same item and salt, on every machine. */
uint64_t engine_hash(const struct engine_item *item, uint64_t salt);
uint64_t engine_due_wait(const struct engine_item *item, const struct engine_policy *policy,
			 const struct engine_version *v);

/* Credits the time from item->seen to NOW to every wait of ITEM. */
void engine_credit(struct engine_item *item, const struct moment *now);

/* The wait before the attempt that follows `failures` failures: doubled for each, at most
 * retry_max, and by a share of the item's own up to half shorter. */
uint64_t engine_backoff(const struct engine_item *item, const struct engine_policy *policy);

/* What is left of the wait before V, which is leaving, is asked about again after it was refused.
 */
uint64_t engine_gone_wait(const struct engine_policy *policy, const struct engine_version *v);

/* Appends version last_version + 1, PLANNED and named. -ENOSPC. */
must_check int engine_plan(struct engine_item *item, const struct engine_policy *policy,
			   const struct moment *now);

struct engine_version *engine_version_find(struct engine_item *item, uint32_t version);
struct engine_version *engine_version_find_phase(struct engine_item *item,
						 enum engine_phase phase);

/* Forgets VERSION, and the job that was about it. */
void engine_version_remove(struct engine_item *item, uint32_t version);

/* One step under way: see step.c. */
struct step {
	struct engine_item *item; /* result->next */
	const struct engine_policy *policy;
	const struct moment *now;
	const struct engine_observation *seen;
	struct engine_result *result;
	bool is_tidying; /* what was seen is about a version that is leaving */
};

/* What the event says (events.c). Errors are engine_step()'s. */
must_check int step_observe(struct step *s);

/* The moves (moves.c). */
void step_enter(struct step *s, struct engine_version *v, enum engine_state state);
void step_act(struct step *s, enum engine_action_type type, const struct engine_version *v,
	      const char *reason);
void step_begin_job(struct step *s, enum engine_action_type type,
		    const struct engine_version *v);
void step_end_job(struct step *s);
void step_erase(struct step *s, struct engine_version *v, const char *reason);
void step_clear_trouble(struct step *s);
void step_retry_later(struct step *s);
void step_hold(struct step *s);
void step_promote(struct step *s, struct engine_version *v);
must_check int step_plan(struct step *s);

#endif
