/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The door's connection to the vault, which has the keys of the verifier index. It is tried for
 * ever, with back-off. While the vault is away the keys that were obtained stay in use; only
 * the vault's word that it was sealed takes them away. Outbound questions go over it too.
 */
#ifndef ROTATED_DOOR_VAULTLINK_H
#define ROTATED_DOOR_VAULTLINK_H

#include <systemd/sd-event.h>

#include "base/cleanup.h"

struct door;
struct vaultlink;

enum {
	VAULTLINK_RETRY_MIN_MS = 100,
	VAULTLINK_RETRY_MAX_MS = 5000,
	VAULTLINK_ANSWER_SEC = 10, /* for the vault to answer a greeting */
};

/* Begins to connect at once. PATH, EVENT and what DOOR has are borrowed. */
must_check int vaultlink_new(sd_event *event, const char *path, struct door *door,
			     struct vaultlink **ret);
void vaultlink_free(struct vaultlink *v); /* NULL is allowed */

DEFINE_CLEANUP(struct vaultlink, vaultlink_free)

#endif
