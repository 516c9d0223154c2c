/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys are made in a thread, because one takes the time of a hundred logins. The thread gets a
 * copy of its job and gives it back over an eventfd; nothing else is shared.
 */
#ifndef ROTATED_VAULT_KEYGEN_H
#define ROTATED_VAULT_KEYGEN_H

#include "rotated/vault/manager.h"

must_check int keygen_new(struct manager *m, struct keygen **ret);
void keygen_free(struct keygen *k); /* waits for the thread; NULL is allowed */

/* Makes the secret of ACTION's version; schedule_observe() is told how it ended. */
must_check int keygen_start(struct keygen *k, struct item *item,
			    const struct engine_action *action, enum config_dkim_key kind);

/* Drops what waits and what comes: items are about to go. */
void keygen_cancel(struct keygen *k);

#endif
