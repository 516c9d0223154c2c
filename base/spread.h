/* SPDX-License-Identifier: BSD-2-Clause */
/* A number that depends on a name alone: so that a thousand things do not happen at once, and
 * each at the same time whenever it is asked. It hides nothing. */
#ifndef BASE_SPREAD_H
#define BASE_SPREAD_H

#include <stdint.h>

/* Of NAME, and of SALT where one name needs several. */
uint64_t spread_hash(const char *name, uint64_t salt);

/* 0 to MOST. */
uint64_t spread_within(const char *name, uint64_t most);

#endif
