/* SPDX-License-Identifier: BSD-2-Clause */
/* A private key as it is sealed: DER PKCS#8 (RFC 5208), without a passphrase of its own. */
#ifndef ROTATED_PKI_PKCS8_H
#define ROTATED_PKI_PKCS8_H

#include <stddef.h>

#include "base/secret.h"

struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

/* Owned by the caller. -EIO when libcrypto can not, or when it takes more than MAX bytes. */
must_check int pkcs8_export(const struct evp_pkey_st *key, size_t max, struct secret **ret);

#endif
