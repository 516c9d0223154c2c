/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * X.509 by libcrypto: the certificates and the revocation list of our CA (RFC 5280), byte for
 * byte as a strict verifier wants them. Pure: what goes in is all that counts, but for the
 * randomness of keys, serials and signatures. Times are microseconds since 1970, cut to
 * seconds.
 */
#ifndef ROTATED_PKI_X509_H
#define ROTATED_PKI_X509_H

#include "base/buf.h"
#include "base/secret.h"

#include <stdbool.h>

struct evp_pkey_st; /* EVP_PKEY, and the same with a name that is ours to forward */

void x509_key_free(struct evp_pkey_st *key); /* NULL is allowed */
DEFINE_CLEANUP(struct evp_pkey_st, x509_key_free)
#define cleanup_x509_key cleanup_(x509_key_freep)

enum {
	X509_DER_MAX = 4096, /* bytes of a certificate; ours have some 700 */
	X509_KEY_MAX = 512,  /* bytes of a private key, PKCS#8; ours have 138 */
	X509_DIGEST_LEN = 32,
	X509_SERIAL_LEN = 20,
	X509_NAME_MAX = 64,		 /* bytes of a common name (ub-common-name) */
	X509_LIST_MAX = 4 * 1024 * 1024, /* bytes of a revocation list */
};

/* ---- keys ---- */

/* A new one on P-256. -EIO when OpenSSL will not. */
must_check int x509_key_new(struct evp_pkey_st **ret);
must_check int x509_key_export(const struct evp_pkey_st *key, struct secret **ret);
must_check int x509_key_import(const uint8_t *der, size_t len, struct evp_pkey_st **ret);

/* A SubjectPublicKeyInfo as bytes. -EBADMSG. */
must_check int x509_public_import(const uint8_t *der, size_t len, struct evp_pkey_st **ret);

/* SHA-256 of the SubjectPublicKeyInfo: what Postfix calls the fingerprint of the public key. */
must_check int x509_public_digest(const struct evp_pkey_st *key,
				  uint8_t ret[static X509_DIGEST_LEN]);

/* ---- certificates ---- */

/* Ours begin so long before they are made: clocks of verifiers may be behind. */
#define X509_BACKDATE (5 * 60 * USEC_PER_SEC)

enum x509_role {
	X509_ROOT,    /* signs itself, and issuing CAs */
	X509_ISSUING, /* signs certificates of services for one trust domain, and the list */
	X509_LEAF,    /* a service, as a TLS client */
	X509_ROLE_MAX_
};

struct x509_subject {
	enum x509_role role;
	struct evp_pkey_st *key;  /* only its public part is used */
	const char *name;	  /* common name; the service id of a leaf */
	const char *trust_domain; /* not for X509_ROOT */
	const char *email;	  /* X509_LEAF; NULL or "": none */
	uint64_t not_before;
	uint64_t not_after;
	uint8_t serial[X509_SERIAL_LEN];
};

struct x509_issuer {
	struct evp_pkey_st *key;
	const uint8_t *der; /* its certificate */
	size_t len;
};

/* 159 random bits: 20 octets, never negative, never shorter. */
void x509_serial_new(uint8_t ret[static X509_SERIAL_LEN]);

/* ISSUER is NULL for X509_ROOT. Appends DER. -EIO when OpenSSL will not. */
must_check int x509_issue(const struct x509_subject *subject, const struct x509_issuer *issuer,
			  struct buf *ret);

/* What a certificate of ours says. */
struct x509_info {
	uint64_t not_before;
	uint64_t not_after;
	uint8_t serial[X509_SERIAL_LEN];
	uint8_t digest[X509_DIGEST_LEN];	/* SHA-256 of the certificate */
	uint8_t public_digest[X509_DIGEST_LEN]; /* of its SubjectPublicKeyInfo */
};

/* -EBADMSG for what is no certificate, or none of ours (length of the serial, trailing bytes).
 */
must_check int x509_read(const uint8_t *der, size_t len, struct x509_info *ret);

/* Its common name. -EBADMSG. */
must_check int x509_name_of(const uint8_t *der, size_t len, char ret[static X509_NAME_MAX + 1]);

/* ---- revocation ---- */

/* The reason codes that we use (RFC 5280, section 5.3.1). */
enum x509_reason {
	X509_REASON_NONE = 0,
	X509_REASON_SUPERSEDED = 4,
};

struct x509_revoked {
	uint8_t serial[X509_SERIAL_LEN];
	uint64_t at;
	enum x509_reason reason;
};

struct x509_list {
	const struct x509_revoked *items;
	size_t n;
	uint64_t number; /* grows from list to list */
	uint64_t this_update;
	uint64_t next_update;
};

/* Appends DER. -EIO when OpenSSL will not. */
must_check int x509_list_sign(const struct x509_list *list, const struct x509_issuer *issuer,
			      struct buf *ret);

/* ---- PEM ---- */

/* Appends a block, "-----BEGIN LABEL-----" and so on. LABEL: "CERTIFICATE", "X509 CRL",
 * "PRIVATE KEY". What it leaves behind is wiped. */
void x509_pem(const char *label, const uint8_t *der, size_t len, struct buf *ret);

#endif
