/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorting a long array in steps of bounded work: runs first, then merges of two. Pure. */
#ifndef KEYSTORE_SORTING_H
#define KEYSTORE_SORTING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"

enum {
	SORTING_RUN = 8 * 1024,	   /* elements that one step sorts */
	SORTING_MERGE = 32 * 1024, /* or puts in their place in a merge */
};

typedef int sorting_compare_fn(const void *a, const void *b);

struct sorting {
	void *all; /* malloc'ed and the caller's: another array after a step */
	void *other;
	size_t count, size; /* of elements, of one in bytes */
	sorting_compare_fn *compare;
	size_t width; /* of the runs that are in order; 0: they are being made */
	size_t at;    /* how far this round is */
	size_t left, right;
};

/* Takes over ALL, of COUNT elements of SIZE bytes. -ENOMEM: ALL stays the caller's. */
must_check int sorting_begin(struct sorting *s, void *all, size_t count, size_t size);

/* 1 when there is more to do, 0 when s->all is in order. */
must_check int sorting_step(struct sorting *s);

/* Gives back what ALL has become, which the caller frees. */
void *sorting_end(struct sorting *s);

#endif
