/* SPDX-License-Identifier: BSD-2-Clause */
/* DKIM keys as records of the keystore. */
#ifndef ROTATED_VAULT_DRIVER_DKIM_H
#define ROTATED_VAULT_DRIVER_DKIM_H

#include "rotated/vault/driver.h"

/* The TXT record of VERSION. -ENOENT when its key is not made yet, or erased. */
must_check int dkim_load_record(const struct manager *m, const struct engine_item *item,
				uint32_t version, struct buf *ret);

/* Its private key as PEM. -ENOKEY while the ISSUER tier is sealed. */
must_check int dkim_load_private(const struct manager *m, const struct engine_item *item,
				 uint32_t version, struct secret **ret);

/* The fields of a Job.Dns that asks whether NAME holds EXPECT (NULL: holds nothing). */
void dkim_put_question(const struct config_dns *dns, const char *name, const char *expect,
		       struct buf *ret);

/* The fields of a Job.Hook that only checks whether the hook could do its work. */
void dkim_put_hook_check(const struct manager *m, const struct engine_item *item,
			 struct buf *ret);

/* What the domain's file says, or the defaults when it is not configured any more. */
const struct config_dns *dkim_config_dns(const struct manager *m, const char *domain);
const struct config_dkim *dkim_config(const struct manager *m, const char *domain);

#endif
