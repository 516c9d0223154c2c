/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of items in memory, and their records in the keystore. */
#ifndef ROTATED_VAULT_ITEMS_H
#define ROTATED_VAULT_ITEMS_H

#include "rotated/vault/records.h"

/* Loads every stored item and makes an empty one for each that is only configured. */
must_check int items_load(struct manager *m, struct report *report);

/* Raises the alarm that the record of the version V can not be used; COMMAND ID replaces it.
 * What else the item has goes on. */
void item_tell_lost(struct manager *m, const struct engine_version *v, const char *command,
		    const char *id);
void items_free(struct manager *m);

/* Empty ones for what a new configuration names. -ENOMEM. */
must_check int items_add_configured(struct manager *m);

/* NULL when neither the keystore nor the configuration knows it. */
struct item *item_find(const struct manager *m, enum engine_kind kind, const char *id);

/* The same, made and empty if nobody knows it yet: certificates exist when they are asked for.
 * -ENOMEM. */
must_check int item_ensure(struct manager *m, enum engine_kind kind, const char *id,
			   struct item **ret);

bool item_is_configured(const struct manager *m, const struct item *item);

/* Switched off, by an operator or by the configuration. */
bool item_is_disabled(const struct manager *m, const struct engine_item *item);

/* Names of records, in space RECORD_SPACE: kind "item", name "password/billing"; the driver's
 * kinds, name "billing/7". */
enum { RECORD_NAME_SIZE = KEYSTORE_NAME_MAX + 1 };
must_check int record_name_item(const struct engine_item *item,
				char ret[static RECORD_NAME_SIZE]);
must_check int record_name_version(const struct engine_item *item, uint32_t version,
				   char ret[static RECORD_NAME_SIZE]);

#endif
