/* SPDX-License-Identifier: BSD-2-Clause */
/* `store verify` while everything else goes on: a step whenever nothing else is to be done. */
#ifndef ROTATED_VAULT_VERIFY_H
#define ROTATED_VAULT_VERIFY_H

#include "rotated/vault/manager.h"

struct peer;

/* Before the keystore is sealed or closed: whoever waits for the verdict is told. */
void verify_cancel(struct manager *m);

/* PEER is closed: nobody waits any more. */
void verify_forget(struct manager *m, const struct peer *peer);

#endif
