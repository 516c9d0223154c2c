/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting a copy without unused pages in the place of the store: in small steps, between which
 * everything else goes on. Part of keystore.h.
 */
#ifndef KEYSTORE_COMPACT_H
#define KEYSTORE_COMPACT_H

#include "keystore/keystore.h"

enum {
	KEYSTORE_COMPACT_BYTES = 4 * 1024 * 1024, /* of records that one step copies */
	KEYSTORE_COMPACT_CHANGES =
		64 * 1024, /* of what was copied already, that it keeps up with */
};

/* Of the file that the records are in. */
struct keystore_usage {
	uint64_t bytes;
	uint64_t used; /* in pages that hold something, which need not be full */
};

must_check int keystore_usage(const struct keystore *ks, struct keystore_usage *ret);

/*
 * One step of some milliseconds: 1 when there is more to do, 0 when the copy has taken the
 * place. Needs AUTH. -EBUSY while a backup is made: it can go on afterwards. After any other
 * failure the store is as it was, and the next step begins anew: -ENOSPC without room for the
 * copy, -EAGAIN when more than KEYSTORE_COMPACT_CHANGES records changed under it.
 */
must_check int keystore_compact_step(struct keystore *ks, struct report *report);

/* Records and tombstones in the copy that is being made, of count + tombstones. */
uint64_t keystore_compact_done(const struct keystore *ks);

/* Gives up the copy that is being made, if any. */
void keystore_compact_abort(struct keystore *ks);

#endif
