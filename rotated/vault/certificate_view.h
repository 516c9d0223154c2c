/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates and their CA as people and scripts see them. */
#ifndef ROTATED_VAULT_CERTIFICATE_VIEW_H
#define ROTATED_VAULT_CERTIFICATE_VIEW_H

#include "base/json.h"
#include "rotated/vault/ca.h"
#include "rotated/vault/control.h"

enum { CERTIFICATE_FINGERPRINT_SIZE = 3 * X509_DIGEST_LEN };

/* "serial", "fingerprint", "public_key_fingerprint" as Postfix writes them, "not_before",
 * "not_after". */
void certificate_write_info(struct json *j, const struct x509_info *info);

/* The serial as openssl(1) writes it: 40 hex digits in upper case. */
enum { CERTIFICATE_SERIAL_SIZE = 2 * X509_SERIAL_LEN + 1 };
void certificate_serial(const uint8_t serial[static X509_SERIAL_LEN],
			char ret[static CERTIFICATE_SERIAL_SIZE]);

/* The CA; below 0 with STATUS and the reply set. */
must_check int request_load_ca(struct request *req, struct ca *ret, enum wire_status *status);

/* The service's item, made when it has no certificate yet; NULL with STATUS and the reply set.
 */
struct item *request_find_certificates(struct request *req, enum wire_status *status);

/* When the certificate of V ends, wall clock; 0 without one. */
uint64_t certificate_end(const struct manager *m, const struct engine_item *item,
			 const struct engine_version *v);

/* What status has to say of expired certificates, and of the CA's end. */
typedef void certificate_tell_fn(void *context, const char *what, const char *hint);
void certificate_alarms(const struct manager *m, certificate_tell_fn *tell, void *context);

#endif
