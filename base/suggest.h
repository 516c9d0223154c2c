/* SPDX-License-Identifier: BSD-2-Clause */
/* "Did you mean": the known name that is nearest to what somebody typed. */
#ifndef BASE_SUGGEST_H
#define BASE_SUGGEST_H

#include <stddef.h>

enum { SUGGEST_WORD_MAX = 64 };

/*
 * How many single edits (insert, drop, change, swap two neighbours) lead from A to B. A word
 * longer than SUGGEST_WORD_MAX is far from everything: SUGGEST_WORD_MAX + 1.
 */
unsigned suggest_distance(const char *a, const char *b);

/* The nearest of NAMES, a third of its length away at most; the first of equals. NULL when
 * none is near enough to be meant. */
const char *suggest_nearest(const char *word, const char *const *names, size_t count);

#endif
