/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/refusals.h"

#include "base/clock.h"

/* A microsecond earns PER_SECOND millionths of a line. */
#define LINE	  UINT64_C(1000000)
#define BURST_MAX (REFUSALS_BURST * LINE)

struct refusals refusals_init(uint64_t now)
{
	return (struct refusals){ .tokens = BURST_MAX, .last = now };
}

bool refusals_allow(struct refusals *r, uint64_t now, uint64_t *ret_held_back)
{
	uint64_t elapsed = now > r->last ? now - r->last : 0;

	if (elapsed > REFUSALS_BURST * USEC_PER_SEC)
		elapsed = REFUSALS_BURST * USEC_PER_SEC; /* more would only overflow */
	r->last = now;
	r->tokens += elapsed * REFUSALS_PER_SECOND;
	if (r->tokens > BURST_MAX)
		r->tokens = BURST_MAX;
	if (r->tokens < LINE) {
		r->held_back++;
		return false;
	}
	r->tokens -= LINE;
	*ret_held_back = r->held_back;
	r->held_back = 0;
	return true;
}
