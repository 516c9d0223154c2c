/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of a generated password: "rtd1_", 32 random bytes in base62 (43 digits), and a
 * checksum of 6. A secret scanner knows it by its beginning, and a typing error from a wrong
 * password by its end. The checksum (CRC-32) guards against accidents, not against anybody.
 */
#ifndef BASE_TOKEN_H
#define BASE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

enum {
	TOKEN_RANDOM_LEN = 32,
	TOKEN_SIZE = 5 + 43 + 6 + 1, /* with the NUL */
};

void token_format(const uint8_t random[static TOKEN_RANDOM_LEN], char ret[static TOKEN_SIZE]);

/* True if S was made by token_format(), as far as one can see. */
bool token_is_well_formed(const char *s);

#endif
