/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The vault's records in the keystore, each kind in its tier (records.def). Whoever has the
 * keys of AUTH and can write the files can put a record of his own in the place of one of
 * ISSUER: a DKIM key, a secret for a provider. But he can not seal it for ISSUER, so a record
 * is read in the tier of its kind alone, and all of the vault reads and writes through here.
 *
 * DIAGNOSTICS: a record of another tier is logged as an error, with kind and name.
 */
#ifndef ROTATED_VAULT_RECORDS_H
#define ROTATED_VAULT_RECORDS_H

#include "rotated/vault/manager.h"

#define RECORD_SPACE "rotated"
#define RECORD_ITEM  "item"

/* Of a KIND in records.def. */
enum keystore_tier record_tier(const char *kind);

/* As keystore_get(); -EPROTO for a record that is not in the tier of its kind. */
must_check int record_get(const struct manager *m, const char *kind, const char *name,
			  struct keystore_record **ret);

/* As keystore_foreach(), which ends with -EPROTO at a record that is not in the tier of KIND.
 */
must_check int record_foreach(const struct manager *m, const char *kind,
			      keystore_visit_fn *visit, void *context);

/* As keystore_put(), in the tier of its kind, whatever REC says. */
must_check int record_put(struct keystore_txn *txn, const struct keystore_record *rec);

#endif
