/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The files of a keystore that is being made: by creation (keystore.c), or out of a backup
 * (restore.c), which takes long enough to be interrupted. A file `restoring` then says that
 * whatever lies there without a keyring is nothing.
 */
#ifndef KEYSTORE_MAKING_H
#define KEYSTORE_MAKING_H

#include "keystore/internal.h"

/* keystore.c: a handle on DIR, locked, where there is no keystore. -EEXIST. */
must_check int making_prepare(const char *dir, const struct keystore_env *env,
			      struct keystore **ret, struct report *report);

/* keystore.c: an empty store and its anchor, under the keys and with META as they are in KS. */
must_check int making_store(struct keystore *ks, struct report *report);

/* Says that what follows is to be thrown away until making_ring(). */
must_check int making_mark(struct keystore *ks, struct report *report);

/* The keyring, last: now there is a keystore. */
must_check int making_ring(struct keystore *ks, const struct buf *file, struct report *report);

/* Takes back what making_mark() said; what fails here is done at the next opening. */
void making_unmark(struct keystore *ks);

/* Removes store, anchor and mark. */
void making_take_back(struct keystore *ks);

/* After DIR was locked: removes what an interrupted restore left. */
void making_settle(struct keystore *ks);

#endif
