/* SPDX-License-Identifier: BSD-2-Clause */
/* The door's connection: it gets the keys of the verifier index while the AUTH tier is open. */
#ifndef ROTATED_VAULT_DOOR_H
#define ROTATED_VAULT_DOOR_H

#include "rotated/vault/manager.h"

must_check int door_new(struct manager *m, struct door **ret, struct report *report);
void door_free(struct door *d); /* NULL is allowed */

/* The tier was opened or its keys have changed, or it is about to be sealed by order. A door
 * that is away hears of the order when it comes back, as long as it stands. */
void door_push_keys(struct manager *m);
void door_push_sealed(struct manager *m);

struct verifier_keys;

/* Whether an index that is sealed with KEYS turns no login away: the door has said that it has
 * them, or none has been there for so long that none runs. */
bool door_can_read(const struct manager *m, const struct verifier_keys *keys);

struct door_state {
	bool is_connected;
	bool has_keys;
	uint64_t since; /* wall clock; 0 when it is not connected */
};
void door_state(const struct door *d, struct door_state *ret);

#endif
