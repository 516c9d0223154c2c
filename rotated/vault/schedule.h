/* SPDX-License-Identifier: BSD-2-Clause */
/* When items are stepped: after an event, when their wait is over, when a clock was set. */
#ifndef ROTATED_VAULT_SCHEDULE_H
#define ROTATED_VAULT_SCHEDULE_H

#include "rotated/vault/manager.h"

must_check int schedule_init(struct manager *m);
void schedule_release(struct manager *m);

/* Steps ITEM until it rests, storing every move, and notes when it wants to be stepped again.
 */
void schedule_settle(struct manager *m, struct item *item);

/* The same for all: the configuration, a tier or the worker has changed. */
void schedule_settle_all(struct manager *m);

/* What S and [engine] say, for a policy: its schedule, and what puts it off. Borrows from the
 * configuration. */
void schedule_describe(const struct manager *m, const struct config_schedule *s,
		       struct engine_policy *ret);

/* Leaves ITEM alone for a while: something of it could not be stored or begun. */
void schedule_trouble(struct manager *m, struct item *item);

/* Tells ITEM what a job of its own led to. A secret that was made comes with it. */
struct made;
void schedule_observe(struct manager *m, struct item *item,
		      const struct engine_observation *seen, const struct made *made);

/* Something could not be written: sees in a while if that is over. */
void schedule_probe(struct manager *m);

#endif
