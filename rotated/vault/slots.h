/* SPDX-License-Identifier: BSD-2-Clause */
/* What the verbs about slots share: finding the one that is meant, and showing it. */
#ifndef ROTATED_VAULT_SLOTS_H
#define ROTATED_VAULT_SLOTS_H

#include "rotated/vault/control.h"

struct json;

enum { SLOT_LABEL_SIZE = 40 };

/* "quorum 1a2b3c4d": how people and the audit log call a slot. */
void slot_label(const struct keystore_slot *slot, char ret[static SLOT_LABEL_SIZE]);

void slot_write(struct json *j, size_t index, const struct keystore_slot *slot);

/* The slot that the request names by the first digits of its id or, when there is only one of
 * it, by its kind. -ENOENT, or -EINVAL when several fit, with the report filled. */
must_check int slot_find(struct request *req, size_t *ret);

/* A change of the keyring with its two audit lines. After a failure nothing has changed, unless
 * the report says otherwise. What FN returns, when it is not below 0, is returned. */
struct slot_change {
	const char *event;
	const char *object;
	int (*fn)(void *context, struct report *report);
	void *context;
};
must_check int slot_change(struct manager *m, const char *actor, const struct slot_change *c,
			   struct report *report);

#endif
