/* SPDX-License-Identifier: BSD-2-Clause */
/* A share of a quorum slot as people keep it: "RTS1-" and 18 groups of four characters
 * (keystore/paper.h). docs/keystore-format.md, "Shares of a quorum". */
#ifndef KEYSTORE_SHARE_H
#define KEYSTORE_SHARE_H

#include "base/report.h"
#include "keystore/keystore.h"
#include "keystore/shamir.h"

enum {
	SHARE_BYTES = KEYSTORE_SHARE_SET_LEN + 2 + SHAMIR_LEN, /* in the text */
	SHARE_TEXT_LEN = 4 + 18 * 5,
	SHARE_TEXT_SIZE = SHARE_TEXT_LEN + 1,
};

struct share {
	uint8_t set[KEYSTORE_SHARE_SET_LEN];
	uint8_t threshold;
	struct shamir_share point;
};

void share_format(const struct share *share, char out[static SHARE_TEXT_SIZE]);

/* -EINVAL, and the report says whether it is a foreign character, the length or the checksum.
 */
must_check int share_parse(const char *text, size_t len, struct share *ret,
			   struct report *report);

#endif
