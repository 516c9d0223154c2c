/* SPDX-License-Identifier: BSD-2-Clause */
/* Signing a service's certificate: the driver's own part of Certificate.Issue and .Sign. */
#ifndef ROTATED_VAULT_DRIVER_CERTIFICATE_H
#define ROTATED_VAULT_DRIVER_CERTIFICATE_H

#include "rotated/vault/ca.h"
#include "rotated/vault/driver.h"

struct certificate_made {
	struct made made; /* borrows from `record` */
	struct buf record;
	struct x509_info info;
	struct buf chain;	/* PEM: the certificate, then the issuing one */
	struct secret *private; /* PEM; NULL when the service made its key. Owned */
};

struct certificate_source {
	const struct item *item;
	struct evp_pkey_st *key;
	bool is_ours; /* made here: its private part goes out with the certificate */
};

void certificate_made_release(struct certificate_made *made);
#define cleanup_certificate_made cleanup_(certificate_made_release)

/*
 * Whether ITEM, a service that is configured and on, may have a certificate now, of the life
 * that its configuration says; fills the report otherwise. -ENOENT there is no CA; -ENOKEY;
 * -EPERM and the like for what a person has to decide.
 */
must_check int certificate_check(const struct manager *m, const struct item *item,
				 const struct ca *ca, struct report *report);

/* KEY has no certificate of anybody, alive or revoked and not expired. -EEXIST. */
must_check int certificate_check_key(const struct manager *m, const struct evp_pkey_st *key,
				     struct report *report);

/* A certificate of CA for V of SOURCE's item and for its key. Some 0.3 ms. */
must_check int certificate_make(const struct manager *m, const struct ca *ca,
				const struct engine_version *v,
				const struct certificate_source *source,
				struct certificate_made *ret);

/* The stored certificate of VERSION; RET borrows from *RET_RECORD. */
must_check int certificate_load(const struct manager *m, const struct engine_item *item,
				uint32_t version, struct keystore_record **ret_record,
				struct pki_certificate *ret);

#endif
