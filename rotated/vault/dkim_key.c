/* SPDX-License-Identifier: BSD-2-Clause */
#include "rotated/vault/dkim_key.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "rotated/pki/pkcs8.h"

DEFINE_CLEANUP(EVP_PKEY, EVP_PKEY_free)

static const unsigned bits_of[] = { [CONFIG_DKIM_KEY_RSA2048] = 2048 };

_Static_assert(ARRAY_SIZE(bits_of) == CONFIG_DKIM_KEY_MAX_, "a size for every kind");

static void *wiping_malloc(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(size);
}

static void wiping_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* realloc() would leave the old bytes behind, so the move is made by hand. */
static void *wiping_realloc(void *p, size_t size, const char *file, int line)
{
	size_t old = malloc_usable_size(p); /* 0 for NULL */
	void *moved = size ? malloc(size) : NULL;

	if (size && !moved)
		return NULL;
	if (moved && p)
		memcpy(moved, p, old < size ? old : size);
	wiping_free(p, file, line);
	return moved;
}

int dkim_key_init(void)
{
	return CRYPTO_set_mem_functions(wiping_malloc, wiping_realloc, wiping_free) == 1
		       ? 0
		       : -EALREADY;
}

int dkim_key_generate(enum config_dkim_key kind, struct secret **ret_private,
		      uint8_t ret_public[static DKIM_PUBLIC_MAX], size_t *ret_public_len)
{
	cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_RSA_gen(bits_of[kind]);
	cleanup_secret struct secret *private = NULL;
	unsigned char *p = ret_public;
	int len, r;

	len = key ? i2d_PUBKEY(key, NULL) : -1;
	if (len <= 0 || len > DKIM_PUBLIC_MAX)
		return -EIO;
	r = pkcs8_export(key, DKIM_PRIVATE_MAX, &private);
	if (r < 0)
		return r;
	if (i2d_PUBKEY(key, &p) != len)
		return -EIO;
	*ret_private = steal_ptr(private);
	*ret_public_len = (size_t)len;
	return 0;
}

void dkim_record(const uint8_t *public, size_t len, struct buf *ret)
{
	char text[4 * (DKIM_PUBLIC_MAX / 3 + 1) + 1];

	if (len > DKIM_PUBLIC_MAX) {
		ret->error = -E2BIG;
		return;
	}
	sodium_bin2base64(text, sizeof(text), public, len, sodium_base64_VARIANT_ORIGINAL);
	buf_printf(ret, "v=DKIM1; k=rsa; h=sha256; s=email; p=%s", text);
}

void dkim_name(const char *selector, const char *domain, bool is_absolute,
	       char ret[static DKIM_NAME_SIZE])
{
	(void)snprintf(ret, DKIM_NAME_SIZE, "%s._domainkey.%s%s", selector, domain,
		       is_absolute ? "." : ""); /* it fits */
}

int dkim_private_pem(const uint8_t *der, size_t len, struct secret **ret)
{
	enum { LINE = 64 };
	cleanup_buf struct buf pem = BUF_INIT;
	char text[4 * (DKIM_PRIVATE_MAX / 3 + 1) + 1];
	int r;

	if (len > DKIM_PRIVATE_MAX)
		return -E2BIG;
	sodium_bin2base64(text, sizeof(text), der, len, sodium_base64_VARIANT_ORIGINAL);
	buf_append_str(&pem, "-----BEGIN PRIVATE KEY-----\n");
	for (const char *p = text; *p; p += strnlen(p, LINE)) {
		buf_append(&pem, p, strnlen(p, LINE));
		buf_append_byte(&pem, '\n');
	}
	buf_append_str(&pem, "-----END PRIVATE KEY-----\n");
	sodium_memzero(text, sizeof(text));
	r = buf_error(&pem);
	if (r < 0)
		return r;
	*ret = secret_new(pem.data, pem.len);
	return *ret ? 0 : -ENOMEM;
}
