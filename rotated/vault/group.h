/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes that are made true together: one sync of the audit log, one transaction of the store,
 * one of the index for all of them. While it gathers, change_commit() only joins; then nobody
 * may be told, and nothing is begun outside, until group_flush() has returned.
 *
 * A group never outlives a callback of the event loop. It gathers while control.c runs the
 * requests that are ready at the same time, and while schedule.c makes the moves that are due.
 * Everything else finds it empty, and changes one thing at a time.
 */
#ifndef ROTATED_VAULT_GROUP_H
#define ROTATED_VAULT_GROUP_H

#include "rotated/vault/change.h"

must_check int group_new(struct group **ret);
void group_free(struct group *g); /* drops what was not flushed; NULL is allowed */

/* change_commit() joins, or is a group of its own again. Says what it did before. */
bool group_gather(struct manager *m, bool is_gathering);
bool group_is_gathering(const struct manager *m);

/* C as part of what is pending. After a failure the rest of it is as it was. */
must_check int group_join(struct manager *m, struct change *c, struct report *report);

/*
 * Makes it true. After a failure every item in it is as it was before, unless the report says
 * otherwise, and whoever joined has to be told. 0 when nothing is pending.
 */
must_check int group_flush(struct manager *m, struct report *report);

bool group_is_pending(const struct manager *m);
/* Whether one more change fits, with all it may erase. */
bool group_has_room(const struct manager *m);
/* How many changes ever joined: tells if a call in between did. */
uint64_t group_joins(const struct manager *m);
/* A pending change is of this service or domain. */
bool group_has(const struct manager *m, const char *id, size_t len);

/* True when ITEM is in what is pending: it is settled after that is true. */
bool group_settles(struct manager *m, const struct item *item);

#endif
