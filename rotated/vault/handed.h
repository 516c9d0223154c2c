/* SPDX-License-Identifier: BSD-2-Clause */
/* What passwords and certificates have in common: they are handed over, confirmed, and revoked
 * (docs/protocol.md: Credential.Confirm, Credential.Revoke, and the same of Certificate). */
#ifndef ROTATED_VAULT_HANDED_H
#define ROTATED_VAULT_HANDED_H

#include "rotated/vault/control.h"

struct handed_words {
	const char *noun;      /* of rotatectl and of the audit events: "credential" */
	const char *name_key;  /* of a version's name in JSON: "login" */
	const char *left_none; /* what it means when nothing is left */
};

/* The version that the request names. -ENOENT, -EBADMSG. */
must_check int handed_version(const struct frame *f, uint32_t *ret);

/* The request's version of ITEM is in its owner's hands. */
enum wire_status handed_confirm(struct request *req, struct item *item,
				const struct handed_words *words);

/* VERSION of ITEM, or with 0 all of them, is dead from the reply on. */
enum wire_status handed_revoke(struct request *req, struct item *item, uint32_t version,
			       const struct handed_words *words);

#endif
