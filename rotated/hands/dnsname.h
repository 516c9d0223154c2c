/* SPDX-License-Identifier: BSD-2-Clause */
/* Domain names as they travel (RFC 1035 section 3.1), uncompressed, compared without case. */
#ifndef ROTATED_HANDS_DNSNAME_H
#define ROTATED_HANDS_DNSNAME_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_NAME_MAX = 255,
	DNS_NAME_TEXT_SIZE = 4 * DNS_NAME_MAX + 2, /* every byte as \DDD */
};

struct dns_name {
	uint8_t wire[DNS_NAME_MAX]; /* labels and the root's zero byte */
	size_t len;		    /* at least 1 once set */
};

/* TEXT is labels joined by dots; the last dot may be missing; no escapes. -EINVAL: an empty or
 * too long label or name, or a byte that is not printable ASCII. */
must_check int dns_name_from_text(const char *text, struct dns_name *ret);

/*
 * Reads the name at *OFFSET of the message DATA, follows compression, and moves *OFFSET past
 * the name as it stands there. Pointers must go backwards, so every chain ends. -EBADMSG.
 */
must_check int dns_name_read(const uint8_t *data, size_t len, size_t *offset,
			     struct dns_name *ret);

/* With the last dot; bytes that are not letters, digits, '-' or '_' as \DDD. */
void dns_name_to_text(const struct dns_name *n, char out[static DNS_NAME_TEXT_SIZE]);

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);

/* True if N is ZONE or lies below it. */
bool dns_name_is_under(const struct dns_name *n, const struct dns_name *zone);

/* The last COUNT labels of N, or all of it when it has no more. */
struct dns_name dns_name_suffix(const struct dns_name *n, unsigned count);

unsigned dns_name_labels(const struct dns_name *n);

#endif
