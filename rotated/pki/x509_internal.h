/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that speak libcrypto's X.509 share. */
#ifndef ROTATED_PKI_X509_INTERNAL_H
#define ROTATED_PKI_X509_INTERNAL_H

#include <openssl/x509.h>

#include "rotated/pki/x509.h"

DEFINE_CLEANUP(X509, X509_free)
DEFINE_CLEANUP(ASN1_TIME, ASN1_TIME_free)
#define cleanup_x509 cleanup_(X509_freep)

must_check int x509_load_certificate(const uint8_t *der, size_t len, X509 **ret);
must_check int x509_set_time(ASN1_TIME *time, uint64_t usec);
must_check int x509_set_serial(ASN1_INTEGER *to, const uint8_t serial[static X509_SERIAL_LEN]);

#endif
