/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When everything is to be encrypted anew without being asked. Pure. What is known of the past
 * is in the keyring alone: when the key in use was made, by the wall clock of then. So that a
 * wall clock that jumps costs one reseal and not a storm of them, two of them are an hour apart
 * by a clock that nobody sets.
 */
#ifndef ROTATED_VAULT_RESEAL_DUE_H
#define ROTATED_VAULT_RESEAL_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* Far below what the cipher allows; a keystore that gets here has been busy for decades. */
#define RESEAL_SEALS_MAX (UINT64_C(1) << 40)

struct reseal_facts {
	uint64_t created; /* the key in use; wall clock */
	uint64_t seals;	  /* with it */
	uint64_t every;	  /* USEC_NEVER: only when asked */
	uint64_t gap;	  /* least time between two */
	uint64_t last;	  /* CLOCK_BOOTTIME: the end of the last one, or our start */
};

struct reseal_due {
	bool is_due;
	bool is_late;	 /* for so long that somebody should know */
	const char *why; /* "schedule", "seals"; NULL while it is not due */
	uint64_t at;	 /* wall clock: when it is, or was; 0: never */
	uint64_t wait; /* microseconds until it may begin, or until it is worth another look */
};

void reseal_due(const struct reseal_facts *facts, const struct moment *now,
		struct reseal_due *ret);

#endif
