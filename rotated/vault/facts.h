/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps what the verifier index says of services and senders true. A SERVICE fact follows its
 * item, in the same commit as its logins; SENDER facts follow the services in force. A driver
 * whose items have facts of their own (certificates) puts them in driver->index, which is also
 * called for every item of a rebuild.
 */
#ifndef ROTATED_VAULT_FACTS_H
#define ROTATED_VAULT_FACTS_H

#include "rotated/vault/manager.h"

/* For the index to be written whole between index_rebuild_begin() and index_rebuild_finish():
 * every item and every sender. */
must_check int facts_rebuild(struct manager *m, struct report *report);

/*
 * After the services in force have changed: brings the index from what it says to what it should
 * say, and writes nothing else. A sender that was good and stays good is good at every moment.
 * When the index does not take it, it is built anew.
 */
must_check int facts_refresh(struct manager *m, struct report *report);

/* The SERVICE fact of ITEM, a password; the commit is the caller's. */
must_check int facts_put_service(struct manager *m, const struct engine_item *item);

void facts_free(struct facts *f); /* NULL is allowed */

#endif
