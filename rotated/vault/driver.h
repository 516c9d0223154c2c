/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kinds of items do differently. The engine decides, the vault stores; a driver knows
 * how a secret of its kind is made, and how the outside gets to know of it. */
#ifndef ROTATED_VAULT_DRIVER_H
#define ROTATED_VAULT_DRIVER_H

#include "rotated/vault/manager.h"

/* A new secret as its records: one that the AUTH tier opens, and one of the ISSUER tier. */
struct made {
	uint32_t version;
	const uint8_t *open;
	size_t open_len;
	const uint8_t *hidden;
	size_t hidden_len; /* 0: there is none */
};

struct change;

struct driver {
	enum engine_kind kind;
	const char *open_kind;	 /* of the records */
	const char *hidden_kind; /* NULL: there is none */

	void (*policy)(const struct manager *m, const struct item *item,
		       struct engine_policy *ret);

	/* Puts into TXN what else changes with the item, and into C->gone which facts leave the
	 * index. May be NULL. */
	int (*seal)(const struct manager *m, struct change *c, struct keystore_txn *txn);

	/* Brings the verifier index from PREV to NEXT; index_commit() is the caller's. May be
	 * NULL. */
	int (*index)(struct manager *m, const struct engine_item *prev,
		     const struct engine_item *next);

	/* Whom its jobs talk to: what one item is served by, others are too. NULL: nobody; the
	 * function itself is NULL for kinds without jobs. Borrowed from the configuration. */
	const char *(*target)(const struct manager *m, const struct item *item);

	/* Begins an AFTER action. Its end is told with schedule_observe(). */
	int (*begin)(struct manager *m, struct item *item, const struct engine_action *action);
};

extern const struct driver driver_password;
extern const struct driver driver_dkim;
extern const struct driver driver_certificate;
extern const struct driver driver_upstream;

const struct driver *driver_find(enum engine_kind kind);

#endif
