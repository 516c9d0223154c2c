/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The data file of LMDB 0.9, 64 bit: numbers are the machine's. Two meta pages, then pages of
 * three kinds; a B+tree for the free list, one for the names of tables, and one for each table.
 *
 *	page	u64 number, u16, u16 kind; u16 lower, u16 upper or, of a long value, u32 pages;
 *		then, up to lower, u16 offsets of nodes, in the order of keys
 *	node	of a branch: 48 bits of page number; of a leaf: u32 length of value, u16 flags;
 *		u16 length of key; key; value, or page number of a long one
 *	tree	u32, u16 flags, u16 depth, u64 branches, leaves, long pages, entries, root
 *	meta	after a page's header: u32 magic, u32 version, u64 address, u64 size of map,
 *		tree of the free list (its u32: page size), tree of the names, u64 last page,
 *		u64 transaction
 */
#ifndef KEYSTORE_PAGES_FORMAT_H
#define KEYSTORE_PAGES_FORMAT_H

#include <string.h>

#include "keystore/pages.h"

enum {
	PAGE_BRANCH = 0x01,
	PAGE_LEAF = 0x02,
	PAGE_LONG = 0x04,
	PAGE_META = 0x08,
	PAGE_HEADER_LEN = 16,

	NODE_IS_LONG = 0x01,
	NODE_IS_TREE = 0x02,
	NODE_HEADER_LEN = 8,

	TREE_HAS_NUMBERS = 0x08, /* keys of the free list */
	TREE_LEN = 48,
	TREE_DEPTH_MAX = 32,

	META_FIELDS_LEN = 152 - PAGE_HEADER_LEN,
	META_VERSION = 1,
	META_PAGES = 2,
	META_NO_FOLDER = 0x4000, /* the file was opened by its own name */

	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 32768,
	KEY_MAX = 511,
};

#define META_MAGIC 0xbeefc0deu
#define NO_PAGE	   UINT64_MAX
#define PAGES_MAX  (UINT64_C(1) << 28) /* a TiB */

struct tree {
	uint32_t pad;
	uint16_t flags;
	uint16_t depth;
	uint64_t entries;
	uint64_t root;
};

struct meta_page {
	uint64_t number;
	uint64_t map_size;
	struct tree free;
	struct tree names;
	uint64_t last;
	uint64_t txid;
};

static inline uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Puts into P what is wrong with PAGE, if nothing is there yet. -EBADMSG. */
int pages_bad(struct pages_problem *p, uint64_t page, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* LEN bytes from AT on, of PAGE. -EBADMSG when the disk does not give them. */
must_check int pages_fetch(const struct pages_file *file, size_t at, size_t len, uint64_t page,
			   struct pages_problem *problem);

/* TREE_LEN bytes. */
struct tree pages_read_tree(const uint8_t *p);

/* The meta page that LMDB will use; both must be right, since it reads both. */
must_check int pages_find_meta(const struct pages_file *file, struct meta_page *ret,
			       struct pages_problem *problem);

/* The newest that is right. -EBADMSG: none is. */
must_check int pages_find_any_meta(const struct pages_file *file, struct meta_page *ret);

#endif
