/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The internal CA: a root that signs nothing but issuing certificates, and an issuing CA that
 * signs for one trust domain. Both private keys are records of the ISSUER tier: sealed with it,
 * they are of no use to whoever holds the running machine.
 */
#ifndef ROTATED_VAULT_CA_H
#define ROTATED_VAULT_CA_H

#include "rotated/pki/pki_codec.h"
#include "rotated/vault/manager.h"

/* What is public of it. */
struct ca {
	struct pki_ca pki; /* borrows from `record` */
	struct x509_info root;
	struct x509_info issuing; /* the newest one, which is in force */
	struct keystore_record *record;
};

#define CA_INIT ((struct ca){ .record = NULL })
void ca_release(struct ca *ca);
#define cleanup_ca cleanup_(ca_release)

/* -ENOENT: there is none. */
must_check int ca_load(const struct manager *m, struct ca *ret);

/* Makes one. -EEXIST when there is one; -EINVAL without a trust domain. */
must_check int ca_make(struct manager *m, const char *actor, struct report *report);

/* A new certificate for the issuing CA's key, signed by the root: what it signed before stays
 * valid under either. */
must_check int ca_renew(struct manager *m, const char *actor, struct report *report);

/* The key that signs; borrows its certificate from CA. -ENOKEY while ISSUER is sealed. The
 * caller frees RET->key. */
must_check int ca_issuer(const struct manager *m, const struct ca *ca, struct x509_issuer *ret);

/* One of the two ends in less than a twelfth of its life: *RET_END is when. */
enum ca_end { CA_LASTS, CA_ISSUING_ENDS, CA_ROOT_ENDS };
enum ca_end ca_ends_soon(const struct manager *m, const struct ca *ca, uint64_t *ret_end);

/* ---- the revocation list ---- */

/* As it was last signed, DER appended. -ENOENT: never. */
must_check int ca_list_load(const struct manager *m, struct pki_list_head *ret_head,
			    struct buf *ret);

/* True if the list of HEAD is over its half, or somebody was revoked since. */
must_check int ca_list_is_stale(const struct manager *m, const struct pki_list_head *head,
				bool *ret);

/* Signs a new one and stores it. Drops what has expired. */
must_check int ca_list_make(struct manager *m, const struct ca *ca, const char *actor,
			    struct report *report);

#endif
