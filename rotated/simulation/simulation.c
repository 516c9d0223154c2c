/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is woken up when, and what of it is told. What the outside answers is world.c's. */
#include "rotated/simulation/simulation.h"

#include <stdlib.h>
#include <string.h>

#include "rotated/simulation/world.h"

enum { MOVES_MAX = 64 }; /* far more than an item ever has to make at once */

/* An item, and the three things that it may wait for. */
struct actor {
	struct engine_item item;
	struct engine_policy policy;
	struct outside outside;
	uint64_t tick_at;   /* wall clock; USEC_NEVER */
	uint64_t answer_at; /* of the job under way */
	uint64_t person_at; /* somebody does what only people do */
	struct engine_action job;
};

struct simulation {
	struct simulation_world world;
	struct moment now;
	struct actor **heap; /* by next_of(), the soonest first */
	size_t count;
	size_t size;
	uint64_t events;
	simulation_tell tell;
	void *context;
};

/* ---- the queue ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_of(const struct actor *a)
{
	return least(a->tick_at, least(a->answer_at, a->person_at));
}

static bool is_sooner(const struct actor *a, const struct actor *b)
{
	return next_of(a) < next_of(b);
}

static void swap(struct actor **a, struct actor **b)
{
	struct actor *was = *a;

	*a = *b;
	*b = was;
}

static void sink(struct simulation *s, size_t i)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= s->count)
			return;
		if (child + 1 < s->count && is_sooner(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_sooner(s->heap[child], s->heap[i]))
			return;
		swap(&s->heap[i], &s->heap[child]);
		i = child;
	}
}

static void rise(struct simulation *s, size_t i)
{
	while (i > 0 && is_sooner(s->heap[i], s->heap[(i - 1) / 2])) {
		swap(&s->heap[i], &s->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

/* ---- what is told ---- */

static const char *why_moved(const struct simulation_event *e, enum engine_event seen)
{
	int row = engine_transition(e->item->kind, e->from, e->to, seen);

	return row < 0 ? "" : engine_transition_cause((unsigned)row);
}

static int tell_moves(struct simulation *s, const struct engine_item *was,
		      const struct engine_item *is, enum engine_event seen)
{
	struct simulation_event e = { .at = s->now.wall, .what = SIMULATION_MOVED, .item = is };
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < was->count; i++) {
		const struct engine_version *before = &was->versions[i];
		const struct engine_version *now = engine_find(is, before->version);

		e.version = before->version;
		e.name = before->name;
		e.from = before->state;
		e.to = now ? now->state : ENGINE_DESTROYED;
		e.why = why_moved(&e, seen);
		if (e.from != e.to)
			r = s->tell(s->context, &e);
	}
	for (uint32_t i = 0; r == 0 && i < is->count; i++) {
		const struct engine_version *now = &is->versions[i];

		if (engine_find(was, now->version))
			continue;
		e.version = now->version;
		e.name = now->name;
		e.from = ENGINE_STATE_NONE;
		e.to = now->state;
		e.why = why_moved(&e, seen);
		r = s->tell(s->context, &e);
	}
	return r;
}

static int tell(struct simulation *s, const struct engine_item *was,
		const struct engine_item *is, enum engine_event seen)
{
	const char *trouble = engine_outcome_meaning(is->trouble);
	const struct {
		enum simulation_what what;
		bool is_so;
		const char *why;
	} facts[] = {
		{ SIMULATION_DUE, is->is_due && !was->is_due, "the schedule says so" },
		{ SIMULATION_TROUBLE, is->failures > 0 && was->failures == 0, trouble },
		{ SIMULATION_HELD, is->is_held && !was->is_held, trouble },
		{ SIMULATION_WELL, is->failures == 0 && was->failures > 0, "it works again" },
	};
	int r = tell_moves(s, was, is, seen);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(facts); i++)
		if (facts[i].is_so)
			r = s->tell(s->context,
				    &(struct simulation_event){ .at = s->now.wall,
								.what = facts[i].what,
								.item = is,
								.name = "",
								.why = facts[i].why });
	return r;
}

/* ---- one item's turn ---- */

static uint64_t later(const struct simulation *s, uint64_t wait)
{
	return wait > USEC_NEVER - s->now.wall ? USEC_NEVER : s->now.wall + wait;
}

static void begin_job(struct simulation *s, struct actor *a, const struct engine_action *job)
{
	a->job = *job;
	a->answer_at = later(s, outside_begin(&a->outside, &s->world, s->now.wall, job));
}

/* One step. 1: it has changed; 0: it has not, or the event came too late; <0: see TELL. */
static int observe(struct simulation *s, struct actor *a, const struct engine_observation *seen)
{
	struct engine_result result;
	int r = engine_step(&a->item, &a->policy, &s->now, seen, &result);

	if (r < 0)
		return 0;
	a->tick_at = later(s, result.wake);
	if (!result.is_changed) {
		a->item = result.next;
		return 0;
	}
	if (s->tell) {
		r = tell(s, &a->item, &result.next, seen->event);
		if (r < 0)
			return r;
	}
	a->item = result.next;
	for (uint32_t i = 0; i < result.action_count; i++)
		if (!engine_action_is_inside(result.actions[i].type))
			begin_job(s, a, &result.actions[i]);
	return 1;
}

static int settle(struct simulation *s, struct actor *a)
{
	const struct engine_observation tick = { .event = ENGINE_EVENT_TICK };

	for (unsigned i = 0; i < MOVES_MAX; i++) {
		int r = observe(s, a, &tick);

		if (r <= 0)
			return r;
	}
	return -ELOOP;
}

/* What only a person does for A as it is now; event TICK: nothing. */
static struct engine_observation wanted_of_people(const struct actor *a)
{
	const struct engine_version *v = engine_find_phase(&a->item, ENGINE_COMING);
	struct engine_observation seen = { .event = ENGINE_EVENT_TICK };

	if (v && v->state == ENGINE_PLANNED &&
	    (v->is_applied || engine_kind_is_handed_over(a->item.kind)))
		seen.event = ENGINE_EVENT_CREATED;
	else if (v && v->state == ENGINE_STAGED && engine_kind_is_handed_over(a->item.kind))
		seen.event = ENGINE_EVENT_CONFIRM;
	else if (a->item.is_held || (a->item.is_due && !v))
		seen.event = ENGINE_EVENT_ROTATE;
	seen.version = v ? v->version : 0;
	return seen;
}

static int act_as_person(struct simulation *s, struct actor *a)
{
	struct engine_observation seen = wanted_of_people(a);
	int r = observe(s, a, &seen);

	/* who asks for a password or a certificate gets it in the answer */
	if (r > 0 && seen.event == ENGINE_EVENT_ROTATE &&
	    engine_kind_is_handed_over(a->item.kind)) {
		seen = wanted_of_people(a);
		r = observe(s, a, &seen);
	}
	return r;
}

static int end_job(struct simulation *s, struct actor *a)
{
	struct engine_observation seen;

	a->answer_at = USEC_NEVER;
	outside_end(&a->outside, &s->world, s->now.wall, &a->job, &seen);
	return observe(s, a, &seen);
}

static int take_turn(struct simulation *s, struct actor *a)
{
	uint64_t now = next_of(a);
	int r = 0;

	s->now.boot += now - s->now.wall;
	s->now.wall = now;
	s->events++;
	if (a->answer_at <= now)
		r = end_job(s, a);
	else if (a->person_at <= now)
		r = act_as_person(s, a);
	if (r >= 0)
		r = settle(s, a);
	if (wanted_of_people(a).event == ENGINE_EVENT_TICK)
		a->person_at = USEC_NEVER;
	else if (a->person_at == USEC_NEVER || a->person_at <= now)
		a->person_at = later(s, outside_person(&a->outside, &s->world));
	return r;
}

int simulation_run(struct simulation *s, uint64_t until, unsigned max, simulation_tell tell_it,
		   void *context)
{
	s->tell = tell_it;
	s->context = context;
	for (unsigned i = 0; s->count > 0 && next_of(s->heap[0]) <= until; i++) {
		int r;

		if (i == max)
			return 1;
		r = take_turn(s, s->heap[0]);
		sink(s, 0);
		if (r < 0)
			return r;
	}
	s->now.boot += until > s->now.wall ? until - s->now.wall : 0;
	s->now.wall = until > s->now.wall ? until : s->now.wall;
	return 0;
}

/* ---- its life ---- */

int simulation_new(const struct moment *start, const struct simulation_world *world,
		   struct simulation **ret)
{
	struct simulation *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->now = *start;
	s->world = *world;
	*ret = s;
	return 0;
}

void simulation_free(struct simulation *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->count; i++)
		free(s->heap[i]);
	free(s->heap);
	free(s);
}

static int make_room(struct simulation *s)
{
	size_t size = s->size ? 2 * s->size : 64;
	struct actor **heap;

	if (s->count < s->size)
		return 0;
	heap = reallocarray(s->heap, size, sizeof(struct actor *));
	if (!heap)
		return -ENOMEM;
	s->heap = heap;
	s->size = size;
	return 0;
}

int simulation_add(struct simulation *s, const struct engine_item *item,
		   const struct engine_policy *policy)
{
	struct actor *a = malloc(sizeof(*a));

	if (!a || make_room(s) < 0) {
		free(a);
		return -ENOMEM;
	}
	*a = (struct actor){
		.item = *item,
		.policy = *policy,
		.tick_at = s->now.wall,
		.answer_at = USEC_NEVER,
		.person_at = USEC_NEVER,
	};
	outside_init(&a->outside, &s->world, item);
	if (item->job.type != ENGINE_ACTION_NONE) {
		const struct engine_action job = { .type = item->job.type,
						   .version = item->job.version,
						   .serial = item->job.serial };

		begin_job(s, a, &job);
	}
	s->heap[s->count] = a;
	rise(s, s->count++);
	return 0;
}

uint64_t simulation_now(const struct simulation *s)
{
	return s->now.wall;
}

uint64_t simulation_events(const struct simulation *s)
{
	return s->events;
}

const char *simulation_word(enum simulation_what what)
{
	static const char *const words[] = {
		[SIMULATION_MOVED] = "moved", [SIMULATION_DUE] = "due",
		[SIMULATION_TROUBLE] = "trouble", [SIMULATION_HELD] = "held",
		[SIMULATION_WELL] = "well",
	};

	_Static_assert(ARRAY_SIZE(words) == SIMULATION_WHAT_MAX_, "a word for each");
	return words[what];
}
