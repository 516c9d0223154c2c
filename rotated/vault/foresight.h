/* SPDX-License-Identifier: BSD-2-Clause */
/* `plan --until` and `simulate`: the years to come of all items, while everything else goes on. */
#ifndef ROTATED_VAULT_FORESIGHT_H
#define ROTATED_VAULT_FORESIGHT_H

#include "rotated/vault/manager.h"

struct peer;

/* Before the items or the configuration go: whoever waits is told WHY. */
void foresight_cancel(struct manager *m, const char *why, const char *hint);

/* PEER is closed: nobody waits any more. */
void foresight_forget(struct manager *m, const struct peer *peer);

#endif
