/* SPDX-License-Identifier: BSD-2-Clause */
/* What strangers said, made fit to be shown. */
#ifndef ROTATED_HANDS_PRINTABLE_H
#define ROTATED_HANDS_PRINTABLE_H

#include <stddef.h>

/* Copies TEXT of LEN bytes, cut to SIZE - 1 and terminated. What is not printable ASCII becomes
 * '?', and blanks and line ends at its end go. */
void printable_copy(char *ret, size_t size, const void *text, size_t len);

#endif
