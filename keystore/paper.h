/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secrets that people keep on paper: a prefix of four characters and groups of four of
 * Crockford's base32, the last one a checksum. Reading takes any case, and blanks and hyphens
 * anywhere. No branch and no address depends on the secret.
 */
#ifndef KEYSTORE_PAPER_H
#define KEYSTORE_PAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/report.h"

enum {
	PAPER_PREFIX_LEN = 4,
	PAPER_SUM_CHARS = 4, /* 20 bits */
	PAPER_GROUP = 4,
	PAPER_BYTES_MAX = 48,
	PAPER_CHARS_MAX = (PAPER_BYTES_MAX * 8 + 4) / 5 + PAPER_SUM_CHARS,
};

/* Characters, without the prefix, and of the whole text, for LEN bytes. */
#define PAPER_CHARS(len) (((len)*8 + 4) / 5 + PAPER_SUM_CHARS)
#define PAPER_TEXT_LEN(len)                                                                    \
	(PAPER_PREFIX_LEN + PAPER_CHARS(len) + PAPER_CHARS(len) / PAPER_GROUP)

/* A kind of paper. PAPER_CHARS(len) is a multiple of PAPER_GROUP. */
struct paper {
	const char *name;   /* for errors: "recovery key" */
	const char *prefix; /* of PAPER_PREFIX_LEN */
	const char *label;  /* of the checksum; its NUL is part of it */
	size_t len;	    /* bytes that it holds, at most PAPER_BYTES_MAX */
};

/* Writes PAPER_TEXT_LEN(len) characters and a NUL. */
void paper_format(const struct paper *paper, const uint8_t *bytes, char *out);

/* Whether TEXT starts as this kind of paper does. */
bool paper_is(const struct paper *paper, const char *text, size_t len);

/* Writes paper->len bytes. -EINVAL, and the report says whether it is a foreign character, the
 * length or the checksum; RET is left as it was. */
must_check int paper_parse(const struct paper *paper, const char *text, size_t len,
			   uint8_t *ret, struct report *report);

#endif
