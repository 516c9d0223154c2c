/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/simulation/world.h"

#define HOUR (UINT64_C(3600) * USEC_PER_SEC)
#define DAY  (24 * HOUR)

/* How often something goes wrong, of a hundred times. */
enum {
	AWAY = 4,     /* of the weeks, a provider or all servers */
	LAGS = 50,    /* a server answers late what the hook has done */
	FAILS = 6,    /* a hook says that it can not now */
	LIES = 3,     /* it says yes and does nothing */
	UNKNOWN = 4,  /* it ends without a word, half of the time with its work done */
	LOST = 2,     /* the vault does not hear how it ended */
	BAD = 3,      /* secrets that are never taken */
	FORGETS = 10, /* people */
};

/* Marsaglia's xorshift, "Xorshift RNGs", 2003. */
static uint64_t draw(struct outside *o)
{
	o->random ^= o->random << 13;
	o->random ^= o->random >> 7;
	o->random ^= o->random << 17;
	return o->random;
}

static bool goes_wrong(struct outside *o, const struct simulation_world *world, unsigned percent)
{
	return world->seed && draw(o) % 100 < percent;
}

static struct outside_fact *fact_of(struct outside *o, uint32_t version)
{
	struct outside_fact *f;

	for (unsigned i = 0; i < ENGINE_VERSIONS_MAX; i++)
		if (o->facts[i].version == version)
			return &o->facts[i];
	f = &o->facts[o->next];
	o->next = (o->next + 1) % ENGINE_VERSIONS_MAX;
	*f = (struct outside_fact){ .version = version };
	return f;
}

static bool is_present(const struct outside_fact *f, uint64_t now)
{
	return now >= f->from ? f->is_present : f->was_present;
}

/* The hook's work, now or with a lag. */
static void become(struct outside *o, const struct simulation_world *world, uint64_t now,
		   const struct engine_action *job)
{
	struct outside_fact *f = fact_of(o, job->version);
	uint64_t lag = goes_wrong(o, world, LAGS) ? draw(o) % (2 * HOUR) : 0;

	f->was_present = is_present(f, now);
	f->is_present = job->type == ENGINE_ACTION_PUBLISH;
	f->from = now + lag;
}

/* A whole week at a time; the same for all that happens in it. */
static bool is_away(const struct outside *o, const struct simulation_world *world, uint64_t now)
{
	uint64_t h = (now / (7 * DAY) + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ world->seed;

	h = (h ^ h >> 31) * UINT64_C(0xbf58476d1ce4e5b9) + o->kind;
	return world->seed && (h ^ h >> 29) % 100 < AWAY && now % (7 * DAY) < 2 * DAY;
}

void outside_init(struct outside *o, const struct simulation_world *world,
		  const struct engine_item *item)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ world->seed;

	for (const char *p = item->id; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	*o = (struct outside){ .random = h | 1, .kind = item->kind };
	for (uint32_t i = 0; i < item->count; i++)
		if (item->versions[i].state >= ENGINE_VISIBLE &&
		    item->versions[i].state <= ENGINE_WITHDRAWING)
			fact_of(o, item->versions[i].version)->is_present = true;
}

uint64_t outside_begin(struct outside *o, const struct simulation_world *world, uint64_t now,
		       const struct engine_action *job)
{
	(void)now;
	(void)job;
	if (!world->seed)
		return world->answer;
	return world->answer / 2 + draw(o) % (world->answer + 1);
}

static enum engine_outcome end_hook(struct outside *o, const struct simulation_world *world,
				    uint64_t now, const struct engine_action *job)
{
	if (is_away(o, world, now) || goes_wrong(o, world, FAILS))
		return ENGINE_OUTCOME_TEMPORARY;
	if (goes_wrong(o, world, LIES))
		return ENGINE_OUTCOME_OK;
	if (goes_wrong(o, world, UNKNOWN)) {
		if (draw(o) % 2)
			become(o, world, now, job);
		return draw(o) % 2 ? ENGINE_OUTCOME_TIMEOUT : ENGINE_OUTCOME_CRASHED;
	}
	become(o, world, now, job);
	return ENGINE_OUTCOME_OK;
}

static enum engine_outcome ask(struct outside *o, const struct simulation_world *world,
			       uint64_t now, const struct engine_action *job)
{
	const struct outside_fact *f = fact_of(o, job->version);
	bool is_there = is_present(f, now) && !f->is_bad;
	bool is_secret = engine_kind_asks_with_secret(o->kind);

	if (is_away(o, world, now))
		return ENGINE_OUTCOME_UNREACHABLE;
	if (is_there)
		return is_secret ? ENGINE_OUTCOME_ACCEPTED : ENGINE_OUTCOME_VISIBLE;
	return is_secret ? ENGINE_OUTCOME_REJECTED : ENGINE_OUTCOME_ABSENT;
}

void outside_end(struct outside *o, const struct simulation_world *world, uint64_t now,
		 const struct engine_action *job, struct engine_observation *ret)
{
	*ret = (struct engine_observation){ .event = ENGINE_EVENT_ENDED,
					    .serial = job->serial,
					    .remembered = HOUR };
	switch ((int)job->type) {
	case ENGINE_ACTION_CREATE:
		if (is_away(o, world, now) || goes_wrong(o, world, FAILS)) {
			ret->outcome = ENGINE_OUTCOME_TEMPORARY;
			break;
		}
		if (engine_kind_asks_with_secret(o->kind))
			fact_of(o, job->version)->is_bad = goes_wrong(o, world, BAD);
		*ret = (struct engine_observation){ .event = ENGINE_EVENT_CREATED,
						    .version = job->version };
		break;
	case ENGINE_ACTION_ASK_PRESENT:
	case ENGINE_ACTION_ASK_ABSENT:
		ret->outcome = ask(o, world, now, job);
		break;
	default:
		ret->outcome = end_hook(o, world, now, job);
		break;
	}
	if (goes_wrong(o, world, LOST))
		*ret = (struct engine_observation){ .event = ENGINE_EVENT_LOST };
}

uint64_t outside_person(struct outside *o, const struct simulation_world *world)
{
	if (!world->seed)
		return world->person;
	if (goes_wrong(o, world, FORGETS))
		return world->person + draw(o) % (30 * DAY);
	return world->person / 2 + draw(o) % (world->person + 1);
}
