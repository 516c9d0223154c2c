/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When an item is to be rotated next, and why then: its schedule, put off by jitter, windows,
 * blackouts and a freeze. Pure; the same question has the same answer, and for the same item
 * the answer never comes earlier when the question is asked later.
 *
 * However many slots went by while nothing could run, one run makes up for all of them.
 */
#ifndef ROTATED_SCHEDULE_DUE_H
#define ROTATED_SCHEDULE_DUE_H

#include "base/buf.h"
#include "rotated/schedule/calendar.h"
#include "rotated/schedule/period.h"

enum due_catch_up {
	DUE_CATCH_UP_ONCE, /* what was missed while nothing ran is made up for, soon after */
	DUE_CATCH_UP_SKIP, /* it is forgotten: the next slot counts. Not for ages, which would
			      never be due again */
};

struct due_policy {
	struct calendar *calendar; /* borrowed; NULL: by age */
	uint64_t age;		   /* USEC_NEVER: only when somebody asks for it */
	/* How far items are spread that would begin at the same time: by a slot of the
	 * calendar, or by what they wait for. Ages are spread by themselves. */
	uint64_t jitter;
	struct period *const *windows; /* none: always */
	size_t window_count;
	struct period *const *blackouts;
	size_t blackout_count;
	uint64_t frozen_until;	  /* 0: it is not; USEC_NEVER: until that changes */
	const struct zone *local; /* borrowed; NULL for UTC */
	enum due_catch_up catch_up;
};

struct due_question {
	const struct due_policy *policy;
	const char *item;   /* its name, that the spread depends on */
	uint64_t last_done; /* slots after it count, and the age counts from it */
	/* From when on it could have been begun without a break; 0: always. For calendars: an
	 * age that ran out before is due at once. */
	uint64_t up_since;
	uint64_t now;
};

/* What a due item waits for, the first that applies at the time it is due. */
enum due_wait {
	DUE_WAIT_NOTHING,
	DUE_WAIT_FREEZE,
	DUE_WAIT_BLACKOUT,
	DUE_WAIT_WINDOW,
	DUE_WAIT_SPREAD, /* others that were missed, too */
};

struct due_answer {
	uint64_t slot;	/* when the schedule says so; USEC_NEVER, and then so is start */
	uint64_t start; /* when it is to be begun, `now` at the earliest; USEC_NEVER when
			   windows and blackouts leave nothing before 2200 */
	enum due_wait wait;
	uint64_t open; /* with FREEZE, BLACKOUT and WINDOW: when that is over */
	bool is_by_age;
	bool is_missed; /* a slot that was to be begun before up_since */
};

void due_ask(const struct due_question *q, struct due_answer *ret);

/* Whether something may begin at T, and when next; USEC_NEVER for never before 2200. */
bool due_may_begin(const struct due_policy *policy, uint64_t t);
uint64_t due_next_opening(const struct due_policy *policy, uint64_t t);

/*
 * Why then, for people: "due by its schedule at 2026-11-01T00:00:00Z; missed while nothing ran;
 * outside its windows until 2026-11-24T02:00:00Z; begins at 2026-11-24T02:14:09Z".
 */
void due_explain(const struct due_answer *a, struct buf *out);

#endif
