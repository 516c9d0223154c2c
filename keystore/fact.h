/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verifier index says besides logins, as bytes (docs/keystore-format.md, "Facts"):
 *
 *	INDEX_FACT_CERT     SHA-256 of a certificate, or of its public key -> whose it is
 *	INDEX_FACT_SENDER   a sender address or pattern -> the services that own it
 *	INDEX_FACT_SERVICE  a service -> whether it is switched off, and its live logins
 *
 * The vault writes them, the door reads them. Pure.
 */
#ifndef KEYSTORE_FACT_H
#define KEYSTORE_FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keystore/verifier.h"

enum {
	FACT_FINGERPRINT_LEN = 32, /* SHA-256: the key of a CERT fact, not as text */
	FACT_SERIAL_MAX = 20,	   /* bytes (RFC 5280, section 4.1.2.2) */
	FACT_CERT_MAX = 1 + 8 + 8 + 1 + FACT_SERIAL_MAX + 1 + VERIFIER_SERVICE_MAX,
	FACT_SERVICE_MAX = 2 + VERIFIER_VERSIONS_MAX * (1 + VERIFIER_LOGIN_MAX),
	FACT_SENDER_KEY_SIZE = 321, /* 64 + '@' + 255 (RFC 5321, section 4.5.3.1), and a NUL */
};

/* ---- certificates ---- */

enum { FACT_CERT_REVOKED = 1 << 0 };

struct fact_cert {
	char service[VERIFIER_SERVICE_MAX + 1];
	uint8_t flags;
	uint8_t serial_len;
	uint8_t serial[FACT_SERIAL_MAX]; /* big-endian */
	uint64_t not_before;		 /* microseconds since 1970 */
	uint64_t not_after;
};

/* A service, 1 to FACT_SERIAL_MAX bytes of serial, and times in order. */
bool fact_cert_valid(const struct fact_cert *c);

/* C must be valid. Returns the length. */
size_t fact_cert_encode(const struct fact_cert *c, uint8_t out[static FACT_CERT_MAX]);
must_check int fact_cert_decode(const uint8_t *data, size_t len,
				struct fact_cert *ret); /* -EBADMSG */

/* Not revoked, and within its time at NOW. Whether its service is switched off is the SERVICE
 * fact's to say. */
bool fact_cert_usable(const struct fact_cert *c, uint64_t now);

/* ---- services ---- */

enum { FACT_SERVICE_DISABLED = 1 << 0 };

struct fact_service {
	uint8_t flags;
	uint8_t count;
	char logins[VERIFIER_VERSIONS_MAX][VERIFIER_LOGIN_MAX + 1];
};

/* At most VERIFIER_VERSIONS_MAX logins, none empty, none twice. */
bool fact_service_valid(const struct fact_service *s);

/* S must be valid. Returns the length. */
size_t fact_service_encode(const struct fact_service *s, uint8_t out[static FACT_SERVICE_MAX]);
must_check int fact_service_decode(const uint8_t *data, size_t len,
				   struct fact_service *ret); /* -EBADMSG */

/* ---- senders ---- */

/*
 * The form under which an address or a pattern ("@example.com", "@.example.com" for whatever is
 * below it) is filed: ASCII letters in lower case. -EINVAL for an empty one, one with a NUL,
 * and one that does not fit.
 */
must_check int fact_sender_key(const char *address, size_t len,
			       char ret[static FACT_SENDER_KEY_SIZE]);

/*
 * The owners of a sender as bytes, in ascending order. Appends SERVICE to what OUT (SIZE bytes)
 * holds already and moves *LEN on. -E2BIG when it does not fit; -EINVAL for no service id or
 * one out of order.
 */
must_check int fact_owners_add(uint8_t *out, size_t size, size_t *len, const char *service);

/* Walks the owners. 1 and the next one; 0 at the end; -EBADMSG. */
struct fact_owners {
	const uint8_t *data; /* borrowed */
	size_t len;
	size_t at;
	char service[VERIFIER_SERVICE_MAX + 1]; /* the one that was returned last */
};
must_check int fact_owners_next(struct fact_owners *o);

#endif
