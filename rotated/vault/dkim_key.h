/* SPDX-License-Identifier: BSD-2-Clause */
/* DKIM keys and their records: RFC 6376, RFC 8301. */
#ifndef ROTATED_VAULT_DKIM_KEY_H
#define ROTATED_VAULT_DKIM_KEY_H

#include "base/buf.h"
#include "base/secret.h"
#include "rotated/config/config.h"

enum {
	DKIM_PUBLIC_MAX = 1024,	 /* bytes of a DER SubjectPublicKeyInfo */
	DKIM_PRIVATE_MAX = 4096, /* bytes of a DER PKCS#8 */
	DKIM_NAME_SIZE = LABEL_MAX + sizeof("._domainkey.") + DOMAIN_MAX + 2,
};

/* Makes libcrypto wipe all memory that it frees: on the way to DER it copies private keys
 * through buffers that it does not clean. Once, before anything else of libcrypto. -EALREADY
 * after. */
must_check int dkim_key_init(void);

/* A new key pair: some 170 ms of one core for RSA-2048. Touches nothing but its arguments, so
 * that a thread may call it. -ENOMEM, -EIO when OpenSSL will not. */
must_check int dkim_key_generate(enum config_dkim_key kind, struct secret **ret_private,
				 uint8_t ret_public[static DKIM_PUBLIC_MAX],
				 size_t *ret_public_len);

/* "v=DKIM1; k=rsa; h=sha256; s=email; p=…", appended. */
void dkim_record(const uint8_t *public, size_t len, struct buf *ret);

/* "selector._domainkey.domain", with a dot at the end if IS_ABSOLUTE. */
void dkim_name(const char *selector, const char *domain, bool is_absolute,
	       char ret[static DKIM_NAME_SIZE]);

/* "-----BEGIN PRIVATE KEY-----…" */
must_check int dkim_private_pem(const uint8_t *der, size_t len, struct secret **ret);

#endif
