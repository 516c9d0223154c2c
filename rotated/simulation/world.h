/* SPDX-License-Identifier: BSD-2-Clause */
/* The outside of one simulated item: what its hook, its servers, its provider and its people do. */
#ifndef ROTATED_SIMULATION_WORLD_H
#define ROTATED_SIMULATION_WORLD_H

#include "rotated/simulation/simulation.h"

/* What the servers answer of a version, and from when on. */
struct outside_fact {
	uint32_t version;
	uint64_t from;
	bool is_present;
	bool was_present; /* before FROM */
	bool is_bad;	  /* the provider never takes it */
};

struct outside {
	uint64_t random;
	struct outside_fact facts[ENGINE_VERSIONS_MAX]; /* of those asked about last */
	unsigned next;					/* to be forgotten */
	enum engine_kind kind;
};

/* What ITEM has made known before is known. */
void outside_init(struct outside *o, const struct simulation_world *world,
		  const struct engine_item *item);

/* Begins JOB; how long it takes, in microseconds. */
uint64_t outside_begin(struct outside *o, const struct simulation_world *world, uint64_t now,
		       const struct engine_action *job);

/* How it ended. */
void outside_end(struct outside *o, const struct simulation_world *world, uint64_t now,
		 const struct engine_action *job, struct engine_observation *ret);

/* How long a person takes who is wanted. */
uint64_t outside_person(struct outside *o, const struct simulation_world *world);

#endif
