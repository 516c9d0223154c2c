/* SPDX-License-Identifier: BSD-2-Clause */
/* The keystore as the vault uses it: opening and sealing the tiers, and what comes and goes
 * with them. */
#ifndef ROTATED_VAULT_STORE_H
#define ROTATED_VAULT_STORE_H

#include "rotated/vault/manager.h"

/* At start: opens what there is, and the AUTH tier if that needs no person. Trouble is an
 * alarm, never a failure to start: somebody has to be able to ask what is wrong. */
void store_start(struct manager *m);

/* Opens the keystore in the configured place with both tiers sealed. */
must_check int store_open(struct manager *m, struct report *report);

/* After tiers were opened: audit log, index, items, the door, the schedule. */
must_check int store_unsealed(struct manager *m, struct report *report);
/* The same for a keystore made out of a backup just now: a failure to list what was done since
 * is one here too. It is open then, and the list is tried again. */
must_check int store_restored(struct manager *m, struct report *report);

/* What could not be listed or repeated after the keystore was put back, once more. */
void store_reconcile(struct manager *m);

/* Writes the verifier index whole: the store is the truth, the index its image. */
must_check int store_rebuild_index(struct manager *m, struct report *report);

/* The same under the verifier keys that are to come, so that the present ones are needed no
 * more. 0 also when that is so already. */
must_check int store_renew_index(struct manager *m, struct report *report);

/* Seals TIER and takes with it what depends on it. */
void store_seal(struct manager *m, enum keystore_tier tier);

/* 0, or why nothing that needs TIER can be done now, with the next command. REPORT may be NULL. */
must_check int store_require(const struct manager *m, enum keystore_tier tier,
			     struct report *report);

/* "both tiers are open" and the like. */
const char *store_open_tiers(const struct manager *m);

/* The same for a change: -ESTALE as well while the keystore is rolled back, or restored and
 * what was done since is not listed. */
must_check int store_require_change(const struct manager *m, enum keystore_tier tier,
				    struct report *report);

bool store_is_open(const struct manager *m, enum keystore_tier tier);

#endif
