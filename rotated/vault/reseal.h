/* SPDX-License-Identifier: BSD-2-Clause */
/* Encrypting the keystore anew in the background: a step whenever nothing else is to be done.
 */
#ifndef ROTATED_VAULT_RESEAL_H
#define ROTATED_VAULT_RESEAL_H

#include "rotated/vault/manager.h"

struct json;

/* Begins one and notes in the audit log that ACTOR did, of the object WHY (NULL: none). Errors
 * as keystore_reseal_begin(). For a removed slot: what it opened is worth nothing from then on.
 */
must_check int reseal_start(struct manager *m, const char *actor, const char *why,
			    struct report *report);

/* Goes on with what is under way in the keystore, if anything is and both tiers are open. */
void reseal_resume(struct manager *m);

/* A backup has ended: what waited for that goes on. */
void reseal_wake(struct manager *m);

/* Before ISSUER is sealed: what is left waits in the keystore. */
void reseal_pause(struct manager *m);

/* The member "reseal" of the keystore's status: null when none is under way. */
void reseal_write(const struct manager *m, struct json *j);

#endif
