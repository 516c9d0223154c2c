/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rotation state machine. An item is what rotates (kinds.def), a service's password or a
 * domain's DKIM key, say, with all its living versions. engine_step() is a pure function of
 * what is passed to it: no I/O, no clock, no allocation, so that the vault, `plan` and the
 * tests run the very same code.
 *
 * The caller's part of the contract: store `next` durably, with what the INSIDE actions ask
 * for, in one transaction; only then begin the AFTER actions; hand each end back in another
 * step. After a crash, step the stored item with ENGINE_EVENT_LOST.
 *
 * What always holds (engine/check.c):
 *	1. a secret is sealed on disk before anything outside hears of it;
 *	2. a version leaves ACTIVE only in the step that makes its successor ACTIVE, or revoked;
 *	3. nothing is withdrawn or erased while anything may still use it, unless revoked;
 *	4. waits start at an observed success, and setting a clock never shortens one;
 *	5. an unknown outcome is resolved by asking the servers, never by guessing;
 *	6. an item that can not go on is HELD, with its reason, and starts nothing; held for
 *	   what is leaving, it still brings a new version into use;
 *	7. what goes outside is in use only after the outside was seen to take it.
 *
 * All times are microseconds. A wait is not a point in time but an age: every step credits
 * what passed since the last one, by the clock that says less. A machine that was off credits
 * that time to no wait that protects, and to a schedule only if it knew the date before and
 * after: no start with a wrong clock makes everything due at once.
 */
#ifndef ROTATED_ENGINE_ENGINE_H
#define ROTATED_ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "rotated/schedule/due.h"

#include <stdbool.h>
#include <stdint.h>

enum engine_kind {
#define KIND(id, code, word, way, names, proof) ENGINE_##id,
#include "rotated/engine/kinds.def"
#undef KIND
	ENGINE_KIND_MAX_
};

enum engine_state {
	ENGINE_STATE_NONE, /* only for "no such version" */
#define STATE(id, code, word, ways, phase, meaning) ENGINE_##id,
#include "rotated/engine/states.def"
#undef STATE
	ENGINE_STATE_MAX_
};

enum engine_phase { ENGINE_COMING, ENGINE_CURRENT, ENGINE_LEAVING, ENGINE_GONE };

enum engine_action_type {
	ENGINE_ACTION_NONE,
#define ACTION(id, code, word, when, meaning) ENGINE_ACTION_##id,
#include "rotated/engine/actions.def"
#undef ACTION
	ENGINE_ACTION_MAX_
};

enum engine_outcome {
#define OUTCOME(id, word, effect, meaning) ENGINE_OUTCOME_##id,
#include "rotated/engine/outcomes.def"
#undef OUTCOME
	ENGINE_OUTCOME_MAX_
};

enum engine_effect {
	ENGINE_EFFECT_DONE,
	ENGINE_EFFECT_RETRY,
	ENGINE_EFFECT_GIVE_UP,
	ENGINE_EFFECT_UNKNOWN
};

enum {
	ENGINE_VERSIONS_MAX = 8,
	ENGINE_ACTIONS_MAX = ENGINE_VERSIONS_MAX + 1,
	ENGINE_ID_SIZE = DOMAIN_MAX + 1,
	ENGINE_NAME_SIZE = LABEL_MAX + 1,
	ENGINE_DETAIL_SIZE = 200,
	ENGINE_TRANSITION_TEXT_SIZE = 120,
};

struct engine_version {
	uint32_t version;
	enum engine_state state;
	char name[ENGINE_NAME_SIZE];	   /* the login, or the selector */
	uint64_t age;			   /* credited time in this state */
	uint64_t created, visible, active; /* wall clock, for people only; 0 is not yet */
	uint64_t remembered; /* as observed when it became visible; see engine_soak() */
	uint32_t operation;  /* of the outside step under way; the same for every retry */
	bool is_applied;     /* the hook said so, or nobody knows: next, ask the servers; of a
				planned one: somebody outside is making the secret */
	bool is_revoked;     /* leaves without waiting */
	bool is_urgent;	     /* takes the place of what is compromised: comes without soaking */
	uint8_t asked;	     /* times in vain since the hook ran */
	uint8_t rejected;    /* times in a row that its secret was refused */
};

/* The one outside action that an item may have under way. */
struct engine_job {
	enum engine_action_type type; /* ENGINE_ACTION_NONE: none */
	uint32_t version;
	uint32_t serial; /* no two jobs of an item have the same */
};

struct engine_item {
	enum engine_kind kind;
	char id[ENGINE_ID_SIZE]; /* a domain if it has selectors, else a service id or like one
				  */
	uint32_t last_version;	 /* the highest number ever given */
	uint32_t last_day;	 /* of the newest selector, as 20261123; 0 for none */
	uint32_t last_turn;	 /* of that day: 0 first, 1 second, … */
	uint32_t last_operation, last_serial;
	uint32_t count;
	struct engine_version versions[ENGINE_VERSIONS_MAX]; /* by number, ascending */
	struct engine_job job;
	struct moment seen; /* up to when ages are credited */
	bool is_due;	    /* scheduled, and waiting for a person to do it */
	bool is_disabled;
	bool is_held;
	bool is_tidying; /* what goes wrong is about a version that is leaving: it keeps no new
			    one from coming */
	enum engine_outcome trouble;	 /* what last went wrong, while failures > 0 */
	char detail[ENGINE_DETAIL_SIZE]; /* about it, for people */
	uint32_t failures;		 /* in a row */
	uint64_t failing;		 /* credited time since the first of them */
	uint64_t trouble_since;		 /* wall clock, for people */
	uint64_t retry_in;		 /* credited time until the next attempt */
	uint32_t replaced; /* secrets given up since one was good, or a person asked */
};

struct engine_policy {
	uint64_t schedule; /* age of the active version at which it is due; USEC_NEVER */
	/* Its calendar, which then takes the place of `schedule`, and what puts a due version
	 * off. What it points to is borrowed; all zero for nothing of it. `age` is not read. */
	struct due_policy due;
	uint64_t up_since; /* wall clock; see due.h */
	uint64_t overlap;
	uint64_t soak; /* the whole of it, or with is_soak_observed the least */
	uint64_t retry_min, retry_max;
	uint64_t hold_after;
	bool is_automatic;     /* a due version is planned without a person */
	bool is_soak_observed; /* the soak depends on what was seen: engine_soak() */
	bool has_hook;	       /* else a person publishes, and the servers are only asked */
	bool may_create;       /* the tier that new secrets need is open */
	bool is_stable;	       /* handed over: the name is the bare id, for every version */
	bool may_work;	       /* outside actions can be begun at all */
	bool is_cut_off;       /* nor ever will: what is revoked is forgotten at once */
	bool has_standby;      /* the next version is kept ready, up to its last question */
};

enum engine_event {
	ENGINE_EVENT_TICK,   /* only time has passed */
	ENGINE_EVENT_ROTATE, /* an operator wants a new version, or wants a held one to go on */
	ENGINE_EVENT_CONFIRM,	  /* `version` of what is handed over is in its owner's hands */
	ENGINE_EVENT_REVOKE,	  /* `version` must be good for nothing from now on */
	ENGINE_EVENT_COMPROMISED, /* all that anybody may have is good for nothing from now on,
				     and what comes next comes without waiting */
	ENGINE_EVENT_CREATED,	  /* the secret of `version` is made; seal it with `next` */
	ENGINE_EVENT_ENDED,	  /* job `serial` ended with `outcome` */
	ENGINE_EVENT_LOST,	  /* whatever is under way: nobody will tell how it ended */
	ENGINE_EVENT_DISABLE,
	ENGINE_EVENT_ENABLE,
	ENGINE_EVENT_RECOVERED, /* whom its jobs talk to has just served another item */
};

struct engine_observation {
	enum engine_event event;
	uint32_t version;
	uint32_t serial;
	enum engine_outcome outcome;
	const char *detail;  /* borrowed for the call; NULL for none; cut to fit */
	uint64_t remembered; /* with VISIBLE: for how long a resolver may go on believing what
				it was told of this name before; 0 when unknown */
};

struct engine_action {
	enum engine_action_type type;
	uint32_t version;
	uint32_t operation;
	uint32_t serial;
	char name[ENGINE_NAME_SIZE];
	const char *reason; /* ERASE: why, static: "revoked", "replaced", "overlap over" */
};

struct engine_result {
	struct engine_item next;
	struct engine_action actions[ENGINE_ACTIONS_MAX];
	uint32_t action_count;
	/* Nothing moves by itself before; USEC_NEVER. Who keeps items on a disk steps waiting ones
	 * more often, so that credited time gets there. */
	uint64_t wake;
	bool is_changed; /* more than credited time; must be stored before anything else */
};

/* An item without versions. ID is copied; it must be a service id or a domain. */
void engine_item_init(struct engine_item *item, enum engine_kind kind, const char *id,
		      const struct moment *now);

/*
 * One step. ITEM is not changed; RET is written as a whole, or not at all on failure:
 *	-EALREADY	it is so already: a successor is on its way, the version is active, or
 *			it does not wait for what has recovered
 *	-ENOENT		no such living version
 *	-ENOSPC		ENGINE_VERSIONS_MAX versions are alive: one has to go first
 *	-ESTALE		the job that ended is not the one under way
 *	-EINVAL		the event does not fit the state of the version
 */
must_check int engine_step(const struct engine_item *item, const struct engine_policy *policy,
			   const struct moment *now, const struct engine_observation *seen,
			   struct engine_result *ret);

/* The time that passed for sure between two moments; 0 if it seems to run backwards. Of the
 * time that the machine was off nothing counts. */
uint64_t engine_elapsed(const struct moment *from, const struct moment *to);

/* The same with the time that it was off, if the clock was synchronised at both moments: for
 * what goes by the date, and hurts nobody when it comes early. */
uint64_t engine_elapsed_by_date(const struct moment *from, const struct moment *to);

/* What is credited to V for the time between two moments: by the date to the active version,
 * whose age is the schedule's, and the sure time to all that waits for safety. */
uint64_t engine_passed(const struct engine_version *v, const struct moment *from,
		       const struct moment *to);

/* Borrowed from ITEM; NULL when there is none. */
const struct engine_version *engine_find(const struct engine_item *item, uint32_t version);
const struct engine_version *engine_find_name(const struct engine_item *item, const char *name);
const struct engine_version *engine_find_phase(const struct engine_item *item,
					       enum engine_phase phase);

/* V is ready, and waits until it is wanted: engine_policy.has_standby. */
bool engine_is_standby(const struct engine_item *item, const struct engine_policy *policy,
		       const struct engine_version *v);

/* Age at which the active version is due: the schedule less up to 5 % that depend on the item
 * alone, so that a thousand services do not rotate on the same day. */
uint64_t engine_due_age(const struct engine_item *item, const struct engine_policy *policy);

/* When V, the active one, becomes due, as of the last step: by the schedule or the calendar,
 * put off by what `due` of POLICY says. */
void engine_due(const struct engine_item *item, const struct engine_policy *policy,
		const struct engine_version *v, struct due_answer *ret);

/* How long V, once visible, has to stay so before it is used. With is_soak_observed until 15
 * minutes after the last resolver must have forgotten that the name did not exist, or held
 * something else; not at all for an urgent one; what servers say is believed up to 7 days, for
 * which resolvers cap it too. */
uint64_t engine_soak(const struct engine_version *v, const struct engine_policy *policy);

/* NULL, or which invariant does not hold: of one item; of a step from PREV by SEEN to NEXT. */
struct engine_check {
	const struct engine_item *prev;
	const struct engine_policy *policy;
	const struct moment *now;
	const struct engine_observation *seen;
	const struct engine_result *next;
};
const char *engine_check_item(const struct engine_item *item);
const char *engine_check_step(const struct engine_check *c);

/* The tables as words. */
const char *engine_kind_word(enum engine_kind kind);
bool engine_kind_has_steps(enum engine_kind kind);	  /* outside, each seen to succeed */
bool engine_kind_is_handed_over(enum engine_kind kind);	  /* and then confirmed */
bool engine_kind_has_selectors(enum engine_kind kind);	  /* else its versions are logins */
bool engine_kind_asks_with_secret(enum engine_kind kind); /* so it is kept until refused */
const char *engine_state_word(enum engine_state state);
const char *engine_state_meaning(enum engine_state state);
enum engine_phase engine_state_phase(enum engine_state state);
bool engine_state_fits(enum engine_state state, enum engine_kind kind);
/* The row of transitions.def for such a move, or -ENOENT; NONE and DESTROYED stand for a
 * version that is not there yet, and no more. */
enum {
#define TRANSITION(from, to, ways, event, cause) +1
	ENGINE_TRANSITIONS = 0
#include "rotated/engine/transitions.def"
#undef TRANSITION
};
must_check int engine_transition(enum engine_kind kind, enum engine_state from,
				 enum engine_state to, enum engine_event event);
/* Why: "its owner has it". */
const char *engine_transition_cause(unsigned row);
/* "staged to active: its owner has it", in RET. */
const char *engine_transition_text(unsigned row, char ret[static ENGINE_TRANSITION_TEXT_SIZE]);

const char *engine_action_word(enum engine_action_type type);
bool engine_action_is_inside(enum engine_action_type type);
const char *engine_outcome_word(enum engine_outcome outcome);
const char *engine_outcome_meaning(enum engine_outcome outcome);
enum engine_effect engine_outcome_effect(enum engine_outcome outcome);
must_check int engine_outcome_parse(const char *word, enum engine_outcome *ret);

/*
 * The stored form: a format byte, then (u8 tag, u16 length, bytes)*, big-endian. Decoding
 * checks every bound and every invariant of engine_check_item(): -EBADMSG.
 */
enum { ENGINE_FORMAT = 1 };
void engine_encode(const struct engine_item *item, struct buf *out);
must_check int engine_decode(const uint8_t *data, size_t len, struct engine_item *ret);

#endif
