/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What has to be looked at after the keystore was put back to an earlier state: for each
 * service, domain and provider what was made or changed since, what of it does not work now,
 * and which command repairs it. The list is kept in the keystore, in records of its own, until
 * each entry is ticked off: by hand, or when the item gets a new active version.
 *
 * What was done since is read from the audit log, whose lines after the keystore's own end are
 * proven by the key that the keystore has of the next line. Where the log is not newer than the
 * keystore, nobody knows, and the list says so.
 */
#ifndef ROTATED_VAULT_RECONCILE_H
#define ROTATED_VAULT_RECONCILE_H

#include "base/json.h"
#include "rotated/vault/manager.h"

/* How far version numbers jump where the log does not tell which were given. */
enum { RECONCILE_JUMP = 100 };

struct reconcile;

/* What was done after END, as the log in the vault's audit directory has it. -ENOMEM. RET is
 * owned. Works with any health of the keystore, with AUTH open and the items loaded. */
must_check int reconcile_read(struct manager *m, const struct keystore_audit *end,
			      struct reconcile **ret, struct report *report);
void reconcile_free(struct reconcile *r); /* NULL is allowed */

/* True when the log tells of anything after END, or ends before it. */
bool reconcile_log_is_newer(const struct reconcile *r);

/*
 * Puts into TXN: every item with numbers and selectors that were not given before, its versions
 * revoked that the log says were, and the list. SINCE and UNTIL (wall clock; UNTIL 0 for not
 * known): between when nobody knows what was done if the log does not tell.
 */
must_check int reconcile_apply(struct manager *m, const struct reconcile *r,
			       struct keystore_txn *txn, uint64_t since, uint64_t until);

/* The list that reconcile_apply() would store: member "reconcile" of J. */
void reconcile_preview(const struct manager *m, const struct reconcile *r, struct json *j);

/* ---- the stored list ---- */

/* After unsealing: how many entries there are. */
must_check int reconcile_load(struct manager *m, struct report *report);
uint64_t reconcile_count(const struct manager *m);

/* In the transaction that makes a new version of ITEM active: its entry goes with it. */
must_check int reconcile_item_renewed(struct manager *m, struct keystore_txn *txn,
				      const struct engine_item *item);

#endif
