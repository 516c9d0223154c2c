/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as a certificate request: as PEM, and as the DER inside. What is taken has a key
 * that can be hashed and certified. */
#include <stdlib.h>
#include <string.h>

#include "rotated/pki/csr.h"
#include "rotated/pki/der.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_text(const char *text, size_t len)
{
	cleanup_x509_key struct evp_pkey_st *key = NULL;
	uint8_t digest[X509_DIGEST_LEN];
	struct report report = { 0 };

	if (csr_read(text, len, &key, &report) < 0) {
		if (!report.what[0] || !report.hint[0])
			abort();
		return;
	}
	if (x509_public_digest(key, digest) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_buf struct buf pem = BUF_INIT;

	try_text((const char *)data, size);
	if (size <= CSR_DER_MAX && der_check(data, size) == NULL) {
		x509_pem("CERTIFICATE REQUEST", data, size, &pem);
		try_text((const char *)pem.data, pem.len);
	}
	return 0;
}
