/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/suggest.h"

#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment over three rows of the usual matrix. */
unsigned suggest_distance(const char *a, const char *b)
{
	unsigned rows[3][SUGGEST_WORD_MAX + 1];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);

	if (a_len > SUGGEST_WORD_MAX || b_len > SUGGEST_WORD_MAX)
		return SUGGEST_WORD_MAX + 1;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3];
		const unsigned *second = rows[(i + 1) % 3]; /* two above, once i > 1 */

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned change = above[j - 1] + (a[i - 1] != b[j - 1]);

			row[j] = least(change, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], second[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

const char *suggest_nearest(const char *word, const char *const *names, size_t count)
{
	const char *best = NULL;
	unsigned best_distance = SUGGEST_WORD_MAX + 1;

	for (size_t i = 0; i < count; i++) {
		unsigned distance = suggest_distance(word, names[i]);
		unsigned allowed = (unsigned)strlen(names[i]) / 3;

		if (distance <= (allowed ? allowed : 1) && distance < best_distance) {
			best = names[i];
			best_distance = distance;
		}
	}
	return best;
}
