/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether bytes are DER (X.690, sections 8, 10 and 11) and nothing but one value of it.
 * libcrypto takes BER and more: what two parsers may read in two ways is refused before it
 * reads anything.
 */
#ifndef ROTATED_PKI_DER_H
#define ROTATED_PKI_DER_H

#include <stddef.h>
#include <stdint.h>

enum { DER_DEPTH_MAX = 16 };

/* NULL when it is; else what is wrong, static. Strings of text must not hold a NUL either. */
const char *der_check(const uint8_t *data, size_t len);

#endif
