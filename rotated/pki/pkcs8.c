/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/pki/pkcs8.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

DEFINE_CLEANUP(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

int pkcs8_export(const struct evp_pkey_st *key, size_t max, struct secret **ret)
{
	cleanup_(PKCS8_PRIV_KEY_INFO_freep) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	cleanup_secret struct secret *s = NULL;
	unsigned char *p;
	int len = info ? i2d_PKCS8_PRIV_KEY_INFO(info, NULL) : -1;

	if (len <= 0 || (size_t)len > max)
		return -EIO;
	s = secret_alloc((size_t)len);
	if (!s)
		return -ENOMEM;
	p = secret_fill(s);
	if (i2d_PKCS8_PRIV_KEY_INFO(info, &p) != len)
		return -EIO;
	*ret = steal_ptr(s);
	return 0;
}
