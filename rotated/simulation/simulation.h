/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine on a virtual clock: items with their real policies, and a world that answers them.
 * Years pass in moments, by the very code that the vault runs: engine_step(). The same items,
 * world and seed always give the same events.
 *
 * With seed 0 everybody does what is wanted: hooks, servers and providers at once, people after
 * a while. With another one hooks fail, lie, time out and succeed late, servers lag, providers
 * are away for days or never take a secret, the vault loses track, and people forget.
 */
#ifndef ROTATED_SIMULATION_SIMULATION_H
#define ROTATED_SIMULATION_SIMULATION_H

#include "rotated/engine/engine.h"

struct simulation;

struct simulation_world {
	uint64_t seed;	 /* 0: nothing goes wrong */
	uint64_t answer; /* how long hooks and servers take, microseconds */
	uint64_t person; /* how long a person takes who is wanted */
};

enum simulation_what {
	SIMULATION_MOVED, /* `version` went from `from` to `to` */
	SIMULATION_DUE,	  /* a new version is wanted of a person */
	SIMULATION_TROUBLE, /* the first failure since all was well; item->trouble says which */
	SIMULATION_HELD,    /* it waits for a person */
	SIMULATION_WELL,    /* and is over it */
	SIMULATION_WHAT_MAX_
};

/* Borrowed for the call. */
struct simulation_event {
	uint64_t at; /* wall clock */
	enum simulation_what what;
	const struct engine_item *item; /* as it is after it */
	uint32_t version;
	const char *name; /* of the version: login or selector */
	enum engine_state from, to;
	const char *why;
};

/* Returns 0, or an error, with which the run ends. */
typedef int (*simulation_tell)(void *context, const struct simulation_event *event);

/* Both clocks start at START. -ENOMEM. */
must_check int simulation_new(const struct moment *start, const struct simulation_world *world,
			      struct simulation **ret);
void simulation_free(struct simulation *s); /* NULL is allowed */

static inline void simulation_freep(struct simulation **s)
{
	simulation_free(*s);
}
#define cleanup_simulation __attribute__((cleanup(simulation_freep)))

/* Copies both. A job that is under way ends like one that was begun just now. -ENOMEM. */
must_check int simulation_add(struct simulation *s, const struct engine_item *item,
			      const struct engine_policy *policy);

/*
 * Lets time pass until the wall clock says UNTIL, but at most MAX events of an item: 1 when there
 * is more to do, 0 at the end. TELL hears of what people would want to hear of. Errors are those
 * of TELL, and -ELOOP for an item that does not come to rest: a defect of the engine.
 */
must_check int simulation_run(struct simulation *s, uint64_t until, unsigned max,
			      simulation_tell tell, void *context);

uint64_t simulation_now(const struct simulation *s);	/* wall clock */
uint64_t simulation_events(const struct simulation *s); /* times that an item was woken up */

const char *simulation_word(enum simulation_what what);

#endif
