/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recovery key as people keep it: "RTR1-" and 14 groups of four characters of Crockford's
 * base32, the last one a checksum. Reading takes any case, and blanks and hyphens anywhere.
 */
#ifndef KEYSTORE_RECOVERY_H
#define KEYSTORE_RECOVERY_H

#include "base/report.h"
#include "base/secret.h"

enum {
	RECOVERY_KEY_LEN = 32,
	RECOVERY_TEXT_LEN = 4 + 14 * 5,
	RECOVERY_TEXT_SIZE = RECOVERY_TEXT_LEN + 1,
};

void recovery_format(const uint8_t key[static RECOVERY_KEY_LEN],
		     char out[static RECOVERY_TEXT_SIZE]);

/* -EINVAL, and the report says whether it is a foreign character, the length or the checksum.
 */
must_check int recovery_parse(const char *text, size_t len,
			      uint8_t ret[static RECOVERY_KEY_LEN], struct report *report);

#endif
