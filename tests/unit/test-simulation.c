/* SPDX-License-Identifier: BSD-2-Clause */
/* Years of the engine on a virtual clock: what happens, when, and always the same. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rotated/simulation/simulation.h"

#define MINUTE (60 * USEC_PER_SEC)
#define DAY    (UINT64_C(86400) * USEC_PER_SEC)
#define YEAR   (365 * DAY)

static const struct moment start = { .wall = UINT64_C(1795424400) * USEC_PER_SEC };

static const struct simulation_world sane = { .answer = MINUTE, .person = DAY };

static struct engine_policy policy_of(enum engine_kind kind)
{
	return (struct engine_policy){
		.schedule = 100 * DAY,
		.overlap = 10 * DAY,
		.soak = DAY,
		.retry_min = MINUTE,
		.retry_max = DAY / 4,
		.hold_after = 3 * DAY,
		.is_automatic = engine_kind_has_steps(kind),
		.has_hook = true,
		.may_create = true,
		.may_work = true,
	};
}

/* What is heard of one item. */
struct heard {
	unsigned count[SIMULATION_WHAT_MAX_];
	unsigned became[ENGINE_STATE_MAX_];
	uint64_t first_active, second_active, first_destroyed, last;
	uint64_t digest; /* of everything, in order */
	int answer;	 /* what to say to it */
};

static int hear(void *context, const struct simulation_event *e)
{
	struct heard *h = context;
	char line[512];

	assert_true(e->at >= h->last);
	h->last = e->at;
	h->count[e->what]++;
	if (e->what == SIMULATION_MOVED) {
		h->became[e->to]++;
		if (e->to == ENGINE_ACTIVE && h->became[e->to] == 1)
			h->first_active = e->at;
		if (e->to == ENGINE_ACTIVE && h->became[e->to] == 2)
			h->second_active = e->at;
		if (e->to == ENGINE_DESTROYED && h->became[e->to] == 1)
			h->first_destroyed = e->at;
	}
	(void)snprintf(line, sizeof(line), "%ju %s %s %u %s %d %d", (uintmax_t)e->at,
		       simulation_word(e->what), e->item->id, e->version, e->name, e->from,
		       e->to);
	for (const char *p = line; *p; p++)
		h->digest = (h->digest ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	return h->answer;
}

static void add(struct simulation *s, enum engine_kind kind, const char *id)
{
	const struct engine_observation first = { .event = ENGINE_EVENT_ROTATE };
	const struct engine_policy policy = policy_of(kind);
	struct engine_result begun;
	struct engine_item item;

	engine_item_init(&item, kind, id, &start);
	assert_int_equal(engine_step(&item, &policy, &start, &first, &begun), 0);
	assert_int_equal(simulation_add(s, &begun.next, &policy), 0);
}

static struct heard run(enum engine_kind kind, const struct simulation_world *world,
			unsigned years)
{
	struct heard heard = { 0 };
	struct simulation *s;

	assert_int_equal(simulation_new(&start, world, &s), 0);
	add(s, kind, kind == ENGINE_DKIM ? "example.com" : "billing");
	assert_int_equal(simulation_run(s, start.wall + years * YEAR, UINT32_MAX, hear, &heard),
			 0);
	assert_true(simulation_now(s) == start.wall + years * YEAR);
	simulation_free(s);
	return heard;
}

static void key_rotates_on_schedule_for_years(void **state)
{
	struct heard h = run(ENGINE_DKIM, &sane, 5);

	(void)state;
	/* a schedule of 100 days, up to a twentieth earlier, and a day of soak */
	assert_in_range(h.became[ENGINE_ACTIVE], 5 * 365 / 101, 5 * 365 / 95 + 1);
	assert_in_range(h.second_active - h.first_active, 95 * DAY, 102 * DAY);
	assert_true(h.first_destroyed - h.second_active >= 10 * DAY);
	assert_int_equal(h.count[SIMULATION_TROUBLE], 0);
	assert_int_equal(h.became[ENGINE_STAGED], h.became[ENGINE_VISIBLE]);
}

static void password_waits_for_a_person_each_time(void **state)
{
	struct heard h = run(ENGINE_PASSWORD, &sane, 5);

	(void)state;
	assert_in_range(h.became[ENGINE_ACTIVE], 5 * 365 / 102, 5 * 365 / 95 + 1);
	assert_in_range(h.count[SIMULATION_DUE], h.became[ENGINE_ACTIVE] - 1,
			h.became[ENGINE_ACTIVE]);
	/* the person who is wanted takes a day to rotate, and another to confirm */
	assert_in_range(h.second_active - h.first_active, 97 * DAY, 103 * DAY);
}

static void every_kind_gets_through_years_of_faults(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < ENGINE_KIND_MAX_; kind++) {
		struct simulation_world world = sane;
		unsigned troubles = 0;

		for (world.seed = 1; world.seed <= 20; world.seed++) {
			struct heard h = run((enum engine_kind)kind, &world, 10);

			/* it is slower than without faults, and goes on all the same */
			assert_in_range(h.became[ENGINE_ACTIVE], 10 * 365 / 160,
					10 * 365 / 95 + 1);
			troubles += h.count[SIMULATION_TROUBLE];
			assert_in_range(h.count[SIMULATION_WELL],
					h.count[SIMULATION_TROUBLE] - (h.count[SIMULATION_TROUBLE] > 0),
					h.count[SIMULATION_TROUBLE]);
		}
		assert_true((troubles > 0) == engine_kind_has_steps((enum engine_kind)kind));
	}
}

static void same_seed_gives_the_same_years(void **state)
{
	struct simulation_world world = sane;
	struct heard a, b, c;

	(void)state;
	world.seed = 7;
	a = run(ENGINE_UPSTREAM, &world, 5);
	b = run(ENGINE_UPSTREAM, &world, 5);
	world.seed = 8;
	c = run(ENGINE_UPSTREAM, &world, 5);
	assert_true(a.digest == b.digest);
	assert_true(a.digest != c.digest);
}

static void a_run_in_pieces_is_the_same_run(void **state)
{
	struct heard whole = { 0 }, pieces = { 0 };
	uint64_t until = start.wall + 3 * YEAR;
	struct simulation *s;
	unsigned n = 0;
	int r;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(simulation_new(&start, &sane, &s), 0);
		add(s, ENGINE_DKIM, "example.com");
		add(s, ENGINE_DKIM, "example.net");
		add(s, ENGINE_PASSWORD, "billing");
		do {
			r = simulation_run(s, until, i == 0 ? UINT32_MAX : 3, hear,
					   i == 0 ? &whole : &pieces);
			n++;
		} while (r == 1);
		assert_int_equal(r, 0);
		simulation_free(s);
	}
	assert_true(n > 20);
	assert_true(whole.digest == pieces.digest);
}

static void who_listens_can_end_it(void **state)
{
	struct heard heard = { .answer = -E2BIG };
	struct simulation *s;

	(void)state;
	assert_int_equal(simulation_new(&start, &sane, &s), 0);
	add(s, ENGINE_DKIM, "example.com");
	assert_int_equal(simulation_run(s, start.wall + YEAR, UINT32_MAX, hear, &heard),
			 -E2BIG);
	simulation_free(s);
}

static void a_job_under_way_ends(void **state)
{
	const struct engine_observation tick = { .event = ENGINE_EVENT_TICK };
	const struct engine_policy policy = policy_of(ENGINE_DKIM);
	struct heard heard = { 0 };
	struct engine_result step;
	struct engine_item item;
	struct simulation *s;

	(void)state;
	engine_item_init(&item, ENGINE_DKIM, "example.com", &start);
	assert_int_equal(engine_step(&item, &policy, &start,
				     &(struct engine_observation){ .event = ENGINE_EVENT_ROTATE },
				     &step),
			 0);
	assert_int_equal(engine_step(&step.next, &policy, &start, &tick, &step), 0);
	assert_int_equal(step.next.job.type, ENGINE_ACTION_CREATE);
	assert_int_equal(simulation_new(&start, &sane, &s), 0);
	assert_int_equal(simulation_add(s, &step.next, &policy), 0);
	assert_int_equal(simulation_run(s, start.wall + 2 * DAY, UINT32_MAX, hear, &heard), 0);
	assert_int_equal(heard.became[ENGINE_ACTIVE], 1);
	simulation_free(s);
}

static void nothing_to_do_takes_no_time_and_no_events(void **state)
{
	struct simulation *s;

	(void)state;
	assert_int_equal(simulation_new(&start, &sane, &s), 0);
	assert_int_equal(simulation_run(s, start.wall + 100 * YEAR, 1, NULL, NULL), 0);
	assert_int_equal(simulation_events(s), 0);
	assert_true(simulation_now(s) == start.wall + 100 * YEAR);
	simulation_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_rotates_on_schedule_for_years),
		cmocka_unit_test(password_waits_for_a_person_each_time),
		cmocka_unit_test(every_kind_gets_through_years_of_faults),
		cmocka_unit_test(same_seed_gives_the_same_years),
		cmocka_unit_test(a_run_in_pieces_is_the_same_run),
		cmocka_unit_test(who_listens_can_end_it),
		cmocka_unit_test(a_job_under_way_ends),
		cmocka_unit_test(nothing_to_do_takes_no_time_and_no_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
