/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encrypting the keystore anew in the background: a step whenever nothing else is to be done,
 * and at the end the verifier index under new keys, once the door has them. It begins when
 * somebody asks for it, and by itself when the keys are old (reseal_due.h).
 */
#ifndef ROTATED_VAULT_RESEAL_H
#define ROTATED_VAULT_RESEAL_H

#include "rotated/vault/manager.h"

struct json;

must_check int reseal_new(struct manager *m, struct reseal **ret);
void reseal_free(struct reseal *r); /* NULL is allowed */

/* Begins one and notes in the audit log that ACTOR did, of the object WHY (NULL: none). Errors
 * as keystore_reseal_begin(). */
must_check int reseal_start(struct manager *m, const char *actor, const char *why,
			    struct report *report);

/* The slot LABEL was removed, and the roots are new: what it opened is to be worth nothing from
 * then on. Begins one, or sees to it that one follows that under way. */
must_check int reseal_after_removal(struct manager *m, const char *actor, const char *label,
				    struct report *report);

/* Goes on with what is under way in the keystore, if anything is and both tiers are open; else
 * begins one if it is due. To be called when a tier was opened, the configuration is another,
 * or the clock was set. */
void reseal_resume(struct manager *m);

/* A backup has ended: what waited for that goes on. */
void reseal_wake(struct manager *m);

/* The door has told what it has: whoever waits for that need not wait for the timer. */
void reseal_go_on(struct manager *m);

/* Before ISSUER is sealed: what is left waits in the keystore. */
void reseal_pause(struct manager *m);

/* The members of the keystore's status: "reseal", null when none is under way, "reseal_at" and
 * "reseal_due". */
void reseal_write(const struct manager *m, struct json *j);

/* True, and why, when somebody should know that one is overdue. */
bool reseal_is_late(const struct manager *m, struct report *report);

#endif
