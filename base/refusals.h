/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps a guessing stranger from filling the log: a burst of lines, then a few a second. */
#ifndef BASE_REFUSALS_H
#define BASE_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

enum { REFUSALS_BURST = 50, REFUSALS_PER_SECOND = 5 };

struct refusals {
	uint64_t tokens; /* millionths of a line */
	uint64_t last;	 /* monotonic microseconds */
	uint64_t held_back;
};

struct refusals refusals_init(uint64_t now);

/* True if a line may be written at NOW. *RET_HELD_BACK is then how many were not since the last
 * one that was. */
bool refusals_allow(struct refusals *r, uint64_t now, uint64_t *ret_held_back);

#endif
