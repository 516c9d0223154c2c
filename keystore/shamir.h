/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shamir's sharing of 32 bytes among up to 16, byte by byte over GF(256) with the polynomial of
 * AES (x^8 + x^4 + x^3 + x + 1). No branch and no address depends on a secret; which shares
 * there are is none. Sharing alone detects nothing: keystore/share.h tells a wrong share.
 */
#ifndef KEYSTORE_SHAMIR_H
#define KEYSTORE_SHAMIR_H

#include "keystore/seal.h"

enum {
	SHAMIR_LEN = 32,
	SHAMIR_SHARES_MAX = 16,
	SHAMIR_THRESHOLD_MIN = 2,
};

struct shamir_share {
	uint8_t x; /* from 1 */
	uint8_t value[SHAMIR_LEN];
};

/* Fills COUNT shares, x being 1 to COUNT, of which any THRESHOLD give SECRET and fewer say
 * nothing about it. SHAMIR_THRESHOLD_MIN <= THRESHOLD <= COUNT <= SHAMIR_SHARES_MAX. */
void shamir_split(const struct rng *rng, const uint8_t secret[static SHAMIR_LEN],
		  unsigned threshold, struct shamir_share *ret, unsigned count);

/* From exactly as many shares as the threshold said, in any order, at most SHAMIR_SHARES_MAX.
 * -EINVAL: none, too many, an x of 0, or the same x twice. */
must_check int shamir_combine(const struct shamir_share *shares, unsigned count,
			      uint8_t ret[static SHAMIR_LEN]);

#endif
