/* SPDX-License-Identifier: BSD-2-Clause */
#include "keystore/sorting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sorting_begin(struct sorting *s, void *all, size_t count, size_t size)
{
	void *other = reallocarray(NULL, count + 1, size);

	if (!other)
		return -ENOMEM;
	s->all = all;
	s->other = other;
	s->count = count;
	s->size = size;
	s->width = s->at = 0;
	return 0;
}

void *sorting_end(struct sorting *s)
{
	void *all = s->all;

	free(s->other);
	*s = (struct sorting){ .compare = s->compare };
	return all;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static char *element(const struct sorting *s, void *array, size_t i)
{
	return (char *)array + i * s->size;
}

static void sort_run(struct sorting *s)
{
	size_t n = least(SORTING_RUN, s->count - s->at);

	if (n > 0)
		qsort(element(s, s->all, s->at), n, s->size, s->compare);
	s->at += n;
	if (s->at == s->count) {
		s->width = SORTING_RUN;
		s->at = 0;
	}
}

/* Puts the next element of the pair of runs that begins at BASE in its place. */
static void merge_one(struct sorting *s, size_t base)
{
	size_t middle = least(base + s->width, s->count);
	size_t end = least(middle + s->width, s->count);
	bool is_left;

	if (s->at == base) {
		s->left = base;
		s->right = middle;
	}
	is_left = s->right == end ||
		  (s->left < middle &&
		   s->compare(element(s, s->all, s->left), element(s, s->all, s->right)) <= 0);
	memcpy(element(s, s->other, s->at),
	       element(s, s->all, is_left ? s->left++ : s->right++), s->size);
}

static void merge_some(struct sorting *s)
{
	size_t stop = least(s->at + SORTING_MERGE, s->count);

	for (; s->at < stop; s->at++)
		merge_one(s, s->at - s->at % (2 * s->width));
	if (s->at == s->count) {
		void *merged = s->other;

		s->other = s->all;
		s->all = merged;
		s->width *= 2;
		s->at = 0;
	}
}

int sorting_step(struct sorting *s)
{
	if (s->width == 0)
		sort_run(s);
	else if (s->width < s->count)
		merge_some(s);
	return s->width == 0 || s->width < s->count;
}
