/* SPDX-License-Identifier: BSD-2-Clause */
/* What the handlers that are about a domain share. */
#ifndef ROTATED_VAULT_VERBS_DKIM_H
#define ROTATED_VAULT_VERBS_DKIM_H

#include "rotated/vault/control.h"

/* The domain that the request names; NULL with STATUS and the reply set. */
struct item *request_find_domain(struct request *req, enum wire_status *status);

#endif
