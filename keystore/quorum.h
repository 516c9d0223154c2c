/* SPDX-License-Identifier: BSD-2-Clause */
/* The quorum slot: its key in shares. */
#ifndef KEYSTORE_QUORUM_H
#define KEYSTORE_QUORUM_H

#include "base/report.h"
#include "base/secret.h"
#include "keystore/keystore.h"
#include "keystore/seal.h"

enum { QUORUM_CHECK_LEN = 16 };

/* What a slot keeps of its shares, none of it secret. */
struct quorum {
	uint8_t threshold; /* 2 to shares */
	uint8_t shares;	   /* to KEYSTORE_SHARES_MAX */
	uint8_t set[KEYSTORE_SHARE_SET_LEN];
	/* of share x in [x - 1]: tells a wrong share at once */
	uint8_t checks[KEYSTORE_SHARES_MAX][QUORUM_CHECK_LEN];
};

/*
 * Splits KEK for the threshold and number of shares in Q, draws its set, fills its checks and
 * gives the shares as text, one a line in the order of x. -ENOMEM; -EINVAL when the numbers
 * are out of bounds.
 */
must_check int quorum_split(const struct rng *rng, const uint8_t kek[static SEAL_KEY_LEN],
			    struct quorum *q, struct secret **ret_text);

struct share;

/* 0: it is one of Q's. -ENOENT: it belongs to another set. -EBADMSG: it was altered. */
must_check int quorum_check(const struct quorum *q, const struct share *share);

#endif
