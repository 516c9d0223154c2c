/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/reseal_due.h"

#include <stddef.h>

#define HOUR (3600 * USEC_PER_SEC)
#define DAY  (24 * HOUR)

/* The clock may be set at any time, so nobody sleeps until the day. */
#define LOOK_EVERY HOUR

/* How long after it was due it is an alarm: a person has had a week to unseal. */
#define LATE_AFTER (7 * DAY)

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > USEC_NEVER - b ? USEC_NEVER : a + b;
}

/* A key from the future was made while the clock was wrong. How old it is nobody knows, so that
 * it counts as due: waiting for that day may take years. */
static bool is_from_the_future(const struct reseal_facts *f, const struct moment *now)
{
	return f->created > plus(now->wall, DAY);
}

static uint64_t due_at(const struct reseal_facts *f, const struct moment *now)
{
	if (f->seals >= RESEAL_SEALS_MAX)
		return now->wall;
	if (f->every == USEC_NEVER)
		return 0;
	return is_from_the_future(f, now) ? now->wall : plus(f->created, f->every);
}

void reseal_due(const struct reseal_facts *f, const struct moment *now, struct reseal_due *ret)
{
	uint64_t allowed = plus(f->last, f->gap);
	uint64_t late = f->every < LATE_AFTER ? f->every : LATE_AFTER;
	struct reseal_due d = { .at = due_at(f, now), .wait = LOOK_EVERY };

	d.is_due = d.at && d.at <= now->wall;
	d.is_late = d.is_due && now->wall - d.at >= late;
	if (d.is_due) {
		d.why = f->seals >= RESEAL_SEALS_MAX ? "seals" : "schedule";
		d.wait = allowed > now->boot ? allowed - now->boot : 0;
	} else if (d.at && d.at - now->wall < LOOK_EVERY) {
		d.wait = d.at - now->wall;
	}
	*ret = d;
}
