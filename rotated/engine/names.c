/* SPDX-License-Identifier: BSD-2-Clause */
/* The tables of states, actions and outcomes as code. */
#include "rotated/engine/internal.h"

#include <stdio.h>
#include <string.h>

enum way { HANDED = 1U << 0, STEPPED = 1U << 1, ALL = HANDED | STEPPED };
enum names { NAMES_LOGIN, NAMES_SELECTOR };
enum proof { PROOF_PUBLIC, PROOF_SECRET };

static const struct {
	uint8_t code;
	const char *word;
	enum way way;
	enum names names;
	enum proof proof;
} kinds[] = {
#define KIND(id, code, word, way, names, proof)                                                \
	[ENGINE_##id] = { code, word, way, NAMES_##names, PROOF_##proof },
#include "rotated/engine/kinds.def"
#undef KIND
};

static const struct {
	uint8_t code;
	const char *word;
	enum way ways;
	enum engine_phase phase;
	const char *meaning;
} states[] = {
	[ENGINE_STATE_NONE] = { 0, "none", 0, ENGINE_GONE, "there is no such version" },
#define STATE(id, code, word, ways, phase, meaning)                                            \
	[ENGINE_##id] = { code, word, ways, ENGINE_##phase, meaning },
#include "rotated/engine/states.def"
#undef STATE
};

enum when { INSIDE, AFTER };

static const struct {
	uint8_t code;
	const char *word;
	enum when when;
} actions[] = {
	[ENGINE_ACTION_NONE] = { 0, "none", AFTER },
#define ACTION(id, code, word, when, meaning) [ENGINE_ACTION_##id] = { code, word, when },
#include "rotated/engine/actions.def"
#undef ACTION
};

static const struct {
	const char *word;
	enum engine_effect effect;
	const char *meaning;
} outcomes[] = {
#define OUTCOME(id, word, effect, meaning)                                                     \
	[ENGINE_OUTCOME_##id] = { word, ENGINE_EFFECT_##effect, meaning },
#include "rotated/engine/outcomes.def"
#undef OUTCOME
};

static const struct {
	enum engine_state from, to;
	enum way ways;
	enum engine_event event;
	const char *cause;
} transitions[] = {
#define ENGINE_NONE ENGINE_STATE_NONE
#define TRANSITION(from, to, ways, event, cause)                                               \
	{ ENGINE_##from, ENGINE_##to, ways, ENGINE_EVENT_##event, cause },
#include "rotated/engine/transitions.def"
#undef TRANSITION
#undef ENGINE_NONE
};

_Static_assert(ARRAY_SIZE(transitions) == ENGINE_TRANSITIONS, "counted from the same rows");
_Static_assert(ARRAY_SIZE(kinds) == ENGINE_KIND_MAX_, "a row for every kind");
_Static_assert(ARRAY_SIZE(states) == ENGINE_STATE_MAX_, "a row for every state");
_Static_assert(ARRAY_SIZE(actions) == ENGINE_ACTION_MAX_, "a row for every action");
_Static_assert(ARRAY_SIZE(outcomes) == ENGINE_OUTCOME_MAX_, "a row for every outcome");

const char *engine_kind_word(enum engine_kind kind)
{
	return kinds[kind].word;
}

bool engine_kind_has_steps(enum engine_kind kind)
{
	return kinds[kind].way == STEPPED;
}

bool engine_kind_is_handed_over(enum engine_kind kind)
{
	return kinds[kind].way == HANDED;
}

bool engine_kind_has_selectors(enum engine_kind kind)
{
	return kinds[kind].names == NAMES_SELECTOR;
}

bool engine_kind_asks_with_secret(enum engine_kind kind)
{
	return kinds[kind].proof == PROOF_SECRET;
}

uint8_t engine_kind_code(enum engine_kind kind)
{
	return kinds[kind].code;
}

int engine_kind_from_code(uint8_t code, enum engine_kind *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].code == code) {
			*ret = (enum engine_kind)i;
			return 0;
		}
	}
	return -EBADMSG;
}

const char *engine_state_word(enum engine_state state)
{
	return states[state].word;
}

const char *engine_state_meaning(enum engine_state state)
{
	return states[state].meaning;
}

enum engine_phase engine_state_phase(enum engine_state state)
{
	return states[state].phase;
}

bool engine_state_fits(enum engine_state state, enum engine_kind kind)
{
	return states[state].ways & kinds[kind].way;
}

/* What is compromised is revoked and rotated in one step. */
static bool is_by(enum engine_event row, enum engine_event seen)
{
	if (seen == ENGINE_EVENT_COMPROMISED)
		return row == ENGINE_EVENT_REVOKE || row == ENGINE_EVENT_ROTATE;
	return row == seen;
}

int engine_transition(enum engine_kind kind, enum engine_state from, enum engine_state to,
		      enum engine_event event)
{
	for (unsigned i = 0; i < ARRAY_SIZE(transitions); i++)
		if (transitions[i].from == from && transitions[i].to == to &&
		    is_by(transitions[i].event, event) && transitions[i].ways & kinds[kind].way)
			return (int)i;
	return -ENOENT;
}


const char *engine_transition_cause(unsigned row)
{
	return transitions[row].cause;
}

const char *engine_transition_text(unsigned row, char ret[static ENGINE_TRANSITION_TEXT_SIZE])
{
	(void)snprintf(ret, ENGINE_TRANSITION_TEXT_SIZE, "%s to %s: %s",
		       states[transitions[row].from].word, states[transitions[row].to].word,
		       transitions[row].cause); /* cut to fit */
	return ret;
}

uint8_t engine_state_code(enum engine_state state)
{
	return states[state].code;
}

int engine_state_from_code(uint8_t code, enum engine_state *ret)
{
	for (unsigned i = 1; i < ARRAY_SIZE(states); i++) {
		if (states[i].code == code) {
			*ret = (enum engine_state)i;
			return 0;
		}
	}
	return -EBADMSG;
}

const char *engine_action_word(enum engine_action_type type)
{
	return actions[type].word;
}

bool engine_action_is_inside(enum engine_action_type type)
{
	return actions[type].when == INSIDE;
}

uint8_t engine_action_code(enum engine_action_type type)
{
	return actions[type].code;
}

int engine_action_from_code(uint8_t code, enum engine_action_type *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(actions); i++) {
		if (actions[i].code == code) {
			*ret = (enum engine_action_type)i;
			return 0;
		}
	}
	return -EBADMSG;
}

const char *engine_outcome_word(enum engine_outcome outcome)
{
	return outcomes[outcome].word;
}

const char *engine_outcome_meaning(enum engine_outcome outcome)
{
	return outcomes[outcome].meaning;
}

enum engine_effect engine_outcome_effect(enum engine_outcome outcome)
{
	return outcomes[outcome].effect;
}

int engine_outcome_parse(const char *word, enum engine_outcome *ret)
{
	for (unsigned i = 0; i < ARRAY_SIZE(outcomes); i++) {
		if (strcmp(outcomes[i].word, word) == 0) {
			*ret = (enum engine_outcome)i;
			return 0;
		}
	}
	return -EINVAL;
}
