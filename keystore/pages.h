/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a data file is one that LMDB can be let loose on. LMDB 0.9 has no checksums and
 * follows what a page says: one wrong bit in a pointer, a flag or a length is a crash, or a
 * write into a page in use. So every page that it can reach is looked at before it does. What
 * records hold is not looked at here: their seals say that.
 *
 * Pure: bytes in, the first problem out. The bytes must not change meanwhile.
 */
#ifndef KEYSTORE_PAGES_H
#define KEYSTORE_PAGES_H

#include <stdbool.h>

#include "keystore/seal.h"

struct pages_problem {
	uint64_t page;
	uint64_t offset;   /* of the page, in bytes */
	const char *place; /* a table's name, or which part of the file it is */
	bool is_table;
	bool is_newer; /* nothing is wrong but that a newer LMDB wrote it */
	char what[96]; /* as in "page 7 WHAT"; empty for no problem */
};

struct pages_file {
	struct span bytes;
	/* Called before LEN bytes from AT on are looked at: 0, -EIO when the disk does not give
	 * them, which is a problem of that page, or else the result of it all. NULL: they are
	 * there. */
	int (*fetch)(void *context, size_t at, size_t len);
	void *context;
	const char *const *tables; /* names of those that may be there, NULL at the end */
	/* The transaction whose state of the file is to be looked at, and the size of pages: a
	 * writer may be at work as long as it leaves that state alone. 0: the newest, of a file
	 * that nobody writes to. */
	uint64_t txid;
	size_t page_size;
};

/* KEY and VALUE lie in the file. Below 0 stops and is the result. */
typedef int pages_entry_fn(void *context, const char *table, struct span key,
			   struct span value);

/* Checks meta pages, free list and tables. 0, -ENOMEM, or -EBADMSG with RET filled. */
must_check int pages_check(const struct pages_file *file, struct pages_problem *ret);

/* As far as LMDB looks when it opens the file and its tables: meta pages, names of tables. */
must_check int pages_check_names(const struct pages_file *file, struct pages_problem *ret);

/* True when pages_salvage() finds a beginning: one meta page is enough. */
bool pages_can_salvage(const struct pages_file *file);

/*
 * Visits the entries of the tables that lie on sound pages, whatever else is damaged. -EBADMSG
 * when no meta page can be used; else 0, and RET is the first problem, or has an empty text.
 * What was damaged may be visited in any order, with keys that LMDB does not take.
 */
must_check int pages_salvage(const struct pages_file *file, pages_entry_fn *visit,
			     void *context, struct pages_problem *ret);

#endif
