/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of the CA and of certificates as bytes (docs/keystore-format.md, "Certificates"):
 * big-endian, of a fixed order, with a format byte first. All are public; private keys are
 * PKCS#8 as it is. Decoding checks every bound: -EBADMSG. What is decoded borrows from DATA.
 */
#ifndef ROTATED_PKI_PKI_CODEC_H
#define ROTATED_PKI_PKI_CODEC_H

#include "base/text.h"
#include "rotated/pki/x509.h"

enum {
	PKI_FORMAT = 1,
	PKI_ISSUING_MAX = 8, /* issuing certificates that are kept */
};

/* Record kinds, in space RECORD_SPACE. */
#define PKI_CERTIFICATE	 "certificate"	   /* of a version: "billing/7" */
#define PKI_KEY		 "certificate-key" /* by hex SHA-256 of a public key */
#define PKI_CERTIFICATES "ca-certificates" /* "ca" */
#define PKI_ROOT	 "ca-root"	   /* "ca"; ISSUER tier */
#define PKI_ISSUING	 "ca-issuing"	   /* "ca"; ISSUER tier */
#define PKI_LIST	 "ca-list"	   /* "0", "1", …: parts of the revocation list */
#define PKI_NAME	 "ca"

/* The certificate of a version. */
struct pki_certificate {
	struct x509_info info;
	const uint8_t *der;
	size_t len;
};

void pki_certificate_encode(const struct pki_certificate *c, struct buf *out);
must_check int pki_certificate_decode(const uint8_t *data, size_t len,
				      struct pki_certificate *ret);

/* A public key that has a certificate, for as long as that may be valid: no other one is given
 * for it; and once it is dead, the revocation list has it. */
struct pki_key {
	char service[SERVICE_ID_MAX + 1];
	uint32_t version;
	uint8_t serial[X509_SERIAL_LEN];
	uint8_t digest[X509_DIGEST_LEN]; /* of the certificate */
	uint64_t not_after;
	uint64_t revoked; /* 0: it lives */
	enum x509_reason reason;
};

void pki_key_encode(const struct pki_key *k, struct buf *out);
must_check int pki_key_decode(const uint8_t *data, size_t len, struct pki_key *ret);

struct pki_span {
	const uint8_t *der;
	size_t len;
};

/* The public part of the CA. */
struct pki_ca {
	char trust_domain[DOMAIN_MAX + 1];
	struct pki_span root;
	struct pki_span issuing[PKI_ISSUING_MAX]; /* newest first, all of one key */
	unsigned n_issuing;			  /* 1 at least */
};

void pki_ca_encode(const struct pki_ca *ca, struct buf *out);
must_check int pki_ca_decode(const uint8_t *data, size_t len, struct pki_ca *ret);

/* What leads the first part of the list: the attributes of its record. */
struct pki_list_head {
	uint64_t number;
	uint64_t this_update;
	uint64_t next_update;
	uint32_t len; /* bytes of all parts */
};

enum { PKI_LIST_HEAD_LEN = 1 + 8 + 8 + 8 + 4 };
void pki_list_head_encode(const struct pki_list_head *h, uint8_t out[static PKI_LIST_HEAD_LEN]);
must_check int pki_list_head_decode(const uint8_t *data, size_t len, struct pki_list_head *ret);

#endif
