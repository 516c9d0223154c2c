/* SPDX-License-Identifier: BSD-2-Clause */
/* Store.Compact: a compact copy of the store in the background, for somebody who wants the room
 * on the disk back. A reseal ends with one of its own. */
#ifndef ROTATED_VAULT_COMPACT_H
#define ROTATED_VAULT_COMPACT_H

#include "rotated/vault/manager.h"

struct json;

/* A backup has ended: what waited for that goes on. */
void compact_wake(struct manager *m);

/* Gives up what is under way, if anything: WHY is for the audit log. To be called before AUTH
 * is sealed, and when a reseal begins. */
void compact_stop(struct manager *m, const char *why);

/* The member "compact" of the keystore's status: null when none is under way. */
void compact_write(const struct manager *m, struct json *j);

#endif
