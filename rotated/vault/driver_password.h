/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a service's password: the driver's own part of Credential.Issue and .Rotate. */
#ifndef ROTATED_VAULT_DRIVER_PASSWORD_H
#define ROTATED_VAULT_DRIVER_PASSWORD_H

#include "keystore/verifier.h"
#include "rotated/vault/driver.h"

struct password_made {
	struct made made; /* borrows from `verifier` */
	uint8_t verifier[VERIFIER_ENCODED_LEN];
	struct secret *password; /* owned */
};

/* A new password for V of ITEM, and its verifier. Some 5 ms. */
must_check int password_make(struct manager *m, const struct engine_version *v,
			     struct password_made *ret);

#endif
