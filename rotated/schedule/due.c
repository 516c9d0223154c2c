/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/schedule/due.h"

#include "base/clock.h"
#include "base/spread.h"

/* A stretch of time in which beginning is allowed. One longer than OPENING_MAX counts as
 * several: nothing is spread so far, and windows that meet each other for ever end somewhere.
 */
struct opening {
	uint64_t begin, end; /* USEC_NEVER and USEC_NEVER: there is none */
};

#define OPENING_MAX (UINT64_C(400) * 24 * 3600 * USEC_PER_SEC)
/* Of the calendar's years; what is due later is not due at all. */
#define END_OF_SCHEDULES (UINT64_C(7258118400) * USEC_PER_SEC)

static uint64_t add_capped(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? USEC_NEVER : sum;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* --- when it is allowed --- */

/* The blackout that T is in; NULL for none. */
static const struct period *blackout_at(const struct due_policy *policy, uint64_t t)
{
	for (size_t i = 0; i < policy->blackout_count; i++)
		if (period_contains(policy->blackouts[i], policy->local, t))
			return policy->blackouts[i];
	return NULL;
}

static uint64_t next_window(const struct due_policy *policy, uint64_t t)
{
	uint64_t first = policy->window_count ? USEC_NEVER : t;

	for (size_t i = 0; i < policy->window_count && first > t; i++) {
		uint64_t next = period_next_in(policy->windows[i], policy->local, t);

		if (next < first)
			first = next;
	}
	return first;
}

/* What is in the way at T. */
static enum due_wait obstacle_at(const struct due_policy *policy, uint64_t t)
{
	if (t < policy->frozen_until)
		return DUE_WAIT_FREEZE;
	if (blackout_at(policy, t))
		return DUE_WAIT_BLACKOUT;
	return next_window(policy, t) > t ? DUE_WAIT_WINDOW : DUE_WAIT_NOTHING;
}

bool due_may_begin(const struct due_policy *policy, uint64_t t)
{
	return obstacle_at(policy, t) == DUE_WAIT_NOTHING;
}

/* Each turn goes on to the end of a blackout or the begin of a window, which end in 2199. */
uint64_t due_next_opening(const struct due_policy *policy, uint64_t t)
{
	const struct period *blackout;

	for (t = later(t, policy->frozen_until); t != USEC_NEVER;) {
		t = next_window(policy, t);
		if (t == USEC_NEVER)
			break;
		blackout = blackout_at(policy, t);
		if (!blackout)
			break;
		t = period_next_out(blackout, policy->local, t);
	}
	return t;
}

/* When the windows that are open at T have all closed, LIMIT at the latest. */
static uint64_t windows_end(const struct due_policy *policy, uint64_t t, uint64_t limit)
{
	size_t closed = 0;

	/* a window may close while another one is open */
	for (size_t i = 0; policy->window_count && t < limit; i++) {
		const struct period *w = policy->windows[i % policy->window_count];
		uint64_t out = period_next_out(w, policy->local, t);

		closed = out > t ? 0 : closed + 1;
		t = out;
		if (closed == policy->window_count)
			return t;
	}
	return limit;
}

/* BEGIN is allowed. */
static uint64_t opening_end(const struct due_policy *policy, uint64_t begin)
{
	uint64_t end = add_capped(begin, OPENING_MAX);

	for (size_t i = 0; i < policy->blackout_count; i++) {
		uint64_t next = period_next_in(policy->blackouts[i], policy->local, begin);

		if (next < end)
			end = next;
	}
	return windows_end(policy, begin, end);
}

/* The first opening from T on that is not over at UNTIL. */
static struct opening find_opening(const struct due_policy *policy, uint64_t t, uint64_t until)
{
	struct opening o = { 0, t };

	do {
		o.begin = due_next_opening(policy, o.end);
		if (o.begin == USEC_NEVER)
			return (struct opening){ USEC_NEVER, USEC_NEVER };
		o.end = opening_end(policy, o.begin);
	} while (o.end <= until);
	return o;
}

/* --- when it is begun --- */

static uint64_t delay_of(const struct due_question *q)
{
	const uint64_t jitter = q->policy->jitter;

	return spread_within(q->item, jitter < OPENING_MAX ? jitter : OPENING_MAX);
}

static uint64_t spread_in(const struct due_question *q, uint64_t begin, uint64_t end)
{
	return begin + delay_of(q) % (end - begin);
}

/*
 * When an item that is due at DUE begins, if it could from UP on and it is NOW. In an opening
 * it is as the schedule says. What had to wait for one, or was missed, is spread over what is
 * left of it, so that not all of it begins at once.
 */
static uint64_t start_of(const struct due_question *q, uint64_t due, uint64_t up, uint64_t now)
{
	uint64_t ready = later(due, up);
	struct opening o;

	if (due == USEC_NEVER)
		return USEC_NEVER;
	o = find_opening(q->policy, ready, later(ready, now));
	if (o.begin == USEC_NEVER)
		return USEC_NEVER;
	return later(now, o.begin > due ? spread_in(q, o.begin, o.end) : due);
}

static uint64_t next_slot(const struct due_question *q, uint64_t after)
{
	return calendar_next(q->policy->calendar, q->policy->local, after);
}

static uint64_t jittered(const struct due_question *q, uint64_t slot)
{
	return slot + delay_of(q);
}

/* The end of the last opening that is over at T, or FROM: what became due after it waits for
 * one that is not. By bisection, as openings are only found forwards. */
static uint64_t last_closing(const struct due_policy *policy, uint64_t from, uint64_t t)
{
	uint64_t low = from, high = t;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (find_opening(policy, middle, middle).end > t)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* The first slot from SLOT on that was not missed. */
static uint64_t skip_missed(const struct due_question *q, uint64_t slot)
{
	const uint64_t late = delay_of(q);
	uint64_t closing;

	if (slot == USEC_NEVER || start_of(q, jittered(q, slot), 0, 0) >= q->up_since)
		return slot;
	/* one may have waited for the opening that is there now, or is the next */
	closing = last_closing(q->policy, jittered(q, slot), q->up_since);
	if (closing > jittered(q, slot)) {
		slot = next_slot(q, closing - late - 1);
		if (slot == USEC_NEVER || start_of(q, jittered(q, slot), 0, 0) >= q->up_since)
			return slot;
	}
	/* those that are due while it is open begin when they are due */
	return next_slot(q, q->up_since - late - 1);
}

static uint64_t due_of_calendar(const struct due_question *q, uint64_t *slot)
{
	*slot = next_slot(q, q->last_done);
	if (q->policy->catch_up == DUE_CATCH_UP_SKIP)
		*slot = skip_missed(q, *slot);
	return *slot == USEC_NEVER ? USEC_NEVER : jittered(q, *slot);
}

static uint64_t due_of_age(const struct due_question *q, uint64_t *slot)
{
	*slot = add_capped(q->last_done, q->policy->age);
	if (*slot >= END_OF_SCHEDULES)
		*slot = USEC_NEVER;
	return *slot;
}

void due_ask(const struct due_question *q, struct due_answer *ret)
{
	struct due_answer a = { .is_by_age = !q->policy->calendar };
	uint64_t due = a.is_by_age ? due_of_age(q, &a.slot) : due_of_calendar(q, &a.slot);
	/* ages did not all run out at once, so that there is no crowd after a start */
	uint64_t up = a.is_by_age ? 0 : q->up_since;
	uint64_t at = later(due, later(q->now, up));

	a.start = start_of(q, due, up, q->now);
	if (due != USEC_NEVER) {
		a.is_missed = start_of(q, due, 0, 0) < up;
		a.wait = obstacle_at(q->policy, at);
		a.open = due_next_opening(q->policy, at);
		if (a.wait == DUE_WAIT_NOTHING && a.start > at)
			a.wait = DUE_WAIT_SPREAD;
	}
	*ret = a;
}

void due_explain(const struct due_answer *a, struct buf *out)
{
	static const char *const obstacles[] = {
		[DUE_WAIT_NOTHING] = NULL,
		[DUE_WAIT_FREEZE] = "frozen",
		[DUE_WAIT_BLACKOUT] = "in a blackout",
		[DUE_WAIT_WINDOW] = "outside its windows",
		[DUE_WAIT_SPREAD] = NULL,
	};
	char text[CLOCK_TEXT_SIZE];

	if (a->slot == USEC_NEVER) {
		buf_append_str(out, "not due by any schedule");
		return;
	}
	clock_format(a->slot, text);
	buf_printf(out, "due by its %s at %s", a->is_by_age ? "age" : "schedule", text);
	if (a->start == USEC_NEVER) {
		buf_append_str(out, a->wait == DUE_WAIT_FREEZE
					    ? "; frozen until somebody ends that"
					    : "; its windows and blackouts never let it begin");
		return;
	}
	if (a->is_missed)
		buf_append_str(out, "; missed while nothing ran");
	if (obstacles[a->wait]) {
		clock_format(a->open, text);
		buf_printf(out, "; %s until %s", obstacles[a->wait], text);
	}
	clock_format(a->start, text);
	buf_printf(out, "; begins at %s", text);
}
