/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers, time spans and names as people write them. Every parser takes a whole string,
 * accepts nothing around it, and returns -EINVAL (not of the form) or -ERANGE (too large);
 * `ret` is untouched on failure.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only: no sign, no blank, no leading "0x". */
must_check int text_to_u32(const char *s, uint32_t *ret);
must_check int text_to_u64(const char *s, uint64_t *ret);

/*
 * A time span in the notation of systemd.time(7), without fractions: "48h", "14d", "1h 30min".
 * Units: us ms s sec min m h hr d day w week month y year, and their plurals; a bare number is
 * seconds. A month is 30.4375 days and a year 365.25, as there. The result is microseconds.
 */
must_check int text_to_span(const char *s, uint64_t *ret_usec);

/* The shortest exact form of SPAN in the same notation, "0" for none; always terminated. */
enum { SPAN_TEXT_SIZE = 96 };
void text_from_span(uint64_t usec, char out[static SPAN_TEXT_SIZE]);

/* "yes" "no" "true" "false" "on" "off" "1" "0". */
must_check int text_to_bool(const char *s, bool *ret);

enum {
	SERVICE_ID_MAX = 40,
	LOGIN_MAX = SERVICE_ID_MAX + 1 + 10, /* id, a dot, a 32-bit version */
	DOMAIN_MAX = 253,
	LABEL_MAX = 63,
	SENDER_SIZE = 64 + 1 + 255 + 1, /* RFC 5321, section 4.5.3.1, and a NUL */
};

/* [a-z0-9-]{1,40}, not starting or ending with '-'. */
bool text_is_service_id(const char *s);

/* A host name in lower case, two labels or more, letters digits and hyphens, no trailing dot.
 */
bool text_is_domain(const char *s);

/* One DNS label under the same rule; what a selector may be. */
bool text_is_label(const char *s);

/*
 * Splits "billing.7" into id and version (1 or more, no leading zero). A bare service id gives
 * version 0. -EINVAL for anything else.
 */
must_check int text_to_login(const char *s, char ret_service[static SERVICE_ID_MAX + 1],
			     uint32_t *ret_version);

/*
 * What a service may send as: an address "a@example.com"; "@example.com", every address of that
 * domain; or "@.example.com", every address of every domain below it. RET is in lower case, as
 * far as ASCII goes. No quoted local part and no address literal. -EINVAL.
 */
must_check int text_to_sender(const char *s, char ret[static SENDER_SIZE]);

/* Well-formed UTF-8 (RFC 3629), control characters and all. */
bool text_is_utf8(const char *s);

/* Well-formed UTF-8 without control characters: fit to be shown and logged. */
bool text_is_plain(const char *s);

#endif
