/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/spread.h"

/* FNV-1a with a final mix. */
uint64_t spread_hash(const char *name, uint64_t salt)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ salt;

	for (const char *p = name; *p; p++)
		h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return h ^ h >> 32;
}

uint64_t spread_within(const char *name, uint64_t most)
{
	uint64_t h = spread_hash(name, 0);

	return most == UINT64_MAX ? h : h % (most + 1);
}
