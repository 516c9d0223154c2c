/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of this process is locked into RAM, and how much may be. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

struct memory_locked {
	uint64_t bytes; /* 0 also when the kernel does not say */
	uint64_t limit; /* RLIMIT_MEMLOCK; UINT64_MAX: none */
};

void memory_locked(struct memory_locked *ret);

#endif
