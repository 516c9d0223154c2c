/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A certificate request (PKCS#10, RFC 2986) as somebody hands it in: hostile until proven to be
 * one, and in canonical form. Only its public key is taken; names and extensions that it asks
 * for count for nothing, since what a certificate says is the vault's to decide.
 */
#ifndef ROTATED_PKI_CSR_H
#define ROTATED_PKI_CSR_H

#include "base/report.h"
#include "rotated/pki/x509.h"

enum {
	CSR_PEM_MAX = 16 * 1024, /* bytes of text */
	CSR_DER_MAX = 8 * 1024,
	CSR_RSA_BITS_MIN = 2048,
	CSR_RSA_BITS_MAX = 4096,
};

/*
 * The public key of the one request in TEXT, which has to prove that its sender holds the
 * private one, and be on P-256, RSA of 2048 to 4096 bits, or Ed25519. -EBADMSG with a report.
 */
must_check int csr_read(const char *text, size_t len, struct evp_pkey_st **ret,
			struct report *report);

#endif
